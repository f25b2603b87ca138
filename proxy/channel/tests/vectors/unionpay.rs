//! UnionPay, ACP gateway 5.1.0. Secrets and certificates are put to use here with the few primitives of the tests; the
//! product's own stand in crate `certs`, which has the same files in its tests.

use crate::{crypto, text};
use base64::{Engine, engine::general_purpose::STANDARD};
use channel::{
    Account, Authentic, CreateFacts, Draft, Signed, Stamp, dialect, native,
    notice::{self, Kind, Notice},
};
use domain::*;
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use serde_json::Value;
use vault::{Buyer, Text};

pub(crate) fn case(op: &str, input: &Value, expect: &Value) {
    match op {
        "sign_request" => sign_request(input, expect),
        "verify_sync_text" => verify_sync_text(input, expect),
        "verify_notify_form" => verify_notify_form(input, expect),
        "encode_customer_info" => encode_customer_info(input, expect),
        "decrypt_sensitive_field" => {
            let sealed = STANDARD.decode(text(input, "ciphertext")).expect("base64");
            let plain = crypto::pkcs1_open(text(input, "private_key"), &sealed);
            assert_eq!(String::from_utf8_lossy(&plain), text(expect, "plaintext"));
        }
        other => panic!("unknown op {other}"),
    }
}

fn account(method: SignMethod, mer_id: &str, cert_id: Option<&str>, notify_url: &str) -> Account {
    Account {
        channel: Channel::Unionpay,
        account: AccountNo::new(mer_id).expect("merId"),
        payee: PayeeNo::new(mer_id).expect("merId"),
        appid: None,
        sub_appid: None,
        serial: cert_id.map(str::to_owned),
        platform: None,
        root_sn: None,
        sign_method: method,
        encrypts: false,
        openapi: Default::default(),
        codepay: false,
        sha1: false,
        key_by_serial: false,
        bank: None,
        notify_url: notify_url.into(),
    }
}

fn method(name: &str) -> SignMethod {
    serde_json::from_value(name.into()).expect("a signMethod")
}

/// `yyyyMMddHHmmss` of China.
fn at(written: &str) -> Instant {
    let part = |from: usize, to: usize| &written[from..to];
    let spelt = format!(
        "{}-{}-{}T{}:{}:{}+08:00",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14)
    );
    Instant::from_millis(spelt.parse::<jiff::Timestamp>().expect("a time").as_millisecond())
}

/// The same facts are composed by ourselves, and what comes out has every field of the case with its own value.
fn sign_request(input: &Value, expect: &Value) {
    let (params, wanted) = (&input["params"], text(expect, "string_to_sign"));
    let given = |name: &str| params[name].as_str();
    let method = method(text(params, "signMethod"));
    let account = account(
        method,
        text(params, "merId"),
        input["certId"].as_str(),
        given("backUrl").unwrap_or_default(),
    );
    let sent = at(text(params, "txnTime"));
    let stamp = Stamp {
        at: sent,
        begun: sent,
        nonce: "n".into(),
    };
    let number = ChannelNo::new(text(params, "orderId")).expect("a number");
    // A number that is too short for UnionPay's own pages has nothing to compose; its text is signed as it stands.
    let draft = match (text(params, "txnType"), text(params, "txnSubType")) {
        ("00", _) => channel::query(&account, &stamp, PayWay::Qr, &number).ok(),
        ("01", sub_type) => Some(order(&account, &stamp, &number, params, sub_type)),
        other => panic!("unknown transaction {other:?}"),
    };
    let mut message = wanted.as_bytes().to_vec();
    if let Some(digest) = expect["sha256_hex"].as_str() {
        assert_eq!(crypto::sha256_hex(&message), digest);
        message = digest.as_bytes().to_vec();
    }
    let made = match input["private_key"].as_str() {
        Some(key) => crypto::sign(key, &message),
        None => crypto::keyed(method == SignMethod::KeyedSm3, text(input, "secureKey"), &message),
    };
    assert_eq!(made, text(expect, "signature"));
    passes(input, &made, &message, draft.is_some());
    let Some(draft) = draft else { return };
    assert_eq!(draft.method(), method);
    let signed = match method {
        SignMethod::Signature => STANDARD.decode(&made).expect("base64"),
        _ => made.clone().into_bytes(),
    };
    for (name, value) in ours(draft, &signed) {
        let theirs = if name == "certId" {
            input["certId"].as_str()
        } else {
            given(&name)
        };
        // What the case leaves out may be said; what it says must be said so.
        assert!(
            theirs.is_none_or(|theirs| theirs == value) || name == "signature",
            "{name}"
        );
    }
}

/// The same request as its own client sends it passes the door, by what it signed. A number too short for UnionPay's own pages is
/// refused for that alone.
fn passes(input: &Value, signature: &str, message: &[u8], number_fits: bool) {
    let fields = input["params"].as_object().expect("params");
    let fields = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().expect("text")));
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields).append_pair("signature", signature);
    if let Some(cert_id) = input["certId"].as_str() {
        form.append_pair("certId", cert_id);
    }
    let headers = HeaderMap::from_iter([(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    )]);
    let path = format!("/gateway/api/{}", text(input, "endpoint"));
    let read = native::read(
        Channel::Unionpay,
        |_| true,
        &|_, _, _| Err(native::Unopened::NoKey),
        "POST",
        &path,
        &headers,
        form.finish().as_bytes(),
    );
    match read {
        Ok(native) => {
            assert_eq!(native.account.as_str(), text(&input["params"], "merId"));
            assert_eq!(native.proof.message, message);
        }
        Err(error) => assert!(
            !number_fits && error.text.starts_with("orderId must be"),
            "{}",
            error.text
        ),
    }
}

