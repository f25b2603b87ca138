//! Day totals: what each merchant has ordered and each payer token has reserved, per UTC+8 day. A fold over intents;
//! what was surely not placed or was closed unpaid is given back. Only today and yesterday are kept.

use crate::{Attempt, Order};
use domain::{Amount, CodeLevel, Day, MerchantId, PayerToken};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};

/// What a total counts.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Count {
    /// One payer token's orders under codes of one level (R18).
    Payer(PayerToken, CodeLevel),
    /// All orders of one merchant.
    Merchant(MerchantId),
}

/// A total that must not be exceeded.
#[derive(Clone, Debug)]
pub struct Ceiling {
    /// What is counted.
    pub count: Count,
    /// Fen per UTC+8 day; a total equal to it is allowed.
    pub most: Amount,
}

/// A reservation did not fit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exceeded(pub Count);

type Days = HashMap<Day, HashMap<Count, Amount>>;

#[derive(Default)]
struct Totals {
    /// On record.
    recorded: Days,
    /// Taken, not on record yet.
    reserved: Days,
    /// The day at the last housekeeping.
    ticked: Option<Day>,
}

/// Day totals, shared.
#[derive(Clone, Default)]
pub struct Tally(Arc<Mutex<Totals>>);

/// Room taken in day totals; given back when dropped. The intent's own entry counts from then on.
#[must_use]
pub struct Reservation {
    tally: Tally,
    day: Day,
    amount: Amount,
    counts: Vec<Count>,
}

impl Tally {
    /// Takes room for `amount` under every ceiling, or nothing at all.
    pub fn reserve(&self, day: Day, amount: Amount, ceilings: &[Ceiling]) -> Result<Reservation, Exceeded> {
        self.reserve_instead(day, amount, ceilings, None)
    }

    /// The same for an attempt that takes the place of this order's latest one: what that one counts is not counted
    /// against it, since it is closed before the new one is sent. Until then both stand in the totals.
    pub fn reserve_instead(
        &self,
        day: Day,
        amount: Amount,
        ceilings: &[Ceiling],
        order: Option<&Order>,
    ) -> Result<Reservation, Exceeded> {
        let former = order
            .map(|order| (order.latest(), &order.merchant))
            .filter(|(a, _)| a.counts() && a.paid.is_none() && a.at.day() == day);
        let freed = former.map_or((Amount::ZERO, Vec::new()), |(attempt, merchant)| {
            (attempt.amount, counts(attempt, merchant))
        });
        let mut totals = self.0.lock();
        for ceiling in ceilings {
            let total = totals.of(day, &ceiling.count);
            let others = if freed.1.contains(&ceiling.count) {
                total.checked_sub(freed.0).unwrap_or_default()
            } else {
                total
            };
            if others.checked_add(amount).is_none_or(|sum| sum > ceiling.most) {
                return Err(Exceeded(ceiling.count.clone()));
            }
        }
        let counts: Vec<Count> = ceilings.iter().map(|c| c.count.clone()).collect();
        add(&mut totals.reserved, day, amount, &counts);
        Ok(Reservation {
            tally: self.clone(),
            day,
            amount,
            counts,
        })
    }

    /// Fen counted so far.
    pub fn total(&self, day: Day, count: &Count) -> Amount {
        self.0.lock().of(day, count)
    }

    pub(crate) fn add(&self, attempt: &Attempt, merchant: &MerchantId) {
        add(
            &mut self.0.lock().recorded,
            attempt.at.day(),
            attempt.amount,
            &counts(attempt, merchant),
        );
    }

    /// The payer of a counted attempt became known: it counts for that payer too, and for no other.
    //= C13
    pub(crate) fn payer_known(&self, attempt: &Attempt, before: Option<PayerToken>) {
        let of = |token| Count::Payer(token, attempt.code.level);
        let recorded = &mut self.0.lock().recorded;
        take(
            recorded,
            attempt.at.day(),
            attempt.amount,
            &before.map(of).into_iter().collect::<Vec<_>>(),
        );
        add(
            recorded,
            attempt.at.day(),
            attempt.amount,
            &attempt.payer.map(of).into_iter().collect::<Vec<_>>(),
        );
    }

    pub(crate) fn give_back(&self, attempt: &Attempt, merchant: &MerchantId) {
        take(
            &mut self.0.lock().recorded,
            attempt.at.day(),
            attempt.amount,
            &counts(attempt, merchant),
        );
    }

    /// Forgets days before yesterday, at every tick of the housekeeping. The earlier of two ticks tells what day it is: a host
    /// clock that was wrong at one of them clears no limit of today.
    pub(crate) fn tick(&self, today: Day) {
        let mut totals = self.0.lock();
        if let Some(before) = totals.ticked.replace(today) {
            let sure = before.min(today);
            totals.recorded.retain(|day, _| day.number() + 1 >= sure.number());
        }
    }

