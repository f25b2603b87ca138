//! Combined orders (合单) through a merchant's own SDK: one payment, several orders, each on record as its own.

use crate::{
    kills::{MUTATION, Yard, text},
    native::{Sdk, shown},
    through::pay,
};
use anyhow::{Context, bail, ensure};
use sandbox::demo::{http::Answer, place::Options};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::sleep;

const PATH: &str = "/v3/combine-transactions";

/// A group as the shop knows it: its number, and each order's number, fen and sub-merchant.
struct Group {
    number: String,
    orders: Vec<(String, u64, Option<String>)>,
}

impl Group {
    /// One order of the merchant's own, one of a sub-merchant of its.
    fn new(yard: &Yard, sdk: &Sdk) -> anyhow::Result<Group> {
        let (account, _) = sdk.wechat_account()?;
        let sub = account.sub_mchids.first().cloned();
        Ok(Group {
            number: yard.demo.next_number(),
            orders: vec![
                (yard.demo.next_number(), 300, None),
                (yard.demo.next_number(), 500, sub),
            ],
        })
    }

    fn body(&self, sdk: &Sdk) -> anyhow::Result<Value> {
        let (account, notify_url) = sdk.wechat_account()?;
        let order = |(number, fen, sub): &(String, u64, Option<String>)| {
            let mut order = json!({ "mchid": account.mchid, "out_trade_no": number, "description": "tea", "attach": "table 7", "amount": { "total_amount": fen, "currency": "CNY" } });
            if let Some(sub) = sub {
                order["sub_mchid"] = json!(sub);
            }
            order
        };
        let orders: Vec<Value> = self.orders.iter().map(order).collect();
        Ok(
            json!({ "combine_appid": account.appid, "combine_mchid": account.mchid, "combine_out_trade_no": self.number, "notify_url": notify_url, "sub_orders": orders }),
        )
    }

    async fn create(&self, sdk: &Sdk) -> anyhow::Result<Answer> {
        sdk.wechat("POST", &format!("{PATH}/native"), Some(&self.body(sdk)?))
            .await
    }

    async fn query(&self, sdk: &Sdk) -> anyhow::Result<Answer> {
        sdk.wechat("GET", &format!("{PATH}/out-trade-no/{}", self.number), None)
            .await
    }

    async fn close(&self, sdk: &Sdk, take: usize) -> anyhow::Result<Answer> {
        let (account, _) = sdk.wechat_account()?;
        let order = |(number, _, sub): &(String, u64, Option<String>)| {
            let mut order = json!({ "mchid": account.mchid, "out_trade_no": number });
            if let Some(sub) = sub {
                order["sub_mchid"] = json!(sub);
            }
            order
        };
        let orders: Vec<Value> = self.orders.iter().take(take).map(order).collect();
        sdk.wechat(
            "POST",
            &format!("{PATH}/out-trade-no/{}/close", self.number),
            Some(&json!({ "combine_appid": account.appid, "sub_orders": orders })),
        )
        .await
    }

    /// Every order of it, as the unified API shows it, once each is in this state.
    async fn all(&self, yard: &Yard, state: &str) -> anyhow::Result<Vec<Value>> {
        let mut last = Vec::new();
        for _ in 0..150 {
            last.clear();
            for (number, ..) in &self.orders {
                last.push(shown(yard, number).await?);
            }
            if last.iter().all(|order| order["state"] == state) {
                return Ok(last);
            }
            sleep(Duration::from_millis(100)).await;
        }
        bail!("not all of them came to be {state} within 15 s: {last:?}")
    }

    /// What the channel has of them, as it lists its orders.
    async fn there(&self, yard: &Yard) -> anyhow::Result<Vec<Value>> {
        let all = yard.demo.channel_orders().await?;
        let own = |order: &&Value| order["combined"] == *self.number;
        Ok(all["orders"]
            .as_array()
            .context("orders")?
            .iter()
            .filter(own)
            .cloned()
            .collect())
    }
}

/// How many notices the merchant got through us; one that came again is none more.
fn relayed(yard: &Yard) -> usize {
    let came = yard.demo.shop().came("/relay/wechat/");
    let ids = came.iter().map(|notice| {
        let notice: Value = serde_json::from_slice(&notice.body).unwrap_or_default();
        text(&notice["id"])
    });
    ids.collect::<BTreeSet<_>>().len()
}

