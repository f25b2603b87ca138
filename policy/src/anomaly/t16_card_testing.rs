//! T16 试卡: stolen cards or wallets are tried out with small amounts.
//!
//! Three signs, each a situation of its own:
//! 1. at a merchant, within ten minutes, many small attempts of many payers of which most are declined;
//! 2. one payer is declined very often, in a day or in thirty days, at merchants of one acquirer;
//! 3. a merchant's natural month (UTC+8) in which attempts of the first kind have too great a share.
//!
//! An attempt is one that was paid, or that the payer's own side declined (`AttemptNotPlaced.declined`, or
//! `AttemptDeclined` where the order stays open); a used code, a wrong setting or a ceiling is none. Where a refusal does not name the payer, each such attempt counts as another
//! payer's: a payment code is good once, and whose it was nobody says. How many those are stands in the finding.

mod declines;
mod month;

use super::{
    clock::Clock,
    finding::Finding,
    parameters::T16,
    rules::{FlagFacts, Lang, Rule},
    tried::Tried,
};
use declines::Declines;
use domain::{Amount, Instant, MerchantId, PayerToken};
use month::Months;
use std::collections::{HashMap, VecDeque};

pub(super) const RULE: Rule = Rule {
    id: "T16",
    version: 1,
    name_zh: "试卡",
    name_en: "Card testing",
    why_zh: "短时间内多个付款人的小额支付大多被拒，或同一付款人被拒次数过多，可能有人在试探盗取的卡或账户。",
    why_en: "Many small payments of many payers are declined within minutes, or one payer is declined again and again, as when stolen cards or wallets are tried out.",
};

/// All three signs.
#[derive(Clone, Debug, Default)]
pub(super) struct CardTesting {
    minutes: HashMap<MerchantId, Minutes>,
    declines: Declines,
    months: Months,
}

/// A merchant's latest attempts, with what is asked of them kept up to date, so that a busy merchant costs no more.
#[derive(Clone, Debug, Default)]
struct Minutes {
    seen: VecDeque<Attempt>,
    payers: HashMap<PayerToken, u32>,
    unknown: u64,
    declined: u64,
    small: u64,
    /// Attempts up to here were counted as testing in the merchant's month.
    counted: Option<u64>,
    quiet_until: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Attempt {
    at: Instant,
    index: u64,
    amount: Amount,
    payer: Option<PayerToken>,
    declined: bool,
}

fn window_ms(rule: &T16) -> i64 {
    i64::from(rule.minutes) * 60_000
}

impl CardTesting {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.minutes.len() + self.declines.len()
    }

    pub(super) fn forget(&mut self, clock: &Clock, rule: &T16) {
        let kept = |last: &Attempt| clock.keeps(last.at, 2 * window_ms(rule));
        self.minutes
            .retain(|_, minutes| minutes.seen.back().is_some_and(kept));
        self.declines.forget(clock, rule);
        self.months.forget(clock);
    }

    pub(super) fn tried(&mut self, rule: &T16, tried: &Tried<'_>) -> Vec<Finding> {
        let minutes = self.minutes.entry(tried.merchant.clone()).or_default();
        minutes.push(rule, tried);
        let full = minutes.is_testing(rule);
        let new = if full { minutes.newly_counted() } else { Vec::new() };
        let mut findings: Vec<Finding> = full
            .then(|| minutes.found(rule, tried))
            .flatten()
            .into_iter()
            .collect();
        findings.extend(self.declines.tried(rule, tried));
        findings.extend(self.months.tried(rule, tried, &new));
        findings
    }
}

impl Minutes {
    fn push(&mut self, rule: &T16, tried: &Tried<'_>) {
        let at = self.seen.back().map_or(tried.at, |last| last.at.max(tried.at));
        let attempt = Attempt {
            at,
            index: tried.index,
            amount: tried.amount,
            payer: tried.payer,
            declined: tried.declined,
        };
        self.count(rule, attempt, true);
        self.seen.push_back(attempt);
        let from = at.plus_millis(1 - window_ms(rule));
        while let Some(first) = self.seen.front().copied().filter(|first| first.at < from) {
            self.seen.pop_front();
            self.count(rule, first, false);
        }
    }

