//! Row (g): an order of every channel and way to pay, by the unified API and by the merchant's own client, one interleaved
//! run, against the sandbox. Its channels share the load generator's core; only the proxy's CPU time counts, so a slow
//! channel costs nothing but wall time. What is left of an order without its asymmetric operations is held against a bare
//! forward of the same run.
//!
//! What an order leaves to do after its answer (the index, the signed tree, a notice, telling the merchant) is its own: each
//! window counts until that is done.

use crate::{
    clients::{self, Clients},
    crypto::{Costs, Crypto},
    load::{self, Offer, Window},
    machine,
    orders::{Length, less, over},
    peers::{self, Peer, Site},
    report::{Report, Want},
    traffic::{Kind, Traffic},
};
use anyhow::Context;
use rustls::ClientConfig;
use sandbox::{
    channels::{self, Running, Settings},
    demo::{
        place::{Addresses, RETURN_HOST},
        shop::Shop,
    },
};
use serde_json::{Value, json};
use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

/// A way to pay, with the asymmetric operations that one order of it takes.
struct Way {
    /// Of the row with the CPU time of an order.
    id: &'static str,
    /// Of the row with its ratio.
    ratio: &'static str,
    by: By,
    does: Does,
}

/// Who asks, and for what.
enum By {
    /// The unified API; `more` is what only this way has, from a running number.
    Unified {
        channel: &'static str,
        pay_way: &'static str,
        more: fn(u64) -> Value,
    },
    /// The unified API, two orders that are paid together.
    Group,
    /// The unified API at an account that has payment codes by APIv3.
    Codepay,
    /// The merchant's own client at this channel's pass-through; the answer's status.
    Client(
        &'static str,
        fn(&Clients, &str, u64) -> anyhow::Result<Vec<u8>>,
        u16,
    ),
}

/// Asymmetric operations towards the channel and of notices. By the unified API each order also verifies the merchant's
/// Ed25519 signature and signs its answer with one.
#[derive(Clone, Copy)]
struct Does {
    /// RSA-2048 signatures: request to the channel, call-up parameters.
    signs: f64,
    /// RSA-2048 verifications: the channel's answer and notice, the merchant's own client.
    verifies: f64,
    /// Ed25519 signatures of what tells the merchant that the order was paid.
    tells: f64,
    /// RSA signatures over SHA-1, which have code of their own.
    sha1: f64,
}

const fn does(signs: f64, verifies: f64, tells: f64) -> Does {
    Does {
        signs,
        verifies,
        tells,
        sha1: 0.0,
    }
}

const SHA1: Does = Does {
    sha1: 1.0,
    ..does(0.0, 0.0, 0.0)
};

/// A row's names and a way's.
macro_rules! way {
    ($channel:literal, $pay_way:literal, $does:expr, $more:expr) => {
        Way {
            id: concat!("g.", $channel, ".", $pay_way),
            ratio: concat!("g.", $channel, ".", $pay_way, ".rest"),
            by: By::Unified {
                channel: $channel,
                pay_way: $pay_way,
                more: $more,
            },
            does: $does,
        }
    };
    ($name:literal, $by:expr, $does:expr) => {
        Way {
            id: concat!("g.", $name),
            ratio: concat!("g.", $name, ".rest"),
            by: $by,
            does: $does,
        }
    };
}

