//! Claims, order state, events and timers, atomically: memory → journal (group commit) → sled afterwards.
//!
//! The journal is the truth. An order is a fold over its entries ([`Order`]); day totals, notification numbers and
//! pending notifications are folds too. sled holds one key per order and may be lost at any time.

mod absent;
mod bills;
mod claim;
mod codes;
mod heads;
mod index;
mod live;
mod lost;
mod open;
mod order;
pub mod snapshot;
mod tally;
mod tells;

pub use bills::{BILL_DAYS_KEPT, BillHead, TakenBill, UNREADABLE};
pub use claim::{Busy, Claim, ClaimKey, Claims, Held};
pub use codes::{MadeCode, NewCode, PayCode};
pub use index::{Found, Index};
pub use lost::Lost;
pub use open::{OpenError, Opening};
pub use order::{Attempt, Closing, Illegal, Order, OrderState, Refund, Reversing, payment_id};
pub use tally::{Ceiling, Count, Exceeded, Reservation, Tally};
pub use tells::Tell;

use absent::Absent;
use domain::*;
use heads::Heads;
use journal::{Journal, Reader};
use live::Live;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tokio::sync::mpsc;

const SHARDS: usize = 64;

/// Orders in memory, those whose numbers begin alike together.
type Shard = Mutex<HashMap<PaymentId, Slot>>;

fn shard<'a>(shards: &'a [Shard], id: &PaymentId) -> &'a Shard {
    &shards[usize::from(id.as_bytes()[0]) % SHARDS]
}

/// The ledger. Cheap to clone.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    journal: Journal,
    reader: Reader,
    clock: Arc<dyn Clock>,
    index: Index,
    claims: Claims,
    shards: Vec<Shard>,
    /// What the index was found not to have, a shard each.
    absent: Vec<Mutex<Absent>>,
    heads: Mutex<Heads>,
    tally: Tally,
    live: Mutex<Live>,
    /// False while older orders are still being put into the index. Changed to that under the lock of `heads` only.
    indexed: AtomicBool,
    /// Entries below this must be in sled before it is whole.
    older: AtomicU64,
    /// Entries below this are in sled.
    applied: AtomicU64,
    stop: AtomicBool,
    /// Where housekeeping sleeps.
    rest: (Mutex<()>, parking_lot::Condvar),
    changes: mpsc::UnboundedSender<Arc<Order>>,
    salts: Mutex<Salts>,
    /// Codes are made one after the other, so that a number is given once.
    making: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Slot {
    order: Arc<Order>,
    touched: Instant,
}

/// What one commit did.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The order as it stands now.
    pub order: Arc<Order>,
    /// Index of the first of the new entries.
    pub first: u64,
}

/// Why a commit did nothing.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The order has changed in between; look again.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// No such order, and the event does not begin one.
    #[error("there is no such order")]
    NoOrder,
    /// The index is being rebuilt and the order is not among the live ones.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The journal has been closed: the process is stopping.
    #[error("the journal is closed")]
    Closed,
    /// An event is longer than an entry of the journal may be; nothing of it is on record.
    #[error(transparent)]
    TooLong(journal::Refused),
}

impl From<journal::Refused> for CommitError {
    fn from(refused: journal::Refused) -> Self {
        match refused {
            journal::Refused::Closed => CommitError::Closed,
            journal::Refused::TooLong(_) => CommitError::TooLong(refused),
        }
    }
}

