//! Native reads go on to the channel at once; what the answer tells is learned on the way back.

use crate::{
    app::App,
    errand,
    fault::{Code, Fault, Stop},
    named, passthrough,
    payment::Limited,
    settle,
    stage::{Around, Next, Response},
    stages::parse,
};
use channel::{Answer, native::Native};
use domain::*;

/// Between `limit_rate` and `parse` of the pass-through.
pub struct Forward(pub App);

impl Around<Limited> for Forward {
    type Down = Limited;
    type Up = Response;
    type Out = Response;

    async fn run(&self, mut request: Limited, next: Next<Limited, Response>) -> Result<Response, Stop> {
        let is_read = request.0.native.as_ref().is_some_and(|n| n.operation.is_read());
        if !is_read {
            return next.run(request).await;
        }
        let app = &self.0;
        let merchant = request.0.merchant.clone();
        let mut pay_way = PayWay::Native;
        if let Some(native) = request.0.native.as_mut() {
            pay_way = asked_for(app, &merchant.id, native).await?;
        }
        let Some(native) = request.0.native.as_ref() else {
            return next.run(request).await;
        };
        let registries = app.registries();
        let Some((merchant, facts)) = registries.owner(native.channel, &native.account) else {
            return next.run(request).await;
        };
        let account = app.account(facts, native.payee.as_ref(), None);
        let verbatim = passthrough::verbatim(&request.0.received, native);
        let (answer, response) = passthrough::ask(app, &account, native.operation, pay_way, verbatim).await;
        if let Err(error) = learn(app, &merchant.id, native, answer).await {
            tracing::warn!(
                inside = error.inside.as_deref().unwrap_or_default(),
                "what a native query told could not be put on record"
            );
        }
        Ok(response)
    }
}

/// UnionPay has one query for orders, refunds and cancels (channels.md 4.1): the record knows which number is whose, and in
/// which way an order is paid, on which it depends what a refusal means.
async fn asked_for(app: &App, merchant: &MerchantId, native: &mut Native) -> Result<PayWay, Fault> {
    let Some(number) = native
        .number
        .clone()
        .filter(|_| native.channel == Channel::Unionpay)
    else {
        return Ok(PayWay::Native);
    };
    let Some(order) = parse::by_number(app, merchant, native, &number).await? else {
        return Ok(PayWay::Native);
    };
    if let Some((_, attempt)) = order.attempt_by_number(native.channel, &native.account, &number) {
        return Ok(attempt.pay_way);
    }
    let is_refund = order.refunds.iter().any(|refund| refund.number == number);
    if is_refund || named::cancelled(&order, &number, None).is_some() {
        native.operation = Operation::RefundQuery;
        native.refund = Some(number);
    }
    Ok(PayWay::Native)
}

/// What the merchant's own query tells about an order of ours: the one that the request names, else the one that the
/// answer names (a refund query at WeChat names no order).
async fn learn(app: &App, merchant: &MerchantId, native: &Native, answer: Answer) -> Result<(), Fault> {
    let stop = |e: ledger::CommitError| Fault::of(Code::Internal).inside(e);
    if let Answer::Combined(views) = answer {
        for view in views {
            let Some(order) = parse::by_number(app, merchant, native, &view.number).await? else {
                continue;
            };
            let events = seen(app, native, &order, &view);
            errand::record(app, &order, events).await.map_err(stop)?;
        }
        return Ok(());
    }
    let named = match &answer {
        Answer::State(view) => Some(&view.number),
        Answer::Refund(view) => view.order.as_ref(),
        _ => return Ok(()),
    };
    let mut found = parse::find(app, merchant, native).await?;
    if let (None, Some(number)) = (&found, named) {
        found = parse::by_number(app, merchant, native, number).await?;
    }
    let Some(order) = found else { return Ok(()) };
    let events = match answer {
        Answer::State(view) => seen(app, native, &order, &view),
        Answer::Refund(view) => refund_seen(native, &order, view),
        _ => return Ok(()),
    };
    errand::record(app, &order, events)
        .await
        .map(|_| ())
        .map_err(stop)
}

/// What the answer states of a refund of ours, or of a cancel.
fn refund_seen(native: &Native, order: &ledger::Order, view: channel::RefundView) -> Vec<ledger::Happening> {
    let number = native.refund.as_ref().unwrap_or(&view.number);
    let ours = |refund: &&ledger::Refund| {
        refund.number == *number
            && named::same_time(native.named, refund.named, refund.begun())
            && order
                .attempt(refund.attempt)
                .is_some_and(|a| a.channel == native.channel && a.account == native.account)
    };
    let refund = order.refunds.iter().find(ours).map(|r| r.refund_no.clone());
    match (refund, named::cancelled(order, number, native.named)) {
        (Some(refund_no), _) => settle::refund_seen(order, &refund_no, view, Proof::Query).events,
        (None, Some(position)) => named::seen(order, position, &view, Proof::Query).events,
        (None, None) => Vec::new(),
    }
}

/// What the answer states of an order of ours.
fn seen(
    app: &App,
    native: &Native,
    order: &ledger::Order,
    view: &channel::OrderView,
) -> Vec<ledger::Happening> {
    let found = named::attempt(order, native.channel, &native.account, &view.number, native.named);
    let Some((position, _)) = found else {
        return Vec::new();
    };
    let payer = view
        .payer
        .as_ref()
        .and_then(|p| app.vault().token(native.channel, p));
    settle::order_seen(order, position, view, Proof::Query, payer, None).events
}
