//! The demo's orders: each a story that must end as told, or the demo fails.

use super::{Demo, merchant::Merchant, place::RETURN_HOST};
use anyhow::{anyhow, bail, ensure};
use serde_json::{Value, json};
use std::time::Duration;

/// What became of one story.
#[derive(Debug, Clone)]
pub struct Told {
    /// What was tried.
    pub what: String,
    /// Whose order: `mchid`.
    pub merchant: String,
    /// Was a payer's id sent with the order, so that something must have been sealed?
    pub payer_sent: bool,
    /// Number of the payment.
    pub id: String,
    /// Its last state.
    pub state: String,
    /// Index of its latest journal entry.
    pub index: u64,
}

pub(super) async fn create(
    demo: &Demo,
    merchant: &Merchant,
    channel: &str,
    pay_way: &str,
    amount: u64,
    more: Value,
) -> anyhow::Result<Value> {
    let mut body = json!({ "order_no": demo.next_number(), "channel": channel, "pay_way": pay_way, "amount": amount, "description": "奶茶 Milk tea" });
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    let answer = merchant.ask("POST", "/v1/payments", Some(&body)).await?;
    let mut value = answer.json();
    ensure!(answer.status < 300, "create answered {}: {value}", answer.status);
    if let Some(map) = value.as_object_mut() {
        map.insert("http_status".into(), answer.status.into());
    }
    Ok(value)
}

pub(super) fn id(order: &Value) -> anyhow::Result<String> {
    order["id"]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| anyhow!("no id in {order}"))
}

pub(super) async fn pay(demo: &Demo, order: &Value, outcome: &str, more: Value) -> anyhow::Result<()> {
    let mut body =
        json!({ "channel": order["channel"], "out_trade_no": order["number"], "outcome": outcome });
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    demo.control("/control/pay", &body).await.map(drop)
}

/// Whoever asks about this order now hears nothing for a while: what is learned of it meanwhile a notice told.
pub async fn unasked(demo: &Demo, channel: &str, number: &str) -> anyhow::Result<()> {
    let fault = json!({ "channel": channel, "operation": "query", "kind": "status_5xx", "count": 5, "out_trade_no": number });
    demo.control("/control/fault", &fault).await.map(drop)
}

async fn paid(
    demo: &Demo,
    merchant: &Merchant,
    channel: &str,
    pay_way: &str,
    amount: u64,
    more: Value,
) -> anyhow::Result<Value> {
    let order = create(demo, merchant, channel, pay_way, amount, more).await?;
    pay(demo, &order, "paid", json!({})).await?;
    merchant
        .until(&id(&order)?, "payment", |o| o["state"] == "paid")
        .await
}

pub(super) fn told(merchant: &Merchant, what: &str, order: &Value) -> anyhow::Result<Told> {
    let (merchant, payer_sent) = (merchant.id().to_owned(), order["pay_way"] == "jsapi");
    Ok(Told {
        what: what.into(),
        merchant,
        payer_sent,
        id: id(order)?,
        state: order["state"].as_str().unwrap_or_default().into(),
        index: order["journal_index"].as_u64().unwrap_or_default(),
    })
}

fn jsapi_payer(channel: &str, demo: &Demo) -> Value {
    let n = demo.next_number();
    match channel {
        "wechat" => json!({ "payer": { "openid": format!("o{n}") } }),
        _ => json!({ "payer": { "buyer_id": format!("2088{:0>12}", &n[n.len().saturating_sub(9)..]) } }),
    }
}

/// Paid by scanning, refunded in two parts, merchant told.
pub async fn scanned_and_refunded(demo: &Demo, merchant: &Merchant, channel: &str) -> anyhow::Result<Told> {
    let pay_way = if channel == "wechat" { "native" } else { "qr" };
    let order = create(demo, merchant, channel, pay_way, 1200, json!({})).await?;
    ensure!(
        order["http_status"] == 201 && order["state"] == "awaiting_payment",
        "not placed: {order}"
    );
    let code = order[if channel == "wechat" {
        "code_url"
    } else {
        "qr_code"
    }]
    .as_str()
    .unwrap_or_default();
    ensure!(!code.is_empty(), "no code in {order}");
    let again = merchant
        .ask(
            "GET",
            &format!(
                "/v1/payments?order_no={}",
                order["order_no"].as_str().unwrap_or_default()
            ),
            None,
        )
        .await?
        .json();
    ensure!(again["id"] == order["id"], "found another order");
    pay(demo, &order, "paid", json!({})).await?;
    let id = id(&order)?;
    merchant.until(&id, "payment", |o| o["state"] == "paid").await?;
    for (no, amount, state) in [("part-1", 500, "partly_refunded"), ("part-2", 700, "refunded")] {
        let answer = merchant
            .ask(
                "POST",
                &format!("/v1/payments/{id}/refunds"),
                Some(&json!({ "refund_no": no, "amount": amount, "reason": "退货" })),
            )
            .await?;
        ensure!(
            answer.status < 300,
            "refund answered {}: {}",
            answer.status,
            answer.json()
        );
        merchant.until(&id, "refund", |o| o["state"] == state).await?;
    }
    let order = merchant
        .until(&id, "refund", |o| o["state"] == "refunded")
        .await?;
    told(
        merchant,
        &format!("{channel} {pay_way}: paid, refunded in two parts"),
        &order,
    )
}

