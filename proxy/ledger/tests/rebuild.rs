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
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

/// Longer than any machine needs.
const PATIENCE: Duration = Duration::from_secs(60);
const ORDERS: u64 = 300;

/// A disk on which housekeeping reads bundles only while the gate is open, and so many of them in vain.
#[derive(Clone)]
struct Gated {
    disk: SimulatedDisk,
    gate: Arc<(Mutex<bool>, Condvar)>,
    failing: Arc<AtomicU64>,
}

impl Gated {
    fn new() -> Gated {
        Gated {
            disk: SimulatedDisk::new(1),
            gate: Arc::new((Mutex::new(true), Condvar::new())),
            failing: Arc::default(),
        }
    }

    fn open(&self, open: bool) {
        *self.gate.0.lock().expect("unpoisoned") = open;
        self.gate.1.notify_all();
    }
}

impl Disk for Gated {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if path.starts_with("/j/tile/entries") && std::thread::current().name() == Some("ledger") {
            let closed = self.gate.0.lock().expect("unpoisoned");
            drop(self.gate.1.wait_while(closed, |open| !*open).expect("unpoisoned"));
            let fails = |left: u64| left.checked_sub(1);
            if self
                .failing
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails)
                .is_ok()
            {
                return Err(io::Error::other("this time only"));
            }
        }
        self.disk.read(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.make_dir(dir)
    }
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.disk.write(path, bytes)
    }
    fn sync(&self, path: &Path) -> io::Result<()> {
        self.disk.sync(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.remove_dir(dir)
    }
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        self.disk.truncate(path, length)
    }
    fn open_log(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        self.disk.open_log(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.disk.lock(path)
    }
}

/// A start. Where `hold`, older orders are not indexed before the gate opens again.
fn opening(disk: &Gated, dir: &Path, hold: bool) -> Opening {
    let journal = stand::journal(Arc::new(disk.clone()), Settings::default().segment);
    disk.open(!hold);
    Ledger::open(journal.expect("opens"), dir, Arc::new(Still)).expect("opens")
}

fn id(n: u64) -> PaymentId {
    payment_id(&merchant(n % 2), &order_no(n))
}

fn put(ledger: &Ledger, n: u64, event: TradeEvent) {
    let (merchant, id) = (merchant(n % 2), id(n));
    let mut commit = pin!(ledger.commit(&merchant, &id, vec![event.into()]));
    assert!(poll_once(commit.as_mut()).is_pending());
    ledger.journal().pump().expect("written");
    assert!(matches!(poll_once(commit.as_mut()), Poll::Ready(Ok(_))));
}

fn never_sent() -> TradeEvent {
    TradeEvent::AttemptNotPlaced {
        attempt: 1,
        code: None,
        declined: None,
        reason: NotPlaced::NeverSent,
    }
}

