//! Calls of ours by Alipay's OpenAPI v3 (channels.md 3.8), and its answers.

use crate::{
    NOW, alipay, alipay_certificates, by_v3,
    compose::{bare, buyer, facts, wire},
    headers, number, stamp,
};
use channel::{
    Account, Answer, Authentic, ChannelState, ComposeError, Draft, FailureClass, RefundFacts,
    authorize::{self, Exchange, Whose},
    native,
};
use domain::*;
use vault::{AuthCode, Buyer, PayerField, Text};

const AUTH: &str = "app_id=2021000066965330,nonce=593BEC0C930BF1AFEB40B4A08C8FB242,timestamp=1767225600000";
const AUTH_BY_CERTIFICATE: &str = "app_id=2021000066965330,app_cert_sn=747c5209f2fc137f7a2e696633c80c33,nonce=593BEC0C930BF1AFEB40B4A08C8FB242,timestamp=1767225600000";
const NOTIFY: &str = r#""notify_url":"https://guandao.example/n/alipay/2021000066965330""#;

fn v3() -> Account {
    by_v3(alipay())
}

/// Line and body of a call whose signature and headers are those of every call.
fn exact(account: &Account, draft: Result<Draft, ComposeError>) -> (String, String) {
    let draft = draft.expect("composes");
    assert_eq!(draft.key().as_str(), "alipay/2021000066965330/app");
    let (line, message, body, headers) = wire(draft);
    let (method, target) = line.split_once(' ').expect("a line");
    let (auth, root) = match account.serial {
        Some(_) => (AUTH_BY_CERTIFICATE, account.root_sn.as_deref()),
        None => (AUTH, None),
    };
    assert_eq!(message, format!("{auth}\n{method}\n{target}\n{body}\n"));
    let authorization = format!("ALIPAY-SHA256withRSA {auth},sign=+/8B");
    let mut wanted = vec![("Accept", "application/json"), ("User-Agent", "guandao/0.1")];
    wanted.extend(root.map(|sn| ("alipay-root-cert-sn", sn)));
    wanted.extend((method == "POST").then_some(("Content-Type", "application/json")));
    wanted.push(("Authorization", &authorization));
    let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(headers, wanted, "{line}");
    (line, body)
}

#[test]
fn a_precreate_is_a_path_with_the_gateways_content_and_where_notices_go() {
    let (account, no) = (v3(), number("20260101000010"));
    let terminal = TerminalNo::new("T0000001").expect("terminal");
    let facts = facts(&no, PayWay::Qr, Some(&terminal));
    let draft = channel::create(&account, &stamp(), &facts, &buyer(None));
    let (line, body) = exact(&account, draft);
    assert_eq!(line, "POST /v3/alipay/trade/precreate");
    let content = concat!(
        r#""out_trade_no":"20260101000010","passback_params":"%E6%A1%8C%E5%8F%B7%207%268","#,
        r#""seller_id":"2088864287612845","subject":"Image形象店-\"QQ\"公仔","terminal_id":"T0000001","#,
        r#""time_expire":"2026-01-01 08:15:00","total_amount":"88.80"}"#
    );
    assert_eq!(body, format!("{{{NOTIFY},{content}"));
}

