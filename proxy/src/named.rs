//! What UnionPay knows by a number *and* a time (`orderId` and `txnTime`, channels.md 4.3): which of our records a word of it
//! means, and a consume-cancel (消费撤销) that the merchant's own client sends. That is a reverse with a number and a time of
//! its own, by which it is told, asked for, and sent again. A reversal (冲正) bears those of the order that it undoes.
//= C75

use crate::{
    fault::{Code, Fault},
    settle::{self, Ending, Settled},
};
use channel::{Answer, Failure, FailureClass, RefundView, ReverseView};
use domain::*;
use ledger::{Attempt, Happening, Order, Refund};

/// What the octets of a cancel name, beside the payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancel {
    /// Its own number at the channel.
    pub number: ChannelNo,
    /// The time that belongs to it.
    pub time: Instant,
    /// Fen.
    pub amount: Amount,
}

/// A number with another time is another transaction. What we composed is told by whole seconds of its intent.
pub(crate) fn same_time(said: Option<Instant>, named: Option<Instant>, begun: Instant) -> bool {
    match (said, named) {
        (None, _) => true,
        (Some(said), Some(named)) => said == named,
        (Some(said), None) => said.secs() == begun.secs(),
    }
}

/// The attempt that a word on this number and time is about, with its position from 1; the latest, where a number was used
/// again. Channels but UnionPay say no time.
pub(crate) fn attempt<'a>(
    order: &'a Order,
    channel: Channel,
    account: &AccountNo,
    number: &ChannelNo,
    time: Option<Instant>,
) -> Option<(u16, &'a Attempt)> {
    let fits = |a: &Attempt| {
        a.number == *number
            && a.channel == channel
            && a.account == *account
            && same_time(time, a.named, a.begun())
    };
    let position = order.attempts.iter().rposition(fits)?;
    Some((position as u16 + 1, &order.attempts[position]))
}

/// The refund that a word on this number and time is about.
pub(crate) fn refund<'a>(order: &'a Order, number: &ChannelNo, time: Option<Instant>) -> Option<&'a Refund> {
    let fits = |r: &&Refund| r.number == *number && same_time(time, r.named, r.begun());
    order.refunds.iter().find(fits)
}

/// The attempt that a cancel of this number takes back, from 1, where the merchant's own client named it so.
pub(crate) fn cancelled(order: &Order, number: &ChannelNo, time: Option<Instant>) -> Option<u16> {
    let names = |a: &Attempt| {
        let named = a.reversing.as_ref().and_then(|r| r.named.as_ref());
        named
            .is_some_and(|(own, at)| own == number && *own != a.number && time.is_none_or(|time| time == *at))
    };
    let found = order.attempts.iter().position(names)?;
    Some(found as u16 + 1)
}

/// Is its reverse the merchant's own reversal, by the order's own number?
pub(crate) fn by_own_number(attempt: &Attempt) -> bool {
    let named = attempt.reversing.as_ref().and_then(|r| r.named.as_ref());
    named.is_some_and(|(number, _)| *number == attempt.number)
}

/// UnionPay undoes payment codes' orders so, and none that is being undone in another way: nobody would know which of them did it.
pub(crate) fn may_be_undone(order: &Order, position: u16) -> Result<(), Fault> {
    let attempt = order.attempt(position).ok_or_else(|| Fault::of(Code::NotFound))?;
    if !attempt.pay_way.charges() {
        return Err(Fault::new(
            Code::OperationNotAllowed,
            "Only a payment code's order is reversed by its own number (txnType 99); cancel this one (31), or refund it (04).",
        ));
    }
    match attempt.is_reversing() && !by_own_number(attempt) {
        true => Err(Fault::new(
            Code::OrderChanged,
            "Another reverse of this order is under way.",
        )),
        false => Ok(()),
    }
}

/// UnionPay takes a reversal at once: its own sample calls 00 success, and no notice and no query tells of it.
pub(crate) fn took(attempt: &Attempt, view: &RefundView) -> bool {
    let own = (&attempt.number, attempt.begun());
    view.state == RefundState::Succeeded && settle::is_about_refund(attempt, own, view)
}

/// UnionPay's answer to a reversal. Of a payment that is on record 00 is the end. Of one that is not the charging call may come yet,
/// whatever UnionPay says, "no such order" too: so it stays under way until the order's own end.
pub(crate) fn undone(attempt: &Attempt, answer: Answer, again: bool) -> Answer {
    match answer {
        Answer::Refund(view) if took(attempt, &view) && attempt.paid.is_some() => {
            Answer::Reversed(ReverseView {
                again: false,
                refunded: Some(true),
                absent: false,
            })
        }
        Answer::Failed(failure) if failure.class == FailureClass::NotFound => {
            Answer::Unclear(Unclear::ChannelError)
        }
        other => answered(other, again),
    }
}

