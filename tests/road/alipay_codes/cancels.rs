//! `trade.cancel` of what is no payment code, by a merchant's own client of Alipay: before its payment a close, after it
//! Alipay pays back, and a code that nobody has scanned yet stays open to be undone.

use super::*;
use std::collections::BTreeSet;

const SUM: u64 = 500;

impl Till<'_> {
    async fn place(&self, call: &str, more: &[(&str, Value)]) -> anyhow::Result<(String, Value)> {
        let number = self.yard.demo.next_number();
        let mut content = json!({ "out_trade_no": number, "total_amount": "5.00", "subject": "奶茶" });
        if call == "create" {
            content["buyer_id"] = "2088102175953034".into();
            content["product_code"] = "JSAPI_PAY".into();
        }
        for (name, value) in more {
            content[*name] = value.clone();
        }
        let said = self.is(&self.ask(call, &content).await?, "10000")?;
        Ok((number, said))
    }

    async fn again(&self, number: &str) -> anyhow::Result<Answer> {
        let content = json!({ "out_trade_no": number, "total_amount": "5.00", "subject": "奶茶" });
        self.ask("precreate", &content).await
    }

    async fn at_the_payer(&self, number: &str, outcome: &str) -> Done {
        let will = json!({ "channel": "alipay", "out_trade_no": number, "outcome": outcome });
        self.yard.demo.control("/control/pay", &will).await.map(drop)
    }

    /// Its payer scans the code and does not pay yet.
    async fn scan(&self, number: &str) -> Done {
        self.at_the_payer(number, "declined").await
    }

    async fn by(&self, content: Value) -> anyhow::Result<Answer> {
        self.ask("cancel", &content).await
    }

    /// Undone, told, and not more than once.
    async fn undone(&self, number: &str, refunded: u64) -> anyhow::Result<Value> {
        let order = self.until(number, "reversed").await?;
        self.yard.told(id(&order)?, "payment.reversed").await?;
        let there = self.there(number).await?;
        let back = there["refunds"].as_array().map_or(0, Vec::len);
        ensure!(
            there["refunded_fen"] == refunded && back == usize::from(refunded > 0),
            "{there}"
        );
        ensure!(order["reverse"]["refunded"] == (refunded > 0), "{order}");
        Ok(order)
    }

    /// What the merchant was told of it; what was told again, because its answer came late, once.
    fn heard(&self, order: &Value) -> anyhow::Result<Vec<String>> {
        let told = self.yard.demo.shop().told(self.yard.merchant()?.id(), id(order)?);
        let mut seen = BTreeSet::new();
        let new = told.iter().filter(|event| seen.insert(text(&event["id"])));
        Ok(new.map(|event| text(&event["type"])).collect())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C88
async fn what_was_placed_is_cancelled_before_and_after_its_payment() {
    let yard = Yard::open().await.expect("demo");
    for v3 in [false, true] {
        let till = Till::of(&yard, v3).expect("an SDK");
        each(&till).await.unwrap_or_else(|e| panic!("v3 {v3}: {e:#}"));
    }
    yard.agree().await.expect("the books agree");
}

async fn each(till: &Till<'_>) -> Done {
    // Begun first: it ends with the order's own time.
    let (over, _) = till.place("precreate", &[("time_expire", soon(8))]).await?;
    nothing_there(till, &over).await?;
    closed(till).await.context("closed")?;
    paid(till).await.context("paid")?;
    unscanned(till).await.context("unscanned")?;
    by_its_number(till).await.context("by its number")?;
    lost(till).await.context("lost")?;
    refused(till).await.context("refused")?;
    till.undone(&over, 0).await.context("over")?;
    ensure!(
        till.there(&over).await?["scanned"] == false,
        "somebody scanned it"
    );
    Ok(())
}

/// Alipay knows of no trade, and the code is in somebody's hands: it goes out to nobody again and stays open.
async fn nothing_there(till: &Till<'_>, number: &str) -> Done {
    let said = till.is(&till.cancel(number).await?, "10000")?;
    ensure!(said["action"].is_null(), "there was something: {said}");
    let order = shown(till.yard, number).await?;
    ensure!(order["state"] == "reversing", "{order}");
    Ok(())
}

async fn closed(till: &Till<'_>) -> Done {
    let (number, _) = till.place("precreate", &[]).await?;
    till.scan(&number).await?;
    let said = till.is(&till.cancel(&number).await?, "10000")?;
    ensure!(said["action"] == "close" && said["retry_flag"] == "N", "{said}");
    let order = till.undone(&number, 0).await?;
    ensure!(till.there(&number).await?["state"] == "TRADE_CLOSED", "open");
    ensure!(
        till.heard(&order)? == ["payment.reversed"],
        "{:?}",
        till.heard(&order)?
    );
    till.refused(&till.again(&number).await?, CLOSED)?;
    // Alipay's own word again, and nothing new on record.
    till.is(&till.cancel(&number).await?, "10000")?;
    let now = shown(till.yard, &number).await?;
    ensure!(now["journal_index"] == order["journal_index"], "more on record");
    Ok(())
}

/// Nobody has told us of the payment, or somebody has: it is on record before it goes back.
async fn paid(till: &Till<'_>) -> Done {
    for call in ["precreate", "create"] {
        for notify in [true, false] {
            let (number, _) = till.place(call, &[]).await?;
            let will =
                json!({ "channel": "alipay", "out_trade_no": number, "outcome": "paid", "notify": notify });
            till.yard.demo.control("/control/pay", &will).await?;
            let said = till.is(&till.cancel(&number).await?, "10000")?;
            ensure!(said["action"] == "refund", "{said}");
            let order = till.undone(&number, SUM).await?;
            ensure!(order["paid"]["trade_no"].is_string(), "{order}");
            till.is(&till.cancel(&number).await?, "10000")?;
            till.undone(&number, SUM).await?;
            let mut heard = till.heard(&order)?;
            // Two that are told at once may arrive in either order; their numbers say which was first.
            heard.sort_unstable();
            ensure!(
                heard == ["payment.paid", "payment.reversed"] || heard == ["payment.reversed"],
                "{heard:?}"
            );
        }
    }
    Ok(())
}

/// Whoever pays by the code afterwards has the money back, and the merchant hears of the end only.
async fn unscanned(till: &Till<'_>) -> Done {
    let (paid, _) = till.place("precreate", &[]).await?;
    nothing_there(till, &paid).await?;
    till.refused(&till.again(&paid).await?, CLOSED)?;
    nothing_there(till, &paid).await?;
    till.at_the_payer(&paid, "paid").await?;
    let order = till.undone(&paid, SUM).await?;
    ensure!(
        till.heard(&order)? == ["payment.reversed"],
        "{:?}",
        till.heard(&order)?
    );
    ensure!(order["paid"]["trade_no"].is_string(), "{order}");
    // Scanned and not paid: closed.
    let (scanned, _) = till.place("precreate", &[]).await?;
    nothing_there(till, &scanned).await?;
    till.scan(&scanned).await?;
    till.undone(&scanned, 0).await?;
    ensure!(till.there(&scanned).await?["state"] == "TRADE_CLOSED", "open");
    Ok(())
}

/// By Alipay's number alone, also where no payment has told it yet; by both, if both mean one order.
async fn by_its_number(till: &Till<'_>) -> Done {
    let (number, said) = till.place("create", &[]).await?;
    let said = till.is(&till.by(json!({ "trade_no": said["trade_no"] })).await?, "10000")?;
    ensure!(said["action"] == "close", "{said}");
    till.undone(&number, 0).await?;

    let (number, _) = till.place("precreate", &[]).await?;
    till.scan(&number).await?;
    let trade_no = till.query(&number).await?.content["trade_no"].clone();
    let (other, _) = till.place("precreate", &[]).await?;
    let both = till
        .by(json!({ "out_trade_no": other, "trade_no": trade_no }))
        .await?;
    till.refused(&both, NOT_ALLOWED)?;
    till.until(&other, "awaiting_payment").await?;
    let said = till.is(&till.by(json!({ "trade_no": trade_no })).await?, "10000")?;
    ensure!(said["action"] == "close", "{said}");
    till.undone(&number, 0).await?;

    for both in [false, true] {
        let number = till.yard.demo.next_number();
        let code = till.payer(&json!({ "outcome": "late" })).await?;
        let waits = till.is(&till.pay(&number, &code).await?, "10003")?;
        let mut by = json!({ "trade_no": waits["trade_no"] });
        if both {
            by["out_trade_no"] = number.as_str().into();
        }
        let said = till.is(&till.by(by).await?, "10000")?;
        ensure!(said["action"] == "close", "{said}");
        till.undone(&number, 0).await?;
    }
    till.refused(
        &till
            .by(json!({ "trade_no": "2026112722000000000000000000" }))
            .await?,
        NOT_ALLOWED,
    )
}

/// A cancel that was begun is brought to its end, whoever lost its answer.
async fn lost(till: &Till<'_>) -> Done {
    for (kind, paid) in [
        ("timeout_after", true),
        ("timeout_before", true),
        ("again", true),
        ("timeout_before", false),
    ] {
        let (number, _) = till.place("precreate", &[]).await?;
        match paid {
            true => till.at_the_payer(&number, "paid").await?,
            false => till.scan(&number).await?,
        }
        till.fault(&number, "reverse", kind).await?;
        let answer = till.cancel(&number).await?;
        match kind {
            "again" => {
                let said = till.is(&answer, "10000")?;
                ensure!(said["retry_flag"] == "Y", "{said}");
            }
            _ => till.refused(&answer, UNKNOWN)?,
        }
        till.undone(&number, if paid { SUM } else { 0 })
            .await
            .context(kind)?;
    }
    Ok(())
}

/// What was paid back in part is paid back in parts, what a browser brings is not cancelled, and neither leaves.
async fn refused(till: &Till<'_>) -> Done {
    let (number, _) = till.place("precreate", &[]).await?;
    till.at_the_payer(&number, "paid").await?;
    let refund =
        json!({ "out_trade_no": number, "out_request_no": format!("R{number}"), "refund_amount": "2.00" });
    till.is(&till.ask("refund", &refund).await?, "10000")?;
    till.until(&number, "partly_refunded").await?;
    let answer = till.cancel(&number).await?;
    till.refused(&answer, ["ACQ.ACCESS_FORBIDDEN"; 2])?;
    let mut page = till.yard.body("alipay", SUM);
    page["pay_way"] = "page".into();
    let merchant = till.yard.merchant()?;
    let order = merchant.ask("POST", "/v1/payments", Some(&page)).await?.json();
    till.yard.demo.open(&order).await?;
    let waits = |o: &Value| o["state"] == "awaiting_payment";
    till.yard.until(id(&order)?, "awaiting_payment", waits).await?;
    let number = text(&order["number"]);
    till.refused(&till.cancel(&number).await?, NOT_ALLOWED)?;
    for number in [&*number, &till.yard.demo.next_number()] {
        ensure!(till.there(number).await?["calls"]["reverse"].is_null(), "it left");
    }
    // By the unified API what a code placed is closed or refunded.
    let order = till.yard.placed("alipay", SUM).await?;
    let path = format!("/v1/payments/{}/reverse", id(&order)?);
    let answer = merchant.ask("POST", &path, Some(&json!({}))).await?;
    ensure!(answer.status == 403, "{}", answer.json());
    Ok(())
}

/// With the merchant's keys what passes tells.
pub(super) async fn learned(till: &Till<'_>) -> Done {
    let (number, _) = till.place("precreate", &[]).await?;
    till.scan(&number).await?;
    let said = till.is(&till.cancel(&number).await?, "10000")?;
    ensure!(said["action"] == "close", "{said}");
    till.undone(&number, 0).await?;
    // Its answer was lost: the merchant's next query says that it went back, or the cancel, sent again.
    for again in [false, true] {
        let (number, _) = till.place("precreate", &[]).await?;
        till.at_the_payer(&number, "paid").await?;
        till.until(&number, "paid").await?;
        till.fault(&number, "reverse", "timeout_after").await?;
        till.refused(&till.cancel(&number).await?, UNKNOWN)?;
        till.until(&number, "reversing").await?;
        match again {
            true => drop(till.is(&till.cancel(&number).await?, "10000")?),
            false => drop(till.query(&number).await?),
        }
        till.undone(&number, SUM).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C26
//= C88
async fn killed_between_every_two_steps_of_a_cancel() {
    let yard = Yard::open().await.expect("demo");
    for (n, step) in MUTATION.into_iter().enumerate() {
        let v3 = n % 2 == 1;
        for (paid, v3) in [(true, v3), (false, !v3)] {
            killed(&yard, v3, step, paid)
                .await
                .unwrap_or_else(|e| panic!("paid {paid} {step}: {e:#}"));
        }
    }
    yard.agree().await.expect("the books agree");
}

/// Paid before the cancel, or by a code that nobody had scanned: the payer has all of it back, once.
async fn killed(yard: &Yard, v3: bool, step: &str, paid: bool) -> Done {
    let till = Till::of(yard, v3)?;
    let (number, _) = till.place("precreate", &[]).await?;
    if paid {
        till.at_the_payer(&number, "paid").await?;
        till.until(&number, "paid").await?;
    }
    yard.restart_until(step).await?;
    unanswered(Till::of(yard, v3)?.cancel(&number).await)?;
    yard.stopped_and_started().await?;
    let till = Till::of(yard, v3)?;
    if step == "before_intent" {
        // Nobody but the SDK knows of it.
        let state = if paid { "paid" } else { "awaiting_payment" };
        till.until(&number, state).await?;
        till.is(&till.cancel(&number).await?, "10000")?;
    }
    if !paid {
        till.until(&number, "reversing").await?;
        till.at_the_payer(&number, "paid").await?;
    }
    till.undone(&number, SUM).await.map(drop)
}
