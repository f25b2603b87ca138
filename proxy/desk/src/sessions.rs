//! Who is signed in: in memory only, so that a restart signs everybody out.

use crate::users::User;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{Clock, Digest};
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};
use subtle::ConstantTimeEq;

/// A session ends after so long without a request.
pub const IDLE: Duration = Duration::from_secs(30 * 60);
/// And after so long in any case.
const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// Wrong passwords per name, and per source, before tries are refused for [`WINDOW`].
const TRIES_PER_NAME: usize = 10;
const TRIES_PER_SOURCE: usize = 30;
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Somebody signed in.
#[derive(Clone)]
pub struct Session {
    /// Who, as the file of users had it then.
    pub user: User,
    /// What every changing request must carry.
    pub csrf: String,
    begun: Duration,
    seen: Duration,
}

/// All sessions, and the tries of those who have none.
pub struct Sessions {
    clock: Arc<dyn Clock>,
    /// By SHA-256 of the cookie, so that a look into memory gives no cookie, and comparing takes no secret's time.
    open: Mutex<HashMap<[u8; 32], Session>>,
    tries: Mutex<HashMap<Try, Vec<Duration>>>,
    key: [u8; 32],
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Try {
    Name([u8; 32]),
    Source(IpAddr),
}

impl Sessions {
    /// Nobody is signed in.
    pub fn new(clock: Arc<dyn Clock>) -> Sessions {
        Sessions {
            clock,
            open: Mutex::default(),
            tries: Mutex::default(),
            key: crate::random(),
        }
    }

    /// Begins a session; yields the cookie and the session.
    pub fn begin(&self, user: User) -> (String, Session) {
        let cookie = URL_SAFE_NO_PAD.encode(crate::random::<32>());
        let now = self.clock.since_boot();
        let csrf = URL_SAFE_NO_PAD.encode(crate::random::<24>());
        let session = Session {
            user,
            csrf,
            begun: now,
            seen: now,
        };
        let mut open = self.open.lock();
        open.retain(|_, session| session.alive(now));
        open.insert(digest(&cookie), session.clone());
        (cookie, session)
    }

    /// The session of a cookie, if it lives; its idle time begins anew.
    pub fn get(&self, cookie: &str) -> Option<Session> {
        let now = self.clock.since_boot();
        let mut open = self.open.lock();
        let key = digest(cookie);
        match open.get_mut(&key) {
            Some(session) if session.alive(now) => {
                session.seen = now;
                Some(session.clone())
            }
            Some(_) => {
                open.remove(&key);
                None
            }
            None => None,
        }
    }

    /// Ends a session.
    pub fn end(&self, cookie: &str) {
        self.open.lock().remove(&digest(cookie));
    }

    /// Counts a try as failed before its password is looked at, since many may be under way at once. Yields when that was, for
    /// [`Sessions::succeeded`]; `None` if this name, or this source, failed too often.
    pub fn count(&self, name: &str, source: IpAddr) -> Option<Duration> {
        // Read under the lock: of two that try at once, the one who waits must not come with the older time.
        let mut tries = self.tries.lock();
        let now = self.clock.since_boot();
        tries.retain(|_, all| {
            all.retain(|at| now.saturating_sub(*at) < WINDOW);
            !all.is_empty()
        });
        let of = [
            (self.name(name), TRIES_PER_NAME),
            (Try::Source(source), TRIES_PER_SOURCE),
        ];
        let full = |(of, most): &(Try, usize)| tries.get(of).is_some_and(|all| all.len() >= *most);
        if of.iter().any(full) {
            return None;
        }
        for (of, _) in of {
            tries.entry(of).or_default().push(now);
        }
        Some(now)
    }

    /// The try of that moment succeeded: it was no failure of its source, and the name's failures are forgotten.
    pub fn succeeded(&self, name: &str, source: IpAddr, at: Duration) {
        let mut tries = self.tries.lock();
        tries.remove(&self.name(name));
        if let Some(all) = tries.get_mut(&Try::Source(source))
            && let Some(own) = all.iter().position(|other| *other == at)
        {
            all.swap_remove(own);
        }
    }

    fn name(&self, name: &str) -> Try {
        Try::Name(*self.tried(name).as_bytes())
    }

    /// Digest of a name that was tried, keyed for this run: a password typed into the wrong field is not kept.
    pub fn tried(&self, name: &str) -> Digest {
        Digest::from_bytes(self.keyed(b"tried", name))
    }

    /// What the sign-in form carries against the cookie that came with it.
    pub fn form_token(&self, cookie: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.keyed(b"form", cookie))
    }

    fn keyed(&self, what: &[u8], text: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(what);
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl Session {
    fn alive(&self, now: Duration) -> bool {
        now.saturating_sub(self.seen) < IDLE && now.saturating_sub(self.begun) < LONGEST
    }

    /// Is it this session's token?
    pub fn is_csrf(&self, token: &str) -> bool {
        same(&self.csrf, token)
    }
}

/// Equal, in a time that does not say where they differ.
pub fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

fn digest(cookie: &str) -> [u8; 32] {
    Sha256::digest(cookie).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Instant;
    use std::{net::Ipv4Addr, thread};

    /// Holds up whoever reads it first, so that the next one reads a later time before.
    #[derive(Debug, Default)]
    struct Staggered(Mutex<u64>);

    impl Clock for Staggered {
        fn now(&self) -> Instant {
            Instant::from_millis(0)
        }

        fn since_boot(&self) -> Duration {
            let read = {
                let mut reads = self.0.lock();
                *reads += 1;
                *reads
            };
            if read == 1 {
                thread::sleep(Duration::from_millis(200));
            }
            Duration::from_secs(read)
        }
    }

    #[test]
    fn of_two_tries_at_once_none_is_counted_with_the_older_time_last() {
        let sessions = Sessions::new(Arc::new(Staggered::default()));
        let from = IpAddr::from(Ipv4Addr::LOCALHOST);
        thread::scope(|scope| {
            let all = [(); 2].map(|()| scope.spawn(|| sessions.count("li", from)));
            for one in all {
                assert!(one.join().expect("no panic").is_some());
            }
        });
        let tries = sessions.tries.lock();
        let counted = &tries[&Try::Source(from)];
        assert!(counted.is_sorted() && counted.len() == 2, "{counted:?}");
    }
}
