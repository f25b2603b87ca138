//! The watch in the demo: planted cases are flagged and the demo's ordinary trade is not, two officers hand the flags
//! over, a stopped merchant's next order is refused.
#![allow(clippy::print_stdout)] // a command answers on standard output

use super::{
    Demo, Own,
    officers::{self, Officer},
    place::OWN_OFFICERS,
    planted,
};
use anyhow::ensure;
use serde_json::json;
use std::time::{Duration, Instant};

/// Tells all of it. Others may use the same desk at the same time: only what is the demo's own is judged or decided.
pub(super) async fn watch(demo: &Demo, own: &Own) -> anyhow::Result<()> {
    let neighbours = [demo.merchant(own.stories[0])?, demo.merchant(own.stories[1])?];
    planted::plant(demo, &demo.merchant(own.planted)?, &neighbours).await?;
    let (a, b) = (
        Officer::sign_in(demo, OWN_OFFICERS[0]).await?,
        Officer::sign_in(demo, OWN_OFFICERS[1]).await?,
    );
    let id = |n: usize| demo.place.merchants[n].id.as_str();
    let planted_at = id(own.planted);
    let flags = a.until_flagged(planted_at, &planted::RULES).await?;
    let ordinary = own.stories.map(id);
    let wrong: Vec<_> = a
        .flags()
        .await?
        .into_iter()
        .filter(|f| ordinary.iter().any(|m| f["merchant"] == *m))
        .collect();
    ensure!(wrong.is_empty(), "ordinary trade was flagged: {wrong:?}");
    println!(
        "flagged at {planted_at}: {} cases of {}; none at {}",
        flags.len(),
        planted::RULES.join(" "),
        ordinary.join(" ")
    );
    let confirmed = officers::confirm_all(&a, &b, planted_at).await?;
    let package = demo.export()?;
    demo.prove_export(&package)?;
    println!(
        "confirmed by two officers: {confirmed}; package {} verified",
        package.file_name().unwrap_or_default().display()
    );
    stopped(demo, &a, &b, own.stopped).await
}

/// A stop takes effect within two seconds and looks like any other refusal; then it is lifted.
async fn stopped(demo: &Demo, a: &Officer, b: &Officer, number: usize) -> anyhow::Result<()> {
    let merchant = demo.merchant(number)?;
    let measure = officers::stop_merchant(a, b, merchant.id()).await?;
    let refused = refused_soon(demo, &merchant).await;
    let took = officers::took_effect(demo, &measure).await;
    officers::lift(a, b, &measure).await?;
    refused?;
    let took = took?;
    ensure!(
        took < Duration::from_secs(2),
        "the stop took no effect within 2 s: {took:?}"
    );
    println!(
        "{} stopped by two officers; in force {} ms later, its next order refused like any order_not_accepted; the stop is lifted",
        merchant.id(),
        took.as_millis()
    );
    Ok(())
}

async fn refused_soon(demo: &Demo, merchant: &super::merchant::Merchant) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let body = json!({ "order_no": demo.next_number(), "channel": "wechat", "pay_way": "native", "amount": 100, "description": "x" });
        let answer = merchant.ask("POST", "/v1/payments", Some(&body)).await?;
        if answer.status == 403 && answer.json()["code"] == "order_not_accepted" {
            return Ok(());
        }
        ensure!(
            began.elapsed() < Duration::from_secs(20),
            "the stop took no effect: {}",
            answer.json()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
