//! WeChat Pay v3.

use crate::{crypto, text};
use base64::{Engine, engine::general_purpose::STANDARD};
use channel::{
    Account, Answer, Authentic, CallUp, Signed, Stamp,
    native::{self, Native},
    notice,
};
use domain::{AccountNo, Channel, Instant, Operation, PayWay, PayeeNo, Reach};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

pub(crate) fn case(op: &str, input: &Value, expect: &Value) {
    match op {
        "sign_request" => sign_request(input, expect),
        "verify_response" => verify_response(input, expect),
        "parse_notification" => parse_notification(input, expect),
        "sign_client_params" => sign_client_params(input, expect),
        "decrypt_certificates" => decrypt_certificates(input, expect),
        "decrypt_sensitive_field" => {
            let sealed = STANDARD.decode(text(input, "ciphertext")).expect("base64");
            let plain = crypto::oaep_open(text(input, "private_key"), &sealed);
            assert_eq!(plain, text(expect, "plaintext").as_bytes());
        }
        other => panic!("unknown op {other}"),
    }
}

fn account() -> Account {
    Account {
        channel: Channel::Wechat,
        account: AccountNo::new("1900000109").expect("mchid"),
        payee: PayeeNo::new("1900000109").expect("mchid"),
        appid: Some("wx4fd52d1ed208e8ac".into()),
        sub_appid: None,
        serial: Some("4B74CAE8482A9D987E2BF899FA7FDEA0349C6659".into()),
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

fn now(input: &Value) -> Instant {
    Instant::from_secs(text(input, "now").parse().expect("seconds"))
}

fn headers(value: &Value) -> HeaderMap {
    let pairs = value.as_object().expect("headers").iter();
    let pair = |(name, value): (&String, &Value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("name");
        (
            name,
            HeaderValue::from_str(value.as_str().expect("text")).expect("value"),
        )
    };
    pairs.map(pair).collect()
}

/// The request as an SDK sends it is read for pass-through; what it proves is what the vector says.
fn sign_request(input: &Value, expect: &Value) {
    let mut headers = HeaderMap::new();
    let authorization = text(expect, "authorization_any_parameter_order");
    headers.insert(
        "authorization",
        HeaderValue::from_str(authorization).expect("header"),
    );
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let (method, target, body) = (
        text(input, "method"),
        text(input, "path_and_query"),
        text(input, "body"),
    );
    let read = native::read(
        Channel::Wechat,
        |_| true,
        &|_, _, _| Err(native::Unopened::NoKey),
        method,
        target,
        &headers,
        body.as_bytes(),
    );
    let Native { account, proof, .. } = read.expect("a lawful request");
    assert_eq!(account.as_str(), text(input, "mchid"));
    assert_eq!(String::from_utf8_lossy(&proof.message), text(expect, "message"));
    assert_eq!(STANDARD.encode(&proof.signature), text(expect, "signature"));
    assert_eq!(
        crypto::sign(text(input, "private_key"), &proof.message),
        text(expect, "signature")
    );
    assert!(crypto::verifies(
        "keys/wechat_merchant_pub.pem",
        &proof.message,
        &proof.signature
    ));
    assert_eq!(
        proof.key.as_str(),
        format!("wechat/{account}/merchant-public/{}", text(input, "serial_no"))
    );
}

/// The key file that the signed message asks for; `None` if nobody knows the serial.
fn verifies(input: &Value, signed: &Signed) -> bool {
    let serial = signed
        .key
        .as_str()
        .strip_prefix("wechat/1900000109/platform/")
        .expect("a platform key");
    let file = input["known_keys"][serial].as_str();
    file.is_some_and(|file| crypto::verifies(file, &signed.message, &signed.signature))
}

fn verify_response(input: &Value, expect: &Value) {
    let status = input["status"].as_u64().expect("status") as u16;
    let body = text(input, "body").as_bytes();
    let found = channel::authenticate_answer(
        &account(),
        Operation::Create,
        PayWay::Native,
        status,
        &headers(&input["headers"]),
        body,
        now(input),
    );
    let accepted = match found {
        Ok(Authentic::Signed(signed)) => verifies(input, &signed),
        Ok(Authentic::Unsigned) | Err(_) => false,
    };
    assert_eq!(accepted, expect["accept"].as_bool().expect("accept"));
}

fn parse_notification(input: &Value, expect: &Value) {
    let (account, body) = (account(), text(input, "body").as_bytes());
    let signed = notice::authenticate(
        Channel::Wechat,
        &account,
        &headers(&input["headers"]),
        body,
        now(input),
    );
    let opened = signed
        .ok()
        .filter(|signed| verifies(input, signed))
        .and_then(|_| {
            let resource = notice::sealed(&account, body).expect("a resource")?;
            assert_eq!(resource.key.as_str(), "wechat/1900000109/apiv3");
            let key = text(input, "apiv3_key");
            let plain = crypto::open(
                key,
                &resource.nonce,
                &resource.associated_data,
                &resource.ciphertext,
            )?;
            Some((plain, resource.kind))
        });
    assert_eq!(opened.is_some(), expect["accept"].as_bool().expect("accept"));
    if let Some((plain, kind)) = opened {
        assert_eq!(
            String::from_utf8_lossy(&plain),
            text(expect, "resource_plaintext")
        );
        assert!(!matches!(
            notice::read(&account, &plain, kind),
            Ok(notice::Notice::Ignored) | Err(_)
        ));
    }
}

fn sign_client_params(input: &Value, expect: &Value) {
    let stamp = Stamp {
        at: Instant::from_secs(text(input, "timeStamp").parse().expect("seconds")),
        begun: Instant::default(),
        nonce: text(input, "nonceStr").into(),
    };
    let (pay_way, place) = match text(input, "kind") {
        "jsapi_or_miniprogram" => (PayWay::Jsapi, "paySign"),
        "app" => (PayWay::App, "sign"),
        other => panic!("unknown kind {other}"),
    };
    let account = channel::Account {
        appid: Some(text(input, "appId").into()),
        sub_appid: None,
        ..account()
    };
    let reach = Reach::Prepay(text(input, "prepay_id").into());
    let Some(CallUp::ToSign(draft)) = channel::call_up(&account, &stamp, pay_way, &reach) else {
        panic!("to sign")
    };
    let message = draft.message().to_vec();
    let signature = STANDARD.decode(text(expect, "signature")).expect("base64");
    assert_eq!(draft.with(&signature)[place], expect["signature"]);
    assert_eq!(String::from_utf8_lossy(&message), text(expect, "message"));
    assert_eq!(
        crypto::sign(text(input, "private_key"), &message),
        text(expect, "signature")
    );
}

fn decrypt_certificates(input: &Value, expect: &Value) {
    let body = text(input, "body").as_bytes();
    let answer = channel::read_answer(&account(), Operation::Certificates, PayWay::Native, 200, body);
    let Answer::Certificates(certificates) = answer else {
        panic!("certificates")
    };
    let [one] = certificates.as_slice() else {
        panic!("one certificate")
    };
    assert_eq!(one.serial, text(expect, "serial_no"));
    let plain = crypto::open(
        text(input, "apiv3_key"),
        &one.nonce,
        &one.associated_data,
        &one.ciphertext,
    );
    assert_eq!(plain.as_deref(), Some(text(expect, "pem").as_bytes()));
}
