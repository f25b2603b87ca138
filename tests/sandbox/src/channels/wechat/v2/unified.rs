//! Orders of V2 that a payer pays later, and their close. They are the same orders as APIv3's: what one form placed the
//! other finds.

use super::orders::{addressed, missing};
use super::{Call, Failure, Fields, Outcome};
use crate::channels::clock::now;
use crate::channels::fault::{Channel, Operation};
use crate::channels::order::{KeyMode, Order, State};
use crate::channels::wechat::orders::{hand_out, insert};
use crate::channels::world::{Book, Key};
use serde_json::json;

const FIELDS: [&str; 21] = [
    "attach",
    "body",
    "detail",
    "device_info",
    "fee_type",
    "goods_tag",
    "limit_pay",
    "notify_url",
    "openid",
    "out_trade_no",
    "product_id",
    "profit_sharing",
    "receipt",
    "scene_info",
    "spbill_create_ip",
    "sub_openid",
    "time_expire",
    "time_start",
    "total_fee",
    "trade_type",
    "version",
];

/// Places an order, or hands out the same once more.
pub(super) fn create(call: &Call<'_>) -> Outcome {
    let asked = call.asked;
    asked.only(&FIELDS)?;
    asked.text("body", 127)?;
    asked.address("spbill_create_ip")?;
    asked.currency("fee_type")?;
    asked.place()?;
    let number = asked.number("out_trade_no", 32)?.to_owned();
    let (fen, until) = (asked.fen("total_fee")?, asked.until()?);
    let (way, payer) = way(call)?;
    let notify_url = asked.url("notify_url")?;
    let key = (Channel::Wechat, call.number, number.clone());
    call.world.with(|book| {
        match book.order(&key) {
            Some(order) => {
                order.count(Operation::Create);
                may_repeat(call, order, way)?;
            }
            None => {
                let order = Order {
                    channel: Channel::Wechat,
                    merchant: call.number,
                    out_trade_no: number.clone(),
                    sub_mchid: call.sub_mchid.clone(),
                    combined: None,
                    channel_no: String::new(),
                    way,
                    fen,
                    asked: asked.whole(),
                    notify_url: Some(notify_url.clone()),
                    key_mode: KeyMode::PublicKey,
                    codes: Vec::new(),
                    state: State::Unpaid,
                    scanned: true,
                    payer: payer
                        .clone()
                        .unwrap_or_else(|| Order::random_payer(Channel::Wechat)),
                    declined: 0,
                    created: now(),
                    until,
                    paid: None,
                    refunds: Vec::new(),
                    calls: Default::default(),
                    notices: Vec::new(),
                };
                insert(book, &key, order).count(Operation::Create);
            }
        }
        Ok(handed_out(book, &key, way))
    })
}

/// The trade type, and what it needs beside.
fn way(call: &Call<'_>) -> Result<(&'static str, Option<String>), Failure> {
    let asked = call.asked;
    match asked.text("trade_type", 16)? {
        "NATIVE" => asked.text("product_id", 32).map(|_| ("NATIVE", None)),
        "APP" => Ok(("APP", None)),
        "MWEB" => asked.text("scene_info", 256).map(|_| ("MWEB", None)),
        "JSAPI" => {
            let openid = match asked.get("sub_openid") {
                Some(openid) => openid,
                None => asked.text("openid", 128)?,
            };
            Ok(("JSAPI", Some(openid.to_owned())))
        }
        _ => Err(Failure::Business("PARAM_ERROR", "trade_type参数错误")),
    }
}

/// Ordering again: the same parameters while unpaid.
fn may_repeat(call: &Call<'_>, order: &Order, way: &str) -> Result<(), Failure> {
    match order.state {
        State::Paid => Err(Failure::Business("ORDERPAID", "该订单已支付")),
        State::Closed => Err(Failure::Business("ORDERCLOSED", "该订单已关闭")),
        State::Unpaid if order.way != way || order.asked != call.asked.whole() => {
            Err(Failure::Business("OUT_TRADE_NO_USED", "商户订单号重复"))
        }
        State::Unpaid => Ok(()),
    }
}

/// A fresh code, prepay id or link. V2 tells the prepay id beside the code or link too.
fn handed_out(book: &mut Book, key: &Key, way: &'static str) -> Fields {
    let mut fields: Fields = vec![("trade_type", way.to_owned())];
    let mut ways = vec!["JSAPI"];
    ways.extend(["NATIVE", "MWEB"].into_iter().filter(|own| *own == way));
    for way in ways {
        let handed = hand_out(book, key, way);
        for (said, name) in [
            ("code_url", "code_url"),
            ("h5_url", "mweb_url"),
            ("prepay_id", "prepay_id"),
        ] {
            fields.extend(handed[said].as_str().map(|text| (name, text.to_owned())));
        }
    }
    fields
}

/// Closes an unpaid order.
pub(super) fn close(call: &Call<'_>) -> Outcome {
    call.asked.only(&["out_trade_no"])?;
    let key = addressed(call)?;
    call.world.with(|book| {
        let order = book.order(&key).ok_or_else(missing)?;
        order.count(Operation::Close);
        match order.state {
            State::Paid => Err(Failure::Business("ORDERPAID", "订单已支付，不能发起关单")),
            State::Closed => Err(Failure::Business("ORDERCLOSED", "订单已关闭，请不要重复关闭")),
            State::Unpaid => {
                order.state = State::Closed;
                Ok(vec![("result_msg", "OK".into())])
            }
        }
    })
}

/// Whether an order or refund was asked for in V2, by what was asked: only V2 says `mch_id`.
pub(crate) fn is_of_v2(asked: &serde_json::Value) -> bool {
    asked.get("mch_id").is_some_and(|mchid| *mchid != json!(null))
}
