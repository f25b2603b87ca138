//! Journal and ledger on a disk that forgets everything unsynced: after any crash every acknowledged event is there,
//! states are what their entries say, numbers have no gap, and what was never acknowledged is whole or absent, with
//! snapshots and without.

#[path = "stand/orders.rs"]
mod orders;
mod stand;

use domain::*;
use journal::{disk::Disk, sim::SimulatedDisk};
use ledger::{CommitError, Count, Happening, Ledger, Order, OrderState, payment_id};
use orders::{intent, merchant, order_no, poll_once};
use stand::Still;
use std::{collections::HashMap, path::Path, pin::pin, sync::Arc, task::Poll};

struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// What may come next for an order, chosen by dice among lawful and unlawful events.
fn next(order: Option<&Order>, n: u64, dice: &mut Dice) -> TradeEvent {
    let Some(order) = order else { return intent(n, 1) };
    let attempt = order.attempts.len() as u16;
    let facts = PaidFacts {
        amount: Amount::from_fen(100),
        bank_type: None,
        number: order.latest().number.clone(),
        paid_at: Instant::from_secs(1_767_225_700),
        trade_no: TradeNo::new(format!("T{n}x{attempt}")).expect("lawful"),
    };
    let refund_no = RefundNo::new(format!("r{}", dice.roll(3))).expect("lawful");
    match dice.roll(14) {
        0 => TradeEvent::AttemptPlaced {
            attempt,
            reach: Some(Reach::Code("weixin://x".into())),
        },
        1 => TradeEvent::AttemptUnknown {
            attempt,
            reason: Unclear::Timeout,
        },
        2 => TradeEvent::AttemptNotPlaced {
            attempt,
            code: None,
            declined: None,
            reason: NotPlaced::NeverSent,
        },
        3 => TradeEvent::CloseIntended {
            attempt,
            reason: CloseReason::Merchant,
        },
        4 => TradeEvent::AttemptClosed {
            attempt,
            proof: Proof::Answer,
        },
        5 => TradeEvent::AttemptPaid {
            attempt,
            facts,
            payer: None,
            proof: Proof::Notice,
            seal: None,
        },
        6 => TradeEvent::RefundIntended {
            amount: Amount::from_fen(40),
            attempt,
            cause: RefundCause::Merchant,
            number: ChannelNo::new(format!("R{n}{refund_no}")).expect("lawful"),
            refund_no,
        },
        7 => TradeEvent::RefundSucceeded {
            proof: Proof::Query,
            refund_no,
            refunded_at: None,
            trade_no: None,
        },
        8 => TradeEvent::ReverseIntended {
            attempt,
            reason: ReverseReason::Unknown,
        },
        9 => TradeEvent::ReverseUnknown {
            attempt,
            reason: None,
        },
        10 => TradeEvent::ReverseRefused {
            attempt,
            code: "TOO_LATE".into(),
        },
        11 => TradeEvent::AttemptReversed {
            attempt,
            proof: Proof::Answer,
            refunded: Some(true),
        },
        12 => TradeEvent::ReverseNamed {
            account: order.latest().account.clone(),
            attempt,
            channel: order.latest().channel,
            number: ChannelNo::new(format!("V{n}x{attempt}")).expect("lawful"),
            time: Instant::from_secs(1_767_225_800),
        },
        _ => intent(n, attempt + 1),
    }
}

type Known = HashMap<PaymentId, Order>;

