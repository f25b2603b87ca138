//! Journals whose own writer lies: trees and signatures fit, history does not.

use crate::{
    assert_found,
    book::{Book, ORIGIN, name},
    journal::{BUNDLE, after, check, replaced, trusted, written},
    writer::{Log, Signer, put},
};
use domain::{CaseEntry, CaseEvent, Disposition, Instant, Measure, Salt};
use verify::{JournalOptions, Report, check_journal};

/// A journal whose own writer lies: tree and signature fit.
fn by_the_writer(change: impl FnOnce(&mut Book)) -> Report {
    let mut book = Book::lawful();
    change(&mut book);
    check(written(&book.log()).path())
}

#[test]
fn forgery_signed_by_another_key() {
    let dir = written(&Book::lawful().log_of(Signer::new(ORIGIN, 2)));
    let report = check(dir.path());
    assert_found(
        &report,
        &[
            "checkpoint",
            "no signature by the key guandao.example/trades/0+",
            "signed by:",
        ],
    );
    assert_found(&report, &["key.vkey", "the key is", "expected"]);
}

#[test]
fn forgery_signature_of_another_origin() {
    let dir = written(&Book::lawful().log_of(Signer::new("guandao.example/cases/0", 1)));
    let report = check(dir.path());
    assert_found(
        &report,
        &[
            "checkpoint",
            "no signature by",
            "signed by: guandao.example/cases/0+",
        ],
    );
}

#[test]
fn forgery_checkpoint_text_of_another_origin() {
    let log = Book::lawful().log();
    let text = log.checkpoint().replace(ORIGIN, "guandao.example/trades/1");
    let text = text
        .split_once("\n\n")
        .map(|(text, _)| format!("{text}\n"))
        .expect("a note");
    let report = after(|dir| put(dir, "checkpoint", log.signer.note(&text).as_bytes()));
    assert_found(
        &report,
        &[
            "checkpoint",
            "of origin guandao.example/trades/1",
            "expected guandao.example/trades/0",
        ],
    );
}

#[test]
fn forgery_removed_entry_with_the_old_checkpoint() {
    let book = Book::lawful();
    let honest = book.log().checkpoint();
    let dir = written(&book.without(5).log());
    put(dir.path(), "checkpoint", honest.as_bytes());
    assert_found(
        &check(dir.path()),
        &[BUNDLE, "the bundle is missing; the checkpoint has 53 entries"],
    );
}

#[test]
fn forgery_removed_entry_with_a_new_checkpoint_against_an_older_one() {
    let book = Book::lawful();
    let older = vec![book.log().checkpoint_at(30).into_bytes()];
    let dir = written(&book.without(5).log());
    let report = check_journal(dir.path(), &JournalOptions { older, ..trusted() }).expect("readable");
    assert_found(
        &report,
        &[
            "older checkpoint",
            "its root over 30 entries is",
            "history was rewritten",
        ],
    );
}

#[test]
fn forgery_shortened_journal_against_an_older_checkpoint() {
    let mut log = Book::lawful().log();
    let older = vec![log.checkpoint().into_bytes()];
    log.entries.truncate(40);
    let dir = written(&log);
    let report = check_journal(dir.path(), &JournalOptions { older, ..trusted() }).expect("readable");
    assert_found(
        &report,
        &[
            "older checkpoint",
            "it has 53 entries, the journal only 40",
            "removed",
        ],
    );
}

#[test]
fn forgery_gap_in_mseq() {
    let report = check(written(&Book::lawful().without(5).log()).path());
    assert_found(&report, &["mseq of merchant", "leaves a gap", "expected"]);
}

#[test]
fn forgery_duplicated_mseq() {
    let report = by_the_writer(|book| book.entries[4].mseq = Some(2));
    assert_found(
        &report,
        &[
            BUNDLE,
            "index 4",
            "mseq of merchant m2 is 2, expected 3",
            "is there already",
        ],
    );
}

#[test]
fn forgery_merchant_without_mseq() {
    let report = by_the_writer(|book| book.entries[4].mseq = None);
    assert_found(&report, &["index 4", "merchant m2 is named but mseq is missing"]);
}

#[test]
fn forgery_gap_in_notification_numbers() {
    let report = by_the_writer(|book| book.entries[4].tell = Some(7));
    assert_found(&report, &["index 4", "tell of merchant m2 is 7, expected 1"]);
}

