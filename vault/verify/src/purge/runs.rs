//! Runs of the proxy, whose bucket keys live in their memory only.

use super::{
    Seen, TOLERANCE_MS,
    bucket::{Bucket, Claim, Fate},
    times::Times,
};
use crate::finding::Report;
use domain::{Boot, Instant, Purpose, SealRef, TradeEvent};
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
    /// Its settings, where its first entry tells them.
    times: Option<Times>,
    /// When a payer was last sealed for a notification.
    notified: Option<Instant>,
    /// By number; numbers rise with their deadlines.
    buckets: BTreeMap<u64, Bucket>,
}

impl Runs {
    pub(super) fn see(&mut self, seen: Seen, report: &mut Report) {
        match &seen.entry.event {
            TradeEvent::ProcessStarted { boot, .. } => {
                self.start(seen, *boot, Times::of(&seen.entry.event), report)
            }
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

    fn start(&mut self, seen: Seen, boot: Boot, times: Option<Times>, report: &mut Report) {
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
            times,
            notified: None,
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
            Some(run) => {
                if matches!(seen.entry.event, TradeEvent::AttemptPaid { .. }) {
                    run.notified = run.notified.max(Some(seen.at()));
                }
                run.bucket(bucket).seal(seen, bucket, records, report);
            }
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
                run.find_renewed_too_long(seen, &name, &claim, report);
                run.bucket(number).destroy(seen, &name, claim, report);
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
        let (mut counts, mut told, mut settings) = (BTreeMap::<&str, u64>::new(), Vec::new(), Vec::new());
        for (n, run) in self.runs.iter().enumerate() {
            let last = n + 1 == self.runs.len();
            report.line(run.title(last));
            report.line(Times::line(run.times));
            settings.push(Times::fact(run.times, run.boot));
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
        report.fact("settings", settings);
        report.fact("buckets", told);
        report.fact("fates", json!(counts));
    }
}

impl Run {
    fn name(&self, number: u64) -> String {
        format!("bucket {number} of boot {}", self.boot)
    }

    fn bucket(&mut self, number: u64) -> &mut Bucket {
        let life = Times::life_ms(self.times);
        self.buckets
            .entry(number)
            .or_insert_with(|| Bucket::of_life(life))
    }

    /// Only what was sealed for a notification is renewed, each time within a bucket's length of its death; so a
    /// bucket that something was renewed from cannot outlive the last such notification by more than its limit.
    fn find_renewed_too_long(&self, seen: Seen, name: &str, claim: &Claim, report: &mut Report) {
        let renewed = claim.openings.get(&Purpose::Renew).copied().unwrap_or(0);
        let Some(times) = self.times.filter(|_| renewed > 0) else {
            return;
        };
        let limit = times.notify_ms + times.bucket_ms;
        let Some(latest) = self.notified.map(|at| at.plus_millis(limit)) else {
            return seen.find(
                report,
                format!("{name}: {renewed} records were renewed, but no notification is on record"),
            );
        };
        if claim.deadline > latest.plus_millis(TOLERANCE_MS) {
            let what = format!("{name}: {renewed} records were renewed until {}", claim.deadline);
            seen.find(
                report,
                format!("{what}, expected {latest} at the latest for a notification"),
            );
        }
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
