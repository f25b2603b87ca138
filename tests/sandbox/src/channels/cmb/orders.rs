//! Orders of CMB: opened by the payer's browser, asked for by the merchant.

use super::{Call, Failure, page, state};
use crate::channels::clock::now;
use crate::channels::fault::{Channel, Operation};
use crate::channels::keys;
use crate::channels::order::{KeyMode, Order, State};
use crate::channels::server::{Answer, typed};
use domain::{Amount, Instant};
use serde_json::json;

/// What an order must say.
const MUST: [&str; 8] = [
    "dateTime",
    "branchNo",
    "merchantNo",
    "date",
    "orderNo",
    "amount",
    "expireTimeSpan",
    "payNoticeUrl",
];
/// What it may say beside.
const MAY: [&str; 15] = [
    "payNoticePara",
    "returnUrl",
    "clientIP",
    "cardType",
    "agrNo",
    "merchantSerialNo",
    "userID",
    "mobile",
    "lon",
    "lat",
    "riskLevel",
    "signNoticeUrl",
    "signNoticePara",
    "extendInfo",
    "extendInfoEncrypType",
];

fn digits(text: &str, many: usize) -> bool {
    text.len() == many && text.bytes().all(|b| b.is_ascii_digit())
}

fn fields(call: &Call<'_>, must: &[&str], may: &[&str]) -> Result<(), Failure> {
    let named = |name: &str| must.contains(&name) || may.contains(&name);
    if must.iter().any(|name| call.asked.get(name).is_empty())
        || !call.asked.said().keys().all(|name| named(name))
        || !digits(call.asked.get("dateTime"), 14)
        || !digits(call.asked.get("date"), 8)
    {
        return Err(Failure("MSS3403", "参数错误"));
    }
    let number = call.asked.get("orderNo");
    if !(6..=32).contains(&number.len()) || !number.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(Failure("MSS3404", "订单号为6-32位数字字母"));
    }
    Ok(())
}

/// The payer's browser brings an order; from here on the bank has it, for as many minutes as it says.
pub(super) fn open(call: &Call<'_>) -> Result<Answer, Failure> {
    fields(call, &MUST, &MAY)?;
    let amount = call.asked.get("amount");
    let two = amount.split_once('.').is_some_and(|(_, part)| part.len() == 2);
    let fen = Amount::parse_yuan(amount)
        .ok()
        .filter(|a| two && !a.is_zero())
        .ok_or(Failure("MSS3405", "金额固定两位小数"))?
        .fen();
    let span = call
        .asked
        .get("expireTimeSpan")
        .parse::<i64>()
        .ok()
        .filter(|minutes| *minutes > 0)
        .ok_or(Failure("MSS3406", "过期时间为大于零的整数"))?;
    if !call.asked.get("payNoticeUrl").starts_with("http") {
        return Err(Failure("MSS3407", "通知地址错误"));
    }
    let number = call.asked.get("orderNo").to_owned();
    let said = json!(call.asked.said());
    let key = (Channel::Cmb, call.number, number.clone());
    call.world.with(|book| {
        if let Some(order) = book.order(&key) {
            order.count(Operation::Create);
            return match order.state {
                _ if order.asked != said => Err(Failure("MSS3408", "订单号重复")),
                State::Paid => Err(Failure("MSS3409", "订单已支付")),
                State::Unpaid if order.until > now() => Ok(()),
                State::Unpaid | State::Closed => Err(Failure("MSS3410", "订单已过期")),
            };
        }
        let channel_no = format!("{}{}", super::super::baidu::digits(now()), keys::random_digits(6));
        let mut order = Order {
            channel: Channel::Cmb,
            merchant: call.number,
            out_trade_no: number.clone(),
            channel_no: channel_no.clone(),
            way: "gateway",
            fen,
            notify_url: Some(call.asked.get("payNoticeUrl").to_owned()),
            asked: said,
            sub_mchid: None,
            combined: None,
            key_mode: KeyMode::PublicKey,
            codes: Vec::new(),
            state: State::Unpaid,
            scanned: true,
            payer: Order::random_payer(Channel::Cmb),
            declined: 0,
            created: now(),
            until: now().plus_millis(span * 60_000),
            paid: None,
            refunds: Vec::new(),
            calls: Default::default(),
            notices: Vec::new(),
        };
        order.count(Operation::Create);
        book.numbers.insert((Channel::Cmb, channel_no), key.clone());
        book.orders.insert(key.clone(), order);
        Ok(())
    })?;
    Ok(page(&format!(
        "订单 {number}<br>￥{}",
        Amount::from_fen(fen).to_yuan()
    )))
}

