//! When each channel is asked what nobody told: by the channel's own schedule, stretched or shortened by the
//! configured first look.

use crate::config::Times;
use domain::Channel;
use std::time::Duration;

/// One channel's schedule. Gaps are seconds at the standing settings; the last one repeats.
struct Gaps {
    /// Of what was sent and not answered.
    unknown: &'static [u32],
    /// Of what waits for its payer: a little after the channel's own notice would have come.
    placed: &'static [u32],
    /// Of refunds under way.
    refund: &'static [u32],
    /// Of a payment-code order that is open.
    charge: &'static [u32],
    /// Is a charge of which nobody knows asked for at once, before any of these?
    charge_unknown_at_once: bool,
    /// So long may its payer take.
    charge_wait: Duration,
    /// Not sooner after the charging call it may be reversed.
    reverse_after: Duration,
    /// Do we reverse there by an order's own number, whatever it has of it? Else an order that was not charged ends with its own
    /// time, and only what was charged can be taken back. (UnionPay's 冲正 is the merchant's own client's, `charge/cancel.rs`.)
    reverses_by_number: bool,
    /// For how long the channel repeats a notice.
    notices: Duration,
    /// For how long a refund may take, its notice included.
    refunds: Duration,
}

const HOUR: u64 = 3600;
/// The standing first looks of the configuration, in seconds: with them every channel is asked at its own gaps.
const STANDING_UNKNOWN: u32 = 3;
const STANDING_PLACED: u32 = 30;
const STANDING_REFUND: u32 = 30;

/// Notices come after 15 s, 15 s, 30 s, 3 min, 10 min, 20 min, 30 min … for a day (channels.md 1.6). `SYSTEM_ERROR` may be
/// asked for at once (1.11). A refund to a card may take some working days [unverified]. A payer who types a password is
/// asked for every 5 s for about 30 s, a charge of which nobody knows at once; a reverse is not sent within 15 s of the
/// charging call (2.2), and nobody is told of a payment by code (1.12).
const WECHAT: Gaps = Gaps {
    unknown: &[3, 3, 6, 12, 24, 48, 96, 192, 300],
    placed: &[30, 30, 60, 180, 600, 1200, 1800],
    refund: &[30, 60, 180, 600, 1800, 3600],
    charge: &[5],
    charge_unknown_at_once: true,
    charge_wait: Duration::from_secs(30),
    // From the intent on; the call reaches WeChat a moment later, and 15 s count from there.
    reverse_after: Duration::from_secs(16),
    notices: Duration::from_secs(24 * HOUR),
    refunds: Duration::from_secs(10 * 24 * HOUR),
    reverses_by_number: true,
};

/// Notices come after 4 min, 10 min, 10 min, 1 h … for 25 hours (channels.md 3.5). What is unknown is asked for every
/// 3 to 6 s for a minute, and so is a payer who types a password (3.3). Refunds are done when the call is (3.1).
const ALIPAY: Gaps = Gaps {
    unknown: &[3, 3, 6, 6, 6, 6, 6, 6, 6, 6, 6, 60, 300],
    placed: &[30, 240, 600, 600, 1800],
    refund: &[30, 60, 300, 3600],
    charge: &[3, 3, 6],
    charge_unknown_at_once: false,
    charge_wait: Duration::from_secs(60),
    reverse_after: Duration::ZERO,
    notices: Duration::from_secs(25 * HOUR),
    refunds: Duration::from_secs(10 * 24 * HOUR),
    reverses_by_number: true,
};

