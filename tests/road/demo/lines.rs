//! Second accounts as an outsider meets them: a line is lost by HTTP alone and new orders move within seconds, journal and
//! metric say so, and it comes back; rules, rates and commissions are in force.

use super::{Done, Started};
use crate::routes::entries_in;
use anyhow::{Context, bail, ensure};
use domain::{BreakerState, PassedWhy, TradeEntry, TradeEvent};
use sandbox::demo::{http::Client, merchant::Merchant, services::binary};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A demo of which nothing is known but `endpoints.json`.
struct Outsider {
    demo: Started,
    shop: Merchant,
    control: Client,
    run: String,
}

/// Where no account has a second one, it is said how that would be.
pub(super) async fn none_can_be_lost(control: &Client) -> Done {
    let asked = json!({ "channel": "wechat", "mode": "refused" });
    let (status, said) = turned(control, &asked).await?;
    let why = said["error"].as_str().unwrap_or_default();
    ensure!(
        status == 409 && why.contains("--second-accounts"),
        "{status} {said}"
    );
    Ok(())
}

async fn turned(control: &Client, asked: &Value) -> anyhow::Result<(u16, Value)> {
    let json = [("content-type", "application/json")];
    let body = asked.to_string();
    let answer = control
        .send("POST", "/control/line", &json, body.as_bytes())
        .await?;
    Ok((answer.status, answer.json()))
}

impl Outsider {
    async fn turn(&self, channel: &str, mode: &str) -> Done {
        let (status, said) = turned(&self.control, &json!({ "channel": channel, "mode": mode })).await?;
        ensure!(status == 200, "{status} {said}");
        let all = self.control.send("GET", "/control/lines", &[], b"").await?.json();
        let is = |line: &Value| line["channel"] == channel && line["mode"] == mode;
        ensure!(
            all["lines"].as_array().is_some_and(|all| all.iter().any(is)),
            "{all}"
        );
        Ok(())
    }

    async fn place(&self, channel: &str, n: usize, amount: u64) -> anyhow::Result<Value> {
        let pay_way = if channel == "wechat" { "native" } else { "qr" };
        let body = json!({
            "order_no": format!("{}{n:05}", self.run), "channel": channel, "pay_way": pay_way, "amount": amount, "description": "奶茶",
        });
        Ok(self.shop.ask("POST", "/v1/payments", Some(&body)).await?.json())
    }

