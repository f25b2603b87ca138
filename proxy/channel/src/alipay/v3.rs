//! OpenAPI v3, Alipay's REST form (channels.md 3.8): what is signed, in requests and in answers.

use crate::{Account, Signed, keys, native::NativeError};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{AccountNo, Instant, NameError, Unclear};
use http::HeaderMap;
use vault::Text;
use zeroize::Zeroizing;

/// Before the parameters of `Authorization`.
const SCHEME: &str = "ALIPAY-SHA256withRSA ";
/// An answer's signature stands in these.
const HEADERS: [&str; 3] = ["alipay-timestamp", "alipay-nonce", "alipay-signature"];

/// `Authorization` of a request.
pub struct Authorization {
    /// Everything but the signature, as it was written: it is part of what is signed.
    pub auth_string: String,
    /// The account.
    pub app_id: AccountNo,
    /// When it was made.
    pub signed_at: Instant,
    /// The app's certificate, in certificate mode.
    pub app_cert_sn: Option<String>,
    /// Never used twice.
    pub nonce: String,
    /// The raw signature.
    pub signature: Vec<u8>,
}

impl Authorization {
    /// Reads the header. Each parameter once, `sign` last, none that is not documented.
    pub fn read(header: &str) -> Result<Authorization, NativeError> {
        let wrong = || NativeError::signature("authorization is not as documented");
        let rest = header.strip_prefix(SCHEME).ok_or_else(wrong)?;
        let (auth_string, sign) = rest.split_once(",sign=").ok_or_else(wrong)?;
        let (mut app_id, mut app_cert_sn, mut signed_at, mut nonce) = (None, None, None, None);
        let mut seen = Vec::new();
        for parameter in auth_string.split(',') {
            let (name, value) = parameter.split_once('=').ok_or_else(wrong)?;
            if seen.contains(&name) || value.is_empty() {
                return Err(wrong());
            }
            seen.push(name);
            match name {
                "app_id" => app_id = AccountNo::new(value).ok(),
                "nonce" => nonce = (value.len() <= 64).then(|| value.to_owned()),
                "timestamp" => signed_at = millis(value),
                "app_cert_sn" => app_cert_sn = Some(value.to_owned()),
                "expired_seconds" if number(value).is_some() => {}
                _ => return Err(wrong()),
            }
        }
        Ok(Authorization {
            auth_string: auth_string.to_owned(),
            app_id: app_id.ok_or_else(wrong)?,
            app_cert_sn,
            signed_at: signed_at.ok_or_else(wrong)?,
            nonce: nonce.ok_or_else(wrong)?,
            signature: STANDARD.decode(sign).map_err(|_| wrong())?,
        })
    }

    /// The octets that the signature is over; the token of another merchant takes part where it is sent.
    pub fn message(
        &self,
        method: &str,
        target: &str,
        body: &[u8],
        app_auth_token: Option<&Text>,
    ) -> Zeroizing<Vec<u8>> {
        to_sign(&self.auth_string, method, target, body, app_auth_token)
    }
}

/// The octets to sign.
pub fn to_sign(
    auth_string: &str,
    method: &str,
    target: &str,
    body: &[u8],
    app_auth_token: Option<&Text>,
) -> Zeroizing<Vec<u8>> {
    let token = app_auth_token.map(Text::expose);
    let lines = [auth_string.as_bytes(), method.as_bytes(), target.as_bytes(), body];
    let mut message = Zeroizing::new(Vec::with_capacity(
        lines.iter().map(|l| l.len() + 1).sum::<usize>() + token.map_or(0, |t| t.len() + 1),
    ));
    for line in lines.into_iter().chain(token.map(str::as_bytes)) {
        message.extend_from_slice(line);
        message.push(b'\n');
    }
    message
}

/// `Authorization` with its signature.
pub fn authorization(auth_string: &str, signature: &[u8]) -> String {
    format!("{SCHEME}{auth_string},sign={}", STANDARD.encode(signature))
}

/// Does this answer carry a signature? `null` stands for none in Alipay's own clients.
pub(crate) fn is_signed(headers: &HeaderMap) -> bool {
    headers
        .get(HEADERS[2])
        .is_some_and(|value| !value.is_empty() && value != "null")
}

/// What must verify before an answer counts: time, nonce and body, a line each.
pub fn signed(account: &Account, headers: &HeaderMap, body: &[u8]) -> Result<Signed, Unclear> {
    let one = |name: &str| {
        let mut values = headers.get_all(name).iter();
        match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
            (Some(value), None) if !value.is_empty() => Ok(value),
            _ => Err(Unclear::Signature),
        }
    };
    let [time, nonce, signature] = HEADERS.map(one);
    let mut message = format!("{}\n{}\n", time?, nonce?).into_bytes();
    message.extend_from_slice(body);
    message.push(b'\n');
    let named = headers
        .contains_key("alipay-sn")
        .then(|| one("alipay-sn"))
        .transpose()?;
    // In certificate mode the answer names the certificate, else the registry does; no key without one takes its place.
    let cert_sn = match account.serial {
        Some(_) => Some(named.or(account.platform.as_deref()).ok_or(Unclear::Signature)?),
        None => None,
    };
    let key = |sn| -> Result<_, NameError> { keys::alipay_platform(&account.account, sn) };
    let key = key(cert_sn).map_err(|_| Unclear::Signature)?;
    Ok(Signed::by(
        key,
        message,
        STANDARD.decode(signature?).map_err(|_| Unclear::Signature)?,
    ))
}

fn number(digits: &str) -> Option<i64> {
    let lawful = (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| lawful)
}

fn millis(digits: &str) -> Option<Instant> {
    number(digits).map(Instant::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_nothing_looser() {
        let auth_string = "app_id=2021000066965330,nonce=n,timestamp=1767225600123";
        let header = authorization(auth_string, b"signature");
        let read = Authorization::read(&header).expect("own header");
        assert_eq!(
            (read.auth_string.as_str(), read.nonce.as_str(), &*read.signature),
            (auth_string, "n", &b"signature"[..])
        );
        assert_eq!(read.signed_at.millis(), 1_767_225_600_123);
        let token = Text::from("t");
        assert_eq!(
            *read.message("POST", "/v3/x", b"{}", Some(&token)),
            format!("{auth_string}\nPOST\n/v3/x\n{{}}\nt\n").into_bytes()
        );
        for bad in [
            "ALIPAY-SHA256withRSA app_id=1,nonce=n,sign=YQ==",
            "ALIPAY-SHA256withRSA app_id=1,app_id=2,nonce=n,timestamp=1,sign=YQ==",
            "ALIPAY-SHA256withRSA app_id=1,nonce=n,timestamp=+1,sign=YQ==",
            "ALIPAY-SHA256withRSA app_id=1,nonce=n,timestamp=1,more=1,sign=YQ==",
            "ALIPAY-SHA256withRSA app_id=1,nonce=n,timestamp=1,sign=YQ==,nonce=m",
            "ALIPAY-SHA256withRSA app_id=1,nonce=n,timestamp=1",
            "alipay-sha256withrsa app_id=1,nonce=n,timestamp=1,sign=YQ==",
        ] {
            assert!(Authorization::read(bad).is_err(), "{bad}");
        }
    }
}
