//! Row (d): durable entries per second by group commit. Row (e): start-up and memory of many live orders.

use crate::{
    machine,
    peers::{self, Site},
    report::{Report, Want, median},
    stub::Stub,
};
use anyhow::Context;
use certs::{Keys as Keyring, Material};
use domain::*;
use journal::{Journal, Settings, disk::RealDisk};
use ledger::{Happening, Ledger, payment_id};
use proxy::clock::SystemClock;
use sandbox::demo::place::{Addresses, NAME};
use std::{
    fs,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

fn signer(key: &Path) -> anyhow::Result<Arc<dyn Sign>> {
    let (keys, name) = (Keyring::default(), KeyRef::new("journal")?);
    keys.put(name.clone(), Material::read(&fs::read(key)?)?);
    Ok(keys.signer(&name)?)
}

/// Entries per second that are durable when told so, with `waiters` at once, on the proxy's core.
fn durable_rate(dir: &Path, waiters: usize, time: Duration) -> anyhow::Result<f64> {
    fs::create_dir_all(dir)?;
    let key = dir.join("journal.pem");
    fs::write(&key, certs::generate_ed25519()?.as_bytes())?;
    let signer = signer(&key)?;
    std::thread::scope(|scope| {
        let run = scope.spawn(|| -> anyhow::Result<f64> {
            machine::pin(machine::PROXY_CORE);
            let (journal, _) = Journal::open(
                Arc::new(RealDisk),
                &dir.join("log"),
                "bench/0",
                signer,
                Settings::default(),
            )?;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let rate = runtime.block_on(async {
                let (began, before) = (Instant::now(), journal.durable());
                let mut tasks = tokio::task::JoinSet::new();
                for n in 0..waiters {
                    let journal = journal.clone();
                    tasks.spawn(async move {
                        while began.elapsed() < time {
                            if journal
                                .append(|first| {
                                    vec![
                                        format!("{{\"i\":{first},\"w\":{n},\"pad\":\"{:0>420}\"}}", first)
                                            .into_bytes(),
                                    ]
                                })
                                .await
                                .is_err()
                            {
                                return;
                            }
                        }
                    });
                }
                tasks.join_all().await;
                (journal.durable() - before) as f64 / began.elapsed().as_secs_f64()
            });
            journal.close();
            Ok(rate)
        });
        run.join()
            .map_err(|_| anyhow::anyhow!("the journal's thread ended"))?
    })
}

/// Row (d).
pub(crate) fn journal(disk: &Path, memory: &Path, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let (mut on_disk, mut on_tmpfs) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        for (dir, rates) in [(disk, &mut on_disk), (memory, &mut on_tmpfs)] {
            let dir = dir.join(format!("journal-{round}"));
            rates.push(durable_rate(&dir, 256, Duration::from_secs(1))?);
            fs::remove_dir_all(dir)?;
        }
    }
    let ratio = on_disk.iter().zip(&on_tmpfs).map(|(a, b)| a / b).collect();
    report.add(
        "d.disk",
        "journal on disk, 256 waiters, entries of 450 octets",
        on_disk,
        "/s",
        Want::Least(20_000.0),
    );
    report.add(
        "d.tmpfs",
        "journal on tmpfs, the same",
        on_tmpfs,
        "/s",
        Want::Nothing,
    );
    report.add("d.ratio", "journal on disk / on tmpfs", ratio, "", Want::Nothing);
    Ok(())
}

