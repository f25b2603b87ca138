use super::*;
use crate::live::Live;

fn order_no() -> OrderNo {
    OrderNo::new("shop-1").expect("lawful")
}

fn merchant() -> MerchantId {
    MerchantId::new("m1").expect("lawful")
}

fn intent(attempt: u16, channel: Channel) -> TradeEvent {
    TradeEvent::AttemptIntended {
        account: AccountNo::new("1900000109").expect("lawful"),
        amount: Amount::from_fen(100),
        appid: None,
        sub_appid: None,
        attempt,
        carried: Carried::Unified,
        channel,
        code: Code {
            kind: CodeKind::Dynamic,
            level: CodeLevel::C,
        },
        content: KeyedDigest::from_bytes([0; 32]),
        expires: Instant::from_secs(7200),
        keys: Keys::Held,
        number: ChannelNo::new(format!("no{attempt}")).expect("lawful"),
        order_no: order_no(),
        pay_way: PayWay::Native,
        payee: PayeeNo::new("1900000109").expect("lawful"),
        payer: None,
        rates: None,
        route: None,
        seal: None,
        terminal: None,
        terminal_match: None,
        terminal_unmatched: false,
    }
}

fn order() -> Order {
    let entry = TradeEntry {
        at: Instant::default(),
        event: intent(1, Channel::Wechat),
        merchant: Some(merchant()),
        mseq: Some(1),
        order: Some(payment_id(&merchant(), &order_no())),
        prev: None,
        salt: Salt::from_bytes([0; 16]),
        tell: None,
        v: ENTRY_VERSION,
    };
    Order::begin(0, &entry).expect("begins")
}

fn paid(attempt: u16, fen: u64, secs: i64) -> TradeEvent {
    let facts = PaidFacts {
        amount: Amount::from_fen(fen),
        bank_type: None,
        number: ChannelNo::new(format!("no{attempt}")).expect("lawful"),
        paid_at: Instant::from_secs(secs),
        trade_no: TradeNo::new(format!("T{attempt}")).expect("lawful"),
    };
    TradeEvent::AttemptPaid {
        attempt,
        facts,
        payer: None,
        proof: Proof::Query,
        seal: None,
    }
}

fn refund(no: &str, fen: u64) -> TradeEvent {
    TradeEvent::RefundIntended {
        amount: Amount::from_fen(fen),
        attempt: 1,
        cause: RefundCause::Merchant,
        number: ChannelNo::new(no).expect("lawful"),
        refund_no: RefundNo::new(no).expect("lawful"),
    }
}

/// Closed once, and begun again by Alipay.
fn another_way() -> Order {
    let mut order = order();
    let closed = TradeEvent::AttemptClosed {
        attempt: 1,
        proof: Proof::Answer,
    };
    go(&mut order, closed).expect("closed");
    go(&mut order, intent(2, Channel::Alipay)).expect("another way");
    order
}

fn failed(no: &str) -> TradeEvent {
    TradeEvent::RefundFailed {
        code: "NOT_ENOUGH".into(),
        refund_no: RefundNo::new(no).expect("lawful"),
    }
}

/// A refund of the second attempt.
fn refund_of_second(no: &str, fen: u64) -> TradeEvent {
    let mut event = refund(no, fen);
    if let TradeEvent::RefundIntended { attempt, .. } = &mut event {
        *attempt = 2;
    }
    event
}

fn go(order: &mut Order, event: TradeEvent) -> Result<(), Illegal> {
    order.check(&event)?;
    order.apply(order.last + 1, Instant::default(), &event);
    Ok(())
}

fn succeeded(no: &str) -> TradeEvent {
    TradeEvent::RefundSucceeded {
        proof: Proof::Query,
        refund_no: RefundNo::new(no).expect("lawful"),
        refunded_at: None,
        trade_no: None,
    }
}

/// What UnionPay may be asked for is found by account, the newest first, and is over with the order.
#[test]
//= C87
fn live_orders_at_unionpay_are_found_by_account() {
    let at = |secs: i64, channel| {
        let mut order = order();
        order.id = PaymentId::from_bytes([secs as u8; 16]);
        order.attempts[0].channel = channel;
        order.attempts[0].at = Instant::from_secs(secs);
        order
    };
    let account = order().latest().account.clone();
    let other = AccountNo::new("1900000110").expect("lawful");
    let mut live = Live::default();
    for secs in [2, 1, 3] {
        live.follow(None, &at(secs, Channel::Unionpay));
    }
    assert!(Live::passes_by(&at(4, Channel::Wechat)));
    live.follow(None, &at(4, Channel::Wechat));
    let mut elsewhere = at(5, Channel::Unionpay);
    elsewhere.attempts[0].account = other.clone();
    live.follow(None, &elsewhere);
    let ages = |account: &AccountNo, live: &Live, than, most| {
        let found = live.newest(account, than, most).into_iter();
        found.map(|(at, _)| at.secs()).collect::<Vec<_>>()
    };
    assert_eq!(ages(&account, &live, None, 2), [3, 2]);
    let second = live.newest(&account, None, 2).pop();
    assert_eq!(ages(&account, &live, second, 2), [1]);
    assert_eq!(ages(&other, &live, None, 2), [5]);

    // Placed it stays, closed it is over.
    let open = at(3, Channel::Unionpay);
    let mut changed = open.clone();
    let placed = TradeEvent::AttemptPlaced {
        attempt: 1,
        reach: None,
    };
    go(&mut changed, placed).expect("placed");
    live.follow(Some(&open), &changed);
    assert_eq!(ages(&account, &live, None, 9), [3, 2, 1]);
    let mut closed = changed.clone();
    let event = TradeEvent::AttemptClosed {
        attempt: 1,
        proof: Proof::Answer,
    };
    go(&mut closed, event).expect("closed");
    assert!(!closed.is_live());
    live.follow(Some(&changed), &closed);
    assert_eq!(ages(&account, &live, None, 9), [2, 1]);
}

