//! Measures: what is in force, what waits, what was; proposing, ordering, lifting.

use super::{
    answers::{Frame, outcome, page, refused},
    asking::{Reader, Signed},
    view,
};
use crate::{
    cases::Refusal,
    officers,
    state::{MeasureCase, MeasureStatus, MeasureWhat, two_people},
    users::User,
    words::{Words, time},
};
use askama::Template;
use axum::{Form, extract::Path, http::StatusCode, response::Response};
use domain::*;
use serde::Deserialize;

/// What the form of a new measure sends.
#[derive(Deserialize)]
pub(super) struct Proposed {
    csrf: String,
    #[serde(default)]
    merchant: String,
    #[serde(default)]
    channel: String,
    #[serde(default)]
    account: String,
    until: String,
    #[serde(default)]
    reason: String,
}

/// What the other forms send.
#[derive(Deserialize)]
pub(super) struct Sent {
    csrf: String,
    #[serde(default)]
    reason: String,
    /// Where the proposal that was read stands in the cases journal.
    #[serde(default)]
    proposal: Option<u64>,
}

struct Row {
    id: String,
    subject: String,
    effect: &'static str,
    until: String,
    status: &'static str,
    status_class: &'static str,
    /// Where what waits stands in the cases journal, who proposed it, why, and whether that is the reader.
    proposal: u64,
    officer: String,
    reason: String,
    own: bool,
    history: String,
}

