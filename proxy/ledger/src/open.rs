//! Starting: snapshot, then the journal from there on, then sled's arrears. Live orders first.

use crate::*;
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, path::Path, time::Duration};
use tracing::{error, info, warn};

/// Housekeeping's step.
const ROUND: Duration = Duration::from_millis(500);
/// Rounds before older orders are tried again.
const OLDER_EACH: u64 = 4;
/// Rounds between snapshots.
const SNAPSHOT_EACH: u64 = 120;
/// So many orders and numbers that sled has not taken stay in memory: some 300 MiB.
const MOST_RECENT: usize = 1 << 21;
/// The snapshot's name in its folder.
const SNAPSHOT: &str = "snapshot";

/// Why the ledger does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// sled cannot even make a new index.
    #[error("the index cannot be made: {0}")]
    Index(#[from] sled::Error),
    /// The journal does not read back.
    #[error(transparent)]
    Journal(#[from] LookupError),
    /// The journal is whole, but another build wrote it.
    #[error(
        "entry {index} of the journal ({event}) has a form that this build does not read: another build wrote it; open this journal with that build, or begin a new one in another folder and keep this one for whoever verifies it"
    )]
    Form {
        /// Where it stands.
        index: u64,
        /// Its event's name.
        event: String,
    },
}

/// An entry from its canonical octets. The journal reads no bundle that its hashes do not vouch for, so what does not read
/// is of another form.
fn read_entry(index: u64, octets: &[u8]) -> Result<TradeEntry, OpenError> {
    TradeEntry::from_canonical(octets).map_err(|_| OpenError::Form {
        index,
        event: event_of(octets).unwrap_or_else(|| "no event".into()),
    })
}

/// `{"at":1767225600000,"event":{"attempt_paid":{…`: the name of an event, known or not.
fn event_of(octets: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(octets).ok()?;
    let (name, _) = text.split_once("\"event\":{\"")?.1.split_once('"')?;
    let lawful = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    (lawful && name.len() <= 40).then(|| name.to_owned())
}

/// What opening found.
pub struct Opening {
    /// The ledger.
    pub ledger: Ledger,
    /// How the index was found.
    pub found: Found,
    /// Entries that were replayed before the ledger could serve.
    pub replayed: u64,
    /// Every changed order, in order of change; the sweep reads it.
    pub changes: mpsc::UnboundedReceiver<Arc<Order>>,
    /// Size and root of the cases journal as last observed.
    pub cases: Option<(u64, Digest)>,
    /// Measures of the desk as last observed.
    pub measures: Vec<Measure>,
    /// Token epochs that the journal knows; true while their end is not on record.
    pub epochs: BTreeMap<u32, bool>,
    /// Accounts that were lost when the journal ended.
    pub lost: Vec<Lost>,
    /// When the cases journal was last known to be read.
    pub cases_at: Option<Instant>,
}

impl Ledger {
    /// Opens the ledger over a journal. `dir` holds the index and the snapshot, both of which may be missing,
    /// damaged or from another time: they are replaced and the journal is read instead.
    pub fn open(journal: Journal, dir: &Path, clock: Arc<dyn Clock>) -> Result<Opening, OpenError> {
        let (mut index, mut found) = Index::open(&dir.join("index"))?;
        let size = journal.size();
        if index.applied() > size {
            warn!("the index is ahead of the journal; it is replaced");
            drop(index);
            (index, found) = Index::replace_ahead(&dir.join("index"))?;
        }
        let reader = journal.reader();
        let restored = Restored::replay(&reader, &dir.join(SNAPSHOT), size, clock.now())?;
        let (changes, receiver) = mpsc::unbounded_channel();
        let (applied, from) = (index.applied(), restored.from);
        let measures = restored.heads.measures.values().cloned().collect();
        let (cases, epochs) = (restored.heads.cases, restored.heads.epochs.clone());
        let (lost, cases_at) = (restored.heads.lost.all(), restored.heads.cases_at);
        let ledger = Ledger(Arc::new(Inner {
            reader,
            journal,
            clock,
            claims: Claims::default(),
            shards: restored.shards,
            absent: (0..SHARDS).map(|_| Mutex::default()).collect(),
            heads: Mutex::new(restored.heads),
            tally: restored.tally,
            live: restored.live,
            indexed: AtomicBool::new(applied >= from),
            older: AtomicU64::new(from),
            applied: AtomicU64::new(applied),
            stop: AtomicBool::new(false),
            rest: Default::default(),
            changes,
            salts: Mutex::default(),
            making: Default::default(),
            index,
        }));
        ledger.spawn_housekeeping(dir.to_owned());
        Ok(Opening {
            ledger,
            found,
            replayed: size - from,
            changes: receiver,
            cases,
            measures,
            epochs,
            lost,
            cases_at,
        })
    }

