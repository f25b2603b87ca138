//! China Construction Bank 建设银行, its own gateway (channels.md 6.3): MD5 out, RSA back.

pub(crate) mod answer;
pub(crate) mod compose;
pub(crate) mod notice;
mod pairs;
