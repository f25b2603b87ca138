//! Crash safety. The proxy is a process of its own and ends at every named step of create, refund, close and notice,
//! over both channels; then it starts again, the merchant repeats the same number, and nothing acknowledged is gone,
//! nothing is charged or paid back twice, nobody is left without an outcome.

use anyhow::{Context, anyhow, bail, ensure};
use sandbox::demo::{Demo, http::Answer, merchant::Merchant, place::Options, services};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
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
const MUTATION: [&str; 6] = ["before_intent", "intent_recorded", "before_send", "after_send", "answer_read", "outcome_recorded"];
/// Steps of a notice and of telling the merchant.
const NOTICE: [&str; 4] = ["before_notice_recorded", "notice_recorded", "before_tell", "after_tell"];
const CHANNELS: [&str; 2] = ["wechat", "alipay"];

/// One demo whose proxy may be ended.
struct Yard {
    demo: Demo,
    /// Orders of which the service has said something: the last word on each.
    said: Mutex<BTreeMap<String, Value>>,
    _dir: TempDir,
}

impl Yard {
    async fn open() -> anyhow::Result<Yard> {
        let dir = tempfile::tempdir()?;
        let demo = Demo::start(dir.path(), &Options { desk: false, merchants: 1, ..Options::default() }, true).await?;
        // Notices of the channels come again after 15 s and 4 min; the test has not that long.
        demo.control("/control/clock", &json!({ "speed": 20.0 })).await?;
        Ok(Yard { demo, said: Mutex::default(), _dir: dir })
    }

    fn data(&self) -> PathBuf {
        self.demo.place.dir.join("data")
    }

    fn config(&self) -> PathBuf {
        self.demo.place.dir.join("guandao.toml")
    }

    fn merchant(&self) -> anyhow::Result<Merchant> {
        self.demo.merchant(0)
    }

    /// Kills whatever runs and starts a proxy that stops itself at this step.
    async fn restart_until(&self, step: &str) -> anyhow::Result<()> {
        self.demo.services.kill_proxy().await?;
        self.demo.services.restart_proxy(&self.demo.place, &[("GUANDAO_STOP_AT", step)]).await?;
        self.demo.ready().await
    }

    /// The proxy has stopped itself at the step; starts it again and waits until it takes orders.
    async fn stopped_and_started(&self) -> anyhow::Result<()> {
        let ended = tokio::time::timeout(Duration::from_secs(15), self.demo.services.proxy_ended()).await;
        let status = ended.map_err(|_| anyhow!("the step was not reached in 15 s"))??;
        ensure!(status.signal() == Some(libc::SIGABRT), "the proxy ended otherwise: {status}");
        self.start().await
    }

    async fn start(&self) -> anyhow::Result<()> {
        self.demo.services.restart_proxy(&self.demo.place, &[]).await?;
        self.demo.ready().await
    }

    /// A request whose answer, if there is one, counts as said.
    async fn ask(&self, merchant: &Merchant, method: &str, path: &str, body: &Value) -> anyhow::Result<Answer> {
        let answer = merchant.ask(method, path, (method == "POST").then_some(body)).await?;
        let value = answer.json();
        if answer.status < 300 && value["order_no"].is_string() && let Some(id) = value["id"].as_str() {
            self.said.lock().await.insert(id.to_owned(), value.clone());
        }
        Ok(answer)
    }

