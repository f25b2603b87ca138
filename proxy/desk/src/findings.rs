//! Findings of the watch into flags: without repeats, numbered per acquirer.

use crate::{
    mirror::Mirror,
    state::{FlagRef, State, identity},
};
use domain::*;
use policy::anomaly::Finding;
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, HashSet},
    io,
};

/// Most trades that one flag names, so that it fits an entry; the latest are named.
const MOST_TRADES: usize = 4000;

/// Acquirer of a merchant that no registry knows (any more): nothing found may be lost.
pub const UNASSIGNED: &str = "unassigned";

/// What one entry of the trades journal led to.
#[derive(Debug)]
pub struct Found {
    /// The entry.
    pub index: u64,
    /// What the rules found.
    pub findings: Vec<Finding>,
    /// Its merchant's acquirer.
    pub acquirer: Option<AcquirerNo>,
    /// The true clause of a uniform refusal, and whom it met.
    pub explained: Option<(Clause, MerchantId)>,
}

/// The events to record; flags have no number yet.
pub fn events(found: Vec<Found>, mirror: &Mirror) -> io::Result<Vec<CaseEvent>> {
    let unassigned = AcquirerNo::new(UNASSIGNED).map_err(io::Error::other)?;
    let mut events = Vec::new();
    for Found {
        index,
        findings,
        acquirer,
        explained,
    } in found
    {
        if let Some((clause, merchant)) = explained {
            events.push(CaseEvent::RefusalExplained {
                clause,
                merchant,
                trades_index: index,
            });
        }
        for finding in findings {
            events.push(raised(
                finding,
                acquirer.clone().unwrap_or_else(|| unassigned.clone()),
                mirror,
            )?);
        }
    }
    Ok(events)
}

fn raised(finding: Finding, acquirer: AcquirerNo, mirror: &Mirror) -> io::Result<CaseEvent> {
    let mut trades = finding.trades;
    trades.drain(..trades.len().saturating_sub(MOST_TRADES));
    let mut inputs = Sha256::new();
    for index in &trades {
        let missing = || io::Error::other("a finding names an entry that is not there");
        inputs.update(mirror.entry(*index)?.ok_or_else(missing)?);
    }
    Ok(CaseEvent::FlagRaised {
        acquirer,
        flag: 0,
        inputs: Digest::from_bytes(inputs.finalize().into()),
        merchant: finding.merchant,
        parameters: finding.parameters,
        payer: finding.payer,
        rule: finding.rule.into(),
        threshold: finding.threshold,
        trades,
        unit: finding.unit.into(),
        value: finding.value,
        version: finding.version,
        window_from: finding.window_from,
        window_until: finding.window_until,
    })
}

/// Leaves out what is on record already, gives each flag its number, and puts the cursor behind.
pub fn number(state: &State, events: Vec<CaseEvent>, cursor: CaseEvent) -> Vec<CaseEvent> {
    let mut last: BTreeMap<AcquirerNo, u64> = BTreeMap::new();
    let mut seen = HashSet::new();
    let mut numbered = Vec::new();
    for mut event in events {
        match &mut event {
            CaseEvent::RefusalExplained { trades_index, .. }
                if state.explanation(*trades_index).is_some() =>
            {
                continue;
            }
            CaseEvent::FlagRaised {
                acquirer,
                flag,
                rule,
                merchant,
                payer,
                trades,
                parameters,
                ..
            } => {
                let identity = identity(rule, merchant, *payer, trades, parameters);
                if state.knows(&identity) || !seen.insert(identity) {
                    continue;
                }
                let last = last
                    .entry(acquirer.clone())
                    .or_insert_with(|| state.last_flag(acquirer));
                *last += 1;
                *flag = *last;
                tracing::info!(%acquirer, flag, %rule, "flag raised");
            }
            _ => {}
        }
        numbered.push(event);
    }
    numbered.push(cursor);
    numbered
}

/// A flag's name as people write it: `ACQ1/7`.
pub fn label(of: &FlagRef) -> String {
    format!("{}/{}", of.acquirer, of.number)
}
