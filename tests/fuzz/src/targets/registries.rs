//! Signed files and configurations: wrong ones say where.

use super::parts;
use domain::Digest;
use policy::registry::{AcquirerFile, LicenceFile, OperatorFile, Registries};
use std::sync::Arc;

/// Parts: licence, acquirer, operator registry.
pub(crate) fn registries(data: &[u8]) {
    let [licence, acquirer, operator] = parts(data);
    let digest = Digest::from_bytes([0; 32]);
    let files = (LicenceFile::parse(licence), AcquirerFile::parse(acquirer), OperatorFile::parse(operator));
    if let (Ok(licence), Ok(acquirer), Ok(operator)) = files {
        match Registries::new(Arc::new(licence), digest, vec![(acquirer, digest)], (operator, digest)) {
            Ok(registries) => registries.merchants().for_each(|m| assert!(registries.merchant(&m.id).is_some())),
            Err(problems) => assert!(!problems.is_empty() && problems.iter().all(|p| !p.right.is_empty())),
        }
    }
}

/// The proxy's configuration.
pub(crate) fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(problems) = proxy::config::Config::parse(text) {
        let lines = text.matches('\n').count() + 1;
        assert!(!problems.is_empty());
        problems.iter().for_each(|p| assert!(p.line <= lines && !p.right.is_empty(), "{p}"));
    }
}
