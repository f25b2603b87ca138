//! The books in the demo: a past day's bills are fetched, what was planted in them is found and nothing else, two officers
//! resolve it, the merchant takes its own statement.

use super::{
    Demo,
    http::Client,
    merchant::Merchant,
    officers::Officer,
    orders::{create, id, pay},
    place::{DemoMerchant, OWN_OFFICERS},
};
use anyhow::{Context, bail, ensure};
use domain::{Day, Instant};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Orders that are paid on that day at each channel.
const ORDERS: usize = 3;
/// What is planted in each channel's bill, at which of its orders, and what two officers make of it.
const PLANTED: [(&str, &str, &str, usize, &str); 2] = [
    ("wechat", "native", "amount", 0, "bill_stands"),
    ("alipay", "qr", "only_here", 1, "record_stands"),
];

/// Whose books of which day are told.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The merchant's place in the list.
    pub merchant: usize,
    /// The day: it must be over, and late enough for its bills to be made.
    pub day: Day,
}

impl Plan {
    /// The day before yesterday: yesterday's bills are there from 10:00 on.
    pub fn of(merchant: usize) -> anyhow::Result<Plan> {
        let now = Instant::from_millis(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64);
        let day = Day::from_number(now.day().number() - 2);
        Ok(Plan { merchant, day })
    }

    /// The proxy's part of it.
    pub(super) fn config(&self) -> String {
        format!(
            "\n[books]\nfrom = \"{}\"\nafter_minutes = 600\nevery_ms = 500\nretry_ms = 2000\nnone_after_minutes = 0\n",
            self.day
        )
    }

    /// The channels are still making the bills, until all is paid that shall stand in them.
    pub(super) async fn hold(&self, control: &Client, merchant: &DemoMerchant) -> anyhow::Result<()> {
        for (channel, ..) in PLANTED {
            let body = self.about(merchant, channel, json!({ "ready": false }));
            let kind = [("content-type", "application/json")];
            let answer = control
                .send("POST", "/control/bills", &kind, body.to_string().as_bytes())
                .await?;
            ensure!(answer.status == 200, "{}", answer.json());
        }
        Ok(())
    }

    fn about(&self, merchant: &DemoMerchant, channel: &str, more: Value) -> Value {
        let account = match channel {
            "wechat" => &merchant.accounts.wechat.mchid,
            _ => &merchant.accounts.alipay.app_id,
        };
        let mut body = json!({ "channel": channel, "account": account, "day": self.day.to_string() });
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        body
    }
}

/// Which bill's channel, the kind, the order's number there.
type Found = BTreeSet<(String, String, String)>;

