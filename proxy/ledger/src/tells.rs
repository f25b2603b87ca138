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
#[derive(Default, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tells(HashMap<MerchantId, BTreeMap<u64, Tell>>);

impl Tells {
    pub(crate) fn add(&mut self, tell: Tell) {
        self.0.entry(tell.merchant.clone()).or_default().insert(tell.seq, tell);
    }

    /// True if it was pending.
    pub(crate) fn done(&mut self, merchant: &MerchantId, seq: u64) -> bool {
        self.0.get_mut(merchant).is_some_and(|pending| pending.remove(&seq).is_some())
    }

    /// True while one of this order is pending.
    pub(crate) fn has(&self, merchant: &MerchantId, order: &PaymentId) -> bool {
        self.0.get(merchant).is_some_and(|pending| pending.values().any(|tell| tell.order == *order))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Tell> {
        self.0.values().flat_map(BTreeMap::values)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
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
            tells.add(Tell { merchant: merchant.clone(), seq, order, index: seq, at: Instant::default() });
        }
        tells.done(&merchant, 2);
        assert!(tells.has(&merchant, &one), "the first is still to be told");
        tells.done(&merchant, 1);
        assert!(!tells.has(&merchant, &one) && tells.has(&merchant, &other));
    }
}
