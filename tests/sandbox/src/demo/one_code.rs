//! One code for every wallet: the merchant makes it, the payer scans it.

use super::{
    Demo,
    browser::{ALIPAY, Browser, WECHAT},
    merchant::Merchant,
    orders::{Told, told},
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
