//! Alipay's pages by each published client: it signs an address or a form that leads to our gateway, a payer's browser carries that
//! there and is sent on, and the client verifies the notice and what it asks for afterwards.

use super::{
    Done,
    client::{CLIENTS, Client, Turns},
    life,
    v3::V3,
};
use crate::alipay_payer;
use anyhow::{Context, bail, ensure};
use sandbox::demo::{
    Demo,
    browser::{Browser, COMPUTER, Page},
    place::{Options, RETURN_HOST},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

pub(super) async fn judged() -> Done {
    let dir = tempfile::tempdir()?;
    let options = Options {
        desk: false,
        merchants: 5,
        ..Options::default()
    };
    let demo = Arc::new(Demo::start(dir.path(), &options, false).await?);
    let mut turns = Turns::default();
    for client in CLIENTS.iter().filter(|client| client.channel == "alipay") {
        for (n, &mode) in client.modes.iter().enumerate() {
            let demo = demo.clone();
            turns.add(async move {
                for (way, form) in [("page", false), ("wap", true)] {
                    // One of them writes no forms: its text stands behind the gateway's address.
                    let form = form && client.name != "python-alipay-sdk";
                    one(&demo, client, mode, client.merchant + n, way, form)
                        .await
                        .with_context(|| format!("{} ({mode}) {way}", client.name))?;
                }
                payer(&demo, client, mode, client.merchant + n).await
            });
        }
    }
    for (n, &mode) in V3.modes.iter().enumerate() {
        let demo = demo.clone();
        turns.add(async move { payer(&demo, &V3, mode, n).await });
    }
    turns.all().await?;
    demo.services.stop().await?;
    demo.prove_journal().map(drop)
}

/// The client exchanges a payer's code, and verifies who that is.
async fn payer(demo: &Demo, client: &'static Client, mode: &'static str, merchant: usize) -> Done {
    let of = demo.place.merchants.get(merchant).context("merchant")?;
    let scene = life::scene(demo, client, of, mode, "http://127.0.0.1:9/nobody".into())?;
    let who = format!(
        "20881021462{:05}",
        merchant + 11 * usize::from(mode == "certificate")
    );
    let code = alipay_payer::code(demo, &of.accounts.alipay.app_id, &who).await?;
    let said = client.payer(&scene, &code).await?;
    ensure!(said["id"] == who, "{} ({mode}): {said}", client.name);
    println!("{} ({mode}): a payer's code exchanged", client.name);
    Ok(())
}

pub(super) async fn one(
    demo: &Demo,
    client: &'static Client,
    mode: &'static str,
    merchant: usize,
    way: &str,
    form: bool,
) -> Done {
    let of = demo.place.merchants.get(merchant).context("merchant")?;
    let notify_url = format!(
        "https://127.0.0.1:{}/n/alipay/{}",
        demo.place.ports.notify, of.accounts.alipay.app_id
    );
    let scene = life::scene(demo, client, of, mode, notify_url)?;
    let number = demo.next_number();
    let mut content =
        json!({ "out_trade_no": number, "total_amount": "8.88", "subject": "官道 referee \"订单\"" });
    // This one names a product by itself, for wap another one than the documents have today.
    if client.name != "python-alipay-sdk" {
        content["product_code"] = match way {
            "page" => "FAST_INSTANT_TRADE_PAY",
            _ => "QUICK_WAP_WAY",
        }
        .into();
    }
    let asked = json!({
        "way": way, "form": form, "method": format!("alipay.trade.{way}.pay"), "biz_content": content,
        "return_url": format!("https://{RETURN_HOST}/back?o=1"),
    });
    let lines = client.place(&scene, &asked).await?;
    let text = lines
        .first()
        .and_then(|line| line["text"].as_str())
        .context("no text")?;
    let mut browser = Browser::new(demo.ca(), COMPUTER);
    let page = carried(&mut browser, text).await?;
    ensure!(
        page.answer.status == 200 && page.way.len() == 2 && page.text().contains(&number),
        "{:?} {}",
        page.way,
        page.text()
    );
    // The payer loads the page again.
    carried(&mut browser, text).await?;
    let pay = json!({ "channel": "alipay", "out_trade_no": number, "outcome": "paid" });
    demo.control("/control/pay", &pay).await?;
    told(demo, client, &scene, &format!("/relay/alipay/{}", of.id), &number).await?;
    life::known(demo, merchant, &number, "paid").await?;
    let lines = client.after(&scene, &number).await?;
    let steps: Vec<_> = lines.iter().filter_map(|line| line["step"].as_str()).collect();
    ensure!(steps == ["query_paid", "refund", "refund_query"], "{steps:?}");
    let order = life::known(demo, merchant, &number, "refunded").await?;
    ensure!(order["pay_way"] == way && order["amount"] == 888, "{order}");
    println!(
        "{} ({mode}): {way} by {}, paid, told, paid back",
        client.name,
        if form { "form" } else { "address" }
    );
    Ok(())
}

/// An address, or a form that sends itself.
async fn carried(browser: &mut Browser, text: &str) -> anyhow::Result<Page> {
    if text.starts_with("https://") {
        return browser.open(text).await;
    }
    let value = |part: &str, name: &str| {
        let from = part.find(&format!("{name}=\""))? + name.len() + 2;
        Some(part[from..].split('"').next()?.replace("&quot;", "\""))
    };
    let action = value(text, "action").context("an action")?;
    let inputs = text
        .split("<input ")
        .skip(1)
        .filter(|part| part.contains("\"hidden\""));
    let fields: Vec<(String, String)> = inputs
        .filter_map(|part| Some((value(part, " name")?, value(part, " value")?)))
        .collect();
    ensure!(!fields.is_empty(), "nothing to send in {text}");
    let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    browser.send(&action, &fields).await
}

/// The relayed notice of its payment, which the client's own helper verifies.
async fn told(demo: &Demo, client: &Client, scene: &super::client::Scene, path: &str, number: &str) -> Done {
    for _ in 0..200 {
        for came in demo
            .shop()
            .came(path)
            .into_iter()
            .filter(|came| came.path == path)
        {
            let fields: BTreeMap<String, String> = form_urlencoded::parse(&came.body).into_owned().collect();
            if fields.get("out_trade_no").is_some_and(|no| no == number) {
                let line: Value = client.verify_notice(scene, &came.headers, &came.body).await?;
                ensure!(line["fields"]["trade_status"] == "TRADE_SUCCESS", "{line}");
                return Ok(());
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("no notice of {number} was relayed within 20 s")
}
