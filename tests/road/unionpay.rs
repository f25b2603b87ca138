//! UnionPay over real sockets: a code to scan, online banking of people and companies, queries, refunds, notices with
//! certificates; each sign method; what its rules make different (no close, a code comes once, an order is its number and
//! its time); and the proxy killed between every two steps.

use crate::clock::ends_soon;
use crate::kills::{
    MUTATION, NOTICE, Yard, create_by, id, notice_point, refund_point, repeat, say, text, unanswered,
};
use crate::seen::{Done, only_a_notice_tells, placed, post, told, with};
use anyhow::{Context, ensure};
use sandbox::demo::{
    Demo,
    http::Client,
    merchant::Merchant,
    place::{Options, RETURN_HOST},
    unionpay as stories,
};
use serde_json::{Value, json};
use std::{path::Path, time::Duration};
use tempfile::TempDir;
use tokio::time::sleep;

const WAYS: [(&str, &str); 3] = [
    ("qr", "qr_code"),
    ("gateway", "call_up"),
    ("gateway_b2b", "call_up"),
];

/// Three merchants, one for each sign method; the proxy runs in this process.
async fn demo() -> anyhow::Result<(Demo, TempDir)> {
    let dir = tempfile::tempdir()?;
    let demo = Demo::start(
        dir.path(),
        &Options {
            desk: false,
            merchants: 3,
            ..Options::default()
        },
        false,
    )
    .await?;
    demo.control("/control/clock", &json!({ "speed": 20.0 })).await?;
    Ok((demo, dir))
}

fn body(demo: &Demo, pay_way: &str, amount: u64) -> Value {
    json!({ "order_no": demo.next_number(), "channel": "unionpay", "pay_way": pay_way, "amount": amount, "description": "奶茶", "attach": "桌号 7 & {x}=1" })
}

async fn pay(demo: &Demo, order: &Value, more: Value) -> Done {
    let body = json!({ "channel": "unionpay", "out_trade_no": order["number"], "outcome": "paid" });
    demo.control("/control/pay", &with(body, &more)).await.map(drop)
}

async fn fault(demo: &Demo, operation: &str, kind: &str, order: &str) -> Done {
    demo.control(
        "/control/fault",
        &json!({ "channel": "unionpay", "operation": operation, "kind": kind, "out_trade_no": order }),
    )
    .await
    .map(drop)
}

