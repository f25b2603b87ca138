use super::*;
use crate::{disk::RealDisk, sim::SimulatedDisk};

#[path = "follow_tests.rs"]
mod following;

/// A signer for tests: the "signature" is two digests, checked by making it again.
struct Stamp(u8);

impl Sign for Stamp {
    fn public_key(&self) -> [u8; 32] {
        [self.0; 32]
    }
    fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&merkle::leaf(&[&[self.0], message].concat()));
        signature
    }
}

fn small() -> Settings {
    Settings {
        segment: 4096,
        integrate_every: Duration::from_millis(5),
        threads: false,
    }
}

fn open(disk: &Arc<dyn Disk>, dir: &Path, settings: Settings) -> Result<(Journal, Found), OpenError> {
    Journal::open(
        disk.clone(),
        dir,
        "test.example/trades/0",
        Arc::new(Stamp(7)),
        settings,
    )
}

fn line(index: u64) -> Vec<u8> {
    format!(
        "{{\"entry\":{index},\"pad\":\"{}\"}}",
        "x".repeat((index * 37 % 211) as usize)
    )
    .into_bytes()
}

fn put(journal: &Journal, count: u64) -> u64 {
    let pending = journal.append(|first| (first..first + count).map(line).collect());
    pending.first + pending.count
}

/// The disk on which a journal of so many entries was closed.
fn left(dir: &Path, count: u64) -> Arc<dyn Disk> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let (journal, _) = open(&disk, dir, small()).expect("opens");
    put(&journal, count);
    journal.close();
    disk
}

#[tokio::test]
async fn entries_are_durable_then_integrated_then_proven() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let (journal, found) = open(
        &disk,
        dir.path(),
        Settings {
            threads: true,
            ..small()
        },
    )
    .expect("opens");
    assert_eq!(found, Found { entries: 0, torn: 0 });
    for _ in 0..7 {
        let pending = journal.append(|first| (first..first + 100).map(line).collect());
        let first = pending.await.expect("durable");
        assert!(journal.durable() >= first + 100);
    }
    assert!(open(&disk, dir.path(), small()).is_err(), "one writer");
    journal.close();
    let reader = journal.reader();
    assert_eq!(reader.checkpoint().size, 700);
    for (index, entry) in reader.scan(0).map(|e| e.expect("readable")) {
        assert_eq!(entry, line(index));
    }
    for (index, size) in [(0, 700), (299, 300), (511, 700), (699, 700), (3, 5)] {
        let (proof, root) = (
            reader.inclusion(index, size).expect("proof"),
            reader.root(size).expect("root"),
        );
        assert_eq!(
            merkle::root_by_inclusion(merkle::leaf(&line(index)), index, size, &proof),
            Some(root)
        );
    }
    assert!(
        reader
            .receipt(5)
            .expect("receipt")
            .starts_with("c2sp.org/tlog-proof@v1\nextra ")
    );
    assert!(matches!(reader.receipt(700), Err(ReadError::NoEntry(700))));
    drop((journal, reader));
    let (again, found) = open(&disk, dir.path(), small()).expect("opens again");
    assert_eq!(
        (found.entries, again.reader().entry(650).expect("readable")),
        (700, line(650))
    );
}

