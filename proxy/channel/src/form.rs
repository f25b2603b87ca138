//! `application/x-www-form-urlencoded`, written as browsers do and read without mercy: a name twice, an
//! escape that is none, octets that are not UTF-8 are errors (design.md section 3, Pass-through).

use crate::{draft::Parameter, strict_json::shown};
use zeroize::Zeroizing;

/// Parameters in the order received.
pub struct Form(Vec<(String, Zeroizing<String>)>);

/// Why it is not a form. Names positions and names, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Not `name=value`.
    #[error("parameter {0} is not name=value")]
    Pair(usize),
    /// `%` without two hex digits, or an octet that must be escaped.
    #[error("a bad escape in {0}")]
    Escape(String),
    /// Not UTF-8.
    #[error("{0} is not UTF-8")]
    NotUtf8(String),
    /// Not GBK, or not in its one spelling.
    #[error("{0} is not GBK")]
    NotGbk(String),
    /// A name twice.
    #[error("{0} stands twice")]
    Twice(String),
}

/// Most parameters we look at.
const MOST: usize = 128;

impl Form {
    /// Reads one query or body.
    pub fn parse(octets: &[u8]) -> Result<Form, FormError> {
        let mut form = Form(Vec::new());
        form.read(octets, None)?;
        Ok(form)
    }

    /// Reads more parameters into the same form, for channels that take query and body together. The one named `again` may
    /// stand here once more, if it says to the octet what it said before.
    pub fn read(&mut self, octets: &[u8], mut again: Option<&str>) -> Result<(), FormError> {
        if octets.is_empty() {
            return Ok(());
        }
        let before = self.0.len();
        for pair in octets.split(|b| *b == b'&') {
            let place = self.0.len();
            let (name, value) = split(pair)
                .filter(|_| place < MOST)
                .ok_or(FormError::Pair(place))?;
            let value = decode(name, value)?;
            match self.0.iter().position(|(known, _)| known == name) {
                None => self.0.push((name.to_owned(), value)),
                Some(at)
                    if at < before && again.take_if(|a| *a == name).is_some() && self.0[at].1 == value => {}
                Some(_) => return Err(FormError::Twice(shown(name).to_owned())),
            }
        }
        Ok(())
    }

    /// A value that is there and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, v)| n == name && !v.is_empty())
            .map(|(_, v)| v.as_str())
    }

    /// All parameters.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// `k=v&k=v`, sorted, values as they are: Alipay's string to sign (channels.md 3.1, 3.5).
    pub fn string_to_sign(&self, takes_part: impl Fn(&str, &str) -> bool) -> Zeroizing<Vec<u8>> {
        let mut parameters: Vec<(&str, &str)> = self.iter().filter(|(n, v)| takes_part(n, v)).collect();
        parameters.sort_unstable();
        join(&parameters)
    }
}

/// What is signed of parameters already in order.
pub(crate) fn message(parameters: &[Parameter]) -> Zeroizing<Vec<u8>> {
    let pairs: Vec<(&str, &str)> = parameters.iter().map(|(n, v)| (*n, v.as_str())).collect();
    join(&pairs)
}

/// Could whoever holds a message of pairs, signed as [`join`] writes them, take it apart into other fields by what stands in this
/// value, without the signed text becoming another? Any field before it may take what is between for its own value, so any name
/// will do.
pub(crate) fn can_be_cut(value: &str) -> bool {
    value.split('&').skip(1).any(|pair| pair.contains('='))
}

/// `k=v&k=v` of parameters already in order.
pub(crate) fn join(parameters: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    let length = parameters.iter().map(|(n, v)| n.len() + v.len() + 2).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(length));
    for (name, value) in parameters {
        if !out.is_empty() {
            out.push(b'&');
        }
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        out.extend_from_slice(value.as_bytes());
    }
    out
}

/// A name is a plain word; whoever escapes names wants to be read differently by somebody.
pub(crate) fn split(pair: &[u8]) -> Option<(&str, &[u8])> {
    let middle = pair.iter().position(|b| *b == b'=')?;
    let (name, value) = (&pair[..middle], &pair[middle + 1..]);
    let word = !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
    Some((std::str::from_utf8(name).ok().filter(|_| word)?, value))
}

fn decode(name: &str, value: &[u8]) -> Result<Zeroizing<String>, FormError> {
    let mut out = unescape(name, value)?;
    match String::from_utf8(std::mem::take(&mut *out)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(FormError::NotUtf8(shown(name).to_owned()))
        }
    }
}

/// The octets of a value.
pub(crate) fn unescape(name: &str, value: &[u8]) -> Result<Zeroizing<Vec<u8>>, FormError> {
    let mut out = Zeroizing::new(Vec::with_capacity(value.len()));
    let mut rest = value;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        out.push(match first {
            b'+' => b' ',
            b'%' => {
                let (octet, after) = hex(after).ok_or_else(|| FormError::Escape(shown(name).to_owned()))?;
                rest = after;
                octet
            }
            // Raw octets that no writer of forms leaves as they are.
            0..=0x20 | b'"' | b'<' | b'>' | b'#' | 0x7f.. => {
                return Err(FormError::Escape(shown(name).to_owned()));
            }
            plain => *plain,
        });
    }
    Ok(out)
}

