//! What must be known of an order to count what happens to it: agent, channel, way to pay and amount of its attempts, and its
//! refunds. A cache that may be thrown away: the entries of an order are linked, and the way back is always there.

use domain::*;
use std::collections::HashMap;

/// Orders that are remembered at once (some hundred octets each).
const MOST_ORDERS: usize = 200_000;
/// No order has more entries than this on the way back.
const MOST_STEPS: usize = 10_000;

#[derive(Clone, Debug, Default)]
pub(super) struct Knowledge(HashMap<PaymentId, Order>);

#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    attempts: Vec<(u16, Attempt)>,
    refunds: Vec<(RefundNo, Refund)>,
}

#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) agent: Option<AgentId>,
    pub(super) channel: Channel,
    pub(super) pay_way: PayWay,
    pub(super) amount: Amount,
    pub(super) paid: bool,
    /// When it came to an end unpaid, as far as was known then.
    pub(super) unpaid: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Refund {
    pub(super) attempt: u16,
    pub(super) amount: Amount,
}

impl Knowledge {
    /// Learns of an order that is known already; of another the way back will tell.
    pub(super) fn learn_more(&mut self, order: PaymentId, entry: &TradeEntry) {
        if let Some(known) = self.0.get_mut(&order) {
            known.learn(entry);
        }
    }

    /// The order as it stood before an entry whose predecessor is `prev`.
    pub(super) fn of(
        &mut self,
        order: PaymentId,
        prev: Option<u64>,
        earlier: &mut dyn FnMut(u64) -> Option<TradeEntry>,
    ) -> &mut Order {
        if self.0.len() >= MOST_ORDERS && !self.0.contains_key(&order) {
            self.0.clear();
        }
        self.0.entry(order).or_insert_with(|| {
            let way_back = std::iter::successors(prev.and_then(&mut *earlier), |entry| {
                entry.prev.and_then(&mut *earlier)
            });
            let entries: Vec<TradeEntry> = way_back.take(MOST_STEPS).collect();
            let mut known = Order::default();
            entries.iter().rev().for_each(|entry| known.learn(entry));
            known
        })
    }
}

impl Order {
    pub(super) fn learn(&mut self, entry: &TradeEntry) {
        match &entry.event {
            TradeEvent::AttemptIntended {
                attempt,
                amount,
                channel,
                pay_way,
                rates,
                ..
            } => {
                self.attempts.retain(|(no, _)| no != attempt);
                self.attempts.push((
                    *attempt,
                    Attempt {
                        agent: rates.as_ref().and_then(|rates| rates.agent.clone()),
                        channel: *channel,
                        pay_way: *pay_way,
                        amount: *amount,
                        paid: false,
                        unpaid: None,
                    },
                ));
            }
            TradeEvent::AttemptPaid { attempt, .. } => {
                if let Some(attempt) = self.attempt_mut(*attempt) {
                    (attempt.paid, attempt.unpaid) = (true, None);
                }
            }
            TradeEvent::AttemptClosed { attempt, .. }
            | TradeEvent::AttemptReversed { attempt, .. }
            | TradeEvent::AttemptNotPlaced { attempt, .. }
            | TradeEvent::AttemptUnresolved { attempt } => {
                if let Some(attempt) = self.attempt_mut(*attempt).filter(|attempt| !attempt.paid) {
                    attempt.unpaid = Some(entry.at);
                }
            }
            TradeEvent::RefundIntended {
                amount,
                attempt,
                refund_no,
                ..
            }
            | TradeEvent::RefundHeld {
                amount,
                attempt,
                refund_no,
                ..
            } => {
                self.refunds.retain(|(no, _)| no != refund_no);
                self.refunds.push((
                    refund_no.clone(),
                    Refund {
                        attempt: *attempt,
                        amount: *amount,
                    },
                ));
            }
            _ => {}
        }
    }

    fn attempt_mut(&mut self, no: u16) -> Option<&mut Attempt> {
        self.attempts
            .iter_mut()
            .find(|(known, _)| *known == no)
            .map(|(_, attempt)| attempt)
    }

    /// The attempt before this one by which the same order was to be paid in the same way.
    pub(super) fn before(&self, no: u16) -> Option<&Attempt> {
        let this = self.attempt(no)?;
        let same = |a: &Attempt| (a.channel, a.pay_way) == (this.channel, this.pay_way);
        let earlier = self.attempts.iter().filter(|(known, a)| *known < no && same(a));
        earlier
            .max_by_key(|(known, _)| *known)
            .map(|(_, attempt)| attempt)
    }

    pub(super) fn attempt(&self, no: u16) -> Option<&Attempt> {
        self.attempts
            .iter()
            .find(|(known, _)| *known == no)
            .map(|(_, attempt)| attempt)
    }

    pub(super) fn refund(&self, no: &RefundNo) -> Option<&Refund> {
        self.refunds
            .iter()
            .find(|(known, _)| known == no)
            .map(|(_, refund)| refund)
    }
}
