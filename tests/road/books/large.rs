//! A large day: 100,000 orders over three channels with 500 planted differences of all seven kinds, and the proxy killed in
//! the middle of each bill.

use super::{
    Done, Found, account, compare_from, day_of, days_ago, found, in_its_bills, of_channel, open, placed, text,
};
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
const CHANNELS: [&str; 3] = ["wechat", "alipay", "unionpay"];
/// Orders under way at once.
const LANES: usize = 48;
/// So often is done again what was disturbed.
const TRIES: usize = 10;
/// So many orders of a lane are placed before it is asked whether they are known as paid.
const LATER: usize = 20;

/// What is planted at an order, if anything: every kind in turn, over all channels.
fn planted_at(n: usize) -> Option<&'static str> {
    (n % EACH == EACH / 2).then(|| KINDS[(n / EACH) % KINDS.len()])
}

/// Places and pays (unless its bill alone shall say so) the n-th order; its number at the channel, and its own where it is
/// paid.
async fn one(demo: &Demo, merchant: &Merchant, n: usize) -> anyhow::Result<(String, Option<String>)> {
    let (channel, amount) = (CHANNELS[n / EACH % CHANNELS.len()], 1000 + (n % 9000) as u64);
    if planted_at(n) == Some("only_at_channel") {
        return Ok((format!("NEVER{n:08}"), None));
    }
    let order = placed(demo, merchant, channel, amount).await?;
    let number = text(&order["number"]);
    if planted_at(n) == Some("state") {
        return Ok((number, None));
    }
    let paid = json!({ "channel": channel, "out_trade_no": number, "outcome": "paid" });
    demo.control("/control/pay", &paid).await?;
    Ok((number, Some(text(&order["id"]))))
}

async fn known_as_paid(merchant: &Merchant, id: &str) -> Done {
    let ask = || merchant.until(id, "payment", |order| order["state"] == "paid");
    let mut known = ask().await;
    for _ in 0..TRIES {
        if known.is_err() {
            known = ask().await;
        }
    }
    known.map(drop)
}

async fn trade(demo: &Arc<Demo>, orders: usize) -> anyhow::Result<Vec<String>> {
    let (next, began) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let mut lanes = tokio::task::JoinSet::new();
    for _ in 0..LANES {
        let (demo, next) = (demo.clone(), next.clone());
        lanes.spawn(async move {
            let (merchant, mut done) = (demo.merchant(0)?, Vec::new());
            // Whether it is known here as paid is asked a little later: it need not be asked twice then.
            let mut waiting: Vec<String> = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= orders || waiting.len() >= LATER {
                    for id in waiting.drain(..) {
                        known_as_paid(&merchant, &id).await?;
                    }
                }
                if n >= orders {
                    return Ok::<_, anyhow::Error>(done);
                }
                if n % 5000 == 0 {
                    eprintln!("{n} orders after {:?}", began.elapsed());
                }
                // A connection lives two minutes at most and may end under a request, and on a busy machine the channel
                // may be too late for an answer: another order is made then, and what became of the former stands on both
                // sides.
                let mut made = one(&demo, &merchant, n).await;
                for _ in 0..TRIES {
                    if made.is_err() {
                        made = one(&demo, &merchant, n).await;
                    }
                }
                let (number, id) = made?;
                waiting.extend(id);
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

async fn plant(demo: &Demo, numbers: &[String]) -> anyhow::Result<Found> {
    let mut planted = Found::new();
    for channel in CHANNELS {
        let own = numbers
            .iter()
            .enumerate()
            .filter(|(n, _)| CHANNELS[n / EACH % CHANNELS.len()] == channel);
        let list: Vec<(&str, &String)> = own
            .filter_map(|(n, number)| Some((planted_at(n)?, number)))
            .collect();
        let plants: Vec<Value> = list
            .iter()
            .map(|(kind, number)| json!({ "difference": kind, "out_trade_no": number }))
            .collect();
        demo.control(
            "/control/bills",
            &json!({ "channel": channel, "account": account(demo, channel), "day": day_of(channel).to_string(), "plant": plants }),
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
    compared(orders).await
}

/// A twentieth of it: every kind of difference at every channel, and the same kills.
//= C61
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_twentieth_of_the_large_day() -> Done {
    compared(5_000).await
}

async fn compared(orders: usize) -> Done {
    let dir = tempfile::tempdir()?;
    let (demo, merchant) = open(dir.path(), false).await?;
    let demo = Arc::new(demo);
    let days = CHANNELS.map(day_of);
    let numbers = trade(&demo, orders).await?;
    ensure!(
        CHANNELS.map(day_of) == days,
        "a channel's day ended under way: begin again"
    );
    let planted = plant(&demo, &numbers).await?;
    let trades = planted.iter().filter(|(bill, ..)| bill == "trade").count();
    ensure!(trades == orders / EACH, "{trades} of {}", orders / EACH);
    demo.services.stop_proxy().await?;
    compare_from(&demo, days_ago(3))?;
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
    for days in (1..=3).rev() {
        super::until_compared(&merchant, days_ago(days)).await?;
    }
    let mut seen = Found::new();
    for channel in CHANNELS {
        let result = super::asked(&merchant, day_of(channel)).await?;
        seen.extend(of_channel(channel, found(&result)?));
        for account in result["accounts"].as_array().into_iter().flatten() {
            if account["channel"] == channel {
                eprintln!(
                    "{} {} {}: {} lines, {} differences",
                    channel,
                    day_of(channel),
                    account["bill"],
                    account["lines"],
                    account["differences"]
                );
            }
        }
    }
    eprintln!("compared {:?} after the last start", began.elapsed());
    ensure!(
        seen == planted,
        "missed {:?}, invented {:?}",
        planted.difference(&seen),
        seen.difference(&planted)
    );
    demo.services.stop().await?;
    demo.prove_journal().map(drop)
}
