//! Packages handed to acquirers.

use domain::{Digest, Instant};

/// One package.
#[derive(Clone, PartialEq, Debug)]
pub struct Package {
    /// Gapless number per acquirer from 1.
    pub package: u64,
    /// SHA-256 of its manifest.
    pub digest: Digest,
    /// First flag number.
    pub first: u64,
    /// Last flag number; one less than the first if it brings late decisions only.
    pub last: u64,
    /// When.
    pub made_at: Instant,
    /// Where it stands in the cases journal. It holds every decision before, and none after.
    pub index: u64,
    /// The acquirer's word that it came.
    pub acknowledged: Option<Acknowledged>,
}

/// The acquirer's word that a package came.
#[derive(Clone, PartialEq, Debug)]
pub struct Acknowledged {
    /// When we took it.
    pub at: Instant,
    /// SHA-256 of the acknowledgement file.
    pub digest: Digest,
}
