//! Combined orders (合单) by the unified API: one request, one payment, several orders, each on record as its own.

use crate::kills::{MUTATION, Yard, id, text};
use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use sandbox::demo::http::Answer;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

type Done = anyhow::Result<()>;

const PATH: &str = "/v1/payments/combined";
const OPENID: &str = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o";

/// A group of two: one order of the merchant's own, one of a sub-merchant of its.
fn group(yard: &Yard) -> anyhow::Result<Value> {
    let account = &yard.demo.place.merchants[0].accounts.wechat;
    let sub = account.sub_mchids.first().context("a sub-merchant")?;
    Ok(json!({
        "group_no": yard.demo.next_number(), "channel": "wechat", "pay_way": "native",
        "orders": [
            { "order_no": yard.demo.next_number(), "amount": 300, "description": "奶茶 Milk tea", "attach": "table 7" },
            { "order_no": yard.demo.next_number(), "amount": 500, "description": "蛋糕 Cake", "payee": sub },
        ],
    }))
}

async fn ask(yard: &Yard, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
    yard.merchant()?.ask(method, path, body).await
}

async fn place(yard: &Yard, body: &Value) -> anyhow::Result<Value> {
    let answer = ask(yard, "POST", PATH, Some(body)).await?;
    ensure!(answer.status == 201, "{} {}", answer.status, answer.json());
    Ok(answer.json())
}

fn path_of(body: &Value) -> String {
    format!("{PATH}/{}", text(&body["group_no"]))
}

