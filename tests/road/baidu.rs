//! The Baidu wallet 百付宝, end to end: handed out, opened, paid, told, asked for, paid back, both digests, forged notices.

#![allow(
    clippy::print_stdout,
    reason = "what became of each order is part of the evidence"
)]

use crate::clock::{ends_soon, now};
use crate::kills::id;
use crate::seen::{Done, only_a_notice_tells, pay, placed, post, shown, told, with};
use anyhow::{Context, ensure};
use sandbox::demo::{
    Demo,
    http::Client,
    merchant::Merchant,
    place::{Options, RETURN_HOST},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paid_told_asked_for_and_paid_back_by_both_digests() {
    let dir = tempfile::tempdir().expect("a directory");
    let demo = Demo::start(
        dir.path(),
        &Options {
            desk: false,
            merchants: 2,
            times: "silence_seconds = 2\n".into(),
            ..Options::default()
        },
        false,
    )
    .await
    .expect("demo");
    let second = demo.merchant(1).expect("a merchant");
    without_codes(&demo, 1).expect("signed");
    for (n, digest) in ["MD5", "SHA-1"].into_iter().enumerate() {
        assert_eq!(demo.place.merchants[n].sha1(), digest == "SHA-1");
        let merchant = demo.merchant(n).expect("a merchant");
        for way in ["page", "wap"] {
            life(&demo, &merchant, way, true)
                .await
                .unwrap_or_else(|e| panic!("{digest} {way}: {e:#}"));
            life(&demo, &merchant, way, false)
                .await
                .unwrap_or_else(|e| panic!("{digest} {way}, by query: {e:#}"));
            println!("baidu {way} ({digest}): paid by notice and by query, paid back, told");
        }
        forged(&demo, &merchant, n)
            .await
            .unwrap_or_else(|e| panic!("{digest} forged: {e:#}"));
    }
    let merchant = demo.merchant(0).expect("a merchant");
    refused(&demo, &merchant)
        .await
        .unwrap_or_else(|e| panic!("refused: {e:#}"));
    faults(&demo, &merchant)
        .await
        .unwrap_or_else(|e| panic!("faults: {e:#}"));
    over(&demo, &merchant, &second)
        .await
        .unwrap_or_else(|e| panic!("over: {e:#}"));
    demo.services.stop().await.expect("stopped");
    demo.prove_journal().expect("the journal verifies");
}

fn body(demo: &Demo, way: &str, more: Value) -> Value {
    let body = json!({ "order_no": demo.next_number(), "channel": "baidu", "pay_way": way, "amount": 500, "description": "龙井茶 & 点心", "return_url": format!("https://{RETURN_HOST}/back") });
    with(body, &more)
}

async fn life(demo: &Demo, merchant: &Merchant, way: &str, notify: bool) -> Done {
    let order = placed(merchant, &body(demo, way, json!({ "attach": "桌号 7" }))).await?;
    let url = order["call_up"]["url"].as_str().unwrap_or_default();
    // The text is in GBK, and nothing but the address is handed out.
    ensure!(
        url.contains("goods_name=%C1%FA%BE%AE%B2%E8+%26+%B5%E3%D0%C4&") && order["call_up"]["form"].is_null(),
        "handed out {order}"
    );
    demo.open(&order).await?;
    if notify {
        only_a_notice_tells(demo, &order).await?;
    }
    pay(demo, &order, notify).await?;
    let order_id = id(&order)?;
    let paid = merchant
        .until(order_id, "payment", |o| o["state"] == "paid")
        .await?;
    ensure!(
        paid["paid"]["amount"] == 500 && paid["paid"]["proof"] == if notify { "notice" } else { "query" },
        "{paid}"
    );
    told(demo, merchant, order_id, "payment.paid").await?;
    let path = format!("/v1/payments/{order_id}/refunds");
    for (refund_no, amount) in [("r1", 200), ("r2", 300)] {
        let refund = post(
            merchant,
            &path,
            &json!({ "refund_no": refund_no, "amount": amount }),
        )
        .await?;
        ensure!(refund.status < 300, "refund answered {}", refund.json());
    }
    let refunded = merchant
        .until(order_id, "refund", |o| o["state"] == "refunded")
        .await?;
    ensure!(refunded["refunded"] == 500, "{refunded}");
    told(demo, merchant, order_id, "refund.succeeded").await?;
    Ok(())
}

/// A notice that the wallet did not sign is refused and changes nothing; one that it signs is answered with its line.
async fn forged(demo: &Demo, merchant: &Merchant, n: usize) -> Done {
    let order = placed(merchant, &body(demo, "page", json!({}))).await?;
    demo.open(&order).await?;
    let sp_no = &demo.place.merchants[n].accounts.baidu.sp_no;
    let client = Client::tls(([127, 0, 0, 1], demo.place.ports.notify).into(), demo.ca())?;
    let number = order["number"].as_str().unwrap_or_default();
    let query = format!(
        "bank_no=&bfb_order_no=1&currency=1&order_no={number}&pay_result=1&pay_time=20260101080011&sp_no={sp_no}&total_amount=500&version=2&sign_method=1&sign=0123456789abcdef0123456789abcdef"
    );
    let say = async |method: &str, target: &str, body: &[u8]| client.send(method, target, &[], body).await;
    for (method, target, body) in [
        ("GET", format!("/n/baidu/{sp_no}?{query}"), ""),
        ("GET", format!("/n/baidu/{sp_no}"), ""),
        ("GET", format!("/n/baidu/{sp_no}?{query}&sp_no=1"), ""),
        ("POST", format!("/n/baidu/{sp_no}"), query.as_str()),
        ("GET", format!("/n/alipay/{sp_no}?{query}"), ""),
    ] {
        let answer = say(method, &target, body.as_bytes()).await?;
        ensure!(
            answer.status >= 400 && !String::from_utf8_lossy(&answer.body).contains("VIP_BFB_PAYMENT"),
            "{method} {target} was acknowledged"
        );
    }
    let shown = merchant
        .ask("GET", &format!("/v1/payments/{}", id(&order)?), None)
        .await?
        .json();
    ensure!(
        shown["state"] == "awaiting_payment",
        "a forged notice counted: {shown}"
    );
    Ok(())
}

async fn refused(demo: &Demo, merchant: &Merchant) -> Done {
    for (more, field) in [
        (json!({ "description": "tea 😀" }), "description"),
        (json!({ "attach": "😀" }), "attach"),
        (json!({ "appid": "wx0000000000000000" }), "appid"),
        (json!({ "payer": { "buyer_id": "2088102146225135" } }), "payer"),
        (json!({ "pay_way": "qr" }), "pay_way"),
        (json!({ "detail": "{}" }), "detail"),
    ] {
        let answer = post(merchant, "/v1/payments", &body(demo, "page", more)).await?;
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
    Ok(())
}

/// What does not answer, or answers in garbage, is unknown and found out; a refund goes back once.
async fn faults(demo: &Demo, merchant: &Merchant) -> Done {
    for kind in ["timeout_before", "timeout_after", "garbage", "status_5xx", "busy"] {
        let order = placed(merchant, &body(demo, "page", json!({}))).await?;
        demo.open(&order).await?;
        pay(demo, &order, true).await?;
        let id = id(&order)?;
        merchant.until(id, "payment", |o| o["state"] == "paid").await?;
        demo.control("/control/fault", &json!({ "channel": "baidu", "operation": "refund", "kind": kind, "out_trade_no": order["number"] })).await?;
        let refund = post(
            merchant,
            &format!("/v1/payments/{id}/refunds"),
            &json!({ "refund_no": "r", "amount": 500 }),
        )
        .await?;
        // Where the wallet acted, its notice may be faster than our patience with its answer.
        let known = refund.status == 202 || refund.json()["state"] == "succeeded";
        ensure!(
            known,
            "{kind}: refund answered {} {}",
            refund.status,
            refund.json()
        );
        merchant.until(id, kind, |o| o["state"] == "refunded").await?;
        let there = demo.channel_orders().await?;
        let there = there["orders"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|o| o["out_trade_no"] == order["number"])
            .cloned()
            .unwrap_or_default();
        ensure!(
            there["refunded_fen"] == 500 && there["refunds"].as_array().map(Vec::len) == Some(1),
            "{kind}: {there}"
        );
    }
    Ok(())
}

/// The acquirer has not said which codes mean "not there" at this merchant's account.
fn without_codes(demo: &Demo, n: usize) -> Done {
    let file = demo.place.dir.join("registries/acquirer-demo.json");
    let mut registry: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    registry["version"] = json!(registry["version"].as_u64().context("a version")? + 1);
    let accounts = registry["merchants"][n]["accounts"].as_array_mut();
    let baidus = accounts.into_iter().flatten().find(|a| a["channel"] == "baidu");
    baidus.context("an account")?["bank"] = Value::Null;
    demo.place.sign_registry("acquirer-demo", &registry)
}

/// How many queries about this order the wallet will still refuse.
async fn refusals(demo: &Demo, order: &Value) -> anyhow::Result<u64> {
    let faults = demo.control_get("/control/faults").await?;
    let all = faults["faults"].as_array().into_iter().flatten();
    let own = all
        .filter(|f| f["out_trade_no"] == order["number"])
        .find_map(|f| f["count"].as_u64());
    own.context("no such fault")
}

/// A code that is no word on an order closes none, however often it comes after the order's end. Where no code says "not there"
/// the end is "unresolved", and a refund's too, and the merchant is told.
//= C95
async fn never_guessed(
    demo: &Demo,
    merchant: &Merchant,
    second: &Merchant,
    (refused, before, unknown): (&Value, u64, &Value),
) -> Done {
    // The first would close it, the close's own query would be the second: after that it would be asked for no more.
    for turn in 0.. {
        ensure!(turn < 300, "not asked for after its end");
        if refusals(demo, refused).await? + 3 <= before {
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
    let state = shown(merchant, refused).await?["state"].clone();
    ensure!(state == "awaiting_payment", "5802 was taken for an end: {state}");
    let shown = second
        .until(id(unknown)?, "its end", |o| o["state"] != "awaiting_payment")
        .await?;
    ensure!(shown["state"] == "unresolved", "{shown}");
    told(demo, second, id(unknown)?, "payment.unresolved").await?;
    let order = placed(second, &body(demo, "page", json!({}))).await?;
    demo.open(&order).await?;
    pay(demo, &order, true).await?;
    let id = id(&order)?;
    second.until(id, "payment", |o| o["state"] == "paid").await?;
    demo.control("/control/fault", &json!({ "channel": "baidu", "operation": "refund", "kind": "timeout_before", "out_trade_no": order["number"] })).await?;
    let path = format!("/v1/payments/{id}/refunds");
    let refund = post(second, &path, &json!({ "refund_no": "r", "amount": 500 })).await?;
    ensure!(
        refund.status == 202,
        "refund answered {} {}",
        refund.status,
        refund.json()
    );
    told(demo, second, id, "refund.unresolved").await.map(drop)
}

/// There is no close: what nobody paid ends with its own time, and a payment before that stands.
async fn over(demo: &Demo, merchant: &Merchant, second: &Merchant) -> Done {
    let end = || json!({ "expires_at": ends_soon().to_string() });
    let unknown = placed(second, &body(demo, "page", end())).await?;
    let refused = placed(merchant, &body(demo, "page", end())).await?;
    demo.open(&refused).await?;
    demo.control("/control/fault", &json!({ "channel": "baidu", "operation": "query", "kind": "other_key", "count": 10_000, "out_trade_no": refused["number"] })).await?;
    pay(demo, &refused, false).await?;
    let (opened, unopened, paid) = (
        placed(merchant, &body(demo, "page", end())).await?,
        placed(merchant, &body(demo, "wap", end())).await?,
        placed(merchant, &body(demo, "page", end())).await?,
    );
    let soon = ends_soon(); // all are over then
    demo.open(&opened).await?;
    demo.open(&paid).await?;
    for order in [&opened, &unopened, &paid] {
        let answer = post(
            merchant,
            &format!("/v1/payments/{}/close", id(order)?),
            &json!({}),
        )
        .await?;
        ensure!(
            answer.status == 202 && answer.json()["state"] == "awaiting_payment",
            "close answered {} {}",
            answer.status,
            answer.json()
        );
    }
    pay(demo, &paid, true).await?;
    merchant
        .until(id(&paid)?, "payment", |o| o["state"] == "paid")
        .await?;
    while soon > now() {
        sleep(Duration::from_millis(100)).await;
    }
    let before = refusals(demo, &refused).await?;
    for order in [&opened, &unopened] {
        let mut state = Value::Null;
        for _ in 0..500 {
            state = merchant
                .ask("GET", &format!("/v1/payments/{}", id(order)?), None)
                .await?
                .json()["state"]
                .clone();
            if state == "closed" {
                break;
            }
            sleep(Duration::from_millis(200)).await;
        }
        ensure!(state == "closed", "not over: {state}");
        told(demo, merchant, id(order)?, "payment.closed").await?;
    }
    never_guessed(demo, merchant, second, (&refused, before, &unknown)).await
}
