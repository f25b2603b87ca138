//! Token epochs: payers get pseudonyms that link within one epoch and with nothing after its key has died.
//!
//! Epoch keys survive a restart in `keyring.json`, each sealed under one erasable root in `keyring.root`. Both are
//! files: grade C. When an epoch's key dies, a new root is drawn, what is left is sealed under it, and the old root
//! is overwritten, so that no older copy of `keyring.json` on this disk opens.
//!
//! The keyring is durable before the journal hears of it, so a start holds one against the other.

use crate::{
    Payer,
    keyring::Files,
    locked::{LockError, Locked, LockedKey},
};
use domain::{Channel, Day, Instant, PayerToken, Token, TradeEvent};
use hmac::{HmacReset, KeyInit, Mac};
use parking_lot::RwLock;
use sha2::Sha256;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

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

/// Every token epoch that the trades journal knows; true while its end is not on record.
pub type KnownEpochs = BTreeMap<u32, bool>;

pub(crate) struct Epoch {
    pub(crate) number: u32,
    pub(crate) from: Day,
    pub(crate) until: Day,
    pub(crate) key: LockedKey,
    /// Its beginning stands in the journal; until then it gives no tokens.
    pub(crate) on_record: bool,
}

#[derive(Default)]
struct State {
    /// Highest number that was ever given.
    highest: u32,
    epochs: Vec<Epoch>,
}

pub(crate) struct Epochs {
    files: Files,
    lengths: Lengths,
    locked: Locked,
    state: RwLock<State>,
}

impl Epochs {
    /// Opens the keyring, or begins one; yields the events of what began and ended, those included that a stop kept
    /// from the journal.
    pub(crate) fn open(
        file: &Path,
        lengths: Lengths,
        locked: Locked,
        today: Day,
        known: &KnownEpochs,
    ) -> Result<(Epochs, Vec<TradeEvent>), KeyringError> {
        let files = Files::of(file);
        let mut keys = files.load(&locked)?;
        let stored = keys.len();
        // What is on record as destroyed can only come from a copy that was put back: it must not link again.
        keys.retain(|e| known.get(&e.number) != Some(&false));
        keys.iter_mut()
            .for_each(|e| e.on_record = known.contains_key(&e.number));
        let mut events = missing(&keys, known);
        let highest = keys
            .iter()
            .map(|e| e.number)
            .chain(known.keys().copied())
            .max()
            .unwrap_or(0);
        let fewer = keys.len() < stored;
        let epochs = Epochs {
            files,
            lengths,
            locked,
            state: RwLock::new(State {
                highest,
                epochs: keys,
            }),
        };
        events.extend(epochs.roll_from(today, fewer)?);
        Ok((epochs, events))
    }

    /// Begins and ends epochs at 00:00 UTC+8.
    pub(crate) fn roll(&self, today: Day) -> Result<Vec<TradeEvent>, KeyringError> {
        self.roll_from(today, false)
    }

    /// Nothing counts as begun or ended before it is durable; `changed` says that the files are behind already.
    fn roll_from(&self, today: Day, changed: bool) -> Result<Vec<TradeEvent>, KeyringError> {
        let mut state = self.state.write();
        let lives = |e: &Epoch| e.until.number() + self.lengths.kept as i32 >= today.number();
        let current = state.epochs.last().is_some_and(|e| e.until >= today);
        let begun = if current {
            None
        } else {
            Some(self.begun(state.highest + 1, today)?)
        };
        if !changed && begun.is_none() && state.epochs.iter().all(lives) {
            return Ok(Vec::new());
        }
        self.files
            .store(state.epochs.iter().filter(|e| lives(e)).chain(&begun))?;
        let mut events: Vec<_> = state
            .epochs
            .iter()
            .filter(|e| !lives(e))
            .map(|e| TradeEvent::EpochDestroyed { epoch: e.number })
            .collect();
        state.epochs.retain(lives);
        if let Some(begun) = begun {
            events.push(opened(&begun));
            state.highest = begun.number;
            state.epochs.push(begun);
        }
        Ok(events)
    }

    fn begun(&self, number: u32, today: Day) -> Result<Epoch, KeyringError> {
        let until = Day::from_number(today.number() + self.lengths.days as i32 - 1);
        Ok(Epoch {
            number,
            from: today,
            until,
            key: self.locked.random()?,
            on_record: false,
        })
    }

    /// All that was yielded is on record.
    pub(crate) fn recorded(&self) {
        self.state
            .write()
            .epochs
            .iter_mut()
            .for_each(|e| e.on_record = true);
    }

    /// The payer's pseudonym in the current epoch. No token precedes its epoch's beginning in the journal.
    //= C37
    pub(crate) fn token(&self, channel: Channel, payer: &Payer, now: Instant) -> PayerToken {
        let state = self.state.read();
        let today = now.day();
        let on_record = |e: &&Epoch| e.on_record && e.from <= today;
        let epoch = state
            .epochs
            .iter()
            .rev()
            .find(on_record)
            .or(state.epochs.last())
            .expect("an epoch is always open");
        let mut mac =
            HmacReset::<Sha256>::new_from_slice(epoch.key.expose()).expect("HMAC takes keys of any length");
        for part in [
            channel.as_str(),
            "|",
            payer.field.as_str(),
            "|",
            payer.value.expose(),
        ] {
            mac.update(part.as_bytes());
        }
        let tag = mac.finalize_reset().into_bytes(); // where it stands: a move would leave a copy of the payer
        let mut token = [0; 16];
        token.copy_from_slice(&tag[..16]);
        PayerToken {
            epoch: epoch.number,
            token: Token::from_bytes(token),
        }
    }
}

fn opened(epoch: &Epoch) -> TradeEvent {
    TradeEvent::EpochOpened {
        epoch: epoch.number,
        from: epoch.from,
        grade: GRADE.into(),
        until: epoch.until,
    }
}

/// What a stop between keyring and journal kept from the journal: the keyring is durable first.
fn missing(keys: &[Epoch], known: &KnownEpochs) -> Vec<TradeEvent> {
    let held = |number: &u32| keys.iter().any(|e| e.number == *number);
    let gone = known.iter().filter(|(number, open)| **open && !held(number));
    let opened = keys.iter().filter(|e| !known.contains_key(&e.number)).map(opened);
    gone.map(|(number, _)| TradeEvent::EpochDestroyed { epoch: *number })
        .chain(opened)
        .collect()
}
