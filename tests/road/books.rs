//! The books: a day of orders over WeChat Pay, Alipay and UnionPay against the channels' own bills, with every kind of difference planted,
//! and the proxy killed between every two steps of the comparison.

mod beside;
mod codes;
mod large;
mod unionpay;

use crate::clock::{clear_of_day_ends, now};
use anyhow::{Context, anyhow, ensure};
use domain::Day;
use sandbox::demo::{
    Demo,
    merchant::Merchant,
    officers::{Officer, to_agree},
    place::{Options, RETURN_HOST},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, os::unix::process::ExitStatusExt, path::Path, time::Duration};

type Done = anyhow::Result<()>;

/// Steps of a comparison, in order; behind `bill_differs` the first differences stand on record.
const STEPS: [&str; 4] = ["bill_asked", "bill_here", "bill_taken", "bill_differs"];

/// Orders of one channel that were paid three days ago, by the channel's clock.
struct Shop {
    channel: &'static str,
    account: String,
    /// The day in whose bill its orders are.
    day: Day,
    paid: Vec<Value>,
    unpaid: Value,
    refund: Value,
}

fn days_ago(days: i32) -> Day {
    Day::from_number(now().day().number() - days)
}

/// The day in whose bill a channel counts what it dates three days back: UnionPay's ends at 23:00.
fn day_of(channel: &str) -> Day {
    let early = if channel == "unionpay" { 3_600_000 } else { 0 };
    Day::from_number(now().plus_millis(early).day().number() - 3)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A demo that does not compare yet, while no day ends.
async fn open(dir: &Path, desk: bool) -> anyhow::Result<(Demo, Merchant)> {
    clear_of_day_ends(4).await;
    let demo = Demo::start(
        dir,
        &Options {
            desk,
            merchants: 1,
            ..Options::default()
        },
        true,
    )
    .await?;
    demo.control("/control/clock", &json!({ "speed": 20.0, "days_ago": 3 }))
        .await?;
    let merchant = demo.merchant(0)?;
    Ok((demo, merchant))
}

async fn placed(demo: &Demo, merchant: &Merchant, channel: &str, amount: u64) -> anyhow::Result<Value> {
    let pay_way = match channel {
        "wechat" => "native",
        "baidu" => "page",
        "ccb" | "icbc" | "cmb" => "gateway",
        _ => "qr",
    };
    placed_by(demo, merchant, (channel, pay_way), amount).await
}

async fn placed_by(
    demo: &Demo,
    merchant: &Merchant,
    (channel, pay_way): (&str, &str),
    amount: u64,
) -> anyhow::Result<Value> {
    let order_no = demo.next_number();
    // Each order has a payer of its own: one payer's day by codes is limited (R18).
    let payer = order_no
        .bytes()
        .filter(u8::is_ascii_digit)
        .rev()
        .take(10)
        .map(char::from)
        .collect::<String>();
    let mut body = json!({ "order_no": order_no, "channel": channel, "pay_way": pay_way, "amount": amount, "description": "茶, 杯" });
    if channel == "baidu" {
        body["return_url"] = format!("https://{RETURN_HOST}/back").into();
    }
    match (channel, pay_way) {
        ("wechat", "jsapi") => body["payer"] = json!({ "openid": format!("oUpF8uMuAJO_M2pxb1{payer:0>10}") }),
        (_, "jsapi") => body["payer"] = json!({ "buyer_id": format!("2088{payer:0>12}") }),
        _ => {}
    }
    if pay_way == "gateway" {
        body["client_ip"] = "203.0.113.9".into();
    }
    let answer = merchant.ask("POST", "/v1/payments", Some(&body)).await?;
    ensure!(answer.status == 201, "{}", answer.json());
    Ok(answer.json())
}

async fn paid(demo: &Demo, merchant: &Merchant, channel: &str, amount: u64) -> anyhow::Result<Value> {
    let order = placed(demo, merchant, channel, amount).await?;
    if ["baidu", "ccb", "icbc"].contains(&channel) {
        demo.open(&order).await?;
    }
    demo.control(
        "/control/pay",
        &json!({ "channel": channel, "out_trade_no": order["number"], "outcome": "paid" }),
    )
    .await?;
    merchant
        .until(order["id"].as_str().unwrap_or_default(), "payment", |o| {
            o["state"] == "paid"
        })
        .await
}

/// The first merchant's account at a channel.
fn account(demo: &Demo, channel: &str) -> String {
    let accounts = &demo.place.merchants[0].accounts;
    match channel {
        "wechat" => accounts.wechat.mchid.clone(),
        "alipay" => accounts.alipay.app_id.clone(),
        "baidu" => accounts.baidu.sp_no.clone(),
        _ => accounts.unionpay.mer_id.clone(),
    }
}

async fn trade(demo: &Demo, merchant: &Merchant, channel: &'static str) -> anyhow::Result<Shop> {
    let account = account(demo, channel);
    let mut all = Vec::new();
    for n in 0..12 {
        all.push(paid(demo, merchant, channel, 1000 + n).await?);
    }
    let unpaid = placed(demo, merchant, channel, 700).await?;
    let path = format!("/v1/payments/{}", text(&all[11]["id"]));
    for (no, amount) in [("r1", 100), ("r2", 200)] {
        let answer = merchant
            .ask(
                "POST",
                &format!("{path}/refunds"),
                Some(&json!({ "refund_no": no, "amount": amount })),
            )
            .await?;
        ensure!(answer.status < 300, "{}", answer.json());
    }
    let order = merchant
        .until(&text(&all[11]["id"]), "refunds", |o| o["refunded"] == 300)
        .await?;
    Ok(Shop {
        channel,
        account,
        day: day_of(channel),
        unpaid,
        refund: order["refunds"][0].clone(),
        paid: all,
    })
}

/// Which bill, which channel, the kind, the order's and the refund's number.
type Found = BTreeSet<(String, String, String, String, String)>;

/// What is planted in a channel's day stands in each of its bills; in the fund-flow bill no amount is compared.
fn in_its_bills(channel: &str, kind: &str, number: &str, refund: &str) -> Found {
    let bills: &[&str] = match channel {
        "wechat" if kind != "amount" => &["trade", "funds"],
        "baidu" => &["queried"],
        _ => &["trade"],
    };
    bills
        .iter()
        .map(|bill| {
            (
                (*bill).to_owned(),
                channel.to_owned(),
                kind.to_owned(),
                number.to_owned(),
                refund.to_owned(),
            )
        })
        .collect()
}

/// One difference of every kind, and one of a refund.
async fn plant(demo: &Demo, shop: &Shop) -> anyhow::Result<Found> {
    let number = |n: usize| text(&shop.paid[n]["number"]);
    let mut planted: Vec<(&str, String, String)> = ["repeated", "only_here", "amount", "trade_no", "day"]
        .into_iter()
        .enumerate()
        .map(|(n, kind)| (kind, number(n), String::new()))
        .collect();
    planted.push(("only_at_channel", format!("NEVER{}", shop.channel), String::new()));
    planted.push(("state", text(&shop.unpaid["number"]), String::new()));
    planted.push(("amount", number(11), text(&shop.refund["number"])));
    planted.push(("trade_no", number(11), text(&shop.refund["number"])));
    let list: Vec<Value> = planted.iter().map(|(kind, number, refund)| {
        json!({ "difference": kind, "out_trade_no": number, "out_refund_no": Some(refund).filter(|no| !no.is_empty()) })
    }).collect();
    demo.control(
        "/control/bills",
        &json!({ "channel": shop.channel, "account": shop.account, "day": shop.day.to_string(), "plant": list }),
    )
    .await?;
    Ok(planted
        .iter()
        .flat_map(|(kind, number, refund)| in_its_bills(shop.channel, kind, number, refund))
        .collect())
}

/// From now on the proxy compares, beginning with this day; a day's bills are asked for from 10:00 of the next one on, so
/// yesterday's perhaps not yet.
fn compare_from(demo: &Demo, day: Day) -> Done {
    compare(demo, day, 0)
}

/// The same; UnionPay's word for "none" or "not yet" means "none" so many minutes after a day's end.
fn compare(demo: &Demo, day: Day, none_after: u32) -> Done {
    let path = demo.place.dir.join("guandao.toml");
    let config = std::fs::read_to_string(&path)?;
    let config = config.split("\n[books]").next().unwrap_or_default();
    let books = format!(
        "\n[books]\nfrom = \"{day}\"\nafter_minutes = 600\nevery_ms = 100\nretry_ms = 500\nnone_after_minutes = {none_after}\n"
    );
    std::fs::write(path, config.to_owned() + &books).map_err(Into::into)
}

async fn asked(merchant: &Merchant, day: Day) -> anyhow::Result<Value> {
    let answer = merchant
        .ask("GET", &format!("/v1/reconciliations/{day}"), None)
        .await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.json());
    Ok(answer.json())
}

