//! The books in the demo: a past day's bills of three channels are fetched and a fourth's orders asked for one by one; what was
//! planted in them is found and nothing else, two officers resolve it, the merchant takes its own statement.

use super::{
    Demo,
    merchant::Merchant,
    officers::{Officer, to_agree},
    orders::{create, id, pay},
    place::{DemoMerchant, OWN_OFFICERS, RETURN_HOST},
};
use anyhow::{Context, bail, ensure};
use domain::{Day, Instant};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Orders that are paid on that day at each channel.
const ORDERS: usize = 3;
/// The channels, and by which way to pay.
const SOLD: [(&str, &str); 4] = [
    ("wechat", "native"),
    ("alipay", "qr"),
    ("unionpay", "qr"),
    ("baidu", "page"),
];
/// Of Baidu's orders this one is never answered clearly: no difference, and not proven.
const UNANSWERED: usize = 2;

/// A difference that is planted.
struct Plant {
    channel: &'static str,
    /// As the sandbox calls it.
    planted: &'static str,
    /// As it must be found.
    found: &'static str,
    /// At which of the channel's orders; at none that ever was.
    at: Option<usize>,
    /// What two officers make of it.
    resolution: &'static str,
}

const fn plant(
    channel: &'static str,
    planted: &'static str,
    found: &'static str,
    at: Option<usize>,
    resolution: &'static str,
) -> Plant {
    Plant {
        channel,
        planted,
        found,
        at,
        resolution,
    }
}

/// Six of the seven kinds; the seventh, another day, wants the next day's bill too.
const PLANTED: [Plant; 8] = [
    // Of WeChat's two bills only the trade bill says amounts: another kind would stand in both.
    plant("wechat", "amount", "amount", Some(0), "bill_stands"),
    plant("alipay", "only_here", "only_here", Some(1), "record_stands"),
    plant(
        "alipay",
        "only_at_channel",
        "only_at_channel",
        None,
        "bill_stands",
    ),
    plant("unionpay", "repeated", "repeated", Some(0), "record_stands"),
    plant("unionpay", "trade_no", "trade_no", Some(1), "explained"),
    plant("unionpay", "corrected", "state", Some(2), "bill_stands"),
    plant("baidu", "amount", "amount", Some(0), "bill_stands"),
    plant("baidu", "only_here", "only_here", Some(1), "record_stands"),
];
/// What two officers find out about the order that was not answered.
const FOUND_OUT: &str = "record_stands";

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

    fn about(&self, merchant: &DemoMerchant, channel: &str, more: Value) -> Value {
        let account = merchant.accounts.account(channel);
        let mut body = json!({ "channel": channel, "account": account, "day": self.day.to_string() });
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        body
    }
}

/// Which bill's channel, the kind, the order's number there.
type Found = BTreeSet<(String, String, String)>;

/// A day that is over, and what must be found of it.
#[derive(Debug)]
pub struct Traded {
    plan: Plan,
    planted: Found,
    /// The number of the order that Baidu does not answer about.
    unanswered: String,
}

/// The day is traded and its bills differ before the proxy compares: it is started again with its books open. Baidu's day has no
/// bill that could be held back until all is paid.
pub(super) async fn begin(demo: &Demo, plan: Plan) -> anyhow::Result<Traded> {
    let merchant = demo.merchant(plan.merchant)?;
    let day = trade(demo, plan, &merchant).await?;
    demo.services.stop_proxy().await?;
    let mut config = std::fs::OpenOptions::new()
        .append(true)
        .open(demo.place.dir.join("guandao.toml"))?;
    writeln!(
        config,
        "\n[books]\nfrom = \"{}\"\nafter_minutes = 600\nevery_ms = 500\nretry_ms = 2000\nnone_after_minutes = 0",
        plan.day
    )?;
    demo.services.restart_proxy(&demo.place, &[]).await?;
    demo.ready().await?;
    Ok(day)
}

