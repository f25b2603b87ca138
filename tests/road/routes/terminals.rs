//! Terminals with keys of their own, the five elements beside their orders, and what agents have earned.

use super::{Done, Road, signed};
use crate::clock::{clear_of_day_ends, now};
use anyhow::{Context, ensure};
use domain::TradeEvent;
use sandbox::demo::place::{AGENT, OTHER_TERMINAL, SHOP, TERM_ID, TERMINAL};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminals_and_rates() {
    clear_of_day_ends(4).await; // commissions are a day's
    let road = Road::open().await.expect("demo");
    bounded(&road).await.unwrap_or_else(|e| panic!("{e:#}"));
    matched(&road).await.unwrap_or_else(|e| panic!("{e:#}"));
    commissions(&road).await.unwrap_or_else(|e| panic!("{e:#}"));
    told(&road).await.unwrap_or_else(|e| panic!("{e:#}"));
    road.demo.services.stop().await.expect("stops");
    road.demo.prove_journal().expect("the journal verifies");
}

fn id(order: &Value) -> &str {
    order["id"].as_str().unwrap_or_default()
}

//= C71
async fn bounded(road: &Road) -> Done {
    let terminal = road.demo.terminal()?;
    let placed = terminal
        .ask("POST", "/v1/payments", Some(&road.body(0, 100)))
        .await?;
    let own = placed.json();
    ensure!(placed.status == 201, "{} {own}", placed.status);
    ensure!(
        road.demo
            .last_request("wechat", "create")
            .await?
            .contains(TERMINAL),
        "the terminal does not travel to the channel"
    );
    let seen = terminal
        .ask("GET", &format!("/v1/payments/{}", id(&own)), None)
        .await?;
    let found = terminal
        .ask(
            "GET",
            &format!(
                "/v1/payments?order_no={}",
                own["order_no"].as_str().unwrap_or_default()
            ),
            None,
        )
        .await?;
    ensure!(
        seen.status == 200 && found.status == 200,
        "{} {}",
        seen.status,
        found.status
    );
    // Another terminal's name, another's orders, and what is the merchant's alone.
    let mut body = road.body(0, 100);
    body["terminal"] = OTHER_TERMINAL.into();
    let other = terminal.ask("POST", "/v1/payments", Some(&body)).await?;
    ensure!(
        other.status == 403 && other.json()["code"] == "operation_not_allowed",
        "{}",
        other.json()
    );
    let others = road.place(&body).await?.json();
    let nobodys = road.place(&road.body(0, 100)).await?.json();
    for order in [&others, &nobodys] {
        let seen = terminal
            .ask("GET", &format!("/v1/payments/{}", id(order)), None)
            .await?;
        let reversed = terminal
            .ask(
                "POST",
                &format!("/v1/payments/{}/reverse", id(order)),
                Some(&json!({})),
            )
            .await?;
        ensure!(
            seen.status == 404 && reversed.status == 404,
            "{} {}",
            seen.status,
            reversed.status
        );
    }
    for (method, path, body) in [
        ("POST", "close", Some(json!({}))),
        ("POST", "refunds", Some(json!({ "refund_no": "r1", "amount": 1 }))),
        ("GET", "receipt", None),
        ("GET", "notifications", None),
        ("GET", "purge", None),
    ] {
        let refused = terminal
            .ask(
                method,
                &format!("/v1/payments/{}/{path}", id(&own)),
                body.as_ref(),
            )
            .await?;
        ensure!(
            refused.status == 403,
            "{path}: {} {}",
            refused.status,
            refused.json()
        );
    }
    let payer = terminal
        .ask("GET", &format!("/v1/payments/{}?expand=payer", id(&own)), None)
        .await?;
    ensure!(payer.status == 403, "{}", payer.json());
    // A payment code, scanned and taken back at the counter.
    let code = road.demo.next_code("alipay");
    let scanned = terminal.ask("POST", "/v1/payments", Some(&json!({ "order_no": road.demo.next_number(), "pay_way": "micropay", "amount": 30, "description": "茶", "auth_code": code }))).await?;
    ensure!(
        scanned.status == 201 && scanned.json()["state"] == "paid",
        "{}",
        scanned.json()
    );
    tokio::time::sleep(std::time::Duration::from_millis(250)).await; // the setting `reverse_after_ms`
    let reversed = terminal
        .ask(
            "POST",
            &format!("/v1/payments/{}/reverse", id(&scanned.json())),
            Some(&json!({})),
        )
        .await?;
    ensure!(
        reversed.status == 200 && reversed.json()["state"] == "reversed",
        "{}",
        reversed.json()
    );
    // The merchant itself sees all of them.
    let seen = road
        .shop
        .ask("GET", &format!("/v1/payments/{}", id(&own)), None)
        .await?;
    ensure!(seen.status == 200, "{}", seen.json());
    Ok(())
}

