//! What a channel's word means for the record: answers, query results and notices become events. Used by `send`, the
//! sweep, notices and pass-through reads alike, so that one word never means two things.

mod charges;
mod fits;

pub use charges::{charged, reversed};
pub(crate) use fits::{is_about, is_about_refund, mismatch};

use channel::{Answer, ChannelState, Failure, FailureClass, HandedOut, OrderView, RefundView};
use domain::*;
use ledger::{Attempt, Happening, Order};

/// How one errand ended, for the caller of the errand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The events say it all.
    Recorded,
    /// The channel limits us; nothing was placed.
    Busy,
    /// Nobody knows; the sweep finds out.
    Unknown,
    /// The channel has it already and says no more.
    Duplicate,
    /// The channel refused with this code.
    Refused(std::sync::Arc<str>),
}

/// Events and ending of one answer.
pub struct Settled {
    /// To be committed.
    pub events: Vec<Happening>,
    /// For the caller.
    pub ending: Ending,
    /// What was signed for the payer's browser or app. Leaves only once the events are durable.
    pub handed_out: Option<HandedOut>,
    /// The account surely did not take it, for a reason of the account's own or of the way there: another account may.
    pub elsewhere: bool,
}

impl Settled {
    /// Of these events.
    pub fn of(events: Vec<Happening>, ending: Ending) -> Settled {
        Settled {
            events,
            ending,
            handed_out: None,
            elsewhere: false,
        }
    }

    fn new(event: TradeEvent, tell: bool, ending: Ending) -> Settled {
        Settled::of(vec![Happening { event, tell }], ending)
    }

    /// Of none.
    pub fn nothing(ending: Ending) -> Settled {
        Settled::of(Vec::new(), ending)
    }
}

/// An order that was signed and is about to leave in the payer's hands. No channel has answered: from the record of this
/// event on it may be opened, and so it waits for its payer.
pub fn handed_out(attempt: u16, handed_out: HandedOut) -> Settled {
    let event = TradeEvent::AttemptPlaced {
        attempt,
        reach: Some(Reach::HandedOut),
    };
    Settled {
        handed_out: Some(handed_out),
        ..Settled::new(event, false, Ending::Recorded)
    }
}

/// The channel's answer to placing an attempt.
pub fn placed(attempt: u16, answer: Answer) -> Settled {
    match answer {
        Answer::Placed(reach) => Settled::new(
            TradeEvent::AttemptPlaced {
                attempt,
                reach: Some(reach),
            },
            false,
            Ending::Recorded,
        ),
        Answer::Failed(failure) => place_failed(attempt, failure),
        Answer::Unclear(reason) => unknown(attempt, reason),
        _ => unknown(attempt, Unclear::Garbage),
    }
}

/// The same of an answer that may name another order.
pub fn placed_here(order: &Order, attempt: u16, answer: Answer) -> Settled {
    match answer {
        Answer::Amiss(what) => answered_amiss(order, attempt, what),
        answer => placed(attempt, answer),
    }
}

/// On record as what it is; of ours it says nothing.
//= C31
fn answered_amiss(order: &Order, attempt: u16, what: Mismatch) -> Settled {
    let known = order.attempt(attempt);
    let amiss = known.map(|known| fits::mismatch(order, known, &known.number, Proof::Answer, what));
    let mut settled = unknown(attempt, Unclear::Garbage);
    let amiss = amiss.into_iter().flat_map(|amiss| amiss.events);
    settled.events.splice(0..0, amiss);
    settled
}

