//! What the proxy writes.

use domain::*;
use journal::Journal;
use std::{collections::HashMap, fmt::Debug, str::FromStr, sync::Mutex};

/// 2026-01-15T12:00:00+08:00.
pub(crate) const NOON: Instant = Instant::from_secs(1_768_449_600);

pub(crate) fn name<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().expect("a lawful name")
}

/// A bill is asked for.
pub(crate) fn asked(bill: &BillKey, tries: u32) -> TradeEvent {
    TradeEvent::BillAsked {
        bill: bill.clone(),
        tries,
    }
}

/// It is not there yet.
pub(crate) fn refused(bill: &BillKey) -> TradeEvent {
    TradeEvent::BillRefused {
        bill: bill.clone(),
        code: "STATEMENT_CREATING".into(),
    }
}

/// It came: a file, or the word that there is none.
pub(crate) fn taken(bill: &BillKey, file: Option<u8>) -> TradeEvent {
    TradeEvent::BillTaken {
        again: false,
        bill: bill.clone(),
        digest: file.map(|n| Digest::from_bytes([n; 32])),
        entries: 0,
    }
}

/// It was compared to its end.
pub(crate) fn matched(bill: &BillKey) -> TradeEvent {
    let none = Amount::from_fen(0);
    TradeEvent::BillMatched {
        bill: bill.clone(),
        differences: 0,
        fee_millifen: 0,
        lines: 0,
        paid: none,
        payments: 0,
        refunded: none,
        refunds: 0,
    }
}

pub(crate) struct Book {
    pub(crate) journal: Journal,
    last: Mutex<(HashMap<PaymentId, u64>, i64)>,
}

pub(crate) fn payer(n: u8) -> PayerToken {
    PayerToken {
        epoch: 1,
        token: Token::from_bytes([n; 16]),
    }
}

impl Book {
    pub(crate) fn new(journal: Journal) -> Book {
        Book {
            journal,
            last: Mutex::default(),
        }
    }

    /// One entry a second after the one before; its index.
    pub(crate) fn write(&self, merchant: Option<&str>, order: Option<PaymentId>, event: TradeEvent) -> u64 {
        let mut last = self.last.lock().expect("unpoisoned");
        last.1 += 1;
        let at = NOON.plus_millis(last.1 * 1000);
        let pending = self.journal.append(|index| {
            let prev = order.and_then(|order| last.0.insert(order, index));
            let merchant = merchant.map(name);
            // The salt is random in service; here the same journal shall come out each time.
            let salt = Salt::from_bytes([index as u8; 16]);
            let mseq = merchant.is_some().then_some(index + 1);
            let entry = Entry {
                at,
                event,
                merchant,
                mseq,
                order,
                prev,
                salt,
                tell: None,
                v: ENTRY_VERSION,
            };
            vec![entry.to_canonical()]
        });
        pending.first
    }

    pub(crate) fn sale(&self, merchant: &str, n: u8, who: u8, yuan: u64) -> u64 {
        let order = PaymentId::from_bytes([n; 16]);
        let account = if merchant == "m1" {
            "1900000109"
        } else {
            "1900000110"
        };
        let (amount, number) = (
            Amount::from_fen(yuan * 100),
            ChannelNo::new(format!("N{n}")).expect("lawful"),
        );
        self.write(
            Some(merchant),
            Some(order),
            TradeEvent::AttemptIntended {
                account: name(account),
                amount,
                appid: None,
                sub_appid: None,
                attempt: 1,
                carried: Carried::Unified,
                channel: Channel::Wechat,
                code: Code {
                    kind: CodeKind::Dynamic,
                    level: CodeLevel::B,
                },
                content: KeyedDigest::from_bytes([0; 32]),
                expires: NOON.plus_millis(7_200_000),
                keys: Keys::Held,
                number: number.clone(),
                order_no: name(&format!("N{n}")),
                pay_way: PayWay::Jsapi,
                payee: name(account),
                payer: Some(payer(who)),
                rates: None,
                route: None,
                seal: None,
                terminal: None,
                terminal_match: None,
                terminal_unmatched: false,
            },
        );
        let facts = PaidFacts {
            amount,
            bank_type: None,
            number,
            paid_at: NOON.plus_millis(i64::from(n)),
            trade_no: name("T"),
        };
        let paid = TradeEvent::AttemptPaid {
            attempt: 1,
            facts,
            payer: None,
            proof: Proof::Notice,
            seal: None,
        };
        self.write(Some(merchant), Some(order), paid)
    }

    pub(crate) fn refusal(&self, merchant: &str, clause: Clause, who: u8, yuan: u64) -> u64 {
        let event = TradeEvent::Refused {
            amount: Some(Amount::from_fen(yuan * 100)),
            channel: Some(Channel::Wechat),
            clause,
            code: Some(Code {
                kind: CodeKind::Dynamic,
                level: CodeLevel::B,
            }),
            operation: Operation::Create,
            order_no: None,
            payee: None,
            payer: Some(payer(who)),
        };
        self.write(Some(merchant), None, event)
    }

    /// The proxy has read a stop of the desk.
    pub(crate) fn observed(&self, id: &str, subject: Subject) {
        let until = NOON.plus_millis(86_400_000);
        let measure = Measure {
            effect: Effect::Stop,
            id: name(id),
            subject,
            until,
        };
        self.write(
            None,
            None,
            TradeEvent::MeasureObserved {
                cases_index: 1,
                measure,
            },
        );
    }

    /// The proxy has taken these registries.
    pub(crate) fn loaded(&self, version: u64, files: &[(Registry, Digest)]) {
        let not_after = NOON.plus_millis(86_400_000);
        for (kind, digest) in files.iter().copied() {
            let event = TradeEvent::RegistryLoaded {
                acquirer: None,
                digest,
                kind,
                not_after,
                version,
            };
            self.write(None, None, event);
        }
    }

    /// Three equal trades of one payer: T01. Yields the index of the last payment.
    pub(crate) fn thrice(&self, merchant: &str, first: u8, who: u8) -> u64 {
        (0..3)
            .map(|n| self.sale(merchant, first + n, who, 88))
            .last()
            .expect("three")
    }
}
