//! Notices of Alipay: form posts, signed over the decoded fields.

use super::trades::{logon_id, trade_status};
use crate::channels::clock::{china, now};
use crate::channels::keys;
use crate::channels::notice::{Content, Forge, Notice};
use crate::channels::order::Order;
use crate::channels::poster::Letter;
use crate::channels::world::{Key, Merchant};
use domain::Amount;
use serde_json::json;

/// The letter of one attempt.
pub(crate) fn letter(merchant: &Merchant, fields: &[(String, String)], forge: Forge) -> Letter {
    let mut fields = fields.to_vec();
    fields.push(("notify_time".to_owned(), china(now())));
    let mut signature = merchant.alipay.sign(signed_text(&fields).as_bytes());
    if forge != Forge::True {
        signature = keys::spoilt(&signature);
    }
    fields.push(("sign_type".to_owned(), "RSA2".to_owned()));
    fields.push(("sign".to_owned(), signature));
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(&fields);
    let headers = vec![
        (
            "Content-Type",
            "application/x-www-form-urlencoded; charset=utf-8".to_owned(),
        ),
        ("User-Agent", "Mozilla/4.0".to_owned()),
    ];
    Letter {
        headers,
        query: None,
        body: form.finish(),
    }
}

/// All fields but `sign` and `sign_type`, sorted.
fn signed_text(fields: &[(String, String)]) -> String {
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort();
    sorted
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect::<Vec<_>>()
        .join("&")
}

/// The notice that a trade was paid, if it has an address.
pub(crate) fn of_payment(merchant: &Merchant, key: &Key, order: &Order) -> Option<Notice> {
    notice(merchant, key, order, "TRADE_SUCCESS", Vec::new())
}

/// The notice of a refund.
pub(crate) fn of_refund(merchant: &Merchant, key: &Key, order: &Order, out_no: &str) -> Option<Notice> {
    let refund = order.refund(out_no)?;
    let more = vec![
        ("refund_fee", Amount::from_fen(order.refunded()).to_yuan()),
        ("out_biz_no", refund.out_no.clone()),
        // With milliseconds, unlike its neighbours.
        (
            "gmt_refund",
            format!(
                "{}.{:03}",
                china(refund.created),
                refund.created.millis().rem_euclid(1000)
            ),
        ),
    ];
    notice(merchant, key, order, "REFUND", more)
}

fn notice(
    merchant: &Merchant,
    key: &Key,
    order: &Order,
    kind: &'static str,
    more: Vec<(&'static str, String)>,
) -> Option<Notice> {
    let url = order.notify_url.clone()?;
    let id = format!(
        "{}{}",
        now().to_string().replace(['-', ':', 'T', '+'], ""),
        keys::random_digits(18)
    );
    let total = Amount::from_fen(order.fen).to_yuan();
    let mut fields = vec![
        ("app_id", merchant.facts.alipay.app_id.clone()),
        ("auth_app_id", merchant.facts.alipay.app_id.clone()),
        ("charset", "utf-8".to_owned()),
        ("version", "1.0".to_owned()),
        ("notify_type", "trade_status_sync".to_owned()),
        ("notify_id", id.clone()),
        ("trade_no", order.channel_no.clone()),
        ("out_trade_no", order.out_trade_no.clone()),
        ("trade_status", trade_status(order).to_owned()),
        ("total_amount", total.clone()),
        ("receipt_amount", total.clone()),
        ("buyer_pay_amount", total.clone()),
        ("invoice_amount", total.clone()),
        ("point_amount", "0.00".to_owned()),
        (super::trades::payer_field(order, "buyer_id"), order.payer.clone()),
        ("buyer_logon_id", logon_id(order)),
        ("seller_id", merchant.facts.alipay.seller_id.clone()),
        ("gmt_create", china(order.created)),
        ("gmt_payment", china(order.paid?)),
        (
            "fund_bill_list",
            json!([{"amount": total, "fundChannel": "ALIPAYACCOUNT"}]).to_string(),
        ),
    ];
    for field in ["subject", "body", "passback_params"] {
        if let Some(text) = order.asked[field].as_str() {
            fields.push((field, text.to_owned()));
        }
    }
    fields.extend(more);
    let fields = fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    Some(Notice {
        key: key.clone(),
        id,
        kind,
        of_refund: kind == "REFUND",
        url,
        content: Content::Alipay { fields },
    })
}
