//! Who a payer is: the code that Alipay's page of authorisation gave a shop, exchanged by the merchant's own client with only the
//! host changed (`alipay.system.oauth.token`), by the gateway and by OpenAPI v3. The answer is the channel's own, octet for octet.

use crate::{kills::Yard, native::Sdk};
use anyhow::{Context, ensure};
use domain::{Breach, TradeEntry, TradeEvent};
use journal::{Reader, disk::RealDisk};
use sandbox::demo::{
    Demo,
    alipay_door::AlipayDoor,
    browser::{ALIPAY, Browser},
};
use serde_json::{Value, json};
use std::sync::Arc;

type Done = anyhow::Result<()>;
type Parameters = &'static [(&'static str, &'static str)];

pub(crate) const TOKEN: &str = "alipay.system.oauth.token";

/// The code that Alipay's page gives the shop of this app for this payer.
pub(crate) async fn code(demo: &Demo, app_id: &str, payer: &str) -> anyhow::Result<String> {
    let sandbox = demo.channels.alipay;
    let mut browser = Browser::new(demo.ca(), ALIPAY).signed_in(sandbox, "alipay", payer);
    let address = format!(
        "https://{sandbox}/oauth2/publicAppAuthorize.htm?app_id={app_id}&scope=auth_base&redirect_uri=https%3A%2F%2Fshop.example%2Fback&state=s1"
    );
    let answer = browser.once("GET", &address, "").await?;
    let place = answer
        .headers
        .get("location")
        .and_then(|place| place.to_str().ok());
    let (_, query) = place
        .and_then(|place| place.split_once('?'))
        .context("no way back to the shop")?;
    let code = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "auth_code");
    Ok(code.context("no code")?.1.into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C21
async fn a_payers_code_is_exchanged_by_the_merchants_own_client() {
    let yard = Yard::open().await.expect("demo");
    exchanged(&yard).await.unwrap_or_else(|e| panic!("{e:#}"));
    yard.demo.services.stop_proxy().await.expect("stops");
    yard.demo.prove_journal().expect("the journal is whole");
    on_record(&yard).unwrap_or_else(|e| panic!("{e:#}"));
}

async fn exchanged(yard: &Yard) -> Done {
    let demo = &yard.demo;
    let door = AlipayDoor::open(&demo.place, demo.ca(), &demo.place.merchants[0])?;
    let app = door.account.app_id.clone();
    // Older apps hear a number of the wallet's, newer ones a name that only they have.
    for (payer, field) in [
        ("2088102146225135", "user_id"),
        ("074a1CcTG1LelxKe4xQC0zgNdId0nxi", "open_id"),
    ] {
        let by_gateway = code(demo, &app, payer).await?;
        let more = [
            ("grant_type", "authorization_code"),
            ("code", by_gateway.as_str()),
        ];
        let said = door.gateway_with(TOKEN, &json!({}), &more).await?;
        ensure!(said[field] == payer && said["access_token"].is_string(), "{said}");
        // It counts once, and Alipay says so itself.
        let again = door.gateway_with(TOKEN, &json!({}), &more).await;
        let said = format!("{again:?}");
        ensure!(said.contains("isv.code-is-used"), "{said}");
        let by_v3 = json!({ "grant_type": "authorization_code", "code": code(demo, &app, payer).await? });
        let said = door.v3_at("/v3/alipay/system/oauth/token", &by_v3).await?;
        ensure!(said[field] == payer, "{said}");
    }
    // A code of another app's is nobody's.
    let other = code(demo, "2021999999999999", "2088102146225135").await;
    ensure!(other.is_err(), "an app that is none was given a code");
    refused(yard, &door).await
}

/// What would be more than one payment's, is no code, or stands where it means nothing: never heard of at Alipay.
async fn refused(yard: &Yard, door: &AlipayDoor) -> Done {
    yard.demo.control("/control/reset", &json!({})).await?;
    let odd: [(&str, Parameters, &str); 6] = [
        (
            TOKEN,
            &[("grant_type", "refresh_token"), ("code", "a1")],
            "grant_type must be",
        ),
        (
            TOKEN,
            &[("grant_type", "authorization_code"), ("refresh_token", "a1")],
            "refresh_token is not carried",
        ),
        (TOKEN, &[("grant_type", "authorization_code")], "code must be"),
        (
            TOKEN,
            &[("grant_type", "authorization_code"), ("code", "a 1")],
            "code must be",
        ),
        (
            TOKEN,
            &[
                ("grant_type", "authorization_code"),
                ("code", "a1"),
                ("return_url", "https://elsewhere.example/"),
            ],
            "return_url must be",
        ),
        (
            "alipay.trade.query",
            &[("grant_type", "authorization_code")],
            "grant_type is not carried",
        ),
    ];
    for (method, more, word) in odd {
        let said = door.gateway_with(method, &json!({}), more).await;
        let said = format!("{:?}", said.map(|said| said.to_string()));
        ensure!(
            said.contains(word) && said.contains("error_response"),
            "{more:?}: {said}"
        );
    }
    let sdk = Sdk::of(yard, "alipay")?;
    for content in [
        json!({ "grant_type": "refresh_token", "refresh_token": "a1" }),
        json!({ "grant_type": "authorization_code", "code": "" }),
        json!({ "grant_type": "authorization_code", "code": "a1", "scope": "auth_user" }),
    ] {
        let answer = sdk
            .alipay_v3("POST", "/v3/alipay/system/oauth/token", Some(&content))
            .await?;
        ensure!(
            (400..404).contains(&answer.status),
            "{} {}",
            answer.status,
            answer.json()
        );
    }
    let heard = yard.demo.channel_requests().await?;
    let heard: Vec<&Value> = heard["requests"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|request| request["operation"] == "authorize")
        .collect();
    ensure!(heard.is_empty(), "Alipay heard {heard:?}");
    Ok(())
}

/// Each refusal, and nothing of the exchanges.
fn on_record(yard: &Yard) -> Done {
    let reader = Reader::open(Arc::new(RealDisk), &yard.demo.place.dir.join("data/trades"))?;
    let (mut refused, mut orders) = (0, 0);
    for item in reader.scan(0) {
        match TradeEntry::from_canonical(&item?.1)?.event {
            TradeEvent::GuardRefused {
                breach: Breach::Field | Breach::Value,
                ..
            } => refused += 1,
            TradeEvent::AttemptIntended { .. } => orders += 1,
            _ => {}
        }
    }
    ensure!(
        refused == 9 && orders == 0,
        "{refused} refusals and {orders} orders on record"
    );
    Ok(())
}
