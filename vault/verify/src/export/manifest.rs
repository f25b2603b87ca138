//! `manifest.json`.

use crate::finding::Report;
use domain::AcquirerNo;
use serde::Deserialize;
use std::path::Path;

/// The manifest of one package.
#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    /// For whom.
    pub(super) acquirer: AcquirerNo,
    /// Gapless number per acquirer from 1.
    pub(super) package: u64,
    /// SHA-256 of the previous package's manifest.
    pub(super) previous: Option<String>,
    /// First flag number.
    pub(super) first: u64,
    /// Last flag number.
    pub(super) last: u64,
    /// How many numbers.
    pub(super) count: u64,
    /// What became of every number.
    pub(super) numbers: Vec<Number>,
    /// Earlier numbers that were open in their own package and have been decided since.
    #[serde(default)]
    pub(super) late: Vec<Number>,
    /// What else is in the package.
    pub(super) files: Vec<File>,
    /// Signed tree head of the cases journal.
    pub(super) cases_checkpoint: String,
    /// Signed tree head of the trades journal.
    pub(super) trades_checkpoint: Option<String>,
    /// SHA-256 of the rule set.
    pub(super) rules_digest: String,
}

/// What became of one flag.
#[derive(Debug, Deserialize)]
pub(super) struct Number {
    pub(super) flag: u64,
    pub(super) status: Status,
    pub(super) raised_index: u64,
    pub(super) raised_leaf: String,
    pub(super) raised_proof: Vec<String>,
    #[serde(default)]
    pub(super) decided_index: Option<u64>,
    #[serde(default)]
    pub(super) decided_leaf: Option<String>,
    #[serde(default)]
    pub(super) decided_proof: Option<Vec<String>>,
}

/// Where a flag stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Confirmed,
    Dismissed,
    Open,
}

impl Status {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Status::Confirmed => "confirmed",
            Status::Dismissed => "dismissed",
            Status::Open => "open",
        }
    }
}

/// A file of the package.
#[derive(Debug, Deserialize)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) sha256: String,
    pub(super) bytes: u64,
}

impl Manifest {
    /// Every number that the package speaks of.
    pub(super) fn all_numbers(&self) -> impl Iterator<Item = &Number> {
        self.numbers.iter().chain(&self.late)
    }

    /// What the manifest must be without looking at anything else.
    pub(super) fn check_form(&self, dir: &Path, report: &mut Report) {
        let mut find = |what: String| report.find("manifest.json", None, what);
        let count = self.numbers.len() as u64;
        if self.count != count {
            find(format!("count is {}, but {count} numbers are listed", self.count));
        }
        if self.first == 0 || self.last.checked_add(1) != self.first.checked_add(count) {
            find(format!(
                "first {} and last {} do not span the {count} numbers listed",
                self.first, self.last
            ));
        }
        if self.package == 0 {
            find("package is 0, packages are numbered from 1".to_owned());
        }
        if (self.package == 1) != self.previous.is_none() {
            let expected = if self.package == 1 {
                "null"
            } else {
                "the digest of the previous manifest"
            };
            find(format!("previous of package {} must be {expected}", self.package));
        }
        if self.package == 1 && self.first != 1 {
            find(format!(
                "the first package begins with flag {}, expected 1",
                self.first
            ));
        }
        if hex::decode(&self.rules_digest).map_or(0, |bytes| bytes.len()) != 32 {
            find("rules_digest is not a SHA-256 in hex".to_owned());
        }
        for number in &self.late {
            let flag = number.flag;
            if flag == 0 || flag >= self.first {
                find(format!(
                    "late flag {flag} is not of an earlier package, this one begins with {}",
                    self.first
                ));
            }
            if number.status == Status::Open {
                find(format!(
                    "late flag {flag} is open; only what was decided since is late"
                ));
            }
        }
        if !self.late.is_sorted_by(|a, b| a.flag < b.flag) {
            find("late is not in order, or names a flag twice".to_owned());
        }
        if let Some((name, expected)) = self.misnamed(dir) {
            find(format!("the directory is named {name}, expected {expected}"));
        }
    }

    /// A directory that bears a package's name must bear this package's name; any other name is the reader's own.
    fn misnamed(&self, dir: &Path) -> Option<(String, String)> {
        let name = dir.file_name()?.to_str()?.to_owned();
        let expected = format!("package-{}-{:06}", self.acquirer, self.package);
        (name.starts_with("package-") && name != expected).then_some((name, expected))
    }
}
