//! Payers' ids that a merchant has not been told of yet outlive the keys they lie under: sealed again, a day at most.

use crate::{app::App, stages::seal_notice::paid_context};
use domain::{PaymentId, TradeEvent};
use std::time::Duration;
use tokio::sync::watch;
use vault::{Context, PaidBuyer};

/// What dies within a bucket's length is looked for so often; a bucket is a second at least.
const LOOK: Duration = Duration::from_millis(500);

/// Renews until `stop`. The vault says what dies soon, so that what a merchant lets wait costs something once in a bucket's
/// length and not at every look.
pub(crate) async fn run(app: App, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = crate::accept::stopped(&mut stop) => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let (renewing, stopping) = (app.clone(), stop.clone());
        let done = tokio::task::spawn_blocking(move || {
            for (context, order) in renewing.vault().dying() {
                if *stopping.borrow() {
                    return;
                }
                if is_awaited(&renewing, &context, &order) {
                    renew(&renewing, &context, order);
                }
            }
        });
        if let Err(error) = done.await {
            tracing::error!(%error, "what dies soon could not be looked through");
        }
    }
}

/// Is the merchant still to be told of this payment, for the first day?
fn is_awaited(app: &App, context: &Context, id: &PaymentId) -> bool {
    let now = app.clock().now().millis();
    let most = app.vault().renew_at_most().as_millis() as i64;
    let mut pending = app.ledger().tells_of(&context.merchant, id).into_iter();
    pending.any(|tell| {
        let young = now - tell.at.millis() < most;
        young
            && app
                .ledger()
                .entry(tell.index)
                .is_ok_and(|entry| match entry.event {
                    TradeEvent::AttemptPaid { attempt, .. } => is_of(app, context, id, attempt),
                    _ => false,
                })
    })
}

/// Does this lie where the payer of that attempt does?
fn is_of(app: &App, context: &Context, id: &PaymentId, attempt: u16) -> bool {
    let order = app.ledger().glance(id).ok().flatten();
    let attempt = order.as_ref().and_then(|order| order.attempt(attempt));
    attempt.is_some_and(|a| paid_context(&context.merchant, a.channel, &a.account, &a.number) == *context)
}

fn renew(app: &App, context: &Context, order: PaymentId) {
    let Some(sealed) = app.vault().kept::<PaidBuyer>(context) else {
        return;
    };
    if let Ok(renewed) = app.vault().renew(&sealed, context)
        && let Err(error) = app.vault().keep_to_tell(&renewed, context, order)
    {
        tracing::warn!(%error, "a payer's sealed id could not be kept");
    }
}
