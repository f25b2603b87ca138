//! Which of a merchant's contracted accounts a new order goes to. Pure: rules, health and rates in, an order of accounts
//! out.
//!
//! Who has which account is the acquirer's word (its file); which of them comes first is the operator's (its own file).
//! So no rule can name a payee that no acquirer approved, and a rule can be changed without asking the acquirer.

mod choose;
mod compile;
mod condition;

pub use choose::{Candidate, Route, Standing, candidates, in_order};
pub use compile::{Faulty, MOST_LENGTH, MOST_PARTS};
pub use condition::{Condition, Sale};
