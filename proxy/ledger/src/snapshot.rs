//! The live orders as they stood at one journal index, so that a start need not read the whole journal.
//!
//! Lines of JSON: a header, the orders, a closing line with their count and the digest of all lines before it. Written
//! beside, synced, renamed; any defect makes it count as absent. Orders may be newer than the header (each knows its own latest index): replay from the
//! header's index passes over what an order already holds.

use crate::{
    Count, Order, PayCode,
    bills::BillHead,
    heads::{Heads, Numbers},
    lost::Lost,
    tells::Tell,
};
use domain::{Amount, BillKey, Day, Digest, Instant, Measure, MerchantId, RegistryVersion};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::Path,
    sync::Arc,
};

const FORMAT: u32 = 10;

#[derive(Serialize, Deserialize)]
pub(crate) struct Header {
    format: u32,
    pub(crate) next: u64,
    numbers: Vec<(MerchantId, Numbers)>,
    tells: Vec<Tell>,
    cases: Option<(u64, Digest)>,
    measures: Vec<Measure>,
    epochs: BTreeMap<u32, bool>,
    totals: Vec<(Day, Count, Amount)>,
    codes: Vec<Arc<PayCode>>,
    bills: Vec<(BillKey, BillHead)>,
    /// Absent in snapshots of earlier builds: these knew of no account that was lost.
    #[serde(default)]
    lost: Vec<Lost>,
    /// Absent in snapshots of earlier builds, as is the next: what follows in the journal tells.
    #[serde(default)]
    registries: Vec<RegistryVersion>,
    #[serde(default)]
    cases_at: Option<Instant>,
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
            cases_at: heads.cases_at,
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

pub(crate) fn write(
    path: &Path,
    header: &Header,
    orders: impl Iterator<Item = Arc<Order>>,
) -> io::Result<u64> {
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
    line(
        &mut out,
        &mut hash,
        &End {
            orders: count,
            digest,
        },
    )?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_data()?;
    std::fs::rename(&beside, path)?;
    if let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok(count)
}

/// The snapshot, or `None` where there is none that can be trusted. Read in two halves at once, line by line: a
/// million orders are never in memory as text.
pub(crate) fn read(path: &Path) -> Option<(Header, Vec<Order>)> {
    let mut input = BufReader::new(File::open(path).ok()?);
    let mut line = Vec::new();
    let first = input.read_until(b'\n', &mut line).ok()? as u64;
    let header: Header = serde_json::from_slice(&line).ok()?;
    if header.format != FORMAT {
        return None;
    }
    let length = input.get_ref().metadata().ok()?.len();
    let last = begin_of_last_line(&mut input, length)?;
    line.clear();
    input.read_until(b'\n', &mut line).ok()?;
    let end: End = serde_json::from_slice(&line).ok()?;
    let half = next_line(&mut input, first + last.checked_sub(first)? / 2)?.min(last);
    let orders = std::thread::scope(|scope| {
        let second = scope.spawn(|| orders(path, half..last));
        let own = scope.spawn(|| digest(path, last));
        let mut all = orders(path, first..half)?;
        all.extend(second.join().ok()??);
        (own.join().ok()?? == end.digest).then_some(all)
    })?;
    (orders.len() as u64 == end.orders).then_some((header, orders))
}

/// SHA-256 over everything before the closing line.
fn digest(path: &Path, until: u64) -> Option<Digest> {
    let mut input = BufReader::with_capacity(1 << 20, File::open(path).ok()?).take(until);
    let mut hash = Sha256::new();
    loop {
        let read = input.fill_buf().ok()?;
        if read.is_empty() {
            return Some(Digest::from_bytes(hash.finalize().into()));
        }
        hash.update(read);
        let taken = read.len();
        input.consume(taken);
    }
}

/// Leaves the reader at the closing line and says where that is.
fn begin_of_last_line(input: &mut BufReader<File>, length: u64) -> Option<u64> {
    let from = length.saturating_sub(256);
    input.seek(SeekFrom::Start(from)).ok()?;
    let mut tail = Vec::new();
    input.read_to_end(&mut tail).ok()?;
    let before = tail.strip_suffix(b"\n")?;
    let begin = from + before.iter().rposition(|b| *b == b'\n')? as u64 + 1;
    input.seek(SeekFrom::Start(begin)).ok()?;
    Some(begin)
}

/// Where the first line begins that does not begin before `at`.
fn next_line(input: &mut BufReader<File>, at: u64) -> Option<u64> {
    let before = at.checked_sub(1)?;
    input.seek(SeekFrom::Start(before)).ok()?;
    let rest = input.read_until(b'\n', &mut Vec::new()).ok()?;
    Some(before + rest as u64)
}

fn orders(path: &Path, part: Range<u64>) -> Option<Vec<Order>> {
    let mut input = BufReader::with_capacity(1 << 20, File::open(path).ok()?);
    input.seek(SeekFrom::Start(part.start)).ok()?;
    let (mut at, mut line, mut all) = (part.start, Vec::new(), Vec::new());
    while at < part.end {
        line.clear();
        at += input.read_until(b'\n', &mut line).ok()?.max(1) as u64;
        all.push(serde_json::from_slice(&line).ok()?);
    }
    Some(all)
}

fn line(out: &mut BufWriter<File>, hash: &mut Sha256, value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(value)?;
    hash.update(&text);
    hash.update(b"\n");
    out.write_all(&text)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::*;

    fn order(n: u64) -> Arc<Order> {
        let (merchant, order_no) = (
            MerchantId::new("m1").expect("lawful"),
            OrderNo::new(format!("N{n}")).expect("lawful"),
        );
        Arc::new(Order {
            id: crate::payment_id(&merchant, &order_no),
            merchant,
            order_no,
            by_code: None,
            last: n,
            attempts: Vec::new(),
            refunds: Vec::new(),
            mismatched: Vec::new(),
        })
    }

    #[test]
    fn reads_back_what_was_written_however_many_and_nothing_that_was_cut() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("snapshot.json");
        for count in [0, 1, 2, 3, 50, 1001] {
            let header = Header::of(
                &Heads {
                    next: 7,
                    ..Heads::default()
                },
                Vec::new(),
            );
            write(&path, &header, (0..count).map(order)).expect("written");
            let (header, orders) = read(&path).expect("whole");
            assert_eq!((header.next, orders.len() as u64), (7, count));
            assert!(orders.iter().zip(0..).all(|(o, n)| o.last == n), "in order");
            let whole = std::fs::read(&path).expect("readable");
            for cut in [1, 2, 20, whole.len() / 2] {
                std::fs::write(&path, &whole[..whole.len() - cut]).expect("written");
                assert!(read(&path).is_none(), "{count} orders, {cut} octets cut");
            }
        }
    }

