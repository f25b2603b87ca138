//! Notices of CCB: a form posted to the address that is registered with the bank, signed over its pairs in their order.

use crate::channels::keys;
use crate::channels::notice::{Content, Forge, Notice};
use crate::channels::order::Order;
use crate::channels::poster::Letter;
use crate::channels::world::{Key, Merchant};
use domain::Amount;

/// The letter of one attempt.
pub(crate) fn letter(merchant: &Merchant, fields: &[(String, String)], forge: Forge) -> Letter {
    let text: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let sign = merchant.ccb.sign(text.join("&").as_bytes());
    let sign = if forge == Forge::True {
        sign
    } else {
        keys::spoilt(&sign.to_uppercase())
    };
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .append_pair("SIGN", &sign)
        .finish();
    Letter {
        headers: vec![("Content-Type", "application/x-www-form-urlencoded".to_owned())],
        query: None,
        body,
    }
}

/// The notice that an order was paid; the bank tells nobody whose address it does not have.
pub(crate) fn of_payment(merchant: &Merchant, key: &Key, order: &Order) -> Option<Notice> {
    let facts = &merchant.facts.ccb;
    let asked = |name: &str| order.asked[name].as_str().unwrap_or_default().to_owned();
    let day = super::super::baidu::digits(order.paid?);
    let fields = [
        ("POSID", facts.pos_id.clone()),
        ("BRANCHID", facts.branch_id.clone()),
        ("ORDERID", order.out_trade_no.clone()),
        ("PAYMENT", Amount::from_fen(order.fen).to_yuan()),
        ("CURCODE", "01".to_owned()),
        ("REMARK1", asked("REMARK1")),
        ("REMARK2", asked("REMARK2")),
        ("ACC_TYPE", "30".to_owned()),
        ("SUCCESS", "Y".to_owned()),
        ("TYPE", "1".to_owned()),
        ("REFERER", asked("REFERER")),
        ("CLIENTIP", asked("CLIENTIP")),
        ("ACCDATE", day.chars().take(8).collect()),
        ("USRMSG", order.payer.clone()),
        ("ERRMSG", String::new()),
    ];
    Some(Notice {
        key: key.clone(),
        id: keys::random_text(20),
        kind: "PAID",
        of_refund: false,
        url: order.notify_url.clone()?,
        content: Content::Ccb {
            fields: fields.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        },
    })
}
