//! Inclusion proofs out of the desk's copy of the trades journal.

use crate::mirror::Mirror;
use journal::merkle::{self, Hash};
use std::{collections::HashMap, io};

/// Leaves of one block; what a copy keeps in memory of its tree is one hash per block.
pub(crate) const BLOCK: u64 = 256;
const BLOCK_HEIGHT: u32 = BLOCK.trailing_zeros();

/// Hashes of a growing copy: full blocks, and the leaves after them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blocks {
    full: Vec<Hash>,
    rest: Vec<Hash>,
}

impl Blocks {
    pub(crate) fn push(&mut self, leaf: Hash) {
        self.rest.push(leaf);
        if self.rest.len() as u64 == BLOCK {
            self.full.push(merkle::perfect(&self.rest));
            self.rest.clear();
        }
    }

    pub(crate) fn full(&self, index: u64) -> Option<Hash> {
        self.full.get(index as usize).copied()
    }
}

/// Proofs against one tree of the copy; hashes that were worked out are kept, since proofs share them.
pub(crate) struct Prover<'a> {
    mirror: &'a Mirror,
    size: u64,
    known: HashMap<(u32, u64), Hash>,
}

impl<'a> Prover<'a> {
    /// Over the first `size` entries, which the copy must hold.
    pub(crate) fn new(mirror: &'a Mirror, size: u64) -> io::Result<Prover<'a>> {
        if mirror.size() < size {
            return Err(io::Error::other(
                "the copy of the trades journal is behind its signed head; let the desk follow it first",
            ));
        }
        Ok(Prover {
            mirror,
            size,
            known: HashMap::new(),
        })
    }

    /// An entry's octets and its inclusion proof, as C2SP tlog-proof orders the hashes.
    pub(crate) fn prove(&mut self, index: u64) -> io::Result<(Vec<u8>, Vec<Hash>)> {
        if index >= self.size {
            return Err(io::Error::other(
                "a flag names a trade beyond the signed head; let the desk read the trades journal to its end first",
            ));
        }
        let entry = self.entry(index)?;
        let size = self.size;
        let proof = merkle::inclusion(index, size, &mut |height, index| self.subtree(height, index))?;
        Ok((entry, proof))
    }

    pub(crate) fn entry(&self, index: u64) -> io::Result<Vec<u8>> {
        let missing = || io::Error::other("an entry is not in the copy of the trades journal");
        self.mirror.entry(index)?.ok_or_else(missing)
    }

    fn subtree(&mut self, height: u32, index: u64) -> io::Result<Hash> {
        if let Some(hash) = self.known.get(&(height, index)) {
            return Ok(*hash);
        }
        let hash = match (height, self.mirror.block(index)) {
            (0, _) => merkle::leaf(&self.entry(index)?),
            (BLOCK_HEIGHT, Some(hash)) => hash,
            _ => merkle::node(
                &self.subtree(height - 1, 2 * index)?,
                &self.subtree(height - 1, 2 * index + 1)?,
            ),
        };
        self.known.insert((height, index), hash);
        Ok(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_lead_to_the_root_of_every_size() {
        let dir = tempfile::tempdir().expect("a folder");
        let mirror = Mirror::open(&dir.path().join("copy"), None).expect("opened");
        let entries: Vec<Vec<u8>> = (0..700u32).map(|n| n.to_be_bytes().to_vec()).collect();
        let mut frontier = merkle::Frontier::default();
        for part in entries.chunks(99) {
            mirror.append(part.iter().map(Vec::as_slice)).expect("appended");
        }
        for (size, entry) in (1..).zip(&entries) {
            frontier.push(merkle::leaf(entry));
            if ![1, 2, 255, 256, 257, 511, 512, 700].contains(&size) {
                continue;
            }
            let again =
                Mirror::open(&dir.path().join("copy"), Some((size, frontier.root()))).expect("opened");
            for index in [0, 1, 100, 255, 256, 300, 699].into_iter().filter(|n| *n < size) {
                let (leaf, proof) = Prover::new(&again, size)
                    .expect("whole")
                    .prove(index)
                    .expect("there");
                let root = merkle::root_by_inclusion(merkle::leaf(&leaf), index, size, &proof);
                assert_eq!(root, Some(frontier.root()), "{index} in {size}");
            }
            assert!(Prover::new(&again, size + 1).is_err());
            again
                .append(entries[size as usize..].iter().map(Vec::as_slice))
                .expect("appended");
        }
    }
}
