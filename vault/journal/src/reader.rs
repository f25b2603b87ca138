//! Reading: from what is integrated, and from memory what is not yet.

use crate::{
    disk::Disk,
    merkle::{self, Hash},
    note::{Checkpoint, VerifierKey},
    tiles::{self, Part, WIDTH},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use parking_lot::{Mutex, RwLock};
use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Why something cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The journal has no such entry.
    #[error("the journal has no entry {0}")]
    NoEntry(u64),
    /// It is not integrated yet; a second later it is.
    #[error("entry {0} is not in the signed tree yet")]
    NotYet(u64),
    /// The disk failed.
    #[error("{0}: {1}")]
    Disk(PathBuf, io::Error),
    /// A file does not hold what its name, or the tile of its hashes, says.
    #[error(
        "{0} is damaged: it does not hold what the tree of hashes says. Restore it, or the tile of its hashes, from a copy; nothing it holds is believed"
    )]
    Damaged(PathBuf),
}

/// Entries that are not in bundles yet.
#[derive(Default)]
pub(crate) struct Recent {
    pub(crate) first: u64,
    pub(crate) entries: VecDeque<Arc<[u8]>>,
}

pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) recent: RwLock<Recent>,
    /// The latest signed tree: what it says, and the note.
    pub(crate) signed: RwLock<(Checkpoint, Arc<str>)>,
    /// The last bundle that was read, since orders' entries lie close together.
    pub(crate) warm: Mutex<Option<Warm>>,
}

/// A bundle that was held against its hashes.
pub(crate) struct Warm {
    index: u64,
    entries: u64,
    octets: Arc<[u8]>,
}

/// Reads a journal. Cheap to clone.
#[derive(Clone)]
pub struct Reader(pub(crate) Arc<Shared>);

