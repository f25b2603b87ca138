//! The unified API: one winner, the same answer to the same content, never wrong about money.

use crate::{
    clock::{clear_of_day_ends, ends_soon},
    routes::entries,
};
use anyhow::ensure;
use domain::{Clause, TradeEvent};
use sandbox::demo::{
    Demo,
    http::Answer,
    merchant::Merchant,
    place::{Addresses, Options},
};
use serde_json::{Value, json};
use std::{path::Path, sync::Arc, time::Duration};

type Done = anyhow::Result<()>;

async fn demo(dir: &Path) -> anyhow::Result<Demo> {
    Demo::start(
        dir,
        &Options {
            desk: false,
            ..Options::default()
        },
        false,
    )
    .await
}

fn native(no: &str, amount: u64) -> Value {
    json!({ "order_no": no, "channel": "wechat", "pay_way": "native", "amount": amount, "description": "茶" })
}

async fn post(merchant: &Merchant, path: &str, body: Value) -> anyhow::Result<Answer> {
    merchant.ask("POST", path, Some(&body)).await
}

async fn pay(demo: &Demo, order: &Value, outcome: &str) -> Done {
    let body = json!({ "channel": order["channel"], "out_trade_no": order["number"], "outcome": outcome });
    demo.control("/control/pay", &body).await.map(drop)
}

/// What the channel saw of one number.
async fn at_channel(demo: &Demo, number: &Value) -> anyhow::Result<Value> {
    let all = demo.channel_orders().await?;
    let mut found = None;
    walk(&all, &mut |value| {
        if value["out_trade_no"] == *number {
            found = Some(value.clone());
        }
    });
    found.ok_or_else(|| anyhow::anyhow!("the channel has no {number}: {all}"))
}

fn walk(value: &Value, see: &mut impl FnMut(&Value)) {
    see(value);
    match value {
        Value::Object(map) => map.values().for_each(|v| walk(v, see)),
        Value::Array(list) => list.iter().for_each(|v| walk(v, see)),
        _ => {}
    }
}

/// A close whose outcome nobody knows is no success, and no failure either.
async fn a_close_without_an_answer_is_unknown(demo: &Demo, shop: &Merchant) -> Done {
    let order = post(shop, "/v1/payments", native(&demo.next_number(), 500))
        .await?
        .json();
    demo.control("/control/fault", &json!({ "channel": "wechat", "operation": "close", "kind": "timeout_after", "out_trade_no": order["number"] })).await?;
    let id = order["id"].as_str().unwrap_or_default();
    let answer = post(shop, &format!("/v1/payments/{id}/close"), json!({})).await?;
    ensure!(answer.status == 202, "{} {}", answer.status, answer.json());
    shop.until(id, "close", |o| o["state"] == "closed")
        .await
        .map(drop)
}