    /// Places orders until one is open at this account; how long that took.
    async fn until_at(&self, channel: &str, account: &Value, from: usize) -> anyhow::Result<Duration> {
        let (began, mut last) = (Instant::now(), Value::Null);
        for n in from.. {
            last = self.place(channel, n, 100).await?;
            if last["account"] == *account && last["state"] == "awaiting_payment" {
                return Ok(began.elapsed());
            }
            if began.elapsed() > Duration::from_secs(20) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("no order went to {account} within 20 s: {last}")
    }

    async fn metrics(&self) -> anyhow::Result<String> {
        let url = self.demo.endpoints["metrics"]["url"]
            .as_str()
            .context("metrics")?;
        let uri: http::Uri = url.parse()?;
        let port = uri.port_u16().context("a port")?;
        let answer = Client::clear(([127, 0, 0, 1], port).into())
            .send("GET", uri.path(), &[], b"")
            .await?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    async fn entries(&self) -> anyhow::Result<Vec<TradeEntry>> {
        let dir = self.demo.endpoints["journals"]["trades"]["dir"].as_str();
        entries_in(&self.demo.dir.join(dir.context("a journal")?)).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C65
async fn a_line_is_lost_and_found_by_http_alone() -> Done {
    let dir = tempfile::tempdir()?;
    let demo = Started::with(dir.path(), &["--second-accounts", "--no-desk"]).await?;
    let mut outsider = Outsider {
        shop: Merchant::published(dir.path(), &demo.endpoints, 0)?,
        control: demo.control()?,
        run: format!("L{}", std::process::id()),
        demo,
    };
    let lines = outsider.demo.endpoints["lines"].clone();
    let lines = lines.as_array().context("lines")?;
    let line = |channel: &str| lines.iter().find(|line| line["channel"] == channel);
    let wechat = line("wechat").context("WeChat's line")?;
    for (turn, mode) in wechat["modes"].as_array().context("modes")?.iter().enumerate() {
        let mode = mode.as_str().unwrap_or_default();
        lost_and_found(&outsider, wechat, mode, 1000 * turn)
            .await
            .with_context(|| mode.to_owned())?;
    }
    lost_and_found(
        &outsider,
        line("alipay").context("Alipay's line")?,
        "refused",
        9000,
    )
    .await?;
    on_record(&outsider, wechat).await?;
    rules_and_commissions(&outsider, wechat).await?;
    ensure!(lines.len() == 5 && line("icbc").is_none(), "{lines:?}");
    let (status, said) = turned(
        &outsider.control,
        &json!({ "channel": "icbc", "mode": "refused" }),
    )
    .await?;
    ensure!(
        status == 409 && said["error"].to_string().contains("wechat"),
        "{said}"
    );
    outsider.demo.signal("-TERM")?;
    ensure!(
        outsider.demo.child.wait().await?.success(),
        "SIGTERM is no failure"
    );
    Ok(())
}

async fn lost_and_found(outsider: &Outsider, line: &Value, mode: &str, from: usize) -> Done {
    let (channel, first) = (line["channel"].as_str().unwrap_or_default(), &line["account"]);
    outsider.until_at(channel, first, from).await?;
    outsider.turn(channel, mode).await?;
    let kept = mode == "open";
    let there = if kept { first } else { &line["second"] };
    let took = outsider.until_at(channel, there, from + 300).await?;
    outsider.turn(channel, "open").await?;
    let back = outsider.until_at(channel, first, from + 600).await?;
    println!("{channel} {mode}: at the next account after {took:?}, back after {back:?}");
    Ok(())
}

/// The journal names the account and why it was passed over, the metric the turn.
async fn on_record(outsider: &Outsider, line: &Value) -> Done {
    let (first, second) = (&line["account"], &line["second"]);
    let entries = outsider.entries().await?;
    for wanted in [BreakerState::Open, BreakerState::HalfOpen, BreakerState::Closed] {
        let turned = |e: &TradeEntry| matches!(&e.event, TradeEvent::BreakerTurned { account, state, .. } if *first == *account.as_str() && *state == wanted);
        ensure!(
            entries.iter().any(turned),
            "its breaker never was {wanted:?} on record"
        );
    }
    let passed = |e: &TradeEntry| match &e.event {
        TradeEvent::AttemptIntended {
            account,
            route: Some(route),
            ..
        } => {
            let over = |why: PassedWhy| {
                route
                    .passed
                    .iter()
                    .any(|p| *first == *p.account.as_str() && p.why == why)
            };
            *second == *account.as_str()
                && route.rule.as_deref() == Some("rest")
                && over(PassedWhy::BreakerOpen)
        }
        _ => false,
    };
    ensure!(
        entries.iter().any(passed),
        "no intent says that the lost account was passed over by the rule"
    );
    let metrics = outsider.metrics().await?;
    for parts in [
        ["guandao_breaker_turns", "channel=\"wechat\"", "state=\"open\""],
        ["guandao_breaker_turns", "channel=\"wechat\"", "state=\"closed\""],
        ["guandao_route_choices", "channel=\"wechat\"", "why="],
    ] {
        let is = |line: &str| parts.iter().all(|part| line.contains(part));
        ensure!(metrics.lines().any(is), "{parts:?} is not in {metrics}");
    }
    Ok(())
}

/// A large order goes where the rule says; what an agent has earned by a paid one is reported.
async fn rules_and_commissions(outsider: &Outsider, line: &Value) -> Done {
    let rules = &outsider.demo.endpoints["rules"];
    ensure!(rules.as_array().map(Vec::len) == Some(2), "{rules}");
    let large = outsider.place("wechat", 99_000, 100_000).await?;
    ensure!(large["account"] == line["second"], "a large order: {large}");
    let order = outsider.place("wechat", 99_001, 50_000).await?;
    ensure!(order["account"] == line["account"], "another one: {order}");
    let pay = json!({ "channel": "wechat", "out_trade_no": order["number"], "outcome": "paid" }).to_string();
    let json = [("content-type", "application/json")];
    outsider
        .control
        .send("POST", "/control/pay", &json, pay.as_bytes())
        .await?;
    let id = order["id"].as_str().context("id")?;
    let paid = outsider
        .shop
        .until(id, "payment", |o| o["state"] == "paid")
        .await?;
    outsider.entries().await?; // the report reads the signed tree, which is a second behind
    let day = paid["paid"]["paid_at"].as_str().and_then(|at| at.get(..10));
    let config = outsider.demo.dir.join("guandao.toml");
    let mut report = std::process::Command::new(binary("guandao")?);
    report.arg("commissions").arg(&config);
    for bound in ["--from", "--until"] {
        report.args([bound, day.context("a day")?]);
    }
    let report = report.output()?;
    let said = String::from_utf8_lossy(&report.stdout).into_owned();
    // 0.38 % that the merchant pays less 0.30 % that the agent does.
    let earned = said
        .lines()
        .any(|line| line.starts_with("AG01,") && line.ends_with(",1,50000,0,40"));
    ensure!(
        report.status.success() && earned,
        "{said}{}",
        String::from_utf8_lossy(&report.stderr)
    );
    Ok(())
}
