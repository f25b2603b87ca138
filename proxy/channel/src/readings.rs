//! What was signed in a form that is refused because it can be read in two ways. Nothing of it is carried. Whose it is goes on
//! record, and that is told by the one reading over which its signature is good: by the first of each name, by the last, or
//! by all that stands there.

use crate::form;
use zeroize::Zeroizing;

/// Most parameters we look at.
const MOST: usize = 128;

/// Parameters by one reading, as octets: whoever writes other characters than UTF-8's signs them too.
pub(crate) struct Reading(Vec<(Vec<u8>, Zeroizing<Vec<u8>>)>);

/// Its readings, if it has any: each is another way in which somebody may have understood it.
pub(crate) fn of_form(parts: &[&[u8]]) -> Vec<Reading> {
    let pairs = parts.iter().flat_map(|part| part.split(|b| *b == b'&'));
    let all: Vec<_> = pairs.filter_map(pair).take(MOST).collect();
    let first = all.iter().enumerate().filter(|(n, (name, _))| {
        let before = &all[..*n];
        before.iter().all(|(known, _)| known != name)
    });
    let last = all.iter().enumerate().filter(|(n, (name, _))| {
        let behind = &all[n + 1..];
        behind.iter().all(|(known, _)| known != name)
    });
    let own = |(_, pair): (usize, &(Vec<u8>, Zeroizing<Vec<u8>>))| pair.clone();
    let (first, last) = (first.map(own).collect::<Vec<_>>(), last.map(own).collect());
    match (all.is_empty(), first.len() == all.len()) {
        (true, _) => Vec::new(),
        (_, true) => vec![Reading(all)],
        (_, false) => vec![Reading(first), Reading(last), Reading(all)],
    }
}

/// A parameter; what is no pair, or has a name that nobody's list has, is none.
fn pair(octets: &[u8]) -> Option<(Vec<u8>, Zeroizing<Vec<u8>>)> {
    let (name, value) = form::split(octets)?;
    Some((name.as_bytes().to_vec(), form::unescape(name, value).ok()?))
}

impl Reading {
    /// A value that is there, is a text and is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(own, _)| own == name.as_bytes())?;
        std::str::from_utf8(value).ok().filter(|text| !text.is_empty())
    }

    /// `k=v&k=v`, sorted, of the parameters that take part.
    pub(crate) fn text(&self, takes_part: impl Fn(&[u8], &[u8]) -> bool) -> Zeroizing<Vec<u8>> {
        let mut taken: Vec<_> = self
            .0
            .iter()
            .filter(|(name, value)| takes_part(name, value))
            .collect();
        taken.sort_unstable_by(|a, b| (&a.0, a.1.as_slice()).cmp(&(&b.0, b.1.as_slice())));
        let mut out = Zeroizing::new(Vec::new());
        for (name, value) in taken {
            if !out.is_empty() {
                out.push(b'&');
            }
            out.extend_from_slice(name);
            out.push(b'=');
            out.extend_from_slice(value);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(parts: &[&[u8]]) -> Vec<String> {
        let all = of_form(parts);
        let text =
            |reading: &Reading| String::from_utf8_lossy(&reading.text(|n, _| n != b"sign")).into_owned();
        all.iter().map(text).collect()
    }

    #[test]
    fn each_way_to_understand_a_name_that_stands_twice() {
        assert_eq!(
            texts(&[b"b=2&sign=x&a=1", b"a=%33"]),
            ["a=1&b=2", "a=3&b=2", "a=1&a=3&b=2"]
        );
        assert_eq!(texts(&[b"b=2&a=1"]), ["a=1&b=2"]);
        // What is no parameter takes no part.
        assert_eq!(texts(&[b"&&a=1&%61=2&c&d=%"]), ["a=1"]);
        assert!(texts(&[b"", b"&", b"%41=1"]).is_empty());
    }
}
