//! Abnormal refunds at WeChat: the payer's account cannot take it, and it goes to a card of the payer's or to the merchant's
//! own account; by the unified API and through an SDK. The card is in no file.

use crate::{
    kills::{MUTATION, Yard, id},
    native::Sdk,
};
use anyhow::{Context, ensure};
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::path::Path;

type Done = anyhow::Result<()>;

const CARD: &str = "6222020903001483077";
const NAME: &str = "王小明花";

fn to_card() -> Value {
    json!({ "to": "payer_card", "bank": "ICBC_DEBIT", "bank_account": CARD, "name": NAME })
}

/// A paid order whose refund has become abnormal, and the refund's number.
async fn stranded(yard: &Yard) -> anyhow::Result<(Value, String)> {
    let order = yard.placed("wechat", 900).await?;
    let wallet = json!({ "channel": "wechat", "out_trade_no": order["number"], "outcome": "paid", "payer": "oGONE000000000000000000000001" });
    yard.demo.control("/control/pay", &wallet).await?;
    let id = id(&order)?;
    yard.until(id, "payment", |o| o["state"] == "paid").await?;
    let asked = json!({ "refund_no": "r1", "amount": 400 });
    yard.merchant()?
        .ask("POST", &format!("/v1/payments/{id}/refunds"), Some(&asked))
        .await?;
    let order = yard
        .until(id, "no account", |o| o["refunds"][0]["state"] == "abnormal")
        .await?;
    yard.told(id, "refund.abnormal").await?;
    let number = order["refunds"][0]["number"]
        .as_str()
        .context("a number")?
        .to_owned();
    Ok((order, number))
}

fn path(order: &Value) -> anyhow::Result<String> {
    Ok(format!("/v1/payments/{}/refunds/r1/redirect", id(order)?))
}

