//! Signed tree heads: C2SP `tlog-checkpoint`.

use crate::{
    merkle::Hash,
    note::{NoteError, SignedNote, VerifierKey},
};
use base64::{Engine, engine::general_purpose::STANDARD};

/// A tree head: whose log, how many entries, which root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Identity of the log.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

/// Why a checkpoint is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note around it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text is no tree head.
    #[error("this is no checkpoint (C2SP tlog-checkpoint): {0}")]
    Form(&'static str),
    /// It speaks for another log than its key does.
    #[error("the checkpoint is of origin {found}, expected {expected}, the name of the key")]
    Origin {
        /// The key's name.
        expected: String,
        /// The note's first line.
        found: String,
    },
}

impl Checkpoint {
    /// Reads the text of a note. Extension lines are allowed and mean nothing to us, as the specification has it.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let form = CheckpointError::Form;
        let lines = text
            .strip_suffix('\n')
            .ok_or(form("its last line is not ended"))?;
        let mut lines = lines.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(form("it has fewer than three lines"));
        };
        if origin.is_empty() || lines.any(str::is_empty) {
            return Err(form("a line is empty"));
        }
        let size = decimal(size).ok_or(form("its size is not a plain decimal number"))?;
        let root = decode_hash(root).ok_or(form("its root is not the base64 of 32 bytes"))?;
        Ok(Checkpoint {
            origin: origin.to_owned(),
            size,
            root,
        })
    }

    /// Verifies a note and reads the tree head in it, which must be of the key's own origin.
    pub fn open(bytes: &[u8], key: &VerifierKey) -> Result<Self, CheckpointError> {
        let note = SignedNote::parse(bytes)?;
        let head = Self::parse(note.verify(key)?)?;
        if head.origin != key.name() {
            return Err(CheckpointError::Origin {
                expected: key.name().to_owned(),
                found: head.origin,
            });
        }
        Ok(head)
    }

    /// What a note claims, whoever signed it: lets a refused checkpoint still be compared with its tree, so that
    /// the report can say what was altered.
    pub fn claimed(bytes: &[u8]) -> Option<Self> {
        Self::parse(SignedNote::parse(bytes).ok()?.unverified_text()).ok()
    }
}

/// A decimal number without sign or leading zeros.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// A hash in base64.
pub(crate) fn decode_hash(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok()
}
