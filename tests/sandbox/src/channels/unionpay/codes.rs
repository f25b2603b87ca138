//! Payment codes at UnionPay (被扫): a charge, and what takes a payment of the same settlement day back, whole (消费撤销;
//! channels.md 4.3, 4.4).

use super::orders::{self, asked, query_id};
use super::refunds::{accepted as accepted_back, named, of_its_product, original};
use super::{Call, Outcome, Refusal, key, notice};
use crate::channels::bills::counted;
use crate::channels::clock::now;
use crate::channels::control_pay;
use crate::channels::fault::{Channel, Kind, Operation};
use crate::channels::order::{Order, Refund, State};
use crate::channels::scan::Will;

/// The way of a payment code's order.
pub(super) const WAY: &str = "micropay";

/// Charges the payer of a code. Success says that the charge was accepted; what became of it a query or the notice tells.
/// What arrived in time and is booked late (`arrives_late`) is charged whatever the time is then.
pub(super) fn charge(call: &Call<'_>, fault: Option<Kind>) -> Outcome {
    let asked = asked(call.fields, "06")?;
    let code = call.fields.get("qrNo");
    if code.is_empty() {
        return Err(Refusal("13", "qrNo不能为空".into()));
    }
    let key = key(call);
    let (outcome, after, told) = call.world.with(|book| {
        if let Some(order) = book.order(&key) {
            order.count(Operation::Create);
            return (Err(Refusal("12", "重复交易".into())), None, None);
        }
        if asked.until <= now() && fault != Some(Kind::ArrivesLate) {
            return (Err(Refusal("42", "交易超时".into())), None, None);
        }
        let will = Some(code).filter(|code| is_code(code));
        let Some(will) = will.and_then(|code| book.scans.scan(code, &key)) else {
            return (
                Err(Refusal("61", "输入的卡号无效，请确认后输入".into())),
                None,
                None,
            );
        };
        let mut order = orders::order(call, &asked);
        order.scanned = true;
        let (outcome, after, told) = match will {
            Will::Decline => {
                order.refuse();
                (Err(Refusal("64", "卡上的余额不足".into())), None, None)
            }
            Will::Password(after) => (Ok(accepted(&order)), after, None),
            Will::Pay => {
                order.pay(None, call.world.dated());
                (Ok(accepted(&order)), None, notice::of_payment(&key, &order))
            }
        };
        book.numbers
            .insert((Channel::Unionpay, order.channel_no.clone()), key.clone());
        book.orders.insert(key.clone(), order);
        (outcome, after, told)
    });
    if let Some(notice) = told {
        crate::channels::notice::send(call.world, notice);
    }
    if let Some(after) = after {
        control_pay::password_typed(call.world, key, after);
    }
    outcome
}

/// Whose card it was that was refused.
pub(super) fn refused_card(call: &Call<'_>) -> Option<String> {
    call.world.with(|book| {
        let order = book.order(&key(call))?;
        (order.way == WAY && order.declined > 0).then(|| order.payer.clone())
    })
}

fn accepted(order: &Order) -> Vec<(&'static str, String)> {
    vec![
        ("queryId", order.channel_no.clone()),
        ("txnAmt", order.fen.to_string()),
    ]
}

/// 19 digits, the first two 62.
fn is_code(code: &str) -> bool {
    code.len() == 19 && code.starts_with("62") && code.bytes().all(|b| b.is_ascii_digit())
}

/// Takes a payment back: of the same settlement day, all of it, before any refund.
pub(super) fn cancel(call: &Call<'_>, fault: Option<Kind>) -> Outcome {
    let fields = call.fields;
    named(fields)?;
    if fields.get("txnSubType") != "00" {
        return Err(Refusal("10", "txnSubType格式错误".into()));
    }
    let number = fields.get("orderId").to_owned();
    let (notice, told) = call.world.with(|book| {
        let of = (Channel::Unionpay, call.number, number.clone());
        if book.refunds.contains_key(&of) || book.orders.contains_key(&of) {
            return Err(Refusal("12", "重复交易".into()));
        }
        let gone = || Refusal("35", "原交易不存在或状态不正确".into());
        let key = original(call, book)?;
        let order = book.order(&key).ok_or_else(gone)?;
        order.count(Operation::Reverse);
        let paid = order
            .paid
            .filter(|_| order.state == State::Paid)
            .ok_or_else(gone)?;
        of_its_product(fields, order)?;
        if order.refunded() > 0 {
            return Err(Refusal("45", "原交易已被成功退货或已被成功撤销".into()));
        }
        if fields.get("txnAmt") != order.fen.to_string() {
            return Err(Refusal("36", "与原交易信息不符".into()));
        }
        let day = |at| counted(Channel::Unionpay, at);
        let at = call.world.dated();
        if fault == Some(Kind::TooLate) || day(paid) != day(at) {
            return Err(gone());
        }
        let query_id = query_id(at);
        order.refunds.push(Refund {
            out_no: number.clone(),
            channel_no: query_id.clone(),
            fen: order.fen,
            asked: fields.content(),
            created: at,
            done: Some(at),
            notify_url: Some(fields.get("backUrl").to_owned()),
        });
        let notice = notice::of_refund(&key, order, &number);
        let told = accepted_back(&query_id, order.fen, &order.channel_no);
        book.refunds.insert(of, key);
        Ok((notice, told))
    })?;
    if let Some(notice) = notice {
        crate::channels::notice::send(call.world, notice);
    }
    Ok(told)
}

/// Undoes a charge by its own number and time (冲正), of the same settlement day: an order that waits for its payer is closed, a payment
/// goes back whole. The same again is answered alike. What a query says afterwards no document tells [unverified]: of a payment
/// that went back it says what it said before, as after a cancel.
pub(super) fn reverse(call: &Call<'_>, fault: Option<Kind>) -> Outcome {
    let fields = call.fields;
    if (fields.get("txnSubType"), fields.get("bizType")) != ("01", "000000") {
        return Err(Refusal("10", "txnSubType格式错误".into()));
    }
    let key = key(call);
    let at = call.world.dated();
    call.world.with(|book| {
        let order = book.order(&key).ok_or_else(orders::missing)?;
        order.count(Operation::Reverse);
        let gone = || Refusal("35", "原交易不存在或状态不正确".into());
        let day = |at| counted(Channel::Unionpay, at);
        if order.asked["txnTime"] != fields.get("txnTime") {
            return Err(orders::missing());
        }
        if order.way != WAY || order.declined > 0 {
            return Err(gone());
        }
        let undone = order.refunds.iter().any(|refund| refund.asked["txnType"] == "99");
        match (order.state, order.paid) {
            _ if fault == Some(Kind::TooLate) => Err(gone()),
            (State::Closed, _) => Ok(Vec::new()),
            (State::Unpaid, _) => {
                order.state = State::Closed;
                Ok(Vec::new())
            }
            (State::Paid, _) if undone => Ok(Vec::new()),
            (State::Paid, _) if order.refunded() > 0 => {
                Err(Refusal("45", "原交易已被成功退货或已被成功撤销".into()))
            }
            (State::Paid, Some(paid)) if day(paid) == day(at) => {
                order.refunds.push(Refund {
                    out_no: fields.get("orderId").to_owned(),
                    channel_no: query_id(at),
                    fen: order.fen,
                    asked: fields.content(),
                    created: at,
                    done: Some(at),
                    notify_url: None,
                });
                Ok(Vec::new())
            }
            (State::Paid, _) => Err(gone()),
        }
    })
}
