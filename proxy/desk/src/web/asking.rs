//! Who asks, in which language, and whether the request comes from our own pages.

use super::{
    Desk,
    answers::{Frame, Person, see},
};
use crate::{
    sessions::Session,
    users::Role,
    words::{Words, time},
};
use axum::{
    extract::{FromRequestParts, Query, Request},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use policy::anomaly::Lang;
use serde::Deserialize;
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

/// The session's cookie. The prefix makes browsers refuse it without Secure or from another host.
pub(super) const SESSION: &str = "__Host-desk";
/// The cookie beside the sign-in form.
pub(super) const FORM: &str = "__Host-desk-form";
const LANG: &str = "__Host-desk-lang";

/// Where the request came from; put there by the listener.
#[derive(Clone, Copy)]
pub(crate) struct Source(pub(crate) IpAddr);

/// Whoever asks, signed in or not.
pub(super) struct Reader {
    pub(super) desk: Arc<Desk>,
    pub(super) lang: Lang,
    pub(super) session: Option<Session>,
    pub(super) source: IpAddr,
    pub(super) headers: HeaderMap,
}

/// Somebody who is signed in. Pages send others to the sign-in form.
pub(super) struct Signed {
    pub(super) reader: Reader,
    pub(super) session: Session,
}

/// Somebody who is signed in, over the API; others get 401.
pub(super) struct Caller(pub(super) Signed);

#[derive(Deserialize)]
struct Asked {
    lang: Option<String>,
}

impl Reader {
    pub(super) fn words(&self) -> &'static Words {
        Words::of(self.lang)
    }

    pub(super) fn cookie(&self, name: &str) -> Option<&str> {
        cookie(&self.headers, name)
    }

    /// What stands around a page; `other` is its address, to which the other language is added.
    pub(super) fn frame(&self, place: &'static str, other: Option<&str>) -> Frame {
        let (w, health) = (self.words(), self.desk.trades.health());
        let signed = self.session.as_ref();
        let mut warnings = Vec::new();
        if let Some((since, why)) = &health.trouble {
            warnings.push(format!("{} {}: {why}", w.trouble, time(*since)));
        }
        if let Some((since, what)) = &health.waiting {
            warnings.push(format!("{} {}: {what}", w.waiting, time(*since)));
        }
        if health.unreadable > 0 {
            warnings.push(format!("{} {}", health.unreadable, w.unreadable));
        }
        let other_lang = if self.lang == Lang::Zh { "en" } else { "zh" };
        let cursor = self.desk.cases.look(|state| state.cursor());
        Frame {
            w,
            person: signed.map(|s| Person {
                name: s.user.name.to_string(),
                role: role(w, s.user.role),
                csrf: s.csrf.clone(),
            }),
            alarm: health
                .alarm
                .map(|(at, text)| format!("{} ({}): {text}", w.alarm, time(at))),
            warnings: if signed.is_some() { warnings } else { Vec::new() },
            place,
            other: other.map(|path| {
                let joint = if path.contains('?') { '&' } else { '?' };
                format!("{path}{joint}lang={other_lang}")
            }),
            read_to: cursor
                .filter(|_| signed.is_some())
                .map(|(size, _)| size.to_string())
                .unwrap_or_default(),
        }
    }
}

