//! Payment codes by APIv3: charge and reverse, of the same codes and orders as V2's.

use super::Call;
use super::answer::{Failure, Outcome};
use super::fields::{number, own_appid, shop, text};
use super::orders::{insert, missing, shown};
use super::v2::codes::{WAY, is_code, undo};
use crate::channels::clock::now;
use crate::channels::control_pay;
use crate::channels::fault::{Channel, Operation};
use crate::channels::order::{KeyMode, Order, State};
use crate::channels::scan::Will;
use http::StatusCode;

/// An order lives so long.
const LIFE_MS: i64 = 2 * 3_600_000;

fn refused(code: &'static str, words: &'static str) -> Failure {
    Failure::new(StatusCode::FORBIDDEN, code, words)
}

/// Charges the payer of a code.
pub(super) fn charge(call: &Call<'_>, partner: bool) -> Outcome {
    let mut body = call.object()?;
    let sub_mchid = call.parties(partner, |name| body[name].as_str())?;
    own_appid(call, &body, if partner { "sp_appid" } else { "appid" })?;
    call.sub_app(sub_mchid.as_deref(), &body)?;
    text(&body, "description", 1..=127)?;
    let out_trade_no = number(&body, "out_trade_no")?;
    let fen = body["amount"]["total"].as_u64().filter(|fen| *fen > 0);
    let fen =
        fen.ok_or_else(|| Failure::field("amount.total", "", "订单总金额须为整数，单位为分，且大于0"))?;
    let store = &body["scene_info"]["store_info"];
    if store["id"]
        .as_str()
        .or(store["out_id"].as_str())
        .is_none_or(str::is_empty)
    {
        return Err(Failure::field(
            "scene_info.store_info",
            "",
            "缺少门店信息store_info",
        ));
    }
    shop(store)?;
    if body["scene_info"].get("device_id").is_some() {
        text(&body["scene_info"], "device_id", 1..=32)?;
    }
    let code = text(&body["payer"], "auth_code", 1..=32)?;
    body["payer"] = serde_json::Value::Null; // good once, and no part of what makes the order
    let key = (Channel::Wechat, call.number, out_trade_no.clone());
    let (outcome, after) = call.world.with(|book| {
        if let Some(order) = book.order(&key) {
            order.count(Operation::Create);
            return (Err(may_not_repeat(order)), None);
        }
        if !is_code(&code) {
            return (
                Err(refused("AUTH_CODE_INVALID", "请扫描微信支付被扫条码/二维码")),
                None,
            );
        }
        let Some(will) = book.scans.scan(&code, &key) else {
            return (
                Err(refused(
                    "AUTH_CODE_EXPIRE",
                    "二维码已过期，请用户在微信上刷新后再试",
                )),
                None,
            );
        };
        if will == Will::Decline {
            return (Err(refused("NOT_ENOUGH", "余额不足")), None);
        }
        let order = Order {
            channel: Channel::Wechat,
            merchant: call.number,
            out_trade_no: out_trade_no.clone(),
            sub_mchid: sub_mchid.clone(),
            combined: None,
            channel_no: String::new(),
            way: WAY,
            fen,
            asked: body.clone(),
            // Nobody is told of a payment by code (channels.md 1.12).
            notify_url: None,
            key_mode: KeyMode::PublicKey,
            codes: Vec::new(),
            state: State::Unpaid,
            scanned: true,
            payer: Order::random_payer(Channel::Wechat),
            declined: 0,
            created: now(),
            until: now().plus_millis(LIFE_MS),
            paid: None,
            refunds: Vec::new(),
            calls: Default::default(),
            notices: Vec::new(),
        };
        let order = insert(book, &key, order);
        order.count(Operation::Create);
        match will {
            Will::Password(after) => {
                let waits = Failure::new(StatusCode::ACCEPTED, "USERPAYING", "需要用户输入支付密码");
                (Err(waits), after)
            }
            _ => {
                order.pay(None, call.world.dated());
                (Ok(Some(shown(call.merchant, order))), None)
            }
        }
    });
    if let Some(after) = after {
        control_pay::password_typed(call.world, key, after);
    }
    outcome
}

/// A number is good for one sale.
fn may_not_repeat(order: &Order) -> Failure {
    match order.state {
        State::Paid => Failure::new(StatusCode::BAD_REQUEST, "ORDER_PAID", "该订单已支付"),
        State::Closed => Failure::new(StatusCode::BAD_REQUEST, "ORDER_CLOSED", "该订单已关闭"),
        State::Unpaid => refused("OUT_TRADE_NO_USED", "同一笔交易不能多次提交"),
    }
}

/// Closes an unpaid order, pays a paid one back. It wants the app named too, whatever older pages say.
pub(super) fn reverse(call: &Call<'_>, out_trade_no: &str, partner: bool) -> Outcome {
    let body = call.object()?;
    let sub_mchid = call.parties(partner, |name| body[name].as_str())?;
    own_appid(call, &body, if partner { "sp_appid" } else { "appid" })?;
    let key = (Channel::Wechat, call.number, out_trade_no.to_owned());
    call.world.with(|book| {
        let order = book
            .order(&key)
            .filter(|order| order.sub_mchid == sub_mchid)
            .ok_or_else(missing)?;
        undo(order, call.world.dated())
            .map_err(|(code, words)| Failure::new(StatusCode::BAD_REQUEST, code, words))?;
        Ok(None)
    })
}
