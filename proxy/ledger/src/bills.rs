//! How far the bills of each account and day are (对账): where in the journal it stands, and nothing that is not there.

use crate::Order;
use domain::*;
use std::collections::{BTreeMap, BTreeSet};

/// Why a bill that was taken is asked for once more, in our own word: it cannot be read.
pub const UNREADABLE: &str = "unreadable";

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
    /// The latest entry that says something of its day, whenever it came: what was compared before that was not all.
    pub moved: Option<u64>,
    /// What two officers made of differences, by where those stand.
    pub resolved: BTreeMap<u64, Resolution>,
}

impl BillHead {
    /// It was compared, and since then the record has something of its day that took no part.
    pub fn is_moved(&self) -> bool {
        let entries = self.taken.as_ref().map_or(0, |taken| taken.entries);
        self.matched.is_some() && self.moved.is_some_and(|moved| moved >= entries)
    }

    /// Some of its differences nobody has resolved.
    pub fn is_open(&self) -> bool {
        let open = |index| !self.resolved.contains_key(index);
        self.differs.iter().any(open)
    }
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
                moved: None,
                resolved: BTreeMap::new(),
            });
        match event {
            E::BillAsked { tries, .. } => (head.tries, head.asked) = (*tries, at),
            E::BillRefused { code, .. } => head.refused = Some(code.clone()),
            E::BillTaken {
                again,
                digest,
                entries,
                bill,
            } => {
                // What could not be read at all put nothing right.
                let read = head.refused.as_deref() != Some(UNREADABLE);
                let cut = head.taken.as_ref().filter(|_| head.matched.is_none() && read);
                let since = cut.map(|cut| cut.index);
                head.taken = Some(TakenBill {
                    index,
                    digest: *digest,
                    entries: *entries,
                });
                (head.refused, head.matched) = (None, None);
                if !again {
                    head.differs.clear();
                    head.early.clear();
                    head.unanswered.clear();
                }
                if let Some(since) = since {
                    self.moves_beside(index, bill, |taken| taken > since);
                }
            }
            E::BillSettled { bill, difference } => {
                // What was not answered says nothing of other days.
                let says = !head.unanswered.contains(difference);
                for list in [&mut head.differs, &mut head.early, &mut head.unanswered] {
                    list.retain(|index| index != difference);
                }
                // The days beside were compared with what it said.
                if says {
                    self.moves_beside(index, bill, |_| true);
                }
            }
            E::BillDiffers { .. } => head.differs.push(index),
            E::BillResolved {
                difference,
                resolution,
                ..
            } => drop(head.resolved.insert(*difference, *resolution)),
            E::BillEarly { bill, .. } => {
                head.early.push(index);
                // The next day may have been compared before it was known.
                self.moves(index, bill, 1, |_| true);
            }
            E::BillUnanswered { .. } => head.unanswered.push(index),
            E::BillMatched { bill, .. } => {
                head.matched = Some(index);
                let since = head.taken.as_ref().map_or(index, |taken| taken.index);
                self.moves_beside(index, bill, |taken| taken > since);
                self.forget(day);
            }
            _ => {}
        }
    }

    /// A bill beside that was compared while this one's list was half put right took no part of it: it is due again once this one
    /// is taken anew or at its end. Neither of two is due for ever, since what is taken after the other's end saw all of it.
    //= C61
    fn moves_beside(&mut self, index: u64, bill: &BillKey, taken: impl Fn(u64) -> bool) {
        [-1, 1]
            .into_iter()
            .for_each(|days| self.moves(index, bill, days, &taken));
    }

    fn moves(&mut self, index: u64, bill: &BillKey, days: i32, when: impl Fn(u64) -> bool) {
        let day = Day::from_number(bill.day.number() + days);
        let head = self.0.get_mut(&day);
        let head = head.and_then(|heads| heads.get_mut(&BillKey { day, ..bill.clone() }));
        if let Some(head) = head
            && head.matched.is_some()
            && head.taken.as_ref().is_some_and(|taken| when(taken.index))
        {
            head.moved = Some(index);
        }
    }

    /// What an entry says of an order belongs to days whose bills may have been compared already: late news, and what was found
    /// out after an outage.
    //= C61
    pub(crate) fn moved(&mut self, index: u64, order: &Order, event: &TradeEvent) {
        let refund = |no: &RefundNo| order.refund(no).map(|refund| (refund.attempt, Some(refund)));
        let of = match event {
            TradeEvent::AttemptPaid { attempt, .. } | TradeEvent::AttemptReversed { attempt, .. } => {
                Some((*attempt, None))
            }
            TradeEvent::RefundSucceeded { refund_no, .. }
            | TradeEvent::RefundFailed { refund_no, .. }
            | TradeEvent::RefundAbnormal { refund_no, .. } => refund(refund_no),
            _ => None,
        };
        let Some((attempt, refund)) =
            of.and_then(|(position, refund)| Some((order.attempt(position)?, refund)))
        else {
            return;
        };
        let paid = attempt
            .paid
            .as_ref()
            .map_or(attempt.at, |(facts, _)| facts.paid_at);
        let undone = attempt
            .reversing
            .as_deref()
            .filter(|undone| undone.done.is_some());
        let (done, asked) = match refund {
            Some(refund) => (vec![refund.counted()], Some(refund.intended)),
            None => {
                let back = undone.and_then(|undone| undone.done);
                (
                    back.into_iter().chain([paid]).collect(),
                    Some(undone.map_or(attempt.at, |undone| undone.at)),
                )
            }
        };
        let day = |at| day_of(attempt.channel, at);
        let belongs: BTreeSet<Day> = done
            .into_iter()
            // At the very end of a day the next one's bill may have it.
            .flat_map(|at| [day(at), day(at.plus_millis(CUT_OVER_MS))])
            .collect();
        let asked = asked.map(day).filter(|day| !belongs.contains(day));
        let own = |key: &BillKey| key.channel == attempt.channel && key.account == attempt.account;
        for (day, always) in belongs
            .iter()
            .map(|day| (*day, true))
            .chain(asked.map(|day| (day, false)))
        {
            let heads = self.0.get_mut(&day).into_iter().flatten();
            for (_, head) in heads.filter(|(key, head)| own(key) && (always || head.is_open())) {
                head.moved = Some(index);
            }
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
        | E::BillSettled { bill, .. }
        | E::BillResolved { bill, .. }
        | E::BillEarly { bill, .. }
        | E::BillUnanswered { bill, .. }
        | E::BillMatched { bill, .. } => Some(bill.clone()),
        _ => None,
    }
}