/// The same at an account of Alipay's that is served at OpenAPI v3.
pub async fn by_open_api(demo: &Demo, merchant: &Merchant) -> anyhow::Result<Told> {
    let mut story = scanned_and_refunded(demo, merchant, "alipay").await?;
    story.what = "alipay openapi v3: paid, refunded in two parts".into();
    Ok(story)
}

/// In the wallet; the merchant gets call-up parameters, and is told who paid.
pub async fn in_the_wallet(demo: &Demo, merchant: &Merchant, channel: &str) -> anyhow::Result<Told> {
    let order = create(demo, merchant, channel, "jsapi", 800, jsapi_payer(channel, demo)).await?;
    ensure!(order["call_up"].is_object(), "no call-up parameters in {order}");
    pay(demo, &order, "paid", json!({})).await?;
    let id = id(&order)?;
    let order = merchant.until(&id, "payment", |o| o["state"] == "paid").await?;
    for _ in 0..100 {
        if let Some(event) = demo
            .shop()
            .told(merchant.id(), &id)
            .into_iter()
            .find(|e| e["type"] == "payment.paid")
        {
            ensure!(
                event["payment"]["state"] == "paid" && event["seq"].as_u64().is_some(),
                "odd notification {event}"
            );
            return told(merchant, &format!("{channel} jsapi: paid, merchant told"), &order);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("the merchant was not told of {id}")
}

/// In the merchant's mini program, which has an appid of its own.
pub async fn in_a_mini_program(demo: &Demo, merchant: &Merchant, appid: &str) -> anyhow::Result<Told> {
    let mut more = jsapi_payer("wechat", demo);
    more["appid"] = appid.into();
    let order = create(demo, merchant, "wechat", "jsapi", 840, more).await?;
    ensure!(
        order["call_up"]["appId"] == appid,
        "called up for another app: {order}"
    );
    pay(demo, &order, "paid", json!({})).await?;
    let order = merchant
        .until(&id(&order)?, "payment", |o| o["state"] == "paid")
        .await?;
    told(
        merchant,
        "wechat mini program: called up by its own appid, paid",
        &order,
    )
}

/// Outside the wallet: WeChat's h5 and app, and what is handed out at Alipay. Opened by the payer, paid, refunded.
pub async fn by_way(demo: &Demo, merchant: &Merchant, channel: &str, pay_way: &str) -> anyhow::Result<Told> {
    let more = match pay_way {
        "h5" => json!({ "client_ip": "203.0.113.7" }),
        "page" | "wap" | "gateway" => json!({ "return_url": format!("https://{RETURN_HOST}/back") }),
        _ => json!({}),
    };
    let order = create(demo, merchant, channel, pay_way, 830, more).await?;
    let reach = if pay_way == "h5" { "h5_url" } else { "call_up" };
    ensure!(
        order["state"] == "awaiting_payment" && !order[reach].is_null(),
        "not placed: {order}"
    );
    demo.open(&order).await?;
    pay(demo, &order, "paid", json!({})).await?;
    let id = id(&order)?;
    merchant.until(&id, "payment", |o| o["state"] == "paid").await?;
    let refund = merchant
        .ask(
            "POST",
            &format!("/v1/payments/{id}/refunds"),
            Some(&json!({ "refund_no": "all", "amount": 830 })),
        )
        .await?;
    ensure!(
        refund.status < 300,
        "refund answered {}: {}",
        refund.status,
        refund.json()
    );
    let order = merchant
        .until(&id, "refund", |o| o["state"] == "refunded")
        .await?;
    told(
        merchant,
        &format!("{channel} {pay_way}: opened, paid, refunded"),
        &order,
    )
}

/// Closed by the merchant before anybody paid.
pub async fn closed(demo: &Demo, merchant: &Merchant, channel: &str) -> anyhow::Result<Told> {
    let pay_way = if channel == "wechat" { "native" } else { "qr" };
    let order = create(demo, merchant, channel, pay_way, 300, json!({})).await?;
    // Before somebody scans it Alipay does not have it, and a close of it waits.
    demo.open(&order).await?;
    let answer = merchant
        .ask(
            "POST",
            &format!("/v1/payments/{}/close", id(&order)?),
            Some(&json!({})),
        )
        .await?;
    ensure!(
        answer.status == 200 && answer.json()["state"] == "closed",
        "close answered {}: {}",
        answer.status,
        answer.json()
    );
    told(merchant, &format!("{channel} {pay_way}: closed"), &answer.json())
}

/// The channel acted and never answered: unknown, then found by the sweep, then paid.
pub async fn timed_out_and_recovered(
    demo: &Demo,
    merchant: &Merchant,
    channel: &str,
) -> anyhow::Result<Told> {
    let pay_way = if channel == "wechat" { "native" } else { "qr" };
    // Bound to the order's number: others may be placing orders at the same time.
    let no = demo.next_number();
    demo.control(
        "/control/fault",
        &json!({ "channel": channel, "operation": "create", "kind": "timeout_after", "out_trade_no": no }),
    )
    .await?;
    let order = create(demo, merchant, channel, pay_way, 450, json!({ "order_no": no })).await?;
    ensure!(
        order["http_status"] == 202 && order["state"] == "unknown",
        "a time-out is unknown, not {order}"
    );
    let id = id(&order)?;
    let placed = merchant
        .until(&id, "recovery", |o| o["state"] == "awaiting_payment")
        .await?;
    pay(demo, &placed, "paid", json!({})).await?;
    let order = merchant.until(&id, "payment", |o| o["state"] == "paid").await?;
    told(
        merchant,
        &format!("{channel} {pay_way}: timed out, recovered, paid"),
        &order,
    )
}

/// The notice never comes: the sweep's query finds the payment.
pub async fn without_notice(demo: &Demo, merchant: &Merchant, channel: &str) -> anyhow::Result<Told> {
    let pay_way = if channel == "wechat" { "native" } else { "qr" };
    let order = create(demo, merchant, channel, pay_way, 660, json!({})).await?;
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
        &format!("{channel} {pay_way}: paid without a notice, found by query"),
        &order,
    )
}

/// Held until the merchant releases it.
pub async fn held_and_released(demo: &Demo, merchant: &Merchant, channel: &str) -> anyhow::Result<Told> {
    let order = paid(
        demo,
        merchant,
        channel,
        if channel == "wechat" { "native" } else { "qr" },
        900,
        json!({}),
    )
    .await?;
    let id = id(&order)?;
    let path = format!("/v1/payments/{id}/refunds");
    let held = merchant
        .ask(
            "POST",
            &path,
            Some(&json!({ "refund_no": "h1", "amount": 900, "hold": true })),
        )
        .await?;
    ensure!(held.json()["state"] == "held", "not held: {}", held.json());
    let released = merchant
        .ask("POST", &format!("{path}/h1/release"), Some(&json!({})))
        .await?;
    ensure!(
        released.status < 300,
        "release answered {}: {}",
        released.status,
        released.json()
    );
    let order = merchant
        .until(&id, "refund", |o| o["state"] == "refunded")
        .await?;
    told(merchant, &format!("{channel}: refund held, released"), &order)
}

/// The same order by another wallet: the first attempt is closed at its channel first.
pub async fn another_way(demo: &Demo, merchant: &Merchant) -> anyhow::Result<Told> {
    let no = demo.next_number();
    let body = |channel: &str, way: &str| json!({ "order_no": no, "channel": channel, "pay_way": way, "amount": 520, "description": "茶" });
    let first = merchant
        .ask("POST", "/v1/payments", Some(&body("wechat", "native")))
        .await?;
    ensure!(first.status == 201, "first attempt answered {}", first.json());
    let second = merchant
        .ask("POST", "/v1/payments", Some(&body("alipay", "qr")))
        .await?;
    ensure!(
        second.status == 201 && second.json()["attempt"] == 2,
        "second attempt answered {}",
        second.json()
    );
    let order = second.json();
    pay(demo, &order, "paid", json!({})).await?;
    let order = merchant
        .until(&id(&order)?, "payment", |o| o["state"] == "paid")
        .await?;
    ensure!(order["channel"] == "alipay", "paid by {}", order["channel"]);
    let events = demo.shop().told(merchant.id(), &id(&order)?);
    ensure!(
        events.iter().all(|e| e["type"] != "payment.closed"),
        "an order that went on was told as closed: {events:?}"
    );
    told(merchant, "wechat, then alipay: one order, one payment", &order)
}
