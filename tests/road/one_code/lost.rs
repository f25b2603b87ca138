//! Inside a wallet's own browser the account is chosen before the payer is asked for, and the order moves when it is lost:
//! before the authorisation, and between that and the order. Where two accounts have one app, or the id is of no app, as any
//! order does; where each has its own, the payer is asked for once more.

use super::{
    Done, OPENID, Street, USER_ID,
    chromium::{Chromium, Look},
    has,
};
use crate::{
    kills::{Yard, id, text},
    routes,
};
use anyhow::{Context, bail, ensure};
use domain::{PassedWhy, RouteTaken, RouteWhy, TradeEvent};
use sandbox::demo::{
    browser::{ALIPAY, Browser, Page, WECHAT},
    gate::Mode,
    place::Options,
};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// An `open_id` of Alipay's, in the app that asks first.
const OPEN_ID: &str = "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5";
const MODES: [Mode; 3] = [Mode::Refused, Mode::ServerError, Mode::BlackHole];
/// As long as a slow machine may take over what takes seconds.
const PATIENCE: Duration = Duration::from_secs(40);

/// Quick to judge and to ask again, and not mistaken by a machine that does much else.
const PATIENT: &str = "[routing]\nfailures = 2\nslow_ms = 2900\nrest_ms = 500\nrest_most_ms = 1000\ntrial_ms = 2000\nwindow_ms = 5000\n";

/// A wallet, its gate, who pays in it, and whether that id counts at the second account too.
struct Wallet<'a> {
    street: &'a Street,
    agent: &'static str,
    channel: &'static str,
    gate: usize,
    payer: &'static str,
    counts: bool,
}

