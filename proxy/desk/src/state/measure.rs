//! One measure from its proposal to its end.

use domain::*;
use std::sync::Arc;

/// What waits for a second officer.
#[derive(Clone, PartialEq, Debug)]
pub struct MeasureProposal {
    /// Where it stands in the cases journal.
    pub index: u64,
    /// The stop or the lift.
    pub measure: Measure,
    /// Who.
    pub officer: OfficerId,
    /// Why.
    pub reason: Arc<str>,
    /// When.
    pub at: Instant,
}

/// Where a measure stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MeasureStatus {
    /// A stop waits for a second officer.
    Proposed,
    /// New orders are refused.
    InForce,
    /// In force; its lift waits for a second officer.
    LiftProposed,
    /// Ended by two officers.
    Lifted,
    /// Ended by itself.
    Expired,
    /// Never took effect.
    Rejected,
}

impl MeasureStatus {
    /// Its name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            MeasureStatus::Proposed => "proposed",
            MeasureStatus::InForce => "in_force",
            MeasureStatus::LiftProposed => "lift_proposed",
            MeasureStatus::Lifted => "lifted",
            MeasureStatus::Expired => "expired",
            MeasureStatus::Rejected => "rejected",
        }
    }
}

/// One line of a measure's history.
#[derive(Clone, PartialEq, Debug)]
pub struct MeasureStep {
    /// Where it stands in the cases journal.
    pub index: u64,
    /// When.
    pub at: Instant,
    /// Who.
    pub officer: OfficerId,
    /// What.
    pub what: MeasureWhat,
}

/// What happened to a measure.
#[derive(Clone, PartialEq, Debug)]
pub enum MeasureWhat {
    /// Proposed, with a reason.
    Proposed(Effect, Arc<str>),
    /// Agreed to by another one.
    Ordered(Effect),
    /// Not agreed to, with a reason.
    Rejected(Arc<str>),
}

/// One measure.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct MeasureCase {
    /// What waits for a second officer.
    pub pending: Option<MeasureProposal>,
    /// The stop, as it was first proposed.
    pub stop: Option<Measure>,
    /// Two officers ordered the stop.
    pub ordered: bool,
    /// Two officers lifted it.
    pub lifted: bool,
    /// Everything, in order.
    pub history: Vec<MeasureStep>,
}

impl MeasureCase {
    pub(super) fn take(&mut self, index: u64, at: Instant, event: &CaseEvent) {
        let (officer, what) = match event {
            CaseEvent::MeasureProposed {
                measure,
                officer,
                reason,
            } => {
                self.stop.get_or_insert_with(|| measure.clone());
                let (officer, reason, measure) = (officer.clone(), reason.clone(), measure.clone());
                let what = MeasureWhat::Proposed(measure.effect, reason.clone());
                self.pending = Some(MeasureProposal {
                    index,
                    measure,
                    officer: officer.clone(),
                    reason,
                    at,
                });
                (officer, what)
            }
            CaseEvent::MeasureOrdered { measure, officer, .. } => {
                self.pending = None;
                match measure.effect {
                    Effect::Stop => self.ordered = true,
                    Effect::Lift => self.lifted = true,
                }
                (officer.clone(), MeasureWhat::Ordered(measure.effect))
            }
            CaseEvent::MeasureRejected { officer, reason, .. } => {
                self.pending = None;
                (officer.clone(), MeasureWhat::Rejected(reason.clone()))
            }
            _ => return,
        };
        self.history.push(MeasureStep {
            index,
            at,
            officer,
            what,
        });
    }

    /// Where it stands at an instant.
    pub fn status(&self, now: Instant) -> MeasureStatus {
        let over = self.stop.as_ref().is_none_or(|stop| stop.until <= now);
        match (self.ordered, self.lifted, &self.pending) {
            (_, true, _) => MeasureStatus::Lifted,
            (true, false, _) if over => MeasureStatus::Expired,
            (true, false, Some(_)) => MeasureStatus::LiftProposed,
            (true, false, None) => MeasureStatus::InForce,
            (false, false, Some(_)) => MeasureStatus::Proposed,
            (false, false, None) => MeasureStatus::Rejected,
        }
    }
}
