//! SHA-256 with the key behind the text, `text&KEY`, as CMB's gateway wants it (channels.md 6.4).

use crate::{KeyError, Material};
use secrecy::{ExposeSecret, SecretBox};
use sha2::{Digest, Sha256};

/// A secret that stands behind the text.
pub struct Suffixed(SecretBox<[u8]>);

impl Suffixed {
    pub(crate) fn digest(&self, message: &[u8]) -> Vec<u8> {
        let mut digest = Sha256::new();
        digest.update(message);
        digest.update(b"&");
        digest.update(self.0.expose_secret());
        digest.finalize().to_vec()
    }
}

impl Material {
    /// A merchant's key at CMB: 8 to 64 printable characters.
    pub fn suffixed(bytes: &[u8]) -> Result<Material, KeyError> {
        let bytes = bytes.trim_ascii_end();
        if !(8..=64).contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_graphic) {
            return Err(KeyError::Unreadable(
                "a merchant's key of 8 to 64 printable characters",
            ));
        }
        Ok(Material::Suffixed(Suffixed(SecretBox::new(bytes.into()))))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Keys, Material};
    use domain::KeyRef;

    #[test]
    fn the_key_stands_behind_the_text_and_verifies_nothing() {
        let (keys, name) = (Keys::default(), KeyRef::new("cmb/1/merchant").expect("lawful"));
        keys.put(
            name.clone(),
            Material::suffixed(b"Abcdefgh12345678\n").expect("a key"),
        );
        // printf 'amount=0.01&branchNo=0755&Abcdefgh12345678' | sha256sum
        assert_eq!(
            keys.sign(&name, b"amount=0.01&branchNo=0755").map(hex::encode),
            Ok("aa29515c12390ea850e434ec1ccf55b7a004727f2b7009850d4282bb6cb470b8".to_owned())
        );
        assert!(keys.verify(&name, b"a", b"b").is_err());
        for bad in [&b"short"[..], b"with a space", &[b'x'; 65]] {
            assert!(Material::suffixed(bad).is_err());
        }
    }
}
