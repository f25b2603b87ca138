//! What the desk may order and the proxy obeys.

use crate::{AccountNo, Channel, Instant, MeasureId, MerchantId};
use serde::{Deserialize, Serialize};

/// Whom a measure stops.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// One account of a channel, whoever uses it (通道合约吊销).
    Account {
        /// The account.
        account: AccountNo,
        /// Its channel.
        channel: Channel,
    },
    /// All new orders of a merchant (止付).
    Merchant(MerchantId),
}

/// What a measure does. Queries, closes, refunds and notices always go on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// New orders are refused.
    Stop,
    /// An earlier measure ends.
    Lift,
}

/// One order of the desk, proportionate and with an end (R14).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Measure {
    /// Stop or lift.
    pub effect: Effect,
    /// Its number; a lift carries the number of what it lifts.
    pub id: MeasureId,
    /// Whom.
    pub subject: Subject,
    /// It ends by itself at this instant.
    pub until: Instant,
}
