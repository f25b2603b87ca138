//! What a package must hold, from the state alone.

use crate::state::{Flag, State, Status};
use domain::*;

/// One flag in a package.
pub(super) struct Item {
    pub(super) number: u64,
    pub(super) flag: Flag,
}

/// Everything that one package says.
pub(super) struct Contents {
    pub(super) acquirer: AcquirerNo,
    pub(super) package: u64,
    /// SHA-256 of the previous manifest.
    pub(super) previous: Option<Digest>,
    pub(super) first: u64,
    pub(super) last: u64,
    /// Every number from first to last.
    pub(super) numbers: Vec<Item>,
    /// Earlier numbers that were open in their package and have been decided since.
    pub(super) late: Vec<Item>,
    pub(super) rules: Option<Digest>,
    /// The acquirer's last flag or decision when this was put together.
    pub(super) revision: Option<u64>,
}

impl Contents {
    /// The next package of an acquirer; `None` if nothing is new.
    pub(super) fn of(state: &State, acquirer: &AcquirerNo) -> Option<Contents> {
        let before = state.packages(acquirer).last();
        let first = before.map_or(0, |p| p.last) + 1;
        let item = |(number, flag): (u64, &Flag)| Item {
            number,
            flag: flag.clone(),
        };
        let numbers: Vec<Item> = state
            .flags_of(acquirer)
            .filter(|(n, _)| *n >= first)
            .map(item)
            .collect();
        // A package holds every decision before its own entry, and none after.
        let since = before.map_or(0, |p| p.index);
        let decided_since = |flag: &Flag| flag.decision.as_ref().is_some_and(|d| d.index > since);
        let earlier = state
            .flags_of(acquirer)
            .filter(|(n, flag)| *n < first && decided_since(flag));
        let late: Vec<Item> = earlier.map(item).collect();
        if numbers.is_empty() && late.is_empty() {
            return None;
        }
        Some(Contents {
            acquirer: acquirer.clone(),
            package: before.map_or(0, |p| p.package) + 1,
            previous: before.map(|p| p.digest),
            first,
            last: state.last_flag(acquirer),
            numbers,
            late,
            rules: state.rules(),
            revision: state.revision(acquirer),
        })
    }

    /// Index of the last entry of the cases journal that must be in the signed tree.
    pub(super) fn needed(&self) -> u64 {
        self.revision.unwrap_or(0)
    }

    fn items(&self) -> impl Iterator<Item = &Item> {
        self.late.iter().chain(&self.numbers)
    }

    /// The confirmed flags, by number.
    pub(super) fn rows(&self) -> Vec<&Item> {
        let mut rows: Vec<_> = self
            .items()
            .filter(|item| item.flag.status() == Status::Confirmed)
            .collect();
        rows.sort_by_key(|item| item.number);
        rows
    }

    pub(super) fn confirmed(&self) -> usize {
        self.items()
            .filter(|item| item.flag.status() == Status::Confirmed)
            .count()
    }
}
