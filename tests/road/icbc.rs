//! Industrial and Commercial Bank of China 工商银行, end to end: signed XML handed out, opened, paid, told; doubt is no outcome; what
//! nobody told of ends unresolved and the merchant is told so; forged notices change nothing.

#![allow(
    clippy::print_stdout,
    reason = "what became of each order is part of the evidence"
)]

use crate::clock::ends_soon;
use crate::kills::id;
use crate::seen::{Done, pay, placed, post, shown, told, with};
use anyhow::ensure;
use sandbox::demo::{Demo, http::Client, merchant::Merchant, place::Options};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paid_told_in_doubt_and_never_guessed() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options {
        desk: false,
        merchants: 2,
        times: "silence_seconds = 2\n".into(),
        ..Options::default()
    };
    let demo = Demo::start(dir.path(), &options, false).await.expect("demo");
    let merchant = demo.merchant(0).expect("a merchant");
    // Nobody tells of these two; their end comes while the others live.
    let (untold, late) = silent(&demo, &merchant).await.expect("placed");
    for n in 0..2 {
        let merchant = demo.merchant(n).expect("a merchant");
        life(&demo, &merchant)
            .await
            .unwrap_or_else(|e| panic!("m{n}: {e:#}"));
        forged(&demo, &merchant, n)
            .await
            .unwrap_or_else(|e| panic!("m{n} forged: {e:#}"));
    }
    refused(&demo, &merchant)
        .await
        .unwrap_or_else(|e| panic!("refused: {e:#}"));
    doubt(&demo, &merchant)
        .await
        .unwrap_or_else(|e| panic!("doubt: {e:#}"));
    unresolved(&demo, &merchant, &untold, &late)
        .await
        .unwrap_or_else(|e| panic!("unresolved: {e:#}"));
    demo.services.stop().await.expect("stopped");
    demo.prove_journal().expect("the journal verifies");
}

fn body(demo: &Demo, more: Value) -> Value {
    let body = json!({ "order_no": demo.next_number(), "channel": "icbc", "pay_way": "gateway", "amount": 500, "description": "龙井茶 & <点心>", "client_ip": "203.0.113.9" });
    with(body, &more)
}

async fn opened(demo: &Demo, merchant: &Merchant, more: Value) -> anyhow::Result<Value> {
    let order = placed(merchant, &body(demo, more)).await?;
    demo.open(&order).await?;
    Ok(order)
}

async fn life(demo: &Demo, merchant: &Merchant) -> Done {
    let order = opened(demo, merchant, json!({})).await?;
    demo.open(&order).await?;
    pay(demo, &order, true).await?;
    let paid = merchant
        .until(id(&order)?, "payment", |o| o["state"] == "paid")
        .await?;
    ensure!(
        paid["paid"]["amount"] == 500 && paid["paid"]["proof"] == "notice",
        "{paid}"
    );
    told(demo, merchant, id(&order)?, "payment.paid").await?;
    let refund = post(
        merchant,
        &format!("/v1/payments/{}/refunds", id(&order)?),
        &json!({ "refund_no": "r1", "amount": 200 }),
    )
    .await?;
    ensure!(
        refund.status == 403
            && refund.json()["detail"]
                .as_str()
                .is_some_and(|d| d.contains("merchant console")),
        "refund answered {} {}",
        refund.status,
        refund.json()
    );
    println!("icbc gateway: opened, paid, told; no refund by message, and it says so");
    Ok(())
}

