//! Forged receipts.

use crate::{
    assert_found, assert_holds,
    book::{Book, ORIGIN, name},
    writer::{Log, Signer, put},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::MerchantId;
use tempfile::tempdir;
use verify::{Report, check_receipt};

fn check_as(text: &str, signer: &Signer, merchant: Option<&MerchantId>) -> Report {
    let dir = tempdir().expect("a directory");
    put(dir.path(), "r.tlog-proof", text.as_bytes());
    check_receipt(&dir.path().join("r.tlog-proof"), &signer.key(), merchant).expect("readable")
}

fn check(text: &str) -> Report {
    check_as(text, &Signer::new(ORIGIN, 1), None)
}

fn line(text: &str, n: usize) -> &str {
    text.lines().nth(n).expect("a line")
}

#[test]
fn lawful_receipts_hold() {
    let log = Book::lawful().log();
    for index in 0..log.entries.len() {
        assert_holds(&check(&log.receipt(index)));
    }
    let merchant = name("m2");
    let report = check_as(&log.receipt(2), &log.signer, Some(&merchant));
    assert_holds(&report);
    assert_eq!(report.facts["event"], "attempt_intended");
    assert!(
        report
            .lines
            .iter()
            .any(|line| line.contains("1.00 yuan by wechat")),
        "{:?}",
        report.lines
    );
}

#[test]
fn a_receipt_of_a_tree_of_one_holds() {
    let log = Book::lawful().log();
    let one = Log {
        entries: log.entries[..1].to_vec(),
        signer: log.signer,
    };
    assert_holds(&check(&one.receipt(0)));
}

#[test]
fn forgery_receipt_for_another_index() {
    let text = Book::lawful().log().receipt(2).replace("index 2\n", "index 3\n");
    assert_found(
        &check(&text),
        &[
            "r.tlog-proof, proof",
            "index 3",
            "not proven",
            "the proof leads to root",
        ],
    );
}

#[test]
fn forgery_receipt_for_an_index_beyond_the_tree() {
    let text = Book::lawful().log().receipt(2).replace("index 2\n", "index 53\n");
    assert_found(
        &check(&text),
        &["proof", "index 53 lies outside of a tree of size 53"],
    );
}

#[test]
fn forgery_receipt_with_a_changed_proof_hash() {
    let text = Book::lawful().log().receipt(2);
    let text = text.replace(line(&text, 4), &STANDARD.encode([1; 32]));
    assert_found(&check(&text), &["proof", "index 2", "the proof leads to root"]);
}

#[test]
fn forgery_receipt_with_a_proof_hash_left_out() {
    let text = Book::lawful().log().receipt(2);
    let text = text.replace(&format!("{}\n", line(&text, 4)), "");
    assert_found(
        &check(&text),
        &["proof", "the proof has 5 hashes where another number is needed"],
    );
}

#[test]
fn forgery_receipt_with_an_altered_entry() {
    let log = Book::lawful().log();
    let altered = String::from_utf8_lossy(&log.entries[2]).replace("\"amount\":100", "\"amount\":900");
    let text = log
        .receipt(2)
        .replace(&STANDARD.encode(&log.entries[2]), &STANDARD.encode(altered));
    assert_found(&check(&text), &["proof", "index 2", "not proven"]);
}

#[test]
fn forgery_receipt_with_the_entry_of_a_neighbour() {
    let log = Book::lawful().log();
    let text = log.receipt(2).replace(
        &STANDARD.encode(&log.entries[2]),
        &STANDARD.encode(&log.entries[3]),
    );
    assert_found(&check(&text), &["proof", "index 2", "not proven"]);
}

#[test]
fn forgery_receipt_signed_by_another_key() {
    let log = Book::lawful().log_of(Signer::new(ORIGIN, 2));
    assert_found(
        &check(&log.receipt(2)),
        &["checkpoint", "no signature by the key"],
    );
}

#[test]
fn forgery_receipt_with_a_larger_tree() {
    let text = Book::lawful().log().receipt(2).replace("\n53\n", "\n54\n");
    assert_found(&check(&text), &["checkpoint", "does not fit the text"]);
}

#[test]
fn forgery_receipt_of_another_merchant() {
    let (log, merchant) = (Book::lawful().log(), name("m1"));
    let report = check_as(&log.receipt(2), &log.signer, Some(&merchant));
    assert_found(&report, &["extra", "index 2", "of merchant m2, expected m1"]);
}

#[test]
fn forgery_receipt_of_a_non_canonical_entry() {
    let mut log = Book::lawful().log();
    log.entries[2].push(b' ');
    assert_found(&check(&log.receipt(2)), &["extra", "not canonical JSON"]);
}

#[test]
fn forgery_receipt_of_an_entry_that_follows_the_future() {
    let mut book = Book::lawful();
    book.entries[3].prev = Some(3);
    assert_found(
        &check(&book.log().receipt(3)),
        &["extra", "index 3", "prev is 3, which does not come before"],
    );
}

#[test]
fn receipts_that_are_none_are_refused_with_the_line() {
    let text = Book::lawful().log().receipt(2);
    let cases = [
        (
            text.replace("@v1", "@v2"),
            "the first line is not c2sp.org/tlog-proof@v1",
        ),
        (text.replace("extra ", "other "), "the second line is not: extra"),
        (
            text.replace("index 2", "index 02"),
            "the third line is not: index",
        ),
        (text.replace(line(&text, 4), "AAAA"), "hash 1 of the proof"),
        (text.replace("\n\n", "\n"), "no empty line"),
    ];
    for (text, words) in cases {
        assert_found(&check(&text), &["r.tlog-proof", words]);
    }
}
