//! Metrics and traces against a real receiver: what arrives has names, labels and values of closed sets, and nothing of
//! a buyer is in any octet of it.

use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::{AnyValue, KeyValue, any_value::Value as Any},
    metrics::v1::{Metric, metric::Data},
    trace::v1::Span,
};
use proxy::fault::Code;
use sandbox::demo::{Demo, http::Client, place::Options};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tonic::{Request, Response, Status};

/// In every text of a buyer, of an order's name and of a hostile request.
const CANARY: &str = "canaryqzbuyer";

/// What arrived.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Received>>);

#[derive(Default)]
struct Received {
    octets: Vec<u8>,
    spans: Vec<ExportTraceServiceRequest>,
    metrics: Vec<ExportMetricsServiceRequest>,
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().expect("lock").spans.push(request.into_inner());
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.0.lock().expect("lock").metrics.push(request.into_inner());
        Ok(Response::new(Default::default()))
    }
}

impl Receiver {
    /// Listens; keeps every octet on its way to the real service.
    async fn start(&self) -> SocketAddr {
        let [port] = sandbox::demo::ports::free().expect("a port");
        let inner = SocketAddr::from(([127, 0, 0, 1], port));
        let service = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(self.clone()))
            .add_service(MetricsServiceServer::new(self.clone()));
        tokio::spawn(service.serve(inner));
        let outer = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = outer.local_addr().expect("an address");
        let all = self.0.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = outer.accept().await {
                tokio::spawn(pass(stream, inner, all.clone()));
            }
        });
        address
    }
}

