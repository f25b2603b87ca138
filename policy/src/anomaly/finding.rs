//! What a rule found, shaped as `CaseEvent::FlagRaised` takes it.

use super::rules::Rule;
use crate::registry::MerchantFacts;
use domain::{Amount, CodeLevel, Day, Instant, MerchantId, PayerToken};
use std::{collections::BTreeMap, sync::Arc};

/// One finding.
//= C40
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// `T01` … `T28`, `O01` … `O04`.
    pub rule: &'static str,
    /// Version of the rule.
    pub version: u32,
    /// Whom it concerns.
    pub merchant: MerchantId,
    /// The payer's pseudonym, where the rule looks at one payer.
    pub payer: Option<PayerToken>,
    /// Indices in the trades journal, rising.
    pub trades: Vec<u64>,
    /// Window, begin.
    pub window_from: Instant,
    /// Window, end (not included).
    pub window_until: Instant,
    /// What was observed, in `unit`.
    pub value: u64,
    /// What had to be reached (or, for limits stated as "not above", exceeded), in `unit`.
    pub threshold: u64,
    /// `fen`, `trades`, `merchants`, `channels` or `percent`.
    pub unit: &'static str,
    /// The rule's parameters, and what tells this situation from others of the rule (an amount, a limit).
    pub parameters: BTreeMap<Arc<str>, u64>,
}

impl Finding {
    /// A finding without payer; the rest is set by the rule.
    pub(super) fn of(rule: &'static Rule, merchant: &MerchantId, window: (Instant, Instant)) -> Self {
        Finding {
            rule: rule.id,
            version: rule.version,
            merchant: merchant.clone(),
            payer: None,
            trades: Vec::new(),
            window_from: window.0,
            window_until: window.1,
            value: 0,
            threshold: 0,
            unit: "trades",
            parameters: BTreeMap::new(),
        }
    }

    pub(super) fn payer(self, payer: PayerToken) -> Self {
        Finding {
            payer: Some(payer),
            ..self
        }
    }

    pub(super) fn trades(mut self, trades: impl IntoIterator<Item = u64>) -> Self {
        self.trades = trades.into_iter().collect();
        self.trades.sort_unstable();
        self.trades.dedup();
        self
    }

    pub(super) fn reached(self, value: u64, threshold: u64, unit: &'static str) -> Self {
        Finding {
            value,
            threshold,
            unit,
            ..self
        }
    }

    pub(super) fn with<const N: usize>(self, rows: [(&str, u64); N]) -> Self {
        let parameters = rows
            .into_iter()
            .map(|(name, value)| (Arc::from(name), value))
            .collect();
        Finding { parameters, ..self }
    }
}

/// The natural day as a window.
pub(super) fn whole(day: Day) -> (Instant, Instant) {
    (day.start(), Day::from_number(day.number() + 1).start())
}

/// Whose trades may be named together: one acquirer's, or one merchant's where the acquirer is not known.
//= C42
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Scope {
    Acquirer(domain::AcquirerNo),
    Merchant(MerchantId),
}

impl Scope {
    pub(super) fn of(merchant: &MerchantId, facts: Option<&MerchantFacts>) -> Self {
        facts.map_or_else(
            || Scope::Merchant(merchant.clone()),
            |facts| Scope::Acquirer(facts.acquirer.clone()),
        )
    }
}

/// A successful trade as the rules see it.
#[derive(Clone, Debug)]
pub(super) struct Trade<'a> {
    /// Index of its `AttemptPaid`.
    pub(super) index: u64,
    /// When the payer paid.
    pub(super) at: Instant,
    pub(super) amount: Amount,
    pub(super) merchant: &'a MerchantId,
    pub(super) payer: Option<PayerToken>,
    pub(super) scope: &'a Scope,
    /// The merchant's single-trade cap.
    pub(super) cap: Option<Amount>,
    /// Level of its payment code, where the order's beginning was seen.
    pub(super) level: Option<CodeLevel>,
}
