//! A package's files: rows for people and programs, and the manifest that proves them.

use super::{
    ExportError, Exporter,
    contents::{Contents, Item},
    sha256,
    trades::{self, Trade},
};
use crate::{
    mirror_tree::Prover,
    state::{Decision, Status},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::*;
use journal::Reader;
use policy::anomaly::{Lang, words};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A package on disk that is on no record yet.
pub(super) struct Written {
    pub(super) dir: PathBuf,
    pub(super) digest: Digest,
}

/// A row of `flags.json`.
#[derive(Serialize)]
struct Row<'a> {
    flag: u64,
    acquirer: &'a AcquirerNo,
    merchant: &'a MerchantId,
    rule: &'a str,
    version: u32,
    value: u64,
    threshold: u64,
    unit: &'a str,
    window_from: Instant,
    window_until: Instant,
    trades: &'a [u64],
    parameters: &'a BTreeMap<Arc<str>, u64>,
    reason: String,
    reason_en: String,
    why: &'a str,
    proposed_by: &'a OfficerId,
    decided_by: &'a OfficerId,
    decided_at: Instant,
}

/// The manifest.
#[derive(Serialize)]
struct Manifest<'a> {
    acquirer: &'a AcquirerNo,
    package: u64,
    previous: Option<Digest>,
    made_at: Instant,
    first: u64,
    last: u64,
    count: u64,
    numbers: Vec<Number>,
    late: Vec<Number>,
    files: Vec<Listed>,
    cases_checkpoint: Arc<str>,
    trades_checkpoint: Option<Arc<str>>,
    rules_digest: Digest,
}

/// What became of one number, with proof.
#[derive(Serialize)]
struct Number {
    flag: u64,
    status: &'static str,
    raised_index: u64,
    raised_leaf: String,
    raised_proof: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_leaf: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_proof: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Listed {
    name: &'static str,
    sha256: Digest,
    bytes: u64,
}

impl Exporter {
    /// Writes the package as a draft.
    pub(super) fn write(&self, contents: &Contents) -> Result<Written, ExportError> {
        let items = contents.rows();
        let rows: Vec<Row<'_>> = items.iter().filter_map(|item| row(contents, item)).collect();
        // The note is read once: every trade is proven in the tree that it signs.
        let head = self.trades.note();
        let trades = self.proven(&items, head.as_deref())?;
        let at = |name: &'static str| move |e| ExportError::File(name.into(), e);
        let files = [
            ("flags.json", pretty(&rows)),
            ("flags.csv", table(&rows).map_err(at("flags.csv"))?),
            ("trades.json", pretty(&trades)),
            ("trades.csv", trades::table(&trades).map_err(at("trades.csv"))?),
        ];
        let manifest = pretty(&self.manifest(contents, &files, head)?);
        let digest = sha256(&manifest);
        let dir = self.draft(&contents.acquirer, contents.package);
        if dir.exists() {
            super::remove(&dir)?;
        }
        fs::create_dir_all(&dir).map_err(|e| ExportError::File(dir.clone(), e))?;
        let signature = self.sign(&digest).into_bytes();
        let signed = [("manifest.json", manifest), ("manifest.sig", signature)];
        for (name, bytes) in files.iter().chain(&signed) {
            write(&dir.join(name), bytes)?;
        }
        sync_dir(&dir)?;
        Ok(Written { dir, digest })
    }

    /// The entries that the confirmed flags name, proven.
    fn proven(&self, items: &[&Item], head: Option<&str>) -> Result<Vec<Trade>, ExportError> {
        let size = head.map_or(Some(0), signed_size).ok_or(ExportError::Restless)?;
        let prover = Prover::new(&self.trades.mirror, size);
        let mut prover = prover.map_err(|e| ExportError::File("trades.json".into(), e))?;
        trades::collect(items, &mut prover)
    }

