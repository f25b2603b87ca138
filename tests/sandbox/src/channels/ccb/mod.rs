//! China Construction Bank 建设银行 (channels.md 6.3): one address, pairs with a MAC; a browser posts orders, a merchant's
//! server asks for them.
//!
//! Where the document leaves room: an order never ends by itself; a query answers in XML with `RETURN_CODE`, where nothing is
//! found with 000000 and no `QUERYORDER`; what was paid on an earlier day is settled. Notices are posted to the address that
//! was registered with the bank (`/control/register`), any 200 acknowledges them, and they are repeated after 1, 5, 10 and 30
//! minutes. There is no close, no refund, no bill.

mod mac;
pub(crate) mod notice;
mod orders;
pub(crate) mod rsa;

use super::fault::{Channel, Kind, Operation};
use super::order::{Order, State};
use super::server::{Answer, Incoming, Reply, plain, typed};
use super::world::{Merchant, World};
use mac::Params;
use std::sync::Arc;

/// The bank's one address.
pub(crate) const PATH: &str = "/CCBIS/ccbMain";

/// A request whose sender is known and whose MAC is good.
pub(super) struct Call<'a> {
    pub(super) world: &'a Arc<World>,
    pub(super) number: usize,
    pub(super) merchant: &'a Merchant,
    pub(super) params: &'a Params,
}

impl Call<'_> {
    pub(super) fn get(&self, name: &str) -> &str {
        self.params.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// A code and a text.
pub(super) struct Failure(pub(super) &'static str, pub(super) &'static str);

/// Answers one request.
pub(crate) fn handle(world: &Arc<World>, request: &Incoming) -> Reply {
    let form: &[u8] = if request.method == http::Method::POST && request.query.is_empty() {
        &request.body
    } else {
        b""
    };
    let params = mac::read(form);
    let named = |name: &str| {
        params
            .as_ref()
            .ok()
            .and_then(|p| p.get(name))
            .cloned()
            .unwrap_or_default()
    };
    let operation = match named("TXCODE").as_str() {
        "520100" => Operation::Create,
        "410408" => Operation::Query,
        _ => return Reply::Now(plain(http::StatusCode::BAD_REQUEST, "TXCODE")),
    };
    let (pos_id, order_id) = (named("POSID"), named("ORDERID"));
    let sender = world.merchant_by_pos_id(&pos_id).map(|(number, _)| number);
    let fault = world.arrive(Channel::Ccb, operation, sender, Some(&order_id), request);
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
        Some(Kind::Busy) => refused(operation, &Failure("0140", "系统繁忙")),
        _ => match checked(world, &params, operation) {
            Ok(call) => match operation {
                Operation::Create => orders::open(&call),
                _ if fault == Some(Kind::OtherOrder) => {
                    let own = orders::query(&call);
                    orders::of_another(&call).map_or(own, Ok)
                }
                _ => orders::query(&call),
            }
            .unwrap_or_else(|failure| refused(operation, &failure)),
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

/// Sender first, then the MAC, then the three numbers of one merchant.
fn checked<'a>(
    world: &'a Arc<World>,
    params: &'a Result<Params, &'static str>,
    operation: Operation,
) -> Result<Call<'a>, Failure> {
    let params = params.as_ref().map_err(|text| Failure("0101", text))?;
    let named = |name: &str| params.get(name).map(String::as_str).unwrap_or_default();
    let (number, merchant) = world
        .merchant_by_pos_id(named("POSID"))
        .ok_or(Failure("0102", "柜台不存在"))?;
    let facts = &merchant.facts.ccb;
    let names: &[&str] = if operation == Operation::Create {
        &mac::ORDER
    } else {
        &mac::QUERY
    };
    mac::is_good(params, names, &facts.public_key).map_err(|text| Failure("0103", text))?;
    if named("MERCHANTID") != facts.merchant_id || named("BRANCHID") != facts.branch_id {
        return Err(Failure("0104", "商户不存在"));
    }
    Ok(Call {
        world,
        number,
        merchant,
        params,
    })
}

/// In the words of the call: a page for the payer, `RETURN_CODE` in XML.
fn refused(operation: Operation, failure: &Failure) -> Answer {
    match operation {
        Operation::Create => page(&format!("{} {}", failure.0, failure.1)),
        _ => orders::document(failure.0, failure.1, &[]),
    }
}

/// The bank's page.
pub(super) fn page(text: &str) -> Answer {
    let page = format!(
        "<!doctype html><html><head><meta charset=\"utf-8\"><title>建设银行沙箱</title></head><body>{text}</body></html>"
    );
    typed(http::StatusCode::OK, "text/html;charset=utf-8", page)
}

/// An order's state in the bank's numbers.
pub(crate) fn state(order: &Order) -> &'static str {
    match order.state {
        State::Paid => "1",
        State::Unpaid | State::Closed => "0",
    }
}
