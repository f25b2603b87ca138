//! Crash safety. The proxy is a process of its own and ends at every named step of create, refund, close and notice,
//! over both channels; then it starts again, the merchant repeats the same number, and nothing acknowledged is gone,
//! nothing is charged or paid back twice, nobody is left without an outcome.

mod codes;
mod handed_out;
mod index;
mod random;
mod trace;
mod yard;

pub(crate) use index::files_under;
use random::{Dice, persist};
pub(crate) use yard::{Yard, id, repeat, text, unanswered};

use anyhow::{Context, anyhow, bail, ensure};
use sandbox::demo::{Demo, http::Answer, merchant::Merchant, place::Options, services};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{sync::Mutex, time::sleep};

/// Steps of a mutation, in order; between any two of them stands one action of the road.
pub(crate) const MUTATION: [&str; 6] = [
    "before_intent",
    "intent_recorded",
    "before_send",
    "after_send",
    "answer_read",
    "outcome_recorded",
];
/// Steps of a notice and of telling the merchant.
pub(crate) const NOTICE: [&str; 4] = [
    "before_notice_recorded",
    "notice_recorded",
    "before_tell",
    "after_tell",
];
pub(crate) const CHANNELS: [&str; 2] = ["wechat", "alipay"];

async fn create_point(yard: &Yard, channel: &str, step: &str, jsapi: bool) -> anyhow::Result<String> {
    let mut body = yard.body(channel, 700);
    if jsapi {
        body["pay_way"] = "jsapi".into();
        body["payer"] = if channel == "wechat" {
            json!({ "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o" })
        } else {
            json!({ "buyer_id": "2088102146225135" })
        };
    }
    let reach = match (channel, jsapi) {
        (_, true) => "call_up",
        ("wechat", _) => "code_url",
        _ => "qr_code",
    };
    create_by(yard, step, &body, reach).await
}

/// An order of any way to pay, whose answer has `reach`: killed at the step, repeated, opened where the payer must, paid.
pub(crate) async fn create_by(yard: &Yard, step: &str, body: &Value, reach: &str) -> anyhow::Result<String> {
    yard.restart_until(step).await?;
    unanswered(yard, "/v1/payments", body).await?;
    yard.stopped_and_started().await?;
    yard.keeps_its_word().await?;
    let order = repeat(yard, "/v1/payments", body, |a| {
        a.status < 300 && a.json()["state"] == "awaiting_payment" && !a.json()[reach].is_null()
    })
    .await?;
    yard.demo.open(&order).await?;
    let there = yard.at_channel(&order).await?;
    ensure!(
        there.len() == 1,
        "the channel has {} orders of {}",
        there.len(),
        order["number"]
    );
    yard.pay(&order).await?;
    let id = id(&order)?;
    yard.until(id, "payment", |o| o["state"] == "paid").await?;
    yard.told(id, "payment.paid").await?;
    let again = yard.ask(&yard.merchant()?, "POST", "/v1/payments", body).await?;
    ensure!(
        again.status == 200 && again.json()["state"] == "paid",
        "a repeat after payment answered {}: {}",
        again.status,
        again.json()
    );
    Ok(format!(
        "one order at the channel, create sent {} time(s), paid once, told",
        there[0]["calls"]["create"]
    ))
}

/// The merchant asks no more for a while, and what a repeat needs died with the process: a close at the channel finds
/// nothing, so the order was not placed, and the merchant is told. Then the same number is placed anew, as itself.
async fn silent_create(yard: &Yard, channel: &str) -> anyhow::Result<String> {
    yard.restart_until("intent_recorded").await?;
    let body = yard.body(channel, 710);
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
    ensure!(
        found["state"] == "unknown",
        "an intent without an outcome is {found}"
    );
    let gone = yard
        .until(id(&found)?, "outcome", |o| o["state"] != "unknown")
        .await?;
    ensure!(gone["state"] == "not_placed", "what was never sent is {gone}");
    ensure!(
        yard.at_channel(&gone).await?.is_empty(),
        "the channel has an order that was never sent"
    );
    yard.told(id(&gone)?, "payment.not_placed").await?;
    let events = yard.demo.shop().told(yard.merchant()?.id(), id(&gone)?);
    ensure!(
        events.iter().all(|e| e["type"] != "payment.closed"),
        "the number was burned: {events:?}"
    );
    let again = repeat(yard, "/v1/payments", &body, |a| a.status == 201).await?;
    ensure!(
        again["id"] == gone["id"] && again["number"] == body["order_no"],
        "the repeat has another number: {again}"
    );
    yard.paid_once(&again).await?;
    Ok("never sent, not placed, told; the same number placed anew and paid".into())
}

