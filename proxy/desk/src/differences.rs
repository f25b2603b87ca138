//! Differences between channels' bills and the record (对账) that stand, as the trades journal names them: those of bills that
//! were compared to their end. What is taken anew is found anew, and a later bill's word on the same movement settles what
//! was missing in an earlier one. So officers see what the merchant sees.

use domain::*;
use parking_lot::RwLock;
use policy::books::{About, is_missing, settles};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// So many days back merchants can ask. What is older and was resolved is in the journal only; what is open stays.
const DAYS_KEPT: i32 = 120;

/// The oldest day of which everything is kept, where bills have come as far as `newest`.
pub(crate) fn oldest_kept(newest: Day) -> Day {
    Day::from_number(newest.number() - DAYS_KEPT)
}

/// A difference where it stands in the trades journal.
#[derive(Clone, PartialEq, Debug)]
pub struct Difference {
    /// Whose.
    pub merchant: MerchantId,
    /// When it was found.
    pub at: Instant,
    /// What it is.
    pub event: TradeEvent,
}

#[derive(Default)]
struct Seen {
    /// Of bills that are not compared to their end.
    comparing: BTreeMap<BillKey, BTreeMap<u64, Arc<Difference>>>,
    /// Of bills that are.
    compared: BTreeMap<BillKey, BTreeMap<u64, Arc<Difference>>>,
    /// Where one movement was called missing, or that was settled.
    words: BTreeMap<About, BTreeMap<u64, Arc<Difference>>>,
    standing: BTreeMap<u64, Arc<Difference>>,
    resolved: BTreeSet<u64>,
    /// The latest day of which a bill was compared.
    newest: Option<Day>,
}

/// Every difference that was read and stands, by its place in the trades journal. Read anew at each start, like all of that
/// journal.
#[derive(Default)]
pub struct Differences(RwLock<Seen>);

impl Differences {
    /// Takes an entry of the trades journal.
    pub fn observe(&self, index: u64, entry: &TradeEntry) {
        let Some(merchant) = &entry.merchant else { return };
        let seen = || self.0.write();
        match &entry.event {
            TradeEvent::BillTaken {
                again: false, bill, ..
            } => seen().begin(bill),
            TradeEvent::BillSettled { bill, difference } => seen().settle(bill, *difference),
            TradeEvent::BillDiffers { bill, .. } => {
                let difference = Difference {
                    merchant: merchant.clone(),
                    at: entry.at,
                    event: entry.event.clone(),
                };
                let mut seen = seen();
                let of_bill = seen.comparing.entry(bill.clone()).or_default();
                of_bill.insert(index, Arc::new(difference));
            }
            TradeEvent::BillMatched { bill, .. } => seen().end(bill),
            TradeEvent::BillResolved { difference, .. } => seen().resolve(*difference),
            _ => {}
        }
    }

    /// One of them.
    pub fn get(&self, index: u64) -> Option<Arc<Difference>> {
        self.0.read().standing.get(&index).cloned()
    }

    /// Those that `wanted` wants, the latest first, `most` at most, and how many more there are.
    pub fn list(
        &self,
        wanted: impl Fn(u64, &Difference) -> bool,
        most: usize,
    ) -> (Vec<(u64, Arc<Difference>)>, usize) {
        let seen = self.0.read();
        let mut all = seen.standing.iter().rev().filter(|(index, d)| wanted(**index, d));
        let shown = all.by_ref().take(most).map(|(index, d)| (*index, d.clone()));
        (shown.collect(), all.count())
    }
}

impl Seen {
    /// The comparison begins anew: what it finds it names again.
    fn begin(&mut self, bill: &BillKey) {
        self.comparing.remove(bill);
        let gone = self.compared.remove(bill).unwrap_or_default();
        for index in gone.keys() {
            self.standing.remove(index);
            self.resolved.remove(index);
        }
        for about in self.take_back(&gone) {
            self.judge(&about);
        }
    }

    /// A later comparison of the same bill does not find it any more.
    fn settle(&mut self, bill: &BillKey, index: u64) {
        let lists = [&mut self.comparing, &mut self.compared].into_iter();
        let gone: BTreeMap<_, _> = lists
            .filter_map(|all| Some((index, all.get_mut(bill)?.remove(&index)?)))
            .collect();
        self.standing.remove(&index);
        self.resolved.remove(&index);
        for about in self.take_back(&gone) {
            self.judge(&about);
        }
    }

    fn end(&mut self, bill: &BillKey) {
        let found = self.comparing.remove(bill).unwrap_or_default();
        let mut abouts = BTreeSet::new();
        for (index, difference) in &found {
            match About::of(&difference.event).filter(|_| settles(&difference.event)) {
                Some(about) => {
                    let words = self.words.entry(about.clone()).or_default();
                    words.insert(*index, difference.clone());
                    abouts.insert(about);
                }
                None => drop(self.standing.insert(*index, difference.clone())),
            }
        }
        abouts.iter().for_each(|about| self.judge(about));
        self.compared.entry(bill.clone()).or_default().extend(found);
        self.forget(bill.day);
    }

