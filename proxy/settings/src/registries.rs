//! Signed registries: loaded whole or not at all, while running; versions only rise.
//!
//! Beside each `X.json` lies `X.json.sig`, a signed note of `guandao-registry\n<kind>\n<hex SHA-256 of X.json>\n`.

use crate::read::Section;
use domain::{Digest, RegistryVersion};
use journal::{VerifierKey, note};
use policy::registry::{AcquirerFile, LicenceFile, OperatorFile, Registries};
use sha2::{Digest as _, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Where registries come from and who signs them.
#[derive(Debug, Clone)]
pub struct RegistryFiles {
    /// Folder of `licence.json`, `acquirer-*.json`, `operator.json`, each with `.sig` beside it.
    pub dir: PathBuf,
    /// Signer of the licence file.
    pub licence_key: Option<VerifierKey>,
    /// Signer of acquirers' files, and of their acknowledgements.
    pub acquirer_key: Option<VerifierKey>,
    /// Signer of the operator's file.
    pub operator_key: Option<VerifierKey>,
}

impl RegistryFiles {
    /// The keys `dir`, `licence_key`, `acquirer_key` and `operator_key` of a section.
    pub fn read(section: &Section<'_>) -> RegistryFiles {
        let key = |name: &'static str| {
            let text = section.text(name);
            let key = VerifierKey::parse(&text);
            if key.is_none() && section.has(name) {
                section.problem(
                    name,
                    None,
                    "this is no verifier key",
                    "write name+id+base64 as in key.vkey (C2SP signed-note, Ed25519)",
                );
            }
            key
        };
        RegistryFiles {
            dir: section.path("dir"),
            licence_key: key("licence_key"),
            acquirer_key: key("acquirer_key"),
            operator_key: key("operator_key"),
        }
    }
}

/// One problem with the registries, in words.
pub type Problem = String;

/// Digest over every file of the folder, to see a change; `None` if it cannot be read now.
pub fn seal(files: &RegistryFiles) -> Option<Digest> {
    let entries = fs::read_dir(&files.dir).ok()?.flatten();
    let mut names: Vec<_> = entries.map(|e| e.path()).filter(|p| is_registry(p)).collect();
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

/// `X.json.sig` beside `X.json`.
pub fn signature_file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}

/// Loads all files; every problem at once. `before` is what took effect last.
pub fn load(files: &RegistryFiles, before: &[RegistryVersion]) -> Result<Registries, Vec<Problem>> {
    load_with(files, before, |_| Ok(())).map(|(registries, ())| registries)
}

/// The same, and what else somebody reads in the operator's file; what that finds wrong is a problem of the files.
//= C23
pub fn load_with<T>(
    files: &RegistryFiles,
    before: &[RegistryVersion],
    also: impl FnOnce(&OperatorFile) -> Result<T, Vec<Problem>>,
) -> Result<(Registries, T), Vec<Problem>> {
    let mut problems = Vec::new();
    let mut take = |name: &str, kind: &str, key: &Option<VerifierKey>| {
        signed(&files.dir.join(name), kind, key)
            .map_err(|problem| problems.push(problem))
            .ok()
    };
    let licence = take("licence.json", "licence", &files.licence_key);
    let operator = take("operator.json", "operator", &files.operator_key);
    let names = acquirer_files(&files.dir);
    let acquirers: Vec<_> = names
        .iter()
        .filter_map(|name| take(name, "acquirer", &files.acquirer_key))
        .collect();
    //= C24
    if names.is_empty() {
        problems.push(format!(
            "{}: no acquirer-*.json; merchants enter only by import from an acquirer",
            files.dir.display()
        ));
    }
    match (licence, operator, problems.is_empty()) {
        (Some(licence), Some(operator), true) => join(licence, operator, &names, acquirers, before, also),
        _ => Err(problems),
    }
}

/// Every file of the folder that is signed, with its digest.
pub fn signed_files(files: &RegistryFiles) -> Vec<(Vec<u8>, Digest)> {
    let own = [
        ("licence.json".to_owned(), "licence", &files.licence_key),
        ("operator.json".to_owned(), "operator", &files.operator_key),
    ];
    let acquirers = acquirer_files(&files.dir)
        .into_iter()
        .map(|name| (name, "acquirer", &files.acquirer_key));
    own.into_iter()
        .chain(acquirers)
        .filter_map(|(name, kind, key)| signed(&files.dir.join(name), kind, key).ok())
        .collect()
}

fn acquirer_files(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|e| e.file_name().into_string().ok()).collect();
    names.retain(|n| n.starts_with("acquirer") && n.ends_with(".json"));
    names.sort();
    names
}

type Signed = (Vec<u8>, Digest);

fn join<T>(
    licence: Signed,
    operator: Signed,
    names: &[String],
    acquirers: Vec<Signed>,
    before: &[RegistryVersion],
    also: impl FnOnce(&OperatorFile) -> Result<T, Vec<Problem>>,
) -> Result<(Registries, T), Vec<Problem>> {
    let in_file =
        |name: &str, p: policy::registry::Problem| format!("{name}: {}: {}; {}", p.path, p.wrong, p.right);
    let parsed_licence = LicenceFile::parse(&licence.0).map_err(|p| vec![in_file("licence.json", p)])?;
    let parsed_operator = OperatorFile::parse(&operator.0).map_err(|p| vec![in_file("operator.json", p)])?;
    let mut parsed = Vec::new();
    for (name, (bytes, digest)) in names.iter().zip(acquirers) {
        parsed.push((
            AcquirerFile::parse(&bytes).map_err(|p| vec![in_file(name, p)])?,
            digest,
        ));
    }
    let read = also(&parsed_operator)?;
    let joined = Registries::new(
        Arc::new(parsed_licence),
        licence.1,
        parsed,
        (parsed_operator, operator.1),
    );
    let kind = |p: &policy::registry::Problem| format!("{:?}", p.file).to_lowercase();
    let registries =
        joined.map_err(|all| all.into_iter().map(|p| in_file(&kind(&p), p)).collect::<Vec<_>>())?;
    only_rises(before, &registries)?;
    Ok((registries, read))
}

/// A file's octets, if its signature is good.
fn signed(path: &Path, kind: &str, key: &Option<VerifierKey>) -> Result<Signed, Problem> {
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

/// What is wrong with files that do not follow those which took effect last.
//= C23
pub fn only_rises(before: &[RegistryVersion], now: &Registries) -> Result<(), Vec<Problem>> {
    let problem = |f: policy::registry::NotRisen| {
        let name = match &f.acquirer {
            Some(acquirer) => format!("Acquirer {acquirer}"),
            None => format!("{:?}", f.kind),
        };
        format!(
            "{name}: version {} does not rise above {}; a changed file needs a higher version",
            f.version, f.before
        )
    };
    let problems: Vec<_> = now.not_risen(before).into_iter().map(problem).collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}
