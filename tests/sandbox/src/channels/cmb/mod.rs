//! China Merchants Bank 招商银行, 一网通支付 (channels.md 6.4, the newer interface): JSON in a form, one digest over sorted pairs.
//!
//! Where the documents leave room: the two addresses of the bank are one here; an order waits from the browser's arrival for as
//! many minutes as it says, and then is nobody's; a query of what nobody paid answers with the invented code `SANDBOX404`, since
//! no source says which it is. Notices are posted to `payNoticeUrl`, any 200 acknowledges them, and they are repeated after 1, 5,
//! 10 and 30 minutes. There is no close, no refund, no bill.

pub(crate) mod notice;
mod orders;
mod pairs;

use super::fault::{Channel, Kind, Operation};
use super::order::{Order, State};
use super::server::{Answer, Incoming, Reply, plain, typed};
use super::world::World;
use pairs::Asked;
use std::sync::Arc;

/// Where browsers bring orders.
pub(crate) const ORDERS: (&str, &str) = ("/netpayment/BaseHttp.dll", "MB_EUserPay");
/// Where a merchant's server asks.
pub(crate) const QUERIES: (&str, &str) = ("/merchserv/BaseHttp.dll", "QuerySingleOrder");

/// A request whose sender is known and whose digest is good.
struct Call<'a> {
    world: &'a Arc<World>,
    number: usize,
    asked: &'a Asked,
}

/// A code and a text.
pub(super) struct Failure(pub(super) &'static str, pub(super) &'static str);

/// Answers one request.
pub(crate) fn handle(world: &Arc<World>, request: &Incoming) -> Reply {
    let operation = match (request.path.as_str(), request.query.as_str()) {
        ORDERS => Operation::Create,
        QUERIES => Operation::Query,
        _ => return Reply::Now(plain(http::StatusCode::NOT_FOUND, "404")),
    };
    let asked = match request.method == http::Method::POST {
        true => Asked::read(&request.body),
        false => Err("请使用POST"),
    };
    let (account, order_no) = asked.as_ref().map_or((String::new(), String::new()), |asked| {
        (asked.account(), asked.get("orderNo").to_owned())
    });
    let sender = world.merchant_by_cmb(&account).map(|(number, _)| number);
    let fault = world.arrive(Channel::Cmb, operation, sender, Some(&order_no), request);
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
    let outcome = match fault {
        Some(Kind::Busy) => Err(Failure("SYSBUSY", "系统繁忙")),
        _ => checked(world, &asked).and_then(|call| match operation {
            Operation::Create => orders::open(&call),
            _ if fault == Some(Kind::OtherOrder) => {
                let own = orders::query(&call);
                orders::of_another(&call).map_or(own, Ok)
            }
            _ => orders::query(&call),
        }),
    };
    let answer = outcome.unwrap_or_else(|failure| refused(operation, &failure));
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

/// Sender first, then the digest.
fn checked<'a>(world: &'a Arc<World>, asked: &'a Result<Asked, &'static str>) -> Result<Call<'a>, Failure> {
    let asked = asked.as_ref().map_err(|text| Failure("MSS3400", text))?;
    let (number, merchant) = world
        .merchant_by_cmb(&asked.account())
        .ok_or(Failure("MSS3402", "商户不存在"))?;
    if !asked.is_good(&merchant.facts.cmb.key) {
        return Err(Failure("MSS3411", "签名错误"));
    }
    Ok(Call { world, number, asked })
}

/// In the words of the call: a page for the payer, `rspData` in JSON.
fn refused(operation: Operation, failure: &Failure) -> Answer {
    match operation {
        Operation::Create => page(&format!("{} {}", failure.0, failure.1)),
        _ => orders::said(failure.0, failure.1, &[]),
    }
}

/// The bank's page.
pub(super) fn page(text: &str) -> Answer {
    let page = format!(
        "<!doctype html><html><head><meta charset=\"utf-8\"><title>招商银行沙箱</title></head><body>{text}</body></html>"
    );
    typed(http::StatusCode::OK, "text/html;charset=utf-8", page)
}

/// An order's state in the bank's numbers.
pub(crate) fn state(order: &Order) -> &'static str {
    match order.state {
        State::Paid => "0",
        State::Unpaid | State::Closed => "4",
    }
}