/// Browser orders are asked for after 5, 10, 30, 60 and 120 minutes, server calls, refunds among them, after 1, 2, 4, 8, 16 and 32
/// seconds while nobody knows (channels.md 4.4). Its plan ends with the sixth, and with any answer but 03, 04 and 05. Ours goes on where
/// nothing would be left to end it: "no such order" is no last word before the order's own end, notices come five times
/// within 12 minutes and then never, and a refund may take some working days [unverified]. So what is open then is asked for ever
/// more slowly, for UnionPay refuses who asks too often (respCode 37); a payment code's own minute has room for the six.
const UNIONPAY: Gaps = Gaps {
    unknown: &[1, 2, 4, 8, 16, 32, 300, 600, 1800, 3600],
    placed: &[300, 300, 1200, 1800, 3600],
    refund: &[1, 2, 4, 8, 16, 32, 300, 600, 1800, 3600],
    charge: &[1, 2, 4, 8, 16, 32, 60, 120, 300, 600, 1800, 3600],
    charge_unknown_at_once: false,
    charge_wait: Duration::from_secs(60),
    reverse_after: Duration::ZERO,
    notices: Duration::from_secs(HOUR),
    refunds: Duration::from_secs(10 * 24 * HOUR),
    reverses_by_number: false,
};

/// Nothing is documented [unverified]: browser orders are asked for as at UnionPay, refunds take some working days.
const BAIDU: Gaps = Gaps {
    unknown: &[3, 6, 12, 24, 48, 96, 192, 300],
    placed: &[60, 300, 600, 1800, 3600],
    refund: &[60, 120, 300, 600, 1800, 3600],
    charge: &[5],
    charge_unknown_at_once: false,
    charge_wait: Duration::from_secs(60),
    reverse_after: Duration::ZERO,
    notices: Duration::from_secs(24 * HOUR),
    refunds: Duration::from_secs(10 * 24 * HOUR),
    reverses_by_number: true,
};

/// Nothing is documented [unverified]: browser orders are asked for as at UnionPay. What was not paid may be paid until the end
/// of the next day, for the form names no end; so it is asked for seldom then. There are no refunds.
const CCB: Gaps = Gaps {
    unknown: &[3, 6, 12, 24, 48, 96, 300, 1800, 3600],
    refund: &[3600],
    ..BAIDU
};

/// A channel's schedule under the configured times.
pub(crate) struct Schedule {
    gaps: &'static Gaps,
    times: Times,
}

impl Schedule {
    /// Of a channel.
    pub(crate) fn of(channel: Channel, times: Times) -> Schedule {
        let gaps = match channel {
            Channel::Wechat => &WECHAT,
            Channel::Alipay => &ALIPAY,
            Channel::Unionpay => &UNIONPAY,
            Channel::Baidu => &BAIDU,
            // What cannot be asked has no gaps; its notices are waited for as long.
            Channel::Ccb | Channel::Icbc | Channel::Cmb => &CCB,
        };
        Schedule { gaps, times }
    }

    /// Before the next look at what is unknown, after so many.
    pub(crate) fn unknown(&self, tries: u32) -> Duration {
        gap(
            self.gaps.unknown,
            tries,
            self.times.unknown_after,
            STANDING_UNKNOWN,
        )
    }

    /// Before the next look at an order that waits for its payer.
    pub(crate) fn placed(&self, tries: u32) -> Duration {
        gap(self.gaps.placed, tries, self.times.placed_after, STANDING_PLACED)
    }

    /// Before the next look at a refund under way.
    pub(crate) fn refund(&self, tries: u32) -> Duration {
        gap(self.gaps.refund, tries, self.times.refund_after, STANDING_REFUND)
    }

    /// Before the next look at a payment-code order that is open.
    pub(crate) fn charge(&self, tries: u32) -> Duration {
        let first = self
            .times
            .charge_after
            .unwrap_or(Duration::from_secs(u64::from(self.gaps.charge[0])));
        gap(self.gaps.charge, tries, first, self.gaps.charge[0])
    }

    /// Before the next look at a charge of which nobody knows whether it was made.
    pub(crate) fn unknown_charge(&self, tries: u32) -> Duration {
        match self.gaps.charge_unknown_at_once && tries == 0 {
            true => Duration::ZERO,
            false => self.charge(tries),
        }
    }

    /// When the payer's time of a payment-code order is over, from the charging call on.
    pub(crate) fn charge_wait(&self) -> Duration {
        self.times
            .charge_wait
            .unwrap_or(self.gaps.charge_wait)
            .max(self.reverse_after())
    }

