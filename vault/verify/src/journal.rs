//! A journal directory as a whole: bundles, tiles, root, checkpoint, entries, and an older checkpoint.

use crate::{
    chains::Chains,
    checkpoint::Checkpoint,
    entries::{AnyEntry, Kind},
    finding::{Report, Unreadable},
    merkle::{self, Hash},
    note::VerifierKey,
    read, read_key,
    tiles::{Found, Resource, check_tiles, split_bundle},
};
use std::{collections::BTreeMap, path::Path};

/// What a journal is held against.
#[derive(Debug, Clone, Default)]
pub struct JournalOptions {
    /// The trusted key; without it the directory's own `key.vkey` is taken, and the report says so.
    pub key: Option<VerifierKey>,
    /// Bytes of older checkpoints of the same log, kept elsewhere.
    pub older: Vec<Vec<u8>>,
    /// Which journal; without it the origin tells, then the entries.
    pub kind: Option<Kind>,
}

/// Checks a journal directory (C2SP `tlog-tiles`): recomputes every tile and the root from the entry bundles,
/// holds the checkpoint to them, and every entry to its canonical form, its numbers and its order's chain.
pub fn check_journal(dir: &Path, options: &JournalOptions) -> Result<Report, Unreadable> {
    walk_journal(dir, options, &mut |_, _, _| {})
}

/// Called with the bundle's path, the index and the entry, for each entry that can be read.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&str, u64, &AnyEntry);

/// [`check_journal`] with somebody looking on.
pub(crate) fn walk_journal(dir: &Path, options: &JournalOptions, visit: Visit) -> Result<Report, Unreadable> {
    let mut report = Report::default();
    let note = read(&dir.join("checkpoint"))?;
    let key = trusted_key(dir, options, &mut report)?;
    let opened = Checkpoint::open(&note, &key);
    let head = report
        .keep("checkpoint", None, opened)
        .or_else(|| Checkpoint::claimed(&note));
    let Some(head) = head else { return Ok(report) };
    let mut walk = Walk {
        kind: options.kind.or(Kind::of_origin(&head.origin)),
        ..Walk::default()
    };
    walk.bundles(dir, head.size, visit, &mut report)?;
    let tiles = check_tiles(dir, &walk.leaves, &mut report)?;
    compare_root(&head, &walk.leaves, &mut report);
    summarise(&head, &walk, tiles, &mut report);
    for older in &options.older {
        compare_older(older, &key, &walk.leaves, &mut report);
    }
    Ok(report)
}

fn trusted_key(dir: &Path, options: &JournalOptions, report: &mut Report) -> Result<VerifierKey, Unreadable> {
    let path = dir.join("key.vkey");
    let Some(key) = &options.key else {
        report.note(
            "the key is the directory's own key.vkey: this shows only that the directory agrees with itself",
        );
        return read_key(&path);
    };
    if !path.exists() {
        report.note("key.vkey is not in the directory and was not compared");
        return Ok(key.clone());
    }
    match read_key(&path) {
        Ok(own) if own != *key => report.find("key.vkey", None, format!("the key is {own}, expected {key}")),
        Ok(_) => {}
        Err(error) => report.find("key.vkey", None, error.why),
    }
    Ok(key.clone())
}

/// State of reading all bundles.
#[derive(Debug, Default)]
struct Walk {
    kind: Option<Kind>,
    leaves: Vec<Hash>,
    chains: Chains,
    events: BTreeMap<String, u64>,
}

impl Walk {
    /// Reads the bundles in order, as far as they can be read: after damage nobody knows what comes next.
    fn bundles(
        &mut self,
        dir: &Path,
        size: u64,
        visit: Visit,
        report: &mut Report,
    ) -> Result<(), Unreadable> {
        for bundle in Resource::of_level("entries", size) {
            let Some(found) = bundle.read(dir)? else {
                let what = format!("the bundle is missing; the checkpoint has {size} entries");
                report.find(bundle.path(), Some(bundle.range().start), what);
                break;
            };
            let entries = match split_bundle(&found.bytes) {
                Ok(entries) => entries,
                Err(what) => {
                    report.find(&found.path, None, what);
                    break;
                }
            };
            let count = entries.len() as u64;
            if count != found.width {
                report.find(
                    &found.path,
                    None,
                    format!("the bundle has {count} entries, expected {}", found.width),
                );
            }
            for (entry, index) in entries.into_iter().zip(bundle.range()) {
                self.entry(&found.path, index, entry, visit, report);
            }
            for other in bundle.other_partials(dir)? {
                compare_bundles(&other, &found.bytes, report);
            }
            if count < bundle.width {
                break;
            }
        }
        Ok(())
    }

