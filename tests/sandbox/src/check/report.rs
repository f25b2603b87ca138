//! What was found, in plain words and as JSON.

use serde::Serialize;
use std::fmt::{self, Display};

/// What one case came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Right,
    /// It works, but not well.
    Note,
    /// To be put right.
    Wrong,
    /// Not sent; the finding says what it needs.
    Untried,
}

/// One case.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its short name.
    pub case: &'static str,
    /// What was sent.
    pub sent: &'static str,
    /// What the endpoint answered.
    pub answered: String,
    /// What that is.
    pub verdict: Verdict,
    /// What is wrong and what would be right; empty where it is right.
    pub finding: String,
}

impl Row {
    /// One sentence more.
    pub(super) fn add(&mut self, verdict: Verdict, finding: &str) {
        self.verdict = verdict;
        let space = if self.finding.is_empty() { "" } else { " " };
        self.finding += &format!("{space}{finding}");
    }
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The endpoint.
    pub merchant: String,
    /// `guandao`, `wechat` or `alipay`.
    pub language: &'static str,
    /// How many cases are wrong.
    pub wrong: usize,
    /// How many could be better.
    pub notes: usize,
    /// The cases, in the order in which they were sent.
    pub cases: Vec<Row>,
}

impl Report {
    pub(super) fn new(merchant: String, language: &'static str, cases: Vec<Row>) -> Report {
        let count = |verdict| cases.iter().filter(|row| row.verdict == verdict).count();
        Report {
            merchant,
            language,
            wrong: count(Verdict::Wrong),
            notes: count(Verdict::Note),
            cases,
        }
    }

    fn tried(&self) -> usize {
        let tried = |row: &&Row| row.verdict != Verdict::Untried;
        self.cases.iter().filter(tried).count()
    }

    /// Names of the cases that are wrong.
    pub fn wrongs(&self) -> Vec<&'static str> {
        self.cases
            .iter()
            .filter(|row| row.verdict == Verdict::Wrong)
            .map(|row| row.case)
            .collect()
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.cases {
            let mark = match row.verdict {
                Verdict::Right => "right",
                Verdict::Note => "note ",
                Verdict::Wrong => "WRONG",
                Verdict::Untried => "-    ",
            };
            writeln!(f, "{mark}  {:17} {}: {}", row.case, row.sent, row.answered)?;
            if !row.finding.is_empty() {
                writeln!(f, "                         {}", row.finding)?;
            }
        }
        match self.wrong {
            0 => write!(f, "nothing wrong in {} cases", self.tried()),
            1 => write!(f, "1 of {} cases is wrong", self.tried()),
            n => write!(f, "{n} of {} cases are wrong", self.tried()),
        }
    }
}
