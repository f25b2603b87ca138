//! The one code in a real browser with each wallet's User-Agent, in Chinese and English: it places the right order and shows
//! what happened. `GUANDAO_SCREENSHOTS=DIR` keeps the pictures; those of the manual are made so.

use super::{
    Street,
    chromium::{Chromium, Look, Tab},
};
use crate::kills::text;
use anyhow::{Context, ensure};
use sandbox::demo::browser::{ALIPAY, COMPUTER, UNIONPAY, WECHAT};
use serde_json::{Value, json};
use std::{path::PathBuf, sync::Arc};

type Done = anyhow::Result<()>;

const PHONE: (u32, u32) = (390, 660);
const DESK: (u32, u32) = (760, 1240);
const SCAN: (u32, u32) = (760, 740);

/// Everything that the browser's side needs: addresses made beforehand, since it does not wait for the runtime.
struct Album {
    bridge: String,
    dir: Option<PathBuf>,
}

impl Album {
    fn keep(&self, tab: &mut Tab<'_>, name: &str) -> Done {
        let picture = tab.picture()?;
        ensure!(picture.len() > 4000, "{name}: an empty picture");
        if let Some(dir) = &self.dir {
            std::fs::write(dir.join(format!("one-code-{name}.png")), picture)?;
        }
        Ok(())
    }
}

