//! What a check says: findings, each naming the place, and facts for people and for machines.

use serde::Serialize;
use serde_json::{Map, Value};
use std::{fmt, path::PathBuf};

/// Findings kept one by one; more are counted. Whoever rewrites a whole journal needs no longer list.
const KEPT: usize = 200;

/// One thing that is false.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which file, or which part of one.
    pub place: String,
    /// Which entry, hash or flag, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// What is false, and what was expected.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "{}, index {index}: {}", self.place, self.what),
            None => write!(f, "{}: {}", self.place, self.what),
        }
    }
}

/// What one check found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// What is false; empty if all is true.
    pub findings: Vec<Finding>,
    /// How many findings there were beyond those kept.
    pub more_findings: u64,
    /// What was not checked, or is worth knowing.
    pub notes: Vec<String>,
    /// What was seen, for machines.
    pub facts: Map<String, Value>,
    /// What was seen, for people.
    #[serde(skip)]
    pub lines: Vec<String>,
}

impl Report {
    /// True if nothing is false.
    pub fn holds(&self) -> bool {
        self.findings.is_empty()
    }

    /// Puts down something false.
    pub fn find(&mut self, place: impl Into<String>, index: Option<u64>, what: impl Into<String>) {
        if self.findings.len() < KEPT {
            self.findings.push(Finding {
                place: place.into(),
                index,
                what: what.into(),
            });
        } else {
            self.more_findings += 1;
        }
    }

    /// Puts down the error of a check, and gives back what it made.
    pub fn keep<T, E: fmt::Display>(
        &mut self,
        place: &str,
        index: Option<u64>,
        made: Result<T, E>,
    ) -> Option<T> {
        made.map_err(|error| self.find(place, index, error.to_string()))
            .ok()
    }

    /// Puts down something seen, for machines.
    pub fn fact(&mut self, name: &str, value: impl Into<Value>) {
        self.facts.insert(name.to_owned(), value.into());
    }

    /// Puts down something seen, for people.
    pub fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    /// Puts down what was not checked, or is worth knowing.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

/// What was to be checked cannot be read at all: nothing can be said about it.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be read: {why}", path.display())]
pub struct Unreadable {
    /// Which file or directory.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

impl Unreadable {
    /// With the words of the operating system or of a parser.
    pub fn new(path: impl Into<PathBuf>, why: impl fmt::Display) -> Self {
        Unreadable {
            path: path.into(),
            why: why.to_string(),
        }
    }
}
