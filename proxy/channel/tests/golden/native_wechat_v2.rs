//! Native V2 requests: what is carried, and every refusal.

use crate::{NOW, headers, wechat};
use channel::{
    Answer, FailureClass,
    dialect::{self, NativeRefusal, Speech},
    native::{self, Native, NativeError},
    notice::{self, Kind, Notice},
};
use domain::*;

const MD5: &str = "0123456789ABCDEF0123456789ABCDEF";
const HMAC: &str = "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF";

fn xml(fields: &[(&str, &str)]) -> String {
    let inner: String = fields
        .iter()
        .map(|(n, v)| format!("<{n}><![CDATA[{v}]]></{n}>"))
        .collect();
    format!("<xml>{inner}</xml>")
}

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let always = [
        ("appid", "wx4f"),
        ("mch_id", "1900000109"),
        ("nonce_str", "n"),
        ("sign", MD5),
    ];
    always.into_iter().chain(more.iter().copied()).collect()
}

fn read_as(path: &str, kind: Option<&str>, fields: &[(&str, &str)]) -> Result<Native, NativeError> {
    let kind: Vec<_> = kind.map(|kind| ("content-type", kind)).into_iter().collect();
    let known = |account: &AccountNo| account.as_str() == "1900000109";
    native::read(
        Channel::Wechat,
        known,
        &|_, _, _| Err(native::Unopened::NoKey),
        "POST",
        path,
        &headers(&kind),
        xml(fields).as_bytes(),
    )
}

fn read(path: &str, fields: &[(&str, &str)]) -> Result<Native, NativeError> {
    read_as(path, Some("text/xml"), fields)
}

const ORDER: [(&str, &str); 7] = [
    ("body", "tea"),
    ("out_trade_no", "20260101000001"),
    ("total_fee", "100"),
    ("spbill_create_ip", "203.0.113.7"),
    ("notify_url", "https://m.example/n"),
    ("trade_type", "NATIVE"),
    ("time_expire", "20260101083000"),
];

#[test]
fn an_order_yields_its_facts() {
    let mut native = read("/pay/unifiedorder", &with(&ORDER)).expect("lawful");
    assert_eq!(
        (native.operation, native.pay_way),
        (Operation::Create, Some(PayWay::Native))
    );
    assert_eq!(native.payee.as_ref().map(PayeeNo::as_str), Some("1900000109"));
    assert_eq!(native.amount, Some(Amount::from_fen(100)));
    assert_eq!(native.expires, Some(NOW.plus_millis(30 * 60_000)));
    assert_eq!(native.proof.key.as_str(), "wechat/1900000109/apiv2-md5");
    let message = String::from_utf8(native.proof.message.clone()).expect("text");
    assert_eq!(
        message,
        "appid=wx4f&body=tea&mch_id=1900000109&nonce_str=n&notify_url=https://m.example/n&out_trade_no=20260101000001&spbill_create_ip=203.0.113.7&time_expire=20260101083000&total_fee=100&trade_type=NATIVE"
    );
    // It names no time, and no nonce that anybody keeps.
    native.settle_zone(NOW, 1);
    assert_eq!((native.proof.signed_at, native.proof.nonce), (NOW, None));
    for (trade_type, pay_way) in [("APP", PayWay::App), ("MWEB", PayWay::H5)] {
        let mut order = ORDER;
        order[5].1 = trade_type;
        assert_eq!(
            read("/pay/unifiedorder", &with(&order)).expect("lawful").pay_way,
            Some(pay_way)
        );
    }
    let mut order = ORDER;
    order[5].1 = "JSAPI";
    assert!(read("/pay/unifiedorder", &with(&order)).is_err(), "whose wallet?");
    let mut whose = with(&order);
    whose.push(("openid", "oX"));
    assert!(read("/pay/unifiedorder", &whose).expect("lawful").payer.is_some());
}

