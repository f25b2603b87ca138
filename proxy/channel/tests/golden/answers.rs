//! WeChat's answers of every kind.

use crate::{NOW, headers, wechat, wechat_partner};
use channel::{Answer, Authentic, ChannelState, FailureClass, OrderView, RefundView};
use domain::*;
use vault::PayerField;

const TIME: (&str, &str) = ("Wechatpay-Timestamp", "1767225600");
const NONCE: (&str, &str) = ("Wechatpay-Nonce", "abc");
const SIGNATURE: (&str, &str) = ("Wechatpay-Signature", "+/8B");
const SERIAL: (&str, &str) = ("Wechatpay-Serial", "5388105DA1ED9AED9408B2CD34334D5288721E16");
const TYPE: (&str, &str) = ("Wechatpay-Signature-Type", "WECHATPAY2-SHA256-RSA2048");

fn wechat_authentic(status: u16, pairs: &[(&str, &str)], at: Instant) -> Result<Authentic, Unclear> {
    channel::authenticate_answer(
        &wechat(),
        Operation::Query,
        PayWay::Native,
        status,
        &headers(pairs),
        b"{}",
        at,
    )
}

#[test]
fn a_wechat_answer_is_signed_over_time_nonce_and_body() {
    let found = wechat_authentic(
        200,
        &[TIME, NONCE, SIGNATURE, SERIAL, TYPE],
        NOW.plus_millis(299_000),
    );
    let Ok(Authentic::Signed(signed)) = found else {
        panic!("signed")
    };
    assert_eq!(signed.message, b"1767225600\nabc\n{}\n");
    assert_eq!(signed.signature, [0xfb, 0xff, 1]);
    assert_eq!(
        signed.key.as_str(),
        "wechat/1900000109/platform/5388105DA1ED9AED9408B2CD34334D5288721E16"
    );
    let empty = channel::authenticate_answer(
        &wechat(),
        Operation::Close,
        PayWay::Native,
        204,
        &headers(&[TIME, NONCE, SIGNATURE, SERIAL]),
        b"",
        NOW,
    );
    let Ok(Authentic::Signed(signed)) = empty else {
        panic!("signed")
    };
    assert_eq!(signed.message, b"1767225600\nabc\n\n");
}

#[test]
fn a_wechat_answer_without_a_good_signature_is_unclear() {
    let probe = ("Wechatpay-Signature", "WECHATPAY/SIGNTEST/abc");
    let other = ("Wechatpay-Signature-Type", "WECHATPAY2-SM2-WITH-SM3");
    let path = ("Wechatpay-Serial", "../apiv3");
    let bad: [&[(&str, &str)]; 9] = [
        &[],
        &[NONCE, SIGNATURE, SERIAL],
        &[TIME, SIGNATURE, SERIAL],
        &[TIME, NONCE, SERIAL],
        &[TIME, NONCE, SIGNATURE],
        &[TIME, NONCE, probe, SERIAL],
        &[TIME, NONCE, SIGNATURE, SERIAL, other],
        &[TIME, TIME, NONCE, SIGNATURE, SERIAL],
        &[TIME, NONCE, SIGNATURE, path],
    ];
    for pairs in bad {
        assert!(
            matches!(wechat_authentic(200, pairs, NOW), Err(Unclear::Signature)),
            "{pairs:?}"
        );
    }
    for at in [NOW.plus_millis(300_001), NOW.plus_millis(-300_001)] {
        assert!(matches!(
            wechat_authentic(200, &[TIME, NONCE, SIGNATURE, SERIAL], at),
            Err(Unclear::Signature)
        ));
    }
    // Errors may come unsigned, but half a signature is none.
    assert!(matches!(wechat_authentic(404, &[], NOW), Ok(Authentic::Unsigned)));
    assert!(matches!(wechat_authentic(500, &[], NOW), Ok(Authentic::Unsigned)));
    assert!(matches!(
        wechat_authentic(400, &[TIME, NONCE], NOW),
        Err(Unclear::Signature)
    ));
    assert!(matches!(wechat_authentic(302, &[], NOW), Err(Unclear::Garbage)));
}

fn wechat_read(operation: Operation, pay_way: PayWay, status: u16, body: &str) -> Answer {
    channel::read_answer(&wechat(), operation, pay_way, status, body.as_bytes())
}

pub(crate) fn unclear(answer: &Answer) -> Option<Unclear> {
    match answer {
        Answer::Unclear(reason) => Some(*reason),
        _ => None,
    }
}

pub(crate) fn state(answer: Answer) -> OrderView {
    match answer {
        Answer::State(view) => view,
        _ => panic!("a state"),
    }
}

pub(crate) fn refund(answer: Answer) -> RefundView {
    match answer {
        Answer::Refund(view) => view,
        _ => panic!("a refund"),
    }
}

