//! All keys, asymmetric and symmetric. Others name a key by its [`KeyRef`] and get signatures, verdicts and opened
//! texts; a key's octets enter here and never leave.

mod api_v2;
mod chain;
mod content;
mod facts;
mod field;
mod gm;
mod identity;
mod keyed;
mod legacy;
mod legacy_sha1;
mod material;
mod secure;
mod signers;
mod suffixed;
pub mod tls;
mod unionpay;

pub use api_v2::{ApiV2, V2Digest};
pub use chain::issued_under;
pub use content::Content;
pub use facts::{CertificateFacts, alipay_root_sn};
pub use gm::{Sm2Key, Sm2Private};
pub use identity::Certificate;
pub use keyed::{Hash, Keyed};
pub use legacy::{Ccb, Password};
pub use legacy_sha1::Sha1Private;
pub use material::Material;
pub use signers::Signers;
pub use suffixed::Suffixed;
pub use unionpay::unionpay_signer;

use arc_swap::ArcSwap;
use aws_lc_rs::{
    aead::{Aad, Nonce},
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, RSA_PKCS1_SHA256, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Instant, KeyRef, Sign};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use zeroize::Zeroizing;

/// Why a key did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing is known under this reference.
    #[error("there is no key {0}")]
    Unknown(KeyRef),
    /// The key is of another kind.
    #[error("the key is not {0}")]
    Kind(&'static str),
    /// The signature is not of this message by this key.
    #[error("the signature does not match")]
    Signature,
    /// The ciphertext was altered, or sealed with another key.
    #[error("the ciphertext does not open")]
    Ciphertext,
    /// A certificate that does not count.
    #[error("the certificate is not trusted: {0}")]
    Untrusted(&'static str),
    /// A key file is not what it should be.
    #[error("not readable as {0}")]
    Unreadable(&'static str),
    /// A file could not be read.
    #[error("{0}: {1}")]
    File(PathBuf, String),
    /// rustls does not take the certificate or key.
    #[error("TLS: {0}")]
    Tls(String),
}

/// One line of the key inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its name.
    pub key: KeyRef,
    /// What it is.
    pub kind: &'static str,
    /// When it ends, where known.
    pub not_after: Option<Instant>,
}

/// All keys in use. Cheap to clone; changes while running.
#[derive(Clone, Default)]
//= C52
pub struct Keys(Arc<ArcSwap<BTreeMap<KeyRef, Arc<Material>>>>);

impl Keys {
    /// Takes a key in, in place of an older one of the same name.
    pub fn put(&self, key: KeyRef, material: Material) {
        self.put_all(vec![(key, material)]);
    }

    /// Takes keys in.
    pub fn put_all(&self, keys: Vec<(KeyRef, Material)>) {
        self.exchange(&[], keys);
    }

    /// Takes keys in and forgets those of `former` that are not among them, in one step.
    pub fn exchange(&self, former: &[KeyRef], keys: Vec<(KeyRef, Material)>) {
        let keys: Vec<_> = keys
            .into_iter()
            .map(|(key, material)| (key, Arc::new(material)))
            .collect();
        self.0.rcu(|map| {
            let mut map = BTreeMap::clone(map);
            former.iter().for_each(|key| drop(map.remove(key)));
            map.extend(keys.iter().cloned());
            map
        });
    }

    /// Is there a key of this name?
    pub fn has(&self, key: &KeyRef) -> bool {
        self.0.load().contains_key(key)
    }

    /// Is this certificate one of this private key?
    pub fn is_of(&self, key: &KeyRef, certificate: &CertificateFacts) -> bool {
        self.get(key).is_ok_and(|key| identity::is_of(certificate, &key))
    }

    /// The key inventory, by name.
    pub fn list(&self) -> Vec<KeyInfo> {
        let all = self.0.load();
        all.iter()
            .map(|(key, m)| KeyInfo {
                key: key.clone(),
                kind: m.kind(),
                not_after: m.not_after(),
            })
            .collect()
    }

    /// The last key by name, of one kind, in one folder (`answer` for `answer/…`). Looks at that folder only, so an
    /// answer may ask each time, however many keys there are.
    pub fn last_in(&self, folder: &KeyRef, kind: &str) -> Option<KeyRef> {
        self.last_named(folder, kind, |_| true)
    }

    /// The same, of those whose name, below the folder, is one of these.
    pub fn last_named(&self, folder: &KeyRef, kind: &str, is: impl Fn(&str) -> bool) -> Option<KeyRef> {
        let all = self.0.load();
        let own = |key: &KeyRef| {
            key.as_str()
                .strip_prefix(folder.as_str())
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(&is)
        };
        let near = all
            .range(folder..)
            .take_while(|(key, _)| key.as_str().starts_with(folder.as_str()));
        near.filter(|(key, material)| own(key) && material.kind() == kind)
            .last()
            .map(|(key, _)| key.clone())
    }

    fn get(&self, key: &KeyRef) -> Result<Arc<Material>, KeyError> {
        self.0
            .load()
            .get(key)
            .cloned()
            .ok_or_else(|| KeyError::Unknown(key.clone()))
    }

    /// Signs: RSA PKCS#1 v1.5 with SHA-256, Ed25519, SM2 with SM3, or a digest with a shared key, as the key is.
    pub fn sign(&self, key: &KeyRef, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &*self.get(key)? {
            Material::RsaPrivate(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
                    .map_err(|_| KeyError::Kind("an RSA key that can sign"))?;
                Ok(signature)
            }
            Material::Ed25519Private(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Material::ApiV2(key) => Ok(key.sign(message)),
            Material::Keyed(secret) => Ok(secret.digest(message)),
            Material::Ccb(key) => key.mac(message),
            Material::Suffixed(secret) => Ok(secret.digest(message)),
            Material::Sha1Private(key) => key.sign(message),
            Material::Sm2Private(key) => key.sign(message),
            _ => Err(KeyError::Kind("a private key")),
        }
    }

    /// Verifies a signature of the key's own kind.
    pub fn verify(&self, key: &KeyRef, message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        self.get(key)?.verify(message, signature)
    }

    /// Opens AES-256-GCM (ciphertext with its tag behind it).
    pub fn open(
        &self,
        key: &KeyRef,
        nonce: &[u8],
        associated: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let material = self.get(key)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| KeyError::Ciphertext)?;
        let mut plain = Zeroizing::new(sealed.to_vec());
        let length = material
            .aead()?
            .open_in_place(nonce, Aad::from(associated), &mut plain)
            .map_err(|_| KeyError::Ciphertext)?
            .len();
        plain.truncate(length);
        Ok(plain)
    }

    /// Seals a field for the channel's eyes: RSA-OAEP with SHA-1 and MGF1-SHA-1 under its public key (channels.md 1.8).
    pub fn seal_field(&self, key: &KeyRef, plain: &[u8]) -> Result<Vec<u8>, KeyError> {
        let material = self.get(key)?;
        let Material::RsaPublic(public, _) = &*material else {
            return Err(KeyError::Kind("an RSA public key"));
        };
        field::seal(public.as_ref(), plain)
    }

    /// A secret that its channel's protocol sends with the request itself: an app's (channels.md 7) or a password of a bank's
    /// query (6.3), which signs and opens nothing. Only what lies in a folder `app-secret`, and passwords, leave here.
    pub fn sent_along(&self, key: &KeyRef) -> Result<Zeroizing<String>, KeyError> {
        if let Material::Password(password) = &*self.get(key)? {
            return Ok(password.text());
        }
        if !key.as_str().contains("/app-secret/") {
            return Err(KeyError::Kind("an app's secret"));
        }
        self.get(key)?.text()
    }

    /// A signer of checkpoints over an Ed25519 private key.
    pub fn signer(&self, key: &KeyRef) -> Result<Arc<dyn Sign>, KeyError> {
        let material = self.get(key)?;
        match &*material {
            Material::Ed25519Private(_) => Ok(Arc::new(Signer(material))),
            _ => Err(KeyError::Kind("an Ed25519 private key")),
        }
    }

    /// The public half of a private key, as PEM.
    pub fn public_pem(&self, key: &KeyRef) -> Result<String, KeyError> {
        let material = self.get(key)?;
        let half = material.public_half().ok_or(KeyError::Kind("a private key"))?;
        Ok(pem("PUBLIC KEY", &spki(&material, &half)))
    }
}

struct Signer(Arc<Material>);

impl Sign for Signer {
    fn public_key(&self) -> [u8; 32] {
        let half = self.0.public_half().unwrap_or_default();
        half.try_into().expect("an Ed25519 public key has 32 octets")
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        let Material::Ed25519Private(pair) = &*self.0 else {
            unreachable!("checked when the signer was made")
        };
        pair.sign(message)
            .as_ref()
            .try_into()
            .expect("an Ed25519 signature has 64 octets")
    }
}

/// Checks an Ed25519 signature by a raw public key, as journals and registries are signed.
pub fn verify_ed25519(public_key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key)
        .verify(message, signature)
        .is_ok()
}

