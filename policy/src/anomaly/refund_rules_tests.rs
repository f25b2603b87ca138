//! T15a, T15d: money that goes back.

use super::journal::*;
use crate::{clauses, testing::*};
use domain::*;

const LARGE: Sale = Sale {
    yuan: 1_000,
    payer: None,
    ..SALE
};

#[test]
fn t15a_flags_refused_refunds_once_a_day() {
    let mut journal = Journal::new();
    journal.refuse(Operation::Refund, clauses::REFUND_COUNT, SALE);
    assert_eq!(journal.findings(), [], "too many is not too much");
    let first = journal.refuse(Operation::Refund, clauses::PAID, SALE);
    journal.refuse(Operation::Refund, clauses::REFUND_TOTAL, SALE);
    let found = journal.only("T15a");
    assert_eq!(
        (found.len(), found[0].trades.as_slice(), found[0].value),
        (1, [first].as_slice(), 1)
    );
    journal
        .wait(DAY)
        .refuse(Operation::Refund, clauses::REFUND_TOTAL, SALE);
    assert_eq!(journal.only("T15a").len(), 2);
}

#[test]
fn t15a_flags_an_order_whose_refunds_exceed_it() {
    let mut journal = Journal::new();
    let (order, paid) = journal.sell(SALE);
    let refunds = [
        journal.wait(HOUR).refund(order, "R1", 30),
        journal.refund(order, "R2", 20),
    ];
    assert_eq!(journal.findings(), [], "in full is allowed");
    let third = journal.refund(order, "R3", 1);
    journal.refund(order, "R4", 1);
    let found = journal.only("T15a");
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].value, found[0].threshold, found[0].unit),
        (5_100, 5_000, "fen")
    );
    assert_eq!(found[0].trades, [paid, refunds[0], refunds[1], third]);
}

#[test]
fn t15a_counts_a_failed_refund_not_at_all_and_a_repeated_one_once() {
    let mut journal = Journal::new();
    let (order, _) = journal.sell(SALE);
    for no in ["R1", "R1", "R2"] {
        journal.ask_refund(order, no, 50, RefundCause::Merchant);
        let code = "NOT_ENOUGH".into();
        journal.write(
            "m1",
            Some(order),
            TradeEvent::RefundFailed {
                code,
                refund_no: name(no),
            },
        );
    }
    journal.refund(order, "R2", 50);
    assert_eq!(journal.findings(), []);
}

#[test]
fn t15a_flags_a_refund_without_trade_but_never_a_forgotten_order() {
    let mut journal = Journal::new();
    let unpaid = journal.intend(SALE);
    journal.refund(unpaid, "R1", 1);
    let from_nowhere = PaymentId::from_bytes([200; 16]);
    journal.refund(from_nowhere, "R1", 1);
    assert_eq!(
        journal
            .only("T15a")
            .iter()
            .map(|f| f.threshold)
            .collect::<Vec<_>>(),
        [0, 0]
    );
    let mut journal = Journal::new();
    let (order, _) = journal.sell(SALE);
    journal.wait(40 * DAY).refund(order, "R1", 50);
    assert_eq!(journal.findings(), []);
}

#[test]
fn t15d_fires_at_three_quick_large_round_refunds() {
    let mut journal = Journal::new();
    let mut paid = Vec::new();
    for n in 0..4 {
        let (order, index) = journal.wait(HOUR).sell(Sale {
            yuan: 1_000 + 100 * n,
            ..LARGE
        });
        journal.wait(10 * MINUTE).refund(order, "R1", 1_000 + 100 * n);
        paid.push(index);
    }
    let found = journal.only("T15d");
    assert_eq!(
        (found.len(), found[0].value, found[0].trades.as_slice()),
        (1, 3, &paid[..3])
    );
}

#[test]
fn t15d_is_silent_for_slow_small_crooked_partial_failed_and_own_refunds() {
    let mut journal = Journal::new();
    for _ in 0..3 {
        for (yuan, back, wait) in [
            (1_000, 1_000, 10 * MINUTE + 1),
            (900, 900, MINUTE),
            (1_050, 1_050, MINUTE),
            (1_000, 100, MINUTE),
        ] {
            let (order, _) = journal.wait(SECOND).sell(Sale { yuan, ..LARGE });
            journal.wait(wait).refund(order, "R1", back);
        }
        let (order, _) = journal.sell(LARGE);
        journal.ask_refund(order, "R1", 1_000, RefundCause::Merchant);
        let code = "NOT_ENOUGH".into();
        journal.write(
            "m1",
            Some(order),
            TradeEvent::RefundFailed {
                code,
                refund_no: name("R1"),
            },
        );
        let (order, _) = journal.sell(LARGE);
        journal.ask_refund(order, "S1", 1_000, RefundCause::Surplus);
        journal.write(
            "m1",
            Some(order),
            TradeEvent::RefundProcessing {
                refund_no: name("S1"),
                trade_no: None,
            },
        );
    }
    assert_eq!(journal.findings(), []);
}

#[test]
fn t15d_takes_the_parts_of_a_refund_together() {
    let mut journal = Journal::new();
    for _ in 0..3 {
        let (order, _) = journal.wait(MINUTE).sell(LARGE);
        journal.refund(order, "R1", 350);
        journal.refund(order, "R2", 650);
    }
    assert_eq!(journal.only("T15d").len(), 1);
}
