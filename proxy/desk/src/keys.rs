//! Key files into `certs`: a file's path below the key folder is the key's name, so `keys/journal.pem` is `journal`.

use certs::{KeyError, Keys, Material};
use domain::{KeyRef, Sign};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use zeroize::Zeroizing;

/// The key that signs the cases journal.
pub const JOURNAL: &str = "journal";
/// The key that signs packages.
pub const EXPORT: &str = "export";

/// Why a key file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The folder or a file cannot be read.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// The file's name cannot be a key's.
    #[error("{0}: a key file's path may have 0-9 A-Z a-z _ - . and folders only")]
    Name(PathBuf),
    /// Its content is no key.
    #[error("{0}: {1}")]
    Key(PathBuf, KeyError),
    /// It is readable by others.
    #[error("{0} can be read by other users; chmod 600 it")]
    Open(PathBuf),
    /// A key that the desk needs.
    #[error("{0}/{1}.pem: {2}")]
    Needed(PathBuf, &'static str, KeyError),
}

/// The two keys of a desk.
pub struct Signers {
    /// Signs the cases journal.
    pub journal: Arc<dyn Sign>,
    /// Signs packages.
    pub export: Arc<dyn Sign>,
}

/// Reads the two keys; all problems at once.
pub fn signers(dir: &Path) -> Result<Signers, Vec<KeyFileError>> {
    let keys = load(dir)?;
    let signer = |name: &'static str| {
        let key = KeyRef::new(name).map_err(|_| KeyFileError::Name(dir.join(name)))?;
        keys.signer(&key)
            .map_err(|error| KeyFileError::Needed(dir.to_owned(), name, error))
    };
    match (signer(JOURNAL), signer(EXPORT)) {
        (Ok(journal), Ok(export)) => Ok(Signers { journal, export }),
        (journal, export) => Err([journal.err(), export.err()].into_iter().flatten().collect()),
    }
}

fn load(dir: &Path) -> Result<Keys, Vec<KeyFileError>> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    walk(dir, dir, &mut found, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let keys = Keys::default();
    keys.put_all(found);
    Ok(keys)
}

fn walk(root: &Path, dir: &Path, found: &mut Vec<(KeyRef, Material)>, problems: &mut Vec<KeyFileError>) {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries.flatten(),
        Err(error) => return problems.push(KeyFileError::File(dir.to_owned(), error)),
    };
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            walk(root, &path, found, problems);
        } else {
            match one(root, &path) {
                Ok(key) => found.push(key),
                Err(problem) => problems.push(problem),
            }
        }
    }
}

fn one(root: &Path, path: &Path) -> Result<(KeyRef, Material), KeyFileError> {
    let name = path.strip_prefix(root).ok().map(|p| p.with_extension(""));
    let name = name.and_then(|p| p.to_str().map(str::to_owned));
    let key = name
        .and_then(|n| KeyRef::new(n).ok())
        .ok_or_else(|| KeyFileError::Name(path.to_owned()))?;
    let bytes = std::fs::read(path).map_err(|e| KeyFileError::File(path.to_owned(), e))?;
    let bytes = Zeroizing::new(bytes);
    let material = Material::read(&bytes).map_err(|e| KeyFileError::Key(path.to_owned(), e))?;
    if matches!(material, Material::RsaPrivate(_) | Material::Ed25519Private(_)) && open_to_others(path) {
        return Err(KeyFileError::Open(path.to_owned()));
    }
    Ok((key, material))
}

fn open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o077 != 0)
}
