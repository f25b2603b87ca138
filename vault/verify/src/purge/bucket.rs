//! One bucket key and what became of it.

use super::{Seen, TOLERANCE_MS};
use crate::finding::Report;
use domain::{Boot, Instant, Purpose};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What the journal says of one bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    /// How long its key may live from the first sealing on record, in milliseconds.
    life_ms: i64,
    /// Where the journal first says that something was sealed under it.
    sealed: Option<Place>,
    /// Records that the journal names.
    named: u64,
    destroyed: Option<Destroyed>,
}

/// Where and when something stands in the journal.
#[derive(Debug, Clone)]
struct Place {
    bundle: String,
    index: u64,
    at: Instant,
}

impl Place {
    fn of(seen: Seen) -> Self {
        Place {
            bundle: seen.place.to_owned(),
            index: seen.index,
            at: seen.at(),
        }
    }
}

/// What a destroy entry says.
#[derive(Debug)]
struct Destroyed {
    place: Place,
    deadline: Instant,
    openings: BTreeMap<Purpose, u64>,
    records: u64,
}

/// What became of a bucket key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    InTime,
    Late,
    LostAtCrash,
    Alive,
    Never,
}

impl Fate {
    pub(super) fn words(self) -> &'static str {
        match self {
            Fate::InTime => "destroyed in time",
            Fate::Late => "destroyed late",
            Fate::LostAtCrash => "lost at a crash",
            Fate::Alive => "alive",
            Fate::Never => "never destroyed",
        }
    }
}

/// What a `BucketDestroyed` event says, apart from which bucket it is about.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    pub(super) deadline: Instant,
    pub(super) openings: &'a BTreeMap<Purpose, u64>,
    pub(super) records: u64,
}

impl Bucket {
    pub(super) fn of_life(life_ms: i64) -> Self {
        Bucket {
            life_ms,
            sealed: None,
            named: 0,
            destroyed: None,
        }
    }

    pub(super) fn seal(&mut self, seen: Seen, number: u64, records: u32, report: &mut Report) {
        let after = |d: &&Destroyed| seen.at() > d.place.at.plus_millis(TOLERANCE_MS);
        if let Some(dead) = self.destroyed.as_ref().filter(after) {
            let index = dead.place.index;
            let what =
                format!("a record is sealed under bucket {number}, whose key was destroyed at index {index}");
            seen.find(report, what);
        }
        self.named += u64::from(records);
        self.sealed.get_or_insert_with(|| Place::of(seen));
    }

    /// `name` says which bucket of which boot.
    pub(super) fn destroy(&mut self, seen: Seen, name: &str, claim: Claim, report: &mut Report) {
        if let Some(before) = &self.destroyed {
            let index = before.place.index;
            return seen.find(report, format!("{name} was destroyed before, at index {index}"));
        }
        let Claim {
            deadline,
            openings,
            records,
        } = claim;
        let late = seen.at().millis().saturating_sub(deadline.millis());
        if late > TOLERANCE_MS {
            let what = format!("{name} was destroyed late: {late} ms after its deadline {deadline}");
            seen.find(report, format!("{what}, at most {TOLERANCE_MS} ms are allowed"));
        }
        // Without this a deadline in the far future would make everything timely.
        if let Some(latest) = self
            .latest()
            .filter(|latest| deadline > latest.plus_millis(TOLERANCE_MS))
        {
            seen.find(
                report,
                format!("{name} has the deadline {deadline}, expected {latest} at the latest"),
            );
        }
        self.destroyed = Some(Destroyed {
            place: Place::of(seen),
            deadline,
            openings: openings.clone(),
            records,
        });
    }

    /// When it must be dead whatever its deadline.
    pub(super) fn latest(&self) -> Option<Instant> {
        self.sealed
            .as_ref()
            .map(|place| place.at.plus_millis(self.life_ms))
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.destroyed.as_ref().map(|d| d.deadline)
    }

    /// In time or late; `None` if no destroy entry is there.
    pub(super) fn fate(&self) -> Option<Fate> {
        let in_time = |d: &Destroyed| d.place.at <= d.deadline.plus_millis(TOLERANCE_MS);
        self.destroyed
            .as_ref()
            .map(|d| if in_time(d) { Fate::InTime } else { Fate::Late })
    }

    /// Puts down that it was never destroyed.
    pub(super) fn find_alive(&self, name: &str, why: &str, report: &mut Report) {
        if let Some(place) = &self.sealed {
            let what = format!("{name} was never destroyed: {why}, expected bucket_destroyed");
            report.find(&place.bundle, Some(place.index), what);
        }
    }

    /// A destroy entry cannot have fewer records than the journal names. It can have more: what was sealed for an
    /// order that was refused afterwards, or was renewed, is named nowhere else.
    pub(super) fn find_missing(&self, name: &str, report: &mut Report) {
        if let Some(d) = self.destroyed.as_ref().filter(|d| d.records < self.named) {
            let what = format!(
                "{name} was destroyed with {} records, expected {} or more",
                d.records, self.named
            );
            report.find(&d.place.bundle, Some(d.place.index), what);
        }
    }

    pub(super) fn line(&self, fate: Fate) -> String {
        let Some(d) = &self.destroyed else {
            return format!("{} records named, {}", self.named, fate.words());
        };
        let openings: Vec<_> = d
            .openings
            .iter()
            .map(|(purpose, n)| format!("{} {n}", word(*purpose)))
            .collect();
        let openings = if openings.is_empty() {
            "none".to_owned()
        } else {
            openings.join(", ")
        };
        let (records, fate, at, deadline) = (d.records, fate.words(), d.place.at, d.deadline);
        format!("{records} records, openings: {openings}; {fate} at {at} (deadline {deadline})")
    }

    pub(super) fn fact(&self, boot: Boot, number: u64, fate: Fate) -> Value {
        let d = self.destroyed.as_ref();
        json!({
            "boot": boot.to_string(),
            "bucket": number,
            "fate": fate.words(),
            "records": d.map_or(self.named, |d| d.records),
            "named": self.named,
            "openings": d.map(|d| &d.openings),
            "deadline": d.map(|d| d.deadline),
            "destroyed_at": d.map(|d| d.place.at),
            "destroyed_index": d.map(|d| d.place.index),
        })
    }
}

fn word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Forward => "forward",
        Purpose::Notify => "notify",
        Purpose::Renew => "renew",
    }
}
