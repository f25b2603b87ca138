//! The table for people and one line of JSON for the history. Nothing here fails a run: a missed target is a word in
//! the last column.
#![allow(clippy::print_stdout)] // a benchmark answers on standard output

use serde_json::{Map, Value, json};
use std::{fs, io::Write, path::Path, process::Command};

/// What a number should be.
#[derive(Clone, Copy)]
pub(crate) enum Want {
    /// At least this.
    Least(f64),
    /// At most this.
    Most(f64),
    /// Reported only.
    Nothing,
}

struct Row {
    id: &'static str,
    what: String,
    values: Vec<f64>,
    unit: &'static str,
    want: Want,
}

/// All rows of one run.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    notes: Vec<String>,
}

/// Least, median and greatest.
pub(crate) fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let at = |i: usize| sorted.get(i).copied().unwrap_or(f64::NAN);
    (at(0), at(sorted.len() / 2), at(sorted.len().saturating_sub(1)))
}

/// The middle value.
pub(crate) fn median(values: &[f64]) -> f64 {
    spread(values).1
}

impl Report {
    /// One value per round.
    pub(crate) fn add(
        &mut self,
        id: &'static str,
        what: impl Into<String>,
        values: Vec<f64>,
        unit: &'static str,
        want: Want,
    ) {
        let row = Row {
            id,
            what: what.into(),
            values,
            unit,
            want,
        };
        eprintln!("{}", line(&row));
        self.rows.push(row);
    }

    /// One value.
    pub(crate) fn one(
        &mut self,
        id: &'static str,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        want: Want,
    ) {
        self.add(id, what, vec![value], unit, want);
    }

    /// What a reader must know.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        eprintln!("note: {text}");
        self.notes.push(text);
    }

    /// Prints the table and appends the history.
    pub(crate) fn finish(&self, history: Option<&Path>, facts: Value) -> anyhow::Result<()> {
        println!(
            "\n{:<74} {:>11} {:>11} {:>11}  {:<6} {:>8}  met",
            "", "least", "median", "most", "unit", "target"
        );
        let mut section = "";
        for row in &self.rows {
            let own = row.id.split('.').next().unwrap_or_default();
            if own != section {
                println!("({own})");
                section = own;
            }
            println!("{}", line(row));
        }
        self.notes.iter().for_each(|n| println!("note: {n}"));
        let mut numbers = Map::new();
        for row in &self.rows {
            let (least, middle, most) = spread(&row.values);
            numbers.insert(row.id.into(), json!({ "least": least, "median": middle, "most": most, "rounds": row.values.len(), "unit": row.unit, "met": met(row) }));
        }
        let run = json!({ "at": date(), "commit": commit(), "machine": facts, "numbers": numbers, "notes": self.notes });
        if let Some(history) = history {
            let mut file = fs::OpenOptions::new().create(true).append(true).open(history)?;
            writeln!(file, "{run}")?;
            println!("appended to {}", history.display());
        }
        Ok(())
    }
}

fn met(row: &Row) -> Option<bool> {
    let middle = median(&row.values);
    match row.want {
        Want::Least(least) => Some(middle >= least),
        Want::Most(most) => Some(middle <= most),
        Want::Nothing => None,
    }
}

fn line(row: &Row) -> String {
    let (least, middle, most) = spread(&row.values);
    let target = match row.want {
        Want::Least(v) => format!(">= {}", short(v)),
        Want::Most(v) => format!("<= {}", short(v)),
        Want::Nothing => String::new(),
    };
    let met = match met(row) {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    };
    format!(
        "  {:<72} {:>11} {:>11} {:>11}  {:<6} {:>8}  {met}",
        row.what,
        short(least),
        short(middle),
        short(most),
        row.unit,
        target
    )
}

fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 1000.0 => format!("{value:.0}"),
        v if v >= 100.0 => format!("{value:.1}"),
        v if v >= 10.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    output
        .map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
        .unwrap_or_default()
}

fn commit() -> String {
    let changed = if said("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty() {
        ""
    } else {
        "+changes"
    };
    format!("{}{changed}", said("git", &["rev-parse", "--short", "HEAD"]))
}

fn date() -> String {
    said("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"])
}
