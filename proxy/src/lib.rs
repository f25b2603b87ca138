//! Guandao 官道: carries the message, never the money; forgets the buyer; can prove both.

pub mod clock;
pub mod config;
pub mod keys;
pub mod registry;
pub mod telemetry;
