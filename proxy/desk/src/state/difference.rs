//! One difference between a bill and the record, from what a first officer makes of it to the second one's word.

use domain::*;
use std::sync::Arc;

/// What waits for a second officer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DifferenceProposal {
    /// Where it stands in the cases journal.
    pub index: u64,
    /// What it comes to.
    pub resolution: Resolution,
    /// Who.
    pub officer: OfficerId,
    /// Why.
    pub reason: Arc<str>,
    /// When.
    pub at: Instant,
}

/// How far it is.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct DifferenceCase {
    /// What waits for a second officer.
    pub pending: Option<DifferenceProposal>,
    /// What two officers made of it.
    pub resolved: Option<DifferenceResolved>,
}

/// What two officers made of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DifferenceResolved {
    /// What it comes to.
    pub resolution: Resolution,
    /// Who proposed it.
    pub proposer: OfficerId,
    /// Why, in the proposer's words.
    pub reason: Option<Arc<str>>,
    /// Who agreed.
    pub officer: OfficerId,
    /// When.
    pub at: Instant,
}

impl DifferenceCase {
    pub(super) fn take(&mut self, index: u64, at: Instant, event: &CaseEvent) {
        match event {
            CaseEvent::DifferenceProposed {
                officer,
                reason,
                resolution,
                ..
            } => {
                self.pending = Some(DifferenceProposal {
                    index,
                    resolution: *resolution,
                    officer: officer.clone(),
                    reason: reason.clone(),
                    at,
                });
            }
            CaseEvent::DifferenceReturned { .. } => self.pending = None,
            CaseEvent::DifferenceResolved {
                officer,
                proposer,
                resolution,
                ..
            } => {
                self.resolved = Some(DifferenceResolved {
                    resolution: *resolution,
                    proposer: proposer.clone(),
                    reason: self.pending.take().map(|pending| pending.reason),
                    officer: officer.clone(),
                    at,
                });
            }
            _ => {}
        }
    }

    /// Its name in the API.
    pub fn status(&self) -> &'static str {
        match (&self.pending, &self.resolved) {
            (_, Some(_)) => "resolved",
            (Some(_), None) => "proposed",
            (None, None) => "open",
        }
    }
}
