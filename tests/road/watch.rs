//! The watch, end to end: planted cases are flagged and ordinary trade is not, two officers decide, the package proves
//! itself and a copy with a flag left out does not, a stopped merchant learns nothing.

mod banks;
mod others;
mod unionpay;

use crate::clock::clear_of_day_ends;
use anyhow::{Context, ensure};
use domain::{TradeEntry, TradeEvent};
use journal::{Reader, disk::RealDisk};
use sandbox::demo::{
    Demo,
    officers::{self, Officer, to_agree},
    orders,
    place::{ACQUIRER, Options},
    planted,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

type Done = anyhow::Result<()>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flags_exports_and_measures() -> Done {
    let dir = tempfile::tempdir()?;
    let demo = Demo::start(dir.path(), &Options::default(), true).await?;
    let ordinary = demo.merchant(0)?;
    for channel in ["wechat", "alipay"] {
        orders::scanned_and_refunded(&demo, &ordinary, channel).await?;
        orders::in_the_wallet(&demo, &ordinary, channel).await?;
    }
    orders::scanned_and_refunded(&demo, &ordinary, "unionpay").await?;
    unionpay::two_declines(&demo, &ordinary).await?;
    unionpay::two_declines_of_open_orders(&demo, &ordinary).await?;
    banks::ordinary(&demo, &ordinary).await?;
    others::ordinary(&demo, &ordinary).await?;
    planted::plant(&demo, &demo.merchant(1)?, &[demo.merchant(0)?, demo.merchant(2)?]).await?;
    let (a, b) = (
        Officer::sign_in(&demo, "officer-a").await?,
        Officer::sign_in(&demo, "officer-b").await?,
    );
    let planted_at = demo.place.merchants[1].id.clone();
    a.until_flagged(&planted_at, &planted::RULES).await?;
    let flags = a.flags().await?;
    ensure!(
        flags.iter().all(|f| f["merchant"] == json!(planted_at)),
        "ordinary trade was flagged: {flags:?}"
    );
    one_officer_is_not_enough(&a, &b, &flags[0]).await?;
    let confirmed = officers::confirm_all(&a, &b, &planted_at).await?;
    let package = demo.export()?;
    demo.prove_export(&package)?;
    a_copy_with_one_flag_left_out_does_not_verify(&demo, &package)?;
    the_front_door_lists_what_is_not_acknowledged(&demo, &package, confirmed)?;
    a_refund_of_nothing_is_flagged(&demo, &a).await?;
    banks::somebody_else_is_flagged(&demo, &a).await?;
    others::flagged(&demo, &ordinary, &a).await?;
    a_stopped_merchant_learns_nothing(&demo, &a, &b).await?;
    for _ in 0..150 {
        if unionpay::declines_of_open_orders(&demo)?.len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let codes = unionpay::declines_of_open_orders(&demo)?;
    ensure!(
        codes == ["64".to_owned(), "PAYERROR".to_owned()].into(),
        "on record: {codes:?}"
    );
    demo.services.stop().await?;
    measures_took_effect_on_record(&demo)?;
    unionpay::declines_are_on_record(&demo)?;
    demo.prove_journal().map(drop)
}

//= C44
async fn one_officer_is_not_enough(a: &Officer, b: &Officer, flag: &Value) -> Done {
    let path = format!(
        "/api/flags/{}/{}",
        flag["acquirer"].as_str().unwrap_or_default(),
        flag["flag"]
    );
    ensure!(
        a.ask(
            "POST",
            &format!("{path}/propose"),
            Some(&json!({ "disposition": "confirm" }))
        )
        .await
        .is_err(),
        "no reason was asked for"
    );
    let confirm = json!({ "disposition": "confirm", "reason": "first" });
    let proposed = a.ask("POST", &format!("{path}/propose"), Some(&confirm)).await?;
    let read = to_agree(&proposed);
    ensure!(
        a.ask("POST", &format!("{path}/agree"), Some(&read))
            .await
            .is_err(),
        "one officer decided alone"
    );
    let back = json!({ "reason": "look again", "proposal": read["proposal"] });
    b.ask("POST", &format!("{path}/return"), Some(&back))
        .await
        .map(drop)
}

//= C47
fn a_copy_with_one_flag_left_out_does_not_verify(demo: &Demo, package: &Path) -> Done {
    let copy = demo
        .place
        .dir
        .join("copy")
        .join(package.file_name().context("a name")?);
    fs::create_dir_all(&copy)?;
    for entry in fs::read_dir(package)?.flatten() {
        fs::copy(entry.path(), copy.join(entry.file_name()))?;
    }
    demo.prove_export(&copy)?;
    let mut flags: Vec<Value> = serde_json::from_slice(&fs::read(copy.join("flags.json"))?)?;
    let left_out = flags.remove(2);
    fs::write(copy.join("flags.json"), serde_json::to_vec(&flags)?)?;
    let found = demo
        .prove_export(&copy)
        .err()
        .context("a package without one of its flags verifies")?
        .to_string();
    ensure!(
        found.contains(&left_out["flag"].to_string()) || found.contains("flags.json"),
        "the finding names nothing: {found}"
    );
    Ok(())
}

//= C48
fn the_front_door_lists_what_is_not_acknowledged(demo: &Demo, package: &Path, confirmed: usize) -> Done {
    let (good, said) = demo.hand_over(&["--unacknowledged"])?;
    ensure!(good && said.lines().count() == confirmed, "{said}");
    let merchant = &demo.place.merchants[1].id;
    ensure!(
        said.lines()
            .all(|l| l.contains(&format!(": {merchant} T")) && l.ends_with("ago, in package 1")),
        "{said}"
    );
    let digest = hex::encode(Sha256::digest(fs::read(package.join("manifest.json"))?));
    let ack = json!({ "acquirer": ACQUIRER, "package": 1, "digest": digest, "at": 1 }).to_string();
    let file = demo.place.dir.join("ack.json");
    let note = demo.place.sign_as_acquirer(&format!(
        "guandao-ack\n{ACQUIRER}\n{}\n",
        hex::encode(Sha256::digest(&ack))
    ));
    fs::write(&file, &ack)?;
    fs::write(
        file.with_extension("json.sig"),
        note.replace("guandao-ack", "guandao-not"),
    )?;
    let asked = ["--ack", &file.display().to_string()];
    let (good, said) = demo.hand_over(&asked)?;
    ensure!(
        !good && said.contains("not signed"),
        "its exit status and words are passed on: {said}"
    );
    fs::write(file.with_extension("json.sig"), note)?;
    ensure!(
        demo.hand_over(&asked)?.0
            && demo
                .hand_over(&["--unacknowledged"])?
                .1
                .starts_with("every confirmed flag"),
        "not taken"
    );
    Ok(())
}

/// The merchant hears that there is no such order; the watch hears that money was to go back for no trade.
//= C18
async fn a_refund_of_nothing_is_flagged(demo: &Demo, a: &Officer) -> Done {
    let merchant = demo.merchant(3)?;
    let nothing = "/v1/payments/00000000000000000000000000000000/refunds";
    let answer = merchant
        .ask(
            "POST",
            nothing,
            Some(&json!({ "refund_no": "r1", "amount": 100 })),
        )
        .await?;
    ensure!(
        answer.status == 404 && answer.json()["code"] == "not_found",
        "{} {}",
        answer.status,
        answer.json()
    );
    a.until_flagged(merchant.id(), &["T15a"]).await.map(drop)
}

/// Refusals of a measure and of a payer's limit are the same but for the request's number.
//= C43
async fn a_stopped_merchant_learns_nothing(demo: &Demo, a: &Officer, b: &Officer) -> Done {
    clear_of_day_ends(2).await; // a payer's limit is a day's
    let merchant = demo.merchant(2)?;
    let order = |payer: &str, amount: u64| {
        json!({
            "order_no": demo.next_number(), "channel": "wechat", "pay_way": "jsapi", "amount": amount, "description": "x",
            "payer": { "openid": payer }, "code": { "kind": "dynamic", "level": "C" },
        })
    };
    let first = merchant
        .ask("POST", "/v1/payments", Some(&order("oLimited", 100_000)))
        .await?;
    ensure!(first.status == 201, "{}", first.json());
    demo.control(
        "/control/pay",
        &json!({ "channel": "wechat", "out_trade_no": first.json()["number"], "outcome": "paid" }),
    )
    .await?;
    let id = first.json()["id"].as_str().unwrap_or_default().to_owned();
    merchant.until(&id, "payment", |o| o["state"] == "paid").await?;
    let limit = merchant
        .ask("POST", "/v1/payments", Some(&order("oLimited", 1)))
        .await?;
    let measure = officers::stop_merchant(a, b, merchant.id()).await?;
    let began = Instant::now();
    let stopped = loop {
        let answer = merchant
            .ask("POST", "/v1/payments", Some(&order("oAnother", 100)))
            .await?;
        if answer.status == 403 {
            break answer;
        }
        ensure!(
            began.elapsed() < Duration::from_secs(20),
            "the stop took no effect"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let took = officers::took_effect(demo, &measure).await?;
    ensure!(
        took < Duration::from_secs(2),
        "the stop took no effect within 2 s: {took:?}"
    );
    let said = |answer: &sandbox::demo::http::Answer| {
        let mut value = answer.json();
        value["request_id"] = Value::Null;
        let names: Vec<_> = answer.headers.keys().map(|k| k.as_str().to_owned()).collect();
        (answer.status, value, names)
    };
    ensure!(
        said(&stopped) == said(&limit),
        "a stopped merchant can tell: {:?} is not {:?}",
        said(&stopped),
        said(&limit)
    );
    let refund = merchant
        .ask(
            "POST",
            &format!("/v1/payments/{id}/refunds"),
            Some(&json!({ "refund_no": "r", "amount": 100 })),
        )
        .await?;
    ensure!(refund.status < 300, "refunds go on: {}", refund.json());
    officers::lift(a, b, &measure).await?;
    let lifted = Instant::now();
    while merchant
        .ask("POST", "/v1/payments", Some(&order("oAnother", 100)))
        .await?
        .status
        != 201
    {
        ensure!(
            lifted.elapsed() < Duration::from_secs(20),
            "the lift took no effect within 20 s"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

//= C56
fn measures_took_effect_on_record(demo: &Demo) -> Done {
    let reader = Reader::open(Arc::new(RealDisk), &demo.place.dir.join("data/trades"))?;
    let mut seen = false;
    for item in reader.scan(0) {
        let entry = TradeEntry::from_canonical(&item?.1)?;
        seen |= matches!(entry.event, TradeEvent::MeasureObserved { .. });
    }
    ensure!(seen, "the measure's effect is not on record");
    Ok(())
}
