use super::*;
use domain::{ChannelNo, DifferenceKind as Kind, TradeNo};
use proptest::prelude::*;
use std::collections::BTreeMap;

const DAY: Day = Day::from_number(20_454);

fn at(day: i32, ms: i64) -> Instant {
    Day::from_number(DAY.number() + day).start().plus_millis(ms)
}

/// The n-th order of a day, or its refund.
#[derive(Clone, Copy, Debug)]
struct Trade {
    n: u32,
    refund: bool,
    fen: u64,
    ms: i64,
}

fn line(channel: Channel, trade: Trade) -> BillLine {
    let no = |text: String| Some(ChannelNo::new(text).expect("lawful"));
    let own = if channel == Channel::Wechat && trade.refund {
        format!("50{}", trade.n)
    } else {
        format!("42{}", trade.n)
    };
    BillLine {
        movement: if trade.refund {
            Movement::Refund
        } else {
            Movement::Payment
        },
        number: no(format!("T{}", trade.n)),
        refund: if trade.refund {
            no(format!("R{}", trade.n))
        } else {
            None
        },
        trade_no: TradeNo::new(own).expect("lawful"),
        original: None,
        amount: Amount::from_fen(trade.fen),
        fee_millifen: 600,
        state: LineState::Done,
        at: at(0, trade.ms),
    }
}

fn key(channel: Channel, line: &BillLine) -> Key {
    Key::of(channel, line.movement, line.number.as_ref(), line.refund.as_ref()).expect("numbers")
}

fn ours(line: &BillLine) -> Ours {
    Ours {
        payment: PaymentId::from_bytes([7; 16]),
        amount: line.amount,
        trade_no: Some(mark(line.trade_no.as_str())),
        asked: day_of(Channel::Wechat, line.at),
        done: line.at,
        state: OurState::Done,
        apart: false,
    }
}

/// A million of them must leave room for all else within 512 MiB.
#[test]
fn a_record_in_the_book_takes_no_more_than_a_cache_line() {
    assert_eq!(size_of::<(Key, Held)>(), 64);
}

/// The second bill of an account finds the record as the first one did, without what was looked up for the first.
#[test]
fn a_book_is_compared_with_a_second_bill_anew() {
    let mut book = Book::new(Channel::Wechat, DAY);
    let (own, older) = (one(false), one(true));
    book.put(key(Channel::Wechat, &own), ours(&own));
    book.put_looked_up(key(Channel::Wechat, &older), ours(&older));
    let other = Ours {
        state: OurState::Gone,
        ..ours(&own)
    };
    book.put_looked_up(key(Channel::Wechat, &own), other); // what the day's own record has stays
    let never = BillLine {
        number: ChannelNo::new("NEVER").ok(),
        ..own.clone()
    };
    assert_eq!(book.strange(&never), Kind::OnlyAtChannel);
    for line in [&own, &older] {
        assert!(matches!(book.see(line), Seen::Known { kinds, .. } if kinds.is_empty()));
    }
    let mut book = book.anew();
    assert_eq!((book.len(), book.totals()), (1, Totals::default()));
    assert_eq!(book.missing(true).len(), 1);
    assert!(matches!(book.see(&own), Seen::Known { kinds, .. } if kinds.is_empty()));
    assert_eq!(book.see(&older), Seen::Unknown);
    assert_eq!(book.strange(&never), Kind::OnlyAtChannel);
}

