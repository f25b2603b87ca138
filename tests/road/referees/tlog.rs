//! The journal under the Go team's `sumdb/note` and `sumdb/tlog`: checkpoint, inclusion of each entry, consistency with
//! an older checkpoint. See `tests/clients/go/tlogcheck`.

use super::{
    Done,
    client::{place, said},
};
use anyhow::{Context, ensure};
use sandbox::demo::{Demo, place::Options};
use serde_json::json;
use std::{fs, path::Path, time::Duration};
use tokio::process::Command;

/// More entries than one tile holds, so that full and partial tiles are both read.
const ENTRIES: u64 = 300;

pub(super) async fn verified() -> Done {
    let dir = tempfile::tempdir()?;
    let demo = Demo::start(
        dir.path(),
        &Options {
            desk: false,
            merchants: 1,
            ..Options::default()
        },
        false,
    )
    .await?;
    let journal = demo.place.dir.join("data/trades");
    let older = dir.path().join("older-checkpoint");
    grow(&demo, &journal, 20).await?;
    fs::copy(journal.join("checkpoint"), &older)?;
    let then = size(&older)?;
    grow(&demo, &journal, ENTRIES).await?;
    // Stopped in good order, so that no checkpoint is written while others read.
    demo.services.stop().await?;
    let words = check(&demo, &journal, &older)
        .await?
        .map_err(anyhow::Error::msg)?;
    println!("tlogcheck: {words}");
    let now = size(&journal.join("checkpoint"))?;
    ensure!(
        words.contains(&format!("{now} entries proven")),
        "not every entry was proven: {words}"
    );
    ensure!(
        words.contains(&format!("consistent with the older checkpoint of {then} entries")),
        "{words}"
    );
    spoilt(&demo, &journal, &older, dir.path()).await
}

/// Orders until the signed tree has so many entries.
async fn grow(demo: &Demo, journal: &Path, entries: u64) -> Done {
    let merchant = demo.merchant(0)?;
    for _ in 0..ENTRIES {
        if size(&journal.join("checkpoint")).is_ok_and(|size| size >= entries) {
            return Ok(());
        }
        for _ in 0..10 {
            let body = json!({ "order_no": demo.next_number(), "channel": "wechat", "pay_way": "native", "amount": 100, "description": "x" });
            let answer = merchant.ask("POST", "/v1/payments", Some(&body)).await?;
            ensure!(
                answer.status == 201,
                "create answered {}: {}",
                answer.status,
                answer.json()
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("the signed tree does not grow to {entries} entries")
}

/// Second line of a checkpoint.
fn size(checkpoint: &Path) -> anyhow::Result<u64> {
    let text = fs::read_to_string(checkpoint)?;
    Ok(text.lines().nth(1).context("a size")?.parse()?)
}

async fn check(demo: &Demo, journal: &Path, older: &Path) -> anyhow::Result<Result<String, String>> {
    let mut command = Command::new(place().join("tlogcheck"));
    let output = said(
        command
            .arg("-key")
            .arg(demo.place.dir.join("trades.vkey"))
            .arg(journal)
            .arg(older),
    )
    .await?;
    let words = String::from_utf8_lossy(&output.stdout).trim().replace('\n', "; ")
        + &String::from_utf8_lossy(&output.stderr);
    Ok(if output.status.success() && words.ends_with("all is true") {
        Ok(words)
    } else {
        Err(words)
    })
}

/// The same journal with one octet of one entry, of one tile, of the older checkpoint changed.
async fn spoilt(demo: &Demo, journal: &Path, older: &Path, dir: &Path) -> Done {
    for file in ["tile/entries/000", "tile/0/000"] {
        let copy = dir.join("copy");
        let copied = said(Command::new("cp").arg("-r").arg(journal).arg(&copy)).await?;
        ensure!(
            copied.status.success(),
            "cp: {}",
            String::from_utf8_lossy(&copied.stderr)
        );
        change(&copy.join(file))?;
        let words = check(demo, &copy, older)
            .await?
            .err()
            .with_context(|| format!("a changed {file} was not seen"))?;
        println!("tlogcheck with one octet of {file} changed: {words}");
        fs::remove_dir_all(copy)?;
    }
    let changed = dir.join("changed-checkpoint");
    fs::copy(older, &changed)?;
    change(&changed)?;
    ensure!(
        check(demo, journal, &changed).await?.is_err(),
        "a changed older checkpoint was not seen"
    );
    Ok(())
}

fn change(file: &Path) -> Done {
    let mut octets = fs::read(file).with_context(|| file.display().to_string())?;
    let middle = octets.len() / 2;
    octets[middle] ^= 1;
    fs::write(file, octets)?;
    Ok(())
}
