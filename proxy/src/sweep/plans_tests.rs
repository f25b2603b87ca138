//! Looks by a clock of the test's own: what each puts on record, and when the next one comes.

use super::*;
use crate::{
    config::Times,
    schedule::{Schedule, tests::unset},
    settle::tests::order,
};
use domain::*;

/// One order that is looked at, and what its looks find.
struct Watch {
    order: Order,
    plans: Plans,
    at: Option<Lane>,
    now: Duration,
    schedule: Schedule,
}

fn schedule(channel: Channel) -> Schedule {
    let secs = Duration::from_secs;
    let times = Times {
        answer: secs(10),
        unknown_after: secs(3),
        placed_after: secs(30),
        ..unset()
    };
    Schedule::of(channel, times)
}

/// As the sweep waits for what is open: by the schedule of what nobody knows, of payment codes, of refused reverses.
fn wait(schedule: &Schedule, order: &Order, tries: u32) -> Option<Duration> {
    let attempt = order.latest();
    Some(match (&attempt.reversing, attempt.pay_way.charges()) {
        _ if attempt.state.is_final() => return None,
        (Some(reversing), _) if reversing.refused.is_some() => schedule.refused_refund(tries + 1),
        (_, true) => schedule.charge(tries),
        _ => schedule.unknown(tries),
    })
}

impl Watch {
    fn of(channel: Channel, pay_way: PayWay, events: &[TradeEvent]) -> Watch {
        let mut order = order();
        order.attempts[0].channel = channel;
        order.attempts[0].pay_way = pay_way;
        let mut watch = Watch {
            order,
            plans: Plans::default(),
            at: None,
            now: Duration::from_secs(1000),
            schedule: schedule(channel),
        };
        watch.happens(&[placed()]);
        watch.happens(events);
        watch
    }

    /// On record, and so a change that the sweep hears of.
    fn happens(&mut self, events: &[TradeEvent]) {
        for event in events {
            self.order.check(event).expect("lawful");
            self.order.apply(self.order.last + 1, Instant::default(), event);
            let order = Arc::new(self.order.clone());
            self.plans
                .changed(order, self.now, |order, tries| wait(&self.schedule, order, tries));
        }
    }

    /// Seconds until the next look begins.
    fn until_due(&mut self) -> u64 {
        let began = self.now;
        let at = self.plans.next().expect("something is planned");
        self.now = at;
        match self.plans.due(self.now) {
            Some((lane, id)) => {
                assert_eq!(id, self.order.id);
                self.at = Some(lane);
            }
            // Planned anew since.
            None => return (at - began).as_secs() + self.until_due(),
        }
        assert_eq!(self.plans.due(self.now), None, "one look at an order at a time");
        (at - began).as_secs()
    }

    fn ends(&mut self, order: Option<Arc<Order>>) {
        let lane = self.at.take().expect("a look began");
        self.plans
            .looked((&lane, self.order.id), order, self.now, |order, tries| {
                wait(&self.schedule, order, tries)
            });
    }

    /// A look that puts this on record, and the seconds before it.
    fn look(&mut self, finds: &[TradeEvent]) -> u64 {
        let waited = self.until_due();
        self.happens(finds);
        self.ends(Some(Arc::new(self.order.clone())));
        waited
    }
}

fn placed() -> TradeEvent {
    TradeEvent::AttemptPlaced {
        attempt: 1,
        reach: None,
    }
}

fn closing() -> TradeEvent {
    TradeEvent::CloseIntended {
        attempt: 1,
        reason: CloseReason::Expiry,
    }
}

fn unknown() -> TradeEvent {
    TradeEvent::CloseUnknown {
        attempt: 1,
        reason: Unclear::ChannelError,
    }
}

fn reverse() -> [TradeEvent; 2] {
    let intended = TradeEvent::ReverseIntended {
        attempt: 1,
        reason: ReverseReason::Unpaid,
    };
    let refused = TradeEvent::ReverseRefused {
        attempt: 1,
        code: "CODE".into(),
    };
    [intended, refused]
}

