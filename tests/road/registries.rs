//! What an earlier run knew counts after a start: which signed files took effect last, and when the desk was last read.

use crate::kills::Yard;
use anyhow::{Context, bail, ensure};
use domain::{TradeEntry, TradeEvent};
use journal::{Reader, disk::RealDisk};
use sandbox::demo::{http::Client, place::Options};
use serde_json::{Value, json};
use std::{fs, path::PathBuf, sync::Arc, time::Duration};
use tokio::time::sleep;

type Done = anyhow::Result<()>;

fn registry(yard: &Yard, name: &str) -> PathBuf {
    yard.demo.place.dir.join("registries").join(name)
}

fn log(yard: &Yard) -> String {
    fs::read_to_string(yard.demo.place.dir.join("guandao.log")).unwrap_or_default()
}

async fn until(what: &str, is: impl Fn() -> bool) -> Done {
    for _ in 0..200 {
        if is() {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("{what}: not within 20 s")
}

/// The next version of all that is there, or of something else, is taken.
async fn taken(yard: &Yard, change: impl FnOnce() -> Done) -> Done {
    let loads = || log(yard).matches("registries were reloaded").count();
    let before = loads();
    change()?;
    until("the registries were not taken", || loads() > before).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C23
async fn an_older_file_is_not_taken_after_a_start_and_not_after_its_removal() {
    let yard = Yard::with(Options::default()).await.expect("demo");
    after_a_start(&yard)
        .await
        .unwrap_or_else(|e| panic!("a start: {e:#}"));
    after_a_removal(&yard)
        .await
        .unwrap_or_else(|e| panic!("a removal: {e:#}"));
    yard.demo.services.stop_proxy().await.expect("stopped");
}

/// A stolen key was withdrawn; the file before that is restored from a backup.
async fn after_a_start(yard: &Yard) -> Done {
    let file = registry(yard, "operator.json");
    let signature = registry(yard, "operator.json.sig");
    let backup = (fs::read(&file)?, fs::read(&signature)?);
    let mut operator: Value = serde_json::from_slice(&backup.0)?;
    operator["version"] = json!(2);
    operator["merchants"][0]["api_keys"] = json!([]);
    taken(yard, || yard.demo.place.sign_registry("operator", &operator)).await?;
    yard.demo.services.kill_proxy().await?;
    let latest = (fs::read(&file)?, fs::read(&signature)?);
    fs::write(&file, backup.0)?;
    fs::write(&signature, backup.1)?;
    yard.demo.services.restart_proxy(&yard.demo.place, &[]).await?;
    let ended = tokio::time::timeout(Duration::from_secs(30), yard.demo.services.proxy_ended()).await;
    ensure!(
        !ended.context("it serves with the older file")??.success(),
        "it ended in good order"
    );
    ensure!(
        log(yard).contains("Operator: version 1 does not rise above 2"),
        "the log names not both versions"
    );
    fs::write(&file, latest.0)?;
    fs::write(&signature, latest.1)?;
    yard.start().await
}

/// An acquirer leaves, and comes back with a file from before.
async fn after_a_removal(yard: &Yard) -> Done {
    let place = &yard.demo.place;
    let second = |version: u64| -> anyhow::Result<Value> {
        let file = fs::read(registry(yard, "acquirer-demo.json"))?;
        let mut file: Value = serde_json::from_slice(&file)?;
        file["acquirer"] = json!("ACQ-SECOND");
        file["version"] = json!(version);
        let mut merchant = file["merchants"][0].clone();
        merchant["id"] = json!("m9001");
        merchant["terminals"] = json!([]);
        merchant["accounts"] = json!([{ "channel": "wechat", "account": "1900009001", "payee": "1900009001", "keys": "merchant", "appids": ["wx0000000000009001"] }]);
        file["merchants"] = json!([merchant]);
        Ok(file)
    };
    taken(yard, || place.sign_registry("acquirer-second", &second(5)?)).await?;
    taken(yard, || {
        fs::remove_file(registry(yard, "acquirer-second.json.sig"))?;
        Ok(fs::remove_file(registry(yard, "acquirer-second.json"))?)
    })
    .await?;
    place.sign_registry("acquirer-second", &second(4)?)?;
    until("nothing says that the older file is not taken", || {
        log(yard).contains("Acquirer ACQ-SECOND: version 4 does not rise above 5")
    })
    .await?;
    taken(yard, || place.sign_registry("acquirer-second", &second(6)?)).await
}

/// A start begins with what the last run knew: it takes no new patience with a desk that is out of reach.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C17
async fn a_start_gives_no_new_patience_with_a_desk_that_is_gone() {
    let yard = Yard::of(Options {
        desk: true,
        merchants: 1,
        ..Options::default()
    })
    .await
    .expect("demo");
    without_a_desk(&yard).await.unwrap_or_else(|e| panic!("{e:#}"));
    yard.demo.services.stop().await.expect("stopped");
}

async fn without_a_desk(yard: &Yard) -> Done {
    let trades = yard.demo.place.dir.join("data/trades");
    let read = || {
        let reader = Reader::open(Arc::new(RealDisk), &trades).ok()?;
        let entries = reader
            .scan(0)
            .filter_map(|item| TradeEntry::from_canonical(&item.ok()?.1).ok());
        entries
            .into_iter()
            .find(|e| matches!(e.event, TradeEvent::CasesCursor { .. }))
    };
    until("no cursor of the cases journal on record", || read().is_some()).await?;
    yard.demo.services.kill_proxy().await?;
    let (file, ports) = (yard.demo.place.dir.join("guandao.toml"), &yard.demo.place.ports);
    let config = fs::read_to_string(&file)?;
    let (here, gone) = (
        format!("[cases]\nurl = \"https://127.0.0.1:{}\"", ports.cases),
        "[cases]\npatience_seconds = 5\nurl = \"https://127.0.0.1:1\"",
    );
    ensure!(config.contains(&here), "{config}");
    fs::write(&file, config.replace(&here, gone))?;
    sleep(Duration::from_secs(6)).await; // the patience
    yard.demo.services.restart_proxy(&yard.demo.place, &[]).await?;
    let metrics = Client::clear(([127, 0, 0, 1], ports.metrics).into());
    for _ in 0..300 {
        let Ok(answer) = metrics.send("GET", "/readyz", &[], b"").await else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        ensure!(
            answer.status == 503 && said.contains("the desk is not reachable"),
            "{} {said}",
            answer.status
        );
        let order = yard
            .merchant()?
            .ask("POST", "/v1/payments", Some(&yard.body("wechat", 100)))
            .await?;
        ensure!(order.json()["code"] == "cases_unreachable", "{}", order.json());
        return Ok(());
    }
    bail!("the proxy does not answer")
}
