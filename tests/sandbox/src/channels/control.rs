//! The control API: the payer, the faults and the clock of the sandbox, as JSON over plain HTTP on loopback.

use super::bills;
use super::control_pay;
use super::fault::{Channel, Fault, Operation};
use super::lines;
use super::record::Requests;
use super::server::{Answer, Incoming, Reply, typed};
use super::wechat::redirect;
use super::world::{Book, Key, World};
use super::{alipay, baidu, ccb, cmb, icbc, unionpay, wechat};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;

/// What a control request comes to.
pub(crate) type Outcome = Result<Value, Refusal>;

/// Why it was refused.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) StatusCode, pub(crate) String);

impl Refusal {
    pub(super) fn bad(text: impl Into<String>) -> Refusal {
        Refusal(StatusCode::BAD_REQUEST, text.into())
    }
}

/// Answers one request.
pub(crate) fn handle(world: &Arc<World>, request: &Incoming) -> Reply {
    Reply::Now(match act(world, request) {
        Ok(value) => json_answer(StatusCode::OK, &value),
        Err(Refusal(status, error)) => json_answer(status, &json!({"error": error})),
    })
}

fn json_answer(status: StatusCode, value: &Value) -> Answer {
    typed(status, "application/json", value.to_string())
}

fn act(world: &Arc<World>, request: &Incoming) -> Outcome {
    let post = request.method == Method::POST;
    match (post, request.method == Method::GET, request.path.as_str()) {
        (true, _, "/control/pay") => control_pay::pay(world, body(request)?),
        (true, _, "/control/scan") => wechat::v2::scan::scan(world, body(request)?),
        (true, _, "/control/open") => open(world, &body(request)?),
        (true, _, "/control/register") => register(world, body(request)?),
        (true, _, "/control/keys") => wechat::stage::control(world, &body(request)?),
        (true, _, "/control/bills") => bills::control(world, body(request)?),
        (true, _, "/control/fault") => fault(world, body(request)?),
        (true, _, "/control/line") => lines::control(world, &body(request)?),
        (_, true, "/control/lines") => Ok(lines::list(world)),
        (true, _, "/control/clock") => clock(world, &body(request)?),
        (true, _, "/control/reset") => reset(world),
        (_, true, "/control/orders") => orders(world),
        (_, true, "/control/requests") => requests(world, &request.query),
        (_, true, "/control/scans") => Ok(world.with(|book| {
            let all: Vec<_> = book.product_scans.iter().map(|(_, scan)| scan).collect();
            json!({"scans": all})
        })),
        (_, true, "/control/faults") => Ok(world.with(|book| json!({"faults": book.faults.list()}))),
        _ => Err(Refusal(
            StatusCode::NOT_FOUND,
            "there is POST /control/pay, scan, open, register, keys, bills, fault, line, clock, reset and GET /control/orders, requests, scans, faults, lines"
                .to_owned(),
        )),
    }
}

fn body<T: DeserializeOwned>(request: &Incoming) -> Result<T, Refusal> {
    serde_json::from_slice(&request.body).map_err(|e| Refusal::bad(e.to_string()))
}

/// The merchant's app hands a signed order text to Alipay's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Open {
    channel: Channel,
    order_string: String,
}

fn open(world: &Arc<World>, asked: &Open) -> Outcome {
    match asked.channel {
        Channel::Wechat
        | Channel::Unionpay
        | Channel::Baidu
        | Channel::Ccb
        | Channel::Icbc
        | Channel::Cmb => Err(Refusal::bad("only Alipay's app takes signed order texts")),
        Channel::Alipay => match alipay::open_in_app(world, &asked.order_string) {
            Ok(number) => Ok(json!({"ok": true, "out_trade_no": number})),
            Err(why) => Err(Refusal(StatusCode::CONFLICT, why)),
        },
    }
}

/// What a merchant tells its bank: where notices go (channels.md 6.1).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Register {
    channel: Channel,
    account: String,
    notify_url: String,
}

fn register(world: &World, asked: Register) -> Outcome {
    let known = match asked.channel {
        Channel::Ccb => world.merchant_by_pos_id(&asked.account),
        _ => return Err(Refusal::bad("only CCB has addresses registered with it")),
    };
    let (merchant, _) = known.ok_or_else(|| Refusal::bad("no such account"))?;
    world.with(|book| {
        book.registered
            .insert((asked.channel, merchant), asked.notify_url)
    });
    Ok(json!({"ok": true}))
}

