//! A merchant's own UnionPay client with only the host changed, end to end: each sign method; forms that the payer's browser
//! brings; what is refused and never heard of at UnionPay; keys that the merchant alone holds; and the proxy killed between
//! every two steps of an application for a code and of a refund.

mod charges;
pub(crate) mod file;
mod killed;
mod limits;
mod reversals;
mod samples;
mod times;

use crate::{
    kills::{MUTATION, Yard, id, text},
    native::shown,
};
use anyhow::{Context, bail, ensure};
use sandbox::demo::acp::{Acp, BACK, FRONT, Fields, QUERY, now, written};
use sandbox::demo::{
    Demo,
    orders::unasked,
    place::{Options, RETURN_HOST},
};
use serde_json::{Value, json};
use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _, time::Duration};
use tempfile::TempDir;
use tokio::time::sleep;

type Done = anyhow::Result<()>;

/// Three merchants, one for each sign method; the proxy runs in this process.
async fn demo() -> anyhow::Result<(Demo, TempDir)> {
    let dir = tempfile::tempdir()?;
    let options = Options {
        desk: false,
        merchants: 3,
        ..Options::default()
    };
    let demo = Demo::start(dir.path(), &options, false).await?;
    demo.control("/control/clock", &json!({ "speed": 20.0 })).await?;
    Ok((demo, dir))
}

async fn order(demo: &Demo, merchant: usize, number: &str) -> anyhow::Result<Value> {
    let path = format!("/v1/payments?order_no={number}");
    let answer = demo.merchant(merchant)?.ask("GET", &path, None).await?;
    ensure!(
        answer.status < 300,
        "{number} is not on record: {}",
        answer.json()
    );
    Ok(answer.json())
}

