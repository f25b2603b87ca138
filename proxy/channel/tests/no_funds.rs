//! No funds: ten thousand hostile requests for each channel's door, each a lawful one with one thing in it that would pay
//! somebody else, split the money or could be read in two ways. None is taken as an order of the merchant's own: it is
//! refused, or its facts name the stranger, whom the registry's payees then refuse (C03).

use base64::{Engine, engine::general_purpose::STANDARD};
use channel::native::{self, Native};
use domain::{Channel, PayeeNo};
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use serde_json::{Value, json};

const OWN: &str = "1900000109";
const STRANGER: &str = "1600000009";
const HOSTILE: u32 = 10_000;

fn headers(kind: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let signed = format!(
        "WECHATPAY2-SHA256-RSA2048 mchid=\"{OWN}\",nonce_str=\"n\",signature=\"AAAA\",timestamp=\"1\",serial_no=\"S\""
    );
    headers.insert("authorization", HeaderValue::from_str(&signed).expect("a header"));
    headers.insert("content-type", HeaderValue::from_static(kind));
    headers
}

/// Those of the names below that are of money however little is said under them.
const MONEY: &[&str] = &[
    "receivers",
    "profit_sharing",
    "settle_info",
    "royalty_info",
    "royalty_detail_infos",
    "settle_detail_infos",
    "trans_in",
    "payee_info",
    "transfer",
    "subsidy_amount",
    "advance_payment_type",
    "from",
];

/// Words of money that goes elsewhere, and some that nobody knows.
fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "receivers",
            "profit_sharing",
            "settle_info",
            "sub_mchid",
            "sub_mch_id",
            "royalty_info",
            "royalty_detail_infos",
            "sub_merchant",
            "settle_detail_infos",
            "trans_in",
            "payee_info",
            "transfer",
            "subsidy_amount",
            "ext_user_info",
            "business_params",
            "promo_params",
            "advance_payment_type",
            "auth_code",
            "agreement_params",
            "from",
            "Mchid",
            "mchid ",
            "seller_id",
            "AMOUNT",
        ])
        .prop_map(str::to_owned),
        "[a-z_]{3,24}",
        "\\PC{1,6}",
    ]
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(true)),
        Just(json!(STRANGER)),
        Just(json!("")),
        Just(json!([{ "account": STRANGER, "amount": 1 }])),
        Just(json!({ "profit_sharing": true, "receivers": [STRANGER] })),
        Just(json!({ "royalty_detail_infos": [{ "trans_in": STRANGER, "amount": "0.01" }] })),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|f| json!(f)),
        "\\PC{0,8}".prop_map(Value::from),
    ]
}

/// What is done to a lawful body.
#[derive(Clone, Debug)]
enum Trick {
    /// A field that is not on the list, at the top or inside an object that is.
    Field(usize, String, Value),
    /// The payee is another.
    Payee(usize),
    /// A name stands twice, at any depth, perhaps written with an escape.
    Twice(usize, bool),
    /// Octets that are no plain UTF-8 JSON.
    Octets(usize),
    /// An amount that is none.
    Amount(usize),
    /// The same said beside the body.
    Query(String),
}

fn tricks() -> impl Strategy<Value = Trick> {
    prop_oneof![
        4 => (any::<usize>(), names(), values()).prop_map(|(at, name, value)| Trick::Field(at, name, value)),
        2 => any::<usize>().prop_map(Trick::Payee),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(at, escaped)| Trick::Twice(at, escaped)),
        1 => any::<usize>().prop_map(Trick::Octets),
        1 => any::<usize>().prop_map(Trick::Amount),
        1 => "[a-z_]{1,12}".prop_map(Trick::Query),
    ]
}

