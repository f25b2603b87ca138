//! Certificates with which a channel signs its messages: counted only if they are issued under one of its roots. No TLS
//! here, so no names and no purposes beyond issuing; RSA with SHA-256 (channels.md 3.6), at UnionPay with SHA-1 too.

use crate::{CertificateFacts, KeyError, Material};
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY};
use domain::Instant;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_parser::prelude::*;

/// sha256WithRSAEncryption.
const RSA_SHA256: &str = "1.2.840.113549.1.1.11";
/// sha1WithRSAEncryption.
const RSA_SHA1: &str = "1.2.840.113549.1.1.5";
/// Most certificates between one and its root.
const MOST_BETWEEN: usize = 4;

/// The first certificate of `pem` and its key, if it counts now and is issued under one of `roots`, directly or through
/// the others of `pem`. Roots of other algorithms may stand in `roots`; nothing is issued under them here.
///
/// # Errors
/// [`KeyError::Unreadable`] for what is no certificate, [`KeyError::Untrusted`] for one that does not count.
pub fn issued_under(
    pem: &[u8],
    roots: &[u8],
    now: Instant,
) -> Result<(CertificateFacts, Material), KeyError> {
    issued_within(pem, roots, Links::Sha256, now).map(|(facts, key, _)| (facts, key))
}

/// By which signatures a certificate may hang on its issuer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// RSA with SHA-256.
    Sha256,
    /// The same, and RSA with SHA-1.
    Sha1Too,
}

/// From when to when a certificate, everything between it and its root, and that root count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Seconds since the Unix epoch, both included.
    from: i64,
    until: i64,
}

impl Window {
    fn with(self, cert: &X509Certificate<'_>) -> Window {
        Window {
            from: self.from.max(cert.validity().not_before.timestamp()),
            until: self.until.min(cert.validity().not_after.timestamp()),
        }
    }

    pub(crate) fn holds(&self, now: Instant) -> bool {
        (self.from..=self.until).contains(&now.secs())
    }
}

/// The same as [`issued_under`], and for how long that stands.
pub(crate) fn issued_within(
    pem: &[u8],
    roots: &[u8],
    links: Links,
    now: Instant,
) -> Result<(CertificateFacts, Material, Window), KeyError> {
    let (presented, roots) = (ders(pem)?, ders(roots)?);
    let (presented, roots) = (parsed(&presented)?, parsed(&roots)?);
    let (leaf, between) = presented
        .split_first()
        .ok_or(KeyError::Unreadable("certificates in PEM"))?;
    if leaf.is_ca() {
        return Err(KeyError::Untrusted("it is an issuer's"));
    }
    let mut current = leaf;
    let mut window = Window {
        from: i64::MIN,
        until: i64::MAX,
    };
    for _ in 0..=MOST_BETWEEN {
        counts(current, now)?;
        window = window.with(current);
        if let Some(root) = roots
            .iter()
            .find(|root| counts(root, now).is_ok() && issued(root, current, links))
        {
            let der = presented_der(pem)?;
            let facts = CertificateFacts::read(&der)?;
            let key = Material::public_of(&facts)?;
            return Ok((facts, key, window.with(root)));
        }
        current = between
            .iter()
            .find(|issuer| issued(issuer, current, links))
            .ok_or(KeyError::Untrusted("no root of ours has issued it"))?;
    }
    Err(KeyError::Untrusted("its chain is too long"))
}

/// Certificates that issue themselves, and the others, each as PEM.
pub(crate) fn roots_and_middle(pem: &[u8]) -> Result<(String, String), KeyError> {
    let all = ders(pem)?;
    let (mut roots, mut middle) = (String::new(), String::new());
    for (der, cert) in all.iter().zip(parsed(&all)?) {
        let own = cert.subject().as_raw() == cert.issuer().as_raw();
        let place = if own { &mut roots } else { &mut middle };
        place.push_str(&crate::pem("CERTIFICATE", der));
    }
    Ok((roots, middle))
}

/// The first certificate of a text, as PEM of our own writing.
pub(crate) fn first_pem(text: &[u8]) -> Result<String, KeyError> {
    Ok(crate::pem("CERTIFICATE", &presented_der(text)?))
}

fn ders(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, KeyError> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| KeyError::Unreadable("certificates in PEM"))
}

fn presented_der(pem: &[u8]) -> Result<CertificateDer<'static>, KeyError> {
    CertificateDer::from_pem_slice(pem).map_err(|_| KeyError::Unreadable("a certificate in PEM"))
}

