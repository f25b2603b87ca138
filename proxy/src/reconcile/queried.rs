//! Where a channel has no bill that is documented (the Baidu wallet, channels.md section 5), each order and refund of the day
//! that our record has is asked for, one after the other. That finds what is not there, another amount, state or number, and
//! what we hold for unpaid and was paid; it cannot find what we have no record of.

use super::{Job, JobError, ask::Got, record};
use crate::{
    app::App,
    errand,
    exchange::{Exchanged, ask},
};
use channel::{Account, Answer, ChannelState, FailureClass, bill};
use domain::*;
use ledger::{Attempt, Order, Refund};
use policy::books::day_of;
use std::sync::Arc;

/// What the channel says of one movement: a line, or that it did not happen; `Err` where it does not say.
type Said = Result<Option<BillLine>, Arc<str>>;

/// The day's lines, as a file.
pub(super) async fn get(app: &App, account: &Account, job: &Job) -> Result<Got, JobError> {
    let (reader, merchant, day) = (
        app.ledger().journal().reader(),
        job.merchant.id.clone(),
        job.key.day,
    );
    let entries = app.ledger().journal().durable();
    let ids = tokio::task::spawn_blocking(move || record::orders_of(&reader, &merchant, day, entries)).await;
    let mut lines = Vec::new();
    for id in ids.map_err(|_| JobError::Cut)?? {
        let Some(order) = app.ledger().order(&id).await? else {
            continue;
        };
        match of_order(app, account, job, &order).await {
            Ok(own) => lines.extend(own),
            Err(code) => return Ok(Got::Refused(code)),
        }
    }
    Ok(Got::Bill(bill::queried::write(&lines).into()))
}

/// Everything of an order that is this account's and this day's.
async fn of_order(app: &App, account: &Account, job: &Job, order: &Order) -> Result<Vec<BillLine>, Arc<str>> {
    let key = &job.key;
    let today = |at: Instant| day_of(key.channel, at) == key.day;
    let mut lines = Vec::new();
    for (attempt, position) in order.attempts.iter().zip(1..) {
        if attempt.channel != key.channel || attempt.account != key.account {
            continue;
        }
        if today(
            attempt
                .paid
                .as_ref()
                .map_or(attempt.at, |(facts, _)| facts.paid_at),
        ) {
            lines.extend(payment(app, account, attempt).await?);
        }
        let own = order.refunds.iter().filter(|refund| refund.attempt == position);
        for refund in own.filter(|refund| today(refund.refunded_at.unwrap_or(refund.intended))) {
            lines.extend(refunded(app, account, attempt, refund).await?);
        }
    }
    Ok(lines)
}

async fn payment(app: &App, account: &Account, attempt: &Attempt) -> Said {
    let view = match errand::query(app, account, attempt).await {
        Exchanged::Answer(Answer::State(view)) => view,
        other => return nothing(other),
    };
    let (ChannelState::Paid(facts) | ChannelState::Refunded(facts)) = view.state else {
        return Ok(None);
    };
    Ok(Some(BillLine {
        movement: Movement::Payment,
        number: Some(view.number),
        refund: None,
        trade_no: facts.trade_no,
        original: None,
        amount: facts.amount,
        fee_millifen: 0,
        state: LineState::Done,
        at: facts.paid_at,
    }))
}

async fn refunded(app: &App, account: &Account, attempt: &Attempt, refund: &Refund) -> Said {
    let asked = ask(app, account, Operation::RefundQuery, attempt.pay_way, |stamp| {
        channel::refund_query(
            account,
            &stamp.about(refund.intended),
            attempt.pay_way,
            &attempt.number,
            &refund.number,
        )
    });
    let view = match asked.await {
        Exchanged::Answer(Answer::Refund(view)) => view,
        other => return nothing(other),
    };
    let state = match view.state {
        RefundState::Succeeded => LineState::Done,
        RefundState::Failed | RefundState::Abnormal | RefundState::Cancelled => LineState::Failed,
        _ => LineState::Pending,
    };
    // Where it names none there is none to compare: our own record's.
    let own = refund.trade_no.clone();
    let paid = attempt.paid.as_ref().map(|(facts, _)| facts.trade_no.clone());
    let Some(trade_no) = view.trade_no.filter(|_| own.is_some()).or(own).or(paid) else {
        return Err("unclear".into());
    };
    Ok(Some(BillLine {
        movement: Movement::Refund,
        number: Some(attempt.number.clone()),
        refund: Some(refund.number.clone()),
        trade_no,
        original: None,
        amount: view.amount.unwrap_or(refund.amount),
        fee_millifen: 0,
        state,
        at: view.refunded_at.unwrap_or(refund.intended),
    }))
}

/// Not there is an answer; no answer is none.
fn nothing(asked: Exchanged) -> Said {
    match asked {
        Exchanged::Answer(Answer::Failed(failure)) if failure.class == FailureClass::NotFound => Ok(None),
        Exchanged::Answer(Answer::Failed(failure)) => Err(failure.code),
        Exchanged::Answer(_) => Err("unclear".into()),
        Exchanged::NotSent(_) => Err("not_sent".into()),
    }
}
