//! Tells merchants: signed, numbered without gaps, for at least a day, a breaker for each merchant. What is pending is
//! a fold over the journal, not a second store.

mod one;
mod queue;

use crate::{
    api::render,
    app::App,
    fault::{Code, Fault, Stop},
    notification::Identified,
    outbound::Outbound,
    signature::{Scheme, answer_message, nonce},
    stage::Response,
    stages::seal_notice::paid_context,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use domain::*;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::Full;
use ledger::{Order, Tell};
use one::One;
use parking_lot::Mutex;
use queue::Queue;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

/// So often plans of what is over are looked for.
const TIDY: Duration = Duration::from_secs(60);
/// So many are given up with one wait for the disk.
const GIVEN_UP_AT_ONCE: usize = 256;

type Queues = Mutex<HashMap<MerchantId, Queue>>;

/// Tells merchants until `stop`. A round costs what is due, however much a merchant lets wait.
pub async fn run(app: App, mut stop: tokio::sync::watch::Receiver<bool>) {
    let queues: Arc<Queues> = Arc::default();
    let mut tidied = app.clock().since_boot();
    loop {
        let (now, oldest) = (app.clock().since_boot(), app.ledger().tells_oldest());
        if now >= tidied + TIDY {
            tidy(&mut queues.lock(), &oldest);
            tidied = now;
        }
        let mut given_up = false;
        for Tell { merchant, at, .. } in oldest {
            given_up |= is_old(&app, at) && give_up(&app, &queues, &merchant, now).await;
            for (tell, tries) in next(&app, &queues, &merchant, now) {
                let (app, queues) = (app.clone(), queues.clone());
                app.clone()
                    .spawn_work(async move { one(&app, &queues, tell, tries + 1).await });
            }
        }
        let rest = if given_up {
            Duration::ZERO
        } else {
            app.times().notify_after.min(Duration::from_millis(500))
        };
        tokio::select! {
            () = crate::accept::stopped(&mut stop) => return,
            () = app.outbox_woken() => {}
            () = tokio::time::sleep(rest) => {}
        }
    }
}

/// Forgets what is told no more: also what was acknowledged when it was sent again by hand.
fn tidy(queues: &mut HashMap<MerchantId, Queue>, oldest: &[Tell]) {
    let pending: HashSet<&MerchantId> = oldest.iter().map(|tell| &tell.merchant).collect();
    queues.retain(|id, queue| {
        if !pending.contains(id) {
            queue.forget();
        }
        !queue.is_idle()
    });
}

/// Those of a merchant whose turn it is.
fn next(app: &App, queues: &Queues, merchant: &MerchantId, now: Duration) -> Vec<(Tell, u32)> {
    let mut queues = queues.lock();
    let queue = queues.entry(merchant.clone()).or_default();
    queue.next(now, |above, most| app.ledger().tells_after(merchant, above, most))
}

/// It happened longer ago than merchants are told.
fn is_old(app: &App, at: Instant) -> bool {
    app.clock().now().millis() - at.millis() > app.times().notify_until.as_millis() as i64
}

/// Gives up what is too old, a batch of it and without another try; true if there was any.
async fn give_up(app: &App, queues: &Queues, merchant: &MerchantId, now: Duration) -> bool {
    let mut old = app.ledger().tells_after(merchant, 0, GIVEN_UP_AT_ONCE);
    old.retain(|tell| is_old(app, tell.at));
    let given_up = queues
        .lock()
        .entry(merchant.clone())
        .or_default()
        .give_up(old, now);
    if given_up.is_empty() {
        return false;
    }
    let ended = given_up
        .into_iter()
        .map(|(seq, tries)| (seq, TradeEvent::TellGivenUp { seq, tries }))
        .collect();
    match app.ledger().told(merchant, ended).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "notifications that are given up could not be put on record");
            false
        }
    }
}

async fn one(app: &App, queues: &Queues, tell: Tell, tries: u32) {
    let mut this = One::begun(queues, app.clock(), app.times().notify_after, &tell);
    let outcome = send(app, &tell).await;
    this.acknowledged = outcome.is_ok();
    app.metrics().told(match &outcome {
        Ok(()) => "acknowledged",
        Err(_) => "failed",
    });
    this.last = is_old(app, tell.at);
    let ended = match &outcome {
        Ok(()) => Some(TradeEvent::Told { seq: tell.seq, tries }),
        Err(_) if this.last => Some(TradeEvent::TellGivenUp { seq: tell.seq, tries }),
        Err(_) => None,
    };
    if let Some(event) = ended {
        if let Err(error) = app.ledger().told(&tell.merchant, vec![(tell.seq, event)]).await {
            tracing::warn!(%error, "an acknowledged notification could not be put on record; it is sent again");
        }
        forget_payer(app, &tell).await;
    }
    if let Err(why) = outcome {
        tracing::info!(merchant = %tell.merchant, seq = tell.seq, tries, why, "a notification was not acknowledged");
    }
}

