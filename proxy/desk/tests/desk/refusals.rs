//! What the no-funds guard refused, as officers see it: a list with a filter, sums, no stranger's word, and no flag.

use crate::{trades::name, world::World};
use domain::*;
use serde_json::json;

fn refused(breach: Breach, word: Option<&str>, count: Option<u64>) -> TradeEvent {
    TradeEvent::GuardRefused {
        account: Some(name("1900000109")),
        breach,
        channel: Some(Channel::Wechat),
        clause: breach.clause(),
        count,
        name: word.map(Into::into),
        operation: count.is_none().then_some(Operation::Create),
        since: count.map(|_| Instant::from_secs(1)),
    }
}

//= C81
#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_listed_with_their_clause_and_accuse_nobody() {
    let world = World::new().await;
    let first = world.book.write(
        Some("m1"),
        None,
        refused(Breach::Funds, Some("profit_sharing"), None),
    );
    world
        .book
        .write(Some("m2"), None, refused(Breach::Form, None, None));
    world
        .book
        .write(None, None, refused(Breach::Field, None, Some(41)));
    let running = world.start().await;
    let mut li = world.signed_in(&running, "li").await;
    let all = li.get("/api/refusals").await.json();
    let rows = all["refusals"].as_array().expect("rows");
    assert_eq!(rows.len(), 3);
    assert_eq!(
        (&rows[0]["merchant"], &rows[0]["count"], &rows[0]["clause"]),
        (&json!(null), &json!(41), &json!("C21")),
        "the latest first, and nobody's"
    );
    assert_eq!(
        all["sums"],
        json!([
            { "clause": "C02", "kind": "funds", "count": 1 },
            { "clause": "C21", "kind": "field", "count": 41 },
            { "clause": "C80", "kind": "form", "count": 1 }
        ])
    );
    for (query, found) in [
        ("merchant=m1", 1),
        ("clause=C80", 1),
        ("kind=funds&channel=wechat", 1),
        ("kind=funds&channel=alipay", 0),
        ("date=2020-01-01", 0),
    ] {
        let some = li.get(&format!("/api/refusals?{query}")).await.json();
        assert_eq!(some["refusals"].as_array().map(Vec::len), Some(found), "{query}");
    }
    for slip in ["date=today", "kind=foo", "clause=ZZ", "channel=foo", "colour=red"] {
        let answer = li.get(&format!("/api/refusals?{slip}")).await;
        assert_eq!(
            (answer.status, answer.json()["error"].is_string()),
            (422, true),
            "{slip}"
        );
    }
    assert_eq!(li.get("/api/flags?state=foo").await.status, 422);
    let page = li.get("/refusals?kind=funds").await;
    let text = page.text();
    assert_eq!(page.status, 200);
    assert!(
        text.contains("profit_sharing") && text.contains("m1") && text.contains(&first.to_string()),
        "{text}"
    );
    assert!(!text.contains(">m2<"), "the filter holds: {text}");
    let flags = li.get("/api/flags?state=all").await.json();
    assert_eq!(flags["flags"].as_array().map_or(0, Vec::len), 0, "{flags}");
    running.stop().await;
}