async fn until(
    demo: &Demo,
    merchant: usize,
    number: &str,
    what: &str,
    wanted: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    let mut last = Value::Null;
    for _ in 0..200 {
        last = order(demo, merchant, number).await?;
        if wanted(&last) {
            return Ok(last);
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("{what} did not come within 20 s: {last}")
}

async fn pay(demo: &Demo, number: &str, notify: bool) -> Done {
    let body = json!({ "channel": "unionpay", "out_trade_no": number, "outcome": "paid", "notify": notify });
    demo.control("/control/pay", &body).await.map(drop)
}

async fn at_unionpay(demo: &Demo, number: &str) -> anyhow::Result<Vec<Value>> {
    let all = demo.channel_orders().await?;
    let fits = |o: &&Value| o["channel"] == "unionpay" && o["out_trade_no"] == number;
    Ok(all["orders"]
        .as_array()
        .context("orders")?
        .iter()
        .filter(fits)
        .cloned()
        .collect())
}

/// The notice of this number that the merchant got through us, byte for byte: its signature verifies.
async fn relayed(demo: &Demo, acp: &Acp, number: &str) -> anyhow::Result<Fields> {
    for _ in 0..150 {
        for came in demo.shop().came("/relay/unionpay/") {
            let fields: Fields = form_urlencoded::parse(&came.body).into_owned().collect();
            if fields.get("orderId").is_some_and(|no| no == number) {
                return acp.notice(&came.body);
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("no notice of {number} was relayed within 15 s")
}

fn is(fields: &Fields, name: &str, wanted: &str) -> Done {
    let found = fields.get(name).map(String::as_str).unwrap_or_default();
    ensure!(found == wanted, "{name} is {found}, not {wanted}: {fields:?}");
    Ok(())
}

/// A code, paid, told, asked for; two refunds, told, asked for.
async fn life(demo: &Demo, merchant: usize) -> Done {
    let acp = Acp::of(demo, merchant)?;
    let (number, time) = (demo.next_number(), written(now()));
    let mut applies = acp.apply(&number, &time, 900);
    // UnionPay calls an address with the query that it has, which is none of what it signs.
    if merchant == 0 {
        let told_at = applies.get_mut("backUrl").context("backUrl")?;
        told_at.push_str("?shop=1&desk=2");
    }
    let sent = acp.signed(&applies)?;
    let answer = acp.send(BACK, &sent).await?;
    ensure!(answer.status == 200, "{}", String::from_utf8_lossy(&answer.body));
    let said = acp.read(&answer.body)?;
    is(&said, "respCode", "00")?;
    ensure!(
        said.get("qrCode")
            .is_some_and(|c| c.starts_with("https://qr.95516.com/")),
        "{said:?}"
    );
    ensure!(
        demo.last_request("unionpay", "create").await? == sent,
        "not the octets that were signed"
    );
    let placed = order(demo, merchant, &number).await?;
    ensure!(
        placed["state"] == "awaiting_payment" && placed["qr_code"] == said["qrCode"].as_str(),
        "{placed}"
    );
    for path in [QUERY, BACK] {
        is(
            &acp.ask(path, &acp.query(&number, &time)).await?,
            "respCode",
            "34",
        )?;
    }
    // The client's own questions are answered again once these are used up.
    let busy = json!({ "channel": "unionpay", "operation": "query", "kind": "busy", "count": 5, "out_trade_no": number });
    demo.control("/control/fault", &busy).await?;
    pay(demo, &number, true).await?;
    let notice = relayed(demo, &acp, &number).await?;
    is(&notice, "txnTime", &time)?;
    let paid = until(demo, merchant, &number, "payment", |o| o["state"] == "paid").await?;
    ensure!(paid["paid"]["proof"] == "notice", "{paid}");
    let mut asked = acp.ask(QUERY, &acp.query(&number, &time)).await?;
    for _ in 0..5 {
        if asked.get("respCode").is_some_and(|code| code == "37") {
            asked = acp.ask(QUERY, &acp.query(&number, &time)).await?;
        }
    }
    is(&asked, "origRespCode", "00")?;
    let query_id = asked.get("queryId").context("queryId")?.clone();
    for (no, fen, state) in [("1", 300, "partly_refunded"), ("2", 600, "refunded")] {
        let (refund, at) = (format!("R{number}{no}"), written(now()));
        let said = acp.ask(BACK, &acp.refund(&refund, &at, &query_id, fen)).await?;
        is(&said, "respCode", "00")?;
        is(&relayed(demo, &acp, &refund).await?, "txnType", "04")?;
        until(demo, merchant, &number, "refund", |o| o["state"] == state).await?;
        is(
            &acp.ask(QUERY, &acp.query(&refund, &at)).await?,
            "origRespCode",
            "00",
        )?;
    }
    let there = at_unionpay(demo, &number).await?;
    ensure!(
        there.len() == 1 && there[0]["refunded_fen"] == 900,
        "at UnionPay: {there:?}"
    );
    Ok(())
}

/// Orders of ours, until one is answered so.
async fn until_answered(demo: &Demo, status: u16) -> Done {
    for _ in 0..100 {
        let body = json!({ "order_no": demo.next_number(), "channel": "unionpay", "pay_way": "qr", "amount": 300, "description": "茶" });
        let answer = demo.merchant(0)?.ask("POST", "/v1/payments", Some(&body)).await?;
        if answer.status == status {
            return Ok(());
        }
        sleep(Duration::from_millis(200)).await;
    }
    bail!("no order was answered {status} within 20 s")
}

/// What lies under the registered certificate's name signs, whatever key lies beside it.
//= C91
async fn the_key_follows_its_certificate(demo: &Demo) -> Done {
    let [own, other] = [0, 1].map(|n| &demo.place.merchants[n].accounts.unionpay);
    let material = |file: &str| std::fs::read(demo.place.material.dir.join(file));
    let folder = demo.place.dir.join("keys/unionpay").join(&own.mer_id);
    std::fs::write(folder.join("merchant.pem"), material(&other.key_file)?)?;
    until_answered(demo, 422).await?;
    let facts = certs::CertificateFacts::read_pem(&material(&own.cert_file)?)?;
    std::fs::create_dir(folder.join("merchant"))?;
    let laid = folder.join(format!("merchant/{}.pem", facts[0].serial_decimal));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(laid)?;
    file.write_all(&material(&own.key_file)?)?;
    until_answered(demo, 201).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_sign_method_is_carried_told_and_paid_back() {
    let (demo, _dir) = demo().await.expect("demo");
    for merchant in 0..3 {
        let method = demo.place.merchants[merchant].sign_method();
        life(&demo, merchant)
            .await
            .unwrap_or_else(|e| panic!("signMethod {method}: {e:#}"));
        println!(
            "unionpay qr through the merchant's own client, signMethod {method}: paid, told, refunded in two parts, told"
        );
    }
    the_key_follows_its_certificate(&demo)
        .await
        .expect("another certificate");
    demo.services.stop().await.expect("stops");
}

/// The browser is sent on with its form once the order is on record, and not before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C76
async fn a_form_leaves_when_its_order_is_on_record() {
    let (demo, _dir) = demo().await.expect("demo");
    for merchant in 0..3 {
        let method = demo.place.merchants[merchant].sign_method();
        by_browser(&demo, merchant)
            .await
            .unwrap_or_else(|e| panic!("signMethod {method}: {e:#}"));
    }
    demo.services.stop().await.expect("stops");
}

async fn by_browser(demo: &Demo, merchant: usize) -> Done {
    let acp = Acp::of(demo, merchant)?;
    let (number, time) = (demo.next_number(), written(now()));
    let form = acp.signed(&acp.front(&number, &time, 470))?;
    for _ in 0..2 {
        let answer = acp.send(FRONT, &form).await?;
        let place = answer
            .headers
            .get("location")
            .and_then(|l| l.to_str().ok())
            .unwrap_or_default();
        ensure!(
            answer.status == 307
                && place
                    == format!(
                        "https://gateway.95516.com:{}{FRONT}",
                        demo.channels.unionpay.port()
                    ),
            "{} {place}",
            answer.status
        );
        ensure!(answer.body.is_empty(), "a page of ours");
        let placed = order(demo, merchant, &number).await?;
        ensure!(
            placed["state"] == "awaiting_payment" && placed["pay_way"] == "gateway",
            "{placed}"
        );
        ensure!(placed["call_up"].is_null(), "kept: {placed}");
    }
    ensure!(
        at_unionpay(demo, &number).await?.is_empty(),
        "UnionPay had it before the browser came"
    );
    let page = acp.send_straight(FRONT, &form).await?;
    ensure!(
        page.status == 200 && String::from_utf8_lossy(&page.body).contains(&number),
        "the form does not open"
    );
    unasked(demo, "unionpay", &number).await?;
    pay(demo, &number, true).await?;
    relayed(demo, &acp, &number).await?;
    let paid = until(demo, merchant, &number, "payment", |o| o["state"] == "paid").await?;
    ensure!(
        paid["paid"]["proof"] == "notice" && paid["amount"] == 470,
        "{paid}"
    );
    // A wrong signature never gets that far, and the payer reads why in words.
    let spoilt = form.replace("txnAmt=470", "txnAmt=471");
    let answer = acp.send(FRONT, &spoilt).await?;
    let body = String::from_utf8_lossy(&answer.body);
    ensure!(
        answer.status == 401
            && body.contains("无法前往银联")
            && body.contains("Please go back")
            && body.contains("<small>the signature is none by"),
        "{} {body}",
        answer.status
    );
    Ok(())
}

/// What is signed by the merchant itself and would pay somebody else, split money, or make a second order of one number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C03
//= C21
//= C75
async fn what_is_not_carried_never_reaches_unionpay() {
    let (demo, _dir) = demo().await.expect("demo");
    refused(&demo).await.unwrap_or_else(|e| panic!("{e:#}"));
    demo.services.stop().await.expect("stops");
}

async fn refused(demo: &Demo) -> Done {
    let acp = Acp::of(demo, 0)?;
    let other = Acp::of(demo, 1)?;
    let lawful = |number: &str| acp.apply(number, &written(now()), 100);
    type Change = fn(&mut Fields);
    let changes: [(&str, Change, u16); 12] = [
        (
            "accSplitData",
            |f| drop(f.insert("accSplitData".into(), "{accSplitType=1}".into())),
            403,
        ),
        ("subMerId", |f| drop(f.insert("subMerId".into(), "1".into())), 403),
        (
            "reserved",
            |f| drop(f.insert("reserved".into(), "{accSplitMchts=1}".into())),
            403,
        ),
        (
            "accNo",
            |f| drop(f.insert("accNo".into(), "6226000000000003".into())),
            403,
        ),
        (
            "accessType",
            |f| drop(f.insert("accessType".into(), "2".into())),
            400,
        ),
        (
            "another wallet's payment code",
            |f| {
                f.insert("txnSubType".into(), "06".into());
                f.insert("qrNo".into(), "134567890123456789".into());
            },
            400,
        ),
        (
            "a cancel of nothing",
            |f| drop(f.insert("txnType".into(), "31".into())),
            403,
        ),
        (
            "a pre-authorisation",
            |f| drop(f.insert("txnType".into(), "02".into())),
            403,
        ),
        (
            "another merchant",
            |f| drop(f.insert("merId".into(), "777290058110049".into())),
            401,
        ),
        (
            "another certificate",
            |f| drop(f.insert("certId".into(), "1".into())),
            401,
        ),
        (
            "a weaker method",
            |f| {
                f.remove("certId");
                f.insert("signMethod".into(), "11".into());
            },
            401,
        ),
        (
            "an hour ago",
            |f| drop(f.insert("txnTime".into(), written(now().plus_millis(-3_600_000)))),
            401,
        ),
    ];
    for (what, change, status) in changes {
        let number = demo.next_number();
        let mut fields = lawful(&number);
        change(&mut fields);
        let answer = acp.send(BACK, &acp.signed(&fields)?).await?;
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        ensure!(
            answer.status == status && said.starts_with("respCode="),
            "{what}: {} {said}",
            answer.status
        );
        ensure!(!said.contains("6226000000000003"), "{what}: {said}");
        ensure!(
            at_unionpay(demo, &number).await?.is_empty(),
            "{what}: UnionPay heard of it"
        );
    }
    // Under another merchant's key.
    let number = demo.next_number();
    let answer = acp.send(BACK, &other.signed(&lawful(&number))?).await?;
    ensure!(answer.status == 401, "another's key: {}", answer.status);
    // Back to a host that is nobody's.
    let mut fields = acp.front(&number, &written(now()), 100);
    ensure!(
        RETURN_HOST == "shop.example",
        "the client's own frontUrl is not at the demo's host"
    );
    fields.insert("frontUrl".into(), "https://evil.example/".into());
    let answer = acp.send(FRONT, &acp.signed(&fields)?).await?;
    ensure!(answer.status == 403, "a foreign frontUrl: {}", answer.status);
    // The same number at another time would be a second order at UnionPay.
    let first = lawful(&number);
    is(&acp.ask(BACK, &first).await?, "respCode", "00")?;
    sleep(Duration::from_millis(1100)).await;
    let answer = acp.send(BACK, &acp.signed(&lawful(&number))?).await?;
    let said = String::from_utf8_lossy(&answer.body).into_owned();
    ensure!(
        answer.status == 409 && said.starts_with("respCode=36"),
        "the same number at another time: {} {said}",
        answer.status
    );
    let there = at_unionpay(demo, &number).await?;
    ensure!(
        there.len() == 1 && there[0]["calls"]["create"] == 1,
        "at UnionPay: {there:?}"
    );
    // A refund of what is not on record here.
    let fields = acp.refund("R2026010100001", &written(now()), "781601010800001234568", 1);
    let answer = acp.send(BACK, &acp.signed(&fields)?).await?;
    let said = String::from_utf8_lossy(&answer.body).into_owned();
    ensure!(
        answer.status == 403 && !said.contains("respCode=34"),
        "a refund of nothing: {} {said}",
        answer.status
    );
    Ok(())
}

/// Paid without a notice: the merchant's own query tells, and nothing is learned from a query of another time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_merchants_own_key_outcomes_are_learned_from_what_passes() {
    let options = Options {
        keys_held: false,
        ..Options::default()
    };
    let yard = Yard::with(options).await.expect("demo");
    learned(&yard).await.unwrap_or_else(|e| panic!("{e:#}"));
}

async fn learned(yard: &Yard) -> Done {
    let (demo, acp) = (&yard.demo, Acp::of(&yard.demo, 0)?);
    let (number, time) = (demo.next_number(), written(now()));
    is(
        &acp.ask(BACK, &acp.apply(&number, &time, 300)).await?,
        "respCode",
        "00",
    )?;
    pay(demo, &number, false).await?;
    sleep(Duration::from_secs(1)).await;
    acp.ask(QUERY, &acp.query(&number, "20260101080000")).await?;
    let before = shown(yard, &number).await?;
    ensure!(
        before["state"] == "awaiting_payment",
        "known before anybody asked: {before}"
    );
    let asked = acp.ask(QUERY, &acp.query(&number, &time)).await?;
    let paid = until(demo, 0, &number, "payment", |o| o["state"] == "paid").await?;
    ensure!(paid["paid"]["proof"] == "query", "{paid}");
    let (refund, at) = (format!("R{number}"), written(now()));
    let query_id = asked.get("queryId").context("queryId")?;
    is(
        &acp.ask(BACK, &acp.refund(&refund, &at, query_id, 100)).await?,
        "respCode",
        "00",
    )?;
    for _ in 0..240 {
        acp.ask(QUERY, &acp.query(&refund, &at)).await?;
        if shown(yard, &number).await?["refunds"][0]["state"] == "succeeded" {
            return Ok(());
        }
        sleep(Duration::from_millis(200)).await;
    }
    bail!("the refund was not learned: {}", shown(yard, &number).await?)
}

/// What a client does that got no answer: the same again; where that came too late, or the order is not on record, anew at
/// a new time; where UnionPay has it already (12) and its code was lost, under a new number.
async fn placed_at_last(yard: &Yard, acp: &Acp, first: &Fields, fen: u64) -> anyhow::Result<String> {
    let mut fields = first.clone();
    let mut last = String::new();
    for _ in 0..60 {
        let answer = acp.send(BACK, &acp.signed(&fields)?).await?;
        last = String::from_utf8_lossy(&answer.body).into_owned();
        let number = fields["orderId"].clone();
        if answer.status == 200 {
            match acp.read(&answer.body)?["respCode"].as_str() {
                "00" => return Ok(number),
                "12" => fields = acp.apply(&yard.demo.next_number(), &written(now()), fen),
                _ => {}
            }
        } else if answer.status == 401 {
            fields = acp.apply(&number, &written(now()), fen);
        }
        sleep(Duration::from_millis(250)).await;
    }
    bail!("not placed within 15 s: {last}")
}

async fn create_point(yard: &Yard, step: &str) -> Done {
    yard.restart_until(step).await?;
    let first_number = yard.demo.next_number();
    let acp = Acp::of(&yard.demo, 0)?;
    let first = acp.apply(&first_number, &written(now()), 500);
    ensure!(
        acp.send(BACK, &acp.signed(&first)?).await.is_err(),
        "answered although the proxy ended before"
    );
    yard.stopped_and_started().await?;
    let acp = Acp::of(&yard.demo, 0)?;
    let number = placed_at_last(yard, &acp, &first, 500).await?;
    pay(&yard.demo, &number, true).await?;
    let order = until(&yard.demo, 0, &number, "payment", |o| o["state"] == "paid").await?;
    ensure!(
        at_unionpay(&yard.demo, &number).await?.len() == 1,
        "not one order at UnionPay"
    );
    if number != first_number {
        let given_up = shown(yard, &first_number).await?;
        ensure!(
            given_up["paid"].is_null() && at_unionpay(&yard.demo, &first_number).await?.len() == 1,
            "{given_up}"
        );
    }
    yard.told(id(&order)?, "payment.paid").await
}

async fn refund_point(yard: &Yard, step: &str) -> Done {
    let acp = Acp::of(&yard.demo, 0)?;
    let (number, time) = (yard.demo.next_number(), written(now()));
    is(
        &acp.ask(BACK, &acp.apply(&number, &time, 900)).await?,
        "respCode",
        "00",
    )?;
    pay(&yard.demo, &number, true).await?;
    let order = until(&yard.demo, 0, &number, "payment", |o| o["state"] == "paid").await?;
    let query_id = text(&order["paid"]["trade_no"]);
    yard.restart_until(step).await?;
    let acp = Acp::of(&yard.demo, 0)?;
    let refund = format!("R{number}");
    let mut form = acp.signed(&acp.refund(&refund, &written(now()), &query_id, 400))?;
    ensure!(
        acp.send(BACK, &form).await.is_err(),
        "answered although the proxy ended before"
    );
    yard.stopped_and_started().await?;
    let acp = Acp::of(&yard.demo, 0)?;
    for _ in 0..20 {
        let answer = acp.send(BACK, &form).await?;
        if answer.status == 200 {
            break;
        }
        // Not on record, and signed before this run began.
        form = acp.signed(&acp.refund(&refund, &written(now()), &query_id, 400))?;
        if shown(yard, &number).await?["refunds"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
        {
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
    let order = until(&yard.demo, 0, &number, "refund", |o| {
        o["refunds"][0]["state"] == "succeeded"
    })
    .await?;
    ensure!(
        order["refunds"].as_array().map(Vec::len) == Some(1),
        "refunds: {order}"
    );
    let there = at_unionpay(&yard.demo, &number).await?;
    ensure!(
        there.len() == 1
            && there[0]["refunded_fen"] == 400
            && there[0]["refunds"].as_array().map(Vec::len) == Some(1),
        "UnionPay paid back {}",
        there[0]["refunded_fen"]
    );
    // The same refund at another time would be another refund.
    sleep(Duration::from_millis(1100)).await;
    let again = acp
        .send(
            BACK,
            &acp.signed(&acp.refund(&refund, &written(now()), &query_id, 400))?,
        )
        .await?;
    ensure!(
        again.status == 409,
        "the same refund at another time: {}",
        again.status
    );
    yard.told(id(&order)?, "refund.succeeded").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C75
async fn killed_between_every_two_steps_through_the_merchants_own_client() {
    let yard = Yard::open().await.expect("demo");
    for step in MUTATION {
        create_point(&yard, step)
            .await
            .unwrap_or_else(|e| panic!("create {step}: {e:#}"));
        refund_point(&yard, step)
            .await
            .unwrap_or_else(|e| panic!("refund {step}: {e:#}"));
    }
    yard.demo.services.stop_proxy().await.expect("stops");
    yard.demo.prove_journal().expect("the journal is whole");
}
