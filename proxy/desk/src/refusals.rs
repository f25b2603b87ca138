//! What the no-funds guard refused, as the trades journal has it: officers read who tried to pay somebody else, to split
//! money or to be read in two ways. They accuse nobody and are no flags; T20 looks at foreign payees by itself.

use domain::*;
use parking_lot::RwLock;
use std::collections::{BTreeMap, VecDeque};

/// So many are kept for the list, the latest; each stays in the trades journal, and the sums count them all.
const MOST: usize = 20_000;

/// A refusal where it stands in the trades journal.
#[derive(Clone, PartialEq, Debug)]
pub struct Refusal {
    /// Its index there.
    pub index: u64,
    /// When it was put on record.
    pub at: Instant,
    /// Whose signature stands behind it; nobody's where it was only counted.
    pub merchant: Option<MerchantId>,
    /// The account that the request named, if it is registered.
    pub account: Option<AccountNo>,
    /// Channel, where one was named.
    pub channel: Option<Channel>,
    /// What was asked.
    pub operation: Option<Operation>,
    /// How it offends.
    pub breach: Breach,
    /// By which clause.
    pub clause: Clause,
    /// Known name of the field or call.
    pub name: Option<std::sync::Arc<str>>,
    /// How many.
    pub count: u64,
    /// When the first of them came, where they were counted.
    pub since: Option<Instant>,
}

impl Refusal {
    fn of(index: u64, entry: &TradeEntry) -> Option<Refusal> {
        let (at, merchant) = (entry.at, entry.merchant.clone());
        match &entry.event {
            TradeEvent::GuardRefused {
                account,
                breach,
                channel,
                clause,
                count,
                name,
                operation,
                since,
            } => Some(Refusal {
                index,
                at,
                merchant,
                account: account.clone(),
                channel: *channel,
                operation: *operation,
                breach: *breach,
                clause: *clause,
                name: name.clone(),
                count: count.unwrap_or(1),
                since: *since,
            }),
            // Policy's own word on payees and accounts (C03 to C05) is the guard's too.
            TradeEvent::Refused {
                channel,
                clause,
                operation,
                ..
            } if (3..=5).contains(&clause.number()) => Some(Refusal {
                index,
                at,
                merchant,
                account: None,
                channel: *channel,
                operation: Some(*operation),
                breach: Breach::Payee,
                clause: *clause,
                name: None,
                count: 1,
                since: None,
            }),
            _ => None,
        }
    }
}

#[derive(Default)]
struct Seen {
    latest: VecDeque<Refusal>,
    sums: BTreeMap<(Clause, Breach), u64>,
}

/// Every refusal that was read. Read anew at each start, like all of that journal.
#[derive(Default)]
pub struct Refusals(RwLock<Seen>);

impl Refusals {
    /// Takes an entry of the trades journal.
    pub fn observe(&self, index: u64, entry: &TradeEntry) {
        let Some(refusal) = Refusal::of(index, entry) else {
            return;
        };
        let mut seen = self.0.write();
        *seen.sums.entry((refusal.clause, refusal.breach)).or_default() += refusal.count;
        if seen.latest.len() == MOST {
            seen.latest.pop_front();
        }
        seen.latest.push_back(refusal);
    }

    /// Those that `wanted` wants, latest first, `most` at most, and how many more there are.
    pub fn list(&self, wanted: impl Fn(&Refusal) -> bool, most: usize) -> (Vec<Refusal>, usize) {
        let seen = self.0.read();
        let found: Vec<&Refusal> = seen.latest.iter().rev().filter(|r| wanted(r)).collect();
        let more = found.len().saturating_sub(most);
        (found.into_iter().take(most).cloned().collect(), more)
    }

    /// How many there are by clause and kind.
    pub fn sums(&self) -> Vec<(Clause, Breach, u64)> {
        let seen = self.0.read();
        seen.sums
            .iter()
            .map(|((clause, breach), n)| (*clause, *breach, *n))
            .collect()
    }
}
