//! Differences of bills: proposed by one, agreed to by another, by page and by JSON, and the same after a restart.

use crate::{
    browser::{Browser, hidden},
    trades::{asked, matched, name, taken},
    world::{World, until},
};
use domain::*;
use serde_json::json;

fn bill(account: &str, day: &str) -> BillKey {
    BillKey {
        account: name(account),
        channel: Channel::Unionpay,
        day: Day::parse(day).expect("a day"),
        kind: BillKind::Trade,
    }
}

/// Of the order `number` of 2026-01-01, which the bill has where it is not `missing`.
fn differs(bill: &BillKey, number: &str, difference: DifferenceKind, missing: bool) -> TradeEvent {
    TradeEvent::BillDiffers {
        amount: Some(Amount::from_fen(1280)),
        bill: bill.clone(),
        bill_amount: (!missing).then_some(Amount::from_fen(1281)),
        bill_state: (!missing).then_some(BillState::Done),
        bill_trade_no: (!missing).then(|| name("4200")),
        day: Day::parse("2026-01-01").expect("a day"),
        difference,
        movement: Movement::Payment,
        n: 1,
        number: Some(name(number)),
        payment: None,
        refund: None,
        state: Some(RecordState::Done),
        trade_no: Some(name("4200")),
    }
}

/// Puts a bill and what was found in it on record; where that stands.
fn compare(world: &World, merchant: &str, bill: &BillKey, found: Vec<TradeEvent>) -> Vec<u64> {
    let put = |event| world.book.write(Some(merchant), None, event);
    put(asked(bill, 1));
    put(taken(bill, Some(1)));
    let places = found.into_iter().map(put).collect();
    put(matched(bill));
    places
}

/// Where the differences stand that the desk lists.
async fn listed(browser: &mut Browser, query: &str) -> Vec<u64> {
    let answer = browser.get(&format!("/api/differences{query}")).await.json();
    let all = answer["differences"].as_array().into_iter().flatten();
    all.filter_map(|row| row["index"].as_u64()).collect()
}

