//! Which event may follow.

use super::{Attempt, Illegal, Order};
use domain::*;

/// What the merchant closed or undid goes on nowhere by itself, and no payer opens it again at its code. This binds when something new is put on record; what is on record
/// counts as it stands.
//= C65
const ENDED_BY_MERCHANT: &str = "the merchant has ended the attempt";

impl Order {
    /// May this event follow?
    pub fn check(&self, event: &TradeEvent) -> Result<(), Illegal> {
        let ok = self.may_follow(event);
        ok.map_err(|why| Illegal {
            event: event.name(),
            why,
        })
    }

    fn may_follow(&self, event: &TradeEvent) -> Result<(), &'static str> {
        use AttemptState as S;
        use TradeEvent as E;
        let attempt = |position: &u16| self.attempt(*position).ok_or("there is no such attempt");
        let within = |position: &u16, allowed: &[S]| {
            let found = attempt(position)?;
            if allowed.contains(&found.state) {
                Ok(())
            } else {
                Err("the attempt is in another state")
            }
        };
        match event {
            E::AttemptIntended {
                attempt: position,
                route,
                ..
            } => {
                let moves = route.as_ref().is_some_and(|r| r.why == RouteWhy::Failover);
                if moves && self.latest().ended_by_merchant() {
                    return Err(ENDED_BY_MERCHANT);
                }
                self.may_begin(*position)
            }
            E::AttemptCombined { attempt, .. } | E::BankNamed { attempt, .. } => {
                within(attempt, &[S::Intended])
            }
            E::NamedAtChannel {
                refund_no: Some(no), ..
            } => match self.refund(no).map(|r| r.state) {
                Some(RefundState::Intended) => Ok(()),
                _ => Err("no such refund was just intended"),
            },
            E::NamedAtChannel { attempt, .. } => within(attempt, &[S::Intended]),
            E::ReverseNamed { attempt: a, .. } => {
                let found = attempt(a)?;
                let just = found
                    .reversing
                    .as_ref()
                    .is_some_and(|r| r.named.is_none() && !r.unknown);
                match found.is_reversing() && just {
                    true => Ok(()),
                    false => Err("no reverse was just intended"),
                }
            }
            E::AttemptPlaced { attempt, .. } => within(attempt, &[S::Intended, S::Unknown, S::Placed]),
            // A payment code's charge that was accepted may be refused all the same (channels.md 4.4).
            E::AttemptNotPlaced { attempt: a, .. } if attempt(a)?.pay_way.charges() => {
                within(a, &[S::Intended, S::Unknown, S::Placed])
            }
            E::AttemptNotPlaced { attempt, .. } => within(attempt, &[S::Intended, S::Unknown]),
            E::AttemptDeclined { attempt: a, .. } => match attempt(a)?.declined {
                true => Err("that it was declined is on record"),
                false => within(a, &[S::Intended, S::Unknown, S::Placed]),
            },
            E::AttemptUnknown { attempt, .. } => within(attempt, &[S::Intended]),
            E::AttemptPaid { attempt, .. } => within(
                attempt,
                &[
                    S::Intended,
                    S::Unknown,
                    S::Placed,
                    S::Closed,
                    S::Reversed,
                    S::NotPlaced,
                    S::Unresolved,
                ],
            ),
            // The merchant's own close stays the merchant's.
            E::CloseIntended {
                attempt: a,
                reason: CloseReason::Replaced,
            } if attempt(a)?.ended_by_merchant() => Err(ENDED_BY_MERCHANT),
            E::CloseIntended { attempt, .. } => within(attempt, &[S::Intended, S::Unknown, S::Placed]),
            E::CloseUnknown { attempt: a, .. } | E::CloseRefused { attempt: a, .. } => attempt(a)?
                .closing
                .as_ref()
                .map(|_| ())
                .ok_or("no close was intended"),
            E::AttemptClosed { attempt, .. } => within(attempt, &[S::Intended, S::Unknown, S::Placed]),
            E::ReverseIntended { .. }
            | E::ReverseUnknown { .. }
            | E::ReverseRefused { .. }
            | E::AttemptReversed { .. } => self.may_reverse(event),
            E::NothingCameLate { attempt: a } => {
                let found = attempt(a)?;
                match found.may_come_late() || found.was_left() {
                    true => Ok(()),
                    false => Err("nothing is looked for"),
                }
            }
            // A reverse that only the merchant could ask for leaves open whether the payment stands.
            E::AttemptUnresolved { attempt: a } if attempt(a)?.is_reversing() => {
                within(a, &[S::Intended, S::Unknown, S::Placed, S::Paid])
            }
            E::AttemptUnresolved { attempt, .. } => within(attempt, &[S::Intended, S::Unknown, S::Placed]),
            E::RefundHeld { .. }
            | E::RefundIntended { .. }
            | E::RefundCancelled { .. }
            | E::RefundUnknown { .. }
            | E::RefundProcessing { .. }
            | E::RefundSucceeded { .. }
            | E::RefundFailed { .. }
            | E::RefundAbnormal { .. }
            | E::RefundRedirected { .. }
            | E::RefundUnresolved { .. } => self.may_refund(event),
            E::ByCode { attempt: a, .. }
                if (a.checked_sub(1).and_then(|former| self.attempt(former)))
                    .is_some_and(Attempt::ended_by_merchant) =>
            {
                Err(ENDED_BY_MERCHANT)
            }
            E::PatternSeen { .. } | E::Mismatched { .. } | E::ByCode { .. } => Ok(()),
            _ => Err("it is no event of an order"),
        }
    }

    fn may_begin(&self, position: u16) -> Result<(), &'static str> {
        if usize::from(position) != self.attempts.len() + 1 {
            return Err("attempts are numbered without gaps");
        }
        let over = |a: &Attempt| {
            matches!(
                a.state,
                AttemptState::Closed | AttemptState::Reversed | AttemptState::NotPlaced
            )
        };
        match self.attempts.iter().all(over) {
            true => Ok(()),
            false => Err("an earlier attempt is neither closed nor known to be absent"),
        }
    }

    /// Only what charges when it is placed is reversed, what UnionPay took, and what a server placed at Alipay; what was paid
    /// only whole, never beside refunds.
    fn may_reverse(&self, event: &TradeEvent) -> Result<(), &'static str> {
        use AttemptState as S;
        use TradeEvent as E;
        let (E::ReverseIntended {
            attempt: position, ..
        }
        | E::ReverseUnknown {
            attempt: position, ..
        }
        | E::ReverseRefused {
            attempt: position, ..
        }
        | E::AttemptReversed {
            attempt: position, ..
        }) = event
        else {
            return Err("it is no event of a reverse");
        };
        let attempt = self.attempt(*position).ok_or("there is no such attempt")?;
        let open = matches!(attempt.state, S::Intended | S::Unknown | S::Placed | S::Paid)
            // News of a reverse that nobody had told of in time.
            || attempt.state == S::Unresolved && matches!(event, E::AttemptReversed { .. });
        match event {
            _ if !attempt.may_be_reversed() => Err("its channel has no word that undoes it"),
            // A charge that came late and waits for its payer is undone like any other.
            E::ReverseIntended { .. } if attempt.may_come_late() => Ok(()),
            _ if !open => Err("the attempt is in another state"),
            E::ReverseIntended { .. } if !self.reserved(*position).is_zero() => {
                Err("refunds hold or have returned a part")
            }
            E::ReverseIntended { .. } if attempt.is_reversing() => Err("a reverse is under way"),
            // The channel's own word that it was reversed needs no intent of ours.
            E::ReverseIntended { .. } | E::AttemptReversed { .. } => Ok(()),
            _ if attempt.is_reversing() => Ok(()),
            _ => Err("no reverse was intended"),
        }
    }

    fn may_refund(&self, event: &TradeEvent) -> Result<(), &'static str> {
        use RefundState as S;
        use TradeEvent as E;
        let begun = |amount: &Amount, position: &u16, refund_no: &RefundNo, from: &[S]| {
            let standing = self.attempt(*position).filter(|a| a.stands());
            let paid = standing.and_then(|a| a.paid.as_ref()).ok_or("nothing was paid")?;
            let mut reserved = self.reserved(*position);
            if let Some(earlier) = self.refund(refund_no) {
                if !from.contains(&earlier.state) || earlier.amount != *amount || earlier.attempt != *position
                {
                    return Err("the refund number is taken");
                }
                if earlier.state.reserves() {
                    reserved = reserved.checked_sub(*amount).ok_or("refunds do not add up")?;
                }
            }
            match reserved.checked_add(*amount) {
                Some(total) if total <= paid.0.amount && !amount.is_zero() => Ok(()),
                _ => Err("refunds would exceed what was paid"),
            }
        };
        let within = |refund_no: &RefundNo, allowed: &[S]| match self.refund(refund_no) {
            Some(refund) if allowed.contains(&refund.state) => Ok(()),
            Some(_) => Err("the refund is in another state"),
            None => Err("there is no such refund"),
        };
        match event {
            E::RefundHeld {
                amount,
                attempt,
                refund_no,
                ..
            } => begun(amount, attempt, refund_no, &[]),
            E::RefundIntended {
                amount,
                attempt,
                refund_no,
                ..
            } => begun(amount, attempt, refund_no, &[S::Held, S::Failed]),
            E::RefundCancelled { refund_no } => within(refund_no, &[S::Held]),
            E::RefundUnknown { refund_no, .. } => within(refund_no, &[S::Intended]),
            E::RefundProcessing { refund_no, .. } => within(refund_no, &[S::Intended, S::Unknown]),
            // A fact is a fact, also after a refusal that was taken for the last word.
            E::RefundSucceeded { refund_no, .. } => within(
                refund_no,
                &[
                    S::Intended,
                    S::Unknown,
                    S::Processing,
                    S::Abnormal,
                    S::Failed,
                    S::Unresolved,
                ],
            ),
            E::RefundFailed { refund_no, .. } => within(
                refund_no,
                &[S::Intended, S::Unknown, S::Processing, S::Abnormal, S::Unresolved],
            ),
            E::RefundAbnormal { refund_no } => within(
                refund_no,
                &[S::Intended, S::Unknown, S::Processing, S::Unresolved],
            ),
            //= C78
            E::RefundRedirected { refund_no, .. } => within(refund_no, &[S::Abnormal]),
            E::RefundUnresolved { refund_no } => within(refund_no, &[S::Intended, S::Unknown, S::Processing]),
            _ => Err("it is no event of a refund"),
        }
    }
}
