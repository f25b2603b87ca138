//! China Construction Bank 建设银行, end to end: handed out as a form, opened, paid, told by the bank in clear and signed, found
//! by query, refused a refund; forged notices and page returns change nothing.

#![allow(
    clippy::print_stdout,
    reason = "what became of each order is part of the evidence"
)]

use crate::kills::id;
use crate::seen::{Done, only_a_notice_tells, pay, placed, post, shown, told, with};
use anyhow::{Context as _, ensure};
use domain::TradeEntry;
use journal::{Reader, disk::RealDisk};
use sandbox::demo::{Demo, http::Client, merchant::Merchant, place::Options};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paid_told_found_and_never_guessed() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options {
        desk: false,
        merchants: 2,
        ..Options::default()
    };
    let demo = Demo::start(dir.path(), &options, false).await.expect("demo");
    for n in 0..2 {
        let merchant = demo.merchant(n).expect("a merchant");
        for notify in [true, false] {
            life(&demo, &merchant, notify)
                .await
                .unwrap_or_else(|e| panic!("m{n}, notice {notify}: {e:#}"));
        }
        println!("ccb gateway: paid by notice and by query, told; no refund by message, and it says so");
        forged(&demo, &merchant, n)
            .await
            .unwrap_or_else(|e| panic!("m{n} forged: {e:#}"));
    }
    let merchant = demo.merchant(0).expect("a merchant");
    let began = Instant::now();
    let doubtful = closed_into_doubt(&demo, &merchant)
        .await
        .unwrap_or_else(|e| panic!("doubt: {e:#}"));
    refused(&demo, &merchant)
        .await
        .unwrap_or_else(|e| panic!("refused: {e:#}"));
    faults(&demo, &merchant)
        .await
        .unwrap_or_else(|e| panic!("faults: {e:#}"));
    closing(&demo, &merchant)
        .await
        .unwrap_or_else(|e| panic!("closing: {e:#}"));
    let (asked, most) = (
        asked(&demo, &doubtful).await.expect("the bank's book"),
        10 + began.elapsed().as_secs(),
    );
    demo.services.stop().await.expect("stopped");
    demo.prove_journal().expect("the journal verifies");
    let written = written(&demo, &doubtful).expect("the journal");
    println!("ccb: closed into doubt, asked for {asked} times: {written:?}");
    let names = [
        "attempt_intended",
        "attempt_placed",
        "close_intended",
        "close_unknown",
    ];
    assert_eq!(written, names, "looks that find nothing new are no news");
    assert!((3..most).contains(&asked), "asked for {asked} times");
}

fn body(demo: &Demo, more: Value) -> Value {
    let body = json!({ "order_no": demo.next_number(), "channel": "ccb", "pay_way": "gateway", "amount": 500, "description": "龙井茶 & 点心", "client_ip": "203.0.113.9" });
    with(body, &more)
}

async fn life(demo: &Demo, merchant: &Merchant, notify: bool) -> Done {
    let order = placed(merchant, &body(demo, json!({}))).await?;
    let fields = &order["call_up"]["form"]["fields"];
    ensure!(
        fields["PROINFO"] == "%u9F99%u4E95%u8336%20%26%20%u70B9%u5FC3"
            && fields["PUB"].is_null()
            && fields["REMARK1"] == "",
        "handed out {order}"
    );
    // The same order again is the same form: one order at the bank, however often it is signed.
    demo.open(&order).await?;
    demo.open(&order).await?;
    if notify {
        only_a_notice_tells(demo, &order).await?;
    }
    pay(demo, &order, notify).await?;
    let order_id = id(&order)?;
    let paid = merchant
        .until(order_id, "payment", |o| o["state"] == "paid")
        .await?;
    ensure!(
        paid["paid"]["amount"] == 500 && paid["paid"]["proof"] == if notify { "notice" } else { "query" },
        "{paid}"
    );
    told(demo, merchant, id(&order)?, "payment.paid").await?;
    let path = format!("/v1/payments/{order_id}/refunds");
    let refund = post(merchant, &path, &json!({ "refund_no": "r1", "amount": 200 })).await?;
    ensure!(
        refund.status == 403
            && refund.json()["detail"]
                .as_str()
                .is_some_and(|d| d.contains("merchant console")),
        "refund answered {} {}",
        refund.status,
        refund.json()
    );
    let after = shown(merchant, &order).await?;
    ensure!(
        after["state"] == "paid" && after["refunds"].as_array().is_none_or(Vec::is_empty),
        "{after}"
    );
    Ok(())
}

