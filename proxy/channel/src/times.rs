//! Times as the channels write them.

use domain::Instant;
use jiff::{Timestamp, civil::DateTime, tz::Offset};

/// RFC 3339 with a zone, as WeChat writes it (channels.md 1.3).
pub(crate) fn rfc3339(text: &str) -> Option<Instant> {
    let shape =
        text.is_ascii() && text.len() >= 20 && text.as_bytes().get(10) == Some(&b'T') && !text.contains('[');
    let time: Timestamp = shape.then(|| text.parse().ok())??;
    Some(Instant::from_millis(time.as_millisecond()))
}

/// `YYYY-MM-DD HH:mm:ss` in China time, as Alipay writes it (channels.md 3.1); parts of a second are dropped.
pub(crate) fn china(text: &str) -> Option<Instant> {
    let whole = text.split_once('.').map_or(Some(text), |(whole, part)| {
        ((1..=9).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())).then_some(whole)
    })?;
    let shape = b"dddd-dd-dd dd:dd:dd";
    let fits = |(b, s): (u8, &u8)| if *s == b'd' { b.is_ascii_digit() } else { b == *s };
    if whole.len() != shape.len() || !whole.bytes().zip(shape).all(fits) {
        return None;
    }
    let time: DateTime = whole.replacen(' ', "T", 1).parse().ok()?;
    let time = Offset::constant(8).to_timestamp(time).ok()?;
    Some(Instant::from_millis(time.as_millisecond()))
}

/// The inverse of [`china`], whole seconds.
pub(crate) fn to_china(at: Instant) -> String {
    let text = at.to_string();
    let (day, rest) = text.split_once('T').unwrap_or((&text, ""));
    format!("{day} {}", rest.trim_end_matches("+08:00"))
}

/// `YYYYMMDDHHmmss` in China time, as WeChat's V2 writes it (channels.md 2.2).
pub(crate) fn china_digits(text: &str) -> Option<Instant> {
    let whole = text.len() == 14 && text.bytes().all(|b| b.is_ascii_digit());
    let part = |range: std::ops::Range<usize>| text.get(range).filter(|_| whole);
    china(&format!(
        "{}-{}-{} {}:{}:{}",
        part(0..4)?,
        part(4..6)?,
        part(6..8)?,
        part(8..10)?,
        part(10..12)?,
        part(12..14)?
    ))
}

/// The inverse of [`china_digits`], whole seconds.
pub(crate) fn to_china_digits(at: Instant) -> String {
    to_china(at)
        .chars()
        .filter(char::is_ascii_digit)
        .take(14)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_name_the_same_instant() {
        let at = Instant::from_secs(1_767_225_600);
        assert_eq!(rfc3339("2026-01-01T08:00:00+08:00"), Some(at));
        assert_eq!(rfc3339("2026-01-01T00:00:00Z"), Some(at));
        assert_eq!(china("2026-01-01 08:00:00"), Some(at));
        assert_eq!(china("2026-01-01 08:00:00.320"), Some(at));
        assert_eq!(to_china(at), "2026-01-01 08:00:00");
        assert_eq!(china_digits("20260101080000"), Some(at));
        assert_eq!(to_china_digits(at.plus_millis(999)), "20260101080000");
    }

    #[test]
    fn refuses_other_spellings() {
        for text in [
            "",
            "2026-01-01",
            "2026-01-01T08:00:00",
            "2026-01-01 08:00:00+08:00",
            "2026-01-01T08:00:00+08:00[Asia/Shanghai]",
        ] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
        for text in [
            "",
            "2026010108000",
            "2026-01-01 0800",
            "20260230080000",
            "2026010108000１",
        ] {
            assert_eq!(china_digits(text), None, "{text}");
        }
        for text in [
            "",
            "2026-1-1 08:00:00",
            "2026-01-01T08:00:00",
            "2026-02-30 08:00:00",
            "2026-01-01 08:00:00.",
            "2026-01-01 08:00:00Z",
        ] {
            assert_eq!(china(text), None, "{text}");
        }
    }
}
