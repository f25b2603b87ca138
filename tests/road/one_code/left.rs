//! A bank chosen at an order's code keeps others away for minutes, not for as long as the bank may take it: then the payer says
//! that it was not paid, and the bank is asked. Whatever is paid after all is on record, and two payments are never one.

use super::{Done, Street, has};
use crate::kills::{Yard, id, text};
use anyhow::ensure;
use domain::{CloseReason, TradeEntry, TradeEvent};
use journal::{Reader, disk::RealDisk};
use sandbox::demo::{
    browser::{Browser, COMPUTER, Page, WECHAT},
    place::Options,
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

const MAY_SAY: &str = "name=\"unpaid\"";

//= C89
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bank_that_a_payer_left_makes_way_and_what_it_takes_after_all_is_seen() {
    let yard = Yard::with(Options {
        only: vec!["ccb", "cmb", "icbc", "wechat", "alipay"],
        times: "handed_out_ms = 3000\nsilence_seconds = 2\n".into(),
        ..Options::default()
    })
    .await
    .expect("demo");
    let street = Street { yard };
    for channel in ["ccb", "cmb"] {
        paid_twice(&street, channel)
            .await
            .unwrap_or_else(|e| panic!("{channel} paid twice: {e:#}"));
    }
    paid_there_after_all(&street)
        .await
        .unwrap_or_else(|e| panic!("paid there after all: {e:#}"));
    for order_code in [false, true] {
        untold(&street, order_code)
            .await
            .unwrap_or_else(|e| panic!("untold, an order's code {order_code}: {e:#}"));
    }
    // Last, since questions that fail close an account too.
    for channel in ["ccb", "cmb"] {
        stays(&street, channel)
            .await
            .unwrap_or_else(|e| panic!("{channel} stays: {e:#}"));
    }
    street.yard.demo.services.stop().await.expect("stopped");
    left_on_record(&street).unwrap_or_else(|e| panic!("{e:#}"));
    street.yard.demo.prove_journal().expect("proven");
}

/// The bank's form is in the payer's hands.
async fn at_the_bank(street: &Street, channel: &str) -> anyhow::Result<(String, String, Browser)> {
    let (no, url) = street.of_order(3310).await?;
    let mut computer = street.browser(COMPUTER);
    let onward = computer
        .send(&url, &[("way", &format!("{channel}.gateway"))])
        .await?;
    computer.go_on(&onward).await?;
    Ok((no, url, computer))
}

async fn until_it_may_be_left(computer: &mut Browser, url: &str) -> anyhow::Result<Page> {
    for _ in 0..300 {
        let page = computer.open(url).await?;
        if page.text().contains(MAY_SAY) {
            return Ok(page);
        }
        sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the payer cannot say that it was not paid within 30 s")
}

/// Opened at the bank, left, and not paid there as far as the bank knows: another way takes its place.
async fn left(street: &Street, channel: &str) -> anyhow::Result<(String, Value, Browser, Page)> {
    let (no, url, mut computer) = at_the_bank(street, channel).await?;
    until_it_may_be_left(&mut computer, &url).await?;
    let bank = street.order(&no).await?;
    let scan = computer
        .send(&url, &[("way", "alipay.qr"), ("unpaid", "yes")])
        .await?;
    has(&scan, "扫一扫")?;
    let order = street.order(&no).await?;
    ensure!(
        order["attempt"] == 2 && order["channel"] == "alipay" && bank["channel"] == channel,
        "{order}"
    );
    Ok((no, bank, computer, scan))
}

/// Without the payer's word and without the bank's nothing takes its place.
async fn stays(street: &Street, channel: &str) -> Done {
    let (no, url, mut computer) = at_the_bank(street, channel).await?;
    let in_wechat = street.browser(WECHAT).open(&url).await?;
    ensure!(
        in_wechat.text().contains("class=\"former\"") && in_wechat.address == url,
        "{} {}",
        in_wechat.address,
        in_wechat.text()
    );
    let bank = street.order(&no).await?;
    let fault = json!({ "channel": channel, "operation": "query", "kind": "status_5xx", "count": 100_000, "out_trade_no": bank["number"] });
    street.yard.demo.control("/control/fault", &fault).await?;
    until_it_may_be_left(&mut computer, &url).await?;
    for unpaid in ["no", "yes"] {
        let refused = computer
            .send(&url, &[("way", "alipay.qr"), ("unpaid", unpaid)])
            .await?;
        ensure!(
            refused.answer.status == 409,
            "{unpaid}: {}",
            refused.answer.status
        );
    }
    let order = street.order(&no).await?;
    ensure!(
        order["attempt"] == 1 && order["state"] == "awaiting_payment",
        "{order}"
    );
    Ok(())
}

/// Both ways are paid, the bank's last, after a restart and without a notice: it is found by asking, and is one too many.
async fn paid_twice(street: &Street, channel: &str) -> Done {
    let (no, bank, mut computer, scan) = left(street, channel).await?;
    let order = street.order(&no).await?;
    street.yard.pay(&order).await?;
    has(&street.until(&mut computer, &scan, "paid").await?, "付款成功")?;
    street.yard.demo.services.kill_proxy().await?;
    // Channels count whole seconds: the bank's is the later payment.
    sleep(Duration::from_millis(1100)).await;
    let late =
        json!({ "channel": channel, "out_trade_no": bank["number"], "outcome": "paid", "notify": false });
    street.yard.demo.control("/control/pay", &late).await?;
    street.yard.start().await?;
    let known = street
        .yard
        .until(id(&order)?, "the surplus with people", |o| {
            let refunds = o["refunds"].as_array().into_iter().flatten();
            let mut refunds = refunds.filter(|r| text(&r["refund_no"]).starts_with("surplus-"));
            refunds.any(|r| r["state"] == "abnormal")
        })
        .await?;
    ensure!(known["state"] == "paid", "{known}");
    street.yard.told(id(&order)?, "refund.abnormal").await
}

/// The bank's is paid after all, and the other way is not: the order is paid.
async fn paid_there_after_all(street: &Street) -> Done {
    let (no, bank, mut computer, scan) = left(street, "ccb").await?;
    street.yard.pay(&bank).await?;
    has(&street.until(&mut computer, &scan, "paid").await?, "建设银行")?;
    let order = street.order(&no).await?;
    ensure!(order["state"] == "paid", "{order}");
    Ok(())
}

/// Paid at a bank that nobody can ask, and its notice is lost: no page calls it unpaid or leads to paying again.
//= C82
async fn untold(street: &Street, order_code: bool) -> Done {
    let (url, amount) = match order_code {
        true => (street.of_order(6610).await?.1, ""),
        false => (street.code(&json!({ "code_no": "desk-untold" })).await?, "66.10"),
    };
    let mut computer = street.browser(COMPUTER);
    let onward = computer
        .send(&url, &[("amount", amount), ("way", "icbc.gateway")])
        .await?;
    computer.go_on(&onward).await?;
    let origin = url.split("/q/").next().unwrap_or_default();
    let mut page = computer.open(&format!("{origin}/q/back")).await?;
    let address = page.address.clone();
    let order = address.rsplit("/o/").next().unwrap_or_default();
    let order = street
        .yard
        .until(order, "the order", |o| !o["number"].is_null())
        .await?;
    let silent =
        json!({ "channel": "icbc", "out_trade_no": order["number"], "outcome": "paid", "notify": false });
    street.yard.demo.control("/control/pay", &silent).await?;
    for _ in 0..600 {
        page = computer.open(&address).await?;
        if page.attribute("data-state").as_deref() == Some("unresolved") {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    has(&page, "请勿再次付款")?;
    let mut in_english = street.browser(COMPUTER).speaking("en");
    has(&in_english.open(&address).await?, "Do not pay again")?;
    let mut all = vec![page];
    if order_code {
        all.push(computer.open(&url).await?);
        all.push(
            computer
                .send(&url, &[("way", "alipay.qr"), ("unpaid", "yes")])
                .await?,
        );
        all.push(street.browser(WECHAT).open(&url).await?);
    }
    for page in all {
        ensure!(
            page.address == address && !page.text().contains("<button") && !page.text().contains("<a "),
            "{} leads on: {}",
            page.address,
            page.text()
        );
    }
    Ok(())
}

/// That the payer said so is on record each time, and nothing else closed a bank's order.
fn left_on_record(street: &Street) -> Done {
    let reader = Reader::open(
        Arc::new(RealDisk),
        &street.yard.demo.place.dir.join("data/trades"),
    )?;
    let (mut said, mut closed) = (0, 0);
    for entry in reader.scan(0) {
        match TradeEntry::from_canonical(&entry?.1)?.event {
            TradeEvent::CloseIntended {
                reason: CloseReason::PayerLeft,
                ..
            } => said += 1,
            TradeEvent::AttemptClosed { attempt: 1, .. } => closed += 1,
            _ => {}
        }
    }
    ensure!(closed == 3 && said >= 3, "said {said} times, closed {closed}");
    Ok(())
}
