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
    /// For how long the channel repeats a notice.
    notices: Duration,
    /// For how long a refund may take, its notice included.
    refunds: Duration,
}

const HOUR: u64 = 3600;

/// Notices come after 15 s, 15 s, 30 s, 3 min, 10 min, 20 min, 30 min … for a day (channels.md 1.6). `SYSTEM_ERROR` may be
/// asked for at once (1.11). A refund to a card may take some working days [unverified].
const WECHAT: Gaps = Gaps {
    unknown: &[3, 3, 6, 12, 24, 48, 96, 192, 300],
    placed: &[30, 30, 60, 180, 600, 1200, 1800],
    refund: &[30, 60, 180, 600, 1800, 3600],
    notices: Duration::from_secs(24 * HOUR),
    refunds: Duration::from_secs(10 * 24 * HOUR),
};

/// Notices come after 4 min, 10 min, 10 min, 1 h … for 25 hours (channels.md 3.5). What is unknown is asked for every
/// 3 to 6 s for a minute (3.3). Refunds are done when the call is (3.1).
const ALIPAY: Gaps = Gaps {
    unknown: &[3, 3, 6, 6, 6, 6, 6, 6, 6, 6, 6, 60, 300],
    placed: &[30, 240, 600, 600, 1800],
    refund: &[30, 60, 300, 3600],
    notices: Duration::from_secs(25 * HOUR),
    refunds: Duration::from_secs(10 * 24 * HOUR),
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
        };
        Schedule { gaps, times }
    }

    /// Before the next look at what is unknown, after so many.
    pub(crate) fn unknown(&self, tries: u32) -> Duration {
        gap(self.gaps.unknown, tries, self.times.unknown_after)
    }

    /// Before the next look at an order that waits for its payer.
    pub(crate) fn placed(&self, tries: u32) -> Duration {
        gap(self.gaps.placed, tries, self.times.placed_after)
    }

    /// Before the next look at a refund under way.
    pub(crate) fn refund(&self, tries: u32) -> Duration {
        gap(self.gaps.refund, tries, self.times.refund_after)
    }

    /// Before what the channel would not pay back is sent again: each time four times as long, an hour at most.
    pub(crate) fn refused_refund(&self, tries: u32) -> Duration {
        self.times.unknown_after.saturating_mul(1 << (2 * tries.min(8))).min(Duration::from_secs(HOUR).max(self.times.unknown_after))
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

/// The configured first look stands for the first gap, and stretches the others alike.
fn gap(gaps: &[u32], tries: u32, first: Duration) -> Duration {
    let at = (tries as usize).min(gaps.len() - 1);
    first.saturating_mul(gaps[at]) / gaps[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_refund_is_sent_again_at_growing_distance_up_to_an_hour() {
        let zero = Duration::ZERO;
        let unknown_after = Duration::from_secs(3);
        let times = Times {
            answer: zero, connect: zero, claim_wait: zero, order: zero, unknown_after, placed_after: zero, refund_after: zero, silence: None,
            notify_after: zero, notify_until: zero, drain: zero,
        };
        let schedule = Schedule::of(Channel::Wechat, times);
        let secs: Vec<u64> = (1..=6).map(|tries| schedule.refused_refund(tries).as_secs()).collect();
        assert_eq!(secs, [12, 48, 192, 768, 3072, 3600]);
    }

    #[test]
    fn gaps_are_the_channels_own_and_scale_with_the_first() {
        let secs = Duration::from_secs;
        assert_eq!(gap(WECHAT.placed, 0, secs(30)), secs(30));
        assert_eq!(gap(WECHAT.placed, 3, secs(30)), secs(180));
        assert_eq!(gap(WECHAT.placed, 99, secs(30)), secs(1800), "the last one repeats");
        assert_eq!(gap(ALIPAY.placed, 1, secs(30)), secs(240), "each channel has its own");
        assert_eq!(gap(ALIPAY.placed, 1, secs(1)), secs(8));
        assert!(ALIPAY.notices > WECHAT.notices);
    }
}
