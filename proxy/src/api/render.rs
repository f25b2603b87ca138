//! Answers of the unified API.

use crate::{
    app::App,
    errand::account_as_registered,
    fault::{Code, Fault},
    signature::nonce,
    stage::Response,
};
use bytes::Bytes;
use channel::{CallUp, FailureClass, HandedOut, Stamp};
use domain::*;
use http::{HeaderValue, StatusCode, header};
use http_body_util::Full;
use ledger::{Attempt, Order, OrderState, Refund};
use policy::registry::MerchantFacts;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Whether this is the first answer or the same again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// First.
    First,
    /// Again.
    Again,
}

/// A JSON answer.
pub fn json_response(status: StatusCode, value: &Value) -> Response {
    let mut response = http::Response::new(Full::new(Bytes::from(value.to_string())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A text answer.
pub fn text_response(status: StatusCode, content_type: &'static str, text: impl Into<Bytes>) -> Response {
    let mut response = http::Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A problem document (RFC 9457).
pub fn problem(fault: &Fault, request: Option<&str>) -> Response {
    let row = fault.code.row();
    let mut body = json!({
        "type": format!("/problems/{}", row.code),
        "title": row.merchant,
        "status": row.status,
        "code": row.code,
        "detail": fault.detail,
    });
    if let (Some(request), Some(map)) = (request, body.as_object_mut()) {
        map.insert("request_id".into(), request.into());
    }
    if let (Some(code), Some(map)) = (&fault.channel_code, body.as_object_mut()) {
        map.insert("channel_code".into(), (&**code).into());
    }
    let status = StatusCode::from_u16(row.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json_response(status, &body);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    if let Some(method) = fault.allow {
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static(method));
    }
    if let Some(after) = fault.retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    response
}

/// The channel refused, with what whoever asked can do about it.
pub fn refused(channel: Channel, code: &str) -> Fault {
    let detail = match channel::refused::class(channel, code) {
        FailureClass::Setup => {
            "The channel refused: the account, its keys, its rights or its limits there are not as they must be. Nothing in the request needs changing; tell the operator or your acquirer the `channel_code`, and send the same number again once it is put right."
        }
        FailureClass::PayeeFunds => {
            "The channel refused: your balance there does not suffice. Top it up, then send the same refund number again."
        }
        FailureClass::Changed => {
            "The channel has this number with other content: it was used outside of here. Use a new number."
        }
        FailureClass::AlreadyPaid | FailureClass::AlreadyClosed => {
            "The channel refused: an order with this number is paid or closed there. Ask for the order; for another one use a new number."
        }
        _ => {
            "The channel refused this content; `channel_code` is its code, and its documents say what to change."
        }
    };
    let mut fault = Fault::new(Code::ChannelRefused, detail);
    fault.channel_code = Some(code.into());
    fault
}

/// The channel did not take the payer's code, in words that a cashier can act on.
pub fn charge_refused(channel: Channel, code: &str) -> Fault {
    use channel::auth_code::Refusal;
    let mut fault = match channel::auth_code::refusal(channel, code) {
        Refusal::Code => Fault::of(Code::PaymentCodeInvalid),
        Refusal::Payer => Fault::of(Code::PayerCannotPay),
        Refusal::Other => return refused(channel, code),
    };
    fault.channel_code = Some(code.into());
    fault
}

/// An order.
pub async fn order(app: &App, merchant: &MerchantFacts, order: &Order, said: Said) -> Response {
    let _ = merchant;
    let call_up = call_up(app, order.latest()).await;
    order_with(order, said, call_up)
}

/// An order with what was signed for the payer's browser or app, said this once.
pub fn handed_out(app: &App, order: &Order, handed_out: Option<HandedOut>) -> Response {
    let attempt = order.latest();
    let origin = app
        .way_of(attempt.channel, &attempt.account, None)
        .map(|way| way.target().origin());
    let call_up = handed_out
        .zip(origin)
        .map(|(handed_out, origin)| match attempt.pay_way {
            PayWay::App => handed_out.for_app(),
            _ => handed_out.for_browser(&origin),
        });
    order_with(order, Said::First, call_up)
}

/// Orders that one payment pays: the way to it for all of them, and each as it stands.
pub async fn group(app: &App, number: &ChannelNo, orders: &[Arc<Order>], said: Said) -> Response {
    let statuses: Result<Vec<_>, _> = orders.iter().map(|order| status(order, said)).collect();
    let statuses = match statuses {
        Ok(statuses) => statuses,
        Err(fault) => return problem(&fault, None),
    };
    // Nobody knows yet of all of them what nobody knows of one.
    let all = [StatusCode::ACCEPTED, StatusCode::CREATED];
    let status = all.into_iter().find(|status| statuses.contains(status));
    let mut map = Map::new();
    map.insert("group_no".into(), number.as_str().into());
    if let Some(first) = orders.first() {
        let shown = order_json(first);
        let shared = [
            "channel",
            "pay_way",
            "account",
            "currency",
            "expires_at",
            "code_url",
            "prepay_id",
            "h5_url",
        ];
        for name in shared {
            map.extend(shown.get(name).map(|value| (name.to_owned(), value.clone())));
        }
        if let Some(call_up) = call_up(app, first.latest()).await {
            map.insert("call_up".into(), call_up);
        }
    }
    let total: u64 = orders.iter().map(|order| order.latest().amount.fen()).sum();
    map.insert("amount".into(), total.into());
    map.insert(
        "orders".into(),
        orders.iter().map(|order| order_json(order)).collect(),
    );
    json_response(status.unwrap_or(StatusCode::OK), &Value::Object(map))
}

fn order_with(order: &Order, said: Said, call_up: Option<Value>) -> Response {
    let status = match status(order, said) {
        Ok(status) => status,
        Err(fault) => return problem(&fault, None),
    };
    let mut value = order_json(order);
    if let (Some(call_up), Some(map)) = (call_up, value.as_object_mut()) {
        map.insert("call_up".into(), call_up);
    }
    json_response(status, &value)
}

fn status(order: &Order, said: Said) -> Result<StatusCode, Fault> {
    // A close was asked for and the channel has not said what came of it.
    let closing = order.latest().is_closing();
    Ok(match (order.state(), said) {
        (OrderState::Unknown | OrderState::Reversing, _) => StatusCode::ACCEPTED,
        // The payer is at it; nobody can do anything but ask again.
        (OrderState::AwaitingPayment, _) if order.latest().pay_way.charges() => StatusCode::ACCEPTED,
        (OrderState::Paid, Said::First) => StatusCode::CREATED,
        (OrderState::AwaitingPayment, Said::First) if closing => StatusCode::ACCEPTED,
        (OrderState::AwaitingPayment, Said::First) => StatusCode::CREATED,
        (OrderState::NotPlaced, Said::First) => return Err(not_placed(order)),
        _ => StatusCode::OK,
    })
}

fn not_placed(order: &Order) -> Fault {
    match &order.latest().not_placed {
        Some((_, Some(code))) if order.latest().pay_way.charges() => {
            charge_refused(order.latest().channel, code)
        }
        Some((_, Some(code))) => refused(order.latest().channel, code),
        Some((domain::NotPlaced::NeverSent, _)) => {
            Fault::of(Code::Deadline).retry(std::time::Duration::from_secs(1))
        }
        _ => Fault::of(Code::NotPlaced),
    }
}

/// A refund.
pub async fn refund(
    app: &App,
    merchant: &MerchantFacts,
    order: &Order,
    refund: &Refund,
    said: Said,
) -> Response {
    let _ = (app, merchant);
    let of = order.attempt(refund.attempt).unwrap_or(order.latest());
    let channel = of.channel;
    let status = match (refund.state, said) {
        (RefundState::Intended | RefundState::Unknown, _) => StatusCode::ACCEPTED,
        (RefundState::Failed, Said::First) => {
            return problem(
                &refund
                    .code
                    .as_deref()
                    .map_or_else(|| Fault::of(Code::ChannelRefused), |code| refused(channel, code)),
                None,
            );
        }
        (_, Said::First) => StatusCode::CREATED,
        _ => StatusCode::OK,
    };
    let mut value = refund_json(refund);
    if let Some(map) = value.as_object_mut() {
        map.insert("payment_id".into(), order.id.to_string().into());
        map.insert("order_no".into(), order.order_no.as_str().into());
    }
    json_response(status, &value)
}

/// An order as facts; the same in answers and notifications.
pub fn order_json(order: &Order) -> Value {
    let shown = order.winner().map_or(order.latest(), |(_, attempt)| attempt);
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| drop(map.insert(name.into(), value));
    put("id", order.id.to_string().into());
    put("order_no", order.order_no.as_str().into());
    put("state", state_name(order.state()).into());
    put("channel", shown.channel.as_str().into());
    put("pay_way", shown.pay_way.as_str().into());
    put("account", shown.account.as_str().into());
    put("payee", shown.payee.as_str().into());
    if let Some(bank) = &shown.bank {
        put("bank", bank.as_str().into());
    }
    put("number", shown.number.as_str().into());
    put("amount", shown.amount.fen().into());
    put("currency", "CNY".into());
    put("attempt", order.attempts.len().into());
    put("created_at", order.attempts[0].at.to_string().into());
    put("expires_at", shown.expires.to_string().into());
    put("journal_index", order.last.into());
    if let Some(with) = &shown.combined {
        put("group_no", with.number.as_str().into());
    }
    if let Some(code) = &order.by_code {
        put("code", code.as_str().into());
    }
    // What is being closed is shown to no further payer.
    let withdrawn = shown.is_closing() && shown.pay_way.opens_late(shown.channel);
    match shown
        .reach
        .as_ref()
        .filter(|_| order.state() == OrderState::AwaitingPayment && !withdrawn)
        .map(|(reach, _)| reach)
    {
        Some(Reach::Code(code)) if shown.channel == Channel::Wechat => put("code_url", (&**code).into()),
        Some(Reach::Code(code)) => put("qr_code", (&**code).into()),
        // All there is of it stands in `call_up`.
        Some(Reach::Prepay(_)) if shown.channel == Channel::Unionpay => {}
        Some(Reach::Prepay(id)) => put("prepay_id", (&**id).into()),
        Some(Reach::Cashier(no)) => put("trade_no", no.as_str().into()),
        Some(Reach::Link(url)) => put("h5_url", (&**url).into()),
        Some(Reach::HandedOut) | None => {}
    }
    if let Some((facts, proof)) = &shown.paid {
        put(
            "paid",
            json!({
                "amount": facts.amount.fen(),
                "trade_no": facts.trade_no.as_str(),
                "paid_at": facts.paid_at.to_string(),
                "bank_type": facts.bank_type.as_deref(),
                "proof": serde_json::to_value(proof).unwrap_or_default(),
            }),
        );
        put("refunded", order.refunded().fen().into());
    }
    if let Some(reversing) = &shown.reversing {
        put(
            "reverse",
            json!({
                "reason": serde_json::to_value(reversing.reason).unwrap_or_default(),
                "refunded": reversing.refunded,
                "channel_code": reversing.refused.as_deref(),
            }),
        );
    }
    if !order.refunds.is_empty() {
        put("refunds", order.refunds.iter().map(refund_json).collect());
    }
    Value::Object(map)
}

/// A refund as facts.
pub fn refund_json(refund: &Refund) -> Value {
    let mut value = json!({
        "refund_no": refund.refund_no.as_str(),
        "number": refund.number.as_str(),
        "amount": refund.amount.fen(),
        "state": refund_state_name(refund.state),
        "cause": serde_json::to_value(refund.cause).unwrap_or_default(),
        "created_at": refund.at.to_string(),
    });
    if let Some(map) = value.as_object_mut() {
        let mut put = |name: &str, text: Option<String>| text.map(|t| map.insert(name.into(), t.into()));
        put("trade_no", refund.trade_no.as_ref().map(|t| t.to_string()));
        put("refunded_at", refund.refunded_at.map(|t| t.to_string()));
        put("channel_code", refund.code.as_ref().map(|c| c.to_string()));
    }
    value
}

/// Parameters for the wallet's page, signed anew each time.
pub(crate) async fn call_up(app: &App, attempt: &Attempt) -> Option<Value> {
    let (reach, _) = attempt.reach.as_ref()?;
    if attempt.state != AttemptState::Placed {
        return None;
    }
    let account = account_as_registered(app, attempt)?;
    let now = app.clock().now();
    let stamp = Stamp {
        at: now,
        begun: now,
        nonce: nonce(),
    };
    match channel::call_up(&account, &stamp, attempt.pay_way, reach)? {
        CallUp::Ready(value) => Some(value),
        CallUp::ToSign(draft) => {
            let signature = app
                .signing()
                .sign(draft.key(), draft.message().to_vec())
                .await
                .ok()?;
            Some(draft.with(&signature))
        }
    }
}

/// A state's name in the API and in labels.
pub fn state_name(state: OrderState) -> &'static str {
    match state {
        OrderState::Unknown => "unknown",
        OrderState::AwaitingPayment => "awaiting_payment",
        OrderState::Reversing => "reversing",
        OrderState::Paid => "paid",
        OrderState::PartlyRefunded => "partly_refunded",
        OrderState::Refunded => "refunded",
        OrderState::Closed => "closed",
        OrderState::Reversed => "reversed",
        OrderState::NotPlaced => "not_placed",
        OrderState::Unresolved => "unresolved",
    }
}

/// A refund state's name in the API.
pub fn refund_state_name(state: RefundState) -> &'static str {
    match state {
        RefundState::Held => "held",
        RefundState::Intended | RefundState::Unknown => "unknown",
        RefundState::Processing => "processing",
        RefundState::Succeeded => "succeeded",
        RefundState::Failed => "failed",
        RefundState::Abnormal => "abnormal",
        RefundState::Cancelled => "cancelled",
        RefundState::Unresolved => "unresolved",
    }
}
