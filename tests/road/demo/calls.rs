//! What `calls` of `endpoints.json` says may be asked for of an order, asked for by an outside client that knows no more.

use super::{Done, number_of, pay, placed};
use anyhow::{Context, bail, ensure};
use sandbox::demo::{Demo, merchant::Merchant};
use serde_json::{Value, json};
use std::time::Duration;

/// An order as a call needs it, and the number of its refund.
struct Ready {
    order: Value,
    refund: String,
}

pub(super) async fn each(demo: &Demo, merchant: &Merchant, endpoints: &Value) -> Done {
    let calls = endpoints["calls"].as_array().context("calls")?;
    for call in calls {
        let done = ask(demo, merchant, endpoints, call).await;
        done.with_context(|| call.to_string())?;
    }
    ensure!(calls.len() >= 12, "{} calls", calls.len());
    Ok(())
}

async fn ask(demo: &Demo, merchant: &Merchant, endpoints: &Value, call: &Value) -> Done {
    let ready = prepared(demo, merchant, endpoints, call).await?;
    let mut body = call["body"].clone();
    if let Some(number) = call["number"].as_str() {
        body[number] = ready.refund.as_str().into();
    }
    let (method, path) = (word(&call["method"]), word(&call["call"]));
    let target = path
        .replace("{id}", word(&ready.order["id"]))
        .replace("{order_no}", word(&ready.order["order_no"]))
        .replace("{refund_no}", &ready.refund);
    ensure!(!target.contains('{'), "what {target} wants is not said");
    let answer = merchant
        .ask(method, &target, (method == "POST").then_some(&body))
        .await?;
    let said = answer.json();
    ensure!(answer.status < 300, "{} {said}", answer.status);
    let id = word(&ready.order["id"]);
    let refund = |state: &'static str| move |order: &Value| order["refunds"][0]["state"] == state;
    match path.rsplit('/').next().unwrap_or_default() {
        "close" => merchant.until(id, "a close", |o| o["state"] == "closed").await?,
        "reverse" => {
            merchant
                .until(id, "a reverse", |o| o["state"] == "reversed")
                .await?
        }
        "cancel" => merchant.until(id, "no refund", refund("cancelled")).await?,
        "refunds" if body["hold"] == true => merchant.until(id, "a refund", refund("held")).await?,
        "refunds" | "release" | "redirect" => merchant.until(id, "a refund", refund("succeeded")).await?,
        "{refund_no}" => {
            ensure!(said["refund_no"] == *ready.refund, "{said}");
            said
        }
        _ => {
            let payer = !path.ends_with("payer") || said["payer"].is_object();
            ensure!(said["id"] == ready.order["id"] && payer, "{said}");
            said
        }
    };
    Ok(())
}

/// An order of its own that stands as `before` says.
async fn prepared(
    demo: &Demo,
    merchant: &Merchant,
    endpoints: &Value,
    call: &Value,
) -> anyhow::Result<Ready> {
    let before = word(&call["before"]);
    let pay_way = if before.ends_with("payment code") {
        "micropay"
    } else {
        "native"
    };
    let all = endpoints["ways"].as_array().context("ways")?;
    let way = all.iter().find(|way| way["pay_way"] == pay_way);
    let order = placed(demo, merchant, endpoints, way.context("a way")?).await?;
    let ready = Ready {
        refund: format!("R{}", demo.next_number()),
        order,
    };
    if before == "nothing was paid" {
        return Ok(ready);
    }
    let id = word(&ready.order["id"]);
    if pay_way == "native" {
        let mut more = json!({});
        if call["payer"].is_string() {
            more["payer"] = call["payer"].clone();
        }
        pay(demo, &json!("wechat"), number_of(&ready.order), more).await?;
    }
    merchant.until(id, "payment", |o| o["state"] == "paid").await?;
    let (hold, state) = match before {
        "paid" => return Ok(ready),
        "charged by a payment code" => {
            tokio::time::sleep(Duration::from_millis(250)).await; // the setting `reverse_after_ms`
            return Ok(ready);
        }
        "a refund is held" => (true, "held"),
        "refunded" => (false, "succeeded"),
        "a refund has become abnormal" => (false, "abnormal"),
        other => bail!("nobody knows what {other:?} is"),
    };
    let mut body = json!({ "refund_no": ready.refund, "amount": 880 });
    if hold {
        body["hold"] = true.into();
    }
    let path = format!("/v1/payments/{id}/refunds");
    let answer = merchant.ask("POST", &path, Some(&body)).await?;
    ensure!(answer.status < 300, "{} {}", answer.status, answer.json());
    let wanted = |order: &Value| order["refunds"][0]["state"] == state;
    merchant.until(id, state, wanted).await?;
    Ok(ready)
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
