//! Alipay's notices (channels.md 3.5): a form, signed over everything but `sign` and `sign_type`.

use super::facts;
use crate::{
    Account, RefundView, Signed,
    form::Form,
    keys,
    notice::{Notice, NoticeError},
    times,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{ChannelNo, RefundState, TradeNo};

/// What must verify. Parameters received empty take part.
pub(crate) fn authenticate(account: &Account, body: &[u8]) -> Result<Signed, NoticeError> {
    let form = Form::parse(body)?;
    if form.get("app_id") != Some(account.account.as_str()) {
        return Err(NoticeError::Account);
    }
    if form.get("sign_type") != Some("RSA2") {
        return Err(NoticeError::Envelope("sign_type"));
    }
    if form
        .get("charset")
        .is_some_and(|charset| !charset.eq_ignore_ascii_case("utf-8"))
    {
        return Err(NoticeError::Envelope("charset"));
    }
    let signature = form.get("sign").and_then(|text| STANDARD.decode(text).ok());
    let signature = signature.ok_or(NoticeError::Envelope("sign"))?;
    // In certificate mode the notice may name the certificate, else the registry does (channels.md 3.6).
    let cert_sn = account
        .serial
        .as_ref()
        .and(form.get("alipay_cert_sn").or(account.platform.as_deref()));
    let message = std::mem::take(&mut *form.string_to_sign(|name, _| name != "sign" && name != "sign_type"));
    Ok(Signed::by(
        keys::alipay_platform(&account.account, cert_sn)?,
        message,
        signature,
    ))
}

/// Reads the form.
pub(crate) fn read(account: &Account, body: &[u8]) -> Result<Notice, NoticeError> {
    let form = Form::parse(body)?;
    if form.get("app_id") != Some(account.account.as_str()) {
        return Err(NoticeError::Account);
    }
    if form
        .get("notify_type")
        .is_some_and(|kind| kind != "trade_status_sync")
    {
        return Ok(Notice::Ignored);
    }
    let view = facts::order(&form, "gmt_payment").ok_or(NoticeError::Field("trade_status"))?;
    match (form.get("out_biz_no"), form.get("refund_fee")) {
        (Some(number), Some(_)) => {
            let number = ChannelNo::new(number).map_err(|_| NoticeError::Field("out_biz_no"))?;
            let refund = refund(&form, number, &view.number);
            Ok(Notice::Refund {
                order: Some(view.number.clone()),
                view: refund,
                paid: Some(Box::new(view)),
            })
        }
        _ => Ok(Notice::Order(Box::new(view))),
    }
}

/// `refund_fee` is the sum of all refunds so far, so it is not this refund's amount.
fn refund(form: &Form, number: ChannelNo, order: &ChannelNo) -> RefundView {
    RefundView {
        order: Some(order.clone()),
        number,
        time: None,
        state: RefundState::Succeeded,
        amount: None,
        trade_no: form.get("trade_no").and_then(|no| TradeNo::new(no).ok()),
        refunded_at: form.get("gmt_refund").and_then(times::china),
    }
}
