//! The times a run was set to, as its first entry tells them.

use domain::{Boot, TradeEvent};
use serde_json::{Value, json};

/// No bucket of a run that does not tell its settings lives longer: 24 h for a pending notification, and the length
/// of a bucket (design.md section 7).
const LONGEST_LIFE_MS: i64 = (24 * 3600 + 60) * 1000;

/// Settings of a run, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// Length of a bucket.
    pub(super) bucket_ms: i64,
    /// What is sealed is dead so much later.
    pub(super) deadline_ms: i64,
    /// Longest time of renewal for a notification.
    pub(super) notify_ms: i64,
}

impl Times {
    pub(super) fn of(event: &TradeEvent) -> Option<Times> {
        let TradeEvent::ProcessStarted {
            bucket_seconds,
            deadline_seconds,
            notify_seconds,
            ..
        } = event
        else {
            return None;
        };
        Some(Times {
            bucket_ms: millis((*bucket_seconds)?),
            deadline_ms: millis((*deadline_seconds)?),
            notify_ms: millis((*notify_seconds)?),
        })
    }

    /// How long a bucket's key may live from the first sealing on record. Renewal does not lengthen it: it seals
    /// again, under a later bucket.
    pub(super) fn life_ms(times: Option<Times>) -> i64 {
        times.map_or(LONGEST_LIFE_MS, |t| t.deadline_ms.saturating_add(t.bucket_ms))
    }

    pub(super) fn line(times: Option<Times>) -> String {
        let Some(t) = times else {
            return "  its settings are not on record: deadlines are held against 24 h only".to_owned();
        };
        let [bucket, deadline, notify] = [t.bucket_ms, t.deadline_ms, t.notify_ms].map(|ms| ms / 1000);
        format!(
            "  settings: buckets of {bucket} s, deadline {deadline} s, notifications renewed for {notify} s at most"
        )
    }

    pub(super) fn fact(times: Option<Times>, boot: Boot) -> Value {
        let seconds = |of: fn(Times) -> i64| times.map(|t| of(t) / 1000);
        json!({
            "boot": boot.to_string(),
            "bucket_seconds": seconds(|t| t.bucket_ms),
            "deadline_seconds": seconds(|t| t.deadline_ms),
            "notify_seconds": seconds(|t| t.notify_ms),
        })
    }
}

/// A forger may write any number; none may overflow.
fn millis(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).min(1 << 40) * 1000
}