pub(crate) fn failed(answer: Answer) -> (String, FailureClass) {
    match answer {
        Answer::Failed(failure) => (failure.code.to_string(), failure.class),
        _ => panic!("a refusal"),
    }
}

#[test]
fn wechat_places_orders() {
    let answer = wechat_read(
        Operation::Create,
        PayWay::Native,
        200,
        r#"{"code_url":"weixin://wxpay/bizpayurl?pr=x"}"#,
    );
    assert!(matches!(answer, Answer::Placed(Reach::Code(code)) if &*code == "weixin://wxpay/bizpayurl?pr=x"));
    let answer = wechat_read(Operation::Create, PayWay::Jsapi, 200, r#"{"prepay_id":"wx2014"}"#);
    assert!(matches!(answer, Answer::Placed(Reach::Prepay(id)) if &*id == "wx2014"));
    let answer = wechat_read(Operation::Create, PayWay::App, 200, r#"{"prepay_id":"wx2015"}"#);
    assert!(matches!(answer, Answer::Placed(Reach::Prepay(id)) if &*id == "wx2015"));
    let answer = wechat_read(
        Operation::Create,
        PayWay::H5,
        200,
        r#"{"h5_url":"https://wx.tenpay.com/x?a=1"}"#,
    );
    assert!(matches!(answer, Answer::Placed(Reach::Link(url)) if &*url == "https://wx.tenpay.com/x?a=1"));
    for body in [
        "",
        "{}",
        r#"{"code_url":""}"#,
        r#"{"code_url":1}"#,
        r#"{"code_url":"a","code_url":"b"}"#,
    ] {
        let answer = wechat_read(Operation::Create, PayWay::Native, 200, body);
        assert_eq!(unclear(&answer), Some(Unclear::Garbage), "{body}");
    }
    assert!(matches!(
        wechat_read(Operation::Close, PayWay::Native, 204, ""),
        Answer::Closed
    ));
    assert_eq!(
        unclear(&wechat_read(Operation::Create, PayWay::Native, 202, "{}")),
        Some(Unclear::Garbage)
    );
}

pub(crate) fn wechat_order(trade_state: &str) -> String {
    format!(
        r#"{{"mchid":"1900000109","appid":"wx4fd52d1ed208e8ac","out_trade_no":"20260101000001",
        "transaction_id":"4200001234202601011234567890","trade_type":"NATIVE","trade_state":"{trade_state}",
        "trade_state_desc":"支付成功","bank_type":"CMC_DEBIT","attach":"桌号","success_time":"2026-01-01T08:00:00+08:00",
        "payer":{{"openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}},
        "amount":{{"total":100,"payer_total":90,"currency":"CNY","payer_currency":"CNY"}}}}"#
    )
}

#[test]
fn wechat_states_orders() {
    let asked = |body: &str| wechat_read(Operation::Query, PayWay::Native, 200, body);
    let view = state(asked(&wechat_order("SUCCESS")));
    assert_eq!(view.number.as_str(), "20260101000001");
    assert_eq!(view.account.map(|a| a.to_string()).as_deref(), Some("1900000109"));
    assert_eq!(view.payee.map(|p| p.to_string()).as_deref(), Some("1900000109"));
    assert_eq!(view.attach.as_ref().map(|t| t.expose()), Some("桌号"));
    let payer = view.payer.expect("a payer");
    assert_eq!(
        (payer.field, payer.value.expose()),
        (PayerField::Openid, "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o")
    );
    let ChannelState::Paid(facts) = view.state else {
        panic!("paid")
    };
    assert_eq!((facts.amount, facts.paid_at), (Amount::from_fen(100), NOW));
    assert_eq!(facts.bank_type.as_deref(), Some("CMC_DEBIT"));
    assert_eq!(facts.trade_no.as_str(), "4200001234202601011234567890");
    assert!(matches!(
        state(asked(&wechat_order("REFUND"))).state,
        ChannelState::Refunded(_)
    ));
    for (word, wanted) in [
        ("NOTPAY", ChannelState::NotPaid),
        ("PAYERROR", ChannelState::Declined("PAYERROR".into())),
        ("USERPAYING", ChannelState::Paying),
        ("CLOSED", ChannelState::Closed),
        ("REVOKED", ChannelState::Reversed),
    ] {
        assert_eq!(state(asked(&wechat_order(word))).state, wanted, "{word}");
    }
    // Paid without a time, an amount or a number is not proven; another currency is not ours to read.
    for (from, to) in [
        ("success_time", "x"),
        ("transaction_id", "x"),
        ("\"total\"", "\"x\""),
        ("100", "100.0"),
        ("CNY", "USD"),
        ("SUCCESS", "SOMETHING"),
        ("out_trade_no", "x"),
        ("2026-01-01T08:00:00+08:00", "2026-01-01 08:00:00"),
    ] {
        let answer = asked(&wechat_order("SUCCESS").replace(from, to));
        assert_eq!(unclear(&answer), Some(Unclear::Garbage), "{from}");
    }
}

#[test]
fn wechat_partner_orders_name_both_merchants() {
    let body = wechat_order("NOTPAY")
        .replace("\"mchid\"", "\"sub_mchid\":\"1900000110\",\"sp_mchid\"")
        .replace("\"openid\"", "\"sub_openid\"");
    let answer = channel::read_answer(
        &wechat_partner(),
        Operation::Query,
        PayWay::Jsapi,
        200,
        body.as_bytes(),
    );
    let view = state(answer);
    assert_eq!(view.account.map(|a| a.to_string()).as_deref(), Some("1900000109"));
    assert_eq!(view.payee.map(|p| p.to_string()).as_deref(), Some("1900000110"));
    let payer = |body: &str| {
        let answer = channel::read_answer(
            &wechat_partner(),
            Operation::Query,
            PayWay::Jsapi,
            200,
            body.as_bytes(),
        );
        let payer = state(answer).payer.expect("a payer");
        (payer.field, payer.value.expose().to_owned())
    };
    let id = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o".to_owned();
    assert_eq!(payer(&body), (PayerField::SubOpenid, id.clone()));
    // Where both are told the order's own app decides.
    let both = body.replace("\"sub_openid\"", "\"sp_openid\":\"oSp\",\"sub_openid\"");
    assert_eq!(payer(&both), (PayerField::Openid, "oSp".into()));
    let of_its_app = both.replacen('{', "{\"sub_appid\":\"wx1\",", 1);
    assert_eq!(payer(&of_its_app), (PayerField::SubOpenid, id));
}

#[test]
fn wechat_states_refunds() {
    let body = |status: &str| {
        format!(
            r#"{{"refund_id":"50300806962021020105978994968","out_refund_no":"RF1","out_trade_no":"20260101000001",
            "status":"{status}","success_time":"2026-01-01T08:00:00+08:00","amount":{{"total":100,"refund":30}}}}"#
        )
    };
    for operation in [Operation::Refund, Operation::RefundQuery] {
        for (word, wanted) in [
            ("PROCESSING", RefundState::Processing),
            ("SUCCESS", RefundState::Succeeded),
            ("CLOSED", RefundState::Failed),
            ("ABNORMAL", RefundState::Abnormal),
        ] {
            let view = refund(wechat_read(operation, PayWay::Native, 200, &body(word)));
            assert_eq!(view.state, wanted);
            assert_eq!(view.number.as_str(), "RF1");
            assert_eq!(view.order.as_ref().map(|o| o.as_str()), Some("20260101000001"));
            assert_eq!(
                (view.amount, view.refunded_at),
                (Some(Amount::from_fen(30)), Some(NOW))
            );
            assert_eq!(
                view.trade_no.as_ref().map(|t| t.as_str()),
                Some("50300806962021020105978994968")
            );
        }
    }
    let odd = wechat_read(Operation::Refund, PayWay::Native, 200, &body("ODD"));
    assert_eq!(unclear(&odd), Some(Unclear::Garbage));
}

