//! 国密 as WeChat Pay has it (channels.md 1.9): SM2 with SM3 over messages, SM4-GCM over what is sealed.

use super::keys::random_text;
use crate::material::MaterialError;
use aes_gcm::{
    AesGcm, KeyInit,
    aead::{Aead, Payload, consts::U12},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer, pem::PemObject};
use sm2::{
    PublicKey, SecretKey,
    dsa::{
        Signature, SigningKey, VerifyingKey,
        signature::{Signer as _, Verifier as _},
    },
    pkcs8::{DecodePrivateKey, DecodePublicKey},
};
use sm3::{Digest, Sm3};
use sm4::Sm4;
use std::path::Path;

/// The scheme's name in headers.
pub(crate) const SCHEME: &str = "WECHATPAY2-SM2-WITH-SM3";
/// Who signs, by the standard's default.
const IDENTITY: &str = "1234567812345678";

/// A private key that signs with SM2.
pub(crate) struct Signer(SigningKey);

impl Signer {
    pub(crate) fn read(path: &Path) -> Result<Signer, MaterialError> {
        let bad = || MaterialError::Unreadable(path.to_owned(), "a PKCS#8 SM2 key");
        let der = PrivatePkcs8KeyDer::from_pem_file(path).map_err(|_| bad())?;
        let key = SecretKey::from_pkcs8_der(der.secret_pkcs8_der()).map_err(|_| bad())?;
        SigningKey::new(IDENTITY, &key).map(Signer).map_err(|_| bad())
    }

    /// The signature in base64; empty if the library refuses, which every verifier takes for wrong.
    pub(crate) fn sign(&self, message: &[u8]) -> String {
        let signature: Result<Signature, _> = self.0.try_sign(message);
        signature.map_or(String::new(), |signature| {
            STANDARD.encode(signature.to_der().as_bytes())
        })
    }
}

/// A merchant's SM2 public key.
pub(crate) struct Verifier(VerifyingKey);

impl Verifier {
    pub(crate) fn read(path: &Path) -> Result<Verifier, MaterialError> {
        let bad = || MaterialError::Unreadable(path.to_owned(), "an SM2 public key");
        let der = SubjectPublicKeyInfoDer::from_pem_file(path).map_err(|_| bad())?;
        let key = PublicKey::from_public_key_der(&der).map_err(|_| bad())?;
        VerifyingKey::new(IDENTITY, key).map(Verifier).map_err(|_| bad())
    }

    /// Whether this base64 is this key's signature of the message.
    pub(crate) fn verify(&self, message: &[u8], signature: &str) -> bool {
        let signature = STANDARD
            .decode(signature)
            .ok()
            .and_then(|der| Signature::from_der(&der).ok());
        signature.is_some_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

/// Seals under the key that an APIv3 key gives: 12-character nonce and base64 of ciphertext and tag.
pub(crate) fn seal(apiv3_key: &str, associated_data: &str, plaintext: &str) -> (String, String) {
    let (nonce, digest) = (random_text(12), Sm3::digest(apiv3_key.as_bytes()));
    let sealed = AesGcm::<Sm4, U12>::new_from_slice(&digest[..16])
        .ok()
        .zip(<[u8; 12]>::try_from(nonce.as_bytes()).ok())
        .and_then(|(cipher, number)| {
            let plain = Payload {
                msg: plaintext.as_bytes(),
                aad: associated_data.as_bytes(),
            };
            cipher.encrypt(&number.into(), plain).ok()
        });
    (
        nonce,
        sealed.map_or(String::new(), |sealed| STANDARD.encode(sealed)),
    )
}
