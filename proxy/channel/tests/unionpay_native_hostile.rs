//! No funds at UnionPay's door: ten thousand hostile forms, each a lawful one with one thing in it that would pay somebody
//! else, split the money, or could be read in two ways. None is taken as an order of the merchant's own: it is refused, or
//! it names the stranger as who asks, under whose key it then does not verify.

use channel::native::{self, Native, NativeError};
use domain::Channel;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

const OWN: &str = "777290058110048";
const STRANGER: &str = "777290058110099";
const HOSTILE: u32 = 10_000;
const FORM: &str = "application/x-www-form-urlencoded;charset=UTF-8";
const BACK: &str = "/gateway/api/backTransReq.do";
const FRONT: &str = "/gateway/api/frontTransReq.do";
const APP: &str = "/gateway/api/appTransReq.do";
const QUERY: &str = "/gateway/api/queryTrans.do";

type Pairs = Vec<(String, String)>;

fn lawful(which: usize) -> (&'static str, Pairs) {
    let (path, kind, more): (_, [&str; 4], &[(&str, &str)]) = match which % 8 {
        0 => (
            BACK,
            ["01", "07", "000000", "08"],
            &[
                ("txnAmt", "100"),
                ("currencyCode", "156"),
                ("backUrl", "https://m.example/n"),
                ("payTimeout", "20260101083000"),
                ("reqReserved", "dGVh"),
            ],
        ),
        1 => (
            FRONT,
            ["01", "01", "000201", "07"],
            &[
                ("txnAmt", "100"),
                ("currencyCode", "156"),
                ("backUrl", "https://m.example/n"),
                ("frontUrl", "https://m.example/b"),
                ("issInsCode", "ICBC"),
                ("riskRateInfo", "{commodityName=奶茶}"),
            ],
        ),
        2 => (
            FRONT,
            ["01", "01", "000202", "07"],
            &[
                ("txnAmt", "100"),
                ("currencyCode", "156"),
                ("backUrl", "https://m.example/n"),
                ("frontUrl", "https://m.example/b"),
            ],
        ),
        3 => (
            BACK,
            ["04", "00", "000000", "07"],
            &[
                ("txnAmt", "100"),
                ("backUrl", "https://m.example/n"),
                ("origQryId", "781601010800001234568"),
            ],
        ),
        4 => (QUERY, ["00", "00", "000000", "07"], &[]),
        5 => (
            BACK,
            ["01", "06", "000000", "08"],
            &[
                ("txnAmt", "100"),
                ("currencyCode", "156"),
                ("backUrl", "https://m.example/n"),
                ("payTimeout", "20260101080500"),
                ("qrNo", "6220000000000000001"),
            ],
        ),
        6 => (
            APP,
            ["01", "01", "000201", "08"],
            &[
                ("txnAmt", "100"),
                ("currencyCode", "156"),
                ("backUrl", "https://m.example/n"),
            ],
        ),
        _ => (
            BACK,
            ["31", "00", "000000", "07"],
            &[
                ("txnAmt", "100"),
                ("backUrl", "https://m.example/n"),
                ("origQryId", "781601010800001234568"),
            ],
        ),
    };
    let common = [
        ("version", "5.1.0"),
        ("encoding", "UTF-8"),
        ("signMethod", "01"),
        ("certId", "68759663125"),
        ("txnType", kind[0]),
        ("txnSubType", kind[1]),
        ("bizType", kind[2]),
        ("channelType", kind[3]),
        ("accessType", "0"),
        ("merId", OWN),
        ("orderId", "20260101000001"),
        ("txnTime", "20260101080000"),
        ("signature", "AAAA"),
    ];
    let own = |(n, v): &(&str, &str)| ((*n).to_owned(), (*v).to_owned());
    (path, common.iter().chain(more).map(own).collect())
}

fn form(pairs: &Pairs) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

fn ask(method: &str, target: &str, kind: &str, body: &[u8]) -> Result<Native, NativeError> {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_str(kind).expect("a header"));
    native::read(
        Channel::Unionpay,
        |_| true,
        &|_, _, _| Err(native::Unopened::NoKey),
        method,
        target,
        &headers,
        body,
    )
}

