//! Pure decisions: facts in, verdict out. No I/O, no clock, no async.
//!
//! Three things are decided here. [`decide`] says whether one request may go on: licence, no funds, ceilings,
//! measures, refunds. [`registry`] says whether the signed files that bring those facts agree with each other.
//! [`anomaly`] folds the trades journal into findings for the desk. [`books`] compares a day of it with the channel's
//! bill. Each refusal names its [`clauses`] entry,
//! whose sentence stands in `policy/specs/controls.md` with the rule behind it.

pub mod anomaly;
pub mod books;
pub mod clauses;
mod facts;
mod limits;
mod measures;
pub mod operations;
pub mod registry;
pub mod routing;
mod verdict;

pub use facts::{Facts, RefundFacts, Refusal, RefusalKind, Verdict};
pub use limits::{
    ceiling, code_refusal, level_refusal, merchant_day_ceiling, merchant_day_refusal, order_ceiling_by_code,
    payee_refusal, payer_day_ceiling, payer_day_refusal,
};
pub use measures::Measures;
pub use verdict::{CASES_AGE_MAX, REFUNDS_MAX, decide};

#[cfg(test)]
mod case;
#[cfg(test)]
mod controls_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod verdict_properties;
#[cfg(test)]
mod verdict_tests;
