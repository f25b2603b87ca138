//! What a verdict rests on, and what it can be.

use crate::{
    Measures,
    registry::{MerchantFacts, Registries},
};
use domain::{AccountNo, Amount, Channel, Clause, Code, Instant, Operation, PayWay, PayeeNo, PayerToken};
use std::time::Duration;

/// Everything a verdict rests on. Nothing else is looked at.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// What is asked.
    pub operation: Operation,
    /// The way to pay of a new order.
    pub pay_way: Option<PayWay>,
    /// Wall clock.
    pub now: Instant,
    /// The registries in force.
    pub registries: &'a Registries,
    /// Who asks.
    pub merchant: &'a MerchantFacts,
    /// Channel.
    pub channel: Channel,
    /// The account chosen there.
    pub account: &'a AccountNo,
    /// Who would be paid.
    pub payee: &'a PayeeNo,
    /// Fen; there for new orders.
    pub amount: Option<Amount>,
    /// There for new orders.
    pub code: Option<Code>,
    /// The payer's pseudonym, where the request names a payer. The payer's day total is reserved by the ledger
    /// against [`crate::payer_day_ceiling`] before this is asked, so no rule here reads it.
    pub payer: Option<PayerToken>,
    /// What the desk ordered.
    pub measures: &'a Measures,
    /// Since the desk was last heard; `None` where no desk is configured.
    pub cases_age: Option<Duration>,
    /// There for refunds of a paid order.
    pub refund: Option<RefundFacts>,
}

/// Facts of a refund (fen).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RefundFacts {
    /// What was paid.
    pub paid: Amount,
    /// Refunds before this one that took place or still may.
    pub reserved_before: Amount,
    /// This refund.
    pub amount: Amount,
    /// How many refunds there were before this one.
    pub count: u32,
}

/// The word of policy. It is final.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Go on.
    Admit,
    /// Stop, and put it on record.
    Refuse(Refusal),
    /// Wait for a release. For refunds only, since a payer's code cannot wait; no rule of the present set holds,
    /// a merchant asks for its own holds.
    Hold(Clause),
}

/// A refusal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The clause that may be told and stands in the trades journal.
    pub public: Clause,
    /// The clause that stands in the cases journal.
    pub true_clause: Clause,
    /// Which answer the caller gets.
    pub kind: RefusalKind,
}

/// Classes of refusals, one per answer of the API.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RefusalKind {
    /// Licence, agreement or registry not in force.
    Licence,
    /// Somebody else would be paid.
    Payee,
    /// Above the merchant's ceiling.
    Ceiling,
    /// Not an operation that is offered.
    Operation,
    /// The desk is out of reach.
    Cases,
    /// Nothing was paid.
    NotPaid,
    /// More than was paid, or too often.
    Refund,
    /// The uniform refusal.
    NotAccepted,
}
