//! The proxy ends at every step between two attempts of one order: nothing is placed twice, nothing is lost.

use super::{WALLETS, accounts, options};
use crate::kills::Yard;
use anyhow::{Context, ensure};
use sandbox::demo::gate::Mode;
use serde_json::json;

/// At UnionPay the same road is gone; two of its points show that.
const AT_UNIONPAY: [(&str, &str); 2] = [("moved_on", "refused"), ("close_intended", "silent")];

/// Between the first attempt and the second: where it is, and how the first one is lost.
const STEPS: [(&str, &str); 5] = [
    ("intent_recorded", "refused"),
    ("moved_on", "refused"),
    ("close_intended", "silent"),
    ("moved_on", "silent"),
    ("answer_read", "refused"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C65
async fn killed_between_two_attempts_of_one_order() {
    let yard = Yard::with(options()).await.expect("demo");
    for (wallet, (channel, _)) in WALLETS.into_iter().enumerate() {
        let steps: &[_] = if channel == "unionpay" {
            &AT_UNIONPAY
        } else {
            &STEPS
        };
        for (step, how) in steps {
            let said = point(&yard, wallet, step, how)
                .await
                .unwrap_or_else(|e| panic!("{channel} {step} {how}: {e:#}"));
            println!("{channel} {step} {how}: {said}");
        }
    }
    yard.demo.services.stop_proxy().await.expect("stops");
    yard.demo.prove_journal().expect("the journal verifies");
}

async fn point(yard: &Yard, wallet: usize, step: &str, how: &str) -> anyhow::Result<String> {
    let (channel, pay_way) = WALLETS[wallet];
    let body = json!({ "order_no": yard.demo.next_number(), "channel": channel, "pay_way": pay_way, "amount": 500, "description": "茶" });
    yard.restart_until(step).await?;
    match how {
        "refused" => yard.demo.gates[wallet].set(Mode::Refused).await?,
        _ => {
            let fault = json!({ "channel": channel, "operation": "create", "kind": "timeout_after", "out_trade_no": body["order_no"] });
            yard.demo.control("/control/fault", &fault).await?;
        }
    }
    let answer = yard.merchant()?.ask("POST", "/v1/payments", Some(&body)).await;
    ensure!(answer.is_err(), "the proxy answered before it ended");
    yard.stopped_and_started().await?;
    yard.demo.gates[wallet].set(Mode::Open).await?;
    // The merchant repeats the same number until the order waits for its payer; then somebody pays.
    let mut order = serde_json::Value::Null;
    for _ in 0..150 {
        let answer = yard.merchant()?.ask("POST", "/v1/payments", Some(&body)).await?;
        order = answer.json();
        if answer.status < 300 && (order["code_url"].is_string() || order["qr_code"].is_string()) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let code = order["code_url"]
        .as_str()
        .or(order["qr_code"].as_str())
        .with_context(|| format!("no code: {order}"))?;
    yard.demo
        .control(
            "/control/pay",
            &json!({ "channel": channel, "qr": code, "outcome": "paid" }),
        )
        .await?;
    let paid = yard
        .merchant()?
        .until(order["id"].as_str().context("an id")?, "payment", |o| {
            o["state"] == "paid"
        })
        .await?;
    ensure!(
        accounts(&yard.demo, wallet)
            .iter()
            .any(|no| paid["account"] == no.as_str()),
        "{paid}"
    );
    let all = yard.demo.channel_orders().await?;
    let mine =
        |o: &&serde_json::Value| o["out_trade_no"] == body["order_no"] || o["out_trade_no"] == paid["number"];
    let there: Vec<_> = all["orders"]
        .as_array()
        .context("orders")?
        .iter()
        .filter(mine)
        .cloned()
        .collect();
    let open = ["NOTPAY", "WAIT_BUYER_PAY", "USERPAYING"];
    ensure!(
        there.iter().filter(|o| o["paid"].is_string()).count() == 1,
        "paid otherwise than once: {there:?}"
    );
    ensure!(
        !there
            .iter()
            .any(|o| open.contains(&o["state"].as_str().unwrap_or_default())),
        "left open: {there:?}"
    );
    Ok(format!(
        "attempt {} at {}, paid once",
        paid["attempt"],
        if paid["account"] == accounts(&yard.demo, wallet)[0].as_str() {
            "the first account"
        } else {
            "the second account"
        }
    ))
}