/// Tells it; a line for each thing that was so.
pub(super) async fn tell(demo: &Demo, desk: bool, lines: &mut Vec<String>) -> anyhow::Result<()> {
    let day = demo.traded.as_ref().context("no day was traded")?;
    let (plan, planted) = (day.plan, &day.planted);
    let merchant = demo.merchant(plan.merchant)?;
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
        found == *planted && list.len() == planted.len(),
        "planted {planted:?}, found {result}"
    );
    let open = result["unanswered"].as_array().context("unanswered")?;
    ensure!(
        open.len() == 1 && open[0]["number"] == day.unanswered.as_str(),
        "not answered about {}, and told {open:?}",
        day.unanswered
    );
    for (channel, _) in SOLD {
        let own = result["accounts"].as_array().into_iter().flatten();
        let lines_of: Vec<String> = own
            .filter(|a| a["channel"] == channel)
            .map(|a| format!("{} {} lines", text(&a["bill"]), a["lines"]))
            .collect();
        let kinds: Vec<&str> = planted
            .iter()
            .filter(|(of, ..)| of == channel)
            .map(|(_, kind, _)| kind.as_str())
            .collect();
        let open = if channel == "baidu" {
            ", one order never answered"
        } else {
            ""
        };
        lines.push(format!(
            "{channel} bill: of {}, {}; planted and found: {}{open}; none invented  verified",
            plan.day,
            lines_of.join(", "),
            kinds.join(", ")
        ));
    }
    lines.push(statements(demo, day, &merchant, &path).await?);
    if desk {
        resolve(demo, plan, &merchant).await?;
        until(&merchant, &path, "resolved", |day| day["state"] == "resolved").await?;
        lines.push(format!(
            "books of {} at {}: {} differences and what was not answered, each proposed by one officer and agreed by another; the day is resolved",
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
async fn trade(demo: &Demo, plan: Plan, merchant: &Merchant) -> anyhow::Result<Traded> {
    let of = demo
        .place
        .merchants
        .get(plan.merchant)
        .context("no such merchant")?;
    let (mut planted, mut unanswered) = (Found::new(), String::new());
    for (channel, pay_way) in SOLD {
        let mut numbers = Vec::new();
        for n in 0..ORDERS {
            numbers.push(sold(demo, plan, merchant, (channel, pay_way), 1200 + n as u64).await?);
        }
        let mut plants = Vec::new();
        for plant in PLANTED.iter().filter(|plant| plant.channel == channel) {
            let number = match plant.at {
                Some(at) => numbers.get(at).context("an order")?.clone(),
                None => demo.next_number(),
            };
            plants.push(json!({ "difference": plant.planted, "out_trade_no": number }));
            planted.insert((channel.into(), plant.found.into(), number));
        }
        demo.control(
            "/control/bills",
            &plan.about(of, channel, json!({ "plant": plants })),
        )
        .await?;
        if channel == "baidu" {
            unanswered = numbers.swap_remove(UNANSWERED);
            let fault = json!({ "channel": channel, "operation": "query", "kind": "status_5xx", "count": 1000, "out_trade_no": unanswered });
            demo.control("/control/fault", &fault).await?;
        }
    }
    Ok(Traded {
        plan,
        planted,
        unanswered,
    })
}

/// An order that was paid on that day; its number at the channel.
async fn sold(
    demo: &Demo,
    plan: Plan,
    merchant: &Merchant,
    (channel, pay_way): (&str, &str),
    amount: u64,
) -> anyhow::Result<String> {
    let more = match channel {
        "baidu" => json!({ "return_url": format!("https://{RETURN_HOST}/back") }),
        _ => json!({}),
    };
    let order = create(demo, merchant, channel, pay_way, amount, more).await?;
    demo.open(&order).await?;
    pay(demo, &order, "paid", json!({ "day": plan.day.to_string() })).await?;
    merchant
        .until(&id(&order)?, "payment", |o| o["state"] == "paid")
        .await?;
    Ok(text(&order["number"]))
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
async fn statements(demo: &Demo, day: &Traded, merchant: &Merchant, path: &str) -> anyhow::Result<String> {
    let (plan, planted) = (day.plan, &day.planted);
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
            let says = |kind: &str, number: &str| {
                text.lines()
                    .any(|row| row.contains(number) && row.ends_with(&format!(",{kind}")))
            };
            // What only the channel has is in no statement of ours.
            let differ = |(_, kind, number): &(String, String, String)| {
                says(kind, number) != (kind == "only_at_channel")
            };
            ensure!(
                rows == ORDERS * SOLD.len()
                    && planted.iter().all(differ)
                    && says("unanswered", &day.unanswered),
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
    for difference in until_listed(&a, &preview, "differences", PLANTED.len()).await? {
        let about = &difference["difference"];
        let (channel, kind) = (text(&about["bill"]["channel"]), text(&about["difference"]));
        let plant = PLANTED
            .iter()
            .find(|p| (p.channel, p.found) == (&*channel, &*kind));
        decide(&a, &b, &difference, plant.context("a planted kind")?.resolution).await?;
    }
    let unproven = preview.replace("differences", "unproven");
    for matter in until_listed(&a, &unproven, "unproven", 1).await? {
        ensure!(matter["why"] == "unanswered", "the desk lists {matter}");
        decide(&a, &b, &matter, FOUND_OUT).await?;
    }
    Ok(())
}

/// One proposes, cannot agree, and another does.
async fn decide(a: &Officer, b: &Officer, matter: &Value, resolution: &str) -> anyhow::Result<()> {
    let path = format!("/api/differences/{}", matter["index"]);
    let proposal = json!({ "resolution": resolution, "reason": "planted by the demo" });
    let proposed = a.ask("POST", &format!("{path}/propose"), Some(&proposal)).await?;
    let (agree, read) = (format!("{path}/agree"), to_agree(&proposed));
    ensure!(
        a.ask("POST", &agree, Some(&read)).await.is_err(),
        "one officer decided alone"
    );
    b.ask("POST", &agree, Some(&read)).await.map(drop)
}

/// The desk has read all of them.
async fn until_listed(officer: &Officer, path: &str, name: &str, many: usize) -> anyhow::Result<Vec<Value>> {
    let mut last = Value::Null;
    for _ in 0..300 {
        last = officer.ask("GET", path, None).await?;
        if let Some(all) = last[name].as_array().filter(|all| all.len() == many) {
            return Ok(all.clone());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("the desk does not list what was found: {last}")
}
