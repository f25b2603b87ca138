//! Logs for people (JSON by a flag), metrics and traces with closed label sets. Labels and fields come from enums and
//! numbers of our own; no value of a request ever becomes one.

use crate::{accept::Door, config, health::Turn, lines::Lines, payment::Errand};
use domain::{Ailment, BreakerState, Channel, Clause, Operation, OperationClass, RouteTaken};
use ledger::Order;
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, MeterProvider, UpDownCounter},
};
use opentelemetry_sdk::{
    Resource,
    metrics::{PeriodicReader, SdkMeterProvider},
    trace::SdkTracerProvider,
};
use prometheus::Registry;
use std::{sync::Arc, time::Duration};

/// Everything we count.
pub struct Metrics {
    requests: Counter<u64>,
    request_time: Histogram<f64>,
    exchanges: Counter<u64>,
    exchange_time: Histogram<f64>,
    refusals: Counter<u64>,
    errands: Counter<u64>,
    notices: Counter<u64>,
    tells: Counter<u64>,
    purges: Counter<u64>,
    routes: Counter<u64>,
    breakers: UpDownCounter<i64>,
    turns: Counter<u64>,
    pub(crate) registry: Registry,
    provider: SdkMeterProvider,
}

impl Metrics {
    /// Metrics that are pulled from `/metrics`, and pushed by OTLP where an address is given.
    pub fn new(service: &str, otlp: Option<&str>) -> anyhow::Result<Arc<Metrics>> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .build()?;
        let mut builder = SdkMeterProvider::builder()
            .with_resource(resource(service))
            .with_reader(exporter);
        if let Some(endpoint) = otlp {
            use opentelemetry_otlp::WithExportConfig;
            let push = opentelemetry_otlp::MetricExporter::builder()
                .with_tonic()
                .with_endpoint(endpoint)
                .build()?;
            builder = builder.with_reader(
                PeriodicReader::builder(push)
                    .with_interval(Duration::from_secs(5))
                    .build(),
            );
        }
        let provider = builder.build();
        let meter = provider.meter("guandao");
        // The unit stands in the name; as a unit too, the pull format would append it once more.
        let seconds = |name: &'static str, what: &'static str| {
            let bounds = vec![
                0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
            ];
            meter
                .f64_histogram(name)
                .with_description(what)
                .with_boundaries(bounds)
                .build()
        };
        let count =
            |name: &'static str, what: &'static str| meter.u64_counter(name).with_description(what).build();
        Ok(Arc::new(Metrics {
            requests: count("guandao_requests", "Requests by door and status class"),
            request_time: seconds("guandao_request_seconds", "Time to answer a request"),
            exchanges: count("guandao_exchanges", "Exchanges with channels"),
            exchange_time: seconds("guandao_exchange_seconds", "Time of an exchange with a channel"),
            refusals: count("guandao_refusals", "Refusals by public clause"),
            errands: count(
                "guandao_errands",
                "Errands by channel and state of the order afterwards",
            ),
            notices: count("guandao_notices", "Notices by channel and outcome"),
            tells: count(
                "guandao_merchant_notifications",
                "Notifications to merchants by outcome",
            ),
            purges: count("guandao_buckets_destroyed", "Bucket keys that died"),
            routes: count(
                "guandao_route_choices",
                "New orders by channel and what decided on their account",
            ),
            breakers: meter
                .i64_up_down_counter("guandao_breakers_not_closed")
                .with_description("Breakers that are open or half open, by channel, class and state")
                .build(),
            turns: count(
                "guandao_breaker_turns",
                "Turns of breakers by channel, class, state they came to and cause",
            ),
            registry,
            provider,
        }))
    }

    /// A request was answered.
    //= C54
    pub fn answered(&self, door: Door, status: u16, took: Duration) {
        let class = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"]
            .get(usize::from(status / 100))
            .copied()
            .unwrap_or("other");
        self.requests.add(
            1,
            &[
                KeyValue::new("door", door.as_str()),
                KeyValue::new("status", class),
            ],
        );
        self.request_time
            .record(took.as_secs_f64(), &[KeyValue::new("door", door.as_str())]);
    }

    /// An exchange with a channel ended.
    pub fn exchanged(&self, channel: Channel, operation: Operation, answered: bool, took: Duration) {
        let labels = [
            KeyValue::new("channel", channel.as_str()),
            KeyValue::new("operation", operation.as_str()),
            KeyValue::new("answered", answered),
        ];
        self.exchanges.add(1, &labels);
        self.exchange_time.record(took.as_secs_f64(), &labels[..2]);
    }

    /// Policy refused.
    pub fn refused(&self, clause: Clause) {
        self.refusals
            .add(1, &[KeyValue::new("clause", clause.to_string())]);
    }

    /// An errand is over.
    pub fn concluded(&self, order: &Order, errand: &Errand) {
        let what = match errand {
            Errand::Place(_) => "place",
            Errand::Close(_) => "close",
            Errand::Reverse(_) => "reverse",
            Errand::Refund(_) => "refund",
            Errand::Redirect(_) => "redirect",
        };
        let state = crate::api::render::state_name(order.state());
        self.errands.add(
            1,
            &[
                KeyValue::new("channel", order.latest().channel.as_str()),
                KeyValue::new("errand", what),
                KeyValue::new("state", state),
            ],
        );
    }

    /// A notice of a channel was handled.
    pub fn noticed(&self, channel: Channel, outcome: &'static str) {
        self.notices.add(
            1,
            &[
                KeyValue::new("channel", channel.as_str()),
                KeyValue::new("outcome", outcome),
            ],
        );
    }

    /// A merchant was told, or not.
    pub fn told(&self, outcome: &'static str) {
        self.tells.add(1, &[KeyValue::new("outcome", outcome)]);
    }

    /// Buckets died.
    pub fn purged(&self, buckets: u64) {
        self.purges.add(buckets, &[]);
    }

    /// An attempt was given its account where there was a choice: why, and why not the one that would have come first.
    pub fn routed(&self, channel: Channel, route: &RouteTaken) {
        let passed = route.passed.first().map_or("none", |passed| passed.why.as_str());
        self.routes.add(
            1,
            &[
                KeyValue::new("channel", channel.as_str()),
                KeyValue::new("passed", passed),
                KeyValue::new("why", route.why.as_str()),
            ],
        );
    }

    /// A breaker turned. Which account's stands in the journal, not here.
    pub fn breaker_turned(&self, channel: Channel, class: OperationClass, turn: Turn) {
        let labels = |state: BreakerState| {
            [
                KeyValue::new("channel", channel.as_str()),
                KeyValue::new("class", class.as_str()),
                KeyValue::new("state", state.as_str()),
            ]
        };
        for (state, by) in [(turn.from, -1), (turn.to, 1)] {
            if state != BreakerState::Closed {
                self.breakers.add(by, &labels(state));
            }
        }
        let [channel, class, state] = labels(turn.to);
        self.turns.add(
            1,
            &[
                channel,
                class,
                state,
                KeyValue::new("cause", turn.ailment.map_or("none", Ailment::as_str)),
            ],
        );
    }

    /// A breaker was not closed when the last run ended.
    pub fn breaker_restored(&self, channel: Channel, class: OperationClass) {
        let labels = [
            KeyValue::new("channel", channel.as_str()),
            KeyValue::new("class", class.as_str()),
            KeyValue::new("state", BreakerState::Open.as_str()),
        ];
        self.breakers.add(1, &labels);
    }

    /// The pull format.
    pub fn render(&self) -> String {
        prometheus::TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_default()
    }

    /// Pushes what is left.
    pub fn stop(&self) {
        let _ = self.provider.shutdown();
    }
}