/// By number and day (`type` B); what nobody paid is not there.
pub(super) fn query(call: &Call<'_>) -> Result<Answer, Failure> {
    let must = ["dateTime", "branchNo", "merchantNo", "date", "orderNo", "type"];
    fields(call, &must, &["bankSerialNo"])?;
    if call.asked.get("type") != "B" {
        return Err(Failure("MSS3412", "查询类型错误"));
    }
    let key = (Channel::Cmb, call.number, call.asked.get("orderNo").to_owned());
    let day = call.asked.get("date");
    call.world.with(|book| {
        let order = book
            .order(&key)
            .filter(|order| order.asked["date"] == *day)
            .ok_or(Failure("SANDBOX404", "订单不存在"))?;
        order.count(Operation::Query);
        let Some(paid) = order.paid else {
            return Err(Failure("SANDBOX404", "订单不存在"));
        };
        Ok(told(call, order, paid))
    })
}

/// What it says where it mixes its answers up.
pub(super) fn of_another(call: &Call<'_>) -> Option<Answer> {
    let own = (Channel::Cmb, call.number, call.asked.get("orderNo").to_owned());
    call.world.with(|book| {
        let key = book.another(&own)?;
        let order = book.order(&key)?;
        Some(told(call, order, order.paid?))
    })
}

/// A paid order as a query shows it.
fn told(call: &Call<'_>, order: &Order, paid: Instant) -> Answer {
    let paid = super::super::baidu::digits(paid);
    let (date, time) = paid.split_at(8);
    let yuan = Amount::from_fen(order.fen).to_yuan();
    let row = [
        ("branchNo", call.asked.get("branchNo").to_owned()),
        ("merchantNo", call.asked.get("merchantNo").to_owned()),
        (
            "date",
            order.asked["date"].as_str().unwrap_or_default().to_owned(),
        ),
        ("orderNo", order.out_trade_no.clone()),
        ("bankDate", date.to_owned()),
        ("bankTime", time.to_owned()),
        ("bankSerialNo", order.channel_no.clone()),
        ("currency", "10".to_owned()),
        ("orderAmount", yuan.clone()),
        ("fee", "0.00".to_owned()),
        ("settleAmount", yuan),
        ("discountAmount", "0.00".to_owned()),
        ("orderStatus", state(order).to_owned()),
        ("settleDate", date.to_owned()),
        ("settleTime", time.to_owned()),
        ("cardType", "02".to_owned()),
        ("merchantPara", String::new()),
    ];
    said("SUC0000", "", &row)
}

/// `rspData`; its signature is nobody's business: no source says what it is made over.
pub(super) fn said(code: &str, text: &str, row: &[(&str, String)]) -> Answer {
    let mut data = serde_json::Map::new();
    data.insert("rspCode".into(), code.into());
    data.insert("rspMsg".into(), text.into());
    data.insert("dateTime".into(), super::super::baidu::digits(now()).into());
    for (name, value) in row {
        data.insert((*name).into(), value.clone().into());
    }
    let all =
        json!({ "version": "1.0", "charset": "UTF-8", "sign": "", "signType": "SHA-256", "rspData": data });
    typed(
        http::StatusCode::OK,
        "application/json;charset=UTF-8",
        all.to_string(),
    )
}
