//! The write-ahead log: preallocated segments of checksummed group frames.
//!
//! Frame: `magic(4) length(4) first(8) count(4) checksum(16)`, then the entries, each behind its length (4 octets).
//! One frame is written and synced at a time, so a torn frame can only be the last one of the last segment.

use crate::disk::{Disk, LogFile};
use sha2::{Digest, Sha256};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

const MAGIC: [u8; 4] = *b"GDW1";
const HEAD: usize = 36;
/// Largest frame's payload; larger groups are split between appends. One append alone may be larger: it is durable
/// whole or not at all.
const MOST_PAYLOAD: usize = 1 << 20;
/// Largest entry (a bundle keeps lengths in 16 bits).
pub const MOST_ENTRY: usize = u16::MAX as usize;

/// Why the log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// The disk failed.
    #[error("{0}: {1}")]
    Disk(PathBuf, io::Error),
    /// Not a torn tail: something inside is gone or altered.
    #[error(
        "{file} is damaged at octet {at}: {what}. Restore it from a copy; cutting it would lose acknowledged entries"
    )]
    Damaged {
        /// Segment.
        file: PathBuf,
        /// Where.
        at: u64,
        /// What was expected.
        what: &'static str,
    },
}

/// Entries found in the log.
pub(crate) struct Recovered {
    /// Index of the first one.
    pub(crate) first: u64,
    pub(crate) entries: Vec<Arc<[u8]>>,
    /// Octets that were cut from the last segment.
    pub(crate) torn: u64,
}

pub(crate) struct Wal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    segment: u64,
    open: Option<Open>,
    /// First index of every segment on disk, the open one last.
    segments: Vec<u64>,
}

struct Open {
    file: Box<dyn LogFile>,
    offset: u64,
}