/// Words of money that goes elsewhere, of cards, and some that nobody knows.
fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "subMerId",
            "subMerName",
            "subMerAbbr",
            "accSplitData",
            "accSplitType",
            "accSplitRuleId",
            "accSplitMchts",
            "reserved",
            "acqInsCode",
            "merCatCode",
            "merName",
            "merAbbr",
            "accNo",
            "accType",
            "customerInfo",
            "encryptCertId",
            "cardTransData",
            "riskRateInfo",
            "tokenPayData",
            "qrNo",
            "instalTransInfo",
            "settleType",
            "billNo",
            "bizScene",
            "ddaId",
            "origOrderId",
            "MerId",
            "merid",
            "txnamt",
            "customerIp",
            "orderDesc",
            "frontFailUrl",
            "sub_mchid",
            "signPubKeyCert",
        ])
        .prop_map(str::to_owned),
        "[a-zA-Z_]{3,20}",
        "\\PC{1,6}",
    ]
}

/// What is done to a lawful form.
#[derive(Clone, Debug)]
enum Trick {
    Field(String, String),
    Another,
    Twice(usize, bool),
    Blank(usize),
    Gone(usize),
    Amount(usize),
    Role(usize),
    Octets(usize),
    Kind(usize),
    Query(String),
    Place(usize),
    Number(String),
    Time(usize),
    Code(String),
    Risk(String, String),
}

fn tricks() -> impl Strategy<Value = Trick> {
    prop_oneof![
        5 => (names(), "[0-9a-zA-Z{}&=]{1,12}").prop_map(|(name, value)| Trick::Field(name, value)),
        1 => Just(Trick::Another),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(at, escaped)| Trick::Twice(at, escaped)),
        1 => any::<usize>().prop_map(Trick::Blank),
        1 => any::<usize>().prop_map(Trick::Gone),
        1 => any::<usize>().prop_map(Trick::Amount),
        1 => any::<usize>().prop_map(Trick::Role),
        2 => any::<usize>().prop_map(Trick::Octets),
        1 => any::<usize>().prop_map(Trick::Kind),
        1 => "[a-zA-Z]{1,12}".prop_map(Trick::Query),
        1 => any::<usize>().prop_map(Trick::Place),
        1 => "\\PC{0,7}|[0-9]{41,50}|[0-9]{8}[-_ ][0-9]{2}".prop_map(Trick::Number),
        1 => any::<usize>().prop_map(Trick::Time),
        1 => "1[0-5][0-9]{16}|2[5-9][0-9]{14,22}|62[0-9]{15,16}|62[0-9]{18,20}|6[013-9][0-9]{17}|62[0-9]{16}[a-z]|\\PC{1,19}".prop_map(Trick::Code),
        2 => (names(), "[0-9a-zA-Z{}&=\\[\\]]{0,12}").prop_map(|(name, value)| Trick::Risk(name, value)),
    ]
}

fn set(pairs: &mut Pairs, name: &str, value: &str) -> bool {
    let found = pairs.iter_mut().find(|(n, _)| n == name);
    found.map(|(_, v)| *v = value.to_owned()).is_some()
}

fn pick<'a>(at: usize, all: &[&'a str]) -> &'a str {
    all[at % all.len()]
}