/// Orders that nothing can change any more: no snapshot holds them.
fn write_closed(ledger: &Ledger) {
    for n in 0..ORDERS {
        put(ledger, n, intent(n, 1));
        put(ledger, n, never_sent());
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
    ledger.glance(&id(n)).map(|order| order.is_some())
}

/// A journal whose orders are all closed, beside a snapshot and without the index that there was.
fn without_its_index(dir: &Path) -> Gated {
    let (disk, index) = (Gated::new(), dir.join("index"));
    {
        let ledger = opening(&disk, dir, false).ledger;
        write_closed(&ledger);
        ledger.take_snapshot(dir).expect("written");
        ledger.stop();
    }
    until_let_go(&index);
    std::fs::remove_dir_all(&index).expect("the index is lost");
    disk
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn until_whole(ledger: &Ledger) {
    until("the index is whole", || ledger.is_indexed());
    assert!((0..ORDERS).all(|n| matches!(glance(ledger, n), Ok(true))));
}

#[test]
//= C28
fn a_read_that_fails_once_does_not_end_the_building_of_the_index() {
    let dir = tempfile::tempdir().expect("a folder");
    let disk = without_its_index(dir.path());
    let opened = opening(&disk, dir.path(), true);
    disk.failing.store(1, Ordering::SeqCst);
    disk.open(true);
    until_whole(&opened.ledger);
    assert_eq!(disk.failing.load(Ordering::SeqCst), 0, "it did fail");
    opened.ledger.stop();
}

#[test]
//= C28
fn a_stop_while_the_index_is_built_again_hides_no_order() {
    let dir = tempfile::tempdir().expect("a folder");
    let index = dir.path().join("index");
    let disk = without_its_index(dir.path());
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
    until_whole(&opened.ledger);
    opened.ledger.stop();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let (name, path) = entry.map(|e| (e.file_name(), e.path())).expect("listed");
        match path.is_dir() {
            true => copy(&path, &to.join(name)),
            false => drop(std::fs::copy(&path, to.join(name)).expect("copied")),
        }
    }
}

/// A power cut takes a second of the index and nothing of a snapshot; a copy of a folder that is in use takes more.
#[test]
//= C28
fn an_order_is_never_served_in_the_state_that_an_older_index_has_of_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let (disk, index, old) = (Gated::new(), dir.path().join("index"), dir.path().join("old"));
    {
        let ledger = opening(&disk, dir.path(), false).ledger;
        (0..ORDERS).for_each(|n| put(&ledger, n, intent(n, 1)));
        until("the intents are indexed", || ledger.index().applied() == ORDERS);
        ledger.stop();
    }
    until_let_go(&index);
    copy(&index, &old);
    {
        let ledger = opening(&disk, dir.path(), false).ledger;
        (0..ORDERS).for_each(|n| put(&ledger, n, never_sent()));
        ledger.take_snapshot(dir.path()).expect("written");
        ledger.stop();
    }
    until_let_go(&index);
    std::fs::remove_dir_all(&index).expect("removed");
    std::fs::rename(&old, &index).expect("moved");
    let opened = opening(&disk, dir.path(), true);
    assert_eq!((&opened.found, opened.replayed), (&Found::Sound, 0));
    for n in [0, ORDERS - 1] {
        let found = opened.ledger.glance(&id(n));
        assert!(matches!(found, Err(LookupError::Rebuilding)), "{found:?}");
        let number = ChannelNo::new(format!("n{n}x1")).expect("lawful");
        let account = AccountNo::new("1900000109").expect("lawful");
        let merchant = merchant(n % 2);
        let mut by_number = pin!(opened.ledger.order_by_number(
            &merchant,
            Channel::Wechat,
            &account,
            &number
        ));
        let found = poll_once(by_number.as_mut());
        assert!(
            matches!(found, Poll::Ready(Err(LookupError::Rebuilding))),
            "{found:?}"
        );
    }
    disk.open(true);
    until_whole(&opened.ledger);
    for n in 0..ORDERS {
        let order = opened.ledger.glance(&id(n)).expect("looked up").expect("there");
        assert_eq!(order.latest().state, AttemptState::NotPlaced);
    }
    opened.ledger.stop();
}

#[test]
//= C28
fn a_snapshot_of_another_journal_is_passed_over() {
    let of = |dir: &Path, orders: u64| {
        let disk = Gated::new();
        let ledger = opening(&disk, dir, false).ledger;
        (0..orders).for_each(|n| put(&ledger, n, intent(n, 1)));
        ledger.take_snapshot(dir).expect("written");
        ledger.stop();
        drop(ledger);
        until_let_go(&dir.join("index"));
        disk
    };
    let (short, long) = (tempfile::tempdir(), tempfile::tempdir());
    let (short, long) = (short.expect("a folder"), long.expect("a folder"));
    let (a, b) = (of(short.path(), 10), of(long.path(), 20));
    let replayed = |disk: &Gated, dir: &Path| {
        let opened = opening(disk, dir, false);
        opened.ledger.stop();
        assert_eq!(opened.ledger.live().len() as u64, opened.ledger.journal().size());
        let replayed = opened.replayed;
        drop(opened);
        until_let_go(&dir.join("index"));
        replayed
    };
    assert_eq!((replayed(&a, short.path()), replayed(&b, long.path())), (0, 0));
    let (mine, other) = (long.path().join("snapshot"), short.path().join("snapshot"));
    std::fs::copy(&other, &mine).expect("copied");
    assert_eq!(replayed(&b, long.path()), 20);
    // Ahead of the journal, too.
    let dir = tempfile::tempdir().expect("a folder");
    let (disk, newer) = (of(dir.path(), 5), dir.path().join("snapshot"));
    std::fs::copy(&other, &newer).expect("copied");
    assert_eq!(replayed(&disk, dir.path()), 5);
}
