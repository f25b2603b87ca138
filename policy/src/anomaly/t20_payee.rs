//! T20 二清结构: the one who is paid is not the merchant, or is the payee of several merchants.
//!
//! The proxy sees the first two signs of the definition; holders of settlement accounts and merchant categories
//! are the acquirer's. An order that names another payee is refused by policy (C03–C05), so the attempt is what
//! is flagged, once a day and merchant; one on record as sent is flagged too. The definition gives no window for
//! sharing: thirty days by default. Each merchant that shares is flagged, at its next order.

use super::{
    clock::Clock,
    finding::{Finding, Scope, whole},
    parameters::T20,
    rules::{FlagFacts, Lang, Rule, several},
    window::ByDay,
};
use crate::{clauses, registry::MerchantFacts};
use domain::{AccountNo, Channel, Clause, Instant, MerchantId, PayeeNo};
use std::collections::{BTreeMap, HashMap};

pub(super) const RULE: Rule = Rule {
    id: "T20",
    version: 1,
    name_zh: "二清结构",
    name_en: "Payee other than the merchant",
    why_zh: "渠道收款方不是登记商户本身，或同一收款方被多个商户使用。",
    why_en: "The payee at the channel is not the merchant of record, or several merchants use one payee.",
};

/// When a merchant last used a payee.
#[derive(Clone, Debug)]
struct Use {
    at: Instant,
    index: u64,
    scope: Scope,
    quiet_until: Option<Instant>,
}

/// Uses of payees, and orders that named another's.
#[derive(Clone, Debug, Default)]
pub(super) struct Payees {
    uses: HashMap<(Channel, PayeeNo), BTreeMap<MerchantId, Use>>,
    /// True where the order went out, which should never be.
    foreign: ByDay<(MerchantId, bool), Vec<u64>>,
}

/// An order on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing<'a> {
    pub(super) index: u64,
    pub(super) at: Instant,
    pub(super) merchant: &'a MerchantId,
    pub(super) facts: Option<&'a MerchantFacts>,
    pub(super) scope: &'a Scope,
    pub(super) channel: Channel,
    pub(super) account: &'a AccountNo,
    pub(super) payee: &'a PayeeNo,
}

fn window_ms(rule: &T20) -> i64 {
    i64::from(rule.days) * 86_400_000
}

impl Payees {
    pub(super) fn turn(&mut self, clock: &Clock, rule: &T20) {
        self.foreign.turn(clock);
        let window = window_ms(rule);
        self.uses.retain(|_, users| {
            users.retain(|_, used| {
                used.quiet_until = used.quiet_until.filter(|until| !clock.is_ahead(*until, window));
                clock.keeps(used.at, window)
            });
            !users.is_empty()
        });
    }

    /// Policy refused an order.
    pub(super) fn refused(
        &mut self,
        rule: &T20,
        merchant: &MerchantId,
        (index, at): (u64, Instant),
        clause: Clause,
    ) -> Option<Finding> {
        let of_payee = [clauses::PAYEE, clauses::OPERATORS_OWN, clauses::ACCOUNT_OWNER].contains(&clause);
        if of_payee {
            self.foreign(rule, merchant, (index, at), false)
        } else {
            None
        }
    }

    /// An order goes out.
    pub(super) fn intended(&mut self, rule: &T20, order: Outgoing<'_>) -> Vec<Finding> {
        let foreign = order.facts.is_some_and(|facts| !is_own(facts, &order));
        let foreign = if foreign {
            self.foreign(rule, order.merchant, (order.index, order.at), true)
        } else {
            None
        };
        foreign.into_iter().chain(self.shared(rule, order)).collect()
    }

    fn foreign(
        &mut self,
        rule: &T20,
        merchant: &MerchantId,
        (index, at): (u64, Instant),
        sent: bool,
    ) -> Option<Finding> {
        let trades = self
            .foreign
            .count_to(rule.orders, at.day(), (merchant.clone(), sent), index)?;
        let finding =
            Finding::of(&RULE, merchant, whole(at.day())).reached(trades.len() as u64, rule.orders, "trades");
        Some(
            finding
                .trades(trades)
                .with([("orders", rule.orders), ("sent", sent.into())]),
        )
    }

    fn shared(&mut self, rule: &T20, order: Outgoing<'_>) -> Option<Finding> {
        let users = self.uses.entry((order.channel, order.payee.clone())).or_default();
        let quiet_until = users.get(order.merchant).and_then(|used| used.quiet_until);
        let used = Use {
            at: order.at,
            index: order.index,
            scope: order.scope.clone(),
            quiet_until,
        };
        users.insert(order.merchant.clone(), used);
        let until = order.at.plus_millis(1);
        let from = until.plus_millis(-window_ms(rule));
        let recent: Vec<&Use> = users.values().filter(|used| used.at >= from).collect();
        let count = recent.len() as u64;
        if count < rule.merchants.max(2) || quiet_until.is_some_and(|quiet| order.at < quiet) {
            return None;
        }
        let named: Vec<u64> = recent
            .iter()
            .filter(|used| used.scope == *order.scope)
            .map(|used| used.index)
            .collect();
        if let Some(used) = users.get_mut(order.merchant) {
            used.quiet_until = Some(until.plus_millis(window_ms(rule)));
        }
        let finding = Finding::of(&RULE, order.merchant, (from, until)).trades(named);
        let parameters = [("days", rule.days.into()), ("merchants", rule.merchants)];
        Some(
            finding
                .reached(count, rule.merchants, "merchants")
                .with(parameters),
        )
    }
}

fn is_own(facts: &MerchantFacts, order: &Outgoing<'_>) -> bool {
    let mut account = facts
        .accounts
        .iter()
        .filter(|a| a.channel == order.channel && a.account == *order.account);
    account.any(|account| account.payees().any(|payee| payee == order.payee))
}

pub(super) fn words(flag: &FlagFacts<'_>, lang: Lang) -> String {
    let (value, threshold, window) = (flag.value, flag.threshold, flag.window(lang));
    match (lang, flag.parameter("sent")) {
        (Lang::Zh, None) => {
            format!(
                "该商户与其他商户使用同一渠道收款方，{window} 内共 {value} 个商户，阈值为 {threshold} 个。"
            )
        }
        (Lang::Zh, Some(0)) => format!(
            "该商户于 {window} 有 {value} 笔订单指定的收款方不是其本身账户，均已拒绝；阈值为 {threshold} 笔。"
        ),
        (Lang::Zh, Some(_)) => {
            format!("该商户于 {window} 有 {value} 笔订单的收款方与登记账户不符；阈值为 {threshold} 笔。")
        }
        (Lang::En, None) => format!(
            "This merchant uses the same payee at the channel as others: {value} merchants from {window}; the threshold is {threshold}."
        ),
        (Lang::En, Some(0)) => format!(
            "This merchant sent {} on {window} that named a payee other than its own account, and was refused. The threshold is {threshold}.",
            several(value, "orders")
        ),
        (Lang::En, Some(_)) => format!(
            "The payee of {} on {window} differs from this merchant's registered account; the threshold is {threshold}.",
            several(value, "orders")
        ),
    }
}
