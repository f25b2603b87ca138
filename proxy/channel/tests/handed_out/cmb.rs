//! China Merchants Bank 招商银行 (channels.md 6.4): exact forms, exact messages to sign, exact facts; and whatever is sent at its
//! door says "paid" only as the bank's own notice does.

use crate::{NOW, NUMBER, bank, dice, stamp, text};
use base64::{Engine, engine::general_purpose::STANDARD};
use channel::{
    Account, Answer, Authentic, ChannelState, ComposeError, Draft, FailureClass,
    notice::{self, Kind, Notice, NoticeError},
};
use domain::*;
use http::HeaderMap;
use std::collections::BTreeMap;
use vault::Text;

const OWN: &str = "0755000054";
fn account() -> Account {
    let facts = BankFacts {
        absent_code: Some("MSS3500".into()),
        ..bank(Channel::Cmb)
    };
    crate::account(
        Channel::Cmb,
        OWN,
        OWN,
        Some(facts),
        "http://pay.example/n/cmb/0755000054",
    )
}

fn order(
    account: &Account,
    number: &str,
    pay_way: PayWay,
    minutes: i64,
    back: Option<&str>,
) -> Result<Draft, ComposeError> {
    let mut buyer = crate::buyer("never sent \"&'");
    buyer.return_url = back.map(Text::from);
    crate::order(account, (number, pay_way, NOW, minutes * 60_000 - 1), &buyer)
}

const MESSAGE: &str = "amount=1234.05&branchNo=0755&clientIP=203.0.113.9&date=20260101&dateTime=20260101080000&expireTimeSpan=15&merchantNo=000054&orderNo=20260101080000000001&payNoticeUrl=http://pay.example/n/cmb/0755000054";

#[test]
fn an_order_is_json_in_a_form_whose_digest_is_over_the_sorted_pairs() {
    let draft = order(&account(), NUMBER, PayWay::Gateway, 15, None).expect("composes");
    assert_eq!(String::from_utf8_lossy(draft.message()), MESSAGE);
    assert_eq!(draft.key().as_str(), "cmb/0755000054/merchant");
    let shown = draft
        .hand_out(&[0xab; 32])
        .expect("a form")
        .for_browser("https://netpay.cmbchina.com");
    assert_eq!(
        shown["form"]["action"],
        "https://netpay.cmbchina.com/netpayment/BaseHttp.dll?MB_EUserPay"
    );
    assert!(
        shown["url"].is_null(),
        "an address would show up in logs of others"
    );
    let fields = shown["form"]["fields"].as_object().expect("fields");
    assert_eq!((fields.len(), fields["charset"].as_str()), (2, Some("UTF-8")));
    assert_eq!(
        fields["jsonRequestData"].as_str(),
        Some(
            format!(
                "{{\"version\":\"1.0\",\"charset\":\"UTF-8\",\"sign\":\"{}\",\"signType\":\"SHA-256\",\"reqData\":{{\"amount\":\"1234.05\",\"branchNo\":\"0755\",\"clientIP\":\"203.0.113.9\",\"date\":\"20260101\",\"dateTime\":\"20260101080000\",\"expireTimeSpan\":\"15\",\"merchantNo\":\"000054\",\"orderNo\":\"20260101080000000001\",\"payNoticeUrl\":\"http://pay.example/n/cmb/0755000054\"}}}}",
                "ab".repeat(32)
            )
            .as_str()
        )
    );
    let back = order(
        &account(),
        NUMBER,
        PayWay::Gateway,
        600,
        Some("https://shop.example/back?a=1"),
    )
    .expect("composes");
    let message = String::from_utf8_lossy(back.message()).into_owned();
    assert!(
        message.contains("&expireTimeSpan=30&")
            && message.ends_with("&returnUrl=https://shop.example/back?a=1"),
        "{message}"
    );
    // A separator in a value would be another pair.
    assert_eq!(
        order(
            &account(),
            NUMBER,
            PayWay::Gateway,
            15,
            Some("https://shop.example/?a=1&amount=0.01")
        )
        .err(),
        Some(ComposeError::Characters("returnUrl"))
    );
    for way in [PayWay::Page, PayWay::GatewayB2b, PayWay::Qr] {
        assert_eq!(
            order(&account(), NUMBER, way, 15, None).err(),
            Some(ComposeError::NotOffered)
        );
    }
    for number in ["12345", &"9".repeat(33), "a-b-c-d"] {
        assert_eq!(
            order(&account(), number, PayWay::Gateway, 15, None).err(),
            Some(ComposeError::Number)
        );
    }
    let other = Account {
        payee: PayeeNo::new("0755000055").expect("lawful"),
        ..account()
    };
    assert!(matches!(
        order(&other, NUMBER, PayWay::Gateway, 15, None),
        Err(ComposeError::Account(_))
    ));
}

