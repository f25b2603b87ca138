//! The keyring's two files, and the way from one pair of them to the next.
//!
//! A pair is replaced in steps that each leave a pair on disk that opens; the old root is overwritten only once the
//! new pair bears both names. A start that finds the steps half done goes on where they stopped.

use crate::{
    epochs::{Epoch, KeyringError},
    locked::Locked,
    open_octets, seal_octets,
};
use domain::Day;
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

#[derive(Serialize, Deserialize)]
struct Stored {
    epoch: u32,
    from: Day,
    until: Day,
    sealed: String,
}

/// Names of the files: the pair, the pair that is to follow it, and the root that is about to be overwritten.
pub(crate) struct Files {
    pub(crate) keys: PathBuf,
    pub(crate) root: PathBuf,
    pub(crate) new_keys: PathBuf,
    pub(crate) new_root: PathBuf,
    pub(crate) old_root: PathBuf,
}

/// One step from a pair to the next. Each may be done again, and does nothing where nothing is to be done.
type Step = fn(&Files) -> Result<(), KeyringError>;

/// What makes the new pair, once it is whole beside the old one, the pair in force.
pub(crate) const STEPS: [Step; 6] = [
    Files::set_old_root_aside,
    |files| renamed(&files.new_root, &files.root),
    |files| renamed(&files.new_keys, &files.keys),
    Files::sync_folder,
    |files| erased(&files.old_root),
    Files::sync_folder,
];

impl Files {
    pub(crate) fn of(keys: &Path) -> Files {
        let with = |extension| keys.with_extension(extension);
        let (root, new_root, old_root) = (with("root"), with("root.new"), with("root.old"));
        Files {
            keys: keys.to_owned(),
            root,
            new_keys: with("json.new"),
            new_root,
            old_root,
        }
    }

    /// The epochs of the pair that opens, which bears both names afterwards; none where no keyring was ever in force.
    pub(crate) fn load(&self, locked: &Locked) -> Result<Vec<Epoch>, KeyringError> {
        for (root, keys) in self.pairs() {
            if let Some(epochs) = opened(root, keys, locked)? {
                self.settle(root, keys)?;
                return Ok(epochs);
            }
        }
        if self.root.exists() || self.keys.exists() {
            return Err(KeyringError::Damaged(self.keys.clone(), self.root.clone()));
        }
        Ok(Vec::new())
    }

    /// Pairs that a stop at any moment can leave, those in force first.
    fn pairs(&self) -> [(&Path, &Path); 5] {
        let Files {
            keys,
            root,
            new_keys,
            new_root,
            old_root,
        } = self;
        [
            (root, keys),
            (new_root, keys),
            (root, new_keys),
            (new_root, new_keys),
            (old_root, keys),
        ]
    }

    /// Gives the pair that opened both names and removes what is left of the other.
    fn settle(&self, root: &Path, keys: &Path) -> Result<(), KeyringError> {
        if root == self.old_root {
            renamed(root, &self.root)?;
        }
        if root != self.new_root {
            erased(&self.new_root)?;
        }
        if keys != self.new_keys {
            removed(&self.new_keys)?;
        }
        STEPS.iter().try_for_each(|step| step(self))
    }

    /// Replaces the pair: a new root each time, so that no earlier keyring file opens any more.
    pub(crate) fn store<'a>(&self, epochs: impl Iterator<Item = &'a Epoch>) -> Result<(), KeyringError> {
        self.prepare(epochs)?;
        STEPS.iter().try_for_each(|step| step(self))
    }

    /// The new pair, whole and durable beside the old one.
    pub(crate) fn prepare<'a>(&self, epochs: impl Iterator<Item = &'a Epoch>) -> Result<(), KeyringError> {
        let mut root = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *root)
            .map_err(|e| KeyringError::File(self.root.clone(), io::Error::other(e.to_string())))?;
        let stored: Vec<Stored> = epochs
            .map(|e| {
                let sealed = seal_octets(&root, u64::from(e.number), b"guandao-epoch", e.key.expose());
                Stored {
                    epoch: e.number,
                    from: e.from,
                    until: e.until,
                    sealed: hex::encode(sealed),
                }
            })
            .collect();
        let text = serde_json::to_vec_pretty(&stored)
            .map_err(|e| KeyringError::File(self.keys.clone(), e.into()))?;
        write(&self.new_keys, &text)?;
        write(&self.new_root, &*root)?;
        self.sync_folder()
    }

    fn set_old_root_aside(&self) -> Result<(), KeyringError> {
        if !self.new_root.exists() || !self.root.exists() {
            return Ok(());
        }
        erased(&self.old_root)?;
        renamed(&self.root, &self.old_root)
    }

    fn sync_folder(&self) -> Result<(), KeyringError> {
        let folder = self
            .keys
            .parent()
            .filter(|d| !d.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        fs::File::open(folder)
            .and_then(|d| d.sync_all())
            .map_err(|e| KeyringError::File(folder.to_owned(), e))
    }
}

/// The epochs of a pair; `None` if a file is not there or they do not belong together.
fn opened(root: &Path, keys: &Path, locked: &Locked) -> Result<Option<Vec<Epoch>>, KeyringError> {
    let (Some(root), Some(text)) = (read(root)?, read(keys)?) else {
        return Ok(None);
    };
    let Ok(root) = <[u8; 32]>::try_from(root.as_slice()).map(Zeroizing::new) else {
        return Ok(None);
    };
    // A keyring in force is never empty; an empty list would "open" under every root.
    let Some(stored) = serde_json::from_slice::<Vec<Stored>>(&text)
        .ok()
        .filter(|s| !s.is_empty())
    else {
        return Ok(None);
    };
    let mut epochs = Vec::with_capacity(stored.len());
    for one in stored {
        let key = hex::decode(&one.sealed)
            .ok()
            .and_then(|sealed| open_octets(&root, u64::from(one.epoch), b"guandao-epoch", &sealed));
        let Some(mut key) = key.and_then(|key| <[u8; 32]>::try_from(key.as_slice()).ok()) else {
            return Ok(None);
        };
        epochs.push(Epoch {
            number: one.epoch,
            from: one.from,
            until: one.until,
            key: locked.take(&mut key)?,
            on_record: false,
        });
    }
    Ok(Some(epochs))
}

fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(KeyringError::File(path.to_owned(), error)),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), KeyringError> {
    let at = |e| KeyringError::File(path.to_owned(), e);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(at)?;
    file.set_len(bytes.len() as u64).map_err(at)?;
    file.write_all(bytes).map_err(at)?;
    file.sync_all().map_err(at)
}

fn unless_absent(path: &Path, done: io::Result<()>) -> Result<(), KeyringError> {
    match done {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(KeyringError::File(path.to_owned(), error))
        }
        _ => Ok(()),
    }
}

fn renamed(from: &Path, to: &Path) -> Result<(), KeyringError> {
    unless_absent(to, fs::rename(from, to))
}

fn removed(path: &Path) -> Result<(), KeyringError> {
    unless_absent(path, fs::remove_file(path))
}

/// Overwritten in place, then removed.
fn erased(root: &Path) -> Result<(), KeyringError> {
    if root.exists() {
        write(root, &[0; 32])?;
    }
    removed(root)
}

#[cfg(test)]
#[path = "keyring_tests.rs"]
mod tests;
