//! The vectors of the channels built so far; files of other channels are skipped by name. An operation that
//! this test does not know is an error, so that no vector is passed over in silence.

#[path = "vectors/alipay.rs"]
mod alipay;
#[path = "vectors/baidu.rs"]
mod baidu;
#[path = "vectors/bill.rs"]
mod bill;
#[path = "vectors/crypto.rs"]
mod crypto;
#[path = "vectors/qr_codes.rs"]
mod qr_codes;
#[path = "vectors/unionpay.rs"]
mod unionpay;
#[path = "vectors/wechat.rs"]
mod wechat;
#[path = "vectors/wechat_v2.rs"]
mod wechat_v2;

use serde_json::Value;
use std::{io::Write, path::PathBuf};

/// Where the vectors lie: `GUANDAO_VECTORS`, else `tests/vectors` of the workspace.
pub(crate) fn folder() -> PathBuf {
    let standing = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors");
    std::env::var_os("GUANDAO_VECTORS").map_or_else(standing, PathBuf::from)
}

/// A text of a case.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is a text"))
}

fn run(name: &str, case: impl Fn(&str, &Value, &Value)) {
    let octets = std::fs::read(folder().join(format!("{name}.json"))).expect("the vectors are there");
    let file: Value = serde_json::from_slice(&octets).expect("vectors are JSON");
    for one in file["cases"].as_array().expect("cases") {
        case(text(one, "op"), &one["input"], &one["expect"]);
    }
}

#[test]
fn vectors_wechat_v3() {
    run("wechat_v3", wechat::case);
}

#[test]
fn vectors_wechat_v2() {
    run("wechat_v2", wechat_v2::case);
}

#[test]
fn vectors_qr_codes() {
    let octets = std::fs::read(folder().join("qr_codes.json")).expect("the vectors are there");
    qr_codes::tables(&serde_json::from_slice(&octets).expect("vectors are JSON"));
}

#[test]
fn vectors_alipay_v2() {
    run("alipay_v2", alipay::case);
}

#[test]
fn vectors_alipay_cert() {
    run("alipay_cert", alipay::certificate_case);
}

#[test]
fn vectors_unionpay() {
    run("unionpay", unionpay::case);
}

#[test]
fn vectors_wechat_bill() {
    run("wechat_bill", bill::wechat_case);
}

#[test]
fn vectors_alipay_bill() {
    run("alipay_bill", bill::alipay_case);
}

#[test]
fn vectors_unionpay_file() {
    run("unionpay_file", bill::unionpay_case);
}

#[test]
fn vectors_alipay_v3() {
    run("alipay_v3", alipay::v3_case);
}

#[test]
fn vectors_baifubao() {
    run("baifubao", baidu::case);
}

#[test]
fn vectors_of_channels_not_built_are_named() {
    // What is about keys alone is passed by crate `certs`: wechat_gm.
    let built = [
        "wechat_v3",
        "wechat_v2",
        "wechat_gm",
        "qr_codes",
        "alipay_v2",
        "alipay_v3",
        "alipay_cert",
        "baifubao",
        "unionpay",
        "wechat_bill",
        "alipay_bill",
        "unionpay_file",
    ];
    for entry in std::fs::read_dir(folder()).expect("the vectors are there") {
        let path = entry.expect("entry").path();
        let name = path.file_stem().and_then(|n| n.to_str()).unwrap_or_default();
        if path.extension().is_some_and(|e| e == "json") && !built.contains(&name) {
            // Past the test harness, which keeps what a passing test prints to itself.
            writeln!(std::io::stderr(), "skipped {name}.json").expect("stderr");
        }
    }
}
