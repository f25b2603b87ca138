//! Signed requests as merchants send them: to the unified API, and as WeChat Pay's official SDKs write them. All are
//! made before a window opens, so that the load generator only sends.

use anyhow::Context;
use sandbox::demo::{door::WechatDoor, merchant::Merchant, place::Place};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// What kind of order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Unified API, WeChat Native.
    Native,
    /// Unified API, WeChat JSAPI: a second RSA signature for the call-up parameters.
    Jsapi,
    /// WeChat Native by the merchant's own SDK.
    PassThrough,
}

/// Makes requests of one merchant of a place.
pub(crate) struct Traffic {
    merchant: Merchant,
    door: WechatDoor,
    run: String,
    next: AtomicU64,
}

impl Traffic {
    /// The first merchant: its API key is Ed25519.
    pub(crate) fn of(place: &Place) -> anyhow::Result<Traffic> {
        let first = place.merchants.first().context("a merchant")?;
        let ca = std::fs::read(place.material.ca_path())?;
        let merchant = Merchant::open(
            &place.dir,
            &ca,
            first,
            SocketAddr::from(([127, 0, 0, 1], place.ports.api)),
        )?;
        let door = WechatDoor::open(place, &ca, first)?;
        let run = format!("{:08x}", unix().as_millis() as u32);
        Ok(Traffic {
            merchant,
            door,
            run,
            next: AtomicU64::new(1),
        })
    }

    /// So many requests, each with a number and a nonce of its own.
    pub(crate) fn make(&self, kind: Kind, count: usize) -> anyhow::Result<Vec<Vec<u8>>> {
        (0..count).map(|_| self.one(kind)).collect()
    }

    fn one(&self, kind: Kind) -> anyhow::Result<Vec<u8>> {
        let number = format!("B{}{:09}", self.run, self.next.fetch_add(1, Ordering::Relaxed));
        match kind {
            Kind::PassThrough => {
                let target = "/v3/pay/transactions/native";
                let body = self.native_body(&number).to_string();
                let authorization = self.door.authorization("POST", target, &body)?;
                Ok(request("127.0.0.1", target, &authorization, &body))
            }
            _ => self.unified(unified_body(&number, kind)),
        }
    }

    fn unified(&self, body: Value) -> anyhow::Result<Vec<u8>> {
        self.signed("/v1/payments", &body)
    }

    fn signed(&self, target: &str, body: &Value) -> anyhow::Result<Vec<u8>> {
        let body = body.to_string();
        let authorization = self.merchant.authorization("POST", target, body.as_bytes())?;
        Ok(request("localhost", target, &authorization, &body))
    }

    /// So many requests, each made of a number of its own.
    pub(crate) fn numbered(
        &self,
        count: usize,
        one: impl Fn(&str, u64) -> anyhow::Result<Vec<u8>>,
    ) -> anyhow::Result<Vec<Vec<u8>>> {
        (0..count)
            .map(|_| {
                let n = self.next.fetch_add(1, Ordering::Relaxed);
                one(&format!("B{}{n:09}", self.run), n)
            })
            .collect()
    }

    /// So many groups of two orders that are paid together.
    pub(crate) fn groups(&self, count: usize) -> anyhow::Result<Vec<Vec<u8>>> {
        self.numbered(count, |number, _| {
            let part = |letter: char, fen: u64| {
                json!({ "order_no": format!("{number}{letter}"), "amount": fen, "description": "奶茶 Milk tea, large, less ice" })
            };
            let body = json!({
                "group_no": number, "channel": "wechat", "pay_way": "native", "orders": [part('a', 330), part('b', 950)],
            });
            self.signed("/v1/payments/combined", &body)
        })
    }

    /// So many orders of any channel and way to pay; `more` gives what only this way has, from a running number.
    pub(crate) fn by_way(
        &self,
        (channel, pay_way): (&str, &str),
        more: impl Fn(u64) -> Value,
        count: usize,
    ) -> anyhow::Result<Vec<Vec<u8>>> {
        self.numbered(count, |number, n| {
            let mut body = json!({
                "order_no": number, "channel": channel, "pay_way": pay_way, "amount": 1280,
                "description": "奶茶 Milk tea, large, less ice",
            });
            if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more(n)) {
                body.extend(more);
            }
            self.unified(body)
        })
    }

    fn native_body(&self, number: &str) -> Value {
        json!({
            "amount": { "currency": "CNY", "total": 1280 }, "appid": self.door.account.appid, "attach": "table 7, till 3, order of the noon shift", "description": "奶茶 Milk tea, large, less ice",
            "detail": goods(), "mchid": self.door.account.mchid, "notify_url": "https://shop.example/notify/wechat/native", "out_trade_no": number,
            "scene_info": { "device_id": "till-3", "payer_client_ip": "203.0.113.7" },
        })
    }

    /// Verifies a unified answer as the merchant would.
    pub(crate) fn verify(&self, headers: &http::HeaderMap, body: &[u8]) -> anyhow::Result<()> {
        self.merchant.verify(headers, body)
    }
}

fn unified_body(number: &str, kind: Kind) -> Value {
    let mut body = json!({
        "order_no": number, "channel": "wechat", "pay_way": "native", "amount": 1280, "currency": "CNY", "description": "奶茶 Milk tea, large, less ice",
        "attach": "table 7, till 3, order of the noon shift", "client_ip": "203.0.113.7", "device_id": "till-3", "detail": goods().to_string(),
    });
    if kind == Kind::Jsapi {
        body["pay_way"] = "jsapi".into();
        body["payer"] = json!({ "openid": format!("oUpF8u{number}") });
    }
    body
}

pub(crate) fn goods() -> Value {
    json!({ "cost_price": 1480, "goods_detail": [
        { "goods_name": "Milk tea, large", "merchant_goods_id": "1246464644", "quantity": 1, "unit_price": 980 },
        { "goods_name": "Egg tart", "merchant_goods_id": "1246464645", "quantity": 1, "unit_price": 300 },
    ], "invoice_id": "INV-2026-000123" })
}

fn request(host: &str, target: &str, authorization: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: guandao-bench/1\r\nAccept: application/json\r\nContent-Type: application/json\r\nAuthorization: {authorization}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len(),
    )
    .into_bytes()
}

pub(crate) fn unix() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
