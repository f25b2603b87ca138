//! WeChat Pay V2: signed XML (channels.md section 2). Payment codes 付款码 go this way.

mod allowed;
pub(crate) mod answer;
pub(crate) mod codes;
pub(crate) mod compose;
pub(crate) mod dialect;
mod facts;
pub(crate) mod native;
pub mod notice;
pub mod product_code;
mod sign;

pub(crate) use sign::shown;
pub use sign::{Message, string_to_sign};
