//! The unified API: bodies, signatures, replays, other merchants' orders.

use super::{
    MARK, Yard,
    wire::{At, Said},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use certs::{Keys, Material};
use domain::{Breach, Instant, KeyRef, TradeEntry, TradeEvent};
use journal::{Reader, disk::RealDisk};
use serde_json::{Value, json};
use std::{sync::Arc, time::SystemTime};

/// A caller who signs what no honest client would send.
pub(crate) struct Caller {
    pub(crate) id: String,
    scheme: String,
    serial: String,
    keys: Keys,
}

pub(crate) fn own() -> KeyRef {
    KeyRef::new("own").expect("lawful")
}

pub(crate) fn keys_of(pem: &std::path::Path) -> Keys {
    let keys = Keys::default();
    keys.put(
        own(),
        Material::read(&std::fs::read(pem).expect("a key file")).expect("a key"),
    );
    keys
}

pub(crate) fn now() -> i64 {
    millis() / 1000
}

fn millis() -> i64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |t| t.as_millis() as i64)
}

/// Different each time.
pub(crate) fn fresh() -> String {
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    format!(
        "{:032x}",
        (u128::from(std::process::id()) << 64)
            + u128::from(COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
            + ((now() as u128) << 96)
    )
}

impl Caller {
    pub(crate) fn of(yard: &Yard, n: usize) -> Caller {
        let place = &yard.demo.place;
        let merchant = &place.merchants[n];
        Caller {
            id: merchant.id.clone(),
            scheme: merchant.scheme.into(),
            serial: merchant.serial.clone(),
            keys: keys_of(&place.dir.join(&merchant.key_file)),
        }
    }

    /// Over exactly these lines.
    fn header(&self, method: &str, target: &str, timestamp: i64, nonce: &str, body: &[u8]) -> String {
        let message = [
            format!("{method}\n{target}\n{timestamp}\n{nonce}\n").as_bytes(),
            body,
            b"\n",
        ]
        .concat();
        let signature = STANDARD.encode(self.keys.sign(&own(), &message).expect("signs"));
        format!(
            "{} mchid=\"{}\",nonce_str=\"{nonce}\",timestamp=\"{timestamp}\",serial_no=\"{}\",signature=\"{signature}\"",
            self.scheme, self.id, self.serial
        )
    }

    /// The header line that signs it.
    pub(crate) fn authorization(&self, method: &str, target: &str, body: &[u8]) -> String {
        let header = self.header(method, target, now(), &fresh(), body);
        format!("Authorization: {header}\r\n")
    }

    /// A well signed request with any body and these further header lines.
    pub(crate) fn wire(&self, method: &str, target: &str, lines: &str, body: &[u8]) -> Vec<u8> {
        wire(
            method,
            target,
            &self.header(method, target, now(), &fresh(), body),
            lines,
            body,
        )
    }
}

fn wire(method: &str, target: &str, authorization: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\nContent-Length: {}\r\n{lines}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

const JSON: &str = "Content-Type: application/json\r\n";

fn order(yard: &Yard) -> Value {
    json!({ "order_no": yard.demo.next_number(), "channel": "wechat", "pay_way": "native", "amount": 100, "description": "tea" })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_signatures_and_replays_of_the_unified_api() {
    let yard = Yard::open().await;
    let caller = Caller::of(&yard, 0);
    let (merchant, stranger) = (
        yard.demo.merchant(0).expect("merchant"),
        yard.demo.merchant(1).expect("merchant"),
    );
    let placed = merchant
        .ask("POST", "/v1/payments", Some(&order(&yard)))
        .await
        .expect("placed")
        .json();
    let id = placed["id"].as_str().expect("an id").to_owned();
    let before = yard.orders().await;
    no_json_of_ours(&yard, &caller).await;
    every_field(&yard, &caller, &id).await;
    goods_detail(&yard, &caller).await;
    headers_and_paths(&yard, &caller, &id).await;
    signatures(&yard, &caller).await;
    others_orders(&yard, &stranger, &placed).await;
    let after = yard.orders().await;
    yard.must(before == after, || {
        format!("the channel heard of a hostile request: {before:?} {after:?}")
    });
    replays(&yard, &caller).await;
    yard.close().await;
}

async fn no_json_of_ours(yard: &Yard, caller: &Caller) {
    let good = order(yard).to_string();
    let deep = |open: &str, close: &str| {
        format!("{{\"amount\":{}1{}}}", open.repeat(1000), close.repeat(1000)).into_bytes()
    };
    let with = |more: &str| format!("{{{more},{}", &good[1..]).into_bytes();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "a byte order mark",
            [b"\xef\xbb\xbf", good.as_bytes()].concat(),
            "byte order mark",
        ),
        (
            "UTF-16",
            good.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "not JSON",
        ),
        (
            "octets that are not UTF-8",
            with(&format!("\"attach\":\"{MARK}"))
                .into_iter()
                .chain(*b"\xff\xfe\"}")
                .collect(),
            "UTF-8",
        ),
        (
            "an overlong octet sequence",
            [b"{\"attach\":\"\xc0\xaf\"}", MARK.as_bytes()].concat(),
            "UTF-8",
        ),
        ("a name twice", with("\"amount\":100"), "stands twice"),
        (
            "a name twice, escaped",
            with("\"\\u0061mount\":100"),
            "stands twice",
        ),
        (
            "a name twice, deep",
            with(&format!(
                "\"payer\":{{\"openid\":\"{MARK}\",\"openid\":\"{MARK}\"}}"
            )),
            "payer.openid",
        ),
        (
            "a lone surrogate",
            with(&format!("\"attach\":\"{MARK}\\ud800\"")),
            "surrogate",
        ),
        (
            "a pair turned around",
            with(&format!("\"attach\":\"{MARK}\\udc00\\ud800\"")),
            "surrogate",
        ),
        ("deep lists", deep("[", "]"), "32"),
        ("deep objects", deep("{\"a\":", "}"), "32"),
        (
            "deep and never closed",
            [b"[".repeat(1000), MARK.into()].concat(),
            "32",
        ),
        ("NaN", with("\"amount\":NaN"), "not JSON"),
        ("infinity", with("\"amount\":Infinity"), "not JSON"),
        ("an octal number", with("\"attach\":0777"), "not JSON"),
        ("a hexadecimal number", with("\"attach\":0x1F"), "not JSON"),
        ("a number that ends in a dot", with("\"attach\":1."), "not JSON"),
        (
            "beyond 64 bits",
            with("\"attach\":18446744073709551616"),
            "64 bits",
        ),
        (
            "a thousand digits",
            with(&format!("\"attach\":{}", "9".repeat(1000))),
            "64 bits",
        ),
        (
            "a control character",
            with(&format!("\"attach\":\"{MARK}\n\"")),
            "not JSON",
        ),
        (
            "a bad escape",
            with(&format!("\"attach\":\"{MARK}\\x\"")),
            "not JSON",
        ),
        (
            "comments",
            with(&format!("/*{MARK}*/\"attach\":\"a\"")),
            "not JSON",
        ),
        ("single quotes", format!("{{'{MARK}':1}}").into(), "not JSON"),
        ("a comma too many", with("").to_vec(), "not JSON"),
        (
            "something behind it",
            format!("{good}{MARK}").into(),
            "after the end",
        ),
        ("two values", format!("{good}{good}").into(), "after the end"),
        ("a list", format!("[\"{MARK}\"]").into(), "a JSON object"),
        ("a text", format!("\"{MARK}\"").into(), "a JSON object"),
        ("null", b"null".into(), "a JSON object"),
        ("nothing", Vec::new(), "not JSON"),
        ("spaces", b"   ".into(), "not JSON"),
        ("a form", format!("order_no={MARK}&amount=1").into(), "not JSON"),
    ];
    for (what, body, reason) in cases {
        yard.refused(
            At::Api,
            what,
            &yard
                .say(At::Api, &caller.wire("POST", "/v1/payments", JSON, &body))
                .await,
            reason,
        );
    }
    // Texts as long as the cap lets them be, in a field's value and in its name.
    for long in [
        with(&format!("\"attach\":\"{}\"", MARK.repeat(4000))),
        with(&format!("\"{}\":1", MARK.repeat(4000))),
    ] {
        yard.refused(
            At::Api,
            "a long text",
            &yard
                .say(At::Api, &caller.wire("POST", "/v1/payments", JSON, &long))
                .await,
            "",
        );
    }
    let names: String = (0..3000).map(|n| format!("\"{MARK}{n}\":1,")).collect();
    let many = with(names.trim_end_matches(','));
    let said = yard
        .say(At::Api, &caller.wire("POST", "/v1/payments", JSON, &many))
        .await;
    yard.must(
        said.status == Some(400) && said.text().contains("unknown_field"),
        || format!("three thousand fields: {said:?}"),
    );
}

/// Every field of create and refund, with a value of every wrong type; unknown fields at every level.
async fn every_field(yard: &Yard, caller: &Caller, id: &str) {
    let refund = json!({ "refund_no": "hostile-1", "amount": 1, "reason": "tea" });
    let refunds = format!("/v1/payments/{id}/refunds");
    let texts: &[(&str, usize)] = &[
        ("description", 127),
        ("attach", 128),
        ("client_ip", 45),
        ("device_id", 32),
        ("detail", 6000),
        ("expires_at", 40),
    ];
    let names = ["order_no", "account", "payee", "terminal"];
    let mut cases: Vec<(String, Value, Value)> = Vec::new();
    let wrong = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(7),
        json!([]),
        json!({ "a": MARK }),
        json!([MARK]),
        json!(""),
        json!(format!("{MARK}\u{0}")),
        json!(format!("{MARK} \u{202e}")),
    ];
    let lawful = |field: &str, value: &Value| match field {
        "amount" => value == &json!(7),
        "hold" => value.is_boolean(),
        // Free text may be of any letters.
        "description" | "attach" | "device_id" | "reason" => {
            value.as_str().is_some_and(|t| t.contains('\u{202e}'))
        }
        _ => false,
    };
    for field in [
        "order_no",
        "channel",
        "pay_way",
        "amount",
        "currency",
        "description",
        "account",
        "payee",
        "attach",
        "payer",
        "client_ip",
        "device_id",
        "detail",
        "expires_at",
        "code",
        "terminal",
    ] {
        wrong
            .iter()
            .filter(|w| !lawful(field, w))
            .for_each(|w| cases.push((field.to_owned(), w.clone(), order(yard))));
    }
    for field in ["refund_no", "amount", "reason", "hold"] {
        wrong
            .iter()
            .filter(|w| !lawful(field, w))
            .for_each(|w| cases.push((field.to_owned(), w.clone(), refund.clone())));
    }
    texts.iter().for_each(|(field, most)| {
        cases.push((
            (*field).into(),
            json!(MARK.repeat(most / MARK.len() + 1)),
            order(yard),
        ))
    });
    names
        .iter()
        .for_each(|field| cases.push(((*field).into(), json!(MARK.repeat(10)), order(yard))));
    for amount in [
        json!(0),
        json!(9_007_199_254_740_992u64),
        json!(1e5),
        json!(100.0),
        json!("100"),
        json!(MARK),
    ] {
        cases.push(("amount".into(), amount, order(yard)));
    }
    for (field, value) in [
        ("client_ip", json!("300.1.1.1")),
        ("client_ip", json!(MARK)),
        ("expires_at", json!("2026-01-01")),
        ("expires_at", json!("2001-01-01T00:00:00Z")),
        ("expires_at", json!("2999-01-01T00:00:00Z")),
        ("currency", json!("USD")),
        ("detail", json!(MARK)),
        ("detail", json!(format!("[\"{MARK}\"]"))),
        ("detail", json!(format!("{{\"a\":\"{MARK}\",\"a\":2}}"))),
        ("channel", json!("jcb")),
    ] {
        cases.push((field.into(), value, order(yard)));
    }
    for (what, value, mut body) in cases {
        let target = if body.get("refund_no").is_some() {
            refunds.as_str()
        } else {
            "/v1/payments"
        };
        body[&what] = value;
        let said = yard
            .say(
                At::Api,
                &caller.wire("POST", target, JSON, body.to_string().as_bytes()),
            )
            .await;
        yard.refused(At::Api, &format!("{what} in {body}"), &said, &format!("`{what}"));
        yard.must(
            said.text().contains("invalid_field") || said.text().contains("unknown_field"),
            || format!("{what}: {said:?}"),
        );
    }
    // What our key would vouch for once it is cut out of the text that holds it.
    //= C80
    for (channel, pay_way, field, text) in [
        (
            "unionpay",
            "gateway",
            "return_url",
            "https://shop.example/?a&orderId=X9999999&reqReserved=z",
        ),
        ("baidu", "page", "description", "tea&order_no=1"),
        ("baidu", "wap", "attach", "tea&total_amount=1"),
        (
            "baidu",
            "page",
            "return_url",
            "https://shop.example/?x&input_charset=1&order_no=B2",
        ),
        (
            "unionpay",
            "gateway",
            "return_url",
            "https://shop.example/?x&currencyCode=840&encoding=UTF-8",
        ),
        (
            "alipay",
            "wap",
            "return_url",
            "https://shop.example/?x&return_url=https://elsewhere.example/",
        ),
        (
            "baidu",
            "page",
            "return_url",
            "https://shop.example/?a&pay_type=1",
        ),
        ("cmb", "gateway", "return_url", "https://shop.example/?a&b=1"),
        (
            "alipay",
            "page",
            "return_url",
            "https://shop.example/?a&sign_type=RSA",
        ),
    ] {
        let mut body = json!({ "order_no": yard.demo.next_number(), "channel": channel, "pay_way": pay_way, "amount": 1, "description": "tea" });
        body[field] = text.into();
        let sent = caller.wire("POST", "/v1/payments", JSON, body.to_string().as_bytes());
        let said = yard.say(At::Api, &sent).await;
        yard.refused(At::Api, text, &said, &format!("`{field}` must be"));
        yard.must(said.text().contains("C80"), || format!("{text}: {said:?}"));
    }
    for (payer, reason) in [
        (Value::Null, "`payer"),
        (json!({ "openid": format!("{MARK} {MARK}") }), "`payer"),
        (json!(MARK), "`payer` must be an object"),
    ] {
        let mut body = json!({ "order_no": MARK, "channel": "wechat", "pay_way": "jsapi", "amount": 1, "description": MARK });
        if !payer.is_null() {
            body["payer"] = payer;
        }
        yard.refused(
            At::Api,
            "a payer that is none",
            &yard
                .say(
                    At::Api,
                    &caller.wire("POST", "/v1/payments", JSON, body.to_string().as_bytes()),
                )
                .await,
            reason,
        );
    }
    // The answer names the path and never the value.
    for (field, value, path) in [
        ("tip", json!(MARK), "`tip`"),
        ("payer", json!({ "phone": MARK }), "`payer.phone`"),
        (
            "code",
            json!({ "kind": "dynamic", "level": "B", "colour": MARK }),
            "`code.colour`",
        ),
        ("13800138000", json!(MARK), "`?`"),
        ("__proto__", json!({ "a": MARK }), "`__proto__`"),
    ] {
        let mut body = order(yard);
        body[field] = value;
        yard.refused(
            At::Api,
            field,
            &yard
                .say(
                    At::Api,
                    &caller.wire("POST", "/v1/payments", JSON, body.to_string().as_bytes()),
                )
                .await,
            path,
        );
    }
}

