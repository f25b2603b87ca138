//! The signature of our own API, in WeChat v3's form: one `Authorization` header, a five-line message.
//!
//! `SCHEME mchid="…",nonce_str="…",timestamp="…",serial_no="…",signature="…"` over
//! `METHOD\ntarget\ntimestamp\nnonce\nbody\n`. Answers and notifications carry `Guandao-Timestamp`, `Guandao-Nonce`,
//! `Guandao-Serial`, `Guandao-Signature`, `Guandao-Signature-Type` over `timestamp\nnonce\nbody\n`.

use crate::fault::{Code, Fault};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Instant, KeyRef, MerchantId};

/// Farthest that a timestamp may be from our clock, milliseconds.
pub const WINDOW_MS: i64 = 5 * 60_000;

/// How a request or answer is signed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scheme {
    /// Ed25519.
    Ed25519,
    /// RSA-2048, PKCS#1 v1.5, SHA-256.
    Rsa,
}

impl Scheme {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Ed25519 => "GUANDAO-ED25519",
            Scheme::Rsa => "GUANDAO-SHA256-RSA2048",
        }
    }

    /// From the name on the wire.
    pub fn named(name: &str) -> Option<Scheme> {
        [Scheme::Ed25519, Scheme::Rsa]
            .into_iter()
            .find(|s| s.as_str() == name)
    }
}

/// A parsed `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Scheme.
    pub scheme: Scheme,
    /// Who says to be the caller.
    pub merchant: MerchantId,
    /// Nonce, 8 to 64 letters and digits.
    pub nonce: String,
    /// Unix seconds.
    pub timestamp: i64,
    /// Serial of the key.
    pub serial: String,
    /// The signature's octets.
    pub signature: Vec<u8>,
}

impl Authorization {
    /// Reads the header; each fault names the part that is wrong.
    pub fn parse(header: &str) -> Result<Authorization, Fault> {
        let (scheme, rest) = header
            .split_once(' ')
            .ok_or_else(|| missing("a scheme, then the parameters"))?;
        let scheme = Scheme::named(scheme)
            .ok_or_else(|| missing("the scheme GUANDAO-ED25519 or GUANDAO-SHA256-RSA2048"))?;
        let (mut mchid, mut nonce, mut timestamp, mut serial, mut signature) = (None, None, None, None, None);
        for pair in rest.split(',') {
            let (name, value) = pair
                .trim()
                .split_once('=')
                .ok_or_else(|| missing("parameters of the form name=\"value\""))?;
            let value = value
                .strip_prefix('"')
                .and_then(|v| v.strip_suffix('"'))
                .ok_or_else(|| missing("each value in double quotes"))?;
            let slot = match name {
                "mchid" => &mut mchid,
                "nonce_str" => &mut nonce,
                "timestamp" => &mut timestamp,
                "serial_no" => &mut serial,
                "signature" => &mut signature,
                _ => {
                    return Err(missing(
                        "no parameters but mchid, nonce_str, timestamp, serial_no, signature",
                    ));
                }
            };
            if slot.replace(value).is_some() {
                return Err(missing("each parameter once"));
            }
        }
        let word = |v: &str, least, most| {
            (least..=most).contains(&v.len())
                && v.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        Ok(Authorization {
            scheme,
            merchant: mchid
                .and_then(|m| MerchantId::new(m).ok())
                .ok_or_else(|| missing("a lawful mchid"))?,
            nonce: nonce
                .filter(|n| word(n, 8, 64))
                .map(str::to_owned)
                .ok_or_else(|| missing("nonce_str of 8 to 64 letters, digits, _ or -"))?,
            timestamp: timestamp
                .filter(|t| t.len() <= 12)
                .and_then(|t| t.parse().ok())
                .ok_or_else(|| missing("timestamp in Unix seconds"))?,
            serial: serial
                .filter(|s| word(s, 1, 64))
                .map(str::to_owned)
                .ok_or_else(|| missing("serial_no of the signing key"))?,
            signature: signature
                .and_then(|s| STANDARD.decode(s).ok())
                .ok_or_else(|| missing("signature in base64"))?,
        })
    }

    /// The registered public key that must verify it.
    pub fn key(&self) -> Result<KeyRef, Fault> {
        KeyRef::new(format!("api/{}/{}", self.merchant, self.serial)).map_err(|_| Fault::of(Code::UnknownKey))
    }

    /// The five lines that were signed.
    pub fn message(&self, method: &str, target: &str, body: &[u8]) -> Vec<u8> {
        request_message(method, target, self.timestamp, &self.nonce, body)
    }

    /// Within five minutes of `now`?
    pub fn is_fresh(&self, now: Instant) -> bool {
        (now.millis() - self.timestamp.saturating_mul(1000)).abs() <= WINDOW_MS
    }
}

fn missing(part: &str) -> Fault {
    Fault::new(
        Code::MissingSignature,
        format!("The `Authorization` header needs {part}."),
    )
}

/// The five lines of a request.
pub fn request_message(method: &str, target: &str, timestamp: i64, nonce: &str, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(method.len() + target.len() + nonce.len() + body.len() + 24);
    for line in [
        method.as_bytes(),
        target.as_bytes(),
        timestamp.to_string().as_bytes(),
        nonce.as_bytes(),
        body,
    ] {
        message.extend_from_slice(line);
        message.push(b'\n');
    }
    message
}

/// The three lines of an answer or notification.
pub fn answer_message(timestamp: i64, nonce: &str, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(nonce.len() + body.len() + 24);
    for line in [timestamp.to_string().as_bytes(), nonce.as_bytes(), body] {
        message.extend_from_slice(line);
        message.push(b'\n');
    }
    message
}

/// A fresh nonce of 32 hex digits.
pub fn nonce() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    hex::encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "GUANDAO-ED25519 mchid=\"m1\",nonce_str=\"0123456789\",timestamp=\"1767225600\",serial_no=\"S1\",signature=\"AAAA\"";

