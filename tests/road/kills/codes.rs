//! The proxy ends between every two steps of a payment-code order and of its reverse, by the merchant and by the sweep.
//! Afterwards the payer is charged once or not at all, nothing is open, and the merchant is told. The code is gone with the
//! process and never needed again.

use super::*;

/// Channels whose payment codes are taken.
const CHANNELS: [&str; 3] = crate::codes::CHANNELS;
/// Steps of a reverse that the sweep begins.
const SWEEP: [&str; 4] = [
    "reverse_intended",
    "before_send",
    "after_send",
    "reverse_recorded",
];

impl Yard {
    /// An order by the code of a payer who does this.
    async fn scanned(&self, channel: &str, amount: u64, will: &str) -> anyhow::Result<Value> {
        let mut body = self.body(channel, amount);
        body["pay_way"] = "micropay".into();
        body["client_ip"] = "203.0.113.7".into();
        self.fresh_code(&mut body, will).await?;
        Ok(body)
    }

    /// Another payer's code for the same order.
    async fn fresh_code(&self, body: &mut Value, will: &str) -> anyhow::Result<()> {
        let code = self.demo.next_code(&text(&body["channel"]));
        self.demo
            .control(
                "/control/pay",
                &json!({ "channel": body["channel"], "auth_code": code, "outcome": will }),
            )
            .await?;
        body["auth_code"] = code.into();
        Ok(())
    }

    async fn charged(&self, order: &Value) -> anyhow::Result<Vec<Value>> {
        let all = self.at_channel(order).await?;
        Ok(all
            .into_iter()
            .filter(|o| o["paid"].is_string() && o["refunded_fen"] != o["fen"])
            .collect())
    }
}

/// What the answer to a reverse or a look at the order says.
fn ended(order: &Value) -> bool {
    ["paid", "reversed"].contains(&order["state"].as_str().unwrap_or_default())
}

async fn charge_point(yard: &Yard, channel: &str, step: &str) -> anyhow::Result<String> {
    yard.restart_until(step).await?;
    let mut body = yard.scanned(channel, 730, "paid").await?;
    unanswered(yard, "/v1/payments", &body).await?;
    yard.stopped_and_started().await?;
    yard.keeps_its_word().await?;
    if step == "before_intent" {
        let order = repeat(yard, "/v1/payments", &body, |a| a.json()["state"] == "paid").await?;
        ensure!(
            yard.charged(&order).await?.len() == 1,
            "not charged once: {order}"
        );
        yard.told(id(&order)?, "payment.paid").await?;
        return Ok("never on record; scanned again, paid".into());
    }
    // The cashier scans again at once, another payer's code: nobody else is charged while the former is open.
    let first = text(&body["order_no"]);
    yard.fresh_code(&mut body, "paid").await?;
    let again = yard.ask(&yard.merchant()?, "POST", "/v1/payments", &body).await?;
    let sent = ["after_send", "answer_read", "outcome_recorded"].contains(&step);
    if again.json()["attempt"] == 2 && !sent {
        // On a slow machine the sweep was faster: the former is reversed, and only then is another payer charged.
        let second = again.json();
        ensure!(
            second["number"] != first.as_str() && second["state"] == "paid",
            "the second scan is {second}"
        );
        ensure!(
            yard.charged(&second).await?.len() == 1,
            "not charged once: {second}"
        );
        yard.told(id(&second)?, "payment.reversed").await?;
        return Ok("never sent, reversed before the second scan; that one paid under another number".into());
    }
    ensure!(
        again.status < 300 && again.json()["attempt"] == 1,
        "a second scan answered {}: {}",
        again.status,
        again.json()
    );
    let order = yard.until(id(&again.json())?, "an end", ended).await?;
    ensure!(order["number"] == first.as_str(), "another number: {order}");
    ensure!(
        order["state"] == if sent { "paid" } else { "reversed" },
        "killed at {step}: {order}"
    );
    let charged = yard.charged(&order).await?;
    ensure!(
        charged.len() == usize::from(sent),
        "charged {} times: {charged:?}",
        charged.len()
    );
    yard.told(
        id(&order)?,
        if sent { "payment.paid" } else { "payment.reversed" },
    )
    .await?;
    if sent {
        return Ok(format!(
            "charged once, {} by {}, told",
            order["state"], order["paid"]["proof"]
        ));
    }
    let second = repeat(yard, "/v1/payments", &body, |a| a.json()["state"] == "paid").await?;
    ensure!(
        second["attempt"] == 2 && yard.charged(&second).await?.len() == 1,
        "the second attempt is {second}"
    );
    Ok("never sent, reversed, told; scanned again under another number, paid".into())
}

