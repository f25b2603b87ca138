//! Key files as they come: PEM in its several forms, bare base64 of DER (as Alipay hands them out), raw secrets.

use crate::{
    ApiV2, Ccb, Certificate, CertificateFacts, Content, KeyError, Keyed, Password, Sha1Private, Sm2Key,
    Sm2Private, Suffixed,
};
use aws_lc_rs::{
    aead::{AES_256_GCM, LessSafeKey, UnboundKey},
    signature::{ED25519, Ed25519KeyPair, KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::Instant;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer, pem::PemObject};
use secrecy::{ExposeSecret, SecretBox};
use zeroize::Zeroizing;

/// What a key file may hold. Of another curve, or of SM2 in another form (`EC PRIVATE KEY`), it is none.
const KINDS: &str = "an RSA key of 2048 to 8192 bits, an Ed25519 key or an SM2 key (a private one as PKCS#8)";

/// A key, ready for use. Has no `Debug`: its octets cannot be printed.
pub enum Material {
    /// RSA private key of 2048 bits or more.
    RsaPrivate(Box<RsaKeyPair>),
    /// RSA public key, with the certificate's end where it came in one.
    RsaPublic(ParsedPublicKey, Option<Instant>),
    /// Ed25519 private key.
    Ed25519Private(Box<Ed25519KeyPair>),
    /// Ed25519 public key.
    Ed25519Public(ParsedPublicKey),
    /// A secret of 32 octets for AES-256-GCM.
    Secret(SecretBox<[u8]>),
    /// WeChat's APIv2 key, for one of its digests.
    ApiV2(ApiV2),
    /// A certificate that we show in TLS.
    Certificate(Box<Certificate>),
    /// A secret that stands behind the text of a digest.
    Keyed(Keyed),
    /// A key for Alipay's content encryption.
    Content(Content),
    /// SM2 public key.
    Sm2Public(Box<Sm2Key>),
    /// SM2 private key.
    Sm2Private(Box<Sm2Private>),
    /// A counter's public key at CCB.
    Ccb(Box<Ccb>),
    /// A password that is sent as it is.
    Password(Password),
    /// A merchant's key at CMB.
    Suffixed(Suffixed),
    /// RSA private key that signs over SHA-1.
    Sha1Private(Box<Sha1Private>),
    /// RSA public key for signatures over SHA-1, with the certificate's end where it came in one.
    Sha1Public(ParsedPublicKey, Option<Instant>),
}

impl Material {
    /// Reads whatever form of asymmetric key this is.
    pub fn read(bytes: &[u8]) -> Result<Material, KeyError> {
        let text =
            std::str::from_utf8(bytes).map_err(|_| KeyError::Unreadable("a key file in PEM or base64"))?;
        if text.contains("PRIVATE KEY-----") {
            let der = PrivateKeyDer::from_pem_slice(bytes)
                .map_err(|_| KeyError::Unreadable("a private key in PEM"))?;
            return Self::private(der.secret_der());
        }
        if text.contains("BEGIN CERTIFICATE") {
            let der = CertificateDer::from_pem_slice(bytes)
                .map_err(|_| KeyError::Unreadable("a certificate in PEM"))?;
            let facts = CertificateFacts::read(&der)?;
            return Self::public_of(&facts);
        }
        if text.contains("BEGIN PUBLIC KEY") {
            let der = SubjectPublicKeyInfoDer::from_pem_slice(bytes)
                .map_err(|_| KeyError::Unreadable("a public key in PEM"))?;
            return Self::public(&der, None);
        }
        let packed: Zeroizing<String> = Zeroizing::new(text.split_whitespace().collect());
        let der = Zeroizing::new(
            STANDARD
                .decode(packed.as_bytes())
                .map_err(|_| KeyError::Unreadable("a key file in PEM or base64"))?,
        );
        Self::private(&der).or_else(|_| Self::public(&der, None))
    }

    /// A secret for AES-256-GCM: exactly 32 octets.
    pub fn secret(bytes: &[u8]) -> Result<Material, KeyError> {
        let bytes = bytes.trim_ascii_end();
        if bytes.len() != 32 {
            return Err(KeyError::Unreadable("a secret of exactly 32 characters"));
        }
        Ok(Material::Secret(SecretBox::new(bytes.into())))
    }

    fn private(der: &[u8]) -> Result<Material, KeyError> {
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
            return Ok(Material::Ed25519Private(Box::new(pair)));
        }
        if let Some(key) = Sm2Private::read(der) {
            return Ok(Material::Sm2Private(Box::new(key)));
        }
        let pair = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der));
        pair.map(|p| Material::RsaPrivate(Box::new(p)))
            .map_err(|_| KeyError::Unreadable(KINDS))
    }

    /// The key of a certificate, with its end.
    pub(crate) fn public_of(facts: &CertificateFacts) -> Result<Material, KeyError> {
        Self::public(&facts.public_key, Some(facts.not_after))
    }

    /// A public key, as subject public key info.
    pub(crate) fn public_key(spki: &[u8]) -> Result<Material, KeyError> {
        Self::public(spki, None)
    }

    fn public(spki: &[u8], not_after: Option<Instant>) -> Result<Material, KeyError> {
        if let Ok(key) = ParsedPublicKey::new(&ED25519, spki) {
            return Ok(Material::Ed25519Public(key));
        }
        if let Some(key) = Sm2Key::read(spki) {
            return Ok(Material::Sm2Public(Box::new(key)));
        }
        let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, spki);
        key.map(|k| Material::RsaPublic(k, not_after))
            .map_err(|_| KeyError::Unreadable(KINDS))
    }

    /// Verifies a signature of the key's own kind.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        match self {
            Material::RsaPublic(public, _)
            | Material::Ed25519Public(public)
            | Material::Sha1Public(public, _) => public
                .verify_sig(message, signature)
                .map_err(|_| KeyError::Signature),
            Material::ApiV2(key) => key.verify(message, signature),
            Material::Sm2Public(public) => public.verify(message, signature),
            Material::Keyed(secret) => secret.verify(message, signature),
            Material::Ccb(key) => key.verify(message, signature),
            _ => Err(KeyError::Kind("a public key")),
        }
    }

    /// What it is, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Material::RsaPrivate(_) => "RSA private key",
            Material::RsaPublic(..) => "RSA public key",
            Material::Ed25519Private(_) => "Ed25519 private key",
            Material::Ed25519Public(_) => "Ed25519 public key",
            Material::Secret(_) => "secret",
            Material::ApiV2(key) => key.kind(),
            Material::Certificate(_) => "certificate that we show",
            Material::Keyed(secret) => secret.kind(),
            Material::Content(_) => "content key",
            Material::Sm2Public(_) => "SM2 public key",
            Material::Sm2Private(_) => "SM2 private key",
            Material::Ccb(_) => "RSA public key for MD5",
            Material::Password(_) => "password",
            Material::Suffixed(_) => "secret for SHA-256",
            Material::Sha1Private(_) => "RSA private key for SHA-1",
            Material::Sha1Public(..) => "RSA public key for SHA-1",
        }
    }

    /// When it ends, where known.
    pub fn not_after(&self) -> Option<Instant> {
        match self {
            Material::RsaPublic(_, not_after) | Material::Sha1Public(_, not_after) => *not_after,
            Material::Certificate(shown) => Some(shown.not_after()),
            _ => None,
        }
    }

    /// The public half of a private key, as SPKI or raw octets. `None` for what has none.
    pub fn public_half(&self) -> Option<Vec<u8>> {
        match self {
            Material::RsaPrivate(pair) => Some(pair.public_key().as_ref().to_vec()),
            Material::Ed25519Private(pair) => Some(pair.public_key().as_ref().to_vec()),
            _ => None,
        }
    }

    /// A secret as text.
    pub(crate) fn text(&self) -> Result<Zeroizing<String>, KeyError> {
        let Material::Secret(secret) = self else {
            return Err(KeyError::Kind("a secret"));
        };
        let text = std::str::from_utf8(secret.expose_secret())
            .map_err(|_| KeyError::Kind("a secret of characters"))?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    pub(crate) fn aead(&self) -> Result<LessSafeKey, KeyError> {
        let Material::Secret(secret) = self else {
            return Err(KeyError::Kind("a secret"));
        };
        let key = UnboundKey::new(&AES_256_GCM, secret.expose_secret())
            .map_err(|_| KeyError::Kind("a secret of 32 octets"))?;
        Ok(LessSafeKey::new(key))
    }
}
