//! CCB: exact fields of what is composed, exact facts of what is read, and more than ten thousand hostile inputs: texts that
//! would become parameters, notices that name somebody else or say a thing twice, answers that could be read in two ways.
//! None of them pays, or seems to have paid, another account.

use crate::{NOW, NUMBER, bank, dice, stamp};
use channel::{
    Account, Answer, Authentic, ChannelState, ComposeError, Draft, FailureClass,
    notice::{self, Kind, Notice, NoticeError},
};
use domain::*;
use http::HeaderMap;
use std::collections::BTreeMap;

const POS: &str = "041265093";
const OTHER: &str = "041265094";
const BRANCH: &str = "442000000";
const DAY: i64 = 86_400_000;

fn account() -> Account {
    let facts = BankFacts {
        branch: Some(BRANCH.into()),
        absent_code: Some("0130Z110C137".into()),
        ..bank(Channel::Ccb)
    };
    crate::account(Channel::Ccb, POS, "105000759989591", Some(facts), "")
}

fn number() -> ChannelNo {
    ChannelNo::new(NUMBER).expect("a number")
}

fn order(pay_way: PayWay, description: &str) -> Result<Draft, ComposeError> {
    crate::order(
        &account(),
        (NUMBER, pay_way, NOW, 900_000),
        &crate::buyer(description),
    )
}

/// The form that the browser is given.
fn form(draft: Draft) -> BTreeMap<String, String> {
    let shown = draft
        .hand_out(&[0xab; 16])
        .expect("a form")
        .for_browser("https://ibsbjstar.ccb.com.cn");
    assert_eq!(
        shown["form"]["action"],
        "https://ibsbjstar.ccb.com.cn/CCBIS/ccbMain"
    );
    assert!(
        shown["url"].is_null(),
        "an address would show up in logs of others"
    );
    let fields = shown["form"]["fields"].as_object().expect("fields");
    fields
        .iter()
        .map(|(n, v)| (n.clone(), v.as_str().unwrap_or_default().to_owned()))
        .collect()
}

#[test]
fn an_order_is_a_form_whose_mac_is_over_the_pairs_in_the_banks_order() {
    let draft = order(PayWay::Gateway, "龙井 & 点心").expect("composes");
    assert_eq!(
        String::from_utf8_lossy(draft.message()),
        "MERCHANTID=105000759989591&POSID=041265093&BRANCHID=442000000&ORDERID=20260101080000000001&PAYMENT=1234.05&CURCODE=01&TXCODE=520100&REMARK1=&REMARK2=&TYPE=1&PUB=\0&GATEWAY=0&CLIENTIP=203.0.113.9&REGINFO=&PROINFO=%u9F99%u4E95%20%26%20%u70B9%u5FC3&REFERER="
    );
    assert_eq!(draft.key().as_str(), "ccb/041265093/bank");
    assert!(draft.to_send_along().is_none());
    let fields = form(draft);
    assert_eq!(fields.len(), 16);
    assert_eq!(
        (
            fields.get("PUB"),
            fields["MAC"].as_str(),
            fields["PROINFO"].as_str()
        ),
        (
            None,
            "abababababababababababababababab",
            "%u9F99%u4E95%20%26%20%u70B9%u5FC3"
        )
    );
    for way in [PayWay::Page, PayWay::GatewayB2b, PayWay::Qr] {
        assert_eq!(order(way, "x").err(), Some(ComposeError::NotOffered));
    }
}