/// The payer's sealed id is needed no longer once nothing of this order is pending.
async fn forget_payer(app: &App, tell: &Tell) {
    if app.ledger().must_tell_of(&tell.order) {
        return;
    }
    if let Ok(Some(order)) = app.order(&tell.order).await {
        for attempt in order.attempts.iter().filter(|a| a.paid_seal.is_some()) {
            app.vault().forget(&paid_context(
                &order.merchant,
                attempt.channel,
                &attempt.account,
                &attempt.number,
            ));
        }
    }
}

/// One try. The error is a fixed word.
async fn send(app: &App, tell: &Tell) -> Result<(), &'static str> {
    let registries = app.registries();
    let merchant = registries
        .merchant_on_record(&tell.merchant)
        .ok_or("unknown_merchant")?;
    let notify = merchant.notify.as_ref().ok_or("no_address")?;
    let order = app.order(&tell.order).await.ok().flatten().ok_or("no_order")?;
    let entry = app.ledger().entry(tell.index).map_err(|_| "no_entry")?;
    let body = zeroize::Zeroizing::new(message(app, &order, tell, &entry).to_string());
    let scheme = merchant
        .api_keys
        .first()
        .and_then(|k| Scheme::named(&k.scheme))
        .unwrap_or(Scheme::Ed25519);
    let headers = signed(app, scheme, body.as_bytes())
        .await
        .ok_or("no_signing_key")?;
    let (way, target) = way(app, &notify.url, notify.private).ok_or("bad_address")?;
    app.step("before_tell");
    let answer = way
        .send(
            Method::POST,
            &target,
            headers,
            Bytes::copy_from_slice(body.as_bytes()),
            Duration::from_secs(5),
        )
        .await;
    app.step("after_tell");
    match answer {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
        Ok(_) => Err("refused"),
        Err(_) => Err("unreachable"),
    }
}

/// Number of a notification, the same at every repeat.
pub fn event_id(merchant: &MerchantId, seq: u64) -> EventId {
    let hash = Sha256::digest(format!("guandao-event\0{merchant}\0{seq}"));
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    EventId::from_bytes(id)
}

fn message(app: &App, order: &Order, tell: &Tell, entry: &TradeEntry) -> Value {
    let mut value = header(tell.seq, entry);
    let mut payment = render::order_json(order);
    if let TradeEvent::AttemptPaid { attempt, .. } = &entry.event
        && let Some(payer) = payer(app, order, *attempt)
        && let Some(map) = payment.as_object_mut()
    {
        map.insert("payer".into(), payer);
    }
    if let Some(map) = value.as_object_mut() {
        map.insert("payment".into(), payment);
        map.insert("journal_index".into(), tell.index.into());
    }
    value
}

fn header(seq: u64, entry: &TradeEntry) -> Value {
    let merchant = entry.merchant.as_ref();
    let mut value = json!({
        "id": merchant.map(|m| event_id(m, seq).to_string()),
        //= C90
        // All merchants are told under one key.
        "mchid": merchant,
        "seq": seq,
        "type": kind(&entry.event),
        "created_at": entry.at.to_string(),
    });
    let refund_no = match &entry.event {
        TradeEvent::RefundSucceeded { refund_no, .. }
        | TradeEvent::RefundFailed { refund_no, .. }
        | TradeEvent::RefundAbnormal { refund_no }
        | TradeEvent::RefundUnresolved { refund_no } => Some(refund_no),
        _ => None,
    };
    if let (Some(no), Some(map)) = (refund_no, value.as_object_mut()) {
        map.insert("refund_no".into(), no.as_str().into());
    }
    value
}

fn kind(event: &TradeEvent) -> &'static str {
    match event {
        TradeEvent::AttemptPaid { .. } => "payment.paid",
        TradeEvent::AttemptClosed { .. } => "payment.closed",
        TradeEvent::AttemptUnresolved { .. } => "payment.unresolved",
        TradeEvent::AttemptReversed { .. } => "payment.reversed",
        TradeEvent::ReverseRefused { .. } => "payment.reverse_refused",
        TradeEvent::AttemptNotPlaced { .. } => "payment.not_placed",
        TradeEvent::RefundSucceeded { .. } => "refund.succeeded",
        TradeEvent::RefundFailed { .. } => "refund.failed",
        TradeEvent::RefundAbnormal { .. } => "refund.abnormal",
        TradeEvent::RefundUnresolved { .. } => "refund.unresolved",
        _ => "payment.changed",
    }
}

/// The payer's id from its sealed blob, while that lives.
fn payer(app: &App, order: &Order, position: u16) -> Option<Value> {
    let attempt = order.attempt(position)?;
    let context = paid_context(
        &order.merchant,
        attempt.channel,
        &attempt.account,
        &attempt.number,
    );
    let sealed = app.vault().kept::<vault::PaidBuyer>(&context)?;
    let opened = app.vault().open_for(&sealed, &context, Purpose::Notify).ok()?;
    let payer = opened.payer.as_ref()?;
    Some(json!({ payer.field.as_str(): payer.value.expose() }))
}

