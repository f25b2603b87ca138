//! A native request goes on octet for octet; the channel's answer comes back octet for octet. What it says is put on
//! record; its signature is for the SDK to verify (TLS vouches for us).

use crate::{
    accept::Received,
    app::App,
    errand, exchange,
    fault::{Code, Fault},
    health::{self, Ended},
    named::{self, Cancel},
    outbound::{Answered, SendError},
    payment::{Errand, OrderRef, Verbatim},
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
use ledger::{Attempt, Order};
use policy::registry::AccountFacts;
use std::{sync::Arc, time::Instant as Timer};
use zeroize::Zeroizing;

/// A file takes longer than an answer.
const FILE_TIME: std::time::Duration = std::time::Duration::from_secs(60);

/// The octets of a native request.
//= C25
pub(crate) fn verbatim(received: &Received, native: &Native) -> Verbatim {
    let target = received.head.uri.path_and_query().map_or("/", |t| t.as_str());
    let headers = native::forwarded_headers(native.channel, target)
        .iter()
        .filter_map(|name| {
            let value = received.head.headers.get(*name)?.to_str().ok()?;
            Some(((*name).to_owned(), value.to_owned()))
        });
    Verbatim {
        method: received.head.method.clone(),
        target: target.to_owned(),
        headers: headers.collect(),
        body: Zeroizing::new(received.body.to_vec()),
        account: native.account.clone(),
        channel: native.channel,
        authorised: native.app_auth_token.is_some(),
        group: native
            .combined
            .as_ref()
            .map(|group| (group.number.clone(), group.orders.len())),
        named: native.named,
        cancel: cancel(native),
        by_browser: native.by_browser,
        encrypted: native.encrypted,
    }
}

fn cancel(native: &Native) -> Option<Cancel> {
    let cancels = native.channel == Channel::Unionpay && native.operation == Operation::Reverse;
    Some(Cancel {
        number: native.refund.clone().filter(|_| cancels)?,
        time: native.named?,
        amount: native.amount?,
    })
}

/// A native close or refund of an order that is not on record here: not allowed, in words from which no SDK concludes
/// that the channel does not have it.
pub(crate) fn not_ours() -> Fault {
    Fault::new(
        Code::OperationNotAllowed,
        "This order is not on record here; ask for it, or close and refund it where it was placed.",
    )
}

/// The attempt that the bytes of a native close, reverse or refund mean, with its position from 1. Both of the order's numbers
/// must mean it where both are given, since the channel follows the one of its own; and so must the payee.
pub(crate) fn meant<'a>(
    order: &'a Order,
    facts: &AccountFacts,
    verbatim: &Verbatim,
    by: &OrderRef,
) -> Result<(u16, &'a Attempt), Fault> {
    let other = || {
        Fault::new(
            Code::OperationNotAllowed,
            "The request names another order or payee than the one on record.",
        )
        .breaks(Breach::Payee, None)
    };
    let found = match (&by.number, &by.trade_no) {
        (Some(number), _) => named::attempt(order, verbatim.channel, &verbatim.account, number, by.placed),
        (None, Some(no)) => order.attempt_by_trade_no(verbatim.channel, &verbatim.account, no),
        (None, None) => None,
    };
    let (position, attempt) = found.ok_or_else(not_ours)?;
    let same_trade = by
        .trade_no
        .as_ref()
        .is_none_or(|no| attempt.trade_no().is_some_and(|ours| ours == no));
    let same_payee = match &by.payee {
        Some(payee) => *payee == attempt.payee,
        None => facts.own_payees().any(|own| *own == attempt.payee),
    };
    if same_trade && same_payee {
        Ok((position, attempt))
    } else {
        Err(other())
    }
}