/// UnionPay settles until 23:00 and counts the last hour of a day in the next one (channels.md 4.5).
#[test]
fn the_last_hour_belongs_to_unionpays_next_day() {
    for (channel, ms, day) in [
        (Channel::Unionpay, 23 * 3_600_000 - 1, 0),
        (Channel::Unionpay, 23 * 3_600_000, 1),
        (Channel::Unionpay, 0, 0),
        (Channel::Wechat, 86_400_000 - 1, 0),
        (Channel::Wechat, 86_400_000, 1),
    ] {
        let of = day_of(channel, at(0, ms));
        assert_eq!(of.number() - DAY.number(), day, "{channel} {ms}");
        assert!(at(0, ms) >= start_of(channel, of) && at(0, ms) < start_of(channel, after(of)));
        let trade = Trade {
            n: 1,
            refund: false,
            fen: 1,
            ms,
        };
        let line = line(channel, trade);
        let mut book = Book::new(channel, of);
        let own = Ours {
            asked: of,
            ..ours(&line)
        };
        book.put(key(channel, &line), own);
        assert!(compare(&mut book, channel, std::slice::from_ref(&line)).is_empty());
        let mut other = Book::new(channel, after(of));
        other.put(key(channel, &line), own);
        let found = compare(&mut other, channel, std::slice::from_ref(&line));
        assert_eq!(
            found.into_keys().map(|(kind, _)| kind).collect::<Vec<_>>(),
            [Kind::Day]
        );
    }
    // What is missing in the last ten minutes before 23:00 may stand in the next file, a minute after it no more.
    for (ms, kind) in [
        (23 * 3_600_000 - 60_000, Kind::Day),
        (22 * 3_600_000, Kind::OnlyHere),
    ] {
        let line = line(
            Channel::Unionpay,
            Trade {
                n: 1,
                refund: false,
                fen: 1,
                ms,
            },
        );
        let mut book = Book::new(Channel::Unionpay, DAY);
        book.put(key(Channel::Unionpay, &line), ours(&line));
        assert_eq!(
            book.missing(false)
                .into_iter()
                .map(|(.., kind)| kind)
                .collect::<Vec<_>>(),
            [kind]
        );
    }
}

type Found = BTreeMap<(Kind, Key), u32>;

/// Both directions, as the proxy does it.
fn compare(book: &mut Book, channel: Channel, bill: &[BillLine]) -> Found {
    let mut found = Found::new();
    for line in bill {
        match book.see(line) {
            Seen::Known { kinds, .. } => kinds
                .into_iter()
                .for_each(|kind| *found.entry((kind, key(channel, line))).or_default() += 1),
            Seen::Unknown => *found.entry((book.strange(line), key(channel, line))).or_default() += 1,
        }
    }
    book.missing(true)
        .into_iter()
        .for_each(|(key, _, kind)| *found.entry((kind, key)).or_default() += 1);
    found
}

/// What is done to a line and to our record of it, so that they differ in one way.
fn plant(kind: Kind, line: &BillLine, book: &mut Book, channel: Channel, bill: &mut Vec<BillLine>) {
    let (mut line, own) = (line.clone(), ours(line));
    let key = key(channel, &line);
    match kind {
        Kind::Repeated => {
            book.put(key, own);
            bill.push(line.clone());
        }
        Kind::OnlyAtChannel => {}
        Kind::OnlyHere => return book.put(key, own),
        Kind::Amount => {
            book.put(key, own);
            line.amount = Amount::from_fen(line.amount.fen() + 1);
        }
        // Asked for on another day: what is not done belongs to none.
        Kind::State => book.put(
            key,
            Ours {
                state: OurState::Open,
                asked: at(3, 0).day(),
                done: at(3, 0),
                ..own
            },
        ),
        Kind::TradeNo => {
            book.put(key, own);
            line.trade_no = TradeNo::new("999").expect("lawful");
        }
        Kind::Day => {
            let other = own.done.plus_millis(-86_400_000);
            book.put(
                key,
                Ours {
                    asked: other.day(),
                    done: other,
                    ..own
                },
            );
        }
    }
    bill.push(line);
}

fn trades() -> impl Strategy<Value = Vec<(Trade, Option<usize>)>> {
    let one = (
        any::<bool>(),
        1..10_000_000u64,
        0..86_400_000i64,
        prop::option::weighted(0.3, 0..7usize),
    );
    prop::collection::vec(one, 0..60).prop_map(|all| {
        all.into_iter()
            .zip(1..)
            .map(|((refund, fen, ms, planted), n)| (Trade { n, refund, fen, ms }, planted))
            .collect()
    })
}

