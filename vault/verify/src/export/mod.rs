//! Export packages: what a desk hands to an acquirer, and that nothing was left out of it.
//!
//! A package proves of every flag number from its first to its last what became of it, by entries of the cases
//! journal. What a package cannot show by itself: that a flag called open was not decided before, and the words of
//! the first officer. Whoever is given the cases journal too can have every status compared with it.

mod chain;
mod flags;
mod manifest;
mod numbers;
mod replay;
mod strict;
mod table;
mod trades;

use crate::{
    checkpoint::Checkpoint,
    finding::{Report, Unreadable},
    note::{SignedNote, VerifierKey},
    read,
};
use manifest::Manifest;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// First line of the note in `manifest.sig`.
const HEADER: &str = "guandao-export";

/// Whom a package is held against.
#[derive(Debug, Clone)]
pub struct ExportKeys {
    /// The desk's export key.
    pub export: VerifierKey,
    /// The cases journal's key.
    pub cases: VerifierKey,
    /// The trades journal's key, where the trades checkpoint is to be verified too.
    pub trades: Option<VerifierKey>,
}

/// What else a package is held against.
#[derive(Debug, Clone, Default)]
pub struct ExportOptions {
    /// The package before it.
    pub previous: Option<PathBuf>,
    /// The cases journal's directory (C2SP `tlog-tiles`), as a supervisor may be given it.
    pub cases: Option<PathBuf>,
    /// A later package may be judged without the one before it: what was left out between the two stays unseen.
    pub alone: bool,
}

/// Checks a package directory, its place after the previous one, and the cases journal where that is given. Of a
/// later package nothing can be said without the one before it, unless the caller accepts that.
pub fn check_export(dir: &Path, keys: &ExportKeys, options: &ExportOptions) -> Result<Report, Unreadable> {
    let mut report = Report::default();
    let bytes = read(&dir.join("manifest.json"))?;
    let note = read(&dir.join("manifest.sig"))?;
    check_signature(&bytes, &note, keys, &mut report);
    let parsed = strict::read::<Manifest>(&bytes);
    let Some(manifest) = report.keep("manifest.json", None, parsed) else {
        return Ok(report);
    };
    if manifest.package > 1 && options.previous.is_none() && !options.alone {
        let why = "nothing can be said of a later package by itself: give the one before it (--previous), or accept that none is looked at (--alone)";
        return Err(Unreadable::new(dir, why));
    }
    manifest.check_form(dir, &mut report);
    check_files(dir, &manifest, &mut report)?;
    let heads = check_checkpoints(&manifest, keys, &mut report);
    let flags = numbers::check_numbers(&manifest, heads.cases.as_ref(), &mut report);
    flags::check_flags(dir, &manifest, &flags, heads.trades.as_ref(), &mut report)?;
    trades::check_trades(dir, &manifest, &flags, heads.trades.as_ref(), &mut report)?;
    let before = match &options.previous {
        Some(previous) => chain::check_chain(previous, &manifest, heads.cases.as_ref(), keys, &mut report)?,
        None => {
            if manifest.package > 1 {
                report.note("the chain to the previous package was not checked (--previous)");
            }
            None
        }
    };
    match &options.cases {
        Some(cases) => {
            replay::check_replay(cases, &manifest, &hex_digest(&bytes), before, keys, &mut report)?
        }
        None => {
            report.note("flags called open were not looked for in the cases journal (--cases)");
            if before.is_some() {
                report.note(
                    "that the cases journal still begins as the previous package had it was not proven (--cases)",
                );
            }
        }
    }
    summarise(&manifest, &mut report);
    Ok(report)
}

fn check_signature(manifest: &[u8], note: &[u8], keys: &ExportKeys, report: &mut Report) {
    let parsed = SignedNote::parse(note);
    let Some(note) = report.keep("manifest.sig", None, parsed) else {
        return;
    };
    report.keep("manifest.sig", None, note.verify(&keys.export));
    let lines: Vec<_> = note.unverified_text().lines().collect();
    let [HEADER, origin, digest] = lines[..] else {
        return report.find(
            "manifest.sig",
            None,
            format!("the text is not the three lines {HEADER}, origin, digest"),
        );
    };
    // The package speaks for the desk: under the name of its export key, or of the journal that the key serves.
    if origin != keys.export.name() && origin != keys.cases.name() {
        report.find(
            "manifest.sig",
            None,
            format!("the origin is {origin}, expected {}", keys.export.name()),
        );
    }
    let found = hex_digest(manifest);
    if digest != found {
        report.find(
            "manifest.json",
            None,
            format!("its SHA-256 is {found}, but {digest} was signed"),
        );
    }
}

