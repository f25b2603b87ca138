//! Reconciliation (对账): our record of one account and day against the channel's bill of that day, in both directions.
//!
//! [`Book`] holds what our journal says. Each line of the bill is shown to it once, in any order; what nobody asked for at
//! the end is missing in the bill. A verdict hangs on facts only, so the same journal and the same bill give the same
//! differences whenever and however often they are compared.
//!
//! **Which day.** The channel's: at UnionPay it ends at 23:00 ([`day_of`]). A payment belongs to the day in which the payer paid, by the channel's clock; a refund to the day in
//! which it was done, and a bill that counts it on the day it was asked for is right too. What is missing at the very end of a day may
//! stand in the next day's bill: within [`CUT_OVER_MS`] it is called [`DifferenceKind::Day`] at first, and
//! [`DifferenceKind::OnlyHere`] once the next day's bill does not have it.
//!
//! **Undone.** Of a payment-code order that was reversed a bill has the payment and the way back, or neither: that is what
//! channels do on the day of the payment. A payment that stands there alone is money that never came back. On a later day
//! than the payment's the way back must stand for itself.

mod key;
mod standing;

pub use domain::{CUT_OVER_MS, day_of, start_of};
pub use key::{Key, mark};
pub use standing::{About, is_missing, settles};

use domain::{
    Amount, BillLine, Channel, Day, DifferenceKind, Instant, LineState, Movement, PaymentId, RecordState,
};
use std::{
    collections::{BTreeMap, HashSet},
    num::NonZeroU64,
};

/// So far back a missed day is made up for: channels give bills of about three months (channels.md 1.13).
pub const MOST_DAYS_BACK: i32 = 85;

/// So many days after its day's end a bill is overdue, which is said loudly.
const OVERDUE_DAYS: i32 = 7;

/// So long after a day's end its bill should have come.
pub fn is_overdue(day: Day, now: Instant) -> bool {
    now >= Day::from_number(day.number() + OVERDUE_DAYS + 1).start()
}

/// Its bill is asked for no more: channels do not keep it that long.
pub fn is_past(day: Day, now: Instant) -> bool {
    day.number() < now.day().number() - MOST_DAYS_BACK
}

fn after(day: Day) -> Day {
    Day::from_number(day.number() + 1)
}

/// How far a movement is in our record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OurState {
    /// Money moved.
    Done,
    /// Nobody has told us.
    Open,
    /// Surely no money moved.
    Gone,
    /// The payment of an order that was undone: its bill may have the payment and the way back, or neither.
    Undone,
    /// The way back of what had surely been paid.
    Back,
    /// The way back of what was undone, where nobody told whether it had been paid: there if the payment is.
    MaybeBack,
}

impl From<OurState> for RecordState {
    fn from(state: OurState) -> RecordState {
        match state {
            OurState::Done => RecordState::Done,
            OurState::Open => RecordState::Open,
            OurState::Gone => RecordState::Gone,
            OurState::Undone => RecordState::Undone,
            OurState::Back | OurState::MaybeBack => RecordState::Back,
        }
    }
}

impl OurState {
    const fn is_back(self) -> bool {
        matches!(self, OurState::Back | OurState::MaybeBack)
    }
}

/// What our journal says of one movement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ours {
    /// Of which order.
    pub payment: PaymentId,
    /// Fen.
    pub amount: Amount,
    /// [`mark`] of the channel's own number; `None` where we were not told it.
    pub trade_no: Option<NonZeroU64>,
    /// The channel's day on which it was asked for: for payments that of `done`.
    pub asked: Day,
    /// When it was done, by the channel's clock; where it is not, when it was asked for.
    pub done: Instant,
    /// How far it is.
    pub state: OurState,
    /// Its money is another account's than the one whose bill this is (a sub-merchant's): the bill of what moved on this
    /// account need not have it.
    pub apart: bool,
}

impl Ours {
    /// True where it is known on which day it was done.
    pub fn is_dated(&self) -> bool {
        match self.state {
            OurState::Done | OurState::Back | OurState::MaybeBack => true,
            OurState::Undone => self.trade_no.is_some(),
            OurState::Open | OurState::Gone => false,
        }
    }

    /// The day in whose bill it must stand.
    pub fn day(&self, channel: Channel) -> Day {
        day_of(channel, self.done)
    }

    /// The bill of this day has it, or may have it.
    pub fn may_stand_in(&self, channel: Channel, day: Day) -> bool {
        self.day(channel) == day || self.asked == day
    }
}

/// A record of ours in the book. Small, since a day may have a million of them: its members one by one, because a struct
/// inside another leaves its own gaps open.
#[derive(Clone, Copy)]
struct Held {
    payment: PaymentId,
    amount: Amount,
    trade_no: Option<NonZeroU64>,
    done: Instant,
    asked: Day,
    state: OurState,
    apart: bool,
    claim: Claim,
    /// Put in because a bill names it: the day's own record does not have it.
    looked_up: bool,
}

