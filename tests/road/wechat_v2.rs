//! A merchant's own V2 traffic at WeChat with only the host changed: orders in each way, payment codes with each of their
//! outcomes, closes, refunds, reverses and notices; killed between every two steps; and what is not carried.

mod codes;
mod points;

use crate::{
    by_trade_no::number_there,
    clock::{self, clear_of_day_ends},
    kills::{MUTATION, Yard, id, text},
    through,
};
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
                    let named = sdk.hmac.then_some("HMAC-SHA256");
                    ensure!(said.get("sign_type") == named, "its digest is not named");
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
        sub_appid: None,
        serial: None,
        platform: None,
        root_sn: None,
        sign_method: Default::default(),
        sha1: false,
        key_by_serial: false,
        bank: None,
        encrypts: false,
        openapi: Default::default(),
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
    until(yard, &second, "close", |o| o["state"] == "closed").await?;
    by_its_number(yard, &sdk, more).await
}

/// Paid back by WeChat's number before anybody told us of the payment; by both numbers only if they mean one order.
//= C87
async fn by_its_number(yard: &Yard, sdk: &V2, more: Pairs<'_>) -> Done {
    let number = yard.demo.next_number();
    sdk.verified(&sdk.unified(&number, "900", more).await?)?;
    through::pay(yard, "wechat", &number, false).await?;
    let there = number_there(yard, &number).await?;
    let refund = format!("R{number}");
    let rest = [
        ("out_refund_no", refund.as_str()),
        ("refund_fee", "100"),
        ("total_fee", "900"),
    ];
    let other = yard.demo.next_number();
    for named in [
        &[("transaction_id", "4200000000202601010000000000")][..],
        &[("transaction_id", &there), ("out_trade_no", &other)],
    ] {
        sdk.refused("/secapi/pay/refund", &[named, &rest].concat(), "NOAUTH")
            .await?;
    }
    sdk.done(
        "/secapi/pay/refund",
        &[&[("transaction_id", &*there)][..], &rest].concat(),
    )
    .await?;
    let back = |order: &Value| order["refunds"][0]["state"] == "succeeded" && order["refunded"] == 100;
    let order = until(yard, &number, "refund", back).await?;
    ensure!(order["paid"]["trade_no"] == *there, "{order}");
    Ok(())
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
    clear_of_day_ends(2).await;
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
    let day = |ago: i64| -> String {
        let then = clock::now().plus_millis(-ago * 86_400_000).to_string();
        then.chars().filter(char::is_ascii_digit).take(8).collect()
    };
    let (then, never) = (day(3), day(60));
    let plain = md5
        .ask("/pay/downloadbill", &[("bill_date", &then), ("bill_type", "ALL")])
        .await?;
    let text = String::from_utf8(plain.body.to_vec())?;
    ensure!(plain.status == 200 && text.contains(&number), "{}", words(&plain));
    let paid = [("bill_date", then.as_str()), ("bill_type", "SUCCESS")];
    let paid = String::from_utf8(md5.ask("/pay/downloadbill", &paid).await?.body.to_vec())?;
    ensure!(
        paid.contains(&number) && !paid.contains("微信退款单号"),
        "no bill of payments: {paid}"
    );
    for (path, more) in [
        ("/pay/downloadbill", ("bill_type", "REFUND")),
        ("/pay/downloadfundflow", ("account_type", "Fees")),
    ] {
        let none = hmac.ask(path, &[("bill_date", &then), more]).await?;
        ensure!(
            Fields::parse(&none.body, "xml")?.get("error_code") == Some("20002"),
            "{path}: {}",
            words(&none)
        );
    }
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
    // Whose wallet a code is stands in its digits.
    for code in [
        "289821051157962364",
        "6212345678901234567",
        "99123",
        "13456789012345678 ",
    ] {
        let answer = sdk.micropay(&number, "100", code).await?;
        refused(&answer, "PARAM_ERROR").with_context(|| code.to_owned())?;
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

fn unanswered(answer: anyhow::Result<Answer>) -> Done {
    match answer {
        Ok(answer) => bail!("answered although the proxy ended before: {}", words(&answer)),
        Err(_) => Ok(()),
    }
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
