//! What a channel's word means for the record: answers, query results and notices become events. Used by `send`, the
//! sweep, notices and pass-through reads alike, so that one word never means two things.

use channel::{Answer, ChannelState, Failure, FailureClass, OrderView, RefundView};
use domain::*;
use ledger::{Happening, Order};

/// How one errand ended, for the caller of the errand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The events say it all.
    Recorded,
    /// The channel limits us; nothing was placed.
    Busy,
    /// Nobody knows; the sweep finds out.
    Unknown,
    /// The channel refused with this code.
    Refused(std::sync::Arc<str>),
}

/// Events and ending of one answer.
pub struct Settled {
    /// To be committed.
    pub events: Vec<Happening>,
    /// For the caller.
    pub ending: Ending,
}

impl Settled {
    fn new(event: TradeEvent, tell: bool, ending: Ending) -> Settled {
        Settled { events: vec![Happening { event, tell }], ending }
    }

    fn nothing(ending: Ending) -> Settled {
        Settled { events: Vec::new(), ending }
    }
}

/// The channel's answer to placing an attempt.
pub fn placed(attempt: u16, answer: Answer) -> Settled {
    match answer {
        Answer::Placed(reach) => Settled::new(TradeEvent::AttemptPlaced { attempt, reach: Some(reach) }, false, Ending::Recorded),
        Answer::Failed(failure) => place_failed(attempt, failure),
        Answer::Unclear(reason) => unknown(attempt, reason),
        _ => unknown(attempt, Unclear::Garbage),
    }
}

fn place_failed(attempt: u16, Failure { code, class }: Failure) -> Settled {
    let refused = |ending| {
        let event = TradeEvent::AttemptNotPlaced { attempt, code: Some(code.clone()), reason: NotPlaced::Refused };
        Settled::new(event, false, ending)
    };
    match class {
        FailureClass::Busy => refused(Ending::Busy),
        FailureClass::AlreadyClosed => {
            Settled::new(TradeEvent::AttemptClosed { attempt, proof: Proof::Answer }, false, Ending::Refused(code.clone()))
        }
        // Paid by an earlier sending of the same number: the sweep asks and records the payment.
        FailureClass::AlreadyPaid | FailureClass::Unknown => unknown(attempt, Unclear::ChannelError),
        FailureClass::Final | FailureClass::NotFound | FailureClass::Changed | FailureClass::Setup | FailureClass::PayeeFunds => {
            refused(Ending::Refused(code.clone()))
        }
    }
}

//= C27
fn unknown(attempt: u16, reason: Unclear) -> Settled {
    Settled::new(TradeEvent::AttemptUnknown { attempt, reason }, false, Ending::Unknown)
}

/// The channel's answer to closing an attempt.
pub fn closed(attempt: u16, answer: Answer) -> Settled {
    let done = || Settled::new(TradeEvent::AttemptClosed { attempt, proof: Proof::Answer }, true, Ending::Recorded);
    match answer {
        Answer::Closed => done(),
        Answer::Failed(Failure { code, class }) => match class {
            // A precreated order does not exist until it is scanned (channels.md 3.1); a late success is recorded.
            FailureClass::AlreadyClosed | FailureClass::NotFound => done(),
            FailureClass::Unknown | FailureClass::Busy => {
                Settled::new(TradeEvent::CloseUnknown { attempt, reason: Unclear::ChannelError }, false, Ending::Unknown)
            }
            _ => Settled::new(TradeEvent::CloseRefused { attempt, code: code.clone() }, false, Ending::Refused(code)),
        },
        Answer::Unclear(reason) => Settled::new(TradeEvent::CloseUnknown { attempt, reason }, false, Ending::Unknown),
        _ => Settled::new(TradeEvent::CloseUnknown { attempt, reason: Unclear::Garbage }, false, Ending::Unknown),
    }
}

/// The channel's answer to sending or asking for a refund.
pub fn refunded(refund_no: &RefundNo, answer: Answer, proof: Proof) -> Settled {
    let unknown = |reason| {
        let event = TradeEvent::RefundUnknown { reason, refund_no: refund_no.clone() };
        Settled::new(event, false, Ending::Unknown)
    };
    match answer {
        Answer::Refund(view) => refund_seen(refund_no, view, proof),
        Answer::Failed(Failure { code, class }) => match class {
            FailureClass::Unknown | FailureClass::Busy => unknown(Unclear::ChannelError),
            _ => {
                let event = TradeEvent::RefundFailed { code: code.clone(), refund_no: refund_no.clone() };
                Settled::new(event, true, Ending::Refused(code))
            }
        },
        Answer::Unclear(reason) => unknown(reason),
        _ => unknown(Unclear::Garbage),
    }
}

/// What the channel states of a refund.
pub fn refund_seen(refund_no: &RefundNo, view: RefundView, proof: Proof) -> Settled {
    let refund_no = refund_no.clone();
    let (event, tell) = match view.state {
        RefundState::Succeeded => {
            (TradeEvent::RefundSucceeded { proof, refund_no, refunded_at: view.refunded_at, trade_no: view.trade_no }, true)
        }
        RefundState::Failed | RefundState::Cancelled => (TradeEvent::RefundFailed { code: "CLOSED".into(), refund_no }, true),
        RefundState::Abnormal => (TradeEvent::RefundAbnormal { refund_no }, true),
        _ => (TradeEvent::RefundProcessing { refund_no, trade_no: view.trade_no }, false),
    };
    Settled::new(event, tell, Ending::Recorded)
}

/// What the channel states of an order, against the attempt that carries its number.
//= C31
pub fn order_seen(order: &Order, attempt: u16, view: &OrderView, proof: Proof, payer: Option<PayerToken>, seal: Option<SealRef>) -> Settled {
    let Some(known) = order.attempt(attempt) else { return Settled::nothing(Ending::Recorded) };
    let mismatch = |what| {
        let event = TradeEvent::Mismatched { account: known.account.clone(), channel: known.channel, number: known.number.clone(), proof, what };
        Settled::new(event, false, Ending::Recorded)
    };
    if view.account.as_ref().is_some_and(|a| *a != known.account) || view.payee.as_ref().is_some_and(|p| *p != known.payee) {
        return mismatch(Mismatch::Account);
    }
    match &view.state {
        ChannelState::Paid(facts) | ChannelState::Refunded(facts) => match &known.paid {
            _ if facts.amount != known.amount => mismatch(Mismatch::Amount),
            Some((ours, _)) if ours.trade_no != facts.trade_no => mismatch(Mismatch::TradeNo),
            Some(_) => Settled::nothing(Ending::Recorded),
            None => {
                let late = known.state == AttemptState::Closed || known.state == AttemptState::NotPlaced;
                let mut events = Vec::with_capacity(2);
                if late {
                    events.extend(mismatch(Mismatch::State).events);
                }
                let event = TradeEvent::AttemptPaid { attempt, facts: facts.clone(), payer, proof, seal };
                events.push(Happening { event, tell: true });
                Settled { events, ending: Ending::Recorded }
            }
        },
        ChannelState::Closed if known.paid.is_none() && !known.state.is_final() => {
            Settled::new(TradeEvent::AttemptClosed { attempt, proof }, true, Ending::Recorded)
        }
        ChannelState::NotPaid | ChannelState::Paying if matches!(known.state, AttemptState::Intended | AttemptState::Unknown) => {
            Settled::new(TradeEvent::AttemptPlaced { attempt, reach: None }, false, Ending::Recorded)
        }
        _ => Settled::nothing(Ending::Recorded),
    }
}