fn fault(world: &World, fault: Fault) -> Outcome {
    if let Some(objection) = fault.objection() {
        return Err(Refusal::bad(objection));
    }
    world.with(|book| book.faults.set(fault));
    Ok(json!({"ok": true}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Speed {
    speed: Option<f64>,
    /// Payments and refunds from now on are dated so many days earlier.
    days_ago: Option<u32>,
    /// So long after its charge WeChat's V2 takes no reverse.
    reverse_after_ms: Option<u32>,
}

/// Bills do not go back further.
pub(super) const MOST_DAYS_AGO: u32 = 92;

fn clock(world: &World, asked: &Speed) -> Outcome {
    if asked.days_ago.is_some_and(|days| days > MOST_DAYS_AGO) {
        return Err(Refusal::bad("days_ago must be 92 at most"));
    }
    if asked.speed.is_some_and(|speed| !world.clock.set(speed)) {
        return Err(Refusal::bad("speed must be a positive number"));
    }
    if let Some(wait) = asked.reverse_after_ms {
        world
            .reverse_after
            .store(wait, std::sync::atomic::Ordering::Relaxed);
    }
    if let Some(days) = asked.days_ago {
        world.date_back(days);
    }
    Ok(json!({"ok": true, "speed": world.clock.speed()}))
}

/// Forgets orders, faults and requests, but not those of the starter's own merchants; real speed again is not wanted, a
/// demo sets it once.
fn reset(world: &World) -> Outcome {
    let own = |key: &Key| world.own.contains(&key.1);
    world.with(|book| {
        let Book {
            orders,
            numbers,
            refunds,
            codes,
            scans,
            authorised: _,
            faults,
            requests,
            held,
            groups,
            product_scans,
            abnormal,
            bills,
            registered: _,
        } = book;
        product_scans.retain(|(merchant, _)| world.own.contains(merchant));
        orders.retain(|key, _| own(key));
        let refunds_left: HashSet<&str> = (orders.values().flat_map(|order| &order.refunds))
            .map(|refund| refund.channel_no.as_str())
            .collect();
        abnormal.retain(|number| refunds_left.contains(number.trim_start_matches(redirect::SENT)));
        held.retain(|key, _| own(key));
        groups.retain(|(merchant, _), _| world.own.contains(merchant));
        numbers.retain(|_, key| own(key));
        refunds.retain(|_, key| own(key));
        codes.retain(|_, key| own(key));
        scans.retain(own);
        bills.forget(|merchant| world.own.contains(&merchant));
        *requests = Requests::default();
        // A fault of one order may be the starter's, set before that order comes; one of somebody else's harms nobody.
        faults.forget(|fault| world.own.is_empty() || fault.out_trade_no.is_none());
    });
    Ok(json!({"ok": true}))
}

fn orders(world: &World) -> Outcome {
    let now = super::clock::now();
    let shown = world.with(|book| {
        let mut orders: Vec<_> = book.orders.values_mut().collect();
        orders.sort_by_key(|o| (o.created, o.out_trade_no.clone()));
        orders
            .into_iter()
            .map(|order| {
                order.age(now);
                let facts = world.merchants.get(order.merchant).map(|m| &m.facts);
                let (state, account) = match order.channel {
                    Channel::Wechat => (wechat::state(order), facts.map(|f| f.wechat.mchid.as_str())),
                    Channel::Alipay => (alipay::state(order), facts.map(|f| f.alipay.app_id.as_str())),
                    Channel::Unionpay => (unionpay::state(order), facts.map(|f| f.unionpay.mer_id.as_str())),
                    Channel::Icbc => (icbc::state(order), facts.map(|f| f.icbc.mer_id.as_str())),
                    Channel::Cmb => (cmb::state(order), facts.map(|f| f.cmb.number.as_str())),
                    Channel::Ccb => (ccb::state(order), facts.map(|f| f.ccb.pos_id.as_str())),
                    Channel::Baidu => (baidu::state(order), facts.map(|f| f.baidu.sp_no.as_str())),
                };
                order.shown(state, account.unwrap_or_default())
            })
            .collect::<Vec<_>>()
    });
    Ok(json!({"orders": shown}))
}

fn requests(world: &World, query: &str) -> Outcome {
    let (mut channel, mut operation, mut last) = (None, None, 1000);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let word = json!(value);
        match name.as_ref() {
            "channel" => {
                channel = Some(Channel::deserialize(&word).map_err(|e| Refusal::bad(e.to_string()))?)
            }
            "operation" => {
                operation = Some(Operation::deserialize(&word).map_err(|e| Refusal::bad(e.to_string()))?);
            }
            "last" => last = value.parse().map_err(|_| Refusal::bad("last must be a number"))?,
            other => return Err(Refusal::bad(format!("unknown field `{other}`"))),
        }
    }
    Ok(json!({"requests": world.with(|book| book.requests.list(channel, operation, last))}))
}