impl Held {
    fn new(ours: Ours, claim: Claim, looked_up: bool) -> Held {
        Held {
            payment: ours.payment,
            amount: ours.amount,
            trade_no: ours.trade_no,
            done: ours.done,
            asked: ours.asked,
            state: ours.state,
            apart: ours.apart,
            claim,
            looked_up,
        }
    }

    fn ours(&self) -> Ours {
        Ours {
            payment: self.payment,
            amount: self.amount,
            trade_no: self.trade_no,
            asked: self.asked,
            done: self.done,
            state: self.state,
            apart: self.apart,
        }
    }
}

/// What became of a record of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Claim {
    /// No line yet.
    None,
    /// This bill has it.
    Here,
    /// Another day's bill has it.
    Elsewhere,
    /// The channel was asked for it and gave no clear answer: neither there nor missing.
    Unanswered,
}

/// Sums of a bill's lines.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Totals {
    /// Lines that state a movement.
    pub lines: u64,
    /// Payments.
    pub payments: u64,
    /// Fen paid.
    pub paid: u64,
    /// Refunds and reversals that are not failed.
    pub refunds: u64,
    /// Fen that went back.
    pub refunded: u64,
    /// Fees in thousandths of a fen.
    pub fee_millifen: i64,
}

/// What a line comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen {
    /// We have it on record.
    Known {
        /// Our record.
        ours: Ours,
        /// Where the two differ, if anywhere.
        kinds: Vec<DifferenceKind>,
        /// True for a refund that is counted on the day it was asked for, though it was done on a later one, whose bill need
        /// not have it, or nobody has told yet.
        early: bool,
    },
    /// This book does not have it. The journal may: put it in and show the line again, or call it [`Book::strange`].
    Unknown,
}

/// So many ways back that name nothing are kept until the end; more are nobody's of ours at once.
const MOST_NAMELESS: usize = 10_000;

/// Lines of an order that was undone.
#[derive(Clone, Copy, Default)]
struct Pair {
    paid: u32,
    back: u32,
}

/// Our record of one account and day.
pub struct Book {
    channel: Channel,
    day: Day,
    // A tree: a table that doubles would hold three times what it needs while a day of a million grows.
    ours: BTreeMap<Key, Held>,
    strangers: HashSet<Key>,
    totals: Totals,
    /// Lines state what was settled, which vouchers make less than what the order was for.
    settled: bool,
    /// Fen of the payments of undone orders as the bill states them, and of ways back that name nothing we know.
    undone: BTreeMap<PaymentId, Amount>,
    nameless: Vec<BillLine>,
    /// Something here was undone.
    backs: bool,
}

impl Book {
    /// An empty one.
    pub fn new(channel: Channel, day: Day) -> Book {
        Book {
            channel,
            day,
            ours: BTreeMap::new(),
            strangers: HashSet::new(),
            totals: Totals::default(),
            settled: false,
            undone: BTreeMap::new(),
            nameless: Vec::new(),
            backs: false,
        }
    }

    /// The same record against a bill that states what was settled (WeChat's fund-flow bill): amounts take no part.
    pub fn against_funds(self) -> Book {
        Book {
            settled: true,
            ..self
        }
    }

    /// The day's own record as it was before any bill was compared with it: for the account's next bill, without a copy.
    pub fn anew(mut self) -> Book {
        self.ours.retain(|_, held| !held.looked_up);
        self.ours.values_mut().for_each(|held| held.claim = Claim::None);
        Book {
            backs: self.ours.values().any(|held| held.state.is_back()),
            ours: self.ours,
            ..Book::new(self.channel, self.day)
        }
    }

    /// The day.
    pub fn day(&self) -> Day {
        self.day
    }

    /// Takes a record of ours, or what it has become since.
    pub fn put(&mut self, key: Key, ours: Ours) {
        self.backs |= ours.state.is_back();
        let claim = self.ours.get(&key).map_or(Claim::None, |held| held.claim);
        self.ours.insert(key, Held::new(ours, claim, false));
    }

    /// Takes a record of ours that a bill names and the day's own record may lack; what that has stays as it is.
    pub fn put_looked_up(&mut self, key: Key, ours: Ours) {
        self.backs |= ours.state.is_back();
        self.ours
            .entry(key)
            .or_insert_with(|| Held::new(ours, Claim::None, true));
    }

    /// Another day's bill has this: it is not missing in ours.
    pub fn stands_elsewhere(&mut self, key: &Key) {
        if let Some(held) = self.ours.get_mut(key)
            && held.claim == Claim::None
        {
            held.claim = Claim::Elsewhere;
        }
    }

