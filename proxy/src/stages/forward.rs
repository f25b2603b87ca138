//! Native reads go on to the channel at once; what the answer tells is learned on the way back.

use crate::{
    app::App,
    errand,
    fault::{Code, Fault, Stop},
    passthrough,
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
        if let Some(native) = request.0.native.as_mut() {
            asks_for_a_refund(app, &merchant.id, native).await?;
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
        let (answer, response) =
            passthrough::ask(app, &account, native.operation, PayWay::Native, verbatim).await;
        if let Err(error) = learn(app, &merchant.id, native, answer).await {
            tracing::warn!(
                inside = error.inside.as_deref().unwrap_or_default(),
                "what a native query told could not be put on record"
            );
        }
        Ok(response)
    }
}

/// UnionPay has one query for orders and refunds (channels.md 4.1): the record knows which number is whose.
async fn asks_for_a_refund(app: &App, merchant: &MerchantId, native: &mut Native) -> Result<(), Fault> {
    let Some(number) = native
        .number
        .clone()
        .filter(|_| native.channel == Channel::Unionpay)
    else {
        return Ok(());
    };
    let Some(order) = parse::by_number(app, merchant, native, &number).await? else {
        return Ok(());
    };
    let is_order = order
        .attempt_by_number(native.channel, &native.account, &number)
        .is_some();
    if !is_order && order.refunds.iter().any(|refund| refund.number == number) {
        native.operation = Operation::RefundQuery;
        native.refund = Some(number);
    }
    Ok(())
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
        Answer::Refund(view) => {
            let number = native.refund.as_ref().unwrap_or(&view.number);
            let ours = |refund: &&ledger::Refund| {
                refund.number == *number
                    && same_time(native, refund.named, refund.begun())
                    && order
                        .attempt(refund.attempt)
                        .is_some_and(|a| a.channel == native.channel && a.account == native.account)
            };
            let Some(refund_no) = order
                .refunds
                .iter()
                .find(ours)
                .map(|refund| refund.refund_no.clone())
            else {
                return Ok(());
            };
            settle::refund_seen(&order, &refund_no, view, Proof::Query).events
        }
        _ => return Ok(()),
    };
    errand::record(app, &order, events)
        .await
        .map(|_| ())
        .map_err(stop)
}

/// What the answer states of an order of ours.
fn seen(
    app: &App,
    native: &Native,
    order: &ledger::Order,
    view: &channel::OrderView,
) -> Vec<ledger::Happening> {
    let Some((position, attempt)) = order.attempt_by_number(native.channel, &native.account, &view.number)
    else {
        return Vec::new();
    };
    if !same_time(native, attempt.named, attempt.begun()) {
        return Vec::new();
    }
    let payer = view.payer.as_ref().map(|p| app.vault().token(native.channel, p));
    settle::order_seen(order, position, view, Proof::Query, payer, None).events
}

/// A number with another time is another transaction at UnionPay (channels.md 4.3). What we composed is told by whole
/// seconds of its intent.
fn same_time(native: &Native, named: Option<Instant>, begun: Instant) -> bool {
    match (native.named, named) {
        (None, _) => true,
        (Some(asked), Some(named)) => asked == named,
        (Some(asked), None) => asked.secs() == begun.secs(),
    }
}
