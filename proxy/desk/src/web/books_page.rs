//! Differences between channels' bills and the record: what stands, what waits for a second officer, what was made of the
//! rest. Above them what neither a bill nor an answer proves.

use super::{
    answers::{Frame, outcome, page, refused},
    api_books::resolution,
    asking::Signed,
    unproven,
};
use crate::{
    books,
    cases::Refusal,
    differences::Difference,
    state::{DifferenceCase, two_people},
    users::User,
    words::{self, Words, time},
};
use askama::Template;
use axum::{Form, extract::Path, http::StatusCode, response::Response};
use domain::*;
use policy::anomaly::Lang;
use serde::Deserialize;

/// So many rows are shown, the latest first; `/api/differences` has the others.
const MOST_ROWS: usize = 200;

/// What the forms send.
#[derive(Deserialize)]
pub(super) struct Sent {
    csrf: String,
    #[serde(default)]
    resolution: String,
    #[serde(default)]
    reason: String,
    /// Where the proposal that was read stands in the cases journal.
    #[serde(default)]
    proposal: Option<u64>,
}

struct Row {
    index: u64,
    merchant: String,
    kind: &'static str,
    about: String,
    here: String,
    there: String,
    found: String,
    case: Case,
}

/// How far two officers are with it.
pub(super) struct Case {
    pub(super) status: &'static str,
    pub(super) status_class: &'static str,
    /// Something can be proposed.
    pub(super) open: bool,
    pub(super) waits: bool,
    /// Where the proposal that waits stands in the cases journal.
    pub(super) proposal: u64,
    pub(super) own: bool,
    pub(super) resolution: &'static str,
    pub(super) people: String,
    pub(super) reason: String,
}

