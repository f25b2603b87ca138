//! What the cases journal says, folded. The journal is the only truth: this is rebuilt from it at each start, and
//! while running nothing changes here but by an entry on its way into it.

mod awaiting;
mod check;
mod difference;
mod flag;
mod measure;
mod package;
mod raised;

pub use awaiting::Awaiting;
pub use check::Broken;
pub(crate) use check::two_people;
pub use difference::{DifferenceCase, DifferenceProposal, DifferenceResolved};
pub use flag::{Decision, Flag, FlagRef, Proposal, Status, Step, What};
pub use measure::{MeasureCase, MeasureProposal, MeasureStatus, MeasureStep, MeasureWhat};
pub use package::{Acknowledged, Package};
pub use raised::Raised;
pub(crate) use raised::identity;

use domain::*;
use policy::Measures;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Everything at one point of the journal.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct State {
    next: u64,
    flags: BTreeMap<FlagRef, Flag>,
    /// What tells flags apart, so that a repeat of the reading raises none twice.
    identities: HashSet<Digest>,
    measures: BTreeMap<MeasureId, MeasureCase>,
    observed: Measures,
    packages: BTreeMap<AcquirerNo, Vec<Package>>,
    explained: BTreeMap<u64, Clause>,
    /// Differences of bills, by where they stand in the trades journal.
    differences: BTreeMap<u64, DifferenceCase>,
    cursor: Option<(u64, Digest)>,
    rules: Option<Digest>,
    /// Journal index of the last decision or flag per acquirer; packages are made against it.
    revisions: BTreeMap<AcquirerNo, u64>,
}

impl State {
    /// Takes the entry at the next index, if the desk's rules allow it.
    pub fn apply(&mut self, entry: &CaseEntry) -> Result<(), Broken> {
        self.check(entry)?;
        let index = self.next;
        self.next += 1;
        self.take(index, entry.at, &entry.event);
        Ok(())
    }

    fn take(&mut self, index: u64, at: Instant, event: &CaseEvent) {
        use CaseEvent as E;
        match event {
            E::RulesLoaded { digest } => self.rules = Some(*digest),
            E::TradesCursor { root, size } => self.cursor = Some((*size, *root)),
            E::RefusalExplained {
                clause, trades_index, ..
            } => drop(self.explained.insert(*trades_index, *clause)),
            E::FlagRaised { .. } => self.raised(index, at, event),
            E::FlagProposed { acquirer, flag, .. }
            | E::FlagReturned { acquirer, flag, .. }
            | E::FlagRead { acquirer, flag, .. } => self.flag_step(acquirer, *flag, index, at, event),
            E::FlagDecided { acquirer, flag, .. } => {
                self.revisions.insert(acquirer.clone(), index);
                self.flag_step(acquirer, *flag, index, at, event);
            }
            E::DifferenceProposed { trades_index, .. }
            | E::DifferenceResolved { trades_index, .. }
            | E::DifferenceReturned { trades_index, .. } => {
                let case = self.differences.entry(*trades_index).or_default();
                case.take(index, at, event);
            }
            E::MeasureProposed { measure, .. } => self.measure_step(&measure.id, index, at, event),
            E::MeasureOrdered { measure, .. } => {
                self.observed.observe(measure);
                self.measure_step(&measure.id, index, at, event);
            }
            E::MeasureRejected { measure, .. } => self.measure_step(measure, index, at, event),
            E::ExportMade {
                acquirer,
                digest,
                first,
                last,
                package,
            } => {
                let made = Package {
                    package: *package,
                    digest: *digest,
                    first: *first,
                    last: *last,
                    made_at: at,
                    index,
                    acknowledged: None,
                };
                self.packages.entry(acquirer.clone()).or_default().push(made);
            }
            E::ExportAcknowledged {
                acquirer,
                digest,
                package,
            } => {
                let all = self.packages.get_mut(acquirer);
                if let Some(made) = all.and_then(|all| all.iter_mut().find(|p| p.package == *package)) {
                    made.acknowledged = Some(Acknowledged { at, digest: *digest });
                }
            }
            E::ProcessStarted { .. } | E::SignedIn { .. } | E::SignInRefused { .. } => {}
        }
    }

