//! Requests to Alipay.

use crate::{
    alipay, alipay_certificates,
    compose::{bare, buyer, facts, wire},
    number, stamp,
};
use channel::{CallUp, ComposeError, RefundFacts};
use domain::*;
use vault::{Buyer, PayerField, Text};

const HEAD: &str = "charset=utf-8&format=JSON&method=";

#[test]
fn a_precreate_is_one_sorted_form() {
    let (account, no) = (alipay(), number("20260101000010"));
    let terminal = TerminalNo::new("T0000001").expect("terminal");
    let facts = facts(&no, PayWay::Qr, Some(&terminal));
    let draft = channel::create(&account, &stamp(), &facts, &buyer(None)).expect("composes");
    assert_eq!(draft.key().as_str(), "alipay/2021000066965330/app");
    let (line, message, body, headers) = wire(draft);
    assert_eq!(line, "POST /gateway.do");
    let content = concat!(
        r#"{"out_trade_no":"20260101000010","passback_params":"%E6%A1%8C%E5%8F%B7%207%268","#,
        r#""seller_id":"2088864287612845","subject":"Image形象店-\"QQ\"公仔","terminal_id":"T0000001","#,
        r#""time_expire":"2026-01-01 08:15:00","total_amount":"88.80"}"#
    );
    assert_eq!(
        message,
        format!(
            "app_id=2021000066965330&biz_content={content}&{HEAD}alipay.trade.precreate\
             &notify_url=https://guandao.example/n/alipay/2021000066965330\
             &sign_type=RSA2&timestamp=2026-01-01 08:00:00&version=1.0"
        )
    );
    assert!(body.contains("&sign=%2B%2F8B&sign_type=RSA2&timestamp=2026-01-01+08%3A00%3A00&version=1.0"));
    assert!(body.starts_with("app_id=2021000066965330&biz_content=%7B%22out_trade_no%22%3A"));
    let kind = headers
        .iter()
        .find(|(name, _)| name == "Content-Type")
        .map(|(_, value)| value.as_str());
    assert_eq!(kind, Some("application/x-www-form-urlencoded;charset=utf-8"));
}

