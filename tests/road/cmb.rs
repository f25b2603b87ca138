//! China Merchants Bank 招商银行, end to end: handed out as a form, opened, paid, told by the bank, found by query at its other host,
//! refused a refund; forged notices change nothing.

#![allow(
    clippy::print_stdout,
    reason = "what became of each order is part of the evidence"
)]

use crate::kills::{Yard, id};
use crate::seen::{self, Done, pay, with};
use anyhow::ensure;
use sandbox::demo::{http::Client, place::Options};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paid_told_found_and_never_guessed() {
    let yard = Yard::with(Options::default()).await.expect("demo");
    for notify in [true, false] {
        life(&yard, notify)
            .await
            .unwrap_or_else(|e| panic!("notice {notify}: {e:#}"));
    }
    println!("cmb gateway: paid by notice and by query, told; no refund by message, and it says so");
    forged(&yard).await.unwrap_or_else(|e| panic!("forged: {e:#}"));
    refused(&yard).await.unwrap_or_else(|e| panic!("refused: {e:#}"));
    faults(&yard).await.unwrap_or_else(|e| panic!("faults: {e:#}"));
}

fn body(yard: &Yard, more: Value) -> Value {
    with(
        json!({ "order_no": yard.demo.next_number(), "channel": "cmb", "pay_way": "gateway", "amount": 500, "description": "龙井茶 & 点心", "client_ip": "203.0.113.9" }),
        &more,
    )
}

async fn placed(yard: &Yard) -> anyhow::Result<Value> {
    seen::placed(&yard.merchant()?, &body(yard, json!({}))).await
}

async fn life(yard: &Yard, notify: bool) -> Done {
    let order = placed(yard).await?;
    let fields = &order["call_up"]["form"]["fields"];
    ensure!(
        fields["jsonRequestData"]
            .as_str()
            .is_some_and(|json| json.contains("\"amount\":\"5.00\"") && !json.contains("龙井")),
        "handed out {order}"
    );
    // The same order again is the same form: one order at the bank, however often it is signed.
    yard.demo.open(&order).await?;
    yard.demo.open(&order).await?;
    if notify {
        seen::only_a_notice_tells(&yard.demo, &order).await?;
    }
    pay(&yard.demo, &order, notify).await?;
    let order_id = id(&order)?;
    let paid = yard
        .merchant()?
        .until(order_id, "payment", |o| o["state"] == "paid")
        .await?;
    ensure!(
        paid["paid"]["amount"] == 500 && paid["paid"]["proof"] == if notify { "notice" } else { "query" },
        "{paid}"
    );
    yard.told(order_id, "payment.paid").await?;
    let refund = yard
        .merchant()?
        .ask(
            "POST",
            &format!("/v1/payments/{order_id}/refunds"),
            Some(&json!({ "refund_no": "r1", "amount": 200 })),
        )
        .await?;
    ensure!(
        refund.status == 403
            && refund.json()["detail"]
                .as_str()
                .is_some_and(|d| d.contains("merchant console")),
        "refund answered {} {}",
        refund.status,
        refund.json()
    );
    Ok(())
}

//= C74
/// What the bank did not sign is refused and changes nothing; and its first wrong letter is no word.
async fn forged(yard: &Yard) -> Done {
    let order = placed(yard).await?;
    yard.demo.open(&order).await?;
    let demo = &yard.demo;
    let number = demo.place.merchants[0].accounts.cmb.number.clone();
    let (branch, merchant) = number.split_at(4);
    let clear = Client::clear(([127, 0, 0, 1], demo.place.ports.banks).into());
    let tls = Client::tls(([127, 0, 0, 1], demo.place.ports.notify).into(), demo.ca())?;
    let letter = |branch: &str| {
        json!({ "version": "1.0", "charset": "UTF-8", "signType": "RSA", "sign": "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo=",
            "noticeData": { "branchNo": branch, "merchantNo": merchant, "orderNo": order["number"], "amount": "5.00", "date": "20260101", "dateTime": "20260101080000", "bankSerialNo": "1", "noticeType": "BKPAYRTN" } })
        .to_string()
    };
    let place = format!("/n/cmb/{number}");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let form = |json: &str| {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("jsonRequestData", json)
            .finish()
    };
    for client in [&clear, &tls] {
        for (method, target, body, status) in [
            ("POST", place.clone(), form(&letter(branch)), 401),
            ("POST", place.clone(), form(&letter("9999")), 401),
            ("POST", place.clone(), form("{"), 401),
            (
                "GET",
                format!("{place}?{}", form(&letter(branch))),
                String::new(),
                405,
            ),
            ("POST", "/n/cmb/0000000001".into(), form(&letter(branch)), 404),
        ] {
            let answer = client.send(method, &target, &headers, body.as_bytes()).await?;
            ensure!(
                answer.status == status || status == 401 && answer.status == 400,
                "{method} {target} answered {}",
                answer.status
            );
        }
    }
    let path = format!("/v1/payments/{}", id(&order)?);
    let shown = yard.merchant()?.ask("GET", &path, None).await?.json();
    ensure!(
        shown["state"] == "awaiting_payment",
        "a forged notice counted: {shown}"
    );
    demo.control("/control/fault", &json!({ "channel": "cmb", "operation": "notice", "kind": "wrong_signature", "out_trade_no": order["number"] })).await?;
    pay(&yard.demo, &order, true).await?;
    yard.merchant()?
        .until(id(&order)?, "payment", |o| o["state"] == "paid")
        .await
        .map(drop)
}

async fn refused(yard: &Yard) -> Done {
    for (more, field) in [
        (json!({ "attach": "table 7" }), "attach"),
        (json!({ "appid": "wx0000000000000000" }), "appid"),
        (json!({ "payer": { "openid": "o1" } }), "payer"),
        (json!({ "pay_way": "gateway_b2b" }), "pay_way"),
        (json!({ "bank": "CMB" }), "bank"),
    ] {
        let answer = yard
            .merchant()?
            .ask("POST", "/v1/payments", Some(&body(yard, more)))
            .await?;
        ensure!(
            answer.status == 400
                && answer.json()["detail"]
                    .as_str()
                    .is_some_and(|d| d.contains(field)),
            "{field}: {} {}",
            answer.status,
            answer.json()
        );
    }
    let answer = yard
        .merchant()?
        .ask(
            "POST",
            "/v1/payments",
            Some(&body(yard, json!({ "payee": "0755000099" }))),
        )
        .await?;
    ensure!(
        (400..500).contains(&answer.status),
        "another payee: {} {}",
        answer.status,
        answer.json()
    );
    Ok(())
}

/// A query that is not answered, or in garbage, proves nothing; a later one that is finds the payment.
async fn faults(yard: &Yard) -> Done {
    let mut orders = Vec::new();
    for kind in ["timeout_before", "garbage", "status_5xx", "busy"] {
        let order = placed(yard).await?;
        yard.demo.open(&order).await?;
        yard.demo.control("/control/fault", &json!({ "channel": "cmb", "operation": "query", "kind": kind, "count": 1, "out_trade_no": order["number"] })).await?;
        pay(&yard.demo, &order, false).await?;
        orders.push((kind, order));
    }
    for (kind, order) in orders {
        let path = format!("/v1/payments/{}", id(&order)?);
        let mut last = Value::Null;
        for _ in 0..600 {
            last = yard.merchant()?.ask("GET", &path, None).await?.json();
            if last["state"] == "paid" {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
        ensure!(last["paid"]["proof"] == "query", "{kind}: {last}");
    }
    Ok(())
}
