//! When which order is looked at next: at growing distance for as long as looks find nothing new, anew from the schedule's
//! beginning where somebody else (a notice, the merchant) brings news. What a look itself puts on record is no such news.

use super::places::{Lane, Places};
use domain::PaymentId;
use ledger::{Attempt, Order};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

/// Before the next look at an order that could not be read after the last one.
const UNREAD: Duration = Duration::from_secs(60);
/// So many of the ways that an order stood are remembered, so that one that goes to and fro counts as standing still.
const REMEMBERED: usize = 4;

/// What is to be looked at, and when.
#[derive(Default)]
pub(super) struct Plans {
    orders: HashMap<PaymentId, Plan>,
    heap: BinaryHeap<Reverse<(Duration, PaymentId)>>,
    places: Places,
}

struct Plan {
    /// Looks since the last news.
    tries: u32,
    /// How the order stood at each of them, the latest first.
    stood: [u32; REMEMBERED],
    lane: Lane,
    step: Step,
}

enum Step {
    /// Due then.
    At(Duration),
    /// Due, and waiting for a place.
    Due,
    /// A look is under way; what was put on record meanwhile, by it or by somebody else.
    Looking(Option<Arc<Order>>),
}

impl Plans {
    /// An order as it stands now. `wait` tells how long until it is looked at after so many tries, if at all. `now` is a time
    /// since boot.
    pub(super) fn changed(
        &mut self,
        order: Arc<Order>,
        now: Duration,
        wait: impl Fn(&Order, u32) -> Option<Duration>,
    ) {
        if let Some(Plan {
            step: Step::Looking(news),
            ..
        }) = self.orders.get_mut(&order.id)
        {
            if news.as_ref().is_none_or(|known| known.last < order.last) {
                *news = Some(order);
            }
            return;
        }
        let mut stood = [0; REMEMBERED];
        stood[0] = standing(&order);
        match wait(&order, 0) {
            Some(wait) => self.plan(order.id, 0, stood, lane(&order), now + wait),
            None => drop(self.orders.remove(&order.id)),
        }
    }

    /// An order that is due and has a place; it counts as being looked at, and keeps its place, until [`Plans::looked`].
    pub(super) fn due(&mut self, now: Duration) -> Option<(Lane, PaymentId)> {
        while let Some(Reverse((at, id))) = self.heap.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            self.heap.pop();
            let Some(plan) = self.orders.get_mut(&id) else {
                continue;
            };
            if matches!(plan.step, Step::At(planned) if planned == at) {
                plan.step = Step::Due;
                self.places.wait(&plan.lane, id);
            }
        }
        while let Some((lane, id)) = self.places.take() {
            // Whoever brought news of it meanwhile has planned it anew.
            if let Some(plan) = self.orders.get_mut(&id).filter(|p| matches!(p.step, Step::Due)) {
                plan.step = Step::Looking(None);
                return Some((lane, id));
            }
            self.places.leave(&lane);
        }
        None
    }

    /// A look is over; the order as it stands since, where it could be read.
    pub(super) fn looked(
        &mut self,
        (at, id): (&Lane, PaymentId),
        order: Option<Arc<Order>>,
        now: Duration,
        wait: impl Fn(&Order, u32) -> Option<Duration>,
    ) {
        self.places.leave(at);
        let Some(plan) = self.orders.get_mut(&id) else {
            return;
        };
        let Step::Looking(news) = &mut plan.step else {
            return;
        };
        let (news, tries, mut stood) = (news.take(), plan.tries, plan.stood);
        self.orders.remove(&id);
        let latest = [order, news].into_iter().flatten().max_by_key(|order| order.last);
        let Some(order) = latest else {
            self.plan(id, tries, stood, at.clone(), now + UNREAD);
            return;
        };
        let stands = standing(&order);
        let tries = match stood.contains(&stands) {
            true => tries.saturating_add(1),
            false => {
                stood.rotate_right(1);
                stood[0] = stands;
                0
            }
        };
        if let Some(wait) = wait(&order, tries) {
            self.plan(id, tries, stood, lane(&order), now + wait);
        }
    }

    /// When the next one is due; what waits for a place has it when a look ends.
    pub(super) fn next(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    fn plan(&mut self, id: PaymentId, tries: u32, stood: [u32; REMEMBERED], lane: Lane, at: Duration) {
        let step = Step::At(at);
        let plan = Plan {
            tries,
            stood,
            lane,
            step,
        };
        self.orders.insert(id, plan);
        self.heap.push(Reverse((at, id)));
    }
}

/// Where a look at it goes: to the account of its latest attempt that is open, else of its latest refund under way.
fn lane(order: &Order) -> Lane {
    let open = |a: &Attempt| !a.state.is_final() || a.is_reversing();
    let refunding = order.refunds.iter().rev().find(|r| !r.state.is_final());
    let refunding = refunding.and_then(|refund| order.attempt(refund.attempt));
    let attempt = order.attempts.iter().rev().find(|a| open(a)).or(refunding);
    let attempt = attempt.unwrap_or(order.latest());
    Lane {
        channel: attempt.channel,
        account: attempt.account.clone(),
        code: attempt.pay_way.charges() && open(attempt),
    }
}

/// How an order stands, as far as its schedule depends on it. Never 0, which stands for nothing.
fn standing(order: &Order) -> u32 {
    let mut hash = DefaultHasher::new();
    for attempt in &order.attempts {
        attempt.state.hash(&mut hash);
        let closing = attempt.closing.as_ref();
        closing
            .map(|c| (c.reason, c.unknown, c.looked, c.refused.is_some()))
            .hash(&mut hash);
        let reversing = attempt.reversing.as_ref();
        reversing
            .map(|r| (r.unknown, r.looked, r.refused.is_some(), r.refunded))
            .hash(&mut hash);
    }
    for refund in &order.refunds {
        refund.state.hash(&mut hash);
    }
    hash.finish() as u32 | 1
}

#[cfg(test)]
#[path = "plans_tests.rs"]
mod tests;