impl Reader {
    /// Opens a journal's folder for reading only: what is in the signed tree.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<Reader, ReadError> {
        let path = dir.join("checkpoint");
        let note = disk.read(&path).map_err(|e| ReadError::Disk(path.clone(), e))?;
        let note: Arc<str> = String::from_utf8(note)
            .map_err(|_| ReadError::Damaged(path.clone()))?
            .into();
        let text = note
            .find("\n\n")
            .map(|end| &note[..end + 1])
            .ok_or_else(|| ReadError::Damaged(path.clone()))?;
        let checkpoint = Checkpoint::parse(text).ok_or(ReadError::Damaged(path))?;
        let recent = Recent {
            first: checkpoint.size,
            entries: VecDeque::new(),
        };
        Ok(Reader(Arc::new(Shared {
            disk,
            dir: dir.to_owned(),
            recent: RwLock::new(recent),
            signed: RwLock::new((checkpoint, note)),
            warm: Mutex::default(),
        })))
    }

    /// The latest signed tree.
    pub fn checkpoint(&self) -> Checkpoint {
        self.0.signed.read().0.clone()
    }

    /// The signed note of the latest tree.
    pub fn note(&self) -> Arc<str> {
        self.0.signed.read().1.clone()
    }

    /// Where the journal lies.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// The key that signs, from `key.vkey`.
    pub fn key(&self) -> Option<VerifierKey> {
        VerifierKey::parse(&String::from_utf8(self.0.disk.read(&self.0.dir.join("key.vkey")).ok()?).ok()?)
    }

    /// One entry's octets.
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, ReadError> {
        {
            let recent = self.0.recent.read();
            if index >= recent.first {
                let found = recent.entries.get((index - recent.first) as usize);
                return found.map(|e| e.to_vec()).ok_or(ReadError::NoEntry(index));
            }
        }
        let bundle = self.bundle(index)?;
        let entry = tiles::entries(&bundle).and_then(|all| Some(all.get((index % WIDTH) as usize)?.to_vec()));
        entry.ok_or(ReadError::NoEntry(index))
    }

    /// Entries from `from` on, in order, up to what is written now.
    pub fn scan(&self, from: u64) -> impl Iterator<Item = Result<(u64, Vec<u8>), ReadError>> + use<> {
        Scan {
            reader: self.clone(),
            next: from,
            page: VecDeque::new(),
            failed: false,
        }
    }

    fn page(&self, from: u64) -> Result<VecDeque<Vec<u8>>, ReadError> {
        {
            let recent = self.0.recent.read();
            if from >= recent.first {
                let skip = (from - recent.first) as usize;
                return Ok(recent
                    .entries
                    .iter()
                    .skip(skip)
                    .take(4096)
                    .map(|e| e.to_vec())
                    .collect());
            }
        }
        let bundle = self.bundle(from)?;
        Ok(tiles::entries(&bundle)
            .unwrap_or_default()
            .into_iter()
            .skip((from % WIDTH) as usize)
            .map(<[u8]>::to_vec)
            .collect())
    }

    /// The bundle that holds an entry of the signed tree, as far as that tree goes, held against its hashes.
    fn bundle(&self, entry: u64) -> Result<Arc<[u8]>, ReadError> {
        let index = entry / WIDTH;
        let holds = |warm: &&Warm| warm.index == index && entry % WIDTH < warm.entries;
        if let Some(warm) = self.0.warm.lock().as_ref().filter(holds) {
            return Ok(warm.octets.clone());
        }
        let size = self.0.signed.read().0.size;
        let (path, octets) = self.file(Part::Bundle(index), size)?;
        let (_, tile) = self.file(Part::Tile(0, index), size)?;
        let width = Part::Bundle(index).width(size);
        let octets = vouched(&octets, &tile, width as usize).ok_or(ReadError::Damaged(path))?;
        let octets: Arc<[u8]> = octets.into();
        *self.0.warm.lock() = Some(Warm {
            index,
            entries: width,
            octets: octets.clone(),
        });
        Ok(octets)
    }

    /// A file of the tree of this size, and where it lay. The partial one that this tree names goes some time after the full
    /// one was written: that one begins alike (C2SP tlog-tiles).
    fn file(&self, part: Part, size: u64) -> Result<(PathBuf, Vec<u8>), ReadError> {
        let read = |width| {
            let path = self.0.dir.join(part.path(width));
            match self.0.disk.read(&path) {
                Ok(octets) => Ok(Some((path, octets))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(ReadError::Disk(path, error)),
            }
        };
        let width = part.width(size);
        if let Some(found) = read(width)? {
            return Ok(found);
        }
        let missing = || ReadError::Disk(self.0.dir.join(part.path(width)), io::ErrorKind::NotFound.into());
        read(WIDTH)?.ok_or_else(missing)
    }

    /// Hash of a perfect subtree that is whole in a tree of `size`.
    fn subtree(&self, size: u64, height: u32, index: u64) -> Result<Hash, ReadError> {
        let (level, inner) = (height / 8, height % 8);
        let first = index << inner;
        let (path, octets) = self.file(Part::Tile(level as u8, first / WIDTH), size)?;
        let from = (first % WIDTH) as usize;
        tiles::hashes(&octets)
            .and_then(|hashes| hashes.get(from..from + (1 << inner)).map(merkle::perfect))
            .ok_or(ReadError::Damaged(path))
    }

    /// Root of the tree of an earlier size.
    pub fn root(&self, size: u64) -> Result<Hash, ReadError> {
        let now = self.whole(size)?;
        merkle::range_root(0, size, &mut |height, index| self.subtree(now, height, index))
    }

    /// Inclusion proof of `index` in the tree of `size`.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, ReadError> {
        let now = self.whole(size)?;
        if index >= size {
            return Err(ReadError::NoEntry(index));
        }
        merkle::inclusion(index, size, &mut |height, i| self.subtree(now, height, i))
    }

    /// Consistency proof between two sizes.
    pub fn consistency(&self, old: u64, size: u64) -> Result<Vec<Hash>, ReadError> {
        let now = self.whole(size)?;
        merkle::consistency(old, size, &mut |height, index| self.subtree(now, height, index))
    }

    fn whole(&self, size: u64) -> Result<u64, ReadError> {
        let now = self.0.signed.read().0.size;
        if size > now {
            Err(ReadError::NotYet(size))
        } else {
            Ok(now)
        }
    }

    /// A receipt (C2SP tlog-proof) that holds the entry, its proof and the signed tree.
    pub fn receipt(&self, index: u64) -> Result<String, ReadError> {
        let (checkpoint, note) = self.0.signed.read().clone();
        if index >= checkpoint.size {
            let written = {
                let recent = self.0.recent.read();
                recent.first + recent.entries.len() as u64
            };
            return Err(if index < written {
                ReadError::NotYet(index)
            } else {
                ReadError::NoEntry(index)
            });
        }
        let entry = self.entry(index)?;
        let proof = self.inclusion(index, checkpoint.size)?;
        let mut text = format!(
            "c2sp.org/tlog-proof@v1\nextra {}\nindex {index}\n",
            STANDARD.encode(entry)
        );
        for hash in proof {
            text.push_str(&STANDARD.encode(hash));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&note);
        Ok(text)
    }

    /// A file that others may fetch: `checkpoint`, tiles, and (where `bundles`) entries. `None` for anything else.
    pub fn resource(&self, path: &str, bundles: bool) -> Option<io::Result<Vec<u8>>> {
        let path = path.strip_prefix('/')?;
        if !tiles::is_resource(path) || (!bundles && path.starts_with("tile/entries/")) {
            return None;
        }
        if path == "checkpoint" {
            return Some(Ok(self.note().as_bytes().to_vec()));
        }
        Some(self.0.disk.read(&self.0.dir.join(path)))
    }
}

/// The front of a bundle, of so many entries, if the tile of their hashes says the same.
fn vouched<'a>(bundle: &'a [u8], tile: &[u8], entries: usize) -> Option<&'a [u8]> {
    let (all, hashes) = (tiles::entries(bundle)?, tiles::hashes(tile)?);
    let (all, hashes) = (all.get(..entries)?, hashes.get(..entries)?);
    let same = all
        .iter()
        .zip(hashes)
        .all(|(entry, hash)| merkle::leaf(entry) == *hash);
    let octets = all.iter().map(|entry| entry.len() + 2).sum();
    same.then_some(bundle.get(..octets))?
}

struct Scan {
    reader: Reader,
    next: u64,
    page: VecDeque<Vec<u8>>,
    failed: bool,
}

impl Iterator for Scan {
    type Item = Result<(u64, Vec<u8>), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        if self.page.is_empty() {
            match self.reader.page(self.next) {
                Ok(page) => self.page = page,
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
        let entry = self.page.pop_front()?;
        self.next += 1;
        Some(Ok((self.next - 1, entry)))
    }
}
