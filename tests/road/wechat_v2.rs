//! A merchant's own V2 traffic at WeChat with only the host changed: orders in each way, payment codes with each of their
//! outcomes, closes, refunds, reverses and notices; killed between every two steps; and what is not carried.

use crate::kills::{MUTATION, Yard, id, text};
use anyhow::{Context, bail, ensure};
use certs::{Keys, Material, V2Digest};
use channel::{strict_xml::Fields, wechat_v2};
use domain::KeyRef;
use sandbox::{
    demo::{
        http::{Answer, Client},
        place::Options,
    },
    material::WechatAccount,
};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio::time::sleep;

type Done = anyhow::Result<()>;
type Pairs<'a> = &'a [(&'static str, &'a str)];

/// An SDK of V2: fields in, XML out, every answer verified.
struct V2 {
    client: Client,
    keys: Keys,
    account: WechatAccount,
    notify_url: String,
    hmac: bool,
}

/// A message that was signed and can be sent as often as one likes.
struct Signed {
    path: &'static str,
    body: String,
}

fn named(name: &str) -> anyhow::Result<KeyRef> {
    Ok(KeyRef::new(name)?)
}

fn fen(fields: &Fields, name: &str) -> u64 {
    fields
        .get(name)
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}

impl V2 {
    fn of(yard: &Yard, hmac: bool) -> anyhow::Result<V2> {
        let place = &yard.demo.place;
        let account = place.merchants[0].accounts.wechat.clone();
        let keys = Keys::default();
        for (name, digest) in [("md5", V2Digest::Md5), ("hmac", V2Digest::HmacSha256)] {
            keys.put(
                named(name)?,
                Material::api_v2(digest, account.apiv2_key.as_bytes())?,
            );
        }
        Ok(V2 {
            client: Client::tls(([127, 0, 0, 1], place.ports.wechat).into(), yard.demo.ca())?,
            notify_url: format!(
                "https://127.0.0.1:{}/n/wechat/{}",
                place.ports.notify, account.mchid
            ),
            keys,
            account,
            hmac,
        })
    }

    fn signed(&self, path: &'static str, fields: Pairs<'_>) -> anyhow::Result<Signed> {
        static NONCE: AtomicU64 = AtomicU64::new(0);
        let nonce = format!("n{}", NONCE.fetch_add(1, Ordering::Relaxed));
        let mut all = vec![
            ("appid", self.account.appid.as_str()),
            ("mch_id", self.account.mchid.as_str()),
            ("nonce_str", &nonce),
        ];
        all.extend(self.hmac.then_some(("sign_type", "HMAC-SHA256")));
        all.extend_from_slice(fields);
        let message = wechat_v2::string_to_sign(all.iter().copied());
        let key = named(if self.hmac { "hmac" } else { "md5" })?;
        let sign = hex::encode_upper(self.keys.sign(&key, &message)?);
        all.push(("sign", &sign));
        let inner: String = all
            .iter()
            .map(|(n, v)| format!("<{n}><![CDATA[{v}]]></{n}>"))
            .collect();
        Ok(Signed {
            path,
            body: format!("<xml>{inner}</xml>"),
        })
    }

    async fn send(&self, signed: &Signed) -> anyhow::Result<Answer> {
        let headers = [("content-type", "text/xml"), ("user-agent", "sdk")];
        self.client
            .send("POST", signed.path, &headers, signed.body.as_bytes())
            .await
    }

    async fn ask(&self, path: &'static str, fields: Pairs<'_>) -> anyhow::Result<Answer> {
        self.send(&self.signed(path, fields)?).await
    }

    /// The channel's own answer, verified as an SDK does.
    fn verified(&self, answer: &Answer) -> anyhow::Result<Fields> {
        let said = wechat_v2::Message::read(&answer.body)?;
        let signature = said.signature().context("an answer without a signature")?;
        self.keys.verify(&named("md5")?, &said.message(), &signature)?;
        Ok(Fields::parse(&answer.body, "xml")?)
    }

    async fn done(&self, path: &'static str, fields: Pairs<'_>) -> anyhow::Result<Fields> {
        let answer = self.ask(path, fields).await?;
        let said = self.verified(&answer).with_context(|| words(&answer))?;
        ensure!(
            said.get("result_code") == Some("SUCCESS"),
            "{path}: {}",
            words(&answer)
        );
        Ok(said)
    }

