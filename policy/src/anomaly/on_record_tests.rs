//! O01 to O04.

use super::journal::*;
use domain::*;

fn mismatched(what: Mismatch) -> TradeEvent {
    TradeEvent::Mismatched {
        account: "1900000109".parse().expect("lawful"),
        channel: Channel::Wechat,
        number: "N".parse().expect("lawful"),
        proof: Proof::Notice,
        what,
    }
}

fn seen(pattern: Pattern) -> TradeEvent {
    TradeEvent::PatternSeen {
        field: "attach".into(),
        pattern,
    }
}

fn foreign() -> TradeEvent {
    TradeEvent::ForeignNotice {
        account: "1900000109".parse().expect("lawful"),
        channel: Channel::Wechat,
        number: None,
        seen: KeyedDigest::from_bytes([1; 32]),
    }
}

/// Enough of each to be flagged.
pub(super) fn out_of_order() -> Vec<TradeEvent> {
    let unresolved = TradeEvent::AttemptUnresolved { attempt: 1 };
    let (amount, card) = (mismatched(Mismatch::Amount), seen(Pattern::Card));
    vec![amount, unresolved, card, foreign(), foreign(), foreign()]
}

#[test]
//= C59
fn what_the_journal_records_as_out_of_order_is_flagged_once_a_day_and_kind() {
    for (events, rule, wanted) in [
        (
            vec![mismatched(Mismatch::Amount), mismatched(Mismatch::Amount)],
            "O01",
            vec![vec![0]],
        ),
        (
            vec![mismatched(Mismatch::Account), mismatched(Mismatch::Amount)],
            "O01",
            vec![vec![0], vec![1]],
        ),
        (
            vec![seen(Pattern::Phone), seen(Pattern::Phone), seen(Pattern::Card)],
            "O03",
            vec![vec![0], vec![2]],
        ),
        (
            vec![foreign(), foreign(), foreign(), foreign()],
            "O04",
            vec![vec![0, 1, 2]],
        ),
    ] {
        let mut journal = Journal::new();
        let again = events[0].clone();
        for event in events {
            journal.write("m1", None, event);
        }
        let named = |journal: &Journal| {
            journal
                .only(rule)
                .into_iter()
                .map(|f| f.trades)
                .collect::<Vec<_>>()
        };
        assert_eq!(named(&journal), wanted);
        for _ in 0..3 {
            journal.wait(DAY).write("m2", None, again.clone());
        }
        assert!(
            named(&journal).len() >= wanted.len(),
            "another merchant's day is another situation"
        );
    }
}

#[test]
fn an_order_that_ends_unresolved_is_flagged_and_gives_its_room_back() {
    let mut journal = Journal::new();
    let order = journal.intend(SALE);
    let index = journal.write("m1", Some(order), TradeEvent::AttemptUnresolved { attempt: 1 });
    let found = journal.only("O02");
    assert_eq!((found.len(), found[0].trades.as_slice()), (1, [index].as_slice()));
}

#[test]
fn one_notice_for_an_unknown_order_and_states_that_do_not_fit_are_ordinary() {
    let mut journal = Journal::new();
    for event in [
        foreign(),
        foreign(),
        mismatched(Mismatch::State),
        mismatched(Mismatch::TradeNo),
    ] {
        journal.write("m1", None, event);
    }
    journal.wait(DAY).write("m1", None, foreign());
    assert_eq!(journal.findings(), []);
}