fn parsed<'a>(ders: &'a [CertificateDer<'static>]) -> Result<Vec<X509Certificate<'a>>, KeyError> {
    let one = |der: &'a CertificateDer<'static>| X509Certificate::from_der(der).map(|(_, cert)| cert);
    ders.iter()
        .map(one)
        .collect::<Result<_, _>>()
        .map_err(|_| KeyError::Unreadable("certificates in DER"))
}

fn counts(cert: &X509Certificate<'_>, now: Instant) -> Result<(), KeyError> {
    let (from, until) = (
        cert.validity().not_before.timestamp(),
        cert.validity().not_after.timestamp(),
    );
    if (from..=until).contains(&now.secs()) {
        Ok(())
    } else {
        Err(KeyError::Untrusted("it does not count now"))
    }
}

/// An issuer may issue, bears the name that the certificate tells, and has signed it.
fn issued(issuer: &X509Certificate<'_>, cert: &X509Certificate<'_>, links: Links) -> bool {
    let may_sign = issuer
        .key_usage()
        .ok()
        .flatten()
        .is_none_or(|usage| usage.value.key_cert_sign());
    let named = issuer.is_ca() && may_sign && issuer.subject().as_raw() == cert.issuer().as_raw();
    // What is signed says the same of its signature as what stands beside it.
    let algorithm = cert.signature_algorithm.algorithm.to_id_string();
    let said = cert.tbs_certificate.signature.algorithm.to_id_string() == algorithm;
    named && said && {
        let (spki, tbs) = (issuer.public_key().raw, cert.tbs_certificate.as_ref());
        let signature = &cert.signature_value.data;
        match (algorithm.as_str(), links) {
            (RSA_SHA256, _) => Material::public_key(spki)
                .and_then(|key| key.verify(tbs, signature))
                .is_ok(),
            (RSA_SHA1, Links::Sha1Too) => {
                ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, spki)
                    .is_ok_and(|key| key.verify_sig(tbs, signature).is_ok())
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: &[u8] = include_bytes!("../../tests/vectors/keys/alipay_platform_cert.pem");
    const LEAF: &[u8] = include_bytes!("../../tests/vectors/keys/alipay_platform_cert_only.pem");
    const ROOTS: &[u8] = include_bytes!("../../tests/vectors/keys/alipay_root_cert.pem");
    const OTHER: &[u8] = include_bytes!("../../tests/vectors/keys/wechat_platform_cert.pem");

    fn at(secs: i64) -> Instant {
        Instant::from_secs(secs)
    }

    const NOW: i64 = 1_767_225_600;

    #[test]
    fn a_certificate_counts_through_what_stands_between_it_and_a_root() {
        let (facts, key) = issued_under(CHAIN, ROOTS, at(NOW))
            .map_err(|e| e.to_string())
            .expect("trusted");
        assert_eq!(facts, CertificateFacts::read_pem(LEAF).expect("reads")[0]);
        assert_eq!(key.kind(), "RSA public key");
    }

    #[test]
    fn nothing_else_counts() {
        let refused =
            |pem: &[u8], roots: &[u8], now| issued_under(pem, roots, at(now)).err().expect("refused");
        let unissued = KeyError::Untrusted("no root of ours has issued it");
        assert_eq!(
            refused(LEAF, ROOTS, NOW),
            unissued,
            "what stands between is missing"
        );
        assert_eq!(refused(CHAIN, OTHER, NOW), unissued, "another root");
        assert_eq!(refused(CHAIN, b"", NOW), unissued, "no root");
        assert_eq!(refused(CHAIN, LEAF, NOW), unissued, "a leaf is no root");
        assert_eq!(refused(OTHER, ROOTS, NOW), unissued);
        for out_of_time in [1_700_000_000, 2_400_000_000] {
            assert_eq!(
                refused(CHAIN, ROOTS, out_of_time),
                KeyError::Untrusted("it does not count now")
            );
        }
        assert_eq!(
            refused(ROOTS, ROOTS, NOW),
            KeyError::Untrusted("it is an issuer's")
        );
        assert!(matches!(refused(b"x", ROOTS, NOW), KeyError::Unreadable(_)));
    }

    #[test]
    fn one_changed_octet_is_another_certificate() {
        let der = presented_der(LEAF).expect("reads");
        let between = ders(CHAIN).expect("reads").remove(1);
        let pem = |leaf: &[u8]| {
            [
                crate::pem("CERTIFICATE", leaf),
                crate::pem("CERTIFICATE", &between),
            ]
            .concat()
        };
        assert!(issued_under(pem(&der).as_bytes(), ROOTS, at(NOW)).is_ok());
        for place in (0..der.len()).step_by(7) {
            let mut changed = der.to_vec();
            changed[place] ^= 1;
            assert!(
                issued_under(pem(&changed).as_bytes(), ROOTS, at(NOW)).is_err(),
                "octet {place}"
            );
        }
    }
}