/// The group once each of its orders is in this state; each of them is the order that it is by its own number too.
async fn until(yard: &Yard, body: &Value, state: &str) -> anyhow::Result<Vec<Value>> {
    let wanted = body["orders"].as_array().context("orders")?;
    let mut last = Value::Null;
    for _ in 0..300 {
        last = ask(yard, "GET", &path_of(body), None).await?.json();
        let orders = last["orders"].as_array().cloned().unwrap_or_default();
        if orders.len() == wanted.len() && orders.iter().all(|o| o["state"] == state) {
            for (order, wanted) in orders.iter().zip(wanted) {
                ensure!(
                    order["order_no"] == wanted["order_no"]
                        && order["amount"] == wanted["amount"]
                        && order["group_no"] == body["group_no"],
                    "another order: {order}"
                );
                yard.until(id(order)?, state, |o| o["state"] == state).await?;
            }
            return Ok(orders);
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("not all of them came to be {state} within 30 s: {last}")
}

/// What the channel has of the group.
async fn there(yard: &Yard, body: &Value) -> anyhow::Result<Vec<Value>> {
    let all = yard.demo.channel_orders().await?;
    let own = |order: &&Value| order["combined"] == body["group_no"];
    Ok(all["orders"]
        .as_array()
        .context("orders")?
        .iter()
        .filter(own)
        .cloned()
        .collect())
}

async fn pay(yard: &Yard, body: &Value, notify: bool) -> Done {
    let paid =
        json!({ "channel": "wechat", "out_trade_no": body["group_no"], "outcome": "paid", "notify": notify });
    yard.demo.control("/control/pay", &paid).await.map(drop)
}

/// Placed, repeated, asked for, paid by one payment, told of each; each is refunded on its own.
async fn life(yard: &Yard, pay_way: &str) -> Done {
    let mut body = group(yard)?;
    body["pay_way"] = pay_way.into();
    let reach = match pay_way {
        "native" => "code_url",
        "h5" => "h5_url",
        _ => "call_up",
    };
    match pay_way {
        "jsapi" => body["payer"] = json!({ "openid": OPENID }),
        "h5" => body["client_ip"] = "203.0.113.7".into(),
        _ => {}
    }
    let placed = place(yard, &body).await?;
    ensure!(!placed[reach].is_null() && placed["amount"] == 800, "{placed}");
    let again = ask(yard, "POST", PATH, Some(&body)).await?;
    ensure!(
        again.status == 200 && again.json()["orders"] == placed["orders"],
        "{} {}",
        again.status,
        again.json()
    );
    until(yard, &body, "awaiting_payment").await?;
    pay(yard, &body, true).await?;
    let paid = until(yard, &body, "paid").await?;
    let sub = &body["orders"][1]["payee"];
    ensure!(
        paid[0]["paid"]["trade_no"] != paid[1]["paid"]["trade_no"] && paid[1]["payee"] == *sub,
        "{paid:?}"
    );
    for order in &paid {
        yard.told(id(order)?, "payment.paid").await?;
        let refund = json!({ "refund_no": "r1", "amount": 100 });
        let path = format!("/v1/payments/{}/refunds", id(order)?);
        let refund = ask(yard, "POST", &path, Some(&refund)).await?;
        ensure!(refund.status < 300, "{} {}", refund.status, refund.json());
    }
    until(yard, &body, "partly_refunded").await?;
    let there = there(yard, &body).await?;
    ensure!(
        there.len() == 2
            && there
                .iter()
                .all(|o| o["refunded_fen"] == 100 && o["calls"]["create"] == 1)
            && there.iter().filter(|o| o["sub_mchid"] == *sub).count() == 1,
        "{there:?}"
    );
    let again = ask(yard, "POST", PATH, Some(&body)).await?;
    ensure!(again.status == 200, "{} {}", again.status, again.json());
    Ok(())
}

/// As many as a service provider may combine, all for its sub-merchants: placed, paid, refunded; one of the provider's own among
/// so many, and nothing leaves.
async fn for_many_sub_merchants(yard: &Yard) -> Done {
    let account = yard.demo.place.merchants[0].accounts.wechat.clone();
    let mut body = group(yard)?;
    let part = |n: usize| json!({ "order_no": yard.demo.next_number(), "amount": 100, "description": "奶茶 Milk tea", "payee": account.sub_mchids[n % 2] });
    body["orders"] = (0..50).map(part).collect();
    let placed = place(yard, &body).await?;
    ensure!(placed["amount"] == 5000, "{placed}");
    pay(yard, &body, true).await?;
    let paid = until(yard, &body, "paid").await?;
    ensure!(
        paid.iter()
            .all(|o| account.sub_mchids.contains(&text(&o["payee"]))),
        "{paid:?}"
    );
    let before = yard.demo.channel_orders().await?["orders"]
        .as_array()
        .map(Vec::len);
    let mut body = group(yard)?;
    for (many, last) in [
        (11, json!(account.mchid)),
        (11, Value::Null),
        (51, json!(account.sub_mchids[0])),
    ] {
        let mut orders: Vec<Value> = (0..many).map(part).collect();
        if let Some(order) = orders.last_mut().and_then(Value::as_object_mut) {
            order.remove("payee");
            order.extend((!last.is_null()).then(|| ("payee".into(), last.clone())));
        }
        body["orders"] = orders.into();
        let said = ask(yard, "POST", PATH, Some(&body)).await?;
        ensure!(
            said.json()["code"] == "invalid_field" && text(&said.json()["detail"]).contains("up to 50"),
            "{many} {last}: {}",
            said.json()
        );
    }
    let after = yard.demo.channel_orders().await?["orders"]
        .as_array()
        .map(Vec::len);
    ensure!(before == after, "the channel heard of it");
    Ok(())
}

/// Closed together or not at all.
//= C67
async fn closed_together(yard: &Yard) -> Done {
    let body = group(yard)?;
    let placed = place(yard, &body).await?;
    let alone = format!("/v1/payments/{}/close", id(&placed["orders"][0])?);
    let alone = ask(yard, "POST", &alone, Some(&json!({}))).await?;
    ensure!(alone.status == 403, "{} {}", alone.status, alone.json());
    let close = format!("{}/close", path_of(&body));
    for _ in 0..2 {
        let closed = ask(yard, "POST", &close, Some(&json!({}))).await?;
        ensure!(closed.status == 200, "{} {}", closed.status, closed.json());
    }
    for order in until(yard, &body, "closed").await? {
        yard.told(id(&order)?, "payment.closed").await?;
    }
    ensure!(
        there(yard, &body).await?.iter().all(|o| o["state"] == "CLOSED"),
        "open at the channel"
    );
    // Paid, it is not closed.
    let body = group(yard)?;
    place(yard, &body).await?;
    pay(yard, &body, true).await?;
    until(yard, &body, "paid").await?;
    let close = format!("{}/close", path_of(&body));
    let said = ask(yard, "POST", &close, Some(&json!({}))).await?;
    ensure!(said.json()["code"] == "order_paid", "{}", said.json());
    Ok(())
}

/// Nothing leaves that would pay anybody else or change what is on record.
//= C03
//= C21
async fn refused(yard: &Yard) -> Done {
    let good = group(yard)?;
    place(yard, &good).await?;
    until(yard, &good, "awaiting_payment").await?;
    let before = yard.demo.channel_orders().await?["orders"]
        .as_array()
        .map(Vec::len);
    let said = async |change: &dyn Fn(&mut Value)| {
        let mut body = group(yard)?;
        change(&mut body);
        let answer = ask(yard, "POST", PATH, Some(&body)).await?;
        anyhow::Ok((text(&answer.json()["code"]), text(&answer.json()["detail"])))
    };
    type Change = (&'static str, Box<dyn Fn(&mut Value)>);
    let changes: Vec<Change> = vec![
        (
            "payee_not_allowed",
            Box::new(|b| b["orders"][1]["payee"] = "1600000009".into()),
        ),
        (
            "payee_not_allowed",
            Box::new(|b| b["orders"][0]["payee"] = "1600000009".into()),
        ),
        ("unknown_field", Box::new(|b| b["profit_sharing"] = true.into())),
        (
            "unknown_field",
            Box::new(|b| b["orders"][0]["settle_info"] = json!({ "profit_sharing": true })),
        ),
        (
            "unknown_field",
            Box::new(|b| b["orders"][1]["channel"] = "alipay".into()),
        ),
        ("invalid_field", Box::new(|b| b["orders"][1]["amount"] = 0.into())),
        (
            "invalid_field",
            Box::new(|b| b["orders"] = json!([b["orders"][0].clone()])),
        ),
        (
            "invalid_field",
            Box::new(|b| b["orders"] = json!(vec![b["orders"][0].clone(); 11])),
        ),
        (
            "invalid_field",
            Box::new(|b| b["orders"][1]["order_no"] = b["orders"][0]["order_no"].clone()),
        ),
        (
            "invalid_field",
            Box::new(|b| b["group_no"] = b["orders"][0]["order_no"].clone()),
        ),
        ("invalid_field", Box::new(|b| b["group_no"] = "short".into())),
        ("invalid_field", Box::new(|b| b["channel"] = "alipay".into())),
        ("invalid_field", Box::new(|b| b["pay_way"] = "micropay".into())),
        ("invalid_field", Box::new(|b| b["pay_way"] = "jsapi".into())),
        (
            "operation_not_allowed",
            Box::new(|b| b["account"] = "1600000009".into()),
        ),
    ];
    for (wanted, change) in changes {
        let (code, detail) = said(&*change).await?;
        ensure!(code == wanted, "{wanted} wanted: {code} {detail}");
    }
    // A group on record with something changed; one of its orders alone, in the same way and in another; its number for others.
    let mut changed = good.clone();
    changed["orders"][1]["amount"] = 501.into();
    let mut more = good.clone();
    let third = json!({ "order_no": yard.demo.next_number(), "amount": 1, "description": "tea" });
    more["orders"].as_array_mut().context("a list")?.push(third);
    let mut others = group(yard)?;
    others["group_no"] = good["group_no"].clone();
    for (path, body) in [
        (PATH, changed),
        (PATH, more),
        (PATH, others),
        ("/v1/payments", single(&good, "native")),
        ("/v1/payments", single(&good, "h5")),
    ] {
        let answer = ask(yard, "POST", path, Some(&body)).await?;
        ensure!(
            answer.status == 409 && answer.json()["code"] == "order_changed",
            "{body}: {} {}",
            answer.status,
            answer.json()
        );
    }
    let after = yard.demo.channel_orders().await?["orders"]
        .as_array()
        .map(Vec::len);
    ensure!(before == after, "the channel heard of it");
    ensure!(
        there(yard, &good)
            .await?
            .iter()
            .all(|o| o["calls"]["create"] == 1 && o["state"] == "NOTPAY"),
        "it went out again, or was closed"
    );
    let nobody = ask(yard, "GET", &format!("{PATH}/nobody-knows-it"), None).await?;
    ensure!(nobody.status == 404, "{}", nobody.status);
    Ok(())
}

/// How many creates the channel heard that name this group.
async fn heard(yard: &Yard, number: &Value) -> anyhow::Result<usize> {
    let all = yard.demo.channel_requests().await?;
    let named = |r: &&Value| {
        let body = STANDARD.decode(text(&r["body"])).unwrap_or_default();
        r["operation"] == "create" && String::from_utf8_lossy(&body).contains(&text(number))
    };
    Ok(all["requests"]
        .as_array()
        .context("requests")?
        .iter()
        .filter(named)
        .count())
}

/// Different groups under one number, all at once, and the one that wins as often as it likes: one group leaves.
//= C67
async fn at_once(yard: &Yard) -> Done {
    let number: Value = yard.demo.next_number().into();
    let mut groups: Vec<Value> = Vec::new();
    for n in 0..12 {
        let mut body = group(yard)?;
        body["group_no"] = number.clone();
        // Now and then the same orders as before, one of them paid to another of the merchant's own.
        if let (2, Some(before)) = (n % 3, groups.last()) {
            body["orders"] = before["orders"].clone();
            body["orders"][1]["payee"] = yard.demo.place.merchants[0].accounts.wechat.mchid.as_str().into();
        }
        groups.extend([body.clone(), body]);
    }
    let mut sent = tokio::task::JoinSet::new();
    for (n, body) in groups.iter().cloned().enumerate() {
        let merchant = yard.merchant()?;
        sent.spawn(async move { (n, merchant.ask("POST", PATH, Some(&body)).await) });
    }
    let answers = sent.join_all().await;
    let mut won: Option<&Value> = None;
    for (n, answer) in answers {
        let (body, answer) = (&groups[n], answer?);
        match (answer.status, text(&answer.json()["code"]).as_str()) {
            (200 | 201, _) => {
                ensure!(
                    won.is_none_or(|first| first == body),
                    "two groups under one number"
                );
                won = Some(body);
            }
            (409, "order_changed" | "order_in_progress") => {}
            (status, _) => bail!("{status} {}", answer.json()),
        }
    }
    let won = won.context("none of them was placed")?;
    let there = there(yard, won).await?;
    ensure!(
        there.len() == 2,
        "the channel has {} orders: {there:?}",
        there.len()
    );
    for order in won["orders"].as_array().context("orders")? {
        ensure!(
            there.iter().any(|o| o["out_trade_no"] == order["order_no"]),
            "another group: {there:?}"
        );
    }
    ensure!(heard(yard, &number).await? == 1, "more than one left");
    pay(yard, won, true).await?;
    until(yard, won, "paid").await.map(drop)
}

/// The group's first order as one of its own.
fn single(group: &Value, pay_way: &str) -> Value {
    let first = &group["orders"][0];
    json!({ "order_no": first["order_no"], "channel": "wechat", "pay_way": pay_way, "amount": first["amount"], "description": "tea", "client_ip": "203.0.113.7" })
}

/// Nobody tells, or nobody answers: the sweep finds out, and the channel has it once.
async fn silent(yard: &Yard) -> Done {
    let body = group(yard)?;
    place(yard, &body).await?;
    pay(yard, &body, false).await?;
    let paid = until(yard, &body, "paid").await?;
    ensure!(paid.iter().all(|o| o["paid"]["proof"] == "query"), "{paid:?}");
    for kind in ["timeout_before", "timeout_after", "status_5xx", "garbage"] {
        let body = group(yard)?;
        let fault = json!({ "channel": "wechat", "operation": "create", "kind": kind, "out_trade_no": body["group_no"] });
        yard.demo.control("/control/fault", &fault).await?;
        let answer = ask(yard, "POST", PATH, Some(&body)).await?;
        ensure!(
            answer.status == 202,
            "{kind}: {} {}",
            answer.status,
            answer.json()
        );
        until(yard, &body, "awaiting_payment")
            .await
            .with_context(|| format!("after {kind}"))?;
        pay(yard, &body, true).await?;
        until(yard, &body, "paid").await?;
        ensure!(
            there(yard, &body).await?.len() == 2,
            "not two orders after {kind}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C67
async fn several_orders_one_payment() {
    let yard = Yard::open().await.expect("demo");
    for way in ["native", "jsapi", "app", "h5"] {
        life(&yard, way).await.unwrap_or_else(|e| panic!("{way}: {e:#}"));
    }
    for_many_sub_merchants(&yard)
        .await
        .unwrap_or_else(|e| panic!("fifty: {e:#}"));
    closed_together(&yard)
        .await
        .unwrap_or_else(|e| panic!("close: {e:#}"));
    refused(&yard).await.unwrap_or_else(|e| panic!("refused: {e:#}"));
    at_once(&yard).await.unwrap_or_else(|e| panic!("at once: {e:#}"));
    silent(&yard).await.unwrap_or_else(|e| panic!("silent: {e:#}"));
    yard.agree().await.expect("the books agree");
}

/// Ended between any two steps of a create, the second intent's included, and of a close: the merchant's repeat brings all of
/// them to the channel once, and closes all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C67
async fn killed_between_every_two_steps_of_a_group() {
    let yard = Yard::open().await.expect("demo");
    for step in MUTATION.into_iter().chain(["before_intent:2"]) {
        create_point(&yard, step)
            .await
            .unwrap_or_else(|e| panic!("create {step}: {e:#}"));
        close_point(&yard, step)
            .await
            .unwrap_or_else(|e| panic!("close {step}: {e:#}"));
    }
    abandoned(&yard)
        .await
        .unwrap_or_else(|e| panic!("abandoned: {e:#}"));
    yard.agree().await.expect("the books agree");
}

async fn unanswered(yard: &Yard, path: &str, body: &Value) -> Done {
    match ask(yard, "POST", path, Some(body)).await {
        Ok(answer) => bail!("answered although the proxy ended before: {}", answer.json()),
        Err(_) => Ok(()),
    }
}

/// The same request until its answer is this.
async fn repeated(yard: &Yard, path: &str, body: &Value, wanted: &[u16]) -> Done {
    let mut last = (0, Value::Null);
    for _ in 0..200 {
        let answer = ask(yard, "POST", path, Some(body)).await?;
        last = (answer.status, answer.json());
        if wanted.contains(&answer.status) {
            return Ok(());
        }
        sleep(Duration::from_millis(150)).await;
    }
    bail!("no outcome within 30 s: {last:?}")
}

async fn create_point(yard: &Yard, step: &str) -> Done {
    yard.restart_until(step).await?;
    let body = group(yard)?;
    unanswered(yard, PATH, &body).await?;
    yard.stopped_and_started().await?;
    repeated(yard, PATH, &body, &[200, 201]).await?;
    until(yard, &body, "awaiting_payment").await?;
    pay(yard, &body, true).await?;
    for order in until(yard, &body, "paid").await? {
        yard.told(id(&order)?, "payment.paid").await?;
    }
    ensure!(
        there(yard, &body).await?.len() == 2,
        "not two orders at the channel"
    );
    Ok(())
}

async fn close_point(yard: &Yard, step: &str) -> Done {
    let body = group(yard)?;
    place(yard, &body).await?;
    yard.restart_until(step).await?;
    let close = format!("{}/close", path_of(&body));
    unanswered(yard, &close, &json!({})).await?;
    yard.stopped_and_started().await?;
    repeated(yard, &close, &json!({}), &[200]).await?;
    for order in until(yard, &body, "closed").await? {
        yard.told(id(&order)?, "payment.closed").await?;
    }
    ensure!(
        there(yard, &body).await?.iter().all(|o| o["state"] == "CLOSED"),
        "open at the channel"
    );
    Ok(())
}

/// The merchant asks no more, and what a repeat needs died with the process: each order on record ends as not placed, and is
/// told so. Then the same group is placed, as itself.
async fn abandoned(yard: &Yard) -> Done {
    yard.restart_until("intent_recorded").await?;
    let body = group(yard)?;
    unanswered(yard, PATH, &body).await?;
    yard.stopped_and_started().await?;
    for order in until(yard, &body, "not_placed").await? {
        yard.told(id(&order)?, "payment.not_placed").await?;
    }
    ensure!(there(yard, &body).await?.is_empty(), "the channel has it");
    place(yard, &body).await?;
    pay(yard, &body, true).await?;
    until(yard, &body, "paid").await.map(drop)
}
