//! One flag and what became of it.

use super::Raised;
use domain::*;
use std::sync::Arc;

/// Acquirer and number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FlagRef {
    /// Whose merchant.
    pub acquirer: AcquirerNo,
    /// Gapless number per acquirer from 1.
    pub number: u64,
}

/// Where a flag stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Nobody has proposed anything.
    Open,
    /// One officer has proposed; a second must decide.
    Proposed,
    /// It stands.
    Confirmed,
    /// It fell.
    Dismissed,
}

impl Status {
    /// Its name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Open => "open",
            Status::Proposed => "proposed",
            Status::Confirmed => "confirmed",
            Status::Dismissed => "dismissed",
        }
    }
}

/// What a first officer wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proposal {
    /// Where it stands in the cases journal.
    pub index: u64,
    /// Who.
    pub officer: OfficerId,
    /// Confirm or dismiss.
    pub disposition: Disposition,
    /// Why.
    pub reason: Arc<str>,
    /// When.
    pub at: Instant,
}

/// What two officers decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// Confirm or dismiss.
    pub disposition: Disposition,
    /// Who decided.
    pub officer: OfficerId,
    /// Who had proposed it.
    pub proposer: OfficerId,
    /// The proposer's reason.
    pub reason: Arc<str>,
    /// When.
    pub at: Instant,
    /// Where it stands in the cases journal.
    pub index: u64,
}

/// One line of a flag's history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// Where it stands in the cases journal.
    pub index: u64,
    /// When.
    pub at: Instant,
    /// Who; nobody for the machine.
    pub officer: Option<OfficerId>,
    /// What.
    pub what: What,
}

/// What happened to a flag.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// The rule fired.
    Raised,
    /// Somebody read it.
    Read,
    /// Somebody proposed, with a reason.
    Proposed(Disposition, Arc<str>),
    /// Another one agreed.
    Decided(Disposition),
    /// Another one did not agree, with a reason.
    Returned(Arc<str>),
}

/// One flag.
#[derive(Clone, PartialEq, Debug)]
pub struct Flag {
    /// What the rule saw.
    pub raised: Raised,
    /// When it was raised.
    pub at: Instant,
    /// Where it stands in the cases journal.
    pub index: u64,
    /// What waits for a second officer.
    pub proposal: Option<Proposal>,
    /// What was decided, for good.
    pub decision: Option<Decision>,
    /// Everything, in order.
    pub history: Vec<Step>,
}

impl Flag {
    pub(super) fn begin(index: u64, at: Instant, event: &CaseEvent) -> Option<(FlagRef, Flag)> {
        let CaseEvent::FlagRaised {
            acquirer,
            flag,
            inputs,
            merchant,
            parameters,
            payer,
            rule,
            threshold,
            trades,
            unit,
            value,
            version,
            window_from,
            window_until,
        } = event.clone()
        else {
            return None;
        };
        let raised = Raised {
            inputs,
            merchant,
            parameters,
            payer,
            rule,
            threshold,
            trades,
            unit,
            value,
            version,
            window_from,
            window_until,
        };
        let history = vec![Step {
            index,
            at,
            officer: None,
            what: What::Raised,
        }];
        let begun = Flag {
            raised,
            at,
            index,
            proposal: None,
            decision: None,
            history,
        };
        Some((
            FlagRef {
                acquirer,
                number: flag,
            },
            begun,
        ))
    }

    pub(super) fn take(&mut self, index: u64, at: Instant, event: &CaseEvent) {
        let (who, what) = match event {
            CaseEvent::FlagProposed {
                disposition,
                officer,
                reason,
                ..
            } => {
                let (officer, reason, disposition) = (officer.clone(), reason.clone(), *disposition);
                let what = What::Proposed(disposition, reason.clone());
                self.proposal = Some(Proposal {
                    index,
                    officer: officer.clone(),
                    disposition,
                    reason,
                    at,
                });
                (officer, what)
            }
            CaseEvent::FlagDecided {
                disposition,
                officer,
                proposer,
                ..
            } => {
                let reason = self.proposal.take().map_or_else(|| "".into(), |p| p.reason);
                self.decision = Some(Decision {
                    disposition: *disposition,
                    officer: officer.clone(),
                    proposer: proposer.clone(),
                    reason,
                    at,
                    index,
                });
                (officer.clone(), What::Decided(*disposition))
            }
            CaseEvent::FlagReturned { officer, reason, .. } => {
                self.proposal = None;
                (officer.clone(), What::Returned(reason.clone()))
            }
            CaseEvent::FlagRead { officer, .. } => (officer.clone(), What::Read),
            _ => return,
        };
        self.history.push(Step {
            index,
            at,
            officer: Some(who),
            what,
        });
    }

    /// Where it stands.
    pub fn status(&self) -> Status {
        match (&self.decision, &self.proposal) {
            (
                Some(Decision {
                    disposition: Disposition::Confirm,
                    ..
                }),
                _,
            ) => Status::Confirmed,
            (
                Some(Decision {
                    disposition: Disposition::Dismiss,
                    ..
                }),
                _,
            ) => Status::Dismissed,
            (None, Some(_)) => Status::Proposed,
            (None, None) => Status::Open,
        }
    }
}
