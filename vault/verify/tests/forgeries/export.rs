//! Forged lists of flags in export packages.

use crate::{
    assert_found, assert_holds,
    package::{Case, Written, check, keys, table},
    writer::{Log, Signer},
};
use domain::{CaseEntry, CaseEvent, Disposition};
use serde_json::json;
use std::fs;
use verify::{ExportOptions, Report, check_export};

/// The desk itself lies: everything is signed as it stands.
pub(crate) fn by_the_desk(change: impl FnOnce(&mut Case)) -> Report {
    let mut case = Case::lawful();
    change(&mut case);
    check(&case.write())
}

/// Somebody changes a written package.
pub(crate) fn after(change: impl FnOnce(&Written)) -> Report {
    let written = Case::lawful().write();
    change(&written);
    check(&written)
}

#[test]
fn lawful_packages_hold() {
    let written = Case::lawful().write();
    let report = check(&written);
    assert_holds(&report);
    assert_eq!(
        (
            &report.facts["confirmed"],
            &report.facts["dismissed"],
            &report.facts["open"]
        ),
        (&2.into(), &1.into(), &1.into())
    );
    assert_holds(&check_export(&written.first(), &keys(), &ExportOptions::default()).expect("readable"));
    let accepted = ExportOptions {
        alone: true,
        ..ExportOptions::default()
    };
    let alone = check_export(&written.second(), &keys(), &accepted).expect("readable");
    assert_holds(&alone);
    assert!(alone.notes[0].contains("--previous"), "{:?}", alone.notes);
}

/// The second package with the cases journal that the desk really wrote.
fn with_cases(change: impl FnOnce(&mut Case)) -> Report {
    let mut case = Case::lawful();
    let dir = crate::journal::written(&case.cases);
    change(&mut case);
    let written = case.write();
    let options = ExportOptions {
        cases: Some(dir.path().to_owned()),
        ..crate::package::after(&written.first())
    };
    check_export(&written.second(), &keys(), &options).expect("readable")
}

#[test]
fn lawful_packages_hold_against_the_whole_cases_journal() {
    assert_holds(&with_cases(|_| {}));
}

/// Everything about the decision goes, and all is signed anew: only the journal tells.
fn hide_decision(case: &mut Case) {
    case.second.rows.remove(0);
    case.second.trades = crate::traded::trades(&case.second.rows);
    let number = &mut case.second.manifest["numbers"][0];
    number["status"] = "open".into();
    for field in ["decided_index", "decided_leaf", "decided_proof"] {
        number.as_object_mut().expect("an object").remove(field);
    }
}

#[test]
fn forgery_confirmed_flag_called_open_with_its_decision_hidden() {
    let report = with_cases(hide_decision);
    let words = [
        "numbers, index 3",
        "called open",
        "whole cases journal says confirmed, by entry 9",
    ];
    assert_found(&report, &words);
    assert_holds(&by_the_desk(hide_decision));
}

/// The desk confirmed flag 1, sent the first package, and then wrote its whole journal anew: flag 1 was dismissed.
#[test]
fn forgery_cases_journal_rewritten_between_two_packages() {
    let rewritten = |mut entry: CaseEntry| {
        if let CaseEvent::FlagProposed {
            flag: 1, disposition, ..
        }
        | CaseEvent::FlagDecided {
            flag: 1, disposition, ..
        } = &mut entry.event
        {
            *disposition = Disposition::Dismiss;
        }
        entry
    };
    let entries = crate::package::case_entries();
    let mut case = Case::of(entries.into_iter().map(rewritten).collect());
    let dir = crate::journal::written(&case.cases);
    case.first = Case::lawful().first;
    let written = case.write();
    let options = crate::package::after(&written.first());
    let unseen = check_export(&written.second(), &keys(), &options).expect("readable");
    assert_holds(&unseen);
    assert!(
        unseen
            .notes
            .iter()
            .any(|note| note.contains("was not proven (--cases)")),
        "{:?}",
        unseen.notes
    );
    let options = ExportOptions {
        cases: Some(dir.path().to_owned()),
        ..options
    };
    let report = check_export(&written.second(), &keys(), &options).expect("readable");
    let words = [
        "cases journal, older checkpoint",
        "over 8 entries",
        "history was rewritten",
    ];
    assert_found(&report, &words);
}

