//! Orders of WeChat Pay: placing, asking, closing.

use super::Call;
use super::answer::{Failure, Outcome};
use super::fields::{self, Asked};
use crate::channels::clock::now;
use crate::channels::fault::{Channel, Operation};
use crate::channels::keys;
use crate::channels::order::{Order, State};
use crate::channels::world::{Book, Key, Merchant};
use domain::Instant;
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::HashMap;

const HOUR_MS: i64 = 3_600_000;

pub(super) fn create(call: &Call<'_>, way: &'static str, partner: bool) -> Outcome {
    let asked = fields::asked(call, way, partner)?;
    let key = (Channel::Wechat, call.number, asked.out_trade_no.clone());
    let app = match asked.whole["payer"].get("sub_openid") {
        Some(_) => "sub_appid",
        None if partner => "sp_appid",
        None => "appid",
    };
    let (openid, appid) = (&asked.payer, asked.whole[app].as_str());
    call.world.with(|book| {
        if let (Some(openid), Some(appid)) = (openid, appid)
            && !book.authorised.counts(Channel::Wechat, appid, openid)
        {
            return Err(Failure::field("payer.openid", "", "appid和openid不匹配"));
        }
        if let Some(order) = book.order(&key) {
            order.count(Operation::Create);
            may_repeat(order, way, &asked)?;
        } else {
            place(call, book, &key, way, &asked, None);
        }
        Ok(Some(hand_out(book, &key, way)))
    })
}

/// Ordering again: the same parameters while unpaid.
fn may_repeat(order: &Order, way: &str, asked: &Asked) -> Result<(), Failure> {
    match order.state {
        State::Paid => Err(Failure::new(
            StatusCode::BAD_REQUEST,
            "ORDER_PAID",
            "该订单已支付",
        )),
        State::Closed => Err(Failure::new(
            StatusCode::BAD_REQUEST,
            "ORDER_CLOSED",
            "该订单已关闭",
        )),
        State::Unpaid if order.way != way || order.asked != asked.whole || order.combined.is_some() => Err(
            Failure::invalid_request("201 商户订单号重复，且请求参数与原订单不一致"),
        ),
        State::Unpaid => Ok(()),
    }
}

pub(super) fn place(
    call: &Call<'_>,
    book: &mut Book,
    key: &Key,
    way: &'static str,
    asked: &Asked,
    combined: Option<String>,
) {
    let created = now();
    let channel_no = format!("42{}", keys::random_digits(26));
    let mut order = Order {
        channel: Channel::Wechat,
        merchant: call.number,
        out_trade_no: asked.out_trade_no.clone(),
        sub_mchid: asked.sub_mchid.clone(),
        combined,
        channel_no: channel_no.clone(),
        way,
        fen: asked.fen,
        asked: asked.whole.clone(),
        notify_url: Some(asked.notify_url.clone()),
        key_mode: call.speech.mode,
        codes: Vec::new(),
        state: State::Unpaid,
        scanned: true,
        payer: asked
            .payer
            .clone()
            .unwrap_or_else(|| Order::random_payer(Channel::Wechat)),
        declined: 0,
        created,
        until: asked.until,
        paid: None,
        refunds: Vec::new(),
        calls: Default::default(),
        notices: Vec::new(),
    };
    order.count(Operation::Create);
    book.numbers.insert((Channel::Wechat, channel_no), key.clone());
    book.orders.insert(key.clone(), order);
}

/// Puts an order in, under a number of the channel's own.
pub(super) fn insert<'b>(book: &'b mut Book, key: &Key, mut order: Order) -> &'b mut Order {
    order.channel_no = format!("42{}", keys::random_digits(26));
    book.numbers
        .insert((Channel::Wechat, order.channel_no.clone()), key.clone());
    book.orders.entry(key.clone()).or_insert(order)
}

/// A fresh code or prepay id, good for two hours, or a link, good for five minutes.
pub(super) fn hand_out(book: &mut Book, key: &Key, way: &str) -> Value {
    let created = now();
    let (field, text, lives) = match way {
        "NATIVE" => (
            "code_url",
            format!("weixin://wxpay/bizpayurl?pr={}zz", keys::random_text(9)),
            2 * HOUR_MS,
        ),
        "MWEB" => (
            "h5_url",
            format!(
                "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id={}&package={}",
                prepay_id(created),
                keys::random_digits(10)
            ),
            HOUR_MS / 12,
        ),
        _ => ("prepay_id", prepay_id(created), 2 * HOUR_MS),
    };
    book.codes.insert(text.clone(), key.clone());
    if let Some(order) = book.orders.get_mut(key) {
        order.hand_out(text.clone(), created.plus_millis(lives));
    }
    json!({ field: text })
}

fn prepay_id(created: Instant) -> String {
    let day: String = created
        .to_string()
        .chars()
        .filter(char::is_ascii_digit)
        .take(14)
        .collect();
    format!("wx{day}{}0000", keys::random_hex(16).to_lowercase())
}

pub(super) fn query_out(call: &Call<'_>, out_trade_no: &str, partner: bool) -> Outcome {
    query(
        call,
        Some((Channel::Wechat, call.number, out_trade_no.to_owned())),
        partner,
    )
}

pub(super) fn query_id(call: &Call<'_>, number: &str, partner: bool) -> Outcome {
    let key = call.world.with(|book| {
        let key = book.by_number(Channel::Wechat, number)?;
        // Before payment nobody has been told this number.
        book.order(&key).filter(|o| o.state == State::Paid)?;
        Some(key)
    });
    query(call, key, partner)
}

