//! Alipay's answers of every kind.

use crate::{
    NOW, alipay, alipay_certificates,
    answers::{failed, refund, state, unclear},
    headers,
};
use channel::{Answer, Authentic, ChannelState, FailureClass};
use domain::*;
use vault::PayerField;

fn alipay_authentic(account: &channel::Account, body: &str) -> Result<Authentic, Unclear> {
    channel::authenticate_answer(
        account,
        Operation::Query,
        PayWay::Qr,
        200,
        &headers(&[]),
        body.as_bytes(),
        NOW,
    )
}

#[test]
fn an_alipay_answer_is_signed_over_the_raw_node() {
    let body = r#"{"alipay_trade_query_response": {"a":"}\"{","url":"https:\/\/x"} ,"sign":"+/8B"}"#;
    let Ok(Authentic::Signed(signed)) = alipay_authentic(&alipay(), body) else {
        panic!("signed")
    };
    assert_eq!(
        String::from_utf8_lossy(&signed.message),
        r#"{"a":"}\"{","url":"https:\/\/x"}"#
    );
    assert_eq!(signed.key.as_str(), "alipay/2021000066965330/platform");
    let named = body.replace("\"sign\"", "\"alipay_cert_sn\":\"abc123\",\"sign\"");
    let Ok(Authentic::Signed(signed)) = alipay_authentic(&alipay_certificates(), &named) else {
        panic!("signed")
    };
    assert_eq!(signed.key.as_str(), "alipay/2021000066965330/platform/abc123");
    let Ok(Authentic::Signed(signed)) = alipay_authentic(&alipay_certificates(), body) else {
        panic!("signed")
    };
    assert_eq!(
        signed.key.as_str(),
        "alipay/2021000066965330/platform/7f43f8920d8f5fbdf1e94e4e81177c50"
    );
}

