//! A native request goes on octet for octet; the channel's answer comes back octet for octet. What it says is put on
//! record; its signature is for the SDK to verify (TLS vouches for us).

use crate::{
    accept::Received,
    app::App,
    outbound::{Answered, SendError},
    payment::{Errand, Verbatim},
    settle::{self, Settled},
    stage::Response,
    stages::rescue,
};
use bytes::Bytes;
use channel::{
    Account, Answer,
    dialect::{self, NativeRefusal},
    native::{self, Native},
};
use domain::*;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::Full;
use ledger::Order;
use std::time::Instant as Timer;
use zeroize::Zeroizing;

/// The octets of a native request.
//= C25
pub(crate) fn verbatim(received: &Received, native: &Native) -> Verbatim {
    let headers = native::forwarded_headers(native.channel).iter().filter_map(|name| {
        let value = received.head.headers.get(*name)?.to_str().ok()?;
        Some(((*name).to_owned(), value.to_owned()))
    });
    Verbatim {
        method: received.head.method.clone(),
        target: received.head.uri.path_and_query().map_or("/", |t| t.as_str()).to_owned(),
        headers: headers.collect(),
        body: Zeroizing::new(received.body.to_vec()),
        account: native.account.clone(),
        channel: native.channel,
    }
}

/// Carries a mutating request whose intent is on record.
pub(crate) async fn forward(app: &App, account: &Account, order: &Order, errand: &Errand, verbatim: Verbatim) -> (Settled, Response) {
    let (operation, attempt) = match errand {
        Errand::Place(position) => (Operation::Create, order.attempt(*position)),
        Errand::Close(position) => (Operation::Close, order.attempt(*position)),
        Errand::Refund(_) => (Operation::Refund, order.winner().map(|(_, a)| a)),
    };
    let pay_way = attempt.map_or(PayWay::Native, |a| a.pay_way);
    app.step("before_send");
    let (answer, response) = ask(app, account, operation, pay_way, verbatim).await;
    app.step("after_send");
    let settled = match errand {
        // A repeat of an order that is on record as placed: the answer renews its reach, a refusal changes nothing.
        Errand::Place(position) => placed(attempt.map(|a| a.state), *position, answer),
        Errand::Close(position) if attempt.is_some_and(|a| a.state.is_final()) => {
            let _ = position;
            Settled { events: Vec::new(), ending: settle::Ending::Recorded }
        }
        Errand::Close(position) => settle::closed(*position, answer),
        Errand::Refund(refund_no) => refunded(order.refund(refund_no).map(|r| r.state), refund_no, answer),
    };
    (settled, response)
}

/// A repeat of a refund that the channel has taken: its answer may say more, a refusal of the repeat changes nothing.
fn refunded(state: Option<RefundState>, refund_no: &RefundNo, answer: Answer) -> Settled {
    match (state, &answer) {
        (Some(RefundState::Intended | RefundState::Unknown), _) => settle::refunded(refund_no, answer, Proof::Answer),
        (Some(RefundState::Processing), Answer::Refund(_)) => settle::refunded(refund_no, answer, Proof::Answer),
        _ => Settled { events: Vec::new(), ending: settle::Ending::Recorded },
    }
}

fn placed(state: Option<AttemptState>, position: u16, answer: Answer) -> Settled {
    let settled = settle::placed(position, answer);
    let renewed = matches!(settled.events.first().map(|h| &h.event), Some(TradeEvent::AttemptPlaced { .. }));
    match state {
        Some(AttemptState::Intended) => settled,
        Some(state) if !state.is_final() && renewed => settled,
        _ => Settled { events: Vec::new(), ending: settled.ending },
    }
}

/// Sends the octets, reads what comes back, and gives it back as it came.
pub(crate) async fn ask(app: &App, account: &Account, operation: Operation, pay_way: PayWay, verbatim: Verbatim) -> (Answer, Response) {
    let channel = account.channel;
    let unknown = || rescue::native(dialect::refuse_native(channel, None, NativeRefusal::Unknown));
    let (Some(way), Some(headers)) = (app.way_to(channel), headers(&verbatim)) else {
        return (Answer::Unclear(Unclear::Connection), unknown());
    };
    let began = Timer::now();
    let body = Bytes::copy_from_slice(&verbatim.body);
    let sent = way.send(verbatim.method.clone(), &verbatim.target, headers, body, app.answer_time()).await;
    app.metrics().exchanged(channel, operation, sent.is_ok(), began.elapsed());
    match sent {
        Ok(answered) => {
            let answer = channel::read_answer(account, operation, pay_way, answered.status, &answered.body);
            (answer, back(channel, answered))
        }
        Err(error) => {
            tracing::warn!(channel = channel.as_str(), %error, "a native request got no answer");
            let reason = match error {
                SendError::Timeout => Unclear::Timeout,
                SendError::TooLarge => Unclear::Garbage,
                SendError::NotSent(_) | SendError::Broken => Unclear::Connection,
            };
            (Answer::Unclear(reason), unknown())
        }
    }
}

fn headers(verbatim: &Verbatim) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(verbatim.headers.len());
    for (name, value) in &verbatim.headers {
        headers.insert(HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?);
    }
    Some(headers)
}

fn back(channel: Channel, answered: Answered) -> Response {
    let mut response = http::Response::new(Full::new(answered.body));
    *response.status_mut() = StatusCode::from_u16(answered.status).unwrap_or(StatusCode::BAD_GATEWAY);
    for name in native::returned_headers(channel) {
        if let Some(value) = answered.headers.get(*name) {
            response.headers_mut().insert(HeaderName::from_static(name), value.clone());
        }
    }
    response
}
