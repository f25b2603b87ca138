//! Integration: durable entries become bundles, tiles and a signed checkpoint, in this order, each durable before the
//! next; only then may the log forget them.

use crate::{
    disk::Disk,
    merkle::{self, Frontier, Hash},
    note::{self, Checkpoint},
    tiles::{self, WIDTH},
};
use domain::Sign;
use std::{
    collections::{BTreeSet, VecDeque},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Partial files go so many checkpoints after the full file was written. Before that a reader of an older checkpoint
/// finds neither the partial of its size nor a full one (C2SP tlog-tiles).
const KEEP_PARTIAL: usize = 64;

pub(crate) struct Tree {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    frontier: Frontier,
    /// The right-most tile of each level, not full.
    edges: Vec<Vec<Hash>>,
    /// The right-most bundle, not full.
    bundle: Vec<u8>,
    /// Folders of partials whose full files were written, by checkpoint.
    completed: VecDeque<Vec<PathBuf>>,
    /// Folders that are there, those of partials only while they are.
    known_dirs: BTreeSet<PathBuf>,
}

impl Tree {
    /// Reads the edges of a tree of this size; checks them against its root.
    pub(crate) fn open(disk: Arc<dyn Disk>, dir: &Path, size: u64, root: &Hash) -> io::Result<Tree> {
        let damaged = |path: &str| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{path} does not belong to the signed tree"),
            )
        };
        let mut edges = Vec::new();
        for level in 0..8u8 {
            let hashes = size >> (8 * level);
            if hashes == 0 {
                break;
            }
            let width = hashes % WIDTH;
            let path = tiles::tile(level, hashes / WIDTH, width);
            let edge = if width == 0 {
                Vec::new()
            } else {
                tiles::hashes(&disk.read(&dir.join(&path))?).ok_or_else(|| damaged(&path))?
            };
            if edge.len() as u64 != width {
                return Err(damaged(&path));
            }
            edges.push(edge);
        }
        let bundle = if size.is_multiple_of(WIDTH) {
            Vec::new()
        } else {
            let path = tiles::bundle(size / WIDTH, size % WIDTH);
            let octets = disk.read(&dir.join(&path))?;
            let entries = tiles::entries(&octets).ok_or_else(|| damaged(&path))?;
            if !entries
                .iter()
                .map(|entry| merkle::leaf(entry))
                .eq(edges[0].iter().copied())
            {
                return Err(damaged(&path));
            }
            octets
        };
        let frontier = Frontier::read(size, |height, index| {
            let edge = edges
                .get((height / 8) as usize)
                .ok_or_else(|| damaged("a tile"))?;
            let from = ((index << (height % 8)) % WIDTH) as usize;
            edge.get(from..from + (1 << (height % 8)))
                .map(merkle::perfect)
                .ok_or_else(|| damaged("a tile"))
        })?;
        if frontier.root() != *root {
            return Err(damaged("the edge of the tree"));
        }
        let left = left_partials(&*disk, dir, size, edges.len() as u8)?;
        Ok(Tree {
            disk,
            dir: dir.to_owned(),
            frontier,
            edges,
            bundle,
            completed: VecDeque::from([left]),
            known_dirs: BTreeSet::new(),
        })
    }

    pub(crate) fn size(&self) -> u64 {
        self.frontier.size()
    }

    #[cfg(test)]
    pub(crate) fn folders_known(&self) -> usize {
        self.known_dirs.len()
    }

    /// Adds entries, then writes and syncs all files and the signed checkpoint.
    //= C28
    pub(crate) fn integrate(
        &mut self,
        entries: &[Arc<[u8]>],
        origin: &str,
        signer: &dyn Sign,
    ) -> io::Result<(Checkpoint, String)> {
        let mut written = Written::default();
        for entry in entries {
            tiles::put_entry(&mut self.bundle, entry)?;
            let hash = merkle::leaf(entry);
            self.frontier.push(hash);
            self.push(0, hash, &mut written)?;
            if self.size().is_multiple_of(WIDTH) {
                let path = tiles::bundle(self.size() / WIDTH - 1, WIDTH);
                // The next one will be as long.
                let room = Vec::with_capacity(self.bundle.len());
                let full = std::mem::replace(&mut self.bundle, room);
                self.put(&path, &full, &mut written)?;
                written.full.push(self.partials_of(&path));
            }
        }
        self.put_partials(&mut written)?;
        for path in &written.files {
            self.disk.sync(path)?;
        }
        for dir in &written.dirs {
            self.disk.sync_dir(dir)?;
        }
        let checkpoint = Checkpoint {
            origin: origin.to_owned(),
            size: self.size(),
            root: self.frontier.root(),
        };
        let note = note::sign(&checkpoint.to_text(), origin, signer);
        write_whole(&*self.disk, &self.dir.join("checkpoint"), note.as_bytes())?;
        self.forget_partials(written.full);
        Ok((checkpoint, note))
    }

    fn push(&mut self, level: usize, hash: Hash, written: &mut Written) -> io::Result<()> {
        if self.edges.len() == level {
            self.edges.push(Vec::new());
        }
        self.edges[level].push(hash);
        if self.edges[level].len() as u64 == WIDTH {
            let full = std::mem::take(&mut self.edges[level]);
            let index = (self.size() >> (8 * (level + 1))) - 1;
            let path = tiles::tile(level as u8, index, WIDTH);
            self.put(&path, &full.concat(), written)?;
            written.full.push(self.partials_of(&path));
            self.push(level + 1, merkle::perfect(&full), written)?;
        }
        Ok(())
    }

    fn put_partials(&mut self, written: &mut Written) -> io::Result<()> {
        let size = self.size();
        for level in 0..self.edges.len() {
            let width = self.edges[level].len() as u64;
            if width > 0 {
                let path = tiles::tile(level as u8, (size >> (8 * level)) / WIDTH, width);
                let bytes = self.edges[level].concat();
                self.put(&path, &bytes, written)?;
            }
        }
        if !self.bundle.is_empty() {
            let path = tiles::bundle(size / WIDTH, size % WIDTH);
            let bytes = std::mem::take(&mut self.bundle);
            self.put(&path, &bytes, written)?;
            self.bundle = bytes;
        }
        Ok(())
    }

    /// Where the partials of a full file lie.
    fn partials_of(&self, full: &str) -> PathBuf {
        self.dir.join(format!("{full}.p"))
    }

    /// A file that did not exist before this tree; an unsigned one of an earlier try is replaced.
    fn put(&mut self, path: &str, bytes: &[u8], written: &mut Written) -> io::Result<()> {
        let path = self.dir.join(path);
        let dir = path.parent().map(Path::to_owned).unwrap_or_default();
        if self.known_dirs.insert(dir.clone()) {
            self.disk.make_dir(&dir)?;
            written.dirs.extend(
                dir.ancestors()
                    .take_while(|d| d.starts_with(&self.dir))
                    .map(Path::to_owned),
            );
        }
        let beside = path.with_extension("new");
        self.disk.write(&beside, bytes)?;
        self.disk.sync(&beside)?;
        self.disk.rename(&beside, &path)?;
        written.dirs.insert(dir);
        Ok(())
    }

    fn forget_partials(&mut self, completed: Vec<PathBuf>) {
        self.completed.push_back(completed);
        while self.completed.len() > KEEP_PARTIAL {
            for dir in self.completed.pop_front().unwrap_or_default() {
                for name in self.disk.list(&dir).unwrap_or_default() {
                    let _ = self.disk.remove(&dir.join(name)); // only tidiness: the full file takes its place
                }
                let _ = self.disk.remove_dir(&dir);
                self.known_dirs.remove(&dir);
            }
        }
    }
}