    /// When a charging call that the channel knows nothing of is given up: a sixth of the payer's time, but never before the
    /// call's own answer time is over.
    pub(crate) fn charge_lost(&self) -> Duration {
        (self.charge_wait() / 6)
            .max(self.reverse_after())
            .max(self.times.answer)
    }

    /// Not sooner after the charging call a reverse may be sent.
    pub(crate) fn reverse_after(&self) -> Duration {
        self.times.reverse_after.unwrap_or(self.gaps.reverse_after)
    }

    /// Is an order that may not be there reversed at once? Else that would come to nothing before its own end.
    pub(crate) fn reverses_by_number(&self) -> bool {
        self.gaps.reverses_by_number
    }

    /// When a payment-code order that nobody pays ends at the channel by itself, whatever becomes of us: twice the payer's
    /// time, two minutes at least: channels count in minutes, by clocks of their own, and WeChat refuses less than one.
    /// UnionPay counts in seconds, and its own end is the only one that there is: a second after the payer's time.
    pub(crate) fn charge_life(&self) -> Duration {
        if self.gaps.reverses_by_number {
            (self.charge_wait() * 2).max(Duration::from_secs(120))
        } else {
            self.charge_wait() + Duration::from_secs(1)
        }
    }

    /// Before what the channel would not pay back is sent again: each time four times as long, an hour at most.
    pub(crate) fn refused_refund(&self, tries: u32) -> Duration {
        self.times
            .unknown_after
            .saturating_mul(1 << (2 * tries.min(8)))
            .min(Duration::from_secs(HOUR).max(self.times.unknown_after))
    }

    /// So long after a refund began the channel's own query knows of it, if it was taken: UnionPay's six queries (channels.md 4.4),
    /// and as many at the others.
    pub(crate) fn refund_known(&self) -> Duration {
        (0..6).map(|tries| self.unknown(tries)).sum()
    }

    /// After an order's end nobody tells of it any more.
    pub(crate) fn silent_after(&self) -> Duration {
        self.times.silence.unwrap_or(self.gaps.notices)
    }

    /// After a refund's beginning nobody tells of it any more.
    pub(crate) fn refund_silent_after(&self) -> Duration {
        self.times.silence.unwrap_or(self.gaps.refunds)
    }
}