fn place_failed(attempt: u16, Failure { code, class }: Failure) -> Settled {
    let refused = |ending| {
        let event = TradeEvent::AttemptNotPlaced {
            attempt,
            code: Some(code.clone()),
            declined: None,
            reason: NotPlaced::Refused,
        };
        Settled::new(event, false, ending)
    };
    match class {
        FailureClass::Busy => Settled {
            elsewhere: true,
            ..refused(Ending::Busy)
        },
        FailureClass::Setup => Settled {
            elsewhere: true,
            ..refused(Ending::Refused(code.clone()))
        },
        FailureClass::AlreadyClosed => Settled::new(
            TradeEvent::AttemptClosed {
                attempt,
                proof: Proof::Answer,
            },
            false,
            Ending::Refused(code.clone()),
        ),
        // Paid by an earlier sending of the same number: the sweep asks and records the payment.
        FailureClass::AlreadyPaid | FailureClass::Unknown | FailureClass::Unlisted => {
            unknown(attempt, Unclear::ChannelError)
        }
        FailureClass::Duplicate => Settled {
            ending: Ending::Duplicate,
            ..unknown(attempt, Unclear::ChannelError)
        },
        FailureClass::Final | FailureClass::NotFound | FailureClass::Changed | FailureClass::PayeeFunds => {
            refused(Ending::Refused(code.clone()))
        }
    }
}

//= C27
fn unknown(attempt: u16, reason: Unclear) -> Settled {
    Settled::new(
        TradeEvent::AttemptUnknown { attempt, reason },
        false,
        Ending::Unknown,
    )
}

/// In the payer's hands already, and on record as that: handing it out once more is no news.
fn is_in_hands(known: &Attempt) -> bool {
    known.state == AttemptState::Placed && matches!(known.reach, Some((Reach::HandedOut, _)))
}

/// What sending an attempt again may teach. It may have been sent before, so that it was not sent now, was too much now
/// or was refused now says nothing about what went before: only a close at the channel ends it.
//= C27
pub fn placed_again(known: &Attempt, settled: Settled) -> Settled {
    if let (Ending::Duplicate, Some(TradeEvent::AttemptUnknown { attempt, .. })) =
        (&settled.ending, settled.events.first().map(|h| &h.event))
        && known.pay_way.is_told_once(known.channel)
        && known.reach.is_none()
    {
        return answer_lost(*attempt);
    }
    let Settled {
        mut events,
        ending,
        handed_out,
        ..
    } = settled;
    let lost = |event: &TradeEvent| {
        matches!(
            event,
            TradeEvent::AttemptNotPlaced {
                reason: NotPlaced::AnswerLost,
                ..
            }
        )
    };
    let refused = events
        .iter()
        .any(|h| matches!(h.event, TradeEvent::AttemptNotPlaced { .. }) && !lost(&h.event));
    events.retain(|h| match h.event {
        _ if lost(&h.event) => true,
        TradeEvent::AttemptNotPlaced { .. } => false,
        TradeEvent::AttemptUnknown { .. } => known.state == AttemptState::Intended,
        TradeEvent::AttemptPlaced {
            reach: Some(Reach::HandedOut),
            ..
        } => !is_in_hands(known),
        _ => true,
    });
    let open = matches!(known.state, AttemptState::Intended | AttemptState::Unknown);
    Settled {
        events,
        ending: if refused && open { Ending::Unknown } else { ending },
        handed_out,
        elsewhere: false,
    }
}

/// Our own earlier sending came through and its answer was lost with the code in it: it is in nobody's hands, so nobody
/// can pay it, and the merchant's repeat is another attempt under a number of its own.
fn answer_lost(attempt: u16) -> Settled {
    let event = TradeEvent::AttemptNotPlaced {
        attempt,
        code: None,
        reason: NotPlaced::AnswerLost,
        declined: None,
    };
    Settled::new(event, true, Ending::Recorded)
}

/// The channel's answer to closing an attempt whose outcome is unknown, for no other reason than that the sweep gave it
/// up: what is not there was not placed, and the merchant may send the same number again.
pub fn given_up(order: &Order, attempt: u16, reason: NotPlaced, answer: Answer) -> Settled {
    match answer {
        Answer::Failed(Failure {
            class: FailureClass::NotFound,
            ..
        }) => Settled::new(
            TradeEvent::AttemptNotPlaced {
                attempt,
                code: None,
                declined: None,
                reason,
            },
            true,
            Ending::Recorded,
        ),
        other => closed(order, attempt, other, false),
    }
}

