//! A buyer whose every field is a value found nowhere else goes through every path. Afterwards the value is in no file,
//! log, metric or export, and, once its deadline has passed and its connections are closed, in no memory of any of our
//! processes. The same scan finds a planted value in a file, and the living one in memory.

mod alipay_pages;
mod baidu;
mod banks;
mod codes;
mod encrypted;
mod errors;
mod groups;
mod native;
mod open_api;
mod scan;
mod unionpay;
mod unionpay_pass;

use scan::{Canaries, Looked, PART, Scanner, getrandom};

use anyhow::{Context, anyhow, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use certs::{Keys, Material};
use domain::KeyRef;
use sandbox::demo::{
    Demo,
    http::{Answer, Client},
    merchant::Merchant,
    place::Options,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    net::SocketAddr,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant, SystemTime},
};
use tokio::{io::AsyncWriteExt, time::sleep};

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Signs as whoever holds this key file of the channels' material.
struct Signer(Keys);

impl Signer {
    fn open(demo: &Demo, file: &str) -> anyhow::Result<Signer> {
        let keys = Keys::default();
        keys.put(
            KeyRef::new("own")?,
            Material::read(&std::fs::read(demo.place.material.dir.join(file))?)?,
        );
        Ok(Signer(keys))
    }

    fn sign(&self, message: &str) -> anyhow::Result<String> {
        Ok(STANDARD.encode(self.0.sign(&KeyRef::new("own")?, message.as_bytes())?))
    }
}

/// One run: the demo, and everything that must be nowhere.
struct Run {
    demo: Demo,
    canaries: Canaries,
    merchant: Merchant,
    /// Numbers of orders that were asked for.
    asked: Vec<String>,
}

impl Run {
    async fn control(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        self.demo.control(path, body).await.map(drop)
    }

    /// Asks for an order; what becomes of it, [`Run::end_all`] will see.
    async fn create(&mut self, body: &Value) -> anyhow::Result<Answer> {
        self.asked.extend(body["order_no"].as_str().map(str::to_owned));
        self.merchant.ask("POST", "/v1/payments", Some(body)).await
    }

    /// A buyer at WeChat who tells everything.
    fn wechat_buyer(&mut self) -> Value {
        let (number, c) = (self.demo.next_number(), &mut self.canaries);
        let goods = c.text("wechat goods name");
        json!({
            "order_no": number, "channel": "wechat", "pay_way": "jsapi", "amount": 880,
            "description": c.odd_text("wechat description"), "attach": c.odd_text("wechat attach"),
            "payer": { "openid": c.text("wechat openid") }, "client_ip": c.address("wechat client_ip"), "device_id": c.text("wechat device_id"),
            "detail": format!("{{\"cost_price\":880,\"goods_detail\":[{{\"merchant_goods_id\":\"g1\",\"goods_name\":\"{goods}\",\"quantity\":1,\"unit_price\":880}}]}}"),
        })
    }

    fn alipay_buyer(&mut self) -> Value {
        let (number, c) = (self.demo.next_number(), &mut self.canaries);
        let goods = c.text("alipay goods name");
        json!({
            "order_no": number, "channel": "alipay", "pay_way": "jsapi", "amount": 990,
            "description": c.odd_text("alipay subject"), "attach": c.odd_text("alipay attach"),
            "payer": { "buyer_id": c.digits("alipay buyer_id", "2088", 12) }, "client_ip": c.address("alipay client_ip"), "device_id": c.text("alipay device_id"),
            "detail": format!("[{{\"goods_id\":\"g1\",\"goods_name\":\"{goods}\",\"quantity\":1,\"price\":9.9}}]"),
        })
    }

