//! What we read back from our own disk, should somebody have written there.

use domain::Sign;
use journal::{Journal, Settings, disk::Disk, sim::SimulatedDisk};
use sha2::{Digest, Sha256};
use std::{path::Path, sync::Arc};
use vault::{Buyer, PaidBuyer, Record, RefundBuyer, Sealed};

struct Signer;

impl Sign for Signer {
    fn public_key(&self) -> [u8; 32] {
        [7; 32]
    }

    fn sign(&self, _: &[u8]) -> [u8; 64] {
        [9; 64]
    }
}

/// Frames whose checksums are made right (else nothing behind them would ever be reached): a log opens or is refused,
/// and what opens is read back.
pub(crate) fn wal(data: &[u8]) {
    let Some((first, bytes)) = data.split_at_checked(1) else {
        return;
    };
    let mut bytes = bytes.to_vec();
    mend(&mut bytes);
    let (disk, dir) = (Arc::new(SimulatedDisk::new(1)), Path::new("j"));
    let begin = [0, 0, 0, 1, 7, u64::MAX, u64::MAX - 1, 1 << 63][usize::from(first[0]) % 8];
    let file = dir.join(format!("wal/{begin:020}.wal"));
    if disk.write(&file, &bytes).is_err() {
        return;
    }
    let settings = Settings {
        threads: false,
        ..Settings::default()
    };
    if let Ok((journal, found)) =
        Journal::open(disk, dir, "guandao.example/trades/0", Arc::new(Signer), settings)
    {
        let reader = journal.reader();
        for index in 0..found.entries.min(8) {
            let _ = reader.entry(index);
        }
    }
}

fn mend(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(frame) = bytes.get_mut(at..).filter(|f| f.len() >= 36) {
        frame[..4].copy_from_slice(b"GDW1");
        let length = u32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]) as usize;
        let Some(frame) = frame.get_mut(..36usize.saturating_add(length)) else {
            return;
        };
        let sum = Sha256::new()
            .chain_update(&frame[..20])
            .chain_update(&frame[36..])
            .finalize();
        frame[20..36].copy_from_slice(&sum[..16]);
        at += frame.len();
    }
}

/// Blocks whose digests are made right, the lengths of the first two in front: a snapshot is read, or the journal instead; what
/// is read is written so that it is read the same. As it stands, no snapshot of another form is read.
pub(crate) fn snapshot(data: &[u8]) {
    let _ = ledger::snapshot::again(data);
    let Some((lengths, rest)) = data.split_first_chunk::<4>() else {
        return;
    };
    let [names, header] = [[lengths[0], lengths[1]], [lengths[2], lengths[3]]].map(u16::from_le_bytes);
    let Some((names, rest)) = rest.split_at_checked(names.into()) else {
        return;
    };
    let Some((header, orders)) = rest.split_at_checked(header.into()) else {
        return;
    };
    let whole = ledger::snapshot::of_blocks(names, header, &[orders]).expect("memory takes all");
    if let Some(again) = ledger::snapshot::again(&whole) {
        assert_eq!(
            ledger::snapshot::again(&again).as_deref(),
            Some(&again[..]),
            "what is read is written so again"
        );
    }
}

fn record<T: Record>(data: &[u8]) {
    let mut rest = data;
    if let Some(record) = T::read(&mut rest) {
        let (read, mut again) = (data.len() - rest.len(), Vec::new());
        record.write(&mut again);
        assert_eq!(again, data[..read], "one record, one spelling");
    }
}

/// Sealed records and what is inside of them.
pub(crate) fn sealed(data: &[u8]) {
    if let Some(sealed) = Sealed::<Buyer>::from_bytes(data.to_vec()) {
        let _ = sealed.bucket();
        assert_eq!(sealed.as_bytes(), data);
    }
    record::<Buyer>(data);
    record::<PaidBuyer>(data);
    record::<RefundBuyer>(data);
}
