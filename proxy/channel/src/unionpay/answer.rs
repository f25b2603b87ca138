//! UnionPay's synchronous answers (channels.md 4.2, 4.4): text, signed whole. `respCode` is the word on the call; on a
//! query `origRespCode` is the word on the order, and counts only where the call itself was well.

use super::{allowed::REVERSAL, codes, facts, fields::Fields, seal, times};
use crate::{
    Account, Answer, Authentic, ChannelState, Failure, FailureClass, OrderView, RefundView,
    auth_code::Refusal,
};
use domain::{ChannelNo, Mismatch, Operation, PayWay, Reach, RefundState, TradeNo, Unclear};
use std::sync::Arc;

/// Every answer is signed. What comes otherwise (the gateway's own error pages) says nothing.
pub(crate) fn authenticate(account: &Account, status: u16, body: &[u8]) -> Result<Authentic, Unclear> {
    if status != 200 {
        return Err(Unclear::ChannelError);
    }
    let fields = Fields::of_text(body).ok_or(Unclear::Garbage)?;
    seal::signed(account, &fields)
        .map(Authentic::Signed)
        .map_err(|_| Unclear::Signature)
}

/// An answer to an application or a charge repeats number and time of what was asked for, of some products the amount: where it
/// states others, it is about another order.
//= C31
pub(crate) fn names_another(request: &[u8], answer: &[u8]) -> Option<Mismatch> {
    let (asked, said) = (Fields::of_form(request).ok()?, Fields::of_text(answer)?);
    let other = |name| said.get(name).is_some_and(|value| asked.get(name) != Some(value));
    let amount = |fields: &Fields| fields.get("txnAmt").map(facts::fen);
    match amount(&said) {
        _ if other("orderId") || other("txnTime") => Some(Mismatch::Number),
        Some(amount_said) if amount(&asked) != Some(amount_said) => Some(Mismatch::Amount),
        _ => None,
    }
}

/// Reads an answer.
pub(crate) fn read(operation: Operation, pay_way: PayWay, status: u16, body: &[u8]) -> Answer {
    let garbage = || Answer::Unclear(Unclear::Garbage);
    if status != 200 {
        return Answer::Unclear(Unclear::ChannelError);
    }
    let Some(fields) = Fields::of_text(body) else {
        return garbage();
    };
    let Some(code) = fields.get("respCode").filter(|code| is_code(code)) else {
        return garbage();
    };
    let said = match operation {
        _ if !answers(operation, code, &fields) => None,
        Operation::Create if pay_way.charges() => Some(charged(code, &fields)),
        Operation::Create => placed(pay_way, code, &fields),
        // There is no close: the order is asked for.
        Operation::Query | Operation::Close => asked(code, &fields, |code| {
            facts::order(&fields, pay_way, code).map(Answer::State)
        }),
        Operation::Refund | Operation::Reverse => refunded(code, &fields),
        Operation::RefundQuery => asked(code, &fields, |code| {
            facts::refund(&fields, code).map(Answer::Refund)
        }),
        Operation::Bill => filed(code, &fields),
        Operation::Certificates | Operation::Authorize => None,
    };
    said.unwrap_or_else(garbage)
}

/// The answer repeats what kind of call it answers. To a query it states the kind of what was asked for, as answers recorded by
/// public clients do, or the query's own; so a refund's is never read as a payment's, nor the other way round. A query that
/// was refused is about no transaction, and none need be stated.
fn answers(operation: Operation, code: &str, fields: &Fields) -> bool {
    let lawful: &[&str] = match operation {
        Operation::Query | Operation::Close | Operation::RefundQuery if code != "00" => return true,
        Operation::Query | Operation::Close => &["00", "01"],
        Operation::RefundQuery => &["00", "04", "31"],
        Operation::Create => &["01"],
        Operation::Refund => &["04"],
        Operation::Reverse => &["31", REVERSAL],
        Operation::Certificates => &["95"],
        Operation::Bill => &["76"],
        Operation::Authorize => return false,
    };
    fields.get("txnType").is_some_and(|kind| lawful.contains(&kind))
}

