//! A lawful trades journal: three runs of the proxy, two merchants, buckets of every fate.

use crate::writer::{Log, Signer};
use domain::*;
use std::collections::HashMap;

pub(crate) const ORIGIN: &str = "guandao.example/trades/0";
/// 2026-01-01T00:00:00+08:00.
const BEGIN: i64 = 1_767_196_800_000;

/// Writes entries with the numbers and chains that they must have.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) entries: Vec<TradeEntry>,
    mseq: HashMap<MerchantId, u64>,
    tell: HashMap<MerchantId, u64>,
    last: HashMap<PaymentId, u64>,
    pub(crate) now: i64,
}

pub(crate) fn name<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("a lawful name")
}

pub(crate) fn boot(n: u8) -> Boot {
    Boot::from_bytes([n; 16])
}

impl Book {
    /// Three runs: the first crashes with bucket 12 alive, the second stops in good order, the third still runs.
    pub(crate) fn lawful() -> Self {
        Self::with_orders(8)
    }

    pub(crate) fn with_orders(orders: u64) -> Self {
        let mut book = Book {
            now: BEGIN,
            ..Book::default()
        };
        book.start(1);
        let (from, until) = (
            Instant::from_millis(BEGIN).day(),
            Instant::from_millis(BEGIN + 90 * 86_400_000).day(),
        );
        book.machine(TradeEvent::EpochOpened {
            epoch: 1,
            from,
            grade: "C".into(),
            until,
        });
        (0..orders).for_each(|n| book.order(n, 10 + n % 2));
        book.destroy(1, 10, orders);
        book.destroy(1, 11, orders);
        book.order(orders, 12);
        book.start(2);
        book.order(orders + 1, 7);
        book.refused();
        book.destroy(2, 7, 9);
        book.machine(TradeEvent::ProcessStopped { boot: boot(2) });
        book.start(3);
        book.order(orders + 2, 90);
        book
    }

    pub(crate) fn log(&self) -> Log {
        self.log_of(Signer::new(ORIGIN, 1))
    }

    pub(crate) fn log_of(&self, signer: Signer) -> Log {
        Log {
            signer,
            entries: self.entries.iter().map(Entry::to_canonical).collect(),
        }
    }

    /// Index of the first entry whose event has this name.
    pub(crate) fn index_of(&self, event: &str) -> usize {
        self.entries
            .iter()
            .position(|e| e.event.name() == event)
            .expect("there is one")
    }

    /// The bucket's destroy entry.
    pub(crate) fn destroyed(&self, number: u64) -> usize {
        let of = |e: &TradeEntry| matches!(e.event, TradeEvent::BucketDestroyed { bucket, .. } if bucket == number);
        self.entries.iter().position(of).expect("there is one")
    }

    /// Takes an entry out and makes the numbers of the orders fit again, as a careful forger would.
    pub(crate) fn without(mut self, index: usize) -> Self {
        self.entries.remove(index);
        for entry in &mut self.entries {
            entry.prev = entry
                .prev
                .map(|prev| if prev > index as u64 { prev - 1 } else { prev });
        }
        self
    }

    /// The first two runs are of a version that did not put its times on record.
    pub(crate) fn start(&mut self, n: u8) {
        let (settings, told) = (Digest::from_bytes([2; 32]), n > 2);
        self.machine(TradeEvent::ProcessStarted {
            boot: boot(n),
            bucket_seconds: told.then_some(60),
            deadline_seconds: told.then_some(120),
            notify_seconds: told.then_some(7_200),
            settings,
            version: "0.1.0".into(),
        });
    }

    pub(crate) fn machine(&mut self, event: TradeEvent) {
        self.push(event, None, None, false);
    }

    pub(crate) fn destroy(&mut self, run: u8, bucket: u64, records: u64) {
        let openings = [(Purpose::Forward, records), (Purpose::Notify, 1)].into();
        let deadline = Instant::from_millis(self.now);
        self.machine(TradeEvent::BucketDestroyed {
            boot: boot(run),
            bucket,
            deadline,
            openings,
            records,
        });
    }

