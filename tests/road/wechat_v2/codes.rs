//! Payment codes by V2: each of their outcomes, and the SDK's own ends of them.

use super::*;

pub(super) struct Counter<'a> {
    pub(super) yard: &'a Yard,
    pub(super) sdk: V2,
}

impl Counter<'_> {
    pub(super) async fn payer(&self, will: &Value) -> anyhow::Result<String> {
        let code = self.yard.demo.next_code("wechat");
        let mut will = will.clone();
        will["channel"] = "wechat".into();
        will["auth_code"] = code.as_str().into();
        self.yard.demo.control("/control/pay", &will).await?;
        Ok(code)
    }

    pub(super) async fn fault(&self, number: &str, operation: &str, kind: &str) -> Done {
        let fault =
            json!({ "channel": "wechat", "operation": operation, "kind": kind, "out_trade_no": number });
        self.yard.demo.control("/control/fault", &fault).await.map(drop)
    }

    /// So long after its charge WeChat takes no reverse.
    async fn wait_before_reverses(&self, ms: u32) -> Done {
        let wait = json!({ "reverse_after_ms": ms });
        self.yard.demo.control("/control/clock", &wait).await.map(drop)
    }

    pub(super) async fn there(&self, number: &str) -> anyhow::Result<Value> {
        let all = self.yard.demo.channel_orders().await?;
        let found = all["orders"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|o| o["out_trade_no"] == *number);
        Ok(found.cloned().unwrap_or_default())
    }

    pub(super) async fn calls(&self, number: &str) -> anyhow::Result<u64> {
        Ok(self.there(number).await?["calls"]["create"]
            .as_u64()
            .unwrap_or_default())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C60
async fn payment_codes_of_an_sdk_charge_once_and_end_as_the_sdk_ends_them() {
    let yard = Yard::open().await.expect("demo");
    let c = Counter {
        yard: &yard,
        sdk: V2::of(&yard, true).expect("an SDK"),
    };
    paid_once(&c).await.unwrap_or_else(|e| panic!("paid: {e:#}"));
    a_password(&c)
        .await
        .unwrap_or_else(|e| panic!("a password: {e:#}"));
    refused_then_another_code(&c)
        .await
        .unwrap_or_else(|e| panic!("refused: {e:#}"));
    a_trade_that_nobody_knows(&c)
        .await
        .unwrap_or_else(|e| panic!("a trade that nobody knows: {e:#}"));
    timed_out(&c).await.unwrap_or_else(|e| panic!("timed out: {e:#}"));
    tokio::try_join!(closed_and_charged(&c, true), closed_and_charged(&c, false))
        .unwrap_or_else(|e| panic!("closed meanwhile: {e:#}"));
    reversed(&c).await.unwrap_or_else(|e| panic!("reversed: {e:#}"));
    open_at_its_end(&c)
        .await
        .unwrap_or_else(|e| panic!("its end: {e:#}"));
    yard.agree().await.expect("the books agree");
}

/// A repeat, with whatever code, goes nowhere.
async fn paid_once(c: &Counter<'_>) -> Done {
    let number = c.yard.demo.next_number();
    let code = c.payer(&json!({ "outcome": "paid" })).await?;
    let paid = c.sdk.micropay(&number, "500", &code).await?;
    let said = c.sdk.verified(&paid).with_context(|| words(&paid))?;
    ensure!(said.get("transaction_id").is_some(), "{}", words(&paid));
    let order = until(c.yard, &number, "payment", |o| o["state"] == "paid").await?;
    ensure!(order["paid"]["proof"] == "answer", "{order}");
    c.yard.told(id(&order)?, "payment.paid").await?;
    let fresh = c.payer(&json!({ "outcome": "paid" })).await?;
    refused(&c.sdk.micropay(&number, "500", &fresh).await?, "ORDERPAID")?;
    ensure!(c.calls(&number).await? == 1, "it went out twice");
    // The code was in memory for the one call: no journal, log or store has it.
    let files = crate::abnormal::files_with(&c.yard.demo.place.dir, code.as_bytes());
    ensure!(files.is_empty(), "the payer's code lies in {files:?}");
    let refund = format!("R{number}");
    c.sdk
        .verified(&c.sdk.refund(&number, &refund, "200", "500").await?)?;
    until(c.yard, &number, "refund", |o| {
        o["refunds"][0]["state"] == "succeeded"
    })
    .await
    .map(drop)
}

async fn a_password(c: &Counter<'_>) -> Done {
    let number = c.yard.demo.next_number();
    let code = c.payer(&json!({ "outcome": "late" })).await?;
    let waits = c.sdk.micropay(&number, "500", &code).await?;
    ensure!(
        c.sdk.verified(&waits)?.get("err_code") == Some("USERPAYING"),
        "{}",
        words(&waits)
    );
    let repeat = c.sdk.micropay(&number, "500", &code).await?;
    refused(&repeat, "SYSTEMERROR")?;
    ensure!(
        repeat.status == 500,
        "an answer of V2's own kind: {}",
        words(&repeat)
    );
    let typed = json!({ "channel": "wechat", "auth_code": code, "outcome": "paid" });
    c.yard.demo.control("/control/pay", &typed).await?;
    asked_until_paid(c, &number).await?;
    until(c.yard, &number, "payment", |o| o["state"] == "paid").await?;
    ensure!(c.calls(&number).await? == 1, "it went out twice");
    Ok(())
}

/// Its SDK asks for it, as its documents tell it.
async fn asked_until_paid(c: &Counter<'_>, number: &str) -> Done {
    for _ in 0..150 {
        let answer = c.sdk.ask("/pay/orderquery", &[("out_trade_no", number)]).await?;
        let said = c.sdk.verified(&answer).with_context(|| words(&answer))?;
        if said.get("trade_state") == Some("SUCCESS") {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("{number} is not paid at WeChat")
}

/// A trade that nothing here knows of, as after a total loss of the records, stands under the number and waits for its payer's
/// password. The channel refuses a charge under it; and as long as that trade may be paid nothing is charged under another.
async fn a_trade_that_nobody_knows(c: &Counter<'_>) -> Done {
    let number = c.yard.demo.next_number();
    let straight = V2 {
        client: Client::tls(c.yard.demo.channels.wechat, c.yard.demo.ca())?,
        ..V2::of(c.yard, true)?
    };
    let code = c.payer(&json!({ "outcome": "late" })).await?;
    let waits = straight.micropay(&number, "500", &code).await?;
    ensure!(words(&waits).contains("USERPAYING"), "{}", words(&waits));
    let merchant = c.yard.merchant()?;
    for _ in 0..2 {
        let code = c.payer(&json!({ "outcome": "paid" })).await?;
        let body = json!({ "order_no": number, "channel": "wechat", "pay_way": "micropay", "amount": 500, "description": "tea", "client_ip": "203.0.113.7", "auth_code": code });
        let scanned = merchant.ask("POST", "/v1/payments", Some(&body)).await?;
        ensure!(
            scanned.status == 202 && scanned.json()["number"] == *number,
            "{} {}",
            scanned.status,
            scanned.json()
        );
    }
    c.yard
        .demo
        .control(
            "/control/pay",
            &json!({ "channel": "wechat", "out_trade_no": number, "outcome": "paid" }),
        )
        .await?;
    let order = until(c.yard, &number, "an end", |o| {
        o["state"] == "paid" || o["state"] == "reversed"
    })
    .await?;
    ensure!(
        order["attempt"] == 1 && order["number"] == *number,
        "charged once more: {order}"
    );
    Ok(())
}

/// Surely nobody was charged: the number may be tried with a fresh code.
async fn refused_then_another_code(c: &Counter<'_>) -> Done {
    let number = c.yard.demo.next_number();
    let code = c.payer(&json!({ "outcome": "declined" })).await?;
    let answer = c.sdk.micropay(&number, "500", &code).await?;
    ensure!(
        c.sdk.verified(&answer)?.get("err_code") == Some("NOTENOUGH"),
        "{}",
        words(&answer)
    );
    until(c.yard, &number, "refusal", |o| o["state"] == "not_placed").await?;
    let code = c.payer(&json!({ "outcome": "paid" })).await?;
    c.sdk.verified(&c.sdk.micropay(&number, "500", &code).await?)?;
    until(c.yard, &number, "payment", |o| o["state"] == "paid")
        .await
        .map(drop)
}

/// Nobody knows, the SDK hears so, and neither it nor we send the charge again; a query tells.
async fn timed_out(c: &Counter<'_>) -> Done {
    for (kind, state) in [("timeout_after", "paid"), ("timeout_before", "reversed")] {
        let number = c.yard.demo.next_number();
        c.fault(&number, "create", kind).await?;
        let code = c.payer(&json!({ "outcome": "paid" })).await?;
        let answer = c.sdk.micropay(&number, "500", &code).await?;
        ensure!(answer.status == 500, "{kind}: {}", words(&answer));
        refused(&answer, "SYSTEMERROR")?;
        ensure!(
            c.sdk.micropay(&number, "500", &code).await?.status != 200 || state == "paid",
            "sent again"
        );
        if state == "reversed" {
            c.sdk
                .failed("/pay/orderquery", &[("out_trade_no", &number)], "ORDERNOTEXIST")
                .await?;
            c.sdk
                .failed(
                    "/secapi/pay/reverse",
                    &[("out_trade_no", &number)],
                    "ORDERNOTEXIST",
                )
                .await?;
        }
        until(c.yard, &number, state, |o| o["state"] == state).await?;
        ensure!(c.calls(&number).await? <= 1, "it went out twice");
    }
    Ok(())
}

/// An SDK that has lost its patience closes the order, beside the charging call or after it. WeChat has nothing of it yet, and
/// books the charge all the same.
//= C60
async fn closed_and_charged(c: &Counter<'_>, beside: bool) -> Done {
    let number = c.yard.demo.next_number();
    let by_number = [("out_trade_no", number.as_str())];
    c.fault(&number, "create", "arrives_late").await?;
    let code = c.payer(&json!({ "outcome": "paid" })).await?;
    match beside {
        false => {
            refused(&c.sdk.micropay(&number, "500", &code).await?, "SYSTEMERROR")?;
            c.sdk.ask("/pay/closeorder", &by_number).await?;
        }
        true => {
            let close = async {
                for _ in 0..100 {
                    if on_record(c.yard, &number).await.is_ok() {
                        break;
                    }
                    sleep(Duration::from_millis(10)).await;
                }
                c.sdk.ask("/pay/closeorder", &by_number).await
            };
            let (paid, _) = tokio::try_join!(c.sdk.micropay(&number, "500", &code), close)?;
            refused(&paid, "SYSTEMERROR")?;
        }
    }
    asked_until_paid(c, &number).await?;
    let order = until(c.yard, &number, "payment", |o| o["state"] == "paid").await?;
    c.yard.told(id(&order)?, "payment.paid").await?;
    let told = c.yard.demo.shop().told(c.yard.merchant()?.id(), id(&order)?);
    ensure!(
        told.iter().all(|event| event["type"] == "payment.paid"),
        "told otherwise too: {told:?}"
    );
    ensure!(!c.there(&number).await?["paid"].is_null(), "not charged");
    Ok(())
}

async fn reversed(c: &Counter<'_>) -> Done {
    let number = c.yard.demo.next_number();
    let code = c.payer(&json!({ "outcome": "paid" })).await?;
    c.sdk.verified(&c.sdk.micropay(&number, "500", &code).await?)?;
    let by_number = [("out_trade_no", number.as_str())];
    // Too early, as WeChat counts (15 s there): to be sent again, by the SDK or by us, and nothing went back yet.
    c.wait_before_reverses(60_000).await?;
    let early = c
        .sdk
        .verified(&c.sdk.ask("/secapi/pay/reverse", &by_number).await?)?;
    ensure!(
        early.get("recall") == Some("Y") && early.get("result_code") == Some("FAIL"),
        "a reverse at once was taken"
    );
    ensure!(
        c.there(&number).await?["refunded_fen"] == 0,
        "it went back at once"
    );
    c.wait_before_reverses(100).await?;
    tokio::time::sleep(std::time::Duration::from_millis(250)).await; // past it
    let said = c.sdk.done("/secapi/pay/reverse", &by_number).await?;
    ensure!(said.get("recall") == Some("N"), "to be sent again");
    let order = until(c.yard, &number, "reverse", |o| o["state"] == "reversed").await?;
    c.yard.told(id(&order)?, "payment.reversed").await?;
    let there = c.there(&number).await?;
    ensure!(
        there["refunded_fen"] == 500 && there["state"] == "REVOKED",
        "{there}"
    );
    // Again, as an SDK may: the channel's own word, and nothing new on record.
    c.sdk.done("/secapi/pay/reverse", &by_number).await?;
    let code = c.payer(&json!({ "outcome": "paid" })).await?;
    refused(&c.sdk.micropay(&number, "500", &code).await?, "ORDERCLOSED")?;
    ensure!(
        on_record(c.yard, &number).await?["journal_index"] == order["journal_index"],
        "more on record"
    );

    // A reverse whose answer was lost is brought to its end, by us if the SDK does not.
    let number = c.yard.demo.next_number();
    let code = c.payer(&json!({ "outcome": "late" })).await?;
    c.sdk.micropay(&number, "500", &code).await?;
    tokio::time::sleep(std::time::Duration::from_millis(250)).await; // not before its time
    c.fault(&number, "reverse", "timeout_after").await?;
    let answer = c
        .sdk
        .ask("/secapi/pay/reverse", &[("out_trade_no", &number)])
        .await?;
    ensure!(answer.status == 500, "{}", words(&answer));
    until(c.yard, &number, "reverse", |o| o["state"] == "reversed")
        .await
        .map(drop)
}

/// An SDK that never comes back: what is open when the order's time is over is reversed by us.
async fn open_at_its_end(c: &Counter<'_>) -> Done {
    let number = c.yard.demo.next_number();
    let code = c.payer(&json!({ "outcome": "late" })).await?;
    let end = clock::ends_soon().to_string();
    let digits: String = end.chars().filter(char::is_ascii_digit).take(14).collect();
    let fields = [
        ("body", "奶茶"),
        ("out_trade_no", number.as_str()),
        ("total_fee", "500"),
        ("spbill_create_ip", "203.0.113.7"),
        ("time_expire", &digits),
        ("auth_code", &code),
    ];
    c.sdk.failed("/pay/micropay", &fields, "USERPAYING").await?;
    for _ in 0..100 {
        let order = on_record(c.yard, &number).await?;
        if ["reversed", "closed"].contains(&&*text(&order["state"])) {
            until(c.yard, &number, "its end", |o| o["state"] == order["state"]).await?;
            ensure!(c.there(&number).await?["paid"].is_null(), "charged");
            return Ok(());
        }
        sleep(Duration::from_secs(1)).await;
    }
    bail!("open for ever: {}", on_record(c.yard, &number).await?)
}