/// A member of the goods detail that no list has, at each depth and in each way to pay that takes goods.
//= C21
async fn goods_detail(yard: &Yard, caller: &Caller) {
    // An open order is asked for meanwhile.
    let heard = async || {
        let all = yard.demo.channel_requests().await.expect("requests");
        let all = all["requests"].as_array().into_iter().flatten();
        all.filter(|request| request["operation"] == "create").count()
    };
    let (before, began) = (heard().await, Instant::from_millis(millis()));
    let v3 = r#"{"cost_price":1,"goods_detail":[{"merchant_goods_id":"g","goods_name":"tea","quantity":1,"unit_price":1}]}"#;
    let v2 =
        r#"{"cost_price":1,"goods_detail":[{"goods_id":"g","goods_name":"tea","quantity":1,"price":1}]}"#;
    let list = r#"[{"goods_id":"g","goods_name":"tea","quantity":1,"price":1},{"goods_id":"h","goods_name":"tea","quantity":1,"price":1}]"#;
    let scanned =
        |wallet: &str| json!({ "auth_code": yard.demo.next_code(wallet), "client_ip": "203.0.113.7" });
    let ways = [
        ("wechat", "native", v3, json!({})),
        (
            "wechat",
            "jsapi",
            v3,
            json!({ "payer": { "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o" } }),
        ),
        ("wechat", "micropay", v2, scanned("wechat")),
        ("wechat", "micropay", v3, scanned("wechat")),
        ("alipay", "qr", list, json!({})),
        (
            "alipay",
            "jsapi",
            list,
            json!({ "payer": { "buyer_id": "2088102146225135" } }),
        ),
        ("alipay", "micropay", list, scanned("alipay")),
    ];
    let mut spoilt = Vec::new();
    for (channel, pay_way, detail, more) in ways {
        for (at, _) in detail.match_indices('{') {
            let detail = format!("{}\"tip\":\"{MARK}\",{}", &detail[..=at], &detail[at + 1..]);
            let mut body = order(yard);
            let more = more.as_object().into_iter().flatten();
            more.for_each(|(name, value)| body[name] = value.clone());
            body["channel"] = channel.into();
            body["pay_way"] = pay_way.into();
            body["detail"] = detail.into();
            spoilt.push(("/v1/payments", body));
        }
    }
    let one = |n: u8| json!({ "order_no": format!("{}{n}", yard.demo.next_number()), "amount": 1, "description": "tea" });
    let group = json!({ "group_no": yard.demo.next_number(), "channel": "wechat", "pay_way": "native", "orders": [one(1), one(2)] });
    let (mut of_all, mut of_one) = (group.clone(), group);
    of_all["detail"] = v3.into();
    of_one["orders"][1]["detail"] = v3.into();
    spoilt.extend([of_all, of_one].map(|body| ("/v1/payments/combined", body)));
    let wanted = spoilt.len();
    for (target, body) in spoilt {
        let octets = caller.wire("POST", target, JSON, body.to_string().as_bytes());
        let said = yard.say(At::Api, &octets).await;
        yard.refused(At::Api, &format!("goods in {body}"), &said, "unknown_field");
        yard.must(said.text().contains("(C21)"), || format!("no clause: {said:?}"));
    }
    let after = heard().await;
    yard.must(before == after, || {
        format!("a channel heard of it: {before} orders sent, {after} now")
    });
    for _ in 0..400 {
        if on_record_since(yard, began) >= wanted {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let found = on_record_since(yard, began);
    yard.must(found == wanted, || {
        format!("{found} of {wanted} refusals are on record")
    });
}

/// How many fields that no list has the journal says were refused since then.
fn on_record_since(yard: &Yard, began: Instant) -> usize {
    let path = yard.dir.path().join("data/trades");
    let reader = Reader::open(Arc::new(RealDisk), &path).expect("a journal");
    let entries = reader.scan(0).map(|item| {
        let octets = item.expect("reads").1;
        TradeEntry::from_canonical(&octets).expect("an entry")
    });
    let of_fields = |entry: &TradeEntry| matches!(&entry.event, TradeEvent::GuardRefused { breach: Breach::Field, clause, .. } if clause.to_string() == "C21");
    entries
        .filter(|entry| entry.at > began && of_fields(entry))
        .count()
}

async fn headers_and_paths(yard: &Yard, caller: &Caller, id: &str) {
    let body = order(yard).to_string();
    for lines in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/json; charset=gbk\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
        "Content-Type: application/json;q=1\r\n",
        "Content-Type: application/json\r\nContent-Type: text/plain\r\n",
    ] {
        yard.refused(
            At::Api,
            lines,
            &yard
                .say(
                    At::Api,
                    &caller.wire("POST", "/v1/payments", lines, body.as_bytes()),
                )
                .await,
            "unsupported_media_type",
        );
    }
    let get = |target: &str| caller.wire("GET", target, "", b"");
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v1/payments/",
        "/v1//payments",
        "//v1/payments",
        "/v1/payments/..",
        "/v1/x/../payments",
        "/v1/%70ayments",
        "/v1/payments/%2e%2e",
        "/v1/payments;x=1",
        "/v1/payments/%00",
        "/v2/payments",
        "/V1/payments",
        "/metrics",
        "/checkpoint",
        &format!("/v1/payments/{MARK}"),
        &format!("/v1/payments/{id}/"),
        &format!("/v1/payments/{id}%2Freceipt"),
        &format!("/v1/payments/{}", id.to_uppercase()),
        &format!("/v1/payments/{id}/{MARK}"),
        &format!("/v1/payments/{id}/refunds/{}", MARK.repeat(10)),
    ] {
        yard.refused(At::Api, path, &yard.say(At::Api, &get(path)).await, "not_found");
    }
    for (target, reason) in [
        (format!("/v1/payments?{MARK}=1"), "unknown_field"),
        ("/v1/payments".into(), "order_no"),
        (format!("/v1/payments?order_no={MARK}&order_no={MARK}"), "twice"),
        (format!("/v1/payments?order_no=%4{MARK}%"), "escape"),
        (format!("/v1/payments?order_no=%ff{MARK}"), "escape"),
        (format!("/v1/payments?order_no={}", MARK.repeat(9)), "order_no"),
        (format!("/v1/payments/{id}?expand={MARK}"), "expand"),
        (
            format!("/v1/payments/{id}?limit=1"),
            "The query can have `expand`.",
        ),
        (format!("/v1/payments/{id}/purge?expand=payer"), "takes no query"),
        (format!("/v1/payments/{id}/receipt?index={MARK}"), "index"),
    ] {
        yard.refused(At::Api, &target, &yard.say(At::Api, &get(&target)).await, reason);
    }
    for (method, path, allow) in [
        ("DELETE", "/v1/payments".to_owned(), "GET, POST"),
        ("PUT", "/v1/codes".to_owned(), "GET, POST"),
        ("PUT", format!("/v1/payments/{id}"), "GET"),
        ("GET", format!("/v1/payments/{id}/close"), "POST"),
        ("PATCH", format!("/v1/payments/{id}/refunds"), "POST"),
        ("TRACE", format!("/v1/payments/{id}/receipt"), "GET"),
    ] {
        let said = yard.say(At::Api, &caller.wire(method, &path, "", b"")).await;
        yard.refused(At::Api, method, &said, "method_not_allowed");
        yard.must(said.header("allow") == Some(allow), || {
            format!("{method} {path}: Allow is {:?}", said.header("allow"))
        });
    }
    let query = caller.wire("POST", &format!("/v1/payments?{MARK}"), JSON, body.as_bytes());
    yard.refused(
        At::Api,
        "a query on create",
        &yard.say(At::Api, &query).await,
        "no query",
    );
    let close = caller.wire(
        "POST",
        &format!("/v1/payments/{id}/close"),
        JSON,
        format!("{{\"a\":\"{MARK}\"}}").as_bytes(),
    );
    yard.refused(
        At::Api,
        "a body on close",
        &yard.say(At::Api, &close).await,
        "no body",
    );
}

