//! T15a 无交易退款、超额退款、重复退款: money back that no trade covers.
//!
//! Policy refuses such refunds (C18, C19), so what is seen here is mostly the attempt. "Any" counts: one refused
//! refund is enough by default, flagged once a day and merchant. Should such a refund ever be on record as sent,
//! the order itself is flagged, once. A second refund of what was refunded in full is "above the trade".

use super::{
    clock::Clock,
    finding::{Finding, whole},
    orders::Order,
    parameters::T15a,
    rules::{FlagFacts, Lang, Rule, several, yuan},
    window::ByDay,
};
use crate::clauses;
use domain::{Clause, Instant, MerchantId};

pub(super) const RULE: Rule = Rule {
    id: "T15a",
    version: 1,
    name_zh: "无交易或超额退款",
    name_en: "Refund without trade or above it",
    why_zh: "退款没有对应的成功交易，或累计退款超过原交易金额。",
    why_en: "A refund has no paid trade, or refunds add up to more than the trade.",
};

/// Refused refunds of merchants by day.
#[derive(Clone, Debug, Default)]
pub(super) struct RefundBeyondTrade(ByDay<MerchantId, Vec<u64>>);

impl RefundBeyondTrade {
    pub(super) fn turn(&mut self, clock: &Clock) {
        self.0.turn(clock);
    }

    /// Policy refused a refund.
    pub(super) fn refused(
        &mut self,
        rule: &T15a,
        merchant: &MerchantId,
        (index, at): (u64, Instant),
        clause: Clause,
    ) -> Option<Finding> {
        if ![clauses::PAID, clauses::REFUND_TOTAL].contains(&clause) {
            return None;
        }
        let trades = self.0.count_to(rule.refused, at.day(), merchant.clone(), index)?;
        let finding = Finding::of(&RULE, merchant, whole(at.day())).reached(
            trades.len() as u64,
            rule.refused,
            "trades",
        );
        Some(finding.trades(trades).with([("refused", rule.refused)]))
    }
}

/// A refund of this attempt was intended: is it covered?
pub(super) fn intended(
    order: &mut Order,
    attempt: u16,
    merchant: &MerchantId,
    at: Instant,
) -> Option<Finding> {
    let paid = order
        .attempts
        .iter()
        .find(|a| a.no == attempt)
        .and_then(|a| a.paid);
    // An order forgotten in between may well have been paid: it is not judged.
    if order.flagged || (paid.is_none() && !order.whole) {
        return None;
    }
    let refunded = order
        .refunds_of(attempt)
        .fold(0_u64, |sum, refund| sum.saturating_add(refund.amount.fen()));
    let covered = paid.map_or(0, |paid| paid.amount.fen());
    if refunded <= covered {
        return None;
    }
    let trades: Vec<u64> = order
        .refunds_of(attempt)
        .map(|r| r.index)
        .chain(paid.map(|paid| paid.index))
        .collect();
    order.flagged = true;
    let from = paid.map_or(at, |paid| paid.at.min(at));
    let finding = Finding::of(&RULE, merchant, (from, at.plus_millis(1))).trades(trades);
    Some(
        finding
            .reached(refunded, covered, "fen")
            .with([("paid", covered)]),
    )
}

pub(super) fn words(flag: &FlagFacts<'_>, lang: Lang) -> String {
    let (value, threshold, window) = (flag.value, flag.threshold, flag.window(lang));
    let (refunded, paid) = (yuan(value), yuan(threshold));
    let is_refused = flag.parameter("refused").is_some();
    match (lang, is_refused) {
        (Lang::Zh, true) => format!(
            "该商户于 {window} 有 {value} 笔退款请求没有对应的成功交易或超过原交易金额，均已拒绝；阈值为 {threshold} 笔。"
        ),
        (Lang::Zh, false) => {
            format!("该商户一笔订单退款合计 {refunded} 元，而该订单成功支付 {paid} 元（{window}）。")
        }
        (Lang::En, true) => format!(
            "This merchant asked for {} on {window} without a paid trade or above it, and was refused. The threshold is {threshold}.",
            several(value, "refunds")
        ),
        (Lang::En, false) => format!(
            "Refunds of one order add up to {refunded} yuan, while {paid} yuan were paid for it ({window})."
        ),
    }
}
