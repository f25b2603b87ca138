//! Crash safety. The proxy is a process of its own and ends at every named step of create, refund, close and notice,
//! over both channels; then it starts again, the merchant repeats the same number, and nothing acknowledged is gone,
//! nothing is charged or paid back twice, nobody is left without an outcome.

mod codes;
mod handed_out;

use anyhow::{Context, anyhow, bail, ensure};
use sandbox::demo::{Demo, http::Answer, merchant::Merchant, place::Options, services};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{sync::Mutex, time::sleep};

/// Steps of a mutation, in order; between any two of them stands one action of the road.
pub(crate) const MUTATION: [&str; 6] = [
    "before_intent",
    "intent_recorded",
    "before_send",
    "after_send",
    "answer_read",
    "outcome_recorded",
];
/// Steps of a notice and of telling the merchant.
pub(crate) const NOTICE: [&str; 4] = [
    "before_notice_recorded",
    "notice_recorded",
    "before_tell",
    "after_tell",
];
pub(crate) const CHANNELS: [&str; 2] = ["wechat", "alipay"];

/// One demo whose proxy may be ended.
pub(crate) struct Yard {
    pub(crate) demo: Demo,
    /// Orders of which the service has said something: the last word on each.
    said: Mutex<BTreeMap<String, Value>>,
    _dir: TempDir,
}