/// The fields as they go out, by their names.
fn ours(draft: Draft, signature: &[u8]) -> Vec<(String, String)> {
    let body = draft.sign_with(signature).body;
    form_urlencoded::parse(&body).into_owned().collect()
}

fn order(account: &Account, stamp: &Stamp, number: &ChannelNo, params: &Value, sub_type: &str) -> Draft {
    let pay_way = match (sub_type, text(params, "bizType")) {
        ("07", _) => PayWay::Qr,
        (_, "000202") => PayWay::GatewayB2b,
        _ => PayWay::Gateway,
    };
    let code = Code {
        kind: CodeKind::Dynamic,
        level: CodeLevel::B,
    };
    let expires = params["payTimeout"].as_str().map_or_else(Instant::default, at);
    let amount = Amount::from_fen(text(params, "txnAmt").parse().expect("fen"));
    let facts = CreateFacts {
        number,
        pay_way,
        amount,
        expires,
        terminal: None,
        place: None,
        bank: None,
        product: None,
        code,
    };
    let front = params["frontUrl"].as_str().map(Text::from);
    let buyer = Buyer {
        description: Text::from("x"),
        attach: None,
        payer: None,
        client_ip: None,
        device_id: None,
        detail: None,
        h5_type: None,
        return_url: front,
        quit_url: None,
    };
    let draft = if pay_way == PayWay::Qr {
        channel::create(account, stamp, &facts, &buyer)
    } else {
        channel::hand_out(account, stamp, &facts, &buyer)
    };
    draft.expect("composes")
}

/// The certificate of a message counts under root and middle, and is the key of its signature.
fn valid(signed: &Signed, trust: &Value) -> bool {
    let certificate = signed.certificate.as_deref().expect("a certificate");
    crypto::issued(certificate, text(trust, "middle"), text(trust, "root"))
        && crypto::verifies_with(certificate, &signed.message, &signed.signature)
}

fn mer_id(params: &Value) -> &str {
    params["merId"].as_str().unwrap_or("777290058110048")
}

fn verify_sync_text(input: &Value, expect: &Value) {
    let (params, body) = (&expect["params"], text(input, "body").as_bytes());
    let account = account(SignMethod::Signature, mer_id(params), None, "");
    let operation = if params["txnType"] == "00" {
        Operation::Query
    } else {
        Operation::Create
    };
    let signed = match channel::authenticate_answer(
        &account,
        operation,
        PayWay::Qr,
        200,
        &HeaderMap::new(),
        body,
        Instant::default(),
    ) {
        Ok(Authentic::Signed(signed)) => signed,
        _ => panic!("a signed answer"),
    };
    assert_eq!(
        valid(&signed, &input["trust"]),
        expect["valid"].as_bool().expect("valid")
    );
    if params.is_object() {
        assert_eq!(
            signed.message,
            crypto::sha256_hex(&string_of(params)).into_bytes(),
            "every field has its part in the signature"
        );
        let read = channel::read_answer(&account, operation, PayWay::Qr, 200, body);
        match (read, operation) {
            (channel::Answer::State(view), Operation::Query) => {
                assert_eq!(view.number.as_str(), text(params, "orderId"));
                let channel::ChannelState::Paid(facts) = view.state else {
                    panic!("paid")
                };
                assert_eq!(facts.amount.fen().to_string(), text(params, "txnAmt"));
                assert_eq!(facts.trade_no.as_str(), text(params, "queryId"));
            }
            (channel::Answer::Placed(Reach::Code(code)), Operation::Create) => {
                assert_eq!(&*code, text(params, "qrCode"))
            }
            _ => panic!("an answer to its question"),
        }
    }
}

/// The string to sign of these fields.
fn string_of(params: &Value) -> Vec<u8> {
    let mut fields: Vec<(&str, &str)> = params
        .as_object()
        .expect("fields")
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str().expect("text")))
        .collect();
    fields.retain(|(name, _)| *name != "signature");
    fields.sort_unstable();
    fields
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("&")
        .into_bytes()
}

fn verify_notify_form(input: &Value, expect: &Value) {
    let (params, body) = (&expect["params"], text(input, "body").as_bytes());
    let account = account(SignMethod::Signature, mer_id(params), None, "");
    let signed = notice::authenticate(
        Channel::Unionpay,
        &account,
        &HeaderMap::new(),
        body,
        Instant::default(),
    )
    .expect("a lawful form");
    assert_eq!(
        valid(&signed, &input["trust"]),
        expect["valid"].as_bool().expect("valid")
    );
    if params.is_object() {
        assert_eq!(
            signed.message,
            crypto::sha256_hex(&string_of(params)).into_bytes()
        );
        let Ok(Notice::Order(view)) = notice::read(&account, body, Kind::Open) else {
            panic!("an order")
        };
        assert_eq!(view.number.as_str(), text(params, "orderId"));
        assert_eq!(view.payer.expect("a payer").value.expose(), text(params, "accNo"));
        let ack = dialect::ack(Channel::Unionpay, dialect::Speech::Own);
        assert_eq!(format!("HTTP {}", ack.status), text(expect, "ack"));
    }
}

fn encode_customer_info(input: &Value, expect: &Value) {
    let fields = input["fields_in_order"].as_array().expect("pairs");
    let pairs: Vec<(&str, &str)> = fields
        .iter()
        .map(|pair| (pair[0].as_str().expect("name"), pair[1].as_str().expect("value")))
        .collect();
    let packed = channel::customer_info(&pairs);
    assert_eq!(packed.as_str(), text(expect, "customerInfo"));
    let read = channel::read_customer_info(&packed).expect("own text");
    assert_eq!(
        read.iter()
            .map(|(name, value)| (name.as_str(), value.expose()))
            .collect::<Vec<_>>(),
        pairs
    );
}
