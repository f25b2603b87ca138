//! Notices of V2 (channels.md 2.3): of payments, signed as the order was; of refunds, sealed under the shared key.

use super::unified::is_of_v2;
use super::{orders, xml};
use crate::channels::clock::china;
use crate::channels::keys;
use crate::channels::notice::{Content, Forge, Notice};
use crate::channels::order::Order;
use crate::channels::poster::Letter;
use crate::channels::world::{Key, Merchant};

/// The letter of one attempt: signed anew with a nonce of its own, as forged as is wanted.
pub(crate) fn letter(
    merchant: &Merchant,
    fields: &[(&'static str, String)],
    digest: xml::Digest,
    forge: Forge,
) -> Letter {
    let mut fields = fields.to_vec();
    fields.push(("nonce_str", keys::random_text(16)));
    if !fields.iter().any(|(name, _)| *name == "req_info") {
        let pairs = fields.iter().map(|(name, value)| (*name, value.as_str()));
        let sign = xml::sign(pairs, digest, &merchant.facts.wechat.apiv2_key);
        let sign = if forge == Forge::True {
            sign
        } else {
            keys::spoilt(&sign)
        };
        fields.push(("sign", sign));
    } else if forge != Forge::True {
        // Sealed and not signed: what is forged was sealed under another key.
        let sealed = keys::seal_v2("00000000000000000000000000000000", "<root></root>");
        fields.retain(|(name, _)| *name != "req_info");
        fields.push(("req_info", sealed));
    }
    Letter {
        headers: vec![
            ("Content-Type", "text/xml".to_owned()),
            ("Accept", "*/*".to_owned()),
            ("User-Agent", "Mozilla/4.0".to_owned()),
        ],
        query: None,
        body: xml::write(&fields),
    }
}

fn begun(merchant: &Merchant, order: &Order) -> Vec<(&'static str, String)> {
    let facts = &merchant.facts.wechat;
    let mut fields = vec![
        ("return_code", "SUCCESS".to_owned()),
        (
            "appid",
            order.asked["appid"].as_str().unwrap_or(&facts.appid).to_owned(),
        ),
        ("mch_id", facts.mchid.clone()),
    ];
    fields.extend(order.sub_mchid.iter().map(|sub| ("sub_mch_id", sub.clone())));
    fields
}

/// The notice of a payment, if the order was placed by V2 and has an address.
pub(crate) fn of_payment(merchant: &Merchant, key: &Key, order: &Order) -> Option<Notice> {
    if !is_of_v2(&order.asked) {
        return None;
    }
    let mut fields = begun(merchant, order);
    fields.push(("result_code", "SUCCESS".to_owned()));
    fields.extend(orders::paid(order));
    let sign_type = order.asked["sign_type"].as_str();
    fields.extend(sign_type.map(|named| ("sign_type", named.to_owned())));
    let digest = match sign_type {
        Some("HMAC-SHA256") => xml::Digest::HmacSha256,
        _ => xml::Digest::Md5,
    };
    let url = order.notify_url.clone()?;
    Some(notice(
        key,
        url,
        "V2.PAYMENT",
        Content::WechatV2 { fields, digest },
    ))
}

/// The notice of a refund that V2 asked for, if it has an address of its own.
pub(crate) fn of_refund(merchant: &Merchant, key: &Key, order: &Order, out_no: &str) -> Option<Notice> {
    let refund = order.refund(out_no).filter(|refund| is_of_v2(&refund.asked))?;
    let plain = [
        ("out_trade_no", order.out_trade_no.clone()),
        ("transaction_id", order.channel_no.clone()),
        ("out_refund_no", refund.out_no.clone()),
        ("refund_id", refund.channel_no.clone()),
        ("refund_fee", refund.fen.to_string()),
        ("settlement_refund_fee", refund.fen.to_string()),
        ("total_fee", order.fen.to_string()),
        ("refund_status", "SUCCESS".to_owned()),
        (
            "refund_recv_accout",
            super::super::refunds::RECEIVED_BY.to_owned(),
        ),
        ("refund_account", "REFUND_SOURCE_RECHARGE_FUNDS".to_owned()),
        ("refund_request_source", "API".to_owned()),
        ("success_time", china(refund.done?)),
    ];
    let inside: String = plain
        .iter()
        .map(|(name, value)| format!("<{name}><![CDATA[{value}]]></{name}>\n"))
        .collect();
    let mut fields = begun(merchant, order);
    let sealed = keys::seal_v2(
        &merchant.facts.wechat.apiv2_key,
        &format!("<root>\n{inside}</root>"),
    );
    fields.push(("req_info", sealed));
    let url = refund.notify_url.clone()?;
    let content = Content::WechatV2 {
        fields,
        digest: xml::Digest::Md5,
    };
    Some(Notice {
        of_refund: true,
        ..notice(key, url, "V2.REFUND", content)
    })
}

fn notice(key: &Key, url: String, kind: &'static str, content: Content) -> Notice {
    Notice {
        key: key.clone(),
        id: format!("V2-{}", keys::random_digits(24)),
        kind,
        of_refund: false,
        url,
        content,
    }
}

/// The answer without which it comes again.
pub(crate) fn acknowledges(body: &[u8]) -> bool {
    xml::read(body).is_some_and(|said| said.get("return_code") == Some("SUCCESS"))
}
