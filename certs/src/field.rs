//! Fields sealed for the channel (channels.md 1.8): RSA-OAEP with SHA-1, as the channel wants it.

use crate::KeyError;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};

/// Under this public key, as subject public key info.
pub(crate) fn seal(spki: &[u8], plain: &[u8]) -> Result<Vec<u8>, KeyError> {
    let wrong = || KeyError::Kind("an RSA public key that can seal");
    let key = PublicEncryptingKey::from_der(spki).map_err(|_| wrong())?;
    let key = OaepPublicEncryptingKey::new(key).map_err(|_| wrong())?;
    let mut out = vec![0; key.ciphertext_size()];
    let sealed = key
        .encrypt(&OAEP_SHA1_MGF1SHA1, plain, &mut out, None)
        .map_err(|_| KeyError::Ciphertext)?
        .len();
    out.truncate(sealed);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use crate::{Keys, Material};
    use aws_lc_rs::{
        encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
        rsa::{KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey},
    };
    use base64::{Engine, engine::general_purpose::STANDARD};
    use domain::KeyRef;

    #[test]
    fn only_the_private_half_opens_a_field() {
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).expect("a key");
        let public: PublicKeyX509Der<'_> = private.public_key().as_der().expect("DER");
        let keys = Keys::default();
        let name = KeyRef::new("platform").expect("lawful");
        let text = STANDARD.encode(public.as_ref());
        keys.put(
            name.clone(),
            Material::read(text.as_bytes()).expect("a public key"),
        );
        let sealed = keys
            .seal_field(&name, "6222020000000000001".as_bytes())
            .expect("sealed");
        let der: Pkcs8V1Der<'_> = private.as_der().expect("DER");
        let again = PrivateDecryptingKey::from_pkcs8(der.as_ref()).expect("a key");
        let opener = OaepPrivateDecryptingKey::new(again).expect("OAEP");
        let mut out = vec![0; opener.min_output_size()];
        let plain = opener
            .decrypt(&OAEP_SHA1_MGF1SHA1, &sealed, &mut out, None)
            .expect("opened");
        assert_eq!(plain, b"6222020000000000001");
        assert!(keys.seal_field(&name, &[0; 300]).is_err(), "longer than the key");
    }
}
