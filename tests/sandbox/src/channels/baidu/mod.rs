//! The Baidu wallet 百付宝 (channels.md section 5): GET only, queries in GBK, digests with a shared key; answers as XML in
//! GBK, unsigned.
//!
//! Where the documents leave room: 5801 is an unknown `sp_no`, 5802 a wrong signature, 5803 a parameter that is missing or
//! wrong, 5804 an order that is not there, 1002 a time of trouble. A refund query says 0 where there is no such refund.

pub(crate) mod notice;
mod orders;
pub(crate) mod query;
mod refunds;

use super::fault::{Channel, Kind, Operation};
use super::order::{Order, State};
use super::server::{Answer, Incoming, Reply, plain, typed};
use super::world::{Merchant, World};
use query::Params;
use std::sync::Arc;

/// A request whose sender is known and whose signature is good.
pub(super) struct Call<'a> {
    pub(super) world: &'a Arc<World>,
    pub(super) number: usize,
    pub(super) merchant: &'a Merchant,
    pub(super) params: &'a Params,
}

/// A number of the documents, and a text.
pub(super) struct Failure(pub(super) &'static str, pub(super) &'static str);

/// A number that no list has.
const UNLISTED: Failure = Failure("9999", "退款失败");

/// Answers one request.
pub(crate) fn handle(world: &Arc<World>, request: &Incoming) -> Reply {
    let Some(operation) = operation(&request.path) else {
        return Reply::Now(plain(http::StatusCode::NOT_FOUND, "not found"));
    };
    let params = Params::parse(&request.query);
    let named = |name: &str| params.as_ref().ok().map(|p| p.get(name)).unwrap_or_default();
    let (sp_no, order_no) = (named("sp_no"), named("order_no"));
    let sender = world.merchant_by_sp_no(&sp_no).map(|(number, _)| number);
    let fault = world.arrive(Channel::Baidu, operation, sender, Some(&order_no), request);
    match fault {
        Some(Kind::TimeoutBefore) => return Reply::Never,
        Some(Kind::Status5xx) => {
            return Reply::Now(plain(
                http::StatusCode::BAD_GATEWAY,
                "<html><body>502</body></html>",
            ));
        }
        _ => {}
    }
    let answer = match fault {
        Some(Kind::Busy) => refused(operation, &Failure("1002", "系统繁忙")),
        Some(Kind::OtherKey) => refused(operation, &Failure("5802", "签名错误")),
        Some(Kind::UnlistedBefore) => refused(operation, &UNLISTED),
        _ => match checked(world, request, &params, operation) {
            Ok(call) if fault == Some(Kind::UnlistedAfter) => {
                drop(act(&call, operation));
                refused(operation, &UNLISTED)
            }
            Ok(call) if fault == Some(Kind::OtherOrder) => {
                let own = act(&call, operation);
                of_another(&call, operation).unwrap_or(own)
            }
            Ok(call) => act(&call, operation),
            Err(failure) => refused(operation, &failure),
        },
    };
    match fault {
        Some(Kind::TimeoutAfter) => Reply::Never,
        Some(Kind::Garbage) => Reply::Now(typed(
            http::StatusCode::OK,
            "text/html",
            "<html>系统繁忙</html>".into(),
        )),
        Some(Kind::Slow) => Reply::After(world.slow, answer),
        _ => Reply::Now(answer),
    }
}

fn operation(path: &str) -> Option<Operation> {
    match path {
        "/api/0/pay/0/direct"
        | "/api/0/pay/0/direct/0"
        | "/api/0/pay/0/wapdirect"
        | "/api/0/pay/0/wapdirect/0" => Some(Operation::Create),
        "/api/0/query/0/pay_result_by_order_no" => Some(Operation::Query),
        "/api/0/refund" => Some(Operation::Refund),
        "/api/0/refund/0/query" => Some(Operation::RefundQuery),
        _ => None,
    }
}