/// `repeats`: does the merchant ask again, or is the sweep alone?
async fn reverse_point(yard: &Yard, channel: &str, step: &str, repeats: bool) -> anyhow::Result<String> {
    let answer = yard
        .ask(
            &yard.merchant()?,
            "POST",
            "/v1/payments",
            &yard.scanned(channel, 740, "paid").await?,
        )
        .await?;
    // UnionPay's answer says "accepted", and no more.
    ensure!(
        answer.status == 201 || channel == "unionpay" && answer.status == 202,
        "not paid: {}",
        answer.json()
    );
    let paid = yard
        .until(id(&answer.json())?, "payment", |o| o["state"] == "paid")
        .await?;
    let path = format!("/v1/payments/{}/reverse", id(&paid)?);
    yard.restart_until(step).await?;
    sleep(Duration::from_millis(250)).await; // the setting `reverse_after_ms`
    unanswered(yard, &path, &json!({})).await?;
    yard.stopped_and_started().await?;
    yard.keeps_its_word().await?;
    if repeats || step == "before_intent" {
        repeat(yard, &path, &json!({}), |a| {
            a.status == 200 && a.json()["state"] == "reversed"
        })
        .await?;
    }
    let order = yard
        .until(id(&paid)?, "reverse", |o| o["state"] == "reversed")
        .await?;
    let there = yard.at_channel(&order).await?;
    ensure!(
        there.len() == 1 && yard.charged(&order).await?.is_empty(),
        "still charged: {there:?}"
    );
    ensure!(
        there[0]["refunds"].as_array().map_or(0, Vec::len) <= 1,
        "paid back more than once: {there:?}"
    );
    yard.told(id(&order)?, "payment.reversed").await?;
    Ok(format!(
        "paid back once, reverse sent {} time(s), told{}",
        there[0]["calls"]["reverse"],
        if repeats || step == "before_intent" {
            ""
        } else {
            ", merchant silent"
        }
    ))
}

