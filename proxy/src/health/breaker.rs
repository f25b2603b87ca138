//! One account's one class of operations: what came of the last calls, and whether new ones go there. Pure; time is told.

use crate::config::Routing;
use domain::{Ailment, BreakerState};
use std::{collections::VecDeque, time::Duration};

/// Calls that are remembered at most.
const MOST_REMEMBERED: usize = 64;
/// After a call that failed so much later the next one is made that makes it certain.
const SECOND_LOOK: Duration = Duration::from_millis(500);
/// Shares and averages say nothing before so many: one bad call of a quiet shop moves nobody.
const LEAST_CALLS: usize = 8;

/// One call that ended.
#[derive(Clone, Copy, Debug)]
struct Call {
    at: Duration,
    took: Duration,
    bad: bool,
}

/// Whether calls go there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Closed,
    Open {
        until: Duration,
    },
    /// One call at a time; since when one is under way.
    HalfOpen {
        trial: Option<Duration>,
    },
}

/// A call for a new order got no answer, and the breaker is closed: before it is certain, others of the merchant's accounts
/// come first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Doubt {
    /// Nothing has come from there since.
    Silent {
        /// When a call last ended without an answer.
        since: Duration,
        /// When a question of ours was begun after that.
        asked: Option<Duration>,
    },
    /// Something has: one order at a time tries it out; since when one is under way.
    Trial { since: Option<Duration> },
}

/// What the breaker became.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Turn {
    /// What it was.
    pub from: BreakerState,
    /// What it is.
    pub to: BreakerState,
    /// What it suffers from, where it opened.
    pub ailment: Option<Ailment>,
}

/// How calls fare, for routing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Looks {
    /// Whether calls go there.
    pub barred: Option<Barred>,
    /// 0 for a success rate of 95 % and more within the window, 1 for 80 %, 2 for less.
    pub unreliable: u8,
    /// 1 where the calls of the window took more than half of what counts as slow, on average.
    pub slow: u8,
    /// The last call got no answer, and nothing has come from there since, or one order tries it out just now.
    pub suspect: bool,
}

/// Why no call goes there where another account is in order; the last is the worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Barred {
    /// It is not closed, but the last call that ended badly was answered, only late: its orders come to be.
    Slow,
    /// It is half open, and another call tries it out.
    OnTrial,
    /// It is open.
    Open,
}

impl Barred {
    /// Its calls are answered all the same.
    pub fn answers(self) -> bool {
        self == Barred::Slow
    }
}

/// The breaker.
#[derive(Debug)]
pub struct Breaker {
    settings: Routing,
    state: State,
    /// While it is closed.
    doubt: Option<Doubt>,
    calls: VecDeque<Call>,
    /// Bad calls without a good one between them.
    in_a_row: u32,
    /// While it is not closed: what ended badly last was answered, only late.
    late: bool,
    /// How often it opened without having been closed for good.
    openings: u32,
    /// Since when a question of ours is under way, for no order's sake.
    asking: Option<Duration>,
    /// Somebody would like to know.
    wanted: bool,
    /// When it last began to mend.
    mending: Duration,
}

impl Breaker {
    /// Closed, and without memory.
    pub fn new(settings: Routing) -> Breaker {
        Breaker {
            settings,
            state: State::Closed,
            doubt: None,
            calls: VecDeque::new(),
            in_a_row: 0,
            late: false,
            openings: 0,
            asking: None,
            wanted: false,
            mending: Duration::ZERO,
        }
    }

    /// It was not closed when the last run ended: nobody's payer tries it out before a probe has been answered, and that one
    /// is due at once.
    pub fn restore(&mut self, now: Duration) {
        self.openings = 1;
        self.state = State::Open { until: now };
    }

