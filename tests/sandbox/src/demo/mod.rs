//! The demo: channels, proxy and desk on one machine, real orders over every channel built so far, and the proof of
//! each.

pub mod command;
pub mod http;
pub mod merchant;
pub mod officers;
pub mod orders;
pub mod place;
pub mod planted;
pub mod proofs;
pub mod services;
pub mod shop;

use crate::channels::{self, Settings};
use anyhow::{Context, anyhow, ensure};
use http::Client;
use merchant::Merchant;
use orders::Told;
use place::{Options, Place};
use serde_json::{Value, json};
use services::Services;
use shop::Shop;
use std::{
    net::SocketAddr,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

/// A running demo.
pub struct Demo {
    /// The installation.
    pub place: Place,
    /// The channels.
    pub channels: channels::Running,
    /// Proxy and desk.
    pub services: Services,
    shop: Shop,
    control: Client,
    ca: Vec<u8>,
    numbers: AtomicU64,
    run: String,
}

impl Demo {
    /// Starts everything and writes `endpoints.json`.
    pub async fn start(dir: &Path, options: &Options, split: bool) -> anyhow::Result<Demo> {
        let place = Place::make(dir, options)?;
        let settings = Settings::new(place.material.dir.clone(), place.material.merchants.clone());
        let channels = channels::start(settings).await?;
        place.configure(channels.wechat, channels.alipay, options)?;
        let shop = Shop::start(&place.dir, place.ports.shop).await?;
        let services = Services::start(&place, options, split).await?;
        let control = Client::clear(channels.control);
        let ca = std::fs::read(place.material.ca_path())?;
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|e| anyhow!("{e}"))?;
        let demo = Demo { channels, services, shop, control, ca, numbers: AtomicU64::new(1), run: hex::encode(random), place };
        demo.ready().await?;
        demo.write_endpoints()?;
        Ok(demo)
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

    /// Asks the sandbox's control listener.
    pub async fn control(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let answer = self.control.send("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes()).await?;
        ensure!(answer.status == 200, "{path} answered {}: {}", answer.status, answer.json());
        Ok(answer.json())
    }

    /// What the channels have.
    pub async fn channel_orders(&self) -> anyhow::Result<Value> {
        Ok(self.control.send("GET", "/control/orders", &[], b"").await?.json())
    }

    /// The body of the latest request that a channel got, as text; a form is decoded.
    pub async fn last_request(&self, channel: &str, operation: &str) -> anyhow::Result<String> {
        let path = format!("/control/requests?channel={channel}&operation={operation}&last=1");
        let all = self.control.send("GET", &path, &[], b"").await?.json();
        let list = all["requests"].as_array().or(all.as_array()).context("requests")?;
        let body = list.last().and_then(|r| r["body"].as_str()).context("a request with a body")?;
        Ok(String::from_utf8_lossy(&base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body)?).into_owned())
    }

    /// The client of a merchant of the demo.
    pub fn merchant(&self, number: usize) -> anyhow::Result<Merchant> {
        let merchant = self.place.merchants.get(number).context("no such merchant")?;
        Merchant::open(&self.place.dir, &self.ca, merchant, local(self.place.ports.api))
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
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        Err(anyhow!("the proxy is not ready after 30 s: {last}"))
    }

    fn write_endpoints(&self) -> anyhow::Result<()> {
        let (ports, place) = (self.place.ports, &self.place);
        let url = |port: u16| format!("https://127.0.0.1:{port}");
        let merchants: Vec<Value> = place.merchants.iter().map(|m| {
            let mut accounts = json!({ "wechat": m.accounts.wechat, "alipay": m.accounts.alipay });
            under(&mut accounts, "channels");
            json!({ "mchid": m.id, "scheme": m.scheme, "key_file": m.key_file, "serial": m.serial, "accounts": accounts })
        }).collect();
        let vkey = |file: &str| std::fs::read_to_string(place.dir.join(file)).map(|t| t.trim().to_owned());
        let endpoints = json!({
            "api": { "url": url(ports.api), "ca": "channels/ca.pem", "keys": [
                { "serial": "GDED25519A1", "scheme": "GUANDAO-ED25519", "public_key_file": "merchants/GDED25519A1.pub.pem" },
                { "serial": "GDRSA2048A1", "scheme": "GUANDAO-SHA256-RSA2048", "public_key_file": "merchants/GDRSA2048A1.pub.pem" },
            ] },
            "passthrough": { "wechat": { "url": url(ports.wechat), "host": "127.0.0.1" }, "alipay": { "url": format!("{}/gateway.do", url(ports.alipay)), "host": "127.0.0.1" } },
            "notify": { "url": url(ports.notify) },
            "desk": { "url": url(ports.desk), "users": place::USERS.map(|(name, role)| json!({ "name": name, "role": role, "password": place::PASSWORD })) },
            "metrics": { "url": format!("http://127.0.0.1:{}/metrics", ports.metrics) },
            "sandbox": { "url": { "wechat": self.channels.wechat_url(), "alipay": self.channels.alipay_url() }, "ca": "channels/ca.pem", "control": self.channels.control_url() },
            "merchants": merchants,
            "journals": {
                "trades": { "dir": "data/trades", "origin": format!("{}/trades/0", place::NAME), "public_key": vkey("trades.vkey")? },
                "cases": { "dir": "desk/data/cases", "origin": format!("{}/cases/0", place::NAME), "public_key": vkey("cases.vkey")? },
            },
            "acquirer": { "public_key": place.acquirer_vkey() },
            "exports": { "dir": "exports", "public_key": vkey("export.vkey")? },
            "pids": self.services.pids(),
        });
        let file = place.dir.join("endpoints.json");
        // Written beside and renamed: whoever waits for the file never reads half of it.
        std::fs::write(file.with_extension("new"), serde_json::to_string_pretty(&endpoints)?)?;
        std::fs::rename(file.with_extension("new"), file)?;
        Ok(())
    }

    /// Tells `count` rounds of stories over every channel.
    pub async fn tell(&self, rounds: usize) -> anyhow::Result<Vec<Told>> {
        let mut told = Vec::new();
        for _ in 0..rounds {
            for channel in ["wechat", "alipay"] {
                for merchant in [self.merchant(0)?, self.merchant(3)?] {
                    told.push(orders::scanned_and_refunded(self, &merchant, channel).await?);
                    told.push(orders::in_the_wallet(self, &merchant, channel).await?);
                    told.push(orders::closed(self, &merchant, channel).await?);
                }
                let merchant = self.merchant(0)?;
                told.push(orders::timed_out_and_recovered(self, &merchant, channel).await?);
                told.push(orders::without_notice(self, &merchant, channel).await?);
                told.push(orders::held_and_released(self, &merchant, channel).await?);
            }
            told.push(orders::another_way(self, &self.merchant(0)?).await?);
        }
        Ok(told)
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// File names of the channels' material are relative to its own folder; here to the demo's.
fn under(value: &mut Value, folder: &str) {
    match value {
        Value::Object(map) => map.iter_mut().for_each(|(name, value)| match value {
            Value::String(text) if name.ends_with("_file") => *text = format!("{folder}/{text}"),
            other => under(other, folder),
        }),
        Value::Array(list) => list.iter_mut().for_each(|v| under(v, folder)),
        _ => {}
    }
}
