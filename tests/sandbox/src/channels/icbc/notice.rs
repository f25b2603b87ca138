//! Notices of ICBC: a form posted to `merURL`, with XML in GBK that the bank signs.

use crate::channels::keys;
use crate::channels::notice::{Content, Forge, Notice};
use crate::channels::order::Order;
use crate::channels::poster::Letter;
use crate::channels::world::{Key, Merchant};
use base64::{Engine, engine::general_purpose::STANDARD};
use encoding_rs::GBK;

/// The letter of one attempt. On command the first says that the bank is in doubt itself.
pub(crate) fn letter(merchant: &Merchant, xml: &str, forge: Forge) -> Letter {
    let xml = if forge == Forge::Doubtful {
        xml.replace("<tranStat>1<", "<tranStat>3<")
    } else {
        xml.to_owned()
    };
    let octets = GBK.encode(&xml).0.into_owned();
    let sign = hex::decode(merchant.icbc_bank.sign_sha1(&octets)).unwrap_or_default();
    let sign = STANDARD.encode(sign);
    let sign = if forge == Forge::Wrong {
        keys::spoilt(&sign)
    } else {
        sign
    };
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("merVAR", "")
        .append_pair("notifyData", &STANDARD.encode(octets))
        .append_pair("signMsg", &sign)
        .finish();
    Letter {
        headers: vec![("Content-Type", "application/x-www-form-urlencoded".to_owned())],
        query: None,
        body,
    }
}

/// The notice that an order was paid.
pub(crate) fn of_payment(merchant: &Merchant, key: &Key, order: &Order) -> Option<Notice> {
    let facts = &merchant.facts.icbc;
    let date = order.asked["orderDate"].as_str()?;
    let paid = super::super::baidu::digits(order.paid?);
    let xml = format!(
        "<?xml  version=\"1.0\" encoding=\"GBK\" standalone=\"no\" ?><B2CRes><interfaceName>ICBC_PERBANK_B2C</interfaceName><interfaceVersion>1.0.0.11</interfaceVersion><orderInfo><orderDate>{date}</orderDate><curType>001</curType><merID>{}</merID><subOrderInfoList><subOrderInfo><orderid>{}</orderid><amount>{}</amount><installmentTimes>1</installmentTimes><merAcct>{}</merAcct><tranSerialNo>{}</tranSerialNo></subOrderInfo></subOrderInfoList></orderInfo><custom><verifyJoinFlag>0</verifyJoinFlag><JoinFlag></JoinFlag><UserNum></UserNum></custom><bank><TranBatchNo>013{}</TranBatchNo><notifyDate>{paid}</notifyDate><tranStat>1</tranStat><comment>交易成功！<a href=\"https://mybank.icbc.com.cn/?a=1&b=2\">{}</a></comment></bank></B2CRes>",
        facts.mer_id,
        order.out_trade_no,
        order.fen,
        facts.mer_acct,
        order.channel_no,
        &order.channel_no[3..9],
        order.payer,
    );
    Some(Notice {
        key: key.clone(),
        id: keys::random_text(20),
        kind: "PAID",
        of_refund: false,
        url: order.notify_url.clone()?,
        content: Content::Icbc { xml },
    })
}