async fn signatures(yard: &Yard, caller: &Caller) {
    let target = "/v1/payments";
    let body = order(yard).to_string().into_bytes();
    let good = |body: &[u8]| caller.header("POST", target, now(), &fresh(), body);
    let say = async |authorization: &str, body: &[u8]| -> Said {
        yard.say(At::Api, &wire("POST", target, authorization, JSON, body))
            .await
    };
    let none = [
        format!(
            "POST {target} HTTP/1.1\r\nHost: x\r\n{JSON}Content-Length: {}\r\n\r\n",
            body.len()
        )
        .as_bytes(),
        &body,
    ]
    .concat();
    yard.refused(
        At::Api,
        "no signature",
        &yard.say(At::Api, &none).await,
        "missing_signature",
    );
    let header = good(&body);
    let part = |name: &str, value: &str| {
        let parts: Vec<String> = header
            .split(',')
            .map(|p| {
                if p.contains(&format!("{name}=\"")) {
                    format!(
                        "{}{name}=\"{value}\"",
                        if p.contains(' ') {
                            format!("{} ", caller.scheme)
                        } else {
                            String::new()
                        }
                    )
                } else {
                    p.to_owned()
                }
            })
            .collect();
        parts.join(",")
    };
    for (what, authorization) in [
        ("another scheme", format!("Bearer {MARK}")),
        ("no parameters", caller.scheme.clone()),
        (
            "WeChat's scheme",
            header.replace(&caller.scheme, "WECHATPAY2-SHA256-RSA2048"),
        ),
        ("a parameter too many", format!("{header},{MARK}=\"{MARK}\"")),
        ("a parameter twice", format!("{header},mchid=\"{}\"", caller.id)),
        ("no quotes", header.replace('"', "")),
        (
            "a signature that is no base64",
            part("signature", MARK.get(..5).unwrap_or_default()),
        ),
        ("no lawful merchant", part("mchid", &format!("{MARK} x"))),
        ("a short nonce", part("nonce_str", "abc")),
        (
            "a nonce of odd letters",
            part("nonce_str", &format!("{MARK}/../")),
        ),
        ("a time that is none", part("timestamp", MARK)),
        ("a long time", part("timestamp", "99999999999999999999")),
        (
            "a serial with a path in it",
            part("serial_no", &format!("../{MARK}")),
        ),
        (
            "an endless one",
            format!("{header}{}", format!(",{MARK}=\"1\"").repeat(2000)),
        ),
    ] {
        yard.refused(
            At::Api,
            what,
            &say(&authorization, &body).await,
            "missing_signature",
        );
    }
    let twice = [format!("POST {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {header}\r\nAuthorization: {}\r\n{JSON}Content-Length: {}\r\n\r\n", good(&body), body.len()).as_bytes(), &body].concat();
    yard.refused(
        At::Api,
        "two signatures",
        &yard.say(At::Api, &twice).await,
        "missing_signature",
    );
    let stranger = Caller::of(yard, 1);
    let foreign = Caller {
        id: caller.id.clone(),
        ..Caller::of(yard, 1)
    };
    let posing = Caller {
        id: stranger.id.clone(),
        ..Caller::of(yard, 0)
    };
    let of = |caller: &Caller| caller.header("POST", target, now(), &fresh(), &body);
    for (what, authorization) in [
        ("an unknown merchant", part("mchid", "m9999")),
        ("an unknown serial", part("serial_no", MARK)),
        ("another merchant's key", of(&foreign)),
        ("another merchant's name", of(&posing)),
        (
            "the other scheme's name",
            header.replace("GUANDAO-ED25519", "GUANDAO-SHA256-RSA2048"),
        ),
    ] {
        yard.refused(At::Api, what, &say(&authorization, &body).await, "unknown_key");
    }
    let other = order(yard).to_string().into_bytes();
    let forged = STANDARD.encode([7; 64]);
    for (what, authorization) in [
        ("another body", good(&other)),
        (
            "another target",
            caller.header("POST", "/v1/payments/", now(), &fresh(), &body),
        ),
        (
            "another method",
            caller.header("PUT", target, now(), &fresh(), &body),
        ),
        ("a signature of nobody", part("signature", &forged)),
        ("half a signature", part("signature", "AAAA")),
        ("no signature in quotes", part("signature", "")),
        ("another nonce", part("nonce_str", &fresh())),
    ] {
        yard.refused(
            At::Api,
            what,
            &say(&authorization, &body).await,
            "wrong_signature",
        );
    }
    for off in [-302, 302, -86_400, 86_400, -now() - 100, 99_999_999_999 - now()] {
        let authorization = caller.header("POST", target, now() + off, &fresh(), &body);
        yard.refused(
            At::Api,
            "a clock that is wrong",
            &say(&authorization, &body).await,
            "stale_timestamp",
        );
    }
}

