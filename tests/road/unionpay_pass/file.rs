//! The settlement file of a day (txnType 76) by the merchant's own client, with only the host of files changed: asked for at its own
//! place, answered octet for octet.

use super::{Done, demo, is};
use anyhow::ensure;
use channel::bill::{Bill, Layout};
use sandbox::demo::{
    Demo,
    acp::{Acp, BACK, FILES, Fields, now, written},
};
use serde_json::json;

fn day(ago: i64) -> String {
    let at = now().plus_millis(-ago * 86_400_000);
    at.to_string().chars().take(10).collect()
}

/// A day as UnionPay's file names it.
fn named(day: &str) -> String {
    day[5..].replace('-', "")
}

/// The day as UnionPay's file names it.
pub(crate) fn days_ago(ago: i64) -> String {
    named(&day(ago))
}

/// A payment of three days ago: its day as the file names it, and its number.
pub(crate) async fn settled(demo: &Demo, merchant: usize) -> anyhow::Result<(String, String)> {
    let acp = Acp::of(demo, merchant)?;
    let number = demo.next_number();
    is(
        &acp.ask(BACK, &acp.apply(&number, &written(now()), 900)).await?,
        "respCode",
        "00",
    )?;
    let day = day(3);
    let pay = json!({ "channel": "unionpay", "out_trade_no": number, "outcome": "paid", "day": day });
    demo.control("/control/pay", &pay).await?;
    super::until(demo, merchant, &number, "payment", |o| o["state"] == "paid").await?;
    let ready = json!({ "channel": "unionpay", "account": acp.mer_id, "day": day, "ready": true });
    demo.control("/control/bills", &ready).await?;
    Ok((named(&day), number))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_days_file_comes_as_unionpay_wrote_it() {
    let (demo, _dir) = demo().await.expect("demo");
    for merchant in 0..3 {
        fetched(&demo, merchant)
            .await
            .unwrap_or_else(|e| panic!("merchant {merchant}: {e:#}"));
    }
    refused(&demo).await.unwrap_or_else(|e| panic!("{e:#}"));
    demo.services.stop().await.expect("stops");
}

async fn fetched(demo: &Demo, merchant: usize) -> Done {
    let acp = Acp::of(demo, merchant)?;
    let (day, number) = settled(demo, merchant).await?;
    let form = acp.signed(&acp.file(&day, &written(now())))?;
    let (through, straight) = (
        acp.send(FILES, &form).await?,
        acp.send_straight(FILES, &form).await?,
    );
    ensure!(
        through.status == 200,
        "{} {}",
        through.status,
        String::from_utf8_lossy(&through.body)
    );
    let (ours, theirs) = (acp.read(&through.body)?, acp.read(&straight.body)?);
    is(&ours, "respCode", "00")?;
    ensure!(
        ours["fileName"] == theirs["fileName"],
        "another file: {}",
        ours["fileName"]
    );
    let mut file = Bill::open(Layout::UnionpayAll, ours["fileContent"].as_bytes())?;
    let mut found = false;
    while let Some(row) = file.row()? {
        found |= row.get("商户订单号").trim() == number;
    }
    ensure!(found, "{number} is not in the file of {day}");
    // Nothing there, in UnionPay's own word.
    let none = acp.ask(FILES, &acp.file(&days_ago(2), &written(now()))).await?;
    is(&none, "respCode", "98")?;
    // Clients of the documents' own samples name no device; whether that is missed is UnionPay's to say.
    let mut bare = acp.file(&day, &written(now()));
    bare.remove("channelType");
    let said = acp.send(FILES, &acp.signed(&bare)?).await?;
    acp.read(&said.body).map(drop)
}

/// Other files, another place, an order's number beside the day: never heard of at UnionPay.
//= C21
async fn refused(demo: &Demo) -> Done {
    let acp = Acp::of(demo, 0)?;
    demo.control("/control/reset", &json!({})).await?;
    type Change = fn(&mut Fields);
    let changes: [(&str, Change, &str, u16); 7] = [
        (
            "another kind of file",
            |f| drop(f.insert("fileType".into(), "01".into())),
            FILES,
            400,
        ),
        (
            "no day",
            |f| drop(f.insert("settleDate".into(), "0230".into())),
            FILES,
            400,
        ),
        ("no date", |f| drop(f.remove("settleDate")), FILES, 400),
        (
            "an order",
            |f| drop(f.insert("orderId".into(), "20260101000010".into())),
            FILES,
            403,
        ),
        (
            "another's",
            |f| drop(f.insert("subMerId".into(), "1".into())),
            FILES,
            403,
        ),
        (
            "a platform",
            |f| drop(f.insert("accessType".into(), "2".into())),
            FILES,
            400,
        ),
        ("another place", |_| (), BACK, 403),
    ];
    for (what, change, path, status) in changes {
        let mut fields = acp.file("0101", &written(now()));
        change(&mut fields);
        let answer = acp.send(path, &acp.signed(&fields)?).await?;
        ensure!(
            answer.status == status,
            "{what}: {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
    }
    let order = acp
        .send(
            FILES,
            &acp.signed(&acp.apply(&demo.next_number(), &written(now()), 1))?,
        )
        .await?;
    ensure!(
        order.status == 403,
        "an order at the place of files: {}",
        order.status
    );
    let heard = demo.channel_requests().await?;
    let heard = heard["requests"].as_array().map_or(0, |all| {
        all.iter()
            .filter(|r| r["channel"] == "unionpay" && r["operation"] != "query")
            .count()
    });
    ensure!(heard == 0, "UnionPay heard {heard}");
    Ok(())
}
