//! Alipay's answers (channels.md 3.2–3.4).

use super::{METHODS, charge, codes, facts, facts::Named};
use crate::{
    Account, Answer, Authentic, Encrypted, Failure, RefundView, Signed, keys,
    strict_json::{self, Member, Value},
    times,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Amount, ChannelNo, Operation, PayWay, Reach, RefundState, TradeNo, Unclear};
use std::sync::Arc;

/// The node that answers this operation. Only one may be there: the call's own or the front door's error.
pub(super) fn node(operation: Operation, value: &Value) -> Option<&Member> {
    let own = METHODS.iter().filter(|method| method.1 == operation);
    let own = own.filter_map(|method| value.member(&format!("{}_response", method.0.replace('.', "_"))));
    let mut nodes = own.chain(value.member("error_response"));
    let node = nodes.next();
    if nodes.next().is_some() { None } else { node }
}

/// The signature covers the node's raw octets. Only the front door's `error_response` may come without.
pub(crate) fn authenticate(
    account: &Account,
    operation: Operation,
    status: u16,
    body: &[u8],
) -> Result<Authentic, Unclear> {
    if status != 200 {
        return Err(Unclear::ChannelError);
    }
    let value = strict_json::parse(body).map_err(|_| Unclear::Garbage)?;
    let node = node(operation, &value).ok_or(Unclear::Garbage)?;
    let Some(signature) = value.text("sign") else {
        let front_door = node.name == "error_response";
        return if front_door {
            Ok(Authentic::Unsigned)
        } else {
            Err(Unclear::Signature)
        };
    };
    let signature = STANDARD.decode(signature).map_err(|_| Unclear::Signature)?;
    // In certificate mode the answer names the certificate, else the registry does (channels.md 3.6).
    let cert_sn = match account.serial {
        Some(_) => Some(
            value
                .text("alipay_cert_sn")
                .or(account.platform.as_deref())
                .ok_or(Unclear::Signature)?,
        ),
        None => None,
    };
    let key = keys::alipay_platform(&account.account, cert_sn).map_err(|_| Unclear::Signature)?;
    Ok(Authentic::Signed(Signed::by(
        key,
        body[node.span.clone()].to_vec(),
        signature,
    )))
}

/// Reads an answer.
pub(crate) fn read(operation: Operation, pay_way: PayWay, status: u16, body: &[u8]) -> Answer {
    if status != 200 {
        return Answer::Unclear(Unclear::ChannelError);
    }
    let garbage = || Answer::Unclear(Unclear::Garbage);
    let Ok(value) = strict_json::parse(body) else {
        return garbage();
    };
    match node(operation, &value) {
        Some(node) => said(operation, pay_way, &node.value, node.name == "error_response"),
        None => garbage(),
    }
}

/// The ciphertext that stands in place of the call's own node, where content is encrypted. What the gateway refuses
/// before it looks at content comes in clear (channels.md 3.2).
pub(crate) fn encrypted(
    account: &Account,
    operation: Operation,
    status: u16,
    body: &[u8],
) -> Result<Option<Encrypted>, Unclear> {
    match account.encrypts {
        true => ciphertext(account, operation, status, body),
        false => Ok(None),
    }
}

/// The same, whoever encrypted the request.
pub(crate) fn ciphertext(
    account: &Account,
    operation: Operation,
    status: u16,
    body: &[u8],
) -> Result<Option<Encrypted>, Unclear> {
    if status != 200 {
        return Ok(None);
    }
    let value = strict_json::parse(body).map_err(|_| Unclear::Garbage)?;
    let node = node(operation, &value).ok_or(Unclear::Garbage)?;
    let Value::Text(text) = &node.value else {
        return Ok(None);
    };
    let ciphertext = STANDARD.decode(text.as_bytes()).map_err(|_| Unclear::Garbage)?;
    let key = keys::alipay_content(&account.account).map_err(|_| Unclear::Garbage)?;
    // Ciphertext under `error_response` would have come unsigned.
    if node.name == "error_response" {
        Err(Unclear::Garbage)
    } else {
        Ok(Some(Encrypted { key, ciphertext }))
    }
}