/// The channel's answer to closing an attempt. `may_come` where it was handed out and its time is not over: then "not
/// there" means that the payer has not opened it *yet*, and the close stays open. The sweep closes it as soon as it is
/// opened; what nobody opens ends with the time that its signed text names. Nor does it end a payment code, which may be charged
/// yet. A word that is on record is no news, however often
/// the channel is asked.
pub fn closed(order: &Order, attempt: u16, answer: Answer, may_come: bool) -> Settled {
    let charges = order.attempt(attempt).is_some_and(|a| a.pay_way.charges());
    let known = order.attempt(attempt).and_then(|a| a.closing.as_ref());
    let done = || {
        Settled::new(
            TradeEvent::AttemptClosed {
                attempt,
                proof: Proof::Answer,
            },
            true,
            Ending::Recorded,
        )
    };
    let unknown = |reason| match known.is_some_and(|closing| closing.unknown) {
        true => Settled::nothing(Ending::Unknown),
        false => Settled::new(
            TradeEvent::CloseUnknown { attempt, reason },
            false,
            Ending::Unknown,
        ),
    };
    match answer {
        Answer::Closed => done(),
        Answer::Failed(Failure { code, class }) => match class {
            FailureClass::NotFound if may_come => unknown(Unclear::NotOpened),
            // A charging call may be on its way yet. It is asked for, and reversed when its time is over.
            //= C60
            FailureClass::NotFound if charges => unknown(Unclear::ChannelError),
            // A late success is recorded all the same.
            FailureClass::AlreadyClosed | FailureClass::NotFound => done(),
            FailureClass::Unknown | FailureClass::Busy | FailureClass::Duplicate => {
                unknown(Unclear::ChannelError)
            }
            _ if known.is_some_and(|closing| closing.refused.as_ref() == Some(&code)) => {
                Settled::nothing(Ending::Refused(code))
            }
            _ => Settled::new(
                TradeEvent::CloseRefused {
                    attempt,
                    code: code.clone(),
                },
                false,
                Ending::Refused(code),
            ),
        },
        Answer::Unclear(reason) => unknown(reason),
        _ => unknown(Unclear::Garbage),
    }
}

/// The channel's answer to sending a refund. `again` where it may have been sent before: then a refusal says nothing
/// about what went before (WeChat refuses a repeat whose reason differs), and a query decides.
pub fn refunded(order: &Order, refund_no: &RefundNo, answer: Answer, again: bool) -> Settled {
    let unknown = |reason| {
        let event = TradeEvent::RefundUnknown {
            reason,
            refund_no: refund_no.clone(),
        };
        Settled::new(event, false, Ending::Unknown)
    };
    match answer {
        Answer::Refund(view) => {
            let mut settled = refund_seen(order, refund_no, view, Proof::Answer);
            // An answer about another refund says nothing of ours: it is asked for.
            let intended = order
                .refund(refund_no)
                .is_some_and(|r| r.state == RefundState::Intended);
            if intended && fits::says_nothing(&settled) {
                settled.events.extend(unknown(Unclear::Garbage).events);
                settled.ending = Ending::Unknown;
            }
            settled
        }
        Answer::Failed(failure) if refuses(&failure) && !again => refund_failed(refund_no, failure.code),
        Answer::Failed(_) => unknown(Unclear::ChannelError),
        Answer::Unclear(reason) => unknown(reason),
        _ => unknown(Unclear::Garbage),
    }
}

/// The channel's answer to sending an abnormal refund another way: its state, or that it stays as it is.
pub fn redirected(order: &Order, refund_no: &RefundNo, answer: Answer) -> Settled {
    match answer {
        Answer::Refund(view) => refund_seen(order, refund_no, view, Proof::Answer),
        Answer::Failed(failure) if refuses(&failure) => {
            let event = TradeEvent::RefundAbnormal {
                refund_no: refund_no.clone(),
            };
            Settled::new(event, false, Ending::Refused(failure.code))
        }
        // On record as unknown already: the sweep asks.
        _ => Settled::nothing(Ending::Unknown),
    }
}

