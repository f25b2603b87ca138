//! Industrial and Commercial Bank of China 工商银行, its own gateway (ICBC_PERBANK_B2C 1.0.0.11, channels.md 6.2): signed XML in
//! GBK, in both directions. No query is described, so the end of an order comes by notice or not at all.

pub(crate) mod compose;
pub(crate) mod notice;
