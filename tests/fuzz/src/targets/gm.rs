//! 国密: what is signed by SM2 and sealed by SM4, and the keys for it.

use super::{messages, parts, tells_no_number};
use certs::{KeyError, Keys, Material};
use channel::{
    Account,
    notice::{self, NoticeError},
};
use domain::{Channel, KeyRef, SignMethod};
use std::sync::LazyLock;

const SCHEME: &str = "WECHATPAY2-SM2-WITH-SM3";

/// Parts: header lines, body. What is taken says the scheme once and is signed whole; the account that signs by RSA takes none of
/// it, and neither opens what the other's seals.
pub(crate) fn noticed(data: &[u8]) {
    let [lines, body] = parts(data);
    let headers = messages::headers(lines);
    let rsa = messages::account(Channel::Wechat, false);
    let account = Account {
        sign_method: SignMethod::Sm2,
        ..messages::account(Channel::Wechat, false)
    };
    match notice::authenticate(Channel::Wechat, &account, &headers, body, messages::NOW) {
        Ok(signed) => {
            let mut said = headers.get_all("wechatpay-signature-type").iter();
            assert!(said.next().is_some_and(|v| v == SCHEME) && said.next().is_none());
            assert!(signed.message.ends_with(&[b"\n", body, b"\n"].concat()));
            let other = notice::authenticate(Channel::Wechat, &rsa, &headers, body, messages::NOW);
            assert!(
                matches!(other, Err(NoticeError::Envelope(_))),
                "one scheme was taken for the other"
            );
        }
        Err(error) => tells_no_number(error.kind(), data),
    }
    if let Ok(Some(resource)) = notice::sealed(&account, body) {
        assert!(resource.sm4 && resource.nonce.len() == 12);
        assert!(
            notice::sealed(&rsa, body).is_err(),
            "one sealing was taken for the other"
        );
        if let Ok(plain) = KEYS.open_sm4(
            &key("apiv3"),
            &resource.nonce,
            &resource.associated_data,
            &resource.ciphertext,
        ) {
            assert_eq!(plain.len() + 16, resource.ciphertext.len());
            let _ = notice::read(&account, &plain, resource.kind);
        }
    }
}

fn key(name: &str) -> KeyRef {
    KeyRef::new(name).expect("lawful")
}

/// A public key whose private half nobody kept, and an APIv3 secret.
static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    const PUBLIC: &str = "MFkwEwYHKoZIzj0CAQYIKoEcz1UBgi0DQgAEX0rKXf6XGiBkhYCd1nt8V1uLSW85rP3nzrDMhwKOm4t7DNXqhtPoF76ZiKBwDR+GUq9Zzc7VHko8uXoHzsE58Q==";
    let keys = Keys::default();
    keys.put(key("public"), Material::read(PUBLIC.as_bytes()).expect("a key"));
    keys.put(key("apiv3"), Material::secret(&[b'k'; 32]).expect("a secret"));
    keys
});

/// What the seed's signature is of; nobody can make another one.
const SIGNED: &[u8] = b"POST\n/n\n";

/// By the first octet a key file, a signature, or a nonce with what is sealed: a key signs and verifies or does neither, no
/// signature but the true one counts, and no error repeats what it read.
pub(crate) fn keys(data: &[u8]) {
    let (first, rest) = data.split_first().unwrap_or((&0, b""));
    match first % 3 {
        0 => file(rest),
        1 => {
            let verdict = KEYS.verify(&key("public"), SIGNED, rest);
            assert!(verdict.is_ok() || verdict == Err(KeyError::Signature));
            assert!(KEYS.verify(&key("public"), b"another message", rest).is_err());
        }
        _ => {
            let (nonce, sealed) = rest.split_at(rest.len().min(12));
            match KEYS.open_sm4(&key("apiv3"), nonce, b"transaction", sealed) {
                Ok(plain) => assert_eq!(plain.len() + 16, sealed.len()),
                Err(error) => assert_eq!(error, KeyError::Ciphertext),
            }
        }
    }
}

fn file(octets: &[u8]) {
    match Material::read(octets) {
        Ok(material) => {
            let (kind, keys) = (material.kind(), Keys::default());
            keys.put(key("read"), material);
            let signs = keys.sign(&key("read"), SIGNED).is_ok();
            assert_eq!(signs, kind.contains("private"), "{kind}");
            assert!(
                keys.verify(&key("read"), SIGNED, b"").is_err(),
                "nothing is no signature: {kind}"
            );
        }
        Err(error) => tells_no_number(&error.to_string(), octets),
    }
}
