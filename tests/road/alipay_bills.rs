//! Alipay's bills by pass-through, by the gateway and by OpenAPI v3: where a bill lies is asked for through us and answered octet
//! for octet; the file itself, which anybody may fetch who has the address, comes straight from the channel.

use crate::{
    alipay_codes::{MALFORMED, NOT_ALLOWED, Till, words},
    clock::{clear_of_day_ends, now},
    kills::Yard,
};
use anyhow::{Context, bail, ensure};
use channel::bill::{Bill, Layout};
use sandbox::demo::{
    Demo,
    http::{Answer, Client},
    place::Options,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

type Done = anyhow::Result<()>;

const GATEWAY: &str = "alipay.data.dataservice.bill.downloadurl.query";
const V3: &str = "/v3/alipay/data/dataservice/bill/downloadurl/query";

/// An order of a merchant's that was paid three days ago, with that day's bill: the day, and the order's number.
pub(crate) async fn a_day_ago_by(
    demo: &Demo,
    channel: &str,
    merchant: usize,
) -> anyhow::Result<(String, String)> {
    clear_of_day_ends(2).await;
    demo.control("/control/clock", &json!({ "days_ago": 3 })).await?;
    let number = demo.next_number();
    let accounts = &demo.place.merchants[merchant].accounts;
    let (pay_way, account) = match channel {
        "wechat" => ("native", &accounts.wechat.mchid),
        _ => ("qr", &accounts.alipay.app_id),
    };
    let merchant = demo.merchant(merchant)?;
    let order = json!({ "order_no": number, "channel": channel, "pay_way": pay_way, "amount": 650, "description": "tea" });
    let placed = merchant.ask("POST", "/v1/payments", Some(&order)).await?;
    ensure!(placed.status == 201, "{} {}", placed.status, placed.json());
    let wallet = json!({ "channel": channel, "out_trade_no": number, "outcome": "paid" });
    demo.control("/control/pay", &wallet).await?;
    let id = placed.json()["id"].as_str().unwrap_or_default().to_owned();
    merchant.until(&id, "payment", |o| o["state"] == "paid").await?;
    demo.control("/control/clock", &json!({ "days_ago": 0 })).await?;
    let day = days_ago(3);
    let ready = json!({ "channel": channel, "account": account, "day": day, "ready": true });
    demo.control("/control/bills", &ready).await?;
    Ok((day, number))
}

/// The day, in China.
fn days_ago(days: i64) -> String {
    now()
        .plus_millis(-days * 86_400_000)
        .to_string()
        .chars()
        .take(10)
        .collect()
}

/// What lies at an address of the channel's own: its SHA-256, and the orders in it.
pub(crate) async fn the_file(demo: &Demo, address: &str) -> anyhow::Result<(String, Vec<String>)> {
    let there = demo.channels.alipay_url();
    let port: u16 = there.rsplit(':').next().context("a port")?.parse()?;
    let uri: http::Uri = address.parse()?;
    ensure!(
        uri.host() == Some("openapi.alipay.com") && uri.port_u16() == Some(port),
        "{address} is not at the channel's {there}"
    );
    let target = uri.path_and_query().context("a path")?.as_str();
    let client = Client::tls(([127, 0, 0, 1], port).into(), demo.ca())?;
    let file = client.send("GET", target, &[], b"").await?;
    ensure!(file.status == 200, "{address}: {}", file.status);
    let mut bill = Bill::open(Layout::AlipayTrade, &file.body)?;
    let mut orders = Vec::new();
    while let Some(row) = bill.row()? {
        orders.push(row.get("商户订单号").to_owned());
    }
    Ok((hex::encode(Sha256::digest(&file.body)), orders))
}

impl Till<'_> {
    /// Asks where a bill lies; by OpenAPI v3 in the query or in the body.
    async fn bill(&self, content: &Value, in_query: bool) -> anyhow::Result<Answer> {
        match (self.v3, in_query) {
            (false, _) => self.sdk.alipay(GATEWAY, content, false, None).await,
            (true, false) => self.sdk.alipay_v3("POST", V3, Some(content)).await,
            (true, true) => {
                let pairs = content.as_object().into_iter().flatten();
                let query = form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(pairs.map(|(n, v)| (n, v.as_str().unwrap_or_default())))
                    .finish();
                self.sdk.alipay_v3("GET", &format!("{V3}?{query}"), None).await
            }
        }
    }

    /// The channel's own word on a day without a bill.
    pub(crate) async fn no_bill(&self, in_query: bool) -> Done {
        let asked = json!({ "bill_type": "trade", "bill_date": days_ago(9) });
        let said = self.said(&self.bill(&asked, in_query).await?)?;
        let wanted = if self.v3 {
            "bill_not_exist"
        } else {
            "isp.bill_not_exist"
        };
        ensure!(said.code == wanted, "{}", said.code);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C25
async fn where_a_bill_lies_is_answered_octet_for_octet_and_the_file_lies_at_the_channel() {
    let options = Options {
        answer_ms: 4000,
        ..Options::default()
    };
    let yard = Yard::with(options).await.expect("demo");
    bills(&yard).await.unwrap_or_else(|e| panic!("{e:#}"));
}

async fn bills(yard: &Yard) -> Done {
    let (day, number) = a_day_ago_by(&yard.demo, "alipay", 0).await?;
    for (v3, in_query) in [(false, false), (true, false), (true, true)] {
        let till = Till::of(yard, v3)?;
        let own = json!({ "bill_type": "trade", "bill_date": day });
        let content = placed(&till, &own, in_query).await?;
        let address = content["bill_download_url"].as_str().context("an address")?;
        let (_, lines) = the_file(&yard.demo, address).await?;
        ensure!(lines.contains(&number), "{number} is not in {lines:?}");
        till.no_bill(in_query).await?;
        for (content, why) in [
            (
                json!({ "bill_type": "trade", "bill_date": day, "smid": "2088000000000009" }),
                NOT_ALLOWED,
            ),
            (
                json!({ "bill_type": "trade_zft_merchant", "bill_date": day }),
                MALFORMED,
            ),
            (json!({ "bill_type": "trade" }), MALFORMED),
            (json!({ "bill_date": day }), MALFORMED),
        ] {
            let answer = till.bill(&content, in_query).await?;
            till.refused(&answer, why).with_context(|| words(&answer))?;
        }
        // For another merchant, under an authorisation that nobody registered.
        if !v3 {
            let answer = till
                .sdk
                .alipay(GATEWAY, &own, false, Some("202601BBforeign"))
                .await?;
            till.refused(&answer, NOT_ALLOWED)?;
        }
    }
    Ok(())
}

/// Until the bill is made.
async fn placed(till: &Till<'_>, asked: &Value, in_query: bool) -> anyhow::Result<Value> {
    let mut last = String::new();
    for _ in 0..160 {
        let said = till.said(&till.bill(asked, in_query).await?)?;
        if said.code == "10000" {
            return Ok(said.content);
        }
        last = said.code;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    bail!("no bill: {last}")
}
