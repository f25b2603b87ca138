//! Undoing a payment at UnionPay, and a payment code's order that may have become one. What was charged is taken back by UnionPay's
//! number of the payment (消费撤销, channels.md 4.3), so the order is asked for first. UnionPay has a reversal by an order's own number
//! too (冲正, txnType 99), but no document tells what a query says after it, so nobody could prove its end: it goes out only where the
//! merchant's own client sent it, and then again until UnionPay takes it. Three rules keep a payer from being charged behind our back:
//!
//! * "No such order" is no last word before the order's own end (`payTimeout`, channels.md 4.4): the charging call may be on
//!   its way, or taken and not booked yet. Until then the reverse stays open, and so does a payer who types a password.
//! * What was charged is cancelled while the settlement day lasts; where UnionPay does not take a cancel any more, a refund
//!   of all of it takes its place. Both are known by numbers made of what is on record, and asked for before they are sent,
//!   so that after a crash the same ones go out again and UnionPay itself refuses a second.
//! * "Accepted" is not done: it ends with a query's word.

use crate::{
    app::App,
    errand,
    exchange::{Exchanged, ask},
    named,
    schedule::Schedule,
    settle, sweep,
};
use channel::{Account, Answer, ChannelState, Failure, FailureClass, RefundFacts, ReverseView};
use domain::*;
use ledger::{Attempt, Order};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// 原交易已被成功退货或已被成功撤销.
const BACK_ALREADY: &str = "45";

/// How money goes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Means {
    /// 消费撤销.
    Cancel,
    /// 退货.
    Refund,
}

impl Means {
    const fn as_str(self) -> &'static str {
        match self {
            Means::Cancel => "cancel",
            Means::Refund => "refund",
        }
    }
}

/// How far one of them has come.
enum Said {
    Done,
    /// It is there, and nobody knows yet.
    Open,
    /// There, and refused for good.
    Refused,
    /// UnionPay has none of this number.
    Absent,
    /// No word that could be read.
    Nothing(Answer),
}

/// One go at undoing it, and what came of that; with the order as it is on record then, since a payment that is found on the
/// way is put there first.
//= C60
pub(super) async fn undo(
    app: &App,
    account: &Account,
    order: &Arc<Order>,
    position: u16,
) -> (Arc<Order>, Answer) {
    let reversal = order.attempt(position).is_some_and(named::by_own_number);
    let order = match charged(app, account, order, position).await {
        Ok(order) => order,
        Err(answer) if reversal => {
            return (
                order.clone(),
                reversed_unpaid(app, account, order, position, answer).await,
            );
        }
        Err(answer) => return (order.clone(), answer),
    };
    if reversal {
        match by_own_number(app, account, &order, position).await {
            Taken::Yes => return (order, done(true)),
            Taken::Unknown(answer) => return (order, answer),
            // Its day is over, or it was taken before: what goes back by UnionPay's number of the payment says which.
            Taken::No => {}
        }
    }
    let answer = match Back::of(app, account, &order, position) {
        Some(back) => back.cancel_or_refund().await,
        None => again(),
    };
    (order, answer)
}

/// Whether UnionPay took a reversal by the order's own number.
enum Taken {
    Yes,
    No,
    Unknown(Answer),
}

/// Sends the merchant's own reversal again, with our key.
async fn by_own_number(app: &App, account: &Account, order: &Order, position: u16) -> Taken {
    let Some(attempt) = order.attempt(position) else {
        return Taken::Unknown(again());
    };
    let (number, begun) = (&attempt.number, attempt.begun());
    let sent = ask(app, account, Operation::Reverse, attempt.pay_way, |stamp| {
        channel::reverse(account, &stamp.about(begun), number)
    });
    match sent.await {
        Exchanged::Answer(Answer::Refund(view)) if named::took(attempt, &view) => Taken::Yes,
        Exchanged::Answer(Answer::Failed(failure)) if settle::refuses(&failure) => Taken::No,
        Exchanged::Answer(Answer::Unclear(reason)) => Taken::Unknown(Answer::Unclear(reason)),
        Exchanged::Answer(_) => Taken::Unknown(again()),
        Exchanged::NotSent(reason) => {
            tracing::warn!(channel = account.channel.as_str(), %reason, "a reversal was not sent; it is sent again");
            Taken::Unknown(Answer::Unclear(Unclear::Connection))
        }
    }
}