/// Done at last, once.
async fn done(yard: &Yard, order: &Value) -> Done {
    let id = id(order)?;
    let order = yard
        .until(id, "refund", |o| o["refunds"][0]["state"] == "succeeded")
        .await?;
    yard.told(id, "refund.succeeded").await?;
    let there = yard.at_channel(&order).await?;
    ensure!(there.len() == 1 && there[0]["refunded_fen"] == 400, "{there:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C78
async fn what_the_payers_account_cannot_take_goes_another_way() {
    let yard = Yard::open().await.expect("demo");
    for to in [to_card(), json!({ "to": "merchant_account" })] {
        unified(&yard, &to)
            .await
            .unwrap_or_else(|e| panic!("{}: {e:#}", to["to"]));
    }
    refused(&yard).await.unwrap_or_else(|e| panic!("refused: {e:#}"));
    through_an_sdk(&yard)
        .await
        .unwrap_or_else(|e| panic!("SDK: {e:#}"));
    let data = yard.demo.place.dir.clone();
    yard.agree().await.expect("the books agree");
    for needle in [CARD, NAME] {
        assert_eq!(
            files_with(&data, needle.as_bytes()),
            Vec::<String>::new(),
            "{needle} lies in a file"
        );
    }
}

async fn unified(yard: &Yard, to: &Value) -> Done {
    let (order, _) = stranded(yard).await?;
    let answer = yard.merchant()?.ask("POST", &path(&order)?, Some(to)).await?;
    ensure!(answer.status < 300, "{} {}", answer.status, answer.json());
    let state = answer.json()["state"].clone();
    ensure!(
        ["processing", "succeeded"].map(Value::from).contains(&state),
        "{}",
        answer.json()
    );
    done(yard, &order).await
}

/// What is not abnormal stays on its way back to its source, and a card that is none is refused before anything is put on
/// record.
async fn refused(yard: &Yard) -> Done {
    let order = yard.paid("wechat", 900).await?;
    let id = id(&order)?;
    let asked = json!({ "refund_no": "r1", "amount": 400 });
    let merchant = yard.merchant()?;
    merchant
        .ask("POST", &format!("/v1/payments/{id}/refunds"), Some(&asked))
        .await?;
    yard.until(id, "refund", |o| o["refunds"][0]["state"] == "succeeded")
        .await?;
    let answer = merchant.ask("POST", &path(&order)?, Some(&to_card())).await?;
    ensure!(answer.status == 403, "{} {}", answer.status, answer.json());
    let (order, _) = stranded(yard).await?;
    for odd in [
        json!({}),
        json!({ "to": "somebody" }),
        json!({ "to": "payer_card" }),
        json!({ "to": "payer_card", "bank": "ICBC_DEBIT", "bank_account": "x", "name": NAME }),
        json!({ "to": "merchant_account", "bank_account": CARD }),
    ] {
        let answer = merchant.ask("POST", &path(&order)?, Some(&odd)).await?;
        ensure!(answer.status == 400, "{odd}: {} {}", answer.status, answer.json());
        ensure!(!answer.json().to_string().contains(CARD), "{}", answer.json());
    }
    let answer = merchant
        .ask("POST", &path(&order)?, Some(&json!({ "to": "merchant_account" })))
        .await?;
    ensure!(answer.status < 300, "{} {}", answer.status, answer.json());
    done(yard, &order).await
}

/// The SDK seals the card for the channel; octets and answer go through, and the record follows.
async fn through_an_sdk(yard: &Yard) -> Done {
    let (order, number) = stranded(yard).await?;
    let sdk = Sdk::of(yard, "wechat")?;
    let found = sdk
        .wechat("GET", &format!("/v3/refund/domestic/refunds/{number}"), None)
        .await?
        .json();
    ensure!(found["status"] == "ABNORMAL", "{found}");
    let (account, _) = sdk.wechat_account()?;
    let file = yard.demo.place.material.dir.join(&account.public_key_file);
    let pem = std::fs::read_to_string(file)?;
    let seal = |text: &str| seal(&pem, text);
    let body = json!({ "out_refund_no": number, "type": "USER_BANK_CARD", "bank_type": "ICBC_DEBIT", "bank_account": seal(CARD)?, "real_name": seal(NAME)? });
    let target = format!(
        "/v3/refund/domestic/refunds/{}/apply-abnormal-refund",
        found["refund_id"].as_str().context("refund_id")?
    );
    let mut odd = body.clone();
    odd["receivers"] = json!([]);
    let answer = sdk.wechat("POST", &target, Some(&odd)).await?;
    sdk.not_allowed(&answer)?;
    let elsewhere = target.replace("refunds/5", "refunds/6");
    sdk.not_allowed(&sdk.wechat("POST", &elsewhere, Some(&body)).await?)?;
    let serial = account.public_key_id.clone();
    let answer = sdk
        .wechat_with("POST", &target, Some(&body), ("wechatpay-serial", serial))
        .await?;
    ensure!(
        answer.status == 200 && answer.json()["status"] == "PROCESSING",
        "{} {}",
        answer.status,
        answer.json()
    );
    done(yard, &order).await
}

/// Sealed for the channel under its public key (channels.md 1.8).
pub(crate) fn seal(pem: &str, text: &str) -> anyhow::Result<String> {
    let packed: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let key = PublicEncryptingKey::from_der(&STANDARD.decode(packed)?)?;
    let key = OaepPublicEncryptingKey::new(key)?;
    let mut out = vec![0; key.ciphertext_size()];
    Ok(STANDARD.encode(key.encrypt(&OAEP_SHA1_MGF1SHA1, text.as_bytes(), &mut out, None)?))
}

/// Files below this folder in which these octets lie.
pub(crate) fn files_with(dir: &Path, needle: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, needle));
        } else if std::fs::read(&path).is_ok_and(|octets| octets.windows(needle.len()).any(|w| w == needle)) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_a_redirect() {
    let yard = Yard::open().await.expect("demo");
    for step in MUTATION {
        point(&yard, step)
            .await
            .unwrap_or_else(|e| panic!("{step}: {e:#}"));
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.refunded_fen), (6, 2400), "{books:?}");
}

/// The channel has it or not; if not, the merchant hears that it is abnormal still, and asks again.
async fn point(yard: &Yard, step: &str) -> Done {
    let (order, _) = stranded(yard).await?;
    yard.restart_until(step).await?;
    let asked = yard
        .merchant()?
        .ask("POST", &path(&order)?, Some(&to_card()))
        .await;
    ensure!(asked.is_err(), "answered although the proxy ended before");
    yard.stopped_and_started().await?;
    let states = ["abnormal", "succeeded"].map(Value::from);
    let order = yard
        .until(id(&order)?, "an end", |o| {
            states.contains(&o["refunds"][0]["state"])
        })
        .await?;
    if order["refunds"][0]["state"] == "abnormal" {
        let answer = yard
            .merchant()?
            .ask("POST", &path(&order)?, Some(&to_card()))
            .await?;
        ensure!(answer.status < 300, "{} {}", answer.status, answer.json());
    }
    done(yard, &order).await
}
