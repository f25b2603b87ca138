use super::*;
use channel::OrderView;
use std::sync::Arc;

pub(crate) fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a lawful name")
}

pub(crate) fn intent() -> TradeEvent {
    TradeEvent::AttemptIntended {
        account: name("1900000109"),
        amount: Amount::from_fen(100),
        appid: None,
        sub_appid: None,
        attempt: 1,
        carried: Carried::Unified,
        channel: Channel::Wechat,
        code: Code {
            kind: CodeKind::Dynamic,
            level: CodeLevel::B,
        },
        content: KeyedDigest::from_bytes([0; 32]),
        expires: Instant::from_secs(7200),
        keys: Keys::Held,
        number: name("shop-1"),
        order_no: name("shop-1"),
        pay_way: PayWay::Native,
        payee: name("1900000109"),
        payer: None,
        rates: None,
        route: None,
        seal: None,
        terminal: None,
        terminal_match: None,
        terminal_unmatched: false,
    }
}

pub(crate) fn order() -> Order {
    let event = intent();
    let merchant: MerchantId = name("m1");
    let order = ledger::payment_id(&merchant, &name("shop-1"));
    let (salt, at) = (Salt::from_bytes([0; 16]), Instant::default());
    let entry = TradeEntry {
        at,
        event,
        merchant: Some(merchant),
        mseq: Some(1),
        order: Some(order),
        prev: None,
        salt,
        tell: None,
        v: ENTRY_VERSION,
    };
    Order::begin(0, &entry).expect("begins")
}

pub(super) fn then(mut order: Order, events: impl IntoIterator<Item = TradeEvent>) -> Order {
    for event in events {
        order.check(&event).expect("lawful");
        order.apply(order.last + 1, Instant::default(), &event);
    }
    order
}

fn paid() -> TradeEvent {
    let facts = PaidFacts {
        amount: Amount::from_fen(100),
        bank_type: None,
        number: name("shop-1"),
        paid_at: Instant::from_secs(5),
        trade_no: name("T1"),
    };
    TradeEvent::AttemptPaid {
        attempt: 1,
        facts,
        payer: None,
        proof: Proof::Query,
        seal: None,
    }
}

pub(crate) fn with_refund() -> Order {
    let refund = TradeEvent::RefundIntended {
        amount: Amount::from_fen(60),
        attempt: 1,
        cause: RefundCause::Merchant,
        number: name("r1"),
        refund_no: name("r1"),
    };
    then(order(), [paid(), refund])
}

fn failed(class: FailureClass) -> Answer {
    Answer::Failed(Failure {
        code: Arc::from("CODE"),
        class,
    })
}

fn view(state: RefundState, fen: u64) -> RefundView {
    RefundView {
        order: None,
        number: name("r1"),
        time: None,
        state,
        amount: Some(Amount::from_fen(fen)),
        trade_no: None,
        refunded_at: None,
    }
}

fn names(settled: &Settled) -> Vec<&'static str> {
    settled.events.iter().map(|h| h.event.name()).collect()
}

#[test]
//= C27
fn no_refusal_of_a_repeat_says_that_an_order_was_not_placed() {
    use FailureClass::*;
    let intended = order();
    let unknown = then(
        order(),
        [TradeEvent::AttemptUnknown {
            attempt: 1,
            reason: Unclear::Timeout,
        }],
    );
    for class in [Final, NotFound, Changed, Busy, Setup, PayeeFunds] {
        let first = placed(1, failed(class));
        assert_eq!(
            names(&first),
            ["attempt_not_placed"],
            "{class:?} of the first sending"
        );
        let again = placed_again(unknown.latest(), placed(1, failed(class)));
        assert!(
            again.events.is_empty() && again.ending == Ending::Unknown,
            "{class:?} is no news of what is unknown"
        );
        let after_restart = placed_again(intended.latest(), placed(1, failed(class)));
        assert!(
            after_restart
                .events
                .iter()
                .all(|h| h.event.name() != "attempt_not_placed"),
            "{class:?}"
        );
    }
    let known = then(
        order(),
        [TradeEvent::AttemptPlaced {
            attempt: 1,
            reach: None,
        }],
    );
    let renewal = placed_again(known.latest(), placed(1, failed(Busy)));
    assert!(
        renewal.events.is_empty() && renewal.ending == Ending::Busy,
        "a renewal that the channel limits is said to be limited"
    );
    let there = placed_again(
        unknown.latest(),
        placed(1, Answer::Placed(Reach::Code("c".into()))),
    );
    assert_eq!(names(&there), ["attempt_placed"]);
    let handed_out = || placed(1, Answer::Placed(Reach::HandedOut));
    let in_hands = then(order(), handed_out().events.into_iter().map(|h| h.event));
    assert!(
        placed_again(in_hands.latest(), handed_out()).events.is_empty(),
        "loaded once more, it is in the payer's hands as before"
    );
    assert_eq!(
        names(&placed_again(unknown.latest(), handed_out())),
        ["attempt_placed"]
    );
    assert_eq!(
        names(&placed_again(unknown.latest(), placed(1, failed(AlreadyClosed)))),
        ["attempt_closed"]
    );
}

