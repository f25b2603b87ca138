//! Digests that a shared secret vouches for: UnionPay's signMethod 11 and 12 (channels.md 4.2).

use crate::{KeyError, Keys, Material};
use domain::{KeyRef, SignMethod};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use sm3::Sm3;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

impl Keys {
    /// Vouches for a message as the method says: the octets of a signature, or the hex text of a digest.
    pub fn vouch(&self, method: SignMethod, key: &KeyRef, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match method {
            SignMethod::Signature | SignMethod::Sm2 => self.sign(key, message),
            SignMethod::KeyedSha256 => self.keyed::<Sha256>(key, message),
            SignMethod::KeyedSm3 => self.keyed::<Sm3>(key, message),
        }
    }

    /// Checks what [`Keys::vouch`] makes, or the signature that belongs to it.
    pub fn vouched(
        &self,
        method: SignMethod,
        key: &KeyRef,
        message: &[u8],
        mark: &[u8],
    ) -> Result<(), KeyError> {
        let wanted = match method {
            SignMethod::Signature | SignMethod::Sm2 => return self.verify(key, message, mark),
            SignMethod::KeyedSha256 | SignMethod::KeyedSm3 => self.vouch(method, key, message)?,
        };
        if bool::from(wanted.ct_eq(mark)) {
            Ok(())
        } else {
            Err(KeyError::Signature)
        }
    }

    /// Hex of the digest over message, `&` and the hex of the secret's own digest.
    fn keyed<D: Digest>(&self, key: &KeyRef, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let material = self.get(key)?;
        let Material::Secret(secret) = &*material else {
            return Err(KeyError::Kind("a secret"));
        };
        let own = Zeroizing::new(hex::encode(D::digest(secret.expose_secret())));
        let digest = D::new()
            .chain_update(message)
            .chain_update(b"&")
            .chain_update(own.as_bytes())
            .finalize();
        Ok(hex::encode(digest).into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> (Keys, KeyRef) {
        let (keys, name) = (Keys::default(), KeyRef::new("unionpay/1/secure").expect("lawful"));
        keys.put(
            name.clone(),
            Material::secret(b"Wmjn5PB2hQDyOETnT9ZJQViYf7d1KDWG").expect("32 characters"),
        );
        (keys, name)
    }

    #[test]
    fn digests_are_the_ones_of_the_vectors() {
        let (keys, name) = secret();
        let text = |method, order| {
            format!(
                "accessType=0&bizType=000000&encoding=UTF-8&merId=777290058110048&orderId={order}&signMethod={method}&txnSubType=00&txnTime=20260101080000&txnType=00&version=5.1.0"
            )
        };
        let rows = [
            (
                SignMethod::KeyedSha256,
                "20260101080000001",
                "61b6fdf80397ac52d1d3e4da1cec02c438784fd2c379ebf60473b289e6456901",
            ),
            (
                SignMethod::KeyedSm3,
                "SM3A",
                "6f7ab77e9f6cb7cfa0c2151277b983570d70d2f1df172e07f070bba04df19fd9",
            ),
        ];
        for (method, order, wanted) in rows {
            let message = text(method.as_str(), order);
            let mark = keys.vouch(method, &name, message.as_bytes()).expect("vouched");
            assert_eq!(String::from_utf8_lossy(&mark), wanted);
            assert_eq!(keys.vouched(method, &name, message.as_bytes(), &mark), Ok(()));
            assert_eq!(keys.vouched(method, &name, b"x", &mark), Err(KeyError::Signature));
            assert_eq!(
                keys.vouched(method, &name, message.as_bytes(), &mark[1..]),
                Err(KeyError::Signature)
            );
            assert_eq!(
                keys.vouched(
                    method,
                    &name,
                    message.as_bytes(),
                    wanted.to_uppercase().as_bytes()
                ),
                Err(KeyError::Signature)
            );
        }
    }

    #[test]
    fn a_secret_signs_nothing_and_a_key_makes_no_digest() {
        let (keys, name) = secret();
        assert!(matches!(
            keys.vouch(SignMethod::Signature, &name, b"m"),
            Err(KeyError::Kind(_))
        ));
        keys.put(
            name.clone(),
            Material::read(crate::generate_ed25519().expect("a key").as_bytes()).expect("readable"),
        );
        assert_eq!(
            keys.vouch(SignMethod::KeyedSm3, &name, b"m"),
            Err(KeyError::Kind("a secret"))
        );
        let absent = KeyRef::new("unionpay/2/secure").expect("lawful");
        assert_eq!(
            keys.vouch(SignMethod::KeyedSha256, &absent, b"m"),
            Err(KeyError::Unknown(absent))
        );
    }
}
