//! Windows that forget: natural days, and rolling windows that take late trades in their place.

use super::clock::Clock;
use domain::{Day, Instant};
use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

/// Days that a trade may be learned late and still be related to others (D).
pub(super) const LATE_DAYS: i32 = 2;
const DAY_MS: i64 = 86_400_000;

/// State per natural day and key.
#[derive(Clone, Debug)]
pub(super) struct ByDay<K, V> {
    days: BTreeMap<Day, HashMap<K, V>>,
    today: Day,
}

impl<K, V> Default for ByDay<K, V> {
    fn default() -> Self {
        ByDay {
            days: BTreeMap::new(),
            today: Day::from_number(i32::MIN / 2),
        }
    }
}

impl<K: Hash + Eq, V: Default> ByDay<K, V> {
    /// The state of a key on a day; `None` for days that are forgotten already or lie ahead of tomorrow.
    pub(super) fn entry(&mut self, day: Day, key: K) -> Option<&mut V> {
        let away = i64::from(day.number()) - i64::from(self.today.number());
        let near = (-i64::from(LATE_DAYS)..=1).contains(&away);
        near.then(|| self.days.entry(day).or_default().entry(key).or_default())
    }

    /// A new day by the journal's clock: the oldest go.
    pub(super) fn turn(&mut self, clock: &Clock) {
        self.today = clock.today();
        self.days.retain(|day, _| clock.keeps_day(*day));
    }
}

impl<K: Hash + Eq> ByDay<K, Vec<u64>> {
    /// Adds an index; returns all when they have just become as many as wanted, and nothing ever after that day.
    pub(super) fn count_to(&mut self, wanted: u64, day: Day, key: K, index: u64) -> Option<Vec<u64>> {
        let seen = self.entry(day, key)?;
        let wanted = wanted.max(1) as usize;
        if seen.len() >= wanted {
            return None;
        }
        seen.push(index);
        (seen.len() == wanted).then(|| seen.clone())
    }

    /// Takes an index out again, unless they are as many as wanted: those were told, and are not told a second time.
    pub(super) fn uncount(&mut self, wanted: u64, day: Day, key: K, index: u64) {
        if let Some(seen) = self.entry(day, key).filter(|seen| (seen.len() as u64) < wanted) {
            seen.retain(|known| *known != index);
        }
    }
}

/// Times and indices within a rolling window.
#[derive(Clone, Debug, Default)]
pub(super) struct Rolling {
    /// By time, then index.
    seen: Vec<(Instant, u64)>,
    /// Flagged; until then the situation is the same.
    quiet_until: Option<Instant>,
}

/// A rolling window that holds enough.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Full {
    /// Begin and end (not included).
    pub(super) window: (Instant, Instant),
    pub(super) trades: Vec<u64>,
}

impl Rolling {
    /// Adds one; returns the first window of `length` ms with this one in it that holds `wanted`, once per window.
    pub(super) fn add(&mut self, at: Instant, index: u64, length: i64, wanted: u64) -> Option<Full> {
        let place = self.seen.partition_point(|seen| *seen <= (at, index));
        self.seen.insert(place, (at, index));
        let ends = self.seen[place..]
            .iter()
            .map(|(end, _)| *end)
            .take_while(|end| *end < at.plus_millis(length));
        let full = ends
            .map(|end| self.window(end.plus_millis(1), length))
            .find(|w| w.trades.len() as u64 >= wanted)?;
        if self.quiet_until.is_some_and(|until| full.window.1 <= until) {
            return None;
        }
        self.quiet_until = Some(full.window.1.plus_millis(length));
        Some(full)
    }

    fn window(&self, until: Instant, length: i64) -> Full {
        let from = until.plus_millis(-length);
        let inside = self.seen.iter().filter(|(at, _)| (from..until).contains(at));
        Full {
            window: (from, until),
            trades: inside.map(|(_, index)| *index).collect(),
        }
    }

    /// Takes one out again.
    pub(super) fn remove(&mut self, index: u64) {
        self.seen.retain(|(_, known)| *known != index);
    }

    /// Forgets what no later window can hold; true if nothing is left.
    pub(super) fn forget(&mut self, clock: &Clock, length: i64) -> bool {
        let late = length + i64::from(LATE_DAYS) * DAY_MS;
        self.seen.retain(|(at, _)| clock.keeps(*at, late));
        self.quiet_until = self.quiet_until.filter(|until| !clock.is_ahead(*until, length));
        self.seen.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const W: i64 = 1_000;

    fn at(ms: i64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn a_rolling_window_is_half_open() {
        let mut rolling = Rolling::default();
        assert_eq!(rolling.add(at(0), 1, W, 2), None);
        assert_eq!(
            rolling.add(at(1_000), 2, W, 2),
            None,
            "exactly the window's length apart"
        );
        let full = rolling.add(at(1_999), 3, W, 2).expect("two within a second");
        assert_eq!((full.window, full.trades), ((at(1_000), at(2_000)), vec![2, 3]));
    }

    #[test]
    fn late_ones_take_their_place() {
        let mut rolling = Rolling::default();
        rolling.add(at(0), 1, W, 3);
        rolling.add(at(900), 3, W, 3);
        let full = rolling.add(at(500), 7, W, 3).expect("three within a second");
        assert_eq!((full.window.1, full.trades), (at(901), vec![1, 7, 3]));
    }

    #[test]
    fn once_per_window_then_again() {
        let mut rolling = Rolling::default();
        let fired: Vec<i64> = (0..30)
            .map(|n| n * 100)
            .filter(|ms| rolling.add(at(*ms), *ms as u64, W, 3).is_some())
            .collect();
        assert_eq!(fired, [200, 1_300, 2_400]);
        let later = |ms| {
            let mut clock = Clock::default();
            (0..3).for_each(|minute| clock.tick(at(ms + minute * 60_000)));
            clock
        };
        assert!(!rolling.forget(&later(3_000), W) && rolling.forget(&later(3_000 + 3 * DAY_MS), W));
    }

    #[test]
    fn days_are_forgotten_and_counted_once() {
        let day = Day::from_number;
        let mut days: ByDay<u8, Vec<u64>> = ByDay::default();
        let turned = |number| {
            let mut clock = Clock::default();
            (0..3).for_each(|minute| clock.tick(day(number).start().plus_millis(minute * 60_000)));
            clock
        };
        days.turn(&turned(10));
        assert_eq!(days.count_to(2, day(10), 1, 5), None);
        assert_eq!(days.count_to(2, day(10), 1, 6), Some(vec![5, 6]));
        assert_eq!(days.count_to(2, day(10), 1, 7), None);
        assert_eq!(days.count_to(2, day(10), 2, 7), None);
        assert!(
            days.entry(day(8), 1).is_some()
                && days.entry(day(7), 1).is_none()
                && days.entry(day(12), 1).is_none()
        );
        days.turn(&turned(13));
        assert!(days.days.is_empty());
    }
}
