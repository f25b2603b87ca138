//! Payment codes at Alipay: `trade.pay` and `trade.cancel`.

use super::answer::{Failure, Node, Outcome};
use super::trades::{addressed, asked, logon_id, may_repeat, place};
use super::{Call, notice, put};
use crate::channels::clock::{china, now};
use crate::channels::control_pay;
use crate::channels::fault::{Channel, Kind, Operation};
use crate::channels::keys;
use crate::channels::order::{Order, Refund, State};
use crate::channels::scan::Will;
use domain::{Amount, Instant};
use serde_json::json;

/// How long after its beginning a trade can be cancelled.
const CANCEL_MS: i64 = 24 * 3_600_000;

/// Charges the payer of a code.
pub(super) fn pay(call: &Call<'_>) -> Outcome {
    let mut biz = call.biz.clone();
    let code = biz["auth_code"].as_str().unwrap_or_default().to_owned();
    // Another code for the same sale is no change.
    biz.as_object_mut().map(|fields| fields.remove("auth_code"));
    if biz["scene"] != "bar_code" {
        return Err(super::trades::parameter("scene须为bar_code"));
    }
    let asked = asked(call, "pay")?;
    let key = (Channel::Alipay, call.number, asked.out_trade_no.clone());
    let (node, after, told) = call.world.with(|book| {
        if let Some(order) = book.order(&key) {
            order.count(Operation::Create);
            may_repeat(order, "pay", &biz)?;
        }
        if !is_code(&code) {
            return Err(invalid_code());
        }
        let will = book.scans.scan(&code, &key).ok_or_else(invalid_code)?;
        if will == Will::Decline {
            let refused = Failure::business("ACQ.BUYER_BALANCE_NOT_ENOUGH", "买家余额不足");
            return Err(refused.naming(Order::random_payer(Channel::Alipay)));
        }
        if !book.orders.contains_key(&key) {
            place(call, book, &key, "pay", &asked, biz.clone());
        }
        let order = book.orders.get_mut(&key).ok_or_else(invalid_code)?;
        order.scanned = true;
        match will {
            Will::Password(after) => Ok((waiting(order), after, None)),
            _ => {
                order.pay(None, call.world.dated());
                Ok((paid(order), None, notice::of_payment(call.merchant, &key, order)))
            }
        }
    })?;
    if let Some(notice) = told {
        crate::channels::notice::send(call.world, notice);
    }
    if let Some(after) = after {
        control_pay::password_typed(call.world, key, after);
    }
    Ok(node)
}

fn is_code(code: &str) -> bool {
    let begins = code.get(..2).and_then(|b| b.parse::<u8>().ok());
    (16..=24).contains(&code.len())
        && code.bytes().all(|b| b.is_ascii_digit())
        && begins.is_some_and(|b| (25..=30).contains(&b))
}

fn invalid_code() -> Failure {
    Failure::business(
        "ACQ.PAYMENT_AUTH_CODE_INVALID",
        "支付失败，获取顾客账户信息失败，请顾客刷新付款码后重新收款",
    )
}

fn waiting(order: &Order) -> Node {
    vec![
        ("code", json!("10003")),
        ("msg", json!(" order success pay inprocess")),
        ("buyer_logon_id", json!(logon_id(order))),
        ("buyer_user_id", json!(order.payer)),
        ("out_trade_no", json!(order.out_trade_no)),
        ("total_amount", json!(Amount::from_fen(order.fen).to_yuan())),
        ("trade_no", json!(order.channel_no)),
    ]
}

pub(super) fn paid(order: &Order) -> Node {
    let total = Amount::from_fen(order.fen).to_yuan();
    let mut node = vec![
        ("buyer_logon_id", json!(logon_id(order))),
        ("buyer_user_id", json!(order.payer)),
        ("out_trade_no", json!(order.out_trade_no)),
        ("total_amount", json!(total)),
        ("trade_no", json!(order.channel_no)),
        (
            "fund_bill_list",
            json!([{"amount": total, "fund_channel": "ALIPAYACCOUNT"}]),
        ),
        ("gmt_payment", json!(order.paid.map(china))),
    ];
    for field in ["buyer_pay_amount", "invoice_amount", "receipt_amount"] {
        put(&mut node, field, total.clone());
    }
    node
}

/// Closes an unpaid trade, pays a paid one back. What is not there is no error: then nothing is said of an action. Nor is a code
/// there that nobody has scanned, and it may be scanned and paid afterwards.
pub(super) fn cancel(call: &Call<'_>, fault: Option<Kind>) -> Outcome {
    let key = addressed(call)?;
    let mut node = vec![("out_trade_no", json!(key.2)), ("retry_flag", json!("N"))];
    if fault == Some(Kind::Again) {
        node = vec![("out_trade_no", json!(key.2)), ("retry_flag", json!("Y"))];
        return Ok(node);
    }
    let action = call.world.with(|book| {
        book.order(&key)
            .filter(|order| order.scanned)
            .map(|order| undo(order, call.world.dated()))
            .transpose()
    })?;
    if let Some((action, number)) = action {
        put(&mut node, "action", action);
        put(&mut node, "trade_no", number);
    }
    Ok(node)
}

/// What was done, and the trade's number at Alipay.
fn undo(order: &mut Order, at: Instant) -> Result<(&'static str, String), Failure> {
    order.count(Operation::Reverse);
    let number = order.channel_no.clone();
    let whole = order.refunded() >= order.fen;
    match order.state {
        State::Unpaid | State::Closed => {
            order.state = State::Closed;
            Ok(("close", number))
        }
        State::Paid if whole => Ok(("refund", number)),
        State::Paid if order.refunded() > 0 => Err(Failure::business("ACQ.CANCEL_NOT_ALLOWED", "不允许撤销")),
        State::Paid if now().millis() - order.created.millis() > CANCEL_MS => {
            Err(Failure::business("ACQ.TRADE_CANCEL_TIME_OUT", "超过撤销时间范围"))
        }
        State::Paid => {
            order.refunds.push(Refund {
                out_no: format!("cancel{number}"),
                channel_no: keys::random_digits(28),
                fen: order.fen,
                asked: serde_json::Value::Null,
                created: at,
                done: Some(at),
                notify_url: None,
            });
            Ok(("refund", number))
        }
    }
}
