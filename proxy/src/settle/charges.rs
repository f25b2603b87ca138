//! What a channel's word on a payment-code order (付款码) means: its charging call, its reverse, its state.

use super::{
    Ending, Settled, amiss, answered_amiss, declined, fits::says_nothing, order_seen, place_failed, unknown,
};
use channel::{
    Answer, ChannelState, Failure, FailureClass, OrderView, ReverseView,
    auth_code::{Refusal, refusal},
};
use domain::*;
use ledger::{Attempt, Happening, Order};

/// The channel's answer to the charging call.
pub fn charged(
    order: &Order,
    attempt: u16,
    answer: Answer,
    payer: Option<PayerToken>,
    seal: Option<SealRef>,
) -> Settled {
    match answer {
        Answer::Waiting => Settled::new(
            TradeEvent::AttemptPlaced { attempt, reach: None },
            false,
            Ending::Recorded,
        ),
        Answer::State(view) => {
            let mut settled = order_seen(order, attempt, &view, Proof::Answer, payer, seal);
            // An answer about another amount, account or number says nothing of ours: it is asked for.
            if says_nothing(&settled) {
                settled.events.extend(unknown(attempt, Unclear::Garbage).events);
                settled.ending = Ending::Unknown;
            }
            settled
        }
        Answer::Failed(failure) | Answer::Declined(failure, _) => refused(order, attempt, failure, payer),
        Answer::Amiss(what) => answered_amiss(order, attempt, what),
        Answer::Unclear(reason) => unknown(attempt, reason),
        _ => unknown(attempt, Unclear::Garbage),
    }
}

/// A refusal, marked where it is the payer's side that said no, so that the watch can tell (T16, T26). That the number was
/// used with other content is none: there is a trade under it, which may be ours from before a loss of the index and at its
/// payer still (channels.md 2.2). It is asked for, and until it is known to have ended nothing is charged under another
/// number.
//= C27
//= C60
fn refused(order: &Order, attempt: u16, failure: Failure, payer: Option<PayerToken>) -> Settled {
    if failure.class == FailureClass::Changed {
        return unknown(attempt, Unclear::ChannelError);
    }
    let by_payer = order
        .attempt(attempt)
        .is_some_and(|a| refusal(a.channel, &failure.code) == Refusal::Payer);
    let mut settled = place_failed(attempt, failure);
    for happening in settled.events.iter_mut().filter(|_| by_payer) {
        if let TradeEvent::AttemptNotPlaced { declined, .. } = &mut happening.event {
            *declined = Some(Declined { payer });
        }
    }
    settled
}

/// The channel's answer to a reverse. That there is nothing to reverse is an end too: a payment that comes later is put on
/// record and taken back (see [`seen`]). Not so `may_come`, where a code is in somebody's hands that nobody has scanned yet:
/// then the reverse stays open, and takes back what is paid by that code.
//= C60
//= C88
pub fn reversed(order: &Order, attempt: u16, answer: Answer, may_come: bool) -> Settled {
    let known = order.attempt(attempt);
    let unknown = |reason| match known
        .and_then(|a| a.reversing.as_ref())
        .is_some_and(|r| r.unknown)
    {
        true => Settled::nothing(Ending::Unknown), // once is enough
        false => Settled::new(
            TradeEvent::ReverseUnknown { attempt, reason },
            false,
            Ending::Unknown,
        ),
    };
    let taken = known.and_then(|a| a.paid.as_ref()).map(|_| true);
    let done = |refunded| {
        Settled::new(
            TradeEvent::AttemptReversed {
                attempt,
                proof: Proof::Answer,
                refunded,
            },
            order.ends_with(attempt),
            Ending::Recorded,
        )
    };
    match answer {
        Answer::Reversed(ReverseView { again: true, .. }) => unknown(None),
        Answer::Reversed(ReverseView { absent: true, .. }) if may_come => unknown(Some(Unclear::NotOpened)),
        // WeChat does not tell, but what it had taken is known.
        Answer::Reversed(ReverseView { refunded, .. }) => done(refunded.or(taken)),
        Answer::Failed(Failure { code, class }) => match class {
            FailureClass::NotFound if may_come => unknown(Some(Unclear::NotOpened)),
            FailureClass::NotFound => done(Some(false)),
            FailureClass::AlreadyClosed => done(taken),
            FailureClass::Unknown | FailureClass::Busy | FailureClass::Duplicate => {
                unknown(Some(Unclear::ChannelError))
            }
            _ => {
                // A payment that arrived meanwhile stands now, and the merchant has not heard of it.
                let tell = known.is_some_and(|a| a.paid.is_some());
                Settled::new(
                    TradeEvent::ReverseRefused {
                        attempt,
                        code: code.clone(),
                    },
                    tell,
                    Ending::Refused(code),
                )
            }
        },
        Answer::Unclear(reason) => unknown(Some(reason)),
        _ => unknown(Some(Unclear::Garbage)),
    }
}