    #[test]
    //= C37
    fn token_epochs_are_followed_and_survive_in_the_header() {
        let day = Day::from_number(20_454);
        let opened = |epoch| TradeEvent::EpochOpened {
            epoch,
            from: day,
            grade: "C".into(),
            until: day,
        };
        let mut heads = Heads::default();
        for (index, event) in [opened(1), opened(2), TradeEvent::EpochDestroyed { epoch: 1 }]
            .into_iter()
            .enumerate()
        {
            let nobody = crate::heads::Of {
                merchant: None,
                order: None,
            };
            let entry = heads.entry(
                Instant::from_secs(1),
                nobody,
                None,
                event,
                false,
                Salt::from_bytes([0; 16]),
            );
            heads.follow(index as u64, &entry);
        }
        let text = serde_json::to_vec(&Header::of(&heads, Vec::new())).expect("plain data");
        let (heads, _) = serde_json::from_slice::<Header>(&text)
            .expect("the same")
            .into_heads();
        assert_eq!(heads.epochs, [(1, false), (2, true)].into());
    }

    /// An older file is not taken after a start, nor where its acquirer had no file in between.
    #[test]
    //= C23
    fn the_last_version_of_each_signed_file_is_followed_and_survives_in_the_header() {
        let file = |kind, acquirer: Option<&str>, version: u8| RegistryVersion {
            kind,
            acquirer: acquirer.map(|no| AcquirerNo::new(no).expect("lawful")),
            version: version.into(),
            digest: Digest::from_bytes([version; 32]),
        };
        use Registry as R;
        let loads = [
            file(R::Operator, None, 1),
            file(R::Acquirer, None, 9), // of an earlier build: whose, nobody can tell
            file(R::Acquirer, Some("A"), 5),
            file(R::Acquirer, Some("B"), 2),
            file(R::Operator, None, 2),
        ];
        let mut heads = Heads::default();
        for (index, file) in loads.into_iter().enumerate() {
            let event = TradeEvent::RegistryLoaded {
                acquirer: file.acquirer,
                digest: file.digest,
                kind: file.kind,
                not_after: Instant::from_secs(9),
                version: file.version,
            };
            let nobody = crate::heads::Of {
                merchant: None,
                order: None,
            };
            let salt = Salt::from_bytes([0; 16]);
            let entry = heads.entry(Instant::from_secs(1), nobody, None, event, false, salt);
            heads.follow(index as u64, &entry);
        }
        let text = serde_json::to_vec(&Header::of(&heads, Vec::new())).expect("plain data");
        let header: Header = serde_json::from_slice(&text).expect("the same");
        let known = header.into_heads().0.registries;
        let expected = [
            file(R::Operator, None, 2),
            file(R::Acquirer, Some("A"), 5),
            file(R::Acquirer, Some("B"), 2),
        ];
        assert_eq!(known, expected);
    }