/// `|`, `*` and `@` are lawful in numbers, and usual HTTP clients escape them. What is signed is what is sent.
async fn numbers_may_be_escaped_as_usual_clients_do(demo: &Demo, shop: &Merchant) -> Done {
    let no = format!("{}|a*", demo.next_number());
    let order = post(shop, "/v1/payments", native(&no, 500)).await?.json();
    let escaped = no.replace('|', "%7C").replace('*', "%2a");
    for query in [&no, &escaped] {
        let found = shop
            .ask("GET", &format!("/v1/payments?order_no={query}"), None)
            .await?;
        ensure!(
            found.status == 200 && found.json()["id"] == order["id"],
            "{query}: {}",
            found.json()
        );
    }
    let twice = shop
        .ask(
            "GET",
            &format!("/v1/payments?order_no={}", escaped.replace('%', "%25")),
            None,
        )
        .await?;
    ensure!(
        twice.status == 400,
        "an escape was decoded twice: {}",
        twice.json()
    );
    let id = order["id"].as_str().unwrap_or_default();
    pay(demo, &order, "paid").await?;
    shop.until(id, "payment", |o| o["state"] == "paid").await?;
    let path = format!("/v1/payments/{id}/refunds");
    let held = post(
        shop,
        &path,
        json!({ "refund_no": "r@1|*", "amount": 500, "hold": true }),
    )
    .await?;
    ensure!(held.json()["state"] == "held", "{}", held.json());
    let found = shop.ask("GET", &format!("{path}/r%401%7C%2A"), None).await?;
    ensure!(
        found.status == 200 && found.json()["refund_no"] == "r@1|*",
        "{}",
        found.json()
    );
    let cancelled = post(shop, &format!("{path}/r%401%7c*/cancel"), json!({})).await?;
    ensure!(
        cancelled.status == 201 && cancelled.json()["state"] == "cancelled",
        "{}",
        cancelled.json()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money() -> Done {
    let dir = tempfile::tempdir()?;
    let demo = demo(dir.path()).await?;
    let shop = Arc::new(demo.merchant(0)?);
    two_hundred_parallel_creates_make_one_channel_call(&demo, &shop).await?;
    the_same_content_gets_the_same_answer_and_another_is_refused(&demo, &shop).await?;
    a_replayed_signature_has_no_second_effect(&demo, &shop).await?;
    an_order_ends_with_a_close_at_the_channel(&demo, &shop).await?;
    a_late_success_is_recorded_and_the_later_of_two_payments_goes_back(&demo, &shop).await?;
    refunds_are_once_each_and_may_be_withdrawn(&demo, &shop).await?;
    a_refund_that_overtakes_the_notice_is_taken(&demo, &shop).await?;
    another_merchants_order_looks_like_none(&demo, &shop).await?;
    a_close_without_an_answer_is_unknown(&demo, &shop).await?;
    numbers_may_be_escaped_as_usual_clients_do(&demo, &shop).await?;
    unknown_stays_unknown_until_the_channel_says(&demo, &shop).await?;
    duplicate_and_reordered_notices_change_nothing_twice(&demo, &shop).await?;
    merchants_are_told_until_they_acknowledge(&demo, &shop).await?;
    the_payers_day_limit_is_uniform(&demo, &shop).await?;
    level_a_is_not_the_merchants_own_word(&demo, &shop).await?;
    a_lapsed_licence_stops_new_orders_only(&demo, &shop).await?;
    demo.services.stop().await?;
    demo.prove_journal()?;
    Ok(())
}

async fn two_hundred_parallel_creates_make_one_channel_call(demo: &Demo, shop: &Arc<Merchant>) -> Done {
    let no = demo.next_number();
    let mut tasks = Vec::new();
    for _ in 0..200 {
        let (shop, body) = (shop.clone(), native(&no, 100));
        tasks.push(tokio::spawn(
            async move { post(&shop, "/v1/payments", body).await },
        ));
    }
    let mut codes = std::collections::BTreeSet::new();
    for task in tasks {
        let answer = task.await??;
        ensure!(
            answer.status == 201 || answer.status == 200,
            "a parallel create answered {}: {}",
            answer.status,
            answer.json()
        );
        codes.insert(answer.json()["code_url"].to_string());
    }
    ensure!(codes.len() == 1, "more than one code: {codes:?}");
    let seen = at_channel(demo, &json!(no)).await?;
    ensure!(
        seen["calls"]["create"] == 1,
        "the channel was called {} times: {seen}",
        seen["calls"]
    );
    Ok(())
}

async fn the_same_content_gets_the_same_answer_and_another_is_refused(demo: &Demo, shop: &Merchant) -> Done {
    let no = demo.next_number();
    let first = post(shop, "/v1/payments", native(&no, 100)).await?;
    let again = post(shop, "/v1/payments", native(&no, 100)).await?;
    ensure!(
        (first.status, again.status) == (201, 200) && first.json()["code_url"] == again.json()["code_url"],
        "another answer: {}",
        again.json()
    );
    let mut free_text = native(&no, 100);
    free_text["description"] = json!("another description");
    ensure!(
        post(shop, "/v1/payments", free_text).await?.status == 200,
        "free text takes no part in the content"
    );
    let changed = post(shop, "/v1/payments", native(&no, 101)).await?;
    names(&changed, "order_changed", "`amount`")?;
    // Its end is what was first said: a repeat names that one or none.
    let mut end = native(&no, 100);
    end["expires_at"] = first.json()["expires_at"].clone();
    let same = post(shop, "/v1/payments", end.clone()).await?;
    ensure!(same.status == 200, "{}", same.json());
    end["expires_at"] = json!(crate::clock::now().plus_millis(86_400_000).to_string());
    names(
        &post(shop, "/v1/payments", end).await?,
        "order_changed",
        "`expires_at`",
    )
}

/// Refused as changed, by the name of what is another.
fn names(answer: &Answer, code: &str, field: &str) -> Done {
    let said = answer.json();
    ensure!(
        answer.status == 409
            && said["code"] == code
            && said["detail"].as_str().is_some_and(|d| d.contains(field)),
        "{said}"
    );
    Ok(())
}

//= C55
async fn a_replayed_signature_has_no_second_effect(demo: &Demo, shop: &Merchant) -> Done {
    let body = native(&demo.next_number(), 100).to_string();
    let authorization = shop.authorization("POST", "/v1/payments", body.as_bytes())?;
    let client = sandbox::demo::http::Client::tls(
        std::net::SocketAddr::from(([127, 0, 0, 1], demo.place.ports.api)),
        demo.ca(),
    )?;
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
    ];
    let first = client
        .send("POST", "/v1/payments", &headers, body.as_bytes())
        .await?;
    let replay = client
        .send("POST", "/v1/payments", &headers, body.as_bytes())
        .await?;
    ensure!(
        first.status == 201 && replay.status == 401 && replay.json()["code"] == "replayed_nonce",
        "{}",
        replay.json()
    );
    shop.verify(&replay.headers, &replay.body) // errors are signed too
}

async fn an_order_ends_with_a_close_at_the_channel(demo: &Demo, shop: &Merchant) -> Done {
    for (channel, way) in [("wechat", "native"), ("alipay", "qr")] {
        let mut body = native(&demo.next_number(), 100);
        body["channel"] = json!(channel);
        body["pay_way"] = json!(way);
        body["expires_at"] = json!(ends_soon().to_string());
        let order = post(shop, "/v1/payments", body).await?.json();
        let id = order["id"].as_str().unwrap_or_default().to_owned();
        // Alipay has an order only once somebody has scanned its code.
        demo.open(&order).await?;
        // The end itself is a minute away; closing by the merchant takes the same road now.
        let closed = post(shop, &format!("/v1/payments/{id}/close"), json!({})).await?;
        ensure!(closed.json()["state"] == "closed", "{}", closed.json());
        let again = post(shop, &format!("/v1/payments/{id}/close"), json!({})).await?;
        ensure!(
            again.status == 200 && again.json()["state"] == "closed",
            "{}",
            again.json()
        );
        let refund = post(
            shop,
            &format!("/v1/payments/{id}/refunds"),
            json!({ "refund_no": "r", "amount": 1 }),
        )
        .await?;
        ensure!(
            refund.status == 409 && refund.json()["code"] == "order_not_paid",
            "{}",
            refund.json()
        );
    }
    Ok(())
}

//= C57
//= C31
async fn a_late_success_is_recorded_and_the_later_of_two_payments_goes_back(
    demo: &Demo,
    shop: &Merchant,
) -> Done {
    let no = demo.next_number();
    let first = post(shop, "/v1/payments", native(&no, 700)).await?.json();
    let mut other = native(&no, 700);
    other["channel"] = json!("alipay");
    other["pay_way"] = json!("qr");
    let second = post(shop, "/v1/payments", other).await?.json();
    ensure!(second["attempt"] == 2, "no second attempt: {second}");
    pay(demo, &second, "paid").await?;
    let id = first["id"].as_str().unwrap_or_default();
    shop.until(id, "payment", |o| o["state"] == "paid").await?;
    tokio::time::sleep(Duration::from_millis(1100)).await; // success times count whole seconds
    pay(demo, &first, "late").await?;
    let order = shop
        .until(id, "the surplus refund", |o| {
            o["refunds"][0]["state"] == "succeeded"
        })
        .await?;
    ensure!(
        order["state"] == "paid" && order["channel"] == "alipay",
        "the first payment must win: {order}"
    );
    ensure!(
        order["refunds"][0]["cause"] == "surplus" && order["refunds"][0]["amount"] == 700,
        "{order}"
    );
    Ok(())
}

/// Paid at the channel, and nobody has told us: the refund asks first and is taken.
async fn a_refund_that_overtakes_the_notice_is_taken(demo: &Demo, shop: &Merchant) -> Done {
    for (channel, way) in [("wechat", "native"), ("alipay", "qr")] {
        let mut body = native(&demo.next_number(), 900);
        body["channel"] = json!(channel);
        body["pay_way"] = json!(way);
        let order = post(shop, "/v1/payments", body).await?.json();
        let paid = json!({ "channel": channel, "out_trade_no": order["number"], "outcome": "paid", "notify": false });
        demo.control("/control/pay", &paid).await?;
        let id = order["id"].as_str().unwrap_or_default();
        let refund = post(
            shop,
            &format!("/v1/payments/{id}/refunds"),
            json!({ "refund_no": "early", "amount": 300 }),
        )
        .await?;
        ensure!(
            refund.status < 300,
            "{channel}: {} {}",
            refund.status,
            refund.json()
        );
        let order = shop.until(id, "refund", |o| o["refunded"] == 300).await?;
        ensure!(order["paid"]["proof"] == "query", "{order}");
    }
    Ok(())
}

async fn refunds_are_once_each_and_may_be_withdrawn(demo: &Demo, shop: &Merchant) -> Done {
    let order = post(shop, "/v1/payments", native(&demo.next_number(), 1000))
        .await?
        .json();
    pay(demo, &order, "paid").await?;
    let id = order["id"].as_str().unwrap_or_default().to_owned();
    shop.until(&id, "payment", |o| o["state"] == "paid").await?;
    let path = format!("/v1/payments/{id}/refunds");
    let body = json!({ "refund_no": "r1", "amount": 400 });
    let (one, two) = tokio::join!(post(shop, &path, body.clone()), post(shop, &path, body));
    ensure!(one?.status < 300 && two?.status < 300, "a repeated refund failed");
    shop.until(&id, "refund", |o| o["refunded"] == 400).await?;
    let seen = at_channel(demo, &order["number"]).await?;
    ensure!(
        seen["refunds"].as_array().is_some_and(|r| r.len() == 1),
        "refunded {}",
        seen["refunds"]
    );
    let changed = post(shop, &path, json!({ "refund_no": "r1", "amount": 300 })).await?;
    names(&changed, "refund_changed", "`amount`")?;
    let held = json!({ "refund_no": "r1", "amount": 400, "hold": true });
    names(&post(shop, &path, held).await?, "refund_changed", "`hold`")?;
    let hold = json!({ "refund_no": "h", "amount": 600, "hold": true });
    for _ in 0..2 {
        let held = post(shop, &path, hold.clone()).await?;
        ensure!(held.json()["state"] == "held", "{}", held.json());
    }
    let sent = json!({ "refund_no": "h", "amount": 600 });
    names(&post(shop, &path, sent).await?, "refund_changed", "`hold`")?;
    let over = post(shop, &path, json!({ "refund_no": "r2", "amount": 1 })).await?;
    ensure!(
        over.json()["code"] == "refund_exceeds_paid"
            && over.json()["detail"]
                .as_str()
                .is_some_and(|d| d.contains(": 0 fen are left")),
        "held refunds count: {}",
        over.json()
    );
    let cancelled = post(shop, &format!("{path}/h/cancel"), json!({})).await?;
    ensure!(cancelled.json()["state"] == "cancelled", "{}", cancelled.json());
    let rest = post(shop, &path, json!({ "refund_no": "r3", "amount": 600 })).await?;
    ensure!(rest.status < 300, "{}", rest.json());
    shop.until(&id, "refund", |o| o["state"] == "refunded")
        .await
        .map(drop)
}

async fn another_merchants_order_looks_like_none(demo: &Demo, shop: &Merchant) -> Done {
    let order = post(shop, "/v1/payments", native(&demo.next_number(), 100))
        .await?
        .json();
    let id = order["id"].as_str().unwrap_or_default();
    let other = demo.merchant(1)?;
    let none = "/v1/payments/00000000000000000000000000000000".to_owned();
    let (theirs, none) = (
        other.ask("GET", &format!("/v1/payments/{id}"), None).await?,
        other.ask("GET", &none, None).await?,
    );
    let strip = |a: &Answer| {
        let mut v = a.json();
        v["request_id"] = Value::Null;
        v
    };
    ensure!(
        theirs.status == 404 && strip(&theirs) == strip(&none),
        "{} is not {}",
        theirs.json(),
        none.json()
    );
    Ok(())
}

//= C27
async fn unknown_stays_unknown_until_the_channel_says(demo: &Demo, shop: &Merchant) -> Done {
    for kind in ["timeout_before", "status_5xx", "wrong_signature", "garbage"] {
        demo.control(
            "/control/fault",
            &json!({ "channel": "wechat", "operation": "create", "kind": kind, "count": 1 }),
        )
        .await?;
        let answer = post(shop, "/v1/payments", native(&demo.next_number(), 100)).await?;
        ensure!(
            answer.status == 202,
            "{kind}: {} {}",
            answer.status,
            answer.json()
        );
        let id = answer.json()["id"].as_str().unwrap_or_default().to_owned();
        let order = shop
            .until(&id, kind, |o| o["state"] == "awaiting_payment")
            .await?;
        let seen = at_channel(demo, &order["number"]).await?;
        ensure!(seen["state"] == "NOTPAY", "{kind}: {seen}");
    }
    Ok(())
}

async fn duplicate_and_reordered_notices_change_nothing_twice(demo: &Demo, shop: &Merchant) -> Done {
    for (channel, way) in [("wechat", "native"), ("alipay", "qr")] {
        demo.control(
            "/control/fault",
            &json!({ "channel": channel, "operation": "notice", "kind": "duplicate", "count": 1 }),
        )
        .await?;
        let mut body = native(&demo.next_number(), 100);
        body["channel"] = json!(channel);
        body["pay_way"] = json!(way);
        let order = post(shop, "/v1/payments", body).await?.json();
        pay(demo, &order, "paid").await?;
        let id = order["id"].as_str().unwrap_or_default().to_owned();
        shop.until(&id, "payment", |o| o["state"] == "paid").await?;
        tokio::time::sleep(Duration::from_millis(600)).await;
        let list = shop
            .ask("GET", &format!("/v1/payments/{id}/notifications"), None)
            .await?
            .json();
        let paid = list["notifications"]
            .as_array()
            .map_or(0, |l| l.iter().filter(|n| n["type"] == "payment.paid").count());
        ensure!(paid == 1, "{channel}: told {paid} times: {list}");
    }
    demo.control(
        "/control/fault",
        &json!({ "channel": "wechat", "operation": "notice", "kind": "signature_probe", "count": 1 }),
    )
    .await?;
    let order = post(shop, "/v1/payments", native(&demo.next_number(), 100))
        .await?
        .json();
    pay(demo, &order, "paid").await?;
    shop.until(
        order["id"].as_str().unwrap_or_default(),
        "payment after a probe",
        |o| o["state"] == "paid",
    )
    .await
    .map(drop)
}

//= C51
//= C90
async fn merchants_are_told_until_they_acknowledge(demo: &Demo, shop: &Merchant) -> Done {
    let order = post(shop, "/v1/payments", native(&demo.next_number(), 100))
        .await?
        .json();
    let id = order["id"].as_str().unwrap_or_default().to_owned();
    demo.shop().deafen(2);
    pay(demo, &order, "paid").await?;
    for _ in 0..150 {
        let told = demo.shop().told(shop.id(), &id);
        if told.len() >= 3 {
            ensure!(
                told.iter()
                    .all(|e| e["id"] == told[0]["id"] && e["seq"] == told[0]["seq"]),
                "repeats must be the same event"
            );
            ensure!(told[0]["mchid"] == shop.id(), "an event names whom it is for");
            let seq = told[0]["seq"].as_u64().unwrap_or_default();
            let came = demo.shop().came(&format!("/notify/{}", shop.id()));
            came.iter().try_for_each(|c| shop.verify(&c.headers, &c.body))?;
            let again = post(
                shop,
                &format!("/v1/payments/{id}/notifications/{seq}/resend"),
                json!({}),
            )
            .await?;
            ensure!(again.json()["acknowledged"] == true, "{}", again.json());
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("told {} times only", demo.shop().told(shop.id(), &id).len())
}

/// What an acquirer signed for lies above the limit of level B; whoever only says so is refused, on record.
//= C96
async fn level_a_is_not_the_merchants_own_word(demo: &Demo, other: &Merchant) -> Done {
    let a = json!({ "kind": "dynamic", "level": "A" });
    let order = |no: String| {
        json!({
            "order_no": no, "channel": "wechat", "pay_way": "jsapi", "amount": 500_001, "description": "x",
            "payer": { "openid": "oLEVELA" }, "code": a,
        })
    };
    let code = |no: String| json!({ "code_no": no, "order_no": no, "amount": 500_001, "code": a });
    let agreed = demo.merchant(1)?;
    let agreed = [
        post(&agreed, "/v1/payments", order(demo.next_number())).await?,
        post(&agreed, "/v1/codes", code(demo.next_number())).await?,
    ];
    for answer in agreed {
        ensure!(answer.status == 201, "{} {}", answer.status, answer.json());
    }
    let (of_order, of_code) = (demo.next_number(), demo.next_number());
    let refused = [
        post(other, "/v1/payments", order(of_order.clone())).await?,
        post(other, "/v1/codes", code(of_code.clone())).await?,
    ];
    for answer in refused {
        let said = answer.json();
        ensure!(
            answer.status == 403
                && said["code"] == "operation_not_allowed"
                && said["detail"]
                    .as_str()
                    .is_some_and(|detail| detail.contains("level_a") && detail.ends_with("(C14)")),
            "{} {said}",
            answer.status
        );
    }
    let on_record = entries(demo).await?;
    for number in [of_order, of_code] {
        let refusal = |event: &TradeEvent| matches!(event, TradeEvent::Refused { clause, order_no: Some(no), .. } if *clause == Clause::control(14) && no.as_str() == number);
        ensure!(
            on_record.iter().any(|entry| refusal(&entry.event)),
            "{number} is not on record"
        );
    }
    Ok(())
}

//= C13
//= C43
//= C30
async fn the_payers_day_limit_is_uniform(demo: &Demo, shop: &Merchant) -> Done {
    clear_of_day_ends(2).await;
    let order = |no: String, amount: u64| {
        json!({
            "order_no": no, "channel": "wechat", "pay_way": "jsapi", "amount": amount, "description": "x",
            "payer": { "openid": "oLIMIT" }, "code": { "kind": "static", "level": "D" },
        })
    };
    ensure!(
        post(shop, "/v1/payments", order(demo.next_number(), 50_000))
            .await?
            .status
            == 201,
        "500 CNY are allowed"
    );
    let over = post(shop, "/v1/payments", order(demo.next_number(), 1)).await?;
    ensure!(
        over.status == 403 && over.json()["code"] == "order_not_accepted",
        "{}",
        over.json()
    );
    ensure!(
        over.json()["detail"] == "The order was not accepted.",
        "the refusal says more than it may: {}",
        over.json()
    );
    let static_b = json!({ "order_no": demo.next_number(), "channel": "wechat", "pay_way": "native", "amount": 1, "description": "x", "code": { "kind": "static", "level": "B" } });
    ensure!(
        post(shop, "/v1/payments", static_b).await?.json()["code"] == "invalid_field",
        "a static code is level D"
    );
    let static_d = json!({ "order_no": demo.next_number(), "channel": "wechat", "pay_way": "native", "amount": 50_001, "description": "x", "code": { "kind": "static", "level": "D" } });
    let above = post(shop, "/v1/payments", static_d).await?;
    //= C69
    ensure!(
        above.status == 403
            && above.json()["code"] == "amount_over_limit"
            && above.json()["detail"]
                .as_str()
                .is_some_and(|said| said.contains("50000 fen")),
        "a static code took more than R18 allows: {} {}",
        above.status,
        above.json()
    );
    let mut terminal = native(&demo.next_number(), 1);
    terminal["terminal"] = json!("UNREGISTERED1");
    //= C53
    ensure!(
        post(shop, "/v1/payments", terminal).await?.json()["code"] == "invalid_field",
        "an unregistered terminal was taken"
    );
    Ok(())
}

//= C23
async fn a_lapsed_licence_stops_new_orders_only(demo: &Demo, shop: &Merchant) -> Done {
    let order = post(shop, "/v1/payments", native(&demo.next_number(), 100))
        .await?
        .json();
    pay(demo, &order, "paid").await?;
    let id = order["id"].as_str().unwrap_or_default().to_owned();
    shop.until(&id, "payment", |o| o["state"] == "paid").await?;
    demo.place
        .write_registries(2, &Addresses::of(&demo.channels), 1)?;
    for tries in 0.. {
        let answer = post(shop, "/v1/payments", native(&demo.next_number(), 100)).await?;
        if answer.status == 403 && answer.json()["code"] == "channel_not_licensed" {
            break;
        }
        ensure!(tries < 50, "the lapsed licence was not seen: {}", answer.json());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let refund = post(
        shop,
        &format!("/v1/payments/{id}/refunds"),
        json!({ "refund_no": "r", "amount": 100 }),
    )
    .await?;
    ensure!(refund.status < 300, "refunds go on: {}", refund.json());
    shop.until(&id, "refund", |o| o["state"] == "refunded").await?;
    // A version that does not rise is not taken; then a good one is.
    demo.place
        .write_registries(1, &Addresses::of(&demo.channels), 4_102_444_800_000)?;
    tokio::time::sleep(Duration::from_millis(800)).await;
    let still = post(shop, "/v1/payments", native(&demo.next_number(), 100)).await?;
    ensure!(
        still.json()["code"] == "channel_not_licensed",
        "an older version was taken: {}",
        still.json()
    );
    demo.place
        .write_registries(3, &Addresses::of(&demo.channels), 4_102_444_800_000)?;
    for tries in 0.. {
        if post(shop, "/v1/payments", native(&demo.next_number(), 100))
            .await?
            .status
            == 201
        {
            return Ok(());
        }
        ensure!(tries < 50, "the good registry was not taken");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
