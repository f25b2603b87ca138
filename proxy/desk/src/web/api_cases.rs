//! Flags and measures as JSON.

use super::{
    api::{optional, outcome, read},
    asking::Caller,
    case_page::{MOST_TRADES, flag_ref},
    measures_page::end_of,
    queue_page::Filter,
    view,
};
use crate::{cases::Refusal, officers};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query},
    response::{IntoResponse, Response},
};
use domain::*;
use policy::anomaly::Lang;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) async fn flags(Caller(signed): Caller, Query(filter): Query<Filter>) -> Response {
    let cases = &signed.reader.desk.cases;
    let now = cases.now();
    let filter = if filter.state.is_empty() {
        Filter {
            state: "all".into(),
            ..filter
        }
    } else {
        filter
    };
    if !["all", "open", "proposed", "confirmed", "dismissed"].contains(&filter.state.as_str()) {
        return outcome(Err(Refusal::Text(
            "the state is open, proposed, confirmed, dismissed or all",
        )));
    }
    let rows: Vec<Value> = cases.look(|state| {
        let found = state.flags().filter(|(of, flag)| filter.takes(of, flag));
        found.map(|(of, flag)| view::flag_row(of, flag, now)).collect()
    });
    Json(json!({ "flags": rows })).into_response()
}

pub(super) async fn flag(Caller(signed): Caller, Path((acquirer, number)): Path<(String, u64)>) -> Response {
    let desk = &signed.reader.desk;
    let Some(of) = flag_ref(&acquirer, number) else {
        return outcome(Err(Refusal::NotFound));
    };
    if let Err(refusal) = officers::read(&desk.cases, &signed.session.user, &of).await {
        return outcome(Err(refusal));
    }
    let now = desk.cases.now();
    let whole = desk.cases.look(|state| {
        let flag = state.flag(&of)?;
        let mut whole = view::flag_whole(&of, flag, now);
        let shown = flag.raised.trades.iter().take(MOST_TRADES);
        let entries: Vec<Value> = shown
            .map(|index| {
                let row = view::trade(Lang::En, &desk.trades, state, *index);
                let entry = row
                    .entry
                    .and_then(|text| serde_json::from_str::<Value>(&text).ok());
                json!({ "index": index, "entry": entry, "true_clause": state.explanation(*index) })
            })
            .collect();
        whole["entries"] = entries.into();
        Some(whole)
    });
    outcome(whole.ok_or(Refusal::NotFound))
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct FlagAct {
    #[serde(default)]
    disposition: Option<String>,
    #[serde(default)]
    reason: String,
    /// Where the proposal that was read stands in the cases journal.
    #[serde(default)]
    proposal: Option<u64>,
}

pub(super) async fn flag_act(
    Caller(signed): Caller,
    Path((acquirer, number, act)): Path<(String, u64, String)>,
    body: Bytes,
) -> Response {
    let sent = match optional::<FlagAct>(&signed.reader, &body) {
        Ok(sent) => sent,
        Err(answer) => return *answer,
    };
    let Some(of) = flag_ref(&acquirer, number) else {
        return outcome(Err(Refusal::NotFound));
    };
    let (cases, user) = (&signed.reader.desk.cases, &signed.session.user);
    let disposition = match sent.disposition.as_deref() {
        Some("confirm") => Some(Disposition::Confirm),
        Some("dismiss") => Some(Disposition::Dismiss),
        _ => None,
    };
    let done = match (act.as_str(), disposition) {
        ("propose", Some(disposition)) => {
            let done = officers::propose(cases, user, &of, disposition, &sent.reason).await;
            done.map(Some)
        }
        ("propose", None) => Err(Refusal::Text("say which disposition: confirm or dismiss")),
        ("agree", _) => officers::agree(cases, user, &of, sent.proposal)
            .await
            .map(|()| None),
        ("return", _) => officers::send_back(cases, user, &of, sent.proposal, &sent.reason)
            .await
            .map(|()| None),
        _ => Err(Refusal::NotFound),
    };
    let status = || cases.look(|state| state.flag(&of).map(|flag| flag.status().as_str()));
    outcome(done.map(|proposal| json!({ "status": status(), "proposal": proposal })))
}

pub(super) async fn measures(Caller(signed): Caller) -> Response {
    let cases = &signed.reader.desk.cases;
    let now = cases.now();
    let (rows, in_force) = cases.look(|state| {
        let rows: Vec<Value> = state
            .measures()
            .map(|(id, case)| view::measure(id, case, now))
            .collect();
        (rows, state.in_force(now))
    });
    Json(json!({ "measures": rows, "in_force": in_force })).into_response()
}

/// An instant in milliseconds, or the last day of the measure.
#[derive(Deserialize)]
#[serde(untagged)]
enum Until {
    Instant(Instant),
    Day(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMeasure {
    subject: Subject,
    until: Until,
    reason: String,
}

pub(super) async fn propose_measure(Caller(signed): Caller, body: Bytes) -> Response {
    let sent: NewMeasure = match read(&signed.reader, &body) {
        Ok(sent) => sent,
        Err(answer) => return *answer,
    };
    let until = match sent.until {
        Until::Instant(until) => Some(until),
        Until::Day(text) => end_of(&text),
    };
    let Some(until) = until else {
        return outcome(Err(Refusal::Text("the last day is a date such as 2026-12-31")));
    };
    let desk = &signed.reader.desk;
    let registries = desk.registries.load_full();
    let what = (sent.subject, until);
    let done =
        officers::propose_stop(&desk.cases, &signed.session.user, &registries, what, &sent.reason).await;
    outcome(done.map(|(id, proposal)| json!({ "id": id, "status": "proposed", "proposal": proposal })))
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct MeasureAct {
    #[serde(default)]
    reason: String,
    /// Where the proposal that was read stands in the cases journal.
    #[serde(default)]
    proposal: Option<u64>,
}

pub(super) async fn measure_act(
    Caller(signed): Caller,
    Path((id, act)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let sent = match optional::<MeasureAct>(&signed.reader, &body) {
        Ok(sent) => sent,
        Err(answer) => return *answer,
    };
    let Ok(id) = MeasureId::new(&id) else {
        return outcome(Err(Refusal::NotFound));
    };
    let (cases, user) = (&signed.reader.desk.cases, &signed.session.user);
    let done = match act.as_str() {
        "agree" => officers::order(cases, user, &id, sent.proposal)
            .await
            .map(|()| None),
        "reject" => officers::reject(cases, user, &id, sent.proposal, &sent.reason)
            .await
            .map(|()| None),
        "lift" => officers::propose_lift(cases, user, &id, &sent.reason)
            .await
            .map(Some),
        _ => Err(Refusal::NotFound),
    };
    let now = cases.now();
    let status = || cases.look(|state| state.measure(&id).map(|case| case.status(now).as_str()));
    outcome(done.map(|proposal| json!({ "id": id, "status": status(), "proposal": proposal })))
}
