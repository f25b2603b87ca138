//! Whose turn it is among what is due. An account that does not answer holds each of its looks for as long as a channel may
//! take to answer, so no account has more than a share of its channel's places, no channel those of another, and payment codes
//! (付款码), whose payer stands at the till, have places of their own. Within a channel accounts take turns.

use domain::{AccountNo, Channel, PaymentId};
use std::collections::{HashMap, VecDeque};

/// Looks under way at once, of one account.
const SHARE: usize = 16;
/// Of one channel.
const CHANNEL: usize = 64;
/// Payment codes of one channel, beside these.
const CODES: usize = 128;

/// Where a look goes, and whether a payer stands at a till for it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Lane {
    pub(super) channel: Channel,
    pub(super) account: AccountNo,
    pub(super) code: bool,
}

/// What is due, and what is looked at.
#[derive(Default)]
pub(super) struct Places {
    channels: HashMap<(Channel, bool), Line>,
}

#[derive(Default)]
struct Line {
    busy: usize,
    accounts: HashMap<AccountNo, Own>,
    /// Accounts that wait for something and have a place of their share left, each once.
    turns: VecDeque<AccountNo>,
}

#[derive(Default)]
struct Own {
    busy: usize,
    waiting: VecDeque<PaymentId>,
}

impl Own {
    fn may(&self) -> bool {
        self.busy < SHARE && !self.waiting.is_empty()
    }
}

impl Places {
    /// It is due.
    pub(super) fn wait(&mut self, lane: &Lane, id: PaymentId) {
        let line = self.channels.entry((lane.channel, lane.code)).or_default();
        let own = line.accounts.entry(lane.account.clone()).or_default();
        let could = own.may();
        own.waiting.push_back(id);
        if !could && own.may() {
            line.turns.push_back(lane.account.clone());
        }
    }

    /// The next that has a place; it holds that until [`Places::leave`].
    pub(super) fn take(&mut self) -> Option<(Lane, PaymentId)> {
        for ((channel, code), line) in &mut self.channels {
            if line.busy >= if *code { CODES } else { CHANNEL } {
                continue;
            }
            let Some(account) = line.turns.pop_front() else {
                continue;
            };
            let Some(own) = line.accounts.get_mut(&account) else {
                continue;
            };
            let Some(id) = own.waiting.pop_front() else {
                continue;
            };
            own.busy += 1;
            line.busy += 1;
            if own.may() {
                line.turns.push_back(account.clone());
            }
            let lane = Lane {
                channel: *channel,
                account,
                code: *code,
            };
            return Some((lane, id));
        }
        None
    }

    /// A look is over.
    pub(super) fn leave(&mut self, lane: &Lane) {
        let Some(line) = self.channels.get_mut(&(lane.channel, lane.code)) else {
            return;
        };
        let Some(own) = line.accounts.get_mut(&lane.account) else {
            return;
        };
        let could = own.may();
        own.busy = own.busy.saturating_sub(1);
        line.busy = line.busy.saturating_sub(1);
        if !could && own.may() {
            line.turns.push_back(lane.account.clone());
        }
        if own.busy == 0 && own.waiting.is_empty() {
            line.accounts.remove(&lane.account);
        }
    }
}

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;
