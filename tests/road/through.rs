//! Pass-through, end to end. Killed between every two steps of create, close and refund through a merchant's own SDK; and
//! with keys that the merchant alone holds, where outcomes are learned from what passes through, or not at all.

use crate::{
    kills::{CHANNELS, MUTATION, Yard, id, text},
    native::{Sdk, shown},
    routes::entries,
};
use anyhow::{Context, bail, ensure};
use domain::{Clause, Operation, TradeEvent};
use sandbox::demo::{http::Answer, place::Options};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

/// A call during which the proxy ends.
fn unanswered(answer: anyhow::Result<Answer>) -> anyhow::Result<()> {
    match answer {
        Ok(answer) => bail!(
            "answered {} although the proxy ended before: {}",
            answer.status,
            answer.json()
        ),
        Err(_) => Ok(()),
    }
}

/// The SDK's call again until the channel says that it is done.
async fn repeat(sdk: &Sdk, call: impl AsyncFn() -> anyhow::Result<Answer>) -> anyhow::Result<()> {
    let mut last = String::new();
    for _ in 0..100 {
        let answer = call().await?;
        if sdk.done(&answer) {
            return Ok(());
        }
        last = format!("{} {}", answer.status, answer.json());
        sleep(Duration::from_millis(150)).await;
    }
    bail!("no outcome within 15 s: {last}")
}

pub(crate) async fn placed(
    yard: &Yard,
    sdk: &Sdk,
    fen: u64,
    payer: Option<&str>,
) -> anyhow::Result<(String, Value)> {
    let number = yard.demo.next_number();
    let answer = sdk.create(&number, fen, payer).await?;
    ensure!(
        sdk.done(&answer),
        "create answered {} {}",
        answer.status,
        answer.json()
    );
    let order = shown(yard, &number).await?;
    ensure!(
        order["state"] == "awaiting_payment",
        "placed, and shown as {order}"
    );
    Ok((number, order))
}

async fn create_point(yard: &Yard, channel: &str, step: &str, payer: Option<&str>) -> anyhow::Result<()> {
    yard.restart_until(step).await?;
    let number = yard.demo.next_number();
    unanswered(Sdk::of(yard, channel)?.create(&number, 500, payer).await)?;
    yard.stopped_and_started().await?;
    yard.keeps_its_word().await?;
    let sdk = Sdk::of(yard, channel)?;
    repeat(&sdk, async || sdk.create(&number, 500, payer).await).await?;
    let order = shown(yard, &number).await?;
    yard.paid_once(&order).await?;
    yard.told(id(&order)?, "payment.paid").await
}

async fn close_point(yard: &Yard, channel: &str, step: &str) -> anyhow::Result<()> {
    let (number, order) = placed(yard, &Sdk::of(yard, channel)?, 500, None).await?;
    yard.demo.open(&order).await?;
    yard.restart_until(step).await?;
    unanswered(Sdk::of(yard, channel)?.close(&number).await)?;
    yard.stopped_and_started().await?;
    Sdk::of(yard, channel)?.close(&number).await?;
    let order = yard
        .until(id(&order)?, "close", |o| o["state"] == "closed")
        .await?;
    ensure!(
        yard.at_channel(&order).await?.iter().all(|o| o["paid"].is_null()),
        "closed, and paid there"
    );
    yard.told(id(&order)?, "payment.closed").await
}

