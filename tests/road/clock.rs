//! What tests must know of the clock: where a day ends, and how soon an order may end.

use domain::Instant;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where days end in China, in seconds of a UTC day: UnionPay's at 23:00, everybody else's an hour later.
const DAY_ENDS: [u64; 2] = [15 * 3600, 16 * 3600];
const A_DAY: u64 = 86_400;

/// The time now.
pub(crate) fn now() -> Instant {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Instant::from_millis(since.unwrap_or_default().as_millis() as i64)
}

/// An end that is taken though the order is under way for a while: the API wants a minute at least. To be asked for anew for
/// each order.
pub(crate) fn ends_soon() -> Instant {
    Instant::from_secs(now().secs() + 70)
}

/// What holds on one day only begins where no day ends within so many minutes: one that does is waited for.
pub(crate) async fn clear_of_day_ends(minutes: u64) {
    let wait = until_clear(now().secs().unsigned_abs() % A_DAY, minutes * 60);
    if wait > 0 {
        println!("a day ends within {minutes} minutes: {wait} s are waited");
        tokio::time::sleep(Duration::from_secs(wait)).await;
    }
}

/// Seconds to wait, at this second of a UTC day.
fn until_clear(at: u64, seconds: u64) -> u64 {
    let left = |end: &u64| (end + A_DAY - at) % A_DAY;
    let next = DAY_ENDS.iter().map(left).filter(|left| *left < seconds).max();
    next.map_or(0, |left| left + 2)
}

#[test]
fn a_day_that_ends_soon_is_waited_for_and_no_other() {
    let at = |hour: u64, minute: u64| until_clear(hour * 3600 + minute * 60, 240);
    assert_eq!((at(14, 55), at(14, 57), at(15, 0)), (0, 182, 2));
    assert_eq!((at(15, 1), at(15, 59), at(16, 1), at(23, 59)), (0, 62, 0, 0));
}
