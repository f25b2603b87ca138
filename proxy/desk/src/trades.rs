//! What the pages know of the trades journal: its copy, its latest signed head, and whether all is well with it.

use crate::mirror::Mirror;
use domain::{Instant, MerchantId};
use journal::{VerifierKey, note};
use parking_lot::RwLock;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// How the following goes.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// The journal was forked or rolled back; following has stopped for good.
    pub alarm: Option<(Instant, String)>,
    /// It cannot be read now, and since when.
    pub trouble: Option<(Instant, String)>,
    /// Entries rest on a registry that is not here; trades are not watched, since when, and what is missing.
    pub waiting: Option<(Instant, String)>,
    /// It was last read.
    pub last: Option<Instant>,
    /// Entries that this desk does not understand.
    pub unreadable: u64,
    /// Uniform refusals that nothing on record explains.
    pub unexplained: u64,
}

/// The trades journal as the desk sees it.
pub struct Trades {
    /// The copy of its entries.
    pub mirror: Mirror,
    /// Its key.
    pub key: VerifierKey,
    /// Differences of bills that stand.
    pub differences: crate::differences::Differences,
    /// What neither a bill nor an answer proves.
    pub unproven: crate::unproven::Unproven,
    /// What the no-funds guard refused.
    pub refusals: crate::refusals::Refusals,
    path: PathBuf,
    note: RwLock<Option<Arc<str>>>,
    health: RwLock<Health>,
}

impl Trades {
    /// Over a copy; the latest signed head is kept beside it.
    pub fn open(data: &Path, mirror: Mirror, key: VerifierKey) -> Trades {
        let path = data.join("trades.checkpoint");
        let good = |text: &[u8], signature: &[u8]| certs::verify_ed25519(&key.public_key, text, signature);
        let kept = std::fs::read_to_string(&path)
            .ok()
            .filter(|note| note::open(note, &key, good).is_some());
        let note = RwLock::new(kept.map(Into::into));
        Trades {
            mirror,
            key,
            differences: Default::default(),
            unproven: Default::default(),
            refusals: Default::default(),
            path,
            note,
            health: RwLock::default(),
        }
    }

    /// Whose an open matter of the books is: a difference, or what was not proven and people can find out.
    pub fn owner(&self, index: u64, now: Instant) -> Option<MerchantId> {
        let difference = self.differences.get(index).map(|found| found.merchant.clone());
        let unproven = || {
            self.unproven
                .get(index, now)
                .filter(|matter| matter.why.is_decided())
        };
        difference.or_else(|| unproven().map(|matter| matter.merchant))
    }

    /// The latest signed head that the follower took.
    pub fn note(&self) -> Option<Arc<str>> {
        self.note.read().clone()
    }

    /// The follower took a signed head.
    pub fn seen(&self, note: String) {
        if self.note.read().as_deref() == Some(&note) {
            return;
        }
        // Only for packages made while the desk does not run; without it they lack the trades' head.
        if let Err(error) = std::fs::write(&self.path, &note) {
            tracing::warn!(%error, "the trades checkpoint could not be kept");
        }
        *self.note.write() = Some(note.into());
    }

    /// How it goes.
    pub fn health(&self) -> Health {
        self.health.read().clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Health)) {
        change(&mut self.health.write());
    }
}
