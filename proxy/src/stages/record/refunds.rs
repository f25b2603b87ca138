//! Refunds: asked, released, cancelled, sent elsewhere.

use super::{Intended, commit, named, patterns, recorded, stop};
use crate::{
    api::render::{self, Said},
    app::App,
    errand,
    fault::{Code, Fault, Stop},
    payment::{Claimed, Errand, Redirect, Refund, Routed},
    redirect,
    stages::admit::Admit,
};
use domain::*;
use ledger::{CommitError, Happening};

pub(super) async fn refund(app: &App, mut routed: Routed, refund: &Refund) -> Result<Intended, Stop> {
    let claimed = &routed.claimed;
    let order = claimed.order.clone().ok_or_else(|| Fault::of(Code::NotFound))?;
    let attempt = claimed
        .refunded_attempt(&order)
        .ok_or_else(|| Fault::of(Code::OrderNotPaid))?;
    let number = refund
        .number
        .clone()
        .unwrap_or_else(|| errand::refund_number(&order, order.attempt(attempt), &refund.refund_no));
    let (amount, refund_no) = (refund.amount, refund.refund_no.clone());
    let named = named(&claimed.sealed, &number, attempt, Some(&refund_no));
    let under_way = order
        .refund(&refund_no)
        .is_some_and(|r| !matches!(r.state, RefundState::Failed));
    if under_way {
        // A native repeat of a refund that is on record: the same number goes out again.
        let (Claimed { sealed, held, .. }, account) = (routed.claimed, routed.account);
        return Ok(Intended::Send(recorded(
            sealed,
            order,
            account,
            Errand::Refund(refund_no),
            held,
        )));
    }
    let event = if refund.hold {
        TradeEvent::RefundHeld {
            amount,
            attempt,
            number,
            refund_no: refund_no.clone(),
        }
    } else {
        TradeEvent::RefundIntended {
            amount,
            attempt,
            cause: RefundCause::Merchant,
            number,
            refund_no: refund_no.clone(),
        }
    };
    let mut events = vec![Happening::from(event)];
    events.extend(named);
    events.extend(patterns(&claimed.sealed));
    app.step("before_intent");
    let (merchant, id) = (&claimed.sealed.merchant.id, &claimed.sealed.id);
    let committed = match app.ledger().commit(merchant, id, events).await {
        // Another refund of the order came on record since policy judged this one.
        Err(CommitError::Illegal(illegal)) => {
            routed.claimed.order = app.order(id).await?;
            return Err(Admit(app.clone()).again(&routed, illegal).await);
        }
        committed => committed.map_err(stop)?,
    };
    let (Claimed { sealed, held, .. }, account) = (routed.claimed, routed.account);
    if refund.hold {
        let held = committed
            .order
            .refund(&refund_no)
            .ok_or_else(|| Fault::of(Code::Internal))?;
        return Ok(Intended::Done(
            render::refund(app, &sealed.merchant, &committed.order, held, Said::First).await,
        ));
    }
    Ok(Intended::Send(recorded(
        sealed,
        committed.order,
        account,
        Errand::Refund(refund_no),
        held,
    )))
}

pub(super) async fn release(app: &App, routed: Routed, refund_no: &RefundNo) -> Result<Intended, Stop> {
    let Routed {
        claimed: Claimed {
            sealed, held, order, ..
        },
        account,
        ..
    } = routed;
    let order = order.ok_or_else(|| Fault::of(Code::NotFound))?;
    let waiting = order.refund(refund_no).ok_or_else(|| Fault::of(Code::NotFound))?;
    if waiting.state != RefundState::Held {
        return Err(Fault::of(Code::RefundNotHeld).into());
    }
    let event = TradeEvent::RefundIntended {
        amount: waiting.amount,
        attempt: waiting.attempt,
        cause: RefundCause::Merchant,
        number: waiting.number.clone(),
        refund_no: refund_no.clone(),
    };
    let committed = commit(app, &sealed.merchant.id, &sealed.id, vec![event.into()]).await?;
    Ok(Intended::Send(recorded(
        sealed,
        committed.order,
        account,
        Errand::Refund(refund_no.clone()),
        held,
    )))
}

pub(super) async fn cancel(app: &App, routed: Routed, refund_no: &RefundNo) -> Result<Intended, Stop> {
    let Claimed {
        sealed, order, held, ..
    } = routed.claimed;
    let order = order.ok_or_else(|| Fault::of(Code::NotFound))?;
    match order.refund(refund_no).map(|r| r.state) {
        None => return Err(Fault::of(Code::NotFound).into()),
        Some(RefundState::Held) => {}
        Some(_) => return Err(Fault::of(Code::RefundNotHeld).into()),
    }
    let event = TradeEvent::RefundCancelled {
        refund_no: refund_no.clone(),
    };
    let committed = commit(app, &sealed.merchant.id, &sealed.id, vec![event.into()]).await?;
    drop(held);
    let refund = committed
        .order
        .refund(refund_no)
        .ok_or_else(|| Fault::of(Code::Internal))?;
    Ok(Intended::Done(
        render::refund(app, &sealed.merchant, &committed.order, refund, Said::First).await,
    ))
}

/// What the channel calls abnormal goes another way; nothing else does.
//= C78
pub(super) async fn redirect(app: &App, routed: Routed, asked: &Redirect) -> Result<Intended, Stop> {
    let Routed {
        claimed: Claimed {
            sealed, held, order, ..
        },
        account,
        ..
    } = routed;
    let order = order.ok_or_else(|| Fault::of(Code::NotFound))?;
    let refund = order
        .refund(&asked.refund_no)
        .ok_or_else(|| Fault::of(Code::NotFound))?;
    redirect::may_go(app, &account, refund, asked)?;
    let event = TradeEvent::RefundRedirected {
        refund_no: asked.refund_no.clone(),
        to: asked.to,
    };
    let committed = commit(app, &sealed.merchant.id, &sealed.id, vec![event.into()]).await?;
    Ok(Intended::Send(recorded(
        sealed,
        committed.order,
        account,
        Errand::Redirect(asked.clone()),
        held,
    )))
}
