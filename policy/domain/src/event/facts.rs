//! What events say of an order: why, how, and with what.

use crate::*;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Why the channel surely does not have an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotPlaced {
    /// The channel refused it for good.
    Refused,
    /// A repeat needed buyer data that has died; the merchant repeats the same number.
    BuyerDataGone,
    /// It never left us.
    NeverSent,
    /// The channel says, after its own window or a close, that it does not exist.
    NotThere,
    /// The channel has it and tells the way to the payer once only; its answer was lost, so it is in nobody's hands.
    AnswerLost,
}

/// A payer's attempt that the payer's own side declined.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Declined {
    /// The payer's pseudonym, where the channel's refusal names the payer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub payer: Option<PayerToken>,
}

/// Why an outcome is unknown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unclear {
    /// No answer in time.
    Timeout,
    /// The connection broke.
    Connection,
    /// The channel answered that it does not know (5xx, `SYSTEM_ERROR`, 20000).
    ChannelError,
    /// The answer's signature is wrong or missing.
    Signature,
    /// The answer cannot be read.
    Garbage,
    /// We stopped between sending and recording.
    Restart,
    /// The payer has not opened what was handed out, and still can: the channel has nothing to close yet.
    NotOpened,
}

/// Why an order was closed at the channel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// The merchant asked.
    Merchant,
    /// Its time was over.
    Expiry,
    /// Another attempt takes its place.
    Replaced,
    /// The payer said at a code that it was not paid, and wants another way. Its channel has nothing of it, and may still take
    /// it: it is looked for until that is over (`nothing_came_late`).
    PayerLeft,
}

/// Why an order is undone at the channel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReverseReason {
    /// The merchant asked.
    Merchant,
    /// The payer did not pay within the channel's time.
    Unpaid,
    /// Nobody could say what became of it.
    Unknown,
    /// Another attempt takes its place.
    Replaced,
}

/// Why money goes back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundCause {
    /// The merchant asked.
    Merchant,
    /// A second attempt was paid too; the later one goes back to its source.
    Surplus,
}

/// What did not fit in a notice or answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mismatch {
    /// Another amount than on record.
    Amount,
    /// Another account or payee than on record.
    Account,
    /// A state that cannot follow ours (a closed order paid).
    State,
    /// Another trade number for what is paid already.
    TradeNo,
    /// Another order, refund or time of sending than was asked about.
    Number,
}

/// What a free text looked like. The text itself is nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// Thirteen to nineteen digits that pass the Luhn check.
    Card,
    /// A resident identity number with its check digit.
    IdNumber,
    /// A mobile number.
    Phone,
}

/// Rates in force when an attempt was intended: hundred-thousandths of the amount, 380 is 0.38 %. Facts for reports; nothing
/// is charged or paid by them here.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RateSnapshot {
    /// The agent who brought the merchant.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agent: Option<AgentId>,
    /// What the agent's own terms are.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agent_rate: Option<u32>,
    /// What the merchant pays.
    pub rate: u32,
}

/// The registered terminal that an order was matched against (R22).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TerminalMatch {
    /// Its registered area code.
    pub area: Arc<str>,
    /// Version of the acquirer's file.
    pub registry: u64,
    /// The shop that it stands in, where the acquirer's file names one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub store: Option<Shop>,
    /// Its number at UnionPay (`termId`), where the acquirer's file names one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub term_id: Option<Arc<str>>,
    /// SHA-256 over acquirer, merchant, unified social credit code, digest of the settlement account, terminal and area, each
    /// ended by a line feed; absent where the acquirer's file lacks one of them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tuple: Option<Digest>,
}

/// A shop 门店 of a merchant, as its acquirer registered it: the merchant's own facts, none of a buyer's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shop {
    /// Street and house.
    pub address: Arc<str>,
    /// Its number.
    pub id: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

/// Which registry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registry {
    /// Channels, institutions, hosts, CA roots, the filing number.
    Licence,
    /// Merchants, accounts, agreements, terminals: the acquirer's file.
    Acquirer,
    /// API keys, notify hosts, limits: the operator's file.
    Operator,
}

/// A signed file that took effect: the next one of its kind, at an acquirer's of the same acquirer, has a higher version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RegistryVersion {
    /// Which.
    pub kind: Registry,
    /// Whose, where there may be several.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub acquirer: Option<AcquirerNo>,
    /// Its version, which only rises.
    pub version: u64,
    /// SHA-256 of the file.
    pub digest: Digest,
}

impl RegistryVersion {
    /// Is the other one the same file at another time?
    pub fn is_of_the_same(&self, other: &RegistryVersion) -> bool {
        self.kind == other.kind && self.acquirer == other.acquirer
    }
}
