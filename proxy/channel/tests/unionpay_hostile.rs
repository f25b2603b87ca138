//! No funds at UnionPay: whatever an order's free texts, numbers and addresses hold, the one merchant number that leaves is
//! the account's own, and no field leaves that could pay, split or settle to anybody else. Ten thousand orders.

#[path = "golden/unionpay.rs"]
#[allow(dead_code, reason = "its tests run in their own binary too")]
mod golden;

use channel::{Account, ComposeError, Draft, HandedOut, Stamp};
use domain::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use vault::{Buyer, Text};

pub(crate) const NOW: Instant = Instant::from_secs(1_767_225_600);

pub(crate) fn stamp() -> Stamp {
    Stamp {
        at: NOW,
        begun: NOW,
        nonce: "n".into(),
    }
}

pub(crate) fn number(text: &str) -> ChannelNo {
    ChannelNo::new(text).expect("a number")
}

/// Every field that is ever sent.
const FIELDS: [&str; 21] = [
    "accessType",
    "backUrl",
    "bizType",
    "certId",
    "channelType",
    "currencyCode",
    "encoding",
    "frontUrl",
    "merId",
    "orderId",
    "payTimeout",
    "qrNo",
    "reqReserved",
    "signMethod",
    "signature",
    "txnAmt",
    "txnSubType",
    "txnTime",
    "txnType",
    "version",
    "origQryId",
];

/// Texts that would like to be something else than text.
fn hostile() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "&merId=777290058110049",
        "&subMerId=777290058110049",
        "&accSplitData={accSplitType=1&accSplitMcts=777290058110049}",
        "&txnAmt=1",
        "&payeeName=x",
        "merId=777290058110049",
        "{merId=777290058110049&a=b}",
        "[x]",
        "{",
        "}",
        "=",
        "&",
        "%26merId%3D1",
        "\r\nmerId: 1",
        "\0",
        "\"><input name=merId value=1>",
        "'",
        "<!ENTITY x>",
        "+",
        " ",
        "张三",
        "\u{202e}",
        "\u{feff}",
        "&signature=AAAA",
        "&backUrl=https://evil.example/",
        "&origQryId=1",
        "6222021234567890123",
    ]);
    prop_oneof![
        prop::collection::vec(token, 0..8).prop_map(|parts| parts.concat()),
        any::<String>()
    ]
}

fn buyer(texts: [String; 4], phone: bool) -> Buyer {
    let [description, attach, return_url, other] =
        texts.map(|text| Text::new(text.chars().take(256).collect()));
    Buyer {
        description,
        attach: Some(attach),
        return_url: Some(return_url),
        detail: Some(other),
        h5_type: phone.then(|| Text::from("iOS")),
        ..golden::buyer()
    }
}

fn account(method: SignMethod) -> Account {
    Account {
        sign_method: method,
        ..golden::unionpay()
    }
}

fn sent(
    pay_way: PayWay,
    account: &Account,
    facts: &channel::CreateFacts<'_>,
    buyer: &Buyer,
) -> Result<Draft, ComposeError> {
    match pay_way {
        PayWay::Qr => channel::create(account, &stamp(), facts, buyer),
        _ => channel::hand_out(account, &stamp(), facts, buyer),
    }
}

/// The fields of a page, read as a browser reads them.
fn shown(handed: &HandedOut) -> BTreeMap<String, String> {
    let fields = handed.for_browser("https://gateway.95516.com")["form"]["fields"].clone();
    fields
        .as_object()
        .expect("fields")
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned()))
        .collect()
}

/// What a browser's reader of markup finds in the hidden inputs.
fn of_page(page: &str) -> BTreeMap<String, String> {
    let plain = |text: &str| {
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&amp;", "&")
    };
    page.split("<input type=\"hidden\" name=\"")
        .skip(1)
        .map(|part| {
            let (name, rest) = part.split_once("\" value=\"").expect("a value");
            (name.to_owned(), plain(rest.split_once("\">").expect("an end").0))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    //= C03
    fn nobody_is_paid_but_the_merchant(
        texts in [hostile(), hostile(), hostile(), hostile()], phone in any::<bool>(), way in 0usize..3, method in 0usize..3, amount in 1u64..1_000_000_000, no in "[0-9A-Za-z_*-]{1,44}",
    ) {
        let pay_way = [PayWay::Qr, PayWay::Gateway, PayWay::GatewayB2b][way];
        let account = account([SignMethod::Signature, SignMethod::KeyedSha256, SignMethod::KeyedSm3][method]);
        let number = ChannelNo::new(no).expect("lawful");
        let facts = channel::CreateFacts { amount: Amount::from_fen(amount), ..golden::facts(&number, pay_way) };
        let buyer = buyer(texts, phone);
        let draft = match sent(pay_way, &account, &facts, &buyer) {
            Ok(draft) => draft,
            Err(error) => {
                prop_assert_eq!(error, ComposeError::Number);
                prop_assert!(!channel::number_fits(Channel::Unionpay, number.as_str()));
                return Ok(());
            }
        };
        let again = sent(pay_way, &account, &facts, &buyer).expect("composes again");
        let (_, fields) = golden::wire(draft);
        prop_assert!(fields.keys().all(|name| FIELDS.contains(&name.as_str())), "{:?}", fields.keys());
        prop_assert_eq!(&fields["merId"], account.payee.as_str());
        prop_assert_eq!(&fields["txnAmt"], &amount.to_string());
        prop_assert_eq!(&fields["backUrl"], &account.notify_url);
        prop_assert_eq!(&fields["accessType"], "0");
        if let (true, Some(handed)) = (pay_way != PayWay::Qr, again.hand_out(b"sig")) {
            prop_assert_eq!(&shown(&handed), &fields);
            let page = handed.for_browser("https://gateway.95516.com");
            let page = page["page"].as_str().expect("a page");
            prop_assert_eq!(&of_page(page), &fields);
            prop_assert_eq!(page.matches("<form").count() + page.matches("<script").count() + page.matches("action=").count(), 3);
        }
    }
}
