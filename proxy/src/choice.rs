//! Which account a new order goes to, and which others could take its place. Policy orders them; this gathers what it
//! looks at: the registries' rules, the order's facts, the health of the accounts, and where this order was tried before.

use crate::{
    app::App,
    health::{Barred, Looks},
    payment::{Create, PayerAt},
};
use domain::*;
use ledger::{Attempt, Order};
use policy::{
    registry::{AccountFacts, MerchantFacts},
    routing::{Candidate, Sale, Standing, candidates, in_order},
};
use std::sync::Arc;

/// An account, and what would come after it.
pub(crate) struct Choice<'a> {
    /// Where it goes.
    pub(crate) chosen: &'a AccountFacts,
    /// Where it may go next, should it surely not be open there.
    pub(crate) next: Vec<AccountNo>,
    /// For the record; absent where there was nothing to choose.
    pub(crate) route: Option<Arc<RouteTaken>>,
}

impl<'a> Choice<'a> {
    /// An account that is not ours to choose.
    pub(crate) fn given(chosen: &'a AccountFacts) -> Choice<'a> {
        Choice {
            chosen,
            next: Vec::new(),
            route: None,
        }
    }
}

/// Chooses among the merchant's accounts of the order's wallet, those that are `usable` there and fit the order. `None` where
/// none is eligible.
//= C63
pub(crate) fn choose<'a>(
    app: &App,
    merchant: &'a MerchantFacts,
    create: &Create,
    order: Option<&Order>,
    usable: impl Fn(&AccountFacts) -> bool,
    fits: impl Fn(&AccountFacts) -> bool,
) -> Option<Choice<'a>> {
    let mut of_channel = merchant
        .accounts
        .iter()
        .filter(|a| a.channel == create.channel && usable(a));
    let first = of_channel.next()?;
    let rules = merchant.routes.iter().any(|rule| rule.channel == create.channel);
    if !rules && of_channel.next().is_none() {
        return Some(Choice::given(first));
    }
    let usable = |a: &AccountFacts| usable(a) && fits(a);
    let (eligible, rule) = eligible(app, merchant, create, |a| usable(a) && serves(create, first, a));
    let health = |a: &AccountFacts| looks(app, create, a);
    let standing = |a: &AccountFacts| standing(app, create, order, a);
    // The account of a wallet's own payer was chosen before the payer was asked for, among all of them.
    let among = match create.is_in_its_wallet() {
        true => self::eligible(app, merchant, create, usable).0,
        false => eligible.clone(),
    };
    let ideal = in_order(among, create.pay_way, |_| Standing::default());
    let ordered = in_order(eligible, create.pay_way, standing);
    let (taken, how) = ordered.first()?;
    let why_not = |a: &AccountFacts| match (unhealthy(health(a)), tried(order, a)) {
        (PassedWhy::BreakerOpen, _) => PassedWhy::BreakerOpen,
        (_, true) => PassedWhy::Tried,
        (PassedWhy::OnTrial, _) => PassedWhy::OnTrial,
        _ if health(a).suspect => PassedWhy::Unhealthy,
        _ if !serves(create, first, a) && !is_of_no_app(create) => PassedWhy::OtherApp,
        (other, false) => other,
    };
    let former = |o: &&Order| {
        o.latest().channel == create.channel
            && o.latest().account != taken.account.account
            && moves_on(o.latest())
    };
    let after = order.filter(former).map(|o| o.attempts.len() as u16);
    let why = match (how.is_barred(), after, taken.standby) {
        (true, ..) => RouteWhy::NoneInOrder,
        (_, Some(_), _) => RouteWhy::Failover,
        (_, _, true) => RouteWhy::Standby,
        _ => RouteWhy::First,
    };
    app.health().begin(
        taken.account.channel,
        &taken.account.account,
        create.pay_way,
        app.clock().since_boot(),
    );
    let route = RouteTaken {
        after,
        passed: passed(&ideal, taken.account, why_not),
        rule,
        why,
    };
    app.metrics().routed(create.channel, &route);
    let next = ordered
        .iter()
        .skip(1)
        .filter(|(_, s)| !s.failed)
        .map(|(c, _)| c.account.account.clone())
        .collect();
    Some(Choice {
        chosen: taken.account,
        next,
        route: Some(Arc::new(route)),
    })
}