    fn entry(&mut self, path: &str, index: u64, bytes: &[u8], visit: Visit, report: &mut Report) {
        self.leaves.push(merkle::leaf_hash(bytes));
        self.kind = self.kind.or_else(|| Kind::of_entry(bytes));
        let read = AnyEntry::read(self.kind.unwrap_or(Kind::Trades), bytes);
        let Some(entry) = report.keep(path, Some(index), read) else {
            return;
        };
        self.chains.see(path, index, &entry, report);
        *self.events.entry(entry.name()).or_default() += 1;
        visit(path, index, &entry);
    }
}

/// A bundle kept for another size must agree with the present one as far as both go.
fn compare_bundles(other: &Found, known: &[u8], report: &mut Report) {
    let (path, width) = (&other.path, other.width);
    let Some(other) = report.keep(path, None, split_bundle(&other.bytes)) else {
        return;
    };
    let known = split_bundle(known).unwrap_or_default();
    if other.len() as u64 != width {
        report.find(
            path,
            None,
            format!("the bundle has {} entries, expected {width}", other.len()),
        );
    }
    if let Some(at) = other.iter().zip(&known).position(|(a, b)| a != b) {
        let what = format!("entry {at} of this bundle differs from the same entry in the present bundle");
        report.find(path, None, what);
    }
}

fn compare_root(head: &Checkpoint, leaves: &[Hash], report: &mut Report) {
    let (read, size) = (leaves.len() as u64, head.size);
    if read != size {
        let what =
            format!("its size is {size}, but the bundles hold {read} readable entries; its root is unproven");
        return report.find("checkpoint", None, what);
    }
    let (root, claimed) = (hex::encode(merkle::root(leaves)), hex::encode(head.root));
    if root != claimed {
        report.find(
            "checkpoint",
            None,
            format!("its root is {claimed}, but the {size} entries give {root}"),
        );
    }
}

/// The present tree must begin with the tree that an older checkpoint has put on record.
fn compare_older(note: &[u8], key: &VerifierKey, leaves: &[Hash], report: &mut Report) {
    let place = "older checkpoint";
    let Some(older) = report.keep(place, None, Checkpoint::open(note, key)) else {
        return;
    };
    let (had, have) = (older.size, leaves.len() as u64);
    if had > have {
        return report.find(
            place,
            None,
            format!("it has {had} entries, the journal only {have}: entries were removed"),
        );
    }
    let (root, claimed) = (
        hex::encode(merkle::root(&leaves[..had as usize])),
        hex::encode(older.root),
    );
    if root == claimed {
        report.line(format!("consistent with the older checkpoint of {had} entries"));
        report.fact("older_size", had);
    } else {
        let what =
            format!("its root over {had} entries is {claimed}, but the first {had} entries now give {root}");
        report.find(place, None, format!("{what}: history was rewritten"));
    }
}

fn summarise(head: &Checkpoint, walk: &Walk, tiles: u64, report: &mut Report) {
    let kind = walk.kind.unwrap_or(Kind::Trades);
    report.fact("origin", head.origin.clone());
    report.fact("kind", kind.as_str());
    report.fact("size", head.size);
    report.fact("root", hex::encode(head.root));
    report.fact("entries", walk.leaves.len());
    report.fact("tiles", tiles);
    report.fact("events", serde_json::to_value(&walk.events).unwrap_or_default());
    report.line(format!(
        "journal {} ({}), size {}, root {}",
        head.origin,
        kind.as_str(),
        head.size,
        hex::encode(head.root)
    ));
    report.line(format!(
        "{} entries and {tiles} tiles recomputed",
        walk.leaves.len()
    ));
    walk.chains.summarise(report);
    for (name, count) in &walk.events {
        report.line(format!("  {count:>8} {name}"));
    }
}
