//! What is the same for all orders and moves with every entry: numbers per merchant, pending notifications, what sled
//! still lacks. Changed only inside the journal's own order, so that a copy of it stands exactly at one index.

use crate::{
    Happening, Order,
    bills::Bills,
    codes::Codes,
    index::{alias_key, group_key, trade_key},
    lost::LostAccounts,
    tells::{Tell, Tells},
};
use domain::*;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Numbers given out to one merchant.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
pub(crate) struct Numbers {
    pub(crate) mseq: u64,
    pub(crate) tell: u64,
}

#[derive(Default)]
pub(crate) struct Heads {
    /// Entries below this were followed.
    pub(crate) next: u64,
    pub(crate) numbers: HashMap<MerchantId, Numbers>,
    pub(crate) tells: Tells,
    /// Orders whose latest index sled does not have yet.
    pub(crate) dirty: HashMap<PaymentId, u64>,
    /// Numbers at channels that sled does not have yet.
    pub(crate) aliases: HashMap<Vec<u8>, PaymentId>,
    /// Latest observed cursor in the cases journal.
    pub(crate) cases: Option<(u64, Digest)>,
    /// When that was put on record.
    pub(crate) cases_at: Option<Instant>,
    /// Measures of the desk as last observed, by their number: in force from the first moment of the next run.
    pub(crate) measures: BTreeMap<MeasureId, Measure>,
    /// Codes that payers scan.
    pub(crate) codes: Codes,
    /// Token epochs on record; true while their end is not.
    pub(crate) epochs: BTreeMap<u32, bool>,
    /// How far the bills of each account and day are.
    pub(crate) bills: Bills,
    /// Accounts whose breakers are not closed.
    pub(crate) lost: LostAccounts,
    /// The signed registries that took effect last, also of an acquirer that has no file any more.
    pub(crate) registries: Vec<RegistryVersion>,
}

/// Whom an entry is about.
#[derive(Clone, Copy)]
pub(crate) struct Of<'a> {
    pub(crate) merchant: Option<&'a MerchantId>,
    pub(crate) order: Option<PaymentId>,
}

impl Heads {
    /// Makes the next entry, with the merchant's next numbers.
    //= C29
    pub(crate) fn entry(
        &self,
        at: Instant,
        of: Of<'_>,
        prev: Option<u64>,
        event: TradeEvent,
        tell: bool,
        salt: Salt,
    ) -> TradeEntry {
        let numbers = of
            .merchant
            .and_then(|m| self.numbers.get(m))
            .copied()
            .unwrap_or_default();
        TradeEntry {
            at,
            event,
            merchant: of.merchant.cloned(),
            mseq: of.merchant.map(|_| numbers.mseq + 1),
            order: of.order,
            prev,
            salt,
            tell: (tell && of.merchant.is_some()).then_some(numbers.tell + 1),
            v: ENTRY_VERSION,
        }
    }

    /// Makes the next entries of one append, the first of them at this index. Nothing is followed yet.
    pub(crate) fn entries(
        &self,
        at: Instant,
        of: Of<'_>,
        mut prev: Option<u64>,
        first: u64,
        events: Vec<Happening>,
        mut salt: impl FnMut() -> Salt,
    ) -> Vec<TradeEntry> {
        let mut told = 0;
        let make = |(index, before, Happening { event, tell })| {
            let mut entry = self.entry(at, of, prev, event, tell, salt());
            entry.mseq = entry.mseq.map(|mseq| mseq + before);
            entry.tell = entry.tell.map(|number| number + told);
            told += u64::from(entry.tell.is_some());
            prev = of.order.map(|_| index);
            entry
        };
        let numbered = events.into_iter().zip(0u64..);
        numbered
            .map(|(happening, n)| (first + n, n, happening))
            .map(make)
            .collect()
    }

    /// Moves on by the entries of one append and yields their octets. Where the journal will refuse one as too long, it
    /// refuses all, and none is followed.
    pub(crate) fn follow_all(
        &mut self,
        first: u64,
        entries: &[TradeEntry],
        mut fold: impl FnMut(u64, &TradeEntry) -> Option<Arc<Order>>,
    ) -> Vec<Vec<u8>> {
        let lines: Vec<_> = entries.iter().map(TradeEntry::to_canonical).collect();
        if lines.iter().all(|line| line.len() <= journal::MOST_ENTRY) {
            for (entry, index) in entries.iter().zip(first..) {
                let order = fold(index, entry);
                self.follow(index, entry, order.as_deref());
            }
        }
        lines
    }

