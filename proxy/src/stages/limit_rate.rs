//! Refuses beyond the merchant's rate with 429; never queues. Whoever has a merchant's page can load it without end, so what
//! a browser brings has a rate of its own before it takes from the merchant's.

use crate::{
    app::App,
    fault::{Code, Fault, Stop},
    notification::Identified,
    payment::{Authenticated, Limited},
    stage::Stage,
};

/// Per merchant.
pub struct LimitRate(pub App);

impl Stage<Authenticated> for LimitRate {
    type Out = Limited;

    async fn run(&self, request: Authenticated) -> Result<Limited, Stop> {
        let form = request.native.as_ref().filter(|native| native.by_browser);
        let loaded = form.map_or(Ok(()), |form| self.0.form_rate(&form.proof.signature));
        match loaded.and_then(|()| self.0.merchant_rate(&request.merchant)) {
            Ok(()) => Ok(Limited(request)),
            Err(wait) => Err(Fault::of(Code::TooManyRequests).retry(wait).into()),
        }
    }
}

/// Notices, per account of a channel, apart from the channel's own rate that orders need.
pub struct LimitNotices(pub App);

impl Stage<Identified> for LimitNotices {
    type Out = Identified;

    async fn run(&self, notice: Identified) -> Result<Identified, Stop> {
        match self
            .0
            .notice_rate(notice.account.channel, &notice.account.account)
        {
            Ok(()) => Ok(notice),
            Err(wait) => Err(Fault::of(Code::TooManyRequests).retry(wait).into()),
        }
    }
}