/// Sender first, then the signature, then what every request must say.
fn checked<'a>(
    world: &'a Arc<World>,
    request: &Incoming,
    params: &'a Result<Params, &'static str>,
    operation: Operation,
) -> Result<Call<'a>, Failure> {
    let params = params.as_ref().map_err(|text| Failure("5803", text))?;
    if request.method != http::Method::GET || !request.body.is_empty() {
        return Err(Failure("5803", "请使用GET"));
    }
    let (number, merchant) = world
        .merchant_by_sp_no(&params.get("sp_no"))
        .ok_or(Failure("5801", "商户不存在"))?;
    if !params.is_signed(&merchant.facts.baidu.key) {
        return Err(Failure("5802", "签名错误"));
    }
    let service = match operation {
        Operation::Create => "1",
        Operation::Query => "11",
        Operation::Refund => "2",
        _ => "12",
    };
    let wanted: &[(&str, &str)] = match operation {
        Operation::Create => &[("input_charset", "1"), ("currency", "1")],
        Operation::Refund => &[
            ("input_charset", "1"),
            ("currency", "1"),
            ("output_type", "1"),
            ("output_charset", "1"),
        ],
        _ => &[("output_type", "1"), ("output_charset", "1")],
    };
    let fixed = [("service_code", service), ("version", "2")];
    if fixed
        .iter()
        .chain(wanted)
        .any(|(name, value)| params.get(name) != *value)
    {
        return Err(Failure("5803", "参数错误"));
    }
    Ok(Call {
        world,
        number,
        merchant,
        params,
    })
}

/// What it says where it mixes its answers up.
fn of_another(call: &Call<'_>, operation: Operation) -> Option<Answer> {
    let own = (Channel::Baidu, call.number, call.params.get("order_no"));
    call.world.with(|book| match operation {
        Operation::Query => {
            let key = book.another(&own)?;
            Some(orders::told(call, book.order(&key)?, None))
        }
        _ => {
            let (key, other) = book.another_refund(&own, &call.params.get("sp_refund_no"))?;
            let order = book.order(&key)?;
            let fen = order.refund(&other)?.fen;
            Some(refunds::taken(call, (&key.2, &order.channel_no), &other, fen))
        }
    })
}

fn act(call: &Call<'_>, operation: Operation) -> Answer {
    let outcome = match operation {
        Operation::Create => orders::open(call),
        Operation::Query => orders::query(call),
        Operation::Refund => refunds::create(call),
        _ => refunds::query(call),
    };
    outcome.unwrap_or_else(|failure| refused(operation, &failure))
}

/// In the words of the call: a page for the payer, `query_status`, `ret_code`.
fn refused(operation: Operation, failure: &Failure) -> Answer {
    match operation {
        Operation::Create => page(&format!("{} {}", failure.0, failure.1)),
        Operation::Query => query::xml(&[("query_status", failure.0.to_owned())]),
        Operation::RefundQuery => query::xml(&[
            ("ret_code", failure.0.to_owned()),
            ("ret_details", failure.1.to_owned()),
        ]),
        _ => query::xml(&[
            ("ret_code", failure.0.to_owned()),
            ("ret_detail", failure.1.to_owned()),
        ]),
    }
}

/// The wallet's page.
pub(super) fn page(text: &str) -> Answer {
    let page = format!(
        "<!doctype html><html><head><meta charset=\"utf-8\"><title>百度钱包沙箱</title></head><body>{text}</body></html>"
    );
    typed(http::StatusCode::OK, "text/html;charset=utf-8", page)
}

/// `20260101080000`, China time.
pub(in crate::channels) fn digits(at: domain::Instant) -> String {
    super::clock::china(at)
        .chars()
        .filter(char::is_ascii_digit)
        .take(14)
        .collect()
}

/// An order's state in the wallet's numbers; what nobody opened is no order yet.
pub(crate) fn state(order: &Order) -> &'static str {
    match order.state {
        State::Paid if order.refunded() >= order.fen => "3",
        State::Paid => "1",
        State::Unpaid | State::Closed => "2",
    }
}