/// The accounts that would have come before the one that is taken, and why they did not.
fn passed(
    ideal: &[(Candidate<'_>, Standing)],
    taken: &AccountFacts,
    why: impl Fn(&AccountFacts) -> PassedWhy,
) -> Vec<Passed> {
    ideal
        .iter()
        .map(|(candidate, _)| candidate.account)
        .take_while(|account| account.account != taken.account)
        .map(|account| Passed {
            account: account.account.clone(),
            why: why(account),
        })
        .collect()
}

/// Why an account is passed over, by its health alone.
fn unhealthy(looks: Looks) -> PassedWhy {
    match looks.barred {
        Some(Barred::Open | Barred::Slow) => PassedWhy::BreakerOpen,
        Some(Barred::OnTrial) => PassedWhy::OnTrial,
        None => PassedWhy::Unhealthy,
    }
}

/// The rule that leaves an order no account: none of those that it names has the order's app, or is the payee's.
pub(crate) fn rule_without_an_account(
    app: &App,
    merchant: &MerchantFacts,
    create: &Create,
    usable: impl Fn(&AccountFacts) -> bool,
) -> Option<Arc<str>> {
    let all = eligible(app, merchant, create, &usable);
    let served = |c: &Candidate<'_>| counts_at(create, merchant, c.account);
    all.1.filter(|_| !all.0.iter().any(served))
}

/// The account for orders that one payment pays together: of those that can carry each of them, the best by health, standby and
/// rate. Where none can, the first one, which says why.
pub(crate) fn for_all<'a>(app: &App, merchant: &'a MerchantFacts, creates: &[&Create]) -> Option<Choice<'a>> {
    let create = creates.first()?;
    let mut held = merchant
        .accounts
        .iter()
        .filter(|a| a.channel == create.channel && a.keys == Keys::Held);
    let first = held.next()?;
    if held.next().is_none() {
        return Some(Choice::given(first));
    }
    let carries = |a: &AccountFacts| {
        a.keys == Keys::Held
            && channel::composes(&app.account(a, None, None), create.pay_way)
            && creates.iter().all(|create| serves(create, first, a))
    };
    let unruled = |account: &'a AccountFacts| Candidate {
        account,
        standby: merchant
            .standby
            .iter()
            .any(|(channel, no)| *channel == create.channel && *no == account.account),
    };
    let all: Vec<Candidate<'a>> = merchant
        .accounts
        .iter()
        .filter(|a| a.channel == create.channel && carries(a))
        .map(unruled)
        .collect();
    let ideal = in_order(all.clone(), create.pay_way, |_| Standing::default());
    let ordered = in_order(all, create.pay_way, |a| standing(app, create, None, a));
    let Some((taken, how)) = ordered.first() else {
        return Some(Choice::given(first));
    };
    let why = match (how.is_barred(), taken.standby) {
        (true, _) => RouteWhy::NoneInOrder,
        (_, true) => RouteWhy::Standby,
        _ => RouteWhy::First,
    };
    let route = RouteTaken {
        after: None,
        passed: passed(&ideal, taken.account, |a| unhealthy(looks(app, create, a))),
        rule: None,
        why,
    };
    app.metrics().routed(create.channel, &route);
    app.health().begin(
        create.channel,
        &taken.account.account,
        create.pay_way,
        app.clock().since_boot(),
    );
    Some(Choice {
        chosen: taken.account,
        next: Vec::new(),
        route: Some(Arc::new(route)),
    })
}

/// Where a new order of a wallet's own payer would go, as long as nobody knows who pays: best first, and how each stands.
pub(crate) fn ahead<'a>(
    app: &App,
    merchant: &'a MerchantFacts,
    create: &Create,
    order: Option<&Order>,
    usable: impl Fn(&AccountFacts) -> bool,
) -> Vec<(&'a AccountFacts, Stands)> {
    let (eligible, _) = eligible(app, merchant, create, usable);
    let ordered = in_order(eligible, create.pay_way, |a| standing(app, create, order, a));
    let stands = |(candidate, standing): (Candidate<'a>, Standing)| {
        let stands = Stands {
            barred: looks(app, create, candidate.account).barred,
            failed: standing.failed,
        };
        (candidate.account, stands)
    };
    ordered.into_iter().map(stands).collect()
}

/// How an account stands before it is chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stands {
    /// Whether new orders go there.
    pub(crate) barred: Option<Barred>,
    /// This order was tried there, and is surely not open there.
    pub(crate) failed: bool,
}

