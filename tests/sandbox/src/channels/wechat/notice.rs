//! Notices of WeChat Pay: encrypted once, signed at each attempt.

use super::answer::Speech;
use crate::channels::gm;
use crate::channels::keys;
use crate::channels::notice::{Content, Forge, Notice};
use crate::channels::order::{KeyMode, Order};
use crate::channels::poster::Letter;
use crate::channels::world::{Key, Merchant};
use serde_json::{Value, json};

/// The letter of one attempt.
pub(crate) fn letter(merchant: &Merchant, mode: KeyMode, body: &str, forge: Forge) -> Letter {
    let mode = merchant.change.notices(mode);
    let mut headers = Speech { mode }.headers(merchant, body);
    for (name, value) in &mut headers {
        if *name == "Wechatpay-Signature" {
            match forge {
                Forge::True | Forge::Doubtful => {}
                Forge::Wrong => *value = keys::spoilt(value),
                Forge::Probe => *value = keys::probe(value),
            }
        }
    }
    headers.push(("Content-Type", "application/json".to_owned()));
    headers.push(("Accept", "*/*".to_owned()));
    headers.push(("User-Agent", "Mozilla/4.0".to_owned()));
    Letter {
        headers,
        query: None,
        body: body.to_owned(),
    }
}

/// The notice that an order was paid, if it has an address.
pub(crate) fn of_payment(merchant: &Merchant, key: &Key, order: &Order) -> Option<Notice> {
    if super::v2::unified::is_of_v2(&order.asked) {
        return super::v2::notice::of_payment(merchant, key, order);
    }
    let plain = super::orders::shown(merchant, order);
    told(merchant, key, order, &plain)
}

/// The one notice of a group of orders: its number, and each of them.
pub(crate) fn of_group(merchant: &Merchant, key: &Key, orders: &[&Order]) -> Option<Notice> {
    let first = orders.first()?;
    told(merchant, key, first, &super::combine::shown(merchant, orders))
}

fn told(merchant: &Merchant, key: &Key, order: &Order, plain: &Value) -> Option<Notice> {
    let body = envelope(
        (merchant, order.key_mode),
        "transaction",
        "TRANSACTION.SUCCESS",
        "支付成功",
        plain,
    );
    notice(key, order, order.notify_url.clone()?, "TRANSACTION.SUCCESS", body)
}

/// The notice that a refund succeeded.
pub(crate) fn of_refund(merchant: &Merchant, key: &Key, order: &Order, out_no: &str) -> Option<Notice> {
    let refund = order.refund(out_no)?;
    if super::v2::unified::is_of_v2(&refund.asked) {
        return super::v2::notice::of_refund(merchant, key, order, out_no);
    }
    let mut plain = json!({
        "transaction_id": order.channel_no,
        "out_trade_no": order.out_trade_no, "refund_id": refund.channel_no, "out_refund_no": refund.out_no,
        "refund_status": if refund.done.is_some() { "SUCCESS" } else { "ABNORMAL" },
        "user_received_account": super::refunds::RECEIVED_BY,
        "amount": {"total": order.fen, "refund": refund.fen, "payer_total": order.fen, "payer_refund": refund.fen},
    });
    if let Some(done) = refund.done {
        plain["success_time"] = json!(done.to_string());
    }
    match &order.sub_mchid {
        None => plain["mchid"] = json!(merchant.facts.wechat.mchid),
        Some(sub_mchid) => {
            plain["sp_mchid"] = json!(merchant.facts.wechat.mchid);
            plain["sub_mchid"] = json!(sub_mchid);
        }
    }
    let (event, words) = match refund.done {
        Some(_) => ("REFUND.SUCCESS", "退款成功"),
        None => ("REFUND.ABNORMAL", "退款异常"),
    };
    let body = envelope((merchant, order.key_mode), "refund", event, words, &plain);
    // A refund's own address goes before the order's.
    let url = refund.notify_url.clone().or_else(|| order.notify_url.clone())?;
    notice(key, order, url, event, body)
}

fn notice(
    key: &Key,
    order: &Order,
    url: String,
    kind: &'static str,
    (id, body): (String, String),
) -> Option<Notice> {
    let content = Content::Wechat {
        body,
        mode: order.key_mode,
    };
    Some(Notice {
        key: key.clone(),
        id,
        kind,
        of_refund: kind.starts_with("REFUND"),
        url,
        content,
    })
}

fn envelope(
    (merchant, mode): (&Merchant, KeyMode),
    about: &str,
    event: &str,
    summary: &str,
    plain: &Value,
) -> (String, String) {
    let id = format!("EV-{}", keys::random_digits(24));
    let (key, plain) = (&merchant.facts.wechat.apiv3_key, plain.to_string());
    let (algorithm, (nonce, ciphertext)) = match mode {
        KeyMode::Sm2 => ("AEAD_SM4_GCM", gm::seal(key, about, &plain)),
        _ => ("AEAD_AES_256_GCM", keys::seal(key, about, &plain)),
    };
    let body = json!({
        "id": id, "create_time": crate::channels::clock::now().to_string(), "resource_type": "encrypt-resource",
        "event_type": event, "summary": summary,
        "resource": {
            "original_type": about, "algorithm": algorithm, "ciphertext": ciphertext,
            "associated_data": about, "nonce": nonce,
        },
    });
    (id, body.to_string())
}
