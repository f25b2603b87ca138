//! T05, T28: a payer's day against a limit.

use super::journal::*;
use domain::*;

#[test]
fn t05_fires_when_the_parts_reach_a_limit() {
    let mut journal = Journal::new();
    journal.merchants.clear();
    for yuan in [20_000, 15_000, 14_999] {
        journal.sell(Sale { yuan, ..SALE });
    }
    assert_eq!(journal.findings(), []);
    journal.sell(Sale { yuan: 1, ..SALE });
    journal.sell(Sale { yuan: 7, ..SALE });
    let found = journal.only("T05");
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].value, found[0].threshold, found[0].unit),
        (5_000_000, 5_000_000, "fen")
    );
    assert_eq!(found[0].trades, [1, 3, 5, 7]);
}

#[test]
fn t05_leaves_out_what_reaches_the_limit_alone_and_needs_three() {
    let mut journal = Journal::new();
    journal.merchants.clear();
    for yuan in [60_000, 30_000, 30_000] {
        journal.sell(Sale { yuan, ..SALE });
    }
    assert_eq!(journal.findings(), [], "two parts only");
    journal.sell(Sale {
        yuan: 100_000,
        ..SALE
    });
    let found = journal.only("T05");
    assert_eq!(
        found.iter().map(|f| f.threshold).collect::<Vec<_>>(),
        [20_000_000],
        "all four stay below 200,000"
    );
    journal.sell(Sale { yuan: 3, ..SALE });
    let limits: Vec<u64> = journal.only("T05").iter().map(|f| f.threshold).collect();
    assert_eq!(limits, [20_000_000, 5_000_000], "each limit once");
}

#[test]
fn t05_knows_the_merchants_own_cap() {
    let mut journal = Journal::new();
    for yuan in [4_000, 3_000, 3_000] {
        journal.sell(Sale { yuan, ..SALE });
    }
    let found = journal.only("T05");
    assert_eq!(
        (found.len(), found[0].threshold),
        (1, 1_000_000),
        "m1 may take 10,000 per order"
    );
    let mut journal = Journal::new();
    for yuan in [4_000, 3_000, 3_000] {
        journal.sell(Sale {
            merchant: "m2",
            yuan,
            ..SALE
        });
    }
    assert_eq!(journal.findings(), [], "m2 has no cap");
}

fn by_b(yuan: u64) -> Sale {
    Sale {
        yuan,
        level: CodeLevel::B,
        native: true,
        ..SALE
    }
}

#[test]
fn t28_fires_above_the_limit_of_the_level_across_merchants() {
    let mut journal = Journal::new();
    journal.sell(by_b(3_000));
    journal.sell(Sale {
        merchant: "m2",
        ..by_b(2_000)
    });
    assert_eq!(journal.findings(), [], "equality is allowed");
    journal.sell(Sale {
        yuan: 900,
        level: CodeLevel::C,
        ..by_b(0)
    });
    assert_eq!(journal.findings(), [], "another level has its own limit");
    journal.sell(by_b(1));
    journal.sell(by_b(2));
    let found = journal.only("T28");
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].value, found[0].threshold, found[0].trades.as_slice()),
        (500_100, 500_000, [1, 3, 7].as_slice())
    );
    journal.wait(DAY).sell(by_b(5_000));
    assert_eq!(journal.only("T28").len(), 1, "a new day");
}

#[test]
fn t28_sees_refused_orders_and_what_was_given_back() {
    let known = Sale {
        native: false,
        ..by_b(4_000)
    };
    let refuse = |journal: &mut Journal| {
        journal.refuse(
            Operation::Create,
            Clause::NOT_ACCEPTED,
            Sale { yuan: 1_500, ..known },
        )
    };
    let mut journal = Journal::new();
    let order = journal.intend(known);
    let refused = [refuse(&mut journal), refuse(&mut journal)];
    let found = journal.only("T28");
    assert_eq!(
        (found.len(), found[0].value, found[0].trades.as_slice()),
        (1, 550_000, [0, refused[0]].as_slice())
    );
    let mut journal_after = Journal::new();
    let same = journal_after.intend(known);
    assert_eq!(same, order);
    journal_after.write(
        "m1",
        Some(same),
        TradeEvent::AttemptClosed {
            attempt: 1,
            proof: Proof::Query,
        },
    );
    refuse(&mut journal_after);
    assert_eq!(
        journal_after.findings(),
        [],
        "a measure refused it, not the limit"
    );
}

#[test]
fn t28_counts_a_paid_order_once() {
    let known = Sale {
        native: false,
        ..by_b(3_000)
    };
    let mut journal = Journal::new();
    journal.sell(known);
    journal.refuse(
        Operation::Create,
        Clause::NOT_ACCEPTED,
        Sale { yuan: 2_000, ..known },
    );
    assert_eq!(journal.findings(), []);
    journal.refuse(
        Operation::Create,
        Clause::NOT_ACCEPTED,
        Sale { yuan: 2_001, ..known },
    );
    assert_eq!(journal.only("T28").len(), 1);
}

#[test]
fn t28_flags_a_payers_day_once_whichever_sign_shows_first() {
    let known = Sale {
        native: false,
        ..by_b(4_000)
    };
    let mut journal = Journal::new();
    journal.intend(known);
    journal.refuse(
        Operation::Create,
        Clause::NOT_ACCEPTED,
        Sale { yuan: 1_500, ..known },
    );
    journal.sell(by_b(3_000));
    journal.sell(by_b(3_000));
    assert_eq!(journal.only("T28").len(), 1);
}

#[test]
//= C42
fn t28_tells_each_acquirer_at_its_own_trade_and_names_its_own_only() {
    let mut journal = Journal::new();
    journal.merchants.clear();
    let at = |merchant| Sale {
        merchant,
        ..by_b(3_000)
    };
    let paid = ["m1", "m2", "m1", "m2"].map(|merchant| journal.sell(at(merchant)).1);
    let told: Vec<_> = journal
        .only("T28")
        .into_iter()
        .map(|f| (f.merchant.to_string(), f.trades))
        .collect();
    // Without registry facts each merchant stands for an acquirer of its own.
    let expected = [("m2", vec![paid[1]]), ("m1", vec![paid[0], paid[2]])];
    assert_eq!(
        told,
        expected.map(|(merchant, trades)| (merchant.to_owned(), trades))
    );
}
