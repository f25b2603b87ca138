//! Payment codes 付款码: for each of paid, needs a password, time-out before acting, time-out after acting, reversed: never
//! charged twice, never left open, and the merchant is told.

mod at_once;
mod unionpay;

use crate::{
    clock::{clear_of_day_ends, ends_soon, now},
    routes::until_on_record,
};
use anyhow::{bail, ensure};
use domain::{Instant, TradeEntry, TradeEvent};
use journal::{Reader, disk::RealDisk};
use sandbox::demo::{Demo, http::Answer, merchant::Merchant, place::Options};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

type Done = anyhow::Result<()>;

/// Channels whose payment codes are taken.
pub(crate) const CHANNELS: [&str; 3] = ["wechat", "alipay", "unionpay"];

struct Counter {
    demo: Demo,
    shop: Merchant,
    channel: &'static str,
}

impl Counter {
    fn body(&self, code: &str, amount: u64) -> Value {
        json!({ "order_no": self.demo.next_number(), "channel": self.channel, "pay_way": "micropay", "amount": amount, "description": "奶茶", "auth_code": code, "client_ip": "203.0.113.7" })
    }

    /// A payer who does this once the code is scanned.
    async fn payer(&self, outcome: &str) -> anyhow::Result<String> {
        let code = self.demo.next_code(self.channel);
        let will = json!({ "channel": self.channel, "auth_code": code, "outcome": outcome });
        self.demo.control("/control/pay", &will).await?;
        Ok(code)
    }

    /// The payer whose code this is types the password now.
    async fn types_the_password(&self, body: &Value) -> Done {
        let typed = json!({ "channel": self.channel, "auth_code": body["auth_code"], "outcome": "paid" });
        self.demo.control("/control/pay", &typed).await.map(drop)
    }

    async fn scan(&self, body: &Value) -> anyhow::Result<Answer> {
        self.shop.ask("POST", "/v1/payments", Some(body)).await
    }

    /// UnionPay's answer says "accepted", no more, and its orders end with their own time only.
    fn ends_by_itself(&self) -> bool {
        self.channel == "unionpay"
    }

    /// Scans a code whose payer pays; where the answer leaves it open, the payment comes after it.
    async fn scan_paid(&self, body: &Value) -> anyhow::Result<Value> {
        let answer = self.scan(body).await?;
        let order = answer.json();
        let open = answer.status == 202 && order["state"] == "awaiting_payment" && self.ends_by_itself();
        ensure!(
            open || answer.status == 201 && order["state"] == "paid",
            "{} {order}",
            answer.status
        );
        if open {
            self.until(&order, "paid").await
        } else {
            Ok(order)
        }
    }

    async fn fault(&self, body: &Value, operation: &str, kind: &str) -> Done {
        let fault = json!({ "channel": self.channel, "operation": operation, "kind": kind, "out_trade_no": body["order_no"] });
        self.demo.control("/control/fault", &fault).await.map(drop)
    }

    async fn until(&self, order: &Value, state: &str) -> anyhow::Result<Value> {
        self.shop
            .until(order["id"].as_str().unwrap_or_default(), state, |o| {
                o["state"] == state
            })
            .await
    }

    async fn reverse(&self, order: &Value) -> anyhow::Result<Answer> {
        self.shop
            .ask(
                "POST",
                &format!(
                    "/v1/payments/{}/reverse",
                    order["id"].as_str().unwrap_or_default()
                ),
                Some(&json!({})),
            )
            .await
    }

    /// What the channel has of it; `None` where it has nothing.
    async fn there(&self, order: &Value) -> anyhow::Result<Option<Value>> {
        let all = self.demo.channel_orders().await?;
        Ok(all["orders"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|o| o["out_trade_no"] == order["number"] && o["channel"] == self.channel)
            .cloned())
    }

    /// Nobody is charged at the channel, and nothing is open there.
    async fn nobody_is_charged(&self, order: &Value) -> Done {
        let Some(there) = self.there(order).await? else {
            return Ok(());
        };
        let charged = there["paid"].is_string() && there["refunded_fen"] != there["fen"];
        let open = ["WAIT_BUYER_PAY", "USERPAYING", "NOTPAY", "05"]
            .contains(&there["state"].as_str().unwrap_or_default());
        ensure!(!charged && !open, "charged {charged}, open {open}: {there}");
        Ok(())
    }