    async fn failed(&self, path: &'static str, fields: Pairs<'_>, code: &str) -> Done {
        let answer = self.ask(path, fields).await?;
        let said = self.verified(&answer).with_context(|| words(&answer))?;
        ensure!(
            said.get("err_code") == Some(code),
            "{path}: {} is not {code}",
            words(&answer)
        );
        Ok(())
    }

    /// Our refusal: unsigned, in V2's words.
    async fn refused(&self, path: &'static str, fields: Pairs<'_>, why: &str) -> Done {
        refused(&self.ask(path, fields).await?, why)
    }

    async fn unified(&self, number: &str, total: &str, more: Pairs<'_>) -> anyhow::Result<Answer> {
        let mut fields = vec![
            ("body", "奶茶"),
            ("attach", "table 7"),
            ("out_trade_no", number),
            ("total_fee", total),
            ("spbill_create_ip", "203.0.113.7"),
            ("notify_url", &self.notify_url),
        ];
        let native = [("trade_type", "NATIVE"), ("product_id", "p1")];
        fields.extend_from_slice(if more.is_empty() { &native } else { more });
        self.ask("/pay/unifiedorder", &fields).await
    }

    async fn micropay(&self, number: &str, total: &str, code: &str) -> anyhow::Result<Answer> {
        let fields = [
            ("body", "奶茶"),
            ("out_trade_no", number),
            ("total_fee", total),
            ("spbill_create_ip", "203.0.113.7"),
            ("auth_code", code),
        ];
        self.ask("/pay/micropay", &fields).await
    }

    async fn refund(&self, number: &str, refund: &str, part: &str, total: &str) -> anyhow::Result<Answer> {
        let fields = [
            ("out_trade_no", number),
            ("out_refund_no", refund),
            ("refund_fee", part),
            ("total_fee", total),
            ("notify_url", &self.notify_url),
        ];
        self.ask("/secapi/pay/refund", &fields).await
    }
}

fn words(answer: &Answer) -> String {
    format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))
}

fn refused(answer: &Answer, why: &str) -> Done {
    let said = Fields::parse(&answer.body, "xml").with_context(|| words(answer))?;
    let ours = said.get("return_code") == Some("FAIL") && !said.has("sign");
    ensure!(
        ours && said.get("return_msg").is_some_and(|m| m.starts_with(why)),
        "{} is not our {why}",
        words(answer)
    );
    Ok(())
}

