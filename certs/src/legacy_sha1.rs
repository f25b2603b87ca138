//! RSA over SHA-1, which older gateways of banks want in both directions (channels.md 6.2). The library that does all else
//! verifies such signatures and makes none, so the private half is done here: blinded in base and exponent, and each signature is
//! checked before it leaves, so that neither time nor a fault tells of the key.

use crate::{CertificateFacts, KeyError, Material, legacy::field};
use aws_lc_rs::{
    digest::{SHA1_FOR_LEGACY_USE_ONLY, digest},
    signature::{ParsedPublicKey, RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY},
};
use num_bigint::BigUint;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer, pem::PemObject};

/// DER of "SHA-1, no parameters" and the head of its twenty octets (RFC 8017, 9.2).
const SHA1_INFO: [u8; 15] = [
    0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14,
];

/// A private key that signs over SHA-1.
pub struct Sha1Private {
    modulus: BigUint,
    public: BigUint,
    secret: BigUint,
    /// (p − 1)(q − 1): adding a multiple of it to the exponent changes nothing but the time that it takes.
    order: BigUint,
    octets: usize,
}

impl Sha1Private {
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let wrong = || KeyError::Kind("an RSA key that can sign");
        let info = [
            &SHA1_INFO[..],
            digest(&SHA1_FOR_LEGACY_USE_ONLY, message).as_ref(),
        ]
        .concat();
        let mut block = vec![0xff; self.octets];
        (block[0], block[1]) = (0, 1);
        let start = self.octets - info.len();
        block[start - 1] = 0;
        block[start..].copy_from_slice(&info);
        let block = BigUint::from_bytes_be(&block);
        let random = |octets: usize| -> Result<BigUint, KeyError> {
            let mut bytes = vec![0; octets];
            getrandom::fill(&mut bytes).map_err(|_| KeyError::Kind("usable without randomness"))?;
            Ok(BigUint::from_bytes_be(&bytes))
        };
        let blind = random(self.octets + 8)? % &self.modulus;
        let undo = blind.modinv(&self.modulus).ok_or_else(wrong)?;
        let exponent = &self.secret + &self.order * random(8)?;
        let blinded = &block * blind.modpow(&self.public, &self.modulus) % &self.modulus;
        let signature = blinded.modpow(&exponent, &self.modulus) * undo % &self.modulus;
        if signature.modpow(&self.public, &self.modulus) != block {
            return Err(wrong());
        }
        let short = signature.to_bytes_be();
        let mut out = vec![0; self.octets - short.len()];
        out.extend(short);
        Ok(out)
    }

    /// Of PKCS#1: version, n, e, d, p, q and what makes it faster.
    fn of(der: &[u8]) -> Option<Sha1Private> {
        let (key, rest) = field(der, 0x30)?;
        let (_, mut parts) = field(key, 0x02)?;
        let mut next = || {
            let (value, rest) = field(parts, 0x02)?;
            parts = rest;
            Some(BigUint::from_bytes_be(value))
        };
        let (modulus, public, secret, p, q) = (next()?, next()?, next()?, next()?, next()?);
        let one = BigUint::from(1_u8);
        let lawful = rest.is_empty()
            && &p * &q == modulus
            && [&public, &secret, &p, &q].iter().all(|part| **part > one)
            && (1024..=8192).contains(&modulus.bits())
            && modulus.bit(0)
            && public.bit(0);
        if !lawful {
            return None;
        }
        let order = (&p - &one) * (&q - &one);
        let apart = &public * &secret - &one;
        // The private exponent may be the inverse by (p − 1)(q − 1) or by what p − 1 and q − 1 have in common.
        let inverse = [&p, &q]
            .iter()
            .all(|prime| &apart % (*prime - &one) == BigUint::ZERO);
        inverse.then(|| Sha1Private {
            octets: modulus.bits().div_ceil(8) as usize,
            modulus,
            public,
            secret,
            order,
        })
    }
}

