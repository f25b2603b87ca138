//! An abnormal refund that goes another way (channels.md 1.2; the field names by WeChat's own page of the call).

use super::compose::{post, segment};
use crate::{Account, ComposeError, Draft, Stamp, draft::Place};
use domain::{ChannelNo, RefundWay, TradeNo};
use serde::Serialize;
use zeroize::Zeroizing;

/// What the channel is told.
pub struct RedirectFacts<'a> {
    /// The refund's number at the channel.
    pub refund: &'a ChannelNo,
    /// The channel's own number of it.
    pub refund_id: &'a TradeNo,
    /// Where it shall go.
    pub to: RefundWay,
    /// The bank of the payer's card, in the channel's word.
    pub bank: Option<&'a str>,
    /// The payer's card.
    pub card: Option<SealedCard>,
}

/// A card and the name on it, sealed for the channel (channels.md 1.8), in base64.
pub struct SealedCard {
    /// Under which of the channel's keys.
    pub serial: String,
    /// The number.
    pub account: Zeroizing<String>,
    /// The name.
    pub name: Zeroizing<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    bank_account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bank_type: Option<&'a str>,
    out_refund_no: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    real_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_mchid: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'static str,
}

/// The word of the channel.
pub(super) const KINDS: [(&str, RefundWay); 2] = [
    ("USER_BANK_CARD", RefundWay::PayerCard),
    ("MERCHANT_BANK_CARD", RefundWay::MerchantAccount),
];

pub(crate) fn compose(
    account: &Account,
    stamp: &Stamp,
    facts: &RedirectFacts<'_>,
) -> Result<Draft, ComposeError> {
    let card = facts.card.as_ref();
    if facts.to == RefundWay::PayerCard && (card.is_none() || facts.bank.is_none()) {
        return Err(ComposeError::Missing("the payer's bank card"));
    }
    let kind = KINDS
        .iter()
        .find(|(_, way)| *way == facts.to)
        .map_or("", |(kind, _)| kind);
    let body = Body {
        bank_account: card.map(|card| card.account.as_str()),
        bank_type: facts.bank,
        out_refund_no: facts.refund.as_str(),
        real_name: card.map(|card| card.name.as_str()),
        sub_mchid: account.is_partner().then_some(account.payee.as_str()),
        kind,
    };
    let target = format!(
        "/v3/refund/domestic/refunds/{}/apply-abnormal-refund",
        segment(facts.refund_id.as_str())
    );
    let mut draft = post(account, stamp, target, &body)?;
    if let (Some(card), Place::Header { request, .. }) = (card, &mut draft.place) {
        // The same header asks for the answer's key and tells the fields' (channels.md 1.5, 1.8).
        request.headers.retain(|(name, _)| name != "Wechatpay-Serial");
        request
            .headers
            .push(("Wechatpay-Serial".into(), card.serial.clone()));
    }
    Ok(draft)
}
