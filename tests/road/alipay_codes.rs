//! A merchant's own payment codes 付款码 at Alipay with only the host changed, by the gateway and by OpenAPI v3: charged,
//! waiting, refused, lost before and after acting, cancelled; with the merchant's keys here and without; killed between
//! every two steps; and what is not carried.

mod cancels;
mod gone;

use crate::{
    kills::{MUTATION, Yard, id, text},
    native::Sdk,
};
use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use certs::{Keys, Material};
use domain::KeyRef;
use sandbox::demo::{http::Answer, place::Options};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::sleep;

type Done = anyhow::Result<()>;

/// A counter whose SDK speaks one of Alipay's two forms and verifies what it hears.
pub(crate) struct Till<'a> {
    yard: &'a Yard,
    pub(crate) sdk: Sdk,
    alipay: Keys,
    pub(crate) v3: bool,
}

/// What Alipay said.
pub(crate) struct Said {
    /// `10000`, `10003`, else the code that says why not.
    pub(crate) code: String,
    pub(crate) content: Value,
}

impl<'a> Till<'a> {
    pub(crate) fn of(yard: &'a Yard, v3: bool) -> anyhow::Result<Till<'a>> {
        let sdk = Sdk::of(yard, "alipay")?;
        let file = &sdk.alipay_account()?.0.alipay_public_key_file;
        let alipay = Keys::default();
        let pem = std::fs::read(yard.demo.place.material.dir.join(file))?;
        alipay.put(KeyRef::new("alipay")?, Material::read(&pem)?);
        Ok(Till {
            yard,
            sdk,
            alipay,
            v3,
        })
    }

    async fn ask(&self, call: &str, content: &Value) -> anyhow::Result<Answer> {
        let notify = ["pay", "precreate", "create"].contains(&call);
        match self.v3 {
            false => {
                self.sdk
                    .alipay(&format!("alipay.trade.{call}"), content, notify, None)
                    .await
            }
            true => {
                let mut content = content.clone();
                if notify {
                    content["notify_url"] = self.sdk.alipay_account()?.1.into();
                }
                let target = format!("/v3/alipay/trade/{call}");
                self.sdk.alipay_v3("POST", &target, Some(&content)).await
            }
        }
    }

    async fn pay_with(&self, number: &str, code: &str, more: &[(&str, Value)]) -> anyhow::Result<Answer> {
        let mut content = json!({ "out_trade_no": number, "total_amount": "5.00", "subject": "奶茶", "scene": "bar_code", "auth_code": code });
        for (name, value) in more {
            content[*name] = value.clone();
        }
        self.ask("pay", &content).await
    }

    async fn pay(&self, number: &str, code: &str) -> anyhow::Result<Answer> {
        self.pay_with(number, code, &[]).await
    }

    async fn cancel(&self, number: &str) -> anyhow::Result<Answer> {
        self.ask("cancel", &json!({ "out_trade_no": number })).await
    }

    async fn query(&self, number: &str) -> anyhow::Result<Said> {
        self.said(&self.ask("query", &json!({ "out_trade_no": number })).await?)
    }

    /// Alipay's own answer: nothing else is signed with its key.
    pub(crate) fn said(&self, answer: &Answer) -> anyhow::Result<Said> {
        let body = std::str::from_utf8(&answer.body)?;
        let (signed, signature) = match self.v3 {
            false => {
                let (_, rest) = body.split_once("_response\":").with_context(|| words(answer))?;
                let (node, sign) = rest.split_once(",\"sign\":\"").with_context(|| words(answer))?;
                (node.to_owned(), sign.trim_end_matches("\"}").to_owned())
            }
            true => {
                let header = |name: &str| -> anyhow::Result<String> {
                    let value = answer.headers.get(name).with_context(|| words(answer))?;
                    Ok(value.to_str()?.to_owned())
                };
                let text = format!(
                    "{}\n{}\n{body}\n",
                    header("alipay-timestamp")?,
                    header("alipay-nonce")?
                );
                (text, header("alipay-signature")?)
            }
        };
        let signature = STANDARD.decode(signature.replace("\\/", "/"))?;
        self.alipay
            .verify(&KeyRef::new("alipay")?, signed.as_bytes(), &signature)
            .with_context(|| words(answer))?;
        let mut content = answer.json();
        if !self.v3 {
            let nodes = content.as_object().context("nodes")?;
            let node = nodes.iter().find(|(name, _)| name.ends_with("_response"));
            content = node.context("a node")?.1.clone();
            let code = [&content["sub_code"], &content["code"]].map(|c| c.as_str().unwrap_or_default());
            let code = if code[0].is_empty() { code[1] } else { code[0] };
            return Ok(Said {
                code: code.to_owned(),
                content,
            });
        }
        // Only what charges has a trade, a total, and perhaps no time of payment.
        let other = ["gmt_payment", "trade_status", "fund_change"]
            .iter()
            .any(|f| !content[*f].is_null());
        let waits = content["trade_no"].is_string() && content["total_amount"].is_string() && !other;
        let code = match answer.status {
            200 if waits => "10003".to_owned(),
            200 => "10000".to_owned(),
            _ => text(&content["code"]),
        };
        Ok(Said { code, content })
    }

    fn is(&self, answer: &Answer, code: &str) -> anyhow::Result<Value> {
        let said = self.said(answer)?;
        ensure!(said.code == code, "{} is not {code}", words(answer));
        Ok(said.content)
    }

    /// Our refusal: unsigned, in the form's own words.
    pub(crate) fn refused(&self, answer: &Answer, [v2, v3]: [&str; 2]) -> Done {
        let said = answer.json();
        let (code, wanted, unsigned) = match self.v3 {
            false => (&said["error_response"]["sub_code"], v2, said["sign"].is_null()),
            true => (
                &said["code"],
                v3,
                !answer.headers.contains_key("alipay-signature"),
            ),
        };
        ensure!(
            *code == *wanted && unsigned,
            "{} is not our {wanted}",
            words(answer)
        );
        Ok(())
    }

    /// A payer who does this once the code is scanned.
    async fn payer(&self, will: &Value) -> anyhow::Result<String> {
        let code = self.yard.demo.next_code("alipay");
        let mut will = will.clone();
        will["channel"] = "alipay".into();
        will["auth_code"] = code.as_str().into();
        self.yard.demo.control("/control/pay", &will).await?;
        Ok(code)
    }

    async fn paying(&self) -> anyhow::Result<String> {
        self.payer(&json!({ "outcome": "paid" })).await
    }

    async fn fault(&self, number: &str, operation: &str, kind: &str) -> Done {
        let fault =
            json!({ "channel": "alipay", "operation": operation, "kind": kind, "out_trade_no": number });
        self.yard.demo.control("/control/fault", &fault).await.map(drop)
    }

    /// What Alipay has of it; `null` where it has nothing.
    async fn there(&self, number: &str) -> anyhow::Result<Value> {
        let all = self.yard.demo.channel_orders().await?;
        let found = all["orders"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|o| o["out_trade_no"] == *number);
        Ok(found.cloned().unwrap_or_default())
    }

    async fn calls(&self, number: &str) -> anyhow::Result<u64> {
        Ok(self.there(number).await?["calls"]["create"]
            .as_u64()
            .unwrap_or_default())
    }

    async fn until(&self, number: &str, state: &str) -> anyhow::Result<Value> {
        let order = shown(self.yard, number).await?;
        self.yard.until(id(&order)?, state, |o| o["state"] == state).await
    }
}

const PAID: [&str; 2] = ["ACQ.TRADE_HAS_SUCCESS"; 2];
const CLOSED: [&str; 2] = ["ACQ.TRADE_HAS_CLOSE"; 2];
const UNKNOWN: [&str; 2] = ["isp.unknow-error", "SYSTEM_ERROR"];
pub(crate) const NOT_ALLOWED: [&str; 2] = ["isv.insufficient-isv-permissions", "insufficient-permissions"];
pub(crate) const MALFORMED: [&str; 2] = ["isv.invalid-parameter", "INVALID_PARAMETER"];

pub(crate) fn words(answer: &Answer) -> String {
    format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))
}

