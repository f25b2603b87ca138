//! Trade that must be flagged, one case of each typology built so far, all at one merchant.

use super::{Demo, merchant::Merchant};
use anyhow::ensure;
use serde_json::{Value, json};

/// The typologies that are planted.
pub const RULES: [&str; 10] = [
    "T01", "T04", "T05", "T10", "T15a", "T15d", "T16", "T20", "T26", "T28",
];

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
    paid_by(demo, merchant, openid, yuan, "A").await
}

async fn paid_by(
    demo: &Demo,
    merchant: &Merchant,
    openid: &str,
    yuan: u64,
    level: &str,
) -> anyhow::Result<String> {
    let (status, order) = order(demo, merchant, openid, yuan, level).await?;
    ensure!(status == 201, "a planted order answered {status}: {order}");
    settle(demo, merchant, &order, openid).await
}

/// The payer pays.
async fn settle(demo: &Demo, merchant: &Merchant, order: &Value, openid: &str) -> anyhow::Result<String> {
    demo.control(
        "/control/pay",
        &json!({ "channel": "wechat", "out_trade_no": order["number"], "outcome": "paid", "payer": openid }),
    )
    .await?;
    let id = order["id"].as_str().unwrap_or_default().to_owned();
    merchant.until(&id, "payment", |o| o["state"] == "paid").await?;
    Ok(id)
}

/// A payment code whose wallet cannot pay is scanned; the order's number.
async fn declined(demo: &Demo, merchant: &Merchant, yuan: u64) -> anyhow::Result<String> {
    let (code, number) = (demo.next_code("alipay"), demo.next_number());
    demo.control(
        "/control/pay",
        &json!({ "channel": "alipay", "auth_code": code, "outcome": "declined" }),
    )
    .await?;
    let body = json!({ "order_no": number, "channel": "alipay", "pay_way": "micropay", "amount": yuan * 100, "description": "planted", "auth_code": code });
    let answer = merchant.ask("POST", "/v1/payments", Some(&body)).await?;
    ensure!(
        answer.status == 422 && answer.json()["code"] == "payer_cannot_pay",
        "a wallet that cannot pay answered {}: {}",
        answer.status,
        answer.json()
    );
    Ok(number)
}

/// T16: wallets are tried out with small amounts. T26: what one wallet declined is tried with the next.
async fn tried_out(demo: &Demo, merchant: &Merchant) -> anyhow::Result<()> {
    for n in 0..20 {
        declined(demo, merchant, 1 + n % 9).await?;
    }
    let number = declined(demo, merchant, 66).await?;
    let payer = format!("oPLANTEDT26{}", demo.next_number());
    let body = json!({
        "order_no": number, "channel": "wechat", "pay_way": "jsapi", "amount": 6600, "description": "planted",
        "payer": { "openid": payer }, "code": { "kind": "dynamic", "level": "A" },
    });
    let answer = merchant.ask("POST", "/v1/payments", Some(&body)).await?;
    ensure!(
        answer.status == 201,
        "the next wallet answered {}: {}",
        answer.status,
        answer.json()
    );
    settle(demo, merchant, &answer.json(), &payer).await.map(drop)
}

/// Plants one case of each. Neighbours are merchants of the same acquirer.
pub async fn plant(demo: &Demo, merchant: &Merchant, neighbours: &[Merchant]) -> anyhow::Result<()> {
    // First, while nothing else is in its ten minutes.
    tried_out(demo, merchant).await?;
    let many = format!("oPLANTEDT10{}", demo.next_number());
    for (n, neighbour) in neighbours.iter().chain([merchant]).enumerate() {
        paid_by(demo, neighbour, &many, 31 + n as u64, "B").await?;
    }
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
