//! The parameters of a gateway request: query and body together.

use super::answer::Failure;
use crate::channels::server::Incoming;
use http::Method;
use std::collections::BTreeMap;

/// Parameters by name, sorted as they are signed.
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    /// Merges query and form body: clients put the common parameters in either.
    pub(super) fn of(request: &Incoming) -> Result<Params, Failure> {
        let mut all = BTreeMap::new();
        let form = request.method == Method::POST;
        if !form && request.method != Method::GET {
            return Err(Failure::invalid("isv.invalid-method", "请使用GET或POST"));
        }
        if form && !request.body.is_empty() {
            let kind = request.header("content-type").to_ascii_lowercase();
            if !kind.starts_with("application/x-www-form-urlencoded") {
                return Err(Failure::invalid("isv.invalid-content-type", "请求体须为表单"));
            }
        }
        let body = if form { &request.body[..] } else { &[] };
        for part in [request.query.as_bytes(), body] {
            for (name, value) in form_urlencoded::parse(part) {
                let before = all.insert(name.clone().into_owned(), value.clone().into_owned());
                if before.is_some_and(|b| b != value) {
                    return Err(Failure::invalid(
                        "isv.invalid-parameter",
                        &format!("参数{name}重复"),
                    ));
                }
            }
        }
        Ok(Params(all))
    }

    /// What another form of request says by other means.
    pub(super) fn of_pairs<const N: usize>(pairs: [(&str, String); N]) -> Params {
        Params(
            pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    /// Reads a signed text that a merchant's server gave to its app.
    pub(super) fn of_text(text: &str) -> Result<Params, Failure> {
        let request = Incoming {
            method: Method::GET,
            path: String::new(),
            query: text.to_owned(),
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::new(),
            peer: None,
        };
        Params::of(&request)
    }

    /// The value, empty if there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The text to sign: everything but `sign` that is not empty, `sign_type` included.
    pub(super) fn signed_text(&self) -> String {
        let kept = self.0.iter().filter(|(k, v)| *k != "sign" && !v.is_empty());
        kept.map(|(k, v)| format!("{k}={v}"))
            .collect::<Vec<_>>()
            .join("&")
    }
}
