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
use journal::ReadError;
use ledger::{LookupError, Order};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Certificates that are made at once, so that orders keep their threads and the disk.
static ROOM: Semaphore = Semaphore::const_new(2);
/// The destroy entry comes within the deadline; nothing is searched for further behind a seal than a day of heavy trade.
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
        let reader = reading.ledger().journal().reader();
        Ok::<_, LookupError>(fates(|from| reader.scan(from), seals, MOST))
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

/// What became of each seal's key, searched for from each on whose end no search before it met, `most` entries far.
fn fates<I: Iterator<Item = Result<(u64, Vec<u8>), ReadError>>>(
    scan: impl Fn(u64) -> I,
    seals: Vec<(u64, SealRef)>,
    most: usize,
) -> Vec<Value> {
    let mut fates: Vec<Option<Value>> = vec![None; seals.len()];
    for n in 0..seals.len() {
        if fates[n].is_none() {
            let said = search(scan(seals[n].0 + 1).take(most), most, n, &seals, &mut fates);
            fates[n].get_or_insert_with(|| json!({ "state": said }));
        }
    }
    let told = |((index, seal), fate): ((u64, SealRef), Option<Value>)| {
        let mut value = fate.unwrap_or_default();
        value["sealed_index"] = index.into();
        value["bucket"] = seal.bucket.into();
        value["records"] = seal.records.into();
        value
    };
    seals.into_iter().zip(fates).map(told).collect()
}

/// Searches until the end of seal `n` is met, and keeps the ends of later ones that lie before. Says what it is if none was: the
/// journal was read to its end, or nobody can say.
fn search(
    entries: impl Iterator<Item = Result<(u64, Vec<u8>), ReadError>>,
    most: usize,
    n: usize,
    seals: &[(u64, SealRef)],
    fates: &mut [Option<Value>],
) -> &'static str {
    const NOBODY_KNOWS: &str = "unknown";
    let mut read = 0;
    for entry in entries {
        let (at, bytes) = match entry {
            Ok(entry) => entry,
            Err(error) => {
                tracing::error!(%error, "the end of a key could not be searched for");
                return NOBODY_KNOWS;
            }
        };
        read += 1;
        let text = String::from_utf8_lossy(&bytes);
        if !ENDS.iter().any(|end| text.contains(end)) {
            continue;
        }
        let Ok(entry) = TradeEntry::from_canonical(&bytes) else {
            return NOBODY_KNOWS;
        };
        for ((index, seal), fate) in seals.iter().zip(fates.iter_mut()) {
            if fate.is_none() && *index < at {
                *fate = ended(at, &entry, seal);
            }
        }
        if fates[n].is_some() {
            break;
        }
    }
    match read < most {
        true => "alive",
        false => NOBODY_KNOWS,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(event: TradeEvent) -> Vec<u8> {
        TradeEntry {
            at: Instant::default(),
            event,
            merchant: None,
            mseq: None,
            order: None,
            prev: None,
            salt: Salt::from_bytes([0; 16]),
            tell: None,
            v: ENTRY_VERSION,
        }
        .to_canonical()
    }

    fn destroyed(bucket: u64) -> Vec<u8> {
        entry(TradeEvent::BucketDestroyed {
            boot: Boot::from_bytes([1; 16]),
            bucket,
            deadline: Instant::default(),
            openings: Default::default(),
            records: 1,
        })
    }

    /// States of seals of these indices, each in the bucket of its number, in a journal of so many entries with these ends.
    fn states(
        seals: &[u64],
        size: u64,
        ends: &[(u64, u64)],
        most: usize,
        damaged: Option<u64>,
    ) -> Vec<Value> {
        let other = || entry(TradeEvent::IndexRebuilt { entries: 1 });
        let journal: Vec<_> = (0..size)
            .map(|index| match ends.iter().find(|(at, _)| *at == index) {
                Some((_, bucket)) => destroyed(*bucket),
                None => other(),
            })
            .collect();
        let scan = |from: u64| {
            let left = journal.iter().cloned().enumerate().skip(from as usize);
            let read = |(index, bytes)| match damaged == Some(index as u64) {
                true => Err(ReadError::NoEntry(index as u64)),
                false => Ok((index as u64, bytes)),
            };
            left.map(read).collect::<Vec<_>>().into_iter()
        };
        let seals = (1..).zip(seals);
        let seals = seals.map(|(bucket, index)| (*index, SealRef { bucket, records: 1 }));
        fates(scan, seals.collect(), most)
            .into_iter()
            .map(|fate| fate["state"].clone())
            .collect()
    }

    /// An order was refunded, or found paid, long after it began: its later seal lies further from the first than any search goes.
    #[test]
    fn each_key_is_searched_for_from_its_own_seal() {
        assert_eq!(
            states(&[2, 500], 600, &[(9, 1), (520, 2)], 100, None),
            ["destroyed", "destroyed"]
        );
        assert_eq!(
            states(&[2, 3], 600, &[(9, 2), (20, 1)], 100, None),
            ["destroyed", "destroyed"]
        );
        assert_eq!(
            states(&[2, 590], 600, &[(9, 1)], 100, None),
            ["destroyed", "alive"]
        );
    }

    #[test]
    fn a_key_is_alive_only_where_the_journal_was_read_to_its_end() {
        assert_eq!(states(&[2], 600, &[(300, 1)], 100, None), ["unknown"]);
        assert_eq!(states(&[2], 50, &[(30, 1)], 100, Some(20)), ["unknown"]);
        assert_eq!(states(&[2], 50, &[], 100, None), ["alive"]);
    }
}