#[test]
fn forgery_cases_checkpoint_of_the_previous_package_that_the_journal_never_signed() {
    let report = by_the_desk(|case| {
        let forger = Signer::new("guandao.example/cases/0", 9);
        let entries = case.cases.entries.clone();
        let log = Log {
            signer: forger,
            entries,
        };
        case.first.manifest["cases_checkpoint"] = log.checkpoint_at(8).into();
    });
    let words = [
        "previous manifest.json, cases_checkpoint",
        "no signature by the key",
    ];
    assert_found(&report, &words);
}

#[test]
fn forgery_late_decision_or_last_flag_left_out() {
    let mut entries = crate::package::case_entries();
    let decided = entries.remove(2);
    entries.insert(7, decided);
    let case = Case::of(entries);
    let dir = crate::journal::written(&case.cases);
    let written = case.write();
    let options = ExportOptions {
        cases: Some(dir.path().to_owned()),
        ..crate::package::after(&written.first())
    };
    let report = check_export(&written.second(), &keys(), &options).expect("readable");
    assert_found(
        &report,
        &["numbers, index 1", "decided since the package before", "late"],
    );
    let report = with_cases(|case| {
        case.second.manifest["numbers"]
            .as_array_mut()
            .expect("a list")
            .pop();
        case.second.manifest["last"] = 5.into();
        case.second.manifest["count"] = 3.into();
    });
    assert_found(
        &report,
        &["numbers, index 6", "was raised at index", "is left out"],
    );
}

#[test]
fn forgery_one_confirmed_flag_left_out() {
    let report = by_the_desk(|case| drop(case.second.rows.remove(0)));
    assert_found(&report, &["flags.json, index 3", "confirmed but left out"]);
}

#[test]
fn forgery_one_number_left_out_of_the_list() {
    let report = by_the_desk(|case| {
        let numbers = case.second.manifest["numbers"].as_array_mut().expect("a list");
        numbers.remove(1);
        case.second.manifest["count"] = 3.into();
    });
    assert_found(
        &report,
        &["numbers, index 5", "the number is 5, expected 4", "gap"],
    );
    assert_found(
        &report,
        &["manifest.json", "first 3 and last 6 do not span the 3 numbers"],
    );
}

#[test]
fn forgery_last_number_left_out() {
    let report = by_the_desk(|case| {
        case.second.manifest["numbers"]
            .as_array_mut()
            .expect("a list")
            .pop();
    });
    assert_found(
        &report,
        &["manifest.json", "count is 4, but 3 numbers are listed"],
    );
}

#[test]
fn forgery_dismissed_flag_presented_as_confirmed() {
    let report = by_the_desk(|case| {
        let mut row = case.second.rows[0].clone();
        row.insert("flag".to_owned(), 4.into());
        case.second.rows.push(row);
        case.second.manifest["numbers"][1]["status"] = "confirmed".into();
    });
    assert_found(
        &report,
        &[
            "numbers, index 4",
            "called confirmed, but the cases journal says dismissed",
        ],
    );
}

#[test]
fn forgery_dismissed_flag_among_the_confirmed() {
    let report = by_the_desk(|case| {
        let mut row = case.second.rows[0].clone();
        row.insert("flag".to_owned(), 4.into());
        case.second.rows.push(row);
    });
    assert_found(
        &report,
        &["flags.json, index 4", "listed as confirmed, but it is dismissed"],
    );
}

#[test]
fn forgery_confirmed_flag_presented_as_dismissed() {
    let report = by_the_desk(|case| {
        case.second.rows.remove(0);
        case.second.manifest["numbers"][0]["status"] = "dismissed".into();
    });
    assert_found(
        &report,
        &[
            "numbers, index 3",
            "called dismissed, but the cases journal says confirmed",
        ],
    );
}

#[test]
fn forgery_confirmed_flag_presented_as_open() {
    let report = by_the_desk(|case| {
        case.second.rows.remove(0);
        case.second.manifest["numbers"][0]["status"] = "open".into();
    });
    assert_found(
        &report,
        &[
            "numbers, index 3",
            "called open, but the cases journal says confirmed",
        ],
    );
}

#[test]
fn forgery_open_flag_presented_as_confirmed_without_decision() {
    let report = by_the_desk(|case| case.second.manifest["numbers"][3]["status"] = "confirmed".into());
    assert_found(
        &report,
        &["numbers, index 6", "called confirmed but no decision is proven"],
    );
}

#[test]
fn forgery_flag_nobody_raised() {
    let report = by_the_desk(|case| {
        let mut row = case.second.rows[0].clone();
        row.insert("flag".to_owned(), 77.into());
        case.second.rows.push(row);
    });
    assert_found(
        &report,
        &["flags.json, index 77", "not among the manifest's numbers"],
    );
}

