//! Native WeChat requests whose headers or bodies are refused.

use crate::native_wechat::{AUTHORIZATION, CREATE, JSON, NATIVE, read, read_with, refused};
use channel::{dialect::NativeRefusal, native};
use domain::*;

fn malformed(body: &str) -> String {
    match refused("POST", CREATE, body) {
        NativeRefusal::Malformed(text) => text,
        other => panic!("{other:?}"),
    }
}

fn not_carried(body: &str) -> String {
    match refused("POST", CREATE, body) {
        NativeRefusal::NotAllowed(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn tricks_of_headers_and_bodies_are_refused() {
    for trick in [
        ("content-encoding", "gzip"),
        ("x-http-method-override", "GET"),
        ("x-method-override", "GET"),
        ("x-http-method", "GET"),
        ("upgrade", "h2c"),
    ] {
        let found = read_with(
            &[("authorization", AUTHORIZATION), JSON, trick],
            "POST",
            CREATE,
            NATIVE.as_bytes(),
        );
        assert!(found.err().is_some_and(|e| e.text.contains(trick.0)), "{trick:?}");
    }
    assert!(matches!(
        refused("GET", "/v3/certificates", "{}"),
        NativeRefusal::Malformed(_)
    ));
    for kind in [
        "text/plain",
        "application/json; charset=gbk",
        "application/json; x=1",
        "application/jsonx",
        "",
    ] {
        let found = read_with(
            &[("authorization", AUTHORIZATION), ("content-type", kind)],
            "POST",
            CREATE,
            NATIVE.as_bytes(),
        );
        assert!(
            matches!(found.err().map(|e| e.kind), Some(NativeRefusal::Malformed(_))),
            "{kind}"
        );
    }
    let utf8 = ("content-type", "application/json; charset=UTF-8");
    assert!(
        read_with(
            &[("authorization", AUTHORIZATION), utf8],
            "POST",
            CREATE,
            NATIVE.as_bytes()
        )
        .is_ok()
    );
}

#[test]
fn json_that_could_be_read_two_ways_is_refused() {
    for (from, to, part) in [
        ("{\"appid\"", "\u{feff}{\"appid\"", "byte order mark"),
        ("\"total\":100", "\"total\":100,\"total\":1", "amount.total"),
        (
            "\"goods_name\":\"Oolong\"",
            "\"goods_name\":\"a\",\"goods_name\":\"b\"",
            "detail.goods_detail[0].goods_name",
        ),
        ("\"Tea\"", "\"\\ud800\"", "surrogate"),
        (
            "\"total\":100",
            "\"total\":100.0",
            "amount.total must be integer fen",
        ),
        (
            "\"total\":100",
            "\"total\":1e2",
            "amount.total must be integer fen",
        ),
        (
            "\"total\":100",
            "\"total\":\"100\"",
            "amount.total must be integer fen",
        ),
        (
            "\"total\":100",
            "\"total\":-1",
            "amount.total must be integer fen",
        ),
        ("\"total\":100", "\"total\":0", "amount.total must be integer fen"),
        (
            "\"total\":100",
            "\"total\":9007199254740992",
            "amount.total must be integer fen",
        ),
        (
            "\"total\":100",
            "\"total\":18446744073709551616",
            "an integer beyond 64 bits",
        ),
        ("\"total\":100,", "", "amount.total is missing"),
        ("\"CNY\"", "\"USD\"", "amount.currency"),
        ("\"Tea\"", "null", "description must be a text"),
        ("\"description\":\"Tea\",", "", "description is missing"),
        ("20260101000001", "12345", "out_trade_no"),
        ("20260101000001", "2026 0101", "out_trade_no"),
        ("2026-01-01T08:00:00+08:00", "2026-01-01 08:00:00", "time_expire"),
        (
            "\"notify_url\":\"https://m.example/n\",",
            "",
            "notify_url is missing",
        ),
        (
            "\"profit_sharing\":false",
            "\"profit_sharing\":true",
            "settle_info.profit_sharing must be false",
        ),
        (
            "\"quantity\":1",
            "\"quantity\":\"1\"",
            "detail.goods_detail[0].quantity",
        ),
    ] {
        let text = malformed(&NATIVE.replace(from, to));
        assert!(text.contains(part), "{part}: {text}");
    }
    let octets = NATIVE.replace("Tea", "T\u{1}").into_bytes();
    assert!(read_with(&[("authorization", AUTHORIZATION), JSON], "POST", CREATE, &octets).is_err());
    let found = read_with(
        &[("authorization", AUTHORIZATION), JSON],
        "POST",
        CREATE,
        b"{\"a\":\"\xff\"}",
    );
    assert!(found.err().is_some_and(|e| e.text.contains("UTF-8")));
    assert!(malformed("").contains("not JSON"));
    assert!(malformed("[]").contains("must be an object"));
}

#[test]
//= C21
//= C32
fn fields_that_are_not_listed_are_refused_with_their_path() {
    for (from, to, part) in [
        ("\"goods_tag\"", "\"auth_code\"", "field auth_code"),
        (
            "\"currency\"",
            "\"payer_currency\"",
            "field amount.payer_currency",
        ),
        ("\"device_id\"", "\"h5_info\"", "field scene_info.h5_info"),
        (
            "\"quantity\"",
            "\"weight\"",
            "field detail.goods_detail[0].weight",
        ),
        ("\"goods_tag\"", "\"sub_mchid\"", "field sub_mchid"),
        ("\"goods_tag\"", "\"payer\"", "field payer"),
        ("\"goods_tag\"", "\"13800138000\"", "field ?"),
    ] {
        let text = not_carried(&NATIVE.replace(from, to));
        assert!(text.contains(part), "{part}: {text}");
    }
    let code = NATIVE.replace(
        "\"settle_info\"",
        "\"payer\":{\"auth_code\":\"134567890123456789\"},\"settle_info\"",
    );
    let error = read("POST", "/v3/pay/transactions/jsapi", &code)
        .err()
        .expect("refused");
    assert!(error.text.contains("payer.auth_code") && !error.text.contains("1345"));
    let refund = r#"{"out_trade_no":"O1","out_refund_no":"R1","amount":{"refund":1,"total":1,"currency":"CNY","from":[]}}"#;
    assert!(matches!(
        refused("POST", "/v3/refund/domestic/refunds", refund),
        NativeRefusal::NotAllowed(_)
    ));
    let both = r#"{"out_trade_no":"O1","transaction_id":"T1","out_refund_no":"R1","amount":{"refund":1,"total":1,"currency":"CNY"}}"#;
    assert!(matches!(
        refused("POST", "/v3/refund/domestic/refunds", both),
        NativeRefusal::Malformed(_)
    ));
}

/// What a published client's model has of an order, and what V2's door takes too.
#[test]
fn ways_to_pay_may_be_left_out_by_the_one_word_there_is() {
    let with = |value: &str| NATIVE.replacen('{', &format!(r#"{{"limit_pay":{value},"#), 1);
    for value in [r#"["no_credit"]"#, "[]"] {
        assert!(read("POST", CREATE, &with(value)).is_ok(), "{value}");
    }
    for value in [r#""no_credit""#, r#"["no_debit"]"#, "[1]", r#"[""]"#, "null"] {
        assert!(malformed(&with(value)).contains("limit_pay"), "{value}");
    }
}

/// A refund may say which of the payee's own two balances pays how much of it, and nothing else.
#[test]
//= C02
fn a_refund_comes_out_of_the_payees_own_balances() {
    let refund = |from: &str| {
        let body = format!(
            r#"{{"out_trade_no":"O1","out_refund_no":"R1","amount":{{"refund":30,"total":100,"currency":"CNY","from":{from}}}}}"#
        );
        read("POST", "/v3/refund/domestic/refunds", &body)
    };
    for from in [
        r#"[{"account":"AVAILABLE","amount":30}]"#,
        r#"[{"account":"UNAVAILABLE","amount":30}]"#,
        r#"[{"account":"AVAILABLE","amount":10},{"account":"UNAVAILABLE","amount":20}]"#,
    ] {
        assert_eq!(refund(from).expect("lawful").amount, Some(Amount::from_fen(30)));
    }
    for from in [
        "[]",
        "null",
        r#"{"account":"AVAILABLE","amount":30}"#,
        r#"[{"account":"AVAILABLE","amount":29}]"#,
        r#"[{"account":"AVAILABLE","amount":31}]"#,
        r#"[{"account":"AVAILABLE","amount":15},{"account":"AVAILABLE","amount":15}]"#,
        r#"[{"account":"AVAILABLE","amount":30},{"account":"UNAVAILABLE","amount":0}]"#,
        r#"[{"account":"OPERATION","amount":30}]"#,
        r#"[{"account":"1600000009","amount":30}]"#,
        r#"[{"amount":30}]"#,
        r#"[{"account":"AVAILABLE"}]"#,
        r#"[{"account":"AVAILABLE","amount":30,"mchid":"1600000009"}]"#,
        r#"[{"account":"AVAILABLE","amount":9007199254740991},{"account":"UNAVAILABLE","amount":18446744073709551615}]"#,
    ] {
        let error = refund(from).err().expect("refused");
        assert!(error.text.contains("amount.from"), "{from}: {}", error.text);
    }
    let error = refund(r#"[{"account":"AVAILABLE","amount":29}]"#)
        .err()
        .expect("refused");
    assert_eq!(error.breach, Some((Breach::Funds, Some("from"))));
}

#[test]
fn jsapi_needs_its_payer() {
    let error = read("POST", "/v3/pay/transactions/jsapi", NATIVE)
        .err()
        .expect("refused");
    assert_eq!(error.text, "payer.openid is missing");
}

#[test]
//= C25
fn only_listed_headers_travel() {
    assert!(
        native::forwarded_headers(Channel::Wechat, "/v3/pay/transactions/native").contains(&"authorization")
    );
    for channel in Channel::ALL {
        for name in [
            "host",
            "cookie",
            "connection",
            "accept-encoding",
            "x-forwarded-for",
            "content-length",
        ] {
            for target in ["/gateway.do", "/v3/alipay/trade/query"] {
                assert!(!native::forwarded_headers(channel, target).contains(&name));
            }
            assert!(!native::returned_headers(channel).contains(&name));
        }
    }
    assert!(native::returned_headers(Channel::Wechat).contains(&"wechatpay-signature"));
}
