//! The same again, or nearly: replays, repeats that the channel refuses, refunds of another attempt, repeats within a
//! payer's day, authorisations; and what must reach the channel as it was first said.

use crate::{
    kills::{CHANNELS, Yard, id, text},
    native::{Sdk, shown},
    through::{pay, placed},
};
use anyhow::{Context, ensure};
use sandbox::demo::place::{self, Options};
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

/// What was signed before this run, or came before, may only repeat what is on record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_signed_before_the_start_or_came_before_only_repeats() {
    let yard = Yard::open().await.expect("demo");
    for channel in CHANNELS {
        replays(&yard, channel)
            .await
            .unwrap_or_else(|e| panic!("{channel}: {e:#}"));
    }
}

async fn replays(yard: &Yard, channel: &str) -> anyhow::Result<()> {
    let sdk = Sdk::of(yard, channel)?;
    let (number, order) = placed(yard, &sdk, 300, None).await?;
    let (close, refund) = (
        sdk.signed_close(&number)?,
        sdk.signed_refund(&number, &format!("R{number}"), 100, 300)?,
    );
    // Refused now, since nothing is paid; somebody keeps it for later.
    ensure!(!sdk.done(&sdk.send(&refund).await?), "refunded what was not paid");
    if channel == "alipay" {
        pay(yard, channel, &number, true).await?;
        yard.until(id(&order)?, "payment", |o| o["state"] == "paid")
            .await?;
        sdk.stale(&sdk.send(&refund).await?)
            .context("a refund that came before")?;
    }
    sleep(Duration::from_millis(1100)).await;
    yard.demo.services.kill_proxy().await?;
    yard.start().await?;
    let sdk = Sdk::of(yard, channel)?;
    if channel == "wechat" {
        sdk.stale(&sdk.send(&close).await?)
            .context("a close signed before the start")?;
        ensure!(
            shown(yard, &number).await?["state"] == "awaiting_payment",
            "closed by a replay"
        );
        pay(yard, channel, &number, true).await?;
        yard.until(id(&order)?, "payment", |o| o["state"] == "paid")
            .await?;
    }
    sdk.stale(&sdk.send(&refund).await?)
        .context("a refund signed before the start")?;
    ensure!(
        shown(yard, &number).await?["refunds"].is_null(),
        "paid back by a replay"
    );
    ensure!(
        sdk.done(&sdk.refund(&number, &format!("R{number}"), 100, 300).await?),
        "signed anew, it goes on"
    );
    Ok(())
}

/// The bytes of a refund mean one attempt: that another one of the same order is paid elsewhere does not make it paid.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_native_refund_goes_back_from_the_attempt_that_it_names() {
    let yard = Yard::open().await.expect("demo");
    refund_of_the_closed_attempt(&yard)
        .await
        .unwrap_or_else(|e| panic!("{e:#}"));
}

async fn refund_of_the_closed_attempt(yard: &Yard) -> anyhow::Result<()> {
    let merchant = yard.merchant()?;
    let mut body = yard.body("wechat", 300);
    ensure!(
        merchant.ask("POST", "/v1/payments", Some(&body)).await?.status == 201,
        "not placed"
    );
    body["channel"] = "alipay".into();
    body["pay_way"] = "qr".into();
    let order = merchant.ask("POST", "/v1/payments", Some(&body)).await?.json();
    yard.pay(&order).await?;
    yard.until(id(&order)?, "payment", |o| o["state"] == "paid")
        .await?;
    let number = text(&body["order_no"]);
    let answer = Sdk::of(yard, "wechat")?
        .refund(&number, &format!("R{number}"), 100, 300)
        .await?;
    ensure!(
        answer.status == 403 && answer.json()["code"] == "RULE_LIMIT",
        "{} {}",
        answer.status,
        answer.json()
    );
    ensure!(
        shown(yard, &number).await?["refunds"].is_null(),
        "booked on the other attempt"
    );
    Ok(())
}

/// Octets that name no end leave it to the channel; and a repeat of them takes no room in the payer's day twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C13
async fn an_order_without_an_end_keeps_the_channels_own_and_counts_once() {
    let yard = Yard::open().await.expect("demo");
    for (channel, days, payer) in [
        ("wechat", 7, "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"),
        ("alipay", 15, "2088102146225135"),
    ] {
        // More than half of what one payer may pay in a day.
        let (sdk, payer) = (Sdk::of(&yard, channel).expect("an SDK"), Some(payer));
        let (number, order) = placed(&yard, &sdk, 300_000, payer)
            .await
            .unwrap_or_else(|e| panic!("{channel}: {e:#}"));
        let time = |name: &str| {
            order[name]
                .as_str()
                .and_then(|t| t.parse::<jiff::Timestamp>().ok())
                .expect("a time")
                .as_second()
        };
        assert_eq!(
            time("expires_at") - time("created_at"),
            days * 86_400,
            "{channel}"
        );
        let again = sdk.create(&number, 300_000, payer).await.expect("answered");
        assert!(
            sdk.done(&again),
            "{channel}: a repeat was refused: {}",
            again.json()
        );
        let other = sdk
            .create(&yard.demo.next_number(), 300_000, payer)
            .await
            .expect("answered");
        assert!(!sdk.done(&other), "{channel}: above the payer's day");
    }
}

