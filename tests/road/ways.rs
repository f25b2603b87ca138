//! Ways to pay outside the wallet's own scanner: WeChat's h5, app and mini program, Alipay's page, wap and app. The last
//! three are handed out: the payer carries the order to the channel, and until then the channel has nothing.

#![allow(
    clippy::print_stdout,
    reason = "what became of each order is part of the evidence"
)]

use crate::clock::{ends_soon, now};
use crate::kills::{MUTATION, Yard, create_by, id, say, text};
use crate::routes::until_on_record;
use crate::seen::{self, Done, with};
use anyhow::{Context, bail, ensure};
use domain::{TradeEntry, TradeEvent};
use sandbox::demo::{
    Demo,
    http::Answer,
    place::{Options, RETURN_HOST},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

/// Channel, way to pay, what the answer must have, what the order must say beside.
fn ways(yard: &Yard) -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let mini = &yard.demo.place.merchants[0].accounts.wechat.mini_appid;
    let back = format!("https://{RETURN_HOST}/back?order=1");
    vec![
        (
            "wechat",
            "h5",
            "h5_url",
            json!({ "client_ip": "203.0.113.7", "h5_type": "Android" }),
        ),
        ("wechat", "app", "call_up", json!({})),
        (
            "wechat",
            "jsapi",
            "call_up",
            json!({ "appid": mini, "payer": { "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o" } }),
        ),
        ("alipay", "page", "call_up", json!({ "return_url": back })),
        (
            "alipay",
            "wap",
            "call_up",
            json!({ "return_url": back, "quit_url": format!("https://{RETURN_HOST}/") }),
        ),
        ("alipay", "app", "call_up", json!({})),
    ]
}

fn body(yard: &Yard, channel: &str, pay_way: &str, amount: u64, more: &Value) -> Value {
    let mut body = yard.body(channel, amount);
    body["pay_way"] = pay_way.into();
    with(body, more)
}

async fn post(yard: &Yard, path: &str, body: &Value) -> anyhow::Result<Answer> {
    seen::post(&yard.merchant()?, path, body).await
}

