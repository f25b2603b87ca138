//! The few primitives the vectors need. The product's own stand in crate `certs`.

use crate::folder;
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    cipher::{
        AES_128, AES_256, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
        PaddedBlockEncryptingKey, UnboundCipherKey,
    },
    hmac,
    iv::FixedLength,
    rand::SystemRandom,
    rsa::{
        KeyPair, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, Pkcs1PrivateDecryptingKey,
        PrivateDecryptingKey,
    },
    signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use sha2::Sha256;
use sm3::Sm3;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The octets of a key or certificate file.
pub(crate) fn file(path: &str) -> Vec<u8> {
    std::fs::read(folder().join(path)).expect("the file is there")
}

/// The octets of the first PEM block.
pub(crate) fn pem(path: &str) -> Vec<u8> {
    let text = String::from_utf8(file(path)).expect("PEM is text");
    let lines: String = text
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with("-----"))
        .collect();
    STANDARD.decode(lines).expect("PEM holds base64")
}

/// Base64 of the signature.
pub(crate) fn sign(key: &str, message: &[u8]) -> String {
    let key = KeyPair::from_pkcs8(&pem(key)).expect("a private key");
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
        .expect("signs");
    STANDARD.encode(signature)
}

pub(crate) fn verifies(key: &str, message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pem(key))
        .verify(message, signature)
        .is_ok()
}

pub(crate) fn open(key: &str, nonce: &[u8], associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_bytes()).expect("32 octets"));
    let nonce = Nonce::try_assume_unique_for_key(nonce).expect("12 octets");
    let mut octets = sealed.to_vec();
    Some(
        key.open_in_place(nonce, Aad::from(associated), &mut octets)
            .ok()?
            .to_vec(),
    )
}

pub(crate) fn oaep_open(key: &str, sealed: &[u8]) -> Vec<u8> {
    let key = PrivateDecryptingKey::from_pkcs8(&pem(key)).expect("a private key");
    let key = OaepPrivateDecryptingKey::new(key).expect("an OAEP key");
    let mut out = vec![0; key.min_output_size()];
    key.decrypt(&OAEP_SHA1_MGF1SHA1, sealed, &mut out, None)
        .expect("opens")
        .to_vec()
}

fn aes_key(key: &str) -> UnboundCipherKey {
    UnboundCipherKey::new(&AES_128, &STANDARD.decode(key).expect("base64")).expect("16 octets")
}

pub(crate) fn cbc_seal(key: &str, plain: &[u8]) -> Vec<u8> {
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(aes_key(key)).expect("key");
    let mut octets = plain.to_vec();
    let zero = EncryptionContext::Iv128(FixedLength::from([0; 16]));
    key.less_safe_encrypt(&mut octets, zero).expect("seals");
    octets
}

pub(crate) fn cbc_open(key: &str, sealed: &[u8]) -> Vec<u8> {
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(aes_key(key)).expect("key");
    let mut octets = sealed.to_vec();
    let zero = DecryptionContext::Iv128(FixedLength::from([0; 16]));
    key.decrypt(&mut octets, zero).expect("opens").to_vec()
}

pub(crate) fn pkcs1_open(key: &str, sealed: &[u8]) -> Vec<u8> {
    let key = PrivateDecryptingKey::from_pkcs8(&pem(key)).expect("a private key");
    let key = Pkcs1PrivateDecryptingKey::new(key).expect("a PKCS#1 key");
    let mut out = vec![0; key.min_output_size()];
    key.decrypt(sealed, &mut out).expect("opens").to_vec()
}

pub(crate) fn sha256_hex(octets: &[u8]) -> String {
    hex::encode(Sha256::digest(octets))
}

/// Hex of the digest over message, `&` and the hex of the secret's digest.
pub(crate) fn keyed(sm3: bool, secret: &str, message: &[u8]) -> String {
    let joined = |own: String| [message, b"&", own.as_bytes()].concat();
    match sm3 {
        true => hex::encode(Sm3::digest(joined(hex::encode(Sm3::digest(secret))))),
        false => sha256_hex(&joined(sha256_hex(secret.as_bytes()))),
    }
}

/// By the key of a certificate in PEM.
pub(crate) fn verifies_with(certificate: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let der = CertificateDer::from_pem_slice(certificate).expect("PEM");
    let (_, certificate) = X509Certificate::from_der(&der).expect("a certificate");
    let key = &certificate.public_key().subject_public_key.data;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
        .verify(message, signature)
        .is_ok()
}

/// Whether a certificate is issued by the middle one, and that by the root.
pub(crate) fn issued(certificate: &[u8], middle: &str, root: &str) -> bool {
    let step = |below: &[u8], above: &[u8]| {
        let der = CertificateDer::from_pem_slice(below).expect("PEM");
        let (_, cert) = X509Certificate::from_der(&der).expect("a certificate");
        verifies_with(above, cert.tbs_certificate.as_ref(), &cert.signature_value.data)
    };
    let (middle, root) = (file(middle), file(root));
    step(certificate, &middle) && step(&middle, &root)
}

/// WeChat's V2 digest: the key stands behind the text (channels.md 2.1).
pub(crate) fn v2(hmac: bool, key: &str, message: &[u8]) -> Vec<u8> {
    let text = [message, b"&key=", key.as_bytes()].concat();
    if !hmac {
        return Md5::digest(&text).to_vec();
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    hmac::sign(&key, &text).as_ref().to_vec()
}

/// The AES key of WeChat's V2 refund notices, and what it opens (channels.md 2.3).
pub(crate) fn v2_open(key: &str, sealed: &[u8]) -> (String, Vec<u8>) {
    let key = hex::encode(Md5::digest(key.as_bytes()));
    let aes = UnboundCipherKey::new(&AES_256, key.as_bytes()).expect("32 octets");
    let aes = PaddedBlockDecryptingKey::ecb_pkcs7(aes).expect("key");
    let mut octets = sealed.to_vec();
    let plain = aes
        .decrypt(&mut octets, DecryptionContext::None)
        .expect("opens")
        .to_vec();
    (key, plain)
}
