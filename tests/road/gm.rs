//! 国密 at an account of WeChat Pay: SM2 signatures in both directions, SM4 over what is sealed, by the unified API and through
//! an SDK; and nothing that is signed otherwise.

use crate::{
    kills::{MUTATION, Yard, create_by, id, text},
    native::{Sdk, shown},
    seen::only_a_notice_tells,
};
use anyhow::{Context, bail, ensure};
use sandbox::demo::place::Options;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

type Done = anyhow::Result<()>;

async fn yard() -> anyhow::Result<Yard> {
    Yard::with(Options {
        sm2_from: Some(0),
        codepay: true,
        ..Options::default()
    })
    .await
}

/// What the channel was last asked, and how it was signed.
async fn signed(yard: &Yard, operation: &str) -> anyhow::Result<String> {
    let all = yard.demo.channel_requests().await?;
    let last = all["requests"]
        .as_array()
        .context("requests")?
        .iter()
        .rev()
        .find(|r| r["channel"] == "wechat" && r["operation"] == operation)
        .context("no such request")?;
    Ok(last["headers"].to_string())
}

async fn ask(yard: &Yard, path: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
    let answer = yard.merchant()?.ask("POST", path, Some(body)).await?;
    Ok((answer.status, answer.json()))
}

/// Placed, paid with a notice, asked for where no notice came, refunded, closed, charged and reversed.
async fn unified(yard: &Yard) -> Done {
    let order = yard.placed("wechat", 770).await?;
    only_a_notice_tells(&yard.demo, &order).await?;
    yard.pay(&order).await?;
    let paid = yard
        .until(id(&order)?, "payment", |o| o["state"] == "paid")
        .await?;
    ensure!(paid["paid"]["proof"] == "notice", "not by its notice: {paid}");
    let sent = signed(yard, "create").await?;
    ensure!(
        sent.contains("WECHATPAY2-SM2-WITH-SM3"),
        "signed otherwise: {sent}"
    );
    let path = format!("/v1/payments/{}/refunds", id(&paid)?);
    let (status, refund) = ask(yard, &path, &json!({ "refund_no": "r1", "amount": 770 })).await?;
    ensure!(status < 300, "{status} {refund}");
    let back = yard
        .until(id(&paid)?, "refund", |o| o["state"] == "refunded")
        .await?;
    yard.told(id(&back)?, "refund.succeeded").await?;
    let silent = yard.placed("wechat", 780).await?;
    let pay =
        json!({ "channel": "wechat", "out_trade_no": silent["number"], "outcome": "paid", "notify": false });
    yard.demo.control("/control/pay", &pay).await?;
    let found = yard
        .until(id(&silent)?, "payment", |o| o["state"] == "paid")
        .await?;
    ensure!(found["paid"]["proof"] == "query", "{found}");
    let open = yard.placed("wechat", 790).await?;
    let path = format!("/v1/payments/{}/close", id(&open)?);
    let (status, closed) = ask(yard, &path, &json!({})).await?;
    ensure!(status == 200 && closed["state"] == "closed", "{status} {closed}");
    // A payment code by APIv3, and its reverse.
    let code = yard.demo.next_code("wechat");
    let will = json!({ "channel": "wechat", "auth_code": code, "outcome": "paid" });
    yard.demo.control("/control/pay", &will).await?;
    let mut body = yard.body("wechat", 800);
    body["pay_way"] = "micropay".into();
    body["auth_code"] = code.into();
    body["client_ip"] = "203.0.113.7".into();
    let (status, scanned) = ask(yard, "/v1/payments", &body).await?;
    ensure!(status == 201, "{status} {scanned}");
    let path = format!("/v1/payments/{}/reverse", id(&scanned)?);
    ask(yard, &path, &json!({})).await?;
    yard.until(id(&scanned)?, "reverse", |o| o["state"] == "reversed")
        .await?;
    // Several orders at once.
    let order =
        |amount: u64| json!({ "order_no": yard.demo.next_number(), "amount": amount, "description": "茶" });
    let group = json!({ "group_no": yard.demo.next_number(), "channel": "wechat", "pay_way": "native", "orders": [order(10), order(20)] });
    let (status, placed) = ask(yard, "/v1/payments/combined", &group).await?;
    ensure!(status == 201, "{status} {placed}");
    let pay = json!({ "channel": "wechat", "out_trade_no": group["group_no"], "outcome": "paid" });
    yard.demo.control("/control/pay", &pay).await?;
    for order in placed["orders"].as_array().context("orders")? {
        yard.until(id(order)?, "payment", |o| o["state"] == "paid")
            .await?;
    }
    Ok(())
}

