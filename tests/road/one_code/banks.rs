//! Online banking 网银 on the payers' pages: banks that UnionPay's gateway leads to, a bank's own gateway, and what the
//! browser sees when it is back.

use super::{Done, Street, has};
use crate::kills::{Yard, id, text};
use anyhow::ensure;
use sandbox::demo::{
    browser::{COMPUTER, PHONE, Page, UNIONPAY, WECHAT},
    place::Options,
};
use serde_json::{Value, json};

fn offers(page: &Page, way: &str) -> bool {
    page.text().contains(&format!("value=\"{way}\""))
}

/// A list of banks, where the acquirer has one; the chosen one goes to UnionPay with the order.
//= C84
pub(super) async fn chosen(street: &Street) -> Done {
    let (no, url) = street.of_order(2310).await?;
    let mut computer = street.browser(COMPUTER);
    let page = computer.open(&url).await?;
    for way in [
        "ccb.gateway",
        "icbc.gateway",
        "unionpay.gateway.ABC",
        "unionpay.gateway",
        "unionpay.gateway_b2b.ICBC",
        "unionpay.gateway_b2b",
    ] {
        ensure!(offers(&page, way), "no {way}: {}", page.text());
    }
    // The merchant's own contract with a bank stands for it; people's banks are not companies'.
    for way in [
        "unionpay.gateway.CCB",
        "unionpay.gateway.ICBC",
        "unionpay.gateway_b2b.PSBC",
    ] {
        ensure!(!offers(&page, way), "{way}: {}", page.text());
    }
    has(&page, "农业银行")?;
    // A bank that nobody listed is none.
    let again = computer.send(&url, &[("way", "unionpay.gateway.CEB")]).await?;
    has(&again, "农业银行")?;
    ensure!(street.order(&no).await?["id"].is_null(), "an order at no bank");
    let onward = computer.send(&url, &[("way", "unionpay.gateway.ABC")]).await?;
    has(&onward, "正在前往农业银行")?;
    has(&computer.go_on(&onward).await?, "网上银行 ABC")?;
    let order = street.order(&no).await?;
    ensure!(order["bank"] == "ABC" && order["pay_way"] == "gateway", "{order}");
    let here = format!("{url}/o/{}", id(&order)?);
    let back = computer.send(&here, &[("respCode", "00")]).await?;
    street.yard.pay(&order).await?;
    let paid = street.until(&mut computer, &back, "paid").await?;
    has(&paid, "银联 · 农业银行")?;
    let order = street.order(&no).await?;
    ensure!(order["paid"]["bank_type"] == "ABC_DEBIT", "{order}");

    // A company's, in English.
    let (no, url) = street.of_order(2320).await?;
    let mut computer = street.browser(COMPUTER).speaking("en");
    let page = computer.open(&url).await?;
    has(&page, "Online banking for companies")?;
    let onward = computer
        .send(&url, &[("way", "unionpay.gateway_b2b.ICBC")])
        .await?;
    has(&onward, "Going to ICBC")?;
    has(&computer.go_on(&onward).await?, "网上银行 ICBC")?;
    let sent = street.yard.demo.last_request("unionpay", "create").await?;
    ensure!(
        sent.contains("bizType=000202") && sent.contains("issInsCode=ICBC"),
        "not a company's: {sent}"
    );
    ensure!(
        street.order(&no).await?["pay_way"] == "gateway_b2b",
        "another way"
    );
    // UnionPay's app is a bank's already.
    let (_, url) = street.of_order(2330).await?;
    let app = street.browser(UNIONPAY).open(&url).await?;
    ensure!(
        offers(&app, "unionpay.gateway")
            && !app.text().contains("gateway.ABC")
            && !app.text().contains("ccb."),
        "{}",
        app.text()
    );
    by_the_api(street).await
}

