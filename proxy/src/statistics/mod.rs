//! Counts and sums of a stretch of the trades journal, by hour, day, agent, merchant, channel and way to pay. A fold over the
//! journal and no second store: what is told can be counted again by anybody who has it.
//!
//! Every figure belongs to the hour (UTC+8) in which the journal recorded the event, so that figures of a past hour
//! never change: a payment that is learned late counts when it was learned. An order with two ways to pay counts once
//! for each.

pub mod api;
pub mod ask;
mod known;
pub mod read;
pub mod render;

use crate::statistics::ask::{Ask, By};
use domain::*;
use known::Knowledge;
use std::collections::BTreeMap;

/// How many, and how much in fen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sum {
    /// How many.
    pub count: u64,
    /// How much, fen.
    pub fen: u64,
}

impl Sum {
    fn add(&mut self, amount: Amount) {
        self.count += 1;
        self.fen = self.fen.saturating_add(amount.fen());
    }
}

/// What happened within one row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Line {
    /// Orders about to be sent to their channel; each way to pay of one order is one, however many accounts it was tried at.
    pub created: Sum,
    /// Payments.
    pub paid: Sum,
    /// Refunds that succeeded.
    pub refunded: Sum,
    /// Closed unpaid; each account that it was tried at counts.
    pub closed: Sum,
    /// Payment-code orders undone unpaid, or not known to have been paid.
    pub reversed: Sum,
    /// Payment-code orders undone after they were paid: the money went back.
    pub reversed_paid: Sum,
    /// Not placed: refused by the channel, declined by the payer's side, or never sent; each account that it was tried at counts.
    pub failed: Sum,
    /// Those that nobody knew the outcome of for a while; what came of them counts where it was learned.
    pub unknown: Sum,
    /// Ends that nobody will ever know (the merchant alone holds the key).
    pub unresolved: Sum,
    /// Orders that ended without a payment, as far as is known where the row ends.
    unpaid: u64,
}

impl Line {
    /// Payments as a share of what came to an end, in ten-thousandths; `None` where nothing ended.
    pub fn success(&self) -> Option<u64> {
        let ended = self.paid.count + self.unpaid;
        (ended > 0).then(|| self.paid.count * 10_000 / ended)
    }
}

/// What a row is about; what was not asked for is `None`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Key {
    /// Begin of the hour or day.
    pub at: Option<Instant>,
    /// Agent of the order, by the terms that stood beside it; `None` also where there was none.
    pub agent: Option<AgentId>,
    /// Merchant.
    pub merchant: Option<MerchantId>,
    /// Channel.
    pub channel: Option<Channel>,
    /// Way to pay.
    pub pay_way: Option<PayWay>,
}

/// More rows than this are not made; the range or the grouping must be smaller.
pub const MOST_ROWS: usize = 100_000;

/// More rows than [`MOST_ROWS`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyRows;

/// Statistics of one question.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// The question.
    pub ask: Ask,
    /// Rows, in order.
    pub rows: BTreeMap<Key, Line>,
    /// All of it.
    pub total: Line,
    knowledge: Knowledge,
}

impl Statistics {
    /// Of nothing yet.
    pub fn new(ask: Ask) -> Statistics {
        Statistics {
            ask,
            rows: BTreeMap::new(),
            total: Line::default(),
            knowledge: Knowledge::default(),
        }
    }

    /// Takes an entry; entries come in order. `earlier` gives an entry before the first one taken, for orders that began
    /// before the range.
    ///
    /// # Errors
    /// Where there would be too many rows.
    pub fn observe(
        &mut self,
        entry: &TradeEntry,
        earlier: &mut dyn FnMut(u64) -> Option<TradeEntry>,
    ) -> Result<(), TooManyRows> {
        let (Some(order), Some(merchant)) = (entry.order, &entry.merchant) else {
            return Ok(());
        };
        if !self.ask.holds(entry.at) {
            self.knowledge.learn_more(order, entry);
            return Ok(());
        }
        let Some(what) = What::of(&entry.event) else {
            self.knowledge.learn_more(order, entry);
            return Ok(());
        };
        let known = self.knowledge.of(order, entry.prev, earlier);
        let earlier = what.attempt(known).and_then(|no| known.attempt(no));
        let was_paid = earlier.is_some_and(|attempt| attempt.paid);
        // An end that a payment, or another account, proves to have been none.
        let mut no_end = earlier
            .filter(|_| !matches!(what, What::Unknown(_) | What::Refunded(_)))
            .and_then(|attempt| attempt.unpaid);
        let repeated = earlier.is_some() && matches!(what, What::Created(_));
        known.learn(entry);
        // An order whose beginning cannot be read counts nowhere rather than in the wrong row; the journal holds it.
        let Some(attempt) = what.attempt(known).and_then(|no| known.attempt(no)).cloned() else {
            return Ok(());
        };
        let amount = what.amount(known).unwrap_or(attempt.amount);
        let before = match what {
            What::Created(no) => known.before(no),
            _ => None,
        };
        let again = repeated || before.is_some();
        let moved = before.and_then(|before| before.unpaid);
        no_end = no_end.or(moved).filter(|at| self.ask.holds(*at));
        let key = self.key(entry.at, merchant, &attempt);
        let same_row = no_end.is_some_and(|at| self.key(at, merchant, &attempt) == key);
        if !self.rows.contains_key(&key) && self.rows.len() >= MOST_ROWS {
            return Err(TooManyRows);
        }
        let row = self.rows.entry(key).or_default();
        for (line, holds) in [(row, same_row), (&mut self.total, no_end.is_some())] {
            if !again {
                what.sum(line, was_paid).add(amount);
            }
            line.unpaid =
                (line.unpaid + u64::from(what.ends_unpaid() && !was_paid)).saturating_sub(u64::from(holds));
        }
        Ok(())
    }

