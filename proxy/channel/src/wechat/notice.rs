//! WeChat's notices (channels.md 1.6).

use super::{combine, facts, seal};
use crate::{
    Account, Signed, keys,
    notice::{Kind, Notice, NoticeError, Resource},
    strict_json::{self, Value},
};
use domain::{Instant, SignMethod};
use http::HeaderMap;

/// Four headers over the raw body; probes are refused.
pub(crate) fn authenticate(
    account: &Account,
    headers: &HeaderMap,
    body: &[u8],
    now: Instant,
) -> Result<Signed, NoticeError> {
    seal::signed(account, headers, body, now)
}

/// The encrypted resource.
pub(crate) fn sealed(account: &Account, body: &[u8]) -> Result<Resource, NoticeError> {
    let value = strict_json::parse(body)?;
    if value.text("resource_type") != Some("encrypt-resource") {
        return Err(NoticeError::Field("resource_type"));
    }
    let resource = value.get("resource").ok_or(NoticeError::Field("resource"))?;
    let (nonce, associated_data, ciphertext) =
        seal::parts(resource, seal::sealing(account)).ok_or(NoticeError::Field("resource"))?;
    let event = value.text("event_type").ok_or(NoticeError::Field("event_type"))?;
    let kind = match (event, resource.text("original_type")) {
        ("TRANSACTION.SUCCESS", Some("transaction")) => Kind::Transaction,
        ("REFUND.SUCCESS" | "REFUND.ABNORMAL" | "REFUND.CLOSED", Some("refund")) => Kind::Refund,
        _ => Kind::Other,
    };
    Ok(Resource {
        key: keys::wechat_apiv3(&account.account)?,
        nonce,
        associated_data,
        ciphertext,
        kind,
        sm4: account.sign_method == SignMethod::Sm2,
    })
}

/// Reads the decrypted resource.
pub(crate) fn read(account: &Account, decrypted: &[u8], kind: Kind) -> Result<Notice, NoticeError> {
    match kind {
        Kind::Transaction => transaction(&strict_json::parse(decrypted)?),
        Kind::Refund => refund(account, &strict_json::parse(decrypted)?),
        Kind::Other | Kind::Open => Ok(Notice::Ignored),
    }
}

fn transaction(value: &Value) -> Result<Notice, NoticeError> {
    if combine::is_group(value) {
        let views = combine::views(value).filter(|views| !views.is_empty());
        return views
            .map(Notice::Combined)
            .ok_or(NoticeError::Field("sub_orders"));
    }
    let view = facts::order(value).ok_or(NoticeError::Field("trade_state"))?;
    Ok(Notice::Order(Box::new(view)))
}

fn refund(account: &Account, value: &Value) -> Result<Notice, NoticeError> {
    // An order's account stands in its view; a refund's has to be compared here (channels.md 1.6, last
    // sentence).
    let mchid = value.text("sp_mchid").or(value.text("mchid"));
    if mchid.is_some_and(|mchid| mchid != account.account.as_str()) {
        return Err(NoticeError::Account);
    }
    let view = facts::refund(value, "refund_status").ok_or(NoticeError::Field("refund_status"))?;
    let order = view.order.clone().ok_or(NoticeError::Field("out_trade_no"))?;
    Ok(Notice::Refund {
        order: Some(order),
        view,
        paid: None,
    })
}
