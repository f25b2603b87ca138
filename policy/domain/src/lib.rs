//! The ground floor: the nouns of Guandao, and nothing that acts.
//!
//! No I/O, no clock, no async, no buyer data. Money is unsigned integer fen (分), a day is a natural
//! day in UTC+8 (Asia/Shanghai), an instant is milliseconds since the Unix epoch. `*Id` is a number of
//! ours, `*No` is somebody else's.

mod amount;
mod bank;
mod bill;
mod cell;
mod clause;
mod event;
mod guard;
mod ids;
mod measure;
mod open_api;
mod seams;
mod sign_method;
mod time;
mod trade;

pub use amount::{Amount, AmountError};
pub use bank::{BankFacts, ListedBank, Unverified};
pub use bill::*;
pub use cell::unformula;
pub use clause::Clause;
pub use event::*;
pub use guard::{Breach, UNLISTED};
pub use ids::*;
pub use measure::{Effect, Measure, Subject};
pub use open_api::OpenApi;
pub use seams::{Clock, Sign};
pub use sign_method::SignMethod;
pub use time::{Day, Instant};
pub use trade::*;
