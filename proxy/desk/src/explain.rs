//! Why the proxy refused uniformly (C01): worked out again from what stood in the trades journal before the refusal.
//!
//! Three reasons look alike outside: a stopped merchant (C15), a stopped account (C16), a payer's day limit (C13).
//! The measures are those that the proxy put on record as observed, so it is what the proxy obeyed, not what the desk
//! had ordered by then. What fits none of the three is not explained: better no reason than a wrong one.

use domain::*;
use policy::{Measures, clauses, payer_day_ceiling, registry::MerchantFacts};
use std::collections::HashMap;

type PayerDay = (Day, PayerToken, CodeLevel);
type Attempt = (PaymentId, u16);

/// What the proxy knew, as its journal shows it.
#[derive(Clone, Debug, Default)]
pub struct Explain {
    measures: Measures,
    /// Fen of each attempt that counts in a payer's day.
    days: HashMap<PayerDay, HashMap<Attempt, u64>>,
    /// In whose day an attempt counts.
    places: HashMap<Attempt, PayerDay>,
    today: Option<Day>,
}

impl Explain {
    /// Takes an entry, in order. For a uniform refusal: `Some` of the true clause, where it is known.
    pub fn observe(
        &mut self,
        entry: &TradeEntry,
        merchant: Option<&MerchantFacts>,
    ) -> Option<Option<Clause>> {
        self.turn(entry.at.day());
        match (&entry.event, entry.order) {
            (TradeEvent::MeasureObserved { measure, .. }, _) => self.measures.observe(measure),
            (
                TradeEvent::AttemptIntended {
                    amount,
                    attempt,
                    code,
                    payer: Some(payer),
                    ..
                },
                Some(order),
            ) => {
                self.reserve((order, *attempt), (entry.at.day(), *payer, code.level), *amount);
            }
            (
                TradeEvent::AttemptNotPlaced { attempt, .. }
                | TradeEvent::AttemptClosed { attempt, .. }
                | TradeEvent::AttemptReversed { attempt, .. }
                | TradeEvent::AttemptUnresolved { attempt },
                Some(order),
            ) => self.give_back((order, *attempt)),
            (
                TradeEvent::Refused {
                    clause: Clause::NOT_ACCEPTED,
                    ..
                },
                _,
            ) => {
                return Some(self.reason(entry, merchant));
            }
            _ => {}
        }
        None
    }

    /// The clause behind a uniform refusal, in the order in which the proxy asks.
    fn reason(&self, entry: &TradeEntry, facts: Option<&MerchantFacts>) -> Option<Clause> {
        let TradeEvent::Refused {
            amount,
            channel,
            code,
            payer,
            ..
        } = &entry.event
        else {
            return None;
        };
        let merchant = entry.merchant.as_ref()?;
        if self.measures.stops_merchant(entry.at, merchant) {
            return Some(clauses::MEASURE_MERCHANT);
        }
        let accounts = facts.into_iter().flat_map(|facts| &facts.accounts);
        let mut used = accounts.filter(|account| channel.is_none_or(|channel| channel == account.channel));
        if used.any(|account| {
            self.measures
                .stops_account(entry.at, account.channel, &account.account)
        }) {
            return Some(clauses::MEASURE_ACCOUNT);
        }
        let (level, payer, amount) = ((*code)?.level, (*payer)?, (*amount)?);
        let limit = payer_day_ceiling(level)?.fen();
        let day = self.days.get(&(entry.at.day(), payer, level));
        let sum = day
            .into_iter()
            .flat_map(|day| day.values())
            .fold(amount.fen(), |sum, fen| sum.saturating_add(*fen));
        (sum > limit).then_some(clauses::PAYER_LIMIT)
    }

    fn reserve(&mut self, attempt: Attempt, place: PayerDay, amount: Amount) {
        if payer_day_ceiling(place.2).is_some() {
            self.days.entry(place).or_default().insert(attempt, amount.fen());
            self.places.insert(attempt, place);
        }
    }

    fn give_back(&mut self, attempt: Attempt) {
        if let Some(day) = self
            .places
            .remove(&attempt)
            .and_then(|place| self.days.get_mut(&place))
        {
            day.remove(&attempt);
        }
    }

    /// With each new day, days before yesterday are forgotten.
    fn turn(&mut self, day: Day) {
        if self.today.is_some_and(|today| day <= today) {
            return;
        }
        self.today = Some(day);
        let recent = |other: Day| other.number() + 1 >= day.number();
        self.days.retain(|place, _| recent(place.0));
        self.places.retain(|_, place| recent(place.0));
    }
}