async fn placed(yard: &Yard, body: &Value) -> anyhow::Result<Value> {
    seen::placed(&yard.merchant()?, body).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_is_paid_told_asked_for_paid_back_and_closed() {
    let yard = Yard::open().await.expect("demo");
    for (channel, way, reach, more) in ways(&yard) {
        let name = format!("{channel} {way}");
        life(&yard, &body(&yard, channel, way, 900, &more), reach)
            .await
            .unwrap_or_else(|e| panic!("{name}: {e:#}"));
        by_query(&yard, &body(&yard, channel, way, 910, &more))
            .await
            .unwrap_or_else(|e| panic!("{name}, by query: {e:#}"));
        closed_once_there(&yard, &body(&yard, channel, way, 920, &more))
            .await
            .unwrap_or_else(|e| panic!("{name}, close: {e:#}"));
        println!("{name}: paid by notice, by query, refunded, closed");
    }
    payers_names(&yard)
        .await
        .unwrap_or_else(|e| panic!("payers: {e:#}"));
    refusals(&yard).await.unwrap_or_else(|e| panic!("{e:#}"));
    let books = yard.agree().await.expect("the books agree");
    println!("{books:?}");
}

async fn life(yard: &Yard, body: &Value, reach: &str) -> Done {
    let order = placed(yard, body).await?;
    ensure!(!order[reach].is_null(), "no {reach} in {order}");
    call_up_is_signed(yard, &order).await?;
    yard.demo.open(&order).await?;
    yard.pay(&order).await?;
    let id = id(&order)?;
    let paid = yard.until(id, "payment", |o| o["state"] == "paid").await?;
    ensure!(
        paid["call_up"].is_null() && paid["h5_url"].is_null(),
        "a paid order is still to be paid: {paid}"
    );
    yard.told(id, "payment.paid").await?;
    let again = post(yard, "/v1/payments", body).await?;
    ensure!(
        again.status == 200 && again.json()["state"] == "paid" && again.json()["call_up"].is_null(),
        "{}",
        again.json()
    );
    let refund = post(
        yard,
        &format!("/v1/payments/{id}/refunds"),
        &json!({ "refund_no": "r1", "amount": 300 }),
    )
    .await?;
    ensure!(refund.status < 300, "refund answered {}", refund.json());
    yard.until(id, "refund", |o| o["refunds"][0]["state"] == "succeeded")
        .await
        .map(drop)
}

/// The notice never comes.
async fn by_query(yard: &Yard, body: &Value) -> Done {
    let order = placed(yard, body).await?;
    yard.demo.open(&order).await?;
    let paid = json!({ "channel": order["channel"], "out_trade_no": order["number"], "outcome": "paid", "notify": false });
    yard.demo.control("/control/pay", &paid).await?;
    let order = yard
        .until(id(&order)?, "payment", |o| o["state"] == "paid")
        .await?;
    ensure!(order["paid"]["proof"] == "query", "{order}");
    Ok(())
}

async fn closed_once_there(yard: &Yard, body: &Value) -> Done {
    let order = placed(yard, body).await?;
    yard.demo.open(&order).await?;
    let id = id(&order)?;
    let closed = post(yard, &format!("/v1/payments/{id}/close"), &json!({})).await?;
    ensure!(
        closed.status == 200 && closed.json()["state"] == "closed",
        "{} {}",
        closed.status,
        closed.json()
    );
    let there = yard.at_channel(&order).await?;
    ensure!(
        text(&there[0]["state"]).ends_with("CLOSED"),
        "at the channel: {there:?}"
    );
    yard.until(id, "close", |o| o["state"] == "closed")
        .await
        .map(drop)
}

/// Call-up parameters verify with the merchant's own public key, as the wallet checks them (channels.md 1.10).
async fn call_up_is_signed(yard: &Yard, order: &Value) -> Done {
    let (call_up, account) = (&order["call_up"], &yard.demo.place.merchants[0].accounts.wechat);
    let field = |name: &str| text(&call_up[name]);
    let (message, sign) = match (text(&order["channel"]).as_str(), text(&order["pay_way"]).as_str()) {
        ("wechat", "app") => {
            ensure!(
                field("appid") == account.appid
                    && field("partnerid") == account.mchid
                    && field("package") == "Sign=WXPay",
                "{call_up}"
            );
            (
                format!(
                    "{}\n{}\n{}\n{}\n",
                    field("appid"),
                    field("timestamp"),
                    field("noncestr"),
                    field("prepayid")
                ),
                field("sign"),
            )
        }
        ("wechat", "jsapi") => {
            ensure!(
                field("appId") == account.mini_appid,
                "signed for another app than the order's: {call_up}"
            );
            (
                format!(
                    "{}\n{}\n{}\n{}\n",
                    field("appId"),
                    field("timeStamp"),
                    field("nonceStr"),
                    field("package")
                ),
                field("paySign"),
            )
        }
        _ => return Ok(()),
    };
    openssl_verifies(yard, &account.cert_file, message.as_bytes(), &sign).await
}

async fn openssl_verifies(yard: &Yard, cert: &str, message: &[u8], signature: &str) -> Done {
    let (dir, cert) = (tempfile::tempdir()?, yard.demo.place.material.dir.join(cert));
    let run = |args: Vec<std::ffi::OsString>| tokio::process::Command::new("openssl").args(args).output();
    let key = run(["x509", "-pubkey", "-noout", "-in"]
        .map(Into::into)
        .into_iter()
        .chain([cert.into()])
        .collect())
    .await?;
    let [key_file, text, sig] = ["key", "text", "sig"].map(|name| dir.path().join(name));
    std::fs::write(&key_file, key.stdout)?;
    std::fs::write(
        &sig,
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, signature)?,
    )?;
    for (octets, wanted) in [(message.to_vec(), true), ([message, b" "].concat(), false)] {
        std::fs::write(&text, octets)?;
        let args = [
            "dgst".into(),
            "-sha256".into(),
            "-verify".into(),
            (&key_file).into(),
            "-signature".into(),
            (&sig).into(),
            (&text).into(),
        ];
        ensure!(
            run(args.to_vec()).await?.status.success() == wanted,
            "openssl does not say {wanted}"
        );
    }
    Ok(())
}