/// Objects of the body that a field may be put into: the top, and those below it.
fn places(body: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut look = vec![(String::new(), body)];
    while let Some((path, value)) = look.pop() {
        let below: Vec<(String, &Value)> = match value {
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| (format!("{path}/{name}"), value))
                .collect(),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(n, value)| (format!("{path}/{n}"), value))
                .collect(),
            _ => Vec::new(),
        };
        found.extend(
            below
                .iter()
                .filter(|(_, value)| value.is_object())
                .map(|(path, _)| path.clone()),
        );
        look.extend(below);
    }
    found.sort();
    found
}

/// The body with the trick in it; `None` where the trick leaves it lawful (a field that is there already).
fn spoilt(mut body: Value, trick: &Trick, payees: &[&str], amounts: &[&str]) -> Option<Vec<u8>> {
    let pick = |at: usize, all: &[&str]| all.get(at % all.len()).map(|path| (*path).to_owned());
    match trick {
        Trick::Field(at, name, value) => {
            let places = places(&body);
            let place = body.pointer_mut(&places[at % places.len()])?.as_object_mut()?;
            // What is lawful there may be said with any lawful value.
            let known = [
                "attach",
                "sub_mchid",
                "seller_id",
                "settle_info",
                "body",
                "detail",
            ]
            .contains(&name.as_str());
            if known || place.contains_key(name) {
                return None;
            }
            place.insert(name.clone(), value.clone());
        }
        Trick::Payee(at) => *body.pointer_mut(&pick(*at, payees)?)? = json!(STRANGER),
        Trick::Twice(at, escaped) => {
            let text = body.to_string();
            let names: Vec<(usize, &str)> = text
                .match_indices("\":")
                .filter_map(|(end, _)| {
                    let start = text[..end].rfind('"')?;
                    Some((start, &text[start + 1..end]))
                })
                .collect();
            let (start, name) = names[at % names.len()];
            let name = if *escaped {
                format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..])
            } else {
                name.to_owned()
            };
            return Some(
                format!("{}\"{name}\":\"{STRANGER}\",{}", &text[..start], &text[start..]).into_bytes(),
            );
        }
        Trick::Octets(at) => {
            let text = body.to_string();
            return Some(match at % 6 {
                0 => [b"\xef\xbb\xbf", text.as_bytes()].concat(),
                1 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
                2 => text.replacen('{', "{\"attach\":\"\\ud800\",", 1).into_bytes(),
                3 => [text.as_bytes(), text.as_bytes()].concat(),
                4 => [b"{\"attach\":\"\xc0\xaf\",".as_slice(), &text.as_bytes()[1..]].concat(),
                _ => text.replacen('{', "{/**/", 1).into_bytes(),
            });
        }
        Trick::Amount(at) => {
            let odd = [
                json!(0),
                json!(-1),
                json!(1.555),
                json!("1e3"),
                json!(null),
                json!([1]),
                json!(u64::MAX),
                json!("0"),
            ];
            *body.pointer_mut(&pick(*at, amounts)?)? = odd[at % odd.len()].clone();
        }
        Trick::Query(_) => {}
    }
    Some(body.to_string().into_bytes())
}

