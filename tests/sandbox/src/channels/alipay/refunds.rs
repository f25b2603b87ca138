//! Refunds of Alipay: done at once, told afterwards.

use super::answer::{Failure, Node, Outcome};
use super::trades::{addressed, existing, logon_id, parameter, yuan};
use super::{Call, notice, put};
use crate::channels::clock::china;
use crate::channels::fault::Operation;
use crate::channels::keys;
use crate::channels::order::{Order, Refund, State};
use domain::{Amount, Instant};
use serde_json::json;

struct Asked {
    fen: u64,
    out_request_no: Option<String>,
}

pub(super) fn create(call: &Call<'_>) -> Outcome {
    let key = addressed(call)?;
    let fen = yuan(&call.biz["refund_amount"]).filter(|f| *f > 0);
    let fen = fen.ok_or_else(|| parameter("refund_amount须大于0，精确到小数点后两位"))?;
    let out_request_no = call.biz["out_request_no"]
        .as_str()
        .filter(|n| !n.is_empty())
        .map(str::to_owned);
    if out_request_no.as_ref().is_some_and(|n| n.chars().count() > 64) {
        return Err(parameter("out_request_no超过64个字符"));
    }
    let asked = Asked { fen, out_request_no };
    let (node, notice) = call.world.with(|book| {
        let order = existing(book, &key, Operation::Refund)?;
        let out_no = number(order, &asked)?;
        let fresh = may_refund(order, &asked, &out_no)?;
        if fresh {
            order.refunds.push(refund(&asked, &out_no, call.world.dated()));
        }
        let notice = if fresh {
            notice::of_refund(call.merchant, &key, order, &out_no)
        } else {
            None
        };
        Ok((shown(order, fresh), notice))
    })?;
    if let Some(notice) = notice {
        crate::channels::notice::send(call.world, notice);
    }
    Ok(node)
}

/// A full refund may come without a number and then has the order's.
fn number(order: &Order, asked: &Asked) -> Result<String, Failure> {
    match &asked.out_request_no {
        Some(number) => Ok(number.clone()),
        None if asked.fen == order.fen => Ok(order.out_trade_no.clone()),
        None => Err(parameter("部分退款须传out_request_no")),
    }
}

/// Whether this is a new refund (true) or the repetition of one (false).
fn may_refund(order: &Order, asked: &Asked, out_no: &str) -> Result<bool, Failure> {
    if order.state != State::Paid {
        return Err(Failure::business("ACQ.TRADE_STATUS_ERROR", "交易状态不合法"));
    }
    match order.refund(out_no) {
        Some(refund) if refund.fen == asked.fen => Ok(false),
        Some(_) => Err(Failure::business(
            "ACQ.DISCORDANT_REPEAT_REQUEST",
            "请求信息不一致",
        )),
        None if order.refunded().saturating_add(asked.fen) > order.fen => Err(Failure::business(
            "ACQ.REASON_TRADE_REFUND_FEE_ERR",
            "退款金额无效",
        )),
        None => Ok(true),
    }
}

fn refund(asked: &Asked, out_no: &str, at: Instant) -> Refund {
    Refund {
        out_no: out_no.to_owned(),
        channel_no: keys::random_digits(28),
        fen: asked.fen,
        asked: serde_json::Value::Null,
        created: at,
        done: Some(at),
        notify_url: None,
    }
}

pub(super) fn shown(order: &Order, fresh: bool) -> Node {
    let all = Amount::from_fen(order.refunded()).to_yuan();
    let last = order.refunds.last().map(|r| china(r.created)).unwrap_or_default();
    vec![
        ("buyer_logon_id", json!(logon_id(order))),
        (
            super::trades::payer_field(order, "buyer_user_id"),
            json!(order.payer),
        ),
        ("fund_change", json!(if fresh { "Y" } else { "N" })),
        ("gmt_refund_pay", json!(last)),
        ("out_trade_no", json!(order.out_trade_no)),
        (
            "refund_detail_item_list",
            json!([{"amount": all, "fund_channel": "ALIPAYACCOUNT"}]),
        ),
        ("refund_fee", json!(all)),
        ("send_back_fee", json!(all)),
        ("trade_no", json!(order.channel_no)),
    ]
}

pub(super) fn query(call: &Call<'_>) -> Outcome {
    let key = addressed(call)?;
    let out_no = super::trades::text(&call.biz, "out_request_no", 64)?;
    call.world.with(|book| {
        let order = existing(book, &key, Operation::RefundQuery)?;
        Ok(told(order, &out_no))
    })
}

/// A refund as a query shows it. One that never was is no error at Alipay: the status is just not there.
pub(super) fn told(order: &Order, out_no: &str) -> Node {
    let mut node = vec![
        ("out_trade_no", json!(order.out_trade_no)),
        ("trade_no", json!(order.channel_no)),
    ];
    if let Some(refund) = order.refund(out_no) {
        put(&mut node, "gmt_refund_pay", china(refund.created));
        put(&mut node, "out_request_no", out_no);
        put(&mut node, "refund_amount", Amount::from_fen(refund.fen).to_yuan());
        put(&mut node, "refund_status", "REFUND_SUCCESS");
        put(&mut node, "total_amount", Amount::from_fen(order.fen).to_yuan());
    }
    node
}
