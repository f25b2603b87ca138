use super::*;
use channel::OrderView;

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a lawful name")
}

fn order() -> Order {
    let mut order = super::super::tests::order();
    order.attempts[0].pay_way = PayWay::Micropay;
    order
}

fn then(order: Order, events: impl IntoIterator<Item = TradeEvent>) -> Order {
    super::super::tests::then(order, events)
}

fn reversing() -> Order {
    then(
        order(),
        [
            TradeEvent::AttemptUnknown {
                attempt: 1,
                reason: Unclear::Timeout,
            },
            TradeEvent::ReverseIntended {
                attempt: 1,
                reason: ReverseReason::Unknown,
            },
        ],
    )
}

fn facts(fen: u64) -> PaidFacts {
    PaidFacts {
        amount: Amount::from_fen(fen),
        bank_type: None,
        number: name("shop-1"),
        paid_at: Instant::from_secs(5),
        trade_no: name("T1"),
    }
}

fn view(state: ChannelState) -> OrderView {
    OrderView {
        number: name("shop-1"),
        time: None,
        state,
        account: None,
        payee: None,
        payer: None,
        attach: None,
    }
}

fn failed(class: FailureClass) -> Answer {
    Answer::Failed(Failure {
        code: "CODE".into(),
        class,
    })
}

/// Names of the events, those that are told with a mark.
fn said(settled: &Settled) -> Vec<String> {
    settled
        .events
        .iter()
        .map(|h| format!("{}{}", h.event.name(), if h.tell { "!" } else { "" }))
        .collect()
}

fn seen_by(order: &Order, state: ChannelState, proof: Proof) -> Vec<String> {
    said(&order_seen(order, 1, &view(state), proof, None, None))
}

#[test]
//= C60
fn a_charging_call_ends_paid_waiting_refused_or_unknown() {
    let charge = |answer| charged(&order(), 1, answer, None, None);
    assert_eq!(
        said(&charge(Answer::State(view(ChannelState::Paid(facts(100)))))),
        ["attempt_paid!"]
    );
    assert_eq!(said(&charge(Answer::Waiting)), ["attempt_placed"]);
    assert_eq!(said(&charge(failed(FailureClass::Final))), ["attempt_not_placed"]);
    let declined = |code: &str, payer| {
        let mut alipay = order();
        alipay.attempts[0].channel = Channel::Alipay;
        let failure = Failure {
            code: code.into(),
            class: FailureClass::Final,
        };
        match charged(&alipay, 1, Answer::Failed(failure), payer, None)
            .events
            .swap_remove(0)
            .event
        {
            TradeEvent::AttemptNotPlaced { declined, .. } => declined,
            other => panic!("{other:?}"),
        }
    };
    let payer = PayerToken {
        epoch: 1,
        token: Token::from_bytes([7; 16]),
    };
    assert_eq!(
        declined("ACQ.BUYER_BALANCE_NOT_ENOUGH", Some(payer)),
        Some(Declined { payer: Some(payer) })
    );
    assert_eq!(
        declined("ACQ.BUYER_BALANCE_NOT_ENOUGH", None),
        Some(Declined { payer: None })
    );
    for ours in [
        "ACQ.PAYMENT_AUTH_CODE_INVALID",
        "ACQ.ACCESS_FORBIDDEN",
        "ACQ.TOTAL_FEE_EXCEED",
    ] {
        assert_eq!(declined(ours, None), None, "{ours}");
    }
    for class in [
        FailureClass::Unknown,
        FailureClass::AlreadyPaid,
        FailureClass::Duplicate,
        FailureClass::Changed,
    ] {
        assert_eq!(said(&charge(failed(class))), ["attempt_unknown"], "{class:?}");
    }
    for answer in [Answer::Unclear(Unclear::Timeout), Answer::Closed] {
        assert_eq!(said(&charge(answer)), ["attempt_unknown"]);
    }
    let another = OrderView {
        number: name("shop-2"),
        ..view(ChannelState::Paid(facts(100)))
    };
    for other in [view(ChannelState::Paid(facts(99))), another] {
        let other = charge(Answer::State(other));
        assert_eq!(
            (said(&other), other.ending),
            (
                vec!["mismatched".to_owned(), "attempt_unknown".into()],
                Ending::Unknown
            )
        );
    }
}