#[test]
fn the_cashier_takes_either_id_and_certificates_are_named_in_two_headers() {
    let (account, no) = (by_v3(alipay_certificates()), number("20260101000010"));
    let facts = facts(&no, PayWay::Jsapi, None);
    let create = |payer| {
        let buyer = Buyer {
            attach: None,
            device_id: None,
            description: Text::from("Tea"),
            detail: Some(Text::from(
                r#"[{"goods_id":"1","goods_name":"Tea","quantity":1,"price":"88.80"}]"#,
            )),
            ..buyer(payer)
        };
        channel::create(&account, &stamp(), &facts, &buyer)
    };
    let content = r#""goods_detail":[{"goods_id":"1","goods_name":"Tea","quantity":1,"price":"88.80"}],"op_app_id":"2021000066965330","out_trade_no":"20260101000010","product_code":"JSAPI_PAY","seller_id":"2088864287612845","subject":"Tea","time_expire":"2026-01-01 08:15:00","total_amount":"88.80"}"#;
    for (field, name, id) in [
        (PayerField::BuyerId, "buyer_id", "2088102116773037"),
        (
            PayerField::BuyerOpenId,
            "buyer_open_id",
            "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5",
        ),
    ] {
        let (line, body) = exact(&account, create(Some((field, id))));
        assert_eq!(line, "POST /v3/alipay/trade/create");
        assert_eq!(body, format!(r#"{{{NOTIFY},"{name}":"{id}",{content}"#));
    }
    assert!(matches!(create(None).err(), Some(ComposeError::Missing(_))));
}

#[test]
fn the_other_calls_are_exact() {
    let (account, no, again) = (v3(), number("20260101000010"), number("RF1"));
    let (stamp, one) = (stamp(), r#"{"out_trade_no":"20260101000010"}"#);
    let is = |draft, line: &str, body: &str| {
        assert_eq!(
            exact(&account, draft),
            (format!("POST /v3/alipay/{line}"), body.into())
        );
    };
    is(
        channel::query(&account, &stamp, PayWay::Qr, &no),
        "trade/query",
        one,
    );
    let trade_no = TradeNo::new("2026010122001473031000000001").expect("lawful");
    is(
        channel::query_trade(&account, &stamp, &trade_no),
        "trade/query",
        r#"{"trade_no":"2026010122001473031000000001"}"#,
    );
    is(channel::close(&account, &stamp, &no), "trade/close", one);
    is(channel::reverse(&account, &stamp, &no), "trade/cancel", one);
    let code = AuthCode::new("289821051157962364".to_owned());
    let at_counter = facts(&no, PayWay::Micropay, None);
    is(
        channel::charge(&account, &stamp, &at_counter, &bare(), &code),
        "trade/pay",
        &format!(
            r#"{{{NOTIFY},"auth_code":"289821051157962364","out_trade_no":"20260101000010","scene":"bar_code","seller_id":"2088864287612845","subject":"Test goods","time_expire":"2026-01-01 08:15:00","total_amount":"88.80"}}"#
        ),
    );
    let facts = RefundFacts {
        number: &no,
        refund: &again,
        trade_no: None,
        amount: Amount::from_fen(1),
        total: Amount::from_fen(8880),
    };
    is(
        channel::refund(&account, &stamp, PayWay::Qr, &facts, Some(&Text::from("退货"))),
        "trade/refund",
        r#"{"out_request_no":"RF1","out_trade_no":"20260101000010","refund_amount":"0.01","refund_reason":"退货"}"#,
    );
    is(
        channel::refund_query(&account, &stamp, PayWay::Qr, &no, &again),
        "trade/fastpay/refund/query",
        r#"{"out_request_no":"RF1","out_trade_no":"20260101000010","query_options":["gmt_refund_pay"]}"#,
    );
    let code = Text::from("4b203fe6c11548bcabd8da5bb087a83b");
    let Ok(Exchange::Signed(token)) = authorize::exchange(&account, &stamp, &code, None) else {
        panic!("signed")
    };
    is(
        Ok(token),
        "system/oauth/token",
        r#"{"code":"4b203fe6c11548bcabd8da5bb087a83b","grant_type":"authorization_code"}"#,
    );
    let bill = channel::bill::ask(&account, &stamp, BillKind::Trade, NOW.day());
    let (line, body) = exact(&account, bill);
    assert_eq!(
        (line.as_str(), body.as_str()),
        (
            "GET /v3/alipay/data/dataservice/bill/downloadurl/query?bill_date=2026-01-01&bill_type=trade",
            ""
        )
    );
}

/// The download of a certificate has no form there that anybody has published; browser and app carry the gateway's.
#[test]
fn what_has_no_other_form_is_the_gateways() {
    let (account, no) = (by_v3(alipay_certificates()), number("20260101000010"));
    let certificate = channel::certificates(&account, &stamp(), "ab12").expect("composes");
    let (line, message, _, _) = wire(certificate);
    assert_eq!(line, "POST /gateway.do");
    assert!(
        message.contains(r#"biz_content={"alipay_cert_sn":"ab12"}&"#),
        "{message}"
    );
    for pay_way in [PayWay::Page, PayWay::Wap, PayWay::App] {
        let facts = facts(&no, pay_way, None);
        let [ours, gateways] = [account.clone(), alipay_certificates()].map(|account| {
            let draft = channel::hand_out(&account, &stamp(), &facts, &bare()).expect("composes");
            draft.hand_out(b"sig").expect("a form").for_app().to_string()
        });
        assert_eq!(ours, gateways);
    }
}

/// Content is signed as it travels: encrypted first (channels.md 3.8).
#[test]
fn encrypted_content_is_the_body_and_signed_in_its_place() {
    let account = Account {
        encrypts: true,
        ..v3()
    };
    let no = number("20260101000010");
    let facts = facts(&no, PayWay::Qr, None);
    let draft = channel::create(&account, &stamp(), &facts, &buyer(None)).expect("composes");
    assert!(draft.message().is_empty());
    let (key, content) = draft.to_encrypt().expect("content to encrypt");
    assert_eq!(key.as_str(), "alipay/2021000066965330/content");
    assert!(content.starts_with(format!("{{{NOTIFY}").as_bytes()) && content.ends_with(b"}"));
    let draft = draft.encrypted(b"\xfb\xffsecret");
    assert!(draft.to_encrypt().is_none());
    let (line, message, body, headers) = wire(draft);
    assert_eq!(body, "+/9zZWNyZXQ=");
    assert_eq!(
        message,
        format!("{AUTH}\n{}\n+/9zZWNyZXQ=\n", line.replace(' ', "\n"))
    );
    for wanted in [("Content-Type", "text/plain"), ("alipay-encrypt-type", "AES")] {
        let found = headers.iter().filter(|(n, v)| (n.as_str(), v.as_str()) == wanted);
        assert_eq!(found.count(), 1, "{wanted:?} {headers:?}");
    }
    // There is nothing to encrypt in a query, and the payer's code is exchanged in clear as at the gateway.
    let bill = channel::bill::ask(&account, &stamp(), BillKind::Trade, NOW.day()).expect("composes");
    assert!(bill.to_encrypt().is_none());
    let code = Text::from("C1");
    let Ok(Exchange::Signed(token)) = authorize::exchange(&account, &stamp(), &code, None) else {
        panic!("signed")
    };
    assert!(token.to_encrypt().is_none());
    let certificates = Account {
        encrypts: true,
        ..by_v3(alipay_certificates())
    };
    let certificate = channel::certificates(&certificates, &stamp(), "ab12").expect("composes");
    assert!(certificate.to_encrypt().is_none());
}

/// What leaves is on the allow-list of the door that merchants' own clients come through, and pays the account's own payee.
#[test]
//= C02
fn what_is_composed_would_pass_the_pass_throughs_own_door() {
    let (no, again) = (number("20260101000010"), number("RF1"));
    let code = AuthCode::new("289821051157962364".to_owned());
    for account in [v3(), by_v3(alipay_certificates())] {
        let facts = |pay_way| facts(&no, pay_way, None);
        let refund = RefundFacts {
            number: &no,
            refund: &again,
            trade_no: None,
            amount: Amount::from_fen(1),
            total: Amount::from_fen(8880),
        };
        let payer = buyer(Some((PayerField::BuyerId, "2088102116773037")));
        let (a, s) = (&account, &stamp());
        let all = [
            (
                Operation::Create,
                channel::create(a, s, &facts(PayWay::Qr), &buyer(None)),
            ),
            (
                Operation::Create,
                channel::create(a, s, &facts(PayWay::Jsapi), &payer),
            ),
            (
                Operation::Create,
                channel::charge(a, s, &facts(PayWay::Micropay), &bare(), &code),
            ),
            (Operation::Query, channel::query(a, s, PayWay::Qr, &no)),
            (Operation::Close, channel::close(a, s, &no)),
            (Operation::Reverse, channel::reverse(a, s, &no)),
            (
                Operation::Refund,
                channel::refund(a, s, PayWay::Qr, &refund, None),
            ),
            (
                Operation::RefundQuery,
                channel::refund_query(a, s, PayWay::Qr, &no, &again),
            ),
            (
                Operation::Bill,
                channel::bill::ask(a, s, BillKind::Trade, NOW.day()),
            ),
        ];
        for (operation, draft) in all {
            let (line, message, body, sent) = wire(draft.expect("composes"));
            let (method, target) = line.split_once(' ').expect("a line");
            let sent: Vec<_> = sent.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let own = |no: &AccountNo| *no == account.account;
            let read = native::read(
                Channel::Alipay,
                own,
                &|_, _, _| Err(native::Unopened::NoKey),
                method,
                target,
                &headers(&sent),
                body.as_bytes(),
            );
            let native = read.unwrap_or_else(|refused| panic!("{line}: {refused}"));
            assert_eq!(
                (native.operation, &native.account),
                (operation, &account.account),
                "{line}"
            );
            assert_eq!(native.proof.message, message.into_bytes());
            let pays = operation == Operation::Create;
            assert_eq!(native.payee, pays.then(|| account.payee.clone()), "{line}");
        }
    }
}

const SIGNED: [(&str, &str); 3] = [
    ("alipay-timestamp", "1767225600500"),
    ("alipay-nonce", "4d8f9c0a"),
    ("alipay-signature", "+/8B"),
];

fn held(account: &Account, status: u16, more: &[(&str, &str)], body: &str) -> Result<Authentic, Unclear> {
    let (operation, body) = (Operation::Query, body.as_bytes());
    channel::authenticate_answer(account, operation, PayWay::Qr, status, &headers(more), body, NOW)
}

#[test]
fn what_is_done_is_signed_over_time_nonce_and_body() {
    let body = r#"{"out_trade_no":"1","url":"https:\/\/x"}"#;
    let key = |account: &Account, more: &[(&str, &str)]| match held(account, 200, more, body) {
        Ok(Authentic::Signed(signed)) => {
            let message = format!("1767225600500\n4d8f9c0a\n{body}\n");
            assert_eq!(signed.message, message.into_bytes());
            assert_eq!(signed.signature, [0xfb, 0xff, 1]);
            Some(signed.key.as_str().to_owned())
        }
        Ok(Authentic::Unsigned) => panic!("done, and unsigned"),
        Err(unclear) => {
            assert_eq!(unclear, Unclear::Signature);
            None
        }
    };
    let platform = "alipay/2021000066965330/platform";
    assert_eq!(key(&v3(), &SIGNED).as_deref(), Some(platform));
    // In certificate mode the answer names the certificate, else the registry does.
    let certificates = by_v3(alipay_certificates());
    let named: Vec<_> = SIGNED.into_iter().chain([("alipay-sn", "abc123")]).collect();
    assert_eq!(key(&certificates, &named), Some(format!("{platform}/abc123")));
    let registered = format!("{platform}/7f43f8920d8f5fbdf1e94e4e81177c50");
    assert_eq!(key(&certificates, &SIGNED), Some(registered));
    let nobodys = Account {
        platform: None,
        ..certificates
    };
    assert_eq!(
        key(&nobodys, &SIGNED),
        None,
        "no public key takes a certificate's place"
    );
    for lacking in 0..SIGNED.len() {
        let mut some = SIGNED.to_vec();
        some.remove(lacking);
        assert_eq!(key(&v3(), &some), None, "without {}", SIGNED[lacking].0);
    }
    let twice: Vec<_> = SIGNED.into_iter().chain([("alipay-nonce", "other")]).collect();
    assert_eq!(key(&v3(), &twice), None);
}

#[test]
fn a_refusal_may_come_unsigned_and_then_closes_nothing() {
    let refusal = r#"{"code":"invalid-app-id","message":"无效的AppID参数","links":[]}"#;
    let none: [(&str, &str); 0] = [];
    for (status, more) in [(400, &none[..]), (502, &[("alipay-signature", "null")])] {
        assert!(
            matches!(held(&v3(), status, more, refusal), Ok(Authentic::Unsigned)),
            "{status}"
        );
    }
    assert!(matches!(
        held(&v3(), 400, &SIGNED, refusal),
        Ok(Authentic::Signed(_))
    ));
    assert!(
        held(&v3(), 400, &SIGNED[1..], refusal).is_err(),
        "half a signature is none"
    );
    assert!(matches!(held(&v3(), 302, &SIGNED, ""), Err(Unclear::Garbage)));
    let class = |operation, status, code: &str| {
        let body = format!(r#"{{"code":"{code}","message":"m"}}"#);
        match channel::read_answer(&v3(), operation, PayWay::Qr, status, body.as_bytes()) {
            Answer::Failed(failure) => {
                assert_eq!(&*failure.code, code);
                failure.class
            }
            _ => panic!("a refusal: {code}"),
        }
    };
    for (status, code, wanted) in [
        (400, "ACQ.TRADE_NOT_EXIST", FailureClass::NotFound),
        (400, "ACQ.TRADE_HAS_SUCCESS", FailureClass::AlreadyPaid),
        (400, "ACQ.TRADE_HAS_CLOSE", FailureClass::Unknown),
        (400, "ACQ.CONTEXT_INCONSISTENT", FailureClass::Changed),
        (400, "ACQ.SYSTEM_ERROR", FailureClass::Unknown),
        (403, "ACQ.TRADE_NOT_EXIST", FailureClass::NotFound),
        (403, "ACQ.SYSTEM_ERROR", FailureClass::Unknown),
        (400, "invalid-app-id", FailureClass::Setup),
        (401, "invalid-signature", FailureClass::Setup),
        (400, "invalid-signature", FailureClass::Setup),
        (403, "insufficient-isv-permissions", FailureClass::Setup),
        (429, "app-call-limited", FailureClass::Busy),
        (400, "app-call-limited", FailureClass::Busy),
        (400, "unknow-error", FailureClass::Unknown),
        (500, "SYSTEM_ERROR", FailureClass::Unknown),
        (500, "invalid-app-id", FailureClass::Unknown),
        (400, "INVALID_PARAMETER", FailureClass::Final),
    ] {
        assert_eq!(class(Operation::Close, status, code), wanted, "{status} {code}");
    }
    // The gateway's own answer is no answer here, and a refusal by refund ends it only where a list has it.
    let gateways = r#"{"alipay_trade_close_response":{"code":"10000"},"sign":"+/8B"}"#;
    for odd in [
        gateways,
        r#"{"code":"40004","sub_code":"ACQ.SYSTEM_ERROR"}"#,
        "",
        "[]",
    ] {
        let answer = channel::read_answer(&v3(), Operation::Create, PayWay::Qr, 200, odd.as_bytes());
        assert!(matches!(answer, Answer::Unclear(Unclear::Garbage)), "{odd}");
    }
    let coded = channel::read_answer(&v3(), Operation::Close, PayWay::Qr, 200, br#"{"code":"40004"}"#);
    assert!(matches!(coded, Answer::Unclear(Unclear::Garbage)));
    let refund = |code| class(Operation::Refund, 400, code);
    assert_eq!(refund("ACQ.SELLER_BALANCE_NOT_ENOUGH"), FailureClass::PayeeFunds);
    assert_eq!(refund("ACQ.SOMETHING_NEW"), FailureClass::Unlisted);
    let ill = channel::read_answer(&v3(), Operation::Close, PayWay::Qr, 502, b"<html>");
    assert!(matches!(ill, Answer::Unclear(Unclear::ChannelError)));
}

#[test]
fn answers_are_read_as_the_gateways_are() {
    let read =
        |operation, body: &str| channel::read_answer(&v3(), operation, PayWay::Qr, 200, body.as_bytes());
    let placed = read(
        Operation::Create,
        r#"{"out_trade_no":"1","qr_code":"https://qr.alipay.com/bax1"}"#,
    );
    assert!(matches!(placed, Answer::Placed(Reach::Code(code)) if &*code == "https://qr.alipay.com/bax1"));
    let paid = r#"{"trade_no":"2026010122001473031000000001","out_trade_no":"1","trade_status":"TRADE_SUCCESS","total_amount":"88.80","send_pay_date":"2026-01-01 08:00:07"}"#;
    let Answer::State(view) = read(Operation::Query, paid) else {
        panic!("a state")
    };
    assert!(matches!(view.state, ChannelState::Paid(facts) if facts.amount.fen() == 8880));
    assert!(matches!(
        read(Operation::Close, r#"{"out_trade_no":"1"}"#),
        Answer::Closed
    ));
    let back = r#"{"out_trade_no":"1","fund_change":"Y","refund_fee":"0.01"}"#;
    assert!(
        matches!(read(Operation::Refund, back), Answer::Refund(view) if view.state == RefundState::Succeeded)
    );
    let bill = r#"{"bill_download_url":"https://dwbillcenter.alipay.com/downloadBillFile.resource?token=a"}"#;
    assert!(
        matches!(read(Operation::Bill, bill), Answer::Bill(place) if place.host == "dwbillcenter.alipay.com")
    );
    let none = r#"{"code":"bill_not_exist","message":"m"}"#;
    let none = channel::read_answer(&v3(), Operation::Bill, PayWay::Qr, 400, none.as_bytes());
    assert!(matches!(none, Answer::Failed(f) if channel::bill::means_none(Channel::Alipay, &f.code)));
    // A certificate's answer is the gateway's: so is what is carried for a merchant's own client there.
    let node = r#"{"alipay_trade_close_response":{"code":"10000"},"sign":"+/8B"}"#;
    let native = channel::read_native_answer(
        &v3(),
        Operation::Close,
        PayWay::Qr,
        "/gateway.do",
        200,
        node.as_bytes(),
    );
    assert!(matches!(native, Answer::Closed));
}

#[test]
fn encrypted_answers_are_the_body_and_refusals_come_in_clear() {
    let account = Account {
        encrypts: true,
        ..v3()
    };
    let found = |account: &Account, status, body: &str| {
        channel::encrypted_answer(account, Operation::Query, status, body.as_bytes())
    };
    let Ok(Some(encrypted)) = found(&account, 200, "c2VjcmV0\n") else {
        panic!("encrypted")
    };
    assert_eq!(
        (encrypted.key.as_str(), &*encrypted.ciphertext),
        ("alipay/2021000066965330/content", &b"secret"[..])
    );
    assert!(matches!(
        found(&account, 400, r#"{"code":"ACQ.TRADE_NOT_EXIST"}"#),
        Ok(None)
    ));
    assert!(matches!(
        found(&account, 200, r#"{"bill_download_url":"https://x/"}"#),
        Ok(None)
    ));
    assert!(matches!(found(&v3(), 200, "c2VjcmV0"), Ok(None)));
    assert!(found(&account, 200, "*").is_err());
    let said = channel::read_content(&account, Operation::Close, PayWay::Qr, br#"{"out_trade_no":"1"}"#);
    assert!(matches!(said, Answer::Closed));
    let waits = br#"{"out_trade_no":"1","trade_no":"2026010122001473031000000001"}"#;
    let said = channel::read_content(&account, Operation::Create, PayWay::Micropay, waits);
    assert!(matches!(said, Answer::Waiting));
    // A certificate is the gateway's in both ways.
    let node = r#"{"alipay_open_app_alipaycert_download_response":"c2VjcmV0","sign":"x"}"#;
    let gateways = channel::encrypted_answer(&account, Operation::Certificates, 200, node.as_bytes());
    assert!(matches!(gateways, Ok(Some(_))));
}

#[test]
fn whose_code_it_is_stands_in_the_answer_itself() {
    let said = |body: &str| match authorize::read(&v3(), body.as_bytes()) {
        Whose::Payer(payer) => format!("{} {}", payer.field.as_str(), payer.value.expose()),
        Whose::Refused(code) => code.to_string(),
        Whose::Unclear => "unclear".into(),
    };
    for (body, wanted) in [
        (
            r#"{"access_token":"T","user_id":"2088102146225135"}"#,
            "buyer_id 2088102146225135",
        ),
        (r#"{"access_token":"T","open_id":"074a1"}"#, "buyer_open_id 074a1"),
        (
            r#"{"code":"code-invalid","message":"m","links":[]}"#,
            "code-invalid",
        ),
        (
            r#"{"code":"invalid-app-id","user_id":"2088102146225135"}"#,
            "invalid-app-id",
        ),
        (
            r#"{"alipay_system_oauth_token_response":{"user_id":"2088102146225135"}}"#,
            "unclear",
        ),
        ("<html>", "unclear"),
    ] {
        assert_eq!(said(body), wanted, "{body}");
    }
    assert!(authorize::is_of_the_app(Channel::Alipay, "invalid-app-id"));
    assert!(!authorize::is_of_the_app(Channel::Alipay, "code-invalid"));
}
