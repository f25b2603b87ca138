//! Notices of the Baidu wallet: a GET to `return_url`, signed like everything else.

use super::{orders::shown, query};
use crate::channels::keys;
use crate::channels::notice::{Content, Forge, Notice};
use crate::channels::order::Order;
use crate::channels::poster::Letter;
use crate::channels::world::{Key, Merchant};

/// The letter of one attempt: no body, the query is the notice.
pub(crate) fn letter(merchant: &Merchant, fields: &[(String, String)], forge: Forge) -> Letter {
    let other = format!("{}x", merchant.facts.baidu.key);
    let key = if forge == Forge::True {
        &merchant.facts.baidu.key
    } else {
        &other
    };
    Letter {
        headers: vec![("User-Agent", "baifubao".to_owned())],
        query: Some(query::signed(fields, key)),
        body: String::new(),
    }
}

/// The notice that an order was paid.
pub(crate) fn of_payment(merchant: &Merchant, key: &Key, order: &Order) -> Option<Notice> {
    let fields = shown(order, &merchant.facts.baidu.sp_no);
    notice(key, order, "PAID", fields, order.notify_url.clone()?)
}

/// The notice of a refund.
pub(crate) fn of_refund(merchant: &Merchant, key: &Key, order: &Order, number: &str) -> Option<Notice> {
    let refund = order.refund(number)?;
    let fields = vec![
        ("bfb_order_no", order.channel_no.clone()),
        ("cashback_amount", refund.fen.to_string()),
        ("order_no", order.out_trade_no.clone()),
        ("ret_code", "1".to_owned()),
        ("ret_detail", "原路退款成功".to_owned()),
        ("sp_no", merchant.facts.baidu.sp_no.clone()),
        ("sp_refund_no", number.to_owned()),
    ];
    notice(key, order, "REFUND", fields, refund.notify_url.clone()?)
}

fn notice(
    key: &Key,
    order: &Order,
    kind: &'static str,
    fields: Vec<(&'static str, String)>,
    url: String,
) -> Option<Notice> {
    let mut fields: Vec<(String, String)> = fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    // As the order was signed.
    let method = order.asked["sign_method"].as_str()?.to_owned();
    fields.extend([("input_charset", "1"), ("version", "2")].map(|(n, v)| (n.to_owned(), v.to_owned())));
    fields.push(("sign_method".to_owned(), method));
    Some(Notice {
        key: key.clone(),
        id: keys::random_text(20),
        kind,
        of_refund: kind == "REFUND",
        url,
        content: Content::Baidu { fields },
    })
}