#[test]
fn a_notice_may_come_before_the_outcome_of_the_create() {
    let mut order = order();
    go(&mut order, paid(1, 100, 5)).expect("Intent → Paid is legal");
    assert_eq!(order.state(), OrderState::Paid);
    let late = TradeEvent::AttemptPlaced {
        attempt: 1,
        reach: None,
    };
    assert!(
        go(&mut order, late).is_err(),
        "the answer that comes later changes nothing"
    );
    assert!(go(&mut order, paid(1, 100, 5)).is_err(), "paid once");
}

#[test]
fn refunds_never_exceed_what_was_paid_and_failed_ones_give_back() {
    let mut order = order();
    assert!(go(&mut order, refund("r0", 1)).is_err(), "nothing was paid");
    go(&mut order, paid(1, 100, 5)).expect("paid");
    go(&mut order, refund("r1", 60)).expect("fits");
    assert!(go(&mut order, refund("r2", 41)).is_err());
    assert!(go(&mut order, refund("r1", 60)).is_err(), "under way");
    let failed = TradeEvent::RefundFailed {
        code: "NOT_ENOUGH".into(),
        refund_no: RefundNo::new("r1").expect("lawful"),
    };
    go(&mut order, failed).expect("failed");
    go(&mut order, refund("r2", 100)).expect("fits now");
    assert!(
        go(&mut order, refund("r1", 60)).is_err(),
        "the repeat of r1 no longer fits"
    );
    go(&mut order, succeeded("r2")).expect("succeeded");
    assert_eq!(order.state(), OrderState::Refunded);
    assert!(!order.is_live());
}

#[test]
fn a_second_attempt_needs_the_first_to_be_over_and_the_later_payment_is_surplus() {
    let mut order = order();
    assert!(go(&mut order, intent(2, Channel::Alipay)).is_err());
    go(
        &mut order,
        TradeEvent::AttemptPlaced {
            attempt: 1,
            reach: None,
        },
    )
    .expect("placed");
    assert!(go(&mut order, intent(2, Channel::Alipay)).is_err());
    go(
        &mut order,
        TradeEvent::CloseIntended {
            attempt: 1,
            reason: CloseReason::Replaced,
        },
    )
    .expect("closing");
    go(
        &mut order,
        TradeEvent::AttemptClosed {
            attempt: 1,
            proof: Proof::Answer,
        },
    )
    .expect("closed");
    go(&mut order, intent(2, Channel::Alipay)).expect("another way");
    go(&mut order, paid(2, 100, 50)).expect("paid");
    assert_eq!(order.surplus(), Vec::<u16>::new());
    go(&mut order, paid(1, 100, 60)).expect("a late success is recorded");
    assert_eq!((order.winner().map(|w| w.0), order.surplus()), (Some(2), vec![1]));
    assert!(order.is_live(), "the surplus has to go back");
}

fn closing(attempt: u16, reason: CloseReason) -> TradeEvent {
    TradeEvent::CloseIntended { attempt, reason }
}

/// The merchant was told that it is closed, or will be: only the merchant itself begins anew.
#[test]
//= C65
fn what_the_merchant_closed_goes_on_nowhere_by_itself() {
    let moved = |why| {
        let mut event = intent(2, Channel::Wechat);
        if let TradeEvent::AttemptIntended { route, .. } = &mut event {
            *route = Some(std::sync::Arc::new(RouteTaken {
                after: Some(1),
                passed: Vec::new(),
                rule: None,
                why,
            }));
        }
        event
    };
    let by_code = || TradeEvent::ByCode {
        attempt: 2,
        id: CodeId::from_random([5; 10]),
    };
    let closed = || TradeEvent::AttemptClosed {
        attempt: 1,
        proof: Proof::Answer,
    };
    let not_placed = || TradeEvent::AttemptNotPlaced {
        attempt: 1,
        code: None,
        declined: None,
        reason: NotPlaced::NeverSent,
    };
    for end in [closed(), not_placed()] {
        // Whoever wanted to replace it came first or last.
        let mut order = order();
        go(&mut order, closing(1, CloseReason::Replaced)).expect("to go elsewhere");
        go(&mut order, closing(1, CloseReason::Merchant)).expect("the merchant's own");
        let before = order.clone();
        assert!(go(&mut order, closing(1, CloseReason::Replaced)).is_err());
        assert_eq!(order, before);
        go(&mut order, end.clone()).expect("ended");
        assert!(go(&mut order, moved(RouteWhy::Failover)).is_err());
        let mut opened = order.clone();
        go(&mut opened, moved(RouteWhy::First)).expect("the merchant's own");
        assert!(go(&mut opened, by_code()).is_err());
        // What is on record counts as it stands.
        let mut old = before;
        for event in [closing(1, CloseReason::Replaced), end, moved(RouteWhy::Failover)] {
            old.apply(old.last + 1, Instant::default(), &event);
        }
        assert_eq!(
            (old.attempts.len(), old.latest().state),
            (2, AttemptState::Intended)
        );
    }
    let mut order = order();
    go(&mut order, closing(1, CloseReason::Merchant)).expect("closing");
    let refused = TradeEvent::CloseRefused {
        attempt: 1,
        code: "USERPAYING".into(),
    };
    go(&mut order, refused).expect("refused");
    for event in [
        closing(1, CloseReason::Replaced),
        closed(),
        moved(RouteWhy::Failover),
        by_code(),
    ] {
        go(&mut order, event).expect("nothing of the merchant's stands");
    }
}

