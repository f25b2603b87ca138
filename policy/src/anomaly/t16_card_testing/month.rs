//! A merchant's natural month (UTC+8) in which too great a share of the attempts was card testing.

use crate::anomaly::{
    clock::Clock,
    finding::Finding,
    parameters::T16,
    rules::{FlagFacts, Lang},
    tried::Tried,
};
use domain::{Day, Instant, MerchantId};
use std::collections::HashMap;

/// Most entries that a month's finding names; the latest are.
const MOST: usize = 1_000;

/// This month of merchants.
#[derive(Clone, Debug, Default)]
pub(super) struct Months(HashMap<MerchantId, Month>);

#[derive(Clone, Debug)]
struct Month {
    /// Its first day and that of the next.
    days: (Day, Day),
    attempts: u64,
    testing: u64,
    named: Vec<u64>,
    flagged: bool,
}

/// First day of the month that holds this time, and of the next one.
fn month(at: Instant) -> (Day, Day) {
    let first = |day: Day| Day::from_number(day.number() + 1 - day.ymd().2 as i32);
    let begin = first(at.day());
    // 34 days later it is the fourth to the seventh of the next month.
    (begin, first(Day::from_number(begin.number() + 34)))
}

impl Months {
    pub(super) fn forget(&mut self, clock: &Clock) {
        let today = clock.sure().day();
        self.0
            .retain(|_, month| month.days.1 > today && !clock.is_ahead(month.days.0.start(), 0));
    }

    /// `testing` are the entries that have just come to be counted as card testing: those of the last minutes, which at a
    /// month's beginning may be the former month's.
    pub(super) fn tried(&mut self, rule: &T16, tried: &Tried<'_>, testing: &[u64]) -> Option<Finding> {
        let days = month(tried.at);
        let fresh = || Month {
            days,
            attempts: 0,
            testing: 0,
            named: Vec::new(),
            flagged: false,
        };
        let it = self.0.entry(tried.merchant.clone()).or_insert_with(fresh);
        if tried.at.day() >= it.days.1 {
            *it = fresh();
        }
        it.attempts += 1;
        it.testing += testing.len() as u64;
        it.named.extend(testing);
        it.named.drain(..it.named.len().saturating_sub(MOST));
        let share = it.testing * 100 / it.attempts;
        // "More than 20 %": broken above equality only.
        let over = u128::from(it.testing) * 100 > u128::from(it.attempts) * u128::from(rule.month_percent);
        if it.flagged || it.attempts < rule.month_attempts || !over {
            return None;
        }
        it.flagged = true;
        let finding = Finding::of(
            &super::RULE,
            tried.merchant,
            (it.days.0.start(), it.days.1.start()),
        )
        .trades(it.named.iter().copied());
        let parameters = [
            ("attempts", it.attempts),
            ("month_attempts", rule.month_attempts),
            ("percent", rule.month_percent),
            ("sign", 3),
            ("testing", it.testing),
        ];
        Some(
            finding
                .reached(share, rule.month_percent, "percent")
                .with(parameters),
        )
    }
}

pub(super) fn words(flag: &FlagFacts<'_>, lang: Lang) -> String {
    let (value, threshold, window) = (flag.value, flag.threshold, flag.window(lang));
    let (attempts, testing) = (
        flag.parameter("attempts").unwrap_or_default(),
        flag.parameter("testing").unwrap_or_default(),
    );
    match lang {
        Lang::Zh => format!(
            "该商户当月（{window}）的 {attempts} 次支付尝试中有 {testing} 次属于试卡时段，占 {value}%，超过 {threshold}%。"
        ),
        Lang::En => format!(
            "{testing} of this merchant's {attempts} attempts of the month (from {window}) fell into bouts of card testing, {value} %, more than {threshold} %."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_begin_on_their_first_day_in_china() {
        for number in 0..60_000 {
            let day = Day::from_number(number);
            let (from, until) = month(day.start());
            let next = Day::from_number(number + 1);
            let last = next.ymd().1 != day.ymd().1;
            assert_eq!(
                (from.ymd().0, from.ymd().1, from.ymd().2),
                (day.ymd().0, day.ymd().1, 1),
                "{day}"
            );
            assert_eq!(until == next, last, "{day}: {until}");
        }
    }
}
