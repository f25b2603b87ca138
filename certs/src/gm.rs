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
    PublicKey, SecretKey,
    dsa::{
        Signature, SigningKey, VerifyingKey,
        signature::{Signer, Verifier},
    },
    pkcs8::{DecodePrivateKey, DecodePublicKey},
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

/// An SM2 private key.
pub struct Sm2Private(SigningKey);

impl Sm2Private {
    /// From PKCS#8; `None` for a key of another kind.
    pub(crate) fn read(der: &[u8]) -> Option<Sm2Private> {
        let key = SecretKey::from_pkcs8_der(der).ok()?;
        SigningKey::new(IDENTITY, &key).ok().map(Sm2Private)
    }

    /// A signature in DER. Its secret number is made of key and message (RFC 6979), so no two messages ever share one.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature: Signature = self
            .0
            .try_sign(message)
            .map_err(|_| KeyError::Kind("an SM2 key that can sign"))?;
        Ok(signature.to_der().as_bytes().to_vec())
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

#[cfg(test)]
mod tests {
    use super::*;
    use sm2::pkcs8::{EncodePrivateKey, EncodePublicKey};

    #[test]
    fn signs_and_verifies_by_name_and_knows_its_keys() {
        let secret = SecretKey::from_slice(&[7; 32]).expect("a key");
        let pem = |label: &str, der: &[u8]| crate::pem(label, der).into_bytes();
        let private = secret.to_pkcs8_der().expect("der");
        let public = secret.public_key().to_public_key_der().expect("der");
        let private = Material::read(&pem("PRIVATE KEY", private.as_bytes())).expect("a private key");
        let public = Material::read(&pem("PUBLIC KEY", public.as_bytes())).expect("a public key");
        assert_eq!(
            (private.kind(), public.kind()),
            ("SM2 private key", "SM2 public key")
        );
        let keys = Keys::default();
        let name = |text: &str| KeyRef::new(text).expect("lawful");
        keys.put(name("a"), private);
        keys.put(name("b"), public);
        let signature = keys.sign(&name("a"), b"m").expect("signs");
        keys.verify(&name("b"), b"m", &signature).expect("verifies");
        assert_eq!(
            keys.verify(&name("b"), b"n", &signature),
            Err(KeyError::Signature)
        );
        let mut other = signature.clone();
        if let Some(last) = other.last_mut() {
            *last ^= 1;
        }
        assert!(keys.verify(&name("b"), b"m", &other).is_err());
        assert!(keys.sign(&name("b"), b"m").is_err(), "a public key signs nothing");
        assert!(keys.verify(&name("a"), b"m", &signature).is_err());
    }
}
