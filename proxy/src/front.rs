//! Which stack answers at which door.

use crate::{
    accept::{Answer, Door, Received},
    api::{openapi, render},
    app::App,
    fault::{Code, Fault, Stop},
    limits::source,
    scan,
    stack::{self, Stack},
    stage::Response,
};
use bytes::Bytes;
use http::{Method, StatusCode};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::LazyLock,
};
use tower::ServiceExt;

/// It is the same for everybody, and large.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| openapi::document().to_string().into());

/// All doors of one app.
#[derive(Clone)]
pub struct Front {
    app: App,
    mutations: Stack,
    reads: Stack,
    pass_through: Stack,
    notifications: Stack,
    pages: Stack,
    scans: Stack,
}

impl Front {
    /// Builds the six stacks.
    pub fn new(app: &App) -> Front {
        Front {
            app: app.clone(),
            mutations: stack::mutations(app),
            reads: stack::reads(app),
            pass_through: stack::pass_through(app),
            notifications: stack::notifications(app),
            pages: stack::pages(app),
            scans: stack::scans(app),
        }
    }

    /// Documents and health need no key.
    fn open(&self, request: &Received) -> Option<Response> {
        let path = request.head.uri.path();
        let asked = request.door == Door::Metrics || ["/healthz", "/readyz", "/openapi.json"].contains(&path);
        if let (true, Err(fault)) = (asked, request.lawful()) {
            return Some(render::problem(&fault, None));
        }
        let stands = match request.door {
            Door::Api => ["/healthz", "/readyz", "/openapi.json"].contains(&path),
            Door::Metrics => ["/healthz", "/readyz", "/metrics"].contains(&path),
            _ => false,
        };
        if !stands {
            return None;
        }
        // Balancers ask by HEAD; the body stays behind on the way out.
        if ![Method::GET, Method::HEAD].contains(&request.head.method) {
            let mut fault = Fault::new(Code::MethodNotAllowed, "This resource takes GET and HEAD.");
            fault.allow = Some("GET, HEAD");
            return Some(render::problem(&fault, None));
        }
        match (request.door, path) {
            (Door::Api | Door::Metrics, "/healthz") => {
                Some(render::text_response(StatusCode::OK, "text/plain", "ok\n"))
            }
            // As often as anybody likes, as health: a balancer asks from the address from which everybody comes.
            (Door::Api | Door::Metrics, "/readyz") => Some(self.ready()),
            (Door::Api, "/openapi.json") => Some(self.limited(request, || {
                render::text_response(StatusCode::OK, "application/json", DOCUMENT.clone())
            })),
            (Door::Metrics, "/metrics") => Some(self.limited(request, || {
                render::text_response(
                    StatusCode::OK,
                    "text/plain; version=0.0.4; charset=utf-8",
                    self.app.metrics().render(),
                )
            })),
            _ => None,
        }
    }

    /// No source has these, which are long, as often as it likes.
    fn limited(&self, request: &Received, answer: impl FnOnce() -> Response) -> Response {
        match self.app.source_rate(source(request.peer.ip())) {
            Ok(()) => answer(),
            Err(wait) => render::problem(&Fault::of(Code::TooManyRequests).retry(wait), None),
        }
    }

    fn ready(&self) -> Response {
        let mut missing = Vec::new();
        if !self.app.ledger().is_indexed() {
            missing.push("older orders are being indexed");
        }
        if self
            .app
            .cases_age()
            .is_some_and(|age| age > policy::CASES_AGE_MAX)
        {
            missing.push("the desk is not reachable, or wrote what this version does not understand");
        }
        if self.app.open_for_new_orders().is_err() {
            missing.push("the journal's disk is nearly full");
        }
        match missing.is_empty() {
            true => render::text_response(StatusCode::OK, "text/plain", "ready\n"),
            false => render::text_response(
                StatusCode::SERVICE_UNAVAILABLE,
                "text/plain",
                format!("{}\n", missing.join("; ")),
            ),
        }
    }

    /// The trades journal, for the desk only: this listener lets nobody else in.
    async fn journal(&self, request: &Received) -> Response {
        if let Err(fault) = request.lawful() {
            return render::problem(&fault, None);
        }
        let (reader, path) = (
            self.app.ledger().journal().reader(),
            request.head.uri.path().to_owned(),
        );
        let read = match request.head.method {
            // Off the threads of the road: a bundle has up to 17 MiB.
            Method::GET => tokio::task::spawn_blocking(move || reader.resource(&path, true)).await,
            _ => Ok(None),
        };
        match read {
            Ok(Some(Ok(bytes))) => render::text_response(StatusCode::OK, "application/octet-stream", bytes),
            Ok(Some(Err(_))) => render::text_response(StatusCode::NOT_FOUND, "text/plain", "no such file\n"),
            Ok(None) => render::problem(&Fault::of(Code::NotFound), None),
            Err(_) => panicked(request),
        }
    }
}

/// What is said where an answer outside the stacks, which have `rescue`, panicked.
fn panicked(request: &Received) -> Response {
    tracing::error!(door = request.door.as_str(), id = %request.id, "an answer panicked");
    render::problem(&Fault::of(Code::Internal), None)
}

impl Answer for Front {
    async fn answer(&self, request: Received) -> Response {
        // Whatever is said to CONNECT with 200, as Alipay's refusals are, would be a tunnel to the client.
        if request.head.method == Method::CONNECT {
            return render::problem(
                &Fault::new(Code::MethodNotAllowed, "There is no tunnel here."),
                None,
            );
        }
        if request.door == Door::Journal {
            return self.journal(&request).await;
        }
        match catch_unwind(AssertUnwindSafe(|| self.open(&request))) {
            Ok(Some(response)) => return response,
            Ok(None) => {}
            Err(_) => return panicked(&request),
        }
        let is_read = request.head.method == Method::GET
            || request.head.uri.path().ends_with("/resend")
            || request.head.uri.path().starts_with("/v1/codes");
        let stack = match request.door {
            Door::Api if is_read => &self.reads,
            Door::Api => &self.mutations,
            Door::Wechat | Door::Alipay | Door::Unionpay => &self.pass_through,
            Door::Notify if scan::is_path(request.head.uri.path()) => &self.scans,
            Door::Notify | Door::Banks => &self.notifications,
            Door::Pages => &self.pages,
            Door::Metrics | Door::Journal => return render::problem(&Fault::of(Code::NotFound), None),
        };
        match stack.clone().oneshot(request).await {
            Ok(response) | Err(Stop::Answer(response)) => response,
            // `rescue` leaves no fault; should it ever, this is still an answer.
            Err(Stop::Fault(fault)) => render::problem(&fault, None),
        }
    }
}
