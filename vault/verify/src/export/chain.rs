//! A package follows its predecessor, so that none can be left out.

use super::{
    ExportKeys, check_signature, hex_digest,
    manifest::{Manifest, Status},
    strict,
};
use crate::{
    checkpoint::Checkpoint,
    finding::{Report, Unreadable},
    read,
};
use std::path::Path;

/// Holds a manifest to the package before it. Yields that one's cases checkpoint, if the journal's key signed it.
pub(super) fn check_chain(
    dir: &Path,
    manifest: &Manifest,
    head: Option<&Checkpoint>,
    keys: &ExportKeys,
    report: &mut Report,
) -> Result<Option<String>, Unreadable> {
    let bytes = read(&dir.join("manifest.json"))?;
    let note = read(&dir.join("manifest.sig"))?;
    let mut before = Report::default();
    check_signature(&bytes, &note, keys, &mut before);
    before
        .findings
        .into_iter()
        .for_each(|f| report.find(format!("previous {}", f.place), f.index, f.what));
    let parsed = strict::read::<Manifest>(&bytes);
    let Some(previous) = report.keep("previous manifest.json", None, parsed) else {
        return Ok(None);
    };
    let digest = hex_digest(&bytes);
    if manifest.previous.as_deref() != Some(&digest) {
        let found = manifest.previous.as_deref().unwrap_or("null");
        let what = format!("previous is {found}, but the previous package's manifest has SHA-256 {digest}");
        report.find("manifest.json", None, what);
    }
    compare(manifest, &previous, report);
    let note = previous.cases_checkpoint;
    let opened = Checkpoint::open(note.as_bytes(), &keys.cases);
    let before = report.keep("previous manifest.json, cases_checkpoint", None, opened);
    let signed = before.is_some();
    compare_heads(
        head,
        before.or_else(|| Checkpoint::claimed(note.as_bytes())),
        report,
    );
    Ok(signed.then_some(note))
}

fn compare(manifest: &Manifest, previous: &Manifest, report: &mut Report) {
    let mut find = |what: String| report.find("manifest.json", None, what);
    if manifest.acquirer != previous.acquirer {
        find(format!(
            "acquirer is {}, the previous package's is {}",
            manifest.acquirer, previous.acquirer
        ));
    }
    let (package, first) = (
        previous.package.saturating_add(1),
        previous.last.saturating_add(1),
    );
    if manifest.package != package {
        find(format!(
            "package is {}, expected {package}: packages are missing between the two",
            manifest.package
        ));
    }
    if manifest.first != first {
        find(format!(
            "first is {}, expected {first}: there is a gap between the packages",
            manifest.first
        ));
    }
    for number in &manifest.late {
        let earlier = previous.all_numbers().find(|n| n.flag == number.flag);
        if earlier.is_some_and(|n| n.status != Status::Open) {
            find(format!(
                "late flag {} was decided in the previous package already",
                number.flag
            ));
        }
    }
}

fn compare_heads(now: Option<&Checkpoint>, before: Option<Checkpoint>, report: &mut Report) {
    let (Some(now), Some(before)) = (now, before) else {
        return;
    };
    let place = "manifest.json, cases_checkpoint";
    if now.size < before.size {
        let what = format!(
            "the cases journal has {} entries, it had {} in the previous package",
            now.size, before.size
        );
        report.find(place, None, what);
    }
    if now.size == before.size && now.root != before.root {
        report.find(
            place,
            None,
            "the cases journal has another root than in the previous package at the same size",
        );
    }
}
