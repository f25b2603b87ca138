//! Reading: from what is integrated, and from memory what is not yet.

use crate::{
    disk::Disk,
    merkle::{self, Hash},
    note::{Checkpoint, VerifierKey},
    tiles::{self, WIDTH},
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
    /// A file does not hold what its name says.
    #[error("{0} does not hold what its name says")]
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
    /// The last full bundle that was read, since orders' entries lie close together.
    pub(crate) warm: Mutex<Option<(u64, Arc<[u8]>)>>,
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
        let bundle = self.bundle(index / WIDTH)?;
        let entries =
            tiles::entries(&bundle).ok_or_else(|| self.damaged(tiles::bundle(index / WIDTH, WIDTH)))?;
        entries
            .get((index % WIDTH) as usize)
            .map(|e| e.to_vec())
            .ok_or(ReadError::NoEntry(index))
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
        let bundle = self.bundle(from / WIDTH)?;
        let entries =
            tiles::entries(&bundle).ok_or_else(|| self.damaged(tiles::bundle(from / WIDTH, WIDTH)))?;
        Ok(entries
            .into_iter()
            .skip((from % WIDTH) as usize)
            .map(<[u8]>::to_vec)
            .collect())
    }

    fn bundle(&self, index: u64) -> Result<Arc<[u8]>, ReadError> {
        if let Some((_, bytes)) = self.0.warm.lock().as_ref().filter(|(i, _)| *i == index) {
            return Ok(bytes.clone());
        }
        let size = self.0.signed.read().0.size;
        let width = size.saturating_sub(index * WIDTH).min(WIDTH);
        let bytes: Arc<[u8]> = self
            .file(&tiles::bundle(index, width), |size| {
                tiles::bundle(index, size.saturating_sub(index * WIDTH).min(WIDTH))
            })?
            .into();
        if width == WIDTH {
            *self.0.warm.lock() = Some((index, bytes.clone()));
        }
        Ok(bytes)
    }

    /// A file of the tree; a partial one may have been replaced since its name was worked out.
    fn file(&self, path: &str, again: impl Fn(u64) -> String) -> Result<Vec<u8>, ReadError> {
        let read = |path: &str| self.0.disk.read(&self.0.dir.join(path));
        match read(path) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let newer = again(self.0.signed.read().0.size);
                read(&newer).map_err(|e| ReadError::Disk(self.0.dir.join(newer), e))
            }
            Err(error) => Err(ReadError::Disk(self.0.dir.join(path), error)),
        }
    }

    fn damaged(&self, path: String) -> ReadError {
        ReadError::Damaged(self.0.dir.join(path))
    }

    /// Hash of a perfect subtree that is whole in a tree of `size`.
    fn subtree(&self, size: u64, height: u32, index: u64) -> Result<Hash, ReadError> {
        let (level, inner) = (height / 8, height % 8);
        let first = index << inner;
        let tile = first / WIDTH;
        let path = |size: u64| {
            tiles::tile(
                level as u8,
                tile,
                ((size >> (8 * level)) - tile * WIDTH).min(WIDTH),
            )
        };
        let bytes = self.file(&path(size), path)?;
        let hashes = tiles::hashes(&bytes).ok_or_else(|| self.damaged(path(size)))?;
        let from = (first % WIDTH) as usize;
        hashes
            .get(from..from + (1 << inner))
            .map(merkle::perfect)
            .ok_or_else(|| self.damaged(path(size)))
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
