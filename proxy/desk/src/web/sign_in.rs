//! Signing in and out.

use super::{
    Desk,
    answers::{Frame, page, refused, see},
    asking::{FORM, Reader, SESSION, Signed},
};
use crate::{
    sessions::{Session, same},
    users::User,
};
use askama::Template;
use axum::{
    Form,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::CaseEvent;
use serde::Deserialize;
use std::{net::IpAddr, sync::Arc};
use zeroize::Zeroizing;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    f: Frame,
    token: String,
    fault: Option<&'static str>,
}

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Submitted {
    name: String,
    password: String,
    token: String,
}

/// A form that changes nothing but the session.
#[derive(Deserialize)]
pub(super) struct Bare {
    csrf: String,
}

/// Why somebody is not signed in.
pub(super) enum Denied {
    /// Name or password.
    Wrong,
    /// Too often.
    TooMany,
    /// It could not be put on record.
    Closed,
}

pub(super) async fn form(reader: Reader) -> Response {
    if reader.session.is_some() {
        return see("/".to_owned());
    }
    show(&reader, StatusCode::OK, None)
}

/// The form, bound to a cookie of its own: nobody can sign somebody else in under a foreign name.
fn show(reader: &Reader, status: StatusCode, fault: Option<&'static str>) -> Response {
    let cookie = URL_SAFE_NO_PAD.encode(crate::random::<24>());
    let token = reader.desk.sessions.form_token(&cookie);
    let answer = page(&SignIn {
        f: reader.frame("sign-in", Some("/sign-in")),
        token,
        fault,
    });
    let cookie = format!("{FORM}={cookie}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=3600");
    (status, [(header::SET_COOKIE, cookie)], answer).into_response()
}

pub(super) async fn submit(reader: Reader, Form(sent): Form<Submitted>) -> Response {
    let w = reader.words();
    let expected = reader
        .cookie(FORM)
        .map(|cookie| reader.desk.sessions.form_token(cookie));
    if !expected.is_some_and(|expected| same(&expected, &sent.token)) {
        return show(&reader, StatusCode::FORBIDDEN, Some(w.stale));
    }
    match sign_in(
        &reader.desk,
        reader.source,
        &sent.name,
        Zeroizing::new(sent.password),
    )
    .await
    {
        Ok((cookie, _)) => ([(header::SET_COOKIE, cookie)], see("/".to_owned())).into_response(),
        Err(Denied::Wrong) => show(&reader, StatusCode::UNAUTHORIZED, Some(w.wrong)),
        Err(Denied::TooMany) => show(&reader, StatusCode::TOO_MANY_REQUESTS, Some(w.too_many)),
        Err(Denied::Closed) => refused(&reader, StatusCode::SERVICE_UNAVAILABLE, w.closed.to_owned(), "/"),
    }
}

/// Checks a password and begins a session; both outcomes are on record. Yields the cookie's header.
pub(super) async fn sign_in(
    desk: &Arc<Desk>,
    source: IpAddr,
    name: &str,
    password: Zeroizing<String>,
) -> Result<(String, Session), Denied> {
    let counted = desk.sessions.count(name, source).ok_or(Denied::TooMany)?;
    let Some(user) = checked(desk, name, password).await else {
        let tried = desk.sessions.tried(name);
        desk.cases
            .record(CaseEvent::SignInRefused { tried })
            .await
            .map_err(|_| Denied::Closed)?;
        return Err(Denied::Wrong);
    };
    desk.sessions.succeeded(name, source, counted);
    desk.cases
        .record(CaseEvent::SignedIn {
            officer: user.name.clone(),
        })
        .await
        .map_err(|_| Denied::Closed)?;
    let (cookie, session) = desk.sessions.begin(user);
    Ok((
        format!("{SESSION}={cookie}; Path=/; Secure; HttpOnly; SameSite=Strict"),
        session,
    ))
}

/// Argon2 takes tens of milliseconds and 19 MiB: off the threads that serve, and few at a time.
async fn checked(desk: &Arc<Desk>, name: &str, password: Zeroizing<String>) -> Option<User> {
    let _few = desk.hashing.acquire().await.ok()?;
    let (users, name) = (desk.users.load_full(), name.to_owned());
    tokio::task::spawn_blocking(move || users.check(&name, &password))
        .await
        .ok()
        .flatten()
}

pub(super) async fn sign_out(signed: Signed, Form(sent): Form<Bare>) -> Response {
    let Signed { reader, session } = signed;
    if !session.is_csrf(&sent.csrf) {
        return refused(
            &reader,
            StatusCode::FORBIDDEN,
            reader.words().stale.to_owned(),
            "/",
        );
    }
    if let Some(cookie) = reader.cookie(SESSION) {
        reader.desk.sessions.end(cookie);
    }
    let gone = format!("{SESSION}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
    ([(header::SET_COOKIE, gone)], see("/sign-in".to_owned())).into_response()
}
