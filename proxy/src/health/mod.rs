//! How each account of each channel does, learned from the calls that are made anyway: orders, closes, refunds, queries,
//! unified or passed through. Looked at by `route`; kept in memory only, since after a start nothing is known.

mod breaker;
mod probe;

pub use breaker::{Barred, Breaker, Looks, Turn};
pub(crate) use probe::run as probe;

use crate::{app::App, config::Routing, outbound::SendError};
use channel::{Answer, Failure, FailureClass};
use domain::*;
use parking_lot::{Mutex, RwLock};
use std::{collections::HashMap, sync::Arc, time::Duration};

/// The breakers of one account.
struct Gauges([Mutex<Breaker>; 3]);

impl Gauges {
    fn of(&self, class: OperationClass) -> &Mutex<Breaker> {
        let [place, change, ask] = &self.0;
        match class {
            OperationClass::Place => place,
            OperationClass::Change => change,
            OperationClass::Ask => ask,
        }
    }
}

/// All breakers. Locks are held for nanoseconds and never over an await.
pub struct Health {
    settings: Routing,
    gauges: RwLock<HashMap<(Channel, AccountNo), Arc<Gauges>>>,
}

/// A call that ended, as its account's health sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) took: Duration,
    pub(crate) ailment: Option<Ailment>,
}

impl Health {
    /// Nothing is known yet.
    pub fn new(settings: Routing) -> Health {
        Health {
            settings,
            gauges: RwLock::default(),
        }
    }

    fn gauges(&self, channel: Channel, account: &AccountNo) -> Arc<Gauges> {
        let key = (channel, account.clone());
        if let Some(known) = self.gauges.read().get(&key) {
            return known.clone();
        }
        let new = || Mutex::new(Breaker::new(self.settings));
        self.gauges
            .write()
            .entry(key)
            .or_insert_with(|| Arc::new(Gauges([new(), new(), new()])))
            .clone()
    }

    /// How an account fares; `None` while nothing is known of it.
    pub fn looks(
        &self,
        channel: Channel,
        account: &AccountNo,
        class: OperationClass,
        now: Duration,
    ) -> Looks {
        let known = self.gauges.read().get(&(channel, account.clone())).cloned();
        known.map_or_else(Looks::default, |gauges| gauges.of(class).lock().looks(now))
    }

    /// A new order is about to go there.
    pub fn begin(&self, channel: Channel, account: &AccountNo, now: Duration) {
        if let Some(gauges) = self.gauges.read().get(&(channel, account.clone())) {
            gauges.of(OperationClass::Place).lock().begin(now);
        }
    }

    /// Accounts whose breaker for new orders has rested: a probe is due.
    fn due(&self, now: Duration) -> Vec<(Channel, AccountNo)> {
        let all = self.gauges.read();
        let due = all
            .iter()
            .filter(|(_, gauges)| gauges.of(OperationClass::Place).lock().take_probe(now));
        due.map(|(key, _)| key.clone()).collect()
    }
}

impl App {
    /// A call to an account ended. A breaker that turns is counted and goes on record.
    pub(crate) fn fed(&self, account: &channel::Account, operation: Operation, ended: Ended) {
        let class = OperationClass::of(operation);
        let gauges = self.health().gauges(account.channel, &account.account);
        let turn = gauges
            .of(class)
            .lock()
            .feed(self.clock().since_boot(), ended.took, ended.ailment);
        if let Some(turn) = turn {
            self.turned(account.channel, &account.account, class, turn);
        }
    }

    fn probed(&self, channel: Channel, account: &AccountNo, ailment: Option<Ailment>) {
        let gauges = self.health().gauges(channel, account);
        let turn = gauges
            .of(OperationClass::Place)
            .lock()
            .probed(self.clock().since_boot(), ailment);
        if let Some(turn) = turn {
            self.turned(channel, account, OperationClass::Place, turn);
        }
    }

    fn turned(&self, channel: Channel, account: &AccountNo, class: OperationClass, turn: Turn) {
        self.metrics().breaker_turned(channel, class, turn);
        tracing::warn!(
            channel = channel.as_str(),
            class = class.as_str(),
            state = turn.to.as_str(),
            "an account's breaker turned"
        );
        let event = TradeEvent::BreakerTurned {
            account: account.clone(),
            ailment: turn.ailment,
            channel,
            class,
            state: turn.to,
        };
        let app = self.clone();
        drop(self.spawn_work(async move {
            if let Err(error) = app.ledger().note(None, vec![event]).await {
                tracing::error!(%error, "a breaker's turn could not be put on record");
            }
        }));
    }
}

/// What a call that got no answer says of its account.
pub(crate) fn of_error(error: &SendError) -> Ailment {
    match error {
        SendError::NotSent(_) => Ailment::NotConnected,
        SendError::Broken => Ailment::Broken,
        SendError::Timeout => Ailment::Silent,
        SendError::TooLarge => Ailment::Unreadable,
    }
}

/// What an answer says of the account, whatever it says of the order.
pub(crate) fn of_answer(answer: &Answer) -> Option<Ailment> {
    match answer {
        Answer::Unclear(Unclear::Timeout) => Some(Ailment::Silent),
        Answer::Unclear(Unclear::Connection) => Some(Ailment::Broken),
        Answer::Unclear(Unclear::ChannelError) => Some(Ailment::ChannelError),
        Answer::Unclear(Unclear::Signature | Unclear::Garbage) => Some(Ailment::Unreadable),
        Answer::Failed(Failure {
            class: FailureClass::Unknown,
            ..
        }) => Some(Ailment::ChannelError),
        Answer::Failed(Failure {
            class: FailureClass::Setup,
            ..
        }) => Some(Ailment::Account),
        Answer::Failed(Failure {
            class: FailureClass::Busy,
            ..
        }) => Some(Ailment::Limited),
        _ => None,
    }
}
