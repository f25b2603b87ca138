//! What a merchant may take in a day is told to its own client, and to no payer's browser.

use super::{Done, at_unionpay, demo};
use anyhow::{bail, ensure};
use sandbox::demo::Demo;
use sandbox::demo::acp::{Acp, BACK, FRONT, now, written};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

const MOST: u64 = 123_456;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_for_a_payer_names_no_limit_of_the_merchants() {
    let (demo, _dir) = demo().await.expect("demo");
    above_the_day(&demo).await.unwrap_or_else(|e| panic!("{e:#}"));
    demo.services.stop().await.expect("stops");
}

async fn above_the_day(demo: &Demo) -> Done {
    let file = std::fs::read(demo.place.dir.join("registries/operator.json"))?;
    let mut operator: Value = serde_json::from_slice(&file)?;
    operator["version"] = json!(operator["version"].as_u64().unwrap_or(1) + 1);
    operator["merchants"][0]["day_max"] = json!(MOST);
    demo.place.sign_registry("operator", &operator)?;
    let acp = Acp::of(demo, 0)?;
    // The file takes effect a moment later; until then such an order goes on.
    for _ in 0..200 {
        let number = demo.next_number();
        let form = acp.signed(&acp.front(&number, &written(now()), MOST + 1))?;
        let answer = acp.send(FRONT, &form).await?;
        let page = String::from_utf8_lossy(&answer.body).into_owned();
        if answer.status == 307 {
            sleep(Duration::from_millis(100)).await;
            continue;
        }
        ensure!(
            answer.status == 403 && page.contains("无法前往银联") && page.contains("<small>30</small>"),
            "{} {page}",
            answer.status
        );
        ensure!(
            !page.contains(&MOST.to_string()) && !page.contains("fen") && !page.contains("limit"),
            "the payer reads {page}"
        );
        // The merchant's own client reads it.
        let own = acp.apply(&number, &written(now()), MOST + 1);
        let answer = acp.send(BACK, &acp.signed(&own)?).await?;
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        ensure!(
            answer.status == 403 && said.starts_with("respCode=30") && said.contains(&MOST.to_string()),
            "{} {said}",
            answer.status
        );
        ensure!(
            at_unionpay(demo, &number).await?.is_empty(),
            "UnionPay heard of it"
        );
        return Ok(());
    }
    bail!("the limit did not take effect within 20 s")
}
