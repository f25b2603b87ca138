//! How the messages of an account are vouched for, where its channel has several ways.

use serde::{Deserialize, Serialize};

/// What stands for "signed". The numbers are UnionPay's `signMethod` (channels.md 4.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub enum SignMethod {
    /// A signature of the key's own kind; at UnionPay with the merchant's certificate.
    #[default]
    #[serde(rename = "01")]
    Signature,
    /// SHA-256 over the text and the digest of a shared secret.
    #[serde(rename = "11")]
    KeyedSha256,
    /// The same with SM3.
    #[serde(rename = "12")]
    KeyedSm3,
    /// 国密 at WeChat Pay: SM2 with SM3 over messages, SM4-GCM over what is sealed (channels.md 1.9).
    #[serde(rename = "sm2")]
    Sm2,
}

impl SignMethod {
    /// UnionPay's number of it; our own word for what is not UnionPay's.
    pub const fn as_str(self) -> &'static str {
        match self {
            SignMethod::Signature => "01",
            SignMethod::KeyedSha256 => "11",
            SignMethod::KeyedSm3 => "12",
            SignMethod::Sm2 => "sm2",
        }
    }

    /// True for a signature, which is what nearly everybody has.
    pub const fn is_signature(&self) -> bool {
        matches!(self, SignMethod::Signature)
    }
}
