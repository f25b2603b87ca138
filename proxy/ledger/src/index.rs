//! sled, as an index and nothing more: (merchant, order number) hash → journal index of the order's latest entry,
//! numbers at channels that are not the merchant's own, channels' own numbers and numbers of groups → order, and how far all that has come.
//!
//! Whatever is wrong with it, it is moved aside and built again from the journal.

use domain::{AccountNo, Channel, ChannelNo, MerchantId, PaymentId, TradeNo};
use std::{
    fs::{self, File},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tracing::error;

const SCHEMA: u64 = 2;
/// So many that were moved aside stay for whoever wants to know what was wrong with them.
const KEPT_ASIDE: u64 = 3;

/// The embedded index.
#[derive(Clone)]
pub struct Index {
    db: sled::Db,
    orders: sled::Tree,
    aliases: sled::Tree,
    dir: Arc<Path>,
    /// It panicked: what it says is not believed any more.
    broken: Arc<AtomicBool>,
}

/// How the index was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// In order.
    Sound,
    /// Not there.
    New,
    /// It did not open, has another schema or panicked; it was moved to this path and replaced.
    Replaced(PathBuf),
}

impl Index {
    /// Opens the index in `dir`, or replaces it.
    pub fn open(dir: &Path) -> Result<(Index, Found), sled::Error> {
        let existed = dir.exists();
        let mark = mark(dir);
        if mark.exists() {
            let opened = match existed {
                true => Self::replace(dir)?,
                false => (Self::begun(dir)?, Found::New),
            };
            fs::remove_file(mark)?;
            return Ok(opened);
        }
        // sled 0.34 may panic where it should return an error, for example on a damaged snapshot file.
        let opened = catch_unwind(|| Self::open_once(dir));
        match opened {
            Ok(Ok(index)) if !existed => index.set_applied(0, &[], &[]).map(|()| (index, Found::New)),
            Ok(Ok(index)) if index.schema() == Some(SCHEMA) => Ok((index, Found::Sound)),
            Ok(Ok(index)) => {
                drop(index);
                Self::replace(dir)
            }
            _ => Self::replace(dir),
        }
    }

    fn open_once(dir: &Path) -> Result<Index, sled::Error> {
        let db = sled::Config::new()
            .path(dir)
            .cache_capacity(64 << 20)
            .flush_every_ms(Some(1000))
            .open()?;
        Ok(Index {
            orders: db.open_tree("orders")?,
            aliases: db.open_tree("aliases")?,
            db,
            dir: dir.into(),
            broken: Arc::default(),
        })
    }

    /// A new one, empty.
    fn begun(dir: &Path) -> Result<Index, sled::Error> {
        let index = Self::open_once(dir)?;
        index.set_applied(0, &[], &[])?;
        Ok(index)
    }

    /// Moves an index aside that claims entries the journal does not have, and makes a new one.
    pub(crate) fn replace_ahead(dir: &Path) -> Result<(Index, Found), sled::Error> {
        Self::replace(dir)
    }

    fn replace(dir: &Path) -> Result<(Index, Found), sled::Error> {
        let name = |n: u64| dir.with_extension(format!("damaged-{n}"));
        let before = aside(dir)?;
        let number = before.iter().max().map_or(1, |last| last + 1);
        fs::rename(dir, name(number))?;
        for old in before.into_iter().filter(|old| old + KEPT_ASIDE <= number) {
            let _ = fs::remove_dir_all(name(old));
        }
        Ok((Self::begun(dir)?, Found::Replaced(name(number))))
    }

