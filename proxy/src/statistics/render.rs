//! Statistics as JSON and CSV.

use super::{Key, Line, Statistics, Sum, ask::By};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// Names of the sums, in the order of columns.
pub const SUMS: [&str; 9] = [
    "created",
    "paid",
    "refunded",
    "closed",
    "reversed",
    "reversed_paid",
    "failed",
    "unknown",
    "unresolved",
];

fn sums(line: &Line) -> [Sum; 9] {
    [
        line.created,
        line.paid,
        line.refunded,
        line.closed,
        line.reversed,
        line.reversed_paid,
        line.failed,
        line.unknown,
        line.unresolved,
    ]
}

/// `0.9876`: no floating point, rounded down.
fn rate(line: &Line) -> Option<String> {
    line.success()
        .map(|rate| format!("{}.{:04}", rate / 10_000, rate % 10_000))
}

fn part(key: &Key, by: By) -> Option<String> {
    match by {
        By::Hour => key.at.map(|at| at.to_string()),
        By::Day => key.at.map(|at| at.day().to_string()),
        // An order without an agent has a row, and nothing in this column.
        By::Agent => key.agent.as_ref().map(ToString::to_string),
        By::Merchant => key.merchant.as_ref().map(ToString::to_string),
        By::Channel => key.channel.map(|channel| channel.as_str().to_owned()),
        By::PayWay => key.pay_way.map(|way| way.as_str().to_owned()),
    }
}

fn line(line: &Line) -> Map<String, Value> {
    let sums = SUMS
        .iter()
        .zip(sums(line))
        .map(|(name, sum)| ((*name).to_owned(), json!({ "count": sum.count, "fen": sum.fen })));
    sums.chain([("success_rate".to_owned(), json!(rate(line)))])
        .collect()
}

/// As JSON.
pub fn json(statistics: &Statistics) -> Value {
    let row = |(key, sums): (&Key, &Line)| {
        let parts = statistics
            .ask
            .by
            .iter()
            .map(|by| (by.as_str().to_owned(), json!(part(key, *by))));
        Value::Object(parts.chain(line(sums)).collect())
    };
    let by: Vec<&str> = statistics.ask.by.iter().map(|by| by.as_str()).collect();
    json!({
        "from": statistics.ask.from.to_string(), "to": statistics.ask.to.to_string(), "by": by,
        "rows": statistics.rows.iter().map(row).collect::<Vec<_>>(), "total": line(&statistics.total),
    })
}

/// As CSV (RFC 4180): a head, then the rows; without grouping one row of all. No value can hold a comma or a quote.
pub fn csv(statistics: &Statistics) -> String {
    let by = &statistics.ask.by;
    let mut head: Vec<String> = by.iter().map(|by| by.as_str().to_owned()).collect();
    head.extend(
        SUMS.iter()
            .flat_map(|name| [(*name).to_owned(), format!("{name}_fen")]),
    );
    head.push("success_rate".into());
    let mut text = head.join(",") + "\r\n";
    let total = [(Key::default(), statistics.total)];
    let rows: Box<dyn Iterator<Item = (&Key, &Line)>> = match by.is_empty() {
        true => Box::new(total.iter().map(|(key, line)| (key, line))),
        false => Box::new(statistics.rows.iter()),
    };
    for (key, line) in rows {
        let parts = by.iter().map(|by| part(key, *by).unwrap_or_default());
        let sums = sums(line)
            .into_iter()
            .flat_map(|sum| [sum.count.to_string(), sum.fen.to_string()]);
        let fields: Vec<String> = parts
            .chain(sums)
            .chain([rate(line).unwrap_or_default()])
            .collect();
        let _ = write!(text, "{}\r\n", fields.join(",")); // to memory
    }
    text
}
