//! The channels' own cryptography: RSA signatures and AES-GCM.

use crate::material::MaterialError;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_128, AES_256, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_SHA256,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject};
use std::path::Path;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A private key that signs with RSA PKCS#1 v1.5 and SHA-256.
pub(crate) struct Signer(KeyPair, Option<OaepPrivateDecryptingKey>);

impl Signer {
    pub(crate) fn read(path: &Path) -> Result<Signer, MaterialError> {
        let bad = || MaterialError::Unreadable(path.to_owned(), "a PKCS#8 RSA key");
        let der = PrivatePkcs8KeyDer::from_pem_file(path).map_err(|_| bad())?;
        let opener = PrivateDecryptingKey::from_pkcs8(der.secret_pkcs8_der())
            .ok()
            .and_then(|key| OaepPrivateDecryptingKey::new(key).ok());
        let pair = KeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| bad())?;
        Ok(Signer(pair, opener))
    }

    /// Opens a field that was sealed for this key: base64 of RSA-OAEP with SHA-1.
    pub(crate) fn open_field(&self, sealed: &str) -> Option<String> {
        let opener = self.1.as_ref()?;
        let sealed = STANDARD.decode(sealed).ok()?;
        let mut out = vec![0; opener.min_output_size()];
        let plain = opener
            .decrypt(&OAEP_SHA1_MGF1SHA1, &sealed, &mut out, None)
            .ok()?;
        String::from_utf8(plain.to_vec()).ok()
    }

    /// The signature in base64; empty if the library refuses, which every verifier takes for wrong.
    pub(crate) fn sign(&self, message: &[u8]) -> String {
        let mut signature = vec![0; self.0.public_modulus_len()];
        match self
            .0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
        {
            Ok(()) => STANDARD.encode(signature),
            Err(_) => String::new(),
        }
    }
}

/// A merchant's public key.
pub(crate) struct Verifier(ParsedPublicKey);

impl Verifier {
    pub(crate) fn read_certificate(path: &Path) -> Result<Verifier, MaterialError> {
        let bad = || MaterialError::Unreadable(path.to_owned(), "an RSA certificate");
        let der = CertificateDer::from_pem_file(path).map_err(|_| bad())?;
        let (_, cert) = X509Certificate::from_der(&der).map_err(|_| bad())?;
        let key = &cert.public_key().subject_public_key.data;
        ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.as_ref())
            .map(Verifier)
            .map_err(|_| bad())
    }

    /// Whether this base64 is this key's signature of the message.
    pub(crate) fn verify(&self, message: &[u8], signature: &str) -> bool {
        STANDARD
            .decode(signature)
            .is_ok_and(|s| self.0.verify_sig(message, &s).is_ok())
    }
}

/// A merchant's public key for signatures over SHA-1.
pub(crate) struct Sha1Verifier(ParsedPublicKey);

impl Sha1Verifier {
    pub(crate) fn read_certificate(path: &Path) -> Result<Sha1Verifier, MaterialError> {
        let bad = || MaterialError::Unreadable(path.to_owned(), "an RSA certificate");
        let der = CertificateDer::from_pem_file(path).map_err(|_| bad())?;
        let (_, cert) = X509Certificate::from_der(&der).map_err(|_| bad())?;
        let key = &cert.public_key().subject_public_key.data;
        ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, key.as_ref())
            .map(Sha1Verifier)
            .map_err(|_| bad())
    }

    /// Whether this base64 is this key's signature of the message.
    pub(crate) fn verify_sha1(&self, message: &[u8], signature: &str) -> bool {
        STANDARD
            .decode(signature)
            .is_ok_and(|s| self.0.verify_sig(message, &s).is_ok())
    }
}

/// A certificate, DER.
pub(crate) fn certificate(path: &Path) -> Result<Vec<u8>, MaterialError> {
    let der = CertificateDer::from_pem_file(path);
    der.map(|der| der.to_vec())
        .map_err(|_| MaterialError::Unreadable(path.to_owned(), "a certificate"))
}

/// From when to when a certificate is valid, RFC 3339.
pub(crate) fn validity(path: &Path) -> Result<(String, String), MaterialError> {
    let bad = || MaterialError::Unreadable(path.to_owned(), "a certificate");
    let der = CertificateDer::from_pem_file(path).map_err(|_| bad())?;
    let (_, cert) = X509Certificate::from_der(&der).map_err(|_| bad())?;
    let text = |time: x509_parser::time::ASN1Time| domain::Instant::from_secs(time.timestamp()).to_string();
    Ok((text(cert.validity().not_before), text(cert.validity().not_after)))
}