    fn key(&self, at: Instant, merchant: &MerchantId, attempt: &known::Attempt) -> Key {
        let by = |by| self.ask.by.contains(&by);
        let at = match (by(By::Hour), by(By::Day)) {
            (true, _) => Some(Instant::from_millis(
                at.millis() - at.millis().rem_euclid(ask::HOUR_MS),
            )),
            (_, true) => Some(at.day().start()),
            _ => None,
        };
        Key {
            at,
            agent: attempt.agent.clone().filter(|_| by(By::Agent)),
            merchant: by(By::Merchant).then(|| merchant.clone()),
            channel: by(By::Channel).then_some(attempt.channel),
            pay_way: by(By::PayWay).then_some(attempt.pay_way),
        }
    }
}

/// An event that counts.
enum What<'a> {
    Created(u16),
    Paid(u16, Amount),
    Closed(u16),
    Reversed(u16, bool),
    Failed(u16),
    Unknown(u16),
    Unresolved(u16),
    Refunded(&'a RefundNo),
}

impl<'a> What<'a> {
    fn of(event: &'a TradeEvent) -> Option<What<'a>> {
        use TradeEvent as E;
        Some(match event {
            E::AttemptIntended { attempt, .. } => What::Created(*attempt),
            E::AttemptPaid { attempt, facts, .. } => What::Paid(*attempt, facts.amount),
            E::AttemptClosed { attempt, .. } => What::Closed(*attempt),
            E::AttemptReversed {
                attempt, refunded, ..
            } => What::Reversed(*attempt, *refunded == Some(true)),
            E::AttemptNotPlaced { attempt, .. } => What::Failed(*attempt),
            E::AttemptUnknown { attempt, .. } => What::Unknown(*attempt),
            E::AttemptUnresolved { attempt } => What::Unresolved(*attempt),
            E::RefundSucceeded { refund_no, .. } => What::Refunded(refund_no),
            _ => return None,
        })
    }

    fn attempt(&self, known: &known::Order) -> Option<u16> {
        match self {
            What::Created(no)
            | What::Paid(no, _)
            | What::Closed(no)
            | What::Reversed(no, _)
            | What::Failed(no)
            | What::Unknown(no)
            | What::Unresolved(no) => Some(*no),
            What::Refunded(refund_no) => known.refund(refund_no).map(|refund| refund.attempt),
        }
    }

    /// Its amount, where that is not the attempt's.
    fn amount(&self, known: &known::Order) -> Option<Amount> {
        match self {
            What::Paid(_, amount) => Some(*amount),
            What::Refunded(refund_no) => known.refund(refund_no).map(|refund| refund.amount),
            _ => None,
        }
    }

    fn ends_unpaid(&self) -> bool {
        matches!(
            self,
            What::Closed(_) | What::Reversed(..) | What::Failed(_) | What::Unresolved(_)
        )
    }

    fn sum<'l>(&self, line: &'l mut Line, was_paid: bool) -> &'l mut Sum {
        match self {
            What::Created(_) => &mut line.created,
            What::Paid(..) => &mut line.paid,
            What::Closed(_) => &mut line.closed,
            What::Reversed(_, back) if *back || was_paid => &mut line.reversed_paid,
            What::Reversed(..) => &mut line.reversed,
            What::Failed(_) => &mut line.failed,
            What::Unknown(_) => &mut line.unknown,
            What::Unresolved(_) => &mut line.unresolved,
            What::Refunded(_) => &mut line.refunded,
        }
    }
}

#[cfg(test)]
mod tests;
