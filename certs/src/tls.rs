//! TLS on both sides: rustls over aws-lc-rs, TLS 1.3 and 1.2. A listener's certificate is reloaded while running.

use crate::KeyError;
use arc_swap::ArcSwap;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
    sign::{CertifiedKey, SingleCertAndKey},
};
use std::{fs, path::PathBuf, sync::Arc};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Where a listener's certificate lies and whom it lets in.
#[derive(Clone, Debug)]
pub struct ListenerFiles {
    /// Certificate chain, PEM.
    pub cert: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
    /// CA that clients' certificates must come from; `None` asks for none.
    pub client_ca: Option<PathBuf>,
    /// With a CA: refuse clients without a certificate.
    pub client_required: bool,
}

/// The TLS side of a listener.
pub struct Listener {
    files: ListenerFiles,
    current: ArcSwap<ServerConfig>,
}

impl Listener {
    /// Reads the files.
    pub fn open(files: ListenerFiles) -> Result<Arc<Listener>, KeyError> {
        let current = ArcSwap::new(Arc::new(server(&files)?));
        Ok(Arc::new(Listener { files, current }))
    }

    /// What new connections use.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Reads the files again. On an error the old certificate stays in use.
    pub fn reload(&self) -> Result<(), KeyError> {
        self.current.store(Arc::new(server(&self.files)?));
        Ok(())
    }

    /// When the certificate ends.
    pub fn not_after(&self) -> Result<domain::Instant, KeyError> {
        let facts = crate::CertificateFacts::read_pem(&read(&self.files.cert)?)?;
        Ok(facts[0].not_after)
    }
}

fn read(path: &PathBuf) -> Result<Vec<u8>, KeyError> {
    fs::read(path).map_err(|e| KeyError::File(path.clone(), e.to_string()))
}

fn server(files: &ListenerFiles) -> Result<ServerConfig, KeyError> {
    let chain = chain(&read(&files.cert)?)?;
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?)
        .map_err(|_| KeyError::Unreadable("a private key in PEM"))?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(tls)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let roots = Arc::new(roots(&read(ca)?)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
            let verifier = if files.client_required {
                verifier
            } else {
                verifier.allow_unauthenticated()
            };
            builder.with_client_cert_verifier(verifier.build().map_err(|e| KeyError::Tls(e.to_string()))?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(tls)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Outgoing TLS with these roots and no others; a client certificate where asked for.
pub fn client(roots_pem: &[u8], identity: Option<(&[u8], &[u8])>) -> Result<Arc<ClientConfig>, KeyError> {
    let shown = match identity {
        None => None,
        Some((cert, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key)
                .map_err(|_| KeyError::Unreadable("a private key in PEM"))?;
            let shown = CertifiedKey::from_der(chain(cert)?, key, &provider()).map_err(tls)?;
            Some(Arc::new(SingleCertAndKey::from(shown)))
        }
    };
    connects_with(roots_pem, shown)
}

/// Outgoing TLS that shows this, where the other side asks for it.
pub(crate) fn connects_with(
    roots_pem: &[u8],
    shown: Option<Arc<SingleCertAndKey>>,
) -> Result<Arc<ClientConfig>, KeyError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(tls)?;
    let builder = builder.with_root_certificates(roots(roots_pem)?);
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some(shown) => builder.with_client_cert_resolver(shown),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

pub(crate) fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, KeyError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| KeyError::Unreadable("certificates in PEM"))?;
    if chain.is_empty() {
        Err(KeyError::Unreadable("at least one certificate in PEM"))
    } else {
        Ok(chain)
    }
}

fn roots(pem: &[u8]) -> Result<RootCertStore, KeyError> {
    let mut store = RootCertStore::empty();
    for cert in chain(pem)? {
        store.add(cert).map_err(tls)?;
    }
    Ok(store)
}

fn tls(error: rustls::Error) -> KeyError {
    KeyError::Tls(error.to_string())
}
