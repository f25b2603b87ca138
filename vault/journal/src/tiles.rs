//! The C2SP tlog-tiles layout: names of tiles and entry bundles, and bundles' octets.

use std::{fmt::Write, io};

/// Hashes in a full tile, entries in a full bundle.
pub const WIDTH: u64 = 256;

/// Path of a tile of hashes; `width` below 256 names a partial one.
pub fn tile(level: u8, index: u64, width: u64) -> String {
    path(&format!("tile/{level}"), index, width)
}

/// Path of an entry bundle.
pub fn bundle(index: u64, width: u64) -> String {
    path("tile/entries", index, width)
}

/// A file of the tree, whatever its width is by now.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// Hashes of a level.
    Tile(u8, u64),
    /// Entries.
    Bundle(u64),
}

impl Part {
    /// How much of it a tree of this size has.
    pub(crate) fn width(self, size: u64) -> u64 {
        let (all, index) = match self {
            Part::Tile(level, index) => (size >> (8 * u32::from(level)), index),
            Part::Bundle(index) => (size, index),
        };
        all.saturating_sub(index * WIDTH).min(WIDTH)
    }

    /// Its path at a width.
    pub(crate) fn path(self, width: u64) -> String {
        match self {
            Part::Tile(level, index) => tile(level, index, width),
            Part::Bundle(index) => bundle(index, width),
        }
    }
}

fn path(kind: &str, index: u64, width: u64) -> String {
    let mut groups = vec![index % 1000];
    let mut rest = index / 1000;
    while rest > 0 {
        groups.push(rest % 1000);
        rest /= 1000;
    }
    let mut path = kind.to_owned();
    for (i, group) in groups.iter().enumerate().rev() {
        let _ = write!(path, "/{}{group:03}", if i == 0 { "" } else { "x" });
    }
    if width < WIDTH {
        let _ = write!(path, ".p/{width}");
    }
    path
}

/// True for the paths of [`tile`], [`bundle`] and `checkpoint`, and nothing else.
pub fn is_resource(path: &str) -> bool {
    if path == "checkpoint" {
        return true;
    }
    let Some(rest) = path.strip_prefix("tile/") else {
        return false;
    };
    let Some((kind, index)) = rest.split_once('/') else {
        return false;
    };
    let level_ok = kind == "entries" || (kind.parse::<u8>().is_ok_and(|l| l < 8) && kind.len() == 1);
    let (index, partial) = match index.split_once(".p/") {
        Some((index, width)) => (index, Some(width)),
        None => (index, None),
    };
    let width_ok = partial.is_none_or(|w| {
        w.parse::<u64>().is_ok_and(|n| (1..WIDTH).contains(&n)) && !w.starts_with('0') && !w.starts_with('+')
    });
    let groups: Vec<&str> = index.split('/').collect();
    let group_ok = |(i, group): (usize, &&str)| {
        let digits = if i + 1 == groups.len() {
            Some(*group)
        } else {
            group.strip_prefix('x')
        };
        digits.is_some_and(|d| d.len() == 3 && d.bytes().all(|b| b.is_ascii_digit()))
    };
    level_ok && width_ok && groups.len() <= 6 && groups.iter().enumerate().all(group_ok)
}

/// Appends an entry to a bundle, which keeps its length in 16 bits.
pub fn put_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> io::Result<()> {
    let length = u16::try_from(entry.len()).map_err(io::Error::other)?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// Entries of a bundle; `None` if it is cut or padded.
pub fn entries(mut bundle: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while !bundle.is_empty() {
        let (length, rest) = bundle.split_at_checked(2)?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([length[0], length[1]])))?;
        entries.push(entry);
        bundle = rest;
    }
    Some(entries)
}

/// Hashes of a tile; `None` if it is cut.
pub fn hashes(tile: &[u8]) -> Option<Vec<[u8; 32]>> {
    let chunks = tile.chunks_exact(32);
    chunks
        .remainder()
        .is_empty()
        .then(|| chunks.map(|c| c.try_into().unwrap_or_default()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_layout() {
        assert_eq!(tile(0, 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(bundle(0, 37), "tile/entries/000.p/37");
        for good in [
            "checkpoint",
            "tile/0/000",
            "tile/3/x001/234.p/9",
            "tile/entries/x001/000",
        ] {
            assert!(is_resource(good), "{good}");
        }
        for bad in [
            "",
            "tile",
            "tile/0/../x",
            "tile/9/000",
            "tile/0/0",
            "tile/0/001/000",
            "tile/0/000.p/256",
            "tile/0/000.p/0",
            "tile/0/000.p/+1",
            "../checkpoint",
            "tile/00/000",
            "key.vkey",
            "wal/0",
        ] {
            assert!(!is_resource(bad), "{bad}");
        }
    }
}
