//! The rules of the desk, held against every entry: on its way in, and again at each replay, so that a journal written
//! by something else that breaks them does not open.

use super::{FlagRef, Package, Proposal, State, Status};
use domain::*;

/// An entry that the rules do not allow.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("entry {index} of the cases journal breaks a rule of the desk: {what}")]
pub struct Broken {
    /// Where.
    pub index: u64,
    /// Which rule.
    pub what: &'static str,
}

/// Two different people? Names that differ in case only are one person.
//= C44
pub(crate) fn two_people(a: &OfficerId, b: &OfficerId) -> bool {
    !a.as_str().eq_ignore_ascii_case(b.as_str())
}

impl State {
    pub(super) fn check(&self, entry: &CaseEntry) -> Result<(), Broken> {
        let broken = |what| Broken {
            index: self.next(),
            what,
        };
        self.allows(&entry.event, entry.at).map_err(broken)
    }

    fn allows(&self, event: &CaseEvent, at: Instant) -> Result<(), &'static str> {
        use CaseEvent as E;
        match event {
            E::TradesCursor { size, .. } => must(
                self.cursor().is_none_or(|(known, _)| *size >= known),
                "the trades journal never shrinks",
            ),
            E::RefusalExplained { trades_index, .. } => must(
                self.explanation(*trades_index).is_none(),
                "a refusal is explained once",
            ),
            E::FlagRaised { acquirer, flag, .. } => must(
                *flag == self.last_flag(acquirer) + 1,
                "flags are numbered without a gap per acquirer",
            ),
            E::FlagProposed {
                acquirer,
                flag,
                reason,
                ..
            } => {
                must(
                    self.status(acquirer, *flag)? == Status::Open,
                    "only an open flag can be proposed upon",
                )?;
                must(!reason.trim().is_empty(), "a proposal has a written reason")
            }
            E::FlagDecided {
                acquirer,
                disposition,
                flag,
                officer,
                proposal,
                proposer,
            } => {
                let stands = self.proposed(acquirer, *flag)?;
                named(*proposal, stands.index)?;
                must(
                    stands.officer == *proposer && stands.disposition == *disposition,
                    "what was proposed is what is decided",
                )?;
                must(two_people(officer, proposer), "two different officers decide")
            }
            E::FlagReturned {
                acquirer,
                flag,
                officer,
                proposal,
                ..
            } => {
                let stands = self.proposed(acquirer, *flag)?;
                named(*proposal, stands.index)?;
                must(
                    two_people(officer, &stands.officer),
                    "two different officers decide",
                )
            }
            E::FlagRead { acquirer, flag, .. } => self.status(acquirer, *flag).map(drop),
            E::DifferenceProposed {
                reason, trades_index, ..
            } => {
                must(!reason.trim().is_empty(), "a proposal has a written reason")?;
                must(
                    self.difference(*trades_index)
                        .is_none_or(|case| case.status() == "open"),
                    "only an open difference can be proposed upon",
                )
            }
            E::DifferenceResolved {
                officer,
                proposal,
                proposer,
                resolution,
                trades_index,
                ..
            } => {
                let pending = self
                    .difference(*trades_index)
                    .and_then(|case| case.pending.as_ref());
                let pending = pending.ok_or("only what was proposed can be decided")?;
                named(*proposal, pending.index)?;
                must(
                    pending.officer == *proposer && pending.resolution == *resolution,
                    "what was proposed is what is decided",
                )?;
                must(two_people(officer, proposer), "two different officers decide")
            }
            E::DifferenceReturned {
                officer,
                proposal,
                trades_index,
                ..
            } => {
                let pending = self
                    .difference(*trades_index)
                    .and_then(|case| case.pending.as_ref());
                let pending = pending.ok_or("only what was proposed can be decided")?;
                named(*proposal, pending.index)?;
                must(
                    two_people(officer, &pending.officer),
                    "two different officers decide",
                )
            }
            E::MeasureProposed { measure, reason, .. } => self.measure_proposed(measure, reason, at),
            E::MeasureOrdered {
                measure,
                officer,
                proposal,
                proposer,
            } => {
                let case = self.measure(&measure.id).and_then(|case| case.pending.as_ref());
                let pending = case.ok_or("only what was proposed can be ordered")?;
                named(*proposal, pending.index)?;
                must(
                    pending.measure == *measure && pending.officer == *proposer,
                    "what was proposed is ordered",
                )?;
                must(
                    two_people(officer, proposer),
                    "two different officers order a measure",
                )
            }
            E::MeasureRejected {
                measure,
                officer,
                proposal,
                ..
            } => {
                let case = self.measure(measure).and_then(|case| case.pending.as_ref());
                let pending = case.ok_or("only what was proposed can be rejected")?;
                named(*proposal, pending.index)?;
                must(
                    two_people(officer, &pending.officer),
                    "two different officers decide",
                )
            }
            E::ExportMade {
                acquirer,
                first,
                last,
                package,
                ..
            } => self.export_made(acquirer, *first, *last, *package),
            E::ExportAcknowledged {
                acquirer, package, ..
            } => {
                let made = self.packages(acquirer).iter().find(|p| p.package == *package);
                must(
                    made.is_some_and(|p| p.acknowledged.is_none()),
                    "a package is acknowledged once",
                )
            }
            E::ProcessStarted { .. }
            | E::RulesLoaded { .. }
            | E::SignedIn { .. }
            | E::SignInRefused { .. } => Ok(()),
        }
    }

    fn status(&self, acquirer: &AcquirerNo, number: u64) -> Result<Status, &'static str> {
        let of = FlagRef {
            acquirer: acquirer.clone(),
            number,
        };
        self.flag(&of)
            .map(super::Flag::status)
            .ok_or("there is no such flag")
    }

    fn proposed(&self, acquirer: &AcquirerNo, number: u64) -> Result<&Proposal, &'static str> {
        let of = FlagRef {
            acquirer: acquirer.clone(),
            number,
        };
        let pending = self
            .flag(&of)
            .filter(|flag| flag.decision.is_none())
            .and_then(|flag| flag.proposal.as_ref());
        pending.ok_or("only what was proposed can be decided")
    }

    fn measure_proposed(&self, measure: &Measure, reason: &str, at: Instant) -> Result<(), &'static str> {
        must(!reason.trim().is_empty(), "a proposal has a written reason")?;
        let case = self.measure(&measure.id);
        match measure.effect {
            Effect::Stop => {
                must(case.is_none(), "the number of a measure is used once")?;
                must(measure.until > at, "a measure ends in the future")
            }
            Effect::Lift => {
                let case = case.filter(|case| case.ordered && !case.lifted && case.pending.is_none());
                let stop = case
                    .and_then(|case| case.stop.as_ref())
                    .ok_or("only what is in force can be lifted")?;
                let same = stop.subject == measure.subject && stop.until == measure.until;
                must(same, "a lift names what it lifts")
            }
        }
    }

    fn export_made(
        &self,
        acquirer: &AcquirerNo,
        first: u64,
        last: u64,
        package: u64,
    ) -> Result<(), &'static str> {
        let before = self.packages(acquirer).last();
        let number = |of: fn(&Package) -> u64| before.map_or(0, of);
        must(
            package == number(|p| p.package) + 1,
            "packages are numbered without a gap per acquirer",
        )?;
        must(
            first == number(|p| p.last) + 1,
            "a package begins where the one before ended",
        )?;
        must(
            last + 1 >= first && last <= self.last_flag(acquirer),
            "a package ends with a flag that was raised",
        )
    }
}

/// Whoever reads the journal sees which words two officers agreed on.
//= C44
fn named(proposal: Option<u64>, stands: u64) -> Result<(), &'static str> {
    // Decisions of earlier builds name none; whatever this one writes does.
    let stands = proposal.is_none_or(|proposal| proposal == stands);
    must(stands, "a decision names the proposal that stands")
}

fn must(good: bool, rule: &'static str) -> Result<(), &'static str> {
    if good { Ok(()) } else { Err(rule) }
}