/// `repeats`: does the merchant ask again, or is the sweep alone?
pub(crate) async fn refund_point(
    yard: &Yard,
    channel: &str,
    step: &str,
    repeats: bool,
) -> anyhow::Result<String> {
    let order = yard.paid(channel, 900).await?;
    refund_of(yard, &order, step, repeats).await
}

/// A refund of a paid order.
async fn refund_of(yard: &Yard, order: &Value, step: &str, repeats: bool) -> anyhow::Result<String> {
    let (id, channel) = (id(order)?, &order["channel"]);
    let path = format!("/v1/payments/{id}/refunds");
    // A reason is the payer's business: it is sealed, dies with the process, and cannot be sent again.
    let body = json!({ "refund_no": "r1", "amount": 400, "reason": "退货 returned" });
    yard.restart_until(step).await?;
    if !repeats {
        // Then nobody but the sweep can find out.
        yard.demo
            .control(
                "/control/fault",
                &json!({ "channel": channel, "operation": "notice", "kind": "drop", "count": 1 }),
            )
            .await?;
    }
    unanswered(yard, &path, &body).await?;
    yard.stopped_and_started().await?;
    yard.keeps_its_word().await?;
    if repeats || step == "before_intent" {
        let refund = repeat(yard, &path, &body, |a| a.status < 300).await?;
        ensure!(
            refund["refund_no"] == "r1" && refund["amount"] == 400,
            "an odd refund: {refund}"
        );
    }
    let order = yard
        .until(id, "refund", |o| o["refunds"][0]["state"] == "succeeded")
        .await?;
    ensure!(
        order["state"] == "partly_refunded" && order["refunds"].as_array().map(Vec::len) == Some(1),
        "an odd order: {order}"
    );
    let there = yard.at_channel(&order).await?;
    ensure!(
        there.len() == 1 && there[0]["refunded_fen"] == 400,
        "the channel paid back {}",
        there[0]["refunded_fen"]
    );
    ensure!(
        there[0]["refunds"].as_array().map(Vec::len) == Some(1),
        "refunds at the channel: {}",
        there[0]["refunds"]
    );
    yard.told(id, "refund.succeeded").await?;
    let events = yard.demo.shop().told(yard.merchant()?.id(), id);
    ensure!(
        events.iter().all(|e| e["type"] != "refund.failed"),
        "the merchant was told of a failure that was none: {events:?}"
    );
    Ok(format!(
        "400 fen back once, refund sent {} time(s), told{}",
        there[0]["calls"]["refund"],
        if repeats || step == "before_intent" {
            ""
        } else {
            ", merchant silent"
        }
    ))
}

/// `repeats`: does the merchant ask again, or is the sweep alone?
async fn close_point(yard: &Yard, channel: &str, step: &str, repeats: bool) -> anyhow::Result<String> {
    let order = yard.placed(channel, 300).await?;
    yard.demo.open(&order).await?;
    let id = id(&order)?;
    let path = format!("/v1/payments/{id}/close");
    yard.restart_until(step).await?;
    unanswered(yard, &path, &json!({})).await?;
    yard.stopped_and_started().await?;
    yard.keeps_its_word().await?;
    if repeats || step == "before_intent" {
        let closed = repeat(yard, &path, &json!({}), |a| a.status == 200).await?;
        ensure!(closed["state"] == "closed", "close answered {closed}");
    }
    let closed = yard.until(id, "close", |o| o["state"] == "closed").await?;
    let there = yard.at_channel(&closed).await?;
    let state = text(&there[0]["state"]);
    ensure!(
        there.len() == 1
            && !there[0]["paid"].is_string()
            && ["CLOSED", "TRADE_CLOSED"].contains(&state.as_str()),
        "at the channel: {there:?}"
    );
    yard.told(id, "payment.closed").await?;
    Ok(format!(
        "closed, {state} at the channel, close sent {} time(s){}",
        there[0]["calls"]["close"],
        if repeats || step == "before_intent" {
            ""
        } else {
            ", merchant silent"
        }
    ))
}

pub(crate) async fn notice_point(yard: &Yard, channel: &str, step: &str) -> anyhow::Result<String> {
    let order = yard.placed(channel, 500).await?;
    notice_of(yard, &order, step).await
}

