//! Several orders that one payment pays, all or none (合单): each is an order of its own, asked for and closed they are
//! together only.

use super::Call;
use super::answer::{Failure, Outcome};
use super::fields::{Asked, browser, notify_url, number, own_appid, scene, text, until};
use super::orders::{hand_out, missing, place, trade_state};
use crate::channels::fault::{Channel, Operation};
use crate::channels::order::{Order, State};
use crate::channels::world::{Book, Key, Merchant};
use domain::Instant;
use http::StatusCode;
use serde_json::{Value, json};

/// A direct merchant combines up to 10 orders, a service provider up to 50.
const MOST: (usize, usize) = (10, 50);

pub(super) fn create(call: &Call<'_>, way: &'static str) -> Outcome {
    let body = call.object()?;
    let group = number(&body, "combine_out_trade_no")?;
    let orders = asked(call, &body, way)?;
    let name = (call.number, group.clone());
    let keys: Vec<Key> = orders
        .iter()
        .map(|order| key(call, &order.out_trade_no))
        .collect();
    call.world.with(|book| {
        match book.groups.get(&name) {
            Some(known) if *known != keys => return Err(changed()),
            Some(_) => repeat(book, &keys, way, &orders)?,
            None if keys.iter().any(|key| book.orders.contains_key(key)) => {
                return Err(Failure::new(
                    StatusCode::FORBIDDEN,
                    "OUT_TRADE_NO_USED",
                    "商户订单号重复",
                ));
            }
            None => {
                for (key, order) in keys.iter().zip(&orders) {
                    place(call, book, key, way, order, Some(group.clone()));
                }
                book.groups.insert(name, keys.clone());
            }
        }
        // One way in for all of them.
        keys.first()
            .map(|key| Some(hand_out(book, key, way)))
            .ok_or_else(missing)
    })
}

fn key(call: &Call<'_>, out_trade_no: &str) -> Key {
    (Channel::Wechat, call.number, out_trade_no.to_owned())
}

fn changed() -> Failure {
    Failure::invalid_request("201 商户订单号重复，且请求参数与原订单不一致")
}

/// Ordering again: the same parameters while unpaid.
fn repeat(book: &mut Book, keys: &[Key], way: &str, orders: &[Asked]) -> Result<(), Failure> {
    for (key, asked) in keys.iter().zip(orders) {
        let order = book.order(key).ok_or_else(missing)?;
        order.count(Operation::Create);
        match order.state {
            State::Paid => {
                return Err(Failure::new(
                    StatusCode::BAD_REQUEST,
                    "ORDER_PAID",
                    "该订单已支付",
                ));
            }
            State::Closed => {
                return Err(Failure::new(
                    StatusCode::BAD_REQUEST,
                    "ORDER_CLOSED",
                    "该订单已关闭",
                ));
            }
            State::Unpaid if order.way != way || order.asked != asked.whole => return Err(changed()),
            State::Unpaid => {}
        }
    }
    Ok(())
}

/// Reads and checks the group's body.
fn asked(call: &Call<'_>, body: &Value, way: &str) -> Result<Vec<Asked>, Failure> {
    call.own_mchid(body["combine_mchid"].as_str())?;
    own_appid(call, body, "combine_appid")?;
    let url = notify_url(body, true)?.unwrap_or_default();
    if way == "MWEB" {
        browser(&body["scene_info"])?;
    }
    scene(&body["scene_info"])?;
    let payer = match way {
        "JSAPI" => Some(text(&body["combine_payer_info"], "openid", 1..=128)?),
        _ => None,
    };
    let until = until(body)?;
    let subs = listed(call, body)?;
    let one = |sub: &Value| order(call, body, sub, (&url, &payer, until));
    subs.iter().map(one).collect()
}