#[test]
//= C60
fn a_reverse_ends_by_the_channels_word_only() {
    let settle = |answer| said(&reversed(&reversing(), 1, answer, false));
    for (view, wanted) in [
        (
            ReverseView {
                again: false,
                refunded: Some(true),
                absent: false,
            },
            "attempt_reversed!",
        ),
        (
            ReverseView {
                again: false,
                refunded: None,
                absent: false,
            },
            "attempt_reversed!",
        ),
        (
            ReverseView {
                again: true,
                refunded: None,
                absent: false,
            },
            "reverse_unknown",
        ),
    ] {
        assert_eq!(settle(Answer::Reversed(view)), [wanted], "{view:?}");
    }
    assert_eq!(settle(Answer::Unclear(Unclear::Timeout)), ["reverse_unknown"]);
    assert_eq!(settle(failed(FailureClass::NotFound)), ["attempt_reversed!"]);
    assert_eq!(settle(failed(FailureClass::AlreadyClosed)), ["attempt_reversed!"]);
    // What it had taken is known.
    let paid = TradeEvent::AttemptPaid {
        attempt: 1,
        facts: facts(100),
        payer: None,
        proof: Proof::Query,
        seal: None,
    };
    for (order, taken) in [(reversing(), None), (then(reversing(), [paid]), Some(true))] {
        let settled = reversed(&order, 1, failed(FailureClass::AlreadyClosed), false);
        assert!(
            matches!(settled.events[..], [Happening { event: TradeEvent::AttemptReversed { refunded, .. }, .. }] if refunded == taken),
            "{:?}",
            settled.events
        );
    }
    for class in [FailureClass::Unknown, FailureClass::Busy] {
        assert_eq!(settle(failed(class)), ["reverse_unknown"], "{class:?}");
    }
    assert_eq!(
        settle(failed(FailureClass::Final)),
        ["reverse_refused"],
        "there is nothing to tell yet"
    );
    let unknown = then(
        reversing(),
        [TradeEvent::ReverseUnknown {
            attempt: 1,
            reason: None,
        }],
    );
    assert!(
        reversed(&unknown, 1, Answer::Unclear(Unclear::Timeout), false)
            .events
            .is_empty(),
        "once is enough"
    );
    let paid = then(
        unknown,
        [TradeEvent::AttemptPaid {
            attempt: 1,
            facts: facts(100),
            payer: None,
            proof: Proof::Notice,
            seal: None,
        }],
    );
    assert_eq!(
        said(&reversed(&paid, 1, failed(FailureClass::Final), false)),
        ["reverse_refused!"],
        "the payment stands, and nobody was told of it"
    );
}

#[test]
//= C60
fn while_a_reverse_is_under_way_only_its_end_is_told() {
    let order = reversing();
    assert_eq!(
        seen_by(&order, ChannelState::Paid(facts(100)), Proof::Notice),
        ["attempt_paid"]
    );
    assert_eq!(
        seen_by(&order, ChannelState::Refunded(facts(100)), Proof::Query),
        ["attempt_paid", "attempt_reversed!"]
    );
    assert_eq!(
        seen_by(&order, ChannelState::Closed, Proof::Query),
        ["attempt_reversed!"]
    );
    assert_eq!(
        seen_by(&order, ChannelState::Reversed, Proof::Query),
        ["attempt_reversed!"]
    );
    assert!(seen_by(&order, ChannelState::Paying, Proof::Query).is_empty());
}

#[test]
//= C60
fn a_payment_after_a_reverse_that_found_nothing_is_taken_back_and_an_old_word_changes_nothing() {
    let ended = |refunded| {
        then(
            reversing(),
            [TradeEvent::AttemptReversed {
                attempt: 1,
                proof: Proof::Answer,
                refunded,
            }],
        )
    };
    let late = order_seen(
        &ended(Some(false)),
        1,
        &view(ChannelState::Paid(facts(100))),
        Proof::Notice,
        None,
        None,
    );
    assert_eq!(said(&late), ["mismatched", "attempt_paid"]);
    let taken_back = then(ended(Some(false)), late.events.into_iter().map(|h| h.event));
    assert!(taken_back.is_live() && taken_back.state() == ledger::OrderState::Reversing);
    assert!(seen_by(&ended(Some(true)), ChannelState::Paid(facts(100)), Proof::Notice).is_empty());
    assert!(seen_by(&ended(None), ChannelState::Paid(facts(100)), Proof::Notice).is_empty());
    assert_eq!(
        seen_by(&ended(None), ChannelState::Paid(facts(100)), Proof::Query),
        ["mismatched", "attempt_paid"]
    );
}

