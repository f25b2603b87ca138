//! What is UnionPay's own in payment codes: by us nothing is reversed by an order's number, "no such order" is no last word before
//! the order's end, and what was paid goes back by a cancel on its settlement day, by a refund after it.

use super::{Counter, Done};
use anyhow::ensure;
use serde_json::json;
use std::time::Duration;

pub(super) async fn own_rules(c: &Counter) -> Done {
    a_charge_that_is_booked_late_is_found_and_goes_back(c).await?;
    one_that_comes_after_its_end_goes_back(c).await?;
    a_card_refused_after_the_charge_was_accepted_ends_it(c).await?;
    after_the_settlement_day_a_refund_takes_the_cancels_place(c).await?;
    a_lost_cancel_is_asked_for_and_not_doubled(c).await
}

/// The charging call was slow rather than lost: it arrives when the reverse is on record already, and is found.
async fn a_charge_that_is_booked_late_is_found_and_goes_back(c: &Counter) -> Done {
    let body = c.body(&c.payer("paid").await?, 470);
    c.fault(&body, "create", "arrives_late").await?;
    c.fault(&body, "notice", "drop").await?;
    let answer = c.scan(&body).await?;
    ensure!(
        answer.status == 202 && answer.json()["state"] == "unknown",
        "{}",
        answer.json()
    );
    ensure!(c.there(&answer.json()).await?.is_none(), "it was there too early");
    let order = c.until(&answer.json(), "reversed").await?;
    ensure!(
        order["reverse"]["refunded"] == true,
        "it was found too early, or not at all: {order}"
    );
    c.nobody_is_charged(&order).await?;
    c.told(&order, &["payment.reversed"]).await
}

/// Booked when even its own end was over: UnionPay's notice tells, and it goes back.
async fn one_that_comes_after_its_end_goes_back(c: &Counter) -> Done {
    let body = c.body(&c.payer("late").await?, 480);
    let answer = c.scan(&body).await?;
    let order = c.until(&answer.json(), "reversed").await?;
    ensure!(order["reverse"]["refunded"] == false, "{order}");
    c.told(&order, &["payment.reversed"]).await?;
    let late = json!({ "channel": "unionpay", "out_trade_no": order["number"], "outcome": "late" });
    c.demo.control("/control/pay", &late).await?;
    for _ in 0..150 {
        if c.nobody_is_charged(&order).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    c.nobody_is_charged(&order).await?;
    let order = c.until(&order, "reversed").await?;
    ensure!(order["reverse"]["refunded"] == true, "{order}");
    c.told(&order, &["payment.reversed", "payment.reversed"]).await
}

/// "Accepted" is not "paid": the issuer says no afterwards, and the merchant may scan the next code at once.
async fn a_card_refused_after_the_charge_was_accepted_ends_it(c: &Counter) -> Done {
    let mut body = c.body(&c.payer("late").await?, 490);
    let answer = c.scan(&body).await?;
    ensure!(answer.status == 202, "{}", answer.json());
    let number = answer.json()["number"].clone();
    c.demo
        .control(
            "/control/pay",
            &json!({ "channel": "unionpay", "out_trade_no": number, "outcome": "declined" }),
        )
        .await?;
    let order = c.until(&answer.json(), "not_placed").await?;
    c.told(&order, &["payment.not_placed"]).await?;
    body["auth_code"] = c.payer("paid").await?.into();
    let second = c.scan_paid(&body).await?;
    ensure!(
        second["attempt"] == 2 && second["number"] != order["number"],
        "{second}"
    );
    c.charged_once(&second).await
}

async fn after_the_settlement_day_a_refund_takes_the_cancels_place(c: &Counter) -> Done {
    // UnionPay says that its day is over, though ours is not; and the day is over for everybody.
    for another_day in [false, true] {
        let body = c.body(&c.payer("paid").await?, 510);
        if another_day {
            c.demo
                .control("/control/clock", &json!({ "days_ago": 1 }))
                .await?;
        } else {
            c.fault(&body, "reverse", "too_late").await?;
        }
        let paid = c.scan_paid(&body).await?;
        c.demo
            .control("/control/clock", &json!({ "days_ago": 0 }))
            .await?;
        tokio::time::sleep(Duration::from_millis(250)).await; // the setting `reverse_after_ms`
        let answer = c.reverse(&paid).await?;
        ensure!(
            answer.status == 202 || answer.status == 200,
            "{} {}",
            answer.status,
            answer.json()
        );
        let order = c.until(&paid, "reversed").await?;
        ensure!(order["reverse"]["refunded"] == true, "{order}");
        c.nobody_is_charged(&order).await?;
        let there = c.there(&order).await?.unwrap_or_default();
        let calls = &there["calls"];
        ensure!(
            calls["refund"] == 1 && calls["reverse"].as_u64().unwrap_or(0) == u64::from(!another_day),
            "not by a refund: {there}"
        );
        c.told(&order, &["payment.paid", "payment.reversed"]).await?;
    }
    Ok(())
}

/// Acted on and never answered: asked for by its own number, and no refund is sent beside it.
async fn a_lost_cancel_is_asked_for_and_not_doubled(c: &Counter) -> Done {
    let body = c.body(&c.payer("paid").await?, 520);
    let paid = c.scan_paid(&body).await?;
    tokio::time::sleep(Duration::from_millis(250)).await; // the setting `reverse_after_ms`
    c.fault(&body, "reverse", "timeout_after").await?;
    let answer = c.reverse(&paid).await?;
    ensure!(answer.status == 202, "{} {}", answer.status, answer.json());
    let order = c.until(&paid, "reversed").await?;
    let there = c.there(&order).await?.unwrap_or_default();
    ensure!(
        there["calls"]["reverse"] == 1
            && there["calls"]["refund"].is_null()
            && there["refunded_fen"] == there["fen"],
        "{there}"
    );
    Ok(())
}