/// Method, target, content type and body with the trick in them; `None` where it leaves them lawful.
fn spoilt(
    path: &str,
    mut pairs: Pairs,
    trick: &Trick,
) -> Option<(&'static str, String, &'static str, Vec<u8>)> {
    let (mut method, mut target, mut kind) = ("POST", path.to_owned(), FORM);
    match trick {
        Trick::Field(name, value) => {
            // What is lawful there may be said with any lawful value.
            let listed = ["payTimeout", "reqReserved", "issInsCode", "currencyCode"].contains(&name.as_str())
                || name == "accType" && value == "01";
            if listed || pairs.iter().any(|(n, _)| n == name) {
                return None;
            }
            pairs.push((name.clone(), value.clone()));
        }
        Trick::Another => assert!(set(&mut pairs, "merId", STRANGER)),
        Trick::Twice(at, escaped) => {
            let (name, _) = pairs[at % pairs.len()].clone();
            let body = form(&pairs);
            let name = if *escaped {
                format!("%{:02X}{}", name.as_bytes()[0], &name[1..])
            } else {
                name
            };
            return Some((
                method,
                target,
                kind,
                format!("{body}&{name}={STRANGER}").into_bytes(),
            ));
        }
        Trick::Blank(at) => {
            let n = at % pairs.len();
            pairs[n].1.clear();
        }
        Trick::Gone(at) => {
            let n = at % pairs.len();
            if ["payTimeout", "reqReserved", "issInsCode", "riskRateInfo"].contains(&pairs[n].0.as_str())
                || (pairs[n].0 == "channelType" && path == QUERY)
                || (pairs[n].0 == "currencyCode" && path == BACK && pairs[4].1 != "01")
            {
                return None;
            }
            pairs.remove(n);
        }
        Trick::Amount(at) => {
            let odd = pick(
                *at,
                &[
                    "0",
                    "-1",
                    "1.5",
                    "1e3",
                    "0100",
                    "+100",
                    " 100",
                    "100 ",
                    "1000000000000",
                    "１００",
                    "0x64",
                ],
            );
            if !set(&mut pairs, "txnAmt", odd) {
                return None;
            }
        }
        Trick::Role(at) => {
            let odd = [
                ("accessType", "1"),
                ("accessType", "2"),
                ("version", "5.0.0"),
                ("encoding", "GBK"),
                ("encoding", "utf_8"),
                ("currencyCode", "840"),
                ("channelType", "09"),
                ("signMethod", "02"),
                ("signMethod", "1"),
                ("txnType", "02"),
                ("txnType", "31"),
                ("txnSubType", "06"),
                ("bizType", "000301"),
                ("bizType", "000401"),
            ];
            let (name, value) = odd[at % odd.len()];
            // A refund so named is a cancel, and a payment code's order is one already.
            let lawful =
                value == "31" && pairs[5].1 == "00" && path == BACK || value == "06" && pairs[5].1 == "06";
            if lawful {
                return None;
            }
            if !set(&mut pairs, name, value) {
                return None;
            }
        }
        Trick::Octets(at) => {
            let body = form(&pairs);
            let odd = match at % 8 {
                0 => [b"\xef\xbb\xbf", body.as_bytes()].concat(),
                1 => body.encode_utf16().flat_map(u16::to_le_bytes).collect(),
                2 => format!("{body}&").into_bytes(),
                3 => body.replacen('&', "&&", 1).into_bytes(),
                4 => body.replacen('&', ";", 1).into_bytes(),
                5 => body.replacen("merId=", "merId=%zz", 1).into_bytes(),
                6 => [body.replacen("merId=", "merId=%C0%AF", 1).as_bytes(), b""].concat(),
                _ => [body.as_bytes(), b"\r\n"].concat(),
            };
            return Some((method, target, kind, odd));
        }
        Trick::Kind(at) => {
            kind = pick(
                *at,
                &[
                    "text/plain",
                    "multipart/form-data; boundary=x",
                    "application/x-www-form-urlencoded;charset=GBK",
                    "application/json",
                    "application/x-www-form-urlencoded; boundary=1",
                ],
            )
        }
        Trick::Query(name) => target = format!("{path}?{name}={STRANGER}"),
        Trick::Place(at) => {
            let odd = [
                "/gateway/api/cardTransReq.do",
                "/gateway/api/batchTrans.do",
                "/gateway/api/order.do",
                "//gateway/api/backTransReq.do",
                "/gateway/api/./backTransReq.do",
                "/gateway/api/backTransReq.do/",
                "/gateway/api/backTransReq%2Edo",
                "/GATEWAY/api/backTransReq.do",
            ];
            match at % 10 {
                8 => method = "GET",
                9 => method = "PUT",
                n => target = odd[n].to_owned(),
            }
        }
        Trick::Code(code) => {
            if !set(&mut pairs, "qrNo", code) {
                return None;
            }
        }
        Trick::Risk(name, value) => {
            let said = format!("{{commodityName=x&{name}={value}}}");
            if !set(&mut pairs, "riskRateInfo", &said) {
                pairs.push(("riskRateInfo".into(), said));
            }
        }
        Trick::Number(number) => assert!(set(&mut pairs, "orderId", number)),
        Trick::Time(at) => drop(set(
            &mut pairs,
            "txnTime",
            pick(
                *at,
                &[
                    "20260230080000",
                    "2026010108000",
                    "20260101080060",
                    "now",
                    "２０２６０１０１０８００００",
                    "20260101 80000",
                ],
            ),
        )),
    }
    Some((method, target, kind, form(&pairs).into_bytes()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: HOSTILE, failure_persistence: None, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    //= C03
    //= C21
    fn no_hostile_form_passes_unionpays_door(which in any::<usize>(), trick in tricks()) {
        let (path, pairs) = lawful(which);
        let read = ask("POST", path, FORM, form(&pairs).as_bytes());
        prop_assert!(read.is_ok(), "{path}: {}", read.err().map(|e| e.text).unwrap_or_default());
        let Some((method, target, kind, body)) = spoilt(path, pairs, &trick) else { return Err(TestCaseError::reject("still lawful")) };
        let read = ask(method, &target, kind, &body);
        let names_the_stranger = |native: &Native| native.account.as_str() == STRANGER && native.payee.as_ref().is_some_and(|p| p.as_str() == STRANGER);
        prop_assert!(read.is_err() || read.is_ok_and(|native| names_the_stranger(&native)), "{target}: {trick:?}");
    }
}

/// What is told says what is wrong, where it is, and never a value.
#[test]
fn a_refusal_names_the_field_and_no_value() {
    let (path, pairs) = lawful(0);
    let told = |change: &dyn Fn(&mut Pairs)| {
        let mut pairs = pairs.clone();
        change(&mut pairs);
        ask("POST", path, FORM, form(&pairs).as_bytes())
            .err()
            .map(|e| e.text)
            .unwrap_or_default()
    };
    let secret = "6226000000000003";
    let text = told(&|p| p.push(("accNo".into(), secret.into())));
    assert!(text.contains("accNo") && !text.contains(secret), "{text}");
    let text = told(&|p| assert!(set(p, "accessType", "2")));
    assert_eq!(text, "accessType must be 0");
    let text = told(&|p| assert!(set(p, "txnSubType", "06")));
    assert_eq!(text, "qrNo is missing");
    let text = told(&|p| {
        set(p, "txnSubType", "06");
        p.push(("qrNo".into(), "134567890123456789".into()));
    });
    assert!(text.contains("begin with 62") && !text.contains("1345"), "{text}");
}

#[test]
fn a_lawful_form_says_whose_order_it_is() {
    let (path, pairs) = lawful(0);
    let native = ask("POST", path, FORM, form(&pairs).as_bytes()).expect("lawful");
    assert_eq!(native.account.as_str(), OWN);
    assert_eq!(native.number.as_ref().map(|n| n.as_str()), Some("20260101000001"));
    assert_eq!(native.named, Some(domain::Instant::from_secs(1_767_225_600)));
    assert_eq!(native.amount.map(|a| a.fen()), Some(100));
    assert_eq!(
        native.proof.key.as_str(),
        "unionpay/777290058110048/merchant-public/68759663125"
    );
    // 64 hex digits are what the certificate signs (channels.md 4.2).
    assert_eq!(native.proof.message.len(), 64);
    assert!(!native.by_browser);
    let (path, pairs) = lawful(3);
    let refund = ask("POST", path, FORM, form(&pairs).as_bytes()).expect("lawful");
    assert_eq!(
        (refund.number, refund.refund.map(|n| n.to_string())),
        (None, Some("20260101000001".into()))
    );
    assert_eq!(
        refund.trade_no.map(|n| n.to_string()).as_deref(),
        Some("781601010800001234568")
    );
}

/// What goes back has a number of its own and names the payment by UnionPay's.
#[test]
fn a_payment_code_an_app_order_and_a_cancel_say_what_they_are() {
    use domain::{Operation, PayWay};
    let read = |which| {
        let (path, pairs) = lawful(which);
        ask("POST", path, FORM, form(&pairs).as_bytes()).expect("lawful")
    };
    let code = read(5);
    assert_eq!(
        (code.operation, code.pay_way),
        (Operation::Create, Some(PayWay::Micropay))
    );
    assert!(code.number.is_some() && code.payer.is_none() && code.texts.is_empty());
    assert_eq!(code.expires.map(|at| at.secs()), Some(1_767_225_900));
    let app = read(6);
    assert_eq!(
        (app.operation, app.pay_way),
        (Operation::Create, Some(PayWay::App))
    );
    let cancel = read(7);
    assert_eq!((cancel.operation, cancel.pay_way), (Operation::Reverse, None));
    assert_eq!(
        (cancel.number, cancel.refund.map(|n| n.to_string())),
        (None, Some("20260101000001".into()))
    );
    assert_eq!(cancel.amount.map(|a| a.fen()), Some(100));
    assert!(cancel.trade_no.is_some());
}

/// What UnionPay's own samples send, field by field: PHP writes the encoding small, the gateway's tell of the goods, queries name no
/// device, and a payment code's name a computer and a card.
#[test]
fn the_official_samples_are_carried() {
    let changed = |which, change: &dyn Fn(&mut Pairs)| {
        let (path, mut pairs) = lawful(which);
        change(&mut pairs);
        ask("POST", path, FORM, form(&pairs).as_bytes())
    };
    for which in 0..8 {
        let native = changed(which, &|p| assert!(set(p, "encoding", "utf-8"))).expect("a small encoding");
        // What was signed is what came.
        let big = changed(which, &|_| ()).expect("lawful");
        assert_ne!(native.proof.message, big.proof.message);
    }
    let bare = |p: &mut Pairs| p.retain(|(name, _)| name != "channelType");
    assert!(changed(4, &bare).is_ok(), "a query");
    for which in [0, 1, 2, 3, 5, 6, 7] {
        assert!(
            changed(which, &bare).is_err(),
            "{which}: only what names none in the samples"
        );
    }
    let code = changed(5, &|p| {
        assert!(set(p, "channelType", "07"));
        p.push(("accType".into(), "01".into()));
    });
    assert!(code.is_ok());
    assert!(changed(5, &|p| p.push(("accType".into(), "02".into()))).is_err());
    let told = changed(1, &|p| {
        assert!(set(p, "riskRateInfo", "{commodityName=6226000000000003}"))
    })
    .expect("lawful");
    assert_eq!(told.texts.len(), 1, "a text of the payer's lane");
    let error = changed(1, &|p| {
        assert!(set(p, "riskRateInfo", "{shippingMobile=13800000000}"))
    })
    .err();
    let text = error.map(|e| e.text).unwrap_or_default();
    assert_eq!(text, "riskRateInfo.shippingMobile is not carried");
    for which in [3, 4, 7] {
        let risk = changed(which, &|p| {
            p.push(("riskRateInfo".into(), "{commodityName=x}".into()))
        });
        assert!(risk.is_err(), "{which}: of orders only");
    }
}

/// A lawful request for a day's file (channels.md 4.5).
fn file() -> Pairs {
    let mut pairs = lawful(4).1;
    pairs.retain(|(name, _)| name != "orderId");
    assert!(set(&mut pairs, "txnType", "76") && set(&mut pairs, "txnSubType", "01"));
    pairs.extend([("settleDate", "0131"), ("fileType", "00")].map(|(n, v)| (n.to_owned(), v.to_owned())));
    pairs
}

#[test]
fn a_days_file_is_about_no_order() {
    let native = ask("POST", "/", FORM, form(&file()).as_bytes()).expect("lawful");
    assert_eq!(native.operation, domain::Operation::Bill);
    assert!(native.number.is_none() && native.refund.is_none() && native.amount.is_none());
    assert_eq!(native.account.as_str(), OWN);
    let mut bare = file();
    bare.retain(|(name, _)| name != "channelType");
    assert!(ask("POST", "/", FORM, form(&bare).as_bytes()).is_ok());
    for day in ["0230", "1301", "131", "01311", "１月", "ab01", ""] {
        let mut pairs = file();
        assert!(set(&mut pairs, "settleDate", day));
        assert!(ask("POST", "/", FORM, form(&pairs).as_bytes()).is_err(), "{day}");
    }
    for path in [BACK, QUERY, FRONT, APP, "//", "/?a=1", "/./"] {
        assert!(
            ask("POST", path, FORM, form(&file()).as_bytes()).is_err(),
            "{path}"
        );
    }
    for which in 0..8 {
        let (_, pairs) = lawful(which);
        assert!(
            ask("POST", "/", FORM, form(&pairs).as_bytes()).is_err(),
            "{which}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: HOSTILE, failure_persistence: None, ..ProptestConfig::default() })]

    /// Beside the day stands nothing: not who else is paid, not an order, not a name twice.
    #[test]
    fn a_days_file_names_nothing_else(name in names(), value in "[0-9a-zA-Z{}&=]{1,12}", again in any::<usize>(), twice in any::<bool>()) {
        let mut pairs = file();
        let extra = match twice {
            true => pairs[again % pairs.len()].clone(),
            false => (name, value),
        };
        prop_assume!(twice || extra.0 != "channelType");
        pairs.push(extra);
        prop_assert!(ask("POST", "/", FORM, form(&pairs).as_bytes()).is_err());
    }
}
