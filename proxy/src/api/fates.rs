//! What became of the keys that sealed an order's buyer data: a search through the journal, off the threads of the road and
//! by few at once.

use crate::{
    api::render,
    app::App,
    fault::{Code, Fault, Stop},
    stage::Response,
};
use domain::*;
use http::StatusCode;
use journal::Reader;
use ledger::{LookupError, Order};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Certificates that are made at once, so that orders keep their threads and the disk.
static ROOM: Semaphore = Semaphore::const_new(2);
/// The destroy entry comes within the deadline; nothing is searched for longer than a day of heavy trade.
const MOST: usize = 2_000_000;
/// Events at which keys end. No other entry is read whole.
const ENDS: [&str; 2] = ["bucket_destroyed", "process_started"];

/// The certificate of an order.
pub(super) async fn answer(app: &App, order: &Order) -> Result<Response, Stop> {
    let later = || Fault::of(Code::TooManyRequests).retry(Duration::from_secs(2));
    let room = tokio::time::timeout(app.claim_wait(), ROOM.acquire())
        .await
        .map_err(|_| later())?
        .map_err(|error| later().inside(error))?;
    let (reading, last) = (app.clone(), order.last);
    let found = tokio::task::spawn_blocking(move || {
        let _room = room;
        let seals = seals(&reading, last)?;
        Ok::<_, LookupError>(fates(&reading.ledger().journal().reader(), seals))
    });
    let unreadable = Fault::of(Code::IndexRebuilding).retry(Duration::from_secs(2));
    let seals = match found.await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(unreadable.inside(error).into()),
        Err(error) => return Err(Fault::of(Code::Internal).inside(error).into()),
    };
    Ok(render::json_response(
        StatusCode::OK,
        &json!({ "payment_id": order.id.to_string(), "grade": vault::GRADE, "seals": seals }),
    ))
}

/// Where buyer data of the order was sealed, the oldest first.
fn seals(app: &App, last: u64) -> Result<Vec<(u64, SealRef)>, LookupError> {
    let (mut seals, mut next) = (Vec::new(), Some(last));
    while let Some(index) = next {
        let entry = app.ledger().entry(index)?;
        if let TradeEvent::AttemptIntended { seal: Some(seal), .. }
        | TradeEvent::AttemptPaid { seal: Some(seal), .. } = &entry.event
        {
            seals.push((index, *seal));
        }
        next = entry.prev;
    }
    seals.reverse();
    Ok(seals)
}

/// One pass over the journal from the oldest seal on, till the end of each is found.
fn fates(reader: &Reader, seals: Vec<(u64, SealRef)>) -> Vec<Value> {
    let begin = seals.first().map_or(0, |(index, _)| index + 1);
    let mut alive = seals.len();
    let mut fates: Vec<(u64, SealRef, Option<Value>)> = seals
        .into_iter()
        .map(|(index, seal)| (index, seal, None))
        .collect();
    for (at, bytes) in reader.scan(begin).take(MOST).map_while(Result::ok) {
        if alive == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&bytes);
        if !ENDS.iter().any(|end| text.contains(end)) {
            continue;
        }
        let Ok(entry) = TradeEntry::from_canonical(&bytes) else {
            break;
        };
        for (_, seal, fate) in fates.iter_mut().filter(|(index, ..)| *index < at) {
            if fate.is_none() {
                *fate = ended(at, &entry, seal);
                alive -= usize::from(fate.is_some());
            }
        }
    }
    let told = |(index, seal, fate): (u64, SealRef, Option<Value>)| {
        let mut value = fate.unwrap_or_else(|| json!({ "state": "alive" }));
        value["sealed_index"] = index.into();
        value["bucket"] = seal.bucket.into();
        value["records"] = seal.records.into();
        value
    };
    fates.into_iter().map(told).collect()
}

/// How this entry ends the key of that bucket, if it does.
fn ended(at: u64, entry: &TradeEntry, seal: &SealRef) -> Option<Value> {
    match &entry.event {
        TradeEvent::BucketDestroyed {
            bucket,
            deadline,
            openings,
            ..
        } if *bucket == seal.bucket => Some(json!({
            "state": "destroyed",
            "destroyed_index": at,
            "destroyed_at": entry.at.to_string(),
            "deadline": deadline.to_string(),
            "openings_of_the_bucket": openings,
        })),
        TradeEvent::ProcessStarted { .. } => {
            Some(json!({ "state": "lost_at_a_crash", "destroyed_index": at }))
        }
        _ => None,
    }
}
