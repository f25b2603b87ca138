//! Payments that are reversed.

use super::journal::*;
use domain::*;

/// By a payment code: who pays is known once it is paid.
fn by_code(yuan: u64) -> Sale {
    Sale {
        yuan,
        level: CodeLevel::B,
        native: true,
        ..SALE
    }
}

#[test]
fn t28_forgets_a_payment_that_was_reversed_however_the_two_came_in() {
    for paid_first in [false, true] {
        let mut journal = Journal::new();
        let lost = journal.intend(by_code(2_600));
        if paid_first {
            journal.pay(lost, by_code(2_600));
        }
        journal.wait(MINUTE).ask_reverse(lost, ReverseReason::Unknown);
        if !paid_first {
            journal.pay(lost, by_code(2_600));
        }
        journal.reversed(lost, Some(true));
        journal.sell(by_code(2_600));
        assert_eq!(journal.findings(), [], "paid first: {paid_first}");
        // Told once more, it is no other payment.
        journal.pay(lost, by_code(2_600));
        assert_eq!(journal.findings(), [], "paid first: {paid_first}");
    }
}

#[test]
fn t28_counts_a_payment_whose_reverse_was_refused_and_not_before() {
    let mut journal = Journal::new();
    let late = journal.intend(by_code(2_600));
    journal.ask_reverse(late, ReverseReason::Unknown);
    let paid = journal.pay(late, by_code(2_600));
    let (_, second) = journal.sell(by_code(2_600));
    assert_eq!(journal.findings(), [], "it may be taken back yet");
    let (attempt, code) = (1, "ACQ.TRADE_CANCEL_TIME_OUT".into());
    journal.write("m1", Some(late), TradeEvent::ReverseRefused { attempt, code });
    let found = journal.only("T28");
    assert_eq!((found.len(), found[0].value), (1, 520_000));
    assert_eq!(found[0].trades, [paid, second]);
}

#[test]
fn t28_frees_the_day_of_what_was_paid_beside_the_next_day() {
    let mut journal = Journal::new();
    let midnight = journal.now.day().start().plus_millis(DAY);
    let lost = journal.intend(by_code(3_000));
    journal.now = midnight.plus_millis(MINUTE);
    journal.pay_at(lost, by_code(3_000), midnight.plus_millis(-1));
    journal.ask_reverse(lost, ReverseReason::Unknown);
    journal.reversed(lost, None);
    let order = journal.intend(by_code(3_000));
    journal.pay_at(order, by_code(3_000), midnight.plus_millis(-1));
    assert_eq!(journal.findings(), []);
}

/// Two tries of which `refunded` is said, then a sale; each of the three fits T01, T04 and T05.
fn tries(refunded: Option<bool>) -> Vec<&'static str> {
    let mut journal = Journal::new();
    let sale = Sale { yuan: 4_800, ..SALE };
    for _ in 0..2 {
        let (order, _) = journal.wait(MINUTE).sell(sale);
        journal.ask_reverse(order, ReverseReason::Unknown);
        journal.reversed(order, refunded);
    }
    journal.sell(sale);
    journal.findings().iter().map(|f| f.rule).collect()
}

#[test]
fn t01_t04_and_t05_count_no_payment_that_went_back() {
    assert!(tries(Some(true)).is_empty() && tries(None).is_empty());
    assert_eq!(
        tries(Some(false)),
        ["T01", "T04", "T05"],
        "what was paid and did not go back counts"
    );
}

#[test]
fn what_was_told_is_not_told_again_after_a_reverse() {
    let mut journal = Journal::uncapped();
    let last = (0..3).map(|_| journal.wait(MINUTE).sell(SALE).0).last();
    let last = last.expect("three");
    journal.ask_reverse(last, ReverseReason::Unknown);
    journal.reversed(last, Some(true));
    journal.sell(SALE);
    assert_eq!(journal.only("T01").len(), 1);
}

fn reversed_pairs(reason: ReverseReason, refunded: Option<bool>, wait: i64) -> Journal {
    let mut journal = Journal::new();
    for _ in 0..3 {
        let large = Sale {
            yuan: 1_000,
            payer: None,
            ..SALE
        };
        let (order, _) = journal.wait(HOUR).sell(large);
        journal.wait(wait).ask_reverse(order, reason);
        journal.wait(MINUTE).reversed(order, refunded);
    }
    journal
}

#[test]
fn t15d_takes_the_merchants_reverse_for_a_refund_of_all() {
    for refunded in [Some(true), None] {
        let found = reversed_pairs(ReverseReason::Merchant, refunded, 10 * MINUTE).only("T15d");
        assert_eq!((found.len(), found[0].value), (1, 3));
        assert_eq!(found[0].trades, [1, 5, 9], "the payments");
    }
}

#[test]
fn t15d_leaves_out_late_reverses_those_that_paid_nothing_back_and_our_own() {
    use ReverseReason as R;
    for (reason, refunded, wait) in [
        (R::Merchant, Some(true), 10 * MINUTE + 1),
        (R::Merchant, Some(false), MINUTE),
        (R::Unknown, Some(true), MINUTE),
        (R::Replaced, Some(true), MINUTE),
        (R::Unpaid, Some(true), MINUTE),
    ] {
        let journal = reversed_pairs(reason, refunded, wait);
        assert_eq!(journal.findings(), [], "{reason:?} {refunded:?} {wait}");
    }
}
