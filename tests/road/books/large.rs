//! A large day: 100,000 orders over all channels, refunds, payment codes and reversals among them, with 500 planted
//! differences of all seven kinds, and the proxy killed in the middle of the bills. The Baidu wallet has no bill and is asked order by order; the banks have none, and their accounts
//! are said to be compared with nothing.

use super::{
    Done, Found, account, codes, compare_from, day_of, found, in_its_bills, not_reconciled, of_channel, open,
    placed, placed_by, text,
};
use anyhow::{anyhow, ensure};
use domain::Day;
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
/// What an answer about one order can show.
const ANSWERABLE: [&str; 3] = ["only_here", "amount", "trade_no"];
const BILLED: [&str; 3] = ["wechat", "alipay", "unionpay"];
/// The day of each of the channels below.
type Days = [Day; 4];
const CHANNELS: [&str; 4] = ["wechat", "alipay", "unionpay", "baidu"];
const BANKS: [&str; 3] = ["ccb", "icbc", "cmb"];
/// One in so many hundreds of orders is the Baidu wallet's.
const BAIDU: usize = 10;
/// Of so many orders one is at each bank.
const AT_BANKS: usize = 1000;
/// Orders under way at once.
const LANES: usize = 48;
/// So often is done again what was disturbed.
const TRIES: usize = 10;
/// So many orders of a lane are placed before it is asked whether they are known as paid.
const LATER: usize = 20;
/// So long may it take until all is compared.
const MOST: Duration = Duration::from_secs(600);

/// Of which channel the n-th order is: blocks of orders in turn.
fn channel_of(n: usize) -> &'static str {
    let (block, at) = (n / EACH, n % AT_BANKS);
    match () {
        () if at == 3 => BANKS[0],
        () if at == 503 => BANKS[1],
        () if at == 753 => BANKS[2],
        () if block % BAIDU == BAIDU - 1 => "baidu",
        () => BILLED[(block - block / BAIDU) % BILLED.len()],
    }
}

/// What becomes of an order beside being paid.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nothing: a code for the payer to scan.
    Paid,
    /// A payer's app or mini program calls it up.
    CalledUp,
    Refunded,
    /// A payer's code.
    Code,
    CodeRefunded,
    CodeReversed,
}

/// Five of two hundred orders of each channel that has bills are no plain ones.
fn fate_of(n: usize) -> Fate {
    let channel = channel_of(n);
    match n % EACH {
        _ if !BILLED.contains(&channel) => Fate::Paid,
        20 if channel != "unionpay" => Fate::CalledUp,
        40 => Fate::Refunded,
        60 => Fate::Code,
        80 => Fate::CodeRefunded,
        120 => Fate::CodeReversed,
        _ => Fate::Paid,
    }
}

/// What is planted at an order, if anything: every kind in turn, over all channels.
fn planted_at(n: usize) -> Option<&'static str> {
    let block = n / EACH;
    let kind = match channel_of(n) {
        "baidu" => ANSWERABLE[block / BAIDU % ANSWERABLE.len()],
        _ => KINDS[(block - block / BAIDU) % KINDS.len()],
    };
    (n % EACH == EACH / 2).then_some(kind)
}

