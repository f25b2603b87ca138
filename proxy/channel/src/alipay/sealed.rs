//! Content that a merchant's own client encrypted (channels.md 3.2, 3.8): opened to be read here and then forgotten;
//! what goes on is what came.

use crate::{
    Encrypted,
    dialect::UNPROVEN,
    keys,
    native::{Asks, NativeError, Opens, Unopened},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// The one kind of encryption, as clients name it.
pub(super) const AES: &str = "AES";

/// The content in clear. `place` is what a refusal calls it.
//= C98
pub(super) fn open(
    text: &[u8],
    place: &str,
    opens: Opens<'_>,
    asks: &Asks,
) -> Result<Zeroizing<Vec<u8>>, NativeError> {
    let unproven = || NativeError::signature(UNPROVEN);
    let (account, proof) = asks
        .account
        .as_ref()
        .zip(asks.proof.as_ref())
        .ok_or_else(unproven)?;
    let encrypted = Encrypted {
        key: keys::alipay_content(account).map_err(|e| NativeError::signature(e.to_string()))?,
        // What is no base64 is ciphertext of nothing, so that it is refused where the rest is, behind the signature.
        ciphertext: STANDARD.decode(text).unwrap_or_default(),
    };
    match opens(account, proof, &encrypted) {
        Ok(content) if begins_an_object(&content) => Ok(content),
        Err(Unopened::Unproven) => Err(unproven()),
        Err(Unopened::NoKey) => Err(NativeError::no_field("encrypt_type", no_key(place))),
        // One text for all: what of base64, blocks, padding or key was wrong nobody is told.
        Ok(_) | Err(Unopened::Ciphertext) => Err(NativeError::twofold(format!(
            "{place} must be base64 of a JSON object under the account's content key (AES in CBC mode, PKCS#7, an IV of sixteen zero octets)"
        ))),
    }
}

fn no_key(place: &str) -> String {
    format!(
        "{place} is encrypted (encrypt_type AES), and the key that opens it is not here: the operator lays it down as alipay/<app_id>/content.aes in the key folder (base64, as Alipay's site hands it out), or the client sends its content in clear"
    )
}

/// Another key's padding is lawful once in some 250 times; what is behind it then is no text.
fn begins_an_object(content: &[u8]) -> bool {
    std::str::from_utf8(content).is_ok_and(|text| text.trim_ascii_start().starts_with('{'))
}