/// Placed, asked for, paid by one payment, told of once; then each is refunded on its own.
async fn life(yard: &Yard, sdk: &Sdk) -> anyhow::Result<()> {
    let group = Group::new(yard, sdk)?;
    let placed = group.create(sdk).await?;
    ensure!(
        placed.status == 200 && placed.json()["code_url"].is_string(),
        "create answered {} {}",
        placed.status,
        placed.json()
    );
    for (order, (number, fen, _)) in group
        .all(yard, "awaiting_payment")
        .await?
        .iter()
        .zip(&group.orders)
    {
        ensure!(
            order["number"] == **number && order["amount"] == *fen,
            "another order: {order}"
        );
    }
    let again = group.create(sdk).await?;
    ensure!(
        again.status == 200,
        "the same again answered {} {}",
        again.status,
        again.json()
    );
    let open = group.query(sdk).await?.json();
    ensure!(
        open["sub_orders"]
            .as_array()
            .is_some_and(|all| all.iter().all(|sub| sub["trade_state"] == "NOTPAY")),
        "{open}"
    );
    let before = relayed(yard);
    pay(yard, "wechat", &group.number, true).await?;
    let paid = group.all(yard, "paid").await?;
    ensure!(
        paid[0]["paid"]["trade_no"] != paid[1]["paid"]["trade_no"],
        "one trade number for two orders: {paid:?}"
    );
    for _ in 0..400 {
        if relayed(yard) > before {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    ensure!(
        relayed(yard) == before + 1,
        "{} notices were relayed",
        relayed(yard) - before
    );
    // Each is refunded on its own, the sub-merchant's in its name.
    for (number, fen, sub) in &group.orders {
        let mut body = json!({ "out_trade_no": number, "out_refund_no": format!("R{number}"), "amount": { "refund": 100, "total": fen, "currency": "CNY" } });
        if let Some(sub) = sub {
            body["sub_mchid"] = json!(sub);
        }
        let refund = sdk
            .wechat("POST", "/v3/refund/domestic/refunds", Some(&body))
            .await?;
        ensure!(
            refund.status == 200,
            "refund answered {} {}",
            refund.status,
            refund.json()
        );
    }
    let back = group.all(yard, "partly_refunded").await?;
    ensure!(back.iter().all(|order| order["refunded"] == 100), "{back:?}");
    ensure!(
        group
            .there(yard)
            .await?
            .iter()
            .all(|order| order["refunded_fen"] == 100),
        "the channel paid back otherwise"
    );
    Ok(())
}

/// Closed together or not at all; by their common number, not one by one.
async fn closed_together(yard: &Yard, sdk: &Sdk) -> anyhow::Result<()> {
    let group = Group::new(yard, sdk)?;
    ensure!(group.create(sdk).await?.status == 200, "not placed");
    let (account, _) = sdk.wechat_account()?;
    let alone = sdk
        .wechat(
            "POST",
            &format!("/v3/pay/transactions/out-trade-no/{}/close", group.orders[0].0),
            Some(&json!({ "mchid": account.mchid })),
        )
        .await?;
    sdk.not_allowed(&alone)?;
    let order = shown(yard, &group.orders[0].0).await?;
    let unified = yard
        .merchant()?
        .ask(
            "POST",
            &format!("/v1/payments/{}/close", text(&order["id"])),
            Some(&json!({})),
        )
        .await?;
    ensure!(
        unified.status == 403,
        "one of a group was closed: {} {}",
        unified.status,
        unified.json()
    );
    let closed = group.close(sdk, 2).await?;
    ensure!(
        closed.status == 204,
        "close answered {} {}",
        closed.status,
        closed.json()
    );
    group.all(yard, "closed").await?;
    ensure!(
        group
            .there(yard)
            .await?
            .iter()
            .all(|order| order["state"] == "CLOSED"),
        "open at the channel"
    );
    Ok(())
}

/// Nothing leaves that would pay anybody else, split money, or change what is on record.
//= C03
//= C21
async fn refused(yard: &Yard, sdk: &Sdk) -> anyhow::Result<()> {
    let good = Group::new(yard, sdk)?;
    ensure!(good.create(sdk).await?.status == 200, "not placed");
    let before = yard.demo.channel_orders().await?;
    let asked = |change: &dyn Fn(&mut Value)| -> anyhow::Result<Value> {
        let mut body = Group::new(yard, sdk)?.body(sdk)?;
        change(&mut body);
        Ok(body)
    };
    let create = async |body: Value| sdk.wechat("POST", &format!("{PATH}/native"), Some(&body)).await;
    for body in [
        asked(&|b| b["sub_orders"][1]["sub_mchid"] = json!("1600000009"))?,
        asked(&|b| b["sub_orders"][0]["mchid"] = json!("1600000009"))?,
        asked(&|b| b["sub_orders"][0]["sub_mchid"] = json!("1600000009"))?,
        asked(&|b| b["sub_orders"][0]["settle_info"] = json!({ "subsidy_amount": 1 }))?,
        asked(&|b| b["sub_orders"][0]["receivers"] = json!([]))?,
        asked(&|b| b["profit_sharing"] = json!(true))?,
    ] {
        sdk.not_allowed(&create(body).await?)?;
    }
    for body in [
        asked(&|b| b["sub_orders"][0]["settle_info"] = json!({ "profit_sharing": true }))?,
        asked(&|b| b["sub_orders"][0]["amount"]["total_amount"] = json!(0))?,
        asked(&|b| b["sub_orders"][1]["out_trade_no"] = b["sub_orders"][0]["out_trade_no"].clone())?,
        asked(&|b| b["combine_mchid"] = json!("1600000009"))?,
        asked(&|b| b["sub_orders"] = json!([b["sub_orders"][0].clone()]))?,
    ] {
        let answer = create(body).await?;
        ensure!(
            answer.status == 400 && answer.json()["code"] == "PARAM_ERROR",
            "{} {}",
            answer.status,
            answer.json()
        );
    }
    // A group on record with one amount changed, and one of its orders alone.
    let mut changed = good.body(sdk)?;
    changed["sub_orders"][1]["amount"]["total_amount"] = json!(501);
    let answer = create(changed).await?;
    ensure!(
        answer.status == 403 && answer.json()["code"] == "OUT_TRADE_NO_USED",
        "{} {}",
        answer.status,
        answer.json()
    );
    let alone = sdk.create(&good.orders[0].0, good.orders[0].1, None).await?;
    ensure!(
        alone.status == 403 && alone.json()["code"] == "OUT_TRADE_NO_USED",
        "{} {}",
        alone.status,
        alone.json()
    );
    let numbers = |all: &Value| all["orders"].as_array().map(Vec::len);
    let after = yard.demo.channel_orders().await?;
    ensure!(numbers(&before) == numbers(&after), "the channel heard of it");
    ensure!(
        good.there(yard)
            .await?
            .iter()
            .all(|order| order["calls"]["create"] == 1),
        "the changed group went out"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C67
async fn orders_that_are_paid_together() {
    let yard = Yard::with(Options {
        answer_ms: 4000,
        ..Options::default()
    })
    .await
    .expect("demo");
    let sdk = Sdk::of(&yard, "wechat").expect("an SDK");
    life(&yard, &sdk).await.unwrap_or_else(|e| panic!("life: {e:#}"));
    closed_together(&yard, &sdk)
        .await
        .unwrap_or_else(|e| panic!("close: {e:#}"));
    refused(&yard, &sdk)
        .await
        .unwrap_or_else(|e| panic!("refused: {e:#}"));
    // Nobody tells: the sweep asks for them together.
    let silent = Group::new(&yard, &sdk).expect("a group");
    assert_eq!(silent.create(&sdk).await.expect("answered").status, 200);
    pay(&yard, "wechat", &silent.number, false).await.expect("paid");
    let paid = silent.all(&yard, "paid").await.expect("found out");
    assert!(
        paid.iter().all(|order| order["paid"]["proof"] == "query"),
        "{paid:?}"
    );
}

/// With keys that only the merchant has, the group is learned from the merchant's own query of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn learned_from_the_merchants_own_query_of_the_group() {
    let yard = Yard::with(Options {
        keys_held: false,
        ..Options::default()
    })
    .await
    .expect("demo");
    let sdk = Sdk::of(&yard, "wechat").expect("an SDK");
    let group = Group::new(&yard, &sdk).expect("a group");
    assert_eq!(group.create(&sdk).await.expect("answered").status, 200);
    pay(&yard, "wechat", &group.number, false).await.expect("paid");
    group
        .all(&yard, "awaiting_payment")
        .await
        .expect("nobody asked yet");
    assert_eq!(group.query(&sdk).await.expect("answered").status, 200);
    group.all(&yard, "paid").await.expect("learned");
}

/// Ended between any two steps of create, the second intent's included: the SDK's repeat brings all of them to the channel
/// once, and they are paid once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_a_combined_create() {
    let yard = Yard::open().await.expect("demo");
    for step in MUTATION.into_iter().chain(["before_intent:2"]) {
        killed(&yard, step)
            .await
            .unwrap_or_else(|e| panic!("{step}: {e:#}"));
    }
    yard.demo.services.stop_proxy().await.expect("stops");
    yard.demo.prove_journal().expect("the journal is whole");
}

async fn killed(yard: &Yard, step: &str) -> anyhow::Result<()> {
    yard.restart_until(step).await?;
    let sdk = Sdk::of(yard, "wechat")?;
    let group = Group::new(yard, &sdk)?;
    ensure!(
        group.create(&sdk).await.is_err(),
        "answered although the proxy ended before"
    );
    yard.stopped_and_started().await?;
    let sdk = Sdk::of(yard, "wechat")?;
    let mut last = Value::Null;
    for _ in 0..100 {
        let answer = group.create(&sdk).await?;
        last = answer.json();
        if answer.status == 200 {
            break;
        }
        sleep(Duration::from_millis(150)).await;
    }
    ensure!(last["code_url"].is_string(), "no outcome within 15 s: {last}");
    pay(yard, "wechat", &group.number, true).await?;
    group.all(yard, "paid").await?;
    ensure!(
        group.there(yard).await?.len() == 2,
        "not two orders at the channel"
    );
    Ok(())
}