    fn manifest<'a>(
        &self,
        contents: &'a Contents,
        files: &[(&'static str, Vec<u8>)],
        trades_checkpoint: Option<Arc<str>>,
    ) -> Result<Manifest<'a>, ExportError> {
        let reader = self.cases.reader();
        // The note is read once: all proofs are in the tree that it signs.
        let cases_checkpoint = reader.note();
        let size = signed_size(&cases_checkpoint).ok_or(ExportError::Restless)?;
        let prove = |items: &[Item]| {
            items
                .iter()
                .map(|item| number(&reader, size, item))
                .collect::<Result<_, _>>()
        };
        let listed = |(name, bytes): &(&'static str, Vec<u8>)| Listed {
            name,
            sha256: sha256(bytes),
            bytes: bytes.len() as u64,
        };
        Ok(Manifest {
            acquirer: &contents.acquirer,
            package: contents.package,
            previous: contents.previous,
            made_at: self.cases.now(),
            first: contents.first,
            last: contents.last,
            count: contents.numbers.len() as u64,
            numbers: prove(&contents.numbers)?,
            late: prove(&contents.late)?,
            files: files.iter().map(listed).collect(),
            cases_checkpoint,
            trades_checkpoint,
            rules_digest: contents.rules.unwrap_or(Digest::from_bytes([0; 32])),
        })
    }
}

/// The size that a checkpoint states.
pub(super) fn signed_size(note: &str) -> Option<u64> {
    let text = note.find("\n\n").map(|end| &note[..end + 1])?;
    journal::Checkpoint::parse(text).map(|checkpoint| checkpoint.size)
}

fn row<'a>(contents: &'a Contents, item: &'a Item) -> Option<Row<'a>> {
    let (raised, decision) = (&item.flag.raised, item.flag.decision.as_ref()?);
    Some(Row {
        flag: item.number,
        acquirer: &contents.acquirer,
        merchant: &raised.merchant,
        rule: &raised.rule,
        version: raised.version,
        value: raised.value,
        threshold: raised.threshold,
        unit: &raised.unit,
        window_from: raised.window_from,
        window_until: raised.window_until,
        trades: &raised.trades,
        parameters: &raised.parameters,
        reason: words(&raised.facts(), Lang::Zh),
        reason_en: words(&raised.facts(), Lang::En),
        why: &decision.reason,
        proposed_by: &decision.proposer,
        decided_by: &decision.officer,
        decided_at: decision.at,
    })
}

fn number(reader: &Reader, size: u64, item: &Item) -> Result<Number, ExportError> {
    let decision: Option<&Decision> = item.flag.decision.as_ref();
    let leaf = |index: u64| reader.entry(index).map(|bytes| STANDARD.encode(bytes));
    let proof = |index: u64| {
        reader.inclusion(index, size).map(|hashes| {
            hashes
                .iter()
                .map(|hash| STANDARD.encode(hash))
                .collect::<Vec<_>>()
        })
    };
    let status = match item.flag.status() {
        // One officer's proposal is nobody else's business yet.
        Status::Proposed => Status::Open,
        status => status,
    };
    Ok(Number {
        flag: item.number,
        status: status.as_str(),
        raised_index: item.flag.index,
        raised_leaf: leaf(item.flag.index)?,
        raised_proof: proof(item.flag.index)?,
        decided_index: decision.map(|d| d.index),
        decided_leaf: decision.map(|d| leaf(d.index)).transpose()?,
        decided_proof: decision.map(|d| proof(d.index)).transpose()?,
    })
}

/// The same rows for spreadsheets: instants as people read them, lists with spaces, no cell that is a formula.
fn table(rows: &[Row<'_>]) -> io::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    writer.write_record([
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
        "reason_en",
        "why",
        "proposed_by",
        "decided_by",
        "decided_at",
    ])?;
    for row in rows {
        let trades: Vec<String> = row.trades.iter().map(u64::to_string).collect();
        let cells = [
            row.flag.to_string(),
            row.acquirer.to_string(),
            row.merchant.to_string(),
            row.rule.to_owned(),
            row.version.to_string(),
            row.value.to_string(),
            row.threshold.to_string(),
            row.unit.to_owned(),
            row.window_from.to_string(),
            row.window_until.to_string(),
            trades.join(" "),
            row.reason.clone(),
            row.reason_en.clone(),
            row.why.to_owned(),
            row.proposed_by.to_string(),
            row.decided_by.to_string(),
            row.decided_at.to_string(),
        ];
        writer.write_record(cells.map(unformula))?;
    }
    writer.into_inner().map_err(|e| io::Error::other(e.to_string()))
}

fn pretty(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("plain data with string keys");
    bytes.push(b'\n');
    bytes
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ExportError> {
    let done = fs::write(path, bytes).and_then(|()| File::open(path)?.sync_all());
    done.map_err(|e| ExportError::File(path.to_owned(), e))
}

pub(super) fn sync_dir(dir: &Path) -> Result<(), ExportError> {
    let done = File::open(dir).and_then(|file| file.sync_all());
    done.map_err(|e| ExportError::File(dir.to_owned(), e))
}
