//! A bill against our record of its day: line by line, then what no line asked for.

use super::{corrected::Corrected, record, whole};
use channel::bill::{Bill, BillError, Layout};
use domain::*;
use ledger::{BillHead, Ledger, LookupError};
use policy::books::{Book, Key, Ours, Seen, Totals};
use std::collections::HashMap;
use tokio::runtime::Handle;

/// So many differences of one bill stand in the journal one by one; the rest is counted.
const MOST_DIFFERENCES: u64 = 10_000;
/// So many early refunds, or movements without an answer, stand in one entry.
const EARLY_AT_ONCE: usize = 300;

/// Why a bill was not compared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompareError {
    /// The bill is none.
    #[error(transparent)]
    Bill(#[from] BillError),
    /// Our own record cannot be read now.
    #[error(transparent)]
    Lookup(#[from] LookupError),
}

/// What the neighbouring days' bills say of this day.
#[derive(Default)]
pub(crate) struct Neighbours {
    /// Movements of this day that another day's bill has.
    pub(crate) elsewhere: Vec<Key>,
    /// Movements of the day before that its bill did not have, and this one may.
    pub(crate) awaited: Vec<Awaited>,
    /// The next day's bill was read.
    pub(crate) next_is_read: bool,
}

/// A movement of the day before that its bill did not have.
pub(crate) struct Awaited {
    pub(crate) key: Key,
    pub(crate) event: TradeEvent,
}

/// What a comparison gave.
pub(crate) struct Found {
    /// `BillDiffers` in a fixed order, then `BillEarly`, then `BillUnanswered`.
    pub(crate) events: Vec<TradeEvent>,
    /// How many differences there are, those beyond the list too.
    pub(crate) differences: u64,
    /// Sums of the bill.
    pub(crate) totals: Totals,
}

/// Compares; blocks.
pub(crate) struct Comparison<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) handle: &'a Handle,
    pub(crate) merchant: &'a MerchantId,
    pub(crate) bill: &'a BillKey,
    pub(crate) book: Book,
    /// Our record counts as it stood when the journal had so many entries, orders that are looked up too: a comparison that
    /// is resumed comes to the same.
    pub(crate) entries: u64,
}

