//! Waiting times that can be shortened while they run, and what the wall clock says.

use domain::Instant;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// Divides waiting times. Timestamps are never touched.
#[derive(Debug)]
pub struct Clock {
    speed: watch::Sender<f64>,
}

impl Clock {
    /// A clock at this speed; what is not a positive number counts as 1.
    pub fn new(speed: f64) -> Clock {
        Clock {
            speed: watch::channel(if valid(speed) { speed } else { 1.0 }).0,
        }
    }

    /// Changes the speed, also for those already waiting; false if the speed makes no sense.
    pub fn set(&self, speed: f64) -> bool {
        valid(speed) && {
            self.speed.send_replace(speed);
            true
        }
    }

    /// The present speed.
    pub fn speed(&self) -> f64 {
        *self.speed.borrow()
    }

    /// Waits for so long, divided by the speed.
    pub async fn wait(&self, time: Duration) {
        let mut changes = self.speed.subscribe();
        let mut left = time.as_secs_f64();
        while left > 0.0 {
            let speed = *changes.borrow_and_update();
            let begun = tokio::time::Instant::now();
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs_f64(left / speed)) => return,
                changed = changes.changed() => {
                    left -= begun.elapsed().as_secs_f64() * speed;
                    if changed.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

fn valid(speed: f64) -> bool {
    speed.is_finite() && speed > 0.0
}

/// What the wall clock says.
pub(crate) fn now() -> Instant {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Instant::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// `2026-11-23 20:47:13` in China time, as Alipay writes it.
pub(crate) fn china(at: Instant) -> String {
    at.to_string().replace('T', " ").chars().take(19).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn alipay_writes_china_time() {
        assert_eq!(china(Instant::from_secs(0)), "1970-01-01 08:00:00");
    }

    #[tokio::test]
    async fn a_wait_under_way_is_shortened() {
        let clock = std::sync::Arc::new(Clock::new(1.0));
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { clock.wait(Duration::from_secs(600)).await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(clock.set(100_000.0));
        tokio::time::timeout(Duration::from_secs(2), waiting)
            .await
            .unwrap()
            .unwrap();
        assert!(!clock.set(0.0) && !clock.set(f64::NAN));
    }
}
