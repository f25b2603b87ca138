//! Digests with the key behind the text, `text&key=KEY`, as the Baidu wallet signs (channels.md section 5). One secret
//! serves two digests; the message says which, so each is a key of its own name.

use crate::{KeyError, Material};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use md5::{Digest, Md5};
use secrecy::{ExposeSecret, SecretBox};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Which digest, by the channel's rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hash {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
}

/// A secret that stands behind the text.
pub struct Keyed {
    hash: Hash,
    secret: SecretBox<[u8]>,
}

impl Keyed {
    pub(crate) fn digest(&self, message: &[u8]) -> Vec<u8> {
        let secret = self.secret.expose_secret();
        let mut text = Zeroizing::new(Vec::with_capacity(message.len() + secret.len() + 5));
        text.extend_from_slice(message);
        text.extend_from_slice(b"&key=");
        text.extend_from_slice(secret);
        match self.hash {
            Hash::Md5 => Md5::digest(&*text).to_vec(),
            Hash::Sha1 => digest(&SHA1_FOR_LEGACY_USE_ONLY, &text).as_ref().to_vec(),
        }
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        let same: bool = self.digest(message).ct_eq(signature).into();
        same.then_some(()).ok_or(KeyError::Signature)
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self.hash {
            Hash::Md5 => "secret for MD5",
            Hash::Sha1 => "secret for SHA-1",
        }
    }
}

impl Material {
    /// A secret that stands behind the text: 8 to 128 printable characters.
    pub fn keyed(hash: Hash, bytes: &[u8]) -> Result<Material, KeyError> {
        let bytes = bytes.trim_ascii_end();
        if !(8..=128).contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_graphic) {
            return Err(KeyError::Unreadable("a secret of 8 to 128 printable characters"));
        }
        Ok(Material::Keyed(Keyed {
            hash,
            secret: SecretBox::new(bytes.into()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_verifies_under_its_own_hash_and_secret_only() {
        let secret = |text: &[u8], hash| Material::keyed(hash, text).expect("a secret");
        let (md5, sha1) = (
            secret(b"0123456789\n", Hash::Md5),
            secret(b"0123456789", Hash::Sha1),
        );
        let Material::Keyed(keyed) = &md5 else {
            unreachable!()
        };
        let signature = keyed.digest(b"a=1");
        assert_eq!(
            hex::encode(&signature),
            hex::encode(Md5::digest(b"a=1&key=0123456789"))
        );
        assert_eq!(md5.verify(b"a=1", &signature), Ok(()));
        assert_eq!(md5.verify(b"a=2", &signature), Err(KeyError::Signature));
        assert_eq!(md5.verify(b"a=1", &signature[..15]), Err(KeyError::Signature));
        assert_eq!(sha1.verify(b"a=1", &signature), Err(KeyError::Signature));
        assert_eq!(
            secret(b"0123456788", Hash::Md5).verify(b"a=1", &signature),
            Err(KeyError::Signature)
        );
        for bad in [&b"short"[..], b"with a space in it", &[b'x'; 129]] {
            assert!(Material::keyed(Hash::Md5, bad).is_err());
        }
    }
}
