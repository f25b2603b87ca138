//! T04 临界金额: trades of one payer that stay just under the same limit.
//!
//! The definition names no merchant, so trades of one payer at all merchants of one acquirer count together. It
//! is read as "under the *same* limit": three trades under three different limits dodge nothing.

use super::{
    clock::Clock,
    finding::{Finding, Scope, Trade},
    parameters::T04,
    rules::{FlagFacts, Lang, Rule},
    window::Rolling,
};
use domain::{Amount, PayerToken};
use std::collections::HashMap;

pub(super) const RULE: Rule = Rule {
    id: "T04",
    version: 2,
    name_zh: "临界金额",
    name_en: "Just under a limit",
    why_zh: "同一付款人在 24 小时内多笔交易金额恰低于同一限额，可能在规避该限额。",
    why_en: "Several trades of one payer within 24 hours lie just under the same limit, as they would to stay below it.",
};

/// Trades just under a limit.
#[derive(Clone, Debug, Default)]
pub(super) struct UnderLimit(HashMap<(Scope, PayerToken, Amount), Rolling>);

fn window_ms(rule: &T04) -> i64 {
    i64::from(rule.hours) * 3_600_000
}

impl UnderLimit {
    pub(super) fn forget(&mut self, clock: &Clock, rule: &T04) {
        self.0
            .retain(|_, rolling| !rolling.forget(clock, window_ms(rule)));
    }

    pub(super) fn paid(&mut self, rule: &T04, trade: &Trade<'_>) -> Option<Finding> {
        let (payer, limit) = (trade.payer?, limit(rule, trade.amount)?);
        let rolling = self.0.entry((trade.scope.clone(), payer, limit)).or_default();
        let full = rolling.add(trade.at, trade.index, window_ms(rule), rule.trades.max(1))?;
        let count = full.trades.len() as u64;
        let finding = Finding::of(&RULE, trade.merchant, full.window)
            .payer(payer)
            .trades(full.trades);
        let parameters = [
            ("hours", rule.hours.into()),
            ("limit", limit.fen()),
            ("percent", rule.percent),
            ("trades", rule.trades),
        ];
        Some(finding.reached(count, rule.trades, "trades").with(parameters))
    }

    /// The trade was reversed.
    pub(super) fn taken_back(&mut self, rule: &T04, trade: &Trade<'_>) {
        if let (Some(payer), Some(limit)) = (trade.payer, limit(rule, trade.amount))
            && let Some(rolling) = self.0.get_mut(&(trade.scope.clone(), payer, limit))
        {
            rolling.remove(trade.index);
        }
    }
}

/// The limit that an amount lies just under.
fn limit(rule: &T04, amount: Amount) -> Option<Amount> {
    let under = |limit: &&Amount| just_under(amount, **limit, rule.percent);
    rule.limits.iter().find(under).copied()
}

/// In `[percent % of limit, limit)`.
fn just_under(amount: Amount, limit: Amount, percent: u64) -> bool {
    let (amount, limit) = (u128::from(amount.fen()), u128::from(limit.fen()));
    amount < limit && amount * 100 >= limit * u128::from(percent)
}

pub(super) fn words(flag: &FlagFacts<'_>, lang: Lang) -> String {
    let (value, threshold, limit, window) = (
        flag.value,
        flag.threshold,
        flag.yuan_of("limit"),
        flag.window(lang),
    );
    let percent = flag.parameter("percent").unwrap_or_default();
    match lang {
        Lang::Zh => format!(
            "同一付款人在 {window} 内有 {value} 笔交易金额达到限额 {limit} 元的 {percent}% 而低于该限额，阈值为 {threshold} 笔。"
        ),
        Lang::En => format!(
            "One payer made {value} trades of at least {percent} % of the limit of {limit} yuan and below it, from {window}; the threshold is {threshold}."
        ),
    }
}
