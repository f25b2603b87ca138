//! Orders and refunds as V2 states them (channels.md 2.2, 2.3).

use super::Message;
use crate::{
    ChannelState, OrderView, RefundView, times,
    wechat::facts::{class_word, payer_by},
};
use domain::{AccountNo, Amount, ChannelNo, PaidFacts, PayeeNo, RefundState, TradeNo};
use vault::Text;

/// An order that a query states.
pub(super) fn order(said: &Message) -> Option<OrderView> {
    let state = match said.get("trade_state")? {
        "NOTPAY" => ChannelState::NotPaid,
        // Of a payment code: the payer's try failed, the order is open until it is reversed.
        "PAYERROR" => ChannelState::Declined("PAYERROR".into()),
        "USERPAYING" => ChannelState::Paying,
        "SUCCESS" => ChannelState::Paid(paid(said)?),
        "REFUND" => ChannelState::Refunded(paid(said)?),
        "CLOSED" => ChannelState::Closed,
        "REVOKED" => ChannelState::Reversed,
        _ => return None,
    };
    view(said, state)
}

/// An order that an answer to the charging call or a notice states: it is paid.
pub(super) fn paid_now(said: &Message) -> Option<OrderView> {
    view(said, ChannelState::Paid(paid(said)?))
}

fn view(said: &Message, state: ChannelState) -> Option<OrderView> {
    let account = said.get("mch_id")?;
    let of_its_app = said.get("sub_appid").is_some();
    Some(OrderView {
        number: number(said)?,
        time: None,
        state,
        account: Some(AccountNo::new(account).ok()?),
        payee: Some(PayeeNo::new(said.get("sub_mch_id").unwrap_or(account)).ok()?),
        payer: payer_by(said.get("openid"), said.get("sub_openid"), of_its_app),
        attach: said.get("attach").map(Text::from),
    })
}

fn number(said: &Message) -> Option<ChannelNo> {
    ChannelNo::new(said.get("out_trade_no")?).ok()
}

fn paid(said: &Message) -> Option<PaidFacts> {
    if said.get("fee_type").is_some_and(|currency| currency != "CNY") {
        return None;
    }
    Some(PaidFacts {
        amount: fen(said.get("total_fee")?)?,
        bank_type: said.get("bank_type").and_then(class_word),
        number: number(said)?,
        paid_at: times::china_digits(said.get("time_end")?)?,
        trade_no: TradeNo::new(said.get("transaction_id")?).ok()?,
    })
}

/// Fen, in digits and nothing else.
fn fen(text: &str) -> Option<Amount> {
    let digits = (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let fen = text.parse().ok().filter(|_| digits)?;
    Some(Amount::from_fen(fen)).filter(|amount| *amount <= Amount::MAX)
}

/// A refund that was taken on: V2 never says of it that it is done, a query does.
pub(super) fn refund_taken(said: &Message) -> Option<RefundView> {
    Some(RefundView {
        order: Some(number(said)?),
        number: ChannelNo::new(said.get("out_refund_no")?).ok()?,
        time: None,
        state: RefundState::Processing,
        amount: fen(said.get("refund_fee")?),
        trade_no: said.get("refund_id").and_then(|id| TradeNo::new(id).ok()),
        refunded_at: None,
    })
}

/// The one refund that was asked for; fields of several are numbered from 0.
pub(super) fn refund(said: &Message) -> Option<RefundView> {
    if said.get("refund_count").is_some_and(|count| count != "1") {
        return None;
    }
    Some(RefundView {
        order: Some(number(said)?),
        number: ChannelNo::new(said.get("out_refund_no_0")?).ok()?,
        time: None,
        state: refund_state(said.get("refund_status_0")?)?,
        amount: fen(said.get("refund_fee_0")?),
        trade_no: said.get("refund_id_0").and_then(|id| TradeNo::new(id).ok()),
        refunded_at: said.get("refund_success_time_0").and_then(times::china),
    })
}

/// The refund inside a notice.
pub(super) fn refund_told(said: &Message) -> Option<RefundView> {
    Some(RefundView {
        order: Some(number(said)?),
        number: ChannelNo::new(said.get("out_refund_no")?).ok()?,
        time: None,
        state: refund_state(said.get("refund_status")?)?,
        amount: fen(said.get("refund_fee")?),
        trade_no: said.get("refund_id").and_then(|id| TradeNo::new(id).ok()),
        refunded_at: said.get("success_time").and_then(times::china),
    })
}

fn refund_state(text: &str) -> Option<RefundState> {
    match text {
        "PROCESSING" => Some(RefundState::Processing),
        "SUCCESS" => Some(RefundState::Succeeded),
        "REFUNDCLOSE" => Some(RefundState::Failed),
        "CHANGE" => Some(RefundState::Abnormal),
        _ => None,
    }
}
