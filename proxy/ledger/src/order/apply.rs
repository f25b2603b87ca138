//! What an event changes.

use super::{Attempt, Closing, Order, Refund, Reversing};
use domain::*;

impl Order {
    /// Makes it so. The caller has checked; replay of a lawful journal always may.
    pub fn apply(&mut self, index: u64, at: Instant, event: &TradeEvent) {
        use TradeEvent as E;
        self.last = index;
        match event {
            E::AttemptIntended { .. } => self.attempts.extend(Attempt::begin(index, at, event)),
            E::NamedAtChannel {
                refund_no: Some(no),
                time,
                ..
            } => self.change_refund(no, |r| r.named = Some(*time)),
            E::NamedAtChannel { attempt, time, .. } => self.change(*attempt, |a| a.named = Some(*time)),
            E::BankNamed { attempt, bank } => self.change(*attempt, |a| a.bank = Some(bank.clone())),
            E::ReverseNamed {
                attempt,
                number,
                time,
                ..
            } => self.reverse_step(*attempt, |r| r.named = Some((number.clone(), *time))),
            E::AttemptCombined { attempt, with } => {
                self.change(*attempt, |a| a.combined = Some(with.clone()))
            }
            E::AttemptPlaced { attempt, reach } => self.change(*attempt, |a| {
                a.state = AttemptState::Placed;
                a.reach = reach.clone().map(|r| (r, at)).or(a.reach.take());
                a.unclear = None;
            }),
            E::AttemptNotPlaced {
                attempt,
                code,
                reason,
                ..
            } => self.change(*attempt, |a| {
                a.state = AttemptState::NotPlaced;
                a.not_placed = Some((*reason, code.clone()));
                a.reversing = None;
                a.unclear = None;
            }),
            E::AttemptDeclined { attempt, .. } => self.change(*attempt, |a| a.declined = true),
            E::AttemptUnknown { attempt, reason } => self.change(*attempt, |a| {
                a.state = AttemptState::Unknown;
                a.unclear = Some(*reason);
            }),
            E::AttemptPaid {
                attempt,
                facts,
                payer,
                proof,
                seal,
            } => self.change(*attempt, |a| {
                // A reverse that nobody told of is over; one under way goes on, and takes this payment back. So does one that
                // was done: it may have ended between a notice's reading and its record, and nobody undoes it then.
                if a.state == AttemptState::Unresolved {
                    a.reversing = None;
                }
                if let Some(again) = a.reversing.as_mut().filter(|_| a.state == AttemptState::Reversed) {
                    (again.done, again.refunded, again.looked) = (None, None, false);
                }
                a.state = AttemptState::Paid;
                a.paid = Some((facts.clone(), *proof));
                a.payer = payer.or(a.payer);
                a.paid_seal = *seal;
                a.closing = None;
                a.unclear = None;
            }),
            E::CloseIntended { attempt, reason } => self.change(*attempt, |a| {
                a.closing = Some(Closing {
                    reason: *reason,
                    refused: None,
                    unknown: false,
                    looked: false,
                });
            }),
            // The latest word stands: what was refused before may be done now.
            E::CloseUnknown { attempt, .. } => self.close_step(*attempt, |c| {
                c.unknown = true;
                c.refused = None;
            }),
            E::CloseRefused { attempt, code } => self.close_step(*attempt, |c| {
                c.refused = Some(code.clone());
                c.unknown = false;
            }),
            E::AttemptClosed { attempt, .. } => self.change(*attempt, |a| {
                a.state = AttemptState::Closed;
                a.reversing = None;
                a.unclear = None;
            }),
            E::ByCode { id, .. } => self.by_code = Some(id.clone()),
            E::Mismatched {
                number,
                proof: Proof::Answer | Proof::Query,
                what,
                ..
            } => {
                let said = (number.clone(), *what);
                if !self.mismatched.contains(&said) {
                    self.mismatched.push(said);
                }
            }
            E::AttemptUnresolved { attempt } => self.change(*attempt, |a| a.state = AttemptState::Unresolved),
            E::NothingCameLate { attempt } if self.attempt(*attempt).is_some_and(Attempt::was_left) => {
                self.close_step(*attempt, |c| c.looked = true)
            }
            E::ReverseIntended { .. }
            | E::ReverseUnknown { .. }
            | E::ReverseRefused { .. }
            | E::NothingCameLate { .. }
            | E::AttemptReversed { .. } => self.apply_reverse(at, event),
            _ => self.apply_refund(at, event),
        }
    }

