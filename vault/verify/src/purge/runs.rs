//! Runs of the proxy, whose bucket keys live in their memory only.

use super::{
    Seen, TOLERANCE_MS,
    bucket::{Bucket, Claim, Fate},
};
use crate::finding::Report;
use domain::{Boot, Instant, SealRef, TradeEvent};
use serde_json::json;
use std::collections::BTreeMap;

/// Every run so far; the last one is the current one.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: Vec<Run>,
}

#[derive(Debug)]
struct Run {
    boot: Boot,
    started: (u64, Instant),
    stopped: Option<(u64, Instant)>,
    /// Latest time in any entry of the run.
    now: Instant,
    /// By number; numbers rise with their deadlines.
    buckets: BTreeMap<u64, Bucket>,
}

impl Runs {
    pub(super) fn see(&mut self, seen: Seen, report: &mut Report) {
        match &seen.entry.event {
            TradeEvent::ProcessStarted { boot, .. } => self.start(seen, *boot, report),
            TradeEvent::ProcessStopped { boot } => self.stop(seen, *boot, report),
            TradeEvent::BucketDestroyed {
                boot,
                bucket,
                deadline,
                openings,
                records,
            } => {
                let claim = Claim {
                    deadline: *deadline,
                    openings,
                    records: *records,
                };
                self.destroy(seen, *boot, *bucket, claim, report);
            }
            _ => {}
        }
        if let Some(seal) = seen.seal() {
            self.seal(seen, seal, report);
        }
        if let Some(run) = self.runs.last_mut() {
            run.now = run.now.max(seen.at());
        }
    }

    fn start(&mut self, seen: Seen, boot: Boot, report: &mut Report) {
        if self.runs.iter().any(|run| run.boot == boot) {
            seen.find(
                report,
                format!("boot {boot} starts a second time; each start draws a new one"),
            );
        }
        let started = (seen.index, seen.at());
        self.runs.push(Run {
            boot,
            started,
            stopped: None,
            now: seen.at(),
            buckets: BTreeMap::new(),
        });
    }

    fn stop(&mut self, seen: Seen, boot: Boot, report: &mut Report) {
        match self.runs.last_mut() {
            Some(run) if run.boot == boot && run.stopped.is_none() => {
                run.stopped = Some((seen.index, seen.at()))
            }
            Some(run) => seen.find(
                report,
                format!("boot {boot} stops, expected the running boot {}", run.boot),
            ),
            None => seen.find(report, format!("boot {boot} stops, but no run has begun")),
        }
    }

    fn seal(&mut self, seen: Seen, SealRef { bucket, records }: SealRef, report: &mut Report) {
        match self.runs.last_mut().filter(|run| run.stopped.is_none()) {
            Some(run) => run
                .buckets
                .entry(bucket)
                .or_default()
                .seal(seen, bucket, records, report),
            None => {
                seen.find(
                    report,
                    format!("a record is sealed under bucket {bucket} while no run is on record"),
                );
            }
        }
    }

    fn destroy(&mut self, seen: Seen, boot: Boot, number: u64, claim: Claim, report: &mut Report) {
        match self.runs.last_mut().filter(|run| run.boot == boot) {
            Some(run) => {
                let name = run.name(number);
                run.buckets
                    .entry(number)
                    .or_default()
                    .destroy(seen, &name, claim, report);
            }
            None => {
                let what =
                    format!("bucket {number} of boot {boot} is destroyed, which is not the running one");
                seen.find(report, what);
            }
        }
    }

    /// Looks at every bucket once all is known, and tells what became of it.
    pub(super) fn conclude(&self, report: &mut Report) {
        let (mut counts, mut told) = (BTreeMap::<&str, u64>::new(), Vec::new());
        for (n, run) in self.runs.iter().enumerate() {
            let last = n + 1 == self.runs.len();
            report.line(run.title(last));
            for (number, bucket) in &run.buckets {
                let fate = run.conclude(last, *number, bucket, report);
                report.line(format!("  bucket {number}: {}", bucket.line(fate)));
                *counts.entry(fate.words()).or_default() += 1;
                told.push(bucket.fact(run.boot, *number, fate));
            }
        }
        let summary: Vec<_> = counts
            .iter()
            .map(|(fate, count)| format!("{count} {fate}"))
            .collect();
        report.line(format!(
            "{} runs, {} buckets: {}",
            self.runs.len(),
            told.len(),
            summary.join(", ")
        ));
        report.fact("runs", self.runs.len());
        report.fact("buckets", told);
        report.fact("fates", json!(counts));
    }
}

impl Run {
    fn name(&self, number: u64) -> String {
        format!("bucket {number} of boot {}", self.boot)
    }

    fn conclude(&self, last: bool, number: u64, bucket: &Bucket, report: &mut Report) -> Fate {
        let name = self.name(number);
        bucket.find_missing(&name, report);
        if let Some(fate) = bucket.fate() {
            return fate;
        }
        let why = if self.stopped.is_some() {
            "its run has stopped"
        } else if self.overdue(number, bucket) {
            "its deadline is over"
        } else {
            return if last { Fate::Alive } else { Fate::LostAtCrash };
        };
        bucket.find_alive(&name, why, report);
        Fate::Never
    }

    /// A living bucket's deadline stands nowhere, but it is not later than that of any bucket with a higher
    /// number, and no bucket lives longer than a day. A crash excuses only what was not due before it.
    fn overdue(&self, number: u64, bucket: &Bucket) -> bool {
        let later = self
            .buckets
            .range(number..)
            .filter_map(|(_, bucket)| bucket.deadline());
        let due = later.chain(bucket.latest()).min();
        due.is_some_and(|due| self.now > due.plus_millis(TOLERANCE_MS))
    }

    fn title(&self, last: bool) -> String {
        let (index, at) = self.started;
        let end = match self.stopped {
            Some((index, at)) => format!("stopped at index {index}, {at}"),
            None if last => "still running at the last entry".to_owned(),
            None => "ended without process_stopped: its keys died with it".to_owned(),
        };
        format!("run {} from index {index}, {at}; {end}", self.boot)
    }
}