impl Material {
    /// A key for signatures over SHA-1: a private key, a public key or a certificate in PEM, RSA of 1024 to 8192 bits.
    pub fn sha1(bytes: &[u8]) -> Result<Material, KeyError> {
        let wrong = KeyError::Unreadable("an RSA key or a certificate of one in PEM, 1024 to 8192 bits");
        let text = String::from_utf8_lossy(bytes);
        if text.contains("PRIVATE KEY-----") {
            let der = PrivateKeyDer::from_pem_slice(bytes).map_err(|_| wrong.clone())?;
            let own = match &der {
                PrivateKeyDer::Pkcs1(own) => Sha1Private::of(own.secret_pkcs1_der()),
                PrivateKeyDer::Pkcs8(packed) => inside(packed.secret_pkcs8_der()).and_then(Sha1Private::of),
                _ => None,
            };
            return own.map(|own| Material::Sha1Private(Box::new(own))).ok_or(wrong);
        }
        let (spki, not_after) = if text.contains("BEGIN CERTIFICATE") {
            let der = CertificateDer::from_pem_slice(bytes).map_err(|_| wrong.clone())?;
            let facts = CertificateFacts::read(&der)?;
            (facts.public_key, Some(facts.not_after))
        } else {
            let der = SubjectPublicKeyInfoDer::from_pem_slice(bytes).map_err(|_| wrong.clone())?;
            (der.to_vec(), None)
        };
        ParsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, &spki)
            .map(|key| Material::Sha1Public(key, not_after))
            .map_err(|_| wrong)
    }
}

