//! Finds out what nobody told: unknown outcomes, payments without a notice, refunds under way, orders whose time is
//! over. By query, by each channel's own schedule; what is idempotent is sent again under the same number.

mod charges;
mod left;
mod places;
mod plans;
mod refunds;

use crate::{
    app::App,
    errand::{self, sole},
    exchange::{self, Exchanged},
    paid,
    payment::{Errand, Texts},
    schedule::Schedule,
    settle,
};
use channel::{Account, Answer, FailureClass};
use domain::*;
use ledger::{Attempt, CommitError, Held, Order};
use places::Lane;
use plans::Plans;
use refunds::{refund_step, refund_wait, surplus};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::sync::{mpsc, watch};
use vault::Context;

/// After this long without a trace at the channel, an unknown order whose buyer data died is closed there and given up.
const GIVE_UP_AFTER: i64 = 60_000;

/// Sweeps until `stop`.
pub async fn run(
    app: App,
    mut changes: mpsc::UnboundedReceiver<Arc<Order>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut plans = Plans::default();
    let waits = |order: &Order, tries| wait(&app, order, tries);
    let started = app.clock().since_boot();
    let mut first = HashSet::new();
    for order in app.ledger().live() {
        // What an earlier run left behind is looked at once, at once.
        first.insert(order.id);
        plans.changed(order, started, |_, _| Some(Duration::ZERO));
    }
    if first.is_empty() {
        app.looked();
    }
    let (ended, mut ends) = mpsc::unbounded_channel::<Ended>();
    loop {
        let now = app.clock().since_boot();
        // After a start every live order is due at once; they wait as numbers, not as a million tasks.
        while let Some((lane, id)) = plans.due(now) {
            let (looking, end) = (app.clone(), End::of(lane, id, &ended));
            app.spawn_work(async move {
                look(&looking, &id).await;
                end.with(looking.ledger().order(&id).await.ok().flatten());
            });
        }
        let next = plans
            .next()
            .map_or(Duration::from_secs(1), |at| at.saturating_sub(now))
            .min(Duration::from_secs(1));
        tokio::select! {
            () = crate::accept::stopped(&mut stop) => return,
            changed = changes.recv() => if let Some(order) = changed {
                // Somebody else had word of it.
                seen_first(&app, &mut first, &order.id);
                plans.changed(order, app.clock().since_boot(), waits);
            },
            Some((lane, id, order)) = ends.recv() => {
                seen_first(&app, &mut first, &id);
                // What the look itself put on record lies here since before its end, and is no news of anybody else's.
                while let Ok(order) = changes.try_recv() {
                    seen_first(&app, &mut first, &order.id);
                    plans.changed(order, app.clock().since_boot(), waits);
                }
                plans.looked((&lane, id), order, app.clock().since_boot(), waits);
            }
            () = tokio::time::sleep(next) => {}
        }
    }
}

/// One of those that an earlier run left open is known again; with the last of them the books may begin.
fn seen_first(app: &App, first: &mut HashSet<PaymentId>, id: &PaymentId) {
    if first.remove(id) && first.is_empty() {
        first.shrink_to_fit();
        app.looked();
    }
}

/// Whose place becomes free, and the order as it stands since.
type Ended = (Lane, PaymentId, Option<Arc<Order>>);

/// Tells the sweep that a look is over, however it ended.
struct End {
    ended: Option<Ended>,
    to: mpsc::UnboundedSender<Ended>,
}

impl End {
    fn of(lane: Lane, id: PaymentId, to: &mpsc::UnboundedSender<Ended>) -> End {
        End {
            ended: Some((lane, id, None)),
            to: to.clone(),
        }
    }

