//! Finds out what nobody told: unknown outcomes, payments without a notice, refunds under way, orders whose time is
//! over. By query, by each channel's own schedule; what is idempotent is sent again under the same number.

use crate::{
    app::App,
    errand,
    exchange::{Exchanged, ask},
    payment::{Errand, Texts},
    settle::{self, Settled},
    stages::seal_notice::paid_context,
};
use channel::{Account, Answer, FailureClass};
use domain::*;
use ledger::{Attempt, Claim, ClaimKey, CommitError, Order, Refund};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::sync::{Semaphore, mpsc, watch};
use vault::{Context, PaidBuyer, Vault};

/// After this long without a trace at the channel, an unknown order whose buyer data died is closed there and given up.
const GIVE_UP_AFTER: i64 = 60_000;
/// WeChat keeps answering for an order after its end; an order whose keys the merchant holds is unresolved after this.
const UNRESOLVED_AFTER: i64 = 24 * 3_600_000;
/// Queries of one sweep under way at once.
const AT_ONCE: usize = 64;

struct Due {
    tries: u32,
    at: Duration,
}

/// Sweeps until `stop`.
pub async fn run(app: App, mut changes: mpsc::UnboundedReceiver<Arc<Order>>, mut stop: watch::Receiver<bool>) {
    let mut plans: HashMap<PaymentId, Due> = HashMap::new();
    let mut heap = BinaryHeap::new();
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let started = app.clock().since_boot();
    for order in app.ledger().live() {
        // What an earlier run left behind is looked at once, at once.
        plan(&mut plans, &mut heap, order.id, 0, started);
    }
    let (again, mut agains) = mpsc::unbounded_channel::<(PaymentId, u32)>();
    loop {
        let now = app.clock().since_boot();
        while let Some(Reverse((at, id))) = heap.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            // After a start every live order is due at once; they wait here as numbers, not as a million tasks.
            let Ok(permit) = room.clone().try_acquire_owned() else { break };
            heap.pop();
            let current = plans.get(&id).is_some_and(|due| due.at == at);
            if !current {
                continue;
            }
            let Some(due) = plans.remove(&id) else { continue };
            let (app, again) = (app.clone(), again.clone());
            tokio::spawn(async move {
                let once_more = look(&app, &id).await;
                drop(permit); // before the word that wakes the sweep, which looks for room
                if once_more {
                    let _ = again.send((id, due.tries + 1));
                }
            });
        }
        let full = room.available_permits() == 0;
        let next = heap.peek().map_or(Duration::from_secs(1), |Reverse((at, _))| at.saturating_sub(now)).min(Duration::from_secs(1));
        let next = if full { next.max(Duration::from_millis(50)) } else { next };
        tokio::select! {
            () = crate::accept::stopped(&mut stop) => return,
            changed = changes.recv() => if let Some(order) = changed {
                match wait(&app, &order, 0) {
                    Some(wait) => plan(&mut plans, &mut heap, order.id, 0, app.clock().since_boot() + wait),
                    None => drop(plans.remove(&order.id)),
                }
            },
            Some((id, tries)) = agains.recv() => {
                if !plans.contains_key(&id)
                    && let Ok(Some(order)) = app.ledger().order(&id).await
                    && let Some(wait) = wait(&app, &order, tries)
                {
                    plan(&mut plans, &mut heap, id, tries, app.clock().since_boot() + wait);
                }
            }
            () = tokio::time::sleep(next) => {}
        }
    }
}

fn plan(plans: &mut HashMap<PaymentId, Due>, heap: &mut BinaryHeap<Reverse<(Duration, PaymentId)>>, id: PaymentId, tries: u32, at: Duration) {
    plans.insert(id, Due { tries, at });
    heap.push(Reverse((at, id)));
}

