//! Pass-through: native requests with one thing wrong, in each channel's language; and nothing goes on to a channel.

use super::{
    MARK, Yard,
    api::{fresh, keys_of, now, own},
    wire::{At, Said},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use certs::Keys;
use sandbox::material::{AlipayAccount, WechatAccount};
use serde_json::{Value, json};

struct Wechat {
    account: WechatAccount,
    keys: Keys,
}

impl Wechat {
    fn of(yard: &Yard, n: usize) -> Wechat {
        let account = yard.demo.place.merchants[n].accounts.wechat.clone();
        Wechat {
            keys: keys_of(&yard.demo.place.material.dir.join(&account.key_file)),
            account,
        }
    }

    fn authorization(&self, method: &str, target: &str, at: i64, body: &[u8]) -> String {
        let nonce = fresh();
        let message = [
            format!("{method}\n{target}\n{at}\n{nonce}\n").as_bytes(),
            body,
            b"\n",
        ]
        .concat();
        let signature = STANDARD.encode(self.keys.sign(&own(), &message).expect("signs"));
        format!(
            "WECHATPAY2-SHA256-RSA2048 mchid=\"{}\",nonce_str=\"{nonce}\",signature=\"{signature}\",timestamp=\"{at}\",serial_no=\"{}\"",
            self.account.mchid, self.account.serial
        )
    }

    fn wire(&self, method: &str, target: &str, kind: &str, body: &[u8]) -> Vec<u8> {
        wire(
            method,
            target,
            &format!(
                "Authorization: {}\r\n{kind}",
                self.authorization(method, target, now(), body)
            ),
            body,
        )
    }

    fn order(&self, yard: &Yard) -> Value {
        json!({ "appid": self.account.appid, "mchid": self.account.mchid, "description": "tea", "out_trade_no": yard.demo.next_number(), "notify_url": "https://m.example/n", "amount": { "total": 100, "currency": "CNY" } })
    }
}

fn wire(method: &str, target: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n{lines}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

const JSON: &str = "Content-Type: application/json\r\n";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded;charset=utf-8\r\n";
const CREATE: &str = "/v3/pay/transactions/native";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn native_requests_and_notices() {
    let yard = Yard::open().await;
    let before = yard.orders().await;
    wechat_bodies(&yard).await;
    wechat_signatures(&yard).await;
    alipay_forms(&yard).await;
    alipay_content(&yard).await;
    super::notices::all(&yard).await;
    let after = yard.orders().await;
    yard.must(before == after, || {
        format!("a channel heard of a hostile request: {before:?} {after:?}")
    });
    replayed_natives(&yard).await;
    smuggled_headers(&yard).await;
    yard.close().await;
}

async fn wechat_bodies(yard: &Yard) {
    let shop = Wechat::of(yard, 0);
    let good = shop.order(yard);
    let text = good.to_string();
    let say = async |target: &str, kind: &str, body: &[u8]| -> Said {
        yard.say(At::Wechat, &shop.wire("POST", target, kind, body)).await
    };
    let with = |more: &str| format!("{{{more},{}", &text[1..]).into_bytes();
    let raw: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "a byte order mark",
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            "byte order mark",
        ),
        (
            "no UTF-8",
            [b"{\"attach\":\"\xff", MARK.as_bytes(), b"\"}"].concat(),
            "UTF-8",
        ),
        ("a name twice", with("\"mchid\":\"1\""), "stands twice"),
        (
            "a name twice, deep",
            text.replace("\"total\":100", "\"total\":100,\"total\":1").into(),
            "stands twice",
        ),
        (
            "a lone surrogate",
            with(&format!("\"attach\":\"{MARK}\\udead\"")),
            "surrogate",
        ),
        (
            "deep",
            [b"{\"detail\":".as_slice(), &b"[".repeat(1000), MARK.as_bytes()].concat(),
            "32",
        ),
        ("NaN", with("\"support_fapiao\":NaN"), "not JSON"),
        ("a list", format!("[{text}]").into(), "an object"),
        ("nothing", Vec::new(), "not JSON"),
        (
            "something behind it",
            format!("{text}{MARK}").into(),
            "after the end",
        ),
    ];
    for (what, body, reason) in raw {
        yard.refused(At::Wechat, what, &say(CREATE, JSON, &body).await, reason);
    }
    for total in [
        "0",
        "-1",
        "1.5",
        "1e2",
        "100.0",
        "\"100\"",
        "null",
        "true",
        "[]",
        "9007199254740992",
        "18446744073709551616",
    ] {
        yard.refused(
            At::Wechat,
            total,
            &say(
                CREATE,
                JSON,
                text.replace("\"total\":100", &format!("\"total\":{total}"))
                    .as_bytes(),
            )
            .await,
            "amount.total",
        );
    }
    let marked = json!(MARK);
    for (path, value, code) in [
        ("tip", json!(MARK), "NO_AUTH"),
        ("amount.discount", json!(1), "NO_AUTH"),
        ("detail.goods_detail", json!([{ "tip": MARK }]), "NO_AUTH"),
        ("scene_info.h5_info", json!({ "type": MARK }), "NO_AUTH"),
        ("settle_info.profit_sharing", json!(true), "PARAM_ERROR"),
        ("description", json!(1), "PARAM_ERROR"),
        ("description", json!(null), "PARAM_ERROR"),
        ("attach", json!([MARK]), "PARAM_ERROR"),
        ("time_expire", json!(MARK), "PARAM_ERROR"),
        ("amount.currency", json!("USD"), "PARAM_ERROR"),
        ("amount", marked.clone(), "PARAM_ERROR"),
        ("out_trade_no", json!("a b"), "PARAM_ERROR"),
        ("out_trade_no", json!(7), "PARAM_ERROR"),
        ("mchid", json!("1900000199"), "PARAM_ERROR"),
        ("mchid", marked.clone(), "PARAM_ERROR"),
        //= C93
        ("appid", json!("wx1111111111111111"), "NO_AUTH"),
        (
            "appid",
            json!(format!("{}\u{200b}", shop.account.appid)),
            "PARAM_ERROR",
        ),
        ("mchid", json!(format!("{} ", shop.account.mchid)), "PARAM_ERROR"),
        ("goods_tag", json!("a\u{0}b"), "PARAM_ERROR"),
        ("notify_url", json!("https://m.example/n\n"), "PARAM_ERROR"),
        ("notify_url", json!({}), "PARAM_ERROR"),
        ("support_fapiao", marked.clone(), "PARAM_ERROR"),
        ("detail.goods_detail", marked.clone(), "PARAM_ERROR"),
        ("scene_info", marked, "PARAM_ERROR"),
    ] {
        let mut body = good.clone();
        match path.split_once('.') {
            Some((outer, inner)) if body[outer].is_object() => body[outer][inner] = value,
            Some((outer, inner)) => body[outer] = json!({ inner: value }),
            None => body[path] = value,
        }
        let said = say(CREATE, JSON, body.to_string().as_bytes()).await;
        yard.refused(At::Wechat, &body.to_string(), &said, code);
        // A member of a list by the list's name; an unlawful name in it is hidden from the path by being MARK's only.
        yard.must(
            said.text().contains(path.split('.').next_back().unwrap_or(path)),
            || format!("{path} is not named in {said:?}"),
        );
    }
    for kind in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/json; charset=gbk\r\n",
        "Content-Type: application/json\r\nContent-Type: text/plain\r\n",
    ] {
        yard.refused(
            At::Wechat,
            kind,
            &say(CREATE, kind, text.as_bytes()).await,
            "content-type",
        );
    }
    for (target, code) in [
        (format!("{CREATE}?tip={MARK}"), "NO_AUTH"),
        (format!("{CREATE}?a"), "PARAM_ERROR"),
        (format!("{CREATE}?"), "PARAM_ERROR"),
        (format!("{CREATE}?a=%zz"), "PARAM_ERROR"),
        (format!("{CREATE}?a=1&a=2"), "PARAM_ERROR"),
    ] {
        yard.refused(
            At::Wechat,
            &target,
            &say(&target, JSON, text.as_bytes()).await,
            code,
        );
    }
    let refund = json!({ "out_trade_no": yard.demo.next_number(), "out_refund_no": "r1", "amount": { "refund": 1, "total": 1, "currency": "CNY" } });
    for (field, value) in [
        ("amount", json!({ "refund": "1", "total": 1 })),
        ("amount", json!({ "refund": 1, "total": 1, "from": [] })),
        ("funds_account", json!("UNSETTLED")),
        ("transaction_id", json!("4200001234")),
        ("out_refund_no", json!({})),
        (MARK, json!(1)),
    ] {
        let mut body = refund.clone();
        body[field] = value;
        let said = say("/v3/refund/domestic/refunds", JSON, body.to_string().as_bytes()).await;
        let named = field != MARK;
        if named {
            yard.refused(At::Wechat, field, &said, field);
        } else {
            yard.must(said.status == Some(403), || {
                format!("an unknown field of a refund: {said:?}")
            });
        }
    }
    yard.refused(
        At::Wechat,
        "a refund of nobody's order",
        &say("/v3/refund/domestic/refunds", JSON, refund.to_string().as_bytes()).await,
        "NO_AUTH",
    );
}