async fn at_channel(demo: &Demo, number: &Value) -> anyhow::Result<Value> {
    let all = demo.channel_orders().await?;
    let found = all["orders"]
        .as_array()
        .context("orders")?
        .iter()
        .find(|o| o["channel"] == "unionpay" && o["out_trade_no"] == *number);
    found
        .cloned()
        .with_context(|| format!("UnionPay has no order {number}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_and_each_sign_method_is_paid_told_and_paid_back() {
    let (demo, dir) = demo().await.expect("demo");
    for number in 0..3 {
        let (merchant, method) = (
            demo.merchant(number).expect("a merchant"),
            demo.place.merchants[number].sign_method(),
        );
        for (pay_way, reach) in WAYS {
            life(&demo, &merchant, dir.path(), pay_way, reach)
                .await
                .unwrap_or_else(|e| panic!("{pay_way} under {method}: {e:#}"));
            println!(
                "unionpay {pay_way} under signMethod {method}: paid by notice, told, refunded in two parts, told"
            );
        }
    }
    let sent = demo.last_request("unionpay", "create").await.expect("a request");
    assert!(
        sent.contains("merId=777290058110050") && sent.contains("signMethod=12"),
        "{sent}"
    );
    demo.services.stop().await.expect("stops");
}

/// What a refund names of its payment (`bizType`).
fn product(pay_way: &str) -> &'static str {
    match pay_way {
        "gateway" => "000201",
        "gateway_b2b" => "000202",
        _ => "000000",
    }
}

async fn life(demo: &Demo, merchant: &Merchant, dir: &Path, pay_way: &str, reach: &str) -> Done {
    let order = placed(merchant, &body(demo, pay_way, 900)).await?;
    ensure!(!order[reach].is_null(), "no {reach} in {order}");
    demo.open(&order).await?;
    // The same order again: what is handed out is signed anew and is the same order, a code is told from the record.
    let id = id(&order)?.to_owned();
    only_a_notice_tells(demo, &order).await?;
    pay(demo, &order, json!({})).await?;
    let paid = merchant.until(&id, "payment", |o| o["state"] == "paid").await?;
    ensure!(
        paid["paid"]["proof"] == "notice"
            && paid["paid"]["bank_type"] == "ICBC_DEBIT"
            && paid["payee"] == paid["account"],
        "odd payment: {paid}"
    );
    let event = told(demo, merchant, &id, "payment.paid").await?;
    let there = at_channel(demo, &order["number"]).await?;
    ensure!(
        event["payment"]["payer"]["acc_no"] == there["payer"],
        "the merchant does not hear of its payer: {event}"
    );
    for (no, amount, state) in [("r1", 300, "partly_refunded"), ("r2", 600, "refunded")] {
        let refund = post(
            merchant,
            &format!("/v1/payments/{id}/refunds"),
            &json!({ "refund_no": no, "amount": amount, "reason": "退货" }),
        )
        .await?;
        ensure!(
            refund.status == 201 && refund.json()["state"] == "processing",
            "refund answered {} {}",
            refund.status,
            refund.json()
        );
        merchant.until(&id, "refund", |o| o["state"] == state).await?;
        let (sent, product) = (demo.last_request("unionpay", "refund").await?, product(pay_way));
        ensure!(sent.contains(&format!("bizType={product}&")), "{sent}");
    }
    told(demo, merchant, &id, "refund.succeeded").await?;
    let there = at_channel(demo, &order["number"]).await?;
    ensure!(
        there["refunded_fen"] == 900 && there["refunds"].as_array().map(Vec::len) == Some(2),
        "at UnionPay: {there}"
    );
    ensure!(
        there["calls"]["refund"] == 2,
        "sent {} refunds",
        there["calls"]["refund"]
    );
    // Nobody's card is in any file of the proxy.
    let card = text(&there["payer"]);
    ensure!(
        !on_disk(&dir.join("data"), card.as_bytes()),
        "{card} is in a file"
    );
    Ok(())
}

fn on_disk(dir: &Path, wanted: &[u8]) -> bool {
    std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| {
            let path = entry.path();
            if path.is_dir() {
                on_disk(&path, wanted)
            } else {
                std::fs::read(path).is_ok_and(|octets| octets.windows(wanted.len()).any(|w| w == wanted))
            }
        })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_own_rules() {
    let (demo, _dir) = demo().await.expect("demo");
    for number in 0..3 {
        let merchant = demo.merchant(number).expect("a merchant");
        for told in [
            stories::code_lost_with_its_answer(&demo, &merchant).await,
            stories::timed_out_before_acting(&demo, &merchant).await,
            stories::tried_twice(&demo, &merchant).await,
            stories::open_to_its_end(&demo, &merchant).await,
        ] {
            println!("{}", told.expect("as told").what);
        }
    }
    let merchant = demo.merchant(0).expect("a merchant");
    no_other_way_beside(&demo, &merchant)
        .await
        .expect("no other way beside");
    handed_out_again(&demo, &merchant)
        .await
        .expect("handed out again");
    refusals(&demo, &merchant).await.expect("refusals");
    answers_that_say_nothing(&demo, &merchant)
        .await
        .expect("answers that say nothing");
    refunds_in_trouble(&demo, &merchant)
        .await
        .expect("refunds in trouble");
    demo.services.stop().await.expect("stops");
}

/// What is in the payer's hands may be paid until its end: no other way to pay takes its place.
async fn no_other_way_beside(demo: &Demo, merchant: &Merchant) -> Done {
    let mut order = body(demo, "gateway", 500);
    placed(merchant, &order).await?;
    order["channel"] = "alipay".into();
    order["pay_way"] = "qr".into();
    let other = post(merchant, "/v1/payments", &order).await?;
    ensure!(
        other.status == 409 && other.json()["code"] == "order_in_progress",
        "another way: {} {}",
        other.status,
        other.json()
    );
    Ok(())
}

async fn handed_out_again(demo: &Demo, merchant: &Merchant) -> Done {
    let asked = body(demo, "gateway", 510);
    let order = placed(merchant, &asked).await?;
    let fields = |o: &Value| o["call_up"]["form"]["fields"].clone();
    ensure!(
        fields(&order)["frontUrl"] == format!("https://{RETURN_HOST}/"),
        "sent back to {}",
        fields(&order)["frontUrl"]
    );
    ensure!(
        fields(&order)["merId"] == order["payee"]
            && order["call_up"]["page"]
                .as_str()
                .is_some_and(|page| page.contains("frontTransReq.do")),
        "odd form: {order}"
    );
    sleep(Duration::from_millis(1100)).await;
    let again = post(merchant, "/v1/payments", &asked).await?.json();
    ensure!(
        fields(&again) == fields(&order),
        "a second later it is another order: {} {}",
        fields(&order),
        fields(&again)
    );
    let shown = merchant
        .ask("GET", &format!("/v1/payments/{}", id(&order)?), None)
        .await?
        .json();
    ensure!(shown["call_up"].is_null(), "kept somewhere: {shown}");
    demo.open(&order).await?;
    demo.open(&again).await?;
    ensure!(
        at_channel(demo, &order["number"]).await?["calls"]["create"] == 2,
        "not opened twice"
    );
    Ok(())
}

async fn refusals(demo: &Demo, merchant: &Merchant) -> Done {
    let cases = [
        (json!({ "payer": { "openid": "oUpF8uMuAJO" } }), "payer"),
        (json!({ "appid": "wx4fd52d1ed208e8ac" }), "appid"),
        (json!({ "detail": "[]" }), "detail"),
        (json!({ "h5_type": "iOS" }), "h5_type"),
        (
            json!({ "return_url": format!("https://{RETURN_HOST}/x") }),
            "return_url",
        ),
        (
            json!({ "pay_way": "gateway", "return_url": "https://evil.example/x" }),
            "return_url",
        ),
        (
            json!({ "pay_way": "gateway", "quit_url": format!("https://{RETURN_HOST}/x") }),
            "quit_url",
        ),
        (json!({ "pay_way": "native" }), "pay_way"),
        (json!({ "channel": "union" }), "channel"),
    ];
    for (more, named) in cases {
        let mut asked = body(demo, "qr", 100);
        if let (Some(asked), Some(more)) = (asked.as_object_mut(), more.as_object()) {
            asked.extend(more.clone());
        }
        let answer = post(merchant, "/v1/payments", &asked).await?;
        ensure!(
            answer.status == 400 && text(&answer.json()["detail"]).contains(named),
            "{more} was answered {} {}",
            answer.status,
            answer.json()
        );
    }
    // Somebody else is never paid (C03).
    for payee in ["777290058110049", "777290058110099"] {
        let mut asked = body(demo, "qr", 100);
        asked["payee"] = payee.into();
        let answer = post(merchant, "/v1/payments", &asked).await?;
        ensure!(
            answer.status == 403,
            "payee {payee}: {} {}",
            answer.status,
            answer.json()
        );
    }
    Ok(())
}

/// What is not signed by UnionPay, cannot be read or is no answer at all leaves an order unknown, never failed.
async fn answers_that_say_nothing(demo: &Demo, merchant: &Merchant) -> Done {
    for kind in ["wrong_signature", "garbage", "status_5xx", "busy"] {
        let asked = body(demo, "qr", 520);
        fault(demo, "create", kind, &text(&asked["order_no"])).await?;
        let answer = post(merchant, "/v1/payments", &asked).await?;
        if kind == "busy" {
            ensure!(
                answer.status == 503 && answer.json()["code"] == "channel_frequency",
                "busy: {} {}",
                answer.status,
                answer.json()
            );
            continue;
        }
        ensure!(
            answer.status == 202 && answer.json()["state"] == "unknown",
            "{kind}: {} {}",
            answer.status,
            answer.json()
        );
        let id = text(&answer.json()["id"]);
        // What UnionPay had done is a code that nobody has; what it had not done is sent again.
        let over = merchant
            .until(&id, "the sweep's word", |o| o["state"] != "unknown")
            .await?;
        let wanted = if kind == "status_5xx" {
            "awaiting_payment"
        } else {
            "not_placed"
        };
        ensure!(over["state"] == wanted, "{kind}: {over}");
    }
    let order = placed(merchant, &body(demo, "qr", 530)).await?;
    let number = text(&order["number"]);
    for kind in ["wrong_signature", "garbage", "status_5xx", "busy"] {
        fault(demo, "query", kind, &number).await?;
        let close = post(
            merchant,
            &format!("/v1/payments/{}/close", id(&order)?),
            &json!({}),
        )
        .await?;
        ensure!(
            close.status == 202 && close.json()["state"] == "awaiting_payment",
            "{kind}: {} {}",
            close.status,
            close.json()
        );
    }
    pay(demo, &order, json!({})).await?;
    merchant
        .until(id(&order)?, "payment", |o| o["state"] == "paid")
        .await
        .map(drop)
}

async fn refunds_in_trouble(demo: &Demo, merchant: &Merchant) -> Done {
    for kind in [
        "timeout_before",
        "timeout_after",
        "wrong_signature",
        "garbage",
        "status_5xx",
    ] {
        let order = placed(merchant, &body(demo, "qr", 600)).await?;
        pay(demo, &order, json!({})).await?;
        let id = id(&order)?;
        merchant.until(id, "payment", |o| o["state"] == "paid").await?;
        fault(demo, "refund", kind, &text(&order["number"])).await?;
        fault(demo, "notice", "drop", &text(&order["number"])).await?;
        let refund = post(
            merchant,
            &format!("/v1/payments/{id}/refunds"),
            &json!({ "refund_no": "r1", "amount": 200 }),
        )
        .await?;
        ensure!(
            refund.status == 202 && refund.json()["state"] == "unknown",
            "{kind}: {} {}",
            refund.status,
            refund.json()
        );
        merchant
            .until(id, "refund", |o| o["refunds"][0]["state"] == "succeeded")
            .await
            .with_context(|| kind.to_owned())?;
        let there = at_channel(demo, &order["number"]).await?;
        ensure!(
            there["refunded_fen"] == 200 && there["refunds"].as_array().map(Vec::len) == Some(1),
            "{kind}: {there}"
        );
        println!(
            "refund, {kind}: paid back once, refund sent {} time(s)",
            there["calls"]["refund"]
        );
    }
    Ok(())
}

/// Nobody is told, and the order is asked for by UnionPay's own plan; and what nobody pays ends with its time, whatever a
/// close found before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_notice_and_without_a_payer() {
    let (demo, _dir) = demo().await.expect("demo");
    let merchant = demo.merchant(0).expect("a merchant");
    let mut closing = Vec::new();
    for (pay_way, opened) in [("qr", false), ("gateway", false), ("gateway", true)] {
        let mut asked = body(&demo, pay_way, 540);
        asked["expires_at"] = ends_soon().to_string().into();
        let order = placed(&merchant, &asked).await.expect("placed");
        if opened {
            demo.open(&order).await.expect("opened");
        }
        let close = post(
            &merchant,
            &format!("/v1/payments/{}/close", id(&order).expect("id")),
            &json!({}),
        )
        .await
        .expect("answered");
        assert_eq!(
            (close.status, close.json()["state"].as_str()),
            (202, Some("awaiting_payment")),
            "{pay_way}: {}",
            close.json()
        );
        closing.push((pay_way, opened, order));
    }
    let order = placed(&merchant, &body(&demo, "gateway", 550))
        .await
        .expect("placed");
    demo.open(&order).await.expect("opened");
    pay(&demo, &order, json!({ "notify": false }))
        .await
        .expect("paid");
    let paid = patiently(&merchant, &order, 40, "paid")
        .await
        .expect("found by query");
    assert_eq!(paid["paid"]["proof"], "query");
    for (pay_way, opened, order) in &closing {
        let closed = patiently(&merchant, order, 100, "closed")
            .await
            .unwrap_or_else(|e| panic!("{pay_way}, opened {opened}: {e:#}"));
        told(&demo, &merchant, id(&closed).expect("id"), "payment.closed")
            .await
            .expect("told");
    }
    demo.services.stop().await.expect("stops");
}