/// Alipay names a payer wallet-wide or, for newer apps, in the app's own numbering; what the order names comes back.
async fn payers_names(yard: &Yard) -> Done {
    for (field, name) in [
        ("buyer_id", "2088102146225135"),
        ("buyer_open_id", "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5"),
    ] {
        let order = placed(
            yard,
            &body(yard, "alipay", "jsapi", 930, &json!({ "payer": { field: name } })),
        )
        .await?;
        yard.pay(&order).await?;
        let id = id(&order)?;
        yard.until(id, "payment", |o| o["state"] == "paid").await?;
        let asked = yard
            .merchant()?
            .ask("GET", &format!("/v1/payments/{id}?expand=payer"), None)
            .await?
            .json();
        ensure!(
            asked["payer"] == json!({ field: name }),
            "a query names {}",
            asked["payer"]
        );
        yard.told(id, "payment.paid").await?;
        let events = yard.demo.shop().told(yard.merchant()?.id(), id);
        ensure!(
            events
                .iter()
                .any(|e| e["payment"]["payer"] == json!({ field: name })),
            "the merchant was told {events:?}"
        );
    }
    Ok(())
}

/// What an order of these ways lacks or has too much.
async fn refusals(yard: &Yard) -> Done {
    for (channel, way, more, field) in [
        ("wechat", "h5", json!({}), "client_ip"),
        (
            "wechat",
            "h5",
            json!({ "client_ip": "203.0.113.7", "h5_type": "Nokia" }),
            "h5_type",
        ),
        ("wechat", "app", json!({ "h5_type": "Wap" }), "h5_type"),
        ("wechat", "app", json!({ "appid": "wx0000000000000000" }), "appid"),
        ("wechat", "page", json!({}), "pay_way"),
        ("alipay", "h5", json!({ "client_ip": "203.0.113.7" }), "pay_way"),
        (
            "alipay",
            "page",
            json!({ "appid": "wx0000000000000000" }),
            "appid",
        ),
        (
            "alipay",
            "page",
            json!({ "quit_url": format!("https://{RETURN_HOST}/") }),
            "quit_url",
        ),
        (
            "alipay",
            "app",
            json!({ "return_url": format!("https://{RETURN_HOST}/") }),
            "return_url",
        ),
        (
            "alipay",
            "page",
            json!({ "return_url": "https://elsewhere.example/" }),
            "return_url",
        ),
        (
            "alipay",
            "page",
            json!({ "return_url": format!("http://{RETURN_HOST}/") }),
            "return_url",
        ),
        (
            "alipay",
            "wap",
            json!({ "quit_url": format!("https://{RETURN_HOST}@elsewhere.example/") }),
            "quit_url",
        ),
    ] {
        let answer = post(yard, "/v1/payments", &body(yard, channel, way, 100, &more)).await?;
        let said = answer.json();
        ensure!(
            answer.status == 400 && said["code"] == "invalid_field" && text(&said["detail"]).contains(field),
            "{channel} {way} {more}: {} {said}",
            answer.status
        );
    }
    Ok(())
}

/// Signed anew each time, the same order each time; nothing is at the channel before the payer opens it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_handed_out_is_one_order_however_often_it_is_signed() {
    let yard = Yard::open().await.expect("demo");
    for way in ["page", "wap", "app"] {
        handed_out_twice(&yard, way)
            .await
            .unwrap_or_else(|e| panic!("{way}: {e:#}"));
    }
    let unopened = not_opened_until_its_end(&yard);
    let (pending, ended) = tokio::join!(close_before_it_is_opened(&yard), unopened);
    pending.unwrap_or_else(|e| panic!("close: {e:#}"));
    ended.unwrap_or_else(|e| panic!("end: {e:#}"));
}