/// When to look at an order (again); `None` for one that nothing can change any more.
fn wait(app: &App, order: &Order, tries: u32) -> Option<Duration> {
    if !order.is_live() {
        return None;
    }
    let times = app.times();
    let doubled = |first: Duration, most: u64| first.saturating_mul(1 << tries.min(16)).min(Duration::from_secs(most).max(first));
    let mut waits = Vec::new();
    for attempt in &order.attempts {
        match attempt.state {
            AttemptState::Intended => waits.push(times.answer + times.unknown_after),
            AttemptState::Unknown => waits.push(doubled(times.unknown_after, 300)),
            AttemptState::Placed => {
                let left = attempt.expires.millis() - app.clock().now().millis();
                let until_end = Duration::from_millis(left.max(0) as u64) + Duration::from_millis(500).min(times.unknown_after);
                let step = match &attempt.closing {
                    // A close whose answer nobody has is brought to its end.
                    Some(closing) if closing.unknown => doubled(times.unknown_after, 300),
                    Some(closing) if closing.refused.is_none() => times.answer + times.unknown_after,
                    _ => doubled(times.placed_after, 1800),
                };
                waits.push(if left <= 0 { doubled(times.unknown_after, 300) } else { step.min(until_end) });
            }
            _ => {}
        }
    }
    for refund in &order.refunds {
        match refund.state {
            RefundState::Intended => waits.push(times.answer + times.unknown_after),
            RefundState::Unknown => waits.push(doubled(times.unknown_after, 300)),
            RefundState::Processing => waits.push(doubled(times.refund_after, 3600)),
            _ => {}
        }
    }
    if !order.surplus().is_empty() {
        waits.push(times.unknown_after.min(Duration::from_millis(200)));
    }
    waits.into_iter().min()
}

/// Looks at one order; true if it must be looked at again.
async fn look(app: &App, id: &PaymentId) -> bool {
    match step(app, id).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "the sweep could not put something on record");
            true
        }
    }
}

async fn step(app: &App, id: &PaymentId) -> Result<(), CommitError> {
    let Some(mut order) = app.ledger().order(id).await? else { return Ok(()) };
    let positions = 1..=order.attempts.len() as u16;
    for position in positions {
        let Some(attempt) = order.attempt(position).filter(|a| !a.state.is_final()) else { continue };
        order = match attempt.keys {
            Keys::Held => attempt_step(app, &order, position).await?,
            Keys::Merchant => unresolved(app, &order, position, attempt).await?,
        };
    }
    for refund_no in order.refunds.iter().filter(|r| !r.state.is_final() && r.state != RefundState::Held).map(|r| r.refund_no.clone()).collect::<Vec<_>>() {
        order = refund_step(app, &order, &refund_no).await?;
    }
    for position in order.surplus() {
        order = surplus(app, &order, position).await?;
    }
    Ok(())
}

/// Only the merchant can ask the channel; after the channel's own window nobody will tell us any more.
async fn unresolved(app: &App, order: &Arc<Order>, position: u16, attempt: &Attempt) -> Result<Arc<Order>, CommitError> {
    if app.clock().now().millis() < attempt.expires.millis() + UNRESOLVED_AFTER {
        return Ok(order.clone());
    }
    errand::record(app, order, vec![TradeEvent::AttemptUnresolved { attempt: position }.into()]).await
}

async fn attempt_step(app: &App, order: &Arc<Order>, position: u16) -> Result<Arc<Order>, CommitError> {
    let (Some(account), Some(attempt)) = (errand::account_of(app, order, position), order.attempt(position)) else { return Ok(order.clone()) };
    let asked = ask(app, &account, Operation::Query, attempt.pay_way, |stamp| channel::query(&account, stamp, &attempt.number)).await;
    let Exchanged::Answer(answer) = asked else { return Ok(order.clone()) };
    match answer {
        Answer::State(view) => {
            let order = seen(app, order, position, view).await?;
            due_to_close(app, order, position).await
        }
        Answer::Failed(failure) if failure.class == FailureClass::NotFound => absent(app, &account, order, position).await,
        _ => Ok(order.clone()),
    }
}

