//! Faults on command, and the control API.

#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code, unreachable_pub)]
mod merchant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use merchant::{bench, decrypted, inbox, inbox_https};
use serde_json::{Value, json};
use std::time::Duration;

const NATIVE: &str = "/v3/pay/transactions/native";
const REFUNDS: &str = "/v3/refund/domestic/refunds";

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_notices() {
    let bench = bench("wx-notice-faults").await;
    let fault = |kind: &str| json!({"channel": "wechat", "operation": "notice", "kind": kind, "count": 1});
    let place = async |number: &str, url: &str| {
        bench
            .wechat("POST", NATIVE, Some(bench.native(number, 100, url)))
            .await;
        bench
            .control(
                "pay",
                json!({"channel": "wechat", "out_trade_no": number, "outcome": "paid"}),
            )
            .await;
    };
    let key = &bench.merchant.wechat.apiv3_key;

    let mut refusing = inbox(&[(401, ""), (200, "")]).await;
    bench.control("fault", fault("signature_probe")).await;
    place("order-probe", &refusing.url).await;
    let probe = refusing.next().await;
    assert!(
        probe.headers["wechatpay-signature"]
            .to_str()
            .unwrap()
            .starts_with("WECHATPAY/SIGNTEST/")
    );
    let genuine = refusing.next().await;
    assert!(bench.platform_signed(&genuine.headers, &genuine.body));

    let mut inbox = inbox(&[(200, "")]).await;
    bench.control("fault", fault("duplicate")).await;
    place("order-double", &inbox.url).await;
    assert_eq!(inbox.next().await.body, inbox.next().await.body);

    bench.control("fault", fault("reorder")).await;
    place("order-reorder", &inbox.url).await;
    let refund = json!({"out_trade_no": "order-reorder", "out_refund_no": "rr", "amount": {"refund": 1, "total": 100, "currency": "CNY"}});
    assert_eq!(bench.wechat("POST", REFUNDS, Some(refund)).await.status, 200);
    assert_eq!(decrypted(key, &inbox.next().await).0, "REFUND.SUCCESS");
    assert_eq!(decrypted(key, &inbox.next().await).0, "TRANSACTION.SUCCESS");

    bench.control("fault", fault("drop")).await;
    place("order-drop", &inbox.url).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(inbox.notices.try_recv().is_err());
    assert_eq!(bench.order("order-drop").await["notices"][0]["status"], "dropped");
}

