//! Orders that one payment pays together go to the account that is in order, and stay at it.

use super::{Done, Road, entries};
use anyhow::{Context, ensure};
use domain::{Passed, PassedWhy, RouteWhy, TradeEvent};
use sandbox::demo::{gate::Mode, http::Answer};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::time::sleep;

const PATH: &str = "/v1/payments/combined";

fn group(road: &Road) -> Value {
    let order =
        || json!({ "order_no": road.demo.next_number(), "amount": 400, "description": "茶", "attach": "a" });
    json!({ "group_no": road.demo.next_number(), "channel": "wechat", "pay_way": "jsapi", "payer": { "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o" }, "orders": [order(), order()] })
}

async fn place(road: &Road, body: &Value) -> anyhow::Result<Answer> {
    road.shop.ask("POST", PATH, Some(body)).await
}

/// Places groups until one is open at this account.
async fn until_at(road: &Road, account: &str) -> anyhow::Result<(Value, Value)> {
    let (began, mut all) = (Instant::now(), Vec::new());
    while began.elapsed() < Duration::from_secs(30) {
        let body = group(road);
        let answer = place(road, &body).await?;
        if answer.status == 201 && answer.json()["account"] == account {
            return Ok((body, answer.json()));
        }
        all.push((answer.status, answer.json()));
        sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("no group went to {account} within 30 s: {all:?}")
}

/// With the second account's own app first in its list: the payer's id is of the first one's.
//= C63
pub(super) async fn follow_the_health_of_accounts(road: &Road) -> Done {
    let [first, second] = road.accounts(0);
    let (body, placed) = until_at(road, &first).await?;
    road.demo.gates[0].set(Mode::Refused).await?;
    let (moved, there) = until_at(road, &second).await?;
    // What is on record stays where it is, whatever became of that account's health meanwhile.
    let again = place(road, &body).await?;
    ensure!(
        again.status == 200 && again.json()["account"] == first && again.json()["orders"] == placed["orders"],
        "{} {}",
        again.status,
        again.json()
    );
    road.demo.gates[0].set(Mode::Open).await?;
    until_at(road, &first).await?;
    let again = place(road, &moved).await?;
    ensure!(
        again.status == 200 && again.json()["account"] == second && again.json()["orders"] == there["orders"],
        "{} {}",
        again.status,
        again.json()
    );
    let app = &road.demo.place.merchants[0].accounts.wechat.appid;
    let of = |group: &Value| {
        group["orders"][0]["order_no"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let entries = entries(&road.demo).await?;
    let intent = |group: &Value| {
        entries.iter().find_map(|e| match &e.event {
            TradeEvent::AttemptIntended {
                order_no,
                account,
                appid,
                route,
                ..
            } if order_no.as_str() == of(group) => Some((account, appid.as_ref(), route.as_ref())),
            _ => None,
        })
    };
    let (at, named, route) = intent(&moved).context("the group's intent")?;
    ensure!(
        at.as_str() == second && named.is_some_and(|own| own.as_str() == app),
        "{at} {named:?}"
    );
    let passed = route.map(|route| (route.why, route.passed.as_slice()));
    ensure!(
        matches!(passed, Some((RouteWhy::First, [Passed { account, why: PassedWhy::BreakerOpen | PassedWhy::Unhealthy }])) if account.as_str() == first),
        "the journal does not say why the group went there: {route:?}"
    );
    let (_, _, route) = intent(&body).context("the first group's intent")?;
    ensure!(
        route.is_some_and(|route| route.why == RouteWhy::First && route.passed.is_empty()),
        "{route:?}"
    );
    Ok(())
}
