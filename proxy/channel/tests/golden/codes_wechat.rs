//! Payment codes at WeChat: V2 in all that is asked of them.

use crate::{
    compose::{bare, buyer, facts},
    number, stamp, wechat, wechat_partner,
};
use channel::{
    Account, Answer, Authentic, ChannelState, ComposeError, Draft, FailureClass, RefundFacts, ReverseView,
    auth_code::{Refusal, refusal},
    strict_xml::Fields,
};
use domain::*;
use http::HeaderMap;
use vault::{AuthCode, PayerField, Text};

const CODE: &str = "134567890123456789";
const NONCE: &str = "nonce_str=593BEC0C930BF1AFEB40B4A08C8FB242&";

/// Line, message, body and the names in TLS.
fn wire(draft: Draft) -> (String, String, String, Option<(String, String)>) {
    assert_eq!(draft.key().as_str(), "wechat/1900000109/apiv2");
    let message = String::from_utf8(draft.message().to_vec()).expect("text");
    let request = draft.sign_with(&[0xab, 0x01]);
    let body = String::from_utf8(request.body.to_vec()).expect("text");
    assert!(
        request
            .headers
            .contains(&("Content-Type".into(), "text/xml; charset=utf-8".into()))
    );
    let identity = request
        .identity
        .map(|i| (i.certificate.as_str().into(), i.key.as_str().into()));
    (
        format!("{} {}", request.method, request.target),
        message,
        body,
        identity,
    )
}

#[test]
fn the_charging_call_is_exact() {
    let (account, no) = (wechat(), number("20260101000010"));
    let terminal = TerminalNo::new("T0000001").expect("terminal");
    let facts = facts(&no, PayWay::Micropay, Some(&terminal));
    let code = AuthCode::new(CODE.into());
    let draft = channel::charge(&account, &stamp(), &facts, &buyer(None), &code).expect("composes");
    let (line, message, body, identity) = wire(draft);
    assert_eq!((line.as_str(), identity), ("POST /pay/micropay", None));
    assert_eq!(
        message,
        format!(
            "appid=wx4fd52d1ed208e8ac&attach=桌号 7&8&auth_code={CODE}&body=Image形象店-\"QQ\"公仔&device_info=T0000001\
             &mch_id=1900000109&{NONCE}out_trade_no=20260101000010&sign_type=HMAC-SHA256\
             &spbill_create_ip=203.0.113.7&time_expire=20260101081500&total_fee=8880"
        )
    );
    let fields = Fields::parse(body.as_bytes(), "xml").expect("flat XML");
    assert_eq!(
        (fields.get("sign"), fields.get("attach")),
        (Some("AB01"), Some("桌号 7&8"))
    );
    assert!(
        body.starts_with("<xml><appid><![CDATA[wx4fd52d1ed208e8ac]]></appid>"),
        "{body}"
    );
}

#[test]
fn what_the_channel_cannot_carry_is_not_composed() {
    let (account, no) = (wechat(), number("20260101000010"));
    let charge = |buyer: &vault::Buyer| {
        let facts = facts(&no, PayWay::Micropay, None);
        channel::charge(&account, &stamp(), &facts, buyer, &AuthCode::new(CODE.into())).err()
    };
    assert_eq!(charge(&bare()), Some(ComposeError::Missing("client_ip")));
    let odd = vault::Buyer {
        attach: Some(Text::from("a\u{1}b")),
        ..buyer(None)
    };
    assert_eq!(charge(&odd), Some(ComposeError::Characters("attach")));
    let odd = vault::Buyer {
        detail: Some(Text::from("[1]")),
        ..buyer(None)
    };
    assert!(matches!(charge(&odd), Some(ComposeError::Detail(_))));
    assert_eq!(charge(&buyer(None)), None);
}

