//! Payment codes in the books: paid, refunded and reversed at each channel, and a way back that the bill lacks or tells with
//! another amount. The statement lists what was reversed. A service provider's bill has what its sub-merchants were paid.

use super::{
    Done, Found, account, compare_from, day_of, days_ago, found, of_channel, sums_agree, text, until_compared,
};
use crate::clock::clear_of_day_ends;
use anyhow::{Context, ensure};
use domain::Day;
use sandbox::demo::{Demo, merchant::Merchant, place::Options};
use serde_json::{Value, json};

const CHANNELS: [&str; 3] = ["wechat", "alipay", "unionpay"];

/// A payer's code, charged.
pub(super) async fn charged(
    demo: &Demo,
    merchant: &Merchant,
    channel: &str,
    amount: u64,
) -> anyhow::Result<Value> {
    let code = demo.next_code(channel);
    let will = json!({ "channel": channel, "auth_code": code, "outcome": "paid" });
    demo.control("/control/pay", &will).await?;
    let body = json!({
        "order_no": demo.next_number(), "channel": channel, "pay_way": "micropay", "amount": amount, "description": "茶",
        "client_ip": "203.0.113.7", "auth_code": code,
    });
    let answer = merchant.ask("POST", "/v1/payments", Some(&body)).await?;
    ensure!(answer.status < 300, "{channel}: {}", answer.json());
    let paid = |order: &Value| order["state"] == "paid";
    merchant.until(&text(&answer.json()["id"]), "payment", paid).await
}

/// Charged, and taken back.
pub(super) async fn reversed(
    demo: &Demo,
    merchant: &Merchant,
    channel: &str,
    amount: u64,
) -> anyhow::Result<Value> {
    let order = charged(demo, merchant, channel, amount).await?;
    let id = text(&order["id"]);
    merchant
        .ask("POST", &format!("/v1/payments/{id}/reverse"), Some(&json!({})))
        .await?;
    let back = |order: &Value| order["state"] == "reversed";
    merchant.until(&id, "payment", back).await
}

/// Pays a part of it back.
pub(super) async fn refunded(merchant: &Merchant, order: &Value, amount: u64) -> Done {
    let id = text(&order["id"]);
    let refund = json!({ "refund_no": "r1", "amount": amount });
    let answer = merchant
        .ask("POST", &format!("/v1/payments/{id}/refunds"), Some(&refund))
        .await?;
    ensure!(answer.status < 300, "{}", answer.json());
    let back = |order: &Value| order["refunded"] == amount;
    merchant.until(&id, "refunds", back).await.map(drop)
}

/// The number under which the channel has what went back.
async fn way_back(demo: &Demo, order: &Value) -> anyhow::Result<String> {
    let all = demo.channel_orders().await?;
    let all = all["orders"].as_array().context("orders")?;
    let own = all.iter().find(|o| o["out_trade_no"] == order["number"]);
    let number = text(&own.context("the order")?["refunds"][0]["no"]);
    ensure!(!number.is_empty(), "nothing went back: {own:?}");
    Ok(number)
}

fn differs(bill: &str, channel: &str, kind: &str, number: &str, refund: &str) -> Found {
    let all = [bill, channel, kind, number, refund].map(str::to_owned);
    let [a, b, c, d, e] = all;
    Found::from([(a, b, c, d, e)])
}

/// What is found where the way back of one order is missing and that of another has one fen more. WeChat's fund-flow bill
/// names it by WeChat's own number and so by its amount alone.
fn wanted(channel: &str, missing: &str, more: &str, own: &str) -> Found {
    let refund = if channel == "unionpay" { own } else { "" };
    let mut all = differs("trade", channel, "only_here", missing, "");
    all.extend(differs("trade", channel, "amount", more, refund));
    if channel == "wechat" {
        all.extend(differs("funds", channel, "only_here", missing, ""));
        all.extend(differs("funds", channel, "only_here", more, ""));
        all.extend(differs("funds", channel, "only_at_channel", "", own));
    }
    all
}

//= C61
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reversed_payment_whose_money_never_came_back_is_found_at_every_channel() -> Done {
    ways_back_are_compared(&CHANNELS, Options::default()).await
}

/// The same where WeChat's payment codes go by APIv3.
//= C61
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reversed_payment_by_codepay_whose_money_never_came_back_is_found() -> Done {
    let codepay = Options {
        codepay: true,
        ..Options::default()
    };
    ways_back_are_compared(&["wechat"], codepay).await
}

/// The same where Alipay is asked by OpenAPI v3, for the bill too.
//= C61
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reversed_payment_by_openapi_v3_whose_money_never_came_back_is_found() -> Done {
    let openapi_v3 = Options {
        openapi_v3: true,
        ..Options::default()
    };
    ways_back_are_compared(&["alipay"], openapi_v3).await
}