async fn pass(stream: TcpStream, to: SocketAddr, all: Arc<Mutex<Received>>) {
    let Ok(service) = TcpStream::connect(to).await else {
        return;
    };
    let ((mut from, mut back), (mut answers, mut into)) = (stream.into_split(), service.into_split());
    let there = async {
        let mut buffer = vec![0; 65_536];
        while let Ok(n @ 1..) = from.read(&mut buffer).await {
            all.lock().expect("lock").octets.extend_from_slice(&buffer[..n]);
            if into.write_all(&buffer[..n]).await.is_err() {
                return;
            }
        }
        let _ = into.shutdown().await;
    };
    tokio::join!(there, tokio::io::copy(&mut answers, &mut back))
        .1
        .ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_gets_spans_and_metrics_of_closed_sets_and_no_buyer() {
    let receiver = Receiver::default();
    let address = receiver.start().await;
    let dir = tempfile::tempdir().expect("a folder");
    let extra = format!("[telemetry]\nlevel = \"debug\"\notlp = \"http://{address}\"\n");
    let options = Options {
        desk: false,
        merchants: 2,
        extra,
        ..Options::default()
    };
    let demo = Demo::start(dir.path(), &options, true)
        .await
        .unwrap_or_else(|e| panic!("the demo starts: {e:#}"));
    trade(&demo).await;
    two_more_pushes(&receiver).await;
    let metrics = Client::clear(([127, 0, 0, 1], demo.place.ports.metrics).into());
    let pulled = metrics.send("GET", "/metrics", &[], b"").await.expect("metrics");
    prometheus(&String::from_utf8_lossy(&pulled.body));
    demo.services.stop().await.expect("stops");
    let log = std::fs::read_to_string(dir.path().join("guandao.log")).expect("a log");
    assert!(
        log.contains("answered") && !log.contains(CANARY),
        "the log speaks of a buyer"
    );
    let received = receiver.0.lock().expect("lock");
    println!(
        "{} octets, {} exports of spans, {} of metrics",
        received.octets.len(),
        received.spans.len(),
        received.metrics.len()
    );
    for hidden in [CANARY, "203.0.113.77", "13800138000", "hostileqz"] {
        assert!(
            !received
                .octets
                .windows(hidden.len())
                .any(|w| w == hidden.as_bytes()),
            "{hidden} was exported"
        );
        // The octets are not compressed: what they hold, can be found in them.
        assert!(received.octets.windows(12).any(|w| w == b"guandao.demo"));
    }
    for merchant in &demo.place.merchants {
        let accounts = &merchant.accounts;
        let numbers = [
            &merchant.id,
            &accounts.wechat.mchid,
            &accounts.alipay.app_id,
            &accounts.alipay.seller_id,
        ];
        for number in numbers {
            assert!(
                !received
                    .octets
                    .windows(number.len())
                    .any(|w| w == number.as_bytes()),
                "{number} was exported"
            );
        }
    }
    spans(&received.spans);
    pushed(&received.metrics);
}

/// Something of everything: payments, refunds, refusals, hostile requests, notices.
async fn trade(demo: &Demo) {
    let merchant = demo.merchant(0).expect("merchant");
    for (channel, way, payer) in [
        ("wechat", "jsapi", json!({ "openid": format!("o{CANARY}") })),
        ("alipay", "qr", Value::Null),
    ] {
        let mut body = json!({
            "order_no": format!("{CANARY}{channel}"), "channel": channel, "pay_way": way, "amount": 300, "description": format!("{CANARY} 13800138000"), "attach": CANARY,
            "client_ip": "203.0.113.77", "device_id": CANARY, "detail": if channel == "wechat" { format!("{{\"invoice_id\":\"{CANARY}\"}}") } else { format!("[{{\"goods_id\":\"g\",\"goods_name\":\"{CANARY}\",\"quantity\":1,\"price\":\"3\"}}]") },
        });
        if !payer.is_null() {
            body["payer"] = payer;
        }
        let answer = merchant
            .ask("POST", "/v1/payments", Some(&body))
            .await
            .expect("answers");
        assert_eq!(answer.status, 201, "{}", answer.json());
        let order = answer.json();
        demo.control(
            "/control/pay",
            &json!({ "channel": channel, "out_trade_no": order["number"], "outcome": "paid" }),
        )
        .await
        .expect("pays");
        let id = order["id"].as_str().expect("an id").to_owned();
        merchant
            .until(&id, "payment", |o| o["state"] == "paid")
            .await
            .expect("paid");
        let refund = json!({ "refund_no": "r1", "amount": 100, "reason": format!("{CANARY} 13800138000") });
        let refunded = merchant
            .ask("POST", &format!("/v1/payments/{id}/refunds"), Some(&refund))
            .await
            .expect("answers");
        assert!(refunded.status < 300, "{}", refunded.json());
        merchant
            .until(&id, "refund", |o| o["state"] == "partly_refunded")
            .await
            .expect("refunded");
        let close = merchant
            .ask("POST", &format!("/v1/payments/{id}/close"), Some(&json!({})))
            .await
            .expect("answers");
        assert_eq!(close.status, 409);
    }
    for body in [
        json!({ "hostileqz": CANARY }),
        json!({ "order_no": "x", "amount": CANARY }),
    ] {
        let answer = merchant
            .ask("POST", "/v1/payments", Some(&body))
            .await
            .expect("answers");
        assert_eq!(answer.status, 400);
    }
    let api = Client::tls(([127, 0, 0, 1], demo.place.ports.api).into(), demo.ca()).expect("client");
    let notify = Client::tls(([127, 0, 0, 1], demo.place.ports.notify).into(), demo.ca()).expect("client");
    for n in 0..20 {
        let path = format!("/hostileqz/{n}/{CANARY}");
        api.send(
            "POST",
            &path,
            &[("authorization", CANARY), ("x-hostileqz", CANARY)],
            CANARY.as_bytes(),
        )
        .await
        .expect("answers");
        let account = &demo.place.merchants[0].accounts.alipay.app_id;
        notify
            .send(
                "POST",
                &format!("/n/alipay/{account}"),
                &[],
                format!("{CANARY}={CANARY}&{CANARY}=1").as_bytes(),
            )
            .await
            .expect("answers");
    }
}

/// The meter pushes every five seconds: one whole push that began after all this.
async fn two_more_pushes(receiver: &Receiver) {
    let pushes = || receiver.0.lock().expect("lock").metrics.len();
    let known = pushes();
    for _ in 0..600 {
        if pushes() >= known + 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no metrics came for a minute");
}

fn set<const N: usize>(words: [&str; N]) -> BTreeSet<String> {
    words.into_iter().map(str::to_owned).collect()
}

/// Labels that a metric may have, and what they may say.
fn labels() -> BTreeMap<&'static str, BTreeSet<String>> {
    let channels = set(["wechat", "alipay"]);
    [
        (
            "door",
            set(["api", "wechat", "alipay", "notify", "metrics", "journal"]),
        ),
        ("status", set(["1xx", "2xx", "3xx", "4xx", "5xx", "other"])),
        ("channel", channels),
        (
            "operation",
            set([
                "create",
                "query",
                "close",
                "refund",
                "refund_query",
                "certificates",
            ]),
        ),
        ("answered", set(["true", "false"])),
        ("errand", set(["place", "close", "refund"])),
        (
            "state",
            set([
                "unknown",
                "awaiting_payment",
                "paid",
                "partly_refunded",
                "refunded",
                "closed",
                "not_placed",
                "unresolved",
                "open",
                "half_open",
            ]),
        ),
        ("why", set(["first", "standby", "failover", "none_in_order"])),
        (
            "passed",
            set([
                "none",
                "breaker_open",
                "on_trial",
                "tried",
                "unhealthy",
                "other_app",
            ]),
        ),
        ("class", set(["place", "change", "ask"])),
        (
            "cause",
            set([
                "none",
                "not_connected",
                "broken",
                "silent",
                "channel_error",
                "unsure",
                "unreadable",
                "account",
                "limited",
                "slow",
            ]),
        ),
        (
            "outcome",
            set([
                "refused",
                "wrong_signature",
                "ignored",
                "foreign",
                "known",
                "recorded",
                "acknowledged",
                "failed",
            ]),
        ),
        ("clause", (1..100).map(|n| format!("C{n:02}")).collect()),
    ]
    .into()
}

/// Metrics by name, and the labels each may have.
const METRICS: [(&str, &[&str]); 12] = [
    ("guandao_requests", &["door", "status"]),
    ("guandao_request_seconds", &["door"]),
    ("guandao_exchanges", &["answered", "channel", "operation"]),
    ("guandao_exchange_seconds", &["channel", "operation"]),
    ("guandao_refusals", &["clause"]),
    ("guandao_errands", &["channel", "errand", "state"]),
    ("guandao_notices", &["channel", "outcome"]),
    ("guandao_merchant_notifications", &["outcome"]),
    ("guandao_buckets_destroyed", &[]),
    ("guandao_route_choices", &["channel", "passed", "why"]),
    ("guandao_breakers_not_closed", &["channel", "class", "state"]),
    ("guandao_breaker_turns", &["cause", "channel", "class", "state"]),
];

fn text(value: &Option<AnyValue>) -> String {
    match value.as_ref().and_then(|v| v.value.as_ref()) {
        Some(Any::StringValue(text)) => text.clone(),
        Some(Any::BoolValue(flag)) => flag.to_string(),
        Some(Any::IntValue(number)) => number.to_string(),
        Some(Any::DoubleValue(number)) => number.to_string(),
        other => panic!("a value of an odd kind: {other:?}"),
    }
}

fn of_resource(attributes: &[KeyValue]) {
    for attribute in attributes {
        let value = text(&attribute.value);
        match attribute.key.as_str() {
            "service.name" => assert_eq!(value, sandbox::demo::place::NAME),
            "telemetry.sdk.name" | "telemetry.sdk.language" | "telemetry.sdk.version" => {}
            other => panic!("the resource says {other}={value}"),
        }
    }
}

fn spans(exports: &[ExportTraceServiceRequest]) {
    let resources = exports.iter().flat_map(|e| &e.resource_spans);
    resources
        .clone()
        .filter_map(|r| r.resource.as_ref())
        .for_each(|r| of_resource(&r.attributes));
    let spans: Vec<&Span> = resources
        .flat_map(|r| &r.scope_spans)
        .flat_map(|s| &s.spans)
        .collect();
    assert!(spans.len() > 40, "{} spans", spans.len());
    let (mut doors, mut names) = (BTreeSet::new(), BTreeSet::new());
    for span in &spans {
        assert_eq!(span.name, "request");
        span.attributes.iter().for_each(|a| attribute(a, &mut doors));
        for event in &span.events {
            names.insert(event.name.clone());
            event.attributes.iter().for_each(|a| attribute(a, &mut doors));
        }
        assert!(
            span.status.as_ref().is_none_or(|s| s.message.is_empty()),
            "{span:?}"
        );
    }
    println!("{} spans of {doors:?}; events {names:?}", spans.len());
    assert!(doors.is_superset(&set(["api", "notify"])));
    // Fixed sentences of the source; a value in one of them would make it another.
    let known = set([
        "answered",
        "refused",
        "a notification was not acknowledged",
        "an order was not sent",
    ]);
    assert!(names.is_subset(&known), "events {names:?}");
}

fn attribute(attribute: &KeyValue, doors: &mut BTreeSet<String>) {
    let value = text(&attribute.value);
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let holds = match attribute.key.as_str() {
        "door" => doors.insert(value.clone()) || labels()["door"].contains(&value),
        "id" => value.len() == 16 && value.bytes().all(|b| b.is_ascii_hexdigit()),
        "code" => Code::ALL.iter().any(|c| c.row().code == value),
        "channel" => labels()["channel"].contains(&value),
        "level" => ["ERROR", "WARN", "INFO", "DEBUG"].contains(&value.as_str()),
        "status" | "micros" | "busy_ns" | "idle_ns" | "thread.id" | "code.line.number" | "code.lineno" => {
            number(&value)
        }
        // Ours: where in the source, and a fixed reason that names no value.
        "target" | "code.module.name" | "code.namespace" => {
            value.starts_with("proxy") || value.starts_with("ledger")
        }
        "code.file.path" | "code.filepath" => value.ends_with(".rs"),
        "thread.name" => value.starts_with("tokio") || value == "main" || value.starts_with("guandao"),
        "inside" => value.len() < 120 && value.bytes().filter(u8::is_ascii_digit).count() < 6,
        _ => false,
    };
    assert!(holds, "an attribute {}={value}", attribute.key);
    assert!(doors.iter().all(|d| labels()["door"].contains(d)), "{doors:?}");
}

fn pushed(exports: &[ExportMetricsServiceRequest]) {
    let resources = exports.iter().flat_map(|e| &e.resource_metrics);
    resources
        .clone()
        .filter_map(|r| r.resource.as_ref())
        .for_each(|r| of_resource(&r.attributes));
    let metrics: Vec<&Metric> = resources
        .flat_map(|r| &r.scope_metrics)
        .flat_map(|s| &s.metrics)
        .collect();
    let mut seen = BTreeSet::new();
    for metric in metrics {
        let (_, allowed) = METRICS
            .iter()
            .find(|(name, _)| *name == metric.name)
            .unwrap_or_else(|| panic!("a metric {}", metric.name));
        seen.insert(metric.name.clone());
        let points: Vec<&[KeyValue]> = match metric.data.as_ref().expect("data") {
            Data::Sum(sum) => sum.data_points.iter().map(|p| p.attributes.as_slice()).collect(),
            Data::Histogram(histogram) => histogram
                .data_points
                .iter()
                .map(|p| p.attributes.as_slice())
                .collect(),
            other => panic!("{}: {other:?}", metric.name),
        };
        assert!(
            !points.is_empty() && points.len() < 100,
            "{} points of {}",
            points.len(),
            metric.name
        );
        for point in points {
            point
                .iter()
                .for_each(|a| label(&metric.name, &a.key, &text(&a.value), allowed));
        }
    }
    println!("pushed {seen:?}");
    for name in [
        "guandao_requests",
        "guandao_request_seconds",
        "guandao_exchanges",
        "guandao_errands",
        "guandao_notices",
        "guandao_merchant_notifications",
    ] {
        assert!(seen.contains(name), "{name} did not arrive");
    }
}

fn label(metric: &str, key: &str, value: &str, allowed: &[&str]) {
    assert!(allowed.contains(&key), "{metric} has a label {key}");
    assert!(labels()[key].contains(value), "{metric} has {key}={value}");
}

/// The text format: comments, then samples of what the comments declare.
fn prometheus(page: &str) {
    let mut kinds = BTreeMap::new();
    let mut samples = 0;
    for line in page.lines().filter(|l| !l.is_empty()) {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (what, name, rest) = (
                words.next().expect("a word"),
                words.next().expect("a name"),
                words.next().unwrap_or_default(),
            );
            assert!(what == "HELP" || what == "TYPE", "{line}");
            if what == "TYPE" {
                kinds.insert(name.to_owned(), rest.to_owned());
            }
            continue;
        }
        samples += 1;
        let (series, value) = line.rsplit_once(' ').expect("a value");
        value.parse::<f64>().unwrap_or_else(|e| panic!("{line}: {e}"));
        let (name, inner) = series.split_once('{').map_or((series, ""), |(n, l)| {
            (n, l.strip_suffix('}').expect("a closing brace"))
        });
        let family = ["", "_bucket", "_sum", "_count"]
            .iter()
            .find_map(|s| name.strip_suffix(s).filter(|f| kinds.contains_key(*f)))
            .unwrap_or_else(|| panic!("{name} is not declared"));
        if family == "target_info" || family == "otel_scope_info" {
            assert!(
                inner.split(',').filter(|l| !l.is_empty()).all(|l| [
                    "service_name",
                    "telemetry_sdk_",
                    "otel_scope_name"
                ]
                .iter()
                .any(|known| l.starts_with(known))),
                "{line}"
            );
            continue;
        }
        let base = family.strip_suffix("_total").unwrap_or(family);
        let (_, allowed) = METRICS
            .iter()
            .find(|(name, _)| *name == base)
            .unwrap_or_else(|| panic!("a metric {family}"));
        for pair in inner.split(',').filter(|l| !l.is_empty()) {
            let (key, quoted) = pair.split_once('=').expect("a pair");
            let value = quoted.trim_matches('"');
            match key {
                "le" => assert!(value == "+Inf" || value.parse::<f64>().is_ok(), "{line}"),
                "otel_scope_name" => assert_eq!(value, "guandao"),
                key => label(base, key, value, allowed),
            }
        }
    }
    assert!(samples > 50 && kinds.len() >= 6, "{samples} samples of {kinds:?}");
    println!("{samples} samples of {:?}", kinds.keys().collect::<Vec<_>>());
}
