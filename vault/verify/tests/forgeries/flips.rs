//! No bit of what was signed can be changed unseen, whichever it is.

use crate::{
    book::{Book, ORIGIN},
    package::{Case, after, keys},
    writer::{Signer, put},
};
use proptest::prelude::*;
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::tempdir;
use verify::{JournalOptions, check_export, check_journal, check_receipt};

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(files(&path))
        } else {
            all.push(path)
        }
    }
    all.sort();
    all
}

/// Changes a bit of the file.
fn flip(file: &Path, at: usize, bit: u8) {
    let mut bytes = fs::read(file).expect("there");
    let at = at % bytes.len();
    bytes[at] ^= 1 << bit;
    fs::write(file, bytes).expect("written");
}

fn trusted() -> JournalOptions {
    JournalOptions {
        key: Some(Signer::new(ORIGIN, 1).key()),
        ..JournalOptions::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn of_a_journal(file: usize, at: usize, bit in 0u8..8) {
        let dir = tempdir().expect("a directory");
        Book::lawful().log().write(dir.path());
        // White space around the key in its file means nothing.
        fs::write(dir.path().join("key.vkey"), trusted().key.expect("given").to_string()).expect("written");
        let files = files(dir.path());
        let file = &files[file % files.len()];
        flip(file, at, bit);
        let report = check_journal(dir.path(), &trusted()).expect("readable");
        prop_assert!(!report.holds(), "{} was changed", file.display());
    }

    #[test]
    fn of_a_receipt(index in 0usize..53, at: usize, bit in 0u8..8) {
        let dir = tempdir().expect("a directory");
        let log = Book::lawful().log();
        put(dir.path(), "r", log.receipt(index).as_bytes());
        let file = dir.path().join("r");
        flip(&file, at, bit);
        let report = check_receipt(&file, &log.signer.key(), None).expect("readable");
        prop_assert!(!report.holds(), "{:?}", fs::read_to_string(file));
    }

    #[test]
    fn of_a_package(file: usize, at: usize, bit in 0u8..8) {
        let written = Case::lawful().write();
        let files = files(&written.second());
        let file = &files[file % files.len()];
        flip(file, at, bit);
        let report = check_export(&written.second(), &keys(), &after(&written.first())).expect("readable");
        prop_assert!(!report.holds(), "{} was changed", file.display());
    }
}
