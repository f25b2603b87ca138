//! Signed registries: loaded whole or not at all, while running; versions only rise.
//!
//! Beside each `X.json` lies `X.json.sig`, a signed note of `guandao-registry\n<kind>\n<hex SHA-256 of X.json>\n`.

use crate::config::RegistryFiles;
use certs::Material;
use domain::{Digest, KeyRef, Registry};
use journal::{VerifierKey, note};
use policy::registry::{AcquirerFile, LicenceFile, OperatorFile, Registries};
use sha2::{Digest as _, Sha256};
use std::{collections::HashMap, fs, path::Path, sync::Arc};

/// One problem with the registries, in words.
pub type Problem = String;

/// The accepted registries and the keys they bring.
pub struct Loaded {
    /// Facts.
    pub registries: Registries,
    /// Merchants' public keys.
    pub keys: Vec<(KeyRef, Material)>,
    /// Digest over all files, to see a change.
    pub seal: Digest,
}

/// Digest over every file of the folder, or `None` if it cannot be read now.
pub fn seal(files: &RegistryFiles) -> Option<Digest> {
    let mut names: Vec<_> = fs::read_dir(&files.dir)
        .ok()?
        .flatten()
        .map(|e| e.path())
        .filter(|p| is_registry(p))
        .collect();
    names.sort();
    let mut hash = Sha256::new();
    for path in names {
        let bytes = fs::read(&path).ok()?;
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(&bytes);
        hash.update(fs::read(signature_file(&path)).unwrap_or_default());
    }
    Some(Digest::from_bytes(hash.finalize().into()))
}

fn is_registry(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "json")
}

fn signature_file(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}

/// Loads all files; every problem at once.
//= C23
pub fn load(files: &RegistryFiles, before: Option<&Registries>) -> Result<Loaded, Vec<Problem>> {
    let seal = seal(files).ok_or_else(|| vec![format!("{} cannot be read", files.dir.display())])?;
    let mut problems = Vec::new();
    let mut take = |name: &str, kind: &str, key: &Option<VerifierKey>| {
        signed(&files.dir.join(name), kind, key)
            .map_err(|p| problems.push(p))
            .ok()
    };
    let licence = take("licence.json", "licence", &files.licence_key);
    let operator = take("operator.json", "operator", &files.operator_key);
    let mut acquirers = Vec::new();
    let mut names: Vec<String> = fs::read_dir(&files.dir)
        .map(|d| {
            d.flatten()
                .filter_map(|e| e.file_name().into_string().ok())
                .collect()
        })
        .unwrap_or_default();
    names.retain(|n| n.starts_with("acquirer") && n.ends_with(".json"));
    names.sort();
    for name in &names {
        acquirers.extend(take(name, "acquirer", &files.acquirer_key));
    }
    //= C24
    if names.is_empty() {
        problems.push(format!(
            "{}: no acquirer-*.json; merchants enter only by import from an acquirer",
            files.dir.display()
        ));
    }
    let (Some((licence, licence_digest)), Some((operator, operator_digest)), true) =
        (licence, operator, problems.is_empty())
    else {
        return Err(problems);
    };
    let in_file =
        |name: &str, p: policy::registry::Problem| format!("{name}: {}: {}; {}", p.path, p.wrong, p.right);
    let licence = LicenceFile::parse(&licence).map_err(|p| vec![in_file("licence.json", p)])?;
    let operator = OperatorFile::parse(&operator).map_err(|p| vec![in_file("operator.json", p)])?;
    let mut parsed = Vec::new();
    for (name, (bytes, digest)) in names.iter().zip(acquirers) {
        parsed.push((
            AcquirerFile::parse(&bytes).map_err(|p| vec![in_file(name, p)])?,
            digest,
        ));
    }
    let keys = keys(&operator)?;
    let registries = Registries::new(
        Arc::new(licence),
        licence_digest,
        parsed,
        (operator, operator_digest),
    )
    .map_err(|all| {
        all.into_iter()
            .map(|p| in_file(&format!("{:?}", p.file).to_lowercase(), p))
            .collect::<Vec<_>>()
    })?;
    only_rises(before, &registries)?;
    Ok(Loaded {
        registries,
        keys,
        seal,
    })
}

