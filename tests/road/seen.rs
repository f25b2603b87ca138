//! An order as its merchant and its payer see it: placed by the unified API, paid at the sandbox, told to the shop.

use crate::kills::{id, text};
use anyhow::ensure;
use sandbox::demo::{Demo, http::Answer, merchant::Merchant, orders::unasked};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

pub(crate) type Done = anyhow::Result<()>;

/// A body with more members, which win over its own.
pub(crate) fn with(mut body: Value, more: &Value) -> Value {
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    body
}

pub(crate) async fn post(merchant: &Merchant, path: &str, body: &Value) -> anyhow::Result<Answer> {
    merchant.ask("POST", path, Some(body)).await
}

/// The order as it is now.
pub(crate) async fn shown(merchant: &Merchant, order: &Value) -> anyhow::Result<Value> {
    let path = format!("/v1/payments/{}", id(order)?);
    Ok(merchant.ask("GET", &path, None).await?.json())
}

pub(crate) async fn placed(merchant: &Merchant, body: &Value) -> anyhow::Result<Value> {
    let answer = post(merchant, "/v1/payments", body).await?;
    ensure!(
        answer.status == 201 && answer.json()["state"] == "awaiting_payment",
        "create answered {} {}",
        answer.status,
        answer.json()
    );
    Ok(answer.json())
}

/// Before its payer pays: only a notice tells of it then, however busy the machine.
pub(crate) async fn only_a_notice_tells(demo: &Demo, order: &Value) -> Done {
    unasked(demo, &text(&order["channel"]), &text(&order["number"])).await
}

/// The payer pays; the channel tells of it, or nobody does.
pub(crate) async fn pay(demo: &Demo, order: &Value, notify: bool) -> Done {
    let pay = json!({ "channel": order["channel"], "out_trade_no": order["number"], "outcome": "paid", "notify": notify });
    demo.control("/control/pay", &pay).await.map(drop)
}

/// The shop's notification of a kind about an order.
pub(crate) async fn told(demo: &Demo, merchant: &Merchant, id: &str, what: &str) -> anyhow::Result<Value> {
    for _ in 0..150 {
        let came = demo.shop().told(merchant.id(), id);
        if let Some(event) = came.into_iter().find(|event| event["type"] == what) {
            return Ok(event);
        }
        sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the merchant was not told {what} of {id}")
}