//= C62
#[tokio::test(flavor = "multi_thread")]
async fn a_difference_is_resolved_by_two_and_stays_resolved() {
    let world = World::new().await;
    let (one, two) = (bill("1900000109", "2026-01-01"), bill("1900000110", "2026-01-01"));
    let amount = differs(&one, "T1", DifferenceKind::Amount, false);
    let first = compare(&world, "m1", &one, vec![amount])[0];
    let repeated = differs(&two, "T1", DifferenceKind::Repeated, false);
    compare(&world, "m2", &two, vec![repeated]);
    let running = world.start().await;
    let (mut li, mut wang) = (
        world.signed_in(&running, "li").await,
        world.signed_in(&running, "wang").await,
    );
    assert_eq!(listed(&mut li, "").await.len(), 2);
    let of_day = "?merchant=m1&date=2026-01-01&state=open";
    assert_eq!(listed(&mut li, of_day).await, [first]);
    assert!(listed(&mut li, "?date=2026-01-02").await.is_empty());
    let all = li.get("/api/differences").await.json();
    let about = &all["differences"][0]["difference"];
    assert_eq!(
        (&about["day"], &about["bill"]["day"], &all["resolutions"]),
        (
            &json!("2026-01-01"),
            &json!("2026-01-01"),
            &json!(["bill_stands", "record_stands", "explained"])
        )
    );
    let unknown = json!({"resolution": "settled", "reason": "r"});
    let unknown = li
        .post(&format!("/api/differences/{first}/propose"), unknown)
        .await;
    assert_eq!(unknown.status, 422);
    assert!(
        unknown.text().contains("bill_stands, record_stands or explained"),
        "{}",
        unknown.text()
    );
    for slip in [
        "date=today",
        "state=Open",
        "state=settled",
        "merchants=m1",
        "before=x",
    ] {
        for list in ["differences", "unproven"] {
            let answer = li.get(&format!("/api/{list}?{slip}")).await;
            assert_eq!(
                (answer.status, answer.json()["error"].is_string()),
                (422, true),
                "{slip}"
            );
        }
    }
    let page = li.get("/books?lang=en").await;
    assert_eq!(page.status, 200);
    let text = page.text();
    assert!(
        text.contains("paid · 12.81 CNY · 4200") && text.contains("m1"),
        "{text}"
    );
    let about = "payment · T1 · UnionPay · 1900000109 · bill of 2026-01-01 · trade bill";
    assert!(text.contains(about), "{text}");
    let zh = li.get("/books?lang=zh").await.text();
    for word in ["支付 · T1 · 云闪付", "账单日 2026-01-01", "交易账单", "12.81 元"] {
        assert!(zh.contains(word), "{word}: {zh}");
    }
    li.get("/books?lang=en").await;
    let csrf = hidden(&text, "csrf");
    let path = format!("/books/{first}");
    let fields = |reason: &'static str| {
        [
            ("csrf", csrf.as_str()),
            ("resolution", "bill_stands"),
            ("reason", reason),
        ]
    };
    assert_eq!(
        li.form(
            &format!("{path}/propose"),
            &[("csrf", "x"), ("resolution", "explained"), ("reason", "r")]
        )
        .await
        .status,
        403
    );
    assert_ne!(
        li.form(&format!("{path}/propose"), &fields("")).await.status,
        303,
        "no reason was asked for"
    );
    assert_eq!(
        li.form(&format!("{path}/propose"), &fields("counted twice"))
            .await
            .status,
        303
    );
    let stale = hidden(&wang.get("/books").await.text(), "proposal");
    let old: u64 = stale.parse().expect("an index");
    assert_eq!(
        li.form(&format!("{path}/agree"), &fields("")).await.status,
        403,
        "one officer decided alone"
    );
    let mut ren = world.signed_in(&running, "ren").await;
    let api = format!("/api/differences/{first}");
    assert_eq!(
        ren.post(&format!("{api}/agree"), json!({})).await.status,
        403,
        "a regulator reads"
    );
    assert_eq!(
        wang.post(&format!("{api}/return"), json!({"reason": "look again"}))
            .await
            .status,
        422,
        "which proposal?"
    );
    let back = json!({"reason": "look again", "proposal": old});
    assert_eq!(
        wang.post(&format!("{api}/return"), back.clone()).await.status,
        200
    );
    let explained = json!({"resolution": "explained", "reason": "found"});
    let fresh = li.proposed(&format!("{api}/propose"), explained).await["proposal"].clone();
    let listed = wang.get("/api/differences?state=proposed").await.json();
    assert_eq!(listed["differences"][0]["proposal"]["index"], fresh);
    // What wang saw was that the bill stands.
    for (act, body) in [("agree", json!({"proposal": old})), ("return", back)] {
        let answer = wang.post(&format!("{api}/{act}"), body).await;
        assert_eq!(
            (answer.status, answer.json()["error"].clone()),
            (409, json!("changed"))
        );
    }
    let page = wang.get("/books").await.text();
    let (csrf, shown) = (hidden(&page, "csrf"), hidden(&page, "proposal"));
    let mut sent = [
        ("csrf", csrf.as_str()),
        ("reason", "no"),
        ("proposal", stale.as_str()),
    ];
    for act in ["agree", "return"] {
        assert_eq!(wang.form(&format!("{path}/{act}"), &sent).await.status, 409);
    }
    sent[2].1 = &shown;
    assert_eq!(wang.form(&format!("{path}/agree"), &sent).await.status, 303);
    running.stop().await;
    let running = world.start().await;
    let mut li = world.signed_in(&running, "li").await;
    let rows = li.get("/api/differences?merchant=m1").await.json();
    let row = &rows["differences"][0];
    assert_eq!(
        (&row["state"], &row["resolved"]["resolution"]),
        (&json!("resolved"), &json!("explained"))
    );
    assert_eq!(
        (&row["resolved"]["proposer"], &row["resolved"]["officer"]),
        (&json!("li"), &json!("wang"))
    );
    assert_eq!(row["resolved"]["reason"], "found");
    let page = li.get("/books?lang=en").await.text();
    let people = "Proposed by li · agreed by wang";
    assert!(page.contains(people) && page.contains(">found<"), "{page}");
    assert_eq!(
        li.post(
            &format!("{api}/propose"),
            json!({"resolution": "explained", "reason": "once more"})
        )
        .await
        .status,
        409
    );
    until(|| running.cases.look(|state| state.difference(first).is_some())).await;
    running.stop().await;
}

/// UnionPay's word of "no file" is doubted: when the file comes after all, nothing that only the doubt found stands, and
/// nobody decides it.
#[tokio::test(flavor = "multi_thread")]
//= C62
async fn a_bill_that_comes_after_all_leaves_nothing_open() {
    let world = World::new().await;
    let day = bill("1900000109", "2026-01-01");
    let put = |event| world.book.write(Some("m1"), None, event);
    put(asked(&day, 1));
    put(taken(&day, None));
    let alone = put(differs(&day, "U1", DifferenceKind::OnlyHere, true));
    let running = world.start().await;
    let (mut li, mut wang) = (
        world.signed_in(&running, "li").await,
        world.signed_in(&running, "wang").await,
    );
    assert!(
        listed(&mut li, "").await.is_empty(),
        "it is not compared to its end yet"
    );
    put(matched(&day));
    put(asked(&day, 2));
    world.read(&running).await;
    assert_eq!(listed(&mut li, "").await, [alone]);
    let path = format!("/api/differences/{alone}");
    let proposal = json!({"resolution": "explained", "reason": "the file is late"});
    let read = li.proposed(&format!("{path}/propose"), proposal).await;
    put(taken(&day, Some(1)));
    world.read(&running).await;
    assert!(listed(&mut li, "").await.is_empty());
    assert_eq!(
        wang.post(&format!("{path}/agree"), read).await.status,
        404,
        "what stands no more is nobody's to decide"
    );
    put(matched(&day));
    world.read(&running).await;
    assert!(listed(&mut li, "").await.is_empty());
    assert!(!li.get("/books").await.text().contains("U1"));
    running.stop().await;
}

