//! No funds at WeChat's V2 door: ten thousand hostile messages, each a lawful one with one thing in it that would pay
//! somebody else, split the money or could be read in two ways. None is taken as the merchant's own: it is refused, or its
//! facts name the stranger, whom the registry's payees then refuse (C03).

use channel::native::{self, Native, NativeError};
use domain::{Channel, PayeeNo};
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

const OWN: &str = "1900000109";
const STRANGER: &str = "1600000009";
const SIGN: &str = "0123456789ABCDEF0123456789ABCDEF";
const HOSTILE: u32 = 10_000;

type Fields = Vec<(&'static str, &'static str)>;

/// Lawful calls, and the fields of each that hold an amount.
fn lawful(which: usize) -> (&'static str, Fields, &'static [&'static str]) {
    const ALWAYS: [(&str, &str); 4] = [
        ("appid", "wx4f"),
        ("mch_id", OWN),
        ("nonce_str", "n1"),
        ("sign", SIGN),
    ];
    let with = |more: &[(&'static str, &'static str)]| ALWAYS.iter().chain(more).copied().collect();
    let order = [
        ("body", "tea"),
        ("out_trade_no", "20260101000001"),
        ("total_fee", "100"),
        ("spbill_create_ip", "203.0.113.7"),
        ("profit_sharing", "N"),
        (
            "detail",
            r#"{"cost_price":100,"goods_detail":[{"goods_id":"1","quantity":1,"price":100}]}"#,
        ),
        ("scene_info", r#"{"store_info":{"id":"1","name":"n"}}"#),
    ];
    match which % 5 {
        0 => {
            let mut fields: Fields = with(&order);
            fields.extend([
                ("trade_type", "NATIVE"),
                ("notify_url", "https://m.example/n"),
                ("product_id", "1"),
            ]);
            ("/pay/unifiedorder", fields, &["total_fee"])
        }
        1 => {
            let mut fields: Fields = with(&order);
            fields.push(("auth_code", "134567890123456789"));
            ("/pay/micropay", fields, &["total_fee"])
        }
        2 => (
            "/secapi/pay/refund",
            with(&[
                ("out_trade_no", "20260101000001"),
                ("out_refund_no", "r1"),
                ("refund_fee", "1"),
                ("total_fee", "100"),
            ]),
            &["refund_fee", "total_fee"],
        ),
        3 => (
            "/secapi/pay/reverse",
            with(&[("out_trade_no", "20260101000001")]),
            &[],
        ),
        _ => (
            "/pay/closeorder",
            with(&[("out_trade_no", "20260101000001")]),
            &[],
        ),
    }
}

fn element(name: &str, value: &str) -> String {
    format!("<{name}><![CDATA[{value}]]></{name}>")
}

fn written(fields: &Fields) -> String {
    let inner: String = fields.iter().map(|(name, value)| element(name, value)).collect();
    format!("<xml>{inner}</xml>")
}

/// What is done to a lawful message.
#[derive(Clone, Debug)]
enum Trick {
    /// A field that is not on the list.
    Field(usize, String, String),
    /// The payee is another.
    Payee(bool),
    /// A name stands twice, with the stranger in it; first or last.
    Twice(usize, bool),
    /// A value is not a text: it has elements of its own.
    Nested(usize),
    /// A document type and entities, or what else XML can do.
    Xml(usize),
    /// Octets that are no plain UTF-8.
    Octets(usize),
    /// An amount that is none.
    Amount(usize, usize),
    /// Money elsewhere in the JSON inside a text.
    Inside(bool, String),
    /// The feature is on.
    Splits(String),
    /// The same said beside the body.
    Query(String),
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "receivers",
            "receiver",
            "profit_sharing_",
            "Profit_sharing",
            "settle_info",
            "sub_mchid",
            "mchid",
            "amount",
            "re_user_name",
            "check_name",
            "partner_trade_no",
            "transfer",
            "enc_bank_no",
            "subsidy_amount",
            "contract_id",
            "deposit",
            "consume_fee",
            "coupon_stock_id",
            "promo_version",
            "sub_mch_id_0",
        ])
        .prop_map(str::to_owned),
        "[a-z_]{3,24}",
        "[A-Za-z][A-Za-z0-9_]{0,63}",
        "[a-z]{1,8}:[a-z]{1,8}",
    ]
}

