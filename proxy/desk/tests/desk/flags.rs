//! Two officers, readers on record, and pages that say why.

use crate::{browser::hidden, world::World};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
//= C44
//= C45
//= C46
async fn a_flag_is_decided_by_two_and_never_by_one() {
    let world = World::new().await;
    world.book.thrice("m1", 1, 1);
    let running = world.start().await;
    let (mut li, mut wang) = (
        world.signed_in(&running, "li").await,
        world.signed_in(&running, "wang").await,
    );
    let (mut zhou, mut ren) = (
        world.signed_in(&running, "zhou").await,
        world.signed_in(&running, "ren").await,
    );
    let flags = li.get("/api/flags").await.json();
    assert_eq!(flags["flags"][0]["rule"], "T01", "{flags}");
    let at = |act: &str| format!("/api/flags/acq1/1/{act}");
    let confirm = || json!({"disposition": "confirm", "reason": "三笔同额"});
    assert_eq!(
        wang.post(&at("agree"), json!({})).await.status,
        409,
        "nothing is proposed"
    );
    assert_eq!(ren.post(&at("propose"), confirm()).await.json()["error"], "role");
    assert_eq!(zhou.post(&at("propose"), confirm()).await.json()["error"], "role");
    assert_eq!(
        li.post(&at("propose"), json!({"disposition": "confirm", "reason": " "}))
            .await
            .status,
        422
    );
    let unknown = json!({"disposition": "maybe", "reason": "x"});
    let unknown = li.post(&at("propose"), unknown).await.json();
    assert_eq!(unknown["text"], "say which disposition: confirm or dismiss");
    let first = li.proposed(&at("propose"), confirm()).await["proposal"].clone();
    assert_eq!(
        wang.post(&at("propose"), confirm()).await.status,
        409,
        "one proposal at a time"
    );
    assert_eq!(
        li.post(&at("agree"), json!({})).await.json()["error"],
        "same_officer"
    );
    assert_eq!(
        li.post(&at("return"), json!({"reason": "x"})).await.json()["error"],
        "same_officer"
    );
    assert_eq!(ren.post(&at("agree"), json!({})).await.json()["error"], "role");
    assert_eq!(
        zhou.post(&at("return"), json!({"reason": "证据不足", "proposal": first}))
            .await
            .json()["status"],
        "open"
    );
    let read = wang.proposed(&at("propose"), confirm()).await;
    assert_eq!(li.post(&at("agree"), read).await.json()["status"], "confirmed");
    assert_eq!(zhou.post(&at("propose"), confirm()).await.status, 403);
    assert_eq!(
        li.post(&at("propose"), confirm()).await.status,
        409,
        "decided for good"
    );
    let whole = ren.get("/api/flags/acq1/1").await.json();
    assert_eq!(
        (&whole["decision"]["officer"], &whole["decision"]["proposer"]),
        (&json!("li"), &json!("wang"))
    );
    let what: Vec<&str> = whole["history"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|s| s["what"].as_str())
        .collect();
    assert_eq!(
        what,
        ["raised", "proposed", "returned", "proposed", "decided", "read"]
    );
    assert_eq!(
        whole["history"][5]["officer"], "ren",
        "the regulator's reading is on record"
    );
    assert!(
        whole["entries"][0]["entry"]["event"]["attempt_paid"].is_object(),
        "{whole}"
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_take_the_same_steps() {
    let world = World::new().await;
    world.book.thrice("m1", 1, 1);
    let running = world.start().await;
    let (mut li, mut wang) = (
        world.signed_in(&running, "li").await,
        world.signed_in(&running, "wang").await,
    );
    let page = li.get("/flags/acq1/1").await.text();
    for words in ["标记原因", "同额", "一号店", "N1", "提议"] {
        assert!(page.contains(words), "{words}");
    }
    let reason = "equal amounts within a minute";
    let fields = [
        ("csrf", li.csrf.clone()),
        ("disposition", "dismiss".into()),
        ("reason", reason.into()),
    ];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
    assert_eq!(
        li.form("/flags/acq1/1/propose", &fields).await.header("location"),
        "/flags/acq1/1"
    );
    let own = [("csrf", li.csrf.clone())];
    let own: Vec<(&str, &str)> = own.iter().map(|(n, v)| (*n, v.as_str())).collect();
    assert_eq!(li.form("/flags/acq1/1/agree", &own).await.status, 403);
    let page = wang.get("/flags/acq1/1").await.text();
    assert!(page.contains(reason));
    let second = [
        ("csrf", wang.csrf.clone()),
        ("proposal", hidden(&page, "proposal")),
    ];
    let second: Vec<(&str, &str)> = second.iter().map(|(n, v)| (*n, v.as_str())).collect();
    assert_eq!(wang.form("/flags/acq1/1/agree", &second).await.status, 303);
    assert!(
        wang.get("/?state=dismissed&acquirer=acq1")
            .await
            .text()
            .contains("acq1/1")
    );
    assert!(!wang.get("/?state=confirmed").await.text().contains("acq1/1"));
    assert_eq!(wang.get("/flags/acq1/2").await.status, 404);
    running.stop().await;
}

/// A page that was opened before the proposal was taken back and another one made agrees to nothing.
#[tokio::test(flavor = "multi_thread")]
//= C44
async fn the_second_officer_agrees_to_what_was_read_and_to_nothing_else() {
    let world = World::new().await;
    world.book.thrice("m1", 1, 1);
    let running = world.start().await;
    let (mut li, mut wang) = (
        world.signed_in(&running, "li").await,
        world.signed_in(&running, "wang").await,
    );
    let mut zhou = world.signed_in(&running, "zhou").await;
    let at = |act: &str| format!("/api/flags/acq1/1/{act}");
    let old = json!({"disposition": "dismiss", "reason": "三笔同额"});
    let read = li.proposed(&at("propose"), old).await;
    let page = zhou.get("/flags/acq1/1").await.text();
    let shown = hidden(&page, "proposal");
    assert_eq!(read["proposal"].to_string(), shown);
    let whole = zhou.get("/api/flags/acq1/1").await.json();
    assert_eq!(whole["proposal"]["index"], read["proposal"]);
    let back = json!({"reason": "再查", "proposal": read["proposal"]});
    assert_eq!(wang.post(&at("return"), back.clone()).await.status, 200);
    let new = json!({"disposition": "confirm", "reason": "另有三笔"});
    let fresh = li.proposed(&at("propose"), new).await;

    let csrf = zhou.csrf.clone();
    let fields = [("csrf", csrf.as_str()), ("proposal", shown.as_str())];
    let stale = zhou.form("/flags/acq1/1/agree", &fields).await;
    assert_eq!(stale.status, 409);
    assert!(stale.text().contains("提议已变更"), "{}", stale.text());
    let fields = [fields[0], fields[1], ("reason", "no")];
    assert_eq!(zhou.form("/flags/acq1/1/return", &fields).await.status, 409);
    assert_eq!(zhou.form("/flags/acq1/1/agree", &fields[..1]).await.status, 422);
    let stale = zhou.post(&at("agree"), read).await;
    assert_eq!(
        (stale.status, stale.json()["error"].clone()),
        (409, json!("changed"))
    );
    assert_eq!(zhou.post(&at("return"), back).await.json()["error"], "changed");
    let none = zhou.post(&at("agree"), json!({})).await;
    assert_eq!((none.status, none.json()["error"].clone()), (422, json!("text")));
    assert!(none.text().contains("which proposal"), "{}", none.text());
    assert_eq!(zhou.post(&at("agree"), fresh).await.json()["status"], "confirmed");
    running.stop().await;
}

/// A reason, a name or an entry's text cannot turn what stands around it: officers see the character by its number.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_seen_is_shown() {
    let world = World::new().await;
    world.book.thrice("m1", 1, 1);
    let running = world.start().await;
    let (mut li, mut wang) = (
        world.signed_in(&running, "li").await,
        world.signed_in(&running, "wang").await,
    );
    let reason = "\u{202e}mrifnoc\u{2066} and \u{feff}more";
    let turned = json!({"disposition": "dismiss", "reason": reason});
    li.proposed("/api/flags/acq1/1/propose", turned).await;
    let page = wang.get("/flags/acq1/1").await.text();
    assert!(
        page.contains("⟨U+202E⟩mrifnoc⟨U+2066⟩ and ⟨U+FEFF⟩more"),
        "{page}"
    );
    assert!(!page.contains(['\u{202e}', '\u{2066}', '\u{feff}']));
    let nul = json!({"disposition": "dismiss", "reason": "a\u{0}b"});
    assert_eq!(li.post("/api/flags/acq1/1/propose", nul).await.status, 422);
    running.stop().await;
}