    /// Ways outside the wallet: an address at WeChat, an order in the payer's own hands at Alipay.
    async fn outside_the_wallet(&mut self) -> anyhow::Result<()> {
        let (one, two, c) = (
            self.demo.next_number(),
            self.demo.next_number(),
            &mut self.canaries,
        );
        let back = format!("https://shop.example/back?customer={}", c.text("return address"));
        let h5 = json!({
            "order_no": one, "channel": "wechat", "pay_way": "h5", "amount": 550, "description": c.odd_text("h5 description"),
            "client_ip": c.address("h5 client_ip"),
        });
        let page = json!({
            "order_no": two, "channel": "alipay", "pay_way": "page", "amount": 560, "description": c.odd_text("page subject"),
            "attach": c.odd_text("page attach"), "return_url": back,
        });
        for (body, place) in [(h5, "h5_url"), (page, "call_up")] {
            let answer = self.create(&body).await?;
            let order = answer.json();
            ensure!(
                answer.status == 201 && !order[place].is_null(),
                "create answered {}: {order}",
                answer.status
            );
            self.demo.open(&order).await?;
            self.control(
                "/control/pay",
                &json!({ "channel": order["channel"], "out_trade_no": order["number"], "outcome": "paid" }),
            )
            .await?;
            self.merchant
                .until(order["id"].as_str().context("id")?, "payment", |o| {
                    o["state"] == "paid"
                })
                .await?;
        }
        Ok(())
    }

    /// Create, pay, tell, ask for the payer, refund.
    async fn unified(&mut self) -> anyhow::Result<()> {
        for channel in ["wechat", "alipay"] {
            let body = if channel == "wechat" {
                self.wechat_buyer()
            } else {
                self.alipay_buyer()
            };
            let answer = self.create(&body).await?;
            ensure!(
                answer.status == 201,
                "{channel} create answered {}: {}",
                answer.status,
                answer.json()
            );
            let order = answer.json();
            let id = order["id"].as_str().context("id")?;
            let again = self.create(&body).await?;
            ensure!(
                again.status == 200,
                "the repeat answered {}: {}",
                again.status,
                again.json()
            );
            let payer = match channel {
                "wechat" => self.canaries.text("openid of a notice"),
                _ => self.canaries.digits("buyer_id of a notice", "2088", 12),
            };
            self.control("/control/pay", &json!({ "channel": channel, "out_trade_no": order["number"], "outcome": "paid", "payer": payer })).await?;
            self.merchant
                .until(id, "payment", |o| o["state"] == "paid")
                .await?;
            self.told(id, &payer).await?;
            let live = self
                .merchant
                .ask("GET", &format!("/v1/payments/{id}?expand=payer"), None)
                .await?;
            ensure!(
                live.json()["payer"].to_string().contains(&payer),
                "the channel does not tell the payer: {}",
                live.json()
            );
            let reason = self.canaries.odd_text(&format!("{channel} refund reason"));
            let refund = json!({ "refund_no": "r1", "amount": 100, "reason": reason });
            let answer = self
                .merchant
                .ask("POST", &format!("/v1/payments/{id}/refunds"), Some(&refund))
                .await?;
            ensure!(
                answer.status < 300,
                "refund answered {}: {}",
                answer.status,
                answer.json()
            );
            self.merchant
                .until(id, "refund", |o| o["refunds"][0]["state"] == "succeeded")
                .await?;
            let receipt = self
                .merchant
                .ask("GET", &format!("/v1/payments/{id}/receipt"), None)
                .await?;
            std::fs::create_dir_all(self.demo.place.dir.join("receipts"))?;
            std::fs::write(
                self.demo.place.dir.join(format!("receipts/{id}.txt")),
                &receipt.body,
            )?;
        }
        Ok(())
    }

