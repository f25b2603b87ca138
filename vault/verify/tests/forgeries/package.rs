//! Lawful export packages over a cases journal: flags 1 to 6 of one acquirer, in two packages.

use crate::{
    book::name,
    traded::{inputs, named, sheet, trades},
    writer::{Log, Signer, put},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::*;
use serde_json::{Map, Value, json};
use sha2::Digest as _;
use std::path::{Path, PathBuf};
use tempfile::{TempDir, tempdir};
use verify::{ExportKeys, ExportOptions, Report, check_export};

pub(crate) const DESK: &str = "guandao.example/desk";
const CASES: &str = "guandao.example/cases/0";
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

/// Two packages side by side, with everything that a forger may change before it is written.
pub(crate) struct Case {
    pub(crate) desk: Signer,
    pub(crate) cases: Log,
    pub(crate) first: Package,
    pub(crate) second: Package,
}

/// One package before it is signed.
pub(crate) struct Package {
    pub(crate) manifest: Value,
    pub(crate) rows: Vec<Map<String, Value>>,
    /// The entries that the confirmed flags name.
    pub(crate) trades: Vec<Value>,
    /// Trades as the CSV file shows them, where it is to differ.
    pub(crate) sheet: Option<String>,
    /// Flags as the CSV file shows them, where it is to differ from the JSON file.
    pub(crate) csv: Option<String>,
    pub(crate) name: String,
}

/// Directories of both packages.
pub(crate) struct Written {
    dir: TempDir,
    pub(crate) names: [String; 2],
}

impl Written {
    pub(crate) fn first(&self) -> PathBuf {
        self.dir.path().join(&self.names[0])
    }

    pub(crate) fn second(&self) -> PathBuf {
        self.dir.path().join(&self.names[1])
    }
}

pub(crate) fn keys() -> ExportKeys {
    let trades = Some(Signer::new(crate::book::ORIGIN, 1).key());
    ExportKeys {
        export: Signer::new(DESK, 5).key(),
        cases: Signer::new(CASES, 4).key(),
        trades,
    }
}

/// Checks the second package after the first.
pub(crate) fn check(written: &Written) -> Report {
    check_export(&written.second(), &keys(), &after(&written.first())).expect("readable")
}

/// The previous package is at hand.
pub(crate) fn after(previous: &Path) -> ExportOptions {
    ExportOptions {
        previous: Some(previous.to_owned()),
        ..ExportOptions::default()
    }
}

impl Case {
    pub(crate) fn lawful() -> Self {
        Self::of(case_entries())
    }

    /// Over a cases journal that may be a forged one. The packages are made by what it says.
    pub(crate) fn of(entries: Vec<CaseEntry>) -> Self {
        let log = |n: usize| {
            let bytes = entries[..n].iter().map(Entry::to_canonical).collect();
            Log {
                signer: Signer::new(CASES, 4),
                entries: bytes,
            }
        };
        let first = package(1, 1..=2, &entries[..8], &log(8));
        let second = package(2, 3..=6, &entries, &log(entries.len()));
        Case {
            desk: Signer::new(DESK, 5),
            cases: log(entries.len()),
            first,
            second,
        }
    }

    /// Writes and signs both packages; the second names the first.
    pub(crate) fn write(mut self) -> Written {
        let names = [self.first.name.clone(), self.second.name.clone()];
        let written = Written {
            dir: tempdir().expect("a directory"),
            names,
        };
        let digest = self.first.write(&self.desk, &written.first());
        if self.second.manifest["previous"] == "" {
            self.second.manifest["previous"] = digest.into();
        }
        self.second.write(&self.desk, &written.second());
        written
    }
}

impl Package {
    fn write(&mut self, desk: &Signer, dir: &Path) -> String {
        let json = serde_json::to_vec_pretty(&self.rows).expect("json");
        let csv = self.csv.clone().unwrap_or_else(|| table(&self.rows)).into_bytes();
        let trades = serde_json::to_vec_pretty(&self.trades).expect("json");
        let sheet = self
            .sheet
            .clone()
            .unwrap_or_else(|| sheet(&self.trades))
            .into_bytes();
        if self.manifest["files"].is_null() {
            let file = |name: &str, bytes: &[u8]| json!({"name": name, "sha256": sha256(bytes), "bytes": bytes.len()});
            self.manifest["files"] = json!([
                file("flags.json", &json),
                file("flags.csv", &csv),
                file("trades.json", &trades),
                file("trades.csv", &sheet)
            ]);
        }
        put(dir, "trades.json", &trades);
        put(dir, "trades.csv", &sheet);
        let manifest = serde_json::to_vec(&self.manifest).expect("json");
        put(dir, "flags.json", &json);
        put(dir, "flags.csv", &csv);
        put(dir, "manifest.json", &manifest);
        put(dir, "manifest.sig", signature(desk, &manifest).as_bytes());
        sha256(&manifest)
    }
}

pub(crate) fn signature(desk: &Signer, manifest: &[u8]) -> String {
    desk.note(&format!("guandao-export\n{}\n{}\n", desk.name, sha256(manifest)))
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(sha2::Sha256::digest(bytes))
}

/// RFC 4180 with every cell quoted.
pub(crate) fn table(rows: &[Map<String, Value>]) -> String {
    let cell = |value: &Value| match value {
        Value::String(text) => text.replace('"', "\"\""),
        Value::Array(items) => items.iter().map(Value::to_string).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    let line = |row: &Map<String, Value>| {
        FIELDS
            .map(|field| format!("\"{}\"", row.get(field).map(cell).unwrap_or_default()))
            .join(",")
    };
    let lines: Vec<_> = std::iter::once(FIELDS.join(","))
        .chain(rows.iter().map(line))
        .collect();
    lines.join("\r\n") + "\r\n"
}

/// Flags 1 to 6; 1, 3 and 5 confirmed, 2 and 4 dismissed, 6 open.
pub(crate) fn case_entries() -> Vec<CaseEntry> {
    let mut events = Vec::new();
    for flag in 1..=6 {
        events.push(raised(flag, "m1"));
        if flag < 6 {
            let disposition = if flag % 2 == 1 {
                Disposition::Confirm
            } else {
                Disposition::Dismiss
            };
            let (acquirer, officer, reason) = (name("acq1"), name("li"), "因交易集中".into());
            events.push(CaseEvent::FlagProposed {
                acquirer,
                disposition,
                flag,
                officer,
                reason,
            });
            let (acquirer, officer, proposer) = (name("acq1"), name("wang"), name("li"));
            events.push(CaseEvent::FlagDecided {
                acquirer,
                disposition,
                flag,
                officer,
                proposal: Some(events.len() as u64 - 1),
                proposer,
            });
        }
        if flag == 2 {
            let (digest, first, last, package) = (Digest::from_bytes([1; 32]), 1, 2, 1);
            events.push(CaseEvent::ExportMade {
                acquirer: name("acq1"),
                digest,
                first,
                last,
                package,
            });
        }
        if flag == 3 {
            events.push(CaseEvent::SignedIn { officer: name("li") });
        }
    }
    let entry = |(n, event)| CaseEntry {
        at: Instant::from_secs(1_767_200_000 + n as i64),
        event,
        merchant: None,
        mseq: None,
        order: None,
        prev: None,
        salt: Salt::from_bytes([n as u8; 16]),
        tell: None,
        v: ENTRY_VERSION,
    };
    events.into_iter().enumerate().map(entry).collect()
}

pub(crate) fn raised(flag: u64, merchant: &str) -> CaseEvent {
    CaseEvent::FlagRaised {
        acquirer: name("acq1"),
        flag,
        inputs: inputs(&named(flag)),
        merchant: name(merchant),
        parameters: [("count".into(), 3)].into(),
        payer: None,
        rule: "T01".into(),
        threshold: 3,
        trades: named(flag),
        unit: "trades".into(),
        value: 4,
        version: 1,
        window_from: Instant::from_secs(1_767_196_800),
        window_until: Instant::from_secs(1_767_283_200),
    }
}

fn package(n: u64, flags: std::ops::RangeInclusive<u64>, entries: &[CaseEntry], log: &Log) -> Package {
    let numbers: Vec<_> = flags.clone().map(|flag| number(flag, entries, log)).collect();
    let rows: Vec<_> = flags.clone().filter_map(|flag| row(flag, entries)).collect();
    let trades = trades(&rows);
    let manifest = json!({
        "acquirer": "acq1", "package": n, "previous": if n == 1 { Value::Null } else { "".into() },
        "made_at": 1_767_300_000_000_u64, "first": flags.start(), "last": flags.end(), "count": numbers.len(),
        "numbers": numbers, "cases_checkpoint": log.checkpoint(),
        "trades_checkpoint": crate::book::Book::lawful().log().checkpoint(), "rules_digest": "ab".repeat(32),
    });
    Package {
        manifest,
        rows,
        trades,
        sheet: None,
        csv: None,
        name: format!("package-acq1-{n:06}"),
    }
}

fn raised_at(flag: u64, entries: &[CaseEntry]) -> usize {
    let of = |e: &CaseEntry| matches!(&e.event, CaseEvent::FlagRaised { flag: f, .. } if *f == flag);
    entries.iter().position(of).expect("raised")
}

fn decided_at(flag: u64, entries: &[CaseEntry]) -> Option<usize> {
    entries
        .iter()
        .position(|e| matches!(&e.event, CaseEvent::FlagDecided { flag: f, .. } if *f == flag))
}

fn number(flag: u64, entries: &[CaseEntry], log: &Log) -> Value {
    let at = raised_at(flag, entries);
    let leaf = |at: usize| STANDARD.encode(&log.entries[at]);
    let mut number = json!({
        "flag": flag, "status": "open", "raised_index": at, "raised_leaf": leaf(at), "raised_proof": log.proof(at),
    });
    if let Some(at) = decided_at(flag, entries) {
        let CaseEvent::FlagDecided { disposition, .. } = entries[at].event else {
            panic!("found as such")
        };
        number["status"] = if disposition == Disposition::Confirm {
            "confirmed"
        } else {
            "dismissed"
        }
        .into();
        number["decided_index"] = at.into();
        number["decided_leaf"] = leaf(at).into();
        number["decided_proof"] = log.proof(at).into();
    }
    number
}

fn row(flag: u64, entries: &[CaseEntry]) -> Option<Map<String, Value>> {
    let decided = &entries[decided_at(flag, entries)?];
    let CaseEvent::FlagDecided {
        disposition: Disposition::Confirm,
        officer,
        proposer,
        ..
    } = &decided.event
    else {
        return None;
    };
    let raised = serde_json::to_value(&entries[raised_at(flag, entries)].event).expect("json");
    let mut row = raised["flag_raised"].as_object().expect("an object").clone();
    row.retain(|field, _| FIELDS.contains(&field.as_str()));
    row.insert("reason".to_owned(), "因交易集中, \"high\"".into());
    row.insert("why".to_owned(), "T01: 4 trades, threshold 3".into());
    row.insert("decided_by".to_owned(), officer.as_str().into());
    row.insert("proposed_by".to_owned(), proposer.as_str().into());
    row.insert("decided_at".to_owned(), decided.at.to_string().into());
    Some(row)
}
