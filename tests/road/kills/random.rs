//! Load, and kills at random.

use super::*;

/// A simple generator, so that a failure can be repeated by its seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, most: u64) -> u64 {
        self.next() % most.max(1)
    }
}

/// Channels whose codes the load has scanned.
const LOADED: [&str; 3] = ["wechat", "alipay", "unionpay"];

/// What one client of the load does until it is told to stop: orders, from create to their end, whatever happens to the
/// proxy meanwhile. Each request is repeated until it is answered.
async fn custom(yard: &Yard, stop: &AtomicBool, done: &AtomicU64, mut dice: Dice) -> anyhow::Result<()> {
    while !stop.load(Ordering::Acquire) {
        let kind = dice.below(6);
        if kind < 3 {
            match kind {
                0 | 1 => codes::custom(yard, &mut dice).await?,
                _ => handed_out::custom(yard, &mut dice).await?,
            }
            done.fetch_add(1, Ordering::AcqRel);
            continue;
        }
        let channel = LOADED[dice.below(3) as usize];
        let amount = 100 + dice.below(900);
        let body = yard.body(channel, amount);
        let outcome = |a: &Answer| a.status < 300 && a.json()["state"] != "unknown";
        let order = persist(yard, "POST", "/v1/payments", &body, outcome).await?;
        let id = id(&order)?;
        // A repeat that came too late finds the order closed: an outcome too.
        // UnionPay has no close: there an order ends with its own time.
        if order["state"] == "awaiting_payment" && channel != "unionpay" && dice.below(5) == 0 {
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

pub(super) async fn persist(
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
