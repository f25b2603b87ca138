//! WeChat Pay V2.

use crate::{crypto, text};
use channel::{
    Account, Stamp,
    strict_xml::Fields,
    wechat_v2::{
        Message, notice,
        product_code::{ProductCode, ScanAnswer, Scanned},
        string_to_sign,
    },
};
use domain::{AccountNo, Channel, Instant, PayeeNo};
use serde_json::Value;

pub(crate) fn case(op: &str, input: &Value, expect: &Value) {
    match op {
        "sign_v2" => sign_v2(input, expect),
        "native_mode_one_url" => native_mode_one_url(input, expect),
        "native_mode_one_exchange" => native_mode_one_exchange(input, expect),
        "verify_v2_notify" => verify_v2_notify(input, expect),
        "decrypt_v2_refund_notify" => decrypt_v2_refund_notify(input, expect),
        other => panic!("unknown op {other}"),
    }
}

/// The account that a message names.
fn account(appid: &str, mchid: &str) -> Account {
    Account {
        channel: Channel::Wechat,
        account: AccountNo::new(mchid).expect("mch_id"),
        payee: PayeeNo::new(mchid).expect("mch_id"),
        appid: Some(appid.into()),
        sub_appid: None,
        serial: None,
        platform: None,
        root_sn: None,
        encrypts: false,
        openapi: Default::default(),
        codepay: false,
        sign_method: Default::default(),
        sha1: false,
        key_by_serial: false,
        bank: None,
        notify_url: "https://guandao.example/n".into(),
    }
}

fn account_of(xml: &str) -> Account {
    let said = Message::read(xml.as_bytes()).expect("flat XML");
    account(
        said.get("appid").expect("appid"),
        said.get("mch_id").expect("mch_id"),
    )
}

fn hex_upper(octets: &[u8]) -> String {
    hex::encode_upper(octets)
}

fn sign_v2(input: &Value, expect: &Value) {
    let params = input["params"].as_object().expect("params");
    let fields = params
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().expect("text")));
    let string = string_to_sign(fields.clone());
    assert_eq!(
        String::from_utf8_lossy(&string),
        text(expect, "string_before_key")
    );
    let (hmac, key) = (input["sign_type"] == "HMAC-SHA256", text(input, "apiv2_key"));
    let whole = [&string[..], b"&key=", key.as_bytes()].concat();
    assert_eq!(String::from_utf8_lossy(&whole), text(expect, "string_to_digest"));
    assert_eq!(hex_upper(&crypto::v2(hmac, key, &string)), text(expect, "sign"));
    // The whole message, as the SDK writes it, reads as what it was made of.
    let said = Message::read(text(expect, "xml").as_bytes()).expect("flat XML");
    assert!(
        fields
            .filter(|(_, value)| !value.is_empty())
            .all(|(name, value)| said.get(name) == Some(value))
    );
    assert_eq!(said.message(), string);
    assert_eq!(said.signature(), Some(crypto::v2(hmac, key, &string)));
}

fn native_mode_one_url(input: &Value, expect: &Value) {
    let account = account(text(input, "appid"), text(input, "mch_id"));
    let at = Instant::from_secs(text(input, "time_stamp").parse().expect("seconds"));
    let stamp = Stamp {
        at,
        begun: Instant::default(),
        nonce: text(input, "nonce_str").into(),
    };
    let code = ProductCode::compose(&account, &stamp, text(input, "product_id")).expect("composes");
    assert_eq!(
        code.key().as_str(),
        format!("wechat/{}/apiv2-md5", account.account)
    );
    assert_eq!(
        String::from_utf8_lossy(&code.message()),
        text(expect, "string_before_key")
    );
    let signature = crypto::v2(false, text(input, "apiv2_key"), &code.message());
    assert_eq!(hex_upper(&signature), text(expect, "sign"));
    assert_eq!(
        parts(&code.sign_with(&signature)),
        parts(text(expect, "url_any_param_order"))
    );
}

/// The address and its parameters, sorted.
fn parts(url: &str) -> (&str, Vec<&str>) {
    let (address, query) = url.split_once('?').expect("a query");
    let mut pairs: Vec<&str> = query.split('&').collect();
    pairs.sort_unstable();
    (address, pairs)
}

fn native_mode_one_exchange(input: &Value, expect: &Value) {
    let (xml, key) = (text(input, "callback_xml"), text(input, "apiv2_key"));
    let account = account_of(xml);
    let scanned = Scanned::read(&account, xml.as_bytes()).expect("a scan");
    let (name, message, signature) = scanned.proof();
    assert_eq!(name.as_str(), format!("wechat/{}/apiv2-md5", account.account));
    let valid = crypto::v2(false, key, message) == signature;
    assert_eq!(valid, expect["callback_valid"].as_bool().expect("callback_valid"));
    let said = Message::read(xml.as_bytes()).expect("flat XML");
    let wanted = expect["callback_fields"].as_object().expect("fields");
    assert!(
        wanted
            .iter()
            .all(|(name, value)| said.get(name) == value.as_str())
    );
    assert_eq!(
        wanted.get("product_id"),
        Some(&Value::from(scanned.product.as_str()))
    );
    assert_eq!(
        wanted.get("openid"),
        Some(&Value::from(scanned.payer.value.expose()))
    );
    let answer = ScanAnswer::compose(
        &account,
        text(input, "answer_nonce_str"),
        Ok(text(input, "prepay_id")),
    );
    let answer = answer.expect("composes");
    let signature = crypto::v2(false, key, &answer.message());
    assert_eq!(hex_upper(&signature), text(expect, "answer_sign"));
    let body = answer.sign_with(&signature).expect("composes");
    let ours = Fields::parse(&body, "xml").expect("flat XML");
    let theirs = Fields::parse(text(expect, "answer_xml_any_order").as_bytes(), "xml").expect("flat XML");
    assert!(theirs.iter().all(|(name, value)| ours.get(name) == Some(value)));
    assert_eq!(ours.iter().count(), theirs.iter().count());
}

fn verify_v2_notify(input: &Value, expect: &Value) {
    let xml = text(input, "xml");
    let account = account_of(xml);
    let signed = notice::authenticate(&account, xml.as_bytes()).expect("a signature");
    let hmac = signed.signature.len() == 32;
    let valid = crypto::v2(hmac, text(input, "apiv2_key"), &signed.message) == signed.signature;
    assert_eq!(valid, expect["valid"].as_bool().expect("valid"));
    if valid {
        let view = notice::payment(&account, xml.as_bytes()).expect("a payment");
        let said = Message::read(xml.as_bytes()).expect("flat XML");
        assert_eq!(Some(view.number.as_str()), said.get("out_trade_no"));
        assert_eq!(notice::ACK, text(expect, "ack_xml"));
    }
}

fn decrypt_v2_refund_notify(input: &Value, expect: &Value) {
    let xml = text(input, "xml");
    let account = account_of(xml);
    let (name, sealed) = notice::sealed_refund(&account, xml.as_bytes()).expect("a sealed part");
    assert_eq!(name.as_str(), format!("wechat/{}/apiv2", account.account));
    let (key, plain) = crypto::v2_open(text(input, "apiv2_key"), &sealed);
    assert_eq!(key, text(expect, "aes_key_hex_string"));
    assert_eq!(String::from_utf8_lossy(&plain), text(expect, "plaintext_xml"));
    let view = notice::refund(&plain).expect("a refund");
    assert!(text(expect, "plaintext_xml").contains(view.number.as_str()));
}