/// The order as the unified API shows it, whatever its state.
async fn shown(yard: &Yard, number: &str) -> anyhow::Result<Value> {
    let path = format!("/v1/payments?order_no={number}");
    let answer = yard.merchant()?.ask("GET", &path, None).await?;
    ensure!(
        answer.status < 300,
        "{number} is not on record: {} {}",
        answer.status,
        answer.json()
    );
    Ok(answer.json())
}

/// So many seconds from now, in China.
fn soon(seconds: i64) -> Value {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |t| t.as_secs() as i64);
    let text: String = domain::Instant::from_secs(now + seconds)
        .to_string()
        .chars()
        .take(19)
        .collect();
    text.replace('T', " ").into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C60
//= C25
async fn payment_codes_of_an_sdk_charge_once_and_end_as_the_sdk_ends_them() {
    let yard = Yard::open().await.expect("demo");
    for v3 in [false, true] {
        let till = Till::of(&yard, v3).expect("an SDK");
        outcomes(&till).await.unwrap_or_else(|e| panic!("v3 {v3}: {e:#}"));
    }
    yard.agree().await.expect("the books agree");
}

async fn outcomes(till: &Till<'_>) -> Done {
    paid_once(till).await.context("paid")?;
    a_password(till).await.context("a password")?;
    refused_then_another_code(till).await.context("refused")?;
    timed_out(till).await.context("timed out")?;
    charged_and_refused(till).await.context("charged and refused")?;
    closed_meanwhile(till).await.context("closed meanwhile")?;
    cancelled(till).await.context("cancelled")?;
    lost_cancels(till).await.context("lost cancels")?;
    open_at_its_end(till).await.context("its end")?;
    not_carried(till).await.context("not carried")
}

