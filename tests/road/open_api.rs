//! Accounts that are served at Alipay's OpenAPI v3 (`openapi` in the acquirer's file): what the unified API composes goes there, with
//! keys, with certificates and encrypted, and comes to the same as by the gateway; so it does when the setting changes while orders
//! are open. What merchants' own clients sign goes where they sent it.

use crate::{
    kills::{Yard, id, text},
    refunds::{fault, paid, refunds_of},
    routes,
    seen::{Done, pay, placed, post, shown, told, with},
};
use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use sandbox::demo::{
    Demo, codes,
    merchant::Merchant,
    one_code, orders,
    place::{Addresses, Options},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::Ordering,
};

const FOREVER: i64 = 4_102_444_800_000;
/// Stands in free text, and must not be seen on the wire where content is encrypted.
const SUBJECT: &str = "clear-text-subject";

/// Signs the setting into force for all merchants, or out of it, and waits until it is.
pub(crate) async fn served_at_v3(demo: &Demo, version: u64, v3: bool) -> Done {
    demo.place.openapi_v3.store(v3, Ordering::Relaxed);
    demo.place
        .write_registries(version, &Addresses::of(&demo.channels), FOREVER)?;
    routes::until_taken(demo, version).await
}

/// A request as Alipay got it.
struct Sent {
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Sent {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// What stands in `Authorization` beside the signature.
    fn authorization(&self) -> BTreeMap<&str, &str> {
        let said = self.header("authorization").strip_prefix("ALIPAY-SHA256withRSA ");
        let pairs = said.unwrap_or_default().split(',');
        pairs.filter_map(|pair| pair.split_once('=')).collect()
    }
}

/// All that Alipay got, oldest first.
async fn sent(demo: &Demo) -> anyhow::Result<Vec<Sent>> {
    let all = demo.control_get("/control/requests?channel=alipay").await?;
    let all = all["requests"].as_array().context("requests")?;
    let read = |request: &Value| {
        let headers = request["headers"].as_array().context("headers")?;
        Ok(Sent {
            method: text(&request["method"]),
            target: text(&request["target"]),
            headers: headers
                .iter()
                .map(|pair| (text(&pair[0]), text(&pair[1])))
                .collect(),
            body: String::from_utf8_lossy(&STANDARD.decode(text(&request["body"]))?).into_owned(),
        })
    };
    all.iter().map(read).collect()
}

/// Every story that the demo tells of Alipay, at one merchant.
async fn lives(demo: &Demo, n: usize) -> Done {
    let by = demo.merchant(n)?;
    let by = &by;
    let channel = "alipay";
    let told = [
        orders::scanned_and_refunded(demo, by, channel).await,
        orders::in_the_wallet(demo, by, channel).await,
        orders::closed(demo, by, channel).await,
        orders::timed_out_and_recovered(demo, by, channel).await,
        orders::without_notice(demo, by, channel).await,
        orders::by_way(demo, by, channel, "page").await,
        orders::by_way(demo, by, channel, "wap").await,
        orders::by_way(demo, by, channel, "app").await,
        orders::another_way(demo, by).await,
        codes::paid_at_once(demo, by, channel).await,
        codes::with_a_password(demo, by, channel).await,
        codes::abandoned(demo, by, channel).await,
        codes::timed_out_after_acting(demo, by, channel).await,
        codes::timed_out_before_acting(demo, by, channel).await,
        codes::reversed_by_the_merchant(demo, by, channel).await,
        one_code::scanned(demo, by, channel).await,
    ];
    for story in told {
        story.with_context(|| format!("merchant {n}"))?;
    }
    payers_names(demo, by).await
}

/// The wallet's number of a payer, and the name that only this app has: what the order names comes back by query.
async fn payers_names(demo: &Demo, by: &Merchant) -> Done {
    for (field, name) in [
        ("buyer_id", "2088102146225135"),
        ("buyer_open_id", "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5"),
    ] {
        let more = json!({ "pay_way": "jsapi", "payer": { field: name } });
        let order = placed(by, &with(body(demo), &more)).await?;
        pay(demo, &order, true).await?;
        by.until(id(&order)?, "payment", |o| o["state"] == "paid").await?;
        let path = format!("/v1/payments/{}?expand=payer", id(&order)?);
        let asked = by.ask("GET", &path, None).await?.json();
        ensure!(asked["payer"] == json!({ field: name }), "a query names {asked}");
    }
    Ok(())
}

fn body(demo: &Demo) -> Value {
    json!({ "order_no": demo.next_number(), "channel": "alipay", "pay_way": "qr", "amount": 710, "description": SUBJECT })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_keys_with_certificates_and_encrypted_it_comes_to_the_same() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options {
        desk: false,
        merchants: 3,
        openapi_v3: true,
        ..Options::default()
    };
    let demo = Demo::start(dir.path(), &options, false).await.expect("demo");
    let modes = tokio::join!(lives(&demo, 0), lives(&demo, 1), lives(&demo, 2));
    let sent = wire(&demo).await;
    demo.services.stop().await.expect("stopped");
    for (mode, done) in [
        ("keys", modes.0),
        ("certificates", modes.1),
        ("encrypted", modes.2),
    ] {
        done.unwrap_or_else(|e| panic!("{mode}: {e:#}"));
    }
    sent.unwrap_or_else(|e| panic!("on the wire: {e:#}"));
    demo.prove_journal().expect("the journal verifies");
}

/// What left for Alipay: all of it by OpenAPI v3 but the download of a certificate, and what payers' browsers brought.
async fn wire(demo: &Demo) -> Done {
    let (mut nonces, mut calls, mut downloads) = (BTreeSet::new(), BTreeSet::new(), 0);
    let apps: Vec<&str> = demo
        .place
        .merchants
        .iter()
        .map(|m| m.accounts.alipay.app_id.as_str())
        .collect();
    for request in sent(demo).await? {
        let target = &request.target;
        let Some(call) = target.strip_prefix("/v3/alipay/") else {
            let text = form_urlencoded::parse(format!("{target}&{}", request.body).as_bytes())
                .map(|(name, value)| format!("{name}={value}\n"))
                .collect::<String>();
            let carried = ["method=alipay.trade.page.pay", "method=alipay.trade.wap.pay"];
            let downloaded = text.contains("method=alipay.open.app.alipaycert.download");
            downloads += usize::from(downloaded);
            ensure!(
                downloaded
                    || carried.iter().any(|own| text.contains(own))
                    || !target.starts_with("/gateway.do"),
                "left by the gateway: {text}"
            );
            continue;
        };
        calls.insert(call.split('?').next().unwrap_or_default().to_owned());
        let said = request.authorization();
        let merchant = apps.iter().position(|app| said.get("app_id") == Some(app));
        let merchant = merchant.with_context(|| format!("whose is {said:?}"))?;
        let nonce = said.get("nonce").copied().unwrap_or_default();
        ensure!(
            nonce.len() == 32 && nonce.bytes().all(|b| b.is_ascii_alphanumeric()),
            "{said:?}"
        );
        ensure!(nonces.insert(nonce.to_owned()), "nonce {nonce} came twice");
        ensure!(
            said.get("timestamp").is_some_and(|time| time.len() == 13),
            "no milliseconds: {said:?}"
        );
        let certificates = said.contains_key("app_cert_sn");
        ensure!(
            certificates == (merchant == 1)
                && certificates != request.header("alipay-root-cert-sn").is_empty(),
            "merchant {merchant}: {said:?}"
        );
        let encrypts = merchant == 2 && request.method == "POST" && call != "system/oauth/token";
        let kind = if encrypts {
            "text/plain"
        } else {
            "application/json"
        };
        ensure!(
            request.method == "GET" || request.header("content-type") == kind,
            "{target} is {}",
            request.header("content-type")
        );
        ensure!(
            encrypts == (request.header("alipay-encrypt-type") == "AES")
                && encrypts != request.body.starts_with('{')
                && !(encrypts && request.body.contains("out_trade_no")),
            "{target} left as {}",
            request.body
        );
    }
    let wanted = [
        "system/oauth/token",
        "trade/cancel",
        "trade/close",
        "trade/create",
        "trade/pay",
        "trade/precreate",
        "trade/query",
        "trade/refund",
    ];
    let lacking: Vec<_> = wanted.iter().filter(|call| !calls.contains(**call)).collect();
    ensure!(lacking.is_empty(), "never called: {lacking:?}; called: {calls:?}");
    ensure!(downloads > 0, "no certificate was fetched");
    Ok(())
}

/// Answers that do not count, do not come, or come late: what is not known is found out, and nothing is done twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_are_found_out_and_nothing_is_done_twice() {
    for merchant in [0, 2] {
        let yard = Yard::of(Options {
            desk: false,
            merchants: 3,
            openapi_v3: true,
            ..Options::default()
        })
        .await
        .expect("demo");
        let by = yard.demo.merchant(merchant).expect("a merchant");
        for kind in [
            "wrong_signature",
            "garbage",
            "timeout_after",
            "timeout_before",
            "status_5xx",
        ] {
            lost(&yard, &by, kind)
                .await
                .unwrap_or_else(|e| panic!("merchant {merchant}, {kind}: {e:#}"));
        }
        busy(&yard, &by)
            .await
            .unwrap_or_else(|e| panic!("merchant {merchant}, busy: {e:#}"));
        yard.demo.services.stop_proxy().await.expect("stopped");
        yard.demo.prove_journal().expect("the journal verifies");
    }
}