proptest! {
    /// Every planted difference of all seven kinds is found, none is invented, and the order of rows changes nothing.
    //= C61
    #[test]
    fn planted_differences_are_found_and_none_is_invented(all in trades(), wechat: bool, seed: u64) {
        let channel = if wechat { Channel::Wechat } else { Channel::Alipay };
        let (mut book, mut bill, mut planted) = (Book::new(channel, DAY), Vec::new(), Found::new());
        for (trade, kind) in &all {
            let line = line(channel, *trade);
            match kind {
                Some(kind) => {
                    plant(Kind::ALL[*kind], &line, &mut book, channel, &mut bill);
                    planted.insert((Kind::ALL[*kind], key(channel, &line)), 1);
                }
                None => {
                    book.put(key(channel, &line), ours(&line));
                    bill.push(line);
                }
            }
        }
        let mut rng = seed | 1;
        for i in (1..bill.len()).rev() {
            rng ^= rng << 13; rng ^= rng >> 7; rng ^= rng << 17;
            bill.swap(i, (rng % (i as u64 + 1)) as usize);
        }
        prop_assert_eq!(compare(&mut book, channel, &bill), planted);
        prop_assert_eq!(book.totals().lines, bill.len() as u64);
        prop_assert_eq!(book.totals().fee_millifen, 600 * bill.len() as i64);
    }
}

fn one(refund: bool) -> BillLine {
    line(
        Channel::Wechat,
        Trade {
            n: 1,
            refund,
            fen: 100,
            ms: 43_200_000,
        },
    )
}

#[test]
fn what_is_missing_at_midnight_waits_for_the_next_days_bill() {
    let mut book = Book::new(Channel::Wechat, DAY);
    let late = BillLine {
        at: at(1, -1000),
        ..one(false)
    };
    book.put(key(Channel::Wechat, &late), ours(&late));
    let kinds = |book: &Book, next| {
        book.missing(next)
            .into_iter()
            .map(|(_, _, kind)| kind)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (kinds(&book, false), kinds(&book, true)),
        (vec![Kind::Day], vec![Kind::OnlyHere])
    );
    book.stands_elsewhere(&key(Channel::Wechat, &late));
    assert_eq!(kinds(&book, false), []);
}

#[test]
fn what_two_days_bills_both_have_is_repeated() {
    let (mut book, line) = (Book::new(Channel::Wechat, DAY), one(false));
    book.put(key(Channel::Wechat, &line), ours(&line));
    book.stands_elsewhere(&key(Channel::Wechat, &line));
    assert_eq!(
        book.see(&line),
        Seen::Known {
            ours: ours(&line),
            kinds: vec![Kind::Repeated],
            early: false
        }
    );
}

/// It may be done on a later day, whose bill need not have it then.
#[test]
fn a_refund_that_nobody_told_of_is_early_in_the_bill_of_the_day_it_was_asked_for() {
    let line = one(true);
    let early = |line: &BillLine, days: i32, state| {
        let open = Ours {
            asked: Day::from_number(line.at.day().number() + days),
            state,
            ..ours(line)
        };
        let mut book = Book::new(Channel::Wechat, DAY);
        book.put(key(Channel::Wechat, line), open);
        matches!(book.see(line), Seen::Known { early: true, .. })
    };
    let pending = BillLine {
        state: LineState::Pending,
        ..line.clone()
    };
    let failed = BillLine {
        state: LineState::Failed,
        ..line.clone()
    };
    assert!(early(&line, 0, OurState::Open) && early(&pending, 0, OurState::Open));
    assert!(!early(&failed, 0, OurState::Open) && !early(&pending, 1, OurState::Open));
    assert!(!early(&pending, 0, OurState::Gone) && !early(&one(false), 0, OurState::Open));
}

#[test]
fn a_refund_over_midnight_may_stand_in_either_days_bill_but_in_one() {
    let line = one(true);
    let over = Ours {
        asked: line.at.day(),
        done: at(1, 5000),
        ..ours(&line)
    };
    let mut first = Book::new(Channel::Wechat, DAY);
    first.put(key(Channel::Wechat, &line), over);
    assert_eq!(
        first.see(&line),
        Seen::Known {
            ours: over,
            kinds: vec![],
            early: true
        }
    );
    let mut second = Book::new(Channel::Wechat, Day::from_number(DAY.number() + 1));
    second.put(key(Channel::Wechat, &line), over);
    assert_eq!(
        second.missing(true).len(),
        1,
        "the first day's bill might not have had it"
    );
    assert_eq!(second.owes(), Some(over.payment));
    second.stands_elsewhere(&key(Channel::Wechat, &line));
    assert_eq!(second.missing(true), []);
    assert_eq!(second.owes(), None);
}

