//! The demo's payment codes 付款码: paid, waited for, given up, found, lost, reversed; nobody is charged who should not be.

use super::{
    Demo,
    merchant::Merchant,
    orders::{Told, create, id, told},
};
use anyhow::ensure;
use serde_json::{Value, json};
use std::time::Duration;

/// A code whose payer does this once it is scanned.
async fn payer(demo: &Demo, channel: &str, outcome: &str, after_ms: Option<u64>) -> anyhow::Result<Value> {
    let code = demo.next_code(channel);
    demo.control(
        "/control/pay",
        &json!({ "channel": channel, "auth_code": code, "outcome": outcome, "after_ms": after_ms }),
    )
    .await?;
    Ok(json!({ "auth_code": code, "client_ip": "203.0.113.9" }))
}

async fn scanned(
    demo: &Demo,
    merchant: &Merchant,
    channel: &str,
    amount: u64,
    will: (&str, Option<u64>),
) -> anyhow::Result<Value> {
    let code = payer(demo, channel, will.0, will.1).await?;
    create(demo, merchant, channel, "micropay", amount, code).await
}

/// Nobody is charged for it at the channel, and nothing is open there.
async fn nobody_is_charged(demo: &Demo, order: &Value) -> anyhow::Result<()> {
    let all = demo.channel_orders().await?;
    for there in all["orders"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|o| o["channel"] == order["channel"] && o["out_trade_no"] == order["number"])
    {
        ensure!(
            !there["paid"].is_string() || there["refunded_fen"] == there["fen"],
            "the payer is charged: {there}"
        );
    }
    Ok(())
}

/// The merchant hears of its end.
async fn heard(demo: &Demo, merchant: &Merchant, order: &Value, kind: &str) -> anyhow::Result<()> {
    let id = id(order)?;
    for _ in 0..400 {
        if demo
            .shop()
            .told(merchant.id(), &id)
            .iter()
            .any(|e| e["type"] == kind)
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the merchant was not told {kind} of {id}")
}

/// Paid by the answer itself, at an account of WeChat's that has payment codes by APIv3.
pub async fn paid_by_v3(demo: &Demo, merchant: &Merchant) -> anyhow::Result<Told> {
    let mut story = paid_at_once(demo, merchant, "wechat").await?;
    story.what = "wechat codepay: paid by APIv3".into();
    Ok(story)
}

/// Paid at once: by the answer itself, where that says more than that the charge was accepted.
pub async fn paid_at_once(demo: &Demo, merchant: &Merchant, channel: &str) -> anyhow::Result<Told> {
    let mut order = scanned(demo, merchant, channel, 990, ("paid", None)).await?;
    // UnionPay's answer says "accepted", and no more: its notice or the first query says "paid".
    if channel == "unionpay" && order["http_status"] == 202 {
        order = merchant
            .until(&id(&order)?, "payment", |o| o["state"] == "paid")
            .await?;
    }
    ensure!(order["state"] == "paid", "not paid: {order}");
    heard(demo, merchant, &order, "payment.paid").await?;
    told(merchant, &format!("{channel} micropay: paid at once"), &order)
}

/// The payer types a password; the sweep finds the payment.
pub async fn with_a_password(demo: &Demo, merchant: &Merchant, channel: &str) -> anyhow::Result<Told> {
    let order = scanned(demo, merchant, channel, 2600, ("late", Some(700))).await?;
    ensure!(
        order["http_status"] == 202 && order["state"] == "awaiting_payment",
        "not waiting: {order}"
    );
    let order = merchant
        .until(&id(&order)?, "payment", |o| o["state"] == "paid")
        .await?;
    told(merchant, &format!("{channel} micropay: password, paid"), &order)
}

/// The payer never types it: reversed when the payer's time is over.
pub async fn abandoned(demo: &Demo, merchant: &Merchant, channel: &str) -> anyhow::Result<Told> {
    let order = scanned(demo, merchant, channel, 2700, ("late", None)).await?;
    ensure!(order["state"] == "awaiting_payment", "not waiting: {order}");
    reversed(
        demo,
        merchant,
        &order,
        &format!("{channel} micropay: password never, reversed"),
    )
    .await
}

/// The channel charged and its answer was lost: the sweep finds it paid, once.
pub async fn timed_out_after_acting(demo: &Demo, merchant: &Merchant, channel: &str) -> anyhow::Result<Told> {
    let order = faulty(demo, merchant, channel, "timeout_after").await?;
    let order = merchant
        .until(&id(&order)?, "payment", |o| o["state"] == "paid")
        .await?;
    told(
        merchant,
        &format!("{channel} micropay: timed out after acting, paid"),
        &order,
    )
}

/// The channel never heard of it: reversed, nobody is charged.
pub async fn timed_out_before_acting(
    demo: &Demo,
    merchant: &Merchant,
    channel: &str,
) -> anyhow::Result<Told> {
    let order = faulty(demo, merchant, channel, "timeout_before").await?;
    ensure!(order["state"] == "unknown", "a time-out is unknown, not {order}");
    reversed(
        demo,
        merchant,
        &order,
        &format!("{channel} micropay: timed out before acting, reversed"),
    )
    .await
}

/// Paid, and undone by the merchant: the money goes back.
pub async fn reversed_by_the_merchant(
    demo: &Demo,
    merchant: &Merchant,
    channel: &str,
) -> anyhow::Result<Told> {
    let order = scanned(demo, merchant, channel, 1500, ("paid", None)).await?;
    let answer = merchant
        .ask(
            "POST",
            &format!("/v1/payments/{}/reverse", id(&order)?),
            Some(&json!({})),
        )
        .await?;
    ensure!(
        answer.status < 300,
        "reverse answered {}: {}",
        answer.status,
        answer.json()
    );
    reversed(
        demo,
        merchant,
        &order,
        &format!("{channel} micropay: paid, reversed by the merchant"),
    )
    .await
}

async fn faulty(demo: &Demo, merchant: &Merchant, channel: &str, kind: &str) -> anyhow::Result<Value> {
    let no = demo.next_number();
    // A notice would tell the payment before the query does; WeChat sends none for payment codes (channels.md 1.12).
    let faults: &[_] = if kind == "timeout_after" && channel != "wechat" {
        &[("create", kind), ("notice", "drop")]
    } else {
        &[("create", kind)]
    };
    for (operation, kind) in faults {
        demo.control(
            "/control/fault",
            &json!({ "channel": channel, "operation": operation, "kind": kind, "out_trade_no": no }),
        )
        .await?;
    }
    let mut more = payer(demo, channel, "paid", None).await?;
    more["order_no"] = no.into();
    create(demo, merchant, channel, "micropay", 450, more).await
}

async fn reversed(demo: &Demo, merchant: &Merchant, order: &Value, what: &str) -> anyhow::Result<Told> {
    let order = merchant
        .until(&id(order)?, "reverse", |o| o["state"] == "reversed")
        .await?;
    nobody_is_charged(demo, &order).await?;
    heard(demo, merchant, &order, "payment.reversed").await?;
    told(merchant, what, &order)
}
