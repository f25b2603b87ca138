//! A copy of the trades journal's entries, so that cases can be read, and the watch rebuilt, without the proxy.
//!
//! It is no record: at each start it is held against the root in our own journal, and thrown away if it does not fit.

use crate::mirror_tree::Blocks;
use journal::merkle::{self, Frontier, Hash};
use parking_lot::RwLock;
use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, Read},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

/// Entries one after the other, each behind its length in four octets.
pub struct Mirror {
    file: File,
    known: RwLock<Known>,
}

/// What is known of the file without reading it.
#[derive(Default)]
struct Known {
    /// Where each entry ends.
    ends: Vec<u64>,
    blocks: Blocks,
}

impl Mirror {
    /// Opens the copy and keeps what agrees with the tree that was seen: `at` is its size and root.
    pub fn open(path: &Path, at: Option<(u64, Hash)>) -> io::Result<Mirror> {
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        let mut known = Known::default();
        if let Some((size, root)) = at {
            let (read, frontier) = read(&file, size)?;
            if frontier.size() == size && frontier.root() == root {
                known = read;
            }
        }
        file.set_len(known.ends.last().copied().unwrap_or(0))?;
        Ok(Mirror {
            file,
            known: RwLock::new(known),
        })
    }

    /// How many entries.
    pub fn size(&self) -> u64 {
        self.known.read().ends.len() as u64
    }

    /// Appends entries that were verified.
    pub fn append<'a>(&self, entries: impl Iterator<Item = &'a [u8]>) -> io::Result<()> {
        let mut known = self.known.write();
        let start = known.ends.last().copied().unwrap_or(0);
        let (mut bytes, mut new, mut leaves) = (Vec::new(), Vec::new(), Vec::new());
        for entry in entries {
            bytes.extend_from_slice(&(entry.len() as u32).to_be_bytes());
            bytes.extend_from_slice(entry);
            new.push(start + bytes.len() as u64);
            leaves.push(merkle::leaf(entry));
        }
        self.file.write_all_at(&bytes, start)?;
        known.ends.extend(new);
        leaves.into_iter().for_each(|leaf| known.blocks.push(leaf));
        Ok(())
    }

    /// Hash over a full block of entries, by the block's number.
    pub(crate) fn block(&self, index: u64) -> Option<Hash> {
        self.known.read().blocks.full(index)
    }

    /// One entry's octets.
    pub fn entry(&self, index: u64) -> io::Result<Option<Vec<u8>>> {
        let (from, until) = {
            let ends = &self.known.read().ends;
            let Some(until) = ends.get(index as usize).copied() else {
                return Ok(None);
            };
            (if index == 0 { 0 } else { ends[index as usize - 1] }, until)
        };
        let mut bytes = vec![0; (until - from) as usize - 4];
        self.file.read_exact_at(&mut bytes, from + 4)?;
        Ok(Some(bytes))
    }
}

/// The first entries up to `size`, and their tree; fewer if the file is cut.
fn read(file: &File, size: u64) -> io::Result<(Known, Frontier)> {
    let (mut known, mut frontier, mut end) = (Known::default(), Frontier::default(), 0);
    let mut file = BufReader::new(file);
    while frontier.size() < size {
        let mut length = [0; 4];
        let mut entry = Vec::new();
        if file.read_exact(&mut length).is_err() {
            break;
        }
        let length = u64::from(u32::from_be_bytes(length));
        if file.by_ref().take(length).read_to_end(&mut entry)? as u64 != length {
            break;
        }
        end += 4 + length;
        known.ends.push(end);
        let leaf = merkle::leaf(&entry);
        known.blocks.push(leaf);
        frontier.push(leaf);
    }
    Ok((known, frontier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_the_seen_tree_is_thrown_away() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("trades");
        let entries: Vec<Vec<u8>> = (0..9u8).map(|n| vec![n; usize::from(n) + 1]).collect();
        let mut frontier = Frontier::default();
        let mirror = Mirror::open(&path, None).expect("opened");
        mirror
            .append(entries.iter().map(Vec::as_slice))
            .expect("appended");
        entries[..7].iter().for_each(|e| frontier.push(merkle::leaf(e)));
        drop(mirror);
        let mirror = Mirror::open(&path, Some((7, frontier.root()))).expect("opened");
        assert_eq!(mirror.size(), 7, "what was not on record yet is read again");
        assert_eq!(mirror.entry(6).expect("read"), Some(entries[6].clone()));
        assert_eq!(mirror.entry(7).expect("read"), None);
        drop(mirror);
        assert_eq!(Mirror::open(&path, Some((7, [0; 32]))).expect("opened").size(), 0);
        assert_eq!(
            Mirror::open(&path, Some((7, frontier.root())))
                .expect("opened")
                .size(),
            0,
            "and stays away"
        );
    }
}