/// Orders that are paid together are closed together: by their common number, and all of them.
//= C67
pub(crate) fn same_group(attempt: &Attempt, verbatim: &Verbatim) -> Result<(), Fault> {
    let ours = attempt
        .combined
        .as_ref()
        .map(|group| (&group.number, group.parts.len()));
    match ours == verbatim.group.as_ref().map(|(number, count)| (number, *count)) {
        true => Ok(()),
        false => Err(Fault::new(
            Code::OperationNotAllowed,
            "Orders that are paid together are closed together: by their common number, and all of them.",
        )),
    }
}

/// Carries a mutating request whose intent is on record. What its answer says counts for each order of a group that is
/// paid together.
pub(crate) async fn forward(
    app: &App,
    account: &Account,
    order: &Order,
    errand: &Errand,
    also: &[(Arc<Order>, Errand)],
    verbatim: Verbatim,
) -> (Settled, Vec<Settled>, Response) {
    let (operation, attempt) = match errand {
        Errand::Place(position) => (Operation::Create, order.attempt(*position)),
        Errand::Close(position) => (Operation::Close, order.attempt(*position)),
        Errand::Reverse(position) => (Operation::Reverse, order.attempt(*position)),
        Errand::Refund(refund_no) => (
            Operation::Refund,
            order.refund(refund_no).and_then(|r| order.attempt(r.attempt)),
        ),
        Errand::Redirect(_) => (Operation::Refund, None),
    };
    let pay_way = attempt.map_or(PayWay::Native, |a| a.pay_way);
    if verbatim.by_browser {
        return send_on(app, account, order, errand, &verbatim);
    }
    app.step("before_send");
    let (answer, response) = ask(app, account, operation, pay_way, verbatim).await;
    app.step("after_send");
    let others = also
        .iter()
        .map(|(order, errand)| settled(app, order, errand, for_all(&answer)))
        .collect();
    (settled(app, order, errand, answer), others, response)
}

/// What the payer's browser brought: it takes the very octets to the channel itself (307 keeps method and body), once the
/// record of that is durable. Nothing of the channel's pages passes through here, so the payer sees whose they are.
//= C76
fn send_on(
    app: &App,
    account: &Account,
    order: &Order,
    errand: &Errand,
    verbatim: &Verbatim,
) -> (Settled, Vec<Settled>, Response) {
    app.step("before_send");
    let unknown = || {
        let speaks = verbatim
            .headers
            .iter()
            .find(|(name, _)| name == "accept-language");
        let speaks = speaks.map_or("", |(_, value)| value);
        let page = dialect::refuse_browser(account.channel, speaks, &NativeRefusal::Unknown);
        rescue::native(page.unwrap_or_else(|| {
            let path = Some(verbatim.target.as_str());
            dialect::refuse_native(account.channel, path, NativeRefusal::Unknown)
        }))
    };
    let place = app
        .way_of(account.channel, &account.account, None)
        .map(|way| format!("{}{}", way.target().origin(), verbatim.target))
        .and_then(|place| HeaderValue::from_str(&place).ok());
    let (answer, response) = match place {
        Some(place) => (Answer::Placed(Reach::HandedOut), sent_on(place)),
        None => (Answer::Unclear(Unclear::Connection), unknown()),
    };
    app.step("after_send");
    (settled(app, order, errand, answer), Vec::new(), response)
}

