use super::*;
use channel::Failure;

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a lawful name")
}

const SENT: Instant = Instant::from_secs(1_767_225_600);

fn paid() -> Order {
    let mut order = settle::tests::order();
    order.attempts[0].channel = Channel::Unionpay;
    order.attempts[0].named = Some(SENT);
    let facts = PaidFacts {
        amount: Amount::from_fen(100),
        bank_type: None,
        number: name("shop-1"),
        paid_at: SENT,
        trade_no: name("T1"),
    };
    then(
        order,
        [TradeEvent::AttemptPaid {
            attempt: 1,
            facts,
            payer: None,
            proof: Proof::Notice,
            seal: None,
        }],
    )
}

fn then(mut order: Order, events: impl IntoIterator<Item = TradeEvent>) -> Order {
    for event in events {
        order.check(&event).expect("lawful");
        order.apply(order.last + 1, SENT, &event);
    }
    order
}

fn cancelling() -> Order {
    let named = TradeEvent::ReverseNamed {
        account: name("1900000109"),
        attempt: 1,
        channel: Channel::Unionpay,
        number: name("V0000001"),
        time: SENT,
    };
    let intended = TradeEvent::ReverseIntended {
        attempt: 1,
        reason: ReverseReason::Merchant,
    };
    assert!(paid().check(&named).is_err(), "named before it was intended");
    let order = then(paid(), [intended, named.clone()]);
    assert!(order.check(&named).is_err(), "named twice");
    order
}

fn cancel() -> Cancel {
    Cancel {
        number: name("V0000001"),
        time: SENT,
        amount: Amount::from_fen(100),
    }
}

fn view(state: RefundState) -> RefundView {
    RefundView {
        order: None,
        number: name("V0000001"),
        time: None,
        state,
        amount: Some(Amount::from_fen(100)),
        trade_no: None,
        refunded_at: None,
    }
}

fn names(settled: &Settled) -> Vec<&'static str> {
    settled.events.iter().map(|h| h.event.name()).collect()
}

#[test]
//= C75
fn a_number_at_another_time_is_another_transaction() {
    let order = paid();
    let (account, number) = (order.attempts[0].account.clone(), name("shop-1"));
    let at = |time| attempt(&order, Channel::Unionpay, &account, &number, time).map(|(n, _)| n);
    assert_eq!(at(Some(SENT)), Some(1));
    assert_eq!(at(None), Some(1));
    assert_eq!(at(Some(SENT.plus_millis(1000))), None);
    let order = cancelling();
    let at = |time| cancelled(&order, &name("V0000001"), time);
    assert_eq!(at(Some(SENT)), Some(1));
    assert_eq!(at(Some(SENT.plus_millis(1000))), None);
    assert_eq!(cancelled(&order, &number, Some(SENT)), None);
}

#[test]
fn a_cancel_is_of_the_whole_and_one_at_a_time() {
    let code = |order: &Order, change: &dyn Fn(&mut Cancel)| {
        let mut asked = cancel();
        change(&mut asked);
        repeats(order, 1, &asked).map_err(|fault| fault.code)
    };
    let same = |_: &mut Cancel| {};
    let number = |to: &'static str| move |c: &mut Cancel| c.number = name(to);
    let later = |c: &mut Cancel| c.time = SENT.plus_millis(1000);
    assert_eq!(code(&paid(), &same), Ok(false));
    let part = |c: &mut Cancel| c.amount = Amount::from_fen(99);
    assert_eq!(code(&paid(), &part), Err(Code::OrderChanged));
    assert_eq!(code(&paid(), &number("shop-1")), Err(Code::OrderChanged));
    let order = cancelling();
    assert_eq!(code(&order, &same), Ok(true));
    assert_eq!(code(&order, &later), Err(Code::OrderChanged));
    assert_eq!(code(&order, &number("V0000002")), Err(Code::OrderChanged));
    let done = TradeEvent::AttemptReversed {
        attempt: 1,
        proof: Proof::Query,
        refunded: Some(true),
    };
    let order = then(order, [done]);
    assert_eq!(code(&order, &same), Ok(true));
    assert_eq!(code(&order, &number("V0000002")), Err(Code::OrderReversed));
    let refused = TradeEvent::ReverseRefused {
        attempt: 1,
        code: "35".into(),
    };
    let order = then(cancelling(), [refused]);
    assert_eq!(
        code(&order, &number("V0000002")),
        Ok(false),
        "after a refusal another may go"
    );
}

