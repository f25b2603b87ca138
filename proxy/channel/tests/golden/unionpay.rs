//! UnionPay: exact fields of what we compose, exact facts of what we read.

use crate::{NOW, number, stamp};
use channel::{
    Account, Answer, Authentic, ChannelState, ComposeError, CreateFacts, Draft, FailureClass, RefundFacts,
    notice::{self, Kind, Notice, NoticeError},
};
use domain::*;
use http::HeaderMap;
use std::collections::BTreeMap;
use vault::{AuthCode, Buyer, PayerField, Text};

pub(crate) fn unionpay() -> Account {
    Account {
        channel: Channel::Unionpay,
        account: AccountNo::new("777290058110048").expect("merId"),
        payee: PayeeNo::new("777290058110048").expect("merId"),
        appid: None,
        sub_appid: None,
        serial: Some("94764633022".into()),
        platform: None,
        root_sn: None,
        sign_method: SignMethod::Signature,
        encrypts: false,
        openapi: Default::default(),
        codepay: false,
        sha1: false,
        key_by_serial: false,
        bank: None,
        notify_url: "https://guandao.example/n/unionpay/777290058110048".into(),
    }
}

fn keyed() -> Account {
    Account {
        sign_method: SignMethod::KeyedSm3,
        serial: None,
        ..unionpay()
    }
}

pub(crate) fn buyer() -> Buyer {
    Buyer {
        description: Text::from("奶茶"),
        attach: None,
        payer: None,
        client_ip: None,
        device_id: None,
        detail: None,
        h5_type: None,
        return_url: None,
        quit_url: None,
    }
}

pub(crate) fn facts(number: &ChannelNo, pay_way: PayWay) -> CreateFacts<'_> {
    let code = Code {
        kind: CodeKind::Dynamic,
        level: CodeLevel::B,
    };
    CreateFacts {
        number,
        pay_way,
        amount: Amount::from_fen(1000),
        expires: NOW.plus_millis(900_000),
        terminal: None,
        place: None,
        bank: None,
        product: None,
        code,
    }
}

/// Path and fields as they go out.
pub(crate) fn wire(draft: Draft) -> (String, BTreeMap<String, String>) {
    let request = draft.sign_with(b"sig");
    assert_eq!(request.method, "POST");
    let pairs: Vec<(String, String)> = form_urlencoded::parse(&request.body).into_owned().collect();
    let fields: BTreeMap<_, _> = pairs.iter().cloned().collect();
    assert_eq!(fields.len(), pairs.len(), "each name once");
    (request.target, fields)
}

fn spelt(fields: &BTreeMap<String, String>) -> String {
    fields
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("&")
}

const COMMON: &str = "accessType=0&backUrl=https://guandao.example/n/unionpay/777290058110048&";

#[test]
//= C84
fn a_bank_goes_along_only_where_the_accounts_list_has_it() {
    let (no, icbc, psbc) = (number("A1234567"), bank_no("ICBC"), bank_no("PSBC"));
    let listed = |code: &BankNo, business: bool| ListedBank {
        code: code.clone(),
        zh: "银行".into(),
        en: "Bank".into(),
        personal: true,
        business,
    };
    let account = Account {
        bank: Some(BankFacts {
            branch: None,
            certificate: None,
            reference: None,
            absent_code: None,
            absent_refund_code: None,
            listed: vec![listed(&icbc, true), listed(&psbc, false)],
            business: true,
            unverified: vec![Unverified::UnionpayBankCodes],
        }),
        ..unionpay()
    };
    let handed = |account: &Account, pay_way: PayWay, bank: Option<&BankNo>| {
        let facts = CreateFacts {
            bank,
            ..facts(&no, pay_way)
        };
        channel::hand_out(account, &stamp(), &facts, &buyer()).map(|draft| wire(draft).1)
    };
    for (way, bank) in [
        (PayWay::Gateway, &icbc),
        (PayWay::GatewayB2b, &icbc),
        (PayWay::Gateway, &psbc),
    ] {
        let fields = handed(&account, way, Some(bank)).expect("composes");
        assert_eq!(fields["issInsCode"], bank.as_str());
    }
    let plain = handed(&account, PayWay::Gateway, None).expect("composes");
    assert!(!plain.contains_key("issInsCode"));
    for refused in [
        handed(&account, PayWay::GatewayB2b, Some(&psbc)),
        handed(&account, PayWay::Gateway, Some(&bank_no("CEB"))),
        handed(&unionpay(), PayWay::Gateway, Some(&icbc)),
    ] {
        assert!(matches!(refused, Err(ComposeError::Account(_))), "{refused:?}");
    }
}

fn bank_no(code: &str) -> BankNo {
    BankNo::new(code).expect("lawful")
}

