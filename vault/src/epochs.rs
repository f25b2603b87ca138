//! Token epochs: payers get pseudonyms that link within one epoch and with nothing after its key has died.
//!
//! Epoch keys survive a restart in `keyring.json`, each sealed under one erasable root in `keyring.root`. Both are
//! files: grade C. When an epoch's key dies, a new root is drawn, what is left is sealed under it, and the old root
//! is overwritten, so that no older copy of `keyring.json` on this disk opens.

use crate::{Payer, locked::{LockError, Locked, LockedKey}, seal_octets, open_octets};
use domain::{Channel, Day, Instant, PayerToken, Token, TradeEvent};
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// What certificates of purge say about the root.
pub const GRADE: &str = "C";

/// Lengths of an epoch and of its afterlife, in days.
#[derive(Clone, Copy, Debug)]
pub struct Lengths {
    /// Days an epoch gives tokens.
    pub days: u32,
    /// Days its key is kept after that, for the review of open cases.
    pub kept: u32,
}

/// Why the keyring cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The files cannot be read or written.
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
    /// The files do not belong together or were altered.
    #[error("{0} does not open under {1}; restore both, or remove both to begin a new epoch")]
    Damaged(PathBuf, PathBuf),
    /// No locked memory.
    #[error(transparent)]
    Lock(#[from] LockError),
}

#[derive(Serialize, Deserialize)]
struct Stored {
    epoch: u32,
    from: Day,
    until: Day,
    sealed: String,
}

struct Epoch {
    number: u32,
    from: Day,
    until: Day,
    key: LockedKey,
}

pub(crate) struct Epochs {
    file: PathBuf,
    lengths: Lengths,
    locked: Locked,
    state: RwLock<Vec<Epoch>>,
}

impl Epochs {
    /// Opens the keyring, or begins one; yields the events of what began and ended.
    pub(crate) fn open(file: &Path, lengths: Lengths, locked: Locked, today: Day) -> Result<(Epochs, Vec<TradeEvent>), KeyringError> {
        let state = if file.exists() { load(file, &locked)? } else { Vec::new() };
        let epochs = Epochs { file: file.to_owned(), lengths, locked, state: RwLock::new(state) };
        let events = epochs.roll(today)?;
        Ok((epochs, events))
    }

    /// Begins and ends epochs at 00:00 UTC+8.
    pub(crate) fn roll(&self, today: Day) -> Result<Vec<TradeEvent>, KeyringError> {
        let mut state = self.state.write();
        let mut events = Vec::new();
        let kept = self.lengths.kept as i32;
        state.retain(|epoch| {
            let dead = epoch.until.number() + kept < today.number();
            if dead {
                events.push(TradeEvent::EpochDestroyed { epoch: epoch.number });
            }
            !dead
        });
        let current = state.last().is_some_and(|e| e.until >= today);
        if !current {
            let number = state.last().map_or(0, |e| e.number) + 1;
            let number = number.max(events.iter().filter_map(ended).max().unwrap_or(0) + 1);
            let until = Day::from_number(today.number() + self.lengths.days as i32 - 1);
            state.push(Epoch { number, from: today, until, key: self.locked.random()? });
            events.push(TradeEvent::EpochOpened { epoch: number, from: today, grade: GRADE.into(), until });
        }
        if !events.is_empty() {
            store(&self.file, &state)?;
        }
        Ok(events)
    }

    /// The payer's pseudonym in the current epoch.
    //= C37
    pub(crate) fn token(&self, channel: Channel, payer: &Payer, now: Instant) -> PayerToken {
        let state = self.state.read();
        let today = now.day();
        let epoch = state.iter().rev().find(|e| e.from <= today).or(state.last()).expect("an epoch is always open");
        let mut mac = Hmac::<Sha256>::new_from_slice(epoch.key.expose()).expect("HMAC takes keys of any length");
        for part in [channel.as_str(), "|", payer.field.as_str(), "|", payer.value.expose()] {
            mac.update(part.as_bytes());
        }
        let tag = mac.finalize().into_bytes();
        let mut token = [0; 16];
        token.copy_from_slice(&tag[..16]);
        PayerToken { epoch: epoch.number, token: Token::from_bytes(token) }
    }
}

fn ended(event: &TradeEvent) -> Option<u32> {
    match event {
        TradeEvent::EpochDestroyed { epoch } => Some(*epoch),
        _ => None,
    }
}

fn root_file(file: &Path) -> PathBuf {
    file.with_extension("root")
}

fn load(file: &Path, locked: &Locked) -> Result<Vec<Epoch>, KeyringError> {
    let root_file = root_file(file);
    let at = |path: &Path| { let path = path.to_owned(); move |e| KeyringError::File(path, e) };
    let damaged = || KeyringError::Damaged(file.to_owned(), root_file.clone());
    let root = Zeroizing::new(fs::read(&root_file).map_err(at(&root_file))?);
    let root: Zeroizing<[u8; 32]> = Zeroizing::new(root.as_slice().try_into().map_err(|_| damaged())?);
    let text = fs::read(file).map_err(at(file))?;
    let stored: Vec<Stored> = serde_json::from_slice(&text).map_err(|_| damaged())?;
    let mut epochs = Vec::with_capacity(stored.len());
    for one in stored {
        let sealed = hex::decode(&one.sealed).map_err(|_| damaged())?;
        let opened = open_octets(&root, u64::from(one.epoch), b"guandao-epoch", &sealed).ok_or_else(damaged)?;
        let mut key: [u8; 32] = opened.as_slice().try_into().map_err(|_| damaged())?;
        epochs.push(Epoch { number: one.epoch, from: one.from, until: one.until, key: locked.take(&mut key)? });
    }
    Ok(epochs)
}

/// A new root each time: no earlier keyring file opens any more.
fn store(file: &Path, epochs: &[Epoch]) -> Result<(), KeyringError> {
    let root_file = root_file(file);
    let mut root = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *root).map_err(|e| KeyringError::File(root_file.clone(), io::Error::other(e.to_string())))?;
    let stored: Vec<Stored> = epochs
        .iter()
        .map(|e| {
            let sealed = seal_octets(&root, u64::from(e.number), b"guandao-epoch", e.key.expose());
            Stored { epoch: e.number, from: e.from, until: e.until, sealed: hex::encode(sealed) }
        })
        .collect();
    let text = serde_json::to_vec_pretty(&stored).map_err(|e| KeyringError::File(file.to_owned(), e.into()))?;
    // The new keyring is whole beside the old one before either name changes.
    let (new_file, new_root) = (file.with_extension("json.new"), file.with_extension("root.new"));
    write(&new_file, &text)?;
    write(&new_root, &*root)?;
    if root_file.exists() {
        write(&root_file, &[0; 32])?; // the old root is overwritten in place, then replaced
    }
    for (from, to) in [(&new_root, &root_file), (&new_file, &file.to_owned())] {
        fs::rename(from, to).map_err(|e| KeyringError::File(to.clone(), e))?;
    }
    if let Some(dir) = file.parent().filter(|d| !d.as_os_str().is_empty()) {
        fs::File::open(dir).and_then(|d| d.sync_all()).map_err(|e| KeyringError::File(dir.to_owned(), e))?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), KeyringError> {
    let at = |e| KeyringError::File(path.to_owned(), e);
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map_err(at)?;
    file.set_len(bytes.len() as u64).map_err(at)?;
    file.write_all(bytes).map_err(at)?;
    file.sync_all().map_err(at)
}