#[test]
fn what_is_given_up_and_not_there_was_not_placed_and_what_was_closed_is_closed() {
    let gone = given_up(
        &order(),
        1,
        NotPlaced::BuyerDataGone,
        failed(FailureClass::NotFound),
    );
    assert_eq!(names(&gone), ["attempt_not_placed"]);
    assert!(
        gone.events[0].tell,
        "the merchant may send the same number again, and has to know"
    );
    assert_eq!(
        names(&given_up(&order(), 1, NotPlaced::BuyerDataGone, Answer::Closed)),
        ["attempt_closed"]
    );
    assert_eq!(
        names(&given_up(
            &order(),
            1,
            NotPlaced::BuyerDataGone,
            failed(FailureClass::Unknown)
        )),
        ["close_unknown"]
    );
}

#[test]
fn a_refused_repeat_of_a_refund_is_unknown_and_a_query_decides() {
    let (order, no) = (with_refund(), name("r1"));
    for class in [FailureClass::Final, FailureClass::Changed, FailureClass::NotFound] {
        assert_eq!(
            names(&refunded(&order, &no, failed(class), false)),
            ["refund_failed"],
            "{class:?}"
        );
        assert_eq!(
            names(&refunded(&order, &no, failed(class), true)),
            ["refund_unknown"],
            "{class:?}"
        );
    }
    assert_eq!(
        names(&refund_seen(
            &order,
            &no,
            view(RefundState::Succeeded, 60),
            Proof::Query
        )),
        ["refund_succeeded"]
    );
}

#[test]
//= C92
fn a_refusal_that_no_list_has_ends_no_refund_at_once() {
    let (order, no) = (with_refund(), name("r1"));
    for again in [false, true] {
        let said = refunded(&order, &no, failed(FailureClass::Unlisted), again);
        assert_eq!(names(&said), ["refund_unknown"]);
        assert!(said.ending == Ending::Unknown && !said.events[0].tell);
    }
}

#[test]
//= C31
fn a_refund_of_another_amount_or_after_a_refusal_is_a_mismatch_on_record() {
    let no: RefundNo = name("r1");
    let order = with_refund();
    assert_eq!(
        names(&refund_seen(
            &order,
            &no,
            view(RefundState::Succeeded, 61),
            Proof::Notice
        )),
        ["mismatched"]
    );
    let refused = then(
        order,
        [TradeEvent::RefundFailed {
            code: "CODE".into(),
            refund_no: no.clone(),
        }],
    );
    assert_eq!(
        names(&refund_seen(
            &refused,
            &no,
            view(RefundState::Succeeded, 60),
            Proof::Notice
        )),
        ["mismatched", "refund_succeeded"]
    );
    assert!(
        refund_seen(&refused, &no, view(RefundState::Processing, 60), Proof::Query)
            .events
            .is_empty()
    );
    let done = then(
        refused,
        [TradeEvent::RefundSucceeded {
            proof: Proof::Notice,
            refund_no: no.clone(),
            refunded_at: None,
            trade_no: None,
        }],
    );
    assert!(
        refund_seen(&done, &no, view(RefundState::Succeeded, 60), Proof::Query)
            .events
            .is_empty(),
        "once"
    );
}

#[test]
fn a_payment_of_what_was_not_placed_is_recorded_all_the_same() {
    let gone = then(
        order(),
        [TradeEvent::AttemptNotPlaced {
            attempt: 1,
            code: None,
            declined: None,
            reason: NotPlaced::BuyerDataGone,
        }],
    );
    let TradeEvent::AttemptPaid { facts, .. } = paid() else {
        return;
    };
    let view = OrderView {
        number: name("shop-1"),
        time: None,
        state: ChannelState::Paid(facts),
        account: None,
        payee: None,
        payer: None,
        attach: None,
    };
    assert_eq!(
        names(&order_seen(&gone, 1, &view, Proof::Notice, None, None)),
        ["mismatched", "attempt_paid"]
    );
}

