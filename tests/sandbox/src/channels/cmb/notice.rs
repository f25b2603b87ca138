//! Notices of CMB: JSON in a form, posted to `payNoticeUrl`, signed over the pairs of `noticeData`.

use super::pairs::{Pairs, joined};
use crate::channels::keys;
use crate::channels::notice::{Content, Forge, Notice};
use crate::channels::order::Order;
use crate::channels::poster::Letter;
use crate::channels::world::{Key, Merchant};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::Amount;

/// The letter of one attempt.
pub(crate) fn letter(merchant: &Merchant, pairs: &Pairs, forge: Forge) -> Letter {
    let sign = hex::decode(merchant.cmb_bank.sign_sha1(joined(pairs).as_bytes())).unwrap_or_default();
    let sign = STANDARD.encode(sign);
    let sign = if forge == Forge::True {
        sign
    } else {
        keys::spoilt(&sign)
    };
    let json = serde_json::json!({
        "version": "1.0", "charset": "UTF-8", "sign": sign, "signType": "RSA", "noticeData": pairs,
    });
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("jsonRequestData", &json.to_string())
        .append_pair("charset", "UTF-8")
        .finish();
    Letter {
        headers: vec![("Content-Type", "application/x-www-form-urlencoded".to_owned())],
        query: None,
        body,
    }
}

/// The notice that an order was paid.
pub(crate) fn of_payment(key: &Key, order: &Order) -> Option<Notice> {
    let asked = |name: &str| order.asked[name].as_str().unwrap_or_default().to_owned();
    let paid = super::super::baidu::digits(order.paid?);
    let url = order.notify_url.clone()?;
    let pairs = [
        ("dateTime", paid.clone()),
        ("date", asked("date")),
        ("amount", Amount::from_fen(order.fen).to_yuan()),
        ("bankDate", paid.chars().take(8).collect()),
        ("orderNo", order.out_trade_no.clone()),
        ("discountAmount", "0.00".to_owned()),
        ("discountFlag", "N".to_owned()),
        ("noticeType", "BKPAYRTN".to_owned()),
        ("httpMethod", "POST".to_owned()),
        ("cardType", "02".to_owned()),
        (
            "noticeSerialNo",
            format!("{}{}", asked("date"), order.out_trade_no),
        ),
        ("merchantPara", asked("payNoticePara")),
        ("bankSerialNo", order.channel_no.clone()),
        ("noticeUrl", url.clone()),
        ("branchNo", asked("branchNo")),
        ("merchantNo", asked("merchantNo")),
    ];
    Some(Notice {
        key: key.clone(),
        id: keys::random_text(20),
        kind: "PAID",
        of_refund: false,
        url,
        content: Content::Cmb {
            pairs: pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        },
    })
}