fn query(call: &Call<'_>, key: Option<Key>, partner: bool) -> Outcome {
    let asked: HashMap<String, String> = form_urlencoded::parse(call.request.query.as_bytes())
        .into_owned()
        .collect();
    let sub_mchid = call.parties(partner, |name| asked.get(name).map(String::as_str))?;
    let key = key.filter(|k| k.1 == call.number).ok_or_else(missing)?;
    call.world.with(|book| {
        let order = single(book, &key, &sub_mchid)?;
        order.count(Operation::Query);
        Ok(Some(shown(call.merchant, order)))
    })
}

/// An order that is no part of a group, of the sub-merchant that is named.
fn single<'b>(book: &'b mut Book, key: &Key, sub_mchid: &Option<String>) -> Result<&'b mut Order, Failure> {
    let order = book
        .order(key)
        .filter(|order| order.combined.is_none() && order.sub_mchid == *sub_mchid);
    order.ok_or_else(missing)
}

pub(super) fn close(call: &Call<'_>, out_trade_no: &str, partner: bool) -> Outcome {
    let body = call.object()?;
    let sub_mchid = call.parties(partner, |name| body[name].as_str())?;
    let key = (Channel::Wechat, call.number, out_trade_no.to_owned());
    call.world.with(|book| {
        let order = single(book, &key, &sub_mchid)?;
        order.count(Operation::Close);
        if order.state == State::Paid {
            return Err(Failure::new(
                StatusCode::BAD_REQUEST,
                "ORDER_PAID",
                "该订单已支付",
            ));
        }
        order.state = State::Closed;
        Ok(None)
    })
}

/// The payer's id in the app of the merchant number that ordered; and in the sub-merchant's, where the order names one: then
/// WeChat states both, whichever of them the order was placed by (in APIv3 and in V2).
pub(crate) fn payer_ids(order: &Order) -> (String, Option<String>) {
    let asked = &order.asked;
    let names = |sp: &str, v2: &str| asked["payer"].get(sp).is_some() || asked.get(v2).is_some();
    let of_its_app = asked["sub_appid"].as_str().is_some_and(|app| !app.is_empty());
    if !of_its_app {
        return (order.payer.clone(), None);
    }
    let other = in_another_app(&order.payer);
    match names("sub_openid", "sub_openid") || !names("sp_openid", "openid") {
        true => (other, Some(order.payer.clone())),
        false => (order.payer.clone(), Some(other)),
    }
}

/// The same person's id in another app; of that one it is this one again.
fn in_another_app(openid: &str) -> String {
    let (mark, rest) = openid.split_at_checked(1).unwrap_or((openid, ""));
    mark.chars().chain(rest.chars().rev()).collect()
}

pub(super) fn missing() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "ORDER_NOT_EXIST", "订单不存在")
}

/// The state in WeChat Pay's words.
pub(crate) fn trade_state(order: &Order) -> (&'static str, &'static str) {
    if let Some(state) = super::v2::state(order) {
        return state;
    }
    match order.state {
        State::Unpaid if order.declined > 0 => ("NOTPAY", "支付失败，请重新下单支付"),
        State::Unpaid => ("NOTPAY", "订单未支付"),
        State::Closed => ("CLOSED", "订单已关闭"),
        State::Paid if order.refunds.is_empty() => ("SUCCESS", "支付成功"),
        State::Paid => ("REFUND", "订单发生过退款，退款详情请查询退款单"),
    }
}

/// An order as queries and notices show it.
pub(super) fn shown(merchant: &Merchant, order: &Order) -> Value {
    let (state, text) = trade_state(order);
    let facts = &merchant.facts.wechat;
    let mut shown = json!({
        "out_trade_no": order.out_trade_no, "trade_state": state, "trade_state_desc": text,
        "amount": {"total": order.fen, "currency": "CNY"},
    });
    match &order.sub_mchid {
        None => {
            shown["appid"] = order.asked["appid"].clone();
            shown["mchid"] = json!(facts.mchid);
        }
        Some(sub_mchid) => {
            shown["sp_appid"] = order.asked["sp_appid"].clone();
            shown["sp_mchid"] = json!(facts.mchid);
            shown["sub_mchid"] = json!(sub_mchid);
            if let Some(sub_appid) = order.asked.get("sub_appid") {
                shown["sub_appid"] = sub_appid.clone();
            }
        }
    }
    if let Some(attach) = order.asked.get("attach") {
        shown["attach"] = attach.clone();
    }
    if let Some(device) = order.asked["scene_info"].get("device_id") {
        shown["scene_info"] = json!({ "device_id": device });
    }
    if let Some(paid) = order.paid {
        shown["transaction_id"] = json!(order.channel_no);
        shown["trade_type"] = json!(order.way);
        shown["bank_type"] = json!("OTHERS");
        shown["success_time"] = json!(paid.to_string());
        let (own, sub) = payer_ids(order);
        shown["payer"] = match &order.sub_mchid {
            None => json!({ "openid": own }),
            Some(_) => json!({ "sp_openid": own }),
        };
        if let Some(sub) = sub {
            shown["payer"]["sub_openid"] = json!(sub);
        }
        shown["amount"] = json!({
            "total": order.fen, "payer_total": order.fen, "currency": "CNY", "payer_currency": "CNY",
        });
    }
    shown
}
