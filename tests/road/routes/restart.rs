//! The proxy ends in the middle of an outage: the next run knows of it from the journal, sends no payer's order there before a
//! probe was answered, and goes back by itself.

use super::{WALLETS, accounts, options};
use crate::kills::Yard;
use anyhow::{Context, bail, ensure};
use domain::{BreakerState, OperationClass, PassedWhy, TradeEntry, TradeEvent};
use journal::{Reader, disk::RealDisk};
use sandbox::demo::{gate::Mode, place::Options};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C65
async fn killed_in_the_middle_of_an_outage() {
    // An open breaker rests for long: within the time of the test only its first probe after a start brings it back.
    let quick = "[routing]\nfailures = 2\nrest_ms = 120000\nrest_most_ms = 120000\ntrial_ms = 2000\n";
    let yard = Yard::with(Options {
        extra: quick.into(),
        ..options()
    })
    .await
    .expect("demo");
    for wallet in [0, 2] {
        outage(&yard, wallet)
            .await
            .unwrap_or_else(|e| panic!("{}: {e:#}", WALLETS[wallet].0));
    }
    yard.demo.services.stop_proxy().await.expect("stops");
    yard.demo.prove_journal().expect("the journal verifies");
}

async fn outage(yard: &Yard, wallet: usize) -> anyhow::Result<()> {
    let [first, second] = accounts(&yard.demo, wallet);
    let order = place(yard, wallet).await?;
    ensure!(order["account"] == first.as_str(), "{order}");
    yard.demo.gates[wallet].set(Mode::Refused).await?;
    let began = Instant::now();
    while last_turn(yard, &first)? != Some(BreakerState::Open) {
        ensure!(
            began.elapsed() < Duration::from_secs(20),
            "its breaker did not open"
        );
        place(yard, wallet).await?;
        sleep(Duration::from_millis(200)).await;
    }
    // Twice: what the first start learned from the journal it does not say again, and the second one knows it all the same.
    for _ in 0..2 {
        yard.demo.services.kill_proxy().await?;
        yard.start().await?;
        for _ in 0..3 {
            let order = place(yard, wallet).await?;
            ensure!(
                order["account"] == second.as_str() && order["attempt"] == 1,
                "sent at the lost account again: {order}"
            );
        }
    }
    let passed = |event: &TradeEvent| {
        matches!(event, TradeEvent::AttemptIntended { route: Some(route), .. }
            if route.passed.iter().any(|p| p.account.as_str() == first && p.why == PassedWhy::BreakerOpen))
    };
    let began = Instant::now();
    // The last of them come into the signed tree within a second.
    while !intents(yard)?.iter().rev().take(3).all(passed) {
        ensure!(
            began.elapsed() < Duration::from_secs(20),
            "no intent says why the first account was passed over"
        );
        sleep(Duration::from_millis(300)).await;
    }
    // The outage ends while nobody runs: the probe of the next start finds out, and one order tries it out.
    yard.demo.services.kill_proxy().await?;
    yard.demo.gates[wallet].set(Mode::Open).await?;
    yard.start().await?;
    let began = Instant::now();
    while place(yard, wallet).await?["account"] != first.as_str() {
        if began.elapsed() > Duration::from_secs(30) {
            bail!("it did not come back");
        }
        sleep(Duration::from_millis(100)).await;
    }
    while last_turn(yard, &first)? != Some(BreakerState::Closed) {
        ensure!(
            began.elapsed() < Duration::from_secs(40),
            "its breaker did not close"
        );
        place(yard, wallet).await?;
        sleep(Duration::from_millis(200)).await;
    }
    println!(
        "{}: lost over two starts, back {:?} after the third",
        WALLETS[wallet].0,
        began.elapsed()
    );
    Ok(())
}

async fn place(yard: &Yard, wallet: usize) -> anyhow::Result<Value> {
    let (channel, pay_way) = WALLETS[wallet];
    let body = json!({ "order_no": yard.demo.next_number(), "channel": channel, "pay_way": pay_way, "amount": 500, "description": "茶" });
    let answer = yard.merchant()?.ask("POST", "/v1/payments", Some(&body)).await?;
    ensure!(answer.status == 201, "{} {}", answer.status, answer.json());
    Ok(answer.json())
}

fn entries(yard: &Yard) -> anyhow::Result<Vec<TradeEvent>> {
    let reader = Reader::open(Arc::new(RealDisk), &yard.demo.place.dir.join("data/trades"))?;
    let all = reader.scan(0);
    all.map(|item| Ok(TradeEntry::from_canonical(&item?.1).context("an entry")?.event))
        .collect()
}

fn intents(yard: &Yard) -> anyhow::Result<Vec<TradeEvent>> {
    let mut all = entries(yard)?;
    all.retain(|event| matches!(event, TradeEvent::AttemptIntended { .. }));
    Ok(all)
}

/// The last word of the journal on an account's breaker for new orders.
fn last_turn(yard: &Yard, wanted: &str) -> anyhow::Result<Option<BreakerState>> {
    let turn = |event: &TradeEvent| match event {
        TradeEvent::BreakerTurned {
            account,
            class: OperationClass::Place,
            state,
            ..
        } if account.as_str() == wanted => Some(*state),
        _ => None,
    };
    Ok(entries(yard)?.iter().rev().find_map(turn))
}
