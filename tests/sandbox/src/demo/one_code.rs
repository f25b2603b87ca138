//! One code for every wallet: the merchant makes it, the payer scans it.

use super::{
    Demo,
    browser::{ALIPAY, Browser, UNIONPAY, WECHAT},
    merchant::Merchant,
    orders::{Told, pay, told},
};
use anyhow::ensure;
use serde_json::json;

/// A code for one order, scanned by a wallet, paid in it.
pub async fn scanned(demo: &Demo, merchant: &Merchant, channel: &str) -> anyhow::Result<Told> {
    let no = demo.next_number();
    let body =
        json!({ "code_no": format!("code-{no}"), "order_no": no, "amount": 1880, "title": "奶茶 Milk tea" });
    let code = merchant.ask("POST", "/v1/codes", Some(&body)).await?;
    ensure!(
        code.status == 201,
        "the code was answered {}: {}",
        code.status,
        code.json()
    );
    let plate = merchant
        .ask(
            "GET",
            &format!("/v1/codes/{}/png", code.json()["id"].as_str().unwrap_or_default()),
            None,
        )
        .await?;
    ensure!(
        plate.status == 200 && plate.body.starts_with(b"\x89PNG"),
        "no plate: {}",
        plate.status
    );
    let (agent, sandbox) = match channel {
        "wechat" => (WECHAT, demo.channels.wechat_url()),
        _ => (ALIPAY, demo.channels.alipay_url()),
    };
    let mut payer = Browser::new(demo.ca(), agent);
    let page = payer
        .open(code.json()["url"].as_str().unwrap_or_default())
        .await?;
    payer.pay(&page, &sandbox).await?;
    let order = merchant
        .ask("GET", &format!("/v1/payments?order_no={no}"), None)
        .await?
        .json();
    let order = merchant
        .until(order["id"].as_str().unwrap_or_default(), "payment", |o| {
            o["state"] == "paid"
        })
        .await?;
    ensure!(
        order["pay_way"] == "jsapi" && order["channel"] == channel,
        "another order: {order}"
    );
    let page = payer.open(&page.address).await?;
    ensure!(
        page.attribute("data-state").as_deref() == Some("paid"),
        "the page says {}",
        page.text()
    );
    told(
        merchant,
        &format!("{channel} one code: scanned, authorised, paid"),
        &order,
    )
}

/// A code for one order in UnionPay's app: a press, UnionPay's own page, paid there.
pub async fn in_unionpays_app(demo: &Demo, merchant: &Merchant) -> anyhow::Result<Told> {
    let no = demo.next_number();
    let body =
        json!({ "code_no": format!("code-{no}"), "order_no": no, "amount": 1310, "title": "奶茶 Milk tea" });
    let code = merchant.ask("POST", "/v1/codes", Some(&body)).await?;
    ensure!(
        code.status == 201,
        "the code was answered {}: {}",
        code.status,
        code.json()
    );
    let url = code.json()["url"].as_str().unwrap_or_default().to_owned();
    let mut payer = Browser::new(demo.ca(), UNIONPAY);
    let page = payer.open(&url).await?;
    ensure!(
        page.text().contains("unionpay.gateway"),
        "UnionPay's app is offered {}",
        page.text()
    );
    let onward = payer.send(&url, &[("way", "unionpay.gateway")]).await?;
    let there = payer.go_on(&onward).await?;
    ensure!(there.text().contains("13.10"), "UnionPay says {}", there.text());
    let order = merchant
        .ask("GET", &format!("/v1/payments?order_no={no}"), None)
        .await?
        .json();
    pay(demo, &order, "paid", json!({})).await?;
    let order = merchant
        .until(order["id"].as_str().unwrap_or_default(), "payment", |o| {
            o["state"] == "paid"
        })
        .await?;
    ensure!(
        order["pay_way"] == "gateway" && order["channel"] == "unionpay",
        "another order: {order}"
    );
    let page = payer
        .open(&format!("{url}/o/{}", order["id"].as_str().unwrap_or_default()))
        .await?;
    ensure!(
        page.attribute("data-state").as_deref() == Some("paid"),
        "the page says {}",
        page.text()
    );
    told(
        merchant,
        "unionpay one code: scanned, UnionPay's page, paid",
        &order,
    )
}
