//! The Merkle tree of RFC 6962 section 2.1, and its two proofs.
//!
//! The verifying halves follow RFC 9162 sections 2.1.3.2 and 2.1.4.2; the proving halves follow the recursive
//! definitions of RFC 6962 sections 2.1.1 and 2.1.2, so that the two halves do not share an idea that could be
//! wrong in both.

use sha2::{Digest, Sha256};

/// A SHA-256 hash of the tree.
pub type Hash = [u8; 32];

/// Why a Merkle proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf lies outside of the tree.
    #[error("index {index} lies outside of a tree of size {size}")]
    Outside {
        /// The leaf's index.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// The older tree is larger than the newer one.
    #[error("the older tree has {older} entries, more than the newer one with {newer}")]
    Shrunk {
        /// Size of the older tree.
        older: u64,
        /// Size of the newer tree.
        newer: u64,
    },
    /// Too many or too few hashes.
    #[error("the proof has {found} hashes where another number is needed")]
    Length {
        /// Hashes in the proof.
        found: usize,
    },
    /// The hashes lead to another root.
    #[error(
        "the proof leads to root {}, expected {}",
        hex::encode(found),
        hex::encode(expected)
    )]
    Root {
        /// What the proof leads to.
        found: Hash,
        /// What was to be reached.
        expected: Hash,
    },
}

/// `SHA-256(0x00 || entry)`: RFC 6962 keeps leaves and nodes apart by their first byte.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(entry)
        .finalize()
        .into()
}

/// `SHA-256(0x01 || left || right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// The root over leaf hashes; of the empty tree `SHA-256("")`.
///
/// Works like a binary counter: equal subtrees merge as soon as both are there.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut stack: Vec<(u32, Hash)> = Vec::new();
    for leaf in leaves {
        let (mut height, mut hash) = (0, *leaf);
        while let Some((_, left)) = stack.pop_if(|(h, _)| *h == height) {
            hash = node_hash(&left, &hash);
            height += 1;
        }
        stack.push((height, hash));
    }
    let joined = stack
        .into_iter()
        .map(|(_, hash)| hash)
        .rev()
        .reduce(|right, left| node_hash(&left, &right));
    joined.unwrap_or_else(|| Sha256::digest(b"").into())
}

/// The inclusion proof of leaf `index` in the tree over `leaves`, RFC 6962 section 2.1.1: sibling first.
pub fn inclusion_proof(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    if index >= leaves.len() {
        return None;
    }
    if leaves.len() == 1 {
        return Some(Vec::new());
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut proof, other) = match index.checked_sub(left.len()) {
        None => (inclusion_proof(left, index)?, right),
        Some(index) => (inclusion_proof(right, index)?, left),
    };
    proof.push(root(other));
    Some(proof)
}

/// The consistency proof between the first `older` leaves and all of them, RFC 6962 section 2.1.2.
/// There is none for an empty or a larger older tree.
pub fn consistency_proof(leaves: &[Hash], older: usize) -> Option<Vec<Hash>> {
    (older >= 1 && older <= leaves.len()).then(|| subproof(leaves, older, true))
}

/// `SUBPROOF(m, D, b)`: `whole` is true while the older tree is a complete subtree of what it began with.
fn subproof(leaves: &[Hash], older: usize, whole: bool) -> Vec<Hash> {
    if older == leaves.len() {
        return if whole { Vec::new() } else { vec![root(leaves)] };
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut proof, other) = match older.checked_sub(left.len()) {
        None | Some(0) => (subproof(left, older.min(left.len()), whole), right),
        Some(rest) => (subproof(right, rest, false), left),
    };
    proof.push(root(other));
    proof
}

/// The largest power of two smaller than `n`; `n` is at least 2.
fn split(n: usize) -> usize {
    n.next_power_of_two() / 2
}

/// True if `leaf` is number `index` of the tree of `size` entries with this root (RFC 9162 section 2.1.3.2).
pub fn check_inclusion(
    index: u64,
    size: u64,
    leaf: Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Outside { index, size });
    }
    let short = ProofError::Length { found: proof.len() };
    let (mut node, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in proof {
        if last == 0 {
            return Err(short);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            (node, last) = climb(node, last);
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(short);
    }
    expect_root(hash, root)
}

/// True if the tree of `newer` entries begins with the tree of `older` entries (RFC 9162 section 2.1.4.2).
/// Every tree begins with the empty one.
pub fn check_consistency(
    (older, older_root): (u64, &Hash),
    (newer, newer_root): (u64, &Hash),
    proof: &[Hash],
) -> Result<(), ProofError> {
    let length = ProofError::Length { found: proof.len() };
    if older > newer {
        return Err(ProofError::Shrunk { older, newer });
    }
    if older == 0 || older == newer {
        let expected = if older == 0 { &root(&[]) } else { newer_root };
        expect_root(*older_root, expected)?;
        return if proof.is_empty() { Ok(()) } else { Err(length) };
    }
    // A complete older tree is its own first node and is not repeated in the proof.
    let (first, rest) = match proof.split_first() {
        _ if older.is_power_of_two() => (older_root, proof),
        Some((first, rest)) => (first, rest),
        None => return Err(length),
    };
    let (old, new) = walk_consistency(older, newer, first, rest).ok_or(length)?;
    expect_root(old, older_root)?;
    expect_root(new, newer_root)
}

/// Both roots that a consistency proof leads to; `None` where its length is wrong.
fn walk_consistency(older: u64, newer: u64, first: &Hash, rest: &[Hash]) -> Option<(Hash, Hash)> {
    let (mut node, mut last) = (older - 1, newer - 1);
    while node & 1 == 1 {
        (node, last) = (node >> 1, last >> 1);
    }
    let (mut old, mut new) = (*first, *first);
    for hash in rest {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            old = node_hash(hash, &old);
            new = node_hash(hash, &new);
            (node, last) = climb(node, last);
        } else {
            new = node_hash(&new, hash);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    (last == 0).then_some((old, new))
}

/// Skips the levels at which the rightmost node has no sibling and is carried up unchanged.
fn climb(mut node: u64, mut last: u64) -> (u64, u64) {
    while node & 1 == 0 && node != 0 {
        (node, last) = (node >> 1, last >> 1);
    }
    (node, last)
}

fn expect_root(found: Hash, expected: &Hash) -> Result<(), ProofError> {
    if found == *expected {
        Ok(())
    } else {
        Err(ProofError::Root {
            found,
            expected: *expected,
        })
    }
}