async fn ways_back_are_compared(channels: &[&'static str], options: Options) -> Done {
    clear_of_day_ends(4).await;
    let first = days_ago(3);
    let dir = tempfile::tempdir()?;
    let options = Options {
        desk: false,
        merchants: 1,
        ..options
    };
    let demo = Demo::start(dir.path(), &options, true).await?;
    demo.control("/control/clock", &json!({ "speed": 20.0, "days_ago": 3 }))
        .await?;
    let merchant = demo.merchant(0)?;
    let (mut all, mut reversals, mut days) = (Found::new(), Vec::new(), Vec::new());
    for channel in channels.iter().copied() {
        charged(&demo, &merchant, channel, 1001).await?;
        refunded(&merchant, &charged(&demo, &merchant, channel, 1002).await?, 300).await?;
        let whole = reversed(&demo, &merchant, channel, 1003).await?;
        let missing = reversed(&demo, &merchant, channel, 1014).await?;
        let more = reversed(&demo, &merchant, channel, 1025).await?;
        let (gone, own) = (way_back(&demo, &missing).await?, way_back(&demo, &more).await?);
        let plant = json!([
            { "difference": "only_here", "out_trade_no": missing["number"], "out_refund_no": gone },
            { "difference": "amount", "out_trade_no": more["number"], "out_refund_no": own },
        ]);
        let day = day_of(channel);
        let bills = json!({ "channel": channel, "account": account(&demo, channel), "day": day.to_string(), "plant": plant });
        demo.control("/control/bills", &bills).await?;
        let [missing, more] = [missing, more].map(|order| text(&order["number"]));
        all.extend(wanted(channel, &missing, &more, &own));
        reversals.push((channel, day, text(&whole["number"]), missing));
        days.push(day);
    }
    let sub = sub_merchants(&demo, &merchant).await?;
    demo.services.stop_proxy().await?;
    compare_from(&demo, first)?;
    demo.services.restart_proxy(&demo.place, &[]).await?;
    demo.ready().await?;
    until_compared(&merchant, first).await?;
    let mut seen = Found::new();
    for (channel, day) in channels.iter().zip(days) {
        // The bill of the day after tells what was counted there instead.
        until_compared(&merchant, Day::from_number(day.number() + 1)).await?;
        let result = until_compared(&merchant, day).await?;
        seen.extend(of_channel(channel, found(&result)?));
    }
    ensure!(
        seen == all,
        "missed {:?}, invented {:?}",
        all.difference(&seen),
        seen.difference(&all)
    );
    for (channel, day, whole, missing) in reversals {
        let path = format!("/v1/reconciliations/{day}/statement");
        let statement = String::from_utf8(merchant.ask("GET", &path, None).await?.body.to_vec())?;
        let of = |number: &str| -> Vec<&str> {
            let rows = statement.lines().filter(|row| row.contains(number));
            rows.filter(|row| row.contains(",reversal,")).collect()
        };
        let (one, other) = (of(&whole), of(&missing));
        ensure!(
            one.len() == 1 && one[0].contains(",-10.03,-1003,") && one[0].ends_with(','),
            "{channel}: {statement}"
        );
        ensure!(
            other.len() == 1 && other[0].ends_with(",only_here"),
            "{channel}: {statement}"
        );
    }
    if options.openapi_v3 {
        let asked = demo
            .control_get("/control/requests?channel=alipay&operation=bill")
            .await?;
        let by_v3 = |r: &Value| text(&r["target"]).starts_with("/v3/alipay/data/dataservice/bill/");
        let fetched = |r: &Value| text(&r["target"]).starts_with("/downloadBillFile.resource");
        let asked = asked["requests"].as_array().context("requests")?;
        ensure!(
            asked.iter().any(by_v3) && asked.iter().all(|r| by_v3(r) || fetched(r)),
            "bills were asked for otherwise: {asked:?}"
        );
    }
    if options.codepay {
        let sent = demo.last_request("wechat", "reverse").await?;
        ensure!(sent.starts_with('{'), "reversed by V2: {sent}");
    }
    ensure!(!sub.is_empty());
    demo.services.stop().await?;
    sums_agree(dir.path())?;
    demo.prove_journal().map(drop)
}

/// One order for each sub-merchant of the account: the provider's trade bill has them all, its fund-flow bill none.
async fn sub_merchants(demo: &Demo, merchant: &Merchant) -> anyhow::Result<Vec<String>> {
    let mut all = Vec::new();
    for sub in &demo.place.merchants[0].accounts.wechat.sub_mchids {
        let body = json!({
            "order_no": demo.next_number(), "channel": "wechat", "pay_way": "native", "amount": 1200, "description": "茶",
            "payee": sub,
        });
        let answer = merchant.ask("POST", "/v1/payments", Some(&body)).await?;
        ensure!(answer.status == 201, "{}", answer.json());
        let order = answer.json();
        let paid = json!({ "channel": "wechat", "out_trade_no": order["number"], "outcome": "paid" });
        demo.control("/control/pay", &paid).await?;
        merchant
            .until(&text(&order["id"]), "payment", |o| o["state"] == "paid")
            .await?;
        all.push(text(&order["number"]));
    }
    Ok(all)
}