#[test]
fn the_other_calls_are_exact_and_two_of_them_show_the_certificate() {
    let (no, refund) = (number("20260101000010"), number("RF1"));
    let one = format!(
        "appid=wx4fd52d1ed208e8ac&mch_id=1900000109&{NONCE}out_trade_no=20260101000010&sign_type=HMAC-SHA256"
    );
    let shown = Some((
        "wechat/1900000109/merchant-certificate".to_owned(),
        "wechat/1900000109/merchant".to_owned(),
    ));
    let (line, message, _, identity) =
        wire(channel::query(&wechat(), &stamp(), PayWay::Micropay, &no).expect("composes"));
    assert_eq!(
        (line.as_str(), &message, identity),
        ("POST /pay/orderquery", &one, None)
    );
    let (line, message, _, identity) = wire(channel::reverse(&wechat(), &stamp(), &no).expect("composes"));
    assert_eq!(
        (line.as_str(), &message, &identity),
        ("POST /secapi/pay/reverse", &one, &shown)
    );
    let facts = RefundFacts {
        trade_no: None,
        number: &no,
        refund: &refund,
        amount: Amount::from_fen(30),
        total: Amount::from_fen(100),
    };
    let draft = channel::refund(
        &wechat_partner(),
        &stamp(),
        PayWay::Micropay,
        &facts,
        Some(&Text::from("退货")),
    );
    let (line, message, _, identity) = wire(draft.expect("composes"));
    assert_eq!((line.as_str(), identity), ("POST /secapi/pay/refund", shown));
    assert_eq!(
        message,
        format!(
            "appid=wx4fd52d1ed208e8ac&mch_id=1900000109&{NONCE}out_refund_no=RF1&out_trade_no=20260101000010\
             &refund_desc=退货&refund_fee=30&sign_type=HMAC-SHA256&sub_mch_id=1900000110&total_fee=100"
        )
    );
    let draft = channel::refund_query(&wechat(), &stamp(), PayWay::Micropay, &no, &refund).expect("composes");
    let (line, message, _, identity) = wire(draft);
    assert_eq!((line.as_str(), identity), ("POST /pay/refundquery", None));
    assert!(
        message.contains("&out_refund_no=RF1&") && !message.contains("out_trade_no"),
        "{message}"
    );
}

fn xml(fields: &str) -> String {
    let pairs = fields
        .split_whitespace()
        .map(|pair| pair.split_once('=').expect("k=v"));
    let elements: String = pairs
        .map(|(k, v)| format!("<{k}><![CDATA[{v}]]></{k}>"))
        .collect();
    format!("<xml>{elements}</xml>")
}

const DONE: &str =
    "return_code=SUCCESS appid=wx4fd52d1ed208e8ac mch_id=1900000109 nonce_str=x result_code=SUCCESS";

fn read_as(account: &Account, operation: Operation, fields: &str) -> Answer {
    channel::read_answer(account, operation, PayWay::Micropay, 200, xml(fields).as_bytes())
}

fn read(operation: Operation, rest: &str) -> Answer {
    read_as(&wechat(), operation, &format!("{DONE} {rest}"))
}

fn refused(operation: Operation, code: &str) -> Answer {
    let done = DONE.replace("result_code=SUCCESS", "result_code=FAIL");
    read_as(
        &wechat(),
        operation,
        &format!("{done} err_code={code} err_code_des=x"),
    )
}

const PAID: &str = "openid=oUpF8uMuAJO is_subscribe=Y trade_type=MICROPAY bank_type=CMC_DEBIT total_fee=8880 cash_fee=8880 \
    fee_type=CNY transaction_id=4200001234202601011234567891 out_trade_no=20260101000010 attach=a time_end=20260101080007";

fn paid() -> PaidFacts {
    PaidFacts {
        amount: Amount::from_fen(8880),
        bank_type: Some("CMC_DEBIT".into()),
        number: number("20260101000010"),
        paid_at: Instant::from_secs(1_767_225_607),
        trade_no: TradeNo::new("4200001234202601011234567891").expect("lawful"),
    }
}

