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

struct Stand {
    ledger: Ledger,
    clock: Arc<Slow>,
    dir: tempfile::TempDir,
}

impl Stand {
    /// A new ledger whose housekeeping is done by hand.
    fn new() -> Stand {
        let dir = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(Slow::default());
        let disk = Arc::new(journal::sim::SimulatedDisk::new(1));
        let journal = stand::journal(disk, 1 << 20).expect("a new journal");
        let opened = Ledger::open(journal, dir.path(), clock.clone());
        let ledger = opened.expect("opens").ledger;
        ledger.stop();
        while Arc::strong_count(&ledger.0) > 1 {
            std::thread::yield_now(); // its own thread ends
        }
        ledger.0.stop.store(false, Ordering::SeqCst);
        Stand { ledger, clock, dir }
    }

    fn change(&self, event: TradeEvent) {
        let (m, id) = (merchant(1), id());
        let mut commit = pin!(self.ledger.commit(&m, &id, vec![event.into()]));
        let done = poll_once(commit.as_mut());
        assert!(!matches!(done, Poll::Ready(Err(_))), "{done:?}");
        self.ledger.journal().pump().expect("written");
    }

    /// An order that nothing can change any more.
    fn one_ended(&self) {
        self.change(intent(1, 1));
        self.change(TradeEvent::AttemptNotPlaced {
            attempt: 1,
            code: None,
            declined: None,
            reason: NotPlaced::NeverSent,
        });
    }

    fn a_minute_later(&self) {
        self.clock.later.fetch_add(61_000, Ordering::SeqCst);
        self.ledger.forget_idle();
    }
}

fn id() -> PaymentId {
    payment_id(&merchant(1), &order_no(1))
}

/// An index that takes nothing does not fill memory.
#[test]
//= C28
fn what_the_index_does_not_take_leaves_memory_all_the_same_and_is_refused_until_it_does() {
    let this = Stand::new();
    let ledger = &this.ledger;
    this.one_ended();
    assert_eq!(ledger.in_memory(), 1);
    this.a_minute_later();
    assert_eq!(ledger.in_memory(), 0, "the journal has it");
    let last = |ledger: &Ledger| ledger.glance(&id()).map(|order| order.map(|order| order.last));
    assert!(matches!(last(ledger), Ok(Some(1))));
    ledger.let_go(2); // the order, and its number at the channel
    assert!(ledger.is_indexed() && matches!(last(ledger), Ok(Some(1))));
    ledger.let_go(1);
    assert!(!ledger.is_indexed());
    assert!(matches!(last(ledger), Err(LookupError::Rebuilding)));
    {
        let heads = ledger.0.heads.lock();
        assert!(heads.dirty.is_empty() && heads.aliases.is_empty());
    }
    // One that begins nowhere else may have begun before.
    assert!(matches!(ledger.peek(&id()), Err(LookupError::Rebuilding)));
    ledger.try_older(&mut None);
    assert!(ledger.is_indexed() && ledger.index().applied() == 2);
    assert!(matches!(last(ledger), Ok(Some(1))));
}

#[test]
fn housekeeping_ends_the_process_with_an_index_that_panicked() {
    let this = Stand::new();
    this.one_ended();
    this.ledger.0.index.give_up();
    let kept = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        this.ledger.keep_house(this.dir.path())
    }));
    assert!(kept.is_err(), "its thread takes the process with it");
}

#[test]
//= C28
fn an_order_that_leaves_memory_while_somebody_changes_it_is_changed_all_the_same() {
    let this = Stand::new();
    let (ledger, clock) = (&this.ledger, &this.clock);
    this.one_ended();
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
    this.change(TradeEvent::PatternSeen {
        field: "description".into(),
        pattern: Pattern::Phone,
    });
    house.join().expect("kept");
    let order = ledger.glance(&id()).expect("looked up").expect("there");
    assert_eq!(order.last, 2);
}