fn parameters(order: &Value) -> anyhow::Result<Vec<(String, String)>> {
    let call_up = &order["call_up"];
    let text = call_up["order_string"]
        .as_str()
        .or_else(|| call_up["url"].as_str()?.split_once('?').map(|(_, query)| query))
        .context("no text")?;
    Ok(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
}

async fn handed_out_twice(yard: &Yard, way: &str) -> Done {
    let body = body(yard, "alipay", way, 400, &json!({}));
    let first = placed(yard, &body).await?;
    sleep(Duration::from_millis(1100)).await; // times of signatures count whole seconds
    let second = placed(yard, &body).await?;
    ensure!(
        first["id"] == second["id"] && first["expires_at"] == second["expires_at"] && second["attempt"] == 1,
        "{first} {second}"
    );
    let (one, two) = (parameters(&first)?, parameters(&second)?);
    let changed: Vec<&str> = one
        .iter()
        .zip(&two)
        .filter(|(a, b)| a != b)
        .map(|((name, _), _)| name.as_str())
        .collect();
    ensure!(
        one.len() == two.len() && changed == ["sign", "timestamp"],
        "other facts: {changed:?}"
    );
    for names in [&one, &two] {
        let message: Vec<String> = names
            .iter()
            .filter(|(n, _)| n != "sign")
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        let sign = &names.iter().find(|(n, _)| n == "sign").context("sign")?.1;
        openssl_verifies(
            yard,
            &yard.demo.place.merchants[0].accounts.alipay.app_cert_file,
            message.join("&").as_bytes(),
            sign,
        )
        .await?;
    }
    let shown = yard
        .merchant()?
        .ask("GET", &format!("/v1/payments/{}", id(&first)?), None)
        .await?
        .json();
    ensure!(
        shown["state"] == "awaiting_payment" && shown["call_up"].is_null(),
        "kept somewhere: {shown}"
    );
    ensure!(
        yard.at_channel(&first).await?.is_empty(),
        "the channel has what nobody opened"
    );
    yard.demo.open(&first).await?;
    yard.demo.open(&second).await?;
    ensure!(
        yard.at_channel(&first).await?.len() == 1,
        "two orders at the channel"
    );
    Ok(())
}

/// Not opened yet: a close finds nothing, and nothing more is handed out. Whoever opens it then finds it closed soon.
async fn close_before_it_is_opened(yard: &Yard) -> Done {
    let body = body(yard, "alipay", "page", 410, &json!({}));
    let order = placed(yard, &body).await?;
    let id = id(&order)?;
    let close = format!("/v1/payments/{id}/close");
    for _ in 0..2 {
        let answer = post(yard, &close, &json!({})).await?;
        ensure!(
            answer.status == 202 && answer.json()["state"] == "awaiting_payment",
            "close answered {} {}",
            answer.status,
            answer.json()
        );
    }
    let again = post(yard, "/v1/payments", &body).await?;
    ensure!(
        again.status == 200 && again.json()["call_up"].is_null(),
        "handed out after a close was asked for: {}",
        again.json()
    );
    let mut other = body.clone();
    (other["pay_way"], other["channel"]) = ("native".into(), "wechat".into());
    let other = post(yard, "/v1/payments", &other).await?;
    ensure!(
        other.status == 409 && other.json()["code"] == "order_in_progress",
        "two open ways: {} {}",
        other.status,
        other.json()
    );
    sleep(Duration::from_secs(2)).await;
    let shown = yard
        .merchant()?
        .ask("GET", &format!("/v1/payments/{id}"), None)
        .await?
        .json();
    ensure!(
        shown["state"] == "awaiting_payment",
        "called closed while it can be opened: {shown}"
    );
    yard.demo.open(&order).await?;
    yard.until(id, "close", |o| o["state"] == "closed").await?;
    ensure!(
        yard.at_channel(&order).await?[0]["state"] == "TRADE_CLOSED",
        "open at the channel"
    );
    yard.told(id, "payment.closed").await
}

/// Nobody opens it: it ends with the time that its signed text names, and then it cannot be opened.
async fn not_opened_until_its_end(yard: &Yard) -> Done {
    let end = ends_soon();
    let order = placed(
        yard,
        &body(
            yard,
            "alipay",
            "wap",
            420,
            &json!({ "expires_at": end.to_string() }),
        ),
    )
    .await?;
    let id = id(&order)?;
    ensure!(
        post(yard, &format!("/v1/payments/{id}/close"), &json!({}))
            .await?
            .status
            == 202,
        "closed at once"
    );
    for _ in 0..700 {
        let shown = yard
            .merchant()?
            .ask("GET", &format!("/v1/payments/{id}"), None)
            .await?
            .json();
        if shown["state"] == "closed" {
            ensure!(now() >= end, "closed before its end");
            let page = yard.demo.browse(&order).await?;
            ensure!(
                page.contains("time_expire") && yard.at_channel(&order).await?.is_empty(),
                "opened after its end: {page}"
            );
            return Ok(());
        }
        sleep(Duration::from_millis(200)).await;
    }
    bail!("not closed")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_each_way() {
    let yard = Yard::open().await.expect("demo");
    let mut orders = 0;
    for (n, (channel, way, reach, more)) in ways(&yard).into_iter().enumerate() {
        // All steps of what is handed out and of h5; of the others, which take the road of jsapi, one each.
        let all = reach == "h5_url" || way == "page";
        for step in MUTATION
            .into_iter()
            .skip(if all { 0 } else { n })
            .take(if all { 6 } else { 1 })
        {
            let said = create_by(&yard, step, &body(&yard, channel, way, 700, &more), reach)
                .await
                .unwrap_or_else(|e| panic!("{channel} {way} {step}: {e:#}"));
            say(way, channel, step, &said);
            orders += 1;
        }
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.paid), (orders, orders), "{books:?}");
}

/// Alipay's certificate mode: nothing of Alipay's is laid down, its certificate is fetched when an answer names it, and
/// counts because a root of the licence registry has issued it. Without that root nothing it signs counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_certificate_mode_the_channels_certificate_is_fetched_and_counts_under_a_licensed_root() {
    let dir = tempfile::tempdir().expect("a directory");
    let demo = Demo::start(
        dir.path(),
        &Options {
            desk: false,
            merchants: 2,
            ..Options::default()
        },
        false,
    )
    .await
    .expect("demo");
    certificate_mode(&demo).await.unwrap_or_else(|e| panic!("{e:#}"));
    demo.services.stop().await.expect("stopped");
}

