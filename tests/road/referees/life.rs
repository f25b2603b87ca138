//! Published clients with only the host changed to the proxy's pass-through listener: each drives two orders through
//! their lives, verifies every answer and every relayed notice, and our ledger knows afterwards what happened.

use super::{
    Done,
    client::{CLIENTS, Client, Scene, Turns},
};
use anyhow::{Context, ensure};
use sandbox::demo::{
    Demo,
    http::Client as Http,
    place::{DemoMerchant, Options},
    shop::Came,
};
use serde_json::Value;
use std::{net::SocketAddr, sync::Arc, time::Duration};

pub(super) async fn through() -> Done {
    let dir = tempfile::tempdir()?;
    let demo = Arc::new(
        Demo::start(
            dir.path(),
            &Options {
                desk: false,
                merchants: 5,
                ..Options::default()
            },
            false,
        )
        .await?,
    );
    let mut turns = Turns::default();
    for client in &CLIENTS {
        // Each run of a channel's clients has a merchant of its own, so that what comes to its address is known.
        for (n, &mode) in client.modes.iter().enumerate() {
            let demo = demo.clone();
            turns.add(async move { relayed(&demo, client, mode, client.merchant + n).await });
        }
        let demo = demo.clone();
        turns.add(async move { told_directly(&demo, client, client.merchant).await });
    }
    turns.all().await?;
    octets_of_a_relayed_notice_are_kept(&demo).await?;
    demo.services.stop().await?;
    demo.prove_journal()?;
    Ok(())
}

/// Notices go to the proxy, which relays them.
pub(super) async fn relayed(
    demo: &Demo,
    client: &'static Client,
    mode: &'static str,
    merchant: usize,
) -> Done {
    let of = demo.place.merchants.get(merchant).context("merchant")?;
    let account = if client.channel == "wechat" {
        &of.accounts.wechat.mchid
    } else {
        &of.accounts.alipay.app_id
    };
    let notify_url = format!(
        "https://127.0.0.1:{}/n/{}/{account}",
        demo.place.ports.notify, client.channel
    );
    let scene = scene(demo, client, of, mode, notify_url)?;
    let numbers = life(demo, client, &scene, merchant).await?;
    let path = format!("/relay/{}/{}", client.channel, of.id);
    let read = notices(demo, client, &scene, &numbers.first, &path).await?;
    println!(
        "{} ({mode}) through the pass-through: {} steps, relayed notices verified: {read}",
        client.name,
        client.steps.len()
    );
    Ok(())
}

/// Notices go to an address of the merchant's own and never come near the proxy; it learns from the merchant's queries.
pub(super) async fn told_directly(demo: &Demo, client: &'static Client, merchant: usize) -> Done {
    let of = demo.place.merchants.get(merchant).context("merchant")?;
    // The beginning of the path makes the shop answer in the channel's language.
    let path = format!("/relay/{}/foreign/{}", client.channel, of.id);
    let notify_url = format!("https://127.0.0.1:{}{path}", demo.place.ports.shop);
    let scene = scene(demo, client, of, client.modes[0], notify_url)?;
    let numbers = life(demo, client, &scene, merchant).await?;
    let read = notices(demo, client, &scene, &numbers.first, &path).await?;
    println!(
        "{} through the pass-through with a notify_url of its own, notices verified: {read}",
        client.name
    );
    Ok(())
}

pub(super) fn scene(
    demo: &Demo,
    client: &Client,
    of: &DemoMerchant,
    mode: &'static str,
    notify_url: String,
) -> anyhow::Result<Scene> {
    let ports = demo.place.ports;
    Ok(Scene {
        base_url: client.of(
            format!("https://127.0.0.1:{}", ports.wechat),
            format!("https://127.0.0.1:{}", ports.alipay),
        ),
        control: demo.channels.control_url(),
        notify_url,
        material: demo.place.material.dir.clone(),
        ca: demo.place.material.ca_path(),
        account: client.account(&of.accounts)?,
        mode,
        zone: client.zone(mode),
    })
}

struct Numbers {
    first: String,
}

/// The client's steps, then what our ledger knows of them.
async fn life(demo: &Demo, client: &Client, scene: &Scene, merchant: usize) -> anyhow::Result<Numbers> {
    let lines = client.life(scene).await?;
    let number = |step: &str| {
        let line = lines.iter().find(|l| l["step"] == step);
        line.and_then(|l| l["number"].as_str())
            .map(str::to_owned)
            .with_context(|| format!("no number in step {step}"))
    };
    let (first, second, refund) = (number("order")?, number("second_order")?, number("refund")?);
    let order = known(demo, merchant, &first, "partly_refunded").await?;
    ensure!(
        order["channel"] == client.channel && order["number"] == *first,
        "another order: {order}"
    );
    ensure!(
        order["amount"] == 888 && order["paid"]["amount"] == 888 && order["refunded"] == 300,
        "other amounts: {order}"
    );
    let refunds = order["refunds"].as_array().map_or(&[][..], Vec::as_slice);
    ensure!(
        refunds.len() == 1 && refunds[0]["number"] == *refund && refunds[0]["amount"] == 300,
        "other refunds: {order}"
    );
    ensure!(
        refunds[0]["state"] == "succeeded",
        "the refund is not known as done: {order}"
    );
    known(demo, merchant, &second, "closed").await?;
    if client.channel == "alipay" {
        for step in ["pay_code", "wait_code"] {
            let order = known(demo, merchant, &number(step)?, "reversed").await?;
            ensure!(
                order["pay_way"] == "micropay" && order["refunds"].is_null(),
                "no payment code that was taken back: {order}"
            );
        }
    }
    Ok(Numbers { first })
}