fn check_files(dir: &Path, manifest: &Manifest, report: &mut Report) -> Result<(), Unreadable> {
    for needed in ["flags.json", "flags.csv", "trades.json", "trades.csv"] {
        if !manifest.files.iter().any(|file| file.name == needed) {
            report.find("manifest.json, files", None, format!("{needed} is not listed"));
        }
    }
    for file in &manifest.files {
        // A name with a path in it could make us read, and vouch for, files outside of the package.
        if file.name.contains(['/', '\\']) || file.name.starts_with('.') {
            report.find(
                "manifest.json, files",
                None,
                format!("{} is not a plain file name", file.name),
            );
            continue;
        }
        let path = dir.join(&file.name);
        if !path.exists() {
            report.find(&file.name, None, "the file is missing; the manifest lists it");
            continue;
        }
        let bytes = read(&path)?;
        let (digest, length) = (hex_digest(&bytes), bytes.len() as u64);
        if digest != file.sha256 {
            report.find(
                &file.name,
                None,
                format!("its SHA-256 is {digest}, the manifest says {}", file.sha256),
            );
        }
        if length != file.bytes {
            report.find(
                &file.name,
                None,
                format!("it has {length} bytes, the manifest says {}", file.bytes),
            );
        }
    }
    Ok(())
}

/// Tree heads of the package, as claimed where their signatures are refused, so that later checks can still say
/// what else is false.
struct Heads {
    cases: Option<Checkpoint>,
    trades: Option<Checkpoint>,
}

fn check_checkpoints(manifest: &Manifest, keys: &ExportKeys, report: &mut Report) -> Heads {
    let mut open = |place: &str, note: &str, key: &VerifierKey| {
        let opened = Checkpoint::open(note.as_bytes(), key);
        report
            .keep(place, None, opened)
            .or_else(|| Checkpoint::claimed(note.as_bytes()))
    };
    let cases = open(
        "manifest.json, cases_checkpoint",
        &manifest.cases_checkpoint,
        &keys.cases,
    );
    let place = "manifest.json, trades_checkpoint";
    let trades = match (&manifest.trades_checkpoint, &keys.trades) {
        (Some(note), Some(key)) => open(place, note, key),
        (Some(note), None) => {
            report.note("the trades checkpoint's signature was not checked (--trades-key)");
            let claimed = Checkpoint::claimed(note.as_bytes());
            report.keep(
                place,
                None,
                claimed.ok_or("this is no checkpoint (C2SP tlog-checkpoint)"),
            )
        }
        (None, _) => {
            report.note("the package has no trades checkpoint");
            None
        }
    };
    Heads { cases, trades }
}

fn summarise(manifest: &Manifest, report: &mut Report) {
    let Manifest {
        acquirer,
        package,
        first,
        last,
        ..
    } = manifest;
    let of = |status| manifest.all_numbers().filter(|n| n.status == status).count();
    let (confirmed, dismissed, open) = (
        of(manifest::Status::Confirmed),
        of(manifest::Status::Dismissed),
        of(manifest::Status::Open),
    );
    report.fact("acquirer", acquirer.to_string());
    report.fact("package", *package);
    report.fact("first", *first);
    report.fact("last", *last);
    report.fact("confirmed", confirmed);
    report.fact("dismissed", dismissed);
    report.fact("open", open);
    report.fact("late", manifest.late.len());
    report.line(format!(
        "package {package} for acquirer {acquirer}, flags {first} to {last}"
    ));
    report.line(format!(
        "{confirmed} confirmed, {dismissed} dismissed, {open} open"
    ));
}

fn hex_digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A file of the package that the manifest must list; `None` if it is not there, which is already found.
fn read_if_listed(dir: &Path, name: &str) -> Result<Option<Vec<u8>>, Unreadable> {
    let path: PathBuf = dir.join(name);
    if path.exists() {
        read(&path).map(Some)
    } else {
        Ok(None)
    }
}
