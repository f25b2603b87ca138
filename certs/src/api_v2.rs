//! The APIv2 key of WeChat Pay (channels.md 2.1, 2.3): one shared secret, with which both sides digest what they say, by
//! MD5 or HMAC-SHA256, and under which refund notices are sealed.

use crate::{KeyError, Keys, Material};
use aws_lc_rs::{
    cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey},
    constant_time::verify_slices_are_equal,
    hmac,
};
use domain::KeyRef;
use md5::{Digest, Md5};
use secrecy::{ExposeSecret, SecretBox};
use zeroize::Zeroizing;

/// With which digest a key of this kind signs; it verifies both, since an answer to HMAC-SHA256 may come in the protocol's
/// standing MD5.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum V2Digest {
    /// MD5, where the protocol has no word for another one.
    Md5,
    /// HMAC-SHA256.
    HmacSha256,
}

/// An APIv2 key for one of its digests.
pub struct ApiV2 {
    digest: V2Digest,
    secret: SecretBox<[u8]>,
}

impl Material {
    /// An APIv2 key: exactly 32 characters.
    pub fn api_v2(digest: V2Digest, bytes: &[u8]) -> Result<Material, KeyError> {
        let bytes = bytes.trim_ascii_end();
        if bytes.len() != 32 {
            return Err(KeyError::Unreadable("an APIv2 key of exactly 32 characters"));
        }
        Ok(Material::ApiV2(ApiV2 {
            digest,
            secret: SecretBox::new(bytes.into()),
        }))
    }
}

impl ApiV2 {
    pub(crate) fn kind(&self) -> &'static str {
        match self.digest {
            V2Digest::Md5 => "APIv2 key for MD5",
            V2Digest::HmacSha256 => "APIv2 key for HMAC-SHA256",
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.by(self.digest, message)
    }

    /// The digest tells its kind by its length.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        let digest = match signature.len() {
            16 => V2Digest::Md5,
            32 => V2Digest::HmacSha256,
            _ => return Err(KeyError::Signature),
        };
        verify_slices_are_equal(&self.by(digest, message), signature).map_err(|_| KeyError::Signature)
    }

    /// Both digests are taken over the text with the key behind it.
    fn by(&self, digest: V2Digest, message: &[u8]) -> Vec<u8> {
        let secret = self.secret.expose_secret();
        let mut text = Zeroizing::new(Vec::with_capacity(message.len() + secret.len() + 5));
        text.extend_from_slice(message);
        text.extend_from_slice(b"&key=");
        text.extend_from_slice(secret);
        match digest {
            V2Digest::Md5 => Md5::digest(&*text).to_vec(),
            V2Digest::HmacSha256 => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), &text)
                .as_ref()
                .to_vec(),
        }
    }
}

impl Keys {
    /// Opens what a V2 refund notice seals: AES-256-ECB with PKCS#7 under the lower-case hex of the key's MD5 (channels.md
    /// 2.3). Nothing but the key vouches for it.
    pub fn open_v2(&self, key: &KeyRef, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let material = self.get(key)?;
        let Material::ApiV2(own) = &*material else {
            return Err(KeyError::Kind("an APIv2 key"));
        };
        let name = Zeroizing::new(hex::encode(Md5::digest(own.secret.expose_secret())));
        let cipher = UnboundCipherKey::new(&AES_256, name.as_bytes()).map_err(|_| KeyError::Ciphertext)?;
        let cipher = PaddedBlockDecryptingKey::ecb_pkcs7(cipher).map_err(|_| KeyError::Ciphertext)?;
        let mut plain = Zeroizing::new(sealed.to_vec());
        let opened = cipher
            .decrypt(&mut plain, DecryptionContext::None)
            .map_err(|_| KeyError::Ciphertext)?;
        let length = opened.len();
        plain.truncate(length);
        Ok(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef\n";

    #[test]
    fn signs_with_its_own_digest_and_verifies_both() {
        let name = |text: &str| KeyRef::new(text).expect("lawful");
        let keys = Keys::default();
        keys.put(
            name("md5"),
            Material::api_v2(V2Digest::Md5, SECRET).expect("a key"),
        );
        keys.put(
            name("hmac"),
            Material::api_v2(V2Digest::HmacSha256, SECRET).expect("a key"),
        );
        for (signer, length) in [("md5", 16), ("hmac", 32)] {
            let signature = keys.sign(&name(signer), b"a=1").expect("signed");
            assert_eq!(signature.len(), length);
            for verifier in ["md5", "hmac"] {
                assert_eq!(keys.verify(&name(verifier), b"a=1", &signature), Ok(()));
                assert_eq!(
                    keys.verify(&name(verifier), b"a=2", &signature),
                    Err(KeyError::Signature)
                );
                assert_eq!(
                    keys.verify(&name(verifier), b"a=1", &signature[1..]),
                    Err(KeyError::Signature)
                );
            }
        }
        assert_eq!(
            keys.open_v2(&name("md5"), b"no whole block"),
            Err(KeyError::Ciphertext)
        );
        assert!(Material::api_v2(V2Digest::Md5, b"short").is_err());
    }
}
