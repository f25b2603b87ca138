//! A package held against the whole cases journal: what it calls open must be open there too.

use super::{ExportKeys, manifest::Manifest, manifest::Number, manifest::Status};
use crate::{
    cases::{Cases, Flag},
    checkpoint::Checkpoint,
    entries::{AnyEntry, Kind},
    finding::{Report, Unreadable},
    journal::{JournalOptions, walk_journal},
};
use domain::Disposition;
use std::path::Path;

/// Place of findings about what the manifest says of a number.
const NUMBERS: &str = "manifest.json, numbers";

/// Replays the journal in `dir` and compares every status with it. `digest` is the manifest's SHA-256 in hex. The journal
/// must go on from the tree of `before`, the cases checkpoint of the previous package.
pub(super) fn check_replay(
    dir: &Path,
    manifest: &Manifest,
    digest: &str,
    before: Option<String>,
    keys: &ExportKeys,
    report: &mut Report,
) -> Result<(), Unreadable> {
    let heads = before.into_iter().chain([manifest.cases_checkpoint.clone()]);
    let options = JournalOptions {
        key: Some(keys.cases.clone()),
        older: heads.map(String::into_bytes).collect(),
        kind: Some(Kind::Cases),
    };
    let mut cases = Cases::default();
    let walked = walk_journal(dir, &options, &mut |_, index, entry| {
        if let AnyEntry::Case(entry) = entry {
            // What breaks the desk's rules is found by the walk itself.
            cases.see(index, &entry.event, &mut |_| {});
        }
    })?;
    for finding in walked.findings {
        report.find(
            format!("cases journal, {}", finding.place),
            finding.index,
            finding.what,
        );
    }
    report.more_findings += walked.more_findings;
    Replay {
        until: until(&cases, manifest, digest, report),
        manifest,
        cases: &cases,
        report,
    }
    .compare();
    Ok(())
}

/// Where the package stands: decisions before it are in it. Its own entry tells, else its checkpoint.
fn until(cases: &Cases, manifest: &Manifest, digest: &str, report: &mut Report) -> u64 {
    let own = cases.package(&manifest.acquirer, manifest.package);
    if let Some((index, recorded)) = own {
        let recorded = recorded.to_string();
        if recorded != digest {
            let what =
                format!("its SHA-256 is {digest}, but entry {index} of the cases journal says {recorded}");
            report.find("manifest.json", None, what);
        }
        return index;
    }
    report.note("the cases journal given ends before this package was put on record");
    Checkpoint::claimed(manifest.cases_checkpoint.as_bytes()).map_or(0, |head| head.size)
}

struct Replay<'a> {
    manifest: &'a Manifest,
    cases: &'a Cases,
    until: u64,
    report: &'a mut Report,
}

impl Replay<'_> {
    fn compare(&mut self) {
        let Replay {
            manifest,
            cases,
            until,
            ..
        } = *self;
        for number in manifest.all_numbers() {
            match cases.flag(&manifest.acquirer, number.flag) {
                Some(flag) => self.compare_number(number, flag),
                None => self.find(number.flag, "the cases journal does not know it".to_owned()),
            }
        }
        let since = manifest
            .package
            .checked_sub(1)
            .and_then(|n| cases.package(&manifest.acquirer, n));
        for (number, flag) in cases.flags_of(&manifest.acquirer) {
            if number > manifest.last && flag.raised < until {
                self.find(
                    number,
                    format!("it was raised at index {} and is left out", flag.raised),
                );
            }
            let decided = flag
                .decided
                .map(|(index, _)| index)
                .filter(|index| *index < until);
            let late = number < manifest.first && decided > since.map(|(index, _)| index);
            if late && !manifest.late.iter().any(|n| n.flag == number) {
                self.find(
                    number,
                    "it was decided since the package before and is not among the late ones".to_owned(),
                );
            }
        }
    }

    fn compare_number(&mut self, number: &Number, flag: &Flag) {
        let decided = flag.decided.filter(|(index, _)| *index < self.until);
        let status = match decided {
            None => Status::Open,
            Some((_, Disposition::Confirm)) => Status::Confirmed,
            Some((_, Disposition::Dismiss)) => Status::Dismissed,
        };
        if status != number.status {
            let (called, known) = (number.status.as_str(), status.as_str());
            let place = decided.map_or(String::new(), |(index, _)| format!(", by entry {index}"));
            self.find(
                number.flag,
                format!("it is called {called}, but the whole cases journal says {known}{place}"),
            );
        }
        let index = decided.map(|(index, _)| index);
        if status == number.status && index != number.decided_index {
            self.find(
                number.flag,
                format!(
                    "its decision is called entry {:?}, the whole cases journal has it at {index:?}",
                    number.decided_index
                ),
            );
        }
        if flag.raised != number.raised_index {
            let what = format!(
                "it was raised at index {}, not {}",
                flag.raised, number.raised_index
            );
            self.find(number.flag, what);
        }
    }

    fn find(&mut self, flag: u64, what: String) {
        self.report.find(NUMBERS, Some(flag), what);
    }
}
