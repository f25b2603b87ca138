//! Every contradiction in and between the files, found at once.

mod acquirer;
mod bank;
mod operator;
mod rates;
mod routes;
mod terminals;

use super::{AcquirerFile, LicenceFile, OperatorFile, Problem, url};
use domain::{AccountNo, Channel, MerchantId, Registry, TerminalNo};
use std::{
    collections::{BTreeMap, BTreeSet},
    hash::Hash,
};

/// What the acquirers' files brought, for the operator's file to refer to.
#[derive(Default)]
pub(super) struct Known<'a> {
    pub(super) merchants: BTreeMap<&'a MerchantId, String>,
    /// Whose each is: a serial is one merchant's (R22).
    pub(super) terminals: BTreeMap<&'a TerminalNo, &'a MerchantId>,
    pub(super) accounts: BTreeMap<(Channel, &'a AccountNo), &'a MerchantId>,
}

/// Notes problems of one file.
pub(super) struct Notes<'p> {
    pub(super) file: Registry,
    /// `acquirer X: ` where several files of a kind exist.
    pub(super) whose: String,
    pub(super) problems: &'p mut Vec<Problem>,
}

impl Notes<'_> {
    pub(super) fn say(&mut self, path: &str, wrong: impl std::fmt::Display, right: &str) {
        let wrong = format!("{}{wrong}", self.whose);
        self.problems.push(Problem {
            file: self.file,
            path: path.to_owned(),
            wrong,
            right: right.to_owned(),
        });
    }

    pub(super) fn kind(&mut self, kind: Registry) {
        if kind != self.file {
            let right = format!("\"{:?}\"", self.file).to_lowercase();
            self.say(
                "$.kind",
                format!("this is a file of kind {}", format!("{kind:?}").to_lowercase()),
                &right,
            );
        }
    }

    pub(super) fn filled(&mut self, path: String, text: &str, right: &str) {
        if text.trim().is_empty() {
            self.say(&path, "is empty", right);
        }
    }

    pub(super) fn unique<T: Ord + Hash>(
        &mut self,
        seen: &mut BTreeSet<T>,
        key: T,
        path: String,
        wrong: impl std::fmt::Display,
    ) {
        if !seen.insert(key) {
            self.say(&path, wrong, "name it once");
        }
    }
}

/// All problems of a set of files; empty if they may take effect together.
pub(super) fn problems(
    licence: &LicenceFile,
    acquirers: &[&AcquirerFile],
    operator: &OperatorFile,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    check_licence(licence, &mut problems);
    let mut known = Known::default();
    let mut codes = BTreeSet::new();
    for file in acquirers {
        let whose = format!("acquirer {}: ", file.acquirer);
        let mut notes = Notes {
            file: Registry::Acquirer,
            whose,
            problems: &mut problems,
        };
        notes.unique(&mut codes, &file.acquirer, "$.acquirer".into(), "has two files");
        acquirer::check(licence, file, &mut known, &mut notes);
    }
    operator::check(operator, &known, &mut problems);
    rates::agents(licence, acquirers, operator, &mut problems);
    problems
}

fn check_licence(file: &LicenceFile, problems: &mut Vec<Problem>) {
    let mut notes = Notes {
        file: Registry::Licence,
        whose: String::new(),
        problems,
    };
    notes.kind(file.kind);
    notes.filled(
        "$.filing_no".into(),
        &file.filing_no,
        "the operator's filing number at PCAC (R25)",
    );
    rates::bands(file, &mut notes);
    let mut seen = BTreeSet::new();
    for (n, channel) in file.channels.iter().enumerate() {
        let at = format!("$.channels[{n}]");
        notes.unique(
            &mut seen,
            channel.channel,
            format!("{at}.channel"),
            format!("{} stands twice", channel.channel),
        );
        notes.filled(
            format!("{at}.institution"),
            &channel.institution,
            "the licensed institution's name",
        );
        notes.filled(
            format!("{at}.licence_no"),
            &channel.licence_no,
            "the number of its licence",
        );
        if channel.hosts.is_empty() {
            notes.say(
                &format!("{at}.hosts"),
                "is empty",
                "at least one host, such as api.mch.weixin.qq.com",
            );
        }
        let page = channel.authorization.iter().map(|a| a.page.as_str());
        for fault in
            page.filter_map(|page| url::fault(page, true).or(page.contains('?').then_some("has a query")))
        {
            notes.say(
                &format!("{at}.authorization.page"),
                fault,
                "an https address without a query",
            );
        }
        let token = channel.authorization.iter().filter_map(|a| a.token.as_ref());
        let token = token.map(|host| (format!("{at}.authorization.token"), host));
        let hosts = channel
            .hosts
            .iter()
            .enumerate()
            .map(|(h, host)| (format!("{at}.hosts[{h}]"), host));
        for (path, host) in hosts.chain(token) {
            if !url::is_host(&host.host) || host.port == 0 {
                notes.say(&path, "is no host and port", "a DNS name and a port from 1");
            }
        }
    }
}
