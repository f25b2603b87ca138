//! Follows the desk's journal each second, obeys its measures, and puts on record what two officers made of differences in the books:
//! nothing else of it.

mod reading;

pub(crate) use reading::Cursor;

use crate::{
    app::App,
    config::Cases,
    outbound::{Outbound, Target},
};
use bytes::Bytes;
use domain::*;
use http::{HeaderMap, Method};
use journal::{VerifierKey, follow::Fetch};
use ledger::CommitError;
use reading::{Entries, Reading};
use std::time::Duration;
use tokio::sync::watch;

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
pub(crate) async fn follow(
    app: App,
    cases: Cases,
    mut known: Option<Cursor>,
    mut stop: watch::Receiver<bool>,
) {
    let mut following: Option<(Desk, Reading)> = None;
    let mut alarmed = false;
    loop {
        let stepped = match step(&mut following, &cases, known).await {
            Ok(entries) => take(&app, entries, &mut following).await,
            Err(error) => Err(error),
        };
        known = following.as_ref().map_or(known, |(_, reading)| reading.known());
        match stepped {
            Ok(()) => alarmed = false,
            Err(error) if !alarmed => {
                tracing::error!(
                    error,
                    "the cases journal is not followed; the last measures stay in force"
                );
                alarmed = true;
            }
            Err(_) => {}
        }
        let busy = !alarmed && following.as_ref().is_some_and(|(_, reading)| reading.is_busy());
        tokio::select! {
            () = crate::accept::stopped(&mut stop) => return,
            () = tokio::time::sleep(Duration::from_millis(if busy { 0 } else { 500 })) => {}
        }
    }
}

/// What is new, by the way to the desk that there is or by a new one.
async fn step(
    following: &mut Option<(Desk, Reading)>,
    cases: &Cases,
    known: Option<Cursor>,
) -> Result<Entries, String> {
    if let Some((desk, reading)) = following {
        return reading.on(desk).await;
    }
    let (desk, key) = desk(cases).map_err(|e| e.to_string())?;
    let mut reading = Reading::new(key, known);
    let entries = reading.on(&desk).await?;
    *following = Some((desk, reading));
    Ok(entries)
}

/// Obeys what is new, and behind it a part of what was read before; where that is all there is, the desk's last word is known.
async fn take(app: &App, entries: Entries, following: &mut Option<(Desk, Reading)>) -> Result<(), String> {
    let Some((desk, reading)) = following else {
        return Ok(());
    };
    let new = reading.understood(entries);
    let mut done = obey(app, &new).await;
    if done.is_ok() && !reading.is_behind() {
        let old = reading.again(desk).await;
        let old = old.map_err(|error| format!("what was read before cannot be read again: {error}"))?;
        // One that no earlier build understood is in force from now on.
        done = put(app, observed(app, &reading.understood(old))).await;
    }
    if done.is_ok() && reading.knows_all() {
        app.cases_were_read();
        done = mark(app, reading, !new.is_empty()).await;
    }
    if let Err(error) = done {
        tracing::error!(%error, "what the desk ordered is in force but could not be put on record; its journal is read again");
        *following = None;
    }
    Ok(())
}

/// What is new takes effect.
async fn obey(app: &App, entries: &[(u64, CaseEvent)]) -> Result<(), CommitError> {
    let events = observed(app, entries);
    for (index, event) in entries {
        if let CaseEvent::DifferenceResolved {
            merchant,
            resolution,
            trades_index,
            ..
        } = event
        {
            crate::reconcile::resolved(app, *index, merchant, *trades_index, *resolution).await?;
        }
    }
    put(app, events).await
}

/// That all was read goes on record, where that is due.
async fn mark(app: &App, reading: &mut Reading, news: bool) -> Result<(), CommitError> {
    let Some(cursor) = reading.due(app.clock().now(), news) else {
        return Ok(());
    };
    let event = TradeEvent::CasesCursor {
        root: cursor.root,
        size: cursor.size,
    };
    put(app, vec![event]).await?;
    reading.recorded(cursor);
    Ok(())
}

async fn put(app: &App, events: Vec<TradeEvent>) -> Result<(), CommitError> {
    if events.is_empty() {
        return Ok(());
    }
    app.ledger().note(None, events).await.map(drop)
}

/// Measures take effect; yields what of it is not on record yet.
//= C56
fn observed(app: &App, entries: &[(u64, CaseEvent)]) -> Vec<TradeEvent> {
    let mut events = Vec::new();
    for (index, event) in entries {
        let CaseEvent::MeasureOrdered { measure, .. } = event else {
            continue;
        };
        app.observe(measure); // in force first, then on record
        if !app.ledger().has_observed(measure) {
            tracing::info!(measure = %measure.id, "a measure of the desk takes effect");
            events.push(TradeEvent::MeasureObserved {
                cases_index: *index,
                measure: measure.clone(),
            });
        }
    }
    events
}
