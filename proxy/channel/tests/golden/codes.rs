//! Payment codes 付款码: the charging call, its answers, the reverse.

use crate::{
    alipay,
    compose::{bare, buyer, facts, wire},
    number, stamp, wechat,
};
use channel::{
    Answer, ChannelState, ComposeError, FailureClass, ReverseView,
    auth_code::{Refusal, refusal},
};
use domain::*;
use vault::AuthCode;

const CODE: &str = "286001013400000001";

#[test]
fn alipay_charges_the_payer_of_a_code() {
    let (account, no) = (alipay(), number("20260101000010"));
    let terminal = TerminalNo::new("T0000001").expect("terminal");
    let code = AuthCode::new(CODE.into());
    let draft = channel::charge(
        &account,
        &stamp(),
        &facts(&no, PayWay::Micropay, Some(&terminal)),
        &buyer(None),
        &code,
    )
    .expect("composes");
    assert_eq!(draft.key().as_str(), "alipay/2021000066965330/app");
    let (line, message, ..) = wire(draft);
    assert_eq!(line, "POST /gateway.do");
    let content = concat!(
        r#"{"auth_code":"286001013400000001","out_trade_no":"20260101000010","passback_params":"%E6%A1%8C%E5%8F%B7%207%268","#,
        r#""scene":"bar_code","seller_id":"2088864287612845","subject":"Image形象店-\"QQ\"公仔","terminal_id":"T0000001","#,
        r#""time_expire":"2026-01-01 08:15:00","total_amount":"88.80"}"#
    );
    assert_eq!(
        message,
        format!(
            "app_id=2021000066965330&biz_content={content}&charset=utf-8&format=JSON&method=alipay.trade.pay\
             &notify_url=https://guandao.example/n/alipay/2021000066965330\
             &sign_type=RSA2&timestamp=2026-01-01 08:00:00&version=1.0"
        )
    );
}