#[test]
fn every_pair_of_states() {
    use {LineState as L, OurState as O};
    let pairs = [
        (L::Done, O::Done, true),
        (L::Done, O::Open, false),
        (L::Done, O::Gone, false),
        (L::Pending, O::Done, true),
        (L::Pending, O::Open, true),
        (L::Pending, O::Gone, false),
        (L::Failed, O::Done, false),
        (L::Failed, O::Open, false),
        (L::Failed, O::Gone, true),
        (L::Done, O::Undone, true),
        (L::Done, O::Back, true),
        (L::Pending, O::Back, true),
        (L::Failed, O::Back, false),
        (L::Failed, O::MaybeBack, true),
    ];
    for (state, ours_is, same) in pairs {
        let (mut book, line) = (Book::new(Channel::Wechat, DAY), BillLine { state, ..one(true) });
        book.put(
            key(Channel::Wechat, &line),
            Ours {
                state: ours_is,
                ..ours(&line)
            },
        );
        let Seen::Known { kinds, .. } = book.see(&line) else {
            panic!("known")
        };
        assert_eq!(kinds.is_empty(), same, "{state:?} {ours_is:?}");
    }
}

/// An order of payment, undone at this time, its payment on record or not.
fn undone(book: &mut Book, channel: Channel, paid: &BillLine, at: Instant, back: OurState) -> (Ours, Ours) {
    let payment = Ours {
        payment: PaymentId::from_bytes([paid.amount.fen() as u8; 16]),
        state: OurState::Undone,
        ..ours(paid)
    };
    let way_back = Ours {
        state: back,
        asked: day_of(channel, at),
        done: at,
        ..payment
    };
    for (movement, ours) in [(Movement::Payment, payment), (Movement::Reversal, way_back)] {
        if ours.may_stand_in(channel, book.day()) {
            book.put(
                Key::of(channel, movement, paid.number.as_ref(), None).expect("a number"),
                ours,
            );
        }
    }
    (payment, way_back)
}

fn kinds(book: &Book) -> Vec<(OurState, Kind)> {
    let missing = book.missing(true).into_iter();
    missing.map(|(_, ours, kind)| (ours.state, kind)).collect()
}

fn way_back(paid: &BillLine, refund: Option<&str>) -> BillLine {
    BillLine {
        movement: Movement::Refund,
        refund: refund.map(|no| ChannelNo::new(no).expect("lawful")),
        ..paid.clone()
    }
}

#[test]
fn a_way_back_of_a_reversed_order_is_its_reversal() {
    let (mut book, paid) = (Book::new(Channel::Alipay, DAY), one(false));
    let (own, back) = undone(&mut book, Channel::Alipay, &paid, paid.at, OurState::Back);
    assert_eq!(book.missing(true), [], "neither must be there");
    let known = |ours| Seen::Known {
        ours,
        kinds: vec![],
        early: false,
    };
    assert_eq!(book.see(&paid), known(own));
    assert_eq!(
        kinds(&book),
        [(OurState::Back, Kind::OnlyHere)],
        "the money never came back"
    );
    assert_eq!(book.see(&way_back(&paid, Some("X"))), known(back));
    assert_eq!(book.missing(true), []);
}

//= C61
#[test]
fn a_payment_that_was_reversed_and_stands_alone_is_a_difference_however_much_the_channel_told() {
    for back in [OurState::Back, OurState::MaybeBack] {
        for channel in [Channel::Wechat, Channel::Alipay, Channel::Unionpay] {
            let (mut book, paid) = (Book::new(channel, DAY), one(false));
            undone(&mut book, channel, &paid, paid.at, back);
            book.see(&paid);
            assert_eq!(kinds(&book), [(back, Kind::OnlyHere)], "{channel}");
        }
    }
}

