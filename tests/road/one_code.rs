//! One code, every wallet: over real sockets, with the User-Agent of each. The order goes down the merchant's own road; what
//! the page says is what the journal says.

mod banks;
mod chromium;
mod left;
mod lost;
mod screens;

use crate::{
    clock::clear_of_day_ends,
    kills::{Yard, id, text},
};
use anyhow::{Context, ensure};
use sandbox::demo::{
    browser::{ALIPAY, Browser, COMPUTER, PHONE, Page, UNIONPAY, WECHAT},
    http::Answer,
    place::Options,
};
use serde_json::{Value, json};
use std::{net::Ipv4Addr, time::Duration};
use tokio::time::sleep;

type Done = anyhow::Result<()>;

const OPENID: &str = "oOneCodePayer0000000000001";
const USER_ID: &str = "2088102146225135";

struct Street {
    yard: Yard,
}

impl Street {
    async fn open() -> anyhow::Result<Street> {
        Ok(Street {
            yard: Yard::with(Options {
                extra: String::new(),
                ..Options::default()
            })
            .await?,
        })
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.yard.merchant()?.ask("POST", path, Some(body)).await
    }

    /// Makes a code and gives its address.
    async fn code(&self, body: &Value) -> anyhow::Result<String> {
        let made = self.post("/v1/codes", body).await?;
        ensure!(made.status == 201, "{} {}", made.status, made.json());
        Ok(text(&made.json()["url"]))
    }

    async fn of_order(&self, amount: u64) -> anyhow::Result<(String, String)> {
        let no = self.yard.demo.next_number();
        let url = self.code(&json!({ "code_no": format!("c-{no}"), "order_no": no, "amount": amount, "title": "奶茶 Milk tea" })).await?;
        Ok((no, url))
    }

    fn browser(&self, agent: &str) -> Browser {
        let sandbox = &self.yard.demo.channels;
        Browser::new(self.yard.demo.ca(), agent)
            .signed_in(sandbox.wechat, "wechat", OPENID)
            .signed_in(sandbox.alipay, "alipay", USER_ID)
    }

    fn sandbox(&self, agent: &str) -> String {
        let channels = &self.yard.demo.channels;
        if agent == WECHAT {
            channels.wechat_url()
        } else {
            channels.alipay_url()
        }
    }

    async fn order(&self, no: &str) -> anyhow::Result<Value> {
        Ok(self
            .yard
            .merchant()?
            .ask("GET", &format!("/v1/payments?order_no={no}"), None)
            .await?
            .json())
    }