#[test]
fn forgery_csv_differing_from_json() {
    let report = by_the_desk(|case| {
        case.second.csv =
            Some(table(&case.second.rows).replacen("\"4\",\"3\",\"trades\"", "\"9\",\"3\",\"trades\"", 1));
    });
    assert_found(
        &report,
        &["flags.csv, index 3", "value is \"9\", but flags.json says 4"],
    );
}

#[test]
fn forgery_csv_with_a_row_less_and_one_more() {
    let report = by_the_desk(|case| case.second.csv = Some(table(&case.second.rows[1..])));
    assert_found(
        &report,
        &["flags.csv, index 3", "the flag has 0 rows, expected 1"],
    );
    let report = by_the_desk(|case| {
        let mut rows = case.second.rows.clone();
        rows.push(rows[0].clone());
        rows[2].insert("flag".to_owned(), 8.into());
        case.second.csv = Some(table(&rows));
    });
    assert_found(&report, &["flags.csv", "row 3 is of no flag in flags.json"]);
}

#[test]
fn forgery_csv_without_a_column() {
    let report = by_the_desk(|case| {
        case.second.csv = Some(table(&case.second.rows).replacen(",unit,", ",colour,", 1))
    });
    assert_found(&report, &["flags.csv", "the column unit is missing"]);
    assert_found(
        &report,
        &["flags.csv, index 3", "the column colour is not in flags.json"],
    );
}

#[test]
fn forgery_facts_other_than_those_raised() {
    for (field, value) in [
        ("merchant", json!("m9")),
        ("value", json!(400)),
        ("trades", json!([2])),
    ] {
        let report = by_the_desk(|case| drop(case.second.rows[0].insert(field.to_owned(), value)));
        assert_found(
            &report,
            &[
                "flags.json, index 3",
                &format!("{field} is"),
                "but the cases journal says",
            ],
        );
    }
}

#[test]
fn forgery_other_officers_than_those_who_decided() {
    let report = by_the_desk(|case| drop(case.second.rows[0].insert("decided_by".to_owned(), "zhao".into())));
    assert_found(
        &report,
        &["flags.json, index 3", "decided_by is \"zhao\"", "says \"wang\""],
    );
}

#[test]
fn forgery_a_field_left_out() {
    let report = by_the_desk(|case| drop(case.second.rows[0].remove("window_from")));
    assert_found(&report, &["flags.json, index 3", "window_from is missing"]);
}

#[test]
fn forgery_flags_file_altered_afterwards() {
    let report = after(|written| {
        let path = written.second().join("flags.json");
        let text = fs::read_to_string(&path)
            .expect("there")
            .replace("\"T01\"", "\"T02\"");
        fs::write(path, text).expect("written");
    });
    assert_found(&report, &["flags.json", "its SHA-256 is", "the manifest says"]);
    assert_found(
        &report,
        &["flags.json, index 3", "rule is \"T02\"", "says \"T01\""],
    );
}

#[test]
fn forgery_file_of_another_length_than_listed() {
    let report = by_the_desk(|case| {
        let (json, csv) = (json!({"name": "flags.json"}), json!({"name": "flags.csv"}));
        let fill = |mut file: serde_json::Value| {
            file["sha256"] = "00".into();
            file["bytes"] = 7.into();
            file
        };
        case.second.manifest["files"] = json!([fill(json), fill(csv)]);
    });
    assert_found(&report, &["flags.csv", "bytes, the manifest says 7"]);
}

#[test]
fn forgery_file_missing_or_outside_of_the_package() {
    let report = after(|written| fs::remove_file(written.second().join("flags.csv")).expect("removed"));
    assert_found(&report, &["flags.csv", "the file is missing"]);
    let report = by_the_desk(|case| {
        case.second.manifest["files"] = json!([{"name": "../flags.json", "sha256": "", "bytes": 1}]);
    });
    assert_found(&report, &["files", "../flags.json is not a plain file name"]);
    assert_found(&report, &["files", "flags.csv is not listed"]);
}

#[test]
fn forgery_key_twice_in_one_object() {
    let report = after(|written| {
        let path = written.second().join("flags.json");
        let text = fs::read_to_string(&path).expect("there");
        fs::write(
            path,
            text.replacen("\"merchant\":", "\"merchant\": \"m9\", \"merchant\":", 1),
        )
        .expect("written");
    });
    assert_found(&report, &["flags.json", "the key merchant is there twice"]);
}
