//! Passwords, sessions, tokens, roles, headers.

use crate::{
    browser::hidden,
    world::{PASSWORD, World},
};
use domain::{CaseEntry, CaseEvent};
use serde_json::json;
use std::net::Ipv4Addr;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_in_without_a_password_and_every_try_is_on_record() {
    let world = World::new().await;
    let running = world.start().await;
    let mut stranger = world.browser(&running);
    assert_eq!(
        (
            stranger.get("/").await.status,
            stranger.get("/").await.header("location").to_owned()
        ),
        (303, "/sign-in".into())
    );
    for path in [
        "/api/flags",
        "/api/measures",
        "/api/status",
        "/api/exports",
        "/api/differences",
        "/api/unproven",
        "/api/flags/acq1/1",
    ] {
        assert_eq!(stranger.get(path).await.status, 401, "{path}");
    }
    let wrong = stranger
        .post("/api/sign-in", json!({"name": "li", "password": "wrong"}))
        .await;
    let nobody = stranger
        .post("/api/sign-in", json!({"name": "nobody", "password": PASSWORD}))
        .await;
    assert_eq!((wrong.status, nobody.status), (401, 401));
    assert_eq!(
        wrong.body, nobody.body,
        "a name that exists looks like one that does not"
    );
    stranger.sign_in("li", PASSWORD).await;
    assert_eq!(stranger.get("/api/flags").await.status, 200);
    let reader = running.cases.reader();
    let events: Vec<CaseEvent> = reader
        .scan(0)
        .map(|row| {
            CaseEntry::from_canonical(&row.expect("read").1)
                .expect("an entry")
                .event
        })
        .collect();
    let refused = events
        .iter()
        .filter(|e| matches!(e, CaseEvent::SignInRefused { .. }))
        .count();
    let signed = events
        .iter()
        .any(|e| matches!(e, CaseEvent::SignedIn { officer } if officer.as_str() == "li"));
    assert!(refused == 2 && signed);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_wrong_passwords_close_a_name_and_leave_others_open() {
    let world = World::new().await;
    let running = world.start().await;
    let mut browser = world.browser(&running);
    for _ in 0..10 {
        let answer = browser
            .post("/api/sign-in", json!({"name": "li", "password": "guess"}))
            .await;
        assert_eq!(answer.status, 401);
    }
    let right = browser
        .post("/api/sign-in", json!({"name": "li", "password": PASSWORD}))
        .await;
    assert_eq!(
        (right.status, right.json()["error"].clone()),
        (429, json!("too_many"))
    );
    browser.sign_in("wang", PASSWORD).await;
    running.stop().await;
}

/// All at once is not a way around it: a try counts before its password is hashed.
#[tokio::test(flavor = "multi_thread")]
async fn sixty_wrong_passwords_at_once_are_ten_tries() {
    let world = World::new().await;
    let running = world.start().await;
    let mut all = JoinSet::new();
    for n in 0..60 {
        let mut browser = world.browser(&running);
        browser.from = Ipv4Addr::new(127, 0, 0, 1 + n / 20);
        all.spawn(async move {
            let guess = json!({"name": "li", "password": "guess"});
            browser.post("/api/sign-in", guess).await.status
        });
    }
    let mut statuses = all.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [[401; 10].as_slice(), [429; 50].as_slice()].concat());
    let reader = running.cases.reader();
    let refused = reader.scan(0).filter(|row| {
        let (_, bytes) = row.as_ref().expect("read");
        let entry = CaseEntry::from_canonical(bytes).expect("an entry");
        matches!(entry.event, CaseEvent::SignInRefused { .. })
    });
    assert_eq!(refused.count(), 10);
    // What succeeds is no failure of its address: many sign in behind one.
    for _ in 0..31 {
        world.signed_in(&running, "wang").await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_signs_in_with_its_own_token_and_out_again() {
    let world = World::new().await;
    let running = world.start().await;
    let mut browser = world.browser(&running);
    let page = browser.get("/sign-in").await.text();
    let token = hidden(&page, "token");
    let fields = [("name", "li"), ("password", PASSWORD), ("token", token.as_str())];
    let mut elsewhere = world.browser(&running);
    assert_eq!(
        elsewhere.form("/sign-in", &fields).await.status,
        403,
        "a token without its cookie"
    );
    let answer = browser.form("/sign-in", &fields).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/"));
    let cookie = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|v| v.to_str().expect("text"))
        .next()
        .expect("a cookie");
    for flag in ["__Host-desk=", "Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(flag), "{flag} in {cookie}");
    }
    let queue = browser.get("/").await;
    assert_eq!(queue.status, 200);
    let csrf = hidden(&queue.text(), "csrf");
    assert_eq!(browser.form("/sign-out", &[("csrf", "wrong")]).await.status, 403);
    assert_eq!(
        browser.form("/sign-out", &[("csrf", csrf.as_str())]).await.status,
        303
    );
    assert_eq!(browser.get("/").await.status, 303, "signed out");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_something_needs_the_token_and_comes_from_here() {
    let world = World::new().await;
    world.book.thrice("m1", 1, 1);
    let running = world.start().await;
    let mut li = world.signed_in(&running, "li").await;
    let proposal = json!({"disposition": "confirm", "reason": "because"});
    let token = std::mem::take(&mut li.csrf);
    assert_eq!(
        li.post("/api/flags/acq1/1/propose", proposal.clone())
            .await
            .status,
        403,
        "no token"
    );
    li.csrf = "A".repeat(token.len());
    assert_eq!(
        li.post("/api/flags/acq1/1/propose", proposal.clone())
            .await
            .json()["error"],
        "csrf"
    );
    let fields = [
        ("csrf", "wrong"),
        ("disposition", "confirm"),
        ("reason", "because"),
    ];
    assert_eq!(li.form("/flags/acq1/1/propose", &fields).await.status, 403);
    li.csrf = token;
    li.extra = vec![("origin", "https://evil.example".into())];
    assert_eq!(
        li.post("/api/flags/acq1/1/propose", proposal.clone())
            .await
            .status,
        403,
        "a foreign origin"
    );
    li.extra = vec![("sec-fetch-site", "cross-site".into())];
    assert_eq!(
        li.post("/api/flags/acq1/1/propose", proposal.clone())
            .await
            .status,
        403,
        "a foreign site"
    );
    li.extra = vec![
        ("origin", "https://localhost".into()),
        ("sec-fetch-site", "same-origin".into()),
    ];
    assert_eq!(li.post("/api/flags/acq1/1/propose", proposal).await.status, 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_locked_down_and_speaks_the_readers_language() {
    let world = World::new().await;
    world.book.thrice("m1", 1, 1);
    let running = world.start().await;
    let mut li = world.signed_in(&running, "li").await;
    for path in [
        "/",
        "/sign-in",
        "/flags/acq1/1",
        "/measures",
        "/exports",
        "/books",
        "/desk.css",
        "/nowhere",
        "/api/flags",
    ] {
        let answer = li.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
            "{path}: {policy}"
        );
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        let text = answer.text();
        assert!(
            !text.contains("<script") && !text.contains("style=\"") && !text.contains("http://"),
            "{path}"
        );
    }
    assert!(
        li.get("/").await.text().contains("标记队列"),
        "Chinese where nothing is said"
    );
    li.extra = vec![("accept-language", "en-GB,en;q=0.9".into())];
    assert!(li.get("/").await.text().contains("Queue of flags"));
    assert!(li.get("/?lang=zh").await.text().contains("标记队列"));
    assert!(
        li.get("/").await.text().contains("标记队列"),
        "what was chosen is kept"
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_taken_out_of_the_file_is_out() {
    let world = World::new().await;
    let running = world.start().await;
    let mut li = world.signed_in(&running, "li").await;
    assert_eq!(li.get("/api/flags").await.status, 200);
    let users = std::fs::read_to_string(world.at("users.toml")).expect("read");
    std::fs::write(world.at("users.toml"), users.replacen("\"li\"", "\"lin\"", 1)).expect("written");
    for _ in 0..100 {
        if li.get("/api/flags").await.status == 401 {
            return running.stop().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("still signed in");
}
