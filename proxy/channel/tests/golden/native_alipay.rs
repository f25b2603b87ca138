//! Native Alipay requests: what is carried, and every refusal.

use crate::{NOW, headers};
use channel::{
    dialect::NativeRefusal,
    native::{self, Native, NativeError},
};
use domain::*;
use vault::PayerField;

const PUBLIC: [(&str, &str); 9] = [
    ("app_id", "2021000066965330"),
    ("charset", "UTF-8"),
    ("format", "JSON"),
    ("method", "alipay.trade.precreate"),
    ("notify_url", "https://m.example/n"),
    ("sign", "+/8B"),
    ("sign_type", "RSA2"),
    ("timestamp", "2026-01-01 08:00:00"),
    ("version", "1.0"),
];

const ORDER: &str = r#"{"out_trade_no":"20260101000010","total_amount":"88.80","subject":"Tea","seller_id":"2088864287612845","body":"b","goods_detail":[{"goods_id":"g","goods_name":"Oolong","quantity":1,"price":"88.8"}],"timeout_express":"90m"}"#;

fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// The public parameters with one replaced or added, or with an empty value removed.
fn public<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut pairs: Vec<_> = PUBLIC.into_iter().filter(|pair| pair.0 != name).collect();
    pairs.extend((!value.is_empty()).then_some((name, value)));
    pairs
}

fn read_at(method: &str, target: &str, body: &str) -> Result<Native, NativeError> {
    let kind = headers(&[("content-type", "application/x-www-form-urlencoded;charset=utf-8")]);
    let known = |a: &AccountNo| a.as_str() == "2021000066965330";
    native::read(
        Channel::Alipay,
        known,
        &|_, _, _| Err(native::Unopened::NoKey),
        method,
        target,
        &kind,
        body.as_bytes(),
    )
}

fn post<'a>(mut pairs: Vec<(&'a str, &'a str)>, content: &'a str) -> Result<Native, NativeError> {
    pairs.push(("biz_content", content));
    read_at("POST", "/gateway.do", &form(&pairs))
}

fn call(method: &str, content: &str) -> Result<Native, NativeError> {
    post(public("method", method), content)
}

fn kind(result: Result<Native, NativeError>) -> NativeRefusal {
    result.err().expect("refused").kind
}

#[test]
fn query_and_body_are_one_set_of_parameters() {
    let (content, public_part) = (form(&[("biz_content", ORDER)]), form(&PUBLIC));
    let wanted = format!(
        "app_id=2021000066965330&biz_content={ORDER}&charset=UTF-8&format=JSON&method=alipay.trade.precreate\
         &notify_url=https://m.example/n&sign_type=RSA2&timestamp=2026-01-01 08:00:00&version=1.0"
    );
    for (method, target, body) in [
        (
            "POST",
            "/gateway.do".to_owned(),
            format!("{public_part}&{content}"),
        ),
        ("POST", format!("/gateway.do?{public_part}"), content.clone()),
        (
            "GET",
            format!("/gateway.do?{public_part}&{content}"),
            String::new(),
        ),
    ] {
        let native = read_at(method, &target, &body).expect("lawful");
        assert_eq!(String::from_utf8(native.proof.message).expect("text"), wanted);
        assert_eq!(native.proof.signature, [0xfb, 0xff, 1]);
        assert_eq!(native.proof.key.as_str(), "alipay/2021000066965330/app-public");
        assert_eq!((native.proof.signed_at, native.proof.nonce), (NOW, None));
    }
}