/// True for a cancel that is on record and may go out again, false for a new one. UnionPay takes back the whole of a payment,
/// and once: whoever names another number while one is under way would not know which of them did it.
pub(crate) fn repeats(order: &Order, position: u16, cancel: &Cancel) -> Result<bool, Fault> {
    let attempt = order.attempt(position).ok_or_else(|| Fault::of(Code::NotFound))?;
    let changed = |why: &str| Err(Fault::new(Code::OrderChanged, why));
    if cancel.amount != attempt.amount {
        return changed("A cancel takes back the whole amount of its order.");
    }
    let taken = order.attempts.iter().any(|a| a.number == cancel.number)
        || order.refunds.iter().any(|r| r.number == cancel.number);
    if taken {
        return changed("The cancel's number is taken.");
    }
    let same = attempt
        .reversing
        .as_ref()
        .and_then(|r| r.named.as_ref())
        .is_some_and(|named| *named == (cancel.number.clone(), cancel.time));
    match attempt.state {
        AttemptState::Reversed if !same => Err(Fault::of(Code::OrderReversed)),
        AttemptState::Reversed => Ok(true),
        _ if attempt.is_reversing() && !same => {
            changed("Another reverse of this order is under way, or this one was sent at another time.")
        }
        _ if attempt.is_reversing() => Ok(true),
        // A cancel takes back what was paid: of what is not known to be paid nothing leaves.
        _ if attempt.paid.is_none() => Err(Fault::of(Code::OrderNotPaid)),
        _ => Ok(false),
    }
}

/// UnionPay's answer to a cancel. Accepted is not done. `again` where it may have been sent before: then a refusal says
/// nothing of what went before, and a query decides.
pub(crate) fn answered(answer: Answer, again: bool) -> Answer {
    match answer {
        Answer::Refund(_) => Answer::Reversed(ReverseView {
            again: true,
            refunded: None,
            absent: false,
        }),
        Answer::Failed(failure) if settle::refuses(&failure) && again => {
            Answer::Unclear(Unclear::ChannelError)
        }
        // Whatever the code means elsewhere: here the payment stands.
        Answer::Failed(Failure { code, class })
            if settle::refuses(&Failure {
                code: code.clone(),
                class,
            }) =>
        {
            Answer::Failed(Failure {
                code,
                class: FailureClass::Final,
            })
        }
        other => other,
    }
}

/// What UnionPay states of a cancel that the merchant's own client sent, by its notice or the merchant's query.
//= C31
pub(crate) fn seen(order: &Order, position: u16, view: &RefundView, proof: Proof) -> Settled {
    let cancel = |attempt: &'_ Attempt| attempt.reversing.as_ref().and_then(|r| r.named.clone());
    let found = order.attempt(position).and_then(|a| Some((a, cancel(a)?)));
    let Some((attempt, (number, begun))) = found else {
        return Settled::nothing(Ending::Recorded);
    };
    let mismatch = |what| settle::mismatch(order, attempt, &number, proof, what);
    if !settle::is_about_refund(attempt, (&number, begun), view) {
        return mismatch(Mismatch::Number);
    }
    if view.amount.is_some_and(|amount| amount != attempt.amount) {
        return mismatch(Mismatch::Amount);
    }
    let told = |event| Happening { event, tell: true };
    let reversed = |event| Happening {
        event,
        tell: order.ends_with(position),
    };
    let mut events = Vec::with_capacity(2);
    match view.state {
        // A fact is a fact, also after a refusal that was taken for the last word.
        RefundState::Succeeded if matches!(attempt.state, AttemptState::Paid | AttemptState::Unresolved) => {
            if !attempt.is_reversing() {
                events.extend(mismatch(Mismatch::State).events);
            }
            events.push(reversed(TradeEvent::AttemptReversed {
                attempt: position,
                proof,
                refunded: Some(true),
            }));
        }
        RefundState::Failed if attempt.is_reversing() => events.push(told(TradeEvent::ReverseRefused {
            attempt: position,
            code: "CLOSED".into(),
        })),
        _ => {}
    }
    Settled::of(events, Ending::Recorded)
}

#[cfg(test)]
#[path = "named_tests.rs"]
mod tests;
