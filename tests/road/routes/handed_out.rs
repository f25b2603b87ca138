//! Orders that no call of ours places: the Baidu wallet's address, the forms of UnionPay's gateway and of CCB. What tells of
//! their accounts are the questions about orders that wait. The payer's own way to the channel is none of ours, so what was
//! handed out stays where it is and can be paid.

use super::{Done, FAULTS, Road, until_on_record};
use crate::kills::id;
use anyhow::ensure;
use domain::{BreakerState, OperationClass, PassedWhy, TradeEntry, TradeEvent};
use sandbox::demo::{
    Demo,
    browser::{Browser, COMPUTER},
    gate::Mode,
    place::Options,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Wallet, by its gate, and way to pay.
const WAYS: [(usize, &str, &str); 3] = [
    (2, "unionpay", "gateway"),
    (3, "baidu", "page"),
    (4, "ccb", "gateway"),
];

type Way = (usize, &'static str, &'static str);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C63
//= C65
async fn what_is_handed_out_follows_the_questions_about_it() {
    let road = Road::with(Options {
        extra: PATIENT.into(),
        answer_ms: 4000,
        ..super::options()
    })
    .await
    .expect("demo");
    // Each kind of loss but slowness, which is nothing that a busy machine could show without minutes.
    let shown = [[0, 2], [1, 3], [3, 0]];
    let all = async |n: usize| {
        let way = WAYS[n];
        for kind in shown[n] {
            let (mode, cause) = FAULTS[kind];
            lost_and_found(&road, way, mode, cause)
                .await
                .unwrap_or_else(|e| panic!("{way:?} {mode:?}: {e:#}"));
        }
    };
    tokio::join!(all(0), all(1), all(2));
    road.demo.services.stop().await.expect("stops");
    road.demo.prove_journal().expect("the journal verifies");
}

/// What a machine that does much else at the same time is not mistaken by.
const PATIENT: &str =
    "[routing]\nfailures = 2\nslow_ms = 3900\nrest_ms = 500\nrest_most_ms = 1000\ntrial_ms = 1000\n";

async fn hand_out(road: &Road, (_, channel, pay_way): Way) -> anyhow::Result<Value> {
    let body = json!({ "order_no": road.demo.next_number(), "channel": channel, "pay_way": pay_way, "amount": 700, "description": "茶", "return_url": "https://shop.example/back", "client_ip": "203.0.113.9" });
    let mut body = body;
    if channel == "ccb"
        && let Some(fields) = body.as_object_mut()
    {
        fields.remove("return_url");
    }
    let answer = road.place(&body).await?;
    ensure!(
        answer.status == 201 && answer.json()["state"] == "awaiting_payment" && answer.json()["attempt"] == 1,
        "{} {}",
        answer.status,
        answer.json()
    );
    Ok(answer.json())
}

/// Hands out until an order goes to this account. Each of them waits for its payer, and is asked for.
async fn until_at(road: &Road, way: Way, account: &str) -> anyhow::Result<(Duration, Value)> {
    let began = Instant::now();
    loop {
        let order = hand_out(road, way).await?;
        if order["account"] == account {
            return Ok((began.elapsed(), order));
        }
        ensure!(
            began.elapsed() < Duration::from_secs(30),
            "no order went to {account}"
        );
        sleep(Duration::from_millis(250)).await;
    }
}

async fn lost_and_found(road: &Road, way: Way, mode: Mode, cause: &str) -> Done {
    let (gate, channel, _) = way;
    let [first, second] = super::accounts(&road.demo, gate);
    let (_, before) = until_at(road, way, &first).await?;
    let known = road.entries().await?.len();
    road.demo.gates[gate].set(mode).await?;
    let (left, _) = until_at(road, way, &second).await?;
    // One failed question among few may already send orders elsewhere; soon it is certain, and the breaker opens.
    let open = |new: &[TradeEntry]| turned(new, &first, BreakerState::Open);
    let new = until_on_record(&road.demo, known, open).await?;
    ensure!(
        turned(&new, &first, BreakerState::Open),
        "its breaker never opened"
    );
    until_at(road, way, &second).await?;
    // What is in a payer's hands stays where it is, and the payer's own way there is open.
    road.demo.open(&before).await?;
    let pay = json!({ "channel": channel, "out_trade_no": before["number"], "outcome": "paid" });
    road.demo.control("/control/pay", &pay).await?;
    let paid = road
        .shop
        .until(id(&before)?, "payment", |o| o["state"] == "paid")
        .await?;
    ensure!(paid["account"] == first && paid["attempt"] == 1, "{paid}");
    road.demo.gates[gate].set(Mode::Open).await?;
    let (back, _) = until_at(road, way, &first).await?;
    println!("{channel} {mode:?}: new orders left after {left:?}, came back after {back:?}");
    // On record: its breaker turned, back to closed by itself, without an order; and why orders went where they went.
    let closed = |new: &[TradeEntry]| turned(new, &first, BreakerState::Closed);
    let new = until_on_record(&road.demo, known, closed).await?;
    for state in [BreakerState::Open, BreakerState::HalfOpen, BreakerState::Closed] {
        ensure!(turned(&new, &first, state), "its breaker never was {state:?}");
    }
    let passed = new.iter().any(|e| match &e.event {
        TradeEvent::AttemptIntended {
            account,
            route: Some(route),
            ..
        } => {
            account.as_str() == second
                && route
                    .passed
                    .iter()
                    .any(|p| p.account.as_str() == first && p.why == PassedWhy::BreakerOpen)
        }
        _ => false,
    });
    ensure!(passed, "no intent says why the first account was passed over");
    let metrics = road.metrics().await?;
    let counted = metrics.lines().any(|line| {
        [
            "guandao_breaker_turns",
            "class=\"ask\"",
            "state=\"open\"",
            &format!("channel=\"{channel}\""),
            &format!("cause=\"{cause}\""),
        ]
        .iter()
        .all(|part| line.contains(part))
    });
    // Where a black hole ends, the connection's time or the answer's, is no matter.
    ensure!(counted || mode == Mode::BlackHole, "{metrics}");
    Ok(())
}

fn turned(entries: &[TradeEntry], wanted: &str, to: BreakerState) -> bool {
    let of = |e: &TradeEntry| matches!(&e.event, TradeEvent::BreakerTurned { account, class: OperationClass::Ask, state, .. } if account.as_str() == wanted && *state == to);
    entries.iter().any(of)
}

/// The payer's page offers online banking while an account of it can be asked, says so when none can, and offers it again by
/// itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C83
async fn the_page_offers_online_banking_while_an_account_of_it_is_in_order() {
    let dir = tempfile::tempdir().expect("a folder");
    let options = Options {
        desk: false,
        merchants: 1,
        extra: PATIENT.into(),
        ..Options::default()
    };
    let demo = Demo::start(dir.path(), &options, false).await.expect("demo");
    offered(&demo).await.unwrap_or_else(|e| panic!("{e:#}"));
    demo.services.stop().await.expect("stops");
}

async fn offered(demo: &Demo) -> Done {
    let shop = demo.merchant(0)?;
    let no = demo.next_number();
    let body =
        json!({ "code_no": format!("c-{no}"), "order_no": no, "amount": 990, "title": "奶茶 Milk tea" });
    let made = shop.ask("POST", "/v1/codes", Some(&body)).await?;
    ensure!(made.status == 201, "{} {}", made.status, made.json());
    let url = made.json()["url"].as_str().unwrap_or_default().to_owned();
    let mut computer = Browser::new(demo.ca(), COMPUTER);
    let mut until = async |wanted: bool| -> Done {
        let began = Instant::now();
        loop {
            let text = computer.open(&url).await?.text();
            let button = text
                .split("<button")
                .find(|button| button.contains("unionpay.gateway"));
            if button.is_some_and(|button| button.contains("disabled") != wanted) {
                return Ok(());
            }
            ensure!(
                began.elapsed() < Duration::from_secs(20),
                "offered: not {wanted} within 20 s: {text}"
            );
            sleep(Duration::from_millis(100)).await;
        }
    };
    until(true).await?;
    // First, since what is handed out has its first question at once, and the next one late.
    let fault = json!({ "channel": "unionpay", "operation": "query", "kind": "status_5xx", "count": 100000 });
    demo.control("/control/fault", &fault).await?;
    let waits = json!({ "order_no": demo.next_number(), "channel": "unionpay", "pay_way": "gateway", "amount": 700, "description": "茶" });
    let answer = shop.ask("POST", "/v1/payments", Some(&waits)).await?;
    ensure!(answer.status == 201, "{} {}", answer.status, answer.json());
    until(false).await?;
    demo.control("/control/reset", &json!({})).await?;
    until(true).await
}