/// Another merchant's order looks the same as none, octet for octet.
async fn others_orders(yard: &Yard, stranger: &sandbox::demo::merchant::Merchant, placed: &Value) {
    let (id, none) = (
        placed["id"].as_str().unwrap_or_default(),
        "00112233445566778899aabbccddeeff",
    );
    let refund = json!({ "refund_no": "r-1", "amount": 1 });
    let asks: [(&str, &str, Option<&Value>); 10] = [
        ("GET", "", None),
        ("GET", "?expand=payer", None),
        ("GET", "/receipt", None),
        ("GET", "/purge", None),
        ("GET", "/notifications", None),
        ("GET", "/refunds/r-1", None),
        ("POST", "/close", None),
        ("POST", "/refunds", Some(&refund)),
        ("POST", "/refunds/r-1/release", None),
        ("POST", "/notifications/1/resend", None),
    ];
    let ask = async |method: &str, target: &str, body: Option<&Value>| -> (u16, Value) {
        let answer = stranger
            .ask(method, target, body)
            .await
            .unwrap_or_else(|e| panic!("{method} {target}: {e:#}"));
        let mut value = answer.json();
        value.as_object_mut().map(|o| o.remove("request_id"));
        (answer.status, value)
    };
    for (method, rest, body) in asks {
        let others = ask(method, &format!("/v1/payments/{id}{rest}"), body).await;
        let nobodys = ask(method, &format!("/v1/payments/{none}{rest}"), body).await;
        yard.must(others.0 == 404 && others == nobodys, || {
            format!("{method} {rest}: {others:?} of another merchant, {nobodys:?} of nobody")
        });
    }
    let others = ask(
        "GET",
        &format!(
            "/v1/payments?order_no={}",
            placed["order_no"].as_str().unwrap_or_default()
        ),
        None,
    )
    .await;
    yard.must(
        others == ask("GET", "/v1/payments?order_no=nobodys", None).await,
        || format!("found by its number: {others:?}"),
    );
}

