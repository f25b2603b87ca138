//! WeChat Pay's rules as a merchant meets them over the wire.

#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code, unreachable_pub)]
mod merchant;

use merchant::{bench, decrypted, inbox, opened, unix};
use serde_json::{Value, json};
use std::time::Duration;

const NATIVE: &str = "/v3/pay/transactions/native";
const REFUNDS: &str = "/v3/refund/domestic/refunds";

#[tokio::test(flavor = "multi_thread")]
async fn only_the_merchants_own_fresh_signature_is_accepted() {
    let bench = bench("wx-sign").await;
    let body = bench.native("order-0001", 100, "https://m.test/n").to_string();
    for (time, spoil, field) in [(unix(), "x", "signature"), (unix() - 301, "", "timestamp")] {
        let answer = bench.wechat_raw("POST", NATIVE, &body, time, spoil).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (401, Some("SIGN_ERROR"))
        );
        assert_eq!(answer.json()["detail"]["field"], field);
    }
    let answer = bench.wechat_raw("POST", NATIVE, &body, unix() - 290, "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(
        answer.json()["code_url"]
            .as_str()
            .unwrap()
            .starts_with("weixin://wxpay/bizpayurl?pr=")
    );
    assert!(bench.platform_signed(&answer.headers, &answer.body));
    assert!(!answer.header("request-id").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_order_twice_and_a_changed_one() {
    let bench = bench("wx-repeat").await;
    let order = bench.native("order-0001", 100, "https://m.test/n");
    let first = bench.wechat("POST", NATIVE, Some(order.clone())).await.json();
    let again = bench.wechat("POST", NATIVE, Some(order.clone())).await;
    assert_eq!(again.status, 200);
    assert_ne!(
        again.json()["code_url"],
        first["code_url"],
        "a fresh code each time"
    );

    let changed = bench.native("order-0001", 101, "https://m.test/n");
    let answer = bench.wechat("POST", NATIVE, Some(changed)).await;
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (400, Some("INVALID_REQUEST"))
    );
    assert!(
        bench.platform_signed(&answer.headers, &answer.body),
        "errors are signed too"
    );

    let paid = json!({"channel": "wechat", "qr": first["code_url"], "outcome": "paid", "notify": false});
    assert_eq!(bench.control("pay", paid).await.status, 200);
    let answer = bench.wechat("POST", NATIVE, Some(order)).await;
    assert_eq!(answer.json()["code"], "ORDER_PAID");
    assert_eq!(bench.order("order-0001").await["calls"]["create"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_orders_stay_closed_unless_somebody_pays_late() {
    let bench = bench("wx-close").await;
    let mchid = bench.merchant.wechat.mchid.clone();
    let order = bench.native("order-0001", 100, "https://m.test/n");
    bench.wechat("POST", NATIVE, Some(order.clone())).await;
    let close = "/v3/pay/transactions/out-trade-no/order-0001/close";
    let answer = bench.wechat("POST", close, Some(json!({"mchid": mchid}))).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert!(
        bench.platform_signed(&answer.headers, ""),
        "the empty body is signed"
    );
    assert_eq!(
        bench.wechat("POST", NATIVE, Some(order)).await.json()["code"],
        "ORDER_CLOSED"
    );

    let mut pay = json!({"channel": "wechat", "out_trade_no": "order-0001", "outcome": "paid"});
    assert_eq!(bench.control("pay", pay.clone()).await.status, 409);
    pay["outcome"] = json!("late");
    assert_eq!(bench.control("pay", pay).await.status, 200);
    let query = format!("/v3/pay/transactions/out-trade-no/order-0001?mchid={mchid}");
    let found = bench.wechat("GET", &query, None).await.json();
    assert_eq!(found["trade_state"], "SUCCESS");
    let number = found["transaction_id"].as_str().unwrap();
    assert!(number.len() == 28 && number.starts_with("42"));
    let answer = bench
        .wechat("POST", close, Some(json!({"mchid": "1900000999"})))
        .await;
    assert_eq!(answer.json()["code"], "PARAM_ERROR");
    // Clients escape what a number may hold; the signature is over what was sent.
    let odd = bench.native("odd|order*1", 100, "https://m.test/n");
    bench.wechat("POST", NATIVE, Some(odd)).await;
    for spelt in ["odd%7Corder%2A1", "odd%7corder*1", "odd|order*1"] {
        let query = format!("/v3/pay/transactions/out-trade-no/{spelt}?mchid={mchid}");
        let found = bench.wechat("GET", &query, None).await;
        assert_eq!(found.json()["out_trade_no"], "odd|order*1", "{spelt}");
    }
    let missing = format!("/v3/pay/transactions/out-trade-no/order-none?mchid={mchid}");
    let answer = bench.wechat("GET", &missing, None).await;
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (404, Some("ORDER_NOT_EXIST"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_are_checked() {
    let bench = bench("wx-fields").await;
    let good = bench.native("order-0001", 100, "https://m.test/n");
    for (field, value) in [
        ("description", json!("字".repeat(128))),
        ("description", Value::Null),
        ("out_trade_no", json!("short")),
        ("out_trade_no", json!("order 0001")),
        ("notify_url", json!("https://m.test/n?a=1")),
        ("notify_url", json!("ftp://m.test/n")),
        ("amount", json!({"total": 0})),
        ("amount", json!({"total": 1.5})),
        ("amount", json!({"total": "1"})),
        ("amount", json!({"total": 1, "currency": "USD"})),
        ("mchid", json!("1900000999")),
        ("time_expire", json!("tomorrow")),
    ] {
        let mut order = good.clone();
        order[field] = value;
        let answer = bench.wechat("POST", NATIVE, Some(order.clone())).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (400, Some("PARAM_ERROR")),
            "{order}"
        );
    }
    let answer = bench
        .wechat("POST", "/v3/pay/transactions/jsapi", Some(good.clone()))
        .await;
    assert_eq!(answer.json()["detail"]["field"], "openid");
    let mut jsapi = good;
    jsapi["payer"] = json!({"openid": "o-canary"});
    let answer = bench
        .wechat("POST", "/v3/pay/transactions/jsapi", Some(jsapi))
        .await;
    assert!(
        answer.json()["prepay_id"].as_str().unwrap().starts_with("wx"),
        "{}",
        answer.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_never_exceed_what_was_paid() {
    let bench = bench("wx-refund").await;
    let mut inbox = inbox(&[(200, "")]).await;
    bench
        .wechat("POST", NATIVE, Some(bench.native("order-0001", 100, &inbox.url)))
        .await;
    let refund = |no: &str, fen: u64| json!({"out_trade_no": "order-0001", "out_refund_no": no, "amount": {"refund": fen, "total": 100, "currency": "CNY"}});
    let answer = bench.wechat("POST", REFUNDS, Some(refund("r1", 60))).await;
    assert_eq!(answer.json()["code"], "INVALID_REQUEST", "unpaid");
    let pay =
        json!({"channel": "wechat", "out_trade_no": "order-0001", "outcome": "paid", "payer": "o-canary"});
    bench.control("pay", pay).await;
    let (event, plain) = decrypted(&bench.merchant.wechat.apiv3_key, &inbox.next().await);
    assert_eq!(
        (event.as_str(), plain["payer"]["openid"].as_str()),
        ("TRANSACTION.SUCCESS", Some("o-canary"))
    );

    let first = bench.wechat("POST", REFUNDS, Some(refund("r1", 60))).await.json();
    assert_eq!(first["status"], "PROCESSING");
    let again = bench.wechat("POST", REFUNDS, Some(refund("r1", 60))).await.json();
    assert_eq!(again["refund_id"], first["refund_id"]);
    for (no, fen) in [("r1", 50), ("r2", 41)] {
        let answer = bench.wechat("POST", REFUNDS, Some(refund(no, fen))).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (400, Some("INVALID_REQUEST"))
        );
    }
    let notice = inbox.next().await;
    let (event, plain) = decrypted(&bench.merchant.wechat.apiv3_key, &notice);
    assert_eq!(
        (event.as_str(), plain["refund_status"].as_str()),
        ("REFUND.SUCCESS", Some("SUCCESS"))
    );
    assert!(bench.platform_signed(&notice.headers, &notice.body));
    let found = bench.wechat("GET", &format!("{REFUNDS}/r1"), None).await.json();
    assert_eq!(
        (found["status"].as_str(), found["amount"]["refund"].as_u64()),
        (Some("SUCCESS"), Some(60))
    );
    assert_eq!(bench.order("order-0001").await["refunded_fen"], 60);
    assert_eq!(bench.order("order-0001").await["state"], "REFUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_fifty_refunds() {
    let bench = bench("wx-fifty").await;
    bench
        .wechat(
            "POST",
            NATIVE,
            Some(bench.native("order-0001", 100, "https://m.test/n")),
        )
        .await;
    let pay = json!({"channel": "wechat", "out_trade_no": "order-0001", "outcome": "paid", "notify": false});
    bench.control("pay", pay).await;
    for n in 0..=50 {
        let body = json!({"out_trade_no": "order-0001", "out_refund_no": format!("r{n}"),
            "notify_url": "http://127.0.0.1:9/n", "amount": {"refund": 1, "total": 100, "currency": "CNY"}});
        let answer = bench.wechat("POST", REFUNDS, Some(body)).await;
        assert_eq!(
            answer.status,
            if n < 50 { 200 } else { 403 },
            "{n}: {}",
            answer.body
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_notice_comes_again_with_the_same_id() {
    let bench = bench("wx-again").await;
    let mut inbox = inbox(&[(500, ""), (401, ""), (204, "")]).await;
    bench
        .wechat("POST", NATIVE, Some(bench.native("order-0001", 100, &inbox.url)))
        .await;
    bench
        .control(
            "pay",
            json!({"channel": "wechat", "out_trade_no": "order-0001", "outcome": "paid"}),
        )
        .await;
    let bodies = [
        inbox.next().await.body,
        inbox.next().await.body,
        inbox.next().await.body,
    ];
    assert!(bodies.iter().all(|b| *b == bodies[0]));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(inbox.notices.try_recv().is_err(), "an acknowledged notice rests");
    let mut notice = bench.order("order-0001").await["notices"][0].clone();
    for _ in 0..100 {
        if notice["status"] == "acknowledged" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        notice = bench.order("order-0001").await["notices"][0].clone();
    }
    assert_eq!(
        (
            notice["status"].as_str(),
            notice["attempts"].as_array().unwrap().len()
        ),
        (Some("acknowledged"), 3)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_open_with_the_apiv3_key() {
    let bench = bench("wx-certificates").await;
    let answer = bench.wechat("GET", "/v3/certificates", None).await;
    assert!(bench.platform_signed(&answer.headers, &answer.body));
    let entry = answer.json()["data"][0].clone();
    assert_eq!(entry["serial_no"], bench.merchant.wechat.platform_serial.as_str());
    let pem = opened(&bench.merchant.wechat.apiv3_key, &entry["encrypt_certificate"]);
    let file = std::fs::read(bench.path(&bench.merchant.wechat.platform_cert_file)).unwrap();
    assert_eq!(pem, file);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_has_a_minute_at_least() {
    let bench = bench("wx-expire").await;
    let mut order = bench.native("order-0001", 100, "https://m.test/n");
    let at = |seconds: u64| {
        jiff::Timestamp::from_second((unix() + seconds) as i64)
            .unwrap()
            .to_string()
    };
    order["time_expire"] = json!(at(1));
    assert_eq!(
        bench.wechat("POST", NATIVE, Some(order.clone())).await.status,
        200
    );
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(
        bench.order("order-0001").await["state"],
        "NOTPAY",
        "raised to a minute"
    );
    order["time_expire"] = json!("2020-01-01T00:00:00+08:00");
    order["out_trade_no"] = json!("order-0002");
    assert_eq!(
        bench.wechat("POST", NATIVE, Some(order)).await.json()["code"],
        "PARAM_ERROR"
    );
}