/// Tells it; a line for each thing that was so.
pub(super) async fn tell(demo: &Demo, plan: Plan, desk: bool, lines: &mut Vec<String>) -> anyhow::Result<()> {
    let merchant = demo.merchant(plan.merchant)?;
    let planted = trade(demo, plan, &merchant).await?;
    let path = format!("/v1/reconciliations/{}", plan.day);
    let compared = |day: &Value| {
        let accounts = day["accounts"].as_array();
        accounts.is_some_and(|all| {
            all.iter()
                .all(|a| ["matched", "not_reconciled"].contains(&a["state"].as_str().unwrap_or_default()))
        })
    };
    let result = until(&merchant, &path, "compared", compared).await?;
    let list = result["differences"].as_array().context("differences")?;
    let found: Found = list.iter().map(named).collect();
    ensure!(
        found == planted && list.len() == planted.len(),
        "planted {planted:?}, found {result}"
    );
    for (channel, kind) in planted.iter().map(|(channel, kind, _)| (channel, kind)) {
        let own = result["accounts"].as_array().into_iter().flatten();
        let lines_of: Vec<String> = own
            .filter(|a| a["channel"] == channel.as_str())
            .map(|a| format!("{} {} lines", text(&a["bill"]), a["lines"]))
            .collect();
        lines.push(format!(
            "{channel} bill: of {}, {}; planted and found: {kind}; none invented  verified",
            plan.day,
            lines_of.join(", ")
        ));
    }
    lines.push(statements(demo, plan, &merchant, &path, &planted).await?);
    if desk {
        resolve(demo, plan, &merchant).await?;
        until(&merchant, &path, "resolved", |day| day["state"] == "resolved").await?;
        lines.push(format!(
            "books of {} at {}: {} differences, each proposed by one officer and agreed by another; the day is resolved",
            plan.day,
            merchant.id(),
            planted.len()
        ));
    }
    Ok(())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn named(difference: &Value) -> (String, String, String) {
    let [channel, kind, number] = ["channel", "difference", "number"].map(|name| text(&difference[name]));
    (channel, kind, number)
}

/// Orders paid on that day; then the bills are made, and differ.
async fn trade(demo: &Demo, plan: Plan, merchant: &Merchant) -> anyhow::Result<Found> {
    let of = demo
        .place
        .merchants
        .get(plan.merchant)
        .context("no such merchant")?;
    let mut planted = Found::new();
    for (channel, pay_way, kind, at, _) in PLANTED {
        let mut numbers = Vec::new();
        for n in 0..ORDERS {
            let order = create(demo, merchant, channel, pay_way, 1200 + n as u64, json!({})).await?;
            pay(demo, &order, "paid", json!({ "day": plan.day.to_string() })).await?;
            merchant
                .until(&id(&order)?, "payment", |o| o["state"] == "paid")
                .await?;
            numbers.push(text(&order["number"]));
        }
        let number = numbers.get(at).context("an order")?;
        let plant = json!({ "ready": true, "plant": [{ "difference": kind, "out_trade_no": number }] });
        demo.control("/control/bills", &plan.about(of, channel, plant))
            .await?;
        planted.insert((channel.into(), kind.into(), number.clone()));
        if channel == "wechat" && kind != "amount" {
            bail!("the fund-flow bill would have it too");
        }
    }
    Ok(planted)
}

async fn until(
    merchant: &Merchant,
    path: &str,
    what: &str,
    fits: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    let mut last = Value::Null;
    for _ in 0..600 {
        let answer = merchant.ask("GET", path, None).await?;
        last = answer.json();
        ensure!(
            answer.status == 200,
            "GET {path} answered {}: {last}",
            answer.status
        );
        if fits(&last) {
            return Ok(last);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("not {what} within a minute: {last}")
}

/// The merchant's own statement, as text and as a workbook, kept beside the demo's other files.
async fn statements(
    demo: &Demo,
    plan: Plan,
    merchant: &Merchant,
    path: &str,
    planted: &Found,
) -> anyhow::Result<String> {
    let dir = demo.place.dir.join("statements");
    std::fs::create_dir_all(&dir)?;
    let mut said = Vec::new();
    for format in ["csv", "xlsx"] {
        let answer = merchant
            .ask("GET", &format!("{path}/statement?format={format}"), None)
            .await?;
        ensure!(
            answer.status == 200,
            "the statement was answered {}",
            answer.status
        );
        if format == "csv" {
            let text = std::str::from_utf8(&answer.body).context("UTF-8")?;
            let rows = text.lines().count().saturating_sub(1);
            let differ = |(_, kind, number): &(String, String, String)| {
                text.lines()
                    .any(|row| row.contains(number.as_str()) && row.ends_with(&format!(",{kind}")))
            };
            ensure!(
                rows == ORDERS * PLANTED.len() && planted.iter().all(differ),
                "{text}"
            );
            said.push(format!("CSV of {rows} rows"));
        } else {
            ensure!(answer.body.starts_with(b"PK\x03\x04"), "no workbook");
            said.push(format!("XLSX of {} octets", answer.body.len()));
        }
        let name = format!("{}-{}.{format}", merchant.id(), plan.day);
        std::fs::write(dir.join(name), &answer.body)?;
    }
    Ok(format!(
        "statement of {} at {}: {}, each difference in its row; in statements/",
        plan.day,
        merchant.id(),
        said.join(", ")
    ))
}

/// Preview, then one officer proposes and another agrees; neither can alone.
async fn resolve(demo: &Demo, plan: Plan, merchant: &Merchant) -> anyhow::Result<()> {
    let (a, b) = (
        Officer::sign_in(demo, OWN_OFFICERS[0]).await?,
        Officer::sign_in(demo, OWN_OFFICERS[1]).await?,
    );
    let preview = format!(
        "/api/differences?merchant={}&date={}&state=open",
        merchant.id(),
        plan.day
    );
    for difference in until_listed(&a, &preview).await? {
        let kind = text(&difference["difference"]["difference"]);
        let (.., resolution) = PLANTED
            .into_iter()
            .find(|(_, _, planted, ..)| *planted == kind)
            .context("a planted kind")?;
        let path = format!("/api/differences/{}", difference["index"]);
        let proposal = json!({ "resolution": resolution, "reason": "planted by the demo" });
        a.ask("POST", &format!("{path}/propose"), Some(&proposal)).await?;
        let agree = format!("{path}/agree");
        ensure!(
            a.ask("POST", &agree, Some(&json!({}))).await.is_err(),
            "one officer decided alone"
        );
        b.ask("POST", &agree, Some(&json!({}))).await?;
    }
    Ok(())
}

/// The desk has read all of them.
async fn until_listed(officer: &Officer, path: &str) -> anyhow::Result<Vec<Value>> {
    let mut last = Value::Null;
    for _ in 0..300 {
        last = officer.ask("GET", path, None).await?;
        if let Some(all) = last["differences"]
            .as_array()
            .filter(|all| all.len() == PLANTED.len())
        {
            return Ok(all.clone());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("the desk does not list what was found: {last}")
}
