//! The proxy killed between every two steps of a payment code and of a consume-cancel of a merchant's own client.

use super::{
    Done,
    charges::{payer, there},
    is, pay, until,
};
use crate::{
    clock::clear_of_day_ends,
    kills::{MUTATION, Yard, id, text},
};
use anyhow::{bail, ensure};
use sandbox::demo::acp::{Acp, BACK, QUERY, now, written};
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C60
//= C75
async fn killed_between_every_two_steps_of_a_code_and_of_a_cancel() {
    clear_of_day_ends(4).await; // a cancel is taken on the payment's own day
    let yard = Yard::open().await.expect("demo");
    let mut open = Vec::new();
    for step in MUTATION {
        let never_sent = code_point(&yard, step)
            .await
            .unwrap_or_else(|e| panic!("code {step}: {e:#}"));
        open.extend(never_sent);
        cancel_point(&yard, step)
            .await
            .unwrap_or_else(|e| panic!("cancel {step}: {e:#}"));
    }
    for number in open {
        ended(&yard, &number)
            .await
            .unwrap_or_else(|e| panic!("{number}: {e:#}"));
    }
    yard.demo.services.stop_proxy().await.expect("stops");
    yard.demo.prove_journal().expect("the journal is whole");
}

/// The payer is charged once or not at all. The number of an order that is on record and never came to UnionPay: it stays
/// open until its own time is over, since before that "no such order" is no last word.
async fn code_point(yard: &Yard, step: &str) -> anyhow::Result<Option<String>> {
    yard.restart_until(step).await?;
    let demo = &yard.demo;
    let acp = Acp::of(demo, 0)?;
    let (number, time) = (demo.next_number(), written(now()));
    let code = payer(demo, &json!({ "outcome": "paid" })).await?;
    let form = acp.signed(&acp.charge(&number, &time, 500, &code, 15_000))?;
    ensure!(
        acp.send(BACK, &form).await.is_err(),
        "answered although the proxy ended before"
    );
    yard.stopped_and_started().await?;
    let acp = Acp::of(demo, 0)?;
    // What an impatient client does: the same again. It never goes out twice; what is not on record goes out where it was
    // signed in the very second of the start, and else not at all.
    let again = acp.send(BACK, &form).await?;
    let first = step == "before_intent" && again.status == 200;
    ensure!(again.status != 200 || first, "{step}: sent again");
    let there = there(demo, &number).await?;
    if step == "before_intent" && !first {
        let path = format!("/v1/payments?order_no={number}");
        let found = yard.merchant()?.ask("GET", &path, None).await?;
        ensure!(found.status == 404 && there.is_null(), "{}", found.json());
        return Ok(None);
    }
    if there.is_null() {
        is(
            &acp.ask(QUERY, &acp.query(&number, &time)).await?,
            "respCode",
            "34",
        )?;
        return Ok(Some(number));
    }
    let order = until(demo, 0, &number, "payment", |o| o["state"] == "paid").await?;
    ensure!(there["calls"]["create"] == 1, "it went out twice: {there}");
    yard.told(id(&order)?, "payment.paid").await?;
    Ok(None)
}

async fn ended(yard: &Yard, number: &str) -> Done {
    let order = until(&yard.demo, 0, number, "its end", |o| o["state"] == "reversed").await?;
    ensure!(
        order["reverse"]["refunded"] == false && there(&yard.demo, number).await?.is_null(),
        "{order}"
    );
    yard.told(id(&order)?, "payment.reversed").await
}

/// Taken back once, whoever ends it: the client's repeat or our sweep.
async fn cancel_point(yard: &Yard, step: &str) -> Done {
    let demo = &yard.demo;
    let acp = Acp::of(demo, 0)?;
    let number = demo.next_number();
    let apply = acp.apply(&number, &written(now()), 900);
    is(&acp.ask(BACK, &apply).await?, "respCode", "00")?;
    pay(demo, &number, true).await?;
    let order = until(demo, 0, &number, "payment", |o| o["state"] == "paid").await?;
    let query_id = text(&order["paid"]["trade_no"]);
    yard.restart_until(step).await?;
    let acp = Acp::of(demo, 0)?;
    let cancel = format!("V{number}");
    let mut form = acp.signed(&acp.cancel(&cancel, &written(now()), &query_id, 900))?;
    ensure!(
        acp.send(BACK, &form).await.is_err(),
        "answered although the proxy ended before"
    );
    yard.stopped_and_started().await?;
    let acp = Acp::of(demo, 0)?;
    let mut last = 0;
    for _ in 0..60 {
        let answer = acp.send(BACK, &form).await?;
        last = answer.status;
        match answer.status {
            200 => break,
            // Not on record, and signed before this run began.
            401 => form = acp.signed(&acp.cancel(&cancel, &written(now()), &query_id, 900))?,
            502 => {}
            other => bail!("{other} {}", String::from_utf8_lossy(&answer.body)),
        }
        sleep(Duration::from_millis(250)).await;
    }
    ensure!(last == 200, "no answer of UnionPay's: {last}");
    let order = until(demo, 0, &number, "cancel", |o| o["state"] == "reversed").await?;
    ensure!(order["reverse"]["refunded"] == true, "{order}");
    let there = there(demo, &number).await?;
    ensure!(
        there["refunded_fen"] == 900 && there["refunds"].as_array().map(Vec::len) == Some(1),
        "UnionPay paid back {there}"
    );
    yard.told(id(&order)?, "payment.reversed").await
}
