//! Killed between every two steps of orders, payment codes, reverses and refunds.

use super::{codes::Counter, *};

async fn order_point(yard: &Yard, step: &str) -> Done {
    yard.restart_until(step).await?;
    let number = yard.demo.next_number();
    unanswered(V2::of(yard, false)?.unified(&number, "500", &[]).await)?;
    yard.stopped_and_started().await?;
    let sdk = V2::of(yard, false)?;
    sdk.verified(&sdk.unified(&number, "500", &[]).await?)?;
    pay(yard, &number).await?;
    let order = until(yard, &number, "payment", |o| o["state"] == "paid").await?;
    ensure!(
        yard.at_channel(&order).await?.len() == 1,
        "not one order at the channel"
    );
    yard.told(id(&order)?, "payment.paid").await
}

/// The payer is charged once or not at all, and the SDK's query or reverse ends it.
async fn code_point(yard: &Yard, step: &str) -> Done {
    let c = Counter {
        yard,
        sdk: V2::of(yard, true)?,
    };
    yard.restart_until(step).await?;
    let number = yard.demo.next_number();
    let code = c.payer(&json!({ "outcome": "paid" })).await?;
    unanswered(V2::of(yard, true)?.micropay(&number, "500", &code).await)?;
    yard.stopped_and_started().await?;
    let sdk = V2::of(yard, true)?;
    let by_number = [("out_trade_no", number.as_str())];
    let said = sdk.verified(&sdk.ask("/pay/orderquery", &by_number).await?)?;
    match said.get("trade_state") {
        Some("SUCCESS") => {
            until(yard, &number, "payment", |o| o["state"] == "paid").await?;
        }
        _ if step == "before_intent" => {
            sdk.refused("/secapi/pay/reverse", &by_number, "NOAUTH").await?;
        }
        _ => {
            ensure!(
                said.get("err_code") == Some("ORDERNOTEXIST"),
                "{:?}",
                said.get("err_code")
            );
            sdk.failed("/secapi/pay/reverse", &by_number, "ORDERNOTEXIST")
                .await?;
            until(yard, &number, "reverse", |o| o["state"] == "reversed").await?;
        }
    }
    ensure!(c.calls(&number).await? <= 1, "it went out twice");
    Ok(())
}

async fn reverse_point(yard: &Yard, step: &str) -> Done {
    let c = Counter {
        yard,
        sdk: V2::of(yard, true)?,
    };
    let number = yard.demo.next_number();
    let code = c.payer(&json!({ "outcome": "paid" })).await?;
    c.sdk.verified(&c.sdk.micropay(&number, "500", &code).await?)?;
    yard.restart_until(step).await?;
    let by_number = [("out_trade_no", number.as_str())];
    unanswered(V2::of(yard, true)?.ask("/secapi/pay/reverse", &by_number).await)?;
    yard.stopped_and_started().await?;
    let sdk = V2::of(yard, true)?;
    for _ in 0..200 {
        let answer = sdk.ask("/secapi/pay/reverse", &by_number).await?;
        if sdk
            .verified(&answer)
            .is_ok_and(|said| said.get("recall") == Some("N"))
        {
            break;
        }
        sleep(Duration::from_millis(150)).await;
    }
    let order = until(yard, &number, "reverse", |o| o["state"] == "reversed").await?;
    let there = c.there(&number).await?;
    ensure!(there["refunded_fen"] == 500, "charged: {there}");
    yard.told(id(&order)?, "payment.reversed").await
}

async fn refund_point(yard: &Yard, step: &str) -> Done {
    let sdk = V2::of(yard, false)?;
    let number = yard.demo.next_number();
    sdk.verified(&sdk.unified(&number, "900", &[]).await?)?;
    pay(yard, &number).await?;
    until(yard, &number, "payment", |o| o["state"] == "paid").await?;
    let refund = format!("R{number}");
    yard.restart_until(step).await?;
    unanswered(V2::of(yard, false)?.refund(&number, &refund, "400", "900").await)?;
    yard.stopped_and_started().await?;
    let sdk = V2::of(yard, false)?;
    sdk.verified(&sdk.refund(&number, &refund, "400", "900").await?)?;
    let order = until(yard, &number, "refund", |o| {
        o["refunds"][0]["state"] == "succeeded"
    })
    .await?;
    ensure!(
        order["refunds"].as_array().map(Vec::len) == Some(1),
        "refunds: {order}"
    );
    let there = yard.at_channel(&order).await?;
    ensure!(
        there.len() == 1 && there[0]["refunded_fen"] == 400,
        "the channel paid back {there:?}"
    );
    yard.told(id(&order)?, "refund.succeeded").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_v2() {
    let yard = Yard::open().await.expect("demo");
    for step in MUTATION {
        order_point(&yard, step)
            .await
            .unwrap_or_else(|e| panic!("order {step}: {e:#}"));
        code_point(&yard, step)
            .await
            .unwrap_or_else(|e| panic!("code {step}: {e:#}"));
        reverse_point(&yard, step)
            .await
            .unwrap_or_else(|e| panic!("reverse {step}: {e:#}"));
        refund_point(&yard, step)
            .await
            .unwrap_or_else(|e| panic!("refund {step}: {e:#}"));
    }
    let last = yard.demo.shop().came("/relay/wechat/").len();
    assert!(last > 0, "no notice was relayed");
}
