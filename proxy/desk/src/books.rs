//! What two officers make of each difference between a channel's bill and the record (对账), and of what is not proven.

use crate::{
    cases::{Cases, Refusal},
    officers::{allowed, reason, second},
    state::{DifferenceProposal, State},
    trades::Trades,
    users::User,
};
use domain::*;

/// A first officer proposes what becomes of a difference, or what was found out about what is not proven. Yields where that
/// stands in the cases journal.
pub async fn propose(
    cases: &Cases,
    user: &User,
    trades: &Trades,
    index: u64,
    resolution: Resolution,
    why: &str,
) -> Result<u64, Refusal> {
    allowed(user.role.may_propose())?;
    let reason = reason(why)?;
    let merchant = trades.owner(index, cases.now()).ok_or(Refusal::NotFound)?;
    let decide = |state: &State, _| {
        match state.difference(index).map_or("open", |case| case.status()) {
            "open" => {}
            "proposed" => return Err(Refusal::State("a proposal waits for a second officer already")),
            _ => return Err(Refusal::State("the difference is resolved")),
        }
        Ok(vec![CaseEvent::DifferenceProposed {
            merchant,
            officer: user.name.clone(),
            reason,
            resolution,
            trades_index: index,
        }])
    };
    cases.commit(decide).await.map(Option::unwrap_or_default)
}

//= C62
/// A second officer agrees to the proposal that was `read`: resolved. The proxy puts it on its own record as soon as it reads
/// it.
pub async fn agree(
    cases: &Cases,
    user: &User,
    trades: &Trades,
    index: u64,
    read: Option<u64>,
) -> Result<(), Refusal> {
    allowed(user.role.may_decide())?;
    let merchant = trades.owner(index, cases.now()).ok_or(Refusal::NotFound)?;
    let decide = |state: &State, _| {
        let pending = pending(state, index, user, read)?;
        let (resolution, proposer) = (pending.resolution, pending.officer.clone());
        Ok(vec![CaseEvent::DifferenceResolved {
            merchant,
            officer: user.name.clone(),
            proposal: Some(pending.index),
            proposer,
            resolution,
            trades_index: index,
        }])
    };
    cases.commit(decide).await.map(drop)
}

/// A second officer does not agree to the proposal that was `read`: the difference is open again.
pub async fn send_back(
    cases: &Cases,
    user: &User,
    trades: &Trades,
    index: u64,
    read: Option<u64>,
    why: &str,
) -> Result<(), Refusal> {
    allowed(user.role.may_decide())?;
    let reason = reason(why)?;
    let merchant = trades.owner(index, cases.now()).ok_or(Refusal::NotFound)?;
    let decide = |state: &State, _| {
        let pending = pending(state, index, user, read)?;
        Ok(vec![CaseEvent::DifferenceReturned {
            merchant,
            officer: user.name.clone(),
            proposal: Some(pending.index),
            reason,
            trades_index: index,
        }])
    };
    cases.commit(decide).await.map(drop)
}

/// What the first officer proposed, for another one who has `read` it to decide.
fn pending<'a>(
    state: &'a State,
    index: u64,
    user: &User,
    read: Option<u64>,
) -> Result<&'a DifferenceProposal, Refusal> {
    let pending = state
        .difference(index)
        .and_then(|case| case.pending.as_ref())
        .ok_or(Refusal::State("nothing is proposed"))?;
    second(user, &pending.officer, pending.index, read)?;
    Ok(pending)
}
