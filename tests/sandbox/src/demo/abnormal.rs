//! Abnormal refunds (异常退款): the payer's account is closed and cannot take what goes back, so it goes where the merchant says.

use super::{
    Demo,
    merchant::Merchant,
    orders::{Told, create, id, pay, told},
};
use anyhow::ensure;
use serde_json::{Value, json};

/// A payer whose account at WeChat is closed by the time that anything goes back there.
pub const GONE: &str = "oGONE000000000000000000000001";

/// To a bank card of the payer's.
pub fn to_card() -> Value {
    json!({ "to": "payer_card", "bank": "ICBC_DEBIT", "bank_account": "6222020903001483077", "name": "王小明" })
}

/// To the account that WeChat has on file for the merchant.
pub fn to_merchant() -> Value {
    json!({ "to": "merchant_account" })
}

/// Paid, and refunded in two parts that both strand: one goes on to the payer's card, the other to the merchant's own account.
pub async fn redirected(demo: &Demo, merchant: &Merchant) -> anyhow::Result<Told> {
    let order = create(demo, merchant, "wechat", "native", 850, json!({})).await?;
    pay(demo, &order, "paid", json!({ "payer": GONE })).await?;
    let id = id(&order)?;
    merchant.until(&id, "payment", |o| o["state"] == "paid").await?;
    for (at, (amount, to)) in [(400, to_card()), (450, to_merchant())].into_iter().enumerate() {
        let (no, refunds) = (format!("gone-{at}"), format!("/v1/payments/{id}/refunds"));
        let refund = json!({ "refund_no": no, "amount": amount });
        ask(merchant, &refunds, &refund).await?;
        stands(merchant, &id, at, "abnormal").await?;
        ask(merchant, &format!("{refunds}/{no}/redirect"), &to).await?;
        stands(merchant, &id, at, "succeeded").await?;
    }
    let order = merchant
        .until(&id, "refund", |o| o["state"] == "refunded")
        .await?;
    told(
        merchant,
        "wechat abnormal refund: to a card of the payer's, and to the merchant's account",
        &order,
    )
}

async fn ask(merchant: &Merchant, path: &str, body: &Value) -> anyhow::Result<()> {
    let answer = merchant.ask("POST", path, Some(body)).await?;
    ensure!(
        answer.status < 300,
        "{path} answered {}: {}",
        answer.status,
        answer.json()
    );
    Ok(())
}

async fn stands(merchant: &Merchant, id: &str, refund: usize, state: &str) -> anyhow::Result<()> {
    let wanted = |order: &Value| order["refunds"][refund]["state"] == state;
    merchant.until(id, state, wanted).await.map(drop)
}