#[test]
fn a_query_names_the_day_of_the_order_and_goes_to_the_host_for_servers() {
    let number = ChannelNo::new(NUMBER).expect("a number");
    let at = stamp(NOW.plus_millis(86_400_000));
    for draft in [
        channel::query(&account(), &at, PayWay::Gateway, &number).expect("composes"),
        channel::close(&account(), &at, &number).expect("composes"),
    ] {
        assert_eq!(
            String::from_utf8_lossy(draft.message()),
            "branchNo=0755&date=20260101&dateTime=20260102080000&merchantNo=000054&orderNo=20260101080000000001&type=B"
        );
        let request = draft.sign_with(&[0; 32]);
        assert_eq!(
            (request.method.as_str(), request.target.as_str()),
            ("POST", "/merchserv/BaseHttp.dll?QuerySingleOrder")
        );
        let body: BTreeMap<String, String> = form_urlencoded::parse(&request.body).into_owned().collect();
        assert!(
            body["jsonRequestData"].contains(&format!("\"sign\":\"{}\"", "00".repeat(32))),
            "{body:?}"
        );
    }
    assert!(channel::answers_elsewhere(Channel::Cmb) && !channel::answers_elsewhere(Channel::Ccb));
    assert!(
        channel::is_server_host(Channel::Cmb, "merchserv.netpay.cmbchina.com")
            && !channel::is_server_host(Channel::Cmb, "netpay.cmbchina.com")
    );
    let until = channel::open_until(Channel::Cmb, NOW);
    assert_eq!(until, NOW.plus_millis(3_600_000));
}

#[test]
fn there_is_no_refund_no_reverse_no_code() {
    let (account, number) = (account(), ChannelNo::new(NUMBER).expect("a number"));
    let facts = channel::RefundFacts {
        number: &number,
        refund: &number,
        trade_no: None,
        amount: Amount::from_fen(1),
        total: Amount::from_fen(1),
    };
    let stamp = stamp(NOW);
    assert!(channel::refund(&account, &stamp, PayWay::Gateway, &facts, None).is_err());
    assert!(channel::refund_query(&account, &stamp, PayWay::Gateway, &number, &number).is_err());
    assert!(channel::reverse(&account, &stamp, &number).is_err());
}

/// As a bank's own notice of 2020 that a public client keeps as its test has it, with other numbers.
const PAIRS: [(&str, &str); 16] = [
    ("bankDate", "20260101"),
    ("dateTime", "20260101080011"),
    ("httpMethod", "POST"),
    ("noticeUrl", "http://pay.example/n/cmb/0755000054"),
    ("bankSerialNo", "20210764200000000100"),
    ("date", "20260101"),
    ("cardType", "03"),
    ("discountAmount", "0.00"),
    ("amount", "1234.05"),
    ("orderNo", NUMBER),
    ("merchantPara", ""),
    ("noticeSerialNo", "2026010120260101080000000001"),
    ("merchantNo", "000054"),
    ("discountFlag", "N"),
    ("branchNo", "0755"),
    ("noticeType", "BKPAYRTN"),
];

