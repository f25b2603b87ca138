//! The channels' part of the key folder, looked at while running: WeChat's public key takes the place of its platform
//! certificates (channels.md 1.7), a merchant's key is changed, without a restart. Our own keys (`journal`, `answer/…`) are
//! read at the start only.

use crate::{app::App, keys};
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
    /// What stands there at the start.
    pub(crate) fn of(app: &App) -> KeyFolder {
        let dir = app.config().keys.clone();
        // No seal yet: what changed since the start was read is found by the first look.
        let seal = None;
        let names = keys::read_all(&dir)
            .map_or_else(|_| Vec::new(), |all| channels(all).map(|(key, _)| key).collect());
        KeyFolder { dir, seal, names }
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
                let all: Vec<_> = channels(all).collect();
                let names = all.iter().map(|(key, _)| key.clone()).collect();
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

fn channels<T>(all: Vec<(KeyRef, T)>) -> impl Iterator<Item = (KeyRef, T)> {
    let of_a_channel = |key: &KeyRef| {
        let folder = key.as_str().split('/').next().unwrap_or_default();
        Channel::ALL.iter().any(|channel| channel.as_str() == folder)
    };
    all.into_iter().filter(move |(key, _)| of_a_channel(key))
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
        let taken: Vec<_> = channels(all).map(|(key, ())| key.to_string()).collect();
        assert_eq!(taken, ["wechat/1900/merchant", "cmb/1/bank"]);
        assert_eq!(seal(&dir.join("nowhere")), None);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
