//! The conformance run: tells a merchant's notification endpoint what it does wrong. It sends good, repeated, late,
//! forged, out-of-order, slow and large notices, rightly signed ones about another amount or another account, and judges from outside: by what the endpoint answers and, where it can
//! be asked, by how often an order was delivered.

mod alipay;
mod arrival;
mod cases;
pub mod command;
mod delivered;
mod events;
mod judge;
mod letters;
mod own;
mod report;
mod strangers;
mod wechat;
mod wire;

pub use cases::{Check, run};
pub use delivered::Delivered;
pub use letters::{Language, Mode, Scheme};
pub use report::{Report, Row, Verdict};
pub use wire::Endpoint;
