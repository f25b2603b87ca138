//! How far the bills of each account and day are (对账): where in the journal it stands, and nothing that is not there.

use domain::*;
use std::collections::BTreeMap;

/// Older days are forgotten here; the journal keeps them. Channels give bills of about three months back (channels.md 1.13).
pub const BILL_DAYS_KEPT: i32 = 120;

/// The bill that was taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TakenBill {
    /// Where that stands in the journal.
    pub index: u64,
    /// SHA-256 of the file; `None` where the channel says that there is none.
    pub digest: Option<Digest>,
    /// Our record counts up to this entry.
    pub entries: u64,
}

/// How far one bill is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BillHead {
    /// Whose account it is.
    pub merchant: MerchantId,
    /// How often it was asked for; 0 where its account had movements and is registered no longer.
    pub tries: u32,
    /// When last, or when it was found that nobody asks.
    pub asked: Instant,
    /// The last refusal, while nothing was taken since.
    pub refused: Option<std::sync::Arc<str>>,
    /// The bill that the rest is about.
    pub taken: Option<TakenBill>,
    /// Where its differences stand in the journal.
    pub differs: Vec<u64>,
    /// Where its early refunds stand.
    pub early: Vec<u64>,
    /// Where it stands what the channel did not answer.
    pub unanswered: Vec<u64>,
    /// Where its end stands: all was compared.
    pub matched: Option<u64>,
    /// What two officers made of differences, by where those stand.
    pub resolved: BTreeMap<u64, Resolution>,
}

/// All of them, by day.
#[derive(Default)]
pub(crate) struct Bills(BTreeMap<Day, BTreeMap<BillKey, BillHead>>);

impl FromIterator<(BillKey, BillHead)> for Bills {
    fn from_iter<T: IntoIterator<Item = (BillKey, BillHead)>>(all: T) -> Bills {
        let mut bills = Bills::default();
        for (key, head) in all {
            bills.0.entry(key.day).or_default().insert(key, head);
        }
        bills
    }
}

impl Bills {
    /// One of them.
    pub(crate) fn get(&self, key: &BillKey) -> Option<&BillHead> {
        self.0.get(&key.day)?.get(key)
    }

    /// Those of a day.
    pub(crate) fn of(&self, day: Day) -> impl Iterator<Item = (&BillKey, &BillHead)> {
        self.0.get(&day).into_iter().flatten()
    }

    /// Every one.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&BillKey, &BillHead)> {
        self.0.values().flatten()
    }

    pub(crate) fn follow(
        &mut self,
        index: u64,
        at: Instant,
        merchant: Option<&MerchantId>,
        event: &TradeEvent,
    ) {
        use TradeEvent as E;
        let (Some(key), Some(merchant)) = (key(event), merchant) else {
            return;
        };
        let day = key.day;
        let head = self
            .0
            .entry(day)
            .or_default()
            .entry(key)
            .or_insert_with(|| BillHead {
                merchant: merchant.clone(),
                tries: 0,
                asked: at,
                refused: None,
                taken: None,
                differs: Vec::new(),
                early: Vec::new(),
                unanswered: Vec::new(),
                matched: None,
                resolved: BTreeMap::new(),
            });
        match event {
            E::BillAsked { tries, .. } => (head.tries, head.asked) = (*tries, at),
            E::BillRefused { code, .. } => head.refused = Some(code.clone()),
            E::BillTaken { digest, entries, .. } => {
                head.taken = Some(TakenBill {
                    index,
                    digest: *digest,
                    entries: *entries,
                });
                (head.refused, head.matched) = (None, None);
                head.differs.clear();
                head.early.clear();
                head.unanswered.clear();
            }
            E::BillDiffers { .. } => head.differs.push(index),
            E::BillResolved {
                difference,
                resolution,
                ..
            } => drop(head.resolved.insert(*difference, *resolution)),
            E::BillEarly { .. } => head.early.push(index),
            E::BillUnanswered { .. } => head.unanswered.push(index),
            E::BillMatched { .. } => {
                head.matched = Some(index);
                self.forget(day);
            }
            _ => {}
        }
    }

    fn forget(&mut self, newest: Day) {
        let oldest = Day::from_number(newest.number() - BILL_DAYS_KEPT);
        self.0 = self.0.split_off(&oldest);
    }
}

/// The bill that an entry is about.
fn key(event: &TradeEvent) -> Option<BillKey> {
    use TradeEvent as E;
    match event {
        E::BillAsked { bill, .. }
        | E::BillNotAsked { bill }
        | E::BillRefused { bill, .. }
        | E::BillTaken { bill, .. }
        | E::BillDiffers { bill, .. }
        | E::BillResolved { bill, .. }
        | E::BillEarly { bill, .. }
        | E::BillUnanswered { bill, .. }
        | E::BillMatched { bill, .. } => Some(bill.clone()),
        _ => None,
    }
}