/// The registered serial, shop and area travel to each channel in its own fields, and come back where the channel shows them.
//= C86
async fn told(road: &Road) -> Done {
    let decoded = |text: &str| {
        let pairs = form_urlencoded::parse(text.as_bytes());
        pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let shop = format!(
        r#""store_info":{{"address":"南京东路 1 号","area_code":"310101","id":"{SHOP}","name":"南京路店"}}"#
    );
    let numbers = [
        format!(r#""store_id":"{SHOP}""#),
        format!(r#""terminal_id":"{TERMINAL}""#),
    ];
    let term_id = format!("termId={TERM_ID}");
    let device = format!(r#""device_id":"{TERMINAL}""#);
    let told: [(&str, &str, Vec<&str>); 6] = [
        ("wechat", "native", vec![&shop, &device]),
        ("wechat", "micropay", vec![&shop, TERMINAL]),
        ("alipay", "qr", vec![&numbers[0], &numbers[1]]),
        ("alipay", "micropay", vec![&numbers[0], &numbers[1]]),
        ("unionpay", "qr", vec![&term_id]),
        ("unionpay", "micropay", vec![&term_id]),
    ];
    for (channel, way, parts) in told {
        let mut body = json!({
            "order_no": road.demo.next_number(), "channel": channel, "pay_way": way, "amount": 30, "description": "茶",
            "client_ip": "203.0.113.7", "terminal": TERMINAL, "area": "310101",
        });
        if way == "micropay" {
            body["auth_code"] = road.demo.next_code(channel).into();
        }
        let placed = road.place(&body).await?;
        // UnionPay only accepts a payment code; its notice, which may come before our answer or after it, says "paid".
        let accepted = placed.status == 202 && placed.json()["state"] == "awaiting_payment";
        ensure!(
            placed.status == 201 || accepted && (channel, way) == ("unionpay", "micropay"),
            "{channel} {way}: {}",
            placed.json()
        );
        if accepted {
            paid(road, id(&placed.json())).await?;
        }
        let sent = road.demo.last_request(channel, "create").await?;
        let sent = if channel == "wechat" { sent } else { decoded(&sent) };
        for part in parts {
            ensure!(sent.contains(part), "{channel} {way} was not told {part}: {sent}");
        }
    }
    Ok(())
}

async fn paid(road: &Road, id: &str) -> Done {
    let path = format!("/v1/payments/{id}");
    for _ in 0..200 {
        if road.shop.ask("GET", &path, None).await?.json()["state"] == "paid" {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    anyhow::bail!("{id} is not paid 20 s after it was accepted")
}

//= C53
async fn matched(road: &Road) -> Done {
    let of = |body: &Value| {
        let no = body["order_no"].as_str().unwrap_or_default().to_owned();
        move |event: &TradeEvent| match event {
            TradeEvent::AttemptIntended {
                order_no,
                terminal_match,
                rates,
                ..
            } if order_no.as_str() == no => Some((terminal_match.clone(), rates.clone())),
            _ => None,
        }
    };
    let mut body = road.body(0, 100);
    (body["terminal"], body["area"]) = (TERMINAL.into(), "310101".into());
    ensure!(
        road.place(&body).await?.status == 201,
        "a matching area is refused"
    );
    let (matched, rates) = road
        .entries()
        .await?
        .iter()
        .find_map(|e| of(&body)(&e.event))
        .context("on record")?;
    let matched = matched.context("no match on record")?;
    let merchant = &road.demo.place.merchants[0].id;
    let settlement = hex::encode(Sha256::digest(merchant));
    let five = format!(
        "guandao-terminal\nDEMOACQ01\n{merchant}\n91110000600037341L\n{settlement}\n{TERMINAL}\n310101\n"
    );
    ensure!(matched.registry == 1 && &*matched.area == "310101", "{matched:?}");
    ensure!(
        matched
            .tuple
            .is_some_and(|t| t.to_string() == hex::encode(Sha256::digest(&five))),
        "{matched:?}"
    );
    ensure!(
        rates
            .as_ref()
            .is_some_and(|r| (r.rate, r.agent_rate) == (380, Some(300))
                && r.agent.as_ref().is_some_and(|a| a.as_str() == AGENT)),
        "{rates:?}"
    );
    // Another place than the registered one, and a terminal of nobody: refused, and on record.
    let before = road.entries().await?.len();
    (body["order_no"], body["area"]) = (road.demo.next_number().into(), "440304".into());
    let moved = road.place(&body).await?;
    ensure!(
        moved.status == 400 && moved.json()["code"] == "invalid_field",
        "{} {}",
        moved.status,
        moved.json()
    );
    (body["terminal"], body["order_no"]) = ("POS-9999".into(), road.demo.next_number().into());
    ensure!(road.place(&body).await?.status == 400, "a terminal of nobody");
    let refused = |e: &&domain::TradeEntry| matches!(&e.event, TradeEvent::Refused { clause, .. } if clause.number() == 53);
    ensure!(
        road.entries()
            .await?
            .split_off(before)
            .iter()
            .filter(refused)
            .count()
            == 2,
        "the refusals are not on record"
    );
    Ok(())
}

//= C64
async fn commissions(road: &Road) -> Done {
    let order = road.place(&road.body(0, 100_000)).await?.json();
    super::pay(road, &order).await?;
    road.shop
        .until(id(&order), "payment", |o| o["state"] == "paid")
        .await?;
    let day = now().day();
    signed(&road.demo).await?; // the report reads the signed tree
    let config = road.demo.place.dir.join("guandao.toml");
    let run = std::process::Command::new(sandbox::demo::services::binary("guandao")?)
        .arg("commissions")
        .arg(&config)
        .args(["--from", &day.to_string(), "--until", &day.to_string()])
        .output()?;
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    // The scanned order went back; of this one 0.08 % is the agent's.
    ensure!(
        run.status.success()
            && said
                .lines()
                .any(|line| line == format!("{AGENT},{day},{day},1,100000,0,80")),
        "{said}{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let run = std::process::Command::new(sandbox::demo::services::binary("guandao")?)
        .arg("statistics")
        .arg(&config)
        .args(["--by", "agent", "--csv"])
        .output()?;
    let counted = String::from_utf8_lossy(&run.stdout).into_owned();
    let mut rows = counted.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = rows.next().unwrap_or_default();
    let paid = head.iter().position(|name| *name == "paid_fen");
    let of_the_agent = rows.find(|row| row.first() == Some(&AGENT));
    ensure!(
        // Two were paid: the scanned one, which went back, and this one.
        paid.zip(of_the_agent)
            .and_then(|(column, row)| row.get(column)?.parse::<u64>().ok())
            .is_some_and(|fen| fen > 100_000),
        "{counted}{}",
        String::from_utf8_lossy(&run.stderr)
    );
    Ok(())
}