async fn refund_point(yard: &Yard, channel: &str, step: &str) -> anyhow::Result<()> {
    let (number, order) = placed(yard, &Sdk::of(yard, channel)?, 900, None).await?;
    yard.pay(&order).await?;
    yard.until(id(&order)?, "payment", |o| o["state"] == "paid")
        .await?;
    let refund = format!("R{number}");
    yard.restart_until(step).await?;
    unanswered(Sdk::of(yard, channel)?.refund(&number, &refund, 400, 900).await)?;
    yard.stopped_and_started().await?;
    let sdk = Sdk::of(yard, channel)?;
    repeat(&sdk, async || sdk.refund(&number, &refund, 400, 900).await).await?;
    let order = yard
        .until(id(&order)?, "refund", |o| o["refunds"][0]["state"] == "succeeded")
        .await?;
    ensure!(
        order["refunds"].as_array().map(Vec::len) == Some(1),
        "refunds: {order}"
    );
    let there = yard.at_channel(&order).await?;
    ensure!(
        there.len() == 1 && there[0]["refunded_fen"] == 400,
        "the channel paid back {}",
        there[0]["refunded_fen"]
    );
    yard.told(id(&order)?, "refund.succeeded").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_create_through_an_sdk() {
    let yard = Yard::open().await.expect("demo");
    for channel in CHANNELS {
        for (n, step) in MUTATION.into_iter().enumerate() {
            let payer = (n % 2 == 1).then_some(if channel == "wechat" {
                "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
            } else {
                "2088102146225135"
            });
            create_point(&yard, channel, step, payer)
                .await
                .unwrap_or_else(|e| panic!("create {channel} {step}: {e:#}"));
        }
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.paid), (12, 12), "{books:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_close_through_an_sdk() {
    let yard = Yard::open().await.expect("demo");
    for channel in CHANNELS {
        for step in MUTATION {
            close_point(&yard, channel, step)
                .await
                .unwrap_or_else(|e| panic!("close {channel} {step}: {e:#}"));
        }
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.paid), (12, 0), "{books:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_refund_through_an_sdk() {
    let yard = Yard::open().await.expect("demo");
    for channel in CHANNELS {
        for step in MUTATION {
            refund_point(&yard, channel, step)
                .await
                .unwrap_or_else(|e| panic!("refund {channel} {step}: {e:#}"));
        }
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.refunded_fen), (12, 4800), "{books:?}");
}

/// Whoever is not among the account's payees is acted for in no operation, and the channel hears nothing of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C03
async fn nobody_acts_for_another_payee_in_any_operation() {
    let yard = Yard::open().await.expect("demo");
    for channel in CHANNELS {
        let sdk = Sdk::of(&yard, channel).expect("an SDK");
        let (number, order) = placed(&yard, &sdk, 100, None).await.expect("placed");
        let before = yard.at_channel(&order).await.expect("there")[0]["calls"].clone();
        for answer in sdk.for_another(&number).await.expect("answered") {
            sdk.not_allowed(&answer)
                .unwrap_or_else(|e| panic!("{channel}: {e:#}"));
        }
        assert_eq!(
            yard.at_channel(&order).await.expect("there")[0]["calls"],
            before,
            "{channel} heard of it"
        );
        // Nor is anything closed or paid back that is not on record here: and no SDK is told that it does not exist.
        for answer in [
            sdk.close("NOBODYS0001").await,
            sdk.refund("NOBODYS0001", "R1", 1, 1).await,
        ] {
            sdk.not_allowed(&answer.expect("answered"))
                .unwrap_or_else(|e| panic!("{channel}: {e:#}"));
        }
        let own = sdk
            .refund(&number, "surplus-1", 1, 100)
            .await
            .expect("answered")
            .json()
            .to_string();
        assert!(own.contains("surplus-"), "a number that is ours was taken: {own}");
        refund_of_an_unpaid_order(&yard, &sdk, &number, channel)
            .await
            .unwrap_or_else(|e| panic!("{channel}: {e:#}"));
    }
}

/// It goes nowhere, and the watch sees it: what was to go back, of which order, where.
//= C18
//= C30
async fn refund_of_an_unpaid_order(
    yard: &Yard,
    sdk: &Sdk,
    number: &str,
    channel: &str,
) -> anyhow::Result<()> {
    let answer = sdk.refund(number, "R1", 77, 100).await?;
    ensure!(!sdk.done(&answer), "{} {}", answer.status, answer.json());
    let on_record = entries(&yard.demo).await?;
    let refused = on_record.iter().any(|entry| {
        matches!(&entry.event, TradeEvent::Refused { amount: Some(amount), channel: Some(at), clause, operation: Operation::Refund, order_no: Some(no), .. }
            if amount.fen() == 77 && at.as_str() == channel && *clause == Clause::control(18) && no.as_str() == number)
    });
    ensure!(refused, "it is not on record");
    Ok(())
}