#[test]
fn a_code_is_applied_for_in_the_fields_of_the_documents() {
    let no = number("20260101080000002");
    let draft = channel::create(&unionpay(), &stamp(), &facts(&no, PayWay::Qr), &buyer()).expect("composes");
    assert_eq!(draft.key().as_str(), "unionpay/777290058110048/merchant");
    // Where the key of the very certificate is held by its name, that one signs.
    let exchanged = Account {
        key_by_serial: true,
        ..unionpay()
    };
    let by_name = channel::create(&exchanged, &stamp(), &facts(&no, PayWay::Qr), &buyer());
    assert_eq!(
        by_name.expect("composes").key().as_str(),
        "unionpay/777290058110048/merchant/94764633022"
    );
    assert_eq!(
        (draft.method(), draft.message().len()),
        (SignMethod::Signature, 64),
        "the digest's hex digits are signed"
    );
    let (target, fields) = wire(draft);
    assert_eq!(target, "/gateway/api/backTransReq.do");
    assert_eq!(
        spelt(&fields),
        format!(
            "{COMMON}bizType=000000&certId=94764633022&channelType=08&currencyCode=156&encoding=UTF-8&merId=777290058110048&orderId=20260101080000002&payTimeout=20260101081500&signMethod=01&signature=c2ln&txnAmt=1000&txnSubType=07&txnTime=20260101080000&txnType=01&version=5.1.0"
        )
    );
}

#[test]
fn with_a_secret_no_certificate_is_named_and_the_whole_text_is_digested() {
    let no = number("20260101080000002");
    let draft = channel::query(&keyed(), &stamp(), PayWay::Qr, &no).expect("composes");
    assert_eq!(
        (draft.key().as_str(), draft.method()),
        ("unionpay/777290058110048/secure", SignMethod::KeyedSm3)
    );
    assert_eq!(
        String::from_utf8_lossy(draft.message()),
        "accessType=0&bizType=000000&channelType=07&encoding=UTF-8&merId=777290058110048&orderId=20260101080000002&signMethod=12&txnSubType=00&txnTime=20260101080000&txnType=00&version=5.1.0"
    );
    let (target, fields) = wire(draft);
    assert_eq!(
        (target.as_str(), fields["signature"].as_str()),
        ("/gateway/api/queryTrans.do", "sig")
    );
}

/// All messages about one order carry the time at which it was put on record, however late they are made.
#[test]
fn an_order_is_named_by_its_number_and_its_first_time() {
    let no = number("20260101080000002");
    let mut late = stamp().about(NOW);
    late.at = NOW.plus_millis(3_600_000);
    for draft in [
        channel::query(&unionpay(), &late, PayWay::Qr, &no),
        channel::close(&unionpay(), &late, &no),
        channel::create(&unionpay(), &late, &facts(&no, PayWay::Qr), &buyer()),
        channel::refund_query(&unionpay(), &late, PayWay::Qr, &number("anything"), &no),
    ] {
        let (_, fields) = wire(draft.expect("composes"));
        assert_eq!(
            (fields["orderId"].as_str(), fields["txnTime"].as_str()),
            ("20260101080000002", "20260101080000")
        );
    }
}

/// Our key would vouch for whatever the merchant made of the form's signed text.
#[test]
//= C80
fn a_way_back_that_could_be_cut_into_fields_is_not_signed() {
    for (back, signed) in [
        ("https://shop.example/?order=1", true),
        ("https://shop.example/a&b", true),
        (
            "https://shop.example/?x&bizType=000201&currencyCode=840&encoding=UTF-8",
            false,
        ),
        (
            "https://shop.example/?a&merId=777290058110048&orderId=X9999999&reqReserved=z",
            false,
        ),
        ("https://shop.example/?a&reserved=1", false),
        ("https://shop.example/?a&FRONTURL=1", false),
    ] {
        let mut buyer = buyer();
        buyer.return_url = Some(Text::from(back));
        let unfit = channel::unfit_of(Channel::Unionpay, &buyer);
        assert_eq!(unfit.is_none(), signed, "{back}");
        let said = channel::unfit(Channel::Unionpay, channel::Told::ReturnUrl, back);
        assert_eq!(said.is_none(), signed, "{said:?}");
    }
}

#[test]
fn a_bank_is_reached_by_a_form_and_a_page_that_posts_it() {
    let no = number("20260101080000001");
    let mut buyer = buyer();
    buyer.return_url = Some(Text::from("https://shop.example/back?a=\"><script>&b"));
    buyer.attach = Some(Text::from("桌号 7 & {x}"));
    for (pay_way, biz_type) in [(PayWay::Gateway, "000201"), (PayWay::GatewayB2b, "000202")] {
        for (browser, channel_type) in [(None, "07"), (Some("Android"), "08")] {
            buyer.h5_type = browser.map(Text::from);
            let draft =
                channel::hand_out(&unionpay(), &stamp(), &facts(&no, pay_way), &buyer).expect("composes");
            let shown = draft
                .hand_out(b"sig")
                .expect("a form")
                .for_browser("https://gateway.95516.com");
            assert!(shown.get("url").is_none(), "UnionPay takes forms only");
            let form = &shown["form"];
            assert_eq!(
                (&form["action"], &form["method"]),
                (
                    &"https://gateway.95516.com/gateway/api/frontTransReq.do".into(),
                    &"POST".into()
                )
            );
            let fields = &form["fields"];
            assert_eq!(
                (&fields["bizType"], &fields["channelType"], &fields["txnSubType"]),
                (&biz_type.into(), &channel_type.into(), &"01".into())
            );
            assert_eq!(fields["merId"], "777290058110048");
            assert_eq!(
                fields["reqReserved"], "5qGM5Y+3IDcgJiB7eH0=",
                "packed, so that it is nobody's field"
            );
            let page = shown["page"].as_str().expect("a page");
            assert!(
                page.contains("value=\"https://shop.example/back?a=&quot;&gt;&lt;script&gt;&amp;b\""),
                "{page}"
            );
            assert_eq!(page.matches("<script>").count(), 1);
        }
    }
    assert_eq!(
        channel::hand_out(&unionpay(), &stamp(), &facts(&no, PayWay::Page), &buyer).err(),
        Some(ComposeError::NotOffered)
    );
    assert_eq!(
        channel::create(&unionpay(), &stamp(), &facts(&no, PayWay::Gateway), &buyer).err(),
        Some(ComposeError::NotOffered)
    );
}

