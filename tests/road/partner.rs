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

/// Placed in the sub-merchant's own mini program and app: named at the channel, called up by it, its payer told by its id.
/// What is not registered for the very one who is paid never leaves, whoever composes it.
//= C97
async fn in_its_own_app(yard: &Yard) -> anyhow::Result<()> {
    let sdk = Sdk::of(yard, "wechat")?;
    let (account, notify_url) = sdk.wechat_account()?;
    let (sub, own) = (&account.sub_mchids[0], &account.sub_appids[0]);
    let merchant = yard.merchant()?;
    let body = |pay_way: &str, change: &Value| {
        let mut body = yard.body("wechat", 700);
        let order = json!({ "pay_way": pay_way, "payee": sub, "sub_appid": own });
        for (name, value) in [&order, change]
            .into_iter()
            .filter_map(Value::as_object)
            .flatten()
        {
            body[name] = value.clone();
        }
        body.as_object_mut()
            .into_iter()
            .for_each(|body| body.retain(|_, value| !value.is_null()));
        body
    };
    let openid = "oSubF8uMuAJO_M2pxb1Q9zNjWeS6";
    let by_its_id = json!({ "payer": { "sub_openid": openid } });
    for (pay_way, more, place) in [("jsapi", &by_its_id, "appId"), ("app", &json!({}), "appid")] {
        let body = body(pay_way, more);
        let placed = merchant.ask("POST", "/v1/payments", Some(&body)).await?;
        let order = placed.json();
        ensure!(
            placed.status == 201 && order["call_up"][place] == **own,
            "{pay_way}: {order}"
        );
        // A repeat signs anew, by the same app; without it this is another order.
        let again = merchant.ask("POST", "/v1/payments", Some(&body)).await?.json();
        ensure!(again["call_up"][place] == **own, "{pay_way}, again: {again}");
        yard.pay(&order).await?;
        yard.until(id(&order)?, "payment", |o| o["state"] == "paid")
            .await?;
        let path = format!(
            "{PATH}/out-trade-no/{}?sp_mchid={}&sub_mchid={sub}",
            text(&order["number"]),
            account.mchid
        );
        let there = sdk.wechat("GET", &path, None).await?.json();
        ensure!(there["sub_appid"] == **own, "{pay_way}: {there}");
        let told = merchant
            .ask("GET", &format!("/v1/payments/{}?expand=payer", id(&order)?), None)
            .await?
            .json();
        ensure!(
            // WeChat states the payer's id in either app; whose app the order is of, that one's is told.
            there["payer"]["sp_openid"].is_string()
                && there["payer"]["sub_openid"].is_string()
                && told["payer"] == json!({ "sub_openid": there["payer"]["sub_openid"] }),
            "{pay_way}: told {told}, there {there}"
        );
        ensure!(
            pay_way != "jsapi" || there["payer"]["sub_openid"] == openid,
            "{there}"
        );
    }
    let before = yard.demo.channel_orders().await?;
    let other = &account.sub_appids[1];
    for (pay_way, change, right) in [
        (
            "jsapi",
            json!({ "sub_appid": other, "payer": { "sub_openid": openid } }),
            "sub_apps",
        ),
        (
            "jsapi",
            json!({ "sub_appid": account.mini_appid, "payer": { "sub_openid": openid } }),
            "sub_apps",
        ),
        ("native", json!({ "sub_appid": "wx00000000000000ff" }), "sub_apps"),
        (
            "native",
            json!({ "appid": "wx00000000000000ff" }),
            "for this account. (C21)",
        ),
        ("app", json!({ "payee": account.mchid }), "sub_apps"),
        ("app", json!({ "payee": null }), "`payee`"),
        ("app", json!({ "payee": "1600000009" }), "own account"),
        (
            "jsapi",
            json!({ "sub_appid": null, "payer": { "sub_openid": openid } }),
            "`sub_appid`",
        ),
        ("jsapi", json!({ "payer": { "openid": openid } }), "sub_openid"),
        (
            "jsapi",
            json!({ "payer": { "openid": openid, "sub_openid": openid } }),
            "only id",
        ),
        (
            "micropay",
            json!({ "channel": null, "auth_code": "130000000000000000", "client_ip": "203.0.113.7" }),
            "`sub_appid`",
        ),
    ] {
        let refused = merchant
            .ask("POST", "/v1/payments", Some(&body(pay_way, &change)))
            .await?;
        let said = refused.json();
        ensure!(
            [400, 403, 422].contains(&refused.status) && text(&said["detail"]).contains(right),
            "{change}: {} {said}",
            refused.status
        );
    }
    let native = |app: &str| json!({ "sp_appid": account.appid, "sp_mchid": account.mchid, "sub_mchid": sub, "sub_appid": app, "description": "tea", "out_trade_no": yard.demo.next_number(), "notify_url": notify_url, "amount": { "total": 700, "currency": "CNY" } });
    for app in [other, &account.mini_appid] {
        let path = format!("{PATH}/native");
        sdk.not_allowed(&sdk.wechat("POST", &path, Some(&native(app))).await?)?;
        let mut group = json!({ "combine_appid": account.appid, "combine_mchid": account.mchid, "combine_out_trade_no": yard.demo.next_number(), "notify_url": notify_url, "sub_orders": [] });
        let part = |app: &str| json!({ "mchid": account.mchid, "sub_mchid": sub, "sub_appid": app, "out_trade_no": yard.demo.next_number(), "description": "tea", "attach": "t", "amount": { "total_amount": 100, "currency": "CNY" } });
        group["sub_orders"] = json!([part(own), part(app)]);
        let path = "/v3/combine-transactions/native";
        sdk.not_allowed(&sdk.wechat("POST", path, Some(&group)).await?)?;
    }
    ensure!(
        before == yard.demo.channel_orders().await?,
        "something that is not registered left"
    );
    let placed = sdk
        .wechat("POST", &format!("{PATH}/native"), Some(&native(own)))
        .await?;
    ensure!(placed.status == 200, "{} {}", placed.status, placed.json());
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

/// WeChat tells a payer's id in either app once it is paid. It stays one person's, whose day limit holds.
//= C13
async fn one_payer_with_two_ids(yard: &Yard, sdk: &Sdk) -> anyhow::Result<()> {
    let (account, notify_url) = sdk.wechat_account()?;
    let (sub, app) = (&account.sub_mchids[0], &account.sub_appids[0]);
    let order = async |number: &str, payer: Value| {
        let body = json!({ "sp_appid": account.appid, "sp_mchid": account.mchid, "sub_mchid": sub, "sub_appid": app, "description": "tea", "out_trade_no": number, "notify_url": notify_url, "amount": { "total": 300_000, "currency": "CNY" }, "payer": payer });
        sdk.wechat("POST", &format!("{PATH}/jsapi"), Some(&body)).await
    };
    for named in ["sp_openid", "sub_openid"] {
        let id = format!("oLimit{named}");
        let (first, second) = (yard.demo.next_number(), yard.demo.next_number());
        let placed = order(&first, json!({ named: id })).await?;
        ensure!(
            placed.status == 200,
            "{named}: {} {}",
            placed.status,
            placed.json()
        );
        pay(yard, "wechat", &first, true).await?;
        until(yard, &first, |o| o["state"] == "paid").await?;
        let target = format!(
            "{PATH}/out-trade-no/{first}?sp_mchid={}&sub_mchid={sub}",
            account.mchid
        );
        let payer = sdk.wechat("GET", &target, None).await?.json()["payer"].clone();
        ensure!(
            payer["sp_openid"].is_string() && payer["sub_openid"].is_string() && payer[named] == *id,
            "the channel told {payer}"
        );
        let over = order(&second, json!({ named: id })).await?;
        ensure!(
            over.status == 403 && over.json()["code"] == "RULE_LIMIT",
            "{named}: 6,000 CNY of one payer in a day: {} {}",
            over.status,
            over.json()
        );
        let other = order(&second, json!({ named: "oSomebodyElse" })).await?;
        ensure!(other.status == 200, "{named}: {} {}", other.status, other.json());
    }
    Ok(())
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
    in_its_own_app(&yard).await.unwrap_or_else(|e| panic!("{e:#}"));
    let sdk = Sdk::of(&yard, "wechat").expect("an SDK");
    through(&yard, &sdk, true)
        .await
        .unwrap_or_else(|e| panic!("through: {e:#}"));
    one_payer_with_two_ids(&yard, &sdk)
        .await
        .unwrap_or_else(|e| panic!("two ids: {e:#}"));
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
