//! A query in GBK, and the octets of it that are signed (channels.md section 5).

use crate::gbk;
use crate::{
    form::{self, FormError},
    strict_json::shown,
};
use zeroize::Zeroizing;

/// Names and values in the order written; values are texts that GBK has.
#[derive(Default)]
pub struct Query(Vec<(String, Zeroizing<String>)>);

/// Most parameters that we look at.
const MOST: usize = 64;

impl Query {
    /// Reads a percent-encoded query. A name twice, an escape that is none, octets that are not GBK are errors.
    pub fn parse(octets: &[u8]) -> Result<Query, FormError> {
        let mut query = Query::default();
        for pair in octets.split(|b| *b == b'&') {
            let place = query.0.len();
            let (name, value) = form::split(pair)
                .filter(|_| place < MOST)
                .ok_or(FormError::Pair(place))?;
            if query.0.iter().any(|(known, _)| known == name) {
                return Err(FormError::Twice(shown(name).to_owned()));
            }
            let value = gbk::decode(&form::unescape(name, value)?)
                .ok_or_else(|| FormError::NotGbk(shown(name).to_owned()))?;
            query.0.push((name.to_owned(), value));
        }
        Ok(query)
    }

    /// Adds a parameter behind the others; `false`, and nothing is added, where GBK lacks a character of it.
    #[must_use]
    pub fn push(&mut self, name: &str, value: &str) -> bool {
        let fits = gbk::encode(value).is_some();
        if fits {
            self.0.push((name.to_owned(), Zeroizing::new(value.to_owned())));
        }
        fits
    }

    /// Adds `sign`, the digest in lower-case hex.
    pub(crate) fn sign(&mut self, digest: &[u8]) {
        self.0
            .push(("sign".to_owned(), Zeroizing::new(hex::encode(digest))));
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

    /// What is signed, but for the key: all but `sign` by name, empty ones too, `k=v` joined, in octets of GBK.
    pub fn to_sign(&self) -> Zeroizing<Vec<u8>> {
        let mut parameters: Vec<(&str, &str)> = self.iter().filter(|(name, _)| *name != "sign").collect();
        parameters.sort_unstable_by_key(|(name, _)| *name);
        let mut out = Zeroizing::new(Vec::with_capacity(
            parameters.iter().map(|(n, v)| n.len() + 2 * v.len() + 2).sum(),
        ));
        for (name, value) in parameters {
            if !out.is_empty() {
                out.push(b'&');
            }
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            // Known to fit since it was read or added.
            out.extend_from_slice(&gbk::encode(value).unwrap_or_default());
        }
        out
    }

    /// The query, percent-encoded.
    pub fn write(&self) -> Zeroizing<String> {
        let mut out = Zeroizing::new(String::with_capacity(
            self.0.iter().map(|(n, v)| n.len() + 6 * v.len() + 2).sum(),
        ));
        for (name, value) in self.iter() {
            if !out.is_empty() {
                out.push('&');
            }
            out.push_str(name);
            out.push('=');
            out.extend(form_urlencoded::byte_serialize(
                &gbk::encode(value).unwrap_or_default(),
            ));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_could_be_read_two_ways() {
        let wrong = |octets: &[u8]| Query::parse(octets).map(|_| ()).expect_err("refused");
        assert_eq!(wrong(b"a=1&a=2"), FormError::Twice("a".into()));
        assert_eq!(wrong(b"a=%C9&b=1"), FormError::NotGbk("a".into()));
        assert_eq!(wrong(b"a=%C9%26b=1"), FormError::NotGbk("a".into()));
        // A text in UTF-8 whose octets are an odd number.
        assert_eq!(wrong(b"a=%e5%95%86"), FormError::NotGbk("a".into()));
        assert!(matches!(wrong(b"a=\xc9\xcc"), FormError::Escape(_)));
        assert!(matches!(wrong(b"a=1&"), FormError::Pair(1)));
        let mut query = Query::parse(b"b=%C9%CC&a=&sign=x").expect("lawful");
        assert_eq!((query.get("b"), query.get("a")), (Some("商"), None));
        assert_eq!(*query.to_sign(), b"a=&b=\xc9\xcc");
        assert!(query.push("c", "1 2") && !query.push("d", "😀"));
        assert_eq!(query.write().as_str(), "b=%C9%CC&a=&sign=x&c=1+2");
    }
}
