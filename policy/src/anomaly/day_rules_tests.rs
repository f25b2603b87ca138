//! T01, T04: one payer's trades.

use super::journal::*;
use crate::testing::*;

#[test]
fn t01_fires_at_the_third_equal_trade_and_once_a_day() {
    let mut journal = Journal::new();
    let first: Vec<u64> = (0..3).map(|_| journal.wait(MINUTE).sell(SALE).1).collect();
    journal.sell(SALE);
    let found = journal.only("T01");
    assert_eq!(found.len(), 1);
    let found = &found[0];
    assert_eq!(
        (found.merchant.as_str(), found.payer, &found.trades),
        ("m1", Some(token(1)), &first)
    );
    assert_eq!(
        (found.value, found.threshold, found.unit, found.version),
        (3, 3, "trades", 2)
    );
    assert_eq!(
        (found.window_from, found.window_until),
        (NOON.day().start(), NOON.day().start().plus_millis(DAY))
    );
    assert_eq!(found.parameters.get("amount"), Some(&5_000));
}

#[test]
fn t01_needs_same_payer_merchant_amount_and_day() {
    let mut journal = Journal::new();
    for sale in [
        SALE,
        SALE,
        Sale {
            payer: Some(2),
            ..SALE
        },
        Sale {
            merchant: "m2",
            ..SALE
        },
        Sale { yuan: 51, ..SALE },
    ] {
        journal.sell(sale);
    }
    for _ in 0..3 {
        journal.sell(Sale { payer: None, ..SALE });
        journal.intend(SALE);
    }
    journal.wait(DAY).sell(SALE);
    assert_eq!(journal.findings(), []);
}

#[test]
fn t01_takes_the_channels_day_and_trades_that_come_late() {
    let mut journal = Journal::new();
    let midnight = NOON.day().start();
    journal.sell(SALE);
    journal.sell(SALE);
    let orders = [journal.intend(SALE), journal.intend(SALE)];
    journal.wait(DAY);
    journal.pay_at(orders[0], SALE, midnight.plus_millis(DAY));
    assert_eq!(journal.findings(), [], "the first millisecond of the next day");
    journal.pay_at(orders[1], SALE, midnight.plus_millis(DAY - 1));
    assert_eq!(
        journal.only("T01").len(),
        1,
        "the last one of the day, learned a day late"
    );
}

#[test]
fn t01_counts_a_payment_once_however_often_it_is_told() {
    let mut journal = Journal::new();
    let order = journal.intend(SALE);
    for _ in 0..4 {
        journal.pay(order, SALE);
    }
    assert_eq!(journal.findings(), []);
}

#[test]
fn t04_fires_at_three_just_under_the_same_limit_within_a_day() {
    let mut journal = Journal::uncapped();
    for (merchant, yuan) in [("m1", 4_750), ("m2", 4_999), ("m1", 4_800), ("m1", 4_900)] {
        journal.wait(HOUR).sell(Sale {
            merchant,
            yuan,
            ..SALE
        });
    }
    let found = journal.only("T04");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].trades.as_slice(), found[0].value, found[0].payer),
        ([1, 3, 5].as_slice(), 3, Some(token(1)))
    );
    assert_eq!(
        (found[0].window_from, found[0].window_until),
        (
            NOON.plus_millis(3 * HOUR - DAY + 1),
            NOON.plus_millis(3 * HOUR + 1)
        )
    );
    assert_eq!(found[0].parameters.get("limit"), Some(&500_000));
}

#[test]
fn t04_is_silent_outside_the_band_the_window_the_limit_and_the_acquirer() {
    let mut journal = Journal::uncapped();
    for yuan in [4_749, 5_000, 4_800, 4_900, 990, 9_800] {
        journal.sell(Sale { yuan, ..SALE });
    }
    journal.wait(DAY).sell(Sale { yuan: 4_850, ..SALE });
    assert_eq!(journal.findings(), []);
    let mut journal = Journal::uncapped();
    let other = std::sync::Arc::make_mut(journal.merchants.get_mut(&name("m2")).expect("known"));
    other.acquirer = name("acq2");
    for (merchant, yuan) in [("m1", 4_750), ("m2", 4_999), ("m1", 4_800), ("m2", 4_900)] {
        journal.sell(Sale {
            merchant,
            yuan,
            ..SALE
        });
    }
    assert_eq!(journal.findings(), []);
}

#[test]
fn t04_fires_again_in_the_next_window() {
    let mut journal = Journal::uncapped();
    for n in 0..60 {
        journal.wait(HOUR).sell(Sale {
            yuan: 950 + n % 50,
            ..SALE
        });
    }
    let hours: Vec<i64> = journal
        .only("T04")
        .iter()
        .map(|f| (f.window_until.millis() - NOON.millis()) / HOUR)
        .collect();
    assert_eq!(hours, [3, 28, 53]);
}
