//! Whether a channel's word is about what it was asked about, and what is put on record where it does not fit.

use super::{Ending, Settled};
use crate::named::same_time;
use channel::{OrderView, RefundView};
use domain::*;
use ledger::{Attempt, Happening, Order};

/// Is this a word on the very order of this attempt? A right signature says only that the channel said it, of whichever order it
/// names.
//= C31
pub(crate) fn is_about(attempt: &Attempt, view: &OrderView) -> bool {
    view.number == attempt.number && same_time(view.time, None, attempt.begun())
}

/// Is this a word on what goes back from this attempt under this number, known by the time at which it was begun? One number
/// may name refunds of two orders of an account; the order that the channel names tells them apart. Where it does not repeat the
/// refund's number another stands in its place (see [`RefundView::number`]).
//= C31
pub(crate) fn is_about_refund(
    attempt: &Attempt,
    (number, begun): (&ChannelNo, Instant),
    view: &RefundView,
) -> bool {
    let stands_in = match attempt.channel {
        Channel::Alipay => view.number == attempt.number,
        Channel::Baidu => view.number.as_str() == attempt.account.as_str(),
        _ => false,
    };
    view.order.as_ref().is_none_or(|order| *order == attempt.number)
        && (view.number == *number || stands_in)
        && same_time(view.time, None, begun)
}

/// Nothing came of an answer, but that it does not fit.
pub(super) fn says_nothing(settled: &Settled) -> bool {
    let only = |h: &Happening| matches!(h.event, TradeEvent::Mismatched { .. });
    settled.events.iter().all(only)
}

/// On record, and nothing of the order is changed by it. What answers state again and again is on record once; a state that cannot
/// follow comes with its news, and each notice is on record.
//= C31
pub(crate) fn mismatch(
    order: &Order,
    attempt: &Attempt,
    number: &ChannelNo,
    proof: Proof,
    what: Mismatch,
) -> Settled {
    let said = |(of, known): &(ChannelNo, Mismatch)| of == number && *known == what;
    if proof != Proof::Notice && what != Mismatch::State && order.mismatched.iter().any(said) {
        return Settled::nothing(Ending::Recorded);
    }
    let event = TradeEvent::Mismatched {
        account: attempt.account.clone(),
        channel: attempt.channel,
        number: number.clone(),
        proof,
        what,
    };
    Settled::new(event, false, Ending::Recorded)
}
