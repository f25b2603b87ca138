//! One try of a notification, from its turn to its end.

use super::Queues;
use domain::{Clock, MerchantId};
use ledger::Tell;
use std::time::Duration;

/// Its place among those on their way is free again however it ends: a try that panicked has failed.
pub(super) struct One<'a> {
    queues: &'a Queues,
    clock: &'a dyn Clock,
    /// The wait after the first try.
    first: Duration,
    merchant: MerchantId,
    seq: u64,
    /// The merchant took it.
    pub(super) acknowledged: bool,
    /// It is given up where the merchant did not.
    pub(super) last: bool,
}

impl<'a> One<'a> {
    /// A try begins.
    pub(super) fn begun(queues: &'a Queues, clock: &'a dyn Clock, first: Duration, tell: &Tell) -> One<'a> {
        One {
            queues,
            clock,
            first,
            merchant: tell.merchant.clone(),
            seq: tell.seq,
            acknowledged: false,
            last: false,
        }
    }
}

impl Drop for One<'_> {
    fn drop(&mut self) {
        let mut queues = self.queues.lock();
        let queue = queues.entry(self.merchant.clone()).or_default();
        let now = self.clock.since_boot();
        queue.tried(self.seq, self.acknowledged, self.last, self.first, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use domain::{Instant, PaymentId};
    use std::collections::HashMap;

    fn tell(seq: u64) -> Tell {
        Tell {
            merchant: MerchantId::new("m1").expect("lawful"),
            seq,
            order: PaymentId::from_bytes([1; 16]),
            index: seq,
            at: Instant::default(),
        }
    }

    /// Sixteen at once are on their way to a merchant: were these to stay it, nothing more would ever be told.
    #[test]
    fn a_try_that_panics_leaves_room_for_the_next() {
        let queues: Queues = Queues::new(HashMap::new());
        let turn = |now: Duration| {
            let mut queues = queues.lock();
            let queue = queues.entry(tell(1).merchant).or_default();
            let pending = |above, most| (above + 1..=32).take(most).map(tell).collect();
            queue.next(now, pending)
        };
        let first = Duration::from_millis(1);
        let begun = turn(Duration::ZERO);
        assert_eq!(begun.len(), 16);
        assert!(turn(Duration::ZERO).is_empty(), "they are on their way");
        for (tell, _) in begun {
            let panicked = std::thread::scope(|scope| {
                let one = || {
                    let _this = One::begun(&queues, &SystemClock, first, &tell);
                    panic!("as asked");
                };
                scope.spawn(one).join().is_err()
            });
            assert!(panicked);
        }
        let later = SystemClock.since_boot() + Duration::from_secs(60);
        assert_eq!(turn(later).len(), 1, "they failed, so one at a time is tried");
    }
}
