//! What enters by constructor: the clock and the signer of checkpoints.

use crate::Instant;
use std::time::Duration;

/// Where time comes from. Nobody asks the operating system directly.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Wall-clock time, for windows, days and records.
    fn now(&self) -> Instant;
    /// Time since boot that never goes back and counts suspension, for deadlines and key buckets.
    fn since_boot(&self) -> Duration;
}

/// An Ed25519 key that signs journal checkpoints (C2SP signed-note); the private half never leaves `certs`.
pub trait Sign: Send + Sync {
    /// The 32-byte Ed25519 public key.
    fn public_key(&self) -> [u8; 32];
    /// The 64-byte signature over `message`.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}
