//! Payment codes 付款码 at Alipay: `alipay.trade.pay` and `alipay.trade.cancel` (channels.md 3.1, 3.3).

use super::{
    codes,
    compose::{OneOrder, attach, draft, order},
    facts::{self, Named},
};
use crate::{
    Account, Answer, ComposeError, CreateFacts, Draft, Failure, FailureClass, ReverseView, Stamp,
    auth_code::Refusal, strict_json::Value,
};
use domain::{ChannelNo, Operation};
use vault::{AuthCode, Buyer};

/// Charges the payer of this code. The code stands in this one message and nowhere else.
pub(crate) fn pay(
    account: &Account,
    stamp: &Stamp,
    facts: &CreateFacts<'_>,
    buyer: &Buyer,
    code: &AuthCode,
) -> Result<Draft, ComposeError> {
    let attach = attach(buyer);
    let mut order = order(account, facts, buyer, attach.as_deref())?;
    order.auth_code = Some(code.expose());
    order.scene = Some("bar_code");
    draft(account, stamp, "alipay.trade.pay", true, &order)
}

/// Undoes an order by its number.
pub(crate) fn cancel(account: &Account, stamp: &Stamp, number: &ChannelNo) -> Result<Draft, ComposeError> {
    draft(
        account,
        stamp,
        "alipay.trade.cancel",
        false,
        &OneOrder {
            out_trade_no: number.as_str(),
        },
    )
}

/// `action` is `close` or `refund`; it is absent where Alipay has no such trade [unverified; Alipay's own pages], and then
/// nothing goes back. `None` for what is not as documented.
pub(super) fn cancelled(node: &Value) -> Option<ReverseView> {
    let again = match node.named("retry_flag") {
        Some("Y") => true,
        Some("N") | None => false,
        Some(_) => return None,
    };
    let action = node.named("action");
    let refunded = match action {
        Some("refund") => true,
        Some("close") | None => false,
        Some(_) => return None,
    };
    Some(ReverseView {
        again,
        refunded: Some(refunded).filter(|_| !again),
        absent: action.is_none() && !again,
    })
}

/// In OpenAPI v3 there is no 10003 around the content. By which status it says that the payer types a password is
/// [unverified]; that the trade is there and has no time of payment says so under each. What is taken for it is asked for.
pub(super) fn waits_v3(status: u16, content: &Value) -> bool {
    matches!(status, 200 | 202)
        && content.named("trade_no").is_some()
        && content.named("gmt_payment").is_none()
}

/// A charging call failed for good only where Alipay's list says so, or where it was refused at the front door and nobody looked
/// at it: what is not listed may have been charged.
//= C60
pub(super) fn judged(operation: Operation, front_door: bool, code: &str, failure: Failure) -> Failure {
    use FailureClass as F;
    let ends_it = matches!(
        failure.class,
        F::Final | F::Setup | F::Busy | F::NotFound | F::PayeeFunds
    );
    let unlisted =
        operation == Operation::Create && ends_it && !front_door && !codes::surely_not_charged(code);
    Failure {
        class: if unlisted {
            FailureClass::Unknown
        } else {
            failure.class
        },
        ..failure
    }
}

/// A refusal on the payer's side may name the payer (`buyer_user_id` stands among the answer's fields; which refusals fill
/// it is unverified).
pub(super) fn refused(node: &Value, failure: Failure) -> Answer {
    let by_payer = failure.class == FailureClass::Final && codes::refusal(&failure.code) == Refusal::Payer;
    match facts::payer(node).filter(|_| by_payer) {
        Some(payer) => Answer::Declined(failure, payer),
        None => Answer::Failed(failure),
    }
}
