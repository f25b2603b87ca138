//! Whose turn it is among one merchant's notifications. Only what was tried has a plan here: what waits for its first try
//! is the ledger's to number, and is asked for by the handful.

use ledger::Tell;
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

/// Repeats of one notification, as multiples of the first: with 15 s these are 15s 30s 1m 2m 4m … and then each hour.
const MOST_WAIT: Duration = Duration::from_secs(3600);
/// A merchant that fails so often in a row is probed by one notification at a time.
const BREAKER: u32 = 5;
/// Notifications on their way at once, per merchant.
const AT_ONCE: usize = 16;

/// One notification's plan.
#[derive(Clone, Copy)]
struct Plan {
    tries: u32,
    due: Duration,
}

#[derive(Default)]
pub(super) struct Queue {
    failures: u32,
    /// When the first of these came.
    failing_since: Duration,
    closed_until: Duration,
    on_their_way: HashSet<u64>,
    /// Of what was tried.
    plans: HashMap<u64, Plan>,
    /// The same, by when.
    due: BTreeSet<(Duration, u64)>,
    /// Numbers up to this one had their first turn.
    begun: u64,
}

impl Queue {
    /// The next ones whose turn it is, each with how often it was tried. `pending(above, most)` gives the ledger's.
    pub(super) fn next(
        &mut self,
        now: Duration,
        pending: impl Fn(u64, usize) -> Vec<Tell>,
    ) -> Vec<(Tell, u32)> {
        let most = if self.is_gone() { 1 } else { AT_ONCE };
        let mut found = Vec::new();
        if now < self.closed_until {
            return found;
        }
        while self.on_their_way.len() < most
            && let Some((_, seq)) = self.due.first().copied().filter(|(due, _)| *due <= now)
        {
            self.due.pop_first();
            // Acknowledged meanwhile, when the merchant asked for it again?
            let own = pending(seq - 1, 1).pop().filter(|tell| tell.seq == seq);
            match (own, self.plans.get(&seq).copied()) {
                (Some(tell), Some(plan)) => {
                    self.on_their_way.insert(seq);
                    found.push((tell, plan.tries));
                }
                _ => drop(self.plans.remove(&seq)),
            }
        }
        let room = most.saturating_sub(self.on_their_way.len());
        if room > 0 {
            for tell in pending(self.begun, room) {
                self.begun = tell.seq;
                self.on_their_way.insert(tell.seq);
                found.push((tell, 0));
            }
        }
        found
    }

    /// A try is over; `last` where it is given up if it was not acknowledged. `first` is the wait after the first try.
    pub(super) fn tried(&mut self, seq: u64, acknowledged: bool, last: bool, first: Duration, now: Duration) {
        self.on_their_way.remove(&seq);
        let tries = self.plans.remove(&seq).map_or(0, |plan| plan.tries);
        if acknowledged {
            self.failures = 0;
            self.closed_until = Duration::ZERO;
            return;
        }
        if self.failures == 0 {
            self.failing_since = now;
        }
        self.failures += 1;
        let wait = first.saturating_mul(1 << tries.min(12)).min(MOST_WAIT.max(first));
        if self.is_gone() {
            self.closed_until = now + first.min(wait);
        }
        if !last {
            let due = now + wait;
            let tries = tries + 1;
            self.plans.insert(seq, Plan { tries, due });
            self.due.insert((due, seq));
        }
    }

    /// Which of these, that are older than anybody is told, are given up without another try, and after how many: each
    /// that was tried, and every one where try after try has found nobody for as long as the longest wait. Else what waits
    /// for its first try has it.
    pub(super) fn give_up(&mut self, old: Vec<Tell>, now: Duration) -> Vec<(u64, u32)> {
        let lost = self.is_gone() && now.saturating_sub(self.failing_since) >= MOST_WAIT;
        let mut given_up = Vec::new();
        for Tell { seq, .. } in old {
            let plan = self.plans.get(&seq).copied();
            if self.on_their_way.contains(&seq) || plan.is_none() && !lost {
                continue;
            }
            if let Some(plan) = plan {
                self.plans.remove(&seq);
                self.due.remove(&(plan.due, seq));
            }
            given_up.push((seq, plan.map_or(0, |plan| plan.tries)));
        }
        given_up
    }

    /// Try after try failed.
    fn is_gone(&self) -> bool {
        self.failures >= BREAKER
    }

    /// Nothing is pending here any more: plans of what was acknowledged by hand are forgotten.
    pub(super) fn forget(&mut self) {
        self.plans.retain(|seq, _| self.on_their_way.contains(seq));
        self.due.clear();
    }

    /// True where nothing is lost with it.
    pub(super) fn is_idle(&self) -> bool {
        self.plans.is_empty() && self.on_their_way.is_empty() && self.failures == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Instant, MerchantId, PaymentId};
    use std::{cell::RefCell, collections::BTreeMap};