#[test]
fn a_refund_names_the_payment_by_unionpays_own_number() {
    let (no, refund, paid) = (
        number("20260101080000001"),
        number("0123456789abcdef0123456789abcdef"),
        TradeNo::new("782601010800001234518").expect("lawful"),
    );
    let mut facts = RefundFacts {
        number: &no,
        refund: &refund,
        trade_no: Some(&paid),
        amount: Amount::from_fen(30),
        total: Amount::from_fen(1000),
    };
    let (target, fields) = wire(
        channel::refund(
            &unionpay(),
            &stamp(),
            PayWay::Qr,
            &facts,
            Some(&Text::from("退货")),
        )
        .expect("composes"),
    );
    assert_eq!(target, "/gateway/api/backTransReq.do");
    assert_eq!(
        spelt(&fields),
        format!(
            "{COMMON}bizType=000000&certId=94764633022&channelType=08&currencyCode=156&encoding=UTF-8&merId=777290058110048&orderId=0123456789abcdef0123456789abcdef&origQryId=782601010800001234518&signMethod=01&signature=c2ln&txnAmt=30&txnSubType=00&txnTime=20260101080000&txnType=04&version=5.1.0"
        )
    );
    facts.trade_no = None;
    assert!(matches!(
        channel::refund(&unionpay(), &stamp(), PayWay::Qr, &facts, None),
        Err(ComposeError::Missing(_))
    ));
}

/// Money goes back by the product that it came by (UnionPay's own samples of refund and cancel).
#[test]
fn what_goes_back_names_the_product_of_its_payment() {
    let (no, back) = (number("20260101080000001"), number("20260101080000009"));
    let paid = TradeNo::new("782601010800001234518").expect("lawful");
    let facts = RefundFacts {
        number: &no,
        refund: &back,
        trade_no: Some(&paid),
        amount: Amount::from_fen(1000),
        total: Amount::from_fen(1000),
    };
    for (pay_way, product, device) in [
        (PayWay::Qr, "000000", "08"),
        (PayWay::Micropay, "000000", "08"),
        (PayWay::App, "000201", "07"),
        (PayWay::Gateway, "000201", "07"),
        (PayWay::GatewayB2b, "000202", "07"),
    ] {
        for draft in [
            channel::refund(&unionpay(), &stamp(), pay_way, &facts, None),
            channel::cancel(&unionpay(), &stamp(), pay_way, &facts),
        ] {
            let (_, fields) = wire(draft.expect("composes"));
            assert_eq!(
                (fields["bizType"].as_str(), fields["channelType"].as_str()),
                (product, device),
                "{pay_way:?} {}",
                fields["txnType"]
            );
        }
    }
    let other = channel::refund(&unionpay(), &stamp(), PayWay::Jsapi, &facts, None);
    assert_eq!(other.err(), Some(ComposeError::NotOffered));
}

#[test]
fn what_cannot_be_said_to_unionpay_is_not_composed() {
    let no = number("20260101080000001");
    let of = |account: &Account, no: &ChannelNo| {
        channel::create(account, &stamp(), &facts(no, PayWay::Qr), &buyer()).err()
    };
    assert_eq!(of(&unionpay(), &number("short-1")), Some(ComposeError::Number));
    assert!(matches!(
        of(
            &Account {
                payee: PayeeNo::new("777290058110049").expect("lawful"),
                ..unionpay()
            },
            &no
        ),
        Some(ComposeError::Account(_))
    ));
    assert!(matches!(
        of(
            &Account {
                serial: None,
                ..unionpay()
            },
            &no
        ),
        Some(ComposeError::Account(_))
    ));
    assert_eq!(
        channel::reverse(&unionpay(), &stamp(), &number("short-1")).err(),
        Some(ComposeError::Number)
    );
    for (text, fits) in [
        ("12345678", true),
        ("1234567", false),
        ("1234_5678", false),
        ("1234-5678", false),
        (&"a".repeat(32), true),
        (&"a".repeat(33), false),
    ] {
        assert_eq!(channel::number_fits(Channel::Unionpay, text), fits, "{text}");
    }
    // A merchant's own may be longer than the settlement file has room for: it is asked for all the same.
    assert_eq!(of(&unionpay(), &number(&"a".repeat(40))), None);
    assert_eq!(
        of(&unionpay(), &number(&"a".repeat(41))),
        Some(ComposeError::Number)
    );
}

