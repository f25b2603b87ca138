//! Native WeChat requests: what is carried, and every refusal.

use crate::{NOW, headers};
use channel::{
    dialect::NativeRefusal,
    native::{self, Native, NativeError},
};
use domain::*;
use vault::PayerField;

pub(crate) const AUTHORIZATION: &str = concat!(
    r#"WECHATPAY2-SHA256-RSA2048 mchid="1900000109",nonce_str="593BEC0C",signature="+/8B","#,
    r#"timestamp="1767225600",serial_no="4B74CAE8""#
);

pub(crate) const NATIVE: &str = r#"{"appid":"wx4f","mchid":"1900000109","description":"Tea","out_trade_no":"20260101000001","time_expire":"2026-01-01T08:00:00+08:00","attach":"a","notify_url":"https://m.example/n","goods_tag":"t","support_fapiao":true,"amount":{"total":100,"currency":"CNY"},"detail":{"cost_price":1,"invoice_id":"i","goods_detail":[{"merchant_goods_id":"g","goods_name":"Oolong","quantity":1,"unit_price":100}]},"scene_info":{"payer_client_ip":"203.0.113.7","device_id":"d","store_info":{"id":"1","name":"n","area_code":"440305","address":"a"}},"settle_info":{"profit_sharing":false}}"#;

pub(crate) const CREATE: &str = "/v3/pay/transactions/native";
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

pub(crate) fn read(method: &str, target: &str, body: &str) -> Result<Native, NativeError> {
    read_with(
        &[("authorization", AUTHORIZATION), JSON],
        method,
        target,
        body.as_bytes(),
    )
}

pub(crate) fn read_with(
    pairs: &[(&str, &str)],
    method: &str,
    target: &str,
    body: &[u8],
) -> Result<Native, NativeError> {
    native::read(
        Channel::Wechat,
        |a| a.as_str() == "1900000109",
        &|_, _, _| Err(native::Unopened::NoKey),
        method,
        target,
        &headers(pairs),
        body,
    )
}

pub(crate) fn refused(method: &str, target: &str, body: &str) -> NativeRefusal {
    read(method, target, body).err().expect("refused").kind
}

#[test]
fn an_order_yields_its_facts_and_its_proof() {
    let native = read("POST", CREATE, NATIVE).expect("lawful");
    assert_eq!(
        (native.operation, native.pay_way),
        (Operation::Create, Some(PayWay::Native))
    );
    assert_eq!(
        (native.account.as_str(), native.payee.expect("payee").as_str()),
        ("1900000109", "1900000109")
    );
    assert_eq!(native.number.expect("number").as_str(), "20260101000001");
    assert_eq!(
        (native.amount, native.expires),
        (Some(Amount::from_fen(100)), Some(NOW))
    );
    assert_eq!(native.notify_url.as_deref(), Some("https://m.example/n"));
    let texts: Vec<_> = native
        .texts
        .iter()
        .map(|(name, text)| (*name, text.expose()))
        .collect();
    assert_eq!(
        texts,
        [("description", "Tea"), ("attach", "a"), ("detail", "Oolong")]
    );
    assert_eq!(
        native.proof.key.as_str(),
        "wechat/1900000109/merchant-public/4B74CAE8"
    );
    assert_eq!(
        String::from_utf8(native.proof.message).expect("text"),
        format!("POST\n{CREATE}\n1767225600\n593BEC0C\n{NATIVE}\n")
    );
    assert_eq!(
        (native.proof.signed_at, native.proof.nonce.as_deref()),
        (NOW, Some("593BEC0C"))
    );
}