fn hex(octets: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = octets.split_at_checked(2)?;
    let mut octet = [0];
    hex::decode_to_slice(digits, &mut octet).ok()?;
    Some((octet[0], rest))
}

/// Writes a form: space as `+`, UTF-8 in `%XX`.
pub(crate) fn write(parameters: &[Parameter]) -> Zeroizing<Vec<u8>> {
    let most: usize = parameters.iter().map(|(n, v)| n.len() + 3 * v.len() + 2).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(most));
    for (name, value) in parameters {
        if !out.is_empty() {
            out.push(b'&');
        }
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        for part in form_urlencoded::byte_serialize(value.as_bytes()) {
            out.extend_from_slice(part.as_bytes());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(octets: &[u8]) -> FormError {
        Form::parse(octets).map(|_| ()).expect_err("refused")
    }

    /// Tried out: every way to take the signed text apart into fields in order that do not stand twice. Where no name can be cut
    /// out, all that a holder can do is to leave fields out.
    #[test]
    //= C80
    fn what_could_be_cut_into_other_fields_is_known() {
        const NAMES: [&str; 3] = ["backUrl", "frontUrl", "merId"];
        for (value, cut) in [
            ("https://h/?a=1", false),
            ("https://h/?a=1&b", false),
            ("https://h/?a=1&b=2", true),
            ("https://h/?a=1&merId=2", true),
            ("https://h/?a&currencyCode=840", true),
            ("https://h/?a&zz=", true),
            ("https://h/?a&店=1", true),
            ("https://h/?a&=", true),
            ("H&M", false),
            ("&&", false),
            ("zz=1", false),
        ] {
            assert_eq!(can_be_cut(value), cut, "{value}");
            let text = join(&[("backUrl", "b"), ("frontUrl", value), ("merId", "m")]);
            let pieces: Vec<&str> = std::str::from_utf8(&text).expect("text").split('&').collect();
            let readings = (0..1_u32 << pieces.len()).filter_map(|begins| {
                let mut names = Vec::new();
                for (at, piece) in pieces.iter().enumerate() {
                    match begins >> at & 1 {
                        0 if names.is_empty() => return None,
                        0 => {}
                        _ => names.push(piece.split_once('=')?.0),
                    }
                }
                names.is_sorted_by(|a, b| a < b).then_some(names)
            });
            let strange = readings.flatten().any(|name| !NAMES.contains(&name));
            assert!(cut || !strange, "{value}");
        }
    }

    #[test]
    fn reads_what_it_writes() {
        let text = "a+b c&d=e%/张三\n";
        let written = write(&[
            ("k", Zeroizing::new(text.into())),
            ("z", Zeroizing::new(String::new())),
        ]);
        let form = Form::parse(&written).expect("own form");
        assert_eq!(form.get("k"), Some(text));
        assert_eq!(form.get("z"), None);
        assert_eq!(form.iter().count(), 2);
    }

    #[test]
    fn refuses_what_could_be_read_two_ways() {
        assert_eq!(wrong(b"a=1&a=2"), FormError::Twice("a".into()));
        assert_eq!(wrong(b"a=&a=2"), FormError::Twice("a".into()));
        for bad in [
            &b"a=%"[..],
            b"a=%4",
            b"a=%zz",
            b"a=%+1",
            b"a= ",
            b"a=\xe5",
            b"a=#",
        ] {
            assert_eq!(wrong(bad), FormError::Escape("a".into()));
        }
        assert_eq!(wrong(b"a=%ff"), FormError::NotUtf8("a".into()));
        for bad in [
            &b"a"[..],
            b"=1",
            b"a=1&",
            b"&a=1",
            b"a=1&&b=2",
            b"%61=1",
            b"a[]=1",
        ] {
            assert!(matches!(wrong(bad), FormError::Pair(_)));
        }
        let mut form = Form::parse(b"a=1").expect("query");
        assert_eq!(form.read(b"a=1", None), Err(FormError::Twice("a".into())));
    }

    #[test]
    fn one_named_parameter_may_say_the_same_once_more() {
        let read = |query: &[u8], body: &[u8]| -> Result<usize, FormError> {
            let mut form = Form::parse(query)?;
            form.read(body, Some("a"))?;
            Ok(form.iter().count())
        };
        assert_eq!(read(b"a=x&b=2", b"c=3&a=%78"), Ok(3));
        let bodies: [&[u8]; 6] = [b"a=X", b"a=", b"a=x&a=x", b"b=2", b"a=x&b=2", b"a=x&c=1&c=1"];
        for body in bodies {
            assert!(matches!(read(b"a=x&b=2", body), Err(FormError::Twice(_))));
        }
        assert_eq!(read(b"b=2", b"a=x&a=x"), Err(FormError::Twice("a".into())));
        assert_eq!(read(b"a=x&a=x", b""), Err(FormError::Twice("a".into())));
    }
}