/// The accounts that the rules leave to an order, and the rule that says so.
fn eligible<'a>(
    app: &App,
    merchant: &'a MerchantFacts,
    create: &Create,
    usable: impl Fn(&AccountFacts) -> bool,
) -> (Vec<Candidate<'a>>, Option<Arc<str>>) {
    let area = create
        .terminal
        .as_ref()
        .and_then(|no| merchant.terminals.iter().find(|t| t.no == *no))
        .map(|t| t.area.as_str());
    let sale = Sale {
        amount: create.amount,
        pay_way: create.pay_way,
        at: app.clock().now(),
        terminal: create.terminal.as_ref().map(TerminalNo::as_str),
        area,
        product: create.product.as_ref().map(ProductNo::as_str),
        code: create.code,
    };
    candidates(merchant, create.channel, &sale, usable)
}

fn looks(app: &App, create: &Create, account: &AccountFacts) -> Looks {
    let (health, now) = (app.health(), app.clock().since_boot());
    match create.is_in_its_wallet() {
        true => health.looks_in_wallet(account.channel, &account.account, now),
        false => health.looks_for(account.channel, &account.account, create.pay_way, now),
    }
}

fn standing(app: &App, create: &Create, order: Option<&Order>, account: &AccountFacts) -> Standing {
    standing_of(looks(app, create, account), tried(order, account))
}

pub(crate) fn standing_of(looks: Looks, failed: bool) -> Standing {
    Standing {
        open: looks.barred == Some(Barred::Open),
        on_trial: looks.barred == Some(Barred::OnTrial),
        failed,
        suspect: looks.suspect,
        late: looks.barred == Some(Barred::Slow),
        unreliable: looks.unreliable,
        slow: looks.slow,
    }
}

/// Whether this order did not come to be open at this account, for no reason of its own.
fn tried(order: Option<&Order>, account: &AccountFacts) -> bool {
    let there = |a: &&Attempt| a.channel == account.channel && a.account == account.account;
    order.is_some_and(|order| order.attempts.iter().filter(there).any(moves_on))
}

/// Whether another account may take this attempt's place: it is surely not open, and neither the merchant nor the order's
/// own contents ended it.
pub(crate) fn moves_on(attempt: &Attempt) -> bool {
    match attempt.state {
        _ if attempt.ended_by_merchant() => false,
        AttemptState::NotPlaced => matches!(
            attempt.not_placed,
            Some((
                NotPlaced::NeverSent | NotPlaced::NotThere | NotPlaced::BuyerDataGone,
                _
            ))
        ),
        AttemptState::Closed => attempt
            .closing
            .as_ref()
            .is_some_and(|closing| closing.reason == CloseReason::Replaced),
        _ => false,
    }
}

/// Whether an account can serve this order: it is registered for the payee and the app that the order names. A payer's id
/// belongs to the app it was got in, so an order that carries one stays with the app that it was got for: at WeChat any
/// account that has that app, at Alipay (where an account is an app) the one that it was got for, else the first; but Alipay's
/// `user_id` is of no app.
//= C94
fn serves(create: &Create, first: &AccountFacts, account: &AccountFacts) -> bool {
    let pays = account.may_pay(create.payee.as_ref());
    let has_sub_app = create.sub_appid.as_ref().is_none_or(|app| {
        let payee = create.payee.as_ref();
        payee.is_some_and(|payee| account.is_sub_app(payee, app.as_str()))
    });
    let has = match (app_of(create, first), create.channel) {
        (Some(appid), _) => account.appids.iter().any(|own| own == appid),
        (None, Channel::Alipay) if create.pay_way == PayWay::Jsapi => match &create.payer_at {
            PayerAt::Everywhere { but } => but.as_ref() != Some(&account.account),
            PayerAt::Account(own) => account.account == *own,
            PayerAt::App => account.account == first.account,
        },
        (None, _) => true,
    };
    pays && has && has_sub_app
}

fn is_of_no_app(create: &Create) -> bool {
    matches!(create.payer_at, PayerAt::Everywhere { .. })
}

/// Whether the payer's id of an order counts at an account, whatever else stands against that.
pub(crate) fn counts_at(create: &Create, merchant: &MerchantFacts, account: &AccountFacts) -> bool {
    let mut held = merchant
        .accounts
        .iter()
        .filter(|a| a.channel == create.channel && a.keys == Keys::Held);
    held.next().is_some_and(|first| serves(create, first, account))
}

/// The app that the order is bound to, where it is bound to one. One of a sub-merchant's own app has its payer's id from that,
/// and is called up by that.
fn app_of<'a>(create: &'a Create, first: &'a AccountFacts) -> Option<&'a str> {
    let bound = matches!(create.pay_way, PayWay::Jsapi | PayWay::App)
        && create.channel == Channel::Wechat
        && create.sub_appid.is_none();
    create
        .appid
        .as_ref()
        .map(AppNo::as_str)
        .or_else(|| first.appids.first().map(String::as_str).filter(|_| bound))
}