/// A payment of an order that its channel has.
async fn notice_of(yard: &Yard, order: &Value, step: &str) -> anyhow::Result<String> {
    let id = id(order)?;
    yard.restart_until(step).await?;
    yard.pay(order).await?;
    yard.stopped_and_started().await?;
    yard.keeps_its_word().await?;
    let order = yard.until(id, "payment", |o| o["state"] == "paid").await?;
    yard.told(id, "payment.paid").await?;
    let mut notice = Value::Null;
    for _ in 0..400 {
        notice = yard.at_channel(&order).await?[0]["notices"][0].clone();
        if notice["status"] == "acknowledged" {
            let tries = notice["attempts"].as_array().map_or(0, Vec::len);
            return Ok(format!(
                "paid by {}, notice acknowledged at try {tries}, told",
                order["paid"]["proof"]
            ));
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("the channel's notice was not acknowledged: {notice}")
}

pub(crate) fn say(path: &str, channel: &str, step: &str, what: &str) {
    println!("{path:<7} {channel:<7} killed at {step:<23} {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_create() {
    let yard = Yard::open().await.expect("demo");
    for channel in CHANNELS {
        for step in MUTATION {
            let said = create_point(&yard, channel, step, false)
                .await
                .unwrap_or_else(|e| panic!("create {channel} {step}: {e:#}"));
            say("create", channel, step, &said);
        }
        let said = silent_create(&yard, channel)
            .await
            .unwrap_or_else(|e| panic!("create {channel}, silent: {e:#}"));
        say("create", channel, "intent_recorded", &said);
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.paid), (14, 14), "{books:?}");
    println!("{books:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_a_jsapi_create() {
    let yard = Yard::open().await.expect("demo");
    for channel in CHANNELS {
        for step in MUTATION {
            let said = create_point(&yard, channel, step, true)
                .await
                .unwrap_or_else(|e| panic!("jsapi {channel} {step}: {e:#}"));
            say("jsapi", channel, step, &said);
        }
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.paid), (12, 12), "{books:?}");
    println!("{books:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_refund() {
    let yard = Yard::open().await.expect("demo");
    for channel in CHANNELS {
        for (n, step) in MUTATION.into_iter().enumerate() {
            let repeats = n % 2 == usize::from(channel == "wechat");
            let said = refund_point(&yard, channel, step, repeats)
                .await
                .unwrap_or_else(|e| panic!("refund {channel} {step}: {e:#}"));
            say("refund", channel, step, &said);
        }
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.refunded_fen), (12, 4800), "{books:?}");
    println!("{books:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_close() {
    let yard = Yard::open().await.expect("demo");
    for channel in CHANNELS {
        for (n, step) in MUTATION.into_iter().enumerate() {
            // By turns the merchant repeats, or says nothing and the sweep has to bring it to its end.
            let repeats = n % 2 == usize::from(channel == "alipay");
            let said = close_point(&yard, channel, step, repeats)
                .await
                .unwrap_or_else(|e| panic!("close {channel} {step}: {e:#}"));
            say("close", channel, step, &said);
        }
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.paid), (12, 0), "{books:?}");
    println!("{books:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_notice() {
    let yard = Yard::open().await.expect("demo");
    for channel in CHANNELS {
        for step in NOTICE {
            let said = notice_point(&yard, channel, step)
                .await
                .unwrap_or_else(|e| panic!("notice {channel} {step}: {e:#}"));
            say("notice", channel, step, &said);
        }
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.paid), (8, 8), "{books:?}");
    println!("{books:?}");
}

/// The same four where Alipay is spoken to by OpenAPI v3; create is killed in the wallet, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_at_openapi_v3() {
    let options = Options {
        openapi_v3: true,
        ..Options::default()
    };
    let yard = Yard::with(options).await.expect("demo");
    for (n, step) in MUTATION.into_iter().enumerate() {
        let (even, odd) = (n % 2 == 0, n % 2 == 1);
        for (what, done) in [
            ("create", create_point(&yard, "alipay", step, even).await),
            ("refund", refund_point(&yard, "alipay", step, odd).await),
            ("close", close_point(&yard, "alipay", step, even).await),
        ] {
            let said = done.unwrap_or_else(|e| panic!("{what} {step}: {e:#}"));
            say(what, "alipay", step, &said);
        }
    }
    let said = silent_create(&yard, "alipay").await.expect("a silent create");
    say("create", "alipay", "intent_recorded", &said);
    for step in NOTICE {
        let said = notice_point(&yard, "alipay", step)
            .await
            .unwrap_or_else(|e| panic!("notice {step}: {e:#}"));
        say("notice", "alipay", step, &said);
    }
    for operation in ["create", "close", "refund"] {
        let sent = yard.demo.last_request("alipay", operation).await.expect("sent");
        assert!(sent.starts_with('{'), "{operation} not by OpenAPI v3: {sent}");
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.paid), (23, 17), "{books:?}");
    println!("{books:?}");
}