const WAYS: &[Way] = &[
    way!("wechat", "native", does(1.0, 1.0, 0.0), nothing),
    way!("wechat", "jsapi", does(2.0, 1.0, 0.0), openid),
    way!("wechat", "h5", does(1.0, 1.0, 0.0), payer_ip),
    way!("wechat", "app", does(2.0, 1.0, 0.0), nothing),
    way!("wechat", "micropay", does(0.0, 0.0, 1.0), wechat_code),
    way!("wechat.codepay", By::Codepay, does(1.0, 1.0, 1.0)),
    way!("wechat.group", By::Group, does(1.0, 1.0, 0.0)),
    way!("alipay", "qr", does(1.0, 1.0, 0.0), nothing),
    way!("alipay", "jsapi", does(1.0, 1.0, 0.0), buyer_id),
    way!("alipay", "page", does(1.0, 0.0, 0.0), back),
    way!("alipay", "wap", does(1.0, 0.0, 0.0), back),
    way!("alipay", "app", does(1.0, 0.0, 0.0), nothing),
    way!("alipay", "micropay", does(1.0, 1.0, 1.0), alipay_code),
    way!("unionpay", "qr", does(1.0, 1.0, 0.0), nothing),
    way!("unionpay", "gateway", does(1.0, 0.0, 0.0), back),
    way!("unionpay", "gateway_b2b", does(1.0, 0.0, 0.0), back),
    way!("unionpay", "app", does(1.0, 1.0, 0.0), nothing),
    // Its answer says "accepted"; the notice says "paid".
    way!("unionpay", "micropay", does(1.0, 2.0, 1.0), unionpay_code),
    way!("baidu", "page", does(0.0, 0.0, 0.0), back),
    way!("baidu", "wap", does(0.0, 0.0, 0.0), back),
    way!("ccb", "gateway", does(0.0, 0.0, 0.0), payer_ip),
    way!("icbc", "gateway", SHA1, payer_ip),
    way!("cmb", "gateway", does(0.0, 0.0, 0.0), payer_ip),
    way!(
        "own.wechat.native",
        By::Client("wechat", Clients::wechat_native, 200),
        does(0.0, 1.0, 0.0)
    ),
    way!(
        "own.wechat.combined",
        By::Client("wechat", Clients::wechat_combined, 200),
        does(0.0, 1.0, 0.0)
    ),
    way!(
        "own.wechat.v2.native",
        By::Client("wechat", Clients::v2_native, 200),
        does(0.0, 0.0, 0.0)
    ),
    way!(
        "own.wechat.v2.micropay",
        By::Client("wechat", Clients::v2_micropay, 200),
        does(0.0, 0.0, 1.0)
    ),
    way!(
        "own.alipay.gateway.qr",
        By::Client("alipay", Clients::alipay_qr, 200),
        does(0.0, 1.0, 0.0)
    ),
    // What it paid is relayed to the merchant as Alipay signed it, and verified before.
    way!(
        "own.alipay.gateway.micropay",
        By::Client("alipay", Clients::alipay_pay, 200),
        does(0.0, 2.0, 1.0)
    ),
    way!(
        "own.alipay.v3.qr",
        By::Client("alipay", Clients::alipay_v3, 200),
        does(0.0, 1.0, 0.0)
    ),
    way!(
        "own.unionpay.qr",
        By::Client("unionpay", Clients::unionpay_qr, 200),
        does(0.0, 1.0, 0.0)
    ),
    way!(
        "own.unionpay.micropay",
        By::Client("unionpay", Clients::unionpay_code, 200),
        does(0.0, 2.0, 1.0)
    ),
    way!(
        "own.unionpay.app",
        By::Client("unionpay", Clients::unionpay_app, 200),
        does(0.0, 1.0, 0.0)
    ),
    way!(
        "own.unionpay.gateway",
        By::Client("unionpay", Clients::unionpay_front, 307),
        does(0.0, 1.0, 0.0)
    ),
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

/// Digits, unlike those of the run before: a code can be scanned once.
fn code(begin: u64, n: u64) -> Value {
    json!({ "auth_code": format!("{begin}{n:016}"), "client_ip": "203.0.113.9" })
}

fn wechat_code(n: u64) -> Value {
    code(13, n)
}

fn alipay_code(n: u64) -> Value {
    code(28, n)
}

fn unionpay_code(n: u64) -> Value {
    code(620, n)
}

/// A proxy and the channels that it speaks to.
struct Stand {
    site: Site,
    running: Running,
    traffic: Traffic,
    clients: Clients,
    tls: Arc<ClientConfig>,
    proxy: Peer,
    _shop: Shop,
}

impl Stand {
    async fn start(dir: &Path, codepay: bool) -> anyhow::Result<Stand> {
        let site = Site::with_codepay(dir, codepay)?;
        let material = &site.place.material;
        let running =
            channels::start(Settings::new(material.dir.clone(), material.merchants.clone())).await?;
        site.configure(&Addresses::of(&running))?;
        let shop = Shop::start(&site.place.dir, site.place.ports.shop).await?;
        let ca = std::fs::read(material.ca_path())?;
        let tls = load::client(&ca, Offer::Classical)?;
        let (proxy, _) = site.start(&machine::PROXY_CORE.to_string()).await?;
        let traffic = Traffic::of(&site.place)?;
        let merchant = site.place.merchants.first().context("a merchant")?;
        let clients = Clients::of(&site.place, &ca, merchant, running.unionpay)?;
        Ok(Stand {
            site,
            running,
            traffic,
            clients,
            tls,
            proxy,
            _shop: shop,
        })
    }

    /// The orders of one window, where they go, and the answer's status.
    fn orders(&self, way: &Way, count: usize) -> anyhow::Result<(Vec<Vec<u8>>, SocketAddr, u16)> {
        let (traffic, api) = (&self.traffic, self.site.api());
        Ok(match &way.by {
            By::Unified {
                channel,
                pay_way,
                more,
            } => {
                let wanted = match (*channel, *pay_way) {
                    ("unionpay", "micropay") => load::PLACED,
                    _ => 201,
                };
                (traffic.by_way((channel, pay_way), more, count)?, api, wanted)
            }
            By::Codepay => (
                traffic.by_way(("wechat", "micropay"), wechat_code, count)?,
                api,
                201,
            ),
            By::Group => (traffic.groups(count)?, api, 201),
            By::Client(channel, one, wanted) => {
                let at = SocketAddr::from(([127, 0, 0, 1], clients::port(&self.site.place, channel)?));
                let requests = traffic.numbered(count, |number, n| one(&self.clients, number, n))?;
                (requests, at, *wanted)
            }
        })
    }

    async fn window(
        &self,
        (pid, at): (u32, SocketAddr),
        lines: usize,
        requests: Vec<Vec<u8>>,
        wanted: u16,
    ) -> anyhow::Result<Window> {
        load::window(pid, (at, &self.tls), lines, requests, None, wanted).await
    }

    /// One window of a way, until all is done that it left.
    async fn counted(&self, way: &Way, lines: usize, count: usize, idle: Duration) -> anyhow::Result<Window> {
        let (requests, at, wanted) = self.orders(way, count)?;
        let pid = self.proxy.pid();
        let mut window = self.window((pid, at), lines, requests, wanted).await?;
        window.cpu += load::rest_of(pid).await.saturating_sub(idle);
        Ok(window)
    }
}

/// Measures all ways in turn, A B C … C B A, and the bare forwarder among them.
pub(crate) async fn rows(dir: &Path, length: Length, report: &mut Report) -> anyhow::Result<()> {
    let stand = Stand::start(&dir.join("ways"), false).await?;
    let codepay = Stand::start(&dir.join("codepay"), true).await?;
    let place = &stand.site.place;
    let forwarder = peers::forwarder(place, stand.running.wechat).await?;
    let icbc = &place.merchants.first().context("a merchant")?.accounts.icbc;
    let crypto = Crypto::with_sha1(&place.material.dir.join(&icbc.key_file))?;
    let (mut costs, mut forwards, mut orders) = (Vec::new(), Vec::new(), vec![Vec::<f64>::new(); WAYS.len()]);
    let rounds = length.rounds.min(5);
    for round in 0..=rounds {
        eprintln!("round {round} of {rounds} over all ways (0 warms up)");
        let counts = round > 0;
        let each = length.orders / if counts { 4 } else { 16 };
        let cost = crypto.measure()?;
        let requests = stand.traffic.make(Kind::PassThrough, each)?;
        let at = (forwarder.pid(), forwarder.at);
        let forward = stand.window(at, length.lines, requests, 200).await;
        let forward = forward.context("bare forward")?;
        if counts {
            costs.push(cost);
            forwards.push(forward.cpu_us());
        }
        let idle = load::rest_of(stand.proxy.pid()).await;
        let mut turn: Vec<usize> = (0..WAYS.len()).collect();
        if round % 2 == 1 {
            turn.reverse();
        }
        for index in turn {
            let way = &WAYS[index];
            let at = if matches!(way.by, By::Codepay) {
                &codepay
            } else {
                &stand
            };
            // An order with such a signature takes many times as long as the others.
            let count = if way.does.sha1 > 0.0 { each / 10 } else { each };
            let window = at.counted(way, length.lines, count, idle).await;
            let window = window.context(way.id)?;
            if counts {
                orders[index].push(window.cpu_us());
            }
        }
    }
    stand.running.stop();
    codepay.running.stop();
    report.add(
        "g.bare",
        "bare hyper+rustls forward to the sandbox, CPU",
        forwards.clone(),
        "us",
        Want::Nothing,
    );
    let sha1 = costs.iter().map(|c| c.sha1_sign).collect();
    report.add("g.sha1", "RSA over SHA-1, sign, CPU", sha1, "us", Want::Nothing);
    for (way, cpu) in WAYS.iter().zip(orders) {
        tell(way, cpu, &costs, &forwards, report);
    }
    Ok(())
}

fn tell(way: &Way, cpu: Vec<f64>, costs: &[Costs], forwards: &[f64], report: &mut Report) {
    let does = way.does;
    // What passes through is signed by nobody here; its target is its own.
    let (merchant, most) = match way.by {
        By::Client(..) => (0.0, 2.2),
        _ => (1.0, 2.5),
    };
    let asymmetric: Vec<f64> = costs
        .iter()
        .map(|c| {
            merchant * (c.ed_verify + c.ed_sign)
                + does.tells * c.ed_sign
                + does.signs * c.rsa_sign
                + does.verifies * c.rsa_verify
                + does.sha1 * c.sha1_sign
        })
        .collect();
    let rest = over(&less(&cpu, &asymmetric), forwards);
    let name = way.id.trim_start_matches("g.").replace('.', " ");
    report.add(way.id, format!("{name}: order, CPU"), cpu, "us", Want::Nothing);
    report.add(
        way.ratio,
        format!("{name}: (order - asymmetric operations) / bare forward"),
        rest,
        "",
        Want::Most(most),
    );
}