#[test]
fn a_way_back_alone_is_lawful_in_wechats_trade_bill_only() {
    for (channel, lawful) in [(Channel::Wechat, true), (Channel::Alipay, false)] {
        let (mut book, paid) = (Book::new(channel, DAY), one(false));
        undone(&mut book, channel, &paid, paid.at, OurState::Back);
        book.see(&way_back(&paid, None));
        assert_eq!(kinds(&book).is_empty(), lawful, "{channel}");
    }
}

/// Reversed at the end of its day, or on another day than it was paid.
//= C61
#[test]
fn a_reversal_belongs_to_the_day_on_which_it_was_done() {
    let paid = one(false);
    let mut book = Book::new(Channel::Alipay, DAY);
    undone(&mut book, Channel::Alipay, &paid, at(1, -60_000), OurState::Back);
    book.see(&paid);
    let waits: Vec<_> = book.missing(false).into_iter().map(|(.., kind)| kind).collect();
    assert_eq!(waits, [Kind::Day], "the next day's bill may have it");
    let mut first = Book::new(Channel::Alipay, DAY);
    undone(
        &mut first,
        Channel::Alipay,
        &paid,
        at(1, 3_600_000),
        OurState::Back,
    );
    first.see(&paid);
    assert_eq!(first.missing(true), [], "that day's bill was made without it");
    let next = Day::from_number(DAY.number() + 1);
    for (back, missing) in [(OurState::Back, 1), (OurState::MaybeBack, 0)] {
        let mut second = Book::new(Channel::Alipay, next);
        undone(&mut second, Channel::Alipay, &paid, at(1, 3_600_000), back);
        assert_eq!(second.missing(true).len(), missing);
        second.see(&way_back(&paid, None));
        assert_eq!(second.missing(true), []);
    }
}

/// WeChat's fund-flow bill names a way back by a number that is WeChat's own.
//= C61
#[test]
fn a_way_back_that_names_nothing_is_given_to_an_undone_order_of_its_amount() {
    let back = |fen: u64| BillLine {
        number: None,
        amount: Amount::from_fen(fen),
        ..way_back(&one(false), Some("reverse42"))
    };
    let of = |n: u32, fen: u64| {
        let trade = Trade {
            n,
            refund: false,
            fen,
            ms: 43_200_000,
        };
        line(Channel::Wechat, trade)
    };
    let all = [of(1, 100), of(2, 200)];
    let book = || {
        let mut book = Book::new(Channel::Wechat, DAY).against_funds();
        for paid in &all {
            undone(&mut book, Channel::Wechat, paid, paid.at, OurState::MaybeBack);
            book.see(paid);
        }
        book
    };
    let mut whole = book();
    for line in [back(200), back(100), back(300)] {
        assert_eq!(whole.see(&line), Seen::Unknown);
        assert!(whole.hold_back(&line));
    }
    assert_eq!(whole.settle(), [back(300)], "nobody's");
    assert_eq!((whole.missing(true), whole.totals().refunds), (vec![], 2));
    let mut short = book();
    assert!(short.hold_back(&back(200)));
    assert_eq!(short.settle(), []);
    assert_eq!(kinds(&short), [(OurState::MaybeBack, Kind::OnlyHere)]);
    let mut nothing_undone = Book::new(Channel::Wechat, DAY).against_funds();
    nothing_undone.put(key(Channel::Wechat, &all[0]), ours(&all[0]));
    assert!(!nothing_undone.hold_back(&back(100)));
}

/// A sub-merchant's money moves on its own account: the provider's fund-flow bill need not have it, its trade bill must.
#[test]
fn what_another_account_is_paid_need_not_move_on_this_one() {
    let paid = one(false);
    for (funds, missing) in [(true, 0), (false, 1)] {
        let mut book = Book::new(Channel::Wechat, DAY);
        let own = Ours {
            apart: true,
            ..ours(&paid)
        };
        book.put(key(Channel::Wechat, &paid), own);
        let book = if funds { book.against_funds() } else { book };
        assert_eq!(book.missing(true).len(), missing);
    }
}