//= C74
async fn forged(demo: &Demo, merchant: &Merchant, n: usize) -> Done {
    let order = opened(demo, merchant, json!({})).await?;
    let account = &demo.place.merchants[n].accounts.icbc;
    let clear = Client::clear(([127, 0, 0, 1], demo.place.ports.banks).into());
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let place = format!("/n/icbc/{}", account.mer_id);
    for form in [
        "merVAR=&notifyData=PD94bWwgdmVyc2lvbj0iMS4wIj8%2B&signMsg=AAAA".to_owned(),
        format!(
            "merVAR=&notifyData=PD94bWwgdmVyc2lvbj0iMS4wIj8%2B&signMsg={}",
            "QUFB".repeat(64)
        ),
        "x".into(),
    ] {
        let answer = clear.send("POST", &place, &headers, form.as_bytes()).await?;
        ensure!(
            answer.status == 401,
            "a forged notice was answered {}",
            answer.status
        );
    }
    ensure!(
        shown(merchant, &order).await?["state"] == "awaiting_payment",
        "a forged notice counted"
    );
    demo.control("/control/fault", &json!({ "channel": "icbc", "operation": "notice", "kind": "wrong_signature", "out_trade_no": order["number"] })).await?;
    demo.control("/control/clock", &json!({ "speed": 60.0 })).await?;
    pay(demo, &order, true).await?;
    merchant
        .until(id(&order)?, "payment", |o| o["state"] == "paid")
        .await
        .map(drop)
}

async fn refused(demo: &Demo, merchant: &Merchant) -> Done {
    for (more, field) in [
        (json!({ "attach": "table 7" }), "attach"),
        (json!({ "description": "tea 😀" }), "description"),
        (json!({ "return_url": "https://shop.example/back" }), "return_url"),
        (json!({ "payer": { "openid": "o1" } }), "payer"),
        (json!({ "pay_way": "page" }), "pay_way"),
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
    let order = opened(demo, merchant, json!({})).await?;
    let close = post(
        merchant,
        &format!("/v1/payments/{}/close", id(&order)?),
        &json!({}),
    )
    .await?;
    ensure!(
        close.status == 403
            && close.json()["detail"]
                .as_str()
                .is_some_and(|d| d.contains("No close by message")),
        "close answered {} {}",
        close.status,
        close.json()
    );
    Ok(())
}

/// The bank's own doubt changes nothing, whoever looks; its later word does.
async fn doubt(demo: &Demo, merchant: &Merchant) -> Done {
    let order = opened(demo, merchant, json!({})).await?;
    // Its second word comes late enough for a look at what its first one did.
    demo.control("/control/clock", &json!({ "speed": 1.0 })).await?;
    demo.control("/control/fault", &json!({ "channel": "icbc", "operation": "notice", "kind": "doubtful", "out_trade_no": order["number"] })).await?;
    pay(demo, &order, true).await?;
    sleep(Duration::from_millis(1500)).await;
    let in_doubt = shown(merchant, &order).await?;
    ensure!(
        in_doubt["state"] == "awaiting_payment",
        "a doubt counted: {in_doubt}"
    );
    merchant
        .until(id(&order)?, "payment", |o| o["state"] == "paid")
        .await
        .map(drop)
}

/// Two orders that end soon: nobody ever tells of the one, somebody tells too late of the other.
async fn silent(demo: &Demo, merchant: &Merchant) -> anyhow::Result<(Value, Value)> {
    let end = || json!({ "expires_at": ends_soon().to_string() });
    let untold = opened(demo, merchant, end()).await?;
    pay(demo, &untold, false).await?;
    Ok((untold, opened(demo, merchant, end()).await?))
}

//= C82
async fn unresolved(demo: &Demo, merchant: &Merchant, untold: &Value, late: &Value) -> Done {
    for order in [untold, late] {
        let mut state = Value::Null;
        for _ in 0..500 {
            state = shown(merchant, order).await?["state"].clone();
            if state == "unresolved" {
                break;
            }
            sleep(Duration::from_millis(200)).await;
        }
        ensure!(state == "unresolved", "what nobody told of is {state}");
        told(demo, merchant, id(order)?, "payment.unresolved").await?;
    }
    // Paid at the bank all along: only its notice can tell.
    ensure!(
        shown(merchant, untold).await?["state"] == "unresolved",
        "somebody guessed"
    );
    pay(demo, late, true).await?;
    merchant
        .until(id(late)?, "a late notice", |o| o["state"] == "paid")
        .await?;
    told(demo, merchant, id(late)?, "payment.paid").await?;
    Ok(())
}