/// A bank's order that its payer left may be paid after all: it is live until it was looked for, and two payments are never one.
#[test]
//= C89
fn what_a_payer_left_is_looked_for_until_its_bank_can_take_nothing() {
    let looked = || TradeEvent::NothingCameLate { attempt: 1 };
    let left = |reason| {
        let mut order = order();
        let placed = TradeEvent::AttemptPlaced {
            attempt: 1,
            reach: Some(Reach::HandedOut),
        };
        let closed = TradeEvent::AttemptClosed {
            attempt: 1,
            proof: Proof::Answer,
        };
        go(&mut order, placed).expect("handed out");
        go(&mut order, TradeEvent::CloseIntended { attempt: 1, reason }).expect("asked");
        assert!(!order.latest().was_left(), "nobody has answered");
        go(&mut order, closed).expect("nothing there");
        order
    };
    let mut other = left(CloseReason::Replaced);
    assert!(!other.is_live() && go(&mut other, looked()).is_err());
    let mut order = left(CloseReason::PayerLeft);
    assert!(order.is_live() && order.latest().was_left());
    go(&mut order, intent(2, Channel::Alipay)).expect("another way");
    go(&mut order, paid(2, 100, 50)).expect("paid");
    assert!(order.is_live(), "the bank may still take it");
    let mut twice = order.clone();
    go(&mut twice, paid(1, 100, 60)).expect("a fact is a fact");
    assert_eq!((twice.winner().map(|w| w.0), twice.surplus()), (Some(2), vec![1]));
    go(&mut order, looked()).expect("looked for");
    assert!(!order.is_live() && go(&mut order, looked()).is_err(), "once");
    go(&mut order, paid(1, 100, 60)).expect("a fact is a fact, however late");
    assert_eq!(order.surplus(), vec![1]);
}

#[test]
fn what_is_live_is_what_the_channel_may_still_change() {
    let mut order = order();
    assert!(order.is_live() && order.state() == OrderState::Unknown);
    go(
        &mut order,
        TradeEvent::AttemptNotPlaced {
            attempt: 1,
            code: None,
            declined: None,
            reason: NotPlaced::NeverSent,
        },
    )
    .expect("not placed");
    assert!(!order.is_live());
    go(&mut order, intent(2, Channel::Wechat)).expect("the same number again");
    go(
        &mut order,
        TradeEvent::AttemptUnknown {
            attempt: 2,
            reason: Unclear::Timeout,
        },
    )
    .expect("unknown");
    assert!(order.is_live());
    assert!(
        go(
            &mut order,
            TradeEvent::ProcessStopped {
                boot: Boot::from_bytes([0; 16])
            }
        )
        .is_err()
    );
}

fn no(text: &str) -> RefundNo {
    RefundNo::new(text).expect("lawful")
}

#[test]
fn a_refund_that_was_refused_may_still_turn_out_to_be_done() {
    let mut order = order();
    go(&mut order, paid(1, 100, 5)).expect("paid");
    go(&mut order, refund("r1", 60)).expect("fits");
    go(
        &mut order,
        TradeEvent::RefundFailed {
            code: "TRADE_ERROR".into(),
            refund_no: no("r1"),
        },
    )
    .expect("refused");
    assert_eq!(order.state(), OrderState::Paid);
    go(&mut order, succeeded("r1")).expect("a fact is a fact");
    assert_eq!(
        (
            order.state(),
            order.refund(&no("r1")).and_then(|r| r.code.clone())
        ),
        (OrderState::PartlyRefunded, None)
    );
}

#[test]
fn a_refund_that_nobody_tells_of_ends_unresolved_keeps_its_amount_and_can_be_told_later() {
    let mut order = order();
    go(&mut order, paid(1, 100, 5)).expect("paid");
    go(&mut order, refund("r1", 60)).expect("fits");
    let end = || TradeEvent::RefundUnresolved { refund_no: no("r1") };
    go(&mut order, end()).expect("its window is over");
    assert!(!order.is_live() && go(&mut order, end()).is_err(), "once");
    assert!(
        go(&mut order, refund("r2", 41)).is_err(),
        "it may have been done: its amount is not free"
    );
    go(&mut order, succeeded("r1")).expect("told after all");
}