async fn until(
    yard: &Yard,
    number: &str,
    what: &str,
    wanted: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    let mut last = Value::Null;
    for _ in 0..200 {
        last = shown(yard, number).await?;
        if wanted(&last) {
            return Ok(last);
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("{what} did not come within 20 s: {last}")
}

pub(crate) async fn pay(yard: &Yard, channel: &str, number: &str, notify: bool) -> anyhow::Result<()> {
    yard.demo
        .control(
            "/control/pay",
            &json!({ "channel": channel, "out_trade_no": number, "outcome": "paid", "notify": notify }),
        )
        .await
        .map(drop)
}

/// How many notices of this channel the merchant got through us so far.
fn relayed(yard: &Yard, channel: &str) -> usize {
    yard.demo.shop().came(&format!("/relay/{channel}/")).len()
}

async fn heard(yard: &Yard, channel: &str, more_than: usize) -> anyhow::Result<()> {
    for _ in 0..400 {
        if relayed(yard, channel) > more_than {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("no notice was relayed")
}

/// Paid without a notice: the merchant's own query tells.
async fn learned_by_query(yard: &Yard, sdk: &Sdk, channel: &str) -> anyhow::Result<String> {
    let (number, _) = placed(yard, sdk, 300, None).await?;
    pay(yard, channel, &number, false).await?;
    sleep(Duration::from_secs(1)).await;
    ensure!(
        shown(yard, &number).await?["state"] == "awaiting_payment",
        "known before anybody asked"
    );
    ensure!(sdk.done(&sdk.query(&number).await?), "the query was refused");
    let paid = until(yard, &number, "payment", |o| o["state"] == "paid").await?;
    ensure!(paid["paid"]["proof"] == "query", "{paid}");
    Ok(number)
}

/// Paid with a notice: it goes on to the merchant as it came; where it can be read, it is learned from too.
async fn learned_by_notice(yard: &Yard, sdk: &Sdk, channel: &str) -> anyhow::Result<()> {
    let (number, _) = placed(yard, sdk, 300, None).await?;
    let before = relayed(yard, channel);
    pay(yard, channel, &number, true).await?;
    heard(yard, channel, before).await?;
    if channel == "alipay" {
        let paid = until(yard, &number, "payment", |o| o["state"] == "paid").await?;
        ensure!(paid["paid"]["proof"] == "notice", "{paid}");
        return Ok(());
    }
    // WeChat's is sealed for the merchant alone: its verified octets are on record, and relayed with their signature.
    let came = yard
        .demo
        .shop()
        .came("/relay/wechat/")
        .pop()
        .context("a notice")?;
    ensure!(
        came.headers.contains_key("wechatpay-signature"),
        "the signature was lost"
    );
    let sealed: Value = serde_json::from_slice(&came.body)?;
    ensure!(
        sealed["resource"]["ciphertext"].is_string(),
        "not as it came: {sealed}"
    );
    ensure!(
        shown(yard, &number).await?["state"] == "awaiting_payment",
        "read without the merchant's key"
    );
    sdk.query(&number).await?;
    until(yard, &number, "payment", |o| o["state"] == "paid")
        .await
        .map(drop)
}

async fn refund_learned(yard: &Yard, sdk: &Sdk, number: &str) -> anyhow::Result<()> {
    let refund = format!("R{number}");
    ensure!(
        sdk.done(&sdk.refund(number, &refund, 100, 300).await?),
        "the refund was refused"
    );
    for _ in 0..160 {
        sdk.refund_query(number, &refund).await?;
        if shown(yard, number).await?["refunds"][0]["state"] == "succeeded" {
            return Ok(());
        }
        sleep(Duration::from_millis(200)).await;
    }
    bail!("the refund was not learned: {}", shown(yard, number).await?)
}

/// What only the merchant can do, the unified API does not begin.
async fn not_by_the_unified_api(yard: &Yard, number: &str, channel: &str) -> anyhow::Result<()> {
    let merchant = yard.merchant()?;
    let order = shown(yard, number).await?;
    let path = format!("/v1/payments/{}", id(&order)?);
    let asked = [
        ("/v1/payments".to_owned(), yard.body(channel, 100)),
        (
            format!("{path}/refunds"),
            json!({ "refund_no": "u1", "amount": 1 }),
        ),
        (format!("{path}/close"), json!({})),
    ];
    for (path, body) in asked {
        let answer = merchant.ask("POST", &path, Some(&body)).await?;
        ensure!(
            answer.status == 403 && text(&answer.json()["code"]) == "operation_not_allowed",
            "{path}: {} {}",
            answer.status,
            answer.json()
        );
    }
    ensure!(
        shown(yard, number).await?["journal_index"] == order["journal_index"],
        "something was put on record"
    );
    by_its_own_account(yard, channel).await
}

/// A merchant that names its own account, where it does not serve, hears why; nothing says that it would pay somebody else.
//= C03
async fn by_its_own_account(yard: &Yard, channel: &str) -> anyhow::Result<()> {
    let merchant = yard.merchant()?;
    let own = &yard.demo.place.merchants[0].accounts;
    let (here, elsewhere) = match channel {
        "wechat" => (&own.wechat.mchid, &own.alipay.app_id),
        _ => (&own.alipay.app_id, &own.wechat.mchid),
    };
    let named = |account: &str| {
        let mut body = yard.body(channel, 100);
        body["account"] = account.into();
        ("/v1/payments", body)
    };
    let group = |account: &str| {
        let order = || json!({ "order_no": yard.demo.next_number(), "amount": 100, "description": "x" });
        let body = json!({ "group_no": yard.demo.next_number(), "channel": "wechat", "pay_way": "native", "account": account, "orders": [order(), order()] });
        ("/v1/payments/combined", body)
    };
    let mut asked = vec![
        (named(here), 403, "operation_not_allowed", "merchant's alone"),
        (named(elsewhere), 400, "invalid_field", "this one is at"),
        (named("1900000999"), 403, "operation_not_allowed", "C03"),
    ];
    if channel == "wechat" {
        asked.push((group(here), 403, "operation_not_allowed", "merchant's alone"));
        asked.push((group(elsewhere), 400, "invalid_field", "this one is at"));
    }
    let of_payees = async || {
        let all = entries(&yard.demo).await?;
        let of_payee = |event: &TradeEvent| matches!(event, TradeEvent::Refused { clause, .. } if *clause == Clause::control(3));
        anyhow::Ok(all.iter().filter(|entry| of_payee(&entry.event)).count())
    };
    let of_accounts = async || {
        let all = entries(&yard.demo).await?;
        let of_account = |event: &TradeEvent| matches!(event, TradeEvent::GuardRefused { name: Some(name), .. } if &**name == "account");
        anyhow::Ok(all.iter().filter(|entry| of_account(&entry.event)).count())
    };
    let (before, misplaced) = (of_payees().await?, of_accounts().await?);
    let elsewhere = asked.iter().filter(|(_, status, ..)| *status == 400).count();
    for ((path, body), status, code, says) in asked {
        let answer = merchant.ask("POST", path, Some(&body)).await?;
        let said = answer.json();
        ensure!(
            answer.status == status && said["code"] == code && text(&said["detail"]).contains(says),
            "{path} {}: {} {said}",
            body["account"],
            answer.status
        );
    }
    ensure!(
        of_payees().await? == before + 1,
        "another's account alone is another payee"
    );
    ensure!(
        of_accounts().await? == misplaced + elsewhere,
        "an account that serves elsewhere is on record by its field"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_keys_of_the_merchant_outcomes_are_learned_from_what_passes_or_end_unresolved() {
    let options = Options {
        keys_held: false,
        times: "silence_seconds = 8\n".into(),
        ..Options::default()
    };
    let yard = Yard::with(options).await.expect("demo");
    for channel in CHANNELS {
        let sdk = Sdk::of(&yard, channel).expect("an SDK");
        let number = learned_by_query(&yard, &sdk, channel)
            .await
            .unwrap_or_else(|e| panic!("{channel}, query: {e:#}"));
        learned_by_notice(&yard, &sdk, channel)
            .await
            .unwrap_or_else(|e| panic!("{channel}, notice: {e:#}"));
        refund_learned(&yard, &sdk, &number)
            .await
            .unwrap_or_else(|e| panic!("{channel}, refund: {e:#}"));
        not_by_the_unified_api(&yard, &number, channel)
            .await
            .unwrap_or_else(|e| panic!("{channel}, unified: {e:#}"));
    }
    silent(&yard).await.unwrap_or_else(|e| panic!("silent: {e:#}"));
}

/// Nobody tells: after the window both an order and a refund rest as unresolved, neither guessed; later news counts.
async fn silent(yard: &Yard) -> anyhow::Result<()> {
    let sdk = Sdk::of(yard, "wechat")?;
    let number = yard.demo.next_number();
    ensure!(
        sdk.done(&sdk.create_brief(&number, 6).await?),
        "a brief order was refused"
    );
    let refunded = learned_by_query(yard, &sdk, "wechat").await?;
    let refund = format!("R{refunded}");
    ensure!(
        sdk.done(&sdk.refund(&refunded, &refund, 100, 300).await?),
        "the refund was refused"
    );
    until(yard, &number, "the order's end", |o| o["state"] == "unresolved").await?;
    until(yard, &refunded, "the refund's end", |o| {
        o["refunds"][0]["state"] == "unresolved"
    })
    .await?;
    sdk.refund_query(&refunded, &refund).await?;
    until(yard, &refunded, "late news", |o| {
        o["refunds"][0]["state"] == "succeeded"
    })
    .await
    .map(drop)
}
