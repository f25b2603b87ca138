//! Following another process's journal: every entry is checked against its signed tree before it counts.

use crate::{
    merkle::{self, Frontier, Hash},
    note::{self, Checkpoint, VerifierKey},
    tiles::{self, Part, WIDTH},
};
use std::future::Future;

/// Bundles that one poll takes at most: a long backlog is taken in parts, and none is held in memory whole.
pub const MOST_BUNDLES: u64 = 64;

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
    /// Size of the signed tree that the last poll was shown; zero where it failed.
    shown: u64,
}

impl Follower {
    /// From where we were: size and root, as put on record in our own journal.
    pub fn new(key: VerifierKey, at: Option<(u64, Hash)>) -> Follower {
        Follower {
            key,
            seen: Frontier::default(),
            resume: at.filter(|(size, _)| *size > 0),
            shown: 0,
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

    /// True where the last poll left some of a long backlog to the next.
    pub fn is_behind(&self) -> bool {
        self.seen.size() < self.shown
    }

    /// Fetches what is new, in order, checked; or nothing. `verify(public key, message, signature)` checks Ed25519. Of a
    /// long backlog [`MOST_BUNDLES`] are fetched; the hashes of the rest show that they belong to the signed tree.
    pub async fn poll<F: Fetch>(
        &mut self,
        fetch: &F,
        verify: impl Fn(&[u8; 32], &[u8], &[u8]) -> bool,
    ) -> Result<Vec<(u64, Vec<u8>)>, FollowError> {
        self.shown = 0;
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
        let whole = grow(fetch, frontier.clone(), tree.size, tree.size).await?;
        if whole.root() != tree.root {
            return Err(forked);
        }
        (self.seen, self.shown) = (frontier, tree.size);
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
        let frontier = grow(fetch, Frontier::default(), size, tree.size).await?;
        if frontier.root() == root {
            Ok(frontier)
        } else {
            Err(forked())
        }
    }

    /// The next entries of a tree of this size, and the frontier behind them.
    async fn entries<F: Fetch>(
        &self,
        fetch: &F,
        size: u64,
    ) -> Result<(Vec<(u64, Vec<u8>)>, Frontier), FollowError> {
        let mut frontier = self.seen.clone();
        let mut entries = Vec::new();
        let until = (frontier.size() / WIDTH + MOST_BUNDLES)
            .saturating_mul(WIDTH)
            .min(size);
        while frontier.size() < until {
            let bundle = Part::Bundle(frontier.size() / WIDTH);
            let (path, octets) = part(fetch, bundle, size).await?;
            let all = tiles::entries(&octets);
            let all = all
                .as_ref()
                .and_then(|all| all.get(..bundle.width(size) as usize));
            let all = all.ok_or(FollowError::Damaged(path))?;
            for entry in all.iter().skip((frontier.size() % WIDTH) as usize) {
                entries.push((frontier.size(), entry.to_vec()));
                frontier.push(merkle::leaf(entry));
            }
        }
        Ok((entries, frontier))
    }
}

/// Leads a frontier on to a size, by the hashes that a tree of `shown` entries has.
async fn grow<F: Fetch>(
    fetch: &F,
    mut frontier: Frontier,
    size: u64,
    shown: u64,
) -> Result<Frontier, FollowError> {
    // Subtrees that follow one another mostly lie in one tile.
    let mut last: Option<((u8, u64), String, Vec<Hash>)> = None;
    for (height, index) in merkle::between(frontier.size(), size) {
        let (level, inner) = ((height / 8) as u8, height % 8);
        let first = index << inner;
        let at = (level, first / WIDTH);
        let (_, path, hashes) = match last.take().filter(|(known, ..)| *known == at) {
            Some(known) => last.insert(known),
            None => {
                let (path, octets) = part(fetch, Part::Tile(at.0, at.1), shown).await?;
                let hashes = tiles::hashes(&octets).ok_or_else(|| FollowError::Damaged(path.clone()))?;
                last.insert((at, path, hashes))
            }
        };
        let from = (first % WIDTH) as usize;
        let subtree = hashes.get(from..from + (1 << inner));
        let subtree = subtree.ok_or_else(|| FollowError::Damaged(path.clone()))?;
        frontier.push_perfect(height, merkle::perfect(subtree));
    }
    Ok(frontier)
}

/// A file of a tree of this size, and its path. The partial one goes some time after the full one was written: that one
/// begins alike (C2SP tlog-tiles).
async fn part<F: Fetch>(fetch: &F, part: Part, size: u64) -> Result<(String, Vec<u8>), FollowError> {
    let width = part.width(size);
    let path = part.path(width);
    match get(fetch, &path).await {
        Ok(octets) => Ok((path, octets)),
        Err(error) if width < WIDTH => {
            let full = part.path(WIDTH);
            let octets = get(fetch, &full).await.map_err(|_| error)?;
            Ok((full, octets))
        }
        Err(error) => Err(error),
    }
}

async fn get<F: Fetch>(fetch: &F, path: &str) -> Result<Vec<u8>, FollowError> {
    fetch.get(path).await.map_err(|why| FollowError::Fetch {
        path: path.to_owned(),
        why,
    })
}