    /// A start in the middle of an outage knows of it, from the journal and from a snapshot of it.
    #[test]
    //= C65
    fn accounts_that_are_lost_are_followed_and_survive_in_the_header() {
        let turned = |account: &str, class, state| TradeEvent::BreakerTurned {
            account: AccountNo::new(account).expect("lawful"),
            ailment: None,
            channel: Channel::Wechat,
            class,
            state,
        };
        use {BreakerState as B, OperationClass as Of};
        let mut heads = Heads::default();
        let events = [
            turned("1", Of::Place, B::Open),
            turned("2", Of::Place, B::Open),
            turned("2", Of::Ask, B::Open),
            turned("1", Of::Place, B::HalfOpen),
            turned("2", Of::Place, B::HalfOpen),
            turned("2", Of::Place, B::Closed),
        ];
        for (index, event) in events.into_iter().enumerate() {
            let nobody = crate::heads::Of {
                merchant: None,
                order: None,
            };
            let salt = Salt::from_bytes([0; 16]);
            let entry = heads.entry(Instant::from_secs(1), nobody, None, event, false, salt);
            heads.follow(index as u64, &entry);
        }
        let lost = |account: &str, class| Lost {
            channel: Channel::Wechat,
            account: AccountNo::new(account).expect("lawful"),
            class,
        };
        let text = serde_json::to_vec(&Header::of(&heads, Vec::new())).expect("plain data");
        let (heads, _) = serde_json::from_slice::<Header>(&text)
            .expect("the same")
            .into_heads();
        assert_eq!(heads.lost.all(), [lost("1", Of::Place), lost("2", Of::Ask)]);
    }

    #[test]
    fn an_altered_line_is_not_believed() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("snapshot.json");
        write(
            &path,
            &Header::of(&Heads::default(), Vec::new()),
            (0..3).map(order),
        )
        .expect("written");
        let whole = std::fs::read_to_string(&path).expect("readable");
        assert!(read(&path).is_some());
        let altered = whole.replacen("\"last\":1", "\"last\":2", 1);
        assert_ne!(altered, whole);
        std::fs::write(&path, altered).expect("writable");
        assert!(read(&path).is_none());
    }
}
