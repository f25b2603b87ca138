//! ★ The road. Six stacks, each written once, in the order in which data flows.
//!
//! Each stage takes a state and yields the next (see [`crate::payment`] and [`crate::notification`]); two stages in
//! the wrong order do not compile.

use crate::{accept::Received, fault::Stop, stage::Response};
use crate::{
    api::reads::Reads,
    app::App,
    pages::{Orders, Pages},
    scan::Scans,
    stage::{around, end, stage},
    stages::*,
};
use tower::{Service, ServiceBuilder, util::BoxCloneSyncService};

/// One stack: a request in, an answer out.
pub type Stack = BoxCloneSyncService<Received, Response, Stop>;

/// Create, close, refund by the unified API.
pub fn mutations(app: &App) -> Stack {
    boxed(
        ServiceBuilder::new()
            .layer(around(Trace(app.clone()))) // one span, one line of log
            .layer(around(Rescue(app.clone()))) // faults and panics become signed answers
            .layer(around(Shed(app.clone()))) // by source and by failures per source
            .layer(stage(Authenticate(app.clone()))) // known merchant, fresh signature, new nonce
            .layer(stage(LimitRate(app.clone()))) // 429 beyond the merchant's rate
            .layer(around(Guard(app.clone()))) // what the no-funds guard refuses is on record before it is told
            .layer(stage(Parse(app.clone()))) // strict: facts apart from buyer data
            .layer(stage(Seal(app.clone()))) // plaintext ends here
            .layer(stage(Claim(app.clone()))) // one winner per number; the same content gets the same answer
            .layer(stage(Route(app.clone()))) // which account of the merchant
            .layer(stage(Admit(app.clone()))) // one call to policy: licence, no funds, limits, measures
            .layer(around(Record(app.clone()))) // the intent is durable before, the outcome durable after
            .service(end(Send(app.clone()))), // to the licensed channel
    )
}

/// Payers at a code. An order that one places goes down the merchant's own road, from `seal` on.
pub fn pages(app: &App) -> Stack {
    boxed(
        ServiceBuilder::new()
            .layer(around(Trace(app.clone())))
            .layer(around(Rescue(app.clone())))
            .service(end(Pages::new(app, orders(app)))), // by source; which wallet, whose; what the journal says
    )
}

/// WeChat, asking for the order of somebody who scanned a product's code (模式一). It goes down the merchant's own road too.
pub fn scans(app: &App) -> Stack {
    boxed(
        ServiceBuilder::new()
            .layer(around(Trace(app.clone())))
            .layer(around(Rescue(app.clone()))) // in the channel's language
            .layer(around(Shed(app.clone())))
            .service(end(Scans::new(app, orders(app)))), // the channel's digest, the code on record, one order per payer
    )
}

fn orders(app: &App) -> Orders {
    BoxCloneSyncService::new(
        ServiceBuilder::new()
            .layer(stage(Seal(app.clone())))
            .layer(stage(Claim(app.clone())))
            .layer(stage(Route(app.clone())))
            .layer(stage(Admit(app.clone())))
            .layer(around(Record(app.clone())))
            .service(end(Send(app.clone()))),
    )
}

/// Reads of the unified API, and what asks no channel: codes that payers scan, a notification sent again.
pub fn reads(app: &App) -> Stack {
    boxed(
        ServiceBuilder::new()
            .layer(around(Trace(app.clone())))
            .layer(around(Rescue(app.clone())))
            .layer(around(Shed(app.clone())))
            .layer(stage(Authenticate(app.clone())))
            .layer(stage(LimitRate(app.clone())))
            .layer(around(Guard(app.clone())))
            .service(end(Reads(app.clone()))),
    )
}

/// A merchant's official SDK with only the host changed.
pub fn pass_through(app: &App) -> Stack {
    boxed(
        ServiceBuilder::new()
            .layer(around(Trace(app.clone())))
            .layer(around(Rescue(app.clone()))) // in the channel's language
            .layer(around(Shed(app.clone())))
            .layer(stage(Read(app.clone()))) // native request, the SDK's own signature; its refusals go on record
            .layer(stage(LimitRate(app.clone())))
            .layer(around(Guard(app.clone())))
            .layer(around(Forward(app.clone()))) // queries go on at once; what they tell is learned
            .layer(stage(Parse(app.clone())))
            .layer(stage(Seal(app.clone())))
            .layer(stage(Claim(app.clone())))
            .layer(stage(Route(app.clone())))
            .layer(stage(Admit(app.clone())))
            .layer(around(Record(app.clone())))
            .service(end(Send(app.clone()))), // octet for octet
    )
}

/// Notices of channels.
pub fn notifications(app: &App) -> Stack {
    boxed(
        ServiceBuilder::new()
            .layer(around(Trace(app.clone())))
            .layer(around(Rescue(app.clone()))) // refusals in the channel's language, so that the notice comes again
            .layer(around(Shed(app.clone()))) // by source: forged notices cost their sender
            .layer(stage(Identify(app.clone()))) // the path names an account
            .layer(stage(LimitNotices(app.clone())))
            .layer(stage(Verify(app.clone()))) // the channel's signature
            .layer(stage(OpenNotice(app.clone()))) // decrypt, read
            .layer(stage(SealNotice(app.clone()))) // plaintext ends here
            .layer(stage(MatchOrder(app.clone())))
            .service(end(RecordNotice(app.clone()))), // durable, then acknowledged
    )
}

fn boxed<S>(stack: S) -> Stack
where
    S: Service<Received, Response = Response, Error = Stop> + Clone + std::marker::Send + Sync + 'static,
    S::Future: std::marker::Send + 'static,
{
    BoxCloneSyncService::new(stack)
}