async fn until_compared(merchant: &Merchant, day: Day) -> anyhow::Result<Value> {
    let mut last = Value::Null;
    for _ in 0..600 {
        last = asked(merchant, day).await?;
        if (last["state"] == "agreed" || last["state"] == "differs") && !funds_to_come(&last) {
            return Ok(last);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(anyhow!("{day} is not compared: {last}"))
}

async fn until_state(merchant: &Merchant, day: Day, state: &str) -> anyhow::Result<Value> {
    let mut last = Value::Null;
    for _ in 0..600 {
        last = asked(merchant, day).await?;
        if last["state"] == state {
            return Ok(last);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(anyhow!("{day} is never {state}: {last}"))
}

/// The acquirer drops the first merchant's account at a channel; what is to be signed to have it again.
fn drop_account(demo: &Demo, channel: &str) -> anyhow::Result<Vec<(&'static str, Value)>> {
    let own = account(demo, channel);
    let mut again = Vec::new();
    for name in ["acquirer-demo", "operator"] {
        let file = demo.place.dir.join(format!("registries/{name}.json"));
        let mut registry: Value = serde_json::from_slice(&std::fs::read(file)?)?;
        let version = registry["version"].as_u64().context("a version")?;
        let mut before = registry.clone();
        before["version"] = json!(version + 2);
        again.push((name, before));
        registry["version"] = json!(version + 1);
        let list = match name {
            "operator" => &mut registry["accounts"],
            _ => &mut registry["merchants"][0]["accounts"],
        };
        let list = list.as_array_mut().context("accounts")?;
        let all = list.len();
        list.retain(|a| a["channel"] != channel || a["account"] != own.as_str());
        ensure!(
            list.len() + 1 == all,
            "{name}: {all} accounts, {} left",
            list.len()
        );
        demo.place.sign_registry(name, &registry)?;
    }
    Ok(again)
}

/// No day waits for a fund-flow bill, so a day may be compared before it.
fn funds_to_come(result: &Value) -> bool {
    let mut all = result["accounts"].as_array().into_iter().flatten();
    let under_way = |state: &Value| {
        ["not_asked", "asked", "comparing", "due_again"]
            .iter()
            .any(|s| state == s)
    };
    all.any(|account| account["bill"] == "funds" && under_way(&account["state"]))
}

fn found(result: &Value) -> anyhow::Result<Found> {
    let list = result["differences"].as_array().context("differences")?;
    let all: Found = list
        .iter()
        .map(|d| {
            (
                text(&d["bill"]),
                text(&d["channel"]),
                text(&d["difference"]),
                text(&d["number"]),
                text(&d["refund_number"]),
            )
        })
        .collect();
    ensure!(all.len() == list.len(), "a difference stands twice: {result}");
    Ok(all)
}

/// The accounts of a channel whose days are compared with nothing, and why.
fn not_reconciled(result: &Value, channel: &str) -> Vec<String> {
    let all = result["accounts"].as_array().into_iter().flatten();
    let own = all.filter(|a| a["channel"] == channel && a["state"] == "not_reconciled");
    own.map(|a| text(&a["reason"])).collect()
}

fn of_channel(channel: &str, all: Found) -> Found {
    all.into_iter().filter(|(_, own, ..)| own == channel).collect()
}

/// The proxy ends at each step in turn, and goes on where it was.
async fn killed_at_every_step(demo: &Demo) -> Done {
    for step in STEPS {
        demo.services
            .restart_proxy(&demo.place, &[("GUANDAO_STOP_AT", step)])
            .await?;
        let ended = tokio::time::timeout(Duration::from_secs(60), demo.services.proxy_ended()).await;
        let status = ended.map_err(|_| anyhow!("{step} was not reached in 60 s"))??;
        ensure!(
            status.signal() == Some(libc::SIGABRT),
            "{step}: the proxy ended otherwise: {status}"
        );
    }
    demo.services.restart_proxy(&demo.place, &[]).await?;
    demo.ready().await
}

/// No bill of the sandbox's contradicts itself, whatever is planted in its rows.
fn sums_agree(dir: &Path) -> Done {
    let log = std::fs::read_to_string(dir.join("guandao.log"))?;
    let warned = log
        .lines()
        .find(|line| line.contains("a bill's sums are of other amounts"));
    ensure!(!log.is_empty() && warned.is_none(), "{warned:?}");
    Ok(())
}

//= C61
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_planted_difference_is_found_and_none_is_invented_killed_at_every_step() -> Done {
    let dir = tempfile::tempdir()?;
    let (demo, merchant) = open(dir.path(), false).await?;
    let day = days_ago(3);
    let mut planted = Found::new();
    let mut shops = Vec::new();
    for channel in ["wechat", "alipay", "unionpay"] {
        let shop = trade(&demo, &merchant, channel).await?;
        planted.extend(plant(&demo, &shop).await?);
        shops.push(shop);
    }
    demo.services.stop_proxy().await?;
    compare_from(&demo, day)?;
    killed_at_every_step(&demo).await?;
    for day in [day, Day::from_number(day.number() + 1)] {
        until_compared(&merchant, day).await?;
    }
    let (mut seen, mut later) = (Found::new(), Found::new());
    for shop in &shops {
        // Between 15:00 and 16:00 UTC UnionPay's days are later ones than those above.
        let next = until_compared(&merchant, Day::from_number(shop.day.number() + 1)).await?;
        let result = until_compared(&merchant, shop.day).await?;
        seen.extend(of_channel(shop.channel, found(&result)?));
        later.extend(of_channel(shop.channel, found(&next)?));
        let accounts = result["accounts"].as_array().context("accounts")?;
        for account in accounts
            .iter()
            .filter(|account| account["channel"] == shop.channel)
        {
            // Twelve payments and two refunds; one line twice, one of nobody, one of an unpaid order; one missing, one a day
            // late.
            ensure!(
                account["account"] == shop.account
                    && account["lines"] == 12 + 2 + 3 - 2
                    && account["refunded"] == 301,
                "{account}"
            );
        }
    }
    ensure!(
        seen == planted,
        "missed {:?}, invented {:?}",
        planted.difference(&seen),
        seen.difference(&planted)
    );
    ensure!(
        later
            == planted
                .iter()
                .filter(|(_, _, kind, ..)| kind == "day")
                .cloned()
                .collect(),
        "{later:?}"
    );
    statements(&merchant, &shops).await?;
    what_was_paid_after_all(&demo, &merchant, &shops).await?;
    demo.services.stop().await?;
    sums_agree(dir.path())?;
    demo.prove_journal().map(drop)
}

/// What stands of a channel's day: where, and what.
fn standing(result: &Value, channel: &str) -> Vec<(u64, String)> {
    let all = result["differences"].as_array().into_iter().flatten();
    let own = all.filter(|d| d["channel"] == channel);
    own.map(|d| {
        (
            d["journal_index"].as_u64().unwrap_or_default(),
            text(&d["difference"]),
        )
    })
    .collect()
}

/// Of what the bills call paid and we had for unpaid we hear after the comparison: it is settled, whatever is killed in between, and
/// all else keeps its place.
//= C61
async fn what_was_paid_after_all(demo: &Demo, merchant: &Merchant, shops: &[Shop]) -> Done {
    let mut before = Vec::new();
    for shop in shops {
        let result = until_compared(merchant, shop.day).await?;
        let all = result["differences"].as_array().context("differences")?;
        let states = |d: &&Value| d["channel"] == shop.channel && d["difference"] == "state";
        for state in all.iter().filter(states) {
            ensure!(
                state["state"] == "open" && state["bill_state"] == "done",
                "{state}"
            );
        }
        before.push(standing(&result, shop.channel));
    }
    demo.services.stop_proxy().await?;
    for shop in shops {
        let paid =
            json!({ "channel": shop.channel, "out_trade_no": shop.unpaid["number"], "outcome": "paid" });
        demo.control("/control/pay", &paid).await?;
    }
    killed_at_every_step(demo).await?;
    for (shop, mut before) in shops.iter().zip(before) {
        merchant
            .until(&text(&shop.unpaid["id"]), "payment", |o| o["state"] == "paid")
            .await?;
        before.retain(|(_, kind)| kind != "state");
        let mut last = Vec::new();
        for _ in 0..600 {
            last = standing(&until_compared(merchant, shop.day).await?, shop.channel);
            if last == before {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        ensure!(last == before, "{}: {before:?}, {last:?}", shop.channel);
    }
    Ok(())
}

/// The merchant's own statement has every payment and refund of the day, and says where a bill differs.
async fn statements(merchant: &Merchant, shops: &[Shop]) -> Done {
    for shop in shops {
        let day = shop.day;
        let path = format!("/v1/reconciliations/{day}/statement");
        let answer = merchant.ask("GET", &path, None).await?;
        let text = String::from_utf8(answer.body.to_vec())?;
        let own = text
            .lines()
            .filter(|line| line.contains(&format!(",{},", shop.channel)));
        ensure!(
            answer.status == 200 && text.starts_with('\u{feff}') && own.count() == 14,
            "{} {text}",
            answer.status
        );
        let line = |n: usize| {
            text.lines()
                .find(|line| {
                    line.contains(shop.channel)
                        && line.contains(shop.paid[n]["number"].as_str().unwrap_or("?"))
                })
                .unwrap_or_default()
        };
        ensure!(
            line(0).ends_with(",repeated") && line(2).ends_with(",amount") && line(6).ends_with(','),
            "{text}"
        );
        ensure!(line(5).contains(",10.05,1005,"), "{}", line(5));
        let book = merchant.ask("GET", &format!("{path}?format=xlsx"), None).await?;
        ensure!(
            book.status == 200 && book.body.starts_with(b"PK\x03\x04") && book.body.len() > 2000,
            "{}",
            book.status
        );
        let other = merchant.ask("GET", &format!("{path}?format=pdf"), None).await?;
        ensure!(other.status == 400, "{}", other.json());
    }
    Ok(())
}

/// The Baidu wallet has no bill that is documented: what our record has of the day is asked for, order by order, and the
/// comparison is killed between every two steps like any other.
//= C61
//= C95
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn baidus_day_is_asked_for_order_by_order() -> Done {
    let dir = tempfile::tempdir()?;
    let (demo, merchant) = open(dir.path(), false).await?;
    let day = days_ago(3);
    let mut numbers = Vec::new();
    for n in 0..6 {
        numbers.push(text(&paid(&demo, &merchant, "baidu", 1000 + n).await?["number"]));
    }
    placed(&demo, &merchant, "baidu", 600).await?; // nobody ever opened it
    demo.open(&placed(&demo, &merchant, "baidu", 700).await?).await?; // nobody paid
    let account = account(&demo, "baidu");
    let kinds = ["only_here", "amount", "trade_no"];
    let plants: Vec<Value> = kinds
        .iter()
        .zip(&numbers)
        .map(|(kind, number)| json!({ "difference": kind, "out_trade_no": number }))
        .collect();
    demo.control(
        "/control/bills",
        &json!({ "channel": "baidu", "account": account, "day": day.to_string(), "plant": plants }),
    )
    .await?;
    let all = demo
        .control(
            "/control/bills",
            &json!({ "channel": "baidu", "account": account, "day": day.to_string(), "plant": [{ "difference": "amount", "out_trade_no": numbers[4] }, { "difference": "repeated", "out_trade_no": numbers[4] }] }),
        )
        .await;
    ensure!(all.is_err(), "an answer about one order cannot say it twice");
    // About one order the channel gives no clear answer, however often it is asked.
    let fault = json!({ "channel": "baidu", "operation": "query", "kind": "status_5xx", "count": 10_000, "out_trade_no": numbers[3] });
    demo.control("/control/fault", &fault).await?;
    // About another it says that it has another key: no word on the order either, and no difference.
    let other = json!({ "channel": "baidu", "operation": "query", "kind": "other_key", "count": 10_000, "out_trade_no": numbers[5] });
    demo.control("/control/fault", &other).await?;
    demo.services.stop_proxy().await?;
    compare_from(&demo, day)?;
    killed_at_every_step(&demo).await?;
    let result = until_compared(&merchant, day).await?;
    let unanswered = result["unanswered"].as_array().context("unanswered")?;
    let is = |number: &String, code: Option<&str>| {
        unanswered.iter().any(|u| {
            u["number"] == *number
                && u["channel"] == "baidu"
                && code.is_none_or(|code| u["channel_code"] == code)
        })
    };
    ensure!(
        unanswered.len() == 2 && is(&numbers[3], None) && is(&numbers[5], Some("5802")),
        "{result}"
    );
    let path = format!("/v1/reconciliations/{day}/statement");
    let statement = merchant.ask("GET", &path, None).await?;
    let statement = String::from_utf8(statement.body.to_vec())?;
    let row = statement.lines().find(|line| line.contains(&numbers[3]));
    ensure!(row.is_some_and(|row| row.ends_with(",unanswered")), "{statement}");
    let planted: Found = kinds
        .iter()
        .zip(&numbers)
        .map(|(kind, number)| {
            (
                "queried".into(),
                "baidu".into(),
                (*kind).into(),
                number.clone(),
                String::new(),
            )
        })
        .collect();
    let seen = of_channel("baidu", found(&result)?);
    ensure!(seen == planted, "planted {planted:?}, found {seen:?}");
    let accounts = result["accounts"].as_array().context("accounts")?;
    let own = accounts
        .iter()
        .find(|a| a["channel"] == "baidu")
        .context("an account")?;
    ensure!(own["bill"] == "queried" && own["lines"] == 3, "{own}");
    demo.services.stop().await?;
    demo.prove_journal().map(drop)
}

/// UnionPay's file: a wrong signature or a broken answer counts for nothing, 98 is asked again while the file may still be
/// made, and means "nothing happened" once it surely was.
//= C61
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unionpays_file_counts_only_when_it_is_signed_and_there() -> Done {
    let dir = tempfile::tempdir()?;
    let (demo, merchant) = open(dir.path(), false).await?;
    let shop = trade(&demo, &merchant, "unionpay").await?;
    let late = |ready: bool| json!({ "channel": "unionpay", "account": shop.account, "day": shop.day.to_string(), "ready": ready });
    for kind in ["wrong_signature", "garbage", "status_5xx"] {
        demo.control(
            "/control/fault",
            &json!({ "channel": "unionpay", "operation": "bill", "kind": kind, "count": 1 }),
        )
        .await?;
    }
    demo.control("/control/bills", &late(false)).await?;
    demo.services.stop_proxy().await?;
    compare(&demo, shop.day, 14_400)?;
    demo.services.restart_proxy(&demo.place, &[]).await?;
    demo.ready().await?;
    let own = async || -> anyhow::Result<Value> {
        let result = asked(&merchant, shop.day).await?;
        let all = result["accounts"].as_array().context("accounts")?;
        let own = all
            .iter()
            .find(|a| a["channel"] == "unionpay")
            .context("an account")?;
        Ok(own.clone())
    };
    let until = async |what: &str, fits: &dyn Fn(&Value) -> bool| -> anyhow::Result<Value> {
        for _ in 0..300 {
            let now = own().await?;
            if fits(&now) {
                return Ok(now);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(anyhow!("{what}: {}", own().await?))
    };
    until("98", &|a| {
        a["state"] == "refused" && a["channel_code"] == "98" && a["tries"].as_u64() >= Some(4)
    })
    .await?;
    demo.control("/control/bills", &late(true)).await?;
    let matched = until("compared", &|a| a["state"] == "matched").await?;
    ensure!(
        matched["differences"] == 0 && matched["lines"] == 14 && matched["refunded"] == 300,
        "{matched}"
    );
    // Nothing happened on the next day: that is not known before the file was surely made.
    let next = Day::from_number(shop.day.number() + 1);
    ensure!(asked(&merchant, next).await?["state"] == "waiting");
    demo.services.stop_proxy().await?;
    compare(&demo, shop.day, 0)?;
    demo.services.restart_proxy(&demo.place, &[]).await?;
    demo.ready().await?;
    ensure!(until_compared(&merchant, next).await?["state"] == "agreed");
    demo.services.stop().await?;
    let asks = demo.prove_journal()?;
    drop(asks);
    Ok(())
}

/// A bill that is being made is asked for again; a day on which nothing happened agrees.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bill_that_is_late_is_asked_for_again() -> Done {
    let dir = tempfile::tempdir()?;
    let (demo, merchant) = open(dir.path(), false).await?;
    let (day, shop) = (days_ago(3), trade(&demo, &merchant, "wechat").await?);
    paid(&demo, &merchant, "alipay", 1200).await?;
    let late = |ready: bool| json!({ "channel": "wechat", "account": shop.account, "day": day.to_string(), "ready": ready });
    demo.control("/control/bills", &late(false)).await?;
    demo.services.stop_proxy().await?;
    compare_from(&demo, day)?;
    let dropped = drop_account(&demo, "alipay")?;
    demo.services.restart_proxy(&demo.place, &[]).await?;
    demo.ready().await?;
    let next = Day::from_number(day.number() + 1);
    until_compared(&merchant, next).await?; // nothing happened then, and later days do not wait
    let result = asked(&merchant, day).await?;
    let account = &result["accounts"]
        .as_array()
        .and_then(|all| {
            all.iter()
                .find(|a| a["channel"] == "wechat" && a["bill"] == "trade")
        })
        .context("an account")?;
    ensure!(
        result["state"] == "waiting"
            && account["state"] == "refused"
            && account["channel_code"] == "STATEMENT_CREATING",
        "{result}"
    );
    demo.control("/control/bills", &late(true)).await?;
    // What an account traded that is registered no longer was compared with nothing, until it is registered again.
    let result = until_state(&merchant, day, "unproven").await?;
    let not_asked =
        |a: &&Value| a["channel"] == "alipay" && a["bill"] == "trade" && a["state"] == "not_asked";
    let accounts = result["accounts"].as_array().context("accounts")?;
    ensure!(accounts.iter().filter(not_asked).count() == 1, "{result}");
    for (name, registry) in &dropped {
        demo.place.sign_registry(name, registry)?;
    }
    let result = until_state(&merchant, day, "agreed").await?;
    ensure!(found(&result)?.is_empty(), "{result}");
    // A payment of that day comes on record afterwards, and the channel's bill does not have it.
    demo.control("/control/bills", &late(false)).await?;
    let order = paid(&demo, &merchant, "wechat", 900).await?;
    let result = until_state(&merchant, day, "waiting").await?;
    let again = |a: &Value| a["channel"] == "wechat" && a["state"] == "due_again";
    let accounts = result["accounts"].as_array().context("accounts")?;
    ensure!(accounts.iter().any(again), "{result}");
    let missing = json!({ "channel": "wechat", "account": shop.account, "day": day.to_string(), "plant": [{ "difference": "only_here", "out_trade_no": order["number"] }] });
    demo.control("/control/bills", &missing).await?;
    demo.control("/control/bills", &late(true)).await?;
    let result = until_state(&merchant, day, "differs").await?;
    let is_it =
        |d: &Value| d["bill"] == "trade" && d["difference"] == "only_here" && d["number"] == order["number"];
    let list = result["differences"].as_array().context("differences")?;
    ensure!(list.iter().any(is_it), "{result}");
    let to_come = format!(
        "/v1/reconciliations/{}",
        Day::from_number(now().day().number() + 2)
    );
    for path in [to_come.clone(), format!("{to_come}/statement")] {
        let answer = merchant.ask("GET", &path, None).await?;
        ensure!(
            answer.status == 400 && answer.json()["code"] == "invalid_field",
            "{path}"
        );
    }
    let before = Day::from_number(day.number() - 1);
    for (day, state) in [(before, "not_compared"), (days_ago(120), "not_compared")] {
        let before = asked(&merchant, day).await?;
        ensure!(
            before["state"] == state && before["accounts"] == json!([]),
            "{before}"
        );
    }
    let forgotten = format!("/v1/reconciliations/{}", days_ago(121));
    let forgotten = merchant.ask("GET", &forgotten, None).await?;
    ensure!(
        forgotten.status == 404 && text(&forgotten.json()["detail"]).contains("120 days"),
        "{} {}",
        forgotten.status,
        forgotten.json()
    );
    let wrong = merchant
        .ask("GET", "/v1/reconciliations/2026-02-30", None)
        .await?;
    ensure!(
        wrong.status == 400 && wrong.json()["code"] == "invalid_field",
        "{}",
        wrong.json()
    );
    demo.services.stop().await
}

/// One officer looks at what stands and proposes, another agrees; it is on both records, and the merchant sees it.
//= C62
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_resolve_a_difference() -> Done {
    let dir = tempfile::tempdir()?;
    let (demo, merchant) = open(dir.path(), true).await?;
    let (day, shop) = (days_ago(3), trade(&demo, &merchant, "wechat").await?);
    plant(&demo, &shop).await?;
    demo.services.stop_proxy().await?;
    compare_from(&demo, day)?;
    demo.services.restart_proxy(&demo.place, &[]).await?;
    demo.ready().await?;
    until_compared(&merchant, Day::from_number(day.number() + 1)).await?;
    let before = until_compared(&merchant, day).await?;
    let (a, b) = (
        Officer::sign_in(&demo, "officer-a").await?,
        Officer::sign_in(&demo, "officer-b").await?,
    );
    let list = format!(
        "/api/differences?merchant={}&date={day}&state=open",
        demo.place.merchants[0].id
    );
    let open = until_listed(
        &a,
        &list,
        before["differences"].as_array().context("differences")?,
    )
    .await?;
    let wanted = json!({ "resolution": "explained", "reason": "counted a day later" });
    for difference in &open {
        let path = format!("/api/differences/{}", difference["index"]);
        ensure!(
            a.ask(
                "POST",
                &format!("{path}/propose"),
                Some(&json!({ "resolution": "explained" }))
            )
            .await
            .is_err(),
            "no reason was asked for"
        );
        let (propose, agree) = (format!("{path}/propose"), format!("{path}/agree"));
        let read = to_agree(&a.ask("POST", &propose, Some(&wanted)).await?);
        ensure!(
            a.ask("POST", &agree, Some(&read)).await.is_err(),
            "one officer decided alone"
        );
        let back = json!({ "reason": "look again", "proposal": read["proposal"] });
        b.ask("POST", &format!("{path}/return"), Some(&back)).await?;
        let fresh = to_agree(&a.ask("POST", &propose, Some(&wanted)).await?);
        ensure!(
            b.ask("POST", &agree, Some(&read)).await.is_err(),
            "agreed to a proposal that stands no more"
        );
        let done = b.ask("POST", &agree, Some(&fresh)).await?;
        ensure!(done["state"] == "resolved", "{done}");
        ensure!(
            a.ask("POST", &format!("{path}/propose"), Some(&wanted))
                .await
                .is_err(),
            "what is resolved stays resolved"
        );
    }
    ensure!(
        a.ask("POST", "/api/differences/0/propose", Some(&wanted))
            .await
            .is_err(),
        "entry 0 is no difference"
    );
    for _ in 0..100 {
        let result = asked(&merchant, day).await?;
        if result["state"] == "resolved" {
            ensure!(
                result["differences"]
                    .as_array()
                    .is_some_and(|all| all.iter().all(|d| d["resolution"] == "explained")),
                "{result}"
            );
            still_resolved(&demo, &merchant, &shop, &result).await?;
            demo.services.stop().await?;
            return demo.prove_journal().map(drop);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(anyhow!(
        "the proxy did not hear of it: {}",
        asked(&merchant, day).await?
    ))
}

/// What officers resolved stays resolved where a later comparison still finds it; what it finds no more is gone.
async fn still_resolved(demo: &Demo, merchant: &Merchant, shop: &Shop, before: &Value) -> Done {
    let mut wanted = standing(before, shop.channel);
    wanted.retain(|(_, kind)| kind != "state");
    let paid = json!({ "channel": shop.channel, "out_trade_no": shop.unpaid["number"], "outcome": "paid" });
    demo.control("/control/pay", &paid).await?;
    for _ in 0..600 {
        let result = asked(merchant, shop.day).await?;
        if standing(&result, shop.channel) == wanted && !funds_to_come(&result) {
            return until_state(merchant, shop.day, "resolved").await.map(drop);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(anyhow!("{wanted:?}: {}", asked(merchant, shop.day).await?))
}

/// The desk has read each of these. It may list further ones, which a later bill cleared up.
async fn until_listed(officer: &Officer, path: &str, wanted: &[Value]) -> anyhow::Result<Vec<Value>> {
    for _ in 0..400 {
        let found = officer.ask("GET", path, None).await?;
        let list = found["differences"].as_array().context("differences")?;
        let is_listed = |one: &Value| list.iter().any(|d| d["index"] == one["journal_index"]);
        if !list.is_empty() && wanted.iter().all(is_listed) {
            return Ok(list.clone());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(anyhow!("the desk did not read all of {wanted:?}"))
}
