//! The machine's clocks.

use domain::{Clock, Instant};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Wall clock, and a clock since this was made that never goes back.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock(std::time::Instant);

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock(std::time::Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Instant::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// The desk has no keys that die; its sessions may pause with the machine.
    fn since_boot(&self) -> Duration {
        self.0.elapsed()
    }
}
