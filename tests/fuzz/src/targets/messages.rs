//! Native requests, notices and answers of all channels.
//!
//! Input: parts at NUL octets; what they are stands at each target.

use super::{groups, parts, tells_no_number};
use channel::{
    Account, Encrypted,
    native::{self, Native},
    notice::{self, Kind},
};
use domain::{AccountNo, BankFacts, Channel, Instant, OpenApi, Operation, PayWay, PayeeNo, SignMethod};
use http::{HeaderMap, HeaderName, HeaderValue};

pub(super) const NOW: Instant = Instant::from_secs(1_767_225_600);

pub(super) fn account(channel: Channel, partner: bool) -> Account {
    let (account, payee) = match channel {
        Channel::Wechat => ("1900000109", if partner { "1900000110" } else { "1900000109" }),
        Channel::Alipay => ("2021000066965330", "2088864287612845"),
        Channel::Unionpay => ("777290058110048", "777290058110048"),
        Channel::Baidu => ("9000100005", "9000100005"),
        Channel::Ccb => ("041265093", "105000759989591"),
        Channel::Icbc => ("1001EC20000001", "1001231719300000001"),
        Channel::Cmb => ("0755000054", "0755000054"),
    };
    Account {
        channel,
        account: AccountNo::new(account).expect("lawful"),
        payee: PayeeNo::new(payee).expect("lawful"),
        appid: Some("wx4fd52d1ed208e8ac".into()),
        sub_appid: partner.then(|| "wx4fd52d1ed208e8ad".into()),
        serial: partner.then(|| "7f43f8920d8f5fbdf1e94e4e81177c50".into()),
        platform: None,
        root_sn: partner.then(|| "7f43f8920d8f5fbdf1e94e4e81177c50".into()),
        sign_method: Default::default(),
        encrypts: false,
        openapi: Default::default(),
        codepay: false,
        sha1: false,
        key_by_serial: false,
        bank: (channel == Channel::Ccb).then(|| BankFacts {
            branch: Some("442000000".into()),
            absent_code: None,
            absent_refund_code: None,
            certificate: None,
            reference: None,
            listed: Vec::new(),
            business: false,
            unverified: Vec::new(),
        }),
        notify_url: "https://guandao.example/n".into(),
    }
}

pub(super) fn headers(lines: &[u8]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for line in lines.split(|b| *b == b'\n') {
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            map.append(name, value);
        }
    }
    map
}

/// Parts: method, target, header lines, body.
pub(super) fn native(channel: Channel, data: &[u8]) -> Option<Native> {
    let [method, target, lines, body] = parts(data);
    let (method, target) = (
        std::str::from_utf8(method).ok()?,
        std::str::from_utf8(target).ok()?,
    );
    // What is said to be encrypted is its own ciphertext, so that what is inside is looked at too.
    let opens = |_: &AccountNo, _: &native::Proof, sealed: &Encrypted| Ok(sealed.ciphertext.clone().into());
    match native::read(channel, |_| true, &opens, method, target, &headers(lines), body) {
        Ok(native) => Some(native),
        Err(error) => {
            tells_no_number(&error.text, data);
            None
        }
    }
}

/// The facts are those that any reader of JSON finds, and the whole request is signed.
pub(crate) fn native_wechat(data: &[u8]) {
    let Some(native) = native(Channel::Wechat, data) else {
        return;
    };
    if native.proof.nonce.is_none() {
        return native_wechat_v2(data);
    }
    let [method, target, _, body] = parts(data);
    let message = &native.proof.message;
    assert!(
        message.starts_with(&[method, b"\n", target, b"\n"].concat())
            && message.ends_with(&[body, b"\n"].concat())
    );
    if native.combined.is_some() && native.operation != Operation::Query {
        return groups::native_facts(&native, body);
    }
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    if native.operation == Operation::Create {
        assert_eq!(native.amount.map(|a| a.fen()), value["amount"]["total"].as_u64());
        assert_eq!(
            native.number.as_ref().map(|n| n.as_str()),
            value["out_trade_no"].as_str()
        );
        let own = value["mchid"].as_str().or(value["sp_mchid"].as_str());
        assert_eq!(Some(native.account.as_str()), own);
    }
    if native.operation == Operation::Refund {
        assert_eq!(native.amount.map(|a| a.fen()), value["amount"]["refund"].as_u64());
    }
}

