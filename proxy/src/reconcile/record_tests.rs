use super::*;
use crate::{
    reconcile::statement,
    settle::tests::{intent, name, order},
};

const FEN: Amount = Amount::from_fen(100);

#[test]
fn entries_that_matter_are_told_by_their_beginning() {
    assert_eq!(
        time_of(b"{\"at\":1767225600000,\"event\":{}}"),
        Some(Instant::from_millis(1_767_225_600_000))
    );
    for (text, yes) in [
        ("attempt_paid", true),
        ("attempt_paid_twice", false),
        ("told", false),
        ("refund_succeeded", true),
    ] {
        let entry =
            format!("{{\"at\":1767225600000,\"event\":{{\"{text}\":{{\"attempt\":1}}}},\"salt\":\"x\"}}");
        assert_eq!(matters(entry.as_bytes()), yes, "{text}");
    }
}

/// The record of a day by these entries, and by the order that they make.
fn record(day: Day, id: PaymentId, order: &Order, entries: &[(Instant, TradeEvent)]) -> DayRecord {
    let mut fold = Fold::new(day);
    for (at, event) in entries.iter().filter(|(at, _)| *at >= beginning(day)) {
        fold.take(id, *at, event.clone());
    }
    let mut record = fold.ended();
    if record.older.contains(&id) {
        put_order(&mut record, day, order);
    }
    record
}

/// Baidu and WeChat's V2 name no time of a refund: then it belongs to the day on which its end came on record, in the books as
/// in the statement, and to no other.
#[test]
//= C61
fn a_refund_without_a_time_of_the_channels_is_in_one_days_book_and_in_that_days_statement() {
    let day = |after: i32| Day::from_number(20_454 + after);
    let noon = |after: i32| day(after).start().plus_millis(43_200_000);
    for later in [0, 1, 2] {
        let paid = TradeEvent::AttemptPaid {
            attempt: 1,
            facts: PaidFacts {
                amount: FEN,
                bank_type: None,
                number: name("shop-1"),
                paid_at: noon(0),
                trade_no: name("T1"),
            },
            payer: None,
            proof: Proof::Query,
            seal: None,
        };
        let asked = TradeEvent::RefundIntended {
            amount: FEN,
            attempt: 1,
            cause: RefundCause::Merchant,
            number: name("r1"),
            refund_no: name("r1"),
        };
        let done = TradeEvent::RefundSucceeded {
            proof: Proof::Query,
            refund_no: name("r1"),
            refunded_at: None,
            trade_no: None,
        };
        let entries = [
            (noon(0), intent()),
            (noon(0).plus_millis(1), paid),
            (noon(0).plus_millis(2), asked),
            (noon(later).plus_millis(3), done),
        ];
        let mut order = order();
        for (at, event) in &entries[1..] {
            order.check(event).expect("lawful");
            order.apply(order.last + 1, *at, event);
        }
        for after in 0..4 {
            let books = record(day(after), order.id, &order, &entries).books;
            let missing = books.values().flat_map(|book| book.missing(true));
            let missed = missing.filter(|(_, ours, _)| ours.done != noon(0)).count();
            let listed = statement::movements(&order, day(after));
            let listed = listed.filter(|moved| moved.at != noon(0)).count();
            let own = usize::from(after == later);
            assert_eq!((missed, listed), (own, own), "done {later} days on, day {after}");
        }
    }
}
