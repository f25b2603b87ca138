//! Orders and refunds as UnionPay states them in answers and notices alike (channels.md 4.3, 4.4).

use super::{codes, fields::Fields, times};
use crate::{ChannelState, OrderView, RefundView, auth_code::Refusal};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{AccountNo, Amount, ChannelNo, PaidFacts, PayWay, PayeeNo, RefundState, TradeNo};
use std::sync::Arc;
use vault::{Payer, PayerField, Text};

/// An order whose outcome has this code; `None` where something that it must state is missing or unlawful. Before its
/// time is over a refusal of the issuer is one try that failed: the payer may try again (channels.md 4.4). Not so where
/// the payer's code was charged: that is one call, and a refusal is its end.
pub(super) fn order(said: &Fields, pay_way: PayWay, code: &str) -> Option<OrderView> {
    let number = ChannelNo::new(said.get("orderId")?)
        .ok()
        .filter(|_| in_yuan(said))?;
    let state = match code {
        code if codes::is_success(code) || codes::is_taken_late(code) => {
            ChannelState::Paid(paid(said, &number)?)
        }
        code if codes::is_open(code) => ChannelState::Paying,
        code if pay_way.charges() && codes::refuses_charge(code) => ChannelState::Refused(Arc::from(code)),
        code if codes::moved_nothing(code) && codes::refusal(code) != Refusal::Other => {
            ChannelState::Declined(Arc::from(code))
        }
        code if codes::moved_nothing(code) => ChannelState::NotPaid,
        _ => return None,
    };
    let merchant = said.get("merId")?;
    Some(OrderView {
        number,
        time: times::named(said),
        state,
        account: Some(AccountNo::new(merchant).ok()?),
        // The merchant number is both: who asks and who is paid.
        payee: Some(PayeeNo::new(merchant).ok()?),
        payer: payer(said),
        attach: said.get("reqReserved").and_then(unpacked),
    })
}

/// Whose card it is.
pub(super) fn payer(said: &Fields) -> Option<Payer> {
    said.get("accNo").map(|card| Payer {
        field: PayerField::AccNo,
        value: Text::from(card),
    })
}

fn paid(said: &Fields, number: &ChannelNo) -> Option<PaidFacts> {
    Some(PaidFacts {
        amount: fen(said.get("txnAmt")?)?,
        bank_type: bank_type(said),
        number: number.clone(),
        paid_at: times::traced(said.get("traceTime")?, said.get("txnTime")?)?,
        trade_no: TradeNo::new(said.get("queryId")?).ok()?,
    })
}

/// The issuer's code and the kind of card, such as `ICBC_DEBIT` (class C1).
fn bank_type(said: &Fields) -> Option<Arc<str>> {
    let issuer = said
        .get("issInsCode")
        .filter(|code| code.len() <= 16 && code.bytes().all(|b| b.is_ascii_alphanumeric()));
    let kind = match said.get("payCardType") {
        Some("01") => Some("DEBIT"),
        Some("02" | "03") => Some("CREDIT"),
        _ => None,
    };
    match (issuer, kind) {
        (Some(issuer), Some(kind)) => Some(Arc::from(format!("{issuer}_{kind}"))),
        (Some(word), None) | (None, Some(word)) => Some(Arc::from(word)),
        (None, None) => None,
    }
}

/// A refund whose outcome has this code. What it goes back from is known by our own record, not by its number here.
pub(super) fn refund(said: &Fields, code: &str) -> Option<RefundView> {
    let state = match code {
        code if codes::is_success(code) => RefundState::Succeeded,
        code if codes::is_open(code) => RefundState::Processing,
        code if codes::moved_nothing(code) => RefundState::Failed,
        _ => return None,
    };
    if !in_yuan(said) {
        return None;
    }
    Some(RefundView {
        order: None,
        number: ChannelNo::new(said.get("orderId")?).ok()?,
        time: times::named(said),
        state,
        amount: said.get("txnAmt").and_then(fen),
        trade_no: said.get("queryId").and_then(|no| TradeNo::new(no).ok()),
        refunded_at: said
            .get("traceTime")
            .zip(said.get("txnTime"))
            .and_then(|(traced, sent)| times::traced(traced, sent)),
    })
}

/// Fen of nothing but the yuan, where it says which (channels.md 4.3).
fn in_yuan(said: &Fields) -> bool {
    said.get("currencyCode").is_none_or(|currency| currency == "156")
}

/// Fen in decimal digits.
pub(super) fn fen(text: &str) -> Option<Amount> {
    let digits = (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok().map(Amount::from_fen))?
}

/// Free text that comes back, packed so that its octets cannot be taken for UnionPay's own.
pub(super) fn packed(text: &str) -> String {
    STANDARD.encode(text)
}

fn unpacked(text: &str) -> Option<Text> {
    String::from_utf8(STANDARD.decode(text).ok()?).ok().map(Text::new)
}
