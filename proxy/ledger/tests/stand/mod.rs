//! A signer and a clock without surprises.

use domain::{Clock, Instant, Sign};
use journal::merkle;
use std::time::Duration;

pub(crate) struct Stamp;

impl Sign for Stamp {
    fn public_key(&self) -> [u8; 32] {
        [7; 32]
    }
    fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&merkle::leaf(message));
        signature
    }
}

#[derive(Debug)]
pub(crate) struct Still;

impl Clock for Still {
    fn now(&self) -> Instant {
        Instant::from_secs(1_767_225_600)
    }
    fn since_boot(&self) -> Duration {
        Duration::from_secs(1)
    }
}
