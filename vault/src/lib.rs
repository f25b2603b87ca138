//! The only code that turns sealed buyer data into plaintext, and the keys that die unless renewed.
//!
//! A record is sealed under the *bucket* of its deadline. Bucket keys are random, live in locked memory only and are
//! wiped when the deadline comes; what they sealed is noise from then on, on this disk, in every backup and after a
//! crash. Each opening is counted by purpose, and the count stands in the bucket's destroy entry (监督管理).

mod buyer;
mod epochs;
pub mod hygiene;
mod keyring;
mod locked;
pub mod pattern;
mod sealed;

pub use buyer::{AuthCode, Buyer, PaidBuyer, Payer, PayerField, RefundBuyer, Text};
pub use epochs::{GRADE, KeyringError, KnownEpochs, Lengths};
pub use locked::LockError;
pub use sealed::{Class, Context, Opened, Record, Sealed};

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use domain::*;
use epochs::Epochs;
use hkdf::Hkdf;
use hmac::Mac;
use locked::{Locked, LockedKey};
use parking_lot::Mutex;
use sha2::Sha256;
use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    path::Path,
    sync::Arc,
    time::Duration,
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Times of the vault.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Length of a bucket.
    pub bucket: Duration,
    /// A record's key is dead this long after sealing, at the latest. Two buckets at least: then it lives for one at least, and
    /// what is renewed in its last bucket's length comes to lie under a later key.
    pub deadline: Duration,
    /// Longest time a record may be renewed for a merchant's notification.
    pub renew_at_most: Duration,
    /// Token epochs.
    pub epochs: Lengths,
}

impl Default for Settings {
    fn default() -> Self {
        let s = Duration::from_secs;
        Settings {
            bucket: s(60),
            deadline: s(120),
            renew_at_most: s(24 * 3600),
            epochs: Lengths { days: 90, kept: 30 },
        }
    }
}

/// Why a record does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Its key has died, by deadline or with an earlier run.
    #[error("the key of this record has died")]
    Gone,
    /// It belongs to another order, field class or key, or was altered.
    #[error("the record does not belong here or was altered")]
    Forged,
}

struct Bucket {
    key: Arc<LockedKey>,
    counter: u64,
    records: u64,
    openings: BTreeMap<Purpose, u64>,
    /// Blobs kept under this bucket.
    blobs: Vec<Vec<u8>>,
    /// Those of them that a notification of an order may have to outlive this bucket with.
    to_tell: Vec<(Context, PaymentId)>,
    deadline: Instant,
}

struct Inner {
    settings: Settings,
    clock: Arc<dyn Clock>,
    boot: Boot,
    locked: Locked,
    buckets: Mutex<HashMap<u64, Bucket>>,
    blobs: sled::Tree,
    epochs: Epochs,
}

/// The vault. Cheap to clone.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

/// Why the vault does not open.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Epoch keys.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The store of sealed blobs.
    #[error("the store of sealed blobs does not open: {0}")]
    Blobs(#[from] sled::Error),
}

impl Vault {
    /// Opens the vault; yields what has to be put on record, `known` being the token epochs that are. Blobs of earlier
    /// runs are noise and are removed.
    pub fn open(
        settings: Settings,
        clock: Arc<dyn Clock>,
        boot: Boot,
        db: &sled::Db,
        keyring: &Path,
        known: &KnownEpochs,
    ) -> Result<(Vault, Vec<TradeEvent>), VaultError> {
        let locked = Locked::default();
        let (epochs, events) =
            Epochs::open(keyring, settings.epochs, locked.clone(), clock.now().day(), known)?;
        let blobs = db.open_tree("sealed")?;
        blobs.clear()?;
        let inner = Inner {
            settings,
            clock,
            boot,
            locked,
            buckets: Mutex::default(),
            blobs,
            epochs,
        };
        Ok((Vault(Arc::new(inner)), events))
    }

    /// Number of the bucket for what is sealed now: its key dies at `number × bucket` since boot, which is
    /// within the deadline.
    fn bucket_now(&self) -> u64 {
        let (bucket, deadline) = (
            self.0.settings.bucket.as_millis(),
            self.0.settings.deadline.as_millis(),
        );
        ((self.0.clock.since_boot().as_millis() + deadline) / bucket.max(1)) as u64
    }

