//! Why an attempt went to its account, and how well accounts are.

use crate::*;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Why an attempt goes to its account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RouteTaken {
    /// The attempt whose place it takes, where that was tried elsewhere and is surely not open there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<u16>,
    /// Accounts that would have come first, and why they did not.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub passed: Vec<Passed>,
    /// Name of the operator's rule that decided.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<Arc<str>>,
    /// What decided.
    pub why: RouteWhy,
}

/// What decided on an account.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteWhy {
    /// It was the first of several by rule, health and rate.
    First,
    /// A standby account, since none of the others is in order.
    Standby,
    /// The former attempt is surely not open at its account.
    Failover,
    /// None is in order: the one that would be first if all were.
    NoneInOrder,
}

impl RouteWhy {
    /// The name in labels and journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            RouteWhy::First => "first",
            RouteWhy::Standby => "standby",
            RouteWhy::Failover => "failover",
            RouteWhy::NoneInOrder => "none_in_order",
        }
    }
}

/// An account that was passed over.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Passed {
    /// Which.
    pub account: AccountNo,
    /// Why.
    pub why: PassedWhy,
}

/// Why an account was passed over.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PassedWhy {
    /// Its breaker is open.
    BreakerOpen,
    /// Another order is trying it out.
    OnTrial,
    /// This order was tried there and is surely not open there.
    Tried,
    /// It answers worse or slower than the one taken.
    Unhealthy,
    /// The payer's id was got in another account's app, and does not count there.
    OtherApp,
}

impl PassedWhy {
    /// The name in labels and journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            PassedWhy::BreakerOpen => "breaker_open",
            PassedWhy::OnTrial => "on_trial",
            PassedWhy::Tried => "tried",
            PassedWhy::Unhealthy => "unhealthy",
            PassedWhy::OtherApp => "other_app",
        }
    }
}

/// Whether new orders go to an account.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// All of them.
    Closed,
    /// None, where there is another account.
    Open,
    /// One at a time, to see whether it is well again.
    HalfOpen,
}

impl BreakerState {
    /// The name in labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half_open",
        }
    }
}

/// What a breaker watches: operations that fail alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationClass {
    /// New orders.
    Place,
    /// Closes, reverses, refunds.
    Change,
    /// Queries and certificates.
    Ask,
}

impl OperationClass {
    /// Of an operation.
    pub const fn of(operation: Operation) -> OperationClass {
        match operation {
            Operation::Create => OperationClass::Place,
            other if other.is_read() => OperationClass::Ask,
            _ => OperationClass::Change,
        }
    }

    /// The name in labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            OperationClass::Place => "place",
            OperationClass::Change => "change",
            OperationClass::Ask => "ask",
        }
    }
}

/// Why a breaker opened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ailment {
    /// No connection: refused, no name, a wrong certificate, no TLS.
    NotConnected,
    /// The connection broke.
    Broken,
    /// No answer in time.
    Silent,
    /// The channel fails (5xx).
    ChannelError,
    /// The channel answers, and says that it does not know (`SYSTEM_ERROR`, 20000).
    Unsure,
    /// The answer's signature is wrong, or it cannot be read.
    Unreadable,
    /// The channel does not take this account's calls (signature, permission, binding).
    Account,
    /// The channel limits this account.
    Limited,
    /// It answers, too slowly.
    Slow,
}

impl Ailment {
    /// The name in labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Ailment::NotConnected => "not_connected",
            Ailment::Broken => "broken",
            Ailment::Silent => "silent",
            Ailment::ChannelError => "channel_error",
            Ailment::Unsure => "unsure",
            Ailment::Unreadable => "unreadable",
            Ailment::Account => "account",
            Ailment::Limited => "limited",
            Ailment::Slow => "slow",
        }
    }
}