    const FIRST: Duration = Duration::from_secs(15);
    const HOUR: Duration = Duration::from_secs(3600);

    /// What the ledger has pending, and how many of it were read.
    struct Pending(RefCell<BTreeMap<u64, Tell>>, RefCell<usize>);

    impl Pending {
        fn of(most: u64) -> Pending {
            let tell = |seq| Tell {
                merchant: MerchantId::new("m1").expect("lawful"),
                seq,
                order: PaymentId::from_bytes([1; 16]),
                index: seq,
                at: Instant::default(),
            };
            let all = (1..=most).map(|seq| (seq, tell(seq))).collect();
            Pending(RefCell::new(all), RefCell::default())
        }

        fn after(&self, seq: u64, most: usize) -> Vec<Tell> {
            let all = self.0.borrow();
            let found: Vec<_> = all.range(seq + 1..).take(most).map(|(_, t)| t.clone()).collect();
            *self.1.borrow_mut() += found.len();
            found
        }

        fn done(&self, seq: u64) {
            self.0.borrow_mut().remove(&seq);
        }
    }

    fn seqs(turn: &[(Tell, u32)]) -> Vec<u64> {
        turn.iter().map(|(tell, _)| tell.seq).collect()
    }

    /// A shop that is gone for a day: nothing of its notifications stays, though there was no time to try each of them.
    #[test]
    fn a_dead_endpoints_list_comes_to_an_end() {
        let (pending, mut queue, mut now) = (Pending::of(10_000), Queue::default(), Duration::ZERO);
        while now <= HOUR {
            for (tell, _) in queue.next(now, |seq, most| pending.after(seq, most)) {
                queue.tried(tell.seq, false, false, FIRST, now);
            }
            now += FIRST;
        }
        let read = *pending.1.borrow();
        assert!(
            (100..1000).contains(&read),
            "one probe in {FIRST:?}, not a walk over all: {read}"
        );
        let mut rounds = 0;
        while !pending.0.borrow().is_empty() {
            let ended = queue.give_up(pending.after(0, 256), now);
            assert!(!ended.is_empty(), "{} stay for ever", pending.0.borrow().len());
            assert!(rounds > 0 || ended[0].1 > 0, "the first was tried");
            ended.iter().for_each(|(seq, _)| pending.done(*seq));
            rounds += 1;
        }
        assert_eq!(rounds, 40);
        assert!(queue.plans.is_empty() && queue.due.is_empty());
        assert!(!queue.is_idle(), "the shop is still known to be gone");
    }

    /// We were away for a day, not the shop: each has its try before it is given up.
    #[test]
    fn what_was_never_tried_is_tried_first() {
        let (pending, mut queue) = (Pending::of(40), Queue::default());
        let second = Duration::from_secs(1);
        assert!(queue.give_up(pending.after(0, 256), second).is_empty());
        let turn = queue.next(second, |seq, most| pending.after(seq, most));
        assert_eq!(seqs(&turn), (1..=16).collect::<Vec<_>>());
        assert!(
            queue.give_up(pending.after(0, 256), second).is_empty(),
            "they are on their way"
        );
        queue.tried(1, true, false, FIRST, second);
        pending.done(1);
        for seq in 2..=8 {
            queue.tried(seq, false, false, FIRST, second);
        }
        let given_up = queue.give_up(pending.after(0, 256), second * 2);
        assert_eq!(
            given_up,
            (2..=8).map(|seq| (seq, 1)).collect::<Vec<_>>(),
            "the others, though it fails just now, have their turn"
        );
    }

    #[test]
    fn a_repeat_comes_when_it_is_due_and_not_after_an_acknowledgement_by_hand() {
        let (pending, mut queue) = (Pending::of(3), Queue::default());
        let zero = Duration::ZERO;
        let turn = |queue: &mut Queue, now| queue.next(now, |seq, most| pending.after(seq, most));
        assert_eq!(seqs(&turn(&mut queue, zero)), [1, 2, 3]);
        assert!(turn(&mut queue, zero).is_empty(), "on their way");
        for seq in 1..=3 {
            queue.tried(seq, false, false, FIRST, zero);
        }
        assert!(turn(&mut queue, FIRST - Duration::from_secs(1)).is_empty());
        pending.done(2);
        let again = turn(&mut queue, FIRST);
        assert_eq!(seqs(&again), [1, 3]);
        assert_eq!(again[0].1, 1, "tried once before");
        queue.tried(1, true, false, FIRST, FIRST);
        queue.tried(3, false, false, FIRST, FIRST);
        assert!(
            turn(&mut queue, FIRST * 2).is_empty(),
            "the second wait is twice the first"
        );
        assert_eq!(seqs(&turn(&mut queue, FIRST * 3)), [3]);
        queue.tried(3, true, false, FIRST, FIRST * 3);
        assert!(queue.is_idle());
    }
}
