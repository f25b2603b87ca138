//! Content encryption of Alipay (`encrypt_type=AES`): AES-128 or AES-256 in CBC mode with PKCS#7 and an IV of sixteen
//! zero octets, by the channel's rule (channels.md 3.2). It hides content; that it is the channel's says only the
//! signature over it.

use crate::{KeyError, Keys, Material};
use aws_lc_rs::{
    cipher::{
        AES_128, AES_256, Algorithm, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
        PaddedBlockEncryptingKey, UnboundCipherKey,
    },
    iv::FixedLength,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::KeyRef;
use secrecy::{ExposeSecret, SecretBox};
use zeroize::Zeroizing;

/// A content key of 16 or 32 octets.
pub struct Content(SecretBox<[u8]>);

impl Content {
    fn key(&self) -> Result<UnboundCipherKey, KeyError> {
        UnboundCipherKey::new(algorithm(self.0.expose_secret())?, self.0.expose_secret()).map_err(|_| WRONG)
    }
}

const WRONG: KeyError = KeyError::Unreadable("base64 of a content key of 16 or 32 octets");

fn algorithm(key: &[u8]) -> Result<&'static Algorithm, KeyError> {
    match key.len() {
        16 => Ok(&AES_128),
        32 => Ok(&AES_256),
        _ => Err(WRONG),
    }
}

impl Material {
    /// A content key, base64 as the channel's site hands it out.
    pub fn content(bytes: &[u8]) -> Result<Material, KeyError> {
        let key = Zeroizing::new(STANDARD.decode(bytes.trim_ascii()).map_err(|_| WRONG)?);
        algorithm(&key)?;
        Ok(Material::Content(Content(SecretBox::new(key.as_slice().into()))))
    }
}

impl Keys {
    /// Encrypts content.
    pub fn seal_content(&self, key: &KeyRef, plain: &[u8]) -> Result<Vec<u8>, KeyError> {
        let material = self.get(key)?;
        let Material::Content(content) = &*material else {
            return Err(KeyError::Kind("a content key"));
        };
        let cipher = PaddedBlockEncryptingKey::cbc_pkcs7(content.key()?).map_err(|_| WRONG)?;
        let mut text = plain.to_vec();
        // The IV is the channel's: equal content gives equal text, which its documents accept.
        let zero = EncryptionContext::Iv128(FixedLength::from([0; 16]));
        cipher
            .less_safe_encrypt(&mut text, zero)
            .map_err(|_| KeyError::Ciphertext)?;
        Ok(text)
    }

    /// Decrypts content. A signature over it is verified before, since the padding alone proves nothing; but of an
    /// answer to a merchant's own client, which verifies it there and hears nothing of what opens here.
    pub fn open_content(&self, key: &KeyRef, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let material = self.get(key)?;
        let Material::Content(content) = &*material else {
            return Err(KeyError::Kind("a content key"));
        };
        let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(content.key()?).map_err(|_| WRONG)?;
        let mut text = Zeroizing::new(sealed.to_vec());
        let zero = DecryptionContext::Iv128(FixedLength::from([0; 16]));
        let length = cipher
            .decrypt(&mut text, zero)
            .map_err(|_| KeyError::Ciphertext)?
            .len();
        text.truncate(length);
        Ok(text)
    }
}