#[test]
fn every_path_of_the_table_is_carried() {
    let jsapi = NATIVE.replace(
        "\"settle_info\"",
        "\"payer\":{\"openid\":\"oUpF\"},\"settle_info\"",
    );
    let native = read("POST", "/v3/pay/transactions/jsapi", &jsapi).expect("lawful");
    let payer = native.payer.expect("payer");
    assert_eq!((payer.field, payer.value.expose()), (PayerField::Openid, "oUpF"));
    let partner = jsapi
        .replace("\"appid\"", "\"sp_appid\"")
        .replace("\"mchid\"", "\"sub_mchid\":\"1900000110\",\"sp_mchid\"")
        .replace("\"openid\"", "\"sub_openid\"");
    let native = read("POST", "/v3/pay/partner/transactions/jsapi", &partner).expect("lawful");
    assert_eq!(
        (native.account.as_str(), native.payee.expect("payee").as_str()),
        ("1900000109", "1900000110")
    );
    assert_eq!(native.payer.expect("payer").field, PayerField::SubOpenid);
    assert_eq!(native.sub_apps, []);
    let in_its_app = partner.replace("\"sp_appid\"", "\"sub_appid\":\"wx9\",\"sp_appid\"");
    let native = read("POST", "/v3/pay/partner/transactions/jsapi", &in_its_app).expect("lawful");
    let app = native
        .sub_apps
        .first()
        .map(|(payee, app)| (payee.as_str(), &**app));
    assert_eq!(app, Some(("1900000110", "wx9")));

    let native = read(
        "GET",
        "/v3/pay/transactions/out-trade-no/A%7Cb%2a1?mchid=1900000109",
        "",
    )
    .expect("lawful");
    assert_eq!(
        (native.operation, native.number.expect("number").as_str()),
        (Operation::Query, "A|b*1")
    );
    let target = "/v3/pay/partner/transactions/id/4200001234?sp_mchid=1900000109&sub_mchid=1900000110";
    let native = read("GET", target, "").expect("lawful");
    assert_eq!(
        (native.operation, native.trade_no.expect("number").as_str()),
        (Operation::Query, "4200001234")
    );
    assert_eq!(native.payee.expect("payee").as_str(), "1900000110");

    let native = read(
        "POST",
        "/v3/pay/transactions/out-trade-no/O1/close",
        r#"{"mchid":"1900000109"}"#,
    )
    .expect("lawful");
    assert_eq!(
        (native.operation, native.number.expect("number").as_str()),
        (Operation::Close, "O1")
    );
    let refund = r#"{"out_trade_no":"O1","out_refund_no":"RF@1","reason":"r","amount":{"refund":30,"total":100,"currency":"CNY"}}"#;
    let native = read("POST", "/v3/refund/domestic/refunds", refund).expect("lawful");
    assert_eq!(
        (native.operation, native.refund.expect("number").as_str()),
        (Operation::Refund, "RF@1")
    );
    assert_eq!(
        (native.amount, native.total),
        (Some(Amount::from_fen(30)), Some(Amount::from_fen(100)))
    );
    assert_eq!(native.texts.len(), 1);
    let native = read(
        "GET",
        "/v3/refund/domestic/refunds/RF%401?sub_mchid=1900000110",
        "",
    )
    .expect("lawful");
    assert_eq!(
        (native.operation, native.refund.expect("number").as_str()),
        (Operation::RefundQuery, "RF@1")
    );
    assert_eq!(native.payee.expect("payee").as_str(), "1900000110");
    let native = read("GET", "/v3/certificates", "").expect("lawful");
    assert_eq!(
        (native.operation, native.payee.is_none()),
        (Operation::Certificates, true)
    );
}

#[test]
fn a_path_is_matched_raw_and_never_normalised() {
    for (method, target) in [
        ("POST", "/v3/pay/transactions/native/"),
        ("POST", "//v3/pay/transactions/native"),
        ("POST", "/v3/./pay/transactions/native"),
        ("POST", "/v3/pay/transactions/../transactions/native"),
        ("POST", "/V3/pay/transactions/native"),
        ("POST", "/v3/pay/transactions/%6eative"),
        ("POST", "/v3/pay/transactions/native;x=1"),
        ("POST", "https://api.mch.weixin.qq.com/v3/pay/transactions/native"),
        ("GET", "/v3/pay/transactions/native"),
        ("post", "/v3/pay/transactions/native"),
        ("PUT", "/v3/pay/transactions/native"),
        ("POST", "/v3/pay/transactions/codepay/"),
        ("GET", "/v3/pay/transactions/codepay"),
        ("POST", "/v3/combine-transactions/native"),
        ("POST", "/v3/transfer/batches"),
        ("POST", "/v3/profitsharing/orders"),
        ("GET", "/v3/pay/transactions/out-trade-no/O%31?mchid=1900000109"),
        ("GET", "/v3/pay/transactions/out-trade-no/O%2F1?mchid=1900000109"),
        ("GET", "/v3/pay/transactions/out-trade-no/O1/?mchid=1900000109"),
        ("GET", "/v3/pay/transactions/out-trade-no/?mchid=1900000109"),
        ("GET", "/v3/pay/transactions/out-trade-no/O1%?mchid=1900000109"),
        ("GET", "/v3/refund/domestic/refunds/503/apply-abnormal-refund"),
        ("POST", "/v3/bill/tradebill"),
        ("GET", "/v3/bill/sub-merchant-fundflowbill"),
        ("GET", "/v3/billdownload/file/x"),
        ("GET", "/v3/bill/downloadurl/x"),
        ("POST", "/v3/bill/downloadurl?token=x"),
        ("GET", "/v3/bill/downloadurls?token=x"),
    ] {
        assert!(
            matches!(
                refused(method, target, if method == "GET" { "" } else { NATIVE }),
                NativeRefusal::NotAllowed(_)
            ),
            "{method} {target}"
        );
    }
}