/// Reads content that was encrypted.
pub(crate) fn read_content(operation: Operation, pay_way: PayWay, content: &[u8]) -> Answer {
    match strict_json::parse(content) {
        Ok(value) => said(operation, pay_way, &value, false),
        Err(_) => Answer::Unclear(Unclear::Garbage),
    }
}

/// An answer of OpenAPI v3: the content itself, or an HTTP error with a code (channels.md 3.8).
pub(crate) fn read_v3(operation: Operation, pay_way: PayWay, status: u16, body: &[u8]) -> Answer {
    let garbage = || Answer::Unclear(Unclear::Garbage);
    let Ok(value) = strict_json::parse(body) else {
        return Answer::Unclear(if status >= 500 {
            Unclear::ChannelError
        } else {
            Unclear::Garbage
        });
    };
    let charges = operation == Operation::Create && pay_way.charges();
    if charges && charge::waits_v3(status, &value) {
        return Answer::Waiting;
    }
    if status == 200 {
        // The gateway's wrapping codes are not in this form; whatever says one says something else than "done".
        let done = value.named("code").is_none_or(|code| code == "10000");
        let said = done.then(|| success(operation, pay_way, &value)).flatten();
        return said.unwrap_or_else(garbage);
    }
    let Some(code) = value.named("code").filter(|code| is_code(code)) else {
        return garbage();
    };
    // The status says why only where the code is the front door's: behind it the code does (channels.md 3.3), whatever the
    // status, and no word of doubt is a refusal. What the front door says of the app it says under 400, too.
    let by_code = codes::class("40004", code);
    let of_the_app = codes::is_of_the_app(code) || codes::is_limited(code);
    let front_door = (matches!(status, 401 | 403 | 429) || (400..=499).contains(&status) && of_the_app)
        && !codes::is_of_business(code)
        && by_code != crate::FailureClass::Unknown;
    let class = match status {
        _ if front_door && (status == 429 || codes::is_limited(code)) => crate::FailureClass::Busy,
        _ if front_door => crate::FailureClass::Setup,
        400..=499 => by_code,
        _ => crate::FailureClass::Unknown,
    };
    let failure = Failure {
        code: Arc::from(code),
        class,
    };
    match charges {
        true => charge::refused(&value, charge::judged(operation, front_door, code, failure)),
        false => Answer::Failed(failure),
    }
}

/// What a node says; the front door's own never says that something is done.
fn said(operation: Operation, pay_way: PayWay, node: &Value, front_door: bool) -> Answer {
    let garbage = || Answer::Unclear(Unclear::Garbage);
    match node.named("code") {
        Some("10003") if pay_way.charges() && operation == Operation::Create && !front_door => {
            Answer::Waiting
        }
        Some("10000") if !front_door => success(operation, pay_way, node).unwrap_or_else(garbage),
        Some("10000") | None => garbage(),
        Some(code) => {
            let sub_code = node.named("sub_code").unwrap_or_default();
            match failed(code, sub_code, front_door) {
                Answer::Failed(failure) if pay_way.charges() => {
                    let front_door = codes::at_front_door(code);
                    charge::refused(node, charge::judged(operation, front_door, sub_code, failure))
                }
                other => other,
            }
        }
    }
}

fn failed(code: &str, sub_code: &str, front_door: bool) -> Answer {
    let shown = [sub_code, code].into_iter().find(|text| is_code(text));
    let Some(shown) = shown else {
        return Answer::Unclear(Unclear::Garbage);
    };
    // What comes unsigned from the front door is about the call, never about the order's end.
    let class = match (codes::class(code, sub_code), front_door) {
        (crate::FailureClass::AlreadyClosed | crate::FailureClass::AlreadyPaid, true) => {
            crate::FailureClass::Unknown
        }
        (class, _) => class,
    };
    Answer::Failed(Failure {
        code: Arc::from(shown),
        class,
    })
}