/// A channel's statement, and the attempt on record that it is about.
pub(super) struct Seen<'a> {
    pub(super) known: &'a Attempt,
    pub(super) attempt: u16,
    /// What becomes of it becomes of the order.
    pub(super) ends_the_order: bool,
    pub(super) view: &'a OrderView,
    pub(super) proof: Proof,
    /// The pseudonym of who paid or was refused, where the channel tells.
    pub(super) payer: Option<PayerToken>,
}

/// What the channel states of a payment-code order.
//= C31
//= C60
pub(super) fn seen(
    it: Seen<'_>,
    mismatch: &dyn Fn(Mismatch) -> Settled,
    paid: &dyn Fn(&PaidFacts) -> TradeEvent,
) -> Settled {
    let Seen {
        known,
        attempt,
        ends_the_order,
        view,
        proof,
        payer,
    } = it;
    let open = !known.state.is_final();
    // Late news of a reverse of which nobody had told in time is news of it all the same.
    let reversing = known.is_reversing()
        || known.state == AttemptState::Unresolved
            && known.reversing.as_ref().is_some_and(|r| r.refused.is_none());
    // WeChat says REFUND of a payment of which a part went back, too (channels.md 1.11): the rest of it stands. Of one that our own
    // reverse is taking back, all is back.
    let whole = known.channel != Channel::Wechat || reversing;
    let reversed = |refunded| Happening {
        event: TradeEvent::AttemptReversed {
            attempt,
            proof,
            refunded,
        },
        tell: ends_the_order,
    };
    let events = match (&view.state, &known.paid) {
        (ChannelState::Paid(facts) | ChannelState::Refunded(facts), _) if facts.amount != known.amount => {
            return amiss(known, attempt, proof, mismatch(Mismatch::Amount));
        }
        (ChannelState::Paid(facts) | ChannelState::Refunded(facts), Some((ours, _)))
            if ours.trade_no != facts.trade_no =>
        {
            return mismatch(Mismatch::TradeNo);
        }
        // Paid, and all of it is back: nobody is charged, and nobody needs to hear of a payment first.
        (ChannelState::Refunded(facts), None) if open && whole => {
            vec![paid(facts).into(), reversed(Some(true))]
        }
        (ChannelState::Refunded(_), Some(_)) if reversing => vec![reversed(Some(true))],
        (ChannelState::Paid(facts), None) => paid_now(&it, facts, mismatch, paid),
        (ChannelState::Refunded(facts), None) if !whole && known.state != AttemptState::Reversed => {
            paid_now(&it, facts, mismatch, paid)
        }
        (ChannelState::Refused(_), None) if reversing => vec![reversed(Some(false))],
        (ChannelState::Refused(code), None) if open => vec![Happening {
            event: TradeEvent::AttemptNotPlaced {
                attempt,
                code: Some(code.clone()),
                declined: (refusal(known.channel, code) == Refusal::Payer).then_some(Declined { payer }),
                reason: NotPlaced::Refused,
            },
            tell: true,
        }],
        (ChannelState::Closed, None) if reversing => vec![reversed(Some(false))],
        (ChannelState::Closed, None) if open => vec![Happening {
            event: TradeEvent::AttemptClosed { attempt, proof },
            tell: true,
        }],
        (ChannelState::Reversed, taken) if open || reversing => {
            vec![reversed(taken.as_ref().map(|_| true))]
        }
        (ChannelState::Declined(code), None) => declined(known, attempt, code, payer).collect(),
        (ChannelState::NotPaid | ChannelState::Paying, None)
            if matches!(known.state, AttemptState::Intended | AttemptState::Unknown)
                && !known.is_reversing() =>
        {
            vec![TradeEvent::AttemptPlaced { attempt, reach: None }.into()]
        }
        _ => Vec::new(),
    };
    Settled::of(events, Ending::Recorded)
}

/// A payment that is news. While a reverse is under way it does not stand, and the merchant hears of the end only. After
/// a reverse that found nothing it came late, and is taken back.
fn paid_now(
    it: &Seen<'_>,
    facts: &PaidFacts,
    mismatch: &dyn Fn(Mismatch) -> Settled,
    paid: &dyn Fn(&PaidFacts) -> TradeEvent,
) -> Vec<Happening> {
    let known = it.known;
    let with_mismatch =
        |rest: Vec<Happening>| mismatch(Mismatch::State).events.into_iter().chain(rest).collect();
    match known.state {
        AttemptState::Reversed => match known.reversing.as_ref().and_then(|r| r.refunded) {
            // Said before the reverse, or not the channel's latest word.
            Some(true) => Vec::new(),
            None if it.proof != Proof::Query => Vec::new(),
            // Its reverse is under way again with that (see the ledger).
            _ => with_mismatch(vec![paid(facts).into()]),
        },
        AttemptState::Closed | AttemptState::NotPlaced => with_mismatch(vec![Happening {
            event: paid(facts),
            tell: true,
        }]),
        _ => vec![Happening {
            event: paid(facts),
            tell: !known.is_reversing(),
        }],
    }
}

#[cfg(test)]
#[path = "charges_tests.rs"]
mod tests;
