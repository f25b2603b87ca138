//! Between `limit_rate` and whatever reads the request: what the no-funds guard refuses below is on record before its
//! caller hears of it. (The pass-through's `read` puts its own refusals on record: it alone knows whose they are.)

use crate::{
    api::route::{self, Resource},
    app::App,
    fault::Stop,
    guard::{self, Asked},
    payment::{Authenticated, Limited},
    stage::{Around, Next, Response},
};
use domain::Operation;

/// Over the ledger.
pub struct Guard(pub App);

impl Around<Limited> for Guard {
    type Down = Limited;
    type Up = Response;
    type Out = Response;

    async fn run(&self, request: Limited, next: Next<Limited, Response>) -> Result<Response, Stop> {
        let (merchant, asked) = (request.0.merchant.id.clone(), asked(&request.0));
        match next.run(request).await {
            Err(Stop::Fault(fault)) if fault.breach.is_some() => {
                Err(guard::on_record(&self.0, &merchant, asked, fault).await)
            }
            other => other,
        }
    }
}

fn asked(request: &Authenticated) -> Asked {
    match &request.native {
        Some(native) => Asked {
            account: Some(native.account.clone()),
            channel: Some(native.channel),
            operation: Some(native.operation),
            payee: native.payee.clone(),
        },
        None => Asked {
            operation: operation(request),
            ..Asked::default()
        },
    }
}

/// What a request of the unified API asks for, if it changes an order.
fn operation(request: &Authenticated) -> Option<Operation> {
    let head = &request.received.head;
    match route::resource(&head.method, head.uri.path()).ok()? {
        Resource::Create => Some(Operation::Create),
        Resource::Close(_) => Some(Operation::Close),
        Resource::Reverse(_) => Some(Operation::Reverse),
        Resource::Refund(_) | Resource::Release(..) | Resource::Cancel(..) | Resource::Redirect(..) => {
            Some(Operation::Refund)
        }
        Resource::Find | Resource::Order(_) => Some(Operation::Query),
        Resource::RefundOf(..) => Some(Operation::RefundQuery),
        _ => None,
    }
}