#[test]
fn a_query_sends_its_password_unsigned_and_asks_for_what_is_settled_on_a_later_day() {
    let ask =
        |at: Instant| channel::query(&account(), &stamp(at), PayWay::Gateway, &number()).expect("composes");
    let draft = ask(NOW);
    assert_eq!(
        String::from_utf8_lossy(draft.message()),
        "MERCHANTID=105000759989591&BRANCHID=442000000&POSID=041265093&ORDERDATE=&BEGORDERTIME=&ENDORDERTIME=&ORDERID=20260101080000000001&QUPWD=&TXCODE=410408&TYPE=0&KIND=0&STATUS=3&SEL_TYPE=3&PAGE=1&OPERATOR=&CHANNEL="
    );
    assert_eq!(
        draft.to_send_along().map(KeyRef::as_str),
        Some("ccb/041265093/query")
    );
    let request = draft
        .with_password("S3cret&!".to_owned().into())
        .sign_with(&[0; 16]);
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("POST", "/CCBIS/ccbMain")
    );
    let body = String::from_utf8_lossy(&request.body).into_owned();
    assert!(
        body.contains("&QUPWD=S3cret%26%21&") && body.ends_with("&MAC=00000000000000000000000000000000"),
        "{body}"
    );
    let kind = |at: Instant| {
        let message = ask(at).message().to_vec();
        ["&KIND=0&STATUS=3&", "&KIND=1&STATUS=1&"]
            .map(|part| message.windows(part.len()).any(|w| w == part.as_bytes()))
    };
    assert_eq!(kind(NOW.plus_millis(15 * 3_600_000)), [true, false]);
    let next = NOW.plus_millis(DAY);
    assert_ne!(
        kind(next),
        kind(next.plus_millis(1000)),
        "either may hold it: both are asked by turns"
    );
    assert_eq!(kind(NOW.plus_millis(2 * DAY)), [false, true]);
    // And only from then on its word counts that there is nothing.
    let until = channel::open_until(Channel::Ccb, NOW.plus_millis(900_000));
    assert_eq!(until.to_string(), "2026-01-03T00:00:00+08:00");
}

#[test]
fn there_is_no_refund_no_reverse_no_code() {
    let (account, number) = (account(), number());
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
    assert!(
        channel::number_fits(Channel::Ccb, &"9".repeat(30))
            && !channel::number_fits(Channel::Ccb, &"9".repeat(31))
    );
}

const FIELDS: [(&str, &str); 15] = [
    ("POSID", POS),
    ("BRANCHID", BRANCH),
    ("ORDERID", "20260101080000000001"),
    ("PAYMENT", "1234.05"),
    ("CURCODE", "01"),
    ("REMARK1", ""),
    ("REMARK2", ""),
    ("ACC_TYPE", "30"),
    ("SUCCESS", "Y"),
    ("TYPE", "1"),
    ("REFERER", ""),
    ("CLIENTIP", "203.0.113.9"),
    ("ACCDATE", "20260101"),
    ("USRMSG", "6217000000000000000"),
    ("ERRMSG", ""),
];

fn sign() -> String {
    "5a".repeat(128)
}

fn written(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .append_pair("SIGN", &sign())
        .finish()
}

fn message(fields: &[(&str, &str)]) -> String {
    fields
        .iter()
        .map(|(n, v)| format!("{n}={v}"))
        .collect::<Vec<_>>()
        .join("&")
}

fn authentic(body: &[u8]) -> Result<channel::Signed, NoticeError> {
    notice::authenticate(Channel::Ccb, &account(), &HeaderMap::new(), body, NOW)
}

#[test]
fn a_notice_is_signed_over_its_pairs_in_the_banks_order_whatever_the_forms_is() {
    let mut fields = FIELDS.to_vec();
    let wanted = message(&fields);
    fields.reverse();
    let signed = authentic(written(&fields).as_bytes()).expect("authentic");
    assert_eq!(String::from_utf8_lossy(&signed.message), wanted);
    assert_eq!(
        (signed.key.as_str(), signed.signature),
        ("ccb/041265093/bank", vec![0x5a; 128])
    );
    // What is optional takes part where it is there; what is beyond the document does not.
    let fewer: Vec<_> = FIELDS
        .into_iter()
        .filter(|(n, _)| !["ACC_TYPE", "ACCDATE", "USRMSG"].contains(n))
        .collect();
    let more = format!("{}&MORE=1", written(&fewer));
    assert_eq!(
        String::from_utf8_lossy(&authentic(more.as_bytes()).expect("authentic").message),
        message(&fewer)
    );
    for name in ["POSID", "BRANCHID"] {
        let other: Vec<_> = FIELDS
            .into_iter()
            .map(|(n, v)| if n == name { (n, OTHER) } else { (n, v) })
            .collect();
        assert!(matches!(
            authentic(written(&other).as_bytes()),
            Err(NoticeError::Account)
        ));
    }
    for name in ["ORDERID", "SUCCESS", "ERRMSG", "REMARK1"] {
        let without: Vec<_> = FIELDS.into_iter().filter(|(n, _)| *n != name).collect();
        assert!(
            matches!(
                authentic(written(&without).as_bytes()),
                Err(NoticeError::Envelope(_))
            ),
            "{name}"
        );
    }
}

