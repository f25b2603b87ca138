//! RSA over MD5 and SHA-1, as banks sign: nothing that keeps secrets well has it, and the keys here are nobody's.

use crate::material::MaterialError;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use md5::{Digest, Md5};
use num_bigint::BigUint;
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use std::path::Path;

/// A counter's private key, which only the bank has.
pub(crate) struct Private {
    modulus: BigUint,
    secret: BigUint,
    octets: usize,
}

impl Private {
    pub(crate) fn read(path: &Path) -> Result<Private, MaterialError> {
        let bad = || MaterialError::Unreadable(path.to_owned(), "a PKCS#8 RSA key");
        let der = PrivatePkcs8KeyDer::from_pem_file(path).map_err(|_| bad())?;
        Private::of(der.secret_pkcs8_der()).ok_or_else(bad)
    }

    /// PKCS#8: version, algorithm, and inside of an octet string version, n, e, d and what makes it faster.
    pub(crate) fn of(der: &[u8]) -> Option<Private> {
        let (inner, _) = part(der)?;
        let (_, rest) = part(inner)?;
        let (_, rest) = part(rest)?;
        let (packed, _) = part(rest)?;
        let (key, _) = part(packed)?;
        let (_, rest) = part(key)?;
        let (n, rest) = part(rest)?;
        let (_, rest) = part(rest)?;
        let (d, _) = part(rest)?;
        let modulus = BigUint::from_bytes_be(n);
        let octets = modulus.bits().div_ceil(8) as usize;
        (octets >= 64).then(|| Private {
            modulus,
            secret: BigUint::from_bytes_be(d),
            octets,
        })
    }

    /// Hex of the signature over MD5.
    pub(crate) fn sign(&self, message: &[u8]) -> String {
        self.over("3020300c06082a864886f70d020505000410", &Md5::digest(message))
    }

    /// Hex of the signature over SHA-1.
    pub(crate) fn sign_sha1(&self, message: &[u8]) -> String {
        self.over(
            "3021300906052b0e03021a05000414",
            digest(&SHA1_FOR_LEGACY_USE_ONLY, message).as_ref(),
        )
    }

    fn over(&self, head: &str, digest: &[u8]) -> String {
        let mut block = vec![0x00, 0x01];
        let info = [hex::decode(head).unwrap_or_default(), digest.to_vec()].concat();
        block.resize(self.octets - info.len() - 1, 0xff);
        block.push(0);
        block.extend(info);
        let signed = BigUint::from_bytes_be(&block)
            .modpow(&self.secret, &self.modulus)
            .to_bytes_be();
        let mut out = vec![0; self.octets - signed.len()];
        out.extend(signed);
        hex::encode(out)
    }
}

/// The value of the first field, and what follows it.
fn part(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match *der.get(1)? {
        n @ 0..=0x7f => (usize::from(n), der.get(2..)?),
        0x81 => (usize::from(*der.get(2)?), der.get(3..)?),
        0x82 => (
            usize::from(*der.get(2)?) << 8 | usize::from(*der.get(3)?),
            der.get(4..)?,
        ),
        _ => return None,
    };
    rest.split_at_checked(length)
}
