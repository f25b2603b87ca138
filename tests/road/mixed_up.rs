//! A channel that mixes its answers up: signed rightly, and about another order of the same amount that was paid, or another's
//! refund. Nothing is learned from them of ours, it is on record once, and the truth counts as soon as it is told.

use crate::kills::{Yard, id};
use crate::refunds::{Attack, each, fault, paid, refunds_of};
use crate::routes::entries;
use crate::seen::{Done, pay, placed, post, with};
use anyhow::ensure;
use domain::{Mismatch, TradeEvent};
use sandbox::demo::place::{Options, RETURN_HOST};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::sleep;

const FEN: u64 = 730;

/// Every protocol in which an order is asked for.
const WAYS: [(&str, &str); 6] = [
    ("wechat", "native"),
    ("alipay", "qr"),
    ("unionpay", "qr"),
    ("baidu", "page"),
    ("ccb", "gateway"),
    ("cmb", "gateway"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C31
async fn what_a_channel_says_of_another_order_is_never_believed_of_this_one() {
    let yard = Arc::new(Yard::open().await.expect("demo"));
    let mut all: Vec<(String, Attack)> = Vec::new();
    for way in WAYS {
        let yard = yard.clone();
        let name = format!("{way:?} asked");
        all.push((name, Box::pin(async move { asked(&yard, way).await })));
    }
    let applied = yard.clone();
    all.push((
        "unionpay placed".into(),
        Box::pin(async move { led_to_another(&applied).await }),
    ));
    for channel in ["wechat", "alipay", "unionpay"] {
        let yard = yard.clone();
        let name = format!("{channel} charged");
        all.push((name, Box::pin(async move { charged(&yard, channel).await })));
    }
    for (way, operation) in [
        (WAYS[0], "refund"),
        (("wechat", "micropay"), "refund"),
        (WAYS[1], "refund"),
        (WAYS[2], "refund"),
        (WAYS[3], "refund"),
        (WAYS[2], "refund_query"),
    ] {
        let yard = yard.clone();
        let name = format!("{way:?} {operation}");
        all.push((
            name,
            Box::pin(async move { paid_back(&yard, way, operation).await }),
        ));
    }
    each(all).await;
    other_kind(&yard).await.expect("another kind");
    let yard = Arc::into_inner(yard).expect("nobody else has it");
    yard.demo.services.stop_proxy().await.expect("stops");
    yard.demo.prove_journal().expect("the journal is whole");
}

/// The same where Alipay is spoken to by OpenAPI v3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C31
async fn what_openapi_v3_says_of_another_order_is_never_believed_of_this_one() {
    let options = Options {
        openapi_v3: true,
        ..Options::default()
    };
    let yard = Yard::with(options).await.expect("demo");
    let way = ("alipay", "qr");
    asked(&yard, way).await.unwrap_or_else(|e| panic!("asked: {e:#}"));
    charged(&yard, "alipay")
        .await
        .unwrap_or_else(|e| panic!("charged: {e:#}"));
    for operation in ["refund", "refund_query"] {
        paid_back(&yard, way, operation)
            .await
            .unwrap_or_else(|e| panic!("{operation}: {e:#}"));
    }
    let sent = yard.demo.last_request("alipay", "query").await.expect("sent");
    assert!(sent.starts_with('{'), "not by OpenAPI v3: {sent}");
    yard.demo.services.stop_proxy().await.expect("stops");
    yard.demo.prove_journal().expect("the journal is whole");
}

/// An open order of this way, of which the channel knows.
async fn open(yard: &Yard, (channel, way): (&str, &str)) -> anyhow::Result<Value> {
    let body = json!({ "order_no": yard.demo.next_number(), "channel": channel, "pay_way": way, "amount": FEN, "description": "奶茶", "client_ip": "203.0.113.9" });
    let more = match channel {
        "baidu" | "cmb" => json!({ "return_url": format!("https://{RETURN_HOST}/back") }),
        _ => json!({}),
    };
    let order = placed(&yard.merchant()?, &with(body, &more)).await?;
    yard.demo.open(&order).await?;
    Ok(order)
}

/// How often it is on record of this order that an answer was about another.
async fn mismatches(yard: &Yard, order: &Value) -> anyhow::Result<usize> {
    let all = entries(&yard.demo).await?;
    let of_it = |event: &TradeEvent| {
        matches!(
            event,
            TradeEvent::Mismatched {
                what: Mismatch::Number,
                ..
            }
        )
    };
    let ours = all
        .iter()
        .filter(|e| e.order.is_some_and(|own| order["id"] == own.to_string()));
    Ok(ours.filter(|e| of_it(&e.event)).count())
}

/// Waits until the channel has mixed up as many answers about this order as it was told to. A refund of it asks whether it was
/// paid, at once; a bank, which takes none, is asked by the sweep.
async fn used_up(yard: &Yard, order: &Value) -> Done {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(90) {
        let left = yard.demo.faults().await?;
        let waits = |fault: &Value| fault["out_trade_no"] == order["number"];
        if !left["faults"].as_array().into_iter().flatten().any(waits) {
            return Ok(());
        }
        if order["channel"] != "ccb" && order["channel"] != "cmb" {
            let refund = json!({ "refund_no": "early", "amount": FEN });
            let answer = post(&yard.merchant()?, &refunds_of(order)?, &refund).await?;
            ensure!(
                answer.status == 409 && answer.json()["code"] == "order_not_paid",
                "a refund of what nobody paid answered {} {}",
                answer.status,
                answer.json()
            );
        }
        sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the channel was not asked")
}

async fn state(yard: &Yard, order: &Value) -> anyhow::Result<Value> {
    let path = format!("/v1/payments/{}", id(order)?);
    Ok(yard.merchant()?.ask("GET", &path, None).await?.json())
}

async fn asked(yard: &Yard, way: (&str, &str)) -> Done {
    let other = open(yard, way).await?;
    pay(&yard.demo, &other, true).await?;
    yard.until(id(&other)?, "payment", |o| o["state"] == "paid")
        .await?;
    let order = open(yard, way).await?;
    let bank = matches!(way.0, "ccb" | "cmb");
    fault(yard, &order, "query", "other_order", if bank { 1 } else { 3 }).await?;
    used_up(yard, &order).await?;
    let known = state(yard, &order).await?;
    ensure!(known["state"] == "awaiting_payment", "{known}");
    ensure!(mismatches(yard, &order).await? == 1, "not once on record");
    pay(&yard.demo, &order, false).await?;
    if !bank {
        let refund = json!({ "refund_no": "r1", "amount": FEN });
        let answer = post(&yard.merchant()?, &refunds_of(&order)?, &refund).await?;
        ensure!(answer.status < 300, "{} {}", answer.status, answer.json());
    }
    let began = Instant::now();
    let known = loop {
        let known = state(yard, &order).await?;
        match known["paid"]["proof"].is_string() || began.elapsed() > Duration::from_secs(90) {
            true => break known,
            false => sleep(Duration::from_millis(200)).await,
        }
    };
    ensure!(
        known["paid"]["proof"] == "query",
        "the truth does not count: {known}"
    );
    println!("{way:?}: answers about another order, on record once; then paid by query");
    Ok(())
}

/// The answer to an application for a code names another order: its code is in nobody's hands, and the merchant's repeat is an
/// order of its own.
async fn led_to_another(yard: &Yard) -> Done {
    let way = WAYS[2];
    paid(yard, way, FEN).await?;
    let body = json!({ "order_no": yard.demo.next_number(), "channel": way.0, "pay_way": way.1, "amount": FEN, "description": "奶茶" });
    let order = json!({ "channel": way.0, "number": body["order_no"] });
    fault(yard, &order, "create", "other_order", 1).await?;
    let answer = post(&yard.merchant()?, "/v1/payments", &body).await?;
    let order = answer.json();
    ensure!(
        answer.status == 202 && order["state"] == "unknown" && order["qr_code"].is_null(),
        "{} {order}",
        answer.status
    );
    ensure!(mismatches(yard, &order).await? == 1, "not once on record");
    yard.until(id(&order)?, "the end of it", |o| o["state"] == "not_placed")
        .await?;
    let again = post(&yard.merchant()?, "/v1/payments", &body).await?;
    ensure!(
        again.status == 201 && again.json()["qr_code"].is_string(),
        "{} {}",
        again.status,
        again.json()
    );
    Ok(())
}

/// The answer to the charging call itself.
async fn charged(yard: &Yard, channel: &str) -> Done {
    let way = (channel, "micropay");
    paid(yard, way, FEN).await?;
    let code = yard.demo.next_code(channel);
    let will = json!({ "channel": channel, "auth_code": code, "outcome": "paid" });
    yard.demo.control("/control/pay", &will).await?;
    let body = json!({ "order_no": yard.demo.next_number(), "channel": channel, "pay_way": way.1, "amount": FEN, "description": "奶茶", "auth_code": code, "client_ip": "203.0.113.7" });
    let order = json!({ "channel": channel, "number": body["order_no"] });
    fault(yard, &order, "create", "other_order", 1).await?;
    fault(yard, &order, "notice", "drop", 9).await?;
    let answer = post(&yard.merchant()?, "/v1/payments", &body).await?;
    let order = answer.json();
    ensure!(
        answer.status == 202 && order["state"] == "unknown",
        "{} {order}",
        answer.status
    );
    let known = yard
        .until(id(&order)?, "payment", |o| o["state"] == "paid")
        .await?;
    ensure!(known["paid"]["proof"] == "query", "{known}");
    ensure!(mismatches(yard, &order).await? == 1, "not once on record");
    Ok(())
}

async fn paid_back(yard: &Yard, way: (&str, &str), operation: &str) -> Done {
    let merchant = yard.merchant()?;
    let (other, order) = (paid(yard, way, FEN).await?, paid(yard, way, FEN).await?);
    let refund = json!({ "refund_no": "r1", "amount": 210 });
    let done = |o: &Value| o["refunds"][0]["state"] == "succeeded";
    post(&merchant, &refunds_of(&other)?, &refund).await?;
    yard.until(id(&other)?, "the other's refund", done).await?;
    fault(yard, &order, "notice", "drop", 9).await?;
    fault(yard, &order, operation, "other_order", 1).await?;
    if operation == "refund_query" {
        fault(yard, &order, "refund", "timeout_after", 1).await?;
    }
    let answer = post(&merchant, &refunds_of(&order)?, &refund).await?;
    ensure!(
        answer.status == 202 && answer.json()["state"] == "unknown",
        "{} {}",
        answer.status,
        answer.json()
    );
    yard.until(id(&order)?, "the refund", done).await?;
    ensure!(mismatches(yard, &order).await? == 1, "not once on record");
    Ok(())
}

/// UnionPay states another kind of transaction: a payment that a cancel's answer tells of is none.
async fn other_kind(yard: &Yard) -> Done {
    let order = open(yard, WAYS[2]).await?;
    fault(yard, &order, "query", "other_type", 2).await?;
    pay(&yard.demo, &order, false).await?;
    used_up(yard, &order).await?;
    let refund = json!({ "refund_no": "r1", "amount": FEN });
    let answer = post(&yard.merchant()?, &refunds_of(&order)?, &refund).await?;
    ensure!(answer.status < 300, "{} {}", answer.status, answer.json());
    let known = state(yard, &order).await?;
    ensure!(known["paid"]["proof"] == "query", "{known}");
    ensure!(mismatches(yard, &order).await? == 0, "it was about this order");
    Ok(())
}
