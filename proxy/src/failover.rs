//! An order that is surely not open at one account goes to the merchant's next one, as another attempt. Never across
//! wallets, never for what a merchant's own SDK composed, never for what charges when it is sent.
//!
//! *Surely* is either of two. No byte of the order left us, or the channel refused this account's call: it moves at once.
//! Or nobody knows: then it is closed at its channel first, and moves only once the channel says that it is closed or not
//! there. What cannot be closed stays where it is, and the sweep goes on with it.

use crate::{
    app::App,
    asks, choice, errand,
    fault::{Fault, Stop},
    health::Barred,
    payment::{Create, Errand, Texts},
    settle::{self, Ending, Settled},
    stages::{admit, record, send::Sent},
};
use channel::Account;
use domain::*;
use ledger::{CommitError, Happening, Order};
use policy::registry::{AccountFacts, MerchantFacts};
use std::sync::Arc;
use vault::Sealed;

/// What another attempt of the same order needs.
pub(crate) struct Spare {
    pub(crate) create: Create,
    pub(crate) content: KeyedDigest,
    pub(crate) payer: Option<PayerToken>,
    pub(crate) buyer: Sealed<vault::Buyer>,
    /// Further accounts, in order.
    pub(crate) next: Vec<AccountNo>,
    /// The rule that made them eligible.
    pub(crate) rule: Option<Arc<str>>,
}

/// Moves on while there is somewhere to go and the order is surely not open where it was.
//= C65
pub(crate) async fn go_on(app: &App, spare: Spare, mut sent: Sent) -> Result<Sent, Stop> {
    let mut next: Vec<&AccountNo> = spare.next.iter().collect();
    loop {
        let Errand::Place(position) = sent.errand else {
            return Ok(sent);
        };
        let unknown = sent.settled.ending == Ending::Unknown && sent.settled.handed_out.is_none();
        if !(sent.settled.elsewhere || unknown) {
            return Ok(sent);
        }
        let Some(account) = next_of(app, &sent.merchant, &spare, &mut next) else {
            return for_another_app(app, &spare, sent, position).await;
        };
        let mut events = match unknown {
            false => std::mem::take(&mut sent.settled.events),
            true => match close(app, &mut sent, position).await? {
                Some(events) => events,
                None => return Ok(sent),
            },
        };
        let outcome = events.clone();
        let (account, appid) = account;
        let route = Arc::new(after(&spare, &sent.order, position));
        events.push(
            intent(
                app,
                &spare,
                &sent.order,
                (&account, appid),
                position,
                route.clone(),
            )
            .into(),
        );
        let committed = app
            .ledger()
            .commit(&sent.order.merchant, &sent.order.id, events)
            .await;
        sent.order = match committed {
            Ok(committed) => committed.order,
            // Something was faster, a notice, the sweep or the merchant's close: what is on record stands. The order goes on
            // nowhere, so how this attempt ended is the order's end, and is told.
            Err(CommitError::Illegal(_)) => {
                let order = app
                    .order(&sent.order.id)
                    .await?
                    .ok_or_else(|| Fault::of(crate::fault::Code::Internal))?;
                return Ok(Sent {
                    order,
                    settled: Settled::of(ends_here(outcome), Ending::Recorded),
                    ..sent
                });
            }
            Err(error) => return Err(record::stop(error)),
        };
        app.metrics().routed(account.channel, &route);
        app.step("moved_on");
        sent.errand = Errand::Place(position + 1);
        let texts = Texts {
            buyer: Some(spare.buyer.clone()),
            ..Texts::default()
        };
        sent.settled = errand::perform(app, &account, &sent.order, &sent.errand, texts).await;
    }
}