fn role(w: &Words, role: Role) -> &'static str {
    match role {
        Role::Officer => w.officer,
        Role::Supervisor => w.supervisor,
        Role::Regulator => w.regulator,
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    all.flat_map(|line| line.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// By the address, the cookie, or what the browser asks for; Chinese where nothing is said.
fn language(parts: &Parts) -> Lang {
    let of = |code: &str| match code {
        "zh" => Some(Lang::Zh),
        "en" => Some(Lang::En),
        _ => None,
    };
    let asked = Query::<Asked>::try_from_uri(&parts.uri)
        .ok()
        .and_then(|Query(asked)| of(asked.lang.as_deref()?));
    let kept = || of(cookie(&parts.headers, LANG)?);
    let browser = || accepted(parts.headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?);
    asked.or_else(kept).or_else(browser).unwrap_or(Lang::Zh)
}

/// The better liked of both in `Accept-Language`.
fn accepted(text: &str) -> Option<Lang> {
    let weight = |wanted: &str| {
        let of = |part: &str| {
            let (tag, rest) = part.trim().split_once(';').unwrap_or((part.trim(), "q=1"));
            let language = tag.split('-').next().unwrap_or_default();
            let q = rest
                .trim()
                .strip_prefix("q=")
                .and_then(|q| q.parse::<f32>().ok())
                .unwrap_or(0.0);
            language.eq_ignore_ascii_case(wanted).then_some(q)
        };
        text.split(',').filter_map(of).fold(0.0, f32::max)
    };
    let (zh, en) = (weight("zh"), weight("en"));
    if zh == 0.0 && en == 0.0 {
        None
    } else {
        Some(if en > zh { Lang::En } else { Lang::Zh })
    }
}

impl FromRequestParts<Arc<Desk>> for Reader {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<Self, Self::Rejection> {
        let session = cookie(&parts.headers, SESSION).and_then(|cookie| desk.sessions.get(cookie));
        // A person who was taken out of the file, or has another role or password now, must sign in again.
        let users = desk.users.load();
        let session = session.filter(|s| users.get(s.user.name.as_str()) == Some(&s.user));
        Ok(Reader {
            desk: desk.clone(),
            lang: language(parts),
            session,
            source: parts
                .extensions
                .get::<Source>()
                .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |source| source.0),
            headers: parts.headers.clone(),
        })
    }
}

impl FromRequestParts<Arc<Desk>> for Signed {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<Self, Response> {
        let Ok(reader) = Reader::from_request_parts(parts, desk).await;
        match reader.session.clone() {
            Some(session) => Ok(Signed { reader, session }),
            None => Err(see("/sign-in".to_owned())),
        }
    }
}

impl FromRequestParts<Arc<Desk>> for Caller {
    type Rejection = Response;

    /// A call that changes something carries the session's token in a header.
    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<Self, Response> {
        let Ok(reader) = Reader::from_request_parts(parts, desk).await;
        let Some(session) = reader.session.clone() else {
            return Err(super::api::problem(
                StatusCode::UNAUTHORIZED,
                "sign_in",
                "sign in first",
            ));
        };
        let token = parts
            .headers
            .get("x-csrf-token")
            .and_then(|token| token.to_str().ok())
            .unwrap_or_default();
        if parts.method != Method::GET && !session.is_csrf(token) {
            return Err(super::api::problem(
                StatusCode::FORBIDDEN,
                "csrf",
                "send the token of the sign-in as x-csrf-token",
            ));
        }
        Ok(Caller(Signed { reader, session }))
    }
}

/// Refuses changing requests that a browser says come from elsewhere, and keeps a language that was asked for.
pub(super) async fn same_site(request: Request, next: Next) -> Response {
    let (headers, changing) = (
        request.headers(),
        request.method() != Method::GET && request.method() != Method::HEAD,
    );
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &header::HeaderValue| value.to_str().ok())
    };
    let elsewhere = text("sec-fetch-site").is_some_and(|site| !["same-origin", "none"].contains(&site));
    let foreign = match (text("origin"), text("host")) {
        (Some(origin), Some(host)) => origin.strip_prefix("https://") != Some(host),
        _ => false,
    };
    if changing && (elsewhere || foreign) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let asked = Query::<Asked>::try_from_uri(request.uri())
        .ok()
        .and_then(|Query(asked)| asked.lang);
    let mut answer = next.run(request).await;
    if let Some(lang @ ("zh" | "en")) = asked.as_deref() {
        let cookie = format!("{LANG}={lang}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=31536000");
        if let Ok(value) = cookie.parse() {
            answer.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_liked_language_wins() {
        assert_eq!(accepted("en-US,en;q=0.9,zh-CN;q=0.8"), Some(Lang::En));
        assert_eq!(accepted("zh-CN,zh;q=0.9,en;q=0.8"), Some(Lang::Zh));
        assert_eq!(accepted("fr,en;q=0.3"), Some(Lang::En));
        assert_eq!(accepted("fr"), None);
    }
}