/// The same octets again: refused, and nothing happens a second time.
async fn replays(yard: &Yard, caller: &Caller) {
    let create = caller.wire("POST", "/v1/payments", JSON, order(yard).to_string().as_bytes());
    let first = yard.say(At::Api, &create).await;
    yard.must(first.status == Some(201), || {
        format!("the first is placed: {first:?}")
    });
    let orders = yard.orders().await;
    for _ in 0..3 {
        yard.refused(
            At::Api,
            "a replayed create",
            &yard.say(At::Api, &create).await,
            "replayed_nonce",
        );
    }
    let id = serde_json::from_slice::<Value>(&first.body).unwrap_or_default()["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let read = caller.wire("GET", &format!("/v1/payments/{id}"), "", b"");
    yard.must(yard.say(At::Api, &read).await.status == Some(200), || {
        "the order is read".into()
    });
    yard.refused(
        At::Api,
        "a replayed read",
        &yard.say(At::Api, &read).await,
        "replayed_nonce",
    );
    let again = yard.orders().await;
    yard.must(orders == again, || {
        format!("a replay had an effect: {orders:?} {again:?}")
    });
    // The nonce counts for any request, not for the same one only.
    let nonce = fresh();
    let target = format!("/v1/payments/{id}");
    let sign = |target: &str| {
        wire(
            "GET",
            target,
            &caller.header("GET", target, now(), &nonce, b""),
            "",
            b"",
        )
    };
    yard.must(
        yard.say(At::Api, &sign(&target)).await.status == Some(200),
        || "a fresh nonce".into(),
    );
    yard.refused(
        At::Api,
        "another request with the same nonce",
        &yard.say(At::Api, &sign(&format!("{target}/receipt"))).await,
        "replayed_nonce",
    );
    // A start forgets nonces. What was signed before it is answered from the record, or not at all.
    let unseen = caller.wire("POST", "/v1/payments", JSON, order(yard).to_string().as_bytes());
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    yard.demo.services.stop_proxy().await.expect("stops");
    yard.demo
        .services
        .restart_proxy(&yard.demo.place, &[])
        .await
        .expect("starts");
    yard.demo.ready().await.expect("ready");
    let orders = yard.orders().await;
    let replayed = yard.say(At::Api, &create).await;
    yard.must(
        replayed.status == Some(200) && replayed.text().contains(&id),
        || format!("a create replayed after a start: {replayed:?}"),
    );
    yard.refused(
        At::Api,
        "a create from before the start",
        &yard.say(At::Api, &unseen).await,
        "stale_timestamp",
    );
    let again = yard.orders().await;
    yard.must(orders == again, || {
        format!("a replay after a start had an effect: {orders:?} {again:?}")
    });
}