    /// Charged once, by one call.
    async fn charged_once(&self, order: &Value) -> Done {
        let there = self.there(order).await?;
        let once = there
            .as_ref()
            .is_some_and(|t| t["paid"].is_string() && t["refunded_fen"] == 0 && t["calls"]["create"] == 1);
        ensure!(once, "at the channel: {there:?}");
        Ok(())
    }

    /// Told of exactly these, in this order.
    async fn told(&self, order: &Value, wanted: &[&str]) -> Done {
        let mut kinds = Vec::new();
        for _ in 0..100 {
            let mut events = self
                .demo
                .shop()
                .told(self.shop.id(), order["id"].as_str().unwrap_or_default());
            events.sort_by_key(|e| e["seq"].as_u64());
            events.dedup_by_key(|e| e["seq"].as_u64());
            kinds = events
                .iter()
                .map(|e| e["type"].as_str().unwrap_or_default().to_owned())
                .collect::<Vec<_>>();
            if kinds == wanted {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("told {kinds:?} of {order}, not {wanted:?}")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C60
async fn payment_codes_at_wechat() -> Done {
    payment_codes("wechat").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C60
async fn payment_codes_at_alipay() -> Done {
    payment_codes("alipay").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C60
async fn payment_codes_at_unionpay() -> Done {
    clear_of_day_ends(5).await; // a cancel is taken on the payment's own day
    payment_codes("unionpay").await
}

async fn payment_codes(channel: &'static str) -> Done {
    let dir = tempfile::tempdir()?;
    let options = Options {
        desk: false,
        ..Options::default()
    };
    let demo = Demo::start(dir.path(), &options, false).await?;
    let shop = demo.merchant(0)?;
    let counter = Counter { demo, shop, channel };
    // Stopped in good order first: else the end of the folder would be the end of the process, and of the reason.
    let said = every_outcome(&counter).await;
    counter.demo.services.stop().await?;
    said?;
    counter.demo.prove_journal().map(drop)
}

async fn every_outcome(counter: &Counter) -> Done {
    paid_at_once(counter).await?;
    a_password_is_waited_for(counter).await?;
    a_password_that_never_comes_ends_in_a_reverse(counter).await?;
    what_timed_out_is_found(counter).await?;
    what_never_arrived_is_reversed_and_may_be_scanned_again(counter).await?;
    a_refusal_is_said_in_words_for_a_counter(counter).await?;
    a_repeat_answers_from_the_record(counter).await?;
    the_merchant_reverses(counter).await?;
    a_reverse_is_repeated_until_it_is_known(counter).await?;
    a_payment_during_the_reverse_goes_back(counter).await?;
    another_way_reverses_first(counter).await?;
    codes_are_told_from_their_digits(counter).await?;
    if counter.ends_by_itself() {
        unionpay::own_rules(counter).await?;
    }
    Ok(())
}

/// Without the API certificate a charge could not be undone: it does not leave.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C66
async fn nobody_is_charged_where_a_reverse_could_not_be_sent() -> Done {
    let dir = tempfile::tempdir()?;
    let demo = Demo::start(
        dir.path(),
        &Options {
            desk: false,
            ..Options::default()
        },
        true,
    )
    .await?;
    let mchid = demo.place.merchants[0].accounts.wechat.mchid.clone();
    let folder = demo.place.dir.join("keys/wechat").join(&mchid);
    let certificate = folder.join("merchant-certificate.crt");
    let shop = demo.merchant(0)?;
    let counter = Counter {
        demo,
        shop,
        channel: "wechat",
    };
    // Another key's certificate is as good as none.
    let other = counter.demo.place.merchants[1].accounts.wechat.cert_file.clone();
    let other = std::fs::read(counter.demo.place.material.dir.join(other))?;
    for wrong in [None, Some(other)] {
        counter.demo.services.stop_proxy().await?;
        match &wrong {
            None => std::fs::remove_file(&certificate)?,
            Some(other) => std::fs::write(&certificate, other)?,
        }
        counter
            .demo
            .services
            .restart_proxy(&counter.demo.place, &[])
            .await?;
        counter.demo.ready().await?;
        let body = counter.body(&counter.payer("paid").await?, 100);
        let answer = counter.scan(&body).await?;
        ensure!(
            answer.status == 403 && answer.json()["code"] == "operation_not_allowed",
            "{} {}",
            answer.status,
            answer.json()
        );
        let all = counter.demo.channel_orders().await?;
        ensure!(
            all["orders"].as_array().is_some_and(Vec::is_empty),
            "the channel has something: {all}"
        );
        // Whatever else the account does, it does as before.
        let other = json!({ "order_no": counter.demo.next_number(), "channel": "wechat", "pay_way": "native", "amount": 5, "description": "茶" });
        ensure!(
            counter.scan(&other).await?.status == 201,
            "a native order needs no certificate"
        );
        counter.demo.control("/control/reset", &json!({})).await?;
    }
    counter.demo.services.stop().await
}

/// The charging call was slow rather than lost: it arrives after a reverse that found nothing, and WeChat tells nobody; Alipay's
/// notice is lost. Looked for once the order has ended there by itself, it is found and goes back; so it is if the proxy is killed between
/// the two, starts again before that look was due, or long after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C60
async fn a_charge_that_arrives_after_its_reverse_goes_back() -> Done {
    let (v2, v3, alipay) = tokio::join!(
        late("wechat", false, false),
        late("wechat", true, true),
        late("alipay", false, true)
    );
    v2.map_err(|e| e.context("V2, back before the look"))?;
    v3.map_err(|e| e.context("APIv3, back after the look was due"))?;
    alipay.map_err(|e| e.context("Alipay, back after the look was due"))
}

/// `away`: is the proxy gone until the look was due?
async fn late(channel: &'static str, codepay: bool, away: bool) -> Done {
    let dir = tempfile::tempdir()?;
    let options = Options {
        desk: false,
        codepay,
        ..Options::default()
    };
    let demo = Demo::start(dir.path(), &options, true).await?;
    let shop = demo.merchant(0)?;
    let c = Counter { demo, shop, channel };
    let (body, end) = charge_that_comes_late(&c, 470).await?;
    let (lost, _) = charge_that_comes_late(&c, 480).await?;
    // This one never comes: the look says so, once.
    let mut never = c.body(&c.payer("paid").await?, 490);
    never["expires_at"] = end.to_string().into();
    c.fault(&never, "create", "timeout_before").await?;
    let (first, second, third) = tokio::join!(c.scan(&body), c.scan(&lost), c.scan(&never));
    let mut orders = Vec::new();
    for answer in [first?, second?, third?] {
        ensure!(answer.status == 202, "{} {}", answer.status, answer.json());
        let order = c.until(&answer.json(), "reversed").await?;
        ensure!(order["reverse"]["refunded"] == false, "found too early: {order}");
        c.told(&order, &["payment.reversed"]).await?;
        orders.push(order);
    }
    // The payer of the second one was asked for another code, and paid by that.
    let mut lost = lost;
    lost["auth_code"] = c.payer("paid").await?.into();
    let sold = c.scan_paid(&lost).await?;
    ensure!(sold["attempt"] == 2 && sold["id"] == orders[1]["id"], "{sold}");
    let heard = ["payment.reversed", "payment.paid"];
    c.told(&sold, &heard).await?;
    for order in &orders[..2] {
        let mut there = None;
        for _ in 0..300 {
            there = c.there(order).await?.filter(|there| there["paid"].is_string());
            if there.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        ensure!(
            there.as_ref().is_some_and(|there| there["refunded_fen"] == 0),
            "it did not arrive late: {there:?}"
        );
    }
    ensure!(now() < end, "too slow to say anything of a restart");
    c.demo.services.kill_proxy().await?;
    if away {
        // So long that the look would have been over, had it been forgotten.
        let wait = (end.secs() - now().secs()).max(0).unsigned_abs();
        tokio::time::sleep(Duration::from_secs(wait + 3)).await;
    }
    c.demo.services.restart_proxy(&c.demo.place, &[]).await?;
    c.demo.ready().await?;
    for order in &orders[..2] {
        for _ in 0..1000 {
            if c.nobody_is_charged(order).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        c.nobody_is_charged(order).await?;
    }
    let back = c.until(&orders[0], "reversed").await?;
    c.told(&back, &["payment.reversed", "payment.reversed"]).await?;
    let back = c
        .shop
        .until(back["id"].as_str().unwrap_or_default(), "its end", |o| {
            o["reverse"]["refunded"] != false
        })
        .await?;
    ensure!(back["reverse"]["refunded"] == true, "{back}");
    // What the first code's charge took went back; the sale stands, and the shop, which was told of it, is told nothing more.
    let stands = c.until(&sold, "paid").await?;
    ensure!(stands["attempt"] == 2, "{stands}");
    c.charged_once(&stands).await?;
    back_on_record(&c, &sold).await?;
    c.told(&sold, &heard).await?;
    c.told(&orders[2], &["payment.reversed"]).await?;
    once_on_record(&c, &orders[2]).await?;
    c.demo.services.stop().await?;
    c.demo.prove_journal().map(drop)
}
/// An order by a code whose charge is booked some seconds later than its answer was waited for; WeChat takes no nearer end
/// than a minute.
async fn charge_that_comes_late(c: &Counter, amount: u64) -> anyhow::Result<(Value, Instant)> {
    let mut body = c.body(&c.payer("paid").await?, amount);
    let end = ends_soon();
    body["expires_at"] = end.to_string().into();
    c.fault(&body, "create", "arrives_late").await?;
    if c.channel == "alipay" {
        c.fault(&body, "notice", "drop").await?; // it tells, and the notice is lost
    }
    Ok((body, end))
}

/// That the late charge of an order's first code was taken back stands on record.
async fn back_on_record(c: &Counter, order: &Value) -> Done {
    let reversed = |e: &TradeEntry| {
        let of = e.order.map(|id| id.to_string());
        matches!(
            e.event,
            TradeEvent::AttemptReversed {
                attempt: 1,
                refunded: Some(true),
                ..
            }
        ) && of.as_deref() == order["id"].as_str()
    };
    let all = until_on_record(&c.demo, 0, |all| all.iter().any(reversed)).await?;
    ensure!(all.iter().any(reversed), "it is not on record as taken back");
    Ok(())
}

/// That nothing came late stands on record once, of the one order of which that is true.
async fn once_on_record(c: &Counter, order: &Value) -> Done {
    let mut about = Vec::new();
    for _ in 0..60 {
        let reader = Reader::open(Arc::new(RealDisk), &c.demo.place.dir.join("data/trades"))?;
        about.clear();
        for item in reader.scan(0) {
            let entry = TradeEntry::from_canonical(&item?.1)?;
            if matches!(entry.event, TradeEvent::NothingCameLate { .. }) {
                about.extend(entry.order.map(|id| id.to_string()));
            }
        }
        if !about.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    ensure!(
        about == [order["id"].as_str().unwrap_or_default()],
        "on record of {about:?}"
    );
    Ok(())
}

async fn paid_at_once(c: &Counter) -> Done {
    let body = c.body(&c.payer("paid").await?, 880);
    let order = c.scan_paid(&body).await?;
    ensure!(order["paid"]["proof"] != "query" || c.ends_by_itself(), "{order}");
    c.charged_once(&order).await?;
    c.told(&order, &["payment.paid"]).await?;
    // A channel's notice that comes as well says nothing new, and a refund works as of any other order.
    let refund = c
        .shop
        .ask(
            "POST",
            &format!(
                "/v1/payments/{}/refunds",
                order["id"].as_str().unwrap_or_default()
            ),
            Some(&json!({ "refund_no": "r1", "amount": 880 })),
        )
        .await?;
    ensure!(refund.status < 300, "{}", refund.json());
    c.until(&order, "refunded").await?;
    let reverse = c.reverse(&order).await?;
    ensure!(
        reverse.status == 409 && reverse.json()["code"] == "refund_exceeds_paid",
        "{}",
        reverse.json()
    );
    Ok(())
}

async fn a_password_is_waited_for(c: &Counter) -> Done {
    let body = c.body(&c.payer("late").await?, 1000);
    let answer = c.scan(&body).await?;
    let order = answer.json();
    ensure!(
        answer.status == 202 && order["state"] == "awaiting_payment",
        "{} {order}",
        answer.status
    );
    let close = c
        .shop
        .ask(
            "POST",
            &format!("/v1/payments/{}/close", order["id"].as_str().unwrap_or_default()),
            Some(&json!({})),
        )
        .await?;
    ensure!(
        close.status == 403,
        "a payment-code order was closed: {}",
        close.json()
    );
    c.types_the_password(&body).await?;
    let order = c.until(&order, "paid").await?;
    c.charged_once(&order).await?;
    c.told(&order, &["payment.paid"]).await
}

async fn a_password_that_never_comes_ends_in_a_reverse(c: &Counter) -> Done {
    let body = c.body(&c.payer("late").await?, 1100);
    let answer = c.scan(&body).await?;
    ensure!(answer.status == 202, "{}", answer.json());
    let order = c.until(&answer.json(), "reversed").await?;
    ensure!(
        order["reverse"]["reason"] == "unpaid" && order["reverse"]["refunded"] != true,
        "{order}"
    );
    c.nobody_is_charged(&order).await?;
    c.told(&order, &["payment.reversed"]).await
}

async fn what_timed_out_is_found(c: &Counter) -> Done {
    for kind in ["timeout_after", "garbage", "wrong_signature", "slow"] {
        let body = c.body(&c.payer("paid").await?, 700);
        c.fault(&body, "create", kind).await?;
        c.fault(&body, "notice", "drop").await?; // or Alipay's own notice is faster than the query
        let answer = c.scan(&body).await?;
        ensure!(
            answer.status == 202 && answer.json()["state"] == "unknown",
            "{kind}: {} {}",
            answer.status,
            answer.json()
        );
        let order = c.until(&answer.json(), "paid").await?;
        c.charged_once(&order).await?;
        c.told(&order, &["payment.paid"]).await?;
    }
    Ok(())
}

async fn what_never_arrived_is_reversed_and_may_be_scanned_again(c: &Counter) -> Done {
    for kind in ["timeout_before", "status_5xx"] {
        let mut body = c.body(&c.payer("paid").await?, 640);
        c.fault(&body, "create", kind).await?;
        let answer = c.scan(&body).await?;
        ensure!(
            answer.status == 202 && answer.json()["state"] == "unknown",
            "{kind}: {}",
            answer.json()
        );
        let order = c.until(&answer.json(), "reversed").await?;
        ensure!(order["reverse"]["reason"] == "unknown", "{order}");
        ensure!(c.there(&order).await?.is_none(), "{kind}: the channel has it");
        c.told(&order, &["payment.reversed"]).await?;
        body["auth_code"] = c.payer("paid").await?.into();
        let second = c.scan_paid(&body).await?;
        ensure!(second["attempt"] == 2, "{kind}: {second}");
        ensure!(
            second["number"] != order["number"] && second["id"] == order["id"],
            "a spent number was used again: {second}"
        );
        c.charged_once(&second).await?;
        c.nobody_is_charged(&order).await?;
    }
    Ok(())
}

async fn a_refusal_is_said_in_words_for_a_counter(c: &Counter) -> Done {
    let mut body = c.body(&c.payer("declined").await?, 500);
    let answer = c.scan(&body).await?;
    ensure!(
        answer.status == 422
            && answer.json()["code"] == "payer_cannot_pay"
            && answer.json()["channel_code"].is_string(),
        "{} {}",
        answer.status,
        answer.json()
    );
    // The same code once more: it is used up.
    let used = c.scan(&body).await?;
    ensure!(
        used.status == 422 && used.json()["code"] == "payment_code_invalid",
        "{}",
        used.json()
    );
    body["auth_code"] = c.payer("paid").await?.into();
    let paid = c.scan_paid(&body).await?;
    ensure!(paid["attempt"] == 3, "{paid}");
    c.charged_once(&paid).await
}

async fn a_repeat_answers_from_the_record(c: &Counter) -> Done {
    let mut body = c.body(&c.payer("late").await?, 300);
    let waiting = body.clone();
    let first = c.scan(&body).await?.json();
    body["auth_code"] = c.payer("paid").await?.into();
    let again = c.scan(&body).await?;
    ensure!(
        again.status == 202 && again.json()["attempt"] == 1 && again.json()["state"] == "awaiting_payment",
        "{}",
        again.json()
    );
    c.types_the_password(&waiting).await?;
    let order = c.until(&first, "paid").await?;
    let after = c.scan(&body).await?;
    ensure!(
        after.status == 200 && after.json()["state"] == "paid" && after.json()["attempt"] == 1,
        "{} {}",
        after.status,
        after.json()
    );
    c.charged_once(&order).await?;
    body["amount"] = 301.into();
    let changed = c.scan(&body).await?;
    ensure!(changed.status == 409, "{}", changed.json());
    // At the same time: one call.
    let body = c.body(&c.payer("paid").await?, 310);
    let (one, two) = tokio::join!(c.scan(&body), c.scan(&body));
    let (one, two) = (one?, two?);
    for answer in [&one, &two] {
        let order = answer.json();
        ensure!(answer.status < 300 && order["attempt"] == 1, "{order}");
        ensure!(order["state"] == "paid" || c.ends_by_itself(), "{order}");
    }
    let order = c.until(&one.json(), "paid").await?;
    c.charged_once(&order).await
}

async fn the_merchant_reverses(c: &Counter) -> Done {
    // What waits.
    let waiting = c
        .scan(&c.body(&c.payer("late").await?, 210).clone())
        .await?
        .json();
    tokio::time::sleep(Duration::from_millis(250)).await; // the setting `reverse_after_ms`
    let answer = c.reverse(&waiting).await?;
    let (status, state) = if c.ends_by_itself() {
        (202, "reversing")
    } else {
        (200, "reversed")
    };
    ensure!(
        answer.status == status && answer.json()["state"] == state,
        "{} {}",
        answer.status,
        answer.json()
    );
    let order = c.until(&waiting, "reversed").await?;
    ensure!(order["reverse"]["reason"] == "merchant", "{order}");
    c.nobody_is_charged(&waiting).await?;
    c.told(&waiting, &["payment.reversed"]).await?;
    // What is paid.
    let paid = c.scan_paid(&c.body(&c.payer("paid").await?, 220)).await?;
    tokio::time::sleep(Duration::from_millis(250)).await;
    let answer = c.reverse(&paid).await?;
    ensure!(
        answer.status == 200
            && answer.json()["state"] == "reversed"
            && answer.json()["reverse"]["refunded"] != false,
        "{}",
        answer.json()
    );
    c.nobody_is_charged(&paid).await?;
    c.told(&paid, &["payment.paid", "payment.reversed"]).await?;
    let again = c.reverse(&paid).await?;
    ensure!(
        again.status == 200 && again.json()["state"] == "reversed",
        "{}",
        again.json()
    );
    let refund = c
        .shop
        .ask(
            "POST",
            &format!("/v1/payments/{}/refunds", paid["id"].as_str().unwrap_or_default()),
            Some(&json!({ "refund_no": "r1", "amount": 1 })),
        )
        .await?;
    ensure!(
        refund.status == 409 && refund.json()["code"] == "order_not_paid",
        "{}",
        refund.json()
    );
    // What was placed in another way.
    let (channel, way) = (c.channel, if c.channel == "wechat" { "native" } else { "qr" });
    let other = json!({ "order_no": c.demo.next_number(), "channel": channel, "pay_way": way, "amount": 5, "description": "茶" });
    let other = c.scan(&other).await?.json();
    let refused = c.reverse(&other).await?;
    ensure!(
        refused.status == 403 && refused.json()["code"] == "operation_not_allowed",
        "{}",
        refused.json()
    );
    Ok(())
}

async fn a_reverse_is_repeated_until_it_is_known(c: &Counter) -> Done {
    for kind in [
        "again",
        "timeout_before",
        "timeout_after",
        "garbage",
        "busy",
        "status_5xx",
    ] {
        if kind == "again" && c.ends_by_itself() {
            continue; // UnionPay has no such answer
        }
        let body = c.body(&c.payer("paid").await?, 230);
        let paid = c.scan_paid(&body).await?;
        tokio::time::sleep(Duration::from_millis(250)).await;
        c.fault(&body, "reverse", kind).await?;
        let answer = c.reverse(&paid).await?;
        ensure!(
            answer.status == 202 && answer.json()["state"] == "reversing",
            "{kind}: {} {}",
            answer.status,
            answer.json()
        );
        let order = c.until(&paid, "reversed").await?;
        c.nobody_is_charged(&order).await?;
        c.told(&order, &["payment.paid", "payment.reversed"]).await?;
    }
    Ok(())
}

/// The payer types the password while the reverse hangs: the money goes back, and the merchant never hears "paid".
async fn a_payment_during_the_reverse_goes_back(c: &Counter) -> Done {
    let body = c.body(&c.payer("late").await?, 240);
    let waiting = c.scan(&body).await?.json();
    tokio::time::sleep(Duration::from_millis(250)).await;
    c.fault(&body, "reverse", "timeout_before").await?;
    let answer = c.reverse(&waiting).await?;
    ensure!(answer.json()["state"] == "reversing", "{}", answer.json());
    c.types_the_password(&body).await?;
    let order = c.until(&waiting, "reversed").await?;
    ensure!(
        order["reverse"]["refunded"] != false,
        "it was paid in between: {order}"
    );
    c.nobody_is_charged(&order).await?;
    c.told(&order, &["payment.reversed"]).await
}

async fn another_way_reverses_first(c: &Counter) -> Done {
    let mut body = c.body(&c.payer("late").await?, 250);
    let first = c.scan(&body).await?.json();
    tokio::time::sleep(Duration::from_millis(250)).await;
    let (other, way) = if c.channel == "wechat" {
        ("alipay", "qr")
    } else {
        ("wechat", "native")
    };
    body["channel"] = other.into();
    body["pay_way"] = way.into();
    body.as_object_mut().map(|b| b.remove("auth_code"));
    let mut second = c.scan(&body).await?;
    if c.ends_by_itself() {
        // It cannot be ended before its own time, and until then nobody else is asked to pay.
        ensure!(
            second.status == 409 && second.json()["code"] == "order_in_progress",
            "{} {}",
            second.status,
            second.json()
        );
        c.until(&first, "reversed").await?;
        second = c.scan(&body).await?;
    }
    ensure!(
        second.status == 201 && second.json()["attempt"] == 2,
        "{} {}",
        second.status,
        second.json()
    );
    c.nobody_is_charged(&first).await
}

async fn codes_are_told_from_their_digits(c: &Counter) -> Done {
    let good = c.demo.next_code(c.channel);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = c.body(&good, 100);
        change(&mut body);
        body
    };
    let other = if c.channel == "wechat" { "alipay" } else { "wechat" };
    let refused = [
        with(&|b| b["channel"] = other.into()),
        with(&|b| b["auth_code"] = "".into()),
        with(&|b| b["auth_code"] = "9912345678901234".into()),
        with(&|b| b["auth_code"] = "28123456789012345x".into()),
        with(&|b| b["auth_code"] = 28_123_456_789_012_345_u64.into()),
        with(&|b| b["payer"] = json!({ "buyer_id": "2088102146225135" })),
        with(&|b| drop(b.as_object_mut().map(|b| b.remove("auth_code")))),
        with(&|b| b["pay_way"] = "jsapi".into()),
        with(&|b| b["client_ip"] = "nowhere".into()),
    ];
    if c.channel == "wechat" {
        let refused = c
            .scan(&with(&|b| drop(b.as_object_mut().map(|b| b.remove("client_ip")))))
            .await?;
        ensure!(
            refused.status == 400 && refused.json()["code"] == "invalid_field",
            "{}",
            refused.json()
        );
    }
    for body in refused {
        let answer = c.scan(&body).await?;
        let problem = answer.json();
        ensure!(
            answer.status == 400 && problem["code"] == "invalid_field",
            "{body}: {} {problem}",
            answer.status
        );
        let said = problem["detail"].as_str().unwrap_or_default();
        ensure!(
            !said.contains(&good) && !said.contains("9912345678901234"),
            "the code is in the answer: {said}"
        );
    }
    // Left out, the channel is the code's.
    let told = c
        .scan_paid(&with(&|b| drop(b.as_object_mut().map(|b| b.remove("channel")))))
        .await?;
    ensure!(told["channel"] == c.channel, "{told}");
    Ok(())
}
