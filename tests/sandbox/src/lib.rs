//! The sandbox: plays WeChat Pay (APIv3) and Alipay (gateway v2) from their public documents, with a payer and
//! faults on command.
//!
//! It never imports the proxy's channel code: what looks alike here is written a second time on purpose, so that
//! a mistake in one of the two is seen.

pub mod channels;
pub mod check;
pub mod demo;
pub mod material;
