//! Statistics against an independent recount: what each order says of itself, counted by this test.

use crate::{clock::clear_of_day_ends, routes::signed};
use anyhow::{Context, ensure};
use sandbox::demo::{Demo, http::Answer, merchant::Merchant, place::Options};
use serde_json::{Value, json};
use std::{collections::BTreeMap, process::Command};

type Done = anyhow::Result<()>;
/// Count and fen by row and sum.
type Sums = BTreeMap<(String, &'static str), (u64, u64)>;

const SUMS: [&str; 6] = ["created", "paid", "refunded", "closed", "reversed", "failed"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statistics_are_what_the_orders_say() -> Done {
    let dir = tempfile::tempdir()?;
    let demo = Demo::start(
        dir.path(),
        &Options {
            desk: false,
            merchants: 3,
            ..Options::default()
        },
        false,
    )
    .await?;
    let outcome = counted(&demo).await;
    demo.services.stop().await?;
    outcome
}

async fn counted(demo: &Demo) -> Done {
    clear_of_day_ends(3).await; // what is counted is one day's
    let shops = [demo.merchant(0)?, demo.merchant(1)?];
    let mut recounts = Vec::new();
    for shop in &shops {
        recounts.push(recount(shop, &trade(demo, shop).await?).await?);
    }
    for (shop, recounted) in shops.iter().zip(&recounts) {
        as_recounted(shop, recounted).await?;
        hours_add_up(shop).await?;
    }
    let nobody = ask(&demo.merchant(2)?, "by=channel").await?;
    ensure!(
        nobody["rows"] == json!([]) && nobody["total"]["created"]["count"] == 0,
        "another merchant's trade is told: {nobody}"
    );
    what_cannot_be_asked(&shops[0]).await?;
    the_operator_counts_all(demo, &shops, &recounts).await
}

/// Orders of several ways and ends; their ids.
async fn trade(demo: &Demo, shop: &Merchant) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::new();
    for (channel, way, fen, then) in [
        ("wechat", "native", 500, "paid"),
        ("wechat", "native", 700, "closed"),
        ("alipay", "qr", 900, "refunded"),
        ("wechat", "native", 1100, "closed"),
        ("wechat", "native", 40, "open"),
    ] {
        let body = json!({ "order_no": demo.next_number(), "channel": channel, "pay_way": way, "amount": fen, "description": "茶" });
        let order = placed(shop, &body).await?;
        let id = order["id"].as_str().context("an id")?.to_owned();
        if matches!(then, "paid" | "refunded") {
            demo.control(
                "/control/pay",
                &json!({ "channel": channel, "out_trade_no": order["number"], "outcome": "paid" }),
            )
            .await?;
            shop.until(&id, "payment", |o| o["state"] == "paid").await?;
        }
        if then == "refunded" {
            for (no, part) in [("r1", 300), ("r2", 50)] {
                shop.ask(
                    "POST",
                    &format!("/v1/payments/{id}/refunds"),
                    Some(&json!({ "refund_no": no, "amount": part })),
                )
                .await?;
            }
            shop.until(&id, "refund", |o| o["refunded"] == 350).await?;
        }
        if then == "closed" {
            shop.ask("POST", &format!("/v1/payments/{id}/close"), None)
                .await?;
            shop.until(&id, "close", |o| o["state"] == "closed").await?;
        }
        ids.push(id);
    }
    for (will, fen) in [("paid", 60), ("declined", 70)] {
        let code = demo.next_code("alipay");
        demo.control(
            "/control/pay",
            &json!({ "channel": "alipay", "auth_code": code, "outcome": will }),
        )
        .await?;
        let no = demo.next_number();
        let body = json!({ "order_no": no, "channel": "alipay", "pay_way": "micropay", "amount": fen, "description": "茶", "auth_code": code });
        shop.ask("POST", "/v1/payments", Some(&body)).await?;
        let found = shop
            .ask("GET", &format!("/v1/payments?order_no={no}"), None)
            .await?
            .json();
        ids.push(found["id"].as_str().context("an id")?.to_owned());
    }
    Ok(ids)
}

async fn placed(shop: &Merchant, body: &Value) -> anyhow::Result<Value> {
    let answer = shop.ask("POST", "/v1/payments", Some(body)).await?;
    ensure!(answer.status == 201, "{} {}", answer.status, answer.json());
    Ok(answer.json())
}

/// From what each order says of itself.
async fn recount(shop: &Merchant, ids: &[String]) -> anyhow::Result<Sums> {
    let mut sums = Sums::new();
    for id in ids {
        let order = shop.ask("GET", &format!("/v1/payments/{id}"), None).await?.json();
        let text = |name: &str| order[name].as_str().unwrap_or_default().to_owned();
        let (way, fen) = (
            format!("{} {}", text("channel"), text("pay_way")),
            order["amount"].as_u64().context("an amount")?,
        );
        let mut add = |sum, count, fen| {
            let it: &mut (u64, u64) = sums.entry((way.clone(), sum)).or_default();
            *it = (it.0 + count, it.1 + fen);
        };
        add("created", 1, fen);
        match order["state"].as_str() {
            Some("closed") => add("closed", 1, fen),
            Some("not_placed") => add("failed", 1, fen),
            Some("awaiting_payment") => {}
            Some(_) => add("paid", 1, order["paid"]["amount"].as_u64().context("paid")?),
            None => anyhow::bail!("{order}"),
        }
        for refund in order["refunds"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|r| r["state"] == "succeeded")
        {
            add("refunded", 1, refund["amount"].as_u64().context("an amount")?);
        }
    }
    Ok(sums)
}

async fn ask(shop: &Merchant, query: &str) -> anyhow::Result<Value> {
    let answer = shop.ask("GET", &format!("/v1/statistics?{query}"), None).await?;
    ensure!(
        answer.status == 200,
        "{query}: {} {}",
        answer.status,
        answer.json()
    );
    Ok(answer.json())
}

/// The rows of an answer, as the recount has them.
fn rows(said: &Value, merchant: Option<&str>) -> Sums {
    let mut sums = Sums::new();
    for row in said["rows"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|row| merchant.is_none_or(|m| row["merchant"] == m))
    {
        let way = format!(
            "{} {}",
            row["channel"].as_str().unwrap_or_default(),
            row["pay_way"].as_str().unwrap_or_default()
        );
        for sum in SUMS.into_iter().filter(|sum| row[*sum]["count"] != 0) {
            let of = |name: &str| row[sum][name].as_u64().unwrap_or_default();
            sums.insert((way.clone(), sum), (of("count"), of("fen")));
        }
    }
    sums
}

async fn as_recounted(shop: &Merchant, recounted: &Sums) -> Done {
    let said = ask(shop, "by=channel,pay_way").await?;
    ensure!(
        rows(&said, None) == *recounted,
        "told {:?}, recounted {recounted:?}",
        rows(&said, None)
    );
    // Three paid of those six that came to an end.
    ensure!(said["total"]["success_rate"] == "0.5000", "{}", said["total"]);
    let csv = shop
        .ask("GET", "/v1/statistics?by=channel,pay_way&format=csv", None)
        .await?;
    let text = String::from_utf8(csv.body.to_vec())?;
    let mut lines = text
        .split_terminator("\r\n")
        .map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().context("a head")?;
    let mut sums = Sums::new();
    for line in lines {
        let of = |name: &str| {
            head.iter()
                .position(|h| *h == name)
                .and_then(|at| line[at].parse::<u64>().ok())
                .unwrap_or_default()
        };
        for sum in SUMS.into_iter().filter(|sum| of(sum) != 0) {
            sums.insert(
                (format!("{} {}", line[0], line[1]), sum),
                (of(sum), of(&format!("{sum}_fen"))),
            );
        }
    }
    ensure!(sums == *recounted, "as CSV {sums:?}, recounted {recounted:?}");
    Ok(())
}

async fn hours_add_up(shop: &Merchant) -> Done {
    let by_hour = ask(shop, "by=hour").await?;
    for sum in SUMS {
        let fen: u64 = by_hour["rows"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|row| row[sum]["fen"].as_u64())
            .sum();
        ensure!(by_hour["total"][sum]["fen"] == fen, "{sum}: {by_hour}");
    }
    let yesterday = ask(shop, "from=2026-01-01&to=2026-01-02&by=hour").await?;
    ensure!(yesterday["rows"] == json!([]), "{yesterday}");
    Ok(())
}

async fn what_cannot_be_asked(shop: &Merchant) -> Done {
    for (query, code, said) in [
        ("by=merchant", "invalid_field", "hour, day, channel, pay_way"),
        ("from=yesterday", "invalid_field", "2026-11-23"),
        ("from=2026-01-01&to=2026-03-01", "invalid_field", "31 days"),
        ("from=2026-01-02&to=2026-01-01", "invalid_field", "after `from`"),
        ("format=xml", "invalid_field", "`json` or `csv`"),
        ("by=hour&by=hour", "malformed_request", "twice"),
        ("order_no=1", "unknown_field", "`from`, `to`, `by` or `format`"),
        ("by=hour&order_no=1", "unknown_field", "name number 2 "),
    ] {
        let answer: Answer = shop.ask("GET", &format!("/v1/statistics?{query}"), None).await?;
        let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
        ensure!(
            answer.status == 400 && answer.json()["code"] == code && detail.contains(said),
            "{query}: {}",
            answer.json()
        );
    }
    let post = shop.ask("POST", "/v1/statistics", Some(&json!({}))).await?;
    ensure!(post.status == 405, "{}", post.json());
    // Its answer brings no body, so that none is signed: what is asked so verifies.
    let head = shop.ask("HEAD", "/v1/statistics", None).await?;
    let allow = head.headers.get("allow").map(|allow| allow.as_bytes());
    ensure!(
        head.status == 405 && head.body.is_empty() && allow == Some(b"GET"),
        "{}",
        head.status
    );
    Ok(())
}

/// `guandao statistics`, beside the running service.
async fn the_operator_counts_all(demo: &Demo, shops: &[Merchant], recounts: &[Sums]) -> Done {
    signed(demo).await?;
    let count = |arguments: &[&str]| -> anyhow::Result<(bool, String)> {
        let out = Command::new(sandbox::demo::services::binary("guandao")?)
            .arg("statistics")
            .arg(demo.place.dir.join("guandao.toml"))
            .args(arguments)
            .output()?;
        Ok((
            out.status.success(),
            String::from_utf8(out.stdout)? + &String::from_utf8_lossy(&out.stderr),
        ))
    };
    let (good, said) = count(&["--by", "merchant,channel,pay_way"])?;
    ensure!(good, "{said}");
    let said: Value = serde_json::from_str(&said)?;
    for (shop, recounted) in shops.iter().zip(recounts) {
        ensure!(
            rows(&said, Some(shop.id())) == *recounted,
            "{}: {said}",
            shop.id()
        );
    }
    let (good, one) = count(&["--merchant", shops[1].id(), "--by", "day", "--csv"])?;
    ensure!(
        good && one.lines().count() == 2 && one.contains(",7,3370,3,1460,2,350,2,1800,"),
        "{one}"
    );
    let (good, wrong) = count(&["--by", "colour"])?;
    ensure!(
        !good && wrong.contains("hour, day, agent, merchant, channel, pay_way"),
        "{wrong}"
    );
    Ok(())
}
