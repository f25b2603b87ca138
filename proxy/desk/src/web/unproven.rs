//! What no bill and no answer proves: the rows of the page of the books, and the same as JSON.

use super::{
    api::{filter, outcome},
    api_books::{Asked, MOST_LISTED, RESOLUTIONS, named},
    asking::Caller,
    books_page::{Case, word},
};
use crate::{
    state::State,
    unproven::{Matter, Why},
    users::User,
    words::{self, Words, time},
};
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use domain::*;
use policy::anomaly::Lang;
use serde_json::{Value, json};

/// One of them on the page.
pub(super) struct Row {
    pub(super) index: u64,
    pub(super) merchant: String,
    pub(super) kind: &'static str,
    pub(super) about: String,
    pub(super) found: String,
    /// Numbers, each with the channel's last code; the bill's last code where it is about one.
    pub(super) said: Vec<String>,
    /// What can be done about it.
    pub(super) to_do: &'static str,
    pub(super) case: Case,
}

pub(super) fn row((w, lang): (&'static Words, Lang), user: &User, matter: &Matter, state: &State) -> Row {
    let Matter { bill, .. } = matter;
    let (kind, to_do) = match matter.why {
        Why::Unanswered => (w.unanswered, w.unanswered_do),
        Why::Overdue => (w.overdue, w.overdue_do),
        Why::NeverCame => (w.never_came, w.never_came_do),
    };
    let tries = (matter.tries > 0).then(|| format!("{} {}", w.asked_times, matter.tries));
    let about = [
        Some(words::channel(lang, bill.channel).to_owned()),
        Some(bill.account.to_string()),
        Some(format!("{} {}", w.bill_of, bill.day)),
        Some(words::bill(lang, bill.kind).to_owned()),
        tries,
    ];
    Row {
        index: matter.index,
        merchant: matter.merchant.to_string(),
        kind,
        about: about.into_iter().flatten().collect::<Vec<_>>().join(" · "),
        found: time(matter.at),
        said: said(lang, matter),
        to_do,
        case: Case::of(
            w,
            user,
            state.difference(matter.index),
            matter.why.is_decided(),
            found_word,
        ),
    }
}

/// How the three outcomes read where there is no bill to stand.
fn found_word(w: &'static Words, resolution: Resolution) -> &'static str {
    match resolution {
        Resolution::BillStands => w.found_there,
        Resolution::RecordStands => w.found_here,
        Resolution::Explained => word(w, resolution),
    }
}

fn said(lang: Lang, matter: &Matter) -> Vec<String> {
    let of = |one: &Unanswered| {
        let numbers = [
            Some(one.number.to_string()),
            one.refund.as_ref().map(ToString::to_string),
        ];
        let numbers = numbers.into_iter().flatten().collect::<Vec<_>>().join(" / ");
        format!("{numbers} · {}", words::code(lang, &one.code))
    };
    let bill = matter.code.iter().map(|code| words::code(lang, code).to_owned());
    matter.movements.iter().map(of).chain(bill).collect()
}

/// `GET /api/unproven`.
pub(super) async fn list(Caller(signed): Caller, asked: Asked) -> Response {
    let desk = &signed.reader.desk;
    let asked = filter(asked).and_then(|asked| Ok((asked.day()?, asked)));
    let (day, filter) = match asked {
        Ok(asked) => asked,
        Err(refusal) => return outcome(Err(refusal)),
    };
    let (rows, more) = desk.cases.look(|state| {
        let fits = |index, merchant: &MerchantId, bill: &BillKey| {
            filter.takes(state, index, merchant) && day.is_none_or(|day| bill.day == day)
        };
        let (found, more) = desk.trades.unproven.list(desk.cases.now(), fits, MOST_LISTED);
        let rows = found.iter().map(|matter| shown(state, matter));
        (rows.collect::<Vec<Value>>(), more)
    });
    Json(json!({ "unproven": rows, "more": more, "resolutions": RESOLUTIONS })).into_response()
}

fn shown(state: &State, matter: &Matter) -> Value {
    let case = super::api_books::case(state, matter.index);
    let mut shown = json!({
        "index": matter.index, "merchant": matter.merchant, "found_at": matter.at, "why": matter.why.as_str(), "bill": named(&matter.bill),
        "tries": matter.tries, "code": matter.code, "movements": matter.movements, "decided_here": matter.why.is_decided(),
    });
    if let (Some(shown), Value::Object(case)) = (shown.as_object_mut(), case) {
        shown.extend(case);
    }
    shown
}