#[test]
fn a_code_stands_in_one_field() {
    let no = number("20260101080000001");
    let code = AuthCode::new("6212345678901234567".to_owned());
    let (target, fields) = wire(
        channel::charge(
            &unionpay(),
            &stamp(),
            &facts(&no, PayWay::Micropay),
            &buyer(),
            &code,
        )
        .expect("composes"),
    );
    assert_eq!(
        (
            target.as_str(),
            fields["qrNo"].as_str(),
            fields["txnSubType"].as_str()
        ),
        ("/gateway/api/backTransReq.do", "6212345678901234567", "06")
    );
}

#[test]
fn an_order_of_the_merchants_app_is_answered_with_a_tn_for_unionpays_sdk() {
    let no = number("20260101080000001");
    let (target, fields) =
        wire(channel::create(&unionpay(), &stamp(), &facts(&no, PayWay::App), &buyer()).expect("composes"));
    assert_eq!(target, "/gateway/api/appTransReq.do");
    for (name, value) in [
        ("txnType", "01"),
        ("txnSubType", "01"),
        ("bizType", "000201"),
        ("channelType", "08"),
        ("orderId", "20260101080000001"),
        ("txnAmt", "1000"),
    ] {
        assert_eq!(fields[name], value, "{name}");
    }
    assert!(!fields.contains_key("frontUrl"), "no browser comes back");
    let said = |more: &str| {
        let body = format!(
            "version=5.1.0&encoding=UTF-8&signMethod=01&merId=777290058110048&orderId=20260101080000001&txnTime=20260101080000&txnType=01&{more}"
        );
        channel::read_answer(&unionpay(), Operation::Create, PayWay::App, 200, body.as_bytes())
    };
    let Answer::Placed(reach) = said("respCode=00&tn=671234567890123456789") else {
        panic!("placed")
    };
    assert_eq!(reach, Reach::Prepay("671234567890123456789".into()));
    let Some(channel::CallUp::Ready(ready)) = channel::call_up(&unionpay(), &stamp(), PayWay::App, &reach)
    else {
        panic!("nothing is left to sign")
    };
    assert_eq!(ready, serde_json::json!({ "tn": "671234567890123456789" }));
    assert_eq!(class(said("respCode=00")), Err("garbage"), "no number, no order");
    // Signed rightly, about another order.
    let draft = channel::create(&unionpay(), &stamp(), &facts(&no, PayWay::App), &buyer()).expect("composes");
    let asked = draft.sign_with(b"x").body;
    let fits = |answer: &str| {
        let operation = Operation::Create;
        channel::names_another(Channel::Unionpay, operation, &asked, answer.as_bytes())
    };
    let own = format!("orderId={}&txnTime={}", fields["orderId"], fields["txnTime"]);
    for lawful in ["respCode=00&tn=1", "txnAmt=1000", "txnAmt=000000001000", &own] {
        assert_eq!(fits(lawful), None, "{lawful}");
    }
    for (other, what) in [
        ("orderId=OTHER00001&respCode=00&tn=1", Mismatch::Number),
        ("txnTime=20260101080001&respCode=60", Mismatch::Number),
        ("txnAmt=1&respCode=00&tn=1", Mismatch::Amount),
        ("txnAmt=x&respCode=00&tn=1", Mismatch::Amount),
    ] {
        assert_eq!(fits(other), Some(what), "{other}");
    }
    assert_eq!(class(said("respCode=12")), Ok(FailureClass::Duplicate));
}

#[test]
fn a_payment_is_taken_back_by_unionpays_own_number_and_whole() {
    let (no, back) = (number("20260101080000001"), number("20260101080000009"));
    let paid = TradeNo::new("782601010800001234518").expect("lawful");
    let facts = |total: u64| RefundFacts {
        number: &no,
        refund: &back,
        trade_no: Some(&paid),
        amount: Amount::from_fen(1000),
        total: Amount::from_fen(total),
    };
    let (target, fields) =
        wire(channel::cancel(&unionpay(), &stamp(), PayWay::Qr, &facts(1000)).expect("composes"));
    assert_eq!(target, "/gateway/api/backTransReq.do");
    for (name, value) in [
        ("txnType", "31"),
        ("txnSubType", "00"),
        ("bizType", "000000"),
        ("orderId", "20260101080000009"),
        ("origQryId", "782601010800001234518"),
        ("txnAmt", "1000"),
        ("currencyCode", "156"),
        ("txnTime", "20260101080000"),
    ] {
        assert_eq!(fields[name], value, "{name}");
    }
    assert!(!fields.contains_key("qrNo"), "it needs no payer");
    let part = channel::cancel(&unionpay(), &stamp(), PayWay::Qr, &facts(1001)).err();
    assert_eq!(part, Some(ComposeError::Missing("the full amount")));
}

