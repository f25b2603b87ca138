//! Refunds of the Baidu wallet: taken on at once, done after a while, told by a notice.

use super::{Call, Failure, digits, notice, query};
use crate::channels::bills::{self, Difference};
use crate::channels::clock::now;
use crate::channels::fault::{Channel, Operation};
use crate::channels::keys;
use crate::channels::order::{Refund, State};
use crate::channels::server::Answer;
use crate::channels::world::{Key, World};
use std::sync::Arc;

/// Takes a refund on; the same number is the same refund.
pub(super) fn create(call: &Call<'_>) -> Result<Answer, Failure> {
    let get = |name: &str| call.params.get(name);
    for name in [
        "order_no",
        "cashback_amount",
        "cashback_time",
        "sp_refund_no",
        "return_url",
        "return_method",
    ] {
        if get(name).is_empty() {
            return Err(Failure("5803", "缺少必选参数"));
        }
    }
    let (order_no, number) = (get("order_no"), get("sp_refund_no"));
    if number.len() > 21 || get("return_method") != "1" {
        return Err(Failure("5803", "参数错误"));
    }
    let fen = get("cashback_amount")
        .parse::<u64>()
        .ok()
        .filter(|fen| *fen > 0)
        .ok_or(Failure("5803", "金额错误"))?;
    let key = (Channel::Baidu, call.number, order_no.clone());
    let (bfb_order_no, new) = call.world.with(|book| {
        let order = book.order(&key).ok_or(Failure("5804", "订单不存在"))?;
        order.count(Operation::Refund);
        if let Some(earlier) = order.refund(&number) {
            return if earlier.fen == fen {
                Ok((order.channel_no.clone(), false))
            } else {
                Err(Failure("2", "退款流水号重复"))
            };
        }
        if order.state != State::Paid || order.refunded() + fen > order.fen {
            return Err(Failure("2", "退款失败"));
        }
        order.refunds.push(Refund {
            out_no: number.clone(),
            channel_no: format!("{}{}", digits(now()), keys::random_digits(17)),
            fen,
            asked: call.params.asked(),
            created: call.world.dated(),
            done: None,
            notify_url: Some(get("return_url")),
        });
        book.refunds
            .insert((Channel::Baidu, call.number, number.clone()), key.clone());
        Ok((
            book.orders
                .get(&key)
                .map(|o| o.channel_no.clone())
                .unwrap_or_default(),
            true,
        ))
    })?;
    if new {
        finish(call.world, key, number.clone());
    }
    Ok(taken(call, (&order_no, &bfb_order_no), &number, fen))
}

/// The answer to a refund that was taken on, of an order by both of its numbers.
pub(super) fn taken(
    call: &Call<'_>,
    (order_no, bfb_order_no): (&str, &str),
    number: &str,
    fen: u64,
) -> Answer {
    query::xml(&[
        ("cashback_amount", fen.to_string()),
        ("sp_no", call.merchant.facts.baidu.sp_no.clone()),
        ("order_no", order_no.to_owned()),
        ("bfb_order_no", bfb_order_no.to_owned()),
        ("sp_refund_no", number.to_owned()),
        ("ret_code", "1".to_owned()),
        ("ret_detail", String::new()),
    ])
}

/// Pays back after a while and tells.
fn finish(world: &Arc<World>, key: Key, number: String) {
    let inside = world.clone();
    world.beside(async move {
        inside.clock.wait(inside.refund_delay).await;
        let told = inside.with(|book| {
            let order = book.orders.get_mut(&key)?;
            let refund = order.refunds.iter_mut().find(|r| r.out_no == number)?;
            refund.done = Some(inside.dated());
            let merchant = inside.merchants.get(key.1)?;
            notice::of_refund(merchant, &key, order, &number)
        });
        if let Some(told) = told {
            crate::channels::notice::send(&inside, told);
        }
    });
}

/// 3: back where it came from; 2: under way at a bank; 0: no such refund.
pub(super) fn query(call: &Call<'_>) -> Result<Answer, Failure> {
    let key = (Channel::Baidu, call.number, call.params.get("order_no"));
    call.world.with(|book| {
        let number = call.params.get("sp_refund_no");
        let planted = bills::answered(book, Channel::Baidu, key.1, &key.2, Some(&number));
        let order = book.order(&key).ok_or(Failure("0", "没有退款记录"))?;
        order.count(Operation::RefundQuery);
        let refund = order
            .refund(&number)
            .filter(|_| planted != Some(Difference::OnlyHere))
            .ok_or(Failure("0", "没有退款记录"))?;
        let (code, text) = if refund.done.is_some() {
            ("3", "原路退款成功")
        } else {
            ("2", "退回银行卡处理中")
        };
        Ok(query::xml(&[
            ("ret_code", code.to_owned()),
            ("ret_details", text.to_owned()),
            (
                "cashback_amount",
                (refund.fen + u64::from(planted == Some(Difference::Amount))).to_string(),
            ),
        ]))
    })
}