    /// The merchant is told who paid: that the value really goes through here.
    async fn told(&self, id: &str, payer: &str) -> anyhow::Result<()> {
        for _ in 0..400 {
            if self
                .demo
                .shop()
                .told(self.merchant.id(), id)
                .iter()
                .any(|e| e["payment"]["payer"].to_string().contains(payer))
            {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Err(anyhow!("the merchant was not told who paid {id}"))
    }

    /// Raw octets, signed or not, over a connection of their own.
    async fn send(&mut self, body: &[u8], signed: bool, target: &str) -> anyhow::Result<Answer> {
        let client = Client::tls(local(self.demo.place.ports.api), self.demo.ca())?;
        let authorization =
            self.merchant
                .authorization("POST", target, if signed { body } else { b"something else" })?;
        let agent = self.canaries.text("User-Agent");
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("user-agent", &agent),
            ("x-buyer", &agent),
        ];
        client.send("POST", target, &headers, body).await
    }

    /// Brings every order to its end: of an open one the channel is asked again and again, and tells its buyer each time.
    async fn end_all(&mut self) -> anyhow::Result<()> {
        let there = self.demo.channel_orders().await?;
        self.asked.extend(
            there["orders"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|o| o["out_trade_no"].as_str().map(str::to_owned)),
        );
        self.asked.sort();
        self.asked.dedup();
        for number in &self.asked {
            let mut state = String::new();
            for _ in 0..150 {
                let order = self
                    .merchant
                    .ask("GET", &format!("/v1/payments?order_no={number}"), None)
                    .await?
                    .json();
                state = order["state"].as_str().unwrap_or("none").to_owned();
                if !["awaiting_payment", "unknown"].contains(&state.as_str()) {
                    break;
                }
                // What nobody opened cannot be closed before its end, so somebody opens it. What is over already says so.
                let scan = json!({ "channel": order["channel"], "out_trade_no": order["number"], "outcome": "declined" });
                let _ = self.control("/control/pay", &scan).await;
                self.merchant
                    .ask(
                        "POST",
                        &format!("/v1/payments/{}/close", order["id"].as_str().unwrap_or_default()),
                        Some(&json!({})),
                    )
                    .await?;
                sleep(Duration::from_millis(100)).await;
            }
            ensure!(
                !["awaiting_payment", "unknown"].contains(&state.as_str()),
                "{number} is still {state}"
            );
        }
        println!("{} orders brought to their end", self.asked.len());
        Ok(())
    }
}

fn form(parameters: &[(&str, String)]) -> String {
    let escape = |text: &str| {
        text.bytes()
            .map(|b| {
                if b.is_ascii_alphanumeric() || b"-_.".contains(&b) {
                    char::from(b).to_string()
                } else {
                    format!("%{b:02X}")
                }
            })
            .collect::<String>()
    };
    parameters
        .iter()
        .map(|(n, v)| format!("{n}={}", escape(v)))
        .collect::<Vec<_>>()
        .join("&")
}

/// `2026-11-24 11:09:16`, the time of China.
fn china_now() -> anyhow::Result<String> {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)?
        .as_secs()
        + 8 * 3600;
    let (days, second) = ((now / 86_400) as i64, now % 86_400);
    // Civil date from days since 1970 (Howard Hinnant).
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (
        doy - (153 * mp + 2) / 5 + 1,
        if mp < 10 { mp + 3 } else { mp - 9 },
    );
    let year = yoe + era * 400 + i64::from(month <= 2);
    Ok(format!(
        "{year}-{month:02}-{day:02} {:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    ))
}

/// Waits until no connection is open from us to these ports, nor from others to ours; 30 s is too long.
async fn until_closed(theirs: &[u16], ours: &[u16], since: Instant) -> anyhow::Result<Duration> {
    loop {
        let table = std::fs::read_to_string("/proc/net/tcp")?;
        let open = table.lines().skip(1).filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (local, remote, state) = (words.next()?, words.next()?, words.next()?);
            let port = |address: &str| u16::from_str_radix(address.rsplit(':').next()?, 16).ok();
            (state == "01").then_some((port(local)?, port(remote)?))
        });
        let open: Vec<_> = open
            .filter(|(local, remote)| theirs.contains(remote) || ours.contains(local))
            .collect();
        if open.is_empty() {
            return Ok(since.elapsed());
        }
        ensure!(
            since.elapsed() < Duration::from_secs(30),
            "open 30 s after their last use (local, remote): {open:?}, theirs {theirs:?}, ours {ours:?}"
        );
        sleep(Duration::from_millis(250)).await;
    }
}