    /// Stops housekeeping; the next start replays what sled lacks.
    pub fn stop(&self) {
        self.0.stop.store(true, Ordering::Release);
        self.0.rest.1.notify_all();
    }

    fn spawn_housekeeping(&self, dir: std::path::PathBuf) {
        let ledger = self.clone();
        let work = move || {
            let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 10); // no request waits for it
            ledger.keep_house(&dir);
        };
        journal::thread::start("ledger", work);
    }

    /// Older orders, as far as sled lacks them; `told` is what was last said of why they are not there yet.
    fn try_older(&self, told: &mut Option<String>) {
        let until = self.0.older.load(Ordering::Acquire);
        match self.index_older(self.0.applied.load(Ordering::Acquire), until) {
            Ok(true) => {
                self.0.indexed.store(true, Ordering::Release);
                info!("older orders are indexed");
            }
            Ok(false) => {}
            Err(error) => {
                let text = Some(error.to_string());
                if *told != text {
                    warn!(%error, "older orders could not be indexed; it is tried again, and look-ups of them are refused until then");
                    *told = text;
                }
            }
        }
    }

    /// Puts entries below `until`, which `heads` knows nothing of any more, into sled as far as it lacks them. False where they are
    /// not durable yet, or a stop came first: the index then says how far it is, and the next start goes on from there.
    fn index_older(&self, applied: u64, until: u64) -> Result<bool, LookupError> {
        if self.0.journal.durable() < until {
            return Ok(false);
        }
        let mut batch: HashMap<PaymentId, u64> = HashMap::new();
        let mut aliases = Heads {
            next: applied,
            ..Heads::default()
        };
        for item in self.0.reader.scan(applied) {
            let (index, bytes) = item?;
            if index >= until {
                break;
            }
            if self.0.stop.load(Ordering::Acquire) {
                return Ok(false);
            }
            let entry = TradeEntry::from_canonical(&bytes).map_err(|_| LookupError::Journal(index))?;
            aliases.follow(index, &entry, None);
            batch.extend(entry.order.map(|order| (order, index)));
            if batch.len() >= 50_000 {
                self.put(index + 1, &mut batch, &mut aliases)?;
            }
        }
        self.put(until, &mut batch, &mut aliases)?;
        Ok(true)
    }

    fn put(
        &self,
        applied: u64,
        batch: &mut HashMap<PaymentId, u64>,
        aliases: &mut Heads,
    ) -> Result<(), LookupError> {
        let orders: Vec<_> = batch.drain().collect();
        let numbers: Vec<_> = aliases.aliases.drain().collect();
        aliases.dirty.clear();
        self.0.index.set_applied(applied, &orders, &numbers)?;
        self.0.applied.store(applied, Ordering::Release);
        Ok(())
    }

    /// Twice a second sled gets what it lacks, and nothing newer before all that is older; once a minute a snapshot is taken and
    /// idle orders leave memory.
    fn keep_house(&self, dir: &Path) {
        let (mut round, mut told) = (0u64, None);
        while !self.0.stop.load(Ordering::Acquire) {
            if !self.is_indexed() && round.is_multiple_of(OLDER_EACH) {
                self.try_older(&mut told);
            }
            self.rest(ROUND);
            round += 1;
            if self.is_indexed()
                && let Err(error) = self.feed_index()
            {
                warn!(%error, "the index did not take a batch; it is tried again");
            }
            // Without an index nobody can say that an order is new, and this one is not asked any more. The process is started anew.
            assert!(
                !self.0.index.is_broken(),
                "the index panicked; the next start replaces it"
            );
            self.let_go(MOST_RECENT);
            if round.is_multiple_of(SNAPSHOT_EACH) {
                self.0.tally.tick(self.0.clock.now().day());
                if let Err(error) = self.take_snapshot(dir) {
                    warn!(%error, "no snapshot; the next start reads more of the journal");
                }
                self.forget_idle();
            }
        }
    }

    /// Sleeps, unless this is the end.
    fn rest(&self, time: Duration) {
        let mut guard = self.0.rest.0.lock();
        if !self.0.stop.load(Ordering::Acquire) {
            self.0.rest.1.wait_for(&mut guard, time);
        }
    }

    /// One batch for sled, once its entries are durable.
    fn feed_index(&self) -> Result<(), sled::Error> {
        let (next, orders, aliases) = {
            let heads = self.0.heads.lock();
            if heads.next == self.0.applied.load(Ordering::Acquire) {
                return Ok(());
            }
            (heads.next, heads.dirty.clone(), heads.aliases.clone())
        };
        while self.0.journal.durable() < next {
            if self.0.stop.load(Ordering::Acquire) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut orders: Vec<_> = orders.into_iter().collect();
        // By key, so that sled walks its leaves once.
        orders.sort_unstable_by_key(|(id, _)| *id.as_bytes());
        let numbers: Vec<_> = aliases.into_iter().collect();
        self.0.index.set_applied(next, &orders, &numbers)?;
        let mut heads = self.0.heads.lock();
        for (key, _) in &numbers {
            heads.aliases.remove(key);
        }
        for (order, last) in orders {
            if heads.dirty.get(&order) == Some(&last) {
                heads.dirty.remove(&order);
            }
        }
        self.0.applied.store(next, Ordering::Release);
        Ok(())
    }

    /// What sled did not take for long leaves memory where that is more than `most`: it comes into the index from the journal, and
    /// until then look-ups of it are refused.
    fn let_go(&self, most: usize) {
        let gone = {
            let mut heads = self.0.heads.lock();
            if heads.dirty.len() + heads.aliases.len() <= most {
                return;
            }
            self.0.indexed.store(false, Ordering::Release);
            self.0.older.store(heads.next, Ordering::Release);
            (
                std::mem::take(&mut heads.dirty),
                std::mem::take(&mut heads.aliases),
            )
        };
        error!(
            orders = gone.0.len(),
            "the index has taken nothing for long; orders that are not live cannot be looked up and none can begin until it does: look at its disk"
        );
    }

    /// Writes the live orders and all that moves with them.
    pub fn take_snapshot(&self, dir: &Path) -> std::io::Result<u64> {
        let mut header = {
            let heads = self.0.heads.lock();
            snapshot::Header::of(&heads, self.0.tally.recorded())
        };
        let live = self.live();
        header.orders = live.len() as u64;
        let newest = live
            .iter()
            .map(|o| o.last + 1)
            .max()
            .unwrap_or(0)
            .max(header.next);
        while self.0.journal.durable() < newest {
            std::thread::sleep(Duration::from_millis(1));
        }
        if let Some(newest) = newest.checked_sub(1) {
            let octets = self.0.reader.entry(newest).map_err(std::io::Error::other)?;
            header.newest = Some((newest, digest(&octets)));
        }
        snapshot::write(&dir.join(SNAPSHOT), &header, &live)?;
        Ok(header.orders)
    }

    /// Orders that can change no more leave memory a minute after they were last touched: from then on they are read from the
    /// journal.
    fn forget_idle(&self) {
        let durable = self.0.journal.durable();
        let horizon = self.0.clock.now().plus_millis(-60_000);
        for shard in &self.0.shards {
            shard.lock().retain(|_, slot| {
                slot.order.is_live() || slot.order.last >= durable || slot.touched > horizon
            });
        }
    }
}