/// A repeat, with whatever code, goes nowhere.
async fn paid_once(till: &Till<'_>) -> Done {
    let number = till.yard.demo.next_number();
    let code = till.paying().await?;
    let charge = json!({ "out_trade_no": number, "total_amount": "5.00", "subject": "奶茶", "scene": "bar_code", "auth_code": code });
    // Some of Alipay's SDKs send all of it in the query (channels.md 3.1): the code stands in the target then.
    let answer = match till.v3 {
        true => till.pay(&number, &code).await?,
        false => till.sdk.alipay_by_query("alipay.trade.pay", &charge).await?,
    };
    let paid = till.is(&answer, "10000")?;
    ensure!(
        paid["total_amount"] == "5.00" && paid["gmt_payment"].is_string(),
        "{paid}"
    );
    let order = till.until(&number, "paid").await?;
    ensure!(
        ["answer", "notice"].contains(&&*text(&order["paid"]["proof"])) && order["amount"] == 500,
        "{order}"
    );
    till.yard.told(id(&order)?, "payment.paid").await?;
    till.refused(&till.pay(&number, &code).await?, PAID)?;
    till.refused(&till.pay(&number, &till.paying().await?).await?, PAID)?;
    ensure!(till.calls(&number).await? == 1, "it went out twice");
    // The code was in memory for the one call: no journal, log or store has it.
    let files = crate::abnormal::files_with(&till.yard.demo.place.dir, code.as_bytes());
    ensure!(files.is_empty(), "the payer's code lies in {files:?}");
    // It is paid back as any other order.
    let refund =
        json!({ "out_trade_no": number, "out_request_no": format!("R{number}"), "refund_amount": "2.00" });
    till.is(&till.ask("refund", &refund).await?, "10000")?;
    let order = till.until(&number, "partly_refunded").await?;
    ensure!(order["refunded"] == 200, "{order}");
    Ok(())
}

