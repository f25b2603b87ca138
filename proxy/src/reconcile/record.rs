//! What our journal says of one day, of all accounts, read once. What began before the day, and what a bill names that is
//! not in here, is looked up order by order.

use domain::*;
use journal::{ReadError, Reader};
use ledger::{Attempt, Ledger, Order, Refund};
use policy::books::{Book, Key, OurState, Ours, day_of, mark, start_of};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The channel's clock and ours may differ by so much.
const SKEW_MS: i64 = 15 * 60_000;

/// News of a day is in its statement where it came on record so soon: as long as bills are kept (chapter 30).
const NEWS_MS: i64 = 120 * 86_400_000;

/// Our record of a day.
pub(crate) struct DayRecord {
    /// By account.
    pub(crate) books: HashMap<(Channel, AccountNo), Book>,
    /// Orders whose beginning lies before the day.
    pub(crate) older: BTreeSet<PaymentId>,
}

/// What an attempt's intent says, as far as it matters here. Small, without texts of its own: a day may have a million.
struct Intent {
    key: Key,
    amount: Amount,
    /// Where its account stands in [`Fold::accounts`].
    account: u16,
    /// Its money is a sub-merchant's.
    apart: bool,
}

/// What a refund's intent says.
struct Asked {
    key: Key,
    amount: Amount,
    account: u16,
    apart: bool,
    at: Instant,
}

/// When the first channel's day begins: one that is earlier than others' begins the record for all.
fn beginning(day: Day) -> Instant {
    let all = Channel::ALL.into_iter().map(|channel| start_of(channel, day));
    all.min().unwrap_or_else(|| day.start()).plus_millis(-SKEW_MS)
}

/// Reads the journal from the day's beginning up to `entries`.
pub(crate) fn read(reader: &Reader, day: Day, entries: u64) -> Result<DayRecord, ReadError> {
    let from = first_at(reader, beginning(day), entries)?;
    let mut fold = Fold::new(day);
    for found in reader.scan(from) {
        let (index, octets) = found?;
        if index >= entries {
            break;
        }
        if !matters(&octets) {
            continue;
        }
        // What a newer version wrote is nothing that this one can compare.
        let Ok(entry) = TradeEntry::from_canonical(&octets) else {
            continue;
        };
        if let Some(order) = entry.order {
            fold.take(order, entry.at, entry.event);
        }
    }
    Ok(fold.ended())
}