/// Alipay's own PHP client writes its forms so, and a published Go client each call: in the address for whoever reads the form,
/// in the form as what is signed.
#[test]
//= C80
fn the_charset_may_stand_in_address_and_form_and_nothing_else_may() {
    let whole = format!("{}&{}", form(&PUBLIC), form(&[("biz_content", ORDER)]));
    let once = read_at("POST", "/gateway.do", &whole).expect("lawful");
    let both = read_at("POST", "/gateway.do?charset=UTF-8", &whole).expect("lawful");
    assert_eq!(once.proof.message, both.proof.message);
    for (query, more, twice) in [
        ("charset=utf-8", "", "charset"),
        ("charset=gbk", "", "charset"),
        ("charset=", "", "charset"),
        ("charset=UTF-8&charset=UTF-8", "", "charset"),
        ("charset=UTF-8", "&charset=UTF-8", "charset"),
        ("a=1", "&charset=UTF-8", "charset"),
        ("charset=UTF-8&version=1.0", "", "version"),
        ("charset=UTF-8&sign_type=RSA2", "", "sign_type"),
        ("app_id=2021000066965330", "", "app_id"),
    ] {
        let error = read_at("POST", &format!("/gateway.do?{query}"), &format!("{whole}{more}"));
        let error = error.err().expect("refused");
        assert_eq!(
            error.text,
            format!("form: {twice} stands twice"),
            "{query} {more}"
        );
        assert_eq!(error.breach, Some((Breach::Form, None)));
    }
}

