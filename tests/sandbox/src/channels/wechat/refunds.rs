//! Refunds of WeChat Pay: processing first, then done and told.

use super::answer::{Failure, Outcome};
use super::fields::{notify_url, text};
use super::redirect::SENT;
use super::{Call, notice};
use crate::channels::fault::{Channel, Operation};
use crate::channels::keys;
use crate::channels::order::{Order, Refund, State};
use crate::channels::world::{Key, World};
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;

pub(super) const RECEIVED_BY: &str = "支付用户零钱";
/// An order can be refunded in at most so many parts.
const PARTS: usize = 50;

struct Asked {
    out_refund_no: String,
    fen: u64,
    total: u64,
    notify_url: Option<String>,
    whole: Value,
}

pub(super) fn create(call: &Call<'_>) -> Outcome {
    let body = call.object()?;
    let key = addressed(call, &body)?;
    let sub_mchid = body["sub_mchid"]
        .as_str()
        .map(|named| call.sub_mchid(Some(named)))
        .transpose()?;
    let asked = asked(body)?;
    let (fresh, shown) = call.world.with(|book| {
        let taken = book
            .refunds
            .get(&(Channel::Wechat, call.number, asked.out_refund_no.clone()));
        if taken.is_some_and(|k| *k != key) {
            return Err(Failure::invalid_request("商户退款单号已用于其他订单"));
        }
        let abnormal = book.abnormal.clone();
        let order = book
            .order(&key)
            .filter(|order| order.sub_mchid == sub_mchid)
            .ok_or_else(missing)?;
        order.count(Operation::Refund);
        let fresh = may_refund(order, &asked)?;
        if fresh {
            order.refunds.push(Refund {
                out_no: asked.out_refund_no.clone(),
                channel_no: format!("503{}", keys::random_digits(25)),
                fen: asked.fen,
                asked: asked.whole.clone(),
                created: call.world.dated(),
                done: None,
                notify_url: asked.notify_url.clone(),
            });
        }
        let shown = shown(order, &asked.out_refund_no, &abnormal)?;
        book.refunds.insert(
            (Channel::Wechat, call.number, asked.out_refund_no.clone()),
            key.clone(),
        );
        Ok((fresh, shown))
    })?;
    if fresh {
        finish_later(call.world, key, asked.out_refund_no);
    }
    Ok(Some(shown))
}

/// The order a refund is about, by either number.
fn addressed(call: &Call<'_>, body: &Value) -> Result<Key, Failure> {
    let key = match (body["transaction_id"].as_str(), body["out_trade_no"].as_str()) {
        (Some(number), _) => call.world.with(|book| book.by_number(Channel::Wechat, number)),
        (None, Some(own)) => Some((Channel::Wechat, call.number, own.to_owned())),
        (None, None) => {
            return Err(Failure::field(
                "transaction_id",
                "",
                "transaction_id和out_trade_no须填写一个",
            ));
        }
    };
    key.filter(|k| k.1 == call.number).ok_or_else(missing)
}

fn asked(body: Value) -> Result<Asked, Failure> {
    let out_refund_no = text(&body, "out_refund_no", 1..=64)?;
    if !out_refund_no
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "_-|*@".contains(c))
    {
        return Err(Failure::field(
            "out_refund_no",
            &out_refund_no,
            "商户退款单号只能是数字、大小写字母_-|*@",
        ));
    }
    if body.get("reason").is_some() {
        text(&body, "reason", 0..=80)?;
    }
    let amount = |field: &str| {
        let fen = body["amount"][field].as_u64().filter(|f| *f > 0);
        fen.ok_or_else(|| Failure::field(&format!("amount.{field}"), "", "金额须为整数，单位为分，且大于0"))
    };
    let (fen, total) = (amount("refund")?, amount("total")?);
    if body["amount"]["currency"] != "CNY" {
        return Err(Failure::field("amount.currency", "", "退款币种仅支持CNY"));
    }
    let notify_url = notify_url(&body, false)?;
    Ok(Asked {
        out_refund_no,
        fen,
        total,
        notify_url,
        whole: body,
    })
}