fn read(body: &[u8]) -> Option<(ChannelState, String)> {
    match notice::read_at(&account(), body, Kind::Open, NOW) {
        Ok(Notice::Order(view)) => {
            assert!(
                view.payer.is_none() && view.attach.is_none(),
                "who paid is not kept"
            );
            assert_eq!(view.payee.as_ref().map(PayeeNo::as_str), Some("105000759989591"));
            Some((view.state, view.number.to_string()))
        }
        _ => None,
    }
}

#[test]
fn paid_is_what_the_bank_says_and_nothing_that_it_leaves_open() {
    let with = |name: &str, value: &str| {
        let fields: Vec<_> = FIELDS
            .into_iter()
            .map(|(n, v)| (n, if n == name { value } else { v }))
            .collect();
        read(written(&fields).as_bytes())
    };
    let (state, number) = with("", "").expect("read");
    assert_eq!(number, "20260101080000000001");
    let ChannelState::Paid(facts) = state else {
        panic!("{state:?}")
    };
    assert_eq!(
        (facts.amount.fen(), facts.paid_at, facts.bank_type.as_deref()),
        (123_405, NOW, Some("30"))
    );
    assert!(
        matches!(with("SUCCESS", "N"), Some((ChannelState::NotPaid, _))),
        "a try that failed ends nothing"
    );
    for (name, value) in [
        ("SUCCESS", ""),
        ("SUCCESS", "y"),
        ("CURCODE", "14"),
        ("PAYMENT", "0.00"),
        ("PAYMENT", "-1.00"),
        ("PAYMENT", "1234.055"),
        ("PAYMENT", "1,234.05"),
        ("ORDERID", ""),
        ("ORDERID", "a b"),
    ] {
        assert_eq!(with(name, value), None, "{name}={value}");
    }
    assert!(
        notice::read(&account(), written(&FIELDS).as_bytes(), Kind::Open).is_err(),
        "it tells no time of its own"
    );
}

fn row(status: &str, refund: &str) -> String {
    format!(
        "<QUERYORDER><MERCHANTID>105000759989591</MERCHANTID><BRANCHID>{BRANCH}</BRANCHID><POSID>{POS}</POSID><ORDERID>20260101080000000001</ORDERID><ORDERDATE>20260101080011</ORDERDATE><ACCDATE>20260101</ACCDATE><AMOUNT>1234.05</AMOUNT><STATUSCODE>{status}</STATUSCODE><STATUS>-</STATUS><REFUND>{refund}</REFUND><SIGN>00</SIGN></QUERYORDER>"
    )
}

fn document(code: &str, rows: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"GB18030\" ?>\n<DOCUMENT>\n<RETURN_CODE>{code}</RETURN_CODE>\n<RETURN_MSG></RETURN_MSG>\n<CURPAGE>1</CURPAGE>\n<PAGECOUNT>1</PAGECOUNT>\n<TOTAL>1</TOTAL>\n{rows}</DOCUMENT>\n"
    )
}

fn answered(operation: Operation, body: &[u8]) -> Answer {
    let account = account();
    let found = channel::authenticate_answer(
        &account,
        operation,
        PayWay::Gateway,
        200,
        &HeaderMap::new(),
        body,
        NOW,
    );
    assert!(matches!(found, Ok(Authentic::Unsigned)));
    channel::read_answer(&account, operation, PayWay::Gateway, 200, body)
}

fn asked(body: &str) -> Option<ChannelState> {
    match answered(Operation::Query, body.as_bytes()) {
        Answer::State(view) => Some(view.state),
        _ => None,
    }
}

fn failed(operation: Operation, body: &str) -> Option<FailureClass> {
    let said = match answered(operation, body.as_bytes()) {
        Answer::State(view) if operation == Operation::Close => {
            channel::close_by_word(Channel::Ccb, &view).expect("it has no close")
        }
        other => other,
    };
    match said {
        Answer::Failed(failure) => Some(failure.class),
        _ => None,
    }
}

