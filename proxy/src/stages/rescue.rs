//! Whatever went wrong below becomes an answer in the caller's language, signed where the caller expects that; a panic
//! becomes one too and takes nothing else with it.

use crate::{
    accept::{Door, Received},
    api::render,
    app::App,
    fault::{Code, Fault, Stop},
    signature::{Scheme, answer_message, nonce},
    stage::{Around, Next, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use channel::dialect::{self, NativeRefusal, Reply, Speech, UNPROVEN};
use domain::Channel;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, Full};
use std::{panic::AssertUnwindSafe, task::Poll};
use tracing::{error, info, warn};

/// Between `trace` and everything else.
pub struct Rescue(pub App);

impl Around<Received> for Rescue {
    type Down = Received;
    type Up = Response;
    type Out = Response;

    async fn run(&self, received: Received, next: Next<Received, Response>) -> Result<Response, Stop> {
        let (door, id) = (received.door, received.id);
        let bare = received.head.method == Method::HEAD;
        let scheme = received
            .head
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| Scheme::named(v.split(' ').next()?));
        let channel = channel_of(&received);
        let (speech, path) = (
            Speech::of(channel, &received.body),
            received.head.uri.path().to_owned(),
        );
        let spoken = Spoken {
            channel,
            speech,
            path,
            browser: browser(channel, &received),
        };
        let response = match unpanicked(next.run(received)).await {
            Ok(Ok(response)) | Ok(Err(Stop::Answer(response))) => response,
            Ok(Err(Stop::Fault(fault))) => {
                log(door, id, &fault);
                answer(door, &spoken, &fault, &id.to_string())
            }
            Err(()) => {
                error!(door = door.as_str(), %id, "a stage panicked");
                answer(door, &spoken, &Fault::of(Code::Internal), &id.to_string())
            }
        };
        match door {
            Door::Api => Ok(self.sign(response, scheme.unwrap_or(Scheme::Ed25519), bare).await),
            _ => Ok(response),
        }
    }
}

/// In which words a refusal is.
struct Spoken {
    channel: Channel,
    speech: Speech,
    path: String,
    /// The languages of the payer's browser, which reads a page, where it is one that asks.
    browser: Option<String>,
}

fn browser(of: Channel, received: &Received) -> Option<String> {
    let door = matches!(received.door, Door::Wechat | Door::Alipay | Door::Unionpay);
    let target = received.head.uri.path_and_query()?.as_str();
    let asks = door && channel::native::is_by_browser(of, target, &received.body);
    let speaks = received.head.headers.get(header::ACCEPT_LANGUAGE);
    let speaks = speaks.and_then(|value| value.to_str().ok()).unwrap_or_default();
    asks.then(|| speaks.to_owned())
}

/// Runs a future and catches its panic.
async fn unpanicked<T>(future: impl Future<Output = T>) -> Result<T, ()> {
    let mut future = Box::pin(future);
    std::future::poll_fn(move |cx| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(Err(())),
        }
    })
    .await
}

pub(crate) fn log(door: Door, id: crate::accept::RequestId, fault: &Fault) {
    let (code, inside) = (fault.code.row().code, fault.inside.as_deref().unwrap_or_default());
    if fault.code.row().status >= 500 {
        warn!(door = door.as_str(), %id, code, inside, "refused");
    } else {
        info!(door = door.as_str(), %id, code, inside, "refused");
    }
}

/// Whose language a notice speaks: the path says it.
fn channel_of(received: &Received) -> Channel {
    let named = |path: &str| {
        path.strip_prefix("/n/")
            .and_then(|rest| rest.split('/').next())
            .and_then(Channel::named)
    };
    match received.door {
        Door::Alipay => Channel::Alipay,
        Door::Unionpay => Channel::Unionpay,
        Door::Notify | Door::Banks => named(received.head.uri.path()).unwrap_or(Channel::Wechat),
        _ => Channel::Wechat,
    }
}