async fn a_password(till: &Till<'_>) -> Done {
    let number = till.yard.demo.next_number();
    let code = till.payer(&json!({ "outcome": "late", "after_ms": 600 })).await?;
    till.is(&till.pay(&number, &code).await?, "10003")?;
    let again = till.pay(&number, &code).await?;
    // The payer may have typed it meanwhile.
    till.refused(&again, UNKNOWN)
        .or_else(|_| till.refused(&again, PAID))?;
    till.until(&number, "paid").await?;
    let said = till.query(&number).await?;
    ensure!(
        said.content["trade_status"] == "TRADE_SUCCESS",
        "{} {}",
        said.code,
        said.content
    );
    ensure!(till.calls(&number).await? == 1, "it went out twice");
    Ok(())
}

/// Surely nobody was charged: the number may be tried with a fresh code.
async fn refused_then_another_code(till: &Till<'_>) -> Done {
    let number = till.yard.demo.next_number();
    let code = till.payer(&json!({ "outcome": "declined" })).await?;
    till.is(&till.pay(&number, &code).await?, "ACQ.BUYER_BALANCE_NOT_ENOUGH")?;
    till.until(&number, "not_placed").await?;
    till.is(&till.pay(&number, &till.paying().await?).await?, "10000")?;
    till.until(&number, "paid").await.map(drop)
}

/// Nobody knows, the SDK hears so, and neither it nor we send the charge again. Where it was charged our own query tells; where
/// it was not, the SDK cancels, as its documents tell it.
async fn timed_out(till: &Till<'_>) -> Done {
    let number = till.yard.demo.next_number();
    till.fault(&number, "create", "timeout_after").await?;
    till.refused(&till.pay(&number, &till.paying().await?).await?, UNKNOWN)?;
    let order = till.until(&number, "paid").await?;
    ensure!(
        order["paid"]["proof"] == "query" || order["paid"]["proof"] == "notice",
        "{order}"
    );
    till.yard.told(id(&order)?, "payment.paid").await?;
    till.refused(&till.pay(&number, &till.paying().await?).await?, PAID)?;
    ensure!(till.calls(&number).await? == 1, "it went out twice");

    let number = till.yard.demo.next_number();
    till.fault(&number, "create", "timeout_before").await?;
    let code = till.paying().await?;
    till.refused(&till.pay(&number, &code).await?, UNKNOWN)?;
    till.refused(&till.pay(&number, &code).await?, UNKNOWN)?;
    let said = till.query(&number).await?;
    ensure!(said.code == "ACQ.TRADE_NOT_EXIST", "{}", said.code);
    let undone = till.is(&till.cancel(&number).await?, "10000")?;
    ensure!(undone["action"].is_null(), "there was something: {undone}");
    let order = till.until(&number, "reversed").await?;
    till.yard.told(id(&order)?, "payment.reversed").await?;
    ensure!(till.calls(&number).await? == 0, "it went out");
    Ok(())
}

/// Booked, and refused with a code that no list has (by OpenAPI v3 under 403): nobody concludes from it that nobody was charged.
//= C60
async fn charged_and_refused(till: &Till<'_>) -> Done {
    let number = till.yard.demo.next_number();
    till.fault(&number, "create", "unlisted_after").await?;
    till.is(
        &till.pay(&number, &till.paying().await?).await?,
        "ACQ.SOMETHING_NEW",
    )?;
    let again = till.pay(&number, &till.paying().await?).await?;
    till.refused(&again, UNKNOWN)
        .or_else(|_| till.refused(&again, PAID))?;
    let order = till.until(&number, "paid").await?;
    till.yard.told(id(&order)?, "payment.paid").await?;
    ensure!(till.calls(&number).await? == 1, "it went out twice");
    Ok(())
}

/// An SDK that has lost its patience closes the order, beside the charging call or after it. Alipay has nothing of it yet, and
/// books the charge all the same.
//= C60
async fn closed_meanwhile(till: &Till<'_>) -> Done {
    tokio::try_join!(closed_and_charged(till, true), closed_and_charged(till, false)).map(drop)
}