/// Why an order cannot be looked up now.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// Live orders are served; this one may be an older one.
    #[error("the index is being rebuilt")]
    Rebuilding,
    /// sled failed; a restart rebuilds it.
    #[error("the index failed: {0}")]
    Index(#[from] sled::Error),
    /// The journal could not be read.
    #[error(transparent)]
    Read(#[from] journal::ReadError),
    /// The journal holds something else where the index points.
    #[error("entry {0} of the journal cannot be read as an entry of this order")]
    Journal(u64),
}

impl Ledger {
    /// Claims in force.
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// Day totals.
    pub fn tally(&self) -> &Tally {
        &self.0.tally
    }

    /// The journal underneath.
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// The index underneath.
    pub fn index(&self) -> &Index {
        &self.0.index
    }

    /// True once every older order can be looked up.
    pub fn is_indexed(&self) -> bool {
        self.0.indexed.load(Ordering::Acquire)
    }

    /// An order, from memory or from the journal. What it says is durable.
    pub async fn order(&self, id: &PaymentId) -> Result<Option<Arc<Order>>, LookupError> {
        let Some(order) = self.peek(id)? else {
            return Ok(None);
        };
        self.until_durable(order.last).await;
        Ok(Some(order))
    }

    /// An order as it is now, for readers of many: what was not in memory stays out of it. The newest may not be durable yet.
    pub fn glance(&self, id: &PaymentId) -> Result<Option<Arc<Order>>, LookupError> {
        if let Some(slot) = self.shard(id).lock().get(id) {
            return Ok(Some(slot.order.clone()));
        }
        self.stored(id)
    }

    /// An order as it stood when the journal had so many entries; `None` where it began later.
    pub fn as_of(&self, order: Arc<Order>, entries: u64) -> Result<Option<Arc<Order>>, LookupError> {
        if order.last < entries {
            return Ok(Some(order));
        }
        Ok(open::load_as_of(&self.0.reader, order.last, entries)?.map(Arc::new))
    }

    /// The order of a merchant that carries a number at a channel.
    pub async fn order_by_number(
        &self,
        merchant: &MerchantId,
        channel: Channel,
        account: &AccountNo,
        number: &ChannelNo,
    ) -> Result<Option<Arc<Order>>, LookupError> {
        if let Ok(order_no) = OrderNo::new(number.as_str()) {
            let own = self.order(&payment_id(merchant, &order_no)).await?;
            let fits = |o: &Arc<Order>| {
                o.attempts
                    .iter()
                    .any(|a| a.number == *number && a.channel == channel && a.account == *account)
            };
            if let Some(order) = own.filter(fits) {
                return Ok(Some(order));
            }
        }
        self.order_by_key(merchant, &index::alias_key(channel, account, number))
            .await
    }

    /// The order of a merchant by the channel's own number of its payment.
    pub async fn order_by_trade_no(
        &self,
        merchant: &MerchantId,
        trade_no: &TradeNo,
    ) -> Result<Option<Arc<Order>>, LookupError> {
        self.order_by_key(merchant, &index::trade_key(merchant, trade_no))
            .await
    }

    /// An order of a merchant that belongs to the group of this number (合单).
    pub async fn order_of_group(
        &self,
        merchant: &MerchantId,
        number: &ChannelNo,
    ) -> Result<Option<Arc<Order>>, LookupError> {
        self.order_by_key(merchant, &index::group_key(merchant, number))
            .await
    }

    async fn order_by_key(
        &self,
        merchant: &MerchantId,
        key: &[u8],
    ) -> Result<Option<Arc<Order>>, LookupError> {
        let (recent, whole) = self.recent(|heads| heads.aliases.get(key).copied());
        // It leads to the same order, or one of the same group, for ever: what that one's state is `order` says.
        let id = match recent {
            Some(id) => Some(id),
            None => self.0.index.alias(key)?,
        };
        match id {
            Some(id) => Ok(self.order(&id).await?.filter(|o| o.merchant == *merchant)),
            None if !whole => Err(LookupError::Rebuilding),
            None => Ok(None),
        }
    }

    /// What was not put into the index yet, and whether the index has all the rest, both of one moment.
    fn recent<T>(&self, of: impl FnOnce(&Heads) -> Option<T>) -> (Option<T>, bool) {
        let heads = self.0.heads.lock();
        (of(&heads), self.is_indexed())
    }

    /// Records events of one order, all or none, and waits until they are durable. Each is checked against the
    /// state the one before leaves behind.
    pub async fn commit(
        &self,
        merchant: &MerchantId,
        id: &PaymentId,
        events: Vec<Happening>,
    ) -> Result<Committed, CommitError> {
        let (order, pending) = self.apply(merchant, id, events)?;
        let first = pending.first;
        pending.await?;
        Ok(Committed { order, first })
    }

    /// Records events that change no order: of the machine, or of a merchant whose request was refused.
    pub async fn note(
        &self,
        merchant: Option<&MerchantId>,
        events: Vec<TradeEvent>,
    ) -> Result<u64, CommitError> {
        let pending = self
            .0
            .journal
            .append(|first| self.lines(merchant, first, &mut self.0.heads.lock(), events));
        Ok(pending.await?)
    }

    /// Records the last events of this run: with them the journal closes, and what is still under way is refused. They are
    /// made when nobody can come between any more.
    pub async fn note_last(&self, events: impl FnOnce() -> Vec<TradeEvent>) -> Result<u64, CommitError> {
        let pending = self
            .0
            .journal
            .append_last(|first| self.lines(None, first, &mut self.0.heads.lock(), events()));
        Ok(pending.await?)
    }

    /// Events that change no order, as lines of the journal from `first` on.
    fn lines(
        &self,
        merchant: Option<&MerchantId>,
        first: u64,
        heads: &mut Heads,
        events: Vec<TradeEvent>,
    ) -> Vec<Vec<u8>> {
        let at = self.0.clock.now();
        let of = heads::Of {
            merchant,
            order: None,
        };
        let events = events.into_iter().map(Happening::from).collect();
        let entries = heads.entries(at, of, None, first, events, || self.salt());
        heads.follow_all(first, &entries, |_, _| None)
    }

    /// The oldest pending notification of each merchant who has any.
    pub fn tells_oldest(&self) -> Vec<Tell> {
        self.0.heads.lock().tells.oldest().cloned().collect()
    }

    /// A merchant's pending notifications with numbers above this one, the oldest first, so many at most.
    pub fn tells_after(&self, merchant: &MerchantId, seq: u64, most: usize) -> Vec<Tell> {
        let heads = self.0.heads.lock();
        heads.tells.after(merchant, seq).take(most).cloned().collect()
    }

    /// The pending notifications of one order.
    pub fn tells_of(&self, merchant: &MerchantId, order: &PaymentId) -> Vec<Tell> {
        self.0.heads.lock().tells.of(merchant, order).cloned().collect()
    }

    /// True while a notification of this order is pending.
    pub fn must_tell_of(&self, order: &PaymentId) -> bool {
        self.0.heads.lock().tells.has(order)
    }

    /// True where it is on record that this measure was obeyed, or its end.
    pub fn has_observed(&self, measure: &Measure) -> bool {
        let heads = self.0.heads.lock();
        let known = heads.measures.get(&measure.id);
        known.is_some_and(|known| known == measure || known.effect == Effect::Lift)
    }

    /// The signed registries that took effect last, also of an acquirer that has no file any more.
    pub fn registries(&self) -> Vec<RegistryVersion> {
        self.0.heads.lock().registries.clone()
    }

    /// How far a bill is; `None` where it was never asked for.
    pub fn bill(&self, key: &BillKey) -> Option<BillHead> {
        self.0.heads.lock().bills.get(key).cloned()
    }

    /// The bills of a day, of all accounts.
    pub fn bills_of(&self, day: Day) -> Vec<(BillKey, BillHead)> {
        let heads = self.0.heads.lock();
        let all = heads.bills.of(day);
        all.map(|(key, head)| (key.clone(), head.clone())).collect()
    }

    /// The merchant acknowledged these notifications, or we gave them up: each with its number. Recorded once.
    pub async fn told(
        &self,
        merchant: &MerchantId,
        mut ended: Vec<(u64, TradeEvent)>,
    ) -> Result<(), CommitError> {
        let pending = self.0.journal.append(|first| {
            let mut heads = self.0.heads.lock();
            ended.retain(|(seq, _)| heads.tells.is_pending(merchant, *seq));
            let events = ended.into_iter().map(|(_, event)| event).collect();
            self.lines(Some(merchant), first, &mut heads, events)
        });
        Ok(pending.await.map(drop)?)
    }

    /// Orders in memory that the channel may still change.
    pub fn live(&self) -> Vec<Arc<Order>> {
        let of = |shard: &Shard| {
            shard
                .lock()
                .values()
                .filter(|s| s.order.is_live())
                .map(|s| s.order.clone())
                .collect::<Vec<_>>()
        };
        self.0.shards.iter().flat_map(of).collect()
    }

    /// The newest live orders of a merchant at an account of UnionPay's that this holds of, so many at most; of the
    /// account's newest 4096.
    pub fn newest_at_unionpay(
        &self,
        merchant: &MerchantId,
        account: &AccountNo,
        most: usize,
        holds: impl Fn(&Order) -> bool,
    ) -> Vec<Arc<Order>> {
        const PAGE: usize = 256;
        let (mut found, mut than) = (Vec::new(), None);
        for _ in 0..4096 / PAGE {
            // Not held while shards are: who changes an order holds its shard first.
            let page = self.0.live.lock().newest(account, than, PAGE);
            than = page.last().copied();
            for (_, id) in &page {
                let order = self.shard(id).lock().get(id).map(|slot| slot.order.clone());
                found.extend(order.filter(|o| o.merchant == *merchant && o.is_live() && holds(o)));
                if found.len() == most {
                    return found;
                }
            }
            if than.is_none() {
                break;
            }
        }
        found
    }

    /// Orders held in memory.
    pub fn in_memory(&self) -> usize {
        self.0.shards.iter().map(|s| s.lock().len()).sum()
    }

    /// Reads one entry of the journal.
    pub fn entry(&self, index: u64) -> Result<TradeEntry, LookupError> {
        open::entry(&self.0.reader, index)
    }

    fn apply(
        &self,
        merchant: &MerchantId,
        id: &PaymentId,
        events: Vec<Happening>,
    ) -> Result<(Arc<Order>, journal::Pending), CommitError> {
        let mut shard = loop {
            let is_there = self.peek(id)?.is_some(); // brings an older order into memory
            let shard = self.shard(id).lock();
            // An idle one may have left it again before the lock.
            if !is_there || shard.contains_key(id) {
                break shard;
            }
        };
        let at = self.0.clock.now();
        let before = shard.get(id).map(|slot| slot.order.clone());
        let mut order = before.clone();
        let begins = order.is_none();
        check(order.as_deref(), &events, at)?;
        let pending = self.0.journal.append(|first| {
            let mut heads = self.0.heads.lock();
            let of = heads::Of {
                merchant: Some(merchant),
                order: Some(*id),
            };
            let prev = order.as_ref().map(|o| o.last);
            let entries = heads.entries(at, of, prev, first, events, || self.salt());
            heads.follow_all(first, &entries, |index, entry| {
                fold(&self.0.tally, &mut order, index, entry);
                order.clone()
            })
        });
        if let Some(refused) = pending.refused {
            return Err(refused.into());
        }
        let order = order.ok_or(CommitError::NoOrder)?;
        if begins {
            self.absent(id).lock().is_there(id);
        }
        if !Live::passes_by(&order) {
            self.0.live.lock().follow(before.as_deref(), &order);
        }
        shard.insert(
            *id,
            Slot {
                order: order.clone(),
                touched: at,
            },
        );
        // Before the caller waits: one that hangs up must not keep it from the sweep. Behind the lock: a later change is never
        // told before an earlier one. Whoever looks waits until it is durable.
        let _ = self.0.changes.send(order.clone());
        Ok((order, pending))
    }

    /// An order, from memory or from the journal, perhaps not durable yet.
    fn peek(&self, id: &PaymentId) -> Result<Option<Arc<Order>>, LookupError> {
        if let Some(slot) = self.shard(id).lock().get(id) {
            return Ok(Some(slot.order.clone()));
        }
        let Some(order) = self.stored(id)? else {
            return Ok(None);
        };
        let mut shard = self.shard(id).lock();
        let slot = shard.entry(*id).or_insert_with(|| Slot {
            order,
            touched: self.0.clock.now(),
        });
        Ok(Some(slot.order.clone()))
    }

    fn stored(&self, id: &PaymentId) -> Result<Option<Arc<Order>>, LookupError> {
        let Some(seen) = self.absent(id).lock().ask(id) else {
            return Ok(None);
        };
        // An index that is not whole knows nothing: what it has of this order may be an older state of it.
        //= C28
        let last = match self.recent(|heads| heads.dirty.get(id).copied()) {
            (Some(last), _) => Some(last),
            (None, true) => self.0.index.order(id)?,
            (None, false) => return Err(LookupError::Rebuilding),
        };
        let Some(last) = last else {
            self.absent(id).lock().remember(id, seen);
            return Ok(None);
        };
        Ok(Some(Arc::new(open::load(&self.0.reader, last)?)))
    }

    fn shard(&self, id: &PaymentId) -> &Shard {
        shard(&self.0.shards, id)
    }

    fn absent(&self, id: &PaymentId) -> &Mutex<Absent> {
        &self.0.absent[usize::from(id.as_bytes()[0]) % SHARDS]
    }

    async fn until_durable(&self, index: u64) {
        while self.0.journal.durable() <= index {
            tokio::time::sleep(std::time::Duration::from_micros(200)).await;
        }
    }

    fn salt(&self) -> Salt {
        self.0.salts.lock().next()
    }
}

/// One event of an order, and whether the merchant must be told of it.
#[derive(Clone, Debug)]
pub struct Happening {
    /// What happened.
    pub event: TradeEvent,
    /// True to give it a notification number.
    pub tell: bool,
}

impl From<TradeEvent> for Happening {
    fn from(event: TradeEvent) -> Self {
        Happening { event, tell: false }
    }
}

fn check(order: Option<&Order>, events: &[Happening], at: Instant) -> Result<(), CommitError> {
    match (order, events) {
        (Some(order), [only]) => Ok(order.check(&only.event)?),
        (Some(order), many) => {
            let mut trial = order.clone();
            for happening in many {
                trial.check(&happening.event)?;
                trial.apply(trial.last, at, &happening.event);
            }
            Ok(())
        }
        (
            None,
            [
                Happening {
                    event: TradeEvent::AttemptIntended { attempt: 1, .. },
                    ..
                },
                rest @ ..,
            ],
        ) => {
            // What may ride along with the first intent changes no state.
            let harmless = |h: &Happening| {
                matches!(
                    h.event,
                    TradeEvent::PatternSeen { .. }
                        | TradeEvent::AttemptCombined { attempt: 1, .. }
                        | TradeEvent::BankNamed { attempt: 1, .. }
                        | TradeEvent::NamedAtChannel {
                            attempt: 1,
                            refund_no: None,
                            ..
                        }
                        | TradeEvent::ByCode { attempt: 1, .. }
                )
            };
            if rest.iter().all(harmless) {
                Ok(())
            } else {
                Err(CommitError::NoOrder)
            }
        }
        (None, _) => Err(CommitError::NoOrder),
    }
}

/// One entry into one order and the day totals.
fn fold(tally: &Tally, order: &mut Option<Arc<Order>>, index: u64, entry: &TradeEntry) {
    let before = changes_total(&entry.event)
        .and_then(|p| order.as_ref()?.attempt(p))
        .map(|a| (a.counts(), a.payer));
    match order {
        None => *order = Order::begin(index, entry).map(Arc::new),
        Some(order) => Arc::make_mut(order).apply(index, entry.at, &entry.event),
    }
    let Some(order) = order else { return };
    let Some(attempt) = changes_total(&entry.event).and_then(|p| order.attempt(p)) else {
        return;
    };
    let (counted, payer) = before.unwrap_or((false, None));
    match (counted, attempt.counts()) {
        (false, true) => tally.add(attempt, &order.merchant),
        (true, false) => tally.give_back(attempt, &order.merchant),
        (true, true) if payer != attempt.payer => tally.payer_known(attempt, payer),
        _ => {}
    }
}

/// The attempt whose part in the day totals this event may change.
fn changes_total(event: &TradeEvent) -> Option<u16> {
    match event {
        TradeEvent::AttemptIntended { attempt, .. }
        | TradeEvent::AttemptNotPlaced { attempt, .. }
        | TradeEvent::AttemptClosed { attempt, .. }
        | TradeEvent::ReverseIntended { attempt, .. }
        | TradeEvent::AttemptReversed { attempt, .. }
        | TradeEvent::AttemptPaid { attempt, .. } => Some(*attempt),
        _ => None,
    }
}

/// Random salts, fetched from the operating system by the page.
#[derive(Default)]
struct Salts {
    page: Vec<u8>,
}

impl Salts {
    fn next(&mut self) -> Salt {
        if self.page.is_empty() {
            self.page.resize(4096, 0);
            getrandom::fill(&mut self.page).expect("the operating system gives randomness");
        }
        let mut salt = [0; 16];
        salt.copy_from_slice(&self.page[self.page.len() - 16..]);
        self.page.truncate(self.page.len() - 16);
        Salt::from_bytes(salt)
    }
}
