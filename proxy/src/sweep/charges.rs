//! Payment-code orders that are open: asked for while the payer may still pay, then reversed, and a reverse is repeated until
//! the channel says what came of it. Nothing here charges.

use super::sole;
use crate::{
    app::App, charge, errand, exchange::Exchanged, schedule::Schedule, settle, stages::claim::the_orders,
};
use channel::{Account, Answer, ChannelState, FailureClass};
use domain::*;
use ledger::{Attempt, Claim, CommitError, Held, Order};
use std::{sync::Arc, time::Duration};

/// Before the next look; `None` for one that nothing can change any more.
pub(super) fn wait(app: &App, attempt: &Attempt, tries: u32, now: Instant) -> Option<Duration> {
    let schedule = Schedule::of(attempt.channel, app.times());
    let left = |end: Instant| Duration::from_millis((end.millis() - now.millis()).max(0) as u64);
    if attempt.is_reversing() {
        // A code that nobody has scanned yet may wait for days; a close of one is looked after in the same way.
        let waits = errand::may_come(app, attempt);
        let step = match waits {
            true => schedule.unknown(tries),
            false => schedule.charge(tries),
        };
        let step = step.max(left(charge::not_before(app, attempt)));
        let end = match waits {
            true => attempt.expires,
            false => charge::cancel::believed_from(app, attempt),
        };
        // What nobody paid ends with its own time: the look after that is the last.
        let ends = (waits || !schedule.reverses_by_number()) && attempt.paid.is_none() && end > now;
        return Some(if ends { step.min(left(end) + LEAST) } else { step });
    }
    if attempt.may_come_late() {
        // Until the channel says so: nothing but its word ends this, however long it is away, or we are.
        return Some(match now < last_look(app, attempt) {
            true => left(attempt.expires) + schedule.charge(0),
            false => schedule.refused_refund(tries),
        });
    }
    if attempt.state.is_final() {
        return None;
    }
    // A reverse that was refused is tried again at growing distance; the channel ends an unpaid order by itself in the end.
    let refused = attempt.reversing.is_some();
    // For as long as an SDK may take, nobody asks every few seconds.
    let own_time = schedule.charge_wait().as_millis() as i64;
    let slow = attempt.carried == Carried::PassThrough && now > attempt.at.plus_millis(own_time);
    let gap = match attempt.state {
        _ if slow => schedule.refused_refund(tries + 1),
        // A merchant's own SDK asks at once by itself.
        AttemptState::Unknown if attempt.carried == Carried::Unified => schedule.unknown_charge(tries),
        _ => schedule.charge(tries),
    };
    let over = left(end(&schedule, attempt));
    Some(if refused {
        schedule.refused_refund(tries + 1)
    } else {
        let unasked = || (!super::can_be_asked(app, attempt)).then(|| super::ends_unasked_in(app, attempt));
        gap.min(at_most(over, tries, unasked))
    })
}

/// The longest time before the next look at a charge whose payer's time lasts `over` more. `unasked` says in what time it ends
/// where nobody can ask any more.
fn at_most(over: Duration, tries: u32, unasked: impl FnOnce() -> Option<Duration>) -> Duration {
    if !over.is_zero() || tries == 0 {
        return over.max(LEAST);
    }
    // Its look could do nothing: whoever holds the order's claim is at it, and may leave it as it is.
    unasked().map_or(IDLE, |ends| ends.max(IDLE))
}

/// From here on the channel's word that there is nothing is the last one: the order has ended there by itself, and a little
/// more, since clocks differ.
fn last_look(app: &App, attempt: &Attempt) -> Instant {
    let schedule = Schedule::of(attempt.channel, app.times());
    attempt
        .expires
        .plus_millis(3 * schedule.charge(0).as_millis() as i64)
}

/// Between two looks, however late it is.
const LEAST: Duration = Duration::from_millis(20);
/// Between two looks that can do nothing.
const IDLE: Duration = Duration::from_secs(1);

/// When its payer's time is over. What the merchant's own SDK began, that SDK ends; ours is only what is left open at its
/// end.
fn end(schedule: &Schedule, attempt: &Attempt) -> Instant {
    if attempt.carried == Carried::PassThrough {
        return attempt.expires;
    }
    attempt
        .at
        .plus_millis(schedule.charge_wait().as_millis() as i64)
        .min(attempt.expires)
}

/// One look: a query, and a reverse straight after it where that is due (channels.md 2.2, 3.3).
//= C60
pub(super) async fn step(app: &App, order: &Arc<Order>, position: u16) -> Result<Arc<Order>, CommitError> {
    // Beside the charging call itself, or the merchant's own reverse, nothing is done.
    let unknown = |a: &Attempt| a.state == AttemptState::Unknown;
    let held = match order.attempt(position).is_some_and(unknown) {
        true => soon(app, order).await,
        false => sole(app, order),
    };
    let Some(_held) = held else {
        return Ok(order.clone());
    };
    let order = app
        .ledger()
        .order(&order.id)
        .await?
        .unwrap_or_else(|| order.clone());
    let Some(attempt) = order.attempt(position) else {
        return Ok(order);
    };
    if attempt.is_reversing() {
        let order = payment_first(app, order, position).await?;
        return match order.attempt(position).is_some_and(Attempt::is_reversing) {
            true => charge::undo(app, &order, position, ReverseReason::Unknown).await,
            false => Ok(order),
        };
    }
    let late = attempt.may_come_late();
    let (Some(account), true) = (
        errand::account_of(app, &order, position),
        late || !attempt.state.is_final(),
    ) else {
        return Ok(order);
    };
    if late {
        return look_for_what_came_late(app, &account, &order, position).await;
    }
    let (order, absent) = match errand::query(app, &account, attempt).await {
        Exchanged::Answer(Answer::State(view)) => (super::seen(app, &order, position, view).await?, false),
        Exchanged::Answer(Answer::Failed(failure)) => (order, failure.class == FailureClass::NotFound),
        _ => (order, false),
    };
    match order
        .attempt(position)
        .and_then(|attempt| due(app, attempt, absent))
    {
        Some(reason) => charge::undo(app, &order, position, reason).await,
        None => Ok(order),
    }
}

