//! T10, T16, T26: what was tried, and where.

use super::{journal::*, *};
use domain::*;

/// The findings of one rule; the sales of these tests are odd in other ways too.
fn of(journal: &Journal, rule: &str) -> Vec<Finding> {
    let mut findings = journal.findings();
    assert_eq!(findings, journal.findings(), "a replay gives the same");
    findings.retain(|found| found.rule == rule);
    findings
}

const SMALL: Sale = Sale { yuan: 3, ..SALE };

/// Payer n pays at each of these.
fn pays_at(journal: &mut Journal, merchants: &[&'static str], step: i64) -> Vec<u64> {
    merchants
        .iter()
        .map(|merchant| journal.wait(step).sell(Sale { merchant, ..SALE }).1)
        .collect()
}

#[test]
fn t10_fires_at_the_tenth_merchant_within_an_hour_and_names_one_trade_of_each() {
    let mut journal = Journal::with_neighbours();
    pays_at(&mut journal, &NEIGHBOURS[..9], 5 * MINUTE);
    pays_at(&mut journal, &NEIGHBOURS[..9], SECOND);
    assert_eq!(of(&journal, "T10"), [], "nine, however often");
    let tenth = pays_at(&mut journal, &NEIGHBOURS[9..11], SECOND)[0];
    let found = of(&journal, "T10");
    assert_eq!(found.len(), 1, "the eleventh is the same situation");
    let it = &found[0];
    assert_eq!(
        (it.merchant.as_str(), it.value, it.threshold, it.unit),
        ("n10", 10, 10, "merchants")
    );
    assert_eq!(
        (
            it.trades.len(),
            it.trades.last().copied(),
            it.parameters["minutes"]
        ),
        (10, Some(tenth), 60)
    );
    assert_eq!(it.payer, Some(token(1)));
}

#[test]
fn t10_windows_are_half_open_and_the_long_one_wants_thirty() {
    let mut journal = Journal::with_neighbours();
    journal.sell(Sale {
        merchant: NEIGHBOURS[0],
        ..SALE
    });
    journal.wait(54 * MINUTE);
    pays_at(&mut journal, &NEIGHBOURS[1..9], SECOND);
    journal.now = journal.now.plus_millis(6 * MINUTE - 8 * SECOND);
    journal.sell(Sale {
        merchant: NEIGHBOURS[9],
        ..SALE
    });
    assert_eq!(
        of(&journal, "T10"),
        [],
        "the first was an hour ago to the millisecond"
    );
    let mut journal = Journal::with_neighbours();
    pays_at(&mut journal, &NEIGHBOURS[..29], 49 * MINUTE);
    assert_eq!(of(&journal, "T10"), []);
    pays_at(&mut journal, &NEIGHBOURS[29..], SECOND);
    let found = of(&journal, "T10");
    assert_eq!(
        (found.len(), found[0].value, found[0].parameters["minutes"]),
        (1, 30, 1440)
    );
}

#[test]
fn t10_counts_late_trades_in_their_place_and_declines_where_the_payer_is_named() {
    let mut journal = Journal::with_neighbours();
    let (late, sale) = (
        journal.now,
        Sale {
            merchant: NEIGHBOURS[0],
            ..SALE
        },
    );
    let order = journal.intend(sale);
    pays_at(&mut journal, &NEIGHBOURS[1..9], MINUTE);
    let named = Sale {
        merchant: NEIGHBOURS[9],
        payer: Some(1),
        yuan: 50,
        ..SALE
    };
    journal.try_out(Sale { payer: None, ..named });
    assert_eq!(of(&journal, "T10"), []);
    journal.try_out(named);
    assert_eq!(of(&journal, "T10"), [], "nine");
    journal.wait(20 * HOUR).pay_at(order, sale, late);
    assert_eq!(of(&journal, "T10").len(), 1);
}

#[test]
//= C42
fn t10_never_counts_merchants_of_two_acquirers_together() {
    let mut journal = Journal::with_neighbours();
    let other = std::sync::Arc::make_mut(
        journal
            .merchants
            .get_mut(&crate::testing::name("n05"))
            .expect("known"),
    );
    other.acquirer = crate::testing::name("another");
    pays_at(&mut journal, &NEIGHBOURS[..10], MINUTE);
    assert_eq!(of(&journal, "T10"), [], "nine of one and one of another");
}

/// So many attempts in a row, of one payer each, the first ones declined.
fn bout(journal: &mut Journal, attempts: u8, declined: u8, sale: Sale) {
    for n in 0..attempts {
        let sale = Sale {
            payer: sale.payer.map(|first| first + n),
            ..sale
        };
        journal.wait(20 * SECOND);
        if n < declined {
            journal.try_out(sale);
        } else {
            journal.sell(Sale { native: true, ..sale });
        }
    }
}

#[test]
fn t16_fires_on_a_bout_of_small_declined_attempts() {
    let mut journal = Journal::uncapped();
    bout(&mut journal, 20, 14, SMALL);
    let found = of(&journal, "T16");
    assert_eq!(found.len(), 1);
    let its = |name: &str| found[0].parameters[name];
    assert_eq!(
        (
            found[0].value,
            found[0].threshold,
            its("declined"),
            its("payers"),
            its("payers_unknown"),
            its("sign")
        ),
        (20, 20, 14, 20, 0, 1)
    );
    assert_eq!(found[0].trades.len(), 20);
    bout(
        &mut journal,
        10,
        10,
        Sale {
            payer: Some(100),
            ..SMALL
        },
    );
    assert_eq!(of(&journal, "T16").len(), 1, "the same situation");
}

#[test]
fn t16_needs_the_number_the_share_the_payers_the_small_sums_and_the_minutes() {
    let findings = |attempts, declined, sale| {
        let mut journal = Journal::uncapped();
        bout(&mut journal, attempts, declined, sale);
        of(&journal, "T16")
    };
    assert_eq!(findings(19, 19, SMALL), [], "too few");
    assert_eq!(findings(20, 13, SMALL), [], "65 % declined");
    assert_eq!(
        findings(20, 20, Sale { yuan: 11, ..SMALL }),
        [],
        "the median is above 10 CNY"
    );
    assert_eq!(findings(20, 20, Sale { yuan: 10, ..SMALL }).len(), 1);
    let mut journal = Journal::uncapped();
    for n in 0..9 {
        journal.try_out(Sale {
            payer: Some(n),
            ..SMALL
        });
    }
    for _ in 0..9 {
        journal.try_out(Sale {
            payer: Some(0),
            ..SMALL
        });
    }
    journal.try_out(Sale {
        payer: Some(1),
        ..SMALL
    });
    journal.try_out(Sale {
        payer: Some(2),
        ..SMALL
    });
    assert!(
        of(&journal, "T16").iter().all(|f| f.parameters["sign"] == 2),
        "nine payers"
    );
    let mut journal = Journal::uncapped();
    for n in 0..60 {
        journal.wait(32 * SECOND).try_out(Sale {
            payer: Some(n),
            ..SMALL
        });
    }
    assert_eq!(of(&journal, "T16"), [], "twenty in ten minutes and eight seconds");
}

#[test]
fn t16_counts_refusals_that_name_no_payer_as_one_payer_each_and_other_refusals_not_at_all() {
    let mut journal = Journal::uncapped();
    bout(&mut journal, 20, 20, Sale { payer: None, ..SMALL });
    let found = of(&journal, "T16");
    assert_eq!(
        (
            found[0].parameters["payers"],
            found[0].parameters["payers_unknown"]
        ),
        (20, 20)
    );
    let mut journal = Journal::uncapped();
    for _ in 0..40 {
        let order = journal.intend(SMALL);
        let event = TradeEvent::AttemptNotPlaced {
            attempt: 1,
            code: Some("ACQ.PAYMENT_AUTH_CODE_INVALID".into()),
            declined: None,
            reason: NotPlaced::Refused,
        };
        journal.write("m1", Some(order), event);
    }
    assert_eq!(of(&journal, "T16"), [], "a counter with a broken scanner");
}

#[test]
fn t16_fires_on_a_payer_who_is_declined_again_and_again() {
    let mut journal = Journal::with_neighbours();
    let large = |n: usize| Sale {
        merchant: NEIGHBOURS[n % 2],
        yuan: 300,
        ..SALE
    };
    for n in 0..9 {
        journal.wait(2 * HOUR).try_out(large(n));
    }
    assert_eq!(of(&journal, "T16"), []);
    journal.try_out(large(9));
    let found = of(&journal, "T16");
    assert_eq!(
        (
            found.len(),
            found[0].value,
            found[0].parameters["days"],
            found[0].parameters["sign"]
        ),
        (1, 10, 1, 2)
    );
    let mut journal = Journal::uncapped();
    for _ in 0..16 {
        journal.wait(40 * HOUR).try_out(large(0));
    }
    let found = of(&journal, "T16");
    assert_eq!(
        (found.len(), found[0].value, found[0].parameters["days"]),
        (1, 16, 30)
    );
}

#[test]
fn t16_fires_on_a_month_of_which_too_much_is_testing() {
    let month = |ordinary: u32| {
        let mut journal = Journal::uncapped();
        bout(&mut journal, 30, 30, SMALL);
        journal.wait(11 * MINUTE);
        for _ in 0..ordinary {
            journal.wait(MINUTE).sell(Sale {
                payer: None,
                yuan: 40,
                ..SALE
            });
        }
        of(&journal, "T16")
            .into_iter()
            .filter(|f| f.parameters["sign"] == 3)
            .collect::<Vec<_>>()
    };
    assert_eq!(month(69), [], "99 attempts are too few");
    let found = month(70);
    assert_eq!(
        (
            found.len(),
            found[0].value,
            found[0].threshold,
            found[0].unit,
            found[0].trades.len()
        ),
        (1, 30, 20, "percent", 30)
    );
    assert_eq!(
        (
            found[0].window_from.to_string(),
            found[0].window_until.to_string()
        ),
        (
            "2026-01-01T00:00:00+08:00".into(),
            "2026-02-01T00:00:00+08:00".into()
        )
    );
    let mut journal = Journal::uncapped();
    for _ in 0..130 {
        journal.wait(MINUTE).sell(Sale {
            payer: None,
            yuan: 40,
            ..SALE
        });
    }
    journal.wait(11 * MINUTE);
    bout(&mut journal, 30, 30, SMALL);
    assert!(
        of(&journal, "T16").iter().all(|f| f.parameters["sign"] == 1),
        "30 of 160 are less than a fifth"
    );
}

const TWO: T26 = T26 {
    channels: 2,
    minutes: 5,
};

fn hops(journal: &Journal, t26: T26) -> Vec<Finding> {
    let mut findings = journal
        .watch(Parameters {
            t26,
            ..Parameters::default()
        })
        .1;
    findings.retain(|found| found.rule == "T26");
    findings
}

#[test]
fn t26_follows_one_order_from_channel_to_channel_after_declines() {
    let mut journal = Journal::uncapped();
    let at = |channel| Sale {
        channel,
        native: true,
        ..SALE
    };
    let order = journal.intend(at(Channel::Alipay));
    let declined = journal.decline(order, 1, Sale { payer: None, ..SALE });
    journal.wait(MINUTE).attempt(order, 2, at(Channel::Wechat));
    let paid = journal.pay(order, at(Channel::Wechat));
    let found = hops(&journal, TWO);
    assert_eq!(
        (
            found.len(),
            found[0].rule,
            found[0].value,
            found[0].trades.as_slice()
        ),
        (1, "T26", 2, [declined, paid].as_slice())
    );
    assert_eq!(hops(&journal, T26::default()), [], "two channels are not three");
}

/// A password that was refused, a card that its issuer refused: the order stays open and ends otherwise, and was declined.
#[test]
fn t16_and_t26_see_what_was_declined_while_its_order_stayed_open() {
    let mut journal = Journal::uncapped();
    let at = |channel| Sale {
        channel,
        native: true,
        ..SALE
    };
    let order = journal.intend(at(Channel::Wechat));
    let declined = journal.decline_open(order, 1, Sale { payer: None, ..SALE });
    let reversed = TradeEvent::AttemptReversed {
        attempt: 1,
        proof: Proof::Answer,
        refunded: None,
    };
    journal.write("m1", Some(order), reversed);
    journal.wait(MINUTE).attempt(order, 2, at(Channel::Alipay));
    let paid = journal.pay(order, at(Channel::Alipay));
    let found = hops(&journal, TWO);
    assert_eq!(
        (found.len(), found[0].trades.as_slice()),
        (1, [declined, paid].as_slice())
    );
    let mut journal = Journal::with_neighbours();
    for n in 0..10 {
        let large = Sale {
            merchant: NEIGHBOURS[n % 2],
            yuan: 300,
            ..SALE
        };
        let order = journal.wait(2 * HOUR).intend(large);
        journal.decline_open(order, 1, large);
    }
    let found = of(&journal, "T16");
    assert_eq!(
        (found.len(), found[0].value, found[0].parameters["sign"]),
        (1, 10, 2)
    );
}

#[test]
fn t26_needs_a_decline_before_each_hop_the_same_amount_and_the_minutes() {
    let at = |channel| Sale {
        channel,
        native: true,
        ..SALE
    };
    // Closed, not declined.
    let mut journal = Journal::uncapped();
    let order = journal.intend(at(Channel::Alipay));
    journal.write(
        "m1",
        Some(order),
        TradeEvent::AttemptClosed {
            attempt: 1,
            proof: Proof::Answer,
        },
    );
    journal.attempt(order, 2, at(Channel::Wechat));
    journal.decline(order, 2, SALE);
    assert_eq!(hops(&journal, TWO), []);
    // Five minutes later.
    let mut journal = Journal::uncapped();
    let order = journal.intend(at(Channel::Alipay));
    journal.decline(order, 1, SALE);
    journal.wait(5 * MINUTE).attempt(order, 2, at(Channel::Wechat));
    journal.pay(order, at(Channel::Wechat));
    assert_eq!(hops(&journal, TWO), []);
    // A payer whom both channels name alike, in two orders: at one amount, not at two.
    for (yuan, wanted) in [(50, 1), (51, 0)] {
        let mut journal = Journal::uncapped();
        journal.try_out(at(Channel::Alipay));
        journal.sell(Sale {
            yuan,
            ..at(Channel::Wechat)
        });
        assert_eq!(hops(&journal, TWO).len(), wanted, "{yuan}");
    }
}

#[test]
fn what_was_tried_is_forgotten() {
    let mut journal = Journal::with_neighbours();
    bout(&mut journal, 20, 20, SMALL);
    pays_at(&mut journal, &NEIGHBOURS[..10], SECOND);
    journal.wait(40 * DAY).sell(SALE);
    journal.wait(MINUTE).sell(SALE);
    let (watch, _) = journal.watch(Parameters::default());
    // Nothing but the last sales' own.
    assert_eq!(watch.tried_remembered(), 2);
}
