//! The APIv2 key against the vectors of `wechat_v2.json`.

use base64::{Engine, engine::general_purpose::STANDARD};
use certs::{Keys, Material, V2Digest};
use domain::KeyRef;
use serde_json::Value;
use std::path::PathBuf;

fn vectors() -> Vec<Value> {
    let standing = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");
    let folder = std::env::var_os("GUANDAO_VECTORS").map_or_else(standing, PathBuf::from);
    let octets = std::fs::read(folder.join("wechat_v2.json")).expect("the vectors are there");
    let file: Value = serde_json::from_slice(&octets).expect("vectors are JSON");
    file["cases"].as_array().expect("cases").clone()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is a text"))
}

fn own() -> KeyRef {
    KeyRef::new("own").expect("lawful")
}

fn keys(digest: V2Digest, input: &Value) -> Keys {
    let keys = Keys::default();
    keys.put(
        own(),
        Material::api_v2(digest, text(input, "apiv2_key").as_bytes()).expect("an APIv2 key"),
    );
    keys
}

#[test]
fn strings_are_signed_and_signatures_verified() {
    let mut seen = 0;
    for case in vectors() {
        let (input, expect) = (&case["input"], &case["expect"]);
        let Some(message) = expect["string_before_key"].as_str() else {
            continue;
        };
        let digest = match input["sign_type"].as_str() {
            Some("HMAC-SHA256") => V2Digest::HmacSha256,
            _ => V2Digest::Md5,
        };
        let keys = keys(digest, input);
        let signature = keys.sign(&own(), message.as_bytes()).expect("signed");
        assert_eq!(
            hex::encode_upper(&signature),
            text(expect, "sign"),
            "{}",
            case["id"]
        );
        assert_eq!(keys.verify(&own(), message.as_bytes(), &signature), Ok(()));
        assert!(
            keys.verify(&own(), format!("{message}0").as_bytes(), &signature)
                .is_err()
        );
        seen += 1;
    }
    assert!(seen > 0, "no case has a string to sign");
}

#[test]
fn refund_notices_open() {
    let mut seen = 0;
    for case in vectors() {
        if case["op"] != "decrypt_v2_refund_notify" {
            continue;
        }
        let (_, rest) = text(&case["input"], "xml")
            .split_once("<req_info>")
            .expect("a sealed part");
        let (sealed, _) = rest.split_once("</req_info>").expect("a sealed part");
        let sealed = sealed.trim_start_matches("<![CDATA[").trim_end_matches("]]>");
        let mut sealed = STANDARD.decode(sealed).expect("base64");
        let keys = keys(V2Digest::Md5, &case["input"]);
        let plain = keys.open_v2(&own(), &sealed).expect("opens");
        assert_eq!(
            String::from_utf8_lossy(&plain),
            text(&case["expect"], "plaintext_xml")
        );
        sealed.truncate(15);
        assert!(keys.open_v2(&own(), &sealed).is_err());
        seen += 1;
    }
    assert!(seen > 0, "no refund notice among the vectors");
}