    /// What is on record, for the snapshot.
    pub(crate) fn recorded(&self) -> Vec<(Day, Count, Amount)> {
        let totals = self.0.lock();
        let of_day = |(day, counts): (&Day, &HashMap<Count, Amount>)| {
            let day = *day;
            counts
                .iter()
                .map(move |(count, amount)| (day, count.clone(), *amount))
                .collect::<Vec<_>>()
        };
        totals.recorded.iter().flat_map(of_day).collect()
    }

    /// Takes over what a snapshot held.
    pub(crate) fn restore(&self, recorded: Vec<(Day, Count, Amount)>) {
        let mut totals = self.0.lock();
        for (day, count, amount) in recorded {
            totals.recorded.entry(day).or_default().insert(count, amount);
        }
    }
}

impl Totals {
    fn of(&self, day: Day, count: &Count) -> Amount {
        let on = |days: &Days| {
            days.get(&day)
                .and_then(|d| d.get(count))
                .copied()
                .unwrap_or_default()
        };
        on(&self.recorded)
            .checked_add(on(&self.reserved))
            .unwrap_or(Amount::MAX)
    }
}

fn add(days: &mut Days, day: Day, amount: Amount, counts: &[Count]) {
    let of_day = days.entry(day).or_default();
    for count in counts {
        let total = of_day.entry(count.clone()).or_default();
        *total = total.checked_add(amount).unwrap_or(Amount::MAX);
    }
}

fn take(days: &mut Days, day: Day, amount: Amount, counts: &[Count]) {
    let Some(of_day) = days.get_mut(&day) else { return };
    for count in counts {
        let left = of_day
            .get(count)
            .and_then(|total| total.checked_sub(amount))
            .filter(|left| !left.is_zero());
        match left {
            Some(left) => of_day.insert(count.clone(), left),
            None => of_day.remove(count),
        };
    }
}

fn counts(attempt: &Attempt, merchant: &MerchantId) -> Vec<Count> {
    let payer = attempt.payer.map(|token| Count::Payer(token, attempt.code.level));
    payer
        .into_iter()
        .chain([Count::Merchant(merchant.clone())])
        .collect()
}

impl Drop for Reservation {
    fn drop(&mut self) {
        take(
            &mut self.tally.0.lock().reserved,
            self.day,
            self.amount,
            &self.counts,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ceiling(most: u64) -> Ceiling {
        Ceiling {
            count: Count::Merchant(MerchantId::new("m1").expect("lawful")),
            most: Amount::from_fen(most),
        }
    }

    #[test]
    //= C12
    fn a_reservation_fits_up_to_the_ceiling_and_is_given_back_when_dropped() {
        let (tally, day) = (Tally::default(), Day::from_number(20_000));
        let first = tally
            .reserve(day, Amount::from_fen(60), &[ceiling(100)])
            .expect("fits");
        assert!(tally.reserve(day, Amount::from_fen(41), &[ceiling(100)]).is_err());
        let second = tally
            .reserve(day, Amount::from_fen(40), &[ceiling(100)])
            .expect("equality is allowed");
        drop((first, second));
        assert_eq!(tally.total(day, &ceiling(0).count), Amount::ZERO);
    }

    #[test]
    fn days_do_not_mix() {
        let tally = Tally::default();
        let _today = tally
            .reserve(Day::from_number(1), Amount::from_fen(100), &[ceiling(100)])
            .expect("fits");
        assert!(
            tally
                .reserve(Day::from_number(2), Amount::from_fen(100), &[ceiling(100)])
                .is_ok()
        );
    }

    #[test]
    //= C12
    fn a_clock_that_is_wrong_at_one_tick_clears_no_days_total() {
        let (tally, today) = (Tally::default(), Day::from_number(20_000));
        let of = |day| (day, ceiling(0).count, Amount::from_fen(1));
        let yesterday = Day::from_number(19_999);
        tally.restore(vec![of(today), of(yesterday), of(Day::from_number(19_998))]);
        for number in [20_000, 21_461, 20_000] {
            tally.tick(Day::from_number(number));
            assert_eq!(tally.total(today, &ceiling(0).count), Amount::from_fen(1));
        }
        let mut days: Vec<Day> = tally.recorded().into_iter().map(|row| row.0).collect();
        days.sort();
        assert_eq!(days, [yesterday, today], "two ticks agree on what is old");
        for _ in 0..2 {
            tally.tick(Day::from_number(20_002));
        }
        assert_eq!(tally.recorded(), []);
    }

    #[test]
    fn all_ceilings_or_none() {
        let (tally, day) = (Tally::default(), Day::from_number(1));
        let other = Ceiling {
            count: Count::Merchant(MerchantId::new("m2").expect("lawful")),
            most: Amount::from_fen(5),
        };
        assert!(
            tally
                .reserve(day, Amount::from_fen(10), &[ceiling(100), other])
                .is_err()
        );
        assert_eq!(tally.total(day, &ceiling(0).count), Amount::ZERO);
    }
}
