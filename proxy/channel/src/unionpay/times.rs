//! Times as UnionPay writes them: `yyyyMMddHHmmss` in China time (channels.md 4.3).

use super::fields::Fields;
use domain::Instant;
use jiff::{civil::DateTime, tz::Offset};

/// `yyyyMMddHHmmss`, whole seconds.
pub(super) fn written(at: Instant) -> String {
    at.to_string()
        .chars()
        .take(19)
        .filter(char::is_ascii_digit)
        .collect()
}

/// The inverse of [`written`].
pub(super) fn read(text: &str) -> Option<Instant> {
    if text.len() != 14 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| &text[from..to];
    let spelt = format!(
        "{}-{}-{}T{}:{}:{}",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14)
    );
    let time: DateTime = spelt.parse().ok()?;
    let at = Instant::from_millis(Offset::constant(8).to_timestamp(time).ok()?.as_millisecond());
    // A 60th second would be another spelling of the 59th.
    Some(at).filter(|at| written(*at) == text)
}

/// The time that belongs to the number of a message (`txnTime`, channels.md 4.3).
pub(super) fn named(said: &Fields) -> Option<Instant> {
    said.get("txnTime").and_then(read)
}

/// `traceTime` has no year (`MMddHHmmss`): it is the one such time that is near the order itself.
pub(super) fn traced(text: &str, sent: &str) -> Option<Instant> {
    const DAY_MS: i64 = 86_400_000;
    // Of the same time in three years one is meant; how near it must be matters little.
    const BEFORE: i64 = -30 * DAY_MS;
    let begun = read(sent)?;
    let year: i32 = sent.get(..4)?.parse().ok()?;
    let candidates = [year - 1, year, year + 1]
        .into_iter()
        .filter_map(|year| read(&format!("{year:04}{text}")));
    candidates
        .filter(|at| (BEFORE..=180 * DAY_MS).contains(&(at.millis() - begun.millis())))
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_name_the_same_second() {
        let at = Instant::from_secs(1_767_225_600);
        assert_eq!(written(at), "20260101080000");
        assert_eq!(read("20260101080000"), Some(at));
        for wrong in [
            "",
            "2026010108000",
            "202601010800000",
            "20260230080000",
            "20260101080060",
            "2026010108000a",
            "２０２６",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_time_without_a_year_belongs_to_its_order() {
        assert_eq!(traced("0101080100", "20260101080000"), read("20260101080100"));
        assert_eq!(
            traced("0101000001", "20251231235959"),
            read("20260101000001"),
            "over the end of a year"
        );
        assert_eq!(
            traced("1231235958", "20260101000001"),
            read("20251231235958"),
            "UnionPay's clock is a little behind"
        );
        assert_eq!(
            traced("0229000000", "20270101000000"),
            None,
            "no such day in that year"
        );
        assert_eq!(traced("x", "20260101080000"), None);
    }
}
