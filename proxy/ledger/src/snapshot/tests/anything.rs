//! Orders and headers with anything in every field come back the same.

use super::*;
use crate::{Attempt, Closing, NewCode, Refund, Reversing, bills::TakenBill};
use proptest::prelude::*;

struct Dice(u64);

impl Dice {
    fn n(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> (self.0 % 64)
    }

    fn is(&mut self) -> bool {
        self.n().is_multiple_of(2)
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.n() as usize % of.len()]
    }

    fn perhaps<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.is().then(|| make(self))
    }

    fn some<T>(&mut self, least: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let many = least + self.n() as usize % 3;
        (0..many).map(|_| make(self)).collect()
    }

    /// A lawful name of anything but a number of a code of ours and a bank.
    fn name<T: std::str::FromStr<Err = NameError>>(&mut self) -> T {
        let text = format!("{:x}", self.n() % 100_000);
        text.parse().expect("lawful")
    }

    fn text(&mut self) -> Arc<str> {
        let length = self.n() as usize % 300;
        ["", "a", "\0", "路", "\u{1f9fe}"].map(|t| t.repeat(length))[self.n() as usize % 5]
            .as_str()
            .into()
    }

    fn at(&mut self) -> Instant {
        Instant::from_millis(self.n() as i64)
    }

    fn fen(&mut self) -> Amount {
        Amount::from_fen(self.n())
    }

    fn octets<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.n() as u8)
    }

    fn code(&mut self) -> Code {
        use {CodeKind as K, CodeLevel as L};
        Code {
            kind: self.one(&[K::Static, K::Dynamic]),
            level: self.one(&[L::A, L::B, L::C, L::D]),
        }
    }

    fn payer(&mut self) -> PayerToken {
        PayerToken {
            epoch: self.n() as u32,
            token: Token::from_bytes(self.octets()),
        }
    }

    fn channel(&mut self) -> Channel {
        self.one(&Channel::ALL)
    }
}

fn closing(dice: &mut Dice) -> Closing {
    use CloseReason as R;
    Closing {
        reason: dice.one(&[R::Merchant, R::Expiry, R::Replaced, R::PayerLeft]),
        refused: dice.perhaps(Dice::text),
        unknown: dice.is(),
        looked: dice.is(),
    }
}

fn reversing(dice: &mut Dice) -> Reversing {
    use ReverseReason as R;
    Reversing {
        reason: dice.one(&[R::Merchant, R::Unpaid, R::Unknown, R::Replaced]),
        at: dice.at(),
        refused: dice.perhaps(Dice::text),
        unknown: dice.is(),
        refunded: dice.perhaps(Dice::is),
        done: dice.perhaps(Dice::at),
        named: dice.perhaps(|dice| (dice.name(), dice.at())),
        looked: dice.is(),
    }
}

fn terminal_match(dice: &mut Dice) -> TerminalMatch {
    let shop = |dice: &mut Dice| Shop {
        address: dice.text(),
        id: dice.text(),
        name: dice.text(),
    };
    TerminalMatch {
        area: dice.text(),
        registry: dice.n(),
        store: dice.perhaps(shop),
        term_id: dice.perhaps(Dice::text),
        tuple: dice.perhaps(|dice| Digest::from_bytes(dice.octets())),
    }
}

fn paid(dice: &mut Dice) -> (PaidFacts, Proof) {
    let facts = PaidFacts {
        amount: dice.fen(),
        bank_type: dice.perhaps(Dice::text),
        number: dice.name(),
        paid_at: dice.at(),
        trade_no: dice.name(),
    };
    (facts, dice.one(&[Proof::Answer, Proof::Query, Proof::Notice]))
}

fn reach(dice: &mut Dice) -> (Reach, Instant) {
    let reach = match dice.n() % 5 {
        0 => Reach::Code(dice.text()),
        1 => Reach::Prepay(dice.text()),
        2 => Reach::Cashier(dice.name()),
        3 => Reach::Link(dice.text()),
        _ => Reach::HandedOut,
    };
    (reach, dice.at())
}

fn combined(dice: &mut Dice) -> Combined {
    let part = |dice: &mut Dice| CombinedPart {
        number: dice.name(),
        payee: dice.name(),
    };
    Combined {
        number: dice.name(),
        parts: dice.some(0, part),
    }
}