    /// The order is there and says at least what was said.
    async fn keeps_its_word(&self) -> anyhow::Result<()> {
        let merchant = self.merchant()?;
        let said = self.said.lock().await.clone();
        for (id, before) in said {
            let now = merchant.ask("GET", &format!("/v1/payments/{id}"), None).await?;
            ensure!(now.status == 200, "{id} was acknowledged and is gone: {} {}", now.status, now.json());
            let now = now.json();
            ensure!(rank(&now) >= rank(&before), "{id} was {} and is {}", before["state"], now["state"]);
            for field in ["order_no", "number", "amount", "channel"] {
                ensure!(now[field] == before[field], "{field} of {id} was {} and is {}", before[field], now[field]);
            }
            let list = |o: &Value| o["refunds"].as_array().cloned().unwrap_or_default();
            for refund in list(&before) {
                let now = list(&now).into_iter().find(|r| r["refund_no"] == refund["refund_no"]);
                let now = now.with_context(|| format!("refund {} of {id} is gone", refund["refund_no"]))?;
                ensure!(refund["state"] != "succeeded" || now["state"] == "succeeded", "refund {refund} became {now}");
            }
        }
        Ok(())
    }

    fn body(&self, channel: &str, amount: u64) -> Value {
        let pay_way = if channel == "wechat" { "native" } else { "qr" };
        json!({ "order_no": self.demo.next_number(), "channel": channel, "pay_way": pay_way, "amount": amount, "description": "奶茶 Milk tea", "attach": "table 7" })
    }

    async fn placed(&self, channel: &str, amount: u64) -> anyhow::Result<Value> {
        let answer = self.ask(&self.merchant()?, "POST", "/v1/payments", &self.body(channel, amount)).await?;
        ensure!(answer.status == 201, "create answered {}: {}", answer.status, answer.json());
        Ok(answer.json())
    }

    async fn pay(&self, order: &Value) -> anyhow::Result<()> {
        let body = json!({ "channel": order["channel"], "out_trade_no": order["number"], "outcome": "paid" });
        self.demo.control("/control/pay", &body).await.map(drop)
    }

    async fn until(&self, id: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let order = self.merchant()?.until(id, what, wanted).await?;
        self.said.lock().await.insert(id.to_owned(), order.clone());
        Ok(order)
    }

    async fn paid(&self, channel: &str, amount: u64) -> anyhow::Result<Value> {
        let order = self.placed(channel, amount).await?;
        self.pay(&order).await?;
        self.until(id(&order)?, "payment", |o| o["state"] == "paid").await
    }

    /// What the channel has of an order.
    async fn at_channel(&self, order: &Value) -> anyhow::Result<Vec<Value>> {
        let all = self.demo.channel_orders().await?;
        let fits = |o: &&Value| o["channel"] == order["channel"] && o["out_trade_no"] == order["number"];
        Ok(all["orders"].as_array().context("orders")?.iter().filter(fits).cloned().collect())
    }

    /// The merchant was told of it.
    async fn told(&self, id: &str, what: &str) -> anyhow::Result<()> {
        for _ in 0..150 {
            if self.demo.shop().told(&self.demo.place.merchants[0].id, id).iter().any(|e| e["type"] == what) {
                return Ok(());
            }
            sleep(Duration::from_millis(100)).await;
        }
        bail!("the merchant was not told {what} of {id}")
    }

