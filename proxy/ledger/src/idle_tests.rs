//! What idle orders leave memory for.

#[path = "../tests/stand/orders.rs"]
mod orders;
#[path = "../tests/stand/mod.rs"]
mod stand;

use super::*;
use orders::{intent, merchant, order_no, poll_once};
use stand::Still;
use std::{
    pin::pin,
    sync::{atomic::AtomicI64, mpsc},
    task::Poll,
    time::Duration,
};

/// The next reading of this clock lasts until somebody else had a moment to act on a later time.
#[derive(Debug, Default)]
struct Slow {
    later: AtomicI64,
    next: Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>,
}

impl Clock for Slow {
    fn now(&self) -> Instant {
        let read = Still.now().plus_millis(self.later.load(Ordering::SeqCst));
        let next = self.next.lock().take();
        if let Some((go, done)) = next {
            go.send(()).expect("awaited");
            // Whoever has to wait for the reader never says so.
            let _ = done.recv_timeout(Duration::from_millis(300));
        }
        read
    }
    fn since_boot(&self) -> Duration {
        Still.since_boot()
    }
}

#[test]
//= C28
fn an_order_that_leaves_memory_while_somebody_changes_it_is_changed_all_the_same() {
    let dir = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(Slow::default());
    let disk = Arc::new(journal::sim::SimulatedDisk::new(1));
    let journal = stand::journal(disk, 1 << 20).expect("a new journal");
    let ledger = Ledger::open(journal, dir.path(), clock.clone())
        .expect("opens")
        .ledger;
    ledger.stop(); // its housekeeping is done by hand
    let (m, id) = (merchant(1), payment_id(&merchant(1), &order_no(1)));
    let change = |event: TradeEvent| {
        let mut commit = pin!(ledger.commit(&m, &id, vec![event.into()]));
        let done = poll_once(commit.as_mut());
        assert!(!matches!(done, Poll::Ready(Err(_))), "{done:?}");
        ledger.journal().pump().expect("written");
    };
    change(intent(1, 1));
    change(TradeEvent::AttemptNotPlaced {
        attempt: 1,
        code: None,
        declined: None,
        reason: NotPlaced::NeverSent,
    });
    ledger.feed_index().expect("fed");
    let ((go, wake), (told, done)) = (mpsc::channel(), mpsc::channel());
    let (later, keeping) = (clock.clone(), ledger.clone());
    let house = std::thread::spawn(move || {
        wake.recv().expect("the clock is read");
        later.later.fetch_add(61_000, Ordering::SeqCst);
        keeping.forget_idle();
        let _ = told.send(());
    });
    *clock.next.lock() = Some((go, done));
    change(TradeEvent::PatternSeen {
        field: "description".into(),
        pattern: Pattern::Phone,
    });
    house.join().expect("kept");
    let order = ledger.glance(&id).expect("looked up").expect("there");
    assert_eq!(order.last, 2);
}
