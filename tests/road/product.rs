//! Native mode one 模式一: WeChat asks us for the order of somebody who scanned a product's code. One order per payer however
//! often it asks, limits as for every static code, and nothing for whoever does not have the account's secret; killed
//! between every two steps.

use crate::{
    clock::clear_of_day_ends,
    kills::{MUTATION, Yard, id},
};
use anyhow::{Context, ensure};
use sandbox::demo::{http::Client, product};
use serde_json::{Value, json};

type Done = anyhow::Result<()>;

struct Shop<'a> {
    yard: &'a Yard,
    mchid: String,
}

impl Shop<'_> {
    async fn code(&self, amount: u64) -> anyhow::Result<Value> {
        product::made(&self.yard.demo, &self.yard.merchant()?, amount).await
    }

    async fn scan(&self, code: &Value, payer: &str, more: Value) -> anyhow::Result<Value> {
        let mut asked = json!({
            "qr": code["wechat_product_url"], "callback": product::callback(&self.yard.demo, &self.mchid), "payer": payer,
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            asked[name] = value.clone();
        }
        product::scan(&self.yard.demo, &asked).await
    }

    /// The order that came of a scan, as the merchant sees it in this state.
    async fn order(&self, scan: &Value, state: &str) -> anyhow::Result<Value> {
        let no = scan["out_trade_no"]
            .as_str()
            .with_context(|| format!("no order: {scan}"))?;
        let path = format!("/v1/payments?order_no={no}");
        let order = self.yard.merchant()?.ask("GET", &path, None).await?.json();
        self.yard.until(id(&order)?, state, |o| o["state"] == state).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C77
//= C69
async fn a_products_code_is_one_order_per_payer_within_the_limits() {
    clear_of_day_ends(4).await; // the limits are a day's
    let yard = Yard::open().await.expect("demo");
    let shop = Shop {
        mchid: yard.demo.place.merchants[0].accounts.wechat.mchid.clone(),
        yard: &yard,
    };
    one_order_per_payer(&shop)
        .await
        .unwrap_or_else(|e| panic!("payers: {e:#}"));
    limits(&shop).await.unwrap_or_else(|e| panic!("limits: {e:#}"));
    revoked(&shop).await.unwrap_or_else(|e| panic!("revoked: {e:#}"));
    forged(&shop).await.unwrap_or_else(|e| panic!("forged: {e:#}"));
    lost_answer(&shop).await.unwrap_or_else(|e| panic!("lost: {e:#}"));
    yard.agree().await.expect("the books agree");
}

async fn one_order_per_payer(shop: &Shop<'_>) -> Done {
    let code = shop.code(700).await?;
    let text = code["wechat_product_url"].as_str().unwrap_or_default();
    ensure!(text.starts_with("weixin://wxpay/bizpayurl?"), "{code}");
    // The same text always: it may be printed again.
    let path = format!("/v1/codes/{}", code["id"].as_str().unwrap_or_default());
    let again = shop.yard.merchant()?.ask("GET", &path, None).await?.json();
    ensure!(again["wechat_product_url"] == *text, "another text: {again}");
    let svg = shop
        .yard
        .merchant()?
        .ask("GET", &format!("{path}/svg?text=product"), None)
        .await?;
    let plain = shop
        .yard
        .merchant()?
        .ask("GET", &format!("{path}/svg"), None)
        .await?;
    ensure!(
        svg.status == 200 && svg.body.starts_with(b"<svg") && svg.body != plain.body,
        "{}",
        svg.status
    );
    let png = shop
        .yard
        .merchant()?
        .ask("GET", &format!("{path}/png?text=product"), None)
        .await?;
    ensure!(png.body.starts_with(b"\x89PNG"), "{}", png.status);
    let wrong = shop
        .yard
        .merchant()?
        .ask("GET", &format!("{path}/svg?text=address"), None)
        .await?;
    ensure!(wrong.status == 422 || wrong.status == 400, "{}", wrong.status);
    let first = shop
        .scan(
            &code,
            "oPayerOne00000000000000000001",
            json!({ "pays": false, "calls": 3 }),
        )
        .await?;
    let ids = first["prepay_ids"]
        .as_array()
        .with_context(|| first.to_string())?;
    ensure!(
        ids.len() == 3 && ids.iter().all(|one| *one == ids[0]),
        "several orders: {first}"
    );
    let other = shop
        .scan(&code, "oPayerTwo00000000000000000002", json!({}))
        .await?;
    ensure!(
        other["out_trade_no"] != first["out_trade_no"],
        "one order for two payers: {other}"
    );
    shop.order(&other, "paid").await?;
    // Scanned again later and paid: the same order still. After it, the next.
    let later = shop
        .scan(&code, "oPayerOne00000000000000000001", json!({}))
        .await?;
    ensure!(
        later["out_trade_no"] == first["out_trade_no"],
        "a second order: {later}"
    );
    let paid = shop.order(&later, "paid").await?;
    ensure!(paid["amount"] == 700 && paid["pay_way"] == "product", "{paid}");
    shop.yard.told(id(&paid)?, "payment.paid").await?;
    let next = shop
        .scan(&code, "oPayerOne00000000000000000001", json!({}))
        .await?;
    ensure!(
        next["out_trade_no"] != first["out_trade_no"],
        "a paid order was sold again: {next}"
    );
    shop.order(&next, "paid").await.map(drop)
}

/// A static code: 500 yuan a day for a payer (R18), told to the payer in plain words.
async fn limits(shop: &Shop<'_>) -> Done {
    let code = shop.code(30_000).await?;
    let payer = "oPayerRich0000000000000000003";
    let first = shop.scan(&code, payer, json!({})).await?;
    shop.order(&first, "paid").await?;
    let second = shop.scan(&code, payer, json!({})).await?;
    ensure!(
        second["error"].as_str().is_some_and(|e| e.contains("商家")),
        "beyond the limit: {second}"
    );
    let other = shop
        .scan(&code, "oPayerElse0000000000000000004", json!({}))
        .await?;
    shop.order(&other, "paid").await.map(drop)
}

async fn revoked(shop: &Shop<'_>) -> Done {
    let code = shop.code(100).await?;
    let path = format!("/v1/codes/{}/revoke", code["id"].as_str().unwrap_or_default());
    shop.yard.merchant()?.ask("POST", &path, Some(&json!({}))).await?;
    let scan = shop
        .scan(&code, "oPayerLate0000000000000000005", json!({}))
        .await?;
    ensure!(
        scan["error"].as_str().is_some_and(|e| e.contains("失效")),
        "a revoked code: {scan}"
    );
    Ok(())
}

/// Without the account's secret nobody begins an order, and nobody's code is another's.
async fn forged(shop: &Shop<'_>) -> Done {
    let code = shop.code(100).await?;
    let notices = Client::tls(
        ([127, 0, 0, 1], shop.yard.demo.place.ports.notify).into(),
        shop.yard.demo.ca(),
    )?;
    let account = &shop.yard.demo.place.merchants[0].accounts.wechat;
    let call = format!(
        "<xml><appid>{}</appid><openid>o1</openid><mch_id>{}</mch_id><nonce_str>n</nonce_str><product_id>{}</product_id><sign>{}</sign></xml>",
        account.appid,
        account.mchid,
        code["id"].as_str().unwrap_or_default(),
        "0".repeat(32)
    );
    let path = format!("/n/wechat/{}/scan", account.mchid);
    let kind = [("content-type", "text/xml")];
    for (target, body) in [
        (path.clone(), call.clone()),
        (
            path.clone(),
            call.replace("<openid>", "<openid>o</openid><openid>"),
        ),
        (path.clone(), String::new()),
        ("/n/wechat/1600000009/scan".into(), call.clone()),
        ("/n/alipay/1600000009/scan".into(), call),
    ] {
        let answer = notices.send("POST", &target, &kind, body.as_bytes()).await?;
        ensure!(answer.status >= 400, "{target} {body}: {}", answer.status);
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        ensure!(!said.contains("prepay_id"), "{said}");
    }
    let mut spoilt = code.clone();
    let text = spoilt["wechat_product_url"]
        .as_str()
        .unwrap_or_default()
        .replace("product_id=", "product_id=x");
    spoilt["wechat_product_url"] = text.into();
    ensure!(
        shop.scan(&spoilt, "o1", json!({})).await.is_err(),
        "the sandbox took a code that nobody signed"
    );
    Ok(())
}

/// The channel placed it and its answer was lost: the payer is asked to scan again, and gets that very order.
async fn lost_answer(shop: &Shop<'_>) -> Done {
    let code = shop.code(900).await?;
    let payer = "oPayerPatient000000000000006";
    let fault = json!({ "channel": "wechat", "operation": "create", "kind": "timeout_after" });
    shop.yard.demo.control("/control/fault", &fault).await?;
    let lost = shop.scan(&code, payer, json!({})).await?;
    ensure!(
        lost["error"].as_str().is_some_and(|e| e.contains("重试")),
        "{lost}"
    );
    for _ in 0..40 {
        let again = shop.scan(&code, payer, json!({})).await?;
        if again["out_trade_no"].is_string() {
            shop.order(&again, "paid").await?;
            let all = shop.yard.demo.channel_orders().await?;
            let of_payer = |o: &&Value| o["payer"] == payer || o["fen"] == 900;
            let count = all["orders"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(of_payer)
                .count();
            ensure!(count == 1, "{count} orders of one payer");
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    anyhow::bail!("never placed again")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_a_scan() {
    let yard = Yard::open().await.expect("demo");
    let shop = Shop {
        mchid: yard.demo.place.merchants[0].accounts.wechat.mchid.clone(),
        yard: &yard,
    };
    let code = shop.code(400).await.expect("a code");
    for (n, step) in MUTATION.into_iter().enumerate() {
        point(&shop, &code, n, step)
            .await
            .unwrap_or_else(|e| panic!("{step}: {e:#}"));
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.paid), (6, 6), "{books:?}");
}

async fn point(shop: &Shop<'_>, code: &Value, n: usize, step: &str) -> Done {
    let payer = format!("oPayerKilled00000000000000{n}");
    shop.yard.restart_until(step).await?;
    let lost = shop.scan(code, &payer, json!({})).await?;
    ensure!(
        lost["error"].is_string(),
        "answered although the proxy ended before: {lost}"
    );
    shop.yard.stopped_and_started().await?;
    for _ in 0..60 {
        let again = shop.scan(code, &payer, json!({})).await?;
        if again["out_trade_no"].is_string() {
            return shop.order(&again, "paid").await.map(drop);
        }
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    anyhow::bail!("no order after the restart")
}
