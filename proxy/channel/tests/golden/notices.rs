//! Notices of both channels.

use crate::{NOW, alipay, alipay_certificates, answers::wechat_order, headers, wechat};
use channel::{
    ChannelState,
    dialect::{self, Speech},
    form::FormError,
    notice::{self, Kind, Notice, NoticeError},
};
use domain::*;
use vault::PayerField;

const HEADERS: [(&str, &str); 5] = [
    ("Wechatpay-Timestamp", "1767225600"),
    ("Wechatpay-Nonce", "abc"),
    ("Wechatpay-Signature", "+/8B"),
    ("Wechatpay-Serial", "PUB_KEY_ID_048c1900000109202670533506130335"),
    ("Wechatpay-Signature-Type", "WECHATPAY2-SHA256-RSA2048"),
];

fn wechat_error(pairs: &[(&str, &str)], at: Instant) -> Option<NoticeError> {
    notice::authenticate(Channel::Wechat, &wechat(), &headers(pairs), b"{}", at).err()
}

#[test]
fn a_wechat_notice_needs_four_headers_and_no_other_scheme() {
    let signed = notice::authenticate(Channel::Wechat, &wechat(), &headers(&HEADERS), b"{}", NOW).ok();
    let signed = signed.expect("signed");
    assert_eq!(signed.message, b"1767225600\nabc\n{}\n");
    assert_eq!(
        signed.key.as_str(),
        "wechat/1900000109/platform/PUB_KEY_ID_048c1900000109202670533506130335"
    );
    assert_eq!(wechat_error(&HEADERS[..4], NOW), None, "the scheme may go unsaid");
    let mut other = HEADERS;
    other[4].1 = "WECHATPAY2-SM2-WITH-SM3";
    assert_eq!(
        wechat_error(&other, NOW),
        Some(NoticeError::Envelope("Wechatpay-Signature-Type"))
    );
    for (place, (name, _)) in HEADERS[..4].iter().enumerate() {
        let mut pairs = HEADERS.to_vec();
        pairs.remove(place);
        assert_eq!(wechat_error(&pairs, NOW), Some(NoticeError::Envelope(name)));
    }
    let mut probe = HEADERS;
    probe[2].1 = "WECHATPAY/SIGNTEST/abc";
    assert_eq!(wechat_error(&probe, NOW), Some(NoticeError::Probe));
    assert_eq!(
        wechat_error(&HEADERS, NOW.plus_millis(300_001)),
        Some(NoticeError::Stale)
    );
    assert_eq!(wechat_error(&HEADERS, NOW.plus_millis(300_000)), None);
}

/// 国密: the account's own scheme and seal, and no other.
#[test]
//= C85
fn a_notice_to_an_account_of_sm2_is_signed_and_sealed_so() {
    let account = channel::Account {
        sign_method: domain::SignMethod::Sm2,
        ..wechat()
    };
    let reads = |pairs: &[(&str, &str)]| {
        notice::authenticate(Channel::Wechat, &account, &headers(pairs), b"{}", NOW).err()
    };
    assert_eq!(
        reads(&HEADERS),
        Some(NoticeError::Envelope("Wechatpay-Signature-Type"))
    );
    let mut own = HEADERS;
    own[4].1 = "WECHATPAY2-SM2-WITH-SM3";
    assert_eq!(reads(&own), None);
    let aes = envelope("TRANSACTION.SUCCESS", "transaction");
    let sm4 = aes.replace("AEAD_AES_256_GCM", "AEAD_SM4_GCM");
    let Ok(Some(resource)) = notice::sealed(&account, sm4.as_bytes()) else {
        panic!("sealed")
    };
    assert!(resource.sm4);
    assert_eq!(
        notice::sealed(&account, aes.as_bytes()),
        Err(NoticeError::Field("resource"))
    );
    let Ok(Some(other)) = notice::sealed(&wechat(), aes.as_bytes()) else {
        panic!("sealed")
    };
    assert!(!other.sm4);
}