/// Commits until the power fails; `known` holds what was acknowledged. Now and then a snapshot is taken to `dir`.
fn live(ledger: &Ledger, dir: &Path, dice: &mut Dice, known: &mut Known, tried: &mut Known, steps: u64) {
    for _ in 0..steps {
        let n = dice.roll(6);
        let (m, id) = (merchant(n % 2), payment_id(&merchant(n % 2), &order_no(n)));
        let event = next(tried.get(&id).or(known.get(&id)), n, dice);
        let tell = matches!(event, TradeEvent::AttemptPaid { .. });
        let mut commit = pin!(ledger.commit(&m, &id, vec![Happening { event, tell }]));
        let early = poll_once(commit.as_mut());
        if let Poll::Ready(Err(CommitError::Illegal(_) | CommitError::NoOrder)) = early {
            continue;
        }
        if ledger.journal().pump().is_err() {
            // Never acknowledged: it may be there or not.
            return;
        }
        match poll_once(commit.as_mut()) {
            Poll::Ready(Ok(committed)) => {
                known.insert(id, (*committed.order).clone());
                tried.insert(id, (*committed.order).clone());
                if dice.roll(16) == 0 {
                    ledger.take_snapshot(dir).expect("written");
                }
            }
            other => panic!(
                "a durable commit is not acknowledged: {:?}",
                other.map(|r| r.map(|c| c.first))
            ),
        }
    }
}

fn check(ledger: &Ledger, known: &Known, seed: u64) -> Known {
    let mut found = Known::new();
    let mut numbers: HashMap<MerchantId, (u64, u64)> = HashMap::new();
    let mut pending = std::collections::HashSet::new();
    for item in ledger.journal().reader().scan(0) {
        let (index, bytes) = item.unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        let entry = TradeEntry::from_canonical(&bytes).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        let (m, id) = (
            entry.merchant.clone().expect("a merchant"),
            entry.order.expect("an order"),
        );
        let (mseq, tell) = numbers.entry(m.clone()).or_default();
        *mseq += 1;
        assert_eq!(entry.mseq, Some(*mseq), "seed {seed}: a gap at entry {index}");
        if let Some(t) = entry.tell {
            *tell += 1;
            assert_eq!(t, *tell, "seed {seed}: a gap in notifications at entry {index}");
            pending.insert((m, t));
        }
        assert_eq!(
            entry.prev,
            found.get(&id).map(|o| o.last),
            "seed {seed}: entry {index}"
        );
        match found.get_mut(&id) {
            None => drop(found.insert(id, Order::begin(index, &entry).expect("begins"))),
            Some(order) => {
                order
                    .check(&entry.event)
                    .unwrap_or_else(|e| panic!("seed {seed}: entry {index}: {e}"));
                order.apply(index, entry.at, &entry.event);
            }
        }
    }
    for (id, acknowledged) in known {
        let there = found
            .get(id)
            .unwrap_or_else(|| panic!("seed {seed}: an acknowledged order is gone"));
        assert!(
            there.last >= acknowledged.last,
            "seed {seed}: an acknowledged event is gone"
        );
    }
    for (id, order) in &found {
        let before = ledger.in_memory();
        let glance = ledger
            .glance(id)
            .unwrap_or_else(|e| panic!("seed {seed}: {e}"))
            .expect("found");
        assert_eq!(
            (&*glance, ledger.in_memory()),
            (order, before),
            "seed {seed}: a glance keeps nothing"
        );
        let mut lookup = pin!(ledger.order(id));
        let Poll::Ready(Ok(Some(own))) = poll_once(lookup.as_mut()) else {
            panic!("seed {seed}: an order is not found")
        };
        assert_eq!(
            *own, *order,
            "seed {seed}: the ledger says something else than its journal"
        );
        assert_eq!(own.state() == OrderState::Paid, order.state() == OrderState::Paid);
    }
    let oldest = ledger.tells_oldest().into_iter();
    let tells: std::collections::HashSet<_> = oldest
        .flat_map(|oldest| ledger.tells_after(&oldest.merchant, 0, usize::MAX))
        .map(|t| (t.merchant, t.seq))
        .collect();
    assert_eq!(tells, pending, "seed {seed}: pending notifications");
    found
}