/// Alipay's own PHP client in certificate mode always sends `target_app_id=`, a published Go client its orders with each field
/// that nobody set. None of it is signed as something, and none says anything.
#[test]
//= C21
fn what_is_empty_is_absent() {
    let mut pairs = public("target_app_id", "");
    for name in [
        "target_app_id",
        "return_url",
        "ws_service_url",
        "auth_token",
        "encrypt_type",
    ] {
        pairs.push((name, ""));
    }
    let content = ORDER.replacen(
        '{',
        r#"{"product_code":"","buyer_id":"","operator_id":"","store_id":"","timeout_express_2":"","extend_params":{"specified_seller_name":"","sys_service_provider_id":""},"goods_type":"","promo_params":"","#,
        1,
    );
    let native = post(pairs, &content).expect("lawful");
    let plain = call("alipay.trade.precreate", ORDER).expect("lawful");
    assert!(native.returns_to.is_empty() && native.payer.is_none());
    assert_eq!((native.number, native.amount), (plain.number, plain.amount));
    assert_eq!(native.texts.len(), plain.texts.len());
    let pay = r#"{"out_trade_no":"O1","trade_no":"","total_amount":"1.00","subject":"Tea","scene":"bar_code","auth_code":"289821051157962364","buyer_id":"","product_code":"","body":""}"#;
    assert!(call("alipay.trade.pay", pay).is_ok());
    // What must be there must say something, wherever it stands, and a payee that is named is a payee.
    for (from, to) in [
        ("20260101000010", ""),
        ("88.80", ""),
        ("Tea", ""),
        ("2088864287612845", ""),
    ] {
        let error = call("alipay.trade.precreate", &ORDER.replace(from, to)).err();
        assert!(
            matches!(error.expect("refused").kind, NativeRefusal::Malformed(_)),
            "{from}"
        );
    }
    let page = PAGE.replace("FAST_INSTANT_TRADE_PAY", "");
    assert!(call("alipay.trade.page.pay", &page).is_err());
    // An empty text is one, nothing else is; and whose money it is stands nowhere.
    for value in ["null", "{}", "[]", "\" \"", "0", "false"] {
        let content = ORDER.replacen('{', &format!(r#"{{"buyer_id":{value},"#), 1);
        let error = call("alipay.trade.precreate", &content).err().expect("refused");
        assert_eq!(error.text, "field biz_content.buyer_id is not carried");
    }
    for name in ["royalty_info", "settle_info", "trans_in"] {
        let content = ORDER.replacen('{', &format!(r#"{{"{name}":"","#), 1);
        let error = call("alipay.trade.precreate", &content).err().expect("refused");
        assert_eq!(error.breach, Some((Breach::Funds, Some(name))));
        let mut pairs = public("target_app_id", "");
        pairs.push((name, ""));
        assert!(post(pairs, ORDER).is_err(), "{name}");
    }
}

#[test]
fn an_order_yields_its_facts() {
    let native = call("alipay.trade.precreate", ORDER).expect("lawful");
    assert_eq!(
        (native.operation, native.pay_way),
        (Operation::Create, Some(PayWay::Qr))
    );
    assert_eq!(native.method_name, Some("alipay.trade.precreate"));
    assert_eq!(
        (native.account.as_str(), native.payee.expect("payee").as_str()),
        ("2021000066965330", "2088864287612845")
    );
    assert_eq!(native.number.expect("number").as_str(), "20260101000010");
    assert_eq!(
        (native.amount, native.expires),
        (Some(Amount::from_fen(8880)), Some(NOW.plus_millis(90 * 60_000)))
    );
    assert_eq!(native.notify_url.as_deref(), Some("https://m.example/n"));
    let texts: Vec<_> = native
        .texts
        .iter()
        .map(|(name, text)| (*name, text.expose()))
        .collect();
    assert_eq!(
        texts,
        [("subject", "Tea"), ("body", "b"), ("goods_detail", "Oolong")]
    );
}

#[test]
fn every_method_is_carried() {
    let create = r#"{"out_trade_no":"O1","total_amount":88.8,"subject":"Tea","product_code":"JSAPI_PAY","op_app_id":"2021000066965330","buyer_open_id":"074a","time_expire":"2026-01-01 08:00:00"}"#;
    let native = call("alipay.trade.create", create).expect("lawful");
    assert_eq!(
        (native.pay_way, native.amount),
        (Some(PayWay::Jsapi), Some(Amount::from_fen(8880)))
    );
    assert_eq!(native.expires, Some(NOW));
    let payer = native.payer.expect("payer");
    assert_eq!(
        (payer.field, payer.value.expose()),
        (PayerField::BuyerOpenId, "074a")
    );
    let native = call(
        "alipay.trade.query",
        r#"{"trade_no":"2026010122001473031000000001"}"#,
    )
    .expect("lawful");
    assert_eq!(
        (
            native.operation,
            native.number.is_none(),
            native.trade_no.is_some()
        ),
        (Operation::Query, true, true)
    );
    for (method, operation) in [
        ("alipay.trade.close", Operation::Close),
        ("alipay.trade.cancel", Operation::Reverse),
    ] {
        for (name, by_number) in [("out_trade_no", true), ("trade_no", false)] {
            let native = call(method, &format!(r#"{{"{name}":"O1"}}"#)).expect("lawful");
            assert_eq!(
                (native.operation, native.number.is_some()),
                (operation, by_number)
            );
        }
    }
    let native = call(
        "alipay.trade.refund",
        r#"{"out_trade_no":"O1","refund_amount":"0.30","out_request_no":"RF1","refund_reason":"r"}"#,
    );
    let native = native.expect("lawful");
    assert_eq!(
        (native.operation, native.amount),
        (Operation::Refund, Some(Amount::from_fen(30)))
    );
    assert_eq!(
        (native.refund.expect("number").as_str(), native.texts.len()),
        ("RF1", 1)
    );
    let native = call(
        "alipay.trade.refund",
        r#"{"out_trade_no":"O1","refund_amount":"0.30"}"#,
    )
    .expect("lawful");
    assert_eq!(native.refund.expect("number").as_str(), "O1");
    let native = call(
        "alipay.trade.fastpay.refund.query",
        r#"{"out_trade_no":"O1","out_request_no":"RF1","query_options":["gmt_refund_pay"]}"#,
    );
    assert_eq!(native.expect("lawful").operation, Operation::RefundQuery);
    let mut pairs = public("app_auth_token", "202601BBx");
    pairs.extend([
        ("app_cert_sn", "747c"),
        ("alipay_sdk", "alipay-sdk-java-4.38.0.ALL"),
        ("terminal_type", ""),
    ]);
    let native = post(pairs, ORDER).expect("lawful");
    assert_eq!(native.certificates, [("app_cert_sn", "747c".to_owned())]);
    assert_eq!(
        native.app_auth_token.as_ref().map(|t| t.expose()),
        Some("202601BBx")
    );
    // Without a value it takes no part in the signature, and authorises nothing.
    let native = post(public("app_auth_token", ""), ORDER).expect("lawful");
    assert!(native.app_auth_token.is_none());
}

/// What Alipay's own client of today can say of goods, instalments and ways to pay.
#[test]
fn fields_of_todays_models_are_carried() {
    let goods = r#"[{"goods_id":"g","goods_name":"Oolong","quantity":1,"price":"88.8","goods_ean_id":"69","out_item_id":"i","out_sku_id":"s"}]"#;
    let order = |more: &str| {
        format!(
            r#"{{"out_trade_no":"O1","total_amount":"88.80","subject":"Tea","goods_detail":{goods},{more}}}"#
        )
    };
    let by_wallet = order(
        r#""product_code":"JSAPI_PAY","buyer_id":"2088","disable_pay_channels":"credit_group","enable_pay_channels":"balance""#,
    );
    assert!(call("alipay.trade.create", &by_wallet).is_ok());
    let instalments =
        order(r#""extend_params":{"fq_num":"3","fq_seller_percent":"0","fq_channels":"alipayfq_cc"}"#);
    assert!(call("alipay.trade.precreate", &instalments).is_ok());
    let refund = r#"{"out_trade_no":"O1","refund_amount":"0.30","out_request_no":"RF1","refund_goods_detail":[{"goods_id":"g","out_item_id":"i","out_sku_id":"s","refund_amount":"0.30","out_certificate_no_list":["c1"]}]}"#;
    assert!(call("alipay.trade.refund", refund).is_ok());
    // Whose name the payer is shown is the seller's own, and nothing is held back for others.
    for name in ["specified_seller_name", "royalty_freeze"] {
        let error = call(
            "alipay.trade.precreate",
            &order(&format!(r#""extend_params":{{"{name}":"x"}}"#)),
        );
        let error = error.err().expect("refused");
        assert_eq!(
            error.text,
            format!("field biz_content.extend_params.{name} is not carried")
        );
    }
    // What nobody set says nothing, unless it could be taken for something that does.
    let blank = |name: &str| {
        call(
            "alipay.trade.precreate",
            &order(&format!(r#""extend_params":{{"{name}":""}},"{name}":"""#)),
        )
    };
    assert!(blank("specified_seller_name").is_ok());
    for name in [
        "royalty_freeze",
        "royaltyFreeze",
        "Settle_Info",
        "sellerId",
        "timeExpire",
        "seller_id ",
        "seller\\u005fid_",
        "x-y",
    ] {
        assert!(blank(name).is_err(), "{name}");
    }
}

/// Where the account's own bill lies: it names no order and nobody else.
#[test]
fn a_bill_is_of_the_account_itself() {
    const METHOD: &str = "alipay.data.dataservice.bill.downloadurl.query";
    let ask = |content: &str| call(METHOD, content);
    for kind in ["trade", "signcustomer"] {
        let native = ask(&format!(r#"{{"bill_type":"{kind}","bill_date":"2026-01-01"}}"#)).expect("lawful");
        assert_eq!(
            (native.operation, native.number.is_none(), native.payee.is_none()),
            (Operation::Bill, true, true)
        );
    }
    for (content, allowed) in [
        (r#"{"bill_type":"trade"}"#, true),
        (r#"{"bill_date":"2026-01-01"}"#, true),
        (
            r#"{"bill_type":"trade_zft_merchant","bill_date":"2026-01-01"}"#,
            true,
        ),
        (
            r#"{"bill_type":"trade","bill_date":"2026-01-01","smid":"2088"}"#,
            false,
        ),
    ] {
        match kind(ask(content)) {
            NativeRefusal::Malformed(_) if allowed => {}
            NativeRefusal::NotAllowed(text) if !allowed => assert!(text.contains("smid"), "{text}"),
            other => panic!("{content}: {other:?}"),
        }
    }
}

/// By payment code; the code itself is in none of the facts.
#[test]
//= C32
fn a_payment_code_is_alipays_own_and_is_kept_nowhere() {
    const CODE: &str = "289821051157962364";
    let pay = |scene: &str, code: &str| {
        let more = format!(r#""scene":"{scene}","auth_code":"{code}""#);
        call("alipay.trade.pay", &ORDER.replace(r#""body":"b""#, &more))
    };
    let native = pay("bar_code", CODE).expect("lawful");
    assert_eq!(
        (native.operation, native.pay_way, native.amount),
        (
            Operation::Create,
            Some(PayWay::Micropay),
            Some(Amount::from_fen(8880))
        )
    );
    assert!(native.payer.is_none() && native.texts.iter().all(|(_, text)| !text.expose().contains(CODE)));
    for length in [16, 24] {
        assert!(pay("bar_code", &format!("{:3<length$}", "30")).is_ok());
    }
    for code in [
        "134567890123456789",
        "6212345678901234567",
        "31982105115796236",
        "24982105115796236",
        "289821051157962",
        "2898210511579623641234567",
        "28982105115796236x",
        "fp0123456789abcdef",
        "",
    ] {
        let error = pay("bar_code", code).err().expect("refused");
        assert!(matches!(error.kind, NativeRefusal::Malformed(_)), "{code}");
        assert!(
            code.is_empty() || !error.text.contains(code),
            "the error says the code: {}",
            error.text
        );
    }
    for scene in ["wave_code", "security_code", ""] {
        assert!(
            matches!(kind(pay(scene, CODE)), NativeRefusal::Malformed(_)),
            "{scene}"
        );
    }
    for name in [
        "agreement_params",
        "auth_no",
        "royalty_info",
        "settle_info",
        "sub_merchant",
        "terminal_params",
    ] {
        let more = format!(r#""scene":"bar_code","auth_code":"{CODE}","{name}":"x""#);
        let error = call("alipay.trade.pay", &ORDER.replace(r#""body":"b""#, &more))
            .err()
            .expect("refused");
        assert_eq!(error.text, format!("field biz_content.{name} is not carried"));
    }
    let refund = call(
        "alipay.trade.cancel",
        r#"{"out_trade_no":"O1","refund_amount":"1"}"#,
    );
    assert!(matches!(kind(refund), NativeRefusal::NotAllowed(_)));
}

#[test]
fn other_methods_paths_and_fields_are_not_carried() {
    for method in [
        "alipay.trade.app.pay",
        "alipay.fund.trans.uni.transfer",
        "alipay.trade.royalty.relation.bind",
    ] {
        assert!(
            matches!(kind(call(method, ORDER)), NativeRefusal::NotAllowed(_)),
            "{method}"
        );
    }
    let whole = format!("{}&{}", form(&PUBLIC), form(&[("biz_content", ORDER)]));
    for (method, target) in [
        ("POST", "/gateway.do/"),
        ("POST", "//gateway.do"),
        ("POST", "/Gateway.do"),
        ("POST", "/%67ateway.do"),
        ("PUT", "/gateway.do"),
        ("POST", "/v3/alipay/trade/page/pay"),
    ] {
        assert!(
            matches!(
                kind(read_at(method, target, &whole)),
                NativeRefusal::NotAllowed(_)
            ),
            "{method} {target}"
        );
    }
    for name in [
        "auth_code",
        "royalty_info",
        "settle_info",
        "sub_merchant",
        "ext_user_info",
        "scene",
    ] {
        let content = ORDER.replace("\"body\":\"b\"", &format!("\"{name}\":\"x\""));
        let error = call("alipay.trade.precreate", &content).err().expect("refused");
        assert_eq!(error.text, format!("field biz_content.{name} is not carried"));
        assert_eq!(error.method_name, Some("alipay.trade.precreate"));
    }
    for name in ["auth_token", "target_app_id", "out_trade_no", "ws_service_url"] {
        let error = post(public(name, "x"), ORDER).err().expect("refused");
        assert_eq!(error.text, format!("parameter {name} is not carried"));
    }
}

const PAGE: &str = r#"{"out_trade_no":"O1","total_amount":"88.80","subject":"Tea","product_code":"FAST_INSTANT_TRADE_PAY","qr_pay_mode":"2","integration_type":"PCWEB","request_from_url":"https://shop.example/cart"}"#;

fn page(
    more: &[(&'static str, &'static str)],
    method: &'static str,
    content: &str,
) -> Result<Native, NativeError> {
    let mut pairs = public("method", method);
    pairs.retain(|pair| more.iter().all(|own| own.0 != pair.0));
    pairs.extend(more);
    post(pairs, content)
}

#[test]
fn what_a_browser_brings_says_where_it_goes_back_to_and_may_wait() {
    let back = [("return_url", "https://shop.example/back?o=1")];
    let native = page(&back, "alipay.trade.page.pay", PAGE).expect("lawful");
    assert_eq!(
        (native.operation, native.pay_way, native.by_browser),
        (Operation::Create, Some(PayWay::Page), true)
    );
    assert_eq!(native.proof.fresh, native::Fresh::For(30 * 60_000));
    let returns: Vec<_> = native
        .returns_to
        .iter()
        .map(|(name, url)| (*name, url.expose()))
        .collect();
    assert_eq!(
        returns,
        [
            ("return_url", "https://shop.example/back?o=1"),
            ("request_from_url", "https://shop.example/cart")
        ]
    );
    // A client that was told the address once sends it with every call; it may go nowhere else for that.
    for (method, content) in [
        ("alipay.trade.precreate", ORDER),
        ("alipay.trade.query", r#"{"out_trade_no":"O1"}"#),
    ] {
        let native = page(&back, method, content).expect("lawful");
        let returns: Vec<_> = native.returns_to.iter().map(|(name, _)| *name).collect();
        assert_eq!((returns, native.by_browser), (vec!["return_url"], false));
    }
    // The address is part of what is signed.
    let signed = String::from_utf8(native.proof.message).expect("text");
    assert!(
        signed.contains("&return_url=https://shop.example/back?o=1&"),
        "{signed}"
    );
    for code in ["QUICK_WAP_WAY", "QUICK_WAP_PAY"] {
        let content = format!(
            r#"{{"out_trade_no":"O1","total_amount":"0.01","subject":"Tea","product_code":"{code}","quit_url":"https://shop.example/","timeout_express":"90m"}}"#
        );
        let native = page(&[], "alipay.trade.wap.pay", &content).expect("lawful");
        assert_eq!((native.pay_way, native.returns_to.len()), (Some(PayWay::Wap), 1));
        // Alipay counts from when it has the trade, which may be as much later as the form may wait.
        assert_eq!(native.expires, Some(NOW.plus_millis(120 * 60_000)));
    }
    for (content, word) in [
        (
            PAGE.replace("FAST_INSTANT_TRADE_PAY", "QUICK_WAP_WAY"),
            "product_code",
        ),
        (PAGE.replace("qr_pay_mode", "quit_url"), "quit_url"),
        (PAGE.replace("qr_pay_mode", "ext_user_info"), "ext_user_info"),
        (PAGE.replace("qr_pay_mode", "auth_token"), "auth_token"),
        (
            PAGE.replace("\"product_code\":\"FAST_INSTANT_TRADE_PAY\",", ""),
            "product_code is missing",
        ),
    ] {
        let error = page(&back, "alipay.trade.page.pay", &content)
            .err()
            .expect("refused");
        assert!(error.text.contains(word), "{} {word}", error.text);
    }
    let app = page(&[], "alipay.trade.app.pay", PAGE).err().expect("refused");
    assert!(
        matches!(&app.kind, NativeRefusal::NotAllowed(text) if text.contains("POST /v1/payments")),
        "{}",
        app.text
    );
}

#[test]
fn a_form_that_waited_keeps_its_time_whatever_the_zone_of_its_machine() {
    const MINUTE: i64 = 60_000;
    let content = PAGE.replace("\"qr_pay_mode\":\"2\"", "\"timeout_express\":\"60m\"");
    // 08:00 on the clock of a machine in UTC is eight hours later than in China.
    for (waited, moved) in [
        (20, 0),
        (-3, 0),
        (8 * 60 + 20, 8 * 60),
        (8 * 60 - 3, 8 * 60),
        (3 * 60, 0),
    ] {
        let mut native = page(&[], "alipay.trade.page.pay", &content).expect("lawful");
        native.settle_zone(NOW.plus_millis(waited * MINUTE), 5 * MINUTE);
        assert_eq!(
            native.proof.signed_at,
            NOW.plus_millis(moved * MINUTE),
            "{waited}"
        );
        assert_eq!(
            native.expires,
            Some(NOW.plus_millis((moved + 90) * MINUTE)),
            "{waited}"
        );
    }
}

#[test]
fn whether_a_browser_asks_is_told_from_the_method_alone() {
    let asks = |target: &str, body: &str| native::is_by_browser(Channel::Alipay, target, body.as_bytes());
    for (target, body) in [
        ("/gateway.do?app_id=1&method=alipay.trade.page.pay", ""),
        ("/gateway.do", "a=1&method=alipay.trade.wap.pay&b=2"),
        ("/gateway.do?method=alipay.trade.wap.pay", "biz_content=x"),
    ] {
        assert!(asks(target, body), "{target} {body}");
    }
    for (target, body) in [
        ("/gateway.do?method=alipay.trade.precreate", ""),
        ("/gateway.do?x=method=alipay.trade.page.pay", ""),
        ("/v3/alipay/trade/page/pay?method=alipay.trade.page.pay", ""),
        ("/gateway.do", "\u{e9}&&method"),
    ] {
        assert!(!asks(target, body), "{target} {body}");
    }
    assert!(!native::is_by_browser(
        Channel::Unionpay,
        "/gateway.do?method=alipay.trade.page.pay",
        b""
    ));
}

#[test]
fn public_parameters_are_exact() {
    for (name, value) in [
        ("charset", "gbk"),
        ("charset", ""),
        ("format", "XML"),
        ("version", "2.0"),
        ("version", ""),
        ("app_id", ""),
        ("app_id", "2021 0000"),
        ("method", ""),
    ] {
        assert!(
            matches!(
                kind(post(public(name, value), ORDER)),
                NativeRefusal::Malformed(_)
            ),
            "{name}={value}"
        );
    }
    for (name, value) in [
        ("sign_type", "RSA"),
        ("sign_type", "rsa2"),
        ("sign_type", ""),
        ("sign", ""),
        ("sign", "*"),
        ("timestamp", ""),
        ("timestamp", "1767225600"),
        ("app_id", "2021000066965331"),
    ] {
        let found = kind(post(public(name, value), ORDER));
        assert!(
            matches!(&found, NativeRefusal::Signature(why) if !why.is_empty()),
            "{name}={value}: {found:?}"
        );
    }
}

#[test]
fn forms_and_json_that_could_be_read_two_ways_are_refused() {
    let whole = format!("{}&{}", form(&PUBLIC), form(&[("biz_content", ORDER)]));
    for (from, to) in [
        ("version=1.0", "version=1.0&version=1.0"),
        ("version=1.0", "version=%"),
        ("version=1.0", "version=%zz"),
        ("version=1.0", "version=1.0&"),
        ("version=1.0", "version=1.0&&a=1"),
        ("version=", "%76ersion="),
        ("Tea", "%ff"),
    ] {
        assert!(
            matches!(
                kind(read_at("POST", "/gateway.do", &whole.replace(from, to))),
                NativeRefusal::Malformed(_)
            ),
            "{to}"
        );
    }
    assert!(matches!(
        kind(read_at("GET", "/gateway.do", &whole)),
        NativeRefusal::Malformed(_)
    ));
    for content_type in [
        "application/x-www-form-urlencoded;charset=gbk",
        "application/json",
        "multipart/form-data; boundary=x",
    ] {
        let headers = headers(&[("content-type", content_type)]);
        let found = native::read(
            Channel::Alipay,
            |_| true,
            &|_, _, _| Err(native::Unopened::NoKey),
            "POST",
            "/gateway.do",
            &headers,
            whole.as_bytes(),
        );
        assert!(
            matches!(kind(found), NativeRefusal::Malformed(_)),
            "{content_type}"
        );
    }
    for (from, to) in [
        ("\"88.80\"", "\"88.801\""),
        ("\"88.80\"", "\"0\""),
        ("\"88.80\"", "\"-1\""),
        ("\"88.80\"", "8.88e1"),
        ("\"88.80\"", "\"88.80\",\"total_amount\":\"0.01\""),
        ("\"88.80\"", "null"),
        ("\"subject\":\"Tea\",", ""),
        ("\"Tea\"", "\"\\udc00\""),
        ("20260101000010", "a b"),
        ("90m", "90x"),
        ("90m", "中"),
        ("\"out_trade_no\":\"20260101000010\",", ""),
        ("{\"out", "\u{feff}{\"out"),
    ] {
        let refused = kind(call("alipay.trade.precreate", &ORDER.replace(from, to)));
        assert!(matches!(refused, NativeRefusal::Malformed(_)), "{to}");
    }
    assert!(matches!(
        kind(call(
            "alipay.trade.create",
            r#"{"out_trade_no":"O1","total_amount":"1","subject":"s"}"#
        )),
        NativeRefusal::Malformed(_)
    ));
    assert!(matches!(
        kind(call(
            "alipay.trade.refund",
            r#"{"trade_no":"T1","refund_amount":"1"}"#
        )),
        NativeRefusal::Malformed(_)
    ));
}

#[test]
fn a_time_without_a_zone_is_chinas_or_else_utc() {
    const HOUR: i64 = 3_600_000;
    const WINDOW: i64 = 300_000;
    let utc = NOW.plus_millis(8 * HOUR);
    for (now, meant) in [
        (NOW, NOW),
        (NOW.plus_millis(WINDOW), NOW),
        (utc, utc),
        (utc.plus_millis(-WINDOW), utc),
        // Near neither: it stays as it is said, and is too old or too new for whoever asks.
        (NOW.plus_millis(WINDOW + 1), NOW),
        (utc.plus_millis(WINDOW + 1), NOW),
        (NOW.plus_millis(HOUR), NOW),
        (NOW.plus_millis(-8 * HOUR), NOW),
        (NOW.plus_millis(32 * HOUR), NOW),
    ] {
        let mut native = call("alipay.trade.precreate", ORDER).expect("lawful");
        native.settle_zone(now, WINDOW);
        assert_eq!(native.proof.signed_at, meant, "{now}");
        assert_eq!(native.expires, Some(meant.plus_millis(90 * 60_000)), "{now}");
    }
    // What names its end in China time moves nowhere.
    let content = ORDER.replace(
        r#""timeout_express":"90m""#,
        r#""time_expire":"2026-01-01 20:00:00""#,
    );
    let mut native = call("alipay.trade.precreate", &content).expect("lawful");
    native.settle_zone(utc, WINDOW);
    assert_eq!(
        (native.proof.signed_at, native.expires),
        (utc, Some(NOW.plus_millis(12 * HOUR)))
    );
}