    #[test]
    fn reads_the_parameters_in_any_order() {
        let read = Authorization::parse(GOOD).expect("lawful");
        let turned = "GUANDAO-ED25519 signature=\"AAAA\", serial_no=\"S1\",timestamp=\"1767225600\",nonce_str=\"0123456789\",mchid=\"m1\"";
        assert_eq!(Authorization::parse(turned).expect("lawful"), read);
        assert_eq!(
            read.message("GET", "/v1/x?y=1", b""),
            b"GET\n/v1/x?y=1\n1767225600\n0123456789\n\n"
        );
    }

    #[test]
    fn names_the_part_that_is_wrong_and_never_its_value() {
        let faults = [
            ("", "a scheme"),
            ("WECHATPAY2 x", "the scheme"),
            (&GOOD.replace("\"m1\"", "m1"), "double quotes"),
            (&GOOD.replace("mchid", "mch"), "no parameters but"),
            (&GOOD.replace("0123456789", "short"), "nonce_str of 8"),
            (&GOOD.replace("1767225600", "13800138000x"), "Unix seconds"),
            (&GOOD.replace("AAAA", "!"), "base64"),
            (&format!("{GOOD},mchid=\"m2\""), "once"),
        ];
        for (header, part) in faults {
            let fault = Authorization::parse(header).expect_err(part);
            assert!(fault.detail.contains(part), "{} lacks {part}", fault.detail);
            assert!(!fault.detail.contains("13800138000"));
        }
    }

    #[test]
    fn five_minutes_and_no_more() {
        let read = Authorization::parse(GOOD).expect("lawful");
        let at = |ms: i64| Instant::from_millis(1_767_225_600_000 + ms);
        assert!(read.is_fresh(at(300_000)) && read.is_fresh(at(-300_000)));
        assert!(!read.is_fresh(at(300_001)) && !read.is_fresh(at(-300_001)));
    }
}
