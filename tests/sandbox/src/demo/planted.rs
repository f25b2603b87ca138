//! Trade that must be flagged, one case of each typology built so far, all at one merchant.

use super::{Demo, merchant::Merchant};
use anyhow::ensure;
use serde_json::{Value, json};

/// The typologies that are planted.
pub const RULES: [&str; 7] = ["T01", "T04", "T05", "T15a", "T15d", "T20", "T28"];

/// Level A: limits by agreement, so that large amounts are lawful (R18).
async fn order(
    demo: &Demo,
    merchant: &Merchant,
    openid: &str,
    yuan: u64,
    level: &str,
) -> anyhow::Result<(u16, Value)> {
    let body = json!({
        "order_no": demo.next_number(), "channel": "wechat", "pay_way": "jsapi", "amount": yuan * 100, "description": "planted",
        "payer": { "openid": openid }, "code": { "kind": "dynamic", "level": level },
    });
    let answer = merchant.ask("POST", "/v1/payments", Some(&body)).await?;
    Ok((answer.status, answer.json()))
}

async fn paid(demo: &Demo, merchant: &Merchant, openid: &str, yuan: u64) -> anyhow::Result<String> {
    let (status, order) = order(demo, merchant, openid, yuan, "A").await?;
    ensure!(status == 201, "a planted order answered {status}: {order}");
    demo.control(
        "/control/pay",
        &json!({ "channel": "wechat", "out_trade_no": order["number"], "outcome": "paid", "payer": openid }),
    )
    .await?;
    let id = order["id"].as_str().unwrap_or_default().to_owned();
    merchant.until(&id, "payment", |o| o["state"] == "paid").await?;
    Ok(id)
}

/// Plants one case of each.
pub async fn plant(demo: &Demo, merchant: &Merchant) -> anyhow::Result<()> {
    let payer = |rule: &str| format!("oPLANTED{rule}{}", demo.next_number());
    let same = payer("T01");
    for _ in 0..3 {
        paid(demo, merchant, &same, 88).await?;
    }
    let under = payer("T04");
    for yuan in [481, 490, 499] {
        paid(demo, merchant, &under, yuan).await?;
    }
    let split = payer("T05");
    for yuan in [17_001, 18_002, 19_003] {
        paid(demo, merchant, &split, yuan).await?;
    }
    for n in 0..3 {
        let id = paid(demo, merchant, &payer("T15d"), 1000 + 100 * n).await?;
        let body = json!({ "refund_no": "back", "amount": (1000 + 100 * n) * 100 });
        let answer = merchant
            .ask("POST", &format!("/v1/payments/{id}/refunds"), Some(&body))
            .await?;
        ensure!(
            answer.status < 300,
            "a planted refund answered {}: {}",
            answer.status,
            answer.json()
        );
        merchant
            .until(&id, "refund", |o| o["state"] == "refunded")
            .await?;
        if n == 0 {
            // T15a: more is asked back than was paid.
            let more = merchant
                .ask(
                    "POST",
                    &format!("/v1/payments/{id}/refunds"),
                    Some(&json!({ "refund_no": "more", "amount": 1 })),
                )
                .await?;
            ensure!(
                more.status == 409 && more.json()["code"] == "refund_exceeds_paid",
                "more than was paid went back: {}",
                more.json()
            );
        }
    }
    // T20: somebody else is to be paid.
    let other = json!({ "order_no": demo.next_number(), "channel": "wechat", "pay_way": "native", "amount": 100, "description": "planted", "payee": "1888888888" });
    let refused = merchant.ask("POST", "/v1/payments", Some(&other)).await?;
    ensure!(
        refused.status == 403 && refused.json()["code"] == "payee_not_allowed",
        "somebody else would have been paid: {}",
        refused.json()
    );
    // T28: beyond the payer's day limit of level C; the merchant learns nothing of it.
    let limit = payer("T28");
    let (first, _) = order(demo, merchant, &limit, 600, "C").await?;
    let (second, refusal) = order(demo, merchant, &limit, 600, "C").await?;
    ensure!(
        first == 201 && second == 403 && refusal["code"] == "order_not_accepted",
        "the day limit did not hold: {first} {second} {refusal}"
    );
    Ok(())
}
