//! Notices in WeChat Pay's language (`channels.md` 1.6): JSON around what is sealed with the merchant's APIv3 key.

use super::{
    events::{Event, Kind, Whose},
    letters::{How, LARGE, digits_of},
};
use crate::{channels::keys, material::WechatAccount};
use serde_json::{Value, json};

/// A merchant number that nobody has.
const OTHER_MCHID: &str = "1900009999";
/// An APIv3 key that the endpoint does not have.
const OTHER_SECRET: &str = "somebody-else-has-this-APIv3-key";

/// One event, sealed with the merchant's APIv3 key or with somebody else's.
pub(super) fn body(facts: &WechatAccount, event: &Event, how: How) -> String {
    let (order, at) = (&event.order, event.happened.to_string());
    let trade = format!("4200{}", digits_of(&order.id));
    let mchid = match event.whose {
        Whose::Ours => facts.mchid.as_str(),
        Whose::OtherAccount | Whose::OtherSeller => OTHER_MCHID,
    };
    let (about, kind, summary, mut plain) = match event.kind {
        Kind::Refunded => (
            "refund",
            "REFUND.SUCCESS",
            "退款成功",
            json!({
                "mchid": mchid, "transaction_id": trade, "out_trade_no": order.no, "refund_id": format!("5030{}", digits_of(&order.id)),
                "out_refund_no": "R1", "refund_status": "SUCCESS", "success_time": at, "user_received_account": "支付用户零钱",
                "amount": { "total": order.fen, "refund": 1, "payer_total": order.fen, "payer_refund": 1 },
            }),
        ),
        kind => (
            "transaction",
            if kind == Kind::Paid {
                "TRANSACTION.SUCCESS"
            } else {
                "TRANSACTION.WEIGHED"
            },
            "支付成功",
            json!({
                "appid": facts.appid, "mchid": mchid, "out_trade_no": order.no, "transaction_id": trade, "trade_type": "NATIVE",
                "trade_state": "SUCCESS", "trade_state_desc": "支付成功", "bank_type": "OTHERS", "success_time": at,
                "payer": { "openid": format!("o{}", &order.id[..27]) },
                "amount": { "total": order.fen, "payer_total": order.fen, "currency": "CNY", "payer_currency": "CNY" },
            }),
        ),
    };
    if event.large {
        plain["attach"] = json!("茶".repeat(LARGE / 3));
    }
    if event.further {
        plain["settled_in"] = json!({ "days": [1, null] });
    }
    let secret = match how {
        How::OtherSecret => OTHER_SECRET,
        _ => facts.apiv3_key.as_str(),
    };
    let (nonce, ciphertext) = keys::seal(secret, about, &plain.to_string());
    let mut value: Value = json!({
        "id": event.id, "create_time": at, "resource_type": "encrypt-resource", "event_type": kind, "summary": summary,
        "resource": { "original_type": about, "algorithm": "AEAD_AES_256_GCM", "ciphertext": ciphertext, "associated_data": about, "nonce": nonce },
    });
    if event.further {
        value["trace"] = json!("0");
    }
    value.to_string()
}
