//! The conformance run against a right endpoint and against wrong ones: each finding is earned by an endpoint that has
//! that fault and no other.
#![allow(clippy::unwrap_used)]

use aws_lc_rs::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer, pem::PemObject};
use sandbox::check::{Check, Delivered, Endpoint, Language, Mode, Report, Scheme, Verdict, run};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::net::TcpListener;
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo, X509Certificate};

/// What an endpoint does wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    None,
    /// Believes everybody.
    Trusts,
    /// Is content with a signature header being there.
    Glances,
    /// Verifies only serials that it knows, and believes others.
    BelievesStrangers,
    /// Verifies the body without its amount.
    VerifiesLess,
    /// Never looks at the clock.
    Timeless,
    /// Looks at the clock in one direction.
    OneSided,
    /// Looks at the event's time, not at the signature's.
    LooksAtTheEvent,
    /// Delivers each time that it is told.
    Repeats,
    /// Looks, and then writes.
    Races,
    /// Answers 409 to what it knows.
    RefusesRepeats,
    /// Fails on a refund of what it does not know to be paid.
    NeedsOrder,
    /// Reads 4 KiB.
    SmallBody,
    /// Refuses fields that it does not know.
    StrictFields,
    /// Refuses kinds that it does not know.
    StrictKinds,
    /// Waits a second for a body.
    Impatient,
    /// Thinks for six seconds over a refund.
    Ponders,
    /// Has moved.
    Redirects,
    /// Crashes on orders that it does not know.
    Crashes,
    /// Acknowledges and does nothing.
    Idle,
    /// Knows another key.
    OtherKey,
    /// Puts into effect before it verifies.
    DeliversFirst,
    /// Takes what is older than what it knows of an order for settled.
    ThrowsAway,
    /// Takes nothing that has a smaller number than what it saw last.
    NewestOnly,
    /// Wants a paid order to be just paid, and takes no other for a payment.
    PaidOnly,
    /// Knows events by their ids and nothing else.
    IdOnly,
    /// Remembers the latest four orders.
    Forgetful,
    /// Delivers for refunds.
    TakesRefunds,
    /// Delivers for closes.
    TakesCloses,
    /// Takes back what was delivered when a close comes.
    Undoes,
    /// Takes no payment of what was closed.
    ClosedForGood,
    /// Remembers first, works then, and stops working when the sender goes.
    LosesItsWork,
    /// Never looks at the amount.
    AnyAmount,
    /// Never looks at whom it names.
    AnyAccount,
    /// Looks at the app only.
    AnySeller,
    /// Reads everything, and breaks down over it.
    Swallows,
    /// Takes probes for true.
    TakesProbes,
    /// Acknowledges what it cannot open.
    AcknowledgesTheSealed,
    /// None: refuses in the channel's own words, under 500.
    SaysFail,
    /// Answers what it does not know or agree with by a bare 500.
    Breaks,
    /// Breaks down over what bears no good signature, and over what is too long.
    BreaksOnForged,
    /// Breaks down over the first notice, before it does anything.
    BreaksOnce,
    /// Sends the first notice elsewhere.
    RedirectsOnce,
    /// Breaks down over the first notice, after all was done.
    BreaksAfterwards,
    /// Breaks down over the first notice between remembering and delivering it.
    BreaksBetween,
    /// Knows no such address.
    NotFound,
    /// None: acknowledges, and delivers a moment later.
    Queues,
    /// The same, each time that it is told.
    QueuesRepeats,
    /// Delivers what is large four seconds later.
    Tardy,
}

enum Key {
    Ed25519(Vec<u8>),
    Rsa(Vec<u8>),
}

struct Shop {
    fault: Fault,
    key: Key,
    serial: String,
    prefix: &'static str,
    apiv3_key: Option<String>,
    /// Itself: mchid, or app_id and seller_id.
    whose: Vec<String>,
    memory: Mutex<Memory>,
    delivered: Arc<Mutex<BTreeMap<String, u64>>>,
}

/// Amounts that it knows, in fen.
const PLACED: [(&str, u64); 2] = [("A1", 500), ("A2", 700)];
/// More is not read.
const MOST: usize = 1 << 20;

#[derive(Default)]
struct Memory {
    ids: BTreeSet<String>,
    /// In the order in which they came.
    orders: Vec<String>,
    refunded: BTreeSet<String>,
    closed: BTreeSet<String>,
    newest: u64,
    notices: u64,
}