async fn there(yard: &Yard, order: &Value) -> anyhow::Result<Value> {
    let all = yard.at_channel(order).await?;
    ensure!(all.len() == 1, "{} orders at Alipay: {all:?}", all.len());
    Ok(all[0].clone())
}

/// Of placing, asking, paying back, asking for that, and closing.
async fn lost(yard: &Yard, by: &Merchant, kind: &str) -> Done {
    let demo = &yard.demo;
    let body = body(demo);
    let number = json!({ "channel": "alipay", "number": body["order_no"] });
    fault(yard, &number, "create", kind, 1).await?;
    let answer = post(by, "/v1/payments", &body).await?;
    ensure!(
        answer.status == 202 && answer.json()["state"] == "unknown",
        "create answered {} {}",
        answer.status,
        answer.json()
    );
    let order = answer.json();
    // The same number once more, by the merchant: it is the same order.
    let mut again = post(by, "/v1/payments", &body).await?;
    for _ in 0..400 {
        if again.json()["state"] == "awaiting_payment" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        again = post(by, "/v1/payments", &body).await?;
    }
    ensure!(again.json()["state"] == "awaiting_payment", "{}", again.json());
    fault(yard, &order, "query", kind, 1).await?;
    pay(demo, &order, false).await?;
    // The next question may be a while away.
    let mut known = shown(by, &order).await?;
    for _ in 0..300 {
        if known["state"] == "paid" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        known = shown(by, &order).await?;
    }
    ensure!(known["paid"]["proof"] == "query", "{known}");
    for operation in ["refund", "refund_query"] {
        fault(yard, &order, operation, kind, 1).await?;
    }
    fault(yard, &order, "notice", "drop", 9).await?;
    let refund = json!({ "refund_no": "r1", "amount": 210 });
    let answer = post(by, &refunds_of(&order)?, &refund).await?;
    ensure!(
        answer.status < 300,
        "refund answered {} {}",
        answer.status,
        answer.json()
    );
    by.until(id(&order)?, "refund", |o| o["refunds"][0]["state"] == "succeeded")
        .await?;
    let at_channel = there(yard, &order).await?;
    ensure!(
        at_channel["refunded_fen"] == 210 && at_channel["refunds"].as_array().map(Vec::len) == Some(1),
        "paid back otherwise: {at_channel}"
    );
    let other = placed(by, &self::body(demo)).await?;
    demo.open(&other).await?;
    fault(yard, &other, "close", kind, 1).await?;
    let closed = post(by, &format!("/v1/payments/{}/close", id(&other)?), &json!({})).await?;
    ensure!(
        closed.status < 300,
        "close answered {} {}",
        closed.status,
        closed.json()
    );
    by.until(id(&other)?, "close", |o| o["state"] == "closed").await?;
    told(demo, by, id(&other)?, "payment.closed").await?;
    let state = text(&there(yard, &other).await?["state"]);
    ensure!(state == "TRADE_CLOSED", "at Alipay it is {state}");
    Ok(())
}

