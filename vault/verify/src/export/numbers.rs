//! Every flag number of a package, proven by entries of the cases journal.

use super::manifest::{Manifest, Number, Status};
use crate::{
    cases::same_person,
    checkpoint::{Checkpoint, decode_hash},
    entries::read_entry,
    finding::Report,
    merkle::{self, Hash},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{AcquirerNo, CaseEntry, CaseEvent, Disposition, Instant, OfficerId};
use std::collections::BTreeMap;

/// What the cases journal says of one flag.
#[derive(Debug)]
pub(super) struct Flag {
    pub(super) raised: CaseEvent,
    pub(super) decided: Option<Decided>,
}

/// A decision of two officers.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) at: Instant,
    pub(super) officer: OfficerId,
    pub(super) proposer: OfficerId,
}

/// Checks that the numbers are without gap and each is proven; gives what could be read, by flag number.
pub(super) fn check_numbers(
    manifest: &Manifest,
    head: Option<&Checkpoint>,
    report: &mut Report,
) -> BTreeMap<u64, Flag> {
    let mut expected = manifest.first;
    for number in &manifest.numbers {
        if number.flag != expected {
            let what = format!(
                "the number is {}, expected {expected}: the list has a gap",
                number.flag
            );
            report.find("manifest.json, numbers", Some(number.flag), what);
        }
        expected = number.flag.saturating_add(1);
    }
    let mut flags = BTreeMap::new();
    for number in manifest.all_numbers() {
        let mut check = Check {
            acquirer: &manifest.acquirer,
            number,
            head,
            report,
        };
        if let Some(flag) = check.flag() {
            flags.insert(number.flag, flag);
        }
    }
    flags
}

struct Check<'a> {
    acquirer: &'a AcquirerNo,
    number: &'a Number,
    head: Option<&'a Checkpoint>,
    report: &'a mut Report,
}

impl Check<'_> {
    fn find(&mut self, what: impl Into<String>) {
        self.report
            .find("manifest.json, numbers", Some(self.number.flag), what);
    }

    fn flag(&mut self) -> Option<Flag> {
        let number = self.number;
        let raised = self.leaf(
            "raised",
            number.raised_index,
            &number.raised_leaf,
            &number.raised_proof,
        )?;
        self.raised(&raised.event);
        let decided = self.decided();
        Some(Flag {
            raised: raised.event,
            decided,
        })
    }

    /// Decodes an entry and proves it against the checkpoint.
    fn leaf(&mut self, what: &str, index: u64, leaf: &str, proof: &[String]) -> Option<CaseEntry> {
        let Ok(bytes) = STANDARD.decode(leaf) else {
            self.find(format!("{what}_leaf is not base64"));
            return None;
        };
        match proof
            .iter()
            .map(|hash| decode_hash(hash))
            .collect::<Option<Vec<_>>>()
        {
            Some(proof) => self.prove(what, index, merkle::leaf_hash(&bytes), &proof),
            None => self.find(format!(
                "{what}_proof holds something that is not the base64 of 32 bytes"
            )),
        }
        read_entry::<CaseEvent>(&bytes)
            .map_err(|error| self.find(format!("{what}_leaf: {error}")))
            .ok()
    }

    fn prove(&mut self, what: &str, index: u64, leaf: Hash, proof: &[Hash]) {
        let Some(head) = self.head else { return };
        if let Err(error) = merkle::check_inclusion(index, head.size, leaf, proof, &head.root) {
            self.find(format!(
                "{what}_leaf is not proven to be entry {index} of the cases journal: {error}"
            ));
        }
    }

    fn raised(&mut self, event: &CaseEvent) {
        let (wanted, of) = (self.number.flag, self.acquirer.clone());
        match event {
            CaseEvent::FlagRaised { flag, acquirer, .. } if *flag == wanted && *acquirer == of => {}
            CaseEvent::FlagRaised { flag, acquirer, .. } => {
                self.find(format!(
                    "raised_leaf is of flag {flag} of {acquirer}, expected {wanted} of {of}"
                ));
            }
            _ => self.find("raised_leaf is no flag_raised"),
        }
    }

    fn decided(&mut self) -> Option<Decided> {
        let number = self.number;
        let (index, leaf, proof) = match (number.decided_index, &number.decided_leaf, &number.decided_proof) {
            (Some(index), Some(leaf), Some(proof)) => (index, leaf, proof),
            (None, None, None) => {
                if number.status != Status::Open {
                    self.find(format!(
                        "it is called {} but no decision is proven",
                        number.status.as_str()
                    ));
                }
                return None;
            }
            _ => {
                self.find("of decided_index, decided_leaf and decided_proof some are missing");
                return None;
            }
        };
        if index <= number.raised_index {
            self.find(format!(
                "it was decided at index {index}, before it was raised at {}",
                number.raised_index
            ));
        }
        let entry = self.leaf("decided", index, leaf, proof)?;
        self.decision(index, entry)
    }

    fn decision(&mut self, index: u64, entry: CaseEntry) -> Option<Decided> {
        let CaseEvent::FlagDecided {
            acquirer,
            disposition,
            flag,
            officer,
            proposal,
            proposer,
        } = entry.event
        else {
            self.find("decided_leaf is no flag_decided");
            return None;
        };
        let (wanted, status) = (self.number.flag, self.number.status);
        if flag != wanted || acquirer != *self.acquirer {
            let of = self.acquirer.clone();
            self.find(format!(
                "decided_leaf is of flag {flag} of {acquirer}, expected {wanted} of {of}"
            ));
        }
        let proven = match disposition {
            Disposition::Confirm => Status::Confirmed,
            Disposition::Dismiss => Status::Dismissed,
        };
        if proven != status {
            let (called, proven) = (status.as_str(), proven.as_str());
            self.find(format!(
                "it is called {called}, but the cases journal says {proven}"
            ));
        }
        // Earlier builds did not say.
        if let Some(proposal) = proposal
            && (proposal <= self.number.raised_index || proposal >= index)
        {
            self.find(format!(
                "it was decided upon a proposal at index {proposal}, which is not between flag and decision"
            ));
        }
        if same_person(&officer, &proposer) {
            self.find(format!(
                "{officer} decided what the same officer had proposed; two persons are needed"
            ));
        }
        Some(Decided {
            at: entry.at,
            officer,
            proposer,
        })
    }
}