    fn with(mut self, order: Option<Arc<Order>>) {
        if let Some((_, _, known)) = &mut self.ended {
            *known = order;
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if let Some(ended) = self.ended.take() {
            let _ = self.to.send(ended);
        }
    }
}

/// When to look at an order (again); `None` for one that nothing can change any more.
fn wait(app: &App, order: &Order, tries: u32) -> Option<Duration> {
    let now = app.clock().now();
    if !order.is_live() {
        return None;
    }
    let attempts = order
        .attempts
        .iter()
        .filter_map(|attempt| attempt_wait(app, attempt, tries, now));
    let refunds = order
        .refunds
        .iter()
        .filter_map(|refund| refund_wait(app, order, refund, tries));
    let surplus = order.surplus().into_iter().filter_map(|position| {
        // What the merchant refunded of it was no try of ours.
        let refused = order.surplus_no(position).and_then(|no| order.refund(&no));
        let refused = refused.map_or(0, |refund| u32::from(refund.tries));
        let schedule = Schedule::of(order.attempt(position)?.channel, app.times());
        Some(if refused.max(tries) == 0 {
            app.times().unknown_after.min(Duration::from_millis(200))
        } else {
            schedule.refused_refund(refused.max(tries))
        })
    });
    attempts.chain(refunds).chain(surplus).min()
}

fn attempt_wait(app: &App, attempt: &Attempt, tries: u32, now: Instant) -> Option<Duration> {
    let (times, schedule) = (app.times(), Schedule::of(attempt.channel, app.times()));
    let left = |end: Instant| {
        Duration::from_millis((end.millis() - now.millis()).max(0) as u64)
            + Duration::from_millis(500).min(times.unknown_after)
    };
    if (attempt.pay_way.charges() || attempt.is_reversing()) && attempt.keys == Keys::Held {
        return charges::wait(app, attempt, tries, now);
    }
    if (attempt.keys == Keys::Merchant || !channel::can_be_asked(attempt.channel))
        && (!attempt.state.is_final() || attempt.is_reversing())
    {
        return Some(left(silent_at(&schedule, attempt)));
    }
    match attempt.state {
        AttemptState::Intended => Some(times.answer + times.unknown_after),
        AttemptState::Unknown => Some(schedule.unknown(tries)),
        AttemptState::Placed if attempt.expires <= now => Some(schedule.unknown(tries)),
        AttemptState::Placed => {
            let step = match &attempt.closing {
                // A close whose answer nobody has is brought to its end.
                Some(closing) if closing.unknown => schedule.unknown(tries),
                Some(closing) if closing.refused.is_none() => times.answer + times.unknown_after,
                _ => schedule.placed(tries),
            };
            Some(step.min(left(attempt.expires)))
        }
        _ if attempt.was_left() => Some(left::wait(&schedule, attempt, tries, now)),
        _ => None,
    }
}

/// After the order's end, or after a reverse that began later still.
fn silent_at(schedule: &Schedule, attempt: &Attempt) -> Instant {
    let reverse = attempt.reversing.as_ref().map_or(attempt.expires, |r| r.at);
    attempt
        .expires
        .max(reverse)
        .plus_millis(schedule.silent_after().as_millis() as i64)
}

/// Looks at one order.
async fn look(app: &App, id: &PaymentId) {
    if let Err(error) = step(app, id).await {
        tracing::warn!(%error, "the sweep could not put something on record");
    }
}

async fn step(app: &App, id: &PaymentId) -> Result<(), CommitError> {
    let Some(mut order) = app.ledger().order(id).await? else {
        return Ok(());
    };
    let positions = 1..=order.attempts.len() as u16;
    for position in positions {
        let now = app.clock().now();
        let open = |a: &&Attempt| {
            !a.state.is_final() || a.is_reversing() || (a.may_come_late() && a.expires <= now) || a.was_left()
        };
        let Some(attempt) = order.attempt(position).filter(open) else {
            continue;
        };
        order = match attempt.keys {
            Keys::Held if !can_be_asked(app, attempt) => silent(app, &order, position, attempt).await?,
            Keys::Held if attempt.pay_way.charges() || attempt.is_reversing() => {
                charges::step(app, &order, position).await?
            }
            Keys::Held if !channel::can_be_asked(attempt.channel) => {
                unresolved(app, &order, position, attempt).await?
            }
            Keys::Held if attempt.was_left() => left::step(app, &order, position).await?,
            Keys::Held => attempt_step(app, &order, position).await?,
            Keys::Merchant => unresolved(app, &order, position, attempt).await?,
        };
    }
    for refund_no in order
        .refunds
        .iter()
        .filter(|r| !r.state.is_final() && r.state != RefundState::Held)
        .map(|r| r.refund_no.clone())
        .collect::<Vec<_>>()
    {
        order = refund_step(app, &order, &refund_no).await?;
    }
    for position in order.surplus() {
        order = surplus(app, &order, position).await?;
    }
    Ok(())
}

/// Only the merchant can ask the channel, or nobody, or no answer can say that nothing is there; after the channel's own window
/// nobody will tell us any more. Where even the merchant cannot ask, it is told that nobody knows.
//= C82
async fn unresolved(
    app: &App,
    order: &Arc<Order>,
    position: u16,
    attempt: &Attempt,
) -> Result<Arc<Order>, CommitError> {
    if app.clock().now() < silent_at(&Schedule::of(attempt.channel, app.times()), attempt) {
        return Ok(order.clone());
    }
    errand::record(
        app,
        order,
        vec![ledger::Happening {
            event: TradeEvent::AttemptUnresolved { attempt: position },
            tell: attempt.keys == Keys::Held,
        }],
    )
    .await
}

/// Whether anybody here can ask its channel about an attempt: its account is registered, or was while this run went on, its
/// key is here, and its host is licensed.
fn can_be_asked(app: &App, attempt: &Attempt) -> bool {
    errand::account_as_registered(app, attempt)
        .is_some_and(|account| exchange::can_ask(app, &account, attempt.pay_way))
}

/// Whether the channel could not be asked about this account for as long as anybody would tell of an order: a start after a
/// long stop, before the keys are there, is no silence of the channel's.
fn cannot_be_asked_for_long(app: &App, attempt: &Attempt) -> bool {
    app.cannot_be_asked(attempt) >= Schedule::of(attempt.channel, app.times()).silent_after()
}

/// In what time an attempt of which nobody can ask ends as unresolved.
fn ends_unasked_in(app: &App, attempt: &Attempt) -> Duration {
    let schedule = Schedule::of(attempt.channel, app.times());
    let left = silent_at(&schedule, attempt).millis() - app.clock().now().millis();
    let lasts = app.cannot_be_asked(attempt);
    Duration::from_millis(left.max(0) as u64).max(schedule.silent_after().saturating_sub(lasts))
}

/// Nobody here can ask any more. Should its account come back, the looks go on; else it ends when nobody will tell us any more.
//= C82
async fn silent(
    app: &App,
    order: &Arc<Order>,
    position: u16,
    attempt: &Attempt,
) -> Result<Arc<Order>, CommitError> {
    // What has its end already is looked for in case that something came late.
    let open = !attempt.state.is_final() || attempt.is_reversing();
    match cannot_be_asked_for_long(app, attempt) && open {
        true => unresolved(app, order, position, attempt).await,
        false => Ok(order.clone()),
    }
}

async fn attempt_step(app: &App, order: &Arc<Order>, position: u16) -> Result<Arc<Order>, CommitError> {
    let (Some(account), Some(attempt)) = (errand::account_of(app, order, position), order.attempt(position))
    else {
        return Ok(order.clone());
    };
    let Exchanged::Answer(answer) = errand::query(app, &account, attempt).await else {
        return Ok(order.clone());
    };
    match answer {
        // Another order's end is not this one's.
        Answer::State(view) if !settle::is_about(attempt, &view) => {
            nobody_knows(app, seen(app, order, position, view).await?, position).await
        }
        Answer::State(view) => {
            let word = channel::close_by_word(attempt.channel, &view);
            let order = seen(app, order, position, view).await?;
            match order.attempt(position) {
                // It is there, but the way to it was lost with the answer, which comes once.
                Some(attempt)
                    if attempt.pay_way.is_told_once(attempt.channel)
                        && matches!(attempt.state, AttemptState::Intended | AttemptState::Unknown) =>
                {
                    unplaced(app, &account, &order, position, attempt).await
                }
                _ => {
                    let order = due_to_close(app, order, position, word).await?;
                    nobody_knows(app, order, position).await
                }
            }
        }
        Answer::Failed(failure) if failure.class == FailureClass::NotFound => {
            absent(app, &account, order, position).await
        }
        // A code that nobody can explain, where "not there" would be one too: after the channel's window nobody will tell.
        //= C95
        Answer::Failed(failure)
            if failure.class == FailureClass::Unknown
                && !attempt.channel.is_bank()
                && attempt.pay_way.is_handed_out(attempt.channel)
                && !channel::says_absent(&account) =>
        {
            unresolved(app, order, position, attempt).await
        }
        Answer::Failed(_) => nobody_knows(app, order.clone(), position).await,
        _ => Ok(order.clone()),
    }
}

/// A bank that answers and still says neither that it was paid nor that there is nothing, long after it took the last payment,
/// will not say it any more: the merchant is told that nobody knows. A notice that comes all the same counts.
//= C82
async fn nobody_knows(app: &App, order: Arc<Order>, position: u16) -> Result<Arc<Order>, CommitError> {
    let Some(attempt) = order.attempt(position) else {
        return Ok(order);
    };
    let schedule = Schedule::of(attempt.channel, app.times());
    if attempt.state != AttemptState::Placed || !is_over(&schedule, attempt, app.clock().now()) {
        return Ok(order);
    }
    let event = TradeEvent::AttemptUnresolved { attempt: position };
    errand::record(app, &order, vec![ledger::Happening { event, tell: true }]).await
}

/// At a bank, which has no close and whose codes prove little: its last payment is over, and so is the time of its notices.
fn is_over(schedule: &Schedule, attempt: &Attempt, now: Instant) -> bool {
    let last = channel::open_until(attempt.channel, attempt.expires).max(attempt.expires);
    attempt.channel.is_bank() && now >= last.plus_millis(schedule.silent_after().as_millis() as i64)
}

/// Whether an attempt that we know as placed has been paid since: asked before a refund of it is refused, so that one
/// that overtakes the notice is no refund without a trade. Nothing but the payment is put on record.
pub(crate) async fn ask_for_payment(app: &App, order: Arc<Order>, position: u16) -> Arc<Order> {
    let Some(attempt) = order
        .attempt(position)
        .filter(|a| a.state == AttemptState::Placed && a.keys == Keys::Held)
    else {
        return order;
    };
    let Some(account) = errand::account_of(app, &order, position) else {
        return order;
    };
    match errand::query(app, &account, attempt).await {
        Exchanged::Answer(Answer::State(view)) if is_paid(&view) => {
            seen(app, &order, position, view).await.unwrap_or(order)
        }
        _ => order,
    }
}

/// What the channel says of a refund under way, asked now and not when its time comes.
pub(crate) async fn ask_for_refund(
    app: &App,
    order: &Arc<Order>,
    refund_no: &RefundNo,
) -> Result<(), CommitError> {
    let open = order
        .refund(refund_no)
        .is_some_and(|r| !r.state.is_final() && r.state != RefundState::Held);
    let held = order
        .refund(refund_no)
        .and_then(|r| order.attempt(r.attempt))
        .is_some_and(|a| a.keys == Keys::Held);
    match open && held {
        true => refund_step(app, order, refund_no).await.map(drop),
        false => Ok(()),
    }
}

/// The channel says that it was paid, whatever went back since.
pub(crate) fn is_paid(view: &channel::OrderView) -> bool {
    matches!(
        view.state,
        channel::ChannelState::Paid(_) | channel::ChannelState::Refunded(_)
    )
}

/// What a query says of an order, with the payer sealed for the merchant's notification.
pub(crate) async fn seen(
    app: &App,
    order: &Arc<Order>,
    position: u16,
    mut view: channel::OrderView,
) -> Result<Arc<Order>, CommitError> {
    let Some(attempt) = order.attempt(position) else {
        return Ok(order.clone());
    };
    let known = paid::keep_payer(app, order, attempt, &mut view);
    let settled = settle::order_seen(order, position, &view, Proof::Query, known.token, known.seal);
    errand::record(app, order, settled.events).await
}

/// An unpaid order whose time is over, or whose close is on record without an end, is closed at its channel. Where a close only
/// asks, `word` is what was just told: nobody is asked twice, and while the payer may still pay nothing is concluded from it.
async fn due_to_close(
    app: &App,
    order: Arc<Order>,
    position: u16,
    word: Option<Answer>,
) -> Result<Arc<Order>, CommitError> {
    let Some(attempt) = order.attempt(position) else {
        return Ok(order);
    };
    if word.is_some() && errand::may_come(app, attempt) {
        return Ok(order);
    }
    if attempt.state == AttemptState::Placed && (attempt.is_closing() || attempt.expires <= app.clock().now())
    {
        let reason = attempt.closing.as_ref().map_or(CloseReason::Expiry, |c| c.reason);
        // Whoever closes it to put another attempt in its place is at it, and holds the order's claim.
        let Some(_held) = free_to_close(app, &order, reason) else {
            return Ok(order);
        };
        return match word {
            Some(word) => errand::close_as_told(app, &order, position, reason, word).await,
            None => errand::close(app, &order, position, reason).await,
        };
    }
    Ok(order)
}

/// The claim that a close needs which makes way for another attempt; `None` while somebody has it.
fn free_to_close(app: &App, order: &Order, reason: CloseReason) -> Option<Option<Held>> {
    if !matches!(reason, CloseReason::Replaced | CloseReason::PayerLeft) {
        return Some(None);
    }
    sole(app, order).map(Some)
}

/// The channel does not know the order. A precreated one does not exist until somebody scans it, one handed out until
/// the payer opens it; a sent one may still come. "Not exist" is believed only after a close at the channel.
async fn absent(
    app: &App,
    account: &Account,
    order: &Arc<Order>,
    position: u16,
) -> Result<Arc<Order>, CommitError> {
    let Some(attempt) = order.attempt(position) else {
        return Ok(order.clone());
    };
    let now = app.clock().now();
    match attempt.state {
        // Not opened yet: another close would find as little. It is asked for until it is opened or its time is over.
        AttemptState::Placed if errand::may_come(app, attempt) => Ok(order.clone()),
        AttemptState::Placed if attempt.is_closing() || attempt.expires <= now => {
            let reason = attempt.closing.as_ref().map_or(CloseReason::Expiry, |c| c.reason);
            let Some(_held) = free_to_close(app, order, reason) else {
                return Ok(order.clone());
            };
            errand::close(app, order, position, reason).await
        }
        AttemptState::Intended | AttemptState::Unknown => {
            unplaced(app, account, order, position, attempt).await
        }
        _ => Ok(order.clone()),
    }
}

/// Sent, perhaps, and not there: sent again while what that needs lives, else given up after a while.
async fn unplaced(
    app: &App,
    account: &Account,
    order: &Arc<Order>,
    position: u16,
    attempt: &Attempt,
) -> Result<Arc<Order>, CommitError> {
    let now = app.clock().now();
    let at = Context {
        merchant: order.merchant.clone(),
        order: order.id,
        label: "create",
    };
    // What is to be closed is not sent again.
    let closing = attempt.is_closing();
    if !closing && app.vault().kept::<vault::Buyer>(&at).is_some() && attempt.expires > now {
        let settled = errand::perform(app, account, order, &Errand::Place(position), Texts::default()).await;
        return errand::record(app, order, settle::placed_again(attempt, settled).events).await;
    }
    // The octets of a merchant's SDK are the SDK's to repeat, for as long as the order may live.
    let patience = match attempt.carried {
        _ if closing => 0,
        Carried::Unified => GIVE_UP_AFTER.min(app.times().unknown_after.as_millis() as i64 * 20),
        Carried::PassThrough => attempt.expires.millis() - attempt.at.millis(),
    };
    if now.millis() - attempt.at.millis() < patience {
        return Ok(order.clone());
    }
    // The merchant may be sending the same number again with what has died here: not both at once.
    let Some(_held) = sole(app, order) else {
        return Ok(order.clone());
    };
    let latest = app
        .ledger()
        .order(&order.id)
        .await?
        .unwrap_or_else(|| order.clone());
    if latest.last != order.last {
        return Ok(latest);
    }
    // A close on record is the merchant's, and stands for good; else the merchant may send the same number again.
    if attempt
        .closing
        .as_ref()
        .is_some_and(|closing| closing.reason == CloseReason::Merchant)
    {
        return errand::close(app, order, position, CloseReason::Merchant).await;
    }
    let absent = if attempt.expires > now {
        NotPlaced::BuyerDataGone
    } else {
        NotPlaced::NotThere
    };
    errand::give_up(app, order, position, absent).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{schedule::tests::unset, settle::tests::order};

    /// CMB's status 4, say, has no meaning that sources agree on: it ends nothing, and not never.
    #[test]
    //= C82
    fn a_banks_doubt_ends_when_its_time_and_that_of_its_notices_are_over() {
        let mut attempt = order().latest().clone();
        let hour = |n: i64| attempt_end().plus_millis(n * 3_600_000);
        fn attempt_end() -> Instant {
            Instant::from_secs(1_767_225_600)
        }
        attempt.expires = attempt_end();
        for (channel, life) in [(Channel::Cmb, 1), (Channel::Ccb, 24)] {
            attempt.channel = channel;
            let schedule = Schedule::of(channel, unset());
            assert!(
                !is_over(&schedule, &attempt, hour(life + 23)),
                "{channel}: it may still come"
            );
            assert!(
                is_over(&schedule, &attempt, hour(life + 48)),
                "{channel}: nothing comes any more"
            );
        }
        for channel in [
            Channel::Wechat,
            Channel::Alipay,
            Channel::Unionpay,
            Channel::Baidu,
        ] {
            attempt.channel = channel;
            let schedule = Schedule::of(channel, unset());
            assert!(
                !is_over(&schedule, &attempt, hour(1000)),
                "{channel} is asked until it says"
            );
        }
    }
}