/// What a query says of an order, with the payer sealed for the merchant's notification.
async fn seen(app: &App, order: &Arc<Order>, position: u16, mut view: channel::OrderView) -> Result<Arc<Order>, CommitError> {
    let Some(attempt) = order.attempt(position) else { return Ok(order.clone()) };
    let token = view.payer.as_ref().map(|payer| app.vault().token(attempt.channel, payer));
    let wanted = app.registries().merchant(&order.merchant).is_some_and(|m| m.notify.is_some()) && attempt.paid.is_none() && view.payer.is_some();
    let context = paid_context(&order.merchant, attempt.channel, &attempt.account, &attempt.number);
    let buyer = PaidBuyer { payer: view.payer.take(), attach: view.attach.take() };
    let sealed = wanted.then(|| app.vault().seal(buyer, &context));
    let settled = settle::order_seen(order, position, &view, Proof::Query, token, sealed.as_ref().map(Vault::seal_ref));
    if let Some(sealed) = &sealed {
        let _ = app.vault().keep(sealed, &context);
    }
    errand::record(app, order, settled.events).await
}

/// An unpaid order whose time is over, or whose close is on record without an end, is closed at its channel.
async fn due_to_close(app: &App, order: Arc<Order>, position: u16) -> Result<Arc<Order>, CommitError> {
    let Some(attempt) = order.attempt(position) else { return Ok(order) };
    let begun = attempt.closing.as_ref().is_some_and(|c| c.refused.is_none());
    if attempt.state == AttemptState::Placed && (begun || attempt.expires <= app.clock().now()) {
        let reason = attempt.closing.as_ref().map_or(CloseReason::Expiry, |c| c.reason);
        return errand::close(app, &order, position, reason).await;
    }
    Ok(order)
}

/// The channel does not know the order. A precreated one does not exist until somebody scans it; a sent one may still
/// come. "Not exist" is believed only after a close at the channel.
async fn absent(app: &App, account: &Account, order: &Arc<Order>, position: u16) -> Result<Arc<Order>, CommitError> {
    let Some(attempt) = order.attempt(position) else { return Ok(order.clone()) };
    let now = app.clock().now();
    match attempt.state {
        AttemptState::Placed if attempt.closing.as_ref().is_some_and(|c| c.refused.is_none()) || attempt.expires <= now => {
            let reason = attempt.closing.as_ref().map_or(CloseReason::Expiry, |c| c.reason);
            errand::close(app, order, position, reason).await
        }
        AttemptState::Intended | AttemptState::Unknown => {
            let at = Context { merchant: order.merchant.clone(), order: order.id, label: "create" };
            if app.vault().kept::<vault::Buyer>(&at).is_some() && attempt.expires > now {
                let settled = errand::perform(app, account, order, &Errand::Place(position), Texts::default()).await;
                return errand::record(app, order, only_legal(order, position, settled)).await;
            }
            if now.millis() - attempt.at.millis() < GIVE_UP_AFTER.min(app.times().unknown_after.as_millis() as i64 * 20) {
                return Ok(order.clone());
            }
            // The merchant may be sending the same number again with what has died here: not both at once.
            let key = ClaimKey { order: order.id, operation: Operation::Create, number: None };
            let Claim::Won(_held) = app.ledger().claims().claim(key) else { return Ok(order.clone()) };
            let now = app.ledger().order(&order.id).await?.unwrap_or_else(|| order.clone());
            if now.last != order.last {
                return Ok(now);
            }
            let closed = errand::close(app, order, position, CloseReason::Expiry).await?;
            // The close says it is not there, or has closed what came late: either way it cannot be paid any more.
            Ok(closed)
        }
        _ => Ok(order.clone()),
    }
}

