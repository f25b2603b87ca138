//! A small trades journal for the tests: writes entries as `guandao run` does and lets a watch read them.

use super::{Finding, Parameters, Watch};
use crate::{registry::MerchantFacts, testing::*};
use domain::*;
use std::{collections::HashMap, sync::Arc};

pub(super) const SECOND: i64 = 1_000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// One order of the tests.
#[derive(Clone, Copy)]
pub(super) struct Sale {
    pub(super) merchant: &'static str,
    pub(super) payer: Option<u8>,
    pub(super) yuan: u64,
    pub(super) level: CodeLevel,
    /// The payer is known only from the payment.
    pub(super) native: bool,
    pub(super) payee: Option<&'static str>,
    pub(super) channel: Channel,
}

/// Payer 1 at m1 by a level A code, which no limit bounds.
pub(super) const SALE: Sale = Sale {
    merchant: "m1",
    payer: Some(1),
    yuan: 50,
    level: CodeLevel::A,
    native: false,
    payee: None,
    channel: Channel::Wechat,
};

/// Further merchants of m1's acquirer.
pub(super) const NEIGHBOURS: [&str; 30] = [
    "n01", "n02", "n03", "n04", "n05", "n06", "n07", "n08", "n09", "n10", "n11", "n12", "n13", "n14", "n15",
    "n16", "n17", "n18", "n19", "n20", "n21", "n22", "n23", "n24", "n25", "n26", "n27", "n28", "n29", "n30",
];

pub(super) fn token(n: u8) -> PayerToken {
    PayerToken {
        epoch: 1,
        token: Token::from_bytes([n; 16]),
    }
}

pub(super) struct Journal {
    pub(super) entries: Vec<TradeEntry>,
    pub(super) merchants: HashMap<MerchantId, Arc<MerchantFacts>>,
    pub(super) now: Instant,
    last: HashMap<PaymentId, u64>,
    orders: u32,
}

impl Journal {
    pub(super) fn new() -> Self {
        let merchants = registries()
            .merchants()
            .map(|m| (m.id.clone(), m.clone()))
            .collect();
        Journal {
            entries: Vec::new(),
            merchants,
            now: NOON,
            last: HashMap::new(),
            orders: 0,
        }
    }

    /// Merchants without a single-trade cap, so that T05 keeps out of the other rules' tests.
    pub(super) fn uncapped() -> Self {
        let mut journal = Journal::new();
        journal
            .merchants
            .values_mut()
            .for_each(|facts| Arc::make_mut(facts).order_max = None);
        journal
    }

    pub(super) fn wait(&mut self, ms: i64) -> &mut Self {
        self.now = self.now.plus_millis(ms);
        self
    }

    /// Writes an entry; returns its index.
    pub(super) fn write(&mut self, merchant: &str, order: Option<PaymentId>, event: TradeEvent) -> u64 {
        let index = self.entries.len() as u64;
        let prev = order.and_then(|order| self.last.insert(order, index));
        let merchant = Some(name(merchant));
        let salt = Salt::from_bytes([0; 16]);
        let entry = Entry {
            at: self.now,
            event,
            merchant,
            mseq: None,
            order,
            prev,
            salt,
            tell: None,
            v: ENTRY_VERSION,
        };
        self.entries.push(entry);
        index
    }

    /// An order is sent.
    pub(super) fn intend(&mut self, sale: Sale) -> PaymentId {
        self.orders += 1;
        let mut id = [0; 16];
        id[..4].copy_from_slice(&self.orders.to_be_bytes());
        self.attempt(PaymentId::from_bytes(id), 1, sale)
    }

    /// An attempt of an order is sent.
    pub(super) fn attempt(&mut self, order: PaymentId, attempt: u16, sale: Sale) -> PaymentId {
        let account = if sale.merchant == "m1" {
            "1900000109"
        } else {
            "1900000110"
        };
        let kind = if sale.level == CodeLevel::D {
            CodeKind::Static
        } else {
            CodeKind::Dynamic
        };
        let event = TradeEvent::AttemptIntended {
            account: name(account),
            amount: Amount::from_fen(sale.yuan * 100),
            appid: None,
            sub_appid: None,
            attempt,
            carried: Carried::Unified,
            channel: sale.channel,
            code: Code {
                kind,
                level: sale.level,
            },
            content: KeyedDigest::from_bytes([0; 32]),
            expires: self.now.plus_millis(2 * HOUR),
            keys: Keys::Held,
            number: name("N"),
            order_no: name("N"),
            pay_way: if sale.native {
                PayWay::Native
            } else {
                PayWay::Jsapi
            },
            payee: name(sale.payee.unwrap_or(account)),
            payer: if sale.native { None } else { sale.payer.map(token) },
            rates: None,
            route: None,
            seal: None,
            terminal: None,
            terminal_match: None,
            terminal_unmatched: false,
        };
        self.write(sale.merchant, Some(order), event);
        order
    }

    fn latest_attempt(&self, order: PaymentId) -> u16 {
        let of = |entry: &&TradeEntry| {
            entry.order == Some(order) && matches!(entry.event, TradeEvent::AttemptIntended { .. })
        };
        self.entries.iter().filter(of).count() as u16
    }

    /// It is paid now; returns the payment's index.
    pub(super) fn pay(&mut self, order: PaymentId, sale: Sale) -> u64 {
        self.pay_at(order, sale, self.now)
    }

