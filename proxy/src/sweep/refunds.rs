//! Refunds under way are asked for and, where that is safe, sent again; what was paid twice goes back.

use crate::{
    app::App,
    errand,
    exchange::{self, Exchanged, ask},
    schedule::Schedule,
    settle::{self, Settled},
};
use channel::{Account, Answer, Failure, FailureClass, RefundView};
use domain::*;
use ledger::{Attempt, CommitError, Order, Refund};
use std::{sync::Arc, time::Duration};

/// A surplus that the channel would not pay back so often is left to people, as abnormal.
const SURPLUS_TRIES: u16 = 5;

/// Before the next look at a refund; `None` where the channel will not change it.
pub(super) fn refund_wait(app: &App, order: &Order, refund: &Refund, tries: u32) -> Option<Duration> {
    let attempt = order.attempt(refund.attempt)?;
    let schedule = Schedule::of(attempt.channel, app.times());
    match refund.state {
        RefundState::Intended | RefundState::Unknown | RefundState::Processing
            if attempt.keys == Keys::Merchant =>
        {
            let left = silent_at(&schedule, refund).millis() - app.clock().now().millis();
            Some(Duration::from_millis(left.max(0) as u64) + app.times().unknown_after)
        }
        RefundState::Intended => Some(app.times().answer + app.times().unknown_after),
        RefundState::Unknown => Some(schedule.unknown(tries)),
        RefundState::Processing => Some(schedule.refund(tries)),
        _ => None,
    }
}

fn silent_at(schedule: &Schedule, refund: &Refund) -> Instant {
    refund
        .intended
        .plus_millis(schedule.refund_silent_after().as_millis() as i64)
}

pub(super) async fn refund_step(
    app: &App,
    order: &Arc<Order>,
    refund_no: &RefundNo,
) -> Result<Arc<Order>, CommitError> {
    let Some((refund, attempt)) = order
        .refund(refund_no)
        .and_then(|r| Some((r, order.attempt(r.attempt)?)))
    else {
        return Ok(order.clone());
    };
    if attempt.keys == Keys::Merchant {
        return unresolved(app, order, refund, attempt).await;
    }
    let account = errand::account_of(app, order, refund.attempt);
    let Some(account) = account.filter(|account| exchange::can_ask(app, account, attempt.pay_way)) else {
        let patience = Schedule::of(attempt.channel, app.times()).refund_silent_after();
        return match app.cannot_be_asked(attempt) >= patience {
            true => unresolved(app, order, refund, attempt).await,
            false => Ok(order.clone()),
        };
    };
    let settled = match (
        matches!(refund.state, RefundState::Intended | RefundState::Unknown),
        attempt.channel,
    ) {
        // Alipay's refund is idempotent by number and amount: sending it again also asks for it.
        (true, Channel::Alipay) => Some(sent_again(app, &account, order, refund, attempt).await),
        (pending, _) => asked_then_sent_again(app, &account, order, refund, attempt, pending).await,
    };
    let Some(settled) = settled else {
        // No answer of this channel's can say that it has no such refund: after its window nobody will tell.
        //= C95
        return match refund.state {
            RefundState::Intended | RefundState::Unknown if !channel::says_refund_absent(&account) => {
                unresolved(app, order, refund, attempt).await
            }
            _ => Ok(order.clone()),
        };
    };
    let settled = Settled::of(news(refund, settled), settle::Ending::Recorded);
    let events = if refund.cause == RefundCause::Surplus {
        refused_so_often(refund, settled)
    } else {
        settled.events
    };
    errand::record(app, order, events).await
}

/// Only the merchant can ask the channel, or nobody here, or no answer can say that it is not there; after the channel's own window nobody will tell us any more.
async fn unresolved(
    app: &App,
    order: &Arc<Order>,
    refund: &Refund,
    attempt: &Attempt,
) -> Result<Arc<Order>, CommitError> {
    if app.clock().now() < silent_at(&Schedule::of(attempt.channel, app.times()), refund) {
        return Ok(order.clone());
    }
    errand::record(
        app,
        order,
        vec![ledger::Happening {
            event: TradeEvent::RefundUnresolved {
                refund_no: refund.refund_no.clone(),
            },
            tell: attempt.keys == Keys::Held,
        }],
    )
    .await
}

