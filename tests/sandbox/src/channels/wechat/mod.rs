//! WeChat Pay, APIv3: routes, the order of checks, faults. V2 has a folder of its own.

mod answer;
mod auth;
mod bills;
mod codepay;
mod combine;
mod fields;
pub(crate) mod notice;
mod orders;
pub(crate) mod redirect;
mod refunds;
pub(crate) mod stage;
pub(crate) mod v2;

use super::fault::{Channel, Kind, Operation};
use super::order::Order;
use super::server::{Incoming, Reply};
use super::wallet;
use super::world::{Merchant, World};
use answer::{Outcome, Speech};
use http::{Method, StatusCode};
use serde_json::Value;
use std::borrow::Cow;
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
    /// A new order, by its trade type; true in a service provider's form (服务商).
    Order(&'static str, bool),
    QueryOut(&'a str, bool),
    QueryId(&'a str, bool),
    Close(&'a str, bool),
    /// A payer's code is charged.
    Codepay(bool),
    Reverse(&'a str, bool),
    /// Several orders that are paid together (合单), by their trade type.
    Combine(&'static str),
    CombineQuery(&'a str),
    CombineClose(&'a str),
    Refund,
    RefundQuery(&'a str),
    /// An abnormal refund shall go another way; the channel's own number of it.
    Redirect(&'a str),
    Certificates,
    Bill(super::bills::wechat::Kind),
    BillFile,
    WrongMethod,
    Unknown,
}

/// Answers one request.
pub(crate) fn handle(world: &Arc<World>, request: &Incoming) -> Reply {
    if let Some(reply) = wallet::handle(world, request) {
        return reply;
    }
    if v2::is_path(&request.path) {
        return v2::handle(world, request);
    }
    let path = spelt(&request.path);
    let route = route(&request.method, &path);
    let sender = auth::named(request).and_then(|mchid| world.merchant_by_mchid(mchid));
    let number = route.out_trade_no(request);
    let fault = world.arrive(
        Channel::Wechat,
        route.operation(),
        sender.map(|(number, _)| number),
        number.as_deref(),
        request,
    );
    match fault {
        Some(Kind::TimeoutBefore) => return Reply::Never,
        Some(Kind::ArrivesLate) => {
            arrive_late(world, request.clone());
            return Reply::Never;
        }
        _ => {}
    }
    answer(world, request, route, fault)
}

/// Acts on it when nobody waits for it any more.
fn arrive_late(world: &Arc<World>, request: Incoming) {
    let inside = world.clone();
    world.beside(async move {
        tokio::time::sleep(inside.slow).await;
        let act = move || {
            let path = spelt(&request.path);
            let route = route(&request.method, &path);
            drop(answer(&inside, &request, route, None));
        };
        let _ = tokio::task::spawn_blocking(act).await;
    });
}

fn answer(world: &Arc<World>, request: &Incoming, route: Route<'_>, fault: Option<Kind>) -> Reply {
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
        Some(Kind::OtherOrder) => {
            let (operation, order, refund) = (
                route.operation(),
                route.out_trade_no(request),
                route.out_refund_no(request),
            );
            let own = act(&call, route);
            of_another(&call, operation, order, refund).map_or(own, |told| Ok(Some(told)))
        }
        Some(Kind::Status5xx) => Err(answer::Failure::system_error()),
        Some(Kind::Busy) => Err(answer::Failure::busy()),
        Some(Kind::UnlistedBefore) => Err(answer::Failure::unlisted()),
        Some(Kind::UnlistedAfter) => act(&call, route).and(Err(answer::Failure::unlisted())),
        _ => act(&call, route),
    };
    let reply = answer::write(merchant, &call.speech, outcome, fault);
    match fault {
        Some(Kind::TimeoutAfter) => Reply::Never,
        Some(Kind::Slow) => Reply::After(world.slow, reply),
        _ => Reply::Now(reply),
    }
}

/// What it says where it mixes its answers up.
fn of_another(
    call: &Call<'_>,
    operation: Operation,
    order: Option<String>,
    refund: Option<String>,
) -> Option<Value> {
    let named = |number: String| (Channel::Wechat, call.number, number);
    call.world.with(|book| match operation {
        Operation::Refund | Operation::RefundQuery => {
            let number = named(refund?);
            let own = book.refunds.get(&number)?;
            let (key, other) = book.another_refund(own, &number.2)?;
            let abnormal = book.abnormal.clone();
            refunds::shown(book.order(&key)?, &other, &abnormal).ok()
        }
        _ => {
            let key = book.another(&named(order?))?;
            Some(orders::shown(call.merchant, book.order(&key)?))
        }
    })
}

fn act(call: &Call<'_>, route: Route<'_>) -> Outcome {
    match route {
        Route::Order(way, partner) => orders::create(call, way, partner),
        Route::Codepay(partner) => codepay::charge(call, partner),
        Route::Reverse(no, partner) => codepay::reverse(call, no, partner),
        Route::QueryOut(no, partner) => orders::query_out(call, no, partner),
        Route::QueryId(no, partner) => orders::query_id(call, no, partner),
        Route::Close(no, partner) => orders::close(call, no, partner),
        Route::Combine(way) => combine::create(call, way),
        Route::CombineQuery(no) => combine::query(call, no),
        Route::CombineClose(no) => combine::close(call, no),
        Route::Refund => refunds::create(call),
        Route::RefundQuery(no) => refunds::query(call, no),
        Route::Redirect(id) => redirect::redirect(call, id),
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

/// The path with its escapes undone: clients escape what a number may hold (`|`, `*`, `@`). What is signed stays as it was
/// sent; an escape that would cut the path elsewhere is left alone.
fn spelt(path: &str) -> Cow<'_, str> {
    let slashes = |text: &str| text.matches('/').count();
    percent_encoding::percent_decode_str(path)
        .decode_utf8()
        .ok()
        .filter(|plain| slashes(plain) == slashes(path))
        .unwrap_or(Cow::Borrowed(path))
}

fn route<'a>(method: &Method, path: &'a str) -> Route<'a> {
    let single = |s: &'a str| Some(s).filter(|s| !s.is_empty() && !s.contains('/'));
    let partner = path
        .strip_prefix("/v3/pay/partner/transactions/")
        .map(|rest| (rest, true));
    let rest = partner.or_else(|| {
        path.strip_prefix("/v3/pay/transactions/")
            .map(|rest| (rest, false))
    });
    let combined = path.strip_prefix("/v3/combine-transactions/");
    if let Some(way) = rest
        .and_then(|(rest, partner)| Some(Route::Order(way(rest)?, partner)))
        .or_else(|| combined.and_then(way).map(Route::Combine))
    {
        return if *method == Method::POST {
            way
        } else {
            Route::WrongMethod
        };
    }
    let group = combined.and_then(|c| c.strip_prefix("out-trade-no/"));
    let (rest, partner) = rest.unwrap_or_default();
    let out = rest.strip_prefix("out-trade-no/");
    let reverse = out.and_then(|o| o.strip_suffix("/reverse")).and_then(single);
    let close = out.and_then(|o| o.strip_suffix("/close")).and_then(single);
    let refund = path.strip_prefix("/v3/refund/domestic/refunds/");
    let redirect = refund
        .and_then(|r| r.strip_suffix("/apply-abnormal-refund"))
        .and_then(single);
    let refund = refund.and_then(single);
    let id = rest.strip_prefix("id/").and_then(single);
    let (wanted, route) = match path {
        "/v3/refund/domestic/refunds" => (Method::POST, Route::Refund),
        "/v3/certificates" => (Method::GET, Route::Certificates),
        "/v3/bill/tradebill" => (Method::GET, Route::Bill(super::bills::wechat::Kind::Trade)),
        "/v3/bill/fundflowbill" => (Method::GET, Route::Bill(super::bills::wechat::Kind::Funds)),
        path if bills::is_file(path) => (Method::GET, Route::BillFile),
        _ if rest == "codepay" => (Method::POST, Route::Codepay(partner)),
        _ if reverse.is_some() => (Method::POST, Route::Reverse(reverse.unwrap_or_default(), partner)),
        _ if redirect.is_some() => (Method::POST, Route::Redirect(redirect.unwrap_or_default())),
        _ => match (close, out.and_then(single), id, refund) {
            (Some(no), ..) => (Method::POST, Route::Close(no, partner)),
            (_, Some(no), ..) => (Method::GET, Route::QueryOut(no, partner)),
            (_, _, Some(no), _) => (Method::GET, Route::QueryId(no, partner)),
            (.., Some(no)) => (Method::GET, Route::RefundQuery(no)),
            _ => match (
                group.and_then(|g| g.strip_suffix("/close")).and_then(single),
                group.and_then(single),
            ) {
                (Some(no), _) => (Method::POST, Route::CombineClose(no)),
                (_, Some(no)) => (Method::GET, Route::CombineQuery(no)),
                _ => return Route::Unknown,
            },
        },
    };
    if *method == wanted {
        route
    } else {
        Route::WrongMethod
    }
}

/// The trade type by the last word of the path.
fn way(word: &str) -> Option<&'static str> {
    Some(match word {
        "native" => "NATIVE",
        "jsapi" => "JSAPI",
        "h5" => "MWEB",
        "app" => "APP",
        _ => return None,
    })
}

impl Route<'_> {
    /// The order's number as the request tells it. A refund query tells the refund's only.
    fn out_trade_no(&self, request: &Incoming) -> Option<String> {
        match self {
            Route::QueryOut(number, _)
            | Route::Close(number, _)
            | Route::Reverse(number, _)
            | Route::CombineQuery(number)
            | Route::CombineClose(number) => Some((*number).to_owned()),
            Route::Order(..) | Route::Codepay(_) | Route::Combine(_) | Route::Refund => {
                let body: Value = serde_json::from_slice(&request.body).ok()?;
                let name = if matches!(self, Route::Combine(_)) {
                    "combine_out_trade_no"
                } else {
                    "out_trade_no"
                };
                body[name].as_str().map(str::to_owned)
            }
            _ => None,
        }
    }

    /// The refund's number.
    fn out_refund_no(&self, request: &Incoming) -> Option<String> {
        match self {
            Route::RefundQuery(number) => Some((*number).to_owned()),
            Route::Refund => {
                let body: Value = serde_json::from_slice(&request.body).ok()?;
                body["out_refund_no"].as_str().map(str::to_owned)
            }
            _ => None,
        }
    }

    fn operation(&self) -> Operation {
        match self {
            Route::Order(..) | Route::Codepay(_) | Route::Combine(_) => Operation::Create,
            Route::Reverse(..) => Operation::Reverse,
            Route::QueryOut(..) | Route::QueryId(..) | Route::CombineQuery(_) => Operation::Query,
            Route::Close(..) | Route::CombineClose(_) => Operation::Close,
            Route::Refund | Route::Redirect(_) => Operation::Refund,
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

impl Call<'_> {
    /// The sub-merchant that a service provider acts for: one of its own list.
    fn sub_mchid(&self, sub_mchid: Option<&str>) -> Result<String, answer::Failure> {
        match sub_mchid {
            None => Err(answer::Failure::field("sub_mchid", "", "缺少子商户号sub_mchid")),
            Some(m) if self.merchant.facts.wechat.sub_mchids.iter().any(|own| own == m) => Ok(m.to_owned()),
            Some(_) => Err(answer::Failure::new(
                StatusCode::FORBIDDEN,
                "NO_AUTH",
                "服务商与子商户关系不存在",
            )),
        }
    }

    /// A sub-merchant's own application, where a body names one: the one that is bound to the sub-merchant that it names.
    fn sub_app(&self, sub_mchid: Option<&str>, body: &Value) -> Result<(), answer::Failure> {
        if body.get("sub_appid").is_none() {
            return Ok(());
        }
        let named = fields::text(body, "sub_appid", 1..=32)?;
        let bound = sub_mchid.and_then(|sub| self.merchant.facts.wechat.sub_app(sub));
        match bound == Some(&*named) {
            true => Ok(()),
            false => Err(answer::Failure::new(
                StatusCode::BAD_REQUEST,
                "APPID_MCHID_NOT_MATCH",
                "sub_appid和sub_mchid不匹配",
            )),
        }
    }

    /// Who signed and for whom, as a body or query says: `mchid`, or a service provider's `sp_mchid` and `sub_mchid`.
    fn parties<'v>(
        &self,
        partner: bool,
        value: impl Fn(&str) -> Option<&'v str>,
    ) -> Result<Option<String>, answer::Failure> {
        if !partner {
            self.own_mchid(value("mchid"))?;
            return Ok(None);
        }
        self.own_mchid(value("sp_mchid"))?;
        self.sub_mchid(value("sub_mchid")).map(Some)
    }
}

/// An order's state in WeChat Pay's words.
pub(crate) fn state(order: &Order) -> &'static str {
    orders::trade_state(order).0
}
