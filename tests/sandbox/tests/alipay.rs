//! Alipay's rules as a merchant meets them over the wire.

#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code, unreachable_pub)]
mod merchant;

use merchant::{Answer, Bench, bench, inbox};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The node's octets and the fields behind it, if the answer stands in the order clients rely on.
fn parts<'a>(method: &str, answer: &'a Answer) -> (&'a str, Value) {
    let head = format!("{{\"{}_response\":", method.replace('.', "_"));
    let rest = answer
        .body
        .strip_prefix(&head)
        .unwrap_or_else(|| panic!("node first: {}", answer.body));
    let end = rest.rfind(",\"sign\":\"").expect("sign behind the node");
    // In certificate mode clients end the node at the certificate's number.
    let end = rest[..end].rfind(",\"alipay_cert_sn\":\"").unwrap_or(end);
    assert!(rest[..end].ends_with('}'), "nothing else stands behind the node");
    (&rest[..end], answer.json())
}

async fn call(bench: &Bench, method: &str, biz: Value, more: &[(&str, &str)]) -> Value {
    let method = format!("alipay.trade.{method}");
    let answer = bench.alipay(&method, biz, more).await;
    let (node, whole) = parts(&method, &answer);
    assert!(
        bench.alipay_signed(node, whole["sign"].as_str().unwrap()),
        "{}",
        answer.body
    );
    serde_json::from_str(node).unwrap()
}