async fn sweep_point(yard: &Yard, channel: &str, step: &str) -> anyhow::Result<String> {
    let answer = yard
        .ask(
            &yard.merchant()?,
            "POST",
            "/v1/payments",
            &yard.scanned(channel, 750, "late").await?,
        )
        .await?;
    ensure!(
        answer.status == 202 && answer.json()["state"] == "awaiting_payment",
        "not waiting: {}",
        answer.json()
    );
    let waiting = answer.json();
    yard.restart_until(step).await?;
    yard.stopped_and_started().await?;
    yard.keeps_its_word().await?;
    let order = yard
        .until(id(&waiting)?, "reverse", |o| o["state"] == "reversed")
        .await?;
    let there = yard.at_channel(&order).await?;
    ensure!(
        there.len() == 1 && !there[0]["paid"].is_string(),
        "charged: {there:?}"
    );
    ensure!(
        !["WAIT_BUYER_PAY", "USERPAYING", "NOTPAY", "05"]
            .contains(&there[0]["state"].as_str().unwrap_or_default()),
        "left open: {there:?}"
    );
    yard.told(id(&order)?, "payment.reversed").await?;
    Ok(format!(
        "closed at the channel, reverse sent {} time(s), told",
        there[0]["calls"]["reverse"]
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C60
async fn killed_between_every_two_steps_of_a_payment_code() {
    let yard = Yard::open().await.expect("demo");
    for channel in CHANNELS {
        for step in MUTATION {
            let said = charge_point(&yard, channel, step)
                .await
                .unwrap_or_else(|e| panic!("code {channel} {step}: {e:#}"));
            say("code", channel, step, &said);
        }
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!(
        (books.orders, books.paid),
        (6 * CHANNELS.len(), 6 * CHANNELS.len()),
        "{books:?}"
    );
    println!("{books:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C60
async fn killed_between_every_two_steps_of_a_reverse() {
    let yard = Yard::open().await.expect("demo");
    for channel in CHANNELS {
        for (n, step) in MUTATION.into_iter().enumerate() {
            let said = reverse_point(&yard, channel, step, n % 2 == 1)
                .await
                .unwrap_or_else(|e| panic!("reverse {channel} {step}: {e:#}"));
            say("reverse", channel, step, &said);
        }
        for step in SWEEP {
            let said = sweep_point(&yard, channel, step)
                .await
                .unwrap_or_else(|e| panic!("sweep {channel} {step}: {e:#}"));
            say("sweep", channel, step, &said);
        }
    }
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.paid), (10 * CHANNELS.len(), 0), "{books:?}");
    println!("{books:?}");
}

/// By APIv3 (codepay) the messages are others, and so is what an answer says; the steps between them are the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C60
async fn killed_between_every_two_steps_of_a_payment_code_by_apiv3() {
    let options = Options {
        codepay: true,
        ..Options::default()
    };
    let yard = Yard::with(options).await.expect("demo");
    for (n, step) in MUTATION.into_iter().enumerate() {
        let said = charge_point(&yard, "wechat", step)
            .await
            .unwrap_or_else(|e| panic!("code {step}: {e:#}"));
        say("codepay", "wechat", step, &said);
        let said = reverse_point(&yard, "wechat", step, n % 2 == 0)
            .await
            .unwrap_or_else(|e| panic!("reverse {step}: {e:#}"));
        say("undo", "wechat", step, &said);
    }
    for step in SWEEP {
        let said = sweep_point(&yard, "wechat", step)
            .await
            .unwrap_or_else(|e| panic!("sweep {step}: {e:#}"));
        say("sweep", "wechat", step, &said);
    }
    let sent = yard.demo.last_request("wechat", "reverse").await.expect("sent");
    assert!(sent.starts_with('{'), "not by APIv3: {sent}");
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.paid), (16, 6), "{books:?}");
}

/// By Alipay's OpenAPI v3 the messages are others, and so is what an answer says; the steps between them are the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C60
async fn killed_between_every_two_steps_of_a_payment_code_by_openapi_v3() {
    let options = Options {
        openapi_v3: true,
        ..Options::default()
    };
    let yard = Yard::with(options).await.expect("demo");
    for (n, step) in MUTATION.into_iter().enumerate() {
        let said = charge_point(&yard, "alipay", step)
            .await
            .unwrap_or_else(|e| panic!("code {step}: {e:#}"));
        say("code v3", "alipay", step, &said);
        let said = reverse_point(&yard, "alipay", step, n % 2 == 0)
            .await
            .unwrap_or_else(|e| panic!("reverse {step}: {e:#}"));
        say("undo v3", "alipay", step, &said);
    }
    for step in SWEEP {
        let said = sweep_point(&yard, "alipay", step)
            .await
            .unwrap_or_else(|e| panic!("sweep {step}: {e:#}"));
        say("sweep", "alipay", step, &said);
    }
    let sent = yard.demo.last_request("alipay", "reverse").await.expect("sent");
    assert!(sent.starts_with('{'), "not by OpenAPI v3: {sent}");
    let books = yard.agree().await.expect("the books agree");
    assert_eq!((books.orders, books.paid), (16, 6), "{books:?}");
}

/// What one client of the load does with a payment code, whatever happens to the proxy and at the channel meanwhile.
pub(super) async fn custom(yard: &Yard, dice: &mut Dice) -> anyhow::Result<()> {
    let channel = CHANNELS[dice.below(CHANNELS.len() as u64) as usize];
    let will = ["paid", "paid", "late", "declined"][dice.below(4) as usize];
    let body = yard.scanned(channel, 100 + dice.below(900), will).await?;
    if dice.below(2) == 0 {
        let operation = ["create", "query", "reverse"][dice.below(3) as usize];
        let kind = [
            "timeout_before",
            "timeout_after",
            "status_5xx",
            "garbage",
            "wrong_signature",
        ][dice.below(5) as usize];
        yard.demo.control("/control/fault", &json!({ "channel": channel, "operation": operation, "kind": kind, "out_trade_no": body["order_no"] })).await?;
    }
    // Refused, or on record: a repeat with the same code can be nothing else.
    let scanned = persist(yard, "POST", "/v1/payments", &body, |a| {
        a.status < 300 || a.status == 422
    })
    .await?;
    let Some(id) = scanned["id"].as_str().map(str::to_owned) else {
        // UnionPay keeps what it refused; on our side it stands as not placed.
        let path = format!("/v1/payments?order_no={}", text(&body["order_no"]));
        let refused = |a: &Answer| a.status == 200 && a.json()["state"] == "not_placed";
        return persist(yard, "GET", &path, &Value::Null, refused).await.map(drop);
    };
    let get = format!("/v1/payments/{id}");
    let over = |a: &Answer| {
        a.status == 200
            && ["paid", "reversed", "not_placed", "closed"]
                .contains(&a.json()["state"].as_str().unwrap_or_default())
    };
    let order = persist(yard, "GET", &get, &Value::Null, over).await?;
    if order["state"] == "paid" && dice.below(3) == 0 {
        persist(yard, "POST", &format!("{get}/reverse"), &json!({}), |a| {
            a.status == 200 && a.json()["state"] == "reversed"
        })
        .await?;
    }
    Ok(())
}