/// A code is a short word; anything else could be somebody's data.
pub(super) fn is_code(code: &str) -> bool {
    (1..=64).contains(&code.len())
        && code
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
}

fn success(operation: Operation, pay_way: PayWay, node: &Value) -> Option<Answer> {
    match operation {
        Operation::Create if pay_way.charges() => facts::paid_now(node).map(Answer::State),
        Operation::Create => placed(pay_way, node).map(Answer::Placed),
        Operation::Query => facts::order(node, "send_pay_date").map(Answer::State),
        Operation::Close => Some(Answer::Closed),
        Operation::Reverse => charge::cancelled(node).map(Answer::Reversed),
        Operation::Refund => refund(node).map(Answer::Refund),
        // A refund that never was is no error at Alipay: nothing is said of it (channels.md 3.1).
        Operation::RefundQuery
            if ["refund_status", "out_request_no"]
                .iter()
                .all(|name| node.named(name).is_none()) =>
        {
            Some(Answer::Failed(Failure {
                code: Arc::from("10000"),
                class: crate::FailureClass::NotFound,
            }))
        }
        Operation::RefundQuery => refund_query(node).map(Answer::Refund),
        Operation::Bill => crate::bill::ask::alipay(node).map(Answer::Bill),
        Operation::Certificates => {
            let packed = node.named("alipay_cert_content")?;
            STANDARD.decode(packed).ok().map(Answer::Certificate)
        }
        Operation::Authorize => None, // read by `authorize`, which seals what it finds
    }
}

fn placed(pay_way: PayWay, node: &Value) -> Option<Reach> {
    match pay_way {
        PayWay::Qr => node.named("qr_code").map(|code| Reach::Code(Arc::from(code))),
        PayWay::Jsapi => node
            .named("trade_no")
            .and_then(|no| TradeNo::new(no).ok())
            .map(Reach::Cashier),
        // The others are handed out and have no answer, or charge.
        _ => None,
    }
}

/// `fund_change` says whether money moved by this very call; without it a query must tell. `refund_fee` is
/// the sum of all refunds so far, so it is not this refund's amount.
fn refund(node: &Value) -> Option<RefundView> {
    let order = ChannelNo::new(node.named("out_trade_no")?).ok()?;
    let number = node
        .named("out_request_no")
        .map(ChannelNo::new)
        .transpose()
        .ok()?;
    let moved = node.named("fund_change") == Some("Y");
    Some(RefundView {
        number: number.unwrap_or_else(|| order.clone()),
        time: None,
        order: Some(order),
        state: if moved {
            RefundState::Succeeded
        } else {
            RefundState::Processing
        },
        amount: None,
        trade_no: node.named("trade_no").and_then(|no| TradeNo::new(no).ok()),
        refunded_at: node.named("gmt_refund_pay").and_then(times::china),
    })
}

/// Only `REFUND_SUCCESS` is a word of success; anything else is asked again (channels.md 3.1).
fn refund_query(node: &Value) -> Option<RefundView> {
    let done = node.named("refund_status") == Some("REFUND_SUCCESS");
    Some(RefundView {
        order: node.named("out_trade_no").map(ChannelNo::new).transpose().ok()?,
        number: ChannelNo::new(node.named("out_request_no")?).ok()?,
        time: None,
        state: if done {
            RefundState::Succeeded
        } else {
            RefundState::Processing
        },
        amount: node
            .named("refund_amount")
            .and_then(|yuan| Amount::parse_yuan(yuan).ok()),
        trade_no: node.named("trade_no").and_then(|no| TradeNo::new(no).ok()),
        refunded_at: node.named("gmt_refund_pay").and_then(times::china),
    })
}