#[test]
fn forgery_prev_pointing_elsewhere() {
    let report = by_the_writer(|book| book.entries[5].prev = Some(2));
    assert_found(&report, &["index 5", "prev of order", "is 2, expected 4"]);
}

#[test]
fn forgery_prev_left_out() {
    let report = by_the_writer(|book| book.entries[5].prev = None);
    assert_found(&report, &["index 5", "prev of order", "is none, expected 4"]);
}

#[test]
fn forgery_order_given_to_another_merchant() {
    let report = by_the_writer(|book| book.entries[5].merchant = Some(name("m1")));
    assert_found(&report, &["index 5", "is of m1, expected m2"]);
}

#[test]
fn forgery_non_canonical_entry() {
    let mut log = Book::lawful().log();
    log.entries[4] = replaced(&log.entries[4], "{\"at\":", "{\"at\": ");
    assert_found(
        &check(written(&log).path()),
        &[BUNDLE, "index 4", "not canonical JSON", "first at byte 6"],
    );
}

#[test]
fn forgery_entry_with_a_stowaway_field() {
    let mut log = Book::lawful().log();
    log.entries[4] = replaced(&log.entries[4], "{\"at\":", "{\"aa\":\"13800138000\",\"at\":");
    assert_found(
        &check(written(&log).path()),
        &[BUNDLE, "index 4", "not canonical JSON"],
    );
}

#[test]
fn forgery_entry_of_another_version_or_of_no_sense() {
    let report = by_the_writer(|book| book.entries[4].v = 2);
    assert_found(&report, &["index 4", "of version 2, expected 1"]);
    let mut log = Book::lawful().log();
    log.entries[4] = b"not JSON".to_vec();
    assert_found(
        &check(written(&log).path()),
        &[BUNDLE, "index 4", "the entry cannot be read"],
    );
}

#[test]
fn forgery_one_officer_alone_and_a_gap_in_flags() {
    let origin = "guandao.example/cases/0";
    let entry = |event| CaseEntry {
        at: Instant::from_secs(1),
        event,
        merchant: None,
        mseq: None,
        order: None,
        prev: None,
        salt: Salt::from_bytes([0; 16]),
        tell: None,
        v: 1,
    };
    let measure = Measure {
        effect: domain::Effect::Stop,
        id: name("m-1"),
        subject: domain::Subject::Merchant(name("m1")),
        until: Instant::from_secs(9),
    };
    let alone = CaseEvent::MeasureOrdered {
        measure,
        officer: name("chen"),
        proposal: Some(0),
        proposer: name("chen"),
    };
    let decided = CaseEvent::FlagDecided {
        acquirer: name("acq1"),
        disposition: Disposition::Dismiss,
        flag: 2,
        officer: name("li"),
        proposal: Some(1),
        proposer: name("li"),
    };
    let entries = [alone, crate::package::raised(2, "m1"), decided]
        .map(|event| entry(event).to_canonical())
        .to_vec();
    let dir = written(&Log {
        signer: Signer::new(origin, 1),
        entries,
    });
    let key = Some(Signer::new(origin, 1).key());
    let report = check_journal(
        dir.path(),
        &JournalOptions {
            key,
            ..JournalOptions::default()
        },
    )
    .expect("readable");
    assert_found(&report, &["index 0", "chen decided what chen had proposed"]);
    assert_found(&report, &["index 1", "flag of acquirer acq1 is 2, expected 1"]);
    assert_found(&report, &["index 2", "two persons are needed"]);
}

#[test]
fn a_witness_may_sign_too_but_a_wrong_signature_of_the_key_refuses_the_note() {
    let (log, witness) = (Book::lawful().log(), Signer::new("witness.example", 8));
    let line = |note: &str| {
        note.lines()
            .last()
            .map(|line| format!("{line}\n"))
            .expect("a signature")
    };
    let text = format!("{}\n", log.checkpoint().split_once("\n\n").expect("a note").0);
    let with = |line: String| {
        let note = log.checkpoint() + &line;
        after(|dir| put(dir, "checkpoint", note.as_bytes()))
    };
    crate::assert_holds(&with(line(&witness.note(&text))));
    let report = with(line(&log.signer.note("another text\n")));
    assert_found(
        &report,
        &[
            "checkpoint",
            "the signature of guandao.example/trades/0+",
            "does not fit the text",
        ],
    );
}
