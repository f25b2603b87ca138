//! Refuses beyond the merchant's rate with 429; never queues.

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
        match self.0.merchant_rate(&request.merchant) {
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
