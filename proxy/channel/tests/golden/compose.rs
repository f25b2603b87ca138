//! Requests to WeChat.

use crate::{NOW, number, stamp, wechat, wechat_partner};
use channel::{CallUp, ComposeError, CreateFacts, Draft, RefundFacts};
use domain::*;
use vault::{Buyer, Payer, PayerField, Text};

pub(crate) fn buyer(payer: Option<(PayerField, &str)>) -> Buyer {
    Buyer {
        description: Text::from("Image形象店-\"QQ\"公仔"),
        attach: Some(Text::from("桌号 7&8")),
        payer: payer.map(|(field, value)| Payer {
            field,
            value: Text::from(value),
        }),
        client_ip: Some(Text::from("203.0.113.7")),
        device_id: Some(Text::from("as-named")),
        detail: None,
        h5_type: None,
        return_url: None,
        quit_url: None,
    }
}

pub(crate) fn bare() -> Buyer {
    let description = Text::from("Test goods");
    Buyer {
        description,
        attach: None,
        payer: None,
        client_ip: None,
        device_id: None,
        detail: None,
        h5_type: None,
        return_url: None,
        quit_url: None,
    }
}

pub(crate) fn facts<'a>(
    number: &'a ChannelNo,
    pay_way: PayWay,
    terminal: Option<&'a TerminalNo>,
) -> CreateFacts<'a> {
    let code = Code {
        kind: CodeKind::Dynamic,
        level: CodeLevel::C,
    };
    CreateFacts {
        number,
        pay_way,
        amount: Amount::from_fen(8880),
        expires: NOW.plus_millis(900_000),
        terminal,
        place: None,
        bank: None,
        product: None,
        code,
    }
}

/// Target, message, body and headers of a signed draft.
pub(crate) fn wire(draft: Draft) -> (String, String, String, Vec<(String, String)>) {
    let message = String::from_utf8(draft.message().to_vec()).expect("text");
    let request = draft.sign_with(&[0xfb, 0xff, 1]);
    let body = String::from_utf8(request.body.to_vec()).expect("text");
    (
        format!("{} {}", request.method, request.target),
        message,
        body,
        request.headers,
    )
}

#[test]
fn a_native_order_is_sorted_and_exact() {
    let (account, no) = (wechat(), number("20260101000001"));
    let terminal = TerminalNo::new("T0000001").expect("terminal");
    let facts = facts(&no, PayWay::Native, Some(&terminal));
    let draft = channel::create(&account, &stamp(), &facts, &buyer(None)).expect("composes");
    assert_eq!(draft.key().as_str(), "wechat/1900000109/merchant");
    let (line, message, body, headers) = wire(draft);
    assert_eq!(line, "POST /v3/pay/transactions/native");
    assert_eq!(
        body,
        concat!(
            r#"{"amount":{"currency":"CNY","total":8880},"appid":"wx4fd52d1ed208e8ac","attach":"桌号 7&8","#,
            r#""description":"Image形象店-\"QQ\"公仔","mchid":"1900000109","#,
            r#""notify_url":"https://guandao.example/n/wechat/1900000109","out_trade_no":"20260101000001","#,
            r#""scene_info":{"device_id":"T0000001","payer_client_ip":"203.0.113.7"},"#,
            r#""time_expire":"2026-01-01T08:15:00+08:00"}"#
        )
    );
    let head = "POST\n/v3/pay/transactions/native\n1767225600\n593BEC0C930BF1AFEB40B4A08C8FB242\n";
    assert_eq!(message, format!("{head}{body}\n"));
    let authorization = concat!(
        r#"WECHATPAY2-SHA256-RSA2048 mchid="1900000109",nonce_str="593BEC0C930BF1AFEB40B4A08C8FB242","#,
        r#"timestamp="1767225600",serial_no="4B74CAE8482A9D987E2BF899FA7FDEA0349C6659",signature="+/8B""#
    );
    let wanted = [
        ("Accept", "application/json"),
        ("User-Agent", "guandao/0.1"),
        ("Content-Type", "application/json"),
        ("Authorization", authorization),
    ];
    assert_eq!(headers, wanted.map(|(n, v)| (n.to_owned(), v.to_owned())));
}