/// What the unified API says of an order that came by the pass-through.
pub(super) async fn known(demo: &Demo, merchant: usize, number: &str, state: &str) -> anyhow::Result<Value> {
    let merchant = demo.merchant(merchant)?;
    let mut last = Value::Null;
    for _ in 0..300 {
        let answer = merchant
            .ask("GET", &format!("/v1/payments?order_no={number}"), None)
            .await?;
        last = answer.json();
        if answer.status == 200 && last["state"] == state {
            return Ok(last);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("{number} is not known as {state} after 30 s: {last}")
}

/// Waits until the channel counts every notice of the order as acknowledged; each that came is then verified by the
/// client's own helper. Returns their names.
async fn notices(
    demo: &Demo,
    client: &Client,
    scene: &Scene,
    number: &str,
    path: &str,
) -> anyhow::Result<String> {
    let sent = acknowledged(demo, number).await?;
    let mut read = Vec::new();
    let came: Vec<Came> = demo
        .shop()
        .came(path)
        .into_iter()
        .filter(|c| c.path == path)
        .collect();
    for came in &came {
        let line = client.verify_notice(scene, &came.headers, &came.body).await?;
        let (what, event) = match client.channel {
            "wechat" => (&line["resource"], &line["event"]),
            _ => (&line["fields"], &line["fields"]["trade_status"]),
        };
        if what["out_trade_no"] == *number {
            read.push(event.as_str().unwrap_or_default().to_owned());
        }
    }
    refused_if_spoilt(client, scene, came.first().context("no notice came")?).await?;
    ensure!(
        read.len() == sent && sent >= 2,
        "the channel counts {sent} notices of {number}, the shop {read:?}"
    );
    Ok(read.join(", "))
}

/// A helper that says yes to everything would prove nothing.
async fn refused_if_spoilt(client: &Client, scene: &Scene, came: &Came) -> Done {
    let body = std::str::from_utf8(&came.body)?;
    let spoilt = if body.starts_with('<') {
        body.replacen("<total_fee><![CDATA[888]]>", "<total_fee><![CDATA[889]]>", 1)
    } else if client.channel == "wechat" {
        body.replacen("\"id\":\"EV-", "\"id\":\"EW-", 1)
    } else {
        body.replacen("total_amount=8.88", "total_amount=8.89", 1)
    };
    ensure!(spoilt != body, "nothing was spoilt in {body}");
    ensure!(
        client
            .verify_notice(scene, &came.headers, spoilt.as_bytes())
            .await
            .is_err(),
        "{} takes a spoilt notice",
        client.name
    );
    Ok(())
}

async fn acknowledged(demo: &Demo, number: &str) -> anyhow::Result<usize> {
    let mut last = Value::Null;
    for _ in 0..400 {
        let all = demo.channel_orders().await?;
        let order = all["orders"]
            .as_array()
            .and_then(|l| l.iter().find(|o| o["out_trade_no"] == *number))
            .cloned();
        last = order.with_context(|| format!("the channel has no {number}"))?["notices"].take();
        let notices = last.as_array().map_or(&[][..], Vec::as_slice);
        if notices.len() >= 2 && notices.iter().all(|n| n["status"] == "acknowledged") {
            return Ok(notices.len());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the notices of {number} were not acknowledged: {last}")
}

/// Alipay signs what a notice says and not how it is written: the same notice in another order of its fields is as
/// true, so whoever reads and writes it again would be seen.
async fn octets_of_a_relayed_notice_are_kept(demo: &Demo) -> Done {
    let of = demo.place.merchants.first().context("merchant")?;
    let path = format!("/relay/alipay/{}", of.id);
    let came = demo
        .shop()
        .came(&path)
        .into_iter()
        .find(|c| c.path == path)
        .context("a relayed notice")?;
    let mut fields: Vec<_> = std::str::from_utf8(&came.body)?.split('&').collect();
    fields.reverse();
    let body = fields.join("&").replace("%3A", "%3a");
    ensure!(
        body.as_bytes() != &came.body[..],
        "the notice was not written anew"
    );
    let proxy = Http::tls(
        SocketAddr::from(([127, 0, 0, 1], demo.place.ports.notify)),
        demo.ca(),
    )?;
    let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let answer = proxy
        .send(
            "POST",
            &format!("/n/alipay/{}", of.accounts.alipay.app_id),
            &headers,
            body.as_bytes(),
        )
        .await?;
    ensure!(
        answer.status == 200 && &answer.body[..] == b"success",
        "the merchant's answer did not go back: {} {:?}",
        answer.status,
        answer.body
    );
    let last = demo.shop().came(&path).pop().context("a relayed notice")?;
    ensure!(
        &last.body[..] == body.as_bytes(),
        "relayed as other octets:\n{body}\n{}",
        String::from_utf8_lossy(&last.body)
    );
    Ok(())
}