/// Content is signed as it travels: encrypted first (channels.md 3.2).
#[test]
fn encrypted_content_is_asked_for_and_signed_in_place_of_the_content() {
    let (mut account, no) = (alipay_certificates(), number("20260101000010"));
    account.encrypts = true;
    let facts = facts(&no, PayWay::Qr, None);
    let draft = channel::create(&account, &stamp(), &facts, &buyer(None)).expect("composes");
    assert!(draft.message().is_empty());
    let (key, content) = draft.to_encrypt().expect("content to encrypt");
    assert_eq!(key.as_str(), "alipay/2021000066965330/content");
    assert!(content.starts_with(br#"{"out_trade_no":"20260101000010""#) && content.ends_with(b"}"));
    let draft = draft.encrypted(b"\xfb\xffsecret");
    assert!(draft.to_encrypt().is_none());
    let (_, message, body, _) = wire(draft);
    assert!(message.contains("&biz_content=+/9zZWNyZXQ=&charset=utf-8&encrypt_type=AES&format=JSON&method=alipay.trade.precreate&"), "{message}");
    assert!(body.contains("&biz_content=%2B%2F9zZWNyZXQ%3D&") && !body.contains("20260101000010"));
    // What is public is not encrypted; other accounts ask for nothing.
    let certificate = channel::certificates(&account, &stamp(), "ab12").expect("composes");
    assert!(certificate.to_encrypt().is_none() && !wire(certificate).1.contains("encrypt_type"));
    assert!(
        channel::query(&alipay(), &stamp(), PayWay::Qr, &no)
            .expect("composes")
            .to_encrypt()
            .is_none()
    );
}

#[test]
fn the_cashier_needs_a_buyer_and_certificates_are_named() {
    let (account, no) = (alipay_certificates(), number("20260101000010"));
    let facts = facts(&no, PayWay::Jsapi, None);
    let create = |payer: Option<(PayerField, &str)>| {
        let buyer = Buyer {
            attach: None,
            device_id: None,
            description: Text::from("Tea"),
            ..buyer(payer)
        };
        channel::create(&account, &stamp(), &facts, &buyer).map(|draft| wire(draft).1)
    };
    let content = r#""op_app_id":"2021000066965330","out_trade_no":"20260101000010","product_code":"JSAPI_PAY","seller_id":"2088864287612845","subject":"Tea","time_expire":"2026-01-01 08:15:00","total_amount":"88.80"}"#;
    let message = create(Some((PayerField::BuyerId, "2088102116773037"))).expect("composes");
    assert_eq!(
        message,
        format!(
            "alipay_root_cert_sn=9d04bd8d9d43d2141a7f8e9e762b5645&app_cert_sn=747c5209f2fc137f7a2e696633c80c33\
             &app_id=2021000066965330&biz_content={{\"buyer_id\":\"2088102116773037\",{content}\
             &{HEAD}alipay.trade.create&notify_url=https://guandao.example/n/alipay/2021000066965330\
             &sign_type=RSA2&timestamp=2026-01-01 08:00:00&version=1.0"
        )
    );
    let open = create(Some((
        PayerField::BuyerOpenId,
        "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5",
    )));
    assert!(open.expect("composes").contains(r#"{"buyer_open_id":"074a1C"#));
    for wrong in [None, Some((PayerField::Openid, "oUpF8u"))] {
        assert!(matches!(create(wrong), Err(ComposeError::Missing(_))));
    }
}

#[test]
fn the_other_calls_are_exact() {
    let (account, no, again) = (alipay(), number("20260101000010"), number("RF1"));
    let content = |draft: Result<channel::Draft, ComposeError>| {
        let (_, message, _, _) = wire(draft.expect("composes"));
        let content = message.split_once("biz_content=").expect("content").1;
        let (content, rest) = content.split_once("&charset").expect("charset");
        let method = rest.split_once("method=").expect("method").1;
        (
            method.split('&').next().unwrap_or_default().to_owned(),
            content.to_owned(),
        )
    };
    let one = r#"{"out_trade_no":"20260101000010"}"#;
    let (method, query) = content(channel::query(&account, &stamp(), PayWay::Qr, &no));
    assert_eq!((method.as_str(), query.as_str()), ("alipay.trade.query", one));
    let (method, close) = content(channel::close(&account, &stamp(), &no));
    assert_eq!((method.as_str(), close.as_str()), ("alipay.trade.close", one));
    let facts = RefundFacts {
        number: &no,
        refund: &again,
        trade_no: None,
        amount: Amount::from_fen(1),
        total: Amount::from_fen(8880),
    };
    let (method, refund) = content(channel::refund(
        &account,
        &stamp(),
        PayWay::Qr,
        &facts,
        Some(&Text::from("退货")),
    ));
    assert_eq!(method, "alipay.trade.refund");
    assert_eq!(
        refund,
        r#"{"out_request_no":"RF1","out_trade_no":"20260101000010","refund_amount":"0.01","refund_reason":"退货"}"#
    );
    let (method, query) = content(channel::refund_query(&account, &stamp(), PayWay::Qr, &no, &again));
    assert_eq!(method, "alipay.trade.fastpay.refund.query");
    assert_eq!(
        query,
        r#"{"out_request_no":"RF1","out_trade_no":"20260101000010","query_options":["gmt_refund_pay"]}"#
    );
    assert_eq!(
        channel::certificates(&account, &stamp(), "abc123").err(),
        Some(ComposeError::NotOffered),
        "in key mode there is none"
    );
    let (method, wanted) = content(channel::certificates(&alipay_certificates(), &stamp(), "abc123"));
    assert_eq!(method, "alipay.open.app.alipaycert.download");
    assert_eq!(wanted, r#"{"alipay_cert_sn":"abc123"}"#);
}

#[test]
fn goods_must_be_a_list_and_native_is_not_offered() {
    let (account, no) = (alipay(), number("20260101000010"));
    let buyer = Buyer {
        detail: Some(Text::from("{}")),
        ..bare()
    };
    let refused = channel::create(&account, &stamp(), &facts(&no, PayWay::Qr, None), &buyer);
    assert!(matches!(refused.err(), Some(ComposeError::Detail(_))));
    let refused = channel::create(&account, &stamp(), &facts(&no, PayWay::Native, None), &bare());
    assert_eq!(refused.err(), Some(ComposeError::NotOffered));
}

/// The fields of what npm `alipay-sdk` builds for the same order are compared in the road's tests (referees).
#[test]
fn what_is_handed_out_is_one_sorted_signed_query_with_an_absolute_end() {
    let (account, no) = (alipay(), number("20260101000010"));
    let ways = [
        (PayWay::Page, "page", "FAST_INSTANT_TRADE_PAY"),
        (PayWay::Wap, "wap", "QUICK_WAP_WAY"),
        (PayWay::App, "app", "QUICK_MSECURITY_PAY"),
    ];
    for (pay_way, word, product) in ways {
        let back = (pay_way != PayWay::App).then(|| Text::from("https://shop.example/back?o=1"));
        let quit = (pay_way == PayWay::Wap).then(|| Text::from("https://shop.example/"));
        let quit_field = quit
            .as_ref()
            .map_or("", |_| "\"quit_url\":\"https://shop.example/\",");
        let (back_field, back_query) = match back {
            Some(_) => (
                "&return_url=https://shop.example/back?o=1",
                "&return_url=https%3A%2F%2Fshop.example%2Fback%3Fo%3D1",
            ),
            None => ("", ""),
        };
        let buyer = Buyer {
            return_url: back,
            quit_url: quit,
            ..bare()
        };
        let draft =
            channel::hand_out(&account, &stamp(), &facts(&no, pay_way, None), &buyer).expect("composes");
        assert_eq!(draft.key().as_str(), "alipay/2021000066965330/app");
        let content = format!(
            r#"{{"out_trade_no":"20260101000010","product_code":"{product}",{quit_field}"seller_id":"2088864287612845","subject":"Test goods","time_expire":"2026-01-01 08:15:00","total_amount":"88.80"}}"#
        );
        assert_eq!(
            String::from_utf8_lossy(draft.message()),
            format!(
                "app_id=2021000066965330&biz_content={content}&{HEAD}alipay.trade.{word}.pay\
                 &notify_url=https://guandao.example/n/alipay/2021000066965330{back_field}\
                 &sign_type=RSA2&timestamp=2026-01-01 08:00:00&version=1.0"
            )
        );
        let handed_out = draft.hand_out(&[0xfb, 0xff, 1]).expect("a form");
        let text = handed_out.for_app()["order_string"]
            .as_str()
            .expect("text")
            .to_owned();
        assert!(
            text.starts_with(
                "app_id=2021000066965330&biz_content=%7B%22out_trade_no%22%3A%2220260101000010%22"
            )
        );
        assert!(text.ends_with(&format!(
            "{back_query}&sign=%2B%2F8B&sign_type=RSA2&timestamp=2026-01-01%2008%3A00%3A00&version=1.0"
        )));
        let page = handed_out.for_browser("https://openapi.alipay.com");
        assert_eq!(
            page["url"],
            format!("https://openapi.alipay.com/gateway.do?{text}")
        );
        assert_eq!(
            page["form"]["action"],
            "https://openapi.alipay.com/gateway.do?charset=utf-8"
        );
        let fields = page["form"]["fields"].as_object().expect("fields");
        assert_eq!(fields["biz_content"], content);
        assert!(!fields.contains_key("charset") && fields["sign"] == "+/8B");
        // How it is posted, which stands beside the fields of every form; what is signed stands in the address.
        assert_eq!(
            (&page["form"]["charset"], &page["form"]["method"]),
            (&"UTF-8".into(), &"POST".into())
        );
    }
    let native = channel::hand_out(&account, &stamp(), &facts(&no, PayWay::Qr, None), &bare());
    assert_eq!(native.err(), Some(ComposeError::NotOffered));
    let placed = channel::create(&account, &stamp(), &facts(&no, PayWay::Page, None), &bare());
    assert_eq!(
        placed.err(),
        Some(ComposeError::NotOffered),
        "no call of ours places it"
    );
}

#[test]
fn the_cashier_is_called_up_without_a_signature() {
    let reach = Reach::Cashier(TradeNo::new("2026010122001473031000000001").expect("trade"));
    let Some(CallUp::Ready(parameters)) = channel::call_up(&alipay(), &stamp(), PayWay::Jsapi, &reach) else {
        panic!("ready")
    };
    assert_eq!(
        parameters,
        serde_json::json!({ "tradeNO": "2026010122001473031000000001" })
    );
}

#[test]
fn numbers_fit_or_not() {
    for (channel, text, fits) in [
        (Channel::Wechat, "123456", true),
        (Channel::Wechat, "A_b-1|*", true),
        (Channel::Wechat, "12345", false),
        (Channel::Wechat, "123456@", false),
        (Channel::Wechat, "012345678901234567890123456789012", false),
        (Channel::Alipay, "1", true),
        (Channel::Alipay, "A_1", true),
        (Channel::Alipay, "A-1", false),
        (Channel::Alipay, "", false),
    ] {
        assert_eq!(channel::number_fits(channel, text), fits, "{channel} {text}");
    }
}