fn failed(code: &str) -> Answer {
    Answer::Failed(Failure {
        code: Arc::from(code),
        class: codes::class(code),
    })
}

/// A code is two letters or digits.
fn is_code(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The settlement file, packed as it came (channels.md 4.5).
fn filed(code: &str, fields: &Fields) -> Option<Answer> {
    match code {
        "00" => fields
            .get("fileContent")
            .map(|content| Answer::BillFile(content.as_bytes().to_vec())),
        _ => Some(failed(code)),
    }
}

fn placed(pay_way: PayWay, code: &str, fields: &Fields) -> Option<Answer> {
    match (pay_way, code) {
        (PayWay::Qr, "00") => fields
            .get("qrCode")
            .map(|text| Answer::Placed(Reach::Code(Arc::from(text)))),
        (PayWay::App, "00") => fields
            .get("tn")
            .map(|tn| Answer::Placed(Reach::Prepay(Arc::from(tn)))),
        (_, "00") => None,
        _ => Some(failed(code)),
    }
}

/// A payment code: 00 says that the charge was accepted, no more; what became of it a notice or a query tells. A refusal on
/// the payer's side may name the card [unverified].
fn charged(code: &str, fields: &Fields) -> Answer {
    if codes::is_success(code) || codes::is_open(code) {
        return Answer::Waiting;
    }
    let failure = Failure {
        code: Arc::from(code),
        class: codes::charge_class(code),
    };
    let by_payer = failure.class == FailureClass::Final && codes::refusal(code) == Refusal::Payer;
    match facts::payer(fields).filter(|_| by_payer) {
        Some(payer) => Answer::Declined(failure, payer),
        None => Answer::Failed(failure),
    }
}

/// A query: the call's own word first.
fn asked(code: &str, fields: &Fields, of: impl FnOnce(&str) -> Option<Answer>) -> Option<Answer> {
    if code != "00" {
        return Some(failed(code));
    }
    let original = fields.get("origRespCode").filter(|code| is_code(code))?;
    match of(original) {
        Some(answer) => Some(answer),
        None if codes::is_success(original) => None,
        None => Some(Answer::Unclear(Unclear::ChannelError)),
    }
}

/// UnionPay has no close; it is asked for the order instead, and what nobody paid counts as "nothing there": while the
/// order's time runs that is no last word, afterwards it is (channels.md 4.4). What is under way has no end yet.
pub(crate) fn ended(view: &OrderView) -> Answer {
    let (code, class) = match view.state {
        ChannelState::Paid(_) | ChannelState::Refunded(_) => ("00", FailureClass::AlreadyPaid),
        ChannelState::Paying => ("05", FailureClass::Unknown),
        _ => ("34", FailureClass::NotFound),
    };
    Answer::Failed(Failure {
        code: Arc::from(code),
        class,
    })
}

/// Accepted is not done: the last word on a refund, and on a payment that is taken back, is its notice or a query
/// (channels.md 4.4). A reversal by the order's own number has neither, and UnionPay's own sample takes 00 for success.
fn refunded(code: &str, fields: &Fields) -> Option<Answer> {
    if !codes::is_success(code) {
        return Some(failed(code));
    }
    Some(Answer::Refund(RefundView {
        order: None,
        number: ChannelNo::new(fields.get("orderId")?).ok()?,
        time: times::named(fields),
        state: match fields.get("txnType") {
            Some(REVERSAL) => RefundState::Succeeded,
            _ => RefundState::Processing,
        },
        amount: fields.get("txnAmt").and_then(facts::fen),
        trade_no: fields.get("queryId").and_then(|no| TradeNo::new(no).ok()),
        refunded_at: None,
    }))
}
