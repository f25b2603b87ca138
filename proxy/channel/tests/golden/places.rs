//! Where an order's terminal stands, in each channel's own fields (compliance.md R22).

use crate::{
    alipay,
    compose::{bare, buyer, facts, wire},
    number, stamp, unionpay, wechat,
};
use channel::{Account, CreateFacts, Draft, Part};
use domain::*;
use vault::{AuthCode, Buyer};

fn place(store: bool) -> TerminalMatch {
    TerminalMatch {
        area: "310101".into(),
        registry: 7,
        store: store.then(|| Shop {
            address: "南京东路 1 号".into(),
            id: "S-0001".into(),
            name: "南京路店".into(),
        }),
        term_id: Some("49000002".into()),
        tuple: None,
    }
}

/// The signed text of an order whose terminal stands there.
fn said(
    place: &TerminalMatch,
    pay_way: PayWay,
    compose: impl Fn(&CreateFacts<'_>, &Buyer) -> Draft,
) -> String {
    let (no, terminal) = (
        number("20260101000010"),
        TerminalNo::new("T0000001").expect("terminal"),
    );
    let facts = CreateFacts {
        place: Some(place),
        ..facts(&no, pay_way, Some(&terminal))
    };
    let draft = compose(&facts, &bare());
    String::from_utf8(draft.message().to_vec()).expect("text")
}

fn created(account: Account) -> impl Fn(&CreateFacts<'_>, &Buyer) -> Draft {
    move |facts, buyer| channel::create(&account, &stamp(), facts, buyer).expect("composes")
}

fn charged(account: Account, code: &'static str) -> impl Fn(&CreateFacts<'_>, &Buyer) -> Draft {
    let code = AuthCode::new(code.into());
    move |facts, _| channel::charge(&account, &stamp(), facts, &buyer(None), &code).expect("composes")
}

const SHOP: &str = r#"{"address":"南京东路 1 号","area_code":"310101","id":"S-0001","name":"南京路店"}"#;

#[test]
//= C86
fn wechat_is_told_the_device_the_shop_and_its_area() {
    let (whole, bare_place) = (place(true), place(false));
    for way in [PayWay::Native, PayWay::App] {
        let with = said(&whole, way, created(wechat()));
        let scene = format!(r#""scene_info":{{"device_id":"T0000001","store_info":{SHOP}}},"#);
        assert!(with.contains(&scene), "{with}");
        // Sources differ on what may be left out of a shop: without one there is none.
        let without = said(&bare_place, way, created(wechat()));
        assert!(
            without.contains(r#""scene_info":{"device_id":"T0000001"},"#),
            "{without}"
        );
    }
    let v2 = said(&whole, PayWay::Micropay, charged(wechat(), "134567890123456789"));
    let shop = format!(r#"&scene_info={{"store_info":{SHOP}}}&sign_type=HMAC-SHA256&"#);
    assert!(
        v2.contains("&device_info=T0000001&") && v2.contains(&shop),
        "{v2}"
    );
    let scanned = said(&whole, PayWay::Product, |facts, buyer| {
        let facts = CreateFacts {
            product: Some("P1"),
            ..facts.clone()
        };
        channel::create(&wechat(), &stamp(), &facts, buyer).expect("composes")
    });
    assert!(
        scanned.contains("&device_info=T0000001&") && scanned.contains(&shop),
        "{scanned}"
    );
    let codepay = Account {
        codepay: true,
        ..wechat()
    };
    let v3 = said(
        &whole,
        PayWay::Micropay,
        charged(codepay.clone(), "134567890123456789"),
    );
    let scene =
        r#""scene_info":{"device_id":"T0000001","device_ip":"203.0.113.7","store_info":{"out_id":"S-0001"}}"#;
    assert!(v3.contains(scene), "{v3}");
    let v3 = said(
        &bare_place,
        PayWay::Micropay,
        charged(codepay, "134567890123456789"),
    );
    assert!(v3.contains(r#""store_info":{"out_id":"T0000001"}"#), "{v3}");
}

#[test]
//= C86
fn a_groups_scene_has_no_shop() {
    let (place, account) = (place(true), wechat());
    let (group, first, second) = (
        number("G20260101000001"),
        number("20260101000001"),
        number("20260101000002"),
    );
    let (payee, terminal) = (
        PayeeNo::new("1900000109").expect("lawful"),
        TerminalNo::new("T-1").expect("lawful"),
    );
    let buyer = bare();
    let part = |number| Part {
        facts: CreateFacts {
            place: Some(&place),
            ..facts(number, PayWay::Native, Some(&terminal))
        },
        payee: &payee,
        buyer: &buyer,
    };
    let parts = [part(&first), part(&second)];
    let (_, _, body, _) =
        wire(channel::create_combined(&account, &stamp(), &group, &parts).expect("composes"));
    assert!(body.contains(r#""scene_info":{"device_id":"T-1"},"#), "{body}");
}

#[test]
//= C86
fn alipay_is_told_the_terminal_and_the_shop_by_number() {
    let whole = place(true);
    let numbers = r#""store_id":"S-0001","subject":"Test goods","terminal_id":"T0000001","#;
    let text = said(&whole, PayWay::Qr, created(alipay()));
    assert!(text.contains(numbers) && !text.contains("310101"), "{text}");
    let text = said(&whole, PayWay::Wap, |facts, buyer| {
        channel::hand_out(&alipay(), &stamp(), facts, buyer).expect("composes")
    });
    assert!(text.contains(numbers), "{text}");
    let text = said(&whole, PayWay::Micropay, charged(alipay(), "286001013400000001"));
    assert!(
        text.contains(r#""store_id":"S-0001","#) && text.contains(r#""terminal_id":"T0000001","#),
        "{text}"
    );
    let text = said(&place(false), PayWay::Qr, created(alipay()));
    assert!(
        !text.contains("store_id") && text.contains("terminal_id"),
        "{text}"
    );
}

/// `areaInfo` is a field of acquirers' own messages (channels.md 4.6).
#[test]
//= C86
fn unionpay_is_told_the_terminals_number_there_and_of_codes_only() {
    let (account, no) = (unionpay::unionpay(), number("20260101000010"));
    let place = place(true);
    let terminal = TerminalNo::new("T0000001").expect("terminal");
    let with = |pay_way| CreateFacts {
        place: Some(&place),
        terminal: Some(&terminal),
        ..unionpay::facts(&no, pay_way)
    };
    let code = AuthCode::new("6201234567890123456".into());
    let buyer = unionpay::buyer();
    let (_, scanned) =
        unionpay::wire(channel::create(&account, &stamp(), &with(PayWay::Qr), &buyer).expect("composes"));
    let (_, charged) = unionpay::wire(
        channel::charge(&account, &stamp(), &with(PayWay::Micropay), &buyer, &code).expect("composes"),
    );
    let (_, in_app) =
        unionpay::wire(channel::create(&account, &stamp(), &with(PayWay::App), &buyer).expect("composes"));
    assert_eq!(scanned.get("termId").map(String::as_str), Some("49000002"));
    assert_eq!(charged.get("termId").map(String::as_str), Some("49000002"));
    assert!(!in_app.contains_key("termId"));
    assert!(
        [scanned, charged, in_app]
            .iter()
            .all(|said| !said.contains_key("areaInfo"))
    );
}
