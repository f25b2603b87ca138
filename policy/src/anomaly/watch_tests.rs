//! T20, and what holds for all rules.

use super::{journal::*, *};
use crate::{clauses, testing::*};
use domain::*;

const LARGE: Sale = Sale {
    yuan: 1_000,
    payer: None,
    ..SALE
};

#[test]
fn t20_flags_orders_that_name_another_payee() {
    let mut journal = Journal::new();
    let foreign = Sale {
        payee: Some("1900000999"),
        ..LARGE
    };
    let refused = journal.refuse(Operation::Create, clauses::PAYEE, foreign);
    journal.refuse(Operation::Create, clauses::OPERATORS_OWN, foreign);
    journal.refuse(Operation::Create, clauses::ORDER_CEILING, foreign);
    let found = journal.only("T20");
    assert_eq!(
        (found.len(), found[0].trades.as_slice(), found[0].unit),
        (1, [refused].as_slice(), "trades")
    );
    journal.intend(foreign);
    assert_eq!(
        journal.only("T20").len(),
        2,
        "one on record as sent is another situation"
    );
    let mut journal = Journal::new();
    journal.intend(Sale {
        merchant: "m2",
        payee: Some("1600000001"),
        ..LARGE
    });
    assert_eq!(journal.findings(), [], "a sub-merchant of the key's own list");
}

#[test]
fn t20_flags_merchants_that_share_a_payee() {
    let mut journal = Journal::new();
    journal.merchants.clear();
    let shared = |merchant| Sale {
        merchant,
        payee: Some("1700000001"),
        ..LARGE
    };
    journal.intend(shared("m1"));
    journal.intend(shared("m1"));
    assert_eq!(journal.findings(), []);
    journal.wait(30 * DAY).intend(shared("m2"));
    assert_eq!(journal.findings(), [], "thirty days later it is another's");
    journal.intend(shared("m1"));
    journal.intend(shared("m2"));
    journal.intend(shared("m1"));
    let found = journal.only("T20");
    let rows: Vec<_> = found
        .iter()
        .map(|f| (f.merchant.as_str(), f.value, f.unit, f.trades.clone()))
        .collect();
    // Without registry facts no acquirer is known, so each merchant's finding names its own order only.
    assert_eq!(
        rows,
        [("m1", 2, "merchants", vec![3]), ("m2", 2, "merchants", vec![4])]
    );
}

#[test]
//= C42
fn t20_names_the_other_merchants_order_within_one_acquirer_only() {
    let mut journal = Journal::new();
    let payee = Some("1600000001");
    for id in ["m1", "m2"] {
        let facts = std::sync::Arc::make_mut(journal.merchants.get_mut(&name(id)).expect("known"));
        facts.accounts[0].sub_payees = vec![name("1600000001")];
    }
    journal.intend(Sale { payee, ..LARGE });
    journal.intend(Sale {
        payee,
        merchant: "m2",
        ..LARGE
    });
    assert_eq!(journal.only("T20")[0].trades, [0, 1]);
}

/// A shop's ordinary month.
fn ordinary() -> Journal {
    let mut journal = Journal::new();
    for n in 0..200_u64 {
        let sale = Sale {
            payer: Some((n % 40) as u8),
            yuan: 18 + n * 37 % 180,
            level: CodeLevel::B,
            ..SALE
        };
        let (order, _) = journal.wait(3 * HOUR).sell(sale);
        if n % 25 == 0 {
            journal.wait(20 * MINUTE).refund(order, "R1", 10);
        }
    }
    journal
}

#[test]
//= C41
fn ordinary_trade_is_not_flagged() {
    assert_eq!(ordinary().findings(), []);
}

#[test]
fn entries_of_the_machine_and_of_no_merchant_are_passed_over() {
    let mut watch = Watch::new(Parameters::default());
    let event = TradeEvent::ProcessStopped {
        boot: Boot::from_bytes([1; 16]),
    };
    let salt = Salt::from_bytes([0; 16]);
    let entry = Entry {
        at: NOON,
        event,
        merchant: None,
        mseq: None,
        order: None,
        prev: None,
        salt,
        tell: None,
        v: 1,
    };
    assert_eq!(watch.observe(0, &entry, None), []);
}

