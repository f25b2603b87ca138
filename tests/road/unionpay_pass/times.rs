//! A notice counts for the transaction of its number and its time, and for no other.

use super::{Done, demo, is, order, until};
use anyhow::{Context, ensure};
use sandbox::demo::{
    Demo,
    acp::{Acp, BACK, now, written},
    http::Client,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C75
async fn a_notice_of_another_time_is_nobodys() {
    let (demo, _dir) = demo().await.expect("demo");
    told(&demo).await.unwrap_or_else(|e| panic!("{e:#}"));
    demo.services.stop().await.expect("stops");
    demo.prove_journal().expect("the journal is whole");
}

async fn told(demo: &Demo) -> Done {
    // Under signMethod 11 both sides vouch with one secret, so a true notice can be made here.
    let all = &demo.place.merchants;
    let merchant = all
        .iter()
        .position(|m| m.sign_method() == "11")
        .context("a merchant of signMethod 11")?;
    let acp = Acp::of(demo, merchant)?;
    let (number, time) = (demo.next_number(), written(now()));
    is(
        &acp.ask(BACK, &acp.apply(&number, &time, 580)).await?,
        "respCode",
        "00",
    )?;
    let notify = Client::tls(([127, 0, 0, 1], demo.place.ports.notify).into(), demo.ca())?;
    let path = format!("/n/unionpay/{}", acp.mer_id);
    let headers = [("content-type", "application/x-www-form-urlencoded;charset=UTF-8")];
    let notice = async |at: &str| -> Done {
        let more = [
            ("respCode", "00"),
            ("respMsg", "ok"),
            ("queryId", "782601010800001234518"),
            ("txnAmt", "580"),
            ("currencyCode", "156"),
            ("traceTime", &time[4..]),
        ];
        let form = acp.signed(&acp.fields(["01", "07", "000000", "08"], &number, at, &more))?;
        let answer = notify.send("POST", &path, &headers, form.as_bytes()).await?;
        // Whoever it is about, it is UnionPay's and on record: it need not come again.
        ensure!(answer.status == 200, "{}", answer.status);
        Ok(())
    };
    notice(&written(now().plus_millis(-60_000))).await?;
    let still = order(demo, merchant, &number).await?;
    ensure!(still["state"] == "awaiting_payment", "{still}");
    notice(&time).await?;
    let paid = until(demo, merchant, &number, "payment", |o| o["state"] == "paid").await?;
    ensure!(paid["paid"]["proof"] == "notice", "{paid}");
    Ok(())
}