/// The app to name at the account, where it is not the account's first.
pub(crate) fn appid_at(create: &Create, merchant: &MerchantFacts, account: &AccountFacts) -> Option<AppNo> {
    let first = merchant
        .accounts
        .iter()
        .find(|a| a.channel == create.channel && a.keys == Keys::Held)?;
    // At an account that the order names, the first one's app binds nobody.
    let bound = app_of(create, first).filter(|_| create.account.is_none() || create.appid.is_some())?;
    let named = create.appid.is_some() || account.appids.first().is_none_or(|own| own != bound);
    AppNo::new(bound).ok().filter(|_| named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Routing, health::Breaker};
    use std::time::Duration;

    fn breaker() -> Breaker {
        let secs = Duration::from_secs;
        Breaker::new(Routing {
            failures: 3,
            bad_percent: 50,
            slow: secs(2),
            window: secs(30),
            rest: secs(60),
            rest_most: secs(60),
            trial: secs(10),
        })
    }

    /// Whatever came of an account's calls, and in whatever order: as long as what ended badly last was answered, if late, orders go
    /// there sooner than to one that does not answer, and than to one that does so for a trial only.
    #[test]
    //= C63
    //= C65
    fn an_account_that_answers_late_comes_before_one_that_does_not_answer() {
        let secs = Duration::from_secs;
        let words = [(secs(0), None), (secs(3), None), (secs(3), Some(Ailment::Silent))];
        let (mut silent, mut on_trial) = (breaker(), breaker());
        for down in [&mut silent, &mut on_trial] {
            for _ in 0..3 {
                down.feed(secs(1), secs(0), Some(Ailment::NotConnected));
            }
        }
        on_trial.probed(secs(1), None);
        on_trial.begin(secs(30));
        let (mut seen, most) = (0, 7);
        for sequence in 0..3_usize.pow(most) {
            let (mut slow, mut last_bad) = (breaker(), None);
            for n in 0..most {
                let (took, ailment) = words[sequence / 3_usize.pow(n) % 3];
                let at = secs(10 + 3 * u64::from(n));
                slow.feed(at, took, ailment);
                last_bad = ailment.or((took > secs(2)).then_some(Ailment::Slow)).or(last_bad);
                for now in [at, at + secs(1)] {
                    slow.begin(now);
                    let (late, open) = (slow.looks(now), silent.looks(now));
                    seen += usize::from(late.barred == Some(Barred::Slow));
                    if last_bad == Some(Ailment::Slow) {
                        assert!(standing_of(late, false) < standing_of(open, false), "{slow:?}");
                        let tried_out = on_trial.looks(secs(31));
                        assert_eq!(tried_out.barred, Some(Barred::OnTrial));
                        assert!(
                            standing_of(late, false) < standing_of(tried_out, false),
                            "{slow:?}"
                        );
                    }
                    if late.barred.is_some() {
                        let answers = late.barred == Some(Barred::Slow);
                        assert_eq!(answers, last_bad == Some(Ailment::Slow), "{slow:?}");
                        assert!(standing_of(late, false) > standing_of(Looks::default(), false));
                    }
                }
            }
        }
        assert!(seen > 1_000, "{seen}");
    }

    /// One order that got no answer sends nobody to the account that is known to be down, neither before the question after it
    /// is answered nor while one order tries it out.
    #[test]
    //= C63
    //= C65
    fn an_account_in_doubt_comes_before_one_whose_breaker_is_open() {
        let secs = Duration::from_secs;
        let (mut down, mut silent) = (breaker(), breaker());
        for _ in 0..3 {
            down.feed(secs(1), secs(0), Some(Ailment::NotConnected));
        }
        let comes_first = |silent: &Breaker, now| {
            let (doubt, open) = (silent.looks(now), down.looks(now));
            assert_eq!((doubt.suspect, open.barred), (true, Some(Barred::Open)));
            standing_of(doubt, false) < standing_of(open, false)
        };
        silent.feed(secs(2), secs(0), Some(Ailment::Silent));
        assert!(comes_first(&silent, secs(2)), "nothing was heard since");
        silent.feed_beside(secs(3), secs(0), None);
        silent.begin(secs(3));
        assert!(comes_first(&silent, secs(4)), "one order tries it out");
        silent.feed(secs(5), secs(0), Some(Ailment::Silent));
        assert!(
            standing_of(silent.looks(secs(5)), false) < standing_of(Looks::default(), true),
            "nor does an order go back to where it failed"
        );
    }
}