fn letter(data: &str) -> String {
    format!(
        "{{\"sign\":\"{}\",\"noticeData\":{data},\"signType\":\"RSA\",\"charset\":\"UTF-8\",\"version\":\"1.0\"}}",
        STANDARD.encode([0x5a; 128])
    )
}

fn data(pairs: &[(&str, &str)]) -> String {
    let all: Vec<String> = pairs.iter().map(|(n, v)| format!("\"{n}\":\"{v}\"")).collect();
    format!("{{{}}}", all.join(","))
}

fn posted(json: &str) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("jsonRequestData", json)
        .finish()
        .into_bytes()
}

fn authentic(body: &[u8]) -> Result<channel::Signed, NoticeError> {
    notice::authenticate(Channel::Cmb, &account(), &HeaderMap::new(), body, NOW)
}

fn read(body: &[u8]) -> Result<ChannelState, NoticeError> {
    match notice::read_at(&account(), body, Kind::Open, NOW)? {
        Notice::Order(view) => {
            assert!(view.payer.is_none() && view.attach.is_none());
            assert_eq!(
                (
                    view.account.as_ref().map(AccountNo::as_str),
                    view.payee.as_ref().map(PayeeNo::as_str)
                ),
                (Some(OWN), Some(OWN))
            );
            assert_eq!(view.number.as_str(), NUMBER);
            Ok(view.state)
        }
        _ => panic!("another kind of notice"),
    }
}

fn with(name: &str, value: &str) -> Vec<u8> {
    let pairs: Vec<(&str, &str)> = PAIRS
        .into_iter()
        .map(|(n, v)| (n, if n == name { value } else { v }))
        .collect();
    posted(&letter(&data(&pairs)))
}

#[test]
fn a_notice_is_signed_over_its_sorted_pairs_empty_ones_too() {
    let signed = authentic(&with("", "")).expect("authentic");
    assert_eq!(
        String::from_utf8_lossy(&signed.message),
        "amount=1234.05&bankDate=20260101&bankSerialNo=20210764200000000100&branchNo=0755&cardType=03&date=20260101&dateTime=20260101080011&discountAmount=0.00&discountFlag=N&httpMethod=POST&merchantNo=000054&merchantPara=&noticeSerialNo=2026010120260101080000000001&noticeType=BKPAYRTN&noticeUrl=http://pay.example/n/cmb/0755000054&orderNo=20260101080000000001"
    );
    assert_eq!(
        (signed.key.as_str(), signed.signature),
        ("cmb/0755000054/bank", vec![0x5a; 128])
    );
    for (name, value) in [("branchNo", "0756"), ("merchantNo", "000055"), ("merchantNo", "")] {
        assert!(
            matches!(authentic(&with(name, value)), Err(NoticeError::Account)),
            "{name}"
        );
    }
    let good = letter(&data(&PAIRS));
    for (from, to) in [
        ("\"RSA\"", "\"SHA-256\""),
        ("\"UTF-8\"", "\"GBK\""),
        ("\"sign\":\"", "\"sign\":\"%"),
        ("\"sign\"", "\"other\""),
        ("\"amount\":\"1234.05\"", "\"amount\":1234.05"),
        (
            "\"amount\":\"1234.05\"",
            "\"amount\":\"1234.05\",\"amount\":\"0.01\"",
        ),
        ("\"amount\":\"1234.05\"", "\"amount\":{\"amount\":\"0.01\"}"),
        ("\"merchantPara\":\"\"", "\"merchantPara\":\"a&amount=0.01\""),
        ("\"noticeData\"", "\"reqData\""),
    ] {
        let turned = good.replace(from, to);
        assert_ne!(turned, good, "{from}");
        assert!(authentic(&posted(&turned)).is_err(), "{from} {to}");
    }
    for bad in [
        &b""[..],
        b"jsonRequestData=",
        b"jsonRequestData={}",
        b"jsonRequestData={&jsonRequestData={}",
    ] {
        assert!(authentic(bad).is_err());
    }
}

