//! Who we are in outgoing TLS: a certificate that we show, and the private key behind it. The key signs here; rustls gets
//! signatures of it and never the key.

use crate::{
    CertificateFacts, KeyError, Keys, Material,
    tls::{chain, connects_with},
};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding},
};
use domain::{Instant, KeyRef};
use rustls::{
    ClientConfig, Error, SignatureAlgorithm, SignatureScheme,
    pki_types::CertificateDer,
    sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey},
};
use std::{fmt, sync::Arc};

/// A certificate of ours with what stands between it and its root.
pub struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    facts: CertificateFacts,
}

impl Certificate {
    pub(crate) fn not_after(&self) -> Instant {
        self.facts.not_after
    }
}

/// Was it issued for this key?
pub(crate) fn is_of(certificate: &CertificateFacts, key: &Material) -> bool {
    key.public_half()
        .is_some_and(|half| certificate.public_key.ends_with(&half))
}

impl Material {
    /// A certificate that we show, PEM, its own first.
    pub fn certificate(pem: &[u8]) -> Result<Material, KeyError> {
        let chain = chain(pem)?;
        let facts = CertificateFacts::read(&chain[0])?;
        Ok(Material::Certificate(Box::new(Certificate { chain, facts })))
    }
}

impl Keys {
    /// Outgoing TLS with these roots and no others, showing this certificate of this RSA key.
    pub fn client(
        &self,
        roots_pem: &[u8],
        certificate: &KeyRef,
        key: &KeyRef,
    ) -> Result<Arc<ClientConfig>, KeyError> {
        let (shown, private) = (self.get(certificate)?, self.get(key)?);
        let Material::Certificate(shown) = &*shown else {
            return Err(KeyError::Kind("a certificate that we show"));
        };
        if !matches!(&*private, Material::RsaPrivate(_)) {
            return Err(KeyError::Kind("an RSA private key"));
        }
        if !is_of(&shown.facts, &private) {
            return Err(KeyError::Untrusted("it was issued for another key"));
        }
        let identity = CertifiedKey::new(shown.chain.clone(), Arc::new(Behind(private)));
        connects_with(roots_pem, Some(Arc::new(SingleCertAndKey::from(identity))))
    }
}

/// The private key, as rustls sees it.
struct Behind(Arc<Material>);

/// One way to sign with it.
struct Signs {
    key: Arc<Material>,
    scheme: SignatureScheme,
}

impl fmt::Debug for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a private key")
    }
}

impl fmt::Debug for Signs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a signer")
    }
}

impl SigningKey for Behind {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let known = [SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PKCS1_SHA256];
        let scheme = known.into_iter().find(|scheme| offered.contains(scheme))?;
        Some(Box::new(Signs {
            key: self.0.clone(),
            scheme,
        }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }
}

impl Signer for Signs {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = || Error::General("the client's key did not sign".into());
        let Material::RsaPrivate(pair) = &*self.key else {
            return Err(failed());
        };
        let encoding: &'static dyn RsaEncoding = match self.scheme {
            SignatureScheme::RSA_PSS_SHA256 => &RSA_PSS_SHA256,
            _ => &RSA_PKCS1_SHA256,
        };
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| failed())?;
        Ok(signature)
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}
