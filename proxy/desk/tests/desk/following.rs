//! Following the trades journal: the same journal gives the same flags, none twice, and a forked one an alarm.

use crate::{
    trades::name,
    world::{World, until},
};
use desk::{Running, state::Flag};
use domain::{Channel, Clause, Subject};

/// What a flag is, without when it was raised here.
fn flags(running: &Running) -> Vec<(String, u64, desk::state::Raised)> {
    let row = |(of, flag): (&desk::state::FlagRef, &Flag)| {
        (of.acquirer.to_string(), of.number, flag.raised.clone())
    };
    running.cases.look(|state| state.flags().map(row).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_journal_gives_the_same_flags_and_none_twice() {
    let world = World::new().await;
    world.book.thrice("m1", 1, 1);
    world.book.refusal("m2", Clause::control(3), 9, 10);
    let running = world.start().await;
    world.book.thrice("m2", 10, 2);
    world.book.thrice("m9", 20, 3);
    world.read(&running).await;
    let first = flags(&running);
    assert!(
        first.iter().any(|(a, _, r)| a == "acq1" && &*r.rule == "T01"),
        "{first:#?}"
    );
    assert!(
        first.iter().any(|(a, ..)| a == "unassigned"),
        "a merchant that no registry knows is not lost"
    );
    running.stop().await;

    let running = world.start().await;
    assert_eq!(flags(&running), first, "a restart raises nothing again");
    world.book.sale("m1", 40, 7, 5);
    world.read(&running).await;
    assert_eq!(flags(&running), first);
    running.stop().await;

    std::fs::remove_file(world.at("data/trades.copy")).expect("removed");
    let running = world.start().await;
    assert_eq!(
        flags(&running),
        first,
        "without the copy it is read again from the proxy"
    );
    running.stop().await;

    std::fs::rename(world.at("data"), world.at("old")).expect("renamed");
    let running = world.start().await;
    assert_eq!(
        flags(&running),
        first,
        "another desk over the same journal raises the same"
    );
    running.stop().await;
}

/// Acquirer and merchant of each flag.
fn whose(running: &Running) -> Vec<(String, String)> {
    let row =
        |(acquirer, _, raised): (String, u64, desk::state::Raised)| (acquirer, raised.merchant.to_string());
    flags(running).into_iter().map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
//= C40
async fn flags_rest_on_the_registries_of_then_whenever_they_are_raised() {
    let world = World::new().await;
    let here = world.at("registries");
    world.book.loaded(1, &world.registries(&here, 1, &["m1", "m2"]));
    world.book.thrice("m2", 1, 1);
    let running = world.start().await;
    world.book.loaded(2, &world.registries(&here, 2, &["m1"]));
    world.book.thrice("m2", 10, 2);
    world.read(&running).await;
    let (first, owners) = (flags(&running), whose(&running));
    assert_eq!(
        owners,
        [("acq1", "m2"), ("unassigned", "m2")].map(|(a, m)| (a.to_owned(), m.to_owned()))
    );
    running.stop().await;

    for gone in ["data/cases", "data/trades.copy"] {
        std::fs::rename(world.at(gone), world.at(&gone.replace('/', "-"))).expect("moved");
    }
    let running = world.start().await;
    assert_eq!(
        flags(&running),
        first,
        "though the registries of now know m2 no more"
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trades_that_rest_on_an_unknown_registry_wait_for_it_with_an_alarm() {
    let world = World::new().await;
    let elsewhere = world.registries(&world.at("elsewhere"), 2, &["m1"]);
    world
        .book
        .loaded(1, &world.registries(&world.at("registries"), 1, &["m1", "m2"]));
    world.book.thrice("m1", 1, 1);
    let running = world.start().await;
    world.book.loaded(2, &elsewhere);
    world.book.thrice("m1", 10, 2);
    until(|| running.trades.health().waiting.is_some()).await;
    let mut li = world.signed_in(&running, "li").await;
    assert!(li.get("/").await.text().contains("缺少登记文件"));
    assert!(li.get("/api/status").await.json()["waiting"]["text"].is_string());
    running.stop().await;
    let running = desk::start(world.config()).await.expect("it starts");
    until(|| running.trades.health().waiting.is_some()).await;
    assert_eq!(
        whose(&running).len(),
        1,
        "what comes after is not judged by the wrong registries"
    );
    world.registries(&world.at("registries"), 2, &["m1"]);
    world.read(&running).await;
    until(|| running.trades.health().waiting.is_none()).await;
    assert_eq!(whose(&running).len(), 2);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uniform_refusals_are_explained_by_what_the_proxy_obeyed() {
    let world = World::new().await;
    let before = world.book.refusal("m2", Clause::NOT_ACCEPTED, 4, 10);
    world.book.observed("M000001", Subject::Merchant(name("m2")));
    let stopped = world.book.refusal("m2", Clause::NOT_ACCEPTED, 4, 10);
    world.book.sale("m1", 1, 5, 4990);
    let limit = world.book.refusal("m1", Clause::NOT_ACCEPTED, 5, 11);
    world.book.observed(
        "M000002",
        Subject::Account {
            account: name("1900000109"),
            channel: Channel::Wechat,
        },
    );
    let account = world.book.refusal("m1", Clause::NOT_ACCEPTED, 6, 10);
    let running = world.start().await;
    let clause = |index| {
        running
            .cases
            .look(|state| state.explanation(index))
            .map(|c| c.to_string())
    };
    assert_eq!(clause(stopped).as_deref(), Some("C15"));
    assert_eq!(clause(account).as_deref(), Some("C16"));
    assert_eq!(clause(limit).as_deref(), Some("C13"));
    assert_eq!(clause(before), None, "no reason is better than a wrong one");
    assert_eq!(running.trades.health().unexplained, 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forked_journal_is_an_alarm_on_every_page_and_following_stops() {
    let world = World::new().await;
    world.book.thrice("m1", 1, 1);
    let running = world.start().await;
    running.stop().await;
    // Another history under the same name and key: the proxy's folder is begun anew.
    let other = World::new().await;
    for _ in 0..5 {
        other.book.refusal("m1", Clause::control(3), 1, 1);
    }
    std::fs::rename(world.at("data"), other.at("data")).expect("moved");
    std::fs::copy(world.at("keys/journal.pem"), other.at("keys/journal.pem")).expect("copied");
    let running = desk::start(other.config()).await.expect("it starts");
    until(|| running.trades.health().alarm.is_some()).await;
    let flags_before = flags(&running);
    other.book.thrice("m1", 100, 1);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(
        flags(&running),
        flags_before,
        "nothing of the other history counts"
    );
    let mut li = other.signed_in(&running, "li").await;
    for path in ["/", "/flags/acq1/1", "/measures", "/exports", "/nowhere"] {
        assert!(li.get(path).await.text().contains("警报"), "{path}");
    }
    assert!(li.get("/api/status").await.json()["alarm"]["text"].is_string());
    running.stop().await;
    other.book.journal.close();
}