#[test]
fn the_query_names_the_account_and_nothing_else() {
    let path = "/v3/pay/transactions/out-trade-no/O1";
    for query in [
        "",
        "?",
        "?mchid=",
        "?mchid=1900000110",
        "?mchid=1900000109&mchid=1900000109",
        "?mchid=19000001%309x",
        "?mchid",
    ] {
        let kind = refused("GET", &format!("{path}{query}"), "");
        assert!(matches!(kind, NativeRefusal::Malformed(_)), "{query}");
    }
    for target in [
        format!("{path}?mchid=1900000109&x=1"),
        format!("{path}?mchid=1900000109&_method=POST"),
        "/v3/certificates?algorithm_type=SM2".into(),
        format!("{CREATE}?mchid=1900000109"),
    ] {
        let (method, body) = if target.starts_with(CREATE) {
            ("POST", NATIVE)
        } else {
            ("GET", "")
        };
        assert!(
            matches!(refused(method, &target, body), NativeRefusal::NotAllowed(_)),
            "{target}"
        );
    }
    assert!(read("GET", "/v3/certificates?algorithm_type=RSA", "").is_ok());
}

#[test]
fn header_serial_body_and_registry_must_name_one_account() {
    let text = |body: &str| read("POST", CREATE, body).err().map(|e| e.text);
    let other = text(&NATIVE.replace("1900000109", "1900000110"));
    assert_eq!(
        other.as_deref(),
        Some("mchid is not the mchid of the Authorization header")
    );
    let none = text(&NATIVE.replace("\"mchid\":\"1900000109\",", ""));
    assert_eq!(none.as_deref(), Some("mchid is missing"));
    let stranger = AUTHORIZATION.replace("1900000109", "1900000111");
    let found = read_with(
        &[("authorization", &stranger), JSON],
        "GET",
        "/v3/certificates",
        b"",
    );
    assert!(matches!(
        found.err().map(|e| e.kind),
        Some(NativeRefusal::Signature(_))
    ));
}

#[test]
fn the_authorization_header_is_exact() {
    let shuffled = concat!(
        r#"WECHATPAY2-SHA256-RSA2048 serial_no="4B74CAE8", timestamp="1767225600",signature="+/8B","#,
        r#"nonce_str="593BEC0C",mchid="1900000109""#
    );
    assert!(read_with(&[("authorization", shuffled)], "GET", "/v3/certificates", b"").is_ok());
    // Which scheme it names counts: the account's own is the only one that is taken.
    for (scheme, method) in [
        ("WECHATPAY2-SHA256-RSA2048", SignMethod::Signature),
        ("WECHATPAY2-SM2-WITH-SM3", SignMethod::Sm2),
    ] {
        let header = AUTHORIZATION.replace("WECHATPAY2-SHA256-RSA2048", scheme);
        let found = read_with(&[("authorization", &header)], "GET", "/v3/certificates", b"");
        assert_eq!(found.ok().map(|native| native.proof.method), Some(method));
    }
    for (from, to) in [
        ("RSA2048 ", "RSA2048"),
        ("WECHATPAY2-SHA256-RSA2048", "WECHATPAY2-SHA256-RSA"),
        ("mchid=\"1900000109\",", ""),
        ("\"1900000109\"", "1900000109"),
        ("timestamp=\"1767225600\"", "timestamp=\"now\""),
        ("timestamp=\"1767225600\"", "timestamp=\"-1\""),
        ("+/8B", "*"),
        ("4B74CAE8", "../apiv3"),
        ("593BEC0C", ""),
        ("serial_no", "x"),
        (
            "nonce_str=\"593BEC0C\"",
            "nonce_str=\"593BEC0C\",nonce_str=\"593BEC0D\"",
        ),
    ] {
        let header = AUTHORIZATION.replace(from, to);
        let found = read_with(&[("authorization", &header)], "GET", "/v3/certificates", b"");
        assert!(
            matches!(found.err().map(|e| e.kind), Some(NativeRefusal::Signature(_))),
            "{from} -> {to}"
        );
    }
    assert_eq!(
        read_with(&[], "GET", "/v3/certificates", b"")
            .err()
            .map(|e| e.kind),
        Some(NativeRefusal::Signature(
            "header authorization is missing or not as documented".into()
        )),
        "whose signature cannot be read hears what is wrong with it"
    );
    let twice = [("authorization", AUTHORIZATION), ("authorization", AUTHORIZATION)];
    assert!(read_with(&twice, "GET", "/v3/certificates", b"").is_err());
}

