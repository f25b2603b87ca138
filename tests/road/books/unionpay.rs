//! UnionPay's books of its own kind: what went back by cancel and by refund, numbers that its file cuts off, and what its file of
//! exceptions corrects.

use super::{
    Done, Found, account, asked, compare, compare_from, day_of, found, of_channel, open, paid, text,
    until_compared,
};
use anyhow::{Context, ensure};
use domain::Day;
use sandbox::demo::{
    Demo,
    acp::{Acp, BACK, Fields, QUERY, now, written},
    merchant::Merchant,
};
use serde_json::{Value, json};

fn accepted(said: &Fields) -> Done {
    let code = said.get("respCode").map(String::as_str);
    ensure!(code == Some("00"), "UnionPay said {code:?}");
    Ok(())
}

async fn until(merchant: &Merchant, number: &str, state: &str) -> anyhow::Result<Value> {
    let path = format!("/v1/payments?order_no={number}");
    let known = merchant.ask("GET", &path, None).await?.json();
    merchant
        .until(&text(&known["id"]), state, |o| o["state"] == state)
        .await
}

/// A payer's code, charged and taken back by the merchant's own client.
async fn cancelled(demo: &Demo, merchant: &Merchant, acp: &Acp) -> Done {
    let (number, code) = (demo.next_number(), demo.next_code("unionpay"));
    let will = json!({ "channel": "unionpay", "auth_code": code, "outcome": "paid" });
    demo.control("/control/pay", &will).await?;
    let charge = acp.charge(&number, &written(now()), 1002, &code, 300_000);
    accepted(&acp.ask(BACK, &charge).await?)?;
    let order = until(merchant, &number, "paid").await?;
    let query_id = text(&order["paid"]["trade_no"]);
    let cancel = acp.cancel(&format!("V{number}"), &written(now()), &query_id, 1002);
    accepted(&acp.ask(BACK, &cancel).await?)?;
    until(merchant, &number, "reversed").await.map(drop)
}

/// An order with as many letters as UnionPay's messages take, of which its file has room for 32.
async fn long(demo: &Demo, merchant: &Merchant, acp: &Acp, number: &str, back: u64) -> Done {
    let time = written(now());
    accepted(&acp.ask(BACK, &acp.apply(number, &time, 1003)).await?)?;
    let will = json!({ "channel": "unionpay", "out_trade_no": number, "outcome": "paid" });
    demo.control("/control/pay", &will).await?;
    until(merchant, number, "paid").await?;
    if back > 0 {
        let asked = acp.ask(QUERY, &acp.query(number, &time)).await?;
        let query_id = asked.get("queryId").context("queryId")?;
        let refund = acp.refund(&format!("R{}", &number[1..]), &written(now()), query_id, back);
        accepted(&acp.ask(BACK, &refund).await?)?;
        until(merchant, number, "partly_refunded").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C61
async fn what_went_back_at_unionpay_agrees_and_what_it_corrected_is_found() -> Done {
    let dir = tempfile::tempdir()?;
    let (demo, merchant) = open(dir.path(), false).await?;
    let day = day_of("unionpay");
    let acp = Acp::of(&demo, 0)?;
    let path = |order: &Value, what: &str| format!("/v1/payments/{}/{what}", text(&order["id"]));
    let refunded = paid(&demo, &merchant, "unionpay", 1000).await?;
    let refund = json!({ "refund_no": "r1", "amount": 300 });
    merchant
        .ask("POST", &path(&refunded, "refunds"), Some(&refund))
        .await?;
    // Paid on another day than ours: a refund takes the cancel's place, and UnionPay's file calls it one.
    let reversed = paid(&demo, &merchant, "unionpay", 1001).await?;
    merchant
        .ask("POST", &path(&reversed, "reverse"), Some(&json!({})))
        .await?;
    cancelled(&demo, &merchant, &acp).await?;
    let stem = format!("L{:0>31}", demo.next_number());
    let [one, two] = ["AAAAAAAA", "BBBBBBBB"].map(|end| format!("{stem}{end}"));
    long(&demo, &merchant, &acp, &one, 0).await?;
    long(&demo, &merchant, &acp, &two, 100).await?;
    until(&merchant, &text(&refunded["order_no"]), "partly_refunded").await?;
    until(&merchant, &text(&reversed["order_no"]), "reversed").await?;
    let plant = json!([
        { "difference": "corrected", "out_trade_no": refunded["number"] },
        { "difference": "corrected", "out_trade_no": "NEVERunionpay" },
    ]);
    let account = account(&demo, "unionpay");
    let bills = json!({ "channel": "unionpay", "account": account, "day": day.to_string(), "plant": plant });
    demo.control("/control/bills", &bills).await?;
    demo.services.stop_proxy().await?;
    compare_from(&demo, day)?;
    demo.services.restart_proxy(&demo.place, &[]).await?;
    demo.ready().await?;
    agrees(&merchant, day, &text(&refunded["number"])).await?;
    demo.services.stop().await?;
    demo.prove_journal().map(drop)
}

async fn agrees(merchant: &Merchant, day: Day, corrected: &str) -> Done {
    until_compared(merchant, day).await?;
    let result = asked(merchant, day).await?;
    let seen = of_channel("unionpay", found(&result)?);
    let wanted: Found = [("state", corrected), ("only_at_channel", "")]
        .map(|(kind, number)| {
            (
                "trade".to_owned(),
                "unionpay".to_owned(),
                kind.to_owned(),
                number.to_owned(),
                String::new(),
            )
        })
        .into();
    ensure!(seen == wanted, "found {seen:?}, not {wanted:?}: {result}");
    let all = result["accounts"].as_array().context("accounts")?;
    let own = all
        .iter()
        .find(|a| a["channel"] == "unionpay")
        .context("an account")?;
    // Five payments, two refunds, a reverse that became one, a cancel.
    ensure!(
        own["lines"] == 9 && own["refunded"] == 300 + 1001 + 1002 + 100,
        "{own}"
    );
    Ok(())
}

/// "None" may have meant "not made yet" after all (respCode 98): what our record contradicts is asked for again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C61
async fn a_file_that_comes_after_its_day_was_said_to_have_none_is_compared() -> Done {
    let dir = tempfile::tempdir()?;
    let (demo, merchant) = open(dir.path(), false).await?;
    let day = day_of("unionpay");
    let number = text(&paid(&demo, &merchant, "unionpay", 1004).await?["number"]);
    let account = account(&demo, "unionpay");
    let ready = |ready: bool| json!({ "channel": "unionpay", "account": account, "day": day.to_string(), "ready": ready });
    demo.control("/control/bills", &ready(false)).await?;
    demo.services.stop_proxy().await?;
    compare(&demo, day, 0)?;
    demo.services.restart_proxy(&demo.place, &[]).await?;
    demo.ready().await?;
    let none = until_compared(&merchant, day).await?;
    let wanted = [("trade", "unionpay", "only_here", number.as_str(), "")]
        .map(|(a, b, c, d, e)| [a, b, c, d, e].map(str::to_owned))
        .map(|[a, b, c, d, e]| (a, b, c, d, e));
    ensure!(
        of_channel("unionpay", found(&none)?) == Found::from(wanted),
        "{none}"
    );
    demo.control("/control/bills", &ready(true)).await?;
    for _ in 0..300 {
        let now = asked(&merchant, day).await?;
        if now["state"] == "agreed" {
            demo.services.stop().await?;
            return demo.prove_journal().map(drop);
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    anyhow::bail!(
        "its file was not asked for again: {}",
        asked(&merchant, day).await?
    )
}
