//! Every way to pay of a merchant's own client, as `endpoints.json` tells it: what it sends to the pass-through in the channel's
//! own words, and what it may ask for afterwards. Numbers, times, accounts, addresses and signatures are the client's.

use super::{
    own_wechat,
    place::RETURN_HOST,
    ways::{NOTHING, SHOWS, code},
};
use serde_json::{Value, json};

/// Orders. `call` is the method of Alipay's gateway or the path; `v3` Alipay's path of OpenAPI v3; `number` the member that bears
/// the order's number; `adds` what else comes to it, each with the member of `merchants[].accounts.<channel>` that it is (of a list,
/// the first); `adds_under` what comes to it under that `sign_method` only.
pub(super) fn own_ways() -> Vec<Value> {
    let way = |channel: &str, pay_way: &str, call: &str, number: &str, reach: &str, content: Value| {
        let (charges, browser) = (pay_way == "micropay", ["page", "wap"].contains(&pay_way));
        json!({
            "channel": channel, "pay_way": pay_way, "call": call,
            "v3": call.strip_prefix("alipay.trade.").map(|call| format!("/v3/alipay/trade/{call}")),
            "by_browser": browser, "number": number, "content": content, "reach": reach, "before": if charges { SHOWS } else { NOTHING },
            "auth_code": shown(channel, pay_way),
            "adds": match channel {
                "unionpay" => both(acp_adds(), json!({ "backUrl": "notify_url" })),
                _ => json!({ "notify_url": "notify_url" }),
            },
            "adds_under": if channel == "unionpay" { acp_adds_under() } else { Value::Null },
        })
    };
    let alipay = |pay_way: &str, call: &str, reach: &str, more: Value| {
        let order = json!({ "total_amount": "8.80", "subject": "奶茶 Milk tea" });
        way("alipay", pay_way, call, "out_trade_no", reach, both(order, more))
    };
    let unionpay = |pay_way: &str, path: &str, reach: &str, kind: [&str; 4]| {
        let order = json!({ "txnAmt": "880", "currencyCode": "156" });
        way(
            "unionpay",
            pay_way,
            path,
            "orderId",
            reach,
            both(kinds(kind), order),
        )
    };
    // A form of the payer's browser: posted here, and from here on to UnionPay.
    let front = |pay_way: &str, business: &str| {
        let mut way = unionpay(pay_way, super::acp::FRONT, "", ["01", "01", business, "07"]);
        way["content"]["frontUrl"] = format!("https://{RETURN_HOST}/back").into();
        way["before"] = "posts the signed form, and the same to where it is sent on (307)".into();
        way
    };
    let own = vec![
        alipay("qr", "alipay.trade.precreate", "qr_code", json!({})),
        alipay(
            "jsapi",
            "alipay.trade.create",
            "trade_no",
            json!({ "buyer_id": "2088102147948060", "product_code": "JSAPI_PAY" }),
        ),
        // The payer's browser brings these; `location` is where it is sent on to.
        by_browser(alipay(
            "page",
            "alipay.trade.page.pay",
            "location",
            json!({ "product_code": "FAST_INSTANT_TRADE_PAY" }),
        )),
        by_browser(alipay(
            "wap",
            "alipay.trade.wap.pay",
            "location",
            json!({ "product_code": "QUICK_WAP_WAY" }),
        )),
        // The code stands in `auth_code`.
        alipay("micropay", "alipay.trade.pay", "", json!({ "scene": "bar_code" })),
        unionpay("qr", super::acp::BACK, "qrCode", ["01", "07", "000000", "08"]),
        unionpay("app", super::acp::APP, "tn", ["01", "01", "000201", "08"]),
        // The code stands in `qrNo`.
        unionpay("micropay", super::acp::BACK, "", ["01", "06", "000000", "08"]),
        front("gateway", "000201"),
        front("gateway_b2b", "000202"),
    ];
    own_wechat::ways().into_iter().chain(own).collect()
}