#[test]
fn memory_is_bounded_and_forgetting_misleads_nobody() {
    let journal = ordinary();
    let few = OrderParameters { days: 1, most: 5 };
    let (watch, findings) = journal.watch(Parameters {
        orders: few,
        ..Parameters::default()
    });
    assert!(watch.orders_remembered() <= 6, "{}", watch.orders_remembered());
    assert_eq!(findings, []);
}

#[test]
fn a_clock_set_back_changes_no_finding_of_the_day() {
    let mut journal = Journal::new();
    journal.sell(SALE);
    journal.wait(-2 * HOUR).sell(SALE);
    journal.wait(4 * HOUR).sell(SALE);
    assert_eq!(journal.only("T01").len(), 1);
}

/// Four years on for one entry of the machine, then back.
fn leap(journal: &mut Journal) {
    let boot = Boot::from_bytes([1; 16]);
    journal.now = journal.now.plus_millis(4 * 365 * DAY);
    for _ in 0..2 {
        journal.write("m1", None, TradeEvent::ProcessStopped { boot });
        journal.entries.last_mut().expect("written").merchant = None;
        journal.wait(SECOND);
    }
    journal.wait(-2 * SECOND - 4 * 365 * DAY);
}

#[test]
fn a_moment_under_a_wrong_clock_blinds_nobody_and_forgets_nothing() {
    let mut journal = Journal::new();
    let (order, _) = journal.sell(SALE);
    journal.wait(5 * MINUTE);
    leap(&mut journal);
    for _ in 0..2 {
        journal.wait(MINUTE).sell(SALE);
    }
    assert_eq!(journal.only("T01").len(), 1);
    journal.refund(order, "R1", 51);
    let rules: Vec<_> = journal.findings().iter().map(|f| f.rule).collect();
    assert_eq!(rules, ["T01", "T15a"], "the order of before is remembered");
}

#[test]
fn after_a_wrong_clock_every_rule_of_the_day_goes_on() {
    let mut journal = Journal::new();
    leap(&mut journal);
    for _ in 0..3 {
        journal.sell(SALE);
    }
    journal.refuse(Operation::Refund, clauses::PAID, SALE);
    journal.refuse(Operation::Create, clauses::PAYEE, SALE);
    let rules: Vec<_> = journal.findings().iter().map(|f| f.rule).collect();
    assert_eq!(rules, ["T01", "T15a", "T20"]);
    journal.wait(40 * DAY).sell(Sale { yuan: 51, ..SALE });
    journal.wait(HOUR).sell(Sale { yuan: 52, ..SALE });
    let (watch, _) = journal.watch(Parameters::default());
    assert_eq!(watch.orders_remembered(), 2, "and what is old is forgotten");
}

#[test]
fn what_was_written_under_a_wrong_clock_hangs_on_nowhere() {
    let declines = |journal: &mut Journal| {
        for _ in 0..10 {
            let payer = Some(8);
            journal.wait(SECOND).try_out(Sale {
                payer,
                yuan: 90,
                ..SALE
            });
        }
    };
    let told_and_kept = |years: i64| {
        let mut journal = Journal::uncapped();
        if years > 0 {
            journal.wait(years * 365 * DAY);
            declines(&mut journal);
            journal.wait(-years * 365 * DAY);
        }
        journal.try_out(SALE);
        journal.wait(2 * MINUTE).try_out(SALE);
        declines(&mut journal);
        let kept = journal.watch(Parameters::default()).0.tried_remembered();
        (journal.only("T16").len(), kept)
    };
    let (told, kept) = told_and_kept(0);
    assert_eq!(told_and_kept(4), (told + 1, kept));
}

#[test]
//= C40
fn a_cut_journal_gives_the_beginning_of_the_whole_ones_findings() {
    let mut journal = ordinary();
    for _ in 0..5 {
        journal.sell(Sale { yuan: 4_800, ..SALE });
    }
    let whole = journal.findings();
    assert!(!whole.is_empty());
    for cut in (0..journal.entries.len()).step_by(7) {
        let mut part = Journal::new();
        part.entries = journal.entries[..cut].to_vec();
        let found = part.findings();
        assert_eq!(found, whole[..found.len()]);
    }
}
