//! Differences of bills as JSON: a preview of what stands, and the two steps by which one is resolved; what is not proven is
//! decided by the same two.

use super::{
    api::{filter, optional, outcome},
    asking::Caller,
};
use crate::{books, cases::Refusal, differences::Difference, state::State};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use domain::*;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    #[serde(default)]
    merchant: Option<String>,
    #[serde(default)]
    date: Option<String>,
    /// `open`, `proposed`, `resolved`; all of them where absent.
    #[serde(default)]
    state: Option<String>,
    /// Only what stands before this index, for the next page.
    #[serde(default)]
    before: Option<u64>,
}

/// What an address asks for.
pub(super) type Asked = Result<Query<Filter>, QueryRejection>;

/// So many are listed at once, the latest first.
pub(super) const MOST_LISTED: usize = 1000;
/// Outcomes that two officers may agree upon.
pub(super) const RESOLUTIONS: [Resolution; 3] = [
    Resolution::BillStands,
    Resolution::RecordStands,
    Resolution::Explained,
];

impl Filter {
    /// Whether a matter is wanted, wherever its day is looked at.
    pub(super) fn takes(&self, state: &State, index: u64, merchant: &MerchantId) -> bool {
        let status = || state.difference(index).map_or("open", |case| case.status());
        self.merchant.as_ref().is_none_or(|id| merchant.as_str() == id)
            && self.before.is_none_or(|before| index < before)
            && self.state.as_ref().is_none_or(|wanted| wanted == status())
    }

    /// The day, where one is named; `Err` where nothing could be found by what is asked.
    pub(super) fn day(&self) -> Result<Option<Day>, Refusal> {
        let lawful = |state: &String| ["open", "proposed", "resolved"].contains(&state.as_str());
        if !self.state.as_ref().is_none_or(lawful) {
            return Err(Refusal::Text("the state is open, proposed or resolved"));
        }
        match self.date.as_deref().map(Day::parse) {
            Some(None) => Err(Refusal::Text("the day is a date such as 2026-11-23")),
            day => Ok(day.flatten()),
        }
    }
}

/// Whether a difference belongs to a day, by our record or by the bill.
fn of_day(difference: &Difference, wanted: Day) -> bool {
    matches!(&difference.event, TradeEvent::BillDiffers { day, bill, .. } if *day == wanted || bill.day == wanted)
}

fn row(state: &State, index: u64, difference: &Difference) -> Value {
    let event = serde_json::to_value(&difference.event).unwrap_or_default();
    let mut row = json!({
        "index": index, "merchant": difference.merchant, "found_at": difference.at, "difference": event["bill_differs"],
    });
    if let TradeEvent::BillDiffers { bill, day, .. } = &difference.event {
        row["difference"]["bill"] = named(bill);
        row["difference"]["day"] = day.to_string().into();
    }
    if let (Some(row), Value::Object(case)) = (row.as_object_mut(), case(state, index)) {
        row.extend(case);
    }
    row
}

/// Which bill. Its day is a date here, a number in the journal.
pub(super) fn named(bill: &BillKey) -> Value {
    json!({ "account": bill.account, "channel": bill.channel, "day": bill.day.to_string(), "kind": bill.kind })
}

/// How far two officers are with a matter.
pub(super) fn case(state: &State, index: u64) -> Value {
    let case = state.difference(index);
    let pending = case.and_then(|case| case.pending.as_ref());
    let resolved = case.and_then(|case| case.resolved.as_ref());
    json!({
        "state": case.map_or("open", |case| case.status()),
        "proposal": pending.map(|p| json!({ "index": p.index, "resolution": p.resolution, "officer": p.officer, "reason": p.reason, "at": p.at })),
        "resolved": resolved.map(|r| json!({ "resolution": r.resolution, "proposer": r.proposer, "officer": r.officer, "reason": r.reason, "at": r.at })),
    })
}

pub(super) async fn differences(Caller(signed): Caller, asked: Asked) -> Response {
    let desk = &signed.reader.desk;
    let asked = filter(asked).and_then(|asked| Ok((asked.day()?, asked)));
    let (day, filter) = match asked {
        Ok(asked) => asked,
        Err(refusal) => return outcome(Err(refusal)),
    };
    let (rows, more) = desk.cases.look(|state| {
        let fits = |index, d: &Difference| {
            filter.takes(state, index, &d.merchant) && day.is_none_or(|day| of_day(d, day))
        };
        let (found, more) = desk.trades.differences.list(fits, MOST_LISTED);
        let rows = found.iter().map(|(index, found)| row(state, *index, found));
        (rows.collect::<Vec<Value>>(), more)
    });
    Json(json!({ "differences": rows, "more": more, "resolutions": RESOLUTIONS })).into_response()
}

/// An outcome by its name.
pub(super) fn resolution(name: &str) -> Option<Resolution> {
    let named = |of: &Resolution| json!(of) == name;
    RESOLUTIONS.into_iter().find(named)
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Act {
    #[serde(default)]
    resolution: Option<String>,
    #[serde(default)]
    reason: String,
    /// Where the proposal that was read stands in the cases journal.
    #[serde(default)]
    proposal: Option<u64>,
}

pub(super) async fn act(
    Caller(signed): Caller,
    Path((index, act)): Path<(u64, String)>,
    body: Bytes,
) -> Response {
    let sent = match optional::<Act>(&signed.reader, &body) {
        Ok(sent) => sent,
        Err(answer) => return *answer,
    };
    let (desk, user) = (&signed.reader.desk, &signed.session.user);
    let (cases, all) = (&desk.cases, &desk.trades);
    let done = match (act.as_str(), sent.resolution.as_deref().and_then(resolution)) {
        ("propose", Some(resolution)) => {
            let done = books::propose(cases, user, all, index, resolution, &sent.reason).await;
            done.map(Some)
        }
        ("propose", None) => Err(Refusal::Text(
            "say which resolution: bill_stands, record_stands or explained",
        )),
        ("agree", _) => books::agree(cases, user, all, index, sent.proposal)
            .await
            .map(|()| None),
        ("return", _) => books::send_back(cases, user, all, index, sent.proposal, &sent.reason)
            .await
            .map(|()| None),
        _ => Err(Refusal::NotFound),
    };
    let status = || cases.look(|state| state.difference(index).map_or("open", |case| case.status()));
    outcome(done.map(|proposal| json!({ "index": index, "state": status(), "proposal": proposal })))
}
