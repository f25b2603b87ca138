//! Where a channel has no bill that is documented (the Baidu wallet, channels.md section 5), each order and refund of the day
//! that our record has is asked for, one after the other. That finds what is not there, another amount, state or number, and
//! what we hold for unpaid and was paid; it cannot find what we have no record of.

use super::{
    Job, JobError,
    ask::{Got, surely_made},
    record,
};
use crate::{
    app::App,
    errand,
    exchange::{Exchanged, ask},
    settle,
};
use channel::{Account, Answer, ChannelState, FailureClass, bill};
use domain::*;
use ledger::{Attempt, Order, Refund};
use policy::books::day_of;
use std::sync::Arc;

/// What the channel says of one movement: a line, or that it did not happen; `Err` where it does not say.
type Said = Result<Option<BillLine>, Arc<str>>;

/// Before it was asked for so often a day does not end with something unanswered.
const LEAST_TRIES: u32 = 4;
/// More that is unanswered is no matter of single orders: the whole day is asked for again.
const MOST_UNANSWERED: usize = 300;
/// So many in a row, and the channel is not there: asking on would only take time.
const MOST_IN_A_ROW: usize = 20;

/// A day's answers.
#[derive(Default)]
struct Answers {
    lines: Vec<BillLine>,
    unanswered: Vec<Unanswered>,
    in_a_row: usize,
    /// The schedule is at its end: what is not answered now is named, and the rest compared.
    last: bool,
}

/// The day's lines, as a file.
pub(super) async fn get(app: &App, account: &Account, job: &Job) -> Result<Got, JobError> {
    let (reader, merchant, key) = (
        app.ledger().journal().reader(),
        job.merchant.id.clone(),
        job.key.clone(),
    );
    let entries = app.ledger().journal().durable();
    let ids = tokio::task::spawn_blocking(move || {
        let of = (key.channel, &key.account);
        record::orders_at(&reader, &merchant, of, key.day, entries)
    });
    let tries = job.head.as_ref().map_or(0, |head| head.tries) + 1;
    let mut all = Answers {
        last: surely_made(app, job.key.day) && tries >= LEAST_TRIES,
        ..Answers::default()
    };
    for id in ids.await.map_err(|_| JobError::Cut)?? {
        let Some(order) = app.ledger().order(&id).await? else {
            continue;
        };
        if let Err(code) = of_order(app, account, job, &order, &mut all).await {
            return Ok(Got::Refused(code));
        }
    }
    Ok(Got::Bill(
        bill::queried::write(&all.lines, &all.unanswered).into(),
    ))
}

/// Everything of an order that is this account's and this day's; `Err` where the day must be asked for again.
async fn of_order(
    app: &App,
    account: &Account,
    job: &Job,
    order: &Order,
    all: &mut Answers,
) -> Result<(), Arc<str>> {
    let key = &job.key;
    let today = |at: Instant| day_of(key.channel, at) == key.day;
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
            let said = payment(app, account, attempt).await;
            all.take(said, order, &attempt.number, None)?;
        }
        let own = order.refunds.iter().filter(|refund| refund.attempt == position);
        for refund in own.filter(|refund| today(refund.counted())) {
            let said = refunded(app, account, attempt, refund).await;
            all.take(said, order, &attempt.number, Some(&refund.number))?;
        }
    }
    Ok(())
}

impl Answers {
    fn take(
        &mut self,
        said: Said,
        order: &Order,
        number: &ChannelNo,
        refund: Option<&ChannelNo>,
    ) -> Result<(), Arc<str>> {
        let code = match said {
            Ok(line) => {
                self.in_a_row = 0;
                self.lines.extend(line);
                return Ok(());
            }
            Err(code) => code,
        };
        self.in_a_row += 1;
        let outage = self.in_a_row >= MOST_IN_A_ROW || self.unanswered.len() >= MOST_UNANSWERED;
        if !self.last || outage {
            return Err(code);
        }
        self.unanswered.push(Unanswered {
            code,
            number: number.clone(),
            payment: order.id,
            refund: refund.cloned(),
        });
        Ok(())
    }
}

async fn payment(app: &App, account: &Account, attempt: &Attempt) -> Said {
    let view = match errand::query(app, account, attempt).await {
        Exchanged::Answer(Answer::State(view)) if settle::is_about(attempt, &view) => view,
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
        Exchanged::Answer(Answer::Refund(view))
            if settle::is_about_refund(attempt, (&refund.number, refund.begun()), &view) =>
        {
            view
        }
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
        at: view.refunded_at.unwrap_or(refund.counted()),
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