async fn wechat_signatures(yard: &Yard) {
    let (shop, other) = (Wechat::of(yard, 0), Wechat::of(yard, 1));
    let body = shop.order(yard).to_string().into_bytes();
    let good = shop.authorization("POST", CREATE, now(), &body);
    let serial = &shop.account.serial;
    let foreign = other
        .authorization("POST", CREATE, now(), &body)
        .replace(&other.account.mchid, &shop.account.mchid)
        .replace(&other.account.serial, serial);
    let cases = [
        ("none", String::new()),
        ("another scheme", format!("Bearer {MARK}")),
        (
            "our own scheme",
            good.replace("WECHATPAY2-SHA256-RSA2048", "GUANDAO-SHA256-RSA2048"),
        ),
        (
            "SM2",
            good.replace("WECHATPAY2-SHA256-RSA2048", "WECHATPAY2-SM2-WITH-SM3"),
        ),
        (
            "a parameter twice",
            format!("{good},mchid=\"{}\"", shop.account.mchid),
        ),
        ("a parameter too many", format!("{good},{MARK}=\"1\"")),
        ("another serial", good.replace(serial, MARK)),
        (
            "a path in the serial",
            good.replace(serial, &format!("../../{MARK}")),
        ),
        ("another body", shop.authorization("POST", CREATE, now(), b"{}")),
        (
            "another target",
            shop.authorization("POST", "/v3/pay/transactions/jsapi", now(), &body),
        ),
        ("another method", shop.authorization("GET", CREATE, now(), &body)),
        ("another account's key", foreign),
        ("too old", shop.authorization("POST", CREATE, now() - 302, &body)),
        (
            "of the future",
            shop.authorization("POST", CREATE, now() + 360, &body),
        ),
        ("no base64", good.replace("signature=\"", "signature=\"*")),
    ];
    for (what, authorization) in cases {
        let lines = if authorization.is_empty() {
            JSON.to_owned()
        } else {
            format!("Authorization: {authorization}\r\n{JSON}")
        };
        let said = yard.say(At::Wechat, &wire("POST", CREATE, &lines, &body)).await;
        yard.refused(At::Wechat, what, &said, "SIGN_ERROR");
        yard.must(said.status == Some(401), || format!("{what}: {said:?}"));
    }
    let mut unknown = shop.order(yard);
    unknown["mchid"] = json!("1999999998");
    let unknown = unknown.to_string().into_bytes();
    let authorization = shop
        .authorization("POST", CREATE, now(), &unknown)
        .replace(&shop.account.mchid, "1999999998");
    yard.refused(
        At::Wechat,
        "an unknown account",
        &yard
            .say(
                At::Wechat,
                &wire(
                    "POST",
                    CREATE,
                    &format!("Authorization: {authorization}\r\n{JSON}"),
                    &unknown,
                ),
            )
            .await,
        "SIGN_ERROR",
    );
    let twice = format!(
        "Authorization: {good}\r\nAuthorization: {}\r\n{JSON}",
        shop.authorization("POST", CREATE, now(), &body)
    );
    yard.refused(
        At::Wechat,
        "two signatures",
        &yard.say(At::Wechat, &wire("POST", CREATE, &twice, &body)).await,
        "twice",
    );
    // A good signature of one account over an order of another.
    let theirs = other.order(yard).to_string().into_bytes();
    yard.refused(
        At::Wechat,
        "another's order",
        &yard
            .say(At::Wechat, &shop.wire("POST", CREATE, JSON, &theirs))
            .await,
        "mchid",
    );
}

