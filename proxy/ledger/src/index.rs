//! sled, as an index and nothing more: (merchant, order number) hash → journal index of the order's latest entry,
//! numbers at channels that are not the merchant's own, channels' own numbers and numbers of groups → order, and how far all that has come.
//!
//! Whatever is wrong with it, it is moved aside and built again from the journal.

use domain::{AccountNo, Channel, ChannelNo, MerchantId, PaymentId, TradeNo};
use std::path::{Path, PathBuf};

const SCHEMA: u64 = 2;

/// The embedded index.
#[derive(Clone)]
pub struct Index {
    db: sled::Db,
    orders: sled::Tree,
    aliases: sled::Tree,
}

/// How the index was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// In order.
    Sound,
    /// Not there.
    New,
    /// It did not open or has another schema; it was moved to this path and replaced.
    Replaced(PathBuf),
}

impl Index {
    /// Opens the index in `dir`, or replaces it.
    pub fn open(dir: &Path) -> Result<(Index, Found), sled::Error> {
        let existed = dir.exists();
        // sled 0.34 may panic where it should return an error, for example on a damaged snapshot file.
        let opened = std::panic::catch_unwind(|| Self::open_once(dir));
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
        })
    }

    /// Moves an index aside that claims entries the journal does not have, and makes a new one.
    pub(crate) fn replace_ahead(dir: &Path) -> Result<(Index, Found), sled::Error> {
        Self::replace(dir)
    }

    fn replace(dir: &Path) -> Result<(Index, Found), sled::Error> {
        let aside = (1..)
            .map(|n| dir.with_extension(format!("damaged-{n}")))
            .find(|p| !p.exists());
        let aside = aside.unwrap_or_else(|| dir.with_extension("damaged"));
        std::fs::rename(dir, &aside)?;
        let index = Self::open_once(dir)?;
        index.set_applied(0, &[], &[])?;
        Ok((index, Found::Replaced(aside)))
    }

    /// The database, for the vault's sealed blobs.
    pub fn db(&self) -> &sled::Db {
        &self.db
    }

    /// Journal index of the order's latest entry, as far as applied.
    pub fn order(&self, id: &PaymentId) -> Result<Option<u64>, sled::Error> {
        Ok(self.orders.get(id.as_bytes())?.and_then(|v| number(&v)))
    }

    /// The order behind a number at a channel, or behind the channel's own number of it.
    pub(crate) fn alias(&self, key: &[u8]) -> Result<Option<PaymentId>, sled::Error> {
        let found = self.aliases.get(key)?;
        Ok(found
            .and_then(|v| <[u8; 16]>::try_from(v.as_ref()).ok())
            .map(PaymentId::from_bytes))
    }

    /// Entries below this journal index are all in.
    pub fn applied(&self) -> u64 {
        self.orders
            .get(b"applied")
            .ok()
            .flatten()
            .and_then(|v| number(&v))
            .unwrap_or(0)
    }

    /// Puts in a batch and says how far that goes.
    pub fn set_applied(
        &self,
        applied: u64,
        orders: &[(PaymentId, u64)],
        aliases: &[(Vec<u8>, PaymentId)],
    ) -> Result<(), sled::Error> {
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
    }

    fn schema(&self) -> Option<u64> {
        self.orders.get(b"schema").ok().flatten().and_then(|v| number(&v))
    }
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
