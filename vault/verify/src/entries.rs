//! Entries of both journals: canonical JSON (RFC 8785) of `domain::TradeEntry` or `domain::CaseEntry`.

use domain::{CaseEntry, CaseEvent, ENTRY_VERSION, Entry, TradeEntry, TradeEvent};
use serde::{Serialize, de::DeserializeOwned};

/// Which journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Written by `guandao run`.
    Trades,
    /// Written by `guandao-desk`.
    Cases,
}

impl Kind {
    /// From the origin, whose path names the journal (design.md section 5: `…/trades/0`).
    pub(crate) fn of_origin(origin: &str) -> Option<Self> {
        origin.split('/').find_map(|part| match part {
            "trades" => Some(Kind::Trades),
            "cases" => Some(Kind::Cases),
            _ => None,
        })
    }

    /// From an entry that only one of the journals can hold.
    pub(crate) fn of_entry(bytes: &[u8]) -> Option<Self> {
        match (
            TradeEntry::from_canonical(bytes).is_ok(),
            CaseEntry::from_canonical(bytes).is_ok(),
        ) {
            (true, false) => Some(Kind::Trades),
            (false, true) => Some(Kind::Cases),
            _ => None,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Trades => "trades",
            Kind::Cases => "cases",
        }
    }
}

/// An entry of either journal.
#[derive(Debug, Clone)]
pub(crate) enum AnyEntry {
    Trade(TradeEntry),
    Case(CaseEntry),
}

/// The envelope of an entry, whatever its event.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    pub(crate) at: domain::Instant,
    pub(crate) merchant: Option<domain::MerchantId>,
    pub(crate) mseq: Option<u64>,
    pub(crate) order: Option<domain::PaymentId>,
    pub(crate) prev: Option<u64>,
    pub(crate) tell: Option<u64>,
}

impl AnyEntry {
    /// Reads an entry and holds it to its canonical form.
    pub(crate) fn read(kind: Kind, bytes: &[u8]) -> Result<Self, String> {
        match kind {
            Kind::Trades => read_entry::<TradeEvent>(bytes).map(AnyEntry::Trade),
            Kind::Cases => read_entry::<CaseEvent>(bytes).map(AnyEntry::Case),
        }
    }

    pub(crate) fn envelope(&self) -> Envelope {
        fn of<E>(e: &Entry<E>) -> Envelope {
            let (merchant, order) = (e.merchant.clone(), e.order);
            Envelope {
                at: e.at,
                merchant,
                mseq: e.mseq,
                order,
                prev: e.prev,
                tell: e.tell,
            }
        }
        match self {
            AnyEntry::Trade(entry) => of(entry),
            AnyEntry::Case(entry) => of(entry),
        }
    }

    /// Name of the event as it stands in the journal.
    pub(crate) fn name(&self) -> String {
        match self {
            AnyEntry::Trade(entry) => entry.event.name().to_owned(),
            AnyEntry::Case(entry) => tag(&entry.event),
        }
    }
}

/// The one key of an externally tagged event.
fn tag(event: &CaseEvent) -> String {
    let value = serde_json::to_value(event).unwrap_or_default();
    value
        .as_object()
        .and_then(|o| o.keys().next().cloned())
        .unwrap_or_default()
}

/// Reads an entry that must be the very bytes its own value serialises to: otherwise two texts would mean one
/// thing, and unknown fields could ride along unseen.
pub(crate) fn read_entry<E: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<Entry<E>, String> {
    let entry =
        Entry::<E>::from_canonical(bytes).map_err(|error| format!("the entry cannot be read: {error}"))?;
    let canonical = entry.to_canonical();
    if canonical != bytes {
        let same = canonical.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        let why = "it does not serialise to itself (RFC 8785)";
        return Err(format!(
            "the entry is not canonical JSON: {why}, first at byte {same} of {}",
            bytes.len()
        ));
    }
    // Our own serialiser writes fields in declared order; that this is RFC 8785's order is checked, not assumed.
    let sorted =
        serde_json::from_slice::<serde_json::Value>(bytes).and_then(|value| serde_json::to_vec(&value));
    if sorted.ok().as_deref() != Some(bytes) {
        return Err("the entry is not canonical JSON: its keys are not in order (RFC 8785)".to_owned());
    }
    if entry.v != ENTRY_VERSION {
        return Err(format!(
            "the entry is of version {}, expected {ENTRY_VERSION}",
            entry.v
        ));
    }
    Ok(entry)
}
