//! A query in GBK and its digest, and answers as XML in GBK.

use crate::channels::server::Answer;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use bytes::Bytes;
use encoding_rs::GBK;
use http_body_util::Full;
use md5::{Digest, Md5};
use percent_encoding::percent_decode;
use std::collections::BTreeMap;

/// Parameters by name, values in octets as they were sent.
pub(crate) struct Params(BTreeMap<String, Vec<u8>>);

/// Why there are none.
pub(crate) const DOUBLED: &str = "参数重复";

impl Params {
    pub(crate) fn parse(query: &str) -> Result<Params, &'static str> {
        let mut all = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let spaced = value.replace('+', " ");
            if all
                .insert(name.to_owned(), percent_decode(spaced.as_bytes()).collect())
                .is_some()
            {
                return Err(DOUBLED);
            }
        }
        Ok(Params(all))
    }

    /// The text, empty if there is none or if it is not GBK.
    pub(crate) fn get(&self, name: &str) -> String {
        let octets = self.0.get(name).map(Vec::as_slice).unwrap_or_default();
        let (text, bad) = GBK.decode_without_bom_handling(octets);
        if bad { String::new() } else { text.into_owned() }
    }

    /// Everything but the signature, to tell a repeat from a change.
    pub(crate) fn asked(&self) -> serde_json::Value {
        let kept = self.0.keys().filter(|name| *name != "sign");
        kept.map(|name| (name.clone(), serde_json::Value::from(self.get(name))))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    /// Is it signed with this key by the digest that it names?
    pub(crate) fn is_signed(&self, key: &str) -> bool {
        let mut text = Vec::new();
        for (name, value) in self.0.iter().filter(|(name, _)| *name != "sign") {
            text.extend_from_slice(name.as_bytes());
            text.push(b'=');
            text.extend_from_slice(value);
            text.push(b'&');
        }
        sign(&self.get("sign_method"), &text, key).is_some_and(|wanted| wanted == self.get("sign"))
    }
}

/// Digest over `k=v&…&` and `key=KEY`, lower-case hex; `None` for a method that there is not.
fn sign(method: &str, text: &[u8], key: &str) -> Option<String> {
    let whole = [text, b"key=", key.as_bytes()].concat();
    match method {
        "1" => Some(hex::encode(Md5::digest(&whole))),
        "2" => Some(hex::encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &whole))),
        _ => None,
    }
}

/// A signed query of these fields, percent-encoded in GBK.
pub(crate) fn signed(fields: &[(String, String)], key: &str) -> String {
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort();
    let octets = |text: &str| GBK.encode(text).0.into_owned();
    let text: Vec<u8> = sorted
        .iter()
        .flat_map(|(n, v)| [n.as_bytes(), b"=", &octets(v), b"&"].concat())
        .collect();
    let method = fields
        .iter()
        .find(|(name, _)| name == "sign_method")
        .map_or("1", |(_, value)| value);
    let sign = sign(method, &text, key).unwrap_or_default();
    let mut out: Vec<String> = fields
        .iter()
        .map(|(name, value)| {
            format!(
                "{name}={}",
                form_urlencoded::byte_serialize(&octets(value)).collect::<String>()
            )
        })
        .collect();
    out.push(format!("sign={sign}"));
    out.join("&")
}

/// `<response>` of these fields, in GBK.
pub(crate) fn xml(fields: &[(&str, String)]) -> Answer {
    let escaped = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    };
    let inner: String = fields
        .iter()
        .map(|(name, value)| format!("<{name}>{}</{name}>", escaped(value)))
        .collect();
    let text = format!("<?xml version=\"1.0\" encoding=\"gbk\" ?><response>{inner}</response>");
    let mut answer = http::Response::new(Full::new(Bytes::from(GBK.encode(&text).0.into_owned())));
    let kind = http::HeaderValue::from_static("text/xml; charset=gbk");
    answer.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    answer
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_verifies_and_nothing_else() {
        for method in ["1", "2"] {
            let fields = [("goods_name", "茶"), ("a", ""), ("sign_method", method)]
                .map(|(n, v)| (n.to_owned(), v.to_owned()));
            let query = signed(&fields, "secret00");
            assert!(query.starts_with("goods_name=%B2%E8&a=&sign_method="), "{query}");
            assert!(Params::parse(&query).unwrap().is_signed("secret00"));
            assert!(!Params::parse(&query).unwrap().is_signed("secret01"));
            assert!(
                !Params::parse(&query.replace("%B2", "%B3"))
                    .unwrap()
                    .is_signed("secret00")
            );
        }
        assert!(Params::parse("a=1&a=1").is_err());
    }
}
