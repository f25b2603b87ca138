//! What every answer carries, and the answers that are no page of their own.

use super::asking::Reader;
use crate::{
    cases::Refusal,
    export::ExportError,
    words::{self, Words},
};
use askama::Template;
use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse, Redirect, Response},
};

/// Nothing from elsewhere, no script at all, in nobody's frame, in no cache.
const HEADERS: [(HeaderName, &str); 9] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    ),
];

pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    for (name, value) in HEADERS {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

pub(super) async fn css() -> Response {
    (
        [(header::CONTENT_TYPE, "text/css; charset=utf-8")],
        include_str!("desk.css"),
    )
        .into_response()
}

/// What stands around every page.
pub(super) struct Frame {
    pub(super) w: &'static Words,
    /// Name and role of who is signed in, and the token of every form.
    pub(super) person: Option<Person>,
    pub(super) alarm: Option<String>,
    pub(super) warnings: Vec<String>,
    /// Which entry of the navigation this is.
    pub(super) place: &'static str,
    /// Address of this page in the other language; absent where a page answers a form.
    pub(super) other: Option<String>,
    pub(super) read_to: String,
}

/// Who is signed in.
pub(super) struct Person {
    pub(super) name: String,
    pub(super) role: &'static str,
    pub(super) csrf: String,
}

#[derive(Template)]
#[template(path = "refused.html")]
struct Refused {
    f: Frame,
    text: String,
    back: String,
}

/// Free text of merchants and officers must not pass for other text: what is not seen, or turns the order of letters around,
/// stands there by its number.
fn visible(page: String) -> String {
    let unseen = |c: char| {
        c.is_control() && !matches!(c, '\n' | '\r' | '\t')
            || matches!(c, '\u{61C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
    };
    if !page.contains(unseen) {
        return page;
    }
    let mut shown = String::with_capacity(page.len());
    for c in page.chars() {
        if unseen(c) {
            shown.push_str(&format!("⟨U+{:04X}⟩", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A template as a page.
pub(super) fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => Html(visible(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Back to a page after a form was taken.
pub(super) fn see(path: String) -> Response {
    Redirect::to(&path).into_response()
}

/// A page that says why something was not done.
pub(super) fn refused(reader: &Reader, status: StatusCode, text: String, back: &str) -> Response {
    let f = reader.frame("", None);
    (
        status,
        page(&Refused {
            f,
            text,
            back: back.to_owned(),
        }),
    )
        .into_response()
}

pub(super) async fn not_found(reader: Reader) -> Response {
    refused(
        &reader,
        StatusCode::NOT_FOUND,
        reader.words().not_found.to_owned(),
        "/",
    )
}

/// Status and stable code of a refusal.
pub(super) fn code(refusal: &Refusal) -> (StatusCode, &'static str) {
    match refusal {
        Refusal::NotFound => (StatusCode::NOT_FOUND, "not_found"),
        Refusal::SameOfficer => (StatusCode::FORBIDDEN, "same_officer"),
        Refusal::Role => (StatusCode::FORBIDDEN, "role"),
        Refusal::State(_) => (StatusCode::CONFLICT, "state"),
        Refusal::Changed => (StatusCode::CONFLICT, "changed"),
        Refusal::Text(_) => (StatusCode::UNPROCESSABLE_ENTITY, "text"),
        Refusal::Broken(_) => (StatusCode::CONFLICT, "rule"),
        Refusal::Closed => (StatusCode::SERVICE_UNAVAILABLE, "closed"),
    }
}

/// The outcome of a form: back to the page, or why not.
pub(super) fn outcome(reader: &Reader, done: Result<(), Refusal>, back: &str) -> Response {
    let Err(refusal) = done else {
        return see(back.to_owned());
    };
    let w = reader.words();
    let text = match &refusal {
        Refusal::NotFound => w.not_found,
        Refusal::SameOfficer => w.same_officer,
        Refusal::Role => w.no_role,
        Refusal::Changed => w.changed,
        Refusal::State(text) | Refusal::Text(text) => words::refusal(reader.lang, text),
        Refusal::Broken(broken) => broken.what,
        Refusal::Closed => w.closed,
    };
    refused(reader, code(&refusal).0, text.to_owned(), back)
}

/// Status, code and text of why no package was made.
pub(super) fn export_code(error: &ExportError) -> (StatusCode, &'static str) {
    match error {
        ExportError::Nothing => (StatusCode::CONFLICT, "nothing_new"),
        ExportError::Refused(refusal) => code(refusal),
        ExportError::Acknowledgement(_) => (StatusCode::UNPROCESSABLE_ENTITY, "acknowledgement"),
        ExportError::Read(_) | ExportError::File(..) | ExportError::Restless => {
            tracing::error!(%error, "a package could not be made");
            (StatusCode::INTERNAL_SERVER_ERROR, "failed")
        }
    }
}