#[test]
fn every_other_call_is_carried() {
    let native = read(
        "/secapi/pay/refund",
        &with(&[
            ("transaction_id", "42"),
            ("out_refund_no", "r"),
            ("refund_fee", "1"),
            ("total_fee", "2"),
        ]),
    );
    let native = native.expect("lawful");
    assert_eq!(
        (native.operation, native.amount),
        (Operation::Refund, Some(Amount::from_fen(1)))
    );
    assert_eq!(native.trade_no.as_ref().map(TradeNo::as_str), Some("42"));
    let own = native::identity(Channel::Wechat, "/secapi/pay/refund", &native.account).expect("an identity");
    assert_eq!(own.key.as_str(), "wechat/1900000109/merchant");
    assert!(native::identity(Channel::Wechat, "/pay/orderquery", &native.account).is_none());
    let by_no = with(&[("out_trade_no", "20260101000001")]);
    for (path, operation) in [
        ("/pay/orderquery", Operation::Query),
        ("/pay/closeorder", Operation::Close),
        ("/secapi/pay/reverse", Operation::Reverse),
        ("/pay/refundquery", Operation::RefundQuery),
    ] {
        assert_eq!(read(path, &by_no).expect("lawful").operation, operation);
        assert!(read(path, &with(&[])).is_err(), "{path} names nothing");
    }
    for path in ["/pay/downloadbill", "/pay/downloadfundflow"] {
        let bill = read(path, &with(&[("bill_date", "20260101"), ("tar_type", "GZIP")])).expect("lawful");
        assert_eq!((bill.operation, bill.number), (Operation::Bill, None));
        assert!(read(path, &with(&[])).is_err(), "{path}: of which day?");
        assert!(native::is_file(Channel::Wechat, path));
        // The fund-flow bill shows the merchant's certificate (channels.md 2.1).
        let own = native::identity(Channel::Wechat, path, &native.account);
        assert_eq!(own.is_some(), path == "/pay/downloadfundflow");
    }
    assert!(read("/pay/refundquery", &with(&[("refund_id", "50")])).is_ok());
    let mut code = with(&ORDER[..4]);
    code.push(("auth_code", "134567890123456789"));
    let native = read("/pay/micropay", &code).expect("lawful");
    assert_eq!(native.pay_way, Some(PayWay::Micropay));
    assert!(read("/pay/micropay", &with(&ORDER[..4])).is_err(), "no code");
}

#[test]
fn the_digest_is_the_one_that_is_named_and_the_body_is_called_what_clients_call_it() {
    let mut order = with(&ORDER);
    order.push(("sign_type", "HMAC-SHA256"));
    assert!(matches!(
        read("/pay/unifiedorder", &order).err().expect("md5").kind,
        NativeRefusal::Signature(_)
    ));
    order[3].1 = HMAC;
    assert_eq!(
        read("/pay/unifiedorder", &order)
            .expect("lawful")
            .proof
            .key
            .as_str(),
        "wechat/1900000109/apiv2"
    );
    for kind in [
        None,
        Some("application/x-www-form-urlencoded"),
        Some("text/xml;charset=UTF-8"),
    ] {
        assert!(
            read_as("/pay/unifiedorder", kind, &with(&ORDER)).is_ok(),
            "{kind:?}"
        );
    }
    for kind in ["application/json", "text/xml; charset=gbk", "multipart/form-data"] {
        assert!(
            read_as("/pay/unifiedorder", Some(kind), &with(&ORDER)).is_err(),
            "{kind}"
        );
    }
}

