//! The payer on command.

use super::clock::now;
use super::control::{MOST_DAYS_AGO, Outcome, Refusal};
use super::fault::Channel;
use super::order::{Order, State};
use super::scan::Will;
use super::world::{Book, Key, World};
use super::{alipay, baidu, ccb, cmb, icbc, notice, unionpay, wechat};
use domain::{Day, Instant};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// What the payer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// Pays an open order.
    Paid,
    /// Scans it and fails to pay; the order stays open.
    Declined,
    /// Pays although the order may be closed.
    Late,
    /// Pays this number too, though another of the same shop order may be paid.
    Twice,
}

/// A request to pay.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pay {
    channel: Channel,
    out_trade_no: Option<String>,
    qr: Option<String>,
    auth_code: Option<String>,
    outcome: What,
    after_ms: Option<u64>,
    payer: Option<String>,
    #[serde(default = "yes")]
    notify: bool,
    /// Dated at noon of this day, which is over: so that a bill of a past day has it.
    day: Option<String>,
}

fn yes() -> bool {
    true
}

pub(super) fn pay(world: &Arc<World>, asked: Pay) -> Outcome {
    dated(world, &asked)?;
    if let Some(told) = scan(world, &asked) {
        return told;
    }
    let key = world.with(|book| find(world.merchants.len(), book, &asked))?;
    let Some(after) = asked.after_ms.filter(|ms| *ms > 0) else {
        return act(world, &key, &asked);
    };
    let inside = world.clone();
    let out_trade_no = key.2.clone();
    world.beside(async move {
        tokio::time::sleep(Duration::from_millis(after)).await;
        let done = tokio::task::spawn_blocking(move || act(&inside, &key, &asked)).await;
        if let Ok(Err(Refusal(_, reason))) = done {
            tracing::warn!(%reason, "a payment on command came to nothing");
        }
    });
    Ok(json!({"ok": true, "scheduled": true, "out_trade_no": out_trade_no}))
}

/// Tells the payer of a code that was not scanned yet what to do then. `None` where the order is there already.
fn scan(world: &Arc<World>, asked: &Pay) -> Option<Outcome> {
    let code = asked.auth_code.as_ref()?;
    let after = asked.after_ms.map(Duration::from_millis);
    let will = match asked.outcome {
        What::Paid => Will::Pay,
        What::Declined => Will::Decline,
        What::Late => Will::Password(after),
        What::Twice => return Some(Err(Refusal::bad("a payment code pays once"))),
    };
    world.with(|book| {
        if book.scans.order(asked.channel, code).is_some() {
            return None;
        }
        book.scans.tell(asked.channel, code, will);
        Some(Ok(json!({"ok": true, "scanned": false})))
    })
}

/// The payer of a code types the password, so much later.
pub(super) fn password_typed(world: &Arc<World>, key: Key, after: Duration) {
    let inside = world.clone();
    let asked = Pay {
        channel: key.0,
        out_trade_no: None,
        qr: None,
        auth_code: None,
        outcome: What::Paid,
        after_ms: None,
        payer: None,
        notify: true,
        day: None,
    };
    world.beside(async move {
        tokio::time::sleep(after).await;
        // Where the order was closed meanwhile, the wallet says so to its payer and to nobody else.
        let _ = tokio::task::spawn_blocking(move || act(&inside, &key, &asked)).await;
    });
}

/// The payer confirms on the wallet's own page.
pub(super) fn confirmed(world: &Arc<World>, key: Key) {
    let asked = Pay {
        channel: key.0,
        out_trade_no: None,
        qr: None,
        auth_code: None,
        outcome: What::Paid,
        after_ms: None,
        payer: None,
        notify: true,
        day: None,
    };
    if let Err(Refusal(_, reason)) = act(world, &key, &asked) {
        tracing::warn!(%reason, "a payment on the wallet's page came to nothing");
    }
}

fn find(merchants: usize, book: &Book, asked: &Pay) -> Result<Key, Refusal> {
    let key = match (&asked.out_trade_no, &asked.qr, &asked.auth_code) {
        (None, None, Some(code)) => book.scans.order(asked.channel, code).cloned(),
        (Some(number), None, None) => {
            // By key for each merchant: a look through all orders would make a large day slow.
            let keys = (0..merchants).map(|merchant| (asked.channel, merchant, number.clone()));
            let found = keys.filter_map(|key| Some((book.orders.get(&key)?.created, key)));
            let found = found.max_by_key(|(created, _)| *created).map(|(_, key)| key);
            // Or the number of a group of orders: whichever of them, all are paid.
            let group = |merchant| book.groups.get(&(merchant, number.clone()))?.first().cloned();
            found.or_else(|| (0..merchants).find_map(group))
        }
        (None, Some(qr), None) => book.codes.get(qr).filter(|k| k.0 == asked.channel).cloned(),
        _ => {
            return Err(Refusal::bad(
                "exactly one of out_trade_no, qr and auth_code must be given",
            ));
        }
    };
    let key = key.ok_or_else(|| Refusal(StatusCode::NOT_FOUND, "no such order".to_owned()))?;
    let code = asked
        .qr
        .as_ref()
        .and_then(|qr| book.orders.get(&key)?.codes.iter().find(|c| c.text == *qr));
    if code.is_some_and(|c| c.until <= now()) {
        return Err(Refusal(StatusCode::CONFLICT, "this code has expired".to_owned()));
    }
    Ok(key)
}