/// Who asks is who is paid; an order has an amount, a refund and a cancel what they go back from.
pub(crate) fn native_unionpay(data: &[u8]) {
    let Some(native) = native(Channel::Unionpay, data) else {
        return;
    };
    assert_eq!(
        native.payee.as_ref().map(|p| p.as_str()),
        Some(native.account.as_str())
    );
    let of_one = native.number.is_some() || native.refund.is_some();
    assert!(native.named.is_some() && of_one != (native.operation == Operation::Bill));
    let back = matches!(native.operation, Operation::Refund | Operation::Reverse);
    if back || native.operation == Operation::Create {
        assert!(native.amount.is_some_and(|a| !a.is_zero()));
    }
    assert_eq!(back, native.trade_no.is_some());
}

/// V2: the facts are those that any reader of XML finds, each value that is not empty is signed, and the payee is named.
pub(crate) fn native_wechat_v2(data: &[u8]) {
    let Some(native) = native(Channel::Wechat, data).filter(|native| native.proof.nonce.is_none()) else {
        return;
    };
    let [_, _, _, body] = parts(data);
    let text = std::str::from_utf8(body).expect("what is taken is UTF-8");
    let read = roxmltree::Document::parse(text).expect("taken here, refused there");
    let value = |name: &str| {
        let found = read
            .root_element()
            .children()
            .find(|node| node.has_tag_name(name))?;
        let value: String = found.children().filter_map(|child| child.text()).collect();
        Some(value).filter(|value| !value.is_empty())
    };
    let message = String::from_utf8(native.proof.message.clone()).expect("text");
    let fields = read
        .root_element()
        .children()
        .filter(|node| node.is_element() && !node.has_tag_name("sign"));
    for name in fields.map(|node| node.tag_name().name()) {
        assert!(
            value(name).is_none_or(|value| message.contains(&format!("{name}={value}"))),
            "{name} is not signed"
        );
    }
    let own = value("mch_id");
    assert_eq!(Some(native.account.as_str()), own.as_deref());
    assert_eq!(
        native.payee.as_ref().map(|payee| payee.as_str()),
        value("sub_mch_id").or(own).as_deref()
    );
    let fen = |name| value(name).and_then(|text| text.parse().ok());
    match native.operation {
        Operation::Create => assert_eq!(native.amount.map(|a| a.fen()), fen("total_fee")),
        Operation::Refund => assert_eq!(native.amount.map(|a| a.fen()), fen("refund_fee")),
        _ => {}
    }
    assert_eq!(
        native.number.map(|number| number.as_str().to_owned()),
        value("out_trade_no")
    );
    assert!(value("profit_sharing").is_none_or(|word| word == "N"));
}

/// Every parameter but `sign` is signed; by OpenAPI v3 method, path and the whole body.
pub(crate) fn native_alipay(data: &[u8]) {
    let Some(native) = native(Channel::Alipay, data) else {
        return;
    };
    let [method, target, _, body] = parts(data);
    // A bill is nobody's order, and a payer's code comes before there is one.
    let of_none = matches!(native.operation, Operation::Bill | Operation::Authorize);
    assert!(of_none || native.number.is_some() || native.trade_no.is_some());
    if target.starts_with(b"/v3/") {
        let middle = [b"\n", method, b"\n", target, b"\n", body, b"\n"].concat();
        assert!(
            native.proof.nonce.is_some() && native.proof.message.windows(middle.len()).any(|w| w == middle)
        );
        return;
    }
    let message = String::from_utf8(native.proof.message).expect("text");
    assert!(
        message.contains(&format!("app_id={}", native.account))
            && !message.contains("&sign=")
            && (native.operation == Operation::Authorize || message.contains("biz_content="))
    );
}

/// Parts: header lines, body.
pub(crate) fn notice_wechat(data: &[u8]) {
    let [lines, body] = parts(data);
    let account = account(Channel::Wechat, data.first().is_some_and(|b| b & 1 == 1));
    if let Err(error) = notice::authenticate(Channel::Wechat, &account, &headers(lines), body, NOW) {
        tells_no_number(error.kind(), data);
    }
    let _ = notice::sealed(&account, body);
    for kind in [Kind::Transaction, Kind::Refund, Kind::Other] {
        let _ = notice::read(&account, body, kind);
    }
}