/// What is in the payer's hands and not opened is neither closed nor refused: it may come until its time is over.
#[test]
fn a_close_of_what_nobody_opened_stays_open_until_its_time_is_over() {
    let early = closed(&order(), 1, failed(FailureClass::NotFound), true);
    assert!(matches!(
        early.events[..],
        [Happening {
            event: TradeEvent::CloseUnknown {
                reason: Unclear::NotOpened,
                ..
            },
            tell: false
        }]
    ));
    assert_eq!(early.ending, Ending::Unknown);
    let late = closed(&order(), 1, failed(FailureClass::NotFound), false);
    assert!(matches!(
        late.events[..],
        [Happening {
            event: TradeEvent::AttemptClosed { .. },
            tell: true
        }]
    ));
    let opened = closed(&order(), 1, Answer::Closed, true);
    assert!(
        matches!(
            opened.events[..],
            [Happening {
                event: TradeEvent::AttemptClosed { .. },
                ..
            }]
        ),
        "the channel had it and closed it"
    );
}

#[test]
//= C60
fn a_close_that_finds_nothing_ends_no_payment_code() {
    let mut intended = order();
    intended.attempts[0].pay_way = PayWay::Micropay;
    let timed_out = TradeEvent::AttemptUnknown {
        attempt: 1,
        reason: Unclear::Timeout,
    };
    for open in [intended.clone(), then(intended, [timed_out])] {
        let nothing = closed(&open, 1, failed(FailureClass::NotFound), false);
        assert_eq!(names(&nothing), ["close_unknown"]);
        assert_eq!(nothing.ending, Ending::Unknown);
        for word in [Answer::Closed, failed(FailureClass::AlreadyClosed)] {
            assert_eq!(names(&closed(&open, 1, word, false)), ["attempt_closed"]);
        }
    }
}

/// However often the channel is asked, its word is on record once; another word is news.
#[test]
fn a_close_is_told_of_once_for_each_word() {
    let begun = then(
        order(),
        [
            TradeEvent::AttemptPlaced {
                attempt: 1,
                reach: None,
            },
            TradeEvent::CloseIntended {
                attempt: 1,
                reason: CloseReason::Expiry,
            },
        ],
    );
    let words = [
        (Answer::Unclear(Unclear::Timeout), "close_unknown"),
        (failed(FailureClass::Unknown), "close_unknown"),
        (failed(FailureClass::Final), "close_refused"),
    ];
    for (word, name) in words {
        let again = || match &word {
            Answer::Unclear(reason) => Answer::Unclear(*reason),
            Answer::Failed(failure) => failed(failure.class),
            _ => Answer::Closed,
        };
        let first = closed(&begun, 1, again(), false);
        assert_eq!(names(&first), [name]);
        let mut known = then(begun.clone(), first.events.into_iter().map(|h| h.event));
        for _ in 0..100 {
            let repeat = closed(&known, 1, again(), false);
            assert!(repeat.events.is_empty(), "{name} again: {:?}", names(&repeat));
            assert_eq!(repeat.ending, closed(&begun, 1, again(), false).ending);
        }
        let other = match name {
            "close_refused" => Answer::Unclear(Unclear::Timeout),
            _ => failed(FailureClass::Final),
        };
        let news = closed(&known, 1, other, false);
        assert_eq!(news.events.len(), 1, "another word than {name} is news");
        known = then(known, news.events.into_iter().map(|h| h.event));
        assert_eq!(names(&closed(&known, 1, again(), false)), [name], "and back");
        assert_eq!(
            names(&closed(&known, 1, Answer::Closed, false)),
            ["attempt_closed"]
        );
    }
}

