//! Alipay gateway v2 and its certificate numbers.

use crate::{crypto, text};
use base64::{Engine, engine::general_purpose::STANDARD};
use channel::{
    Account, Answer, Authentic, Signed, alipay_v3, dialect,
    form::Form,
    native,
    notice::{self, Kind, Notice},
};
use domain::{AccountNo, Channel, Instant, OpenApi, Operation, PayWay, PayeeNo};
use http::{HeaderMap, HeaderValue};
use md5::{Digest, Md5};
use serde_json::Value;
use x509_parser::{pem::Pem, prelude::X509Certificate};

pub(crate) fn case(op: &str, input: &Value, expect: &Value) {
    match op {
        "sign_request" => sign_request(input, expect),
        "verify_response" => verify_response(input, expect),
        "verify_notify" => verify_notify(input, expect),
        "aes_cbc_zero_iv" => {
            let sealed = crypto::cbc_seal(text(input, "aes_key_base64"), text(input, "plaintext").as_bytes());
            assert_eq!(STANDARD.encode(sealed), text(expect, "ciphertext_base64"));
        }
        "verify_then_decrypt_response" => verify_then_decrypt(input, expect),
        other => panic!("unknown op {other}"),
    }
}

fn account() -> Account {
    Account {
        channel: Channel::Alipay,
        account: AccountNo::new("2021000066965330").expect("app_id"),
        payee: PayeeNo::new("2088864287612845").expect("seller_id"),
        appid: None,
        sub_appid: None,
        serial: None,
        platform: None,
        root_sn: None,
        sign_method: Default::default(),
        encrypts: false,
        openapi: Default::default(),
        codepay: false,
        sha1: false,
        key_by_serial: false,
        bank: None,
        notify_url: "https://guandao.example/n".into(),
    }
}

/// Each is read for pass-through, whoever brings it.
fn sign_request(input: &Value, expect: &Value) {
    let body = text(expect, "form_encoded_sorted").as_bytes();
    let form = Form::parse(body).expect("a lawful form");
    let message = form.string_to_sign(|name, value| name != "sign" && !value.is_empty());
    assert_eq!(String::from_utf8_lossy(&message), text(expect, "string_to_sign"));
    assert_eq!(
        crypto::sign(text(input, "private_key"), &message),
        text(expect, "sign")
    );
    let mut headers = HeaderMap::new();
    headers.insert(
        "content-type",
        HeaderValue::from_static("application/x-www-form-urlencoded;charset=utf-8"),
    );
    let read = native::read(
        Channel::Alipay,
        |_| true,
        &|_, _, _| Err(native::Unopened::NoKey),
        "POST",
        "/gateway.do",
        &headers,
        body,
    );
    let native = read.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(native.proof.message, *message);
    assert_eq!(STANDARD.encode(&native.proof.signature), text(expect, "sign"));
    assert!(crypto::verifies(
        "keys/alipay_app_pub.pem",
        &message,
        &native.proof.signature
    ));
}

fn operation(input: &Value) -> Operation {
    match text(input, "response_key") {
        "alipay_trade_precreate_response" => Operation::Create,
        "alipay_trade_query_response" => Operation::Query,
        other => panic!("unknown node {other}"),
    }
}

fn signed(input: &Value) -> Option<Signed> {
    let body = text(input, "raw_body").as_bytes();
    let none = HeaderMap::new();
    match channel::authenticate_answer(
        &account(),
        operation(input),
        PayWay::Qr,
        200,
        &none,
        body,
        Instant::default(),
    ) {
        Ok(Authentic::Signed(signed)) => Some(signed),
        Ok(Authentic::Unsigned) => None,
        Err(unclear) => panic!("{unclear:?}"),
    }
}

fn verify_response(input: &Value, expect: &Value) {
    let signed = signed(input);
    let valid = signed
        .as_ref()
        .is_some_and(|s| crypto::verifies(text(input, "public_key"), &s.message, &s.signature));
    assert_eq!(valid, expect["valid"].as_bool().expect("valid"));
    if let (Some(signed), Some(wanted)) = (&signed, expect["signed_substring"].as_str()) {
        assert_eq!(signed.key.as_str(), "alipay/2021000066965330/platform");
        assert_eq!(String::from_utf8_lossy(&signed.message), wanted);
    }
    if let Some(error) = expect["gateway_error"].as_object() {
        let body = text(input, "raw_body").as_bytes();
        let answer = channel::read_answer(&account(), operation(input), PayWay::Qr, 200, body);
        let Answer::Failed(failure) = answer else {
            panic!("a refusal")
        };
        assert_eq!(Some(&*failure.code), error["sub_code"].as_str());
    }
}

fn verify_notify(input: &Value, expect: &Value) {
    let (account, body) = (account(), text(input, "form_body").as_bytes());
    let none = HeaderMap::new();
    let signed = notice::authenticate(Channel::Alipay, &account, &none, body, Instant::default());
    let signed = signed.expect("a lawful form");
    let valid = crypto::verifies(text(input, "public_key"), &signed.message, &signed.signature);
    assert_eq!(valid, expect["valid"].as_bool().expect("valid"));
    if let Some(wanted) = expect["string_verified"].as_str() {
        assert_eq!(String::from_utf8_lossy(&signed.message), wanted);
        assert!(matches!(
            notice::read(&account, body, Kind::Open),
            Ok(Notice::Order(_))
        ));
    }
    assert_eq!(
        dialect::ack(Channel::Alipay, dialect::Speech::Own).body,
        text(expect, "ack").as_bytes()
    );
}

