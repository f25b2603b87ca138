//! T01 同额连续: the same payer pays the same merchant the same amount again and again in a day.

use super::{
    clock::Clock,
    finding::{Finding, Trade, whole},
    parameters::T01,
    rules::{FlagFacts, Lang, Rule},
    window::ByDay,
};
use domain::{Amount, MerchantId, PayerToken};

pub(super) const RULE: Rule = Rule {
    id: "T01",
    version: 2,
    name_zh: "同额连续",
    name_en: "Same amount repeated",
    why_zh: "同一付款人同日在同一商户以相同金额多次成功支付，是套现与恶意拆单常见的形态。",
    why_en: "One payer pays one merchant the same amount several times in a day, a common shape of cashing out and split orders.",
};

/// Equal trades by merchant, payer and amount.
#[derive(Clone, Debug, Default)]
pub(super) struct SameAmount(ByDay<(MerchantId, PayerToken, Amount), Vec<u64>>);

impl SameAmount {
    pub(super) fn turn(&mut self, clock: &Clock) {
        self.0.turn(clock);
    }

    pub(super) fn paid(&mut self, rule: &T01, trade: &Trade<'_>) -> Option<Finding> {
        let payer = trade.payer?;
        let day = trade.at.day();
        let key = (trade.merchant.clone(), payer, trade.amount);
        let trades = self.0.count_to(rule.trades, day, key, trade.index)?;
        let count = trades.len() as u64;
        let finding = Finding::of(&RULE, trade.merchant, whole(day))
            .payer(payer)
            .trades(trades);
        let parameters = [("amount", trade.amount.fen()), ("trades", rule.trades)];
        Some(finding.reached(count, rule.trades, "trades").with(parameters))
    }

    /// The trade was reversed.
    pub(super) fn taken_back(&mut self, rule: &T01, trade: &Trade<'_>) {
        if let Some(payer) = trade.payer {
            let key = (trade.merchant.clone(), payer, trade.amount);
            self.0.uncount(rule.trades, trade.at.day(), key, trade.index);
        }
    }
}

pub(super) fn words(flag: &FlagFacts<'_>, lang: Lang) -> String {
    let (value, threshold, amount, window) = (
        flag.value,
        flag.threshold,
        flag.yuan_of("amount"),
        flag.window(lang),
    );
    match lang {
        Lang::Zh => format!(
            "同一付款人于 {window} 在该商户以相同金额 {amount} 元成功支付 {value} 笔，阈值为 {threshold} 笔。"
        ),
        Lang::En => format!(
            "One payer paid this merchant the same amount, {amount} yuan, {value} times on {window}; the threshold is {threshold}."
        ),
    }
}