#[test]
fn paid_is_what_the_bank_says_and_nothing_that_it_leaves_open() {
    let ChannelState::Paid(facts) = read(&with("", "")).expect("read") else {
        panic!("not paid")
    };
    assert_eq!(
        (
            facts.amount.fen(),
            facts.trade_no.as_str(),
            facts.paid_at,
            facts.bank_type.as_deref()
        ),
        (
            123_405,
            "20210764200000000100",
            NOW.plus_millis(11_000),
            Some("03")
        )
    );
    for (name, value) in [
        ("noticeType", "BKQY"),
        ("noticeType", ""),
        ("amount", "0.00"),
        ("amount", "1234"),
        ("amount", "1234.5"),
        ("amount", "-1.00"),
        ("amount", "1,234.05"),
        ("dateTime", "2026"),
        ("bankSerialNo", ""),
        ("orderNo", ""),
        ("orderNo", "a b"),
    ] {
        assert!(read(&with(name, value)).is_err(), "{name}={value}");
    }
}

fn said(changes: &[(&str, &str)]) -> Answer {
    let mut pairs = BTreeMap::from([
        ("rspCode", "SUC0000"),
        ("rspMsg", ""),
        ("branchNo", "0755"),
        ("merchantNo", "000054"),
        ("date", "20260101"),
        ("orderNo", NUMBER),
        ("bankDate", "20260101"),
        ("bankTime", "080011"),
        ("bankSerialNo", "20210764200000000100"),
        ("orderAmount", "1234.05"),
        ("orderStatus", "0"),
        ("cardType", "02"),
    ]);
    pairs.extend(changes.iter().copied());
    let pairs: Vec<(&str, &str)> = pairs.into_iter().collect();
    let body = format!(
        "{{\"version\":\"1.0\",\"charset\":\"UTF-8\",\"sign\":\"\",\"rspData\":{}}}",
        data(&pairs)
    );
    channel::read_answer(
        &account(),
        Operation::Query,
        PayWay::Gateway,
        200,
        body.as_bytes(),
    )
}

#[test]
fn only_settled_is_a_payment_and_only_the_accounts_own_code_is_nothing_there() {
    let answer = channel::authenticate_answer(
        &account(),
        Operation::Query,
        PayWay::Gateway,
        200,
        &HeaderMap::new(),
        b"{}",
        NOW,
    );
    assert!(matches!(answer, Ok(Authentic::Unsigned)));
    let Answer::State(view) = said(&[]) else {
        panic!("no state")
    };
    let ChannelState::Paid(facts) = view.state else {
        panic!("{:?}", view.state)
    };
    assert_eq!(
        (facts.amount.fen(), facts.paid_at, view.number.as_str()),
        (123_405, NOW.plus_millis(11_000), NUMBER)
    );
    for state in ["1", "2", "4", "6", "7", "8"] {
        let Answer::State(view) = said(&[("orderStatus", state)]) else {
            panic!("{state}")
        };
        assert_eq!(
            view.state,
            ChannelState::Paying,
            "nothing is concluded from {state}"
        );
    }
    for (code, class) in [
        ("MSS3500", FailureClass::NotFound),
        ("MSS3411", FailureClass::Unknown),
    ] {
        let Answer::Failed(failure) = said(&[("rspCode", code)]) else {
            panic!("{code}")
        };
        assert_eq!((&*failure.code, failure.class), (code, class));
    }
    for changes in [
        [("orderStatus", "9")],
        [("orderStatus", "")],
        [("branchNo", "0756")],
        [("merchantNo", "")],
        [("orderAmount", "0.00")],
        [("bankTime", "")],
        [("rspCode", "")],
        [("rspCode", "somebody's name")],
    ] {
        assert!(
            matches!(said(&changes), Answer::Unclear(Unclear::Garbage)),
            "{changes:?}"
        );
    }
    for (status, body) in [(502, &b"{}"[..]), (200, b"<html>"), (200, b"{\"rspData\":[]}")] {
        let answer = channel::read_answer(&account(), Operation::Query, PayWay::Gateway, status, body);
        assert!(matches!(answer, Answer::Unclear(_)));
    }
}

