//! WeChat's answers (channels.md 1.2, 1.5, 1.7, 1.11).

use super::{codes, combine, facts, seal};
use crate::{
    Account, Answer, Authentic, ChannelState, Failure, FailureClass, ReverseView, SealedCertificate,
    strict_json::{self, Value},
    times,
};
use domain::{Instant, Operation, PayWay, Reach, Unclear};
use http::HeaderMap;
use std::sync::Arc;

/// 2xx must be signed; errors may come unsigned, but one that carries a signature must bear it (channels.md
/// 1.5).
pub(crate) fn authenticate(
    account: &Account,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    now: Instant,
) -> Result<Authentic, Unclear> {
    match status {
        200..=299 => {}
        400..=599 if !seal::HEADERS.iter().any(|name| headers.contains_key(*name)) => {
            return Ok(Authentic::Unsigned);
        }
        400..=599 => {}
        _ => return Err(Unclear::Garbage),
    }
    let signed = seal::signed(account, headers, body, now);
    signed.map(Authentic::Signed).map_err(|_| Unclear::Signature)
}

/// Reads an answer.
pub(crate) fn read(operation: Operation, pay_way: PayWay, status: u16, body: &[u8]) -> Answer {
    match status {
        200 | 204 if operation == Operation::Close => Answer::Closed,
        200 | 204 if operation == Operation::Reverse => reversed(body),
        // The payer types a password (channels.md 1.11).
        202 if operation == Operation::Create && pay_way.charges() => Answer::Waiting,
        200 => success(operation, pay_way, body).unwrap_or(Answer::Unclear(Unclear::Garbage)),
        400..=599 => failed(status, body, operation == Operation::Create && pay_way.charges()),
        _ => Answer::Unclear(Unclear::Garbage),
    }
}

fn success(operation: Operation, pay_way: PayWay, body: &[u8]) -> Option<Answer> {
    let value = strict_json::parse(body).ok()?;
    match operation {
        Operation::Create if pay_way.charges() => charged(&value),
        Operation::Create => placed(pay_way, &value).map(Answer::Placed),
        Operation::Query if combine::is_group(&value) => combine::views(&value).map(Answer::Combined),
        Operation::Query => facts::order(&value).map(Answer::State),
        Operation::Refund | Operation::RefundQuery => facts::refund(&value, "status").map(Answer::Refund),
        Operation::Certificates => certificates(&value).map(Answer::Certificates),
        Operation::Close => Some(Answer::Closed),
        Operation::Bill => crate::bill::ask::wechat(&value).map(Answer::Bill),
        Operation::Reverse | Operation::Authorize => None,
    }
}

/// The order itself: paid, or at its payer still.
fn charged(value: &Value) -> Option<Answer> {
    let view = facts::order(value)?;
    match view.state {
        ChannelState::Paid(_) => Some(Answer::State(view)),
        ChannelState::Paying => Some(Answer::Waiting),
        _ => None,
    }
}

/// Done; or, where it says so, to be sent again.
fn reversed(body: &[u8]) -> Answer {
    let again = strict_json::parse(body).is_ok_and(|value| value.text("recall") == Some("Y"));
    Answer::Reversed(ReverseView {
        again,
        refunded: None,
        absent: false,
    })
}

fn placed(pay_way: PayWay, value: &Value) -> Option<Reach> {
    let some = |name| value.text(name).filter(|text| !text.is_empty()).map(Arc::from);
    match pay_way {
        PayWay::Native => some("code_url").map(Reach::Code),
        PayWay::Jsapi | PayWay::App => some("prepay_id").map(Reach::Prepay),
        PayWay::H5 => some("h5_url").map(Reach::Link),
        // Other channels' ways, and what charges.
        _ => None,
    }
}

fn certificates(value: &Value) -> Option<Vec<SealedCertificate>> {
    value.list("data")?.iter().map(certificate).collect()
}

fn certificate(value: &Value) -> Option<SealedCertificate> {
    let (nonce, associated_data, ciphertext) = seal::parts(value.get("encrypt_certificate")?, seal::AES)?;
    let expires = times::rfc3339(value.text("expire_time")?)?;
    let serial = value.text("serial_no")?.to_owned();
    Some(SealedCertificate {
        serial,
        nonce,
        associated_data,
        ciphertext,
        expires,
    })
}

/// A call that charges failed for good only where the list says so (channels.md 1.11, 2.2).
fn failed(status: u16, body: &[u8], charges: bool) -> Answer {
    let parsed = strict_json::parse(body).ok();
    let code = parsed
        .as_ref()
        .and_then(|value| value.text("code"))
        .filter(|code| is_code(code));
    match code {
        Some(code) if charges && code == "USERPAYING" => Answer::Waiting,
        Some(code) if charges && !super::v2::codes::surely_not_charged(code) && !says_so(status, code) => {
            Answer::Failed(Failure {
                code: Arc::from(code),
                class: FailureClass::Unknown,
            })
        }
        Some(code) => Answer::Failed(Failure {
            code: Arc::from(code),
            class: proven(codes::class(status, code)),
        }),
        None if status >= 500 => Answer::Unclear(Unclear::ChannelError),
        None => Answer::Unclear(Unclear::Garbage),
    }
}

/// Refused before anybody looked at the code, or about the number's other trade.
fn says_so(status: u16, code: &str) -> bool {
    use FailureClass::{AlreadyPaid, Changed, Setup};
    matches!(codes::class(status, code), Setup | AlreadyPaid | Changed)
}

/// A code is a short word; anything else could be somebody's data.
fn is_code(code: &str) -> bool {
    (1..=64).contains(&code.len())
        && code
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
}

/// Errors may come unsigned, so they prove no closure: a signed query has to say it.
fn proven(class: FailureClass) -> FailureClass {
    if class == FailureClass::AlreadyClosed {
        FailureClass::Unknown
    } else {
        class
    }
}
