//! Payment codes by APIv3 (codepay), for accounts that are set so: the same five outcomes as by V2, by the unified API and
//! through an SDK; and not where the setting does not say so. Bills through an SDK.

use crate::{
    clock::{clear_of_day_ends, now},
    kills::{MUTATION, Yard, id, text},
    native::{Sdk, shown},
};
use anyhow::{Context, bail, ensure};
use sandbox::demo::{http::Answer, place::Options};
use serde_json::{Value, json};
use std::time::Duration;

type Done = anyhow::Result<()>;

async fn yard(codepay: bool) -> anyhow::Result<Yard> {
    Yard::with(Options {
        codepay,
        answer_ms: 2500,
        ..Options::default()
    })
    .await
}

async fn payer(yard: &Yard, outcome: &str, after_ms: Option<u64>) -> anyhow::Result<String> {
    let code = yard.demo.next_code("wechat");
    let mut will = json!({ "channel": "wechat", "auth_code": code, "outcome": outcome });
    if let Some(after) = after_ms {
        will["after_ms"] = after.into();
    }
    yard.demo.control("/control/pay", &will).await?;
    Ok(code)
}

async fn fault(yard: &Yard, number: &Value, operation: &str, kind: &str) -> Done {
    let fault = json!({ "channel": "wechat", "operation": operation, "kind": kind, "out_trade_no": number });
    yard.demo.control("/control/fault", &fault).await.map(drop)
}

fn scanned(yard: &Yard, code: &str) -> Value {
    let mut body = yard.body("wechat", 730);
    body["pay_way"] = "micropay".into();
    body["auth_code"] = code.into();
    body["client_ip"] = "203.0.113.7".into();
    body
}

async fn ask(yard: &Yard, body: &Value) -> anyhow::Result<(u16, Value)> {
    let answer = yard.merchant()?.ask("POST", "/v1/payments", Some(body)).await?;
    Ok((answer.status, answer.json()))
}

