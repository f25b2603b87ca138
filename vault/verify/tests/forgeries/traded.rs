//! The trades that packages prove: rows as a desk writes them, built from the lawful trades journal.

use crate::book::Book;
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::*;
use serde_json::{Map, Value, json};
use sha2::Digest as _;
use std::collections::BTreeSet;

/// Entries of the lawful trades journal: two orders sent, and one that differs by flag.
pub(crate) fn named(flag: u64) -> Vec<u64> {
    vec![2, 6, 10 + flag % 7]
}

pub(crate) fn inputs(named: &[u64]) -> Digest {
    let log = Book::lawful().log();
    let all: Vec<u8> = named
        .iter()
        .flat_map(|n| log.entries[*n as usize].clone())
        .collect();
    Digest::from_bytes(sha2::Sha256::digest(all).into())
}

/// Every entry that rows name, once.
pub(crate) fn trades(rows: &[Map<String, Value>]) -> Vec<Value> {
    let flags = |index: u64| {
        let names = |row: &&Map<String, Value>| {
            row["trades"]
                .as_array()
                .is_some_and(|all| all.contains(&index.into()))
        };
        rows.iter()
            .filter(names)
            .map(|row| row["flag"].clone())
            .collect::<Vec<_>>()
    };
    let all: BTreeSet<u64> = rows
        .iter()
        .flat_map(|row| row["trades"].as_array().expect("a list"))
        .filter_map(Value::as_u64)
        .collect();
    all.into_iter().map(|index| trade(index, flags(index))).collect()
}

/// The columns of an order that was sent, or of what came of it.
fn trade(index: u64, flags: Vec<Value>) -> Value {
    let book = Book::lawful();
    let log = book.log();
    let entry = &book.entries[index as usize];
    let begun = (0..=index as usize)
        .rev()
        .find(|n| {
            book.entries[*n].order == entry.order && book.entries[*n].event.name() == "attempt_intended"
        })
        .expect("an order");
    let TradeEvent::AttemptIntended {
        order_no,
        number,
        channel,
        amount,
        account,
        payee,
        ..
    } = &book.entries[begun].event
    else {
        panic!("found as such")
    };
    let time = match &entry.event {
        TradeEvent::AttemptPaid { facts, .. } => facts.paid_at,
        _ => entry.at,
    };
    let leaf = |n: usize| STANDARD.encode(&log.entries[n]);
    let mut row = json!({
        "index": index, "flags": flags, "merchant": entry.merchant, "event": entry.event.name(), "time": time,
        "order_no": order_no, "number": number, "channel": channel, "amount": amount, "account": account,
        "payee": payee, "clause": null, "leaf": leaf(index as usize), "proof": log.proof(index as usize), "begun": null,
    });
    if begun != index as usize {
        row["begun"] = json!({"index": begun, "leaf": leaf(begun), "proof": log.proof(begun)});
    }
    row
}

/// `trades.csv`, quoted.
pub(crate) fn sheet(trades: &[Value]) -> String {
    const COLUMNS: [&str; 12] = [
        "index", "flags", "merchant", "event", "time", "order_no", "number", "channel", "amount", "account",
        "payee", "clause",
    ];
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(Value::to_string).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    let line = |row: &Value| {
        COLUMNS
            .map(|column| format!("\"{}\"", cell(&row[column])))
            .join(",")
    };
    let lines: Vec<_> = std::iter::once(COLUMNS.join(","))
        .chain(trades.iter().map(line))
        .collect();
    lines.join("\r\n") + "\r\n"
}
