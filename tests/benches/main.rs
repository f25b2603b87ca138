//! `tests/benches/run`: the proxy against its peers and against the speed of its own cryptography, as ratios of one
//! interleaved run. Prints a table, keeps a history, asserts nothing.

mod books;
mod clients;
mod crypto;
mod forward;
mod load;
mod machine;
mod memory;
mod orders;
mod peers;
mod report;
mod storage;
mod stub;
mod traffic;
mod ways;

use anyhow::{Context, bail};
use orders::{Bench, Length};
use report::Report;
use std::path::{Path, PathBuf};

const HELP: &str = "guandao-bench [--rounds N] [--orders N] [--only abcdefg] [--big] [--no-history] [--drive SUBJECT SECONDS]\n\
  --rounds N     interleaved rounds (7)\n  --orders N     orders per window (3000)\n  --only LETTERS rows to measure\n\
  --big          10 M live orders too: 15 GB of disk, 20 minutes\n  --no-history   print only\n  --drive S N    load subject S (native, jsapi, pass-through) for N seconds, for a profiler";

struct Line {
    length: Length,
    only: String,
    big: bool,
    history: bool,
    drive: Option<(String, u64)>,
}

fn line(mut words: impl Iterator<Item = String>) -> anyhow::Result<Line> {
    let mut line = Line {
        length: Length {
            rounds: 7,
            orders: 3000,
            lines: 32,
        },
        only: "abcdefg".into(),
        big: false,
        history: true,
        drive: None,
    };
    while let Some(word) = words.next() {
        let mut next = || words.next().context(HELP);
        match word.as_str() {
            "--rounds" => line.length.rounds = next()?.parse()?,
            "--orders" => line.length.orders = next()?.parse()?,
            "--only" => line.only = next()?,
            "--big" => line.big = true,
            "--no-history" => line.history = false,
            "--drive" => line.drive = Some((next()?, next()?.parse()?)),
            "--bench" => {} // cargo says so
            _ => bail!(HELP),
        }
    }
    Ok(line)
}

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["forward", dir, port, upstream] => {
            return forward::serve(Path::new(dir), port.parse()?, upstream.parse()?);
        }
        ["fill-books", dir, orders] => return books::fill(Path::new(dir), orders.parse()?),
        ["compare-books", dir, orders] => return books::compare(Path::new(dir), orders.parse()?),
        ["fill", dir, orders] => return storage::fill(Path::new(dir), orders.parse()?),
        _ => {}
    }
    let line = line(words.into_iter())?;
    machine::pin(machine::LOAD_CORE);
    machine::raise_open_files();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(all(line))
}

async fn all(line: Line) -> anyhow::Result<()> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tmp");
    std::fs::create_dir_all(&target)?;
    let disk = tempfile::Builder::new().prefix("bench").tempdir_in(&target)?;
    let memory = tempfile::Builder::new()
        .prefix("guandao-bench")
        .tempdir_in("/dev/shm")?;
    let facts = machine::facts();
    let mut report = Report::default();
    let wants = |letters: &str| letters.chars().any(|c| line.only.contains(c));
    if let Some((name, seconds)) = &line.drive {
        let mut bench = Bench::start(
            &disk.path().join("orders"),
            &memory.path().join("orders"),
            line.length,
        )
        .await?;
        return bench.drive(name, *seconds).await;
    }
    if wants("abc") {
        let mut bench = Bench::start(
            &disk.path().join("orders"),
            &memory.path().join("orders"),
            line.length,
        )
        .await?;
        bench.rounds().await?;
        bench.tell(&mut report);
        if wants("c") {
            bench.latency(&mut report).await?;
        }
    }
    if wants("d") {
        storage::journal(disk.path(), memory.path(), line.length.rounds.min(5), &mut report)?;
    }
    if wants("e") {
        memory::connections(disk.path(), 10_000, &mut report).await?;
        let sizes: &[u64] = if line.big {
            &[1_000_000, 10_000_000]
        } else {
            &[250_000, 1_000_000]
        };
        storage::starts(disk.path(), sizes, 3, &mut report).await?;
    }
    if wants("f") {
        books::row(disk.path(), &mut report)?;
    }
    if wants("g") {
        ways::rows(disk.path(), line.length, &mut report).await?;
    }
    let history = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/history.jsonl");
    report.finish(line.history.then_some(history.as_path()), facts)
}