/// Even if each look put something on record, as they once did, it would bring no sooner one.
#[test]
fn a_close_into_uncertainty_is_looked_at_at_growing_distance() {
    let mut watch = Watch::of(Channel::Unionpay, PayWay::Gateway, &[]);
    watch.look(&[closing(), unknown()]);
    let gaps: Vec<u64> = (0..8).map(|_| watch.look(&[closing(), unknown()])).collect();
    assert_eq!(gaps, [1, 2, 4, 8, 16, 32, 300, 600]);
    let (began, mut looks) = (watch.now, 0);
    while watch.now < began + Duration::from_secs(86_400) {
        watch.look(&[]);
        looks += 1;
    }
    assert!((20..40).contains(&looks), "{looks} on a day, and never none");
}

#[test]
//= C60
fn a_refused_reverse_is_tried_again_at_growing_distance() {
    let mut watch = Watch::of(Channel::Wechat, PayWay::Micropay, &[]);
    // The payer's half minute is over.
    let polls: Vec<u64> = (0..6).map(|_| watch.look(&[])).collect();
    assert_eq!(polls, [5; 6], "a payment code is asked for every five seconds");
    watch.look(&reverse());
    let gaps: Vec<u64> = (0..6).map(|_| watch.look(&reverse())).collect();
    assert_eq!(gaps, [12, 48, 192, 768, 3072, 3600]);
}

/// A channel that answers now this, now that is no reason to begin anew each time.
#[test]
fn what_goes_to_and_fro_stands_still() {
    let mut watch = Watch::of(Channel::Wechat, PayWay::Native, &[closing(), unknown()]);
    let refused = TradeEvent::CloseRefused {
        attempt: 1,
        code: "CODE".into(),
    };
    let gaps: Vec<u64> = (0..10)
        .map(|n| watch.look(&[if n % 2 == 0 { refused.clone() } else { unknown() }]))
        .collect();
    assert_eq!(gaps, [3, 3, 3, 6, 12, 24, 48, 96, 192, 300]);
}

#[test]
fn news_of_others_begins_anew_and_is_never_lost() {
    let mut watch = Watch::of(Channel::Unionpay, PayWay::Gateway, &[closing(), unknown()]);
    for _ in 0..5 {
        watch.look(&[]);
    }
    watch.happens(&[TradeEvent::CloseIntended {
        attempt: 1,
        reason: CloseReason::Merchant,
    }]);
    assert_eq!(watch.until_due(), 1, "the merchant asked");
    // During a look: what was paid ends the looks, though the look itself read the order before.
    let before = Arc::new(watch.order.clone());
    watch.happens(&[TradeEvent::AttemptClosed {
        attempt: 1,
        proof: Proof::Notice,
    }]);
    watch.ends(Some(before));
    assert!(watch.plans.orders.is_empty(), "nothing is left of what is over");
    assert_eq!(watch.plans.due(watch.now + Duration::from_secs(1 << 30)), None);
}

/// What waits for a place at a dead account and is heard of meanwhile does not come twice.
#[test]
fn news_of_what_waits_for_a_place_plans_it_anew() {
    let mut plans = Plans::default();
    let (now, second) = (Duration::from_secs(1000), Duration::from_secs(1));
    let orders: Vec<Arc<Order>> = (0..100)
        .map(|n| {
            let mut order = order();
            order.id = PaymentId::from_bytes([n; 16]);
            Arc::new(order)
        })
        .collect();
    let known = |id: PaymentId| Some(orders[usize::from(id.as_bytes()[0])].clone());
    for order in &orders {
        plans.changed(order.clone(), now, |_, _| Some(Duration::ZERO));
    }
    let first: Vec<_> = std::iter::from_fn(|| plans.due(now)).collect();
    assert!((1..100).contains(&first.len()), "a share of the channel's places");
    for order in &orders {
        plans.changed(order.clone(), now, |_, _| Some(second));
    }
    for (lane, id) in &first {
        plans.looked((lane, *id), known(*id), now, |_, _| None);
    }
    assert!(plans.due(now).is_none(), "all others are planned anew");
    let mut looked = 0;
    while let Some((lane, id)) = plans.due(now + second) {
        plans.looked((&lane, id), known(id), now, |_, _| None);
        looked += 1;
    }
    assert_eq!(looked, 100 - first.len(), "once each");
    assert!(plans.orders.is_empty());
}

#[test]
fn a_look_that_ended_without_a_word_is_made_again() {
    let mut watch = Watch::of(Channel::Unionpay, PayWay::Gateway, &[]);
    watch.until_due();
    watch.ends(None);
    assert_eq!(watch.until_due(), UNREAD.as_secs());
}
