//! Notices of UnionPay that are none, and nonsense that UnionPay's own key has signed.

use super::{
    MARK, Yard,
    api::{keys_of, own},
    notices::wire,
    wire::At,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

const FORM: &str = "Content-Type: application/x-www-form-urlencoded;charset=UTF-8\r\n";

pub(crate) async fn all(yard: &Yard) {
    let place = &yard.demo.place;
    // Whose messages are signed by a key that its certificate names.
    let (number, _) = place
        .merchants
        .iter()
        .enumerate()
        .find(|(_, merchant)| merchant.sign_method() == "01")
        .expect("a merchant of signMethod 01");
    let accounts = &place.merchants[number].accounts;
    let read = |file: &str| std::fs::read_to_string(place.material.dir.join(file)).expect("readable");
    let keys = keys_of(&place.material.dir.join("unionpay/sign_key.pem"));
    let (true_cert, other_cert) = (read("unionpay/sign.cer"), read(&accounts.unionpay.cert_file));
    let path = format!("/n/unionpay/{}", accounts.unionpay.mer_id);
    let good: BTreeMap<&str, &str> = [
        ("version", "5.1.0"),
        ("encoding", "UTF-8"),
        ("signMethod", "01"),
        ("accessType", "0"),
        ("merId", accounts.unionpay.mer_id.as_str()),
        ("txnTime", "20260101080000"),
        ("bizType", "000000"),
        ("txnType", "01"),
        ("txnSubType", "06"),
        ("orderId", "nobodys0001"),
        ("txnAmt", "570"),
        ("currencyCode", "156"),
        ("respCode", "00"),
        ("respMsg", MARK),
        ("queryId", "782601010800001234518"),
        ("traceTime", "0101080000"),
        ("accNo", MARK),
        ("signPubKeyCert", true_cert.as_str()),
    ]
    .into();
    let signed = |fields: &BTreeMap<&str, &str>| {
        let text: Vec<String> = fields.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let hash = hex::encode(Sha256::digest(text.join("&")));
        let signature = STANDARD.encode(keys.sign(&own(), hash.as_bytes()).expect("signs"));
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .append_pair("signature", &signature)
            .finish()
    };
    let with = |name: &'static str, value: &'static str| {
        let mut fields = good.clone();
        fields.insert(name, value);
        fields
    };
    let without = |name: &str| {
        let mut fields = good.clone();
        fields.remove(name);
        fields
    };
    let whole = signed(&good);
    let mut other = good.clone();
    other.insert("signPubKeyCert", &other_cert);
    let hostile = [
        ("nothing", String::new()),
        ("garbage", format!("\u{1}{MARK}")),
        ("JSON", format!("{{\"merId\":\"{MARK}\"}}")),
        ("altered", whole.replace("txnAmt=570", "txnAmt=571")),
        ("a field more", format!("{whole}&{MARK}={MARK}")),
        ("a field twice", format!("{whole}&respMsg={MARK}")),
        ("a bad escape", format!("{whole}&{MARK}=%zz")),
        ("no UTF-8", format!("{whole}&{MARK}=%ff")),
        ("no pair", format!("{whole}&{MARK}")),
        ("another's certificate", signed(&other)),
        ("no certificate", signed(&without("signPubKeyCert"))),
        (
            "a certificate that is none",
            signed(&with("signPubKeyCert", MARK)),
        ),
        ("a digest's method", signed(&with("signMethod", "11"))),
        ("no method", signed(&without("signMethod"))),
        ("another encoding", signed(&with("encoding", "GBK"))),
        ("another merchant", signed(&with("merId", "777290058110099"))),
        // Truly signed, and nonsense.
        ("no amount", signed(&without("txnAmt"))),
        ("a negative amount", signed(&with("txnAmt", "-1"))),
        ("an amount that is none", signed(&with("txnAmt", MARK))),
        (
            "an amount beyond all",
            signed(&with("txnAmt", "9999999999999999999999")),
        ),
        ("no number of its own", signed(&without("queryId"))),
        ("a number that is none", signed(&with("orderId", "a b"))),
        ("a time that is none", signed(&with("traceTime", MARK))),
        ("no time", signed(&without("traceTime"))),
        ("no word", signed(&without("respCode"))),
        ("no kind", signed(&without("txnType"))),
    ];
    for (what, body) in hostile {
        let said = yard
            .say(At::NotifyUnionpay, &wire(&path, FORM, body.as_bytes()))
            .await;
        yard.refused(At::NotifyUnionpay, what, &said, "fail");
    }
}
