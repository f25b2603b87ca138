//! T28 超条码限额: one payer's day by codes of one level goes over the limit of R18.
//!
//! The limit counts per customer, so trades at all merchants add up, but a finding names only those of the
//! merchant's own acquirer. Two signs: paid trades over the limit (possible where the payer is known only from
//! the payment, as with native codes), and an order that was refused and would have gone over it. "Not above":
//! broken only above equality. It is one situation per acquirer and day, whichever sign shows first; each acquirer
//! hears of it at its own next trade of that payer.

use super::{
    clock::Clock,
    finding::{Finding, Scope, Trade, whole},
    rules::{FlagFacts, Lang, Rule, yuan},
    window::ByDay,
};
use crate::payer_day_ceiling;
use domain::{Amount, CodeLevel, Day, Instant, MerchantId, PayerToken, PaymentId};
use std::collections::BTreeSet;

pub(super) const RULE: Rule = Rule {
    id: "T28",
    version: 3,
    name_zh: "超条码支付限额",
    name_en: "Code limit exceeded",
    why_zh: "同一付款人当日以同一风险防范等级条码支付的金额超过条码支付业务规范的限额（银发〔2017〕296号）。",
    why_en: "One payer's day by payment codes of one level exceeds the limit of the barcode payment rules (银发〔2017〕296号).",
};

/// An attempt in a payer's day.
#[derive(Clone, Debug)]
struct Part {
    id: (PaymentId, u16),
    index: u64,
    amount: Amount,
    paid: bool,
    scope: Scope,
}

/// A payer's day by codes of one level.
#[derive(Clone, Debug, Default)]
struct PayerDay {
    parts: Vec<Part>,
    /// Who heard of it.
    flagged: BTreeSet<Scope>,
}

/// Days of payers.
#[derive(Clone, Debug, Default)]
pub(super) struct CodeLimit(ByDay<(PayerToken, CodeLevel), PayerDay>);

/// An attempt about to be sent, or refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) index: u64,
    pub(super) at: Instant,
    pub(super) amount: Amount,
    pub(super) level: CodeLevel,
    pub(super) payer: PayerToken,
    pub(super) merchant: &'a MerchantId,
    pub(super) scope: &'a Scope,
}

impl CodeLimit {
    pub(super) fn turn(&mut self, clock: &Clock) {
        self.0.turn(clock);
    }

    /// An attempt of a known payer goes out.
    pub(super) fn intended(&mut self, id: (PaymentId, u16), asked: Asked<'_>) {
        self.put(
            asked.at.day(),
            (asked.payer, asked.level),
            Part {
                id,
                index: asked.index,
                amount: asked.amount,
                paid: false,
                scope: asked.scope.clone(),
            },
        );
    }

    /// An attempt came to nothing: its room is free again.
    pub(super) fn given_back(
        &mut self,
        id: (PaymentId, u16),
        intended: Instant,
        payer: PayerToken,
        level: CodeLevel,
    ) {
        if payer_day_ceiling(level).is_none() {
            return;
        }
        if let Some(day) = self.0.entry(intended.day(), (payer, level)) {
            day.parts.retain(|part| part.id != id || part.paid);
        }
    }

    /// A trade was paid. Its own intention, if one stands, was given back before.
    pub(super) fn paid(&mut self, id: (PaymentId, u16), trade: &Trade<'_>) -> Option<Finding> {
        let (payer, level) = (trade.payer?, trade.level?);
        let part = Part {
            id,
            index: trade.index,
            amount: trade.amount,
            paid: true,
            scope: trade.scope.clone(),
        };
        let limit = payer_day_ceiling(level)?.fen();
        let day = self.put(trade.at.day(), (payer, level), part)?;
        let sum = day.sum(|part| part.paid);
        if sum <= limit || !day.flagged.insert(trade.scope.clone()) {
            return None;
        }
        let trades = day.named(trade.scope, |part| part.paid);
        Some(
            found(trade.merchant, trade.at.day(), payer, (sum, limit))
                .trades(trades)
                .with(parameters(limit, level, false)),
        )
    }

