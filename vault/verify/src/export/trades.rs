//! `trades.json` and `trades.csv`: every entry that a confirmed flag names, proven to stand in the trades journal, and
//! readable columns that say what the proven entries say.

use super::{
    manifest::{Manifest, Status},
    numbers::Flag,
    read_if_listed, strict,
    table::{Sheet, check_table},
};
use crate::{
    checkpoint::{Checkpoint, decode_hash},
    entries::read_entry,
    finding::{Report, Unreadable},
    merkle,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{CaseEvent, TradeEntry, TradeEvent};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

const FILE: &str = "trades.json";

/// Columns that people read, as they stand in both files.
const COLUMNS: [&str; 12] = [
    "index", "flags", "merchant", "event", "time", "order_no", "number", "channel", "amount", "account",
    "payee", "clause",
];

/// An entry with its proof.
#[derive(Deserialize)]
struct Proven {
    index: u64,
    leaf: String,
    proof: Vec<String>,
}

/// What there is of one named entry.
struct Named {
    bytes: Vec<u8>,
    flags: BTreeSet<u64>,
}

/// Checks both files against the confirmed flags, the trades checkpoint, and each other.
pub(super) fn check_trades(
    dir: &Path,
    manifest: &Manifest,
    flags: &BTreeMap<u64, Flag>,
    head: Option<&Checkpoint>,
    report: &mut Report,
) -> Result<(), Unreadable> {
    let Some(bytes) = read_if_listed(dir, FILE)? else {
        return Ok(());
    };
    let parsed = strict::read::<Vec<Map<String, Value>>>(&bytes);
    let Some(rows) = report.keep(FILE, None, parsed) else {
        return Ok(());
    };
    let mut named = BTreeMap::new();
    for row in &rows {
        let Some((index, one)) = check_row(row, head, report) else {
            continue;
        };
        if named.insert(index, one).is_some() {
            report.find(FILE, Some(index), "the trade is listed twice");
        }
    }
    compare_flags(manifest, flags, &named, report);
    if let Some(bytes) = read_if_listed(dir, "trades.csv")? {
        let sheet = Sheet {
            file: "trades.csv",
            of: FILE,
            key: "index",
        };
        check_table(&bytes, &rows, &COLUMNS, sheet, report);
    }
    Ok(())
}

fn check_row(
    row: &Map<String, Value>,
    head: Option<&Checkpoint>,
    report: &mut Report,
) -> Option<(u64, Named)> {
    let index = row.get("index").and_then(Value::as_u64);
    let parsed = serde_json::from_value::<Proven>(Value::Object(row.clone()));
    let own = report.keep(FILE, index, parsed)?;
    let (bytes, entry) = check_leaf("leaf", &own, own.index, head, report)?;
    let begun = match row.get("begun") {
        None | Some(Value::Null) => None,
        Some(begun) => {
            let parsed = serde_json::from_value::<Proven>(begun.clone());
            let begun = report.keep(FILE, index, parsed)?;
            let (_, earlier) = check_leaf("begun", &begun, own.index, head, report)?;
            check_begun(&own, &entry, &begun, &earlier, report);
            Some(earlier)
        }
    };
    compare_columns(row, own.index, &entry, begun.as_ref(), report);
    let flags = row.get("flags").and_then(Value::as_array).into_iter().flatten();
    let flags = flags.filter_map(Value::as_u64).collect();
    Some((own.index, Named { bytes, flags }))
}

/// Decodes an entry and proves it against the checkpoint. Findings are about the row of trade `of`.
fn check_leaf(
    what: &str,
    proven: &Proven,
    of: u64,
    head: Option<&Checkpoint>,
    report: &mut Report,
) -> Option<(Vec<u8>, TradeEntry)> {
    let Ok(bytes) = STANDARD.decode(&proven.leaf) else {
        report.find(FILE, Some(of), format!("{what} is not base64"));
        return None;
    };
    let proof: Option<Vec<_>> = proven.proof.iter().map(|hash| decode_hash(hash)).collect();
    match (proof, head) {
        (None, _) => report.find(
            FILE,
            Some(of),
            format!("the proof of {what} holds something that is not the base64 of 32 bytes"),
        ),
        (Some(_), None) => report.find(
            FILE,
            Some(of),
            "there is no trades checkpoint that could prove it",
        ),
        (Some(proof), Some(head)) => {
            let leaf = merkle::leaf_hash(&bytes);
            if let Err(error) = merkle::check_inclusion(proven.index, head.size, leaf, &proof, &head.root) {
                let index = proven.index;
                report.find(
                    FILE,
                    Some(of),
                    format!("{what} is not proven to be entry {index} of the trades journal: {error}"),
                );
            }
        }
    }
    let read = read_entry::<TradeEvent>(&bytes).map_err(|error| format!("{what}: {error}"));
    report.keep(FILE, Some(of), read).map(|entry| (bytes, entry))
}

/// What began the attempt is an earlier entry of the same order, and of the same attempt where the entry names one.
fn check_begun(own: &Proven, entry: &TradeEntry, begun: &Proven, earlier: &TradeEntry, report: &mut Report) {
    let TradeEvent::AttemptIntended { attempt, .. } = &earlier.event else {
        return report.find(FILE, Some(own.index), "begun is no attempt_intended");
    };
    let same = entry.order.is_some() && earlier.order == entry.order && earlier.merchant == entry.merchant;
    let fits = attempt_of(&entry.event).is_none_or(|wanted| wanted == *attempt);
    if !same || !fits || begun.index >= own.index {
        report.find(
            FILE,
            Some(own.index),
            "begun is not the beginning of this entry's attempt",
        );
    }
}

fn attempt_of(event: &TradeEvent) -> Option<u16> {
    match event {
        TradeEvent::AttemptPaid { attempt, .. }
        | TradeEvent::AttemptUnresolved { attempt }
        | TradeEvent::RefundIntended { attempt, .. }
        | TradeEvent::RefundHeld { attempt, .. } => Some(*attempt),
        _ => None,
    }
}

fn compare_columns(
    row: &Map<String, Value>,
    index: u64,
    entry: &TradeEntry,
    begun: Option<&TradeEntry>,
    report: &mut Report,
) {
    for (column, expected) in columns(entry, begun) {
        let found = row.get(column).unwrap_or(&Value::Null);
        if *found != expected {
            report.find(
                FILE,
                Some(index),
                format!("{column} is {found}, but the trades journal says {expected}"),
            );
        }
    }
}

/// What the proven entries say, under the names of the columns: first what began the attempt, then the entry itself.
fn columns(entry: &TradeEntry, begun: Option<&TradeEntry>) -> BTreeMap<&'static str, Value> {
    let mut columns: BTreeMap<_, _> = COLUMNS[2..].iter().map(|column| (*column, Value::Null)).collect();
    columns.insert("merchant", json!(entry.merchant));
    columns.insert("event", entry.event.name().into());
    columns.insert("time", json!(entry.at));
    for event in begun.map(|begun| &begun.event).into_iter().chain([&entry.event]) {
        columns.extend(told(event));
    }
    columns
}