/// Once, while it is open, and nobody is told: the payer may try again.
#[test]
fn a_try_that_the_payers_side_refused_is_on_record_once_while_the_order_stays_open() {
    let view = OrderView {
        number: name("shop-1"),
        time: None,
        state: ChannelState::Declined("64".into()),
        account: None,
        payee: None,
        payer: None,
        attach: None,
    };
    let seen = |order: &Order| order_seen(order, 1, &view, Proof::Query, None, None);
    let unknown = TradeEvent::AttemptUnknown {
        attempt: 1,
        reason: Unclear::Timeout,
    };
    let lost = seen(&then(order(), [unknown]));
    assert_eq!(names(&lost), ["attempt_placed", "attempt_declined"]);
    let placed = TradeEvent::AttemptPlaced {
        attempt: 1,
        reach: Some(Reach::HandedOut),
    };
    let open = then(order(), [placed.clone()]);
    let said = seen(&open);
    assert_eq!(names(&said), ["attempt_declined"]);
    assert!(!said.events[0].tell);
    let known = then(open, [said.events[0].event.clone()]);
    assert!(seen(&known).events.is_empty(), "once");
    let mut charge = then(order(), [placed]);
    charge.attempts[0].pay_way = PayWay::Micropay;
    assert_eq!(names(&seen(&charge)), ["attempt_declined"]);
    let paid = then(known, [paid()]);
    assert!(seen(&paid).events.is_empty(), "it was paid after all");
}

/// Neither dropped nor said to be not placed, whose number might be charged again: it is for people, and once.
#[test]
//= C31
fn what_was_paid_with_another_amount_is_unresolved_and_a_right_payment_counts_still() {
    let TradeEvent::AttemptPaid { mut facts, .. } = paid() else {
        return;
    };
    let view = |facts: &PaidFacts| OrderView {
        number: name("shop-1"),
        time: None,
        state: ChannelState::Paid(facts.clone()),
        account: None,
        payee: None,
        payer: None,
        attach: None,
    };
    facts.amount = Amount::from_fen(99);
    let unknown = TradeEvent::AttemptUnknown {
        attempt: 1,
        reason: Unclear::Timeout,
    };
    let placed = TradeEvent::AttemptPlaced {
        attempt: 1,
        reach: None,
    };
    for before in [order(), then(order(), [unknown]), then(order(), [placed])] {
        let told = order_seen(&before, 1, &view(&facts), Proof::Notice, None, None);
        assert_eq!(names(&told), ["mismatched"], "a notice is asked after");
        let asked = order_seen(&before, 1, &view(&facts), Proof::Query, None, None);
        assert_eq!(names(&asked), ["mismatched", "attempt_unresolved"]);
        assert!(asked.events[1].tell);
        let after = then(before, asked.events.into_iter().map(|h| h.event));
        assert!(!after.is_live() && after.state() == ledger::OrderState::Unresolved);
        let right = PaidFacts {
            amount: Amount::from_fen(100),
            ..facts.clone()
        };
        let late = order_seen(&after, 1, &view(&right), Proof::Notice, None, None);
        assert_eq!(names(&late), ["attempt_paid"]);
    }
}

/// The same of an answer to the order itself: it may be placed or charged, or not.
#[test]
//= C31
fn an_answer_that_names_another_order_says_nothing_of_ours() {
    for settled in [
        placed_here(&order(), 1, Answer::Amiss(Mismatch::Number)),
        charged(&order(), 1, Answer::Amiss(Mismatch::Number), None, None),
    ] {
        assert_eq!(names(&settled), ["mismatched", "attempt_unknown"]);
        assert_eq!(settled.ending, Ending::Unknown);
    }
}

/// Signed rightly, and about another order than was asked for: nothing is learned of ours, whatever it says, and it is on record
/// once, however often it comes. A notice is found by its number, so each is news.
#[test]
//= C31
fn what_is_said_of_another_order_changes_nothing_and_is_on_record_once() {
    let TradeEvent::AttemptPaid { facts, .. } = paid() else {
        return;
    };
    let placed = TradeEvent::AttemptPlaced {
        attempt: 1,
        reach: None,
    };
    let open = then(order(), [placed]);
    let view = |number: &str, time, state: &ChannelState| OrderView {
        number: name(number),
        time,
        state: state.clone(),
        account: None,
        payee: None,
        payer: None,
        attach: None,
    };
    let begun = open.attempts[0].begun();
    for state in [
        ChannelState::Paid(facts.clone()),
        ChannelState::Refunded(facts.clone()),
        ChannelState::Closed,
        ChannelState::Reversed,
        ChannelState::Declined("64".into()),
        ChannelState::Refused("64".into()),
        ChannelState::NotPaid,
    ] {
        for (number, time) in [("shop-2", None), ("shop-1", Some(begun.plus_millis(1_000)))] {
            let other = view(number, time, &state);
            let said = order_seen(&open, 1, &other, Proof::Query, None, None);
            assert!(matches!(
                said.events[..],
                [Happening {
                    event: TradeEvent::Mismatched {
                        what: Mismatch::Number,
                        ..
                    },
                    tell: false
                }]
            ));
            let known = then(open.clone(), said.events.into_iter().map(|h| h.event));
            assert_eq!(known.attempts, open.attempts);
            for proof in [Proof::Query, Proof::Answer] {
                assert!(order_seen(&known, 1, &other, proof, None, None).events.is_empty());
            }
            let told = order_seen(&known, 1, &other, Proof::Notice, None, None);
            assert_eq!(names(&told), ["mismatched"]);
            let right = view("shop-1", Some(begun), &ChannelState::Paid(facts.clone()));
            let right = order_seen(&known, 1, &right, Proof::Query, None, None);
            assert_eq!(names(&right), ["attempt_paid"]);
        }
    }
}

