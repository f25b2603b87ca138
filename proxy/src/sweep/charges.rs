//! Payment-code orders that are open: asked for while the payer may still pay, then reversed, and a reverse is repeated until
//! the channel says what came of it. Nothing here charges.

use super::sole;
use crate::{app::App, charge, errand, exchange::Exchanged, schedule::Schedule};
use channel::{Answer, FailureClass};
use domain::*;
use ledger::{Attempt, CommitError, Order};
use std::{sync::Arc, time::Duration};

/// Before the next look; `None` for one that nothing can change any more.
pub(super) fn wait(app: &App, attempt: &Attempt, tries: u32, now: Instant) -> Option<Duration> {
    let schedule = Schedule::of(attempt.channel, app.times());
    let left = |end: Instant| Duration::from_millis((end.millis() - now.millis()).max(0) as u64);
    if attempt.is_reversing() {
        let step = schedule.charge(tries).max(left(charge::not_before(app, attempt)));
        let end = charge::cancel::believed_from(app, attempt);
        // What nobody paid ends with its own time: the look after that is the last.
        let ends = !schedule.reverses_by_number() && attempt.paid.is_none() && end > now;
        return Some(if ends { step.min(left(end) + LEAST) } else { step });
    }
    if may_come_late(app, attempt, now) {
        return Some(left(attempt.expires) + schedule.charge(tries));
    }
    if attempt.state.is_final() {
        return None;
    }
    // A reverse that was refused is tried again at growing distance; the channel ends an unpaid order by itself in the end.
    let refused = attempt.reversing.is_some();
    // For as long as an SDK may take, nobody asks every few seconds.
    let own_time = schedule.charge_wait().as_millis() as i64;
    let slow = attempt.carried == Carried::PassThrough && now > attempt.at.plus_millis(own_time);
    let gap = match slow {
        true => schedule.refused_refund(tries + 1),
        false => schedule.charge(tries),
    };
    Some(if refused {
        schedule.refused_refund(tries + 1)
    } else {
        gap.min(left(end(&schedule, attempt)).max(LEAST))
    })
}

/// A charging call that was slow rather than lost can still arrive after a reverse that found nothing, until the order ends
/// at the channel by itself. Where the channel tells nobody of it (channels.md 1.12), it is looked for once that is over;
/// what is found then goes back.
//= C60
pub(super) fn may_come_late(app: &App, attempt: &Attempt, now: Instant) -> bool {
    let schedule = Schedule::of(attempt.channel, app.times());
    let found_nothing = attempt.state == AttemptState::Reversed
        && attempt
            .reversing
            .as_ref()
            .is_some_and(|r| r.refunded == Some(false));
    let looked_for = attempt
        .expires
        .plus_millis(3 * schedule.charge(0).as_millis() as i64);
    found_nothing
        && attempt.pay_way.charges()
        && attempt.carried == Carried::Unified
        && !schedule.tells_of_charges()
        && now < looked_for
}

/// Between two looks, however late it is.
const LEAST: Duration = Duration::from_millis(20);

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
    let Some(_held) = sole(app, order) else {
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
        return charge::undo(app, &order, position, ReverseReason::Unknown).await;
    }
    let late = may_come_late(app, attempt, app.clock().now());
    let (Some(account), true) = (
        errand::account_of(app, &order, position),
        late || !attempt.state.is_final(),
    ) else {
        return Ok(order);
    };
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
