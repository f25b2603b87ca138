//! CMB's answer to a query: JSON. Whether and how it is signed no source says clearly; TLS to the licensed host vouches for it.

use super::{
    notice::{card, yuan},
    numbers,
};
use crate::{
    Account, Answer, Authentic, ChannelState, Failure, FailureClass, OrderView,
    strict_json::{self, Value},
    times,
};
use domain::{ChannelNo, Operation, PaidFacts, TradeNo, Unclear};
use std::sync::Arc;

/// There is nothing to verify.
pub(crate) fn authenticate(status: u16) -> Result<Authentic, Unclear> {
    (status == 200)
        .then_some(Authentic::Unsigned)
        .ok_or(Unclear::ChannelError)
}

/// Reads an answer.
pub(crate) fn read(account: &Account, operation: Operation, status: u16, body: &[u8]) -> Answer {
    if status != 200 {
        return Answer::Unclear(Unclear::ChannelError);
    }
    let said = strict_json::parse(body)
        .ok()
        .and_then(|json| asked(account, &json));
    match (operation, said) {
        (_, None) => Answer::Unclear(Unclear::Garbage),
        // There is no close: the order is asked for.
        (Operation::Query | Operation::Close, Some(said)) => said.map_or_else(Answer::Failed, Answer::State),
        _ => Answer::Unclear(Unclear::Garbage),
    }
}

/// What it says of the order. Only "settled" (0) is a payment; every other state is one that public clients do not agree on, and
/// nothing is concluded from it.
fn asked(account: &Account, json: &Value) -> Option<Result<OrderView, Failure>> {
    let said = json.get("rspData")?;
    let must = |name: &str| said.text(name).filter(|value| !value.is_empty());
    let absent = account.bank.as_ref().and_then(|bank| bank.absent_code.as_deref());
    match must("rspCode")? {
        "SUC0000" => {}
        code if Some(code) == absent => return Some(Err(failure(code, FailureClass::NotFound))),
        // None of the others is a word on the order.
        code => return crate::bank::is_code(code).then(|| Err(failure(code, FailureClass::Unknown))),
    }
    let (branch, merchant) = numbers(account)?;
    if must("branchNo")? != branch || must("merchantNo")? != merchant {
        return None;
    }
    let number = ChannelNo::new(must("orderNo")?).ok()?;
    let state = match must("orderStatus")? {
        "0" => ChannelState::Paid(PaidFacts {
            amount: yuan(must("orderAmount")?)?,
            bank_type: must("cardType").and_then(card),
            number: number.clone(),
            paid_at: times::china_digits(&format!("{}{}", must("bankDate")?, must("bankTime")?))?,
            trade_no: TradeNo::new(must("bankSerialNo")?).ok()?,
        }),
        "1" | "2" | "4" | "6" | "7" | "8" => ChannelState::Paying,
        _ => return None,
    };
    Some(Ok(OrderView {
        number,
        time: None,
        state,
        account: Some(account.account.clone()),
        payee: Some(account.payee.clone()),
        payer: None,
        attach: None,
    }))
}

/// What may have been paid is no end.
pub(crate) fn ended(view: &OrderView) -> Failure {
    match view.state {
        ChannelState::Paid(_) => failure("0", FailureClass::AlreadyPaid),
        _ => failure("4", FailureClass::Unknown),
    }
}

fn failure(code: &str, class: FailureClass) -> Failure {
    Failure {
        code: Arc::from(code),
        class,
    }
}