fn sent_on(place: HeaderValue) -> Response {
    let mut response = http::Response::new(Full::new(Bytes::new()));
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    let headers = response.headers_mut();
    headers.insert(http::header::LOCATION, place);
    headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What the answer means for one order.
pub(crate) fn settled(app: &App, order: &Order, errand: &Errand, answer: Answer) -> Settled {
    match errand {
        Errand::Place(position) => placed(app, order, *position, answer),
        Errand::Close(position) if order.attempt(*position).is_some_and(|a| a.state.is_final()) => {
            Settled::nothing(settle::Ending::Recorded)
        }
        Errand::Close(position) => settle::closed(
            order,
            *position,
            answer,
            order.attempt(*position).is_some_and(|a| errand::may_come(app, a)),
        ),
        Errand::Reverse(position) => reversed(app, order, *position, answer),
        Errand::Refund(refund_no) => refunded(app, order, refund_no, answer),
        Errand::Redirect(asked) => settle::redirected(order, &asked.refund_no, answer),
    }
}

/// The answer to a reverse that is under way; to a repeat of one that is over the channel gives its own answer.
fn reversed(app: &App, order: &Order, position: u16, answer: Answer) -> Settled {
    match order.attempt(position).map(|a| (a, a.reversing.as_ref())) {
        Some((attempt, _)) if !attempt.is_reversing() => Settled::nothing(settle::Ending::Recorded),
        Some((attempt, Some(reversing))) if attempt.channel == Channel::Unionpay => {
            let again = reversing.unknown || reversing.at < app.started_at();
            let answer = match named::by_own_number(attempt) {
                true => named::undone(attempt, answer, again),
                false => named::answered(answer, again),
            };
            settle::reversed(order, position, answer, false)
        }
        Some((attempt, _)) => settle::reversed(order, position, answer, errand::may_come(app, attempt)),
        None => settle::reversed(order, position, answer, false),
    }
}

/// The one answer to a group once more: a create's and a close's names no single order of it.
pub(crate) fn for_all(answer: &Answer) -> Answer {
    match answer {
        Answer::Placed(reach) => Answer::Placed(reach.clone()),
        Answer::Closed => Answer::Closed,
        Answer::Failed(failure) => Answer::Failed(failure.clone()),
        Answer::Unclear(reason) => Answer::Unclear(*reason),
        _ => Answer::Unclear(Unclear::Garbage),
    }
}

/// A repeat of a refund that the channel may have taken: its answer may say more, a refusal of the repeat changes nothing.
fn refunded(app: &App, order: &Order, refund_no: &RefundNo, answer: Answer) -> Settled {
    let Some(refund) = order.refund(refund_no) else {
        return Settled::nothing(settle::Ending::Recorded);
    };
    match (refund.state, &answer) {
        (RefundState::Intended, _) | (_, Answer::Refund(_)) => {
            settle::refunded(order, refund_no, answer, errand::refund_sent_before(app, refund))
        }
        _ => Settled::nothing(settle::Ending::Recorded),
    }
}

/// A repeat of an order that is on record: the answer renews its reach, a refusal changes nothing.
fn placed(app: &App, order: &Order, position: u16, answer: Answer) -> Settled {
    if order.attempt(position).is_some_and(|a| a.pay_way.charges()) {
        return charged(app, order, position, answer);
    }
    let settled = settle::placed_here(order, position, answer);
    match order.attempt(position) {
        Some(attempt) if attempt.state.is_final() => Settled::nothing(settled.ending),
        Some(attempt) if errand::sent_before(app, order, position) => settle::placed_again(attempt, settled),
        _ => settled,
    }
}

/// The answer to a charging call. What nobody knows stays so, and the merchant's SDK, to whom the channel's words or our
/// "unknown" went, asks and reverses as its documents tell it; we ask beside it, and reverse what is open when its time is
/// over.
//= C60
fn charged(app: &App, order: &Order, position: u16, answer: Answer) -> Settled {
    let payer = match (&answer, order.attempt(position)) {
        (Answer::State(view), Some(attempt)) => view
            .payer
            .as_ref()
            .and_then(|p| app.vault().token(attempt.channel, p)),
        (Answer::Declined(_, payer), Some(attempt)) => app.vault().token(attempt.channel, payer),
        _ => None,
    };
    settle::charged(order, position, answer, payer, None)
}

/// Sends the octets, reads what comes back, and gives it back as it came.
pub(crate) async fn ask(
    app: &App,
    account: &Account,
    operation: Operation,
    pay_way: PayWay,
    verbatim: Verbatim,
) -> (Answer, Response) {
    let channel = account.channel;
    let path = Some(verbatim.target.as_str());
    let unknown = || rescue::native(dialect::refuse_native(channel, path, NativeRefusal::Unknown));
    let own = native::identity(channel, &verbatim.target, &account.account);
    let way = app.way_of(channel, &account.account, own.as_ref());
    let file = native::is_file(channel, &verbatim.target);
    let way = way.and_then(|way| match (file, channel) {
        // It has a host for files alone.
        (true, Channel::Unionpay) => app.way_to_files(channel),
        (true, _) => {
            let place = way.target();
            app.way_to_bill_by(channel, (&place.host, place.port), own.as_ref())
        }
        (false, _) => Some(way),
    });
    // Who a payer is goes to the merchant that asked, and is not even looked at here.
    let unread = file || operation == Operation::Authorize;
    let patience = if file { FILE_TIME } else { app.answer_time() };
    let (Some(way), Some(headers)) = (way, headers(&verbatim)) else {
        return (Answer::Unclear(Unclear::Connection), unknown());
    };
    let began = Timer::now();
    let body = Bytes::copy_from_slice(&verbatim.body);
    let asked = body.clone();
    let sent = way
        .send(verbatim.method.clone(), &verbatim.target, headers, body, patience)
        .await;
    let took = began.elapsed();
    app.metrics().exchanged(channel, operation, sent.is_ok(), took);
    let ended = |ailment| app.fed(account, operation, Ended { took, ailment });
    match sent {
        // Of a file: not signed either (channels.md 1.5); the merchant holds it against the hash that it was told.
        Ok(answered) if unread && answered.status < 500 => {
            ended(None);
            (Answer::Unclear(Unclear::Garbage), back(channel, answered))
        }
        Ok(answered) => {
            let answer = read(app, account, operation, pay_way, &verbatim, &answered);
            let answer = exchange::held_to(channel, operation, &asked, &answered, answer);
            ended(health::of_answer(channel, answered.status, &answer));
            (answer, back(channel, answered))
        }
        Err(error) => {
            tracing::warn!(channel = channel.as_str(), %error, "a native request got no answer");
            ended(Some(health::of_error(&error)));
            let reason = match error {
                SendError::Timeout => Unclear::Timeout,
                SendError::TooLarge => Unclear::Garbage,
                SendError::NotSent(_) | SendError::Broken => Unclear::Connection,
            };
            (Answer::Unclear(reason), unknown())
        }
    }
}

/// What the answer says; its octets go back as they came. Where the request's content was encrypted, the answer's is
/// too.
//= C98
fn read(
    app: &App,
    account: &Account,
    operation: Operation,
    pay_way: PayWay,
    verbatim: &Verbatim,
    answered: &Answered,
) -> Answer {
    let (target, status, body) = (verbatim.target.as_str(), answered.status, &answered.body);
    let found = match verbatim.encrypted {
        true => channel::encrypted_native_answer(account, operation, target, status, body),
        false => Ok(None),
    };
    match found {
        Ok(None) => channel::read_native_answer(account, operation, pay_way, target, status, body),
        Ok(Some(encrypted)) => exchange::decrypted(app, account, operation, &encrypted, |content| {
            channel::read_native_content(account, operation, pay_way, target, status, content)
        }),
        Err(unclear) => Answer::Unclear(unclear),
    }
}

fn headers(verbatim: &Verbatim) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(verbatim.headers.len());
    for (name, value) in &verbatim.headers {
        headers.insert(
            HeaderName::from_bytes(name.as_bytes()).ok()?,
            HeaderValue::from_str(value).ok()?,
        );
    }
    Some(headers)
}

fn back(channel: Channel, answered: Answered) -> Response {
    let mut response = http::Response::new(Full::new(answered.body));
    *response.status_mut() = StatusCode::from_u16(answered.status).unwrap_or(StatusCode::BAD_GATEWAY);
    for name in native::returned_headers(channel) {
        if let Some(value) = answered.headers.get(*name) {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value.clone());
        }
    }
    response
}
