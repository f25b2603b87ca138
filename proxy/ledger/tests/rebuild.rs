//! An index that was lost is built again from the journal: a stop on the way leaves it as far as it is, never as one that
//! knows all.

#[path = "stand/orders.rs"]
mod orders;
mod stand;

use domain::*;
use journal::{
    Settings,
    disk::{Disk, LogFile},
    sim::SimulatedDisk,
};
use ledger::{Found, Ledger, LookupError, Opening, payment_id};
use orders::{intent, merchant, order_no, poll_once};
use stand::Still;
use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
    pin::pin,
    sync::{Arc, Condvar, Mutex},
    task::Poll,
    time::{Duration, Instant},
};

/// Longer than any machine needs.
const PATIENCE: Duration = Duration::from_secs(60);
const ORDERS: u64 = 300;

/// A disk on which bundles are read only while the gate is open.
#[derive(Clone)]
struct Gated(SimulatedDisk, Arc<(Mutex<bool>, Condvar)>);

impl Gated {
    fn open(&self, open: bool) {
        *self.1.0.lock().expect("unpoisoned") = open;
        self.1.1.notify_all();
    }
}

impl Disk for Gated {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if path.starts_with("/j/tile/entries") {
            let closed = self.1.0.lock().expect("unpoisoned");
            drop(self.1.1.wait_while(closed, |open| !*open).expect("unpoisoned"));
        }
        self.0.read(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.make_dir(dir)
    }
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.0.write(path, bytes)
    }
    fn sync(&self, path: &Path) -> io::Result<()> {
        self.0.sync(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.sync_dir(dir)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }
    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.remove_dir(dir)
    }
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        self.0.truncate(path, length)
    }
    fn open_log(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        self.0.open_log(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.0.lock(path)
    }
}

/// A start. Where `hold`, older orders are not indexed before the gate opens again.
fn opening(disk: &Gated, dir: &Path, hold: bool) -> Opening {
    let journal = stand::journal(Arc::new(disk.clone()), Settings::default().segment);
    // The journal itself reads its edge.
    let journal = journal.expect("opens");
    disk.open(!hold);
    Ledger::open(journal, dir, Arc::new(Still)).expect("opens")
}

/// Orders that nothing can change any more: no snapshot holds them.
fn write_closed(ledger: &Ledger) {
    for n in 0..ORDERS {
        let (m, id) = (merchant(n % 2), payment_id(&merchant(n % 2), &order_no(n)));
        let never_sent = TradeEvent::AttemptNotPlaced {
            attempt: 1,
            code: None,
            declined: None,
            reason: NotPlaced::NeverSent,
        };
        for event in [intent(n, 1), never_sent] {
            let mut commit = pin!(ledger.commit(&m, &id, vec![event.into()]));
            assert!(poll_once(commit.as_mut()).is_pending());
            ledger.journal().pump().expect("written");
            assert!(matches!(poll_once(commit.as_mut()), Poll::Ready(Ok(_))));
        }
    }
    assert!(ledger.live().is_empty());
}

/// Until nobody holds the index any more: the thread of a ledger that was stopped ends by itself.
fn until_let_go(index: &Path) {
    let since = Instant::now();
    loop {
        let file = File::options()
            .write(true)
            .open(index.join("db"))
            .expect("sled's file");
        match file.try_lock() {
            Ok(()) => return,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => panic!("{error}"),
        }
        assert!(since.elapsed() < PATIENCE, "somebody holds the index");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn glance(ledger: &Ledger, n: u64) -> Result<bool, LookupError> {
    let id = payment_id(&merchant(n % 2), &order_no(n));
    ledger.glance(&id).map(|order| order.is_some())
}

#[test]
//= C28
fn a_stop_while_the_index_is_built_again_hides_no_order() {
    let dir = tempfile::tempdir().expect("a folder");
    let index = dir.path().join("index");
    let disk = Gated(SimulatedDisk::new(1), Arc::default());
    disk.open(true);
    {
        let ledger = opening(&disk, dir.path(), false).ledger;
        write_closed(&ledger);
        ledger.take_snapshot(dir.path()).expect("written");
        ledger.stop();
    }
    until_let_go(&index);
    std::fs::remove_dir_all(&index).expect("the index is lost");
    {
        let opened = opening(&disk, dir.path(), true);
        assert_eq!((&opened.found, opened.replayed), (&Found::New, 0));
        opened.ledger.stop();
        disk.open(true);
    }
    until_let_go(&index);
    let opened = opening(&disk, dir.path(), true);
    assert_eq!(opened.found, Found::Sound);
    for n in [0, ORDERS - 1] {
        assert!(
            matches!(glance(&opened.ledger, n), Err(LookupError::Rebuilding)),
            "an order that is not indexed yet may be there"
        );
    }
    disk.open(true);
    let since = Instant::now();
    while !opened.ledger.is_indexed() {
        assert!(since.elapsed() < PATIENCE, "the index is never whole");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!((0..ORDERS).all(|n| matches!(glance(&opened.ledger, n), Ok(true))));
    opened.ledger.stop();
}
