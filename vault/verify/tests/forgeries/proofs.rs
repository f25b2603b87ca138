//! Forged signatures, proofs and chains of export packages.

use crate::{
    assert_found,
    book::name,
    export::{after, by_the_desk},
    package::{Case, case_entries, check, raised, signature},
    writer::{Signer, put},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{CaseEvent, Disposition};
use serde_json::json;
use std::fs;

#[test]
fn forgery_manifest_digest_wrong() {
    let report = after(|written| {
        let path = written.second().join("manifest.json");
        let text = fs::read_to_string(&path)
            .expect("there")
            .replace("\"made_at\":1", "\"made_at\":2");
        fs::write(path, text).expect("written");
    });
    assert_found(&report, &["manifest.json", "its SHA-256 is", "was signed"]);
}

#[test]
fn forgery_manifest_signed_by_another_key() {
    let report = after(|written| {
        let manifest = fs::read(written.second().join("manifest.json")).expect("there");
        let note = signature(&Signer::new(crate::package::DESK, 6), &manifest);
        put(&written.second(), "manifest.sig", note.as_bytes());
    });
    assert_found(
        &report,
        &["manifest.sig", "no signature by the key guandao.example/desk+"],
    );
}

#[test]
fn forgery_manifest_note_of_another_purpose_or_origin() {
    let desk = Signer::new(crate::package::DESK, 5);
    let resign = |head: &str| {
        let digest = "00".repeat(32);
        after(|w| {
            put(
                &w.second(),
                "manifest.sig",
                desk.note(&format!("{head}\n{digest}\n")).as_bytes(),
            )
        })
    };
    assert_found(
        &resign("guandao-other\nguandao.example/desk"),
        &["manifest.sig", "not the three lines guandao-export"],
    );
    let report = resign("guandao-export\nelsewhere.example");
    assert_found(
        &report,
        &[
            "manifest.sig",
            "the origin is elsewhere.example, expected guandao.example/desk",
        ],
    );
}

#[test]
fn forgery_gap_between_packages() {
    let report = by_the_desk(|case| {
        let numbers = case.second.manifest["numbers"].as_array_mut().expect("a list");
        numbers.remove(0);
        case.second.rows.remove(0);
        case.second.manifest["first"] = 4.into();
        case.second.manifest["count"] = 3.into();
    });
    assert_found(
        &report,
        &[
            "manifest.json",
            "first is 4, expected 3: there is a gap between the packages",
        ],
    );
}

#[test]
fn forgery_package_left_out_of_the_chain() {
    let report = by_the_desk(|case| case.second.manifest["previous"] = "cd".repeat(32).into());
    assert_found(
        &report,
        &[
            "manifest.json",
            "previous is cdcd",
            "the previous package's manifest has SHA-256",
        ],
    );
    let report = by_the_desk(|case| {
        case.second.manifest["package"] = 3.into();
        case.second.name = "package-acq1-000003".to_owned();
    });
    assert_found(&report, &["manifest.json", "package is 3, expected 2"]);
}

#[test]
fn forgery_later_package_that_denies_having_a_predecessor() {
    let report = by_the_desk(|case| case.second.manifest["previous"] = json!(null));
    assert_found(
        &report,
        &["manifest.json", "previous of package 2 must be the digest"],
    );
}

#[test]
fn forgery_package_under_another_number_or_acquirer() {
    let report = by_the_desk(|case| case.second.name = "package-acq1-000007".to_owned());
    assert_found(
        &report,
        &[
            "manifest.json",
            "named package-acq1-000007, expected package-acq1-000002",
        ],
    );
    let report = by_the_desk(|case| case.second.manifest["acquirer"] = "acq2".into());
    assert_found(
        &report,
        &[
            "numbers, index 3",
            "raised_leaf is of flag 3 of acq1, expected 3 of acq2",
        ],
    );
}

#[test]
fn forgery_leaf_that_is_not_in_the_cases_journal() {
    let report = by_the_desk(|case| {
        let mut entry = case_entries()[8].clone();
        entry.event = raised(3, "m2");
        case.second.manifest["numbers"][0]["raised_leaf"] = STANDARD.encode(entry.to_canonical()).into();
    });
    assert_found(
        &report,
        &[
            "numbers, index 3",
            "raised_leaf is not proven to be entry",
            "the proof leads to root",
        ],
    );
}

#[test]
fn forgery_leaf_of_another_flag() {
    let report = by_the_desk(|case| {
        for field in ["raised_index", "raised_leaf", "raised_proof"] {
            case.second.manifest["numbers"][0][field] = case.second.manifest["numbers"][1][field].clone();
        }
    });
    assert_found(
        &report,
        &[
            "numbers, index 3",
            "raised_leaf is of flag 4 of acq1, expected 3 of acq1",
        ],
    );
}

#[test]
fn forgery_proof_hash_changed_or_garbled() {
    let with =
        |hash: &str| by_the_desk(|case| case.second.manifest["numbers"][0]["raised_proof"][0] = hash.into());
    assert_found(
        &with(&STANDARD.encode([1; 32])),
        &["numbers, index 3", "raised_leaf is not proven"],
    );
    assert_found(
        &with("AAAA"),
        &[
            "numbers, index 3",
            "raised_proof holds something that is not the base64",
        ],
    );
}

#[test]
fn forgery_cases_checkpoint_of_another_key() {
    let report = by_the_desk(|case| {
        case.cases.signer = Signer::new("guandao.example/cases/0", 9);
        case.second.manifest["cases_checkpoint"] = case.cases.checkpoint().into();
    });
    assert_found(
        &report,
        &[
            "cases_checkpoint",
            "no signature by the key guandao.example/cases/0+",
        ],
    );
}

#[test]
fn forgery_trades_checkpoint_altered_or_too_small_for_the_flags() {
    let report = by_the_desk(|case| {
        let note = case.second.manifest["trades_checkpoint"]
            .as_str()
            .expect("a note")
            .replace("\n53\n", "\n99\n");
        case.second.manifest["trades_checkpoint"] = note.into();
    });
    assert_found(&report, &["trades_checkpoint", "does not fit the text"]);
    let report = by_the_desk(|case| {
        let note = crate::book::Book::lawful().log().checkpoint_at(12);
        case.second.manifest["trades_checkpoint"] = note.into();
    });
    assert_found(
        &report,
        &[
            "flags.json, index 3",
            "trade 13 lies beyond the trades checkpoint",
        ],
    );
}

#[test]
fn forgery_decision_by_one_officer_alone() {
    let mut entries = case_entries();
    for entry in &mut entries {
        if let CaseEvent::FlagDecided {
            flag: 3, proposer, ..
        } = &mut entry.event
        {
            *proposer = name("wang");
        }
    }
    let report = check(&Case::of(entries).write());
    assert_found(
        &report,
        &[
            "numbers, index 3",
            "wang decided what the same officer had proposed",
        ],
    );
}

#[test]
//= C44
fn forgery_decision_upon_what_came_after_it() {
    let mut entries = case_entries();
    for entry in &mut entries {
        if let CaseEvent::FlagDecided {
            flag: 3, proposal, ..
        } = &mut entry.event
        {
            *proposal = Some(12);
        }
    }
    let report = check(&Case::of(entries).write());
    assert_found(
        &report,
        &[
            "numbers, index 3",
            "upon a proposal at index 12, which is not between",
        ],
    );
}

#[test]
fn forgery_decision_before_the_flag() {
    let mut entries = case_entries();
    let event = CaseEvent::FlagDecided {
        acquirer: name("acq1"),
        disposition: Disposition::Confirm,
        flag: 6,
        officer: name("wang"),
        proposal: Some(9),
        proposer: name("li"),
    };
    // An officer's sign-in stood here.
    entries[10].event = event;
    let report = check(&Case::of(entries).write());
    assert_found(
        &report,
        &[
            "numbers, index 6",
            "it was decided at index 10, before it was raised",
        ],
    );
}

#[test]
fn forgery_cases_journal_shortened_since_the_previous_package() {
    let report = by_the_desk(|case| {
        let note = case.cases.checkpoint_at(5);
        case.second.manifest["cases_checkpoint"] = note.into();
    });
    assert_found(
        &report,
        &[
            "cases_checkpoint",
            "has 5 entries, it had 8 in the previous package",
        ],
    );
}
