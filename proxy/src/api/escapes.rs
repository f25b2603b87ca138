//! Escapes in targets. Usual HTTP clients escape lawful characters of order and refund numbers (`|`, `*`, `@`), so a value
//! is decoded: once, and only what is whole. The signature stays over the target as it was sent.

use crate::fault::{Code, Fault};
use std::borrow::Cow;

/// A path segment or query value without its `%XX` escapes. `+` stands for itself.
///
/// # Errors
/// `malformed_request` where a `%` is not followed by two hex digits, or the octets are not UTF-8.
pub(super) fn decoded(text: &str) -> Result<Cow<'_, str>, Fault> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let wrong = || {
        Fault::new(
            Code::MalformedRequest,
            "An escape in the target must be `%` and two hex digits, of UTF-8 text.",
        )
    };
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let (octet, after) = match (first, after) {
            (b'%', [high, low, after @ ..]) => (hex(*high, *low).ok_or_else(wrong)?, after),
            (b'%', _) => return Err(wrong()),
            (plain, after) => (*plain, after),
        };
        octets.push(octet);
        rest = after;
    }
    String::from_utf8(octets).map(Cow::Owned).map_err(|_| wrong())
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_escapes_are_decoded_once_and_others_refused() {
        for (text, plain) in [
            ("A|1*", "A|1*"),
            ("A%7C1%2a", "A|1*"),
            ("%2525", "%25"),
            ("a+b", "a+b"),
            ("%E8%8C%B6", "茶"),
        ] {
            assert_eq!(decoded(text).expect("lawful"), plain, "{text}");
        }
        for text in ["%", "%4", "a%zz", "%+1", "%ff", "%E8%8C"] {
            assert_eq!(
                decoded(text).map_err(|f| f.code),
                Err(Code::MalformedRequest),
                "{text}"
            );
        }
    }
}
