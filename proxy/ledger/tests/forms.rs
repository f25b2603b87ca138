//! A journal that another build wrote is refused with its place and name, not taken for a damaged one.

mod stand;

use journal::sim::SimulatedDisk;
use ledger::Ledger;
use stand::Still;
use std::sync::Arc;

fn refused(entry: &str) -> Option<String> {
    let dir = tempfile::tempdir().expect("a folder");
    let journal = stand::journal(Arc::new(SimulatedDisk::new(1)), 8192).expect("a new journal");
    drop(journal.append(|_| vec![entry.as_bytes().to_vec()]));
    let opened = Ledger::open(journal, dir.path(), Arc::new(Still));
    opened.err().map(|error| error.to_string())
}

/// Events of bills once named their bill in parts.
#[test]
fn an_entry_of_another_form_is_named() {
    let salt = "00".repeat(16);
    let key = "{\"account\":\"19\",\"channel\":\"wechat\",\"day\":20454,\"kind\":\"trade\"";
    let entry =
        |event: &str| format!("{{\"at\":1767225600000,\"event\":{event},\"salt\":\"{salt}\",\"v\":1}}");
    let now = entry(&format!("{{\"bill_asked\":{{\"bill\":{key}}},\"tries\":1}}}}"));
    assert_eq!(refused(&now), None);
    let former = entry(&format!("{{\"bill_asked\":{key},\"tries\":1}}}}"));
    let said = refused(&former).expect("it is not read");
    assert!(
        said.starts_with("entry 0 of the journal (bill_asked)") && said.contains("another build wrote it"),
        "{said}"
    );
    let newer = refused(&entry("{\"not_invented_yet\":{}}")).expect("it is not read");
    assert!(newer.contains("(not_invented_yet)"), "{newer}");
}