/// UnionPay's own sample of 冲正: the number and time of the charge, and nothing else of it.
#[test]
fn a_charge_is_undone_by_its_own_number_and_time() {
    let no = number("20260101080000001");
    let (target, fields) = wire(channel::reverse(&unionpay(), &stamp(), &no).expect("composes"));
    assert_eq!(target, "/gateway/api/backTransReq.do");
    for (name, value) in [
        ("txnType", "99"),
        ("txnSubType", "01"),
        ("bizType", "000000"),
        ("channelType", "08"),
        ("accessType", "0"),
        ("orderId", "20260101080000001"),
        ("txnTime", "20260101080000"),
    ] {
        assert_eq!(fields[name], value, "{name}");
    }
    for name in ["txnAmt", "backUrl", "origQryId", "qrNo", "currencyCode"] {
        assert!(!fields.contains_key(name), "{name}");
    }
    let state = |kind| match code_read(Operation::Reverse, kind, "respCode=00&respMsg=ok") {
        Answer::Refund(view) => Some(view.state),
        _ => None,
    };
    assert_eq!(state("99"), Some(domain::RefundState::Succeeded));
    assert_eq!(
        state("31"),
        Some(domain::RefundState::Processing),
        "accepted is not done"
    );
    assert_eq!(state("04"), None);
}

fn code_read(operation: Operation, kind: &str, more: &str) -> Answer {
    let body = format!(
        "version=5.1.0&encoding=UTF-8&signMethod=01&merId=777290058110048&orderId=20260101080000001&txnTime=20260101080000&txnType={kind}&{more}"
    );
    channel::read_answer(&unionpay(), operation, PayWay::Micropay, 200, body.as_bytes())
}

/// A charge is one call: accepted is not paid, a listed refusal is its end, everything else is asked for.
#[test]
fn what_is_said_of_a_payment_code() {
    let charge = |more: &str| code_read(Operation::Create, "01", more);
    for open in ["00", "A6", "03", "04", "05"] {
        assert!(
            matches!(charge(&format!("respCode={open}")), Answer::Waiting),
            "{open}"
        );
    }
    for (code, wanted) in [
        ("61", FailureClass::Final),
        ("64", FailureClass::Final),
        ("31", FailureClass::Setup),
        ("02", FailureClass::Busy),
        ("12", FailureClass::Duplicate),
        ("01", FailureClass::Unknown),
        ("34", FailureClass::Unknown),
        ("42", FailureClass::Unknown),
        ("99", FailureClass::Unknown),
    ] {
        assert_eq!(class(charge(&format!("respCode={code}"))), Ok(wanted), "{code}");
    }
    match charge("respCode=64&accNo=6226********0048") {
        Answer::Declined(failure, payer) => {
            assert_eq!((&*failure.code, payer.field), ("64", PayerField::AccNo));
        }
        _ => panic!("the card that was refused"),
    }
    assert!(
        matches!(charge("respCode=61&accNo=6226********0048"), Answer::Failed(_)),
        "a code that nobody has is nobody's refusal"
    );
    let state = |code: &str| match code_read(
        Operation::Query,
        "00",
        &PAID.replace("origRespCode=00", &format!("origRespCode={code}")),
    ) {
        Answer::State(view) => Some(view.state),
        _ => None,
    };
    for refused in ["60", "61", "64", "77", "30"] {
        assert_eq!(
            state(refused),
            Some(ChannelState::Refused(refused.into())),
            "{refused}"
        );
    }
    assert!(matches!(state("00"), Some(ChannelState::Paid(_))));
    assert_eq!(state("05"), Some(ChannelState::Paying));
    assert_eq!(state("34"), Some(ChannelState::NotPaid), "no last word");
    for doubt in ["01", "45", "99", "ZZ"] {
        assert_eq!(state(doubt), None, "{doubt}");
    }
    let back = |code: &str| {
        code_read(
            Operation::Reverse,
            "31",
            &format!("respCode={code}&queryId=782601010800001234599"),
        )
    };
    match back("00") {
        Answer::Refund(view) => assert_eq!(view.state, RefundState::Processing, "accepted is not done"),
        _ => panic!("accepted"),
    }
    assert_eq!(class(back("35")), Ok(FailureClass::Final));
    assert_eq!(class(back("12")), Ok(FailureClass::Duplicate));
    assert_eq!(
        class(code_read(Operation::Reverse, "04", "respCode=00")),
        Err("garbage"),
        "another kind of call"
    );
}

fn read(operation: Operation, more: &str) -> Answer {
    let kind = match operation {
        Operation::Create => "01",
        Operation::Refund => "04",
        _ => "00",
    };
    let body = format!(
        "version=5.1.0&encoding=UTF-8&signMethod=01&merId=777290058110048&orderId=20260101080000001&txnTime=20260101080000&txnType={kind}&{more}"
    );
    channel::read_answer(&unionpay(), operation, PayWay::Qr, 200, body.as_bytes())
}

fn class(answer: Answer) -> Result<FailureClass, &'static str> {
    match answer {
        Answer::Failed(failure) => Ok(failure.class),
        Answer::Unclear(Unclear::Garbage) => Err("garbage"),
        Answer::Unclear(_) => Err("unclear"),
        _ => Err("said"),
    }
}

