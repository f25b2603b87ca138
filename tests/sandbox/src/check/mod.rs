//! The conformance run: tells a merchant's notification endpoint what it does wrong. It sends good, repeated, late,
//! forged, out-of-order, slow and large notices, and judges from outside: by what the endpoint answers and, where it can
//! be asked, by how often an order was delivered.

mod alipay;
mod cases;
pub mod command;
mod events;
mod letters;
mod report;
mod wire;

pub use cases::{Check, Delivered, run};
pub use letters::{Language, Scheme};
pub use report::{Report, Row, Verdict};
pub use wire::Endpoint;
