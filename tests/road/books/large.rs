//! A large day: 100,000 orders over both channels with 500 planted differences of all seven kinds, and the proxy killed in
//! the middle of each bill.

use super::{Done, Found, compare_from, days_ago, found, in_its_bills, open, paid, placed, text};
use anyhow::{anyhow, ensure};
use sandbox::demo::{Demo, merchant::Merchant};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Of so many orders one differs.
const EACH: usize = 200;
const KINDS: [&str; 7] = [
    "repeated",
    "only_at_channel",
    "only_here",
    "amount",
    "state",
    "trade_no",
    "day",
];
const CHANNELS: [&str; 2] = ["wechat", "alipay"];
/// Orders under way at once.
const LANES: usize = 48;

/// What is planted at an order, if anything: every kind in turn, over both channels.
fn planted_at(n: usize) -> Option<&'static str> {
    (n % EACH == EACH / 2).then(|| KINDS[(n / EACH) % KINDS.len()])
}

/// Places and pays (unless its bill alone shall say so) the n-th order; its number at the channel.
async fn one(demo: &Demo, merchant: &Merchant, n: usize) -> anyhow::Result<String> {
    let (channel, amount) = (CHANNELS[n / EACH % 2], 1000 + (n % 9000) as u64);
    match planted_at(n) {
        Some("only_at_channel") => Ok(format!("NEVER{n}")),
        Some("state") => Ok(text(&placed(demo, merchant, channel, amount).await?["number"])),
        _ => Ok(text(&paid(demo, merchant, channel, amount).await?["number"])),
    }
}

async fn trade(demo: &Arc<Demo>, orders: usize) -> anyhow::Result<Vec<String>> {
    let (next, began) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let mut lanes = tokio::task::JoinSet::new();
    for _ in 0..LANES {
        let (demo, next) = (demo.clone(), next.clone());
        lanes.spawn(async move {
            let (merchant, mut done) = (demo.merchant(0)?, Vec::new());
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= orders {
                    return Ok::<_, anyhow::Error>(done);
                }
                if n % 5000 == 0 {
                    eprintln!("{n} orders after {:?}", began.elapsed());
                }
                // A connection lives two minutes at most and may end under a request: the order is made anew, and what
                // became of the former stands on both sides.
                let number = match one(&demo, &merchant, n).await {
                    Ok(number) => number,
                    Err(_) => one(&demo, &merchant, n).await?,
                };
                done.push((n, number));
            }
        });
    }
    let mut all = Vec::new();
    while let Some(done) = lanes.join_next().await {
        all.extend(done??);
    }
    all.sort_unstable();
    Ok(all.into_iter().map(|(_, number)| number).collect())
}

async fn plant(demo: &Demo, numbers: &[String], day: domain::Day) -> anyhow::Result<Found> {
    let mut planted = Found::new();
    let accounts = &demo.place.merchants[0].accounts;
    for (channel, account) in CHANNELS
        .into_iter()
        .zip([&accounts.wechat.mchid, &accounts.alipay.app_id])
    {
        let own = numbers
            .iter()
            .enumerate()
            .filter(|(n, _)| CHANNELS[n / EACH % 2] == channel);
        let list: Vec<(&str, &String)> = own
            .filter_map(|(n, number)| Some((planted_at(n)?, number)))
            .collect();
        let plants: Vec<Value> = list
            .iter()
            .map(|(kind, number)| json!({ "difference": kind, "out_trade_no": number }))
            .collect();
        demo.control(
            "/control/bills",
            &json!({ "channel": channel, "account": account, "day": day.to_string(), "plant": plants }),
        )
        .await?;
        planted.extend(
            list.into_iter()
                .flat_map(|(kind, number)| in_its_bills(channel, kind, number, "")),
        );
    }
    Ok(planted)
}

/// `cargo test --release -p workspace-tests --test road books::large -- --ignored --nocapture`; `GUANDAO_BOOKS_ORDERS=4000`
/// for a shorter one.
//= C61
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a hundred thousand orders take some minutes"]
async fn a_day_of_a_hundred_thousand_orders_with_five_hundred_differences() -> Done {
    let orders = std::env::var("GUANDAO_BOOKS_ORDERS").map_or(Ok(100_000), |text| text.parse::<usize>())?;
    let dir = tempfile::tempdir()?;
    let (demo, merchant) = open(dir.path(), false).await?;
    let (demo, day) = (Arc::new(demo), days_ago(3));
    let numbers = trade(&demo, orders).await?;
    let planted = plant(&demo, &numbers, day).await?;
    let trades = planted.iter().filter(|(bill, ..)| bill == "trade").count();
    ensure!(trades == orders / EACH, "{trades} of {}", orders / EACH);
    demo.services.stop_proxy().await?;
    compare_from(&demo, day)?;
    for step in ["bill_taken", "bill_differs:2", "bill_differs"] {
        demo.services
            .restart_proxy(&demo.place, &[("GUANDAO_STOP_AT", step)])
            .await?;
        let ended = tokio::time::timeout(Duration::from_secs(180), demo.services.proxy_ended()).await;
        ended.map_err(|_| anyhow!("{step} was not reached"))??;
    }
    demo.services.restart_proxy(&demo.place, &[]).await?;
    demo.ready().await?;
    let began = Instant::now();
    super::until_compared(&merchant, domain::Day::from_number(day.number() + 1)).await?;
    let result = super::until_compared(&merchant, day).await?;
    eprintln!("compared {:?} after the last start", began.elapsed());
    let seen = found(&result)?;
    ensure!(
        seen == planted,
        "missed {:?}, invented {:?}",
        planted.difference(&seen),
        seen.difference(&planted)
    );
    demo.services.stop().await?;
    demo.prove_journal().map(drop)
}