impl Wal {
    /// Reads all segments, cuts a torn tail of the last, and is ready for the next segment.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        segment: u64,
        integrated: u64,
    ) -> Result<(Wal, Recovered), WalError> {
        let at = |path: &Path, e| WalError::Disk(path.to_owned(), e);
        disk.make_dir(dir).map_err(|e| at(dir, e))?;
        let mut segments: Vec<u64> = disk
            .list(dir)
            .map_err(|e| at(dir, e))?
            .iter()
            .filter_map(|n| n.strip_suffix(".wal")?.parse().ok())
            .collect();
        segments.sort_unstable();
        let mut found = Recovered {
            first: segments.first().copied().unwrap_or(integrated),
            entries: Vec::new(),
            torn: 0,
        };
        for (i, first) in segments.iter().enumerate() {
            let path = dir.join(name(*first));
            let bytes = disk.read(&path).map_err(|e| at(&path, e))?;
            let next = found.first + found.entries.len() as u64;
            let damaged = |at: usize, what| WalError::Damaged {
                file: path.clone(),
                at: at as u64,
                what,
            };
            if *first != next {
                return Err(damaged(0, "a segment that continues the one before"));
            }
            let end =
                read_frames(&bytes, next, &mut found.entries).map_err(|(at, what)| damaged(at, what))?;
            let rest = &bytes[end..];
            if rest.iter().all(|b| *b == 0) {
                continue;
            }
            if i + 1 != segments.len() {
                return Err(damaged(end, "a whole frame"));
            }
            if whole_frame_after(rest) {
                return Err(damaged(end, "a whole frame, since a later one is whole"));
            }
            found.torn = rest.len() as u64;
            disk.truncate(&path, end as u64).map_err(|e| at(&path, e))?;
        }
        let next = found.first + found.entries.len() as u64;
        if next < integrated || found.first > integrated {
            let file = segments.first().map_or(dir.to_owned(), |s| dir.join(name(*s)));
            return Err(WalError::Damaged {
                file,
                at: 0,
                what: "the entries that follow the checkpoint",
            });
        }
        Ok((
            Wal {
                disk,
                dir: dir.to_owned(),
                segment,
                open: None,
                segments,
            },
            found,
        ))
    }

    /// Writes a group and makes it durable. `ends` says up to which index each append of it goes: no frame ends
    /// elsewhere, so that a crash leaves no part of one.
    pub(crate) fn append(&mut self, mut first: u64, entries: &[Arc<[u8]>], ends: &[u64]) -> io::Result<()> {
        let (mut rest, mut ends) = (entries, ends);
        while !rest.is_empty() {
            let (appends, taken) = fitting(first, rest, ends);
            let frame = frame(first, &rest[..taken])?;
            self.room(first, frame.len() as u64)?;
            let open = self
                .open
                .as_mut()
                .ok_or_else(|| io::Error::other("no open segment"))?;
            open.file.write_at(open.offset, &frame)?;
            open.file.sync()?;
            open.offset += frame.len() as u64;
            first += taken as u64;
            (rest, ends) = (&rest[taken..], &ends[appends..]);
        }
        Ok(())
    }

    fn room(&mut self, first: u64, needed: u64) -> io::Result<()> {
        if self
            .open
            .as_ref()
            .is_some_and(|o| o.offset + needed <= self.segment)
        {
            return Ok(());
        }
        let path = self.dir.join(name(first));
        let spare = needed <= self.segment && self.disk.list(&self.dir)?.iter().any(|n| n == "spare");
        let ready = self.dir.join(if spare { "spare" } else { "segment" });
        if !spare {
            // Never by the spare's name: the other thread may be writing zeros to that one at this moment.
            allocate(&*self.disk, &ready, needed.max(self.segment))?;
        }
        self.disk.rename(&ready, &path)?;
        self.disk.sync_dir(&self.dir)?;
        self.open = Some(Open {
            file: self.disk.open_log(&path)?,
            offset: 0,
        });
        if self.segments.last() != Some(&first) {
            self.segments.push(first);
        }
        Ok(())
    }

    /// Removes segments whose entries are all integrated.
    pub(crate) fn forget_below(&mut self, integrated: u64) -> io::Result<()> {
        let open = usize::from(self.open.is_some());
        while self.segments.len() > open {
            let next = self.segments.get(1).copied().unwrap_or(u64::MAX);
            let last_entry_in = if self.segments.len() == 1 {
                integrated
            } else {
                next
            };
            if last_entry_in > integrated {
                break;
            }
            self.disk.remove(&self.dir.join(name(self.segments[0])))?;
            self.segments.remove(0);
        }
        Ok(())
    }

    /// Removes the open segment too: everything is integrated.
    pub(crate) fn finish(&mut self, integrated: u64) -> io::Result<()> {
        self.open = None;
        self.forget_below(integrated)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

/// Makes the next segment ready, so that the writer need not wait for it.
pub(crate) fn prepare_spare(disk: &dyn Disk, dir: &Path, segment: u64) -> io::Result<()> {
    if disk.list(dir)?.iter().any(|n| n == "spare") {
        return Ok(());
    }
    allocate(disk, &dir.join("spare"), segment)
}

/// Zeros on disk, so that a later `fdatasync` has no metadata to write.
fn allocate(disk: &dyn Disk, spare: &Path, size: u64) -> io::Result<()> {
    let making = spare.with_extension("new");
    disk.write_zeros(&making, size)?;
    disk.sync(&making)?;
    disk.rename(&making, spare)
}

fn name(first: u64) -> String {
    format!("{first:020}.wal")
}

/// Octets of entries in a frame.
fn payload(entries: &[Arc<[u8]>]) -> usize {
    entries.iter().map(|e| e.len() + 4).sum()
}

/// How many appends, and how many entries, the next frame takes: one append at least.
fn fitting(first: u64, entries: &[Arc<[u8]>], ends: &[u64]) -> (usize, usize) {
    let (mut appends, mut taken, mut octets) = (0, 0, 0);
    for end in ends {
        let until = (end.saturating_sub(first) as usize).min(entries.len());
        octets += payload(&entries[taken..until]);
        if appends > 0 && octets > MOST_PAYLOAD {
            return (appends, taken);
        }
        (appends, taken) = (appends + 1, until);
    }
    (appends, entries.len())
}

fn frame(first: u64, entries: &[Arc<[u8]>]) -> io::Result<Vec<u8>> {
    let length = payload(entries);
    let mut bytes = Vec::with_capacity(HEAD + length);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&u32::try_from(length).map_err(io::Error::other)?.to_be_bytes());
    bytes.extend_from_slice(&first.to_be_bytes());
    bytes.extend_from_slice(&(entries.len() as u32).to_be_bytes());
    bytes.resize(HEAD, 0);
    for entry in entries {
        bytes.extend_from_slice(&(entry.len() as u32).to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    let sum = checksum(&bytes);
    bytes[20..HEAD].copy_from_slice(&sum);
    Ok(bytes)
}

fn checksum(frame: &[u8]) -> [u8; 16] {
    let hash = Sha256::new()
        .chain_update(&frame[..20])
        .chain_update(&frame[HEAD..])
        .finalize();
    let mut sum = [0; 16];
    sum.copy_from_slice(&hash[..16]);
    sum
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// The whole frame at the front: first index, count, payload.
fn parse(bytes: &[u8]) -> Option<(u64, u32, &[u8])> {
    if bytes.get(..4)? != MAGIC {
        return None;
    }
    let length = u32::from_be_bytes(number(bytes, 4)?) as usize;
    let frame = bytes.get(..HEAD.checked_add(length)?)?;
    let sum: [u8; 16] = number(frame, 20)?;
    (checksum(frame) == sum).then_some(())?;
    Some((
        u64::from_be_bytes(number(frame, 8)?),
        u32::from_be_bytes(number(frame, 16)?),
        &frame[HEAD..],
    ))
}

/// Reads frames from the front; yields where they end.
fn read_frames(
    bytes: &[u8],
    mut next: u64,
    out: &mut Vec<Arc<[u8]>>,
) -> Result<usize, (usize, &'static str)> {
    let mut at = 0;
    while let Some((first, count, mut payload)) = parse(&bytes[at..]) {
        if first != next {
            return Err((at, "the frame that follows"));
        }
        at += HEAD + payload.len();
        for _ in 0..count {
            let entry = payload.split_at_checked(4).and_then(|(length, rest)| {
                rest.split_at_checked(u32::from_be_bytes(length.try_into().ok()?) as usize)
            });
            let Some((entry, rest)) = entry else {
                return Err((at, "entries as many as the frame says"));
            };
            out.push(entry.into());
            payload = rest;
        }
        next = next
            .checked_add(u64::from(count))
            .ok_or((at, "indices that can be counted"))?;
    }
    Ok(at)
}

/// Is there a whole frame anywhere behind the front? Then the front is damage, not a torn tail.
fn whole_frame_after(rest: &[u8]) -> bool {
    (1..rest.len().saturating_sub(HEAD)).any(|at| rest[at] == MAGIC[0] && parse(&rest[at..]).is_some())
}
