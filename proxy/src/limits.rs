//! Keyed refusal, never a queue: governor cells per merchant, per channel, per source.

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use std::{hash::Hash, net::IpAddr, num::NonZeroU32, time::Duration};

/// Requests per second, and how many at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// Steady rate.
    pub per_second: NonZeroU32,
    /// Cell size.
    pub burst: NonZeroU32,
}

impl Rate {
    /// A rate of at least one.
    pub fn new(per_second: u32, burst: u32) -> Rate {
        let at_least_one = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Rate {
            per_second: at_least_one(per_second),
            burst: at_least_one(burst.max(per_second)),
        }
    }

    /// So many times as much.
    pub fn times(self, n: u32) -> Rate {
        Rate::new(
            self.per_second.get().saturating_mul(n),
            self.burst.get().saturating_mul(n),
        )
    }

    fn quota(self) -> Quota {
        Quota::per_second(self.per_second).allow_burst(self.burst)
    }
}

/// One limiter over keys of one kind.
pub struct Limiter<K: Hash + Eq + Clone> {
    rate: Rate,
    cells: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    /// A limiter with the same rate for every key.
    pub fn new(rate: Rate) -> Limiter<K> {
        Limiter {
            rate,
            cells: RateLimiter::keyed(rate.quota()),
            clock: DefaultClock::default(),
        }
    }

    /// Its rate.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes one; otherwise says how long to wait, rounded up to whole seconds.
    pub fn take(&self, key: &K) -> Result<(), Duration> {
        self.cells
            .check_key(key)
            .map_err(|not_until| whole_seconds(not_until.wait_time_from(self.clock.now())))
    }

    /// True where nobody's requests count any more.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Forgets keys that are as good as new.
    pub fn tidy(&self) {
        self.cells.retain_recent();
        self.cells.shrink_to_fit();
    }
}

fn whole_seconds(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(Duration::from_secs(1))
}

/// Sources: IPv4 by address, IPv6 by /64.
pub fn source(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => v6
            .to_ipv4_mapped()
            .map_or(u128::from(v6) >> 64 << 64, |v4| u128::from(u32::from(v4))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_beyond_the_burst_and_says_when_to_come_again() {
        let limiter = Limiter::new(Rate::new(1, 3));
        for _ in 0..3 {
            assert_eq!(limiter.take(&"m1"), Ok(()));
        }
        let wait = limiter.take(&"m1").expect_err("the cell is full");
        assert!(wait >= Duration::from_secs(1) && wait <= Duration::from_secs(2));
        assert_eq!(limiter.take(&"m2"), Ok(()), "another key has its own cell");
    }

    #[test]
    fn one_network_of_ipv6_is_one_source() {
        let of = |t: &str| source(t.parse().expect("address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8::1"));
        assert_eq!(of("::ffff:1.2.3.4"), of("1.2.3.4"));
    }
}
