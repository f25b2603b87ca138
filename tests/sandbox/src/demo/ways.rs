//! Every way to pay of the unified API, as `endpoints.json` tells an outside client: what to send, where the answer says how the
//! payer is reached, and how the sandbox's payer gets there and pays.

use super::place::RETURN_HOST;
use serde_json::{Value, json};

/// Channel, way to pay, the member of the answer that reaches the payer, what the payer does before paying.
const WAYS: [(&str, &str, &str, &str); 22] = [
    ("wechat", "native", "code_url", NOTHING),
    ("wechat", "jsapi", "call_up", NOTHING),
    ("wechat", "h5", "h5_url", NOTHING),
    ("wechat", "app", "call_up", NOTHING),
    ("wechat", "micropay", "", SHOWS),
    ("alipay", "qr", "qr_code", NOTHING),
    ("alipay", "jsapi", "call_up", NOTHING),
    ("alipay", "page", "call_up", "opens call_up.url"),
    ("alipay", "wap", "call_up", "posts call_up.form"),
    ("alipay", "app", "call_up", "control/open: channel, order_string"),
    ("alipay", "micropay", "", SHOWS),
    ("unionpay", "qr", "qr_code", NOTHING),
    ("unionpay", "gateway", "call_up", "posts call_up.form"),
    ("unionpay", "gateway_b2b", "call_up", "posts call_up.form"),
    ("unionpay", "app", "call_up", NOTHING),
    ("unionpay", "micropay", "", SHOWS),
    ("baidu", "page", "call_up", "opens call_up.url"),
    ("baidu", "wap", "call_up", "opens call_up.url"),
    ("ccb", "gateway", "call_up", "posts call_up.form"),
    ("icbc", "gateway", "call_up", "posts call_up.form"),
    ("cmb", "gateway", "call_up", "posts call_up.form"),
    (
        "wechat",
        "product",
        "",
        "scans wechat_product_url of a POST /v1/codes with an amount",
    ),
];
pub(super) const NOTHING: &str = "nothing";
pub(super) const SHOWS: &str =
    "shows a fresh auth_code, told before the order by control/pay: channel, auth_code, outcome";

pub(super) fn ways() -> Vec<Value> {
    WAYS.iter()
        .map(|(channel, pay_way, reach, before)| {
            json!({
                "channel": channel, "pay_way": pay_way, "body": body(channel, pay_way),
                "reach": reach, "before": before, "auth_code": code(channel, pay_way),
            })
        })
        .collect()
}

/// All that `POST /v1/payments` needs but `order_no`, which is new each time, and a payment code. An order of a product's standing
/// code begins with the payer's scan, not here.
fn body(channel: &str, pay_way: &str) -> Value {
    if pay_way == "product" {
        return Value::Null;
    }
    let mut body = json!({ "channel": channel, "pay_way": pay_way, "amount": 880, "description": "奶茶 Milk tea", "client_ip": "203.0.113.7" });
    match (channel, pay_way) {
        // The code tells its wallet.
        (_, "micropay") => drop(body.as_object_mut().map(|body| body.remove("channel"))),
        ("wechat", "jsapi") => body["payer"] = json!({ "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o" }),
        ("alipay", "jsapi") => body["payer"] = json!({ "buyer_id": "2088102147948060" }),
        ("alipay" | "unionpay" | "baidu", "page" | "wap" | "gateway" | "gateway_b2b") => {
            body["return_url"] = format!("https://{RETURN_HOST}/back").into();
        }
        _ => {}
    }
    body
}

/// How a payment code of this wallet looks (channels.md 7).
pub(super) fn code(channel: &str, pay_way: &str) -> Value {
    let (begins, digits) = match (channel, pay_way) {
        ("wechat", "micropay") => ("13", 18),
        ("alipay", "micropay") => ("28", 18),
        ("unionpay", "micropay") => ("620", 19),
        _ => return Value::Null,
    };
    json!({ "begins": begins, "digits": digits })
}
