//! What a merchant's own client may send WeChat Pay through the pass-through, as `endpoints.json` tells it: APIv3 for itself, for a
//! sub-merchant (服务商) and for several orders at once (合单), and V2's messages in XML.

use super::{
    abnormal::GONE,
    ways::{NOTHING, SHOWS, STRANDED, code},
};
use serde_json::{Value, json};

const TEA: &str = "奶茶 Milk tea";
const OPENID: &str = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o";

/// Who pays how: the way, what V2 calls it, and what the answer reaches the payer by in APIv3 and in V2.
const KINDS: [(&str, &str, &str, &str); 4] = [
    ("native", "NATIVE", "code_url", "code_url"),
    ("jsapi", "JSAPI", "prepay_id", "prepay_id"),
    ("h5", "MWEB", "h5_url", "mweb_url"),
    ("app", "APP", "prepay_id", "prepay_id"),
];

/// Orders.
pub(super) fn ways() -> Vec<Value> {
    let each = |of: fn(&(&str, &str, &str, &str)) -> Value| KINDS.iter().map(of);
    let mut all: Vec<Value> = each(direct)
        .chain(each(partner))
        .chain(each(combined))
        .chain(each(v2))
        .collect();
    all.extend(mini_program());
    all.extend([codepay(), by_partner(codepay()), micropay()]);
    all
}

fn way(pay_way: &str, call: String, reach: &str, content: Value, adds: Value) -> Value {
    json!({
        "channel": "wechat", "pay_way": pay_way, "call": call, "v3": null, "number": "out_trade_no", "content": content,
        "reach": reach, "before": NOTHING, "auth_code": null, "adds": adds,
    })
}

fn direct(&(kind, _, reach, _): &(&str, &str, &str, &str)) -> Value {
    let adds = json!({ "appid": "appid", "mchid": "mchid", "notify_url": "notify_url" });
    let content = payer(kind, "payer.openid", order());
    way(kind, format!("/v3/pay/transactions/{kind}"), reach, content, adds)
}

fn partner(&(kind, _, reach, _): &(&str, &str, &str, &str)) -> Value {
    let adds = json!({ "sp_appid": "appid", "sp_mchid": "mchid", "sub_mchid": "sub_mchids", "notify_url": "notify_url" });
    let content = payer(kind, "payer.sp_openid", order());
    way(
        kind,
        format!("/v3/pay/partner/transactions/{kind}"),
        reach,
        content,
        adds,
    )
}

/// Two orders paid together; each has a number of its own beside the group's.
fn combined(&(kind, _, reach, _): &(&str, &str, &str, &str)) -> Value {
    let part = |fen: u32| json!({ "description": TEA, "attach": "counter", "amount": { "total_amount": fen, "currency": "CNY" } });
    let content = payer(
        kind,
        "combine_payer_info.openid",
        json!({ "sub_orders": [part(380), part(500)] }),
    );
    let adds = json!({
        "combine_appid": "appid", "combine_mchid": "mchid", "sub_orders[].mchid": "mchid", "notify_url": "notify_url",
    });
    let mut way = way(
        kind,
        format!("/v3/combine-transactions/{kind}"),
        reach,
        content,
        adds,
    );
    way["number"] = "combine_out_trade_no".into();
    way["part_number"] = "sub_orders[].out_trade_no".into();
    way
}

fn v2(&(kind, called, _, reach): &(&str, &str, &str, &str)) -> Value {
    let mut content = xml_order();
    content["trade_type"] = called.into();
    match kind {
        "native" => content["product_id"] = "tea".into(),
        "jsapi" => content["openid"] = OPENID.into(),
        "h5" => {
            let scene = json!({ "h5_info": { "type": "Wap", "wap_url": "https://shop.example", "wap_name": "shop" } });
            content["scene_info"] = scene.to_string().into();
        }
        _ => {}
    }
    let adds = json!({ "appid": "appid", "mch_id": "mchid", "notify_url": "notify_url" });
    way(kind, "/pay/unifiedorder".into(), reach, content, adds)
}

