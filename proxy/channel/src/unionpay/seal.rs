//! What vouches for a message, by `signMethod` (channels.md 4.2): a signature over the hex digest of the text, or a digest
//! of the text and a secret.

use super::fields::Fields;
use crate::{Account, Signed, keys};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{KeyRef, NameError, SignMethod};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The octets that the key is put to.
pub(super) fn message(method: SignMethod, text: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    match method {
        // In 5.1.0 the signature is over the digest's 64 hex digits, which are hashed once more.
        SignMethod::Signature | SignMethod::Sm2 => {
            Zeroizing::new(hex::encode(Sha256::digest(&*text)).into_bytes())
        }
        SignMethod::KeyedSha256 | SignMethod::KeyedSm3 => text,
    }
}

/// The key that vouches for our own messages.
pub(super) fn own_key(account: &Account) -> Result<KeyRef, NameError> {
    match account.sign_method {
        SignMethod::Signature | SignMethod::Sm2 => {
            let cert_id = account.serial.as_deref().filter(|_| account.key_by_serial);
            keys::unionpay_merchant(&account.account, cert_id)
        }
        SignMethod::KeyedSha256 | SignMethod::KeyedSm3 => keys::unionpay_secure(&account.account),
    }
}

/// What must verify before a message of UnionPay counts; `Err` names the field that is missing or wrong. The account's own
/// method is the only one that is taken, so that nobody chooses a weaker one for us.
pub(super) fn signed(account: &Account, fields: &Fields) -> Result<Signed, &'static str> {
    let method = account.sign_method;
    if fields.get("signMethod") != Some(method.as_str()) {
        return Err("signMethod");
    }
    if fields
        .get("encoding")
        .is_some_and(|encoding| !encoding.eq_ignore_ascii_case("UTF-8"))
    {
        return Err("encoding");
    }
    if fields.get("merId") != Some(account.account.as_str()) {
        return Err("merId");
    }
    let text = fields.get("signature").ok_or("signature")?;
    let signature = match method {
        SignMethod::Signature | SignMethod::Sm2 => STANDARD.decode(text).map_err(|_| "signature")?,
        SignMethod::KeyedSha256 | SignMethod::KeyedSm3 => text.as_bytes().to_vec(),
    };
    let certificate = match method {
        SignMethod::Signature | SignMethod::Sm2 => Some(
            fields
                .get("signPubKeyCert")
                .ok_or("signPubKeyCert")?
                .as_bytes()
                .to_vec(),
        ),
        SignMethod::KeyedSha256 | SignMethod::KeyedSm3 => None,
    };
    let key = match method {
        SignMethod::Signature | SignMethod::Sm2 => keys::unionpay_signer(&account.account),
        SignMethod::KeyedSha256 | SignMethod::KeyedSm3 => keys::unionpay_secure(&account.account),
    };
    let message = std::mem::take(&mut *message(method, fields.signed_text()));
    Ok(Signed {
        key: key.map_err(|_| "merId")?,
        method,
        certificate,
        message,
        signature,
    })
}
