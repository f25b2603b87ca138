//! What a browser asks of the pages. Paths are matched as they are written.

use crate::{
    accept::Received,
    fault::{Code, Fault},
};
use domain::{CodeId, PaymentId};
use http::Method;
use std::borrow::Cow;
use vault::Text;

/// Longest form that a page sends, octets.
const MOST_FORM: usize = 512;

/// Which page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// `GET /q/style.css`
    Style,
    /// `GET /q/page.js`
    Script,
    /// `GET /favicon.ico`, which browsers ask for by themselves.
    Icon,
    /// `GET /q/back`, or a form of any site there: from a bank's page, which knows one address of ours for all its orders.
    FromBank,
    /// `GET /q/{code}`: what the code itself says.
    Enter,
    /// `POST /q/{code}`: the amount, in a browser the way to pay.
    Choose,
    /// `GET /q/{code}/back`: from the wallet's authorisation.
    Back,
    /// `GET /q/{code}/o/{payment}`
    Order(PaymentId),
    /// `POST /q/{code}/o/{payment}`: UnionPay brings the browser back so (`frontUrl`, channels.md 4.4). What it brings is
    /// display only and is not looked at.
    Returned(PaymentId),
    /// `GET /q/{code}/o/{payment}/qr`
    Qr(PaymentId),
    /// `GET /q/{code}/o/{payment}/state`
    State(PaymentId),
}

/// One request.
pub struct Asked {
    /// Which page.
    pub ask: Ask,
    /// Of which code; of no account for sheet, script and icon.
    pub code: CodeId,
    /// Fields of the form or the query. Values may be a payer's: wiped when dropped, never shown.
    fields: Vec<(String, Text)>,
}

impl Asked {
    /// Reads path, query and form.
    pub fn read(received: &Received) -> Result<Asked, Fault> {
        let head = &received.head;
        let nothing = || Fault::of(Code::NotFound);
        let parts: Vec<&str> = head
            .uri
            .path()
            .strip_prefix('/')
            .map(|p| p.split('/').collect())
            .unwrap_or_default();
        let payment = |text: &str| text.parse::<PaymentId>().map_err(|_| nothing());
        let (ask, code) = match parts[..] {
            ["favicon.ico"] => (Ask::Icon, "0000000000000000"),
            ["q", "style.css"] => (Ask::Style, "0000000000000000"),
            ["q", "page.js"] => (Ask::Script, "0000000000000000"),
            ["q", "back"] => (Ask::FromBank, "0000000000000000"),
            ["q", code] if head.method == Method::POST => (Ask::Choose, code),
            ["q", code] => (Ask::Enter, code),
            ["q", code, "back"] => (Ask::Back, code),
            ["q", code, "o", id] if head.method == Method::POST => (Ask::Returned(payment(id)?), code),
            ["q", code, "o", id] => (Ask::Order(payment(id)?), code),
            ["q", code, "o", id, "qr"] => (Ask::Qr(payment(id)?), code),
            ["q", code, "o", id, "state"] => (Ask::State(payment(id)?), code),
            _ => return Err(nothing()),
        };
        let wanted = match ask {
            Ask::Choose | Ask::Returned(_) => Method::POST,
            Ask::FromBank if head.method == Method::POST => Method::POST,
            _ => Method::GET,
        };
        if head.method != wanted {
            let mut fault = Fault::of(Code::MethodNotAllowed);
            fault.allow = Some(match ask {
                Ask::FromBank | Ask::Enter | Ask::Order(_) => "GET, POST",
                _ => "GET",
            });
            return Err(fault);
        }
        let fields = match ask {
            Ask::Choose => form(received)?,
            Ask::Returned(_) | Ask::FromBank => Vec::new(),
            _ => pairs(head.uri.query().unwrap_or_default())?,
        };
        Ok(Asked {
            ask,
            code: CodeId::new(code).map_err(|_| nothing())?,
            fields,
        })
    }

    /// A field's value; a field that stands twice has none.
    pub fn field(&self, name: &str) -> Option<&Text> {
        let mut all = self
            .fields
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, value)| value);
        all.next()
            .filter(|value| all.next().is_none() && !value.expose().is_empty())
    }
}

/// From our own page: a form that another site sends is refused.
fn form(received: &Received) -> Result<Vec<(String, Text)>, Fault> {
    let header = |name: &str| {
        received
            .head
            .headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
    };
    if !header("content-type").starts_with("application/x-www-form-urlencoded")
        || received.body.len() > MOST_FORM
    {
        return Err(Fault::of(Code::UnsupportedMediaType));
    }
    if !["", "same-origin", "none"].contains(&header("sec-fetch-site")) {
        return Err(Fault::new(
            Code::MalformedRequest,
            "The form was sent by another site.",
        ));
    }
    let text = std::str::from_utf8(&received.body)
        .map_err(|_| Fault::new(Code::MalformedRequest, "The form is not UTF-8."))?;
    pairs(text)
}

fn pairs(text: &str) -> Result<Vec<(String, Text)>, Fault> {
    let wrong = || Fault::new(Code::MalformedRequest, "The form or query cannot be read.");
    let decoded = |part: &str| {
        let spaced = if part.contains('+') {
            Cow::Owned(part.replace('+', " "))
        } else {
            Cow::Borrowed(part)
        };
        percent_encoding::percent_decode_str(&spaced)
            .decode_utf8()
            .map(Cow::into_owned)
            .map_err(|_| wrong())
    };
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decoded(name)?, Text::new(decoded(value)?)))
    };
    text.split('&')
        .filter(|p| !p.is_empty())
        .take(16)
        .map(pair)
        .collect()
}