impl Comparison<'_> {
    /// The whole of it. `octets` is the file as it came; none where the channel says that there is none.
    pub(crate) fn run(
        &mut self,
        layout: Layout,
        octets: Option<&[u8]>,
        neighbours: &Neighbours,
    ) -> Result<Found, CompareError> {
        neighbours
            .elsewhere
            .iter()
            .for_each(|key| self.book.stands_elsewhere(key));
        let mut found = Found {
            events: Vec::new(),
            differences: 0,
            totals: Totals::default(),
        };
        let (mut early, mut unanswered) = (Vec::new(), Vec::new());
        let mut awaited: HashMap<Key, bool> = neighbours.awaited.iter().map(|a| (a.key, false)).collect();
        let mut corrected = Corrected::default();
        if let Some(octets) = octets {
            corrected = Corrected::read(layout, octets)?;
            let mut bill = Bill::open(layout, octets)?;
            if bill.day().is_some_and(|day| day != self.bill.day) {
                return Err(BillError::OtherDay.into());
            }
            while let Some(line) = bill.line()? {
                let (line, ours) = self.line(&line, &mut found, &mut early)?;
                if corrected.took(&bill, &line) {
                    let own = ours.map(|ours| self.own_numbers(&line, &ours)).transpose()?;
                    let ours = ours.as_ref().zip(own.map(|(_, own)| own));
                    let (kind, state) = (DifferenceKind::State, BillState::Corrected);
                    self.differs(&mut found, kind, (&line, state), ours);
                }
                if !awaited.is_empty()
                    && let Some(key) = Key::of(
                        self.bill.channel,
                        line.movement,
                        line.number.as_ref(),
                        line.refund.as_ref(),
                    )
                {
                    awaited.entry(key).and_modify(|came| *came = true);
                    // A way back of an undone order may be called a refund here.
                    if line.movement != Movement::Payment
                        && let Some(key) =
                            Key::of(self.bill.channel, Movement::Reversal, line.number.as_ref(), None)
                    {
                        awaited.entry(key).and_modify(|came| *came = true);
                    }
                }
            }
            if !bill.amounts_agree() {
                tracing::warn!(channel = self.bill.channel.as_str(), day = %self.bill.day, "a bill's sums are of other amounts than its rows; its rows count");
            }
            for line in self.book.settle() {
                let difference = self.book.strange(&line);
                self.differs(&mut found, difference, (&line, line.state.into()), None);
            }
            unanswered.extend_from_slice(bill.unanswered());
        }
        for one in &unanswered {
            self.unanswered(one);
        }
        found.totals = self.book.totals();
        for amount in corrected.rest() {
            self.corrected(amount, &mut found);
        }
        let in_vain = |of: &&Awaited| awaited.get(&of.key) != Some(&true);
        for awaited in neighbours.awaited.iter().filter(in_vain) {
            self.never_came(awaited, &mut found);
        }
        for (key, ours, difference) in self.book.missing(neighbours.next_is_read) {
            self.missing(&key, &ours, difference, &mut found)?;
        }
        for refunds in early.chunks(EARLY_AT_ONCE) {
            found.events.push(TradeEvent::BillEarly {
                bill: self.bill.clone(),
                refunds: refunds.to_vec(),
            });
        }
        // Each for itself: two officers decide about one, by where it stands.
        for one in unanswered {
            found.events.push(TradeEvent::BillUnanswered {
                bill: self.bill.clone(),
                movements: vec![one],
            });
        }
        Ok(found)
    }

    /// What was asked for in vain is not missing in the answers.
    fn unanswered(&mut self, one: &Unanswered) {
        let movement = match one.refund {
            Some(_) => Movement::Refund,
            None => Movement::Payment,
        };
        let key = Key::of(
            self.bill.channel,
            movement,
            Some(&one.number),
            one.refund.as_ref(),
        );
        if let Some(key) = key {
            self.book.unanswered(&key);
        }
    }

    /// The line with its numbers whole, and our record of it.
    fn line(
        &mut self,
        line: &BillLine,
        found: &mut Found,
        early: &mut Vec<(ChannelNo, ChannelNo)>,
    ) -> Result<(BillLine, Option<Ours>), CompareError> {
        let mut seen = self.book.see(line);
        let mut named = None;
        if seen == Seen::Unknown {
            named = self.look_up(line)?;
            if let Some(line) = &named {
                seen = self.book.see(line);
            }
        }
        let line = named.as_ref().unwrap_or(line);
        match seen {
            Seen::Unknown if self.book.hold_back(line) => Ok((line.clone(), None)),
            Seen::Unknown => {
                let difference = self.book.strange(line);
                self.differs(found, difference, (line, line.state.into()), None);
                Ok((line.clone(), None))
            }
            Seen::Known {
                ours,
                kinds,
                early: before,
            } => {
                if before
                    // Of what is asked one by one each movement is asked for on its own day.
                    && self.bill.kind != BillKind::Queried
                    // Where a bill does not name the order, the refund's number alone tells it.
                    && let Some(number) = line.number.as_ref().or(line.refund.as_ref())
                {
                    // A reversal has no number of its own in most bills.
                    early.push((number.clone(), line.refund.as_ref().unwrap_or(number).clone()));
                }
                if kinds.is_empty() {
                    return Ok((line.clone(), Some(ours)));
                }
                let (number, own) = self.own_numbers(line, &ours)?;
                let line = BillLine {
                    number: line.number.clone().or(number),
                    ..line.clone()
                };
                for difference in kinds {
                    let ours = Some((&ours, own.clone()));
                    self.differs(found, difference, (&line, line.state.into()), ours);
                }
                Ok((line, Some(ours)))
            }
        }
    }

    /// The order that a line names, by its own number or by the channel's of its payment, should the journal have it from
    /// another day or in another state: put into the book, and the line with the order's number.
    fn look_up(&mut self, line: &BillLine) -> Result<Option<BillLine>, CompareError> {
        let (channel, account) = (self.bill.channel, &self.bill.account);
        let found = match (&line.number, &line.original) {
            (Some(number), _) => {
                self.handle.block_on(
                    self.ledger
                        .order_by_number(self.merchant, channel, account, number),
                )?
            }
            (None, Some(original)) => self
                .handle
                .block_on(self.ledger.order_by_trade_no(self.merchant, original))?,
            // What moved back names the refund, or what it belongs to by WeChat's own number.
            (None, None) if line.movement == Movement::Refund && channel == Channel::Wechat => self
                .handle
                .block_on(self.ledger.order_by_trade_no(self.merchant, &line.trade_no))?,
            (None, None) => None,
        };
        let found = match found {
            None if whole::may_be_cut(channel, line) => self
                .handle
                .block_on(self.ledger.order_by_trade_no(self.merchant, &line.trade_no))?,
            found => found,
        };
        let Some(order) = found
            .map(|order| self.ledger.as_of(order, self.entries))
            .transpose()?
            .flatten()
        else {
            return Ok(None);
        };
        record::add(&mut self.book, &order, channel, account);
        let paid_by = |original: &TradeNo| {
            let mut own = order
                .attempts
                .iter()
                .filter(|a| a.channel == channel && a.account == *account);
            own.find(|a| {
                a.paid
                    .as_ref()
                    .is_some_and(|(facts, _)| facts.trade_no == *original)
            })
            .map(|a| a.number.clone())
        };
        let number = line
            .number
            .clone()
            .or_else(|| paid_by(line.original.as_ref().unwrap_or(&line.trade_no)));
        let line = BillLine {
            number,
            ..line.clone()
        };
        Ok(Some(whole::of(&order, channel, account, line)))
    }

    /// Our numbers for what a line is about: the order's at the channel, and the channel's own.
    fn own_numbers(
        &self,
        line: &BillLine,
        ours: &Ours,
    ) -> Result<(Option<ChannelNo>, Option<TradeNo>), CompareError> {
        let (channel, account) = (self.bill.channel, &self.bill.account);
        let order = self.order(&ours.payment)?;
        let key = Key::of(channel, line.movement, line.number.as_ref(), line.refund.as_ref());
        let numbers = order
            .zip(key)
            .and_then(|(order, key)| record::numbers(&order, channel, account, &key));
        Ok(numbers.map_or((None, None), |(_, number, _, trade_no)| (Some(number), trade_no)))
    }

    /// An order of our record, as it stood.
    fn order(&self, id: &PaymentId) -> Result<Option<std::sync::Arc<ledger::Order>>, CompareError> {
        let order = self.handle.block_on(self.ledger.order(id))?;
        let order = order
            .map(|order| self.ledger.as_of(order, self.entries))
            .transpose()?;
        Ok(order.flatten())
    }

    fn differs(
        &self,
        found: &mut Found,
        difference: DifferenceKind,
        (line, bill_state): (&BillLine, BillState),
        ours: Option<(&Ours, Option<TradeNo>)>,
    ) {
        let (bill, channel) = (self.bill.clone(), self.bill.channel);
        let bill_day = bill.day;
        found.push(|n| TradeEvent::BillDiffers {
            amount: ours.as_ref().map(|(ours, _)| ours.amount),
            bill,
            bill_amount: Some(line.amount),
            bill_state: Some(bill_state),
            bill_trade_no: Some(line.trade_no.clone()),
            day: ours
                .as_ref()
                .filter(|(ours, _)| ours.is_dated())
                .map_or(bill_day, |(ours, _)| ours.day(channel)),
            difference,
            movement: line.movement,
            n,
            number: line.number.clone(),
            payment: ours.as_ref().map(|(ours, _)| ours.payment),
            refund: line.refund.clone(),
            state: ours.as_ref().map(|(ours, _)| ours.state.into()),
            trade_no: ours.and_then(|(_, own)| own),
        });
    }

    fn missing(
        &self,
        key: &Key,
        ours: &Ours,
        difference: DifferenceKind,
        found: &mut Found,
    ) -> Result<(), CompareError> {
        let bill = self.bill.clone();
        let channel = bill.channel;
        if found.differences >= MOST_DIFFERENCES {
            found.differences += 1;
            return Ok(());
        }
        let order = self.order(&ours.payment)?;
        let numbers = order.and_then(|order| record::numbers(&order, channel, &bill.account, key));
        let (movement, number, refund, trade_no) = numbers.map_or(
            (Movement::Payment, None, None, None),
            |(movement, number, refund, own)| (movement, Some(number), refund, own),
        );
        let (amount, day, payment) = (Some(ours.amount), ours.day(channel), Some(ours.payment));
        let state = Some(ours.state.into());
        found.push(|n| TradeEvent::BillDiffers {
            amount,
            bill,
            bill_amount: None,
            bill_state: None,
            bill_trade_no: None,
            day,
            difference,
            movement,
            n,
            number,
            payment,
            refund,
            state,
            trade_no,
        });
        Ok(())
    }

    /// A correction of the channel's that names no movement of its bill.
    fn corrected(&self, amount: Amount, found: &mut Found) {
        let (bill, day) = (self.bill.clone(), self.bill.day);
        found.push(|n| TradeEvent::BillDiffers {
            amount: None,
            bill,
            bill_amount: Some(amount),
            bill_state: Some(BillState::Corrected),
            bill_trade_no: None,
            day,
            difference: DifferenceKind::OnlyAtChannel,
            movement: Movement::Reversal,
            n,
            number: None,
            payment: None,
            refund: None,
            state: None,
            trade_no: None,
        });
    }

    /// The day before waited for this bill in vain.
    fn never_came(&self, awaited: &Awaited, found: &mut Found) {
        if let TradeEvent::BillDiffers {
            amount,
            day,
            movement,
            number,
            payment,
            refund,
            state,
            trade_no,
            ..
        } = awaited.event.clone()
        {
            found.push(|n| TradeEvent::BillDiffers {
                amount,
                bill: self.bill.clone(),
                bill_amount: None,
                bill_state: None,
                bill_trade_no: None,
                day,
                difference: DifferenceKind::OnlyHere,
                movement,
                n,
                number,
                payment,
                refund,
                state,
                trade_no,
            });
        }
    }
}

