use super::*;

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("lawful")
}

const NOON: Instant = Instant::from_secs(1_768_449_600); // 2026-01-15T12:00:00+08:00

fn entry(order: u8, event: TradeEvent) -> TradeEntry {
    Entry {
        at: NOON,
        event,
        merchant: Some(name("m1")),
        mseq: Some(1),
        order: Some(PaymentId::from_bytes([order; 16])),
        prev: None,
        salt: Salt::from_bytes([0; 16]),
        tell: None,
        v: ENTRY_VERSION,
    }
}

fn intended(amount: u64, rates: Option<RateSnapshot>) -> TradeEvent {
    TradeEvent::AttemptIntended {
        account: name("19"),
        amount: Amount::from_fen(amount),
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
        expires: NOON,
        keys: Keys::Held,
        number: name("n"),
        order_no: name("n"),
        pay_way: PayWay::Native,
        payee: name("19"),
        payer: None,
        rates,
        route: None,
        seal: None,
        terminal: None,
        terminal_match: None,
        terminal_unmatched: false,
    }
}

fn paid(amount: u64, at: Instant) -> TradeEvent {
    let facts = PaidFacts {
        amount: Amount::from_fen(amount),
        bank_type: None,
        number: name("n"),
        paid_at: at,
        trade_no: name("4200"),
    };
    TradeEvent::AttemptPaid {
        attempt: 1,
        facts,
        payer: None,
        proof: Proof::Query,
        seal: None,
    }
}

#[test]
//= C64
fn commission_is_what_the_merchant_pays_above_the_agents_rate_on_what_did_not_go_back() {
    let terms = |agent: &str| {
        Some(RateSnapshot {
            agent: Some(name(agent)),
            agent_rate: Some(300),
            rate: 380,
        })
    };
    let refund = |amount: u64| TradeEvent::RefundIntended {
        amount: Amount::from_fen(amount),
        attempt: 1,
        cause: RefundCause::Merchant,
        number: name("r"),
        refund_no: name("r"),
    };
    let back = TradeEvent::RefundSucceeded {
        proof: Proof::Query,
        refund_no: name("r"),
        refunded_at: None,
        trade_no: None,
    };
    let mut book = Book::default();
    let all = [
        entry(1, intended(100_000, terms("a"))),
        entry(1, paid(100_000, NOON)),
        entry(2, intended(100_000, terms("a"))),
        entry(2, paid(100_000, NOON)),
        entry(2, refund(40_000)),
        entry(2, back.clone()),
        entry(3, intended(1_249, terms("a"))),
        entry(3, paid(1_249, NOON)),
        entry(4, intended(100_000, terms("a"))),
        entry(5, intended(100_000, terms("a"))),
        entry(5, paid(100_000, NOON.plus_millis(86_400_000))),
        entry(6, intended(100_000, None)),
        entry(6, paid(100_000, NOON)),
        entry(7, intended(50_000, terms("b"))),
        entry(7, paid(50_000, NOON)),
        entry(
            7,
            TradeEvent::AttemptReversed {
                attempt: 1,
                proof: Proof::Query,
                refunded: Some(true),
            },
        ),
        entry(8, intended(50_000, terms("b"))),
        entry(8, paid(50_000, NOON)),
        entry(8, refund(50_000)),
    ];
    all.iter().for_each(|entry| book.take(entry));
    let day = NOON.day();
    let earned = book.earned(&(day..=day));
    assert_eq!(
        earned[&name("a")],
        Earned {
            orders: 3,
            paid: 201_249,
            back: 40_000,
            commission: 80 + 48
        }
    );
    assert_eq!(
        earned[&name("b")],
        Earned {
            orders: 1,
            paid: 50_000,
            back: 0,
            commission: 40
        }
    );
    assert_eq!(super::day("2026-01-15").expect("a day"), day);
    assert!(super::day("yesterday").is_err());
}
