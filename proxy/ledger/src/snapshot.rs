//! The live orders as they stood at one journal index, so that a start need not read the whole journal.
//!
//! Blocks of octets ([`blocks`]) in forms without names ([`form`]): the names that orders share, a header, the orders, an end.
//! Written beside, synced, renamed; any defect makes it count as absent. Orders may be newer than the header (each knows its
//! own latest index): replay from the header's index passes over what an order already holds.

mod blocks;
mod form;
mod forms;

use crate::{
    Count, Order, PayCode,
    bills::BillHead,
    heads::{Heads, Numbers},
    lost::Lost,
    tells::Tell,
};
use blocks::{Block, Kind, Reader, Writer};
use domain::{Amount, BillKey, Day, Digest, Instant, Measure, MerchantId, RegistryVersion};
use form::{Form, In, Names, Out, Places};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Read, Write},
    path::Path,
    sync::Arc,
};

/// Raised where something means something else, though its form is the same.
const MEANING: u32 = 11;
/// A block of orders ends once it has so many octets: it stays in a core's own cache.
const BLOCK: usize = 1 << 18;
/// More threads than this have nothing to read in time.
const MOST_THREADS: usize = 4;

#[derive(PartialEq, Debug)]
pub(crate) struct Header {
    pub(crate) next: u64,
    /// How many orders follow.
    pub(crate) orders: u64,
    /// The newest entry that header or orders know of, and SHA-256 of it.
    pub(crate) newest: Option<(u64, Digest)>,
    numbers: Vec<(MerchantId, Numbers)>,
    tells: Vec<Tell>,
    cases: Option<(u64, Digest)>,
    cases_at: Option<Instant>,
    measures: Vec<Measure>,
    epochs: BTreeMap<u32, bool>,
    totals: Vec<(Day, Count, Amount)>,
    codes: Vec<Arc<PayCode>>,
    bills: Vec<(BillKey, BillHead)>,
    lost: Vec<Lost>,
    registries: Vec<RegistryVersion>,
}

impl Header {
    /// As they stand; how many orders follow, and how new these are, is known later.
    pub(crate) fn of(heads: &Heads, totals: Vec<(Day, Count, Amount)>) -> Header {
        Header {
            next: heads.next,
            orders: 0,
            newest: None,
            numbers: heads.numbers.iter().map(|(m, n)| (m.clone(), *n)).collect(),
            tells: heads.tells.all().cloned().collect(),
            cases: heads.cases,
            cases_at: heads.cases_at,
            measures: heads.measures.values().cloned().collect(),
            epochs: heads.epochs.clone(),
            totals,
            codes: heads.codes.all().cloned().collect(),
            bills: heads
                .bills
                .iter()
                .map(|(key, head)| (key.clone(), head.clone()))
                .collect(),
            lost: heads.lost.all(),
            registries: heads.registries.clone(),
        }
    }

    pub(crate) fn into_heads(self) -> (Heads, Vec<(Day, Count, Amount)>) {
        let mut heads = Heads {
            next: self.next,
            cases: self.cases,
            cases_at: self.cases_at,
            epochs: self.epochs,
            registries: self.registries,
            ..Heads::default()
        };
        heads.numbers = self.numbers.into_iter().collect();
        heads.bills = self.bills.into_iter().collect();
        heads.measures = self.measures.into_iter().map(|m| (m.id.clone(), m)).collect();
        self.tells.into_iter().for_each(|tell| heads.tells.add(tell));
        self.codes.into_iter().for_each(|code| heads.codes.put(code));
        self.lost.into_iter().for_each(|lost| heads.lost.put(lost));
        (heads, self.totals)
    }
}

fn form() -> [u8; 32] {
    form::digest::<(Names, Header, Order)>(MEANING)
}

pub(crate) fn write(path: &Path, header: &Header, orders: &[Arc<Order>]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let out = BufWriter::new(File::create(&beside)?);
    let out = put(out, header, orders.iter().map(|order| &**order))?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_data()?;
    std::fs::rename(&beside, path)?;
    if let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

fn put<'a, W: Write>(
    out: W,
    header: &Header,
    orders: impl Iterator<Item = &'a Order> + Clone,
) -> io::Result<W> {
    let (names, places) = Names::of(orders.clone());
    let mut out = Writer::begin(out, form())?;
    out.block(Kind::Names, &octets(&names, &Places::default()))?;
    out.block(Kind::Header, &octets(header, &places))?;
    let mut block = Out::with(&places);
    for order in orders {
        order.put(&mut block);
        if block.octets.len() >= BLOCK {
            out.block(Kind::Orders, &block.octets)?;
            block.octets.clear();
        }
    }
    if !block.octets.is_empty() {
        out.block(Kind::Orders, &block.octets)?;
    }
    out.end()
}

