//! Refunds of V2: taken on at once, done a little later, learned by query.

use super::orders::{addressed, missing};
use super::{Call, Failure, Fields, Outcome};
use crate::channels::clock::{china, now};
use crate::channels::fault::{Channel, Operation};
use crate::channels::keys;
use crate::channels::order::{Order, Refund, State};
use crate::channels::wechat::refunds::finish_later;
use crate::channels::world::Book;

/// An order can be refunded in at most so many parts.
const PARTS: usize = 50;
/// A query shows so many refunds at most, from its `offset` on.
const PAGE: usize = 10;

/// Where a refund may say which goods come back.
pub(super) const OF_GOODS: &str = "/secapi/pay/refundv2";

const FIELDS: [&str; 11] = [
    "device_info",
    "notify_url",
    "op_user_id",
    "out_refund_no",
    "out_trade_no",
    "refund_account",
    "refund_desc",
    "refund_fee",
    "refund_fee_type",
    "total_fee",
    "transaction_id",
];

pub(super) fn create(call: &Call<'_>, of_goods: bool) -> Outcome {
    let asked = call.asked;
    let detail = of_goods.then_some("detail");
    let known: Vec<&str> = FIELDS.into_iter().chain(detail).collect();
    asked.only(&known)?;
    let key = addressed(call)?;
    let out_no = asked.number("out_refund_no", 64)?.to_owned();
    let (fen, total) = (asked.fen("refund_fee")?, asked.fen("total_fee")?);
    let notify_url = asked
        .get("notify_url")
        .map(|_| asked.url("notify_url"))
        .transpose()?;
    asked.currency("refund_fee_type")?;
    let name = (Channel::Wechat, call.number, out_no.clone());
    let (fresh, shown) = call.world.with(|book| {
        if book.refunds.get(&name).is_some_and(|taken| *taken != key) {
            return Err(Failure::Business("INVALID_REQUEST", "商户退款单号已用于其他订单"));
        }
        let order = book.order(&key).ok_or_else(missing)?;
        order.count(Operation::Refund);
        let fresh = may_refund(order, &out_no, (fen, total))?;
        if fresh {
            order.refunds.push(Refund {
                out_no: out_no.clone(),
                channel_no: format!("503{}", keys::random_digits(25)),
                fen,
                asked: asked.whole(),
                created: now(),
                done: None,
                notify_url: notify_url.clone(),
            });
        }
        let shown = taken(order, &out_no)?;
        book.refunds.insert(name.clone(), key.clone());
        Ok((fresh, shown))
    })?;
    if fresh {
        finish_later(call.world, key, out_no);
    }
    Ok(shown)
}

/// Whether this is a new refund (true) or the repetition of one (false).
fn may_refund(order: &Order, out_no: &str, (fen, total): (u64, u64)) -> Result<bool, Failure> {
    if order.state != State::Paid {
        return Err(Failure::Business("TRADE_STATE_ERROR", "订单状态错误：未支付"));
    }
    if total != order.fen {
        return Err(Failure::Business("INVALID_REQUEST", "订单金额与原订单不一致"));
    }
    if let Some(known) = order.refund(out_no) {
        return match known.fen == fen {
            true => Ok(false),
            false => Err(Failure::Business("INVALID_REQUEST", "退款金额与之前请求不一致")),
        };
    }
    if order.refunded().saturating_add(fen) > order.fen {
        return Err(Failure::Business(
            "INVALID_REQUEST",
            "申请退款金额大于订单可退金额",
        ));
    }
    match order.refunds.len() < PARTS {
        true => Ok(true),
        false => Err(Failure::Business(
            "INVALID_REQUEST",
            "一笔订单最多支持50次部分退款",
        )),
    }
}

pub(super) fn taken(order: &Order, out_no: &str) -> Result<Fields, Failure> {
    let refund = order.refund(out_no).ok_or_else(unknown)?;
    Ok(vec![
        ("transaction_id", order.channel_no.clone()),
        ("out_trade_no", order.out_trade_no.clone()),
        ("out_refund_no", refund.out_no.clone()),
        ("refund_id", refund.channel_no.clone()),
        ("refund_fee", refund.fen.to_string()),
        ("total_fee", order.fen.to_string()),
        ("cash_fee", order.fen.to_string()),
    ])
}

fn unknown() -> Failure {
    Failure::Business("REFUNDNOTEXIST", "退款订单查询失败")
}