/// Places and pays (unless its bill alone shall say so) the n-th order; its number at the channel, and its own where it is
/// paid.
async fn one(demo: &Demo, merchant: &Merchant, n: usize) -> anyhow::Result<(String, Option<String>)> {
    let (channel, amount) = (channel_of(n), 1000 + (n % 9000) as u64);
    if planted_at(n) == Some("only_at_channel") {
        return Ok((format!("NEVER{n:08}"), None));
    }
    let fate = fate_of(n);
    let order = match fate {
        Fate::Code | Fate::CodeRefunded => codes::charged(demo, merchant, channel, amount).await?,
        Fate::CodeReversed => codes::reversed(demo, merchant, channel, amount).await?,
        Fate::CalledUp => placed_by(demo, merchant, (channel, "jsapi"), amount).await?,
        Fate::Paid | Fate::Refunded => placed(demo, merchant, channel, amount).await?,
    };
    if fate == Fate::CodeRefunded {
        codes::refunded(merchant, &order, 300).await?;
    }
    if matches!(fate, Fate::Code | Fate::CodeRefunded | Fate::CodeReversed) {
        return Ok((text(&order["number"]), None));
    }
    let number = text(&order["number"]);
    if planted_at(n) == Some("state") {
        return Ok((number, None));
    }
    if !BILLED.contains(&channel) {
        demo.open(&order).await?;
    }
    let paid = json!({ "channel": channel, "out_trade_no": number, "outcome": "paid" });
    demo.control("/control/pay", &paid).await?;
    if fate == Fate::Refunded {
        known_as_paid(merchant, &text(&order["id"])).await?;
        codes::refunded(merchant, &order, 300).await?;
        return Ok((number, None));
    }
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

async fn plant(demo: &Demo, numbers: &[String], days: Days) -> anyhow::Result<Found> {
    let mut planted = Found::new();
    for (channel, day) in CHANNELS.into_iter().zip(days) {
        let own = numbers
            .iter()
            .enumerate()
            .filter(|(n, _)| channel_of(*n) == channel);
        let list: Vec<(&str, &String)> = own
            .filter_map(|(n, number)| Some((planted_at(n)?, number)))
            .collect();
        let plants: Vec<Value> = list
            .iter()
            .map(|(kind, number)| json!({ "difference": kind, "out_trade_no": number }))
            .collect();
        demo.control(
            "/control/bills",
            &json!({ "channel": channel, "account": account(demo, channel), "day": day.to_string(), "plant": plants }),
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

/// Asking order by order takes its time.
async fn until_compared(merchant: &Merchant, day: Day) -> Done {
    let began = Instant::now();
    loop {
        match super::until_compared(merchant, day).await {
            Ok(_) => return Ok(()),
            Err(error) if began.elapsed() > MOST => return Err(error),
            Err(_) => {}
        }
    }
}

/// A day's orders, traded within that day of each channel: begun again with another demo where one ended under way.
async fn traded(
    orders: usize,
) -> anyhow::Result<(tempfile::TempDir, Arc<Demo>, Merchant, Vec<String>, Days)> {
    loop {
        let dir = tempfile::tempdir()?;
        let (demo, merchant) = open(dir.path(), false).await?;
        let (demo, days) = (Arc::new(demo), CHANNELS.map(day_of));
        let numbers = trade(&demo, orders).await?;
        if CHANNELS.map(day_of) == days {
            return Ok((dir, demo, merchant, numbers, days));
        }
        eprintln!("a channel's day ended under way: begun again");
        demo.services.stop().await?;
    }
}

async fn compared(orders: usize) -> Done {
    let (_dir, demo, merchant, numbers, days) = traded(orders).await?;
    let first = days[0];
    let planted = plant(&demo, &numbers, days).await?;
    let trades = planted.iter().filter(|(bill, ..)| bill != "funds").count();
    ensure!(trades == orders / EACH, "{trades} of {}", orders / EACH);
    demo.services.stop_proxy().await?;
    compare_from(&demo, first)?;
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
    for day in days {
        until_compared(&merchant, day).await?;
        until_compared(&merchant, Day::from_number(day.number() + 1)).await?;
    }
    let mut seen = Found::new();
    for (channel, day) in CHANNELS.into_iter().zip(days) {
        let result = super::asked(&merchant, day).await?;
        seen.extend(of_channel(channel, found(&result)?));
        for bank in BANKS {
            ensure!(
                not_reconciled(&result, bank) == ["no bill of this channel"]
                    && of_channel(bank, found(&result)?).is_empty(),
                "{bank}: {result}"
            );
        }
        for account in result["accounts"].as_array().into_iter().flatten() {
            if account["channel"] == channel {
                eprintln!(
                    "{} {} {}: {} lines, {} differences",
                    channel, day, account["bill"], account["lines"], account["differences"]
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
