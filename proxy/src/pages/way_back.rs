//! The way back from a bank's own page. A bank sends browsers to the one address that is registered with it (channels.md 6.1),
//! whatever the order; so the browser itself remembers which order it left for. What the bank sends along is display only and
//! is not looked at, and nobody finds an order here whose browser has not opened it.

use super::view::View;
use crate::{accept::Received, stage::Response};
use domain::{CodeId, PaymentId};
use http::{HeaderMap, HeaderValue, Method, header};

/// Code and order, of no use to whoever does not have the browser; the prefix as for the other one.
const COOKIE: &str = "__Host-order";
/// Nobody stays longer at a bank's page.
const LIFE_SECONDS: u32 = 3600;

/// The browser leaves for a bank's page with this order.
pub(super) fn remember(response: &mut Response, code: &CodeId, id: &PaymentId) {
    let cookie =
        format!("{COOKIE}={code}.{id}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={LIFE_SECONDS}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// It is back: to the order's page, which says what the journal says. Cookies do not come with another site's form, but with
/// the look that follows.
pub(super) fn from_bank(received: &Received, view: &View<'_>) -> Response {
    if received.head.method == Method::POST {
        return view.see_other("/q/back");
    }
    match remembered(&received.head.headers) {
        Some((code, id)) => view.see_other(&format!("/q/{code}/o/{id}")),
        None => view.lost(),
    }
}

fn remembered(headers: &HeaderMap) -> Option<(CodeId, PaymentId)> {
    let value = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))?;
    let (code, id) = value.split_once('.')?;
    Some((CodeId::new(code).ok()?, id.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_remembered_is_found() {
        let (code, id) = (CodeId::from_random([7; 10]), PaymentId::from_bytes([9; 16]));
        let mut response = Response::default();
        remember(&mut response, &code, &id);
        let set = response.headers()[header::SET_COOKIE]
            .to_str()
            .expect("text")
            .to_owned();
        let pair = set.split(';').next().expect("a pair");
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_str(value).expect("a value"));
            remembered(&headers)
        };
        assert_eq!(of(&format!("a=b; {pair}")), Some((code.clone(), id)));
        for wrong in [
            "__Host-order=",
            "__Host-order=x.y",
            "__Host-order=../evil.x",
            &format!("other{pair}"),
            &format!("__Host-order={code}"),
        ] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