fn envelope(event: &str, original: &str) -> String {
    format!(
        r#"{{"id":"EV-1","create_time":"2026-01-01T08:00:00+08:00","resource_type":"encrypt-resource","event_type":"{event}",
        "summary":"s","resource":{{"original_type":"{original}","algorithm":"AEAD_AES_256_GCM","ciphertext":"+/8B",
        "associated_data":"","nonce":"fdasflkja484"}}}}"#
    )
}

#[test]
fn the_sealed_resource_is_taken_out() {
    let kind = |event: &str, original: &str| {
        let resource = notice::sealed(&wechat(), envelope(event, original).as_bytes()).expect("lawful");
        let resource = resource.expect("sealed");
        assert_eq!(resource.key.as_str(), "wechat/1900000109/apiv3");
        assert_eq!(
            (resource.nonce.as_slice(), resource.associated_data.as_slice()),
            (&b"fdasflkja484"[..], &b""[..])
        );
        assert_eq!(resource.ciphertext, [0xfb, 0xff, 1]);
        resource.kind
    };
    assert_eq!(kind("TRANSACTION.SUCCESS", "transaction"), Kind::Transaction);
    for event in ["REFUND.SUCCESS", "REFUND.ABNORMAL", "REFUND.CLOSED"] {
        assert_eq!(kind(event, "refund"), Kind::Refund);
    }
    assert_eq!(kind("PAYSCORE.USER_OPEN_SERVICE", "payscore"), Kind::Other);
    let good = envelope("TRANSACTION.SUCCESS", "transaction");
    for (from, to) in [
        ("encrypt-resource", "plain"),
        ("AEAD_AES_256_GCM", "AEAD_SM4_GCM"),
        ("fdasflkja484", "short"),
        ("+/8B", "*"),
        ("event_type", "x"),
    ] {
        let refused = notice::sealed(&wechat(), good.replace(from, to).as_bytes());
        assert!(matches!(refused, Err(NoticeError::Field(_))), "{from}");
    }
    assert!(matches!(
        notice::sealed(&wechat(), b"{\"a\":1,\"a\":1}"),
        Err(NoticeError::Json(_))
    ));
    assert_eq!(notice::sealed(&alipay(), b"a=1"), Ok(None));
}

#[test]
fn wechat_payments_and_refunds_are_read() {
    let read = |text: &str, kind| notice::read(&wechat(), text.as_bytes(), kind);
    let Ok(Notice::Order(view)) = read(&wechat_order("SUCCESS"), Kind::Transaction) else {
        panic!("an order")
    };
    assert!(matches!(view.state, ChannelState::Paid(_)));
    let refund = r#"{"mchid":"1900000109","transaction_id":"4200001234","out_trade_no":"20260101000001","refund_id":"503",
        "out_refund_no":"RF1","refund_status":"SUCCESS","success_time":"2026-01-01T08:00:00+08:00",
        "user_received_account":"招商银行信用卡0403","amount":{"total":100,"refund":30,"payer_total":100,"payer_refund":30}}"#;
    let Ok(Notice::Refund { order, view, paid }) = read(refund, Kind::Refund) else {
        panic!("a refund")
    };
    assert_eq!(
        (order.as_ref().map(ChannelNo::as_str), view.number.as_str()),
        (Some("20260101000001"), "RF1")
    );
    assert_eq!(
        (view.state, view.amount),
        (RefundState::Succeeded, Some(Amount::from_fen(30)))
    );
    assert_eq!((view.refunded_at, paid.is_none()), (Some(NOW), true));
    // An answer's `status` is not a notice's `refund_status`.
    let wrong = read(&refund.replace("refund_status", "status"), Kind::Refund);
    assert!(matches!(wrong, Err(NoticeError::Field("refund_status"))));
    assert!(matches!(
        read("{}", Kind::Transaction),
        Err(NoticeError::Field(_))
    ));
    assert!(matches!(read("{}", Kind::Other), Ok(Notice::Ignored)));
    let none = r#"{"combine_out_trade_no":"C1","sub_orders":[]}"#;
    assert!(matches!(
        read(none, Kind::Transaction),
        Err(NoticeError::Field("sub_orders"))
    ));
}

