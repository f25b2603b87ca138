//! Events in the service's own language, as its API describes them.

use super::{
    events::{Event, Kind, Whose},
    letters::LARGE,
};
use serde_json::json;

/// The merchant's account at the channel, as these events have it.
const ACCOUNT: &str = "1900000109";
const OTHER_ACCOUNT: &str = "1900009999";
/// A merchant that nobody is.
const OTHER_MCHID: &str = "SOMEBODY_ELSE";

/// One event to the merchant `mchid`.
pub(super) fn body(mchid: &str, event: &Event) -> String {
    let order = &event.order;
    let kind = match event.kind {
        Kind::Paid => "payment.paid",
        Kind::Refunded => "refund.succeeded",
        Kind::Closed | Kind::ClosedUnpaid => "payment.closed",
        Kind::Unheard => "payment.weighed",
    };
    let (mchid, account) = match event.whose {
        Whose::Ours => (mchid, ACCOUNT),
        Whose::OtherAccount | Whose::OtherSeller => (OTHER_MCHID, OTHER_ACCOUNT),
    };
    let mut payment = json!({
        "id": order.id, "order_no": order.no, "state": "paid", "channel": "wechat", "pay_way": "native",
        "account": account, "payee": account, "number": order.no, "amount": order.fen, "currency": "CNY",
        "attempt": 1, "created_at": event.happened.plus_millis(-60_000).to_string(),
        "expires_at": event.happened.plus_millis(7_200_000).to_string(), "journal_index": event.seq * 7,
        "paid": {
            "amount": order.fen, "trade_no": format!("4200{}", &order.id[..24]), "paid_at": event.happened.to_string(),
            "bank_type": "OTHERS", "proof": "notice",
        },
        "refunded": 0,
        "payer": { "openid": format!("o{}", &order.id[..27]) },
    });
    let mut value = json!({
        "id": event.id, "mchid": mchid, "seq": event.seq, "type": kind, "created_at": event.happened.to_string(),
        "journal_index": event.seq * 7,
    });
    if event.kind == Kind::Refunded {
        value["refund_no"] = json!("R1");
    }
    // An event tells the order as it is when it is told, not as it was.
    if event.kind == Kind::Refunded || event.gone_back {
        payment["state"] = json!("partially_refunded");
        payment["refunded"] = json!(1);
        payment["refunds"] = json!([{ "refund_no": "R1", "number": "R1", "amount": 1, "state": "succeeded",
            "cause": "merchant", "created_at": event.happened.to_string() }]);
    }
    if event.kind == Kind::ClosedUnpaid {
        payment["state"] = json!("closed");
        for member in ["paid", "payer"] {
            payment.as_object_mut().map(|payment| payment.remove(member));
        }
    }
    if event.large {
        payment["attach"] = json!("茶".repeat(LARGE / 3));
    }
    if event.further {
        payment["settled_in"] = json!({ "days": [1, 2.5, null], "名": "\u{1F375}" });
        value["trace"] = json!("0".repeat(32));
    }
    value["payment"] = payment;
    value.to_string()
}