#[test]
//= C57
fn a_surplus_that_does_not_go_back_is_counted_and_rests_as_abnormal() {
    let mut order = another_way();
    go(&mut order, paid(2, 100, 50)).expect("paid");
    go(&mut order, paid(1, 100, 60)).expect("a late success");
    let surplus = no("surplus-1");
    assert!(surplus.is_reserved() && !no("r-surplus-1").is_reserved());
    for tries in 1..=2 {
        go(&mut order, refund("surplus-1", 100)).expect("again");
        assert_eq!(order.refund(&surplus).map(|r| r.tries), Some(tries));
        assert!(order.surplus().is_empty(), "on its way");
        go(
            &mut order,
            TradeEvent::RefundFailed {
                code: "NOT_ENOUGH".into(),
                refund_no: surplus.clone(),
            },
        )
        .expect("refused");
        assert_eq!(order.surplus(), vec![1]);
    }
    go(&mut order, refund("surplus-1", 100)).expect("for the last time");
    go(&mut order, TradeEvent::RefundAbnormal { refund_no: surplus }).expect("left to people");
    assert!(
        order.surplus().is_empty() && !order.is_live(),
        "no loop without end"
    );
}

#[test]
//= C57
fn what_the_merchant_refunded_of_a_payment_that_lost_later_leaves_the_rest_as_surplus() {
    let mut order = another_way();
    go(&mut order, paid(2, 100, 60)).expect("paid");
    go(&mut order, refund_of_second("r1", 4)).expect("the merchant refunds a part");
    go(&mut order, succeeded("r1")).expect("done");
    go(&mut order, paid(1, 100, 50)).expect("an earlier payment becomes known");
    assert_eq!((order.surplus(), order.stays(2)), (vec![2], Amount::from_fen(96)));
    assert!(order.is_live());
    let first = order.surplus_no(2).expect("a number");
    assert_eq!(first, no("surplus-2"));
    go(&mut order, refund_of_second(first.as_str(), 97)).expect_err("more than what stays");
    go(&mut order, refund_of_second(first.as_str(), 96)).expect("the rest goes back");
    assert!(order.surplus().is_empty());
    go(&mut order, failed("surplus-2")).expect("refused");
    assert_eq!(
        (order.surplus(), order.surplus_no(2)),
        (vec![2], Some(no("surplus-2")))
    );
    go(&mut order, refund_of_second(first.as_str(), 96)).expect("again");
    go(&mut order, succeeded("surplus-2")).expect("done");
    assert!(order.surplus().is_empty() && !order.is_live());
}

#[test]
//= C57
fn a_part_that_did_not_go_back_after_all_goes_back_under_a_number_of_its_own() {
    let mut order = another_way();
    go(&mut order, paid(1, 100, 60)).expect("paid");
    go(&mut order, refund("r1", 4)).expect("the merchant refunds a part");
    go(&mut order, paid(2, 100, 50)).expect("an earlier payment becomes known");
    go(&mut order, refund("surplus-1", 96)).expect("the rest goes back");
    go(&mut order, succeeded("surplus-1")).expect("done");
    go(&mut order, failed("r1")).expect("refused");
    assert_eq!(
        (order.surplus(), order.stays(1), order.surplus_no(1)),
        (vec![1], Amount::from_fen(4), Some(no("surplus-1-2")))
    );
    assert!(no("surplus-1-2").is_reserved());
}

#[test]
fn what_only_the_merchant_can_send_back_is_no_work_of_ours() {
    let mut order = another_way();
    go(&mut order, paid(1, 100, 50)).expect("late");
    go(&mut order, paid(2, 100, 60)).expect("paid");
    assert_eq!(order.surplus(), vec![2]);
    order.attempts[1].keys = Keys::Merchant;
    assert!(order.surplus().is_empty() && !order.is_live());
}

#[test]
fn the_terminal_of_the_intent_stays_with_the_attempt() {
    let mut event = intent(1, Channel::Wechat);
    let named = TerminalNo::new("T-1").expect("lawful");
    let place = std::sync::Arc::new(TerminalMatch {
        area: "310101".into(),
        registry: 7,
        store: None,
        term_id: None,
        tuple: None,
    });
    if let TradeEvent::AttemptIntended {
        terminal,
        terminal_match,
        ..
    } = &mut event
    {
        (*terminal, *terminal_match) = (Some(named.clone()), Some(place.clone()));
    }
    let attempt = Attempt::begin(0, Instant::default(), &event).expect("an intent");
    assert_eq!(attempt.terminal, Some(named));
    // What a repeat tells the channel is what was told first, whatever the registry says by then (C88).
    assert_eq!(attempt.terminal_match, Some(place));
}

#[test]
fn an_attempt_is_found_by_the_channels_own_number_at_its_own_account_only() {
    let mut order = order();
    go(&mut order, paid(1, 100, 5)).expect("paid");
    let (account, trade) = (
        AccountNo::new("1900000109").expect("lawful"),
        TradeNo::new("T1").expect("lawful"),
    );
    assert_eq!(
        order
            .attempt_by_trade_no(Channel::Wechat, &account, &trade)
            .map(|(p, _)| p),
        Some(1)
    );
    assert!(
        order
            .attempt_by_trade_no(Channel::Alipay, &account, &trade)
            .is_none()
    );
    assert!(
        order
            .attempt_by_trade_no(
                Channel::Wechat,
                &AccountNo::new("1900000110").expect("lawful"),
                &trade
            )
            .is_none()
    );
}

