//! What people do: one proposes, another decides. Pages, API and tests all come through here.

use crate::{
    cases::{Cases, Refusal},
    state::{FlagRef, MeasureCase, MeasureProposal, Proposal, State, Status, two_people},
    users::User,
};
use domain::*;
use policy::registry::Registries;
use std::sync::Arc;

/// Longest reason, in characters; an entry of the journal holds it with ease.
pub const LONGEST_REASON: usize = 2000;
/// Longest measure, in days: proportionate, and looked at again (R14).
pub const LONGEST_MEASURE: i64 = 366;

//= C45
pub(crate) fn reason(text: &str) -> Result<Arc<str>, Refusal> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Refusal::Text("a written reason is needed"));
    }
    if text.chars().count() > LONGEST_REASON {
        return Err(Refusal::Text("the reason is longer than 2000 characters"));
    }
    if text
        .chars()
        .any(|c| c.is_control() && c != '\n' && c != '\r' && c != '\t')
    {
        return Err(Refusal::Text("the reason holds a control character"));
    }
    Ok(text.into())
}

pub(crate) fn allowed(allowed: bool) -> Result<(), Refusal> {
    if allowed { Ok(()) } else { Err(Refusal::Role) }
}

/// A first officer proposes what becomes of a flag. Yields where that stands in the cases journal.
pub async fn propose(
    cases: &Cases,
    user: &User,
    of: &FlagRef,
    disposition: Disposition,
    why: &str,
) -> Result<u64, Refusal> {
    allowed(user.role.may_propose())?;
    let reason = reason(why)?;
    let decide = |state: &State, _| {
        match state.flag(of).ok_or(Refusal::NotFound)?.status() {
            Status::Open => {}
            Status::Proposed => return Err(Refusal::State("a proposal waits for a second officer already")),
            Status::Confirmed | Status::Dismissed => return Err(Refusal::State("the flag is decided")),
        }
        let (acquirer, officer) = (of.acquirer.clone(), user.name.clone());
        Ok(vec![CaseEvent::FlagProposed {
            acquirer,
            disposition,
            flag: of.number,
            officer,
            reason,
        }])
    };
    cases.commit(decide).await.map(Option::unwrap_or_default)
}

/// A second officer agrees to the proposal that was `read`: the flag is decided.
pub async fn agree(cases: &Cases, user: &User, of: &FlagRef, read: Option<u64>) -> Result<(), Refusal> {
    allowed(user.role.may_decide())?;
    let decide = |state: &State, _| {
        let proposal = proposed(state, of)?;
        second(user, &proposal.officer, proposal.index, read)?;
        Ok(vec![CaseEvent::FlagDecided {
            acquirer: of.acquirer.clone(),
            disposition: proposal.disposition,
            flag: of.number,
            officer: user.name.clone(),
            proposal: Some(proposal.index),
            proposer: proposal.officer.clone(),
        }])
    };
    cases.commit(decide).await.map(drop)
}

/// A second officer does not agree to the proposal that was `read`: the flag is open again.
pub async fn send_back(
    cases: &Cases,
    user: &User,
    of: &FlagRef,
    read: Option<u64>,
    why: &str,
) -> Result<(), Refusal> {
    allowed(user.role.may_decide())?;
    let reason = reason(why)?;
    let decide = |state: &State, _| {
        let proposal = proposed(state, of)?;
        second(user, &proposal.officer, proposal.index, read)?;
        let (acquirer, officer) = (of.acquirer.clone(), user.name.clone());
        Ok(vec![CaseEvent::FlagReturned {
            acquirer,
            flag: of.number,
            officer,
            proposal: Some(proposal.index),
            reason,
        }])
    };
    cases.commit(decide).await.map(drop)
}

/// Somebody opens a flag; that is on record before it is shown (R11).
//= C46
pub async fn read(cases: &Cases, user: &User, of: &FlagRef) -> Result<(), Refusal> {
    let decide = |state: &State, _| {
        state.flag(of).ok_or(Refusal::NotFound)?;
        let (acquirer, officer) = (of.acquirer.clone(), user.name.clone());
        Ok(vec![CaseEvent::FlagRead {
            acquirer,
            flag: of.number,
            officer,
        }])
    };
    cases.commit(decide).await.map(drop)
}

