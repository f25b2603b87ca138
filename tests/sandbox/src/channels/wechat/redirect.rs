//! Abnormal refunds: the payer's account could not take it, and it goes another way.

use super::Call;
use super::answer::{Failure, Outcome};
use super::fields::text;
use super::refunds::{finish_later, missing, shown};
use crate::channels::fault::Operation;

/// Stands before the number of a refund that was sent another way.
pub(in crate::channels) const SENT: &str = "sent ";

/// To a bank card of the payer's, whose number and name are sealed for this channel, or to the merchant's own account.
pub(super) fn redirect(call: &Call<'_>, refund_id: &str) -> Outcome {
    let body = call.object()?;
    let sub_mchid = body["sub_mchid"]
        .as_str()
        .map(|named| call.sub_mchid(Some(named)))
        .transpose()?;
    let out_no = text(&body, "out_refund_no", 1..=64)?;
    match body["type"].as_str() {
        Some("USER_BANK_CARD") => card(call, &body)?,
        Some("MERCHANT_BANK_CARD") => {}
        _ => return Err(Failure::field("type", "", "异常退款处理方式不正确")),
    }
    let (key, answer) = call.world.with(|book| {
        let name = (
            crate::channels::fault::Channel::Wechat,
            call.number,
            out_no.clone(),
        );
        let key = book.refunds.get(&name).cloned().ok_or_else(missing)?;
        let abnormal = book.abnormal.contains(refund_id);
        let sent = format!("{SENT}{refund_id}");
        let again = book.abnormal.contains(&sent);
        let order = book
            .order(&key)
            .filter(|order| order.sub_mchid == sub_mchid)
            .ok_or_else(missing)?;
        order.count(Operation::Refund);
        let refund = order.refund(&out_no).ok_or_else(missing)?;
        if refund.channel_no != refund_id {
            return Err(missing());
        }
        if !abnormal && !again {
            return Err(Failure::invalid_request("退款状态非退款异常，不能发起异常退款"));
        }
        book.abnormal.remove(refund_id);
        book.abnormal.insert(sent);
        let abnormal = book.abnormal.clone();
        let order = book.order(&key).ok_or_else(missing)?;
        Ok((key.clone(), shown(order, &out_no, &abnormal)?))
    })?;
    finish_later(call.world, key, out_no);
    Ok(Some(answer))
}

/// Sealed under the key that the header names.
fn card(call: &Call<'_>, body: &serde_json::Value) -> Result<(), Failure> {
    let facts = &call.merchant.facts.wechat;
    let serial = call.request.header("wechatpay-serial");
    let key = match serial {
        s if s == facts.public_key_id => &call.merchant.wechat_public,
        s if s == facts.platform_serial => &call.merchant.wechat_platform,
        _ => {
            return Err(Failure::field(
                "Wechatpay-Serial",
                "",
                "请求头须指明加密所用的公钥ID或平台证书序列号",
            ));
        }
    };
    if !text(body, "bank_type", 1..=16)?.ends_with("_DEBIT") {
        return Err(Failure::field("bank_type", "", "仅支持借记卡"));
    }
    let opened = |field: &str| {
        let sealed = text(body, field, 1..=1024)?;
        let plain = key.open_field(&sealed);
        plain.ok_or_else(|| Failure::field(field, "", "敏感字段解密失败"))
    };
    let number = opened("bank_account")?;
    let digits = (12..=19).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    if !digits || opened("real_name")?.trim().is_empty() {
        return Err(Failure::field("bank_account", "", "银行卡号或姓名不正确"));
    }
    Ok(())
}
