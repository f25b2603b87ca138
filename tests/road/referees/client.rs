//! The published clients: how each is started, and what each must say.

use crate::repo::root;
use anyhow::{Context, bail, ensure};
use sandbox::material::SandboxMerchant;
use serde_json::{Value, json};
use std::{
    future::Future,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{process::Command, sync::Semaphore, task::JoinSet};

/// Both ways in which each channel's clients trust the channel.
pub(super) const MODES: &[&str] = &["public_key", "certificate"];

const WECHAT: &[&str] = &[
    "order",
    "query",
    "pay",
    "query_paid",
    "order_paid",
    "refund",
    "refund_query",
    "refund_again",
    "second_order",
    "close",
    "query_closed",
    "h5_order",
    "h5_pay",
    "h5_query_paid",
    "app_order",
    "app_pay",
    "app_query_paid",
];
pub(super) const ALIPAY: &[&str] = &[
    "order",
    "query",
    "pay",
    "query_paid",
    "order_paid",
    "refund",
    "refund_again",
    "refund_query",
    "second_order",
    "close_unscanned",
    "scan",
    "close",
    "query_closed",
    "pay_code",
    "query_code",
    "cancel_code",
    "query_cancelled",
    "wait_code",
    "cancel_waiting",
    "scanned_order",
    "cancel_scanned",
    "paid_order",
    "cancel_paid",
];

/// A published client and the script that drives it.
pub(super) struct Client {
    pub(super) name: &'static str,
    pub(super) channel: &'static str,
    pub(super) steps: &'static [&'static str],
    pub(super) script: &'static str,
    /// The first of the merchants that are its own alone in a demo, one for each of its modes.
    pub(super) merchant: usize,
    /// The ways in which it can trust the channel.
    pub(super) modes: &'static [&'static str],
    /// Does it encrypt content, at Alipay?
    pub(super) encrypts: bool,
}

pub(super) static CLIENTS: [Client; 6] = [
    Client {
        name: "wechatpayv3",
        channel: "wechat",
        steps: WECHAT,
        script: "python/wechat_order.py",
        merchant: 0,
        modes: MODES,
        encrypts: false,
    },
    Client {
        name: "wechatpay-axios-plugin",
        channel: "wechat",
        steps: WECHAT,
        script: "node/wechat.mjs",
        merchant: 2,
        modes: MODES,
        encrypts: false,
    },
    // It never asks for the public key, and fetches the platform's certificates when it sees one that it lacks.
    Client {
        name: "wechatpay-node-v3",
        channel: "wechat",
        steps: WECHAT,
        script: "node/wechat_v3.mjs",
        merchant: 4,
        modes: &["certificate"],
        encrypts: false,
    },
    Client {
        name: "python-alipay-sdk",
        channel: "alipay",
        steps: ALIPAY,
        script: "python/alipay_order.py",
        merchant: 0,
        modes: MODES,
        encrypts: false,
    },
    Client {
        name: "alipay-sdk",
        channel: "alipay",
        steps: ALIPAY,
        script: "node/alipay.mjs",
        merchant: 2,
        modes: MODES,
        encrypts: false,
    },
    // It has no certificate mode.
    Client {
        name: "alipay-sdk-python",
        channel: "alipay",
        steps: ALIPAY,
        script: "python/alipay_official.py",
        merchant: 4,
        modes: &["public_key"],
        encrypts: false,
    },
];

/// Where a client is pointed, and as whom.
#[derive(Clone)]
pub(super) struct Scene {
    /// The one thing that is changed in a client.
    pub(super) base_url: String,
    pub(super) control: String,
    pub(super) notify_url: String,
    /// What the account's file names are relative to.
    pub(super) material: PathBuf,
    pub(super) ca: PathBuf,
    pub(super) account: Value,
    pub(super) mode: &'static str,
    pub(super) zone: &'static str,
}

/// Where `tests/clients/setup` installs.
pub(super) fn place() -> PathBuf {
    root().join("target/clients")
}