/// Two orders of one account may have refunds of one number, where merchants' own clients name them (channels.md 1.2).
#[test]
//= C31
fn a_word_on_another_refund_is_none_on_ours() {
    let (no, done) = (name("r1"), RefundState::Succeeded);
    let of = |order: Option<&str>, number: &str| RefundView {
        order: order.map(name),
        number: name(number),
        ..view(done, 60)
    };
    let at = |channel: Channel| {
        let mut order = with_refund();
        order.attempts[0].channel = channel;
        order
    };
    let said = |order: &Order, view| names(&refund_seen(order, &no, view, Proof::Query));
    let (own, account) = (Some("shop-1"), "1900000109");
    for channel in Channel::ALL {
        let order = at(channel);
        for ours in [of(own, "r1"), of(None, "r1")] {
            assert_eq!(said(&order, ours), ["refund_succeeded"], "{channel}");
        }
        for other in [of(Some("shop-2"), "r1"), of(own, "r2"), of(None, "r2")] {
            assert_eq!(said(&order, other), ["mismatched"], "{channel}");
        }
        let late = RefundView {
            time: Some(order.refunds[0].begun().plus_millis(1_000)),
            ..of(None, "r1")
        };
        assert_eq!(said(&order, late), ["mismatched"], "{channel}");
        // What stands in the place of a number that is not repeated.
        for (stands_in, of_channel) in [("shop-1", Channel::Alipay), (account, Channel::Baidu)] {
            let wanted = match channel == of_channel {
                true => "refund_succeeded",
                false => "mismatched",
            };
            assert_eq!(said(&order, of(own, stands_in)), [wanted], "{channel}");
        }
    }
    let first = at(Channel::Wechat);
    let answer = Answer::Refund(of(Some("shop-2"), "r1"));
    let sent = refunded(&first, &no, answer, false);
    assert_eq!(names(&sent), ["mismatched", "refund_unknown"]);
    assert_eq!(sent.ending, Ending::Unknown);
    let known = then(first, sent.events.into_iter().map(|h| h.event));
    assert!(
        said(&known, of(Some("shop-2"), "r1")).is_empty(),
        "on record once"
    );
    assert_eq!(said(&known, of(own, "r1")), ["refund_succeeded"]);
}

#[test]
//= C13
fn whom_the_order_named_it_goes_on_naming() {
    let token = |n| PayerToken {
        epoch: 1,
        token: Token::from_bytes([n; 16]),
    };
    let TradeEvent::AttemptPaid { facts, .. } = paid() else {
        panic!("a payment")
    };
    let view = OrderView {
        number: name("shop-1"),
        time: None,
        state: channel::ChannelState::Paid(facts),
        account: None,
        payee: None,
        payer: None,
        attach: None,
    };
    let of = |named: Option<PayerToken>| {
        let mut order = order();
        order.attempts[0].payer = named;
        let settled = order_seen(&order, 1, &view, Proof::Query, Some(token(2)), None);
        let events = settled.events.into_iter().map(|h| h.event);
        let paid = events.map(|event| match event {
            TradeEvent::AttemptPaid { payer, .. } => payer,
            other => panic!("{other:?}"),
        });
        paid.collect::<Vec<_>>()
    };
    assert_eq!(of(Some(token(1))), [Some(token(1))]);
    assert_eq!(
        of(None),
        [Some(token(2))],
        "who was not known becomes known by paying"
    );
}
