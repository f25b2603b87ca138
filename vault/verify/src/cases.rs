//! What the cases journal says of flags and measures: who proposed, who decided, and that these were two.

use domain::{AcquirerNo, CaseEvent, Digest, Disposition, Measure, MeasureId, OfficerId, Resolution};
use std::collections::{BTreeMap, BTreeSet};

/// Flags and measures after so many entries.
#[derive(Debug, Default)]
pub(crate) struct Cases {
    flags: BTreeMap<(AcquirerNo, u64), Flag>,
    measures: BTreeMap<MeasureId, (Measure, Proposal)>,
    packages: BTreeMap<(AcquirerNo, u64), (u64, Digest)>,
    /// Measures that were proposed once: the number of a stop is used once.
    stops: BTreeSet<MeasureId>,
    /// What is proposed upon differences of bills, by where they stand in the trades journal; decided ones stay as `None`.
    differences: BTreeMap<u64, Option<(Proposal, Resolution)>>,
    /// A decision has named its proposal: from then on each does.
    naming: bool,
}

/// One flag.
#[derive(Debug, Default)]
pub(crate) struct Flag {
    /// Where it was raised.
    pub(crate) raised: u64,
    /// Who waits for a second officer, for what.
    proposal: Option<(Proposal, Disposition)>,
    /// Where it was decided, and how.
    pub(crate) decided: Option<(u64, Disposition)>,
}

/// What waits for a second officer.
#[derive(Debug)]
struct Proposal {
    index: u64,
    officer: OfficerId,
}

/// Names that differ in case only are one person, as at the desk.
pub(crate) fn same_person(a: &OfficerId, b: &OfficerId) -> bool {
    a.as_str().eq_ignore_ascii_case(b.as_str())
}

impl Cases {
    /// Takes the entry at an index; `find` hears of everything that the rules of the desk forbid.
    pub(crate) fn see(&mut self, index: u64, event: &CaseEvent, find: &mut impl FnMut(String)) {
        use CaseEvent as E;
        match event {
            E::FlagRaised { acquirer, flag, .. } => {
                self.flags.entry((acquirer.clone(), *flag)).or_default().raised = index;
            }
            E::FlagProposed { .. } | E::FlagDecided { .. } | E::FlagReturned { .. } => {
                self.see_flag(index, event, find);
            }
            E::MeasureProposed { .. } | E::MeasureOrdered { .. } | E::MeasureRejected { .. } => {
                self.see_measure(index, event, find);
            }
            E::DifferenceProposed { .. } | E::DifferenceResolved { .. } | E::DifferenceReturned { .. } => {
                self.see_difference(index, event, find);
            }
            E::ExportMade {
                acquirer,
                package,
                digest,
                ..
            } => {
                self.packages
                    .insert((acquirer.clone(), *package), (index, *digest));
            }
            _ => {}
        }
    }

    /// A flag, if it was raised.
    pub(crate) fn flag(&self, acquirer: &AcquirerNo, number: u64) -> Option<&Flag> {
        self.flags.get(&(acquirer.clone(), number))
    }

    /// Flags of an acquirer, by number.
    pub(crate) fn flags_of(&self, acquirer: &AcquirerNo) -> impl Iterator<Item = (u64, &Flag)> {
        let all = (acquirer.clone(), 0)..=(acquirer.clone(), u64::MAX);
        self.flags.range(all).map(|((_, number), flag)| (*number, flag))
    }

    /// Where a package was put on record, and the digest of its manifest.
    pub(crate) fn package(&self, acquirer: &AcquirerNo, number: u64) -> Option<(u64, Digest)> {
        self.packages.get(&(acquirer.clone(), number)).copied()
    }

    fn see_flag(&mut self, index: u64, event: &CaseEvent, find: &mut impl FnMut(String)) {
        match event {
            CaseEvent::FlagProposed {
                acquirer,
                flag,
                officer,
                disposition,
                ..
            } => {
                let name = format!("flag {flag} of {acquirer}");
                let case = self.flags.entry((acquirer.clone(), *flag)).or_default();
                if case.decided.is_some() || case.proposal.is_some() {
                    find(format!("{officer} proposes on {name}, which is not open"));
                }
                let officer = officer.clone();
                case.proposal = Some((Proposal { index, officer }, *disposition));
            }
            CaseEvent::FlagDecided {
                acquirer,
                flag,
                officer,
                proposal,
                proposer,
                disposition,
            } => {
                let name = format!("flag {flag} of {acquirer}");
                let case = self.flags.entry((acquirer.clone(), *flag)).or_default();
                two(officer, proposer, find);
                match case.proposal.take() {
                    Some((first, wanted)) if first.officer == *proposer && wanted == *disposition => {
                        first.is_named(*proposal, &mut self.naming, &name, find);
                    }
                    Some((first, wanted)) => find(format!(
                        "{officer} decided {disposition:?} on {name} as proposed by {proposer}, but {} had proposed {wanted:?}",
                        first.officer
                    )),
                    None => find(format!("{name} was decided, but {proposer} had not proposed it")),
                }
                case.decided.get_or_insert((index, *disposition));
            }
            CaseEvent::FlagReturned {
                acquirer,
                flag,
                officer,
                proposal,
                ..
            } => {
                let name = format!("flag {flag} of {acquirer}");
                let case = self.flags.entry((acquirer.clone(), *flag)).or_default();
                match case.proposal.take() {
                    Some((first, _)) => {
                        two(officer, &first.officer, find);
                        first.is_named(*proposal, &mut self.naming, &name, find);
                    }
                    None => find(format!("{name} was returned, but nobody had proposed")),
                }
            }
            _ => {}
        }
    }

