//! Cards that UnionPay's issuers refuse are on record as declined, where T10, T16 and T26 look; masked cards without a
//! pseudonym, since strangers would share it.

use super::Done;
use crate::seen::with;
use anyhow::ensure;
use domain::{Channel, TradeEntry, TradeEvent};
use journal::{Reader, disk::RealDisk};
use sandbox::demo::{Demo, merchant::Merchant, place::RETURN_HOST};
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc};

/// A code that is refused at once, and one whose charge was accepted first. As many as happen in any shop: nothing is
/// flagged.
pub(super) async fn two_declines(demo: &Demo, merchant: &Merchant) -> Done {
    for will in ["declined", "late"] {
        let code = demo.next_code("unionpay");
        let payer = json!({ "channel": "unionpay", "auth_code": code, "outcome": will });
        demo.control("/control/pay", &payer).await?;
        let body = json!({ "order_no": demo.next_number(), "channel": "unionpay", "pay_way": "micropay", "amount": 3300, "description": "茶", "auth_code": code });
        let answer = merchant.ask("POST", "/v1/payments", Some(&body)).await?;
        if will == "declined" {
            ensure!(
                answer.status == 422 && answer.json()["code"] == "payer_cannot_pay",
                "{} {}",
                answer.status,
                answer.json()
            );
            continue;
        }
        let order = answer.json();
        ensure!(answer.status == 202, "{} {order}", answer.status);
        let refused =
            json!({ "channel": "unionpay", "out_trade_no": order["number"], "outcome": "declined" });
        demo.control("/control/pay", &refused).await?;
        merchant
            .until(order["id"].as_str().unwrap_or_default(), "refusal", |o| {
                o["state"] == "not_placed"
            })
            .await?;
    }
    Ok(())
}

/// A card refused on the bank's page, and a password refused at WeChat: both orders stay open, and neither is ever "not placed".
pub(super) async fn two_declines_of_open_orders(demo: &Demo, merchant: &Merchant) -> Done {
    let code = demo.next_code("wechat");
    let payer = json!({ "channel": "wechat", "auth_code": code, "outcome": "late" });
    demo.control("/control/pay", &payer).await?;
    for more in [
        json!({ "channel": "wechat", "pay_way": "micropay", "auth_code": code, "client_ip": "203.0.113.7" }),
        json!({ "channel": "unionpay", "pay_way": "gateway", "return_url": format!("https://{RETURN_HOST}/back") }),
    ] {
        let body = json!({ "order_no": demo.next_number(), "amount": 4400, "description": "茶" });
        let answer = merchant
            .ask("POST", "/v1/payments", Some(&with(body, &more)))
            .await?;
        let order = answer.json();
        ensure!(
            answer.status < 300 && order["state"] == "awaiting_payment",
            "{} {order}",
            answer.status
        );
        demo.open(&order).await?;
        let refused =
            json!({ "channel": order["channel"], "out_trade_no": order["number"], "outcome": "declined" });
        demo.control("/control/pay", &refused).await?;
        if order["channel"] == "wechat" {
            // Nobody pays it any more, and it is taken back as before.
            merchant
                .until(order["id"].as_str().unwrap_or_default(), "its end", |o| {
                    o["state"] == "reversed"
                })
                .await?;
        }
    }
    Ok(())
}

/// What the journal says of tries that failed while their orders stayed open.
pub(super) fn declines_of_open_orders(demo: &Demo) -> anyhow::Result<BTreeSet<String>> {
    let reader = Reader::open(Arc::new(RealDisk), &demo.place.dir.join("data/trades"))?;
    let mut codes = BTreeSet::new();
    for item in reader.scan(0) {
        if let TradeEvent::AttemptDeclined { code, .. } = TradeEntry::from_canonical(&item?.1)?.event {
            ensure!(codes.insert(code.to_string()), "{code} is on record twice");
        }
    }
    Ok(codes)
}

/// Both are there, and as UnionPay masked their cards nobody is joined to anybody.
pub(super) fn declines_are_on_record(demo: &Demo) -> Done {
    let reader = Reader::open(Arc::new(RealDisk), &demo.place.dir.join("data/trades"))?;
    let (mut at_unionpay, mut declines) = (BTreeSet::new(), 0);
    for item in reader.scan(0) {
        let entry = TradeEntry::from_canonical(&item?.1)?;
        match entry.event {
            TradeEvent::AttemptIntended {
                channel: Channel::Unionpay,
                ..
            } => {
                at_unionpay.insert(entry.order);
            }
            TradeEvent::AttemptNotPlaced {
                code,
                declined: Some(declined),
                ..
            } if at_unionpay.contains(&entry.order) => {
                ensure!(code.as_deref() == Some("64"), "refused with {code:?}");
                ensure!(declined.payer.is_none(), "a masked card has a pseudonym");
                declines += 1;
            }
            _ => {}
        }
    }
    ensure!(declines == 2, "declines at UnionPay: {declines}");
    Ok(())
}
