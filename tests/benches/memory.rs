//! Row (e), connections: what ten thousand idle ones cost.

use crate::{
    load::{self, Line, Offer},
    machine,
    peers::{self, Peer, Site},
    report::{Report, Want},
    stub::Stub,
};
use anyhow::Context;
use sandbox::demo::place::Addresses;
use std::path::Path;

/// Connections that are opened side by side.
const AT_ONCE: usize = 32;

/// The proxy keeps a quarter of its open files for itself, and each of its listeners has an equal part of the rest
/// (chapter 50). So many there are at most.
const LISTENERS: usize = 9;

/// Resident memory before and after so many connections that have asked once.
async fn connected(peer: &Peer, ca: &[u8], count: usize, ask: &[u8]) -> anyhow::Result<(f64, f64)> {
    let before = peers::settled_memory(peer.pid()).await;
    let tls = load::client(ca, Offer::Classical)?;
    let mut lines = Vec::with_capacity(count);
    // Several at a time: one after the other takes as long as an idle connection stays.
    while lines.len() < count {
        let mut opening = tokio::task::JoinSet::new();
        for _ in 0..AT_ONCE.min(count - lines.len()) {
            let (at, tls, ask) = (peer.at, tls.clone(), ask.to_vec());
            opening.spawn(async move {
                let mut line = Line::open(at, &tls).await?;
                line.exchange(&ask).await?;
                anyhow::Ok(line)
            });
        }
        for line in opening.join_all().await {
            lines.push(line?);
        }
    }
    let after = machine::resident(peer.pid());
    // The first was idle for longest.
    if let Some(first) = lines.first_mut() {
        let alive = first.exchange(ask).await;
        alive.context(
            "the first connections were closed before the last was open: this is the memory of fewer",
        )?;
    }
    Ok((after as f64, (after - before) as f64 / count as f64))
}

/// Row (e), connections.
pub(crate) async fn connections(dir: &Path, count: usize, report: &mut Report) -> anyhow::Result<()> {
    let wanted = count;
    let count = count.min(machine::raise_open_files() as usize * 3 / 4 / LISTENERS - AT_ONCE);
    if count < wanted {
        eprintln!(
            "a listener of the proxy takes {count} connections here, of {wanted}: this process may open too few files"
        );
    }
    let stub = Stub::bind().await?;
    let upstream = stub.at;
    let site = Site::make(&dir.join("connections"), &Addresses::all_at(stub.at))?;
    stub.serve(&site.place)?;
    let ca = std::fs::read(site.place.material.ca_path())?;
    let healthz: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let (ours, _) = site.start("0").await?;
    let (resident, each) = connected(&ours, &ca, count, healthz).await?;
    ours.kill();
    report.one(
        "e.idle",
        format!("memory with {count} idle TLS connections"),
        resident / 1e6,
        "MB",
        Want::Nothing,
    );
    report.one(
        "e.idle.each",
        "memory per idle connection",
        each,
        "B",
        Want::Nothing,
    );
    let forwarder = peers::forwarder(&site.place, upstream).await?;
    let get: &[u8] = b"GET /v3/pay/transactions/out-trade-no/x HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let (bare, bare_each) = connected(&forwarder, &ca, count, get).await?;
    report.one(
        "e.idle.bare",
        "the same, bare forwarder",
        bare / 1e6,
        "MB",
        Want::Nothing,
    );
    report.one(
        "e.idle.bare.each",
        "the same, bare forwarder, per connection",
        bare_each,
        "B",
        Want::Nothing,
    );
    report.one(
        "e.idle.ratio",
        "memory with idle connections, guandao / bare forwarder",
        resident / bare,
        "",
        // Of fewer the ratio is that of two processes that do nothing.
        if count == wanted {
            Want::Most(2.0)
        } else {
            Want::Nothing
        },
    );
    if let Ok(nginx) = peers::nginx(&site.place, upstream).await {
        let (all, each) = connected(&nginx, &ca, count, healthz).await?;
        report.one("e.idle.nginx", "the same, nginx", all / 1e6, "MB", Want::Nothing);
        report.one(
            "e.idle.nginx.each",
            "the same, nginx, per connection",
            each,
            "B",
            Want::Nothing,
        );
    }
    Ok(())
}