/// One notice of several orders that were paid together: each with its own payee, amount and trade number.
#[test]
fn wechats_notice_of_orders_paid_together_is_read() {
    let sub = |number: &str, more: &str, fen: u64, trade: &str| {
        format!(
            r#"{{"mchid":"1900000109",{more}"trade_type":"NATIVE","trade_state":"SUCCESS","bank_type":"CMC_DEBIT","attach":"table 7",
            "amount":{{"total_amount":{fen},"payer_amount":{fen},"currency":"CNY"}},"success_time":"2026-01-01T08:00:00+08:00",
            "transaction_id":"{trade}","out_trade_no":"{number}"}}"#
        )
    };
    let both = [
        sub("20260101000001", "", 100, "4200000001"),
        sub(
            "20260101000002",
            r#""sub_mchid":"1600000101","#,
            250,
            "4200000002",
        ),
    ];
    let group = format!(
        r#"{{"combine_appid":"wx4f","combine_mchid":"1900000109","combine_out_trade_no":"C2026010100001",
        "combine_payer_info":{{"openid":"oUpF8"}},"sub_orders":[{}]}}"#,
        both.join(",")
    );
    let Ok(Notice::Combined(views)) = notice::read(&wechat(), group.as_bytes(), Kind::Transaction) else {
        panic!("a group")
    };
    let said: Vec<_> = views
        .iter()
        .map(|view| {
            let ChannelState::Paid(facts) = &view.state else {
                panic!("paid")
            };
            let (payee, payer) = (view.payee.as_ref(), view.payer.as_ref());
            let payee = payee.map(|p| p.as_str().to_owned()).unwrap_or_default();
            assert_eq!(payer.map(|p| p.value.expose()), Some("oUpF8"));
            (
                view.number.as_str(),
                payee,
                facts.amount.fen(),
                facts.trade_no.as_str(),
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            ("20260101000001", "1900000109".to_owned(), 100, "4200000001"),
            ("20260101000002", "1600000101".to_owned(), 250, "4200000002"),
        ]
    );
}

const FORM: &str = "app_id=2021000066965330&charset=utf-8&sign_type=RSA2&sign=%2B%2F8B&notify_type=trade_status_sync\
    &empty=&out_trade_no=20260101000010&trade_no=2026010122001473031000000001&total_amount=88.80\
    &seller_id=2088864287612845&buyer_id=2088102116773037&passback_params=%25E6%25A1%258C\
    &fund_bill_list=%5B%7B%22amount%22%3A%220.01%22%2C%22fundChannel%22%3A%22ALIPAYACCOUNT%22%7D%5D";

fn form(rest: &str) -> String {
    format!("{FORM}{rest}")
}

#[test]
fn an_alipay_notice_is_signed_over_all_but_sign_and_sign_type() {
    let none = headers(&[]);
    let signed = notice::authenticate(Channel::Alipay, &alipay(), &none, FORM.as_bytes(), NOW);
    let signed = signed.unwrap_or_else(|error| panic!("{error}"));
    let message = String::from_utf8(signed.message).expect("text");
    assert!(message.starts_with(
        "app_id=2021000066965330&buyer_id=2088102116773037&charset=utf-8&empty=&fund_bill_list=[{\""
    ));
    assert!(!message.contains("sign"));
    assert_eq!(signed.signature, [0xfb, 0xff, 1]);
    assert_eq!(signed.key.as_str(), "alipay/2021000066965330/platform");
    let error =
        |body: &str| notice::authenticate(Channel::Alipay, &alipay(), &none, body.as_bytes(), NOW).err();
    assert_eq!(
        error(&FORM.replace("2021000066965330", "2021000066965331")),
        Some(NoticeError::Account)
    );
    assert_eq!(
        error(&FORM.replace("RSA2", "RSA")),
        Some(NoticeError::Envelope("sign_type"))
    );
    assert_eq!(
        error(&FORM.replace("utf-8", "gbk")),
        Some(NoticeError::Envelope("charset"))
    );
    assert_eq!(
        error(&FORM.replace("%2B%2F8B", "*")),
        Some(NoticeError::Envelope("sign"))
    );
    let twice = Some(NoticeError::Form(FormError::Twice("total_amount".into())));
    assert_eq!(error(&form("&total_amount=0.01")), twice);
    let certificates = alipay_certificates();
    let signed = notice::authenticate(Channel::Alipay, &certificates, &none, FORM.as_bytes(), NOW).ok();
    let key = signed.expect("signed").key;
    assert_eq!(
        key.as_str(),
        "alipay/2021000066965330/platform/7f43f8920d8f5fbdf1e94e4e81177c50"
    );
}

