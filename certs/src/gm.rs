//! 国密, as WeChat Pay uses it where it is enabled (channels.md 1.9): SM2 with SM3 over messages, SM4-GCM over what is
//! sealed.

use crate::{KeyError, Keys, Material};
use aes_gcm::{
    AesGcm, KeyInit,
    aead::{Aead, Payload, consts::U12},
};
use domain::KeyRef;
use secrecy::ExposeSecret;
use sm2::{
    PublicKey,
    dsa::{Signature, VerifyingKey, signature::Verifier},
    pkcs8::DecodePublicKey,
};
use sm3::{Digest, Sm3};
use sm4::Sm4;
use zeroize::Zeroizing;

/// Who signs, by the standard's default (channels.md 1.9).
const IDENTITY: &str = "1234567812345678";

/// An SM2 public key.
pub struct Sm2Key(VerifyingKey);

impl Sm2Key {
    /// From subject public key info; `None` for a key of another kind.
    pub(crate) fn read(spki: &[u8]) -> Option<Sm2Key> {
        let key = PublicKey::from_public_key_der(spki).ok()?;
        VerifyingKey::new(IDENTITY, key).ok().map(Sm2Key)
    }

    /// A signature in DER.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        let signature = Signature::from_der(signature).map_err(|_| KeyError::Signature)?;
        self.0
            .verify(message, &signature)
            .map_err(|_| KeyError::Signature)
    }
}

impl Keys {
    /// Opens SM4-GCM (ciphertext with its tag behind it). The key is the first half of the secret's SM3 digest.
    pub fn open_sm4(
        &self,
        key: &KeyRef,
        nonce: &[u8],
        associated: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let material = self.get(key)?;
        let Material::Secret(secret) = &*material else {
            return Err(KeyError::Kind("a secret"));
        };
        let digest: Zeroizing<[u8; 32]> = Zeroizing::new(Sm3::digest(secret.expose_secret()).into());
        let cipher = AesGcm::<Sm4, U12>::new_from_slice(&digest[..16])
            .map_err(|_| KeyError::Kind("a secret of 32 octets"))?;
        let nonce: [u8; 12] = nonce.try_into().map_err(|_| KeyError::Ciphertext)?;
        let opened = cipher.decrypt(
            &nonce.into(),
            Payload {
                msg: sealed,
                aad: associated,
            },
        );
        opened.map(Zeroizing::new).map_err(|_| KeyError::Ciphertext)
    }
}