/// The configured first look stands for the standing one, and stretches all gaps of all channels alike.
fn gap(gaps: &[u32], tries: u32, first: Duration, standing: u32) -> Duration {
    let at = (tries as usize).min(gaps.len() - 1);
    first.saturating_mul(gaps[at]) / standing
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// No time is set, but for what a test sets.
    pub(crate) fn unset() -> Times {
        let zero = Duration::ZERO;
        Times {
            answer: zero,
            connect: zero,
            claim_wait: zero,
            order: zero,
            unknown_after: zero,
            placed_after: zero,
            refund_after: zero,
            silence: None,
            charge_after: None,
            charge_wait: None,
            reverse_after: None,
            handed_out: zero,
            notify_after: zero,
            notify_until: zero,
            drain: zero,
        }
    }

    #[test]
    fn a_refused_refund_is_sent_again_at_growing_distance_up_to_an_hour() {
        let schedule = Schedule::of(
            Channel::Wechat,
            Times {
                unknown_after: Duration::from_secs(3),
                ..unset()
            },
        );
        let secs: Vec<u64> = (1..=6)
            .map(|tries| schedule.refused_refund(tries).as_secs())
            .collect();
        assert_eq!(secs, [12, 48, 192, 768, 3072, 3600]);
    }

    #[test]
    fn payment_codes_are_asked_for_and_reversed_at_the_channels_own_times() {
        let zero = Duration::ZERO;
        let secs = Duration::from_secs;
        let own = Times {
            answer: secs(5),
            ..unset()
        };
        let (wechat, alipay) = (
            Schedule::of(Channel::Wechat, own),
            Schedule::of(Channel::Alipay, own),
        );
        assert_eq!(
            (
                wechat.charge(0),
                wechat.charge(9),
                wechat.charge_wait(),
                wechat.reverse_after()
            ),
            (secs(5), secs(5), secs(30), secs(16))
        );
        assert_eq!(
            (
                alipay.charge(0),
                alipay.charge(9),
                alipay.charge_wait(),
                alipay.reverse_after()
            ),
            (secs(3), secs(6), secs(60), zero)
        );
        let unknown = |schedule: &Schedule| [0, 1, 2].map(|tries| schedule.unknown_charge(tries).as_secs());
        assert_eq!(unknown(&wechat), [0, 5, 5], "at once, then as for a password");
        assert_eq!(unknown(&alipay), [3, 3, 6], "every 3 to 6 s, whatever it is");
        let unionpay = Schedule::of(Channel::Unionpay, own);
        let gaps: Vec<u64> = (0..7).map(|tries| unionpay.charge(tries).as_secs()).collect();
        assert_eq!(
            gaps,
            [1, 2, 4, 8, 16, 32, 60],
            "the plan of channels.md 4.4, then slower"
        );
        assert_eq!(
            (
                unionpay.charge_wait(),
                unionpay.charge_life(),
                unionpay.reverses_by_number()
            ),
            (secs(60), secs(61), false),
            "its own end is the only one there is"
        );
        assert_eq!(alipay.charge_life(), secs(120));
        assert_eq!((wechat.charge_lost(), alipay.charge_lost()), (secs(16), secs(10)));
        let quick = Times {
            charge_after: Some(secs(1)),
            charge_wait: Some(secs(2)),
            reverse_after: Some(secs(3)),
            ..own
        };
        let quick = Schedule::of(Channel::Wechat, quick);
        assert_eq!(
            (quick.charge(3), quick.charge_wait()),
            (secs(1), secs(3)),
            "nobody is reversed before it may be"
        );
    }

    #[test]
    fn gaps_are_the_channels_own_and_scale_with_the_first() {
        let secs = Duration::from_secs;
        let placed = |gaps: &Gaps, tries, first| gap(gaps.placed, tries, first, STANDING_PLACED);
        assert_eq!(placed(&WECHAT, 0, secs(30)), secs(30));
        assert_eq!(placed(&WECHAT, 3, secs(30)), secs(180));
        assert_eq!(placed(&WECHAT, 99, secs(30)), secs(1800), "the last one repeats");
        assert_eq!(
            placed(&ALIPAY, 1, secs(30)),
            secs(240),
            "each channel has its own"
        );
        assert_eq!(placed(&ALIPAY, 1, secs(1)), secs(8));
        let minutes = |tries: u32| {
            (0..=tries)
                .map(|n| placed(&UNIONPAY, n, secs(30)).as_secs() / 60)
                .sum::<u64>()
        };
        assert_eq!(
            [0, 1, 2, 3, 4].map(minutes),
            [5, 10, 30, 60, 120],
            "the plan of channels.md 4.4"
        );
        let own = Times {
            unknown_after: secs(3),
            refund_after: secs(30),
            ..unset()
        };
        let server_calls: [fn(&Schedule, u32) -> Duration; 3] =
            [Schedule::unknown, Schedule::refund, Schedule::charge];
        for gap in server_calls {
            let unionpay = Schedule::of(Channel::Unionpay, own);
            let gaps: Vec<u64> = (0..6).map(|tries| gap(&unionpay, tries).as_secs()).collect();
            assert_eq!(gaps, [1, 2, 4, 8, 16, 32], "the plan of channels.md 4.4");
            let day: Duration = (0..28).map(|tries| gap(&unionpay, tries)).sum();
            assert!(day >= secs(17 * 3600), "seldom after the plan: {day:?} for 28");
        }
        assert_eq!(
            Schedule::of(Channel::Unionpay, own).refund_known(),
            secs(63),
            "the whole plan"
        );
        assert!(ALIPAY.notices > WECHAT.notices);
    }
}
