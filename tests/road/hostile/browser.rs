//! What payers' browsers bring to Alipay's gateway: addresses and forms of one merchant, each with a trick in it, signed with the
//! trick. Query and body are one set of parameters, so what stands in both, or in one as GBK, is a trick too.

use super::{
    api::own,
    many::{Door, called, framed, lines},
    tricks::{self, Dice, Trick, escaped, spoilt},
    wire::At,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use certs::Keys;
use sandbox::material::AlipayAccount;
use serde_json::{Value, json};

/// A shop's pages.
pub(super) struct AlipayPages(pub(super) AlipayAccount, pub(super) Keys);

type Pairs = Vec<(&'static str, Vec<u8>)>;

fn order(dice: &mut Dice) -> (&'static str, Value, &'static str) {
    let number = format!("H{:015}", dice.below(1_000_000_000));
    let mut order = json!({ "out_trade_no": number, "total_amount": "0.88", "subject": "tea", "seller_id": "2088000000000001",
        "extend_params": { "sys_service_provider_id": "2088" }, "goods_detail": [{ "goods_id": "1", "goods_name": "tea", "quantity": 1, "price": "0.88" }] });
    match dice.below(2) {
        0 => {
            order["product_code"] = json!("FAST_INSTANT_TRADE_PAY");
            order["integration_type"] = json!("PCWEB");
            ("alipay.trade.page.pay", order, "/integration_type")
        }
        _ => {
            order["product_code"] = json!("QUICK_WAP_WAY");
            order["goods_type"] = json!("1");
            ("alipay.trade.wap.pay", order, "/goods_type")
        }
    }
}

/// Money for somebody else, by methods that browsers open too; and such as are no call to a server.
const CALLS: [&str; 6] = [
    "alipay.trade.page.pay ",
    "alipay.fund.trans.page.pay",
    "alipay.fund.trans.app.pay",
    "alipay.trade.app.pay",
    "alipay.user.agreement.page.sign",
    "alipay.trade.order.settle",
];

/// Something beside the order that its merchant has signed.
fn beside(dice: &mut Dice, name: &str, pairs: &mut Pairs) {
    match dice.below(8) {
        0 => pairs.push(("return_url", b"https://elsewhere.example/".to_vec())),
        1 => pairs.push(("return_url", b"http://shop.example/".to_vec())),
        2 => pairs.push(("return_url", b"https://shop.example@elsewhere.example/".to_vec())),
        3 => pairs.push((
            "return_url",
            b"https://shop.example\\@elsewhere.example/".to_vec(),
        )),
        4 => pairs.extend([
            ("notify_url", b"https://m.example/n".to_vec()),
            ("notify_url", b"https://o.example/n".to_vec()),
        ]),
        5 => {
            let charset = *dice.of(&["gbk", "GB18030", "utf-7", ""]);
            pairs
                .iter_mut()
                .filter(|p| p.0 == "charset")
                .for_each(|p| p.1 = charset.into());
        }
        // 0x5C, a backslash, is the second octet of many characters in GBK.
        6 => pairs.push(("app_auth_token", b"\xd5\x5c\"".to_vec())),
        _ => pairs.push(("auth_token", name.as_bytes().to_vec())),
    }
}

/// Behind the signature, or in the other half of the request.
const AGAIN: [&str; 12] = [
    "app_id=2021000000000000",
    "%61pp_id=2021000000000000",
    "app+id=2021000000000000",
    "app_id[]=2021000000000000",
    "biz_content=%7B%7D",
    "biz_content=",
    "method=alipay.trade.page.pay",
    "charset=gbk",
    "return_url=https%3A%2F%2Felsewhere.example",
    "notify_url=%c0%af",
    "notify_url=%u0061",
    "&",
];

impl Door for AlipayPages {
    fn at(&self) -> At {
        At::AlipayPages
    }

    fn channel(&self) -> &'static str {
        "alipay pages"
    }

    fn hostile(&self, dice: &mut Dice) -> Option<Vec<u8>> {
        let ((method, body, word), trick) = (order(dice), Trick::any(dice));
        let amounts = ["/total_amount", "/product_code", word];
        let content = spoilt(dice, body, &trick, &["/seller_id"], &amounts)?;
        let method = if matches!(trick, Trick::Call) {
            *dice.of(&CALLS)
        } else {
            method
        };
        let mut pairs = called(dice, &self.0, method, content);
        if let Trick::Query(name) = &trick {
            beside(dice, name, &mut pairs);
        }
        let mut sorted: Vec<Vec<u8>> = pairs
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| [name.as_bytes(), b"=", value].concat())
            .collect();
        sorted.sort();
        let signature = self.1.sign(&own(), &sorted.join(&b'&')).expect("signs");
        pairs.push(("sign", STANDARD.encode(signature).into_bytes()));
        let form: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={}", escaped(value)))
            .collect();
        Some(self.brought(dice, &trick, form))
    }
}

impl AlipayPages {
    /// By address, by form, or in both halves.
    fn brought(&self, dice: &mut Dice, trick: &Trick, form: Vec<String>) -> Vec<u8> {
        let mut path = "/gateway.do".to_owned();
        if matches!(trick, Trick::Path) {
            path = tricks::path(dice, &path);
        }
        let again = matches!(trick, Trick::Twice)
            .then(|| *dice.of(&AGAIN))
            .filter(|_| dice.below(2) == 0);
        // A body is what these tricks are about.
        let by_form = matches!(trick, Trick::Kind | Trick::Framing);
        let (mut query, mut body) = match dice.below(3) {
            0 if !by_form => (form, Vec::new()),
            1 => form
                .into_iter()
                .partition(|pair| !pair.starts_with("biz_content=")),
            _ => (Vec::new(), form),
        };
        if let Some(again) = again {
            match body.is_empty() || dice.below(2) == 0 {
                true => query.push(again.to_owned()),
                false => body.push(again.to_owned()),
            }
        }
        let method = if body.is_empty() { "GET" } else { "POST" };
        let target = match query.is_empty() {
            true => path,
            false => format!("{path}?{}", query.join("&")),
        };
        let kind = match trick {
            Trick::Kind => "application/x-www-form-urlencoded",
            _ => "application/x-www-form-urlencoded;charset=utf-8",
        };
        let browser = "Accept: text/html\r\nAccept-Language: zh-CN\r\nUser-Agent: Mozilla/5.0\r\n";
        let lines = browser.to_owned() + &lines(dice, trick, kind);
        framed(dice, trick, method, &target, &lines, body.join("&").as_bytes())
    }
}