fn wechat(
    which: usize,
) -> (
    &'static str,
    Value,
    &'static [&'static str],
    &'static [&'static str],
) {
    let order = json!({ "appid": "wx4f", "mchid": OWN, "description": "tea", "out_trade_no": "20260101000001", "notify_url": "https://m.example/n",
        "amount": { "total": 100, "currency": "CNY" }, "scene_info": { "payer_client_ip": "203.0.113.7" }, "settle_info": { "profit_sharing": false } });
    let sub = |number: &str| json!({ "mchid": OWN, "out_trade_no": number, "description": "tea", "amount": { "total_amount": 100, "currency": "CNY" } });
    match which % 5 {
        0 => (
            "/v3/pay/transactions/native",
            order,
            &["/mchid"],
            &["/amount/total"],
        ),
        1 => (
            "/v3/pay/partner/transactions/native",
            json!({ "sp_appid": "wx4f", "sp_mchid": OWN, "sub_mchid": "1610000101", "description": "tea", "out_trade_no": "20260101000001", "notify_url": "https://m.example/n", "amount": { "total": 100, "currency": "CNY" } }),
            &["/sub_mchid", "/sp_mchid"],
            &["/amount/total"],
        ),
        2 => (
            "/v3/combine-transactions/native",
            json!({ "combine_appid": "wx4f", "combine_mchid": OWN, "combine_out_trade_no": "C2026010100001", "notify_url": "https://m.example/n", "sub_orders": [sub("20260101000001"), sub("20260101000002")] }),
            &["/sub_orders/0/mchid", "/sub_orders/1/mchid", "/combine_mchid"],
            &[
                "/sub_orders/0/amount/total_amount",
                "/sub_orders/1/amount/total_amount",
            ],
        ),
        3 => (
            "/v3/pay/transactions/codepay",
            json!({ "appid": "wx4f", "mchid": OWN, "description": "tea", "out_trade_no": "20260101000001", "amount": { "total": 100, "currency": "CNY" },
                "payer": { "auth_code": "134567890123456789" }, "scene_info": { "device_ip": "203.0.113.7", "store_info": { "out_id": "1" } } }),
            &["/mchid"],
            &["/amount/total"],
        ),
        _ => (
            "/v3/refund/domestic/refunds",
            json!({ "sub_mchid": "1610000101", "out_trade_no": "20260101000001", "out_refund_no": "r1", "amount": { "refund": 1, "total": 100, "currency": "CNY" } }),
            &["/sub_mchid"],
            &["/amount/refund", "/amount/total"],
        ),
    }
}

fn alipay(
    which: usize,
) -> (
    &'static str,
    Value,
    &'static [&'static str],
    &'static [&'static str],
) {
    let order = json!({ "out_trade_no": "20260101000001", "total_amount": "0.88", "subject": "tea", "seller_id": "2088000000000001", "extend_params": { "sys_service_provider_id": "2088" }, "goods_detail": [{ "goods_id": "1", "goods_name": "tea", "quantity": 1, "price": "0.88" }] });
    match which % 6 {
        5 => (
            "alipay.data.dataservice.bill.downloadurl.query",
            json!({ "bill_type": "trade", "bill_date": "2026-01-01" }),
            &[],
            &[],
        ),
        3 => {
            let mut order = order;
            order["scene"] = json!("bar_code");
            order["auth_code"] = json!("289821051157962364");
            (
                "alipay.trade.pay",
                order,
                &["/seller_id"],
                &["/total_amount", "/auth_code", "/scene"],
            )
        }
        4 => (
            "alipay.trade.cancel",
            json!({ "out_trade_no": "20260101000001", "trade_no": "2026010122001473031000000001" }),
            &[],
            &[],
        ),
        0 => (
            "alipay.trade.precreate",
            order,
            &["/seller_id"],
            &["/total_amount"],
        ),
        1 => {
            let mut order = order;
            order["product_code"] = json!("JSAPI_PAY");
            order["buyer_id"] = json!("2088102146225135");
            ("alipay.trade.create", order, &["/seller_id"], &["/total_amount"])
        }
        _ => (
            "alipay.trade.refund",
            json!({ "out_trade_no": "20260101000001", "out_request_no": "r1", "refund_amount": "0.10" }),
            &["/out_trade_no"],
            &["/refund_amount"],
        ),
    }
}