#[test]
fn wechat_errors_have_classes_and_prove_no_closure() {
    let said = |status, code: &str| {
        failed(wechat_read(
            Operation::Close,
            PayWay::Native,
            status,
            &format!(r#"{{"code":"{code}","message":"m"}}"#),
        ))
    };
    assert_eq!(
        said(404, "ORDER_NOT_EXIST"),
        ("ORDER_NOT_EXIST".into(), FailureClass::NotFound)
    );
    assert_eq!(said(404, "ORDERNOTEXIST").1, FailureClass::NotFound);
    assert_eq!(said(400, "ORDER_PAID").1, FailureClass::AlreadyPaid);
    assert_eq!(said(429, "FREQUENCY_LIMITED").1, FailureClass::Busy);
    assert_eq!(said(403, "NOTENOUGH").1, FailureClass::PayeeFunds);
    assert_eq!(said(500, "PARAM_ERROR").1, FailureClass::Unknown);
    // It may have come unsigned: a signed query has to say that the order is closed.
    assert_eq!(
        said(400, "ORDER_CLOSED"),
        ("ORDER_CLOSED".into(), FailureClass::Unknown)
    );
    for (status, wanted) in [(502, Unclear::ChannelError), (400, Unclear::Garbage)] {
        for body in ["<html>", "{}", r#"{"code":"not a code, 13800138000"}"#] {
            let answer = wechat_read(Operation::Create, PayWay::Native, status, body);
            assert_eq!(unclear(&answer), Some(wanted), "{body}");
        }
    }
    // A success body under an error status is no success.
    let answer = wechat_read(Operation::Query, PayWay::Native, 400, &wechat_order("SUCCESS"));
    assert_eq!(unclear(&answer), Some(Unclear::Garbage));
}