/// True where these tests are not wanted; fails where they are wanted and something is missing.
pub(super) fn skipped() -> bool {
    if std::env::var("GUANDAO_SKIP_CLIENTS").is_ok_and(|v| v == "1") {
        println!("skipped: GUANDAO_SKIP_CLIENTS=1, no published client was asked");
        return true;
    }
    for file in ["venv/stamp", "official/stamp", "node_modules/.stamp", "tlogcheck"] {
        let file = place().join(file);
        assert!(
            file.exists(),
            "{} is not there: run tests/clients/setup first (or set GUANDAO_SKIP_CLIENTS=1)",
            file.display()
        );
    }
    false
}

/// What a program of others says, within a minute.
pub(super) async fn said(command: &mut Command) -> anyhow::Result<Output> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_secs(60), running)
        .await
        .with_context(|| format!("{program} took more than 60 s"))?;
    output.with_context(|| format!("{program} cannot be run; tests/clients/setup says what is missing"))
}

impl Client {
    pub(super) fn of(&self, wechat: String, alipay: String) -> String {
        if self.channel == "wechat" { wechat } else { alipay }
    }

    pub(super) fn account(&self, merchant: &SandboxMerchant) -> serde_json::Result<Value> {
        if self.channel == "wechat" {
            serde_json::to_value(&merchant.wechat)
        } else {
            let mut account = serde_json::to_value(&merchant.alipay)?;
            account["encrypt"] = self.encrypts.into();
            Ok(account)
        }
    }

    /// Alipay's clients write the local time of their machine without a zone: one mode runs as in a container, the
    /// other as in China.
    pub(super) fn zone(&self, mode: &str) -> &'static str {
        match (mode, self.is_node()) {
            ("public_key", _) => "UTC",
            (_, true) => "Asia/Shanghai",
            (_, false) => "CST-8",
        }
    }

    pub(super) fn is_node(&self) -> bool {
        self.script.ends_with(".mjs")
    }

    /// Order, query, pay, query, refund, query, second order, close, query: each answer verified by the client.
    pub(super) async fn life(&self, scene: &Scene) -> anyhow::Result<Vec<Value>> {
        let lines = self.run(scene, json!({}), None).await?;
        let steps: Vec<_> = lines.iter().filter_map(|l| l["step"].as_str()).collect();
        ensure!(steps == self.steps, "{} went other steps: {steps:?}", self.name);
        Ok(lines)
    }

    /// One given order.
    pub(super) async fn place(&self, scene: &Scene, order: &Value) -> anyhow::Result<Vec<Value>> {
        self.run(scene, json!({ "place": order }), None).await
    }

    /// Encrypted content in clear.
    pub(super) async fn decrypted(&self, scene: &Scene, content: &str) -> anyhow::Result<String> {
        let lines = self.run(scene, json!({ "decrypt": content }), None).await?;
        let text = lines.first().and_then(|line| line["text"].as_str());
        Ok(text.context("no text")?.to_owned())
    }

    /// The bill of a day, fetched from where the verified answer says that it lies.
    pub(super) async fn bill(&self, scene: &Scene, day: &str, channel_url: &str) -> anyhow::Result<Value> {
        let more = json!({ "bill": day, "channel_url": channel_url });
        let lines = self.run(scene, more, None).await?;
        lines.into_iter().next_back().context("no line")
    }

    /// What its merchant asks for of an order that a payer's browser brought: a query, a refund, a query of the refund.
    pub(super) async fn after(&self, scene: &Scene, number: &str) -> anyhow::Result<Vec<Value>> {
        self.run(scene, json!({ "after": number }), None).await
    }

    /// Who the payer is that came with this code of authorisation.
    pub(super) async fn payer(&self, scene: &Scene, code: &str) -> anyhow::Result<Value> {
        let lines = self.run(scene, json!({ "payer": code }), None).await?;
        lines.into_iter().next_back().context("no line")
    }

    /// The client's own helper for a notice; what it read.
    pub(super) async fn verify_notice(
        &self,
        scene: &Scene,
        headers: &http::HeaderMap,
        body: &[u8],
    ) -> anyhow::Result<Value> {
        let named = headers
            .iter()
            .filter_map(|(n, v)| Some((title(n.as_str()), json!(v.to_str().ok()?))))
            .collect::<serde_json::Map<_, _>>();
        let notice = json!({ "headers": named, "body": std::str::from_utf8(body)? });
        let lines = self.run(scene, json!({}), Some(&notice)).await?;
        lines.into_iter().next_back().context("no line")
    }

    async fn run(&self, scene: &Scene, more: Value, notice: Option<&Value>) -> anyhow::Result<Vec<Value>> {
        static RUNS: AtomicU64 = AtomicU64::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let mut settings = json!({
            "base_url": scene.base_url, "ca_file": scene.ca, "control": scene.control, "notify_url": scene.notify_url,
            "prefix": format!("r{run}"), "dir": scene.material, "mode": scene.mode, self.channel: scene.account,
        });
        if let (Some(settings), Value::Object(more)) = (settings.as_object_mut(), more) {
            settings.extend(more);
        }
        let file = write(&scene.material, &format!("run-{run}.json"), &settings)?;
        let mut command = self.command();
        command
            .arg(root().join("tests/clients").join(self.script))
            .arg(file)
            .env("TZ", scene.zone);
        for name in ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
            command.env(name, &scene.ca);
        }
        if let Some(notice) = notice {
            command.arg("--verify-notice").arg(write(
                &scene.material,
                &format!("run-{run}-notice.json"),
                notice,
            )?);
        }
        self.judge(&said(&mut command).await?)
    }

    fn command(&self) -> Command {
        let mut command = if self.is_node() {
            Command::new("node")
        } else {
            Command::new(place().join("venv/bin/python"))
        };
        if self.script == "python/alipay_official.py" {
            // Another package has the same name: it is found only where it is meant.
            command.env("PYTHONPATH", place().join("official"));
        }
        command
            .env("NODE_MODULES_DIR", place())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONIOENCODING", "utf-8");
        for proxy in [
            "http_proxy",
            "https_proxy",
            "all_proxy",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
        ] {
            command.env_remove(proxy);
        }
        command
    }

    fn judge(&self, output: &Output) -> anyhow::Result<Vec<Value>> {
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        let lines: Vec<Value> = out
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()
            .with_context(|| out.to_string())?;
        if !output.status.success() || lines.is_empty() || lines.iter().any(|l| l["ok"] != true) {
            bail!(
                "{} failed ({}): {}\n{err}",
                self.name,
                output.status,
                lines.last().unwrap_or(&Value::Null)
            );
        }
        Ok(lines)
    }
}