/// Fills a place's ledger with live orders, as the proxy would; runs in a process of its own (`guandao-bench fill`).
pub(crate) fn fill(dir: &Path, orders: u64) -> anyhow::Result<()> {
    let data = dir.join("data");
    let signer = signer(&dir.join("keys/journal.pem"))?;
    let (journal, _) = Journal::open(
        Arc::new(RealDisk),
        &data.join("trades"),
        &format!("{NAME}/trades/0"),
        signer,
        Settings::default(),
    )?;
    let ledger = Ledger::open(journal, &data, Arc::new(SystemClock))?.ledger;
    let mchid = fs::read_to_string(dir.join("channels/material.json"))?;
    let mchid: serde_json::Value = serde_json::from_str(&mchid)?;
    let mchid = mchid["merchants"][0]["wechat"]["mchid"]
        .as_str()
        .context("a mchid")?
        .to_owned();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        let next = Arc::new(std::sync::atomic::AtomicU64::new(0));
        for _ in 0..512 {
            let (ledger, mchid, next) = (ledger.clone(), mchid.clone(), next.clone());
            tasks.spawn(async move {
                loop {
                    let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if n >= orders {
                        return Ok::<_, anyhow::Error>(());
                    }
                    place_one(&ledger, &mchid, n).await?;
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    ledger.take_snapshot(&data)?;
    while ledger.index().applied() < ledger.journal().size() {
        std::thread::sleep(Duration::from_millis(100));
    }
    ledger.stop();
    ledger.index().db().flush()?;
    ledger.journal().close();
    Ok(())
}

async fn place_one(ledger: &Ledger, mchid: &str, n: u64) -> anyhow::Result<()> {
    let (merchant, order_no) = (MerchantId::new("m1001")?, OrderNo::new(format!("L{n:015}"))?);
    let id = payment_id(&merchant, &order_no);
    let now = SystemClock.now();
    let intent = TradeEvent::AttemptIntended {
        account: AccountNo::new(mchid)?,
        amount: Amount::from_fen(1280),
        appid: None,
        sub_appid: None,
        attempt: 1,
        carried: Carried::Unified,
        channel: Channel::Wechat,
        code: Code {
            kind: CodeKind::Dynamic,
            level: CodeLevel::B,
        },
        content: KeyedDigest::from_bytes([7; 32]),
        expires: now.plus_millis(6 * 3_600_000),
        keys: Keys::Held,
        number: ChannelNo::new(order_no.as_str())?,
        order_no,
        pay_way: PayWay::Native,
        payee: PayeeNo::new(mchid)?,
        payer: None,
        rates: None,
        route: None,
        seal: Some(SealRef {
            bucket: 1,
            records: 1,
        }),
        terminal: None,
        terminal_match: None,
        terminal_unmatched: false,
    };
    ledger
        .commit(&merchant, &id, vec![Happening::from(intent)])
        .await?;
    let placed = TradeEvent::AttemptPlaced {
        attempt: 1,
        reach: Some(Reach::Code("weixin://wxpay/bizpayurl?pr=p4lpSuKzz".into())),
    };
    ledger.commit(&merchant, &id, vec![placed.into()]).await?;
    Ok(())
}

/// Row (e), orders: each size in a place of its own.
pub(crate) async fn starts(
    dir: &Path,
    sizes: &[u64],
    rounds: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut slope: Vec<(f64, f64)> = Vec::new();
    for orders in sizes {
        let millions = *orders as f64 / 1e6;
        let dir = dir.join(format!("orders-{orders}"));
        let stub = Stub::bind().await?;
        let site = Site::make(&dir, &Addresses::all_at(stub.at))?;
        stub.serve(&site.place)?;
        let (empty, _) = site.start("0").await?;
        let before = peers::settled_memory(empty.pid()).await;
        empty.stop()?;
        let began = Instant::now();
        anyhow::ensure!(
            Command::new("taskset")
                .args(["-c", "0,1"])
                .arg(std::env::current_exe()?)
                .arg("fill")
                .arg(&site.place.dir)
                .arg(orders.to_string())
                .status()?
                .success(),
            "the ledger could not be filled"
        );
        eprintln!("{orders} orders filled in {:?}", began.elapsed());
        // The snapshot counts from the fill on; a start takes one after a minute, so it is kept aside.
        let (snapshot, kept) = (
            site.place.dir.join("data/snapshot"),
            site.place.dir.join("data/snapshot.kept"),
        );
        fs::copy(&snapshot, &kept)?;
        let (mut one, mut both, mut replay, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            for (cores, times) in [("0", &mut one), ("0,1", &mut both)] {
                fs::copy(&kept, &snapshot)?;
                let (peer, took) = site.start(cores).await?;
                times.push(took.as_secs_f64());
                if cores == "0" {
                    bytes.push((machine::resident(peer.pid()) as f64 - before as f64) / *orders as f64);
                }
                peer.kill();
            }
            if fs::exists(&snapshot)? {
                fs::remove_file(&snapshot)?;
            }
            let (peer, took) = site.start("0").await?;
            replay.push(took.as_secs_f64());
            peer.kill();
        }
        slope.push((millions, median(&one)));
        let name = if *orders >= 1_000_000 {
            format!("{millions} M live orders")
        } else {
            format!("{orders} live orders")
        };
        let (id_one, id_both, id_replay, id_bytes) = ids(*orders);
        report.add(
            id_one,
            format!("start-up with {name}, from snapshot, one core"),
            one,
            "s",
            Want::Most(millions),
        );
        report.add(
            id_both,
            format!("start-up with {name}, from snapshot, both cores"),
            both,
            "s",
            Want::Nothing,
        );
        report.add(
            id_replay,
            format!(
                "start-up with {name}, no snapshot: the whole journal ({} entries)",
                orders * 2
            ),
            replay,
            "s",
            Want::Nothing,
        );
        report.add(
            id_bytes,
            format!("memory per live order, with {name}"),
            bytes,
            "B",
            Want::Nothing,
        );
        fs::remove_dir_all(&dir)?;
    }
    if let [first, .., last] = slope[..] {
        report.one(
            "e.start.slope",
            format!("start-up slope, {} M to {} M", first.0, last.0),
            (last.1 - first.1) / (last.0 - first.0),
            "s/M",
            Want::Most(1.0),
        );
    }
    Ok(())
}

/// Rows of the sizes have names of their own in the history.
fn ids(orders: u64) -> (&'static str, &'static str, &'static str, &'static str) {
    match orders {
        10_000_000 => ("e.start.10m", "e.start.10m.both", "e.replay.10m", "e.order.10m"),
        1_000_000 => ("e.start.1m", "e.start.1m.both", "e.replay.1m", "e.order.1m"),
        _ => (
            "e.start.small",
            "e.start.small.both",
            "e.replay.small",
            "e.order.small",
        ),
    }
}
