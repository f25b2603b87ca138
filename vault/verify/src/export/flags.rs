//! `flags.json` and `flags.csv`: the confirmed flags, and only they, with the facts of the cases journal.

use super::{
    manifest::{Manifest, Status},
    numbers::{Decided, Flag},
    read_if_listed, strict, table,
};
use crate::{
    checkpoint::Checkpoint,
    finding::{Report, Unreadable},
};
use domain::Instant;
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// What every row must say at least.
const FIELDS: [&str; 16] = [
    "flag",
    "acquirer",
    "merchant",
    "rule",
    "version",
    "value",
    "threshold",
    "unit",
    "window_from",
    "window_until",
    "trades",
    "reason",
    "decided_by",
    "proposed_by",
    "decided_at",
    "why",
];
/// Fields that are instants: milliseconds as in the journal, or RFC 3339 in UTC+8.
const INSTANTS: [&str; 4] = ["window_from", "window_until", "decided_at", "time"];

/// A row of `flags.json`.
pub(super) type Row = Map<String, Value>;

/// Checks both files against the manifest's numbers and the proven entries, and the one against the other.
pub(super) fn check_flags(
    dir: &Path,
    manifest: &Manifest,
    flags: &BTreeMap<u64, Flag>,
    trades: Option<&Checkpoint>,
    report: &mut Report,
) -> Result<(), Unreadable> {
    let Some(bytes) = read_if_listed(dir, "flags.json")? else {
        return Ok(());
    };
    let parsed = strict::read::<Vec<Row>>(&bytes);
    let Some(rows) = report.keep("flags.json", None, parsed) else {
        return Ok(());
    };
    check_list(manifest, &rows, report);
    for row in &rows {
        check_row(row, flags, trades, report);
    }
    if let Some(bytes) = read_if_listed(dir, "flags.csv")? {
        let sheet = table::Sheet {
            file: "flags.csv",
            of: "flags.json",
            key: "flag",
        };
        table::check_table(&bytes, &rows, &FIELDS, sheet, report);
    }
    Ok(())
}

/// The flag number of a row; 0 is nobody's number.
pub(super) fn number(row: &Row) -> u64 {
    row.get("flag").and_then(Value::as_u64).unwrap_or(0)
}

/// The confirmed ones, each once, and only they.
fn check_list(manifest: &Manifest, rows: &[Row], report: &mut Report) {
    let mut listed = BTreeSet::new();
    for flag in rows.iter().map(number) {
        if !listed.insert(flag) {
            report.find("flags.json", Some(flag), "the flag is listed twice");
        }
    }
    for number in manifest.all_numbers() {
        let (flag, confirmed) = (number.flag, number.status == Status::Confirmed);
        let there = listed.remove(&flag);
        if confirmed && !there {
            report.find("flags.json", Some(flag), "the flag is confirmed but left out");
        }
        if !confirmed && there {
            let status = number.status.as_str();
            report.find(
                "flags.json",
                Some(flag),
                format!("the flag is listed as confirmed, but it is {status}"),
            );
        }
    }
    for flag in listed {
        report.find(
            "flags.json",
            Some(flag),
            "the flag is not among the manifest's numbers",
        );
    }
}

fn check_row(row: &Row, flags: &BTreeMap<u64, Flag>, trades: Option<&Checkpoint>, report: &mut Report) {
    let flag = number(row);
    let mut find = |what: String| report.find("flags.json", Some(flag), what);
    for field in FIELDS.iter().filter(|field| !row.contains_key(**field)) {
        find(format!("{field} is missing"));
    }
    let Some(proven) = flags.get(&flag) else { return };
    for (field, expected) in facts(proven) {
        if let Some(found) = row.get(&field).filter(|found| !same(&field, found, &expected)) {
            find(format!(
                "{field} is {found}, but the cases journal says {expected}"
            ));
        }
    }
    let beyond = |index: &u64| trades.is_some_and(|head| *index >= head.size);
    let indices = row
        .get("trades")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_u64);
    for index in indices.filter(beyond) {
        find(format!("trade {index} lies beyond the trades checkpoint"));
    }
}

/// What the proven entries say, under the names that rows use.
fn facts(flag: &Flag) -> Map<String, Value> {
    let raised = serde_json::to_value(&flag.raised).unwrap_or_default();
    let mut facts = raised
        .get("flag_raised")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    if let Some(Decided {
        at,
        officer,
        proposer,
    }) = &flag.decided
    {
        facts.insert("decided_by".to_owned(), officer.as_str().into());
        facts.insert("proposed_by".to_owned(), proposer.as_str().into());
        facts.insert("decided_at".to_owned(), at.millis().into());
    }
    facts
}

/// Equal, or the same instant written for people.
fn same(field: &str, found: &Value, expected: &Value) -> bool {
    found == expected
        || (INSTANTS.contains(&field) && found.as_str().map(str::to_owned) == readable(expected))
}

/// An instant in RFC 3339, if the value is milliseconds.
fn readable(value: &Value) -> Option<String> {
    value.as_i64().map(|ms| Instant::from_millis(ms).to_string())
}

/// The texts that may stand for a value in a table.
pub(super) fn texts(field: &str, value: &Value) -> Vec<String> {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Value::Null => vec![String::new()],
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(plain).collect();
            [" ", ";", ",", "|", "; ", ", "]
                .iter()
                .map(|by| items.join(by))
                .chain([value.to_string()])
                .collect()
        }
        _ if INSTANTS.contains(&field) => [plain(value)].into_iter().chain(readable(value)).collect(),
        _ => vec![plain(value)],
    }
}
