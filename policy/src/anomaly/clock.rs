//! The journal's clock, as far as it can be believed.
//!
//! Entries bear the time of the host that wrote them. A host whose clock was wrong for a moment must neither make the watch
//! forget what it needs nor blind it until that moment comes: so a leap is followed at once, in either direction, but nothing
//! is forgotten by it before a later entry shows that the clock stayed there. All of it is read from the journal, so a replay
//! believes the same.

use super::window::LATE_DAYS;
use domain::{Day, Instant};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// An entry this much later shows that the clock stayed where it had leapt.
const STAYS_MS: i64 = 60_000;

/// The time of a journal that is being read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    now: Instant,
    /// What may be forgotten is told by this: never ahead of `now`, and behind it after a leap.
    sure: Instant,
    /// Where the clock leapt to, until it is known to have stayed there.
    leap: Option<Instant>,
}

impl Clock {
    /// An entry of this time. Times that fall back by less than an hour move nothing: entries are not strictly in order.
    pub(super) fn tick(&mut self, at: Instant) {
        if let Some(leap) = self.leap.filter(|leap| at >= leap.plus_millis(STAYS_MS)) {
            (self.sure, self.leap) = (leap, None);
        }
        if at > self.now.plus_millis(HOUR_MS) || at < self.now.plus_millis(-HOUR_MS) {
            (self.now, self.leap) = (at, Some(at));
        } else {
            self.now = self.now.max(at);
        }
        self.sure = match self.leap {
            Some(_) => self.sure.min(self.now),
            None => self.now,
        };
    }

    /// What decides on forgetting, to the day.
    pub(super) fn stands(&self) -> (Day, Day, bool) {
        (self.today(), self.sure.day(), self.leap.is_some())
    }

    /// The day of the latest entry.
    pub(super) fn today(&self) -> Day {
        self.now.day()
    }

    /// The latest time that is sure.
    pub(super) fn sure(&self) -> Instant {
        self.sure
    }

    /// Does what was seen at this time still matter to a window of `length` ms?
    pub(super) fn keeps(&self, at: Instant, length: i64) -> bool {
        at >= self.sure.plus_millis(-length) && !self.is_ahead(at, 0)
    }

    /// The same for a natural day and trades that come late.
    pub(super) fn keeps_day(&self, day: Day) -> bool {
        day.number() >= self.sure.day().number() - LATE_DAYS && !self.is_ahead(day.start(), 0)
    }

    /// More than a day and `length` ms ahead: written under a clock that was wrong.
    pub(super) fn is_ahead(&self, at: Instant, length: i64) -> bool {
        self.leap.is_none() && at > self.now.plus_millis(length + DAY_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Instant {
        Instant::from_secs(1_767_225_600).plus_millis(hours * HOUR_MS)
    }

    fn clock(times: &[Instant]) -> Clock {
        let mut clock = Clock::default();
        times.iter().for_each(|at| clock.tick(*at));
        clock
    }

    #[test]
    fn a_leap_is_followed_at_once_and_forgets_nothing_before_it_stays() {
        let (start, later) = (at(0), at(35_040));
        let run = [start, start.plus_millis(STAYS_MS)];
        let sure = clock(&run).sure();
        assert_eq!(sure, run[1]);
        let leapt = clock(&[run[0], run[1], later, later.plus_millis(1_000)]);
        assert_eq!((leapt.today(), leapt.sure()), (later.day(), sure));
        let back = clock(&[run[0], run[1], later, later.plus_millis(1_000), at(1)]);
        assert_eq!((back.today(), back.sure()), (at(1).day(), sure));
        assert!(
            back.keeps(later, 0),
            "which of the two was wrong is not known yet"
        );
        let back = clock(&[run[0], run[1], later, at(1), at(1).plus_millis(STAYS_MS)]);
        assert_eq!(back.sure(), at(1).plus_millis(STAYS_MS));
        assert!(!back.keeps(later, 0) && back.keeps(at(0), HOUR_MS + STAYS_MS));
        let stayed = clock(&[run[0], run[1], later, later.plus_millis(STAYS_MS)]);
        assert_eq!(stayed.sure(), later.plus_millis(STAYS_MS));
        let set_back = clock(&[later, later.plus_millis(STAYS_MS), at(0)]);
        assert_eq!(set_back.sure(), at(0));
    }

    #[test]
    fn a_journal_of_one_entry_in_two_hours_forgets_all_the_same() {
        let clock = clock(&[at(0), at(2), at(4), at(6)]);
        assert_eq!((clock.today(), clock.sure()), (at(6).day(), at(4)));
    }

    #[test]
    fn small_steps_back_move_nothing() {
        let clock = clock(&[at(0), at(1), at(0)]);
        assert_eq!((clock.now, clock.sure), (at(1), at(1)));
    }
}