//= C74
/// What the bank did not sign, or what a browser brings back, is refused and changes nothing; and through the door in clear
/// nobody but a bank comes in.
async fn forged(demo: &Demo, merchant: &Merchant, n: usize) -> Done {
    let order = placed(merchant, &body(demo, json!({}))).await?;
    demo.open(&order).await?;
    let account = &demo.place.merchants[n].accounts.ccb;
    let clear = Client::clear(([127, 0, 0, 1], demo.place.ports.banks).into());
    let tls = Client::tls(([127, 0, 0, 1], demo.place.ports.notify).into(), demo.ca())?;
    let number = order["number"].as_str().unwrap_or_default();
    let form = format!(
        "POSID={}&BRANCHID={}&ORDERID={number}&PAYMENT=5.00&CURCODE=01&REMARK1=&REMARK2=&SUCCESS=Y&TYPE=1&REFERER=&CLIENTIP=&ERRMSG=&SIGN={}",
        account.pos_id,
        account.branch_id,
        "5a".repeat(256)
    );
    let place = format!("/n/ccb/{}", account.pos_id);
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    for client in [&clear, &tls] {
        for (method, target, body, status) in [
            ("POST", place.clone(), form.as_str(), 401),
            ("GET", format!("{place}?{form}"), "", 405),
            ("POST", format!("{place}?{form}"), "", 405),
            ("POST", "/n/ccb/000000001".into(), form.as_str(), 404),
        ] {
            let answer = client.send(method, &target, &headers, body.as_bytes()).await?;
            ensure!(
                answer.status == status,
                "{method} {target} answered {}",
                answer.status
            );
        }
    }
    let sp_no = &demo.place.merchants[n].accounts.baidu.sp_no;
    for target in [
        format!("/n/baidu/{sp_no}?order_no=1"),
        "/v1/payments".into(),
        "/metrics".into(),
    ] {
        let answer = clear.send("GET", &target, &[], b"").await?;
        ensure!(
            answer.status == 404,
            "{target} in clear answered {}",
            answer.status
        );
    }
    ensure!(
        shown(merchant, &order).await?["state"] == "awaiting_payment",
        "a forged notice counted"
    );
    // One attempt of the bank's own with a wrong signature is refused, its repeat counts.
    demo.control("/control/fault", &json!({ "channel": "ccb", "operation": "notice", "kind": "wrong_signature", "out_trade_no": number })).await?;
    pay(demo, &order, true).await?;
    merchant
        .until(id(&order)?, "payment", |o| o["state"] == "paid")
        .await
        .map(drop)
}

async fn refused(demo: &Demo, merchant: &Merchant) -> Done {
    for (more, field) in [
        (json!({ "attach": "table 7" }), "attach"),
        (json!({ "return_url": "https://shop.example/back" }), "return_url"),
        (json!({ "appid": "wx0000000000000000" }), "appid"),
        (json!({ "payer": { "openid": "o1" } }), "payer"),
        (json!({ "pay_way": "gateway_b2b" }), "pay_way"),
        (json!({ "detail": "{}" }), "detail"),
    ] {
        let answer = post(merchant, "/v1/payments", &body(demo, more)).await?;
        ensure!(
            answer.status == 400
                && answer.json()["detail"]
                    .as_str()
                    .is_some_and(|d| d.contains(field)),
            "{field}: {} {}",
            answer.status,
            answer.json()
        );
    }
    // Somebody else's numbers: the payee is the account's own or nobody.
    let answer = post(
        merchant,
        "/v1/payments",
        &body(demo, json!({ "payee": "105000000000099" })),
    )
    .await?;
    ensure!(
        (400..500).contains(&answer.status),
        "another payee: {} {}",
        answer.status,
        answer.json()
    );
    Ok(())
}