fn told(event: &TradeEvent) -> Vec<(&'static str, Value)> {
    let body = serde_json::to_value(event).unwrap_or_default();
    let body = body
        .as_object()
        .and_then(|o| o.values().next())
        .cloned()
        .unwrap_or_default();
    let facts = body.get("facts").cloned().unwrap_or_default();
    let of = |name: &'static str| (name, body.get(name).cloned().unwrap_or_default());
    let fact = |name: &'static str, from: &str| (name, facts.get(from).cloned().unwrap_or_default());
    match event {
        TradeEvent::AttemptIntended { .. } => ["order_no", "number", "channel", "amount", "account", "payee"]
            .map(of)
            .to_vec(),
        TradeEvent::AttemptPaid { .. } => {
            vec![
                fact("number", "number"),
                fact("amount", "amount"),
                fact("time", "paid_at"),
            ]
        }
        TradeEvent::RefundIntended { .. } | TradeEvent::RefundHeld { .. } => {
            ["number", "amount"].map(of).to_vec()
        }
        TradeEvent::Refused { .. } => ["amount", "channel", "clause", "order_no", "payee"]
            .map(of)
            .to_vec(),
        TradeEvent::Mismatched { .. } | TradeEvent::ForeignNotice { .. } => {
            ["account", "channel", "number"].map(of).to_vec()
        }
        _ => Vec::new(),
    }
}

/// Each confirmed flag's trades are there, no others are, and their octets give the flag's digest of inputs.
fn compare_flags(
    manifest: &Manifest,
    flags: &BTreeMap<u64, Flag>,
    named: &BTreeMap<u64, Named>,
    report: &mut Report,
) {
    let mut expected: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for number in manifest.all_numbers().filter(|n| n.status == Status::Confirmed) {
        let Some(CaseEvent::FlagRaised { trades, inputs, .. }) =
            flags.get(&number.flag).map(|flag| &flag.raised)
        else {
            continue;
        };
        let mut hash = Sha256::new();
        for index in trades {
            expected.entry(*index).or_default().insert(number.flag);
            match named.get(index) {
                Some(one) => hash.update(&one.bytes),
                None => report.find(
                    FILE,
                    Some(*index),
                    format!("the trade is left out; flag {} names it", number.flag),
                ),
            }
        }
        let found = hex::encode(hash.finalize());
        if found != inputs.to_string() {
            let what = format!("its inputs have SHA-256 {found}, but the cases journal says {inputs}");
            report.find("trades.json, inputs", Some(number.flag), what);
        }
    }
    for (index, one) in named {
        let wanted = expected.get(index).cloned().unwrap_or_default();
        if one.flags != wanted {
            let what = format!("flags is {:?}, but it is {wanted:?} that name it", one.flags);
            report.find(FILE, Some(*index), what);
        }
    }
}