/// A first officer proposes a stop. Yields its number, and where the proposal stands in the cases journal.
pub async fn propose_stop(
    cases: &Cases,
    user: &User,
    registries: &Registries,
    (subject, until): (Subject, Instant),
    why: &str,
) -> Result<(MeasureId, u64), Refusal> {
    allowed(user.role.may_propose())?;
    let reason = reason(why)?;
    known(registries, &subject)?;
    let mut number = None;
    let decide = |state: &State, now: Instant| {
        if until <= now {
            return Err(Refusal::Text("a measure ends in the future"));
        }
        if until > now.plus_millis(LONGEST_MEASURE * 86_400_000) {
            return Err(Refusal::Text("a measure ends within 366 days"));
        }
        let id = MeasureId::new(format!("M{:06}", state.measure_count() + 1));
        let id = id.map_err(|_| Refusal::Text("no number is left for a measure"))?;
        number = Some(id.clone());
        let measure = Measure {
            effect: Effect::Stop,
            id,
            subject,
            until,
        };
        Ok(vec![CaseEvent::MeasureProposed {
            measure,
            officer: user.name.clone(),
            reason,
        }])
    };
    let index = cases.commit(decide).await?;
    number.zip(index).ok_or(Refusal::NotFound)
}

/// A first officer proposes that a stop ends early. Yields where that stands in the cases journal.
pub async fn propose_lift(cases: &Cases, user: &User, id: &MeasureId, why: &str) -> Result<u64, Refusal> {
    allowed(user.role.may_propose())?;
    let reason = reason(why)?;
    let decide = |state: &State, now: Instant| {
        let case = state.measure(id).ok_or(Refusal::NotFound)?;
        let stop = case
            .stop
            .clone()
            .filter(|stop| case.ordered && !case.lifted && stop.until > now);
        let stop = stop.ok_or(Refusal::State("only a measure in force can be lifted"))?;
        if case.pending.is_some() {
            return Err(Refusal::State("a proposal waits for a second officer already"));
        }
        let measure = Measure {
            effect: Effect::Lift,
            ..stop
        };
        Ok(vec![CaseEvent::MeasureProposed {
            measure,
            officer: user.name.clone(),
            reason,
        }])
    };
    cases.commit(decide).await.map(Option::unwrap_or_default)
}

/// A second officer orders what was proposed and `read`; the proxy obeys as soon as it reads it.
pub async fn order(cases: &Cases, user: &User, id: &MeasureId, read: Option<u64>) -> Result<(), Refusal> {
    allowed(user.role.may_decide())?;
    let decide = |state: &State, now: Instant| {
        let pending = pending(state.measure(id))?;
        second(user, &pending.officer, pending.index, read)?;
        if pending.measure.until <= now {
            return Err(Refusal::State("its end is over already; reject it"));
        }
        let (measure, proposer) = (pending.measure.clone(), pending.officer.clone());
        Ok(vec![CaseEvent::MeasureOrdered {
            measure,
            officer: user.name.clone(),
            proposal: Some(pending.index),
            proposer,
        }])
    };
    cases.commit(decide).await.map(drop)
}

/// A second officer rejects what was proposed and `read`.
pub async fn reject(
    cases: &Cases,
    user: &User,
    id: &MeasureId,
    read: Option<u64>,
    why: &str,
) -> Result<(), Refusal> {
    allowed(user.role.may_decide())?;
    let reason = reason(why)?;
    let decide = |state: &State, _| {
        let pending = pending(state.measure(id))?;
        second(user, &pending.officer, pending.index, read)?;
        Ok(vec![CaseEvent::MeasureRejected {
            measure: id.clone(),
            officer: user.name.clone(),
            proposal: Some(pending.index),
            reason,
        }])
    };
    cases.commit(decide).await.map(drop)
}

/// A slip of the pen would stop nobody, and nobody would see it.
fn known(registries: &Registries, subject: &Subject) -> Result<(), Refusal> {
    match subject {
        Subject::Merchant(id) if registries.merchant(id).is_none() => {
            Err(Refusal::Text("no registry knows this merchant"))
        }
        Subject::Account { account, channel } if registries.owner(*channel, account).is_none() => {
            Err(Refusal::Text("no registry knows this account"))
        }
        _ => Ok(()),
    }
}

fn proposed<'a>(state: &'a State, of: &FlagRef) -> Result<&'a Proposal, Refusal> {
    let proposal = state.flag(of).ok_or(Refusal::NotFound)?.proposal.as_ref();
    proposal.ok_or(Refusal::State("nothing is proposed"))
}

fn pending(case: Option<&MeasureCase>) -> Result<&MeasureProposal, Refusal> {
    case.ok_or(Refusal::NotFound)?
        .pending
        .as_ref()
        .ok_or(Refusal::State("nothing is proposed"))
}

/// Whoever decides is not who proposed, and read the very proposal that stands: another one may have come since.
//= C44
pub(crate) fn second(user: &User, first: &OfficerId, stands: u64, read: Option<u64>) -> Result<(), Refusal> {
    if !two_people(&user.name, first) {
        return Err(Refusal::SameOfficer);
    }
    match read {
        None => Err(Refusal::Text("say which proposal was read: its index")),
        Some(read) if read != stands => Err(Refusal::Changed),
        Some(_) => Ok(()),
    }
}
