//! Instants and days. A day is a natural day in UTC+8, whatever the machine's zone.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Wall-clock time in milliseconds since the Unix epoch. Only for windows, days and records; deadlines run
/// on boot-monotonic time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug, Default)]
#[serde(transparent)]
pub struct Instant(i64);

impl Instant {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Instant(ms)
    }

    /// From seconds since the Unix epoch.
    pub const fn from_secs(s: i64) -> Self {
        Instant(s * 1000)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Later by so many milliseconds.
    pub const fn plus_millis(self, ms: i64) -> Self {
        Instant(self.0.saturating_add(ms))
    }

    /// The natural day in UTC+8 that holds this instant.
    pub const fn day(self) -> Day {
        Day((self.0 + 8 * 3_600_000).div_euclid(86_400_000) as i32)
    }
}

/// A natural day in UTC+8, counted from 1970-01-01.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(i32);

impl Day {
    /// Days since 1970-01-01 (UTC+8).
    pub const fn number(self) -> i32 {
        self.0
    }

    /// From days since 1970-01-01 (UTC+8).
    pub const fn from_number(n: i32) -> Self {
        Day(n)
    }

    /// 00:00:00.000 UTC+8 of this day.
    pub const fn start(self) -> Instant {
        Instant(self.0 as i64 * 86_400_000 - 8 * 3_600_000)
    }

    /// Reads `2026-11-23`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Day> {
        let plain = text.len() == 10
            && text.bytes().enumerate().all(|(at, b)| {
                if at == 4 || at == 7 {
                    b == b'-'
                } else {
                    b.is_ascii_digit()
                }
            });
        let number = |at: std::ops::Range<usize>| text.get(at)?.parse::<i64>().ok();
        let (y, m, d) = if plain {
            (number(0..4)?, number(5..7)?, number(8..10)?)
        } else {
            return None;
        };
        // Days of a civil date, era by era of 400 years starting in March; what does not come back the same is no date.
        let shifted = y - i64::from(m <= 2);
        let (era, yoe) = (shifted.div_euclid(400), shifted.rem_euclid(400));
        let doy = (153 * ((m + 9) % 12) + 2) / 5 + d - 1;
        let day = Day((era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468) as i32);
        (day.to_string() == text).then_some(day)
    }

    /// Year, month, day of the Gregorian calendar.
    pub fn ymd(self) -> (i64, u32, u32) {
        // Days to civil date, era by era of 400 years starting in March.
        let z = i64::from(self.0) + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
        let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
        (yoe + era * 400 + i64::from(month <= 2), month, day)
    }
}

impl fmt::Display for Day {
    /// `2026-11-23`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (y, m, d) = self.ymd();
        write!(f, "{y:04}-{m:02}-{d:02}")
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Instant {
    /// RFC 3339 in UTC+8 with whole seconds: `2026-11-23T20:47:13+08:00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = (self.0 + 8 * 3_600_000).rem_euclid(86_400_000) / 1000;
        write!(
            f,
            "{}T{:02}:{:02}:{:02}+08:00",
            self.day(),
            s / 3600,
            s / 60 % 60,
            s % 60
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_shanghai() {
        let midnight = Instant::from_secs(1_767_196_800); // 2026-01-01T00:00:00+08:00
        assert_eq!(midnight.to_string(), "2026-01-01T00:00:00+08:00");
        assert_eq!(midnight.day().start(), midnight);
        assert_eq!(midnight.plus_millis(-1).day().to_string(), "2025-12-31");
        assert_eq!(midnight.plus_millis(86_399_999).day(), midnight.day());
    }

    #[test]
    fn what_is_no_day_is_not_read_as_one() {
        for text in [
            "",
            "2026-1-01",
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-01-00",
            "2026-01-01 ",
            "20260101",
            "-026-01-01",
        ] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }

    #[test]
    fn leap_days_and_centuries() {
        for (secs, text) in [
            (951_782_400, "2000-02-29"),
            (1_709_164_800, "2024-02-29"),
            (4_107_456_000, "2100-02-28"),
            (0, "1970-01-01"),
        ] {
            assert_eq!(Instant::from_secs(secs).day().to_string(), text);
            assert_eq!(Day::parse(text), Some(Instant::from_secs(secs).day()));
        }
    }
}
