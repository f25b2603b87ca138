//! UnionPay's fields: synchronous answers are `k=v&k=v` text without percent-encoding, notices are ordinary forms
//! (channels.md 4.2).

use crate::form::{self, Form, FormError};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::collections::BTreeMap;
use vault::Text;
use zeroize::Zeroizing;

/// Most fields we look at.
const MOST: usize = 128;

/// Fields by name, as received, empty ones too.
pub(crate) struct Fields(BTreeMap<String, Zeroizing<String>>);

impl Fields {
    /// A synchronous answer. A value that holds `{` or `[` goes on to the next `}` or `]`, whatever stands between; a
    /// name ends at the first `=`.
    pub(crate) fn of_text(octets: &[u8]) -> Option<Fields> {
        let text = std::str::from_utf8(octets).ok()?;
        // A line's end behind the whole is none of it, but where a certificate stands last it may be the certificate's own.
        let bare = text.trim_end_matches(['\r', '\n']);
        let own = pairs(bare)
            .last()
            .is_some_and(|last| last.starts_with("signPubKeyCert="));
        let text = if own { text } else { bare };
        let mut fields = BTreeMap::new();
        for pair in pairs(text) {
            let (name, value) = pair.split_once('=')?;
            let word = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if !word || fields.len() == MOST {
                return None;
            }
            // Nobody signs the same name twice.
            if fields
                .insert(name.to_owned(), Zeroizing::new(value.to_owned()))
                .is_some()
            {
                return None;
            }
        }
        Some(Fields(fields))
    }

    /// A notice.
    pub(crate) fn of_form(octets: &[u8]) -> Result<Fields, FormError> {
        let form = Form::parse(octets)?;
        let own = |(name, value): (&str, &str)| (name.to_owned(), Zeroizing::new(value.to_owned()));
        Ok(Fields(form.iter().map(own).collect()))
    }

    /// A value that is there and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(|value| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// All fields, empty ones too.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// What the signature covers: every field that came but `signature`, sorted, values as they are.
    pub(crate) fn signed_text(&self) -> Zeroizing<Vec<u8>> {
        let fields: Vec<(&str, &str)> = self
            .0
            .iter()
            .filter(|(name, _)| *name != "signature")
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        form::join(&fields)
    }
}

/// Cuts at every `&` that stands outside of braces and brackets.
fn pairs(text: &str) -> Vec<&str> {
    let (mut all, mut begin, mut open) = (Vec::new(), 0, None);
    for (at, c) in text.char_indices() {
        match (open, c) {
            (Some(end), c) if c == end => open = None,
            (None, '{') => open = Some('}'),
            (None, '[') => open = Some(']'),
            (None, '&') => {
                all.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    all.push(&text[begin..]);
    all
}

/// `customerInfo`: base64 of `{k=v&k=v}` in the order given (channels.md 4.2).
pub fn customer_info(fields: &[(&str, &str)]) -> Zeroizing<String> {
    let mut plain = Zeroizing::new(Vec::with_capacity(64));
    plain.push(b'{');
    plain.extend_from_slice(&form::join(fields));
    plain.push(b'}');
    Zeroizing::new(STANDARD.encode(&*plain))
}

/// The fields of a `customerInfo`; `None` for what is none.
pub fn read_customer_info(text: &str) -> Option<Vec<(String, Text)>> {
    let plain = String::from_utf8(STANDARD.decode(text).ok()?)
        .ok()
        .map(Zeroizing::new)?;
    let inner = plain.strip_prefix('{')?.strip_suffix('}')?;
    let own = |pair: &str| {
        pair.split_once('=')
            .map(|(name, value)| (name.to_owned(), Text::from(value)))
    };
    inner.split('&').map(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<(String, String)>> {
        let fields = Fields::of_text(text.as_bytes())?;
        Some(
            fields
                .0
                .iter()
                .map(|(name, value)| (name.clone(), value.to_string()))
                .collect(),
        )
    }

    #[test]
    fn braces_hold_what_would_end_a_value() {
        let wanted = |pairs: &[(&str, &str)]| {
            Some(
                pairs
                    .iter()
                    .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                    .collect(),
            )
        };
        assert_eq!(read("b=2&a=1"), wanted(&[("a", "1"), ("b", "2")]));
        assert_eq!(
            read("a={x=1&y=2}&b=ok[00=&0]"),
            wanted(&[("a", "{x=1&y=2}"), ("b", "ok[00=&0]")])
        );
        assert_eq!(read("a=x==&b="), wanted(&[("a", "x=="), ("b", "")]));
        // An opening brace inside of another is text; a closing one alone too.
        assert_eq!(read("a={[}&b=]}"), wanted(&[("a", "{[}"), ("b", "]}")]));
        assert_eq!(read("a=成功[0000000]\r\n"), wanted(&[("a", "成功[0000000]")]));
        let cert = "signPubKeyCert=-----END CERTIFICATE-----\r\n";
        let said = cert.split_once('=').unwrap_or_default();
        assert_eq!(read(cert), wanted(&[said]), "as it was signed");
    }

    #[test]
    fn what_could_be_read_two_ways_is_not_read() {
        for text in [
            "",
            "a",
            "=1",
            "a=1&",
            "a=1&&b=2",
            "a=1&a=1",
            "a%41=1",
            "a b=1",
            "a={1&a=2}&a=3",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert!(Fields::of_text(b"a=\xff").is_none());
        let many: Vec<String> = (0..=MOST).map(|n| format!("n{n}=1")).collect();
        assert_eq!(read(&many.join("&")), None);
    }

    #[test]
    fn a_customer_is_written_in_the_order_given_and_read_back() {
        let packed = customer_info(&[("phoneNo", "13500000000"), ("certifTp", "01")]);
        let fields = read_customer_info(&packed).expect("own text");
        let plain: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose()))
            .collect();
        assert_eq!(plain, [("phoneNo", "13500000000"), ("certifTp", "01")]);
        for wrong in ["", "e30", "e30=", "YQ=="] {
            assert!(read_customer_info(wrong).is_none(), "{wrong}");
        }
    }
}
