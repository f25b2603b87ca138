//! Arbitrary octets never bring a reader down, and what passes the readers keeps its promises.

use channel::{
    Account,
    native::{self, Native},
    notice::{self, Kind},
    strict_json::{self, Value},
};
use domain::{AccountNo, Channel, Instant, Operation, PayWay, PayeeNo};
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

fn account(channel: Channel) -> Account {
    Account {
        channel,
        account: AccountNo::new("1900000109").expect("account"),
        payee: PayeeNo::new("1900000109").expect("payee"),
        appid: Some("wx4f".into()),
        sub_appid: None,
        serial: None,
        platform: None,
        root_sn: None,
        sign_method: Default::default(),
        encrypts: false,
        openapi: Default::default(),
        codepay: false,
        sha1: false,
        key_by_serial: false,
        bank: None,
        notify_url: "https://guandao.example/n".into(),
    }
}

fn channels() -> impl Strategy<Value = Channel> {
    prop_oneof![
        Just(Channel::Wechat),
        Just(Channel::Alipay),
        Just(Channel::Unionpay)
    ]
}

/// Octets that come closer to the grammar than noise does.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let tokens = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\\u",
        "d800",
        "\"a\"",
        "\"amount\"",
        "\"total\"",
        "\"mchid\"",
        "1900000109",
        "\"out_trade_no\"",
        "100",
        "-",
        ".",
        "e",
        "true",
        "null",
        "&",
        "=",
        "%",
        "%7B",
        "+",
        "a",
        "method=alipay.trade.query",
        "biz_content=",
        "sign_type=RSA2",
        "trade_status",
        "TRADE_SUCCESS",
        "app_id=1900000109",
        "中",
    ]);
    let near = prop::collection::vec(tokens, 0..40).prop_map(|parts| parts.concat().into_bytes());
    prop_oneof![prop::collection::vec(any::<u8>(), 0..200), near]
}

fn headers(authorization: &[u8], content_type: usize) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(authorization) {
        headers.insert("authorization", value);
    }
    let kinds = [
        "application/json",
        "application/x-www-form-urlencoded;charset=utf-8",
    ];
    headers.insert("content-type", HeaderValue::from_static(kinds[content_type % 2]));
    headers
}

const SIGNED: &[u8] = b"WECHATPAY2-SHA256-RSA2048 mchid=\"1900000109\",nonce_str=\"n\",signature=\"AAAA\",timestamp=\"1\",serial_no=\"S\"";

/// A JSON text of any value, as a plain writer writes it.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

fn same(ours: &Value, theirs: &serde_json::Value) -> bool {
    match (ours, theirs) {
        (Value::Null, serde_json::Value::Null) => true,
        (Value::Bool(a), serde_json::Value::Bool(b)) => a == b,
        (Value::Integer(a), serde_json::Value::Number(b)) => b.as_u64() == Some(*a),
        (Value::Number(a), serde_json::Value::Number(b)) => *a == b.to_string(),
        (Value::Text(a), serde_json::Value::String(b)) => a.as_str() == b,
        (Value::List(a), serde_json::Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), serde_json::Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|m| b.get(&m.name).is_some_and(|b| same(&m.value, b)))
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn strict_json_never_panics_and_accepts_only_json(octets in octets()) {
        if strict_json::parse(&octets).is_ok() {
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&octets).is_ok());
        }
    }

    #[test]
    fn strict_json_reads_what_others_write(value in json()) {
        let text = value.to_string();
        let read = strict_json::parse(text.as_bytes()).expect("lawful");
        prop_assert!(same(&read, &value));
    }

    #[test]
    fn native_read_never_panics(
        channel in channels(), method in "GET|POST|[A-Z]{0,5}",
        target in prop_oneof![
            Just("/v3/pay/transactions/native".to_owned()),
            Just("/v3/refund/domestic/refunds".to_owned()),
            Just("/gateway.do".to_owned()),
            "/v3/pay/transactions/out-trade-no/[^ ]{0,20}",
            "/gateway.do\\?[^ ]{0,60}",
            any::<String>(),
        ],
        own in any::<bool>(), noise in prop::collection::vec(any::<u8>(), 0..80), kind in 0usize..2, body in octets(),
    ) {
        let headers = headers(if own { SIGNED } else { &noise }, kind);
        if let Err(error) = native::read(channel, |_| true, &|_, _, _| Err(native::Unopened::Ciphertext), &method, &target, &headers, &body) {
            prop_assert!(!error.text.is_empty());
        }
    }

    #[test]
    fn notices_and_answers_never_panic(channel in channels(), body in octets(), status in 100u16..600, noise in octets()) {
        let account = account(channel);
        let mut headers = HeaderMap::new();
        for name in ["wechatpay-timestamp", "wechatpay-nonce", "wechatpay-signature", "wechatpay-serial", "wechatpay-signature-type"] {
            if let Ok(value) = HeaderValue::from_bytes(&noise) {
                headers.insert(name, value);
            }
        }
        let _ = notice::authenticate(channel, &account, &headers, &body, Instant::default());
        let _ = notice::sealed(&account, &body);
        for kind in [Kind::Open, Kind::Transaction, Kind::Refund, Kind::Other] {
            let _ = notice::read(&account, &body, kind);
        }
        for operation in [Operation::Create, Operation::Query, Operation::Close, Operation::Reverse, Operation::Refund, Operation::RefundQuery, Operation::Certificates, Operation::Bill] {
            for pay_way in [PayWay::Native, PayWay::Micropay] {
                let _ = channel::authenticate_answer(&account, operation, pay_way, status, &headers, &body, Instant::default());
                let _ = channel::read_answer(&account, operation, pay_way, status, &body);
            }
        }
    }

    /// No funds: whoever a native order would pay is named in the facts, whatever else the body holds.
    #[test]
    fn an_accepted_order_pays_the_account_it_names(
        mchid in "[0-9]{10}", sub in prop::option::of("[0-9]{10}"), name in "[a-z_]{1,20}", extra in json(),
    ) {
        let mut body = serde_json::json!({
            "appid": "wx4f", "mchid": mchid, "description": "d", "out_trade_no": "20260101000001",
            "notify_url": "https://m.example/n", "amount": {"total": 1},
        });
        if let Some(sub) = sub {
            body["sub_mchid"] = sub.into();
        }
        body[&name] = extra;
        let body = body.to_string();
        let read = native::read(Channel::Wechat, |_| true, &|_, _, _| Err(native::Unopened::NoKey), "POST", "/v3/pay/transactions/native", &headers(SIGNED, 0), body.as_bytes());
        if let Ok(Native { account, payee, .. }) = read {
            prop_assert_eq!(account.as_str(), "1900000109");
            prop_assert_eq!(payee.as_ref().map(PayeeNo::as_str), Some("1900000109"));
        }
    }
}
