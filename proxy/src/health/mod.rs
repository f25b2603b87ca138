//! How each account of each channel does, learned from the calls that are made anyway: orders, closes, refunds, queries,
//! unified or passed through. Looked at by `route` and by payers' pages; kept in memory. What was lost when the last run ended
//! its journal tells, and is asked for before anybody's order goes there.

mod breaker;
mod probe;

pub use breaker::{Barred, Breaker, Looks, Turn};
pub(crate) use probe::run as probe;

use crate::{app::App, config::Routing, outbound::SendError};
use channel::{Answer, Failure, FailureClass};
use domain::*;
use ledger::Lost;
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

    /// How an account fares for a new order of this way to pay. No call of ours places what is handed out: whether its
    /// account can be reached and is in order tell the questions about such orders, and the calls that place others.
    pub fn looks_for(&self, channel: Channel, account: &AccountNo, pay_way: PayWay, now: Duration) -> Looks {
        let placing = self.looks(channel, account, OperationClass::Place, now);
        if !pay_way.is_handed_out(channel) {
            return placing;
        }
        let asking = self.looks(channel, account, OperationClass::Ask, now);
        Looks {
            barred: placing.barred.or(asking.barred),
            unreliable: placing.unreliable.max(asking.unreliable),
            slow: placing.slow.max(asking.slow),
            suspect: placing.suspect,
        }
    }

    /// How an account fares for the order of a wallet's own payer, who must be asked for first. At Alipay that is a call of
    /// ours to the account, a question like others: where none is answered, no order comes to be. WeChat is asked at a host of
    /// its own.
    pub fn looks_in_wallet(&self, channel: Channel, account: &AccountNo, now: Duration) -> Looks {
        let placing = self.looks(channel, account, OperationClass::Place, now);
        let asking = match channel {
            Channel::Alipay => self.looks(channel, account, OperationClass::Ask, now).barred,
            _ => None,
        };
        Looks {
            barred: placing.barred.or(asking),
            ..placing
        }
    }

    /// A new order is about to go there. One that is handed out tries nothing out.
    pub fn begin(&self, channel: Channel, account: &AccountNo, pay_way: PayWay, now: Duration) {
        if pay_way.is_handed_out(channel) {
            return;
        }
        if let Some(gauges) = self.gauges.read().get(&(channel, account.clone())) {
            gauges.of(OperationClass::Place).lock().begin(now);
        }
    }

    /// An order was handed out at this account, and nothing tells whether that is there but questions.
    pub fn handed_out(&self, channel: Channel, account: &AccountNo, now: Duration) {
        if channel::can_be_asked(channel) {
            let gauges = self.gauges(channel, account);
            gauges.of(OperationClass::Ask).lock().want(now);
        }
    }

    /// What was not closed when the last run ended, is not yet.
    fn restore(&self, lost: &Lost, now: Duration) {
        self.gauges(lost.channel, &lost.account)
            .of(lost.class)
            .lock()
            .restore(now);
    }

    /// Accounts of which a question is due: their breaker for new orders has rested or is in doubt, or what is handed out waits
    /// for their breaker of questions.
    fn due(&self, now: Duration) -> Vec<Lost> {
        let all = self.gauges.read();
        let mut due = Vec::new();
        for ((channel, account), gauges) in all.iter() {
            let mut add = |class| {
                due.push(Lost {
                    channel: *channel,
                    account: account.clone(),
                    class,
                });
            };
            if gauges.of(OperationClass::Place).lock().take_probe(now) {
                add(OperationClass::Place);
            }
            if hands_out(*channel) && gauges.of(OperationClass::Ask).lock().take_question(now) {
                add(OperationClass::Ask);
            }
        }
        due
    }
}

impl App {
    /// Begins with what the last run knew of accounts that were lost. A start in the middle of an outage so sends no order
    /// there that the end of the last run would not have sent there.
    //= C65
    pub(crate) fn accounts_were_lost(&self, lost: &[Lost]) {
        for lost in lost {
            self.health().restore(lost, self.clock().since_boot());
            self.metrics().breaker_restored(lost.channel, lost.class);
        }
    }

    /// A call to an account ended. A breaker that turns is counted and goes on record. Bills are fetched at their leisure and
    /// say nothing of orders.
    pub(crate) fn fed(&self, account: &channel::Account, operation: Operation, ended: Ended) {
        if operation == Operation::Bill {
            return;
        }
        let class = OperationClass::of(operation);
        let gauges = self.health().gauges(account.channel, &account.account);
        let (now, place) = (self.clock().since_boot(), OperationClass::Place);
        let turn = gauges.of(class).lock().feed(now, ended.took, ended.ailment);
        if let Some(turn) = turn {
            self.turned(account.channel, &account.account, class, turn);
        }
        if class == place {
            return;
        }
        let turn = gauges
            .of(place)
            .lock()
            .feed_beside(now, ended.took, ended.ailment);
        if let Some(turn) = turn {
            self.turned(account.channel, &account.account, place, turn);
        }
    }

    fn probed(&self, of: &Lost, ailment: Option<Ailment>) {
        let gauges = self.health().gauges(of.channel, &of.account);
        let turn = gauges
            .of(of.class)
            .lock()
            .probed(self.clock().since_boot(), ailment);
        if let Some(turn) = turn {
            self.turned(of.channel, &of.account, of.class, turn);
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

/// Whether any of the channel's orders are handed out.
fn hands_out(channel: Channel) -> bool {
    use PayWay::*;
    [App, Page, Wap, Gateway, GatewayB2b]
        .iter()
        .any(|pay_way| pay_way.is_handed_out(channel))
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
pub(crate) fn of_answer(channel: Channel, answer: &Answer) -> Option<Ailment> {
    match answer {
        // No document says what their codes mean (channels.md 5, 6.3): that there is one means that they are there.
        Answer::Failed(Failure {
            class: FailureClass::Unknown,
            ..
        }) if channel == Channel::Baidu || channel.is_bank() => None,
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
