//! What WeChat's published clients do beside one order's life, through the pass-through: orders that are paid together (合单) and
//! closed together, payment codes by APIv3 and their reverse, a refund that the payer's account cannot take, and a day's bills.

use super::{
    Done,
    client::{CLIENTS, Client},
    life::{known, scene},
};
use crate::alipay_bills::a_day_ago_by;
use anyhow::{Context, ensure};
use sandbox::demo::{Demo, place::Options};
use serde_json::Value;

const GROUPS: &[&str] = &[
    "combine_order",
    "combine_query",
    "combine_pay",
    "combine_query_paid",
    "combine_second",
    "combine_close",
];

/// Only one of the clients has calls of its own for these.
const CODES: &[&str] = &["code", "code_reverse", "query_reversed"];
const ABNORMAL: &[&str] = &[
    "abnormal_order",
    "abnormal_pay",
    "abnormal_refund",
    "abnormal",
    "redirected",
    "redirected_done",
];
const BILLS: &[&str] = &["bill_place", "bill", "funds_place", "funds"];

pub(super) async fn judged() -> Done {
    let dir = tempfile::tempdir()?;
    let options = Options {
        desk: false,
        merchants: 5,
        codepay: true,
        ..Options::default()
    };
    let demo = Demo::start(dir.path(), &options, false).await?;
    for client in CLIENTS.iter().filter(|client| client.channel == "wechat") {
        for (n, &mode) in client.modes.iter().enumerate() {
            one(&demo, client, mode, client.merchant + n).await?;
        }
    }
    demo.services.stop().await?;
    demo.prove_journal().map(drop)
}

async fn one(demo: &Demo, client: &Client, mode: &'static str, merchant: usize) -> Done {
    let (day, number) = a_day_ago_by(demo, "wechat", merchant).await?;
    let of = demo.place.merchants.get(merchant).context("merchant")?;
    let nobody = "http://127.0.0.1:9/nobody".to_owned();
    let scene = scene(demo, client, of, mode, nobody)?;
    let lines = client.beside(&scene, &day, &number).await?;
    let more: &[&[&str]] = match client.name {
        "wechatpayv3" => &[GROUPS, CODES, ABNORMAL, BILLS],
        _ => &[GROUPS, BILLS],
    };
    let steps: Vec<_> = lines.iter().filter_map(|line| line["step"].as_str()).collect();
    ensure!(
        steps == more.concat(),
        "{} went other steps: {steps:?}",
        client.name
    );
    for (step, state) in [("combine_order", "paid"), ("combine_second", "closed")] {
        for number in numbers(&lines, step) {
            let order = known(demo, merchant, &number, state).await?;
            ensure!(order["amount"] == 300, "{number}: {order}");
        }
    }
    for (step, state) in [("code", "reversed"), ("abnormal_order", "partly_refunded")] {
        for number in numbers(&lines, step) {
            let order = known(demo, merchant, &number, state).await?;
            ensure!(
                state == "reversed" || order["refunds"][0]["state"] == "succeeded",
                "{number}: {order}"
            );
        }
    }
    println!("{} ({mode}) beside one order: {} steps", client.name, steps.len());
    Ok(())
}

/// The orders of a step.
fn numbers(lines: &[Value], step: &str) -> Vec<String> {
    let line = lines.iter().find(|line| line["step"] == step);
    let named = line.into_iter().flat_map(|line| {
        let several = line["numbers"].as_array().into_iter().flatten();
        several.chain([&line["number"]])
    });
    named
        .filter_map(|number| Some(number.as_str()?.to_owned()))
        .collect()
}
