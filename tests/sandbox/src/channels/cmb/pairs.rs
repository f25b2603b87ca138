//! What the bank's digest and signature are made over: pairs sorted by name (channels.md 6.4).

use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Names and values, sorted.
pub(crate) type Pairs = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Letter {
    version: String,
    charset: String,
    sign: String,
    #[serde(rename = "signType")]
    sign_type: String,
    #[serde(rename = "reqData")]
    said: Pairs,
}

/// A request that was read; whether it is vouched for is another question.
pub(super) struct Asked {
    sign: String,
    said: Pairs,
}

impl Asked {
    pub(super) fn read(body: &[u8]) -> Result<Asked, &'static str> {
        let mut form = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            if form.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err("参数重复");
            }
        }
        if form.keys().map(String::as_str).ne(["charset", "jsonRequestData"]) || form["charset"] != "UTF-8" {
            return Err("报文参数错误");
        }
        let json = &form["jsonRequestData"];
        let letter: Letter = serde_json::from_str(json).map_err(|_| "报文格式错误")?;
        // A name that stands twice would be read once: then the text is shorter than what it was read from.
        if json.matches("\":").count() != letter.said.len() + 5 {
            return Err("报文格式错误");
        }
        let fixed = [
            (letter.version.as_str(), "1.0"),
            (letter.charset.as_str(), "UTF-8"),
            (letter.sign_type.as_str(), "SHA-256"),
        ];
        if fixed.iter().any(|(said, wanted)| said != wanted) {
            return Err("公共参数错误");
        }
        Ok(Asked {
            sign: letter.sign,
            said: letter.said,
        })
    }

    pub(super) fn get(&self, name: &str) -> &str {
        self.said.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(super) fn said(&self) -> &Pairs {
        &self.said
    }

    /// Branch and merchant.
    pub(super) fn account(&self) -> String {
        format!("{}{}", self.get("branchNo"), self.get("merchantNo"))
    }

    /// Lower-case hex of SHA-256 over the pairs and the merchant's key.
    pub(super) fn is_good(&self, key: &str) -> bool {
        self.sign == hex::encode(Sha256::digest(format!("{}&{key}", joined(&self.said))))
    }
}

/// `k=v` with `&`.
pub(super) fn joined(pairs: &Pairs) -> String {
    let all: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    all.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(json: &str) -> Vec<u8> {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("jsonRequestData", json)
            .append_pair("charset", "UTF-8")
            .finish()
            .into_bytes()
    }

    #[test]
    fn a_digest_is_over_the_sorted_pairs_and_a_name_stands_once() {
        let sign = hex::encode(Sha256::digest("amount=0.01&branchNo=0755&key"));
        let json = |said: &str| {
            format!(
                "{{\"version\":\"1.0\",\"charset\":\"UTF-8\",\"sign\":\"{sign}\",\"signType\":\"SHA-256\",\"reqData\":{said}}}"
            )
        };
        let good = Asked::read(&body(&json("{\"branchNo\":\"0755\",\"amount\":\"0.01\"}"))).expect("read");
        assert!(good.is_good("key") && !good.is_good("other"));
        for bad in [
            "{\"branchNo\":\"0755\",\"amount\":\"0.01\",\"amount\":\"0.02\"}",
            "{\"branchNo\":\"0755\",\"amount\":1}",
            "[]",
        ] {
            assert!(Asked::read(&body(&json(bad))).is_err(), "{bad}");
        }
    }
}
