//! Orders of the Baidu wallet: opened by the payer's browser, asked for by the merchant.

use super::{Call, Failure, digits, page, query, state};
use crate::channels::bills::{self, Difference};
use crate::channels::clock::now;
use crate::channels::fault::{Channel, Operation};
use crate::channels::keys;
use crate::channels::order::{KeyMode, Order, State};
use crate::channels::server::Answer;
use domain::{Amount, Instant};

/// The payer's browser brings a signed order; from here on the wallet has it.
pub(super) fn open(call: &Call<'_>) -> Result<Answer, Failure> {
    let get = |name: &str| call.params.get(name);
    for name in [
        "order_create_time",
        "order_no",
        "goods_name",
        "total_amount",
        "return_url",
        "pay_type",
    ] {
        if get(name).is_empty() {
            return Err(Failure("5803", "缺少必选参数"));
        }
    }
    let order_no = get("order_no");
    if order_no.len() > 20 || !order_no.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(Failure("5803", "order_no不超过20个字符"));
    }
    let fen = get("total_amount")
        .parse::<u64>()
        .ok()
        .filter(|fen| (1..=10_000_000_000).contains(fen));
    let fen = fen.ok_or(Failure("5803", "total_amount以分为单位"))?;
    time(&get("order_create_time")).ok_or(Failure("5803", "order_create_time格式错误"))?;
    let until = match get("expire_time") {
        text if text.is_empty() => now().plus_millis(2 * 24 * 3_600_000),
        text => time(&text).ok_or(Failure("5803", "expire_time格式错误"))?,
    };
    let key = (Channel::Baidu, call.number, order_no.clone());
    call.world.with(|book| {
        if let Some(order) = book.order(&key) {
            order.count(Operation::Create);
            return match order.state {
                _ if order.asked != call.params.asked() => Err(Failure("5803", "订单号重复")),
                State::Paid => Err(Failure("5803", "订单已支付")),
                State::Closed => Err(Failure("5803", "订单已过期")),
                State::Unpaid => Ok(()),
            };
        }
        if until <= now() {
            return Err(Failure("5803", "订单已过期"));
        }
        let channel_no = format!("{}{}", digits(now()), keys::random_digits(17));
        let mut order = Order {
            channel: Channel::Baidu,
            merchant: call.number,
            out_trade_no: order_no.clone(),
            channel_no: channel_no.clone(),
            way: "pay",
            fen,
            asked: call.params.asked(),
            notify_url: Some(get("return_url")),
            sub_mchid: None,
            combined: None,
            key_mode: KeyMode::PublicKey,
            codes: Vec::new(),
            state: State::Unpaid,
            scanned: true,
            payer: Order::random_payer(Channel::Baidu),
            declined: 0,
            created: now(),
            until,
            paid: None,
            refunds: Vec::new(),
            calls: Default::default(),
            notices: Vec::new(),
        };
        order.count(Operation::Create);
        book.numbers.insert((Channel::Baidu, channel_no), key.clone());
        book.orders.insert(key.clone(), order);
        Ok(())
    })?;
    Ok(page(&format!(
        "订单 {order_no}<br>￥{}",
        Amount::from_fen(fen).to_yuan()
    )))
}

fn time(digits: &str) -> Option<Instant> {
    if digits.len() != 14 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let [year, rest] = [&digits[..4], &digits[4..]];
    let part = |n: usize| &rest[2 * n..2 * n + 2];
    let text = format!(
        "{year}-{}-{}T{}:{}:{}+08:00",
        part(0),
        part(1),
        part(2),
        part(3),
        part(4)
    );
    text.parse::<jiff::Timestamp>()
        .ok()
        .map(|at| Instant::from_millis(at.as_millisecond()))
}

/// The state of an order.
pub(super) fn query(call: &Call<'_>) -> Result<Answer, Failure> {
    let key = (Channel::Baidu, call.number, call.params.get("order_no"));
    call.world.with(|book| {
        let planted = bills::answered(book, Channel::Baidu, key.1, &key.2, None);
        let order = book
            .order(&key)
            .filter(|_| planted != Some(Difference::OnlyHere))
            .ok_or(Failure("5804", "订单不存在"))?;
        order.count(Operation::Query);
        Ok(told(call, order, planted))
    })
}

/// An order as a query shows it, with the difference that was planted.
pub(super) fn told(call: &Call<'_>, order: &Order, planted: Option<Difference>) -> Answer {
    let mut fields = vec![("query_status", "0".to_owned())];
    fields.extend(shown(order, &call.merchant.facts.baidu.sp_no));
    for (name, value) in &mut fields {
        match (planted, *name) {
            (Some(Difference::Amount), "total_amount") => *value = (order.fen + 1).to_string(),
            (Some(Difference::TradeNo), "bfb_order_no") => *value = bills::other(value),
            _ => {}
        }
    }
    query::xml(&fields)
}

/// What answers and notices say alike.
pub(super) fn shown(order: &Order, sp_no: &str) -> Vec<(&'static str, String)> {
    let text = |name: &str| order.asked[name].as_str().unwrap_or_default().to_owned();
    vec![
        ("bank_no", String::new()),
        ("bfb_order_create_time", digits(order.created)),
        ("bfb_order_no", order.channel_no.clone()),
        ("buyer_sp_username", String::new()),
        ("currency", "1".to_owned()),
        ("extra", text("extra")),
        ("fee_amount", "0".to_owned()),
        ("order_no", order.out_trade_no.clone()),
        ("pay_result", state(order).to_owned()),
        ("pay_time", order.paid.map(digits).unwrap_or_default()),
        ("pay_type", text("pay_type")),
        ("sp_no", sp_no.to_owned()),
        ("total_amount", order.fen.to_string()),
        ("transport_amount", "0".to_owned()),
        ("unit_amount", order.fen.to_string()),
        ("unit_count", "1".to_owned()),
    ]
}
