//! What neither a bill nor an answer proves: listed, looked up by people, decided by two of them, and the same after a restart.

use crate::{
    browser::hidden,
    trades::{asked, matched, name, refused, taken},
    world::{World, until},
};
use domain::*;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

fn bill(channel: Channel, days_ago: i32) -> BillKey {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let today = Instant::from_millis(now.as_millis() as i64).day();
    let kind = match channel {
        Channel::Baidu => BillKind::Queried,
        _ => BillKind::Trade,
    };
    BillKey {
        account: name("1900000109"),
        channel,
        day: Day::from_number(today.number() - days_ago),
        kind,
    }
}

fn unanswered(bill: &BillKey, number: &str) -> TradeEvent {
    let one = Unanswered {
        code: "5804".into(),
        number: name(number),
        payment: PaymentId::from_bytes([7; 16]),
        refund: Some(name("B1-r1")),
    };
    TradeEvent::BillUnanswered {
        bill: bill.clone(),
        movements: vec![one],
    }
}

struct Written {
    unanswered: u64,
    overdue: u64,
    never: u64,
    not_asked: u64,
}

/// A day whose second comparison still has one order unanswered, a bill that is overdue, one that never came, one that came, one that
/// nobody asked for.
fn write(world: &World) -> Written {
    let (baidu, late, never) = (
        bill(Channel::Baidu, 5),
        bill(Channel::Wechat, 20),
        bill(Channel::Alipay, 200),
    );
    let came = bill(Channel::Wechat, 21);
    let put = |event| world.book.write(Some("m1"), None, event);
    put(asked(&baidu, 1));
    put(taken(&baidu, Some(1)));
    put(unanswered(&baidu, "B9"));
    put(asked(&baidu, 2));
    put(taken(&baidu, Some(1)));
    let unanswered = put(unanswered(&baidu, "B1"));
    put(matched(&baidu));
    put(asked(&late, 1));
    put(refused(&late));
    let overdue = put(asked(&late, 2));
    put(refused(&late));
    let never = put(asked(&never, 30));
    put(asked(&came, 1));
    put(taken(&came, Some(1)));
    put(matched(&came));
    let not_asked = put(TradeEvent::BillNotAsked {
        bill: bill(Channel::Unionpay, 200),
    });
    Written {
        unanswered,
        overdue,
        never,
        not_asked,
    }
}

fn row(list: &Value, index: u64) -> &Value {
    let all = list["unproven"].as_array().into_iter().flatten();
    let mut found = all.filter(|row| row["index"] == index);
    found.next().expect("listed")
}