const PAID: &str = "respCode=00&origRespCode=00&txnAmt=1000&queryId=782601010800001234518&traceTime=0101080102&payCardType=01&issInsCode=ICBC&accNo=6226********0048&reqReserved=5qGM5Y+3IDcgJiB7eH0=";

#[test]
fn a_query_says_what_became_of_the_order() {
    let Answer::State(view) = read(Operation::Query, PAID) else {
        panic!("a state")
    };
    let ChannelState::Paid(paid) = view.state else {
        panic!("paid")
    };
    assert_eq!(
        (
            paid.amount.fen(),
            paid.trade_no.as_str(),
            paid.bank_type.as_deref()
        ),
        (1000, "782601010800001234518", Some("ICBC_DEBIT"))
    );
    assert_eq!(paid.paid_at, NOW.plus_millis(62_000));
    assert_eq!(
        (
            view.account.as_ref().map(AccountNo::as_str),
            view.payee.as_ref().map(PayeeNo::as_str)
        ),
        (Some("777290058110048"), Some("777290058110048"))
    );
    let payer = view.payer.expect("a payer");
    assert_eq!(
        (payer.field, payer.value.expose()),
        (PayerField::AccNo, "6226********0048")
    );
    assert_eq!(view.attach.expect("free text").expose(), "桌号 7 & {x}");
    let state = |code: &str| match read(
        Operation::Query,
        &PAID.replace("origRespCode=00", &format!("origRespCode={code}")),
    ) {
        Answer::State(view) => Some(view.state),
        _ => None,
    };
    assert!(
        matches!(state("A6"), Some(ChannelState::Paid(_))),
        "done with a defect"
    );
    assert!(
        matches!(state("42"), Some(ChannelState::Paid(_))),
        "paid late is paid"
    );
    for open in ["03", "04", "05"] {
        assert_eq!(state(open), Some(ChannelState::Paying), "{open}");
    }
    for tried in ["34", "30"] {
        assert_eq!(
            state(tried),
            Some(ChannelState::NotPaid),
            "{tried}: the payer may try again"
        );
    }
    for card in ["60", "61", "64", "65", "73", "80"] {
        assert_eq!(
            state(card),
            Some(ChannelState::Declined(card.into())),
            "{card}: its issuer said no"
        );
    }
    for doubt in ["01", "45", "74", "75", "99", "ZZ"] {
        assert_eq!(state(doubt), None, "{doubt}");
    }
}

/// `origRespCode` counts only where the query itself was well, and nothing unlisted is ever a refusal.
#[test]
fn the_word_on_the_call_comes_first() {
    assert_eq!(
        class(read(Operation::Query, "respCode=34&origRespCode=00")),
        Ok(FailureClass::NotFound)
    );
    assert_eq!(
        class(read(Operation::Query, "respCode=37")),
        Ok(FailureClass::Busy)
    );
    assert_eq!(
        class(read(Operation::Query, "respCode=A7&origRespCode=00")),
        Ok(FailureClass::Unknown)
    );
    assert_eq!(class(read(Operation::Query, "respCode=00")), Err("garbage"));
    assert_eq!(
        class(read(Operation::Query, "respCode=00&origRespCode=00")),
        Err("garbage"),
        "paid, but how much and when?"
    );
    assert_eq!(
        class(read(Operation::Query, "respCode=00&origRespCode=99")),
        Err("unclear")
    );
    assert_eq!(
        class(read(Operation::Create, "respCode=12")),
        Ok(FailureClass::Duplicate)
    );
    assert_eq!(
        class(read(Operation::Create, "respCode=05")),
        Ok(FailureClass::Unknown)
    );
    assert_eq!(
        class(read(Operation::Create, "respCode=00")),
        Err("garbage"),
        "no code"
    );
    assert!(matches!(
        read(Operation::Create, "respCode=00&qrCode=https://qr.95516.com/0001"),
        Answer::Placed(Reach::Code(_))
    ));
    let other = channel::read_answer(
        &unionpay(),
        Operation::Query,
        PayWay::Qr,
        200,
        b"merId=777290058110048&txnType=31&respCode=00&origRespCode=00",
    );
    assert_eq!(class(other), Err("garbage"), "an answer to another question");
    assert_eq!(
        class(channel::read_answer(
            &unionpay(),
            Operation::Query,
            PayWay::Qr,
            502,
            b""
        )),
        Err("unclear")
    );
}

