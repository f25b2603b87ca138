//! Payment codes 付款码: what charges when it is sent is sent once. What is not known afterwards is asked for, and reversed
//! until the channel says that nobody is charged. The payer's code is in memory for the one call and needed for nothing else.

pub(crate) mod cancel;

use crate::{
    app::App,
    errand::{self, context, lost},
    exchange::{Exchanged, ask},
    paid,
    payment::Texts,
    schedule::Schedule,
    settle::{self, Ending, Settled},
};
use channel::{Account, Answer, RefundFacts};
use domain::*;
use ledger::{Attempt, CommitError, Happening, Order};
use std::sync::Arc;

/// Charges, once.
//= C60
pub(crate) async fn pay(
    app: &App,
    account: &Account,
    order: &Arc<Order>,
    position: u16,
    texts: Texts,
) -> Settled {
    let Some(attempt) = order
        .attempt(position)
        .filter(|a| a.state == AttemptState::Intended && !errand::sent_before(app, order, position))
    else {
        return Settled::nothing(Ending::Unknown);
    };
    let (Some(sealed), Some(code)) = (texts.buyer, texts.auth_code) else {
        return lost(position, NotPlaced::NeverSent);
    };
    let Ok(buyer) = app
        .vault()
        .open_for(&sealed, &context(order, "create"), Purpose::Forward)
    else {
        return lost(position, NotPlaced::BuyerDataGone);
    };
    let facts = errand::facts_of(attempt);
    app.step("before_send");
    let exchanged = ask(app, account, Operation::Create, attempt.pay_way, |stamp| {
        channel::charge(account, &stamp.about(attempt.begun()), &facts, &buyer, &code)
    })
    .await;
    drop((buyer, code));
    app.step("after_send");
    match exchanged {
        Exchanged::Answer(answer) => charged(app, order, position, answer),
        Exchanged::NotSent(reason) => {
            tracing::warn!(channel = account.channel.as_str(), %reason, "a payment-code order was not sent");
            lost(position, NotPlaced::NeverSent)
        }
    }
}

/// Could a charge at this account be undone? The keys that sign a reverse, and those that it is sent with, are here.
//= C66
pub(crate) fn can_be_undone(app: &App, account: &Account) -> bool {
    let (Ok(number), Ok(trade_no)) = (ChannelNo::new("00000000"), TradeNo::new("0")) else {
        return false;
    };
    let now = app.clock().now();
    let stamp = channel::Stamp {
        at: now,
        begun: now,
        nonce: "0".into(),
    };
    let draft = match account.channel {
        Channel::Unionpay => channel::cancel(
            account,
            &stamp,
            PayWay::Micropay,
            &RefundFacts {
                number: &number,
                refund: &number,
                trade_no: Some(&trade_no),
                amount: Amount::ZERO,
                total: Amount::ZERO,
            },
        ),
        _ => channel::reverse(account, &stamp, &number),
    };
    draft.is_ok_and(|draft| {
        app.keys().has(draft.key())
            && draft
                .identity()
                .is_none_or(|own| app.way_of(account.channel, &account.account, Some(own)).is_some())
    })
}

/// The channel's answer to the charging call, with the payer sealed for the merchant's notification.
fn charged(app: &App, order: &Order, position: u16, mut answer: Answer) -> Settled {
    let known = match (&mut answer, order.attempt(position)) {
        (Answer::State(view), Some(attempt)) => paid::keep_payer(app, order, attempt, view),
        // Of a payer who was not charged the record knows the pseudonym, and nobody else anything.
        (Answer::Declined(_, payer), Some(attempt)) => paid::Known {
            token: app.vault().token(attempt.channel, payer),
            seal: None,
        },
        _ => paid::Known::default(),
    };
    settle::charged(order, position, answer, known.token, known.seal)
}

/// Sends a reverse that is on record, for the first time or again. Too soon after the charging call it is not sent: the
/// sweep sends it when the channel takes it.
pub(crate) async fn reverse(app: &App, account: &Account, order: &Arc<Order>, position: u16) -> Settled {
    let Some(attempt) = order.attempt(position).filter(|a| a.is_reversing()) else {
        return Settled::nothing(Ending::Recorded);
    };
    if app.clock().now() < not_before(app, attempt) {
        return Settled::nothing(Ending::Unknown);
    }
    app.step("before_send");
    let (order, answer) = match account.channel {
        Channel::Unionpay => cancel::undo(app, account, order, position).await,
        _ => (order.clone(), by_number(app, account, attempt).await),
    };
    app.step("after_send");
    let may_come = order
        .attempt(position)
        .is_some_and(|attempt| errand::may_come(app, attempt));
    settle::reversed(&order, position, answer, may_come)
}

/// Where the channel itself finds out whether there is something to pay back.
async fn by_number(app: &App, account: &Account, attempt: &Attempt) -> Answer {
    let exchanged = ask(app, account, Operation::Reverse, attempt.pay_way, |stamp| {
        channel::reverse(account, &stamp.about(attempt.at), &attempt.number)
    })
    .await;
    match exchanged {
        Exchanged::Answer(answer) => answer,
        Exchanged::NotSent(reason) => {
            tracing::warn!(channel = account.channel.as_str(), %reason, "a reverse was not sent; it is sent again");
            Answer::Unclear(Unclear::Connection)
        }
    }
}

/// Before this the channel would not take a reverse (channels.md 2.2).
pub(crate) fn not_before(app: &App, attempt: &Attempt) -> Instant {
    attempt.at.plus_millis(
        Schedule::of(attempt.channel, app.times())
            .reverse_after()
            .as_millis() as i64,
    )
}

/// Puts a reverse on record where none is under way, sends it and puts on record what came of it.
pub(crate) async fn undo(
    app: &App,
    order: &Arc<Order>,
    position: u16,
    reason: ReverseReason,
) -> Result<Arc<Order>, CommitError> {
    undo_and(app, order, position, reason, |events| events).await
}

/// The same where whoever asks puts another attempt in its place at once. What the channel does not answer at once the sweep brings
/// to its end, and tells.
pub(crate) async fn undo_to_replace(
    app: &App,
    order: &Arc<Order>,
    position: u16,
) -> Result<Arc<Order>, CommitError> {
    undo_and(app, order, position, ReverseReason::Replaced, errand::goes_on).await
}

async fn undo_and(
    app: &App,
    order: &Arc<Order>,
    position: u16,
    reason: ReverseReason,
    told: impl FnOnce(Vec<Happening>) -> Vec<Happening>,
) -> Result<Arc<Order>, CommitError> {
    let Some(account) = errand::account_of(app, order, position) else {
        return Ok(order.clone());
    };
    let order = match order.attempt(position).is_some_and(Attempt::is_reversing) {
        true => order.clone(),
        false => {
            let event = TradeEvent::ReverseIntended {
                attempt: position,
                reason,
            };
            app.ledger()
                .commit(&order.merchant, &order.id, vec![event.into()])
                .await?
                .order
        }
    };
    app.step("reverse_intended");
    // What was told as paid is told as paid back.
    let paid = order.attempt(position).is_some_and(|a| a.paid.is_some());
    let settled = reverse(app, &account, &order, position).await;
    let events = match paid {
        true => settled.events,
        false => told(settled.events),
    };
    let order = errand::record(app, &order, events).await?;
    app.step("reverse_recorded");
    Ok(order)
}