/// The terminal on record reaches the channel.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C53
async fn a_terminal_reaches_the_channel() {
    let yard = Yard::open().await.expect("demo");
    let merchant = yard.merchant().expect("a merchant");
    for channel in CHANNELS {
        let mut body = yard.body(channel, 100);
        body["terminal"] = place::TERMINAL.into();
        let answer = merchant
            .ask("POST", "/v1/payments", Some(&body))
            .await
            .expect("answered");
        assert_eq!(answer.status, 201, "{}", answer.json());
        let sent = yard
            .demo
            .last_request(channel, "create")
            .await
            .expect("a request");
        assert!(sent.contains(place::TERMINAL), "{channel} was sent {sent}");
    }
}

/// A listed authorisation acts for its own merchant, who is on record as the payee; only the merchant's SDK can carry it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C03
async fn a_listed_authorisation_acts_for_the_payee_behind_it() {
    let yard = Yard::open().await.expect("demo");
    authorised(&yard).await.unwrap_or_else(|e| panic!("{e:#}"));
}

async fn authorised(yard: &Yard) -> anyhow::Result<()> {
    let (token, payee) = place::AUTHORISED;
    let sdk = Sdk::of(yard, "alipay")?;
    let number = yard.demo.next_number();
    sdk.create_under(&number, token).await?;
    let order = shown(yard, &number).await?;
    ensure!(order["payee"] == payee, "on record as {order}");
    // Without the authorisation the number would mean an order of the app's own merchant.
    sdk.not_allowed(&sdk.close(&number).await?)
        .context("a close without it")?;
    sdk.not_allowed(&sdk.create(&number, 100, None).await?)
        .err()
        .context("a repeat without it is another order")?;
    ensure!(shown(yard, &number).await?["payee"] == payee, "the payee changed");
    let merchant = yard.merchant()?;
    let close = merchant
        .ask(
            "POST",
            &format!("/v1/payments/{}/close", id(&order)?),
            Some(&json!({})),
        )
        .await?;
    ensure!(
        text(&close.json()["code"]) == "operation_not_allowed",
        "we keep no authorisation: {}",
        close.json()
    );
    let mut body = yard.body("alipay", 100);
    body["payee"] = payee.into();
    let composed = merchant.ask("POST", "/v1/payments", Some(&body)).await?;
    ensure!(
        composed.status == 403 && text(&composed.json()["code"]) == "payee_not_allowed",
        "{} {}",
        composed.status,
        composed.json()
    );
    Ok(())
}

/// The channel has it and its answer was lost; that it limits us afterwards does not make it absent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C27
async fn a_repeat_that_the_channel_will_not_take_does_not_undo_what_was_sent() {
    let yard = Yard::with(Options {
        vault: (5, 30),
        ..Options::default()
    })
    .await
    .expect("demo");
    busy_repeats(&yard).await.unwrap_or_else(|e| panic!("{e:#}"));
}

async fn busy_repeats(yard: &Yard) -> anyhow::Result<()> {
    // Alipay does not know a code that nobody scanned, so that only a repeat can tell.
    for (kind, count) in [("timeout_after", 1), ("busy", 2)] {
        yard.demo
            .control(
                "/control/fault",
                &json!({ "channel": "alipay", "operation": "create", "kind": kind, "count": count }),
            )
            .await?;
    }
    let answer = yard
        .merchant()?
        .ask("POST", "/v1/payments", Some(&yard.body("alipay", 100)))
        .await?;
    ensure!(answer.status == 202, "{} {}", answer.status, answer.json());
    let order = answer.json();
    let order = yard
        .until(id(&order)?, "outcome", |o| o["state"] != "unknown")
        .await?;
    ensure!(
        order["state"] == "awaiting_payment" && order["qr_code"].is_string(),
        "a limit was taken for an absence: {order}"
    );
    // Before each repeat the sweep asks; two of the three repeats were told to come later.
    let calls = yard.at_channel(&order).await?[0]["calls"].clone();
    ensure!(
        calls["create"] == 2 && calls["query"].as_u64() >= Some(3),
        "the repeats were not refused: {calls}"
    );
    Ok(())
}
