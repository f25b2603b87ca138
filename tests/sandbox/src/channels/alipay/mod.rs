//! Alipay, gateway v2: one path, the order of checks, faults.

mod answer;
mod bills;
mod codes;
mod gateway;
pub(crate) mod notice;
mod page;
mod params;
mod refunds;
mod trades;
mod v3;

use super::fault::{Channel, Kind, Operation};
use super::order::{KeyMode, Order};
use super::server::{Incoming, Reply, plain};
use super::wallet;
use super::world::{Merchant, World};
use answer::{Failure, Node, Outcome};
use params::Params;
use serde_json::Value;
use std::sync::Arc;

/// A request whose sender is known.
pub(super) struct Call<'a> {
    pub(super) world: &'a Arc<World>,
    pub(super) number: usize,
    pub(super) merchant: &'a Merchant,
    pub(super) params: &'a Params,
    pub(super) biz: Value,
    pub(super) mode: KeyMode,
    /// How the sender calls this host.
    pub(super) host: &'a str,
}

/// Where bills are fetched from.
pub(crate) const BILL_FILE: &str = "/downloadBillFile.resource";

/// Answers one request.
pub(crate) fn handle(world: &Arc<World>, request: &Incoming) -> Reply {
    if let Some(reply) = wallet::handle(world, request) {
        return reply;
    }
    if request.path.starts_with("/v3/") {
        return v3::handle(world, request);
    }
    let params = Params::of(request);
    let method = params
        .as_ref()
        .map(|p| p.get("method").to_owned())
        .unwrap_or_default();
    let named = params.as_ref().ok().map(|p| p.get("app_id"));
    let sender = named.and_then(|app_id| world.merchant_by_app(app_id));
    let number = params
        .as_ref()
        .ok()
        .and_then(|params| out_trade_no(params, sender.map(|(_, merchant)| merchant)));
    let fetches = || bills::owner(world, request);
    let fault = world.arrive(
        Channel::Alipay,
        operation(&method),
        sender.map(|(number, _)| number).or_else(fetches),
        number.as_deref(),
        request,
    );
    if request.path == BILL_FILE {
        return Reply::Now(bills::file(world, request));
    }
    if request.path != "/gateway.do" {
        return Reply::Now(plain(http::StatusCode::NOT_FOUND, "not found"));
    }
    match fault {
        Some(Kind::TimeoutBefore) => return Reply::Never,
        Some(Kind::Status5xx) => {
            return Reply::Now(plain(
                http::StatusCode::BAD_GATEWAY,
                "<html><body>502 Bad Gateway</body></html>",
            ));
        }
        Some(Kind::ArrivesLate) => {
            if let Ok(params) = params {
                arrive_late(world, params, request.header("host").to_owned());
            }
            return Reply::Never;
        }
        _ => {}
    }
    let answer = match &params {
        Ok(params) if page::way(&method).is_some() => page::open(world, params, fault),
        Err(failure) => answer::unsigned(failure),
        Ok(params) => answered(world, params, request.header("host"), fault),
    };
    match fault {
        Some(Kind::TimeoutAfter) => Reply::Never,
        Some(Kind::Slow) => Reply::After(world.slow, answer),
        _ => Reply::Now(answer),
    }
}

/// Acts on it when nobody waits for it any more.
fn arrive_late(world: &Arc<World>, params: Params, host: String) {
    let inside = world.clone();
    world.beside(async move {
        tokio::time::sleep(inside.slow).await;
        let act = move || drop(answered(&inside, &params, &host, None));
        let _ = tokio::task::spawn_blocking(act).await;
    });
}

/// The order's number as the request tells it.
fn out_trade_no(params: &Params, sender: Option<&Merchant>) -> Option<String> {
    let content = gateway::content(sender?, params)?;
    let biz: Value = serde_json::from_str(&content).ok()?;
    biz["out_trade_no"].as_str().map(str::to_owned)
}

fn answered(world: &Arc<World>, params: &Params, host: &str, fault: Option<Kind>) -> super::server::Answer {
    let (number, merchant, mode) = match gateway::identify(world, params) {
        Ok(known) => known,
        Err(failure) => return answer::unsigned(&failure),
    };
    if operation(params.get("method")) == Operation::Other {
        return answer::unsigned(&Failure::invalid("isv.invalid-method", "不存在的方法名"));
    }
    // What the gateway refuses before it looks at content comes in clear.
    let (outcome, encrypted) = match gateway::check(merchant, params, mode) {
        Err(failure) => (Err(failure), false),
        Ok(_) if fault == Some(Kind::Busy) => (Err(Failure::limited()), false),
        Ok(biz) => {
            let call = Call {
                world,
                number,
                merchant,
                params,
                biz,
                mode,
                host,
            };
            (act(&call, fault), gateway::encrypted(params))
        }
    };
    let form = answer::Form { mode, encrypted };
    answer::write(merchant, params.get("method"), &form, outcome, fault)
}

