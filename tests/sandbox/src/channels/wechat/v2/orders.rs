//! Orders as V2's query states them.

use super::{Call, Failure, Fields, Outcome, codes, digits};
use crate::channels::fault::{Channel, Operation};
use crate::channels::order::{Order, State};
use crate::channels::wechat::orders::payer_ids;
use crate::channels::world::Key;

pub(super) fn query(call: &Call<'_>) -> Outcome {
    call.asked.only(&["out_trade_no", "transaction_id"])?;
    let key = addressed(call)?;
    call.world.with(|book| {
        let order = book.order(&key).ok_or_else(missing)?;
        order.count(Operation::Query);
        Ok(shown(order))
    })
}

/// An order and its state.
pub(super) fn shown(order: &Order) -> Fields {
    let (state, words) = crate::channels::wechat::orders::trade_state(order);
    let mut shown = if order.state == State::Paid {
        paid(order)
    } else {
        vec![("out_trade_no", order.out_trade_no.clone())]
    };
    shown.extend([
        ("trade_state", state.to_owned()),
        ("trade_state_desc", words.to_owned()),
    ]);
    shown
}

/// The order by either number; the channel's wins.
pub(super) fn addressed(call: &Call<'_>) -> Result<Key, Failure> {
    let key = match call.asked.get("transaction_id") {
        Some(number) => call.world.with(|book| book.by_number(Channel::Wechat, number)),
        None => Some((
            Channel::Wechat,
            call.number,
            call.asked.number("out_trade_no", 32)?.to_owned(),
        )),
    };
    let own = |key: &Key| {
        call.world.with(|book| {
            book.order(key)
                .is_some_and(|order| order.sub_mchid == call.sub_mchid && order.combined.is_none())
        })
    };
    key.filter(|key| key.1 == call.number && own(key))
        .ok_or_else(missing)
}

pub(super) fn missing() -> Failure {
    Failure::Business("ORDERNOTEXIST", "此交易订单号不存在")
}

/// A paid order.
pub(super) fn paid(order: &Order) -> Fields {
    let (own, sub) = payer_ids(order);
    let mut shown: Fields = vec![
        ("openid", own),
        ("is_subscribe", "N".into()),
        ("trade_type", order.way.into()),
        ("bank_type", "OTHERS".into()),
        ("total_fee", order.fen.to_string()),
        ("fee_type", "CNY".into()),
        ("cash_fee", order.fen.to_string()),
        ("transaction_id", order.channel_no.clone()),
        ("out_trade_no", order.out_trade_no.clone()),
        (
            "attach",
            order.asked["attach"].as_str().unwrap_or_default().into(),
        ),
        ("time_end", order.paid.map(digits).unwrap_or_default()),
    ];
    // In its answers and notices V2 names the app with the id in it.
    if let (Some(app), Some(sub)) = (order.asked["sub_appid"].as_str(), sub) {
        shown.extend([("sub_appid", app.to_owned()), ("sub_openid", sub)]);
    }
    let device = order.asked["device_info"].as_str().unwrap_or_default();
    if order.way == codes::WAY || !device.is_empty() {
        shown.push(("device_info", device.into()));
    }
    shown
}