#[test]
//= C13
fn a_payer_who_becomes_known_by_paying_counts_from_then_on() {
    use crate::{Count, Tally};
    let tally = Tally::default();
    let id = payment_id(&merchant(), &order_no());
    let mut found = None;
    let mut follow = |index: u64, event| {
        let (merchant, prev) = (Some(merchant()), index.checked_sub(1));
        let entry = TradeEntry {
            at: Instant::default(),
            event,
            merchant,
            mseq: Some(index + 1),
            order: Some(id),
            prev,
            salt: Salt::from_bytes([0; 16]),
            tell: None,
            v: ENTRY_VERSION,
        };
        crate::fold(&tally, &mut found, index, &entry);
    };
    let token = PayerToken {
        epoch: 1,
        token: Token::from_bytes([7; 16]),
    };
    let payer = Count::Payer(token, CodeLevel::C);
    let day = Instant::default().day();
    follow(0, intent(1, Channel::Wechat));
    assert_eq!(tally.total(day, &payer), Amount::ZERO);
    let mut event = paid(1, 100, 5);
    if let TradeEvent::AttemptPaid { payer, .. } = &mut event {
        *payer = Some(token);
    }
    follow(1, event);
    assert_eq!(
        (
            tally.total(day, &payer),
            tally.total(day, &Count::Merchant(merchant()))
        ),
        (Amount::from_fen(100), Amount::from_fen(100))
    );
}

#[test]
//= C12
fn what_takes_an_open_attempts_place_is_not_counted_beside_it() {
    use crate::{Ceiling, Count, Tally};
    let (tally, order) = (Tally::default(), order());
    tally.add(order.latest(), &merchant());
    let ceilings = [Ceiling {
        count: Count::Merchant(merchant()),
        most: Amount::from_fen(150),
    }];
    let day = order.latest().at.day();
    let fen = Amount::from_fen;
    assert!(
        tally.reserve(day, fen(100), &ceilings).is_err(),
        "beside it there is no room"
    );
    drop(
        tally
            .reserve_instead(day, fen(150), &ceilings, Some(&order))
            .expect("in its place there is"),
    );
    assert!(
        tally
            .reserve_instead(day, fen(151), &ceilings, Some(&order))
            .is_err()
    );
    let mut closed = order;
    go(
        &mut closed,
        TradeEvent::AttemptClosed {
            attempt: 1,
            proof: Proof::Answer,
        },
    )
    .expect("closed");
    assert!(
        tally
            .reserve_instead(day, fen(100), &ceilings, Some(&closed))
            .is_err(),
        "what counts no longer frees nothing"
    );
}

fn code_order() -> Order {
    let mut order = order();
    order.attempts[0].pay_way = PayWay::Micropay;
    order
}

fn reverse(attempt: u16) -> TradeEvent {
    TradeEvent::ReverseIntended {
        attempt,
        reason: ReverseReason::Unpaid,
    }
}

fn reversed(refunded: Option<bool>) -> TradeEvent {
    TradeEvent::AttemptReversed {
        attempt: 1,
        proof: Proof::Answer,
        refunded,
    }
}

#[test]
//= C60
fn a_reverse_is_live_until_its_end_and_a_payment_that_arrives_meanwhile_does_not_stand() {
    let mut order = code_order();
    go(
        &mut order,
        TradeEvent::AttemptUnknown {
            attempt: 1,
            reason: Unclear::Timeout,
        },
    )
    .expect("unknown");
    assert!(
        go(
            &mut order,
            TradeEvent::ReverseUnknown {
                attempt: 1,
                reason: None
            }
        )
        .is_err(),
        "none was intended"
    );
    go(&mut order, reverse(1)).expect("intended");
    assert!(go(&mut order, reverse(1)).is_err(), "one at a time");
    go(
        &mut order,
        TradeEvent::ReverseUnknown {
            attempt: 1,
            reason: Some(Unclear::Timeout),
        },
    )
    .expect("unknown");
    assert_eq!(order.state(), OrderState::Reversing);
    go(&mut order, paid(1, 100, 5)).expect("a fact is a fact");
    assert_eq!(
        order.state(),
        OrderState::Reversing,
        "told of as paid it would be wrong in a moment"
    );
    assert!(order.is_live() && order.winner().is_none() && order.surplus().is_empty());
    assert!(go(&mut order, refund("r1", 1)).is_err(), "it goes back once");
    assert!(
        go(&mut order, intent(2, Channel::Alipay)).is_err(),
        "not beside a reverse"
    );
    go(&mut order, reversed(Some(true))).expect("reversed");
    assert_eq!((order.state(), order.is_live()), (OrderState::Reversed, false));
    assert!(go(&mut order, refund("r1", 1)).is_err());
    go(&mut order, intent(2, Channel::Alipay)).expect("another attempt");
}

