//! Entries of both journals.

use domain::{CaseEntry, Entry, TradeEntry};
use serde_json::Value;

/// What was read is written so that it is read the same.
pub(crate) fn entries(data: &[u8]) {
    if let Ok(entry) = TradeEntry::from_canonical(data) {
        again(
            &entry,
            TradeEntry::from_canonical(&entry.to_canonical()).expect("our own"),
        );
        assert!(!entry.event.name().is_empty());
    }
    if let Ok(entry) = CaseEntry::from_canonical(data) {
        again(
            &entry,
            CaseEntry::from_canonical(&entry.to_canonical()).expect("our own"),
        );
    }
}

fn again<E: serde::Serialize + PartialEq + std::fmt::Debug>(entry: &Entry<E>, second: Entry<E>) {
    let canonical = entry.to_canonical();
    assert_eq!(canonical, second.to_canonical());
    // RFC 8785: keys in order.
    let sorted = serde_json::from_slice::<Value>(&canonical)
        .and_then(|v| serde_json::to_vec(&v))
        .expect("JSON");
    assert_eq!(sorted, canonical);
}
