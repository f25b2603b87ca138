//! Forged trades in export packages.

use crate::{
    assert_found, assert_holds,
    export::by_the_desk,
    package::{Case, check},
    traded::sheet,
};
use serde_json::{Value, json};

fn row(case: &mut Case, index: u64) -> &mut Value {
    let of = |row: &&mut Value| row["index"] == index;
    case.second.trades.iter_mut().find(of).expect("named")
}

#[test]
fn the_trades_of_confirmed_flags_are_proven() {
    let case = Case::lawful();
    assert!(case.second.trades.iter().any(|row| row["begun"].is_object()));
    assert_eq!(case.second.trades.len(), 4, "flags 3 and 5 name 2, 6, 13 and 15");
    assert_holds(&check(&case.write()));
}

#[test]
fn forgery_trade_left_out_or_added() {
    let report = by_the_desk(|case| drop(case.second.trades.remove(1)));
    assert_found(&report, &["trades.json, index 6", "left out; flag 3 names it"]);
    assert_found(
        &report,
        &["trades.json, inputs, index 3", "but the cases journal says"],
    );
    let report = by_the_desk(|case| {
        let again = case.second.trades[0].clone();
        case.second.trades.push(again);
    });
    assert_found(&report, &["trades.json, index 2", "listed twice"]);
    let report = by_the_desk(|case| row(case, 2)["flags"] = json!([3]));
    assert_found(
        &report,
        &["trades.json, index 2", "flags is {3}", "{3, 5} that name it"],
    );
}

#[test]
fn forgery_columns_other_than_the_entries_say() {
    for (column, value) in [
        ("amount", json!(1)),
        ("account", json!("1900000999")),
        ("payee", json!("1900000999")),
        ("order_no", json!("A9")),
        ("number", json!("A9")),
        ("channel", json!("alipay")),
        ("merchant", json!("m9")),
        ("clause", json!("C01")),
        ("time", json!(1)),
    ] {
        for index in [2, 15] {
            let report = by_the_desk(|case| row(case, index)[column] = value.clone());
            let place = format!("trades.json, index {index}");
            assert_found(
                &report,
                &[&place, &format!("{column} is"), "but the trades journal says"],
            );
        }
    }
}

#[test]
fn forgery_leaf_or_proof_of_a_trade() {
    let report = by_the_desk(|case| {
        let other = row(case, 6)["leaf"].clone();
        row(case, 2)["leaf"] = other;
    });
    assert_found(
        &report,
        &[
            "trades.json, index 2",
            "leaf is not proven to be entry 2 of the trades journal",
        ],
    );
    assert_found(&report, &["trades.json, inputs, index 5"]);
    let report = by_the_desk(|case| row(case, 2)["proof"][0] = "AAAA".into());
    assert_found(&report, &["trades.json, index 2", "not the base64 of 32 bytes"]);
    let report = by_the_desk(|case| row(case, 15)["begun"]["proof"][0] = row(case, 2)["proof"][1].clone());
    assert_found(&report, &["trades.json, index 15", "begun is not proven"]);
}

#[test]
fn forgery_beginning_of_another_order() {
    let report = by_the_desk(|case| {
        let other = row(case, 2).clone();
        row(case, 15)["begun"] = json!({"index": 2, "leaf": other["leaf"], "proof": other["proof"]});
    });
    assert_found(
        &report,
        &[
            "trades.json, index 15",
            "not the beginning of this entry's attempt",
        ],
    );
}

#[test]
fn forgery_table_of_trades_differing_or_files_missing() {
    let report = by_the_desk(|case| {
        case.second.sheet = Some(sheet(&case.second.trades).replacen("\"wechat\"", "\"alipay\"", 1));
    });
    assert_found(
        &report,
        &["trades.csv, index 2", "channel is \"alipay\"", "trades.json says"],
    );
    let report = by_the_desk(|case| case.second.sheet = Some(sheet(&case.second.trades[1..])));
    assert_found(&report, &["trades.csv, index 2", "the trade has 0 rows"]);
    let report = by_the_desk(|case| case.second.manifest["files"] = json!([]));
    assert_found(&report, &["files", "trades.json is not listed"]);
    assert_found(&report, &["files", "trades.csv is not listed"]);
}
