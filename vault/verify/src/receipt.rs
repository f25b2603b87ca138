//! Receipts: C2SP `tlog-proof` v1, whose extra data is the entry itself.

use crate::{
    checkpoint::{Checkpoint, decimal, decode_hash},
    entries::{AnyEntry, Kind},
    finding::{Report, Unreadable},
    merkle::{self, Hash},
    note::VerifierKey,
    read,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{MerchantId, TradeEvent};
use std::path::Path;

/// First line of every proof.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A receipt taken apart; nothing about it is verified yet.
#[derive(Debug)]
struct Receipt {
    entry: Vec<u8>,
    index: u64,
    proof: Vec<Hash>,
    checkpoint: Vec<u8>,
}

/// Checks a receipt against the journal's key, and against the merchant who shows it.
pub fn check_receipt(
    file: &Path,
    key: &VerifierKey,
    merchant: Option<&MerchantId>,
) -> Result<Report, Unreadable> {
    let bytes = read(file)?;
    let place = file
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut report = Report::default();
    if let Some(receipt) = report.keep(&place, None, parse(&bytes)) {
        check(&place, &receipt, key, merchant, &mut report);
    }
    Ok(report)
}

fn check(
    place: &str,
    receipt: &Receipt,
    key: &VerifierKey,
    merchant: Option<&MerchantId>,
    report: &mut Report,
) {
    let index = receipt.index;
    let opened = Checkpoint::open(&receipt.checkpoint, key);
    let opened = report.keep(&format!("{place}, checkpoint"), None, opened);
    if let Some(head) = opened.or_else(|| Checkpoint::claimed(&receipt.checkpoint)) {
        let leaf = merkle::leaf_hash(&receipt.entry);
        let proven = merkle::check_inclusion(index, head.size, leaf, &receipt.proof, &head.root);
        let proven = proven.map_err(|error| format!("the entry is not proven to be in the journal: {error}"));
        report.keep(&format!("{place}, proof"), Some(index), proven);
        report.fact("origin", head.origin.clone());
        report.fact("size", head.size);
        report.fact("root", hex::encode(head.root));
        report.line(format!(
            "entry {index} of {} with {} entries",
            head.origin, head.size
        ));
    }
    let kind = Kind::of_origin(key.name())
        .or(Kind::of_entry(&receipt.entry))
        .unwrap_or(Kind::Trades);
    let entry = AnyEntry::read(kind, &receipt.entry);
    if let Some(entry) = report.keep(&format!("{place}, extra"), Some(index), entry) {
        check_entry(place, index, &entry, merchant, report);
    }
}

fn check_entry(
    place: &str,
    index: u64,
    entry: &AnyEntry,
    merchant: Option<&MerchantId>,
    report: &mut Report,
) {
    let envelope = entry.envelope();
    if merchant.is_some_and(|merchant| envelope.merchant.as_ref() != Some(merchant)) {
        let (found, expected) = (text(&envelope.merchant), text(&merchant));
        report.find(
            format!("{place}, extra"),
            Some(index),
            format!("the entry is of merchant {found}, expected {expected}"),
        );
    }
    if envelope.prev.is_some_and(|prev| prev >= index) {
        let what = format!(
            "prev is {}, which does not come before the entry",
            text(&envelope.prev)
        );
        report.find(format!("{place}, extra"), Some(index), what);
    }
    report.fact("index", index);
    report.fact("event", entry.name());
    report.fact("at", envelope.at.millis());
    report.fact("merchant", envelope.merchant.as_ref().map(ToString::to_string));
    report.fact("mseq", envelope.mseq);
    report.fact("order", envelope.order.map(|order| order.to_string()));
    report.line(format!(
        "{} at {}, merchant {} number {}",
        entry.name(),
        envelope.at,
        text(&envelope.merchant),
        text(&envelope.mseq)
    ));
    if let AnyEntry::Trade(entry) = entry {
        report.lines.extend(describe(&entry.event));
    }
}

/// What a merchant wants to read on a receipt.
fn describe(event: &TradeEvent) -> Option<String> {
    match event {
        TradeEvent::AttemptIntended {
            amount,
            channel,
            order_no,
            payee,
            ..
        } => Some(format!(
            "order {order_no}: {} yuan by {channel} to {payee}",
            amount.to_yuan()
        )),
        TradeEvent::AttemptPaid { facts, .. } => Some(format!(
            "{} yuan paid at {} as {}",
            facts.amount.to_yuan(),
            facts.paid_at,
            facts.trade_no
        )),
        TradeEvent::Refused {
            clause, operation, ..
        } => Some(format!("{} refused, clause {clause}", operation.as_str())),
        TradeEvent::RefundIntended {
            amount, refund_no, ..
        } => Some(format!("refund {refund_no}: {} yuan", amount.to_yuan())),
        _ => None,
    }
}

fn text<T: std::fmt::Display>(value: &Option<T>) -> String {
    value.as_ref().map_or("none".to_owned(), ToString::to_string)
}

fn parse(bytes: &[u8]) -> Result<Receipt, String> {
    let all = std::str::from_utf8(bytes).map_err(|_| "the receipt is not UTF-8")?;
    let (proof, checkpoint) = all
        .split_once("\n\n")
        .ok_or("there is no empty line before a checkpoint")?;
    let mut lines = proof.split('\n');
    if lines.next() != Some(HEADER) {
        return Err(format!("the first line is not {HEADER}"));
    }
    let extra = lines.next().and_then(|line| line.strip_prefix("extra "));
    let extra = extra.ok_or("the second line is not: extra <base64 of the entry>")?;
    let entry = STANDARD
        .decode(extra)
        .map_err(|_| "the extra line is not base64")?;
    let index = lines
        .next()
        .and_then(|line| line.strip_prefix("index "))
        .and_then(decimal);
    let index = index.ok_or("the third line is not: index <plain decimal number>")?;
    let hash =
        |(n, line)| decode_hash(line).ok_or(format!("hash {n} of the proof is not the base64 of 32 bytes"));
    let proof = lines.enumerate().map(hash).collect::<Result<Vec<_>, String>>()?;
    Ok(Receipt {
        entry,
        index,
        proof,
        checkpoint: checkpoint.as_bytes().to_vec(),
    })
}