    /// Takes an attempt in, or out again.
    fn count(&mut self, rule: &T16, attempt: Attempt, more: bool) {
        let step = |count: &mut u64, yes: bool| {
            *count = if more {
                *count + u64::from(yes)
            } else {
                *count - u64::from(yes)
            }
        };
        step(&mut self.declined, attempt.declined);
        step(&mut self.small, attempt.amount <= rule.amount);
        step(&mut self.unknown, attempt.payer.is_none());
        let Some(payer) = attempt.payer else { return };
        let count = self.payers.entry(payer).or_default();
        *count = if more { *count + 1 } else { *count - 1 };
        if *count == 0 {
            self.payers.remove(&payer);
        }
    }

    fn payers(&self) -> u64 {
        self.payers.len() as u64 + self.unknown
    }

    /// The median is no more than the amount exactly if half of the attempts, rounded up, are.
    fn is_testing(&self, rule: &T16) -> bool {
        let attempts = self.seen.len() as u64;
        attempts >= rule.attempts.max(1)
            && self.payers() >= rule.payers
            && u128::from(self.declined) * 100 >= u128::from(attempts) * u128::from(rule.percent)
            && self.small * 2 >= attempts
    }

    /// Entries that are counted as testing from now on.
    fn newly_counted(&mut self) -> Vec<u64> {
        let before = self.counted;
        let new = self
            .seen
            .iter()
            .map(|attempt| attempt.index)
            .filter(|index| before.is_none_or(|last| *index > last))
            .collect();
        self.counted = self.seen.back().map(|attempt| attempt.index);
        new
    }

    fn found(&mut self, rule: &T16, tried: &Tried<'_>) -> Option<Finding> {
        let until = self.seen.back()?.at.plus_millis(1);
        if self.quiet_until.is_some_and(|quiet| until <= quiet) {
            return None;
        }
        self.quiet_until = Some(until.plus_millis(window_ms(rule)));
        let attempts = self.seen.len() as u64;
        let finding = Finding::of(
            &RULE,
            tried.merchant,
            (until.plus_millis(-window_ms(rule)), until),
        );
        let finding = finding.trades(self.seen.iter().map(|attempt| attempt.index));
        let parameters = [
            ("amount", rule.amount.fen()),
            ("attempts", rule.attempts),
            ("declined", self.declined),
            ("minutes", rule.minutes.into()),
            ("payers", self.payers()),
            ("payers_unknown", self.unknown),
            ("percent", rule.percent),
            ("sign", 1),
        ];
        Some(
            finding
                .reached(attempts, rule.attempts, "trades")
                .with(parameters),
        )
    }
}

pub(super) fn words(flag: &FlagFacts<'_>, lang: Lang) -> String {
    match flag.parameter("sign") {
        Some(2) => declines::words(flag, lang),
        Some(3) => month::words(flag, lang),
        _ => minutes_words(flag, lang),
    }
}

fn minutes_words(flag: &FlagFacts<'_>, lang: Lang) -> String {
    let (value, threshold, window, amount) = (
        flag.value,
        flag.threshold,
        flag.window(lang),
        flag.yuan_of("amount"),
    );
    let of = |name| flag.parameter(name).unwrap_or_default();
    let (minutes, declined, payers, unknown, percent) = (
        of("minutes"),
        of("declined"),
        of("payers"),
        of("payers_unknown"),
        of("percent"),
    );
    match lang {
        Lang::Zh => format!(
            "该商户在 {minutes} 分钟内（{window}）有 {value} 次支付尝试，来自 {payers} 个付款人（其中 {unknown} 次渠道未告知付款人，各按一人计），{declined} 次被付款方拒绝，半数以上不超过 {amount} 元；阈值为 {threshold} 次、拒绝占 {percent}%。"
        ),
        Lang::En => format!(
            "Within {minutes} minutes (from {window}) this merchant saw {value} attempts of {payers} payers ({unknown} of them not named by the channel and counted as one each); {declined} were declined and at least half were of {amount} yuan or less. The thresholds are {threshold} attempts and {percent} % declined."
        ),
    }
}