/// In the account's own mini program (小程序), which has an appid of its own; by APIv3 and by V2.
fn mini_program() -> impl Iterator<Item = Value> {
    let jsapi = KINDS.iter().filter(|(kind, ..)| *kind == "jsapi");
    jsapi.flat_map(|kind| [direct(kind), v2(kind)]).map(|mut way| {
        way["adds"]["appid"] = "mini_appid".into();
        way
    })
}

/// The same for a sub-merchant.
fn by_partner(mut way: Value) -> Value {
    way["call"] = "/v3/pay/partner/transactions/codepay".into();
    way["adds"] = json!({ "sp_appid": "appid", "sp_mchid": "mchid", "sub_mchid": "sub_mchids" });
    way
}

/// By APIv3, at an account that has it.
fn codepay() -> Value {
    let mut content = order();
    content["scene_info"] = json!({ "store_info": { "id": "S1" } });
    let adds = json!({ "appid": "appid", "mchid": "mchid" });
    let mut way = way(
        "micropay",
        "/v3/pay/transactions/codepay".into(),
        "",
        content,
        adds,
    );
    way["needs"] = "codepay".into();
    charges(way, "payer.auth_code")
}

fn micropay() -> Value {
    let adds = json!({ "appid": "appid", "mch_id": "mchid" });
    charges(
        way("micropay", "/pay/micropay".into(), "", xml_order(), adds),
        "auth_code",
    )
}

fn charges(mut way: Value, member: &str) -> Value {
    way["before"] = SHOWS.into();
    way["auth_code"] = code("wechat", "micropay");
    way["auth_code"]["member"] = member.into();
    way
}

fn order() -> Value {
    json!({ "description": TEA, "amount": { "total": 880, "currency": "CNY" } })
}

fn xml_order() -> Value {
    json!({ "body": TEA, "total_fee": "880", "spbill_create_ip": "203.0.113.7" })
}

/// What this way must say of who pays: `member` is where an openid stands.
fn payer(kind: &str, member: &str, mut content: Value) -> Value {
    match (kind, member.split_once('.')) {
        ("jsapi", Some((outer, inner))) => content[outer] = json!({ inner: OPENID }),
        ("h5", _) => {
            content["scene_info"] = json!({ "payer_client_ip": "203.0.113.7", "h5_info": { "type": "Wap" } });
        }
        _ => {}
    }
    content
}

