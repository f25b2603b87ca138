//! Refunds at UnionPay (退货): accepted at once, done a little later, told by notice (channels.md 4.3, 4.4).

use super::orders::{digits, missing, of_kind, query_id};
use super::{Call, Fields, Outcome, Refusal, notice};
use crate::channels::clock::now;
use crate::channels::fault::{Channel, Operation};
use crate::channels::order::{Order, Refund, State};
use crate::channels::world::{Book, Key, World};
use std::sync::Arc;

pub(super) fn create(call: &Call<'_>) -> Outcome {
    let fields = call.fields;
    named(fields)?;
    if fields.get("txnSubType") != "00" {
        return Err(Refusal("10", "txnSubType格式错误".into()));
    }
    let fen = fields
        .get("txnAmt")
        .parse::<u64>()
        .ok()
        .filter(|fen| *fen > 0)
        .ok_or_else(|| Refusal("10", "txnAmt格式错误".into()))?;
    let number = fields.get("orderId").to_owned();
    let (key, told) = call.world.with(|book| {
        let of = (Channel::Unionpay, call.number, number.clone());
        if book.refunds.contains_key(&of) || book.orders.contains_key(&of) {
            return Err(Refusal("12", "重复交易".into()));
        }
        let key = original(call, book)?;
        let order = book.order(&key).ok_or_else(missing)?;
        order.count(Operation::Refund);
        if order.state != State::Paid {
            return Err(Refusal("35", "原交易不存在或状态不正确".into()));
        }
        of_its_product(fields, order)?;
        if order.refunds.iter().any(|refund| refund.asked["txnType"] != "04") {
            return Err(Refusal("45", "原交易已被成功退货或已被成功撤销".into()));
        }
        if order.refunded().saturating_add(fen) > order.fen {
            return Err(Refusal("36", "与原交易信息不符".into()));
        }
        let query_id = query_id(now());
        order.refunds.push(Refund {
            out_no: number.clone(),
            channel_no: query_id.clone(),
            fen,
            asked: fields.content(),
            created: call.world.dated(),
            done: None,
            notify_url: Some(fields.get("backUrl").to_owned()),
        });
        let told = accepted(&query_id, fen, &order.channel_no);
        book.refunds.insert(of, key.clone());
        Ok((key, told))
    })?;
    finish_later(call.world, key, number);
    Ok(told)
}

/// What a refund or a cancel must say; which payment it means, in one way at least.
pub(super) fn named(fields: &Fields) -> Result<(), Refusal> {
    for name in ["txnAmt", "backUrl"] {
        if fields.get(name).is_empty() {
            return Err(Refusal("13", format!("{name}不能为空")));
        }
    }
    let pair = ["origOrderId", "origTxnTime"].map(|name| fields.get(name).is_empty());
    match (fields.get("origQryId").is_empty(), pair) {
        (true, [true, true]) => Err(Refusal("13", "origQryId不能为空".into())),
        (_, [true, false]) => Err(Refusal("13", "origOrderId不能为空".into())),
        (_, [false, true]) => Err(Refusal("13", "origTxnTime不能为空".into())),
        _ => Ok(()),
    }
}

/// The payment that goes back: by its number here, or by its order's number and time; where it is named in both ways, by both.
pub(super) fn original(call: &Call<'_>, book: &mut Book) -> Result<Key, Refusal> {
    let fields = call.fields;
    let gone = || Refusal("35", "原交易不存在或状态不正确".into());
    let by_number = match fields.get("origQryId") {
        "" => None,
        number => Some(book.by_number(Channel::Unionpay, number).ok_or_else(gone)?),
    };
    let by_order = match fields.get("origOrderId") {
        "" => None,
        number => {
            let key = (Channel::Unionpay, call.number, number.to_owned());
            let order = book.order(&key).ok_or_else(gone)?;
            if order.asked["txnTime"] != fields.get("origTxnTime") {
                return Err(gone());
            }
            Some(key)
        }
    };
    match (by_number, by_order) {
        (Some(one), Some(other)) if one != other => Err(Refusal("36", "与原交易信息不符".into())),
        (one, other) => one.or(other).filter(|key| key.1 == call.number).ok_or_else(gone),
    }
}

/// What goes back names the product by which it was paid, as official samples do, or none in particular (000000), as public clients do
/// [unverified].
pub(super) fn of_its_product(fields: &Fields, order: &Order) -> Result<(), Refusal> {
    let product = fields.get("bizType");
    match product == "000000" || order.asked["bizType"] == product {
        true => Ok(()),
        false => Err(Refusal("36", "与原交易信息不符".into())),
    }
}

/// The answer to a refund that was taken on.
pub(super) fn accepted(query_id: &str, fen: u64, paid: &str) -> Vec<(&'static str, String)> {
    vec![
        ("queryId", query_id.to_owned()),
        ("txnAmt", fen.to_string()),
        ("origQryId", paid.to_owned()),
    ]
}

fn finish_later(world: &Arc<World>, key: Key, number: String) {
    let inside = world.clone();
    world.beside(async move {
        tokio::time::sleep(inside.refund_delay).await;
        let notice = inside.with(|book| {
            let order = book.orders.get_mut(&key)?;
            order
                .refunds
                .iter_mut()
                .find(|refund| refund.out_no == number)?
                .done = Some(inside.dated());
            notice::of_refund(&key, order, &number)
        });
        if let Some(notice) = notice {
            crate::channels::notice::send(&inside, notice);
        }
    });
}

/// A query by the refund's own number and time.
pub(super) fn query(call: &Call<'_>) -> Outcome {
    let of = (
        Channel::Unionpay,
        call.number,
        call.fields.get("orderId").to_owned(),
    );
    call.world.with(|book| {
        let key = book.refunds.get(&of).cloned().ok_or_else(missing)?;
        let order = book.order(&key).ok_or_else(missing)?;
        order.count(Operation::RefundQuery);
        let refund = order.refund(&of.2).ok_or_else(missing)?;
        if refund.asked["txnTime"] != call.fields.get("txnTime") {
            return Err(missing());
        }
        Ok(told(refund))
    })
}

/// A refund as a query shows it.
pub(super) fn told(refund: &Refund) -> Vec<(&'static str, String)> {
    let traced = digits(refund.created);
    let (code, text) = if refund.done.is_some() {
        ("00", "成功[0000000]")
    } else {
        ("05", "交易已受理，请稍后查询[0000005]")
    };
    let said = vec![
        ("origRespCode", code.into()),
        ("origRespMsg", text.into()),
        ("queryId", refund.channel_no.clone()),
        ("txnAmt", refund.fen.to_string()),
        ("currencyCode", "156".into()),
        ("traceTime", traced.get(4..).unwrap_or_default().to_owned()),
    ];
    of_kind(&refund.asked, said)
}
