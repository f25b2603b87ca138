//! Alipay's codes before anybody has scanned them: no trade at Alipay, and still in somebody's hands. A close waits for the
//! scan or for the order's end, and whoever pays meanwhile has paid.

#![allow(
    clippy::print_stdout,
    reason = "what became of each order is part of the evidence"
)]

use crate::{
    clock::{ends_soon, now},
    kills::{MUTATION, Yard, id, say, text},
    native::{Sdk, shown},
    through,
};
use anyhow::{bail, ensure};
use sandbox::demo::http::Answer;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

type Done = anyhow::Result<()>;

async fn post(yard: &Yard, path: &str, body: &Value) -> anyhow::Result<Answer> {
    yard.merchant()?.ask("POST", path, Some(body)).await
}

async fn get(yard: &Yard, id: &str) -> anyhow::Result<Value> {
    Ok(yard
        .merchant()?
        .ask("GET", &format!("/v1/payments/{id}"), None)
        .await?
        .json())
}

async fn close(yard: &Yard, id: &str) -> anyhow::Result<Answer> {
    post(yard, &format!("/v1/payments/{id}/close"), &json!({})).await
}

/// A close that finds nothing: still awaiting, and the code is shown to nobody any more.
async fn waits(yard: &Yard, id: &str) -> Done {
    let answer = close(yard, id).await?;
    let order = answer.json();
    ensure!(
        answer.status == 202 && order["state"] == "awaiting_payment" && order["qr_code"].is_null(),
        "close answered {} {order}",
        answer.status
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_nobody_scanned_is_closed_once_it_is_scanned_or_over() {
    let yard = Yard::open().await.expect("demo");
    let (scanned, paid, over, sdk) = tokio::join!(
        closed_when_scanned(&yard),
        paid_after_the_close(&yard),
        over_without_a_scan(&yard),
        by_an_sdk(&yard)
    );
    for (what, done) in [("scanned", scanned), ("paid", paid), ("over", over), ("sdk", sdk)] {
        done.unwrap_or_else(|e| panic!("{what}: {e:#}"));
    }
}

async fn closed_when_scanned(yard: &Yard) -> Done {
    let body = yard.body("alipay", 430);
    let order = post(yard, "/v1/payments", &body).await?.json();
    ensure!(order["qr_code"].is_string(), "no code in {order}");
    let id = id(&order)?;
    waits(yard, id).await?;
    waits(yard, id).await?;
    let again = post(yard, "/v1/payments", &body).await?;
    ensure!(
        again.status == 200 && again.json()["qr_code"].is_null(),
        "shown again: {}",
        again.json()
    );
    let mut other = body.clone();
    (other["pay_way"], other["channel"]) = ("native".into(), "wechat".into());
    let other = post(yard, "/v1/payments", &other).await?;
    ensure!(
        other.status == 409 && other.json()["code"] == "order_in_progress",
        "two open ways: {} {}",
        other.status,
        other.json()
    );
    sleep(Duration::from_secs(3)).await; // the sweep has looked more than once
    ensure!(
        get(yard, id).await?["state"] == "awaiting_payment",
        "called closed while it can be scanned"
    );
    ensure!(
        yard.at_channel(&order).await?[0]["state"] == "NOT_EXIST",
        "there before the scan"
    );
    yard.demo.open(&order).await?;
    yard.until(id, "close", |o| o["state"] == "closed").await?;
    ensure!(
        yard.at_channel(&order).await?[0]["state"] == "TRADE_CLOSED",
        "open at the channel"
    );
    yard.told(id, "payment.closed").await
}

/// The payer was faster: the payment stands, the merchant hears of it and of nothing else, and can pay it back.
async fn paid_after_the_close(yard: &Yard) -> Done {
    for notify in [true, false] {
        let order = post(yard, "/v1/payments", &yard.body("alipay", 440))
            .await?
            .json();
        let id = id(&order)?;
        waits(yard, id).await?;
        let pay = json!({ "channel": "alipay", "out_trade_no": order["number"], "outcome": "paid", "notify": notify });
        yard.demo.control("/control/pay", &pay).await?;
        yard.until(id, "payment", |o| o["state"] == "paid").await?;
        yard.told(id, "payment.paid").await?;
        let events: Vec<String> = yard
            .demo
            .shop()
            .told(yard.merchant()?.id(), id)
            .iter()
            .map(|e| text(&e["type"]))
            .collect();
        ensure!(events == ["payment.paid"], "told {events:?}");
        let refund = post(
            yard,
            &format!("/v1/payments/{id}/refunds"),
            &json!({ "refund_no": "r", "amount": 440 }),
        )
        .await?;
        ensure!(refund.status < 300, "refund answered {}", refund.json());
        yard.until(id, "refund", |o| o["state"] == "refunded").await?;
    }
    Ok(())
}

async fn over_without_a_scan(yard: &Yard) -> Done {
    let end = ends_soon();
    let mut body = yard.body("alipay", 450);
    body["expires_at"] = end.to_string().into();
    let order = post(yard, "/v1/payments", &body).await?.json();
    let id = id(&order)?;
    waits(yard, id).await?;
    for _ in 0..450 {
        if get(yard, id).await?["state"] == "closed" {
            ensure!(now() >= end, "closed before its end");
            let pay = json!({ "channel": "alipay", "out_trade_no": order["number"], "outcome": "paid" });
            ensure!(
                yard.demo.control("/control/pay", &pay).await.is_err(),
                "paid after its end"
            );
            return yard.told(id, "payment.closed").await;
        }
        sleep(Duration::from_millis(200)).await;
    }
    bail!("not closed")
}

/// A merchant's SDK hears Alipay's own word; here the order waits. The same number does not go out again meanwhile: Alipay
/// would hand its code out anew.
async fn by_an_sdk(yard: &Yard) -> Done {
    let sdk = Sdk::of(yard, "alipay")?;
    let (number, order) = through::placed(yard, &sdk, 460, None).await?;
    let answer = sdk.close(&number).await?.json();
    ensure!(
        answer["alipay_trade_close_response"]["sub_code"] == "ACQ.TRADE_NOT_EXIST",
        "not the channel's own word: {answer}"
    );
    ensure!(
        shown(yard, &number).await?["state"] == "awaiting_payment",
        "called closed"
    );
    let again = sdk.create(&number, 460, None).await?.json();
    ensure!(
        again["error_response"]["sub_code"] == "ACQ.TRADE_HAS_CLOSE",
        "went out again: {again}"
    );
    yard.demo.open(&order).await?;
    yard.until(id(&order)?, "close", |o| o["state"] == "closed")
        .await?;
    ensure!(
        yard.at_channel(&order).await?[0]["state"] == "TRADE_CLOSED",
        "open at the channel"
    );
    Ok(())
}

/// Killed between every two steps of a close that finds nothing: it still waits, and the scan ends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_a_close_before_the_scan() {
    let yard = Yard::open().await.expect("demo");
    for step in MUTATION {
        let said = close_point(&yard, step)
            .await
            .unwrap_or_else(|e| panic!("{step}: {e:#}"));
        say("close before the scan", "alipay", step, &said);
    }
}

async fn close_point(yard: &Yard, step: &str) -> anyhow::Result<String> {
    let order = yard.placed("alipay", 470).await?;
    let id = id(&order)?;
    yard.restart_until(step).await?;
    ensure!(
        close(yard, id).await.is_err(),
        "answered although the proxy ended before"
    );
    yard.stopped_and_started().await?;
    yard.keeps_its_word().await?;
    // Before the intent nobody has asked for a close.
    if step == "before_intent" {
        waits(yard, id).await?;
    }
    sleep(Duration::from_secs(2)).await;
    ensure!(
        get(yard, id).await?["state"] == "awaiting_payment",
        "called closed while it can be scanned"
    );
    yard.demo.open(&order).await?;
    let closed = yard.until(id, "close", |o| o["state"] == "closed").await?;
    let there = yard.at_channel(&closed).await?;
    ensure!(
        there.len() == 1 && there[0]["state"] == "TRADE_CLOSED",
        "at the channel: {there:?}"
    );
    yard.told(id, "payment.closed").await?;
    Ok("waited for the scan, closed then, told".into())
}