impl<'a> Wallet<'a> {
    /// WeChat's and Alipay's, whose payer has this id.
    fn both(street: &'a Street, of_alipay: &'static str, counts: bool) -> (Wallet<'a>, Wallet<'a>) {
        let wallet = |agent, channel, gate, payer| Wallet {
            street,
            agent,
            channel,
            gate,
            payer,
            counts,
        };
        (
            wallet(WECHAT, "wechat", 0, OPENID),
            wallet(ALIPAY, "alipay", 1, of_alipay),
        )
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C65
//= C94
async fn one_app_for_two_accounts_and_the_order_moves_by_itself() {
    let street = street(false).await.expect("demo");
    let (wechat, alipay) = Wallet::both(&street, USER_ID, true);
    tokio::join!(wechat.all(), alipay.all());
    finish(&street).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
//= C65
//= C94
async fn an_app_for_each_account_and_the_payer_is_asked_for_once_more() {
    let street = Arc::new(street(true).await.expect("demo"));
    let (wechat, alipay) = Wallet::both(&street, OPEN_ID, false);
    tokio::join!(wechat.all(), alipay.all());
    closed_before_it_moves(&wechat)
        .await
        .unwrap_or_else(|e| panic!("closed first: {e:#}"));
    asked_for_twice_at_most(&wechat)
        .await
        .unwrap_or_else(|e| panic!("twice at most: {e:#}"));
    in_a_real_browser(&street, &wechat)
        .await
        .unwrap_or_else(|e| panic!("a real browser: {e:#}"));
    finish(&street).await;
}

async fn street(apps_apart: bool) -> anyhow::Result<Street> {
    let yard = Yard::with(Options {
        apps_apart,
        second_accounts: true,
        extra: PATIENT.into(),
        answer_ms: 3000,
        ..Options::default()
    })
    .await?;
    Ok(Street { yard })
}

async fn finish(street: &Street) {
    street.yard.demo.services.stop().await.expect("stops");
    street.yard.demo.prove_journal().expect("the journal verifies");
}

impl Wallet<'_> {
    async fn all(&self) {
        for mode in MODES {
            self.before(mode)
                .await
                .unwrap_or_else(|e| panic!("{} {mode:?}, before: {e:#}", self.channel));
            self.between(mode)
                .await
                .unwrap_or_else(|e| panic!("{} {mode:?}, between: {e:#}", self.channel));
        }
    }

    fn browser(&self) -> Browser {
        let channels = &self.street.yard.demo.channels;
        let at = if self.channel == "wechat" {
            channels.wechat
        } else {
            channels.alipay
        };
        Browser::new(self.street.yard.demo.ca(), self.agent).signed_in(at, self.channel, self.payer)
    }

    fn accounts(&self) -> [String; 2] {
        routes::accounts(&self.street.yard.demo, self.gate)
    }

    async fn gate(&self, mode: Mode) -> Done {
        self.street.yard.demo.gates[self.gate].set(mode).await?;
        // A request on an idle connection whose cut the proxy has not seen yet may have left, so nobody knows of it: rightly, but
        // what is looked at here is what becomes of new connections.
        sleep(Duration::from_millis(300)).await;
        Ok(())
    }

    /// Payers scan until one has an order open at this account: that order, its page, and how many scanned before.
    async fn until_at(&self, account: &str) -> anyhow::Result<(Value, Page, Browser, usize)> {
        let (began, mut before) = (Instant::now(), Vec::new());
        while began.elapsed() < PATIENCE {
            let (no, url) = self.street.of_order(1250).await?;
            let mut browser = self.browser();
            let page = browser.open(&url).await?;
            let order = self.street.order(&no).await?;
            if order["account"] == account && order["state"] == "awaiting_payment" {
                has(&page, "立即付款")?;
                return Ok((order, page, browser, before.len()));
            }
            // Nobody is told that there is something to pay where nobody knows.
            ensure!(
                page.attribute("data-call").is_none() || order["state"] == "awaiting_payment",
                "{order}: {}",
                page.text()
            );
            before.push((page.answer.status, order));
            sleep(Duration::from_millis(50)).await;
        }
        bail!("no order was open at {account} within {PATIENCE:?}: {before:?}")
    }

    async fn pays(&self, page: &Page, browser: &mut Browser, order: &Value) -> Done {
        let back = browser.pay(page, &self.street.sandbox(self.agent)).await?;
        has(&self.street.until(browser, &back, "paid").await?, "付款成功")?;
        self.street.yard.told(id(order)?, "payment.paid").await
    }

    /// Why this attempt went where it went.
    async fn route(&self, order: &Value) -> anyhow::Result<RouteTaken> {
        let entries = routes::entries(&self.street.yard.demo).await?;
        let found = entries.iter().find_map(|e| match &e.event {
            TradeEvent::AttemptIntended {
                order_no,
                attempt,
                route,
                ..
            } if order["order_no"] == order_no.as_str() && order["attempt"] == *attempt => route.clone(),
            _ => None,
        });
        let route = found.with_context(|| format!("no intent says why {order}"))?;
        Ok(RouteTaken::clone(&route))
    }

    /// Lost before the payer scans; taken again by itself.
    async fn before(&self, mode: Mode) -> Done {
        let [first, second] = self.accounts();
        self.until_at(&first).await?;
        self.gate(mode).await?;
        let (order, page, mut browser, before) = self.until_at(&second).await?;
        ensure!(
            mode != Mode::Refused || before == 0,
            "what surely did not leave moves at once: {before} before {order}"
        );
        self.pays(&page, &mut browser, &order).await?;
        // Once that is known, nobody is sent there first.
        for _ in 0..20 {
            let (order, page, ..) = self.until_at(&second).await?;
            if order["attempt"] == 1 && page.way.len() == 4 {
                let route = self.route(&order).await?;
                let why = [PassedWhy::BreakerOpen, PassedWhy::OnTrial, PassedWhy::Unhealthy];
                ensure!(
                    route
                        .passed
                        .iter()
                        .any(|p| p.account.as_str() == first && why.contains(&p.why)),
                    "the journal does not say why: {route:?}"
                );
                self.gate(Mode::Open).await?;
                let (order, page, mut browser, _) = self.until_at(&first).await?;
                return self.pays(&page, &mut browser, &order).await;
            }
        }
        bail!("payers are still sent to the lost account first")
    }

    /// Lost while the payer is away at the wallet.
    async fn between(&self, mode: Mode) -> Done {
        let [first, second] = self.accounts();
        self.until_at(&first).await?;
        let (no, url, mut browser, back) = self.asked_by_the_first().await?;
        self.gate(mode).await?;
        let page = browser.open(&back).await?;
        let order = self.street.order(&no).await?;
        let unknown = order["state"] == "unknown";
        ensure!(
            !unknown || mode == Mode::ServerError && self.channel == "wechat",
            "{order}: {}",
            page.text()
        );
        if unknown {
            // It may be there: it stays, and whoever scans again begins no second one.
            ensure!(order["account"] == first && order["attempt"] == 1, "{order}");
            has(&page, "正在确认结果")?;
            self.browser().open(&url).await?;
            let still = self.street.order(&no).await?;
            ensure!(still["attempt"] == 1 && still["account"] == first, "{still}");
        } else {
            ensure!(
                order["state"] == "awaiting_payment" && order["account"] == second,
                "{order}: {}",
                page.text()
            );
            // Where the id counts at the second account too, and was told, nobody is asked for again.
            let asked = page.way.iter().filter(|way| way.contains("/oauth2/")).count();
            ensure!(
                asked == usize::from(!self.counts || self.channel == "alipay"),
                "{:?}",
                page.way
            );
            let route = self.route(&order).await?;
            // Alipay's account was found lost when it was asked whose code it is: no order went there.
            let moved = order["attempt"] == 2;
            ensure!(
                !moved || route.why == RouteWhy::Failover && route.after == Some(1),
                "{order}: {route:?}"
            );
            ensure!(
                self.channel == "alipay" || route.passed.iter().any(|p| p.account.as_str() == first),
                "{route:?}"
            );
            self.pays(&page, &mut browser, &order).await?;
        }
        self.gate(Mode::Open).await?;
        if unknown {
            let yard = &self.street.yard;
            let settled = yard
                .until(id(&order)?, "an outcome", |o| {
                    ["awaiting_payment", "not_placed", "closed"].contains(&text(&o["state"]).as_str())
                })
                .await?;
            ensure!(
                self.open_there(&settled).await? <= usize::from(settled["state"] == "awaiting_payment"),
                "open twice: {settled}"
            );
        }
        // One order without an answer is enough to leave an account, so its breaker need not turn.
        let metrics = routes::metrics(&self.street.yard.demo).await?;
        let channel = format!("channel=\"{}\"", self.channel);
        let why = ["breaker_open", "on_trial", "unhealthy"].map(|why| format!("passed=\"{why}\""));
        ensure!(
            metrics
                .lines()
                .any(|line| line.starts_with("guandao_route_choices")
                    && line.contains(&channel)
                    && why.iter().any(|why| line.contains(why))),
            "no order is counted that passed over an account that is lost: {metrics}"
        );
        self.until_at(&first).await.map(drop)
    }

    /// An order's code that a payer has scanned whom the first account's app asks for: and the address by which the browser will
    /// come back.
    async fn asked_by_the_first(&self) -> anyhow::Result<(String, String, Browser, String)> {
        let first = &self.street.yard.demo.place.merchants[0].accounts;
        let app = match self.channel {
            "wechat" => format!("appid={}&", first.wechat.appid),
            _ => format!("app_id={}&", first.alipay.app_id),
        };
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let (no, url) = self.street.of_order(1260).await?;
            let mut browser = self.browser();
            let wallet = leads(&mut browser, &url).await?;
            if wallet.contains(&app) {
                let back = leads(&mut browser, &wallet).await?;
                return Ok((no, url, browser, back));
            }
            // What else went wrong a moment ago, it is taken again.
            sleep(Duration::from_millis(200)).await;
        }
        bail!("the first account's app asks nobody within {PATIENCE:?}")
    }

    async fn open_there(&self, order: &Value) -> anyhow::Result<usize> {
        let all = self.street.yard.at_channel(order).await?;
        let open = |o: &&Value| ["NOTPAY", "WAIT_BUYER_PAY"].contains(&text(&o["state"]).as_str());
        Ok(all.iter().filter(open).count())
    }

    async fn fault(&self, operation: &str, kind: &str, number: Option<&str>, count: u32) -> Done {
        let fault = json!({ "channel": self.channel, "operation": operation, "kind": kind, "out_trade_no": number, "count": count });
        self.street
            .yard
            .demo
            .control("/control/fault", &fault)
            .await
            .map(drop)
    }
}

/// Where an address leads, one step.
async fn leads(browser: &mut Browser, address: &str) -> anyhow::Result<String> {
    let answer = browser.once("GET", address, "").await?;
    let location = answer.headers.get("location").and_then(|v| v.to_str().ok());
    let location = location.with_context(|| format!("nothing leads on from {address}"))?;
    Ok(location.split('#').next().unwrap_or_default().to_owned())
}

/// The channel has it and said nothing: it is closed there before the payer is asked for elsewhere.
async fn closed_before_it_moves(wallet: &Wallet<'_>) -> Done {
    let [first, second] = wallet.accounts();
    wallet.until_at(&first).await?;
    let (no, url) = wallet.street.of_order(1270).await?;
    wallet.fault("create", "timeout_after", Some(&no), 1).await?;
    let mut browser = wallet.browser();
    let page = browser.open(&url).await?;
    let order = wallet.street.order(&no).await?;
    ensure!(
        order["attempt"] == 2 && order["account"] == second && order["state"] == "awaiting_payment",
        "{order}: {}",
        page.text()
    );
    let all = wallet.street.yard.demo.channel_orders().await?;
    let former = all["orders"]
        .as_array()
        .context("orders")?
        .iter()
        .find(|o| o["out_trade_no"] == no.as_str() && o["account"] == first.as_str());
    ensure!(
        former.is_some_and(|former| former["state"] == "CLOSED"),
        "the former is not closed: {former:?}"
    );
    wallet.pays(&page, &mut browser, &order).await
}

/// Refused at both, for reasons of the accounts: the payer is asked for twice, and not again.
async fn asked_for_twice_at_most(wallet: &Wallet<'_>) -> Done {
    let [first, _] = wallet.accounts();
    wallet.until_at(&first).await?;
    let (_, url) = wallet.street.of_order(1280).await?;
    // More than two: what the sweep sends again may take one.
    wallet.fault("create", "busy", None, 6).await?;
    let mut browser = wallet.browser();
    let page = browser.open(&url).await?;
    let asked = page.way.iter().filter(|way| way.contains("/oauth2/")).count();
    ensure!(
        asked == 2 && page.answer.status == 503,
        "{} {:?}",
        page.answer.status,
        page.way
    );
    // By the payer's own will once more, until it is open.
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let page = browser.open(&url).await?;
        if page.text().contains("立即付款") {
            return Ok(());
        }
        sleep(Duration::from_millis(200)).await;
    }
    bail!("never open again")
}

async fn in_a_real_browser(street: &Arc<Street>, wallet: &Wallet<'_>) -> Done {
    let Some(mut chromium) = Chromium::start()? else {
        println!("skipped: no Chromium");
        return Ok(());
    };
    let [first, second] = wallet.accounts();
    wallet.until_at(&first).await?;
    let (no, url) = street.of_order(1290).await?;
    let bridge = super::screens::bridge(street).await?;
    wallet.gate(Mode::Refused).await?;
    tokio::task::spawn_blocking(move || -> Done {
        let look = Look {
            agent: WECHAT,
            language: "zh-CN",
            width: 390,
            height: 660,
        };
        let mut tab = chromium.tab(&look, &bridge)?;
        tab.open(&url)?;
        tab.until("location.pathname === '/wallet/wechat'")?;
        tab.press("#confirm")?;
        tab.until(
            "document.getElementById('order') && document.getElementById('order').dataset.state === 'paid'",
        )
    })
    .await??;
    let order = street.order(&no).await?;
    ensure!(
        order["account"] == second.as_str() && order["state"] == "paid",
        "{order}"
    );
    wallet.gate(Mode::Open).await
}