fn act(call: &Call<'_>, fault: Option<Kind>) -> Outcome {
    let unlisted = || Err(Failure::business("ACQ.SOMETHING_NEW", "业务处理失败"));
    match fault {
        Some(Kind::UnlistedBefore) => unlisted(),
        Some(Kind::UnlistedAfter) => done(call, None).and_then(|_| unlisted()),
        Some(Kind::OtherOrder) => {
            let own = done(call, fault);
            of_another(call).map_or(own, Ok)
        }
        _ => done(call, fault),
    }
}

/// What it says where it mixes its answers up.
fn of_another(call: &Call<'_>) -> Option<Node> {
    let text = |name: &str| call.biz[name].as_str();
    let own = (Channel::Alipay, call.number, text("out_trade_no")?.to_owned());
    call.world
        .with(|book| match operation(call.params.get("method")) {
            Operation::Refund => {
                let (key, _) = book.another_refund(&own, text("out_request_no")?)?;
                Some(refunds::shown(book.order(&key)?, true))
            }
            Operation::RefundQuery => {
                let (key, other) = book.another_refund(&own, text("out_request_no")?)?;
                Some(refunds::told(book.order(&key)?, &other))
            }
            asked => {
                let key = book.another(&own)?;
                let order = book.order(&key)?;
                Some(match asked {
                    Operation::Create => codes::paid(order),
                    _ => trades::shown(order),
                })
            }
        })
}

fn done(call: &Call<'_>, fault: Option<Kind>) -> Outcome {
    match call.params.get("method") {
        "alipay.trade.precreate" => trades::create(call, "precreate"),
        "alipay.trade.create" => trades::create(call, "create"),
        "alipay.trade.pay" => codes::pay(call),
        "alipay.trade.cancel" => codes::cancel(call, fault),
        "alipay.trade.query" => trades::query(call),
        "alipay.trade.close" => trades::close(call),
        "alipay.trade.refund" => refunds::create(call),
        "alipay.trade.fastpay.refund.query" => refunds::query(call),
        "alipay.open.app.alipaycert.download" => gateway::certificate(call),
        gateway::TOKEN => gateway::token(call),
        "alipay.data.dataservice.bill.downloadurl.query" => bills::place(call),
        _ => Err(Failure::invalid("isv.invalid-method", "不存在的方法名")),
    }
}

fn operation(method: &str) -> Operation {
    match method {
        "alipay.trade.precreate" | "alipay.trade.create" | "alipay.trade.pay" => Operation::Create,
        "alipay.trade.page.pay" | "alipay.trade.wap.pay" => Operation::Create,
        "alipay.trade.cancel" => Operation::Reverse,
        "alipay.trade.query" => Operation::Query,
        "alipay.trade.close" => Operation::Close,
        "alipay.trade.refund" => Operation::Refund,
        "alipay.trade.fastpay.refund.query" => Operation::RefundQuery,
        "alipay.open.app.alipaycert.download" => Operation::Certificates,
        gateway::TOKEN => Operation::Authorize,
        "alipay.data.dataservice.bill.downloadurl.query" => Operation::Bill,
        _ => Operation::Other,
    }
}

/// A node's field.
pub(super) fn put(node: &mut Node, field: &'static str, value: impl Into<Value>) {
    node.push((field, value.into()));
}

/// The payer's app opens a signed order text; the order's number, or why not.
pub(crate) fn open_in_app(world: &Arc<World>, order_string: &str) -> Result<String, String> {
    let params = Params::of_text(order_string).map_err(|failure| failure.words())?;
    let opened = page::opened(world, &params, "alipay.trade.app.pay", "app");
    opened
        .map(|(number, _)| number)
        .map_err(|failure| failure.words())
}

/// An order's state in Alipay's words; a code nobody has scanned is no trade yet.
pub(crate) fn state(order: &Order) -> &'static str {
    if order.scanned {
        trades::trade_status(order)
    } else {
        "NOT_EXIST"
    }
}
