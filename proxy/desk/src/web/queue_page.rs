//! The queue of flags, and packages that wait for an acknowledgement.

use super::{
    answers::{Frame, page},
    asking::Signed,
    view,
};
use crate::{
    state::{Flag, FlagRef, State, Status},
    words::{age, time},
};
use askama::Template;
use axum::{extract::Query, response::Response};
use domain::Instant;
use policy::anomaly::Lang;
use serde::Deserialize;

/// Most rows on a page; the filters find the rest.
const MOST_ROWS: usize = 500;

/// What the address asks for.
#[derive(Deserialize, Default, Clone)]
pub(super) struct Filter {
    #[serde(default)]
    pub(super) state: String,
    #[serde(default)]
    pub(super) acquirer: String,
}

impl Filter {
    /// Does the flag pass? Without a state: what is not decided.
    pub(super) fn takes(&self, of: &FlagRef, flag: &Flag) -> bool {
        let status = flag.status();
        let state = match self.state.as_str() {
            "" => matches!(status, Status::Open | Status::Proposed),
            "all" => true,
            named => named == status.as_str(),
        };
        state && (self.acquirer.is_empty() || self.acquirer == of.acquirer.as_str())
    }
}

struct Row {
    acquirer: String,
    number: u64,
    rule: String,
    rule_name: &'static str,
    merchant: String,
    observed: String,
    raised: String,
    age: String,
    status: &'static str,
    status_class: &'static str,
}

struct Waiting {
    acquirer: String,
    package: u64,
    made: String,
    age: String,
}

struct Choice {
    value: String,
    text: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "queue.html")]
struct Queue {
    f: Frame,
    rows: Vec<Row>,
    waiting: Vec<Waiting>,
    states: Vec<Choice>,
    acquirers: Vec<Choice>,
    counts: [(&'static str, usize); 4],
}

pub(super) async fn show(signed: Signed, Query(filter): Query<Filter>) -> Response {
    let (reader, now) = (&signed.reader, signed.reader.desk.cases.now());
    let (rows, waiting, acquirers, counts) = reader.desk.cases.look(|state| {
        let found = state.flags().rev().filter(|(of, flag)| filter.takes(of, flag));
        let rows: Vec<Row> = found
            .take(MOST_ROWS)
            .map(|(of, flag)| row(reader.lang, of, flag, now))
            .collect();
        (
            rows,
            waiting(state, reader.lang, now),
            state.acquirers(),
            counts(state),
        )
    });
    let w = reader.words();
    let named = [w.open, w.proposed, w.confirmed, w.dismissed];
    let chosen = |value: &str, wanted: &str| value == wanted;
    let state = |value: &str, text: &str| Choice {
        value: value.to_owned(),
        text: text.to_owned(),
        chosen: chosen(value, &filter.state),
    };
    let undecided = format!("{} + {}", w.open, w.proposed);
    let states = vec![
        state("", &undecided),
        state("open", w.open),
        state("proposed", w.proposed),
        state("confirmed", w.confirmed),
        state("dismissed", w.dismissed),
        state("all", w.all),
    ];
    let every = Choice {
        value: String::new(),
        text: w.all.to_owned(),
        chosen: filter.acquirer.is_empty(),
    };
    let one = |no: domain::AcquirerNo| {
        let value = no.to_string();
        Choice {
            text: value.clone(),
            chosen: value == filter.acquirer,
            value,
        }
    };
    let acquirers = std::iter::once(every)
        .chain(acquirers.into_iter().map(one))
        .collect();
    let counts = std::array::from_fn(|n| (named[n], counts[n]));
    page(&Queue {
        f: reader.frame("flags", Some("/")),
        rows,
        waiting,
        states,
        acquirers,
        counts,
    })
}

fn counts(state: &State) -> [usize; 4] {
    let mut counts = [0; 4];
    for (_, flag) in state.flags() {
        let place = match flag.status() {
            Status::Open => 0,
            Status::Proposed => 1,
            Status::Confirmed => 2,
            Status::Dismissed => 3,
        };
        counts[place] += 1;
    }
    counts
}

fn row(lang: Lang, of: &FlagRef, flag: &Flag, now: Instant) -> Row {
    let status = flag.status();
    Row {
        acquirer: of.acquirer.to_string(),
        number: of.number,
        rule: flag.raised.rule.to_string(),
        rule_name: view::rule_name(lang, &flag.raised.rule),
        merchant: flag.raised.merchant.to_string(),
        observed: view::observed(lang, flag),
        raised: time(flag.at),
        age: age(lang, now.millis() - flag.at.millis()),
        status: view::status(crate::words::Words::of(lang), status),
        status_class: status.as_str(),
    }
}

fn waiting(state: &State, lang: Lang, now: Instant) -> Vec<Waiting> {
    let open = state
        .all_packages()
        .filter(|(_, package)| package.acknowledged.is_none());
    let row = |(acquirer, package): (&domain::AcquirerNo, &crate::state::Package)| Waiting {
        acquirer: acquirer.to_string(),
        package: package.package,
        made: time(package.made_at),
        age: age(lang, now.millis() - package.made_at.millis()),
    };
    open.map(row).collect()
}