struct Alipay {
    account: AlipayAccount,
    keys: Keys,
}

type Pairs = Vec<(String, String)>;

impl Alipay {
    fn of(yard: &Yard, n: usize) -> Alipay {
        let account = yard.demo.place.merchants[n].accounts.alipay.clone();
        Alipay {
            keys: keys_of(&yard.demo.place.material.dir.join(&account.private_key_file)),
            account,
        }
    }

    fn pairs(&self, method: &str, content: &str) -> Pairs {
        let time = china(now());
        [
            ("app_id", self.account.app_id.as_str()),
            ("method", method),
            ("format", "JSON"),
            ("charset", "utf-8"),
            ("sign_type", "RSA2"),
            ("timestamp", &time),
            ("version", "1.0"),
            ("notify_url", "https://m.example/n"),
            ("biz_content", content),
        ]
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .into()
    }

    /// Signs whatever stands there.
    fn signed(&self, mut pairs: Pairs) -> Pairs {
        let mut sorted: Vec<String> = pairs
            .iter()
            .filter(|(n, v)| n != "sign" && !v.is_empty())
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        sorted.sort();
        let signature = self
            .keys
            .sign(&own(), sorted.join("&").as_bytes())
            .expect("signs");
        pairs.push(("sign".into(), STANDARD.encode(signature)));
        pairs
    }