    fn dies_at(&self, bucket: u64) -> Duration {
        Duration::from_millis((u128::from(bucket) * self.0.settings.bucket.as_millis()) as u64)
    }

    /// The bucket for what is sealed now, which is begun where there is none. Its number is read behind the lock that whoever
    /// destroys takes too: one that was destroyed is never begun again.
    fn bucket_of_now<'a>(
        &self,
        buckets: &'a mut HashMap<u64, Bucket>,
    ) -> Result<(u64, &'a mut Bucket), LockError> {
        let number = self.bucket_now();
        let bucket = match buckets.entry(number) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(place) => {
                let until = self.dies_at(number).saturating_sub(self.0.clock.since_boot());
                let deadline = self.0.clock.now().plus_millis(until.as_millis() as i64);
                let key = Arc::new(self.0.locked.random()?);
                place.insert(Bucket {
                    key,
                    counter: 0,
                    records: 0,
                    openings: BTreeMap::new(),
                    blobs: Vec::new(),
                    to_tell: Vec::new(),
                    deadline,
                })
            }
        };
        Ok((number, bucket))
    }

    /// Seals a record under the bucket of its deadline. `None` only if no locked memory is left.
    //= C33
    pub fn try_seal<T: Record>(&self, record: &T, context: &Context) -> Result<Sealed<T>, LockError> {
        let (number, key, counter) = {
            let mut buckets = self.0.buckets.lock();
            let (number, bucket) = self.bucket_of_now(&mut buckets)?;
            bucket.counter += 1;
            bucket.records += 1;
            (number, bucket.key.clone(), bucket.counter)
        };
        let mut plain = Zeroizing::new(Vec::with_capacity(512));
        record.write(&mut plain);
        let (record_key, commitment) = derive(key.expose(), counter);
        let ciphertext = seal_octets(
            &record_key,
            counter,
            &context.associated(T::CLASS, number),
            &plain,
        );
        let mut bytes = Vec::with_capacity(sealed::HEAD + ciphertext.len());
        bytes.push(sealed::VERSION);
        bytes.extend_from_slice(self.0.boot.as_bytes());
        bytes.extend_from_slice(&number.to_be_bytes());
        bytes.extend_from_slice(&counter.to_be_bytes());
        bytes.extend_from_slice(&commitment);
        bytes.extend_from_slice(&ciphertext);
        Ok(Sealed::new(bytes))
    }

    /// Seals; a machine that has no locked memory left cannot go on.
    pub fn seal<T: Record>(&self, record: T, context: &Context) -> Sealed<T> {
        self.try_seal(&record, context)
            .expect("locked memory was reserved at the start")
    }

    /// Opens a record for a purpose, which is counted.
    //= C36
    pub fn open_for<T: Record>(
        &self,
        sealed: &Sealed<T>,
        context: &Context,
        purpose: Purpose,
    ) -> Result<Opened<T>, OpenError> {
        if sealed.boot() != self.0.boot || self.0.clock.since_boot() >= self.dies_at(sealed.bucket()) {
            return Err(OpenError::Gone);
        }
        let key = {
            let mut buckets = self.0.buckets.lock();
            let bucket = buckets.get_mut(&sealed.bucket()).ok_or(OpenError::Gone)?;
            *bucket.openings.entry(purpose).or_default() += 1;
            bucket.key.clone()
        };
        let (record_key, commitment) = derive(key.expose(), sealed.counter());
        if !bool::from(commitment.as_slice().ct_eq(sealed.commitment())) {
            return Err(OpenError::Forged);
        }
        let associated = context.associated(T::CLASS, sealed.bucket());
        let plain = open_octets(&record_key, sealed.counter(), &associated, sealed.ciphertext())
            .ok_or(OpenError::Forged)?;
        T::read(&mut plain.as_slice())
            .map(Opened)
            .ok_or(OpenError::Forged)
    }

    /// Seals again under a later bucket. Nothing renews by itself.
    pub fn renew<T: Record>(&self, sealed: &Sealed<T>, context: &Context) -> Result<Sealed<T>, OpenError> {
        let opened = self.open_for(sealed, context, Purpose::Renew)?;
        self.try_seal(&opened.0, context).map_err(|_| OpenError::Gone)
    }

    /// Keeps a sealed record on disk until its key dies.
    pub fn keep<T: Record>(&self, sealed: &Sealed<T>, context: &Context) -> Result<(), sled::Error> {
        self.keep_until_told(sealed, context, None)
    }

    /// The same, for what the merchant is still to be told of this order: [`Vault::dying`] names it before its key dies.
    pub fn keep_to_tell<T: Record>(
        &self,
        sealed: &Sealed<T>,
        context: &Context,
        order: PaymentId,
    ) -> Result<(), sled::Error> {
        self.keep_until_told(sealed, context, Some(order))
    }

    fn keep_until_told<T: Record>(
        &self,
        sealed: &Sealed<T>,
        context: &Context,
        order: Option<PaymentId>,
    ) -> Result<(), sled::Error> {
        let name = context.name();
        self.0.blobs.insert(&name, sealed.as_bytes())?;
        if let Some(bucket) = self.0.buckets.lock().get_mut(&sealed.bucket()) {
            bucket.blobs.push(name);
            bucket.to_tell.extend(order.map(|order| (context.clone(), order)));
        }
        Ok(())
    }

    /// What is kept for a notification under keys that die within one bucket's length, each once: whoever lets one go
    /// lets it die.
    pub fn dying(&self) -> Vec<(Context, PaymentId)> {
        let mut buckets = self.0.buckets.lock();
        let soon = buckets
            .iter_mut()
            .filter(|(number, _)| self.dies_within(**number, self.0.settings.bucket));
        soon.flat_map(|(_, bucket)| std::mem::take(&mut bucket.to_tell))
            .collect()
    }

    /// A record that was kept, while its key lives.
    pub fn kept<T: Record>(&self, context: &Context) -> Option<Sealed<T>> {
        let bytes = self.0.blobs.get(context.name()).ok().flatten()?;
        Sealed::from_bytes(bytes.to_vec()).filter(|s| self.0.buckets.lock().contains_key(&s.bucket()))
    }

    /// Removes a record before its time.
    pub fn forget(&self, context: &Context) {
        if let Err(error) = self.0.blobs.remove(context.name()) {
            // The record dies with its key all the same.
            let _ = error;
        }
    }

    /// Where the sealed records of one request lie, for the journal.
    pub fn seal_ref<T>(sealed: &Sealed<T>) -> SealRef {
        SealRef {
            bucket: sealed.bucket(),
            records: 1,
        }
    }

    fn dies_within(&self, bucket: u64, time: Duration) -> bool {
        self.0.clock.since_boot() + time >= self.dies_at(bucket)
    }

    /// Longest time a record may be renewed for a notification.
    pub fn renew_at_most(&self) -> Duration {
        self.0.settings.renew_at_most
    }

    /// The payer's pseudonym; none for what does not tell payers apart. A card's number counts only if it is whole: masked,
    /// unrelated cards share it, and encrypted (channels.md 4.2) it is another each time.
    pub fn token(&self, channel: Channel, payer: &Payer) -> Option<PayerToken> {
        payer
            .is_whole()
            .then(|| self.0.epochs.token(channel, payer, self.0.clock.now()))
    }

    /// Digest of octets that may hold buyer data, keyed with a key of the current bucket that nothing else uses.
    pub fn keyed(&self, octets: &[u8]) -> Result<KeyedDigest, LockError> {
        let key = self.bucket_of_now(&mut self.0.buckets.lock())?.1.key.clone();
        let mut mac = hmac::HmacReset::<Sha256>::new_from_slice(&derive(key.expose(), 0).0[..])
            .expect("HMAC takes keys of any length");
        mac.update(octets);
        // Where it stands: a move would leave a copy of the octets.
        Ok(KeyedDigest::from_bytes(mac.finalize_reset().into_bytes().into()))
    }

    /// Kills every key whose time has come; yields the destroy entries.
    //= C34
    pub fn purge_due(&self) -> Vec<TradeEvent> {
        let now = self.0.clock.since_boot();
        self.destroy(|number| self.dies_at(number) <= now)
    }

    /// Kills every key: the run ends.
    pub fn purge_all(&self) -> Vec<TradeEvent> {
        self.destroy(|_| true)
    }

    //= C39
    fn destroy(&self, which: impl Fn(u64) -> bool) -> Vec<TradeEvent> {
        let mut buckets = self.0.buckets.lock();
        let due: Vec<u64> = buckets.keys().copied().filter(|n| which(*n)).collect();
        let dead = due.into_iter().filter_map(|n| Some((n, buckets.remove(&n)?)));
        let mut dead: Vec<_> = dead.map(|(n, bucket)| self.destroyed(n, bucket)).collect();
        drop(buckets);
        dead.sort_by_key(|(number, ..)| *number);
        // Every key is dead before the first blob is looked for.
        let swept = dead.into_iter().map(|(number, blobs, event)| {
            self.sweep(number, blobs);
            event
        });
        swept.collect()
    }

    /// The key dies here; yields what lay under it and what goes on record.
    //= C35
    fn destroyed(&self, number: u64, bucket: Bucket) -> (u64, Vec<Vec<u8>>, TradeEvent) {
        let Bucket {
            key,
            records,
            openings,
            blobs,
            deadline,
            ..
        } = bucket;
        drop(key);
        let event = TradeEvent::BucketDestroyed {
            boot: self.0.boot,
            bucket: number,
            deadline,
            openings,
            records,
        };
        (number, blobs, event)
    }

    /// Removes what lay under a dead key.
    fn sweep(&self, number: u64, blobs: Vec<Vec<u8>>) {
        for name in blobs {
            // Only if it was not renewed under a later bucket since, and is not just now.
            let Ok(Some(kept)) = self.0.blobs.get(&name) else {
                continue;
            };
            let still = Sealed::<Buyer>::from_bytes(kept.to_vec());
            if still.is_some_and(|s| s.bucket() == number) {
                let _ = self.0.blobs.compare_and_swap(&name, Some(kept), None::<&[u8]>);
            }
        }
    }

    /// Time since boot at which the next key dies.
    pub fn next_purge(&self) -> Option<Duration> {
        self.0.buckets.lock().keys().min().map(|n| self.dies_at(*n))
    }

    /// Begins and ends token epochs. What began gives tokens once [`Vault::epochs_recorded`] was called.
    pub fn roll_epochs(&self) -> Result<Vec<TradeEvent>, KeyringError> {
        self.0.epochs.roll(self.0.clock.now().day())
    }

    /// Says that the events of [`Vault::open`] or [`Vault::roll_epochs`] are on record.
    pub fn epochs_recorded(&self) {
        self.0.epochs.recorded();
    }

    /// Living bucket keys.
    pub fn buckets(&self) -> usize {
        self.0.buckets.lock().len()
    }
}