    /// The channel gave no clear answer about this: it is not missing, and not proven either.
    pub fn unanswered(&mut self, key: &Key) {
        if let Some(held) = self.ours.get_mut(key) {
            held.claim = Claim::Unanswered;
        }
    }

    /// Records held.
    pub fn len(&self) -> usize {
        self.ours.len()
    }

    /// True for an empty book.
    pub fn is_empty(&self) -> bool {
        self.ours.is_empty()
    }

    /// Compares a line with our record of it. Every line counts in the totals, once.
    //= C61
    pub fn see(&mut self, line: &BillLine) -> Seen {
        let Some(key) = self.find(line) else {
            return Seen::Unknown;
        };
        self.count(line);
        let day = self.day;
        let Some(held) = self.ours.get_mut(&key) else {
            return Seen::Unknown;
        };
        let ours = held.ours();
        let (mut kinds, mut early) = (Vec::new(), false);
        match held.claim {
            Claim::Here => kinds.push(DifferenceKind::Repeated),
            // A second bill has what a former one has.
            Claim::Elsewhere => kinds.push(DifferenceKind::Repeated),
            // What we do not know to be done belongs to no day. A refund that is done on a later day than this one, of which it is
            // asked for, is not missing there.
            _ if !ours.is_dated() => {
                early = ours.state == OurState::Open
                    && line.movement == Movement::Refund
                    && line.state != LineState::Failed
                    && ours.asked == day;
            }
            _ if !ours.may_stand_in(self.channel, day) => kinds.push(DifferenceKind::Day),
            _ if ours.day(self.channel) != day => early = true,
            Claim::None | Claim::Unanswered => {}
        }
        held.claim = Claim::Here;
        if ours.state == OurState::Undone {
            self.undone.insert(ours.payment, line.amount);
        }
        if !self.settled && line.amount != ours.amount {
            kinds.push(DifferenceKind::Amount);
        }
        if !agree(line, ours.state) {
            kinds.push(DifferenceKind::State);
        }
        // What moved back has a number of its own in that bill, which our record of a reverse does not keep.
        let own = ours.trade_no.filter(|_| !(self.settled && ours.state.is_back()));
        if own.is_some_and(|own| own != mark(line.trade_no.as_str())) {
            kinds.push(DifferenceKind::TradeNo);
        }
        Seen::Known { ours, kinds, early }
    }

    /// A line that neither this book nor the journal knows: what it is.
    pub fn strange(&mut self, line: &BillLine) -> DifferenceKind {
        self.count(line);
        let first = self.strangers.insert(Key::of_stranger(self.channel, line));
        if first {
            DifferenceKind::OnlyAtChannel
        } else {
            DifferenceKind::Repeated
        }
    }

    /// Takes a way back in WeChat's fund-flow bill whose numbers are none of ours, since that of a reverse is WeChat's own;
    /// false where it is none, or nothing here was undone. [`Book::settle`] says what it was.
    pub fn hold_back(&mut self, line: &BillLine) -> bool {
        let may = self.settled
            && line.movement == Movement::Refund
            && self.backs
            && self.nameless.len() < MOST_NAMELESS;
        if may {
            self.nameless.push(line.clone());
        }
        may
    }

    /// The ways back that name nothing, each given to an undone order whose payment this bill states with the same amount and
    /// whose way back is not there yet, in the order of time; what is left over is nobody's of ours.
    pub fn settle(&mut self) -> Vec<BillLine> {
        let (pairs, mut open) = (self.undone_pairs(), Vec::new());
        let backs = self.ours.iter().filter(|(_, held)| held.state.is_back());
        for (key, held) in backs.filter(|(_, held)| held.claim == Claim::None && !held.apart) {
            // A payment of another day is in another bill: its own amount stands for it.
            let amount = self.undone.get(&held.payment).copied().unwrap_or(held.amount);
            if pairs.get(&held.payment).is_none_or(|pair| pair.paid > pair.back) {
                open.push((held.done, *key, amount));
            }
        }
        open.sort_by_key(|(done, key, _)| (*done, *key));
        let mut rest = Vec::new();
        for line in std::mem::take(&mut self.nameless) {
            let Some(at) = open.iter().position(|(.., amount)| *amount == line.amount) else {
                rest.push(line);
                continue;
            };
            let (_, key, _) = open.remove(at);
            self.count(&line);
            if let Some(held) = self.ours.get_mut(&key) {
                held.claim = Claim::Here;
            }
        }
        rest
    }