#[test]
//= C26
//= C28
//= C29
fn ten_thousand_crashes_of_journal_and_ledger() {
    let number = |name: &str, or: u64| {
        std::env::var(name)
            .ok()
            .and_then(|s| s.parse().ok())
            .unwrap_or(or)
    };
    let (from, seeds) = (
        number("GUANDAO_CRASH_FROM", 0),
        number("GUANDAO_CRASH_SEEDS", 10_000),
    );
    let next = std::sync::atomic::AtomicU64::new(from);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed >= from + seeds {
                        return;
                    }
                    one(seed);
                }
            });
        }
    });
}

fn in_memory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    }
    .expect("a folder")
}

/// All that a start restores: orders, notifications, day totals.
fn state(ledger: &Ledger) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut orders = ledger.live();
    orders.sort_by_key(|order| order.id);
    let mut tells = ledger.tells_oldest();
    tells = (tells.iter())
        .flat_map(|oldest| ledger.tells_after(&oldest.merchant, 0, usize::MAX))
        .collect();
    tells.sort_by_key(|tell| tell.index);
    let total = |n| {
        let day = Still.now().day();
        ledger.tally().total(day, &Count::Merchant(merchant(n)))
    };
    (orders, tells, [total(0), total(1)])
}

/// Whatever happened before it and after it: what a snapshot and the journal after it give is what the whole journal gives.
#[test]
//= C28
fn a_start_from_a_snapshot_knows_what_a_start_from_the_journal_knows() {
    let mut shorter = 0;
    for seed in 1..=200u64 {
        let (dir, empty) = (in_memory(), in_memory());
        let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(seed));
        let open = |dir: &Path| {
            let journal = stand::journal(disk.clone(), 8192).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            let opened = Ledger::open(journal, dir, Arc::new(Still));
            opened.unwrap_or_else(|e| panic!("seed {seed}: {e}"))
        };
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let ledger = open(dir.path()).ledger;
        let (mut known, mut tried) = (Known::new(), Known::new());
        live(&ledger, dir.path(), &mut dice, &mut known, &mut tried, 80);
        let before = state(&ledger);
        ledger.stop();
        drop(ledger);
        let (snapshot, journal) = (open(dir.path()), open(empty.path()));
        shorter += u64::from(snapshot.replayed < journal.replayed);
        assert!(
            state(&snapshot.ledger) == state(&journal.ledger) && before == state(&journal.ledger),
            "seed {seed}: {:?}",
            (before, state(&snapshot.ledger), state(&journal.ledger))
        );
        snapshot.ledger.stop();
        journal.ledger.stop();
    }
    assert!(shorter > 150, "{shorter} snapshots were read");
}

/// What a snapshot covers and sled lacks is looked up only then.
fn until_indexed(ledger: &Ledger, seed: u64) {
    let since = std::time::Instant::now();
    while !ledger.is_indexed() {
        assert!(
            since.elapsed().as_secs() < 60,
            "seed {seed}: the index is never whole"
        );
        std::thread::sleep(std::time::Duration::from_micros(100));
    }
}

fn one(seed: u64) {
    let dir = in_memory();
    let sim = SimulatedDisk::new(seed);
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (mut known, mut tried) = (Known::new(), Known::new());
    for life in 0..2 {
        if life == 0 {
            sim.crash_after(30 + dice.roll(260));
        }
        match stand::journal(disk.clone(), 8192) {
            Ok(journal) => {
                let opening = Ledger::open(journal, dir.path(), Arc::new(Still))
                    .unwrap_or_else(|e| panic!("seed {seed}: {e}"));
                let ledger = opening.ledger;
                until_indexed(&ledger, seed);
                known = if life == 0 {
                    known
                } else {
                    check(&ledger, &known, seed)
                };
                tried.clone_from(&known);
                live(
                    &ledger,
                    dir.path(),
                    &mut dice,
                    &mut known,
                    &mut tried,
                    if life == 0 { 40 } else { 3 },
                );
                ledger.stop();
            }
            Err(error) => assert!(sim.crashed(), "seed {seed}: {error}"),
        }
        sim.restart();
    }
}
