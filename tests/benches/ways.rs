//! Row (g): an order of every channel and way to pay through the unified API, one interleaved run, against the sandbox.
//! Its channels share the load generator's core; only the proxy's CPU time counts, so a slow channel costs nothing but
//! wall time. What is left of an order without its asymmetric operations is held against a bare forward of the same run.

use crate::{
    crypto::{Costs, Crypto},
    load::{self, Offer, Window},
    machine,
    orders::{Length, less, over},
    peers::{self, Site},
    report::{Report, Want},
    traffic::{Kind, Traffic},
};
use anyhow::Context;
use rustls::ClientConfig;
use sandbox::{
    channels::{self, Settings},
    demo::{
        place::{Addresses, RETURN_HOST},
        shop::Shop,
    },
};
use serde_json::{Value, json};
use std::{net::SocketAddr, path::Path, sync::Arc};

/// A way to pay, with the asymmetric operations towards its channel: every order also verifies the merchant's Ed25519
/// signature and signs its answer with one.
struct Way {
    /// Of the row with the CPU time of an order.
    id: &'static str,
    /// Of the row with its ratio.
    ratio: &'static str,
    channel: &'static str,
    pay_way: &'static str,
    /// RSA-2048 signatures: request to the channel, call-up parameters.
    signs: f64,
    /// RSA-2048 verifications: the channel's answer, and its certificates where it brings some.
    verifies: f64,
    more: fn(u64) -> Value,
}

/// A row's names and a way's.
macro_rules! way {
    ($channel:literal, $pay_way:literal, $signs:literal, $verifies:literal, $more:expr) => {
        Way {
            id: concat!("g.", $channel, ".", $pay_way),
            ratio: concat!("g.", $channel, ".", $pay_way, ".rest"),
            channel: $channel,
            pay_way: $pay_way,
            signs: $signs,
            verifies: $verifies,
            more: $more,
        }
    };
}

const WAYS: &[Way] = &[
    way!("wechat", "native", 1.0, 1.0, nothing),
    way!("wechat", "jsapi", 2.0, 1.0, openid),
    way!("wechat", "h5", 1.0, 1.0, payer_ip),
    way!("wechat", "app", 2.0, 1.0, nothing),
    way!("wechat", "micropay", 0.0, 0.0, wechat_code),
    way!("alipay", "qr", 1.0, 1.0, nothing),
    way!("alipay", "jsapi", 1.0, 1.0, buyer_id),
    way!("alipay", "page", 1.0, 0.0, back),
    way!("alipay", "wap", 1.0, 0.0, back),
    way!("alipay", "app", 1.0, 0.0, nothing),
    way!("alipay", "micropay", 1.0, 1.0, alipay_code),
    way!("unionpay", "qr", 1.0, 1.0, nothing),
    way!("unionpay", "gateway", 1.0, 0.0, back),
    way!("unionpay", "gateway_b2b", 1.0, 0.0, back),
    way!("baidu", "page", 0.0, 0.0, back),
    way!("baidu", "wap", 0.0, 0.0, back),
];

fn nothing(_: u64) -> Value {
    json!({})
}

fn openid(n: u64) -> Value {
    json!({ "payer": { "openid": format!("oUpF8u{n:020}") } })
}

fn buyer_id(n: u64) -> Value {
    json!({ "payer": { "buyer_id": format!("2088{n:012}") } })
}

fn payer_ip(_: u64) -> Value {
    json!({ "client_ip": "203.0.113.7" })
}

fn back(_: u64) -> Value {
    json!({ "return_url": format!("https://{RETURN_HOST}/back") })
}

/// Eighteen digits, unlike those of the run before: a code can be scanned once.
fn code(begin: u64, n: u64) -> Value {
    json!({ "auth_code": format!("{begin}{n:016}"), "client_ip": "203.0.113.9" })
}

fn wechat_code(n: u64) -> Value {
    code(13, n)
}

fn alipay_code(n: u64) -> Value {
    code(28, n)
}

struct Under<'a> {
    pid: u32,
    at: SocketAddr,
    tls: &'a Arc<ClientConfig>,
    length: Length,
}

impl Under<'_> {
    async fn window(&self, requests: Vec<Vec<u8>>, wanted: u16) -> anyhow::Result<Window> {
        load::window(
            self.pid,
            (self.at, self.tls),
            self.length.lines,
            requests,
            None,
            wanted,
        )
        .await
    }
}

/// Measures all ways in turn, A B C … C B A, and the bare forwarder among them.
pub(crate) async fn rows(dir: &Path, length: Length, report: &mut Report) -> anyhow::Result<()> {
    let site = Site::without_channels(&dir.join("ways"))?;
    let material = &site.place.material;
    let running = channels::start(Settings::new(material.dir.clone(), material.merchants.clone())).await?;
    site.configure(&Addresses::of(&running))?;
    let _shop = Shop::start(&site.place.dir, site.place.ports.shop).await?;
    let tls = load::client(&std::fs::read(site.place.material.ca_path())?, Offer::Classical)?;
    let forwarder = peers::forwarder(&site.place, running.wechat).await?;
    let (proxy, _) = site.start(&machine::PROXY_CORE.to_string()).await?;
    let traffic = Traffic::of(&site.place)?;
    let ours = Under {
        pid: proxy.pid(),
        at: site.api(),
        tls: &tls,
        length,
    };
    let bare = Under {
        pid: forwarder.pid(),
        at: forwarder.at,
        ..ours
    };
    let crypto = Crypto::new()?;
    let (mut costs, mut forwards, mut orders) = (Vec::new(), Vec::new(), vec![Vec::<f64>::new(); WAYS.len()]);
    for round in 0..=length.rounds {
        eprintln!("round {round} of {} over all ways (0 warms up)", length.rounds);
        let (counts, orders_each) = (round > 0, length.orders / if round > 0 { 4 } else { 16 });
        let cost = crypto.measure()?;
        let requests = traffic.make(Kind::PassThrough, orders_each)?;
        let forward = bare.window(requests, 200).await.context("bare forward")?;
        if counts {
            costs.push(cost);
            forwards.push(forward.cpu_us());
        }
        let mut turn: Vec<usize> = (0..WAYS.len()).collect();
        if round % 2 == 1 {
            turn.reverse();
        }
        for index in turn {
            let way = &WAYS[index];
            let requests = traffic.by_way((way.channel, way.pay_way), way.more, orders_each)?;
            let window = ours.window(requests, 201).await.with_context(|| way.id)?;
            if counts {
                orders[index].push(window.cpu_us());
            }
        }
    }
    running.stop();
    report.add(
        "g.bare",
        "bare hyper+rustls forward to the sandbox, CPU",
        forwards.clone(),
        "us",
        Want::Nothing,
    );
    for (way, cpu) in WAYS.iter().zip(orders) {
        tell(way, cpu, &costs, &forwards, report);
    }
    Ok(())
}

fn tell(way: &Way, cpu: Vec<f64>, costs: &[Costs], forwards: &[f64], report: &mut Report) {
    let asymmetric: Vec<f64> = costs
        .iter()
        .map(|c| c.ed_verify + c.ed_sign + way.signs * c.rsa_sign + way.verifies * c.rsa_verify)
        .collect();
    let rest = over(&less(&cpu, &asymmetric), forwards);
    let name = format!("{} {}", way.channel, way.pay_way);
    report.add(way.id, format!("{name}: order, CPU"), cpu, "us", Want::Nothing);
    report.add(
        way.ratio,
        format!("{name}: (order - asymmetric operations) / bare forward"),
        rest,
        "",
        Want::Most(2.5),
    );
}