    /// What it is now, for the record.
    pub fn state(&self) -> BreakerState {
        match self.state {
            State::Closed => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// A call ended. A slow answer is a good one for its order and a bad one for the account.
    pub fn feed(&mut self, now: Duration, took: Duration, ailment: Option<Ailment>) -> Option<Turn> {
        (self.asking, self.wanted) = (None, false);
        let ailment = ailment.or((took >= self.settings.slow).then_some(Ailment::Slow));
        // What was begun while it was lost, and ends badly only now, says nothing of how it is since.
        if ailment.is_some() && now.saturating_sub(took) < self.mending {
            return None;
        }
        self.remember(Call {
            at: now,
            took,
            bad: ailment.is_some(),
        });
        self.doubt = ailment
            .filter(|ailment| is_silence(*ailment))
            .map(|_| Doubt::Silent {
                since: now,
                asked: None,
            });
        match (self.state, ailment) {
            (State::Closed, Some(ailment)) if self.is_enough() => self.open(now, ailment),
            (State::HalfOpen { .. }, Some(ailment)) => self.open(now, ailment),
            (State::HalfOpen { .. }, None) => self.close(now),
            // What was under way when it opened, or had nowhere else to go.
            (State::Open { .. }, None) => self.half_open(now),
            // No turn, but its orders may come to be again, or do so no more.
            (State::Open { .. }, Some(ailment)) => {
                self.late = ailment == Ailment::Slow;
                None
            }
            _ => None,
        }
    }

    /// Another call to the same account ended, a close or a question. Where one for a new order got no answer, this tells what
    /// that meant: none again counts as much, and after any answer an order may try it out.
    //= C65
    pub fn feed_beside(&mut self, now: Duration, took: Duration, ailment: Option<Ailment>) -> Option<Turn> {
        if self.state != State::Closed && ailment.is_some_and(is_silence) {
            // What was begun while it was lost says nothing of how it is since.
            self.late &= now.saturating_sub(took) < self.mending;
        }
        let (State::Closed, Some(Doubt::Silent { .. })) = (self.state, self.doubt) else {
            return None;
        };
        let Some(ailment) = ailment.filter(|ailment| is_silence(*ailment)) else {
            self.doubt = Some(Doubt::Trial { since: None });
            return None;
        };
        self.remember(Call {
            at: now,
            took,
            bad: true,
        });
        self.doubt = Some(Doubt::Silent {
            since: now,
            asked: None,
        });
        match self.is_enough() {
            true => self.open(now, ailment),
            false => None,
        }
    }

    /// The probe of an open breaker, or of one in doubt, answered, or did not.
    pub fn probed(&mut self, now: Duration, ailment: Option<Ailment>) -> Option<Turn> {
        match (self.state, ailment) {
            (State::Open { .. }, None) => self.half_open(now),
            (State::Open { .. }, Some(_)) => {
                // No turn: it was open and stays so.
                self.late = false;
                self.openings = self.openings.saturating_add(1);
                self.state = State::Open {
                    until: now + self.rest(),
                };
                None
            }
            (State::Closed, None) if matches!(self.doubt, Some(Doubt::Silent { .. })) => {
                self.doubt = Some(Doubt::Trial { since: None });
                None
            }
            _ => None,
        }
    }

    /// True once an open breaker has rested, or soon after a call that got no answer; the next probe is due, and no other until
    /// this one's word.
    pub fn take_probe(&mut self, now: Duration) -> bool {
        if let (State::Closed, Some(Doubt::Silent { since, asked })) = (self.state, &mut self.doubt) {
            let next = asked.map_or(*since + SECOND_LOOK, |at| at + self.settings.trial);
            let due = next <= now;
            if due {
                *asked = Some(now);
            }
            return due;
        }
        match self.state {
            State::Open { until } if until <= now => {
                self.state = State::Open {
                    until: now + self.settings.rest_most,
                };
                true
            }
            _ => false,
        }
    }

    /// An order was handed out. If nobody has asked for a while, a question of ours is due.
    pub fn want(&mut self, now: Duration) {
        let last = self.calls.back().map(|last| last.at);
        self.wanted |= last.is_none_or(|last| last + self.settings.trial <= now);
    }

    /// The same for a breaker that judges by questions. What is asked for no order's sake is as good there as any other call:
    /// so it tries out itself what is half open, and asks soon again after a call that failed, until that is certain.
    pub fn take_question(&mut self, now: Duration) -> bool {
        if self.asking.is_some_and(|since| now < since + self.settings.trial) {
            return false;
        }
        let due = match self.state {
            State::Open { until } => until <= now,
            State::HalfOpen { .. } => true,
            State::Closed => {
                let failed = self.calls.back().filter(|_| self.in_a_row > 0);
                self.wanted || failed.is_some_and(|last| last.at + SECOND_LOOK <= now)
            }
        };
        if due {
            self.asking = Some(now);
        }
        due
    }

    /// How its calls fare.
    pub fn looks(&self, now: Duration) -> Looks {
        let barred = match self.state {
            State::Closed => None,
            State::HalfOpen { trial } if trial.is_none_or(|since| since + self.settings.trial <= now) => None,
            _ if self.late => Some(Barred::Slow),
            State::Open { .. } => Some(Barred::Open),
            State::HalfOpen { .. } => Some(Barred::OnTrial),
        };
        if self.state != State::Closed {
            return Looks {
                barred,
                ..Looks::default()
            }; // whoever tries it out shall not be held off by what was before
        }
        let suspect = match self.doubt {
            Some(Doubt::Silent { .. }) => true,
            Some(Doubt::Trial { since: Some(since) }) => now < since + self.settings.trial,
            Some(Doubt::Trial { since: None }) | None => false,
        };
        let recent = self.recent(now);
        let (mut count, mut bad, mut took) = (0_u32, 0_u32, Duration::ZERO);
        for call in recent {
            count += 1;
            bad += u32::from(call.bad);
            took += call.took;
        }
        if (count as usize) < LEAST_CALLS {
            return Looks {
                suspect,
                ..Looks::default()
            };
        }
        let unreliable = match bad * 100 {
            worse if worse <= count * 5 => 0,
            worse if worse <= count * 20 => 1,
            _ => 2,
        };
        let slow = took > self.settings.slow * count / 2;
        Looks {
            barred,
            unreliable,
            slow: u8::from(slow),
            suspect,
        }
    }

    /// A call is about to go there: where it is half open, or in doubt, it is the one that tries it out.
    pub fn begin(&mut self, now: Duration) {
        if let State::HalfOpen { trial } = &mut self.state {
            *trial = Some(now);
        }
        if let Some(Doubt::Trial { since }) = &mut self.doubt {
            *since = Some(now);
        }
    }

    fn remember(&mut self, call: Call) {
        self.in_a_row = if call.bad {
            self.in_a_row.saturating_add(1)
        } else {
            0
        };
        if self.calls.len() == MOST_REMEMBERED {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
        let past = call.at.saturating_sub(self.settings.window);
        while self.calls.front().is_some_and(|oldest| oldest.at < past) {
            self.calls.pop_front();
        }
    }

    fn recent(&self, now: Duration) -> impl Iterator<Item = &Call> {
        let past = now.saturating_sub(self.settings.window);
        self.calls.iter().filter(move |call| call.at >= past)
    }

    fn is_enough(&self) -> bool {
        let bad = self.calls.iter().filter(|call| call.bad).count();
        self.in_a_row >= self.settings.failures
            || (self.calls.len() >= LEAST_CALLS
                && bad * 100 >= self.calls.len() * self.settings.bad_percent as usize)
    }

    /// Twice as long each time, up to the longest rest.
    fn rest(&self) -> Duration {
        self.settings
            .rest
            .saturating_mul(1 << self.openings.saturating_sub(1).min(10))
            .min(self.settings.rest_most)
    }

    fn open(&mut self, now: Duration, ailment: Ailment) -> Option<Turn> {
        self.openings = self.openings.saturating_add(1);
        self.late = ailment == Ailment::Slow;
        let until = now + self.rest();
        self.turn(State::Open { until }, Some(ailment))
    }

    fn half_open(&mut self, now: Duration) -> Option<Turn> {
        self.mending = now;
        self.turn(State::HalfOpen { trial: None }, None)
    }

    fn close(&mut self, now: Duration) -> Option<Turn> {
        self.mending = now;
        self.calls.clear();
        self.in_a_row = 0;
        self.openings = 0;
        self.turn(State::Closed, None)
    }

    fn turn(&mut self, to: State, ailment: Option<Ailment>) -> Option<Turn> {
        let from = self.state();
        self.state = to;
        self.doubt = None;
        Some(Turn {
            from,
            to: self.state(),
            ailment,
        })
    }
}

/// Nothing came from there that could be taken for an answer.
fn is_silence(ailment: Ailment) -> bool {
    matches!(
        ailment,
        Ailment::NotConnected | Ailment::Broken | Ailment::Silent | Ailment::ChannelError
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::BreakerState as B;

    const QUICK: Duration = Duration::from_millis(40);

    fn breaker() -> Breaker {
        Breaker::new(Routing {
            failures: 3,
            bad_percent: 50,
            slow: Duration::from_secs(2),
            window: Duration::from_secs(30),
            rest: Duration::from_secs(5),
            rest_most: Duration::from_secs(15),
            trial: Duration::from_secs(10),
        })
    }

    fn at(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn three_failures_in_a_row_open_it_and_a_probe_and_a_good_order_close_it() {
        let mut b = breaker();
        assert_eq!(b.feed(at(1), QUICK, Some(Ailment::NotConnected)), None);
        assert_eq!(b.feed(at(1), QUICK, None), None, "a good one between");
        for _ in 0..2 {
            assert_eq!(b.feed(at(2), QUICK, Some(Ailment::NotConnected)), None);
        }
        let opened = b.feed(at(2), QUICK, Some(Ailment::Silent)).expect("opens");
        assert_eq!(
            (opened.from, opened.to, opened.ailment),
            (B::Closed, B::Open, Some(Ailment::Silent))
        );
        assert_eq!(b.looks(at(3)).barred, Some(Barred::Open));
        assert!(
            !b.take_probe(at(6)) && b.take_probe(at(7)) && !b.take_probe(at(8)),
            "one probe, once it has rested"
        );
        assert_eq!(
            b.probed(at(8), Some(Ailment::Silent)),
            None,
            "it stays open, for twice as long"
        );
        assert!(!b.take_probe(at(17)) && b.take_probe(at(18)));
        assert_eq!(b.probed(at(18), None).map(|t| t.to), Some(B::HalfOpen));
        assert_eq!(b.looks(at(18)).barred, None);
        b.begin(at(18));
        assert_eq!(
            b.looks(at(19)).barred,
            Some(Barred::OnTrial),
            "one order at a time"
        );
        assert_eq!(b.looks(at(28)).barred, None, "a trial that nobody ended is over");
        assert_eq!(b.feed(at(29), QUICK, None).map(|t| t.to), Some(B::Closed));
        assert_eq!(b.looks(at(29)), Looks::default(), "and what was is forgotten");
    }

    #[test]
    fn questions_make_certain_soon_and_close_it_again_without_an_order() {
        let mut b = breaker();
        assert!(!b.take_question(at(1)), "nothing failed");
        let half = |secs: f64| Duration::from_secs_f64(secs);
        b.feed(at(1), QUICK, Some(Ailment::NotConnected));
        assert!(!b.take_question(half(1.4)) && b.take_question(half(1.5)));
        assert!(!b.take_question(at(2)), "one at a time");
        b.feed(at(2), QUICK, Some(Ailment::NotConnected));
        assert!(b.take_question(at(3)));
        let opened = b.feed(at(3), QUICK, Some(Ailment::NotConnected));
        assert_eq!(opened.map(|t| t.to), Some(B::Open));
        assert!(!b.take_question(at(7)) && b.take_question(at(8)), "it rests");
        assert_eq!(b.feed(at(8), QUICK, Some(Ailment::NotConnected)), None);
        assert_eq!(b.probed(at(8), Some(Ailment::NotConnected)), None);
        assert!(!b.take_question(at(17)) && b.take_question(at(18)), "for longer");
        assert_eq!(b.feed(at(18), QUICK, None).map(|t| t.to), Some(B::HalfOpen));
        assert_eq!(b.probed(at(18), None), None);
        assert!(b.take_question(at(18)));
        assert_eq!(b.feed(at(18), QUICK, None).map(|t| t.to), Some(B::Closed));
        assert!(!b.take_question(at(19)));
    }

    /// One order that got no answer is enough for the next to go elsewhere; what is asked then decides.
    #[test]
    //= C65
    fn after_one_call_without_an_answer_others_come_first_until_something_comes() {
        let suspects = |b: &Breaker, secs| (b.looks(at(secs)).barred, b.looks(at(secs)).suspect);
        let mut b = breaker();
        b.feed(at(1), QUICK, Some(Ailment::Slow));
        assert_eq!(suspects(&b, 1), (None, false), "an answer that took long is one");
        b.feed(at(5), QUICK, Some(Ailment::Silent));
        assert_eq!(suspects(&b, 100), (None, true), "until something is heard");
        assert!(b.take_probe(at(6)) && !b.take_probe(at(7)), "one question");
        assert_eq!(b.feed_beside(at(7), QUICK, None), None);
        assert_eq!(suspects(&b, 7), (None, false));
        b.begin(at(7));
        assert_eq!(suspects(&b, 8), (None, true), "one order at a time");
        b.feed(at(8), QUICK, None);
        assert_eq!(suspects(&b, 8), (None, false));
        assert_eq!(
            b.feed_beside(at(9), QUICK, Some(Ailment::Silent)),
            None,
            "no doubt"
        );
        assert_eq!(suspects(&b, 9), (None, false));
        // The close after it gets no answer either, nor does the question.
        assert_eq!(b.feed(at(20), QUICK, Some(Ailment::Silent)), None);
        assert_eq!(b.feed_beside(at(25), QUICK, Some(Ailment::Silent)), None);
        let opened = b.feed_beside(at(26), QUICK, Some(Ailment::NotConnected));
        assert_eq!(opened.map(|t| (t.from, t.to)), Some((B::Closed, B::Open)));
        assert_eq!(suspects(&b, 27), (Some(Barred::Open), false));
    }

    /// A quiet shop's page order is asked for after minutes; whether its account is there is asked when it is handed out.
    #[test]
    fn a_question_is_wanted_where_nobody_asked_for_a_while() {
        let mut b = breaker();
        b.want(at(1));
        assert!(b.take_question(at(1)));
        b.feed(at(1), QUICK, None);
        b.want(at(10));
        assert!(!b.take_question(at(10)), "asked nine seconds ago");
        b.want(at(11));
        assert!(b.take_question(at(11)));
        b.feed(at(11), QUICK, Some(Ailment::NotConnected));
        assert!(b.take_question(at(12)), "and again after one that failed");
    }

    /// A start in the middle of an outage begins where the last run was, but for the rest: that is over.
    #[test]
    fn what_was_open_is_open_after_a_start_and_is_probed_at_once() {
        let mut b = breaker();
        b.restore(at(1));
        assert_eq!((b.state(), b.looks(at(1)).barred), (B::Open, Some(Barred::Open)));
        assert!(b.take_probe(at(1)));
        assert_eq!(b.probed(at(2), Some(Ailment::Silent)), None, "still down");
        assert!(!b.take_probe(at(11)) && b.take_probe(at(12)));
        assert_eq!(b.probed(at(12), None).map(|t| t.to), Some(B::HalfOpen));
    }

    /// "I do not know" about one order was said by somebody: it is no silence, and breaks one that was.
    #[test]
    //= C65
    fn the_channels_own_doubt_about_an_order_is_bad_and_no_silence() {
        let mut b = breaker();
        b.feed(at(1), QUICK, Some(Ailment::Unsure));
        assert!(!b.looks(at(1)).suspect);
        b.feed(at(2), QUICK, Some(Ailment::ChannelError));
        assert!(b.looks(at(2)).suspect);
        b.feed_beside(at(3), QUICK, Some(Ailment::Unsure));
        assert!(!b.looks(at(3)).suspect, "something came from there");
        let opened = b.feed(at(4), QUICK, Some(Ailment::Unsure));
        assert_eq!(opened.and_then(|turn| turn.ailment), Some(Ailment::Unsure));
    }

    /// What answered late and now answers nobody takes no order, and what was begun before it mended says nothing of that.
    #[test]
    //= C65
    fn a_silent_call_beside_ends_that_it_is_only_late() {
        let silent = Some(Ailment::Silent);
        let late = || {
            let mut b = breaker();
            for n in 0..3 {
                b.feed(at(n), at(3), None);
            }
            assert_eq!(b.looks(at(3)).barred, Some(Barred::Slow));
            b
        };
        let mut b = late();
        b.feed_beside(at(4), QUICK, Some(Ailment::Unsure));
        b.feed_beside(at(4), QUICK, None);
        assert_eq!(b.looks(at(4)).barred, Some(Barred::Slow), "it answers");
        assert_eq!(b.feed_beside(at(4), QUICK, silent), None, "it is open already");
        assert_eq!(b.looks(at(4)).barred, Some(Barred::Open));
        let mut b = late();
        b.probed(at(20), None);
        b.begin(at(20));
        b.feed_beside(at(21), at(5), silent);
        assert_eq!(b.looks(at(21)).barred, Some(Barred::Slow), "begun before");
        b.feed_beside(at(21), QUICK, silent);
        assert_eq!(b.looks(at(21)).barred, Some(Barred::OnTrial));
    }

    #[test]
    fn a_failed_trial_rests_longer_and_never_longer_than_the_most() {
        let mut b = breaker();
        let mut now = 0;
        for rest in [5, 10, 15, 15] {
            if b.state() == B::Closed {
                for _ in 0..3 {
                    b.feed(at(now), QUICK, Some(Ailment::Broken));
                }
            } else {
                // Begun and ended at once.
                assert_eq!(
                    b.feed(at(now), Duration::ZERO, Some(Ailment::Broken))
                        .map(|t| t.to),
                    Some(B::Open)
                );
            }
            assert!(
                !b.take_probe(at(now + rest - 1)) && b.take_probe(at(now + rest)),
                "rests {rest} s"
            );
            now += rest;
            assert_eq!(b.probed(at(now), None).map(|t| t.to), Some(B::HalfOpen));
        }
    }

    #[test]
    fn half_of_many_opens_it_and_slow_ones_count() {
        let mut b = breaker();
        for n in 0..7 {
            let ailment = (n % 2 == 0).then_some(Ailment::ChannelError);
            assert_eq!(b.feed(at(1), QUICK, ailment), None);
        }
        let last = Looks {
            suspect: true,
            ..Looks::default()
        };
        assert_eq!(b.looks(at(2)), last, "seven say nothing, but for the last one");
        assert!(b.feed(at(2), QUICK, Some(Ailment::ChannelError)).is_some());
        let mut b = breaker();
        for n in 0..3 {
            let turned = b.feed(at(1), at(3), None);
            assert_eq!(turned.and_then(|t| t.ailment), (n == 2).then_some(Ailment::Slow));
        }
    }

    #[test]
    fn what_was_begun_while_it_was_lost_does_not_open_it_again() {
        let mut breaker = breaker();
        for n in 0..3 {
            breaker.feed(at(n), Duration::ZERO, Some(Ailment::NotConnected));
        }
        assert_eq!(breaker.state(), B::Open);
        breaker.probed(at(20), None);
        breaker.feed(at(21), Duration::ZERO, None);
        assert_eq!(breaker.state(), B::Closed);
        // Calls into the black hole that end only now.
        for _ in 0..9 {
            assert_eq!(
                breaker.feed(at(22), Duration::from_secs(4), Some(Ailment::NotConnected)),
                None
            );
        }
        assert_eq!(breaker.state(), B::Closed);
        for n in 23..26 {
            breaker.feed(at(n), Duration::from_millis(5), Some(Ailment::NotConnected));
        }
        assert_eq!(breaker.state(), B::Open, "what is begun since counts");
    }

    #[test]
    fn what_is_past_the_window_counts_no_more() {
        let mut b = breaker();
        for n in 0..20 {
            b.feed(at(n), QUICK, (n % 10 == 0).then_some(Ailment::Broken));
        }
        assert_eq!(
            b.looks(at(20)),
            Looks {
                unreliable: 1,
                ..Looks::default()
            },
            "a tenth failed"
        );
        assert_eq!(b.looks(at(80)), Looks::default());
        for n in 80..90 {
            b.feed(at(n), Duration::from_millis(1500), None);
        }
        assert_eq!(
            b.looks(at(90)),
            Looks {
                slow: 1,
                ..Looks::default()
            }
        );
    }
}