async fn closed_and_charged(till: &Till<'_>, beside: bool) -> Done {
    let number = till.yard.demo.next_number();
    let content = json!({ "out_trade_no": number });
    till.fault(&number, "create", "arrives_late").await?;
    let code = till.paying().await?;
    match beside {
        false => {
            till.refused(&till.pay(&number, &code).await?, UNKNOWN)?;
            till.ask("close", &content).await?;
        }
        true => {
            let close = async {
                for _ in 0..100 {
                    if shown(till.yard, &number).await.is_ok() {
                        break;
                    }
                    sleep(Duration::from_millis(10)).await;
                }
                till.ask("close", &content).await
            };
            let (paid, _) = tokio::try_join!(till.pay(&number, &code), close)?;
            till.refused(&paid, UNKNOWN)?;
        }
    }
    let order = till.until(&number, "paid").await?;
    till.yard.told(id(&order)?, "payment.paid").await?;
    let told = till
        .yard
        .demo
        .shop()
        .told(till.yard.merchant()?.id(), id(&order)?);
    ensure!(
        told.iter().all(|event| event["type"] == "payment.paid"),
        "told otherwise too: {told:?}"
    );
    ensure!(!till.there(&number).await?["paid"].is_null(), "not charged");
    Ok(())
}

async fn cancelled(till: &Till<'_>) -> Done {
    let number = till.yard.demo.next_number();
    till.is(&till.pay(&number, &till.paying().await?).await?, "10000")?;
    let undone = till.is(&till.cancel(&number).await?, "10000")?;
    ensure!(
        undone["action"] == "refund" && undone["retry_flag"] == "N",
        "{undone}"
    );
    let order = till.until(&number, "reversed").await?;
    till.yard.told(id(&order)?, "payment.reversed").await?;
    let there = till.there(&number).await?;
    ensure!(
        there["refunded_fen"] == 500 && there["state"] == "TRADE_CLOSED",
        "{there}"
    );
    // Again, as an SDK may: Alipay's own word, and nothing new on record.
    till.is(&till.cancel(&number).await?, "10000")?;
    till.refused(&till.pay(&number, &till.paying().await?).await?, CLOSED)?;
    let now = shown(till.yard, &number).await?;
    ensure!(now["journal_index"] == order["journal_index"], "more on record");
    // One that waits for its payer is closed, and the password comes too late.
    let number = till.yard.demo.next_number();
    let code = till.payer(&json!({ "outcome": "late" })).await?;
    till.is(&till.pay(&number, &code).await?, "10003")?;
    let undone = till.is(&till.cancel(&number).await?, "10000")?;
    ensure!(undone["action"] == "close", "{undone}");
    till.until(&number, "reversed").await.map(drop)
}

/// A cancel that the SDK began is brought to its end, by us if the SDK does not.
async fn lost_cancels(till: &Till<'_>) -> Done {
    for kind in ["timeout_after", "timeout_before", "again"] {
        let number = till.yard.demo.next_number();
        till.is(&till.pay(&number, &till.paying().await?).await?, "10000")?;
        till.fault(&number, "reverse", kind).await?;
        let answer = till.cancel(&number).await?;
        match kind {
            "again" => {
                let said = till.is(&answer, "10000")?;
                ensure!(said["retry_flag"] == "Y", "{said}");
            }
            _ => till.refused(&answer, UNKNOWN)?,
        }
        let order = till.until(&number, "reversed").await.context(kind)?;
        till.yard.told(id(&order)?, "payment.reversed").await?;
        let there = till.there(&number).await?;
        ensure!(there["refunded_fen"] == 500, "{kind}: {there}");
    }
    Ok(())
}

