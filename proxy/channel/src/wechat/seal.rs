//! The signature over answers and notices, and the form of what is sealed (channels.md 1.5–1.7).

use crate::{Account, Signed, keys, notice::NoticeError, strict_json::Value};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Instant, SignMethod};
use http::HeaderMap;

/// Five minutes either way (channels.md 1.5).
const WINDOW_MS: u64 = 5 * 60 * 1000;
/// The scheme of nearly every account.
pub(crate) const RSA: &str = "WECHATPAY2-SHA256-RSA2048";
/// That of an account for which WeChat enabled 国密 (channels.md 1.9).
pub(crate) const SM2: &str = "WECHATPAY2-SM2-WITH-SM3";
/// Starts the signature of a probe (channels.md 1.6).
const PROBE: &str = "WECHATPAY/SIGNTEST/";

/// The four headers without which there is no signature.
pub(crate) const HEADERS: [&str; 4] = [
    "Wechatpay-Timestamp",
    "Wechatpay-Nonce",
    "Wechatpay-Signature",
    "Wechatpay-Serial",
];

/// The scheme of an account, in both directions: none of them is taken for another's.
//= C85
pub(crate) fn scheme(account: &Account) -> &'static str {
    match account.sign_method {
        SignMethod::Sm2 => SM2,
        _ => RSA,
    }
}

/// How what is sealed for an account is sealed.
pub(crate) fn sealing(account: &Account) -> &'static str {
    match account.sign_method {
        SignMethod::Sm2 => "AEAD_SM4_GCM",
        _ => AES,
    }
}

/// AES-256-GCM under the APIv3 key.
pub(crate) const AES: &str = "AEAD_AES_256_GCM";

/// Reads the signature headers. `Wechatpay-Signature-Type` may be absent (channels.md 1.6 demands four headers), but not
/// another one; under 国密 it must be there.
pub(crate) fn signed(
    account: &Account,
    headers: &HeaderMap,
    body: &[u8],
    now: Instant,
) -> Result<Signed, NoticeError> {
    let scheme = "Wechatpay-Signature-Type";
    let must_say = account.sign_method == SignMethod::Sm2;
    if (must_say || headers.contains_key(scheme)) && one(headers, scheme)? != self::scheme(account) {
        return Err(NoticeError::Envelope(scheme));
    }
    let [timestamp, nonce, signature, serial] = HEADERS;
    let (time, nonce_text, serial_text) = (
        one(headers, timestamp)?,
        one(headers, nonce)?,
        one(headers, serial)?,
    );
    if one(headers, signature)?.starts_with(PROBE) {
        return Err(NoticeError::Probe);
    }
    let digits = (1..=12).contains(&time.len()) && time.bytes().all(|b| b.is_ascii_digit());
    let secs: i64 = time
        .parse()
        .ok()
        .filter(|_| digits)
        .ok_or(NoticeError::Envelope(timestamp))?;
    if Instant::from_secs(secs).millis().abs_diff(now.millis()) > WINDOW_MS {
        return Err(NoticeError::Stale);
    }
    let octets = STANDARD
        .decode(one(headers, signature)?)
        .map_err(|_| NoticeError::Envelope(signature))?;
    let mut message = format!("{time}\n{nonce_text}\n").into_bytes();
    message.extend_from_slice(body);
    message.push(b'\n');
    let key = keys::wechat_platform(&account.account, serial_text)?;
    Ok(Signed::by(key, message, octets))
}

fn one<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, NoticeError> {
    let mut values = headers.get_all(name).iter();
    match (values.next().and_then(|v| v.to_str().ok()), values.next()) {
        (Some(value), None) if !value.is_empty() => Ok(value),
        _ => Err(NoticeError::Envelope(name)),
    }
}

/// Nonce, associated data and ciphertext.
pub(crate) type Parts = (Vec<u8>, Vec<u8>, Vec<u8>);

/// `{algorithm, nonce, associated_data, ciphertext}` (channels.md 1.6, 1.7).
pub(crate) fn parts(sealed: &Value, sealing: &str) -> Option<Parts> {
    let nonce = sealed.text("nonce").filter(|nonce| nonce.len() == 12)?;
    let ciphertext = STANDARD.decode(sealed.text("ciphertext")?).ok()?;
    let associated = sealed.text("associated_data").unwrap_or_default();
    let known = sealed.text("algorithm") == Some(sealing);
    known.then(|| (nonce.into(), associated.into(), ciphertext))
}
