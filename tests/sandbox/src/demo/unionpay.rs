//! Stories of UnionPay's own rules: a code comes once, there is no close, a card that is refused is not the end.

use super::{
    Demo,
    merchant::Merchant,
    orders::{Told, create, id, pay, told},
};
use anyhow::ensure;
use serde_json::json;

/// UnionPay applied for the code and its answer was lost, so the code is in nobody's hands and cannot be had again: the
/// merchant is told, and the same order again is another one at UnionPay.
pub async fn code_lost_with_its_answer(demo: &Demo, merchant: &Merchant) -> anyhow::Result<Told> {
    let no = demo.next_number();
    demo.control(
        "/control/fault",
        &json!({ "channel": "unionpay", "operation": "create", "kind": "timeout_after", "out_trade_no": no }),
    )
    .await?;
    let first = create(demo, merchant, "unionpay", "qr", 450, json!({ "order_no": no })).await?;
    ensure!(
        first["http_status"] == 202 && first["state"] == "unknown",
        "a time-out is unknown, not {first}"
    );
    let id = id(&first)?;
    merchant
        .until(&id, "the sweep's word", |o| o["state"] == "not_placed")
        .await?;
    let again = create(demo, merchant, "unionpay", "qr", 450, json!({ "order_no": no })).await?;
    ensure!(
        again["id"] == first["id"] && again["number"] != first["number"] && again["attempt"] == 2,
        "not another attempt: {again}"
    );
    ensure!(again["qr_code"].is_string(), "no code in {again}");
    pay(demo, &again, "paid", json!({})).await?;
    let order = merchant.until(&id, "payment", |o| o["state"] == "paid").await?;
    told(
        merchant,
        "unionpay qr: the code was lost with its answer, asked for anew, paid",
        &order,
    )
}

/// UnionPay never got the application: the sweep sends it again, and the code comes.
pub async fn timed_out_before_acting(demo: &Demo, merchant: &Merchant) -> anyhow::Result<Told> {
    let no = demo.next_number();
    demo.control("/control/fault", &json!({ "channel": "unionpay", "operation": "create", "kind": "timeout_before", "out_trade_no": no })).await?;
    let order = create(demo, merchant, "unionpay", "qr", 460, json!({ "order_no": no })).await?;
    ensure!(order["state"] == "unknown", "a time-out is unknown, not {order}");
    let placed = merchant
        .until(&id(&order)?, "recovery", |o| {
            o["state"] == "awaiting_payment" && o["qr_code"].is_string()
        })
        .await?;
    pay(demo, &placed, "paid", json!({})).await?;
    let order = merchant
        .until(&id(&order)?, "payment", |o| o["state"] == "paid")
        .await?;
    told(merchant, "unionpay qr: never arrived, sent again, paid", &order)
}

/// The bank refuses a card, the payer takes another one: before the order's time is over a refusal is not its end.
pub async fn tried_twice(demo: &Demo, merchant: &Merchant) -> anyhow::Result<Told> {
    let order = create(demo, merchant, "unionpay", "gateway", 470, json!({})).await?;
    demo.open(&order).await?;
    pay(demo, &order, "declined", json!({})).await?;
    let id = id(&order)?;
    let between = merchant
        .ask("GET", &format!("/v1/payments/{id}"), None)
        .await?
        .json();
    ensure!(
        between["state"] == "awaiting_payment",
        "a refused card ended the order: {between}"
    );
    pay(demo, &order, "paid", json!({})).await?;
    let order = merchant.until(&id, "payment", |o| o["state"] == "paid").await?;
    told(
        merchant,
        "unionpay gateway: a card was refused, another one paid",
        &order,
    )
}

/// There is no close: what is in the payer's hands may be paid until its time is over, and so the order stays open.
pub async fn open_to_its_end(demo: &Demo, merchant: &Merchant) -> anyhow::Result<Told> {
    let order = create(demo, merchant, "unionpay", "qr", 480, json!({})).await?;
    let id = id(&order)?;
    let close = merchant
        .ask("POST", &format!("/v1/payments/{id}/close"), Some(&json!({})))
        .await?;
    ensure!(
        close.status == 202 && close.json()["state"] == "awaiting_payment",
        "close answered {}: {}",
        close.status,
        close.json()
    );
    pay(demo, &order, "paid", json!({})).await?;
    let order = merchant.until(&id, "payment", |o| o["state"] == "paid").await?;
    told(
        merchant,
        "unionpay qr: a close that must wait, paid before its end",
        &order,
    )
}

/// Paid, and taken back on the day of the payment (消费撤销): no refund, and the whole of it.
pub async fn taken_back(demo: &Demo, merchant: &Merchant) -> anyhow::Result<Told> {
    let order = create(demo, merchant, "unionpay", "app", 490, json!({})).await?;
    let path = format!("/v1/payments/{}/reverse", id(&order)?);
    let early = merchant.ask("POST", &path, Some(&json!({}))).await?;
    ensure!(
        early.status == 403,
        "what nobody paid was reversed: {}",
        early.json()
    );
    pay(demo, &order, "paid", json!({})).await?;
    let id = id(&order)?;
    merchant.until(&id, "payment", |o| o["state"] == "paid").await?;
    let answer = merchant.ask("POST", &path, Some(&json!({}))).await?;
    ensure!(answer.status < 300, "{} {}", answer.status, answer.json());
    let order = merchant
        .until(&id, "reverse", |o| o["state"] == "reversed")
        .await?;
    ensure!(order["reverse"]["refunded"] == true, "{order}");
    told(merchant, "unionpay app: paid, taken back on its day", &order)
}