#[test]
fn the_charging_calls_answer_is_paid_waits_or_is_refused() {
    let Answer::State(view) = read(Operation::Create, PAID) else {
        panic!("paid")
    };
    assert_eq!(view.state, ChannelState::Paid(paid()));
    let payer = view.payer.expect("the payer");
    assert_eq!(
        (payer.field, payer.value.expose()),
        (PayerField::Openid, "oUpF8uMuAJO")
    );
    assert_eq!(
        (
            view.account.expect("account").as_str(),
            view.payee.expect("payee").as_str()
        ),
        ("1900000109", "1900000109")
    );
    // The same id in APIv3: whose app the order is of decides where both are told.
    for (more, field, id) in [
        (" sub_openid=oSub", PayerField::Openid, "oUpF8uMuAJO"),
        (" sub_openid=oSub sub_appid=wx1", PayerField::SubOpenid, "oSub"),
    ] {
        let Answer::State(view) = read(Operation::Create, &format!("{PAID}{more}")) else {
            panic!("paid")
        };
        let payer = view.payer.expect("the payer");
        assert_eq!((payer.field, payer.value.expose()), (field, id), "{more}");
    }
    for lacking in ["transaction_id", "out_trade_no", "time_end", "total_fee"] {
        let without = PAID.replace(&format!("{lacking}="), "x_x=");
        assert!(
            matches!(
                read(Operation::Create, &without),
                Answer::Unclear(Unclear::Garbage)
            ),
            "without {lacking}"
        );
    }
    for odd in [
        "fee_type=USD",
        "total_fee=88.80",
        "total_fee=-1",
        "time_end=20260230080007",
    ] {
        let (name, _) = odd.split_once('=').expect("k=v");
        let changed: Vec<&str> = PAID
            .split_whitespace()
            .map(|p| {
                if p.starts_with(&format!("{name}=")) {
                    odd
                } else {
                    p
                }
            })
            .collect();
        assert!(
            matches!(
                read(Operation::Create, &changed.join(" ")),
                Answer::Unclear(Unclear::Garbage)
            ),
            "{odd}"
        );
    }
    assert!(matches!(
        refused(Operation::Create, "USERPAYING"),
        Answer::Waiting
    ));
    use FailureClass::*;
    let table = [
        ("AUTH_CODE_INVALID", Final, Refusal::Code),
        ("AUTHCODEEXPIRE", Final, Refusal::Code),
        ("NOTENOUGH", Final, Refusal::Payer),
        ("NOTSUPORTCARD", Final, Refusal::Payer),
        ("PARAM_ERROR", Final, Refusal::Other),
        ("SYSTEMERROR", Unknown, Refusal::Other),
        ("BANKERROR", Unknown, Refusal::Other),
        ("ORDERPAID", AlreadyPaid, Refusal::Other),
        ("ORDERREVERSED", AlreadyClosed, Refusal::Other),
        ("OUT_TRADE_NO_USED", Changed, Refusal::Other),
        ("SOMETHING_NEW", Unknown, Refusal::Other),
    ];
    for (code, class, to_the_counter) in table {
        let Answer::Failed(failure) = refused(Operation::Create, code) else {
            panic!("{code}")
        };
        assert_eq!(
            (&*failure.code, failure.class, refusal(Channel::Wechat, code)),
            (code, class, to_the_counter)
        );
    }
    assert!(
        matches!(
            refused(Operation::Create, "13456-7890"),
            Answer::Unclear(Unclear::Garbage)
        ),
        "no code"
    );
}

#[test]
fn an_answer_counts_only_of_the_account_that_was_asked_for() {
    let other = format!("{} {PAID}", DONE.replace("1900000109", "1900000110"));
    assert!(matches!(
        read_as(&wechat(), Operation::Create, &other),
        Answer::Unclear(Unclear::Garbage)
    ));
    assert!(matches!(
        read_as(&wechat_partner(), Operation::Create, &format!("{DONE} {PAID}")),
        Answer::Unclear(Unclear::Garbage)
    ));
    let of_sub = format!("{DONE} sub_mch_id=1900000110 {PAID}");
    let Answer::State(view) = read_as(&wechat_partner(), Operation::Create, &of_sub) else {
        panic!("paid")
    };
    assert_eq!(view.payee.expect("payee").as_str(), "1900000110");
    assert!(matches!(
        read_as(&wechat(), Operation::Create, &of_sub),
        Answer::Unclear(Unclear::Garbage)
    ));
}

#[test]
fn a_query_states_the_order() {
    let state = |state: &str| match read(Operation::Query, &format!("trade_state={state} {PAID}")) {
        Answer::State(view) => Some(view.state),
        _ => None,
    };
    assert_eq!(state("SUCCESS"), Some(ChannelState::Paid(paid())));
    assert_eq!(state("REFUND"), Some(ChannelState::Refunded(paid())));
    assert_eq!(state("USERPAYING"), Some(ChannelState::Paying));
    assert_eq!(state("NOTPAY"), Some(ChannelState::NotPaid));
    assert_eq!(state("PAYERROR"), Some(ChannelState::Declined("PAYERROR".into())));
    assert_eq!(state("CLOSED"), Some(ChannelState::Closed));
    assert_eq!(state("REVOKED"), Some(ChannelState::Reversed));
    assert_eq!(state("ACCEPT"), None);
    let Answer::Failed(failure) = refused(Operation::Query, "ORDERNOTEXIST") else {
        panic!("failed")
    };
    assert_eq!(failure.class, FailureClass::NotFound);
}

#[test]
fn a_reverse_says_only_whether_it_must_come_again() {
    let reversed = |answer| match answer {
        Answer::Reversed(view) => Some(view),
        _ => None,
    };
    let view = |again| {
        Some(ReverseView {
            again,
            refunded: None,
            absent: false,
        })
    };
    assert_eq!(reversed(read(Operation::Reverse, "recall=N")), view(false));
    assert_eq!(reversed(read(Operation::Reverse, "recall=Y")), view(true));
    assert_eq!(reversed(read(Operation::Reverse, "recall=X")), None);
    assert_eq!(reversed(read(Operation::Reverse, "x=y")), None);
    let fail = DONE.replace("result_code=SUCCESS", "result_code=FAIL");
    let again = format!("{fail} err_code=SYSTEMERROR recall=Y");
    assert_eq!(
        reversed(read_as(&wechat(), Operation::Reverse, &again)),
        view(true)
    );
    for (code, class) in [
        ("REVERSE_EXPIRE", FailureClass::Final),
        ("SYSTEMERROR", FailureClass::Unknown),
        ("ORDERNOTEXIST", FailureClass::NotFound),
    ] {
        let Answer::Failed(failure) = refused(Operation::Reverse, code) else {
            panic!("{code}")
        };
        assert_eq!(failure.class, class, "{code}");
    }
}