//= C62
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_proven_is_listed_and_two_put_on_record_what_they_found() {
    let world = World::new().await;
    let wrote = write(&world);
    let running = world.start().await;
    let (mut li, mut wang) = (
        world.signed_in(&running, "li").await,
        world.signed_in(&running, "wang").await,
    );
    let list = li.get("/api/unproven").await.json();
    assert_eq!(list["unproven"].as_array().map(Vec::len), Some(4), "{list}");
    let found = row(&list, wrote.unanswered);
    assert_eq!(
        (
            &found["why"],
            &found["movements"][0]["number"],
            &found["movements"][0]["code"],
            &found["tries"]
        ),
        (&json!("unanswered"), &json!("B1"), &json!("5804"), &json!(2))
    );
    let late = row(&list, wrote.overdue);
    assert_eq!(
        (&late["why"], &late["code"], &late["tries"], &late["decided_here"]),
        (
            &json!("overdue"),
            &json!("STATEMENT_CREATING"),
            &json!(2),
            &json!(false)
        )
    );
    for index in [wrote.never, wrote.not_asked] {
        assert_eq!(row(&list, index)["why"], "never_came");
    }
    let of_day = format!("/api/unproven?merchant=m1&date={}", bill(Channel::Baidu, 5).day);
    assert_eq!(
        li.get(&of_day).await.json()["unproven"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(
        li.get("/api/unproven?merchant=m2").await.json()["unproven"],
        json!([])
    );
    assert_eq!(li.get("/api/unproven?date=today").await.status, 422);

    let page = li.get("/books").await.text();
    for there in ["B1 / B1-r1 · 5804", "STATEMENT_CREATING", "账单始终未提供"] {
        assert!(page.contains(there), "{there} is not on the page: {page}");
    }
    let form = |index: u64| page.contains(&format!("action=\"/books/{index}/propose\""));
    assert!(form(wrote.unanswered) && form(wrote.never));
    assert!(
        !form(wrote.overdue),
        "what is still asked for is nobody's to decide"
    );
    let english = li.get("/books?lang=en").await.text();
    assert!(english.contains("Bill never came") && english.contains("Looked up: our record stands"));

    let proposal = json!({"resolution": "record_stands", "reason": "seen on the merchant site"});
    let path = |index: u64, act: &str| format!("/api/differences/{index}/{act}");
    let late = li.post(&path(wrote.overdue, "propose"), proposal.clone()).await;
    assert_eq!(late.status, 404, "{}", late.text());
    let mut read = json!({});
    for index in [wrote.unanswered, wrote.never] {
        read = li.proposed(&path(index, "propose"), proposal.clone()).await;
        assert_eq!(
            li.post(&path(index, "agree"), json!({})).await.status,
            403,
            "alone"
        );
    }
    assert_eq!(
        wang.post(&path(wrote.never, "agree"), read.clone()).await.status,
        200
    );
    assert_eq!(
        wang.post(&path(wrote.unanswered, "agree"), read).await.json()["error"],
        "changed",
        "another matter's proposal"
    );
    let page = wang.get("/books").await.text();
    let (csrf, shown) = (hidden(&page, "csrf"), hidden(&page, "proposal"));
    let agree = format!("/books/{}/agree", wrote.unanswered);
    let sent = [("csrf", csrf.as_str()), ("proposal", shown.as_str())];
    assert_eq!(wang.form(&agree, &sent).await.status, 303);
    running.stop().await;
    let running = world.start().await;
    let mut li = world.signed_in(&running, "li").await;
    until(|| {
        running
            .cases
            .look(|state| state.difference(wrote.never).is_some())
    })
    .await;
    let list = li.get("/api/unproven?state=resolved").await.json();
    assert_eq!(list["unproven"].as_array().map(Vec::len), Some(2), "{list}");
    let done = row(&list, wrote.unanswered);
    assert_eq!(
        (
            &done["resolved"]["proposer"],
            &done["resolved"]["officer"],
            &done["resolved"]["resolution"]
        ),
        (&json!("li"), &json!("wang"), &json!("record_stands"))
    );
    running.stop().await;
}

/// A bill that was compared and is asked for again, in doubt of its word, is not overdue: until another is taken it stands.
#[tokio::test(flavor = "multi_thread")]
async fn a_doubted_bill_is_not_overdue() {
    let world = World::new().await;
    let (doubted, gone) = (bill(Channel::Unionpay, 20), bill(Channel::Unionpay, 200));
    let put = |event| world.book.write(Some("m1"), None, event);
    for bill in [&doubted, &gone] {
        put(asked(bill, 1));
        put(taken(bill, None));
        put(unanswered(bill, "U1"));
        put(matched(bill));
        put(asked(bill, 2));
        put(refused(bill));
    }
    let running = world.start().await;
    let mut li = world.signed_in(&running, "li").await;
    let list = li.get("/api/unproven").await.json();
    let why = |list: &Value| -> Vec<Value> {
        let all = list["unproven"].as_array().into_iter().flatten();
        all.map(|row| row["why"].clone()).collect()
    };
    assert_eq!(why(&list), ["unanswered", "unanswered"], "{list}");
    assert!(!li.get("/books?lang=en").await.text().contains("Bill overdue"));
    put(taken(&doubted, Some(2)));
    world.read(&running).await;
    let list = li.get("/api/unproven").await.json();
    assert_eq!(why(&list), ["unanswered", "overdue"], "{list}");
    assert_eq!(
        list["unproven"][1]["tries"], 2,
        "by its last call, which brought it: {list}"
    );
    put(matched(&doubted));
    world.read(&running).await;
    let list = li.get("/api/unproven").await.json();
    assert_eq!(why(&list), ["unanswered"], "{list}");
    running.stop().await;
}
