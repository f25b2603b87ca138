//! The machine's clocks.

use domain::{Clock, Instant};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Wall clock and boot-monotonic clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Instant::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    #[allow(unsafe_code)] // clock_gettime has no safe form for CLOCK_BOOTTIME
    fn since_boot(&self) -> Duration {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the pointer is to a live timespec, which clock_gettime fills.
        unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut time) };
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
}
