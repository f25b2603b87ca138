//! Nonces of the last ten minutes, in memory: a replayed signed request never has a second effect.
//!
//! After a start nothing is remembered, so mutating requests signed before the start are answered from recorded orders
//! only (see the `claim` stage).

use parking_lot::Mutex;
use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

const SHARDS: usize = 16;
/// Twice the window, since a timestamp may lie in the future.
const GENERATION: Duration = Duration::from_secs(600);

/// The nonces seen.
pub struct Nonces {
    hasher: RandomState,
    shards: Vec<Mutex<Generations>>,
}

#[derive(Default)]
struct Generations {
    began: Duration,
    now: HashSet<u128>,
    before: HashSet<u128>,
}

impl Default for Nonces {
    fn default() -> Self {
        Nonces {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }
}

impl Nonces {
    /// True the first time a merchant's nonce is seen. `since_boot` moves the generations on.
    pub fn first_use(&self, merchant: &str, nonce: &str, since_boot: Duration) -> bool {
        // Two keyed hashes: a collision refuses a request that is then signed anew, nothing worse.
        let low = self.hasher.hash_one((merchant, nonce, 0u8));
        let high = self.hasher.hash_one((merchant, nonce, 1u8));
        let mark = (u128::from(high) << 64) | u128::from(low);
        let mut shard = self.shards[low as usize % SHARDS].lock();
        if since_boot.saturating_sub(shard.began) >= GENERATION {
            shard.before = std::mem::take(&mut shard.now);
            shard.began = since_boot;
        }
        !shard.before.contains(&mark) && shard.now.insert(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_counts_once_within_its_window() {
        let nonces = Nonces::default();
        let at = Duration::from_secs;
        assert!(nonces.first_use("m1", "n", at(1000)));
        assert!(!nonces.first_use("m1", "n", at(1001)));
        assert!(nonces.first_use("m2", "n", at(1001)));
        assert!(!nonces.first_use("m1", "n", at(1599)), "still within ten minutes");
        assert!(
            !nonces.first_use("m1", "n", at(1650)),
            "kept for a whole generation after"
        );
    }
}
