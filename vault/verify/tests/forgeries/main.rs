//! Lawful journals, receipts and packages pass; every forgery is refused with words that name what was altered.
//!
//! The writer here is a third one, beside the product's and the verifier's own hashing: it follows the recursive
//! definitions of RFC 6962 and the texts of C2SP, and nothing else.

mod book;
mod command;
mod export;
mod flips;
mod history;
mod journal;
mod named;
mod package;
mod proofs;
mod purge;
mod receipt;
mod traded;
mod two_people;
mod writer;

use verify::Report;

/// The forgery is refused, and a finding holds all of these words.
#[track_caller]
pub(crate) fn assert_found(report: &Report, words: &[&str]) {
    let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    let named = findings
        .iter()
        .any(|finding| words.iter().all(|word| finding.contains(word)));
    assert!(named, "no finding says {words:?} among {findings:#?}");
}

/// Nothing is false.
#[track_caller]
pub(crate) fn assert_holds(report: &Report) {
    assert!(report.holds(), "{:#?}", report.findings);
}
