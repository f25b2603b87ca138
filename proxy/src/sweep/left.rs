//! Banks' orders whose payer said that they were not paid and went another way. A bank's form has no close, so each is looked for
//! until its bank can take nothing any more; a payment that comes after all is on record like any other, and one too many
//! goes back or is shown to people.

use crate::{app::App, errand, exchange::Exchanged, schedule::Schedule, settle};
use channel::{Answer, ChannelState, FailureClass};
use domain::*;
use ledger::{Attempt, CommitError, Order};
use std::{sync::Arc, time::Duration};

/// Before the next look.
pub(super) fn wait(schedule: &Schedule, attempt: &Attempt, tries: u32, now: Instant) -> Duration {
    let left = end(attempt).millis().saturating_sub(now.millis());
    match u64::try_from(left) {
        Ok(left @ 1..) => schedule.placed(tries).min(Duration::from_millis(left)),
        _ => schedule.unknown(tries),
    }
}

fn end(attempt: &Attempt) -> Instant {
    channel::open_until(attempt.channel, attempt.expires)
}

//= C89
pub(super) async fn step(app: &App, order: &Arc<Order>, position: u16) -> Result<Arc<Order>, CommitError> {
    let (Some(account), Some(attempt)) = (errand::account_of(app, order, position), order.attempt(position))
    else {
        return Ok(order.clone());
    };
    // Asked after its end, or the answer says nothing of the time between.
    let now = app.clock().now();
    let over = end(attempt) <= now;
    // A doubt that the bank still has when it could long have been paid no more is a doubt for good.
    let silent = super::is_over(&Schedule::of(attempt.channel, app.times()), attempt, now);
    let (order, unpaid) = match errand::query(app, &account, attempt).await {
        Exchanged::Answer(Answer::State(view)) => {
            let unpaid = settle::is_about(attempt, &view)
                && matches!(
                    view.state,
                    ChannelState::NotPaid | ChannelState::Declined(_) | ChannelState::Closed
                );
            (super::seen(app, order, position, view).await?, unpaid)
        }
        Exchanged::Answer(Answer::Failed(failure)) => {
            (order.clone(), failure.class == FailureClass::NotFound)
        }
        _ => return Ok(order.clone()),
    };
    match order.attempt(position) {
        Some(attempt) if attempt.was_left() && (unpaid && over || silent) => {
            let event = TradeEvent::NothingCameLate { attempt: position };
            errand::record(app, &order, vec![event.into()]).await
        }
        _ => Ok(order),
    }
}
