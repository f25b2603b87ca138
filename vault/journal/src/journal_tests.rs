use super::*;
use crate::{
    disk::RealDisk,
    follow::{Fetch, FollowError, Follower},
    sim::SimulatedDisk,
};

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

struct Direct(Reader);

impl Fetch for Direct {
    async fn get(&self, path: &str) -> Result<Vec<u8>, String> {
        self.0
            .resource(&format!("/{path}"), true)
            .ok_or("no such path")?
            .map_err(|e| e.to_string())
    }
}

fn verify(key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    Stamp(key[0]).sign(message) == signature
}

#[tokio::test]
async fn a_follower_sees_every_entry_and_no_other_history() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1));
    let (journal, _) = open(&disk, Path::new("/a"), small()).expect("opens");
    let mut follower = Follower::new(journal.key(), None);
    let mut seen = Vec::new();
    for round in 0..30u64 {
        put(&journal, 1 + round * 7 % 90);
        journal.pump().expect("written");
        seen.extend(
            follower
                .poll(&Direct(journal.reader()), verify)
                .await
                .expect("followed"),
        );
        if round % 5 == 0 {
            follower = Follower::new(journal.key(), Some(follower.cursor()));
        }
    }
    assert_eq!(seen.len() as u64, journal.durable());
    assert!(
        seen.iter()
            .enumerate()
            .all(|(i, (index, entry))| i as u64 == *index && *entry == line(*index))
    );
    // Another history of the same name and key.
    let (other, _) = open(&disk, Path::new("/b"), small()).expect("opens");
    let pending = other.append(|_| vec![b"x".to_vec(); journal.durable() as usize + 5]);
    other.pump().expect("written");
    drop(pending);
    assert!(matches!(
        follower.poll(&Direct(other.reader()), verify).await,
        Err(FollowError::Forked { .. })
    ));
    let mut resumed = Follower::new(journal.key(), Some(follower.cursor()));
    assert!(matches!(
        resumed.poll(&Direct(other.reader()), verify).await,
        Err(FollowError::Forked { .. })
    ));
    let mut stranger = Follower::new(
        VerifierKey {
            public_key: [8; 32],
            ..journal.key()
        },
        None,
    );
    assert!(matches!(
        stranger.poll(&Direct(journal.reader()), verify).await,
        Err(FollowError::Signature(_))
    ));
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