    /// All books agree: ours, the channels', the merchant's; then the journal is verified by the verifier.
    async fn agree(self) -> anyhow::Result<Books> {
        self.keeps_its_word().await?;
        let merchant = self.merchant()?;
        let mut books = Books::default();
        let mut ours = HashMap::new();
        for id in self.said.lock().await.keys() {
            let order = merchant.ask("GET", &format!("/v1/payments/{id}"), None).await?.json();
            ours.insert((text(&order["channel"]), text(&order["number"])), order);
        }
        books.orders = ours.len();
        for there in self.demo.channel_orders().await?["orders"].as_array().context("orders")? {
            let key = (text(&there["channel"]), text(&there["out_trade_no"]));
            let order = ours.get(&key).with_context(|| format!("the channel has an order that nobody knows: {there}"))?;
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
        for came in self.demo.shop().came(&format!("/notify/{}", place.merchants[0].id)) {
            merchant.verify(&came.headers, &came.body)?;
            let value: Value = serde_json::from_slice(&came.body)?;
            let is = (text(&value["id"]), format!("{} {}", text(&value["type"]), text(&value["payment"]["id"])));
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
struct Books {
    orders: usize,
    paid: usize,
    events: usize,
    refunded_fen: u64,
}

impl Books {
    fn agree(&mut self, order: &Value, there: &Value) -> anyhow::Result<()> {
        let paid_here = ["paid", "partly_refunded", "refunded"].contains(&order["state"].as_str().unwrap_or_default());
        let paid_there = there["paid"].is_string();
        ensure!(paid_here == paid_there, "paid here {paid_here}, there {paid_there}: {order} {there}");
        ensure!(order["amount"] == there["fen"], "the amount differs: {order} {there}");
        let refunds = order["refunds"].as_array().cloned().unwrap_or_default();
        let back: u64 = refunds.iter().filter(|r| r["state"] == "succeeded").filter_map(|r| r["amount"].as_u64()).sum();
        let back_there = there["refunded_fen"].as_u64().unwrap_or_default();
        ensure!(back == back_there, "refunded {back} here, {back_there} there: {order} {there}");
        self.paid += usize::from(paid_there);
        self.refunded_fen += back_there;
        Ok(())
    }
}

fn id(order: &Value) -> anyhow::Result<&str> {
    order["id"].as_str().ok_or_else(|| anyhow!("no id in {order}"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// How far an order has come; an acknowledged one never falls back.
fn rank(order: &Value) -> u8 {
    match order["state"].as_str().unwrap_or_default() {
        "unknown" => 0,
        "awaiting_payment" => 1,
        "not_placed" | "closed" => 2,
        "paid" => 3,
        "partly_refunded" => 4,
        "refunded" => 5,
        other => panic!("an unknown state {other}"),
    }
}

/// A request during which the proxy ends. It must not have been answered: every step comes before the answer.
async fn unanswered(yard: &Yard, path: &str, body: &Value) -> anyhow::Result<()> {
    match yard.ask(&yard.merchant()?, "POST", path, body).await {
        Ok(answer) => bail!("answered {} although the proxy ended before: {}", answer.status, answer.json()),
        Err(_) => Ok(()),
    }
}

/// The same request again until it is answered with a known outcome.
async fn repeat(yard: &Yard, path: &str, body: &Value, done: impl Fn(&Answer) -> bool) -> anyhow::Result<Value> {
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

async fn create_point(yard: &Yard, channel: &str, step: &str) -> anyhow::Result<String> {
    yard.restart_until(step).await?;
    let body = yard.body(channel, 700);
    unanswered(yard, "/v1/payments", &body).await?;
    yard.stopped_and_started().await?;
    yard.keeps_its_word().await?;
    let code = if channel == "wechat" { "code_url" } else { "qr_code" };
    let order = repeat(yard, "/v1/payments", &body, |a| a.status < 300 && a.json()["state"] == "awaiting_payment" && a.json()[code].is_string()).await?;
    let there = yard.at_channel(&order).await?;
    ensure!(there.len() == 1, "the channel has {} orders of {}", there.len(), order["number"]);
    yard.pay(&order).await?;
    let id = id(&order)?;
    yard.until(id, "payment", |o| o["state"] == "paid").await?;
    yard.told(id, "payment.paid").await?;
    let again = yard.ask(&yard.merchant()?, "POST", "/v1/payments", &body).await?;
    ensure!(again.status == 200 && again.json()["state"] == "paid", "a repeat after payment answered {}: {}", again.status, again.json());
    Ok(format!("one order at the channel, create sent {} time(s), paid once, told", there[0]["calls"]["create"]))
}

async fn refund_point(yard: &Yard, channel: &str, step: &str) -> anyhow::Result<String> {
    let order = yard.paid(channel, 900).await?;
    let id = id(&order)?;
    let path = format!("/v1/payments/{id}/refunds");
    // A reason is the payer's business: it is sealed, dies with the process, and cannot be sent again.
    let body = json!({ "refund_no": "r1", "amount": 400, "reason": "退货 returned" });
    yard.restart_until(step).await?;
    unanswered(yard, &path, &body).await?;
    yard.stopped_and_started().await?;
    yard.keeps_its_word().await?;
    let refund = repeat(yard, &path, &body, |a| a.status < 300).await?;
    ensure!(refund["refund_no"] == "r1" && refund["amount"] == 400, "an odd refund: {refund}");
    let order = yard.until(id, "refund", |o| o["refunds"][0]["state"] == "succeeded").await?;
    ensure!(order["state"] == "partly_refunded" && order["refunds"].as_array().map(Vec::len) == Some(1), "an odd order: {order}");
    let there = yard.at_channel(&order).await?;
    ensure!(there.len() == 1 && there[0]["refunded_fen"] == 400, "the channel paid back {}", there[0]["refunded_fen"]);
    ensure!(there[0]["refunds"].as_array().map(Vec::len) == Some(1), "refunds at the channel: {}", there[0]["refunds"]);
    yard.told(id, "refund.succeeded").await?;
    Ok(format!("400 fen back once, refund sent {} time(s), told", there[0]["calls"]["refund"]))
}

/// `repeats`: does the merchant ask again, or is the sweep alone?
async fn close_point(yard: &Yard, channel: &str, step: &str, repeats: bool) -> anyhow::Result<String> {
    let order = yard.placed(channel, 300).await?;
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
    // Alipay knows nothing of a code that nobody has scanned; closing it is closing nothing.
    ensure!(there.len() == 1 && !there[0]["paid"].is_string() && (channel == "alipay" || state == "CLOSED"), "at the channel: {there:?}");
    yard.told(id, "payment.closed").await?;
    Ok(format!("closed, {state} at the channel, close sent {} time(s){}", there[0]["calls"]["close"], if repeats { "" } else { ", merchant silent" }))
}

async fn notice_point(yard: &Yard, channel: &str, step: &str) -> anyhow::Result<String> {
    let order = yard.placed(channel, 500).await?;
    let id = id(&order)?;
    yard.restart_until(step).await?;
    yard.pay(&order).await?;
    yard.stopped_and_started().await?;
    yard.keeps_its_word().await?;
    let order = yard.until(id, "payment", |o| o["state"] == "paid").await?;
    yard.told(id, "payment.paid").await?;
    let mut notice = Value::Null;
    for _ in 0..150 {
        notice = yard.at_channel(&order).await?[0]["notices"][0].clone();
        if notice["status"] == "acknowledged" {
            let tries = notice["attempts"].as_array().map_or(0, Vec::len);
            return Ok(format!("paid by {}, notice acknowledged at try {tries}, told", order["paid"]["proof"]));
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("the channel's notice was not acknowledged: {notice}")
}

fn say(path: &str, channel: &str, step: &str, what: &str) {
    println!("{path:<7} {channel:<7} killed at {step:<23} {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_create() {
    let yard = Yard::open().await.expect("demo");
    for channel in CHANNELS {
        for step in MUTATION {
            let said = create_point(&yard, channel, step).await.unwrap_or_else(|e| panic!("create {channel} {step}: {e:#}"));
            say("create", channel, step, &said);
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
        for step in MUTATION {
            let said = refund_point(&yard, channel, step).await.unwrap_or_else(|e| panic!("refund {channel} {step}: {e:#}"));
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
            let said = close_point(&yard, channel, step, repeats).await.unwrap_or_else(|e| panic!("close {channel} {step}: {e:#}"));
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
            let said = notice_point(&yard, channel, step).await.unwrap_or_else(|e| panic!("notice {channel} {step}: {e:#}"));
            say("notice", channel, step, &said);
        }
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.paid), (8, 8), "{books:?}");
    println!("{books:?}");
}