fn tricks() -> impl Strategy<Value = Trick> {
    prop_oneof![
        4 => (any::<usize>(), names(), "[ -~]{0,12}").prop_map(|(at, name, value)| Trick::Field(at, name, value)),
        1 => any::<bool>().prop_map(Trick::Payee),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(at, first)| Trick::Twice(at, first)),
        1 => any::<usize>().prop_map(Trick::Nested),
        3 => any::<usize>().prop_map(Trick::Xml),
        2 => any::<usize>().prop_map(Trick::Octets),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(at, odd)| Trick::Amount(at, odd)),
        2 => (any::<bool>(), names()).prop_map(|(detail, name)| Trick::Inside(detail, name)),
        1 => "[A-Za-z0-9]{1,5}".prop_map(Trick::Splits),
        1 => "[a-z_]{1,12}".prop_map(Trick::Query),
    ]
}

/// Names that are on some list, so that standing there once is no trick.
const KNOWN: [&str; 6] = [
    "sub_mch_id",
    "device_info",
    "openid",
    "attach",
    "offset",
    "receipt",
];

/// The message with the trick in it; `None` where it leaves it lawful.
fn spoilt(fields: &Fields, trick: &Trick, amounts: &[&str]) -> Option<Vec<u8>> {
    let text = written(fields);
    let put = |at: usize, element: &str| {
        let ends: Vec<usize> = text.match_indices("]]></").map(|(end, _)| end).collect();
        let end = ends[at % ends.len()];
        let end = end + text[end..].find(">").map(|first| first + 1).unwrap_or_default();
        let end = end + text[end..].find('>').map(|last| last + 1).unwrap_or_default();
        format!("{}{element}{}", &text[..end], &text[end..])
    };
    Some(match trick {
        Trick::Field(_, name, _) if KNOWN.contains(&name.as_str()) => return None,
        Trick::Field(at, name, value) => put(*at, &element(name, value)).into_bytes(),
        Trick::Payee(sub) => match sub {
            true => put(0, &element("sub_mch_id", STRANGER)),
            false => text.replacen(OWN, STRANGER, 1),
        }
        .into_bytes(),
        Trick::Twice(at, first) => {
            let again = element(fields[at % fields.len()].0, STRANGER);
            match first {
                true => text.replacen("<xml>", &format!("<xml>{again}"), 1),
                false => text.replacen("</xml>", &format!("{again}</xml>"), 1),
            }
            .into_bytes()
        }
        Trick::Nested(at) => {
            let (name, value) = fields[at % fields.len()];
            let nested = format!("<{name}>{}</{name}>", element(name, value));
            text.replacen(&element(name, value), &nested, 1).into_bytes()
        }
        Trick::Xml(at) => {
            let odd = [
                format!(
                    "<!DOCTYPE xml [<!ENTITY e \"{STRANGER}\">]>{}",
                    text.replacen(&element("mch_id", OWN), "<mch_id>&e;</mch_id>", 1)
                ),
                format!("<!DOCTYPE xml SYSTEM \"https://evil.example/e.dtd\">{text}"),
                text.replacen("<appid>", "<!--<mch_id>1</mch_id>--><appid>", 1),
                text.replacen("<appid>", "<?php 1 ?><appid>", 1),
                text.replacen("<appid>", "<appid a=\"1\">", 1),
                text.replacen(&element("mch_id", OWN), "<mch_id>&#50;900000109</mch_id>", 1),
                text.replacen(
                    &element("mch_id", OWN),
                    "<mch_id>&#x0000031;900000109</mch_id>",
                    1,
                ),
                text.replacen("<xml>", "<xml xmlns=\"x\">", 1),
                text.replacen("<xml>", "<XML>", 1),
                format!("{text}<xml></xml>"),
                format!("{text}{text}"),
                text.replacen("</xml>", "", 1),
                text.replacen("<xml>", "<xml>text", 1),
                text.replacen("<appid>", "<a:appid xmlns:a=\"b\">", 1)
                    .replacen("</appid>", "</a:appid>", 1),
                text.replacen("<![CDATA[", "<![CDATA[<![CDATA[", 1)
                    .replacen("]]>", "]]>]]>", 1),
                format!("<?xml version=\"1.0\" encoding=\"gbk\"?>{text}"),
                format!("<?xml version=\"1.1\"?>{text}"),
            ];
            odd[at % odd.len()].clone().into_bytes()
        }
        Trick::Octets(at) => match at % 5 {
            0 => [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            1 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            2 => [
                b"<xml><attach>\xc0\xaf</attach>".as_slice(),
                &text.as_bytes()[5..],
            ]
            .concat(),
            3 => text
                .replacen("<xml>", "<xml><attach>\u{1}</attach>", 1)
                .into_bytes(),
            _ => text.replacen("<xml>", "<xml>\r", 1).into_bytes(),
        },
        Trick::Amount(at, odd) => {
            const ODD: [&str; 9] = ["0", "-1", "1.5", "1e3", "", "0100", "99999999999999", "+1", "１"];
            let name = amounts.get(at % amounts.len().max(1))?;
            let value = fields.iter().find(|(known, _)| known == name)?.1;
            let odd = ODD[odd % ODD.len()];
            text.replacen(&element(name, value), &element(name, odd), 1)
                .into_bytes()
        }
        Trick::Inside(detail, name) => {
            const LISTED: [&str; 4] = ["id", "name", "address", "body"];
            let here = if *detail {
                "{\"cost_price\""
            } else {
                "{\"store_info\""
            };
            if LISTED.contains(&name.as_str()) || !text.contains(here) {
                return None;
            }
            text.replacen(here, &format!("{{\"{name}\":\"{STRANGER}\",{}", &here[1..]), 1)
                .into_bytes()
        }
        Trick::Splits(word) if word == "N" => return None,
        Trick::Splits(word) => {
            let off = element("profit_sharing", "N");
            if !text.contains(&off) {
                return None;
            }
            text.replacen(&off, &element("profit_sharing", word), 1)
                .into_bytes()
        }
        Trick::Query(_) => text.into_bytes(),
    })
}

fn read(target: &str, body: &[u8]) -> Result<Native, NativeError> {
    let mut headers = HeaderMap::new();
    headers.insert(
        "content-type",
        HeaderValue::from_static("text/xml; charset=utf-8"),
    );
    native::read(
        Channel::Wechat,
        |account| account.as_str() == OWN,
        &|_, _, _| Err(native::Unopened::NoKey),
        "POST",
        target,
        &headers,
        body,
    )
}

fn names_the_stranger(native: &Native) -> bool {
    let stranger = |payee: &PayeeNo| payee.as_str() == STRANGER;
    native.payee.as_ref().is_some_and(stranger)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: HOSTILE, failure_persistence: None, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    //= C03
    //= C21
    fn no_hostile_message_passes_v2s_door(which in any::<usize>(), trick in tricks()) {
        let (path, fields, amounts) = lawful(which);
        let taken = read(path, written(&fields).as_bytes());
        prop_assert!(taken.is_ok(), "{path}: {}", taken.err().map(|e| e.text).unwrap_or_default());
        let Some(octets) = spoilt(&fields, &trick, amounts) else { return Err(TestCaseError::reject("still lawful")) };
        let target = match &trick {
            Trick::Query(name) => format!("{path}?{name}={STRANGER}"),
            _ => path.to_owned(),
        };
        let read = read(&target, &octets);
        if let Err(error) = &read {
            prop_assert!(!error.text.contains(STRANGER), "a value stands in the error: {}", error.text);
        }
        prop_assert!(read.is_err() || read.is_ok_and(|native| names_the_stranger(&native)), "{target}: {trick:?}");
    }
}
