//! Payment codes 付款码 at Alipay: `alipay.trade.pay` and `alipay.trade.cancel` (channels.md 3.1, 3.3).

use super::{
    codes,
    compose::{OneOrder, draft, escaped, goods},
    facts::Named,
};
use crate::{Account, ComposeError, CreateFacts, Draft, Failure, FailureClass, ReverseView, Stamp, strict_json::Value, times};
use domain::{ChannelNo, Operation};
use serde::Serialize;
use serde_json::value::RawValue;
use vault::{AuthCode, Buyer, Text};

#[derive(Serialize)]
struct Pay<'a> {
    auth_code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    goods_detail: Option<&'a RawValue>,
    out_trade_no: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    passback_params: Option<&'a str>,
    scene: &'static str,
    seller_id: &'a str,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    terminal_id: Option<&'a str>,
    time_expire: String,
    total_amount: String,
}

/// Charges the payer of this code. The code stands in this one message and nowhere else.
pub(crate) fn pay(account: &Account, stamp: &Stamp, facts: &CreateFacts<'_>, buyer: &Buyer, code: &AuthCode) -> Result<Draft, ComposeError> {
    let attach = buyer.attach.as_ref().map(Text::expose).filter(|text| !text.is_empty()).map(escaped);
    let pay = Pay {
        auth_code: code.expose(),
        goods_detail: buyer.detail.as_ref().map(goods).transpose()?,
        out_trade_no: facts.number.as_str(),
        passback_params: attach.as_ref().map(|text| text.as_str()),
        scene: "bar_code",
        seller_id: account.payee.as_str(),
        subject: buyer.description.expose(),
        terminal_id: facts.terminal.map(|t| t.as_str()).or(buyer.device_id.as_ref().map(Text::expose)),
        time_expire: times::to_china(facts.expires),
        total_amount: facts.amount.to_yuan(),
    };
    draft(account, stamp, "alipay.trade.pay", true, &pay)
}

/// Undoes a payment-code order.
pub(crate) fn cancel(account: &Account, stamp: &Stamp, number: &ChannelNo) -> Result<Draft, ComposeError> {
    draft(account, stamp, "alipay.trade.cancel", false, &OneOrder { out_trade_no: number.as_str() })
}

/// `action` is `close` or `refund`; it is absent where Alipay has no such trade [unverified; Alipay's own pages], and then
/// nothing goes back. `None` for what is not as documented.
pub(super) fn cancelled(node: &Value) -> Option<ReverseView> {
    let again = match node.named("retry_flag") {
        Some("Y") => true,
        Some("N") | None => false,
        Some(_) => return None,
    };
    let refunded = match node.named("action") {
        Some("refund") => true,
        Some("close") | None => false,
        Some(_) => return None,
    };
    Some(ReverseView { again, refunded: Some(refunded).filter(|_| !again) })
}

/// A charging call failed for good only where Alipay's list says so: what is not listed may have been charged.
pub(super) fn judged(operation: Operation, code: &str, sub_code: &str, failure: Failure) -> Failure {
    let unlisted = operation == Operation::Create && code == "40004" && failure.class == FailureClass::Final && !codes::surely_not_charged(sub_code);
    Failure { class: if unlisted { FailureClass::Unknown } else { failure.class }, ..failure }
}
