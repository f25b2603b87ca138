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
            // Something was faster, a notice or the sweep: what is on record stands.
            Err(CommitError::Illegal(_)) => {
                let order = app
                    .order(&sent.order.id)
                    .await?
                    .ok_or_else(|| Fault::of(crate::fault::Code::Internal))?;
                return Ok(Sent {
                    order,
                    settled: Settled::nothing(Ending::Recorded),
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
/// if late. What does not answer either would take nothing.
fn next_of(
    app: &App,
    merchant: &MerchantFacts,
    spare: &Spare,
    next: &mut Vec<&AccountNo>,
) -> Option<(Arc<Account>, Option<AppNo>)> {
    [None, Some(Barred::Slow)].into_iter().find_map(|barred| {
        let mut all = next.iter().enumerate();
        let (at, taken) = all.find_map(|(at, no)| Some((at, eligible(app, merchant, spare, no, barred)?)))?;
        next.remove(at);
        Some(taken)
    })
}

/// The account as channels see it, if it is still registered, stands like that, is within the channel's rate, and policy says yes. A
/// measure against an account is not gone round: it ends the search for this account only, and is told nobody.
fn eligible(
    app: &App,
    merchant: &MerchantFacts,
    spare: &Spare,
    no: &AccountNo,
    barred: Option<Barred>,
) -> Option<(Arc<Account>, Option<AppNo>)> {
    let create = &spare.create;
    let registries = app.registries();
    let (owner, facts) = registries.owner(create.channel, no)?;
    let now = app.clock().since_boot();
    let looks = app.health().looks_for(create.channel, no, create.pay_way, now);
    if owner.id != merchant.id
        || facts.keys != Keys::Held
        || looks.barred != barred
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
    let mut events = std::mem::take(&mut sent.settled.events);
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
        .is_some_and(|a| a.is_closing() && !a.state.is_final())
    {
        return Ok(None); // something was faster: what is on record stands
    }
    app.step("close_intended");
    let answer = errand::ask_to_close(app, &account, &sent.order, position).await;
    let mut closed = settle::closed(&sent.order, position, answer, false).events;
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
            closed.iter_mut().for_each(|h| h.tell = false);
            return Ok(Some(closed));
        }
        _ => sent.settled.events = closed,
    }
    Ok(None)
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
