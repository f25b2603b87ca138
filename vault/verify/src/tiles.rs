//! Files of a tiled log: C2SP `tlog-tiles`, tile height 8.

use crate::{
    finding::{Report, Unreadable},
    merkle::{self, Hash},
};
use std::{fs, io, ops::Range, path::Path};

/// Hashes in a full tile, entries in a full bundle.
pub(crate) const WIDTH: u64 = 256;

/// One file of the log that a tree of some size needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resource {
    /// `0`, `1`, … for hash tiles, `entries` for bundles.
    pub(crate) level: String,
    /// Its number within the level.
    pub(crate) number: u64,
    /// How many hashes or entries of it the tree holds, 1 to 256.
    pub(crate) width: u64,
}

impl Resource {
    /// What a level with so many hashes (or entries) consists of: full ones, then at most one partial one.
    pub(crate) fn of_level(level: &str, count: u64) -> impl Iterator<Item = Resource> {
        let level = level.to_owned();
        (0..count.div_ceil(WIDTH)).map(move |number| {
            let width = WIDTH.min(count - number * WIDTH);
            Resource {
                level: level.clone(),
                number,
                width,
            }
        })
    }

    /// Indices within the level.
    pub(crate) fn range(&self) -> Range<u64> {
        let start = self.number * WIDTH;
        start..start + self.width
    }

    /// Path of the full resource: groups of three digits, all but the last with an `x`.
    pub(crate) fn full_path(&self) -> String {
        let mut path = format!("{:03}", self.number % 1000);
        let mut rest = self.number / 1000;
        while rest > 0 {
            path = format!("x{:03}/{path}", rest % 1000);
            rest /= 1000;
        }
        format!("tile/{}/{path}", self.level)
    }

    /// Path of the resource as the tree needs it, with `.p/<width>` where it is partial.
    pub(crate) fn path(&self) -> String {
        if self.width == WIDTH {
            self.full_path()
        } else {
            format!("{}.p/{}", self.full_path(), self.width)
        }
    }

    /// Reads it. A partial one may have been removed once the full one was there (C2SP `tlog-tiles`, Partial
    /// Tiles); then the full one is read.
    pub(crate) fn read(&self, dir: &Path) -> Result<Option<Found>, Unreadable> {
        let wanted = self.path();
        if let Some(bytes) = read_if_there(&dir.join(&wanted))? {
            return Ok(Some(Found {
                path: wanted,
                bytes,
                width: self.width,
            }));
        }
        let full = self.full_path();
        Ok(read_if_there(&dir.join(&full))?.map(|bytes| Found {
            path: full,
            bytes,
            width: WIDTH,
        }))
    }

    /// Other partial files, kept for earlier or later sizes of the tree.
    pub(crate) fn other_partials(&self, dir: &Path) -> Result<Vec<Found>, Unreadable> {
        let folder = format!("{}.p", self.full_path());
        let Some(names) = list_if_there(&dir.join(&folder))? else {
            return Ok(Vec::new());
        };
        let widths = names
            .iter()
            .filter_map(|name| name.parse().ok())
            .filter(|w| *w != self.width && *w < WIDTH);
        let read = |width: u64| {
            let path = format!("{folder}/{width}");
            let bytes = read_if_there(&dir.join(&path))?;
            Ok(bytes.map(|bytes| Found { path, bytes, width }))
        };
        widths.filter_map(|width| read(width).transpose()).collect()
    }
}

/// A file that was read.
#[derive(Debug)]
pub(crate) struct Found {
    /// Where, relative to the log.
    pub(crate) path: String,
    /// What it holds.
    pub(crate) bytes: Vec<u8>,
    /// How many hashes or entries its name promises.
    pub(crate) width: u64,
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, Unreadable> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(Unreadable::new(path, error)),
    }
}

fn list_if_there(path: &Path) -> Result<Option<Vec<String>>, Unreadable> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Unreadable::new(path, error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| Unreadable::new(path, error))?.file_name();
        names.extend(name.into_string().ok());
    }
    names.sort();
    Ok(Some(names))
}

