//! Industrial and Commercial Bank of China 工商银行 (ICBC_PERBANK_B2C 1.0.0.11, channels.md 6.2): a browser posts signed XML, and the
//! bank tells the address in it. There is nothing else: no query, no close, no refund.
//!
//! Where the document leaves room: the elements of `message` come in one order; an order never ends by itself; notices are
//! repeated after 1, 5, 10 and 30 minutes until they are answered 200; a doubtful state is told by command only.

pub(crate) mod notice;
mod orders;

use super::fault::{Channel, Kind, Operation};
use super::order::{Order, State};
use super::server::{Answer, Incoming, Reply, plain, typed};
use super::world::World;
use std::sync::Arc;

/// Where the form goes.
pub(crate) const PATH: &str = "/servlet/ICBCINBSEBusinessServlet";

/// Answers one request.
pub(crate) fn handle(world: &Arc<World>, request: &Incoming) -> Reply {
    let read = orders::Asked::read(request);
    let (mer_id, order_id) = read
        .as_ref()
        .map_or((String::new(), String::new()), orders::Asked::names);
    let sender = world.merchant_by_icbc(&mer_id).map(|(number, _)| number);
    let fault = world.arrive(Channel::Icbc, Operation::Create, sender, Some(&order_id), request);
    let answer = match fault {
        Some(Kind::TimeoutBefore) => return Reply::Never,
        Some(Kind::Status5xx) => plain(http::StatusCode::BAD_GATEWAY, "<html><body>502</body></html>"),
        Some(Kind::Busy) => page("96113000 系统繁忙"),
        _ => match read.and_then(|asked| orders::open(world, &asked)) {
            Ok(text) => page(&text),
            Err(text) => page(&format!("96111000 {text}")),
        },
    };
    match fault {
        Some(Kind::TimeoutAfter) => Reply::Never,
        Some(Kind::Garbage) => Reply::Now(plain(http::StatusCode::OK, "?")),
        Some(Kind::Slow) => Reply::After(world.slow, answer),
        _ => Reply::Now(answer),
    }
}

/// The bank's page.
fn page(text: &str) -> Answer {
    let page = format!(
        "<!doctype html><html><head><meta charset=\"utf-8\"><title>工商银行沙箱</title></head><body>{text}</body></html>"
    );
    typed(http::StatusCode::OK, "text/html;charset=utf-8", page)
}

/// `tranStat` of an order.
pub(crate) fn state(order: &Order) -> &'static str {
    match order.state {
        State::Paid => "1",
        State::Unpaid | State::Closed => "2",
    }
}
