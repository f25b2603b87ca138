//! Notices of UnionPay: ordinary forms, signed over every field, with the certificate in them (channels.md 4.2, 4.4).

use super::fields::Fields;
use super::orders::{digits, facts, settled};
use crate::channels::notice::{Content, Forge, Notice};
use crate::channels::order::Order;
use crate::channels::poster::Letter;
use crate::channels::world::{Key, Merchant, World};
use serde_json::Value;

const ECHOED: [&str; 10] = [
    "version",
    "encoding",
    "signMethod",
    "accessType",
    "merId",
    "txnTime",
    "bizType",
    "txnType",
    "txnSubType",
    "reqReserved",
];

/// The letter of one attempt.
pub(crate) fn letter(world: &World, merchant: &Merchant, fields: &Fields, forge: Forge) -> Letter {
    let mut fields = fields.clone();
    fields.sign(&world.unionpay, merchant, forge != Forge::True);
    let headers = vec![
        (
            "Content-Type",
            "application/x-www-form-urlencoded;charset=UTF-8".to_owned(),
        ),
        ("User-Agent", "Mozilla/4.0".to_owned()),
    ];
    Letter {
        headers,
        query: None,
        body: fields.form(),
    }
}

/// The notice that an order was paid.
pub(crate) fn of_payment(key: &Key, order: &Order) -> Option<Notice> {
    order.paid?;
    let mut fields = of(&order.asked);
    facts(order)
        .into_iter()
        .for_each(|(name, value)| fields.put(name, value));
    notice(key, &key.2, order.notify_url.clone()?, fields, false)
}

/// The notice that a refund is done. It names the refund's own number and UnionPay's of the payment, not the order's.
pub(crate) fn of_refund(key: &Key, order: &Order, number: &str) -> Option<Notice> {
    let refund = order.refund(number)?;
    let mut fields = of(&refund.asked);
    let traced = digits(refund.created);
    for (name, value) in [
        ("queryId", refund.channel_no.clone()),
        ("origQryId", order.channel_no.clone()),
        ("txnAmt", refund.fen.to_string()),
        ("currencyCode", "156".to_owned()),
        ("traceTime", traced.get(4..).unwrap_or_default().to_owned()),
        ("settleDate", settled(refund.created)),
    ] {
        fields.put(name, value);
    }
    notice(key, number, refund.notify_url.clone()?, fields, true)
}

fn of(asked: &Value) -> Fields {
    let mut fields = Fields::default();
    for name in ECHOED {
        if let Some(value) = asked[name].as_str().filter(|value| !value.is_empty()) {
            fields.put(name, value);
        }
    }
    fields.put("respCode", "00");
    fields.put("respMsg", "成功[0000000]");
    fields
}

fn notice(key: &Key, number: &str, url: String, mut fields: Fields, of_refund: bool) -> Option<Notice> {
    fields.put("orderId", number);
    let id = fields.get("queryId").to_owned();
    let kind = if of_refund { "04" } else { "01" };
    Some(Notice {
        key: key.clone(),
        id,
        kind,
        of_refund,
        url,
        content: Content::Unionpay { fields },
    })
}
