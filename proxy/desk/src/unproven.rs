//! What a day's comparison (对账) could not prove, and no difference: movements about which a channel gave no clear answer until
//! the schedule's end, and bills that are overdue or never came. Officers read them here, ask the channel by other means than
//! ours, and two of them put on record what was found.

use domain::*;
use parking_lot::RwLock;
use policy::books::{is_overdue, is_past};
use std::{collections::BTreeMap, sync::Arc};

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

/// A bill that was asked for and not compared to its end yet.
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
    bills: BTreeMap<BillKey, Asked>,
    open: BTreeMap<u64, Matter>,
}

/// Everything of that kind that was read. Read anew at each start, like all of that journal.
#[derive(Default)]
pub struct Unproven(RwLock<Seen>);

impl Unproven {
    /// Takes an entry of the trades journal.
    pub fn observe(&self, index: u64, entry: &TradeEntry) {
        let Some(merchant) = &entry.merchant else { return };
        let mut seen = self.0.write();
        match &entry.event {
            TradeEvent::BillAsked { bill, tries } => {
                let asked = Asked {
                    index,
                    merchant: merchant.clone(),
                    at: entry.at,
                    tries: *tries,
                    code: None,
                };
                seen.bills.insert(bill.clone(), asked);
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
                seen.bills.insert(bill.clone(), never);
            }
            TradeEvent::BillRefused { bill, code } => {
                if let Some(asked) = seen.bills.get_mut(bill) {
                    asked.code = Some(code.clone());
                }
            }
            // The comparison begins anew; what it does not find answered it names again.
            TradeEvent::BillTaken { bill, .. } => seen.open.retain(|_, matter| matter.bill != *bill),
            TradeEvent::BillMatched { bill, .. } => drop(seen.bills.remove(bill)),
            TradeEvent::BillUnanswered { bill, movements } => {
                let matter = Matter {
                    index,
                    merchant: merchant.clone(),
                    at: entry.at,
                    bill: bill.clone(),
                    why: Why::Unanswered,
                    tries: seen.bills.get(bill).map_or(0, |asked| asked.tries),
                    code: None,
                    movements: movements.clone(),
                };
                seen.open.insert(index, matter);
            }
            _ => {}
        }
    }

    /// One of them.
    pub fn get(&self, index: u64, now: Instant) -> Option<Matter> {
        let seen = self.0.read();
        let bill = || late(&seen, now).find(|matter| matter.index == index);
        seen.open.get(&index).cloned().or_else(bill)
    }

    /// Those that `wanted` wants, in the order of the journal.
    pub fn list(&self, now: Instant, wanted: impl Fn(&Matter) -> bool) -> Vec<Matter> {
        let seen = self.0.read();
        let mut all: Vec<Matter> = seen.open.values().cloned().chain(late(&seen, now)).collect();
        all.retain(wanted);
        all.sort_by_key(|matter| matter.index);
        all
    }
}

/// Bills that should have come long ago.
fn late(seen: &Seen, now: Instant) -> impl Iterator<Item = Matter> {
    let overdue = seen.bills.iter().filter(move |(key, _)| is_overdue(key.day, now));
    overdue.map(move |(key, asked)| Matter {
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
    })
}
