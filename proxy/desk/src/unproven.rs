//! What a day's comparison (对账) could not prove, and no difference: movements about which a channel gave no clear answer until
//! the schedule's end, and bills that are overdue or never came. Officers read them here, ask the channel by other means than
//! ours, and two of them put on record what was found.

use crate::differences::oldest_kept;
use domain::*;
use parking_lot::RwLock;
use policy::books::{is_overdue, is_past};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Why something is not proven.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Why {
    /// The channel was asked about it to the schedule's end and gave no clear answer.
    Unanswered,
    /// The bill should have come long ago and is still asked for.
    Overdue,
    /// The bill is asked for no more: no channel keeps it that long.
    NeverCame,
}

impl Why {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Why::Unanswered => "unanswered",
            Why::Overdue => "overdue",
            Why::NeverCame => "never_came",
        }
    }

    /// Whether two officers can say what was found instead. What is still asked for may come by itself.
    pub const fn is_decided(self) -> bool {
        !matches!(self, Why::Overdue)
    }
}

/// One matter, where it stands in the trades journal.
#[derive(Clone, PartialEq, Debug)]
pub struct Matter {
    /// Its index there: of the last call for a bill, or of the entry that names what was not answered.
    pub index: u64,
    /// Whose.
    pub merchant: MerchantId,
    /// When that was put on record.
    pub at: Instant,
    /// Which bill.
    pub bill: BillKey,
    /// Why it is not proven.
    pub why: Why,
    /// How often the bill was asked for.
    pub tries: u32,
    /// The channel's last word on the bill, if it said one.
    pub code: Option<Arc<str>>,
    /// Which movements were not answered, each with its last code.
    pub movements: Vec<Unanswered>,
}

/// When a bill was asked for last, and what was said.
#[derive(Clone)]
struct Asked {
    index: u64,
    merchant: MerchantId,
    at: Instant,
    tries: u32,
    code: Option<Arc<str>>,
}

#[derive(Default)]
struct Seen {
    /// Bills that are not compared to their end.
    waiting: BTreeMap<BillKey, Asked>,
    /// Bills that are. One may be asked for once more, in doubt of its word; until another is taken it is compared all the
    /// same.
    compared: BTreeMap<BillKey, Asked>,
    /// What bills that are not compared to their end name so far.
    comparing: BTreeMap<BillKey, Vec<Matter>>,
    open: BTreeMap<u64, Matter>,
    resolved: BTreeSet<u64>,
    /// The latest day of which a bill was compared.
    newest: Option<Day>,
}

/// Everything of that kind that was read. Read anew at each start, like all of that journal.
#[derive(Default)]
pub struct Unproven(RwLock<Seen>);

impl Unproven {
    /// Takes an entry of the trades journal.
    pub fn observe(&self, index: u64, entry: &TradeEntry) {
        let Some(merchant) = &entry.merchant else { return };
        let seen = || self.0.write();
        match &entry.event {
            TradeEvent::BillAsked { bill, tries } => {
                let asked = Asked {
                    index,
                    merchant: merchant.clone(),
                    at: entry.at,
                    tries: *tries,
                    code: None,
                };
                seen().asked(bill, asked);
            }
            // Nothing will come by itself: once no channel keeps it any more, two officers say what was found instead.
            TradeEvent::BillNotAsked { bill } => {
                let never = Asked {
                    index,
                    merchant: merchant.clone(),
                    at: entry.at,
                    tries: 0,
                    code: None,
                };
                seen().asked(bill, never);
            }
            TradeEvent::BillRefused { bill, code } => {
                if let Some(asked) = seen().waiting.get_mut(bill) {
                    asked.code = Some(code.clone());
                }
            }
            // The comparison begins anew; what it does not find answered it names again, where that is not still on record.
            TradeEvent::BillTaken { again, bill, .. } => seen().begin(bill, *again),
            TradeEvent::BillSettled { bill, difference } => seen().settle(bill, *difference),
            TradeEvent::BillMatched { bill, .. } => seen().end(bill),
            TradeEvent::BillUnanswered { bill, movements } => {
                let mut seen = seen();
                let matter = Matter {
                    index,
                    merchant: merchant.clone(),
                    at: entry.at,
                    bill: bill.clone(),
                    why: Why::Unanswered,
                    tries: seen.waiting.get(bill).map_or(0, |asked| asked.tries),
                    code: None,
                    movements: movements.clone(),
                };
                seen.comparing.entry(bill.clone()).or_default().push(matter);
            }
            TradeEvent::BillResolved { difference, .. } => drop(seen().resolved.insert(*difference)),
            _ => {}
        }
    }