fn look<'a>(agent: &'a str, language: &'a str, (width, height): (u32, u32)) -> Look<'a> {
    Look {
        agent,
        language,
        width,
        height,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_real_browser_walks_through_with_each_wallets_user_agent() {
    let Some(mut chromium) = Chromium::start().expect("a browser that is there starts") else {
        println!("skipped: no Chromium (apt-get install chromium fonts-noto-cjk; or GUANDAO_CHROMIUM=PATH)");
        return;
    };
    let street = Arc::new(Street::open().await.expect("demo"));
    let album = Album {
        bridge: bridge(&street).await.expect("the bridge"),
        dir: std::env::var_os("GUANDAO_SCREENSHOTS").map(PathBuf::from),
    };
    let (wechat_no, wechat) = street.of_order(1250).await.expect("a code");
    let (scan_no, scan) = street.of_order(880).await.expect("a code");
    let (_, refused) = street.of_order(900).await.expect("a code");
    let (unionpay_no, unionpay) = street.of_order(1310).await.expect("a code");
    let (_, choose_en) = street.of_order(4600).await.expect("a code");
    let (bank_no, bank) = street.of_order(4710).await.expect("a code");
    let (listed_no, listed) = street.of_order(4720).await.expect("a code");
    let (_, unionpay_en) = street.of_order(1320).await.expect("a code");
    let desk = street
        .code(&json!({ "code_no": "desk-1", "title": "一号桌 Table 1" }))
        .await
        .expect("a code");
    let (inside, runtime) = (street.clone(), tokio::runtime::Handle::current());
    let paying = bank_no.clone();
    let (chromium, desk_no) = tokio::task::spawn_blocking(move || {
        let pay = || -> Done {
            runtime.block_on(async {
                let order = inside.order(&paying).await?;
                inside.yard.pay(&order).await.map(drop)
            })
        };
        let walked = (|| -> anyhow::Result<String> {
            in_wechat(&mut chromium, &album, &wechat).context("WeChat")?;
            let no = in_alipay(&mut chromium, &album, &desk).context("Alipay")?;
            on_a_computer(&mut chromium, &album, &scan).context("computer")?;
            in_english(&mut chromium, &album, &choose_en).context("computer, English")?;
            at_a_bank(&mut chromium, &album, &bank, pay).context("a bank")?;
            at_a_listed_bank(&mut chromium, &listed).context("a listed bank")?;
            in_unionpays_app(&mut chromium, &album, &unionpay, "zh-CN").context("UnionPay")?;
            in_unionpays_app(&mut chromium, &album, &unionpay_en, "en").context("UnionPay, English")?;
            Ok(no)
        })();
        ((chromium, album), walked.unwrap_or_else(|e| panic!("{e:#}")))
    })
    .await
    .expect("walked");
    for (no, channel, state) in [
        (&wechat_no, "wechat", "paid"),
        (&desk_no, "alipay", "paid"),
        (&scan_no, "wechat", "awaiting_payment"),
        (&unionpay_no, "unionpay", "awaiting_payment"),
        (&bank_no, "ccb", "paid"),
        (&listed_no, "unionpay", "awaiting_payment"),
    ] {
        let order = street.order(no).await.expect("an order");
        assert!(
            order["channel"] == channel && order["state"] == state,
            "{no}: {order}"
        );
    }
    street
        .yard
        .demo
        .control(
            "/control/fault",
            &json!({ "channel": "wechat", "operation": "create", "kind": "busy" }),
        )
        .await
        .expect("a fault");
    let (mut chromium, album) = chromium;
    tokio::task::spawn_blocking(move || {
        said_in_words(&mut chromium, &album, &refused).unwrap_or_else(|e| panic!("{e:#}"))
    })
    .await
    .expect("walked");
}

/// What the wallet's web view would put into pages.
pub(super) async fn bridge(street: &Street) -> anyhow::Result<String> {
    let url = format!("{}/wallet/bridge.js", street.yard.demo.channels.url());
    let answer = street.browser(WECHAT).once("GET", &url, "").await?;
    Ok(String::from_utf8(answer.body.to_vec())?)
}

/// One order's code in WeChat, in Chinese: the authorisation, the wallet called up, cancelled once, paid.
fn in_wechat(chromium: &mut Chromium, album: &Album, url: &str) -> Done {
    let mut tab = chromium.tab(&look(WECHAT, "zh-CN", PHONE), &album.bridge)?;
    tab.open(url)?;
    tab.until("location.pathname === '/wallet/wechat'")?;
    tab.press("a")?; // cancel
    tab.until("document.getElementById('order') && location.hash === '#back'")?;
    ensure!(
        tab.value("document.getElementById('order').dataset.state")? == "awaiting_payment",
        "paid without paying"
    );
    // Who may have paid is not told to wait beside a button that pays.
    let seen = "document.getElementById('note').innerText.includes('还没有看到付款')";
    tab.until(&format!("document.getElementById('pay').disabled || {seen}"))?;
    tab.until(&format!("!document.getElementById('pay').disabled && {seen}"))?;
    album.keep(&mut tab, "wechat-zh")?;
    tab.press("#pay")?;
    tab.press("#confirm")?;
    tab.until(
        "document.getElementById('order') && document.getElementById('order').dataset.state === 'paid'",
    )?;
    ensure!(
        text(&tab.value("document.body.innerText")?).contains("付款成功"),
        "not in words"
    );
    album.keep(&mut tab, "paid-zh")
}

/// A static code in Alipay, in English: the amount first. The order's number.
fn in_alipay(chromium: &mut Chromium, album: &Album, url: &str) -> anyhow::Result<String> {
    let mut tab = chromium.tab(&look(ALIPAY, "en-US", PHONE), &album.bridge)?;
    tab.open(url)?;
    tab.write("#amount", "28.80")?;
    album.keep(&mut tab, "amount-en")?;
    tab.press("button")?;
    tab.until("location.pathname === '/wallet/alipay'")?;
    tab.press("#confirm")?;
    tab.until(
        "document.getElementById('order') && document.getElementById('order').dataset.state === 'paid'",
    )?;
    album.keep(&mut tab, "paid-en")?;
    let no: Value = tab.value("document.querySelector('dd').innerText")?;
    Ok(text(&no))
}

/// A plain browser: the ways that work, then a code for the phone.
fn on_a_computer(chromium: &mut Chromium, album: &Album, url: &str) -> Done {
    let mut tab = chromium.tab(&look(COMPUTER, "zh-CN", DESK), "")?;
    tab.open(url)?;
    // Five ways of wallets, six of banks, three of companies' banks.
    tab.until("document.querySelectorAll('button').length === 14")?;
    album.keep(&mut tab, "choose-zh")?;
    tab.size(SCAN)?;
    tab.press("button[value='wechat.native']")?;
    tab.until("document.querySelector('img.qr') && document.querySelector('img.qr').naturalWidth > 0")?;
    album.keep(&mut tab, "scan-zh")
}

fn in_english(chromium: &mut Chromium, album: &Album, url: &str) -> Done {
    let mut tab = chromium.tab(&look(COMPUTER, "en", DESK), "")?;
    tab.open(url)?;
    tab.until("document.querySelectorAll('button').length === 14")?;
    album.keep(&mut tab, "choose-en")?;
    tab.press("button[value='alipay.page']")?;
    tab.until("location.pathname === '/gateway.do'")
}

/// A bank's own gateway: its page, and back with what happened meanwhile.
fn at_a_bank(chromium: &mut Chromium, album: &Album, url: &str, pay: impl Fn() -> Done) -> Done {
    let mut tab = chromium.tab(&look(COMPUTER, "en", SCAN), "")?;
    tab.open(url)?;
    tab.press("button[value='ccb.gateway']")?;
    tab.until("location.hostname === 'ibsbjstar.ccb.com.cn' && document.title === '建设银行沙箱'")?;
    let origin = url.split("/q/").next().unwrap_or_default();
    tab.open(&format!("{origin}/q/back"))?;
    tab.until("document.getElementById('order')")?;
    ensure!(
        tab.value("document.getElementById('order').dataset.state")? == "awaiting_payment",
        "paid without paying"
    );
    pay()?;
    tab.until(
        "document.getElementById('order') && document.getElementById('order').dataset.state === 'paid'",
    )?;
    album.keep(&mut tab, "bank-paid-en")
}

/// UnionPay's gateway, with the bank that was chosen here.
fn at_a_listed_bank(chromium: &mut Chromium, url: &str) -> Done {
    let mut tab = chromium.tab(&look(COMPUTER, "zh-CN", SCAN), "")?;
    tab.open(url)?;
    tab.press("button[value='unionpay.gateway.ABC']")?;
    tab.until("location.hostname === 'gateway.95516.com' && document.body.innerText.includes('网上银行 ABC')")
}

/// The channel's own refusal, in words.
fn said_in_words(chromium: &mut Chromium, album: &Album, url: &str) -> Done {
    let mut tab = chromium.tab(&look(WECHAT, "en", PHONE), &album.bridge)?;
    tab.open(url)?;
    tab.until("document.querySelector('.mark.sad')")?;
    ensure!(
        text(&tab.value("document.body.innerText")?).contains("Too many at once"),
        "not in words"
    );
    album.keep(&mut tab, "refused-en")
}

/// UnionPay's app: one button, then UnionPay's own page, which the form opens by itself.
fn in_unionpays_app(chromium: &mut Chromium, album: &Album, url: &str, language: &str) -> Done {
    let mut tab = chromium.tab(&look(UNIONPAY, language, PHONE), "")?;
    tab.open(url)?;
    tab.until("document.querySelectorAll('button').length === 1")?;
    let short = &language[..2];
    album.keep(&mut tab, &format!("unionpay-{short}"))?;
    tab.press("button[value='unionpay.gateway']")?;
    tab.until("location.hostname === 'gateway.95516.com' && document.title === '银联沙箱'")
}