fn verify_then_decrypt(input: &Value, expect: &Value) {
    let signed = signed(input).expect("signed");
    assert_eq!(
        String::from_utf8_lossy(&signed.message),
        text(expect, "signed_substring")
    );
    let valid = crypto::verifies(text(input, "public_key"), &signed.message, &signed.signature);
    assert_eq!(valid, expect["valid"].as_bool().expect("valid"));
    let quoted: String = serde_json::from_slice(&signed.message).expect("a quoted text");
    let sealed = STANDARD.decode(quoted).expect("base64");
    // Of an answer to what a merchant's own client encrypted the same is found.
    let raw = text(input, "raw_body").as_bytes();
    let found = channel::encrypted_native_answer(&account(), operation(input), "/gateway.do", 200, raw);
    assert!(matches!(found, Ok(Some(found)) if found.ciphertext == sealed));
    let plain = crypto::cbc_open(text(input, "aes_key_base64"), &sealed);
    assert_eq!(String::from_utf8_lossy(&plain), text(expect, "plaintext"));
}

pub(crate) fn v3_case(op: &str, input: &Value, expect: &Value) {
    match op {
        "sign_v3" => sign_v3(input, expect),
        "verify_v3" => {
            let pairs = input["headers"]
                .as_object()
                .expect("headers")
                .iter()
                .map(|(name, value)| {
                    let name = http::HeaderName::from_bytes(name.as_bytes()).expect("name");
                    (
                        name,
                        HeaderValue::from_str(value.as_str().expect("text")).expect("value"),
                    )
                });
            let (headers, body) = (pairs.collect(), text(input, "body").as_bytes());
            let verifies = |s: Signed| crypto::verifies(text(input, "public_key"), &s.message, &s.signature);
            let valid = alipay_v3::signed(&account(), &headers, body).is_ok_and(verifies);
            assert_eq!(valid, expect["valid"].as_bool().expect("valid"));
            // So an answer to a call of ours is held.
            let account = Account {
                openapi: OpenApi::V3,
                ..account()
            };
            let (operation, now) = (Operation::Query, Instant::default());
            let held =
                channel::authenticate_answer(&account, operation, PayWay::Qr, 200, &headers, body, now);
            let Ok(Authentic::Signed(signed)) = held else {
                panic!("an answer that carries a signature is held to it")
            };
            assert_eq!(verifies(signed), valid);
        }
        other => panic!("unknown op {other}"),
    }
}

fn sign_v3(input: &Value, expect: &Value) {
    let token = input["app_auth_token"].as_str().map(vault::Text::from);
    let [method, target, body] = ["method", "path_and_query", "body"].map(|name| text(input, name));
    let auth_string = text(input, "auth_string");
    let message = alipay_v3::to_sign(auth_string, method, target, body.as_bytes(), token.as_ref());
    assert_eq!(String::from_utf8_lossy(&message), text(expect, "message"));
    let signature = STANDARD
        .decode(crypto::sign(text(input, "private_key"), &message))
        .expect("base64");
    let header = alipay_v3::authorization(auth_string, &signature);
    assert_eq!(header, text(expect, "authorization"));
    let read = alipay_v3::Authorization::read(&header).expect("lawful");
    assert_eq!(
        read.message(method, target, body.as_bytes(), token.as_ref()),
        message
    );
    assert_eq!(read.signature, signature);
}

pub(crate) fn certificate_case(op: &str, input: &Value, expect: &Value) {
    let file = crypto::file(text(input, "cert"));
    let blocks: Vec<Pem> = Pem::iter_from_buffer(&file)
        .map(|block| block.expect("PEM"))
        .collect();
    let certificates = blocks
        .iter()
        .map(|block| block.parse_x509().expect("a certificate"));
    let rsa = |c: &X509Certificate<'_>| {
        c.signature_algorithm
            .algorithm
            .to_id_string()
            .starts_with("1.2.840.113549.1.1")
    };
    let sns: Vec<String> = match op {
        "cert_sn" => certificates.take(1).map(|c| sn(&c, expect)).collect(),
        "root_cert_sn" => certificates.filter(rsa).map(|c| sn(&c, &Value::Null)).collect(),
        other => panic!("unknown op {other}"),
    };
    assert_eq!(sns.join("_"), text(expect, "sn"));
}

/// Issuer, last attribute first, and the decimal serial (channels.md 3.6).
fn sn(certificate: &X509Certificate<'_>, expect: &Value) -> String {
    let mut names: Vec<String> = certificate
        .issuer()
        .to_string()
        .split(", ")
        .map(str::to_owned)
        .collect();
    names.reverse();
    let hashed = format!("{}{}", names.join(","), certificate.tbs_certificate.serial);
    if let Some(wanted) = expect["string_hashed"].as_str() {
        assert_eq!(hashed, wanted);
    }
    hex::encode(Md5::digest(hashed))
}
