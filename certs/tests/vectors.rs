//! The vectors that are about keys: 国密 of WeChat Pay, content encryption of Alipay, digests of the Baidu wallet. An
//! operation that this test does not know is an error, so that no vector is passed over in silence.

use base64::{Engine, engine::general_purpose::STANDARD};
use certs::{Hash, Keys, Material};
use domain::KeyRef;
use serde_json::Value;
use std::path::PathBuf;

/// Where the vectors lie: `GUANDAO_VECTORS`, else `tests/vectors` of the workspace.
fn folder() -> PathBuf {
    let standing = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");
    std::env::var_os("GUANDAO_VECTORS").map_or_else(standing, PathBuf::from)
}

fn cases(name: &str) -> Vec<Value> {
    let octets = std::fs::read(folder().join(format!("{name}.json"))).expect("the vectors are there");
    let mut file: Value = serde_json::from_slice(&octets).expect("vectors are JSON");
    match file["cases"].take() {
        Value::Array(cases) => cases,
        _ => panic!("cases"),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is a text"))
}

/// One key under one name.
fn with(material: Material) -> (Keys, KeyRef) {
    let (keys, name) = (Keys::default(), KeyRef::new("k").expect("a name"));
    keys.put(name.clone(), material);
    (keys, name)
}

fn file(path: &str) -> Material {
    Material::read(&std::fs::read(folder().join(path)).expect("the file is there")).expect("a key")
}

#[test]
fn vectors_wechat_gm() {
    for case in cases("wechat_gm") {
        let (input, expect) = (&case["input"], &case["expect"]);
        match text(&case, "op") {
            "verify_sm2_with_sm3" => {
                let (keys, key) = with(file(text(input, "public_key")));
                let signature = STANDARD
                    .decode(text(input, "signature_base64_der"))
                    .expect("base64");
                let valid = keys
                    .verify(&key, text(input, "message").as_bytes(), &signature)
                    .is_ok();
                assert_eq!(valid, expect["valid"].as_bool().expect("valid"), "{}", case["id"]);
            }
            "decrypt_resource_gm" => {
                let (keys, key) =
                    with(Material::secret(text(input, "apiv3_key").as_bytes()).expect("a secret"));
                let [nonce, associated] =
                    ["nonce", "associated_data"].map(|name| text(input, name).as_bytes());
                let sealed = STANDARD.decode(text(input, "ciphertext")).expect("base64");
                let plain = keys.open_sm4(&key, nonce, associated, &sealed).expect("opens");
                assert_eq!(String::from_utf8_lossy(&plain), text(expect, "plaintext"));
                let mut altered = sealed.clone();
                altered[0] ^= 1;
                for (nonce, associated, sealed) in [
                    (nonce, associated, &altered),
                    (nonce, b"other", &sealed),
                    (b"short", associated, &sealed),
                ] {
                    assert!(keys.open_sm4(&key, nonce, associated, sealed).is_err());
                }
            }
            other => panic!("unknown op {other}"),
        }
    }
}

#[test]
fn vectors_alipay_content() {
    for case in cases("alipay_v2")
        .iter()
        .filter(|case| case["input"]["aes_key_base64"].is_string())
    {
        let (input, expect) = (&case["input"], &case["expect"]);
        let (keys, key) = with(Material::content(text(input, "aes_key_base64").as_bytes()).expect("a key"));
        match text(case, "op") {
            "aes_cbc_zero_iv" => {
                let plain = text(input, "plaintext").as_bytes();
                let sealed = keys.seal_content(&key, plain).expect("seals");
                assert_eq!(STANDARD.encode(&sealed), text(expect, "ciphertext_base64"));
                assert_eq!(*keys.open_content(&key, &sealed).expect("opens"), plain);
            }
            "verify_then_decrypt_response" => {
                let quoted: String =
                    serde_json::from_str(text(expect, "signed_substring")).expect("a quoted text");
                let sealed = STANDARD.decode(quoted).expect("base64");
                let plain = keys.open_content(&key, &sealed).expect("opens");
                assert_eq!(String::from_utf8_lossy(&plain), text(expect, "plaintext"));
                assert!(keys.open_content(&key, &sealed[1..]).is_err());
            }
            other => panic!("unknown op {other}"),
        }
    }
}

/// Of the vectors here only what the key does; the text and its octets are `channel`'s.
#[test]
fn vectors_baifubao_digests() {
    for case in cases("baifubao") {
        let (input, expect) = (&case["input"], &case["expect"]);
        assert_eq!(text(&case, "op"), "sign");
        let hash = match text(&input["params"], "sign_method") {
            "1" => Hash::Md5,
            "2" => Hash::Sha1,
            other => panic!("unknown sign_method {other}"),
        };
        let secret = text(input, "key");
        let (keys, key) = with(Material::keyed(hash, secret.as_bytes()).expect("a secret"));
        let whole = text(expect, "string_to_digest");
        let message = whole
            .strip_suffix(secret)
            .and_then(|rest| rest.strip_suffix("&key="))
            .expect("the key stands last");
        assert_eq!(text(input, "encoding"), "gbk");
        let (octets, _, unknown) = encoding_rs::GBK.encode(message);
        assert!(!unknown);
        assert_eq!(
            hex::encode(keys.sign(&key, &octets).expect("signs")),
            text(expect, "sign")
        );
        assert_eq!(
            keys.verify(&key, &octets, &hex::decode(text(expect, "sign")).expect("hex")),
            Ok(())
        );
    }
}