    /// Asks sled, which may panic where it should return an error. Then nothing it holds is believed from here on: every question
    /// fails, and the next start replaces it.
    fn ask<T>(&self, what: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, sled::Error> {
        let failed = || sled::Error::ReportableBug("the index panicked; the next start replaces it".into());
        if self.is_broken() {
            return Err(failed());
        }
        catch_unwind(AssertUnwindSafe(what)).unwrap_or_else(|_| {
            self.give_up();
            Err(failed())
        })
    }

    pub(crate) fn give_up(&self) {
        self.broken.store(true, Ordering::Release);
        let mark = mark(&self.dir);
        if let Err(error) = File::create(&mark).and_then(|file| file.sync_all()) {
            error!(%error, mark = %mark.display(), "the index panicked, and the mark that the next start replaces it cannot be made: remove it by hand");
        }
    }

    /// True once it panicked.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// The database, for the vault's sealed blobs.
    pub fn db(&self) -> &sled::Db {
        &self.db
    }

    /// Journal index of the order's latest entry, as far as applied.
    pub fn order(&self, id: &PaymentId) -> Result<Option<u64>, sled::Error> {
        let found = self.ask(|| self.orders.get(id.as_bytes()))?;
        Ok(found.and_then(|v| number(&v)))
    }

    /// The order behind a number at a channel, or behind the channel's own number of it.
    pub(crate) fn alias(&self, key: &[u8]) -> Result<Option<PaymentId>, sled::Error> {
        let found = self.ask(|| self.aliases.get(key))?;
        Ok(found
            .and_then(|v| <[u8; 16]>::try_from(v.as_ref()).ok())
            .map(PaymentId::from_bytes))
    }

    /// Entries below this journal index are all in.
    pub fn applied(&self) -> u64 {
        self.said(b"applied").unwrap_or(0)
    }

    /// Puts in a batch and says how far that goes.
    pub fn set_applied(
        &self,
        applied: u64,
        orders: &[(PaymentId, u64)],
        aliases: &[(Vec<u8>, PaymentId)],
    ) -> Result<(), sled::Error> {
        let put = || {
            for (key, id) in aliases {
                self.aliases.insert(key, id.as_bytes())?;
            }
            let mut batch = sled::Batch::default();
            for (id, last) in orders {
                batch.insert(id.as_bytes(), &last.to_be_bytes());
            }
            batch.insert(b"applied", &applied.to_be_bytes());
            batch.insert(b"schema", &SCHEMA.to_be_bytes());
            self.orders.apply_batch(batch)
        };
        self.ask(put)
    }

    fn schema(&self) -> Option<u64> {
        self.said(b"schema")
    }

    fn said(&self, key: &[u8]) -> Option<u64> {
        let found = self.ask(|| self.orders.get(key)).ok().flatten();
        found.and_then(|v| number(&v))
    }
}

/// Stands beside an index that panicked.
fn mark(dir: &Path) -> PathBuf {
    dir.with_extension("broken")
}

/// The numbers of those that were moved aside.
fn aside(dir: &Path) -> std::io::Result<Vec<u64>> {
    let front = dir.with_extension("damaged-");
    let front = front
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    let names = fs::read_dir(parent.unwrap_or(Path::new(".")))?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<std::io::Result<Vec<_>>>()?;
    let number = |name: &std::ffi::OsString| name.to_str()?.strip_prefix(&front)?.parse().ok();
    Ok(names.iter().filter_map(number).collect())
}

pub(crate) fn alias_key(channel: Channel, account: &AccountNo, no: &ChannelNo) -> Vec<u8> {
    format!("{channel}/{account}/{no}").into_bytes()
}

pub(crate) fn trade_key(merchant: &MerchantId, no: &TradeNo) -> Vec<u8> {
    format!("{merchant}#{no}").into_bytes()
}

pub(crate) fn group_key(merchant: &MerchantId, no: &ChannelNo) -> Vec<u8> {
    format!("{merchant}&{no}").into_bytes()
}

fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panics() -> Result<(), sled::Error> {
        panic!("as asked")
    }

    /// Else whoever starts the process anew would start it in vain, again and again.
    #[test]
    //= C28
    fn an_index_that_panicked_is_not_asked_again_and_replaced_at_the_next_start() {
        let dir = tempfile::tempdir().expect("a folder");
        let (path, id) = (dir.path().join("index"), PaymentId::from_bytes([1; 16]));
        let (index, found) = Index::open(&path).expect("opens");
        assert_eq!(found, Found::New);
        index.set_applied(8, &[(id, 7)], &[]).expect("taken");
        assert!(matches!(index.order(&id), Ok(Some(7))) && !index.is_broken());
        assert!(index.ask(panics).is_err() && index.is_broken());
        assert!(index.order(&id).is_err() && index.alias(b"no").is_err());
        assert!(index.set_applied(9, &[], &[]).is_err());
        drop(index);
        let (index, found) = Index::open(&path).expect("opens");
        assert_eq!(found, Found::Replaced(dir.path().join("index.damaged-1")));
        assert!(matches!(index.order(&id), Ok(None)) && index.applied() == 0);
        drop(index);
        assert_eq!(Index::open(&path).expect("opens").1, Found::Sound);
    }

    #[test]
    fn an_index_that_panicked_and_is_gone_leaves_no_mark() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("index");
        File::create(mark(&path)).expect("made");
        assert_eq!(Index::open(&path).expect("opens").1, Found::New);
        assert_eq!(Index::open(&path).expect("opens").1, Found::Sound);
    }

    #[test]
    fn few_of_those_that_were_moved_aside_stay() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("index");
        for n in 1..=6 {
            let (index, _) = Index::open(&path).expect("opens");
            assert!(index.ask(panics).is_err());
            drop(index);
            let found = Index::open(&path).expect("opens").1;
            assert_eq!(
                found,
                Found::Replaced(dir.path().join(format!("index.damaged-{n}")))
            );
        }
        let mut left = aside(&path).expect("listed");
        left.sort_unstable();
        assert_eq!(left, [4, 5, 6]);
    }
}
