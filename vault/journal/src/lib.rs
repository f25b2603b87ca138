//! The tamper-evident journal: durable before anybody acts on it, signed within a second, readable by strangers.
//!
//! Appending hands entries to one committing thread, which writes whole groups to a preallocated log and calls
//! `fdatasync` once for each group. Another thread integrates durable entries into C2SP tlog-tiles with a signed
//! checkpoint, after which the log forgets them. A failed write or sync ends the process: what it would mean is
//! unknown, and unknown is not durable.

pub mod disk;
pub mod follow;
pub mod merkle;
pub mod note;
mod reader;
pub mod sim;
pub mod thread;
pub mod tiles;
mod tree;
mod wal;

pub use note::{Checkpoint, VerifierKey};
pub use reader::{ReadError, Reader};
pub use wal::{MOST_ENTRY, WalError};

use disk::Disk;
use domain::Sign;
use parking_lot::{Condvar, Mutex, RwLock};
use reader::{Recent, Shared};
use std::{
    collections::VecDeque,
    future::Future,
    io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::sync::oneshot;
use tree::Tree;
use wal::Wal;

/// A flush that begins so soon after the one before is one of many.
const CLOSE: Duration = Duration::from_micros(100);
/// Then entries gather, since the end of the one before, for so long times the number of such flushes in a row,
const GATHER: Duration = Duration::from_micros(125);
/// and no longer than this.
const GATHER_AT_MOST: Duration = Duration::from_millis(1);

/// Settings of a journal.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Octets of a log segment.
    pub segment: u64,
    /// Time between integrations.
    pub integrate_every: Duration,
    /// False to have no threads: [`Journal::pump`] does their work. For simulations.
    pub threads: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            segment: 8 << 20,
            integrate_every: Duration::from_millis(500),
            threads: true,
        }
    }
}

/// Why a journal does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk failed, or another process writes this journal.
    #[error("{0}: {1}")]
    Disk(PathBuf, io::Error),
    /// The log is damaged.
    #[error(transparent)]
    Wal(#[from] WalError),
    /// The checkpoint is not ours.
    #[error("{0} is no checkpoint of {1} signed with its key")]
    Checkpoint(PathBuf, String),
    /// There are tiles, which no journal writes before its checkpoint.
    #[error(
        "{0} is missing, but there are tiles beside it. Restore it from a copy; a new one would begin another journal over this one"
    )]
    CheckpointLost(PathBuf),
}

/// Why an append was refused. The journal itself goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The journal has been closed.
    #[error("the journal is closed")]
    Closed,
    /// An entry has so many octets.
    #[error("an entry of the journal has at most {MOST_ENTRY} octets, not {0}")]
    TooLong(usize),
}

/// What opening found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Entries.
    pub entries: u64,
    /// Octets of a torn, never acknowledged group that were cut.
    pub torn: u64,
}

struct Queue {
    /// Index of the next entry to be given out.
    next: u64,
    waiting: Vec<Arc<[u8]>>,
    /// Who waits, and for which index to be durable: where each append ends.
    waiters: Vec<(u64, oneshot::Sender<()>)>,
    closed: bool,
}

struct Inner {
    shared: Arc<Shared>,
    queue: Mutex<Queue>,
    more: Condvar,
    durable: AtomicU64,
    writer: Mutex<Wal>,
    tree: Mutex<Tree>,
    origin: String,
    signer: Arc<dyn Sign>,
    settings: Settings,
    failed: AtomicBool,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
    _lock: Box<dyn Send + Sync>,
}

/// The writer of a journal. Cheap to clone; one per folder and machine.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

/// Entries on their way to the disk. Resolves to the first index once all are durable.
#[must_use]
pub struct Pending {
    /// Index of the first entry.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// Why nothing was appended.
    pub refused: Option<Refused>,
    durable: oneshot::Receiver<()>,
}

impl Future for Pending {
    type Output = Result<u64, Refused>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (first, refused) = (self.first, self.refused);
        Pin::new(&mut self.durable).poll(cx).map(|done| {
            done.map(|()| first)
                .map_err(|_| refused.unwrap_or(Refused::Closed))
        })
    }
}

