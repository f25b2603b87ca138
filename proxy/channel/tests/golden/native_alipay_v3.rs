//! Native requests of Alipay's OpenAPI v3: what is carried, every refusal, what answers say.

use crate::{NOW, alipay, headers};
use channel::{
    Answer, FailureClass,
    dialect::NativeRefusal,
    native::{self, Native, NativeError},
};
use domain::*;

const PRECREATE: &str = "/v3/alipay/trade/precreate";
const ORDER: &str = r#"{"out_trade_no":"20260101000010","total_amount":"88.80","subject":"Tea","seller_id":"2088864287612845","notify_url":"https://m.example/n","timeout_express":"90m"}"#;
const AUTH: &str = "app_id=2021000066965330,nonce=5f9f,timestamp=1767225600000";

fn read(method: &str, target: &str, more: &[(&str, &str)], body: &str) -> Result<Native, NativeError> {
    let authorization = format!("ALIPAY-SHA256withRSA {AUTH},sign=+/8B");
    let mut all = vec![
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
    ];
    all.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    all.extend(more.iter().filter(|(_, value)| *value != "-"));
    let known = |a: &AccountNo| a.as_str() == "2021000066965330";
    native::read(
        Channel::Alipay,
        known,
        &|_, _, _| Err(native::Unopened::NoKey),
        method,
        target,
        &headers(&all),
        body.as_bytes(),
    )
}

fn kind(result: Result<Native, NativeError>) -> NativeRefusal {
    result.err().expect("refused").kind
}

#[test]
fn path_body_and_header_are_the_call() {
    let native = read("POST", PRECREATE, &[], ORDER).expect("carried");
    assert_eq!(
        (native.operation, native.pay_way),
        (Operation::Create, Some(PayWay::Qr))
    );
    assert_eq!(
        (
            native.amount.map(Amount::fen),
            native.number.as_ref().map(ChannelNo::as_str)
        ),
        (Some(8880), Some("20260101000010"))
    );
    assert_eq!(native.notify_url.as_deref(), Some("https://m.example/n"));
    assert_eq!(
        native.payee.as_ref().map(PayeeNo::as_str),
        Some("2088864287612845")
    );
    assert_eq!(
        native.proof.message,
        format!("{AUTH}\nPOST\n{PRECREATE}\n{ORDER}\n").into_bytes()
    );
    assert_eq!(
        (&*native.proof.signature, native.proof.nonce.as_deref()),
        (&[0xfb, 0xff, 1][..], Some("5f9f"))
    );
    assert_eq!(native.proof.key.as_str(), "alipay/2021000066965330/app-public");
    assert_eq!(native.expires, Some(NOW.plus_millis(90 * 60_000)));
    let token = read("POST", PRECREATE, &[("alipay-app-auth-token", "t")], ORDER).expect("carried");
    assert!(token.app_auth_token.is_some() && token.proof.message.ends_with(b"}\nt\n"));
    for (path, operation) in [
        ("query", Operation::Query),
        ("close", Operation::Close),
        ("cancel", Operation::Reverse),
        ("fastpay/refund/query", Operation::RefundQuery),
    ] {
        let body = r#"{"out_trade_no":"1"}"#;
        assert_eq!(
            read("POST", &format!("/v3/alipay/trade/{path}"), &[], body)
                .expect("carried")
                .operation,
            operation
        );
    }
}

