//! Rows (a), (b), (c) and the proxy's half of (d): one interleaved run over all subjects, A B C … C B A …, so that a
//! slow minute of the machine is everybody's.

use crate::{
    crypto::{Costs, Crypto},
    load::{self, Line, Offer, Window},
    machine,
    peers::{self, Peer, Site},
    report::{Report, Want, median},
    stub::Stub,
    traffic::{Kind, Traffic},
};
use anyhow::{Context, ensure};
use sandbox::demo::place::Addresses;
use std::{net::SocketAddr, path::Path, sync::Arc};

/// How long a run is.
#[derive(Clone, Copy)]
pub(crate) struct Length {
    /// Rounds over all subjects.
    pub(crate) rounds: usize,
    /// Orders of one window.
    pub(crate) orders: usize,
    /// Kept connections.
    pub(crate) lines: usize,
}

struct Subject {
    name: &'static str,
    pid: u32,
    kind: Kind,
    site: usize,
    at: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
    wanted: u16,
    windows: Vec<Window>,
}

impl Subject {
    async fn window(
        &self,
        lines: usize,
        requests: Vec<Vec<u8>>,
        times: Option<Vec<std::time::Duration>>,
    ) -> anyhow::Result<Window> {
        load::window(
            self.pid,
            (self.at, &self.tls),
            lines,
            requests,
            times,
            self.wanted,
        )
        .await
    }
}

struct Fresh {
    name: &'static str,
    pid: u32,
    at: SocketAddr,
    offer: Offer,
    cpu: Vec<f64>,
}

/// Everything that runs while orders are measured.
pub(crate) struct Bench {
    length: Length,
    sites: Vec<(Site, Traffic)>,
    peers: Vec<Peer>,
    subjects: Vec<Subject>,
    fresh: Vec<Fresh>,
    ca: Vec<u8>,
    crypto: Crypto,
    costs: Vec<Costs>,
    missing: Vec<String>,
}

impl Bench {
    /// Starts the proxy on disk and on tmpfs, and whatever peers there are.
    pub(crate) async fn start(disk: &Path, memory: &Path, length: Length) -> anyhow::Result<Bench> {
        let mut bench = Bench {
            length,
            sites: Vec::new(),
            peers: Vec::new(),
            subjects: Vec::new(),
            fresh: Vec::new(),
            ca: Vec::new(),
            crypto: Crypto::new()?,
            costs: Vec::new(),
            missing: Vec::new(),
        };
        for dir in [disk, memory] {
            let stub = Stub::bind().await?;
            let upstream = stub.at;
            let site = Site::make(dir, &Addresses::all_at(stub.at))?;
            stub.serve(&site.place)?;
            let (peer, _) = site.start(&machine::PROXY_CORE.to_string()).await?;
            let traffic = Traffic::of(&site.place)?;
            let ca = std::fs::read(site.place.material.ca_path())?;
            let tls = load::client(&ca, Offer::Classical)?;
            if bench.sites.is_empty() {
                bench.ca = ca;
                bench.peers_of(&site, upstream, &tls).await?;
                bench.ours(&peer, &site, &tls);
            } else {
                bench.subject("native, tmpfs", peer.pid(), (Kind::Native, 201), site.api(), &tls);
            }
            bench.sites.push((site, traffic));
            bench.peers.push(peer);
        }
        Ok(bench)
    }

    async fn peers_of(
        &mut self,
        site: &Site,
        upstream: SocketAddr,
        tls: &Arc<rustls::ClientConfig>,
    ) -> anyhow::Result<()> {
        let forwarder = peers::forwarder(&site.place, upstream).await?;
        self.subject(
            "bare forward",
            forwarder.pid(),
            (Kind::PassThrough, 200),
            forwarder.at,
            tls,
        );
        self.peers.push(forwarder);
        match peers::nginx(&site.place, upstream).await {
            Ok(nginx) => {
                self.subject("nginx", nginx.pid(), (Kind::PassThrough, 200), nginx.at, tls);
                self.fresh.push(Fresh {
                    name: "nginx",
                    pid: nginx.pid(),
                    at: nginx.at,
                    offer: Offer::Classical,
                    cpu: Vec::new(),
                });
                self.peers.push(nginx);
            }
            Err(error) => self.missing.push(format!("without nginx: {error:#}")),
        }
        match peers::envoy(&site.place, upstream).await {
            Ok(envoy) => {
                self.subject("Envoy", envoy.pid(), (Kind::PassThrough, 200), envoy.at, tls);
                self.peers.push(envoy);
            }
            Err(error) => self.missing.push(format!("without Envoy: {error:#}")),
        }
        Ok(())
    }