/// What a snapshot and the journal after it give.
struct Restored {
    from: u64,
    heads: Heads,
    tally: Tally,
    shards: Vec<Shard>,
    live: Mutex<Live>,
}

impl Restored {
    fn nothing() -> Restored {
        Restored {
            from: 0,
            heads: Heads::default(),
            tally: Tally::default(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            live: Mutex::default(),
        }
    }

    fn snapshot(reader: &Reader, path: &Path, size: u64, now: Instant) -> Option<Restored> {
        let found = snapshot::find(path).filter(|found| is_of(reader, size, &found.header))?;
        let mut restored = Restored::nothing();
        // Numbers are digests, so shards fill evenly; a table that grows is moved each time. No order has fewer octets.
        let orders = found.header.orders.min(std::fs::metadata(path).ok()?.len() / 64);
        let each = orders as usize / SHARDS;
        for shard in &mut restored.shards {
            shard.get_mut().reserve(each + each / 8);
        }
        let header = found.orders(|order| restored.put(Arc::new(order), now))?;
        let there: usize = restored.shards.iter_mut().map(|s| s.get_mut().len()).sum();
        if header.orders != there as u64 {
            return None;
        }
        let (heads, totals) = header.into_heads();
        restored.tally.restore(totals);
        Some(Restored {
            from: heads.next,
            heads,
            ..restored
        })
    }

    fn replay(reader: &Reader, path: &Path, size: u64, now: Instant) -> Result<Restored, OpenError> {
        let mut restored = Restored::snapshot(reader, path, size, now).unwrap_or_else(|| {
            if path.exists() {
                warn!("the snapshot is damaged, of another build or of another journal; the journal is read instead");
            }
            Restored::nothing()
        });
        for item in reader.scan(restored.from) {
            let (index, bytes) = item.map_err(LookupError::from)?;
            if index >= size {
                break;
            }
            let entry = read_entry(index, &bytes)?;
            restored.follow(reader, index, &entry, now)?;
        }
        Ok(restored)
    }

    fn follow(
        &mut self,
        reader: &Reader,
        index: u64,
        entry: &TradeEntry,
        now: Instant,
    ) -> Result<(), LookupError> {
        let Some(id) = entry.order else {
            self.heads.follow(index, entry, None);
            return Ok(());
        };
        let slot = shard(&self.shards, &id).lock().remove(&id);
        let mut order = match (slot, entry.prev) {
            (Some(slot), _) if slot.order.last >= index => {
                // The snapshot held this entry already, but the totals are of its header's index.
                let mut before = open_before(reader, entry.prev)?;
                fold(&self.tally, &mut before, index, entry);
                self.heads.follow(index, entry, before.as_deref());
                shard(&self.shards, &id).lock().insert(id, slot);
                return Ok(());
            }
            (Some(slot), _) => {
                self.live.get_mut().leave(&slot.order);
                Some(slot.order)
            }
            (None, prev) => open_before(reader, prev)?,
        };
        fold(&self.tally, &mut order, index, entry);
        self.heads.follow(index, entry, order.as_deref());
        if let Some(order) = order.filter(|o| o.is_live()) {
            self.put(order, now);
        }
        Ok(())
    }

    fn put(&self, order: Arc<Order>, now: Instant) {
        if !Live::passes_by(&order) {
            self.live.lock().enter(&order);
        }
        let slot = Slot { order, touched: now };
        shard(&self.shards, &slot.order.id)
            .lock()
            .insert(slot.order.id, slot);
    }
}

/// A snapshot counts beside the very journal of which it was taken: where the newest entry that it knows of stands, salt and all,
/// everything before it is the same too.
//= C28
fn is_of(reader: &Reader, size: u64, header: &snapshot::Header) -> bool {
    match header.newest {
        Some((newest, sum)) => {
            let stands = || reader.entry(newest).is_ok_and(|octets| digest(&octets) == sum);
            newest < size && header.next <= newest + 1 && stands()
        }
        None => header.next == 0,
    }
}

fn digest(octets: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(octets).into())
}

