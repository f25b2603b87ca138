//! The demo: channels, proxy and desk on one machine, real orders over every channel built so far, and the proof of
//! each.

pub mod abnormal;
pub mod acp;
pub mod alipay_door;
pub mod alipay_own;
pub mod banks;
pub mod books;
pub mod browser;
pub mod codes;
pub mod command;
pub mod door;
mod endpoints;
pub mod fates;
pub mod http;
pub mod merchant;
pub mod officers;
pub mod one_code;
pub mod orders;
pub mod own_client;
mod own_ways;
mod own_wechat;
mod payer;
pub mod place;
pub mod planted;
pub mod ports;
pub mod product;
pub mod proofs;
pub mod services;
pub mod several;
pub mod shop;
pub mod signals;
pub mod stories;
pub mod unionpay;
mod watched;
mod ways;

pub use crate::channels::gate;
use crate::channels::{self, Settings};
use anyhow::{Context, anyhow, ensure};
use gate::Gate;
use http::Client;
use merchant::Merchant;
use place::{Addresses, Options, Place};
use serde_json::Value;
use services::Services;
use shop::Shop;
use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Which merchants are the demo's own, by their places in the list.
pub struct Own {
    /// Ordinary trade.
    pub stories: [usize; 2],
    /// Trade that must be flagged.
    pub planted: usize,
    /// Stopped by two officers.
    pub stopped: usize,
}

impl Own {
    /// Behind so many merchants of others; also how many there are then altogether.
    pub fn after(others: usize) -> (Own, usize) {
        (
            Own {
                stories: [others, others + 1],
                planted: others + 2,
                stopped: others + 3,
            },
            others + 4,
        )
    }
}

/// A running demo.
pub struct Demo {
    /// The installation.
    pub place: Place,
    /// The channels.
    pub channels: channels::Running,
    /// Proxy and desk.
    pub services: Services,
    /// Before the first accounts of the first merchant, where it has second ones, in the order of [`place::GATED`].
    pub gates: Vec<Arc<Gate>>,
    shop: Shop,
    control: Client,
    ca: Vec<u8>,
    numbers: AtomicU64,
    run: String,
    /// The past day whose books are told.
    traded: Option<books::Traded>,
}