#[test]
fn alipay_cancels_by_the_orders_number() {
    let draft = channel::reverse(&alipay(), &stamp(), &number("20260101000010")).expect("composes");
    let (line, message, ..) = wire(draft);
    assert_eq!(line, "POST /gateway.do");
    assert!(
        message.contains(r#"biz_content={"out_trade_no":"20260101000010"}&"#)
            && message.contains("&method=alipay.trade.cancel&"),
        "{message}"
    );
    assert!(!message.contains("notify_url"), "{message}");
}

#[test]
fn only_the_charging_call_takes_a_code() {
    let no = number("20260101000010");
    let refused = channel::create(&alipay(), &stamp(), &facts(&no, PayWay::Micropay, None), &bare());
    assert_eq!(refused.err(), Some(ComposeError::NotOffered));
    let refused = channel::create(&wechat(), &stamp(), &facts(&no, PayWay::Micropay, None), &bare());
    assert_eq!(refused.err(), Some(ComposeError::NotOffered));
}

fn read(operation: Operation, node: &str, content: &str) -> Answer {
    let body = format!(r#"{{"{node}":{content},"sign":"+/8B"}}"#);
    channel::read_answer(&alipay(), operation, PayWay::Micropay, 200, body.as_bytes())
}

fn paid(content: &str) -> Answer {
    read(Operation::Create, "alipay_trade_pay_response", content)
}

#[test]
fn done_is_paid_and_10003_waits() {
    let done = r#"{"code":"10000","out_trade_no":"20260101000010","trade_no":"2026010122001473031000000001","total_amount":"88.80",
        "gmt_payment":"2026-01-01 08:00:07","buyer_user_id":"2088102116773037","fund_bill_list":[{"fund_channel":"ALIPAYACCOUNT","amount":"88.80"}]}"#;
    let Answer::State(view) = paid(done) else {
        panic!("10000 is paid")
    };
    let facts = PaidFacts {
        amount: Amount::from_fen(8880),
        bank_type: Some("ALIPAYACCOUNT".into()),
        number: number("20260101000010"),
        paid_at: Instant::from_secs(1_767_225_607),
        trade_no: TradeNo::new("2026010122001473031000000001").expect("lawful"),
    };
    assert_eq!(view.state, ChannelState::Paid(facts));
    assert_eq!(view.payer.expect("the payer").value.expose(), "2088102116773037");
    assert!(matches!(
        paid(r#"{"code":"10003","out_trade_no":"20260101000010"}"#),
        Answer::Waiting
    ));
    // Only the charging call waits, and the front door neither pays nor waits.
    assert!(!matches!(
        read(
            Operation::Query,
            "alipay_trade_query_response",
            r#"{"code":"10003"}"#
        ),
        Answer::Waiting
    ));
    assert!(!matches!(
        read(Operation::Create, "error_response", r#"{"code":"10003"}"#),
        Answer::Waiting
    ));
    for lacking in ["gmt_payment", "out_trade_no", "trade_no", "total_amount"] {
        let without = done.replace(&format!("\"{lacking}\""), "\"x\"");
        assert!(
            matches!(paid(&without), Answer::Unclear(Unclear::Garbage)),
            "without {lacking}"
        );
    }
}

#[test]
fn a_charge_failed_for_good_only_where_the_list_says_so() {
    use FailureClass::*;
    let table = [
        ("ACQ.PAYMENT_AUTH_CODE_INVALID", Final, Refusal::Code),
        ("ACQ.BUYER_BALANCE_NOT_ENOUGH", Final, Refusal::Payer),
        ("ACQ.BEYOND_PAY_RESTRICTION", Setup, Refusal::Other),
        ("ACQ.BEYOND_PER_RECEIPT_RESTRICTION", Setup, Refusal::Other),
        (
            "ACQ.BEYOND_PER_RECEIPT_SINGLE_RESTRICTION",
            Unknown,
            Refusal::Other,
        ),
        ("ACQ.SELLER_BEEN_BLOCKED", Setup, Refusal::Other),
        ("ACQ.TOTAL_FEE_EXCEED", Final, Refusal::Other),
        ("ACQ.CONTEXT_INCONSISTENT", Changed, Refusal::Other),
        ("ACQ.ACCESS_FORBIDDEN", Setup, Refusal::Other),
        ("ACQ.PARTNER_ERROR", Setup, Refusal::Other),
        ("ACQ.TRADE_NOT_EXIST", Unknown, Refusal::Other),
        ("ACQ.SELLER_BALANCE_NOT_ENOUGH", Unknown, Refusal::Other),
        ("ACQ.TRADE_HAS_SUCCESS", AlreadyPaid, Refusal::Other),
        ("ACQ.TRADE_HAS_CLOSE", AlreadyClosed, Refusal::Other),
        ("ACQ.SYSTEM_ERROR", Unknown, Refusal::Other),
        ("aop.ACQ.SYSTEM_ERROR", Unknown, Refusal::Other),
        ("ACQ.SOMETHING_NEW", Unknown, Refusal::Other),
    ];
    for (code, class, to_the_counter) in table {
        let Answer::Failed(failure) = paid(&format!(r#"{{"code":"40004","sub_code":"{code}"}}"#)) else {
            panic!("{code}")
        };
        assert_eq!(
            (failure.class, refusal(Channel::Alipay, code)),
            (class, to_the_counter),
            "{code}"
        );
    }
    // A refusal on the payer's side may name the payer; any other names nobody.
    let named = |code: &str| {
        paid(&format!(
            r#"{{"code":"40004","sub_code":"{code}","buyer_user_id":"2088000000000001"}}"#
        ))
    };
    let Answer::Declined(failure, payer) = named("ACQ.BUYER_BALANCE_NOT_ENOUGH") else {
        panic!("the payer is named")
    };
    assert_eq!(
        (&*failure.code, payer.value.expose()),
        ("ACQ.BUYER_BALANCE_NOT_ENOUGH", "2088000000000001")
    );
    assert!(matches!(
        named("ACQ.PAYMENT_AUTH_CODE_INVALID"),
        Answer::Failed(_)
    ));
    // Of another operation the same code is as final as it was.
    let Answer::Failed(failure) = read(
        Operation::Reverse,
        "alipay_trade_cancel_response",
        r#"{"code":"40004","sub_code":"ACQ.SOMETHING_NEW"}"#,
    ) else {
        panic!("failed")
    };
    assert_eq!(failure.class, Final);
    let Answer::Failed(failure) = paid(r#"{"code":"20000","sub_code":"isp.unknow-error"}"#) else {
        panic!("failed")
    };
    assert_eq!(failure.class, Unknown);
}

/// What the front door refuses, nobody looked into; any other code of the gateway's may stand beside a charge.
#[test]
//= C60
fn only_the_front_doors_own_codes_say_that_nobody_was_charged() {
    use FailureClass::*;
    let table = [
        ("20001", "aop.invalid-auth-token", Setup),
        ("40001", "isv.missing-method", Final),
        ("40002", "isv.invalid-signature", Setup),
        ("40003", "", Setup),
        ("40005", "isv.app-call-limited", Busy),
        ("40006", "isv.insufficient-isv-permissions", Setup),
        ("40000", "", Unknown),
        ("40007", "isv.something-new", Unknown),
        ("40099", "ACQ.SOMETHING_NEW", Unknown),
        ("40099", "ACQ.BUYER_BALANCE_NOT_ENOUGH", Final),
        ("50000", "", Unknown),
    ];
    for (code, sub_code, wanted) in table {
        let node = format!(r#"{{"code":"{code}","sub_code":"{sub_code}"}}"#);
        for name in ["alipay_trade_pay_response", "error_response"] {
            let Answer::Failed(failure) = read(Operation::Create, name, &node) else {
                panic!("{code} {sub_code}")
            };
            assert_eq!(failure.class, wanted, "{name} {code} {sub_code}");
        }
    }
}

/// OpenAPI v3 has no code around the business code (channels.md 3.8): that one says what became of the charge, whatever the
/// status is.
#[test]
//= C60
fn by_openapi_v3_the_code_and_not_the_status_says_what_became_of_a_charge() {
    use FailureClass::*;
    let class = |operation, way, status, code: &str| {
        let body = format!(r#"{{"code":"{code}","message":"m"}}"#);
        let target = "/v3/alipay/trade/pay";
        match channel::read_native_answer(&alipay(), operation, way, target, status, body.as_bytes()) {
            Answer::Failed(failure) => failure.class,
            _ => panic!("{status} {code}"),
        }
    };
    let table = [
        ("ACQ.SYSTEM_ERROR", Unknown),
        ("aop.ACQ.SYSTEM_ERROR", Unknown),
        ("SYSTEM_ERROR", Unknown),
        ("ACQ.SOMETHING_NEW", Unknown),
        ("ACQ.TRADE_NOT_EXIST", Unknown),
        ("ACQ.TRADE_HAS_SUCCESS", AlreadyPaid),
        ("ACQ.ACCESS_FORBIDDEN", Setup),
        ("ACQ.BUYER_BALANCE_NOT_ENOUGH", Final),
        ("ACQ.PAYMENT_AUTH_CODE_INVALID", Final),
    ];
    for (code, wanted) in table {
        for status in [400, 401, 403, 404, 429] {
            let found = class(Operation::Create, PayWay::Micropay, status, code);
            assert_eq!(found, wanted, "{status} {code}");
        }
        let found = class(Operation::Create, PayWay::Micropay, 500, code);
        assert_eq!(found, Unknown, "500 {code}");
    }
    for (status, code, wanted) in [
        (401, "invalid-signature", Setup),
        (403, "insufficient-permissions", Setup),
        (429, "app-call-limited", Busy),
        (400, "something-new", Unknown),
    ] {
        let found = class(Operation::Create, PayWay::Micropay, status, code);
        assert_eq!(found, wanted, "{status} {code}");
    }
    // Nor does the status of what charges nobody.
    for status in [400, 403, 429] {
        let query = class(Operation::Query, PayWay::Micropay, status, "ACQ.TRADE_NOT_EXIST");
        let close = class(Operation::Close, PayWay::Qr, status, "ACQ.SYSTEM_ERROR");
        assert_eq!((query, close), (NotFound, Unknown), "{status}");
    }
}

#[test]
fn a_cancel_closes_pays_back_wants_to_be_sent_again_or_finds_nothing() {
    let cancelled = |rest: &str| {
        read(
            Operation::Reverse,
            "alipay_trade_cancel_response",
            &format!(r#"{{"code":"10000","out_trade_no":"1"{rest}}}"#),
        )
    };
    let table = [
        (r#","retry_flag":"N","action":"close""#, false, Some(false), false),
        (r#","retry_flag":"N","action":"refund""#, false, Some(true), false),
        (r#","retry_flag":"N""#, false, Some(false), true),
        (r#","action":"refund""#, false, Some(true), false),
        (r#","retry_flag":"Y","action":"refund""#, true, None, false),
        (r#","retry_flag":"Y""#, true, None, false),
    ];
    for (rest, again, refunded, absent) in table {
        let Answer::Reversed(view) = cancelled(rest) else {
            panic!("{rest}")
        };
        let wanted = ReverseView {
            again,
            refunded,
            absent,
        };
        assert_eq!(view, wanted, "{rest}");
    }
    for odd in [r#","retry_flag":"X""#, r#","retry_flag":"N","action":"pay""#] {
        assert!(
            matches!(cancelled(odd), Answer::Unclear(Unclear::Garbage)),
            "{odd}"
        );
    }
    let Answer::Failed(failure) = read(
        Operation::Reverse,
        "alipay_trade_cancel_response",
        r#"{"code":"40004","sub_code":"ACQ.TRADE_CANCEL_TIME_OUT"}"#,
    ) else {
        panic!("failed")
    };
    assert_eq!(
        (&*failure.code, failure.class),
        ("ACQ.TRADE_CANCEL_TIME_OUT", FailureClass::Final)
    );
}
