//! Payment codes (被扫), consume-cancels (消费撤销) and app orders of a merchant's own client: charged once, ended honestly,
//! taken back once, told as UnionPay tells it.

use super::{Done, at_unionpay, demo, is, order, pay, relayed, until};
use crate::{abnormal::files_with, clock::clear_of_day_ends, kills::Yard};
use anyhow::{Context, ensure};
use sandbox::demo::acp::{APP, Acp, BACK, Fields, QUERY, now, written};
use sandbox::demo::{Demo, http::Answer, place::Options};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

/// So long an order may live whose end nobody waits for.
pub(super) const LONG: i64 = 300_000;

/// A code whose payer does this once it is scanned.
pub(super) async fn payer(demo: &Demo, will: &Value) -> anyhow::Result<String> {
    let code = demo.next_code("unionpay");
    let mut body = json!({ "channel": "unionpay", "auth_code": code });
    for (name, value) in will.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    demo.control("/control/pay", &body).await?;
    Ok(code)
}

pub(super) async fn fault(demo: &Demo, number: &str, operation: &str, kind: &str) -> Done {
    let body = json!({ "channel": "unionpay", "operation": operation, "kind": kind, "out_trade_no": number });
    demo.control("/control/fault", &body).await.map(drop)
}

/// What UnionPay has of it: one order, or none.
pub(super) async fn there(demo: &Demo, number: &str) -> anyhow::Result<Value> {
    let all = at_unionpay(demo, number).await?;
    ensure!(all.len() <= 1, "two orders at UnionPay: {all:?}");
    Ok(all.into_iter().next().unwrap_or_default())
}

fn words(answer: &Answer) -> String {
    format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))
}

/// Our own refusal: unsigned, under a status that is not 200.
pub(super) fn refused(answer: &Answer, status: u16, code: &str) -> Done {
    let said = String::from_utf8_lossy(&answer.body).into_owned();
    ensure!(
        answer.status == status
            && said.starts_with(&format!("respCode={code}&"))
            && !said.contains("signature="),
        "not our {status} {code}: {}",
        words(answer)
    );
    Ok(())
}

pub(super) async fn sent(acp: &Acp, fields: &Fields) -> anyhow::Result<Answer> {
    acp.send(BACK, &acp.signed(fields)?).await
}