    /// Records of ours that this bill had to have and has not, in the order of time: the kind says whether the next day's
    /// bill may still have them.
    pub fn missing(&self, next_is_read: bool) -> Vec<(Key, Ours, DifferenceKind)> {
        let end = start_of(self.channel, after(self.day));
        let kind = |ours: &Ours| match !next_is_read && ours.done >= end.plus_millis(-CUT_OVER_MS) {
            true => DifferenceKind::Day,
            false => DifferenceKind::OnlyHere,
        };
        let mut all: Vec<_> = self
            .owed()
            .map(|(key, held)| (*key, held.ours()))
            .map(|(key, ours)| (key, ours, kind(&ours)))
            .collect();
        all.sort_by_key(|(key, ours, _)| (ours.done, *key));
        all
    }

    /// The order of a record of ours that this bill had to have and has not, if there is any.
    pub fn owes(&self) -> Option<PaymentId> {
        self.owed().next().map(|(_, held)| held.payment)
    }

    fn owed(&self) -> impl Iterator<Item = (&Key, &Held)> {
        // Without a way back no pair is half.
        let mut undone = if self.backs {
            self.undone_pairs()
        } else {
            Default::default()
        };
        let must = move |(_, held): &(&Key, &Held)| {
            if held.claim != Claim::None
                || self.settled && held.apart
                || day_of(self.channel, held.done) != self.day
            {
                return false;
            }
            let pair = undone.get_mut(&held.payment);
            match (held.state, pair) {
                (OurState::Done, _) => true,
                // Payment and way back, or neither.
                (OurState::Back | OurState::MaybeBack, Some(pair)) => {
                    let owed = pair.paid > pair.back;
                    pair.back += u32::from(owed);
                    owed
                }
                // Paid on an earlier day, whose bill was made before the way back.
                (OurState::Back, None) => true,
                // A line of WeChat's trade bill that is called reversed may stand for both.
                (OurState::Undone, Some(pair)) => {
                    let owed = (self.channel != Channel::Wechat || self.settled) && pair.back > pair.paid;
                    pair.paid += u32::from(owed);
                    owed
                }
                _ => false,
            }
        };
        self.ours.iter().filter(must)
    }

    /// Sums of the lines seen.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// How often bills have the payment and the way back of orders that were undone and paid on this day.
    fn undone_pairs(&self) -> BTreeMap<PaymentId, Pair> {
        let mut all: BTreeMap<PaymentId, Pair> = BTreeMap::new();
        let own =
            |held: &&Held| held.state == OurState::Undone && day_of(self.channel, held.done) == self.day;
        for held in self.ours.values().filter(own) {
            all.entry(held.payment).or_default();
        }
        for held in self
            .ours
            .values()
            .filter(|held| matches!(held.claim, Claim::Here | Claim::Elsewhere))
        {
            if let Some(pair) = all.get_mut(&held.payment) {
                pair.paid += u32::from(held.state == OurState::Undone);
                pair.back += u32::from(held.state.is_back());
            }
        }
        all
    }

    /// A way back without a number of its own is the reversal of its order, and a reversal may be one of ours by the refund.
    fn find(&self, line: &BillLine) -> Option<Key> {
        Key::of(
            self.channel,
            line.movement,
            line.number.as_ref(),
            line.refund.as_ref(),
        )
        .filter(|key| self.ours.contains_key(key))
        .or_else(|| {
            // In a bill of what moved the order's number may stand where a refund's does.
            let number = line
                .number
                .as_ref()
                .or(line.refund.as_ref().filter(|_| self.settled));
            let undone = Key::of(self.channel, Movement::Reversal, number, None)?;
            (line.movement != Movement::Payment && self.ours.contains_key(&undone)).then_some(undone)
        })
    }

    fn count(&mut self, line: &BillLine) {
        let totals = &mut self.totals;
        totals.lines += 1;
        totals.fee_millifen = totals.fee_millifen.saturating_add(line.fee_millifen);
        match line.movement {
            Movement::Payment => {
                totals.payments += 1;
                totals.paid = totals.paid.saturating_add(line.amount.fen());
            }
            _ if line.state == LineState::Failed => {}
            _ => {
                totals.refunds += 1;
                totals.refunded = totals.refunded.saturating_add(line.amount.fen());
            }
        }
    }
}

/// Can both be true? A bill that calls a refund pending may have been made before it was done.
fn agree(line: &BillLine, ours: OurState) -> bool {
    match (line.state, ours) {
        (LineState::Failed, OurState::Back) => false,
        (_, OurState::Undone | OurState::Back | OurState::MaybeBack) => true,
        (LineState::Done, OurState::Done)
        | (LineState::Pending, OurState::Done | OurState::Open)
        | (LineState::Failed, OurState::Gone) => true,
        (LineState::Done, OurState::Open | OurState::Gone)
        | (LineState::Pending, OurState::Gone)
        | (LineState::Failed, OurState::Done | OurState::Open) => false,
    }
}

#[cfg(test)]
#[path = "../books_tests.rs"]
mod tests;