/// What may be asked for afterwards. Braces are filled in with the order's number or the account's own member.
pub(super) fn calls() -> Vec<Value> {
    let call = |method: &str, call: &str, members: &[&str], adds: Value| json!({ "channel": "wechat", "method": method, "call": call, "v3": null, "members": members, "content": {}, "adds": adds });
    let own = || json!({ "mchid": "mchid" });
    let sub = || json!({ "sp_mchid": "mchid", "sub_mchid": "sub_mchids" });
    let back = [
        "out_trade_no",
        "out_refund_no",
        "amount.refund",
        "amount.total",
        "amount.currency",
    ];
    let xml = |path: &str, members: &[&str]| {
        call(
            "POST",
            path,
            members,
            json!({ "appid": "appid", "mch_id": "mchid" }),
        )
    };
    let of_a_day = |path: &str, content: Value| {
        let mut call = xml(path, &["bill_date"]);
        call["content"] = content;
        call
    };
    let reverse = |path: &str, adds: Value| {
        let mut call = call(
            "POST",
            &format!("{path}/out-trade-no/{{out_trade_no}}/reverse"),
            &[],
            adds,
        );
        call["needs"] = "codepay".into();
        call
    };
    // A card and the name on it are sealed for WeChat under the key that `Wechatpay-Serial` names.
    let stranded = |content: Value, sealed: &[&str]| {
        let path = "/v3/refund/domestic/refunds/{refund_id}/apply-abnormal-refund";
        let members: Vec<&str> = ["out_refund_no"].iter().chain(sealed).copied().collect();
        let mut call = call("POST", path, &members, json!({}));
        (call["content"], call["sealed"]) = (content, json!(sealed));
        if !sealed.is_empty() {
            call["headers"] = json!({ "Wechatpay-Serial": "public_key_id" });
        }
        (call["before"], call["payer"]) = (STRANDED.into(), GONE.into());
        call
    };
    let number = &["out_trade_no"];
    vec![
        call(
            "GET",
            "/v3/pay/transactions/out-trade-no/{out_trade_no}?mchid={mchid}",
            &[],
            json!({}),
        ),
        call(
            "GET",
            "/v3/pay/transactions/id/{transaction_id}?mchid={mchid}",
            &[],
            json!({}),
        ),
        call(
            "POST",
            "/v3/pay/transactions/out-trade-no/{out_trade_no}/close",
            &[],
            own(),
        ),
        call("POST", "/v3/refund/domestic/refunds", &back, json!({})),
        call(
            "POST",
            "/v3/refund/domestic/refunds",
            &back,
            json!({ "sub_mchid": "sub_mchids" }),
        ),
        call(
            "GET",
            "/v3/refund/domestic/refunds/{out_refund_no}",
            &[],
            json!({}),
        ),
        call(
            "GET",
            "/v3/refund/domestic/refunds/{out_refund_no}?sub_mchid={sub_mchids}",
            &[],
            json!({}),
        ),
        stranded(
            json!({ "type": "USER_BANK_CARD", "bank_type": "ICBC_DEBIT" }),
            &["bank_account", "real_name"],
        ),
        stranded(json!({ "type": "MERCHANT_BANK_CARD" }), &[]),
        call("GET", "/v3/certificates", &[], json!({})),
        reverse(
            "/v3/pay/transactions",
            json!({ "appid": "appid", "mchid": "mchid" }),
        ),
        reverse(
            "/v3/pay/partner/transactions",
            json!({ "sp_appid": "appid", "sp_mchid": "mchid", "sub_mchid": "sub_mchids" }),
        ),
        call(
            "GET",
            "/v3/pay/partner/transactions/out-trade-no/{out_trade_no}?sp_mchid={mchid}&sub_mchid={sub_mchids}",
            &[],
            json!({}),
        ),
        call(
            "GET",
            "/v3/pay/partner/transactions/id/{transaction_id}?sp_mchid={mchid}&sub_mchid={sub_mchids}",
            &[],
            json!({}),
        ),
        call(
            "POST",
            "/v3/pay/partner/transactions/out-trade-no/{out_trade_no}/close",
            &[],
            sub(),
        ),
        call(
            "GET",
            "/v3/combine-transactions/out-trade-no/{combine_out_trade_no}",
            &[],
            json!({}),
        ),
        call(
            "POST",
            "/v3/combine-transactions/out-trade-no/{combine_out_trade_no}/close",
            &["sub_orders[].out_trade_no"],
            json!({ "combine_appid": "appid", "sub_orders[].mchid": "mchid" }),
        ),
        call(
            "GET",
            "/v3/bill/tradebill?bill_date={day}&bill_type=ALL",
            &[],
            json!({}),
        ),
        call(
            "GET",
            "/v3/bill/fundflowbill?bill_date={day}&account_type=BASIC",
            &[],
            json!({}),
        ),
        xml("/pay/orderquery", number),
        xml("/pay/closeorder", number),
        xml(
            "/secapi/pay/refund",
            &["out_trade_no", "out_refund_no", "total_fee", "refund_fee"],
        ),
        xml("/pay/refundquery", number),
        xml("/secapi/pay/reverse", number),
        of_a_day("/pay/downloadbill", json!({ "bill_type": "ALL" })),
        // With HMAC-SHA256 only (channels.md 2.1).
        of_a_day(
            "/pay/downloadfundflow",
            json!({ "account_type": "Basic", "sign_type": "HMAC-SHA256" }),
        ),
    ]
}