/// A query that is not answered, or in garbage, proves nothing; the next one that is finds the payment.
async fn faults(demo: &Demo, merchant: &Merchant) -> Done {
    let mut orders = Vec::new();
    for kind in ["timeout_before", "timeout_after", "garbage", "status_5xx", "busy"] {
        let order = placed(merchant, &body(demo, json!({}))).await?;
        demo.open(&order).await?;
        demo.control("/control/fault", &json!({ "channel": "ccb", "operation": "query", "kind": kind, "count": 1, "out_trade_no": order["number"] })).await?;
        pay(demo, &order, false).await?;
        orders.push((kind, order));
    }
    // The second look comes after five minutes, twenty seconds here.
    for (kind, order) in orders {
        let mut last = Value::Null;
        for _ in 0..450 {
            last = shown(merchant, &order).await?;
            if last["state"] == "paid" {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
        ensure!(last["paid"]["proof"] == "query", "{kind}: {last}");
    }
    Ok(())
}

/// The payer opened it and did not pay, and may still: so the merchant's close has no end for days, and is asked for all the while.
async fn closed_into_doubt(demo: &Demo, merchant: &Merchant) -> anyhow::Result<Value> {
    let order = placed(merchant, &body(demo, json!({}))).await?;
    demo.open(&order).await?;
    let declined =
        json!({ "channel": "ccb", "out_trade_no": order["number"], "outcome": "declined", "notify": false });
    demo.control("/control/pay", &declined).await?;
    let answer = post(
        merchant,
        &format!("/v1/payments/{}/close", id(&order)?),
        &json!({}),
    )
    .await?;
    ensure!(answer.status == 202, "close answered {}", answer.status);
    Ok(order)
}

/// How often the bank was asked for it.
async fn asked(demo: &Demo, order: &Value) -> anyhow::Result<u64> {
    let all = demo.channel_orders().await?;
    let mut all = all["orders"].as_array().into_iter().flatten();
    let there = all.find(|there| there["channel"] == "ccb" && there["out_trade_no"] == order["number"]);
    there
        .and_then(|there| there["calls"]["query"].as_u64())
        .context("asked for")
}

/// What is on record of it.
fn written(demo: &Demo, order: &Value) -> anyhow::Result<Vec<&'static str>> {
    let reader = Reader::open(Arc::new(RealDisk), &demo.place.dir.join("data/trades"))?;
    let mut names = Vec::new();
    for entry in reader.scan(0) {
        let entry = TradeEntry::from_canonical(&entry?.1)?;
        if entry.order.is_some_and(|own| order["id"] == own.to_string()) {
            names.push(entry.event.name());
        }
    }
    Ok(names)
}

/// The bank has no close, and its form no end: a close waits, nothing is handed out any more, and who pays has paid.
async fn closing(demo: &Demo, merchant: &Merchant) -> Done {
    let (opened, unopened) = (
        placed(merchant, &body(demo, json!({}))).await?,
        placed(merchant, &body(demo, json!({}))).await?,
    );
    demo.open(&opened).await?;
    for order in [&opened, &unopened] {
        let answer = post(
            merchant,
            &format!("/v1/payments/{}/close", id(order)?),
            &json!({}),
        )
        .await?;
        ensure!(
            answer.status == 202 && answer.json()["state"] == "awaiting_payment",
            "close answered {} {}",
            answer.status,
            answer.json()
        );
    }
    pay(demo, &opened, true).await?;
    merchant
        .until(id(&opened)?, "payment", |o| o["state"] == "paid")
        .await?;
    told(demo, merchant, id(&opened)?, "payment.paid").await?;
    let waits = shown(merchant, &unopened).await?;
    ensure!(
        waits["state"] == "awaiting_payment" && waits["call_up"].is_null(),
        "{waits}"
    );
    Ok(())
}
