//! Packages for acquirers: every flag number without a gap, what became of it, and the proof of both.

mod acknowledge;
mod contents;
mod files;
mod trades;

pub use acknowledge::acknowledge;

use crate::{
    cases::{Cases, Refusal},
    findings::UNASSIGNED,
    state::State,
    trades::Trades,
};
use contents::Contents;
use domain::*;
use journal::{VerifierKey, note};
use sha2::{Digest as _, Sha256};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// How often a package is put together anew when a decision falls while it is made.
const AGAIN: usize = 5;

/// Why no package was made.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Nothing happened since the last one.
    #[error("nothing new since the last package")]
    Nothing,
    /// The cases journal refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The journal could not be read.
    #[error(transparent)]
    Read(#[from] journal::ReadError),
    /// Files could not be written.
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
    /// The signed tree did not come, or decisions kept falling.
    #[error("the cases journal did not come to rest; try again")]
    Restless,
    /// An acknowledgement cannot be taken.
    #[error("{0}")]
    Acknowledgement(&'static str),
}

/// What makes packages.
pub struct Exporter {
    /// The cases.
    pub cases: Arc<Cases>,
    /// The trades journal.
    pub trades: Arc<Trades>,
    /// Where packages go.
    pub dir: PathBuf,
    /// `<name>/export`.
    pub name: String,
    /// `export.pem`.
    pub signer: Arc<dyn Sign>,
    /// Who signs acknowledgements.
    pub acquirer_key: Option<VerifierKey>,
    /// One package at a time.
    pub one: tokio::sync::Mutex<()>,
}

/// A package that was made.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Made {
    /// For whom.
    pub acquirer: AcquirerNo,
    /// Its number.
    pub package: u64,
    /// SHA-256 of its manifest.
    pub digest: Digest,
    /// First flag number.
    pub first: u64,
    /// Last flag number.
    pub last: u64,
    /// Confirmed flags in it.
    pub confirmed: usize,
    /// Its folder.
    pub path: PathBuf,
}

/// Makes the next package of every acquirer that has something new, or of one.
//= C47
//= C48
pub async fn make(exporter: &Exporter, acquirer: Option<&AcquirerNo>) -> Result<Vec<Made>, ExportError> {
    let _one = exporter.one.lock().await;
    exporter.recover()?;
    let all = match acquirer {
        Some(acquirer) => vec![acquirer.clone()],
        // Flags of merchants without an acquirer wait here: there is nobody to hand them to.
        None => {
            let known = exporter.cases.look(|state| state.acquirers());
            known
                .into_iter()
                .filter(|acquirer| acquirer.as_str() != UNASSIGNED)
                .collect()
        }
    };
    let mut made = Vec::new();
    for one in all {
        match exporter.make_for(&one).await {
            Ok(package) => made.push(package),
            Err(ExportError::Nothing) if acquirer.is_none() => {}
            Err(error) => return Err(error),
        }
    }
    if made.is_empty() {
        Err(ExportError::Nothing)
    } else {
        Ok(made)
    }
}

impl Exporter {
    async fn make_for(&self, acquirer: &AcquirerNo) -> Result<Made, ExportError> {
        for _ in 0..AGAIN {
            let contents = self.cases.look(|state| Contents::of(state, acquirer));
            let contents = contents.ok_or(ExportError::Nothing)?;
            self.signed_to(contents.needed()).await?;
            self.copied().await;
            let written = self.write(&contents)?;
            let recorded = self
                .cases
                .commit(|state, _| record(state, &contents, written.digest))
                .await;
            match recorded {
                Ok(Some(_)) => return self.publish(contents, written),
                Ok(None) => remove(&written.dir)?,
                Err(error) => {
                    remove(&written.dir)?;
                    return Err(error.into());
                }
            }
        }
        Err(ExportError::Restless)
    }

    /// Waits until the signed tree holds the entry.
    async fn signed_to(&self, index: u64) -> Result<(), ExportError> {
        let reader = self.cases.reader();
        for _ in 0..200 {
            if reader.checkpoint().size > index {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(ExportError::Restless)
    }

    /// Waits while the copy of the trades journal is behind the signed head that was taken; the follower appends next.
    async fn copied(&self) {
        for _ in 0..40 {
            let size = self
                .trades
                .note()
                .and_then(|note| files::signed_size(&note))
                .unwrap_or(0);
            if self.trades.mirror.size() >= size {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn publish(&self, contents: Contents, written: files::Written) -> Result<Made, ExportError> {
        let path = self.folder(&contents.acquirer, contents.package);
        std::fs::rename(&written.dir, &path).map_err(|e| ExportError::File(path.clone(), e))?;
        files::sync_dir(&self.dir)?;
        tracing::info!(acquirer = %contents.acquirer, package = contents.package, "package made");
        let confirmed = contents.confirmed();
        let Contents {
            acquirer,
            package,
            first,
            last,
            ..
        } = contents;
        Ok(Made {
            acquirer,
            package,
            digest: written.digest,
            first,
            last,
            confirmed,
            path,
        })
    }

    /// `package-<acquirer>-<NNNNNN>`.
    fn folder(&self, acquirer: &AcquirerNo, package: u64) -> PathBuf {
        self.dir.join(format!("package-{acquirer}-{package:06}"))
    }

    fn draft(&self, acquirer: &AcquirerNo, package: u64) -> PathBuf {
        self.dir.join(format!(".draft-{acquirer}-{package:06}"))
    }

    /// A package on record whose folder had no name yet when the machine stopped gets it now.
    fn recover(&self) -> Result<(), ExportError> {
        let all: Vec<_> = self.cases.look(|state| {
            state
                .all_packages()
                .map(|(acquirer, made)| (acquirer.clone(), made.package, made.digest))
                .collect()
        });
        for (acquirer, package, digest) in all {
            let (draft, folder) = (self.draft(&acquirer, package), self.folder(&acquirer, package));
            let drafted =
                std::fs::read(draft.join("manifest.json")).is_ok_and(|bytes| sha256(&bytes) == digest);
            if drafted && !folder.exists() {
                std::fs::rename(&draft, &folder).map_err(|e| ExportError::File(folder, e))?;
            }
        }
        Ok(())
    }

    /// The note beside a manifest.
    fn sign(&self, manifest: &Digest) -> String {
        note::sign(
            &format!("guandao-export\n{}\n{manifest}\n", self.name),
            &self.name,
            &*self.signer,
        )
    }
}

/// The entry, unless a flag or a decision fell since the package was put together.
fn record(state: &State, contents: &Contents, digest: Digest) -> Result<Vec<CaseEvent>, Refusal> {
    if state.revision(&contents.acquirer) != contents.revision {
        return Ok(Vec::new());
    }
    let (acquirer, package) = (contents.acquirer.clone(), contents.package);
    Ok(vec![CaseEvent::ExportMade {
        acquirer,
        digest,
        first: contents.first,
        last: contents.last,
        package,
    }])
}

fn remove(dir: &Path) -> Result<(), ExportError> {
    std::fs::remove_dir_all(dir).map_err(|e| ExportError::File(dir.to_owned(), e))
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}
