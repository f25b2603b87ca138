//! The independent offline verifier of Guandao: receipts, journals, purges and export packages.
//!
//! It shares no code with the writers (crates `journal`, `vault`, `desk`): both sides are built to the same public
//! texts, so that an error in one of them shows. It needs no network, no clock and no secret. Formats: C2SP
//! `signed-note`, `tlog-checkpoint`, `tlog-tiles`, `tlog-proof`; RFC 6962; RFC 8785; design.md sections 4, 5, 7.
//!
//! Two kinds of trouble are kept apart. [`Unreadable`] means that nothing can be said (no such file). A [`Finding`]
//! means that something is false, and names the place, the index and what was expected there.

mod cases;
mod chains;
mod checkpoint;
mod entries;
mod export;
mod finding;
mod journal;
pub mod merkle;
mod note;
mod purge;
mod receipt;
mod tiles;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use entries::Kind;
pub use export::{ExportKeys, ExportOptions, check_export};
pub use finding::{Finding, Report, Unreadable};
pub use journal::{JournalOptions, check_journal};
pub use note::{NoteError, SignedNote, VerifierKey};
pub use purge::check_purge;
pub use receipt::check_receipt;

use std::path::Path;

/// Reads a key file: one line, a note verifier key.
pub fn read_key(path: &Path) -> Result<VerifierKey, Unreadable> {
    let bytes = read(path)?;
    let text = String::from_utf8(bytes).map_err(|_| Unreadable::new(path, "it is not UTF-8"))?;
    text.trim().parse().map_err(|error| Unreadable::new(path, error))
}

/// Reads a whole file that must be there.
fn read(path: &Path) -> Result<Vec<u8>, Unreadable> {
    std::fs::read(path).map_err(|error| Unreadable::new(path, error))
}