/// The orders of a group, as its body lists them.
fn listed<'v>(call: &Call<'_>, body: &'v Value) -> Result<&'v [Value], Failure> {
    let subs = body["sub_orders"].as_array().map_or(&[][..], Vec::as_slice);
    let most = if subs.iter().any(|sub| sub.get("sub_mchid").is_some()) {
        MOST.1
    } else {
        MOST.0
    };
    let mut numbers: Vec<_> = subs.iter().map(|sub| sub["out_trade_no"].as_str()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    if !(2..=most).contains(&subs.len()) || numbers.len() != subs.len() {
        return Err(Failure::field(
            "sub_orders",
            "",
            "子单数量须为2到10（服务商50）且商户订单号不重复",
        ));
    }
    for sub in subs {
        call.own_mchid(sub["mchid"].as_str())?;
    }
    Ok(subs)
}

fn order(
    call: &Call<'_>,
    body: &Value,
    sub: &Value,
    (url, payer, until): (&str, &Option<String>, Instant),
) -> Result<Asked, Failure> {
    text(sub, "description", 1..=127)?;
    if sub.get("attach").is_some() {
        text(sub, "attach", 0..=128)?;
    }
    let fen = sub["amount"]["total_amount"]
        .as_u64()
        .filter(|fen| (1..=10_000_000_000).contains(fen));
    let fen = fen.ok_or_else(|| {
        Failure::field(
            "sub_orders.amount.total_amount",
            "",
            "标价金额须为整数，单位为分，且大于0",
        )
    })?;
    if sub["amount"]["currency"] != "CNY" {
        return Err(Failure::field(
            "sub_orders.amount.currency",
            "",
            "货币类型仅支持CNY",
        ));
    }
    let sub_mchid = sub
        .get("sub_mchid")
        .map(|named| call.sub_mchid(named.as_str()))
        .transpose()?;
    call.sub_app(sub_mchid.as_deref(), sub)?;
    // What the group says of all of them belongs to each, but for the list itself.
    let mut whole = sub.clone();
    for name in ["combine_appid", "notify_url", "time_expire", "combine_payer_info"] {
        whole[name] = body[name].clone();
    }
    Ok(Asked {
        out_trade_no: number(sub, "out_trade_no")?,
        fen,
        notify_url: url.to_owned(),
        payer: payer.clone(),
        until,
        sub_mchid,
        whole,
    })
}

pub(super) fn query(call: &Call<'_>, group: &str) -> Outcome {
    call.world.with(|book| {
        let keys = book
            .groups
            .get(&(call.number, group.to_owned()))
            .cloned()
            .ok_or_else(missing)?;
        for key in &keys {
            book.order(key).ok_or_else(missing)?.count(Operation::Query);
        }
        let orders: Vec<&Order> = keys.iter().filter_map(|key| book.orders.get(key)).collect();
        Ok(Some(shown(call.merchant, &orders)))
    })
}

/// Closes them all; the body lists the same orders again.
pub(super) fn close(call: &Call<'_>, group: &str) -> Outcome {
    let body = call.object()?;
    own_appid(call, &body, "combine_appid")?;
    let keys: Vec<Key> = listed(call, &body)?
        .iter()
        .map(|sub| key(call, sub["out_trade_no"].as_str().unwrap_or_default()))
        .collect();
    let subs: Vec<Option<&str>> = listed(call, &body)?
        .iter()
        .map(|sub| sub["sub_mchid"].as_str())
        .collect();
    call.world.with(|book| {
        let known = book
            .groups
            .get(&(call.number, group.to_owned()))
            .ok_or_else(missing)?;
        if *known != keys {
            return Err(Failure::invalid_request("子单信息与下单时不一致"));
        }
        for (key, sub_mchid) in keys.iter().zip(&subs) {
            let order = book.order(key).ok_or_else(missing)?;
            order.count(Operation::Close);
            match order.state {
                State::Paid => {
                    return Err(Failure::new(
                        StatusCode::BAD_REQUEST,
                        "ORDER_PAID",
                        "该订单已支付",
                    ));
                }
                _ if order.sub_mchid.as_deref() != *sub_mchid => {
                    return Err(Failure::invalid_request("子单信息与下单时不一致"));
                }
                _ => {}
            }
        }
        for key in &keys {
            book.order(key).ok_or_else(missing)?.state = State::Closed;
        }
        Ok(None)
    })
}

/// The group as queries and its one notice show it.
pub(super) fn shown(merchant: &Merchant, orders: &[&Order]) -> Value {
    let facts = &merchant.facts.wechat;
    let first = orders.first();
    let mut shown = json!({
        "combine_appid": first.map(|order| &order.asked["combine_appid"]), "combine_mchid": facts.mchid,
        "combine_out_trade_no": first.and_then(|order| order.combined.as_ref()),
        "sub_orders": orders.iter().map(|order| sub_order(merchant, order)).collect::<Vec<_>>(),
    });
    if let Some(payer) = first
        .filter(|order| order.paid.is_some())
        .map(|order| &order.payer)
    {
        shown["combine_payer_info"] = json!({ "openid": payer });
    }
    shown
}

fn sub_order(merchant: &Merchant, order: &Order) -> Value {
    let mut shown = json!({
        "mchid": merchant.facts.wechat.mchid, "out_trade_no": order.out_trade_no, "trade_state": trade_state(order).0,
        "amount": { "total_amount": order.fen, "currency": "CNY" },
    });
    if let Some(sub_mchid) = &order.sub_mchid {
        shown["sub_mchid"] = json!(sub_mchid);
    }
    if let Some(attach) = order.asked.get("attach") {
        shown["attach"] = attach.clone();
    }
    if let Some(paid) = order.paid {
        shown["trade_type"] = json!(order.way);
        shown["bank_type"] = json!("OTHERS");
        shown["transaction_id"] = json!(order.channel_no);
        shown["success_time"] = json!(paid.to_string());
        shown["amount"] = json!({ "total_amount": order.fen, "payer_amount": order.fen, "currency": "CNY", "payer_currency": "CNY" });
    }
    shown
}