/// The merchant names the bank itself.
async fn by_the_api(street: &Street) -> Done {
    let body = |more: Value| {
        let mut body = json!({ "order_no": street.yard.demo.next_number(), "channel": "unionpay", "pay_way": "gateway", "amount": 990, "description": "茶" });
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        body
    };
    let mut first = body(json!({ "bank": "PSBC" }));
    let order = street.post("/v1/payments", &first).await?;
    ensure!(order.status == 201, "{} {}", order.status, order.json());
    let shown = order.json();
    ensure!(
        shown["bank"] == "PSBC" && shown["call_up"]["form"]["fields"]["issInsCode"] == "PSBC",
        "{shown}"
    );
    street.yard.demo.open(&shown).await?;
    // The same number at another bank is another order.
    first["bank"] = "ABC".into();
    let other = street.post("/v1/payments", &first).await?;
    ensure!(other.status == 409, "{} {}", other.status, other.json());
    for (more, said) in [
        (json!({ "bank": "CEB" }), "ICBC, ABC, CCB, CMB, PSBC"),
        (json!({ "bank": "PSBC", "pay_way": "gateway_b2b" }), "ICBC, ABC."),
        (
            json!({ "bank": "ABC", "pay_way": "qr" }),
            "only unionpay's gateway",
        ),
        (
            json!({ "bank": "ABC", "channel": "wechat", "pay_way": "native" }),
            "only unionpay's gateway",
        ),
        (
            json!({ "bank": "CCB", "channel": "ccb" }),
            "the channel is the bank",
        ),
        (json!({ "bank": "农行" }), "a bank's code"),
    ] {
        let refused = street.post("/v1/payments", &body(more.clone())).await?;
        ensure!(
            refused.status == 400
                && refused.json()["detail"]
                    .as_str()
                    .is_some_and(|detail| detail.contains(said)),
            "{more}: {} {}",
            refused.status,
            refused.json()
        );
    }
    Ok(())
}

/// A merchant whose only contracts are with banks: a plain browser gets them, goes to the bank's form, and is told what
/// happened when it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bank_alone_is_offered_opened_and_what_became_of_it_is_seen() {
    let yard = Yard::with(Options {
        only: vec!["ccb", "icbc"],
        ..Options::default()
    })
    .await
    .expect("demo");
    let street = Street { yard };
    for (channel, name, title) in [
        ("ccb", "建设银行", "建设银行沙箱"),
        ("icbc", "工商银行", "工商银行沙箱"),
    ] {
        at_the_bank(&street, channel, name, title)
            .await
            .unwrap_or_else(|e| panic!("{channel}: {e:#}"));
    }
    elsewhere(&street).await.unwrap_or_else(|e| panic!("{e:#}"));
}

async fn at_the_bank(street: &Street, channel: &str, name: &str, title: &str) -> Done {
    let (no, url) = street.of_order(4710).await?;
    let way = format!("{channel}.gateway");
    let mut computer = street.browser(COMPUTER);
    let page = computer.open(&url).await?;
    ensure!(
        offers(&page, "ccb.gateway") && offers(&page, "icbc.gateway") && !offers(&page, "unionpay.gateway"),
        "{}",
        page.text()
    );
    has(&page, name)?;
    let onward = computer.send(&url, &[("way", &way)]).await?;
    has(&onward, &format!("正在前往{name}"))?;
    let there = computer.go_on(&onward).await?;
    has(&there, title)?;
    has(&there, "47.10")?;
    let order = street.order(&no).await?;
    ensure!(
        order["channel"] == channel && order["state"] == "awaiting_payment",
        "{order}"
    );
    // The bank knows one address of ours; what it brings along is not believed, and the browser itself knows its order.
    let origin = url.split("/q/").next().unwrap_or_default();
    let returned = format!("{origin}/q/back");
    let back = computer
        .open(&format!(
            "{returned}?ORDERID={}&SUCCESS=Y",
            text(&order["number"])
        ))
        .await?;
    ensure!(
        back.attribute("data-state").as_deref() == Some("awaiting_payment")
            && back.address == format!("{url}/o/{}", id(&order)?),
        "{} {}",
        back.address,
        back.text()
    );
    let by_form = computer.send(&returned, &[("SUCCESS", "Y")]).await?;
    ensure!(by_form.address == back.address, "{}", by_form.address);
    street.yard.pay(&order).await?;
    let paid = street.until(&mut computer, &back, "paid").await?;
    has(&paid, "付款成功")?;
    has(&paid, name)?;
    street.yard.told(id(&order)?, "payment.paid").await?;
    // Another browser finds nothing there.
    let other = street.browser(COMPUTER).open(&returned).await?;
    ensure!(other.answer.status == 404, "{}", other.answer.status);
    has(&other, "请勿重复付款")
}

/// Phones, English, a title that the bank has no characters for, and a wallet that is not taken.
async fn elsewhere(street: &Street) -> Done {
    let url = street
        .code(&json!({ "code_no": "desk-bank", "title": "Tea 🍵" }))
        .await?;
    let mut phone = street.browser(PHONE).speaking("en");
    has(&phone.open(&url).await?, "China Construction Bank")?;
    for way in ["ccb.gateway", "icbc.gateway"] {
        let onward = phone.send(&url, &[("amount", "6.50"), ("way", way)]).await?;
        has(&onward, "Going to")?;
        has(&phone.go_on(&onward).await?, "6.50")?;
    }
    let refused = street.browser(WECHAT).open(&url).await?;
    ensure!(refused.answer.status == 403, "{}", refused.answer.status);
    Ok(())
}