fn answer(door: Door, spoken: &Spoken, fault: &Fault, id: &str) -> Response {
    let channel = spoken.channel;
    let mut response = match door {
        Door::Wechat | Door::Alipay | Door::Unionpay => {
            let kind = refusal(fault);
            let speaks = spoken.browser.as_deref();
            let page = speaks.and_then(|speaks| dialect::refuse_browser(channel, speaks, &kind));
            native(page.unwrap_or_else(|| dialect::refuse_native(channel, Some(&spoken.path), kind)))
        }
        Door::Notify | Door::Banks => {
            let (mut reply, row) = (
                dialect::refuse_notice(channel, spoken.speech, fault.code.row().code),
                fault.code.row(),
            );
            // A channel repeats whatever is not acknowledged, whoever's fault it is; the status still says whose.
            reply.status = if row.status < 500 {
                row.status
            } else {
                reply.status
            };
            native(reply)
        }
        _ => render::problem(fault, Some(id)),
    };
    if let Some(after) = fault.retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    response
}

/// A reply in a channel's language.
pub(crate) fn native(reply: Reply) -> Response {
    let mut response = http::Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    if reply.content_type.starts_with("text/html") {
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
        );
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
    }
    response
}

/// A fault as a channel would say it. What is not surely refused is unknown.
fn refusal(fault: &Fault) -> NativeRefusal {
    let detail = || fault.detail.clone();
    match fault.code {
        Code::MissingSignature | Code::StaleTimestamp | Code::ReplayedNonce => {
            NativeRefusal::Signature(detail())
        }
        Code::UnknownKey | Code::WrongSignature => NativeRefusal::Signature(UNPROVEN.into()),
        Code::TooManyRequests | Code::ChannelFrequency => NativeRefusal::Frequency,
        Code::NotFound => NativeRefusal::NotFound,
        Code::OrderChanged | Code::RefundChanged => NativeRefusal::Changed,
        Code::OrderPaid => NativeRefusal::OrderPaid,
        Code::OrderClosed | Code::OrderReversed => NativeRefusal::OrderClosed,
        Code::OperationNotAllowed | Code::MethodNotAllowed => NativeRefusal::NotAllowed(detail()),
        Code::ChannelNotLicensed
        | Code::AmountOverLimit
        | Code::PayeeNotAllowed
        | Code::OrderNotAccepted
        | Code::OrderNotPaid
        | Code::RefundExceedsPaid
        | Code::RefundNotHeld => NativeRefusal::RuleLimit(detail()),
        code if code.row().status < 500 && code.row().status != 409 => NativeRefusal::Malformed(detail()),
        _ => NativeRefusal::Unknown,
    }
}

impl Rescue {
    /// Answers are signed, errors included, with the newest key of the caller's scheme. HTTP leaves the body of an answer to
    /// HEAD here (`bare`), so that its signature is over none.
    async fn sign(&self, mut response: Response, scheme: Scheme, bare: bool) -> Response {
        let Some(key) = self.0.answer_key(scheme) else {
            return response;
        };
        let body = match bare {
            true => Bytes::new(),
            false => response
                .body()
                .clone()
                .collect()
                .await
                .map(|b| b.to_bytes())
                .unwrap_or_default(),
        };
        let (timestamp, nonce) = (self.0.clock().now().secs(), nonce());
        let message = answer_message(timestamp, &nonce, &body);
        let signature = match scheme {
            // Fifteen microseconds: cheaper here than handed to another thread.
            Scheme::Ed25519 => self.0.keys().sign(key, &message).ok(),
            Scheme::Rsa => self.0.signing().sign(key, message).await.ok(),
        };
        let Some(signature) = signature else {
            return response;
        };
        let serial = key.as_str().rsplit('/').next().unwrap_or_default().to_owned();
        let headers = [
            ("guandao-timestamp", timestamp.to_string()),
            ("guandao-nonce", nonce),
            ("guandao-serial", serial),
            ("guandao-signature", STANDARD.encode(signature)),
            ("guandao-signature-type", scheme.as_str().to_owned()),
        ];
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response
                    .headers_mut()
                    .insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}
