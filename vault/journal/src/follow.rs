//! Following another process's journal: every entry is checked against its signed tree before it counts.

use crate::{
    merkle::{self, Frontier, Hash},
    note::{self, Checkpoint, VerifierKey},
    tiles::{self, WIDTH},
};
use std::future::Future;

/// Where the files come from (HTTPS between proxy and desk).
pub trait Fetch: Send + Sync {
    /// The octets at a path of the tlog-tiles layout.
    fn get(&self, path: &str) -> impl Future<Output = Result<Vec<u8>, String>> + Send;
}

/// Why what was fetched does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// It could not be fetched now.
    #[error("{path} could not be fetched: {why}")]
    Fetch {
        /// What.
        path: String,
        /// Why.
        why: String,
    },
    /// The checkpoint is not signed with the known key.
    #[error("the checkpoint is not signed with the key of {0}")]
    Signature(String),
    /// The log was rolled back or forked: an alarm, never ignored.
    #[error(
        "the journal {origin} does not continue what was seen at size {seen}: it shows size {shown} with another history"
    )]
    Forked {
        /// Log.
        origin: String,
        /// Size seen before.
        seen: u64,
        /// Size shown now.
        shown: u64,
    },
    /// A file does not hold what it must.
    #[error("{0} does not hold what the signed tree says")]
    Damaged(String),
}

/// Follows one journal.
pub struct Follower {
    key: VerifierKey,
    seen: Frontier,
    /// Where we were at the last run: the frontier is read anew and compared.
    resume: Option<(u64, Hash)>,
}

impl Follower {
    /// From where we were: size and root, as put on record in our own journal.
    pub fn new(key: VerifierKey, at: Option<(u64, Hash)>) -> Follower {
        Follower {
            key,
            seen: Frontier::default(),
            resume: at.filter(|(size, _)| *size > 0),
        }
    }

    /// Size and root of what was seen.
    pub fn cursor(&self) -> (u64, Hash) {
        self.resume.unwrap_or((self.seen.size(), self.seen.root()))
    }

    /// The log.
    pub fn origin(&self) -> &str {
        &self.key.name
    }

    /// Fetches what is new: all of it, in order, checked; or nothing. `verify(public key, message, signature)` checks
    /// Ed25519. At most `most` entries' bundles are fetched in one call, then the tree is compared at the end of all.
    pub async fn poll<F: Fetch>(
        &mut self,
        fetch: &F,
        verify: impl Fn(&[u8; 32], &[u8], &[u8]) -> bool,
    ) -> Result<Vec<(u64, Vec<u8>)>, FollowError> {
        let note = get(fetch, "checkpoint").await?;
        let note = String::from_utf8(note).map_err(|_| FollowError::Damaged("checkpoint".into()))?;
        let good = |text: &[u8], signature: &[u8]| verify(&self.key.public_key, text, signature);
        let text = note::open(&note, &self.key, good)
            .ok_or_else(|| FollowError::Signature(self.key.name.clone()))?;
        let tree = Checkpoint::parse(text)
            .filter(|c| c.origin == self.key.name)
            .ok_or_else(|| FollowError::Damaged("checkpoint".into()))?;
        if let Some((size, root)) = self.resume {
            self.seen = self.take_up(fetch, size, root, &tree).await?;
            self.resume = None;
        }
        let forked = FollowError::Forked {
            origin: self.key.name.clone(),
            seen: self.seen.size(),
            shown: tree.size,
        };
        if tree.size < self.seen.size() {
            return Err(forked);
        }
        let (entries, frontier) = self.entries(fetch, tree.size).await?;
        if frontier.root() != tree.root {
            return Err(forked);
        }
        self.seen = frontier;
        Ok(entries)
    }

    /// The frontier of an earlier size, out of today's tiles; it must lead to the root we knew.
    async fn take_up<F: Fetch>(
        &self,
        fetch: &F,
        size: u64,
        root: Hash,
        tree: &Checkpoint,
    ) -> Result<Frontier, FollowError> {
        let forked = || FollowError::Forked {
            origin: self.key.name.clone(),
            seen: size,
            shown: tree.size,
        };
        if tree.size < size {
            return Err(forked());
        }
        let mut hashes = std::collections::HashMap::new();
        for height in (0..64).filter(|h| size >> h & 1 == 1) {
            let index = (size >> height) - 1;
            let (level, inner) = (height / 8, height % 8);
            let first = index << inner;
            let tile = first / WIDTH;
            let path = tiles::tile(
                level as u8,
                tile,
                ((tree.size >> (8 * level)) - tile * WIDTH).min(WIDTH),
            );
            let octets = get(fetch, &path).await?;
            let all = tiles::hashes(&octets).ok_or_else(|| FollowError::Damaged(path.clone()))?;
            let from = (first % WIDTH) as usize;
            let part = all
                .get(from..from + (1 << inner))
                .ok_or(FollowError::Damaged(path))?;
            hashes.insert((height, index), merkle::perfect(part));
        }
        let frontier = Frontier::read(size, |height, index| {
            hashes.get(&(height, index)).copied().ok_or_else(forked)
        })?;
        if frontier.root() == root {
            Ok(frontier)
        } else {
            Err(forked())
        }
    }

    async fn entries<F: Fetch>(
        &self,
        fetch: &F,
        size: u64,
    ) -> Result<(Vec<(u64, Vec<u8>)>, Frontier), FollowError> {
        let mut frontier = self.seen.clone();
        let mut entries = Vec::new();
        while frontier.size() < size {
            let bundle = frontier.size() / WIDTH;
            let path = tiles::bundle(bundle, (size - bundle * WIDTH).min(WIDTH));
            let octets = get(fetch, &path).await?;
            let all = tiles::entries(&octets).ok_or_else(|| FollowError::Damaged(path.clone()))?;
            if all.len() as u64 != (size - bundle * WIDTH).min(WIDTH) {
                return Err(FollowError::Damaged(path));
            }
            for entry in all.into_iter().skip((frontier.size() % WIDTH) as usize) {
                entries.push((frontier.size(), entry.to_vec()));
                frontier.push(merkle::leaf(entry));
            }
        }
        Ok((entries, frontier))
    }
}

async fn get<F: Fetch>(fetch: &F, path: &str) -> Result<Vec<u8>, FollowError> {
    fetch.get(path).await.map_err(|why| FollowError::Fetch {
        path: path.to_owned(),
        why,
    })
}