/// How a payment code looks, and which member bears it.
fn shown(channel: &str, pay_way: &str) -> Value {
    let mut code = code(channel, pay_way);
    if code.is_object() {
        code["member"] = if channel == "unionpay" {
            "qrNo"
        } else {
            "auth_code"
        }
        .into();
    }
    code
}

const OPENS: &str = "opens the address or posts the form, signed, at /gateway.do of the pass-through, and goes where it is sent on to";

/// No call of a server's, so not by OpenAPI v3 either; the payer opens what it is sent on to.
fn by_browser(mut way: Value) -> Value {
    (way["v3"], way["before"]) = (Value::Null, OPENS.into());
    way
}

/// What every message to UnionPay has of the account's own.
fn acp_adds() -> Value {
    json!({ "merId": "mer_id", "signMethod": "sign_method" })
}

/// A certificate is named where one signs (channels.md 4.2), and nowhere else.
fn acp_adds_under() -> Value {
    json!({ "01": { "certId": "cert_id" } })
}

/// What may be asked for: of an order on record, by the members that name it, of a day, or of a payer.
pub(super) fn own_calls() -> Vec<Value> {
    let alipay = |call: &str, members: &[&str]| {
        let v3 = format!("/v3/alipay/trade/{}", call.replace('.', "/"));
        json!({ "channel": "alipay", "call": format!("alipay.trade.{call}"), "v3": v3, "members": members, "content": {}, "method": "POST", "adds": {} })
    };
    let unionpay = |path: &str, content: Value, members: &[&str], adds: Value| {
        json!({
            "channel": "unionpay", "call": path, "v3": null, "members": members, "content": content, "method": "POST",
            "adds": both(acp_adds(), adds), "adds_under": acp_adds_under(),
        })
    };
    // What goes back from the order of `own_ways` with pay way `qr`; another's has the `bizType` of its own.
    let back = |kind: &str| {
        unionpay(
            super::acp::BACK,
            kinds([kind, "00", "000000", "08"]),
            &["orderId", "txnTime", "origQryId", "txnAmt"],
            json!({ "backUrl": "notify_url" }),
        )
    };
    let own = vec![
        alipay("query", &["out_trade_no"]),
        alipay("close", &["out_trade_no"]),
        alipay("cancel", &["out_trade_no"]),
        alipay("refund", &["out_trade_no", "out_request_no", "refund_amount"]),
        alipay("fastpay.refund.query", &["out_trade_no", "out_request_no"]),
        json!({
            "channel": "alipay", "call": "alipay.data.dataservice.bill.downloadurl.query",
            "v3": "/v3/alipay/data/dataservice/bill/downloadurl/query", "members": ["bill_date"],
            "content": { "bill_type": "trade" }, "method": "POST", "adds": {},
        }),
        // Its members stand beside `biz_content`, which it has none of.
        json!({
            "channel": "alipay", "call": "alipay.system.oauth.token", "v3": "/v3/alipay/system/oauth/token", "members": ["code"],
            "content": { "grant_type": "authorization_code" }, "method": "POST", "adds": {}, "in": "parameters",
        }),
        unionpay(
            super::acp::QUERY,
            kinds(["00", "00", "000000", "07"]),
            &["orderId", "txnTime"],
            json!({}),
        ),
        back("04"),
        back("31"),
        unionpay(
            super::acp::FILES,
            both(kinds(["76", "01", "000000", "07"]), json!({ "fileType": "00" })),
            &["settleDate", "txnTime"],
            json!({}),
        ),
    ];
    own_wechat::calls().into_iter().chain(own).collect()
}

fn kinds([kind, sub, business, device]: [&str; 4]) -> Value {
    json!({
        "version": "5.1.0", "encoding": "UTF-8", "accessType": "0", "txnType": kind, "txnSubType": sub, "bizType": business,
        "channelType": device,
    })
}

fn both(mut one: Value, more: Value) -> Value {
    if let (Some(one), Value::Object(more)) = (one.as_object_mut(), more) {
        one.extend(more);
    }
    one
}