/// WeChat refuses a repeat whose reason differs, and the reason died with its key: only what the channel does not know is
/// sent again.
async fn asked_then_sent_again(
    app: &App,
    account: &Account,
    order: &Arc<Order>,
    refund: &Refund,
    attempt: &Attempt,
    pending: bool,
) -> Option<Settled> {
    match asked(app, account, attempt, refund).await? {
        Answer::Refund(view) => Some(settle::refund_seen(order, &refund.refund_no, view, Proof::Query)),
        Answer::Failed(failure) if pending && failure.class == FailureClass::NotFound => {
            Some(sent_again(app, account, order, refund, attempt).await)
        }
        _ => None,
    }
}

/// Sends it again under the same number. A refusal of that is no last word: an earlier sending, or the merchant's own repeat, may
/// have been done. So the channel is asked, and what it has decides; what it does not have is refused for good where its list
/// says so, and else once its own query would know of it.
//= C92
async fn sent_again(
    app: &App,
    account: &Account,
    order: &Arc<Order>,
    refund: &Refund,
    attempt: &Attempt,
) -> Settled {
    let answer = errand::send_refund(app, account, order, &refund.refund_no, None).await;
    let refusal = match &answer {
        Answer::Failed(failure) if !matches!(failure.class, FailureClass::Busy | FailureClass::Duplicate) => {
            failure.clone()
        }
        _ => return settle::refunded(order, &refund.refund_no, answer, true),
    };
    match asked(app, account, attempt, refund).await {
        Some(Answer::Refund(view)) if is_there(attempt.channel, &view) => {
            settle::refund_seen(order, &refund.refund_no, view, Proof::Query)
        }
        Some(said) if is_absent(attempt, refund, &said) && ends(app, attempt, refund, &refusal) => {
            settle::refund_failed(&refund.refund_no, refusal.code)
        }
        _ => settle::refunded(order, &refund.refund_no, answer, true),
    }
}

/// Alipay answers for each number: without the word of success there is no such refund (channels.md 3.1).
fn is_there(channel: Channel, view: &RefundView) -> bool {
    channel != Channel::Alipay || view.state == RefundState::Succeeded
}

fn is_absent(attempt: &Attempt, refund: &Refund, said: &Answer) -> bool {
    match said {
        Answer::Refund(view) => {
            let ours = settle::is_about_refund(attempt, (&refund.number, refund.begun()), view);
            ours && !is_there(attempt.channel, view)
        }
        Answer::Failed(failure) => failure.class == FailureClass::NotFound,
        _ => false,
    }
}

/// Does this refusal of a repeat end a refund that the channel does not have?
fn ends(app: &App, attempt: &Attempt, refund: &Refund, refusal: &Failure) -> bool {
    let known = Schedule::of(attempt.channel, app.times()).refund_known();
    match refusal.class {
        FailureClass::Unknown => false,
        FailureClass::Unlisted | FailureClass::Changed => {
            app.clock().now() >= refund.intended.plus_millis(known.as_millis() as i64)
        }
        _ => true,
    }
}

async fn asked(app: &App, account: &Account, attempt: &Attempt, refund: &Refund) -> Option<Answer> {
    let asked = ask(app, account, Operation::RefundQuery, attempt.pay_way, |stamp| {
        channel::refund_query(
            account,
            &stamp.about(refund.begun()),
            attempt.pay_way,
            &attempt.number,
            &refund.number,
        )
    })
    .await;
    match asked {
        Exchanged::Answer(answer) => Some(answer),
        Exchanged::NotSent(_) => None,
    }
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
pub(super) async fn surplus(app: &App, order: &Arc<Order>, position: u16) -> Result<Arc<Order>, CommitError> {
    let Some((winner, _)) = order.winner() else {
        return Ok(order.clone());
    };
    if let Some(attempt) = lost(app, order, [winner, position]) {
        return match super::cannot_be_asked_for_long(app, attempt) {
            true => left_to_people(app, order, position, attempt).await,
            false => Ok(order.clone()),
        };
    }
    for both in [winner, position] {
        if !paid_by_query(app, order, both).await {
            return Ok(order.clone());
        }
    }
    let (Some(attempt), Some(account)) = (order.attempt(position), errand::account_of(app, order, position))
    else {
        return Ok(order.clone());
    };
    let Some(refund_no) = order.surplus_no(position) else {
        return Ok(order.clone());
    };
    if !policy::operations::is_allowed(attempt.channel, Operation::Refund, None) {
        return rests(app, order, position, attempt, refund_no).await;
    }
    let event = intended(order, position, attempt, &refund_no);
    let order = errand::record(app, order, vec![event.into()]).await?;
    let Some(refund) = order
        .refund(&refund_no)
        .filter(|refund| refund.state == RefundState::Intended)
    else {
        return Ok(order);
    };
    let answer = errand::send_refund(app, &account, &order, &refund_no, None).await;
    let settled = settle::refunded(&order, &refund_no, answer, false);
    errand::record(app, &order, refused_so_often(refund, settled)).await
}

fn intended(order: &Order, position: u16, attempt: &Attempt, refund_no: &RefundNo) -> TradeEvent {
    TradeEvent::RefundIntended {
        amount: order.stays(position),
        attempt: position,
        cause: RefundCause::Surplus,
        number: errand::refund_number(order, Some(attempt), refund_no),
        refund_no: refund_no.clone(),
    }
}

/// Nobody here can send it back: it is told once and rests for people to settle in the channel's own console.
async fn rests(
    app: &App,
    order: &Arc<Order>,
    position: u16,
    attempt: &Attempt,
    refund_no: RefundNo,
) -> Result<Arc<Order>, CommitError> {
    let event = intended(order, position, attempt, &refund_no);
    let told = ledger::Happening {
        event: TradeEvent::RefundAbnormal { refund_no },
        tell: true,
    };
    errand::record(app, order, vec![event.into(), told]).await
}

/// One of two payments whose channel we ask with our own key, and cannot ask any more.
fn lost<'a>(app: &App, order: &'a Order, both: [u16; 2]) -> Option<&'a Attempt> {
    let held = both.into_iter().filter_map(|position| order.attempt(position));
    held.filter(|a| a.keys == Keys::Held)
        .find(|a| !super::can_be_asked(app, a))
}

