//! RFC 6962 hashing, the frontier of a growing tree, and proofs over any source of perfect subtrees.

use sha2::{Digest, Sha256};

/// A node's hash.
pub type Hash = [u8; 32];

/// Hash of an entry.
pub fn leaf(entry: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(entry)
        .finalize()
        .into()
}

/// Hash of two subtrees.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// Root of the empty tree.
pub fn empty() -> Hash {
    Sha256::digest([]).into()
}

/// Root of a perfect subtree over a power of two of hashes.
pub fn perfect(hashes: &[Hash]) -> Hash {
    match hashes {
        [one] => *one,
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            node(&perfect(left), &perfect(right))
        }
    }
}

/// Perfect subtrees that make up a tree, largest first: all that is needed to append and to know the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    subtrees: Vec<(u32, Hash)>,
}

impl Frontier {
    /// From a tree's perfect subtrees, read out of `subtree(height, index)`.
    pub fn read<E>(size: u64, mut subtree: impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Frontier, E> {
        let mut subtrees = Vec::new();
        for height in (0..64).rev().filter(|h| size >> h & 1 == 1) {
            // Everything above this bit lies to the left.
            let index = (size >> height) - 1;
            subtrees.push((height, subtree(height, index)?));
        }
        Ok(Frontier { size, subtrees })
    }

    /// Leaves so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends one leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        self.push_perfect(0, leaf);
    }

    /// Appends a perfect subtree; the leaves so far are a multiple of its own (see [`between`]).
    pub fn push_perfect(&mut self, subtree: u32, hash: Hash) {
        let (mut height, mut hash) = (subtree, hash);
        while let Some((_, left)) = self.subtrees.pop_if(|(h, _)| *h == height) {
            hash = node(&left, &hash);
            height += 1;
        }
        self.subtrees.push((height, hash));
        self.size += 1 << subtree;
    }

    /// The root.
    pub fn root(&self) -> Hash {
        let mut from_right = self.subtrees.iter().rev();
        let Some((_, last)) = from_right.next() else {
            return empty();
        };
        from_right.fold(*last, |right, (_, left)| node(left, &right))
    }
}

/// Height and index of the perfect subtrees, as large as can be, that lead from a tree of `from` leaves to one of `to`.
pub fn between(mut from: u64, to: u64) -> Vec<(u32, u64)> {
    let mut subtrees = Vec::new();
    while from < to {
        let height = from.trailing_zeros().min((to - from).ilog2());
        subtrees.push((height, from >> height));
        from += 1 << height;
    }
    subtrees
}

/// Largest power of two below `n` (n ≥ 2).
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// Root of leaves `[from, from + n)` where `from` is a multiple of the subtree's size.
pub fn range_root<E>(
    from: u64,
    n: u64,
    subtree: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Hash, E> {
    if n == 0 {
        return Ok(empty());
    }
    if n.is_power_of_two() {
        return subtree(n.trailing_zeros(), from / n);
    }
    let k = split(n);
    Ok(node(
        &range_root(from, k, subtree)?,
        &range_root(from + k, n - k, subtree)?,
    ))
}

/// Inclusion proof of leaf `index` in a tree of `size` (RFC 6962 section 2.1.1).
pub fn inclusion<E>(
    index: u64,
    size: u64,
    subtree: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    fn path<E>(
        m: u64,
        from: u64,
        n: u64,
        out: &mut Vec<Hash>,
        subtree: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
    ) -> Result<(), E> {
        if n <= 1 {
            return Ok(());
        }
        let k = split(n);
        if m < k {
            path(m, from, k, out, subtree)?;
            out.push(range_root(from + k, n - k, subtree)?);
        } else {
            path(m - k, from + k, n - k, out, subtree)?;
            out.push(range_root(from, k, subtree)?);
        }
        Ok(())
    }
    let mut out = Vec::new();
    path(index, 0, size, &mut out, subtree)?;
    Ok(out)
}

/// Consistency proof from `old` to `size` (RFC 6962 section 2.1.2).
pub fn consistency<E>(
    old: u64,
    size: u64,
    subtree: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    fn sub<E>(
        m: u64,
        from: u64,
        n: u64,
        whole: bool,
        out: &mut Vec<Hash>,
        subtree: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
    ) -> Result<(), E> {
        if m == n {
            if !whole {
                out.push(range_root(from, n, subtree)?);
            }
            return Ok(());
        }
        let k = split(n);
        if m <= k {
            sub(m, from, k, whole, out, subtree)?;
            out.push(range_root(from + k, n - k, subtree)?);
        } else {
            sub(m - k, from + k, n - k, false, out, subtree)?;
            out.push(range_root(from, k, subtree)?);
        }
        Ok(())
    }
    let mut out = Vec::new();
    if old > 0 && old < size {
        sub(old, 0, size, true, &mut out, subtree)?;
    }
    Ok(out)
}

/// Root that an inclusion proof leads to. `None` if the proof has the wrong length.
pub fn root_by_inclusion(leaf: Hash, index: u64, size: u64, proof: &[Hash]) -> Option<Hash> {
    fn walk(leaf: Hash, m: u64, n: u64, proof: &[Hash]) -> Option<Hash> {
        if n == 1 {
            return proof.is_empty().then_some(leaf);
        }
        let (last, rest) = proof.split_last()?;
        let k = split(n);
        if m < k {
            Some(node(&walk(leaf, m, k, rest)?, last))
        } else {
            Some(node(last, &walk(leaf, m - k, n - k, rest)?))
        }
    }
    if index < size {
        walk(leaf, index, size, proof)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn leaves(n: u64) -> Vec<Hash> {
        (0..n).map(|i| leaf(&i.to_be_bytes())).collect()
    }

    fn subtree(leaves: &[Hash]) -> impl FnMut(u32, u64) -> Result<Hash, Infallible> + '_ {
        |height, index| {
            Ok(perfect(
                &leaves[(index << height) as usize..((index + 1) << height) as usize],
            ))
        }
    }

    #[test]
    fn frontier_and_ranges_agree_and_proofs_lead_to_the_root() {
        let all = leaves(70);
        let mut frontier = Frontier::default();
        for n in 0..=70u64 {
            let mut of = subtree(&all);
            let Ok(root) = range_root(0, n, &mut of);
            assert_eq!(frontier.root(), root, "{n}");
            let Ok(read) = Frontier::read(n, &mut of);
            assert_eq!(read, frontier);
            for from in 0..=n {
                let Ok(mut grown) = Frontier::read(from, &mut of);
                for (height, index) in between(from, n) {
                    let Ok(hash) = of(height, index);
                    grown.push_perfect(height, hash);
                }
                assert_eq!(grown, frontier, "{from} to {n}");
            }
            for i in 0..n {
                let Ok(proof) = inclusion(i, n, &mut of);
                assert_eq!(
                    root_by_inclusion(all[i as usize], i, n, &proof),
                    Some(root),
                    "{i} of {n}"
                );
            }
            if n < 70 {
                frontier.push(all[n as usize]);
            }
        }
    }
}