/// Entries of a bundle: each a big-endian `u16` length and so many bytes.
pub(crate) fn split_bundle(mut bytes: &[u8]) -> Result<Vec<&[u8]>, String> {
    let (all, mut entries) = (bytes.len(), Vec::new());
    while !bytes.is_empty() {
        let at = all - bytes.len();
        let (length, rest) = bytes
            .split_first_chunk::<2>()
            .ok_or(format!("byte {at}: the bundle ends within a length"))?;
        let length = usize::from(u16::from_be_bytes(*length));
        let short = || {
            format!(
                "byte {at}: the bundle ends after {} of an entry's {length} bytes",
                rest.len()
            )
        };
        let (entry, rest) = rest.split_at_checked(length).ok_or_else(short)?;
        entries.push(entry);
        bytes = rest;
    }
    Ok(entries)
}

/// Compares every hash tile that a tree over these leaves has with what is stored.
pub(crate) fn check_tiles(dir: &Path, leaves: &[Hash], report: &mut Report) -> Result<u64, Unreadable> {
    let (mut level, mut hashes, mut seen) = (0, leaves.to_vec(), 0);
    while !hashes.is_empty() {
        for tile in Resource::of_level(&level.to_string(), hashes.len() as u64) {
            let expected = &hashes[tile.range().start as usize..tile.range().end as usize];
            match tile.read(dir)? {
                Some(found) => compare_tile(&tile, &found, expected, report),
                None => report.find(
                    tile.path(),
                    None,
                    "the tile is missing; a tree of this size has it",
                ),
            }
            for found in tile.other_partials(dir)? {
                compare_tile(&tile, &found, expected, report);
            }
            seen += 1;
        }
        // A tile of the next level holds the roots of the full tiles of this one; partial ones go nowhere.
        hashes = hashes.chunks_exact(WIDTH as usize).map(merkle::root).collect();
        level += 1;
    }
    Ok(seen)
}

fn compare_tile(tile: &Resource, found: &Found, expected: &[Hash], report: &mut Report) {
    let (hashes, tail) = found.bytes.as_chunks::<32>();
    let wanted = found.width;
    if !tail.is_empty() || hashes.len() as u64 != wanted {
        let what = format!(
            "{} bytes, expected {} ({wanted} hashes of 32 bytes)",
            found.bytes.len(),
            wanted * 32
        );
        report.find(&found.path, None, what);
    }
    let pairs = hashes.iter().zip(expected).zip(tile.range());
    let wrong: Vec<_> = pairs.filter(|((found, expected), _)| found != expected).collect();
    let others = wrong.len().saturating_sub(1);
    if let Some(((stored, computed), index)) = wrong.first() {
        let (stored, computed) = (hex::encode(stored), hex::encode(computed));
        let bundle = Resource {
            level: "entries".to_owned(),
            ..tile.clone()
        };
        let below = match tile.level.as_str() {
            "0" => format!("its entry in {}", bundle.path()),
            _ => "the level below".to_owned(),
        };
        let mut what = format!("the stored hash is {stored}, but {below} gives {computed}");
        if others > 0 {
            what += &format!(" ({others} more hashes of this tile differ)");
        }
        report.find(&found.path, Some(*index), what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        let path = |number, width| {
            Resource {
                level: "0".into(),
                number,
                width,
            }
            .path()
        };
        assert_eq!(path(1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(path(1234, 5), "tile/0/x001/234.p/5");
        assert_eq!(path(0, 37), "tile/0/000.p/37");
    }

    #[test]
    fn seventy_thousand_entries_have_the_tiles_of_the_specification() {
        let of = |count| {
            Resource::of_level("0", count)
                .map(|r| r.width)
                .collect::<Vec<_>>()
        };
        let zero = of(70_000);
        assert_eq!((zero.len(), zero[273]), (274, 112));
        assert_eq!((of(70_000 / 256), of(1)), (vec![256, 17], vec![1]));
    }
}
