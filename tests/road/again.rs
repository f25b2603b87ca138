//! The same again, or nearly: replays, repeats that the channel refuses, refunds of another attempt, repeats within a
//! payer's day, authorisations; and what must reach the channel as it was first said.

use crate::{
    kills::{CHANNELS, Yard, id, text},
    native::{Sdk, shown},
    routes::entries,
    through::{pay, placed},
};
use anyhow::{Context, ensure};
use domain::TradeEvent;
use sandbox::demo::{
    acp::{self, Acp, written},
    place::{self, Options},
};
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

/// Whoever names a device in a channel's own fields, it is matched against the registries: what is the merchant's own terminal is
/// on record as that, what is nobody's as unmatched, and what is another merchant's or stands elsewhere is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C53
async fn a_device_is_matched_whoever_names_it() {
    let yard = Yard::of(Options {
        merchants: 2,
        desk: false,
        ..Options::default()
    })
    .await
    .expect("demo");
    devices(&yard).await.unwrap_or_else(|e| panic!("{e:#}"));
}

/// What stands on record of an order: its terminal, whether it matched, whether it is said to match nothing.
type OnRecord = (Option<String>, bool, bool);

async fn devices(yard: &Yard) -> anyhow::Result<()> {
    let others = place::terminal_of(&yard.demo.place.merchants[1].id, place::TERMINAL);
    let (own, nobodys) = (place::TERMINAL, "013467007045764");
    let matched: OnRecord = (Some(own.to_owned()), true, false);
    let (unmatched, none): (OnRecord, OnRecord) = ((None, false, true), (None, false, false));
    let mut wanted = std::collections::BTreeMap::new();
    let mut refused = 0;
    let mut expect = |number: String, done: bool, want: Option<&OnRecord>, said: &str| {
        ensure!(done == want.is_some(), "{number}: {said}");
        match want {
            Some(want) => drop(wanted.insert(number, want.clone())),
            None => refused += 1,
        }
        Ok(())
    };
    let sdk = Sdk::of(yard, "wechat")?;
    let (account, notify_url) = sdk.wechat_account()?;
    let store = |id: &str, area: &str| json!({ "id": id, "name": "n", "area_code": area, "address": "a" });
    for (device, shop, want) in [
        (own, Some(store(place::SHOP, "310101")), Some(&matched)),
        (own, None, Some(&matched)),
        (own, Some(store(place::SHOP, "440304")), None),
        (own, Some(store("S-9", "310101")), None),
        (&others, None, None),
        (nobodys, Some(store("1", "440305")), Some(&unmatched)),
        ("", Some(store("1", "440305")), Some(&none)),
    ] {
        let number = yard.demo.next_number();
        let mut scene = json!({ "payer_client_ip": "203.0.113.7" });
        if !device.is_empty() {
            scene["device_id"] = device.into();
        }
        if let Some(shop) = shop {
            scene["store_info"] = shop;
        }
        let body = json!({
            "appid": account.appid, "mchid": account.mchid, "description": "tea", "out_trade_no": number, "notify_url": notify_url,
            "amount": { "total": 100, "currency": "CNY" }, "scene_info": scene,
        });
        let answer = sdk
            .wechat("POST", "/v3/pay/transactions/native", Some(&body))
            .await?;
        expect(number, sdk.done(&answer), want, &answer.json().to_string())?;
    }
    let sdk = Sdk::of(yard, "alipay")?;
    for (device, shop, want) in [
        (own, place::SHOP, Some(&matched)),
        (own, "S-9", None),
        (&others, place::SHOP, None),
        (nobodys, "S-9", Some(&unmatched)),
    ] {
        let number = yard.demo.next_number();
        let content = json!({ "out_trade_no": number, "total_amount": "1.00", "subject": "tea", "terminal_id": device, "store_id": shop });
        let answer = sdk.alipay("alipay.trade.precreate", &content, true, None).await?;
        expect(number, sdk.done(&answer), want, &answer.json().to_string())?;
    }
    let acp = Acp::of(&yard.demo, 0)?;
    for (term_id, want) in [(place::TERM_ID, &matched), ("49009999", &unmatched)] {
        let number = yard.demo.next_number();
        let mut fields = acp.apply(&number, &written(acp::now()), 100);
        fields.insert("termId".into(), term_id.into());
        let said = acp.ask(acp::BACK, &fields).await?;
        let done = said.get("respCode").is_some_and(|code| code == "00");
        expect(number, done, Some(want), &format!("{said:?}"))?;
    }
    let merchant = yard.merchant()?;
    for (device, want) in [
        (own, Some(&matched)),
        (&others, None),
        (nobodys, Some(&unmatched)),
    ] {
        let mut body = yard.body("wechat", 100);
        body["device_id"] = device.into();
        let answer = merchant.ask("POST", "/v1/payments", Some(&body)).await?;
        let number = body["order_no"].as_str().unwrap_or_default().to_owned();
        expect(number, answer.status == 201, want, &answer.json().to_string())?;
    }
    let mut seen = std::collections::BTreeMap::new();
    let mut on_record = 0;
    for entry in entries(&yard.demo).await? {
        match entry.event {
            TradeEvent::AttemptIntended {
                order_no,
                terminal,
                terminal_match,
                terminal_unmatched,
                ..
            } => {
                let terminal = terminal.map(|t| t.as_str().to_owned());
                seen.insert(
                    order_no.as_str().to_owned(),
                    (terminal, terminal_match.is_some(), terminal_unmatched),
                );
            }
            TradeEvent::Refused { clause, .. } if clause.number() == 53 => on_record += 1,
            _ => {}
        }
    }
    ensure!(seen == wanted, "{seen:?}\n{wanted:?}");
    ensure!(
        on_record == refused,
        "{on_record} refusals of {refused} on record"
    );
    Ok(())
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
        answer_ms: 3000,
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
