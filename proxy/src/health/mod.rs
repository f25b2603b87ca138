//! How each account of each channel does, learned from the calls that are made anyway: orders, closes, refunds, queries,
//! unified or passed through. Looked at by `route` and by payers' pages; kept in memory. What was lost when the last run ended
//! its journal tells, and is asked for before anybody's order goes there.

mod breaker;
mod probe;
mod turns;

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
    turns: turns::Turns,
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
            turns: Default::default(),
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
            barred: placing.barred.max(asking.barred),
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
            barred: placing.barred.max(asking),
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

    /// What a call, or a probe, makes of a breaker. A turn takes its place for the record before the breaker is free again.
    fn feed(&self, of: &Lost, feed: impl FnOnce(&mut Breaker) -> Option<Turn>) -> Option<Turn> {
        let gauges = self.gauges(of.channel, &of.account);
        let mut breaker = gauges.of(of.class).lock();
        let turn = feed(&mut breaker)?;
        self.turns.add(TradeEvent::BreakerTurned {
            account: of.account.clone(),
            ailment: turn.ailment,
            channel: of.channel,
            class: of.class,
            state: turn.to,
        });
        Some(turn)
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
        let of = |class| Lost {
            channel: account.channel,
            account: account.account.clone(),
            class,
        };
        let (now, Ended { took, ailment }) = (self.clock().since_boot(), ended);
        let own = of(OperationClass::of(operation));
        self.feed(&own, |breaker| breaker.feed(now, took, ailment));
        if own.class != OperationClass::Place {
            let place = of(OperationClass::Place);
            self.feed(&place, |breaker| breaker.feed_beside(now, took, ailment));
        }
    }

    fn probed(&self, of: &Lost, ailment: Option<Ailment>) {
        let now = self.clock().since_boot();
        self.feed(of, |breaker| breaker.probed(now, ailment));
    }

    fn feed(&self, of: &Lost, feed: impl FnOnce(&mut Breaker) -> Option<Turn>) {
        let Some(turn) = self.health().feed(of, feed) else {
            return;
        };
        self.metrics().breaker_turned(of.channel, of.class, turn);
        tracing::warn!(
            channel = of.channel.as_str(),
            class = of.class.as_str(),
            state = turn.to.as_str(),
            "an account's breaker turned"
        );
        let app = self.clone();
        drop(self.spawn_work(async move {
            let Some(mut writer) = app.health().turns.begin() else {
                return;
            };
            while let Some(turns) = writer.next() {
                if let Err(error) = app.ledger().note(None, turns).await {
                    tracing::error!(%error, "a breaker's turn could not be put on record");
                }
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

/// What an answer says of the account, whatever it says of the order. A channel that fails has said nothing; one that answers
/// that it does not know was reached.
pub(crate) fn of_answer(channel: Channel, status: u16, answer: &Answer) -> Option<Ailment> {
    let doubt = match status {
        500.. => Ailment::ChannelError,
        _ => Ailment::Unsure,
    };
    match answer {
        // No document says what their codes mean (channels.md 5, 6.3): that there is one means that they are there.
        Answer::Failed(Failure {
            class: FailureClass::Unknown,
            ..
        }) if channel == Channel::Baidu || channel.is_bank() => None,
        Answer::Unclear(Unclear::Timeout) => Some(Ailment::Silent),
        Answer::Unclear(Unclear::Connection) => Some(Ailment::Broken),
        Answer::Unclear(Unclear::ChannelError) => Some(doubt),
        // One about another order than was asked for says nothing either.
        Answer::Unclear(Unclear::Signature | Unclear::Garbage) | Answer::Amiss(_) => {
            Some(Ailment::Unreadable)
        }
        Answer::Failed(Failure {
            class: FailureClass::Unknown,
            ..
        }) => Some(doubt),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn lost() -> Lost {
        Lost {
            channel: Channel::Wechat,
            account: AccountNo::new("1900000109").expect("lawful"),
            class: OperationClass::Place,
        }
    }

    fn settings() -> Routing {
        let secs = Duration::from_secs;
        Routing {
            failures: 1,
            bad_percent: 50,
            slow: secs(2),
            window: secs(30),
            rest: secs(5),
            rest_most: secs(15),
            trial: secs(10),
        }
    }

    #[test]
    //= C65
    fn the_last_turn_on_record_is_what_the_breaker_is() {
        let (health, of, mut record) = (Health::new(settings()), lost(), Vec::new());
        for round in 1..=1_000 {
            let both = std::sync::Barrier::new(2);
            let feed = |ailment| {
                both.wait();
                health.feed(&of, |b| {
                    b.feed(Duration::from_secs(round), Duration::ZERO, ailment)
                });
            };
            std::thread::scope(|scope| {
                scope.spawn(|| feed(Some(Ailment::NotConnected)));
                feed(None);
            });
            if let Some(mut writer) = health.turns.begin() {
                while let Some(turns) = writer.next() {
                    record.extend(turns);
                }
            }
            let last = record.last().map(|event| match event {
                TradeEvent::BreakerTurned { state, .. } => *state,
                other => panic!("{other:?}"),
            });
            let is = health.gauges(of.channel, &of.account).of(of.class).lock().state();
            assert_eq!(last.unwrap_or(BreakerState::Closed), is, "round {round}");
        }
        assert!(record.len() > 500, "{} turns", record.len());
    }

    /// One writes, and whoever adds meanwhile leaves it to that one.
    #[test]
    fn turns_are_written_by_one_at_a_time() {
        let (health, of) = (Health::new(settings()), lost());
        let turn = |ailment| {
            health.feed(&of, |b| b.feed(Duration::from_secs(1), Duration::ZERO, ailment));
        };
        assert!(health.turns.begin().is_none(), "nothing turned");
        turn(Some(Ailment::Silent));
        let mut writer = health.turns.begin().expect("one writes");
        assert!(health.turns.begin().is_none());
        assert_eq!(writer.next().map(|turns| turns.len()), Some(1));
        turn(None);
        assert!(health.turns.begin().is_none(), "the first one is still at it");
        assert_eq!(writer.next().map(|turns| turns.len()), Some(1));
        assert_eq!(writer.next(), None);
        assert!(health.turns.begin().is_none());
        // From here on another one writes, whenever this one goes.
        turn(Some(Ailment::Silent));
        let _other = health.turns.begin().expect("another one writes");
        drop(writer);
        turn(None);
        assert!(health.turns.begin().is_none(), "the other one is still at it");
    }

    #[test]
    fn a_writer_that_panics_leaves_its_place_to_the_next() {
        let (health, of) = (Health::new(settings()), lost());
        let turn = |ailment| {
            health.feed(&of, |b| b.feed(Duration::from_secs(1), Duration::ZERO, ailment));
        };
        turn(Some(Ailment::Silent));
        let writes = || {
            let mut writer = health.turns.begin().expect("one writes");
            assert!(writer.next().is_none(), "as asked");
        };
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(writes)).expect_err("it panics");
        turn(None);
        let mut writer = health.turns.begin().expect("another one writes");
        assert_eq!(writer.next().map(|turns| turns.len()), Some(1));
    }

    #[test]
    //= C65
    fn a_channel_that_answers_that_it_does_not_know_was_heard() {
        let doubt = Answer::Failed(Failure {
            class: FailureClass::Unknown,
            code: "SYSTEMERROR".into(),
        });
        for answer in [&doubt, &Answer::Unclear(Unclear::ChannelError)] {
            for (status, ailment) in [(200, Ailment::Unsure), (502, Ailment::ChannelError)] {
                assert_eq!(of_answer(Channel::Wechat, status, answer), Some(ailment));
            }
        }
    }

    #[test]
    //= C31
    //= C65
    fn an_answer_about_another_order_is_no_good_one() {
        let amiss = Answer::Amiss(Mismatch::Number);
        assert_eq!(of_answer(Channel::Wechat, 200, &amiss), Some(Ailment::Unreadable));
    }
}