#[test]
fn ten_thousand_crashes_lose_nothing_that_was_acknowledged() {
    let seeds = std::env::var("GUANDAO_CRASH_SEEDS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(10_000);
    let from = std::env::var("GUANDAO_CRASH_FROM")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(0);
    for seed in from..from + seeds {
        crash_and_come_back(seed);
    }
}

fn crash_and_come_back(seed: u64) {
    let sim = SimulatedDisk::new(seed);
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let dir = Path::new("/journal");
    let (mut acknowledged, mut written) = (0, 0);
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut roll = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    for life in 0..4 {
        sim.crash_after(roll(60));
        if let Ok((journal, found)) = open(&disk, dir, small()) {
            assert!(
                found.entries >= acknowledged && found.entries <= written,
                "seed {seed} life {life}: {} of {acknowledged}..{written}",
                found.entries
            );
            check(&journal, seed, found.entries);
            written = found.entries;
            while written < 2000 {
                written = put(&journal, 1 + roll(60));
                let committed = journal.pump();
                acknowledged = acknowledged.max(journal.durable());
                if committed.is_err() {
                    break;
                }
            }
        }
        sim.restart();
    }
    let (journal, found) = open(&disk, dir, small()).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
    assert!(
        found.entries >= acknowledged && found.entries <= written,
        "seed {seed}: {} of {acknowledged}..{written}",
        found.entries
    );
    check(&journal, seed, found.entries);
}

fn check(journal: &Journal, seed: u64, entries: u64) {
    let mut next = 0;
    for item in journal.reader().scan(0) {
        let (index, entry) = item.unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert_eq!((index, &entry), (next, &line(next)), "seed {seed}");
        next += 1;
    }
    assert_eq!(next, entries, "seed {seed}");
}

#[test]
fn damage_inside_the_log_refuses_to_start_and_a_torn_tail_does_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    {
        let (journal, _) = open(
            &disk,
            dir.path(),
            Settings {
                segment: 1 << 16,
                ..small()
            },
        )
        .expect("opens");
        for _ in 0..3 {
            put(&journal, 5);
            journal.commit_waiting().expect("written");
        }
    }
    let wal = dir.path().join("wal/00000000000000000000.wal");
    let whole = std::fs::read(&wal).expect("readable");
    let end = whole.iter().rposition(|b| *b != 0).expect("not empty") + 1;
    let mut torn = whole.clone();
    torn[end - 3..].fill(0);
    std::fs::write(&wal, &torn).expect("writable");
    let (journal, found) = open(&disk, dir.path(), small()).expect("opens");
    assert!(found.torn > 0 && found.entries == 10, "{found:?}");
    drop(journal);
    let mut damaged = whole;
    damaged[60] ^= 1;
    std::fs::write(&wal, damaged).expect("writable");
    assert!(matches!(
        open(&disk, dir.path(), small()),
        Err(OpenError::Wal(WalError::Damaged { .. }))
    ));
}

#[test]
fn a_lost_checkpoint_refuses_to_start_and_nothing_is_begun_over_the_old_journal() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = left(dir.path(), 300);
    let bundle = || std::fs::read(dir.path().join("tile/entries/000")).expect("there");
    let before = bundle();
    std::fs::remove_file(dir.path().join("checkpoint")).expect("removed");
    let refused = open(&disk, dir.path(), small()).err().expect("refused");
    assert!(matches!(refused, OpenError::CheckpointLost(_)), "{refused}");
    assert!(!dir.path().join("checkpoint").exists() && bundle() == before);
}

#[test]
fn a_bundle_that_its_hashes_do_not_vouch_for_is_never_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = left(dir.path(), 300);
    let path = dir.path().join("tile/entries/000");
    let whole = std::fs::read(&path).expect("there");
    std::fs::write(&path, altered(&whole)).expect("writable");
    let reader = Reader::open(disk.clone(), dir.path()).expect("the edge is sound");
    for read in [
        reader.entry(255).err(),
        reader.scan(0).find_map(Result::err),
        reader.scan(200).find_map(Result::err),
    ] {
        assert!(matches!(read, Some(ReadError::Damaged(at)) if at == path));
    }
    assert_eq!(reader.entry(256).expect("sound"), line(256));
    std::fs::write(&path, whole).expect("writable");
    assert_eq!(reader.scan(0).filter(Result::is_ok).count(), 300);
    // The edge is read at once, since integration goes on from it.
    let edge = dir.path().join("tile/entries/001.p/44");
    let whole = std::fs::read(&edge).expect("there");
    for damaged in [
        altered(&whole),
        whole[..whole.len() - 2 - line(299).len()].to_vec(),
    ] {
        std::fs::write(&edge, damaged).expect("writable");
        let refused = open(&disk, dir.path(), small())
            .err()
            .expect("refused")
            .to_string();
        assert!(refused.contains("tile/entries/001.p/44"), "{refused}");
    }
    std::fs::write(&edge, whole).expect("writable");
    open(&disk, dir.path(), small()).expect("opens");
}