#[test]
fn a_querys_answer_is_paid_uncertain_or_nothing_and_never_guessed() {
    let Some(ChannelState::Paid(facts)) = asked(&document("000000", &row("1", "0.00"))) else {
        panic!("not paid")
    };
    assert_eq!(
        (facts.amount.fen(), facts.paid_at),
        (123_405, NOW.plus_millis(11_000))
    );
    assert!(matches!(
        asked(&document("000000", &row("1", "3.00"))),
        Some(ChannelState::Refunded(_))
    ));
    for status in ["3", "4"] {
        assert!(matches!(
            asked(&document("000000", &row(status, "1.00"))),
            Some(ChannelState::Refunded(_))
        ));
    }
    for status in ["2", "5"] {
        assert_eq!(
            asked(&document("000000", &row(status, "0.00"))),
            Some(ChannelState::Paying)
        );
        assert_eq!(
            failed(Operation::Close, &document("000000", &row(status, ""))),
            Some(FailureClass::Unknown)
        );
    }
    assert_eq!(
        asked(&document("000000", &row("0", "0.00"))),
        Some(ChannelState::NotPaid)
    );
    // Of several tries the one that was paid; two that were, nobody can explain.
    let several = row("0", "") + &row("2", "") + &row("1", "0.00");
    assert!(matches!(
        asked(&document("000000", &several)),
        Some(ChannelState::Paid(_))
    ));
    assert!(matches!(
        answered(
            Operation::Query,
            document("000000", &(row("1", "") + &row("1", ""))).as_bytes()
        ),
        Answer::Unclear(_)
    ));
    for operation in [Operation::Query, Operation::Close] {
        assert_eq!(
            failed(operation, &document("000000", "")),
            Some(FailureClass::NotFound)
        );
        assert_eq!(
            failed(operation, &document("0130Z110C137", "")),
            Some(FailureClass::NotFound),
            "as the account has it"
        );
        assert_eq!(
            failed(operation, &document("0130Z110C138", "")),
            Some(FailureClass::Unknown)
        );
    }
    assert_eq!(
        failed(Operation::Close, &document("000000", &row("1", ""))),
        Some(FailureClass::AlreadyPaid)
    );
    for other in [
        row("1", "").replace(POS, OTHER),
        row("1", "").replace("759989591", "759989592"),
        row("9", ""),
    ] {
        assert!(matches!(
            answered(Operation::Query, document("000000", &other).as_bytes()),
            Answer::Unclear(_)
        ));
    }
    let account = account();
    assert!(matches!(
        channel::read_answer(&account, Operation::Query, PayWay::Gateway, 502, b""),
        Answer::Unclear(_)
    ));
}

const TRICKS: [&str; 24] = [
    "&POSID=041265094",
    "POSID=041265094&",
    "%26POSID%3d041265094",
    "%u0026",
    "&PAYMENT=0.01",
    "&MAC=",
    "=",
    "&",
    "%",
    "%%",
    "+",
    " ",
    "\n",
    "\0",
    "\u{feff}",
    "商",
    "😀",
    "\u{3000}",
    "\"",
    "'",
    "<",
    ">",
    "&amp;",
    "\u{202e}",
];

fn text(seed: &mut u64) -> String {
    crate::text(&TRICKS, seed)
}

#[test]
fn no_text_becomes_a_parameter() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..3000 {
        let sold = text(&mut seed);
        let draft = order(PayWay::Gateway, &sold).expect("composes");
        let message = String::from_utf8(draft.message().to_vec()).expect("ASCII");
        assert!(
            message.is_ascii() && message.matches('\0').count() == 1,
            "{sold:?}"
        );
        assert_eq!(
            message.matches('&').count(),
            15,
            "{sold:?} became a parameter: {message}"
        );
        let fields = form(draft);
        assert_eq!(
            (fields.len(), fields["POSID"].as_str(), fields["PAYMENT"].as_str()),
            (16, POS, "1234.05")
        );
    }
}

