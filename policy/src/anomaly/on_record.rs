//! O01 to O04 运行发现: what the trades journal itself records as out of order. No typology of compliance.md section 7
//! fits them, so they bear ids of our own (policy/specs/controls.md, C59); they are leads for the acquirer like any other.
//!
//! Counted per merchant and natural day (UTC+8) by the journal's clock; a day's finding names the entries that made
//! it so many, and is made once.

use super::{
    clock::Clock,
    finding::{Finding, whole},
    parameters::OnRecord,
    rules::{FlagFacts, Lang, Rule, several},
    window::ByDay,
};
use domain::{Instant, MerchantId, Mismatch, Pattern, TradeEvent};

pub(super) const MISMATCH: Rule = Rule {
    id: "O01",
    version: 1,
    name_zh: "与记录不符",
    name_en: "Does not fit the record",
    why_zh: "渠道的通知或应答所载金额、账户或订单号与已记录的订单不符（银发〔2021〕259号，交易信息真实、可追溯）。",
    why_en: "A channel's notice or answer states another amount, account or number than the order on record (R07, R21).",
};

pub(super) const UNRESOLVED: Rule = Rule {
    id: "O02",
    version: 1,
    name_zh: "结果未明",
    name_en: "Never resolved",
    why_zh: "订单到期而结果无从得知：密钥由商户自持的透传订单没有查询或通知经过本系统，或渠道始终未明确答复；不作推测。",
    why_en: "An order ended and its outcome is not known and not guessed: no query or notice of a merchant that holds its own key passed through, or the channel never gave a clear answer.",
};

pub(super) const PATTERN: Rule = Rule {
    id: "O03",
    version: 1,
    name_zh: "文本疑含个人信息",
    name_en: "Personal data in free text",
    why_zh: "订单的自由文本形似银行卡号、身份证号或手机号；文本未被保存。",
    why_en: "A free text of an order looked like a card, identity or phone number; the text is kept nowhere (R08, R19).",
};

pub(super) const FOREIGN: Rule = Rule {
    id: "O04",
    version: 1,
    name_zh: "无主通知",
    name_en: "Notices for unknown orders",
    why_zh: "同一商户账户一日内多次收到验签通过但不属于任何已记录订单的通知，可能有交易绕过本系统。",
    why_en: "An account of the merchant repeatedly got verified notices for orders that are on no record: trade may be going past this system.",
};

/// What is counted apart, since it is another situation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Kind {
    Amount,
    Account,
    Unresolved,
    Card,
    IdNumber,
    Phone,
    Foreign,
    Number,
}

/// Entries of the day by merchant and kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorded(ByDay<(MerchantId, Kind), Vec<u64>>);

impl Recorded {
    pub(super) fn turn(&mut self, clock: &Clock) {
        self.0.turn(clock);
    }

    /// Takes any event; most are in order.
    //= C59
    pub(super) fn observe(
        &mut self,
        rule: &OnRecord,
        merchant: &MerchantId,
        (index, at): (u64, Instant),
        event: &TradeEvent,
    ) -> Option<Finding> {
        let kind = Kind::of(event)?;
        let (of, wanted) = kind.rule(rule);
        let trades = self
            .0
            .count_to(wanted, at.day(), (merchant.clone(), kind), index)?;
        let count = trades.len() as u64;
        let finding = Finding::of(of, merchant, whole(at.day())).trades(trades);
        Some(
            finding
                .reached(count, wanted.max(1), "trades")
                .with([("kind", kind as u64 + 1), ("trades", wanted.max(1))]),
        )
    }
}

impl Kind {
    /// `None` for what is in order, and for states and trade numbers that do not fit: those come with late notices.
    fn of(event: &TradeEvent) -> Option<Kind> {
        match event {
            TradeEvent::Mismatched { what, .. } => match what {
                Mismatch::Amount => Some(Kind::Amount),
                Mismatch::Account => Some(Kind::Account),
                Mismatch::Number => Some(Kind::Number),
                Mismatch::State | Mismatch::TradeNo => None,
            },
            TradeEvent::AttemptUnresolved { .. } => Some(Kind::Unresolved),
            TradeEvent::PatternSeen { pattern, .. } => Some(match pattern {
                Pattern::Card => Kind::Card,
                Pattern::IdNumber => Kind::IdNumber,
                Pattern::Phone => Kind::Phone,
            }),
            TradeEvent::ForeignNotice { .. } => Some(Kind::Foreign),
            _ => None,
        }
    }

    fn rule(self, rule: &OnRecord) -> (&'static Rule, u64) {
        match self {
            Kind::Amount | Kind::Account | Kind::Number => (&MISMATCH, rule.mismatches),
            Kind::Unresolved => (&UNRESOLVED, rule.unresolved),
            Kind::Card | Kind::IdNumber | Kind::Phone => (&PATTERN, rule.patterns),
            Kind::Foreign => (&FOREIGN, rule.foreign_notices),
        }
    }
}

/// What was counted, in words.
fn what(kind: Option<u64>, lang: Lang) -> (&'static str, &'static str) {
    match (kind, lang) {
        (Some(1), Lang::Zh) => ("通知或应答", "的金额与记录不符"),
        (Some(2), Lang::Zh) => ("通知或应答", "的账户与记录不符"),
        (Some(3), Lang::Zh) => ("订单", "到期而结果未明"),
        (Some(4), Lang::Zh) => ("订单文本", "形似银行卡号"),
        (Some(5), Lang::Zh) => ("订单文本", "形似身份证号"),
        (Some(6), Lang::Zh) => ("订单文本", "形似手机号"),
        (Some(8), Lang::Zh) => ("应答", "的订单号与所查询者不符"),
        (_, Lang::Zh) => ("通知", "不属于任何已记录的订单"),
        (Some(1), Lang::En) => ("notices or answers", "stated another amount than the record"),
        (Some(2), Lang::En) => ("notices or answers", "stated another account than the record"),
        (Some(3), Lang::En) => ("orders", "ended with an unknown outcome"),
        (Some(4), Lang::En) => ("order texts", "looked like a card number"),
        (Some(5), Lang::En) => ("order texts", "looked like an identity number"),
        (Some(6), Lang::En) => ("order texts", "looked like a phone number"),
        (Some(8), Lang::En) => ("answers", "named another order than was asked for"),
        (_, Lang::En) => ("verified notices", "belonged to no order on record"),
    }
}

pub(super) fn words(flag: &FlagFacts<'_>, lang: Lang) -> String {
    let (value, threshold, window) = (flag.value, flag.threshold, flag.window(lang));
    let (things, did) = what(flag.parameter("kind"), lang);
    match lang {
        Lang::Zh => format!("该商户于 {window} 有 {value} 笔{things}{did}；阈值为 {threshold} 笔。"),
        Lang::En => {
            let things = several(value, things);
            format!("{things} of this merchant {did} on {window}; the threshold is {threshold}.")
        }
    }
}
