//! Stories of a merchant's own UnionPay client with only the host changed: what it signed goes on octet for octet, is on record
//! before it leaves, and is told as UnionPay tells it.

use super::{
    Demo,
    acp::{APP, Acp, BACK, Fields, now, written},
    merchant::Merchant,
    orders::{Told, id, pay, told},
};
use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use std::time::Duration;

/// A payer's code is charged (被扫) and taken back on the day of the payment (消费撤销), both by the merchant's own client.
pub async fn code_taken_back(demo: &Demo, merchant: &Merchant, acp: &Acp) -> anyhow::Result<Told> {
    let (number, code) = (demo.next_number(), demo.next_code("unionpay"));
    let will = json!({ "channel": "unionpay", "auth_code": code, "outcome": "paid" });
    demo.control("/control/pay", &will).await?;
    let charge = acp.charge(&number, &written(now()), 530, &code, 300_000);
    accepted(&acp.ask(BACK, &charge).await?)?;
    let paid = until(merchant, &number, "payment", "paid").await?;
    relayed(demo, merchant, acp, &number).await?;
    let query_id = paid["paid"]["trade_no"].as_str().context("trade_no")?;
    let cancel = format!("V{number}");
    let form = acp.cancel(&cancel, &written(now()), query_id, 530);
    accepted(&acp.ask(BACK, &form).await?)?;
    relayed(demo, merchant, acp, &cancel).await?;
    let order = until(merchant, &number, "cancel", "reversed").await?;
    ensure!(order["reverse"]["refunded"] == true, "{order}");
    told(
        merchant,
        "unionpay own code: by the merchant's own client, taken back on its day",
        &order,
    )
}

/// An order of the merchant's app, answered with a `tn` for UnionPay's SDK.
pub async fn in_the_app(demo: &Demo, merchant: &Merchant, acp: &Acp) -> anyhow::Result<Told> {
    let number = demo.next_number();
    let said = acp.ask(APP, &acp.app(&number, &written(now()), 620)).await?;
    accepted(&said)?;
    ensure!(said.contains_key("tn"), "no tn: {said:?}");
    let there = json!({ "channel": "unionpay", "number": number });
    pay(demo, &there, "paid", json!({})).await?;
    relayed(demo, merchant, acp, &number).await?;
    let order = until(merchant, &number, "payment", "paid").await?;
    told(
        merchant,
        "unionpay own app: by the merchant's own client, paid in its app",
        &order,
    )
}

fn accepted(said: &Fields) -> anyhow::Result<()> {
    let code = said.get("respCode").map(String::as_str);
    ensure!(code == Some("00"), "UnionPay said {code:?}");
    Ok(())
}

pub(super) async fn until(
    merchant: &Merchant,
    number: &str,
    what: &str,
    state: &str,
) -> anyhow::Result<Value> {
    let path = format!("/v1/payments?order_no={number}");
    let found = merchant.ask("GET", &path, None).await?.json();
    merchant.until(&id(&found)?, what, |o| o["state"] == state).await
}

/// UnionPay's notice of this number came to the merchant as UnionPay signed it.
async fn relayed(demo: &Demo, merchant: &Merchant, acp: &Acp, number: &str) -> anyhow::Result<()> {
    let path = format!("/relay/unionpay/{}", merchant.id());
    for _ in 0..150 {
        for came in demo.shop().came(&path) {
            let fields: Fields = form_urlencoded::parse(&came.body).into_owned().collect();
            if fields.get("orderId").is_some_and(|no| no == number) {
                return acp.notice(&came.body).map(drop);
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("the notice of {number} was not relayed")
}
