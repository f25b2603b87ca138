//! WeChat Pay, APIv3: routes, the order of checks, faults. V2 has a folder of its own.

mod answer;
mod auth;
mod bills;
mod fields;
pub(crate) mod notice;
mod orders;
mod refunds;
pub(crate) mod v2;

use super::fault::{Channel, Kind, Operation};
use super::order::Order;
use super::server::{Incoming, Reply};
use super::world::{Merchant, World};
use answer::{Outcome, Speech};
use http::{Method, StatusCode};
use serde_json::Value;
use std::sync::Arc;

/// A request whose sender is known.
pub(super) struct Call<'a> {
    pub(super) world: &'a Arc<World>,
    pub(super) number: usize,
    pub(super) merchant: &'a Merchant,
    pub(super) request: &'a Incoming,
    pub(super) speech: Speech,
}

/// Which call a request is, with the number in its path.
enum Route<'a> {
    /// A new order, by its trade type.
    Order(&'static str),
    QueryOut(&'a str),
    QueryId(&'a str),
    Close(&'a str),
    Refund,
    RefundQuery(&'a str),
    Certificates,
    Bill(super::bills::wechat::Kind),
    BillFile,
    WrongMethod,
    Unknown,
}

/// Answers one request.
pub(crate) fn handle(world: &Arc<World>, request: &Incoming) -> Reply {
    if v2::is_path(&request.path) {
        return v2::handle(world, request);
    }
    let route = route(&request.method, &request.path);
    let sender = auth::named(request).and_then(|mchid| world.merchant_by_mchid(mchid));
    let number = route.out_trade_no(request);
    let fault = world.arrive(
        Channel::Wechat,
        route.operation(),
        sender.map(|(number, _)| number),
        number.as_deref(),
        request,
    );
    if fault == Some(Kind::TimeoutBefore) {
        return Reply::Never;
    }
    let (number, merchant) = match auth::check(world, request) {
        Ok(known) => known,
        Err(failure) => return Reply::Now(failure.unsigned()),
    };
    let speech = Speech::asked(merchant, request);
    let call = Call {
        world,
        number,
        merchant,
        request,
        speech,
    };
    if matches!(route, Route::BillFile) {
        return Reply::Now(bills::file(&call));
    }
    let outcome = match fault {
        Some(Kind::Status5xx) => Err(answer::Failure::system_error()),
        Some(Kind::Busy) => Err(answer::Failure::busy()),
        _ => act(&call, route),
    };
    let reply = answer::write(merchant, &call.speech, outcome, fault);
    match fault {
        Some(Kind::TimeoutAfter) => Reply::Never,
        Some(Kind::Slow) => Reply::After(world.slow, reply),
        _ => Reply::Now(reply),
    }
}

fn act(call: &Call<'_>, route: Route<'_>) -> Outcome {
    match route {
        Route::Order(way) => orders::create(call, way),
        Route::QueryOut(no) => orders::query_out(call, no),
        Route::QueryId(no) => orders::query_id(call, no),
        Route::Close(no) => orders::close(call, no),
        Route::Refund => refunds::create(call),
        Route::RefundQuery(no) => refunds::query(call, no),
        Route::Certificates => answer::certificates(call.merchant),
        Route::Bill(kind) => bills::place(call, kind),
        Route::BillFile => Ok(None), // answered before: it is no JSON
        Route::WrongMethod => Err(answer::Failure::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "PARAM_ERROR",
            "请求方法不支持",
        )),
        Route::Unknown => Err(answer::Failure::new(
            StatusCode::NOT_FOUND,
            "RESOURCE_NOT_EXISTS",
            "请求的资源不存在",
        )),
    }
}

fn route<'a>(method: &Method, path: &'a str) -> Route<'a> {
    let single = |s: &'a str| Some(s).filter(|s| !s.is_empty() && !s.contains('/'));
    let out = path.strip_prefix("/v3/pay/transactions/out-trade-no/");
    let close = out.and_then(|o| o.strip_suffix("/close")).and_then(single);
    let refund = path.strip_prefix("/v3/refund/domestic/refunds/").and_then(single);
    let id = path.strip_prefix("/v3/pay/transactions/id/").and_then(single);
    let (wanted, route) = match path {
        "/v3/pay/transactions/native" => (Method::POST, Route::Order("NATIVE")),
        "/v3/pay/transactions/jsapi" => (Method::POST, Route::Order("JSAPI")),
        "/v3/pay/transactions/h5" => (Method::POST, Route::Order("MWEB")),
        "/v3/pay/transactions/app" => (Method::POST, Route::Order("APP")),
        "/v3/refund/domestic/refunds" => (Method::POST, Route::Refund),
        "/v3/certificates" => (Method::GET, Route::Certificates),
        "/v3/bill/tradebill" => (Method::GET, Route::Bill(super::bills::wechat::Kind::Trade)),
        "/v3/bill/fundflowbill" => (Method::GET, Route::Bill(super::bills::wechat::Kind::Funds)),
        bills::FILE => (Method::GET, Route::BillFile),
        _ => match (close, out.and_then(single), id, refund) {
            (Some(no), ..) => (Method::POST, Route::Close(no)),
            (_, Some(no), ..) => (Method::GET, Route::QueryOut(no)),
            (_, _, Some(no), _) => (Method::GET, Route::QueryId(no)),
            (.., Some(no)) => (Method::GET, Route::RefundQuery(no)),
            _ => return Route::Unknown,
        },
    };
    if *method == wanted {
        route
    } else {
        Route::WrongMethod
    }
}

impl Route<'_> {
    /// The order's number as the request tells it. A refund query tells the refund's only.
    fn out_trade_no(&self, request: &Incoming) -> Option<String> {
        match self {
            Route::QueryOut(number) | Route::Close(number) => Some((*number).to_owned()),
            Route::Order(_) | Route::Refund => {
                let body: Value = serde_json::from_slice(&request.body).ok()?;
                body["out_trade_no"].as_str().map(str::to_owned)
            }
            _ => None,
        }
    }

    fn operation(&self) -> Operation {
        match self {
            Route::Order(_) => Operation::Create,
            Route::QueryOut(_) | Route::QueryId(_) => Operation::Query,
            Route::Close(_) => Operation::Close,
            Route::Refund => Operation::Refund,
            Route::RefundQuery(_) => Operation::RefundQuery,
            Route::Certificates => Operation::Certificates,
            Route::Bill(_) => Operation::Bill,
            Route::BillFile | Route::WrongMethod | Route::Unknown => Operation::Other,
        }
    }
}

impl Call<'_> {
    /// The body as a JSON object.
    fn object(&self) -> Result<Value, answer::Failure> {
        let json = self
            .request
            .header("content-type")
            .starts_with("application/json");
        if !json {
            return Err(answer::Failure::field(
                "Content-Type",
                "",
                "请求头Content-Type须为application/json",
            ));
        }
        match serde_json::from_slice::<Value>(&self.request.body) {
            Ok(value) if value.is_object() => Ok(value),
            _ => Err(answer::Failure::field("body", "", "无法将JSON解析为对象")),
        }
    }

    /// Refuses a mchid other than the one that signed.
    fn own_mchid(&self, mchid: Option<&str>) -> Result<(), answer::Failure> {
        let own = &self.merchant.facts.wechat.mchid;
        match mchid {
            None => Err(answer::Failure::field("mchid", "", "缺少商户号mchid")),
            Some(m) if m == own => Ok(()),
            Some(m) => Err(answer::Failure::field("mchid", m, "商户号与签名的商户号不一致")),
        }
    }
}

/// An order's state in WeChat Pay's words.
pub(crate) fn state(order: &Order) -> &'static str {
    orders::trade_state(order).0
}