    fn see_measure(&mut self, index: u64, event: &CaseEvent, find: &mut impl FnMut(String)) {
        match event {
            CaseEvent::MeasureProposed { measure, officer, .. } => {
                if measure.effect == domain::Effect::Stop && !self.stops.insert(measure.id.clone()) {
                    find(format!("measure {} is proposed a second time", measure.id));
                }
                let officer = officer.clone();
                let wanted = (measure.clone(), Proposal { index, officer });
                self.measures.insert(measure.id.clone(), wanted);
            }
            CaseEvent::MeasureOrdered {
                measure,
                officer,
                proposal,
                proposer,
            } => {
                two(officer, proposer, find);
                let id = &measure.id;
                match self.measures.remove(id) {
                    Some((wanted, first)) if wanted == *measure && first.officer == *proposer => {
                        first.is_named(*proposal, &mut self.naming, &format!("measure {id}"), find);
                    }
                    Some((_, first)) => find(format!(
                        "measure {id} was ordered by {officer} as proposed by {proposer}, but it is not what {} had proposed",
                        first.officer
                    )),
                    None => find(format!(
                        "measure {id} was ordered, but {proposer} had not proposed it"
                    )),
                }
            }
            CaseEvent::MeasureRejected {
                measure,
                officer,
                proposal,
                ..
            } => match self.measures.remove(measure) {
                Some((_, first)) => {
                    two(officer, &first.officer, find);
                    first.is_named(*proposal, &mut self.naming, &format!("measure {measure}"), find);
                }
                None => find(format!(
                    "measure {measure} was rejected, but nobody had proposed it"
                )),
            },
            _ => {}
        }
    }
}

impl Cases {
    fn see_difference(&mut self, index: u64, event: &CaseEvent, find: &mut impl FnMut(String)) {
        match event {
            CaseEvent::DifferenceProposed {
                officer,
                resolution,
                trades_index,
                ..
            } => {
                let first = Proposal {
                    index,
                    officer: officer.clone(),
                };
                let before = self.differences.insert(*trades_index, Some((first, *resolution)));
                if before.is_some() {
                    find(format!(
                        "{officer} proposes on difference {trades_index}, which is not open"
                    ));
                }
            }
            CaseEvent::DifferenceResolved {
                officer,
                proposal,
                proposer,
                resolution,
                trades_index,
                ..
            } => {
                two(officer, proposer, find);
                match self.differences.insert(*trades_index, None).flatten() {
                    Some((first, wanted)) if first.officer == *proposer && wanted == *resolution => {
                        first.is_named(
                            *proposal,
                            &mut self.naming,
                            &format!("difference {trades_index}"),
                            find,
                        );
                    }
                    Some((first, wanted)) => find(format!(
                        "difference {trades_index} was resolved as {resolution:?} as proposed by {proposer}, but {} had proposed {wanted:?}",
                        first.officer
                    )),
                    None => find(format!(
                        "difference {trades_index} was resolved, but {proposer} had not proposed it"
                    )),
                }
            }
            CaseEvent::DifferenceReturned {
                officer,
                proposal,
                trades_index,
                ..
            } => match self.differences.remove(trades_index).flatten() {
                Some((first, _)) => {
                    two(officer, &first.officer, find);
                    first.is_named(
                        *proposal,
                        &mut self.naming,
                        &format!("difference {trades_index}"),
                        find,
                    );
                }
                None => find(format!(
                    "difference {trades_index} was returned, but nobody had proposed"
                )),
            },
            _ => {}
        }
    }
}

impl Proposal {
    /// A decision names the words that two people agreed on, or did not.
    fn is_named(&self, named: Option<u64>, naming: &mut bool, what: &str, find: &mut impl FnMut(String)) {
        match named {
            Some(named) if named != self.index => find(format!(
                "{what} was decided upon the proposal at index {named}, but the one that stood is at index {}",
                self.index
            )),
            None if *naming => find(format!(
                "{what} was decided without a word upon which proposal, as earlier builds did, though a decision before it has one"
            )),
            _ => {}
        }
        *naming |= named.is_some();
    }
}

fn two(who: &OfficerId, proposer: &OfficerId, find: &mut impl FnMut(String)) {
    if same_person(who, proposer) {
        find(format!(
            "{who} decided what {proposer} had proposed; two persons are needed"
        ));
    }
}