impl Demo {
    /// Starts everything and writes `endpoints.json`.
    pub async fn start(dir: &Path, options: &Options, split: bool) -> anyhow::Result<Demo> {
        let place = Place::make(dir, options)?;
        if options.rules {
            place.routing.lock().0 = place.rules();
        }
        let mut settings = Settings::new(place.material.dir.clone(), place.material.merchants.clone());
        // A second account comes behind them, and is the first merchant's.
        let merchants = place.merchants.len();
        settings.own = merchants.saturating_sub(options.own)..merchants;
        // The proxy's own wait is 200 ms there (`place/config.rs`), from a moment before the call arrives.
        settings.reverse_after = std::time::Duration::from_millis(100);
        let channels = channels::start(settings).await?;
        let control = Client::clear(channels.control);
        let mut gates = Vec::new();
        if options.second_accounts {
            let ca = place.material.ca()?;
            let to = [
                channels.wechat,
                channels.alipay,
                channels.unionpay,
                channels.both,
                channels.both,
            ];
            for ((_, host), to) in place::GATED.into_iter().zip(to) {
                gates.push(Gate::open(&ca, host, to).await?);
            }
            place.behind(gates.iter().map(|gate| gate.address).collect());
            channels.lines_behind(&place::GATED.map(|(channel, _)| channel), &gates)?;
        }
        place.configure(&Addresses::of(&channels), options)?;
        let shop = Shop::start(&place.dir, place.ports.shop).await?;
        let services = Services::start(&place, options, split).await?;
        let ca = std::fs::read(place.material.ca_path())?;
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|e| anyhow!("{e}"))?;
        let mut demo = Demo {
            channels,
            services,
            gates,
            shop,
            control,
            ca,
            numbers: AtomicU64::new(1),
            run: hex::encode(random),
            place,
            traded: None,
        };
        demo.ready().await?;
        demo.register_with_banks().await?;
        if let Some(plan) = options.books {
            ensure!(split, "the proxy's books are opened at its second start");
            demo.traded = Some(books::begin(&demo, plan).await?);
        }
        demo.write_endpoints()?;
        Ok(demo)
    }

    /// Banks send notices to the address that they were told of once.
    async fn register_with_banks(&self) -> anyhow::Result<()> {
        let all = self.place.merchants.iter().map(|m| &m.accounts);
        for accounts in all.chain(&self.place.second) {
            let account = &accounts.ccb.pos_id;
            let url = format!("http://127.0.0.1:{}/n/ccb/{account}", self.place.ports.banks);
            let told = serde_json::json!({ "channel": "ccb", "account": account, "notify_url": url });
            self.control("/control/register", &told).await?;
        }
        Ok(())
    }

    /// Where merchants are told.
    pub fn shop(&self) -> &Shop {
        &self.shop
    }

    /// The demo's CA.
    pub fn ca(&self) -> &[u8] {
        &self.ca
    }

    /// A number that no order had before.
    pub fn next_number(&self) -> String {
        format!("D{}{:06}", self.run, self.numbers.fetch_add(1, Ordering::Relaxed))
    }

    /// A payment code of a wallet that was never shown before, told by its digits (channels.md 7).
    pub fn next_code(&self, channel: &str) -> String {
        let n = self.numbers.fetch_add(1, Ordering::Relaxed);
        let begin = match channel {
            "wechat" => "13",
            "unionpay" => "620",
            _ => "28",
        };
        let run = u32::from_str_radix(&self.run, 16).unwrap_or_default();
        format!("{begin}{run:010}{n:06}")
    }

    /// Asks the sandbox's control listener.
    pub async fn control(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let answer = self
            .control
            .send(
                "POST",
                path,
                &[("content-type", "application/json")],
                body.to_string().as_bytes(),
            )
            .await?;
        ensure!(
            answer.status == 200,
            "{path} answered {}: {}",
            answer.status,
            answer.json()
        );
        Ok(answer.json())
    }

    /// Asks the sandbox's control listener for what it knows.
    pub async fn control_get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(self.control.send("GET", path, &[], b"").await?.json())
    }

    /// What the channels have.
    pub async fn channel_orders(&self) -> anyhow::Result<Value> {
        Ok(self
            .control
            .send("GET", "/control/orders", &[], b"")
            .await?
            .json())
    }

    /// Faults that wait for their victims.
    pub async fn faults(&self) -> anyhow::Result<Value> {
        Ok(self
            .control
            .send("GET", "/control/faults", &[], b"")
            .await?
            .json())
    }

    /// The last thousand requests that channels heard of.
    pub async fn channel_requests(&self) -> anyhow::Result<Value> {
        Ok(self
            .control
            .send("GET", "/control/requests", &[], b"")
            .await?
            .json())
    }

    /// The body of the latest request that a channel got, as text; a form is decoded.
    pub async fn last_request(&self, channel: &str, operation: &str) -> anyhow::Result<String> {
        let path = format!("/control/requests?channel={channel}&operation={operation}&last=1");
        let all = self.control.send("GET", &path, &[], b"").await?.json();
        let list = all["requests"]
            .as_array()
            .or(all.as_array())
            .context("requests")?;
        let body = list
            .last()
            .and_then(|r| r["body"].as_str())
            .context("a request with a body")?;
        Ok(String::from_utf8_lossy(&base64::Engine::decode(
            &base64::engine::general_purpose::STANDARD,
            body,
        )?)
        .into_owned())
    }

    /// The client of a merchant of the demo.
    pub fn merchant(&self, number: usize) -> anyhow::Result<Merchant> {
        let merchant = self.place.merchants.get(number).context("no such merchant")?;
        Merchant::open(&self.place.dir, &self.ca, merchant, local(self.place.ports.api))
    }

    /// The client of the first merchant's terminal.
    pub fn terminal(&self) -> anyhow::Result<Merchant> {
        Merchant::open(
            &self.place.dir,
            &self.ca,
            &self.place.terminal,
            local(self.place.ports.api),
        )
    }

    /// The client of a merchant by its `mchid`.
    pub fn merchant_named(&self, mchid: &str) -> anyhow::Result<Merchant> {
        let number = self.place.merchants.iter().position(|m| m.id == mchid);
        self.merchant(number.context("no such merchant")?)
    }

    /// Waits until the proxy takes orders.
    pub async fn ready(&self) -> anyhow::Result<()> {
        let metrics = Client::clear(local(self.place.ports.metrics));
        let mut last = String::from("no answer");
        for _ in 0..300 {
            match metrics.send("GET", "/readyz", &[], b"").await {
                Ok(answer) if answer.status == 200 => return Ok(()),
                Ok(answer) => last = String::from_utf8_lossy(&answer.body).into_owned(),
                Err(error) => last = error.to_string(),
            }
            if let Some(end) = self.services.proxy_end(&self.place).await {
                return Err(anyhow!("the proxy ended: {end}"));
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        Err(anyhow!("the proxy is not ready after 30 s: {last}"))
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
