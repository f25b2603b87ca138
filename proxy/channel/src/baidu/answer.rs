//! The Baidu wallet's answers (channels.md section 5): flat XML in GBK. They carry no signature that anybody documents;
//! TLS to the licensed host vouches for them. One that does carry a signature must bear it.

use super::{facts, query::Query, xml::Fields};
use crate::{
    Account, Answer, Authentic, ChannelState, Failure, FailureClass, OrderView, RefundView, answer::fen,
};
use domain::{BankFacts, ChannelNo, Operation, RefundState, TradeNo, Unclear};
use std::sync::Arc;

/// What must verify, if anything.
pub(crate) fn authenticate(account: &Account, status: u16, body: &[u8]) -> Result<Authentic, Unclear> {
    let fields = fields(status, body)?;
    if fields.get("sign").is_none() {
        return Ok(Authentic::Unsigned);
    }
    let mut query = Query::default();
    let fits = fields.iter().all(|(name, value)| query.push(name, value));
    let signed = fits.then(|| facts::signed(account, &query)).and_then(Result::ok);
    signed.map(Authentic::Signed).ok_or(Unclear::Signature)
}

/// Reads an answer.
pub(crate) fn read(account: &Account, operation: Operation, status: u16, body: &[u8]) -> Answer {
    let fields = match fields(status, body) {
        Ok(fields) => fields,
        Err(unclear) => return Answer::Unclear(unclear),
    };
    let said = match operation {
        // There is no close: the order is asked for.
        Operation::Query | Operation::Close => {
            asked(account, &fields).map(|view| view.map_or_else(Answer::Failed, Answer::State))
        }
        Operation::Refund => refunded(account, &fields),
        Operation::RefundQuery => refund_asked(account, &fields),
        // What is handed out has no answer, and the others are not asked.
        Operation::Create
        | Operation::Reverse
        | Operation::Certificates
        | Operation::Bill
        | Operation::Authorize => None,
    };
    said.unwrap_or(Answer::Unclear(Unclear::Garbage))
}

fn fields(status: u16, body: &[u8]) -> Result<Fields, Unclear> {
    if status != 200 {
        return Err(Unclear::ChannelError);
    }
    Fields::parse(body).ok_or(Unclear::Garbage)
}

/// `query_status` is the word on the call. Which of its numbers says "no such order" nobody documents (1002, 5801 to 5806): only
/// the one that the account's signed file names does. None of the others is a word on the order.
//= C95
fn asked(account: &Account, fields: &Fields) -> Option<Result<OrderView, Failure>> {
    match fields.get("query_status")? {
        "0" => facts::order(|name| fields.get(name))
            .filter(|view| view.account.as_ref() == Some(&account.account))
            .map(Ok),
        code => is_code(code).then(|| Err(unlisted(code, account, |bank| bank.absent_code.as_deref()))),
    }
}

/// There is no close; the order is asked for instead, and what nobody paid counts as "nothing there": while its time
/// runs that is no last word, afterwards it is.
pub(crate) fn ended(view: &OrderView) -> Failure {
    match view.state {
        ChannelState::Paid(_) | ChannelState::Refunded(_) => failure("1", FailureClass::AlreadyPaid),
        _ => failure("2", FailureClass::NotFound),
    }
}

/// 1: taken on; what became of it a notice or a query tells. 2: refused [unverified; integrators of the time].
fn refunded(account: &Account, fields: &Fields) -> Option<Answer> {
    match fields.get("ret_code")? {
        "1" => Some(Answer::Refund(RefundView {
            order: fields.get("order_no").map(ChannelNo::new).transpose().ok()?,
            number: number(account, fields)?,
            time: None,
            state: RefundState::Processing,
            amount: fields.get("cashback_amount").and_then(fen),
            trade_no: None,
            refunded_at: None,
        })),
        "2" => Some(Answer::Failed(failure("2", FailureClass::Final))),
        code => is_code(code).then(|| Answer::Failed(failure(code, FailureClass::Unknown))),
    }
}

/// 1 and 5: on the payer's balance at the wallet; 2: under way at a bank; 3: back where it came from; 4 and 6: failed.
/// [All unverified; integrators of the time.] That there is no such refund only the code says that the account's signed file names.
//= C95
fn refund_asked(account: &Account, fields: &Fields) -> Option<Answer> {
    let state = match fields.get("ret_code")? {
        "1" | "3" | "5" => RefundState::Succeeded,
        "2" => RefundState::Processing,
        "4" | "6" => RefundState::Failed,
        code => {
            return is_code(code)
                .then(|| Answer::Failed(unlisted(code, account, |bank| bank.absent_refund_code.as_deref())));
        }
    };
    Some(Answer::Refund(RefundView {
        order: fields.get("order_no").map(ChannelNo::new).transpose().ok()?,
        number: number(account, fields)?,
        time: None,
        state,
        amount: fields.get("cashback_amount").and_then(fen),
        trade_no: fields.get("bfb_order_no").and_then(|no| TradeNo::new(no).ok()),
        refunded_at: None,
    }))
}

/// The refund's number. Where the answer does not repeat it this is the account's, and the request tells which was meant.
fn number(account: &Account, fields: &Fields) -> Option<ChannelNo> {
    if fields
        .get("sp_no")
        .is_some_and(|sp_no| sp_no != account.account.as_str())
    {
        return None;
    }
    ChannelNo::new(fields.get("sp_refund_no").unwrap_or(account.account.as_str())).ok()
}

/// A code that no document explains: "not there" where the account's file says so, else no word on anything.
fn unlisted(code: &str, account: &Account, absent: fn(&BankFacts) -> Option<&str>) -> Failure {
    let absent = account.bank.as_ref().and_then(absent);
    let class = match absent == Some(code) {
        true => FailureClass::NotFound,
        false => FailureClass::Unknown,
    };
    failure(code, class)
}

fn failure(code: &str, class: FailureClass) -> Failure {
    Failure {
        code: Arc::from(code),
        class,
    }
}

/// A code is a few digits; anything else could be somebody's data.
fn is_code(code: &str) -> bool {
    (1..=8).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_digit())
}
