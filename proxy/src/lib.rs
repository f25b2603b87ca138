//! Guandao 官道: carries the message, never the money; forgets the buyer; can prove both.
//!
//! Begin with [`stack`]: the road of an order, in the order in which data flows.

pub mod accept;
pub mod api;
pub mod app;
pub mod cases;
pub mod clock;
pub mod config;
pub mod errand;
pub mod exchange;
pub mod fault;
pub mod front;
pub mod keys;
pub mod limits;
pub mod nonces;
pub mod notification;
pub mod outbound;
pub mod outbox;
pub mod passthrough;
pub mod payment;
pub mod registry;
pub mod run;
pub mod settle;
pub mod signature;
pub mod signing;
pub mod stack;
pub mod stage;
pub mod stages;
pub mod sweep;
pub mod telemetry;