    pub(super) fn pay_at(&mut self, order: PaymentId, sale: Sale, paid_at: Instant) -> u64 {
        let amount = Amount::from_fen(sale.yuan * 100);
        let facts = PaidFacts {
            amount,
            bank_type: None,
            number: name("N"),
            paid_at,
            trade_no: name("T"),
        };
        let payer = sale.payer.filter(|_| sale.native).map(token);
        let event = TradeEvent::AttemptPaid {
            attempt: self.latest_attempt(order),
            facts,
            payer,
            proof: Proof::Notice,
            seal: None,
        };
        self.write(sale.merchant, Some(order), event)
    }

    /// Sent and paid.
    pub(super) fn sell(&mut self, sale: Sale) -> (PaymentId, u64) {
        let order = self.intend(sale);
        (order, self.pay(order, sale))
    }

    /// An attempt is declined by the payer's side, which the channel names where the sale has a payer; returns the
    /// refusal's index.
    pub(super) fn decline(&mut self, order: PaymentId, attempt: u16, sale: Sale) -> u64 {
        let payer = sale.payer.map(token);
        let event = TradeEvent::AttemptNotPlaced {
            attempt,
            code: Some("DECLINED".into()),
            declined: Some(Declined { payer }),
            reason: NotPlaced::Refused,
        };
        self.write(sale.merchant, Some(order), event)
    }

    /// An attempt is declined and stays open; returns the index of that.
    pub(super) fn decline_open(&mut self, order: PaymentId, attempt: u16, sale: Sale) -> u64 {
        let event = TradeEvent::AttemptDeclined {
            attempt,
            code: "PAYERROR".into(),
            payer: sale.payer.map(token),
        };
        self.write(sale.merchant, Some(order), event)
    }

    /// Sent and declined.
    pub(super) fn try_out(&mut self, sale: Sale) -> u64 {
        let order = self.intend(sale);
        self.decline(order, 1, sale)
    }

    /// With [`NEIGHBOURS`].
    pub(super) fn with_neighbours() -> Self {
        let mut journal = Journal::uncapped();
        let first = journal.merchants[&name("m1")].clone();
        for id in NEIGHBOURS {
            let mut facts = (*first).clone();
            facts.id = name(id);
            journal.merchants.insert(name(id), Arc::new(facts));
        }
        journal
    }

    /// A refund is sent; returns its index.
    pub(super) fn ask_refund(&mut self, order: PaymentId, no: &str, yuan: u64, cause: RefundCause) -> u64 {
        let (amount, number, refund_no) = (Amount::from_fen(yuan * 100), name(no), name(no));
        self.write(
            "m1",
            Some(order),
            TradeEvent::RefundIntended {
                amount,
                attempt: 1,
                cause,
                number,
                refund_no,
            },
        )
    }

    /// Sent and done.
    pub(super) fn refund(&mut self, order: PaymentId, no: &str, yuan: u64) -> u64 {
        let index = self.ask_refund(order, no, yuan, RefundCause::Merchant);
        let refund_no = name(no);
        self.write(
            "m1",
            Some(order),
            TradeEvent::RefundProcessing {
                refund_no,
                trade_no: None,
            },
        );
        let refund_no = name(no);
        let done = TradeEvent::RefundSucceeded {
            proof: Proof::Query,
            refund_no,
            refunded_at: None,
            trade_no: None,
        };
        self.write("m1", Some(order), done);
        index
    }

    /// A reverse is sent.
    pub(super) fn ask_reverse(&mut self, order: PaymentId, reason: ReverseReason) -> u64 {
        let attempt = self.latest_attempt(order);
        self.write("m1", Some(order), TradeEvent::ReverseIntended { attempt, reason })
    }

    /// It is done.
    pub(super) fn reversed(&mut self, order: PaymentId, refunded: Option<bool>) -> u64 {
        let (attempt, proof) = (self.latest_attempt(order), Proof::Query);
        self.write(
            "m1",
            Some(order),
            TradeEvent::AttemptReversed {
                attempt,
                proof,
                refunded,
            },
        )
    }

    pub(super) fn refuse(&mut self, operation: Operation, clause: Clause, sale: Sale) -> u64 {
        let create = operation == Operation::Create;
        let event = TradeEvent::Refused {
            amount: create.then_some(Amount::from_fen(sale.yuan * 100)),
            channel: Some(Channel::Wechat),
            clause,
            code: create.then_some(Code {
                kind: CodeKind::Dynamic,
                level: sale.level,
            }),
            operation,
            order_no: None,
            payee: sale.payee.map(name),
            payer: sale.payer.map(token),
        };
        self.write(sale.merchant, None, event)
    }

    /// Every finding of a fresh watch.
    pub(super) fn findings(&self) -> Vec<Finding> {
        self.watch(Parameters::default()).1
    }

    pub(super) fn watch(&self, parameters: Parameters) -> (Watch, Vec<Finding>) {
        let mut watch = Watch::new(parameters);
        let mut findings = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let facts = entry.merchant.as_ref().and_then(|id| self.merchants.get(id));
            findings.extend(watch.observe(index as u64, entry, facts.map(|facts| &**facts)));
        }
        (watch, findings)
    }

    /// The findings of one rule, which must be the only ones.
    pub(super) fn only(&self, rule: &str) -> Vec<Finding> {
        let findings = self.findings();
        assert!(findings.iter().all(|f| f.rule == rule), "{findings:#?}");
        assert_eq!(findings, self.findings(), "a replay gives the same");
        findings
    }
}
