//! Baidu wallet 百付宝 (channels.md section 5): GET, a query in GBK, a digest with the key behind it.

pub(crate) mod answer;
pub(crate) mod compose;
pub(crate) mod dialect;
mod facts;
pub(crate) mod notice;
pub mod query;
mod xml;
