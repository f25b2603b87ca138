//! What older gateways of banks sign with (channels.md 6.3): RSA over MD5, under keys of 1024 bits and more, and an MD5 into
//! which the end of that public key's own text goes. The public half only; nobody signs with it here.

use crate::{KeyError, Material};
use md5::{Digest, Md5};
use num_bigint::BigUint;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// DER of "MD5, no parameters" and the head of its sixteen octets (RFC 8017, 9.2).
const MD5_INFO: [u8; 18] = [
    0x30, 0x20, 0x30, 0x0c, 0x06, 0x08, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05, 0x05, 0x00, 0x04,
    0x10,
];
/// Characters of the key's text that go into a MAC.
const TAIL: usize = 30;

/// A counter's (POS) public key at CCB: it verifies the bank's signatures, and its end goes into the MAC of orders.
pub struct Ccb {
    modulus: BigUint,
    exponent: BigUint,
    octets: usize,
    tail: String,
}

impl Ccb {
    /// MD5 over the text, into which the key's end is put where an octet 0 stands; without one it is over the text alone.
    pub(crate) fn mac(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut digest = Md5::new();
        let mut parts = message.split(|b| *b == 0);
        digest.update(parts.next().unwrap_or_default());
        if let Some(rest) = parts.next() {
            digest.update(self.tail.as_bytes());
            digest.update(rest);
        }
        match parts.next() {
            None => Ok(digest.finalize().to_vec()),
            Some(_) => Err(KeyError::Kind("made for a text with two such places")),
        }
    }

    /// The whole padded block is made anew and compared, so that there is nothing to parse in what a signature opens to.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        let signature = BigUint::from_bytes_be(
            Some(signature)
                .filter(|s| s.len() == self.octets)
                .ok_or(KeyError::Signature)?,
        );
        if signature >= self.modulus {
            return Err(KeyError::Signature);
        }
        let opened = signature.modpow(&self.exponent, &self.modulus);
        let info = [&MD5_INFO[..], &Md5::digest(message)].concat();
        let mut block = vec![0xff; self.octets];
        (block[0], block[1]) = (0, 1);
        let start = self.octets - info.len();
        block[start - 1] = 0;
        block[start..].copy_from_slice(&info);
        if opened == BigUint::from_bytes_be(&block) {
            Ok(())
        } else {
            Err(KeyError::Signature)
        }
    }
}

/// A password that the channel's protocol sends as it is.
pub struct Password(SecretString);

impl Password {
    pub(crate) fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.expose_secret().to_owned())
    }
}

impl Material {
    /// A public key as CCB hands it out: hex of subject public key info, RSA of 1024 to 8192 bits.
    pub fn ccb(bytes: &[u8]) -> Result<Material, KeyError> {
        let wrong =
            || KeyError::Unreadable("the public key that CCB hands out: hex, RSA of 1024 to 8192 bits");
        let text = std::str::from_utf8(bytes.trim_ascii()).map_err(|_| wrong())?;
        let der = hex::decode(text).map_err(|_| wrong())?;
        let (modulus, exponent) = rsa_public(&der).ok_or_else(wrong)?;
        let octets = modulus.bits().div_ceil(8) as usize;
        let odd = |n: &BigUint| n.bit(0);
        if !(1024..=8192).contains(&modulus.bits())
            || !odd(&modulus)
            || !odd(&exponent)
            || exponent.bits() > 64
            || exponent.bits() < 2
        {
            return Err(wrong());
        }
        Ok(Material::Ccb(Box::new(Ccb {
            modulus,
            exponent,
            octets,
            tail: text[text.len() - TAIL..].to_owned(),
        })))
    }

    /// A password: 1 to 64 printable characters.
    pub fn password(bytes: &[u8]) -> Result<Material, KeyError> {
        let bytes = bytes.trim_ascii_end();
        let text = std::str::from_utf8(bytes)
            .ok()
            .filter(|text| (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()));
        let text = text.ok_or(KeyError::Unreadable("a password of 1 to 64 printable characters"))?;
        Ok(Material::Password(Password(SecretString::from(text.to_owned()))))
    }
}

/// Modulus and exponent of `SEQUENCE { SEQUENCE { rsaEncryption, NULL }, BIT STRING { SEQUENCE { n, e } } }`, and nothing behind.
fn rsa_public(der: &[u8]) -> Option<(BigUint, BigUint)> {
    const ALGORITHM: &[u8] = &[
        0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
    ];
    let outer = whole(der, 0x30)?;
    let (algorithm, rest) = field(outer, 0x30)?;
    let bits = whole(rest, 0x03)?.strip_prefix(&[0])?;
    let key = whole(bits, 0x30)?;
    let (modulus, rest) = field(key, 0x02)?;
    let exponent = whole(rest, 0x02)?;
    let positive = |octets: &[u8]| octets.first().is_some_and(|first| first & 0x80 == 0);
    (algorithm == ALGORITHM && positive(modulus) && positive(exponent))
        .then(|| (BigUint::from_bytes_be(modulus), BigUint::from_bytes_be(exponent)))
}

fn whole(der: &[u8], tag: u8) -> Option<&[u8]> {
    field(der, tag)
        .filter(|(_, rest)| rest.is_empty())
        .map(|(value, _)| value)
}

