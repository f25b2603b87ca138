//! Payers who were sent to their wallet's authorisation and have not come back. In memory only: nothing of a payer is in
//! it, and whoever comes back after a restart begins anew.

use crate::asks::Asker;
use domain::{AccountNo, Amount, CodeId, OrderNo};
use parking_lot::Mutex;
use std::{collections::HashMap, time::Duration};
use subtle::ConstantTimeEq;

/// A state is good for so long: as long as a wallet's code (channels.md 7).
pub(super) const LIFE: Duration = Duration::from_secs(300);
/// No more than so many at once; a flood forgets the oldest, not the machine.
const MOST: usize = 100_000;

/// What a payer was about to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    pub(super) code: CodeId,
    /// Whose app asks. It stays with us, as all of this does: nobody who comes back can name another.
    pub(super) by: Asker,
    /// Whose app asked before, where it is the second time that this payer is asked for: there is no third.
    pub(super) former: Option<AccountNo>,
    pub(super) order_no: OrderNo,
    pub(super) amount: Amount,
    /// The payer says that the former way was not paid.
    pub(super) left: bool,
    /// What the browser's cookie must say.
    pub(super) browser: String,
    /// Since boot.
    pub(super) until: Duration,
}

/// All that were given out.
#[derive(Default)]
pub(super) struct States(Mutex<HashMap<String, Begun>>);

impl States {
    /// Gives a new state out.
    pub(super) fn give(&self, begun: Begun) -> String {
        let state = crate::signature::nonce();
        let mut all = self.0.lock();
        if all.len() >= MOST
            && let Some(oldest) = all
                .iter()
                .min_by_key(|(_, b)| b.until)
                .map(|(state, _)| state.clone())
        {
            all.remove(&oldest);
        }
        all.insert(state.clone(), begun);
        state
    }

    /// Takes it back, once, from the browser that was given it.
    //= C70
    pub(super) fn take(&self, state: &str, browser: &str, now: Duration) -> Option<Begun> {
        let mut all = self.0.lock();
        let begun = all.get(state)?;
        let same: bool = begun.browser.as_bytes().ct_eq(browser.as_bytes()).into();
        // Whoever else brings it does not use it up.
        if !same {
            return None;
        }
        all.remove(state).filter(|begun| now < begun.until)
    }

    /// Forgets those that count no longer.
    pub(super) fn tidy(&self, now: Duration) {
        self.0.lock().retain(|_, begun| now < begun.until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Channel;

    #[test]
    //= C70
    fn a_state_counts_once_in_its_own_browser_and_not_for_long() {
        let states = States::default();
        let begun = |until| Begun {
            code: CodeId::from_random([1; 10]),
            by: Asker {
                channel: Channel::Wechat,
                account: "1900000109".parse().expect("lawful"),
                appid: None,
            },
            former: None,
            order_no: "Q1".parse().expect("lawful"),
            amount: Amount::from_fen(1),
            left: false,
            browser: "b".into(),
            until: Duration::from_secs(until),
        };
        let (one, two) = (states.give(begun(10)), states.give(begun(10)));
        assert_eq!(
            states.take(&one, "other", Duration::from_secs(1)),
            None,
            "another browser"
        );
        assert_eq!(states.take(&one, "b", Duration::from_secs(1)), Some(begun(10)));
        assert_eq!(
            states.take(&one, "b", Duration::from_secs(1)),
            None,
            "a second time"
        );
        assert_eq!(states.take(&two, "b", Duration::from_secs(10)), None, "too late");
        states.give(begun(10));
        states.tidy(Duration::from_secs(11));
        assert!(states.0.lock().is_empty());
    }
}
