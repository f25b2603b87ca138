//! What a rule saw.

use domain::*;
use policy::anomaly::FlagFacts;
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, sync::Arc};

/// What the rule saw.
#[derive(Clone, PartialEq, Debug)]
pub struct Raised {
    /// SHA-256 over the entries named.
    pub inputs: Digest,
    /// Whom it concerns.
    pub merchant: MerchantId,
    /// The rule's parameters.
    pub parameters: BTreeMap<Arc<str>, u64>,
    /// The payer's pseudonym.
    pub payer: Option<PayerToken>,
    /// The rule.
    pub rule: Arc<str>,
    /// What had to be reached.
    pub threshold: u64,
    /// Indices in the trades journal.
    pub trades: Vec<u64>,
    /// Unit of value and threshold.
    pub unit: Arc<str>,
    /// What was observed.
    pub value: u64,
    /// Version of the rule.
    pub version: u32,
    /// Window, begin.
    pub window_from: Instant,
    /// Window, end.
    pub window_until: Instant,
}

impl Raised {
    /// What tells this situation from others: rule, merchant, payer, trades, parameters.
    pub fn identity(&self) -> Digest {
        identity(
            &self.rule,
            &self.merchant,
            self.payer,
            &self.trades,
            &self.parameters,
        )
    }

    /// For the words of the rule.
    pub fn facts(&self) -> FlagFacts<'_> {
        FlagFacts {
            rule: &self.rule,
            trades: self.trades.len(),
            window_from: self.window_from,
            window_until: self.window_until,
            value: self.value,
            threshold: self.threshold,
            unit: &self.unit,
            parameters: &self.parameters,
        }
    }
}

/// What tells one situation from another.
pub(crate) fn identity(
    rule: &str,
    merchant: &MerchantId,
    payer: Option<PayerToken>,
    trades: &[u64],
    parameters: &BTreeMap<Arc<str>, u64>,
) -> Digest {
    let parts = (rule, merchant, payer, trades, parameters);
    let bytes = serde_json::to_vec(&parts).expect("plain data with string keys");
    Digest::from_bytes(Sha256::digest(bytes).into())
}