/// Whether both were paid, or what was paid twice, cannot be asked: when nobody will tell us any more, people decide.
async fn left_to_people(
    app: &App,
    order: &Arc<Order>,
    position: u16,
    lost: &Attempt,
) -> Result<Arc<Order>, CommitError> {
    let (Some(attempt), Some(refund_no)) = (order.attempt(position), order.surplus_no(position)) else {
        return Ok(order.clone());
    };
    let schedule = Schedule::of(lost.channel, app.times());
    match app.clock().now() < super::silent_at(&schedule, attempt) {
        true => Ok(order.clone()),
        false => rests(app, order, position, attempt, refund_no).await,
    }
}

/// The merchant is told once, at the end: what could not go back stays visible as abnormal and is sent no more.
pub(super) fn refused_so_often(refund: &Refund, settled: Settled) -> Vec<ledger::Happening> {
    let mut events = settled.events;
    for happening in &mut events {
        if matches!(happening.event, TradeEvent::RefundFailed { .. }) {
            happening.tell = refund.tries >= SURPLUS_TRIES;
            if happening.tell {
                happening.event = TradeEvent::RefundAbnormal {
                    refund_no: refund.refund_no.clone(),
                };
            }
        }
    }
    events
}

async fn paid_by_query(app: &App, order: &Order, position: u16) -> bool {
    let (Some(account), Some(attempt)) = (errand::account_of(app, order, position), order.attempt(position))
    else {
        return false;
    };
    if attempt.keys == Keys::Merchant {
        // The merchant's own query, which passed through here, is the only one there can be.
        return attempt
            .paid
            .as_ref()
            .is_some_and(|(_, proof)| *proof == Proof::Query);
    }
    match errand::query(app, &account, attempt).await {
        Exchanged::Answer(Answer::State(view)) => settle::is_about(attempt, &view) && super::is_paid(&view),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refund(tries: u16) -> Refund {
        let no = RefundNo::new("surplus-2").expect("lawful");
        let number = ChannelNo::new("n").expect("lawful");
        let at = Instant::default();
        Refund {
            refund_no: no,
            number,
            amount: Amount::from_fen(1),
            attempt: 2,
            cause: RefundCause::Surplus,
            state: RefundState::Intended,
            at,
            intended: at,
            tries,
            trade_no: None,
            refunded_at: None,
            done: None,
            code: None,
            named: None,
        }
    }

    #[test]
    //= C57
    fn a_surplus_that_is_refused_is_told_once_and_then_rests() {
        for tries in 1..=SURPLUS_TRIES {
            let refund = refund(tries);
            let events = refused_so_often(
                &refund,
                settle::refund_failed(&refund.refund_no, "NOT_ENOUGH".into()),
            );
            let last = tries == SURPLUS_TRIES;
            let name = if last { "refund_abnormal" } else { "refund_failed" };
            assert_eq!(
                (events[0].event.name(), events[0].tell, events.len()),
                (name, last, 1),
                "try {tries}"
            );
        }
    }
}