#[test]
fn a_refund_is_taken_on_and_then_asked_for() {
    let taken = "transaction_id=4200001234202601011234567891 out_trade_no=20260101000010 out_refund_no=RF1 \
        refund_id=50000408942026010100000000001 refund_fee=30 total_fee=8880 cash_fee=8880";
    let Answer::Refund(view) = read(Operation::Refund, taken) else {
        panic!("taken")
    };
    assert_eq!(
        (view.state, view.number.as_str(), view.amount),
        (RefundState::Processing, "RF1", Some(Amount::from_fen(30)))
    );
    let asked = |state: &str| {
        let rest = "transaction_id=4200001234202601011234567891 out_trade_no=20260101000010 total_fee=8880 refund_count=1 \
            out_refund_no_0=RF1 refund_id_0=50000408942026010100000000001 refund_fee_0=30";
        match read(Operation::RefundQuery, &format!("{rest} refund_status_0={state}")) {
            Answer::Refund(view) => Some(view.state),
            _ => None,
        }
    };
    assert_eq!(asked("SUCCESS"), Some(RefundState::Succeeded));
    assert_eq!(asked("PROCESSING"), Some(RefundState::Processing));
    assert_eq!(asked("REFUNDCLOSE"), Some(RefundState::Failed));
    assert_eq!(asked("CHANGE"), Some(RefundState::Abnormal));
    assert_eq!(asked("NEW"), None);
    let Answer::Failed(failure) = refused(Operation::RefundQuery, "REFUNDNOTEXIST") else {
        panic!("failed")
    };
    assert_eq!(failure.class, FailureClass::NotFound);
    let Answer::Failed(failure) = refused(Operation::Refund, "NOTENOUGH") else {
        panic!("failed")
    };
    assert_eq!(failure.class, FailureClass::PayeeFunds);
}

fn authentic(status: u16, body: &str) -> Result<Authentic, Unclear> {
    channel::authenticate_answer(
        &wechat(),
        Operation::Query,
        PayWay::Micropay,
        status,
        &HeaderMap::new(),
        body.as_bytes(),
        crate::NOW,
    )
}

#[test]
fn an_answer_is_signed_but_for_a_transport_that_failed() {
    let sign = "0123456789ABCDEF0123456789ABCDEF";
    let signed = xml(&format!("{DONE} b=2 empty= sign={sign} a=1"));
    let Ok(Authentic::Signed(found)) = authentic(200, &signed) else {
        panic!("signed")
    };
    assert_eq!(found.key.as_str(), "wechat/1900000109/apiv2");
    let message = "a=1&appid=wx4fd52d1ed208e8ac&b=2&mch_id=1900000109&nonce_str=x&result_code=SUCCESS&return_code=SUCCESS";
    assert_eq!(String::from_utf8_lossy(&found.message), message);
    assert_eq!(hex::encode_upper(&found.signature), sign);
    assert!(matches!(
        authentic(200, &xml("return_code=FAIL return_msg=x")),
        Ok(Authentic::Unsigned)
    ));
    for unsigned in [
        DONE.to_owned(),
        format!("{DONE} sign="),
        format!("{DONE} sign=0123"),
        format!("{DONE} sign={}", sign.to_lowercase()),
    ] {
        assert!(
            matches!(authentic(200, &xml(&unsigned)), Err(Unclear::Signature)),
            "{unsigned}"
        );
    }
    assert!(matches!(authentic(502, &signed), Err(Unclear::ChannelError)));
    assert!(matches!(authentic(200, "<html></html>"), Err(Unclear::Garbage)));
    assert!(matches!(
        authentic(200, &xml("return_code=WHAT")),
        Err(Unclear::Garbage)
    ));
    // What came unsigned proves nothing, neither an end nor a payment.
    for operation in [
        Operation::Create,
        Operation::Query,
        Operation::Reverse,
        Operation::Refund,
        Operation::RefundQuery,
    ] {
        let Answer::Failed(failure) =
            read_as(&wechat(), operation, &format!("return_code=FAIL {PAID} recall=N"))
        else {
            panic!("failed")
        };
        assert_eq!(failure.class, FailureClass::Unknown, "{operation:?}");
    }
}
