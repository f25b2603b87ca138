//! What the no-funds guard refused: a page with a filter, and the same as JSON. Nothing is decided here.

use super::{
    answers::{Frame, page},
    api::{filter, outcome},
    asking::{Caller, Signed},
};
use crate::{
    cases,
    refusals::Refusal,
    words::{Words, time},
};
use askama::Template;
use axum::{
    Json,
    extract::{Query, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use domain::*;
use serde::Deserialize;
use serde_json::{Value, json};

/// So many rows are shown, the latest first.
const MOST_ROWS: usize = 200;
/// So many the API lists.
const MOST_LISTED: usize = 20_000;

/// What the address asks for; empty is all.
#[derive(Deserialize, Default, Clone)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Filter {
    merchant: String,
    channel: String,
    clause: String,
    kind: String,
    /// A day (UTC+8).
    date: String,
}

impl Filter {
    /// The day, where one is named; `Err` where nothing could be found by what is asked.
    fn day(&self) -> Result<Option<Day>, cases::Refusal> {
        let wrong = |text| Err(cases::Refusal::Text(text));
        let any = |wanted: &str, lawful: bool| wanted.is_empty() || lawful;
        let channel = |c: Channel| c.as_str() == self.channel;
        if !any(&self.channel, Channel::ALL.into_iter().any(channel)) {
            return wrong("the channel is wechat, alipay, unionpay, baidu, ccb, icbc or cmb");
        }
        if !any(
            &self.kind,
            Breach::ALL.iter().any(|kind| kind.as_str() == self.kind),
        ) {
            return wrong("the kind is operation, funds, field, value, payee or form");
        }
        if !any(
            &self.clause,
            serde_json::from_value::<Clause>(json!(self.clause)).is_ok(),
        ) {
            return wrong("the clause is one of the policy list, such as C02");
        }
        match self.date.as_str() {
            "" => Ok(None),
            text => Day::parse(text)
                .map(Some)
                .ok_or(cases::Refusal::Text("the day is a date such as 2026-11-23")),
        }
    }

    fn takes(&self, refusal: &Refusal, day: Option<Day>) -> bool {
        let is = |wanted: &str, found: Option<&str>| wanted.is_empty() || found == Some(wanted);
        is(&self.merchant, refusal.merchant.as_ref().map(MerchantId::as_str))
            && is(&self.channel, refusal.channel.map(Channel::as_str))
            && is(&self.clause, Some(&refusal.clause.to_string()))
            && is(&self.kind, Some(refusal.breach.as_str()))
            && day.is_none_or(|day| refusal.at.day() == day)
    }
}

struct Row {
    index: u64,
    at: String,
    merchant: String,
    about: String,
    clause: String,
    kind: &'static str,
    name: String,
    count: u64,
}

struct Choice {
    value: &'static str,
    text: &'static str,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "refusals.html")]
struct Page {
    f: Frame,
    filter: Filter,
    kinds: Vec<Choice>,
    sums: Vec<(String, u64)>,
    rows: Vec<Row>,
    more: usize,
}

pub(super) async fn show(signed: Signed, Query(filter): Query<Filter>) -> Response {
    let reader = &signed.reader;
    let w = reader.words();
    let all = &reader.desk.trades.refusals;
    // A date that is none finds nothing.
    let (found, more) = match filter.day() {
        Ok(day) => all.list(|refusal| filter.takes(refusal, day), MOST_ROWS),
        Err(_) => Default::default(),
    };
    let kinds = Breach::ALL.map(|breach| Choice {
        value: breach.as_str(),
        text: word(w, breach),
        chosen: filter.kind == breach.as_str(),
    });
    let sums = all.sums().into_iter();
    page(&Page {
        f: reader.frame("refusals", Some("/refusals")),
        kinds: kinds.into(),
        sums: sums
            .map(|(clause, breach, n)| (format!("{clause} {}", word(w, breach)), n))
            .collect(),
        rows: found.iter().map(|refusal| row(w, refusal)).collect(),
        more,
        filter,
    })
}

fn row(w: &'static Words, refusal: &Refusal) -> Row {
    let merchant = refusal.merchant.as_ref().map(ToString::to_string);
    let parts = [
        refusal.channel.map(|channel| channel.to_string()),
        refusal.account.as_ref().map(ToString::to_string),
        refusal.operation.map(|operation| operation.as_str().to_owned()),
    ];
    Row {
        index: refusal.index,
        at: time(refusal.at),
        merchant: merchant.unwrap_or_else(|| w.nobodys.to_owned()),
        about: parts.into_iter().flatten().collect::<Vec<_>>().join(" · "),
        clause: refusal.clause.to_string(),
        kind: word(w, refusal.breach),
        name: refusal.name.as_deref().unwrap_or("–").to_owned(),
        count: refusal.count,
    }
}

fn word(w: &'static Words, breach: Breach) -> &'static str {
    match breach {
        Breach::Operation => w.breach_operation,
        Breach::Funds => w.breach_funds,
        Breach::Field => w.breach_field,
        Breach::Value => w.breach_value,
        Breach::Payee => w.breach_payee,
        Breach::Form => w.breach_form,
    }
}

pub(super) async fn list(Caller(signed): Caller, asked: Result<Query<Filter>, QueryRejection>) -> Response {
    let (day, filter) = match filter(asked).and_then(|asked| Ok((asked.day()?, asked))) {
        Ok(asked) => asked,
        Err(refusal) => return outcome(Err(refusal)),
    };
    let all = &signed.reader.desk.trades.refusals;
    let (found, more) = all.list(|refusal| filter.takes(refusal, day), MOST_LISTED);
    let rows: Vec<Value> = found
        .iter()
        .map(|r| {
            json!({ "index": r.index, "at": r.at, "merchant": r.merchant, "account": r.account, "channel": r.channel,
                "operation": r.operation, "kind": r.breach, "clause": r.clause, "name": r.name, "count": r.count, "since": r.since })
        })
        .collect();
    let sums = all.sums().into_iter();
    let sums: Vec<Value> = sums
        .map(|(clause, kind, count)| json!({ "clause": clause, "kind": kind, "count": count }))
        .collect();
    Json(json!({ "refusals": rows, "more": more, "sums": sums })).into_response()
}
