//! Puts what a notice says on record, once, then acknowledges it; a notice of a pass-through order goes on to the
//! merchant octet for octet, and the merchant's answer goes back.

use crate::{
    app::App,
    charge::cancel,
    errand,
    fault::{Code, Fault, Stop},
    named,
    notification::{Identified, Matched, Says},
    outbox::relay,
    settle,
    stage::{End, Response},
    stages::rescue,
    sweep,
};
use channel::dialect::{self, Speech};
use domain::*;
use ledger::{Happening, Order};
use std::sync::Arc;
use vault::Vault;

/// Over the ledger.
pub struct RecordNotice(pub App);

impl End<Matched> for RecordNotice {
    type Out = Response;

    async fn run(
        &self,
        Matched {
            notice,
            says,
            order,
            also,
        }: Matched,
    ) -> Result<Response, Stop> {
        let app = self.0.clone();
        // In its own task: a channel that hangs up early cancels nothing.
        let work = app.clone().spawn_work(async move {
            record(&app, notice, std::iter::once((says, order)).chain(also)).await
        });
        work.await.unwrap_or_else(|_| {
            Err(Fault::of(Code::Internal)
                .inside("the notice's task ended early")
                .into())
        })
    }
}

async fn record(
    app: &App,
    notice: Identified,
    said: impl Iterator<Item = (Says, Option<Arc<Order>>)>,
) -> Result<Response, Stop> {
    // What only the merchant can read or place is the merchant's to hear of, an order of ours or not.
    let mut passed_through = notice.facts.keys == Keys::Merchant;
    app.step("before_notice_recorded");
    for (says, order) in said {
        passed_through |= record_one(app, &notice, says, order).await?;
    }
    app.step("notice_recorded");
    if passed_through && let Some(answer) = relay(app, &notice).await {
        return answer;
    }
    let channel = notice.account.channel;
    let speech = Speech::of(channel, &notice.received.body);
    Ok(rescue::native(dialect::ack(channel, speech)))
}

/// What is said of one order; true where the merchant placed it through us and hears the notice itself.
async fn record_one(
    app: &App,
    notice: &Identified,
    says: Says,
    order: Option<Arc<Order>>,
) -> Result<bool, Stop> {
    let channel = notice.account.channel;
    let time = channel::notice::named(channel, &notice.received.body);
    let mut passed_through = notice.facts.keys == Keys::Merchant;
    match (says, order) {
        (Says::Nothing, _) => app.metrics().noticed(channel, "ignored"),
        (says, None) | (says @ Says::Closed, Some(_)) => foreign(app, notice, &says).await?,
        (Says::Order(view, token, sealed), Some(order)) => {
            let Some((position, attempt)) =
                named::attempt(&order, channel, &notice.account.account, &view.number, time)
            else {
                return Err(Fault::of(Code::Internal).into());
            };
            passed_through |= attempt.carried == Carried::PassThrough;
            let first = attempt.paid.is_none();
            let settled = settle::order_seen(
                &order,
                position,
                &view,
                Proof::Notice,
                token,
                sealed.as_ref().map(Vault::seal_ref),
            );
            if let (true, false, Some(sealed)) = (first, passed_through, &sealed) {
                let context = super::seal_notice::paid_context(
                    &order.merchant,
                    channel,
                    &attempt.account,
                    &attempt.number,
                );
                app.vault()
                    .keep_to_tell(sealed, &context, order.id)
                    .unwrap_or_else(|error| tracing::warn!(%error, "a payer's sealed id could not be kept"));
            }
            put(app, notice, &order, settled.events).await?;
        }
        (Says::RefundToAskFor(_, number), Some(order)) => {
            let Some(refund) = order.refunds.iter().find(|r| r.number == number) else {
                foreign(
                    app,
                    notice,
                    &Says::RefundToAskFor(order.latest().number.clone(), number),
                )
                .await?;
                return Ok(passed_through || order.latest().carried == Carried::PassThrough);
            };
            passed_through |= order
                .attempt(refund.attempt)
                .is_some_and(|a| a.carried == Carried::PassThrough);
            // It carries no signature, so it is no proof: the channel itself is asked.
            //= C72
            app.metrics().noticed(channel, "asked_for");
            sweep::ask_for_refund(app, &order, &refund.refund_no)
                .await
                .map_err(|e| Fault::of(Code::Stopping).inside(e))?;
        }
        (Says::Refund(_, view), Some(order)) => {
            let cancelled = named::cancelled(&order, &view.number, time);
            match named::refund(&order, &view.number, time) {
                Some(refund) => {
                    passed_through |= order
                        .attempt(refund.attempt)
                        .is_some_and(|a| a.carried == Carried::PassThrough);
                    let events = settle::refund_seen(&order, &refund.refund_no, view, Proof::Notice).events;
                    put(app, notice, &order, events).await?;
                }
                None if let Some(position) = cancelled => {
                    passed_through = true;
                    let events = named::seen(&order, position, &view, Proof::Notice).events;
                    put(app, notice, &order, events).await?;
                }
                // A reverse paid back; the sweep asks for it and puts its end on record.
                None if cancel::made(&order, &view.number, time) => app.metrics().noticed(channel, "known"),
                None => {
                    passed_through |= order.latest().carried == Carried::PassThrough;
                    let says = Says::Refund(Some(order.latest().number.clone()), view);
                    foreign(app, notice, &says).await?;
                }
            }
        }
    }
    Ok(passed_through)
}

async fn put(app: &App, notice: &Identified, order: &Arc<Order>, events: Vec<Happening>) -> Result<(), Stop> {
    let outcome = if events.is_empty() { "known" } else { "recorded" };
    app.metrics().noticed(notice.account.channel, outcome);
    errand::record(app, order, events)
        .await
        .map_err(|e| Fault::of(Code::Stopping).inside(e))?;
    Ok(())
}

/// A verified notice for no order of ours: on record by a keyed digest, and acknowledged.
async fn foreign(app: &App, notice: &Identified, says: &Says) -> Result<(), Stop> {
    let seen = app
        .vault()
        .keyed(&notice.received.body)
        .map_err(|e| Fault::of(Code::Internal).inside(e))?;
    let number = match says {
        Says::Order(view, ..) => Some(view.number.clone()),
        Says::Refund(_, view) => Some(view.number.clone()),
        Says::RefundToAskFor(_, number) => Some(number.clone()),
        Says::Nothing | Says::Closed => None,
    };
    let event = TradeEvent::ForeignNotice {
        account: notice.account.account.clone(),
        channel: notice.account.channel,
        number,
        seen,
    };
    app.metrics().noticed(notice.account.channel, "foreign");
    app.ledger()
        .note(Some(&notice.merchant.id), vec![event])
        .await
        .map_err(|e| Fault::of(Code::Stopping).inside(e))?;
    Ok(())
}
