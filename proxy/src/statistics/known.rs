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
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Refund {
    pub(super) attempt: u16,
    pub(super) amount: Amount,
}

impl Knowledge {
    /// Learns of an order that is known already; of another the way back will tell.
    pub(super) fn learn_more(&mut self, order: PaymentId, event: &TradeEvent) {
        if let Some(known) = self.0.get_mut(&order) {
            known.learn(event);
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
            entries.iter().rev().for_each(|entry| known.learn(&entry.event));
            known
        })
    }
}

impl Order {
    pub(super) fn learn(&mut self, event: &TradeEvent) {
        match event {
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
                    },
                ));
            }
            TradeEvent::AttemptPaid { attempt, .. } => {
                self.attempts
                    .iter_mut()
                    .filter(|(no, _)| no == attempt)
                    .for_each(|(_, attempt)| attempt.paid = true);
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