/// How a wallet's call-up is signed under 国密 no document says: refused, with what is right.
async fn refused(yard: &Yard) -> Done {
    for (way, more) in [
        (
            "jsapi",
            json!({ "payer": { "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o" } }),
        ),
        ("app", json!({})),
    ] {
        let mut body = yard.body("wechat", 810);
        body["pay_way"] = way.into();
        body.as_object_mut()
            .context("an object")?
            .extend(more.as_object().cloned().unwrap_or_default());
        let (status, said) = ask(yard, "/v1/payments", &body).await?;
        ensure!(
            status == 403 && said["code"] == "operation_not_allowed",
            "{way}: {status} {said}"
        );
    }
    Ok(())
}

/// What is signed wrongly proves nothing: answers are unknown until a query tells, notices are refused and come again.
async fn forged(yard: &Yard) -> Done {
    for (operation, kind) in [("create", "wrong_signature"), ("create", "garbage")] {
        let body = yard.body("wechat", 820);
        let fault = json!({ "channel": "wechat", "operation": operation, "kind": kind, "out_trade_no": body["order_no"] });
        yard.demo.control("/control/fault", &fault).await?;
        let (status, order) = ask(yard, "/v1/payments", &body).await?;
        ensure!(status == 202, "{kind}: {status} {order}");
        yard.until(id(&order)?, "its place", |o| o["state"] == "awaiting_payment")
            .await?;
    }
    for kind in ["wrong_signature", "signature_probe"] {
        let order = yard.placed("wechat", 830).await?;
        let fault = json!({ "channel": "wechat", "operation": "notice", "kind": kind, "out_trade_no": order["number"] });
        yard.demo.control("/control/fault", &fault).await?;
        yard.pay(&order).await?;
        yard.until(id(&order)?, "payment", |o| o["state"] == "paid")
            .await?;
        yard.told(id(&order)?, "payment.paid").await?;
    }
    Ok(())
}

/// The notices that the merchant got through us.
fn relayed(yard: &Yard) -> anyhow::Result<Vec<Value>> {
    let came = yard.demo.shop().came("/relay/wechat/");
    came.iter()
        .map(|one| Ok(serde_json::from_slice(&one.body)?))
        .collect()
}

/// A merchant's own client, which signs by SM2; its notices are relayed as they are.
async fn through_an_sdk(yard: &Yard) -> Done {
    let sdk = Sdk::of(yard, "wechat")?;
    let number = yard.demo.next_number();
    let known: Vec<Value> = relayed(yard)?.iter().map(|notice| notice["id"].clone()).collect();
    let placed = sdk.create(&number, 840, None).await?;
    ensure!(
        placed.status == 200 && placed.json()["code_url"].is_string(),
        "{} {}",
        placed.status,
        placed.json()
    );
    let scheme = placed.headers.get("wechatpay-signature-type");
    ensure!(
        scheme.is_some_and(|v| v == "WECHATPAY2-SM2-WITH-SM3"),
        "answered otherwise: {scheme:?}"
    );
    let pay = json!({ "channel": "wechat", "out_trade_no": number, "outcome": "paid" });
    yard.demo.control("/control/pay", &pay).await?;
    let order = shown(yard, &number).await?;
    yard.until(id(&order)?, "payment", |o| o["state"] == "paid")
        .await?;
    for _ in 0..200 {
        // One of another order may come again meanwhile.
        let new = relayed(yard)?
            .into_iter()
            .find(|notice| !known.contains(&notice["id"]));
        if let Some(notice) = new {
            ensure!(
                text(&notice["resource"]["algorithm"]) == "AEAD_SM4_GCM",
                "{notice}"
            );
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("the notice was not relayed")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C85
async fn an_account_that_signs_by_sm2() {
    let yard = yard().await.expect("demo");
    unified(&yard).await.unwrap_or_else(|e| panic!("unified: {e:#}"));
    refused(&yard).await.unwrap_or_else(|e| panic!("refused: {e:#}"));
    forged(&yard).await.unwrap_or_else(|e| panic!("forged: {e:#}"));
    through_an_sdk(&yard)
        .await
        .unwrap_or_else(|e| panic!("SDK: {e:#}"));
    for step in MUTATION {
        let body = yard.body("wechat", 850);
        create_by(&yard, step, &body, "code_url")
            .await
            .unwrap_or_else(|e| panic!("{step}: {e:#}"));
    }
    yard.demo.services.stop_proxy().await.expect("stops");
    yard.demo.prove_journal().expect("the journal is whole");
}

/// Neither scheme is taken for the other's: an SDK that signs by RSA at an account of SM2, and one of SM2 at an account of RSA.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C85
async fn neither_scheme_is_taken_for_the_other() {
    let (gm, rsa) = (yard().await.expect("demo"), Yard::open().await.expect("demo"));
    for (yard, other) in [(&gm, false), (&rsa, true)] {
        let mut sdk = Sdk::of(yard, "wechat").expect("an SDK");
        sdk.signs_by_sm2(yard, other).expect("its key");
        let number = yard.demo.next_number();
        let answer = sdk.create(&number, 100, None).await.expect("answered");
        assert_eq!(answer.status, 401, "{}", answer.json());
    }
}