    fn refused(&mut self) {
        let event = TradeEvent::Refused {
            amount: Some(Amount::from_fen(100)),
            channel: None,
            clause: Clause::NOT_ACCEPTED,
            code: None,
            operation: Operation::Create,
            order_no: Some(name("R1")),
            payee: None,
            payer: None,
        };
        self.push(event, Some("m2"), None, false);
    }

    /// Intended, placed, paid and told.
    pub(crate) fn order(&mut self, n: u64, bucket: u64) {
        let merchant = if n.is_multiple_of(3) { "m2" } else { "m1" };
        let order = Some(order_id(n));
        let placed = TradeEvent::AttemptPlaced {
            attempt: 1,
            reach: Some(Reach::Code("weixin://x?pr=1".into())),
        };
        self.push(intended(n, bucket), Some(merchant), order, false);
        self.push(placed, Some(merchant), order, false);
        self.push(paid(n, bucket), Some(merchant), order, true);
        let seq = self.tell[&name(merchant)];
        self.push(TradeEvent::Told { seq, tries: 1 }, Some(merchant), order, false);
    }

    fn push(&mut self, event: TradeEvent, merchant: Option<&str>, order: Option<PaymentId>, tell: bool) {
        self.now += 1000;
        let index = self.entries.len() as u64;
        let merchant: Option<MerchantId> = merchant.map(name);
        let (mut mseq, mut told) = (None, None);
        if let Some(merchant) = &merchant {
            mseq = Some(next(&mut self.mseq, merchant));
            told = tell.then(|| next(&mut self.tell, merchant));
        }
        let prev = order.and_then(|order| self.last.insert(order, index));
        let (at, salt) = (
            Instant::from_millis(self.now),
            Salt::from_bytes([index as u8; 16]),
        );
        self.entries.push(Entry {
            at,
            event,
            merchant,
            mseq,
            order,
            prev,
            salt,
            tell: told,
            v: ENTRY_VERSION,
        });
    }
}

fn order_id(n: u64) -> PaymentId {
    let mut bytes = [0x5a; 16];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    PaymentId::from_bytes(bytes)
}

fn next(numbers: &mut HashMap<MerchantId, u64>, merchant: &MerchantId) -> u64 {
    let number = numbers.entry(merchant.clone()).or_default();
    *number += 1;
    *number
}

fn intended(n: u64, bucket: u64) -> TradeEvent {
    TradeEvent::AttemptIntended {
        account: name("1900000109"),
        amount: Amount::from_fen(100 + n),
        appid: None,
        sub_appid: None,
        attempt: 1,
        carried: Carried::Unified,
        channel: Channel::Wechat,
        code: Code {
            kind: CodeKind::Dynamic,
            level: CodeLevel::B,
        },
        content: KeyedDigest::from_bytes([4; 32]),
        expires: Instant::from_millis(BEGIN + 7_200_000),
        keys: Keys::Held,
        number: name(&format!("A{n}")),
        order_no: name(&format!("A{n}")),
        pay_way: PayWay::Native,
        payee: name("1900000109"),
        payer: Some(PayerToken {
            epoch: 1,
            token: Token::from_bytes([7; 16]),
        }),
        rates: None,
        route: None,
        seal: Some(SealRef { bucket, records: 1 }),
        terminal: None,
        terminal_match: None,
        terminal_unmatched: false,
    }
}

fn paid(n: u64, bucket: u64) -> TradeEvent {
    let facts = PaidFacts {
        amount: Amount::from_fen(100 + n),
        bank_type: Some("CMC_DEBIT".into()),
        number: name(&format!("A{n}")),
        paid_at: Instant::from_millis(BEGIN),
        trade_no: name(&format!("4200{n}")),
    };
    let seal = Some(SealRef { bucket, records: 1 });
    TradeEvent::AttemptPaid {
        attempt: 1,
        facts,
        payer: None,
        proof: Proof::Notice,
        seal,
    }
}
