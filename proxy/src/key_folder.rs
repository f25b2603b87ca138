//! The channels' part of the key folder, looked at while running: WeChat's public key takes the place of its platform
//! certificates (channels.md 1.7), a merchant's key is changed, without a restart. Our own keys (`journal`, `answer/…`) are
//! read at the start only.

use crate::{
    app::App,
    keys::{self, KeyFileError},
};
use certs::Keys;
use domain::{Channel, Digest, KeyRef};
use sha2::{Digest as _, Sha256};
use std::{
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

/// What was read last.
pub(crate) struct KeyFolder {
    dir: PathBuf,
    seal: Option<Digest>,
    /// Those that stand in the folder; what was fetched from a channel is not among them.
    names: Vec<KeyRef>,
}

impl KeyFolder {
    /// Reads the folder for the first time, with our own keys. What changes from here on, also while a start goes on, the first
    /// look finds: the seal is older than what was read, and what was read is what a look may take away.
    pub(crate) fn open(dir: PathBuf) -> Result<(Keys, KeyFolder), Vec<KeyFileError>> {
        let seal = seal(&dir);
        let all = keys::read_all(&dir)?;
        let names = channels(&all).map(|(key, _)| key.clone()).collect();
        let read = Keys::default();
        read.put_all(all);
        Ok((read, KeyFolder { dir, seal, names }))
    }

    /// Takes what changed, whole or not at all.
    //= C91
    pub(crate) async fn look(mut self, app: &App) -> KeyFolder {
        let dir = self.dir.clone();
        let former = self.seal;
        let read = tokio::task::spawn_blocking(move || {
            let seal = seal(&dir);
            (seal != former).then(|| (seal, keys::read_all(&dir)))
        });
        let (seal, read) = match read.await {
            Ok(Some(changed)) => changed,
            Ok(None) | Err(_) => return self,
        };
        self.seal = seal;
        match read {
            Ok(all) => {
                let names = channels(&all).map(|(key, _)| key.clone()).collect();
                let all = all.into_iter().filter(|(key, _)| is_of_a_channel(key)).collect();
                app.take_keys(&std::mem::replace(&mut self.names, names), all);
                tracing::info!(keys = self.names.len(), "the channels' keys were reloaded");
            }
            Err(problems) => problems.iter().for_each(|problem| {
                tracing::error!(%problem, "the changed key folder is not taken; the keys that were read before stay in use");
            }),
        }
        self
    }
}

fn channels<T>(all: &[(KeyRef, T)]) -> impl Iterator<Item = &(KeyRef, T)> {
    all.iter().filter(|(key, _)| is_of_a_channel(key))
}

fn is_of_a_channel(key: &KeyRef) -> bool {
    let folder = key.as_str().split('/').next().unwrap_or_default();
    Channel::ALL.iter().any(|channel| channel.as_str() == folder)
}

/// Over names, sizes and times of all files, to see a change without reading keys.
fn seal(dir: &Path) -> Option<Digest> {
    let mut all = Vec::new();
    list(dir, &mut all).ok()?;
    all.sort();
    let mut hash = Sha256::new();
    for line in all {
        hash.update(line.as_bytes());
    }
    Some(Digest::from_bytes(hash.finalize().into()))
}

fn list(dir: &Path, all: &mut Vec<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)?.flatten() {
        // Of what a link leads to, as the keys are read.
        let facts = std::fs::metadata(entry.path())?;
        if facts.is_dir() {
            list(&entry.path(), all)?;
        } else {
            let changed = facts.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            all.push(format!(
                "{}\0{}\0{}\n",
                entry.path().display(),
                facts.len(),
                changed.as_nanos()
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_and_only_channels_keys_are_taken() {
        let dir = std::env::temp_dir().join(format!("guandao-key-folder-{}", std::process::id()));
        let put = |name: &str, text: &str| {
            let file = dir.join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        put("journal.pem", "a");
        let before = seal(&dir);
        assert_eq!(before, seal(&dir));
        put("wechat/1900/platform/PUB_KEY_ID_01.pem", "b");
        let after = seal(&dir);
        assert_ne!(before, after);
        put("wechat/1900/platform/PUB_KEY_ID_01.pem", "other");
        assert_ne!(after, seal(&dir));
        let named = |name: &str| (KeyRef::new(name).unwrap(), ());
        let all = vec![
            named("journal"),
            named("answer/1"),
            named("wechat/1900/merchant"),
            named("cmb/1/bank"),
        ];
        let taken: Vec<_> = channels(&all).map(|(key, ())| key.to_string()).collect();
        assert_eq!(taken, ["wechat/1900/merchant", "cmb/1/bank"]);
        assert_eq!(seal(&dir.join("nowhere")), None);
        std::fs::remove_dir_all(dir).unwrap();
    }

    /// It was read at the start and is in use; that it went a moment later a look must see.
    #[test]
    fn what_is_taken_away_while_a_start_goes_on_is_known_as_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("alipay/2021000066965330/content.aes");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "AAAAAAAAAAAAAAAAAAAAAA==").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let (read, folder) = KeyFolder::open(dir.path().to_owned()).unwrap();
        std::fs::remove_file(file).unwrap();
        let name = KeyRef::new("alipay/2021000066965330/content").unwrap();
        assert!(read.has(&name));
        assert_eq!(folder.names, [name]);
        assert_ne!(folder.seal, seal(dir.path()), "the first look reads anew");
    }
}
