//! Refunds under attack: refused with a code that no list has, whether the channel acted or not; repeated with other content;
//! many at once over one order; beside a reverse. Nobody is paid back twice, and no refund is lost.

use crate::kills::{Yard, id, unanswered};
use crate::seen::{Done, placed, post, told, with};
use anyhow::{Context, ensure};
use sandbox::demo::{
    merchant::Merchant,
    place::{Options, RETURN_HOST},
};
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) type Attack = std::pin::Pin<Box<dyn Future<Output = Done> + Send>>;

/// Each protocol that takes refunds. WeChat's payment codes are V2.
const WAYS: [(&str, &str); 5] = [
    ("wechat", "native"),
    ("wechat", "micropay"),
    ("alipay", "qr"),
    ("unionpay", "qr"),
    ("baidu", "page"),
];

const FEN: u64 = 900;

/// A paid order of this way.
pub(crate) async fn paid(yard: &Yard, (channel, way): (&str, &str), amount: u64) -> anyhow::Result<Value> {
    let merchant = yard.merchant()?;
    let body = json!({ "order_no": yard.demo.next_number(), "channel": channel, "pay_way": way, "amount": amount, "description": "奶茶" });
    let order = match way {
        "micropay" => {
            let code = yard.demo.next_code(channel);
            let will = json!({ "channel": channel, "auth_code": code, "outcome": "paid" });
            yard.demo.control("/control/pay", &will).await?;
            let more = json!({ "auth_code": code, "client_ip": "203.0.113.7" });
            let answer = post(&merchant, "/v1/payments", &with(body, &more)).await?;
            ensure!(answer.status < 300, "{} {}", answer.status, answer.json());
            answer.json()
        }
        _ => {
            let more = match channel {
                "baidu" => json!({ "return_url": format!("https://{RETURN_HOST}/back") }),
                _ => json!({}),
            };
            let order = placed(&merchant, &with(body, &more)).await?;
            yard.demo.open(&order).await?;
            yard.pay(&order).await?;
            order
        }
    };
    yard.until(id(&order)?, "payment", |o| o["state"] == "paid").await
}

pub(crate) async fn fault(yard: &Yard, order: &Value, operation: &str, kind: &str, count: u32) -> Done {
    let fault = json!({ "channel": order["channel"], "operation": operation, "kind": kind, "count": count, "out_trade_no": order["number"] });
    yard.demo.control("/control/fault", &fault).await.map(drop)
}

pub(crate) fn refunds_of(order: &Value) -> anyhow::Result<String> {
    Ok(format!("/v1/payments/{}/refunds", id(order)?))
}

/// What the channel has paid back, and in how many refunds.
async fn back(yard: &Yard, order: &Value) -> anyhow::Result<(u64, usize)> {
    let there = yard.at_channel(order).await?;
    let there = there.first().context("the channel has no such order")?;
    let refunds = there["refunds"].as_array().map_or(0, Vec::len);
    Ok((there["refunded_fen"].as_u64().context("refunded_fen")?, refunds))
}