/// When it is paid.
fn dated(world: &World, asked: &Pay) -> Result<Instant, Refusal> {
    let Some(text) = &asked.day else {
        return Ok(world.dated());
    };
    let today = now().day().number();
    let day = Day::parse(text).filter(|day| (today - MOST_DAYS_AGO as i32..today).contains(&day.number()));
    let day =
        day.ok_or_else(|| Refusal::bad("day must be one of the 92 before today, such as 2026-11-23"))?;
    Ok(day.start().plus_millis(12 * 3_600_000))
}

fn act(world: &Arc<World>, key: &Key, asked: &Pay) -> Outcome {
    let at = dated(world, asked)?;
    let (state, notice) = world.with(|book| {
        let order = book
            .order(key)
            .ok_or_else(|| Refusal(StatusCode::NOT_FOUND, "no such order".to_owned()))?;
        let group = order.combined.clone();
        pay_order(order, asked, at)?;
        let payer = order.payer.clone();
        let (state, mut notice) = told(world, key, order);
        // The whole group is paid or none of it, and told of once.
        let all = group
            .as_ref()
            .and_then(|number| book.groups.get(&(key.1, number.clone())).cloned())
            .unwrap_or_default();
        for other in all.iter().filter(|other| *other != key) {
            let order = book
                .order(other)
                .ok_or_else(|| Refusal(StatusCode::NOT_FOUND, "no such order".to_owned()))?;
            pay_order(order, asked, at)?;
            order.payer.clone_from(&payer);
        }
        if let (Some(_), Some(merchant)) = (group, world.merchants.get(key.1)) {
            let orders: Vec<&Order> = all.iter().filter_map(|key| book.orders.get(key)).collect();
            notice = wechat::notice::of_group(merchant, key, &orders);
        }
        let wanted = asked.notify && asked.outcome != What::Declined;
        Ok((state, notice.filter(|_| wanted)))
    })?;
    let notified = notice.is_some();
    if let Some(notice) = notice {
        notice::send(world, notice);
    }
    Ok(
        json!({"ok": true, "out_trade_no": key.2, "state": state, "outcome": asked.outcome, "notified": notified}),
    )
}

fn pay_order(order: &mut Order, asked: &Pay, at: Instant) -> Result<(), Refusal> {
    match (asked.outcome, order.state) {
        (_, State::Paid) => Err(Refusal(
            StatusCode::CONFLICT,
            "the order is paid already".to_owned(),
        )),
        (What::Paid | What::Declined, State::Closed) => {
            let text = "the order is closed; outcome late pays it all the same";
            Err(Refusal(StatusCode::CONFLICT, text.to_owned()))
        }
        // A code's charge is one try.
        (What::Declined, State::Unpaid) if order.channel == Channel::Unionpay && order.way == "micropay" => {
            order.refuse();
            Ok(())
        }
        (What::Declined, State::Unpaid) => {
            order.scanned = true;
            order.declined += 1;
            Ok(())
        }
        (What::Paid | What::Late | What::Twice, _) => {
            order.pay(asked.payer.clone(), at);
            Ok(())
        }
    }
}

fn told(world: &World, key: &Key, order: &Order) -> (&'static str, Option<notice::Notice>) {
    let merchant = world.merchants.get(key.1);
    match key.0 {
        Channel::Wechat => (
            wechat::state(order),
            merchant.and_then(|m| wechat::notice::of_payment(m, key, order)),
        ),
        Channel::Alipay => (
            alipay::state(order),
            merchant.and_then(|m| alipay::notice::of_payment(m, key, order)),
        ),
        Channel::Unionpay => (unionpay::state(order), unionpay::notice::of_payment(key, order)),
        Channel::Icbc => (
            icbc::state(order),
            merchant.and_then(|m| icbc::notice::of_payment(m, key, order)),
        ),
        Channel::Cmb => (cmb::state(order), cmb::notice::of_payment(key, order)),
        Channel::Ccb => (
            ccb::state(order),
            merchant.and_then(|m| ccb::notice::of_payment(m, key, order)),
        ),
        Channel::Baidu => (
            baidu::state(order),
            merchant.and_then(|m| baidu::notice::of_payment(m, key, order)),
        ),
    }
}
