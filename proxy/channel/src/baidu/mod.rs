//! Baidu wallet 百付宝 (channels.md section 5): GET, a query in GBK, a digest with the key behind it.

pub(crate) mod gbk;
pub mod query;
