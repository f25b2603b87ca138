//! A signer and a clock without surprises, and a journal under them.

use domain::{Clock, Instant, Sign};
use journal::{Journal, OpenError, Settings, disk::Disk, merkle};
use std::{path::Path, sync::Arc, time::Duration};

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

/// The journal of these tests on a disk, without threads of its own; `segment` octets of log in a file.
pub(crate) fn journal(disk: Arc<dyn Disk>, segment: u64) -> Result<Journal, OpenError> {
    let settings = Settings {
        segment,
        threads: false,
        ..Settings::default()
    };
    let opened = Journal::open(
        disk,
        Path::new("/j"),
        "test.example/trades/0",
        Arc::new(Stamp),
        settings,
    );
    opened.map(|(journal, _)| journal)
}
