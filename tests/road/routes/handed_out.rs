//! Orders that no call of ours places: the Baidu wallet's address, the forms of UnionPay's gateway and of CCB. What tells of
//! their accounts are the questions about orders that wait. The payer's own way to the channel is none of ours, so what was
//! handed out stays where it is and can be paid.

use super::{Done, FAULTS, QUICK, Road};
use crate::kills::id;
use anyhow::ensure;
use domain::{BreakerState, OperationClass, PassedWhy, TradeEvent};
use sandbox::demo::{
    browser::{Browser, COMPUTER},
    gate::Mode,
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
    ensure_quick();
    let road = Road::open().await.expect("demo");
    let all = async |way: Way| {
        for (mode, cause) in FAULTS {
            lost_and_found(&road, way, mode, cause)
                .await
                .unwrap_or_else(|e| panic!("{way:?} {mode:?}: {e:#}"));
        }
    };
    tokio::join!(all(WAYS[0]), all(WAYS[1]), all(WAYS[2]));
    road.demo.services.stop().await.expect("stops");
    road.demo.prove_journal().expect("the journal verifies");
}

/// The test counts on two bad calls.
fn ensure_quick() {
    assert!(QUICK.contains("failures = 2"));
}

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
            began.elapsed() < Duration::from_secs(20),
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
    let turned = async |wanted: BreakerState| -> anyhow::Result<bool> {
        let new = road.entries().await?.split_off(known);
        Ok(new.iter().any(|e| matches!(&e.event, TradeEvent::BreakerTurned { account, class: OperationClass::Ask, state, .. } if account.as_str() == first && *state == wanted)))
    };
    // It closes by itself, without an order.
    let mut closed = false;
    for _ in 0..20 {
        closed = turned(BreakerState::Closed).await?;
        if closed {
            break;
        }
    }
    ensure!(
        closed && turned(BreakerState::Open).await? && turned(BreakerState::HalfOpen).await?,
        "its breaker did not turn"
    );
    let new = road.entries().await?.split_off(known);
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

/// The payer's page offers online banking while one of its accounts can be asked, and says so when none can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C83
async fn the_page_offers_online_banking_while_an_account_of_it_is_in_order() {
    let road = Road::open().await.expect("demo");
    offered(&road).await.unwrap_or_else(|e| panic!("{e:#}"));
    road.demo.services.stop().await.expect("stops");
}

async fn offered(road: &Road) -> Done {
    let way = WAYS[0];
    let [first, second] = super::accounts(&road.demo, way.0);
    let body = json!({ "order_no": road.demo.next_number(), "amount": 990, "description": "茶" });
    let made = road.shop.ask("POST", "/v1/codes", Some(&body)).await?;
    ensure!(made.status == 201, "{} {}", made.status, made.json());
    let url = made.json()["url"].as_str().unwrap_or_default().to_owned();
    let mut computer = Browser::new(road.demo.ca(), COMPUTER);
    let mut open = async || -> anyhow::Result<bool> {
        let text = computer.open(&url).await?.text();
        let button = text
            .split("<button")
            .find(|button| button.contains("unionpay.gateway"))
            .map(str::to_owned);
        Ok(button.is_some_and(|button| !button.contains("disabled")))
    };
    ensure!(open().await?, "closed before anything failed");
    until_at(road, way, &first).await?;
    road.demo.gates[way.0].set(Mode::Refused).await?;
    until_at(road, way, &second).await?;
    ensure!(open().await?, "the second account is in order");
    Ok(())
}