impl Shop {
    fn new(fault: Fault, key: Key, language: &Language, prefix: &'static str, whose: &[&str]) -> Shop {
        Shop {
            fault,
            key,
            serial: language.serial().to_owned(),
            prefix,
            apiv3_key: None,
            whose: whose.iter().map(|w| (*w).to_owned()).collect(),
            memory: Mutex::default(),
            delivered: Arc::default(),
        }
    }
}

type Answer = http::Response<Full<Bytes>>;

fn said(status: u16, text: impl Into<Bytes>) -> Answer {
    http::Response::builder()
        .status(status)
        .body(Full::new(text.into()))
        .unwrap()
}

impl Shop {
    async fn answer(&self, request: http::Request<Incoming>) -> Result<Answer, &'static str> {
        let (head, body) = request.into_parts();
        if head.method == http::Method::GET {
            let no = head.uri.path().rsplit('/').next().unwrap();
            return Ok(said(
                200,
                format!(
                    "delivered: {}",
                    self.delivered.lock().get(no).copied().unwrap_or_default()
                ),
            ));
        }
        let first = {
            let mut memory = self.memory.lock();
            memory.notices += 1;
            memory.notices == 1
        };
        match self.fault {
            Fault::NotFound => return Ok(said(404, "")),
            Fault::BreaksOnce if first => return Ok(said(500, "")),
            _ => {}
        }
        if self.fault == Fault::Redirects || (self.fault == Fault::RedirectsOnce && first) {
            return Ok(http::Response::builder()
                .status(302)
                .header("location", "/elsewhere")
                .body(Full::default())
                .unwrap());
        }
        let announced = head.headers.get("content-length");
        let length = announced.and_then(|l| l.to_str().ok()?.parse().ok()).unwrap_or(0);
        if length > MOST && !matches!(self.fault, Fault::Swallows | Fault::BreaksOnForged) {
            return Ok(said(413, ""));
        }
        let patience = Duration::from_secs(if self.fault == Fault::Impatient { 1 } else { 10 });
        let Ok(body) = tokio::time::timeout(patience, body.collect()).await else {
            return Ok(said(408, ""));
        };
        let body = body.map_err(|_| "broken")?.to_bytes();
        if self.fault == Fault::SmallBody && body.len() > 4096 {
            return Ok(said(413, ""));
        }
        if body.len() > MOST {
            return Ok(said(500, ""));
        }
        let header = |name: &str| {
            head.headers
                .get(format!("{}-{name}", self.prefix))
                .map(|v| v.to_str().unwrap().to_owned())
        };
        let mut event = self.read(&body);
        event.large = body.len() > 4096;
        if self.fault == Fault::DeliversFirst {
            self.deliver(&event);
        }
        let believes = match self.prefix {
            "alipay" => self.believes_form(&body),
            _ => self.believes(&header, &body),
        };
        if !believes {
            return Ok(match self.fault {
                Fault::BreaksOnForged => said(500, ""),
                _ => self.refused(),
            });
        }
        let fresh = |at: i64| {
            let ahead = at - now();
            ahead.abs() <= 300
                || (self.fault == Fault::OneSided && ahead > 0)
                || matches!(self.fault, Fault::Timeless | Fault::Trusts)
        };
        let signed_at = header("timestamp")
            .and_then(|t| t.parse().ok())
            .unwrap_or_else(now);
        if !fresh(signed_at) || (self.fault == Fault::LooksAtTheEvent && now() - event.happened > 300) {
            return Ok(said(401, ""));
        }
        if event.no.is_empty() {
            let acknowledges = self.fault == Fault::AcknowledgesTheSealed;
            return Ok(said(if acknowledges { 200 } else { 400 }, ""));
        }
        if !self.is_me(&event) {
            return Ok(self.refused());
        }
        if self.fault == Fault::BreaksBetween && first {
            self.remember(&event);
            return Ok(said(500, ""));
        }
        let answer = self.act(event).await?;
        Ok(match self.fault {
            Fault::BreaksAfterwards if first => said(500, ""),
            _ => answer,
        })
    }

    fn is_me(&self, event: &Event) -> bool {
        match self.fault {
            Fault::AnyAccount => true,
            Fault::AnySeller => event.whose.first() == self.whose.first(),
            _ => event.whose == self.whose,
        }
    }

    /// In the language's own words.
    fn refused(&self) -> Answer {
        match (self.prefix, self.fault) {
            (_, Fault::Breaks) => said(500, ""),
            ("alipay", Fault::SaysFail) => said(500, "fail"),
            (_, Fault::SaysFail) => said(500, r#"{"code":"FAIL","message":"失败"}"#),
            ("alipay", _) => said(200, "fail"),
            _ => said(401, ""),
        }
    }

    /// Alipay's: all fields but two, decoded and sorted.
    fn believes_form(&self, body: &[u8]) -> bool {
        let mut fields: BTreeMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        let (signature, _) = (fields.remove("sign"), fields.remove("sign_type"));
        let Some(signature) = signature else {
            return self.fault == Fault::Trusts;
        };
        match self.fault {
            Fault::Trusts | Fault::Glances => return true,
            Fault::OtherKey => return false,
            _ => {}
        }
        // The fault stands for clients that leave out what came empty, and so refuse what is good.
        if self.fault == Fault::StrictFields {
            fields.retain(|_, value| !value.is_empty());
        }
        let text: Vec<String> = fields.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let Key::Rsa(key) = &self.key else { unreachable!() };
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
            .verify(text.join("&").as_bytes(), &STANDARD.decode(&signature).unwrap())
            .is_ok()
    }

    fn believes(&self, header: &impl Fn(&str) -> Option<String>, body: &[u8]) -> bool {
        let Some(signature) = header("signature") else {
            return self.fault == Fault::Trusts;
        };
        let serial = header("serial").unwrap_or_default();
        match self.fault {
            Fault::Trusts | Fault::Glances => return true,
            Fault::TakesProbes if signature.starts_with("WECHATPAY/SIGNTEST/") => return true,
            Fault::BelievesStrangers if serial != self.serial => return true,
            Fault::OtherKey => return false,
            _ if serial != self.serial => return false,
            _ => {}
        }
        let verify = |body: &[u8]| {
            let mut message =
                format!("{}\n{}\n", header("timestamp").unwrap(), header("nonce").unwrap()).into_bytes();
            message.extend_from_slice(body);
            message.push(b'\n');
            let Ok(signature) = STANDARD.decode(&signature) else {
                return false;
            };
            match &self.key {
                Key::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key)
                    .verify(&message, &signature)
                    .is_ok(),
                Key::Rsa(key) => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
                    .verify(&message, &signature)
                    .is_ok(),
            }
        };
        // The fault stands for every kind of "verified what was read, not what came".
        verify(body)
            || (self.fault == Fault::VerifiesLess
                && (b'0'..=b'9').any(|digit| {
                    let mut other = body.to_vec();
                    let amount = body.windows(9).position(|w| w == b"\"amount\":").unwrap() + 9;
                    other[amount] = digit;
                    verify(&other)
                }))
    }

    fn read_form(&self, body: &[u8]) -> Event {
        let fields: BTreeMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let kind = match (field("trade_status").as_str(), fields.contains_key("refund_fee")) {
            ("TRADE_SUCCESS", false) => "payment.paid",
            ("TRADE_SUCCESS", true) => "refund.succeeded",
            ("TRADE_CLOSED", _) => "payment.closed",
            _ => "",
        };
        let fen = field("total_amount").replace('.', "").parse().unwrap_or_default();
        Event {
            id: field("notify_id"),
            kind: kind.into(),
            no: field("out_trade_no"),
            happened: now(),
            further: false,
            fen,
            seq: 0,
            whose: vec![field("app_id"), field("seller_id")],
            just_paid: true,
            large: false,
        }
    }

    fn read(&self, body: &[u8]) -> Event {
        if self.prefix == "alipay" {
            return self.read_form(body);
        }
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let time = |value: &Value| {
            text(value)
                .parse::<jiff::Timestamp>()
                .map_or(0, jiff::Timestamp::as_second)
        };
        let mut event = Event {
            id: text(&value["id"]),
            kind: text(&value["type"]),
            no: text(&value["payment"]["order_no"]),
            happened: time(&value["created_at"]),
            further: !value["trace"].is_null(),
            fen: value["payment"]["amount"].as_u64().unwrap_or_default(),
            seq: value["seq"].as_u64().unwrap_or_default(),
            whose: vec![text(&value["mchid"])],
            just_paid: value["payment"]["state"] == "paid",
            large: false,
        };
        if let Some(key) = &self.apiv3_key {
            let plain = open(key, &value["resource"]);
            event.kind = text(&value["event_type"])
                .replace("TRANSACTION.SUCCESS", "payment.paid")
                .replace("REFUND.SUCCESS", "refund.succeeded");
            (event.no, event.happened) = (text(&plain["out_trade_no"]), time(&value["create_time"]));
            event.fen = plain["amount"]["total"].as_u64().unwrap_or_default();
            event.whose = vec![text(&plain["mchid"])];
        }
        event
    }

    fn deliver(&self, event: &Event) {
        let (all, no) = (self.delivered.clone(), event.no.clone());
        let deliver = move || *all.lock().entry(no).or_default() += 1;
        let later = match self.fault {
            Fault::Queues | Fault::QueuesRepeats => 300,
            Fault::Tardy if event.large => 4000,
            _ => return deliver(),
        };
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(later)).await;
            deliver();
        });
    }

    async fn act(&self, event: Event) -> Result<Answer, &'static str> {
        let done = || {
            Ok(match (self.prefix, self.fault) {
                // Alipay waits for seven characters and nothing else.
                ("alipay", Fault::StrictKinds) => said(200, "SUCCESS"),
                ("alipay", _) => said(200, "success"),
                _ => said(200, "{\"code\":\"SUCCESS\"}"),
            })
        };
        match self.fault {
            Fault::Crashes if event.no.starts_with("NOBODY") => return Err("crash"),
            Fault::SaysFail | Fault::Breaks if event.no.starts_with("NOBODY") => return Ok(self.refused()),
            Fault::StrictFields if event.further => return Ok(said(400, "")),
            Fault::Idle => return done(),
            _ => {}
        }
        match event.kind.as_str() {
            "payment.paid" => return self.paid(event).await.map_or_else(done, Ok),
            "refund.succeeded" => {
                if self.fault == Fault::Ponders {
                    tokio::time::sleep(Duration::from_secs(6)).await;
                }
                let paid = self.memory.lock().orders.contains(&event.no);
                if self.fault == Fault::NeedsOrder && !paid {
                    return Ok(said(500, ""));
                }
                if self.fault == Fault::TakesRefunds {
                    self.deliver(&event);
                }
                let mut memory = self.memory.lock();
                memory.newest = memory.newest.max(event.seq);
                memory.refunded.insert(event.no);
            }
            "payment.closed" => {
                let mut memory = self.memory.lock();
                if self.fault == Fault::TakesCloses && !memory.orders.contains(&event.no) {
                    memory.orders.push(event.no.clone());
                    self.deliver(&event);
                }
                if self.fault == Fault::Undoes {
                    self.delivered.lock().remove(&event.no);
                }
                memory.closed.insert(event.no);
            }
            _ if self.fault == Fault::StrictKinds => return Ok(said(400, "")),
            _ => {}
        }
        done()
    }

    /// None where it is to be acknowledged.
    async fn paid(&self, event: Event) -> Option<Answer> {
        let placed = PLACED.iter().find(|(no, _)| *no == event.no);
        if placed.is_some_and(|(_, fen)| *fen != event.fen) && self.fault != Fault::AnyAmount {
            if matches!(self.fault, Fault::SaysFail | Fault::Breaks) {
                return Some(self.refused());
            }
            // In one language it is refused, in the others acknowledged and set aside: both are sound.
            return (self.prefix == "wechatpay").then(|| said(400, ""));
        }
        if self.fault == Fault::Races {
            let known = self.memory.lock().ids.contains(&event.id);
            tokio::time::sleep(Duration::from_millis(100)).await;
            if !known {
                self.deliver(&event);
            }
        }
        let fresh = self.remember(&event);
        if !fresh && self.fault == Fault::RefusesRepeats {
            return Some(said(409, ""));
        }
        if self.fault == Fault::LosesItsWork {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        match self.fault {
            Fault::DeliversFirst | Fault::Races => {}
            Fault::Repeats | Fault::QueuesRepeats => self.deliver(&event),
            _ if fresh => self.deliver(&event),
            _ => {}
        }
        None
    }

    /// Is it news? Looked at and written under one lock.
    fn remember(&self, event: &Event) -> bool {
        let mut memory = self.memory.lock();
        let newest = memory.newest;
        memory.newest = newest.max(event.seq);
        let obsolete = match self.fault {
            Fault::ThrowsAway => memory.refunded.contains(&event.no),
            Fault::NewestOnly => event.seq < newest,
            Fault::PaidOnly => !event.just_paid,
            Fault::ClosedForGood => memory.closed.contains(&event.no),
            _ => false,
        };
        if !memory.ids.insert(event.id.clone()) && self.fault != Fault::Forgetful {
            return false;
        }
        let known = memory.orders.contains(&event.no);
        if !known {
            memory.orders.push(event.no.clone());
        }
        if self.fault == Fault::Forgetful && memory.orders.len() > 4 {
            memory.orders.remove(0);
        }
        !obsolete && (!known || self.fault == Fault::IdOnly)
    }
}

