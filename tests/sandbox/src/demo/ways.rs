//! Every way to pay of the unified API, as `endpoints.json` tells an outside client: what to send, where the answer says how the
//! payer is reached, and how the sandbox's payer gets there and pays; and what may be asked for afterwards.

use super::{
    abnormal::{GONE, to_card, to_merchant},
    place::RETURN_HOST,
};
use serde_json::{Value, json};

/// Channel, way to pay, the member of the answer that reaches the payer, what the payer does before paying.
const WAYS: [(&str, &str, &str, &str); 21] = [
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
];
pub(super) const NOTHING: &str = "nothing";
pub(super) const SHOWS: &str =
    "shows a fresh auth_code, told before the order by control/pay: channel, auth_code, outcome";

pub(super) fn ways() -> Vec<Value> {
    let own = WAYS.iter().map(|(channel, pay_way, reach, before)| {
        let body = body(channel, pay_way);
        let mut way = way(
            channel,
            pay_way,
            ["/v1/payments", "order_no"],
            reach,
            before,
            body,
        );
        way["auth_code"] = code(channel, pay_way);
        way
    });
    own.chain([mini_program()])
        .chain(several())
        .chain(codes())
        .collect()
}

/// In the account's own mini program (小程序), which has an appid of its own.
fn mini_program() -> Value {
    let call = ["/v1/payments", "order_no"];
    let mut way = way(
        "wechat",
        "jsapi",
        call,
        "call_up",
        NOTHING,
        body("wechat", "jsapi"),
    );
    way["adds"] = json!({ "appid": "mini_appid" });
    way
}

/// `call` is where `body` is posted, `number` the member that comes to it each time.
fn way(channel: &str, pay_way: &str, call: [&str; 2], reach: &str, before: &str, body: Value) -> Value {
    json!({
        "channel": channel, "pay_way": pay_way, "call": call[0], "number": call[1], "body": body,
        "reach": reach, "before": before, "auth_code": null, "adds": {},
    })
}

/// For a sub-merchant (服务商), in that one's own mini program too, and several orders that are paid together (合单): each has a number of its own beside the group's.
fn several() -> [Value; 3] {
    let mut partner = way(
        "wechat",
        "native",
        ["/v1/payments", "order_no"],
        "code_url",
        NOTHING,
        body("wechat", "native"),
    );
    partner["adds"] = json!({ "payee": "sub_mchids" });
    let mut in_its_app = body("wechat", "jsapi");
    in_its_app["payer"] = json!({ "sub_openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o" });
    let call = ["/v1/payments", "order_no"];
    let mut in_its_app = way("wechat", "jsapi", call, "call_up", NOTHING, in_its_app);
    in_its_app["adds"] = json!({ "payee": "sub_mchids", "sub_appid": "sub_appids" });
    let part = |fen: u32| json!({ "amount": fen, "description": "奶茶 Milk tea" });
    let orders = json!({ "channel": "wechat", "pay_way": "native", "orders": [part(380), part(500)] });
    let call = ["/v1/payments/combined", "group_no"];
    let mut group = way("wechat", "native", call, "code_url", NOTHING, orders);
    group["part_number"] = "orders[].order_no".into();
    [partner, in_its_app, group]
}

/// Codes to be printed or shown. Their orders begin with the payer's scan.
fn codes() -> Vec<Value> {
    let tea = || json!({ "amount": 880, "title": "奶茶 Milk tea" });
    let of = |channel: &str, kind: &str, reach: &str, before: &str| {
        way(channel, kind, ["/v1/codes", "code_no"], reach, before, tea())
    };
    let scan = "control/scan: qr, and scan_url of the account as callback";
    let mut all = vec![of("wechat", "product", "wechat_product_url", scan)];
    all.extend(WALLETS.map(|(channel, agent)| {
        let browser = "opens url in the wallet's browser (user_agent), comes back from its authorisation, pays on the page";
        let mut way = of(channel, "one code", "url", browser);
        way["user_agent"] = agent.into();
        way
    }));
    all
}

/// How a wallet's own browser is known (channels.md 7).
const WALLETS: [(&str, &str); 3] = [
    ("wechat", "Mozilla/5.0 (iPhone) MicroMessenger/8.0.50"),
    ("alipay", "Mozilla/5.0 (iPhone) AlipayClient/10.5.0"),
    ("unionpay", "Mozilla/5.0 (iPhone) UnionPay/1.0 CloudPay"),
];

/// All that `POST /v1/payments` needs but `order_no`, which is new each time, and a payment code.
fn body(channel: &str, pay_way: &str) -> Value {
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

/// What may be asked for of an order of [`ways`]: `before` says how it must stand, `number` names the member of the body that bears
/// a number of one's own, and `payer` whom `control/pay` must name for it. Braces are filled in with numbers.
pub(super) fn calls() -> Vec<Value> {
    let call = |method: &str, call: &str, before: &str, body: Value| json!({ "method": method, "call": call, "before": before, "number": null, "payer": null, "body": body });
    let refund = |before: &str, more: Value| {
        let mut refund = call("POST", "/v1/payments/{id}/refunds", before, more);
        refund["number"] = "refund_no".into();
        refund
    };
    let of_refund = |method: &str, word: &str, before: &str, body: Value| {
        let path = format!("/v1/payments/{{id}}/refunds/{{refund_no}}{word}");
        call(method, &path, before, body)
    };
    let mut all = vec![
        call("GET", "/v1/payments?order_no={order_no}", PLACED, Value::Null),
        call("GET", "/v1/payments/{id}", PLACED, Value::Null),
        call("GET", "/v1/payments/{id}?expand=payer", PAID, Value::Null),
        call("POST", "/v1/payments/{id}/close", PLACED, json!({})),
        call("POST", "/v1/payments/{id}/reverse", CHARGED, json!({})),
        refund(PAID, json!({ "amount": 880 })),
        refund(PAID, json!({ "amount": 880, "hold": true })),
        of_refund("GET", "", REFUNDED, Value::Null),
        of_refund("POST", "/release", HELD, json!({})),
        of_refund("POST", "/cancel", HELD, json!({})),
    ];
    all.extend([to_card(), to_merchant()].map(|to| {
        let mut redirect = of_refund("POST", "/redirect", STRANDED, to);
        redirect["payer"] = GONE.into();
        redirect
    }));
    all
}

const PLACED: &str = "nothing was paid";
const PAID: &str = "paid";
const CHARGED: &str = "charged by a payment code";
const REFUNDED: &str = "refunded";
const HELD: &str = "a refund is held";
/// The payer's account is closed (control/pay: payer): what goes back there becomes abnormal.
pub(super) const STRANDED: &str = "a refund has become abnormal";

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
