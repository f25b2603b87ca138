//! Accounts that the last run had lost: whose breakers its journal leaves open. Only what stands there: how the account fares
//! now the next run finds out.

use domain::*;
use std::collections::BTreeSet;

/// A breaker that was not closed when the journal ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lost {
    /// Channel.
    pub channel: Channel,
    /// Account.
    pub account: AccountNo,
    /// Which of its breakers.
    pub class: OperationClass,
}

/// All of them.
#[derive(Default)]
pub(crate) struct LostAccounts(BTreeSet<(Channel, AccountNo, OperationClass)>);

impl LostAccounts {
    pub(crate) fn put(&mut self, lost: Lost) {
        self.0.insert((lost.channel, lost.account, lost.class));
    }

    pub(crate) fn all(&self) -> Vec<Lost> {
        let lost = |(channel, account, class): &(Channel, AccountNo, OperationClass)| Lost {
            channel: *channel,
            account: account.clone(),
            class: *class,
        };
        self.0.iter().map(lost).collect()
    }

    pub(crate) fn follow(&mut self, event: &TradeEvent) {
        let TradeEvent::BreakerTurned {
            account,
            channel,
            class,
            state,
            ..
        } = event
        else {
            return;
        };
        let key = (*channel, account.clone(), *class);
        match state {
            BreakerState::Closed => self.0.remove(&key),
            BreakerState::Open | BreakerState::HalfOpen => self.0.insert(key),
        };
    }
}