/// Refused at the front door: it was not looked at, and may be sent again.
async fn busy(yard: &Yard, by: &Merchant) -> Done {
    let body = body(&yard.demo);
    let number = json!({ "channel": "alipay", "number": body["order_no"] });
    fault(yard, &number, "create", "busy", 1).await?;
    let answer = post(by, "/v1/payments", &body).await?;
    ensure!(
        [429, 503].contains(&answer.status),
        "{} {}",
        answer.status,
        answer.json()
    );
    let again = post(by, "/v1/payments", &body).await?;
    ensure!(again.status == 201, "{} {}", again.status, again.json());
    // A code that Alipay refuses for good charges nobody, and its payer may try another.
    let declined = yard.demo.next_code("alipay");
    let will = json!({ "channel": "alipay", "auth_code": declined, "outcome": "declined" });
    yard.demo.control("/control/pay", &will).await?;
    let scanned = json!({ "pay_way": "micropay", "auth_code": declined });
    let answer = post(by, "/v1/payments", &with(self::body(&yard.demo), &scanned)).await?;
    ensure!(
        answer.status == 422 && answer.json()["channel_code"] == "ACQ.BUYER_BALANCE_NOT_ENOUGH",
        "{} {}",
        answer.status,
        answer.json()
    );
    Ok(())
}