    /// What a waiting page asks for, until it is as wanted.
    async fn until(&self, browser: &mut Browser, page: &Page, state: &str) -> anyhow::Result<Page> {
        let path = page
            .attribute("data-poll")
            .with_context(|| format!("no order on {}", page.text()))?;
        let base = page.address.split("/q/").next().unwrap_or_default().to_owned();
        let mut last = Value::Null;
        for _ in 0..400 {
            last = browser.once("GET", &format!("{base}{path}"), "").await?.json();
            if last["state"] == state {
                return browser.open(&page.address).await;
            }
            sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("the page never says {state} but {last}")
    }
}

/// The uniform refusal, in English.
fn not_accepted(page: &Page) -> Done {
    let status = page.answer.status;
    ensure!(status == 403, "{status} {}", page.text());
    has(page, "not accepted")
}

fn has(page: &Page, wanted: &str) -> Done {
    ensure!(
        page.text().contains(wanted),
        "no {wanted} in {}: {}",
        page.address,
        page.text()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_wallet_pays_the_same_code_and_the_page_says_what_the_journal_says() {
    clear_of_day_ends(4).await; // a static code's limits are a day's
    let street = Street::open().await.expect("demo");
    for (agent, channel) in [(WECHAT, "wechat"), (ALIPAY, "alipay")] {
        for_one_order(&street, agent, channel)
            .await
            .unwrap_or_else(|e| panic!("{channel}, one order: {e:#}"));
        static_code(&street, agent, channel)
            .await
            .unwrap_or_else(|e| panic!("{channel}, static: {e:#}"));
    }
    for_a_sub_merchant(&street)
        .await
        .unwrap_or_else(|e| panic!("a sub-merchant's: {e:#}"));
    plain_browsers(&street)
        .await
        .unwrap_or_else(|e| panic!("browsers: {e:#}"));
    unionpays_app(&street)
        .await
        .unwrap_or_else(|e| panic!("UnionPay's app: {e:#}"));
    banks::chosen(&street)
        .await
        .unwrap_or_else(|e| panic!("banks: {e:#}"));
    two_wallets(&street)
        .await
        .unwrap_or_else(|e| panic!("two wallets: {e:#}"));
    two_payers(&street)
        .await
        .unwrap_or_else(|e| panic!("two payers: {e:#}"));
    refused(&street)
        .await
        .unwrap_or_else(|e| panic!("refusals: {e:#}"));
    ended(&street).await.unwrap_or_else(|e| panic!("ended: {e:#}"));
}

async fn for_one_order(street: &Street, agent: &str, channel: &str) -> Done {
    let (no, url) = street.of_order(1250).await?;
    let mut browser = street.browser(agent);
    let page = browser.open(&url).await?;
    // Page, wallet, back, order: and the address that stays has no code in it.
    ensure!(
        page.way.len() == 4 && page.way[1].contains("/oauth2/") && page.way[2].contains("/back?"),
        "{:?}",
        page.way
    );
    ensure!(
        page.address.contains("/o/") && !page.address.contains('?'),
        "{}",
        page.address
    );
    has(&page, "12.50")?;
    has(&page, "立即付款")?;
    let order = street.order(&no).await?;
    ensure!(
        order["pay_way"] == "jsapi"
            && order["channel"] == channel
            && order["code"] == url.rsplit('/').next().unwrap_or_default(),
        "{order}"
    );
    // Coming back unpaid changes nothing.
    let again = browser.open(&page.address).await?;
    ensure!(
        again.attribute("data-state").as_deref() == Some("awaiting_payment"),
        "{}",
        again.text()
    );
    let back = browser.pay(&again, &street.sandbox(agent)).await?;
    let paid = street.until(&mut browser, &back, "paid").await?;
    has(&paid, "付款成功")?;
    ensure!(
        paid.attribute("data-call").is_none(),
        "a paid order calls the wallet up"
    );
    let order = street.order(&no).await?;
    ensure!(order["state"] == "paid", "{order}");
    street.yard.told(id(&order)?, "payment.paid").await?;
    let events = street
        .yard
        .demo
        .shop()
        .told(street.yard.merchant()?.id(), id(&order)?);
    let payer = if channel == "wechat" {
        json!({ "openid": OPENID })
    } else {
        json!({ "buyer_id": USER_ID })
    };
    ensure!(
        events.iter().any(|e| e["payment"]["payer"] == payer),
        "{events:?}"
    );
    // The code again: paid, nothing more; and what went back is said.
    let once_more = browser.open(&url).await?;
    has(&once_more, "付款成功")?;
    let path = format!("/v1/payments/{}/refunds", id(&order)?);
    let back = street
        .post(&path, &json!({ "refund_no": "r1", "amount": 305 }))
        .await?;
    ensure!(back.status < 300, "{} {}", back.status, back.json());
    let part = |o: &Value| o["refunded"] == 305;
    street.yard.until(id(&order)?, "a part refunded", part).await?;
    let partly = browser.open(&once_more.address).await?;
    has(&partly, "付款成功")?;
    has(&partly, "<dt>已退款</dt><dd>¥ 3.05</dd>")
}

//= C69
async fn static_code(street: &Street, agent: &str, channel: &str) -> Done {
    let url = street
        .code(&json!({ "code_no": format!("desk-{channel}"), "title": "一\u{202E}号桌" }))
        .await?;
    let plate = format!("/v1/codes/{}/svg", url.rsplit('/').next().unwrap_or_default());
    let plate = street.yard.merchant()?.ask("GET", &plate, None).await?;
    let plate = String::from_utf8_lossy(&plate.body).into_owned();
    ensure!(plate.contains(">一号桌<"), "no plain title on {plate}");
    let mut browser = street.browser(agent).speaking("en");
    let page = browser.open(&url).await?;
    has(&page, "一号桌")?;
    has(&page, "Continue")?;
    let icon = format!("{}/favicon.ico", url.split("/q/").next().unwrap_or_default());
    let icon = browser.once("GET", &icon, "").await?;
    ensure!(icon.status == 204 && icon.body.is_empty(), "{}", icon.status);
    for (typed, said) in [
        ("0", "above zero"),
        ("1.234", "above zero"),
        ("x", "above zero"),
        ("500.01", "at most 500.00"),
        ("", "above zero"),
    ] {
        let page = browser.send(&url, &[("amount", typed)]).await?;
        ensure!(
            page.answer.status == 422 && page.text().contains(said),
            "{typed}: {} {}",
            page.answer.status,
            page.text()
        );
        // What can be put right stands there again.
        let kept = typed.starts_with(|c: char| c.is_ascii_digit());
        ensure!(
            typed.is_empty() || page.text().contains(&format!("value=\"{typed}\"")) == kept,
            "{typed}: {}",
            page.text()
        );
    }
    let page = browser.send(&url, &[("amount", "7.3")]).await?;
    has(&page, "7.30")?;
    let no = text(&json!(
        page.text()
            .split("<dd>")
            .nth(1)
            .and_then(|t| t.split('<').next())
            .unwrap_or_default()
    ));
    let order = street.order(&no).await?;
    ensure!(order["amount"] == 730, "{order}");
    let back = browser.pay(&page, &street.sandbox(agent)).await?;
    let paid = street.until(&mut browser, &back, "paid").await?;
    has(&paid, "Paid")?;
    has(&paid, "Time (China)")?;
    // A payer's day by static codes ends at 500 yuan.
    let over = browser.send(&url, &[("amount", "493")]).await?;
    not_accepted(&over)?;
    let next = browser.send(&url, &[("amount", "492.70")]).await?;
    has(&next, "492.70")
}

/// A service provider's code for one of its sub-merchants: it is paid, in the wallet in which it can be; nobody else has a code.
//= C03
//= C69
async fn for_a_sub_merchant(street: &Street) -> Done {
    let account = &street.yard.demo.place.merchants[0].accounts.wechat;
    let sub = account.sub_mchids.first().context("a sub-merchant")?;
    let body = json!({ "code_no": "desk-of-a-sub", "payee": sub, "title": "分店" });
    let made = street.post("/v1/codes", &body).await?;
    ensure!(
        made.status == 201 && made.json()["payee"] == **sub,
        "{}",
        made.json()
    );
    let url = text(&made.json()["url"]);
    let plate = format!("/v1/codes/{}/svg", text(&made.json()["id"]));
    let plate = street.yard.merchant()?.ask("GET", &plate, None).await?;
    let plate = String::from_utf8_lossy(&plate.body).into_owned();
    ensure!(
        plate.contains("微信支付") && !plate.contains("支付宝"),
        "the plate names a wallet that does not pay the sub-merchant: {plate}"
    );
    // A payer's day by static codes is the shop's day (R18), whoever of its payees is paid.
    let mut spent = street.browser(WECHAT).speaking("en");
    let over = spent.send(&url, &[("amount", "6.1")]).await?;
    not_accepted(&over)?;
    let sandbox = &street.yard.demo.channels;
    let mut browser = Browser::new(street.yard.demo.ca(), WECHAT)
        .signed_in(sandbox.wechat, "wechat", "oOneCodePayer0000000000077")
        .speaking("en");
    let page = browser.send(&url, &[("amount", "6.1")]).await?;
    let back = browser.pay(&page, &street.sandbox(WECHAT)).await?;
    let paid = street.until(&mut browser, &back, "paid").await?;
    has(&paid, "Paid")?;
    let all = street.yard.demo.channel_orders().await?;
    let mut orders = all["orders"].as_array().into_iter().flatten();
    ensure!(
        orders.any(|o| o["sub_mchid"] == **sub && o["fen"] == 610 && o["paid"].is_string()),
        "another payee: {all}"
    );
    let mut alipay = street.browser(ALIPAY).speaking("en");
    let nothing = alipay.open(&url).await?;
    ensure!(nothing.answer.status == 403, "{}", nothing.text());
    let fixed = json!({ "code_no": "tea-of-a-sub", "payee": sub, "amount": 610 });
    let fixed = street.post("/v1/codes", &fixed).await?.json();
    ensure!(fixed["wechat_product_url"].is_null(), "{fixed}");
    let same = json!({ "code_no": "desk-of-a-sub", "title": "分店" });
    let same = street.post("/v1/codes", &same).await?;
    ensure!(
        same.status == 409,
        "another payee is another code: {}",
        same.status
    );
    let foreign = json!({ "code_no": "desk-of-nobody", "payee": "1600000009" });
    let foreign = street.post("/v1/codes", &foreign).await?;
    ensure!(
        foreign.status == 403
            && foreign.json()["code"] == "payee_not_allowed"
            && text(&foreign.json()["detail"]).ends_with("(C03)"),
        "{} {}",
        foreign.status,
        foreign.json()
    );
    Ok(())
}

async fn plain_browsers(street: &Street) -> Done {
    let (no, url) = street.of_order(880).await?;
    let mut computer = street.browser(COMPUTER);
    let page = computer.open(&url).await?;
    for way in [
        "wechat.native",
        "alipay.qr",
        "alipay.page",
        "unionpay.qr",
        "baidu.page",
    ] {
        has(&page, way)?;
    }
    // Chrome holds each hop behind a form against this, and Alipay's gateway leads on to hosts of its own.
    let policy = page.answer.headers.get("content-security-policy");
    let policy = policy.and_then(|v| v.to_str().ok()).unwrap_or_default();
    ensure!(policy.contains("form-action 'self' https:;"), "{policy}");
    ensure!(!page.text().contains("wechat.h5"), "h5 on a computer");
    let scan = computer.send(&url, &[("way", "wechat.native")]).await?;
    has(&scan, "扫一扫")?;
    let qr = computer.once("GET", &format!("{}/qr", scan.address), "").await?;
    ensure!(qr.status == 200 && qr.body.starts_with(b"<svg"), "{}", qr.status);
    let order = street.order(&no).await?;
    street.yard.pay(&order).await?;
    has(&street.until(&mut computer, &scan, "paid").await?, "付款成功")?;

    let (no, url) = street.of_order(890).await?;
    let mut phone = street.browser(PHONE);
    let page = phone.open(&url).await?;
    has(&page, "wechat.h5")?;
    let opened = phone.send(&url, &[("way", "alipay.wap")]).await?;
    ensure!(opened.address.contains("/gateway.do"), "{}", opened.address);
    let pay = opened.attribute("href").context("a way to pay")?;
    let pay = format!("{}{pay}", street.yard.demo.channels.alipay_url());
    phone.open(&pay).await?;
    let back = phone.send(&pay, &[]).await?;
    ensure!(back.address.contains("/o/"), "{}", back.address);
    has(&street.until(&mut phone, &back, "paid").await?, "付款成功")?;
    ensure!(street.order(&no).await?["pay_way"] == "wap", "another way");

    unionpays_code(street).await?;
    baidus_pages(street).await?;
    let (_, url) = street.of_order(900).await?;
    let link = phone.send(&url, &[("way", "wechat.h5")]).await?;
    let href = link.attribute("href").unwrap_or_default();
    has(&link, "checkmweb")?;
    ensure!(
        link.text().contains("redirect_url=https%3A%2F%2F"),
        "no way back: {href} {}",
        link.text()
    );
    Ok(())
}

/// UnionPay's own code (主扫) on a computer. It cannot be closed there, so nothing takes its place before its end.
async fn unionpays_code(street: &Street) -> Done {
    let (no, url) = street.of_order(910).await?;
    let mut computer = street.browser(COMPUTER);
    let scan = computer.send(&url, &[("way", "unionpay.qr")]).await?;
    has(&scan, "请用云闪付或银行应用扫码付款")?;
    let qr = computer.once("GET", &format!("{}/qr", scan.address), "").await?;
    ensure!(qr.status == 200 && qr.body.starts_with(b"<svg"), "{}", qr.status);
    let order = street.order(&no).await?;
    ensure!(
        order["channel"] == "unionpay" && order["pay_way"] == "qr",
        "{order}"
    );
    has(&street.browser(WECHAT).open(&url).await?, "正在用另一种方式付款")?;
    street.yard.pay(&order).await?;
    has(&street.until(&mut computer, &scan, "paid").await?, "付款成功")
}

/// The Baidu wallet's own page, of a phone and of a computer.
async fn baidus_pages(street: &Street) -> Done {
    for (agent, way) in [(PHONE, "baidu.wap"), (COMPUTER, "baidu.page")] {
        let (no, url) = street.of_order(920).await?;
        let mut browser = street.browser(agent);
        has(&browser.open(&url).await?, way)?;
        let there = browser.send(&url, &[("way", way)]).await?;
        ensure!(!there.address.contains("/q/"), "{}", there.address);
        has(&there, "9.20")?;
        let order = street.order(&no).await?;
        ensure!(order["channel"] == "baidu", "{order}");
        street.yard.pay(&order).await?;
        let here = browser.open(&format!("{url}/o/{}", id(&order)?)).await?;
        has(&street.until(&mut browser, &here, "paid").await?, "付款成功")?;
    }
    Ok(())
}

/// UnionPay's app: one button, UnionPay's own page for phones, and what the browser brings back is not believed.
async fn unionpays_app(street: &Street) -> Done {
    let (no, url) = street.of_order(1310).await?;
    let mut app = street.browser(UNIONPAY);
    let page = app.open(&url).await?;
    has(&page, "unionpay.gateway")?;
    ensure!(
        !page.text().contains("wechat.") && !page.text().contains("alipay."),
        "another wallet's way in UnionPay's app: {}",
        page.text()
    );
    ensure!(
        street.order(&no).await?["id"].is_null(),
        "an order before a press"
    );
    let onward = app.send(&url, &[("way", "unionpay.gateway")]).await?;
    has(&onward, "正在前往银联")?;
    let order = street.order(&no).await?;
    ensure!(
        order["channel"] == "unionpay"
            && order["pay_way"] == "gateway"
            && order["state"] == "awaiting_payment",
        "{order}"
    );
    let there = app.go_on(&onward).await?;
    has(&there, "13.10")?;
    let sent = street.yard.demo.last_request("unionpay", "create").await?;
    ensure!(sent.contains("channelType=08"), "not the page for phones: {sent}");
    // Another wallet must wait: the form is in the payer's hands.
    let waits = street.browser(WECHAT).open(&url).await?;
    has(&waits, "正在用另一种方式付款")?;
    // Back without having paid, whatever the browser says.
    let here = format!("{url}/o/{}", id(&order)?);
    let back = app
        .send(&here, &[("respCode", "00"), ("orderId", &text(&order["number"]))])
        .await?;
    ensure!(
        back.attribute("data-state").as_deref() == Some("awaiting_payment") && back.way.len() == 2,
        "believed: {}",
        back.text()
    );
    street.yard.pay(&order).await?;
    has(&street.until(&mut app, &back, "paid").await?, "付款成功")?;
    has(&street.browser(WECHAT).open(&url).await?, "付款成功")?;
    street.yard.told(id(&order)?, "payment.paid").await?;
    // A computer gets the page for computers, in English too.
    let (_, url) = street.of_order(1320).await?;
    let mut computer = street.browser(COMPUTER).speaking("en");
    has(&computer.open(&url).await?, "Other banks (UnionPay)")?;
    let onward = computer.send(&url, &[("way", "unionpay.gateway")]).await?;
    has(&onward, "Going to UnionPay")?;
    has(&computer.go_on(&onward).await?, "13.20")?;
    let sent = street.yard.demo.last_request("unionpay", "create").await?;
    ensure!(
        sent.contains("channelType=07"),
        "not the page for computers: {sent}"
    );
    // A static code asks for the amount first.
    let url = street
        .code(&json!({ "code_no": "desk-unionpay", "title": "三号桌" }))
        .await?;
    let wrong = app
        .send(&url, &[("amount", "0"), ("way", "unionpay.gateway")])
        .await?;
    ensure!(wrong.answer.status == 422, "{}", wrong.answer.status);
    let onward = app
        .send(&url, &[("amount", "6.5"), ("way", "unionpay.gateway")])
        .await?;
    has(&app.go_on(&onward).await?, "6.50")
}

/// Whoever stands before a plate does not use up what another code may place, nor what pages that wait may ask.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_at_one_code_keeps_nobody_else_away() {
    let yard = Yard::with(Options {
        payer: 1,
        ..Options::default()
    });
    let street = Street {
        yard: yard.await.expect("demo"),
    };
    crowd(&street).await.unwrap_or_else(|e| panic!("{e:#}"));
}

async fn crowd(street: &Street) -> Done {
    let code = async |n: u32| {
        street
            .code(&json!({ "code_no": format!("crowd-{n}"), "title": "一号桌" }))
            .await
    };
    let (quiet, plate) = (code(1).await?, code(2).await?);
    let from = |n: u8| street.browser(COMPUTER).from(Ipv4Addr::new(127, 0, 0, 1 + n));
    let form = [("amount", "1"), ("way", "wechat.native")];
    // One stranger who places as much as a source may.
    let mut placed = 0;
    for _ in 0..150 {
        match from(200).send(&plate, &form).await?.answer.status {
            200 => placed += 1,
            429 => break,
            other => anyhow::bail!("the stranger: {other}"),
        }
    }
    ensure!((30..150).contains(&placed), "{placed} of one source");
    let page = from(201).send(&plate, &form).await?;
    ensure!(
        page.answer.status == 200,
        "whoever comes after: {} {}",
        page.answer.status,
        page.text()
    );
    let page = from(100).send(&quiet, &form).await?;
    ensure!(
        page.answer.status == 200,
        "another code: {} {}",
        page.answer.status,
        page.text()
    );
    // Pages that wait ask more often than payers open codes.
    let poll = page.attribute("data-poll").context("a page that waits")?;
    let base = quiet.split("/q/").next().unwrap_or_default().to_owned();
    let mut waiting = from(100);
    for _ in 0..80 {
        let answer = waiting.once("GET", &format!("{base}{poll}"), "").await?;
        ensure!(answer.status == 200, "a page that waits: {}", answer.status);
    }
    Ok(())
}

/// A wallet whose account is down is shown as closed, and is open again by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C83
async fn the_pages_follow_the_health_of_accounts() {
    let yard = Yard::with(Options {
        extra: "[routing]\nfailures = 2\nrest_ms = 12000\nrest_most_ms = 12000\n".into(),
        ..Options::default()
    })
    .await
    .expect("demo");
    follows(&Street { yard })
        .await
        .unwrap_or_else(|e| panic!("{e:#}"));
}

async fn follows(street: &Street) -> Done {
    let (_, url) = street.of_order(990).await?;
    let closed = |page: &Page| {
        page.text()
            .split("<button")
            .any(|button| button.contains("wechat.native") && button.contains("disabled"))
    };
    let mut computer = street.browser(COMPUTER);
    ensure!(
        !closed(&computer.open(&url).await?),
        "closed before anything failed"
    );
    for _ in 0..2 {
        let body = street.yard.body("wechat", 100);
        let fault = json!({ "channel": "wechat", "operation": "create", "kind": "status_5xx", "out_trade_no": body["order_no"] });
        street.yard.demo.control("/control/fault", &fault).await?;
        let answer = street.post("/v1/payments", &body).await?;
        ensure!(answer.status == 202, "{} {}", answer.status, answer.json());
    }
    let page = computer.open(&url).await?;
    ensure!(closed(&page), "still offered: {}", page.text());
    has(&page, "暂时不可用")?;
    ensure!(
        page.text()
            .split("<button")
            .any(|button| button.contains("alipay.qr") && !button.contains("disabled")),
        "Alipay was closed too"
    );
    // Whoever presses all the same gets the choice again, and no order.
    let again = computer.send(&url, &[("way", "wechat.native")]).await?;
    has(&again, "暂时不可用")?;
    let told = street.browser(WECHAT).speaking("en").open(&url).await?;
    ensure!(told.answer.status == 503, "{}", told.answer.status);
    has(&told, "cannot be reached now")?;
    has(&told, "These work now: Alipay, UnionPay")?;
    for _ in 0..400 {
        if !closed(&computer.open(&url).await?) {
            let open = computer.send(&url, &[("way", "wechat.native")]).await?;
            return has(&open, "扫一扫");
        }
        sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("not open again within 40 s")
}

/// Opened in WeChat, then in Alipay: the former is closed at its channel first, and one payment stands.
async fn two_wallets(street: &Street) -> Done {
    let (no, url) = street.of_order(660).await?;
    let (mut first, mut second) = (street.browser(WECHAT), street.browser(ALIPAY));
    let there = first.open(&url).await?;
    let here = second.open(&url).await?;
    let order = street.order(&no).await?;
    ensure!(order["attempt"] == 2 && order["channel"] == "alipay", "{order}");
    // The first wallet's page calls nothing up any more.
    let stale = first.open(&there.address).await?;
    ensure!(
        stale.attribute("data-call").is_none(),
        "two wallets at once: {}",
        stale.text()
    );
    let late = first.pay(&there, &street.sandbox(WECHAT)).await;
    ensure!(
        late.is_err_and(|e| e.to_string().contains("订单已关闭")),
        "the former attempt could be paid"
    );
    let back = second.pay(&here, &street.sandbox(ALIPAY)).await?;
    let paid = street.until(&mut second, &back, "paid").await?;
    has(&paid, "付款成功")?;
    // The first wallet takes it all the same: its payer reads what stands, and that the other payment went back. (Which of them does
    // its channel's clock says: WeChat's counts whole seconds.)
    let late = json!({ "channel": "wechat", "out_trade_no": no, "outcome": "late" });
    street.yard.demo.control("/control/pay", &late).await?;
    let began = std::time::Instant::now();
    loop {
        let beside = first.open(&paid.address).await?;
        if beside.text().contains("已退款") {
            has(&beside, " · ¥ 6.60")?;
            return has(&beside, "付款成功");
        }
        ensure!(began.elapsed() < Duration::from_secs(30), "{}", beside.text());
        sleep(Duration::from_millis(200)).await;
    }
}

/// Two people scan one order's code with the same wallet: the later takes it over.
async fn two_payers(street: &Street) -> Done {
    let (no, url) = street.of_order(670).await?;
    let mut first = street.browser(WECHAT);
    let there = first.open(&url).await?;
    let sandbox = street.yard.demo.channels.wechat;
    let mut friend = street
        .browser(WECHAT)
        .signed_in(sandbox, "wechat", "oOneCodeFriend000000000001");
    let here = friend.open(&url).await?;
    let order = street.order(&no).await?;
    ensure!(order["attempt"] == 2, "{order}");
    ensure!(
        first.pay(&there, &street.sandbox(WECHAT)).await.is_err(),
        "the former attempt could be paid"
    );
    let back = friend.pay(&here, &street.sandbox(WECHAT)).await?;
    has(&street.until(&mut friend, &back, "paid").await?, "付款成功")?;
    // The same payer again is the same attempt.
    let (no, url) = street.of_order(680).await?;
    first.open(&url).await?;
    first.open(&url).await?;
    ensure!(
        street.order(&no).await?["attempt"] == 1,
        "a new attempt for the same payer"
    );
    Ok(())
}

//= C70
async fn refused(street: &Street) -> Done {
    let demo = &street.yard.demo;
    let (_, url) = street.of_order(710).await?;
    let mut browser = street.browser(WECHAT);
    // A state is of one browser, and counts once.
    let first = browser.once("GET", &url, "").await?;
    let wallet = first
        .headers
        .get("location")
        .and_then(|v| v.to_str().ok())
        .context("to the wallet")?
        .split('#')
        .next()
        .unwrap_or_default()
        .to_owned();
    let cookie = first
        .headers
        .get("set-cookie")
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    ensure!(
        ["__Host-payer=", "Secure", "HttpOnly", "SameSite=Lax"]
            .iter()
            .all(|part| cookie.contains(part)),
        "{cookie}"
    );
    let back = browser.once("GET", &wallet, "").await?;
    let back = back
        .headers
        .get("location")
        .and_then(|v| v.to_str().ok())
        .context("back")?
        .to_owned();
    let mut thief = street.browser(WECHAT);
    has(&thief.open(&back).await?, "页面已过期")?;
    has(&browser.open(&back).await?, "立即付款")?;
    has(&browser.open(&back).await?, "页面已过期")?;
    // The wallet's own error in plain words, with its code.
    let (_, url) = street.of_order(720).await?;
    for (kind, said) in [
        ("busy", "45011"),
        ("garbage", "deadline"),
        ("status_5xx", "deadline"),
    ] {
        demo.control(
            "/control/fault",
            &json!({ "channel": "wechat", "operation": "authorize", "kind": kind }),
        )
        .await?;
        has(&street.browser(WECHAT).open(&url).await?, said)?;
    }
    demo.control(
        "/control/fault",
        &json!({ "channel": "alipay", "operation": "authorize", "kind": "wrong_signature" }),
    )
    .await?;
    has(&street.browser(ALIPAY).open(&url).await?, "deadline")?;
    demo.control(
        "/control/fault",
        &json!({ "channel": "wechat", "operation": "create", "kind": "busy" }),
    )
    .await?;
    let busy = street.browser(WECHAT).speaking("en").open(&url).await?;
    ensure!(
        busy.answer.status == 503 && busy.text().contains("Too many at once"),
        "{} {}",
        busy.answer.status,
        busy.text()
    );
    // A form of another site, a path that is none, another code's order.
    let mut plain = street.browser(COMPUTER);
    let page = plain.open("https://127.0.0.1:1/").await;
    ensure!(page.is_err(), "there is nobody");
    let base = url
        .rsplit_once('/')
        .map(|(base, _)| base.to_owned())
        .unwrap_or_default();
    for path in [
        "0000000000000000",
        "x",
        &format!(
            "{}/o/00112233445566778899aabbccddeeff",
            url.rsplit('/').next().unwrap_or_default()
        ),
    ] {
        ensure!(
            plain.open(&format!("{base}/{path}")).await?.answer.status == 404,
            "{path}"
        );
    }
    let page = plain.open(&url).await?;
    let policy = page
        .answer
        .headers
        .get("content-security-policy")
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    ensure!(
        policy.contains("default-src 'none'")
            && policy.contains("script-src 'self';")
            && !policy.contains("unsafe"),
        "{policy}"
    );
    Ok(())
}

/// Revoked, ended, and everything still there after a restart.
//= C68
async fn ended(street: &Street) -> Done {
    let (_, kept) = street.of_order(810).await?;
    closed_by_the_shop(street).await?;
    let (_, revoked) = street.of_order(820).await?;
    let code = revoked.rsplit('/').next().unwrap_or_default().to_owned();
    let answer = street
        .post(&format!("/v1/codes/{code}/revoke"), &json!({}))
        .await?;
    ensure!(answer.json()["state"] == "revoked", "{}", answer.json());
    for (body, code) in [
        (json!({ "code_no": "x", "order_no": "A1" }), "invalid_field"),
        (json!({ "code_no": "x", "amount": 50_001 }), "amount_over_limit"),
        (
            json!({ "code_no": "x", "title": "请打 13800138000" }),
            "invalid_field",
        ),
        (
            json!({ "code_no": "x", "title": "请打 138-0013-8000" }),
            "invalid_field",
        ),
        (
            json!({ "code_no": "x", "title": "卡 ４１１１ 1111 1111 1111" }),
            "invalid_field",
        ),
        (json!({ "code_no": "x", "terminal": "NOBODYS" }), "invalid_field"),
        (
            json!({ "code_no": "x", "code": { "kind": "static", "level": "B" } }),
            "invalid_field",
        ),
        (json!({ "code_no": "x", "price": 1 }), "unknown_field"),
    ] {
        let said = street.post("/v1/codes", &body).await?;
        ensure!(said.json()["code"] == code, "{body}: {}", said.json());
    }
    let made = street
        .post("/v1/codes", &json!({ "code_no": "same", "amount": 100 }))
        .await?;
    let other = street
        .post("/v1/codes", &json!({ "code_no": "same", "amount": 101 }))
        .await?;
    ensure!(
        other.status == 409 && other.json()["code"] == "code_changed",
        "{}",
        other.json()
    );
    street.yard.demo.services.kill_proxy().await?;
    street.yard.start().await?;
    let again = street
        .post("/v1/codes", &json!({ "code_no": "same", "amount": 100 }))
        .await?;
    ensure!(
        again.status == 200 && again.json()["id"] == made.json()["id"],
        "{} {}",
        again.status,
        again.json()
    );
    has(&street.browser(WECHAT).open(&revoked).await?, "已失效")?;
    has(&street.browser(WECHAT).open(&kept).await?, "立即付款")
}

/// What the shop closed nobody opens again at its code: neither a payer who comes later nor one whose page stands open.
async fn closed_by_the_shop(street: &Street) -> Done {
    let (no, url) = street.of_order(830).await?;
    let mut first = street.browser(COMPUTER);
    first.open(&url).await?;
    let mut second = street.browser(WECHAT);
    second.open(&url).await?;
    let order = street.order(&no).await?;
    let id = order["id"].as_str().unwrap_or_default();
    let closed = street
        .post(&format!("/v1/payments/{id}/close"), &json!({}))
        .await?;
    ensure!(closed.json()["state"] == "closed", "{}", closed.json());
    let late = first.send(&url, &[("way", "alipay.qr")]).await?;
    has(&late, "这笔订单已关闭")?;
    has(&street.browser(ALIPAY).open(&url).await?, "这笔订单已关闭")?;
    let order = street.order(&no).await?;
    ensure!(order["state"] == "closed" && order["attempt"] == 1, "{order}");
    Ok(())
}

/// As many as the setting says, and all of them listed in pages, whatever restarts in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C68
async fn codes_are_listed_in_pages_and_no_more_than_the_setting_says() -> Done {
    let yard = Yard::with(Options {
        limits: "codes = 5\n".into(),
        ..Options::default()
    })
    .await?;
    let street = Street { yard };
    let body = |n: usize| json!({ "code_no": format!("desk-{n}") });
    for n in 0..5 {
        street.code(&body(n)).await?;
    }
    let one_more = street.post("/v1/codes", &body(5)).await?;
    ensure!(
        one_more.status == 409 && one_more.json()["code"] == "too_many_codes",
        "{} {}",
        one_more.status,
        one_more.json()
    );
    ensure!(
        street.post("/v1/codes", &body(4)).await?.status == 200,
        "the same again is no further code"
    );
    street.yard.demo.services.kill_proxy().await?;
    street.yard.start().await?;
    let ask = async |query: &str| {
        let path = format!("/v1/codes{query}");
        anyhow::Ok(street.yard.merchant()?.ask("GET", &path, None).await?)
    };
    let (mut numbers, mut after, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = ask(&format!("?limit=2{after}")).await?.json();
        let codes = page["codes"].as_array().context("codes")?;
        numbers.extend(codes.iter().map(|code| text(&code["code_no"])));
        pages += 1;
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let wanted: Vec<String> = (0..5).map(|n| format!("desk-{n}")).collect();
    ensure!(numbers == wanted && pages == 3, "{numbers:?} in {pages} pages");
    for wrong in ["?limit=0", "?limit=501", "?limit=x", "?after=x"] {
        let said = ask(wrong).await?;
        ensure!(said.json()["code"] == "invalid_field", "{wrong}: {}", said.json());
    }
    let still = street.post("/v1/codes", &body(5)).await?;
    ensure!(still.status == 409, "{}", still.json());
    Ok(())
}
