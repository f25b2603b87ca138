//! Native mode one 模式一: a product's standing code, for which WeChat asks us at each scan.

use super::{
    Demo,
    merchant::Merchant,
    orders::{Told, told},
};
use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use std::time::Duration;

/// Where WeChat asks for an order of this merchant.
pub fn callback(demo: &Demo, mchid: &str) -> String {
    format!(
        "https://127.0.0.1:{}/n/wechat/{mchid}/scan",
        demo.place.ports.notify
    )
}

/// A product's code: what `POST /v1/codes` answers.
pub async fn made(demo: &Demo, merchant: &Merchant, amount: u64) -> anyhow::Result<Value> {
    let no = demo.next_number();
    let body = json!({ "code_no": format!("product-{no}"), "amount": amount, "title": "奶茶 Milk tea" });
    let code = merchant.ask("POST", "/v1/codes", Some(&body)).await?;
    ensure!(
        code.status == 201,
        "the code was answered {}: {}",
        code.status,
        code.json()
    );
    Ok(code.json())
}

/// Somebody scans it; what came of it.
pub async fn scan(demo: &Demo, asked: &Value) -> anyhow::Result<Value> {
    let scan = demo.control("/control/scan", asked).await?["scan"].take();
    for _ in 0..300 {
        let all = demo.control_get("/control/scans").await?;
        if let Some(found) = all["scans"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|s| s["scan"] == scan)
        {
            return Ok(found.clone());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("nothing came of the scan in 30 s")
}

/// Asked for twice, paid once: the same order both times; refunded.
pub async fn scanned(demo: &Demo, merchant: &Merchant, mchid: &str) -> anyhow::Result<Told> {
    let code = made(demo, merchant, 680).await?;
    let asked = json!({ "qr": code["wechat_product_url"], "callback": callback(demo, mchid), "calls": 2 });
    let done = scan(demo, &asked).await?;
    let ids = done["prepay_ids"]
        .as_array()
        .with_context(|| format!("no order: {done}"))?;
    ensure!(
        ids.len() == 2 && ids[0] == ids[1],
        "two orders for one scan: {done}"
    );
    let no = done["out_trade_no"].as_str().unwrap_or_default();
    let order = merchant
        .ask("GET", &format!("/v1/payments?order_no={no}"), None)
        .await?
        .json();
    let id = order["id"].as_str().unwrap_or_default();
    let order = merchant.until(id, "payment", |o| o["state"] == "paid").await?;
    ensure!(
        order["pay_way"] == "product" && order["amount"] == 680,
        "another order: {order}"
    );
    let refund = json!({ "refund_no": "all", "amount": 680 });
    merchant
        .ask("POST", &format!("/v1/payments/{id}/refunds"), Some(&refund))
        .await?;
    let order = merchant.until(id, "refund", |o| o["state"] == "refunded").await?;
    let mut story = told(
        merchant,
        "wechat product: scanned, WeChat asked us, paid, refunded",
        &order,
    )?;
    story.payer_sent = true;
    Ok(story)
}
