//! The acquirer's signed word that a package came.

use super::{ExportError, Exporter, sha256};
use crate::state::State;
use domain::*;
use journal::note;
use serde::Deserialize;

/// The file that an acquirer sends back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Acknowledgement {
    acquirer: AcquirerNo,
    package: u64,
    /// SHA-256 of the package's manifest.
    digest: Digest,
    /// When, milliseconds since 1970; theirs, and not ours to judge.
    #[allow(dead_code)] // it stands in the signed file, whose digest is on record
    at: Instant,
}

/// Takes an acknowledgement and its signature. The same one again changes nothing; yields acquirer and package.
pub async fn acknowledge(
    exporter: &Exporter,
    file: &[u8],
    signature: &str,
) -> Result<(AcquirerNo, u64), ExportError> {
    let refused = ExportError::Acknowledgement;
    let Acknowledgement {
        acquirer,
        package,
        digest,
        ..
    } = serde_json::from_slice(file)
        .map_err(|_| refused("it is not JSON with acquirer, package, digest and at"))?;
    let ours = sha256(file);
    let key = exporter
        .acquirer_key
        .as_ref()
        .ok_or(refused("no acquirer's key is configured"))?;
    let good = |text: &[u8], signature: &[u8]| certs::verify_ed25519(&key.public_key, text, signature);
    let text = note::open(signature, key, good).ok_or(refused("it is not signed with the acquirer's key"))?;
    if text != format!("guandao-ack\n{acquirer}\n{ours}\n") {
        return Err(refused("the signature is of another file or acquirer"));
    }
    let (of, mut known) = (acquirer.clone(), true);
    let decide = |state: &State, _| {
        let Some(made) = state
            .packages(&of)
            .iter()
            .find(|p| p.package == package && p.digest == digest)
        else {
            known = false;
            return Ok(Vec::new());
        };
        match made.acknowledged {
            Some(_) => Ok(Vec::new()),
            None => Ok(vec![CaseEvent::ExportAcknowledged {
                acquirer: of.clone(),
                digest: ours,
                package,
            }]),
        }
    };
    exporter.cases.commit(decide).await?;
    if known {
        Ok((acquirer, package))
    } else {
        Err(refused("no such package was made for this acquirer"))
    }
}