    fn raised(&mut self, index: u64, at: Instant, event: &CaseEvent) {
        if let Some((of, flag)) = Flag::begin(index, at, event) {
            self.identities.insert(flag.raised.identity());
            self.revisions.insert(of.acquirer.clone(), index);
            self.flags.insert(of, flag);
        }
    }

    fn flag_step(&mut self, acquirer: &AcquirerNo, number: u64, index: u64, at: Instant, event: &CaseEvent) {
        let of = FlagRef {
            acquirer: acquirer.clone(),
            number,
        };
        if let Some(flag) = self.flags.get_mut(&of) {
            flag.take(index, at, event);
        }
    }

    fn measure_step(&mut self, id: &MeasureId, index: u64, at: Instant, event: &CaseEvent) {
        self.measures
            .entry(id.clone())
            .or_default()
            .take(index, at, event);
    }

    /// Index that the next entry gets.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// A flag.
    pub fn flag(&self, of: &FlagRef) -> Option<&Flag> {
        self.flags.get(of)
    }

    /// Every flag, by acquirer and number.
    pub fn flags(&self) -> impl DoubleEndedIterator<Item = (&FlagRef, &Flag)> {
        self.flags.iter()
    }

    /// Flags of one acquirer, by number.
    pub fn flags_of(&self, acquirer: &AcquirerNo) -> impl DoubleEndedIterator<Item = (u64, &Flag)> {
        let from = FlagRef {
            acquirer: acquirer.clone(),
            number: 0,
        };
        let until = FlagRef {
            acquirer: acquirer.clone(),
            number: u64::MAX,
        };
        self.flags.range(from..=until).map(|(of, flag)| (of.number, flag))
    }

    /// Acquirers that have flags.
    pub fn acquirers(&self) -> BTreeSet<AcquirerNo> {
        self.flags.keys().map(|of| of.acquirer.clone()).collect()
    }

    /// The highest flag number of an acquirer; 0 if none.
    pub fn last_flag(&self, acquirer: &AcquirerNo) -> u64 {
        self.flags_of(acquirer)
            .next_back()
            .map_or(0, |(number, _)| number)
    }

    /// Was this situation flagged before?
    pub fn knows(&self, identity: &Digest) -> bool {
        self.identities.contains(identity)
    }

    /// A difference that somebody proposed upon.
    pub fn difference(&self, trades_index: u64) -> Option<&DifferenceCase> {
        self.differences.get(&trades_index)
    }

    /// One measure.
    pub fn measure(&self, id: &MeasureId) -> Option<&MeasureCase> {
        self.measures.get(id)
    }

    /// Every measure, by number.
    pub fn measures(&self) -> impl DoubleEndedIterator<Item = (&MeasureId, &MeasureCase)> {
        self.measures.iter()
    }

    /// How many measures were ever proposed.
    pub fn measure_count(&self) -> usize {
        self.measures.len()
    }

    /// What the proxy must obey now.
    pub fn in_force(&self, now: Instant) -> Vec<Measure> {
        self.observed.in_force(now)
    }

    /// Packages of an acquirer, in order.
    pub fn packages(&self, acquirer: &AcquirerNo) -> &[Package] {
        self.packages.get(acquirer).map_or(&[], Vec::as_slice)
    }

    /// Every package.
    pub fn all_packages(&self) -> impl Iterator<Item = (&AcquirerNo, &Package)> {
        self.packages
            .iter()
            .flat_map(|(acquirer, all)| all.iter().map(move |p| (acquirer, p)))
    }

    /// The true clause behind a uniform refusal.
    pub fn explanation(&self, trades_index: u64) -> Option<Clause> {
        self.explained.get(&trades_index).copied()
    }

    /// How far the trades journal was read: size and root.
    pub fn cursor(&self) -> Option<(u64, Digest)> {
        self.cursor
    }

    /// The rule set in force.
    pub fn rules(&self) -> Option<Digest> {
        self.rules
    }

    /// Journal index of the last flag or decision of an acquirer.
    pub fn revision(&self, acquirer: &AcquirerNo) -> Option<u64> {
        self.revisions.get(acquirer).copied()
    }
}
