//! Notices of the Baidu wallet (channels.md section 5): a GET whose query is the notice.

use super::{facts, query::Query};
use crate::{
    Account, RefundView, Signed,
    answer::fen,
    notice::{Notice, NoticeError},
};
use domain::{ChannelNo, RefundState, TradeNo};

/// What must verify. Parameters received empty take part.
pub(crate) fn authenticate(account: &Account, query: &[u8]) -> Result<Signed, NoticeError> {
    facts::signed(account, &Query::parse(query)?)
}

/// Reads the query: of a refund where it names one, else of an order.
pub(crate) fn read(account: &Account, query: &[u8]) -> Result<Notice, NoticeError> {
    let query = Query::parse(query)?;
    if query.get("sp_no") != Some(account.account.as_str()) {
        return Err(NoticeError::Account);
    }
    match (query.get("sp_refund_no"), query.get("pay_result")) {
        (Some(number), None) => refund(&query, number),
        (None, Some(_)) => {
            let view = facts::order(|name| query.get(name)).ok_or(NoticeError::Field("pay_result"))?;
            Ok(Notice::Order(Box::new(view)))
        }
        _ => Err(NoticeError::Field("pay_result")),
    }
}

/// 1: back where it came from; 3 and 4: on the payer's balance at the wallet; 2 and 5: failed [unverified; integrators of
/// the time].
fn refund(query: &Query, number: &str) -> Result<Notice, NoticeError> {
    let state = match query.get("ret_code") {
        Some("1" | "3" | "4") => RefundState::Succeeded,
        Some("2" | "5") => RefundState::Failed,
        _ => return Err(NoticeError::Field("ret_code")),
    };
    let named = |text: Option<&str>, field| {
        text.and_then(|text| ChannelNo::new(text).ok())
            .ok_or(NoticeError::Field(field))
    };
    let order = named(query.get("order_no"), "order_no")?;
    let view = RefundView {
        order: Some(order.clone()),
        number: named(Some(number), "sp_refund_no")?,
        time: None,
        state,
        amount: Some(
            query
                .get("cashback_amount")
                .and_then(fen)
                .ok_or(NoticeError::Field("cashback_amount"))?,
        ),
        trade_no: query.get("bfb_order_no").and_then(|no| TradeNo::new(no).ok()),
        refunded_at: None,
    };
    Ok(Notice::Refund {
        order: Some(order),
        view,
        paid: None,
    })
}