/// A new Ed25519 private key, PKCS#8 PEM of version 1: OpenSSL 3.0, and with it Python and Node, read no key with its public
/// half beside it (RFC 5958, version 2).
pub fn generate_ed25519() -> Result<Zeroizing<String>, KeyError> {
    let document = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new())
        .map_err(|_| KeyError::Unreadable("randomness"))?;
    Ok(Zeroizing::new(pem("PRIVATE KEY", document.as_ref())))
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        text.push_str(std::str::from_utf8(line).unwrap_or_default());
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// Subject public key info around a bare public key.
fn spki(material: &Material, key: &[u8]) -> Vec<u8> {
    match material {
        Material::Ed25519Private(_) => {
            let mut der = hex::decode("302a300506032b6570032100").unwrap_or_default();
            der.extend_from_slice(key);
            der
        }
        _ => {
            // SEQUENCE { SEQUENCE { rsaEncryption, NULL }, BIT STRING { key } }
            let algorithm = hex::decode("300d06092a864886f70d0101010500").unwrap_or_default();
            let mut bits = vec![0];
            bits.extend_from_slice(key);
            let mut inner = algorithm;
            inner.extend(tlv(0x03, &bits));
            tlv(0x30, &inner)
        }
    }
}

fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut der = vec![tag];
    match value.len() {
        n if n < 128 => der.push(n as u8),
        n if n < 256 => der.extend([0x81, n as u8]),
        n => der.extend([0x82, (n >> 8) as u8, n as u8]),
    }
    der.extend_from_slice(value);
    der
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::{encoding::AsDer, rsa::KeySize, signature::RsaKeyPair};
    use rustls_pki_types::{PrivateKeyDer, pem::PemObject};

    fn name(text: &str) -> KeyRef {
        KeyRef::new(text).expect("lawful")
    }

    #[test]
    fn signs_and_verifies_by_name_whatever_the_form_of_the_file() {
        let keys = Keys::default();
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        let der: Vec<u8> = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&rsa)
            .expect("der")
            .as_ref()
            .to_vec();
        keys.put(
            name("a"),
            Material::read(pem("PRIVATE KEY", &der).as_bytes()).expect("readable"),
        );
        keys.put(
            name("bare"),
            Material::read(STANDARD.encode(&der).as_bytes()).expect("readable"),
        );
        keys.put(
            name("e"),
            Material::read(generate_ed25519().expect("a key").as_bytes()).expect("readable"),
        );
        // PrivateKeyInfo of version 0, Ed25519, and nothing behind the 32 octets: what everybody's tools read.
        let made = generate_ed25519().expect("a key");
        let made = PrivateKeyDer::from_pem_slice(made.as_bytes()).expect("PEM");
        assert!(hex::encode(made.secret_der()).starts_with("302e020100300506032b657004220420"));
        assert_eq!(made.secret_der().len(), 48);
        for private in ["a", "bare", "e"] {
            let public = keys.public_pem(&name(private)).expect("public half");
            keys.put(name("p"), Material::read(public.as_bytes()).expect("readable"));
            let signature = keys.sign(&name(private), b"m").expect("signed");
            assert_eq!(keys.verify(&name("p"), b"m", &signature), Ok(()), "{private}");
            assert_eq!(
                keys.verify(&name("p"), b"n", &signature),
                Err(KeyError::Signature)
            );
            assert!(matches!(keys.sign(&name("p"), b"m"), Err(KeyError::Kind(_))));
        }
        assert!(matches!(keys.sign(&name("x"), b"m"), Err(KeyError::Unknown(_))));
    }

    #[test]
    //= C52
    fn a_key_that_is_registered_no_longer_is_gone() {
        let keys = Keys::default();
        let secret = || Material::secret(b"0123456789abcdef0123456789abcdef\n").expect("32 characters");
        keys.put_all(vec![(name("api/m1/1"), secret()), (name("answer/1"), secret())]);
        keys.exchange(&[name("api/m1/1")], vec![(name("api/m1/2"), secret())]);
        assert_eq!(
            keys.list()
                .iter()
                .map(|k| k.key.as_str().to_owned())
                .collect::<Vec<_>>(),
            ["answer/1", "api/m1/2"]
        );
        keys.put_all(vec![
            (name("answer/2"), secret()),
            (name("answer-not/3"), secret()),
            (name("answers/4"), secret()),
        ]);
        assert_eq!(keys.last_in(&name("answer"), "secret"), Some(name("answer/2")));
        assert_eq!(keys.last_in(&name("answer"), "RSA private key"), None);
        assert!(Material::secret(b"short").is_err());
        keys.put(name("wechat/19/app-secret/wx1"), secret());
        assert_eq!(
            keys.sent_along(&name("wechat/19/app-secret/wx1"))
                .map(|s| s.len()),
            Ok(32)
        );
        assert!(
            matches!(keys.sent_along(&name("answer/2")), Err(KeyError::Kind(_))),
            "a key that opens or signs left"
        );
    }
}