/// Another version of the licence file, with these roots for Alipay's certificates.
async fn license(demo: &Demo, version: u64, licence: &Value, roots: &str) -> Done {
    let mut licence = licence.clone();
    ensure!(licence["channels"][1]["channel"] == "alipay", "{licence}");
    (licence["version"], licence["channels"][1]["signing_roots_pem"]) = (version.into(), roots.into());
    demo.place.sign_registry("licence", &licence)?;
    let loaded = |all: &[TradeEntry]| {
        all.iter()
            .any(|e| matches!(&e.event, TradeEvent::RegistryLoaded { version: v, .. } if *v == version))
    };
    let all = until_on_record(demo, 0, loaded).await?;
    ensure!(
        loaded(&all),
        "the licence file of version {version} was not taken"
    );
    Ok(())
}

async fn certificate_mode(demo: &Demo) -> Done {
    ensure!(
        demo.place.merchants[1].certificate_mode(),
        "the second merchant works with certificates"
    );
    let merchant = demo.merchant(1)?;
    let order = |way: &str, more: Value| {
        let mut body = json!({ "order_no": demo.next_number(), "channel": "alipay", "pay_way": way, "amount": 700, "description": "茶" });
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        body
    };
    // Never trusted for a while: the licence names another merchant's root only.
    let licensed: Value =
        serde_json::from_slice(&std::fs::read(demo.place.dir.join("registries/licence.json"))?)?;
    let first = &demo.place.merchants[0].accounts.alipay.root_cert_file;
    license(
        demo,
        2,
        &licensed,
        &std::fs::read_to_string(demo.place.material.dir.join(first))?,
    )
    .await?;
    let unknown = merchant
        .ask(
            "POST",
            "/v1/payments",
            Some(&order(
                "jsapi",
                json!({ "payer": { "buyer_id": "2088102146225135" } }),
            )),
        )
        .await?;
    ensure!(
        unknown.status == 202,
        "an answer counted that no licensed root vouches for: {} {}",
        unknown.status,
        unknown.json()
    );
    license(
        demo,
        3,
        &licensed,
        &text(&licensed["channels"][1]["signing_roots_pem"]),
    )
    .await?;
    // A certificate is asked for once in ten seconds at most.
    sleep(Duration::from_secs(11)).await;
    let known = merchant
        .until(id(&unknown.json())?, "outcome", |o| {
            o["state"] == "awaiting_payment"
        })
        .await?;
    for order in [
        known,
        merchant
            .ask("POST", "/v1/payments", Some(&order("page", json!({}))))
            .await?
            .json(),
    ] {
        demo.open(&order).await?;
        demo.control(
            "/control/pay",
            &json!({ "channel": "alipay", "out_trade_no": order["number"], "outcome": "paid" }),
        )
        .await?;
        let id = id(&order)?;
        let paid = merchant.until(id, "payment", |o| o["state"] == "paid").await?;
        ensure!(!paid["paid"].is_null(), "{paid}");
        let refund = merchant
            .ask(
                "POST",
                &format!("/v1/payments/{id}/refunds"),
                Some(&json!({ "refund_no": "r", "amount": 700 })),
            )
            .await?;
        ensure!(refund.status < 300, "refund answered {}", refund.json());
        merchant.until(id, "refund", |o| o["state"] == "refunded").await?;
    }
    let sent = demo.last_request("alipay", "certificates").await?;
    ensure!(
        sent.contains("alipay_cert_sn"),
        "the certificate was not asked for: {sent}"
    );
    Ok(())
}
