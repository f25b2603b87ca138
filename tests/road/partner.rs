//! Partner mode (服务商): the merchant's number at WeChat is a service provider's, and an order pays one of the
//! sub-merchants in that key's own list; by the unified API and through the merchant's own SDK.

use crate::{
    kills::{Yard, id, text},
    native::{Sdk, shown},
    through::pay,
};
use anyhow::{bail, ensure};
use sandbox::demo::place::Options;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

const PATH: &str = "/v3/pay/partner/transactions";

async fn until(yard: &Yard, number: &str, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    let mut last = Value::Null;
    for _ in 0..150 {
        last = shown(yard, number).await?;
        if wanted(&last) {
            return Ok(last);
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("it did not come within 15 s: {last}")
}

/// Placed, paid, told, refunded, and closed in a sub-merchant's name, composed by us.
async fn unified(yard: &Yard, pay_way: &str) -> anyhow::Result<()> {
    let sdk = Sdk::of(yard, "wechat")?;
    let (account, _) = sdk.wechat_account()?;
    let sub = &account.sub_mchids[1];
    let mut body = yard.body("wechat", 700);
    body["pay_way"] = json!(pay_way);
    body["payee"] = json!(sub);
    if pay_way == "jsapi" {
        body["payer"] = json!({ "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o" });
    }
    let merchant = yard.merchant()?;
    let placed = merchant.ask("POST", "/v1/payments", Some(&body)).await?;
    ensure!(
        placed.status == 201,
        "create answered {} {}",
        placed.status,
        placed.json()
    );
    let order = placed.json();
    let there = yard.at_channel(&order).await?;
    ensure!(
        there.len() == 1 && there[0]["sub_mchid"] == **sub,
        "at the channel: {there:?}"
    );
    yard.pay(&order).await?;
    let id = id(&order)?;
    yard.until(id, "payment", |o| o["state"] == "paid").await?;
    yard.told(id, "payment.paid").await?;
    let refund = merchant
        .ask(
            "POST",
            &format!("/v1/payments/{id}/refunds"),
            Some(&json!({ "refund_no": "r1", "amount": 200 })),
        )
        .await?;
    ensure!(
        refund.status < 300,
        "refund answered {} {}",
        refund.status,
        refund.json()
    );
    yard.until(id, "refund", |o| o["refunds"][0]["state"] == "succeeded")
        .await?;
    let second = {
        body["order_no"] = json!(yard.demo.next_number());
        merchant.ask("POST", "/v1/payments", Some(&body)).await?.json()
    };
    let closed = merchant
        .ask(
            "POST",
            &format!("/v1/payments/{}/close", text(&second["id"])),
            Some(&json!({})),
        )
        .await?;
    ensure!(
        closed.status == 200 && closed.json()["state"] == "closed",
        "close answered {} {}",
        closed.status,
        closed.json()
    );
    Ok(())
}

/// The same with the SDK's own octets: another sub-merchant's name is refused in every call.
async fn through(yard: &Yard, sdk: &Sdk, held: bool) -> anyhow::Result<()> {
    let (account, notify_url) = sdk.wechat_account()?;
    let (own, sub, other) = (&account.mchid, &account.sub_mchids[0], &account.sub_mchids[1]);
    let number = yard.demo.next_number();
    let order = json!({ "sp_appid": account.appid, "sp_mchid": own, "sub_mchid": sub, "description": "tea", "out_trade_no": number, "notify_url": notify_url, "amount": { "total": 700, "currency": "CNY" }, "payer": { "sp_openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o" } });
    let placed = sdk.wechat("POST", &format!("{PATH}/jsapi"), Some(&order)).await?;
    ensure!(
        placed.status == 200 && placed.json()["prepay_id"].is_string(),
        "create answered {} {}",
        placed.status,
        placed.json()
    );
    let query = async |sub: &str| {
        sdk.wechat(
            "GET",
            &format!("{PATH}/out-trade-no/{number}?sp_mchid={own}&sub_mchid={sub}"),
            None,
        )
        .await
    };
    ensure!(
        query(sub).await?.json()["trade_state"] == "NOTPAY",
        "not as placed"
    );
    pay(yard, "wechat", &number, held).await?;
    if !held {
        ensure!(query(sub).await?.json()["trade_state"] == "SUCCESS", "not paid");
    }
    until(yard, &number, |o| o["state"] == "paid").await?;
    // The same number for another sub-merchant is another order, which is not on record.
    let close = async |sub: &str| {
        sdk.wechat(
            "POST",
            &format!("{PATH}/out-trade-no/{number}/close"),
            Some(&json!({ "sp_mchid": own, "sub_mchid": sub })),
        )
        .await
    };
    sdk.not_allowed(&close(other).await?)?;
    let refund = async |named: Option<&str>| {
        let mut body = json!({ "out_trade_no": number, "out_refund_no": format!("R{number}"), "amount": { "refund": 300, "total": 700, "currency": "CNY" } });
        if let Some(named) = named {
            body["sub_mchid"] = json!(named);
        }
        sdk.wechat("POST", "/v3/refund/domestic/refunds", Some(&body))
            .await
    };
    sdk.not_allowed(&refund(Some(other)).await?)?;
    let done = refund(Some(sub)).await?;
    ensure!(
        done.status == 200,
        "refund answered {} {}",
        done.status,
        done.json()
    );
    for _ in 0..40 {
        if sdk
            .wechat(
                "GET",
                &format!("/v3/refund/domestic/refunds/R{number}?sub_mchid={sub}"),
                None,
            )
            .await?
            .json()["status"]
            == "SUCCESS"
        {
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
    until(yard, &number, |o| o["refunds"][0]["state"] == "succeeded")
        .await
        .map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C03
async fn a_service_provider_for_its_own_sub_merchants() {
    let yard = Yard::open().await.expect("demo");
    for pay_way in ["native", "jsapi"] {
        unified(&yard, pay_way)
            .await
            .unwrap_or_else(|e| panic!("unified {pay_way}: {e:#}"));
    }
    let sdk = Sdk::of(&yard, "wechat").expect("an SDK");
    through(&yard, &sdk, true)
        .await
        .unwrap_or_else(|e| panic!("through: {e:#}"));
    let mut foreign = yard.body("wechat", 100);
    foreign["payee"] = json!("1600000009");
    let refused = yard
        .merchant()
        .expect("merchant")
        .ask("POST", "/v1/payments", Some(&foreign))
        .await
        .expect("answered");
    assert_eq!(
        (refused.status, text(&refused.json()["code"]).as_str()),
        (403, "payee_not_allowed"),
        "{}",
        refused.json()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_provider_whose_keys_the_merchant_alone_holds() {
    let yard = Yard::with(Options {
        keys_held: false,
        ..Options::default()
    })
    .await
    .expect("demo");
    let sdk = Sdk::of(&yard, "wechat").expect("an SDK");
    through(&yard, &sdk, false)
        .await
        .unwrap_or_else(|e| panic!("{e:#}"));
}