/// The merchant's own reversal of what is not known to be paid: `said` is what UnionPay says of the order. It goes out once more, so
/// that no payer who still types a password is charged; but until the order's own time is over it is no end, since the charging call
/// may come after it.
async fn reversed_unpaid(app: &App, account: &Account, order: &Order, position: u16, said: Answer) -> Answer {
    let open = matches!(&said, Answer::Reversed(ReverseView { again: true, .. }));
    let Some(attempt) = order.attempt(position).filter(|_| open) else {
        return said;
    };
    match by_own_number(app, account, order, position).await {
        Taken::Yes if app.clock().now() >= believed_from(app, attempt) => Answer::Reversed(ReverseView {
            again: false,
            refunded: None,
            absent: false,
        }),
        Taken::Unknown(answer) => answer,
        _ => again(),
    }
}

/// Did this order's reverse make the cancel or refund of this number and time? It is none of the merchant's, and the sweep
/// asks for it.
pub(crate) fn made(order: &Order, number: &ChannelNo, time: Option<Instant>) -> bool {
    let makes = |position: u16, at: Instant| {
        let numbers = [Means::Cancel, Means::Refund].map(|means| number_of(order, position, at, means));
        numbers.contains(number) && named::same_time(time, None, at)
    };
    order.attempts.iter().zip(1..).any(|(attempt, position)| {
        attempt
            .reversing
            .as_ref()
            .is_some_and(|reversing| makes(position, reversing.at))
    })
}

/// The number under which a reverse of this attempt pays back what UnionPay does not cancel any more.
#[cfg(test)]
pub(crate) fn refund_number(order: &Order, position: u16) -> Option<ChannelNo> {
    let begun = order.attempt(position)?.reversing.as_ref()?.at;
    Some(number_of(order, position, begun, Means::Refund))
}

/// From here on "no such order" is UnionPay's last word on a payment code's order: its own time is over, and a little
/// more, since clocks differ.
pub(crate) fn believed_from(app: &App, attempt: &Attempt) -> Instant {
    let schedule = Schedule::of(attempt.channel, app.times());
    attempt
        .expires
        .plus_millis(5 * schedule.charge(0).as_millis() as i64)
}

/// The order with its payment on record; else what its reverse comes to without one.
async fn charged(
    app: &App,
    account: &Account,
    order: &Arc<Order>,
    position: u16,
) -> Result<Arc<Order>, Answer> {
    let attempt = order.attempt(position).ok_or_else(again)?;
    if attempt.paid.is_some() {
        return Ok(order.clone());
    }
    match errand::query(app, account, attempt).await {
        Exchanged::Answer(Answer::State(view)) => match &view.state {
            _ if !settle::is_about(attempt, &view) => {
                let seen = sweep::seen(app, order, position, view).await;
                Err(seen.map_or_else(|_| again(), |_| Answer::Unclear(Unclear::Garbage)))
            }
            // Another trade under our number: to take that back is not ours.
            ChannelState::Paid(facts) | ChannelState::Refunded(facts) if facts.amount != attempt.amount => {
                Err(Answer::Unclear(Unclear::Garbage))
            }
            ChannelState::Paid(_) | ChannelState::Refunded(_) => {
                sweep::seen(app, order, position, view).await.map_err(|_| again())
            }
            ChannelState::Refused(_) => Err(done(false)),
            _ => Err(again()),
        },
        Exchanged::Answer(Answer::Failed(failure)) if failure.class == FailureClass::NotFound => {
            match app.clock().now() >= believed_from(app, attempt) {
                true => Err(done(false)),
                false => Err(again()),
            }
        }
        Exchanged::Answer(Answer::Unclear(reason)) => Err(Answer::Unclear(reason)),
        Exchanged::Answer(_) => Err(again()),
        Exchanged::NotSent(_) => Err(Answer::Unclear(Unclear::Connection)),
    }
}

