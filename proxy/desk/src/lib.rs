//! The compliance officers' desk: follows the trades journal, raises flags, has two officers decide them, orders
//! measures, hands packages to acquirers.
//!
//! Its only truth is the cases journal. It does not depend on the vault, so no page can show what it cannot open.

pub mod books;
pub mod cases;
pub mod clock;
mod commands;
pub mod config;
pub mod differences;
pub mod explain;
pub mod export;
pub mod fetch;
pub mod findings;
pub mod follow;
pub mod journal_face;
pub mod keys;
pub mod local;
pub mod mirror;
mod mirror_tree;
pub mod officers;
pub mod refusals;
mod reload;
mod run;
mod serve;
pub mod sessions;
pub mod state;
mod then;
pub mod trades;
pub mod unproven;
pub mod users;
pub mod web;
pub mod words;

pub use commands::{check, command};
//= C49
pub use config::{Config, Problem};
pub use run::{Parts, Running, open, run, start};

/// Octets of the operating system's randomness.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}