    /// Moves on by one entry, which made its order such. Entries that were followed before change nothing.
    pub(crate) fn follow(&mut self, index: u64, entry: &TradeEntry, order: Option<&Order>) {
        if index < self.next {
            return;
        }
        self.next = index + 1;
        if let (Some(merchant), Some(mseq)) = (&entry.merchant, entry.mseq) {
            let numbers = self.numbers.entry(merchant.clone()).or_default();
            numbers.mseq = mseq;
            numbers.tell = entry.tell.unwrap_or(numbers.tell);
        }
        if let Some(order) = entry.order {
            self.dirty.insert(order, index);
        }
        if let Some(order) = order {
            self.bills.moved(index, order, &entry.event);
        }
        self.follow_event(index, entry);
    }

    fn registry_loaded(&mut self, file: RegistryVersion) {
        // Whose file an entry of an earlier build is about, nobody can tell.
        if file.kind == Registry::Acquirer && file.acquirer.is_none() {
            return;
        }
        match self
            .registries
            .iter_mut()
            .find(|known| known.is_of_the_same(&file))
        {
            Some(known) => *known = file,
            None => self.registries.push(file),
        }
    }

    fn follow_event(&mut self, index: u64, entry: &TradeEntry) {
        self.bills
            .follow(index, entry.at, entry.merchant.as_ref(), &entry.event);
        self.lost.follow(&entry.event);
        if let (Some(merchant), Some(seq), Some(order)) = (&entry.merchant, entry.tell, entry.order) {
            self.tells.add(Tell {
                merchant: merchant.clone(),
                seq,
                order,
                index,
                at: entry.at,
            });
        }
        match (&entry.event, &entry.merchant) {
            (TradeEvent::Told { seq, .. } | TradeEvent::TellGivenUp { seq, .. }, Some(merchant)) => {
                self.tells.done(merchant, *seq);
            }
            (TradeEvent::AttemptPaid { facts, .. }, Some(merchant)) => {
                if let Some(order) = entry.order {
                    self.aliases.insert(trade_key(merchant, &facts.trade_no), order);
                }
            }
            // Known before anybody has paid: the wallet opens the order by it.
            (
                TradeEvent::AttemptPlaced {
                    reach: Some(Reach::Cashier(no)),
                    ..
                },
                Some(merchant),
            ) => {
                if let Some(order) = entry.order {
                    self.aliases.insert(trade_key(merchant, no), order);
                }
            }
            // Any of its orders leads to the others.
            (TradeEvent::AttemptCombined { with, .. }, Some(merchant)) => {
                if let Some(order) = entry.order {
                    self.aliases.insert(group_key(merchant, &with.number), order);
                }
            }
            (TradeEvent::CodeMade { .. } | TradeEvent::CodeRevoked { .. }, Some(merchant)) => {
                self.codes.follow(index, entry.at, merchant, &entry.event)
            }
            (TradeEvent::EpochOpened { epoch, .. }, _) => {
                self.epochs.insert(*epoch, true);
            }
            (TradeEvent::EpochDestroyed { epoch }, _) => {
                self.epochs.insert(*epoch, false);
            }
            (TradeEvent::CasesCursor { root, size }, _) => {
                self.cases = Some((*size, *root));
                self.cases_at = Some(entry.at);
            }
            (
                TradeEvent::RegistryLoaded {
                    acquirer,
                    digest,
                    kind,
                    version,
                    ..
                },
                _,
            ) => self.registry_loaded(RegistryVersion {
                kind: *kind,
                acquirer: acquirer.clone(),
                version: *version,
                digest: *digest,
            }),
            (TradeEvent::MeasureObserved { measure, .. }, _) => {
                drop(self.measures.insert(measure.id.clone(), measure.clone()))
            }
            // A refund's notice may name nothing but its own number.
            (
                TradeEvent::NamedAtChannel {
                    account,
                    channel,
                    number,
                    refund_no: Some(_),
                    ..
                }
                | TradeEvent::ReverseNamed {
                    account,
                    channel,
                    number,
                    ..
                },
                _,
            ) => {
                if let Some(order) = entry.order {
                    self.aliases.insert(alias_key(*channel, account, number), order);
                }
            }
            (
                TradeEvent::AttemptIntended {
                    channel,
                    account,
                    number,
                    order_no,
                    ..
                },
                _,
            ) if number.as_str() != order_no.as_str() => {
                if let Some(order) = entry.order {
                    self.aliases.insert(alias_key(*channel, account, number), order);
                }
            }
            _ => {}
        }
    }
}