    fn apply_reverse(&mut self, at: Instant, event: &TradeEvent) {
        use TradeEvent as E;
        match event {
            E::ReverseIntended { attempt, reason } => self.change(*attempt, |a| {
                if a.state == AttemptState::Reversed {
                    a.state = AttemptState::Unknown; // something came after all
                }
                a.reversing = Some(Box::new(Reversing {
                    reason: *reason,
                    at,
                    refused: None,
                    unknown: false,
                    refunded: None,
                    done: None,
                    named: None,
                    looked: false,
                }));
            }),
            E::ReverseUnknown { attempt, .. } => self.reverse_step(*attempt, |r| r.unknown = true),
            E::NothingCameLate { attempt } => self.reverse_step(*attempt, |r| r.looked = true),
            E::ReverseRefused { attempt, code } => self.reverse_step(*attempt, |r| {
                r.refused = Some(code.clone());
                r.unknown = false;
            }),
            E::AttemptReversed {
                attempt, refunded, ..
            } => {
                self.change(*attempt, |a| {
                    a.state = AttemptState::Reversed;
                    a.unclear = None;
                    a.reversing.get_or_insert_with(|| {
                        Box::new(Reversing {
                            reason: ReverseReason::Unknown,
                            at,
                            refused: None,
                            unknown: false,
                            refunded: None,
                            done: None,
                            named: None,
                            looked: false,
                        })
                    });
                });
                self.reverse_step(*attempt, |r| {
                    r.unknown = false;
                    r.refused = None;
                    r.refunded = *refunded;
                    r.done = Some(at);
                });
            }
            _ => {}
        }
    }

    fn apply_refund(&mut self, at: Instant, event: &TradeEvent) {
        use RefundState as S;
        use TradeEvent as E;
        match event {
            E::RefundHeld {
                amount,
                attempt,
                number,
                refund_no,
            } => {
                self.put_refund(
                    at,
                    *amount,
                    *attempt,
                    RefundCause::Merchant,
                    number,
                    refund_no,
                    S::Held,
                );
            }
            E::RefundIntended {
                amount,
                attempt,
                cause,
                number,
                refund_no,
            } => {
                self.put_refund(at, *amount, *attempt, *cause, number, refund_no, S::Intended);
            }
            E::RefundCancelled { refund_no } => self.change_refund(refund_no, |r| r.state = S::Cancelled),
            E::RefundUnknown { refund_no, .. } => self.change_refund(refund_no, |r| r.state = S::Unknown),
            E::RefundProcessing { refund_no, trade_no } => self.change_refund(refund_no, |r| {
                r.state = S::Processing;
                r.trade_no = trade_no.clone().or(r.trade_no.take());
            }),
            E::RefundSucceeded {
                refund_no,
                refunded_at,
                trade_no,
                ..
            } => self.change_refund(refund_no, |r| {
                r.state = S::Succeeded;
                r.code = None;
                r.refunded_at = *refunded_at;
                r.done = refunded_at.or(Some(at));
                r.trade_no = trade_no.clone().or(r.trade_no.take());
            }),
            E::RefundFailed { code, refund_no } => self.change_refund(refund_no, |r| {
                r.state = S::Failed;
                r.code = Some(code.clone());
            }),
            E::RefundAbnormal { refund_no } => self.change_refund(refund_no, |r| r.state = S::Abnormal),
            // Whether the channel has taken it on, a query tells; under the same number nothing is paid back twice.
            E::RefundRedirected { refund_no, .. } => self.change_refund(refund_no, |r| r.state = S::Unknown),
            E::RefundUnresolved { refund_no } => self.change_refund(refund_no, |r| r.state = S::Unresolved),
            _ => {}
        }
    }

    #[allow(clippy::too_many_arguments)] // the fields of one refund, named at the only two callers above
    fn put_refund(
        &mut self,
        at: Instant,
        amount: Amount,
        attempt: u16,
        cause: RefundCause,
        number: &ChannelNo,
        refund_no: &RefundNo,
        state: RefundState,
    ) {
        if let Some(earlier) = self.refunds.iter_mut().find(|r| r.refund_no == *refund_no) {
            earlier.state = state;
            earlier.code = None;
            earlier.intended = at;
            earlier.named = None;
            earlier.tries = earlier.tries.saturating_add(1);
            return;
        }
        self.refunds.push(Refund {
            refund_no: refund_no.clone(),
            number: number.clone(),
            amount,
            attempt,
            cause,
            state,
            at,
            intended: at,
            tries: u16::from(state == RefundState::Intended),
            trade_no: None,
            refunded_at: None,
            done: None,
            code: None,
            named: None,
        });
    }

    fn change(&mut self, position: u16, how: impl FnOnce(&mut Attempt)) {
        if let Some(found) = usize::from(position)
            .checked_sub(1)
            .and_then(|i| self.attempts.get_mut(i))
        {
            how(found);
        }
    }

    fn close_step(&mut self, position: u16, how: impl FnOnce(&mut Closing)) {
        self.change(position, |a| {
            if let Some(closing) = &mut a.closing {
                how(closing);
            }
        });
    }

    fn reverse_step(&mut self, position: u16, how: impl FnOnce(&mut Reversing)) {
        self.change(position, |a| {
            if let Some(reversing) = &mut a.reversing {
                how(reversing);
            }
        });
    }

    fn change_refund(&mut self, refund_no: &RefundNo, how: impl FnOnce(&mut Refund)) {
        if let Some(found) = self.refunds.iter_mut().find(|r| r.refund_no == *refund_no) {
            how(found);
        }
    }
}