fn octets(value: &impl Form, places: &Places) -> Vec<u8> {
    let mut out = Out::with(places);
    value.put(&mut out);
    out.octets
}

/// A snapshot of which the header was read.
pub(crate) struct Found<R> {
    pub(crate) header: Header,
    names: Names,
    rest: Reader<R>,
}

/// The snapshot there, or `None` where it has a defect already in front or is of another form.
pub(crate) fn find(path: &Path) -> Option<Found<File>> {
    let file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    Found::in_front(file, length)
}

impl<R: Read + Send> Found<R> {
    fn in_front(input: R, length: u64) -> Option<Self> {
        let mut rest = Reader::begin(input, length, form())?;
        let mut block = Block::default();
        rest.next(&mut block)?;
        let names = whole(block.checked()?, &Names::default())?;
        rest.next(&mut block)?;
        let header = whole(block.checked()?, &names)?;
        Some(Found { header, names, rest })
    }

    /// Hands out every order, from several threads where there are several cores, and then the header. `None` where the file has
    /// a defect: what was handed out does not count.
    pub(crate) fn orders(self, each: impl Fn(Order) + Sync) -> Option<Header> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let rest = Mutex::new(Some(self.rest));
        let end = self
            .header
            .newest
            .map_or(0, |(newest, _)| newest.saturating_add(1));
        let work = || {
            let count = take_blocks(&rest, &self.names, end, &each);
            if count.is_none() {
                *rest.lock() = None; // nobody needs the others any more
            }
            count
        };
        let count = std::thread::scope(|scope| {
            let others: Vec<_> = (1..cores.min(MOST_THREADS)).map(|_| scope.spawn(work)).collect();
            let mut count = work()?;
            for other in others {
                count += other.join().ok()??;
            }
            Some(count)
        })?;
        (count == self.header.orders).then_some(self.header)
    }
}

/// Takes blocks, and hands out what stands in them, until the end was taken. How many orders that were. None may know of an
/// entry from `end` on.
fn take_blocks<R: Read>(
    rest: &Mutex<Option<Reader<R>>>,
    names: &Names,
    end: u64,
    each: &impl Fn(Order),
) -> Option<u64> {
    let (mut block, mut count) = (Block::default(), 0);
    loop {
        let mut reader = rest.lock();
        let Some(open) = &mut *reader else {
            return Some(count);
        };
        let kind = open.next(&mut block)?;
        if kind == Kind::End {
            *reader = None;
        }
        drop(reader);
        let mut from = In {
            rest: block.checked()?,
            names,
        };
        while !from.rest.is_empty() {
            let order = Order::take(&mut from)?;
            if order.attempts.is_empty() || order.last >= end {
                return None;
            }
            each(order);
            count += 1;
        }
    }
}

fn whole<T: Form>(octets: &[u8], names: &Names) -> Option<T> {
    let mut from = In { rest: octets, names };
    let value = T::take(&mut from)?;
    from.rest.is_empty().then_some(value)
}

/// A snapshot with these octets in its blocks: for whoever tries how it is read.
pub fn of_blocks(names: &[u8], header: &[u8], orders: &[&[u8]]) -> io::Result<Vec<u8>> {
    let mut out = Writer::begin(Vec::new(), form())?;
    out.block(Kind::Names, names)?;
    out.block(Kind::Header, header)?;
    orders
        .iter()
        .try_for_each(|octets| out.block(Kind::Orders, octets))?;
    out.end()
}

/// A snapshot as it is read and written again; `None` where a start would read the journal instead.
pub fn again(snapshot: &[u8]) -> Option<Vec<u8>> {
    let orders = Mutex::new(Vec::new());
    let found = Found::in_front(snapshot, snapshot.len() as u64)?;
    let header = found.orders(|order| orders.lock().push(order))?;
    let mut orders = orders.into_inner();
    orders.sort_by_key(|order| order.id);
    if orders.windows(2).any(|two| two[0].id == two[1].id) {
        return None;
    }
    put(Vec::new(), &header, orders.iter()).ok()
}

#[cfg(test)]
mod tests;
