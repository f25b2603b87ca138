//! Alipay's page and wap orders of a merchant's own client with only the host changed: the payer's browser brings what the
//! merchant has signed, by address or by form, and is sent on with it once the order is on record. What is not carried is
//! refused on a page; what nobody opened is closed when its time is over; with the merchant's keys here and without; killed
//! between every two steps.

use crate::{
    kills::{MUTATION, Yard, id},
    native::shown,
};
use anyhow::{Context, bail, ensure};
use domain::{Breach, TradeEntry, TradeEvent};
use journal::{Reader, disk::RealDisk};
use sandbox::demo::{
    acp::now,
    alipay_door::AlipayDoor,
    browser::{Browser, COMPUTER, PHONE},
    http::Answer,
    place::{Options, RETURN_HOST},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::sleep;

type Done = anyhow::Result<()>;

const PAGE: &str = "alipay.trade.page.pay";
const WAP: &str = "alipay.trade.wap.pay";

/// A shop on the web whose pages send browsers to its gateway, which is ours.
struct Shop<'a> {
    yard: &'a Yard,
    door: AlipayDoor,
    gateway: String,
}

/// How a browser brings it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    Address,
    Form,
    /// Public parameters in the address, the rest in the form, as published clients write it.
    Both,
}

impl<'a> Shop<'a> {
    fn of(yard: &'a Yard) -> anyhow::Result<Shop<'a>> {
        let place = &yard.demo.place;
        Ok(Shop {
            yard,
            door: AlipayDoor::open(place, yard.demo.ca(), &place.merchants[0])?,
            gateway: format!("https://127.0.0.1:{}/gateway.do", place.ports.alipay),
        })
    }

    fn browser(&self) -> Browser {
        Browser::new(self.yard.demo.ca(), COMPUTER)
    }

    /// A signed order.
    fn order(&self, method: &str, number: &str, yuan: &str, more: Value) -> anyhow::Result<String> {
        self.door.for_browser(
            method,
            &content(method, number, yuan, more),
            &format!("https://{RETURN_HOST}/back?o=1"),
        )
    }

    /// Where the browser is sent with it, no further.
    async fn bring(&self, browser: &mut Browser, by: By, form: &str) -> anyhow::Result<Answer> {
        let (method, address, body) = self.request(by, form);
        browser.once(method, &address, &body).await
    }

    fn request(&self, by: By, form: &str) -> (&'static str, String, String) {
        let (rest, content): (Vec<&str>, Vec<&str>) = form
            .split('&')
            .partition(|pair| !pair.starts_with("biz_content="));
        match by {
            By::Address => ("GET", format!("{}?{form}", self.gateway), String::new()),
            By::Form => ("POST", self.gateway.clone(), form.to_owned()),
            By::Both => (
                "POST",
                format!("{}?{}", self.gateway, rest.join("&")),
                content.join("&"),
            ),
        }
    }

    /// The browser is sent on to the licensed host with the very octets.
    async fn sent_on(&self, browser: &mut Browser, by: By, form: &str) -> anyhow::Result<String> {
        let answer = self.bring(browser, by, form).await?;
        let place = answer
            .headers
            .get("location")
            .and_then(|l| l.to_str().ok())
            .unwrap_or_default();
        let (_, asked, _) = self.request(by, form);
        let (_, target) = asked.split_once("/gateway.do").context("a gateway")?;
        let wanted = format!(
            "https://openapi.alipay.com:{}/gateway.do{target}",
            self.yard.demo.channels.alipay.port()
        );
        ensure!(
            answer.status == 307 && place == wanted,
            "{} {place} {}",
            answer.status,
            text(&answer)
        );
        ensure!(answer.body.is_empty(), "a page of ours");
        Ok(place.to_owned())
    }

    /// Refused on a page in the payer's language.
    async fn refused(&self, form: &str, status: u16, word: &str) -> anyhow::Result<String> {
        let zh = self.bring(&mut self.browser(), By::Form, form).await?;
        page_says(&zh, status, "zh-CN", word)?;
        let en = self
            .bring(&mut self.browser().speaking("en-GB,en;q=0.9"), By::Address, form)
            .await?;
        page_says(&en, status, "en", word)?;
        Ok(text(&en))
    }

    async fn until(&self, number: &str, state: &str) -> anyhow::Result<Value> {
        let mut last = Value::Null;
        for _ in 0..250 {
            last = shown(self.yard, number).await?;
            if last["state"] == state {
                return Ok(last);
            }
            sleep(Duration::from_millis(100)).await;
        }
        bail!("{number} is not {state} within 25 s: {last}")
    }

    async fn pay(&self, number: &str, notify: bool) -> Done {
        let pay = json!({ "channel": "alipay", "out_trade_no": number, "outcome": "paid", "notify": notify });
        self.yard.demo.control("/control/pay", &pay).await.map(drop)
    }

    /// What Alipay has of it; `null` where it has nothing.
    async fn there(&self, number: &str) -> anyhow::Result<Value> {
        let all = self.yard.demo.channel_orders().await?;
        let all = all["orders"].as_array().context("orders")?;
        let mut found = all.iter().filter(|o| o["out_trade_no"] == *number);
        let one = found.next().cloned().unwrap_or_default();
        ensure!(found.next().is_none(), "two trades of {number}");
        Ok(one)
    }

    async fn nothing_there(&self, number: &str) -> Done {
        let there = self.there(number).await?;
        ensure!(there.is_null(), "Alipay has {there}");
        Ok(())
    }

    /// Alipay's notice of it came to the merchant as Alipay signed it.
    async fn relayed(&self, number: &str) -> Done {
        for _ in 0..200 {
            for came in self.yard.demo.shop().came("/relay/alipay/") {
                let fields: BTreeMap<String, String> =
                    form_urlencoded::parse(&came.body).into_owned().collect();
                if fields.get("out_trade_no").is_some_and(|no| no == number) {
                    return self.door.notice(&came.body).map(drop);
                }
            }
            sleep(Duration::from_millis(100)).await;
        }
        bail!("no notice of {number} was relayed within 20 s")
    }

    async fn ask(&self, call: &str, content: &Value) -> anyhow::Result<Value> {
        self.door
            .gateway(&format!("alipay.trade.{call}"), content, false)
            .await
    }
}

fn content(method: &str, number: &str, yuan: &str, more: Value) -> Value {
    let code = if method == PAGE {
        "FAST_INSTANT_TRADE_PAY"
    } else {
        "QUICK_WAP_WAY"
    };
    let mut content = json!({ "out_trade_no": number, "total_amount": yuan, "subject": "奶茶 Milk tea", "product_code": code });
    if let (Some(content), Value::Object(more)) = (content.as_object_mut(), more) {
        content.extend(more);
    }
    content
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

fn page_says(answer: &Answer, status: u16, language: &str, word: &str) -> Done {
    let (page, kind) = (text(answer), answer.headers.get("content-type"));
    ensure!(
        answer.status == status
            && kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
            && page.contains(&format!("<html lang=\"{language}\">"))
            && page.contains(word),
        "{} {page}, not {status} {word}",
        answer.status
    );
    Ok(())
}

fn china(at: domain::Instant) -> String {
    at.to_string()
        .chars()
        .take(19)
        .map(|c| if c == 'T' { ' ' } else { c })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C76
async fn a_browser_is_sent_on_with_what_the_merchant_signed() {
    let yard = Yard::open().await.expect("demo");
    let shop = Shop::of(&yard).expect("a shop");
    for (method, by, notify) in [
        (PAGE, By::Address, true),
        (PAGE, By::Both, false),
        (WAP, By::Form, true),
        (WAP, By::Address, false),
    ] {
        life(&shop, method, by, notify)
            .await
            .unwrap_or_else(|e| panic!("{method} {by:?}: {e:#}"));
    }
    let (unopened, over, late, loaded) = tokio::join!(
        closed_before_it_is_opened(&shop),
        over_unpaid(&shop),
        refused(&shop),
        loaded_without_end(&shop)
    );
    for (what, done) in [("close", unopened), ("end", over), ("refused", late)] {
        done.unwrap_or_else(|e| panic!("{what}: {e:#}"));
    }
    yard.demo.services.stop_proxy().await.expect("stops");
    yard.demo.prove_journal().expect("the journal is whole");
    changed_content_is_on_record(&yard).expect("on record");
    let loaded = loaded.unwrap_or_else(|e| panic!("loaded: {e:#}"));
    in_hands_once(&yard, &loaded).expect("on record once");
}

/// Brought, brought again, opened, paid, told, paid back: one order here and there.
async fn life(shop: &Shop<'_>, method: &str, by: By, notify: bool) -> Done {
    let number = shop.yard.demo.next_number();
    let form = shop.order(method, &number, "4.70", json!({}))?;
    let mut browser = Browser::new(shop.yard.demo.ca(), PHONE);
    // Twice at once, and once more: the payer is impatient.
    let mut other = shop.browser();
    let (a, b) = tokio::join!(
        shop.sent_on(&mut browser, by, &form),
        shop.sent_on(&mut other, by, &form)
    );
    let (place, _) = (a?, b?);
    shop.sent_on(&mut browser, by, &form).await?;
    let placed = shown(shop.yard, &number).await?;
    let way = if method == PAGE { "page" } else { "wap" };
    ensure!(
        placed["state"] == "awaiting_payment" && placed["pay_way"] == way && placed["amount"] == 470,
        "{placed}"
    );
    ensure!(placed["call_up"].is_null(), "kept: {placed}");
    shop.nothing_there(&number)
        .await
        .context("before the browser came")?;
    let asked = shop.ask("query", &json!({ "out_trade_no": number })).await?;
    ensure!(asked["sub_code"] == "ACQ.TRADE_NOT_EXIST", "{asked}");
    let (_, address, body) = shop.request(by, &form);
    let page = match by {
        By::Address => browser.open(&address).await?,
        _ => browser.send_octets(&address, &body).await?,
    };
    ensure!(
        page.way == [address, place] && page.text().contains(&number),
        "{:?} {}",
        page.way,
        page.text()
    );
    ensure!(
        page.text().contains("back="),
        "the way back is lost: {}",
        page.text()
    );
    shop.pay(&number, notify).await?;
    if notify {
        shop.relayed(&number).await?;
    } else {
        let asked = shop.ask("query", &json!({ "out_trade_no": number })).await?;
        ensure!(asked["trade_status"] == "TRADE_SUCCESS", "{asked}");
    }
    let paid = shop.until(&number, "paid").await?;
    shop.yard.told(id(&paid)?, "payment.paid").await?;
    // Back and again: Alipay's own page says that it is paid.
    shop.sent_on(&mut browser, by, &form).await?;
    let refund =
        json!({ "out_trade_no": number, "out_request_no": format!("R{number}"), "refund_amount": "4.70" });
    let back = shop.ask("refund", &refund).await?;
    ensure!(back["fund_change"] == "Y", "{back}");
    let asked = json!({ "out_trade_no": number, "out_request_no": format!("R{number}") });
    let asked = shop.ask("fastpay.refund.query", &asked).await?;
    ensure!(asked["refund_status"] == "REFUND_SUCCESS", "{asked}");
    shop.until(&number, "refunded").await?;
    let there = shop.there(&number).await?;
    ensure!(there["fen"] == 470 && there["refunded_fen"] == 470, "{there}");
    println!(
        "{method} by {by:?}: one order, paid ({}), paid back",
        paid["paid"]["proof"]
    );
    Ok(())
}

/// Whoever has the address may load it without end: that takes nothing of the shop's own rate. Yields the order's number here.
async fn loaded_without_end(shop: &Shop<'_>) -> anyhow::Result<String> {
    let number = shop.yard.demo.next_number();
    let form = shop.order(PAGE, &number, "4.40", json!({}))?;
    shop.sent_on(&mut shop.browser(), By::Address, &form).await?;
    let load = async || {
        let (mut browser, mut sent_on) = (shop.browser(), 0);
        for _ in 0..100 {
            match shop.bring(&mut browser, By::Address, &form).await?.status {
                307 => sent_on += 1,
                429 => {}
                other => bail!("loaded again: {other}"),
            }
        }
        anyhow::Ok(sent_on)
    };
    let began = std::time::Instant::now();
    let (a, b, c, d, e, beside) = tokio::join!(
        load(),
        load(),
        load(),
        load(),
        load(),
        shop.yard.placed("wechat", 440)
    );
    beside.context("an order beside them")?;
    let (sent_on, most) = (a? + b? + c? + d? + e?, 11 + began.elapsed().as_secs());
    ensure!(
        sent_on > 0 && sent_on <= most,
        "{sent_on} of 500 were sent on, not {most} at most"
    );
    Ok(id(&shown(shop.yard, &number).await?)?.to_owned())
}

/// However often it was loaded.
fn in_hands_once(yard: &Yard, payment: &str) -> Done {
    let reader = Reader::open(Arc::new(RealDisk), &yard.demo.place.dir.join("data/trades"))?;
    let mut placed = 0;
    for item in reader.scan(0) {
        let entry = TradeEntry::from_canonical(&item?.1)?;
        let own = entry.order.is_some_and(|order| order.to_string() == payment);
        placed += usize::from(own && matches!(entry.event, TradeEvent::AttemptPlaced { .. }));
    }
    ensure!(placed == 1, "{placed} entries that it is in its payer's hands");
    Ok(())
}

/// A close that finds nothing waits, as for what is handed out by the unified API: nobody is sent on any more, and who has the
/// address still can open it, whereupon it is closed.
async fn closed_before_it_is_opened(shop: &Shop<'_>) -> Done {
    let number = shop.yard.demo.next_number();
    let form = shop.order(PAGE, &number, "4.80", json!({}))?;
    let mut browser = shop.browser();
    let place = shop.sent_on(&mut browser, By::Address, &form).await?;
    let said = shop.ask("close", &json!({ "out_trade_no": number })).await?;
    ensure!(said["sub_code"] == "ACQ.TRADE_NOT_EXIST", "{said}");
    let waits = shown(shop.yard, &number).await?;
    ensure!(
        waits["state"] == "awaiting_payment",
        "closed while it can be opened: {waits}"
    );
    shop.refused(&form, 409, "ACQ.TRADE_HAS_CLOSE").await?;
    shop.nothing_there(&number).await?;
    browser.open(&place).await?;
    let order = shop.until(&number, "closed").await?;
    shop.yard.told(id(&order)?, "payment.closed").await?;
    ensure!(
        shop.there(&number).await?["state"] == "TRADE_CLOSED",
        "open at Alipay"
    );
    shop.refused(&form, 409, "ACQ.TRADE_HAS_CLOSE").await.map(drop)
}

/// Its time over, an order that nobody opened and one that nobody paid are closed by us.
async fn over_unpaid(shop: &Shop<'_>) -> Done {
    for opened in [false, true] {
        let number = shop.yard.demo.next_number();
        let end = china(now().plus_millis(12_000));
        let form = shop.order(WAP, &number, "4.90", json!({ "time_expire": end }))?;
        let place = shop.sent_on(&mut shop.browser(), By::Address, &form).await?;
        if opened {
            let page = shop.browser().open(&place).await?;
            ensure!(page.text().contains(&number), "{}", page.text());
        }
        let order = shop.until(&number, "closed").await?;
        shop.yard.told(id(&order)?, "payment.closed").await?;
        let there = shop.there(&number).await?;
        ensure!(there.is_null() != opened, "{there}");
    }
    Ok(())
}

/// What never reaches Alipay, and what the payer reads.
//= C21
//= C76
async fn refused(shop: &Shop<'_>) -> Done {
    let number = || shop.yard.demo.next_number();
    // Another amount under the same number.
    let first = number();
    let form = shop.order(PAGE, &first, "5.00", json!({}))?;
    shop.sent_on(&mut shop.browser(), By::Form, &form).await?;
    let other = shop.order(PAGE, &first, "5.01", json!({}))?;
    let page = shop.refused(&other, 409, "ACQ.CONTEXT_INCONSISTENT").await?;
    ensure!(page.contains("another amount"), "{page}");
    ensure!(
        shown(shop.yard, &first).await?["amount"] == 500,
        "another amount on record"
    );
    // Another way under it would be a second order that could be paid too.
    shop.refused(
        &shop.order(WAP, &first, "5.00", json!({}))?,
        403,
        "placed by another way to pay (page)",
    )
    .await?;
    let back = format!("https://{RETURN_HOST}/back");
    let lawful = |number: &str| content(PAGE, number, "5.00", json!({}));
    let signed = |content: &Value, more: &[(&str, &str)]| shop.door.signed(PAGE, content, more);
    // A host that is not the shop's, at each place that names one.
    let no = number();
    shop.refused(
        &signed(&lawful(&no), &[("return_url", "https://elsewhere.example/")])?,
        403,
        "return_url must be",
    )
    .await?;
    let quits = content(
        WAP,
        &no,
        "5.00",
        json!({ "quit_url": "https://elsewhere.example/" }),
    );
    shop.refused(&shop.door.signed(WAP, &quits, &[])?, 403, "quit_url must be")
        .await?;
    // Money for somebody else, and who pays.
    for (name, value) in [
        ("royalty_info", json!({ "royalty_type": "ROYALTY" })),
        ("settle_info", json!({})),
        ("sub_merchant", json!({ "merchant_id": "1" })),
        ("ext_user_info", json!({ "name": "x" })),
        ("agreement_sign_params", json!({})),
    ] {
        let form = shop.order(PAGE, &no, "5.00", json!({ name: value }))?;
        let page = shop.refused(&form, 403, name).await?;
        ensure!(page.contains("(C21)") || page.contains("(C02)"), "{page}");
    }
    let form = shop.order(PAGE, &no, "5.00", json!({ "product_code": "OTHER" }))?;
    shop.refused(&form, 400, "product_code").await?;
    let mut bare = lawful(&no);
    bare.as_object_mut().context("fields")?.remove("product_code");
    shop.refused(&signed(&bare, &[])?, 400, "product_code is missing")
        .await?;
    // What can be read in two ways.
    let form = shop.order(PAGE, &no, "5.00", json!({}))?;
    let twice = shop
        .bring(&mut shop.browser(), By::Form, &format!("{form}&charset=utf-8"))
        .await?;
    page_says(&twice, 400, "zh-CN", "charset stands twice")?;
    let (_, address, body) = shop.request(By::Both, &form);
    let beside = shop
        .browser()
        .once("POST", &address, &format!("{body}&app_id=2021000000000001"))
        .await?;
    page_says(&beside, 400, "zh-CN", "app_id stands twice")?;
    let gbk = form.replace("biz_content=", "biz_content=%C4%CC");
    shop.refused(&gbk, 400, "is not UTF-8").await?;
    // Altered on the way, too old, unsigned.
    shop.refused(&form.replace("5.00", "5.02"), 401, "isv.invalid-signature")
        .await?;
    let at = |minutes: i64| now().plus_millis(-minutes * 60_000);
    let old = shop
        .door
        .signed_at(at(31), PAGE, &lawful(&no), &[("return_url", &back)])?;
    shop.refused(&old, 401, "isv.invalid-signature").await?;
    shop.nothing_there(&no).await?;
    let answer = shop
        .yard
        .merchant()?
        .ask("GET", &format!("/v1/payments?order_no={no}"), None)
        .await?;
    ensure!(answer.status == 404, "on record: {}", answer.json());
    // The service was not yet there when it was signed, so it may be an old one again; the shop signs it anew.
    let waited = shop.door.signed_at(at(29), PAGE, &lawful(&no), &[])?;
    shop.refused(&waited, 401, "isv.invalid-signature").await?;
    server_calls_hear_json(shop).await
}

/// No browser: an app's order is none of a server's, a page is not cancelled by its number, and a code has no way back to a stranger.
async fn server_calls_hear_json(shop: &Shop<'_>) -> Done {
    let number = shop.yard.demo.next_number();
    let app = json!({ "out_trade_no": number, "total_amount": "5.00", "subject": "tea", "product_code": "QUICK_MSECURITY_PAY" });
    let code = json!({ "out_trade_no": number, "total_amount": "5.00", "subject": "tea" });
    for (method, content, back, word) in [
        (
            "alipay.trade.app.pay",
            &app,
            "https://shop.example/",
            "pay_way app",
        ),
        (
            "alipay.trade.precreate",
            &code,
            "https://elsewhere.example/",
            "return_url must be",
        ),
    ] {
        let form = shop.door.signed(method, content, &[("return_url", back)])?;
        let answer = shop.bring(&mut shop.browser(), By::Form, &form).await?;
        let said = answer.json();
        let said = &said["error_response"];
        ensure!(
            said["code"] == "40006" && said["sub_msg"].as_str().is_some_and(|m| m.contains(word)),
            "{}",
            text(&answer)
        );
    }
    let form = shop.order(PAGE, &number, "5.00", json!({}))?;
    shop.sent_on(&mut shop.browser(), By::Form, &form).await?;
    let cancel = shop
        .door
        .signed("alipay.trade.cancel", &json!({ "out_trade_no": number }), &[])?;
    let answer = shop.bring(&mut shop.browser(), By::Form, &cancel).await?;
    ensure!(
        answer.json()["error_response"]["code"] == "40006",
        "{}",
        text(&answer)
    );
    Ok(())
}

/// Each refusal of other content under a number that is on record is on record too.
fn changed_content_is_on_record(yard: &Yard) -> Done {
    let reader = Reader::open(Arc::new(RealDisk), &yard.demo.place.dir.join("data/trades"))?;
    let mut found = 0;
    for item in reader.scan(0) {
        let entry = TradeEntry::from_canonical(&item?.1)?;
        if let TradeEvent::GuardRefused {
            breach: Breach::Value,
            name: Some(name),
            ..
        } = &entry.event
            && &**name == "out_trade_no"
        {
            ensure!(entry.merchant.is_some(), "nobody's");
            found += 1;
        }
    }
    // The page was asked for in two languages.
    ensure!(found == 2, "{found} refusals on record");
    Ok(())
}

/// Where only the merchant holds the key the same octets go on; its own query tells what came of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_keys_that_the_merchant_alone_has() {
    let options = Options {
        keys_held: false,
        ..Options::default()
    };
    let yard = Yard::with(options).await.expect("demo");
    let shop = Shop::of(&yard).expect("a shop");
    let done = async {
        let number = yard.demo.next_number();
        let form = shop.order(WAP, &number, "4.60", json!({}))?;
        let place = shop.sent_on(&mut shop.browser(), By::Form, &form).await?;
        shop.browser().send_octets(&place, &form).await?;
        shop.pay(&number, false).await?;
        let asked = shop.ask("query", &json!({ "out_trade_no": number })).await?;
        ensure!(asked["trade_status"] == "TRADE_SUCCESS", "{asked}");
        shop.until(&number, "paid").await?;
        let other = shop.order(WAP, &number, "4.61", json!({}))?;
        shop.refused(&other, 409, "ACQ.TRADE_HAS_SUCCESS").await.map(drop)
    };
    done.await.unwrap_or_else(|e: anyhow::Error| panic!("{e:#}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C76
async fn killed_between_every_two_steps_of_what_a_browser_brings() {
    let yard = Yard::open().await.expect("demo");
    for step in MUTATION {
        let said = killed_at(&yard, step)
            .await
            .unwrap_or_else(|e| panic!("{step}: {e:#}"));
        println!("{step}: {said}");
    }
    yard.demo.services.stop_proxy().await.expect("stops");
    yard.demo.prove_journal().expect("the journal is whole");
}

/// The browser hears nothing. The payer loads the page again: what is on record goes on, what is not was signed before this run
/// and is refused, so the shop signs it anew. One order comes of it, paid once.
async fn killed_at(yard: &Yard, step: &str) -> anyhow::Result<&'static str> {
    yard.restart_until(step).await?;
    let shop = Shop::of(yard)?;
    let number = yard.demo.next_number();
    let mut form = shop.order(PAGE, &number, "7.00", json!({}))?;
    ensure!(
        shop.bring(&mut shop.browser(), By::Form, &form).await.is_err(),
        "answered although the proxy ended before"
    );
    yard.stopped_and_started().await?;
    shop.nothing_there(&number).await?;
    let again = shop.bring(&mut shop.browser(), By::Form, &form).await?;
    let said = match again.status {
        307 => "the same form went on",
        401 if step == "before_intent" => {
            form = shop.order(PAGE, &number, "7.00", json!({}))?;
            "signed anew"
        }
        other => bail!("{other} {}", text(&again)),
    };
    let place = shop.sent_on(&mut shop.browser(), By::Form, &form).await?;
    let page = shop.browser().send_octets(&place, &form).await?;
    ensure!(page.text().contains(&number), "{}", page.text());
    shop.pay(&number, true).await?;
    let order = shop.until(&number, "paid").await?;
    yard.told(id(&order)?, "payment.paid").await?;
    ensure!(
        order["attempts"].as_array().is_none_or(|all| all.len() == 1),
        "{order}"
    );
    ensure!(shop.there(&number).await?["fen"] == 700, "another amount");
    Ok(said)
}
