//! Trades of Alipay: placing, asking, closing.

use super::answer::{Failure, Node, Outcome};
use super::{Call, put};
use crate::channels::clock::{china, now};
use crate::channels::fault::{Channel, Operation};
use crate::channels::keys;
use crate::channels::order::{Order, State};
use crate::channels::world::{Book, Key};
use domain::{Amount, Instant};
use serde_json::{Value, json};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

pub(super) struct Asked {
    pub(super) out_trade_no: String,
    fen: u64,
    buyer: Option<String>,
    notify_url: Option<String>,
    until: Instant,
}

pub(super) fn create(call: &Call<'_>, way: &'static str) -> Outcome {
    let asked = asked(call, way)?;
    let key = (Channel::Alipay, call.number, asked.out_trade_no.clone());
    let app = &call.merchant.facts.alipay.app_id;
    call.world.with(|book| {
        if let Some(open_id) = call.biz["buyer_open_id"].as_str()
            && !book.authorised.counts(Channel::Alipay, app, open_id)
        {
            return Err(parameter("buyer_open_id与app_id不匹配"));
        }
        if let Some(order) = book.order(&key) {
            order.count(Operation::Create);
            may_repeat(order, way, &call.biz)?;
        } else {
            place(call, book, &key, way, &asked, call.biz.clone());
        }
        Ok(hand_out(book, &key, way))
    })
}

/// The payer opens what a merchant signed: from here on Alipay has the trade.
pub(super) fn open(call: &Call<'_>, way: &'static str) -> Result<(String, u64), Failure> {
    let asked = asked(call, way)?;
    // Old pages of the documents have another one for wap, and so has a published client.
    let wanted: &[&str] = match way {
        "page" => &["FAST_INSTANT_TRADE_PAY"],
        "wap" => &["QUICK_WAP_WAY", "QUICK_WAP_PAY"],
        _ => &["QUICK_MSECURITY_PAY"],
    };
    if !wanted.iter().any(|code| call.biz["product_code"] == *code) {
        return Err(parameter(&format!("product_code须为{}", wanted.join("或"))));
    }
    let key = (Channel::Alipay, call.number, asked.out_trade_no.clone());
    call.world.with(|book| {
        if let Some(order) = book.order(&key) {
            order.count(Operation::Create);
            may_repeat(order, way, &call.biz)?;
        } else if asked.until <= now() {
            return Err(parameter("订单已超过time_expire"));
        } else {
            place(call, book, &key, way, &asked, call.biz.clone());
        }
        Ok((asked.out_trade_no.clone(), asked.fen))
    })
}

pub(super) fn may_repeat(order: &Order, way: &str, biz: &Value) -> Result<(), Failure> {
    match order.state {
        State::Paid => Err(Failure::business("ACQ.TRADE_HAS_SUCCESS", "交易已被支付")),
        State::Closed => Err(Failure::business("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")),
        State::Unpaid if order.way != way || order.asked != *biz => {
            Err(Failure::business("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改"))
        }
        State::Unpaid => Ok(()),
    }
}

pub(super) fn place(
    call: &Call<'_>,
    book: &mut Book,
    key: &Key,
    way: &'static str,
    asked: &Asked,
    biz: Value,
) {
    let created = now();
    let day: String = china(created)
        .chars()
        .filter(char::is_ascii_digit)
        .take(8)
        .collect();
    let channel_no = format!("{day}2200{}", keys::random_digits(16));
    let mut order = Order {
        channel: Channel::Alipay,
        merchant: call.number,
        out_trade_no: asked.out_trade_no.clone(),
        channel_no: channel_no.clone(),
        way,
        fen: asked.fen,
        asked: biz,
        notify_url: asked.notify_url.clone(),
        key_mode: call.mode,
        codes: Vec::new(),
        state: State::Unpaid,
        scanned: way != "precreate",
        payer: asked
            .buyer
            .clone()
            .unwrap_or_else(|| Order::random_payer(Channel::Alipay)),
        sub_mchid: None,
        combined: None,
        declined: 0,
        created,
        until: asked.until,
        paid: None,
        refunds: Vec::new(),
        calls: Default::default(),
        notices: Vec::new(),
    };
    order.count(Operation::Create);
    book.numbers.insert((Channel::Alipay, channel_no), key.clone());
    book.orders.insert(key.clone(), order);
}

