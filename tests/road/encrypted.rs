//! Content encryption at Alipay (`encrypt_type=AES`): what is composed leaves encrypted, answers are verified and then
//! decrypted, notices come as they come.

mod through;

use crate::kills::id;
use anyhow::ensure;
use sandbox::demo::{Demo, merchant::Merchant, place::Options};
use serde_json::{Value, json};

type Done = anyhow::Result<()>;

/// Stands in the order's free text, and must not be seen on the wire.
const SUBJECT: &str = "clear-text-subject";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_composed_leaves_encrypted_and_answers_are_decrypted() {
    let dir = tempfile::tempdir().expect("a directory");
    let demo = Demo::start(
        dir.path(),
        &Options {
            desk: false,
            merchants: 3,
            ..Options::default()
        },
        false,
    )
    .await
    .expect("demo");
    let merchant = demo.merchant(2).expect("the third merchant");
    assert!(demo.place.merchants[2].encrypts());
    for way in ["qr", "jsapi", "page", "wap", "app", "micropay"] {
        life(&demo, &merchant, way)
            .await
            .unwrap_or_else(|e| panic!("{way}: {e:#}"));
    }
    for kind in ["wrong_signature", "garbage", "timeout_after", "busy"] {
        fault(&demo, &merchant, kind)
            .await
            .unwrap_or_else(|e| panic!("{kind}: {e:#}"));
    }
    refused(&demo, &merchant)
        .await
        .unwrap_or_else(|e| panic!("{e:#}"));
    demo.services.stop().await.expect("stopped");
}

fn body(demo: &Demo, way: &str) -> Value {
    let mut body = json!({ "order_no": demo.next_number(), "channel": "alipay", "pay_way": way, "amount": 710, "description": SUBJECT });
    match way {
        "jsapi" => body["payer"] = json!({ "buyer_id": "2088102146225135" }),
        // The payer of a code who was told nothing pays at once.
        "micropay" => {
            body["auth_code"] =
                format!("28{}", &body["order_no"].as_str().map(digits).unwrap_or_default()).into()
        }
        _ => {}
    }
    body
}

/// Sixteen digits made of a number.
fn digits(number: &str) -> String {
    let sum = number
        .bytes()
        .fold(7_u64, |sum, b| sum.wrapping_mul(131).wrapping_add(u64::from(b)));
    format!("{:016}", sum % 10_000_000_000_000_000)
}

/// The channel's latest request of a kind is encrypted through and through.
async fn encrypted(demo: &Demo, operation: &str) -> Done {
    let sent = demo.last_request("alipay", operation).await?;
    ensure!(
        sent.contains("encrypt_type=AES") && !sent.contains(SUBJECT) && !sent.contains("out_trade_no"),
        "{operation} left as {sent}"
    );
    Ok(())
}

async fn life(demo: &Demo, merchant: &Merchant, way: &str) -> Done {
    let answer = merchant
        .ask("POST", "/v1/payments", Some(&body(demo, way)))
        .await?;
    let order = answer.json();
    ensure!(answer.status == 201, "create answered {} {order}", answer.status);
    let id = id(&order)?;
    if way == "micropay" {
        encrypted(demo, "create").await?;
    } else {
        demo.open(&order).await?;
        if ["page", "wap", "app"].contains(&way) {
            let handed_out = order["call_up"].to_string();
            ensure!(
                handed_out.contains("encrypt_type") && !handed_out.contains(SUBJECT),
                "handed out {handed_out}"
            );
        } else {
            encrypted(demo, "create").await?;
        }
        // No notice: the query's decrypted answer tells of the payment.
        let pay = json!({ "channel": "alipay", "out_trade_no": order["number"], "outcome": "paid", "notify": way != "qr" });
        demo.control("/control/pay", &pay).await?;
    }
    let paid = merchant.until(id, "payment", |o| o["state"] == "paid").await?;
    ensure!(paid["paid"]["amount"] == 710, "{paid}");
    if way == "qr" {
        encrypted(demo, "query").await?;
    }
    let refund = merchant
        .ask(
            "POST",
            &format!("/v1/payments/{id}/refunds"),
            Some(&json!({ "refund_no": "r", "amount": 710 })),
        )
        .await?;
    ensure!(refund.status < 300, "refund answered {}", refund.json());
    merchant.until(id, "refund", |o| o["state"] == "refunded").await?;
    encrypted(demo, "refund").await?;
    if way == "micropay" {
        return Ok(());
    }
    let second = merchant
        .ask("POST", "/v1/payments", Some(&body(demo, way)))
        .await?
        .json();
    demo.open(&second).await?;
    let closed = merchant
        .ask(
            "POST",
            &format!("/v1/payments/{}/close", second["id"].as_str().unwrap_or_default()),
            Some(&json!({})),
        )
        .await?;
    ensure!(
        closed.status == 200 && closed.json()["state"] == "closed",
        "close answered {} {}",
        closed.status,
        closed.json()
    );
    encrypted(demo, "close").await
}

/// What does not verify is not decrypted, and what is not known is found out.
async fn fault(demo: &Demo, merchant: &Merchant, kind: &str) -> Done {
    let body = body(demo, "qr");
    demo.control("/control/fault", &json!({ "channel": "alipay", "operation": "create", "kind": kind, "out_trade_no": body["order_no"] })).await?;
    let answer = merchant.ask("POST", "/v1/payments", Some(&body)).await?;
    let order = match kind {
        "busy" => {
            ensure!(
                answer.status == 503 || answer.status == 429,
                "busy answered {} {}",
                answer.status,
                answer.json()
            );
            let again = merchant.ask("POST", "/v1/payments", Some(&body)).await?;
            ensure!(
                again.status == 201,
                "again answered {} {}",
                again.status,
                again.json()
            );
            again.json()
        }
        _ => {
            ensure!(
                answer.status == 202 && answer.json()["state"] == "unknown",
                "{} {}",
                answer.status,
                answer.json()
            );
            answer.json()
        }
    };
    let id = id(&order)?;
    merchant
        .until(id, "recovery", |o| o["state"] == "awaiting_payment")
        .await?;
    demo.control(
        "/control/pay",
        &json!({ "channel": "alipay", "out_trade_no": order["number"], "outcome": "paid" }),
    )
    .await?;
    merchant
        .until(id, "payment", |o| o["state"] == "paid")
        .await
        .map(drop)
}

/// Alipay's refusals come encrypted too.
async fn refused(demo: &Demo, merchant: &Merchant) -> Done {
    let mut body = body(demo, "micropay");
    demo.control(
        "/control/pay",
        &json!({ "channel": "alipay", "auth_code": body["auth_code"], "outcome": "declined" }),
    )
    .await?;
    let answer = merchant.ask("POST", "/v1/payments", Some(&body)).await?;
    ensure!(
        answer.json()["channel_code"] == "ACQ.BUYER_BALANCE_NOT_ENOUGH",
        "{} {}",
        answer.status,
        answer.json()
    );
    // The payer of another code pays at once.
    body["auth_code"] = format!("29{}", digits("another")).into();
    let again = merchant.ask("POST", "/v1/payments", Some(&body)).await?;
    ensure!(
        again.status == 201 && again.json()["state"] == "paid",
        "{} {}",
        again.status,
        again.json()
    );
    Ok(())
}