#[test]
fn encrypted_content_stands_in_place_of_the_node_and_nowhere_else() {
    let account = channel::Account {
        encrypts: true,
        codepay: false,
        ..alipay()
    };
    let found = |account: &channel::Account, body: &str| {
        channel::encrypted_answer(account, Operation::Query, 200, body.as_bytes())
    };
    let body = r#"{"alipay_trade_query_response":"c2VjcmV0","sign":"+/8B"}"#;
    let Ok(Authentic::Signed(signed)) = alipay_authentic(&account, body) else {
        panic!("signed")
    };
    assert_eq!(signed.message, br#""c2VjcmV0""#);
    let Ok(Some(encrypted)) = found(&account, body) else {
        panic!("encrypted")
    };
    assert_eq!(
        (encrypted.key.as_str(), &*encrypted.ciphertext),
        ("alipay/2021000066965330/content", &b"secret"[..])
    );
    assert!(
        matches!(found(&alipay(), body), Ok(None)),
        "an account that does not encrypt"
    );
    assert!(matches!(
        found(
            &account,
            r#"{"alipay_trade_query_response":{"code":"40002"},"sign":"+/8B"}"#
        ),
        Ok(None)
    ));
    for odd in [
        r#"{"error_response":"c2VjcmV0"}"#,
        r#"{"alipay_trade_query_response":"*","sign":"+/8B"}"#,
        r#"{"alipay_trade_close_response":"c2VjcmV0","sign":"+/8B"}"#,
        "c2VjcmV0",
    ] {
        assert!(matches!(found(&account, odd), Err(Unclear::Garbage)), "{odd}");
    }
    // Unread as long as it is not decrypted; then it says what it would have said in clear.
    assert_eq!(
        unclear(&channel::read_answer(
            &account,
            Operation::Query,
            PayWay::Qr,
            200,
            body.as_bytes()
        )),
        Some(Unclear::Garbage)
    );
    let refused = channel::read_content(
        &account,
        Operation::Query,
        PayWay::Qr,
        br#"{"code":"40004","sub_code":"ACQ.TRADE_NOT_EXIST"}"#,
    );
    assert_eq!(failed(refused).1, FailureClass::NotFound);
    assert_eq!(
        unclear(&channel::read_content(
            &account,
            Operation::Query,
            PayWay::Qr,
            b"secret"
        )),
        Some(Unclear::Garbage)
    );
}

#[test]
fn a_certificate_comes_as_base64_of_pem() {
    let node = "alipay_open_app_alipaycert_download_response";
    let read = |content: &str| alipay_read(Operation::Certificates, PayWay::Qr, node, content);
    let answer = read(r#"{"code":"10000","msg":"Success","alipay_cert_content":"LS0tLS0="}"#);
    assert!(matches!(answer, Answer::Certificate(pem) if pem == b"-----"));
    for odd in [
        r#"{"code":"10000"}"#,
        r#"{"code":"10000","alipay_cert_content":"*"}"#,
    ] {
        assert_eq!(unclear(&read(odd)), Some(Unclear::Garbage), "{odd}");
    }
}

#[test]
fn only_the_front_door_of_alipay_may_answer_unsigned() {
    let door = r#"{"error_response":{"code":"40002","sub_code":"isv.invalid-app-id"}}"#;
    assert!(matches!(
        alipay_authentic(&alipay(), door),
        Ok(Authentic::Unsigned)
    ));
    let own = r#"{"alipay_trade_query_response":{"code":"10000"}}"#;
    assert!(matches!(
        alipay_authentic(&alipay(), own),
        Err(Unclear::Signature)
    ));
    let bad = r#"{"alipay_trade_query_response":{"code":"10000"},"sign":"*"}"#;
    assert!(matches!(
        alipay_authentic(&alipay(), bad),
        Err(Unclear::Signature)
    ));
    for body in [
        "<html>",
        "{}",
        r#"{"alipay_trade_close_response":{},"sign":"+/8B"}"#,
        r#"{"alipay_trade_query_response":{},"error_response":{},"sign":"+/8B"}"#,
        r#"{"alipay_trade_query_response":{},"alipay_trade_query_response":{},"sign":"+/8B"}"#,
    ] {
        assert!(
            matches!(alipay_authentic(&alipay(), body), Err(Unclear::Garbage)),
            "{body}"
        );
    }
    let late = channel::authenticate_answer(
        &alipay(),
        Operation::Query,
        PayWay::Qr,
        502,
        &headers(&[]),
        b"",
        NOW,
    );
    assert!(matches!(late, Err(Unclear::ChannelError)));
}

fn alipay_read(operation: Operation, pay_way: PayWay, node: &str, content: &str) -> Answer {
    let body = format!(r#"{{"{node}":{content},"sign":"+/8B"}}"#);
    channel::read_answer(&alipay(), operation, pay_way, 200, body.as_bytes())
}

#[test]
fn alipay_places_and_closes_orders() {
    let content =
        r#"{"code":"10000","msg":"Success","out_trade_no":"1","qr_code":"https:\/\/qr.alipay.com\/bax"}"#;
    let answer = alipay_read(
        Operation::Create,
        PayWay::Qr,
        "alipay_trade_precreate_response",
        content,
    );
    assert!(matches!(answer, Answer::Placed(Reach::Code(code)) if &*code == "https://qr.alipay.com/bax"));
    let content = r#"{"code":"10000","out_trade_no":"1","trade_no":"2026010122001473031000000001"}"#;
    let answer = alipay_read(
        Operation::Create,
        PayWay::Jsapi,
        "alipay_trade_create_response",
        content,
    );
    assert!(
        matches!(answer, Answer::Placed(Reach::Cashier(no)) if no.as_str() == "2026010122001473031000000001")
    );
    let answer = alipay_read(
        Operation::Close,
        PayWay::Qr,
        "alipay_trade_close_response",
        r#"{"code":"10000"}"#,
    );
    assert!(matches!(answer, Answer::Closed));
    // The front door never says that something is done, and an answer without a code says nothing.
    for (node, content) in [
        ("error_response", r#"{"code":"10000"}"#),
        ("alipay_trade_close_response", "{}"),
    ] {
        assert_eq!(
            unclear(&alipay_read(Operation::Close, PayWay::Qr, node, content)),
            Some(Unclear::Garbage)
        );
    }
}

fn alipay_order(status: &str, rest: &str) -> String {
    format!(
        r#"{{"code":"10000","out_trade_no":"20260101000010","trade_no":"2026010122001473031000000001","total_amount":"88.80",
        "trade_status":"{status}","buyer_user_id":"2088102116773037",
        "fund_bill_list":[{{"fund_channel":"ALIPAYACCOUNT","amount":"88.80"}}]{rest}}}"#
    )
}

#[test]
fn alipay_states_orders() {
    let asked = |status: &str, rest: &str| {
        alipay_read(
            Operation::Query,
            PayWay::Qr,
            "alipay_trade_query_response",
            &alipay_order(status, rest),
        )
    };
    let paid = r#","send_pay_date":"2026-01-01 08:00:00""#;
    for word in ["TRADE_SUCCESS", "TRADE_FINISHED"] {
        let view = state(asked(word, paid));
        let payer = view.payer.as_ref().map(|p| (p.field, p.value.expose()));
        assert_eq!(payer, Some((PayerField::BuyerId, "2088102116773037")));
        let ChannelState::Paid(facts) = view.state else {
            panic!("paid")
        };
        assert_eq!((facts.amount, facts.paid_at), (Amount::from_fen(8880), NOW));
        assert_eq!(facts.bank_type.as_deref(), Some("ALIPAYACCOUNT"));
    }
    assert_eq!(state(asked("WAIT_BUYER_PAY", "")).state, ChannelState::NotPaid);
    assert_eq!(state(asked("TRADE_CLOSED", "")).state, ChannelState::Closed);
    assert!(matches!(
        state(asked("TRADE_CLOSED", paid)).state,
        ChannelState::Refunded(_)
    ));
    for (word, rest) in [
        ("TRADE_SUCCESS", ""),
        ("ODD", paid),
        ("TRADE_SUCCESS", r#","send_pay_date":"soon""#),
    ] {
        assert_eq!(
            unclear(&asked(word, rest)),
            Some(Unclear::Garbage),
            "{word} {rest}"
        );
    }
}

#[test]
fn alipay_states_refunds() {
    let refunded = |content: &str| {
        alipay_read(
            Operation::Refund,
            PayWay::Qr,
            "alipay_trade_refund_response",
            content,
        )
    };
    let moved = r#"{"code":"10000","out_trade_no":"O1","trade_no":"T1","refund_fee":"0.30","fund_change":"Y","gmt_refund_pay":"2026-01-01 08:00:00"}"#;
    let view = refund(refunded(moved));
    assert_eq!(
        (view.state, view.refunded_at),
        (RefundState::Succeeded, Some(NOW))
    );
    // The answer does not repeat the request number, and its amount is the sum of all refunds.
    assert_eq!((view.number.as_str(), view.amount), ("O1", None));
    let still = refund(refunded(&moved.replace("\"Y\"", "\"N\"")));
    assert_eq!(still.state, RefundState::Processing);
    let named = refund(refunded(
        &moved.replace("\"refund_fee\"", "\"out_request_no\":\"RF1\",\"refund_fee\""),
    ));
    assert_eq!(named.number.as_str(), "RF1");

    let node = "alipay_trade_fastpay_refund_query_response";
    let asked = |content: &str| alipay_read(Operation::RefundQuery, PayWay::Qr, node, content);
    let done = r#"{"code":"10000","out_trade_no":"O1","out_request_no":"RF1","refund_amount":"0.30","refund_status":"REFUND_SUCCESS"}"#;
    let view = refund(asked(done));
    assert_eq!(
        (view.state, view.amount),
        (RefundState::Succeeded, Some(Amount::from_fen(30)))
    );
    assert_eq!(view.number.as_str(), "RF1");
    let view = refund(asked(
        r#"{"code":"10000","out_trade_no":"O1","out_request_no":"RF1"}"#,
    ));
    assert_eq!(view.state, RefundState::Processing);
    // Nothing is said of a refund that never was.
    for bare in [
        r#"{"code":"10000"}"#,
        r#"{"code":"10000","out_trade_no":"O1","trade_no":"T1"}"#,
    ] {
        assert_eq!(failed(asked(bare)).1, FailureClass::NotFound);
    }
    let nameless = r#"{"code":"10000","refund_status":"REFUND_SUCCESS"}"#;
    assert_eq!(unclear(&asked(nameless)), Some(Unclear::Garbage));
}

#[test]
fn alipay_errors_have_classes() {
    let said = |node: &str, code: &str, sub_code: &str| {
        let content = format!(r#"{{"code":"{code}","msg":"m","sub_code":"{sub_code}","sub_msg":"s"}}"#);
        failed(alipay_read(Operation::Query, PayWay::Qr, node, &content))
    };
    let own = "alipay_trade_query_response";
    assert_eq!(
        said(own, "40004", "ACQ.TRADE_NOT_EXIST"),
        ("ACQ.TRADE_NOT_EXIST".into(), FailureClass::NotFound)
    );
    assert_eq!(
        said(own, "40004", "ACQ.TRADE_HAS_CLOSE").1,
        FailureClass::AlreadyClosed
    );
    assert_eq!(said(own, "20000", "aop.unknow-error").1, FailureClass::Unknown);
    assert_eq!(said(own, "40005", ""), ("40005".into(), FailureClass::Busy));
    assert_eq!(said(own, "40004", "what 13800138000").0, "40004");
    assert_eq!(
        said("error_response", "40002", "isv.invalid-signature").1,
        FailureClass::Setup
    );
    assert_eq!(
        said("error_response", "40004", "ACQ.TRADE_HAS_CLOSE").1,
        FailureClass::Unknown
    );
}
