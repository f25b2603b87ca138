//! Accounts of which this run cannot ask the channel, though something is open there, and since when.

use super::App;
use crate::exchange;
use domain::*;
use ledger::Attempt;
use parking_lot::Mutex;
use std::{collections::HashMap, time::Duration};

/// An account, and a way to pay: some of these have keys of their own.
type Of = (Channel, AccountNo, PayWay);

/// Since when of each, since boot.
#[derive(Default)]
pub(super) struct Unasked(Mutex<HashMap<Of, Duration>>);

impl Unasked {
    /// For how long; and true where that begins now.
    fn lasts(&self, of: Of, now: Duration) -> (Duration, bool) {
        let mut all = self.0.lock();
        let begins = !all.contains_key(&of);
        let since = *all.entry(of).or_insert(now);
        (now.saturating_sub(since), begins)
    }

    /// What can be asked again begins anew, should it be lost once more; what cannot goes on from where it began.
    fn again(&self, can: impl Fn(&Of) -> bool) {
        let all: Vec<Of> = self.0.lock().keys().cloned().collect();
        for of in all.iter().filter(|of| can(of)) {
            self.0.lock().remove(of);
        }
    }
}

impl App {
    /// For how long this run cannot ask the channel about what is open at this attempt's account. Told once, and again when it
    /// is lost once more.
    pub(crate) fn cannot_be_asked(&self, attempt: &Attempt) -> Duration {
        let of = (attempt.channel, attempt.account.clone(), attempt.pay_way);
        let (lasts, begins) = self.0.unasked.lasts(of, self.clock().since_boot());
        if begins {
            tracing::error!(
                channel = attempt.channel.as_str(),
                account = attempt.account.as_str(),
                pay_way = attempt.pay_way.as_str(),
                "the channel cannot be asked about open orders of this account: no file has it, or its key or its host is not here; they end as unresolved after the channel's window, once this has lasted as long"
            );
        }
        lasts
    }

    /// Registries or keys are others.
    pub(super) fn may_ask_again(&self) {
        let registries = self.registries();
        self.0.unasked.again(|(channel, account, pay_way)| {
            let known = registries.owner_on_record(*channel, account);
            known
                .is_some_and(|(_, facts)| exchange::can_ask(self, &self.account(facts, None, None), *pay_way))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that somebody copies anew is gone for a moment, and a change of another account's says nothing of this one.
    #[test]
    //= C82
    fn what_cannot_be_asked_counts_from_its_own_beginning() {
        let secs = Duration::from_secs;
        let unasked = Unasked::default();
        let of = |no: &str| {
            let account = AccountNo::new(no).expect("lawful");
            (Channel::Wechat, account, PayWay::Native)
        };
        assert_eq!(unasked.lasts(of("a"), secs(10)), (secs(0), true));
        assert_eq!(unasked.lasts(of("b"), secs(20)), (secs(0), true));
        unasked.again(|(_, account, _)| account.as_str() == "b");
        assert_eq!(
            unasked.lasts(of("a"), secs(30)),
            (secs(20), false),
            "the other one came back"
        );
        assert_eq!(
            unasked.lasts(of("b"), secs(30)),
            (secs(0), true),
            "it begins anew"
        );
    }
}
