//! What whoever asked can do about a refusal of which only the channel's code is on record.

use crate::{FailureClass, alipay, unionpay, wechat};
use domain::Channel;

/// Why the channel refused an order or a refund, as far as its code alone says (channels.md 1.11, 2.2, 3.3, 4.4).
pub fn class(channel: Channel, code: &str) -> FailureClass {
    match channel {
        Channel::Wechat => match code.replace('_', "").to_ascii_uppercase().as_str() {
            "APPIDNOTEXIST" | "MCHIDNOTEXIST" => FailureClass::Setup,
            // 400: the status that goes with a refusal that no other code of the list explains.
            _ => wechat::codes::class(400, code),
        },
        Channel::Alipay if alipay::codes::at_front_door(code) => alipay::codes::class(code, ""),
        Channel::Alipay if code.starts_with("isv.") => alipay::codes::class("40006", code),
        Channel::Alipay => alipay::codes::class("40004", code),
        Channel::Unionpay => unionpay::codes::class(code),
        Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb => FailureClass::Final,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FailureClass::*;

    #[test]
    fn codes_of_the_tables_alone() {
        for (channel, code, expected) in [
            (Channel::Wechat, "SIGN_ERROR", Setup),
            (Channel::Wechat, "APPID_MCHID_NOT_MATCH", Setup),
            (Channel::Wechat, "MCHID_NOT_EXIST", Setup),
            (Channel::Wechat, "NOT_ENOUGH", PayeeFunds),
            (Channel::Wechat, "NOTENOUGH", PayeeFunds),
            (Channel::Wechat, "RULE_LIMIT", Final),
            (Channel::Wechat, "OUT_TRADE_NO_USED", Changed),
            (Channel::Alipay, "ACQ.SELLER_BALANCE_NOT_ENOUGH", PayeeFunds),
            (Channel::Alipay, "isv.insufficient-isv-permissions", Setup),
            (Channel::Alipay, "isv.invalid-signature", Setup),
            (Channel::Alipay, "ACQ.CONTEXT_INCONSISTENT", Changed),
            (Channel::Alipay, "40003", Setup),
            (Channel::Unionpay, "31", Setup),
            (Channel::Unionpay, "36", Changed),
            (Channel::Unionpay, "64", Final),
            (Channel::Ccb, "anything", Final),
        ] {
            assert_eq!(class(channel, code), expected, "{channel} {code}");
        }
    }
}
