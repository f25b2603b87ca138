//! One payer who is declined again and again.

use crate::anomaly::{
    clock::Clock,
    finding::{Finding, Scope},
    parameters::T16,
    rules::{FlagFacts, Lang, several},
    tried::Tried,
    window::Rolling,
};
use domain::PayerToken;
use std::collections::HashMap;

const DAY_MS: i64 = 86_400_000;

/// Declines of payers in the day's window and in that of thirty days.
#[derive(Clone, Debug, Default)]
pub(super) struct Declines(HashMap<(Scope, PayerToken), [Rolling; 2]>);

/// Days of the two windows, and declines wanted.
fn windows(rule: &T16) -> [(u64, u64); 2] {
    [(1, rule.declines.max(1)), (30, rule.declines_long.max(1))]
}

impl Declines {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn forget(&mut self, clock: &Clock, rule: &T16) {
        self.0.retain(|_, rolling| {
            let empty = rolling
                .iter_mut()
                .zip(windows(rule))
                .map(|(rolling, (days, _))| rolling.forget(clock, days as i64 * DAY_MS));
            !empty.fold(true, |all, empty| all & empty)
        });
    }

    pub(super) fn tried(&mut self, rule: &T16, tried: &Tried<'_>) -> Vec<Finding> {
        let Some(payer) = tried.payer.filter(|_| tried.declined) else {
            return Vec::new();
        };
        let rolling = self.0.entry((tried.scope.clone(), payer)).or_default();
        let full = rolling
            .iter_mut()
            .zip(windows(rule))
            .filter_map(|(rolling, (days, wanted))| {
                Some((
                    rolling.add(tried.at, tried.index, days as i64 * DAY_MS, wanted)?,
                    days,
                    wanted,
                ))
            });
        let finding = |(full, days, wanted): (crate::anomaly::window::Full, u64, u64)| {
            let count = full.trades.len() as u64;
            let finding = Finding::of(&super::RULE, tried.merchant, full.window)
                .payer(payer)
                .trades(full.trades);
            finding
                .reached(count, wanted, "trades")
                .with([("days", days), ("declines", wanted), ("sign", 2)])
        };
        full.map(finding).collect()
    }
}

pub(super) fn words(flag: &FlagFacts<'_>, lang: Lang) -> String {
    let (value, threshold, window) = (flag.value, flag.threshold, flag.window(lang));
    let days = flag.parameter("days").unwrap_or_default();
    match lang {
        Lang::Zh => format!("同一付款人在 {days} 天内（{window}）被拒 {value} 次；阈值为 {threshold} 次。"),
        Lang::En => format!(
            "One payer was declined {value} times within {} (from {window}); the threshold is {threshold}.",
            several(days, "days")
        ),
    }
}