impl Yard {
    pub(crate) async fn open() -> anyhow::Result<Yard> {
        Yard::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> anyhow::Result<Yard> {
        let dir = tempfile::tempdir()?;
        let demo = Demo::start(
            dir.path(),
            &Options {
                desk: false,
                merchants: 1,
                ..options
            },
            true,
        )
        .await?;
        // Notices of the channels come again after 15 s and 4 min; the test has not that long.
        demo.control("/control/clock", &json!({ "speed": 20.0 })).await?;
        Ok(Yard {
            demo,
            said: Mutex::default(),
            _dir: dir,
        })
    }

    fn data(&self) -> PathBuf {
        self.demo.place.dir.join("data")
    }

    fn config(&self) -> PathBuf {
        self.demo.place.dir.join("guandao.toml")
    }

    pub(crate) fn merchant(&self) -> anyhow::Result<Merchant> {
        self.demo.merchant(0)
    }

    /// Kills whatever runs and starts a proxy that stops itself at this step.
    pub(crate) async fn restart_until(&self, step: &str) -> anyhow::Result<()> {
        self.demo.services.kill_proxy().await?;
        self.demo
            .services
            .restart_proxy(&self.demo.place, &[("GUANDAO_STOP_AT", step)])
            .await?;
        self.demo.ready().await
    }

    /// The proxy has stopped itself at the step; starts it again and waits until it takes orders.
    pub(crate) async fn stopped_and_started(&self) -> anyhow::Result<()> {
        let ended = tokio::time::timeout(Duration::from_secs(15), self.demo.services.proxy_ended()).await;
        let status = ended.map_err(|_| anyhow!("the step was not reached in 15 s"))??;
        ensure!(
            status.signal() == Some(libc::SIGABRT),
            "the proxy ended otherwise: {status}"
        );
        self.start().await
    }

    pub(crate) async fn start(&self) -> anyhow::Result<()> {
        self.demo.services.restart_proxy(&self.demo.place, &[]).await?;
        self.demo.ready().await
    }

    /// A request whose answer, if there is one, counts as said.
    async fn ask(
        &self,
        merchant: &Merchant,
        method: &str,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Answer> {
        let answer = merchant
            .ask(method, path, (method == "POST").then_some(body))
            .await?;
        let value = answer.json();
        if answer.status < 300
            && value["order_no"].is_string()
            && let Some(id) = value["id"].as_str()
        {
            self.said.lock().await.insert(id.to_owned(), value.clone());
        }
        Ok(answer)
    }

    /// The order is there and says at least what was said.
    pub(crate) async fn keeps_its_word(&self) -> anyhow::Result<()> {
        let merchant = self.merchant()?;
        let said = self.said.lock().await.clone();
        for (id, before) in said {
            let now = merchant.ask("GET", &format!("/v1/payments/{id}"), None).await?;
            ensure!(
                now.status < 300,
                "{id} was acknowledged and is gone: {} {}",
                now.status,
                now.json()
            );
            let now = now.json();
            ensure!(
                rank(&now) >= rank(&before),
                "{id} was {} and is {}",
                before["state"],
                now["state"]
            );
            for field in ["order_no", "number", "amount", "channel"] {
                ensure!(
                    now[field] == before[field],
                    "{field} of {id} was {} and is {}",
                    before[field],
                    now[field]
                );
            }
            let list = |o: &Value| o["refunds"].as_array().cloned().unwrap_or_default();
            for refund in list(&before) {
                let now = list(&now)
                    .into_iter()
                    .find(|r| r["refund_no"] == refund["refund_no"]);
                let now = now.with_context(|| format!("refund {} of {id} is gone", refund["refund_no"]))?;
                ensure!(
                    refund["state"] != "succeeded" || now["state"] == "succeeded",
                    "refund {refund} became {now}"
                );
            }
        }
        Ok(())
    }

    pub(crate) fn body(&self, channel: &str, amount: u64) -> Value {
        let pay_way = if channel == "wechat" { "native" } else { "qr" };
        json!({ "order_no": self.demo.next_number(), "channel": channel, "pay_way": pay_way, "amount": amount, "description": "奶茶 Milk tea", "attach": "table 7" })
    }

    pub(crate) async fn placed(&self, channel: &str, amount: u64) -> anyhow::Result<Value> {
        let answer = self
            .ask(
                &self.merchant()?,
                "POST",
                "/v1/payments",
                &self.body(channel, amount),
            )
            .await?;
        ensure!(
            answer.status == 201,
            "create answered {}: {}",
            answer.status,
            answer.json()
        );
        Ok(answer.json())
    }

    pub(crate) async fn pay(&self, order: &Value) -> anyhow::Result<()> {
        let body = json!({ "channel": order["channel"], "out_trade_no": order["number"], "outcome": "paid" });
        self.demo.control("/control/pay", &body).await.map(drop)
    }

    pub(crate) async fn until(
        &self,
        id: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let order = self.merchant()?.until(id, what, wanted).await?;
        self.said.lock().await.insert(id.to_owned(), order.clone());
        Ok(order)
    }

    pub(crate) async fn paid(&self, channel: &str, amount: u64) -> anyhow::Result<Value> {
        let order = self.placed(channel, amount).await?;
        self.pay(&order).await?;
        self.until(id(&order)?, "payment", |o| o["state"] == "paid").await
    }

    /// What the channel has of an order.
    pub(crate) async fn at_channel(&self, order: &Value) -> anyhow::Result<Vec<Value>> {
        let all = self.demo.channel_orders().await?;
        let fits = |o: &&Value| o["channel"] == order["channel"] && o["out_trade_no"] == order["number"];
        Ok(all["orders"]
            .as_array()
            .context("orders")?
            .iter()
            .filter(fits)
            .cloned()
            .collect())
    }

    /// The shop has it, and that the shop has it is on record: a proxy that starts now tells nothing again.
    pub(crate) async fn told(&self, id: &str, what: &str) -> anyhow::Result<()> {
        let (merchant, path) = (self.merchant()?, format!("/v1/payments/{id}/notifications"));
        for _ in 0..150 {
            if self
                .demo
                .shop()
                .told(merchant.id(), id)
                .iter()
                .any(|e| e["type"] == what)
            {
                let list = merchant.ask("GET", &path, None).await?.json();
                let all = list["notifications"]
                    .as_array()
                    .ok_or_else(|| anyhow!("no notifications: {list}"))?;
                if all.iter().any(|n| n["type"] == what && n["pending"] == false)
                    && all.iter().all(|n| n["pending"] == false)
                {
                    return Ok(());
                }
            }
            sleep(Duration::from_millis(100)).await;
        }
        bail!("the merchant was not told {what} of {id}")
    }

    /// All books agree: ours, the channels', the merchant's; then the journal is verified by the verifier.
    pub(crate) async fn agree(self) -> anyhow::Result<Books> {
        self.keeps_its_word().await?;
        let merchant = self.merchant()?;
        let mut books = Books::default();
        let mut ours = HashMap::new();
        for id in self.said.lock().await.keys() {
            let order = merchant
                .ask("GET", &format!("/v1/payments/{id}"), None)
                .await?
                .json();
            ours.insert((text(&order["channel"]), text(&order["number"])), order);
        }
        books.orders = ours.len();
        for there in self.demo.channel_orders().await?["orders"]
            .as_array()
            .context("orders")?
        {
            let key = (text(&there["channel"]), text(&there["out_trade_no"]));
            let Some(order) = ours.get(&key) else {
                // An attempt that was given up for another one of the same order: nobody ever paid it.
                let given_up = |o: &Value| {
                    o["channel"] == there["channel"]
                        && o["order_no"] == there["out_trade_no"]
                        && o["attempt"].as_u64() > Some(1)
                };
                ensure!(
                    ours.values().any(given_up) && !there["paid"].is_string(),
                    "the channel has an order that nobody knows: {there}"
                );
                continue;
            };
            books.agree(order, there)?;
        }
        books.events = self.in_order()?;
        self.demo.services.stop_proxy().await?;
        self.demo.prove_journal()?;
        Ok(books)
    }

    /// Notifications are signed, numbered without a gap, and a number always means the same event.
    fn in_order(&self) -> anyhow::Result<usize> {
        let place = &self.demo.place;
        let merchant = self.merchant()?;
        let mut seen: BTreeMap<u64, (String, String)> = BTreeMap::new();
        for came in self
            .demo
            .shop()
            .came(&format!("/notify/{}", place.merchants[0].id))
        {
            merchant.verify(&came.headers, &came.body)?;
            let value: Value = serde_json::from_slice(&came.body)?;
            let is = (
                text(&value["id"]),
                format!("{} {}", text(&value["type"]), text(&value["payment"]["id"])),
            );
            let seq = value["seq"].as_u64().context("seq")?;
            let first = seen.entry(seq).or_insert_with(|| is.clone());
            ensure!(*first == is, "notification {seq} was {first:?} and is {is:?}");
        }
        let numbers: Vec<u64> = seen.keys().copied().collect();
        let whole = numbers.iter().zip(1..).all(|(n, wanted)| *n == wanted);
        ensure!(whole, "the merchant's notifications have a gap: {numbers:?}");
        Ok(numbers.len())
    }
}

/// What all orders of one yard came to.
#[derive(Default, Debug)]
pub(crate) struct Books {
    pub(crate) orders: usize,
    pub(crate) paid: usize,
    pub(crate) events: usize,
    pub(crate) refunded_fen: u64,
}

impl Books {
    fn agree(&mut self, order: &Value, there: &Value) -> anyhow::Result<()> {
        if order["state"] == "reversed" {
            ensure!(
                !there["paid"].is_string() || there["refunded_fen"] == there["fen"],
                "reversed here, charged there: {order} {there}"
            );
            return Ok(());
        }
        let paid_here =
            ["paid", "partly_refunded", "refunded"].contains(&order["state"].as_str().unwrap_or_default());
        let paid_there = there["paid"].is_string();
        ensure!(
            paid_here == paid_there,
            "paid here {paid_here}, there {paid_there}: {order} {there}"
        );
        ensure!(
            order["amount"] == there["fen"],
            "the amount differs: {order} {there}"
        );
        let refunds = order["refunds"].as_array().cloned().unwrap_or_default();
        let back: u64 = refunds
            .iter()
            .filter(|r| r["state"] == "succeeded")
            .filter_map(|r| r["amount"].as_u64())
            .sum();
        let back_there = there["refunded_fen"].as_u64().unwrap_or_default();
        ensure!(
            back == back_there,
            "refunded {back} here, {back_there} there: {order} {there}"
        );
        self.paid += usize::from(paid_there);
        self.refunded_fen += back_there;
        Ok(())
    }
}

pub(crate) fn id(order: &Value) -> anyhow::Result<&str> {
    order["id"].as_str().ok_or_else(|| anyhow!("no id in {order}"))
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// How far an order has come; an acknowledged one never falls back.
fn rank(order: &Value) -> u8 {
    match order["state"].as_str().unwrap_or_default() {
        "unknown" => 0,
        "awaiting_payment" => 1,
        "not_placed" | "closed" => 2,
        "paid" | "reversing" => 3,
        "partly_refunded" => 4,
        "refunded" => 5,
        "reversed" => 6,
        other => panic!("an unknown state {other}"),
    }
}

/// A request during which the proxy ends. It must not have been answered: every step comes before the answer.
pub(crate) async fn unanswered(yard: &Yard, path: &str, body: &Value) -> anyhow::Result<()> {
    match yard.ask(&yard.merchant()?, "POST", path, body).await {
        Ok(answer) => bail!(
            "answered {} although the proxy ended before: {}",
            answer.status,
            answer.json()
        ),
        Err(_) => Ok(()),
    }
}

/// The same request again until it is answered with a known outcome.
pub(crate) async fn repeat(
    yard: &Yard,
    path: &str,
    body: &Value,
    done: impl Fn(&Answer) -> bool,
) -> anyhow::Result<Value> {
    let merchant = yard.merchant()?;
    let mut last = Value::Null;
    for _ in 0..150 {
        let answer = yard.ask(&merchant, "POST", path, body).await?;
        last = answer.json();
        if done(&answer) {
            return Ok(last);
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("POST {path} had no outcome within 15 s: {last}")
}

async fn create_point(yard: &Yard, channel: &str, step: &str, jsapi: bool) -> anyhow::Result<String> {
    let mut body = yard.body(channel, 700);
    if jsapi {
        body["pay_way"] = "jsapi".into();
        body["payer"] = if channel == "wechat" {
            json!({ "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o" })
        } else {
            json!({ "buyer_id": "2088102146225135" })
        };
    }
    let reach = match (channel, jsapi) {
        (_, true) => "call_up",
        ("wechat", _) => "code_url",
        _ => "qr_code",
    };
    create_by(yard, step, &body, reach).await
}

/// An order of any way to pay, whose answer has `reach`: killed at the step, repeated, opened where the payer must, paid.
pub(crate) async fn create_by(yard: &Yard, step: &str, body: &Value, reach: &str) -> anyhow::Result<String> {
    yard.restart_until(step).await?;
    unanswered(yard, "/v1/payments", body).await?;
    yard.stopped_and_started().await?;
    yard.keeps_its_word().await?;
    let order = repeat(yard, "/v1/payments", body, |a| {
        a.status < 300 && a.json()["state"] == "awaiting_payment" && !a.json()[reach].is_null()
    })
    .await?;
    yard.demo.open(&order).await?;
    let there = yard.at_channel(&order).await?;
    ensure!(
        there.len() == 1,
        "the channel has {} orders of {}",
        there.len(),
        order["number"]
    );
    yard.pay(&order).await?;
    let id = id(&order)?;
    yard.until(id, "payment", |o| o["state"] == "paid").await?;
    yard.told(id, "payment.paid").await?;
    let again = yard.ask(&yard.merchant()?, "POST", "/v1/payments", body).await?;
    ensure!(
        again.status == 200 && again.json()["state"] == "paid",
        "a repeat after payment answered {}: {}",
        again.status,
        again.json()
    );
    Ok(format!(
        "one order at the channel, create sent {} time(s), paid once, told",
        there[0]["calls"]["create"]
    ))
}

/// The merchant asks no more for a while, and what a repeat needs died with the process: a close at the channel finds
/// nothing, so the order was not placed, and the merchant is told. Then the same number is placed anew, as itself.
async fn silent_create(yard: &Yard, channel: &str) -> anyhow::Result<String> {
    yard.restart_until("intent_recorded").await?;
    let body = yard.body(channel, 710);
    unanswered(yard, "/v1/payments", &body).await?;
    yard.stopped_and_started().await?;
    let found = yard
        .merchant()?
        .ask(
            "GET",
            &format!("/v1/payments?order_no={}", text(&body["order_no"])),
            None,
        )
        .await?
        .json();
    ensure!(
        found["state"] == "unknown",
        "an intent without an outcome is {found}"
    );
    let gone = yard
        .until(id(&found)?, "outcome", |o| o["state"] != "unknown")
        .await?;
    ensure!(gone["state"] == "not_placed", "what was never sent is {gone}");
    ensure!(
        yard.at_channel(&gone).await?.is_empty(),
        "the channel has an order that was never sent"
    );
    yard.told(id(&gone)?, "payment.not_placed").await?;
    let events = yard.demo.shop().told(yard.merchant()?.id(), id(&gone)?);
    ensure!(
        events.iter().all(|e| e["type"] != "payment.closed"),
        "the number was burned: {events:?}"
    );
    let again = repeat(yard, "/v1/payments", &body, |a| a.status == 201).await?;
    ensure!(
        again["id"] == gone["id"] && again["number"] == body["order_no"],
        "the repeat has another number: {again}"
    );
    yard.pay(&again).await?;
    yard.until(id(&again)?, "payment", |o| o["state"] == "paid")
        .await?;
    ensure!(
        yard.at_channel(&again).await?.len() == 1,
        "not one order at the channel"
    );
    Ok("never sent, not placed, told; the same number placed anew and paid".into())
}

/// `repeats`: does the merchant ask again, or is the sweep alone?
pub(crate) async fn refund_point(
    yard: &Yard,
    channel: &str,
    step: &str,
    repeats: bool,
) -> anyhow::Result<String> {
    let order = yard.paid(channel, 900).await?;
    refund_of(yard, &order, step, repeats).await
}

/// A refund of a paid order.
async fn refund_of(yard: &Yard, order: &Value, step: &str, repeats: bool) -> anyhow::Result<String> {
    let (id, channel) = (id(order)?, &order["channel"]);
    let path = format!("/v1/payments/{id}/refunds");
    // A reason is the payer's business: it is sealed, dies with the process, and cannot be sent again.
    let body = json!({ "refund_no": "r1", "amount": 400, "reason": "退货 returned" });
    yard.restart_until(step).await?;
    if !repeats {
        // Then nobody but the sweep can find out.
        yard.demo
            .control(
                "/control/fault",
                &json!({ "channel": channel, "operation": "notice", "kind": "drop", "count": 1 }),
            )
            .await?;
    }
    unanswered(yard, &path, &body).await?;
    yard.stopped_and_started().await?;
    yard.keeps_its_word().await?;
    if repeats || step == "before_intent" {
        let refund = repeat(yard, &path, &body, |a| a.status < 300).await?;
        ensure!(
            refund["refund_no"] == "r1" && refund["amount"] == 400,
            "an odd refund: {refund}"
        );
    }
    let order = yard
        .until(id, "refund", |o| o["refunds"][0]["state"] == "succeeded")
        .await?;
    ensure!(
        order["state"] == "partly_refunded" && order["refunds"].as_array().map(Vec::len) == Some(1),
        "an odd order: {order}"
    );
    let there = yard.at_channel(&order).await?;
    ensure!(
        there.len() == 1 && there[0]["refunded_fen"] == 400,
        "the channel paid back {}",
        there[0]["refunded_fen"]
    );
    ensure!(
        there[0]["refunds"].as_array().map(Vec::len) == Some(1),
        "refunds at the channel: {}",
        there[0]["refunds"]
    );
    yard.told(id, "refund.succeeded").await?;
    let events = yard.demo.shop().told(yard.merchant()?.id(), id);
    ensure!(
        events.iter().all(|e| e["type"] != "refund.failed"),
        "the merchant was told of a failure that was none: {events:?}"
    );
    Ok(format!(
        "400 fen back once, refund sent {} time(s), told{}",
        there[0]["calls"]["refund"],
        if repeats || step == "before_intent" {
            ""
        } else {
            ", merchant silent"
        }
    ))
}

/// `repeats`: does the merchant ask again, or is the sweep alone?
async fn close_point(yard: &Yard, channel: &str, step: &str, repeats: bool) -> anyhow::Result<String> {
    let order = yard.placed(channel, 300).await?;
    yard.demo.open(&order).await?;
    let id = id(&order)?;
    let path = format!("/v1/payments/{id}/close");
    yard.restart_until(step).await?;
    unanswered(yard, &path, &json!({})).await?;
    yard.stopped_and_started().await?;
    yard.keeps_its_word().await?;
    if repeats || step == "before_intent" {
        let closed = repeat(yard, &path, &json!({}), |a| a.status == 200).await?;
        ensure!(closed["state"] == "closed", "close answered {closed}");
    }
    let closed = yard.until(id, "close", |o| o["state"] == "closed").await?;
    let there = yard.at_channel(&closed).await?;
    let state = text(&there[0]["state"]);
    ensure!(
        there.len() == 1
            && !there[0]["paid"].is_string()
            && ["CLOSED", "TRADE_CLOSED"].contains(&state.as_str()),
        "at the channel: {there:?}"
    );
    yard.told(id, "payment.closed").await?;
    Ok(format!(
        "closed, {state} at the channel, close sent {} time(s){}",
        there[0]["calls"]["close"],
        if repeats || step == "before_intent" {
            ""
        } else {
            ", merchant silent"
        }
    ))
}

pub(crate) async fn notice_point(yard: &Yard, channel: &str, step: &str) -> anyhow::Result<String> {
    let order = yard.placed(channel, 500).await?;
    notice_of(yard, &order, step).await
}

/// A payment of an order that its channel has.
async fn notice_of(yard: &Yard, order: &Value, step: &str) -> anyhow::Result<String> {
    let id = id(order)?;
    yard.restart_until(step).await?;
    yard.pay(order).await?;
    yard.stopped_and_started().await?;
    yard.keeps_its_word().await?;
    let order = yard.until(id, "payment", |o| o["state"] == "paid").await?;
    yard.told(id, "payment.paid").await?;
    let mut notice = Value::Null;
    for _ in 0..150 {
        notice = yard.at_channel(&order).await?[0]["notices"][0].clone();
        if notice["status"] == "acknowledged" {
            let tries = notice["attempts"].as_array().map_or(0, Vec::len);
            return Ok(format!(
                "paid by {}, notice acknowledged at try {tries}, told",
                order["paid"]["proof"]
            ));
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("the channel's notice was not acknowledged: {notice}")
}

pub(crate) fn say(path: &str, channel: &str, step: &str, what: &str) {
    println!("{path:<7} {channel:<7} killed at {step:<23} {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_create() {
    let yard = Yard::open().await.expect("demo");
    for channel in CHANNELS {
        for step in MUTATION {
            let said = create_point(&yard, channel, step, false)
                .await
                .unwrap_or_else(|e| panic!("create {channel} {step}: {e:#}"));
            say("create", channel, step, &said);
        }
        let said = silent_create(&yard, channel)
            .await
            .unwrap_or_else(|e| panic!("create {channel}, silent: {e:#}"));
        say("create", channel, "intent_recorded", &said);
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.paid), (14, 14), "{books:?}");
    println!("{books:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_a_jsapi_create() {
    let yard = Yard::open().await.expect("demo");
    for channel in CHANNELS {
        for step in MUTATION {
            let said = create_point(&yard, channel, step, true)
                .await
                .unwrap_or_else(|e| panic!("jsapi {channel} {step}: {e:#}"));
            say("jsapi", channel, step, &said);
        }
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.paid), (12, 12), "{books:?}");
    println!("{books:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_refund() {
    let yard = Yard::open().await.expect("demo");
    for channel in CHANNELS {
        for (n, step) in MUTATION.into_iter().enumerate() {
            let repeats = n % 2 == usize::from(channel == "wechat");
            let said = refund_point(&yard, channel, step, repeats)
                .await
                .unwrap_or_else(|e| panic!("refund {channel} {step}: {e:#}"));
            say("refund", channel, step, &said);
        }
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.refunded_fen), (12, 4800), "{books:?}");
    println!("{books:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_close() {
    let yard = Yard::open().await.expect("demo");
    for channel in CHANNELS {
        for (n, step) in MUTATION.into_iter().enumerate() {
            // By turns the merchant repeats, or says nothing and the sweep has to bring it to its end.
            let repeats = n % 2 == usize::from(channel == "alipay");
            let said = close_point(&yard, channel, step, repeats)
                .await
                .unwrap_or_else(|e| panic!("close {channel} {step}: {e:#}"));
            say("close", channel, step, &said);
        }
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.paid), (12, 0), "{books:?}");
    println!("{books:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_notice() {
    let yard = Yard::open().await.expect("demo");
    for channel in CHANNELS {
        for step in NOTICE {
            let said = notice_point(&yard, channel, step)
                .await
                .unwrap_or_else(|e| panic!("notice {channel} {step}: {e:#}"));
            say("notice", channel, step, &said);
        }
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.paid), (8, 8), "{books:?}");
    println!("{books:?}");
}

/// A simple generator, so that a failure can be repeated by its seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most.max(1)
    }
}

fn files_under(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .flat_map(|e| {
            if e.path().is_dir() {
                files_under(&e.path())
            } else {
                vec![e.path()]
            }
        })
        .collect();
    files.sort();
    files
}

/// Overwrites stretches of files with random octets.
fn damage(files: &[PathBuf], dice: &mut Dice) -> anyhow::Result<u64> {
    let mut damaged = 0;
    for file in files {
        let mut bytes = std::fs::read(file)?;
        // Where there is something: sled keeps long stretches of zeros.
        let used: Vec<usize> = bytes
            .iter()
            .enumerate()
            .filter(|(_, b)| **b != 0)
            .map(|(at, _)| at)
            .collect();
        for _ in 0..used.len().min(4) {
            let at = used[dice.below(used.len() as u64) as usize];
            for byte in bytes.iter_mut().skip(at).take(1 + dice.below(64) as usize) {
                *byte = dice.next() as u8;
                damaged += 1;
            }
        }
        std::fs::write(file, bytes)?;
    }
    Ok(damaged)
}

/// Orders of every kind, final and open, and what was said of them.
async fn stocked(yard: &Yard) -> anyhow::Result<()> {
    for channel in CHANNELS {
        for _ in 0..3 {
            let order = yard.paid(channel, 900).await?;
            let path = format!("/v1/payments/{}/refunds", id(&order)?);
            yard.ask(
                &yard.merchant()?,
                "POST",
                &path,
                &json!({ "refund_no": "r1", "amount": 900 }),
            )
            .await?;
            yard.until(id(&order)?, "refund", |o| o["state"] == "refunded")
                .await?;
            yard.paid(channel, 100).await?;
            yard.placed(channel, 200).await?;
        }
        let order = yard.placed(channel, 300).await?;
        let path = format!("/v1/payments/{}/close", id(&order)?);
        yard.ask(&yard.merchant()?, "POST", &path, &json!({})).await?;
    }
    sleep(Duration::from_millis(1700)).await; // the index is fed twice a second and written each second
    Ok(())
}

/// Starts, and finds every order by its number, as it was.
async fn found_again(yard: &Yard, why: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    yard.start().await.with_context(|| why.to_owned())?;
    let took = began.elapsed();
    yard.keeps_its_word().await.with_context(|| why.to_owned())?;
    let merchant = yard.merchant()?;
    let said = yard.said.lock().await.clone();
    for (id, order) in &said {
        let found = merchant
            .ask(
                "GET",
                &format!("/v1/payments?order_no={}", text(&order["order_no"])),
                None,
            )
            .await?;
        ensure!(
            found.status == 200 && found.json()["id"] == *id.as_str(),
            "{why}: {id} was not found: {}",
            found.json()
        );
        ensure!(
            found.json()["amount"] == order["amount"],
            "{why}: {id} has another amount"
        );
    }
    println!(
        "{why:<52} ready after {:>4} ms, {} orders found",
        took.as_millis(),
        said.len()
    );
    Ok(())
}

async fn without_its_index(yard: &Yard) -> anyhow::Result<()> {
    stocked(yard).await?;
    let (data, services) = (yard.data(), &yard.demo.services);
    services.kill_proxy().await?;
    std::fs::remove_dir_all(data.join("index"))?;
    found_again(yard, "index deleted").await?;
    let mut dice = Dice(
        std::env::var("SEED")
            .ok()
            .and_then(|s| s.parse().ok())
            .unwrap_or(0x5eed),
    );
    let rounds: u64 = std::env::var("ROUNDS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(8);
    for round in 1..=rounds {
        sleep(Duration::from_millis(1700)).await;
        services.kill_proxy().await?;
        // All of its files, or one of them: what sled finds out by itself differs.
        let mut files = files_under(&data.join("index"));
        if round % 4 != 0 {
            let one = if round % 2 == 0 {
                dice.below(files.len() as u64) as usize
            } else {
                files.iter().position(|f| f.ends_with("db")).unwrap_or(0)
            };
            files = vec![files.swap_remove(one)];
        }
        let octets = damage(&files, &mut dice)?;
        let names: Vec<_> = files
            .iter()
            .filter_map(|f| f.file_name())
            .map(|n| n.to_string_lossy().into_owned())
            .collect();
        found_again(
            yard,
            &format!("index damaged ({}), {octets} octets", names.join(" ")),
        )
        .await?;
    }
    Ok(())
}

/// `guandao rebuild`, as an operator would.
fn rebuild(yard: &Yard) -> anyhow::Result<std::process::Output> {
    Ok(std::process::Command::new(services::binary("guandao")?)
        .arg("rebuild")
        .arg(yard.config())
        .output()?)
}

async fn without_its_snapshot(yard: &Yard) -> anyhow::Result<()> {
    let (data, services) = (yard.data(), &yard.demo.services);
    let refused = rebuild(yard)?;
    ensure!(!refused.status.success(), "rebuilt under a running service");
    println!(
        "rebuild beside a running service: {}",
        String::from_utf8_lossy(&refused.stderr).trim()
    );
    services.kill_proxy().await?;
    let rebuilt = rebuild(yard)?;
    ensure!(
        rebuilt.status.success(),
        "rebuild: {}",
        String::from_utf8_lossy(&rebuilt.stderr)
    );
    println!("rebuild: {}", String::from_utf8_lossy(&rebuilt.stdout).trim());
    found_again(yard, "index and snapshot rebuilt by command").await?;
    let snapshot = data.join("snapshot.json");
    let whole = std::fs::read_to_string(&snapshot)?;
    ensure!(whole.contains("\"amount\":200"), "no open order in the snapshot");
    let mut dice = Dice(0x5a9);
    let torn = whole.chars().take(whole.len() / 2).collect::<String>();
    let other_amount = whole.replacen("\"amount\":200", "\"amount\":201", 1);
    let other_place = whole.replacen("\"next\":", "\"next\":1", 1);
    for (why, text) in [
        ("snapshot cut in half", torn),
        ("snapshot with another amount", other_amount),
        ("snapshot of another place", other_place),
        ("snapshot empty", String::new()),
    ] {
        services.kill_proxy().await?;
        std::fs::write(&snapshot, text)?;
        found_again(yard, why).await?;
    }
    for _ in 0..3 {
        services.kill_proxy().await?;
        std::fs::write(&snapshot, &whole)?;
        let octets = damage(std::slice::from_ref(&snapshot), &mut dice)?;
        found_again(yard, &format!("snapshot damaged, {octets} octets")).await?;
    }
    services.kill_proxy().await?;
    std::fs::remove_file(&snapshot)?;
    std::fs::remove_dir_all(data.join("index"))?;
    found_again(yard, "index and snapshot deleted").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_or_deleted_index_rebuilds() {
    let yard = Yard::open().await.expect("demo");
    without_its_index(&yard).await.unwrap_or_else(|e| panic!("{e:#}"));
    without_its_snapshot(&yard)
        .await
        .unwrap_or_else(|e| panic!("{e:#}"));
    let books = yard.agree().await.expect("the books agree");
    println!("{books:?}");
}

/// One system call of a trace: where it began and ended (as lines), its name, what it was about, whether it went well.
struct Call {
    began: usize,
    ended: usize,
    text: String,
}

/// Puts `unfinished …` and `resumed` together again.
fn calls(trace: &str) -> Vec<Call> {
    let mut open: HashMap<&str, (usize, String)> = HashMap::new();
    let mut all = Vec::new();
    for (n, line) in trace.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let rest = rest.trim_start();
        if let Some(begin) = rest.strip_suffix(" <unfinished ...>") {
            open.insert(thread, (n, begin.to_owned()));
        } else if rest.starts_with("<... ") {
            let Some((began, begin)) = open.remove(thread) else {
                continue;
            };
            let end = rest.split_once("resumed>").map_or("", |(_, end)| end);
            all.push(Call {
                began,
                ended: n,
                text: begin + end,
            });
        } else {
            all.push(Call {
                began: n,
                ended: n,
                text: rest.to_owned(),
            });
        }
    }
    all.sort_by_key(|c| c.began);
    all
}

/// Where the bytes of a call go: to a socket whose other end is this port.
fn goes_to(call: &Call, port: u16) -> bool {
    let sends = ["write(", "writev(", "sendto(", "sendmsg("]
        .iter()
        .any(|name| call.text.starts_with(name));
    let descriptor = call.text.split(']').next().unwrap_or_default();
    sends && descriptor.contains("TCP:[") && descriptor.ends_with(&format!("->127.0.0.1:{port}"))
}

/// The bytes of a call come from our own listener at this port.
fn comes_from(call: &Call, port: u16) -> bool {
    let sends = ["write(", "writev(", "sendto(", "sendmsg("]
        .iter()
        .any(|name| call.text.starts_with(name));
    sends
        && call
            .text
            .split("->")
            .next()
            .unwrap_or_default()
            .ends_with(&format!("TCP:[127.0.0.1:{port}"))
}

async fn traced(yard: &Yard) -> anyhow::Result<()> {
    let trace = yard.demo.place.dir.join("trace");
    yard.demo.services.kill_proxy().await?;
    let mut child = tokio::process::Command::new("strace")
        .args([
            "-f",
            "-yy",
            "-s",
            "65536",
            "-e",
            "trace=fdatasync,sendto,write,writev,sendmsg,pwrite64",
            "-o",
        ])
        .arg(&trace)
        .arg(services::binary("guandao")?)
        .arg("run")
        .arg(yard.config())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    yard.demo.ready().await?;
    let mut orders = Vec::new();
    for channel in CHANNELS {
        orders.push(yard.placed(channel, 250).await?);
    }
    let proxy = std::fs::read_to_string(format!(
        "/proc/{0}/task/{0}/children",
        child.id().context("strace runs")?
    ))?;
    let proxy: i32 = proxy
        .split_whitespace()
        .next()
        .context("the traced process")?
        .parse()?;
    // SAFETY: a signal to a process that this test started.
    #[allow(unsafe_code)]
    let sent = unsafe { libc::kill(proxy, libc::SIGTERM) };
    ensure!(sent == 0, "the traced process is gone");
    child.wait().await?;
    let text = String::from_utf8_lossy(&std::fs::read(&trace)?).into_owned();
    let calls = calls(&text);
    let channels = [yard.demo.channels.wechat.port(), yard.demo.channels.alipay.port()];
    for (order, port) in orders.iter().zip(channels) {
        in_right_order(&calls, order, port, yard.demo.place.ports.api)?;
    }
    yard.start().await
}

/// Written, synced, and only then sent; the outcome written, synced, and only then told.
fn in_right_order(calls: &[Call], order: &Value, channel: u16, api: u16) -> anyhow::Result<()> {
    let number = text(&order["number"]);
    let written = |from: usize, event: &str, of: &str| {
        let fits = |c: &&Call| {
            c.began >= from
                && c.text.starts_with("pwrite64(")
                && c.text.contains(".wal>")
                && c.text.contains(event)
                && c.text.contains(of)
        };
        calls.iter().find(fits)
    };
    let synced = |write: &Call| {
        let fits = |c: &&Call| {
            c.began > write.ended
                && c.text.starts_with("fdatasync(")
                && c.text.contains(".wal>")
                && c.text.ends_with("= 0")
        };
        calls.iter().find(fits)
    };
    let intent = written(0, "attempt_intended", &number).context("no intent in the trace")?;
    let intent_synced = synced(intent).context("no fdatasync after the intent")?;
    let first = calls
        .iter()
        .find(|c| goes_to(c, channel))
        .context("no bytes to the channel in the trace")?;
    ensure!(
        first.began > intent_synced.ended,
        "bytes left for the channel at line {} before the intent was durable at line {}",
        first.began,
        intent_synced.ended
    );
    let placed = written(first.ended, "attempt_placed", "").context("no outcome in the trace")?;
    let placed_synced = synced(placed).context("no fdatasync after the outcome")?;
    let early = calls
        .iter()
        .find(|c| comes_from(c, api) && c.began > intent.began && c.began <= placed_synced.ended);
    ensure!(
        early.is_none(),
        "bytes left for the merchant before the outcome was durable"
    );
    let answer = calls
        .iter()
        .find(|c| comes_from(c, api) && c.began > placed_synced.ended)
        .context("no answer in the trace")?;
    println!(
        "{:<7} line {:>5} intent written, {:>5} its fdatasync = 0, {:>5} first bytes to the channel, {:>5} outcome written, {:>5} its fdatasync = 0, {:>5} first bytes to the merchant",
        text(&order["channel"]),
        intent.began + 1,
        intent_synced.ended + 1,
        first.began + 1,
        placed.began + 1,
        placed_synced.ended + 1,
        answer.began + 1,
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fdatasync_comes_before_the_bytes_leave() {
    if std::process::Command::new("strace").arg("-V").output().is_err() {
        println!("SKIPPED: there is no strace on this machine, so nothing was traced");
        return;
    }
    let yard = Yard::open().await.expect("demo");
    traced(&yard).await.unwrap_or_else(|e| panic!("{e:#}"));
}

/// What one client of the load does until it is told to stop: orders, from create to their end, whatever happens to the
/// proxy meanwhile. Each request is repeated until it is answered.
async fn custom(yard: &Yard, stop: &AtomicBool, done: &AtomicU64, mut dice: Dice) -> anyhow::Result<()> {
    while !stop.load(Ordering::Acquire) {
        if dice.below(3) == 0 {
            codes::custom(yard, &mut dice).await?;
            done.fetch_add(1, Ordering::AcqRel);
            continue;
        }
        let channel = CHANNELS[dice.below(2) as usize];
        let amount = 100 + dice.below(900);
        let body = yard.body(channel, amount);
        let outcome = |a: &Answer| a.status < 300 && a.json()["state"] != "unknown";
        let order = persist(yard, "POST", "/v1/payments", &body, outcome).await?;
        let id = id(&order)?;
        // A repeat that came too late finds the order closed: an outcome too.
        if order["state"] == "awaiting_payment" && dice.below(5) == 0 {
            yard.demo.open(&order).await?;
            let closed = |a: &Answer| a.status == 200 && a.json()["state"] == "closed";
            persist(
                yard,
                "POST",
                &format!("/v1/payments/{id}/close"),
                &json!({}),
                closed,
            )
            .await?;
        } else if order["state"] == "awaiting_payment" {
            let pay = json!({ "channel": channel, "out_trade_no": order["number"], "outcome": "paid", "notify": dice.below(3) != 0 });
            yard.demo.control("/control/pay", &pay).await?;
            let get = format!("/v1/payments/{id}");
            persist(yard, "GET", &get, &Value::Null, |a| {
                a.status == 200 && a.json()["state"] == "paid"
            })
            .await?;
            if dice.below(2) == 0 {
                let part = 1 + dice.below(amount);
                let refund = json!({ "refund_no": "r1", "amount": part, "reason": "returned" });
                persist(yard, "POST", &format!("{get}/refunds"), &refund, |a| {
                    a.status < 300
                })
                .await?;
                persist(yard, "GET", &get, &Value::Null, |a| {
                    a.json()["refunds"][0]["state"] == "succeeded"
                })
                .await?;
            }
        }
        done.fetch_add(1, Ordering::AcqRel);
    }
    Ok(())
}

async fn persist(
    yard: &Yard,
    method: &str,
    path: &str,
    body: &Value,
    done: impl Fn(&Answer) -> bool,
) -> anyhow::Result<Value> {
    let began = Instant::now();
    let mut merchant = yard.merchant()?;
    let mut last = String::new();
    // Between two kills there is a second or less, so patience is long; that there is an outcome is what counts.
    while began.elapsed() < Duration::from_secs(120) {
        match yard.ask(&merchant, method, path, body).await {
            Ok(answer) if done(&answer) => return Ok(answer.json()),
            Ok(answer) => last = format!("{} {}", answer.status, answer.json()),
            Err(error) => {
                last = format!("{error:#}");
                merchant = yard.merchant()?;
            }
        }
        sleep(Duration::from_millis(60)).await;
    }
    bail!("{method} {path} had no outcome within 120 s: {last}")
}

async fn killed_at_random(kills: u64, customers: u64) -> anyhow::Result<()> {
    let yard = Arc::new(Yard::open().await?);
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let seed = u64::from(std::process::id());
    println!("{kills} kills, {customers} clients, seed {seed}");
    let load: Vec<_> = (1..=customers)
        .map(|n| {
            let (yard, stop, done) = (yard.clone(), stop.clone(), done.clone());
            tokio::spawn(async move {
                custom(
                    &yard,
                    &stop,
                    &done,
                    Dice(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed),
                )
                .await
            })
        })
        .collect();
    let mut dice = Dice(0xdead ^ seed);
    for kill in 1..=kills {
        sleep(Duration::from_millis(dice.below(700))).await;
        yard.demo.services.kill_proxy().await?;
        yard.demo.services.restart_proxy(&yard.demo.place, &[]).await?;
        // One time in four it is killed again while it starts.
        if dice.below(4) != 0 {
            yard.demo.ready().await?;
        }
        if kill % 50 == 0 {
            println!(
                "{kill} kills, {} orders brought to their end",
                done.load(Ordering::Acquire)
            );
        }
    }
    yard.demo.ready().await?;
    stop.store(true, Ordering::Release);
    for client in load {
        client.await??;
    }
    // What is still to be told is told within the merchant's waiting times.
    sleep(Duration::from_secs(5)).await;
    let yard = Arc::into_inner(yard).context("all clients have gone")?;
    println!("{:?}", yard.agree().await?);
    Ok(())
}

/// `cargo test --release -p workspace-tests --test road random_kills_under_load -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: two hundred kills take some minutes"]
async fn random_kills_under_load() {
    let kills = std::env::var("KILLS")
        .ok()
        .and_then(|k| k.parse().ok())
        .unwrap_or(200);
    killed_at_random(kills, 6)
        .await
        .unwrap_or_else(|e| panic!("{e:#}"));
}