/// Charged by the merchant's client and on record as paid; UnionPay's number of the payment.
async fn charged(demo: &Demo, acp: &Acp, merchant: usize, fen: u64) -> anyhow::Result<(String, String)> {
    let (number, time) = (demo.next_number(), written(now()));
    let code = payer(demo, &json!({ "outcome": "paid" })).await?;
    is(
        &acp.ask(BACK, &acp.charge(&number, &time, fen, &code, LONG))
            .await?,
        "respCode",
        "00",
    )?;
    until(demo, merchant, &number, "payment", |o| o["state"] == "paid").await?;
    let asked = acp.ask(QUERY, &acp.query(&number, &time)).await?;
    Ok((number, asked.get("queryId").context("queryId")?.clone()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C60
//= C75
async fn a_code_is_charged_told_and_cancelled_under_each_sign_method() {
    clear_of_day_ends(4).await; // a cancel is taken on the payment's own day
    let (demo, _dir) = demo().await.expect("demo");
    for merchant in 0..3 {
        let method = demo.place.merchants[merchant].sign_method();
        life(&demo, merchant)
            .await
            .unwrap_or_else(|e| panic!("signMethod {method}: {e:#}"));
        in_the_app(&demo, merchant)
            .await
            .unwrap_or_else(|e| panic!("app, signMethod {method}: {e:#}"));
        not_told_yet(&demo, merchant)
            .await
            .unwrap_or_else(|e| panic!("not told, signMethod {method}: {e:#}"));
        by_the_orders_own_number(&demo, merchant)
            .await
            .unwrap_or_else(|e| panic!("by its own number, signMethod {method}: {e:#}"));
    }
    demo.services.stop().await.expect("stops");
    demo.prove_journal().expect("the journal is whole");
}

async fn life(demo: &Demo, merchant: usize) -> Done {
    let acp = Acp::of(demo, merchant)?;
    let (number, time) = (demo.next_number(), written(now()));
    let code = payer(demo, &json!({ "outcome": "paid" })).await?;
    let form = acp.signed(&acp.charge(&number, &time, 510, &code, LONG))?;
    let answer = acp.send(BACK, &form).await?;
    ensure!(answer.status == 200, "{}", words(&answer));
    is(&acp.read(&answer.body)?, "respCode", "00")?;
    ensure!(
        demo.last_request("unionpay", "create").await? == form,
        "not the octets that were signed"
    );
    is(&relayed(demo, &acp, &number).await?, "txnSubType", "06")?;
    let paid = until(demo, merchant, &number, "payment", |o| o["state"] == "paid").await?;
    ensure!(paid["pay_way"] == "micropay" && paid["amount"] == 510, "{paid}");
    let asked = acp.ask(QUERY, &acp.query(&number, &time)).await?;
    is(&asked, "origRespCode", "00")?;
    let query_id = asked.get("queryId").context("queryId")?.clone();
    // The same octets, and the same number with a fresh code: neither goes out.
    refused(&acp.send(BACK, &form).await?, 409, "12")?;
    let fresh = payer(demo, &json!({ "outcome": "paid" })).await?;
    refused(
        &sent(&acp, &acp.charge(&number, &time, 510, &fresh, LONG)).await?,
        409,
        "12",
    )?;
    ensure!(
        there(demo, &number).await?["calls"]["create"] == 1,
        "it went out twice"
    );
    // The payer's code was in memory for the one call: no journal, log or store has it.
    let files = files_with(&demo.place.dir, code.as_bytes());
    ensure!(files.is_empty(), "the payer's code lies in {files:?}");
    cancelled(demo, &acp, merchant, &number, &query_id).await
}

/// Taken back whole, once, told, asked for; and nothing more of it is taken.
async fn cancelled(demo: &Demo, acp: &Acp, merchant: usize, number: &str, query_id: &str) -> Done {
    let (cancel, at) = (format!("V{number}"), written(now()));
    refused(
        &sent(acp, &acp.cancel(&cancel, &at, query_id, 509)).await?,
        409,
        "36",
    )?;
    let form = acp.signed(&acp.cancel(&cancel, &at, query_id, 510))?;
    let answer = acp.send(BACK, &form).await?;
    ensure!(answer.status == 200, "{}", words(&answer));
    let said = acp.read(&answer.body)?;
    is(&said, "respCode", "00")?;
    is(&said, "txnType", "31")?;
    let told = relayed(demo, acp, &cancel).await?;
    is(&told, "txnType", "31")?;
    is(&told, "txnTime", &at)?;
    let back = until(demo, merchant, number, "cancel", |o| o["state"] == "reversed").await?;
    ensure!(
        back["reverse"]["refunded"] == true && back["reverse"]["reason"] == "merchant",
        "{back}"
    );
    is(
        &acp.ask(QUERY, &acp.query(&cancel, &at)).await?,
        "origRespCode",
        "00",
    )?;
    // Its own words to a repeat; another one of the same payment does not go out.
    is(&acp.read(&acp.send(BACK, &form).await?.body)?, "respCode", "12")?;
    let other = acp.cancel(&format!("W{number}"), &at, query_id, 510);
    refused(&sent(acp, &other).await?, 409, "35")?;
    let at_unionpay = there(demo, number).await?;
    ensure!(
        at_unionpay["refunded_fen"] == 510 && at_unionpay["refunds"].as_array().map(Vec::len) == Some(1),
        "not once: {at_unionpay}"
    );
    Ok(())
}

/// The client has UnionPay's number from elsewhere and takes the payment back before anybody has told us of it.
//= C87
async fn not_told_yet(demo: &Demo, merchant: usize) -> Done {
    let acp = Acp::of(demo, merchant)?;
    // Other orders are open beside it, of the same amount and of less.
    for fen in [640, 640, 20] {
        let beside = demo.next_number();
        acp.ask(BACK, &acp.apply(&beside, &written(now()), fen)).await?;
    }
    for refund in [false, true] {
        let (number, time) = (demo.next_number(), written(now()));
        is(
            &acp.ask(BACK, &acp.apply(&number, &time, 640)).await?,
            "respCode",
            "00",
        )?;
        let unpaid = there(demo, &number).await?;
        let query_id = unpaid["channel_no"].as_str().context("a number")?;
        let back = format!("V{number}");
        let form = match refund {
            true => acp.refund(&back, &time, query_id, 140),
            false => acp.cancel(&back, &time, query_id, 640),
        };
        // Nobody has paid: there is nothing to take back, and nothing leaves.
        refused(&sent(&acp, &form).await?, 403, "32")?;
        pay(demo, &number, false).await?;
        is(&acp.read(&sent(&acp, &form).await?.body)?, "respCode", "00")?;
        let state = if refund { "partly_refunded" } else { "reversed" };
        let order = until(demo, merchant, &number, state, |o| o["state"] == state).await?;
        ensure!(order["paid"]["trade_no"] == query_id, "{order}");
        let at_unionpay = there(demo, &number).await?;
        ensure!(
            at_unionpay["refunds"].as_array().map(Vec::len) == Some(1),
            "not once: {at_unionpay}"
        );
    }
    Ok(())
}

/// The payment is named as its order is, `termId` beside, as clients of 二维码支付产品接口规范 do; nobody has told us of it either.
async fn by_the_orders_own_number(demo: &Demo, merchant: usize) -> Done {
    let acp = Acp::of(demo, merchant)?;
    let (_, elsewhere) = charged(demo, &acp, merchant, 650).await?;
    for refund in [false, true] {
        let (number, time) = (demo.next_number(), written(now()));
        is(
            &acp.ask(BACK, &acp.apply(&number, &time, 650)).await?,
            "respCode",
            "00",
        )?;
        let back = format!("V{number}");
        let named = |at: &str, more: &[(&str, &str)]| {
            let mut fields = match refund {
                true => acp.refund(&back, at, "", 150),
                false => acp.cancel(&back, at, "", 650),
            };
            fields.remove("origQryId");
            let own = [
                ("origOrderId", number.as_str()),
                ("origTxnTime", time.as_str()),
                ("termId", "49000002"),
            ];
            for (name, value) in own.iter().chain(more) {
                fields.insert((*name).to_owned(), (*value).to_owned());
            }
            fields
        };
        // Nobody has paid: there is nothing to take back, and nothing leaves.
        refused(&sent(&acp, &named(&time, &[])).await?, 403, "30")?;
        pay(demo, &number, false).await?;
        // Another time is another order, and both ways must mean the same.
        refused(
            &sent(&acp, &named(&time, &[("origTxnTime", "20260101080000")])).await?,
            403,
            "32",
        )?;
        refused(
            &sent(&acp, &named(&time, &[("origQryId", &elsewhere)])).await?,
            403,
            "32",
        )?;
        let unpaid = there(demo, &number).await?;
        ensure!(unpaid["refunded_fen"] == 0, "it went back: {unpaid}");
        let query_id = unpaid["channel_no"].as_str().context("a number")?;
        // Once by the number alone, once in both ways.
        sleep(Duration::from_millis(1100)).await; // another second: the octets that were refused are signed anew
        let later = written(now());
        let form = if refund {
            named(&later, &[("origQryId", query_id)])
        } else {
            named(&later, &[])
        };
        is(&acp.read(&sent(&acp, &form).await?.body)?, "respCode", "00")?;
        let state = if refund { "partly_refunded" } else { "reversed" };
        until(demo, merchant, &number, state, |o| o["state"] == state).await?;
        let at_unionpay = there(demo, &number).await?;
        ensure!(
            at_unionpay["refunds"].as_array().map(Vec::len) == Some(1),
            "not once: {at_unionpay}"
        );
    }
    Ok(())
}

async fn in_the_app(demo: &Demo, merchant: usize) -> Done {
    let acp = Acp::of(demo, merchant)?;
    let (number, time) = (demo.next_number(), written(now()));
    let form = acp.signed(&acp.app(&number, &time, 620))?;
    let answer = acp.send(APP, &form).await?;
    ensure!(answer.status == 200, "{}", words(&answer));
    let said = acp.read(&answer.body)?;
    is(&said, "respCode", "00")?;
    ensure!(said.get("tn").is_some_and(|tn| tn.len() == 21), "no tn: {said:?}");
    let placed = order(demo, merchant, &number).await?;
    ensure!(
        placed["state"] == "awaiting_payment" && placed["pay_way"] == "app",
        "{placed}"
    );
    // Elsewhere than at its own door it is no order.
    let other = acp.signed(&acp.app(&demo.next_number(), &time, 620))?;
    refused(&acp.send(BACK, &other).await?, 403, "32")?;
    pay(demo, &number, true).await?;
    relayed(demo, &acp, &number).await?;
    until(demo, merchant, &number, "payment", |o| o["state"] == "paid").await?;
    let asked = acp.ask(QUERY, &acp.query(&number, &time)).await?;
    let query_id = asked.get("queryId").context("queryId")?;
    let refund = format!("R{number}");
    is(
        &acp.ask(BACK, &acp.refund(&refund, &written(now()), query_id, 20))
            .await?,
        "respCode",
        "00",
    )?;
    until(demo, merchant, &number, "refund", |o| {
        o["state"] == "partly_refunded"
    })
    .await?;
    // What went back in part is not cancelled as a whole.
    let cancel = acp.cancel(&format!("V{number}"), &written(now()), query_id, 620);
    refused(&sent(&acp, &cancel).await?, 403, "30")
}

/// Each outcome of a charge, and of a cancel.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C60
async fn whatever_became_of_a_code_or_a_cancel_is_found_out() {
    let yard = Yard::open().await.expect("demo");
    let (open, declined) = tokio::join!(open_at_its_end(&yard.demo), declined(&yard.demo));
    open.unwrap_or_else(|e| panic!("its end: {e:#}"));
    declined.unwrap_or_else(|e| panic!("declined: {e:#}"));
    let (password, timed_out) = tokio::join!(a_password(&yard.demo), timed_out(&yard.demo));
    password.unwrap_or_else(|e| panic!("a password: {e:#}"));
    timed_out.unwrap_or_else(|e| panic!("timed out: {e:#}"));
    cancels(&yard.demo)
        .await
        .unwrap_or_else(|e| panic!("cancels: {e:#}"));
    yard.demo.services.stop_proxy().await.expect("stops");
    yard.demo.prove_journal().expect("the journal is whole");
}

async fn a_password(demo: &Demo) -> Done {
    let acp = Acp::of(demo, 0)?;
    let (number, time) = (demo.next_number(), written(now()));
    let code = payer(demo, &json!({ "outcome": "late", "after_ms": 1500 })).await?;
    let form = acp.signed(&acp.charge(&number, &time, 520, &code, LONG))?;
    is(&acp.read(&acp.send(BACK, &form).await?.body)?, "respCode", "00")?;
    // Accepted, no more. A repeat goes nowhere, whether the payer has typed the password meanwhile or not.
    let answer = acp.send(BACK, &form).await?;
    refused(&answer, 502, "05").or_else(|_| refused(&answer, 409, "12"))?;
    until(demo, 0, &number, "payment", |o| o["state"] == "paid").await?;
    ensure!(
        there(demo, &number).await?["calls"]["create"] == 1,
        "it went out twice"
    );
    Ok(())
}

/// Surely nobody was charged. The number is spent at UnionPay; a fresh one is charged.
async fn declined(demo: &Demo) -> Done {
    let acp = Acp::of(demo, 0)?;
    let (number, time) = (demo.next_number(), written(now()));
    let code = payer(demo, &json!({ "outcome": "declined" })).await?;
    let form = acp.signed(&acp.charge(&number, &time, 530, &code, LONG))?;
    is(&acp.read(&acp.send(BACK, &form).await?.body)?, "respCode", "64")?;
    until(demo, 0, &number, "refusal", |o| o["state"] == "not_placed").await?;
    refused(&acp.send(BACK, &form).await?, 409, "35")?;
    sleep(Duration::from_millis(1100)).await; // another second
    let fresh = payer(demo, &json!({ "outcome": "paid" })).await?;
    let again = acp.charge(&number, &written(now()), 530, &fresh, LONG);
    refused(&sent(&acp, &again).await?, 409, "36")?;
    charged(demo, &acp, 0, 530).await.map(drop)
}

/// Nobody knows, the client hears so, and neither it nor we send the charge again.
async fn timed_out(demo: &Demo) -> Done {
    let acp = Acp::of(demo, 0)?;
    for (kind, state, life) in [
        ("timeout_after", "paid", LONG),
        ("timeout_before", "reversed", 6000),
    ] {
        let (number, time) = (demo.next_number(), written(now()));
        fault(demo, &number, "create", kind).await?;
        let code = payer(demo, &json!({ "outcome": "paid" })).await?;
        let form = acp.signed(&acp.charge(&number, &time, 540, &code, life))?;
        refused(&acp.send(BACK, &form).await?, 502, "05")?;
        let again = acp.send(BACK, &form).await?;
        ensure!(again.status != 200, "{kind}: sent again: {}", words(&again));
        let asked = acp.ask(QUERY, &acp.query(&number, &time)).await?;
        let wanted = if state == "paid" { "00" } else { "34" };
        is(&asked, "respCode", wanted)?;
        let order = until(demo, 0, &number, state, |o| o["state"] == state).await?;
        ensure!(
            state == "paid" || order["reverse"]["refunded"] == false,
            "{kind}: {order}"
        );
        let calls = there(demo, &number).await?["calls"]["create"]
            .as_u64()
            .unwrap_or(0);
        ensure!(
            calls == u64::from(state == "paid"),
            "{kind}: {calls} charges at UnionPay"
        );
    }
    Ok(())
}

/// A payer who never types the password, and a client that never comes back: it ends with its own time, and what is paid even
/// later goes back.
async fn open_at_its_end(demo: &Demo) -> Done {
    let acp = Acp::of(demo, 0)?;
    let (number, time) = (demo.next_number(), written(now()));
    let code = payer(demo, &json!({ "outcome": "late" })).await?;
    let charge = acp.charge(&number, &time, 550, &code, 5000);
    is(&acp.ask(BACK, &charge).await?, "respCode", "00")?;
    let order = until(demo, 0, &number, "its end", |o| o["state"] == "reversed").await?;
    ensure!(order["reverse"]["refunded"] == false, "{order}");
    let late = json!({ "channel": "unionpay", "out_trade_no": number, "outcome": "late" });
    demo.control("/control/pay", &late).await?;
    let order = until(demo, 0, &number, "its way back", |o| {
        o["state"] == "reversed" && o["reverse"]["refunded"] == true
    })
    .await?;
    let there = there(demo, &number).await?;
    ensure!(
        there["refunded_fen"] == 550 && there["refunds"].as_array().map(Vec::len) == Some(1),
        "{order}: {there}"
    );
    Ok(())
}

async fn cancels(demo: &Demo) -> Done {
    clear_of_day_ends(2).await;
    let acp = Acp::of(demo, 0)?;
    let cancel = |number: &str, query_id: &str| {
        acp.signed(&acp.cancel(&format!("V{number}"), &written(now()), query_id, 560))
    };
    // Acted on and not answered, never arrived, not now: brought to its end by us if the client does not, and not doubled.
    for kind in ["timeout_after", "timeout_before", "busy"] {
        let (number, query_id) = charged(demo, &acp, 0, 560).await?;
        fault(demo, &number, "reverse", kind).await?;
        let answer = acp.send(BACK, &cancel(&number, &query_id)?).await?;
        match kind {
            "busy" => is(&acp.read(&answer.body)?, "respCode", "02")?,
            _ => refused(&answer, 502, "05")?,
        }
        let order = until(demo, 0, &number, "cancel", |o| o["state"] == "reversed").await?;
        ensure!(order["reverse"]["refunded"] == true, "{kind}: {order}");
        let there = there(demo, &number).await?;
        ensure!(
            there["calls"]["refund"].is_null()
                && there["refunded_fen"] == 560
                && there["refunds"].as_array().map(Vec::len) == Some(1),
            "{kind}: {there}"
        );
    }
    // Its settlement day is over: UnionPay's own word goes back, the payment stands, and a refund takes the cancel's place.
    let (number, query_id) = charged(demo, &acp, 0, 560).await?;
    fault(demo, &number, "reverse", "too_late").await?;
    let answer = acp.send(BACK, &cancel(&number, &query_id)?).await?;
    is(&acp.read(&answer.body)?, "respCode", "35")?;
    until(demo, 0, &number, "payment", |o| {
        o["state"] == "paid" && o["refunded"] == 0
    })
    .await?;
    let refund = acp.refund(&format!("R{number}"), &written(now()), &query_id, 560);
    is(&acp.ask(BACK, &refund).await?, "respCode", "00")?;
    until(demo, 0, &number, "refund", |o| o["state"] == "refunded").await?;
    // A cancel of what is not on record here, in words from which nobody concludes that UnionPay does not have it.
    let answer = acp
        .send(BACK, &cancel("2026010100001", "781601010800001234568")?)
        .await?;
    refused(&answer, 403, "32")
}

/// A charge that nobody could take back is not placed; a cancel of what is the merchant's own is carried, and learned from what
/// passes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C66
async fn with_the_merchants_own_key_no_code_is_charged_and_a_cancel_is_learned() {
    let options = Options {
        keys_held: false,
        ..Options::default()
    };
    let yard = Yard::with(options).await.expect("demo");
    alone(&yard.demo).await.unwrap_or_else(|e| panic!("{e:#}"));
}

async fn alone(demo: &Demo) -> Done {
    clear_of_day_ends(2).await;
    let acp = Acp::of(demo, 0)?;
    let number = demo.next_number();
    let code = payer(demo, &json!({ "outcome": "paid" })).await?;
    let charge = acp.charge(&number, &written(now()), 570, &code, LONG);
    refused(&sent(&acp, &charge).await?, 403, "32")?;
    ensure!(there(demo, &number).await?.is_null(), "UnionPay heard of it");
    for by_notice in [true, false] {
        let (number, time) = (demo.next_number(), written(now()));
        let apply = acp.apply(&number, &time, 570);
        is(&acp.ask(BACK, &apply).await?, "respCode", "00")?;
        pay(demo, &number, true).await?;
        until(demo, 0, &number, "payment", |o| o["state"] == "paid").await?;
        let asked = acp.ask(QUERY, &acp.query(&number, &time)).await?;
        let (cancel, at) = (format!("V{number}"), written(now()));
        if !by_notice {
            fault(demo, &number, "notice", "drop").await?;
        }
        let query_id = asked.get("queryId").context("queryId")?;
        let form = acp.cancel(&cancel, &at, query_id, 570);
        is(&acp.ask(BACK, &form).await?, "respCode", "00")?;
        if by_notice {
            relayed(demo, &acp, &cancel).await?;
        } else {
            // Of another time nothing is learned.
            acp.ask(QUERY, &acp.query(&cancel, "20260101080000")).await?;
            let before = order(demo, 0, &number).await?;
            ensure!(
                before["state"] == "reversing",
                "known before anybody asked: {before}"
            );
            acp.ask(QUERY, &acp.query(&cancel, &at)).await?;
        }
        until(demo, 0, &number, "cancel", |o| {
            o["state"] == "reversed" && o["reverse"]["refunded"] == true
        })
        .await?;
    }
    Ok(())
}