/// An unknown attempt stays unknown: only news is put on record.
fn only_legal(order: &Order, position: u16, settled: Settled) -> Vec<ledger::Happening> {
    let unknown = order.attempt(position).is_some_and(|a| a.state == AttemptState::Unknown);
    settled.events.into_iter().filter(|h| !(unknown && matches!(h.event, TradeEvent::AttemptUnknown { .. }))).collect()
}

async fn refund_step(app: &App, order: &Arc<Order>, refund_no: &RefundNo) -> Result<Arc<Order>, CommitError> {
    let Some((refund, attempt)) = order.refund(refund_no).and_then(|r| Some((r, order.attempt(r.attempt)?))) else { return Ok(order.clone()) };
    let Some(account) = errand::account_of(app, order, refund.attempt) else { return Ok(order.clone()) };
    if attempt.keys == Keys::Merchant {
        return Ok(order.clone());
    }
    let pending = matches!(refund.state, RefundState::Intended | RefundState::Unknown);
    let again = async || errand::perform(app, &account, order, &Errand::Refund(refund_no.clone()), Texts::default()).await;
    // Alipay's refund is idempotent by number and amount: sending it again also asks for it. WeChat refuses a repeat
    // whose reason differs, and the reason died with its key: only what WeChat does not know is sent again.
    let settled = if pending && attempt.channel == Channel::Alipay {
        again().await
    } else {
        let number = attempt.number.clone();
        let asked = ask(app, &account, Operation::RefundQuery, attempt.pay_way, |stamp| channel::refund_query(&account, stamp, &number, &refund.number)).await;
        let Exchanged::Answer(answer) = asked else { return Ok(order.clone()) };
        match answer {
            Answer::Refund(_) => settle::refunded(refund_no, answer, Proof::Query),
            Answer::Failed(failure) if pending && failure.class == FailureClass::NotFound => again().await,
            _ => return Ok(order.clone()),
        }
    };
    errand::record(app, order, news(refund, settled)).await
}

/// Repeating what is on record is no news.
fn news(refund: &Refund, settled: Settled) -> Vec<ledger::Happening> {
    let same = |event: &TradeEvent| match event {
        TradeEvent::RefundUnknown { .. } => refund.state != RefundState::Intended,
        TradeEvent::RefundProcessing { .. } => refund.state == RefundState::Processing,
        _ => false,
    };
    settled.events.into_iter().filter(|h| !same(&h.event)).collect()
}

/// One winner: the attempt that was paid later goes back to its source. Both must be paid by query.
//= C57
async fn surplus(app: &App, order: &Arc<Order>, position: u16) -> Result<Arc<Order>, CommitError> {
    let Some((winner, _)) = order.winner() else { return Ok(order.clone()) };
    for both in [winner, position] {
        if !paid_by_query(app, order, both).await {
            return Ok(order.clone());
        }
    }
    let Some(attempt) = order.attempt(position) else { return Ok(order.clone()) };
    let Ok(refund_no) = RefundNo::new(format!("surplus-{position}")) else { return Ok(order.clone()) };
    let number = errand::refund_number(order, &refund_no);
    let event = TradeEvent::RefundIntended { amount: attempt.amount, attempt: position, cause: RefundCause::Surplus, number, refund_no: refund_no.clone() };
    let order = errand::record(app, order, vec![event.into()]).await?;
    let Some(account) = errand::account_of(app, &order, position) else { return Ok(order) };
    let settled = errand::perform(app, &account, &order, &Errand::Refund(refund_no), Texts::default()).await;
    errand::record(app, &order, settled.events).await
}

async fn paid_by_query(app: &App, order: &Order, position: u16) -> bool {
    let (Some(account), Some(attempt)) = (errand::account_of(app, order, position), order.attempt(position)) else { return false };
    let asked = ask(app, &account, Operation::Query, attempt.pay_way, |stamp| channel::query(&account, stamp, &attempt.number)).await;
    match asked {
        Exchanged::Answer(Answer::State(view)) => matches!(view.state, channel::ChannelState::Paid(_) | channel::ChannelState::Refunded(_)),
        _ => false,
    }
}
