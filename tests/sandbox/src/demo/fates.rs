//! What became of each order: looked up and proven, never assumed.

use super::{Demo, merchant::Merchant, orders::Told};
use anyhow::{Context, bail, ensure};
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};

/// Buckets die within the demo's deadline of five seconds, a purge certificate is looked up every half second.
const PATIENCE: u32 = 50;

/// What became of one order.
#[derive(Debug)]
pub struct Fate {
    /// Its state now.
    pub state: String,
    /// Index of its latest journal entry, proven by a receipt.
    pub index: u64,
    /// The seals of its buyer data, from the purge certificate.
    pub seals: Vec<Seal>,
}

/// One seal and what became of its key.
#[derive(Debug)]
pub struct Seal {
    /// The bucket whose key sealed it.
    pub bucket: u64,
    /// `destroyed` or `lost_at_a_crash`.
    pub state: String,
    /// The journal entry that says so.
    pub gone_at: u64,
}

impl Fate {
    /// The buckets of the seals, or `none`.
    pub fn sealed(&self) -> String {
        list(self.seals.iter().map(|s| s.bucket).collect(), "none")
    }

    /// The entries that say that the keys are gone.
    pub fn purged(&self) -> String {
        list(self.seals.iter().map(|s| s.gone_at).collect(), "-")
    }
}

fn list(numbers: BTreeSet<u64>, none: &str) -> String {
    let texts: Vec<String> = numbers.iter().map(u64::to_string).collect();
    if texts.is_empty() {
        none.to_owned()
    } else {
        texts.join(",")
    }
}

impl Demo {
    /// Looks an order up again, waits until the keys of all its seals are gone and proves its latest entry.
    pub async fn fate(&self, told: &Told) -> anyhow::Result<Fate> {
        let merchant = self.merchant_named(&told.merchant)?;
        let seals = purged(&merchant, told).await?;
        ensure!(
            !told.payer_sent || !seals.is_empty(),
            "a payer was sent and the purge certificate names no seal"
        );
        let order = merchant
            .ask("GET", &format!("/v1/payments/{}", told.id), None)
            .await?
            .json();
        let index = order["journal_index"]
            .as_u64()
            .with_context(|| format!("no journal index in {order}"))?;
        let state = order["state"].as_str().unwrap_or_default().to_owned();
        ensure!(state == told.state, "it was {} and is {state}", told.state);
        self.prove_receipt(&merchant, &told.id, index).await?;
        Ok(Fate { state, index, seals })
    }
}

/// The purge certificate, as soon as no seal's key is alive.
async fn purged(merchant: &Merchant, told: &Told) -> anyhow::Result<Vec<Seal>> {
    let mut last = Value::Null;
    for _ in 0..PATIENCE {
        let answer = merchant
            .ask("GET", &format!("/v1/payments/{}/purge", told.id), None)
            .await?;
        last = answer.json();
        ensure!(
            answer.status == 200 && last["payment_id"] == told.id.as_str(),
            "the purge certificate answered {}: {last}",
            answer.status
        );
        let seals = last["seals"]
            .as_array()
            .with_context(|| format!("no seals in {last}"))?;
        if seals.iter().all(|s| s["state"] != "alive") {
            return seals.iter().map(seal).collect();
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    bail!("keys did not die in {} s: {last}", PATIENCE / 2)
}

fn seal(value: &Value) -> anyhow::Result<Seal> {
    let number = |name: &str| {
        value[name]
            .as_u64()
            .with_context(|| format!("no {name} in {value}"))
    };
    let state = value["state"].as_str().unwrap_or_default().to_owned();
    ensure!(
        ["destroyed", "lost_at_a_crash"].contains(&state.as_str()),
        "a seal is {value}"
    );
    Ok(Seal {
        bucket: number("bucket")?,
        state,
        gone_at: number("destroyed_index")?,
    })
}
