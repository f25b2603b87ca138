//! Key files into `certs`: a file's path below the key folder is the key's name.
//!
//! `keys/wechat/1900000109/merchant.pem` is `wechat/1900000109/merchant`; `.secret` files hold 32 characters (APIv3
//! keys), an `apiv2.secret` is one key for each of V2's digests, `.aes` files base64 of a key for Alipay's content encryption,
//! `.digest` files the Baidu wallet's key for both of its digests; a
//! `.crt` is a certificate that we show in TLS, a `.ccb` a counter's public key as CCB hands it out (hex), a `.password` one that
//! a bank's query sends along, a `.sha1` a key for signatures over SHA-1; anything else is PEM or bare base64.

use certs::{Hash, KeyError, Keys, Material, V2Digest};
use domain::KeyRef;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

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
}

/// Reads every key below the folder; all problems at once.
pub fn load(dir: &Path) -> Result<Keys, Vec<KeyFileError>> {
    let keys = Keys::default();
    keys.put_all(read_all(dir)?);
    Ok(keys)
}

/// The keys themselves, by name.
pub(crate) fn read_all(dir: &Path) -> Result<Vec<(KeyRef, Material)>, Vec<KeyFileError>> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    walk(dir, dir, &mut found, &mut problems);
    if problems.is_empty() {
        Ok(found)
    } else {
        Err(problems)
    }
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
                Ok(keys) => found.extend(keys),
                Err(problem) => problems.push(problem),
            }
        }
    }
}

fn one(root: &Path, path: &Path) -> Result<Vec<(KeyRef, Material)>, KeyFileError> {
    let name = path
        .strip_prefix(root)
        .ok()
        .map(|p| p.with_extension(""))
        .and_then(|p| p.to_str().map(str::to_owned));
    let key = name
        .and_then(|n| KeyRef::new(n).ok())
        .ok_or_else(|| KeyFileError::Name(path.to_owned()))?;
    let bytes = Zeroizing::new(std::fs::read(path).map_err(|e| KeyFileError::File(path.to_owned(), e))?);
    let found = read(path, key, &bytes).map_err(|e| KeyFileError::Key(path.to_owned(), e))?;
    let public = |m: &Material| {
        matches!(
            m,
            Material::RsaPublic(..)
                | Material::Ed25519Public(_)
                | Material::Sm2Public(_)
                | Material::Certificate(_)
                | Material::Ccb(_)
                | Material::Sha1Public(..)
        )
    };
    if !found.iter().all(|(_, material)| public(material)) && open_to_others(path) {
        return Err(KeyFileError::Open(path.to_owned()));
    }
    Ok(found)
}

/// What one file holds: one key, but for WeChat's APIv2 secret and the Baidu wallet's key, which sign in two ways (channels.md
/// 2.1, section 5).
fn read(path: &Path, key: KeyRef, bytes: &[u8]) -> Result<Vec<(KeyRef, Material)>, KeyError> {
    let extension = path.extension().and_then(|e| e.to_str());
    let material = match extension {
        Some("secret") if path.file_stem().is_some_and(|stem| stem == "apiv2") => {
            let md5 = KeyRef::new(format!("{key}-md5"))
                .map_err(|_| KeyError::Unreadable("an APIv2 key: its name is too long"))?;
            return Ok(vec![
                (key, Material::api_v2(V2Digest::HmacSha256, bytes)?),
                (md5, Material::api_v2(V2Digest::Md5, bytes)?),
            ]);
        }
        Some("secret") => Material::secret(bytes)?,
        Some("crt") => Material::certificate(bytes)?,
        Some("ccb") => Material::ccb(bytes)?,
        Some("password") => Material::password(bytes)?,
        Some("sha1") => Material::sha1(bytes)?,
        Some("merkey") => Material::suffixed(bytes)?,
        Some("aes") => Material::content(bytes)?,
        Some("digest") => {
            let named = |name: &str| {
                KeyRef::new(format!("{key}/{name}"))
                    .map_err(|_| KeyError::Unreadable("a key for digests: its name is too long"))
            };
            return Ok(vec![
                (named("md5")?, Material::keyed(Hash::Md5, bytes)?),
                (named("sha1")?, Material::keyed(Hash::Sha1, bytes)?),
            ]);
        }
        _ => Material::read(bytes)?,
    };
    Ok(vec![(key, material)])
}

fn open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o077 != 0)
}

/// The key that signs our answers and notifications in a scheme: of `answer/…` the last by name.
pub fn answer_key(keys: &Keys, scheme: crate::signature::Scheme) -> Option<KeyRef> {
    let kind = match scheme {
        crate::signature::Scheme::Ed25519 => "Ed25519 private key",
        crate::signature::Scheme::Rsa => "RSA private key",
    };
    keys.last_in(&KeyRef::new("answer").ok()?, kind)
}
