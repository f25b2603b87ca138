//! T05 拆分: one payer's day at one merchant reaches a limit that no single trade reaches.
//!
//! Trades that reach the limit by themselves are left out rather than clearing the day: a single large trade
//! must not hide the parts beside it. Each limit is flagged once a day.

use super::{
    clock::Clock,
    finding::{Finding, Trade, whole},
    parameters::T05,
    rules::{FlagFacts, Lang, Rule, yuan},
    window::ByDay,
};
use domain::{Amount, MerchantId, PayerToken};
use std::collections::BTreeSet;

pub(super) const RULE: Rule = Rule {
    id: "T05",
    version: 2,
    name_zh: "拆分交易",
    name_en: "Splitting",
    why_zh: "同一付款人同日在同一商户的多笔交易合计达到限额，而单笔均低于限额。",
    why_en: "One payer's trades at one merchant in a day add up to a limit that each of them stays below.",
};

/// A payer's day at a merchant.
#[derive(Clone, Debug, Default)]
struct Parts {
    trades: Vec<(u64, Amount)>,
    flagged: BTreeSet<Amount>,
}

/// Days of payers at merchants.
#[derive(Clone, Debug, Default)]
pub(super) struct Splitting(ByDay<(MerchantId, PayerToken), Parts>);

impl Splitting {
    pub(super) fn turn(&mut self, clock: &Clock) {
        self.0.turn(clock);
    }

    pub(super) fn paid(&mut self, rule: &T05, trade: &Trade<'_>) -> Vec<Finding> {
        let day = trade.at.day();
        let Some((payer, parts)) = trade
            .payer
            .and_then(|payer| Some((payer, self.0.entry(day, (trade.merchant.clone(), payer))?)))
        else {
            return Vec::new();
        };
        parts.trades.push((trade.index, trade.amount));
        let limits: BTreeSet<Amount> = rule.limits.iter().copied().chain(trade.cap).collect();
        let reached = limits
            .into_iter()
            .filter_map(|limit| parts.reach(limit, rule.trades).map(|found| (limit, found)));
        let reached: Vec<_> = reached.collect();
        let finding = |(limit, (sum, trades)): (Amount, (u64, Vec<u64>))| {
            let parameters = [
                ("count", trades.len() as u64),
                ("limit", limit.fen()),
                ("trades", rule.trades),
            ];
            let finding = Finding::of(&RULE, trade.merchant, whole(day))
                .payer(payer)
                .trades(trades);
            finding.reached(sum, limit.fen(), "fen").with(parameters)
        };
        reached.into_iter().map(finding).collect()
    }

    /// The trade was reversed.
    pub(super) fn taken_back(&mut self, trade: &Trade<'_>) {
        let key = trade.payer.map(|payer| (trade.merchant.clone(), payer));
        if let Some(parts) = key.and_then(|key| self.0.entry(trade.at.day(), key)) {
            parts.trades.retain(|(index, _)| *index != trade.index);
        }
    }
}

impl Parts {
    /// Sum and indices of the trades below the limit, where they have just come to reach it together.
    fn reach(&mut self, limit: Amount, wanted: u64) -> Option<(u64, Vec<u64>)> {
        if self.flagged.contains(&limit) {
            return None;
        }
        let below: Vec<&(u64, Amount)> = self.trades.iter().filter(|(_, amount)| *amount < limit).collect();
        let sum = below
            .iter()
            .fold(0_u64, |sum, (_, amount)| sum.saturating_add(amount.fen()));
        if sum < limit.fen() || (below.len() as u64) < wanted || below.is_empty() {
            return None;
        }
        let trades = below.iter().map(|(index, _)| *index).collect();
        self.flagged.insert(limit);
        Some((sum, trades))
    }
}

pub(super) fn words(flag: &FlagFacts<'_>, lang: Lang) -> String {
    let (sum, limit, window) = (yuan(flag.value), yuan(flag.threshold), flag.window(lang));
    let count = flag.parameter("count").unwrap_or(flag.trades as u64);
    match lang {
        Lang::Zh => format!(
            "同一付款人于 {window} 在该商户支付 {count} 笔，合计 {sum} 元，达到限额 {limit} 元，而单笔均低于该限额。"
        ),
        Lang::En => format!(
            "One payer paid this merchant {count} times on {window}, {sum} yuan in all, which reaches the limit of {limit} yuan that each trade stays below."
        ),
    }
}
