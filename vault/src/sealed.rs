//! What a sealed record looks like, and how records become octets.
//!
//! `version(1) boot(16) bucket(8) counter(8) commitment(32) ciphertext‖tag`. The key is derived per record from the
//! bucket's key and the counter; the counter is the nonce; version, merchant, order, label, field class, bucket and
//! algorithm are associated data; the key commitment is checked before anything is decrypted.

use crate::buyer::Text;
use domain::{Boot, MerchantId, PaymentId};
use std::{marker::PhantomData, ops::Deref};

pub(crate) const VERSION: u8 = 1;
pub(crate) const HEAD: usize = 1 + 16 + 8 + 8 + 32;

/// Field class of a record (compliance.md section 3.1: all C2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Of a new order.
    Order = 1,
    /// Of a payment.
    Payment = 2,
    /// Of a refund.
    Refund = 3,
}

/// A record that can be sealed. Implemented in `buyer.rs` only.
pub trait Record: Sized + Send {
    /// Its field class.
    const CLASS: Class;
    /// Writes it into a buffer that is wiped afterwards.
    fn write(&self, out: &mut Vec<u8>);
    /// Reads it back.
    fn read(bytes: &mut &[u8]) -> Option<Self>;
}

/// Whose record it is. Part of the associated data: a record moved to another order does not open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Context {
    /// Merchant.
    pub merchant: MerchantId,
    /// Order.
    pub order: PaymentId,
    /// What it belongs to: `create`, `refund`, `paid`.
    pub label: &'static str,
}

impl Context {
    pub(crate) fn associated(&self, class: Class, bucket: u64) -> Vec<u8> {
        let mut aad = Vec::with_capacity(96);
        aad.extend_from_slice(b"guandao-sealed\0AES-256-GCM\0");
        aad.push(VERSION);
        aad.push(class as u8);
        aad.extend_from_slice(&bucket.to_be_bytes());
        aad.extend_from_slice(self.order.as_bytes());
        aad.extend_from_slice(self.label.as_bytes());
        aad.push(0);
        aad.extend_from_slice(self.merchant.as_str().as_bytes());
        aad
    }

    pub(crate) fn name(&self) -> Vec<u8> {
        let mut name = self.order.as_bytes().to_vec();
        name.extend_from_slice(self.label.as_bytes());
        name.push(0);
        name.extend_from_slice(self.merchant.as_str().as_bytes());
        name
    }
}

/// A sealed record. Only the vault makes plaintext of it.
pub struct Sealed<T> {
    bytes: Vec<u8>,
    what: PhantomData<fn() -> T>,
}

impl<T> Clone for Sealed<T> {
    fn clone(&self) -> Self {
        Sealed {
            bytes: self.bytes.clone(),
            what: PhantomData,
        }
    }
}

impl<T> Sealed<T> {
    pub(crate) fn new(bytes: Vec<u8>) -> Sealed<T> {
        Sealed {
            bytes,
            what: PhantomData,
        }
    }

    /// Reads what [`Sealed::as_bytes`] gave. `None` if it is no sealed record of this version.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Sealed<T>> {
        (bytes.len() > HEAD + 16 && bytes[0] == VERSION).then(|| Sealed::new(bytes))
    }

    /// Its octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of the bucket whose key opens it.
    pub fn bucket(&self) -> u64 {
        self.number(17)
    }

    pub(crate) fn counter(&self) -> u64 {
        self.number(25)
    }

    pub(crate) fn boot(&self) -> Boot {
        let mut boot = [0; 16];
        boot.copy_from_slice(&self.bytes[1..17]);
        Boot::from_bytes(boot)
    }

    pub(crate) fn commitment(&self) -> &[u8] {
        &self.bytes[33..HEAD]
    }

    pub(crate) fn ciphertext(&self) -> &[u8] {
        &self.bytes[HEAD..]
    }

    fn number(&self, at: usize) -> u64 {
        let mut number = [0; 8];
        number.copy_from_slice(&self.bytes[at..at + 8]);
        u64::from_be_bytes(number)
    }
}

/// An opened record. Has no `Debug`, `Display`, `Clone`, `Serialize`; its texts are wiped when it is dropped.
pub struct Opened<T>(pub(crate) T);

impl<T> Deref for Opened<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// Length and octets; `u32::MAX` for none.
pub(crate) fn write_text(text: Option<&str>, out: &mut Vec<u8>) {
    match text {
        None => out.extend_from_slice(&u32::MAX.to_be_bytes()),
        Some(text) => {
            out.extend_from_slice(&(text.len() as u32).to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
    }
}

pub(crate) fn read_text(bytes: &mut &[u8]) -> Option<Option<Text>> {
    let (length, rest) = bytes.split_at_checked(4)?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    if length == u32::MAX {
        *bytes = rest;
        return Some(None);
    }
    let (text, rest) = rest.split_at_checked(length as usize)?;
    *bytes = rest;
    Some(Some(Text::from(std::str::from_utf8(text).ok()?)))
}