fn attempt(dice: &mut Dice) -> Attempt {
    use {AttemptState as S, NotPlaced as N, PayWay as W, Unclear as U};
    let not_placed = [
        N::Refused,
        N::BuyerDataGone,
        N::NeverSent,
        N::NotThere,
        N::AnswerLost,
    ];
    let unclear = [
        U::Timeout,
        U::Connection,
        U::ChannelError,
        U::Signature,
        U::Garbage,
        U::Restart,
        U::NotOpened,
    ];
    let ways = [
        W::Native,
        W::Product,
        W::Jsapi,
        W::Qr,
        W::Micropay,
        W::H5,
        W::App,
        W::Page,
        W::Wap,
        W::Gateway,
        W::GatewayB2b,
    ];
    let states = [
        S::Intended,
        S::Placed,
        S::NotPlaced,
        S::Unknown,
        S::Paid,
        S::Closed,
        S::Reversed,
        S::Unresolved,
    ];
    Attempt {
        index: dice.n(),
        at: dice.at(),
        account: dice.name(),
        amount: dice.fen(),
        appid: dice.perhaps(Dice::name),
        bank: dice.perhaps(|_| BankNo::new("ICBC").expect("lawful")),
        carried: dice.one(&[Carried::Unified, Carried::PassThrough]),
        channel: dice.channel(),
        code: dice.code(),
        content: KeyedDigest::from_bytes(dice.octets()),
        expires: dice.at(),
        keys: dice.one(&[Keys::Held, Keys::Merchant]),
        number: dice.name(),
        pay_way: dice.one(&ways),
        payee: dice.name(),
        payer: dice.perhaps(Dice::payer),
        sub_appid: dice.perhaps(Dice::name),
        terminal: dice.perhaps(Dice::name),
        terminal_match: dice.perhaps(|dice| Arc::new(terminal_match(dice))),
        state: dice.one(&states),
        reach: dice.perhaps(reach),
        paid: dice.perhaps(paid),
        declined: dice.is(),
        unclear: dice.perhaps(|dice| dice.one(&unclear)),
        not_placed: dice.perhaps(|dice| (dice.one(&not_placed), dice.perhaps(Dice::text))),
        closing: dice.perhaps(closing),
        reversing: dice.perhaps(|dice| Box::new(reversing(dice))),
        paid_seal: dice.perhaps(|dice| SealRef {
            bucket: dice.n(),
            records: dice.n() as u32,
        }),
        combined: dice.perhaps(combined),
        named: dice.perhaps(Dice::at),
    }
}

fn refund(dice: &mut Dice) -> Refund {
    use RefundState as S;
    let states = [
        S::Held,
        S::Intended,
        S::Processing,
        S::Unknown,
        S::Succeeded,
        S::Failed,
        S::Abnormal,
        S::Cancelled,
        S::Unresolved,
    ];
    Refund {
        refund_no: dice.name(),
        number: dice.name(),
        amount: dice.fen(),
        attempt: dice.n() as u16,
        cause: dice.one(&[RefundCause::Merchant, RefundCause::Surplus]),
        state: dice.one(&states),
        at: dice.at(),
        intended: dice.at(),
        tries: dice.n() as u16,
        trade_no: dice.perhaps(Dice::name),
        refunded_at: dice.perhaps(Dice::at),
        done: dice.perhaps(Dice::at),
        code: dice.perhaps(Dice::text),
        named: dice.perhaps(Dice::at),
    }
}

fn order(dice: &mut Dice, n: u64) -> Order {
    use Mismatch as M;
    let mismatches = [M::Amount, M::Account, M::State, M::TradeNo, M::Number];
    let order_no = OrderNo::new(format!("N{n}")).expect("lawful");
    let merchant = dice.name();
    Order {
        id: crate::payment_id(&merchant, &order_no),
        merchant,
        order_no,
        by_code: dice.perhaps(|dice| CodeId::from_random(dice.octets())),
        last: n,
        attempts: dice.some(1, attempt),
        refunds: dice.some(0, refund),
        mismatched: dice.some(0, |dice| (dice.name(), dice.one(&mismatches))),
    }
}

fn bill(dice: &mut Dice) -> (BillKey, BillHead) {
    use {BillKind as K, Resolution as R};
    let key = BillKey {
        account: dice.name(),
        channel: dice.channel(),
        day: Day::from_number(dice.n() as i32),
        kind: dice.one(&[K::Trade, K::Funds, K::Queried]),
    };
    let taken = |dice: &mut Dice| TakenBill {
        index: dice.n(),
        digest: dice.perhaps(|dice| Digest::from_bytes(dice.octets())),
        entries: dice.n(),
    };
    let resolutions = [R::BillStands, R::RecordStands, R::Explained];
    let resolved = dice.some(0, |dice| (dice.n(), dice.one(&resolutions)));
    let head = BillHead {
        merchant: dice.name(),
        tries: dice.n() as u32,
        asked: dice.at(),
        refused: dice.perhaps(Dice::text),
        taken: dice.perhaps(taken),
        differs: dice.some(0, Dice::n),
        early: dice.some(0, Dice::n),
        unanswered: dice.some(0, Dice::n),
        matched: dice.perhaps(Dice::n),
        moved: dice.perhaps(Dice::n),
        resolved: resolved.into_iter().collect(),
    };
    (key, head)
}