/// No other account takes it at which its payer's id counts. Where one with another app does, the page asks for the payer there
/// and the same order goes on: so what nobody knows is closed first, as it would be before a move.
//= C65
//= C94
async fn for_another_app(app: &App, spare: &Spare, mut sent: Sent, position: u16) -> Result<Sent, Stop> {
    let (create, merchant) = (&spare.create, &sent.merchant);
    let counts = |a: &AccountFacts| choice::counts_at(create, merchant, a);
    let there = create.is_in_its_wallet()
        && asks::another(app, merchant, create, Some(&sent.order), counts).is_some();
    if !there || sent.settled.elsewhere {
        return Ok(sent);
    }
    if let Some(events) = close(app, &mut sent, position).await? {
        sent.settled = Settled::of(events, Ending::Recorded);
    }
    Ok(sent)
}

/// The next account that takes the order, which is tried no more: the first one that is in order, else the first one that answers,
/// if late, else the first one whose last call got no answer. What is known not to answer would take nothing.
fn next_of(
    app: &App,
    merchant: &MerchantFacts,
    spare: &Spare,
    next: &mut Vec<&AccountNo>,
) -> Option<(Arc<Account>, Option<AppNo>)> {
    PASSES.into_iter().find_map(|stands| {
        let mut all = next.iter().enumerate();
        let (at, taken) = all.find_map(|(at, no)| Some((at, eligible(app, merchant, spare, no, stands)?)))?;
        next.remove(at);
        Some(taken)
    })
}

/// How the next account may stand, the best first: whether it is barred, and whether it is suspect.
const PASSES: [(Option<Barred>, bool); 3] = [(None, false), (Some(Barred::Slow), false), (None, true)];

/// The account as channels see it, if it is still registered, stands like that, is within the channel's rate, and policy says yes. A
/// measure against an account is not gone round: it ends the search for this account only, and is told nobody.
fn eligible(
    app: &App,
    merchant: &MerchantFacts,
    spare: &Spare,
    no: &AccountNo,
    stands: (Option<Barred>, bool),
) -> Option<(Arc<Account>, Option<AppNo>)> {
    let create = &spare.create;
    let registries = app.registries();
    let (owner, facts) = registries.owner(create.channel, no)?;
    let now = app.clock().since_boot();
    let looks = app.health().looks_for(create.channel, no, create.pay_way, now);
    if owner.id != merchant.id
        || facts.keys != Keys::Held
        || (looks.barred, looks.suspect) != stands
        || app.channel_rate(create.channel).is_err()
    {
        return None;
    }
    let appid = choice::appid_at(create, owner, facts);
    let apps = (appid.as_ref(), create.sub_appid.as_ref());
    let account = app.account_in(facts, create.payee.as_ref(), apps);
    if !channel::composes(&account, create.pay_way) {
        return None;
    }
    if !admit::may_place(app, owner, create, spare.payer, &account) {
        return None;
    }
    app.health().begin(create.channel, no, create.pay_way, now);
    Some((account, appid))
}

/// Closes what nobody knows. `Some` where the channel says that it is not open there: what is to be put on record together
/// with the next attempt. `None` where nobody knows that either: it stays, and the sweep goes on with the close.
async fn close(app: &App, sent: &mut Sent, position: u16) -> Result<Option<Vec<Happening>>, Stop> {
    let Some(account) = errand::account_of(app, &sent.order, position) else {
        return Ok(None);
    };
    let looks = app.health().looks(
        account.channel,
        &account.account,
        OperationClass::Change,
        app.clock().since_boot(),
    );
    if looks.barred.is_some_and(|barred| !barred.answers()) {
        return Ok(None);
    }
    let mut events = sent.settled.events.clone();
    events.push(
        TradeEvent::CloseIntended {
            attempt: position,
            reason: CloseReason::Replaced,
        }
        .into(),
    );
    sent.order = errand::record(app, &sent.order, events)
        .await
        .map_err(record::stop)?;
    if !sent
        .order
        .attempt(position)
        .is_some_and(|a| errand::is_intended(a, CloseReason::Replaced) && !a.state.is_final())
    {
        // Something was faster, or the merchant has closed it and it goes nowhere: what is on record stands, beside what was said.
        return Ok(None);
    }
    sent.settled.events.clear();
    app.step("close_intended");
    let answer = errand::ask_to_close(app, &account, &sent.order, position).await;
    let closed = settle::closed(&sent.order, position, answer, false).events;
    let is_closed = closed
        .iter()
        .any(|h| matches!(h.event, TradeEvent::AttemptClosed { .. }));
    // In the meantime a query may have found it closed or paid, or the merchant may have closed it, and then for good.
    sent.order = app
        .order(&sent.order.id)
        .await?
        .unwrap_or_else(|| sent.order.clone());
    match sent.order.attempt(position) {
        Some(attempt) if choice::moves_on(attempt) => return Ok(Some(Vec::new())),
        Some(attempt) if attempt.state.is_final() => sent.settled = Settled::nothing(Ending::Recorded),
        Some(attempt) if is_closed && !attempt.ended_by_merchant() => {
            // The order goes on: nobody needs to hear of its former attempt.
            return Ok(Some(errand::goes_on(closed)));
        }
        _ => sent.settled.events = closed,
    }
    Ok(None)
}

