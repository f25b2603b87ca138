use super::*;
use crate::settle;

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a lawful name")
}

const LONG: &str = "20260101000000000000000000000001ABCDEFGH";

fn paid() -> Order {
    let mut order = settle::tests::order();
    let attempt = &mut order.attempts[0];
    attempt.channel = Channel::Unionpay;
    attempt.number = name(LONG);
    then(
        order,
        [TradeEvent::AttemptPaid {
            attempt: 1,
            facts: PaidFacts {
                amount: Amount::from_fen(100),
                bank_type: None,
                number: name(LONG),
                paid_at: Instant::from_secs(5),
                trade_no: name("T1"),
            },
            payer: None,
            proof: Proof::Notice,
            seal: None,
        }],
    )
}

fn then(mut order: Order, events: impl IntoIterator<Item = TradeEvent>) -> Order {
    for event in events {
        order.check(&event).expect("lawful");
        order.apply(order.last + 1, Instant::from_secs(9), &event);
    }
    order
}

fn line(movement: Movement, number: Option<&str>, refund: Option<&str>, trade_no: &str) -> BillLine {
    BillLine {
        movement,
        number: number.map(name),
        refund: refund.map(name),
        trade_no: name(trade_no),
        original: (movement != Movement::Payment).then(|| name("T1")),
        amount: Amount::from_fen(100),
        fee_millifen: 0,
        state: LineState::Done,
        at: Instant::from_secs(9),
    }
}

fn whole(order: &Order, line: BillLine) -> BillLine {
    of(order, Channel::Unionpay, &order.attempts[0].account.clone(), line)
}

#[test]
fn a_number_that_the_file_cut_is_the_one_that_unionpays_own_number_names() {
    let order = paid();
    let cut = line(Movement::Payment, Some(&LONG[..32]), None, "T1");
    assert!(may_be_cut(Channel::Unionpay, &cut) && !may_be_cut(Channel::Wechat, &cut));
    assert_eq!(whole(&order, cut).number, Some(name(LONG)));
    let other = line(Movement::Payment, Some(&LONG[..32]), None, "T2");
    assert_eq!(whole(&order, other).number, Some(name(&LONG[..32])));
    let short = line(Movement::Payment, Some(&LONG[..31]), None, "T1");
    assert!(!may_be_cut(Channel::Unionpay, &short));
    assert_eq!(whole(&order, short).number, Some(name(&LONG[..31])));
}

#[test]
fn of_two_refunds_that_look_alike_unionpays_number_tells() {
    let (one, two) = (format!("R{LONG}"), format!("R{}", LONG.replace("ABC", "XYZ")));
    let (one, two) = (&one[..40], &two[..40]);
    let begun = |number: &str| TradeEvent::RefundIntended {
        amount: Amount::from_fen(10),
        attempt: 1,
        cause: RefundCause::Merchant,
        number: name(number),
        refund_no: name(number),
    };
    let told = |number: &str, own: &str| TradeEvent::RefundProcessing {
        refund_no: name(number),
        trade_no: Some(name(own)),
    };
    let order = then(paid(), [begun(one), told(one, "B1")]);
    let of =
        |order: &Order, own: &str| whole(order, line(Movement::Refund, None, Some(&one[..32]), own)).refund;
    assert_eq!(of(&order, "B9"), Some(name(one)));
    let order = then(order, [begun(two), told(two, "B2")]);
    assert_eq!(of(&order, "B2"), Some(name(two)));
    assert_eq!(of(&order, "B9"), Some(name(&one[..32])));
}

/// What a reverse paid back is a reversal, though UnionPay's file calls it a refund.
#[test]
fn a_refund_that_a_reverse_made_is_a_reversal() {
    let order = then(
        paid(),
        [TradeEvent::ReverseIntended {
            attempt: 1,
            reason: ReverseReason::Merchant,
        }],
    );
    let made = cancel::refund_number(&order, 1).expect("a reverse is under way");
    let line = |number: &str| line(Movement::Refund, Some(LONG), Some(number), "B1");
    assert_eq!(whole(&order, line(made.as_str())).movement, Movement::Reversal);
    assert_eq!(whole(&order, line("R0000001")).movement, Movement::Refund);
}
