//! Differences of bills as JSON: a preview of what stands, and the two steps by which one is resolved; what is not proven is
//! decided by the same two.

use super::{
    api::{optional, outcome},
    asking::Caller,
};
use crate::{
    books::{self, Difference},
    cases::Refusal,
    state::State,
};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query},
    response::{IntoResponse, Response},
};
use domain::*;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    #[serde(default)]
    pub(super) merchant: Option<String>,
    #[serde(default)]
    date: Option<String>,
    /// `open`, `proposed`, `resolved`; all of them where absent.
    #[serde(default)]
    pub(super) state: Option<String>,
}

impl Filter {
    /// The day, where one is named; `Err` where it is no date.
    pub(super) fn day(&self) -> Result<Option<Day>, ()> {
        match self.date.as_deref().map(Day::parse) {
            Some(None) => Err(()),
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
    if let (Some(row), Value::Object(case)) = (row.as_object_mut(), case(state, index)) {
        row.extend(case);
    }
    row
}

/// How far two officers are with a matter.
pub(super) fn case(state: &State, index: u64) -> Value {
    let case = state.difference(index);
    let pending = case.and_then(|case| case.pending.as_ref());
    let resolved = case.and_then(|case| case.resolved.as_ref());
    json!({
        "state": case.map_or("open", |case| case.status()),
        "proposal": pending.map(|p| json!({ "index": p.index, "resolution": p.resolution, "officer": p.officer, "reason": p.reason, "at": p.at })),
        "resolved": resolved.map(|(resolution, proposer, officer, at)| json!({ "resolution": resolution, "proposer": proposer, "officer": officer, "at": at })),
    })
}

pub(super) async fn differences(Caller(signed): Caller, Query(filter): Query<Filter>) -> Response {
    let desk = &signed.reader.desk;
    let Ok(day) = filter.day() else {
        return outcome(Err(Refusal::Text("the day is a date such as 2026-11-23")));
    };
    let fits = |d: &Difference| {
        filter
            .merchant
            .as_ref()
            .is_none_or(|id| d.merchant.as_str() == id)
            && day.is_none_or(|day| of_day(d, day))
    };
    let found = desk.trades.differences.list(fits);
    let rows: Vec<Value> = desk.cases.look(|state| {
        let rows = found
            .iter()
            .map(|(index, difference)| row(state, *index, difference));
        rows.filter(|row| {
            filter
                .state
                .as_ref()
                .is_none_or(|wanted| row["state"] == wanted.as_str())
        })
        .collect()
    });
    Json(json!({ "differences": rows })).into_response()
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Act {
    #[serde(default)]
    resolution: Option<Resolution>,
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
    let done = match (act.as_str(), sent.resolution) {
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