/// Only the merchant could ask, and did not: whether the payment stands nobody knows, and nothing waits any more.
#[test]
fn a_reverse_that_nobody_tells_of_ends_unresolved_and_late_news_counts() {
    let unresolved = TradeEvent::AttemptUnresolved { attempt: 1 };
    let begun = || {
        let mut order = code_order();
        go(&mut order, paid(1, 100, 5)).expect("paid");
        assert!(go(&mut order, unresolved.clone()).is_err(), "it is known as paid");
        go(&mut order, reverse(1)).expect("intended");
        go(&mut order, unresolved.clone()).expect("nobody told");
        assert_eq!((order.state(), order.is_live()), (OrderState::Unresolved, false));
        assert!(order.winner().is_none() && !order.latest().is_reversing());
        assert!(go(&mut order, refund("r1", 1)).is_err(), "it may have gone back");
        assert!(
            go(&mut order, intent(2, Channel::Alipay)).is_err(),
            "nor is it over"
        );
        assert!(go(&mut order, reverse(1)).is_err());
        order
    };
    let mut order = begun();
    go(&mut order, reversed(Some(true))).expect("it went back");
    assert_eq!(order.state(), OrderState::Reversed);
    let mut order = begun();
    go(&mut order, paid(1, 100, 5)).expect("it stands");
    assert_eq!((order.state(), order.is_live()), (OrderState::Paid, false));
}

#[test]
fn a_refused_reverse_leaves_what_there_was_and_may_be_tried_again() {
    let mut order = code_order();
    go(&mut order, paid(1, 100, 5)).expect("paid");
    go(&mut order, reverse(1)).expect("intended");
    go(
        &mut order,
        TradeEvent::ReverseRefused {
            attempt: 1,
            code: "TOO_LATE".into(),
        },
    )
    .expect("refused");
    assert_eq!((order.state(), order.is_live()), (OrderState::Paid, false));
    go(&mut order, refund("r1", 1)).expect("the payment stands");
    assert!(go(&mut order, reverse(1)).is_err(), "a part is going back");
    let mut other = self::order();
    go(&mut other, paid(1, 100, 5)).expect("paid");
    assert!(
        go(&mut other, reverse(1)).is_err(),
        "only payment-code orders are reversed"
    );
}

#[test]
fn a_late_payment_after_a_reverse_that_found_nothing_is_on_record_and_goes_back() {
    let mut order = code_order();
    go(&mut order, reverse(1)).expect("intended");
    go(&mut order, reversed(Some(false))).expect("nothing there");
    assert!(!order.latest().counts());
    go(&mut order, paid(1, 100, 5)).expect("a fact is a fact");
    // Whether or not somebody says so beside it: a notice may have been read before the reverse was done.
    assert_eq!((order.state(), order.is_live()), (OrderState::Reversing, true));
    go(&mut order, reversed(Some(true))).expect("it went back");
    assert_eq!(order.state(), OrderState::Reversed);
}

#[test]
//= C60
fn what_a_reverse_did_not_find_is_live_until_it_was_looked_for() {
    let mut order = code_order();
    let looked = || TradeEvent::NothingCameLate { attempt: 1 };
    assert!(go(&mut order, looked()).is_err(), "nothing was reversed");
    go(&mut order, reverse(1)).expect("intended");
    go(&mut order, reversed(Some(false))).expect("nothing there");
    assert!(order.is_live() && order.latest().may_come_late());
    let mut open = order.clone();
    go(&mut open, reverse(1)).expect("what came and waits for its payer is undone");
    assert!(open.latest().is_reversing() && open.latest().counts());
    go(&mut open, reversed(None)).expect("undone");
    assert!(!open.is_live() && !open.latest().counts());
    go(&mut order, looked()).expect("looked for");
    assert_eq!((order.state(), order.is_live()), (OrderState::Reversed, false));
    assert!(go(&mut order, looked()).is_err(), "once");
    assert!(go(&mut order, reverse(1)).is_err(), "there is nothing to undo");
    go(&mut order, paid(1, 100, 5)).expect("a fact is a fact");
    for change in [
        |a: &mut Attempt| a.keys = Keys::Merchant,
        |a: &mut Attempt| a.carried = Carried::PassThrough,
        |a: &mut Attempt| a.pay_way = PayWay::Native,
    ] {
        let mut other = code_order();
        go(&mut other, reverse(1)).expect("intended");
        go(&mut other, reversed(Some(false))).expect("nothing there");
        change(&mut other.attempts[0]);
        assert!(!other.is_live(), "it is not ours to look for");
    }
    for channel in [Channel::Wechat, Channel::Alipay, Channel::Unionpay] {
        let mut other = code_order();
        other.attempts[0].channel = channel;
        go(&mut other, reverse(1)).expect("intended");
        go(&mut other, reversed(Some(false))).expect("nothing there");
        assert!(other.is_live(), "{channel}: its notice may be lost");
    }
}

