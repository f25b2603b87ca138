//! Notices in Alipay's language (`channels.md` 3.5): a form, signed over its decoded fields, acknowledged by seven
//! characters. Neither a serial nor the time of the signature is part of it.

use super::{
    events::{Event, Kind, Whose},
    letters::{How, LARGE, Letter, digits_of},
};
use crate::{
    channels::{clock::china, keys},
    material::SandboxMerchant,
};
use domain::{Amount, Instant};

/// An app and a seller that nobody is.
const OTHER_APP: &str = "2021009999999999";
const OTHER_SELLER: &str = "2088999999999999";

/// The only answer that ends the repeats.
pub(super) const ACKNOWLEDGED: &str = "success";

/// One sending; `sign` signs as `how` demands.
pub(super) fn letter(
    merchant: &SandboxMerchant,
    event: &Event,
    how: How,
    now: Instant,
    sign: impl Fn(&[u8]) -> anyhow::Result<String>,
) -> anyhow::Result<Letter> {
    let mut fields = fields(merchant, event);
    fields.push(("notify_time", china(now)));
    fields.sort();
    let text: Vec<String> = fields.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let mut signature = sign(text.join("&").as_bytes())?;
    if how == How::WrongSignature {
        signature = keys::spoilt(&signature);
    }
    if how == How::AlteredBody {
        for (_, amount) in fields.iter_mut().filter(|(name, _)| *name == "total_amount") {
            *amount = format!("9{amount}");
        }
    }
    if how != How::Unsigned {
        fields.push(("sign_type", "RSA2".to_owned()));
        fields.push(("sign", signature));
    }
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    Ok(Letter {
        headers: vec![
            (
                "Content-Type",
                "application/x-www-form-urlencoded; charset=utf-8".to_owned(),
            ),
            ("User-Agent", "Mozilla/4.0".to_owned()),
        ],
        body: body.into_bytes(),
    })
}

fn fields(merchant: &SandboxMerchant, event: &Event) -> Vec<(&'static str, String)> {
    let (facts, order, at) = (&merchant.alipay, &event.order, china(event.happened));
    let (app_id, seller_id) = match event.whose {
        Whose::Ours => (facts.app_id.as_str(), facts.seller_id.as_str()),
        Whose::OtherAccount => (OTHER_APP, OTHER_SELLER),
        Whose::OtherSeller => (facts.app_id.as_str(), OTHER_SELLER),
    };
    let total = Amount::from_fen(order.fen).to_yuan();
    let mut fields = vec![
        ("app_id", app_id.to_owned()),
        ("auth_app_id", app_id.to_owned()),
        ("charset", "utf-8".to_owned()),
        ("version", "1.0".to_owned()),
        ("notify_type", "trade_status_sync".to_owned()),
        ("notify_id", event.id.clone()),
        ("trade_no", digits_of(&order.id)),
        ("out_trade_no", order.no.clone()),
        ("trade_status", "TRADE_SUCCESS".to_owned()),
        ("total_amount", total.clone()),
        ("receipt_amount", total.clone()),
        ("buyer_pay_amount", total),
        ("buyer_id", format!("2088{}", &digits_of(&order.id)[..12])),
        ("seller_id", seller_id.to_owned()),
        ("subject", "奶茶 Milk tea".to_owned()),
        ("gmt_create", at.clone()),
        ("gmt_payment", at.clone()),
        // Received empty, it takes part in what is signed.
        ("passback_params", String::new()),
    ];
    match event.kind {
        Kind::Paid => {}
        Kind::Refunded => {
            fields.push(("refund_fee", Amount::from_fen(1).to_yuan()));
            fields.push(("out_biz_no", "R1".to_owned()));
            fields.push(("gmt_refund", format!("{at}.000")));
        }
        // Fully refunded, or timed out and never paid: both are TRADE_CLOSED (3.4).
        Kind::Closed => {
            set(&mut fields, "trade_status", "TRADE_CLOSED");
            fields.push(("refund_fee", Amount::from_fen(order.fen).to_yuan()));
            fields.push(("out_biz_no", "R2".to_owned()));
            fields.push(("gmt_refund", format!("{at}.000")));
        }
        Kind::ClosedUnpaid => {
            set(&mut fields, "trade_status", "TRADE_CLOSED");
            fields.retain(|(name, _)| !OF_A_PAYMENT.contains(name));
            fields.push(("gmt_close", at));
        }
        Kind::Unheard => fields.retain_mut(|(name, value)| {
            if *name == "notify_type" {
                *value = "trade_weight_sync".to_owned();
            }
            *name != "trade_status"
        }),
    }
    if event.large {
        fields.push(("body", "茶".repeat(LARGE / 3)));
    }
    if event.further {
        fields.push(("settled_in", "{\"days\":[1,null]}".to_owned()));
    }
    fields
}

/// What only a paid trade has.
const OF_A_PAYMENT: [&str; 3] = ["gmt_payment", "receipt_amount", "buyer_pay_amount"];

fn set(fields: &mut [(&'static str, String)], name: &str, to: &str) {
    for (_, value) in fields.iter_mut().filter(|(n, _)| *n == name) {
        to.clone_into(value);
    }
}