#[test]
fn no_notice_but_the_banks_own_says_paid() {
    let true_one = written(&FIELDS);
    let (wanted, signature) = (message(&FIELDS).into_bytes(), vec![0x5a_u8; 128]);
    // Only what was signed verifies: the same octets under the same signature.
    let taken = |body: &[u8]| -> Option<(String, u64)> {
        let signed = authentic(body).ok()?;
        if signed.message != wanted || signed.signature != signature {
            return None;
        }
        match read(body)? {
            (ChannelState::Paid(facts), number) => Some((number, facts.amount.fen())),
            _ => None,
        }
    };
    let right = Some(("20260101080000000001".to_owned(), 123_405));
    assert_eq!(taken(true_one.as_bytes()), right);
    let pieces: Vec<&str> = true_one.split('&').collect();
    let (mut seed, mut refused) = (0x2545_f491_4f6c_dd1d_u64, 0);
    for _ in 0..6000 {
        let mut octets = true_one.clone().into_bytes();
        match dice(&mut seed) % 7 {
            0 => octets.extend(format!("&{}", pieces[dice(&mut seed) % pieces.len()]).bytes()),
            1 => octets = true_one.replace(POS, OTHER).into_bytes(),
            2 => {
                octets = true_one
                    .replace(
                        "1234.05",
                        &format!("{}.{:02}", dice(&mut seed) % 9000, dice(&mut seed) % 100),
                    )
                    .into_bytes()
            }
            3 => {
                let at = dice(&mut seed) % octets.len();
                octets[at] = octets[at].wrapping_add(1 + (dice(&mut seed) % 254) as u8);
            }
            // A separator inside of a value: joined, it would be another pair.
            4 => {
                octets = true_one
                    .replace(
                        "REMARK1=&REMARK2=",
                        ["REMARK1=%26REMARK2%3D", "REMARK1=&REMARK2=%26ACC_TYPE%3D30"][dice(&mut seed) % 2],
                    )
                    .into_bytes()
            }
            5 => {
                let name = ["SUCCESS", "ORDERID", "PAYMENT", "SIGN"][dice(&mut seed) % 4];
                octets.extend(format!("&{name}={}", ["Y", "1", "0.01", ""][dice(&mut seed) % 4]).bytes());
            }
            _ => octets.extend(format!("&{}={}", text(&mut seed), text(&mut seed)).bytes()),
        }
        match taken(&octets) {
            None => refused += 1,
            found => assert_eq!(found, right, "{}", String::from_utf8_lossy(&octets)),
        }
    }
    assert!(refused > 5000, "{refused}");
}

#[test]
fn no_answer_that_could_be_read_two_ways_says_paid() {
    let good = document("000000", &row("0", "0.00"));
    let inserts = [
        "<STATUSCODE>1</STATUSCODE>",
        "<QUERYORDER><STATUSCODE>1</STATUSCODE></QUERYORDER>",
        "<a x=\"1\">1</a>",
        "<!-- -->",
        "<?x?>",
        "&x;",
        "<![CDATA[1]]>",
        "</QUERYORDER><QUERYORDER>",
        "<ORDERID>2</ORDERID>",
        "\u{0}",
    ];
    let mut seed = 0x1234_5678_9abc_def1_u64;
    for _ in 0..2500 {
        let mut octets = good.clone().into_bytes();
        match dice(&mut seed) % 4 {
            0 => {
                let places: Vec<usize> = octets
                    .iter()
                    .enumerate()
                    .filter(|(_, b)| **b == b'<')
                    .map(|(at, _)| at)
                    .collect();
                let at = places[dice(&mut seed) % places.len()];
                octets.splice(at..at, inserts[dice(&mut seed) % inserts.len()].bytes());
            }
            1 => {
                octets = good
                    .replace("<DOCUMENT>", "<!DOCTYPE d [<!ENTITY a \"1\">]><DOCUMENT>")
                    .into_bytes()
            }
            2 => {
                let at = 45 + dice(&mut seed) % (octets.len() - 45);
                octets.insert(at, [0x81, 0xfe, 0x00, 0xff, b'<', b'&'][dice(&mut seed) % 6]);
            }
            _ => {
                octets = good
                    .replace(
                        "</DOCUMENT>",
                        &format!("</DOCUMENT>{}", inserts[dice(&mut seed) % inserts.len()]),
                    )
                    .into_bytes()
            }
        }
        if let Answer::State(view) = answered(Operation::Query, &octets) {
            assert!(
                !matches!(view.state, ChannelState::Paid(_) | ChannelState::Refunded(_)),
                "{}",
                String::from_utf8_lossy(&octets)
            );
        }
    }
}