impl Case {
    /// `decided` says whether it is anybody's to decide, `word` how an outcome reads.
    pub(super) fn of(
        w: &'static Words,
        user: &User,
        case: Option<&DifferenceCase>,
        decided: bool,
        word: fn(&'static Words, Resolution) -> &'static str,
    ) -> Case {
        let status = case.map_or("open", DifferenceCase::status);
        let pending = case.and_then(|case| case.pending.as_ref());
        let resolved = case.and_then(|case| case.resolved.as_ref());
        Case {
            status: match status {
                "open" => w.open,
                "proposed" => w.proposed,
                _ => w.resolved,
            },
            status_class: match status {
                "resolved" => "confirmed",
                other => other,
            },
            open: decided && status == "open",
            waits: status == "proposed",
            proposal: pending.map_or(0, |p| p.index),
            own: pending.is_some_and(|p| !two_people(&p.officer, &user.name)),
            resolution: pending
                .map(|p| p.resolution)
                .or(resolved.map(|r| r.resolution))
                .map_or("", |resolution| word(w, resolution)),
            people: match (pending, resolved) {
                (Some(p), _) => format!("{} {} · {}", w.by, p.officer, time(p.at)),
                (None, Some(r)) => {
                    let (proposer, officer, at) = (&r.proposer, &r.officer, time(r.at));
                    format!("{} {proposer} · {} {officer} · {at}", w.by, w.agreed_by)
                }
                (None, None) => String::new(),
            },
            reason: pending
                .map(|p| &p.reason)
                .or(resolved.and_then(|r| r.reason.as_ref()))
                .map(ToString::to_string)
                .unwrap_or_default(),
        }
    }
}

#[derive(Template)]
#[template(path = "books.html")]
struct Books {
    f: Frame,
    unproven: Vec<unproven::Row>,
    more_unproven: usize,
    rows: Vec<Row>,
    more: usize,
    may_propose: bool,
    may_decide: bool,
}

pub(super) async fn show(signed: Signed) -> Response {
    let Signed { reader, session } = &signed;
    let (w, lang) = (reader.words(), reader.lang);
    let (cases, trades) = (&reader.desk.cases, &reader.desk.trades);
    let (found, more) = trades.differences.list(|_, _| true, MOST_ROWS);
    let (matters, more_unproven) = trades.unproven.list(cases.now(), |_, _, _| true, MOST_ROWS);
    let (unproven, rows) = cases.look(|state| {
        let matters = matters.iter();
        let rows = found.iter().map(|(index, difference)| {
            row(
                (w, lang),
                &session.user,
                *index,
                difference,
                state.difference(*index),
            )
        });
        (
            matters
                .map(|m| unproven::row((w, lang), &session.user, m, state))
                .collect(),
            rows.collect(),
        )
    });
    let (may_propose, may_decide) = (session.user.role.may_propose(), session.user.role.may_decide());
    page(&Books {
        f: reader.frame("books", Some("/books")),
        unproven,
        more_unproven,
        rows,
        more,
        may_propose,
        may_decide,
    })
}

fn row(
    (w, lang): (&'static Words, Lang),
    user: &User,
    index: u64,
    difference: &Difference,
    case: Option<&DifferenceCase>,
) -> Row {
    let (about, here, there, kind) = facts(w, lang, &difference.event);
    Row {
        index,
        merchant: difference.merchant.to_string(),
        kind,
        about,
        here,
        there,
        found: time(difference.at),
        case: Case::of(w, user, case, true, word),
    }
}

pub(super) fn word(w: &'static Words, resolution: Resolution) -> &'static str {
    match resolution {
        Resolution::BillStands => w.bill_stands,
        Resolution::RecordStands => w.record_stands,
        Resolution::Explained => w.explained,
    }
}

/// What it is about, what we have, what the bill has, and the kind.
fn facts(w: &'static Words, lang: Lang, event: &TradeEvent) -> (String, String, String, &'static str) {
    let TradeEvent::BillDiffers {
        amount,
        bill,
        bill_amount,
        bill_state,
        bill_trade_no,
        day,
        difference,
        movement,
        number,
        refund,
        state,
        trade_no,
        ..
    } = event
    else {
        return Default::default();
    };
    let numbers = [
        number.as_ref().map(ToString::to_string),
        refund.as_ref().map(ToString::to_string),
    ];
    let belongs = (*day != bill.day).then(|| format!("{} {day}", w.belongs_to));
    let parts = [
        Some(words::movement(lang, *movement).to_owned()),
        Some(numbers.into_iter().flatten().collect::<Vec<_>>().join(" / ")),
        Some(words::channel(lang, bill.channel).to_owned()),
        Some(bill.account.to_string()),
        Some(format!("{} {}", w.bill_of, bill.day)),
        belongs,
        Some(words::bill(lang, bill.kind).to_owned()),
    ];
    let parts = parts.into_iter().flatten().filter(|part| !part.is_empty());
    let about = parts.collect::<Vec<_>>().join(" · ");
    let side = |state: Option<&'static str>, amount: &Option<Amount>, no: &Option<TradeNo>| {
        let parts = [
            state.map(str::to_owned),
            amount.map(|amount| words::quantity(lang, amount.fen(), "fen")),
            no.as_ref().map(ToString::to_string),
        ];
        let text = parts.into_iter().flatten().collect::<Vec<_>>().join(" · ");
        if text.is_empty() { "–".to_owned() } else { text }
    };
    let word = match difference {
        DifferenceKind::Repeated => w.repeated,
        DifferenceKind::OnlyAtChannel => w.only_at_channel,
        DifferenceKind::OnlyHere => w.only_here,
        DifferenceKind::Amount => w.amount_differs,
        DifferenceKind::State => w.state_differs,
        DifferenceKind::TradeNo => w.trade_no_differs,
        DifferenceKind::Day => w.other_day,
    };
    let here = state.map(|state| words::record_state(lang, *movement, state));
    let there = bill_state.map(|state| words::bill_state(lang, *movement, state));
    (
        about,
        side(here, amount, trade_no),
        side(there, bill_amount, bill_trade_no),
        word,
    )
}

pub(super) async fn act(
    signed: Signed,
    Path((index, act)): Path<(u64, String)>,
    Form(sent): Form<Sent>,
) -> Response {
    let Signed { reader, session } = &signed;
    if !session.is_csrf(&sent.csrf) {
        return refused(
            reader,
            StatusCode::FORBIDDEN,
            reader.words().stale.to_owned(),
            "/books",
        );
    }
    let (cases, user, all) = (&reader.desk.cases, &session.user, &*reader.desk.trades);
    let done = match (act.as_str(), resolution(&sent.resolution)) {
        ("propose", Some(resolution)) => {
            let done = books::propose(cases, user, all, index, resolution, &sent.reason).await;
            done.map(drop)
        }
        ("agree", _) => books::agree(cases, user, all, index, sent.proposal).await,
        ("return", _) => books::send_back(cases, user, all, index, sent.proposal, &sent.reason).await,
        _ => Err(Refusal::NotFound),
    };
    outcome(reader, done, "/books")
}