#[test]
//= C31
fn a_number_of_another_trade_is_neither_paid_nor_reversed() {
    let unknown = then(
        order(),
        [TradeEvent::AttemptUnknown {
            attempt: 1,
            reason: Unclear::Timeout,
        }],
    );
    assert_eq!(
        seen_by(&unknown, ChannelState::Paid(facts(99)), Proof::Query),
        ["mismatched", "attempt_unresolved!"]
    );
    assert_eq!(
        seen_by(&order(), ChannelState::Refunded(facts(99)), Proof::Query),
        ["mismatched", "attempt_unresolved!"]
    );
    assert_eq!(
        seen_by(&unknown, ChannelState::Paid(facts(99)), Proof::Notice),
        ["mismatched"]
    );
    // It stood open first: the same.
    let placed = then(
        unknown.clone(),
        [TradeEvent::AttemptPlaced {
            attempt: 1,
            reach: None,
        }],
    );
    assert_eq!(
        seen_by(&placed, ChannelState::Paid(facts(99)), Proof::Query),
        ["mismatched", "attempt_unresolved!"]
    );
}

#[test]
//= C60
fn at_wechat_a_part_that_went_back_leaves_the_payment_standing() {
    let unknown = |channel| {
        let mut order = then(
            order(),
            [TradeEvent::AttemptUnknown {
                attempt: 1,
                reason: Unclear::Timeout,
            }],
        );
        order.attempts[0].channel = channel;
        order
    };
    let refunded = |order: &Order| seen_by(order, ChannelState::Refunded(facts(100)), Proof::Query);
    assert_eq!(refunded(&unknown(Channel::Wechat)), ["attempt_paid!"]);
    for whole in [Channel::Alipay, Channel::Unionpay] {
        assert_eq!(
            refunded(&unknown(whole)),
            ["attempt_paid", "attempt_reversed!"],
            "{whole}"
        );
    }
    let mut closed = unknown(Channel::Wechat);
    closed.attempts[0].state = AttemptState::Closed;
    assert_eq!(refunded(&closed), ["mismatched", "attempt_paid!"]);
}

#[test]
//= C60
fn a_charge_that_was_accepted_may_be_refused_all_the_same() {
    let mut accepted = then(
        order(),
        [TradeEvent::AttemptPlaced {
            attempt: 1,
            reach: None,
        }],
    );
    accepted.attempts[0].channel = Channel::Unionpay;
    let payer = PayerToken {
        epoch: 1,
        token: Token::from_bytes([7; 16]),
    };
    let refused = |code: &str| {
        order_seen(
            &accepted,
            1,
            &view(ChannelState::Refused(code.into())),
            Proof::Query,
            Some(payer),
            None,
        )
    };
    let settled = refused("64");
    assert_eq!(said(&settled), ["attempt_not_placed!"]);
    let TradeEvent::AttemptNotPlaced { declined, code, .. } = &settled.events[0].event else {
        panic!("{:?}", settled.events[0].event)
    };
    assert_eq!(
        (declined, code.as_deref()),
        (&Some(Declined { payer: Some(payer) }), Some("64"))
    );
    let over = then(accepted.clone(), settled.events.into_iter().map(|h| h.event));
    assert!(!over.is_live() && over.state() == ledger::OrderState::NotPlaced);
    let TradeEvent::AttemptNotPlaced { declined, .. } = &refused("61").events[0].event else {
        panic!("refused")
    };
    assert_eq!(*declined, None, "a code that nobody has is nobody's refusal");
    // Under a reverse it is that one's end.
    assert_eq!(
        seen_by(&reversing(), ChannelState::Refused("64".into()), Proof::Query),
        ["attempt_reversed!"]
    );
}

