//! A comparison that is cut short, and the next day's bill compared before it goes on: what that bill has of the day changes the
//! list of differences from its beginning.

use super::{
    Done, Found, account, asked, compare_from, days_ago, found, in_its_bills, of_channel, open, paid, text,
    until_compared,
};
use anyhow::{anyhow, ensure};
use domain::Day;
use sandbox::demo::{Demo, merchant::Merchant};
use serde_json::{Value, json};
use std::{os::unix::process::ExitStatusExt, time::Duration};

/// In the next day's bill; they are the earliest of the day.
const LATE: usize = 3;
/// In no bill. More differences than the sixty-four that are put on record at once, so the kill leaves some behind.
const MISSING: usize = 63;

/// Numbers of orders that were paid, the late ones first.
async fn numbers(demo: &Demo, merchant: &Merchant) -> anyhow::Result<Vec<String>> {
    let pay = async |several: usize| -> anyhow::Result<Vec<String>> {
        let mut all = Vec::new();
        for _ in 0..several {
            all.push(text(&paid(demo, merchant, "wechat", 1000).await?["number"]));
        }
        Ok(all)
    };
    let mut all = pay(LATE).await?;
    let third = MISSING / 3;
    let (a, b, c) = tokio::try_join!(pay(third), pay(third), pay(third))?;
    all.extend([a, b, c].into_iter().flatten());
    Ok(all)
}

//= C61
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comparison_that_was_cut_short_finds_all_though_the_next_day_was_compared_in_between() -> Done {
    let dir = tempfile::tempdir()?;
    let (demo, merchant) = open(dir.path(), false).await?;
    let day = days_ago(3);
    let numbers = numbers(&demo, &merchant).await?;
    let kind = |n: usize| if n < LATE { "day" } else { "only_here" };
    let plants = numbers.iter().enumerate();
    let plants = plants.map(|(n, number)| json!({ "difference": kind(n), "out_trade_no": number }));
    let plants: Vec<Value> = plants.collect();
    let bills = json!({ "channel": "wechat", "account": account(&demo, "wechat"), "day": day.to_string(), "plant": plants });
    demo.control("/control/bills", &bills).await?;
    demo.services.stop_proxy().await?;
    compare_from(&demo, day)?;
    demo.services
        .restart_proxy(&demo.place, &[("GUANDAO_STOP_AT", "bill_differs")])
        .await?;
    let ended = tokio::time::timeout(Duration::from_secs(120), demo.services.proxy_ended()).await;
    let status = ended.map_err(|_| anyhow!("no difference was put on record in 120 s"))??;
    ensure!(
        status.signal() == Some(libc::SIGABRT),
        "it ended otherwise: {status}"
    );
    let ready = |ready: bool| json!({ "channel": "wechat", "account": account(&demo, "wechat"), "day": day.to_string(), "ready": ready });
    demo.control("/control/bills", &ready(false)).await?;
    demo.services.restart_proxy(&demo.place, &[]).await?;
    demo.ready().await?;
    let next = Day::from_number(day.number() + 1);
    until_compared(&merchant, next).await?;
    let before = asked(&merchant, day).await?;
    ensure!(before["state"] == "waiting", "{before}");
    demo.control("/control/bills", &ready(true)).await?;
    until_compared(&merchant, day).await?;
    // It took no part of what the day's list came to, so it is due again.
    until_compared(&merchant, next).await?;
    // No day waits for the fund-flow bill.
    let of_trades = |all: Found| -> Found { all.into_iter().filter(|(bill, ..)| bill == "trade").collect() };
    let seen = of_trades(of_channel(
        "wechat",
        found(&until_compared(&merchant, day).await?)?,
    ));
    let planted = of_trades(
        numbers
            .iter()
            .enumerate()
            .flat_map(|(n, number)| in_its_bills("wechat", kind(n), number, ""))
            .collect(),
    );
    ensure!(
        seen == planted,
        "missed {:?}, invented {:?}",
        planted.difference(&seen),
        seen.difference(&planted)
    );
    demo.services.stop().await?;
    demo.prove_journal().map(drop)
}