/// The value of one field with this tag, and what stands behind it.
pub(crate) fn field(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => rest.split_first().map(|(n, rest)| (usize::from(*n), rest))?,
        0x82 => {
            let (n, rest) = rest.split_at_checked(2)?;
            (usize::from(n[0]) << 8 | usize::from(n[1]), rest)
        }
        _ => return None,
    };
    if found == tag {
        rest.split_at_checked(length)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Keys;
    use domain::KeyRef;

    /// Made with OpenSSL: a key of 1024 bits, `dgst -md5 -sign` and `dgst -sha1 -sign` over the same text.
    const KEY: &str = "30819f300d06092a864886f70d010101050003818d0030818902818100b76e7c7ad0432851f06d562b249b9e0effeb4a3a1647a9c82db4b2cc3a079cc92f4ef9f1b0956004ccb9e1b46847840420e5589373e568c74897ddf05de825ff38ebf0aae38c2cdbb8a3a40ec52fff20bae20be11f4f66bd24968894dc61e2ef510f28e8dc64ab9c6b3ffba696f68a1e9f7c57e7b88b8ffc51d23a72ba9db3a70203010001";
    const TEXT: &[u8] =
        b"POSID=041265093&BRANCHID=442000000&ORDERID=A1&PAYMENT=0.01&CURCODE=01&REMARK1=&REMARK2=&SUCCESS=Y";
    const MD5: &str = "9fa5b76bad9263b3d294d7c0b503d4afaade20970fe9ca2764fd80432ddcb1efcebc961ca698394baea6ca547786b20e92b427b7b6606ed9ada1dc0c48c065cc3989bf425d3cce9c8fb5bb9dd6d7d2789b44791016999e368323eae5416d8b5d47a2dc5771587190e7ccedb6a523066215bbecc6d84701348ab1a1376b7ddb28";
    const SHA1: &str = "366d1ba0297801478f303188e02642d336d6bd8b0ed840eb0cfeeca1d71f308bc22b7f7f4f9f064b7cc6487f0fc95a8f35a20951cd4541b371716b67783ae29ed83196618b0dfd17197af94dd5f8aa83deea0ac47dcbcfa93a5cae232c0b3a83e479bf8ebae2e5d4a371ebe322bacf61a2f122be82ea462348b3ee4185258756";

    #[test]
    fn what_openssl_signs_over_md5_verifies_and_nothing_else() {
        let key = Material::ccb(KEY.as_bytes()).expect("a key");
        let signature = hex::decode(MD5).expect("hex");
        assert_eq!(key.verify(TEXT, &signature), Ok(()));
        assert_eq!(key.verify(&TEXT[1..], &signature), Err(KeyError::Signature));
        assert_eq!(
            key.verify(TEXT, &hex::decode(SHA1).expect("hex")),
            Err(KeyError::Signature)
        );
        for n in 0..signature.len() {
            let mut turned = signature.clone();
            turned[n] ^= 1 << (n % 8);
            assert_eq!(key.verify(TEXT, &turned), Err(KeyError::Signature), "octet {n}");
        }
        for wrong in [
            &signature[1..],
            &[&[0], &signature[..]].concat(),
            &[0xff; 128],
            &[0; 128],
            &[],
        ] {
            assert_eq!(key.verify(TEXT, wrong), Err(KeyError::Signature));
        }
    }

    #[test]
    fn the_end_of_the_key_stands_where_the_octet_0_is() {
        let (keys, name) = (Keys::default(), KeyRef::new("ccb/1/bank").expect("lawful"));
        keys.put(
            name.clone(),
            Material::ccb(format!("{KEY}\n").as_bytes()).expect("a key"),
        );
        let tail = &KEY[KEY.len() - 30..];
        let wanted = Md5::digest(format!("TYPE=1&PUB={tail}&GATEWAY=0"));
        assert_eq!(keys.sign(&name, b"TYPE=1&PUB=\0&GATEWAY=0"), Ok(wanted.to_vec()));
        assert_eq!(keys.sign(&name, b"QUPWD="), Ok(Md5::digest(b"QUPWD=").to_vec()));
        assert!(keys.sign(&name, b"a\0b\0c").is_err());
    }

    #[test]
    fn a_key_is_one_whole_key_of_a_lawful_size() {
        for bad in [
            "",
            "30",
            &KEY[2..],
            &format!("{KEY}00"),
            &KEY.replace("2a864886f70d010101", "2a864886f70d010102"),
            &KEY[..200],
        ] {
            assert!(Material::ccb(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_is_sent_along_and_nothing_else_of_its_account() {
        let (keys, name) = (Keys::default(), KeyRef::new("ccb/1/query").expect("lawful"));
        keys.put(
            name.clone(),
            Material::password(b"Geheim.123\n").expect("a password"),
        );
        assert_eq!(
            keys.sent_along(&name).map(|text| text.to_string()),
            Ok("Geheim.123".to_owned())
        );
        keys.put(name.clone(), Material::ccb(KEY.as_bytes()).expect("a key"));
        assert!(keys.sent_along(&name).is_err());
        assert!(Material::password(b"two words").is_err() && Material::password(b"").is_err());
    }
}
