//! One flag: why, what it saw, what became of it, and what may be done.

use super::{
    answers::{Frame, outcome, page, refused},
    asking::{Reader, Signed},
    view::{self, Line, TradeRow},
};
use crate::{
    cases::Refusal,
    officers,
    state::{Flag, FlagRef, State, two_people},
    words::{age, time},
};
use askama::Template;
use axum::{Form, extract::Path, http::StatusCode, response::Response};
use domain::*;
use serde::Deserialize;

/// Most entries on a page.
pub(super) const MOST_TRADES: usize = 200;

/// What the forms of this page send.
#[derive(Deserialize)]
pub(super) struct Sent {
    csrf: String,
    #[serde(default)]
    disposition: Option<Disposition>,
    #[serde(default)]
    reason: String,
    /// Where the proposal that was read stands in the cases journal.
    #[serde(default)]
    proposal: Option<u64>,
}

struct Pending {
    index: u64,
    officer: String,
    what: &'static str,
    reason: String,
    at: String,
    own: bool,
}

#[derive(Template)]
#[template(path = "case.html")]
struct Case {
    f: Frame,
    acquirer: String,
    number: u64,
    rule: String,
    rule_name: &'static str,
    rule_why: &'static str,
    version: u32,
    words: String,
    status: &'static str,
    status_class: &'static str,
    merchant: String,
    merchant_name: String,
    observed: String,
    window: String,
    raised: String,
    age: String,
    payer: String,
    parameters: Vec<(String, u64)>,
    inputs: String,
    index: u64,
    trades: Vec<TradeRow>,
    more: usize,
    history: Vec<Line>,
    pending: Option<Pending>,
    decided: Option<(&'static str, String)>,
    may_propose: bool,
    may_decide: bool,
}

/// A flag's address, if it can be one.
pub(super) fn flag_ref(acquirer: &str, number: u64) -> Option<FlagRef> {
    Some(FlagRef {
        acquirer: AcquirerNo::new(acquirer).ok()?,
        number,
    })
}

pub(super) async fn show(signed: Signed, Path((acquirer, number)): Path<(String, u64)>) -> Response {
    let Signed { reader, session } = &signed;
    let Some(of) = flag_ref(&acquirer, number) else {
        return missing(reader);
    };
    // On record first, then shown.
    match officers::read(&reader.desk.cases, &session.user, &of).await {
        Ok(()) => {}
        Err(Refusal::NotFound) => return missing(reader),
        Err(refusal) => return outcome(reader, Err(refusal), "/"),
    }
    let case = reader
        .desk
        .cases
        .look(|state| state.flag(&of).map(|flag| case(&signed, &of, flag, state)));
    case.map_or_else(|| missing(reader), |case| page(&case))
}

fn missing(reader: &Reader) -> Response {
    refused(
        reader,
        StatusCode::NOT_FOUND,
        reader.words().not_found.to_owned(),
        "/",
    )
}

fn case(signed: &Signed, of: &FlagRef, flag: &Flag, state: &State) -> Case {
    let Signed { reader, session } = signed;
    let (w, lang, now, raised) = (reader.words(), reader.lang, reader.desk.cases.now(), &flag.raised);
    let rule = view::rule(&raised.rule);
    let zh = lang == policy::anomaly::Lang::Zh;
    let name = reader
        .desk
        .registries
        .load()
        .merchant(&raised.merchant)
        .map(|facts| facts.name.clone());
    let shown = raised.trades.iter().take(MOST_TRADES);
    let address = format!("/flags/{}/{}", of.acquirer, of.number);
    Case {
        f: reader.frame("flags", Some(&address)),
        acquirer: of.acquirer.to_string(),
        number: of.number,
        rule: raised.rule.to_string(),
        rule_name: view::rule_name(lang, &raised.rule),
        rule_why: rule.map_or("", |rule| if zh { rule.why_zh } else { rule.why_en }),
        version: raised.version,
        words: policy::anomaly::words(&raised.facts(), lang),
        status: view::status(w, flag.status()),
        status_class: flag.status().as_str(),
        merchant: raised.merchant.to_string(),
        merchant_name: name.unwrap_or_default(),
        observed: view::observed(lang, flag),
        window: format!("{} – {}", time(raised.window_from), time(raised.window_until)),
        raised: time(flag.at),
        age: age(lang, now.millis() - flag.at.millis()),
        payer: raised
            .payer
            .map(|p| format!("{} · {} {}", p.token, w.epoch, p.epoch))
            .unwrap_or_default(),
        parameters: raised
            .parameters
            .iter()
            .map(|(name, value)| (name.to_string(), *value))
            .collect(),
        inputs: raised.inputs.to_string(),
        index: flag.index,
        trades: shown
            .map(|index| view::trade(lang, &reader.desk.trades, state, *index))
            .collect(),
        more: raised.trades.len().saturating_sub(MOST_TRADES),
        history: view::history(w, flag),
        pending: flag.proposal.as_ref().map(|p| Pending {
            index: p.index,
            officer: p.officer.to_string(),
            what: if p.disposition == Disposition::Confirm {
                w.step_confirm
            } else {
                w.step_dismiss
            },
            reason: p.reason.to_string(),
            at: time(p.at),
            own: !two_people(&p.officer, &session.user.name),
        }),
        decided: flag
            .decision
            .as_ref()
            .map(|d| (view::status(w, flag.status()), d.reason.to_string())),
        may_propose: session.user.role.may_propose(),
        may_decide: session.user.role.may_decide(),
    }
}

pub(super) async fn act(
    signed: Signed,
    Path((acquirer, number, act)): Path<(String, u64, String)>,
    Form(sent): Form<Sent>,
) -> Response {
    let Signed { reader, session } = &signed;
    let back = format!("/flags/{acquirer}/{number}");
    if !session.is_csrf(&sent.csrf) {
        return refused(
            reader,
            StatusCode::FORBIDDEN,
            reader.words().stale.to_owned(),
            &back,
        );
    }
    let Some(of) = flag_ref(&acquirer, number) else {
        return missing(reader);
    };
    let (cases, user) = (&reader.desk.cases, &session.user);
    let done = match (act.as_str(), sent.disposition) {
        ("propose", Some(disposition)) => {
            let done = officers::propose(cases, user, &of, disposition, &sent.reason).await;
            done.map(drop)
        }
        ("agree", _) => officers::agree(cases, user, &of, sent.proposal).await,
        ("return", _) => officers::send_back(cases, user, &of, sent.proposal, &sent.reason).await,
        _ => Err(Refusal::NotFound),
    };
    outcome(reader, done, &back)
}