#[test]
fn an_h5_order_names_the_payers_browser_and_an_app_order_needs_not() {
    let (account, no) = (wechat(), number("20260101000001"));
    let browser = || Buyer {
        client_ip: Some(Text::from("203.0.113.7")),
        h5_type: Some(Text::from("Wap")),
        ..bare()
    };
    let compose =
        |pay_way, buyer: &Buyer| channel::create(&account, &stamp(), &facts(&no, pay_way, None), buyer);
    let (line, _, body, _) = wire(compose(PayWay::H5, &browser()).expect("composes"));
    assert_eq!(line, "POST /v3/pay/transactions/h5");
    assert!(
        body.contains(r#""scene_info":{"h5_info":{"type":"Wap"},"payer_client_ip":"203.0.113.7"}"#),
        "{body}"
    );
    for lacking in [
        Buyer {
            client_ip: None,
            ..browser()
        },
        Buyer {
            h5_type: None,
            ..browser()
        },
    ] {
        assert!(matches!(
            compose(PayWay::H5, &lacking).err(),
            Some(ComposeError::Missing(_))
        ));
    }
    let (line, _, body, _) = wire(compose(PayWay::App, &bare()).expect("composes"));
    assert_eq!(line, "POST /v3/pay/transactions/app");
    assert_eq!(
        body,
        concat!(
            r#"{"amount":{"currency":"CNY","total":8880},"appid":"wx4fd52d1ed208e8ac","description":"Test goods","#,
            r#""mchid":"1900000109","notify_url":"https://guandao.example/n/wechat/1900000109","#,
            r#""out_trade_no":"20260101000001","time_expire":"2026-01-01T08:15:00+08:00"}"#
        )
    );
}

/// 国密 changes the scheme and the key's kind, and no octet of what is signed; call-ups are not signed by it.
#[test]
//= C85
fn an_account_of_sm2_names_its_scheme() {
    let account = channel::Account {
        sign_method: SignMethod::Sm2,
        ..wechat()
    };
    let no = number("20260101000001");
    let (facts, buyer) = (facts(&no, PayWay::Native, None), bare());
    let by = |account| channel::create(account, &stamp(), &facts, &buyer).expect("composes");
    let (sm2, rsa) = (by(&account), by(&wechat()));
    assert_eq!(sm2.message(), rsa.message());
    let authorization = |draft| {
        let (_, _, _, headers) = wire(draft);
        headers
            .into_iter()
            .find(|(name, _)| name == "Authorization")
            .map(|(_, value)| value)
            .unwrap_or_default()
    };
    assert!(authorization(sm2).starts_with("WECHATPAY2-SM2-WITH-SM3 mchid="));
    assert!(authorization(rsa).starts_with("WECHATPAY2-SHA256-RSA2048 mchid="));
    let reach = Reach::Prepay("wx1".into());
    assert!(channel::call_up(&account, &stamp(), PayWay::Jsapi, &reach).is_none());
    for (way, composed) in [
        (PayWay::Native, true),
        (PayWay::H5, true),
        (PayWay::Jsapi, false),
        (PayWay::App, false),
    ] {
        assert_eq!(channel::composes(&account, way), composed, "{way:?}");
        assert!(channel::composes(&wechat(), way));
    }
}

/// One message for all; who pays and from where is said once, whose each is for each.
#[test]
fn a_group_of_orders_says_once_who_pays_and_for_each_who_is_paid() {
    let (account, group) = (wechat(), number("G20260101000001"));
    let (first, second) = (number("20260101000001"), number("20260101000002"));
    let (own, sub) = (
        PayeeNo::new("1900000109").expect("lawful"),
        PayeeNo::new("1900000110").expect("lawful"),
    );
    let terminal = TerminalNo::new("T-1").expect("lawful");
    let (who, bare) = (
        buyer(Some((PayerField::Openid, "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"))),
        bare(),
    );
    let part = |facts, payee, buyer| channel::Part { facts, payee, buyer };
    let parts = [
        part(facts(&first, PayWay::Jsapi, Some(&terminal)), &own, &who),
        part(facts(&second, PayWay::Jsapi, Some(&terminal)), &sub, &bare),
    ];
    let draft = channel::create_combined(&account, &stamp(), &group, &parts).expect("composes");
    let (line, _, body, _) = wire(draft);
    assert_eq!(line, "POST /v3/combine-transactions/jsapi");
    assert_eq!(
        body,
        concat!(
            r#"{"combine_appid":"wx4fd52d1ed208e8ac","combine_mchid":"1900000109","combine_out_trade_no":"G20260101000001","#,
            r#""combine_payer_info":{"openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},"notify_url":"https://guandao.example/n/wechat/1900000109","#,
            r#""scene_info":{"device_id":"T-1","payer_client_ip":"203.0.113.7"},"sub_orders":["#,
            r#"{"amount":{"currency":"CNY","total_amount":8880},"attach":"桌号 7&8","description":"Image形象店-\"QQ\"公仔","mchid":"1900000109","out_trade_no":"20260101000001"},"#,
            r#"{"amount":{"currency":"CNY","total_amount":8880},"attach":"20260101000002","description":"Test goods","mchid":"1900000109","out_trade_no":"20260101000002","sub_mchid":"1900000110"}],"#,
            r#""time_expire":"2026-01-01T08:15:00+08:00"}"#
        )
    );
    let short = number("G1");
    assert!(
        matches!(
            channel::create_combined(&account, &stamp(), &short, &parts),
            Err(ComposeError::Number)
        ),
        "a number that does not fit"
    );
    assert!(matches!(
        channel::create_combined(&crate::alipay(), &stamp(), &group, &parts),
        Err(ComposeError::NotOffered)
    ));
}

#[test]
fn a_partner_jsapi_order_names_both_merchants() {
    let (account, no) = (wechat_partner(), number("20260101000001"));
    let buyer = Buyer {
        attach: None,
        client_ip: None,
        device_id: None,
        detail: Some(Text::from(r#"{"invoice_id": "wx123"}"#)),
        ..buyer(Some((PayerField::Openid, "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o")))
    };
    let draft =
        channel::create(&account, &stamp(), &facts(&no, PayWay::Jsapi, None), &buyer).expect("composes");
    let (line, _, body, headers) = wire(draft);
    assert_eq!(line, "POST /v3/pay/partner/transactions/jsapi");
    assert_eq!(
        body,
        concat!(
            r#"{"amount":{"currency":"CNY","total":8880},"description":"Image形象店-\"QQ\"公仔","#,
            r#""detail":{"invoice_id": "wx123"},"notify_url":"https://guandao.example/n/wechat/1900000109","#,
            r#""out_trade_no":"20260101000001","payer":{"sp_openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},"#,
            r#""sp_appid":"wx4fd52d1ed208e8ac","sp_mchid":"1900000109","sub_mchid":"1900000110","#,
            r#""time_expire":"2026-01-01T08:15:00+08:00"}"#
        )
    );
    let platform = headers
        .iter()
        .find(|(name, _)| name == "Wechatpay-Serial")
        .map(|(_, value)| value.as_str());
    assert_eq!(platform, Some("PUB_KEY_ID_048c1900000109202670533506130335"));
}

#[test]
fn the_other_calls_are_exact() {
    let (direct, partner) = (wechat(), wechat_partner());
    let (odd, refund) = (number("A|b*1-_"), number("RF@1"));
    let line_and_body = |draft: Result<Draft, ComposeError>| {
        let (line, _, body, _) = wire(draft.expect("composes"));
        (line, body)
    };
    let path = "/v3/pay/transactions/out-trade-no/A%7Cb*1-_";
    let partner_path = "/v3/pay/partner/transactions/out-trade-no/A%7Cb*1-_";
    let query = line_and_body(channel::query(&direct, &stamp(), PayWay::Native, &odd));
    assert_eq!(query, (format!("GET {path}?mchid=1900000109"), String::new()));
    let query = line_and_body(channel::query(&partner, &stamp(), PayWay::Native, &odd));
    assert_eq!(
        query.0,
        format!("GET {partner_path}?sp_mchid=1900000109&sub_mchid=1900000110")
    );
    let theirs = TradeNo::new("4200001234202601011234567891").expect("lawful");
    for (account, line) in [
        (
            &direct,
            "GET /v3/pay/transactions/id/4200001234202601011234567891?mchid=1900000109",
        ),
        (
            &partner,
            "GET /v3/pay/partner/transactions/id/4200001234202601011234567891?sp_mchid=1900000109&sub_mchid=1900000110",
        ),
    ] {
        let query = line_and_body(channel::query_trade(account, &stamp(), &theirs));
        assert_eq!(query, (line.to_owned(), String::new()));
    }
    let close = line_and_body(channel::close(&direct, &stamp(), &odd));
    assert_eq!(
        close,
        (format!("POST {path}/close"), r#"{"mchid":"1900000109"}"#.into())
    );
    let close = line_and_body(channel::close(&partner, &stamp(), &odd));
    assert_eq!(close.1, r#"{"sp_mchid":"1900000109","sub_mchid":"1900000110"}"#);
    let (amount, total) = (Amount::from_fen(30), Amount::from_fen(100));
    let facts = RefundFacts {
        number: &odd,
        refund: &refund,
        trade_no: None,
        amount,
        total,
    };
    let sent = line_and_body(channel::refund(
        &partner,
        &stamp(),
        PayWay::Native,
        &facts,
        Some(&Text::from("退货")),
    ));
    assert_eq!(sent.0, "POST /v3/refund/domestic/refunds");
    assert_eq!(
        sent.1,
        concat!(
            r#"{"amount":{"currency":"CNY","refund":30,"total":100},"#,
            r#""notify_url":"https://guandao.example/n/wechat/1900000109","out_refund_no":"RF@1","#,
            r#""out_trade_no":"A|b*1-_","reason":"退货","sub_mchid":"1900000110"}"#
        )
    );
    let asked = line_and_body(channel::refund_query(
        &direct,
        &stamp(),
        PayWay::Native,
        &odd,
        &refund,
    ));
    assert_eq!(asked.0, "GET /v3/refund/domestic/refunds/RF%401");
    let asked = line_and_body(channel::refund_query(
        &partner,
        &stamp(),
        PayWay::Native,
        &odd,
        &refund,
    ));
    assert_eq!(
        asked.0,
        "GET /v3/refund/domestic/refunds/RF%401?sub_mchid=1900000110"
    );
    assert_eq!(
        line_and_body(channel::certificates(&direct, &stamp(), "")).0,
        "GET /v3/certificates"
    );
}

#[test]
fn what_a_request_lacks_is_named() {
    let (account, no, short) = (wechat(), number("20260101000001"), number("12345"));
    let create = |account: &_, facts: &_, buyer: &_| channel::create(account, &stamp(), facts, buyer).err();
    let native = facts(&no, PayWay::Native, None);
    assert_eq!(
        create(&account, &facts(&short, PayWay::Native, None), &bare()),
        Some(ComposeError::Number)
    );
    assert_eq!(
        create(&account, &facts(&no, PayWay::Qr, None), &bare()),
        Some(ComposeError::NotOffered)
    );
    let jsapi = facts(&no, PayWay::Jsapi, None);
    assert_eq!(
        create(&account, &jsapi, &bare()),
        Some(ComposeError::Missing("payer.openid"))
    );
    let other = buyer(Some((PayerField::BuyerId, "2088102116773037")));
    assert_eq!(
        create(&account, &jsapi, &other),
        Some(ComposeError::Missing("payer.openid"))
    );
    let nameless = channel::Account {
        appid: None,
        sub_appid: None,
        ..wechat()
    };
    assert_eq!(
        create(&nameless, &native, &bare()),
        Some(ComposeError::Account("appid"))
    );
    let unsigned = channel::Account {
        serial: None,
        ..wechat()
    };
    assert_eq!(
        create(&unsigned, &native, &bare()),
        Some(ComposeError::Account("certificate serial"))
    );
    for detail in ["[]", "{\"a\":1,\"a\":2}", "{} {}", ""] {
        let buyer = Buyer {
            detail: Some(Text::from(detail)),
            ..bare()
        };
        assert!(
            matches!(create(&account, &native, &buyer), Some(ComposeError::Detail(_))),
            "{detail}"
        );
    }
}

#[test]
//= C97
fn an_order_of_the_sub_merchants_own_app_names_it_its_payer_and_is_called_up_by_it() {
    let (own, no) = (wechat_partner(), number("20260101000001"));
    let account = channel::Account {
        sub_appid: Some("wxd678efh567hg6787".into()),
        ..own.clone()
    };
    let payer = Payer {
        field: PayerField::SubOpenid,
        value: Text::from("oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"),
    };
    let buyer = Buyer {
        payer: Some(payer),
        ..bare()
    };
    let facts = facts(&no, PayWay::Jsapi, None);
    let draft = channel::create(&account, &stamp(), &facts, &buyer).expect("composes");
    assert_eq!(
        wire(draft).2,
        concat!(
            r#"{"amount":{"currency":"CNY","total":8880},"description":"Test goods","#,
            r#""notify_url":"https://guandao.example/n/wechat/1900000109","out_trade_no":"20260101000001","#,
            r#""payer":{"sub_openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},"sp_appid":"wx4fd52d1ed208e8ac","#,
            r#""sp_mchid":"1900000109","sub_appid":"wxd678efh567hg6787","sub_mchid":"1900000110","#,
            r#""time_expire":"2026-01-01T08:15:00+08:00"}"#
        )
    );
    let reach = Reach::Prepay("wx2014".into());
    for (pay_way, place, text) in [
        (PayWay::Jsapi, "appId", "prepay_id=wx2014"),
        (PayWay::App, "appid", "wx2014"),
    ] {
        let Some(CallUp::ToSign(draft)) = channel::call_up(&account, &stamp(), pay_way, &reach) else {
            panic!("to sign")
        };
        let wanted = format!("wxd678efh567hg6787\n1767225600\n593BEC0C930BF1AFEB40B4A08C8FB242\n{text}\n");
        assert_eq!(draft.message(), wanted.as_bytes());
        assert_eq!(draft.with(&[1])[place], "wxd678efh567hg6787");
    }
    // Without that app the id is nobody's, and a direct merchant has none.
    let direct = channel::Account {
        payee: PayeeNo::new(own.account.as_str()).expect("mchid"),
        ..account
    };
    for account in [own, direct] {
        let draft = channel::create(&account, &stamp(), &facts, &buyer);
        assert!(matches!(draft, Err(ComposeError::Missing("payer.openid"))));
    }
}

#[test]
fn jsapi_is_called_up_with_a_signature_and_codes_are_not() {
    let (account, reach) = (wechat(), Reach::Prepay("wx2014".into()));
    let Some(CallUp::ToSign(draft)) = channel::call_up(&account, &stamp(), PayWay::Jsapi, &reach) else {
        panic!("to sign")
    };
    assert_eq!(draft.key().as_str(), "wechat/1900000109/merchant");
    let wanted = "wx4fd52d1ed208e8ac\n1767225600\n593BEC0C930BF1AFEB40B4A08C8FB242\nprepay_id=wx2014\n";
    assert_eq!(draft.message(), wanted.as_bytes());
    let parameters = serde_json::json!({
        "appId": "wx4fd52d1ed208e8ac", "timeStamp": "1767225600", "nonceStr": "593BEC0C930BF1AFEB40B4A08C8FB242",
        "package": "prepay_id=wx2014", "signType": "RSA", "paySign": "+/8B",
    });
    assert_eq!(draft.with(&[0xfb, 0xff, 1]), parameters);
    assert!(
        channel::call_up(
            &account,
            &stamp(),
            PayWay::Native,
            &Reach::Code("weixin://x".into())
        )
        .is_none()
    );
}

#[test]
fn an_app_is_called_up_with_the_bare_prepay_id() {
    let (account, reach) = (wechat(), Reach::Prepay("wx2014".into()));
    let Some(CallUp::ToSign(draft)) = channel::call_up(&account, &stamp(), PayWay::App, &reach) else {
        panic!("to sign")
    };
    let wanted = "wx4fd52d1ed208e8ac\n1767225600\n593BEC0C930BF1AFEB40B4A08C8FB242\nwx2014\n";
    assert_eq!(draft.message(), wanted.as_bytes());
    let parameters = serde_json::json!({
        "appid": "wx4fd52d1ed208e8ac", "partnerid": "1900000109", "prepayid": "wx2014", "package": "Sign=WXPay",
        "noncestr": "593BEC0C930BF1AFEB40B4A08C8FB242", "timestamp": "1767225600", "sign": "+/8B",
    });
    assert_eq!(draft.with(&[0xfb, 0xff, 1]), parameters);
    assert!(channel::call_up(&account, &stamp(), PayWay::H5, &Reach::Link("https://x".into())).is_none());
}