async fn patiently(merchant: &Merchant, order: &Value, seconds: u32, state: &str) -> anyhow::Result<Value> {
    let path = format!("/v1/payments/{}", id(order)?);
    for _ in 0..seconds * 4 {
        let now = merchant.ask("GET", &path, None).await?.json();
        if now["state"] == state {
            return Ok(now);
        }
        sleep(Duration::from_millis(250)).await;
    }
    anyhow::bail!("not {state} within {seconds} s")
}

/// Notices that are not UnionPay's, or not about this account, or changed on the way: refused, and nothing is on record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notices_that_do_not_count() {
    let (demo, _dir) = demo().await.expect("demo");
    let notify = Client::tls(
        std::net::SocketAddr::from(([127, 0, 0, 1], demo.place.ports.notify)),
        demo.ca(),
    )
    .expect("a client");
    for number in 0..3 {
        let merchant = demo.merchant(number).expect("a merchant");
        let order = placed(&merchant, &body(&demo, "qr", 560)).await.expect("placed");
        fault(&demo, "notice", "wrong_signature", &text(&order["number"]))
            .await
            .expect("a fault");
        pay(&demo, &order, json!({})).await.expect("paid");
        // The first attempt was refused; the true one comes again.
        merchant
            .until(id(&order).expect("id"), "payment", |o| o["state"] == "paid")
            .await
            .expect("paid");
        let attempts =
            at_channel(&demo, &order["number"]).await.expect("there")["notices"][0]["attempts"].clone();
        assert_eq!(
            (
                attempts[0]["signature"].as_str(),
                attempts[0]["acknowledged"].as_bool()
            ),
            (Some("wrong"), Some(false)),
            "{attempts}"
        );

        let unpaid = placed(&merchant, &body(&demo, "qr", 570)).await.expect("placed");
        let mer_id = &demo.place.merchants[number].accounts.unionpay.mer_id;
        let method = demo.place.merchants[number].sign_method();
        for forged in forgeries(&demo, mer_id, method, &unpaid) {
            let path = format!("/n/unionpay/{mer_id}");
            let headers = [("content-type", "application/x-www-form-urlencoded;charset=UTF-8")];
            let answer = notify
                .send("POST", &path, &headers, forged.1.as_bytes())
                .await
                .expect("answered");
            assert!(
                answer.status >= 400,
                "{} was answered {}",
                forged.0,
                answer.status
            );
        }
        let still = merchant
            .ask("GET", &format!("/v1/payments/{}", id(&unpaid).expect("id")), None)
            .await
            .expect("answered")
            .json();
        assert_eq!(still["state"], "awaiting_payment", "{still}");
    }
    demo.services.stop().await.expect("stops");
}