/// Charged so often, and nothing open.
async fn at_channel(yard: &Yard, order: &Value, charged: usize) -> Done {
    let there = yard.at_channel(order).await?;
    let paid = there
        .iter()
        .filter(|o| o["paid"].is_string() && o["refunded_fen"] != o["fen"]);
    ensure!(paid.count() == charged, "charged otherwise: {there:?}");
    ensure!(
        there.iter().all(|o| o["state"] != "USERPAYING"),
        "left open: {there:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C60
async fn payment_codes_by_apiv3() {
    let yard = yard(true).await.expect("demo");
    outcomes(&yard).await.unwrap_or_else(|e| panic!("unified: {e:#}"));
    through_an_sdk(&yard)
        .await
        .unwrap_or_else(|e| panic!("SDK: {e:#}"));
    yard.agree().await.expect("the books agree");
}

async fn outcomes(yard: &Yard) -> Done {
    // Paid; the last request was APIv3's and signed so.
    let (status, order) = ask(yard, &scanned(yard, &payer(yard, "paid", None).await?)).await?;
    ensure!(status == 201 && order["state"] == "paid", "{status} {order}");
    yard.until(id(&order)?, "payment", |o| o["state"] == "paid")
        .await?;
    let sent = yard.demo.last_request("wechat", "create").await?;
    ensure!(
        sent.starts_with('{') && sent.contains("auth_code"),
        "not by APIv3: {sent}"
    );
    at_channel(yard, &order, 1).await?;
    // Undone by the merchant.
    let path = format!("/v1/payments/{}/reverse", id(&order)?);
    yard.merchant()?.ask("POST", &path, Some(&json!({}))).await?;
    yard.until(id(&order)?, "reverse", |o| o["state"] == "reversed")
        .await?;
    at_channel(yard, &order, 0).await?;
    // A password that is typed, and one that is not.
    let (status, order) = ask(yard, &scanned(yard, &payer(yard, "late", Some(600)).await?)).await?;
    ensure!(status == 202, "{status} {order}");
    yard.until(id(&order)?, "payment", |o| o["state"] == "paid")
        .await?;
    let (status, order) = ask(yard, &scanned(yard, &payer(yard, "late", None).await?)).await?;
    ensure!(status == 202, "{status} {order}");
    yard.until(id(&order)?, "reverse", |o| o["state"] == "reversed")
        .await?;
    at_channel(yard, &order, 0).await?;
    // Refused, in words for a counter.
    let (status, said) = ask(yard, &scanned(yard, &payer(yard, "declined", None).await?)).await?;
    ensure!(status == 422, "{status} {said}");
    // Lost before and after acting.
    for (kind, state, charged) in [("timeout_after", "paid", 1), ("timeout_before", "reversed", 0)] {
        let body = scanned(yard, &payer(yard, "paid", None).await?);
        fault(yard, &body["order_no"], "create", kind).await?;
        let (status, order) = ask(yard, &body).await?;
        ensure!(status == 202, "{kind}: {status} {order}");
        let order = yard.until(id(&order)?, state, |o| o["state"] == state).await?;
        at_channel(yard, &order, charged).await?;
    }
    Ok(())
}

fn native(sdk: &Sdk, number: &str, code: &str) -> anyhow::Result<Value> {
    let (account, _) = sdk.wechat_account()?;
    Ok(
        json!({ "appid": account.appid, "mchid": account.mchid, "description": "tea", "out_trade_no": number, "amount": { "total": 500, "currency": "CNY" },
        "payer": { "auth_code": code }, "scene_info": { "store_info": { "out_id": "1" } } }),
    )
}

const CODEPAY: &str = "/v3/pay/transactions/codepay";

async fn through_an_sdk(yard: &Yard) -> Done {
    let sdk = Sdk::of(yard, "wechat")?;
    let number = yard.demo.next_number();
    let body = native(&sdk, &number, &payer(yard, "paid", None).await?)?;
    let paid = sdk.wechat("POST", CODEPAY, Some(&body)).await?;
    ensure!(
        paid.status == 200 && paid.json()["trade_state"] == "SUCCESS",
        "{} {}",
        paid.status,
        paid.json()
    );
    let known = |number: String| async move {
        let path = format!("/v1/payments?order_no={number}");
        anyhow::Ok(yard.merchant()?.ask("GET", &path, None).await?.json())
    };
    let order = known(number.clone()).await?;
    yard.until(id(&order)?, "payment", |o| o["state"] == "paid")
        .await?;
    // Never twice, with whatever code.
    let again = native(&sdk, &number, &payer(yard, "paid", None).await?)?;
    let again = sdk.wechat("POST", CODEPAY, Some(&again)).await?;
    ensure!(
        text(&again.json()["code"]) == "ORDER_PAID",
        "{} {}",
        again.status,
        again.json()
    );
    let (account, _) = sdk.wechat_account()?;
    let reverse = json!({ "appid": account.appid, "mchid": account.mchid });
    let target = format!("/v3/pay/transactions/out-trade-no/{number}/reverse");
    let undone = sdk.wechat("POST", &target, Some(&reverse)).await?;
    ensure!(
        (200..300).contains(&undone.status),
        "{} {}",
        undone.status,
        undone.json()
    );
    let order = yard
        .until(id(&order)?, "reverse", |o| o["state"] == "reversed")
        .await?;
    at_channel(yard, &order, 0).await?;
    ensure!(
        yard.at_channel(&order).await?[0]["calls"]["create"] == 1,
        "sent twice"
    );
    // Money that would go elsewhere.
    let mut split = native(&sdk, &yard.demo.next_number(), "134567890123456789")?;
    split["settle_info"] = json!({ "profit_sharing": true });
    let answer = sdk.wechat("POST", CODEPAY, Some(&split)).await?;
    ensure!(answer.status >= 400, "profit sharing passed: {}", answer.json());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_setting_does_not_say_so_there_is_no_codepay_and_bills_pass_through() {
    let yard = yard(false).await.expect("demo");
    let sdk = Sdk::of(&yard, "wechat").expect("an SDK");
    let body = native(&sdk, &yard.demo.next_number(), "134567890123456789").expect("a body");
    let answer = sdk.wechat("POST", CODEPAY, Some(&body)).await.expect("answered");
    sdk.not_allowed(&answer).expect("not set for this account");
    bills(&yard, &sdk)
        .await
        .unwrap_or_else(|e| panic!("bills: {e:#}"));
}

/// Where a bill lies, and the bill, octet for octet; for nobody else's merchants.
async fn bills(yard: &Yard, sdk: &Sdk) -> Done {
    clear_of_day_ends(2).await;
    yard.demo
        .control("/control/clock", &json!({ "days_ago": 3 }))
        .await?;
    let order = yard.paid("wechat", 650).await?;
    let refund = json!({ "refund_no": "part", "amount": 150 });
    let path = format!("/v1/payments/{}/refunds", text(&order["id"]));
    let refund = yard.merchant()?.ask("POST", &path, Some(&refund)).await?;
    ensure!(refund.status < 300, "{} {}", refund.status, refund.json());
    yard.until(&text(&order["id"]), "refund", |o| o["refunded"] == 150)
        .await?;
    yard.demo
        .control("/control/clock", &json!({ "days_ago": 0 }))
        .await?;
    let then = now().plus_millis(-3 * 86_400_000).to_string();
    let the_day: String = then.chars().take(10).collect();
    let (account, _) = sdk.wechat_account()?;
    let ready = json!({ "channel": "wechat", "account": account.mchid, "day": the_day, "ready": true });
    yard.demo.control("/control/bills", &ready).await?;
    let trade = |kind: &str| format!("/v3/bill/tradebill?bill_date={the_day}&bill_type={kind}");
    // All, the payments, the refunds: each with its own columns (channels.md 1.13).
    let funds = format!("/v3/bill/fundflowbill?bill_date={the_day}&account_type=BASIC");
    for (target, own, columns) in [
        (trade("ALL"), true, 27),
        (trade("SUCCESS"), true, 20),
        (trade("REFUND"), true, 29),
        (funds, false, 11),
    ] {
        let mut place = sdk.wechat("GET", &target, None).await?;
        for _ in 0..80 {
            if place.status == 200 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
            place = sdk.wechat("GET", &target, None).await?;
        }
        let said = place.json();
        ensure!(
            place.status == 200 && place.headers.contains_key("wechatpay-signature"),
            "{target}: {} {said}",
            place.status
        );
        let address = said["download_url"].as_str().context("download_url")?;
        // As the channel gave it; older documents have another path.
        let (_, file) = address
            .split_once("/v3/billdownload/file?")
            .context("an address")?;
        let path = if own {
            "billdownload/file"
        } else {
            "bill/downloadurl"
        };
        let bill = sdk.wechat("GET", &format!("/v3/{path}?{file}"), None).await?;
        ensure!(bill.status == 200, "{}", bill.status);
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &bill.body);
        ensure!(
            said["hash_value"] == hex::encode(hash),
            "other octets than the channel's"
        );
        let lines = String::from_utf8_lossy(&bill.body).into_owned();
        ensure!(
            !own || lines.contains(&text(&order["number"])),
            "the order is not in it: {lines}"
        );
        let header = lines.lines().next().unwrap_or_default();
        ensure!(header.split(',').count() == columns, "{target}: {header}");
        ensure!(
            header.contains("退款申请时间") == target.ends_with("=REFUND"),
            "{target}: {header}"
        );
    }
    for refused in [
        format!("/v3/bill/tradebill?bill_date={the_day}&sub_mchid=1600000009"),
        format!("/v3/bill/tradebill?bill_date={the_day}&mchid=1"),
        "/v3/bill/sub-merchant-fundflowbill?bill_date=2026-01-01".to_owned(),
    ] {
        let answer = sdk.wechat("GET", &refused, None).await?;
        ensure!(
            answer.status == 403,
            "{refused}: {} {}",
            answer.status,
            answer.json()
        );
    }
    if yard.at_channel(&order).await?.is_empty() {
        bail!("the order is gone");
    }
    Ok(())
}

/// Ended between any two steps of a charge and of a reverse by an SDK: the payer is charged once or not at all, and what the
/// SDK does next by its documents (ask, then reverse) ends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C60
async fn killed_between_every_two_steps_of_an_sdks_codepay() {
    let yard = yard(true).await.expect("demo");
    for step in MUTATION {
        charge_point(&yard, step)
            .await
            .unwrap_or_else(|e| panic!("charge {step}: {e:#}"));
        reverse_point(&yard, step)
            .await
            .unwrap_or_else(|e| panic!("reverse {step}: {e:#}"));
    }
    yard.demo.services.stop_proxy().await.expect("stops");
    yard.demo.prove_journal().expect("the journal is whole");
}

fn unanswered(answer: anyhow::Result<Answer>) -> Done {
    match answer {
        Ok(answer) => bail!("answered although the proxy ended before: {}", answer.json()),
        Err(_) => Ok(()),
    }
}

async fn reverse(sdk: &Sdk, number: &str) -> anyhow::Result<Answer> {
    let (account, _) = sdk.wechat_account()?;
    let body = json!({ "appid": account.appid, "mchid": account.mchid });
    let target = format!("/v3/pay/transactions/out-trade-no/{number}/reverse");
    sdk.wechat("POST", &target, Some(&body)).await
}

/// The order of this number, once it is in this state.
async fn on_record(yard: &Yard, number: &str, state: &str) -> anyhow::Result<Value> {
    let order = shown(yard, number).await?;
    yard.until(id(&order)?, state, |o| o["state"] == state).await
}

async fn charge_point(yard: &Yard, step: &str) -> Done {
    yard.restart_until(step).await?;
    let (sdk, number) = (Sdk::of(yard, "wechat")?, yard.demo.next_number());
    let body = native(&sdk, &number, &payer(yard, "paid", None).await?)?;
    unanswered(sdk.wechat("POST", CODEPAY, Some(&body)).await)?;
    yard.stopped_and_started().await?;
    let sdk = Sdk::of(yard, "wechat")?;
    let (account, _) = sdk.wechat_account()?;
    let target = format!(
        "/v3/pay/transactions/out-trade-no/{number}?mchid={}",
        account.mchid
    );
    let said = sdk.wechat("GET", &target, None).await?;
    if step == "before_intent" {
        return sdk.not_allowed(&reverse(&sdk, &number).await?);
    }
    let sent = ["after_send", "answer_read", "outcome_recorded"].contains(&step);
    let state = if sent {
        ensure!(said.json()["trade_state"] == "SUCCESS", "{}", said.json());
        "paid"
    } else {
        for answer in [said, reverse(&sdk, &number).await?] {
            ensure!(
                answer.status == 404 && answer.json()["code"] == "ORDER_NOT_EXIST",
                "{} {}",
                answer.status,
                answer.json()
            );
        }
        "reversed"
    };
    let order = on_record(yard, &number, state).await?;
    at_channel(yard, &order, usize::from(sent)).await?;
    let calls = yard.at_channel(&order).await?;
    ensure!(
        calls.iter().all(|there| there["calls"]["create"] == 1),
        "sent twice: {calls:?}"
    );
    yard.told(id(&order)?, &format!("payment.{state}")).await
}

async fn reverse_point(yard: &Yard, step: &str) -> Done {
    let (sdk, number) = (Sdk::of(yard, "wechat")?, yard.demo.next_number());
    let body = native(&sdk, &number, &payer(yard, "paid", None).await?)?;
    let paid = sdk.wechat("POST", CODEPAY, Some(&body)).await?;
    ensure!(paid.status == 200, "{} {}", paid.status, paid.json());
    on_record(yard, &number, "paid").await?;
    yard.restart_until(step).await?;
    unanswered(reverse(&Sdk::of(yard, "wechat")?, &number).await)?;
    yard.stopped_and_started().await?;
    let sdk = Sdk::of(yard, "wechat")?;
    let mut last = Value::Null;
    for _ in 0..100 {
        let answer = reverse(&sdk, &number).await?;
        last = answer.json();
        if (200..300).contains(&answer.status) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    let order = on_record(yard, &number, "reversed")
        .await
        .with_context(|| format!("the SDK last heard {last}"))?;
    at_channel(yard, &order, 0).await?;
    let there = yard.at_channel(&order).await?;
    ensure!(
        there.len() == 1 && there[0]["refunds"].as_array().map(Vec::len) == Some(1),
        "not paid back once: {there:?}"
    );
    yard.told(id(&order)?, "payment.reversed").await
}