/// Do entries from one to another say of a movement that it was done on this day, by any channel's count?
pub(crate) fn is_touched(reader: &Reader, day: Day, from: u64, to: u64) -> Result<bool, ReadError> {
    let on_it = on_the(day);
    for found in reader.scan(from) {
        let (index, octets) = found?;
        if index >= to {
            break;
        }
        if !matters(&octets) {
            continue;
        }
        let Ok(entry) = TradeEntry::from_canonical(&octets) else {
            continue;
        };
        let done = match entry.event {
            TradeEvent::AttemptPaid { facts, .. } => facts.paid_at,
            TradeEvent::RefundSucceeded { refunded_at, .. } => refunded_at.unwrap_or(entry.at),
            TradeEvent::AttemptReversed { .. } => entry.at,
            _ => continue,
        };
        if on_it(done) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Orders of a merchant of which something was put on record from a day's beginning on: those that have an attempt at this
/// account, and those that began earlier, of which that is not known here.
pub(crate) fn orders_at(
    reader: &Reader,
    merchant: &MerchantId,
    here: (Channel, &AccountNo),
    day: Day,
    entries: u64,
) -> Result<BTreeSet<PaymentId>, ReadError> {
    let from = first_at(reader, beginning(day), entries)?;
    let (mut all, mut elsewhere) = (BTreeSet::new(), HashSet::new());
    for found in reader.scan(from) {
        let (index, octets) = found?;
        if index >= entries {
            break;
        }
        if matters(&octets)
            && let Ok(entry) = TradeEntry::from_canonical(&octets)
            && entry.merchant.as_ref() == Some(merchant)
            && let Some(order) = entry.order
        {
            let first = match &entry.event {
                TradeEvent::AttemptIntended {
                    channel,
                    account,
                    attempt,
                    ..
                } => Some((*channel, account)).filter(|_| *attempt == 1),
                _ => None,
            };
            let intended = matches!(entry.event, TradeEvent::AttemptIntended { .. });
            // It began with another account, and nothing was intended here so far.
            if first.is_some_and(|first| first != here) {
                elsewhere.insert(order);
            } else if intended || !elsewhere.contains(&order) {
                all.insert(order);
            }
        }
    }
    Ok(all)
}

/// Orders of a merchant of which a movement on this day came on record, up to so long after it.
pub(crate) fn moved_on(
    reader: &Reader,
    merchant: &MerchantId,
    day: Day,
    entries: u64,
) -> Result<BTreeSet<PaymentId>, ReadError> {
    let (begins, on_it) = (beginning(day), on_the(day));
    let from = first_at(reader, begins, entries)?;
    let to = first_at(reader, begins.plus_millis(NEWS_MS), entries)?;
    let mut all = BTreeSet::new();
    for found in reader.scan(from) {
        let (index, octets) = found?;
        if index >= to {
            break;
        }
        if matters(&octets)
            && let Ok(entry) = TradeEntry::from_canonical(&octets)
            && entry.merchant.as_ref() == Some(merchant)
            && let Some(order) = entry.order
        {
            let may_be = match entry.event {
                TradeEvent::AttemptPaid { facts, .. } => on_it(facts.paid_at),
                TradeEvent::RefundSucceeded { refunded_at, .. } => on_it(refunded_at.unwrap_or(entry.at)),
                // Dated by the channel's clock, which only the order's beginning tells.
                TradeEvent::AttemptReversed { .. } => true,
                _ => false,
            };
            if may_be {
                all.insert(order);
            }
        }
    }
    Ok(all)
}

/// Is an instant on this day, by any channel's count?
fn on_the(day: Day) -> impl Fn(Instant) -> bool {
    move |at| Channel::ALL.into_iter().any(|channel| day_of(channel, at) == day)
}

/// The first entry that was not written before `at`: times rise with the numbers.
fn first_at(reader: &Reader, at: Instant, entries: u64) -> Result<u64, ReadError> {
    let (mut low, mut high) = (0, entries);
    while low < high {
        let middle = low + (high - low) / 2;
        let before = time_of(&reader.entry(middle)?).is_some_and(|written| written < at);
        if before { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// `{"at":1767225600000,"event":{"attempt_paid":{…`: canonical, so its beginning is always the same.
fn time_of(octets: &[u8]) -> Option<Instant> {
    let rest = octets.strip_prefix(b"{\"at\":")?;
    let end = rest.iter().position(|b| *b == b',')?;
    std::str::from_utf8(&rest[..end])
        .ok()?
        .parse()
        .ok()
        .map(Instant::from_millis)
}

fn matters(octets: &[u8]) -> bool {
    const NAMES: [&[u8]; 5] = [
        b"attempt_intended",
        b"attempt_paid",
        b"attempt_reversed",
        b"refund_intended",
        b"refund_succeeded",
    ];
    let event = octets
        .iter()
        .position(|b| *b == b',')
        .and_then(|comma| octets.get(comma..))
        .and_then(|rest| rest.strip_prefix(b",\"event\":{\""));
    event.is_some_and(|rest| {
        NAMES.iter().any(|name| {
            rest.strip_prefix(*name)
                .is_some_and(|after| after.first() == Some(&b'"'))
        })
    })
}

struct Fold {
    day: Day,
    record: DayRecord,
    accounts: Vec<(Channel, AccountNo)>,
    // A tree: a table that doubles would hold three times what it needs while a day of a million grows.
    intents: BTreeMap<(PaymentId, u16), Intent>,
    refunds: HashMap<(PaymentId, RefundNo), Asked>,
}

impl Fold {
    fn new(day: Day) -> Fold {
        Fold {
            day,
            record: DayRecord {
                books: HashMap::new(),
                older: BTreeSet::new(),
            },
            accounts: Vec::new(),
            intents: BTreeMap::new(),
            refunds: HashMap::new(),
        }
    }

    /// Refunds that nobody called done are looked up: where a bill has one by its own number alone, nothing else would find it.
    fn ended(mut self) -> DayRecord {
        self.record
            .older
            .extend(self.refunds.into_keys().map(|(order, _)| order));
        self.record
    }

    fn take(&mut self, order: PaymentId, at: Instant, event: TradeEvent) {
        match event {
            TradeEvent::AttemptIntended {
                account,
                amount,
                attempt,
                channel,
                number,
                payee,
                ..
            } => {
                let apart = is_apart(channel, &account, &payee);
                self.intended((order, attempt), (channel, account), &number, amount, apart);
            }
            TradeEvent::AttemptPaid { attempt, facts, .. } => self.paid(order, attempt, &facts),
            TradeEvent::AttemptReversed {
                refunded: Some(false),
                ..
            } => {}
            // Rare, and its record may be in parts: the order says it whole.
            TradeEvent::AttemptReversed { .. } => drop(self.record.older.insert(order)),
            TradeEvent::RefundIntended {
                amount,
                attempt,
                number,
                refund_no,
                ..
            } => self.asked((order, refund_no), attempt, &number, amount, at),
            TradeEvent::RefundSucceeded {
                refund_no,
                refunded_at,
                trade_no,
                ..
            } => self.refunded(order, refund_no, refunded_at.unwrap_or(at), trade_no),
            _ => {}
        }
    }

    fn intended(
        &mut self,
        of: (PaymentId, u16),
        account: (Channel, AccountNo),
        number: &ChannelNo,
        amount: Amount,
        apart: bool,
    ) {
        let Some(key) = Key::of(account.0, Movement::Payment, Some(number), None) else {
            return;
        };
        let known = self.accounts.iter().position(|known| *known == account);
        let position = known.unwrap_or_else(|| {
            self.accounts.push(account);
            self.accounts.len() - 1
        });
        // Beyond sixty-five thousand accounts an order is looked up like one from before the day.
        if let Ok(account) = u16::try_from(position) {
            let intent = Intent {
                key,
                amount,
                account,
                apart,
            };
            self.intents.insert(of, intent);
        }
    }

    fn paid(&mut self, order: PaymentId, attempt: u16, facts: &PaidFacts) {
        let found = self.intents.get(&(order, attempt)).and_then(|intent| {
            let of = self.accounts.get(usize::from(intent.account))?;
            Some((intent, of))
        });
        let Some((intent, of)) = found else {
            self.record.older.insert(order);
            return;
        };
        let ours = Ours {
            payment: order,
            amount: intent.amount,
            trade_no: Some(mark(facts.trade_no.as_str())),
            asked: day_of(of.0, facts.paid_at),
            done: facts.paid_at,
            state: OurState::Done,
            apart: intent.apart,
        };
        put(&mut self.record.books, self.day, of, intent.key, ours);
    }

    fn asked(
        &mut self,
        of: (PaymentId, RefundNo),
        attempt: u16,
        number: &ChannelNo,
        amount: Amount,
        at: Instant,
    ) {
        let intent = self.intents.get(&(of.0, attempt));
        let key = intent.and_then(|intent| {
            let (channel, _) = self.accounts.get(usize::from(intent.account))?;
            let key = Key::of_refund(*channel, Some(intent.key), Some(number))?;
            Some((key, intent.account, intent.apart))
        });
        match key {
            Some((key, account, apart)) => {
                let asked = Asked {
                    key,
                    amount,
                    account,
                    apart,
                    at,
                };
                self.refunds.insert(of, asked);
            }
            None => drop(self.record.older.insert(of.0)),
        }
    }

    fn refunded(&mut self, order: PaymentId, refund_no: RefundNo, done: Instant, trade_no: Option<TradeNo>) {
        let found = self.refunds.remove(&(order, refund_no)).and_then(|asked| {
            let of = self.accounts.get(usize::from(asked.account))?;
            Some((asked, of))
        });
        let Some((asked, of)) = found else {
            self.record.older.insert(order);
            return;
        };
        // Alipay's refunds carry the payment's number, in its answers as in its bills (channels.md 3.5, 3.7).
        let trade_no = trade_no.map(|no| mark(no.as_str()));
        let ours = Ours {
            payment: order,
            amount: asked.amount,
            trade_no,
            asked: day_of(of.0, asked.at),
            done,
            state: OurState::Done,
            apart: asked.apart,
        };
        put(&mut self.record.books, self.day, of, asked.key, ours);
    }
}

/// Only what this day's bill may have; the rest is looked up where a bill names it.
fn put(
    books: &mut HashMap<(Channel, AccountNo), Book>,
    day: Day,
    of: &(Channel, AccountNo),
    key: Key,
    ours: Ours,
) {
    if !ours.may_stand_in(of.0, day) {
        return;
    }
    match books.get_mut(of) {
        Some(book) => book.put(key, ours),
        None => books
            .entry(of.clone())
            .or_insert_with(|| Book::new(of.0, day))
            .put(key, ours),
    }
}

/// WeChat pays a sub-merchant on its own account (channels.md 1.2); the account that asked has no flow of it.
fn is_apart(channel: Channel, account: &AccountNo, payee: &PayeeNo) -> bool {
    channel == Channel::Wechat && payee.as_str() != account.as_str()
}

/// When an attempt was undone, by the channel's clock. No channel tells it, so it is when we put it on record; where the
/// channel dates the payment before its own order, its clock is behind ours by at least so much.
pub(super) fn undone_at(attempt: &Attempt) -> Option<Instant> {
    let at = attempt.reversing.as_ref()?.done?;
    Some(by_the_channels_clock(attempt, at))
}

fn by_the_channels_clock(attempt: &Attempt, at: Instant) -> Instant {
    let paid_at = attempt.paid.as_ref().map(|(facts, _)| facts.paid_at);
    let behind = paid_at.map_or(0, |paid_at| attempt.at.millis() - paid_at.millis());
    at.plus_millis(if behind > SKEW_MS { -behind } else { 0 })
}

/// Everything that an order has at an account.
pub(crate) fn of_order(order: &Order, channel: Channel, account: &AccountNo) -> Vec<(Key, Ours)> {
    let mut all = Vec::new();
    for (attempt, position) in order.attempts.iter().zip(1..) {
        if attempt.channel != channel || attempt.account != *account {
            continue;
        }
        all.extend(payment(order, attempt));
        all.extend(
            order
                .refunds
                .iter()
                .filter(|refund| refund.attempt == position)
                .filter_map(|r| refund(order, attempt, r)),
        );
    }
    all
}

fn payment(order: &Order, attempt: &Attempt) -> Vec<(Key, Ours)> {
    let paid = attempt.paid.as_ref().map(|(facts, _)| facts);
    let reversing = attempt.reversing.as_ref();
    let back = reversing.and_then(|reversing| reversing.refunded);
    let state = match attempt.state {
        AttemptState::Paid => OurState::Done,
        AttemptState::Reversed if back == Some(false) => OurState::Gone,
        AttemptState::Reversed => OurState::Undone,
        AttemptState::Closed | AttemptState::NotPlaced => OurState::Gone,
        AttemptState::Intended | AttemptState::Placed | AttemptState::Unknown | AttemptState::Unresolved => {
            OurState::Open
        }
    };
    let at = paid.map_or(attempt.at, |facts| facts.paid_at);
    let ours = Ours {
        payment: order.id,
        amount: attempt.amount,
        trade_no: paid.map(|facts| mark(facts.trade_no.as_str())),
        asked: day_of(attempt.channel, at),
        done: at,
        state,
        apart: is_apart(attempt.channel, &attempt.account, &attempt.payee),
    };
    let way_back = reversing.filter(|_| state == OurState::Undone).map(|reversing| {
        let done = undone_at(attempt).unwrap_or(reversing.at);
        let asked = by_the_channels_clock(attempt, reversing.at);
        let sure = paid.is_some() || back == Some(true);
        Ours {
            // UnionPay gives what went back a number of its own, which our record of a reverse does not keep.
            trade_no: ours.trade_no.filter(|_| attempt.channel != Channel::Unionpay),
            asked: day_of(attempt.channel, asked),
            done,
            state: if sure { OurState::Back } else { OurState::MaybeBack },
            ..ours
        }
    });
    let keyed = |movement, ours| {
        Some((
            Key::of(attempt.channel, movement, Some(&attempt.number), None)?,
            ours,
        ))
    };
    let back = way_back.and_then(|ours| keyed(Movement::Reversal, ours));
    keyed(Movement::Payment, ours).into_iter().chain(back).collect()
}

fn refund(order: &Order, attempt: &Attempt, refund: &Refund) -> Option<(Key, Ours)> {
    let state = match refund.state {
        RefundState::Succeeded => OurState::Done,
        RefundState::Intended | RefundState::Processing | RefundState::Unknown | RefundState::Unresolved => {
            OurState::Open
        }
        RefundState::Failed | RefundState::Abnormal | RefundState::Cancelled | RefundState::Held => {
            OurState::Gone
        }
    };
    let own = match attempt.channel {
        Channel::Alipay => attempt.paid.as_ref().map(|(facts, _)| facts.trade_no.as_str()),
        _ => refund.trade_no.as_ref().map(TradeNo::as_str),
    };
    let ours = Ours {
        payment: order.id,
        amount: refund.amount,
        trade_no: own.map(mark),
        asked: day_of(attempt.channel, refund.intended),
        done: refund.counted(),
        state,
        apart: is_apart(attempt.channel, &attempt.account, &attempt.payee),
    };
    Some((
        Key::of(
            attempt.channel,
            Movement::Refund,
            Some(&attempt.number),
            Some(&refund.number),
        )?,
        ours,
    ))
}

/// Puts what an order has at an account into its book: where nobody told of it on this day, a bill of this day may.
pub(crate) fn add(book: &mut Book, order: &Order, channel: Channel, account: &AccountNo) {
    of_order(order, channel, account)
        .into_iter()
        .for_each(|(key, ours)| book.put_looked_up(key, ours));
}

/// Numbers of a record of ours, for people: the order's, the refund's, the channel's own.
pub(crate) fn numbers(
    order: &Order,
    channel: Channel,
    account: &AccountNo,
    key: &Key,
) -> Option<(Movement, ChannelNo, Option<ChannelNo>, Option<TradeNo>)> {
    for (attempt, position) in order
        .attempts
        .iter()
        .zip(1..)
        .filter(|(a, _)| a.channel == channel && a.account == *account)
    {
        let paid = attempt.paid.as_ref().map(|(facts, _)| facts.trade_no.clone());
        for movement in [Movement::Payment, Movement::Reversal] {
            if Key::of(channel, movement, Some(&attempt.number), None).as_ref() == Some(key) {
                return Some((movement, attempt.number.clone(), None, paid));
            }
        }
        for refund in order.refunds.iter().filter(|refund| refund.attempt == position) {
            if Key::of(
                channel,
                Movement::Refund,
                Some(&attempt.number),
                Some(&refund.number),
            )
            .as_ref()
                == Some(key)
            {
                let own = if channel == Channel::Alipay {
                    paid
                } else {
                    refund.trade_no.clone()
                };
                return Some((
                    Movement::Refund,
                    attempt.number.clone(),
                    Some(refund.number.clone()),
                    own,
                ));
            }
        }
    }
    None
}

/// Looks up the orders whose beginning lies before the day, as they stood when the journal had so many entries.
pub(crate) async fn complete(
    ledger: &Ledger,
    record: &mut DayRecord,
    day: Day,
    entries: u64,
) -> Result<(), ledger::LookupError> {
    for id in std::mem::take(&mut record.older) {
        let Some(order) = ledger.order(&id).await? else {
            continue;
        };
        let Some(order) = ledger.as_of(order, entries)? else {
            continue;
        };
        put_order(record, day, &order);
    }
    Ok(())
}

fn put_order(record: &mut DayRecord, day: Day, order: &Order) {
    let accounts: BTreeSet<_> = order
        .attempts
        .iter()
        .map(|a| (a.channel, a.account.clone()))
        .collect();
    for of in accounts {
        for (key, ours) in of_order(order, of.0, &of.1) {
            put(&mut record.books, day, &of, key, ours);
        }
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
