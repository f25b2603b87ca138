//! The same as JSON, for tests and tools: same session, same rules, same record.

use super::{
    answers::{code, export_code},
    asking::{Caller, Reader, SESSION},
    sign_in::{self, Denied},
    view,
};
use crate::{cases::Refusal, export};
use axum::{
    Json,
    body::Bytes,
    extract::{Query, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::*;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// An answer that says why something was not done.
pub(super) fn problem(status: StatusCode, code: &'static str, text: &str) -> Response {
    (status, Json(json!({ "error": code, "text": text }))).into_response()
}

pub(super) fn outcome(done: Result<Value, Refusal>) -> Response {
    match done {
        Ok(value) => Json(value).into_response(),
        Err(refusal) => {
            let (status, name) = code(&refusal);
            problem(status, name, &refusal.to_string())
        }
    }
}

/// A JSON body. Its type must say so: no form of another site can, without asking first.
pub(super) fn read<T: DeserializeOwned>(reader: &Reader, body: &[u8]) -> Result<T, Box<Response>> {
    let json = reader
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|t| t.to_str().ok());
    if json.is_none_or(|t| t.split(';').next() != Some("application/json")) {
        let answer = problem(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "json",
            "send application/json",
        );
        return Err(Box::new(answer));
    }
    // The error names a field and a place, never a value that might be a password.
    serde_json::from_slice(body).map_err(|error| {
        let text = format!(
            "the body cannot be read at line {} column {}",
            error.line(),
            error.column()
        );
        Box::new(problem(StatusCode::UNPROCESSABLE_ENTITY, "body", &text))
    })
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

pub(super) async fn sign_in(reader: Reader, body: Bytes) -> Response {
    let sent: Credentials = match read(&reader, &body) {
        Ok(sent) => sent,
        Err(answer) => return *answer,
    };
    match sign_in::sign_in(
        &reader.desk,
        reader.source,
        &sent.name,
        Zeroizing::new(sent.password),
    )
    .await
    {
        Ok((cookie, session)) => {
            let role = session.user.role.as_str();
            let body = json!({ "csrf": session.csrf, "name": session.user.name, "role": role });
            ([(header::SET_COOKIE, cookie)], Json(body)).into_response()
        }
        Err(Denied::Wrong) => problem(
            StatusCode::UNAUTHORIZED,
            "wrong",
            "the name or the password is wrong",
        ),
        Err(Denied::TooMany) => problem(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many",
            "too many tries; wait 15 minutes",
        ),
        Err(Denied::Closed) => problem(StatusCode::SERVICE_UNAVAILABLE, "closed", "the desk is stopping"),
    }
}

pub(super) async fn sign_out(Caller(signed): Caller) -> Response {
    if let Some(cookie) = signed.reader.cookie(SESSION) {
        signed.reader.desk.sessions.end(cookie);
    }
    Json(json!({})).into_response()
}

pub(super) async fn status(Caller(signed): Caller) -> Response {
    let desk = &signed.reader.desk;
    let health = desk.trades.health();
    let event = |(at, text): &(Instant, String)| json!({ "at": at, "text": text });
    let (cursor, rules, next) = desk
        .cases
        .look(|state| (state.cursor(), state.rules(), state.next()));
    Json(json!({
        "trades": {
            "origin": desk.trades.key.name, "size": cursor.map_or(0, |(size, _)| size),
            "root": cursor.map(|(_, root)| root), "last_read": health.last,
            "unreadable": health.unreadable, "unexplained": health.unexplained,
        },
        "cases": { "size": next, "signed": desk.cases.reader().checkpoint().size },
        "rules": rules, "alarm": health.alarm.as_ref().map(event), "trouble": health.trouble.as_ref().map(event), "waiting": health.waiting.as_ref().map(event),
    }))
    .into_response()
}

/// A body that may be missing altogether.
pub(super) fn optional<T: DeserializeOwned + Default>(
    reader: &Reader,
    body: &[u8],
) -> Result<T, Box<Response>> {
    if body.is_empty() {
        Ok(T::default())
    } else {
        read(reader, body)
    }
}

/// What an address asks for; `Err` where it names what is none of the filters.
pub(super) fn filter<T>(asked: Result<Query<T>, QueryRejection>) -> Result<T, Refusal> {
    let wrong = Refusal::Text(
        "the query names a filter that is not known here, or one twice, or a value of another type",
    );
    asked.map(|Query(filter)| filter).map_err(|_| wrong)
}

pub(super) async fn exports(Caller(signed): Caller) -> Response {
    let cases = &signed.reader.desk.cases;
    let now = cases.now();
    let rows: Vec<Value> = cases.look(|state| {
        state
            .all_packages()
            .map(|(of, made)| view::package(of, made, now))
            .collect()
    });
    Json(json!({ "packages": rows })).into_response()
}

pub(super) async fn unacknowledged(Caller(signed): Caller) -> Response {
    let cases = &signed.reader.desk.cases;
    let now = cases.now();
    Json(json!({ "flags": cases.look(|state| state.unacknowledged(now)) })).into_response()
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Export {
    #[serde(default)]
    acquirer: Option<AcquirerNo>,
}

pub(super) async fn make_exports(Caller(signed): Caller, body: Bytes) -> Response {
    let sent = match optional::<Export>(&signed.reader, &body) {
        Ok(sent) => sent,
        Err(answer) => return *answer,
    };
    if !signed.session.user.role.may_decide() {
        return outcome(Err(Refusal::Role));
    }
    match export::make(&signed.reader.desk.exporter, sent.acquirer.as_ref()).await {
        Ok(made) => Json(json!({ "made": made })).into_response(),
        Err(error) => {
            let (status, name) = export_code(&error);
            problem(status, name, &error.to_string())
        }
    }
}

pub(super) async fn not_found(_caller: Caller) -> Response {
    outcome(Err(Refusal::NotFound))
}
