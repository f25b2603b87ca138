//! Follows the desk's journal each second, obeys its measures, and puts on record what two officers made of differences in the books:
//! nothing else of it.

use crate::{
    app::App,
    config::Cases,
    outbound::{Outbound, Target},
};
use bytes::Bytes;
use domain::*;
use http::{HeaderMap, Method};
use journal::{
    VerifierKey,
    follow::{Fetch, Follower},
};
use std::time::Duration;
use tokio::sync::watch;

/// A cursor goes on record at least so often while the desk is followed: after a start it tells how long it was not.
const KNOWN: Duration = Duration::from_secs(300);

/// What is on record of the cases journal.
#[derive(Clone, Copy)]
pub(crate) struct Cursor {
    pub(crate) size: u64,
    pub(crate) root: Digest,
    /// When that was put there.
    pub(crate) at: Instant,
}

/// How far what was read is on record, and since when.
struct Seen {
    size: u64,
    at: Option<Instant>,
}

struct Desk(Outbound);

impl Fetch for Desk {
    async fn get(&self, path: &str) -> Result<Vec<u8>, String> {
        let answer = self
            .0
            .send(
                Method::GET,
                &format!("/{path}"),
                HeaderMap::new(),
                Bytes::new(),
                Duration::from_secs(5),
            )
            .await;
        match answer {
            Ok(answer) if answer.status == 200 => Ok(answer.body.to_vec()),
            Ok(answer) => Err(format!("status {}", answer.status)),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Makes the connection to the desk out of its configuration.
fn desk(cases: &Cases) -> anyhow::Result<(Desk, VerifierKey)> {
    let read =
        |path: &std::path::Path| std::fs::read(path).map_err(|e| anyhow::anyhow!("{}: {e}", path.display()));
    let tls = certs::tls::client(&read(&cases.ca)?, Some((&read(&cases.cert)?, &read(&cases.key)?)))?;
    let uri: http::Uri = cases.url.parse()?;
    let host = uri
        .host()
        .ok_or_else(|| anyhow::anyhow!("cases.url has no host"))?
        .to_owned();
    let target = Target {
        host,
        port: uri.port_u16().unwrap_or(443),
        address: None,
        private_ok: true,
        most: crate::outbound::MOST_BUNDLE,
        tls,
    };
    let key = String::from_utf8(read(&cases.vkey_file)?)?;
    let key = VerifierKey::parse(&key)
        .ok_or_else(|| anyhow::anyhow!("{} holds no verifier key", cases.vkey_file.display()))?;
    Ok((Desk(Outbound::new(target, Duration::from_secs(3))), key))
}

/// Follows until `stop`. `known` is what an earlier run saw: the desk must continue it.
pub(crate) async fn follow(app: App, cases: Cases, known: Option<Cursor>, mut stop: watch::Receiver<bool>) {
    let mut following: Option<(Desk, Follower)> = None;
    let mut seen = Seen {
        size: known.map_or(0, |known| known.size),
        at: known.map(|known| known.at),
    };
    let mut alarmed = false;
    loop {
        let polled = match &mut following {
            None => start(&cases, known).await.map(|(desk, follower, entries)| {
                following = Some((desk, follower));
                entries
            }),
            Some((desk, follower)) => follower
                .poll(desk, certs::verify_ed25519)
                .await
                .map_err(|e| e.to_string()),
        };
        match polled {
            Ok(entries) => {
                let cursor = following.as_ref().map(|(_, f)| f.cursor());
                if let Err(error) = obey(&app, entries, &mut seen, cursor).await {
                    tracing::error!(%error, "what the desk ordered is in force but could not be put on record; its journal is read again");
                    following = None;
                } else {
                    if !is_behind(&following) {
                        app.cases_were_read();
                    }
                    alarmed = false;
                }
            }
            Err(error) if !alarmed => {
                tracing::error!(
                    error,
                    "the cases journal is not followed; the last measures stay in force"
                );
                alarmed = true;
            }
            Err(_) => {}
        }
        let pause = if is_behind(&following) { 0 } else { 500 };
        tokio::select! {
            () = crate::accept::stopped(&mut stop) => return,
            () = tokio::time::sleep(Duration::from_millis(pause)) => {}
        }
    }
}

/// True while what the desk wrote was read in part only.
fn is_behind(following: &Option<(Desk, Follower)>) -> bool {
    following
        .as_ref()
        .is_some_and(|(_, follower)| follower.is_behind())
}

/// First the history we know must stand; then all measures are read from the beginning.
async fn start(
    cases: &Cases,
    known: Option<Cursor>,
) -> Result<(Desk, Follower, Vec<(u64, Vec<u8>)>), String> {
    let (desk, key) = desk(cases).map_err(|e| e.to_string())?;
    let known = known.map(|known| (known.size, *known.root.as_bytes()));
    if known.is_some() {
        Follower::new(key.clone(), known)
            .poll(&desk, certs::verify_ed25519)
            .await
            .map_err(|e| e.to_string())?;
    }
    let mut follower = Follower::new(key, None);
    let entries = follower
        .poll(&desk, certs::verify_ed25519)
        .await
        .map_err(|e| e.to_string())?;
    Ok((desk, follower, entries))
}

//= C56
async fn obey(
    app: &App,
    entries: Vec<(u64, Vec<u8>)>,
    seen: &mut Seen,
    cursor: Option<(u64, [u8; 32])>,
) -> anyhow::Result<()> {
    let mut events = Vec::new();
    for (index, bytes) in &entries {
        // An entry that a newer desk wrote is nothing that this one obeys; the measures behind it are.
        let Ok(entry) = CaseEntry::from_canonical(bytes) else {
            tracing::error!(
                index,
                "an entry of the cases journal is not understood; update this proxy"
            );
            continue;
        };
        if let CaseEvent::DifferenceResolved {
            merchant,
            resolution,
            trades_index,
            ..
        } = &entry.event
            && *index >= seen.size
        {
            crate::reconcile::resolved(app, *index, merchant, *trades_index, *resolution).await?;
        }
        if let CaseEvent::MeasureOrdered { measure, .. } = entry.event {
            app.observe(&measure); // in force first, then on record
            if *index >= seen.size {
                tracing::info!(measure = %measure.id, "a measure of the desk takes effect");
                events.push(TradeEvent::MeasureObserved {
                    cases_index: *index,
                    measure,
                });
            }
        }
    }
    let Some((size, root)) = cursor else {
        return Ok(());
    };
    let now = app.clock().now();
    let aged = seen
        .at
        .is_none_or(|at| now.millis() - at.millis() >= KNOWN.as_millis() as i64);
    // Not every empty step: each cursor entry would give the desk something new to read, for ever.
    if !events.is_empty() || size.saturating_sub(seen.size) >= 64 || aged {
        events.push(TradeEvent::CasesCursor {
            root: Digest::from_bytes(root),
            size,
        });
        app.ledger().note(None, events).await?;
        (seen.size, seen.at) = (size.max(seen.size), Some(now));
    }
    Ok(())
}