/// The order as the unified API shows it, whatever its state.
async fn on_record(yard: &Yard, number: &str) -> anyhow::Result<Value> {
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

async fn until(
    yard: &Yard,
    number: &str,
    what: &str,
    wanted: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    let order = on_record(yard, number).await?;
    yard.until(id(&order)?, what, wanted).await
}

async fn pay(yard: &Yard, number: &str) -> Done {
    let wallet = json!({ "channel": "wechat", "out_trade_no": number, "outcome": "paid" });
    yard.demo.control("/control/pay", &wallet).await.map(drop)
}

/// The last V2 notice that the merchant got through us about this number, verified or opened as an SDK does.
async fn heard(yard: &Yard, sdk: &V2, number: &str, sealed: bool) -> Done {
    for _ in 0..100 {
        for came in yard.demo.shop().came("/relay/wechat/").iter().rev() {
            let Ok(said) = wechat_v2::Message::read(&came.body) else {
                continue;
            };
            match (said.get("req_info"), sealed) {
                (Some(info), true) => {
                    let account = account(sdk)?;
                    let (_, octets) = wechat_v2::notice::sealed_refund(&account, &came.body)?;
                    ensure!(!info.is_empty(), "nothing inside");
                    let plain = sdk.keys.open_v2(&named("md5")?, &octets)?;
                    if wechat_v2::notice::refund(&plain)?
                        .order
                        .is_some_and(|o| o.as_str() == number)
                    {
                        return Ok(());
                    }
                }
                (None, false) if said.get("out_trade_no") == Some(number) => {
                    let signature = said.signature().context("a notice without a signature")?;
                    sdk.keys.verify(&named("md5")?, &said.message(), &signature)?;
                    return Ok(());
                }
                _ => {}
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("no V2 notice of {number} was relayed within 10 s")
}

fn account(sdk: &V2) -> anyhow::Result<channel::Account> {
    Ok(channel::Account {
        channel: domain::Channel::Wechat,
        account: domain::AccountNo::new(sdk.account.mchid.as_str())?,
        payee: domain::PayeeNo::new(sdk.account.mchid.as_str())?,
        appid: Some(sdk.account.appid.clone()),
        serial: None,
        platform: None,
        root_sn: None,
        sign_method: Default::default(),
        sha1: false,
        bank: None,
        encrypts: false,
        codepay: false,
        notify_url: String::new(),
    })
}

/// A whole life in one way to pay: placed, asked for, paid, told, refunded, told, asked for.
async fn life(yard: &Yard, hmac: bool, more: Pairs<'_>, reach: &str) -> Done {
    let sdk = V2::of(yard, hmac)?;
    let number = yard.demo.next_number();
    let placed = sdk.unified(&number, "900", more).await?;
    let said = sdk.verified(&placed).with_context(|| words(&placed))?;
    ensure!(said.get(reach).is_some(), "no {reach}: {}", words(&placed));
    let by_number = [("out_trade_no", number.as_str())];
    let said = sdk.done("/pay/orderquery", &by_number).await?;
    ensure!(
        said.get("trade_state") == Some("NOTPAY"),
        "not open: {:?}",
        said.get("trade_state")
    );
    let order = on_record(yard, &number).await?;
    ensure!(
        order["state"] == "awaiting_payment" && order["amount"] == 900,
        "{order}"
    );
    pay(yard, &number).await?;
    heard(yard, &sdk, &number, false).await?;
    let order = until(yard, &number, "payment", |o| o["state"] == "paid").await?;
    let said = sdk.done("/pay/orderquery", &by_number).await?;
    ensure!(
        said.get("trade_state") == Some("SUCCESS") && fen(&said, "total_fee") == 900,
        "not paid there"
    );
    yard.told(id(&order)?, "payment.paid").await?;
    let again = sdk.unified(&number, "900", more).await?;
    ensure!(
        sdk.verified(&again)?.get("err_code") == Some("ORDERPAID"),
        "{}",
        words(&again)
    );

    let refund = format!("R{number}");
    let taken = sdk.refund(&number, &refund, "400", "900").await?;
    let said = sdk.verified(&taken).with_context(|| words(&taken))?;
    ensure!(said.get("refund_id").is_some(), "{}", words(&taken));
    heard(yard, &sdk, &number, true).await?;
    let order = until(yard, &number, "refund", |o| {
        o["refunds"][0]["state"] == "succeeded"
    })
    .await?;
    ensure!(
        order["refunded"] == 400 && order["refunds"][0]["number"] == *refund,
        "{order}"
    );
    let said = sdk
        .done("/pay/refundquery", &[("out_refund_no", &refund)])
        .await?;
    ensure!(
        said.get("refund_status_0") == Some("SUCCESS"),
        "{:?}",
        said.get("refund_status_0")
    );
    // As often as the SDK likes: under one number it goes back once.
    sdk.verified(&sdk.refund(&number, &refund, "400", "900").await?)?;
    let there = yard.at_channel(&order).await?;
    ensure!(there.len() == 1 && there[0]["refunded_fen"] == 400, "{there:?}");

    let second = yard.demo.next_number();
    sdk.verified(&sdk.unified(&second, "100", more).await?)?;
    sdk.done("/pay/closeorder", &[("out_trade_no", &second)]).await?;
    until(yard, &second, "close", |o| o["state"] == "closed")
        .await
        .map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C25
//= C72
async fn a_merchants_own_v2_traffic_passes_in_every_way_and_under_both_digests() {
    let yard = Yard::open().await.expect("demo");
    const WAYS: [(bool, Pairs<'_>, &str); 4] = [
        (false, &[], "code_url"),
        (
            true,
            &[
                ("trade_type", "JSAPI"),
                ("openid", "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"),
            ],
            "prepay_id",
        ),
        (false, &[("trade_type", "APP")], "prepay_id"),
        (
            true,
            &[
                ("trade_type", "MWEB"),
                (
                    "scene_info",
                    r#"{"h5_info":{"type":"Wap","wap_url":"https://m.example","wap_name":"tea"}}"#,
                ),
            ],
            "mweb_url",
        ),
    ];
    for (hmac, more, reach) in WAYS {
        life(&yard, hmac, more, reach)
            .await
            .unwrap_or_else(|e| panic!("{more:?}: {e:#}"));
    }
    bills(&yard).await.unwrap_or_else(|e| panic!("bills: {e:#}"));
    not_carried(&yard)
        .await
        .unwrap_or_else(|e| panic!("not carried: {e:#}"));
    in_a_sub_merchants_name(&yard)
        .await
        .unwrap_or_else(|e| panic!("partner: {e:#}"));
    forged_notices(&yard)
        .await
        .unwrap_or_else(|e| panic!("notices: {e:#}"));
    yard.agree().await.expect("the books agree");
}

/// A day's bill and its fund-flow bill by V2, plain and packed, as the channel gave them; a day without any in its own words.
/// Beside them an order's two refunds by one query.
async fn bills(yard: &Yard) -> Done {
    let (md5, hmac) = (V2::of(yard, false)?, V2::of(yard, true)?);
    let back = json!({ "days_ago": 3 });
    yard.demo.control("/control/clock", &back).await?;
    let number = yard.demo.next_number();
    md5.verified(&md5.unified(&number, "500", &[]).await?)?;
    pay(yard, &number).await?;
    until(yard, &number, "payment", |o| o["state"] == "paid").await?;
    yard.demo
        .control("/control/clock", &json!({ "days_ago": 0 }))
        .await?;
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let now = domain::Instant::from_secs(since.as_secs() as i64);
    let day = |ago: i64| -> String {
        let then = now.plus_millis(-ago * 86_400_000).to_string();
        then.chars().filter(char::is_ascii_digit).take(8).collect()
    };
    let (then, never) = (day(3), day(60));
    let plain = md5
        .ask("/pay/downloadbill", &[("bill_date", &then), ("bill_type", "ALL")])
        .await?;
    let text = String::from_utf8(plain.body.to_vec())?;
    ensure!(plain.status == 200 && text.contains(&number), "{}", words(&plain));
    let packed = [("bill_date", then.as_str()), ("tar_type", "GZIP")];
    let packed = hmac.ask("/pay/downloadbill", &packed).await?;
    ensure!(packed.body.starts_with(&[0x1f, 0x8b]), "not packed");
    let flow = [("bill_date", then.as_str()), ("account_type", "Basic")];
    let funds = hmac.ask("/pay/downloadfundflow", &flow).await?;
    ensure!(
        String::from_utf8_lossy(&funds.body).contains("业务凭证号"),
        "{}",
        words(&funds)
    );
    let none = md5.ask("/pay/downloadbill", &[("bill_date", &never)]).await?;
    ensure!(
        Fields::parse(&none.body, "xml")?.get("error_code") == Some("20002"),
        "{}",
        words(&none)
    );
    for n in ["a", "b"] {
        let refund = format!("{n}{number}");
        md5.verified(&md5.refund(&number, &refund, "200", "500").await?)?;
    }
    until(yard, &number, "refunds", |o| o["refunded"] == 400).await?;
    let said = md5.done("/pay/refundquery", &[("out_trade_no", &number)]).await?;
    ensure!(
        said.get("refund_count") == Some("2") && said.get("out_refund_no_1") == Some(&format!("b{number}")),
        "not both refunds"
    );
    Ok(())
}

/// Refused here in V2's words, and the channel heard nothing.
async fn not_carried(yard: &Yard) -> Done {
    let sdk = V2::of(yard, false)?;
    let number = yard.demo.next_number();
    for more in [
        ("profit_sharing", "Y"),
        ("receivers", "[]"),
        ("sub_mch_id", "1600000009"),
        ("detail", r#"{"profit_sharing":true}"#),
    ] {
        let answer = sdk
            .unified(&number, "100", &[("trade_type", "APP"), more])
            .await?;
        refused(&answer, "NOAUTH").with_context(|| more.0)?;
    }
    let by_number = [("out_trade_no", number.as_str())];
    sdk.refused("/secapi/pay/profitsharing", &by_number, "NOAUTH")
        .await?;
    sdk.refused("/pay/closeorder", &by_number, "NOAUTH").await?;
    sdk.refused("/secapi/pay/reverse", &by_number, "NOAUTH").await?;
    let mut spoilt = sdk.signed("/pay/orderquery", &by_number)?;
    spoilt.body = spoilt.body.replace(&number, "20260101999999");
    refused(&sdk.send(&spoilt).await?, "SIGNERROR")?;
    spoilt.body = format!("<!DOCTYPE xml [<!ENTITY e \"1\">]>{}", spoilt.body);
    refused(&sdk.send(&spoilt).await?, "PARAM_ERROR")?;
    let all = yard.demo.channel_orders().await?;
    let there = all["orders"].as_array().context("orders")?;
    ensure!(
        there.iter().all(|o| o["out_trade_no"] != *number),
        "the channel has it"
    );
    Ok(())
}

/// A service provider's own sub-merchant is paid, in that name only.
async fn in_a_sub_merchants_name(yard: &Yard) -> Done {
    let sdk = V2::of(yard, true)?;
    let number = yard.demo.next_number();
    let sub = sdk.account.sub_mchids[0].clone();
    let more = [("trade_type", "APP"), ("sub_mch_id", sub.as_str())];
    let placed = sdk.unified(&number, "100", &more).await?;
    ensure!(
        sdk.verified(&placed)?.get("sub_mch_id") == Some(&*sub),
        "{}",
        words(&placed)
    );
    let own = [("out_trade_no", number.as_str())];
    sdk.refused("/pay/closeorder", &own, "NOAUTH").await?;
    let named = [("out_trade_no", number.as_str()), ("sub_mch_id", sub.as_str())];
    pay(yard, &number).await?;
    heard(yard, &sdk, &number, false).await?;
    until(yard, &number, "payment", |o| o["state"] == "paid").await?;
    sdk.failed("/pay/closeorder", &named, "ORDERPAID").await
}

/// Whoever does not have the secret tells us nothing.
async fn forged_notices(yard: &Yard) -> Done {
    let sdk = V2::of(yard, false)?;
    let number = yard.demo.next_number();
    sdk.verified(&sdk.unified(&number, "100", &[]).await?)?;
    let notices = Client::tls(
        ([127, 0, 0, 1], yard.demo.place.ports.notify).into(),
        yard.demo.ca(),
    )?;
    let path = format!("/n/wechat/{}", sdk.account.mchid);
    let paid = sdk.signed(
        "/",
        &[
            ("return_code", "SUCCESS"),
            ("result_code", "SUCCESS"),
            ("out_trade_no", &number),
            ("transaction_id", "4200000000"),
            ("total_fee", "100"),
            ("time_end", "20260101080000"),
        ],
    )?;
    let sealed = format!(
        "<xml><return_code>SUCCESS</return_code><mch_id>{}</mch_id><req_info>{}</req_info></xml>",
        sdk.account.mchid,
        "A".repeat(64)
    );
    for forged in [paid.body.replace("4200000000", "4200000001"), sealed] {
        let answer = notices
            .send("POST", &path, &[("content-type", "text/xml")], forged.as_bytes())
            .await?;
        ensure!(answer.status >= 400, "a forged notice: {}", words(&answer));
        refused(&answer, "wrong_signature")?;
    }
    let order = until(yard, &number, "its code", |o| o["state"].is_string()).await?;
    ensure!(order["state"] == "awaiting_payment", "believed");
    Ok(())
}

struct Counter<'a> {
    yard: &'a Yard,
    sdk: V2,
}

impl Counter<'_> {
    async fn payer(&self, will: &Value) -> anyhow::Result<String> {
        let code = self.yard.demo.next_code("wechat");
        let mut will = will.clone();
        will["channel"] = "wechat".into();
        will["auth_code"] = code.as_str().into();
        self.yard.demo.control("/control/pay", &will).await?;
        Ok(code)
    }

    async fn fault(&self, number: &str, operation: &str, kind: &str) -> Done {
        let fault =
            json!({ "channel": "wechat", "operation": operation, "kind": kind, "out_trade_no": number });
        self.yard.demo.control("/control/fault", &fault).await.map(drop)
    }

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
    let code = c.payer(&json!({ "outcome": "late", "after_ms": 600 })).await?;
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
    for _ in 0..100 {
        let said = c
            .sdk
            .done("/pay/orderquery", &[("out_trade_no", &number)])
            .await?;
        if said.get("trade_state") == Some("SUCCESS") {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    until(c.yard, &number, "payment", |o| o["state"] == "paid").await?;
    ensure!(c.calls(&number).await? == 1, "it went out twice");
    Ok(())
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

async fn reversed(c: &Counter<'_>) -> Done {
    let number = c.yard.demo.next_number();
    let code = c.payer(&json!({ "outcome": "paid" })).await?;
    c.sdk.verified(&c.sdk.micropay(&number, "500", &code).await?)?;
    let by_number = [("out_trade_no", number.as_str())];
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
    let end = domain::Instant::from_millis(now() + 62_000).to_string();
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
    for _ in 0..90 {
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

fn now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |t| t.as_millis() as i64)
}

fn unanswered(answer: anyhow::Result<Answer>) -> Done {
    match answer {
        Ok(answer) => bail!("answered although the proxy ended before: {}", words(&answer)),
        Err(_) => Ok(()),
    }
}

async fn order_point(yard: &Yard, step: &str) -> Done {
    yard.restart_until(step).await?;
    let number = yard.demo.next_number();
    unanswered(V2::of(yard, false)?.unified(&number, "500", &[]).await)?;
    yard.stopped_and_started().await?;
    let sdk = V2::of(yard, false)?;
    sdk.verified(&sdk.unified(&number, "500", &[]).await?)?;
    pay(yard, &number).await?;
    let order = until(yard, &number, "payment", |o| o["state"] == "paid").await?;
    ensure!(
        yard.at_channel(&order).await?.len() == 1,
        "not one order at the channel"
    );
    yard.told(id(&order)?, "payment.paid").await
}

/// The payer is charged once or not at all, and the SDK's query or reverse ends it.
async fn code_point(yard: &Yard, step: &str) -> Done {
    let c = Counter {
        yard,
        sdk: V2::of(yard, true)?,
    };
    yard.restart_until(step).await?;
    let number = yard.demo.next_number();
    let code = c.payer(&json!({ "outcome": "paid" })).await?;
    unanswered(V2::of(yard, true)?.micropay(&number, "500", &code).await)?;
    yard.stopped_and_started().await?;
    let sdk = V2::of(yard, true)?;
    let by_number = [("out_trade_no", number.as_str())];
    let said = sdk.verified(&sdk.ask("/pay/orderquery", &by_number).await?)?;
    match said.get("trade_state") {
        Some("SUCCESS") => {
            until(yard, &number, "payment", |o| o["state"] == "paid").await?;
        }
        _ if step == "before_intent" => {
            sdk.refused("/secapi/pay/reverse", &by_number, "NOAUTH").await?;
        }
        _ => {
            ensure!(
                said.get("err_code") == Some("ORDERNOTEXIST"),
                "{:?}",
                said.get("err_code")
            );
            sdk.failed("/secapi/pay/reverse", &by_number, "ORDERNOTEXIST")
                .await?;
            until(yard, &number, "reverse", |o| o["state"] == "reversed").await?;
        }
    }
    ensure!(c.calls(&number).await? <= 1, "it went out twice");
    Ok(())
}

async fn reverse_point(yard: &Yard, step: &str) -> Done {
    let c = Counter {
        yard,
        sdk: V2::of(yard, true)?,
    };
    let number = yard.demo.next_number();
    let code = c.payer(&json!({ "outcome": "paid" })).await?;
    c.sdk.verified(&c.sdk.micropay(&number, "500", &code).await?)?;
    yard.restart_until(step).await?;
    let by_number = [("out_trade_no", number.as_str())];
    unanswered(V2::of(yard, true)?.ask("/secapi/pay/reverse", &by_number).await)?;
    yard.stopped_and_started().await?;
    let sdk = V2::of(yard, true)?;
    for _ in 0..50 {
        let answer = sdk.ask("/secapi/pay/reverse", &by_number).await?;
        if sdk
            .verified(&answer)
            .is_ok_and(|said| said.get("recall") == Some("N"))
        {
            break;
        }
        sleep(Duration::from_millis(150)).await;
    }
    let order = until(yard, &number, "reverse", |o| o["state"] == "reversed").await?;
    let there = c.there(&number).await?;
    ensure!(there["refunded_fen"] == 500, "charged: {there}");
    yard.told(id(&order)?, "payment.reversed").await
}

async fn refund_point(yard: &Yard, step: &str) -> Done {
    let sdk = V2::of(yard, false)?;
    let number = yard.demo.next_number();
    sdk.verified(&sdk.unified(&number, "900", &[]).await?)?;
    pay(yard, &number).await?;
    until(yard, &number, "payment", |o| o["state"] == "paid").await?;
    let refund = format!("R{number}");
    yard.restart_until(step).await?;
    unanswered(V2::of(yard, false)?.refund(&number, &refund, "400", "900").await)?;
    yard.stopped_and_started().await?;
    let sdk = V2::of(yard, false)?;
    sdk.verified(&sdk.refund(&number, &refund, "400", "900").await?)?;
    let order = until(yard, &number, "refund", |o| {
        o["refunds"][0]["state"] == "succeeded"
    })
    .await?;
    ensure!(
        order["refunds"].as_array().map(Vec::len) == Some(1),
        "refunds: {order}"
    );
    let there = yard.at_channel(&order).await?;
    ensure!(
        there.len() == 1 && there[0]["refunded_fen"] == 400,
        "the channel paid back {there:?}"
    );
    yard.told(id(&order)?, "refund.succeeded").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_every_two_steps_of_v2() {
    let yard = Yard::open().await.expect("demo");
    for step in MUTATION {
        order_point(&yard, step)
            .await
            .unwrap_or_else(|e| panic!("order {step}: {e:#}"));
        code_point(&yard, step)
            .await
            .unwrap_or_else(|e| panic!("code {step}: {e:#}"));
        reverse_point(&yard, step)
            .await
            .unwrap_or_else(|e| panic!("reverse {step}: {e:#}"));
        refund_point(&yard, step)
            .await
            .unwrap_or_else(|e| panic!("refund {step}: {e:#}"));
    }
    let last = yard.demo.shop().came("/relay/wechat/").len();
    assert!(last > 0, "no notice was relayed");
}

/// After a start we ask for a refund that may not have left, and send it again if the channel does not know it; the
/// merchant's own repeat, in another protocol, arrives between the two. Ours is refused then, and that is no failure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C31
async fn a_refund_repeated_by_the_merchant_while_we_ask_is_one_refund() {
    let options = Options {
        // Longer than the sandbox is slow.
        answer_ms: 6000,
        ..Options::default()
    };
    let yard = Yard::with(options).await.expect("demo");
    repeated_while_we_ask(&yard).await.expect("one refund");
}

async fn repeated_while_we_ask(yard: &Yard) -> Done {
    let sdk = V2::of(yard, false)?;
    let number = yard.demo.next_number();
    sdk.verified(&sdk.unified(&number, "900", &[]).await?)?;
    pay(yard, &number).await?;
    until(yard, &number, "payment", |o| o["state"] == "paid").await?;
    let refund = format!("R{number}");
    yard.restart_until("before_send").await?;
    unanswered(V2::of(yard, false)?.refund(&number, &refund, "400", "900").await)?;
    // Answered as of before, and so late that the repeat comes first; what we ask after the repeat comes later still.
    let slow = json!({ "channel": "wechat", "operation": "refund_query", "kind": "slow" });
    for _ in 0..2 {
        yard.demo.control("/control/fault", &slow).await?;
    }
    // And nobody but us finds out what came of it.
    let silent = json!({ "channel": "wechat", "operation": "notice", "kind": "drop" });
    yard.demo.control("/control/fault", &silent).await?;
    yard.stopped_and_started().await?;
    let asked = async || -> anyhow::Result<bool> {
        let left = yard.demo.control_get("/control/faults").await?;
        Ok(left["faults"].as_array().is_some_and(|left| left.len() == 2))
    };
    for _ in 0..400 {
        if asked().await? {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    ensure!(asked().await?, "nobody asked for the refund");
    let sdk = V2::of(yard, false)?;
    sdk.verified(&sdk.refund(&number, &refund, "400", "900").await?)?;
    let order = until(yard, &number, "refund", |o| {
        o["refunds"][0]["state"] == "succeeded"
    })
    .await?;
    let there = yard.at_channel(&order).await?;
    ensure!(there[0]["refunded_fen"] == 400, "the channel paid back {there:?}");
    let told = yard.demo.shop().told(yard.merchant()?.id(), id(&order)?);
    ensure!(
        told.iter().all(|event| event["type"] != "refund.failed"),
        "told of a failure that was none: {told:?}"
    );
    yard.told(id(&order)?, "refund.succeeded").await
}

/// Without the account's secret nothing of V2 can be verified, so nothing of it is carried.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C66
async fn without_the_accounts_v2_key_nothing_of_v2_is_carried() {
    let options = Options {
        keys_held: false,
        ..Options::default()
    };
    let yard = Yard::with(options).await.expect("demo");
    let sdk = V2::of(&yard, true).expect("an SDK");
    let number = yard.demo.next_number();
    refused(
        &sdk.unified(&number, "100", &[]).await.expect("answered"),
        "SIGNERROR",
    )
    .expect("refused");
}