struct Event {
    id: String,
    kind: String,
    no: String,
    happened: i64,
    further: bool,
    fen: u64,
    seq: u64,
    whose: Vec<String>,
    /// Nothing has gone back.
    just_paid: bool,
    large: bool,
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

fn open(key: &str, resource: &Value) -> Value {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    let part = |name: &str| resource[name].as_str().unwrap_or_default().to_owned();
    let Ok(mut sealed) = STANDARD.decode(part("ciphertext")) else {
        return Value::Null;
    };
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_bytes()).unwrap());
    let Ok(nonce) = Nonce::try_assume_unique_for_key(part("nonce").as_bytes()) else {
        return Value::Null;
    };
    match key.open_in_place(nonce, Aad::from(part("associated_data").as_bytes()), &mut sealed) {
        Ok(plain) => serde_json::from_slice(plain).unwrap(),
        Err(_) => Value::Null,
    }
}

async fn serve(shop: Arc<Shop>) -> u16 {
    let socket = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            let shop = shop.clone();
            tokio::spawn(async move {
                // An error closes the connection without an answer, as a crash does.
                let service = service_fn(move |request| {
                    let shop = shop.clone();
                    async move { shop.answer(request).await }
                });
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    port
}

fn dir(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("guandao-check-{}-{name}", std::process::id()))
}

/// The public key's octets as its kind of verifier takes them.
fn subject_key(der: &[u8]) -> Vec<u8> {
    SubjectPublicKeyInfo::from_der(der)
        .unwrap()
        .1
        .subject_public_key
        .data
        .to_vec()
}

async fn checked(fault: Fault, scheme: Scheme) -> Report {
    let dir = dir(&format!("{fault:?}-{scheme:?}"));
    let language = Language::guandao(&dir, scheme, None).unwrap();
    let der =
        SubjectPublicKeyInfoDer::from_pem_slice(&std::fs::read(&language.public_key_file).unwrap()).unwrap();
    let key = match scheme {
        Scheme::Ed25519 => Key::Ed25519(subject_key(&der)),
        Scheme::Rsa => Key::Rsa(subject_key(&der)),
    };
    let shop = Shop::new(fault, key, &language, "guandao", &["M7"]);
    let language = language.to("M7");
    let report = report(shop, language).await;
    let _ = std::fs::remove_dir_all(dir);
    report
}

async fn report(shop: Shop, language: Language) -> Report {
    let orders = PLACED.map(|(no, fen)| (no.to_owned(), fen)).to_vec();
    told(shop, language, orders, true).await
}

async fn told(shop: Shop, language: Language, orders: Vec<(String, u64)>, asked: bool) -> Report {
    let port = serve(Arc::new(shop)).await;
    let url = format!("http://127.0.0.1:{port}/notify?x=1");
    let delivered = Delivered::new(
        &format!("http://127.0.0.1:{port}/delivered/{{order_no}}"),
        Path::new(""),
    )
    .unwrap();
    let check = Check {
        endpoint: Endpoint::parse(&url, Path::new("")).unwrap(),
        merchant: url,
        language,
        orders,
        delivered: asked.then_some(delivered),
    };
    run(&check).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_endpoint_is_found_right_in_both_schemes() {
    for scheme in [Scheme::Ed25519, Scheme::Rsa] {
        let report = checked(Fault::None, scheme).await;
        assert!(
            report.cases.iter().all(|row| row.verdict == Verdict::Right),
            "{report}"
        );
        assert_eq!((report.wrong, report.notes, report.cases.len()), (0, 0, 27));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(
            (
                &json["wrong"],
                &json["cases"][0]["case"],
                &json["cases"][0]["verdict"]
            ),
            (&0.into(), &"good".into(), &"right".into())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_found_and_no_other() {
    const FORGED: &[&str] = &[
        "wrong_signature",
        "wrong_key",
        "unknown_serial",
        "altered_body",
        "unsigned",
        "old_signature",
        "future_signature",
    ];
    const GOOD: &[&str] = &[
        "good",
        "duplicate",
        "other_id",
        "at_once",
        "refund",
        "out_of_order",
        "closed_after_paid",
        "closed",
        "paid_after_closed",
        "late",
        "further_fields",
        "further_kind",
        "large",
        "slow",
        "hung_up",
        "again",
    ];
    const REPEATED: &[&str] = &["duplicate", "other_id", "at_once", "hung_up", "again"];
    let table: [(Fault, &[&str]); 43] = [
        (Fault::Trusts, FORGED),
        (
            Fault::Glances,
            &["wrong_signature", "wrong_key", "unknown_serial", "altered_body"],
        ),
        (Fault::BelievesStrangers, &["unknown_serial"]),
        (Fault::VerifiesLess, &["altered_body"]),
        (Fault::Timeless, &["old_signature", "future_signature"]),
        (Fault::OneSided, &["future_signature"]),
        (Fault::LooksAtTheEvent, &["late"]),
        (Fault::Repeats, REPEATED),
        (Fault::Races, &["other_id", "at_once"]),
        (Fault::RefusesRepeats, REPEATED),
        (Fault::BreaksOnForged, &[]),
        (Fault::BreaksOnce, &["good"]),
        (Fault::RedirectsOnce, &["good"]),
        (Fault::BreaksAfterwards, &["good"]),
        (Fault::BreaksBetween, &["good", "duplicate"]),
        (Fault::Queues, &[]),
        (Fault::QueuesRepeats, REPEATED),
        (Fault::Tardy, &[]),
        (Fault::NeedsOrder, &["out_of_order"]),
        (Fault::SmallBody, &["large"]),
        (Fault::StrictFields, &["further_fields"]),
        (Fault::StrictKinds, &["further_kind"]),
        (Fault::Impatient, &["slow"]),
        (Fault::Ponders, &["refund", "out_of_order"]),
        (
            Fault::Redirects,
            &[
                "good",
                "duplicate",
                "other_id",
                "wrong_amount",
                "at_once",
                "refund",
                "out_of_order",
                "closed_after_paid",
                "closed",
                "paid_after_closed",
                "late",
                "further_fields",
                "further_kind",
                "large",
                "slow",
                "hung_up",
                "unknown_order",
                "again",
            ],
        ),
        (Fault::Crashes, &["unknown_order"]),
        (
            Fault::Idle,
            &[
                "good",
                "at_once",
                "out_of_order",
                "paid_after_closed",
                "late",
                "further_fields",
                "large",
                "slow",
                "hung_up",
            ],
        ),
        (Fault::OtherKey, GOOD),
        (Fault::NotFound, GOOD),
        (
            Fault::DeliversFirst,
            &[
                "duplicate",
                "other_id",
                "wrong_amount",
                "at_once",
                "refund",
                "out_of_order",
                "closed_after_paid",
                "closed",
                "further_kind",
                "hung_up",
                "wrong_signature",
                "wrong_key",
                "unknown_serial",
                "altered_body",
                "unsigned",
                "old_signature",
                "future_signature",
                "other_account",
                "again",
            ],
        ),
        (Fault::ThrowsAway, &["out_of_order"]),
        (Fault::NewestOnly, &["out_of_order", "late"]),
        (Fault::PaidOnly, &["out_of_order"]),
        (Fault::IdOnly, &["other_id"]),
        (Fault::Forgetful, &["again"]),
        (Fault::TakesRefunds, &["refund", "out_of_order"]),
        (Fault::TakesCloses, &["closed"]),
        (Fault::Undoes, &["closed_after_paid"]),
        (Fault::ClosedForGood, &["paid_after_closed"]),
        (Fault::LosesItsWork, &["hung_up"]),
        (Fault::AnyAmount, &["wrong_amount"]),
        (Fault::AnyAccount, &["other_account"]),
        (Fault::Swallows, &["huge"]),
    ];
    let all = table.map(|(fault, wrong)| {
        tokio::spawn(async move { (fault, wrong, checked(fault, Scheme::Ed25519).await) })
    });
    for one in all {
        let (fault, wrong, report) = one.await.unwrap();
        assert_eq!(report.wrongs(), wrong, "{fault:?}\n{report}");
        let sentence =
            |row: &sandbox::check::Row| row.verdict == Verdict::Right || row.finding.ends_with(['.', '?']);
        assert!(report.cases.iter().all(sentence), "{report}");
        let said = |text: &str| {
            report
                .cases
                .iter()
                .filter(|row| row.finding.contains(text))
                .count()
        };
        let acknowledges = !matches!(fault, Fault::NotFound | Fault::OtherKey | Fault::Redirects);
        assert!(
            acknowledges || said("deliver") + said("put into effect") + said("at once") == 0,
            "nothing was acknowledged, so nothing was due: {report}"
        );
        let notes = match fault {
            // Five forged letters and the one that is too long.
            Fault::BreaksOnForged => 6,
            Fault::Redirects => 9,
            Fault::Tardy => 1,
            _ => 0,
        };
        assert_eq!(report.notes, notes, "{fault:?}\n{report}");
        match fault {
            Fault::Tardy => assert_eq!(said("more than 3 s later"), 1, "{report}"),
            Fault::RedirectsOnce => assert_eq!(said("Redirects are not followed"), 1, "{report}"),
            Fault::Redirects => assert_eq!(said("edirects are not followed"), report.cases.len(), "{report}"),
            Fault::BreaksBetween => {
                assert_eq!(said("was not delivered. What is acknowledged"), 1, "{report}")
            }
            _ => {}
        }
    }
}

/// Where nobody is there is nothing to judge.
#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_is_it_cannot_be_run() {
    let port = TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let dir = dir("nobody");
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_guandao-sandbox"));
    command
        .args(["check", "--merchant"])
        .arg(format!("http://127.0.0.1:{port}/notify"));
    let output = command.arg("--dir").arg(&dir).output().await.unwrap();
    let _ = std::fs::remove_dir_all(dir);
    let (said, why) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert_eq!(output.status.code(), Some(2), "{said}{why}");
    assert!(
        why.contains("no connection") && !said.contains("WRONG"),
        "{said}{why}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wechat_pays_language_is_spoken_too() {
    let dir = dir("wechat");
    // The keys are made once, before many read them.
    drop(Language::wechat(&dir, Mode::Certificate).unwrap());
    let table: [(Fault, &[&str]); 11] = [
        (Fault::None, &[]),
        (Fault::SaysFail, &[]),
        (Fault::Breaks, &["wrong_amount", "unknown_order"]),
        (
            Fault::Glances,
            // What was altered does not open.
            &[
                "wrong_signature",
                "wrong_key",
                "unknown_serial",
                "signature_probe",
            ],
        ),
        (
            Fault::Repeats,
            &["duplicate", "other_id", "at_once", "hung_up", "again"],
        ),
        (Fault::ThrowsAway, &["out_of_order"]),
        (Fault::TakesRefunds, &["refund", "out_of_order"]),
        (Fault::AnyAmount, &["wrong_amount"]),
        (Fault::AnyAccount, &["other_account"]),
        (Fault::TakesProbes, &["signature_probe"]),
        (Fault::AcknowledgesTheSealed, &["other_secret"]),
    ];
    let one = |dir: PathBuf, mode: Mode, fault: Fault| async move {
        let language = Language::wechat(&dir, mode).unwrap();
        let pem = std::fs::read(&language.public_key_file).unwrap();
        let bits = match mode {
            Mode::Certificate => {
                let der = CertificateDer::from_pem_slice(&pem).unwrap();
                let certificate = X509Certificate::from_der(&der).unwrap().1;
                certificate.public_key().subject_public_key.data.to_vec()
            }
            Mode::PublicKey => {
                let der = SubjectPublicKeyInfoDer::from_pem_slice(&pem).unwrap();
                let key = SubjectPublicKeyInfo::from_der(&der).unwrap().1;
                key.subject_public_key.data.to_vec()
            }
        };
        let key = Key::Rsa(bits);
        let material = sandbox::material::open_or_generate(&dir, 1).unwrap();
        let apiv3_key = Some(material.merchants[0].wechat.apiv3_key.clone());
        let mchid = material.merchants[0].wechat.mchid.clone();
        let shop = Shop {
            apiv3_key,
            ..Shop::new(fault, key, &language, "wechatpay", &[&mchid])
        };
        report(shop, language).await
    };
    // Which key it is changes nothing of what is asked; a right endpoint may have the one or the other.
    let mut all = vec![(Mode::PublicKey, Fault::None, &[][..])];
    all.extend(table.map(|(fault, wrong)| (Mode::Certificate, fault, wrong)));
    let spawned = |(mode, fault, wrong)| (fault, wrong, tokio::spawn(one(dir.clone(), mode, fault)));
    for (fault, wrong, report) in all.into_iter().map(spawned).collect::<Vec<_>>() {
        let report = report.await.unwrap();
        assert_eq!(report.wrongs(), wrong, "{fault:?}\n{report}");
        assert!(fault != Fault::SaysFail || report.notes == 0, "{report}");
        assert_eq!(report.cases.len(), 26, "no closes, but probes and seals");
    }
    let _ = std::fs::remove_dir_all(dir);
}

#[tokio::test(flavor = "multi_thread")]
async fn alipays_language_is_spoken_too() {
    const GOOD: &[&str] = &[
        "good",
        "duplicate",
        "other_id",
        "at_once",
        "refund",
        "out_of_order",
        "closed_after_paid",
        "closed",
        "late",
        "further_fields",
        "further_kind",
        "large",
        "slow",
        "hung_up",
        "again",
    ];
    // Whose acknowledgement is none: what can be acknowledged or not is no fault of theirs.
    let dir = dir("alipay");
    drop(Language::alipay(&dir).unwrap());
    let table: [(Fault, &[&str]); 15] = [
        (Fault::None, &[]),
        (Fault::SaysFail, &[]),
        (Fault::Breaks, &["wrong_amount", "unknown_order"]),
        (
            Fault::Trusts,
            &["wrong_signature", "wrong_key", "altered_body", "unsigned"],
        ),
        (Fault::Glances, &["wrong_signature", "wrong_key", "altered_body"]),
        (
            Fault::Repeats,
            &["duplicate", "other_id", "at_once", "hung_up", "again"],
        ),
        (Fault::StrictFields, GOOD),
        (Fault::StrictKinds, GOOD),
        (Fault::ThrowsAway, &["out_of_order"]),
        (Fault::TakesRefunds, &["refund", "out_of_order"]),
        (Fault::TakesCloses, &["closed"]),
        (Fault::Undoes, &["closed_after_paid"]),
        (Fault::AnyAmount, &["wrong_amount"]),
        (Fault::AnyAccount, &["other_account", "other_seller"]),
        (Fault::AnySeller, &["other_seller"]),
    ];
    let one = |dir: PathBuf, fault: Fault| async move {
        let language = Language::alipay(&dir).unwrap();
        let der = SubjectPublicKeyInfoDer::from_pem_slice(&std::fs::read(&language.public_key_file).unwrap())
            .unwrap();
        let facts = &sandbox::material::open_or_generate(&dir, 1).unwrap().merchants[0].alipay;
        let key = Key::Rsa(subject_key(&der));
        let me = [facts.app_id.as_str(), facts.seller_id.as_str()];
        let shop = Shop::new(fault, key, &language, "alipay", &me);
        report(shop, language).await
    };
    let all = table.map(|(fault, wrong)| (fault, wrong, tokio::spawn(one(dir.clone(), fault))));
    for (fault, wrong, report) in all {
        let report = report.await.unwrap();
        assert_eq!(report.wrongs(), wrong, "{fault:?}\n{report}");
        assert!(fault != Fault::SaysFail || report.notes == 0, "{report}");
        assert_eq!(
            report.cases.len(),
            24,
            "no serial and no time of the signature to get wrong, but closes and sellers"
        );
    }
    let _ = std::fs::remove_dir_all(dir);
}

/// What nobody can see from outside is said, not guessed.
#[tokio::test(flavor = "multi_thread")]
async fn without_orders_or_deliveries_it_says_what_it_cannot_see() {
    let dir = dir("unseen");
    for (orders, verdict) in [
        (vec![], Verdict::Untried),
        (
            PLACED.map(|(no, fen)| (no.to_owned(), fen)).to_vec(),
            Verdict::Note,
        ),
    ] {
        let language = Language::guandao(&dir, Scheme::Ed25519, None).unwrap();
        let pem = std::fs::read(&language.public_key_file).unwrap();
        let key = Key::Ed25519(subject_key(
            &SubjectPublicKeyInfoDer::from_pem_slice(&pem).unwrap(),
        ));
        let shop = Shop::new(Fault::AnyAmount, key, &language, "guandao", &["M1001"]);
        let report = told(shop, language, orders, false).await;
        let row = report
            .cases
            .iter()
            .find(|row| row.case == "wrong_amount")
            .unwrap();
        assert_eq!((row.verdict, report.wrong), (verdict, 0), "{report}");
        assert!(row.finding.contains("--"), "{report}");
    }
    let _ = std::fs::remove_dir_all(dir);
}