/// PKCS#8: version, algorithm, and the key in an octet string.
fn inside(der: &[u8]) -> Option<&[u8]> {
    let (outer, _) = field(der, 0x30)?;
    let (_, rest) = field(outer, 0x02)?;
    let (_, rest) = field(rest, 0x30)?;
    field(rest, 0x04).map(|(key, _)| key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Keys;
    use domain::KeyRef;

    /// Made with OpenSSL: a key of 1024 bits in both of its forms, its public half, and `dgst -sha1 -sign` over the text.
    const KEY: &str = "-----BEGIN RSA PRIVATE KEY-----\nMIICXAIBAAKBgQC3bnx60EMoUfBtViskm54O/+tKOhZHqcgttLLMOgecyS9O+fGw\nlWAEzLnhtGhHhAQg5ViTc+Vox0iX3fBd6CX/OOvwquOMLNu4o6QOxS//ILriC+Ef\nT2a9JJaIlNxh4u9RDyjo3GSrnGs/+6aW9ooen3xX57iLj/xR0jpyup2zpwIDAQAB\nAoGAK7GSz0JqrOEPz0uWTUsQVGxbpLu/cOSdfV2stX8hLxSxQzPAgZqjW6FUqdHq\ngRaOUTOwbLdPryzBOwOv7P6OhhzMPxnRlj//Fx6Iv5iPJ/2D5jq4dzFsLEBGyMSw\nGKDc7vcCW12kcMWj2SW5bSXaAEbWfmv8xCR7yDaaOHOYhwECQQDc7KF1ZX+moPY8\nNuGvG7WeyCk4XleKyDlbzGm7qDWitTY6idZLNnhGofSDJm4bZmFMBrbJM+r2HIEg\nkiWPH9OBAkEA1I36zcaYekTw6rdxlBt19BW4ke//PyTsf7/J4QtquwcO+akmzZiv\n1SlDcT40xfdpaqJ1ijzuHRTagq84huX7JwJBAIYZ6QPewXZ+vBje420sb7lbHJJH\nyfHHCfIsCX5MY4pJXwp3gqmS/b06L7awTCO7qJHCfY9yQUx1DvibXcsb8YECQGF1\nC/cHxOfi7legbspK4QVeZDc9xFnOc0WLyWOPGYvRi7M7NJh2FsD034Bv1kCi1UnY\nXW5Zy4+3/QyIjLGFh2cCQEOsYnuh5EtSiqm65Vi7Cssz6IsuicgAdOiN/vDlo1m5\nbXrojHHzigjvc2ZVSyA96eT2TUiq8LHVczigsobykOM=\n-----END RSA PRIVATE KEY-----\n";
    const PACKED: &str = "-----BEGIN PRIVATE KEY-----\nMIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBALdufHrQQyhR8G1W\nKySbng7/60o6FkepyC20ssw6B5zJL0758bCVYATMueG0aEeEBCDlWJNz5WjHSJfd\n8F3oJf846/Cq44ws27ijpA7FL/8guuIL4R9PZr0kloiU3GHi71EPKOjcZKucaz/7\nppb2ih6ffFfnuIuP/FHSOnK6nbOnAgMBAAECgYArsZLPQmqs4Q/PS5ZNSxBUbFuk\nu79w5J19Xay1fyEvFLFDM8CBmqNboVSp0eqBFo5RM7Bst0+vLME7A6/s/o6GHMw/\nGdGWP/8XHoi/mI8n/YPmOrh3MWwsQEbIxLAYoNzu9wJbXaRwxaPZJbltJdoARtZ+\na/zEJHvINpo4c5iHAQJBANzsoXVlf6ag9jw24a8btZ7IKTheV4rIOVvMabuoNaK1\nNjqJ1ks2eEah9IMmbhtmYUwGtskz6vYcgSCSJY8f04ECQQDUjfrNxph6RPDqt3GU\nG3X0FbiR7/8/JOx/v8nhC2q7Bw75qSbNmK/VKUNxPjTF92lqonWKPO4dFNqCrziG\n5fsnAkEAhhnpA97Bdn68GN7jbSxvuVsckkfJ8ccJ8iwJfkxjiklfCneCqZL9vTov\ntrBMI7uokcJ9j3JBTHUO+JtdyxvxgQJAYXUL9wfE5+LuV6BuykrhBV5kNz3EWc5z\nRYvJY48Zi9GLszs0mHYWwPTfgG/WQKLVSdhdblnLj7f9DIiMsYWHZwJAQ6xie6Hk\nS1KKqbrlWLsKyzPoiy6JyAB06I3+8OWjWblteuiMcfOKCO9zZlVLID3p5PZNSKrw\nsdVzOKCyhvKQ4w==\n-----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC3bnx60EMoUfBtViskm54O/+tK\nOhZHqcgttLLMOgecyS9O+fGwlWAEzLnhtGhHhAQg5ViTc+Vox0iX3fBd6CX/OOvw\nquOMLNu4o6QOxS//ILriC+EfT2a9JJaIlNxh4u9RDyjo3GSrnGs/+6aW9ooen3xX\n57iLj/xR0jpyup2zpwIDAQAB\n-----END PUBLIC KEY-----\n";
    const TEXT: &[u8] =
        b"POSID=041265093&BRANCHID=442000000&ORDERID=A1&PAYMENT=0.01&CURCODE=01&REMARK1=&REMARK2=&SUCCESS=Y";
    const SIGNATURE: &str = "366d1ba0297801478f303188e02642d336d6bd8b0ed840eb0cfeeca1d71f308bc22b7f7f4f9f064b7cc6487f0fc95a8f35a20951cd4541b371716b67783ae29ed83196618b0dfd17197af94dd5f8aa83deea0ac47dcbcfa93a5cae232c0b3a83e479bf8ebae2e5d4a371ebe322bacf61a2f122be82ea462348b3ee4185258756";

    #[test]
    fn signs_as_openssl_does_and_verifies_what_it_signs() {
        let (keys, name) = (Keys::default(), |text: &str| KeyRef::new(text).expect("lawful"));
        keys.put(name("bank"), Material::sha1(PUBLIC.as_bytes()).expect("a key"));
        for own in [KEY, PACKED] {
            keys.put(name("own"), Material::sha1(own.as_bytes()).expect("a key"));
            for _ in 0..3 {
                let signature = keys.sign(&name("own"), TEXT).expect("signed");
                assert_eq!(hex::encode(&signature), SIGNATURE, "whatever it was blinded with");
                assert_eq!(keys.verify(&name("bank"), TEXT, &signature), Ok(()));
                assert_eq!(
                    keys.verify(&name("bank"), &TEXT[1..], &signature),
                    Err(KeyError::Signature)
                );
                assert_eq!(
                    keys.verify(&name("bank"), TEXT, &signature[1..]),
                    Err(KeyError::Signature)
                );
            }
        }
        assert!(keys.verify(&name("own"), TEXT, &[]).is_err() && keys.sign(&name("bank"), TEXT).is_err());
    }

    #[test]
    fn a_key_is_one_whole_lawful_key() {
        for bad in ["", "x", &KEY.replace("MI", "NI"), &KEY[..200]] {
            assert!(Material::sha1(bad.as_bytes()).is_err());
        }
    }
}
