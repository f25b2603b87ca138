//! Closes and reverses.

use super::{Intended, commit, group_again, recorded};
use crate::{
    api::render::{self, Said},
    app::App,
    errand,
    fault::{Code, Fault, Stop},
    payment::{Also, Cargo, Claimed, Errand, Recorded, Routed, Sealed},
};
use domain::*;
use ledger::Happening;

pub(super) async fn close(app: &App, routed: Routed) -> Result<Intended, Stop> {
    let Routed {
        claimed:
            Claimed {
                sealed,
                held,
                order,
                target,
                also,
                ..
            },
        account,
        ..
    } = routed;
    let whole: Vec<&ledger::Attempt> = order
        .iter()
        .chain(also.iter().filter_map(|other| other.order.as_ref()))
        .map(|order| order.latest())
        .collect();
    if !also.is_empty() && matches!(sealed.cargo, Cargo::Compose) {
        if whole.iter().any(|attempt| attempt.state == AttemptState::Paid) {
            return Err(Fault::of(Code::OrderPaid).into());
        }
        if whole.iter().all(|attempt| attempt.state.is_final()) {
            let all = std::iter::once(sealed.id).chain(also.iter().map(|other| other.id));
            return Ok(Intended::Done(group_again(app, &sealed, all).await?));
        }
    }
    let mut others = Vec::with_capacity(also.len());
    for Also {
        id,
        held,
        order,
        target,
        ..
    } in also
    {
        let order = order.ok_or_else(|| Fault::of(Code::NotFound))?;
        let position = target.unwrap_or(order.attempts.len() as u16);
        let order = match order
            .attempt(position)
            .is_some_and(|a| a.state.is_final() || is_asked(a))
        {
            true => order,
            false => {
                commit(
                    app,
                    &sealed.merchant.id,
                    &id,
                    vec![
                        TradeEvent::CloseIntended {
                            attempt: position,
                            reason: CloseReason::Merchant,
                        }
                        .into(),
                    ],
                )
                .await?
                .order
            }
        };
        others.push((order, Errand::Close(position), held));
    }
    let order = order.ok_or_else(|| Fault::of(Code::NotFound))?;
    let position = target.unwrap_or(order.attempts.len() as u16);
    let alone = others.is_empty() && matches!(sealed.cargo, Cargo::Compose);
    if alone && order.attempt(position).is_some_and(|a| a.combined.is_some()) {
        return Err(Fault::new(
            Code::OperationNotAllowed,
            "This order is paid together with others and closed with them only: POST /v1/payments/combined/{group_no}/close.",
        )
        .into());
    }
    if order.attempt(position).is_some_and(|a| a.pay_way.charges()) && matches!(sealed.cargo, Cargo::Compose)
    {
        return Err(Fault::new(
            Code::OperationNotAllowed,
            "A payment-code order is not closed but reversed: POST /v1/payments/{id}/reverse.",
        )
        .into());
    }
    match order.attempt(position).map(|a| a.state) {
        Some(AttemptState::Paid) if matches!(sealed.cargo, Cargo::Compose) => {
            return Err(Fault::of(Code::OrderPaid).into());
        }
        Some(AttemptState::Closed | AttemptState::NotPlaced) if alone => {
            return Ok(Intended::Done(
                render::order(app, &sealed.merchant, &order, Said::Again).await,
            ));
        }
        Some(state) if state.is_final() => {
            // A native close of a final order changes nothing here; the channel gives its own answer.
            return Ok(Intended::Send(Recorded {
                also: others,
                ..recorded(sealed, order, account, Errand::Close(position), held)
            }));
        }
        _ => {}
    }
    // One is under way: the same goes out again.
    if order.attempt(position).is_some_and(is_asked) {
        return Ok(Intended::Send(Recorded {
            also: others,
            ..recorded(sealed, order, account, Errand::Close(position), held)
        }));
    }
    let event = TradeEvent::CloseIntended {
        attempt: position,
        reason: CloseReason::Merchant,
    };
    let committed = commit(app, &sealed.merchant.id, &sealed.id, vec![event.into()]).await?;
    Ok(Intended::Send(Recorded {
        also: others,
        ..recorded(sealed, committed.order, account, Errand::Close(position), held)
    }))
}

/// A close that the merchant asked for is on record, and without an end.
fn is_asked(attempt: &ledger::Attempt) -> bool {
    errand::is_intended(attempt, CloseReason::Merchant)
}

pub(super) async fn reverse(app: &App, routed: Routed) -> Result<Intended, Stop> {
    let Routed {
        claimed:
            Claimed {
                sealed,
                held,
                order,
                target,
                ..
            },
        account,
        ..
    } = routed;
    let order = order.ok_or_else(|| Fault::of(Code::NotFound))?;
    let native = target.and_then(|position| Some((position, order.attempt(position)?)));
    let (position, attempt) = native
        .or(order.winner())
        .unwrap_or((order.attempts.len() as u16, order.latest()));
    let reversed = attempt.state == AttemptState::Reversed;
    // By the unified API such an order is closed or refunded, which says more: a cancel is its own client's word.
    let its_clients = attempt.may_be_cancelled() && matches!(sealed.cargo, Cargo::Compose);
    if !reversed && (its_clients || !attempt.may_be_reversed()) {
        return Err(Fault::new(
            Code::OperationNotAllowed,
            "Only a payment-code order is reversed, or what was paid at UnionPay; close this one, or refund it.",
        )
        .into());
    }
    match attempt.state {
        // A native reverse of what is over changes nothing here; the channel gives its own answer.
        AttemptState::Reversed | AttemptState::Closed | AttemptState::NotPlaced if native.is_some() => {
            return Ok(Intended::Send(recorded(
                sealed,
                order,
                account,
                Errand::Reverse(position),
                held,
            )));
        }
        AttemptState::Reversed | AttemptState::Closed | AttemptState::NotPlaced => {
            return Ok(Intended::Done(
                render::order(app, &sealed.merchant, &order, Said::Again).await,
            ));
        }
        // One is under way: the same goes out again.
        _ if attempt.is_reversing() => {
            return Ok(Intended::Send(recorded(
                sealed,
                order,
                account,
                Errand::Reverse(position),
                held,
            )));
        }
        _ => {}
    }
    if !order.reserved(position).is_zero() {
        return Err(Fault::new(
            Code::RefundExceedsPaid,
            "A part of this order was refunded or is held for it; refund the rest.",
        )
        .into());
    }
    let event = TradeEvent::ReverseIntended {
        attempt: position,
        reason: ReverseReason::Merchant,
    };
    let mut events = vec![Happening::from(event)];
    events.extend(reverse_named(&sealed, position, &attempt.number));
    let committed = commit(app, &sealed.merchant.id, &sealed.id, events).await?;
    Ok(Intended::Send(recorded(
        sealed,
        committed.order,
        account,
        Errand::Reverse(position),
        held,
    )))
}

/// The number and time by which UnionPay knows the reverse: a consume-cancel's are the merchant's, a reversal's those of its order.
//= C75
fn reverse_named(sealed: &Sealed, attempt: u16, own: &ChannelNo) -> Option<Happening> {
    let Cargo::Verbatim(verbatim) = &sealed.cargo else {
        return None;
    };
    let (number, time) = match &verbatim.cancel {
        Some(cancel) => (cancel.number.clone(), cancel.time),
        None if verbatim.channel == Channel::Unionpay => (own.clone(), verbatim.named?),
        None => return None,
    };
    let event = TradeEvent::ReverseNamed {
        account: verbatim.account.clone(),
        attempt,
        channel: verbatim.channel,
        number,
        time,
    };
    Some(event.into())
}
