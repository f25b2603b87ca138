//! Reversal (冲正) of a merchant's own client: a payment code's charge of which its client does not know is undone by the charge's own
//! number and time, once, whatever became of it.

use super::{
    Done,
    charges::{LONG, fault, payer, refused, sent, there},
    demo, is, order, pay, until,
};
use crate::kills::{MUTATION, Yard, id};
use anyhow::{bail, ensure};
use sandbox::demo::Demo;
use sandbox::demo::acp::{Acp, BACK, QUERY, now, written};
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

/// Charged, and nobody answered: UnionPay did it or never heard of it.
async fn lost(demo: &Demo, acp: &Acp, kind: &str, life: i64) -> anyhow::Result<(String, String)> {
    let (number, time) = (demo.next_number(), written(now()));
    fault(demo, &number, "create", kind).await?;
    let code = payer(demo, &json!({ "outcome": "paid" })).await?;
    let charge = acp.charge(&number, &time, 660, &code, life);
    refused(&sent(acp, &charge).await?, 502, "05")?;
    Ok((number, time))
}

/// Undone once at UnionPay, on record, and never charged again.
async fn undone(demo: &Demo, merchant: usize, number: &str) -> Done {
    let order = until(demo, merchant, number, "reversal", |o| o["state"] == "reversed").await?;
    ensure!(order["reverse"]["reason"] == "merchant", "{order}");
    let there = there(demo, number).await?;
    ensure!(
        order["reverse"]["refunded"] == true
            && there["refunded_fen"] == 660
            && there["refunds"].as_array().map(Vec::len) == Some(1)
            && there["calls"]["create"] == 1
            && there["calls"]["refund"].is_null(),
        "{order}: {there}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C60
//= C75
async fn a_charge_of_which_nobody_knows_is_undone_by_its_own_number() {
    let (demo, _dir) = demo().await.expect("demo");
    for merchant in 0..3 {
        let method = demo.place.merchants[merchant].sign_method();
        after_acting(&demo, merchant)
            .await
            .unwrap_or_else(|e| panic!("after acting, signMethod {method}: {e:#}"));
    }
    let (before, password) = tokio::join!(before_acting(&demo), while_a_password_is_typed(&demo));
    before.unwrap_or_else(|e| panic!("before acting: {e:#}"));
    password.unwrap_or_else(|e| panic!("a password: {e:#}"));
    lost_itself(&demo).await.unwrap_or_else(|e| panic!("lost: {e:#}"));
    too_late(&demo)
        .await
        .unwrap_or_else(|e| panic!("too late: {e:#}"));
    nothing_else(&demo)
        .await
        .unwrap_or_else(|e| panic!("nothing else: {e:#}"));
    demo.services.stop().await.expect("stops");
    demo.prove_journal().expect("the journal is whole");
}

async fn after_acting(demo: &Demo, merchant: usize) -> Done {
    let acp = Acp::of(demo, merchant)?;
    let (number, time) = lost(demo, &acp, "timeout_after", LONG).await?;
    let form = acp.signed(&acp.reversal(&number, &time))?;
    let answer = acp.send(BACK, &form).await?;
    let said = acp.read(&answer.body)?;
    is(&said, "respCode", "00")?;
    is(&said, "txnType", "99")?;
    ensure!(
        demo.last_request("unionpay", "reverse")
            .await?
            .contains("txnType=99"),
        "not the reversal that was signed"
    );
    undone(demo, merchant, &number).await?;
    // Its repeat bears the same octets: UnionPay answers it, and nothing goes back twice.
    is(&acp.read(&acp.send(BACK, &form).await?.body)?, "respCode", "00")?;
    // The query says what it said before, as after a cancel, and changes nothing.
    is(
        &acp.ask(QUERY, &acp.query(&number, &time)).await?,
        "origRespCode",
        "00",
    )?;
    undone(demo, merchant, &number).await
}

/// UnionPay never heard of the charge: "no such order" is no last word on it before its own end, and nobody is charged.
async fn before_acting(demo: &Demo) -> Done {
    let acp = Acp::of(demo, 0)?;
    let (number, time) = lost(demo, &acp, "timeout_before", 6000).await?;
    is(
        &acp.ask(BACK, &acp.reversal(&number, &time)).await?,
        "respCode",
        "34",
    )?;
    let before = order(demo, 0, &number).await?;
    ensure!(before["state"] == "reversing", "{before}");
    let after = until(demo, 0, &number, "its end", |o| o["state"] == "reversed").await?;
    ensure!(
        after["reverse"]["refunded"] == false && there(demo, &number).await?.is_null(),
        "{after}"
    );
    Ok(())
}

async fn while_a_password_is_typed(demo: &Demo) -> Done {
    let acp = Acp::of(demo, 0)?;
    let (number, time) = (demo.next_number(), written(now()));
    let code = payer(demo, &json!({ "outcome": "late", "after_ms": 3000 })).await?;
    let charge = acp.charge(&number, &time, 660, &code, 6000);
    is(&acp.ask(BACK, &charge).await?, "respCode", "00")?;
    is(
        &acp.ask(BACK, &acp.reversal(&number, &time)).await?,
        "respCode",
        "00",
    )?;
    let after = until(demo, 0, &number, "its end", |o| o["state"] == "reversed").await?;
    let there = there(demo, &number).await?;
    ensure!(
        after["paid"].is_null() && there["paid"].is_null() && there["refunded_fen"] == 0,
        "{after}: {there}"
    );
    Ok(())
}

/// The reversal itself was lost on its way, or its answer was: it goes out again until UnionPay takes it.
async fn lost_itself(demo: &Demo) -> Done {
    let acp = Acp::of(demo, 0)?;
    for kind in ["timeout_before", "timeout_after", "busy"] {
        let (number, time) = lost(demo, &acp, "timeout_after", LONG).await?;
        fault(demo, &number, "reverse", kind).await?;
        let answer = sent(&acp, &acp.reversal(&number, &time)).await?;
        match kind {
            "busy" => is(&acp.read(&answer.body)?, "respCode", "02")?,
            _ => refused(&answer, 502, "05")?,
        }
        undone(demo, 0, &number).await.map_err(|e| e.context(kind))?;
    }
    Ok(())
}

/// UnionPay's day is over: its own word goes back, what was charged stands, and is refunded.
async fn too_late(demo: &Demo) -> Done {
    let acp = Acp::of(demo, 0)?;
    let (number, time) = lost(demo, &acp, "timeout_after", LONG).await?;
    until(demo, 0, &number, "payment", |o| o["state"] == "paid").await?;
    fault(demo, &number, "reverse", "too_late").await?;
    is(
        &acp.ask(BACK, &acp.reversal(&number, &time)).await?,
        "respCode",
        "35",
    )?;
    let stands = order(demo, 0, &number).await?;
    ensure!(stands["state"] == "paid", "{stands}");
    let refund = acp.refund(&format!("R{number}"), &written(now()), "", 660);
    let mut refund = refund;
    refund.remove("origQryId");
    refund.insert("origOrderId".into(), number.clone());
    refund.insert("origTxnTime".into(), time);
    is(&acp.ask(BACK, &refund).await?, "respCode", "00")?;
    until(demo, 0, &number, "refund", |o| o["state"] == "refunded")
        .await
        .map(drop)
}

/// Of a code that the payer scans, of another time, of nothing, of another day: UnionPay does not hear of it.
async fn nothing_else(demo: &Demo) -> Done {
    let acp = Acp::of(demo, 0)?;
    let (number, time) = (demo.next_number(), written(now()));
    is(
        &acp.ask(BACK, &acp.apply(&number, &time, 660)).await?,
        "respCode",
        "00",
    )?;
    refused(&sent(&acp, &acp.reversal(&number, &time)).await?, 403, "32")?;
    pay(demo, &number, true).await?;
    until(demo, 0, &number, "payment", |o| o["state"] == "paid").await?;
    refused(&sent(&acp, &acp.reversal(&number, &time)).await?, 403, "32")?;
    let (charged, time) = lost(demo, &acp, "timeout_after", LONG).await?;
    let other = written(now().plus_millis(-60_000));
    refused(&sent(&acp, &acp.reversal(&charged, &other)).await?, 403, "32")?;
    refused(
        &sent(&acp, &acp.reversal(&demo.next_number(), &time)).await?,
        403,
        "32",
    )?;
    let old = written(now().plus_millis(-25 * 3_600_000));
    refused(&sent(&acp, &acp.reversal(&charged, &old)).await?, 401, "11")?;
    let mut more = acp.reversal(&charged, &time);
    more.insert("txnAmt".into(), "660".into());
    refused(&sent(&acp, &more).await?, 403, "32")?;
    for number in [number, charged] {
        let there = there(demo, &number).await?;
        ensure!(
            there["calls"]["reverse"].is_null() && there["refunded_fen"] == 0,
            "UnionPay heard of it: {there}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C60
async fn killed_between_every_two_steps_of_a_reversal() {
    let yard = Yard::open().await.expect("demo");
    for step in MUTATION {
        point(&yard, step)
            .await
            .unwrap_or_else(|e| panic!("{step}: {e:#}"));
    }
    yard.demo.services.stop_proxy().await.expect("stops");
    yard.demo.prove_journal().expect("the journal is whole");
}

/// Undone once, whoever ends it: the client's repeat or our sweep.
async fn point(yard: &Yard, step: &str) -> Done {
    let demo = &yard.demo;
    let acp = Acp::of(demo, 0)?;
    let (number, time) = lost(demo, &acp, "timeout_after", LONG).await?;
    yard.restart_until(step).await?;
    let acp = Acp::of(demo, 0)?;
    let form = acp.signed(&acp.reversal(&number, &time))?;
    if let Ok(answer) = acp.send(BACK, &form).await {
        bail!(
            "answered although the proxy ended before: {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
    }
    yard.stopped_and_started().await?;
    let acp = Acp::of(demo, 0)?;
    // The same octets again, though they were signed before this run began: their time is the charge's.
    let mut last = 0;
    for _ in 0..60 {
        last = acp.send(BACK, &form).await?.status;
        if last == 200 {
            break;
        }
        sleep(Duration::from_millis(250)).await;
    }
    ensure!(last == 200, "no answer of UnionPay's: {last}");
    undone(demo, 0, &number).await?;
    let order = order(demo, 0, &number).await?;
    yard.told(id(&order)?, "payment.reversed").await
}
