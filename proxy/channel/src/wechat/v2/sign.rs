//! What is signed in V2 (channels.md 2.1), and where the signature goes.

use crate::{
    draft::Parameter,
    form::join,
    strict_xml::{Fields, XmlError},
};
use zeroize::Zeroizing;

/// Every field that is not empty, but for `sign`, sorted by name, `k=v&k=v`. The key goes behind it where the keys are.
pub fn string_to_sign<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Zeroizing<Vec<u8>> {
    let mut taken: Vec<_> = fields
        .filter(|(name, value)| *name != "sign" && !value.is_empty())
        .collect();
    taken.sort_unstable();
    join(&taken)
}

/// The same of what we compose.
pub(super) fn message(fields: &[Parameter]) -> Zeroizing<Vec<u8>> {
    string_to_sign(fields.iter().map(|(name, value)| (*name, value.as_str())))
}

/// As V2 writes a digest: hex, upper case.
pub(crate) fn shown(signature: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(hex::encode_upper(signature))
}

/// A message of the channel, read; what must verify before it counts.
pub struct Message {
    pub(super) fields: Fields,
}

impl Message {
    /// Reads one.
    pub fn read(body: &[u8]) -> Result<Message, XmlError> {
        Fields::parse(body, "xml").map(|fields| Message { fields })
    }

    /// The ways in which somebody may have understood what is no such message; for the record of whose it is, and for nothing
    /// else.
    pub(super) fn readings(body: &[u8]) -> Vec<Message> {
        let readings = Fields::readings(body).into_iter();
        readings.map(|fields| Message { fields }).collect()
    }

    /// The octets that are signed.
    pub fn message(&self) -> Zeroizing<Vec<u8>> {
        string_to_sign(self.fields.iter())
    }

    /// The digest that it carries: MD5 or HMAC-SHA256 by its length, in upper case as the channel writes it.
    pub fn signature(&self) -> Option<Vec<u8>> {
        let text = self.fields.get("sign")?;
        let lawful = [32, 64].contains(&text.len()) && !text.bytes().any(|b| b.is_ascii_lowercase());
        hex::decode(text).ok().filter(|_| lawful)
    }

    /// A value that is there and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name)
    }

    /// Every field.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter()
    }
}