/// Alipay cancels what a server placed there, paid or not; what a browser or an app brings it is closed or refunded.
#[test]
//= C88
fn at_alipay_a_code_is_reversed_before_and_after_its_payment() {
    let of = |pay_way| {
        let mut order = order();
        (order.attempts[0].channel, order.attempts[0].pay_way) = (Channel::Alipay, pay_way);
        order
    };
    for pay_way in [PayWay::Qr, PayWay::Jsapi] {
        for payment in [false, true] {
            let mut order = of(pay_way);
            if payment {
                go(&mut order, paid(1, 100, 5)).expect("paid");
            }
            go(&mut order, reverse(1)).expect("intended");
            assert_eq!(order.state(), OrderState::Reversing);
            assert!(go(&mut order, refund("r1", 1)).is_err(), "it goes back once");
            go(&mut order, reversed(Some(payment))).expect("done");
            assert_eq!((order.state(), order.is_live()), (OrderState::Reversed, false));
        }
        let mut order = of(pay_way);
        go(&mut order, paid(1, 100, 5)).expect("paid");
        go(&mut order, refund("r1", 1)).expect("a part");
        assert!(go(&mut order, reverse(1)).is_err(), "a part is going back");
    }
    for pay_way in [PayWay::Page, PayWay::Wap, PayWay::App] {
        assert!(go(&mut of(pay_way), reverse(1)).is_err(), "{pay_way:?}");
    }
}

/// A WeChat account's bill of a day.
fn bill(n: i32) -> BillKey {
    BillKey {
        account: AccountNo::new("1900000109").expect("lawful"),
        channel: Channel::Wechat,
        day: Day::from_number(n),
        kind: BillKind::Trade,
    }
}

fn bill_taken(n: i32, entries: u64) -> TradeEvent {
    TradeEvent::BillTaken {
        again: entries > 50,
        bill: bill(n),
        digest: None,
        entries,
    }
}

fn bill_differs(n: i32) -> TradeEvent {
    TradeEvent::BillDiffers {
        amount: None,
        bill: bill(n),
        bill_amount: None,
        bill_state: None,
        bill_trade_no: None,
        day: Day::from_number(n),
        difference: DifferenceKind::OnlyHere,
        movement: Movement::Payment,
        n: 1,
        number: None,
        payment: None,
        refund: None,
        state: None,
        trade_no: None,
    }
}

fn bill_settled(n: i32, difference: u64) -> TradeEvent {
    TradeEvent::BillSettled {
        bill: bill(n),
        difference,
    }
}

fn bill_matched(n: i32) -> TradeEvent {
    let none = Amount::from_fen(0);
    TradeEvent::BillMatched {
        bill: bill(n),
        differences: 0,
        fee_millifen: 0,
        lines: 0,
        paid: none,
        payments: 0,
        refunded: none,
        refunds: 0,
    }
}

fn follow(bills: &mut crate::bills::Bills, from: u64, events: impl IntoIterator<Item = TradeEvent>) {
    for (index, event) in (from..).zip(events) {
        bills.follow(index, Instant::default(), Some(&merchant()), &event);
    }
}

/// The days, of four, that are due again.
fn moved(bills: &crate::bills::Bills) -> Vec<i32> {
    let is_moved = |n: &i32| bills.get(&bill(*n)).is_some_and(crate::BillHead::is_moved);
    (10..14).filter(is_moved).collect()
}

/// What a bill beside had half put right, and what comes of a bill that is late, makes a compared one due again; and it ends.
#[test]
//= C61
fn a_bill_that_was_compared_beside_a_half_compared_one_is_due_again() {
    let early = TradeEvent::BillEarly {
        bill: bill(11),
        refunds: Vec::new(),
    };
    let compared = || {
        let mut bills = crate::bills::Bills::default();
        let first = [bill_taken(11, 50), bill_differs(11), bill_matched(11)];
        follow(&mut bills, 60, first);
        let next = [bill_taken(12, 50), bill_differs(12), bill_matched(12)];
        follow(&mut bills, 70, next);
        assert!(moved(&bills).is_empty());
        bills
    };
    // Killed between what the 12th settled and its end; the 11th is compared first, then the 12th is taken anew.
    for settles in [true, false] {
        let mut bills = compared();
        follow(&mut bills, 80, [bill_taken(12, 80)]);
        let (settled, days): (_, &[i32]) = match settles {
            true => (Some(bill_settled(12, 71)), &[11]),
            false => (None, &[]),
        };
        follow(&mut bills, 81, settled);
        assert_eq!(moved(&bills), days);
        follow(&mut bills, 90, [bill_taken(11, 90), bill_matched(11)]);
        assert!(moved(&bills).is_empty());
        follow(&mut bills, 100, [bill_taken(12, 100)]);
        assert_eq!(moved(&bills), [11]);
        follow(&mut bills, 101, [bill_matched(12)]);
        assert_eq!(moved(&bills), [11]);
        follow(&mut bills, 110, [bill_taken(11, 110), bill_matched(11)]);
        assert!(moved(&bills).is_empty());
    }
    // The 11th is refused after what it settled; it goes on when the 12th was compared.
    let mut bills = compared();
    follow(&mut bills, 80, [bill_taken(11, 80), bill_settled(11, 61)]);
    assert_eq!(moved(&bills), [12]);
    follow(&mut bills, 90, [bill_taken(12, 90), bill_matched(12)]);
    assert!(moved(&bills).is_empty());
    follow(&mut bills, 100, [bill_matched(11)]);
    assert_eq!(moved(&bills), [12]);
    // The 11th's bill comes days after the 12th's.
    let mut bills = crate::bills::Bills::default();
    follow(&mut bills, 60, [bill_taken(12, 50), bill_matched(12)]);
    follow(&mut bills, 70, [bill_taken(11, 50)]);
    assert!(moved(&bills).is_empty());
    follow(&mut bills, 71, [early, bill_matched(11)]);
    assert_eq!(moved(&bills), [12]);
    // One that cannot be read, however often it is taken, says nothing of the days beside.
    let mut bills = compared();
    for at in [80, 90, 100] {
        let unreadable = TradeEvent::BillRefused {
            bill: bill(11),
            code: crate::UNREADABLE.into(),
        };
        follow(&mut bills, at, [bill_taken(11, at), unreadable]);
        assert!(moved(&bills).is_empty());
        follow(&mut bills, at + 2, [bill_taken(12, at + 2), bill_matched(12)]);
    }
    // What was not answered and now is says nothing of the days beside.
    let mut bills = compared();
    let unanswered = TradeEvent::BillUnanswered {
        bill: bill(11),
        movements: Vec::new(),
    };
    follow(&mut bills, 80, [bill_taken(11, 80), unanswered, bill_matched(11)]);
    follow(&mut bills, 90, [bill_taken(11, 90), bill_settled(11, 81)]);
    follow(&mut bills, 92, [bill_matched(11)]);
    assert!(moved(&bills).is_empty());
}