/// One after another would take as long as all their waits.
pub(crate) async fn each<F: Future<Output = Done> + Send + 'static>(
    all: impl IntoIterator<Item = (String, F)>,
) {
    let tasks: Vec<_> = all
        .into_iter()
        .map(|(name, task)| (name, tokio::spawn(task)))
        .collect();
    for (name, task) in tasks {
        task.await
            .expect("it ends")
            .unwrap_or_else(|e| panic!("{name}: {e:#}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C92
async fn a_refusal_that_no_list_has_is_decided_by_the_channels_own_word() {
    let yard = Arc::new(Yard::open().await.expect("demo"));
    let mut all = Vec::new();
    for way in WAYS {
        for kind in ["unlisted_after", "unlisted_before"] {
            let yard = yard.clone();
            all.push((format!("{way:?} {kind}"), async move {
                found_out(&yard, way, kind).await.map(drop)
            }));
        }
    }
    each(all).await;
    // The Baidu wallet is left out: its own time for this is some 25 s at the demo's settings.
    let refused = WAYS.into_iter().filter(|(channel, _)| *channel != "baidu");
    each(refused.map(|way| {
        let yard = yard.clone();
        (
            format!("{way:?} for good"),
            async move { for_good(&yard, way).await },
        )
    }))
    .await;
    for (way, kind) in [
        (WAYS[0], "unlisted_after"),
        (WAYS[2], "unlisted_after"),
        (WAYS[3], "unlisted_before"),
    ] {
        killed(&yard, way, kind)
            .await
            .unwrap_or_else(|e| panic!("{way:?} {kind}, killed: {e:#}"));
    }
    let yard = Arc::into_inner(yard).expect("nobody else has it");
    let books = yard.agree().await.expect("the books agree");
    println!("{books:?}");
}

/// The same where Alipay is spoken to by OpenAPI v3, which refuses so under another status.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C92
async fn a_refusal_by_openapi_v3_that_no_list_has_is_decided_by_alipays_own_word() {
    let options = Options {
        openapi_v3: true,
        ..Options::default()
    };
    let (yard, way) = (Yard::with(options).await.expect("demo"), ("alipay", "qr"));
    for kind in ["unlisted_after", "unlisted_before"] {
        found_out(&yard, way, kind)
            .await
            .unwrap_or_else(|e| panic!("{kind}: {e:#}"));
        killed(&yard, way, kind)
            .await
            .unwrap_or_else(|e| panic!("{kind}, killed: {e:#}"));
    }
    for_good(&yard, way).await.unwrap_or_else(|e| panic!("{e:#}"));
    let sent = yard.demo.last_request("alipay", "refund").await.expect("sent");
    assert!(sent.starts_with('{'), "not by OpenAPI v3: {sent}");
    yard.agree().await.expect("the books agree");
}

/// Once refused so, and nobody tells: the channel is asked, and what it does not have is sent again under the same number.
async fn found_out(yard: &Yard, way: (&str, &str), kind: &str) -> Done {
    let order = paid(yard, way, FEN).await?;
    fault(yard, &order, "refund", kind, 1).await?;
    fault(yard, &order, "notice", "drop", 9).await?;
    let refund = json!({ "refund_no": "r1", "amount": 400, "reason": "退货" });
    let answer = post(&yard.merchant()?, &refunds_of(&order)?, &refund).await?;
    ensure!(
        answer.status == 202,
        "a refund of which nobody knows answered {} {}",
        answer.status,
        answer.json()
    );
    succeeds_once(yard, &order, 400).await
}

async fn succeeds_once(yard: &Yard, order: &Value, fen: u64) -> Done {
    let id = id(order)?;
    let order = yard
        .until(id, "refund", |o| o["refunds"][0]["state"] == "succeeded")
        .await?;
    ensure!(
        back(yard, &order).await? == (fen, 1),
        "{:?}",
        yard.at_channel(&order).await?
    );
    told(&yard.demo, &yard.merchant()?, id, "refund.succeeded").await?;
    let events = yard.demo.shop().told(yard.merchant()?.id(), id);
    ensure!(
        events.iter().all(|e| e["type"] != "refund.failed"),
        "told of a failure that was none: {events:?}"
    );
    Ok(())
}

/// Refused so each time, and never there: told as failed once, when the channel would know of it; then another may go.
async fn for_good(yard: &Yard, way: (&str, &str)) -> Done {
    let order = paid(yard, way, FEN).await?;
    fault(yard, &order, "refund", "unlisted_before", 1000).await?;
    let merchant = yard.merchant()?;
    let refund = json!({ "refund_no": "r1", "amount": FEN });
    let answer = post(&merchant, &refunds_of(&order)?, &refund).await?;
    ensure!(answer.status == 202, "{} {}", answer.status, answer.json());
    let id = id(&order)?;
    let known = yard
        .until(id, "an end", |o| o["refunds"][0]["state"] == "failed")
        .await?;
    ensure!(
        known["state"] == "paid" && back(yard, &order).await? == (0, 0),
        "{known}"
    );
    let event = told(&yard.demo, &merchant, id, "refund.failed").await?;
    ensure!(event["refund_no"] == "r1", "{event}");
    Ok(())
}

/// The proxy ends between the refusal and its record.
async fn killed(yard: &Yard, way: (&str, &str), kind: &str) -> Done {
    let order = paid(yard, way, FEN).await?;
    yard.restart_until("after_send").await?;
    fault(yard, &order, "refund", kind, 1).await?;
    fault(yard, &order, "notice", "drop", 9).await?;
    let refund = json!({ "refund_no": "r1", "amount": 300 });
    unanswered(yard, &refunds_of(&order)?, &refund).await?;
    yard.stopped_and_started().await?;
    succeeds_once(yard, &order, 300).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_repeat_no_crowd_and_no_reverse_beside_it_pays_back_more_than_was_paid() {
    let yard = Arc::new(Yard::open().await.expect("demo"));
    let mut all: Vec<(String, Attack)> = Vec::new();
    for way in WAYS {
        let (a, b) = (yard.clone(), yard.clone());
        all.push((
            format!("{way:?} changed"),
            Box::pin(async move { changed(&a, way).await }),
        ));
        all.push((
            format!("{way:?} crowd"),
            Box::pin(async move { crowd(&b, way).await }),
        ));
    }
    for channel in ["wechat", "alipay", "unionpay"] {
        for first in ["refund", "reverse", "both"] {
            let yard = yard.clone();
            all.push((
                format!("{channel} beside a reverse, {first}"),
                Box::pin(async move { beside_a_reverse(&yard, channel, first).await }),
            ));
        }
    }
    each(all).await;
    let yard = Arc::into_inner(yard).expect("nobody else has it");
    let books = yard.agree().await.expect("the books agree");
    println!("{books:?}");
}

/// The same number is the same refund: of another amount it is refused, also after the proxy began anew; of another order it is
/// another refund.
async fn changed(yard: &Yard, way: (&str, &str)) -> Done {
    let merchant = yard.merchant()?;
    let (order, other) = (paid(yard, way, FEN).await?, paid(yard, way, FEN).await?);
    let refund = |fen: u64| json!({ "refund_no": "same", "amount": fen });
    let first = post(&merchant, &refunds_of(&order)?, &refund(100)).await?;
    ensure!(first.status < 300, "{} {}", first.status, first.json());
    for fen in [200, 99, FEN] {
        let answer = post(&merchant, &refunds_of(&order)?, &refund(fen)).await?;
        ensure!(answer.status == 409, "{fen}: {} {}", answer.status, answer.json());
    }
    let again = post(&merchant, &refunds_of(&order)?, &refund(100)).await?;
    ensure!(again.status < 300, "{} {}", again.status, again.json());
    let elsewhere = post(&merchant, &refunds_of(&other)?, &refund(200)).await?;
    ensure!(
        elsewhere.status < 300,
        "{} {}",
        elsewhere.status,
        elsewhere.json()
    );
    for (order, fen) in [(&order, 100), (&other, 200)] {
        succeeds_once(yard, order, fen).await?;
    }
    Ok(())
}

/// Twenty refunds at once, of which the order bears ten.
async fn crowd(yard: &Yard, way: (&str, &str)) -> Done {
    let merchant = Arc::new(yard.merchant()?);
    let order = paid(yard, way, 1000).await?;
    let path = refunds_of(&order)?;
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let (merchant, path): (Arc<Merchant>, _) = (merchant.clone(), path.clone());
            tokio::spawn(async move {
                let refund = json!({ "refund_no": format!("r{n}"), "amount": 100 });
                post(&merchant, &path, &refund).await
            })
        })
        .collect();
    let mut taken = 0;
    for task in tasks {
        let answer = task.await??;
        match answer.status {
            200..=299 => taken += 1,
            _ => ensure!(
                answer.status == 409 && answer.json()["code"] == "refund_exceeds_paid",
                "{} {}",
                answer.status,
                answer.json()
            ),
        }
    }
    ensure!(taken == 10, "{taken} of twenty were taken");
    let order = yard
        .until(id(&order)?, "all of it", |o| o["state"] == "refunded")
        .await?;
    ensure!(
        back(yard, &order).await? == (1000, 10),
        "{:?}",
        yard.at_channel(&order).await?
    );
    Ok(())
}

/// Whichever comes first: all of it goes back once.
async fn beside_a_reverse(yard: &Yard, channel: &str, first: &str) -> Done {
    let merchant = yard.merchant()?;
    let order = paid(yard, (channel, "micropay"), FEN).await?;
    let id = id(&order)?;
    let reverse = format!("/v1/payments/{id}/reverse");
    let refund = json!({ "refund_no": "r1", "amount": FEN });
    let refunds = refunds_of(&order)?;
    let nothing = json!({});
    match first {
        "both" => {
            let (a, b) = tokio::join!(
                post(&merchant, &refunds, &refund),
                post(&merchant, &reverse, &nothing)
            );
            println!("{channel}: refund {}, reverse {}", a?.status, b?.status);
        }
        "refund" => {
            // Taken on, and nobody knows.
            fault(yard, &order, "refund", "timeout_after", 1).await?;
            let (a, b) = (
                post(&merchant, &refunds, &refund).await?,
                post(&merchant, &reverse, &nothing).await?,
            );
            ensure!(
                a.status < 300 && b.status == 409,
                "{} {} {}",
                a.status,
                b.status,
                b.json()
            );
        }
        _ => {
            fault(yard, &order, "reverse", "timeout_before", 2).await?;
            let (a, b) = (
                post(&merchant, &reverse, &nothing).await?,
                post(&merchant, &refunds, &refund).await?,
            );
            ensure!(
                a.status == 202 && b.status >= 400,
                "{} {} {}",
                a.status,
                b.status,
                b.json()
            );
        }
    }
    let order = yard
        .until(id, "its end", |o| {
            o["state"] == "refunded" || o["state"] == "reversed"
        })
        .await?;
    let (fen, _) = back(yard, &order).await?;
    ensure!(fen == FEN, "{fen} went back of {order}");
    Ok(())
}
