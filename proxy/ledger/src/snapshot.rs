//! The live orders as they stood at one journal index, so that a start need not read the whole journal.
//!
//! Lines of JSON: a header, the orders, a closing line with their count and the digest of all lines before it. Written
//! beside, synced, renamed; any defect makes it count as absent. Orders may be newer than the header (each knows its own latest index): replay from the
//! header's index passes over what an order already holds.

use crate::{
    Count, Order,
    heads::{Heads, Numbers},
    tells::Tell,
};
use domain::{Amount, Day, Digest, MerchantId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::Path,
    sync::Arc,
};

const FORMAT: u32 = 2;

#[derive(Serialize, Deserialize)]
pub(crate) struct Header {
    format: u32,
    pub(crate) next: u64,
    numbers: Vec<(MerchantId, Numbers)>,
    tells: Vec<Tell>,
    cases: Option<(u64, Digest)>,
    totals: Vec<(Day, Count, Amount)>,
}

#[derive(Serialize, Deserialize)]
struct End {
    orders: u64,
    digest: Digest,
}

impl Header {
    pub(crate) fn of(heads: &Heads, totals: Vec<(Day, Count, Amount)>) -> Header {
        Header {
            format: FORMAT,
            next: heads.next,
            numbers: heads.numbers.iter().map(|(m, n)| (m.clone(), *n)).collect(),
            tells: heads.tells.all().cloned().collect(),
            cases: heads.cases,
            totals,
        }
    }

    pub(crate) fn into_heads(self) -> (Heads, Vec<(Day, Count, Amount)>) {
        let mut heads = Heads { next: self.next, cases: self.cases, ..Heads::default() };
        heads.numbers = self.numbers.into_iter().collect();
        self.tells.into_iter().for_each(|tell| heads.tells.add(tell));
        (heads, self.totals)
    }
}

pub(crate) fn write(path: &Path, header: &Header, orders: impl Iterator<Item = Arc<Order>>) -> io::Result<u64> {
    let beside = path.with_extension("new");
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&beside)?);
    let mut hash = Sha256::new();
    line(&mut out, &mut hash, header)?;
    let mut count = 0;
    for order in orders {
        line(&mut out, &mut hash, &*order)?;
        count += 1;
    }
    let digest = Digest::from_bytes(hash.clone().finalize().into());
    line(&mut out, &mut hash, &End { orders: count, digest })?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_data()?;
    std::fs::rename(&beside, path)?;
    if let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok(count)
}

/// The snapshot, or `None` where there is none that can be trusted.
pub(crate) fn read(path: &Path) -> Option<(Header, Vec<Order>)> {
    let mut lines = BufReader::with_capacity(1 << 20, File::open(path).ok()?).lines();
    let first = lines.next()?.ok()?;
    let header: Header = serde_json::from_str(&first).ok()?;
    if header.format != FORMAT {
        return None;
    }
    let texts: Vec<String> = lines.collect::<Result<_, _>>().ok()?;
    let (end, texts) = texts.split_last()?;
    let end: End = serde_json::from_str(end).ok()?;
    let mut hash = Sha256::new();
    [&first].into_iter().chain(texts).for_each(|text| hash.update(text.as_bytes()));
    if Digest::from_bytes(hash.finalize().into()) != end.digest {
        return None;
    }
    let half = texts.len().div_ceil(2);
    let parse = |part: &[String]| part.iter().map(|t| serde_json::from_str(t).ok()).collect::<Option<Vec<Order>>>();
    let orders = std::thread::scope(|scope| {
        let second = scope.spawn(|| parse(&texts[half..]));
        let mut first = parse(&texts[..half])?;
        first.extend(second.join().ok()??);
        Some(first)
    })?;
    (orders.len() as u64 == end.orders).then_some((header, orders))
}

fn line(out: &mut BufWriter<File>, hash: &mut Sha256, value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(value)?;
    hash.update(&text);
    out.write_all(&text)?;
    out.write_all(b"\n")
}