/// Name and body of notices that say that the order was paid, by somebody who is not UnionPay.
fn forgeries(demo: &Demo, mer_id: &str, method: &str, order: &Value) -> Vec<(&'static str, String)> {
    let merchant_cert = std::fs::read_to_string(
        demo.place
            .material
            .dir
            .join(&demo.place.merchants[0].accounts.unionpay.cert_file),
    )
    .expect("a certificate");
    let sign_cert =
        std::fs::read_to_string(demo.place.material.dir.join("unionpay/sign.cer")).expect("a certificate");
    let merchant_key = std::fs::read(
        demo.place
            .material
            .dir
            .join(&demo.place.merchants[0].accounts.unionpay.key_file),
    )
    .expect("a key");
    let keys = certs::Keys::default();
    let name = domain::KeyRef::new("k").expect("lawful");
    keys.put(
        name.clone(),
        certs::Material::read(&merchant_key).expect("readable"),
    );
    let of = |mer_id: &str, method: &str, certificate: &str, signature: Option<&str>| {
        let mut fields: std::collections::BTreeMap<&str, &str> = [
            ("version", "5.1.0"),
            ("encoding", "UTF-8"),
            ("signMethod", method),
            ("accessType", "0"),
            ("merId", mer_id),
            ("txnTime", "20260101080000"),
            ("bizType", "000000"),
            ("txnType", "01"),
            ("txnSubType", "07"),
            ("orderId", order["number"].as_str().expect("a number")),
            ("txnAmt", "570"),
            ("currencyCode", "156"),
            ("respCode", "00"),
            ("respMsg", "success"),
            ("queryId", "782601010800001234518"),
            ("traceTime", "0101080000"),
        ]
        .into();
        if !certificate.is_empty() {
            fields.insert("signPubKeyCert", certificate);
        }
        let text = fields
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("&");
        let own = || {
            use base64::{Engine, engine::general_purpose::STANDARD};
            use sha2::{Digest, Sha256};
            STANDARD.encode(
                keys.sign(&name, hex::encode(Sha256::digest(&text)).as_bytes())
                    .expect("signed"),
            )
        };
        let signature = signature.map_or_else(own, str::to_owned);
        fields.insert("signature", &signature);
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish()
    };
    vec![
        // Under the same middle certificate, but it is the merchant's own, not UnionPay's: the name tells.
        ("a merchant's certificate", of(mer_id, "01", &merchant_cert, None)),
        (
            "UnionPay's certificate and another's signature",
            of(mer_id, "01", &sign_cert, None),
        ),
        ("no certificate", of(mer_id, "01", "", None)),
        (
            "a digest without the secret",
            of(mer_id, "11", "", Some(&"0".repeat(64))),
        ),
        ("another digest", of(mer_id, "12", "", Some("x"))),
        ("no signature", of(mer_id, method, &sign_cert, Some(""))),
        (
            "another merchant",
            of("777290058110099", method, &merchant_cert, None),
        ),
        (
            "twice the same field",
            of(mer_id, method, &merchant_cert, None) + "&txnAmt=1",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps() {
    let yard = Yard::open().await.expect("demo");
    for step in MUTATION {
        for (pay_way, reach) in [("qr", "qr_code"), ("app", "call_up"), ("gateway", "call_up")] {
            let mut body = yard.body("unionpay", 700);
            body["pay_way"] = pay_way.into();
            let said = create_by(&yard, step, &body, reach)
                .await
                .unwrap_or_else(|e| panic!("{pay_way} {step}: {e:#}"));
            say(pay_way, "unionpay", step, &said);
        }
    }
    let said = silent(&yard).await.unwrap_or_else(|e| panic!("silent: {e:#}"));
    say("qr", "unionpay", "intent_recorded", &said);
    for step in NOTICE {
        let said = notice_point(&yard, "unionpay", step)
            .await
            .unwrap_or_else(|e| panic!("notice {step}: {e:#}"));
        say("notice", "unionpay", step, &said);
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.paid), (23, 23), "{books:?}");
    println!("{books:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_a_refund() {
    let yard = Yard::open().await.expect("demo");
    for (n, step) in MUTATION.into_iter().enumerate() {
        let said = refund_point(&yard, "unionpay", step, n % 2 == 1)
            .await
            .unwrap_or_else(|e| panic!("refund {step}: {e:#}"));
        say("refund", "unionpay", step, &said);
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.refunded_fen), (6, 2400), "{books:?}");
    println!("{books:?}");
}

/// The merchant asks no more, and what a repeat needs died with the process: not placed, told; the same order again is
/// another one at UnionPay.
async fn silent(yard: &Yard) -> anyhow::Result<String> {
    yard.restart_until("intent_recorded").await?;
    let body = yard.body("unionpay", 710);
    unanswered(yard, "/v1/payments", &body).await?;
    yard.stopped_and_started().await?;
    let found = yard
        .merchant()?
        .ask(
            "GET",
            &format!("/v1/payments?order_no={}", text(&body["order_no"])),
            None,
        )
        .await?
        .json();
    let gone = yard
        .until(id(&found)?, "outcome", |o| o["state"] != "unknown")
        .await?;
    ensure!(gone["state"] == "not_placed", "what was never sent is {gone}");
    yard.told(id(&gone)?, "payment.not_placed").await?;
    let again = repeat(yard, "/v1/payments", &body, |a| a.status == 201).await?;
    ensure!(
        again["id"] == gone["id"] && again["number"] != body["order_no"],
        "the repeat has the spent number: {again}"
    );
    yard.pay(&again).await?;
    yard.until(id(&again)?, "payment", |o| o["state"] == "paid")
        .await?;
    Ok("never sent, not placed, told; placed anew under a number of its own and paid".into())
}
