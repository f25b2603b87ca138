//! T10 一付多商: one payer at many merchants in a short time.
//!
//! Counted are merchants at which the payer paid, or was declined where the channel names who was. Only merchants of
//! one acquirer count together. The finding stands at the merchant that made them so many; it names one trade of each,
//! the payer's latest there.

use super::{
    clock::Clock,
    finding::{Finding, Scope},
    parameters::T10,
    rules::{FlagFacts, Lang, Rule},
    window::LATE_DAYS,
};
use domain::{Instant, MerchantId, PayerToken};
use std::collections::{BTreeMap, HashMap};

pub(super) const RULE: Rule = Rule {
    id: "T10",
    version: 1,
    name_zh: "一付多商",
    name_en: "One payer, many merchants",
    why_zh: "同一付款人短时间内在多个不同商户交易，是套现、跑分与盗用账户集中消费常见的形态。",
    why_en: "One payer trades with many different merchants in a short time, as cashing out, points running and stolen wallets do.",
};

/// Visits of payers.
#[derive(Clone, Debug, Default)]
pub(super) struct ManyMerchants(HashMap<(Scope, PayerToken), Visits>);

/// One payer's visits within one acquirer's merchants.
#[derive(Clone, Debug, Default)]
struct Visits {
    /// By time, then index.
    seen: Vec<(Instant, u64, MerchantId)>,
    /// Until then the situation is the same, for each of the two windows.
    quiet_until: [Option<Instant>; 2],
}

/// One trade of a known payer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit<'a> {
    pub(super) index: u64,
    pub(super) at: Instant,
    pub(super) merchant: &'a MerchantId,
    pub(super) scope: &'a Scope,
    pub(super) payer: PayerToken,
}

/// The two windows: minutes, and merchants wanted.
fn windows(rule: &T10) -> [(u64, u64); 2] {
    [
        (rule.minutes.into(), rule.merchants.max(1)),
        (u64::from(rule.hours) * 60, rule.merchants_long.max(1)),
    ]
}

fn ms(minutes: u64) -> i64 {
    minutes as i64 * 60_000
}

impl ManyMerchants {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn forget(&mut self, clock: &Clock, rule: &T10) {
        let longest = windows(rule)
            .map(|(minutes, _)| ms(minutes))
            .into_iter()
            .max()
            .unwrap_or_default();
        let late = longest + i64::from(LATE_DAYS) * 86_400_000;
        self.0.retain(|_, visits| {
            visits.seen.retain(|(at, ..)| clock.keeps(*at, late));
            let quiet = |until: Option<Instant>| until.filter(|until| !clock.is_ahead(*until, longest));
            visits.quiet_until = visits.quiet_until.map(quiet);
            !visits.seen.is_empty()
        });
    }

    pub(super) fn visited(&mut self, rule: &T10, visit: Visit<'_>) -> Vec<Finding> {
        let visits = self.0.entry((visit.scope.clone(), visit.payer)).or_default();
        let place = visits
            .seen
            .partition_point(|(at, index, _)| (*at, *index) <= (visit.at, visit.index));
        visits
            .seen
            .insert(place, (visit.at, visit.index, visit.merchant.clone()));
        let mut findings = Vec::new();
        for (which, (minutes, wanted)) in windows(rule).into_iter().enumerate() {
            let Some((window, trades)) = visits.full(place, which, ms(minutes), wanted) else {
                continue;
            };
            let count = trades.len() as u64;
            let finding = Finding::of(&RULE, visit.merchant, window)
                .payer(visit.payer)
                .trades(trades);
            findings.push(
                finding
                    .reached(count, wanted, "merchants")
                    .with([("merchants", wanted), ("minutes", minutes)]),
            );
        }
        findings
    }
}

type Window = (Instant, Instant);

impl Visits {
    /// The first window with the visit at `place` in it that holds enough merchants, once per window.
    fn full(&mut self, place: usize, which: usize, length: i64, wanted: u64) -> Option<(Window, Vec<u64>)> {
        if (self.seen.len() as u64) < wanted {
            return None; // most payers
        }
        let at = self.seen[place].0;
        let ends = self.seen[place..]
            .iter()
            .map(|(end, ..)| *end)
            .take_while(|end| *end < at.plus_millis(length));
        let (window, trades) = ends
            .map(|end| self.within(end.plus_millis(1), length))
            .find(|(_, trades)| trades.len() as u64 >= wanted)?;
        let quiet = &mut self.quiet_until[which];
        if quiet.is_some_and(|until| window.1 <= until) {
            return None;
        }
        *quiet = Some(window.1.plus_millis(length));
        Some((window, trades))
    }

    /// The latest visit at each merchant in the window that ends there.
    fn within(&self, until: Instant, length: i64) -> (Window, Vec<u64>) {
        let from = until.plus_millis(-length);
        let inside = self.seen.iter().filter(|(at, ..)| (from..until).contains(at));
        let latest: BTreeMap<&MerchantId, u64> =
            inside.map(|(_, index, merchant)| (merchant, *index)).collect();
        ((from, until), latest.into_values().collect())
    }
}

pub(super) fn words(flag: &FlagFacts<'_>, lang: Lang) -> String {
    let (value, threshold, window) = (flag.value, flag.threshold, flag.window(lang));
    let minutes = flag.parameter("minutes").unwrap_or_default();
    match lang {
        Lang::Zh => format!(
            "同一付款人在 {minutes} 分钟内（{window}）于 {value} 个不同商户交易；阈值为 {threshold} 个。"
        ),
        Lang::En => format!(
            "One payer traded with {value} different merchants within {minutes} minutes (from {window}); the threshold is {threshold}."
        ),
    }
}