impl Found {
    fn push(&mut self, event: impl FnOnce(u64) -> TradeEvent) {
        self.differences += 1;
        if self.differences <= MOST_DIFFERENCES {
            self.events.push(event(self.differences));
        }
    }
}

/// What the bills of the days before and after, as far as they were read, say of this one.
pub(crate) fn neighbours(ledger: &Ledger, bill: &BillKey) -> Result<Neighbours, LookupError> {
    let [before, after] = beside(ledger, bill).map(|head| head.filter(|head| head.matched.is_some()));
    let mut found = Neighbours {
        next_is_read: after.is_some(),
        ..Neighbours::default()
    };
    for (head, is_before) in [(before, true), (after, false)]
        .into_iter()
        .filter_map(|(head, before)| Some((head?, before)))
    {
        neighbour(ledger, bill, &head, is_before, &mut found)?;
    }
    Ok(found)
}

/// How far the account's bills of the day before and of the day after are.
pub(crate) fn beside(ledger: &Ledger, bill: &BillKey) -> [Option<BillHead>; 2] {
    [-1, 1].map(|days| {
        ledger.bill(&BillKey {
            day: Day::from_number(bill.day.number() + days),
            ..bill.clone()
        })
    })
}

fn neighbour(
    ledger: &Ledger,
    bill: &BillKey,
    head: &BillHead,
    is_before: bool,
    found: &mut Neighbours,
) -> Result<(), LookupError> {
    for index in &head.differs {
        let event = ledger.entry(*index)?.event;
        let TradeEvent::BillDiffers {
            difference: DifferenceKind::Day,
            day,
            bill_trade_no,
            movement,
            number,
            refund,
            ..
        } = &event
        else {
            continue;
        };
        let Some(key) = Key::of(bill.channel, *movement, number.as_ref(), refund.as_ref()) else {
            continue;
        };
        match bill_trade_no {
            Some(_) if *day == bill.day => found.elsewhere.push(key),
            None if is_before && *day != bill.day => found.awaited.push(Awaited { key, event }),
            _ => {}
        }
    }
    for index in head.early.iter().filter(|_| is_before) {
        if let TradeEvent::BillEarly { refunds, .. } = ledger.entry(*index)?.event {
            let keys = refunds.iter().flat_map(|(number, refund)| {
                let refund = Key::of(bill.channel, Movement::Refund, Some(number), Some(refund));
                [
                    refund,
                    Key::of(bill.channel, Movement::Reversal, Some(number), None),
                ]
            });
            found.elsewhere.extend(keys.flatten());
        }
    }
    Ok(())
}