async fn orders(bench: &merchant::Bench) -> usize {
    let all = bench.control_get("orders").await;
    all["orders"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_requests() {
    let bench = bench("wx-faults").await;
    let fault = |kind: &str| json!({"channel": "wechat", "operation": "create", "kind": kind});
    let order = bench.native("order-0001", 100, "https://m.test/n");
    for (kind, status, code) in [
        ("status_5xx", 500, "SYSTEM_ERROR"),
        ("busy", 429, "FREQUENCY_LIMITED"),
    ] {
        bench.control("fault", fault(kind)).await;
        let answer = bench.wechat("POST", NATIVE, Some(order.clone())).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (status, Some(code))
        );
    }
    assert_eq!(
        bench.control_get("orders").await["orders"],
        json!([]),
        "refused means nothing happened"
    );
    for kind in ["timeout_before", "timeout_after"] {
        bench.control("fault", fault(kind)).await;
        let waiting = bench.wechat("POST", NATIVE, Some(order.clone()));
        assert!(
            tokio::time::timeout(Duration::from_millis(400), waiting)
                .await
                .is_err(),
            "{kind} never answers"
        );
        // What acts does so within a while, and what does not never will.
        let wanted = usize::from(kind == "timeout_after");
        let mut count = orders(&bench).await;
        for _ in 0..100 {
            if count >= wanted {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            count = orders(&bench).await;
        }
        assert_eq!(count, wanted);
    }
    bench.control("fault", fault("wrong_signature")).await;
    let answer = bench.wechat("POST", NATIVE, Some(order.clone())).await;
    assert!(answer.status == 200 && !bench.platform_signed(&answer.headers, &answer.body));
    bench.control("fault", fault("garbage")).await;
    let answer = bench.wechat("POST", NATIVE, Some(order)).await;
    assert!(serde_json::from_str::<Value>(&answer.body).is_err());

    let seen = bench
        .control_get("requests?channel=wechat&operation=create&last=2")
        .await;
    assert_eq!(seen["requests"].as_array().unwrap().len(), 2);
    let body = STANDARD
        .decode(seen["requests"][0]["body"].as_str().unwrap())
        .unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&body).unwrap()["out_trade_no"],
        "order-0001"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_api_refuses_what_it_does_not_know() {
    let bench = bench("control").await;
    for (path, body) in [
        (
            "pay",
            json!({"channel": "wechat", "out_trade_no": "x", "outcome": "maybe"}),
        ),
        (
            "pay",
            json!({"channel": "wechat", "out_trade_no": "x", "outcome": "paid", "when": 1}),
        ),
        ("pay", json!({"channel": "wechat", "outcome": "paid"})),
        (
            "fault",
            json!({"channel": "jcb", "operation": "create", "kind": "slow"}),
        ),
        (
            "fault",
            json!({"channel": "wechat", "operation": "create", "kind": "drop"}),
        ),
        ("clock", json!({"speed": 0})),
        ("clock", json!({"fast": true})),
    ] {
        let answer = bench.control(path, body.clone()).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.json()["error"].is_string());
    }
    let unknown = json!({"channel": "wechat", "out_trade_no": "x", "outcome": "paid"});
    assert_eq!(bench.control("pay", unknown).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_go_by_https_to_whom_the_demo_ca_vouches_for_alone() {
    let bench = bench("https").await;
    let ca = bench.material.ca().unwrap();
    let (cert, key) = sandbox::material::issue(&ca, &["localhost"]).unwrap();
    let mut vouched = inbox_https(&cert, &key, &[(200, "")]).await;
    let (cert, key) = sandbox::material::issue(&ca, &["elsewhere.test"]).unwrap();
    let mut other = inbox_https(&cert, &key, &[(200, "")]).await;
    for (number, url) in [("order-0001", &vouched.url), ("order-0002", &other.url)] {
        bench
            .wechat("POST", NATIVE, Some(bench.native(number, 100, url)))
            .await;
        bench
            .control(
                "pay",
                json!({"channel": "wechat", "out_trade_no": number, "outcome": "paid"}),
            )
            .await;
    }
    let notice = vouched.next().await;
    assert!(bench.platform_signed(&notice.headers, &notice.body));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(other.notices.try_recv().is_err());
    let mut tried = Value::Null;
    for _ in 0..100 {
        tried = bench.order("order-0002").await["notices"][0]["attempts"].clone();
        if tried[0]["acknowledged"].is_boolean() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(tried[0]["acknowledged"], false, "{tried}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_listener_serves_both_channels_and_the_path_decides() {
    let mut bench = bench("both").await;
    bench.running.wechat = bench.running.both;
    bench.running.alipay = bench.running.both;
    bench.running.unionpay = bench.running.both;
    let order = bench.native("order-both", 100, "https://127.0.0.1:9/n");
    assert_eq!(bench.wechat("POST", NATIVE, Some(order)).await.status, 200);
    let asked = bench
        .alipay("alipay.trade.query", json!({"out_trade_no": "order-both"}), &[])
        .await;
    assert_eq!(
        asked.json()["alipay_trade_query_response"]["sub_code"],
        "ACQ.TRADE_NOT_EXIST"
    );
    for path in ["/", "/gateway.do/", "/v3", "/x/../v3/certificates", "/Gateway.do"] {
        let answer = bench.wechat("GET", path, None).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains("/v3/"), "{path}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_may_name_its_order() {
    let bench = bench("named-fault").await;
    let fault =
        json!({"channel": "wechat", "operation": "create", "kind": "busy", "out_trade_no": "order-b"});
    assert_eq!(bench.control("fault", fault).await.status, 200);
    let place = async |number: &str| {
        let order = bench.native(number, 100, "https://127.0.0.1:9/n");
        bench.wechat("POST", NATIVE, Some(order)).await.status
    };
    assert_eq!(
        (
            place("order-a").await,
            place("order-b").await,
            place("order-b").await
        ),
        (200, 429, 200)
    );
    let fault =
        json!({"channel": "alipay", "operation": "query", "kind": "status_5xx", "out_trade_no": "order-c"});
    assert_eq!(bench.control("fault", fault).await.status, 200);
    let ask = async |number: &str| {
        bench
            .alipay("alipay.trade.query", json!({"out_trade_no": number}), &[])
            .await
            .status
    };
    assert_eq!((ask("order-a").await, ask("order-c").await), (200, 502));
}