fn resource(service: &str) -> Resource {
    Resource::builder().with_service_name(service.to_owned()).build()
}

/// Logs and traces of this process. Keep the guard until the end.
pub fn start(telemetry: &config::Telemetry, service: &str) -> anyhow::Result<Guard> {
    use tracing_subscriber::{Layer, filter::LevelFilter, layer::SubscriberExt, util::SubscriberInitExt};
    let level: LevelFilter = telemetry.level.parse().unwrap_or(LevelFilter::INFO);
    let ours = tracing_subscriber::filter::filter_fn(|meta| {
        meta.target().starts_with("proxy")
            || meta.target().starts_with("ledger")
            || meta.target().starts_with("guandao")
    });
    let lines = Lines::start();
    let format = tracing_subscriber::fmt::layer().with_writer(lines.clone());
    let logs = if telemetry.json {
        format.json().boxed()
    } else {
        format.with_ansi(false).boxed()
    };
    let tracer = match &telemetry.otlp {
        None => None,
        Some(endpoint) => {
            use opentelemetry_otlp::WithExportConfig;
            let exporter = opentelemetry_otlp::SpanExporter::builder()
                .with_tonic()
                .with_endpoint(endpoint)
                .build()?;
            Some(
                SdkTracerProvider::builder()
                    .with_resource(resource(service))
                    .with_batch_exporter(exporter)
                    .build(),
            )
        }
    };
    let spans = tracer.as_ref().map(|provider| {
        use opentelemetry::trace::TracerProvider;
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("guandao"))
            .with_filter(ours.clone())
    });
    let _ = tracing_subscriber::registry()
        .with(logs.with_filter(level).with_filter(ours))
        .with(spans)
        .try_init();
    Ok(Guard(tracer, lines))
}

/// Flushes traces and log lines when dropped.
pub struct Guard(Option<SdkTracerProvider>, Lines);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take() {
            let _ = provider.shutdown();
        }
        self.1.flush();
    }
}