/// UnionPay states the kind of what was asked for; a query that it refuses may state any. What is none of a payment says nothing
/// of one, and what is none of a way back says nothing of that.
#[test]
fn an_answer_to_a_query_states_the_kind_of_what_was_asked_for() {
    let said = |operation, kind: &str, more: &str| {
        class(code_read(operation, kind, &PAID.replace("respCode=00&", more)))
    };
    let (well, busy) = ("respCode=00&", "respCode=37&");
    use Operation::{Close, Query, RefundQuery};
    for (operation, own) in [
        (Query, &["00", "01"][..]),
        (Close, &["00", "01"]),
        (RefundQuery, &["00", "04", "31"]),
    ] {
        for kind in ["00", "01", "02", "03", "04", "31", "32", "76", "95", ""] {
            let word = said(operation, kind, well);
            match own.contains(&kind) {
                true => assert_ne!(word, Err("garbage"), "{operation:?} {kind}"),
                false => assert_eq!(word, Err("garbage"), "{operation:?} {kind}"),
            }
            assert_eq!(said(operation, kind, busy), Ok(FailureClass::Busy), "{kind}");
        }
    }
    let paid = code_read(Query, "01", &format!("txnSubType=06&{PAID}"));
    assert!(matches!(paid, Answer::State(view) if matches!(view.state, ChannelState::Paid(_))));
    let open = "txnSubType=01&respCode=00&origRespCode=05&settleAmt=0&txnAmt=1";
    let open = code_read(Query, "01", open);
    assert!(matches!(open, Answer::State(view) if view.state == ChannelState::Paying));
    for kind in ["04", "31"] {
        let back = code_read(RefundQuery, kind, &format!("txnSubType=00&{PAID}"));
        assert!(matches!(back, Answer::Refund(view) if view.state == RefundState::Succeeded));
    }
}

/// There is no close: what was not paid ends with its time.
#[test]
fn a_close_asks() {
    let closed = |more: &str| match read(Operation::Close, more) {
        Answer::State(view) => {
            class(channel::close_by_word(Channel::Unionpay, &view).expect("it has no close"))
        }
        other => class(other),
    };
    assert_eq!(closed(PAID), Ok(FailureClass::AlreadyPaid));
    assert_eq!(closed("respCode=34"), Ok(FailureClass::NotFound));
    assert_eq!(closed("respCode=00&origRespCode=60"), Ok(FailureClass::NotFound));
    assert_eq!(closed("respCode=00&origRespCode=05"), Ok(FailureClass::Unknown));
}

#[test]
fn a_refund_that_is_accepted_is_not_done() {
    let view = |operation, more: &str| match read(operation, more) {
        Answer::Refund(view) => Some((view.state, view.amount.map(Amount::fen))),
        _ => None,
    };
    assert_eq!(
        view(Operation::Refund, "respCode=00&txnAmt=30&queryId=7826010108"),
        Some((RefundState::Processing, Some(30)))
    );
    assert_eq!(
        view(Operation::RefundQuery, "respCode=00&origRespCode=00&txnAmt=30"),
        Some((RefundState::Succeeded, Some(30)))
    );
    assert_eq!(
        view(Operation::RefundQuery, "respCode=00&origRespCode=05"),
        Some((RefundState::Processing, None))
    );
    assert_eq!(
        view(Operation::RefundQuery, "respCode=00&origRespCode=36"),
        Some((RefundState::Failed, None))
    );
    assert_eq!(view(Operation::RefundQuery, "respCode=00&origRespCode=99"), None);
    for (code, wanted) in [
        ("03", FailureClass::Unknown),
        ("12", FailureClass::Duplicate),
        ("36", FailureClass::Changed),
        ("38", FailureClass::Final),
    ] {
        assert_eq!(
            class(read(Operation::Refund, &format!("respCode={code}"))),
            Ok(wanted)
        );
    }
}

const NOTICE: &str = "version=5.1.0&encoding=UTF-8&signMethod=01&accessType=0&merId=777290058110048&txnTime=20260101080000&bizType=000201&txnType=01&txnSubType=01&orderId=20260101080000001&txnAmt=1000&currencyCode=156&respCode=00&respMsg=success&queryId=782601010800001234518&traceTime=0101080102&accNo=6226%2A%2A0048&signPubKeyCert=-----BEGIN+CERTIFICATE-----&signature=c2ln";

fn said(body: &str) -> Result<&'static str, NoticeError> {
    notice::read(&unionpay(), body.as_bytes(), Kind::Open).map(|notice| match notice {
        Notice::Order(_) => "order",
        Notice::Refund { order: None, .. } => "refund",
        Notice::Refund { .. } => "refund of an order",
        Notice::Combined(_) => "a group",
        Notice::Ignored | Notice::RefundToAskFor { .. } => "nothing",
    })
}

#[test]
fn a_notice_tells_of_success_only() {
    assert_eq!(said(NOTICE), Ok("order"));
    assert_eq!(
        said(&NOTICE.replace("respCode=00", "respCode=60")),
        Ok("nothing"),
        "the payer may try again"
    );
    assert_eq!(said(&NOTICE.replace("txnType=01", "txnType=04")), Ok("refund"));
    assert_eq!(
        said(
            &NOTICE
                .replace("txnType=01", "txnType=04")
                .replace("respCode=00", "respCode=36")
        ),
        Ok("nothing"),
        "a query tells"
    );
    assert_eq!(said(&NOTICE.replace("txnType=01", "txnType=95")), Ok("nothing"));
    assert_eq!(
        said(&NOTICE.replace("&queryId=782601010800001234518", "")),
        Err(NoticeError::Field("queryId"))
    );
    assert_eq!(
        said(&NOTICE.replace("merId=777290058110048", "merId=777290058110049")),
        Err(NoticeError::Account)
    );
}

