//! Native reads go on to the channel at once; what the answer tells is learned on the way back.

use crate::{
    app::App,
    errand,
    fault::Stop,
    passthrough,
    payment::Limited,
    settle,
    stage::{Around, Next, Response},
    stages::parse,
};
use channel::Answer;
use domain::*;

/// Between `limit_rate` and `parse` of the pass-through.
pub struct Forward(pub App);

impl Around<Limited> for Forward {
    type Down = Limited;
    type Up = Response;
    type Out = Response;

    async fn run(&self, request: Limited, next: Next<Limited, Response>) -> Result<Response, Stop> {
        let is_read = request.0.native.as_ref().is_some_and(|n| n.operation.is_read());
        if !is_read {
            return next.run(request).await;
        }
        let app = &self.0;
        let Some(native) = request.0.native.as_ref() else { return next.run(request).await };
        let registries = app.registries();
        let Some((merchant, facts)) = registries.owner(native.channel, &native.account) else { return next.run(request).await };
        let account = app.account(facts, native.payee.as_ref());
        let verbatim = passthrough::verbatim(&request.0.received, native);
        let (answer, response) = passthrough::ask(app, &account, native.operation, PayWay::Native, verbatim).await;
        if let Err(error) = learn(app, &merchant.id, native, answer).await {
            tracing::warn!(inside = error.inside.as_deref().unwrap_or_default(), "what a native query told could not be put on record");
        }
        Ok(response)
    }
}

/// What the merchant's own query tells about an order of ours.
async fn learn(app: &App, merchant: &MerchantId, native: &channel::native::Native, answer: Answer) -> Result<(), crate::fault::Fault> {
    let stop = |e: ledger::CommitError| crate::fault::Fault::of(crate::fault::Code::Internal).inside(e);
    let Some(order) = parse::find(app, merchant, native).await? else { return Ok(()) };
    let events = match answer {
        Answer::State(view) => {
            let Some((position, _)) = order.attempt_by_number(native.channel, &native.account, &view.number) else { return Ok(()) };
            let payer = view.payer.as_ref().map(|p| app.vault().token(native.channel, p));
            settle::order_seen(&order, position, &view, Proof::Query, payer, None).events
        }
        Answer::Refund(view) => {
            let number = native.refund.as_ref().unwrap_or(&view.number);
            let Some(refund) = order.refunds.iter().find(|r| r.number == *number) else { return Ok(()) };
            if refund.state.is_final() { return Ok(()) }
            settle::refund_seen(&refund.refund_no.clone(), view, Proof::Query).events
        }
        _ => return Ok(()),
    };
    errand::record(app, &order, events).await.map(|_| ()).map_err(stop)
}
