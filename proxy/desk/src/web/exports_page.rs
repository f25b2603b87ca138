//! Packages for acquirers.

use super::{
    answers::{Frame, export_code, page, refused, see},
    asking::Signed,
};
use crate::{
    export::{self, ExportError},
    words::{age, time},
};
use askama::Template;
use axum::{Form, http::StatusCode, response::Response};
use domain::AcquirerNo;
use serde::Deserialize;

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Sent {
    csrf: String,
    #[serde(default)]
    acquirer: String,
}

struct Row {
    acquirer: String,
    package: u64,
    range: String,
    made: String,
    digest: String,
    acknowledged: Option<String>,
    age: String,
}

#[derive(Template)]
#[template(path = "exports.html")]
struct Exports {
    f: Frame,
    rows: Vec<Row>,
    acquirers: Vec<String>,
    may_make: bool,
}

pub(super) async fn show(signed: Signed) -> Response {
    let Signed { reader, session } = &signed;
    let (w, now) = (reader.words(), reader.desk.cases.now());
    let (mut rows, acquirers): (Vec<Row>, Vec<String>) = reader.desk.cases.look(|state| {
        let row = |(acquirer, made): (&AcquirerNo, &crate::state::Package)| Row {
            acquirer: acquirer.to_string(),
            package: made.package,
            range: if made.last < made.first {
                w.late_only.into()
            } else {
                format!("{} – {}", made.first, made.last)
            },
            made: time(made.made_at),
            digest: made.digest.to_string(),
            acknowledged: made.acknowledged.as_ref().map(|a| time(a.at)),
            age: age(reader.lang, now.millis() - made.made_at.millis()),
        };
        let names = state.acquirers().iter().map(AcquirerNo::to_string).collect();
        (state.all_packages().map(row).collect(), names)
    });
    rows.reverse();
    let may_make = session.user.role.may_decide();
    page(&Exports {
        f: reader.frame("exports", Some("/exports")),
        rows,
        acquirers,
        may_make,
    })
}

pub(super) async fn make(signed: Signed, Form(sent): Form<Sent>) -> Response {
    let Signed { reader, session } = &signed;
    let w = reader.words();
    if !session.is_csrf(&sent.csrf) {
        return refused(reader, StatusCode::FORBIDDEN, w.stale.to_owned(), "/exports");
    }
    if !session.user.role.may_decide() {
        return refused(reader, StatusCode::FORBIDDEN, w.no_role.to_owned(), "/exports");
    }
    let acquirer = match sent.acquirer.as_str() {
        "" => None,
        named => match AcquirerNo::new(named) {
            Ok(acquirer) => Some(acquirer),
            Err(_) => return refused(reader, StatusCode::NOT_FOUND, w.not_found.to_owned(), "/exports"),
        },
    };
    match export::make(&reader.desk.exporter, acquirer.as_ref()).await {
        Ok(_) => see("/exports".to_owned()),
        Err(error) => {
            let text = if matches!(error, ExportError::Nothing) {
                w.nothing_new
            } else {
                w.failed
            };
            refused(reader, export_code(&error).0, text.to_owned(), "/exports")
        }
    }
}