/// Whether this is a new refund (true) or the repetition of one (false).
fn may_refund(order: &Order, asked: &Asked) -> Result<bool, Failure> {
    if order.state != State::Paid {
        return Err(Failure::invalid_request("订单未支付，不能退款"));
    }
    if let Some(refund) = order.refund(&asked.out_refund_no) {
        return match refund.fen == asked.fen && asked.total == order.fen && refund.asked == asked.whole {
            true => Ok(false),
            false => Err(Failure::invalid_request(
                "订单金额或退款金额与之前请求不一致，请核实后再试",
            )),
        };
    }
    if asked.total != order.fen {
        return Err(Failure::invalid_request("订单总金额与原订单不一致"));
    }
    if order.refunded().saturating_add(asked.fen) > order.fen {
        return Err(Failure::invalid_request("申请退款金额大于订单可退金额"));
    }
    if order.refunds.len() >= PARTS {
        return Err(Failure::new(
            StatusCode::FORBIDDEN,
            "RULE_LIMIT",
            "一笔订单最多支持50次部分退款",
        ));
    }
    Ok(true)
}

/// The account of a payer whose id begins so is closed: what goes back there becomes abnormal.
pub(super) const GONE: &str = "oGONE";

pub(super) fn finish_later(world: &Arc<World>, key: Key, out_no: String) {
    let inside = world.clone();
    world.beside(async move {
        tokio::time::sleep(inside.refund_delay).await;
        let at = inside.dated();
        let notice = inside.with(|book| {
            let order = book.orders.get_mut(&key)?;
            let refund = order.refunds.iter_mut().find(|r| r.out_no == out_no)?;
            if order.payer.starts_with(GONE)
                && !book.abnormal.contains(&format!("{SENT}{}", refund.channel_no))
            {
                book.abnormal.insert(refund.channel_no.clone());
            } else {
                refund.done = Some(at);
            }
            notice::of_refund(inside.merchants.get(key.1)?, &key, order, &out_no)
        });
        if let Some(notice) = notice {
            crate::channels::notice::send(&inside, notice);
        }
    });
}

pub(super) fn query(call: &Call<'_>, out_refund_no: &str) -> Outcome {
    let sub_mchid =
        form_urlencoded::parse(call.request.query.as_bytes()).find(|(name, _)| name == "sub_mchid");
    let sub_mchid = sub_mchid
        .map(|(_, named)| call.sub_mchid(Some(&named)))
        .transpose()?;
    call.world.with(|book| {
        let key = (Channel::Wechat, call.number, out_refund_no.to_owned());
        let key = book.refunds.get(&key).cloned().ok_or_else(missing)?;
        let abnormal = book.abnormal.clone();
        let order = book
            .order(&key)
            .filter(|order| order.sub_mchid == sub_mchid)
            .ok_or_else(missing)?;
        order.count(Operation::RefundQuery);
        shown(order, out_refund_no, &abnormal).map(Some)
    })
}

pub(super) fn missing() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "RESOURCE_NOT_EXISTS", "订单或退款单不存在")
}

pub(super) fn shown(order: &Order, out_no: &str, abnormal: &HashSet<String>) -> Result<Value, Failure> {
    let refund = order.refund(out_no).ok_or_else(missing)?;
    let mut shown = json!({
        "refund_id": refund.channel_no, "out_refund_no": refund.out_no, "transaction_id": order.channel_no,
        "out_trade_no": order.out_trade_no, "channel": "ORIGINAL", "user_received_account": RECEIVED_BY,
        "create_time": refund.created.to_string(), "funds_account": "AVAILABLE", "status": "PROCESSING",
        "promotion_detail": [],
        "amount": {
            "total": order.fen, "refund": refund.fen, "payer_total": order.fen, "payer_refund": refund.fen,
            "settlement_refund": refund.fen, "settlement_total": order.fen, "discount_refund": 0,
            "refund_fee": 0, "currency": "CNY", "from": [],
        },
    });
    if let Some(from) = refund.asked.pointer("/amount/from") {
        shown["amount"]["from"] = from.clone();
    }
    if abnormal.contains(&refund.channel_no) {
        shown["status"] = json!("ABNORMAL");
    }
    if let Some(done) = refund.done {
        shown["status"] = json!("SUCCESS");
        shown["success_time"] = json!(done.to_string());
    }
    Ok(shown)
}
