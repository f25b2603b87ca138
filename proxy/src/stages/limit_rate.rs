//! Refuses beyond the merchant's rate with 429; never queues.

use crate::{
    app::App,
    fault::{Code, Fault, Stop},
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
