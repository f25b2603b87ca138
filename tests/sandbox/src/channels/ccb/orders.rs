//! Orders of CCB: opened by the payer's browser, asked for by the merchant.

use super::{Call, Failure, page, state};
use crate::channels::clock::now;
use crate::channels::fault::{Channel, Operation};
use crate::channels::keys;
use crate::channels::order::{KeyMode, Order, State};
use crate::channels::server::Answer;
use bytes::Bytes;
use domain::Amount;
use encoding_rs::GB18030;
use http_body_util::Full;

/// The payer's browser brings a signed order; from here on the bank has it, without an end.
pub(super) fn open(call: &Call<'_>) -> Result<Answer, Failure> {
    let order_id = call.get("ORDERID").to_owned();
    if order_id.is_empty() || order_id.len() > 30 || !order_id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(Failure("0105", "ORDERID不超过30位字母数字"));
    }
    let two = call
        .get("PAYMENT")
        .split_once('.')
        .is_some_and(|(_, part)| part.len() == 2);
    let fen = Amount::parse_yuan(call.get("PAYMENT"))
        .ok()
        .filter(|a| two && !a.is_zero());
    let fen = fen.ok_or(Failure("0106", "PAYMENT以元为单位"))?.fen();
    if call.get("CURCODE") != "01" || call.get("TYPE") != "1" || call.get("PROINFO").is_empty() {
        return Err(Failure("0107", "参数错误"));
    }
    let asked: serde_json::Value = call
        .params
        .iter()
        .filter(|(name, _)| *name != "MAC")
        .map(|(name, value)| (name.clone(), serde_json::Value::from(value.clone())))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let key = (Channel::Ccb, call.number, order_id.clone());
    call.world.with(|book| {
        if let Some(order) = book.order(&key) {
            order.count(Operation::Create);
            return match order.state {
                _ if order.asked != asked => Err(Failure("0108", "订单号重复")),
                State::Paid => Err(Failure("0109", "订单已支付")),
                State::Unpaid | State::Closed => Ok(()),
            };
        }
        let channel_no = keys::random_digits(20);
        let mut order = Order {
            channel: Channel::Ccb,
            merchant: call.number,
            out_trade_no: order_id.clone(),
            channel_no: channel_no.clone(),
            way: "gateway",
            fen,
            asked,
            notify_url: book.registered.get(&(Channel::Ccb, call.number)).cloned(),
            sub_mchid: None,
            combined: None,
            key_mode: KeyMode::PublicKey,
            codes: Vec::new(),
            state: State::Unpaid,
            scanned: true,
            payer: Order::random_payer(Channel::Ccb),
            declined: 0,
            created: now(),
            until: now().plus_millis(3650 * 86_400_000),
            paid: None,
            refunds: Vec::new(),
            calls: Default::default(),
            notices: Vec::new(),
        };
        order.count(Operation::Create);
        book.numbers.insert((Channel::Ccb, channel_no), key.clone());
        book.orders.insert(key.clone(), order);
        Ok(())
    })?;
    Ok(page(&format!(
        "订单 {order_id}<br>￥{}",
        Amount::from_fen(fen).to_yuan()
    )))
}

/// What is not settled yet (`KIND` 0), whatever became of it (`STATUS` 3) or paid only (1); what is settled, paid only.
pub(super) fn query(call: &Call<'_>) -> Result<Answer, Failure> {
    if call.get("QUPWD") != call.merchant.facts.ccb.query_password {
        return Err(Failure("0202", "查询密码错误"));
    }
    let fixed = [("SEL_TYPE", "3"), ("TYPE", "0"), ("PAGE", "1")];
    if fixed.iter().any(|(name, value)| call.get(name) != *value) || call.get("ORDERID").is_empty() {
        return Err(Failure("0203", "参数错误"));
    }
    let settled = match (call.get("KIND"), call.get("STATUS")) {
        ("0", "1" | "3") => false,
        ("1", "1") => true,
        _ => return Err(Failure("0204", "已结算流水查询不支持全部")),
    };
    let key = (Channel::Ccb, call.number, call.get("ORDERID").to_owned());
    Ok(call.world.with(|book| {
        let Some(order) = book.order(&key) else {
            return document("000000", "", &[]);
        };
        order.count(Operation::Query);
        let day = |at: domain::Instant| at.day();
        let there = match order.paid {
            Some(paid) => settled == (day(paid) < day(now())),
            None => !settled && call.get("STATUS") == "3" && order.declined > 0,
        };
        if !there {
            return document("000000", "", &[]);
        }
        told(call, order)
    }))
}

/// What it says where it mixes its answers up.
pub(super) fn of_another(call: &Call<'_>) -> Option<Answer> {
    let own = (Channel::Ccb, call.number, call.get("ORDERID").to_owned());
    call.world.with(|book| {
        let key = book.another(&own)?;
        Some(told(call, book.order(&key)?))
    })
}

/// An order as a query shows it.
fn told(call: &Call<'_>, order: &Order) -> Answer {
    let facts = &call.merchant.facts.ccb;
    let yuan = Amount::from_fen(order.fen).to_yuan();
    let at = order.paid.unwrap_or(order.created);
    let row = [
        ("MERCHANTID", facts.merchant_id.clone()),
        ("BRANCHID", facts.branch_id.clone()),
        ("POSID", facts.pos_id.clone()),
        ("ORDERID", order.out_trade_no.clone()),
        ("ORDERDATE", super::super::baidu::digits(at)),
        (
            "ACCDATE",
            super::super::baidu::digits(at).chars().take(8).collect(),
        ),
        ("AMOUNT", yuan),
        ("STATUSCODE", state(order).to_owned()),
        (
            "STATUS",
            if order.state == State::Paid {
                "成功"
            } else {
                "失败"
            }
            .to_owned(),
        ),
        ("REFUND", "0.00".to_owned()),
    ];
    document("000000", "", &row)
}

/// `DOCUMENT` with one row or none, in GB18030.
pub(super) fn document(code: &str, text: &str, row: &[(&str, String)]) -> Answer {
    let inner: String = row
        .iter()
        .map(|(name, value)| format!("<{name}>{value}</{name}>"))
        .collect();
    let rows = if row.is_empty() {
        String::new()
    } else {
        format!("<QUERYORDER>{inner}</QUERYORDER>\n")
    };
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"GB18030\" ?>\n<DOCUMENT>\n<RETURN_CODE>{code}</RETURN_CODE>\n<RETURN_MSG>{text}</RETURN_MSG>\n<CURPAGE>1</CURPAGE>\n<PAGECOUNT>1</PAGECOUNT>\n<TOTAL>{}</TOTAL>\n{rows}</DOCUMENT>\n",
        usize::from(!row.is_empty())
    );
    let mut answer = http::Response::new(Full::new(Bytes::from(GB18030.encode(&document).0.into_owned())));
    let kind = http::HeaderValue::from_static("text/xml; charset=GB18030");
    answer.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    answer
}