    /// One of them.
    pub fn get(&self, index: u64, now: Instant) -> Option<Matter> {
        let seen = self.0.read();
        let bill = || late(&seen, now).find(|(_, asked)| asked.index == index);
        let open = seen.open.get(&index).cloned();
        open.or_else(|| bill().map(|(key, asked)| overdue(key, asked, now)))
    }

    /// Those that `wanted` wants by index, merchant and bill, the latest first, `most` at most, and how many more there are.
    pub fn list(
        &self,
        now: Instant,
        wanted: impl Fn(u64, &MerchantId, &BillKey) -> bool,
        most: usize,
    ) -> (Vec<Matter>, usize) {
        let seen = self.0.read();
        let open = seen
            .open
            .values()
            .filter(|m| wanted(m.index, &m.merchant, &m.bill));
        let late = late(&seen, now).filter(|(key, asked)| wanted(asked.index, &asked.merchant, key));
        let mut found: BTreeMap<u64, Option<(&BillKey, &Asked)>> = open.map(|m| (m.index, None)).collect();
        found.extend(late.map(|(key, asked)| (asked.index, Some((key, asked)))));
        let shown = found
            .iter()
            .rev()
            .take(most)
            .filter_map(|(index, bill)| match bill {
                Some((key, asked)) => Some(overdue(key, asked, now)),
                None => seen.open.get(index).cloned(),
            });
        (shown.collect(), found.len().saturating_sub(most))
    }
}

impl Seen {
    fn asked(&mut self, bill: &BillKey, asked: Asked) {
        match self.compared.get_mut(bill) {
            Some(compared) => *compared = asked,
            None => drop(self.waiting.insert(bill.clone(), asked)),
        }
    }

    fn begin(&mut self, bill: &BillKey, again: bool) {
        if !again {
            self.comparing.remove(bill);
            self.open.retain(|_, matter| matter.bill != *bill);
        }
        if let Some(asked) = self.compared.remove(bill) {
            self.waiting.insert(bill.clone(), asked);
        }
    }

    /// A later comparison of the same day has its answer.
    fn settle(&mut self, bill: &BillKey, index: u64) {
        self.open.remove(&index);
        if let Some(all) = self.comparing.get_mut(bill) {
            all.retain(|matter| matter.index != index);
        }
    }

    fn end(&mut self, bill: &BillKey) {
        if let Some(asked) = self.waiting.remove(bill) {
            self.compared.insert(bill.clone(), asked);
        }
        let found = self.comparing.remove(bill).unwrap_or_default();
        self.open
            .extend(found.into_iter().map(|matter| (matter.index, matter)));
        self.forget(bill.day);
    }

    /// What is old and was resolved is left to the journal; what is open stays.
    fn forget(&mut self, newest: Day) {
        if self.newest.is_some_and(|known| newest <= known) {
            return;
        }
        self.newest = Some(newest);
        let (oldest, resolved) = (oldest_kept(newest), &self.resolved);
        self.open
            .retain(|index, matter| matter.bill.day >= oldest || !resolved.contains(index));
        self.waiting
            .retain(|bill, asked| bill.day >= oldest || !resolved.contains(&asked.index));
        self.compared.retain(|bill, _| bill.day >= oldest);
        let waiting: BTreeSet<u64> = self.waiting.values().map(|asked| asked.index).collect();
        let open = &self.open;
        self.resolved
            .retain(|index| open.contains_key(index) || waiting.contains(index));
    }
}

/// Bills that should have come long ago.
fn late(seen: &Seen, now: Instant) -> impl Iterator<Item = (&BillKey, &Asked)> {
    let waiting = seen.waiting.iter();
    waiting.filter(move |(key, _)| is_overdue(key.day, now))
}

fn overdue(key: &BillKey, asked: &Asked, now: Instant) -> Matter {
    Matter {
        index: asked.index,
        merchant: asked.merchant.clone(),
        at: asked.at,
        bill: key.clone(),
        why: if is_past(key.day, now) {
            Why::NeverCame
        } else {
            Why::Overdue
        },
        tries: asked.tries,
        code: asked.code.clone(),
        movements: Vec::new(),
    }
}