impl Journal {
    /// Opens or begins the journal `origin` in `dir`.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        origin: &str,
        signer: Arc<dyn Sign>,
        settings: Settings,
    ) -> Result<(Journal, Found), OpenError> {
        let at = |path: &Path, e| OpenError::Disk(path.to_owned(), e);
        disk.make_dir(dir).map_err(|e| at(dir, e))?;
        let lock = disk
            .lock(&dir.join("lock"))
            .map_err(|e| at(&dir.join("lock"), e))?;
        let key = VerifierKey {
            name: origin.to_owned(),
            public_key: signer.public_key(),
        };
        let (checkpoint, note) = signed_tree(&*disk, dir, origin, &*signer, &key)?;
        let tree =
            Tree::open(disk.clone(), dir, checkpoint.size, &checkpoint.root).map_err(|e| at(dir, e))?;
        let (wal, found) = Wal::open(disk.clone(), &dir.join("wal"), settings.segment, checkpoint.size)?;
        let integrated = checkpoint.size;
        let entries: VecDeque<_> = found
            .entries
            .into_iter()
            .skip((integrated - found.first) as usize)
            .collect();
        let next = integrated + entries.len() as u64;
        let shared = Arc::new(Shared {
            disk,
            dir: dir.to_owned(),
            recent: RwLock::new(Recent {
                first: integrated,
                entries,
            }),
            signed: RwLock::new((checkpoint, note)),
            warm: Mutex::default(),
        });
        let journal = Journal(Arc::new(Inner {
            shared,
            queue: Mutex::new(Queue {
                next,
                waiting: Vec::new(),
                waiters: Vec::new(),
                closed: false,
            }),
            more: Condvar::new(),
            durable: AtomicU64::new(next),
            writer: Mutex::new(wal),
            tree: Mutex::new(tree),
            origin: origin.to_owned(),
            signer,
            settings,
            failed: AtomicBool::new(false),
            threads: Mutex::default(),
            _lock: lock,
        }));
        if settings.threads {
            journal.start_threads();
        }
        Ok((
            journal,
            Found {
                entries: next,
                torn: found.torn,
            },
        ))
    }

    /// Appends what `make(first index)` yields, in the order of calls: all of it or, after a crash and where it is
    /// refused, none. The entries are readable at once; whoever acts on them waits for the [`Pending`].
    pub fn append(&self, make: impl FnOnce(u64) -> Vec<Vec<u8>>) -> Pending {
        self.append_and(false, make)
    }

    /// The same, and nothing after it: whoever comes later is refused. [`Journal::close`] is still to be called.
    pub fn append_last(&self, make: impl FnOnce(u64) -> Vec<Vec<u8>>) -> Pending {
        self.append_and(true, make)
    }

    fn append_and(&self, last: bool, make: impl FnOnce(u64) -> Vec<Vec<u8>>) -> Pending {
        let (done, durable) = oneshot::channel();
        let mut queue = self.0.queue.lock();
        let first = queue.next;
        let refuse = |why, durable| Pending {
            first,
            count: 0,
            refused: Some(why),
            durable,
        };
        if queue.closed {
            return refuse(Refused::Closed, durable);
        }
        let entries: Vec<Arc<[u8]>> = make(first).into_iter().map(Into::into).collect();
        if let Some(long) = entries
            .iter()
            .map(|e| e.len())
            .find(|octets| *octets > MOST_ENTRY)
        {
            return refuse(Refused::TooLong(long), durable);
        }
        let count = entries.len() as u64;
        queue.closed = last;
        queue.next += count;
        self.0
            .shared
            .recent
            .write()
            .entries
            .extend(entries.iter().cloned());
        queue.waiting.extend(entries);
        let until = queue.next;
        if count > 0 {
            queue.waiters.push((until, done));
        } else {
            let _ = done.send(()); // nothing to wait for
        }
        drop(queue);
        self.0.more.notify_one();
        Pending {
            first,
            count,
            refused: None,
            durable,
        }
    }

    /// Entries given out so far, durable or not.
    pub fn size(&self) -> u64 {
        self.0.queue.lock().next
    }

    /// Entries that are durable.
    pub fn durable(&self) -> u64 {
        self.0.durable.load(Ordering::Acquire)
    }

    /// A reader of this journal.
    pub fn reader(&self) -> Reader {
        Reader(self.0.shared.clone())
    }

    /// Free octets on its disk, where known.
    pub fn free(&self) -> Option<u64> {
        self.0.shared.disk.free(&self.0.shared.dir)
    }

    /// The signer's key in text.
    pub fn key(&self) -> VerifierKey {
        VerifierKey {
            name: self.0.origin.clone(),
            public_key: self.0.signer.public_key(),
        }
    }

    /// Commits and integrates what is left, signs, and stops. Later appends are refused. Whoever closes at the same time comes
    /// back when it is done.
    pub fn close(&self) {
        self.0.queue.lock().closed = true;
        self.0.more.notify_all();
        let mut threads = self.0.threads.lock();
        for thread in threads.drain(..) {
            let _ = thread.join();
        }
        if !self.0.failed.load(Ordering::Acquire) {
            let done = self.pump().and_then(|()| {
                let integrated = self.0.tree.lock().size();
                self.0.writer.lock().finish(integrated)
            });
            self.must(done);
        }
    }

    /// Does once what the threads do for ever: commits what waits, then integrates what is durable.
    pub fn pump(&self) -> io::Result<()> {
        self.commit_waiting()?;
        self.integrate()
    }

    /// One group to the disk: nobody takes the next one before this one is there.
    fn commit_waiting(&self) -> io::Result<()> {
        let mut writer = self.0.writer.lock();
        let (first, entries, waiters) = {
            let mut queue = self.0.queue.lock();
            let entries = std::mem::take(&mut queue.waiting);
            (
                queue.next - entries.len() as u64,
                entries,
                std::mem::take(&mut queue.waiters),
            )
        };
        if !entries.is_empty() {
            let ends: Vec<u64> = waiters.iter().map(|(until, _)| *until).collect();
            writer.append(first, &entries, &ends)?;
            self.0
                .durable
                .store(first + entries.len() as u64, Ordering::Release);
        }
        drop(writer);
        for (_, waiter) in waiters {
            let _ = waiter.send(());
        }
        Ok(())
    }

    fn integrate(&self) -> io::Result<()> {
        let mut tree = self.0.tree.lock();
        let durable = self.durable(); // behind the lock: never below what the tree has
        let entries: Vec<Arc<[u8]>> = {
            let recent = self.0.shared.recent.read();
            recent
                .entries
                .iter()
                .take((durable - recent.first) as usize)
                .cloned()
                .collect()
        };
        if entries.is_empty() {
            return Ok(());
        }
        let (checkpoint, note) = tree.integrate(&entries, &self.0.origin, &*self.0.signer)?;
        let size = checkpoint.size;
        *self.0.shared.signed.write() = (checkpoint, note.into());
        {
            let mut recent = self.0.shared.recent.write();
            recent.entries.drain(..entries.len());
            recent.first = size;
        }
        let mut writer = self.0.writer.lock();
        writer.forget_below(size)?;
        let dir = writer.dir().to_owned();
        drop(writer);
        wal::prepare_spare(&*self.0.shared.disk, &dir, self.0.settings.segment)
    }

    fn start_threads(&self) {
        let (writer, integrator) = (self.clone(), self.clone());
        let writing = thread::start("journal", move || writer.write_for_ever());
        let integrating = thread::start("journal-tree", move || {
            let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 10); // nobody waits for it
            integrator.integrate_for_ever();
        });
        self.0.threads.lock().extend([writing, integrating]);
    }

    fn write_for_ever(&self) {
        let mut last: Option<Instant> = None;
        let mut in_a_row = 0;
        loop {
            {
                let mut queue = self.0.queue.lock();
                while queue.waiting.is_empty() && !queue.closed {
                    self.0.more.wait(&mut queue);
                }
                if queue.waiting.is_empty() && queue.closed {
                    return;
                }
            }
            // Under load each flush would carry one entry; a short pause lets a group gather. An entry alone never waits.
            match last.map(|end| end.elapsed()).filter(|since| *since < CLOSE) {
                Some(since) => {
                    in_a_row += 1;
                    std::thread::sleep(
                        GATHER
                            .saturating_mul(in_a_row)
                            .min(GATHER_AT_MOST)
                            .saturating_sub(since),
                    );
                }
                None => in_a_row = 0,
            }
            self.must(self.commit_waiting());
            last = Some(Instant::now());
        }
    }

    fn integrate_for_ever(&self) {
        while !self.0.queue.lock().closed {
            std::thread::sleep(self.0.settings.integrate_every);
            self.must(self.integrate());
        }
    }

    /// A failed write or sync leaves the disk in a state nobody knows: never retried, the process ends.
    fn must(&self, done: io::Result<()>) {
        if let Err(error) = done {
            self.0.failed.store(true, Ordering::Release);
            eprintln!(
                "the journal in {} cannot be written: {error}; stopping at once",
                self.0.shared.dir.display()
            );
            std::process::abort();
        }
    }
}

