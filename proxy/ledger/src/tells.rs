//! What merchants still have to be told: a fold over entries with a `tell` number and their `told` answers.

use domain::{Instant, MerchantId, PaymentId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// One notification that the merchant has not acknowledged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tell {
    /// Whose.
    pub merchant: MerchantId,
    /// Gapless number per merchant.
    pub seq: u64,
    /// Which order.
    pub order: PaymentId,
    /// Index of the entry to tell of.
    pub index: u64,
    /// When it happened.
    pub at: Instant,
}

/// All pending notifications.
#[derive(Default, Clone, Debug)]
pub(crate) struct Tells {
    pending: HashMap<MerchantId, BTreeMap<u64, Tell>>,
    /// How many of each order: asked after every acknowledgement, however many others a merchant lets wait.
    of_order: HashMap<PaymentId, u32>,
}

impl Tells {
    pub(crate) fn add(&mut self, tell: Tell) {
        let order = tell.order;
        let former = self
            .pending
            .entry(tell.merchant.clone())
            .or_default()
            .insert(tell.seq, tell);
        former.iter().for_each(|former| self.one_less(former.order));
        *self.of_order.entry(order).or_default() += 1;
    }

    /// True if it was pending.
    pub(crate) fn done(&mut self, merchant: &MerchantId, seq: u64) -> bool {
        let done = self
            .pending
            .get_mut(merchant)
            .and_then(|pending| pending.remove(&seq));
        done.iter().for_each(|done| self.one_less(done.order));
        done.is_some()
    }

    /// True while one of this order is pending.
    pub(crate) fn has(&self, order: &PaymentId) -> bool {
        self.of_order.contains_key(order)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Tell> {
        self.pending.values().flat_map(BTreeMap::values)
    }

    pub(crate) fn len(&self) -> usize {
        self.pending.values().map(BTreeMap::len).sum()
    }

    fn one_less(&mut self, order: PaymentId) {
        match self.of_order.get_mut(&order) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.of_order.remove(&order)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_pending_until_its_last_notification_is_done() {
        let merchant = MerchantId::new("m1").expect("lawful");
        let (one, other) = (PaymentId::from_bytes([1; 16]), PaymentId::from_bytes([2; 16]));
        let mut tells = Tells::default();
        for (seq, order) in [(1, one), (2, one), (3, other)] {
            tells.add(Tell {
                merchant: merchant.clone(),
                seq,
                order,
                index: seq,
                at: Instant::default(),
            });
        }
        tells.done(&merchant, 2);
        assert!(tells.has(&one), "the first is still to be told");
        tells.done(&merchant, 1);
        assert!(!tells.has(&one) && tells.has(&other));
    }
}