const TRICKS: [&str; 20] = [
    "&amount=0.01",
    "&",
    "=",
    "\"",
    "\\",
    "\\u0026",
    "\",\"amount\":\"0.01",
    "%26",
    "%",
    "+",
    "\n",
    "\0",
    "{",
    "}",
    "商",
    "誠",
    "😀",
    "\u{feff}",
    "&merchantNo=000055",
    "\\\"",
];

/// Whatever stands in what a payer or merchant says, the pairs stay the account's own and each stands once.
#[test]
fn no_text_becomes_a_pair() {
    let (account, mut seed, mut composed) = (account(), 0x9e37_79b9_7f4a_7c15_u64, 0);
    for _ in 0..4000 {
        let back = format!("https://shop.example/{}", text(&TRICKS, &mut seed));
        let Ok(draft) = order(&account, NUMBER, PayWay::Gateway, 15, Some(&back)) else {
            assert!(back.contains('&'), "refused {back:?}");
            continue;
        };
        composed += 1;
        assert_eq!(
            String::from_utf8_lossy(draft.message()),
            format!("{MESSAGE}&returnUrl={back}")
        );
        let shown = draft
            .hand_out(&[1; 32])
            .expect("a form")
            .for_browser("https://netpay.cmbchina.com");
        let json = shown["form"]["fields"]["jsonRequestData"].as_str().expect("text");
        let read = channel::strict_json::parse(json.as_bytes()).expect("one reading");
        assert_eq!(
            (
                read.text("reqData.merchantNo"),
                read.text("reqData.amount"),
                read.text("reqData.returnUrl")
            ),
            (Some("000054"), Some("1234.05"), Some(back.as_str()))
        );
    }
    assert!(composed > 1000, "{composed}");
}

/// A notice that is not the bank's own, octet by octet and pair by pair, never says more than it signs.
#[test]
fn no_notice_that_could_be_read_two_ways_or_names_somebody_else_says_paid() {
    let good = letter(&data(&PAIRS).replace("BKPAYRTN", "BKQY"));
    let inserts = [
        "\"noticeType\":\"BKPAYRTN\",",
        "\"noticeData\":{},",
        "\"amount\":\"1.00\",",
        "\"a\":{\"noticeType\":\"BKPAYRTN\"},",
        "\"merchantPara\":\"&noticeType=BKPAYRTN\",",
        "\"x\":[],",
        "\"x\":null,",
        "/**/",
        ",",
        "\\u0000",
    ];
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let (mut refused, mut turns) = (0, 0);
    for _ in 0..7000 {
        turns += 1;
        let mut json = good.clone();
        match dice(&mut seed) % 3 {
            0 => {
                let places: Vec<usize> = json.match_indices('"').map(|(at, _)| at).collect();
                json.insert_str(
                    places[dice(&mut seed) % places.len()],
                    inserts[dice(&mut seed) % inserts.len()],
                );
            }
            1 => {
                let places: Vec<usize> = json.match_indices('{').map(|(at, _)| at + 1).collect();
                json.insert_str(
                    places[dice(&mut seed) % places.len()],
                    inserts[dice(&mut seed) % inserts.len()],
                );
            }
            _ => {
                let at = dice(&mut seed) % json.len();
                json.insert(at, ['\0', '"', '&', '{', '}', '商'][dice(&mut seed) % 6]);
            }
        }
        let body = posted(&json);
        match (authentic(&body), read(&body)) {
            (Ok(signed), Ok(ChannelState::Paid(_))) => {
                let message = String::from_utf8_lossy(&signed.message).into_owned();
                assert_eq!(message.matches("noticeType=").count(), 1, "{json}");
                panic!("a notice of another kind says paid: {json}");
            }
            (_, Err(_)) => refused += 1,
            (Err(_), Ok(_)) | (Ok(_), Ok(_)) => {}
        }
    }
    assert!(turns == 7000 && refused > 6000, "{refused} of {turns}");
}
