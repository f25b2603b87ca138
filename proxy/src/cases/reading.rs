//! How far the desk's journal was read, and how far that is on record: one never goes backwards, whatever is read again.

use domain::{CaseEntry, CaseEvent, Digest, Instant};
use journal::{
    VerifierKey,
    follow::{Fetch, Follower},
};
use std::time::Duration;

/// A cursor goes on record at least so often while the desk is followed: after a start it tells how long it was not.
const KNOWN: Duration = Duration::from_secs(300);
/// Or when so many entries were read since: each cursor gives the desk something new to read, so not every step has one.
const MANY: u64 = 64;

/// Entries, each behind its index.
pub(super) type Entries = Vec<(u64, Vec<u8>)>;

/// What is on record of the cases journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cursor {
    pub(crate) size: u64,
    pub(crate) root: Digest,
    /// When that was put there.
    pub(crate) at: Instant,
}

/// Reads on from what is on record, and behind that once more what is older.
pub(super) struct Reading {
    known: Option<Cursor>,
    new: Follower,
    /// What is on record was read, but maybe by a build that did not understand all of it.
    old: Option<(Follower, u64)>,
    /// An entry was not understood: it may be a measure.
    strange: bool,
}

impl Reading {
    /// The journal must continue what is known.
    pub(super) fn new(key: VerifierKey, known: Option<Cursor>) -> Reading {
        let at = known.map(|known| (known.size, *known.root.as_bytes()));
        Reading {
            known,
            new: Follower::new(key.clone(), at),
            old: known.map(|known| (Follower::new(key, None), known.size)),
            strange: false,
        }
    }

    /// What is new, of a long backlog the next part.
    pub(super) async fn on(&mut self, desk: &impl Fetch) -> Result<Entries, String> {
        let read = self.new.poll(desk, certs::verify_ed25519).await;
        read.map_err(|error| error.to_string())
    }

    /// The next part of what was on record at the start, where there is one; only behind all that is new.
    pub(super) async fn again(&mut self, desk: &impl Fetch) -> Result<Entries, String> {
        let Some((old, until)) = self.old.as_mut().filter(|_| !self.new.is_behind()) else {
            return Ok(Entries::new());
        };
        let read = old.poll(desk, certs::verify_ed25519).await;
        let mut entries = read.map_err(|error| error.to_string())?;
        entries.retain(|(index, _)| index < until);
        if old.cursor().0 >= *until {
            self.old = None;
        }
        Ok(entries)
    }

    /// What of these this build understands. The measures among it are obeyed whatever the others are.
    //= C17
    pub(super) fn understood(&mut self, entries: Entries) -> Vec<(u64, CaseEvent)> {
        let understood = |(index, octets): (u64, Vec<u8>)| match CaseEntry::from_canonical(&octets) {
            Ok(entry) => Some((index, entry.event)),
            Err(error) => {
                tracing::error!(
                    index,
                    %error,
                    "an entry of the cases journal is not understood and may be a measure, so new orders are refused once patience with the desk ends: a newer desk wrote it (update this proxy), or a build that this one no longer reads"
                );
                self.strange = true;
                None
            }
        };
        entries.into_iter().filter_map(understood).collect()
    }

    /// True where all that the desk wrote was read, what is older too, and understood: its last word is known.
    pub(super) fn knows_all(&self) -> bool {
        !self.is_busy() && !self.strange
    }

    /// True while the new was read in part only: nothing is known of the desk's last word.
    pub(super) fn is_behind(&self) -> bool {
        self.new.is_behind()
    }

    /// True while there is something to read at once.
    pub(super) fn is_busy(&self) -> bool {
        self.is_behind() || self.old.is_some()
    }

    /// What is to go on record now that all that was read is obeyed. `news` says that something of it was new.
    //= C17
    pub(super) fn due(&self, now: Instant, news: bool) -> Option<Cursor> {
        let (size, root) = self.new.cursor();
        if !self.knows_all() {
            return None; // it would say that the desk's last word is known
        }
        let due = match self.known {
            None => true,
            Some(known) if size < known.size => false,
            Some(known) => {
                let age = now.millis() - known.at.millis();
                news || size - known.size >= MANY || age >= KNOWN.as_millis() as i64
            }
        };
        due.then_some(Cursor {
            size,
            root: Digest::from_bytes(root),
            at: now,
        })
    }

    /// That is on record.
    pub(super) fn recorded(&mut self, cursor: Cursor) {
        self.known = Some(cursor);
    }

    /// What is on record.
    pub(super) fn known(&self) -> Option<Cursor> {
        self.known
    }
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