/// Whether the facts name the stranger, so that the account's registered payees refuse it (C03).
fn names_the_stranger(native: &Native) -> bool {
    let stranger = |payee: &PayeeNo| payee.as_str() == STRANGER;
    native.payee.as_ref().is_some_and(stranger)
        || native
            .combined
            .iter()
            .flat_map(|group| &group.orders)
            .any(|sub| stranger(&sub.payee))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: HOSTILE, failure_persistence: None, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    //= C03
    //= C21
    fn no_hostile_body_passes_wechats_door(which in any::<usize>(), trick in tricks()) {
        let (path, body, payees, amounts) = wechat(which);
        let lawful = native::read(Channel::Wechat, |_| true, &|_, _, _| Err(native::Unopened::NoKey), "POST", path, &headers("application/json"), body.to_string().as_bytes());
        prop_assert!(lawful.is_ok(), "{path}: {}", lawful.err().map(|e| e.text).unwrap_or_default());
        let Some(octets) = spoilt(body, &trick, payees, amounts) else { return Err(TestCaseError::reject("still lawful")) };
        let target = match &trick {
            Trick::Query(name) => format!("{path}?{name}={STRANGER}"),
            _ => path.to_owned(),
        };
        let read = native::read(Channel::Wechat, |_| true, &|_, _, _| Err(native::Unopened::NoKey), "POST", &target, &headers("application/json"), &octets);
        prop_assert!(read.is_err() || read.is_ok_and(|native| names_the_stranger(&native)), "{target}: {trick:?}");
    }

    #[test]
    //= C03
    //= C21
    fn no_hostile_content_passes_alipays_door(which in any::<usize>(), trick in tricks()) {
        let (method, body, payees, amounts) = alipay(which);
        let form = |content: &[u8], more: &str| {
            let escaped: String = content.iter().map(|octet| format!("%{octet:02X}")).collect();
            format!("app_id={OWN}&method={method}&format=JSON&charset=utf-8&sign_type=RSA2&timestamp=2026-01-01%2008%3A00%3A00&version=1.0&sign=AAAA&biz_content={escaped}{more}")
        };
        let kind = "application/x-www-form-urlencoded;charset=utf-8";
        let ask = |target: &str, form: String| native::read(Channel::Alipay, |_| true, &|_, _, encrypted| Ok(encrypted.ciphertext.clone().into()), "POST", target, &headers(kind), form.as_bytes());
        let lawful = ask("/gateway.do", form(body.to_string().as_bytes(), ""));
        prop_assert!(lawful.is_ok(), "{method}: {}", lawful.err().map(|e| e.text).unwrap_or_default());
        if method == "alipay.trade.refund" && matches!(trick, Trick::Payee(_)) {
            return Err(TestCaseError::reject("a refund names no payee"));
        }
        if payees.is_empty() && matches!(trick, Trick::Payee(_) | Trick::Amount(_)) {
            return Err(TestCaseError::reject("a cancel names neither payee nor amount"));
        }
        let blank = matches!(&trick, Trick::Field(_, name, value) if value == "" && !MONEY.contains(&name.as_str()));
        let Some(octets) = spoilt(body, &trick, payees, amounts) else { return Err(TestCaseError::reject("still lawful")) };
        if blank {
            // An empty text names nobody and asks for nothing: the order is what it was, or it is refused for a name that could be taken for another's.
            if let (lawful, Ok(read)) = (lawful.expect("lawful"), ask("/gateway.do", form(&octets, ""))) {
                prop_assert_eq!((lawful.amount, lawful.payee, lawful.number), (read.amount, read.payee, read.number));
            }
            return Ok(());
        }
        let read = match &trick {
            // Beside the body: in the query, or a parameter that is there already.
            Trick::Query(name) => ask(&format!("/gateway.do?biz_content={STRANGER}&{name}=1"), form(&octets, "")),
            _ => ask("/gateway.do", form(&octets, "")),
        };
        if !matches!(trick, Trick::Query(_)) {
            // Encrypted by the merchant's own client it is told from lawful content all the same.
            let encrypted = ask("/gateway.do", form(STANDARD.encode(&octets).as_bytes(), "&encrypt_type=AES"));
            prop_assert_eq!(read.is_err(), encrypted.is_err(), "{}: {:?}", method, &trick);
            prop_assert!(encrypted.is_err() || encrypted.is_ok_and(|native| names_the_stranger(&native)), "{method}: {trick:?}");
        }
        prop_assert!(read.is_err() || read.is_ok_and(|native| names_the_stranger(&native)), "{method}: {trick:?}");
    }
}
