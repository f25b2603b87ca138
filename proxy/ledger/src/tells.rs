//! What merchants still have to be told: a fold over entries with a `tell` number and their `told` answers.

use domain::{Instant, MerchantId, PaymentId};
use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

/// One notification that the merchant has not acknowledged.
#[derive(Clone, Debug, PartialEq)]
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
    /// Numbers of each order: asked after every acknowledgement, however many others a merchant lets wait.
    of_order: HashMap<PaymentId, Vec<u64>>,
}

impl Tells {
    pub(crate) fn add(&mut self, tell: Tell) {
        let (order, seq) = (tell.order, tell.seq);
        let former = self
            .pending
            .entry(tell.merchant.clone())
            .or_default()
            .insert(tell.seq, tell);
        former.iter().for_each(|former| self.one_less(former));
        self.of_order.entry(order).or_default().push(seq);
    }

    /// True if it was pending.
    pub(crate) fn done(&mut self, merchant: &MerchantId, seq: u64) -> bool {
        let done = self
            .pending
            .get_mut(merchant)
            .and_then(|pending| pending.remove(&seq));
        done.iter().for_each(|done| self.one_less(done));
        done.is_some()
    }

    /// True while it is pending.
    pub(crate) fn is_pending(&self, merchant: &MerchantId, seq: u64) -> bool {
        self.pending
            .get(merchant)
            .is_some_and(|pending| pending.contains_key(&seq))
    }

    /// Those of one order of a merchant.
    pub(crate) fn of(&self, merchant: &MerchantId, order: &PaymentId) -> impl Iterator<Item = &Tell> {
        let pending = self.pending.get(merchant);
        let numbers = self.of_order.get(order).into_iter().flatten();
        numbers.filter_map(move |seq| pending?.get(seq))
    }

    /// The oldest of each merchant.
    pub(crate) fn oldest(&self) -> impl Iterator<Item = &Tell> {
        self.pending
            .values()
            .filter_map(|pending| pending.values().next())
    }

    /// Those of a merchant with numbers above this one, the oldest first.
    pub(crate) fn after(&self, merchant: &MerchantId, seq: u64) -> impl Iterator<Item = &Tell> {
        let pending = self.pending.get(merchant).into_iter();
        pending.flat_map(move |pending| {
            pending
                .range((Bound::Excluded(seq), Bound::Unbounded))
                .map(|(_, tell)| tell)
        })
    }

    /// True while one of this order is pending.
    pub(crate) fn has(&self, order: &PaymentId) -> bool {
        self.of_order.contains_key(order)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Tell> {
        self.pending.values().flat_map(BTreeMap::values)
    }

    fn one_less(&mut self, done: &Tell) {
        if let Some(numbers) = self.of_order.get_mut(&done.order) {
            numbers.retain(|seq| *seq != done.seq);
            if numbers.is_empty() {
                self.of_order.remove(&done.order);
            }
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
        let seqs = |tells: &mut dyn Iterator<Item = &Tell>| tells.map(|tell| tell.seq).collect::<Vec<_>>();
        assert_eq!(seqs(&mut tells.of(&merchant, &one)), [1, 2]);
        assert_eq!(seqs(&mut tells.after(&merchant, 1)), [2, 3]);
        assert_eq!(seqs(&mut tells.oldest()), [1]);
        tells.done(&merchant, 2);
        assert!(tells.has(&one), "the first is still to be told");
        assert_eq!(seqs(&mut tells.of(&merchant, &one)), [1]);
        tells.done(&merchant, 1);
        assert!(!tells.has(&one) && tells.has(&other));
    }
}