fn alipay_read(rest: &str) -> Result<Notice, NoticeError> {
    notice::read(&alipay(), form(rest).as_bytes(), Kind::Open)
}

#[test]
fn alipay_payments_are_read() {
    let paid = "&trade_status=TRADE_SUCCESS&gmt_payment=2026-01-01+08%3A00%3A00";
    let Ok(Notice::Order(view)) = alipay_read(paid) else {
        panic!("an order")
    };
    assert_eq!(
        view.account.as_ref().map(|a| a.as_str()),
        Some("2021000066965330")
    );
    assert_eq!(view.payee.as_ref().map(|p| p.as_str()), Some("2088864287612845"));
    assert_eq!(view.attach.as_ref().map(|t| t.expose()), Some("桌"));
    let payer = view.payer.as_ref().map(|p| (p.field, p.value.expose()));
    assert_eq!(payer, Some((PayerField::BuyerId, "2088102116773037")));
    let ChannelState::Paid(facts) = view.state else {
        panic!("paid")
    };
    assert_eq!((facts.amount, facts.paid_at), (Amount::from_fen(8880), NOW));
    assert_eq!(facts.bank_type.as_deref(), Some("ALIPAYACCOUNT"));
    let Ok(Notice::Order(view)) = alipay_read("&trade_status=TRADE_CLOSED") else {
        panic!("an order")
    };
    assert_eq!(view.state, ChannelState::Closed);
    assert!(matches!(
        alipay_read("&trade_status=TRADE_SUCCESS"),
        Err(NoticeError::Field("trade_status"))
    ));
    assert!(matches!(alipay_read(""), Err(NoticeError::Field("trade_status"))));
}

#[test]
fn alipay_refunds_are_recognised_and_state_the_order_too() {
    let rest = "&trade_status=TRADE_SUCCESS&gmt_payment=2026-01-01+08%3A00%3A00\
        &refund_fee=0.30&out_biz_no=RF1&gmt_refund=2026-01-01+08%3A00%3A00.320";
    let Ok(Notice::Refund { order, view, paid }) = alipay_read(rest) else {
        panic!("a refund")
    };
    assert_eq!(
        (order.as_ref().map(ChannelNo::as_str), view.number.as_str()),
        (Some("20260101000010"), "RF1")
    );
    assert_eq!(
        (view.state, view.refunded_at, view.amount),
        (RefundState::Succeeded, Some(NOW), None)
    );
    assert!(matches!(paid.expect("the order").state, ChannelState::Paid(_)));
    let full = rest.replace("TRADE_SUCCESS", "TRADE_CLOSED");
    let Ok(Notice::Refund { paid, .. }) = alipay_read(&full) else {
        panic!("a refund")
    };
    assert!(matches!(
        paid.expect("the order").state,
        ChannelState::Refunded(_)
    ));
    // Without the refund's number it is a word about the order: paid and refunded.
    let Ok(Notice::Order(view)) = alipay_read(&full.replace("&out_biz_no=RF1", "")) else {
        panic!("an order")
    };
    assert!(matches!(view.state, ChannelState::Refunded(_)));
    let other = form(rest).replace("trade_status_sync", "open_app_auth_notify");
    assert!(matches!(
        notice::read(&alipay(), other.as_bytes(), Kind::Open),
        Ok(Notice::Ignored)
    ));
}

#[test]
fn replies_speak_the_channels_language() {
    assert_eq!(dialect::ack(Channel::Wechat, Speech::Own).status, 200);
    assert_eq!(dialect::ack(Channel::Alipay, Speech::Own).body, b"success");
    assert!(dialect::refuse_notice(Channel::Wechat, Speech::Own, "come again").status >= 400);
    assert_ne!(
        dialect::refuse_notice(Channel::Alipay, Speech::Own, "come again").body,
        b"success"
    );
}