    fn ours(&mut self, peer: &Peer, site: &Site, tls: &Arc<rustls::ClientConfig>) {
        self.subject(
            "pass-through",
            peer.pid(),
            (Kind::PassThrough, 200),
            site.wechat(),
            tls,
        );
        self.subject("native", peer.pid(), (Kind::Native, 201), site.api(), tls);
        self.subject("jsapi", peer.pid(), (Kind::Jsapi, 201), site.api(), tls);
        self.fresh.push(Fresh {
            name: "guandao",
            pid: peer.pid(),
            at: site.api(),
            offer: Offer::Classical,
            cpu: Vec::new(),
        });
        self.fresh.push(Fresh {
            name: "guandao, hybrid",
            pid: peer.pid(),
            at: site.api(),
            offer: Offer::Hybrid,
            cpu: Vec::new(),
        });
    }

    fn subject(
        &mut self,
        name: &'static str,
        pid: u32,
        (kind, wanted): (Kind, u16),
        at: SocketAddr,
        tls: &Arc<rustls::ClientConfig>,
    ) {
        let site = self.sites.len();
        self.subjects.push(Subject {
            name,
            pid,
            kind,
            site,
            at,
            tls: tls.clone(),
            wanted,
            windows: Vec::new(),
        });
    }

    /// What is measured is the real thing: a created order in an answer that verifies.
    async fn honest(&self) -> anyhow::Result<()> {
        for subject in self.subjects.iter().filter(|s| s.kind != Kind::PassThrough) {
            let traffic = &self.sites[subject.site].1;
            let mut line = Line::open(subject.at, &subject.tls).await?;
            let (head, body) = line.whole(&traffic.make(subject.kind, 1)?[0]).await?;
            let mut headers = http::HeaderMap::new();
            for (name, value) in std::str::from_utf8(head)?
                .lines()
                .skip(1)
                .filter_map(|l| l.split_once(": "))
            {
                headers.insert(http::HeaderName::from_bytes(name.as_bytes())?, value.parse()?);
            }
            traffic.verify(&headers, body)?;
            let order: serde_json::Value = serde_json::from_slice(body)?;
            let code = if subject.kind == Kind::Jsapi {
                order["call_up"]["paySign"].as_str()
            } else {
                order["code_url"].as_str()
            };
            ensure!(
                order["state"] == "awaiting_payment" && code.is_some(),
                "{} answers {order}",
                subject.name
            );
        }
        Ok(())
    }

