//! V2's notices (channels.md 2.3): of payments, signed; of refunds, sealed and not signed.

use super::{Message, facts};
use crate::{Account, OrderView, RefundView, Signed, keys, notice::NoticeError};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::KeyRef;

/// The answer without which a notice comes again.
pub const ACK: &str =
    "<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>";

/// What must verify before a notice of a payment counts.
pub fn authenticate(account: &Account, body: &[u8]) -> Result<Signed, NoticeError> {
    let said = message(account, body)?;
    Ok(Signed {
        method: domain::SignMethod::Signature,
        certificate: None,
        key: keys::wechat_apiv2(&account.account)?,
        message: said.message().to_vec(),
        signature: said.signature().ok_or(NoticeError::Envelope("sign"))?,
    })
}

/// The payment that a verified notice states.
pub fn payment(account: &Account, body: &[u8]) -> Result<OrderView, NoticeError> {
    let said = message(account, body)?;
    for code in ["return_code", "result_code"] {
        if said.get(code) != Some("SUCCESS") {
            return Err(NoticeError::Field(code));
        }
    }
    facts::paid_now(&said).ok_or(NoticeError::Field("transaction_id"))
}

/// The sealed part of a notice of a refund, and the key that opens it.
pub fn sealed_refund(account: &Account, body: &[u8]) -> Result<(KeyRef, Vec<u8>), NoticeError> {
    let said = message(account, body)?;
    let sealed = said.get("req_info").and_then(|text| STANDARD.decode(text).ok());
    let sealed = sealed.ok_or(NoticeError::Envelope("req_info"))?;
    Ok((keys::wechat_apiv2(&account.account)?, sealed))
}

/// The same of a notice that carries no signature; `None` where it carries one.
pub(crate) fn unsigned_refund(
    account: &Account,
    body: &[u8],
) -> Result<Option<(KeyRef, Vec<u8>)>, NoticeError> {
    let said = message(account, body)?;
    match said.fields.has("sign") || !said.fields.has("req_info") {
        true => Ok(None),
        false => sealed_refund(account, body).map(Some),
    }
}

/// The refund in what was sealed.
pub fn refund(opened: &[u8]) -> Result<RefundView, NoticeError> {
    let fields = crate::strict_xml::Fields::parse(opened, "root")?;
    facts::refund_told(&Message { fields }).ok_or(NoticeError::Field("refund_status"))
}

/// A notice of this account. Whose order it is stands in the order: the address of a service provider's notices is one for
/// all its merchants.
fn message(account: &Account, body: &[u8]) -> Result<Message, NoticeError> {
    let said = Message::read(body)?;
    let merchant = !account.is_partner() || said.get("sub_mch_id") == Some(account.payee.as_str());
    let own = said.get("mch_id") == Some(account.account.as_str()) && merchant;
    if own { Ok(said) } else { Err(NoticeError::Account) }
}