/// What came of an attempt, where none takes its place.
fn ends_here(mut outcome: Vec<Happening>) -> Vec<Happening> {
    for happening in &mut outcome {
        happening.tell |= matches!(
            happening.event,
            TradeEvent::AttemptClosed { .. } | TradeEvent::AttemptNotPlaced { .. }
        );
    }
    outcome
}

/// Why an order goes on after this attempt, which is surely not open.
fn after(spare: &Spare, order: &Order, before: u16) -> RouteTaken {
    let former = order.attempt(before).map(|a| Passed {
        account: a.account.clone(),
        why: PassedWhy::Tried,
    });
    RouteTaken {
        after: Some(before),
        passed: former.into_iter().collect(),
        rule: spare.rule.clone(),
        why: RouteWhy::Failover,
    }
}

fn intent(
    app: &App,
    spare: &Spare,
    order: &Order,
    (account, appid): (&Account, Option<AppNo>),
    before: u16,
    route: Arc<RouteTaken>,
) -> TradeEvent {
    record::intent(
        app,
        record::Intent {
            merchant: &order.merchant,
            create: &spare.create,
            content: spare.content,
            payer: spare.payer,
            carried: Carried::Unified,
            keys: Keys::Held,
            account,
            appid,
            seal: Some(SealRef {
                bucket: spare.buyer.bucket(),
                records: 1,
            }),
            route: Some(route),
            // Its end stays what was said.
            expires: order.attempt(before).map(|a| a.expires),
        },
        Some(order),
        before + 1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Looks;

    /// The best is asked first, as routing ranks it.
    #[test]
    //= C65
    fn the_next_account_is_looked_for_in_the_order_of_routing() {
        let standing = |&(barred, suspect): &(Option<Barred>, bool)| {
            let looks = Looks {
                barred,
                suspect,
                ..Looks::default()
            };
            choice::standing_of(looks, false)
        };
        assert!(PASSES.is_sorted_by_key(standing), "{PASSES:?}");
    }

    /// The end of an attempt is told where no other one takes its place, and only there.
    #[test]
    //= C65
    fn an_end_is_told_where_the_order_does_not_go_on() {
        let (attempt, proof) = (1, Proof::Answer);
        let closed = TradeEvent::AttemptClosed { attempt, proof };
        let reversed = TradeEvent::AttemptReversed {
            attempt,
            proof,
            refunded: None,
        };
        let unknown = TradeEvent::AttemptUnknown {
            attempt,
            reason: Unclear::Timeout,
        };
        let told = |events: Vec<Happening>| events.iter().map(|h| h.tell).collect::<Vec<_>>();
        let ended = |event| Happening { event, tell: true };
        let on = errand::goes_on(vec![ended(closed), ended(reversed)]);
        assert_eq!(told(on.clone()), [false, false]);
        let lost = settle::placed(
            1,
            channel::Answer::Failed(channel::Failure {
                class: channel::FailureClass::Busy,
                code: "FREQUENCY_LIMITED".into(),
            }),
        );
        assert_eq!(told(ends_here(lost.events)), [true]);
        assert_eq!(
            told(ends_here(vec![on[0].clone(), unknown.into()])),
            [true, false]
        );
    }
}
