//! A form whose values are octets: in which encoding CCB writes its few texts nobody documents, and its signature is over
//! the octets as they are.

use crate::{
    form::{self, FormError},
    strict_json::shown,
};
use zeroize::Zeroizing;

/// Names and values in the order received.
pub(crate) struct Pairs(Vec<(String, Zeroizing<Vec<u8>>)>);

/// Most parameters that we look at.
const MOST: usize = 64;

impl Pairs {
    /// Reads a body. A name twice or an escape that is none are errors.
    pub(crate) fn parse(octets: &[u8]) -> Result<Pairs, FormError> {
        let mut pairs = Pairs(Vec::new());
        for pair in octets.split(|b| *b == b'&') {
            let place = pairs.0.len();
            let (name, value) = form::split(pair)
                .filter(|_| place < MOST)
                .ok_or(FormError::Pair(place))?;
            if pairs.octets(name).is_some() {
                return Err(FormError::Twice(shown(name).to_owned()));
            }
            let value = form::unescape(name, value)?;
            pairs.0.push((name.to_owned(), value));
        }
        Ok(pairs)
    }

    /// A value that is there, perhaps empty.
    pub(crate) fn octets(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_slice())
    }

    /// A value that is there, not empty and ASCII.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let octets = self
            .octets(name)
            .filter(|octets| !octets.is_empty() && octets.is_ascii())?;
        std::str::from_utf8(octets).ok()
    }
}