/// The claim of an order whose charge is to be asked for at once: whoever put on record that nobody knows of it lets go a
/// moment later.
async fn soon(app: &App, order: &Order) -> Option<Held> {
    match app.ledger().claims().claim(the_orders(order.id)) {
        Claim::Won(held) => Some(held),
        Claim::Lost(busy) => {
            tokio::time::timeout(IDLE, busy.released()).await.ok()?;
            sole(app, order)
        }
    }
}

/// Alipay's cancel pays back what was paid and says no more of it, so what it is about to pay back is put on record first. A
/// payment code's charge was asked for already.
async fn payment_first(app: &App, order: Arc<Order>, position: u16) -> Result<Arc<Order>, CommitError> {
    let attempt = order.attempt(position);
    let Some(attempt) = attempt.filter(|a| a.may_be_cancelled() && a.paid.is_none()) else {
        return Ok(order);
    };
    let Some(account) = errand::account_of(app, &order, position) else {
        return Ok(order);
    };
    match errand::query(app, &account, attempt).await {
        Exchanged::Answer(Answer::State(view)) => super::seen(app, &order, position, view).await,
        _ => Ok(order),
    }
}

/// A charge that came after its reverse goes back, one that waits for its payer is undone. Where there is neither, and its
/// time is over, that is put on record, and nobody looks again.
//= C60
async fn look_for_what_came_late(
    app: &App,
    account: &Account,
    order: &Arc<Order>,
    position: u16,
) -> Result<Arc<Order>, CommitError> {
    let Some(attempt) = order.attempt(position) else {
        return Ok(order.clone());
    };
    let last = app.clock().now() >= last_look(app, attempt);
    let (order, open) = match errand::query(app, account, attempt).await {
        Exchanged::Answer(Answer::State(view)) if !settle::is_about(attempt, &view) => {
            return super::seen(app, order, position, view).await;
        }
        Exchanged::Answer(Answer::State(view)) => {
            let open = matches!(
                view.state,
                ChannelState::NotPaid | ChannelState::Declined(_) | ChannelState::Paying
            );
            (super::seen(app, order, position, view).await?, open)
        }
        Exchanged::Answer(Answer::Failed(failure)) if failure.class == FailureClass::NotFound => {
            (order.clone(), false)
        }
        _ => return Ok(order.clone()),
    };
    app.step("looked_for_late");
    match order.attempt(position) {
        Some(found) if found.is_reversing() => {
            charge::undo(app, &order, position, ReverseReason::Unknown).await
        }
        Some(found) if found.may_come_late() && open => {
            charge::undo(app, &order, position, ReverseReason::Unpaid).await
        }
        Some(found) if found.may_come_late() && last => {
            let event = TradeEvent::NothingCameLate { attempt: position };
            errand::record(app, &order, vec![event.into()]).await
        }
        _ => Ok(order),
    }
}

/// Why it must be reversed now, if it must. `absent` where the channel does not know it: it may still be on its way.
fn due(app: &App, attempt: &Attempt, absent: bool) -> Option<ReverseReason> {
    let schedule = Schedule::of(attempt.channel, app.times());
    let now = app.clock().now();
    // Where a reverse of what is not there comes to nothing, it may still be found paid while its payer's time lasts.
    let lost = absent
        && schedule.reverses_by_number()
        && attempt.carried == Carried::Unified
        && now >= attempt.at.plus_millis(schedule.charge_lost().as_millis() as i64);
    if attempt.state.is_final() || !(lost || now >= end(&schedule, attempt)) {
        return None;
    }
    Some(if attempt.state == AttemptState::Placed {
        ReverseReason::Unpaid
    } else {
        ReverseReason::Unknown
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A query of the merchant's held the order's claim when its payer's time ended: the reverse is due all the same.
    #[test]
    //= C60
    fn a_charge_past_its_end_whose_look_could_do_nothing_is_looked_at_soon() {
        let secs = Duration::from_secs;
        assert_eq!(at_most(secs(7), 3, || None), secs(7), "at its end");
        assert_eq!(at_most(secs(0), 0, || None), LEAST);
        assert_eq!(at_most(secs(0), 9, || None), IDLE);
        assert_eq!(
            at_most(secs(0), 9, || Some(secs(3600))),
            secs(3600),
            "nobody can ask"
        );
        assert_eq!(at_most(secs(0), 9, || Some(secs(0))), IDLE);
    }
}