#[derive(Template)]
#[template(path = "measures.html")]
struct Measures {
    f: Frame,
    in_force: Vec<Row>,
    pending: Vec<Row>,
    past: Vec<Row>,
    channels: [&'static str; Channel::ALL.len()],
    tomorrow: String,
    may_propose: bool,
    may_decide: bool,
}

/// A subject in words.
pub(super) fn subject(w: &'static Words, subject: &Subject) -> String {
    match subject {
        Subject::Merchant(id) => format!("{} {id}", w.merchant),
        Subject::Account { account, channel } => format!("{} {channel}/{account}", w.account),
    }
}

pub(super) async fn show(signed: Signed) -> Response {
    let Signed { reader, session } = &signed;
    let (w, now) = (reader.words(), reader.desk.cases.now());
    let rows: Vec<_> = reader.desk.cases.look(|state| {
        let row =
            |(id, case): (&MeasureId, &MeasureCase)| (case.status(now), row(w, &session.user, id, case, now));
        state.measures().rev().map(row).collect()
    });
    let (mut in_force, mut pending, mut past) = (Vec::new(), Vec::new(), Vec::new());
    for (status, row) in rows {
        match status {
            MeasureStatus::InForce => in_force.push(row),
            MeasureStatus::Proposed | MeasureStatus::LiftProposed => pending.push(row),
            MeasureStatus::Lifted | MeasureStatus::Expired | MeasureStatus::Rejected => past.push(row),
        }
    }
    page(&Measures {
        f: reader.frame("measures", Some("/measures")),
        in_force,
        pending,
        past,
        channels: Channel::ALL.map(Channel::as_str),
        tomorrow: Day::from_number(now.day().number() + 1).to_string(),
        may_propose: session.user.role.may_propose(),
        may_decide: session.user.role.may_decide(),
    })
}

fn row(w: &'static Words, user: &User, id: &MeasureId, case: &MeasureCase, now: Instant) -> Row {
    let status = case.status(now);
    let (stop, pending) = (case.stop.as_ref(), case.pending.as_ref());
    let lifts = pending.is_some_and(|p| p.measure.effect == Effect::Lift);
    let last_reason = case.history.iter().rev().find_map(|step| match &step.what {
        MeasureWhat::Proposed(_, reason) | MeasureWhat::Rejected(reason) => Some(reason.to_string()),
        MeasureWhat::Ordered(_) => None,
    });
    let step = |step: &crate::state::MeasureStep| {
        let what = match step.what {
            MeasureWhat::Proposed(Effect::Stop, _) => w.step_stop,
            MeasureWhat::Proposed(Effect::Lift, _) => w.step_lift,
            MeasureWhat::Ordered(Effect::Stop) => w.step_ordered,
            MeasureWhat::Ordered(Effect::Lift) => w.step_lifted,
            MeasureWhat::Rejected(_) => w.step_rejected,
        };
        format!("{} {} {what}", time(step.at), step.officer)
    };
    Row {
        id: id.to_string(),
        subject: stop.map(|stop| subject(w, &stop.subject)).unwrap_or_default(),
        effect: if lifts { w.lift } else { w.stop },
        until: stop.map(|stop| time(stop.until)).unwrap_or_default(),
        status: view::measure_status(w, status),
        status_class: status.as_str(),
        proposal: pending.map_or(0, |p| p.index),
        officer: pending.map(|p| p.officer.to_string()).unwrap_or_default(),
        reason: pending
            .map(|p| p.reason.to_string())
            .or(last_reason)
            .unwrap_or_default(),
        own: pending.is_some_and(|p| !two_people(&p.officer, &user.name)),
        history: case.history.iter().map(step).collect::<Vec<_>>().join(" · "),
    }
}

/// Whom the form names: a merchant or an account, not both.
fn named(sent: &Proposed) -> Option<Subject> {
    let (merchant, account) = (sent.merchant.trim(), sent.account.trim());
    match (merchant.is_empty(), account.is_empty()) {
        (false, true) => Some(Subject::Merchant(MerchantId::new(merchant).ok()?)),
        (true, false) => {
            let channel = Channel::ALL
                .into_iter()
                .find(|channel| channel.as_str() == sent.channel)?;
            Some(Subject::Account {
                account: AccountNo::new(account).ok()?,
                channel,
            })
        }
        _ => None,
    }
}

/// The end of a day written `2026-12-31`, that is the begin of the next in UTC+8.
pub(super) fn end_of(text: &str) -> Option<Instant> {
    let day = Day::parse(text.trim())?;
    Some(Day::from_number(day.number() + 1).start())
}

pub(super) async fn propose(signed: Signed, Form(sent): Form<Proposed>) -> Response {
    let Signed { reader, session } = &signed;
    if !session.is_csrf(&sent.csrf) {
        return stale(reader);
    }
    let done = match (named(&sent), end_of(&sent.until)) {
        (None, _) => Err(Refusal::Text("name a merchant or a channel account")),
        (_, None) => Err(Refusal::Text("the last day is a date such as 2026-12-31")),
        (Some(subject), Some(until)) => {
            let registries = reader.desk.registries.load_full();
            let what = (subject, until);
            officers::propose_stop(&reader.desk.cases, &session.user, &registries, what, &sent.reason)
                .await
                .map(drop)
        }
    };
    outcome(reader, done, "/measures")
}

pub(super) async fn act(
    signed: Signed,
    Path((id, act)): Path<(String, String)>,
    Form(sent): Form<Sent>,
) -> Response {
    let Signed { reader, session } = &signed;
    if !session.is_csrf(&sent.csrf) {
        return stale(reader);
    }
    let (cases, user) = (&reader.desk.cases, &session.user);
    let done = match (act.as_str(), MeasureId::new(&id)) {
        ("agree", Ok(id)) => officers::order(cases, user, &id, sent.proposal).await,
        ("reject", Ok(id)) => officers::reject(cases, user, &id, sent.proposal, &sent.reason).await,
        ("lift", Ok(id)) => officers::propose_lift(cases, user, &id, &sent.reason)
            .await
            .map(drop),
        _ => Err(Refusal::NotFound),
    };
    outcome(reader, done, "/measures")
}

fn stale(reader: &Reader) -> Response {
    refused(
        reader,
        StatusCode::FORBIDDEN,
        reader.words().stale.to_owned(),
        "/measures",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_midnight_in_shanghai() {
        for day in [0, 59, 60, 19_000, 20_453, 20_454, 20_512, 21_000, 40_000] {
            let day = Day::from_number(day);
            assert_eq!(
                end_of(&day.to_string()),
                Some(Day::from_number(day.number() + 1).start()),
                "{day}"
            );
        }
        for bad in [
            "",
            "2026-02-30",
            "2026-13-01",
            "tomorrow",
            "2026-1",
            "99999999-01-01",
            "99999999999999999-01-01",
            "2026-01-99999999999999999",
        ] {
            assert_eq!(end_of(bad), None, "{bad}");
        }
    }
}
