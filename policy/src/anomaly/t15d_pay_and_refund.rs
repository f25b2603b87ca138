//! T15d 快付快退: large round payments that go back within minutes.
//!
//! A pair is one paid attempt and its refunds asked for within ten minutes of the payment, once they add up to a
//! large round amount: parts of a refund are taken together, and a small correction of a large sale is no pair.
//! It counts when the channel took the refund on. Pairs are counted per merchant, through which the money turns.
//! Refunds that we order ourselves (a second attempt paid too) are no pairs.
//!
//! A reverse that the merchant asked for pays back as a refund does, all of it; it counts once the channel has done it. What
//! we reverse ourselves, because nobody knew whether it was paid or another attempt took its place, is no pair.

use super::{
    clock::Clock,
    finding::Finding,
    orders::{Attempt, Order, Paid, Reverse},
    parameters::T15d,
    rules::{FlagFacts, Lang, Rule},
    window::Rolling,
};
use domain::{Instant, MerchantId, RefundNo, ReverseReason};
use std::collections::HashMap;

pub(super) const RULE: Rule = Rule {
    id: "T15d",
    version: 2,
    name_zh: "快付快退",
    name_en: "Pay and refund",
    why_zh: "同一商户在 24 小时内多次出现大额整数支付后很快退款。",
    why_en: "A merchant has several large round payments within 24 hours that are refunded within minutes.",
};

/// Pairs of merchants.
#[derive(Clone, Debug, Default)]
pub(super) struct PayAndRefund(HashMap<MerchantId, Rolling>);

fn window_ms(rule: &T15d) -> i64 {
    i64::from(rule.hours) * 3_600_000
}

impl PayAndRefund {
    pub(super) fn forget(&mut self, clock: &Clock, rule: &T15d) {
        self.0
            .retain(|_, rolling| !rolling.forget(clock, window_ms(rule)));
    }

    /// The channel took this refund on. The trades named are the payments.
    pub(super) fn taken(
        &mut self,
        rule: &T15d,
        merchant: &MerchantId,
        order: &mut Order,
        no: &RefundNo,
    ) -> Option<Finding> {
        let refund = order.refund(no).filter(|refund| !refund.surplus)?;
        refund.taken = true;
        let (no, asked_at) = (refund.attempt, refund.asked_at);
        let latest = latest(rule, order.attempt(no).paid?);
        let quick = order
            .refunds_of(no)
            .filter(|r| r.taken && !r.surplus && r.asked_at <= latest);
        let back = quick.fold(0_u64, |sum, refund| sum.saturating_add(refund.amount.fen()));
        self.pair(rule, merchant, order.attempt(no), (asked_at, back))
    }

    /// The channel took this payment back.
    pub(super) fn reversed(
        &mut self,
        rule: &T15d,
        merchant: &MerchantId,
        attempt: &mut Attempt,
    ) -> Option<Finding> {
        let Reverse { at, reason } = attempt.reversing?;
        let paid = attempt.paid.filter(|_| reason == ReverseReason::Merchant)?;
        self.pair(rule, merchant, attempt, (at, paid.amount.fen()))
    }

    /// So much of an attempt went back, as was asked for then.
    fn pair(
        &mut self,
        rule: &T15d,
        merchant: &MerchantId,
        attempt: &mut Attempt,
        (asked_at, back): (Instant, u64),
    ) -> Option<Finding> {
        let paid = attempt.paid.filter(|_| !attempt.paired)?;
        let large = back >= rule.amount.fen().max(1) && back.is_multiple_of(rule.round.fen().max(1));
        if !large || asked_at > latest(rule, paid) {
            return None;
        }
        attempt.paired = true;
        let rolling = self.0.entry(merchant.clone()).or_default();
        let full = rolling.add(asked_at, paid.index, window_ms(rule), rule.pairs.max(1))?;
        Some(found(rule, merchant, full))
    }
}

/// Until then what goes back goes back quickly.
fn latest(rule: &T15d, paid: Paid) -> Instant {
    paid.at.plus_millis(i64::from(rule.minutes) * 60_000)
}

fn found(rule: &T15d, merchant: &MerchantId, full: super::window::Full) -> Finding {
    let count = full.trades.len() as u64;
    let parameters = [
        ("amount", rule.amount.fen()),
        ("hours", rule.hours.into()),
        ("minutes", rule.minutes.into()),
        ("pairs", rule.pairs),
        ("round", rule.round.fen()),
    ];
    let finding = Finding::of(&RULE, merchant, full.window).trades(full.trades);
    finding.reached(count, rule.pairs, "trades").with(parameters)
}

pub(super) fn words(flag: &FlagFacts<'_>, lang: Lang) -> String {
    let (value, threshold, window) = (flag.value, flag.threshold, flag.window(lang));
    let (amount, round) = (flag.yuan_of("amount"), flag.yuan_of("round"));
    let minutes = flag.parameter("minutes").unwrap_or_default();
    match lang {
        Lang::Zh => format!(
            "该商户在 {window} 内有 {value} 笔支付在 {minutes} 分钟内退款，每笔退款不低于 {amount} 元且为 {round} 元的整数倍；阈值为 {threshold} 笔。"
        ),
        Lang::En => format!(
            "From {window}, {value} payments to this merchant were refunded within {minutes} minutes, each at least {amount} yuan and a multiple of {round} yuan; the threshold is {threshold}."
        ),
    }
}