/// A bill that is compared again: what is found no more is nobody's to decide, what still is keeps its place and its proposal.
#[tokio::test(flavor = "multi_thread")]
//= C62
async fn a_second_comparison_leaves_what_it_still_finds_to_its_officers() {
    let world = World::new().await;
    let (day, next) = (bill("1900000109", "2026-01-01"), bill("1900000109", "2026-01-02"));
    let missing = differs(&day, "T2", DifferenceKind::OnlyHere, true);
    let stays = differs(&day, "T1", DifferenceKind::State, false);
    let before = compare(&world, "m1", &day, vec![stays, missing]);
    let later = differs(&next, "T3", DifferenceKind::Day, false);
    let other = compare(&world, "m1", &next, vec![later])[0];
    let running = world.start().await;
    let (mut li, mut wang) = (
        world.signed_in(&running, "li").await,
        world.signed_in(&running, "wang").await,
    );
    let page = li.get("/books?lang=en").await.text();
    assert!(
        page.contains("bill of 2026-01-02 · belongs to 2026-01-01"),
        "{page}"
    );
    let mut proposals = Vec::new();
    for index in &before {
        let explained = json!({"resolution": "explained", "reason": "asked by telephone"});
        let path = format!("/api/differences/{index}");
        proposals.push((
            path.clone(),
            li.proposed(&format!("{path}/propose"), explained).await,
        ));
    }
    let put = |event| world.book.write(Some("m1"), None, event);
    put(asked(&day, 2));
    put(TradeEvent::BillTaken {
        again: true,
        bill: day.clone(),
        digest: None,
        entries: 9,
    });
    put(TradeEvent::BillSettled {
        bill: day.clone(),
        difference: before[1],
    });
    let new = put(differs(&day, "T4", DifferenceKind::OnlyHere, true));
    world.read(&running).await;
    assert_eq!(
        listed(&mut li, "").await,
        [other, before[0]],
        "not at its end yet"
    );
    put(matched(&day));
    world.read(&running).await;
    assert_eq!(listed(&mut li, "").await, [new, other, before[0]]);
    for ((path, read), status) in proposals.into_iter().zip([200, 404]) {
        assert_eq!(wang.post(&format!("{path}/agree"), read).await.status, status);
    }
    running.stop().await;
}

/// The merchant reads one difference of a movement that two days' bills speak of, and so do officers.
#[tokio::test(flavor = "multi_thread")]
async fn a_later_bills_word_settles_what_was_missing() {
    let world = World::new().await;
    let (day, next) = (bill("1900000109", "2026-01-01"), bill("1900000109", "2026-01-02"));
    let missing = vec![
        differs(&day, "T1", DifferenceKind::Day, true),
        differs(&day, "T2", DifferenceKind::OnlyHere, true),
        differs(&day, "T3", DifferenceKind::Amount, false),
    ];
    let before = compare(&world, "m1", &day, missing);
    let later = |two: bool| {
        let one = differs(&next, "T1", DifferenceKind::Day, false);
        let two = two.then(|| differs(&next, "T2", DifferenceKind::OnlyHere, true));
        [one].into_iter().chain(two).collect()
    };
    let after = compare(&world, "m1", &next, later(true));
    let running = world.start().await;
    let mut li = world.signed_in(&running, "li").await;
    assert_eq!(listed(&mut li, "").await, [after[1], after[0], before[2]]);
    let gone = json!({"resolution": "explained", "reason": "r"});
    let gone = li
        .post(&format!("/api/differences/{}/propose", before[0]), gone)
        .await;
    assert_eq!(gone.status, 404);
    // The later bill is taken anew and says nothing of the second one: its first word stands again.
    let again = compare(&world, "m1", &next, later(false));
    world.read(&running).await;
    assert_eq!(listed(&mut li, "").await, [again[0], before[2], before[1]]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_is_read_page_by_page() {
    let world = World::new().await;
    let day = bill("1900000109", "2026-01-01");
    let of = |n: u64| differs(&day, &format!("T{n}"), DifferenceKind::Amount, false);
    let places = compare(&world, "m1", &day, (0..1002).map(of).collect());
    let running = world.start().await;
    let mut li = world.signed_in(&running, "li").await;
    let first = li.get("/api/differences").await.json();
    let rows = first["differences"].as_array().expect("a list");
    assert_eq!((rows.len(), &first["more"]), (1000, &json!(2)));
    let rest = format!("?before={}", rows[999]["index"]);
    assert_eq!(listed(&mut li, &rest).await, [places[1], places[0]]);
    assert!(li.get("/books").await.text().contains("+ 802"));
    running.stop().await;
}