    fn resolve(&mut self, index: u64) {
        if self.standing.contains_key(&index) {
            self.resolved.insert(index);
        }
    }

    /// Which words on one movement stand: none that calls it missing before another.
    fn judge(&mut self, about: &About) {
        let mut later = false;
        for (index, word) in self.words.get(about).into_iter().flatten().rev() {
            if later && is_missing(&word.event) {
                self.standing.remove(index);
            } else {
                self.standing.insert(*index, word.clone());
            }
            later = true;
        }
    }

    /// Takes words back; yields what they were about.
    fn take_back(&mut self, gone: &BTreeMap<u64, Arc<Difference>>) -> BTreeSet<About> {
        let mut abouts = BTreeSet::new();
        for (index, difference) in gone {
            let Some(about) = About::of(&difference.event) else {
                continue;
            };
            let Some(words) = self.words.get_mut(&about) else {
                continue;
            };
            words.remove(index);
            if words.is_empty() {
                self.words.remove(&about);
            } else {
                abouts.insert(about);
            }
        }
        abouts
    }

    /// Old bills of which nothing is open are left to the journal.
    fn forget(&mut self, newest: Day) {
        if self.newest.is_some_and(|known| newest <= known) {
            return;
        }
        self.newest = Some(newest);
        let oldest = oldest_kept(newest);
        let open = |index: &u64| self.standing.contains_key(index) && !self.resolved.contains(index);
        let old = self.compared.iter().take_while(|(bill, _)| bill.day < oldest);
        let done = old.filter(|(_, all)| !all.keys().any(open));
        let done: Vec<BillKey> = done.map(|(bill, _)| bill.clone()).collect();
        for bill in done {
            let gone = self.compared.remove(&bill).unwrap_or_default();
            for index in gone.keys() {
                self.standing.remove(index);
                self.resolved.remove(index);
            }
            // What they settled was older and stays settled.
            self.take_back(&gone);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(seen: &Differences, index: u64, event: TradeEvent) {
        let entry = TradeEntry {
            at: Instant::from_secs(0),
            event,
            merchant: Some(MerchantId::new("m1").expect("lawful")),
            mseq: None,
            order: None,
            prev: None,
            salt: Salt::from_bytes([0; 16]),
            tell: None,
            v: ENTRY_VERSION,
        };
        seen.observe(index, &entry);
    }

    /// A bill of a day with one difference at an index.
    fn compare(seen: &Differences, day: i32, index: u64) {
        let none = Amount::from_fen(0);
        let bill = BillKey {
            account: AccountNo::new("1900000109").expect("lawful"),
            channel: Channel::Wechat,
            day: Day::from_number(day),
            kind: BillKind::Trade,
        };
        let found = TradeEvent::BillDiffers {
            amount: None,
            bill: bill.clone(),
            bill_amount: None,
            bill_state: None,
            bill_trade_no: None,
            day: bill.day,
            difference: DifferenceKind::Amount,
            movement: Movement::Payment,
            n: 1,
            number: None,
            payment: None,
            refund: None,
            state: None,
            trade_no: None,
        };
        put(seen, index, found);
        let end = TradeEvent::BillMatched {
            bill,
            differences: 1,
            fee_millifen: 0,
            lines: 1,
            paid: none,
            payments: 1,
            refunded: none,
            refunds: 0,
        };
        put(seen, index + 1, end);
    }

    #[test]
    fn what_is_old_and_resolved_is_left_to_the_journal_and_what_is_open_stays() {
        let seen = Differences::default();
        compare(&seen, 1000, 0);
        compare(&seen, 1001, 10);
        let bill = BillKey {
            account: AccountNo::new("1900000109").expect("lawful"),
            channel: Channel::Wechat,
            day: Day::from_number(1000),
            kind: BillKind::Trade,
        };
        let resolved = TradeEvent::BillResolved {
            bill,
            cases_index: 1,
            difference: 0,
            resolution: Resolution::Explained,
        };
        put(&seen, 20, resolved);
        let there = |seen: &Differences| -> Vec<u64> {
            let (rows, _) = seen.list(|_, _| true, 9);
            rows.into_iter().map(|(index, _)| index).collect()
        };
        compare(&seen, 1000 + DAYS_KEPT, 30);
        assert_eq!(there(&seen), [30, 10, 0], "merchants can ask for that day");
        compare(&seen, 1001 + DAYS_KEPT, 40);
        assert_eq!(there(&seen), [40, 30, 10]);
        compare(&seen, 1900, 50);
        assert_eq!(there(&seen), [50, 40, 30, 10]);
    }
}
