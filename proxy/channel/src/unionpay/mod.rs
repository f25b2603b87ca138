//! UnionPay 银联 全渠道, ACP gateway 5.1.0 (channels.md section 4).
//!
//! An order is known by its number *and* its time of sending (`orderId` + `txnTime`), so every message about it carries
//! the time at which it was put on record, or the one that the merchant's own SDK gave it. There is no close: an order ends
//! with its `payTimeout`.

mod allowed;
pub(crate) mod answer;
pub(crate) mod codes;
pub(crate) mod compose;
pub(crate) mod dialect;
mod facts;
mod fields;
pub(crate) mod file;
pub(crate) mod native;
pub(crate) mod notice;
mod risk;
mod seal;
mod times;

pub use fields::{customer_info, read_customer_info};

/// Where the payer's browser posts its form (channels.md 4.1).
pub(crate) const FRONT: &str = "/gateway/api/frontTransReq.do";
/// Orders of the merchant's own app: answered with a `tn` for UnionPay's SDK (channels.md 4.1).
pub(crate) const APP: &str = "/gateway/api/appTransReq.do";
/// Server calls: codes, refunds.
pub(crate) const BACK: &str = "/gateway/api/backTransReq.do";
/// Files of a day: the root of a host of its own (channels.md 4.1).
pub(crate) const FILES: &str = "/";
/// Queries.
pub(crate) const QUERY: &str = "/gateway/api/queryTrans.do";
