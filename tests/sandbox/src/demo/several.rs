//! Orders for others: a service provider's for its sub-merchant (服务商), and a shop's several orders paid at once (合单).

use super::{
    Demo,
    door::WechatDoor,
    merchant::Merchant,
    orders::{Told, create, id, pay, told},
};
use crate::material::WechatAccount;
use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use std::time::Duration;

/// A service provider's orders: the payee is one of the sub-merchants on its list, once in that one's own mini program.
pub async fn by_a_partner(demo: &Demo, merchant: &Merchant, account: &WechatAccount) -> anyhow::Result<Told> {
    let sub = account.sub_mchids.first().context("a sub-merchant")?;
    let own = account.sub_app(sub).context("its mini program")?;
    let openid = format!("o{}", demo.next_number());
    let mut last = Value::Null;
    for (pay_way, more) in [
        ("native", json!({ "payee": sub })),
        (
            "jsapi",
            json!({ "payee": sub, "sub_appid": own, "payer": { "sub_openid": openid } }),
        ),
    ] {
        let order = create(demo, merchant, "wechat", pay_way, 870, more).await?;
        let there = at_channel(demo, |o| o["out_trade_no"] == order["number"]).await?;
        ensure!(
            there.len() == 1 && there[0]["sub_mchid"] == **sub,
            "for another payee: {there:?}"
        );
        ensure!(
            pay_way != "jsapi" || order["call_up"]["appId"] == own,
            "called up for another app: {order}"
        );
        pay(demo, &order, "paid", json!({})).await?;
        last = merchant
            .until(&id(&order)?, "payment", |o| o["state"] == "paid")
            .await?;
    }
    told(
        merchant,
        "wechat partner: for a sub-merchant, in its own mini program too, paid",
        &last,
    )
}

/// Two orders of one payer, combined by the merchant's own client at the pass-through: paid together, each on record.
pub async fn combined(demo: &Demo, merchant: &Merchant, door: &WechatDoor) -> anyhow::Result<Told> {
    let account = &door.account;
    let (group, numbers) = (demo.next_number(), [demo.next_number(), demo.next_number()]);
    let parts: Vec<Value> = numbers
        .iter()
        .zip([310, 520])
        .map(|(number, fen)| {
            json!({
                "mchid": account.mchid, "out_trade_no": number, "description": "奶茶 Milk tea", "attach": "table 7",
                "amount": { "total_amount": fen, "currency": "CNY" },
            })
        })
        .collect();
    let body = json!({
        "combine_appid": account.appid, "combine_mchid": account.mchid, "combine_out_trade_no": group,
        "notify_url": door.notify_url, "sub_orders": parts,
    });
    let placed = door
        .ask("POST", "/v3/combine-transactions/native", Some(&body))
        .await?;
    ensure!(
        placed.status == 200 && placed.json()["code_url"].is_string(),
        "create answered {}: {}",
        placed.status,
        placed.json()
    );
    let first = json!({ "channel": "wechat", "number": numbers[0] });
    pay(demo, &first, "paid", json!({})).await?;
    let mut last = Value::Null;
    for number in &numbers {
        let found = merchant
            .ask("GET", &format!("/v1/payments?order_no={number}"), None)
            .await?
            .json();
        last = merchant
            .until(&id(&found)?, "payment", |o| o["state"] == "paid")
            .await?;
    }
    // The channel sealed its one notice for the merchant; it comes to it as it is.
    let relay = format!("/relay/wechat/{}", merchant.id());
    for _ in 0..400 {
        if !demo.shop().came(&relay).is_empty() {
            return told(merchant, "wechat combined: two orders, one payment", &last);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("the notice of {group} was not relayed")
}

/// The same by the unified API: one request places both, one payment pays them, each is told of and refunded on its own.
pub async fn in_a_group(demo: &Demo, merchant: &Merchant, sub: &str) -> anyhow::Result<Told> {
    let group = demo.next_number();
    let body = json!({
        "group_no": group, "channel": "wechat", "pay_way": "native",
        "orders": [
            { "order_no": demo.next_number(), "amount": 330, "description": "奶茶 Milk tea" },
            { "order_no": demo.next_number(), "amount": 540, "description": "蛋糕 Cake", "payee": sub },
        ],
    });
    let placed = merchant.ask("POST", "/v1/payments/combined", Some(&body)).await?;
    ensure!(
        placed.status == 201 && placed.json()["code_url"].is_string(),
        "create answered {}: {}",
        placed.status,
        placed.json()
    );
    let whole = json!({ "channel": "wechat", "number": group });
    pay(demo, &whole, "paid", json!({})).await?;
    let mut last = Value::Null;
    for order in placed.json()["orders"].as_array().context("orders")? {
        last = merchant
            .until(&id(order)?, "payment", |o| o["state"] == "paid")
            .await?;
    }
    let refund = json!({ "refund_no": "r1", "amount": 540 });
    let path = format!("/v1/payments/{}/refunds", id(&last)?);
    let refund = merchant.ask("POST", &path, Some(&refund)).await?;
    ensure!(
        refund.status < 300,
        "refund answered {}: {}",
        refund.status,
        refund.json()
    );
    let back = merchant
        .until(&id(&last)?, "refund", |o| o["state"] == "refunded")
        .await?;
    told(
        merchant,
        "wechat group: two orders, one payment, one of them refunded",
        &back,
    )
}

/// Channels' orders that are meant.
async fn at_channel(demo: &Demo, meant: impl Fn(&Value) -> bool) -> anyhow::Result<Vec<Value>> {
    let all = demo.channel_orders().await?;
    Ok(all["orders"]
        .as_array()
        .context("orders")?
        .iter()
        .filter(|order| meant(order))
        .cloned()
        .collect())
}