    /// The trade was reversed.
    pub(super) fn taken_back(&mut self, id: (PaymentId, u16), trade: &Trade<'_>) {
        let key = trade.payer.zip(trade.level);
        if let Some(day) = key.and_then(|key| self.0.entry(trade.at.day(), key)) {
            day.parts.retain(|part| part.id != id);
        }
    }

    /// An order was refused with the uniform clause; the numbers say whether it would have gone over the limit.
    pub(super) fn refused(&mut self, asked: Asked<'_>) -> Option<Finding> {
        let limit = payer_day_ceiling(asked.level)?.fen();
        let day = self.0.entry(asked.at.day(), (asked.payer, asked.level))?;
        let sum = day.sum(|_| true).saturating_add(asked.amount.fen());
        if sum <= limit || !day.flagged.insert(asked.scope.clone()) {
            return None;
        }
        let trades = day.named(asked.scope, |_| true).into_iter().chain([asked.index]);
        let finding = found(asked.merchant, asked.at.day(), asked.payer, (sum, limit)).trades(trades);
        Some(finding.with(parameters(limit, asked.level, true)))
    }

    fn put(&mut self, day: Day, key: (PayerToken, CodeLevel), part: Part) -> Option<&mut PayerDay> {
        payer_day_ceiling(key.1)?;
        let day = self.0.entry(day, key)?;
        day.parts.retain(|known| known.id != part.id);
        day.parts.push(part);
        Some(day)
    }
}

impl PayerDay {
    fn sum(&self, which: impl Fn(&Part) -> bool) -> u64 {
        self.parts
            .iter()
            .filter(|part| which(part))
            .fold(0, |sum, part| sum.saturating_add(part.amount.fen()))
    }

    fn named(&self, scope: &Scope, which: impl Fn(&Part) -> bool) -> Vec<u64> {
        self.parts
            .iter()
            .filter(|part| which(part) && part.scope == *scope)
            .map(|part| part.index)
            .collect()
    }
}

fn found(merchant: &MerchantId, day: Day, payer: PayerToken, (sum, limit): (u64, u64)) -> Finding {
    Finding::of(&RULE, merchant, whole(day))
        .payer(payer)
        .reached(sum, limit, "fen")
}

/// Levels A to D as 1 to 4, since parameters are numbers.
fn parameters(limit: u64, level: CodeLevel, refused: bool) -> [(&'static str, u64); 3] {
    [
        ("level", level as u64 + 1),
        ("limit", limit),
        ("refused", refused.into()),
    ]
}

pub(super) fn words(flag: &FlagFacts<'_>, lang: Lang) -> String {
    let (sum, limit, window) = (yuan(flag.value), yuan(flag.threshold), flag.window(lang));
    let level = match flag.parameter("level") {
        Some(1) => "A",
        Some(2) => "B",
        Some(3) => "C",
        _ => "D",
    };
    match (lang, flag.parameter("refused") == Some(1)) {
        (Lang::Zh, true) => format!(
            "同一付款人于 {window} 以 {level} 级条码支付，连同一笔被拒绝的订单合计 {sum} 元，超过当日限额 {limit} 元。"
        ),
        (Lang::Zh, false) => {
            format!("同一付款人于 {window} 以 {level} 级条码成功支付合计 {sum} 元，超过当日限额 {limit} 元。")
        }
        (Lang::En, true) => format!(
            "One payer's day of {window} by codes of level {level}, with an order that was refused, comes to {sum} yuan, above the limit of {limit} yuan a day."
        ),
        (Lang::En, false) => format!(
            "One payer paid {sum} yuan by codes of level {level} on {window}, above the limit of {limit} yuan a day."
        ),
    }
}
