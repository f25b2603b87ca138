//! `guandao commissions`: what agents 代理商 have earned by the terms that stood beside each order when it was intended. A
//! report from the journal and nothing else: there is no way from here to anybody's account (R01).

use crate::config::Config;
use anyhow::{Context, ensure};
use domain::*;
use journal::{Reader, disk::RealDisk};
use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    ops::RangeInclusive,
    sync::Arc,
};

/// Commission is counted in these parts of the amount.
const PARTS: u128 = 100_000;

/// One attempt that an agent may earn by.
struct Sale {
    agent: AgentId,
    /// What the merchant pays above the agent's own rate.
    above: u32,
    amount: Amount,
    paid: Option<Day>,
    back: Amount,
    reversed: bool,
}

/// Attempts with an agent, while the journal is read.
#[derive(Default)]
pub struct Book {
    sales: HashMap<(PaymentId, u16), Sale>,
    refunds: HashMap<(PaymentId, RefundNo), (u16, Amount)>,
}

/// What one agent has earned.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Earned {
    /// Paid orders.
    pub orders: u64,
    /// Paid, fen.
    pub paid: u64,
    /// Gone back, fen.
    pub back: u64,
    /// Commission, fen; each order's is rounded down.
    pub commission: u64,
}

impl Book {
    /// Takes one entry.
    pub fn take(&mut self, entry: &TradeEntry) {
        use TradeEvent as E;
        let Some(order) = entry.order else { return };
        match &entry.event {
            E::AttemptIntended {
                attempt,
                amount,
                rates:
                    Some(RateSnapshot {
                        agent: Some(agent),
                        agent_rate: Some(own),
                        rate,
                    }),
                ..
            } => {
                let sale = Sale {
                    agent: agent.clone(),
                    above: rate.saturating_sub(*own),
                    amount: *amount,
                    paid: None,
                    back: Amount::ZERO,
                    reversed: false,
                };
                self.sales.insert((order, *attempt), sale);
            }
            E::AttemptPaid { attempt, facts, .. } => self.change(order, *attempt, |sale| {
                sale.paid = Some(facts.paid_at.day());
                sale.reversed = false;
            }),
            E::AttemptReversed { attempt, .. } => self.change(order, *attempt, |sale| sale.reversed = true),
            E::RefundIntended {
                amount,
                attempt,
                refund_no,
                ..
            } => {
                self.refunds
                    .insert((order, refund_no.clone()), (*attempt, *amount));
            }
            E::RefundSucceeded { refund_no, .. } => {
                if let Some((attempt, amount)) = self.refunds.remove(&(order, refund_no.clone())) {
                    self.change(order, attempt, |sale| {
                        sale.back = sale.back.checked_add(amount).unwrap_or(sale.amount)
                    });
                }
            }
            _ => {}
        }
    }

    fn change(&mut self, order: PaymentId, attempt: u16, how: impl FnOnce(&mut Sale)) {
        if let Some(sale) = self.sales.get_mut(&(order, attempt)) {
            how(sale);
        }
    }

    /// By agent, of what was paid on these days (UTC+8), with what has gone back of it since.
    pub fn earned(&self, days: &RangeInclusive<Day>) -> BTreeMap<AgentId, Earned> {
        let mut all: BTreeMap<AgentId, Earned> = BTreeMap::new();
        let within = |sale: &&Sale| !sale.reversed && sale.paid.is_some_and(|day| days.contains(&day));
        for sale in self.sales.values().filter(within) {
            let earned = all.entry(sale.agent.clone()).or_default();
            let (paid, back) = (sale.amount.fen(), sale.back.fen().min(sale.amount.fen()));
            earned.orders += 1;
            earned.paid = earned.paid.saturating_add(paid);
            earned.back = earned.back.saturating_add(back);
            let commission = u128::from(paid - back) * u128::from(sale.above) / PARTS;
            earned.commission = earned.commission.saturating_add(commission as u64); // below the amount, since rates are
        }
        all
    }
}

/// The report as CSV. `from` and `until` are days such as 2026-11-26, both included.
///
/// # Errors
/// A day that is none, or a journal that cannot be read.
pub fn report(config: &Config, from: &str, until: &str) -> anyhow::Result<String> {
    let days = day(from)?..=day(until)?;
    ensure!(!days.is_empty(), "--until lies before --from");
    let reader = Reader::open(Arc::new(RealDisk), &config.data.join("trades"))?;
    let mut book = Book::default();
    for item in reader.scan(0) {
        book.take(&TradeEntry::from_canonical(&item?.1)?);
    }
    let mut text = String::from("agent,from,until,orders,paid_fen,refunded_fen,commission_fen\n");
    for (
        agent,
        Earned {
            orders,
            paid,
            back,
            commission,
        },
    ) in book.earned(&days)
    {
        writeln!(text, "{agent},{from},{until},{orders},{paid},{back},{commission}")?;
    }
    Ok(text)
}

fn day(text: &str) -> anyhow::Result<Day> {
    let date: jiff::civil::Date = text
        .parse()
        .ok()
        .with_context(|| format!("{text} is no day; write 2026-11-26"))?;
    let since = date.since(jiff::civil::date(1970, 1, 1))?;
    Ok(Day::from_number(since.get_days()))
}

#[cfg(test)]
#[path = "commissions_tests.rs"]
mod tests;
