//! Confirmed flags whose acquirer has not said that they came.

use super::{FlagRef, State, Status};
use domain::{AcquirerNo, Instant, MerchantId};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// A confirmed flag that no acknowledged package holds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Awaiting {
    /// Whose merchant.
    pub acquirer: AcquirerNo,
    /// Its number.
    pub flag: u64,
    /// Whom it concerns.
    pub merchant: MerchantId,
    /// The rule.
    pub rule: Arc<str>,
    /// When the second officer agreed.
    pub confirmed_at: Instant,
    /// Milliseconds since then.
    pub age_ms: i64,
    /// The package that holds it; `None` if none was made since.
    pub package: Option<u64>,
}

impl State {
    /// Confirmed flags that no acknowledged package holds, the oldest decision first.
    pub fn unacknowledged(&self, now: Instant) -> Vec<Awaiting> {
        let confirmed = self
            .flags()
            .filter(|(_, flag)| flag.status() == Status::Confirmed);
        let mut all: Vec<Awaiting> = confirmed
            .filter_map(|(of, flag)| {
                let decision = flag.decision.as_ref()?;
                let package = self.carrier(of, decision.index);
                (!package.is_some_and(|(_, acknowledged)| acknowledged)).then(|| Awaiting {
                    acquirer: of.acquirer.clone(),
                    flag: of.number,
                    merchant: flag.raised.merchant.clone(),
                    rule: flag.raised.rule.clone(),
                    confirmed_at: decision.at,
                    age_ms: now.millis() - decision.at.millis(),
                    package: package.map(|(number, _)| number),
                })
            })
            .collect();
        all.sort_by_key(|one| one.confirmed_at);
        all
    }

    /// The package that tells a decision, and whether it was acknowledged: the first that was made after it, since a
    /// package holds every decision since the one before.
    fn carrier(&self, of: &FlagRef, decided: u64) -> Option<(u64, bool)> {
        let made = self
            .packages(&of.acquirer)
            .iter()
            .find(|package| package.index > decided)?;
        Some((made.package, made.acknowledged.is_some()))
    }
}

impl fmt::Display for Awaiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Awaiting {
            acquirer,
            flag,
            merchant,
            rule,
            confirmed_at,
            age_ms,
            package,
        } = self;
        let age = crate::words::age(policy::anomaly::Lang::En, *age_ms);
        write!(
            f,
            "flag {flag} for {acquirer}: {merchant} {rule}, confirmed {confirmed_at}, {age} ago, "
        )?;
        match package {
            Some(number) => write!(f, "in package {number}"),
            None => write!(f, "in no package yet"),
        }
    }
}
