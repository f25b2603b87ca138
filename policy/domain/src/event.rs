//! Every event of both journals, declared once.
//!
//! An entry is canonical JSON (RFC 8785): object keys in order, no white space, integers only. Fields below are
//! written in alphabetical order so that serialising them directly *is* the canonical form; a test holds every
//! event to that. Nothing here can hold buyer data: free text and payer ids have no field.

mod case;
mod facts;
mod route;
mod trade;

use crate::*;
use serde::{Deserialize, Serialize};

pub use case::*;
pub use facts::*;
pub use route::*;
pub use trade::*;

/// Version of the entry format. It rises with the first entry that a reader without its new fields would misread, since these pass
/// over fields they do not know.
pub const ENTRY_VERSION: u8 = 1;

/// One line of a journal.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Entry<E> {
    /// When it was put on record, wall clock.
    pub at: Instant,
    /// What happened.
    pub event: E,
    /// Whose trade; absent for events of the machine.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub merchant: Option<MerchantId>,
    /// Gapless number per merchant from 1; there whenever `merchant` is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mseq: Option<u64>,
    /// Which order.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub order: Option<PaymentId>,
    /// Index of the previous entry of the same order.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub prev: Option<u64>,
    /// Makes the entry's hash unguessable.
    pub salt: Salt,
    /// Gapless notification number per merchant from 1, where the merchant must be told.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tell: Option<u64>,
    /// [`ENTRY_VERSION`].
    pub v: u8,
}

/// An entry of the trades journal, written by `guandao run`.
pub type TradeEntry = Entry<TradeEvent>;
/// An entry of the cases journal, written by `guandao-desk`.
pub type CaseEntry = Entry<CaseEvent>;

impl<E: Serialize> Entry<E> {
    /// The canonical bytes: what is hashed, stored and proven.
    pub fn to_canonical(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1024);
        serde_json::to_writer(&mut bytes, self).expect("an entry has string keys only and writes to memory");
        bytes
    }
}

impl<E: for<'a> Deserialize<'a>> Entry<E> {
    /// Reads canonical bytes back. An entry of a later version is refused: what this build would read of it means something else.
    pub fn from_canonical(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let entry: Self = serde_json::from_slice(bytes)?;
        if entry.v > ENTRY_VERSION {
            let (v, most) = (entry.v, ENTRY_VERSION);
            let why = format_args!("it is of version {v}, expected {most} at most: a later build wrote it");
            return Err(serde::de::Error::custom(why));
        }
        Ok(entry)
    }
}

/// A payer's pseudonym with the epoch whose key made it. After the epoch's key dies it links to nothing new.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct PayerToken {
    /// Number of the token epoch.
    pub epoch: u32,
    /// The pseudonym.
    pub token: Token,
}

/// Where an event's buyer data lies sealed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct SealRef {
    /// Number of the bucket whose key must die by its deadline.
    pub bucket: u64,
    /// How many records were sealed.
    pub records: u32,
}

/// What a sealed record was opened for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To compose the request to the channel.
    Forward,
    /// To tell the merchant.
    Notify,
    /// To seal again under a later bucket.
    Renew,
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