/// Folders of partials that an earlier run left beside their full files, of those near the edge: a run forgets its own.
fn left_partials(disk: &dyn Disk, dir: &Path, size: u64, levels: u8) -> io::Result<Vec<PathBuf>> {
    let edges = (0..levels).map(|level| tiles::tile(level, (size >> (8 * level)) / WIDTH, WIDTH));
    let mut left = Vec::new();
    for edge in edges.chain([tiles::bundle(size / WIDTH, WIDTH)]) {
        let edge = dir.join(edge);
        let beside = edge.parent().unwrap_or(dir);
        for name in disk.list(beside)? {
            // Names of one folder are equally long: those before the edge's are full.
            let full = name.strip_suffix(".p").map(|full| beside.join(full));
            left.extend(full.filter(|full| *full < edge).map(|_| beside.join(&name)));
        }
    }
    Ok(left)
}

#[derive(Default)]
struct Written {
    files: Vec<PathBuf>,
    dirs: BTreeSet<PathBuf>,
    /// Folders of partials whose full files are among them.
    full: Vec<PathBuf>,
}

/// Writes beside, syncs, renames, syncs the name.
pub(crate) fn write_whole(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    disk.write(&beside, bytes)?;
    disk.sync(&beside)?;
    disk.rename(&beside, path)?;
    disk.sync_dir(path.parent().unwrap_or(Path::new(".")))
}