/// A bundle with one digit of its first entry changed.
fn altered(bundle: &[u8]) -> Vec<u8> {
    let mut altered = bundle.to_vec();
    let digit = altered.iter_mut().find(|octet| octet.is_ascii_digit());
    *digit.expect("a digit") ^= 1;
    altered
}

#[test]
fn an_append_is_found_whole_or_not_at_all_however_large_its_group() {
    let dir = Path::new("/journal");
    let group = |disk: &SimulatedDisk| {
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let Ok((journal, _)) = open(&shared, dir, small()) else {
            return;
        };
        for n in 0..7u8 {
            drop(journal.append(|_| vec![vec![n; 60_000]; 3]));
        }
        let _ = journal.commit_waiting();
    };
    let undisturbed = SimulatedDisk::new(0);
    group(&undisturbed);
    let mut found_in_part = false;
    for operation in 0..=undisturbed.operations() {
        for seed in 0..4 {
            let sim = SimulatedDisk::new(seed * 1000 + operation);
            sim.crash_after(operation);
            group(&sim);
            sim.restart();
            let disk: Arc<dyn Disk> = Arc::new(sim.clone());
            let (_, found) = open(&disk, dir, small()).expect("opens");
            assert_eq!(found.entries % 3, 0, "operation {operation}, seed {seed}");
            found_in_part |= (1..21).contains(&found.entries);
        }
    }
    assert!(found_in_part, "the group was written in more than one frame");
}

#[test]
fn an_entry_that_no_bundle_can_hold_is_refused_and_the_journal_goes_on() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1));
    let (journal, _) = open(&disk, Path::new("/a"), small()).expect("opens");
    put(&journal, 2);
    let long = journal.append(|_| vec![line(2), vec![b'x'; MOST_ENTRY + 1]]);
    assert_eq!(
        (long.count, long.refused),
        (0, Some(Refused::TooLong(MOST_ENTRY + 1)))
    );
    assert_eq!(journal.size(), 2, "nothing of it was queued");
    let most = journal.append(|_| vec![vec![b'x'; MOST_ENTRY]]);
    assert_eq!((most.first, most.count, most.refused), (2, 1, None));
    journal.pump().expect("written");
    assert_eq!(journal.reader().entry(2).expect("readable").len(), MOST_ENTRY);
    assert!(tiles::put_entry(&mut Vec::new(), &vec![0; MOST_ENTRY + 1]).is_err());
}

#[test]
fn a_reader_of_an_earlier_tree_reads_on_when_its_partial_files_are_gone() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let (journal, _) = open(&disk, dir.path(), small()).expect("opens");
    put(&journal, 300);
    journal.pump().expect("written");
    let earlier = Reader::open(disk.clone(), dir.path()).expect("opens");
    let root = earlier.root(300).expect("a root");
    put(&journal, 300);
    for _ in 0..70 {
        journal.pump().expect("written");
        put(&journal, 1);
    }
    let gone = dir.path().join("tile/entries/001.p");
    assert!(!gone.exists() && !dir.path().join("tile/0/001.p").exists());
    let read: Vec<_> = earlier.scan(0).map(|e| e.expect("readable")).collect();
    assert_eq!(read.len(), 300, "its own tree and no more");
    assert!(read.iter().all(|(index, entry)| *entry == line(*index)));
    assert_eq!(earlier.entry(299).expect("readable"), line(299));
    assert_eq!(earlier.root(300).expect("a root"), root);
}

