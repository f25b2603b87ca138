//! The rules by name, and what a flag says to an officer.

use super::{
    finding::Finding, on_record, t01_same_amount, t04_under_limit, t05_splitting, t10_many_merchants,
    t15a_refund_beyond_trade, t15d_pay_and_refund, t16_card_testing, t20_payee, t26_channel_hopping,
    t28_code_limit,
};
use domain::{Amount, CaseEvent, Instant};
use std::{collections::BTreeMap, sync::Arc};

/// A rule as people know it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    /// `T01` … of compliance.md section 7, or `O01` … of our own.
    pub id: &'static str,
    /// Rises with every change of what it finds.
    pub version: u32,
    /// Chinese name.
    pub name_zh: &'static str,
    /// English name.
    pub name_en: &'static str,
    /// What it looks at and why, in Chinese.
    pub why_zh: &'static str,
    /// What it looks at and why, in English.
    pub why_en: &'static str,
}

/// Every rule of this watch, by id.
pub fn rules() -> &'static [Rule] {
    static RULES: [Rule; 14] = [
        on_record::MISMATCH,
        on_record::UNRESOLVED,
        on_record::PATTERN,
        on_record::FOREIGN,
        t01_same_amount::RULE,
        t04_under_limit::RULE,
        t05_splitting::RULE,
        t10_many_merchants::RULE,
        t15a_refund_beyond_trade::RULE,
        t15d_pay_and_refund::RULE,
        t16_card_testing::RULE,
        t20_payee::RULE,
        t26_channel_hopping::RULE,
        t28_code_limit::RULE,
    ];
    &RULES
}

/// A language of the desk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lang {
    /// Chinese.
    Zh,
    /// English.
    En,
}

/// What is known of a flag, from a [`Finding`] or from the cases journal.
#[derive(Clone, Copy, Debug)]
pub struct FlagFacts<'a> {
    /// `T01` …, `O01` ….
    pub rule: &'a str,
    /// How many entries it names.
    pub trades: usize,
    /// Window, begin.
    pub window_from: Instant,
    /// Window, end (not included).
    pub window_until: Instant,
    /// What was observed.
    pub value: u64,
    /// What had to be reached.
    pub threshold: u64,
    /// `fen`, `trades`, `merchants`, `channels` or `percent`.
    pub unit: &'a str,
    /// The rule's parameters.
    pub parameters: &'a BTreeMap<Arc<str>, u64>,
}

impl<'a> From<&'a Finding> for FlagFacts<'a> {
    fn from(f: &'a Finding) -> Self {
        FlagFacts {
            rule: f.rule,
            trades: f.trades.len(),
            window_from: f.window_from,
            window_until: f.window_until,
            value: f.value,
            threshold: f.threshold,
            unit: f.unit,
            parameters: &f.parameters,
        }
    }
}

impl<'a> FlagFacts<'a> {
    /// From a `FlagRaised` of the cases journal; `None` for any other event.
    pub fn of(event: &'a CaseEvent) -> Option<Self> {
        let CaseEvent::FlagRaised {
            rule,
            trades,
            window_from,
            window_until,
            value,
            threshold,
            unit,
            parameters,
            ..
        } = event
        else {
            return None;
        };
        Some(FlagFacts {
            rule,
            trades: trades.len(),
            window_from: *window_from,
            window_until: *window_until,
            value: *value,
            threshold: *threshold,
            unit,
            parameters,
        })
    }

    /// A parameter; `None` where this situation has none of that name.
    pub(super) fn parameter(&self, name: &str) -> Option<u64> {
        self.parameters.get(name).copied()
    }

    /// A parameter in yuan.
    pub(super) fn yuan_of(&self, name: &str) -> String {
        yuan(self.parameter(name).unwrap_or_default())
    }

    /// The window as an officer reads it: a day, or from–to.
    pub(super) fn window(&self, lang: Lang) -> String {
        let day = self.window_from.day();
        let whole = super::finding::whole(day) == (self.window_from, self.window_until);
        let (from, until) = (clock(self.window_from), clock(self.window_until));
        match lang {
            _ if whole => day.to_string(),
            Lang::Zh => format!("{from} 至 {until}"),
            Lang::En => format!("{from} to {until}"),
        }
    }
}

/// `2026-11-23 20:47:13` in UTC+8, as on all pages of the desk.
pub fn clock(at: Instant) -> String {
    let text = at.to_string();
    text.strip_suffix("+08:00").unwrap_or(&text).replacen('T', " ", 1)
}

/// `1 trade`, `2 trades`.
pub fn several(n: u64, units: &str) -> String {
    if n != 1 {
        return format!("{n} {units}");
    }
    let one = units
        .split(' ')
        .map(|word| word.strip_suffix('s').unwrap_or(word));
    format!("1 {}", one.collect::<Vec<_>>().join(" "))
}

/// Fen as yuan.
pub(super) fn yuan(fen: u64) -> String {
    Amount::from_fen(fen).to_yuan()
}

/// Why a case was flagged: observed facts, threshold and window, nothing inferred and nothing about anybody's
/// intent. For the desk only (R11).
pub fn words(flag: &FlagFacts<'_>, lang: Lang) -> String {
    match flag.rule {
        "O01" | "O02" | "O03" | "O04" => on_record::words(flag, lang),
        "T01" => t01_same_amount::words(flag, lang),
        "T04" => t04_under_limit::words(flag, lang),
        "T05" => t05_splitting::words(flag, lang),
        "T10" => t10_many_merchants::words(flag, lang),
        "T15a" => t15a_refund_beyond_trade::words(flag, lang),
        "T15d" => t15d_pay_and_refund::words(flag, lang),
        "T16" => t16_card_testing::words(flag, lang),
        "T20" => t20_payee::words(flag, lang),
        "T26" => t26_channel_hopping::words(flag, lang),
        "T28" => t28_code_limit::words(flag, lang),
        _ => unknown(flag, lang),
    }
}

/// A flag of a rule that this program does not have (an older or newer one wrote it): the bare numbers.
fn unknown(flag: &FlagFacts<'_>, lang: Lang) -> String {
    let (rule, value, threshold, unit, window) = (
        flag.rule,
        flag.value,
        flag.threshold,
        flag.unit,
        flag.window(lang),
    );
    match lang {
        Lang::Zh => format!("规则 {rule}：观察值 {value}，阈值 {threshold}（单位 {unit}），{window}。"),
        Lang::En => format!("Rule {rule}: observed {value}, threshold {threshold} ({unit}), {window}."),
    }
}
