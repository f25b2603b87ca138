//! Journals that somebody changes after they were written.

use crate::{
    assert_found, assert_holds,
    book::{Book, ORIGIN},
    writer::{Log, Signer, bundle_bytes, mth, put},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{fs, path::Path};
use tempfile::{TempDir, tempdir};
use verify::{JournalOptions, Report, check_journal};

pub(crate) const BUNDLE: &str = "tile/entries/000.p/53";
const TILE: &str = "tile/0/000.p/53";

pub(crate) fn trusted() -> JournalOptions {
    JournalOptions {
        key: Some(Signer::new(ORIGIN, 1).key()),
        ..JournalOptions::default()
    }
}

pub(crate) fn check(dir: &Path) -> Report {
    check_journal(dir, &trusted()).expect("readable")
}

pub(crate) fn written(log: &Log) -> TempDir {
    let dir = tempdir().expect("a directory");
    log.write(dir.path());
    dir
}

/// A lawful journal whose files somebody else changes afterwards.
pub(crate) fn after(change: impl FnOnce(&Path)) -> Report {
    let dir = written(&Book::lawful().log());
    change(dir.path());
    check(dir.path())
}

fn edit(dir: &Path, name: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let bytes = fs::read(dir.join(name)).expect("there");
    put(dir, name, &change(bytes));
}

pub(crate) fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let at = bytes
        .windows(from.len())
        .position(|window| window == from.as_bytes())
        .expect("it is there");
    [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat()
}

#[test]
fn a_lawful_journal_holds() {
    let dir = written(&Book::lawful().log());
    let report = check(dir.path());
    assert_holds(&report);
    assert_eq!(
        (&report.facts["size"], &report.facts["orders"]),
        (&53.into(), &11.into())
    );
}

/// `GUANDAO_VERIFY_KEEP=DIR` leaves it behind for other tools (tests/clients).
#[test]
fn a_large_journal_holds_and_is_left_behind_for_other_tools() {
    let log = Book::with_orders(150).log();
    let kept = std::env::var_os("GUANDAO_VERIFY_KEEP").map(std::path::PathBuf::from);
    let own = tempdir().expect("a directory");
    let dir = kept.as_deref().unwrap_or(own.path());
    log.write(dir);
    put(dir, "older-checkpoint", log.checkpoint_at(300).as_bytes());
    put(dir, "receipt-2.tlog-proof", log.receipt(2).as_bytes());
    let older = vec![log.checkpoint_at(300).into_bytes()];
    let report = check_journal(dir, &JournalOptions { older, ..trusted() }).expect("readable");
    assert_holds(&report);
    assert_eq!(report.facts["older_size"], 300);
}

#[test]
fn every_small_and_round_size_holds() {
    let all = Book::with_orders(150).log().entries;
    for size in (0..20).chain([255, 256, 257, 511, 512, 513]) {
        let log = Log {
            signer: Signer::new(ORIGIN, 1),
            entries: all[..size].to_vec(),
        };
        let report = check(written(&log).path());
        assert!(report.holds(), "size {size}: {:?}", report.findings);
    }
}

#[test]
fn the_directorys_own_key_is_enough_but_said() {
    let dir = written(&Book::lawful().log());
    let report = check_journal(dir.path(), &JournalOptions::default()).expect("readable");
    assert_holds(&report);
    assert!(report.notes[0].contains("own key.vkey"), "{:?}", report.notes);
}

#[test]
fn full_files_in_place_of_partial_ones_and_older_partial_ones_hold() {
    let all = Book::with_orders(150).log().entries;
    let log = Log {
        signer: Signer::new(ORIGIN, 1),
        entries: all[..300].to_vec(),
    };
    let dir = written(&log);
    let earlier = Log {
        signer: Signer::new(ORIGIN, 1),
        entries: all[..280].to_vec(),
    };
    earlier.write(dir.path());
    put(dir.path(), "checkpoint", log.checkpoint_at(290).as_bytes());
    fs::remove_dir_all(dir.path().join("tile/0/001.p")).expect("removed");
    fs::remove_dir_all(dir.path().join("tile/entries/001.p")).expect("removed");
    let whole: Vec<_> = all[256..512]
        .iter()
        .flat_map(|e| mth(std::slice::from_ref(e)))
        .collect();
    put(dir.path(), "tile/0/001", &whole);
    put(dir.path(), "tile/entries/001", &bundle_bytes(&all[256..512]));
    assert_holds(&check(dir.path()));
}

#[test]
fn forgery_altered_entry() {
    let report = after(|dir| edit(dir, BUNDLE, |b| replaced(&b, "\"amount\":103", "\"amount\":903")));
    assert_found(
        &report,
        &[
            TILE,
            "index 14",
            "the stored hash is",
            "but its entry in tile/entries/000.p/53 gives",
        ],
    );
    assert_found(&report, &["checkpoint", "its root is", "the 53 entries give"]);
}

#[test]
fn forgery_altered_entry_and_tile() {
    let mut log = Book::lawful().log();
    let honest = log.checkpoint();
    log.entries[3] = replaced(&log.entries[3], "pr=1", "pr=2");
    let dir = written(&log);
    put(dir.path(), "checkpoint", honest.as_bytes());
    assert_found(
        &check(dir.path()),
        &["checkpoint", "its root is", "the 53 entries give"],
    );
}

#[test]
fn forgery_swapped_entries() {
    let mut log = Book::lawful().log();
    let dir = written(&log);
    log.entries.swap(2, 6);
    put(dir.path(), BUNDLE, &bundle_bytes(&log.entries));
    let report = check(dir.path());
    assert_found(&report, &[TILE, "index 2", "1 more hashes of this tile differ"]);
    assert_found(
        &report,
        &[BUNDLE, "index 3", "mseq of merchant m2 is 2, expected 1"],
    );
}

#[test]
fn forgery_truncated_bundle() {
    let report = after(|dir| edit(dir, BUNDLE, |b| b[..b.len() - 9].to_vec()));
    assert_found(&report, &[BUNDLE, "the bundle ends after"]);
}

#[test]
fn forgery_bundle_cut_between_entries() {
    let log = Book::lawful().log();
    let report = after(|dir| put(dir, BUNDLE, &bundle_bytes(&log.entries[..52])));
    assert_found(&report, &[BUNDLE, "the bundle has 52 entries, expected 53"]);
    assert_found(
        &report,
        &["checkpoint", "its size is 53", "hold 52 readable entries"],
    );
}

#[test]
fn forgery_entry_added_to_a_bundle() {
    let log = Book::lawful().log();
    let more = [log.entries.clone(), vec![log.entries[0].clone()]].concat();
    let report = after(|dir| put(dir, BUNDLE, &bundle_bytes(&more)));
    assert_found(&report, &[BUNDLE, "the bundle has 54 entries, expected 53"]);
}

#[test]
fn forgery_missing_bundle_and_tile() {
    let report = after(|dir| fs::remove_file(dir.join(BUNDLE)).expect("removed"));
    assert_found(
        &report,
        &[BUNDLE, "the bundle is missing; the checkpoint has 53 entries"],
    );
    let report = after(|dir| fs::remove_file(dir.join(TILE)).expect("removed"));
    assert_found(&report, &[TILE, "the tile is missing"]);
}

#[test]
fn forgery_changed_tile_hash() {
    let change = |mut tile: Vec<u8>| {
        tile[32 * 17] ^= 1;
        tile
    };
    assert_found(
        &after(|dir| edit(dir, TILE, change)),
        &[TILE, "index 17", "the stored hash is"],
    );
}

#[test]
fn forgery_changed_hash_in_a_higher_tile() {
    let log = Book::with_orders(150).log();
    let dir = written(&log);
    edit(dir.path(), "tile/1/000.p/2", |mut tile| {
        tile[40] ^= 1;
        tile
    });
    assert_found(
        &check(dir.path()),
        &["tile/1/000.p/2", "index 1", "but the level below gives"],
    );
}

#[test]
fn forgery_truncated_tile() {
    let report = after(|dir| edit(dir, TILE, |b| b[..b.len() - 32].to_vec()));
    assert_found(&report, &[TILE, "1664 bytes, expected 1696 (53 hashes"]);
}

#[test]
fn forgery_older_partial_tile_that_tells_another_story() {
    let report = after(|dir| put(dir, "tile/0/000.p/2", &[7; 64]));
    assert_found(&report, &["tile/0/000.p/2", "index 0", "the stored hash is 0707"]);
    let report = after(|dir| put(dir, "tile/entries/000.p/1", &bundle_bytes(&[b"{}".to_vec()])));
    assert_found(
        &report,
        &["tile/entries/000.p/1", "entry 0 of this bundle differs"],
    );
}

#[test]
fn forgery_changed_checkpoint_size() {
    let report = after(|dir| edit(dir, "checkpoint", |b| replaced(&b, "\n53\n", "\n52\n")));
    assert_found(
        &report,
        &[
            "checkpoint",
            "the signature of guandao.example/trades/0+",
            "does not fit the text",
        ],
    );
}

#[test]
fn forgery_checkpoint_that_claims_a_huge_size() {
    let report = after(|dir| {
        edit(dir, "checkpoint", |b| {
            replaced(&b, "\n53\n", "\n18446744073709551615\n")
        })
    });
    assert_found(&report, &["tile/entries/000", "the bundle is missing"]);
}

#[test]
fn forgery_checkpoint_with_another_root_honestly_signed() {
    let root = STANDARD.encode([9; 32]);
    let note = Signer::new(ORIGIN, 1).note(&format!("{ORIGIN}\n53\n{root}\n"));
    let report = after(|dir| put(dir, "checkpoint", note.as_bytes()));
    assert_found(
        &report,
        &["checkpoint", "its root is 0909", "the 53 entries give"],
    );
}

#[test]
fn forgery_checkpoint_without_signature() {
    let report = after(|dir| put(dir, "checkpoint", b"guandao.example/trades/0\n53\nAAAA\n"));
    assert_found(&report, &["checkpoint", "this is no signed note"]);
}