fn open_before(reader: &Reader, prev: Option<u64>) -> Result<Option<Arc<Order>>, LookupError> {
    prev.map(|prev| load(reader, prev).map(Arc::new)).transpose()
}

/// Follows an order's entries back to the newest one that was there when the journal had so many.
pub(crate) fn load_as_of(reader: &Reader, mut last: u64, entries: u64) -> Result<Option<Order>, LookupError> {
    while last >= entries {
        match entry(reader, last)?.prev {
            Some(prev) if prev < last => last = prev,
            Some(prev) => return Err(LookupError::Journal(prev)),
            None => return Ok(None),
        }
    }
    load(reader, last).map(Some)
}

/// Follows an order's entries back to its first, then folds them forward.
pub(crate) fn load(reader: &Reader, last: u64) -> Result<Order, LookupError> {
    let mut chain = vec![(last, entry(reader, last)?)];
    while let Some((at, prev)) = chain.last().and_then(|(at, e)| e.prev.map(|prev| (*at, prev))) {
        if prev >= at {
            return Err(LookupError::Journal(prev));
        }
        chain.push((prev, entry(reader, prev)?));
    }
    let mut forward = chain.into_iter().rev();
    let (first, begin) = forward.next().ok_or(LookupError::Journal(last))?;
    let mut order = Order::begin(first, &begin).ok_or(LookupError::Journal(first))?;
    forward.for_each(|(index, entry)| order.apply(index, entry.at, &entry.event));
    Ok(order)
}

pub(crate) fn entry(reader: &Reader, index: u64) -> Result<TradeEntry, LookupError> {
    let bytes = reader.entry(index)?;
    TradeEntry::from_canonical(&bytes).map_err(|_| LookupError::Journal(index))
}

#[cfg(test)]
#[path = "idle_tests.rs"]
mod idle_tests;
