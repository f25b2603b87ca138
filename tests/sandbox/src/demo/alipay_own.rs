//! Stories of a merchant's own Alipay client with only the host changed, by the gateway and by OpenAPI v3.

use super::{
    Demo,
    alipay_door::AlipayDoor,
    browser::{Browser, COMPUTER},
    merchant::Merchant,
    orders::{Told, pay, told},
    own_client::until,
    place::RETURN_HOST,
};
use anyhow::{bail, ensure};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// A code is placed, asked for, scanned and paid, its notice relayed, and the payment paid back.
pub async fn scanned(demo: &Demo, merchant: &Merchant, door: &AlipayDoor) -> anyhow::Result<Told> {
    let number = demo.next_number();
    let order = json!({ "out_trade_no": number, "total_amount": "7.10", "subject": "奶茶 Milk tea" });
    let placed = door.gateway("alipay.trade.precreate", &order, true).await?;
    done(&placed)?;
    ensure!(placed["qr_code"].is_string(), "no code in {placed}");
    let which = json!({ "out_trade_no": number });
    let nobody = door.gateway("alipay.trade.query", &which, false).await?;
    ensure!(
        nobody["sub_code"] == "ACQ.TRADE_NOT_EXIST",
        "there before anybody scanned: {nobody}"
    );
    let there = json!({ "channel": "alipay", "number": number });
    pay(demo, &there, "paid", json!({})).await?;
    let notice = relayed(demo, merchant, door, &number).await?;
    let paid = door.gateway("alipay.trade.query", &which, false).await?;
    ensure!(
        paid["trade_status"] == "TRADE_SUCCESS" && paid["trade_no"] == *notice["trade_no"],
        "{paid} {notice:?}"
    );
    until(merchant, &number, "payment", "paid").await?;
    let refund_no = format!("R{number}");
    let refund = json!({ "out_trade_no": number, "refund_amount": "7.10", "out_request_no": refund_no });
    let back = door.gateway("alipay.trade.refund", &refund, false).await?;
    done(&back)?;
    ensure!(back["fund_change"] == "Y", "nothing went back: {back}");
    let which = json!({ "out_trade_no": number, "out_request_no": refund_no });
    let asked = door
        .gateway("alipay.trade.fastpay.refund.query", &which, false)
        .await?;
    ensure!(asked["refund_status"] == "REFUND_SUCCESS", "{asked}");
    let order = until(merchant, &number, "refund", "refunded").await?;
    told(
        merchant,
        "alipay own order: by the merchant's own client, its notice verified, paid back",
        &order,
    )
}

/// A payer's code is charged and cancelled.
pub async fn code_cancelled(demo: &Demo, merchant: &Merchant, door: &AlipayDoor) -> anyhow::Result<Told> {
    let (number, code) = (demo.next_number(), demo.next_code("alipay"));
    let will = json!({ "channel": "alipay", "auth_code": code, "outcome": "paid" });
    demo.control("/control/pay", &will).await?;
    let charge = json!({
        "out_trade_no": number, "total_amount": "7.20", "subject": "奶茶 Milk tea", "scene": "bar_code", "auth_code": code,
        "notify_url": door.notify_url,
    });
    let paid = door.v3("pay", &charge).await?;
    ensure!(paid["gmt_payment"].is_string(), "not paid: {paid}");
    relayed(demo, merchant, door, &number).await?;
    until(merchant, &number, "payment", "paid").await?;
    let back = door
        .v3("cancel", &json!({ "trade_no": paid["trade_no"] }))
        .await?;
    ensure!(back["action"] == "refund", "nothing went back: {back}");
    let order = until(merchant, &number, "cancel", "reversed").await?;
    ensure!(order["reverse"]["refunded"] == true, "{order}");
    told(
        merchant,
        "alipay own code: by the merchant's own client, cancelled",
        &order,
    )
}

/// The payer's browser carries what the merchant has signed to the gateway, and is sent on with it; the payer pays there, and the
/// payment is paid back.
pub async fn by_browser(
    demo: &Demo,
    merchant: &Merchant,
    door: &AlipayDoor,
    way: &str,
) -> anyhow::Result<Told> {
    let number = demo.next_number();
    let product = if way == "page" {
        "FAST_INSTANT_TRADE_PAY"
    } else {
        "QUICK_WAP_WAY"
    };
    let order = json!({ "out_trade_no": number, "total_amount": "7.30", "subject": "奶茶 Milk tea", "product_code": product });
    let back = format!("https://{RETURN_HOST}/back");
    let form = door.for_browser(&format!("alipay.trade.{way}.pay"), &order, &back)?;
    let gateway = format!("https://127.0.0.1:{}/gateway.do", demo.place.ports.alipay);
    let mut browser = Browser::new(demo.ca(), COMPUTER);
    let page = match way {
        "page" => browser.send_octets(&gateway, &form).await?,
        _ => browser.open(&format!("{gateway}?{form}")).await?,
    };
    ensure!(
        page.way.len() == 2 && page.text().contains(&number),
        "the browser went to {:?} and saw {}",
        page.way,
        page.text()
    );
    pay(
        demo,
        &json!({ "channel": "alipay", "number": number }),
        "paid",
        json!({}),
    )
    .await?;
    relayed(demo, merchant, door, &number).await?;
    until(merchant, &number, "payment", "paid").await?;
    let refund =
        json!({ "out_trade_no": number, "refund_amount": "7.30", "out_request_no": format!("R{number}") });
    let back = door.gateway("alipay.trade.refund", &refund, false).await?;
    done(&back)?;
    let order = until(merchant, &number, "refund", "refunded").await?;
    told(
        merchant,
        &format!(
            "alipay own {way}: signed by the merchant's own client, brought by the payer's browser, paid back"
        ),
        &order,
    )
}

fn done(said: &Value) -> anyhow::Result<()> {
    ensure!(said["code"] == "10000", "Alipay said {said}");
    Ok(())
}

/// Alipay's notice of this number came to the merchant as Alipay signed it.
async fn relayed(
    demo: &Demo,
    merchant: &Merchant,
    door: &AlipayDoor,
    number: &str,
) -> anyhow::Result<BTreeMap<String, String>> {
    let path = format!("/relay/alipay/{}", merchant.id());
    for _ in 0..150 {
        for came in demo.shop().came(&path) {
            let fields: BTreeMap<String, String> = form_urlencoded::parse(&came.body).into_owned().collect();
            if fields.get("out_trade_no").is_some_and(|no| no == number) {
                return door.notice(&came.body);
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("the notice of {number} was not relayed")
}