fn order(number: &str, yuan: &str) -> Value {
    json!({"out_trade_no": number, "total_amount": yuan, "subject": "测试/一"})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_no_trade_until_somebody_scans_it() {
    let bench = bench("ali-scan").await;
    let placed = call(&bench, "precreate", order("A1", "8.88"), &[]).await;
    assert_eq!(placed["code"], "10000");
    for method in ["query", "close"] {
        let answer = call(&bench, method, json!({"out_trade_no": "A1"}), &[]).await;
        assert_eq!(
            (answer["code"].as_str(), answer["sub_code"].as_str()),
            (Some("40004"), Some("ACQ.TRADE_NOT_EXIST"))
        );
    }
    let declined = json!({"channel": "alipay", "qr": placed["qr_code"], "outcome": "declined"});
    assert_eq!(bench.control("pay", declined).await.status, 200);
    let found = call(&bench, "query", json!({"out_trade_no": "A1"}), &[]).await;
    assert_eq!(found["trade_status"], "WAIT_BUYER_PAY");
    assert_eq!(
        call(&bench, "close", json!({"out_trade_no": "A1"}), &[]).await["code"],
        "10000"
    );
    let found = call(&bench, "query", json!({"out_trade_no": "A1"}), &[]).await;
    assert_eq!(found["trade_status"], "TRADE_CLOSED");
    let again = call(&bench, "precreate", order("A1", "8.88"), &[]).await;
    assert_eq!(again["sub_code"], "ACQ.TRADE_HAS_CLOSE");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_optional_text_may_be_empty() {
    let bench = bench("ali-empty").await;
    let mut order = order("A1", "1");
    for name in [
        "operator_id",
        "terminal_id",
        "store_id",
        "time_expire",
        "timeout_express",
        "buyer_id",
    ] {
        order[name] = json!("");
    }
    let nobody = call(&bench, "create", order.clone(), &[]).await;
    assert_eq!(nobody["sub_code"], "ACQ.INVALID_PARAMETER");
    order["buyer_open_id"] = json!("074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5");
    assert_eq!(call(&bench, "create", order, &[]).await["code"], "10000");
}

#[tokio::test(flavor = "multi_thread")]
async fn slashes_are_escaped_and_still_signed() {
    let bench = bench("ali-escape").await;
    let answer = bench
        .alipay("alipay.trade.precreate", order("A1", "1"), &[])
        .await;
    let (node, whole) = parts("alipay.trade.precreate", &answer);
    assert!(node.contains("https:\\/\\/qr.alipay.com\\/"));
    assert!(bench.alipay_signed(node, whole["sign"].as_str().unwrap()));
    let changed = call(&bench, "precreate", order("A1", "2"), &[]).await;
    assert_eq!(changed["sub_code"], "ACQ.CONTEXT_INCONSISTENT");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_mode_names_the_certificate() {
    let bench = bench("ali-cert").await;
    let pem = |file: &str| std::fs::read_to_string(bench.path(file)).unwrap();
    let account = &bench.merchant.alipay;
    let app = sandbox::material::cert_sn(&pem(&account.app_cert_file)).unwrap();
    let root = sandbox::material::root_cert_sn(&pem(&account.root_cert_file)).unwrap();
    let alipay = sandbox::material::cert_sn(&pem(&account.alipay_cert_file)).unwrap();
    let more = [
        ("app_cert_sn", app.as_str()),
        ("alipay_root_cert_sn", root.as_str()),
    ];
    let answer = bench
        .alipay("alipay.trade.precreate", order("A1", "1"), &more)
        .await;
    let (node, whole) = parts("alipay.trade.precreate", &answer);
    assert_eq!(whole["alipay_cert_sn"], alipay);
    assert!(bench.alipay_signed(node, whole["sign"].as_str().unwrap()));
    assert!(
        answer.body.ends_with("\"}")
            && answer.body.rfind("\"sign\"") > answer.body.rfind("\"alipay_cert_sn\"")
    );
    // Below 128 bits, as Alipay's own: some clients write a longer serial in hex where the number is made of its decimals.
    for file in [&account.app_cert_file, &account.alipay_cert_file] {
        let (_, pem) = x509_parser::pem::parse_x509_pem(pem(file).as_bytes()).unwrap();
        let serial = pem.parse_x509().unwrap().raw_serial().to_vec();
        assert_eq!((serial.len(), serial[0]), (16, 0x20));
    }
    let wrong = [("app_cert_sn", "00"), ("alipay_root_cert_sn", root.as_str())];
    let answer = call(&bench, "precreate", order("A2", "1"), &wrong).await;
    assert_eq!(answer["sub_code"], "isv.invalid-app-cert-sn");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_refuses() {
    let bench = bench("ali-gateway").await;
    let good = bench.alipay_params("alipay.trade.query", &json!({"out_trade_no": "A1"}));
    let with = |name: &str, value: &str| {
        let mut params = good.clone();
        if value.is_empty() {
            params.remove(name)
        } else {
            params.insert(name.to_owned(), value.to_owned())
        };
        params
    };
    let cases: Vec<(BTreeMap<String, String>, &str, bool)> = vec![
        (with("sign", "AAAA"), "isv.invalid-signature", true),
        (with("sign_type", "RSA"), "isv.invalid-signature-type", true),
        (
            with("timestamp", "2020-01-01 00:00:00"),
            "isv.invalid-timestamp",
            true,
        ),
        (
            with("timestamp", "2026-01-01T00:00:00"),
            "isv.invalid-timestamp",
            true,
        ),
        (with("app_id", ""), "isv.missing-app-id", false),
        (with("app_id", "2021000000000000"), "isv.invalid-app-id", false),
        (with("method", "alipay.trade.fly"), "isv.invalid-method", false),
        (with("version", ""), "isv.missing-version", true),
    ];
    for (params, sub_code, signed) in cases {
        let answer = bench.alipay_raw(params).await;
        let node = if signed {
            "alipay_trade_query_response"
        } else {
            "error_response"
        };
        let whole = answer.json();
        assert_eq!(whole[node]["sub_code"], sub_code, "{}", answer.body);
        assert_eq!(whole["sign"].is_string(), signed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_are_idempotent_and_bounded() {
    let bench = bench("ali-refund").await;
    call(&bench, "precreate", order("A1", "1.00"), &[]).await;
    let refund =
        |no: &str, yuan: &str| json!({"out_trade_no": "A1", "out_request_no": no, "refund_amount": yuan});
    let pay = json!({"channel": "alipay", "out_trade_no": "A1", "outcome": "paid", "notify": false});
    bench.control("pay", pay).await;
    for (no, yuan, code, change) in [
        ("r1", "0.60", "10000", "Y"),
        ("r1", "0.60", "10000", "N"),
        ("r1", "0.50", "ACQ.DISCORDANT_REPEAT_REQUEST", ""),
        ("r2", "0.41", "ACQ.REASON_TRADE_REFUND_FEE_ERR", ""),
        ("r2", "0.40", "10000", "Y"),
    ] {
        let answer = call(&bench, "refund", refund(no, yuan), &[]).await;
        let said = answer["sub_code"].as_str().or(answer["code"].as_str());
        assert_eq!(
            (said, answer["fund_change"].as_str().unwrap_or_default()),
            (Some(code), change)
        );
    }
    let found = call(&bench, "query", json!({"out_trade_no": "A1"}), &[]).await;
    assert_eq!(found["trade_status"], "TRADE_CLOSED", "wholly refunded");
    let asked = json!({"out_trade_no": "A1", "out_request_no": "r1"});
    let found = call(&bench, "fastpay.refund.query", asked, &[]).await;
    assert_eq!(
        (found["refund_status"].as_str(), found["refund_amount"].as_str()),
        (Some("REFUND_SUCCESS"), Some("0.60"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_are_signed_without_sign_type_and_repeated_until_success() {
    let bench = bench("ali-notice").await;
    let mut inbox = inbox(&[(200, "fail"), (200, "success")]).await;
    let biz = json!({"out_trade_no": "A1", "total_amount": "1.00", "subject": "测试 a&b", "buyer_id": "2088000000000001"});
    call(&bench, "create", biz, &[("notify_url", inbox.url.as_str())]).await;
    bench
        .control(
            "pay",
            json!({"channel": "alipay", "out_trade_no": "A1", "outcome": "paid"}),
        )
        .await;
    let (first, second) = (fields(&inbox.next().await.body), fields(&inbox.next().await.body));
    assert_eq!(first["notify_id"], second["notify_id"]);
    for mut notice in [first, second] {
        let signature = notice.remove("sign").unwrap();
        assert_eq!(notice.remove("sign_type").as_deref(), Some("RSA2"));
        let text: Vec<String> = notice.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert!(bench.alipay_signed(&text.join("&"), &signature));
        assert_eq!(
            (notice["trade_status"].as_str(), notice["buyer_id"].as_str()),
            ("TRADE_SUCCESS", "2088000000000001")
        );
    }
    let refund = json!({"out_trade_no": "A1", "out_request_no": "r1", "refund_amount": "0.30"});
    call(&bench, "refund", refund, &[]).await;
    let notice = fields(&inbox.next().await.body);
    assert_eq!(
        (notice["refund_fee"].as_str(), notice["out_biz_no"].as_str()),
        ("0.30", "r1")
    );
    assert_eq!(notice["trade_status"], "TRADE_SUCCESS", "partly refunded");
}

fn fields(form: &str) -> BTreeMap<String, String> {
    form_urlencoded::parse(form.as_bytes()).into_owned().collect()
}