fn hand_out(book: &mut Book, key: &Key, way: &str) -> Node {
    let mut node = vec![("out_trade_no", json!(key.2))];
    let Some(order) = book.orders.get_mut(key) else {
        return node;
    };
    if way == "precreate" {
        let text = format!("https://qr.alipay.com/bax{}", keys::random_text(21));
        put(&mut node, "qr_code", text.clone());
        order.hand_out(text.clone(), now().plus_millis(2 * 60 * MINUTE_MS));
        book.codes.insert(text, key.clone());
    } else {
        put(&mut node, "trade_no", order.channel_no.clone());
    }
    node
}

pub(super) fn query(call: &Call<'_>) -> Outcome {
    let key = addressed(call)?;
    call.world.with(|book| {
        let order = existing(book, &key, Operation::Query)?;
        Ok(shown(order))
    })
}

pub(super) fn close(call: &Call<'_>) -> Outcome {
    let key = addressed(call)?;
    call.world.with(|book| {
        let order = existing(book, &key, Operation::Close)?;
        match order.state {
            State::Paid if order.refunded() < order.fen => {
                return Err(Failure::business("ACQ.TRADE_STATUS_ERROR", "交易状态不合法"));
            }
            State::Paid | State::Closed => {
                return Err(Failure::business("ACQ.TRADE_HAS_CLOSE", "交易已经关闭"));
            }
            State::Unpaid => order.state = State::Closed,
        }
        Ok(vec![
            ("out_trade_no", json!(order.out_trade_no)),
            ("trade_no", json!(order.channel_no)),
        ])
    })
}

/// The order a request is about, by either number; Alipay's own goes first.
pub(super) fn addressed(call: &Call<'_>) -> Result<Key, Failure> {
    let key = match (call.biz["trade_no"].as_str(), call.biz["out_trade_no"].as_str()) {
        (Some(number), _) if !number.is_empty() => {
            call.world.with(|book| book.by_number(Channel::Alipay, number))
        }
        (_, Some(own)) if !own.is_empty() => Some((Channel::Alipay, call.number, own.to_owned())),
        _ => {
            return Err(Failure::business(
                "ACQ.INVALID_PARAMETER",
                "out_trade_no和trade_no不能同时为空",
            ));
        }
    };
    key.filter(|k| k.1 == call.number).ok_or_else(missing)
}

/// The order, if somebody has scanned it: before that Alipay does not know it.
pub(super) fn existing<'a>(
    book: &'a mut Book,
    key: &Key,
    asking: Operation,
) -> Result<&'a mut Order, Failure> {
    let order = book.order(key).ok_or_else(missing)?;
    order.count(asking);
    if order.scanned { Ok(order) } else { Err(missing()) }
}

fn missing() -> Failure {
    Failure::business("ACQ.TRADE_NOT_EXIST", "交易不存在")
}

/// The state in Alipay's words.
pub(crate) fn trade_status(order: &Order) -> &'static str {
    match order.state {
        State::Unpaid => "WAIT_BUYER_PAY",
        State::Closed => "TRADE_CLOSED",
        State::Paid if order.refunded() >= order.fen => "TRADE_CLOSED",
        State::Paid => "TRADE_SUCCESS",
    }
}

/// A logon name with its middle hidden, always the same for one payer.
pub(super) fn logon_id(order: &Order) -> String {
    let tail: String = order.payer.chars().rev().take(3).collect();
    format!("{tail}***@sandbox.com")
}