/// A file's octets, if its signature is good.
fn signed(path: &Path, kind: &str, key: &Option<VerifierKey>) -> Result<(Vec<u8>, Digest), Problem> {
    let name = path.display();
    let bytes = fs::read(path).map_err(|e| format!("{name}: {e}"))?;
    let digest: [u8; 32] = Sha256::digest(&bytes).into();
    let beside = signature_file(path);
    let signature = fs::read_to_string(&beside).map_err(|e| format!("{}: {e}", beside.display()))?;
    let key = key
        .as_ref()
        .ok_or_else(|| format!("{name}: no key is configured for it"))?;
    let good = |text: &[u8], s: &[u8]| certs::verify_ed25519(&key.public_key, text, s);
    let wanted = format!("guandao-registry\n{kind}\n{}\n", hex::encode(digest));
    match note::open(&signature, key, good) {
        Some(text) if text == wanted => Ok((bytes, Digest::from_bytes(digest))),
        Some(_) => Err(format!(
            "{}: it signs another file or kind; sign this very file",
            beside.display()
        )),
        None => Err(format!(
            "{}: not signed with the key {}",
            beside.display(),
            key.name
        )),
    }
}

/// Merchants' public keys: for the unified API, and for what their SDKs sign.
fn keys(operator: &OperatorFile) -> Result<Vec<(KeyRef, Material)>, Vec<Problem>> {
    let (mut keys, mut problems) = (Vec::new(), Vec::new());
    let mut take = |place: String, name: String, pem: &str| {
        let key = KeyRef::new(&name)
            .map_err(|e| e.to_string())
            .and_then(|name| Ok((name, Material::read(pem.as_bytes()).map_err(|e| e.to_string())?)));
        match key {
            Ok(key) => keys.push(key),
            Err(error) => problems.push(format!("operator.json: {place}: {error}")),
        }
    };
    for merchant in &operator.merchants {
        for key in &merchant.api_keys {
            take(
                format!("API key {} of {}", key.serial, merchant.id),
                format!("api/{}/{}", merchant.id, key.serial),
                &key.public_key,
            );
        }
    }
    for account in &operator.accounts {
        for key in &account.merchant_keys {
            let name = match account.channel {
                domain::Channel::Wechat => {
                    format!("wechat/{}/merchant-public/{}", account.account, key.serial)
                }
                domain::Channel::Alipay => format!("alipay/{}/app-public", account.account),
                domain::Channel::Unionpay
                | domain::Channel::Baidu
                | domain::Channel::Ccb
                | domain::Channel::Icbc
                | domain::Channel::Cmb => {
                    format!(
                        "{}/{}/merchant-public/{}",
                        account.channel, account.account, key.serial
                    )
                }
            };
            take(
                format!("merchant key {} of account {}", key.serial, account.account),
                name,
                &key.public_key,
            );
        }
    }
    if problems.is_empty() {
        Ok(keys)
    } else {
        Err(problems)
    }
}

fn only_rises(before: Option<&Registries>, now: &Registries) -> Result<(), Vec<Problem>> {
    let Some(before) = before else { return Ok(()) };
    let highest: HashMap<Registry, u64> = before
        .digests()
        .into_iter()
        .map(|(kind, _, version, _)| (kind, version))
        .collect();
    let same: Vec<Digest> = before
        .digests()
        .into_iter()
        .map(|(_, digest, ..)| digest)
        .collect();
    let fell = now.digests().into_iter().filter(|(kind, digest, version, _)| {
        !same.contains(digest) && highest.get(kind).is_some_and(|h| version <= h)
    });
    let problems: Vec<_> = fell
        .map(|(kind, _, version, _)| {
            format!(
                "{kind:?}: version {version} does not rise above {}; a changed file needs a higher version",
                highest[&kind]
            )
        })
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}
