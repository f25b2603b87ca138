//! Stories at a bank's own gateway.

use super::{
    Demo,
    merchant::Merchant,
    orders::{Told, create, id, pay, told, unasked},
};
use anyhow::ensure;
use serde_json::{Value, json};

async fn opened(demo: &Demo, merchant: &Merchant, bank: &str) -> anyhow::Result<Value> {
    let order = create(
        demo,
        merchant,
        bank,
        "gateway",
        870,
        json!({ "client_ip": "203.0.113.9" }),
    )
    .await?;
    ensure!(
        order["state"] == "awaiting_payment" && order["call_up"]["form"].is_object(),
        "not handed out: {order}"
    );
    demo.open(&order).await?;
    Ok(order)
}

/// Paid, told by the bank in clear and signed; a refund is refused, and says what is right.
pub async fn paid(demo: &Demo, merchant: &Merchant, bank: &str) -> anyhow::Result<Told> {
    let order = opened(demo, merchant, bank).await?;
    // On a busy machine a question might be faster than the notice. ICBC cannot be asked.
    if bank != "icbc" {
        unasked(demo, bank, order["number"].as_str().unwrap_or_default()).await?;
    }
    pay(demo, &order, "paid", json!({})).await?;
    let id = id(&order)?;
    let order = merchant.until(&id, "payment", |o| o["state"] == "paid").await?;
    ensure!(
        order["paid"]["proof"] == "notice",
        "found by {}",
        order["paid"]["proof"]
    );
    let refund = merchant
        .ask(
            "POST",
            &format!("/v1/payments/{id}/refunds"),
            Some(&json!({ "refund_no": "all", "amount": 870 })),
        )
        .await?;
    ensure!(
        refund.status == 403
            && refund.json()["detail"]
                .as_str()
                .is_some_and(|d| d.contains("console")),
        "refund answered {}: {}",
        refund.status,
        refund.json()
    );
    told(
        merchant,
        &format!("{bank} gateway: opened, paid, told by the bank"),
        &order,
    )
}

/// The notice never comes: the sweep's query finds the payment.
pub async fn without_notice(demo: &Demo, merchant: &Merchant, bank: &str) -> anyhow::Result<Told> {
    let order = opened(demo, merchant, bank).await?;
    pay(demo, &order, "paid", json!({ "notify": false })).await?;
    let order = merchant
        .until(&id(&order)?, "payment", |o| o["state"] == "paid")
        .await?;
    ensure!(
        order["paid"]["proof"] == "query",
        "found by {}",
        order["paid"]["proof"]
    );
    told(
        merchant,
        &format!("{bank} gateway: paid without a notice, found by query"),
        &order,
    )
}

/// The bank tells that it is in doubt itself, which proves nothing; then it tells that the order was paid.
pub async fn in_doubt(demo: &Demo, merchant: &Merchant, bank: &str) -> anyhow::Result<Told> {
    let order = opened(demo, merchant, bank).await?;
    let doubt = json!({ "channel": bank, "operation": "notice", "kind": "doubtful", "out_trade_no": order["number"] });
    demo.control("/control/fault", &doubt).await?;
    pay(demo, &order, "paid", json!({})).await?;
    let id = id(&order)?;
    let order = merchant.until(&id, "payment", |o| o["state"] == "paid").await?;
    ensure!(
        order["paid"]["proof"] == "notice",
        "found by {}",
        order["paid"]["proof"]
    );
    told(
        merchant,
        &format!("{bank} gateway: in doubt, then paid, told by the bank"),
        &order,
    )
}
