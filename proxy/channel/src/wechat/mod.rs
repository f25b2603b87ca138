//! WeChat Pay 微信支付: APIv3 (channels.md section 1), and V2 (section 2) in a folder of its own.

pub(crate) mod allowed;
pub(crate) mod answer;
mod bodies;
pub(crate) mod call_up;
pub(crate) mod codepay;
pub(crate) mod codes;
pub(crate) mod combine;
pub(crate) mod compose;
pub(crate) mod dialect;
pub(crate) mod facts;
pub(crate) mod group;
pub(crate) mod native;
pub(crate) mod notice;
pub(crate) mod redirect;
mod route;
mod seal;
pub mod v2;

pub(crate) use route::is_bill_file;
