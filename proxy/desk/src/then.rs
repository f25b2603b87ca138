//! Registries as they stood at each point of the trades journal, so that the same journal gives the same flags whenever
//! it is read. Signed files are kept by their digest; the journal's `RegistryLoaded` entries say which were in force.

use arc_swap::ArcSwap;
use domain::*;
use policy::registry::{AcquirerFile, LicenceFile, OperatorFile, Registries};
use settings::registries::{self, RegistryFiles};
use sha2::{Digest as _, Sha256};
use std::{
    fmt, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Every registry file that was ever seen here with a good signature.
pub struct Archive {
    dir: PathBuf,
    files: RegistryFiles,
}

/// What the journal says was in force and this desk does not have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Missing {
    kind: Registry,
    digest: Digest,
    why: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Missing { kind, digest, why } = self;
        write!(
            f,
            "the {kind:?} file with SHA-256 {digest} ({why}); lay it into data/registries as {digest}.json"
        )
    }
}

impl Archive {
    /// In the desk's data folder; takes in what lies in the folder of registries now.
    pub fn open(data: &Path, files: RegistryFiles) -> io::Result<Archive> {
        let dir = data.join("registries");
        fs::create_dir_all(&dir)?;
        let archive = Archive { dir, files };
        archive.collect()?;
        Ok(archive)
    }

    /// Keeps every file that is signed, whether or not it may follow the ones in force here: the proxy decides that.
    pub fn collect(&self) -> io::Result<()> {
        for (bytes, digest) in registries::signed_files(&self.files) {
            let path = self.path(&digest);
            if self.read(&path, &digest).is_some() {
                continue;
            }
            let beside = path.with_extension("new");
            let mut file = fs::File::create(&beside)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
        }
        fs::File::open(&self.dir)?.sync_all()
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.dir.join(format!("{digest}.json"))
    }

    fn read(&self, path: &Path, digest: &Digest) -> Option<Vec<u8>> {
        let bytes = fs::read(path).ok()?;
        (Sha256::digest(&bytes)[..] == digest.as_bytes()[..]).then_some(bytes)
    }

    fn find<T, E: fmt::Debug>(
        &self,
        kind: Registry,
        digest: Digest,
        parse: impl Fn(&[u8]) -> Result<T, E>,
    ) -> Result<T, Missing> {
        let missing = |why: String| Missing { kind, digest, why };
        let path = self.path(&digest);
        let kept = self.read(&path, &digest).or_else(|| {
            // It may have come since the folder was last looked at.
            self.collect().ok()?;
            self.read(&path, &digest)
        });
        let bytes = kept.ok_or_else(|| missing("it was never seen here".to_owned()))?;
        parse(&bytes).map_err(|error| missing(format!("it cannot be read: {error:?}")))
    }
}

/// The registries in force at the entry that is read.
pub struct Then {
    archive: Archive,
    /// For entries before the first `RegistryLoaded`, which no proxy writes.
    now: Arc<ArcSwap<Registries>>,
    current: Option<Arc<Registries>>,
    digests: Vec<Digest>,
    /// A run of entries that is not complete: licence first, operator's file last.
    coming: Option<Coming>,
}

#[derive(Clone)]
struct Coming {
    licence: Digest,
    acquirers: Vec<Digest>,
}

impl Then {
    /// Before the first entry.
    pub fn new(archive: Archive, now: Arc<ArcSwap<Registries>>) -> Then {
        Then {
            archive,
            now,
            current: None,
            digests: Vec::new(),
            coming: None,
        }
    }

    /// What is in force.
    pub fn registries(&self) -> Arc<Registries> {
        self.current.clone().unwrap_or_else(|| self.now.load_full())
    }

    /// Takes an entry; the proxy puts all files on record together, licence first and operator's last. An entry that
    /// names what is missing changes nothing and can be taken again.
    //= C40
    pub fn observe(&mut self, event: &TradeEvent) -> Result<(), Missing> {
        let TradeEvent::RegistryLoaded { digest, kind, .. } = event else {
            return Ok(());
        };
        match (kind, &mut self.coming) {
            (Registry::Licence, coming) => {
                *coming = Some(Coming {
                    licence: *digest,
                    acquirers: Vec::new(),
                });
            }
            (Registry::Acquirer, Some(coming)) => coming.acquirers.push(*digest),
            (Registry::Operator, Some(coming)) => {
                let coming = coming.clone();
                self.turn(&coming, *digest)?;
                self.coming = None;
            }
            (_, None) => {}
        }
        Ok(())
    }

    fn turn(&mut self, coming: &Coming, operator: Digest) -> Result<(), Missing> {
        let digests: Vec<Digest> = [coming.licence, operator]
            .into_iter()
            .chain(coming.acquirers.iter().copied())
            .collect();
        if self.current.is_some() && digests == self.digests {
            return Ok(());
        }
        let find = &self.archive;
        let licence = find.find(Registry::Licence, coming.licence, LicenceFile::parse)?;
        let own = find.find(Registry::Operator, operator, OperatorFile::parse)?;
        let acquirers = coming
            .acquirers
            .iter()
            .map(|digest| {
                Ok((
                    find.find(Registry::Acquirer, *digest, AcquirerFile::parse)?,
                    *digest,
                ))
            })
            .collect::<Result<Vec<_>, Missing>>()?;
        let joined = Registries::new(Arc::new(licence), coming.licence, acquirers, (own, operator));
        let registries = joined.map_err(|problems| Missing {
            kind: Registry::Operator,
            digest: operator,
            why: format!("this desk does not take it with the others: {problems:?}"),
        })?;
        (self.current, self.digests) = (Some(Arc::new(registries)), digests);
        Ok(())
    }
}