#[test]
fn a_notice_is_vouched_for_by_the_accounts_own_method() {
    let of = |account: &Account, body: &str| {
        notice::authenticate(
            Channel::Unionpay,
            account,
            &HeaderMap::new(),
            body.as_bytes(),
            NOW,
        )
        .map(|signed| (signed.method, signed.certificate.is_some()))
    };
    assert_eq!(of(&unionpay(), NOTICE), Ok((SignMethod::Signature, true)));
    assert_eq!(
        of(&keyed(), NOTICE),
        Err(NoticeError::Envelope("signMethod")),
        "nobody chooses the method for us"
    );
    assert_eq!(
        of(&keyed(), &NOTICE.replace("signMethod=01", "signMethod=12")),
        Ok((SignMethod::KeyedSm3, false))
    );
    assert_eq!(
        of(&unionpay(), &NOTICE.replace("signMethod=01", "signMethod=11")),
        Err(NoticeError::Envelope("signMethod"))
    );
    assert_eq!(
        of(&unionpay(), &NOTICE.replace("signPubKeyCert", "signPubKey")),
        Err(NoticeError::Envelope("signPubKeyCert"))
    );
    assert_eq!(
        of(&unionpay(), &NOTICE.replace("encoding=UTF-8", "encoding=GBK")),
        Err(NoticeError::Envelope("encoding"))
    );
    assert!(matches!(
        of(&unionpay(), &format!("{NOTICE}&txnAmt=1")),
        Err(NoticeError::Form(_))
    ));
}

#[test]
fn an_answer_without_a_signature_says_nothing() {
    let of = |status, body: &str| match channel::authenticate_answer(
        &unionpay(),
        Operation::Query,
        PayWay::Qr,
        status,
        &HeaderMap::new(),
        body.as_bytes(),
        NOW,
    ) {
        Ok(Authentic::Signed(_)) => Ok(()),
        Ok(Authentic::Unsigned) => panic!("never unsigned"),
        Err(why) => Err(why),
    };
    let signed = "merId=777290058110048&signMethod=01&signPubKeyCert=x&respCode=00&signature=c2ln";
    assert_eq!(of(200, signed), Ok(()));
    assert_eq!(of(500, signed), Err(Unclear::ChannelError));
    assert_eq!(of(200, "Invalid request."), Err(Unclear::Garbage));
    for missing in [
        "&signature=c2ln",
        "&signPubKeyCert=x",
        "&signMethod=01",
        "merId=777290058110048&",
    ] {
        assert_eq!(
            of(200, &signed.replace(missing, "")),
            Err(Unclear::Signature),
            "{missing}"
        );
    }
}

/// The settlement file (channels.md 4.5): asked for at the root of the host for files, by day and without an order.
#[test]
fn a_days_file_is_asked_for_without_an_order() {
    let day = Day::parse("2026-01-31").expect("a day");
    let draft = channel::bill::ask(&unionpay(), &stamp(), BillKind::Trade, day).expect("composes");
    let (target, fields) = wire(draft);
    assert_eq!(
        (target.as_str(), spelt(&fields).as_str()),
        (
            "/",
            "accessType=0&bizType=000000&certId=94764633022&channelType=07&encoding=UTF-8&fileType=00&merId=777290058110048&settleDate=0131&signMethod=01&signature=c2ln&txnSubType=01&txnTime=20260101080000&txnType=76&version=5.1.0"
        )
    );
    assert!(channel::bill::ask(&unionpay(), &stamp(), BillKind::Funds, day).is_err());
}

#[test]
fn the_file_comes_in_the_answer_and_98_may_mean_two_things() {
    let read =
        |text: &str| channel::read_answer(&unionpay(), Operation::Bill, PayWay::Native, 200, text.as_bytes());
    assert!(matches!(
        read("fileContent=eJwL8GY=&fileName=777290058110048_20260131.zip&respCode=00&txnType=76"),
        Answer::BillFile(octets) if octets == b"eJwL8GY="
    ));
    match read("respCode=98&respMsg=文件不存在&txnType=76") {
        Answer::Failed(failure) => {
            assert_eq!((&*failure.code, failure.class), ("98", FailureClass::Busy));
            assert!(channel::bill::may_mean_none(Channel::Unionpay, &failure.code));
            assert!(!channel::bill::means_none(Channel::Unionpay, &failure.code));
        }
        _ => panic!("98 is a refusal"),
    }
    for wrong in [
        "respCode=00&txnType=76",
        "fileContent=&respCode=00&txnType=76",
        "fileContent=eJw=&respCode=00&txnType=00",
    ] {
        assert!(
            matches!(read(wrong), Answer::Unclear(Unclear::Garbage)),
            "{wrong}"
        );
    }
    assert!(channel::bill::comes_at_once(Channel::Unionpay));
    assert!(channel::bill::is_file_host(
        Channel::Unionpay,
        "FileDownload.95516.com"
    ));
    assert!(!channel::bill::is_file_host(
        Channel::Unionpay,
        "gateway.95516.com"
    ));
    assert!(!channel::bill::is_file_host(
        Channel::Alipay,
        "filedownload.95516.com"
    ));
}