/// Notifications of one order, for its merchant.
pub fn of_order(app: &App, order: &Order) -> Result<Vec<Value>, Fault> {
    let pending: HashSet<u64> = app
        .ledger()
        .tells_of(&order.merchant, &order.id)
        .into_iter()
        .map(|t| t.seq)
        .collect();
    let mut list: Vec<Value> = told_of(app, order)?
        .into_iter()
        .map(|(seq, index, entry)| {
            let mut value = header(seq, &entry);
            if let Some(map) = value.as_object_mut() {
                map.insert("pending".into(), pending.contains(&seq).into());
                map.insert("journal_index".into(), index.into());
            }
            value
        })
        .collect();
    list.reverse();
    Ok(list)
}

fn told_of(app: &App, order: &Order) -> Result<Vec<(u64, u64, TradeEntry)>, Fault> {
    let mut found = Vec::new();
    let mut next = Some(order.last);
    while let Some(index) = next {
        let entry = app
            .ledger()
            .entry(index)
            .map_err(|e| Fault::of(Code::IndexRebuilding).inside(e))?;
        next = entry.prev;
        if let Some(seq) = entry.tell {
            found.push((seq, index, entry));
        }
    }
    Ok(found)
}

/// Sends one notification of an order again, now, with its own id and number.
pub async fn resend(app: &App, order: &Order, seq: u64) -> Result<Response, Stop> {
    let found = told_of(app, order)?.into_iter().find(|(s, ..)| *s == seq);
    let (_, index, entry) = found.ok_or_else(|| Fault::of(Code::NotFound))?;
    let tell = Tell {
        merchant: order.merchant.clone(),
        seq,
        order: order.id,
        index,
        at: entry.at,
    };
    let acknowledged = send(app, &tell).await;
    if acknowledged.is_ok() {
        let told = vec![(seq, TradeEvent::Told { seq, tries: 1 })];
        let _ = app.ledger().told(&tell.merchant, told).await;
    }
    let value = json!({ "seq": seq, "id": event_id(&order.merchant, seq).to_string(), "acknowledged": acknowledged.is_ok() });
    Ok(render::json_response(StatusCode::OK, &value))
}

async fn signed(app: &App, scheme: Scheme, body: &[u8]) -> Option<HeaderMap> {
    let key = app.answer_key(scheme)?;
    let (timestamp, nonce) = (app.clock().now().secs(), nonce());
    let signature = app
        .signing()
        .sign(key, answer_message(timestamp, &nonce, body))
        .await
        .ok()?;
    let serial = key.as_str().rsplit('/').next()?.to_owned();
    let mut headers = HeaderMap::new();
    let all = [
        ("content-type", "application/json".to_owned()),
        ("user-agent", "guandao/0.1".to_owned()),
        ("guandao-timestamp", timestamp.to_string()),
        ("guandao-nonce", nonce),
        ("guandao-serial", serial),
        ("guandao-signature", STANDARD.encode(signature)),
        ("guandao-signature-type", scheme.as_str().to_owned()),
    ];
    for (name, value) in all {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?);
    }
    Some(headers)
}

/// Connections to a merchant's registered address. Private addresses only where the registry says so.
//= C51
fn way(app: &App, url: &str, private_ok: bool) -> Option<(Outbound, String)> {
    let uri: http::Uri = url.parse().ok()?;
    let host = uri.host()?.to_owned();
    let target = uri.path_and_query().map_or("/", |t| t.as_str()).to_owned();
    let port = uri.port_u16().unwrap_or(443);
    (uri.scheme_str() == Some("https")).then_some(())?;
    Some((app.way_out(&host, port, private_ok)?, target))
}

/// A notice of a pass-through order goes on to the account's registered address, octet for octet, and the merchant's
/// answer goes back. `None` where no address is registered.
pub(crate) async fn relay(app: &App, notice: &Identified) -> Option<Result<Response, Stop>> {
    let registries = app.registries();
    let account = registries.operator_account(notice.account.channel, &notice.facts.account)?;
    let url = account.relay_url.as_ref()?;
    let (way, target) = way(app, url, account.relay_private)?;
    let headers: HeaderMap = notice
        .received
        .head
        .headers
        .iter()
        .filter(|(name, _)| end_to_end(name))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    let answer = way
        .send(
            Method::POST,
            &target,
            headers,
            notice.received.body.clone(),
            Duration::from_secs(4),
        )
        .await;
    Some(match answer {
        Ok(answered) => {
            let mut response = http::Response::new(Full::new(answered.body));
            *response.status_mut() = StatusCode::from_u16(answered.status).unwrap_or(StatusCode::BAD_GATEWAY);
            if let Some(kind) = answered.headers.get(http::header::CONTENT_TYPE) {
                response
                    .headers_mut()
                    .insert(http::header::CONTENT_TYPE, kind.clone());
            }
            Ok(response)
        }
        // The channel's own repeats do the work.
        Err(error) => Err(Fault::of(Code::Deadline).inside(error).into()),
    })
}

fn end_to_end(name: &HeaderName) -> bool {
    let name = name.as_str();
    ["content-type", "user-agent", "accept", "request-id"].contains(&name) || name.starts_with("wechatpay-")
}
