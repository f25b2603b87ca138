//! Orders and refunds as WeChat states them, in answers and notices alike (channels.md 1.6, 1.11).

use crate::{ChannelState, OrderView, RefundView, strict_json::Value, times};
use domain::{AccountNo, Amount, ChannelNo, PaidFacts, PayeeNo, RefundState, TradeNo};
use std::sync::Arc;
use vault::{Payer, PayerField, Text};

/// An order; `None` where something that it must state is missing or unlawful.
pub(crate) fn order(value: &Value) -> Option<OrderView> {
    let number = ChannelNo::new(value.text("out_trade_no")?).ok()?;
    let state = match value.text("trade_state")? {
        "NOTPAY" => ChannelState::NotPaid,
        // Of a payment code: the payer's try failed, the order is open until it is reversed.
        "PAYERROR" => ChannelState::Declined("PAYERROR".into()),
        "USERPAYING" => ChannelState::Paying,
        "SUCCESS" => ChannelState::Paid(paid(value, &number)?),
        "REFUND" => ChannelState::Refunded(paid(value, &number)?),
        "CLOSED" => ChannelState::Closed,
        "REVOKED" => ChannelState::Reversed,
        _ => return None,
    };
    let account = value.text("sp_mchid").or(value.text("mchid"));
    let payee = value.text("sub_mchid").or(value.text("mchid"));
    Some(OrderView {
        number,
        time: None,
        state,
        account: account.map(AccountNo::new).transpose().ok()?,
        payee: payee.map(PayeeNo::new).transpose().ok()?,
        payer: payer(value),
        attach: value
            .text("attach")
            .filter(|text| !text.is_empty())
            .map(Text::from),
    })
}

fn paid(value: &Value, number: &ChannelNo) -> Option<PaidFacts> {
    if value
        .text("amount.currency")
        .is_some_and(|currency| currency != "CNY")
    {
        return None;
    }
    Some(PaidFacts {
        amount: amount(value, "amount.total")?,
        bank_type: value.text("bank_type").and_then(class_word),
        number: number.clone(),
        paid_at: times::rfc3339(value.text("success_time")?)?,
        trade_no: TradeNo::new(value.text("transaction_id")?).ok()?,
    })
}

/// A bank type is a word such as `CMC_DEBIT` (class C1); anything else is not kept.
pub(crate) fn class_word(text: &str) -> Option<Arc<str>> {
    let word = (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    word.then(|| Arc::from(text))
}

fn amount(value: &Value, path: &str) -> Option<Amount> {
    value
        .integer(path)
        .map(Amount::from_fen)
        .filter(|a| *a <= Amount::MAX)
}

/// `openid`, or in partner mode `sub_openid` of an order of the sub-merchant's own app, else `sp_openid`.
pub(crate) fn payer(value: &Value) -> Option<Payer> {
    let own = value.said("payer.openid").or(value.said("payer.sp_openid"));
    payer_by(
        own,
        value.said("payer.sub_openid"),
        value.said("sub_appid").is_some(),
    )
}

/// The id by which the record knows a payer whom WeChat knows by one in the account's own app and one in the sub-merchant's: the
/// latter where the order is of that app, or where there is no other. Requests, answers and notices of APIv3 and of V2 alike,
/// so that one person has one token.
pub(crate) fn payer_by(own: Option<&str>, sub: Option<&str>, of_its_app: bool) -> Option<Payer> {
    let (field, id) = match (sub, own) {
        (Some(id), None) => (PayerField::SubOpenid, id),
        (Some(id), _) if of_its_app => (PayerField::SubOpenid, id),
        (_, own) => (PayerField::Openid, own?),
    };
    Some(Payer {
        field,
        value: Text::from(id),
    })
}

/// A refund; its state is `status` in answers and `refund_status` in notices (channels.md 1.6).
pub(crate) fn refund(value: &Value, status: &str) -> Option<RefundView> {
    let state = match value.text(status)? {
        "PROCESSING" => RefundState::Processing,
        "SUCCESS" => RefundState::Succeeded,
        "CLOSED" => RefundState::Failed,
        "ABNORMAL" => RefundState::Abnormal,
        _ => return None,
    };
    let order = value.text("out_trade_no").map(ChannelNo::new).transpose().ok()?;
    Some(RefundView {
        order,
        number: ChannelNo::new(value.text("out_refund_no")?).ok()?,
        time: None,
        state,
        amount: amount(value, "amount.refund"),
        trade_no: value.text("refund_id").and_then(|id| TradeNo::new(id).ok()),
        refunded_at: value.text("success_time").and_then(times::rfc3339),
    })
}