async fn canary_buyer(dir: &Path) -> anyhow::Result<()> {
    let demo = Demo::start(
        dir,
        &Options {
            desk: true,
            merchants: 2,
            content_keys: true,
            // The second one signs at WeChat by SM2 and opens by SM4.
            sm2_from: Some(1),
            ..Options::default()
        },
        true,
    )
    .await?;
    let pids = demo.services.pids();
    let pid = |name: &str| {
        pids[name]
            .as_u64()
            .map(|p| p as u32)
            .with_context(|| format!("{name} runs in a process of its own"))
    };
    let (proxy, desk) = (pid("proxy")?, pid("desk")?);
    let merchant = demo.merchant(0)?;
    let mut run = Run {
        demo,
        canaries: Canaries::default(),
        merchant,
        asked: Vec::new(),
    };
    // What the channels say again after minutes, they say again within a second.
    run.control("/control/clock", &json!({ "speed": 60.0 })).await?;
    run.living(proxy).await?;
    run.unified().await?;
    run.outside_the_wallet().await?;
    run.at_baidu().await?;
    run.at_unionpay().await?;
    run.alipay_pages().await?;
    run.encrypted().await?;
    run.through_unionpay().await?;
    run.at_banks().await?;
    run.pass_through().await?;
    run.groups().await?;
    run.by_sm2().await?;
    run.by_openapi_v3().await?;
    run.errors().await?;
    run.bad_requests().await?;
    run.end_all().await?;
    run.codes(proxy).await?;
    let Run {
        demo,
        canaries,
        merchant,
        ..
    } = run;
    drop(merchant);
    let closed = Instant::now();
    let scanner = Scanner::new(&canaries);
    println!(
        "{} values, {} ways to write them",
        canaries.0.len(),
        scanner.needles.len()
    );
    // The vault's deadline is 5 s; idle connections, kept by us or by others, close within 30 s (design.md section 7).
    let ports = demo.place.ports;
    let at_channels = [
        demo.channels.wechat.port(),
        demo.channels.alipay.port(),
        demo.channels.unionpay.port(),
        demo.channels.both.port(),
        ports.shop,
    ];
    let open = until_closed(
        &at_channels,
        &[
            ports.api,
            ports.notify,
            ports.banks,
            ports.wechat,
            ports.alipay,
            ports.unionpay,
        ],
        closed,
    )
    .await?;
    println!(
        "the last connection that had carried a buyer closed {} s after it was last used at the latest",
        open.as_secs()
    );
    sleep(Duration::from_secs(1)).await;
    let metrics = Client::clear(local(demo.place.ports.metrics))
        .send("GET", "/metrics", &[], b"")
        .await?;
    ensure!(metrics.body.len() > 1000, "no metrics");
    let export = demo.export().map(|_| ()).map_err(|e| e.to_string());
    println!("export: {export:?}");
    let memory = [scanner.memory(proxy)?, scanner.memory(desk)?];
    let mut everything = Looked {
        places: 1,
        octets: metrics.body.len(),
        found: scanner
            .look(&metrics.body)
            .into_iter()
            .map(|(at, what)| format!("{what} at {at}"))
            .collect(),
        hidden: false,
    };
    std::mem::take(&mut everything).must_be_clean("metrics")?;
    scanner
        .files(dir, &["channels/"])?
        .must_be_clean("files: journal, index, logs, keys, receipts, exports")?;
    let [of_proxy, of_desk] = memory;
    of_proxy.must_be_clean("memory of guandao, after its deadline and its connections")?;
    of_desk.must_be_clean("memory of guandao-desk")?;
    planted(dir, &scanner, &canaries)?;
    demo.services.stop().await?;
    scanner
        .files(dir, &["channels/", "planted"])?
        .must_be_clean("files after a stop in good order")
}

/// The same scan finds each value in each of its encodings where there is one.
fn planted(dir: &Path, scanner: &Scanner, canaries: &Canaries) -> anyhow::Result<()> {
    let folder = dir.join("planted");
    std::fs::create_dir_all(&folder)?;
    let (name, value) = canaries
        .0
        .iter()
        .find(|(name, _)| name == "wechat attach")
        .context("attach")?;
    let texts = [
        ("plain", value.clone().into_bytes()),
        ("utf16", value.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("hex", hex::encode(value).into_bytes()),
        ("base64-0", STANDARD.encode(value).into_bytes()),
        ("base64-1", STANDARD.encode(format!("x{value}")).into_bytes()),
        (
            "base64-2",
            STANDARD
                .encode(format!("{{\"attach\":\"{value}\"}}"))
                .into_bytes(),
        ),
        ("json", json!({ "attach": value }).to_string().into_bytes()),
        ("form", form(&[("attach", value.clone())]).into_bytes()),
    ];
    for (how, octets) in &texts {
        std::fs::write(
            folder.join(how),
            [&vec![b'.'; 5000][..], octets, b"...."].concat(),
        )?;
    }
    let looked = scanner.files(&folder, &[])?;
    for (how, _) in texts {
        ensure!(
            looked
                .found
                .iter()
                .any(|f| f.starts_with(name.as_str()) && f.contains(&format!("in {how} at"))),
            "a planted value was not found: {how}"
        );
    }
    println!("planted: found in all {} files", looked.places);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_buyer_is_nowhere_afterwards() {
    let dir = tempfile::tempdir().expect("a directory");
    canary_buyer(dir.path()).await.unwrap_or_else(|e| panic!("{e:#}"));
}
