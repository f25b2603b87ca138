//! What strangers hand to `guandao-verify`.

use super::parts;
use std::{fs, path::PathBuf, sync::LazyLock};
use verify::{ExportKeys, ExportOptions, VerifierKey};

const KEYS: [&str; 2] = ["guandao.example/trades/0", "guandao.example/cases/0"];

/// A folder in memory.
static DIR: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = PathBuf::from(format!("/dev/shm/guandao-fuzz-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a folder");
    extern "C" fn away() {
        let _ = fs::remove_dir_all(&*DIR);
    }
    // SAFETY: `away` is a plain function without arguments.
    unsafe { libc::atexit(away) };
    dir
});

fn key(name: &str) -> VerifierKey {
    journal::VerifierKey {
        name: name.into(),
        public_key: [7; 32],
    }
    .to_text()
    .parse()
    .expect("a key")
}

/// A receipt.
pub(crate) fn receipt(data: &[u8]) {
    let file = DIR.join("receipt");
    fs::write(&file, data).expect("writable");
    for name in KEYS {
        let report = verify::check_receipt(&file, &key(name), None).expect("readable");
        assert!(!report.findings.is_empty(), "nobody signed it");
    }
}

/// Parts: manifest, signature, flags as JSON and as CSV, trades as JSON and as CSV.
pub(crate) fn export(data: &[u8]) {
    let [manifest, signature, json, csv, trades, sheet] = parts(data);
    let flags = [
        ("manifest.json", manifest),
        ("manifest.sig", signature),
        ("flags.json", json),
        ("flags.csv", csv),
    ];
    for (name, octets) in flags
        .into_iter()
        .chain([("trades.json", trades), ("trades.csv", sheet)])
    {
        fs::write(DIR.join(name), octets).expect("writable");
    }
    let keys = ExportKeys {
        export: key("guandao.example/desk"),
        cases: key(KEYS[1]),
        trades: Some(key(KEYS[0])),
    };
    let options = ExportOptions {
        alone: true,
        ..ExportOptions::default()
    };
    if let Ok(report) = verify::check_export(&DIR, &keys, &options) {
        assert!(!report.findings.is_empty(), "nobody signed it");
    }
}