#[test]
fn what_would_move_money_elsewhere_is_not_carried() {
    for (name, value) in [
        ("profit_sharing", "Y"),
        ("receivers", "[]"),
        ("detail", r#"{"profit_sharing":true}"#),
        ("scene_info", r#"{"store_info":{"mch_id":"1"}}"#),
        ("fee_type", "USD"),
    ] {
        let mut order = with(&ORDER);
        order.push((name, value));
        let refused = read("/pay/unifiedorder", &order).err().expect("refused");
        assert!(
            matches!(refused.kind, NativeRefusal::NotAllowed(_)),
            "{name}: {refused}"
        );
    }
    let mut plain = with(&ORDER);
    plain.push(("detail", "green tea, 100 g"));
    assert!(read("/pay/unifiedorder", &plain).is_ok());
    for path in [
        "/pay/downloadbill",
        "/secapi/pay/profitsharing",
        "/pay/unifiedorder/",
        "/pay/unifiedorder?a=1",
        "/mmpaymkttransfers/promotion/transfers",
    ] {
        assert!(read(path, &with(&ORDER)).is_err(), "{path}");
    }
}

#[test]
fn answers_are_read_by_the_call() {
    let answer = |path: &str, operation, pay_way, fields: &[(&str, &str)]| {
        let mut all = vec![("return_code", "SUCCESS"), ("mch_id", "1900000109")];
        all.extend_from_slice(fields);
        channel::read_native_answer(&wechat(), operation, pay_way, path, 200, xml(&all).as_bytes())
    };
    let ok = ("result_code", "SUCCESS");
    for (pay_way, name, reach) in [
        (PayWay::Native, "code_url", Reach::Code("x".into())),
        (PayWay::Jsapi, "prepay_id", Reach::Prepay("x".into())),
        (PayWay::H5, "mweb_url", Reach::Link("x".into())),
    ] {
        let Answer::Placed(placed) = answer(
            "/pay/unifiedorder",
            Operation::Create,
            pay_way,
            &[ok, (name, "x")],
        ) else {
            panic!("{name} was not read")
        };
        assert_eq!(placed, reach);
    }
    assert!(matches!(
        answer("/pay/closeorder", Operation::Close, PayWay::Native, &[ok]),
        Answer::Closed
    ));
    for (pay_way, class) in [
        (PayWay::Native, FailureClass::Final),
        (PayWay::Micropay, FailureClass::Unknown),
    ] {
        let fields = [("result_code", "FAIL"), ("err_code", "SOMETHING_NEW")];
        let Answer::Failed(failure) = answer("/pay/x", Operation::Create, pay_way, &fields) else {
            panic!("not a failure")
        };
        assert_eq!(failure.class, class);
    }
}

#[test]
fn our_words_are_v2s_unsigned_and_whole() {
    let refused = |kind| dialect::refuse_native(Channel::Wechat, Some("/pay/unifiedorder"), kind);
    let reply = refused(NativeRefusal::NotAllowed("field a is not carried".into()));
    assert_eq!(
        (
            reply.status,
            String::from_utf8(reply.body).expect("text").as_str()
        ),
        (
            200,
            "<xml><return_code><![CDATA[FAIL]]></return_code><return_msg><![CDATA[NOAUTH: field a is not carried]]></return_msg></xml>"
        )
    );
    assert_eq!(refused(NativeRefusal::Unknown).status, 500);
    let odd = refused(NativeRefusal::Malformed("\u{1}".into()));
    assert_eq!(
        odd.body,
        b"<xml><return_code><![CDATA[FAIL]]></return_code></xml>"
    );
    let ack = dialect::ack(Channel::Wechat, Speech::of(Channel::Wechat, b" <xml>"));
    assert_eq!(ack.body, channel::wechat_v2::notice::ACK.as_bytes());
}

#[test]
fn notices_of_v2_are_read_apart_from_those_of_v3() {
    let body = xml(&[
        ("return_code", "SUCCESS"),
        ("result_code", "SUCCESS"),
        ("mch_id", "1900000109"),
        ("sub_mch_id", "1900000110"),
        ("out_trade_no", "20260101000001"),
        ("transaction_id", "42"),
        ("total_fee", "100"),
        ("time_end", "20260101080000"),
        ("sign", MD5),
    ]);
    let account = wechat();
    let signed =
        notice::authenticate(Channel::Wechat, &account, &headers(&[]), body.as_bytes(), NOW).expect("signed");
    assert_eq!(signed.key.as_str(), "wechat/1900000109/apiv2");
    assert!(
        notice::unsigned(&account, body.as_bytes())
            .expect("read")
            .is_none()
    );
    assert!(notice::sealed(&account, body.as_bytes()).expect("read").is_none());
    let Ok(Notice::Order(view)) = notice::read(&account, body.as_bytes(), Kind::Open) else {
        panic!("no order")
    };
    // Whose it is, is compared with the order on record.
    assert_eq!(view.payee.as_ref().map(PayeeNo::as_str), Some("1900000110"));
    let refund = xml(&[
        ("return_code", "SUCCESS"),
        ("mch_id", "1900000109"),
        ("req_info", "AAAA"),
    ]);
    let (key, sealed) = notice::unsigned(&account, refund.as_bytes())
        .expect("read")
        .expect("unsigned");
    assert_eq!((key.as_str(), sealed), ("wechat/1900000109/apiv2", vec![0, 0, 0]));
    assert!(notice::authenticate(Channel::Wechat, &account, &headers(&[]), refund.as_bytes(), NOW).is_err());
    let opened = "<root><out_trade_no>20260101000001</out_trade_no><out_refund_no>r1</out_refund_no><refund_fee>1</refund_fee><refund_status>SUCCESS</refund_status></root>";
    assert!(matches!(
        notice::read_unsigned(opened.as_bytes()),
        Ok(Notice::RefundToAskFor { .. })
    ));
}

/// `WEB` is no device; the shop is JSON in a field.
#[test]
//= C53
fn a_new_order_yields_the_device_that_it_names() {
    let shop = r#"{"store_info":{"id":"S1","name":"n","area_code":"310101","address":"a"}}"#;
    let of = |device: &str| {
        let mut fields = ORDER.to_vec();
        fields.extend([("device_info", device), ("scene_info", shop)]);
        read("/pay/unifiedorder", &with(&fields)).expect("lawful").device
    };
    let device = of("POS-1").expect("a device");
    let texts = [device.serial, device.area, device.store].map(|text| text.expect("a text"));
    assert_eq!(
        texts.each_ref().map(vault::Text::expose),
        ["POS-1", "310101", "S1"]
    );
    assert!(of("WEB").is_none());
}