#[test]
fn h5_and_app_orders_are_carried_and_only_h5_names_a_browser() {
    let browser =
        r#""h5_info":{"type":"iOS","app_name":"Tea","app_url":"https://m.example","bundle_id":"x.y"},"#;
    let h5 = NATIVE.replacen(r#""scene_info":{"#, &format!(r#""scene_info":{{{browser}"#), 1);
    let native = read("POST", "/v3/pay/transactions/h5", &h5).expect("lawful");
    assert_eq!(
        (native.operation, native.pay_way),
        (Operation::Create, Some(PayWay::H5))
    );
    assert!(native.payer.is_none());
    let native = read("POST", "/v3/pay/transactions/app", NATIVE).expect("lawful");
    assert_eq!(native.pay_way, Some(PayWay::App));
    for path in [CREATE, "/v3/pay/transactions/app"] {
        assert!(
            matches!(refused("POST", path, &h5), NativeRefusal::NotAllowed(text) if text.contains("scene_info.h5_info")),
            "{path}"
        );
    }
    let odd = h5.replace("\"iOS\"", "\"Nokia\"");
    assert!(matches!(
        refused("POST", "/v3/pay/transactions/h5", &odd),
        NativeRefusal::Malformed(_)
    ));
    let split = h5.replace(r#""profit_sharing":false"#, r#""profit_sharing":true"#);
    assert!(read("POST", "/v3/pay/transactions/h5", &split).is_err());
}

#[test]
fn codes_reverses_bills_and_redirected_refunds_are_carried() {
    let code = r#"{"appid":"wx4f","mchid":"1900000109","description":"tea","out_trade_no":"20260101000001","amount":{"total":100},"payer":{"auth_code":"134567890123456789"},"scene_info":{"store_info":{"out_id":"1"}}}"#;
    let native = read("POST", "/v3/pay/transactions/codepay", code).expect("lawful");
    assert_eq!(
        (native.operation, native.pay_way),
        (Operation::Create, Some(PayWay::Micropay))
    );
    assert!(native.notify_url.is_none(), "nobody is told of it");
    let reverse = r#"{"appid":"wx4f","mchid":"1900000109"}"#;
    let native = read(
        "POST",
        "/v3/pay/transactions/out-trade-no/20260101000001/reverse",
        reverse,
    )
    .expect("lawful");
    assert_eq!(native.operation, Operation::Reverse);
    let redirect = r#"{"out_refund_no":"r1","type":"USER_BANK_CARD","bank_type":"ICBC_DEBIT","bank_account":"AAAA","real_name":"AAAA"}"#;
    let target = "/v3/refund/domestic/refunds/50300/apply-abnormal-refund";
    let native = read("POST", target, redirect).expect("lawful");
    assert_eq!(
        native.redirect.map(|(id, to)| (id.as_str().to_owned(), to)),
        Some(("50300".into(), RefundWay::PayerCard))
    );
    for odd in [
        redirect.replace(",\"real_name\":\"AAAA\"", ""),
        redirect.replace("USER_BANK_CARD", "ANY_CARD"),
        redirect.replace("\"type\"", "\"receivers\":[],\"type\""),
    ] {
        assert!(read("POST", target, &odd).is_err(), "{odd}");
    }
}

/// A shop without a device is no terminal.
#[test]
//= C53
fn a_new_order_yields_the_device_that_it_names() {
    let of = |body: &str| {
        let device = read("POST", CREATE, body).expect("lawful").device?;
        let text = |text: Option<vault::Text>| text.map(|text| text.expose().to_owned());
        Some((text(device.serial), text(device.area), text(device.store)))
    };
    let body = r#"{"appid":"wx4f","mchid":"1900000109","description":"tea","out_trade_no":"20260101000001","notify_url":"https://m.example/n","amount":{"total":100},"scene_info":SCENE}"#;
    let with = |scene: &str| body.replace("SCENE", scene);
    let own = |text: &str| Some(text.to_owned());
    let whole = with(
        r#"{"payer_client_ip":"203.0.113.7","device_id":"POS-1","store_info":{"id":"S1","name":"n","area_code":"310101","address":"a"}}"#,
    );
    assert_eq!(of(&whole), Some((own("POS-1"), own("310101"), own("S1"))));
    let bare = with(r#"{"payer_client_ip":"203.0.113.7","device_id":"POS-1"}"#);
    assert_eq!(of(&bare), Some((own("POS-1"), None, None)));
    for none in [
        r#"{"payer_client_ip":"203.0.113.7","store_info":{"id":"S1"}}"#,
        r#"{"device_id":""}"#,
    ] {
        assert_eq!(of(&with(none)), None, "{none}");
    }
    let code = r#"{"appid":"wx4f","mchid":"1900000109","description":"tea","out_trade_no":"20260101000001","amount":{"total":100},"payer":{"auth_code":"134567890123456789"},"scene_info":{"device_id":"POS-1","store_info":{"id":"9","out_id":"S1"}}}"#;
    let device = read("POST", "/v3/pay/transactions/codepay", code)
        .expect("lawful")
        .device
        .expect("a device");
    assert_eq!(device.store.expect("a shop").expose(), "S1");
}
