//! Native requests that meet what came by the unified API: the octets name a number at the channel, so they go out only
//! where that number is the one on record.

use super::Done;
use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use certs::{Keys, Material};
use domain::KeyRef;
use sandbox::demo::{
    Demo,
    http::{Answer, Client},
    merchant::Merchant,
    place::Options,
};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

/// A WeChat client of the first merchant, as plain as can be.
struct Native {
    keys: Keys,
    mchid: String,
    serial: String,
    client: Client,
}

impl Native {
    fn of(demo: &Demo) -> anyhow::Result<Native> {
        let account = &demo.place.merchants.first().context("merchant")?.accounts.wechat;
        let keys = Keys::default();
        keys.put(
            KeyRef::new("own")?,
            Material::read(&std::fs::read(demo.place.material.dir.join(&account.key_file))?)?,
        );
        let client = Client::tls(
            SocketAddr::from(([127, 0, 0, 1], demo.place.ports.wechat)),
            demo.ca(),
        )?;
        Ok(Native {
            keys,
            mchid: account.mchid.clone(),
            serial: account.serial.clone(),
            client,
        })
    }

    async fn post(&self, target: &str, nonce: &str, body: &Value) -> anyhow::Result<Answer> {
        let at = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)?
            .as_secs();
        let message = format!("POST\n{target}\n{at}\n{nonce}\n{body}\n");
        let signature = STANDARD.encode(self.keys.sign(&KeyRef::new("own")?, message.as_bytes())?);
        let authorization = format!(
            "WECHATPAY2-SHA256-RSA2048 mchid=\"{}\",nonce_str=\"{nonce}\",signature=\"{signature}\",timestamp=\"{at}\",serial_no=\"{}\"",
            self.mchid, self.serial,
        );
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("accept", "application/json"),
            ("user-agent", "t"),
        ];
        self.client
            .send("POST", target, &headers, body.to_string().as_bytes())
            .await
    }

    async fn refund(&self, order: &Value, refund_no: &str, nonce: &str, fen: u64) -> anyhow::Result<Answer> {
        let amount = json!({ "refund": fen, "total": order["amount"], "currency": "CNY" });
        let body = json!({ "out_trade_no": order["number"], "out_refund_no": refund_no, "amount": amount });
        self.post("/v3/refund/domestic/refunds", nonce, &body).await
    }
}

pub(super) async fn kept_apart() -> Done {
    let dir = tempfile::tempdir()?;
    let demo = Demo::start(
        dir.path(),
        &Options {
            desk: false,
            merchants: 1,
            ..Options::default()
        },
        false,
    )
    .await?;
    let (shop, native) = (demo.merchant(0)?, Native::of(&demo)?);
    let order = paid(&demo, &shop).await?;
    let path = format!("/v1/payments/{}/refunds", order["id"].as_str().context("id")?);
    let ask = async |body: Value| anyhow::Ok(shop.ask("POST", &path, Some(&body)).await?.json());
    let refund_no = demo.next_number();

    // Held: nothing of it may leave, not in the channel's language either.
    ask(json!({ "refund_no": refund_no, "amount": 100, "hold": true })).await?;
    refused(&native.refund(&order, &refund_no, "n1", 100).await?)?;
    // Withdrawn: the same.
    let cancelled = shop
        .ask("POST", &format!("{path}/{refund_no}/cancel"), Some(&json!({})))
        .await?;
    ensure!(
        cancelled.json()["state"] == "cancelled",
        "not withdrawn: {}",
        cancelled.json()
    );
    refused(&native.refund(&order, &refund_no, "n2", 100).await?)?;
    // Sent by us under a number of ours: under the merchant's own it would be a second one.
    let ours = demo.next_number();
    let sent = ask(json!({ "refund_no": ours, "amount": 200 })).await?;
    ensure!(sent["number"] != *ours, "the number was meant to differ: {sent}");
    refused(&native.refund(&order, &ours, "n3", 200).await?)?;
    // A new one goes, and goes again, and is one.
    let own = demo.next_number();
    for nonce in ["n4", "n5"] {
        let answer = native.refund(&order, &own, nonce, 300).await?;
        ensure!(
            answer.status == 200 && answer.json()["out_refund_no"] == *own,
            "{} {}",
            answer.status,
            answer.json()
        );
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    let refunds = at_channel(&demo, &order).await?;
    ensure!(refunds == [200, 300], "the channel paid back {refunds:?}");
    let known = shop
        .until(order["id"].as_str().unwrap_or_default(), "refund", |o| {
            o["refunded"] == 500
        })
        .await?;
    ensure!(known["refunds"].as_array().map(Vec::len) == Some(3), "{known}");
    demo.services.stop().await
}

async fn paid(demo: &Demo, shop: &Merchant) -> anyhow::Result<Value> {
    let body = json!({ "order_no": demo.next_number(), "channel": "wechat", "pay_way": "native", "amount": 1000, "description": "x" });
    let order = shop.ask("POST", "/v1/payments", Some(&body)).await?.json();
    demo.control(
        "/control/pay",
        &json!({ "channel": "wechat", "out_trade_no": order["number"], "outcome": "paid" }),
    )
    .await?;
    shop.until(order["id"].as_str().context("id")?, "payment", |o| {
        o["state"] == "paid"
    })
    .await
}

fn refused(answer: &Answer) -> Done {
    let said = answer.json();
    ensure!(
        answer.status == 403 && said["code"] == "OUT_TRADE_NO_USED",
        "carried, or answered in another language: {} {said}",
        answer.status
    );
    Ok(())
}

/// Fen of each refund that the channel has of the order.
async fn at_channel(demo: &Demo, order: &Value) -> anyhow::Result<Vec<u64>> {
    let all = demo.channel_orders().await?;
    let found = all["orders"]
        .as_array()
        .and_then(|l| l.iter().find(|o| o["out_trade_no"] == order["number"]));
    let refunds = found.context("the channel has no such order")?["refunds"]
        .as_array()
        .context("refunds")?;
    Ok(refunds.iter().filter_map(|r| r["fen"].as_u64()).collect())
}