fn pay_code(dice: &mut Dice) -> Arc<PayCode> {
    let facts = NewCode {
        code_no: dice.name(),
        code: dice.code(),
        amount: dice.perhaps(Dice::fen),
        order_no: dice.perhaps(Dice::name),
        payee: dice.perhaps(Dice::name),
        expires: dice.perhaps(Dice::at),
        terminal: dice.perhaps(Dice::name),
        title: dice.perhaps(Dice::text),
    };
    Arc::new(PayCode {
        id: CodeId::from_random(dice.octets()),
        merchant: dice.name(),
        facts,
        index: dice.n(),
        made: dice.at(),
        revoked: dice.perhaps(|dice| (dice.at(), dice.n())),
    })
}

fn measure(dice: &mut Dice) -> Measure {
    let subject = match dice.is() {
        true => Subject::Merchant(dice.name()),
        false => Subject::Account {
            account: dice.name(),
            channel: dice.channel(),
        },
    };
    Measure {
        effect: dice.one(&[Effect::Stop, Effect::Lift]),
        id: dice.name(),
        subject,
        until: dice.at(),
    }
}

fn header(dice: &mut Dice, orders: usize) -> Header {
    use {OperationClass as C, Registry as R};
    let numbers = |dice: &mut Dice| Numbers {
        mseq: dice.n(),
        tell: dice.n(),
    };
    let tell = |dice: &mut Dice| Tell {
        merchant: dice.name(),
        seq: dice.n(),
        order: PaymentId::from_bytes(dice.octets()),
        index: dice.n(),
        at: dice.at(),
    };
    let count = |dice: &mut Dice| match dice.is() {
        true => Count::Payer(dice.payer(), dice.code().level),
        false => Count::Merchant(dice.name()),
    };
    let registry = |dice: &mut Dice| RegistryVersion {
        kind: dice.one(&[R::Licence, R::Acquirer, R::Operator]),
        acquirer: dice.perhaps(Dice::name),
        version: dice.n(),
        digest: Digest::from_bytes(dice.octets()),
    };
    let lost = |dice: &mut Dice| Lost {
        channel: dice.channel(),
        account: dice.name(),
        class: dice.one(&[C::Place, C::Change, C::Ask]),
    };
    Header {
        next: dice.n(),
        orders: orders as u64,
        newest: Some((dice.n().saturating_add(8), Digest::from_bytes(dice.octets()))),
        numbers: dice.some(0, |dice| (dice.name(), numbers(dice))),
        tells: dice.some(0, tell),
        cases: dice.perhaps(|dice| (dice.n(), Digest::from_bytes(dice.octets()))),
        cases_at: dice.perhaps(Dice::at),
        measures: dice.some(0, measure),
        epochs: dice
            .some(0, |dice| (dice.n() as u32, dice.is()))
            .into_iter()
            .collect(),
        totals: dice.some(0, |dice| {
            (Day::from_number(dice.n() as i32), count(dice), dice.fen())
        }),
        codes: dice.some(0, pay_code),
        bills: dice.some(0, bill),
        lost: dice.some(0, lost),
        registries: dice.some(0, registry),
    }
}

proptest! {
    #[test]
    fn comes_back_the_same(seed in 1..u64::MAX) {
        let dice = &mut Dice(seed);
        let orders: Vec<_> = (0..dice.n() % 8).map(|n| order(dice, n)).collect();
        let header = header(dice, orders.len());
        let written = put(Vec::new(), &header, orders.iter()).expect("memory takes all");
        let found = Found::in_front(&written[..], written.len() as u64).expect("whole");
        let came = Mutex::new(Vec::new());
        let came_header = found.orders(|order| came.lock().push(order)).expect("whole");
        let mut came = came.into_inner();
        came.sort_by_key(|order| order.last);
        prop_assert_eq!(came_header, header);
        prop_assert_eq!(came, orders);
        let again = again(&written).expect("whole");
        prop_assert_eq!(super::again(&again), Some(again));
    }
}
