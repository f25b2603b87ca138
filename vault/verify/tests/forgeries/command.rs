//! The binary: exit status 0, 1 and 2, words for people and for machines.

use crate::{
    book::Book,
    package::{Case, DESK},
    writer::{Signer, put},
};
use serde_json::Value;
use std::{
    path::Path,
    process::{Command, Output},
};
use tempfile::{TempDir, tempdir};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_guandao-verify"))
        .args(arguments)
        .output()
        .expect("it runs")
}

fn status(arguments: &[&str]) -> i32 {
    run(arguments).status.code().expect("it ends by itself")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn journal() -> (TempDir, String) {
    let dir = tempdir().expect("a directory");
    let log = Book::lawful().log();
    log.write(dir.path());
    put(dir.path(), "r.tlog-proof", log.receipt(2).as_bytes());
    put(dir.path(), "old", log.checkpoint_at(20).as_bytes());
    (dir, log.signer.vkey())
}

#[test]
fn true_things_end_with_0() {
    let (dir, vkey) = journal();
    let at = |name: &str| text(&dir.path().join(name)).to_owned();
    let key = at("key.vkey");
    assert_eq!(
        status(&["journal", &at(""), "--key", &key, "--from-checkpoint", &at("old")]),
        0
    );
    assert_eq!(status(&["journal", &at("")]), 0);
    assert_eq!(status(&["purge", &at(""), "--key", &vkey]), 0);
    assert_eq!(
        status(&["receipt", &at("r.tlog-proof"), "--key", &key, "--merchant", "m2"]),
        0
    );
}

#[test]
fn packages_too() {
    let written = Case::lawful().write();
    let (first, second) = (written.first(), written.second());
    let (desk, cases) = (
        Signer::new(DESK, 5).vkey(),
        Signer::new("guandao.example/cases/0", 4).vkey(),
    );
    let mut arguments = vec!["export", text(&second), "--key", &desk, "--cases-key", &cases];
    arguments.extend(["--previous", text(&first)]);
    assert_eq!(status(&arguments), 0);
    let alone: Vec<_> = arguments[..6].to_vec();
    assert_eq!(status(&alone), 2, "a later package by itself says nothing");
    assert_eq!(status(&[&alone[..], &["--alone"]].concat()), 0);
    put(&second, "flags.csv", b"flag\n");
    assert_eq!(status(&arguments), 1);
}

#[test]
fn false_things_end_with_1_and_are_named() {
    let (dir, vkey) = journal();
    put(dir.path(), "tile/0/000.p/53", &[0; 53 * 32]);
    let output = run(&["journal", text(dir.path()), "--key", &vkey]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("FALSE: tile/0/000.p/53, index 0: the stored hash is 0000"),
        "{said}"
    );
    assert!(
        said.contains("52 more hashes of this tile differ") && said.ends_with("1 found false\n"),
        "{said}"
    );
}

#[test]
fn machines_get_json() {
    let (dir, vkey) = journal();
    let value = |arguments: &[&str]| serde_json::from_slice::<Value>(&run(arguments).stdout).expect("json");
    let told = value(&["purge", text(dir.path()), "--key", &vkey, "--json"]);
    assert_eq!(
        (&told["ok"], &told["facts"]["fates"]["alive"]),
        (&true.into(), &1.into())
    );
    put(dir.path(), "checkpoint", b"nothing");
    let told = value(&["--json", "journal", text(dir.path())]);
    assert_eq!(
        (&told["ok"], &told["findings"][0]["place"]),
        (&false.into(), &"checkpoint".into())
    );
    let told = value(&["--json", "journal", "/nowhere"]);
    assert!(
        told["error"]
            .as_str()
            .expect("a text")
            .contains("/nowhere/checkpoint cannot be read"),
        "{told}"
    );
}

#[test]
fn what_cannot_be_read_ends_with_2() {
    let (dir, vkey) = journal();
    let at = text(dir.path());
    assert_eq!(status(&["journal", "/nowhere"]), 2);
    let cases = tempdir().expect("a directory");
    Case::lawful().cases.write(cases.path());
    assert_eq!(status(&["journal", text(cases.path())]), 0);
    assert_eq!(status(&["purge", text(cases.path())]), 2);
    assert_eq!(status(&["journal", at, "--key", "/nowhere"]), 2);
    assert_eq!(status(&["journal", at, "--key", &vkey[..vkey.len() - 4]]), 2);
    assert_eq!(status(&["journal", at, "--from-checkpoint", "/nowhere"]), 2);
    assert_eq!(status(&["receipt", "/nowhere", "--key", &vkey]), 2);
    assert_eq!(
        status(&["export", "/nowhere", "--key", &vkey, "--cases-key", &vkey]),
        2
    );
    assert_eq!(status(&["receipt", at]), 2);
    assert_eq!(status(&["confirm", at]), 2);
}