/// The signed tree on disk, or a signed empty one.
fn signed_tree(
    disk: &dyn Disk,
    dir: &Path,
    origin: &str,
    signer: &dyn Sign,
    key: &VerifierKey,
) -> Result<(Checkpoint, Arc<str>), OpenError> {
    let path = dir.join("checkpoint");
    let at = |e| OpenError::Disk(path.clone(), e);
    match disk.read(&path) {
        Ok(bytes) => {
            let foreign = || OpenError::Checkpoint(path.clone(), origin.to_owned());
            let note = String::from_utf8(bytes).map_err(|_| foreign())?;
            // Ed25519 is deterministic: signing again is how a signer without a verifier checks its own signature.
            let own = |text: &[u8], signature: &[u8]| signer.sign(text) == signature;
            let text = note::open(&note, key, own).ok_or_else(foreign)?;
            let checkpoint = Checkpoint::parse(text)
                .filter(|c| c.origin == origin)
                .ok_or_else(foreign)?;
            Ok((checkpoint, note.into()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if !disk.list(&dir.join("tile")).map_err(at)?.is_empty() {
                return Err(OpenError::CheckpointLost(path));
            }
            let checkpoint = Checkpoint {
                origin: origin.to_owned(),
                size: 0,
                root: merkle::empty(),
            };
            let note = note::sign(&checkpoint.to_text(), origin, signer);
            tree::write_whole(
                disk,
                &dir.join("key.vkey"),
                format!("{}\n", key.to_text()).as_bytes(),
            )
            .map_err(at)?;
            tree::write_whole(disk, &path, note.as_bytes()).map_err(at)?;
            Ok((checkpoint, note.into()))
        }
        Err(error) => Err(at(error)),
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