/// The names of a field of several refunds, which count from 0.
macro_rules! of_ten {
    ($name:literal) => {
        [
            concat!($name, "_0"),
            concat!($name, "_1"),
            concat!($name, "_2"),
            concat!($name, "_3"),
            concat!($name, "_4"),
            concat!($name, "_5"),
            concat!($name, "_6"),
            concat!($name, "_7"),
            concat!($name, "_8"),
            concat!($name, "_9"),
        ]
    };
}

/// One refund of those that a query shows.
fn numbered(n: usize, refund: &Refund) -> Fields {
    const NAMES: [[&str; PAGE]; 7] = [
        of_ten!("out_refund_no"),
        of_ten!("refund_id"),
        of_ten!("refund_channel"),
        of_ten!("refund_fee"),
        // The channel's own spelling.
        of_ten!("refund_recv_accout"),
        of_ten!("refund_status"),
        of_ten!("refund_success_time"),
    ];
    let state = refund.done.map_or("PROCESSING", |_| "SUCCESS");
    let values = [
        Some(refund.out_no.clone()),
        Some(refund.channel_no.clone()),
        Some("ORIGINAL".into()),
        Some(refund.fen.to_string()),
        Some(super::super::refunds::RECEIVED_BY.into()),
        Some(state.into()),
        refund.done.map(china),
    ];
    NAMES
        .iter()
        .zip(values)
        .filter_map(|(names, value)| Some((names[n], value?)))
        .collect()
}

/// Asks for one refund by its number, or for those of an order, ten at a time.
pub(super) fn query(call: &Call<'_>) -> Outcome {
    let asked = call.asked;
    asked.only(&[
        "device_info",
        "offset",
        "out_refund_no",
        "out_trade_no",
        "refund_id",
        "transaction_id",
    ])?;
    let by_refund = asked
        .get("out_refund_no")
        .map(|no| (Channel::Wechat, call.number, no.to_owned()));
    let by_order = match (asked.get("transaction_id"), asked.get("out_trade_no")) {
        (None, None) => None,
        _ => Some(addressed(call)?),
    };
    let by_id = |book: &Book| {
        let id = asked.get("refund_id")?;
        let of = |order: &Order| order.refunds.iter().any(|refund| refund.channel_no == id);
        let found = book
            .orders
            .iter()
            .find(|(key, order)| key.0 == Channel::Wechat && key.1 == call.number && of(order));
        found.map(|(key, _)| key.clone())
    };
    let first = match asked.get("offset") {
        None => 0,
        Some(text) => text
            .parse::<usize>()
            .map_err(|_| Failure::Business("PARAM_ERROR", "offset须为数字"))?,
    };
    call.world.with(|book| {
        let key = by_refund
            .as_ref()
            .and_then(|name| book.refunds.get(name).cloned())
            .or(by_order.filter(|_| by_refund.is_none()))
            .or_else(|| by_id(book))
            .ok_or_else(unknown)?;
        let order = book
            .order(&key)
            .filter(|order| order.sub_mchid == call.sub_mchid)
            .ok_or_else(unknown)?;
        order.count(Operation::RefundQuery);
        let named: Vec<&Refund> = order
            .refunds
            .iter()
            .filter(
                |refund| match (asked.get("out_refund_no"), asked.get("refund_id")) {
                    (Some(own), _) => refund.out_no == own,
                    (None, Some(id)) => refund.channel_no == id,
                    (None, None) => true,
                },
            )
            .collect();
        let page = &named[first.min(named.len())..];
        let page = &page[..page.len().min(PAGE)];
        if page.is_empty() {
            return Err(unknown());
        }
        Ok(listed(order, &named, page))
    })
}

/// Those refunds of an order that are meant, a page of them one by one.
pub(super) fn listed(order: &Order, named: &[&Refund], page: &[&Refund]) -> Fields {
    let mut shown: Fields = vec![
        ("transaction_id", order.channel_no.clone()),
        ("out_trade_no", order.out_trade_no.clone()),
        ("total_fee", order.fen.to_string()),
        ("cash_fee", order.fen.to_string()),
        (
            "refund_fee",
            named.iter().map(|refund| refund.fen).sum::<u64>().to_string(),
        ),
        ("total_refund_count", named.len().to_string()),
        ("refund_count", page.len().to_string()),
    ];
    for (n, refund) in page.iter().enumerate() {
        shown.extend(numbered(n, refund));
    }
    shown
}