/// A refusal for good, and not a word of doubt, one that no list has, or one about another request under the same number.
//= C92
pub fn refuses(failure: &Failure) -> bool {
    !matches!(
        failure.class,
        FailureClass::Unknown | FailureClass::Unlisted | FailureClass::Busy | FailureClass::Duplicate
    )
}

/// The channel surely did not pay back.
pub fn refund_failed(refund_no: &RefundNo, code: std::sync::Arc<str>) -> Settled {
    let event = TradeEvent::RefundFailed {
        code: code.clone(),
        refund_no: refund_no.clone(),
    };
    Settled::new(event, true, Ending::Refused(code))
}

/// What the channel states of a refund, against the one on record.
//= C31
pub fn refund_seen(order: &Order, refund_no: &RefundNo, view: RefundView, proof: Proof) -> Settled {
    let known = order
        .refund(refund_no)
        .and_then(|refund| Some((refund, order.attempt(refund.attempt)?)));
    let Some((known, attempt)) = known else {
        return Settled::nothing(Ending::Recorded);
    };
    let mismatch = |what| fits::mismatch(order, attempt, &known.number, proof, what);
    if !is_about_refund(attempt, (&known.number, known.begun()), &view) {
        return mismatch(Mismatch::Number);
    }
    if view.amount.is_some_and(|amount| amount != known.amount) {
        return mismatch(Mismatch::Amount);
    }
    let refund_no = refund_no.clone();
    let settled = |event, tell| Settled::new(event, tell, Ending::Recorded);
    use RefundState as S;
    match (view.state, known.state) {
        (_, S::Succeeded) => Settled::nothing(Ending::Recorded),
        // Nothing of ours was sent under this number.
        (_, S::Held | S::Cancelled) => mismatch(Mismatch::State),
        (S::Succeeded, before) => {
            let late = if before == S::Failed {
                mismatch(Mismatch::State).events
            } else {
                Vec::new()
            };
            let event = TradeEvent::RefundSucceeded {
                proof,
                refund_no,
                refunded_at: view.refunded_at,
                trade_no: view.trade_no,
            };
            Settled::of(
                late.into_iter()
                    .chain([Happening { event, tell: true }])
                    .collect(),
                Ending::Recorded,
            )
        }
        (_, S::Failed) => Settled::nothing(Ending::Recorded),
        (S::Failed | S::Cancelled, _) => settled(
            TradeEvent::RefundFailed {
                code: "CLOSED".into(),
                refund_no,
            },
            true,
        ),
        (S::Abnormal, S::Abnormal) => Settled::nothing(Ending::Recorded),
        (S::Abnormal, _) => settled(TradeEvent::RefundAbnormal { refund_no }, true),
        (_, S::Intended | S::Unknown) => settled(
            TradeEvent::RefundProcessing {
                refund_no,
                trade_no: view.trade_no,
            },
            false,
        ),
        _ => Settled::nothing(Ending::Recorded),
    }
}

