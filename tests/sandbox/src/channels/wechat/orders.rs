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

const HOUR_MS: i64 = 3_600_000;

pub(super) fn create(call: &Call<'_>, way: &'static str) -> Outcome {
    let asked = fields::asked(call, way)?;
    let key = (Channel::Wechat, call.number, asked.out_trade_no.clone());
    call.world.with(|book| {
        if let Some(order) = book.order(&key) {
            order.count(Operation::Create);
            may_repeat(order, way, &asked)?;
        } else {
            place(call, book, &key, way, &asked);
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
        State::Unpaid if order.way != way || order.asked != asked.whole => Err(Failure::invalid_request(
            "201 商户订单号重复，且请求参数与原订单不一致",
        )),
        State::Unpaid => Ok(()),
    }
}

fn place(call: &Call<'_>, book: &mut Book, key: &Key, way: &'static str, asked: &Asked) {
    let created = now();
    let channel_no = format!("42{}", keys::random_digits(26));
    let mut order = Order {
        channel: Channel::Wechat,
        merchant: call.number,
        out_trade_no: asked.out_trade_no.clone(),
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

/// A fresh code or prepay id, good for two hours, or a link, good for five minutes.
fn hand_out(book: &mut Book, key: &Key, way: &str) -> Value {
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

pub(super) fn query_out(call: &Call<'_>, out_trade_no: &str) -> Outcome {
    query(
        call,
        Some((Channel::Wechat, call.number, out_trade_no.to_owned())),
    )
}

pub(super) fn query_id(call: &Call<'_>, number: &str) -> Outcome {
    let key = call.world.with(|book| {
        let key = book.by_number(Channel::Wechat, number)?;
        // Before payment nobody has been told this number.
        book.order(&key).filter(|o| o.state == State::Paid)?;
        Some(key)
    });
    query(call, key)
}

fn query(call: &Call<'_>, key: Option<Key>) -> Outcome {
    let mchid = form_urlencoded::parse(call.request.query.as_bytes())
        .find(|(k, _)| k == "mchid")
        .map(|(_, v)| v);
    call.own_mchid(mchid.as_deref())?;
    let key = key.filter(|k| k.1 == call.number).ok_or_else(missing)?;
    call.world.with(|book| {
        let order = book.order(&key).ok_or_else(missing)?;
        order.count(Operation::Query);
        Ok(Some(shown(call.merchant, order)))
    })
}

pub(super) fn close(call: &Call<'_>, out_trade_no: &str) -> Outcome {
    let body = call.object()?;
    call.own_mchid(body["mchid"].as_str())?;
    let key = (Channel::Wechat, call.number, out_trade_no.to_owned());
    call.world.with(|book| {
        let order = book.order(&key).ok_or_else(missing)?;
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

fn missing() -> Failure {
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
        "appid": order.asked["appid"], "mchid": facts.mchid, "out_trade_no": order.out_trade_no,
        "trade_state": state, "trade_state_desc": text,
        "amount": {"total": order.fen, "currency": "CNY"},
    });
    if let Some(attach) = order.asked.get("attach") {
        shown["attach"] = attach.clone();
    }
    if let Some(paid) = order.paid {
        shown["transaction_id"] = json!(order.channel_no);
        shown["trade_type"] = json!(order.way);
        shown["bank_type"] = json!("OTHERS");
        shown["success_time"] = json!(paid.to_string());
        shown["payer"] = json!({"openid": order.payer});
        shown["amount"] = json!({
            "total": order.fen, "payer_total": order.fen, "currency": "CNY", "payer_currency": "CNY",
        });
    }
    shown
}