    /// The interleaved rounds of (a), (b), (d).
    pub(crate) async fn rounds(&mut self) -> anyhow::Result<()> {
        self.honest().await?;
        let tls = [Offer::Classical, Offer::Hybrid].map(|offer| (offer, load::client(&self.ca, offer)));
        let mut idle = Vec::with_capacity(self.subjects.len());
        for subject in &self.subjects {
            idle.push(load::rest_of(subject.pid).await);
        }
        for round in 0..=self.length.rounds {
            eprintln!("round {round} of {} (0 warms up)", self.length.rounds);
            let costs = self.crypto.measure()?;
            if round > 0 {
                self.costs.push(costs);
            }
            let mut order: Vec<usize> = (0..self.subjects.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for index in order {
                self.window(index, round > 0)
                    .await
                    .with_context(|| format!("window of {}", self.subjects[index].name))?;
                // What orders leave to do is theirs, and not the next window's.
                let subject = &mut self.subjects[index];
                let rest = load::rest_of(subject.pid).await.saturating_sub(idle[index]);
                if let Some(window) = subject.windows.last_mut().filter(|_| round > 0) {
                    window.cpu += rest;
                }
            }
            for fresh in &mut self.fresh {
                let (_, tls) = tls
                    .iter()
                    .find(|(offer, _)| *offer == fresh.offer)
                    .context("an offer")?;
                let tls: &Arc<rustls::ClientConfig> = tls.as_ref().map_err(|e| anyhow::anyhow!("{e}"))?;
                let window = load::handshakes(fresh.pid, fresh.at, tls, 400)
                    .await
                    .with_context(|| format!("handshakes with {}", fresh.name))?;
                if round > 0 {
                    fresh.cpu.push(window.cpu_us());
                }
            }
        }
        Ok(())
    }

    async fn window(&mut self, index: usize, counts: bool) -> anyhow::Result<()> {
        let subject = &mut self.subjects[index];
        let count = if counts {
            self.length.orders
        } else {
            self.length.orders / 4
        };
        let requests = self.sites[subject.site].1.make(subject.kind, count)?;
        let window = subject.window(self.length.lines, requests, None).await?;
        if counts {
            subject.windows.push(window);
        }
        Ok(())
    }

    fn of(&self, name: &str, what: impl Fn(&Window) -> f64) -> Vec<f64> {
        self.subjects
            .iter()
            .find(|s| s.name == name)
            .map(|s| s.windows.iter().map(what).collect())
            .unwrap_or_default()
    }

    /// Puts (a), (b) and (d)'s proxy rows into the report.
    pub(crate) fn tell(&self, report: &mut Report) {
        self.missing.iter().for_each(|m| report.note(m.clone()));
        let cpu = |name: &str| self.of(name, Window::cpu_us);
        let cost = |what: fn(&Costs) -> f64| self.costs.iter().map(what).collect::<Vec<_>>();
        let bare = cpu("bare forward");
        report.add(
            "a.bare",
            "bare hyper+rustls forward, CPU",
            bare.clone(),
            "us",
            Want::Nothing,
        );
        for (id, ratio, name) in [
            ("a.nginx", "a.nginx.ratio", "nginx"),
            ("a.envoy", "a.envoy.ratio", "Envoy"),
        ] {
            let own = cpu(name);
            if !own.is_empty() {
                report.add(
                    ratio,
                    format!("{name} forward / bare forward"),
                    over(&own, &bare),
                    "",
                    Want::Nothing,
                );
                report.add(id, format!("{name} forward, CPU"), own, "us", Want::Nothing);
            }
        }
        let (pass, verify) = (cpu("pass-through"), cost(|c| c.rsa_verify));
        report.add(
            "a.pass",
            "pass-through order, CPU",
            pass.clone(),
            "us",
            Want::Nothing,
        );
        report.add(
            "a.pass.ratio",
            "(pass-through order - one RSA verify) / bare forward   [aim 1.8]",
            over(&less(&pass, &verify), &bare),
            "",
            Want::Most(2.2),
        );
        let fresh = |name: &str| {
            self.fresh
                .iter()
                .find(|f| f.name == name)
                .map(|f| f.cpu.clone())
                .unwrap_or_default()
        };
        let (ours, hybrid, theirs) = (fresh("guandao"), fresh("guandao, hybrid"), fresh("nginx"));
        report.add(
            "a.fresh",
            "new connection, full handshake, GET /healthz, CPU",
            ours.clone(),
            "us",
            Want::Nothing,
        );
        report.add(
            "a.fresh.hybrid",
            "the same with X25519MLKEM768",
            hybrid,
            "us",
            Want::Nothing,
        );
        if !theirs.is_empty() {
            report.add(
                "a.fresh.nginx",
                "the same, nginx",
                theirs.clone(),
                "us",
                Want::Nothing,
            );
            report.add(
                "a.fresh.ratio",
                "the same, guandao / nginx",
                over(&ours, &theirs),
                "",
                Want::Most(0.6),
            );
        }
        for (id, what, values) in [
            ("b.rsa_sign", "RSA-2048 sign", cost(|c| c.rsa_sign)),
            ("b.rsa_verify", "RSA-2048 verify", verify),
            ("b.ed_sign", "Ed25519 sign", cost(|c| c.ed_sign)),
            ("b.ed_verify", "Ed25519 verify", cost(|c| c.ed_verify)),
        ] {
            report.add(id, format!("{what}, aws-lc-rs, CPU"), values, "us", Want::Nothing);
        }
        let (native, jsapi) = (cpu("native"), cpu("jsapi"));
        let (sign, four) = (cost(|c| c.rsa_sign), cost(Costs::four));
        report.add(
            "b.native",
            "unified native order, CPU",
            native.clone(),
            "us",
            Want::Nothing,
        );
        report.add(
            "b.native.rate",
            "unified native orders, closed loop, core shared with whoever else runs",
            self.of("native", Window::rate),
            "/s",
            Want::Nothing,
        );
        report.add(
            "b.native.share",
            "unified native orders per core / bare RSA signatures per core  [aim 0.75]",
            over(&sign, &native),
            "",
            Want::Least(0.65),
        );
        report.add(
            "b.native.rest",
            "(unified native order - four asymmetric) / bare forward  [aim 2.0]",
            over(&less(&native, &four), &bare),
            "",
            Want::Most(2.5),
        );
        report.add(
            "b.jsapi",
            "unified JSAPI order, CPU",
            jsapi.clone(),
            "us",
            Want::Nothing,
        );
        report.add(
            "b.jsapi.share",
            "unified JSAPI orders per core / bare RSA signatures per core (two per order)",
            over(&sign, &jsapi),
            "",
            Want::Nothing,
        );
        report.add(
            "b.jsapi.rest",
            "(unified JSAPI order - five asymmetric) / bare forward",
            over(&less(&less(&jsapi, &four), &sign), &bare),
            "",
            Want::Nothing,
        );
        let disk = self.of("native", Window::rate);
        let memory = self.of("native, tmpfs", Window::rate);
        report.add(
            "d.proxy",
            "unified native orders/s, data on disk / data on tmpfs, same binary",
            over(&disk, &memory),
            "",
            Want::Least(0.95),
        );
        let foreign: Vec<f64> = self
            .subjects
            .iter()
            .flat_map(|s| {
                s.windows
                    .iter()
                    .map(|w| w.foreign.as_secs_f64() / w.wall.as_secs_f64())
            })
            .collect();
        report.add(
            "x.foreign",
            "part of the proxy's core that others used during windows",
            foreign,
            "",
            Want::Nothing,
        );
    }

    /// Row (c): half of what the core could carry, evenly spaced and as strangers come.
    pub(crate) async fn latency(&mut self, report: &mut Report) -> anyhow::Result<()> {
        let capacity = 1e6 / median(&self.of("native", Window::cpu_us));
        let rate = capacity / 2.0;
        let index = self
            .subjects
            .iter()
            .position(|s| s.name == "native")
            .context("the native subject")?;
        let data = self.sites[0].0.place.dir.clone();
        let (mut even, mut random, mut flush) = (Vec::new(), Vec::new(), Vec::new());
        let sign: Vec<f64> = self.costs.iter().map(|c| c.rsa_sign).collect();
        for round in 0..self.length.rounds.max(3) {
            let count = self.length.orders;
            for (poisson, windows) in if round % 2 == 0 {
                [(false, &mut even), (true, &mut random)]
            } else {
                [(true, &mut random), (false, &mut even)]
            } {
                flush.push(machine::flush_times(&data, 500)?);
                let requests = self.sites[0].1.make(Kind::Native, count)?;
                let times = if poisson {
                    load::poisson(count, rate)
                } else {
                    load::evenly(count, rate)
                };
                windows.push(
                    self.subjects[index]
                        .window(self.length.lines.max(64), requests, Some(times))
                        .await?,
                );
            }
        }
        let us = |q: f64| {
            flush
                .iter()
                .map(|f| f[((f.len() as f64 * q) as usize).min(f.len() - 1)].as_secs_f64() * 1e6)
                .collect::<Vec<_>>()
        };
        let (flush_p50, s) = (us(0.5), median(&sign));
        let f = median(&flush_p50);
        report.one("c.rate", "half load: orders sent", rate, "/s", Want::Nothing);
        report.add(
            "c.flush.p50",
            "fdatasync of 512 octets in place, p50 (F)",
            flush_p50,
            "us",
            Want::Nothing,
        );
        report.add("c.flush.p99", "the same, p99", us(0.99), "us", Want::Nothing);
        let q = |windows: &[Window], q: f64| windows.iter().map(|w| w.quantile(q)).collect::<Vec<_>>();
        report.add(
            "c.even.p50",
            "evenly spaced, p50: target 2 S + 2 x 1.6 F",
            q(&even, 0.5),
            "us",
            Want::Most(2.0 * s + 3.2 * f),
        );
        report.add(
            "c.even.p99",
            "evenly spaced, p99: target 3.5 S + 2 x 1.6 F",
            q(&even, 0.99),
            "us",
            Want::Most(3.5 * s + 3.2 * f),
        );
        report.add(
            "c.poisson.p50",
            "Poisson arrivals, p50",
            q(&random, 0.5),
            "us",
            Want::Nothing,
        );
        report.add(
            "c.poisson.p99",
            "Poisson arrivals, p99",
            q(&random, 0.99),
            "us",
            Want::Nothing,
        );
        let foreign: Vec<f64> = even
            .iter()
            .map(|w| w.foreign.as_secs_f64() / w.wall.as_secs_f64())
            .collect();
        report.add(
            "c.foreign",
            "part of the proxy's core that others used meanwhile",
            foreign,
            "",
            Want::Nothing,
        );
        Ok(())
    }

    /// Runs one kind of order until interrupted or `seconds` are over, for a profiler.
    pub(crate) async fn drive(&mut self, name: &str, seconds: u64) -> anyhow::Result<()> {
        let index = self
            .subjects
            .iter()
            .position(|s| s.name == name)
            .with_context(|| format!("no subject {name}"))?;
        eprintln!("driving {name}, process {}", self.subjects[index].pid);
        let began = std::time::Instant::now();
        while began.elapsed().as_secs() < seconds {
            self.window(index, true).await?;
            if let Some(window) = self.subjects[index].windows.last() {
                eprintln!("{:.1} us CPU, {:.0}/s", window.cpu_us(), window.rate());
            }
        }
        Ok(())
    }
}

/// One by one.
pub(crate) fn over(above: &[f64], below: &[f64]) -> Vec<f64> {
    above.iter().zip(below).map(|(a, b)| a / b).collect()
}

/// One by one.
pub(crate) fn less(from: &[f64], what: &[f64]) -> Vec<f64> {
    from.iter().zip(what).map(|(a, b)| a - b).collect()
}