/// The body.
pub(crate) fn notice_alipay(data: &[u8]) {
    let account = account(Channel::Alipay, data.len() & 1 == 1);
    if let Err(error) = notice::authenticate(Channel::Alipay, &account, &HeaderMap::new(), data, NOW) {
        tells_no_number(error.kind(), data);
    }
    let _ = notice::read(&account, data, Kind::Open);
}

const OPERATIONS: [Operation; 8] = [
    Operation::Create,
    Operation::Query,
    Operation::Close,
    Operation::Refund,
    Operation::RefundQuery,
    Operation::Certificates,
    Operation::Reverse,
    Operation::Bill,
];

fn answer(channel: Channel, data: &[u8]) {
    let [first, lines, body] = parts(data);
    let at = |i: usize| first.get(i).copied().unwrap_or_default();
    let operation = OPERATIONS[usize::from(at(0)) % OPERATIONS.len()];
    let status = [200, 204, 400, 401, 403, 404, 429, 500, 502, 302][usize::from(at(1)) % 10];
    const WAYS: [PayWay; 9] = [
        PayWay::Native,
        PayWay::Jsapi,
        PayWay::Qr,
        PayWay::H5,
        PayWay::App,
        PayWay::Page,
        PayWay::Wap,
        PayWay::Micropay,
        PayWay::Gateway,
    ];
    let pay_way = WAYS[usize::from(at(2)) % WAYS.len()];
    let openapi = if at(3) & 4 == 4 {
        OpenApi::V3
    } else {
        OpenApi::Gateway
    };
    let account = Account {
        openapi,
        ..account(channel, at(3) & 1 == 1)
    };
    let _ = channel::authenticate_answer(&account, operation, pay_way, status, &headers(lines), body, NOW);
    let _ = channel::read_answer(&account, operation, pay_way, status, body);
    let encrypts = Account {
        encrypts: channel == Channel::Alipay,
        ..account
    };
    let _ = channel::encrypted_answer(&encrypts, operation, status, body);
    let _ = channel::read_content(&encrypts, operation, pay_way, body);
    for target in ["/gateway.do", "/v3/alipay/trade/query"] {
        let _ = channel::encrypted_native_answer(&encrypts, operation, target, status, body);
        let _ = channel::read_native_content(&encrypts, operation, pay_way, target, status, body);
    }
}

/// Parts: operation, status, way to pay; header lines; body.
pub(crate) fn answer_wechat(data: &[u8]) {
    answer(Channel::Wechat, data);
}

/// As [`answer_wechat`].
pub(crate) fn answer_alipay(data: &[u8]) {
    answer(Channel::Alipay, data);
}

/// The body. What is signed holds every field that came, and the merchant number is the account's.
pub(crate) fn notice_unionpay(data: &[u8]) {
    let mut account = account(Channel::Unionpay, false);
    account.sign_method = [
        SignMethod::Signature,
        SignMethod::KeyedSha256,
        SignMethod::KeyedSm3,
    ][data.len() % 3];
    match notice::authenticate(Channel::Unionpay, &account, &HeaderMap::new(), data, NOW) {
        Ok(signed) if signed.method != SignMethod::Signature => {
            let message = String::from_utf8(signed.message).expect("text");
            assert!(
                message.contains("merId=777290058110048")
                    && !message.starts_with("signature=")
                    && !message.contains("&signature=")
            );
        }
        Ok(signed) => assert!(signed.message.len() == 64 && signed.certificate.is_some()),
        Err(error) => tells_no_number(error.kind(), data),
    }
    let _ = notice::read(&account, data, Kind::Open);
}