/// A code of Alipay's that nobody has scanned: nothing was there to cancel, and it may come yet.
#[test]
//= C88
fn a_cancel_before_the_scan_stays_open_and_takes_back_what_is_paid_then() {
    let mut code = super::super::tests::order();
    code.attempts[0].channel = Channel::Alipay;
    code.attempts[0].pay_way = PayWay::Qr;
    let placed = TradeEvent::AttemptPlaced {
        attempt: 1,
        reach: None,
    };
    let intended = TradeEvent::ReverseIntended {
        attempt: 1,
        reason: ReverseReason::Merchant,
    };
    let order = then(code, [placed, intended]);
    let nothing = || {
        Answer::Reversed(ReverseView {
            again: false,
            refunded: Some(false),
            absent: true,
        })
    };
    for answer in [nothing(), failed(FailureClass::NotFound)] {
        assert_eq!(said(&reversed(&order, 1, answer, true)), ["reverse_unknown"]);
    }
    assert_eq!(
        said(&reversed(&order, 1, nothing(), false)),
        ["attempt_reversed!"],
        "its time is over"
    );
    let closed = Answer::Reversed(ReverseView {
        again: false,
        refunded: Some(false),
        absent: false,
    });
    assert_eq!(
        said(&reversed(&order, 1, closed, true)),
        ["attempt_reversed!"],
        "it was there"
    );
    assert_eq!(
        seen_by(&order, ChannelState::Paid(facts(100)), Proof::Query),
        ["attempt_paid"],
        "it is not told of as paid"
    );
    let over = then(
        order,
        [TradeEvent::AttemptReversed {
            attempt: 1,
            proof: Proof::Answer,
            refunded: Some(false),
        }],
    );
    assert_eq!(
        seen_by(&over, ChannelState::Paid(facts(100)), Proof::Notice),
        ["mismatched", "attempt_paid"]
    );
}

/// A fresh code under the same number was paid, and the former one's charge arrives after all: it goes back, and the sale stands.
#[test]
//= C60
fn the_end_of_a_former_charge_is_told_nobody_whose_order_goes_on() {
    let is_reversed = |attempt, refunded| TradeEvent::AttemptReversed {
        attempt,
        proof: Proof::Answer,
        refunded,
    };
    let nothing = then(reversing(), [is_reversed(1, Some(false))]);
    let mut second = super::super::tests::intent();
    if let TradeEvent::AttemptIntended {
        attempt,
        number,
        pay_way,
        ..
    } = &mut second
    {
        (*attempt, *number, *pay_way) = (2, name("shop-2"), PayWay::Micropay);
    }
    let paid = |attempt, facts| TradeEvent::AttemptPaid {
        attempt,
        facts,
        payer: None,
        proof: Proof::Query,
        seal: None,
    };
    let again = then(nothing, [second]);
    let sold = then(
        again.clone(),
        [paid(
            2,
            PaidFacts {
                trade_no: name("T2"),
                ..facts(100)
            },
        )],
    );
    let late = |order: &Order| then(order.clone(), [paid(1, facts(100))]);
    let reverse = || {
        Answer::Reversed(ReverseView {
            again: false,
            refunded: None,
            absent: false,
        })
    };
    for (order, why) in [(&sold, "it is paid"), (&again, "it is being paid")] {
        assert_eq!(
            said(&reversed(&late(order), 1, reverse(), false)),
            ["attempt_reversed"],
            "{why}"
        );
        assert_eq!(
            seen_by(&late(order), ChannelState::Reversed, Proof::Query),
            ["attempt_reversed"],
            "{why}"
        );
    }
    // Where nothing else came of the order, its end is.
    let undone = then(again, [is_reversed(2, Some(false))]);
    // WeChat does not say whether money went back; whether it had taken any may be known.
    for (order, back) in [(late(&undone), Some(true)), (reversing(), None)] {
        let settled = reversed(&order, 1, reverse(), false);
        assert_eq!(said(&settled), ["attempt_reversed!"]);
        let TradeEvent::AttemptReversed { refunded, .. } = &settled.events[0].event else {
            panic!("{:?}", settled.events[0].event)
        };
        assert_eq!(*refunded, back);
    }
}