/// Orders are the same behind both doors: what was placed at one is asked for, paid back and closed at the other, and what a
/// merchant's own client signed for the gateway is read as the gateway's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_setting_may_change_while_orders_are_open() {
    let yard = Yard::with(Options::default()).await.expect("demo");
    for (version, v3) in [(2, true), (3, false)] {
        changes(&yard, version, v3)
            .await
            .unwrap_or_else(|e| panic!("v3 {v3}: {e:#}"));
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.paid), (6, 4), "{books:?}");
}

async fn changes(yard: &Yard, version: u64, v3: bool) -> Done {
    let (demo, by) = (&yard.demo, yard.merchant()?);
    let (open, other) = (
        yard.placed("alipay", 710).await?,
        yard.placed("alipay", 720).await?,
    );
    let back = paid(yard, ("alipay", "qr"), 730).await?;
    served_at_v3(demo, version, v3).await?;
    pay(demo, &open, false).await?;
    let known = yard
        .until(id(&open)?, "payment", |o| o["state"] == "paid")
        .await?;
    ensure!(known["paid"]["proof"] == "query", "{known}");
    let refund = json!({ "refund_no": "r1", "amount": 730 });
    let answer = post(&by, &refunds_of(&back)?, &refund).await?;
    ensure!(answer.status < 300, "{} {}", answer.status, answer.json());
    yard.until(id(&back)?, "refund", |o| o["state"] == "refunded")
        .await?;
    demo.open(&other).await?;
    let closed = post(&by, &format!("/v1/payments/{}/close", id(&other)?), &json!({})).await?;
    ensure!(
        closed.json()["state"] == "closed",
        "{} {}",
        closed.status,
        closed.json()
    );
    yard.until(id(&other)?, "close", |o| o["state"] == "closed")
        .await?;
    for operation in ["query", "refund", "close"] {
        let sent = demo.last_request("alipay", operation).await?;
        ensure!(sent.starts_with('{') == v3, "{operation} left as {sent}");
    }
    Ok(())
}
