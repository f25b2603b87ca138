//! UnionPay with an independent checker in Python that shares nothing with us (there is no published client of 5.1.0 that
//! signs as 5.1.0 does): straight at the sandbox as the control, then through the pass-through with only the host changed;
//! each answer and each relayed notice verified there, certificates and signer's name too.

use super::{
    Done,
    client::{place, said},
};
use crate::{
    repo::root,
    unionpay_pass::file::{days_ago, settled},
};
use anyhow::{Context, bail, ensure};
use sandbox::demo::{Demo, place::Options};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::process::Command;

const STEPS: [&str; 21] = [
    "apply",
    "touched",
    "query",
    "pay",
    "query_paid",
    "refund",
    "refund_again",
    "refund_query",
    "form",
    "form_opens",
    "form_pay",
    "form_query_paid",
    "app",
    "app_pay",
    "app_query_paid",
    "charge",
    "charge_query_paid",
    "cancel",
    "cancel_query",
    "cancel_again",
    "charge_refused",
];

/// Merchants of signMethod 01 and 11: the checker knows those two.
const MERCHANTS: usize = 2;

pub(super) async fn judged() -> Done {
    let dir = tempfile::tempdir()?;
    let options = Options {
        desk: false,
        merchants: MERCHANTS,
        ..Options::default()
    };
    let demo = Demo::start(dir.path(), &options, false).await?;
    for merchant in 0..MERCHANTS {
        for through in [false, true] {
            let lines = run(&demo, merchant, through, None, None).await?;
            let steps: Vec<_> = lines.iter().filter_map(|l| l["step"].as_str()).collect();
            ensure!(steps == STEPS, "other steps: {steps:?}");
            if through {
                known(&demo, merchant, &lines).await?;
            }
        }
        let (day, number) = settled(&demo, merchant).await?;
        for through in [false, true] {
            let file = json!({ "day": day, "number": number, "empty": days_ago(2) });
            let lines = run(&demo, merchant, through, None, Some(&file)).await?;
            let steps: Vec<_> = lines.iter().filter_map(|l| l["step"].as_str()).collect();
            ensure!(steps == ["file", "no_file"], "other steps: {steps:?}");
        }
        println!(
            "unionpay_acp.py (signMethod {}): {} steps straight, {} through, six relayed notices",
            demo.place.merchants[merchant].sign_method(),
            STEPS.len(),
            STEPS.len()
        );
    }
    demo.services.stop().await?;
    demo.prove_journal()?;
    Ok(())
}

/// Our record knows what the checker did, and each relayed notice verifies there.
async fn known(demo: &Demo, merchant: usize, lines: &[Value]) -> Done {
    let number = |step: &str| {
        lines
            .iter()
            .find(|l| l["step"] == step)
            .and_then(|l| l["number"].as_str())
            .map(str::to_owned)
            .with_context(|| format!("{step} names no number"))
    };
    let (code, form, refund) = (number("apply")?, number("form")?, number("refund")?);
    let (app, charge, cancel) = (number("app")?, number("charge")?, number("cancel")?);
    for (no, state) in [
        (&code, "partly_refunded"),
        (&form, "paid"),
        (&app, "paid"),
        (&charge, "reversed"),
    ] {
        let found = demo
            .merchant(merchant)?
            .ask("GET", &format!("/v1/payments?order_no={no}"), None)
            .await?
            .json();
        ensure!(found["state"] == state, "{no}: {found}");
    }
    let path = format!("/relay/unionpay/{}", demo.place.merchants[merchant].id);
    for (no, kind) in [
        (code, "01"),
        (form, "01"),
        (refund, "04"),
        (app, "01"),
        (charge, "01"),
        (cancel, "31"),
    ] {
        let body = notice(demo, &path, &no).await?;
        let told = run(
            demo,
            merchant,
            true,
            Some(&json!({ "headers": {}, "body": body })),
            None,
        )
        .await?;
        let told = told.last().context("a line")?;
        ensure!(
            told["step"] == "notice" && told["number"] == *no && told["kind"] == kind,
            "{told}"
        );
    }
    Ok(())
}

async fn notice(demo: &Demo, path: &str, number: &str) -> anyhow::Result<String> {
    for _ in 0..200 {
        for came in demo.shop().came(path) {
            let body = std::str::from_utf8(&came.body)?;
            if body.contains(&format!("orderId={number}&")) {
                return Ok(body.to_owned());
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("no notice of {number} was relayed within 20 s")
}

async fn run(
    demo: &Demo,
    merchant: usize,
    through: bool,
    notice: Option<&Value>,
    file: Option<&Value>,
) -> anyhow::Result<Vec<Value>> {
    let (place_of, ports) = (&demo.place, demo.place.ports);
    let merchant = &place_of.merchants[merchant];
    let account = &merchant.accounts.unionpay;
    let channel = demo.channels.unionpay_url();
    let settings = json!({
        "base_url": if through { format!("https://127.0.0.1:{}", ports.unionpay) } else { channel.clone() },
        "channel_url": channel, "through": through, "control": demo.channels.control_url(), "ca_file": place_of.material.ca_path(),
        "notify_url": if through { format!("https://127.0.0.1:{}/n/unionpay/{}", ports.notify, account.mer_id) } else { "http://127.0.0.1:9/nobody".to_owned() },
        "dir": place_of.material.dir, "prefix": if through { "t" } else { "s" }, "sign_method": merchant.sign_method(), "unionpay": account, "file": file,
    });
    let dir = tempfile::tempdir()?;
    let write = |name: &str, value: &Value| -> anyhow::Result<_> {
        let file = dir.path().join(name);
        std::fs::write(&file, value.to_string())?;
        Ok(file)
    };
    let mut command = Command::new(place().join("venv/bin/python"));
    command
        .arg(root().join("tests/clients/python/unionpay_acp.py"))
        .arg(write("settings.json", &settings)?)
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
    if let Some(notice) = notice {
        command.arg("--verify-notice").arg(write("notice.json", notice)?);
    }
    let output = said(&mut command).await?;
    let out = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<Value> = out
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .with_context(|| out.to_string())?;
    ensure!(
        output.status.success() && !lines.is_empty() && lines.iter().all(|l| l["ok"] == true),
        "the checker failed: {out}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(lines)
}