    fn order(&self, yard: &Yard) -> Value {
        json!({ "out_trade_no": yard.demo.next_number(), "total_amount": "0.88", "subject": "tea" })
    }
}

/// `2026-01-01 08:00:00` in China, where our instants are written too.
fn china(seconds: i64) -> String {
    domain::Instant::from_secs(seconds)
        .to_string()
        .chars()
        .take(19)
        .collect::<String>()
        .replace('T', " ")
}

fn form(pairs: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

async fn alipay_forms(yard: &Yard) {
    let (shop, other) = (Alipay::of(yard, 0), Alipay::of(yard, 1));
    let method = "alipay.trade.precreate";
    let content = shop.order(yard).to_string();
    let good = shop.signed(shop.pairs(method, &content));
    let text = form(&good);
    let post = async |target: &str, kind: &str, body: &[u8]| -> Said {
        yard.say(At::Alipay, &wire("POST", target, kind, body)).await
    };
    let raw: Vec<(&str, String, &str)> = vec![
        ("a name twice", format!("{text}&method={method}"), "twice"),
        (
            "a name twice, once empty",
            format!("app_auth_token=&app_auth_token={MARK}&{text}"),
            "twice",
        ),
        (
            "a bad escape",
            format!("{text}&app_auth_token={MARK}%zz"),
            "escape",
        ),
        (
            "half an escape",
            format!("{text}&app_auth_token={MARK}%4"),
            "escape",
        ),
        ("raw Chinese", format!("{text}&app_auth_token={MARK}茶"), "escape"),
        ("no UTF-8", format!("{text}&app_auth_token={MARK}%ff%fe"), "UTF-8"),
        ("no pair", format!("{text}&{MARK}"), "name=value"),
        ("an escaped name", format!("{text}&%6dethod={MARK}"), "name=value"),
        ("an empty pair", format!("{text}&&"), "name=value"),
        (
            "a hundred and fifty pairs",
            (0..150)
                .map(|n| format!("a{n}={MARK}"))
                .collect::<Vec<_>>()
                .join("&"),
            "name=value",
        ),
        ("an empty body", String::new(), "method is missing"),
        ("JSON", content.clone(), "name=value"),
    ];
    for (what, body, reason) in raw {
        yard.refused(
            At::Alipay,
            what,
            &post("/gateway.do", FORM, body.as_bytes()).await,
            reason,
        );
    }
    let split = format!("/gateway.do?method={method}");
    yard.refused(
        At::Alipay,
        "in query and body",
        &post(&split, FORM, text.as_bytes()).await,
        "twice",
    );
    for kind in [
        "Content-Type: application/json\r\n",
        "Content-Type: application/x-www-form-urlencoded; charset=gbk\r\n",
        "Content-Type: multipart/form-data; boundary=x\r\n",
        "",
    ] {
        yard.refused(
            At::Alipay,
            kind,
            &post("/gateway.do", kind, text.as_bytes()).await,
            "content-type",
        );
    }
    // Well signed, and yet not taken.
    let with = |name: &str, value: &str| {
        let mut pairs: Pairs = shop
            .pairs(method, &content)
            .into_iter()
            .filter(|(n, _)| n != name)
            .collect();
        pairs.push((name.into(), value.into()));
        shop.signed(pairs)
    };
    let old = china(now() - 302);
    for (name, value, code) in [
        ("sign_type", "RSA", "isv.invalid-signature"),
        ("sign_type", "rsa2", "isv.invalid-signature"),
        ("sign_type", "MD5", "isv.invalid-signature"),
        ("sign_type", "", "isv.invalid-signature"),
        ("charset", "gbk", "charset"),
        ("charset", "", "charset"),
        ("version", "2.0", "version"),
        ("format", "xml", "format"),
        (
            "method",
            "alipay.fund.trans.uni.transfer",
            "isv.insufficient-isv-permissions",
        ),
        (
            "method",
            "alipay.trade.royalty.relation.bind",
            "isv.insufficient-isv-permissions",
        ),
        ("method", MARK, "isv.insufficient-isv-permissions"),
        ("method", "", "method is missing"),
        ("encrypt_type", "AES", "encrypt_type"),
        ("return_url", "https://x.example", "return_url"),
        ("ws_service_url", "https://x.example", "ws_service_url"),
        ("app_id", "", "app_id"),
        ("app_id", &format!("{MARK} "), "app_id"),
        ("app_id", "2021999999999999", "isv.invalid-signature"),
        ("timestamp", MARK, "isv.invalid-signature"),
        ("timestamp", "", "isv.invalid-signature"),
        ("timestamp", &old, "isv.invalid-signature"),
        ("timestamp", "2026-13-41 25:61:61", "isv.invalid-signature"),
        ("biz_content", "", "biz_content"),
        ("biz_content", MARK, "biz_content"),
        ("biz_content", "[]", "biz_content"),
    ] {
        let said = post("/gateway.do", FORM, form(&with(name, value)).as_bytes()).await;
        yard.refused(At::Alipay, &format!("{name}={value}"), &said, code);
    }
    let wrong = |pairs: Pairs| form(&pairs);
    let mut altered = good.clone();
    altered
        .iter_mut()
        .filter(|(n, _)| n == "notify_url")
        .for_each(|(_, v)| *v = format!("https://{MARK}.example"));
    let mut unsigned = good.clone();
    unsigned.retain(|(n, _)| n != "sign");
    let mut garbled = good.clone();
    garbled
        .iter_mut()
        .filter(|(n, _)| n == "sign")
        .for_each(|(_, v)| *v = format!("*{MARK}"));
    for (what, body) in [
        ("altered", wrong(altered)),
        ("unsigned", wrong(unsigned)),
        ("garbled", wrong(garbled)),
        ("another's key", wrong(other.signed(shop.pairs(method, &content)))),
    ] {
        yard.refused(
            At::Alipay,
            what,
            &post("/gateway.do", FORM, body.as_bytes()).await,
            "isv.invalid-signature",
        );
    }
}

async fn alipay_content(yard: &Yard) {
    let shop = Alipay::of(yard, 0);
    let say = async |method: &str, content: &str| -> Said {
        yard.say(
            At::Alipay,
            &wire(
                "POST",
                "/gateway.do",
                FORM,
                form(&shop.signed(shop.pairs(method, content))).as_bytes(),
            ),
        )
        .await
    };
    let good = shop.order(yard);
    let text = good.to_string();
    for (what, content) in [
        (
            "a name twice",
            text.replace("\"subject\"", "\"total_amount\":\"9\",\"subject\""),
        ),
        ("a lone surrogate", text.replace("tea", "\\ud800")),
        ("deep", format!("{{\"goods_detail\":{}", "[".repeat(1000))),
        ("a byte order mark", format!("\u{feff}{text}")),
        ("something behind it", format!("{text}{MARK}")),
        ("NaN", text.replace("\"0.88\"", "NaN")),
    ] {
        yard.refused(
            At::Alipay,
            what,
            &say("alipay.trade.precreate", &content).await,
            "biz_content",
        );
    }
    for amount in [
        json!("0"),
        json!("0.00"),
        json!("-1"),
        json!("1.234"),
        json!("1e2"),
        json!(1e30),
        json!("90071992547409.93"),
        json!(null),
        json!([]),
        json!(MARK),
        json!(" 1"),
        json!("+1"),
        json!("1,0"),
    ] {
        let mut body = good.clone();
        body["total_amount"] = amount;
        yard.refused(
            At::Alipay,
            &body.to_string(),
            &say("alipay.trade.precreate", &body.to_string()).await,
            "total_amount",
        );
    }
    for (field, value) in [
        ("seller_id", json!("")),
        ("seller_id", json!(format!("{}\u{feff}", shop.account.seller_id))),
        ("royalty_info", json!({ "royalty_detail_infos": [] })),
        ("settle_info", json!({})),
        ("sub_merchant", json!({ "merchant_id": MARK })),
        ("auth_code", json!("28763443825664394")),
        ("tip", json!(MARK)),
        ("extend_params", json!({ "tip": MARK })),
        ("goods_detail", json!([{ "tip": MARK }])),
        ("goods_detail", json!(MARK)),
        ("subject", json!(7)),
        ("subject", json!("")),
        ("out_trade_no", json!(7)),
        ("out_trade_no", json!("a b c")),
        ("seller_id", json!([MARK])),
        ("time_expire", json!(MARK)),
        ("timeout_express", json!(MARK)),
        ("timeout_express", json!("999999999d")),
        ("product_code", json!(MARK)),
        ("query_options", json!([1])),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let said = say("alipay.trade.precreate", &body.to_string()).await;
        yard.refused(At::Alipay, &body.to_string(), &said, field);
    }
    let foreign = json!({ "out_trade_no": yard.demo.next_number(), "total_amount": "0.88", "subject": "tea", "seller_id": "2088000000000009" });
    yard.refused(
        At::Alipay,
        "another payee",
        &say("alipay.trade.precreate", &foreign.to_string()).await,
        "error_response",
    );
    let refund =
        json!({ "out_trade_no": yard.demo.next_number(), "refund_amount": "0.10", "out_request_no": "r1" });
    yard.refused(
        At::Alipay,
        "a refund of nobody's order",
        &say("alipay.trade.refund", &refund.to_string()).await,
        "40006",
    );
    for (field, value) in [
        ("refund_amount", json!("0")),
        ("refund_royalty_parameters", json!([])),
        ("refund_currency", json!("USD")),
        ("tip", json!(MARK)),
    ] {
        let mut body = refund.clone();
        body[field] = value;
        yard.refused(
            At::Alipay,
            field,
            &say("alipay.trade.refund", &body.to_string()).await,
            field,
        );
    }
}

/// The same native octets twice: WeChat's nonce tells it; Alipay has none, and there the channel is idempotent by its
/// number, as are we: the same answer and one order.
async fn replayed_natives(yard: &Yard) {
    let shop = Wechat::of(yard, 0);
    let sdk = format!("{JSON}Accept: application/json\r\nUser-Agent: sdk\r\n");
    let create = shop.wire("POST", CREATE, &sdk, shop.order(yard).to_string().as_bytes());
    let first = yard.say(At::Wechat, &create).await;
    yard.must(
        first.status == Some(200) && first.text().contains("code_url"),
        || format!("placed: {first:?}"),
    );
    yard.refused(
        At::Wechat,
        "a replayed create",
        &yard.say(At::Wechat, &create).await,
        "nonce was used before",
    );
    let shop = Alipay::of(yard, 0);
    let create = wire(
        "POST",
        "/gateway.do",
        FORM,
        form(&shop.signed(shop.pairs("alipay.trade.precreate", &shop.order(yard).to_string()))).as_bytes(),
    );
    let first = yard.say(At::Alipay, &create).await;
    yard.must(
        first.status == Some(200) && first.text().contains("qr_code"),
        || format!("placed: {first:?}"),
    );
    let orders = yard.orders().await;
    let again = yard.say(At::Alipay, &create).await;
    yard.must(again.status == Some(200), || format!("again: {again:?}"));
    let after = yard.orders().await;
    let number = |line: &String| line.split(' ').next().map(str::to_owned);
    yard.must(orders.iter().map(number).eq(after.iter().map(number)), || {
        format!("a replay placed an order: {orders:?} {after:?}")
    });
}

/// Headers that somebody behind us might take for a payee, a path or a host: the order is carried, and they are not.
async fn smuggled_headers(yard: &Yard) {
    let shop = Wechat::of(yard, 0);
    let smuggled = format!(
        "{JSON}Accept: application/json\r\nUser-Agent: sdk\r\nsub_mchid: {MARK}\r\nWechatpay-Sub-Mchid: {MARK}\r\nX-Original-URL: /v3/profitsharing/orders\r\nX-Rewrite-URL: /v3/transfer/batches\r\nX-Forwarded-Host: {MARK}.example\r\nForwarded: host={MARK}.example\r\nCookie: mchid={MARK}\r\nConnection: keep-alive, content-type\r\nTE: trailers\r\n"
    );
    let create = shop.wire("POST", CREATE, &smuggled, shop.order(yard).to_string().as_bytes());
    let said = yard.say(At::Wechat, &create).await;
    yard.must(
        said.status == Some(200) && said.text().contains("code_url"),
        || format!("smuggled headers: {said:?}"),
    );
    let heard = yard
        .demo
        .control_get("/control/requests?channel=wechat&operation=create&last=1")
        .await
        .expect("requests");
    const CARRIED: [&str; 8] = [
        "accept",
        "accept-language",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "wechatpay-serial",
    ];
    let names: Vec<String> = heard["requests"][0]["headers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|header| header[0].as_str().unwrap_or_default().to_owned())
        .collect();
    yard.must(
        names.len() >= 5 && names.iter().all(|name| CARRIED.contains(&name.as_str())),
        || format!("the channel heard {names:?}"),
    );
}