#[test]
fn folders_of_partials_go_with_them_those_of_an_earlier_run_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let entries: Vec<Arc<[u8]>> = vec![line(0).into(); 128];
    let folders = |below: &str| {
        let all = std::fs::read_dir(dir.path().join(below)).expect("there");
        let names = all.map(|e| e.expect("readable").file_name().to_string_lossy().into_owned());
        names.filter(|name| name.ends_with(".p")).count()
    };
    let mut tree = crate::tree::Tree::open(disk.clone(), dir.path(), 0, &merkle::empty()).expect("opens");
    let grow = |tree: &mut crate::tree::Tree, times: u64| {
        (0..times)
            .map(|_| {
                tree.integrate(&entries, "test.example/trades/0", &Stamp(7))
                    .expect("integrated")
                    .0
            })
            .last()
    };
    let checkpoint = grow(&mut tree, 2 * 200 + 1).expect("one");
    assert_eq!(checkpoint.size / tiles::WIDTH, 200);
    for below in ["tile/entries", "tile/0"] {
        assert!(folders(below) <= 34, "{} in {below}", folders(below));
    }
    assert!(tree.folders_known() < 100, "{}", tree.folders_known());
    let mut tree =
        crate::tree::Tree::open(disk.clone(), dir.path(), checkpoint.size, &checkpoint.root).expect("opens");
    grow(&mut tree, 66);
    assert!(!dir.path().join("tile/entries/199.p").exists() && !dir.path().join("tile/0/199.p").exists());
    assert!(dir.path().join("tile/entries/199").exists());
}

#[test]
//= C28
fn a_partial_stays_until_its_full_file_was_written_however_many_checkpoints_later() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let mut tree = crate::tree::Tree::open(disk.clone(), dir.path(), 0, &merkle::empty()).expect("opens");
    let mut grow = |entries: u64| {
        let bytes: Vec<Arc<[u8]>> = (0..entries).map(|n| line(n).into()).collect();
        tree.integrate(&bytes, "test.example/trades/0", &Stamp(7))
            .expect("integrated");
    };
    let there = |path: &str| dir.path().join(path).exists();
    (0..200).for_each(|_| grow(1));
    for width in [1, 100, 200] {
        assert!(
            there(&tiles::tile(0, 0, width)) && there(&tiles::bundle(0, width)),
            "a reader at {width} entries finds its files"
        );
    }
    grow(56);
    assert!(
        there("tile/0/000") && there("tile/0/000.p/1"),
        "readers get time to move on"
    );
    (0..70).for_each(|_| grow(1));
    assert!(there("tile/0/000") && there("tile/entries/000"));
    assert!(
        !there("tile/0/000.p/1") && !there("tile/entries/000.p/200"),
        "the full file takes their place"
    );
    assert!(there("tile/0/001.p/1") && there("tile/entries/001.p/70") && there("tile/1/000.p/1"));
}

/// All that was taken is there, whoever closes, and however many at once.
#[test]
fn two_may_close_at_once_while_others_append() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().expect("a directory");
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let settings = Settings {
            threads: true,
            integrate_every: Duration::from_millis(1),
            ..small()
        };
        let (journal, _) = open(&disk, dir.path(), settings).expect("opens");
        let taken = AtomicU64::new(0);
        std::thread::scope(|all| {
            for _ in 0..2 {
                all.spawn(|| {
                    while !journal.0.queue.lock().closed {
                        let pending = journal.append(|first| vec![line(first)]);
                        taken.fetch_add(pending.count, Ordering::SeqCst);
                    }
                });
            }
            while taken.load(Ordering::SeqCst) < 50 {
                std::thread::yield_now();
            }
            for _ in 0..2 {
                all.spawn(|| {
                    journal.close();
                    assert_eq!(journal.reader().checkpoint().size, journal.size());
                });
            }
        });
        let all = taken.into_inner();
        drop(journal);
        let (again, found) = open(&disk, dir.path(), small()).expect("opens again");
        assert_eq!((found.entries, found.torn), (all, 0));
        let mut read = again.reader().scan(0).map(|entry| entry.expect("readable"));
        assert!((0..all).all(|index| read.next() == Some((index, line(index)))));
        again.close();
    }
}