/// The record's own key, and the commitment to it.
fn derive(bucket: &[u8; 32], counter: u64) -> (Zeroizing<[u8; 32]>, [u8; 32]) {
    let hkdf = Hkdf::<Sha256>::new(None, bucket);
    let mut info = [0; 24];
    info[..16].copy_from_slice(b"guandao-record\0\0");
    info[16..].copy_from_slice(&counter.to_be_bytes());
    let mut both = Zeroizing::new([0; 64]);
    hkdf.expand(&info, &mut *both)
        .expect("64 octets are within HKDF's limit");
    let (mut key, mut commitment) = (Zeroizing::new([0; 32]), [0; 32]);
    key.copy_from_slice(&both[..32]);
    commitment.copy_from_slice(&both[32..]);
    (key, commitment)
}

fn nonce(counter: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    nonce
}

pub(crate) fn seal_octets(key: &[u8; 32], counter: u64, aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let cipher = Aes256Gcm::new(key.into());
    cipher
        .encrypt(&nonce(counter).into(), Payload { msg: plain, aad })
        .expect("a record is far below AES-GCM's limit")
}

pub(crate) fn open_octets(
    key: &[u8; 32],
    counter: u64,
    aad: &[u8],
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let cipher = Aes256Gcm::new(key.into());
    cipher
        .decrypt(&nonce(counter).into(), Payload { msg: sealed, aad })
        .ok()
        .map(Zeroizing::new)
}

#[cfg(test)]
#[path = "vault_tests.rs"]
mod tests;
