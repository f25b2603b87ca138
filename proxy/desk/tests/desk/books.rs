//! Differences of bills: proposed by one, agreed to by another, by page and by JSON, and the same after a restart.

use crate::{
    browser::hidden,
    trades::name,
    world::{World, until},
};
use domain::*;
use serde_json::json;

fn differs(n: u64, difference: DifferenceKind) -> TradeEvent {
    let day = Day::parse("2026-01-01").expect("a day");
    TradeEvent::BillDiffers {
        amount: Some(Amount::from_fen(1280)),
        bill: BillKey {
            account: name("1900000109"),
            channel: Channel::Wechat,
            day,
            kind: BillKind::Trade,
        },
        bill_amount: Some(Amount::from_fen(1281)),
        bill_trade_no: Some(name("4200")),
        day,
        difference,
        movement: Movement::Payment,
        n,
        number: Some(name("T1")),
        payment: None,
        refund: None,
        trade_no: Some(name("4200")),
    }
}

//= C62
#[tokio::test(flavor = "multi_thread")]
async fn a_difference_is_resolved_by_two_and_stays_resolved() {
    let world = World::new().await;
    let first = world
        .book
        .write(Some("m1"), None, differs(1, DifferenceKind::Amount));
    world
        .book
        .write(Some("m2"), None, differs(1, DifferenceKind::Repeated));
    let running = world.start().await;
    let (mut li, mut wang) = (
        world.signed_in(&running, "li").await,
        world.signed_in(&running, "wang").await,
    );
    let listed = |answer: serde_json::Value| answer["differences"].as_array().map_or(0, Vec::len);
    assert_eq!(listed(li.get("/api/differences").await.json()), 2);
    assert_eq!(
        listed(
            li.get("/api/differences?merchant=m1&date=2026-01-01&state=open")
                .await
                .json()
        ),
        1
    );
    assert_eq!(listed(li.get("/api/differences?date=2026-01-02").await.json()), 0);
    assert_eq!(li.get("/api/differences?date=today").await.status, 422);
    let page = li.get("/books").await;
    assert_eq!(page.status, 200);
    let text = page.text();
    assert!(
        text.contains("12.81 CNY") && text.contains("m1") && text.contains("T1"),
        "{text}"
    );
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