/// Seals under an APIv3 key: 12-character nonce and base64 of ciphertext and tag.
pub(crate) fn seal(apiv3_key: &str, associated_data: &str, plaintext: &str) -> (String, String) {
    let nonce = random_text(12);
    let sealed = UnboundKey::new(&AES_256_GCM, apiv3_key.as_bytes())
        .ok()
        .and_then(|key| {
            let mut bytes = plaintext.as_bytes().to_vec();
            let number = Nonce::try_assume_unique_for_key(nonce.as_bytes()).ok()?;
            let key = LessSafeKey::new(key);
            key.seal_in_place_append_tag(number, Aad::from(associated_data.as_bytes()), &mut bytes)
                .ok()?;
            Some(STANDARD.encode(bytes))
        });
    (nonce, sealed.unwrap_or_default())
}

/// The seal of V2's refund notices: AES-256-ECB with PKCS#7 under the lower-case hex of the key's MD5, in base64.
pub(crate) fn seal_v2(apiv2_key: &str, plain: &str) -> String {
    use md5::{Digest as _, Md5};
    let name = hex::encode(Md5::digest(apiv2_key.as_bytes()));
    let sealed = UnboundCipherKey::new(&AES_256, name.as_bytes())
        .and_then(PaddedBlockEncryptingKey::ecb_pkcs7)
        .and_then(|cipher| {
            let mut text = plain.as_bytes().to_vec();
            cipher.encrypt(&mut text)?;
            Ok(STANDARD.encode(text))
        });
    sealed.unwrap_or_default()
}

/// Alipay's encryption of contents: AES-CBC, IV of zeroes, PKCS#7; key, result and text in base64.
pub(crate) fn encrypt_content(aes_key: &str, plain: &[u8]) -> Option<String> {
    let cipher = PaddedBlockEncryptingKey::cbc_pkcs7(content_key(aes_key)?).ok()?;
    let mut text = plain.to_vec();
    let zero = EncryptionContext::Iv128(FixedLength::from([0; 16]));
    cipher.less_safe_encrypt(&mut text, zero).ok()?;
    Some(STANDARD.encode(text))
}

/// The inverse of [`encrypt_content`].
pub(crate) fn decrypt_content(aes_key: &str, text: &str) -> Option<String> {
    let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(content_key(aes_key)?).ok()?;
    let mut text = STANDARD.decode(text).ok()?;
    let zero = DecryptionContext::Iv128(FixedLength::from([0; 16]));
    let plain = cipher.decrypt(&mut text, zero).ok()?;
    String::from_utf8(plain.to_vec()).ok()
}

fn content_key(aes_key: &str) -> Option<UnboundCipherKey> {
    let key = STANDARD.decode(aes_key).ok()?;
    let algorithm = if key.len() == 32 { &AES_256 } else { &AES_128 };
    UnboundCipherKey::new(algorithm, &key).ok()
}

/// Well-formed base64 of a signature that is not this one.
pub(crate) fn spoilt(signature: &str) -> String {
    let first = if signature.starts_with('A') { "B" } else { "A" };
    format!("{first}{}", signature.get(1..).unwrap_or_default())
}

/// A signature probe (签名探测): the known prefix where a signature should begin.
pub(crate) fn probe(signature: &str) -> String {
    const PREFIX: &str = "WECHATPAY/SIGNTEST/";
    format!("{PREFIX}{}", signature.get(PREFIX.len()..).unwrap_or_default())
}

/// Random letters and digits.
pub(crate) fn random_text(length: usize) -> String {
    const SET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstuvwxy";
    random_bytes(length)
        .iter()
        .map(|b| char::from(SET[usize::from(b % 32)]))
        .collect()
}

/// Random decimal digits.
pub(crate) fn random_digits(length: usize) -> String {
    random_bytes(length)
        .iter()
        .map(|b| char::from(b'0' + b % 10))
        .collect()
}

/// Random upper-case hex digits.
pub(crate) fn random_hex(length: usize) -> String {
    let mut text = hex::encode_upper(random_bytes(length.div_ceil(2)));
    text.truncate(length);
    text
}

fn random_bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    // A sandbox without randomness is of no use; its numbers would merely repeat and be refused as duplicates.
    let _ = getrandom::fill(&mut bytes);
    bytes
}