fn write(dir: &Path, name: &str, value: &Value) -> anyhow::Result<PathBuf> {
    let file = dir.join(name);
    std::fs::write(&file, value.to_string())?;
    Ok(file)
}

/// As frameworks hand header names to these libraries: `Wechatpay-Serial`.
fn title(name: &str) -> String {
    let parts = name.split('-').map(|part| {
        let (first, rest) = part.split_at(part.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    parts.collect::<Vec<_>>().join("-")
}

/// Several clients at once, no more than the machine bears.
pub(super) struct Turns {
    all: JoinSet<anyhow::Result<()>>,
    at_once: Arc<Semaphore>,
}

impl Default for Turns {
    fn default() -> Turns {
        Turns {
            all: JoinSet::new(),
            at_once: Arc::new(Semaphore::new(3)),
        }
    }
}

impl Turns {
    pub(super) fn add(&mut self, work: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        let at_once = self.at_once.clone();
        self.all.spawn(async move {
            let _turn = at_once.acquire_owned().await?;
            work.await
        });
    }

    /// Every failure, not only the first.
    pub(super) async fn all(mut self) -> anyhow::Result<()> {
        let mut failures = Vec::new();
        while let Some(done) = self.all.join_next().await {
            if let Err(error) = done? {
                failures.push(format!("{error:#}"));
            }
        }
        ensure!(failures.is_empty(), "{}", failures.join("\n\n"));
        Ok(())
    }
}
