//! One demo whose proxy may be ended at any step, what it has said of each order, and whether the books of both sides agree.

use super::*;

/// One demo whose proxy may be ended.
pub(crate) struct Yard {
    pub(crate) demo: Demo,
    /// Orders of which the service has said something: the last word on each.
    pub(super) said: Mutex<BTreeMap<String, Value>>,
    _dir: TempDir,
}

impl Yard {
    pub(crate) async fn open() -> anyhow::Result<Yard> {
        Yard::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> anyhow::Result<Yard> {
        Yard::of(Options {
            desk: false,
            merchants: 1,
            ..options
        })
        .await
    }

    /// With just these options.
    pub(crate) async fn of(options: Options) -> anyhow::Result<Yard> {
        let dir = tempfile::tempdir()?;
        let demo = Demo::start(dir.path(), &options, true).await?;
        // Notices of the channels come again after 15 s and 4 min; the test has not that long.
        demo.control("/control/clock", &json!({ "speed": 20.0 })).await?;
        Ok(Yard {
            demo,
            said: Mutex::default(),
            _dir: dir,
        })
    }

    pub(super) fn data(&self) -> PathBuf {
        self.demo.place.dir.join("data")
    }

    pub(super) fn config(&self) -> PathBuf {
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
    pub(super) async fn ask(
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

    /// It is paid, and the channel has it once.
    pub(crate) async fn paid_once(&self, order: &Value) -> anyhow::Result<()> {
        self.pay(order).await?;
        self.until(id(order)?, "payment", |o| o["state"] == "paid")
            .await?;
        ensure!(
            self.at_channel(order).await?.len() == 1,
            "not one order at the channel"
        );
        Ok(())
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
    pub(super) fn in_order(&self) -> anyhow::Result<usize> {
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
    for _ in 0..400 {
        let answer = yard.ask(&merchant, "POST", path, body).await?;
        last = answer.json();
        if done(&answer) {
            return Ok(last);
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("POST {path} had no outcome: {last}")
}
