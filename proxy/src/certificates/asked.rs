//! Who asks for certificates, and how often: each account apart, so that nobody waits for another's channel.

use domain::{AccountNo, Channel, Clock};
use parking_lot::Mutex;
use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

/// A sender of made-up serials cannot make us ask a channel more often than this, per account.
const AT_MOST_EVERY: Duration = Duration::from_secs(10);

/// Whose certificates.
pub(super) type Whose = (Channel, AccountNo);

/// Which accounts asked lately.
#[derive(Default)]
pub(crate) struct Asked(Mutex<HashMap<Whose, Arc<Turn>>>);

/// One account's.
#[derive(Default)]
struct Turn {
    /// Held while one asks: who comes meanwhile finds the certificate, or that there is none.
    asking: tokio::sync::Mutex<()>,
    /// When the last question was asked, and again when it had its end; since boot.
    last: Mutex<Option<Duration>>,
}

impl Turn {
    fn stamp(&self, now: Duration) {
        *self.last.lock() = Some(now);
    }

    fn is_recent(&self, now: Duration) -> bool {
        self.last
            .lock()
            .is_some_and(|last| now.saturating_sub(last) < AT_MOST_EVERY)
    }
}

impl Asked {
    /// Runs `fetch`, for this time at most, unless what is wanted came meanwhile or the account asked a moment ago; true if
    /// it is here then.
    pub(super) async fn fetched(
        &self,
        whose: Whose,
        clock: &dyn Clock,
        most: Duration,
        is_here: impl Fn() -> bool,
        fetch: impl Future<Output = ()>,
    ) -> bool {
        let turn = self.turn(whose, clock.since_boot());
        let _asking = turn.asking.lock().await;
        if is_here() {
            return true;
        }
        if turn.is_recent(clock.since_boot()) {
            return false;
        }
        // A caller who hangs up has asked all the same.
        turn.stamp(clock.since_boot());
        if tokio::time::timeout(most, fetch).await.is_err() {
            tracing::warn!("platform certificates did not come in time");
        }
        // Those who waited for a question that failed do not ask it again one after the other.
        turn.stamp(clock.since_boot());
        is_here()
    }

    fn turn(&self, whose: Whose, now: Duration) -> Arc<Turn> {
        let mut turns = self.0.lock();
        turns.retain(|_, turn| Arc::strong_count(turn) > 1 || turn.is_recent(now));
        turns.entry(whose).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use std::{
        future::pending,
        sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    };

    fn account(channel: Channel) -> Whose {
        (channel, AccountNo::new("1900000109").expect("lawful"))
    }

    /// A place that takes connections and answers nothing: fifty answers wait for one question, and another account's for
    /// none of it.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_black_hole_costs_one_answer_time_and_nobody_else() {
        const MOST: Duration = Duration::from_secs(3);
        let (asked, questions) = (Arc::new(Asked::default()), Arc::new(AtomicUsize::new(0)));
        let lost: Vec<_> = (0..50)
            .map(|_| {
                let (asked, questions) = (asked.clone(), questions.clone());
                tokio::spawn(async move {
                    let fetch = async {
                        questions.fetch_add(1, Ordering::SeqCst);
                        pending().await
                    };
                    asked
                        .fetched(account(Channel::Wechat), &SystemClock, MOST, || false, fetch)
                        .await
                })
            })
            .collect();
        while questions.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let here = AtomicBool::new(false);
        let fetch = async { here.store(true, Ordering::SeqCst) };
        let is_here = || here.load(Ordering::SeqCst);
        assert!(
            asked
                .fetched(account(Channel::Alipay), &SystemClock, MOST, is_here, fetch)
                .await
        );
        assert!(
            lost.iter().all(|one| !one.is_finished()),
            "the other account had to wait"
        );
        for one in lost {
            assert!(!one.await.expect("ends"));
        }
        assert_eq!(questions.load(Ordering::SeqCst), 1, "each asked again");
    }

    #[tokio::test]
    async fn who_hangs_up_has_asked_and_an_account_that_asked_long_ago_asks_again() {
        let (asked, second) = (Asked::default(), Duration::from_secs(1));
        let whose = account(Channel::Wechat);
        let hung = asked.fetched(whose.clone(), &SystemClock, second, || false, pending());
        assert!(
            tokio::time::timeout(Duration::from_millis(20), hung)
                .await
                .is_err()
        );
        let again = async { panic!("a made-up serial asked at once again") };
        assert!(
            !asked
                .fetched(whose.clone(), &SystemClock, second, || false, again)
                .await
        );
        let turn = asked.turn(whose.clone(), SystemClock.since_boot());
        turn.stamp(SystemClock.since_boot() - AT_MOST_EVERY);
        let here = AtomicBool::new(false);
        let fetch = async { here.store(true, Ordering::SeqCst) };
        let is_here = || here.load(Ordering::SeqCst);
        assert!(asked.fetched(whose, &SystemClock, second, is_here, fetch).await);
    }
}