/// "No such transaction" of a cancel is no word that nothing was charged: the payment stands.
#[test]
//= C27
fn an_answer_ends_a_cancel_only_by_a_refusal_of_the_first_sending() {
    let order = cancelling();
    let said = |answer, again| names(&settle::reversed(&order, 1, answered(answer, again), false));
    let failed = |code: &str, class| {
        Answer::Failed(Failure {
            code: code.into(),
            class,
        })
    };
    assert_eq!(
        said(Answer::Refund(view(RefundState::Processing)), false),
        ["reverse_unknown"]
    );
    for (code, class) in [
        ("34", FailureClass::NotFound),
        ("35", FailureClass::Final),
        ("36", FailureClass::Changed),
    ] {
        assert_eq!(said(failed(code, class), false), ["reverse_refused"], "{code}");
        assert_eq!(said(failed(code, class), true), ["reverse_unknown"], "{code}");
    }
    for (code, class) in [
        ("12", FailureClass::Duplicate),
        ("02", FailureClass::Busy),
        ("99", FailureClass::Unknown),
    ] {
        assert_eq!(said(failed(code, class), false), ["reverse_unknown"], "{code}");
    }
    assert_eq!(
        said(Answer::Unclear(Unclear::Timeout), false),
        ["reverse_unknown"]
    );
}

#[test]
//= C31
fn a_cancel_is_done_when_unionpay_says_so() {
    let said = |order: &Order, view: RefundView| names(&seen(order, 1, &view, Proof::Notice));
    let order = cancelling();
    assert_eq!(said(&order, view(RefundState::Succeeded)), ["attempt_reversed"]);
    assert_eq!(said(&order, view(RefundState::Failed)), ["reverse_refused"]);
    assert!(said(&order, view(RefundState::Processing)).is_empty());
    let other = RefundView {
        amount: Some(Amount::from_fen(1)),
        ..view(RefundState::Succeeded)
    };
    assert_eq!(said(&order, other), ["mismatched"]);
    let refused = TradeEvent::ReverseRefused {
        attempt: 1,
        code: "35".into(),
    };
    let late = said(&then(order, [refused]), view(RefundState::Succeeded));
    assert_eq!(late, ["mismatched", "attempt_reversed"]);
    let silent = then(cancelling(), [TradeEvent::AttemptUnresolved { attempt: 1 }]);
    let late = said(&silent, view(RefundState::Succeeded));
    assert_eq!(late, ["mismatched", "attempt_reversed"]);
}

/// The merchant's own reversal (冲正): its number and time are the order's, and no word on the order is taken for one on a cancel.
#[test]
//= C60
//= C75
fn a_reversal_ends_by_unionpays_word_on_a_payment_that_is_on_record() {
    let undoing = |order: Order| {
        let named = TradeEvent::ReverseNamed {
            account: name("1900000109"),
            attempt: 1,
            channel: Channel::Unionpay,
            number: order.attempts[0].number.clone(),
            time: SENT,
        };
        let intended = TradeEvent::ReverseIntended {
            attempt: 1,
            reason: ReverseReason::Merchant,
        };
        then(order, [intended, named])
    };
    let order = undoing(paid());
    let attempt = &order.attempts[0];
    assert!(by_own_number(attempt) && !by_own_number(&cancelling().attempts[0]));
    assert_eq!(cancelled(&order, &attempt.number, Some(SENT)), None);
    assert_eq!(
        may_be_undone(&order, 1).map_err(|f| f.code),
        Err(Code::OperationNotAllowed),
        "no payment code"
    );
    let own = |state| RefundView {
        number: attempt.number.clone(),
        time: Some(SENT),
        ..view(state)
    };
    let said = |attempt: &Attempt, answer, again| {
        names(&settle::reversed(
            &order,
            1,
            undone(attempt, answer, again),
            false,
        ))
    };
    let mut open = attempt.clone();
    open.paid = None;
    assert_eq!(
        said(attempt, Answer::Refund(own(RefundState::Succeeded)), false),
        ["attempt_reversed"]
    );
    // The charging call may come after it.
    assert_eq!(
        said(&open, Answer::Refund(own(RefundState::Succeeded)), false),
        ["reverse_unknown"]
    );
    // About another transaction, or of another kind.
    let other = RefundView {
        time: Some(SENT.plus_millis(1000)),
        ..own(RefundState::Succeeded)
    };
    assert_eq!(said(attempt, Answer::Refund(other), false), ["reverse_unknown"]);
    assert_eq!(
        said(attempt, Answer::Refund(own(RefundState::Processing)), false),
        ["reverse_unknown"]
    );
    let failed = |code: &str, class| {
        Answer::Failed(Failure {
            code: code.into(),
            class,
        })
    };
    let missing = || failed("34", FailureClass::NotFound);
    assert_eq!(
        said(attempt, missing(), false),
        ["reverse_unknown"],
        "no last word"
    );
    assert_eq!(
        said(attempt, failed("35", FailureClass::Final), false),
        ["reverse_refused"]
    );
    assert_eq!(
        said(attempt, failed("35", FailureClass::Final), true),
        ["reverse_unknown"]
    );
}