/// The payer's name in the app's own numbering, where the order was placed by it; else the wallet-wide one, which answers
/// and notices call differently.
pub(super) fn payer_field(order: &Order, wallet_wide: &'static str) -> &'static str {
    match order.asked.get("buyer_open_id") {
        Some(_) => "buyer_open_id",
        None => wallet_wide,
    }
}

pub(super) fn shown(order: &Order) -> Node {
    let total = Amount::from_fen(order.fen).to_yuan();
    let mut node = vec![
        ("buyer_logon_id", json!(logon_id(order))),
        (payer_field(order, "buyer_user_id"), json!(order.payer)),
        ("out_trade_no", json!(order.out_trade_no)),
        ("total_amount", json!(total)),
        ("trade_no", json!(order.channel_no)),
        ("trade_status", json!(trade_status(order))),
    ];
    let paid = order.paid.map(china);
    let got = if paid.is_some() { total } else { "0.00".to_owned() };
    for field in ["buyer_pay_amount", "invoice_amount", "receipt_amount"] {
        put(&mut node, field, got.clone());
    }
    put(&mut node, "point_amount", "0.00");
    for field in ["store_id", "terminal_id"] {
        if let Some(own) = order.asked[field].as_str() {
            put(&mut node, field, own);
        }
    }
    if let Some(paid) = paid {
        put(
            &mut node,
            "fund_bill_list",
            json!([{"amount": got, "fund_channel": "ALIPAYACCOUNT"}]),
        );
        put(&mut node, "send_pay_date", paid);
    }
    node
}

pub(super) fn asked(call: &Call<'_>, way: &str) -> Result<Asked, Failure> {
    let biz = &call.biz;
    let out_trade_no = text(biz, "out_trade_no", 64)?;
    if !out_trade_no
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
    {
        return Err(parameter("out_trade_no仅支持字母、数字、下划线"));
    }
    text(biz, "subject", 256)?;
    for (field, longest) in [("operator_id", 28), ("store_id", 32), ("terminal_id", 32)] {
        if biz.get(field).is_some_and(|value| value != "") {
            text(biz, field, longest)?;
        }
    }
    let fen = yuan(&biz["total_amount"]).filter(|f| (1..=10_000_000_000).contains(f));
    let fen = fen.ok_or_else(|| parameter("total_amount须为0.01到100000000.00，精确到小数点后两位"))?;
    let seller = biz["seller_id"].as_str().unwrap_or_default();
    if !seller.is_empty() && seller != call.merchant.facts.alipay.seller_id {
        return Err(Failure::business("ACQ.PARTNER_ERROR", "seller_id与应用不匹配"));
    }
    let buyer = ["buyer_id", "buyer_open_id"]
        .iter()
        .find_map(|f| biz[*f].as_str().filter(|b| !b.is_empty()));
    if way == "create" && buyer.is_none() {
        return Err(parameter("buyer_id和buyer_open_id不能同时为空"));
    }
    let notify_url = Some(call.params.get("notify_url").to_owned()).filter(|u| !u.is_empty());
    Ok(Asked {
        out_trade_no,
        fen,
        buyer: buyer.map(str::to_owned),
        notify_url,
        until: until(biz)?,
    })
}

/// `time_expire` in China time, or `timeout_express` such as `90m`; else fifteen days.
fn until(biz: &Value) -> Result<Instant, Failure> {
    let said = |field: &str| biz[field].as_str().filter(|text| !text.is_empty());
    if let Some(at) = said("time_expire") {
        let at = format!("{}+08:00", at.replace(' ', "T")).parse::<jiff::Timestamp>();
        let at = at.map_err(|_| parameter("time_expire格式为yyyy-MM-dd HH:mm:ss"))?;
        return Ok(Instant::from_millis(at.as_millisecond()));
    }
    let express = ["timeout_express", "qr_code_timeout_express"]
        .iter()
        .find_map(|f| said(f));
    let Some(express) = express else {
        return Ok(now().plus_millis(15 * DAY_MS));
    };
    let wrong = || parameter("timeout_express取值范围：1m～15d");
    let (count, unit) = express
        .split_at_checked(express.len().saturating_sub(1))
        .ok_or_else(wrong)?;
    let unit = match unit {
        "m" => MINUTE_MS,
        "h" => 60 * MINUTE_MS,
        "d" => DAY_MS,
        _ => return Err(wrong()),
    };
    let length = count.parse::<i64>().ok().and_then(|c| c.checked_mul(unit));
    let length = length
        .filter(|l| (MINUTE_MS..=15 * DAY_MS).contains(l))
        .ok_or_else(wrong)?;
    Ok(now().plus_millis(length))
}

/// Yuan written as text or, as some clients do, as a number.
pub(super) fn yuan(value: &Value) -> Option<u64> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Amount::parse_yuan(&text).ok().map(Amount::fen)
}

pub(super) fn parameter(text: &str) -> Failure {
    Failure::business("ACQ.INVALID_PARAMETER", text)
}

pub(super) fn text(biz: &Value, field: &str, longest: usize) -> Result<String, Failure> {
    let value = biz[field].as_str().unwrap_or_default();
    match value.chars().count() {
        0 => Err(parameter(&format!("{field}不能为空"))),
        n if n > longest => Err(parameter(&format!("{field}超过{longest}个字符"))),
        _ => Ok(value.to_owned()),
    }
}
