//! What a commit leaves behind where its caller goes away, or where the journal cannot take it.

#[path = "stand/orders.rs"]
mod orders;
mod stand;

use domain::*;
use journal::{Settings, sim::SimulatedDisk};
use ledger::{CommitError, Ledger, Opening, payment_id};
use orders::{intent, merchant, order_no, poll_once};
use stand::Still;
use std::{path::Path, pin::pin, sync::Arc, task::Poll};

fn opening(dir: &Path) -> Opening {
    let disk = Arc::new(SimulatedDisk::new(1));
    let journal = stand::journal(disk, Settings::default().segment).expect("a new journal");
    Ledger::open(journal, dir, Arc::new(Still)).expect("opens")
}

/// A client that hangs up ends what waits for it; the sweep must know of the order all the same.
#[test]
//= C26
fn a_commit_whose_caller_hangs_up_reaches_those_who_watch_orders() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut opening = opening(dir.path());
    let (m, id) = (merchant(1), payment_id(&merchant(1), &order_no(1)));
    {
        let mut commit = pin!(opening.ledger.commit(&m, &id, vec![intent(1, 1).into()]));
        assert!(poll_once(commit.as_mut()).is_pending(), "not durable yet");
    }
    let changed = opening.changes.try_recv().expect("the change is known");
    assert_eq!(changed.id, id);
}

/// Whoever plans by what is told never plans by what was before.
#[test]
//= C26
fn changes_of_an_order_are_told_in_the_order_of_the_journal() {
    const CHANGES: u64 = 10_000;
    let dir = tempfile::tempdir().expect("a folder");
    let mut opening = opening(dir.path());
    let ledger = opening.ledger.clone();
    let (m, id) = (merchant(1), payment_id(&merchant(1), &order_no(1)));
    let change = |event: TradeEvent| {
        let mut commit = pin!(ledger.commit(&m, &id, vec![event.into()]));
        assert!(poll_once(commit.as_mut()).is_pending(), "not durable yet");
    };
    change(intent(1, 1));
    let seen = || TradeEvent::PatternSeen {
        field: "description".into(),
        pattern: Pattern::Phone,
    };
    std::thread::scope(|both| {
        for _ in 0..2 {
            both.spawn(|| (0..CHANGES / 2).for_each(|_| change(seen())));
        }
    });
    for last in 0..=CHANGES {
        let changed = opening.changes.try_recv().expect("each is told");
        assert_eq!(changed.last, last);
    }
}

#[test]
//= C29
fn an_event_that_no_entry_can_hold_is_refused_with_all_that_comes_with_it_and_numbers_have_no_gap() {
    let dir = tempfile::tempdir().expect("a folder");
    let ledger = opening(dir.path()).ledger;
    let (m, id) = (merchant(1), payment_id(&merchant(1), &order_no(1)));
    let placed = |reach: String| TradeEvent::AttemptPlaced {
        attempt: 1,
        reach: Some(Reach::Code(reach.into())),
    };
    let done = |events: Vec<TradeEvent>| {
        let events = events.into_iter().map(Into::into).collect();
        let mut commit = pin!(ledger.commit(&m, &id, events));
        if let Poll::Ready(done) = poll_once(commit.as_mut()) {
            return done;
        }
        ledger.journal().pump().expect("written");
        match poll_once(commit.as_mut()) {
            Poll::Ready(done) => done,
            Poll::Pending => panic!("it is durable"),
        }
    };
    let first = done(vec![intent(1, 1)]).expect("taken");
    let unclear = TradeEvent::AttemptUnknown {
        attempt: 1,
        reason: Unclear::Timeout,
    };
    let long = "x".repeat(journal::MOST_ENTRY);
    let refused = done(vec![unclear, placed(long)]);
    assert!(matches!(refused, Err(CommitError::TooLong(_))));
    let now = ledger.glance(&id).expect("looked up").expect("there");
    assert_eq!(*now, *first.order, "nothing of it was taken");
    let second = done(vec![placed("weixin://x".into())]).expect("taken");
    assert_eq!(second.first, 1);
    let entry = ledger.entry(1).expect("readable");
    assert_eq!((entry.mseq, entry.prev), (Some(2), Some(0)));
}

/// Work that outlasts a stop must not write behind its end: keys are dead there, and the certificate of purge counts them.
//= C34
#[test]
fn what_is_still_under_way_at_the_end_of_a_run_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let settings = Settings {
        integrate_every: std::time::Duration::from_millis(5),
        ..Settings::default()
    };
    let (journal, _) = journal::Journal::open(
        Arc::new(SimulatedDisk::new(1)),
        Path::new("/j"),
        "test.example/trades/0",
        Arc::new(stand::Stamp),
        settings,
    )
    .expect("a new journal");
    let ledger = Ledger::open(journal, dir.path(), Arc::new(Still))
        .expect("opens")
        .ledger;
    let boot = Boot::from_bytes([1; 16]);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .build()
        .expect("a runtime");
    let taken = runtime.block_on(async {
        let mut under_way = tokio::task::JoinSet::new();
        for n in 0..64 {
            let ledger = ledger.clone();
            under_way.spawn(async move {
                let m = merchant(n);
                let mut taken = 0;
                for order in 0.. {
                    let id = payment_id(&m, &order_no(order));
                    match ledger.commit(&m, &id, vec![intent(order, 1).into()]).await {
                        Ok(_) => taken += 1,
                        Err(CommitError::Closed) => break,
                        Err(error) => panic!("{error}"),
                    }
                }
                taken
            });
        }
        while ledger.journal().durable() < 256 {
            tokio::task::yield_now().await;
        }
        let last = ledger
            .note_last(|| vec![TradeEvent::ProcessStopped { boot }])
            .await;
        let last = last.expect("on record");
        let late = ledger.note(None, vec![TradeEvent::ProcessStopped { boot }]).await;
        assert!(matches!(late, Err(CommitError::Closed)));
        let taken: u64 = under_way.join_all().await.into_iter().sum();
        assert_eq!(last, taken, "each that was taken stands before the end");
        taken
    });
    ledger.stop();
    ledger.journal().close();
    assert_eq!(ledger.journal().size(), taken + 1, "nothing follows");
    let end = ledger.entry(taken).expect("readable").event;
    assert!(matches!(end, TradeEvent::ProcessStopped { .. }));
}
