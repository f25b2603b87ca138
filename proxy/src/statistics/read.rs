//! Reads the stretch of the journal that a question is about, within bounds.

use super::{Statistics, ask::Ask};
use domain::{Instant, MerchantId, TradeEntry};
use journal::{ReadError, Reader};
use std::time;

/// Clocks are set back now and then; entries this far out of order are still found.
const SLACK_MS: i64 = 600_000;

/// What one reading may cost.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Entries of the journal in the range, of all merchants.
    pub entries: u64,
    /// Time.
    pub time: time::Duration,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The range holds more entries than one reading may cost.
    #[error("the range holds too many journal entries for one answer; ask for fewer hours")]
    TooMuch,
    /// The grouping makes too many rows.
    #[error(
        "the answer would have more than {} rows; ask for fewer hours or a coarser grouping",
        super::MOST_ROWS
    )]
    TooManyRows,
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] ReadError),
    /// An entry is not one.
    #[error("entry {0} of the journal cannot be read")]
    Entry(u64),
}

/// Counts, of one merchant or of all.
///
/// # Errors
/// Where the bounds do not suffice or the journal cannot be read.
pub fn count(
    reader: &Reader,
    ask: Ask,
    merchant: Option<&MerchantId>,
    bounds: Option<Bounds>,
) -> Result<Statistics, Refused> {
    let began = time::Instant::now();
    let first = first_at(reader, ask.from.plus_millis(-SLACK_MS))?;
    let end = ask.to.plus_millis(SLACK_MS);
    // Canonical: no other form of it can stand in an entry.
    let wanted = merchant.map(|merchant| format!("\"merchant\":\"{merchant}\""));
    let mut statistics = Statistics::new(ask);
    let mut earlier = |index: u64| TradeEntry::from_canonical(&reader.entry(index).ok()?).ok();
    for item in reader.scan(first) {
        let (index, bytes) = item?;
        let read = index - first;
        if bounds.is_some_and(|most| {
            read > most.entries || (read.is_multiple_of(1024) && began.elapsed() > most.time)
        }) {
            return Err(Refused::TooMuch);
        }
        if at(&bytes).ok_or(Refused::Entry(index))? >= end {
            break;
        }
        if wanted
            .as_ref()
            .is_some_and(|wanted| !has(&bytes, wanted.as_bytes()))
        {
            continue;
        }
        let entry = TradeEntry::from_canonical(&bytes).map_err(|_| Refused::Entry(index))?;
        if merchant.is_none() || entry.merchant.as_ref() == merchant {
            statistics
                .observe(&entry, &mut earlier)
                .map_err(|_| Refused::TooManyRows)?;
        }
    }
    Ok(statistics)
}

/// Index of the first signed entry from this time on; times rise, but for the slack.
fn first_at(reader: &Reader, from: Instant) -> Result<u64, Refused> {
    let (mut low, mut high) = (0, reader.checkpoint().size);
    while low < high {
        let middle = low + (high - low) / 2;
        let time = at(&reader.entry(middle)?).ok_or(Refused::Entry(middle))?;
        if time < from {
            low = middle + 1
        } else {
            high = middle
        }
    }
    Ok(low)
}

/// An entry's time, which stands first in its canonical form.
fn at(bytes: &[u8]) -> Option<Instant> {
    let digits = bytes.strip_prefix(b"{\"at\":")?;
    let end = digits.iter().position(|b| *b == b',')?;
    std::str::from_utf8(&digits[..end])
        .ok()?
        .parse()
        .ok()
        .map(Instant::from_millis)
}

fn has(bytes: &[u8], wanted: &[u8]) -> bool {
    // The event comes first and is the longest part: from behind it is found sooner.
    bytes.windows(wanted.len()).rev().any(|window| window == wanted)
}
