//! CCB's answer to a query (channels.md 6.3; all beyond TXCODE, SEL_TYPE and MAC unverified): XML. Whether and how it is signed
//! nobody documents; TLS to the licensed host vouches for it.

use super::notice::yuan;
use crate::{
    Account, Answer, Authentic, ChannelState, Failure, FailureClass, OrderView, gbk,
    strict_tree::{self, Element},
    times,
};
use domain::{Amount, ChannelNo, Operation, PaidFacts, TradeNo, Unclear};
use std::sync::Arc;

const ENCODINGS: &[&str] = &["GB18030", "GBK", "GB2312", "UTF-8"];

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
    let said = document(body).and_then(|document| asked(account, &document));
    match (operation, said) {
        (_, None) => Answer::Unclear(Unclear::Garbage),
        // There is no close: the order is asked for.
        (Operation::Query | Operation::Close, Some(said)) => said.map_or_else(Answer::Failed, Answer::State),
        _ => Answer::Unclear(Unclear::Garbage),
    }
}

fn document(body: &[u8]) -> Option<Element> {
    let body = body.trim_ascii();
    let text = gbk::decode(body).or_else(|| std::str::from_utf8(body).ok().map(|t| t.to_owned().into()))?;
    strict_tree::parse(&text, ENCODINGS, "DOCUMENT")
}

/// What it says of the order; of several tries the one that was paid, else one that may have been.
fn asked(account: &Account, document: &Element) -> Option<Result<OrderView, Failure>> {
    let code = document.get("RETURN_CODE")?;
    let absent = account.bank.as_ref().and_then(|bank| bank.absent_code.as_deref());
    match code {
        "000000" => {}
        code if Some(code) == absent => return Some(Err(failure(code, FailureClass::NotFound))),
        // None of the others is a word on the order.
        code => return crate::bank::is_code(code).then(|| Err(failure(code, FailureClass::Unknown))),
    }
    let mut best: Option<OrderView> = None;
    for row in document.all("QUERYORDER") {
        let view = tried(account, row)?;
        if best.as_ref().is_some_and(|known| known.number != view.number) {
            return None;
        }
        let sure = |view: &OrderView| match view.state {
            ChannelState::Paid(_) | ChannelState::Refunded(_) => 2,
            ChannelState::Paying => 1,
            _ => 0,
        };
        match &best {
            // Twice paid under one number: nobody can say what that means.
            Some(known) if sure(known) == 2 && sure(&view) == 2 => return None,
            Some(known) if sure(known) >= sure(&view) => {}
            _ => best = Some(view),
        }
    }
    Some(best.ok_or_else(|| failure("000000", FailureClass::NotFound)))
}

fn tried(account: &Account, row: &Element) -> Option<OrderView> {
    let own = |name: &str, wanted: &str| row.get(name).is_none_or(|said| said == wanted);
    if !own("MERCHANTID", account.payee.as_str()) || !own("POSID", account.account.as_str()) {
        return None;
    }
    let number = ChannelNo::new(row.get("ORDERID")?).ok()?;
    let paid = || {
        Some(PaidFacts {
            amount: yuan(row.get("AMOUNT")?)?,
            bank_type: None,
            number: number.clone(),
            paid_at: times::china_digits(row.get("ORDERDATE")?)?,
            trade_no: TradeNo::new(number.as_str()).ok()?,
        })
    };
    let state = match row.get("STATUSCODE")? {
        "0" => ChannelState::NotPaid,
        "1" if row
            .get("REFUND")
            .and_then(|back| Amount::parse_yuan(back).ok())
            .is_none_or(Amount::is_zero) =>
        {
            ChannelState::Paid(paid()?)
        }
        "1" | "3" | "4" => ChannelState::Refunded(paid()?),
        "2" | "5" => ChannelState::Paying,
        _ => return None,
    };
    Some(OrderView {
        number: number.clone(),
        time: None,
        state,
        account: Some(account.account.clone()),
        payee: Some(account.payee.clone()),
        payer: None,
        attach: None,
    })
}

/// What nobody paid counts as "nothing there": while it may still be paid that is no last word, afterwards it is. What may have
/// been paid is no end.
pub(crate) fn ended(view: &OrderView) -> Failure {
    match view.state {
        ChannelState::Paid(_) | ChannelState::Refunded(_) => failure("1", FailureClass::AlreadyPaid),
        ChannelState::NotPaid => failure("0", FailureClass::NotFound),
        _ => failure("2", FailureClass::Unknown),
    }
}

fn failure(code: &str, class: FailureClass) -> Failure {
    Failure {
        code: Arc::from(code),
        class,
    }
}