/// A payment on its way back.
struct Back<'a> {
    app: &'a App,
    account: &'a Account,
    attempt: &'a Attempt,
    paid: &'a PaidFacts,
    /// The number and time of a cancel, and those of a refund: where nobody named them, made of when the reverse was put on
    /// record.
    names: [(ChannelNo, Instant); 2],
    /// The merchant's own client named the cancel, and asked for nothing but that.
    merchants_own: bool,
    /// A reversal by the order's own number went out before.
    reversal: bool,
}

impl<'a> Back<'a> {
    fn of(app: &'a App, account: &'a Account, order: &'a Order, position: u16) -> Option<Back<'a>> {
        let attempt = order.attempt(position)?;
        let reversing = attempt.reversing.as_ref()?;
        let begun = reversing.at;
        let made = |means| (number_of(order, position, begun, means), begun);
        let reversal = named::by_own_number(attempt);
        let named = reversing.named.clone().filter(|_| !reversal);
        let merchants_own = named.is_some();
        let cancel = named.unwrap_or_else(|| made(Means::Cancel));
        Some(Back {
            app,
            account,
            attempt,
            paid: &attempt.paid.as_ref()?.0,
            names: [cancel, made(Means::Refund)],
            merchants_own,
            reversal,
        })
    }

    /// Both are asked for before either is sent: a cancel that was refused leaves no trace, and beside a refund that is under
    /// way none is to go out.
    async fn cancel_or_refund(&self) -> Answer {
        if self.merchants_own {
            return self.as_named().await;
        }
        let (cancel, refund) = match (self.asked(Means::Cancel).await, self.asked(Means::Refund).await) {
            (Said::Done, _) | (_, Said::Done) => return done(true),
            (Said::Open, _) | (_, Said::Open) => return again(),
            (Said::Nothing(answer), _) | (_, Said::Nothing(answer)) => return answer,
            both => both,
        };
        if matches!(cancel, Said::Absent) && matches!(refund, Said::Absent) && self.is_of_today() {
            match self.send(Means::Cancel).await {
                // Not for a cancel any more, or not by this merchant: UnionPay knows best when its settlement day ends.
                Answer::Failed(failure) if settle::refuses(&failure) => {}
                other => return self.sent(Means::Cancel, other).await,
            }
        }
        if matches!(refund, Said::Refused) {
            return refused("CLOSED".into());
        }
        match self.send(Means::Refund).await {
            // Refunded or cancelled already (channels.md 4.4), and not by a refund of ours: the reversal did it.
            Answer::Failed(failure) if self.reversal && &*failure.code == BACK_ALREADY => done(true),
            Answer::Failed(failure) if settle::refuses(&failure) => refused(failure.code),
            other => self.sent(Means::Refund, other).await,
        }
    }

    /// The merchant's own cancel: what UnionPay does not have goes out once more as the same one. Where it is not taken, the
    /// payment stands, and whoever asked for it may refund it.
    async fn as_named(&self) -> Answer {
        match self.asked(Means::Cancel).await {
            Said::Done => done(true),
            Said::Open => again(),
            Said::Refused => refused("CLOSED".into()),
            Said::Nothing(answer) => answer,
            Said::Absent => match self.send(Means::Cancel).await {
                Answer::Failed(failure) if settle::refuses(&failure) => refused(failure.code),
                other => self.sent(Means::Cancel, other).await,
            },
        }
    }

    /// A cancel is for the day of the payment. UnionPay's settlement day ends before ours does; then it refuses.
    fn is_of_today(&self) -> bool {
        self.paid.paid_at.day() == self.app.clock().now().day()
    }

    fn name(&self, means: Means) -> &(ChannelNo, Instant) {
        match means {
            Means::Cancel => &self.names[0],
            Means::Refund => &self.names[1],
        }
    }

    async fn asked(&self, means: Means) -> Said {
        let (number, begun) = self.name(means);
        let asked = ask(
            self.app,
            self.account,
            Operation::RefundQuery,
            self.attempt.pay_way,
            |stamp| {
                channel::refund_query(
                    self.account,
                    &stamp.about(*begun),
                    self.attempt.pay_way,
                    &self.attempt.number,
                    number,
                )
            },
        )
        .await;
        match asked {
            Exchanged::Answer(Answer::Refund(view)) => match view.state {
                _ if !settle::is_about_refund(self.attempt, (number, *begun), &view)
                    || view.amount.is_some_and(|amount| amount != self.attempt.amount) =>
                {
                    Said::Nothing(Answer::Unclear(Unclear::Garbage))
                }
                RefundState::Succeeded => Said::Done,
                RefundState::Failed => Said::Refused,
                _ => Said::Open,
            },
            Exchanged::Answer(Answer::Failed(failure)) if failure.class == FailureClass::NotFound => {
                Said::Absent
            }
            Exchanged::Answer(Answer::Unclear(reason)) => Said::Nothing(Answer::Unclear(reason)),
            Exchanged::Answer(_) => Said::Nothing(again()),
            Exchanged::NotSent(_) => Said::Nothing(Answer::Unclear(Unclear::Connection)),
        }
    }

    async fn send(&self, means: Means) -> Answer {
        let (number, begun) = self.name(means);
        let facts = RefundFacts {
            number: &self.attempt.number,
            refund: number,
            trade_no: Some(&self.paid.trade_no),
            amount: self.attempt.amount,
            total: self.attempt.amount,
        };
        let operation = match means {
            Means::Cancel => Operation::Reverse,
            Means::Refund => Operation::Refund,
        };
        let pay_way = self.attempt.pay_way;
        let sent = ask(self.app, self.account, operation, pay_way, |stamp| {
            let stamp = stamp.about(*begun);
            match means {
                Means::Cancel => channel::cancel(self.account, &stamp, pay_way, &facts),
                Means::Refund => channel::refund(self.account, &stamp, pay_way, &facts, None),
            }
        })
        .await;
        match sent {
            Exchanged::Answer(answer) => answer,
            Exchanged::NotSent(reason) => {
                tracing::warn!(channel = self.account.channel.as_str(), means = means.as_str(), %reason, "it was not sent; it is sent again");
                Answer::Unclear(Unclear::Connection)
            }
        }
    }

    /// What an answer to sending it comes to: what was accepted may be done at once.
    async fn sent(&self, means: Means, answer: Answer) -> Answer {
        match answer {
            Answer::Refund(_) => match self.asked(means).await {
                Said::Done => done(true),
                _ => again(),
            },
            Answer::Unclear(reason) => Answer::Unclear(reason),
            _ => again(),
        }
    }
}

/// A number that leads to its order by itself, as those of refunds do ([`errand::order_of_refund`]). A reverse that is begun
/// anew after a refusal has another.
fn number_of(order: &Order, position: u16, begun: Instant, means: Means) -> ChannelNo {
    let digest = Sha256::new()
        .chain_update(b"guandao-reverse\0")
        .chain_update(means.as_str())
        .chain_update(position.to_be_bytes())
        .chain_update(begun.millis().to_be_bytes())
        .finalize();
    errand::leading_to(&order.id, &digest)
}

fn done(refunded: bool) -> Answer {
    Answer::Reversed(ReverseView {
        again: false,
        refunded: Some(refunded),
        absent: false,
    })
}

fn again() -> Answer {
    Answer::Reversed(ReverseView {
        again: true,
        refunded: None,
        absent: false,
    })
}

/// Neither is taken: whatever the code means elsewhere, here it is no end.
fn refused(code: Arc<str>) -> Answer {
    Answer::Failed(Failure {
        code,
        class: FailureClass::Final,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same numbers again after a crash, others after a refusal; each leads to its order, and fits UnionPay.
    #[test]
    //= C60
    fn what_goes_out_for_a_reverse_is_named_by_what_is_on_record() {
        let order = settle::tests::order();
        let at = Instant::from_secs(1_767_225_600);
        let cancel = number_of(&order, 1, at, Means::Cancel);
        assert_eq!(cancel, number_of(&order, 1, at, Means::Cancel));
        let others = [
            number_of(&order, 1, at, Means::Refund),
            number_of(&order, 2, at, Means::Cancel),
            number_of(&order, 1, at.plus_millis(1), Means::Cancel),
        ];
        for (n, other) in others.iter().enumerate() {
            assert_ne!(*other, cancel);
            assert!(!others[..n].contains(other));
            assert_eq!(errand::order_of_refund(other), Some(order.id));
            assert!(channel::number_fits(Channel::Unionpay, other.as_str()), "{other}");
        }
    }
}
