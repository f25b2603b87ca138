//! A scanned payment code 付款码 (C3): which wallet's it is stands in its digits, and nowhere else.

use super::Fields;
use crate::fault::Fault;
use channel::auth_code::{Wallet, wallet};
use domain::Channel;
use vault::AuthCode;

/// A code and the channel that it belongs to.
pub(super) struct Scanned {
    pub(super) channel: Channel,
    pub(super) code: AuthCode,
}

/// `auth_code`, where the way to pay is `micropay`; nobody else may send one.
//= C32
pub(super) fn read(fields: &Fields<'_>) -> Result<Option<Scanned>, Fault> {
    let micropay = fields.value.text("pay_way") == Some("micropay");
    if fields.value.get("auth_code").is_none() && !micropay {
        return Ok(None);
    }
    if !micropay {
        return Err(fields.wrong("auth_code", "left out, but for pay_way micropay"));
    }
    if fields.value.get("payer").is_some() {
        return Err(fields.wrong(
            "payer",
            "left out for pay_way micropay: the payment code tells the payer",
        ));
    }
    let right = "the digits of a payment code: WeChat 18 digits from 10 to 15, Alipay 16 to 24 digits from 25 to 30, UnionPay 19 digits from 62";
    let code = fields.must("auth_code", right, fields.text("auth_code", 32)?)?;
    let code = AuthCode::new(code.to_owned());
    match wallet(&code) {
        Some(Wallet::Alipay) => Ok(Some(Scanned {
            channel: Channel::Alipay,
            code,
        })),
        Some(Wallet::Wechat) => Ok(Some(Scanned {
            channel: Channel::Wechat,
            code,
        })),
        Some(Wallet::Unionpay) => Ok(Some(Scanned {
            channel: Channel::Unionpay,
            code,
        })),
        None => Err(fields.wrong("auth_code", right)),
    }
}