/// As [`answer_wechat`]. What tells of an order or a refund names its number, and of another kind of transaction none tells.
pub(crate) fn answer_unionpay(data: &[u8]) {
    answer(Channel::Unionpay, data);
    let [_, _, body] = parts(data);
    let account = account(Channel::Unionpay, false);
    let says = |text: &str| body.windows(text.len()).any(|w| w == text.as_bytes());
    let stated = |kinds: &[&str]| kinds.iter().any(|kind| says(&format!("txnType={kind}")));
    for operation in [Operation::Query, Operation::RefundQuery] {
        match channel::read_answer(&account, operation, PayWay::Qr, 200, body) {
            channel::Answer::State(view) => assert!(stated(&["00", "01"]) && says(view.number.as_str())),
            channel::Answer::Refund(view) => {
                assert!(stated(&["00", "04", "31"]) && says(view.number.as_str()))
            }
            _ => {}
        }
    }
}

/// A `customerInfo` that is read is written again as it was.
pub(crate) fn customer_info(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Some(fields) = channel::read_customer_info(text) else {
        return;
    };
    let pairs: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.expose()))
        .collect();
    assert_eq!(channel::customer_info(&pairs).as_str(), text);
}

/// The query. What is taken names the account and is signed whole.
pub(crate) fn notice_baidu(data: &[u8]) {
    let account = account(Channel::Baidu, false);
    match notice::authenticate(Channel::Baidu, &account, &HeaderMap::new(), data, NOW) {
        Ok(signed) => assert!(
            signed
                .message
                .windows(17)
                .any(|w| w == b"sp_no=9000100005&" || w == b"&sp_no=9000100005")
        ),
        Err(error) => tells_no_number(error.kind(), data),
    }
    let _ = notice::read(&account, data, Kind::Open);
}

/// As [`answer_wechat`].
pub(crate) fn answer_baidu(data: &[u8]) {
    answer(Channel::Baidu, data);
}

/// The form. What is signed begins with the account's own numbers and holds each pair once.
pub(crate) fn notice_ccb(data: &[u8]) {
    let account = account(Channel::Ccb, false);
    match notice::authenticate(Channel::Ccb, &account, &HeaderMap::new(), data, NOW) {
        Ok(signed) => {
            assert!(
                signed
                    .message
                    .starts_with(b"POSID=041265093&BRANCHID=442000000&ORDERID=")
            );
            let pairs = signed.message.split(|b| *b == b'&').count();
            assert!((12..=17).contains(&pairs), "{pairs} pairs");
        }
        Err(error) => tells_no_number(error.kind(), data),
    }
    let _ = notice::read_at(&account, data, Kind::Open, NOW);
}

/// As [`answer_wechat`].
pub(crate) fn answer_ccb(data: &[u8]) {
    answer(Channel::Ccb, data);
}

/// The form. What is read names the account and its payee.
pub(crate) fn notice_icbc(data: &[u8]) {
    let account = account(Channel::Icbc, false);
    if let Err(error) = notice::authenticate(Channel::Icbc, &account, &HeaderMap::new(), data, NOW) {
        tells_no_number(error.kind(), data);
    }
    if let Ok(notice::Notice::Order(view)) = notice::read_at(&account, data, Kind::Open, NOW) {
        assert_eq!(
            (view.account.as_ref(), view.payee.as_ref()),
            (Some(&account.account), Some(&account.payee))
        );
    }
}

/// The form. What is signed is sorted pairs that name the account; what is read names it and its payee.
pub(crate) fn notice_cmb(data: &[u8]) {
    let account = account(Channel::Cmb, false);
    match notice::authenticate(Channel::Cmb, &account, &HeaderMap::new(), data, NOW) {
        Ok(signed) => {
            let message = String::from_utf8(signed.message).expect("texts");
            let names: Vec<&str> = message
                .split('&')
                .map(|pair| pair.split('=').next().unwrap_or_default())
                .collect();
            assert!(
                names.is_sorted()
                    && message.contains("branchNo=0755")
                    && message.contains("merchantNo=000054")
            );
        }
        Err(error) => tells_no_number(error.kind(), data),
    }
    if let Ok(notice::Notice::Order(view)) = notice::read_at(&account, data, Kind::Open, NOW) {
        assert_eq!(
            (view.account.as_ref(), view.payee.as_ref()),
            (Some(&account.account), Some(&account.payee))
        );
    }
}

/// As [`answer_wechat`].
pub(crate) fn answer_cmb(data: &[u8]) {
    answer(Channel::Cmb, data);
}
