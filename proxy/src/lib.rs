//! Guandao 官道: carries the message, never the money; forgets the buyer; can prove both.
//!
//! Begin with [`stack`]: the road of an order, in the order in which data flows.

pub mod accept;
pub mod api;
pub mod app;
mod asks;
pub mod cases;
mod certificates;
mod charge;
pub mod check;
mod choice;
pub mod clock;
mod codes;
mod combined;
pub mod commissions;
pub mod config;
mod descriptors;
pub mod errand;
pub mod exchange;
pub mod export;
mod failover;
pub mod fault;
pub mod front;
pub mod guard;
pub mod health;
mod key_folder;
pub mod keys;
mod legible;
pub mod limits;
mod lines;
mod named;
pub mod nonces;
pub mod notification;
pub mod outbound;
pub mod outbox;
pub mod pages;
mod paid;
pub mod passthrough;
pub mod payment;
mod purge;
pub mod reconcile;
mod redirect;
pub mod registry;
mod remembered;
mod renew;
pub mod run;
pub mod scan;
mod schedule;
pub mod settle;
pub mod signature;
pub mod signing;
mod snapshot;
pub mod stack;
pub mod stage;
pub mod stages;
pub mod statistics;
pub mod sweep;
pub mod telemetry;
mod terminal;
mod trade;

/// The manual: why, not how.
pub mod manual {
    #![doc = include_str!("../manual/00-contents.md")]
    #[doc = include_str!("../manual/05-first-order.md")]
    pub mod first_order {}
    #[doc = include_str!("../manual/10-road.md")]
    pub mod road {}
    #[doc = include_str!("../manual/15-routing.md")]
    pub mod routing {}
    #[doc = include_str!("../manual/20-vault.md")]
    pub mod vault {}
    #[doc = include_str!("../manual/25-one-code.md")]
    pub mod one_code {}
    #[doc = include_str!("../manual/30-books.md")]
    pub mod books {}
    #[doc = include_str!("../manual/40-journal.md")]
    pub mod journal {}
    #[doc = include_str!("../manual/50-operations.md")]
    pub mod operations {}
    #[doc = include_str!("../manual/60-errors.md")]
    pub mod errors {}
    #[doc = include_str!("../manual/61-capabilities.md")]
    pub mod capabilities {}
    #[doc = include_str!("../manual/70-desk.md")]
    pub mod desk {}
    #[doc = include_str!("../manual/80-performance.md")]
    pub mod performance {}
}
