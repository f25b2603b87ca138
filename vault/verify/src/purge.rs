//! Did buyer data die in time? Told by the trades journal alone (design.md section 7).
//!
//! What this can show: every key that the journal says was used is on record as destroyed, in time, or died with its
//! process. What no journal can show: that the process told the truth. That is what the byte scans of the test
//! suite are for.

mod bucket;
mod epochs;
mod runs;
mod times;

use crate::{
    entries::{AnyEntry, Kind},
    finding::{Report, Unreadable},
    journal::{JournalOptions, walk_journal},
};
use domain::{Instant, TradeEntry, TradeEvent};
use std::path::Path;

/// A bucket's destroy entry may be put on record so much after the deadline: recording takes its time.
pub(crate) const TOLERANCE_MS: i64 = 5_000;

/// One entry on its way through the purge checks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    /// The bundle it stands in.
    pub(crate) place: &'a str,
    /// Its index.
    pub(crate) index: u64,
    /// The entry itself.
    pub(crate) entry: &'a TradeEntry,
}

impl Seen<'_> {
    pub(crate) fn at(&self) -> Instant {
        self.entry.at
    }

    pub(crate) fn find(&self, report: &mut Report, what: impl Into<String>) {
        report.find(self.place, Some(self.index), what);
    }

    /// The payer's pseudonym that the entry carries.
    pub(crate) fn payer(&self) -> Option<domain::PayerToken> {
        match &self.entry.event {
            TradeEvent::Refused { payer, .. }
            | TradeEvent::AttemptIntended { payer, .. }
            | TradeEvent::AttemptPaid { payer, .. } => *payer,
            _ => None,
        }
    }

    /// The sealed buyer data that the entry names.
    pub(crate) fn seal(&self) -> Option<domain::SealRef> {
        match &self.entry.event {
            TradeEvent::AttemptIntended { seal, .. } | TradeEvent::AttemptPaid { seal, .. } => *seal,
            _ => None,
        }
    }
}

/// Checks the journal itself (like [`crate::check_journal`]), then the life of every bucket key and token epoch in it.
pub fn check_purge(dir: &Path, options: &JournalOptions) -> Result<Report, Unreadable> {
    let (mut runs, mut epochs, mut purge) = (
        runs::Runs::default(),
        epochs::Epochs::default(),
        Report::default(),
    );
    let mut report = walk_journal(dir, options, &mut |place, index, entry| {
        if let AnyEntry::Trade(entry) = entry {
            let seen = Seen { place, index, entry };
            runs.see(seen, &mut purge);
            epochs.see(seen, &mut purge);
        }
    })?;
    // The journal's own lines are left out here: `guandao-verify journal` tells them.
    report.lines.clear();
    if report
        .facts
        .get("kind")
        .is_some_and(|kind| kind == Kind::Cases.as_str())
    {
        let why = "it is a cases journal; the keys of buyer data are on record in the trades journal";
        return Err(Unreadable::new(dir, why));
    }
    runs.conclude(&mut purge);
    epochs.conclude(&mut purge);
    merge(&mut report, purge);
    Ok(report)
}

fn merge(report: &mut Report, purge: Report) {
    for finding in purge.findings {
        report.find(finding.place, finding.index, finding.what);
    }
    report.more_findings += purge.more_findings;
    report.notes.extend(purge.notes);
    report.lines.extend(purge.lines);
    report.facts.extend(purge.facts);
}
