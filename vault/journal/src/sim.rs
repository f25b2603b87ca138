//! A disk that forgets: every octet and name that was not synced may be gone, whole or in sectors, after a crash that
//! comes after a given number of operations. Seeded, so that each crash can be seen again.

use crate::disk::{Disk, LogFile};
use parking_lot::Mutex;
use std::{
    collections::{BTreeSet, HashMap},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

const SECTOR: usize = 512;

#[derive(Clone, Default)]
struct Inode {
    now: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Clone)]
enum NameOp {
    Set(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    names: HashMap<PathBuf, usize>,
    durable_names: HashMap<PathBuf, usize>,
    pending: Vec<NameOp>,
    /// Operations left before the crash.
    budget: Option<u64>,
    crashed: bool,
    random: u64,
    operations: u64,
}

/// The simulated disk. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

impl SimulatedDisk {
    /// An empty disk with its own randomness.
    pub fn new(seed: u64) -> SimulatedDisk {
        SimulatedDisk(Arc::new(Mutex::new(State {
            random: seed.wrapping_mul(2).wrapping_add(1),
            ..State::default()
        })))
    }

    /// The power fails after this many more operations that change something.
    pub fn crash_after(&self, operations: u64) {
        self.0.lock().budget = Some(operations);
    }

    /// True once the power has failed; every operation fails from then on.
    pub fn crashed(&self) -> bool {
        self.0.lock().crashed
    }

    /// Operations that changed something so far.
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// Power comes back: what was not synced is gone, or there in part.
    pub fn restart(&self) {
        let mut state = self.0.lock();
        let choices = state.pending.len() as u64 + 1;
        let keep = state.roll(choices) as usize;
        let pending = std::mem::take(&mut state.pending);
        for op in &pending[..keep] {
            apply(&mut state.durable_names, op);
        }
        for index in 0..state.inodes.len() {
            let Inode { now, durable } = state.inodes[index].clone();
            let length = if state.roll(2) == 0 {
                now.len()
            } else {
                durable.len()
            };
            let mut mixed = durable.clone();
            mixed.resize(length, 0);
            for at in (0..length).step_by(SECTOR) {
                let end = (at + SECTOR).min(length).min(now.len());
                if at < end && state.roll(2) == 0 {
                    mixed[at..end].copy_from_slice(&now[at..end]);
                }
            }
            state.inodes[index] = Inode {
                now: mixed.clone(),
                durable: mixed,
            };
        }
        state.names = state.durable_names.clone();
        (state.budget, state.crashed) = (None, false);
    }

    fn change<R>(&self, how: impl FnOnce(&mut State) -> io::Result<R>) -> io::Result<R> {
        let mut state = self.0.lock();
        if state.crashed {
            return Err(power());
        }
        state.operations += 1;
        if let Some(budget) = &mut state.budget {
            if *budget == 0 {
                state.crashed = true;
                // The operation under way may have happened, or not.
                if state.roll(2) == 0 {
                    let _ = how(&mut state);
                }
                return Err(power());
            }
            *budget -= 1;
        }
        how(&mut state)
    }
}

fn power() -> io::Error {
    io::Error::other("the power has failed")
}

fn missing(path: &Path) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!("{} is not there", path.display()),
    )
}

fn apply(names: &mut HashMap<PathBuf, usize>, op: &NameOp) {
    match op {
        NameOp::Set(path, inode) => drop(names.insert(path.clone(), *inode)),
        NameOp::Remove(path) => drop(names.remove(path)),
        NameOp::Rename(from, to) => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
    }
}

impl State {
    /// xorshift64*: enough to choose what is lost.
    fn roll(&mut self, below: u64) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % below.max(1)
    }

    fn name(&mut self, op: NameOp) {
        apply(&mut self.names, &op);
        self.pending.push(op);
    }

    fn inode(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| missing(path))
    }
}

impl Disk for SimulatedDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.0.lock();
        if state.crashed {
            return Err(power());
        }
        Ok(state.inodes[state.inode(path)?].now.clone())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.0.lock();
        if state.crashed {
            return Err(power());
        }
        let of = |path: &PathBuf| {
            let name = path.strip_prefix(dir).ok()?.iter().next()?;
            Some(name.to_string_lossy().into_owned())
        };
        let names: BTreeSet<String> = state.names.keys().filter_map(of).collect();
        Ok(names.into_iter().collect())
    }

    fn make_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.change(|state| {
            state.inodes.push(Inode {
                now: bytes.to_vec(),
                durable: Vec::new(),
            });
            let inode = state.inodes.len() - 1;
            state.name(NameOp::Set(path.to_owned(), inode));
            Ok(())
        })
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.change(|state| {
            let inode = state.inode(path)?;
            state.inodes[inode].durable = state.inodes[inode].now.clone();
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.change(|state| {
            let inside = |path: &PathBuf| path.parent() == Some(dir);
            let pending = std::mem::take(&mut state.pending);
            let (now, later): (Vec<_>, Vec<_>) = pending.into_iter().partition(|op| match op {
                NameOp::Set(path, _) | NameOp::Remove(path) => inside(path),
                NameOp::Rename(from, to) => inside(from) || inside(to),
            });
            now.iter().for_each(|op| apply(&mut state.durable_names, op));
            state.pending = later;
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|state| {
            state.inode(from)?;
            state.name(NameOp::Rename(from.to_owned(), to.to_owned()));
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(|state| {
            state.inode(path)?;
            state.name(NameOp::Remove(path.to_owned()));
            Ok(())
        })
    }

    fn remove_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        self.change(|state| {
            let inode = state.inode(path)?;
            state.inodes[inode].now.truncate(length as usize);
            state.inodes[inode].durable = state.inodes[inode].now.clone();
            Ok(())
        })
    }

    fn open_log(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let inode = self.0.lock().inode(path)?;
        Ok(Box::new(SimulatedLog {
            disk: self.clone(),
            inode,
        }))
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn Send + Sync>> {
        Ok(Box::new(()))
    }
}

struct SimulatedLog {
    disk: SimulatedDisk,
    inode: usize,
}

impl LogFile for SimulatedLog {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let inode = self.inode;
        self.disk.change(|state| {
            let now = &mut state.inodes[inode].now;
            let end = offset as usize + bytes.len();
            if now.len() < end {
                now.resize(end, 0);
            }
            now[offset as usize..end].copy_from_slice(bytes);
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        let inode = self.inode;
        self.disk.change(|state| {
            state.inodes[inode].durable = state.inodes[inode].now.clone();
            Ok(())
        })
    }
}