#[test]
fn a_payment_code_is_charged_and_what_is_said_of_it_is_read_with_care() {
    const PAY: &str = "/v3/alipay/trade/pay";
    let body = |code: &str| ORDER.replacen('{', &format!(r#"{{"scene":"bar_code","auth_code":"{code}","#), 1);
    let native = read("POST", PAY, &[], &body("289821051157962364")).expect("carried");
    assert_eq!(
        (native.operation, native.pay_way, native.notify_url.as_deref()),
        (
            Operation::Create,
            Some(PayWay::Micropay),
            Some("https://m.example/n")
        )
    );
    let other = kind(read("POST", PAY, &[], &body("134567890123456789")));
    assert!(matches!(other, NativeRefusal::Malformed(_)));
    let say = |operation, status, body: &str| {
        channel::read_native_answer(
            &alipay(),
            operation,
            PayWay::Micropay,
            PAY,
            status,
            body.as_bytes(),
        )
    };
    let charged = |status, body: &str| say(Operation::Create, status, body);
    let paid = r#"{"out_trade_no":"1","trade_no":"2026010122001473031000000001","total_amount":"8.88","buyer_user_id":"2088102146225135","gmt_payment":"2026-01-01 08:00:00"}"#;
    let Answer::State(view) = charged(200, paid) else {
        panic!("paid")
    };
    assert!(matches!(view.state, channel::ChannelState::Paid(facts) if facts.amount.fen() == 888));
    let waits = r#"{"out_trade_no":"1","trade_no":"2026010122001473031000000001","total_amount":"8.88"}"#;
    for status in [200, 202] {
        assert!(matches!(charged(status, waits), Answer::Waiting), "{status}");
    }
    // Nothing of an order, and no time of payment: nobody knows.
    for (status, body) in [
        (200, r#"{"out_trade_no":"1"}"#),
        (202, paid),
        (200, "{}"),
        (502, "<html>"),
    ] {
        assert!(
            matches!(charged(status, body), Answer::Unclear(_)),
            "{status} {body}"
        );
    }
    // What Alipay's list does not have may have charged (channels.md 3.3).
    for (status, code, wanted) in [
        (400, "ACQ.PAYMENT_AUTH_CODE_INVALID", FailureClass::Final),
        (400, "ACQ.BUYER_BALANCE_NOT_ENOUGH", FailureClass::Final),
        (400, "ACQ.SOMETHING_NEW", FailureClass::Unknown),
        (400, "ACQ.SYSTEM_ERROR", FailureClass::Unknown),
        (500, "SYSTEM_ERROR", FailureClass::Unknown),
        (401, "invalid-signature", FailureClass::Setup),
    ] {
        match charged(status, &format!(r#"{{"code":"{code}","message":"m"}}"#)) {
            Answer::Failed(failure) => assert_eq!(failure.class, wanted, "{code}"),
            _ => panic!("a refusal: {code}"),
        }
    }
    for (action, again, refunded) in [
        (r#","retry_flag":"N","action":"refund""#, false, Some(true)),
        (r#","retry_flag":"N","action":"close""#, false, Some(false)),
        (r#","retry_flag":"N""#, false, Some(false)),
        (r#","retry_flag":"Y""#, true, None),
    ] {
        match say(
            Operation::Reverse,
            200,
            &format!(r#"{{"out_trade_no":"1"{action}}}"#),
        ) {
            Answer::Reversed(view) => assert_eq!((view.again, view.refunded), (again, refunded), "{action}"),
            _ => panic!("reversed: {action}"),
        }
    }
}

/// By GET with the content in the query, which is signed with the path; or by POST.
#[test]
fn a_bill_is_asked_for_in_the_query() {
    const BILL: &str = "/v3/alipay/data/dataservice/bill/downloadurl/query";
    let target = format!("{BILL}?bill_type=trade&bill_date=2026-01-01");
    let native = read("GET", &target, &[("content-type", "-")], "").expect("carried");
    assert_eq!(native.operation, Operation::Bill);
    assert_eq!(
        native.proof.message,
        format!("{AUTH}\nGET\n{target}\n\n").into_bytes()
    );
    let body = r#"{"bill_type":"trade","bill_date":"2026-01-01"}"#;
    assert!(read("POST", BILL, &[], body).is_ok());
    for (method, query, body) in [
        ("GET", "?bill_type=trade&bill_date=2026-01-01&smid=2088", ""),
        ("GET", "?bill_type=trade&bill_date=2026-01-01&bill_type=trade", ""),
        ("GET", "?bill_type=trade&bill_date=%zz", ""),
        ("GET", "?bill_type=trade_zft_merchant&bill_date=2026-01-01", ""),
        ("GET", "?bill_type=trade", ""),
        ("GET", "?", ""),
        ("GET", "", ""),
        ("GET", "?bill_type=trade&bill_date=2026-01-01", body),
        ("POST", "?bill_type=trade&bill_date=2026-01-01", body),
        ("PUT", "", body),
    ] {
        let found = read(method, &format!("{BILL}{query}"), &[], body);
        assert!(
            matches!(
                kind(found),
                NativeRefusal::NotAllowed(_) | NativeRefusal::Malformed(_)
            ),
            "{method} {query}"
        );
    }
    // Nothing else is asked for in a query.
    let query = "/v3/alipay/trade/query?out_trade_no=1";
    assert!(matches!(
        kind(read("GET", query, &[], "")),
        NativeRefusal::NotAllowed(_)
    ));
}

#[test]
fn what_is_not_as_documented_is_refused() {
    for (method, target) in [
        ("GET", PRECREATE),
        ("POST", "/v3/alipay/trade/precreate?a=1"),
        ("POST", "/v3/alipay/trade/precreate/"),
        ("POST", "/v3/alipay.trade/precreate"),
        ("POST", "/v3/alipay/trade/page/pay"),
        ("GET", "/v3/alipay/trade/cancel"),
        ("POST", "/v3/alipay/fund/trans/uni/transfer"),
        ("POST", "/v3/alipay/trade/order/settle"),
        ("POST", "/v3/alipay/open/app/alipaycert/download"),
    ] {
        let body = if method == "GET" { "" } else { ORDER };
        assert!(
            matches!(
                kind(read(method, target, &[], body)),
                NativeRefusal::NotAllowed(_)
            ),
            "{method} {target}"
        );
    }
    let with = |field: &str| ORDER.replacen('{', &format!("{{{field},"), 1);
    for field in [
        r#""royalty_info":{"royalty_type":"ROYALTY"}"#,
        r#""settle_info":{}"#,
        r#""sub_merchant":{"merchant_id":"x"}"#,
        r#""auth_code":"289821051157962364""#,
        r#""app_id":"2021000066965331""#,
    ] {
        let NativeRefusal::NotAllowed(text) = kind(read("POST", PRECREATE, &[], &with(field))) else {
            panic!("{field}")
        };
        assert!(text.contains(field.split('"').nth(1).expect("a name")), "{text}");
    }
    for body in [
        with(r#""subject":"Milk""#),
        format!("[{ORDER}]"),
        format!("{ORDER} x"),
        ORDER.replace("88.80", "88.801"),
        String::new(),
    ] {
        assert!(
            matches!(
                kind(read("POST", PRECREATE, &[], &body)),
                NativeRefusal::Malformed(_)
            ),
            "{body}"
        );
    }
    let one = |name, value| kind(read("POST", PRECREATE, &[(name, value)], ORDER));
    assert!(matches!(
        one("alipay-encrypt-type", "DES"),
        NativeRefusal::NotAllowed(_)
    ));
    assert!(matches!(
        one("content-type", "text/plain"),
        NativeRefusal::Malformed(_)
    ));
    assert!(matches!(
        one("alipay-app-auth-token", ""),
        NativeRefusal::Malformed(_)
    ));
    assert!(matches!(one("authorization", "-"), NativeRefusal::Signature(_)));
    let stranger = format!("ALIPAY-SHA256withRSA {},sign=+/8B", AUTH.replace("5330", "5331"));
    assert_eq!(
        one("authorization", &stranger),
        NativeRefusal::Signature(channel::dialect::UNPROVEN.into()),
        "a stranger learns no account"
    );
    // A notify_url belongs to what has one.
    let query = r#"{"out_trade_no":"1","notify_url":"https://m.example/n"}"#;
    assert!(matches!(
        kind(read("POST", "/v3/alipay/trade/query", &[], query)),
        NativeRefusal::NotAllowed(_)
    ));
}

/// A time counted from 1970 has no zone: what was signed eight hours ago stays old.
#[test]
fn its_time_is_taken_as_it_is() {
    let mut native = read("POST", PRECREATE, &[], ORDER).expect("carried");
    native.settle_zone(NOW.plus_millis(8 * 3_600_000), 300_000);
    assert_eq!(native.proof.signed_at, NOW);
}

#[test]
fn answers_are_the_content_itself_or_an_error_with_a_code() {
    let say = |operation, status, body: &str| {
        channel::read_native_answer(
            &alipay(),
            operation,
            PayWay::Qr,
            PRECREATE,
            status,
            body.as_bytes(),
        )
    };
    let placed = say(
        Operation::Create,
        200,
        r#"{"out_trade_no":"1","qr_code":"https://qr.alipay.com/bax"}"#,
    );
    assert!(matches!(placed, Answer::Placed(Reach::Code(code)) if &*code == "https://qr.alipay.com/bax"));
    let class = |status, code: &str| match say(
        Operation::Close,
        status,
        &format!(r#"{{"code":"{code}","message":"m"}}"#),
    ) {
        Answer::Failed(failure) => failure.class,
        _ => panic!("a refusal"),
    };
    let table = [
        (400, "ACQ.TRADE_NOT_EXIST", FailureClass::NotFound),
        (400, "ACQ.TRADE_HAS_CLOSE", FailureClass::AlreadyClosed),
        (400, "ACQ.SYSTEM_ERROR", FailureClass::Unknown),
        (401, "invalid-signature", FailureClass::Setup),
        (429, "app-call-limited", FailureClass::Busy),
        (500, "SYSTEM_ERROR", FailureClass::Unknown),
    ];
    for (status, code, wanted) in table {
        assert_eq!(class(status, code), wanted, "{status} {code}");
    }
    for (status, body) in [
        (200, r#"{"code":"ACQ.TRADE_NOT_EXIST"}"#),
        (200, "<html>"),
        (400, "{}"),
        (502, "<html>"),
    ] {
        assert!(
            matches!(say(Operation::Create, status, body), Answer::Unclear(_)),
            "{status} {body}"
        );
    }
    // The gateway's form stays the gateway's.
    let other = channel::read_native_answer(
        &alipay(),
        Operation::Create,
        PayWay::Qr,
        "/gateway.do",
        200,
        br#"{"out_trade_no":"1","qr_code":"q"}"#,
    );
    assert!(matches!(other, Answer::Unclear(_)));
}