/// An SDK that never comes back: what is open when the order's time is over is reversed by us.
async fn open_at_its_end(till: &Till<'_>) -> Done {
    let waits = till.yard.demo.next_number();
    let code = till.payer(&json!({ "outcome": "late" })).await?;
    let end = soon(7);
    let answer = till.pay_with(&waits, &code, &[("time_expire", end)]).await?;
    till.is(&answer, "10003")?;
    let lost = till.yard.demo.next_number();
    till.fault(&lost, "create", "timeout_before").await?;
    let answer = till
        .pay_with(&lost, &till.paying().await?, &[("time_expire", soon(7))])
        .await?;
    till.refused(&answer, UNKNOWN)?;
    let order = till.until(&lost, "reversed").await?;
    till.yard.told(id(&order)?, "payment.reversed").await?;
    // Alipay's clock may have been faster than ours, and closed it.
    for _ in 0..300 {
        let order = shown(till.yard, &waits).await?;
        if ["reversed", "closed"].contains(&&*text(&order["state"])) {
            till.until(&waits, &text(&order["state"])).await?;
            let there = till.there(&waits).await?;
            ensure!(
                there["paid"].is_null() && there["state"] == "TRADE_CLOSED",
                "{there}"
            );
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("open for ever: {}", shown(till.yard, &waits).await?)
}

/// Refused here in the form's own words, and Alipay heard nothing.
async fn not_carried(till: &Till<'_>) -> Done {
    let number = till.yard.demo.next_number();
    let code = till.yard.demo.next_code("alipay");
    for (name, value, why) in [
        ("royalty_info", json!({ "royalty_type": "ROYALTY" }), NOT_ALLOWED),
        ("settle_info", json!({}), NOT_ALLOWED),
        ("sub_merchant", json!({ "merchant_id": "1" }), NOT_ALLOWED),
        ("auth_no", json!("2026010110002001880200000001"), NOT_ALLOWED),
        ("seller_id", json!("2088000000000009"), NOT_ALLOWED),
        ("scene", json!("security_code"), MALFORMED),
        ("auth_code", json!("134567890123456789"), MALFORMED),
        ("auth_code", json!("6212345678901234567"), MALFORMED),
    ] {
        let answer = till.pay_with(&number, &code, &[(name, value)]).await?;
        till.refused(&answer, why).context(name)?;
        ensure!(
            !words(&answer).contains("134567890123456789"),
            "the answer says the code"
        );
    }
    // What is not on record here is not cancelled here.
    till.refused(&till.cancel(&number).await?, NOT_ALLOWED)?;
    ensure!(till.there(&number).await?.is_null(), "Alipay has it");
    Ok(())
}

/// With keys of the merchant only: what passes tells, and what nobody tells is nobody's to guess.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C60
async fn with_keys_of_the_merchant_what_passes_tells_or_it_ends_unresolved() {
    let options = Options {
        keys_held: false,
        times: "silence_seconds = 3\n".into(),
        ..Options::default()
    };
    let yard = Yard::with(options).await.expect("demo");
    for v3 in [false, true] {
        let till = Till::of(&yard, v3).expect("an SDK");
        learned(&till).await.unwrap_or_else(|e| panic!("v3 {v3}: {e:#}"));
    }
    yard.demo.services.stop_proxy().await.expect("stopped");
    yard.demo.prove_journal().expect("the journal is whole");
}

async fn learned(till: &Till<'_>) -> Done {
    let next = || till.yard.demo.next_number();
    // Begun first: each of these takes its silence.
    let (lost, half) = (next(), next());
    till.fault(&lost, "create", "timeout_before").await?;
    let answer = till
        .pay_with(&lost, &till.paying().await?, &[("time_expire", soon(6))])
        .await?;
    till.refused(&answer, UNKNOWN)?;
    let answer = till
        .pay_with(&half, &till.paying().await?, &[("time_expire", soon(6))])
        .await?;
    till.is(&answer, "10000")?;
    till.fault(&half, "reverse", "timeout_after").await?;
    till.refused(&till.cancel(&half).await?, UNKNOWN)?;

    let number = next();
    till.is(&till.pay(&number, &till.paying().await?).await?, "10000")?;
    till.until(&number, "paid").await?;
    // Charged, and the answer was lost: nobody but the merchant can ask.
    let number = next();
    till.fault(&number, "create", "timeout_after").await?;
    till.refused(&till.pay(&number, &till.paying().await?).await?, UNKNOWN)?;
    till.query(&number).await?;
    till.until(&number, "paid").await?;
    ensure!(till.calls(&number).await? == 1, "it went out twice");
    // Not charged: the SDK's cancel tells.
    let number = next();
    till.fault(&number, "create", "timeout_before").await?;
    till.refused(&till.pay(&number, &till.paying().await?).await?, UNKNOWN)?;
    till.is(&till.cancel(&number).await?, "10000")?;
    till.until(&number, "reversed").await?;
    // A cancel whose answer was lost: its end is in the next query.
    let number = next();
    till.is(&till.pay(&number, &till.paying().await?).await?, "10000")?;
    till.fault(&number, "reverse", "timeout_after").await?;
    till.refused(&till.cancel(&number).await?, UNKNOWN)?;
    till.query(&number).await?;
    till.until(&number, "reversed").await?;

    till.no_bill(till.v3).await?;
    cancels::learned(till).await.context("cancels")?;

    till.until(&lost, "unresolved").await?;
    till.until(&half, "unresolved").await?;
    // Later news counts.
    till.query(&half).await?;
    till.until(&half, "reversed").await.map(drop)
}

fn unanswered(answer: anyhow::Result<Answer>) -> Done {
    match answer {
        Ok(answer) => bail!("answered although the proxy ended before: {}", words(&answer)),
        Err(_) => Ok(()),
    }
}

/// The payer is charged once or not at all, and the SDK's query or cancel ends it.
async fn pay_point(yard: &Yard, v3: bool, step: &str) -> Done {
    yard.restart_until(step).await?;
    let number = yard.demo.next_number();
    let till = Till::of(yard, v3)?;
    unanswered(till.pay(&number, &till.paying().await?).await)?;
    yard.stopped_and_started().await?;
    let till = Till::of(yard, v3)?;
    let said = till.query(&number).await?;
    match said.content["trade_status"].as_str() {
        Some("TRADE_SUCCESS") => {
            let order = till.until(&number, "paid").await?;
            yard.told(id(&order)?, "payment.paid").await?;
            till.refused(&till.pay(&number, &till.paying().await?).await?, PAID)?;
        }
        _ if step == "before_intent" => till.refused(&till.cancel(&number).await?, NOT_ALLOWED)?,
        _ => {
            ensure!(said.code == "ACQ.TRADE_NOT_EXIST", "{}", said.code);
            till.refused(&till.pay(&number, &till.paying().await?).await?, UNKNOWN)?;
            till.is(&till.cancel(&number).await?, "10000")?;
            let order = till.until(&number, "reversed").await?;
            yard.told(id(&order)?, "payment.reversed").await?;
        }
    }
    ensure!(till.calls(&number).await? <= 1, "it went out twice");
    Ok(())
}

async fn cancel_point(yard: &Yard, v3: bool, step: &str) -> Done {
    let till = Till::of(yard, v3)?;
    let number = yard.demo.next_number();
    till.is(&till.pay(&number, &till.paying().await?).await?, "10000")?;
    yard.restart_until(step).await?;
    unanswered(Till::of(yard, v3)?.cancel(&number).await)?;
    yard.stopped_and_started().await?;
    let till = Till::of(yard, v3)?;
    if step == "before_intent" {
        // Nobody but the SDK knows of it.
        let order = till.until(&number, "paid").await?;
        yard.told(id(&order)?, "payment.paid").await?;
        till.is(&till.cancel(&number).await?, "10000")?;
    }
    let order = till.until(&number, "reversed").await?;
    let there = till.there(&number).await?;
    ensure!(there["refunded_fen"] == 500, "charged: {there}");
    yard.told(id(&order)?, "payment.reversed").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C26
async fn killed_between_every_two_steps_of_a_charge_and_of_a_cancel() {
    let yard = Yard::open().await.expect("demo");
    for (n, step) in MUTATION.into_iter().enumerate() {
        let v3 = n % 2 == 1;
        pay_point(&yard, v3, step)
            .await
            .unwrap_or_else(|e| panic!("pay {step}: {e:#}"));
        cancel_point(&yard, !v3, step)
            .await
            .unwrap_or_else(|e| panic!("cancel {step}: {e:#}"));
    }
    yard.agree().await.expect("the books agree");
}
