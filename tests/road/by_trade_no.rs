//! Refunds through a merchant's own client that name a payment by WeChat's number alone, before anybody has told us of it: its
//! notice went to an address of the merchant's.

use crate::{
    kills::{Yard, id, text},
    native::{Sdk, shown},
    through::{pay, placed},
};
use anyhow::{Context, ensure};
use serde_json::{Value, json};

const REFUND: &str = "/v3/refund/domestic/refunds";

/// WeChat's number of the payment of this order, as the merchant has it from its own notice.
pub(crate) async fn number_there(yard: &Yard, number: &str) -> anyhow::Result<String> {
    let all = yard.demo.channel_orders().await?;
    let orders = all["orders"].as_array().context("orders")?;
    let own = orders.iter().find(|order| order["out_trade_no"] == *number);
    Ok(text(&own.context("the channel has no such order")?["channel_no"]))
}

fn refund(by: &str, number: &str, total: u64) -> Value {
    json!({ "transaction_id": by, "out_refund_no": format!("R{number}"), "amount": { "refund": 100, "total": total, "currency": "CNY" } })
}

/// A made-up number names nobody's payment, and nothing goes back.
async fn made_up(yard: &Yard, sdk: &Sdk) -> anyhow::Result<()> {
    let (number, _) = placed(yard, sdk, 300, None).await?;
    pay(yard, "wechat", &number, false).await?;
    let by_it = refund("4200000000202601010000000000", &number, 300);
    sdk.not_allowed(&sdk.wechat("POST", REFUND, Some(&by_it)).await?)?;
    let all = yard.demo.channel_orders().await?.to_string();
    ensure!(!all.contains(&format!("R{number}")), "it left: {all}");
    sdk.query(&number).await?;
    let order = shown(yard, &number).await?;
    let order = yard
        .until(id(&order)?, "payment", |o| o["state"] == "paid")
        .await?;
    ensure!(order["refunds"].is_null(), "it is on record: {order}");
    Ok(())
}

async fn direct(yard: &Yard, sdk: &Sdk) -> anyhow::Result<()> {
    let (number, _) = placed(yard, sdk, 300, None).await?;
    pay(yard, "wechat", &number, false).await?;
    let by_it = refund(&number_there(yard, &number).await?, &number, 300);
    let done = sdk.wechat("POST", REFUND, Some(&by_it)).await?;
    ensure!(done.status == 200, "{} {}", done.status, done.json());
    let order = paid_back(yard, &number).await?;
    ensure!(order["paid"]["trade_no"] == by_it["transaction_id"], "{order}");
    Ok(())
}

async fn paid_back(yard: &Yard, number: &str) -> anyhow::Result<Value> {
    let order = shown(yard, number).await?;
    let order = yard
        .until(id(&order)?, "refund", |o| o["refunds"][0]["state"] == "succeeded")
        .await?;
    ensure!(order["refunded"] == 100, "{order}");
    Ok(order)
}

/// In a sub-merchant's name it is asked for in that name, and is nobody else's.
async fn in_a_sub_merchants_name(yard: &Yard, sdk: &Sdk) -> anyhow::Result<()> {
    let (account, notify_url) = sdk.wechat_account()?;
    let (own, sub, other) = (&account.mchid, &account.sub_mchids[0], &account.sub_mchids[1]);
    let number = yard.demo.next_number();
    let order = json!({ "sp_appid": account.appid, "sp_mchid": own, "sub_mchid": sub, "description": "tea", "out_trade_no": number, "notify_url": notify_url, "amount": { "total": 700, "currency": "CNY" } });
    let target = "/v3/pay/partner/transactions/native";
    let placed = sdk.wechat("POST", target, Some(&order)).await?;
    ensure!(placed.status == 200, "{} {}", placed.status, placed.json());
    pay(yard, "wechat", &number, false).await?;
    let mut by_it = refund(&number_there(yard, &number).await?, &number, 700);
    for named in [Some(other), None] {
        by_it["sub_mchid"] = json!(named);
        if named.is_none() {
            by_it.as_object_mut().context("an object")?.remove("sub_mchid");
        }
        sdk.not_allowed(&sdk.wechat("POST", REFUND, Some(&by_it)).await?)?;
    }
    by_it["sub_mchid"] = json!(sub);
    let done = sdk.wechat("POST", REFUND, Some(&by_it)).await?;
    ensure!(done.status == 200, "{} {}", done.status, done.json());
    paid_back(yard, &number).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C87
async fn a_refund_by_wechats_number_finds_a_payment_that_nobody_told_us_of() {
    let yard = Yard::open().await.expect("demo");
    let sdk = Sdk::of(&yard, "wechat").expect("an SDK");
    direct(&yard, &sdk)
        .await
        .unwrap_or_else(|e| panic!("direct: {e:#}"));
    in_a_sub_merchants_name(&yard, &sdk)
        .await
        .unwrap_or_else(|e| panic!("partner: {e:#}"));
    made_up(&yard, &sdk)
        .await
        .unwrap_or_else(|e| panic!("made up: {e:#}"));
    yard.agree().await.expect("the books agree");
}