/// A bill that was compared is due again by what comes on record of its day afterwards, and by nothing else.
#[test]
//= C61
fn what_comes_late_moves_the_days_to_which_it_belongs() {
    let day = |n: i32| Day::from_number(n);
    let compared = |differs: bool| {
        let mut bills = crate::bills::Bills::default();
        for n in 10..14 {
            let found = differs.then(|| bill_differs(n));
            let all = [Some(bill_taken(n, 50)), found, Some(bill_matched(n))];
            follow(&mut bills, 60, all.into_iter().flatten());
        }
        bills
    };
    let noon = |n: i32| day(n).start().plus_millis(43_200_000);
    let paid_at = |at: Instant| paid(1, 100, at.millis() / 1000);
    let late = |n: i32| day(n + 1).start().plus_millis(-60_000);
    for (at, index, days) in [
        (noon(11), 49, vec![]),
        (noon(11), 50, vec![11]),
        (late(11), 50, vec![11, 12]),
        (noon(9), 50, vec![]),
    ] {
        let (mut order, mut bills, event) = (order(), compared(false), paid_at(at));
        go(&mut order, event.clone()).expect("lawful");
        bills.moved(index, &order, &event);
        assert_eq!(moved(&bills), days, "{at} at {index}");
    }
    // Asked for on the 11th, done on the 12th: the 11th matters where something is open there.
    for differs in [false, true] {
        let (mut order, mut bills) = (order(), compared(differs));
        go(&mut order, paid_at(noon(10))).expect("lawful");
        order.apply(70, noon(11), &refund("r1", 10));
        let done = TradeEvent::RefundSucceeded {
            proof: Proof::Query,
            refund_no: RefundNo::new("r1").expect("lawful"),
            refunded_at: Some(noon(12)),
            trade_no: None,
        };
        order.apply(71, noon(13), &done);
        bills.moved(71, &order, &done);
        let days: &[i32] = if differs { &[11, 12] } else { &[12] };
        assert_eq!(moved(&bills), days);
        // What a day's list loses concerns the days beside it.
        follow(&mut bills, 72, [bill_settled(11, 61)]);
        let days: &[i32] = if differs { &[10, 11, 12] } else { &[10, 12] };
        assert_eq!(moved(&bills), days);
    }
    // Ordered at noon of the 11th, paid on the 12th, which nobody told in time.
    for differs in [false, true] {
        let (mut order, mut bills, event) = (order(), compared(differs), paid_at(noon(12)));
        go(&mut order, event.clone()).expect("lawful");
        let attempt = order.attempts.first_mut().expect("one");
        attempt.at = noon(11);
        bills.moved(71, &order, &event);
        let days: &[i32] = if differs { &[11, 12] } else { &[12] };
        assert_eq!(moved(&bills), days);
    }
}

/// What was asked for at first: a repeat says the same, or is another.
#[test]
fn whether_a_refund_was_to_wait_is_known_until_it_is_sent_again() {
    let mut order = order();
    go(&mut order, paid(1, 100, 10)).expect("paid");
    let no = RefundNo::new("r").expect("lawful");
    let apply = |order: &mut Order, at, event: TradeEvent| {
        order.check(&event).expect("lawful");
        order.apply(order.last + 1, Instant::from_secs(at), &event);
        order.refund(&no).and_then(Refund::was_held)
    };
    let held = TradeEvent::RefundHeld {
        amount: Amount::from_fen(40),
        attempt: 1,
        number: ChannelNo::new("r").expect("lawful"),
        refund_no: RefundNo::new("r").expect("lawful"),
    };
    let mut at_once = order.clone();
    assert_eq!(apply(&mut order, 20, held), Some(true));
    assert_eq!(apply(&mut order, 21, refund("r", 40)), Some(true), "released");
    assert_eq!(apply(&mut at_once, 20, refund("r", 40)), Some(false));
    assert_eq!(apply(&mut at_once, 21, failed("r")), Some(false));
    assert_eq!(apply(&mut at_once, 22, refund("r", 40)), None, "who knows");
}
