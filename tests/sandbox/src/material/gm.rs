//! SM2 keys (国密).

use super::{MaterialError, random};
use base64::{Engine, engine::general_purpose::STANDARD};
use sm2::{
    SecretKey,
    pkcs8::{EncodePrivateKey, EncodePublicKey},
};

/// A new pair in PEM: the private half as PKCS#8, the public half as subject public key info.
pub(super) fn pair() -> Result<(String, String), MaterialError> {
    loop {
        // Nearly every number is a key; the few that are none are drawn again.
        let Ok(key) = SecretKey::from_slice(&random::<32>()?) else {
            continue;
        };
        let (Ok(private), Ok(public)) = (key.to_pkcs8_der(), key.public_key().to_public_key_der()) else {
            continue;
        };
        return Ok((
            pem("PRIVATE KEY", private.as_bytes()),
            pem("PUBLIC KEY", public.as_bytes()),
        ));
    }
}

pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}
