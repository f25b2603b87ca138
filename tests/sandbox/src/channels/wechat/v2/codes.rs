//! Payment codes: charge and reverse.

use super::orders::{self, addressed, missing};
use super::{Call, Failure, Outcome, passed};
use crate::channels::clock::now;
use crate::channels::control_pay;
use crate::channels::fault::{Channel, Kind, Operation};
use crate::channels::keys;
use crate::channels::order::{KeyMode, Order, Refund, State};
use crate::channels::scan::Will;
use crate::channels::wechat::orders::insert;
use crate::channels::world::{Book, Key};
use std::sync::atomic::Ordering;

/// The trade type of a payment code's order.
pub(crate) const WAY: &str = "MICROPAY";
/// How the number of the refund begins that a reverse makes.
pub(crate) const REVERSE: &str = "reverse";
/// So long an order can be reversed.
const REVERSE_MS: i64 = 7 * 86_400_000;

const FIELDS: [&str; 16] = [
    "attach",
    "auth_code",
    "body",
    "detail",
    "device_info",
    "fee_type",
    "goods_tag",
    "limit_pay",
    "out_trade_no",
    "profit_sharing",
    "receipt",
    "scene_info",
    "spbill_create_ip",
    "time_expire",
    "time_start",
    "total_fee",
];

/// Charges the payer of a code.
pub(super) fn micropay(call: &Call<'_>) -> Outcome {
    let asked = call.asked;
    asked.only(&FIELDS)?;
    asked.text("body", 128)?;
    let number = asked.number("out_trade_no", 32)?;
    let (fen, until) = (asked.fen("total_fee")?, asked.until()?);
    asked.address("spbill_create_ip")?;
    asked.currency("fee_type")?;
    asked.place()?;
    let code = asked.text("auth_code", 128)?;
    let key = (Channel::Wechat, call.number, number.to_owned());
    let (outcome, after) = call.world.with(|book| {
        if let Some(order) = book.order(&key) {
            order.count(Operation::Create);
            return (Err(may_not_repeat(order)), None);
        }
        if !is_code(code) {
            return (
                Err(Failure::Business(
                    "AUTH_CODE_INVALID",
                    "请扫描微信支付被扫条码/二维码",
                )),
                None,
            );
        }
        let Some(will) = book.scans.scan(code, &key) else {
            return (
                Err(Failure::Business(
                    "AUTHCODEEXPIRE",
                    "二维码已过期，请用户在微信上刷新后再试",
                )),
                None,
            );
        };
        if will == Will::Decline {
            return (Err(Failure::Business("NOTENOUGH", "余额不足")), None);
        }
        let order = place(call, book, &key, fen, until);
        match will {
            Will::Password(after) => (
                Err(Failure::Business("USERPAYING", "需要用户输入支付密码")),
                after,
            ),
            _ => {
                order.pay(None, call.world.dated());
                (Ok(orders::paid(order)), None)
            }
        }
    });
    if let Some(after) = after {
        control_pay::password_typed(call.world, key, after);
    }
    outcome
}

pub(crate) fn is_code(code: &str) -> bool {
    let begins = code.get(..2).and_then(|b| b.parse::<u8>().ok());
    code.len() == 18
        && code.bytes().all(|b| b.is_ascii_digit())
        && begins.is_some_and(|b| (10..=15).contains(&b))
}

/// A number is good for one sale.
fn may_not_repeat(order: &Order) -> Failure {
    match order.state {
        State::Paid if order.refunds.iter().any(|r| r.out_no.starts_with(REVERSE)) => {
            Failure::Business("ORDERREVERSED", "当前订单已经被撤销")
        }
        State::Paid => Failure::Business("ORDERPAID", "订单号已支付"),
        State::Closed if order.calls.contains_key("reverse") => {
            Failure::Business("ORDERREVERSED", "当前订单已经被撤销")
        }
        State::Closed => Failure::Business("ORDERCLOSED", "商户订单号已关闭"),
        State::Unpaid => Failure::Business("OUT_TRADE_NO_USED", "同一笔交易不能多次提交"),
    }
}

fn place<'a>(
    call: &Call<'_>,
    book: &'a mut Book,
    key: &Key,
    fen: u64,
    until: domain::Instant,
) -> &'a mut Order {
    let order = insert(
        book,
        key,
        Order {
            channel: Channel::Wechat,
            merchant: call.number,
            out_trade_no: key.2.clone(),
            sub_mchid: call.sub_mchid.clone(),
            combined: None,
            channel_no: String::new(),
            way: WAY,
            fen,
            asked: call.asked.whole(),
            // V2 tells nobody of a payment code's payment (channels.md 1.12).
            notify_url: None,
            key_mode: KeyMode::PublicKey,
            codes: Vec::new(),
            state: State::Unpaid,
            scanned: true,
            payer: Order::random_payer(Channel::Wechat),
            declined: 0,
            created: now(),
            until,
            paid: None,
            refunds: Vec::new(),
            calls: Default::default(),
            notices: Vec::new(),
        },
    );
    order.count(Operation::Create);
    order
}

/// Closes an unpaid order, pays a paid one back.
pub(super) fn reverse(call: &Call<'_>) -> Outcome {
    call.asked.only(&["out_trade_no", "transaction_id"])?;
    let key = addressed(call)?;
    if call.fault == Some(Kind::Again) {
        return Ok(vec![("recall", "Y".into())]);
    }
    call.world.with(|book| {
        let order = book.order(&key).ok_or_else(missing)?;
        let wait = call.world.reverse_after.load(Ordering::Relaxed);
        if order.way == WAY && !passed(order.created, i64::from(wait)) {
            return Err(Failure::TooEarly);
        }
        undo(order, call.world.dated()).map_err(|(code, words)| Failure::Business(code, words))
    })?;
    Ok(vec![("recall", "N".into())])
}

/// Closed if unpaid, paid back (dated so) if paid; else the code and the words why not.
pub(crate) fn undo(order: &mut Order, at: domain::Instant) -> Result<(), (&'static str, &'static str)> {
    if order.way != WAY {
        return Err(("INVALID_REQUEST", "仅付款码支付的订单可以撤销"));
    }
    let reversed = order.refunds.iter().any(|r| r.out_no.starts_with(REVERSE));
    match order.state {
        State::Unpaid | State::Closed => order.state = State::Closed,
        State::Paid if reversed => {}
        State::Paid if passed(order.created, REVERSE_MS) => {
            return Err(("REVERSE_EXPIRE", "订单无法撤销：已超过7天"));
        }
        State::Paid if !order.refunds.is_empty() => {
            return Err(("TRADE_ERROR", "订单已发起退款，不能撤销"));
        }
        State::Paid => order.refunds.push(Refund {
            out_no: format!("{REVERSE}{}", order.channel_no),
            channel_no: format!("503{}", keys::random_digits(25)),
            fen: order.fen,
            asked: serde_json::Value::Null,
            created: at,
            done: Some(at),
            notify_url: None,
        }),
    }
    order.count(Operation::Reverse);
    Ok(())
}