/// What the channel states of an order, against the attempt that carries its number.
//= C31
pub fn order_seen(
    order: &Order,
    attempt: u16,
    view: &OrderView,
    proof: Proof,
    payer: Option<PayerToken>,
    seal: Option<SealRef>,
) -> Settled {
    let Some(known) = order.attempt(attempt) else {
        return Settled::nothing(Ending::Recorded);
    };
    // Whom the order itself named it goes on naming: a channel that has more than one id of a person may state another, and the
    // day's total would leave with the first (C13).
    let payer = known.payer.or(payer);
    let mismatch = |what| fits::mismatch(order, known, &known.number, proof, what);
    if !is_about(known, view) {
        return mismatch(Mismatch::Number);
    }
    if view.account.as_ref().is_some_and(|a| *a != known.account)
        || view.payee.as_ref().is_some_and(|p| *p != known.payee)
    {
        return mismatch(Mismatch::Account);
    }
    if known.is_undone_when_paid() {
        let paid = |facts: &PaidFacts| TradeEvent::AttemptPaid {
            attempt,
            facts: facts.clone(),
            payer,
            proof,
            seal,
        };
        return charges::seen(
            charges::Seen {
                known,
                attempt,
                ends_the_order: order.ends_with(attempt),
                view,
                proof,
                payer,
            },
            &mismatch,
            &paid,
        );
    }
    match &view.state {
        ChannelState::Paid(facts) | ChannelState::Refunded(facts) => match &known.paid {
            _ if facts.amount != known.amount => amiss(known, attempt, proof, mismatch(Mismatch::Amount)),
            Some((ours, _)) if ours.trade_no != facts.trade_no => mismatch(Mismatch::TradeNo),
            Some(_) => Settled::nothing(Ending::Recorded),
            None => {
                let late = known.state == AttemptState::Closed || known.state == AttemptState::NotPlaced;
                let mut events = Vec::with_capacity(2);
                if late {
                    events.extend(mismatch(Mismatch::State).events);
                }
                let event = TradeEvent::AttemptPaid {
                    attempt,
                    facts: facts.clone(),
                    payer,
                    proof,
                    seal,
                };
                events.push(Happening { event, tell: true });
                Settled::of(events, Ending::Recorded)
            }
        },
        ChannelState::Closed if known.paid.is_none() && !known.state.is_final() => Settled::new(
            TradeEvent::AttemptClosed { attempt, proof },
            true,
            Ending::Recorded,
        ),
        ChannelState::Declined(code) => {
            Settled::of(declined(known, attempt, code, payer).collect(), Ending::Recorded)
        }
        // Placed, but without the code, which the channel tells once: the sweep finds out whether it was lost.
        ChannelState::NotPaid | ChannelState::Paying if known.pay_way.is_told_once(known.channel) => {
            Settled::nothing(Ending::Recorded)
        }
        ChannelState::NotPaid | ChannelState::Paying
            if matches!(known.state, AttemptState::Intended | AttemptState::Unknown) =>
        {
            Settled::new(
                TradeEvent::AttemptPlaced { attempt, reach: None },
                false,
                Ending::Recorded,
            )
        }
        _ => Settled::nothing(Ending::Recorded),
    }
}

/// Paid under our number with another amount than ordered, by the channel's own word. Another trade of the account may have the
/// number, or ours was paid amiss: which it is nobody can tell here. So nothing is charged again, under this or another
/// number, nothing is taken back, and people say whose it is; the merchant is told that it is unresolved.
//= C31
//= C60
pub(super) fn amiss(known: &Attempt, attempt: u16, proof: Proof, mut mismatch: Settled) -> Settled {
    use AttemptState as S;
    let open = matches!(known.state, S::Intended | S::Unknown | S::Placed);
    if proof == Proof::Query && open && !known.is_reversing() {
        let event = TradeEvent::AttemptUnresolved { attempt };
        mismatch.events.push(Happening { event, tell: true });
    }
    mismatch
}

/// A try that failed on the payer's side, of an order that is open: on record once, where the watch looks (T16, T26). That the
/// channel has the order is news where its answer was lost, but for what is told once: the sweep finds out about that.
pub(super) fn declined<'a>(
    known: &'a Attempt,
    attempt: u16,
    code: &'a std::sync::Arc<str>,
    payer: Option<PayerToken>,
) -> impl Iterator<Item = Happening> + 'a {
    let open = !known.state.is_final();
    let placed = matches!(known.state, AttemptState::Intended | AttemptState::Unknown)
        && !known.is_reversing()
        && !known.pay_way.is_told_once(known.channel);
    let placed = placed.then_some(TradeEvent::AttemptPlaced { attempt, reach: None });
    let declined = (open && !known.declined).then(|| TradeEvent::AttemptDeclined {
        attempt,
        code: code.clone(),
        payer,
    });
    placed.into_iter().chain(declined).map(Happening::from)
}

#[cfg(test)]
#[path = "settle_tests.rs"]
pub(crate) mod tests;
